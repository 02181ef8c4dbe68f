"""How many rows of a table Python looks at for what SQL cannot answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import DefinitionError, create_data_source
from flask_loop.errors import TooMuchToRead
from tests.sources import opened

ROWS = 6
#: SQL does not compare what may be of any type.
LEFT = {"anything": {"gte": 0}}


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def filled(request: pytest.FixtureRequest, get_server: Any) -> Any:
    """A function that gives a model with rows, on a data source with a bound."""
    with opened(request.param, get_server) as source:

        def make(name: str, max_scan: int) -> Any:
            things = source.create_model(
                f"scanned_{request.param}_{name}", {"n": int, "anything": object}
            )
            source.auto_update()
            things.create([{"n": n, "anything": n} for n in range(ROWS)])
            source.connector.max_scan = max_scan
            return things

        yield make


USES: dict[str, Callable[[Any], Any]] = {
    "find": lambda things: len(things.find(where=LEFT)),
    "page": lambda things: len(things.find(where=LEFT, limit=ROWS, skip=0)),
    "count": lambda things: things.count(LEFT),
    "update": lambda things: things.update_all(LEFT, {"n": 7}),
    "delete": lambda things: things.destroy_all(LEFT),
    "order": lambda things: len(things.find(order="anything")),
}


@pytest.mark.parametrize("use", USES)
def test_no_more_rows_are_looked_at_than_may_be(filled: Any, use: str) -> None:
    things = filled(use, ROWS - 1)
    with pytest.raises(TooMuchToRead):
        USES[use](things)
    assert [each.n for each in things.find(order="n")] == list(range(ROWS))


@pytest.mark.parametrize("use", USES)
def test_as_many_rows_are_looked_at_as_may_be(filled: Any, use: str) -> None:
    assert USES[use](filled(f"{use}_all", ROWS)) == ROWS


def test_what_sql_narrows_down_is_not_looked_at(filled: Any) -> None:
    things = filled("narrowed", 2)
    where = {**LEFT, "n": {"gte": ROWS - 2}}
    assert things.count(where) == 2
    assert things.find_one(where=where, order="anything DESC").anything == ROWS - 1


def test_what_sql_answers_has_no_bound(filled: Any) -> None:
    things = filled("answered", 1)
    assert len(things.find(order="n", where={"n": {"gt": 0}})) == ROWS - 1
    assert things.update_all({"n": {"gt": 0}}, {"n": 8}) == ROWS - 1


@pytest.mark.parametrize("connector", ["sqlite", "memory"])
def test_the_bound_is_a_setting(connector: str) -> None:
    source = create_data_source(connector=connector, max_scan=3)
    assert source.connector.max_scan == 3
    source.close()
    with pytest.raises(DefinitionError, match="max_scan is a whole number from 1, not 0"):
        create_data_source(connector=connector, max_scan=0)


# Includes


@pytest.fixture(params=["sqlite", "postgresql"])
def shelves(request: pytest.FixtureRequest, get_server: Any) -> Any:
    """Two shelves, of which each has three things and each tag, on a source that reads five."""
    with opened(request.param, get_server, max_scan=ROWS - 1) as source:
        name = f"included_{request.param}"
        shelf = source.create_model(f"shelf_{name}", {"title": str})
        thing = source.create_model(f"thing_{name}", {"n": int, "anything": object})
        tag = source.create_model(f"tag_{name}", {"n": int, "anything": object})
        shelf.has_many("things", model=thing, foreign_key="shelf_id")
        shelf.has_and_belongs_to_many("tags", model=tag)
        source.auto_update()
        one, other = shelf.create([{"title": "one"}, {"title": "other"}])
        thing.create(
            [{"n": n, "anything": n, "shelf_id": (one, other)[n % 2].id} for n in range(ROWS)]
        )
        for each in tag.create([{"n": n, "anything": n} for n in range(3)]):
            one.tags.add(each)
            other.tags.add(each)
        yield shelf


SCOPES: dict[str, dict[str, Any]] = {
    "where": {"where": LEFT},
    "where and page": {"where": LEFT, "limit": 1},
    "order and page": {"order": "anything DESC", "limit": 1},
    "skip": {"order": "anything", "skip": 2},
}


@pytest.mark.parametrize("relation", ["things", "tags"])
@pytest.mark.parametrize("scope", SCOPES)
def test_what_an_include_leaves_to_python_is_bounded(
    shelves: Any, relation: str, scope: str
) -> None:
    include = {"relation": relation, "scope": SCOPES[scope]}
    with pytest.raises(TooMuchToRead, match=f"More than {ROWS - 1} records of {relation[:-1]}_"):
        shelves.find(include=include)
    shelves.data_source.connector.max_scan = ROWS
    found = shelves.find(include=include)
    wanted = 3 if scope == "where" else 1
    assert [len(getattr(each, relation)()) for each in found] == [wanted, wanted]


@pytest.mark.parametrize("relation", ["things", "tags"])
def test_what_sql_includes_by_itself_has_no_bound(shelves: Any, relation: str) -> None:
    shelves.data_source.connector.max_scan = 1
    scope = {"order": "n DESC", "limit": 2, "where": {"n": {"gte": 0}}}
    for include, wanted in ((relation, 3), ({"relation": relation, "scope": scope}, 2)):
        found = shelves.find(include=include)
        assert [len(getattr(each, relation)()) for each in found] == [wanted, wanted]


def test_no_more_links_are_taken_away_by_a_where_than_may_be_read(
    shelves: Any, make_app: Callable[..., Flask]
) -> None:
    client = make_app(shelves, shelves.definition.relations["tags"].target.model).test_client()
    (first, _), connector = shelves.find(order="id"), shelves.data_source.connector
    path = f"/api/{shelves.model_name}s/{first.id}/tags"
    connector.max_scan = 2
    refused = client.delete(path, query_string={"where": '{"n": {"gte": 0}}'})
    assert refused.status_code == 400, refused.text
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (400, "TOO_MUCH_TO_READ")
    assert len(first.tags()) == 3
    assert client.delete(path, query_string={"where": '{"n": {"gt": 0}}'}).status_code == 204
    assert [each.n for each in shelves.find_by_id(first.id).tags()] == [0]


def test_an_include_of_many_records_is_bounded_over_all_that_is_asked_for_them(
    shelves: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = shelves.data_source.connector.dialect.lists
    monkeypatch.setattr(lists, "key_chunks", lambda raw, width: [[each] for each in raw])
    include = {"relation": "things", "scope": {"order": "anything", "limit": 1}}
    with pytest.raises(TooMuchToRead):
        shelves.find(include=include)
