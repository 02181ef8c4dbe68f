from __future__ import annotations

import enum
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields

from flask_loop.connectors import Capabilities, Column, find_connector, id_where
from flask_loop.connectors.memory import MemoryConnector
from flask_loop.definition import ModelDefinition, definition_from_dict
from flask_loop.errors import (
    Conflict,
    DefinitionError,
    DuplicateId,
    Unavailable,
    UniqueViolation,
)
from flask_loop.geo import GeoPoint
from flask_loop.query import EVERYTHING, FilterParser, apply
from flask_loop.types import MAX_INTEGER

ROOT = Path(sys.modules[MemoryConnector.__module__].__file__ or "").parents[3]

Record = dict[str, Any]


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@pytest.fixture
def connector() -> MemoryConnector:
    return MemoryConnector({})


@pytest.fixture
def user() -> ModelDefinition:
    return definition_from_dict(
        "user",
        {
            "name": str,
            "email": {"type": str, "unique": True},
            "age": {"type": int, "index": True},
            "tags": [str],
        },
    )


def records_of(definition: ModelDefinition, *given: Record) -> list[Record]:
    """Complete records, as operations give them to a connector."""
    return [{**dict.fromkeys(definition.properties), **each} for each in given]


def insert(connector: MemoryConnector, definition: ModelDefinition, *given: Record) -> list[Any]:
    return connector.insert(definition, records_of(definition, *given))


def find(connector: MemoryConnector, definition: ModelDefinition, **given: Any) -> list[Record]:
    return connector.select(definition, FilterParser(definition).filter(given)).records()


def update(
    connector: MemoryConnector, definition: ModelDefinition, where: Any, **changes: Any
) -> int:
    return connector.update(definition, FilterParser(definition).where(where), changes)


def delete(connector: MemoryConnector, definition: ModelDefinition, where: Any = None) -> int:
    return connector.delete(definition, FilterParser(definition).where(where))


def explain(
    connector: MemoryConnector, definition: ModelDefinition, **given: Any
) -> dict[str, Any]:
    return connector.explain(definition, FilterParser(definition).filter(given))


def ids(records: list[Record]) -> list[Any]:
    return [record["id"] for record in records]


# Settings and capabilities


def test_an_unknown_setting_names_the_nearest_known_one() -> None:
    with pytest.raises(DefinitionError, match=r"no setting 'flie'; did you mean 'file'\?"):
        MemoryConnector({"flie": "x.json"})


@pytest.mark.parametrize("path", ["", 5, b"data.json"])
def test_a_file_that_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(DefinitionError, match="'file' is a path"):
        MemoryConnector({"file": path})


def test_capabilities(connector: MemoryConnector, tmp_path: Path) -> None:
    assert connector.capabilities == Capabilities(persistent=False)
    assert MemoryConnector({"file": tmp_path / "data.json"}).capabilities == Capabilities()
    assert MemoryConnector.capabilities == Capabilities(persistent=False)


def test_it_is_found_by_its_name() -> None:
    assert MemoryConnector.name == "memory"
    try:
        assert find_connector("memory") is MemoryConnector
    except DefinitionError:
        pytest.skip("flask-loop is not installed: pip install -e .")


def test_ping_and_close_change_nothing(connector: MemoryConnector, user: ModelDefinition) -> None:
    insert(connector, user, {"name": "Ann"})
    connector.ping()
    connector.close()
    assert connector.count(user, EVERYTHING) == 1


def test_auto_update_keeps_the_records_and_auto_migrate_does_not(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    other = definition_from_dict("other", {"name": str})
    insert(connector, user, {"name": "Ann"})
    insert(connector, other, {"name": "kept"})
    assert connector.is_actual([user, other])
    connector.auto_update([user, other])
    assert connector.count(user, EVERYTHING) == 1
    connector.auto_migrate([user])
    assert connector.count(user, EVERYTHING) == 0
    assert connector.count(other, EVERYTHING) == 1
    assert insert(connector, user, {"name": "Bob"}) == [1]


# Rows


def test_rows_are_records_by_python_name(connector: MemoryConnector) -> None:
    product = definition_from_dict(
        "product", {"unit_price": float, "since": date, "place": GeoPoint}
    )
    insert(connector, product, {"unit_price": 2.5})
    rows = connector.select(product, FilterParser(product).filter({}))
    assert list(rows) == [{"unit_price": 2.5, "since": None, "place": None, "id": 1}]
    assert list(rows.layout.columns) == ["unit_price", "since", "place", "id"]
    assert rows.layout.columns["unit_price"] == Column(("unit_price",))
    assert rows.layout.columns["since"] == Column(
        ("since",), None, product.properties["since"].type.dump
    )
    assert not rows.layout.open
    assert rows.records() == list(rows)


def test_rows_with_fields_hold_only_these(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"name": "Ann", "tags": ["a"]})
    rows = connector.select(user, FilterParser(user).filter({"fields": ["tags", "name"]}))
    assert list(rows) == [{"name": "Ann", "tags": ["a"]}]
    assert list(rows.layout.columns) == ["name", "tags"]


def test_one_layout_per_definition_and_fields(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    parser = FilterParser(user)
    named = [
        connector.select(user, parser.filter({"fields": ["name"], "limit": limit})).layout
        for limit in (1, 2)
    ]
    assert named[0] is named[1]
    assert named[0] is not connector.select(user, parser.filter({})).layout
    assert connector.get(user, 1).layout is connector.select(user, parser.filter({})).layout


def test_the_layouts_of_many_selections_are_not_all_kept(connector: MemoryConnector) -> None:
    wide = definition_from_dict("wide", {f"p{number}": int for number in range(200)})
    first = connector.select(wide, FilterParser(wide).filter({"fields": ["p0"]})).layout
    for name in list(wide.properties)[1:]:
        connector.select(wide, FilterParser(wide).filter({"fields": [name]}))
    again = connector.select(wide, FilterParser(wide).filter({"fields": ["p0"]})).layout
    assert again is not first


def test_a_model_that_keeps_unknown_keys_has_an_open_layout(connector: MemoryConnector) -> None:
    note = definition_from_dict("note", {"text": str}, {"strict": False})
    insert(connector, note, {"text": "x", "extra": {"deep": [1]}})
    rows = connector.get(note, 1)
    assert rows.layout.open
    assert rows.records() == [{"text": "x", "id": 1, "extra": {"deep": [1]}}]
    assert update(connector, note, {"id": 1}, more=2) == 1
    assert connector.get(note, 1)[0]["more"] == 2
    rows = connector.select(note, FilterParser(note).filter({"fields": "text"}))
    assert not rows.layout.open
    assert rows.records() == [{"text": "x"}]


def test_get_finds_one_or_none(connector: MemoryConnector, user: ModelDefinition) -> None:
    insert(connector, user, {"name": "Ann"}, {"name": "Bob"})
    assert connector.get(user, 2)[0]["name"] == "Bob"
    assert len(connector.get(user, 3)) == 0
    assert len(connector.get(user, True)) == 0


# Copies


def test_what_was_read_is_not_changed_by_later_writes(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"name": "Ann", "tags": ["a"]})
    rows = connector.get(user, 1)
    update(connector, user, {"id": 1}, name="Bob", tags=["b"])
    assert rows[0]["name"] == "Ann"
    assert rows.records()[0]["tags"] == ["a"]
    delete(connector, user)
    assert rows[0]["name"] == "Ann"


