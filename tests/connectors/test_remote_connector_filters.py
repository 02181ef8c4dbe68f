"""What the remote connector writes of filters, and what is read of it by an app's parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import note

from flask_loop import DataSource, create_data_source
from flask_loop.definition import ModelDefinition
from flask_loop.query import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Filter,
    FilterParser,
    Not,
    Or,
    Path,
    Where,
    equality,
)
from flask_loop.types import AnyValue
from tests.agreement import for_cases
from tests.connectors.cases import PROPERTIES, Case, cases

#: Nobody answers there, and nobody is asked.
NOWHERE = "http://127.0.0.1:9/api"


@pytest.fixture(scope="module")
def source() -> Iterator[DataSource]:
    source = create_data_source(connector="remote", url=NOWHERE, max_url=1_000_000)
    source.create_model("far_case", PROPERTIES)
    yield source
    source.close()


@pytest.fixture(scope="module")
def definition(source: DataSource) -> ModelDefinition:
    definition: ModelDefinition = source.models()[0].definition
    return definition


def sent(source: DataSource, definition: ModelDefinition, filter: Filter) -> list[dict[str, Any]]:
    """The filters that are sent for a filter, as JSON says them."""
    filters = source.connector.explain(definition, filter)["backend"]["filters"]
    listed: list[dict[str, Any]] = json.loads(json.dumps(filters))
    return listed


def simplified(where: Where) -> Where:
    """A where in the one form that all have which say the same with other brackets."""
    if isinstance(where, Not):
        inner = simplified(where.item)
        if isinstance(inner, Not):
            return inner.item
        return NOTHING if inner == EVERYTHING else EVERYTHING if inner == NOTHING else Not(inner)
    if not isinstance(where, And | Or):
        return where
    kind = type(where)
    neutral, decisive = (EVERYTHING, NOTHING) if kind is And else (NOTHING, EVERYTHING)
    items: list[Where] = []
    for item in map(simplified, where.items):
        if item == decisive:
            return decisive
        if item != neutral:
            items += item.items if isinstance(item, kind) else [item]
    return items[0] if len(items) == 1 else kind(tuple(items))


def read_again(source: DataSource, definition: ModelDefinition, where: Where) -> Where:
    """What the other app's parser reads of a where, all of which is sent."""
    filter = Filter(where, FilterParser(definition).all.order, limit=5)
    assert source.connector.explain(definition, filter)["python"] == {"where": [], "order": False}
    filters = sent(source, definition, filter)
    if not filters:
        return NOTHING
    (written,) = filters
    return FilterParser(definition, remote=True).where(written.get("where"))


def check_wheres(source: DataSource, definition: ModelDefinition, case: Case) -> None:
    given = case.where()
    note(f"where: {given}")
    where = FilterParser(definition).where(given)
    assert simplified(read_again(source, definition, where)) == simplified(where)


def check_filters(source: DataSource, definition: ModelDefinition, case: Case) -> None:
    given = {**case.filter(), "limit": 7}
    note(f"filter: {given}")
    filter = FilterParser(definition).filter(given)
    filters = sent(source, definition, filter)
    if not filters:
        assert simplified(filter.where) == NOTHING
        return
    read = FilterParser(definition, remote=True).filter(filters[0])
    assert (read.order, read.limit, read.skip) == (filter.order, filter.limit, filter.skip)
    assert read.near == filter.near
    wanted = None if filter.fields is None else {*filter.fields, "id"}
    assert (None if read.fields is None else {*read.fields}) == wanted


def test_every_where_is_read_as_it_was(source: DataSource, definition: ModelDefinition) -> None:
    for_cases(cases, 400, check_wheres, source, definition)


def test_order_page_and_fields_are_read_as_they_were(
    source: DataSource, definition: ModelDefinition
) -> None:
    for_cases(cases, 100, check_filters, source, definition)


@pytest.mark.parametrize(
    ("where", "written"),
    [
        ({"code": "a"}, {"code": {"eq": "a"}}),
        ({"code": None}, {"code": None}),
        ({"code": {"neq": None}}, {"code": {"neq": None}}),
        ({"code": {"exists": True}}, {"code": {"neq": None}}),
        ({"code": {"nin": ["a", None]}}, {"nor": [{"code": {"inq": ["a"]}}, {"code": None}]}),
        ({"nor": [{"code": "a"}]}, {"code": {"neq": "a"}}),
        ({"code": {"regexp": "/a/"}}, {"code": {"regexp": "a"}}),
        ({"code": {"regexp": "//a//"}}, {"code": {"regexp": "//a//"}}),
        ({"code": {"regexp": "/^a/i"}}, {"code": {"regexp": "/^a/i"}}),
        ({"code": {"regexp": "//x/g/"}}, {"code": {"regexp": "//x/g/"}}),
        ({"code": {"like": "a%", "options": "i"}}, {"code": {"ilike": "a%"}}),
        ({"code": {"nilike": "a%"}}, {"code": {"nilike": "a%"}}),
        ({"record.a": {"gt": 1}}, {"record.a": {"gt": 1}}),
        ({"record": {"eq": {"gt": 1}}}, {"record": {"eq": {"gt": 1}}}),
        ({"homes.0.zip_code": "1"}, {"homes.0.zipCode": {"eq": "1"}}),
        ({"home.owner.full_name": "A"}, {"home.owner.fullName": {"eq": "A"}}),
        ({"tags": ["a", "b"]}, {"tags": {"eq": ["a", "b"]}}),
        ({"price": {"between": ["1", 2]}}, {"price": {"between": ["1.00", "2.00"]}}),
        ({"raw": b"\xff"}, {"raw": {"eq": "/w=="}}),
        ({"and": [{"code": "a"}, {"and": [{"flag": True}, {"whole": 1}]}]}, None),
    ],
    ids=str,
)
def test_what_is_written_of_a_where(
    source: DataSource, definition: ModelDefinition, where: Any, written: Any
) -> None:
    parsed = FilterParser(definition).where(where)
    (filter,) = sent(source, definition, Filter(parsed, FilterParser(definition).all.order, 5))
    if written is None:  # what is nested is as flat as can be
        written = {"and": [{"code": {"eq": "a"}}, {"flag": {"eq": True}}, {"whole": {"eq": 1}}]}
    assert filter["where"] == written
    assert simplified(read_again(source, definition, parsed)) == simplified(parsed)


