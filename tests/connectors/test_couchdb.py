"""CouchDB: what it is asked, what is stored there, and what becomes of writes that collide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from json import dumps
from typing import Any

import httpx
import pytest
from flask import Flask

from flask_loop import DataSource, GeoPoint, create_data_source
from flask_loop.errors import (
    DefinitionError,
    DuplicateId,
    Forbidden,
    TooMuchToRead,
    TransactionConflict,
    Unavailable,
)
from flask_loop.testing.base import at_once
from tests.servers import Couchdb

Connect = Callable[..., DataSource]
GIVEN = {"type": int, "id": True}


@pytest.fixture
def url(couchdb: Couchdb) -> str:
    return couchdb.fresh("own")


@pytest.fixture
def source(connect: Connect, url: str) -> DataSource:
    return connect("couchdb", url=url)


@pytest.fixture
def raw(url: str) -> Iterator[httpx.Client]:
    """The database as any program sees it."""
    with httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def parcels(source: DataSource) -> Any:
    parcels = source.create_model(
        "parcel",
        {
            "id": GIVEN,
            "label": {"type": str, "index": True},
            "weight": {"type": float, "index": True},
            "sent_at": datetime,
            "to": GeoPoint,
            "tags": [str],
            "notes": dict,
        },
        indexes={"both": {"keys": ["label", "weight"]}},
    )
    source.auto_update()
    return parcels


def stored(raw: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = raw.get(f"/{id}").raise_for_status().json()
    return found


def sent(source: DataSource, model: Any, **filter: Any) -> dict[str, Any]:
    """What CouchDB is asked for a filter, and what is left for Python."""
    explained = source.explain(model, filter)
    return {**explained["backend"], "python": explained["python"]}


# Documents


def test_a_document_has_natural_json_under_wire_names(parcels: Any, raw: httpx.Client) -> None:
    parcels.create(
        id=12,
        label="Ä",
        weight=2.5,
        sent_at=datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
        to=GeoPoint(10, 20),
        tags=["a"],
    )
    document = stored(raw, "parcel:b12")
    del document["_rev"]
    assert document == {
        "_id": "parcel:b12",
        "loopback__model__name": "parcel",
        "id": 12,
        "label": "Ä",
        "weight": 2.5,
        "sentAt": "2024-02-29T12:30:00.000Z",
        "to": {"lat": 10, "lng": 20},
        "tags": ["a"],
    }


def test_names_are_those_of_the_options(source: DataSource, raw: httpx.Client) -> None:
    stocks = source.create_model(
        "stock_level",
        {"id": GIVEN, "count_": {"type": int, "couchdb": {"columnName": "_N"}}},
        {"couchdb": {"collection": "_stock: levels"}},
    )
    source.auto_update()
    stocks.create(id=1, count_=5)
    document = stored(raw, "%255Fstock%253A levels:a1")
    assert document["loopback__model__name"] == "_stock: levels"
    assert document["~_N"] == 5
    assert stocks.find_one({"count_": 5}).id == 1


def test_two_properties_in_one_field_are_refused(source: DataSource) -> None:
    twice = {"a": int, "b": {"type": int, "couchdb": {"columnName": "a"}}}
    model = source.create_model("twice_stored", twice)
    with pytest.raises(DefinitionError, match="'a' and 'b' would both be the field 'a'"):
        model.find()


def test_great_numbers_are_stored_exactly_beside_what_other_programs_read(
    parcels: Any, raw: httpx.Client
) -> None:
    parcels.create(id=2**53 + 1, notes={"n": [2**63 - 1]})
    (document,) = [each for each in raw_documents(raw) if each["_id"].startswith("parcel:")]
    exact = {"id": "9007199254740993", "notes": '{"n":[9223372036854775807]}'}
    assert document["loop__exact"] == exact
    assert float(document["id"]) == float(2**53 + 1)
    assert parcels.find_by_id(2**53 + 1).notes == {"n": [2**63 - 1]}


def raw_documents(raw: httpx.Client) -> list[dict[str, Any]]:
    rows = raw.get("/_all_docs", params={"include_docs": "true"}).json()["rows"]
    return [row["doc"] for row in rows]


def test_a_number_that_another_program_changed_is_the_new_one(
    parcels: Any, raw: httpx.Client
) -> None:
    parcels.create(id=1, weight=1e300, notes={"n": 2**60})
    document = stored(raw, "parcel:a1")
    raw.put("/parcel:a1", json={**document, "weight": 3, "notes": {"n": 4}}).raise_for_status()
    found = parcels.find_by_id(1)
    assert (found.weight, found.notes) == (3, {"n": 4})


def test_what_belongs_to_others_is_left_alone(
    source: DataSource, parcels: Any, raw: httpx.Client
) -> None:
    parcels.create(id=1, label="a")
    raw.put("/parcels", json={"x": 1}).raise_for_status()
    document = stored(raw, "parcel:a1")
    raw.put("/parcel:a1", json={**document, "theirs": [1]}).raise_for_status()
    parcels.find_by_id(1).patch_attributes(label="b")
    parcels.replace_by_id(1, {"label": "c"})
    assert stored(raw, "parcel:a1")["theirs"] == [1]
    source.auto_migrate(drop=True)
    assert parcels.count() == 0
    assert stored(raw, "parcels")["x"] == 1


def test_attachments_stay_where_a_record_is_changed(parcels: Any, raw: httpx.Client) -> None:
    parcels.create(id=1, label="a")
    revision = stored(raw, "parcel:a1")["_rev"]
    raw.put(
        "/parcel:a1/slip.txt",
        params={"rev": revision},
        content=b"signed",
        headers={"Content-Type": "text/plain"},
    ).raise_for_status()
    parcels.find_by_id(1).patch_attributes(label="b")
    parcels.replace_by_id(1, {"label": "c"})
    assert raw.get("/parcel:a1/slip.txt").content == b"signed"


def test_undeclared_keys_may_have_any_name(source: DataSource, raw: httpx.Client) -> None:
    things = source.create_model("open_thing", {"id": GIVEN, "name": str}, strict=False)
    source.auto_update()
    odd = {"_id": 1, "_rev": "x", "~a": 2, "loopback__model__name": 3, "$or": 4, "a.b": None}
    things.create({"id": 1, "name": "n", **odd})
    assert things.find_by_id(1).to_record() == {"id": 1, "name": "n", **odd}
    things.find_by_id(1).patch_attributes({"_rev": "y"})
    assert things.find_by_id(1).to_record()["_rev"] == "y"
    things.replace_by_id(1, {"name": "m"})
    assert things.find_by_id(1).to_record() == {"id": 1, "name": "m"}


@pytest.mark.parametrize(
    "ids",
    [
        [-(2**63), -100, -99, -10, -9, -1, 0, 1, 9, 10, 11, 99, 100, 2**53, 2**63 - 1],
        ["", " ", "!", "#", "$", "A", "a", "a b", "ab", "{", "~", "é", "\uffff", "\U0001f600"],
    ],
    ids=["integers", "texts"],
)
def test_all_of_a_model_come_in_the_order_of_their_ids(source: DataSource, ids: list[Any]) -> None:
    things = source.create_model("ordered", {"id": {"type": type(ids[0]), "id": True}})
    source.auto_update()
    things.create([{"id": id} for id in reversed(ids)])
    assert [each.id for each in things.find()] == ids
    assert [each.id for each in things.find(order="id DESC", limit=3)] == ids[-1:-4:-1]
    for place, id in list(enumerate(ids))[::3]:
        assert [each.id for each in things.find(where={"id": {"gt": id}})] == ids[place + 1 :]
        assert things.count({"id": {"lte": id}}) == place + 1
        below = things.find(where={"id": {"lt": id}}, order="id DESC")
        assert [each.id for each in below] == ids[:place][::-1]


def test_records_are_the_same_over_rest(parcels: Any, make_app: Callable[..., Flask]) -> None:
    client = make_app(parcels).test_client()
    given = {
        "id": 2**63 - 1,
        "label": "é",
        "weight": 1e300,
        "sentAt": "2024-01-01T00:00:00.000001Z",
    }
    made = client.post("/api/parcels", json=given).get_json()
    whole = {**given, "to": None, "tags": None, "notes": None}
    assert made == whole
    assert client.get("/api/parcels").get_json() == [whole]
    path = f"/api/parcels/{given['id']}"
    patched = client.patch(path, json={"notes": {"n": 2**60}, "label": None}).get_json()
    assert patched == {**whole, "notes": {"n": 2**60}, "label": None}
    assert client.get(path).get_json() == patched
    put = client.put(path, json={"id": given["id"], "tags": ["a"]}).get_json()
    assert put == {**dict.fromkeys(whole), "id": given["id"], "tags": ["a"]}
    where = {"where": {"tags": "a"}, "fields": ["id"]}
    assert client.get("/api/parcels", query_string={"filter": dumps(where)}).get_json() == [
        {"id": given["id"]}
    ]
    assert client.delete(path).get_json() == {"count": 1}
    assert client.get(path).status_code == 404


# What is sent


def test_ids_are_asked_for_by_key_or_as_a_range(source: DataSource, parcels: Any) -> None:
    for where, asked in (
        ({"id": {"inq": [3, 1]}}, {"keys": ["parcel:a1", "parcel:a3"]}),
        ({"id": 1, "label": "x"}, {"keys": ["parcel:a1"]}),
        ({}, {"startkey": "parcel:", "endkey": "parcel;"}),
        ({"id": {"gt": 5}}, {"startkey": "parcel:a5 ", "endkey": "parcel;"}),
        ({"id": {"between": [5, 10]}}, {"startkey": "parcel:a5", "endkey": "parcel:b10 "}),
    ):
        assert sent(source, parcels, where=where)["_all_docs"] == asked


def test_a_where_is_a_selector_as_far_as_that_means_the_same(
    source: DataSource, parcels: Any
) -> None:
    near = {"near": GeoPoint(10, 20), "maxDistance": 111.195, "unit": "kilometers"}
    for where, selector, left in (
        ({"tags": {"inq": ["a"]}}, {"tags": {"$elemMatch": {"$eq": "a"}}}, ["tags inq"]),
        ({"notes.n": 5}, None, ["notes.n eq"]),
        ({"notes": None}, None, []),
        (
            {"sent_at": {"lt": "2024-01-01T00:00:00Z"}},
            {"sentAt": {"$gte": "", "$lt": "2024-01-01T00:00:00.000"}},
            [],
        ),
        ({"to": near}, None, ["to near"]),
    ):
        asked = sent(source, parcels, where=where)
        ids = {"_id": {"$gte": "parcel:", "$lt": "parcel;"}}
        assert {key: asked["_find"]["selector"][key] for key in ids} == ids
        if selector is not None:
            assert asked["_find"]["selector"] == {**ids, **selector}
        assert asked["python"]["where"] == left


def test_what_mango_means_otherwise_is_pythons(source: DataSource, parcels: Any) -> None:
    plain = source.create_model("plain_parcel", {"id": GIVEN, "label": str})
    source.auto_update()
    for where in ({"label": {"gt": "a"}}, {"label": {"neq": "a"}}, {"label": {"regexp": "a"}}):
        asked = sent(source, plain, where=where)
        assert "_find" not in asked
        assert len(asked["python"]["where"]) == 1
    alike = ["a", "A", "a\u200b", "e\u0301", "é"]
    plain.create([{"id": id, "label": each} for id, each in enumerate(alike)])
    for id, each in enumerate(alike):
        assert [found.id for found in plain.find(where={"label": each})] == [id]
        assert plain.count({"label": {"neq": each}}) == len(alike) - 1


def test_a_negation_holds_where_the_field_is_missing(source: DataSource, parcels: Any) -> None:
    parcels.create(
        [{"id": 1}, {"id": 2, "sent_at": "2024-01-01"}, {"id": 3, "sent_at": "2025-01-01"}]
    )
    for where, ids in (
        ({"sent_at": {"neq": "2024-01-01"}}, [1, 3]),
        ({"sent_at": {"nin": ["2024-01-01", "2025-01-01"]}}, [1]),
        ({"nor": [{"sent_at": {"gt": "2024-06-01"}}]}, [1, 2]),
        ({"sent_at": None}, [1]),
        ({"sent_at": {"neq": None}}, [2, 3]),
    ):
        assert sent(source, parcels, where=where)["python"]["where"] == []
        assert [each.id for each in parcels.find(where=where)] == ids


def test_a_view_gives_order_ranges_and_counts_of_texts(source: DataSource, parcels: Any) -> None:
    labels = ["b", "a", "B", None, "é", "\U0001f600", "\uffff", "a"]
    parcels.create([{"id": id, "label": each} for id, each in enumerate(labels)])
    up = sent(source, parcels, order="label", limit=3)
    (path,) = [key for key in up if "/_view/" in key]
    assert path.endswith("/_view/label")
    assert up["page"] is True
    assert up["python"] == {"where": [], "order": False}
    assert up[path]["startkey"] == ["a"]
    assert sent(source, parcels, order="label DESC")[path]["startkey"] == ["d"]
    ids = [each.id for each in parcels.find(order="label")]
    assert ids == [2, 1, 7, 0, 4, 6, 5, 3]
    assert [each.id for each in parcels.find(order="label DESC")] == [5, 6, 4, 0, 1, 7, 2, 3]
    assert [each.id for each in parcels.find(order="label", skip=2, limit=2)] == [7, 0]
    assert sent(source, parcels, where={"label": {"gt": "a"}})["python"]["where"] == []
    assert parcels.count({"label": {"gt": "a"}}) == 4
    assert parcels.count({"label": {"lte": "a"}}) == 3
    assert parcels.count({"label": "a"}) == 2
    assert parcels.count({"label": {"gt": "b", "lt": "a"}}) == 0


def test_a_view_of_several_properties_gives_pages(source: DataSource, parcels: Any) -> None:
    parcels.create([{"id": id, "label": "ab"[id % 2], "weight": id // 2} for id in range(10)])
    asked = sent(source, parcels, where={"label": "a", "weight": {"gte": 1}}, order="label,weight")
    assert any(key.endswith("/_view/label%2Cweight") for key in asked)
    assert asked["page"] is True
    found = parcels.find(where={"label": "a", "weight": {"gte": 1}}, order=["label", "weight"])
    assert [each.id for each in found] == [2, 4, 6, 8]
    found = parcels.find(where={"label": "b"}, order=["label DESC", "weight DESC"], limit=2)
    assert [each.id for each in found] == [9, 7]


def test_an_index_of_mango_narrows_what_no_view_says_alone(
    source: DataSource, parcels: Any, raw: httpx.Client
) -> None:
    parcels.create([{"id": id, "weight": id, "sent_at": "2024-01-01"} for id in range(5)])
    where = {"weight": {"gt": 2}, "sent_at": {"gt": "2023-01-01"}}
    asked = sent(source, parcels, where=where, order="sent_at")
    assert asked["_find"]["use_index"][1] == "weight"
    assert asked["index"]["name"] == "weight"
    assert asked["python"] == {"where": [], "order": True}
    assert [each.id for each in parcels.find(where=where, order="sent_at")] == [3, 4]


def test_a_first_page_is_read_only_as_far_as_it_goes(connect: Connect, url: str) -> None:
    source = connect("couchdb", url=url, max_scan=10)
    things = source.create_model("many_things", {"id": GIVEN, "name": str, "size": int})
    source.auto_update()
    things.create([{"id": id, "name": f"n{id % 2}", "size": id} for id in range(30)])
    assert [each.id for each in things.find(where={"name": {"neq": "n0"}}, limit=3)] == [1, 3, 5]
    assert things.count({"size": {"gte": 10}}) == 20
    assert len(things.find()) == 30
    for act in (
        lambda: things.find(order="name"),
        lambda: things.find(where={"name": {"regexp": "x"}}),
        lambda: things.count({"name": {"neq": "x"}}),
        lambda: things.update_all({"name": {"neq": "x"}}, {"size": 0}),
    ):
        with pytest.raises(TooMuchToRead, match="More than 10 records of many_things"):
            act()


def test_what_takes_several_requests_is_read_whole(
    source: DataSource, parcels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels.create(
        [{"id": id, "label": "x", "weight": id // 2, "sent_at": "2024-01-01"} for id in range(10)]
    )
    monkeypatch.setattr("flask_loop.connectors.couchdb.database.PAGE", 3)
    for where, order in (
        ({}, "id"),
        ({"id": {"inq": list(range(10))}}, "id"),
        ({"sent_at": {"gt": "2023-01-01"}}, "id"),
        ({"label": "x"}, "label"),
        ({"weight": {"gte": 0}}, "weight"),
    ):
        assert [each.id for each in parcels.find(where=where, order=order)] == list(range(10))
        page = parcels.find(where=where, order=order, skip=2, limit=7)
        assert [each.id for each in page] == list(range(2, 9))
        assert parcels.count(where) == 10
    reader = source.connector._database.between("parcel:", "parcel;")  # type: ignore[attr-defined]
    assert [next(reader)["id"] for _ in range(3)] == [0, 1, 2]  # the first request
    parcels.destroy_all({"id": {"inq": [2, 4]}})
    assert [each["id"] for each in reader] == [3, 5, 6, 7, 8, 9]


# Design documents


def test_auto_update_makes_design_documents_once_and_removes_old_ones(
    source: DataSource, parcels: Any, raw: httpx.Client
) -> None:
    designs = [each for each in raw_documents(raw) if each["_id"].startswith("_design/loop:")]
    assert len(designs) == 2
    source.auto_update()
    again = [each for each in raw_documents(raw) if each["_id"].startswith("_design/loop:")]
    assert again == designs
    changed = source.create_model("parcel", {"id": GIVEN, "weight": {"type": float, "index": True}})
    assert not source.is_actual([changed])
    source.auto_update([changed])
    ids = {each["_id"] for each in raw_documents(raw) if each["_id"].startswith("_design/loop:")}
    assert len(ids) == 2
    assert ids.isdisjoint(each["_id"] for each in designs)
    assert source.is_actual([changed])
    changed.create(id=1, weight=2)
    assert changed.count({"weight": {"gt": 1}}) == 1


def test_views_that_are_gone_are_done_without(
    source: DataSource, parcels: Any, raw: httpx.Client
) -> None:
    parcels.create([{"id": 1, "label": "b"}, {"id": 2, "label": "a"}])
    assert [each.id for each in parcels.find(order="label")] == [2, 1]
    for each in raw_documents(raw):
        if each["_id"].startswith("_design/"):
            name = each["_id"].replace(":", "%3A")
            raw.delete(f"/{name}", params={"rev": each["_rev"]}).raise_for_status()
    assert [each.id for each in parcels.find(order="label")] == [2, 1]
    assert parcels.count({"label": {"gt": "a"}}) == 1
    assert not source.is_actual()


def test_a_database_that_is_not_there_is_made_by_auto_update(
    connect: Connect, url: str, raw: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    raw.delete("").raise_for_status()
    source = connect("couchdb", url=url)
    things = source.create_model("early_thing", {"name": str})
    assert not source.is_actual()
    for act in (source.ping, things.find, things.count, lambda: things.create(name="a")):
        caplog.clear()
        with pytest.raises(Unavailable):
            act()
        assert "CouchDB has no database 'loop_own'" in caplog.text
        assert "auto_update makes it" in caplog.text
    source.auto_migrate()
    assert source.is_actual()
    assert things.create(name="a").id == 1


# Ids


def test_ids_go_on_after_the_greatest_there_is(
    source: DataSource, connect: Connect, url: str, raw: httpx.Client
) -> None:
    properties = {"id": {"type": int, "id": True, "generated": True}, "name": str}
    first = source.create_model("counted", properties)
    source.auto_update()
    second = connect("couchdb", url=url).create_model("counted", properties)
    assert [first.create(name="a").id, second.create(name="b").id, first.create().id] == [1, 2, 3]
    assert second.create(id=40).id == 40
    assert [first.create().id, second.create().id] == [41, 42]
    counter = stored(raw, "%25ids%3Acounted")
    raw.delete("/%25ids%3Acounted", params={"rev": counter["_rev"]}).raise_for_status()
    assert [first.create().id, second.create().id] == [43, 44]
    first.data_source.auto_migrate([first], drop=True)
    assert second.create().id == 1


def test_texts_and_uuids_are_made_as_ids(source: DataSource) -> None:
    for kind in ("String", "UUID"):
        made = {"id": {"type": kind, "id": True, "generated": True}, "name": str}
        things = source.create_model(f"made_{kind}", made)
        source.auto_update()
        first, second = things.create([{"name": "a"}, {"name": "b"}])
        assert first.id != second.id
        assert things.find_by_id(second.id).name == "b"


# Writes that collide


def test_writers_of_one_record_lose_nothing(connect: Connect, url: str) -> None:
    names = [f"n{number}" for number in range(6)]
    models = []
    for _ in names:
        source = connect("couchdb", url=url)
        models.append(source.create_model("shared", {"id": GIVEN, **dict.fromkeys(names, int)}))
    models[0].data_source.auto_update()
    models[0].create(id=1)

    def write(number: int) -> None:
        for value in range(1, 4):
            models[number].update_all({"id": 1}, {names[number]: value})
            models[number].find_by_id(1).patch_attributes(**{names[number]: value * 10})

    at_once(write, threads=len(names))
    assert models[0].find_by_id(1).to_record() == {"id": 1, **dict.fromkeys(names, 30)}


def test_update_all_looks_again_at_what_others_have_changed(
    source: DataSource, connect: Connect, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = source.create_model("ticket", {"id": GIVEN, "owner": int, "place": str})
    source.auto_update()
    tickets.create([{"id": 1, "place": "a"}, {"id": 2, "place": "b"}])
    other = connect("couchdb", url=url).create_model("ticket", {"id": GIVEN, "owner": int})
    database = source.connector._database  # type: ignore[attr-defined]
    write = database.write

    def after_another(documents: Any) -> Any:
        monkeypatch.setattr(database, "write", write)
        other.update_all({"id": 1}, {"owner": 7})
        return write(documents)

    monkeypatch.setattr(database, "write", after_another)
    assert tickets.update_all({"owner": None}, {"owner": 5}) == 1
    assert [(each.owner, each.place) for each in tickets.find()] == [(7, "a"), (5, "b")]


def test_a_record_that_others_never_leave_alone_is_a_conflict(
    source: DataSource,
    connect: Connect,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    make_app: Callable[..., Flask],
) -> None:
    seats = source.create_model("busy_seat", {"id": GIVEN, "row": int, "taken": int})
    source.auto_update()
    seats.create([{"id": 1, "row": 1}, {"id": 2, "row": 1}])
    other = connect("couchdb", url=url).create_model("busy_seat", {"id": GIVEN, "taken": int})
    database = source.connector._database  # type: ignore[attr-defined]
    write, count = database.write, iter(range(1, 1000))

    def after_another(documents: Any) -> Any:
        other.update_all({"id": 2}, {"taken": next(count)})
        return write(documents)

    monkeypatch.setattr("flask_loop.connectors.couchdb.writing.ATTEMPTS", 3)
    monkeypatch.setattr("flask_loop.connectors.repeating.ATTEMPTS", 2)
    monkeypatch.setattr(database, "write", after_another)
    with pytest.raises(TransactionConflict):
        seats.update_all({"row": 1}, {"row": 2})
    assert [each.row for each in seats.find()] == [1, 1]
    client = make_app(seats).test_client()
    answer = client.patch("/api/busy_seats/2", json={"row": 3})
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert answer.get_json()["error"]["code"] == "TRANSACTION_CONFLICT"
    monkeypatch.setattr(database, "write", write)
    assert seats.update_all({"row": 1}, {"row": 2}) == 2


def test_records_that_are_created_together_are_stored_all_or_none(
    source: DataSource, parcels: Any, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_loop.connectors.couchdb.writing.PAGE", 10)
    monkeypatch.setattr("flask_loop.connectors.couchdb.database.PAGE", 10)
    parcels.create(id=25)
    with pytest.raises(DuplicateId):
        parcels.create([{"id": id} for id in range(26)])
    assert [each.id for each in parcels.find()] == [25]
    raw.put(
        "/_design/rules",
        json={
            "validate_doc_update": "function (doc) {"
            " if (doc.weight < 0) { throw({forbidden: 'no weight below 0'}); } }"
        },
    ).raise_for_status()
    with pytest.raises(Forbidden, match="no weight below 0"):
        parcels.create([{"id": 1, "weight": 1}, {"id": 2, "weight": -1}])
    with pytest.raises(Forbidden):
        parcels.update_all({}, {"weight": -1})
    assert [(each.id, each.weight) for each in parcels.find()] == [(25, None)]


def test_what_others_have_changed_since_is_not_undone(
    source: DataSource, connect: Connect, url: str, parcels: Any
) -> None:
    parcels.create([{"id": 1, "label": "a"}, {"id": 2, "label": "a"}])
    other = connect("couchdb", url=url).create_model("parcel", {"id": GIVEN, "label": str})

    def write() -> None:
        with source.transaction():
            parcels.update_all({}, {"label": "b"})
            parcels.create(id=3)
            other.update_all({"id": 1}, {"label": "theirs"})
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert [(each.id, each.label) for each in parcels.find()] == [(1, "theirs"), (2, "a")]


# LoopBack's documents


def test_documents_of_loopback_are_read_and_written(
    connect: Connect, url: str, raw: httpx.Client
) -> None:
    raw.post(
        "/_bulk_docs",
        json={
            "docs": [
                {
                    "_id": "7a0c",
                    "loopback__model__name": "Customer",
                    "name": "Ada",
                    "born": "1815-12-10T00:00:00.000Z",
                    "home": {"lat": 51.5, "lng": -0.1},
                    "visits": None,
                },
                {"_id": "10", "loopback__model__name": "Customer", "name": "Bob", "visits": 3},
                {"_id": "11", "loopback__model__name": "Order", "name": "Ada"},
            ]
        },
    ).raise_for_status()
    source = connect("couchdb", url=url, plain_ids=True)
    customers = source.create_model(
        "Customer",
        {
            "id": {"type": "String", "id": True, "generated": True},
            "name": {"type": str, "index": True},
            "born": datetime,
            "home": GeoPoint,
            "visits": int,
        },
    )
    source.auto_update()
    assert [each.id for each in customers.find()] == ["10", "7a0c"]
    ada = customers.find_by_id("7a0c")
    assert (ada.born, ada.home) == (datetime(1815, 12, 10, tzinfo=UTC), GeoPoint(51.5, -0.1))
    assert [each.name for each in customers.find(order="name DESC")] == ["Bob", "Ada"]
    assert customers.count({"visits": None}) == 1
    assert customers.count({"visits": {"lt": 5}}) == 1
    assert customers.find_one({"born": ada.born}).id == "7a0c"
    ada.patch_attributes(visits=1)
    made = customers.create(name="Cy")
    assert stored(raw, "7a0c")["visits"] == 1
    assert stored(raw, made.id)["loopback__model__name"] == "Customer"
    assert customers.destroy_all() == 3
    assert stored(raw, "11")["name"] == "Ada"


def test_plain_ids_may_be_numbers(connect: Connect, url: str, raw: httpx.Client) -> None:
    documents = [{"_id": str(id), "loopback__model__name": "Visit"} for id in (2, 10, 9)]
    raw.post("/_bulk_docs", json={"docs": documents}).raise_for_status()
    source = connect("couchdb", url=url, plain_ids=True)
    visits = source.create_model("Visit", {"id": {"type": int, "id": True, "generated": True}})
    source.auto_update()
    assert [each.id for each in visits.find()] == [2, 9, 10]
    assert [each.id for each in visits.find(where={"id": {"gt": 2}}, order="id DESC")] == [10, 9]
    assert visits.create().id == 11
    assert [each.id for each in visits.find(where={"id": {"inq": [11, 9]}})] == [9, 11]


# What must not happen


def test_nothing_of_clients_is_taken_for_a_part_of_a_selector(
    parcels: Any, make_app: Callable[..., Flask], raw: httpx.Client
) -> None:
    parcels.create([{"id": 1, "label": "a", "notes": {"n": 1}}, {"id": 2, "label": "b"}])
    client = make_app(parcels).test_client()
    for where in (
        {"$or": [{}]},
        {"label": {"$gt": None}},
        {"_id": {"gt": ""}},
        {"loopback__model__name": "parcel"},
    ):
        answer = client.get("/api/parcels", query_string={"filter": dumps({"where": where})})
        assert answer.status_code == 400
    for where in (
        {"label": '"}, "_id": {"$gt": null'},
        {"notes.$gt": None, "label": "c"},
        {"notes.n": {"inq": ["$gt"]}},
        {"tags": "$elemMatch"},
        {"label": {"like": "(.*)%"}},
        {"label": {"like": "[ab]%"}},
    ):
        answer = client.get("/api/parcels", query_string={"filter": dumps({"where": where})})
        assert (answer.status_code, answer.get_json()) == (200, [])
    for id in ("_all_docs", "..%2F_users", "1%3Fx", "_design%2Frules", "a1%22"):
        assert client.get(f"/api/parcels/{id}").status_code == 404
        assert client.delete(f"/api/parcels/{id}").status_code == 404
    assert parcels.count() == 2


@pytest.mark.parametrize("id", ["_design/x", "..", "a/b?c#d", "%2F", "é:1", "\n", '"', "x" * 5000])
def test_an_id_is_an_id_whatever_it_looks_like(source: DataSource, id: str) -> None:
    things = source.create_model("odd_ids", {"key": {"type": str, "id": True}, "n": int})
    source.auto_update()
    things.create(key=id, n=1)
    things.find_by_id(id).patch_attributes(n=2)
    assert [(each.key, each.n) for each in things.find(where={"key": {"gte": id}})] == [(id, 2)]
    assert things.destroy_by_id(id) == 1
    assert things.find() == []


def test_names_are_no_program_in_a_view(source: DataSource) -> None:
    name = '"]; emit("x"); var a = ["\u2028'
    things = source.create_model(
        "scripted", {"id": GIVEN, "n": {"type": int, "index": True, "couchdb": {"field": name}}}
    )
    source.auto_update()
    things.create([{"id": id, "n": -id} for id in range(4)])
    assert [each.id for each in things.find(order="n", limit=2)] == [3, 2]
    assert things.count({"n": {"lt": -1}}) == 2


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "http://localhost"}, "names no database"),
        ({"url": "ftp://localhost/x"}, "begins with http://"),
        (
            {"url": "http://u:hush@localhost:99999/x"},
            "the url of the couchdb data source is not valid: its port",
        ),
        ({"url": "http://u:hush@localhost/x?a=1"}, "has no 'a' in its query"),
        ({"url": 5}, "is a text"),
        ({"database": "x", "uls": 1}, "no setting 'uls'.*did you mean 'url'"),
        ({"database": "Shop"}, "begins with a small letter.* unlike 'Shop'"),
        ({"database": "x", "timeout": 0}, "timeout is a number of seconds above 0, not 0"),
        ({"database": "x", "pool_size": 0}, "pool_size is a whole number from 1, not 0"),
        ({"database": "x", "retries": True}, "retries is a whole number from 0"),
        ({"database": "x", "port": 70_000}, "port is a whole number from 1 to 65535"),
        ({"database": "x", "verify": 5}, "verify is true, false or a path"),
        ({"database": "x", "plain_ids": 1}, "plain_ids is true or false"),
        ({"database": "x", "max_scan": 0}, "max_scan"),
        ({"database": "x", "user": "a", "username": "b"}, "'username' is given twice"),
    ],
)
def test_a_setting_that_means_nothing_is_named(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as error:
        create_data_source(connector="couchdb", **settings)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("scheme", ["http", "couchdb"])
def test_parts_of_the_address_may_be_settings(
    connect: Connect, couchdb: Couchdb, url: str, scheme: str
) -> None:
    address = httpx.URL(url)
    if address.scheme != "http":
        pytest.skip("the server is reached by https")
    by_url = connect("couchdb", url=url.replace("http", scheme, 1))
    by_parts = connect(
        "couchdb",
        host=address.host,
        port=address.port or 5984,
        database=address.path.strip("/"),
        username=address.username,
        password=address.password,
    )
    by_url.ping()
    by_parts.ping()
    shown = repr(by_parts.connector.__dict__["_settings"])
    assert not address.password or address.password not in shown


def test_prices_are_exact(source: DataSource) -> None:
    things = source.create_model("priced", {"id": GIVEN, "price": {"type": Decimal, "scale": 2}})
    source.auto_update()
    things.create([{"id": 1, "price": "10.10"}, {"id": 2, "price": "9.90"}])
    assert [each.price for each in things.find(order="price")] == [
        Decimal("9.90"),
        Decimal("10.10"),
    ]
    assert things.count({"price": "10.1"}) == 1
    assert things.count({"price": {"gt": "9.95"}}) == 1