def nested() -> Record:
    return {
        "list": ["a"],
        "object": {"x": {"y": [1]}},
        "any": [{"z": 1}],
        "part": {"inner": [1]},
        "field": {1},
    }


def spoil(record: Record) -> None:
    record["list"].append("b")
    record["object"]["x"]["y"].append(2)
    record["any"][0]["z"] = 2
    record["part"]["inner"].clear()
    record["field"].add(2)


@pytest.mark.parametrize("strict", [True, False])
def test_the_caller_cannot_change_what_is_stored(connector: MemoryConnector, strict: bool) -> None:
    types = {"list": [str], "object": dict, "any": "any", "part": {"inner": [int]}}
    model = definition_from_dict("model", types | {"field": fields.Raw()}, {"strict": strict})
    expected = {**nested(), "id": 1}
    inserted, change = nested(), nested()
    insert(connector, model, inserted, nested())
    spoil(inserted)
    assert connector.get(model, 1)[0] == expected
    for names in (None, list(expected)):
        [row] = connector.select(model, FilterParser(model).filter({"fields": names, "limit": 1}))
        spoil(row)
        assert connector.get(model, 1)[0] == expected
    connector.update(model, EVERYTHING, change)
    spoil(change)
    spoil(connector.get(model, 2)[0])
    assert connector.get(model, 1)[0] == expected
    assert connector.get(model, 2)[0] == {**expected, "id": 2}


def test_undeclared_values_are_copied_too(connector: MemoryConnector) -> None:
    note = definition_from_dict("note", {}, {"strict": False})
    extra = {"deep": [1]}
    insert(connector, note, {"extra": extra})
    extra["deep"].append(2)
    connector.get(note, 1)[0]["extra"]["deep"].append(3)
    assert connector.get(note, 1)[0]["extra"] == {"deep": [1]}


# Ids


def test_ids_count_from_one_and_after_the_greatest(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    assert insert(connector, user, {}, {}) == [1, 2]
    assert insert(connector, user, {"id": 10}, {}, {"id": 5}, {}) == [10, 11, 5, 12]


def test_ids_are_never_given_twice(connector: MemoryConnector, user: ModelDefinition) -> None:
    insert(connector, user, {}, {})
    delete(connector, user)
    assert insert(connector, user, {}) == [3]


def test_an_id_that_exists_is_refused_and_nothing_of_the_call_is_stored(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"id": 3, "name": "Ann"})
    with pytest.raises(DuplicateId, match=r"user\.id: 3"):
        insert(connector, user, {"name": "Bob"}, {"id": 3})
    assert [each["name"] for each in find(connector, user)] == ["Ann"]


def test_an_id_of_several_properties(connector: MemoryConnector) -> None:
    line = definition_from_dict(
        "line",
        {
            "order": {"type": int, "id": 1},
            "product": {"type": str, "id": 2},
            "amount": int,
        },
    )
    assert insert(
        connector,
        line,
        {"order": 1, "product": "a", "amount": 1},
        {"order": 1, "product": "b", "amount": 2},
        {"order": 2, "product": "a", "amount": 3},
    ) == [(1, "a"), (1, "b"), (2, "a")]
    assert connector.get(line, (1, "b"))[0]["amount"] == 2
    assert connector.get(line, [2, "a"])[0]["amount"] == 3
    assert connector.update(line, id_where(line, (2, "a")), {"amount": 4}) == 1
    assert connector.delete(line, id_where(line, (1, "a"))) == 1
    assert [each["amount"] for each in find(connector, line)] == [2, 4]
    assert explain(connector, line, where={"product": "b", "order": 1}) == {
        "connector": "memory",
        "index": "order, product",
        "candidates": 1,
        "records": 2,
        "ordered": False,
    }
    with pytest.raises(DuplicateId, match=r"line\.id: 1,b"):
        insert(connector, line, {"order": 1, "product": "b"})
    with pytest.raises(DefinitionError, match=r"line\.product is an id without a value"):
        insert(connector, line, {"order": 1})


def test_a_text_id_without_a_value_says_what_would_make_one(connector: MemoryConnector) -> None:
    token = definition_from_dict("token", {"id": {"type": str, "id": True, "generated": True}})
    assert insert(connector, token, {"id": "abc"}) == ["abc"]
    with pytest.raises(DefinitionError, match='default_fn="uuid"'):
        insert(connector, token, {})


def test_an_id_that_is_not_generated_is_not_made(connector: MemoryConnector) -> None:
    city = definition_from_dict("city", {"code": {"type": int, "id": True}})
    with pytest.raises(DefinitionError, match=r"city\.code is an id without a value"):
        insert(connector, city, {})


@pytest.mark.parametrize(
    ("kind", "value"),
    [(UUID, UUID(int=7)), ("any", "x"), ("any", [1, {"a": None}]), (datetime, datetime.now(UTC))],
)
def test_ids_of_other_types(connector: MemoryConnector, kind: Any, value: Any) -> None:
    model = definition_from_dict("model", {"id": {"type": kind, "id": True}, "n": int})
    assert insert(connector, model, {"id": value, "n": 1}) == [value]
    assert connector.get(model, value)[0]["n"] == 1
    assert connector.select(model, FilterParser(model).filter({"where": {"n": 1}}))[0]["n"] == 1
    with pytest.raises(DuplicateId):
        insert(connector, model, {"id": value})