def test_a_value_that_is_not_meant_as_an_item_is_compared_again(
    source: DataSource, definition: ModelDefinition
) -> None:
    where = equality(definition.properties["anything"], "a")
    explained = source.connector.explain(definition, Filter(where, limit=5))
    assert explained["backend"]["filters"][0]["where"] == {"anything": {"eq": "a"}}
    assert explained["python"]["where"] == ["anything eq"]


def test_a_key_that_no_path_can_have_is_looked_at_here(
    source: DataSource, definition: ModelDefinition
) -> None:
    record = definition.properties["record"]
    for key in ("a.b", ""):
        where = Compare(Path(record, (key,), AnyValue()), "eq", 1)
        explained = source.connector.explain(definition, Filter(where, limit=5))
        assert "where" not in explained["backend"]["filters"][0]
        assert len(explained["python"]["where"]) == 1


def test_a_list_that_is_read_to_its_end_is_sorted_here(source: DataSource) -> None:
    (model,) = source.models()
    explained = source.explain(model, {"order": "text DESC"})
    assert explained["backend"]["filters"] == [{"limit": 1000, "order": ["id"]}]
    assert explained["python"] == {"where": [], "order": True}


def test_nobody_is_asked_for_what_cannot_be(source: DataSource) -> None:
    (model,) = source.models()
    assert model.find(where={"whole": {"inq": []}}) == []
    assert model.count({"or": []}) == 0
    assert model.update_all({"or": []}, {"whole": 1}) == 0
    assert model.destroy_all({"or": []}) == 0
    assert model.find(limit=0) == []


@pytest.fixture
def strait(connect: Callable[..., DataSource]) -> DataSource:
    """A source whose other app takes but short URLs."""
    source = connect("remote", url=NOWHERE, max_url=900, max_values=50)
    source.create_model("far_strait", {"code": str, "whole": int, "flag": bool})
    return source


def questions(source: DataSource, where: Any) -> tuple[list[Any], list[str]]:
    """The wheres that are sent for a where, and the comparisons that are left."""
    (model,) = source.models()
    explained = source.explain(model, {"where": where})
    wheres = [each.get("where") for each in explained["backend"]["filters"]]
    return wheres, explained["python"]["where"]


def test_a_long_list_is_cut_beside_what_else_is_asked(strait: DataSource) -> None:
    wheres, left = questions(strait, {"flag": True, "whole": {"inq": [*range(120)]}})
    assert left == []
    assert len(wheres) > 2
    assert all(each["and"][-1] == {"flag": {"eq": True}} for each in wheres) or all(
        each["and"][0] == {"flag": {"eq": True}} for each in wheres
    )
    values = [
        n for each in wheres for part in each["and"] for n in part.get("whole", {"inq": []})["inq"]
    ]
    assert sorted(values) == [*range(120)]


def test_of_two_long_lists_one_is_cut_and_one_compared_here(strait: DataSource) -> None:
    where = {"code": {"inq": [f"c{n}" for n in range(200)]}, "whole": {"inq": [*range(120)]}}
    wheres, left = questions(strait, where)
    assert left == ["code inq"]
    assert [n for each in wheres for n in each["whole"]["inq"]] == [*range(120)]


def test_alternatives_that_cannot_be_are_not_asked_for(strait: DataSource) -> None:
    some = [{"code": "x" * 90, "whole": n} for n in range(9)]
    wheres, left = questions(strait, {"or": [*some, *[{"whole": {"gt": None}}] * 30]})
    assert left == []
    assert sum(len(each.get("or", [each])) for each in wheres) == 9


def test_a_list_that_is_not_wanted_cannot_be_cut(strait: DataSource) -> None:
    where = {"flag": True, "whole": {"nin": [*range(300)]}}
    assert questions(strait, where) == ([{"flag": {"eq": True}}], ["whole inq"])


def test_without_ids_nothing_is_cut(connect: Callable[..., DataSource]) -> None:
    source = connect("remote", url=NOWHERE, max_values=5)
    source.create_model("far_idless", {"whole": int}, id_injection=False)
    assert questions(source, {"whole": {"inq": [*range(9)]}}) == ([None], ["whole inq"])
