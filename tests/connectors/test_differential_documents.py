"""Random filters over random records: what has no SQL gives memory's answers too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import dumps
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_loop import DataSource, Model
from flask_loop.errors import TooMuchToRead
from flask_loop.testing.operators import Suit
from tests.agreement import for_cases
from tests.connectors import cases, related_cases
from tests.connectors.cases import Case, Pair
from tests.connectors.related_cases import Arrangements
from tests.servers import Server
from tests.sources import DOCUMENTS, opened

#: How many cases are looked at: few, as each is many requests of a server.
EXAMPLES = {"mongodb": 40, "redis": 60, "couchdb": 20, "rest": 30, "remote": 30}
RELATED_EXAMPLES = {"mongodb": 6, "redis": 12, "couchdb": 4, "rest": 6, "remote": 6}

GetServer = Callable[[str], Server]


@pytest.fixture(scope="module", params=DOCUMENTS)
def documents(request: pytest.FixtureRequest, get_server: GetServer) -> Iterator[DataSource]:
    with opened(request.param, get_server, "module") as source:
        yield source


@pytest.fixture(scope="module")
def pair(documents: DataSource) -> Pair:
    return Pair(documents)


@pytest.fixture(scope="module")
def arrangements(documents: DataSource, get_server: GetServer) -> Iterator[Arrangements]:
    with opened(documents.connector.name, get_server, "second") as second:
        yield Arrangements(documents, second)


def agreement(check: Callable[[Pair, Case], None]) -> Callable[[Pair], None]:
    """Make a test of what holds in every case."""

    def test(pair: Pair) -> None:
        for_cases(cases.cases, EXAMPLES[pair.database], check, pair)

    return test


def related_agreement(
    check: Callable[[Arrangements, related_cases.Case], None],
) -> Callable[[Arrangements], None]:
    """Make a test of what holds in every case of related records."""

    def test(arrangements: Arrangements) -> None:
        examples = RELATED_EXAMPLES[arrangements.database]
        for_cases(related_cases.cases, examples, check, arrangements)

    return test


@agreement
def test_find_gives_the_same_records_in_the_same_order(pair: Pair, case: Case) -> None:
    cases.check_find(pair, case)


@agreement
def test_count_gives_the_same_number(pair: Pair, case: Case) -> None:
    cases.check_count(pair, case)


@agreement
def test_writes_change_the_same_records(pair: Pair, case: Case) -> None:
    cases.check_writes(pair, case)


@related_agreement
def test_find_gives_the_same_records_with_the_same_included(
    arrangements: Arrangements, case: related_cases.Case
) -> None:
    related_cases.check_find(arrangements, case)


@related_agreement
def test_count_and_writes_through_relations_meet_the_same_records(
    arrangements: Arrangements, case: related_cases.Case
) -> None:
    related_cases.check_count_and_writes(arrangements, case)


# What Python may read

#: How many records may be read.
MOST = 5
#: Wheres that match every record, of which no backend answers all by itself.
LEFT_TO_PYTHON: dict[str, dict[str, Any]] = {
    "mongodb": {"notes.a": {"regexp": r"\pL"}},
    "redis": {"name": {"like": "%b%"}},
    "couchdb": {"name": {"ilike": "ÄB%"}},
    "rest": {"name": "äb"},
    "remote": {"name": {"nin": [f"{n:0100}" for n in range(90)]}},
}


@pytest.fixture
def bounded(documents: DataSource, get_server: GetServer) -> Iterator[DataSource]:
    """Another source of the same kind, which may read a few records only."""
    with opened(documents.connector.name, get_server, "bounded", max_scan=MOST) as source:
        yield source


@pytest.fixture
def scanned(bounded: DataSource) -> type[Model]:
    model = bounded.create_model(
        "scanned_thing", {"id": {"type": int, "id": True}, "name": str, "suit": Suit, "notes": dict}
    )
    bounded.auto_update()
    return model


@pytest.fixture
def client(scanned: type[Model], make_app: Callable[..., Flask]) -> Any:
    return make_app(scanned).test_client()


def store(model: Any, count: int) -> None:
    model.create([{"id": n, "name": "äb", "notes": {"a": "äb"}} for n in range(1, count + 1)])


def is_refused(response: TestResponse) -> bool:
    return (
        response.status_code == 400 and response.get_json()["error"]["code"] == "TOO_MUCH_TO_READ"
    )


def test_too_much_to_read_is_a_400_and_never_a_part_of_an_answer(
    bounded: DataSource, scanned: Any, client: Any
) -> None:
    where = LEFT_TO_PYTHON[bounded.connector.name]
    python = bounded.explain(scanned, {"where": where})["python"]
    assert python["where"]
    store(scanned, MOST)
    found = client.get("/api/scanned_things", query_string={"filter": dumps({"where": where})})
    assert [each["id"] for each in found.get_json()] == list(range(1, MOST + 1))
    scanned.create(id=MOST + 1, name="äb", notes={"a": "äb"})
    query = {"filter": dumps({"where": where})}
    assert is_refused(client.get("/api/scanned_things", query_string=query))
    assert is_refused(client.get("/api/scanned_things/count", query_string={"where": dumps(where)}))
    # What reads in the order that is asked for may have found the first before it read too much.
    page = {"filter": dumps({"where": where, "limit": 1})}
    response = client.get("/api/scanned_things", query_string=page)
    assert is_refused(response) or [each["id"] for each in response.get_json()] == [1]


def test_too_much_to_read_for_a_write_changes_nothing(bounded: DataSource, scanned: Any) -> None:
    where = LEFT_TO_PYTHON[bounded.connector.name]
    store(scanned, MOST + 1)
    with pytest.raises(TooMuchToRead):
        scanned.update_all(where, {"name": "changed"})
    with pytest.raises(TooMuchToRead):
        scanned.destroy_all(where)
    assert [scanned.find_by_id(n).name for n in range(1, MOST + 2)] == ["äb"] * (MOST + 1)