def test_a_model_without_an_id(connector: MemoryConnector) -> None:
    log = definition_from_dict("log", {"text": str}, {"id_injection": False})
    insert(connector, log, {"text": "a"}, {"text": "a"})
    assert update(connector, log, {"text": "a"}, text="b") == 2
    assert find(connector, log) == [{"text": "b"}, {"text": "b"}]
    assert delete(connector, log) == 2


def test_past_the_greatest_integer_there_are_no_more_ids(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"id": MAX_INTEGER})
    with pytest.raises(Conflict, match="no more ids"):
        insert(connector, user, {})


def test_an_id_cannot_be_changed_but_may_be_given_again(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"name": "Ann"})
    assert update(connector, user, {"id": 1}, id=1, name="Bob") == 1
    with pytest.raises(ValueError, match="the id of a user cannot be changed"):
        update(connector, user, {"id": 1}, id=2)
    assert find(connector, user)[0]["name"] == "Bob"


# Uniqueness


def test_a_unique_value_is_refused_with_its_position_and_nothing_is_stored(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"email": "ann@example.com"})
    with pytest.raises(UniqueViolation) as caught:
        insert(connector, user, {"email": "bob@example.com"}, {"email": "ann@example.com"})
    assert caught.value.properties == ("email",)
    assert caught.value.index == 1
    assert len(find(connector, user)) == 1
    insert(connector, user, {"email": "bob@example.com"})


def test_two_records_of_one_call_collide(connector: MemoryConnector, user: ModelDefinition) -> None:
    with pytest.raises(UniqueViolation):
        insert(connector, user, {"email": "a"}, {"email": "a"})
    assert find(connector, user) == []


def test_null_never_collides(connector: MemoryConnector, user: ModelDefinition) -> None:
    insert(connector, user, {}, {}, {})
    assert update(connector, user, {}, email=None) == 3


def test_text_is_unique_by_case(connector: MemoryConnector, user: ModelDefinition) -> None:
    insert(connector, user, {"email": "a"}, {"email": "A"}, {"email": "a "})
    assert len(find(connector, user)) == 3


@pytest.mark.parametrize(
    "index",
    [
        {"keys": ["first_name", "last_name"], "unique": True},
        {"keys": ["firstName", "lastName"], "unique": True},
        {"keys": {"firstName": 1, "last_name": -1}, "unique": True},
        {"keys": {"firstName": 1, "lastName": 1}, "options": {"unique": True}},
        {"firstName": 1, "lastName": 1, "options": {"unique": True}},
    ],
)
def test_a_unique_index_over_several_properties(
    connector: MemoryConnector, index: dict[str, Any]
) -> None:
    person = definition_from_dict(
        "person", {"first_name": str, "last_name": str}, {"indexes": {"name": index}}
    )
    insert(
        connector,
        person,
        {"first_name": "Ann", "last_name": "Lee"},
        {"first_name": "Ann", "last_name": "Ray"},
        {"first_name": "Ann"},
        {"first_name": "Ann"},
    )
    with pytest.raises(UniqueViolation) as caught:
        insert(connector, person, {"first_name": "Ann", "last_name": "Lee"})
    assert caught.value.properties == ("first_name", "last_name")
    found = explain(connector, person, where={"first_name": "Ann", "last_name": "Lee"})
    assert (found["index"], found["candidates"]) == ("first_name, last_name", 1)


def test_a_unique_index_on_what_is_no_property_is_an_error(connector: MemoryConnector) -> None:
    bad = definition_from_dict(
        "bad", {"a": int}, {"indexes": {"i": {"keys": ["a", "bee"], "unique": True}}}
    )
    with pytest.raises(
        DefinitionError, match="unique index 'i' is not over properties of the model: a, bee"
    ):
        connector.define(bad)


def test_an_index_of_another_backend_does_no_harm(connector: MemoryConnector) -> None:
    model = definition_from_dict("model", {"a": int}, {"indexes": {"i": {"keys": {"$**": "text"}}}})
    assert insert(connector, model, {"a": 1}) == [1]


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (bool, True, False),
        ("Number", 1, 1.5),
        (Decimal, Decimal("1.5"), Decimal(1)),
        (datetime, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)),
        (Size, Size.SMALL, Size.LARGE),
        (GeoPoint, GeoPoint(1, 2), GeoPoint(2, 1)),
        (["string"], ["a"], ["a", "b"]),
        (dict, {"a": [1]}, {"a": [True]}),
        ("any", 1, True),
        (fields.Raw(), {1}, {2}),
    ],
)
def test_values_of_every_type_can_be_unique(
    connector: MemoryConnector, kind: Any, value: Any, other: Any
) -> None:
    model = definition_from_dict("model", {"x": {"type": kind, "unique": True}})
    insert(connector, model, {"x": value}, {"x": other}, {})
    with pytest.raises(UniqueViolation):
        insert(connector, model, {"x": value})
    assert update(connector, model, {"id": 1}, x=value) == 1


def test_an_update_that_collides_changes_nothing(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"email": "a", "age": 1}, {"email": "b", "age": 1}, {"age": 1})
    for where, email in (({"id": {"gt": 1}}, "a"), ({"age": 1}, "new")):
        with pytest.raises(UniqueViolation) as caught:
            update(connector, user, where, email=email, age=2)
        assert caught.value.properties == ("email",)
        assert caught.value.index is None
        assert [(each["email"], each["age"]) for each in find(connector, user)] == [
            ("a", 1),
            ("b", 1),
            (None, 1),
        ]
        assert find(connector, user, where={"age": 2}) == []


def test_a_unique_value_that_was_given_up_can_be_taken(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"email": "a"}, {"email": "b"})
    update(connector, user, {"id": 1}, email="c")
    update(connector, user, {"id": 2}, email="a")
    delete(connector, user, {"id": 2})
    assert insert(connector, user, {"email": "a"}) == [3]


