"""Random filters over random records: memory, SQL databases and the reference predicate agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_loop import DataSource
from tests.agreement import for_cases
from tests.connectors.cases import (
    INDEXES,
    PROPERTIES,
    Case,
    Pair,
    cases,
    check_count,
    check_find,
    check_writes,
)

#: How many cases are looked at; each statement of another form costs a server time.
EXAMPLES = {"sqlite": 600, "postgresql": 100, "mysql": 100, "firebird": 60, "oracle": 60}


@pytest.fixture(scope="module")
def pair(database: DataSource) -> Pair:
    if database.connector.name != "firebird":
        return Pair(database)
    # Its indexes refuse the least of all whole numbers.
    indexes = {**INDEXES, "triple": {"keys": ["size", "text"]}}
    return Pair(database, {**PROPERTIES, "whole": int}, indexes)


def agreement(check: Callable[[Pair, Case], None]) -> Callable[[Pair], None]:
    """Make a test of what holds in every case."""

    def test(pair: Pair) -> None:
        for_cases(cases, EXAMPLES[pair.database], check, pair)

    return test


@agreement
def test_find_gives_the_same_records_in_the_same_order(pair: Pair, case: Case) -> None:
    check_find(pair, case)


@agreement
def test_count_gives_the_same_number(pair: Pair, case: Case) -> None:
    check_count(pair, case)


@agreement
def test_writes_change_the_same_records(pair: Pair, case: Case) -> None:
    check_writes(pair, case)
