"""Random filters that reach through relations: the same answers wherever the records are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_loop import DataSource
from tests.agreement import for_cases
from tests.connectors.related_cases import (
    Arrangements,
    Case,
    cases,
    check_count_and_writes,
    check_find,
)

#: How many cases are looked at; each statement of another form costs a server time.
EXAMPLES = {"sqlite": 100, "postgresql": 40, "mysql": 40, "firebird": 30, "oracle": 30}


@pytest.fixture(scope="module")
def arrangements(database: DataSource) -> Arrangements:
    return Arrangements(database)


def agreement(
    check: Callable[[Arrangements, Case], None],
) -> Callable[[Arrangements], None]:
    """Make a test of what holds in every case."""

    def test(arrangements: Arrangements) -> None:
        for_cases(cases, EXAMPLES[arrangements.database], check, arrangements)

    return test


@agreement
def test_find_gives_the_same_records_with_the_same_included(
    arrangements: Arrangements, case: Case
) -> None:
    check_find(arrangements, case)


@agreement
def test_count_and_writes_through_relations_meet_the_same_records(
    arrangements: Arrangements, case: Case
) -> None:
    check_count_and_writes(arrangements, case)