def test_of_eight_threads_that_insert_one_unique_value_one_wins(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    start = threading.Barrier(8)

    def attempt(email: str) -> int:
        start.wait(30)
        try:
            insert(connector, user, {"email": email})
        except UniqueViolation:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(50):
            assert sum(pool.map(attempt, [f"{round_}@example.com"] * 8)) == 1
    assert connector.count(user, EVERYTHING) == 50


def test_threads_that_read_and_write_at_once_see_whole_records(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, *({"age": 0, "name": "0"} for _ in range(20)))
    stop = threading.Event()

    def write() -> None:
        for number in range(300):
            update(connector, user, {}, age=number, name=str(number))
            insert(connector, user, {"age": number, "name": str(number)})
            delete(connector, user, {"id": 21 + number})
        stop.set()

    def read() -> None:
        while not stop.is_set():
            found = find(connector, user, where={"age": {"gte": 0}}, order="age")
            assert len({each["name"] for each in found if each["id"] <= 20}) == 1
            assert all(each["name"] == str(each["age"]) for each in found)

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write), pool.submit(read), pool.submit(read)]
        for job in jobs:
            job.result(50)


# Indexes, on 100,000 records

MANY = 100_000

item = definition_from_dict(
    "item",
    {
        "sku": {"type": str, "unique": True},
        "group": {"type": int, "index": True},
        "price": {"type": "Number", "index": True},
        "sold": {"type": datetime, "index": True},
        "size": {"type": Size, "index": True},
        "note": str,
    },
    {"indexes": {"both": {"keys": ["group", "note"]}}},
)


def make_item(number: int) -> Record:
    return {
        "id": None,
        "sku": f"sku-{number:06}",
        "group": number % 1000,
        "price": number * 7919 % MANY / 4 if number % 100 else None,
        "sold": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        "size": Size.SMALL if number % 2 else Size.LARGE,
        "note": f"note {number % 7}",
    }


@pytest.fixture(scope="module")
def items() -> MemoryConnector:
    connector = MemoryConnector({})
    connector.insert(item, [make_item(number) for number in range(MANY)])
    return connector


@pytest.fixture(scope="module")
def all_items(items: MemoryConnector) -> list[Record]:
    return find(items, item)


@pytest.mark.parametrize(
    ("where", "index", "most"),
    [
        ({"sku": "sku-000777"}, "sku", 1),
        ({"sku": "nothing"}, "sku", 0),
        ({"group": 5}, "group", 100),
        ({"group": {"inq": [5, 6, 5]}}, "group", 200),
        ({"group": 5, "sku": "sku-000005"}, "sku", 1),
        ({"group": 5, "note": "note 5"}, "group, note", 20),
        ({"price": None}, "price", 1000),
        ({"price": {"between": [100, 110]}}, "price", 45),
        ({"price": {"gt": 100, "lt": 110}}, "price", 45),
        ({"and": [{"price": {"gte": 100}}, {"and": [{"price": {"lte": 110}}]}]}, "price", 45),
        ({"price": {"gt": 24_990}}, "price", 40),
        ({"price": {"lt": 10}, "group": {"gt": 0}}, "price", 40),
        ({"price": {"lt": 10}, "note": {"neq": "note 1"}}, "price", 40),
        ({"price": {"gt": 10, "lt": 5}}, "price", 0),
        ({"sold": {"lt": "2020-01-01T01:00:00Z"}}, "sold", 60),
        ({"sku": {"like": "sku-0001%"}}, "sku", 100),
        ({"sku": {"like": r"sku-0001\_%"}}, "sku", 0),
        ({"sku": {"like": "sku-000123"}}, "sku", 1),
        ({"id": 99}, "id", 1),
        ({"id": {"inq": [1, 2, 3]}}, "id", 3),
        ({"id": {"lte": 50}}, "id", 50),
        ({"or": [{"sku": "sku-000001"}, {"price": {"lt": 1}}]}, "sku, price", 5),
        ({"or": [{"id": 1}, {"id": {"lt": 3}}]}, "id", 2),
        ({"or": [{"and": [{"id": 1}, {"note": "x"}]}, {"group": 5, "note": "note 5"}]}, None, 21),
        ({"group": {"inq": [5, None]}}, "group", 100),
        ({"or": []}, None, 0),
    ],
)
def test_what_an_index_answers_does_not_scan(
    items: MemoryConnector,
    all_items: list[Record],
    where: dict[str, Any],
    index: str | None,
    most: int,
) -> None:
    explained = explain(items, item, where=where)
    assert explained["candidates"] <= most
    assert explained["records"] == MANY
    if index is not None:
        assert explained["index"] == index
    filter_ = FilterParser(item).filter({"where": where})
    assert items.select(item, filter_).records() == apply(filter_, all_items)
    assert items.count(item, filter_.where) == len(apply(filter_, all_items))


@pytest.mark.parametrize(
    "where",
    [
        {"note": "note 3"},
        {"note": "note 3", "price": {"neq": 5}},
        {"sku": {"like": "%7"}},
        {"sku": {"ilike": "sku-0001%"}},
        {"sku": {"regexp": "^sku-0001"}},
        {"or": [{"sku": "sku-000001"}, {"note": "note 3"}]},
        {"sku": {"neq": "sku-000001"}},
    ],
)
def test_what_no_index_answers_is_scanned(
    items: MemoryConnector, all_items: list[Record], where: dict[str, Any]
) -> None:
    explained = explain(items, item, where=where)
    assert (explained["index"], explained["candidates"]) == (None, MANY)
    filter_ = FilterParser(item).filter({"where": where})
    assert items.select(item, filter_).records() == apply(filter_, all_items)


