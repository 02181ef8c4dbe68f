"""What MongoDB alone does: documents as they are stored, indexes, ids, what the server is asked."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pymongo
import pytest
from bson import Decimal128, ObjectId
from bson.binary import Binary
from flask import Flask
from mongoengine.base import _document_registry

from flask_loop import DataSource, GeoPoint, Loop, create_data_source
from flask_loop.connectors.mongodb.guards import guard_key
from flask_loop.errors import Conflict, DefinitionError, TooMuchToRead, ValidationError
from flask_loop.query import FilterParser
from tests.servers import Mongodb

Connect = Callable[..., DataSource]


def asked(model: Any, where: Any, **filter: Any) -> Any:
    """What is sent for a where, and what is left for Python."""
    explained = model.data_source.explain(model, {"where": where, **filter})
    return explained["backend"], explained["python"]["where"]


# Documents


def test_values_are_stored_as_what_they_are(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "ParcelDocument",
        {
            "id": {"type": int, "id": True},
            "name": str,
            "price": "decimal",
            "at": datetime,
            "day": date,
            "data": bytes,
            "key": UUID,
            "place": GeoPoint,
            "tags": [str],
            "box": {"side": int, "since": datetime},
            "nothing": str,
        },
    )
    at = datetime(2024, 2, 29, 1, 2, 3, 4567, tzinfo=UTC)
    things.create(
        id=1,
        name="a",
        price="1.50",
        at=at,
        day=date(2024, 2, 29),
        data=b"\x00",
        key=UUID(int=5),
        place=GeoPoint(52.5, 13.4),
        tags=["x"],
        box={"side": 3, "since": at},
    )
    milliseconds = datetime(2024, 2, 29, 1, 2, 3, 4000)  # noqa: DTZ001 - as the driver reads it
    assert raw.parcel_document.find_one() == {
        "_id": 1,
        "name": "a",
        "price": Decimal128("1.5"),
        "at": milliseconds,
        "at_us": 567,
        "day": datetime(2024, 2, 29),  # noqa: DTZ001
        "data": b"\x00",
        "key": UUID(int=5),
        "place": {"type": "Point", "coordinates": [13.4, 52.5]},
        "tags": ["x"],
        "box": {"side": 3, "since": {"date": milliseconds, "us": 567}},
    }
    assert things.find_by_id(1).at == at


def test_an_instant_without_microseconds_is_a_date_alone(source: DataSource, raw: Any) -> None:
    things = source.create_model("TickDocument", {"at": datetime})
    tick = things.create(at=datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    assert raw.tick_document.find_one()["at_us"] == 1
    tick.patch_attributes(at=datetime(2024, 1, 1, tzinfo=UTC))
    assert raw.tick_document.find_one().keys() == {"_id", "at"}


def test_instants_are_compared_to_the_microsecond(source: DataSource) -> None:
    things = source.create_model("BlinkDocument", {"id": {"type": int, "id": True}, "at": datetime})
    instants = [datetime(2024, 1, 1, 0, 0, 0, each, tzinfo=UTC) for each in (0, 1, 999, 1000, 1001)]
    things.create([{"id": id, "at": at} for id, at in enumerate(instants)] + [{"id": 9}])
    for bound in instants:
        for operator, compare in (
            ("gt", bound.__lt__),
            ("gte", bound.__le__),
            ("lt", bound.__gt__),
            ("lte", bound.__ge__),
            ("eq", bound.__eq__),
        ):
            where = {"at": {operator: bound}}
            expected = [id for id, at in enumerate(instants) if compare(at)]
            assert [each.id for each in things.find(where=where)] == expected
    assert [each.id for each in things.find(order="at DESC")] == [4, 3, 2, 1, 0, 9]
    assert [each.id for each in things.find(order="at")] == [0, 1, 2, 3, 4, 9]


def test_keys_that_mongodb_does_not_take_are_written_otherwise(
    source: DataSource, raw: Any
) -> None:
    things = source.create_model("OddKeyDocument", {"data": dict}, strict=False)
    data = {"": 1, "a.b": {"$gt": 2}, "%": 3, "%2E": 4, "$": 5, "a$": 6}
    created = things.create({"data": data, "$where": "x", "_id": "mine", "a.b": 7, "": 8})
    stored = raw.odd_key_document.find_one()
    assert stored["_id"] == created.id
    assert set(stored["data"]) == {"%", "a%2Eb", "%25", "%252E", "%24", "a$"}
    found = things.find_by_id(created.id).to_record()
    assert found["data"] == data
    assert {key: found[key] for key in ("$where", "_id", "a.b", "")} == {
        "$where": "x",
        "_id": "mine",
        "a.b": 7,
        "": 8,
    }


def test_properties_have_the_fields_that_their_options_name(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "RenamedDocument",
        {
            "unit_price": {"type": float, "mongodb": {"columnName": "UnitPrice"}},
            "color": {"type": str, "mongodb": {"fieldName": "c"}},
            "home": {"type": {"zip": {"type": str, "mongodb": {"field": "z"}}}},
        },
        mongodb={"collection": "things.renamed"},
    )
    things.create(unit_price=1.5, color="red", home={"zip": "1"})
    stored = raw["things.renamed"].find_one()
    assert (stored["UnitPrice"], stored["c"], stored["home"]) == (1.5, "red", {"z": "1"})
    where = {"unit_price": 1.5, "color": "red", "home.zip": "1"}
    assert asked(things, where) == ({"UnitPrice": 1.5, "c": "red", "home.z": "1"}, [])
    assert things.count(where) == 1


@pytest.mark.parametrize(
    ("properties", "options", "named"),
    [
        ({"a": str, "b": {"type": str, "mongodb": {"field": "a"}}}, {}, "'a'"),
        ({"at": datetime, "b": {"type": str, "mongodb": {"field": "at_us"}}}, {}, "'at_us'"),
        ({"a": {"type": str, "mongodb": {"field": "_id"}}}, {}, "'_id'"),
        ({"a": str}, {"collection": "a$b"}, "a\\$b"),
        ({"a": {"type": datetime, "mongodb": {"expireAfterSeconds": "soon"}}}, {}, "'soon'"),
        ({"a": {"type": str, "mongodb": {"expireAfterSeconds": 1}}}, {}, "one instant"),
    ],
    ids=str,
)
def test_what_makes_no_document_is_refused_at_definition(
    source: DataSource, properties: Any, options: Any, named: str
) -> None:
    things = source.create_model("NoDocument", properties, mongodb=options)
    with pytest.raises(DefinitionError, match=named):
        source.auto_update([things])


# Documents of others


def test_documents_of_others_are_read(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "ForeignDocument",
        {
            "id": {"type": str, "id": True, "generated": True},
            "name": str,
            "size": int,
            "price": "decimal",
            "at": datetime,
            "place": GeoPoint,
            "data": dict,
        },
    )
    first, second = ObjectId(), ObjectId()
    at = datetime(2024, 1, 1, tzinfo=UTC)
    raw.foreign_document.insert_many(
        [
            {"_id": first, "name": None, "more": 1},
            {
                "_id": second,
                "name": "b",
                "size": 5.0,
                "price": 2.5,
                "at": at,
                "place": [13.4, 52.5],
                "data": {"by": first, "at": at, "price": Decimal128("1.50"), "b": b"\x00"},
            },
        ]
    )
    empty, full = things.find()
    assert empty.to_record() == {**dict.fromkeys(things.definition.properties), "id": str(first)}
    assert full.id == str(second)
    assert repr(full.size) == "5"
    assert (full.price, full.at, full.place) == (Decimal("2.5"), at, GeoPoint(52.5, 13.4))
    assert full.data == {
        "by": str(first),
        "at": "2024-01-01T00:00:00.000Z",
        "price": "1.50",
        "b": "AA==",
    }
    assert [each.id for each in things.find(where={"name": None})] == [str(first)]
    assert [each.id for each in things.find(order="name")] == [str(second), str(first)]


def test_what_a_model_does_not_declare_outlives_its_writes(source: DataSource, raw: Any) -> None:
    things = source.create_model("KeptDocument", {"id": {"type": int, "id": True}, "name": str})
    raw.kept_document.insert_one({"_id": 1, "name": "a", "_cls": "Kept", "more": 5})
    things.find_by_id(1).patch_attributes(name="b")
    things.replace_by_id(1, {"name": "c"})
    assert raw.kept_document.find_one() == {"_id": 1, "name": "c", "_cls": "Kept", "more": 5}


def test_ids_that_were_never_counted_are_not_made_again(source: DataSource, raw: Any) -> None:
    things = source.create_model("UncountedDocument", {"name": str})
    raw.uncounted_document.insert_many([{"_id": 7}, {"_id": 41}, {"_id": "text"}])
    assert things.create(name="a").id == 42
    assert things.create(id=50, name="b").id == 50
    assert things.create(name="c").id == 51


# Ids


def test_ids_that_are_made_for_texts_are_object_ids(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "TextIdDocument", {"id": {"type": str, "id": True, "generated": True}, "name": str}
    )
    made = things.create(name="made")
    assert raw.text_id_document.find_one()["_id"] == ObjectId(made.id)
    given = things.create(id="given", name="given")
    other = str(ObjectId())
    things.create(id=other, name="other")
    found = [each["_id"] for each in raw.text_id_document.find()]
    assert {*found} == {ObjectId(made.id), "given", ObjectId(other)}
    for thing in (made, given):
        assert things.find_by_id(thing.id).name == thing.name
        assert things.count({"id": {"inq": [thing.id]}}) == 1
    assert things.find_by_id(made.id.upper()) is None
    assert {each.id for each in things.find_by_ids([made.id, "given"])} == {made.id, "given"}
    assert things.destroy_by_id(made.id) == 1


def test_keys_of_object_ids_are_object_ids(source: DataSource, raw: Any) -> None:
    authors = source.create_model(
        "OidAuthor",
        {"id": {"type": str, "id": True, "generated": True}, "name": str},
        relations={"books": {"type": "hasMany", "model": "OidBook", "foreignKey": "author_id"}},
    )
    books = source.create_model(
        "OidBook",
        {"title": str, "editor": {"type": str, "mongodb": {"dataType": "ObjectID"}}},
        relations={"author": {"type": "belongsTo", "model": "OidAuthor"}},
    )
    author = authors.create(name="a")
    books.create(author_id=author.id, title="x", editor=author.id)
    stored = raw.oid_book.find_one()
    assert (stored["author_id"], stored["editor"]) == (ObjectId(author.id), ObjectId(author.id))
    (found,) = authors.find(include="books")
    assert [each.title for each in found.books] == ["x"]
    assert books.find_one(include="author").author().name == "a"
    # A key that somebody else has stored as text leads there as well.
    raw.oid_book.update_one({}, {"$set": {"author_id": author.id}})
    assert [each.title for each in authors.find(include="books")[0].books] == ["x"]


def test_ids_of_uuids_are_made(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "UuidDocument", {"id": {"type": UUID, "id": True, "generated": True}}
    )
    made = things.create()
    stored = raw.uuid_document.find_one()["_id"]
    assert (stored, Binary.from_uuid(stored).subtype) == (made.id, 4)


def test_an_id_of_several_properties_is_one_object(source: DataSource, raw: Any) -> None:
    seats = source.create_model(
        "SeatDocument",
        {"row": {"type": str, "id": 2}, "room": {"type": int, "id": 1}, "taken": bool},
    )
    source.auto_update([seats])
    seats.create(room=1, row="a", taken=True)
    assert raw.seat_document.find_one() == {"_id": {"room": 1, "row": "a"}, "taken": True}
    assert asked(seats, {"room": 1}) == ({"_id.room": 1}, [])
    assert [list(each["key"]) for each in raw.seat_document.list_indexes()] == [
        ["_id"],
        ["_id.room", "_id.row"],
    ]


def test_an_id_that_nothing_makes_is_asked_for(source: DataSource) -> None:
    things = source.create_model("UnmadeDocument", {"id": {"type": date, "id": True}})
    with pytest.raises(DefinitionError, match="default_fn"):
        source.connector.insert(things.definition, [{"id": None}])


# Indexes


def test_indexes_are_those_that_the_model_asks_for(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "IndexedDocument",
        {
            "name": {"type": str, "unique": True},
            "at": {"type": datetime, "index": True},
            "place": {"type": GeoPoint, "index": True},
            "tags": {"type": [str], "index": True},
            "until": {"type": datetime, "mongodb": {"expireAfterSeconds": 60}},
            "a": int,
            "b": int,
        },
        indexes={"both": {"keys": ["a", "b"], "unique": True}},
    )
    assert not source.is_actual([things])
    source.auto_update([things])
    assert source.is_actual([things])
    there = {each["name"]: each for each in raw.indexed_document.list_indexes()}
    keys = {name: dict(each["key"]) for name, each in there.items()}
    assert keys == {
        "_id_": {"_id": 1},
        "loop_name_unique": {"name": 1},
        "loop_at_at_us": {"at": 1, "at_us": 1, "_id": 1},
        "loop_place_2dsphere": {"place": "2dsphere"},
        "loop_tags": {"tags": 1, "_id": 1},
        "loop_until_ttl": {"until": 1},
        "loop_a_b_unique": {"a": 1, "b": 1},
    }
    assert there["loop_until_ttl"]["expireAfterSeconds"] == 60
    assert there["loop_name_unique"]["unique"]
    assert there["loop_a_b_unique"]["partialFilterExpression"] == {
        "a": {"$exists": True},
        "b": {"$exists": True},
    }


def test_an_index_that_became_another_is_made_anew(source: DataSource, raw: Any) -> None:
    raw.changed_document.create_index("other")
    for seconds in (60, 120):
        things = source.create_model(
            "ChangedDocument",
            {"at": {"type": datetime, "mongodb": {"expireAfterSeconds": seconds}}},
        )
        assert not source.is_actual([things])
        source.auto_update([things])
    there = {each["name"]: each for each in raw.changed_document.list_indexes()}
    assert there["loop_at_ttl"]["expireAfterSeconds"] == 120
    assert "other_1" in there


def test_an_index_that_documents_refuse_is_a_conflict(source: DataSource, raw: Any) -> None:
    raw.clashing_document.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "a"}])
    things = source.create_model("ClashingDocument", {"name": {"type": str, "unique": True}})
    with pytest.raises(Conflict, match="clashing_document: documents have the same name"):
        source.auto_update([things])


# What is asked of the server


def make_things(source: DataSource) -> Any:
    return source.create_model(
        "AskedDocument",
        {
            "id": {"type": int, "id": True},
            "name": {"type": str, "required": True},
            "size": "number",
            "tags": [str],
            "data": dict,
            "extra": "any",
            "bytes_": bytes,
            "place": GeoPoint,
            "parts": [{"label": str, "size": int}],
        },
    )


@pytest.mark.parametrize(
    ("where", "query", "rest"),
    [
        ({"name": "a", "size": {"gt": 1}}, {"name": "a", "size": {"$gt": 1}}, []),
        ({"size": {"between": [1, 2]}}, {"size": {"$gte": 1, "$lte": 2}}, []),
        ({"size": None}, {"size": None}, []),
        ({"size": {"neq": 1}}, {"$nor": [{"size": 1}]}, []),
        ({"or": [{"size": 1}, {"size": 2}]}, {"$or": [{"size": 1}, {"size": 2}]}, []),
        ({"id": {"inq": [1, 2]}}, {"_id": {"$in": [1, 2]}}, []),
        ({"tags": "a"}, {"tags": "a"}, []),
        ({"tags": ["a"]}, {"tags": {"$eq": ["a"]}}, []),
        ({"tags": {"between": ["a", "b"]}}, {"tags": {"$elemMatch": {"$gte": "a", "$lte": "b"}}}, []),  # noqa: E501
        ({"name": {"like": "a.%"}}, {"name": {"$regex": r"^a\."}}, []),
        ({"name": {"ilike": "aé"}}, {"name": {"$regex": r"^[Aa][Éé](?![\s\S])"}}, []),
        ({"name": {"regexp": "^ab"}}, {"name": {"$regex": "^ab"}}, []),
        ({"name": {"regexp": "a+"}}, {}, ["name regexp"]),
        ({"name": {"like": "a%b%_c%e"}}, {"name": {"$regex": r"^a(?>[\s\S]*?b)(?>[\s\S]*?[\s\S]c)[\s\S]*e(?![\s\S])"}}, []),  # noqa: E501
        ({"name": {"like": "%a%%b%"}}, {"name": {"$regex": r"^(?>[\s\S]*?a)(?>[\s\S]*?b)"}}, []),
        ({"data.a": 1}, {"data.a": {"$eq": 1}}, []),
        ({"data.a.b": 1}, {"$and": [{"data.a": {"$not": {"$type": "array"}}}, {"data.a.b": {"$eq": 1}}]}, []),  # noqa: E501
        ({"data.a.0": 1}, {"data.a.0": {"$eq": 1}}, ["data.a.0 eq"]),
        ({"data": {"a": 1}}, {"data.a": 1}, ["data eq"]),
        ({"extra": {"gt": 1}}, {"extra": {"$gt": 1}}, ["extra gt"]),
        ({"bytes_": {"gt": "AA=="}}, {}, ["bytes_ gt"]),
        ({"and": [{"size": {"lt": 1}}, {"size": {"gt": 0}}]}, {"$and": [{"size": {"$lt": 1}}, {"size": {"$gt": 0}}]}, []),  # noqa: E501
    ],
    ids=str,
)  # fmt: skip
def test_wheres_become_operators(source: DataSource, where: Any, query: Any, rest: Any) -> None:
    assert asked(make_things(source), where) == (query, rest)


def test_near_becomes_a_circle_on_the_globe(source: DataSource) -> None:
    things = make_things(source)
    near = {"near": [52.5, 13.4], "maxDistance": 0.01, "unit": "radians"}
    query, rest = asked(things, {"place": near})
    ((centre, radius),) = (query["place"]["$geoWithin"]["$centerSphere"],)
    assert centre == [13.4, 52.5]
    assert 0.01 < radius < 0.01 + 1e-8
    assert rest == ["place near"]
    everywhere = asked(things, {"place": {**near, "maxDistance": 4}})[0]
    assert everywhere == {"place": {"$exists": True}}


def test_orders_are_the_servers_where_it_has_them(source: DataSource) -> None:
    things = make_things(source)

    def explained(order: Any) -> Any:
        said = source.explain(things, {"order": order})
        return said["order"], said["python"]["order"]

    assert explained("name") == ([("name", 1), ("_id", 1)], False)
    assert explained("size DESC") == ([("size", -1), ("_id", 1)], False)
    assert explained("bytes_") == (None, True)
    assert explained("extra") == (None, True)


def test_nulls_are_last_in_every_order(source: DataSource) -> None:
    things = source.create_model(
        "NullsDocument", {"id": {"type": int, "id": True}, "a": int, "b": int}
    )
    pairs = [(None, 1), (2, None), (1, 2), (None, None), (1, None), (2, 1)]
    things.create([{"id": id, "a": a, "b": b} for id, (a, b) in enumerate(pairs)])
    for order, expected in (
        ("a", [2, 4, 1, 5, 0, 3]),
        ("a DESC", [1, 5, 2, 4, 0, 3]),
        (["a", "b"], [2, 4, 5, 1, 0, 3]),
        (["a DESC", "b"], [5, 1, 2, 4, 0, 3]),
        (["b", "a DESC"], [5, 0, 2, 1, 4, 3]),
    ):
        assert [each.id for each in things.find(order=order)] == expected
        for skip in range(7):
            for limit in (1, 2, 6):
                page = things.find(order=order, skip=skip, limit=limit)
                assert [each.id for each in page] == expected[skip : skip + limit]


def test_only_the_fields_are_read(source: DataSource, raw: Any) -> None:
    things = make_things(source)
    things.create(id=1, name="a", size=2)
    rows = source.connector.select(
        things.definition, FilterParser(things.definition).filter({"fields": ["size"]})
    )
    assert rows.raw == [{"size": 2}]


def test_what_python_has_to_look_at_is_bounded(connect: Connect, url: str) -> None:
    source = connect("mongodb", url=url, max_scan=3)
    things = make_things(source)
    things.create([{"id": id, "name": f"n{id}"} for id in range(5)])
    assert len(things.find()) == 5
    assert things.count({"name": {"like": "n%"}}) == 5
    for act in (
        lambda: things.find(where={"name": {"regexp": "n+"}}, limit=1),
        lambda: things.find(order="extra"),
        lambda: things.count({"name": {"regexp": "n+"}}),
        lambda: things.update_all({"name": {"regexp": "n+"}}, {"size": 1}),
        lambda: things.destroy_all({"name": {"regexp": "n+"}}),
    ):
        with pytest.raises(TooMuchToRead):
            act()
    assert things.count({"id": {"lt": 3}, "name": {"regexp": "n+"}}) == 3


# Clients that try to say more than a filter may


@pytest.fixture
def client(source: DataSource) -> Iterator[Any]:
    things = make_things(source)
    things.create([{"id": 1, "name": "a", "data": {"$gt": "x"}}, {"id": 2, "name": "b"}])
    app = Flask("shop")
    app.config["TESTING"] = True
    Loop(app, url_prefix="/api").model(things)
    return app.test_client()


@pytest.mark.parametrize(
    "where",
    [
        {"name": {"$gt": ""}},
        {"name": {"$ne": None}},
        {"$where": "true"},
        {"$or": [{}]},
        {"name": {"$regex": ".*"}},
        {"id": {"$gt": 0}},
        {"tags": {"$elemMatch": {}}},
        {"name": {"like": {"$gt": ""}}},
        {"size": {"gt": {"$numberLong": "0"}}},
        {"_id": 1},
    ],
    ids=str,
)
def test_operators_of_mongodb_mean_nothing_in_filters(client: Any, where: Any) -> None:
    answer = client.get(
        "/api/AskedDocuments", query_string={"filter": flask_json({"where": where})}
    )
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "INVALID_FILTER"


def flask_json(value: Any) -> str:
    import json

    return json.dumps(value)


def test_operators_in_values_are_values(client: Any) -> None:
    found = client.get(
        "/api/AskedDocuments",
        query_string={"filter": flask_json({"where": {"data": {"$gt": ""}}})},
    )
    assert (found.status_code, found.json) == (200, [])
    found = client.get(
        "/api/AskedDocuments",
        query_string={"filter": flask_json({"where": {"data.$gt": "x"}, "fields": "id"})},
    )
    assert found.json == [{"id": 1}]
    made = client.post(
        "/api/AskedDocuments",
        json={"id": 3, "name": "c", "data": {"$set": {"name": "x"}}, "extra": {"$inc": 1}},
    )
    assert made.status_code == 200
    assert client.get("/api/AskedDocuments/3").json["data"] == {"$set": {"name": "x"}}
    changed = client.patch("/api/AskedDocuments/3", json={"extra": {"$unset": {"name": ""}}})
    assert changed.json["extra"] == {"$unset": {"name": ""}}
    assert client.get("/api/AskedDocuments/3").json["name"] == "c"


# Classes of MongoEngine


def test_two_apps_have_models_of_one_name(connect: Connect, mongodb: Mongodb) -> None:
    first = connect("mongodb", url=mongodb.fresh("first"))
    second = connect("mongodb", url=mongodb.fresh("second"))
    apps = []
    for number, source in enumerate((first, second)):
        app = Flask(f"shop{number}")
        app.config["TESTING"] = True
        model = source.create_model("TwinDocument", {"name": str, f"own{number}": str})
        source.auto_update([model])
        Loop(app, url_prefix="/api").model(model)
        apps.append(app.test_client())
        apps[-1].post("/api/TwinDocuments", json={"name": f"n{number}"})
    found = [app.get("/api/TwinDocuments").json for app in apps]
    assert found == [[{"name": f"n{number}", f"own{number}": None, "id": 1}] for number in (0, 1)]
    documents = [
        source.connector.document(source.models()[0].definition)  # type: ignore[attr-defined]
        for source in (first, second)
    ]
    assert documents[0]._class_name != documents[1]._class_name
    assert [each.objects.first().name for each in documents] == ["n0", "n1"]


def test_mongoengine_forgets_models_that_are_gone(source: DataSource) -> None:
    known = len(_document_registry)
    for _ in range(3):
        things = source.create_model("PassingDocument", {"name": str})
        things.find()
    del things
    gc.collect()
    assert len(_document_registry) <= known + 1


# Blocks


def test_a_block_is_undone_where_the_server_has_no_transactions(
    connect: Connect, url: str, raw: Any
) -> None:
    source = connect("mongodb", url=url, transactions=False)
    assert source.connector.capabilities.undoes
    things = source.create_model(
        "UndoneDocument", {"id": {"type": int, "id": True}, "name": str, "data": dict}
    )
    things.create([{"id": 1, "name": "a", "data": {"x": 1}}, {"id": 2, "name": "b"}])
    before = list(raw.undone_document.find())
    with pytest.raises(ValueError, match="no"), source.transaction():  # noqa: PT012 - the block
        things.update_all({}, {"name": "c", "data": {}})
        things.create(id=3)
        things.destroy_by_id(2)
        raw.undone_document.update_one({"_id": 1}, {"$set": {"more": 1}})
        raise ValueError("no")
    assert list(raw.undone_document.find({"_id": 1})) == [{**before[0], "more": 1}]
    assert list(raw.undone_document.find({"_id": 2})) == before[1:]
    assert raw.undone_document.count_documents({}) == 2


def test_what_others_changed_meanwhile_stays(connect: Connect, url: str, raw: Any) -> None:
    source = connect("mongodb", url=url, transactions=False)
    things = source.create_model("MeanwhileDocument", {"id": {"type": int, "id": True}, "n": int})
    things.create(id=1, n=1)
    with pytest.raises(ValueError, match="no"), source.transaction():  # noqa: PT012 - the block
        things.update_all({}, {"n": 2})
        raw.meanwhile_document.update_one({"_id": 1}, {"$set": {"n": 7}})
        raise ValueError("no")
    assert things.find_by_id(1).n == 7


def test_transactions_are_the_servers_where_it_has_them(connect: Connect, url: str) -> None:
    source = connect("mongodb", url=url, transactions=True)
    assert source.connector.capabilities.transactions
    things = source.create_model(
        "TransactedDocument",
        {"id": {"type": int, "id": True}, "name": {"type": str, "unique": True}},
    )
    source.auto_update([things])
    things.create(id=1, name="a")
    with source.transaction():
        things.create(id=2, name="b")
        with pytest.raises(ValidationError):
            things.create([{"id": 3, "name": "c"}, {"id": 4, "name": "c"}])
        with pytest.raises(ValueError, match="inner"), source.transaction():  # noqa: PT012 - the block
            things.update_all({"id": 1}, {"name": "x"})
            things.destroy_by_id(2)
            raise ValueError("inner")
        assert [each.name for each in things.find()] == ["a", "b"]
        things.update_all({"id": 1}, {"name": "z"})
    with pytest.raises(ValueError, match="outer"), source.transaction():  # noqa: PT012 - the block
        things.destroy_all()
        raise ValueError("outer")
    assert [(each.id, each.name) for each in things.find()] == [(1, "z"), (2, "b")]
    with pytest.raises(RuntimeError, match="read_only"), source.transaction(read_only=True):
        things.create(id=9)


def test_find_or_create_in_a_transaction_makes_one(connect: Connect, url: str) -> None:
    source = connect("mongodb", url=url, transactions=True)
    things = source.create_model("OnceDocument", {"id": {"type": int, "id": True}, "name": str})
    given = {"id": 1, "name": "a"}
    with source.transaction():
        _, is_new = things.find_or_create({"where": {"name": "a"}}, given)
        _, is_new_again = things.find_or_create({"where": {"name": "a"}}, given)
    assert (is_new, is_new_again) == (True, False)
    assert things.count() == 1


def test_find_or_create_runs_rules_and_observers(source: DataSource) -> None:
    things = source.create_model(
        "OnlyDocument", {"name": {"type": str, "required": True}, "size": int}
    )
    told: list[str] = []
    things.observe("before save")(lambda ctx: told.append("before"))
    things.observe("after save")(lambda ctx: told.append("after"))
    with pytest.raises(ValidationError):
        things.find_or_create({"where": {"size": 1}}, {"size": 1})
    with ThreadPoolExecutor(4) as pool:
        given = {"name": "a", "size": 1}
        find_or_create = partial(things.find_or_create, {"where": {"name": "a"}}, given)
        outcomes = list(pool.map(lambda _: find_or_create(), range(4)))
    assert sorted(is_new for _, is_new in outcomes) == [False, False, False, True]
    assert {found.id for found, _ in outcomes} == {things.find_one().id}
    assert told.count("after") == 1


def test_a_caller_who_died_keeps_nobody_waiting(source: DataSource, raw: Any) -> None:
    things = source.create_model("DeadDocument", {"name": str})
    plan = things.__loop_plan__()
    key = guard_key("dead_document", plan.in_one_step(plan.parser.where({"name": "a"})))
    past = datetime(2024, 1, 1, tzinfo=UTC)
    raw.loop_guards.insert_one({"_id": key, "owner": ObjectId(), "until": past})
    assert things.find_or_create({"where": {"name": "a"}}, {"name": "a"})[1]
    assert list(raw.loop_guards.find()) == []


def test_guards_are_the_same_in_every_process(source: DataSource) -> None:
    wheres = []
    for _ in range(2):
        at = {"type": datetime, "default_fn": lambda: datetime.now(UTC)}
        things = source.create_model("SharedDocument", {"name": str, "at": at})
        plan = things.__loop_plan__()
        wheres.append(plan.parser.where({"or": [{"name": "a"}, {"at": None}]}))
    assert len({guard_key("x", where) for where in wheres}) == 1
    assert guard_key("x", wheres[0]) != guard_key("y", wheres[0])


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "mongodb://localhost/x", "pol_size": 1}, "'pol_size'.*pool_size"),
        ({"url": "mongodb://localhost"}, "needs a database"),
        ({"host": "localhost"}, "needs a database"),
        ({"url": "redis://localhost/x"}, "begins with mongodb://"),
        (
            {"url": "mongodb://u:s3cret@:99999999/x"},
            "the url of the mongodb data source is not valid",
        ),
        ({"url": "mongodb://u:s3cret@a@b/x"}, "the url of the mongodb data source is not valid"),
        ({"database": "x", "port": 0}, "port is a whole number"),
        ({"database": "x", "port": 70000}, "port is a whole number"),
        ({"database": "x", "pool_size": True}, "pool_size is a whole number"),
        ({"database": "x", "connect_timeout": -1}, "connect_timeout is a number of seconds"),
        ({"database": "x", "tls": "yes"}, "tls is true or false"),
        ({"database": "x", "db": "y"}, "'database' is given twice"),
        ({"database": "x", "max_scan": 0}, "max_scan"),
        ({"database": "x", "transactions": "maybe"}, "transactions is true or false"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as error:
        create_data_source(connector="mongodb", **settings)
    assert "s3cret" not in str(error.value)


def test_loopbacks_spellings_are_understood(connect: Connect, url: str) -> None:
    address = pymongo.uri_parser.parse_uri(url)
    ((host, port),) = address["nodelist"]
    source = connect(
        "loopback-connector-mongodb", hostname=host, port=str(port), db=address["database"]
    )
    source.ping()


def test_nothing_is_connected_to_before_the_first_use() -> None:
    source = create_data_source(connector="mongodb", host="127.0.0.1", port=1, database="x")
    source.create_model("LazyDocument", {"name": str})
    source.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_connections_of_its_own(source: DataSource) -> None:
    things = source.create_model("ForkedDocument", {"name": str})
    things.create(name="parent")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            things.create(name="child")
            status = 0 if things.count() == 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert things.count({"name": "child"}) == 1
