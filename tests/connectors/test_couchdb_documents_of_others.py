"""CouchDB documents that other programs have written, with values that their type does not have."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask

from flask_loop import DataSource, GeoPoint, create_model
from flask_loop.errors import DefinitionError
from tests.servers import Couchdb

Connect = Callable[..., DataSource]
MakeApp = Callable[..., Flask]
GIVEN = {"type": int, "id": True}
FAR = "+033658-09-27T01:46:40.000Z"


class Shade(enum.Enum):
    RED = "red"


@pytest.fixture
def url(couchdb: Couchdb) -> str:
    return couchdb.fresh("others")


@pytest.fixture
def source(connect: Connect, url: str) -> DataSource:
    return connect("couchdb", url=url)


@pytest.fixture
def raw(url: str) -> Iterator[httpx.Client]:
    """The database as any program sees it."""
    with httpx.Client(base_url=url) as client:
        yield client


def store(raw: httpx.Client, model: Any, *documents: dict[str, Any]) -> None:
    """Store documents of a model as another program does it, with the ids from 0 on."""
    name = model.definition.name
    stored = [
        {"_id": f"{name}:a{id}", "loopback__model__name": name, "id": id, **each}
        for id, each in enumerate(documents)
    ]
    answer = raw.post("/_bulk_docs", json={"docs": stored}).raise_for_status().json()
    assert all("rev" in each for each in answer)


@pytest.mark.parametrize("strict", [True, False])
def test_a_value_that_nobody_can_read_is_null(
    source: DataSource,
    raw: httpx.Client,
    make_app: MakeApp,
    caplog: pytest.LogCaptureFixture,
    strict: bool,
) -> None:
    odd: dict[str, tuple[Any, Any]] = {
        "instant": (datetime, FAR),
        "day": (date, "soon"),
        "uuid": (UUID, {"a": 1}),
        "decimal": ("decimal", "much"),
        "bytes": (bytes, 5),
        "point": (GeoPoint, {"lat": 500, "lng": 5}),
        "enum": (Shade, "green"),
    }
    types = {name: {"type": kind, "index": name == "day"} for name, (kind, _) in odd.items()}
    properties = {"id": GIVEN, **types}
    model = source.create_model("unread_couch", properties, strict=strict, plural="unreads")
    source.auto_update()
    values = {name: value for name, (_, value) in odd.items()}
    store(raw, model, values, {"day": "2024-05-01"})
    nulls = dict.fromkeys(odd)
    client = make_app(model, testing=False).test_client()
    with caplog.at_level(logging.WARNING):
        first, second = model.find(order="id")
    assert {name: getattr(first, name) for name in odd} == nulls
    assert second.day == date(2024, 5, 1)
    assert caplog.messages == [
        f"unread_couch 0: the value of {name!r}, a {type(value).__name__}, is none that its type "
        "has; it is read as null"
        for name, value in values.items()
    ]
    assert client.get("/api/unreads/0").json == {"id": 0, **nulls}
    assert [each["id"] for each in client.get("/api/unreads").get_json()] == [0, 1]
    for name in odd:
        assert getattr(model.find(fields=[name])[0], name) is None
        assert model.count({name: {"neq": None}}) == (2 if name == "day" else 1)
    assert {each.id for each in model.find(order="day")} == {0, 1}
    assert {each.id for each in model.find(order="uuid DESC")} == {0, 1}
    assert [each.id for each in model.find(where={"day": date(2024, 5, 1)})] == [1]
    assert len(caplog.messages) == len(odd)


def test_of_a_record_inside_another_what_can_be_read_is_read(
    source: DataSource, raw: httpx.Client, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    part = create_model("HalfReadLeaf", {"seen_at": "date", "n": int}, {"id_injection": False})
    model = source.create_model(
        "half_read_tree",
        {
            "id": GIVEN,
            "one": {"type": part},
            "many": {"type": [part]},
            "dates": {"type": ["date"]},
            "days": {"type": dict[str, date]},
            "none": {"type": part},
        },
        plural="trees",
    )
    leaf = {"seenAt": FAR, "n": 1}
    now = "2024-05-01T00:00:00.000Z"
    document = {
        "one": leaf,
        "many": [leaf, {"seenAt": now, "n": 2}],
        "dates": [now, FAR],
        "days": {"a": "soon", "b": "2024-05-01"},
        "none": "text",
    }
    store(raw, model, document)
    client = make_app(model, testing=False).test_client()
    with caplog.at_level(logging.WARNING):
        found = client.get("/api/trees/0").json
    assert found == {
        "id": 0,
        "one": {"seenAt": None, "n": 1},
        "many": [{"seenAt": None, "n": 1}, {"seenAt": now, "n": 2}],
        "dates": None,
        "days": None,
        "none": None,
    }
    places = [each.split("'")[1] for each in caplog.messages]
    assert places == ["one.seen_at", "many.0.seen_at", "dates.1", "days.a", "none"]


def test_a_value_that_is_no_key_leads_nowhere(
    source: DataSource, raw: httpx.Client, make_app: MakeApp
) -> None:
    parent = source.create_model(
        "odd_couch_parent",
        {"id": GIVEN},
        relations={"kids": {"type": "hasMany", "model": "odd_couch_kid", "foreignKey": "parId"}},
        plural="couch-parents",
    )
    named = {"type": "belongsTo", "model": "odd_couch_parent", "foreignKey": "parId"}
    tags = {"type": "referencesMany", "model": "odd_couch_parent", "foreignKey": "tagIds"}
    kid = source.create_model(
        "odd_couch_kid",
        {"id": GIVEN, "parId": int, "tagIds": ["number"]},
        relations={"par": named, "tags": tags},
        plural="couch-kids",
    )
    store(raw, parent, {}, {})
    store(
        raw,
        kid,
        {"parId": 1, "tagIds": [1, {"x": 1}, [0], 0]},
        {"parId": [1], "tagIds": 5},
        {"parId": {"x": 1}, "tagIds": {"x": 1}},
    )
    client = make_app(parent, kid, testing=False).test_client()
    shown = client.get("/api/couch-kids?filter[include]=par&filter[include]=tags").get_json()
    assert [each.get("par") for each in shown] == [{"id": 1}, None, None]
    assert [each["tags"] for each in shown] == [[{"id": 1}, {"id": 0}], [], []]
    parents = client.get("/api/couch-parents?filter[include]=kids").get_json()
    assert [[kid["id"] for kid in each["kids"]] for each in parents] == [[], [0]]
    ordered = client.get("/api/couch-kids?filter[order]=par.id").get_json()
    assert ordered[0]["id"] == 0
    assert client.get("/api/couch-kids/1/tags").get_json() == []


def test_a_change_leaves_what_nobody_can_read(source: DataSource, raw: httpx.Client) -> None:
    model = source.create_model("unread_changed_couch", {"id": GIVEN, "at": "date", "n": int})
    store(raw, model, {"at": FAR, "n": 1})
    assert model.find_by_id(0).patch_attributes(n=2).n == 2
    assert model.update_all({"id": 0}, {"n": 3}) == 1
    with suppress(ZeroDivisionError), source.transaction():
        model.destroy_all()
        raise ZeroDivisionError
    stored = raw.get("/unread_changed_couch:a0").json()
    assert (stored["n"], stored["at"]) == (3, FAR)


def test_what_others_have_made_of_exact_values_is_not_read(
    source: DataSource, raw: httpx.Client
) -> None:
    model = source.create_model("odd_exact", {"id": GIVEN, "n": int})
    odd = ["text", 5, ["n"], {"n": "{"}, {"n": 5}, {"n": "9007199254740993"}]
    store(raw, model, *({"n": 2**53, "loop__exact": each} for each in odd))
    assert [each.n for each in model.find(order="id")] == [2**53] * 5 + [2**53 + 1]
    assert model.update_all({}, {"n": 4}) == len(odd)
    assert {each.n for each in model.find()} == {4}


def test_an_id_that_nobody_can_read_is_null(
    connect: Connect, url: str, raw: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    source = connect("couchdb", url=url, plain_ids=True)
    model = source.create_model("odd_plain_id", {"id": {"type": UUID, "id": True}, "n": int})
    key = str(UUID(int=5))
    for id, n in ((key, 1), ("x", 2)):
        document = {"loopback__model__name": "odd_plain_id", "n": n}
        raw.put(f"/{id}", json=document).raise_for_status()
    assert [(each.id, each.n) for each in model.find(order="n")] == [(UUID(key), 1), (None, 2)]
    assert caplog.messages[0].startswith("odd_plain_id 'x': the value of 'id', a str, ")
    assert model.find_by_id(key).n == 1


def test_a_model_that_is_missing_is_no_value_that_nobody_can_read(
    source: DataSource, raw: httpx.Client
) -> None:
    part = create_model("HasLeafGone", {"deep": "LeafGone"})
    model = source.create_model("misses_leaf", {"id": GIVEN, "part": part})
    store(raw, model, {"part": {"deep": {"n": 1}}})
    with pytest.raises(DefinitionError, match="LeafGone"):
        model.find()