@pytest.mark.parametrize(
    ("given", "index", "most"),
    [
        ({"limit": 10}, "id", 10),
        ({"limit": 10, "skip": 20}, "id", 30),
        ({"limit": 10, "order": "id DESC"}, "id", 10),
        ({"limit": 10, "order": "price"}, "price", 10),
        ({"limit": 10, "order": "price DESC"}, "price", 10),
        ({"limit": 10, "order": ["group DESC", "sku DESC"]}, "group", 100),
        ({"limit": 10, "order": ["size", "price"]}, "size", MANY // 2),
        ({"limit": 10, "where": {"id": {"gt": 60_000}}}, "id", 10),
        ({"limit": 10, "where": {"price": {"gt": 100}}, "order": "price"}, "price", 10),
        ({"limit": 10, "where": {"price": {"lt": 100}}, "order": "price DESC"}, "price", 10),
        ({"limit": 10, "where": {"note": "note 3"}}, "id", 100),
        ({"limit": 10, "where": {"sku": "sku-000777"}, "order": "price"}, "sku", 1),
        ({"limit": 10, "where": {"group": 5}, "order": "price"}, "group", 100),
        ({"limit": 10, "where": {"size": "s"}, "order": "sold DESC"}, "sold", 50),
        ({"limit": 0}, None, 0),
        ({"limit": 10, "order": "note"}, None, MANY),
        ({"limit": 3, "skip": MANY - 1, "order": "price"}, None, MANY),
        ({"limit": 5, "skip": MANY - 1100, "order": "price DESC"}, None, MANY),
    ],
)
def test_a_page_ends_when_it_is_full(
    items: MemoryConnector,
    all_items: list[Record],
    given: dict[str, Any],
    index: str | None,
    most: int,
) -> None:
    explained = explain(items, item, **given)
    assert explained["candidates"] <= most
    if index is not None:
        assert explained["index"] == index
    filter_ = FilterParser(item).filter(given)
    assert items.select(item, filter_).records() == apply(filter_, all_items)


def test_indexes_follow_writes(connector: MemoryConnector) -> None:
    numbers = random.Random(4)
    connector.insert(item, [make_item(number) for number in range(2000)])
    for _ in range(40):
        find(connector, item, where={"price": {"gt": 20_000}})
        where = {"id": {"inq": [numbers.randrange(1, 2000) for _ in range(60)]}}
        update(connector, item, where, price=numbers.randrange(25_000), size=Size.LARGE)
        delete(connector, item, {"id": numbers.randrange(1, 2000)})
        connector.insert(item, [make_item(2000 + numbers.randrange(10**6))])
        stored = find(connector, item)
        for asked in (
            {"where": {"price": {"gt": 20_000}}, "order": "price DESC"},
            {"where": {"price": {"lte": 5000}}, "order": "price", "limit": 5},
            {"where": {"size": "s"}},
            {"order": "sku DESC", "limit": 7},
        ):
            filter_ = FilterParser(item).filter(asked)
            assert connector.select(item, filter_).records() == apply(filter_, stored)


def test_a_value_that_went_and_came_back_is_found_once(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"age": 1}, {"age": 2}, {"age": 3})
    assert ids(find(connector, user, order="age", limit=2)) == [1, 2]
    update(connector, user, {"id": 1}, age=9)
    assert ids(find(connector, user, order="age", limit=2)) == [2, 3]
    update(connector, user, {"id": 1}, age=1)
    assert ids(find(connector, user, order="age", limit=2)) == [1, 2]
    assert explain(connector, user, order="age", limit=2)["candidates"] == 2


def test_an_index_in_use_takes_many_values_and_lets_many_go(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, *({"age": age} for age in range(0, 400, 2)))
    assert ids(find(connector, user, order="age", limit=1)) == [1]
    insert(connector, user, *({"age": age} for age in range(399, 0, -2)))
    found = find(connector, user, where={"age": {"gte": 100}}, order="age", limit=5)
    assert [each["age"] for each in found] == [100, 101, 102, 103, 104]
    delete(connector, user, {"age": {"lt": 398}})
    assert [each["age"] for each in find(connector, user, order="age", limit=5)] == [398, 399]


# The same answers as the reference, whatever the filter

sample = definition_from_dict(
    "sample",
    {
        "whole": {"type": int, "index": True},
        "number": {"type": "Number", "index": True},
        "text": {"type": str, "index": True},
        "flag": {"type": bool, "index": True},
        "size": {"type": Size, "index": True},
        "day": {"type": date, "index": True},
        "tags": {"type": ["string"], "index": True},
        "any": {"type": "any", "index": True},
        "free": int,
    },
    {"indexes": {"pair": {"keys": ["whole", "text"]}}},
)
texts = st.text("aAbé%_\U0010ffff", max_size=3)
values: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-2, 2),
    "number": st.sampled_from([-1, 0, 0.5, 1, 2, 2.5]),
    "text": texts,
    "flag": st.booleans(),
    "size": st.sampled_from(Size),
    "day": st.dates(date(2020, 1, 1), date(2020, 1, 4)),
    "tags": st.lists(texts, max_size=2),
    "any": st.sampled_from([0, 1, True, "a", "1", [1], [], {"a": 1}]),
    "free": st.integers(-2, 2),
}
sample_records = st.fixed_dictionaries(
    {"id": st.none()} | {name: st.none() | each for name, each in values.items()}
)


def conditions(name: str) -> st.SearchStrategy[dict[str, Any]]:
    value = texts if name == "tags" else values[name]
    operators = {
        "eq": st.none() | value,
        "neq": st.none() | value,
        "inq": st.lists(st.none() | value, max_size=3),
        "nin": st.lists(value, max_size=3),
        "exists": st.booleans(),
    }
    if name != "any":
        operators |= {key: st.none() | value for key in ("gt", "gte", "lt", "lte")}
        operators["between"] = st.tuples(value, value)
    if name == "text":
        operators |= dict.fromkeys(("like", "nlike", "ilike"), texts)
    return st.dictionaries(
        st.sampled_from(sorted(operators)), st.none(), min_size=1, max_size=2
    ).flatmap(lambda chosen: st.fixed_dictionaries({key: operators[key] for key in chosen}))


leaves = st.sampled_from(sorted(values)).flatmap(
    lambda name: conditions(name).map(lambda each: {name: each})
)
id_leaves = st.integers(0, 12).map(lambda id: {"id": id}) | st.tuples(
    st.sampled_from(["gt", "lte"]), st.integers(0, 12)
).map(lambda pair: {"id": {pair[0]: pair[1]}})
wheres = st.recursive(
    leaves | id_leaves,
    lambda inner: st.tuples(st.sampled_from(["and", "or", "nor"]), st.lists(inner, max_size=3)).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    max_leaves=5,
)
orders = st.lists(
    st.tuples(
        st.sampled_from([*(name for name in values if name != "tags"), "id"]),
        st.sampled_from(["ASC", "DESC"]),
    ).map(" ".join),
    max_size=2,
)
filters = st.fixed_dictionaries(
    {"where": wheres, "order": orders},
    optional={"limit": st.integers(0, 6), "skip": st.integers(0, 3)},
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(sample_records, max_size=12),
    st.lists(filters, min_size=1, max_size=4),
    st.lists(st.tuples(wheres, sample_records), max_size=2),
    st.lists(wheres, max_size=1),
)
def test_every_filter_answers_as_the_reference_does(
    stored: list[Record],
    asked: list[dict[str, Any]],
    changes: list[tuple[dict[str, Any], Record]],
    deletions: list[dict[str, Any]],
) -> None:
    connector = MemoryConnector({})
    parser = FilterParser(sample)
    connector.insert(sample, stored)
    expected = [{**record, "id": number} for number, record in enumerate(stored, 1)]

    def check() -> None:
        for each in asked:
            filter_ = parser.filter(each)
            assert connector.select(sample, filter_).records() == apply(filter_, expected)

    check()
    for where, record in changes:
        parsed = parser.where(where)
        matching = {each["id"] for each in apply(parser.filter({"where": where}), expected)}
        change = {name: value for name, value in record.items() if name != "id"}
        assert connector.update(sample, parsed, change) == len(matching)
        expected = [{**each, **change} if each["id"] in matching else each for each in expected]
        check()
    for where in deletions:
        matching = {each["id"] for each in apply(parser.filter({"where": where}), expected)}
        assert connector.delete(sample, parser.where(where)) == len(matching)
        expected = [each for each in expected if each["id"] not in matching]
        check()


def test_the_nearest_come_first(connector: MemoryConnector) -> None:
    shop = definition_from_dict("shop", {"place": {"type": GeoPoint, "index": True}})
    insert(connector, shop, {"place": GeoPoint(5, 5)}, {}, {"place": GeoPoint(1, 1)})
    near = {"place": {"near": "0,0"}}
    assert ids(find(connector, shop, where=near, limit=1)) == [3]
    assert ids(find(connector, shop, where=near)) == [3, 1]
    assert ids(find(connector, shop, where={"place": GeoPoint(5, 5)})) == [1]


# Several definitions of one name


def test_a_second_definition_sees_the_same_records(connector: MemoryConnector) -> None:
    first = definition_from_dict("city", {"name": str})
    second = definition_from_dict("city", {"name": str})
    insert(connector, first, {"name": "Rome"})
    assert find(connector, second) == [{"name": "Rome", "id": 1}]
    assert insert(connector, second, {"name": "Oslo"}) == [2]
    assert ids(find(connector, first)) == [1, 2]


def test_a_second_definition_adds_its_indexes(connector: MemoryConnector) -> None:
    first = definition_from_dict("city", {"name": str, "code": int})
    second = definition_from_dict(
        "city", {"name": {"type": str, "index": True}, "code": {"type": int, "unique": True}}
    )
    insert(connector, first, {"name": "Rome", "code": 1}, {"name": "Oslo", "code": 2})
    assert explain(connector, first, where={"name": "Rome"})["index"] is None
    connector.define(second)
    assert explain(connector, second, where={"name": "Rome"})["candidates"] == 1
    with pytest.raises(UniqueViolation):
        insert(connector, second, {"code": 2})


def test_a_second_definition_with_more_properties(connector: MemoryConnector) -> None:
    first = definition_from_dict("city", {"name": str})
    second = definition_from_dict("city", {"name": str, "mayor": str, "tags": [str]})
    insert(connector, first, {"name": "Rome"})
    assert find(connector, second) == [{"name": "Rome", "mayor": None, "tags": None, "id": 1}]
    insert(connector, first, {"name": "Oslo"})
    assert find(connector, second, fields=["mayor"]) == [{"mayor": None}, {"mayor": None}]
    insert(connector, second, {"name": "Bern", "mayor": "Ann"})
    assert find(connector, first)[2] == {"name": "Bern", "id": 3}


def test_definitions_that_differ_in_a_type_have_no_ranges_by_index(
    connector: MemoryConnector,
) -> None:
    numbers = definition_from_dict("city", {"code": {"type": int, "index": True}})
    texts_ = definition_from_dict("city", {"code": {"type": str, "index": True}})
    insert(connector, numbers, {"code": 5}, {"code": 7})
    find(connector, numbers, where={"code": {"gt": 1}})
    insert(connector, texts_, {"code": "x"})
    assert ids(find(connector, numbers, where={"code": {"gt": 5}})) == [2]
    assert ids(find(connector, texts_, where={"code": {"gt": "a"}})) == [3]
    assert ids(find(connector, texts_, where={"code": "x"})) == [3]


def test_a_second_definition_with_another_id_is_refused(connector: MemoryConnector) -> None:
    insert(connector, definition_from_dict("city", {"code": int}), {"code": 5})
    other = definition_from_dict("city", {"code": {"type": int, "id": True}})
    with pytest.raises(DefinitionError, match=r"the id \(id\), which another .* \(code\)"):
        connector.define(other)


def test_a_collection_is_shared_by_models_that_name_it(connector: MemoryConnector) -> None:
    plain = definition_from_dict("city", {"name": str})
    named = definition_from_dict("town", {"name": str}, {"memory": {"collection": "city"}})
    insert(connector, plain, {"name": "Rome"})
    assert find(connector, named) == [{"name": "Rome", "id": 1}]


def test_two_connectors_share_nothing(user: ModelDefinition) -> None:
    one, two = MemoryConnector({}), MemoryConnector({})
    insert(one, user, {"name": "Ann"})
    assert find(two, user) == []


# Transactions


@contextmanager
def undone(connector: MemoryConnector) -> Iterator[None]:
    """A transaction that ends with an error."""
    with suppress(KeyboardInterrupt), connector.transaction():
        yield
        raise KeyboardInterrupt


def test_a_block_that_raises_undoes_everything(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    insert(connector, user, {"email": "a", "age": 1}, {"email": "b", "age": 2})
    before = find(connector, user)
    with undone(connector):
        update(connector, user, {"id": 1}, email="z", age=9)
        delete(connector, user, {"id": 2})
        insert(connector, user, {"email": "b", "age": 9})
        connector.auto_migrate([user])
        insert(connector, user, {"email": "c"})
    assert find(connector, user) == before
    assert ids(find(connector, user, where={"age": {"gt": 1}})) == [2]
    assert find(connector, user, where={"email": "z"}) == []
    with pytest.raises(UniqueViolation):
        insert(connector, user, {"email": "b"})


def test_ids_of_a_block_that_raised_are_not_given_again(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    with undone(connector):
        assert insert(connector, user, {}, {}) == [1, 2]
    assert insert(connector, user, {}) == [3]


def test_an_inner_block_that_raises_undoes_its_own_part(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    with connector.transaction():
        insert(connector, user, {"name": "outer"})
        with undone(connector):
            update(connector, user, {}, name="inner")
            insert(connector, user, {"name": "inner"})
        assert [each["name"] for each in find(connector, user)] == ["outer"]
        with connector.transaction():
            insert(connector, user, {"name": "second"})
    assert [each["name"] for each in find(connector, user)] == ["outer", "second"]


def test_an_outer_block_undoes_inner_ones_that_ended_well(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    with undone(connector), connector.transaction():
        insert(connector, user, {})
    assert find(connector, user) == []


def test_a_refused_write_in_a_block_leaves_the_rest(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    with connector.transaction():
        insert(connector, user, {"email": "a"})
        with pytest.raises(UniqueViolation):
            insert(connector, user, {"email": "b"}, {"email": "a"})
    assert [each["email"] for each in find(connector, user)] == ["a"]


def test_others_wait_until_the_outermost_block_ends(
    connector: MemoryConnector, user: ModelDefinition
) -> None:
    asked, seen = threading.Event(), []

    def read() -> None:
        asked.set()
        seen.append(connector.count(user, EVERYTHING))

    reader = threading.Thread(target=read)
    with connector.transaction():
        with connector.transaction():
            insert(connector, user, {})
        reader.start()
        asked.wait(30)
        reader.join(0.1)
        assert seen == []
        insert(connector, user, {})
    reader.join(30)
    assert seen == [2]


# Persistence


class Everything(enum.Enum):
    ONE = 1
    TWO = 2


everything = definition_from_dict(
    "everything",
    {
        "a_bool": bool,
        "an_int": int,
        "a_number": "Number",
        "a_decimal": Decimal,
        "a_text": str,
        "a_list": [datetime],
        "an_object": dict,
        "a_date": date,
        "an_instant": datetime,
        "some_bytes": bytes,
        "a_place": GeoPoint,
        "a_uuid": UUID,
        "an_enum": Everything,
        "a_part": {"inner_date": date},
    },
    {"strict": False},
)
FULL: Record = {
    "a_bool": True,
    "an_int": MAX_INTEGER,
    "a_number": 0.1,
    "a_decimal": Decimal("1.50"),
    "a_text": "Zürich \U0001f680",
    "a_list": [datetime(2020, 1, 1, tzinfo=UTC)],
    "an_object": {"snake_case": [None, {"x": 1}]},
    "a_date": date(2020, 2, 29),
    "an_instant": datetime(2020, 1, 1, 1, 2, 3, 456_789, tzinfo=UTC),
    "some_bytes": b"\x00\xff",
    "a_place": GeoPoint(47.4, 8.5),
    "a_uuid": UUID(int=5),
    "an_enum": Everything.TWO,
    "a_part": {"inner_date": date(2020, 1, 1)},
    "undeclared_key": ["kept"],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.json"


def opened(file: Path | str) -> MemoryConnector:
    return MemoryConnector({"file": file})


def test_records_of_every_type_come_back(file: Path) -> None:
    insert(opened(file), everything, FULL, {})
    again = opened(str(file))
    assert find(again, everything) == [
        {**dict.fromkeys(everything.properties), **each, "id": number}
        for number, each in enumerate((FULL, {}), 1)
    ]


def test_the_file_holds_wire_names(file: Path) -> None:
    model = definition_from_dict("model", {"unit_price": Decimal, "since": date})
    insert(opened(file), model, {"unit_price": Decimal("1.5"), "since": date(2020, 1, 2)})
    assert orjson.loads(file.read_bytes()) == {
        "version": 1,
        "models": {
            "model": {
                "next_id": 2,
                "records": [{"unitPrice": "1.5", "since": "2020-01-02", "id": 1}],
            }
        },
    }


def test_hidden_properties_are_stored_too(file: Path) -> None:
    secret = definition_from_dict(
        "secret", {"word": {"type": str, "hidden": True}, "pin": {"type": str, "write_only": True}}
    )
    insert(opened(file), secret, {"word": "x", "pin": "1"})
    assert find(opened(file), secret) == [{"word": "x", "pin": "1", "id": 1}]


def test_each_kind_of_write_is_stored(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    insert(connector, user, {"name": "Ann"}, {"name": "Bob"}, {"name": "Cid"})
    update(connector, user, {"id": 1}, name="Zoe")
    delete(connector, user, {"id": 2})
    assert [each["name"] for each in find(opened(file), user)] == ["Zoe", "Cid"]
    connector.auto_migrate([user])
    assert find(opened(file), user) == []


def test_ids_are_not_given_again_after_a_restart(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    insert(connector, user, {}, {})
    delete(connector, user)
    assert insert(opened(file), user, {}) == [3]


def test_indexes_hold_after_a_restart(file: Path, user: ModelDefinition) -> None:
    insert(opened(file), user, {"email": "a", "age": 5})
    again = opened(file)
    with pytest.raises(UniqueViolation):
        insert(again, user, {"email": "a"})
    assert explain(again, user, where={"age": {"gt": 4}})["candidates"] == 1


def test_a_transaction_is_written_once_at_its_end(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    with connector.transaction():
        insert(connector, user, {"name": "Ann"})
        with connector.transaction():
            insert(connector, user, {"name": "Bob"})
        assert not file.exists()
    assert len(find(opened(file), user)) == 2


def test_a_transaction_that_raised_writes_nothing(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    insert(connector, user, {"name": "Ann"})
    before = file.read_bytes()
    with undone(connector):
        insert(connector, user, {"name": "Bob"})
    assert file.read_bytes() == before
    insert(connector, user, {"name": "Cid"})
    assert [each["name"] for each in find(opened(file), user)] == ["Ann", "Cid"]


def test_reading_writes_no_file(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    with connector.transaction():
        find(connector, user)
    assert update(connector, user, {}, name="x") == 0
    assert delete(connector, user) == 0
    assert not file.exists()


def test_records_of_models_that_are_not_defined_stay(file: Path, user: ModelDefinition) -> None:
    other = {"next_id": 9, "records": [{"someKey": "5", "id": 8, "deep": {"x": [None, 1.5]}}]}
    file.write_bytes(orjson.dumps({"version": 1, "models": {"other": other}}))
    connector = opened(file)
    insert(connector, user, {"name": "Ann"})
    assert orjson.loads(file.read_bytes())["models"]["other"] == other
    late = definition_from_dict("other", {"some_key": str, "deep": dict})
    assert find(connector, late) == [{"some_key": "5", "deep": {"x": [None, 1.5]}, "id": 8}]
    assert insert(connector, late, {}) == [9]


def test_keys_that_a_definition_does_not_know_stay(file: Path) -> None:
    wide = definition_from_dict("city", {"name": str, "since_day": date})
    narrow = definition_from_dict("city", {"name": str})
    insert(opened(file), wide, {"name": "Rome", "since_day": date(2020, 1, 1)})
    connector = opened(file)
    insert(connector, narrow, {"name": "Oslo"})
    assert [each["since_day"] for each in find(connector, wide)] == [date(2020, 1, 1), None]
    assert [each["since_day"] for each in find(opened(file), wide)] == [date(2020, 1, 1), None]


def test_a_property_that_the_file_lacks_is_null(file: Path) -> None:
    insert(opened(file), definition_from_dict("city", {"name": str}), {"name": "Rome"})
    more = definition_from_dict("city", {"name": str, "mayor": {"type": str, "index": True}})
    assert find(opened(file), more) == [{"name": "Rome", "mayor": None, "id": 1}]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "models": {"user": {"next_id": 2, "rec',
        b"[]",
        b"{}",
        b'{"version": 2, "models": {}}',
        b'{"version": 1}',
        b'{"version": 1, "models": {"user": []}}',
        b'{"version": 1, "models": {"user": {"next_id": "1", "records": []}}}',
        b'{"version": 1, "models": {"user": {"next_id": 1, "records": [5]}}}',
    ],
)
def test_a_broken_file_is_named_and_left_alone(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DefinitionError) as caught:
        opened(file)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([{"id": 1, "since": "soon"}], "'soon' of 'since' is not a date"),
        ([{"since": None}], "a record has no id"),
        ([{"id": 1}, {"id": 1}], "two records have the id 1"),
        ([{"id": 1, "part": 5}], "the stored value 5 of 'part'"),
    ],
)
def test_records_that_do_not_fit_the_definition_are_named_and_stay(
    file: Path, user: ModelDefinition, records: list[Record], problem: str
) -> None:
    stored = {"next_id": 2, "records": records}
    file.write_bytes(orjson.dumps({"version": 1, "models": {"city": stored}}))
    connector = opened(file)
    city = definition_from_dict("city", {"since": date, "part": {"x": int}})
    for _ in range(2):
        with pytest.raises(DefinitionError, match=problem) as caught:
            connector.define(city)
        assert f"{file}: model 'city'" in str(caught.value)
    insert(connector, user, {"name": "Ann"})
    assert orjson.loads(file.read_bytes())["models"]["city"] == stored


def test_a_missing_folder_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="its folder does not exist"):
        opened(tmp_path / "missing" / "data.json")


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read"):
        opened(tmp_path)


def test_a_write_that_cannot_be_stored_is_undone(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    insert(connector, user, {"email": "a"})
    file.unlink()
    file.mkdir()
    with pytest.raises(Unavailable, match="cannot be stored"):
        insert(connector, user, {"email": "b"})
    assert ids(find(connector, user)) == [1]
    assert list(file.parent.iterdir()) == [file]
    shutil.rmtree(file.parent)
    with pytest.raises(Unavailable, match="cannot be stored"):
        delete(connector, user)
    assert ids(find(connector, user)) == [1]
    file.parent.mkdir()
    insert(connector, user, {"email": "b"})
    assert len(find(opened(file), user)) == 2


def test_an_undeclared_value_that_json_lacks_is_undone(file: Path) -> None:
    note = definition_from_dict("note", {}, {"strict": False})
    connector = opened(file)
    with pytest.raises(TypeError, match="not JSON serializable"):
        insert(connector, note, {"extra": object()})
    assert find(connector, note) == []


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_file_is_private_at_first_and_keeps_its_mode(file: Path, user: ModelDefinition) -> None:
    connector = opened(file)
    insert(connector, user, {})
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    insert(connector, user, {})
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_link_to_the_file_stays_a_link(tmp_path: Path, user: ModelDefinition) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    insert(opened(link), user, {"name": "Ann"})
    assert link.is_symlink()
    assert len(find(opened(tmp_path / "real.json"), user)) == 1


def test_a_relative_path_is_of_the_folder_at_the_start(
    tmp_path: Path, user: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    connector = opened("data.json")
    monkeypatch.chdir("/")
    insert(connector, user, {})
    assert (tmp_path / "data.json").exists()


WRITER = """
import sys
from flask_loop.connectors.memory import MemoryConnector
from flask_loop.definition import definition_from_dict

pair = definition_from_dict("pair", {"text": str})
connector = MemoryConnector({"file": sys.argv[1]})
connector.define(pair)
print("ready", flush=True)
while True:
    with connector.transaction():
        for half in "ab":
            [id] = connector.insert(pair, [{"id": None, "text": half * 5000}])
    print(id, flush=True)
"""


@pytest.fixture
def start_writer(file: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def test_a_process_killed_while_it_writes_leaves_the_file_whole(
    file: Path, start_writer: Callable[[], subprocess.Popen[str]]
) -> None:
    pair = definition_from_dict("pair", {"text": str})
    delays = random.Random(1)
    for _ in range(6):
        process = start_writer()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(3):
            process.stdout.readline()
        threading.Event().wait(delays.uniform(0, 0.03))
        process.kill()
        said = process.stdout.read().split()
        process.wait(30)
        found = find(opened(file), pair)
        assert [each["text"][0] for each in found] == ["a", "b"] * (len(found) // 2)
        assert all(len(each["text"]) == 5000 for each in found)
        if said:
            assert found[-1]["id"] >= int(said[-1])
