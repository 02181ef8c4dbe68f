"""Documents that other programs have written, with values that no property's type holds."""

from __future__ import annotations

import enum
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import bson
import mongoengine as me
import pytest
from bson import Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

from flask_loop import DataSource, GeoPoint, Model, create_model
from flask_loop.connectors.mongodb.client import CODEC_OPTIONS
from flask_loop.errors import DefinitionError, ValidationError
from tests.fields import Plate

Connect = Callable[..., DataSource]


class Colour(enum.Enum):
    RED = "red"


#: 10**15 milliseconds after 1970, and 10**14 before it.
FAR, EARLY = DatetimeMS(10**15), DatetimeMS(-(10**14))
FAR_TEXT, EARLY_TEXT = "+033658-09-27T01:46:40.000Z", "-001199-02-15T14:13:20.000Z"
FIRST, SECOND = UUID(int=0x0102030405060708090A0B0C0D0E0F10), UUID(int=7)
#: What no property has of itself.
ODD: dict[str, Any] = {
    "far": FAR,
    "timestamp": Timestamp(1, 2),
    "regex": Regex("a", "i"),
    "code": Code("f()"),
    "reference": DBRef("things", 5),
    "min": MinKey(),
    "max": MaxKey(),
    "odd uuid": Binary(b"abc", 4),
    "odd old uuid": Binary(b"abc", 3),
}
#: Types whose values JSON does not have, and what they do not read beside ``ODD``.
TYPED: dict[str, tuple[Any, dict[str, Any]]] = {
    "instant": (datetime, {"early": EARLY, "text": "soon", "number": 5, "list": [1]}),
    "day": (date, {"early": EARLY, "text": "soon", "number": 5}),
    "uuid": (UUID, {"text": "soon", "bytes": b"x" * 16, "md5": Binary(b"x" * 16, 5)}),
    "decimal": ("decimal", {"nan": Decimal128("NaN"), "text": "much", "boolean": True}),
    "bytes": (bytes, {"text": "abc", "number": 3, "great": Int64(2**60), "list": [1, 2]}),
    "point": (GeoPoint, {"text": "ab", "bytes": b"\x01\x02", "far": {"coordinates": [500, 5]}}),
    "enum": (Colour, {"other": "green", "number": 3, "object": {"a": 1}}),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_value_that_nobody_can_read_is_null(
    source: DataSource, raw: Any, make_app: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    kind, more = TYPED[name]
    values = list({**ODD, **more}.values())
    if kind is bytes:  # two of the odd ones are bytes
        values = [each for each in values if not isinstance(each, Binary)]
    model = source.create_model(
        "UnreadThing", {"id": {"type": int, "id": True}, "x": {"type": kind}}
    )
    raw.unread_thing.insert_many([{"_id": id, "x": value} for id, value in enumerate(values)])
    client = make_app(model, testing=False).test_client()
    ids = range(len(values))
    with caplog.at_level(logging.WARNING):
        assert [each.x for each in model.find(order="id")] == [None for _ in ids]
    assert [model.find_by_id(id).x for id in ids] == [None for _ in ids]
    assert model.count() == len(ids)
    shown = [{"id": id, "x": None} for id in ids]
    assert client.get("/api/UnreadThings").json == shown
    assert [client.get(f"/api/UnreadThings/{id}").json for id in ids] == shown
    for id, (value, told) in enumerate(zip(values, caplog.messages, strict=True)):
        what = f"a {type(value).__name__}, is none that its type has; it is read as null"
        assert told == f"UnreadThing {id}: the value of 'x', {what}"


@pytest.mark.parametrize("kind", [str, int, float, bool, dict, ["string"], ["number"]])
def test_json_of_another_type_is_read_as_it_is(
    source: DataSource, raw: Any, make_app: Any, kind: Any
) -> None:
    model = source.create_model("OtherJson", {"id": {"type": int, "id": True}, "x": {"type": kind}})
    values = ["text", 3, 2.5, True, {"a": [1]}, [1, "a", None]]
    raw.other_json.insert_many([{"_id": id, "x": value} for id, value in enumerate(values)])
    client = make_app(model, testing=False).test_client()
    assert [each.x for each in model.find(order="id")] == values
    assert [each["x"] for each in client.get("/api/OtherJsons").json] == values


#: What JSON does not have, and the texts that stand for it.
TEXTS: list[tuple[Any, str]] = [
    (FAR, FAR_TEXT),
    (EARLY, EARLY_TEXT),
    (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T00:00:00.000Z"),
    (ObjectId("507f1f77bcf86cd799439011"), "507f1f77bcf86cd799439011"),
    (Decimal128("NaN"), "NaN"),
    (Decimal128("1.50"), "1.50"),
    (Timestamp(1, 2), "Timestamp(1, 2)"),
    (Regex("a+", "i"), "a+"),
    (Code("f()"), "f()"),
    (DBRef("things", 5), "DBRef('things', 5)"),
    (MinKey(), "MinKey()"),
    (MaxKey(), "MaxKey()"),
    (b"abc", "YWJj"),
    (Binary(b"abc", 128), "YWJj"),
    (Binary(b"abc", 4), "YWJj"),
    (Binary(FIRST.bytes, 4), str(FIRST)),
]


@pytest.mark.parametrize("kind", [str, ["string"], "any", dict, None])
def test_what_json_does_not_have_is_text_where_json_is_declared(
    source: DataSource, raw: Any, make_app: Any, kind: Any
) -> None:
    properties: dict[str, Any] = {"id": {"type": int, "id": True}, "x": {"type": kind}}
    if kind is None:
        del properties["x"]
    model = source.create_model("JsonText", properties, {"strict": kind is not None})
    is_list = isinstance(kind, list)
    raw.json_text.insert_many(
        [{"_id": id, "x": [each] if is_list else each} for id, (each, _) in enumerate(TEXTS)]
    )
    client = make_app(model, testing=False).test_client()
    shown = [[text] if is_list else text for _, text in TEXTS]
    assert [each.x for each in model.find(order="id")] == shown
    assert [model.find_by_id(id).x for id in range(len(TEXTS))] == shown
    assert [each["x"] for each in client.get("/api/JsonTexts").json] == shown


def test_texts_that_are_no_utf8_are_read_with_signs_in_their_place() -> None:
    stored = bson.encode({"name": "ab"}).replace(b"ab", b"a\xff")
    assert bson.decode(stored, CODEC_OPTIONS) == {"name": "a�"}


@pytest.mark.parametrize("kind", [int, float])
def test_numbers_that_are_none_are_null(
    source: DataSource, raw: Any, make_app: Any, kind: Any
) -> None:
    model = source.create_model("NoNumber", {"id": {"type": int, "id": True}, "x": {"type": kind}})
    values = [float("nan"), float("inf"), Decimal128("-Infinity"), Decimal128("1E+6000")]
    raw.no_number.insert_many([{"_id": id, "x": value} for id, value in enumerate(values)])
    assert {each.x for each in model.find()} == {None}
    client = make_app(model).test_client()
    assert {each["x"] for each in client.get("/api/NoNumbers").json} == {None}


def test_of_a_record_inside_another_what_can_be_read_is_read(
    source: DataSource, raw: Any, make_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    inner = source.create_model("HalfReadPart", {"at": "date", "n": int}, {"id_injection": False})
    model = source.create_model(
        "HalfRead",
        {
            "id": {"type": int, "id": True},
            "one": {"type": inner},
            "many": {"type": [inner]},
            "dates": {"type": ["date"]},
            "days": {"type": dict[str, date]},
            "none": {"type": inner},
        },
    )
    part = {"at": FAR, "n": 1}
    now = datetime(2024, 5, 1, tzinfo=UTC)
    raw.half_read.insert_one(
        {
            "_id": 7,
            "one": part,
            "many": [part, {"at": now, "n": 2}],
            "dates": [now, FAR],
            "days": {"first": now, "last": FAR},
            "none": 5,
        }
    )
    client = make_app(model, testing=False).test_client()
    with caplog.at_level(logging.WARNING):
        shown = client.get("/api/HalfReads/7").json
    assert shown["one"] == {"at": None, "n": 1}
    assert shown["many"] == [{"at": None, "n": 1}, {"at": "2024-05-01T00:00:00.000Z", "n": 2}]
    assert (shown["dates"], shown["days"], shown["none"]) == (None, None, None)
    found = model.find_by_id(7)
    assert (found.one.at, found.one.n, found.many[1].n) == (None, 1, 2)
    places = ["one.at", "many.0.at", "dates.1", "days.last", "none"]
    assert len(caplog.messages) == len(places)
    for place, told in zip(places, caplog.messages, strict=True):
        assert told.startswith(f"HalfRead 7: the value of {place!r}, a ")


def test_a_list_with_nulls_is_read(source: DataSource, raw: Any, make_app: Any) -> None:
    model = source.create_model(
        "NullInList", {"id": {"type": int, "id": True}, "dates": {"type": ["date"]}}
    )
    raw.null_in_list.insert_one({"_id": 1, "dates": [None, datetime(2024, 5, 1, tzinfo=UTC)]})
    (shown,) = make_app(model).test_client().get("/api/NullInLists").json
    assert shown["dates"] == [None, "2024-05-01T00:00:00.000Z"]
    assert model.find()[0].dates[0] is None


def test_open_models_are_read_without_what_nobody_can_read(
    source: DataSource, raw: Any, make_app: Any
) -> None:
    model = source.create_model(
        "OpenUnread", {"id": {"type": int, "id": True}, "at": "date"}, {"strict": False}
    )
    raw.open_unread.insert_many([{"_id": 1, "at": "soon", "more": FAR}, {"_id": 2, "more": 5}])
    shown = make_app(model, testing=False).test_client().get("/api/OpenUnreads").json
    assert shown == [
        {"id": 1, "at": None, "more": FAR_TEXT},
        {"id": 2, "at": None, "more": 5},
    ]
    assert [each.more for each in model.find(order="id")] == [FAR_TEXT, 5]


def test_an_id_that_nobody_can_read_is_null(source: DataSource, raw: Any) -> None:
    single = source.create_model("OddId", {"id": {"type": UUID, "id": True}, "n": int})
    parts = {"a": {"type": UUID, "id": 1}, "b": {"type": int, "id": 2}, "n": int}
    several = source.create_model("OddIds", parts)
    raw.odd_id.insert_one({"_id": "nobody", "n": 1})
    raw.odd_ids.insert_many([{"_id": {"a": "nobody", "b": 2}, "n": 1}, {"_id": 5, "n": 2}])
    assert [(each.id, each.n) for each in single.find()] == [(None, 1)]
    found = [(each.a, each.b, each.n) for each in several.find(order="n")]
    assert found == [(None, 2, 1), (None, None, 2)]


def test_what_python_looks_at_may_have_values_that_nobody_can_read(
    source: DataSource, raw: Any
) -> None:
    model = source.create_model(
        "UnreadSifted", {"id": {"type": int, "id": True}, "at": "date", "data": dict}
    )
    raw.unread_sifted.insert_many(
        [{"_id": 1, "at": FAR, "data": {"a": 1}}, {"_id": 2, "data": {"a": {"b": 1}}}]
    )
    assert [each.id for each in model.find(where={"data": {"a": 1}})] == [1]
    assert model.count({"data": {"a": 1}}) == 1
    assert [each.at for each in model.find(where={"data": {"a": 1}}, fields=["at"])] == [None]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_python_orders_values_of_several_types(
    source: DataSource, raw: Any, direction: str
) -> None:
    model = source.create_model(
        "OrderedOthers", {"id": {"type": int, "id": True}, "data": dict, "n": int, "s": str}
    )
    values = [5, "text", 2.5, {"a": 1}, [1], True, None]
    raw.ordered_others.insert_many(
        [{"_id": id, "n": value, "s": value} for id, value in enumerate(values)]
    )
    for name in ("n", "s"):
        found = model.find(order=["data.a", f"{name} {direction}"])
        *others, last = [each.id for each in found]
        assert last == values.index(None)
        numbers = [id for id in others if id in (0, 2)]
        assert sorted(others) == list(range(6))
        assert numbers == ([2, 0] if direction == "ASC" else [0, 2])


def test_what_is_no_number_is_no_conflict(lone: DataSource, raw: Any) -> None:
    model = lone.create_model(
        "NanInBlock", {"id": {"type": int, "id": True}, "n": float, "data": dict, "m": int}
    )
    raw.nan_in_block.insert_one({"_id": 1, "n": float("nan"), "data": {"x": [float("nan")]}})
    with lone.transaction():
        found = model.find_by_id(1)
        found.patch_attributes(n=4, data={"y": 1})
    assert raw.nan_in_block.find_one() == {"_id": 1, "n": 4, "data": {"y": 1}}


def test_a_key_that_nobody_can_read_leads_nowhere(
    source: DataSource, raw: Any, make_app: Any
) -> None:
    owner = source.create_model("UnreadOwner", {"id": {"type": UUID, "id": True}})
    pet = source.create_model(
        "UnreadPet",
        {"id": {"type": int, "id": True}},
        {"relations": {"owner": {"type": "belongsTo", "model": "UnreadOwner"}}},
    )
    owner.create(id=FIRST)
    raw.unread_pet.insert_many([{"_id": 1, "owner_id": "x"}, {"_id": 2, "owner_id": FIRST}])
    client = make_app(owner, pet, testing=False).test_client()
    shown = client.get("/api/UnreadPets?filter[include]=owner").json
    assert [each["ownerId"] for each in shown] == [None, str(FIRST)]
    assert "owner" not in shown[0] or shown[0]["owner"] is None
    assert shown[1]["owner"] == {"id": str(FIRST)}


#: What is no key, though it is read as it is where a number is declared.
NO_KEYS: list[Any] = [[1], {"x": 1}, [], {"$gt": 0}, "text"]


@pytest.mark.parametrize("odd", NO_KEYS, ids=str)
def test_a_value_that_is_no_key_leads_nowhere(
    source: DataSource, raw: Any, make_app: Any, odd: Any
) -> None:
    kids = {"type": "hasMany", "model": "OddKeyKid", "foreignKey": "parId"}
    poly = {"foreignKey": "polyId", "discriminator": "polyType"}
    parent = source.create_model(
        "OddKeyParent",
        {"id": {"type": int, "id": True}, "name": str},
        {
            "relations": {
                "kids": kids,
                "polys": {"type": "hasMany", "model": "OddKeyKid", "polymorphic": poly},
                "friends": {
                    **kids,
                    "model": "OddKeyParent",
                    "through": "OddKeyKid",
                    "keyThrough": "friendId",
                },
            }
        },
    )
    named = {"type": "belongsTo", "model": "OddKeyParent"}
    kid = source.create_model(
        "OddKeyKid",
        {
            "id": {"type": int, "id": True},
            "parId": int,
            "friendId": int,
            "tagIds": ["number"],
            "polyId": int,
            "polyType": str,
        },
        {
            "relations": {
                "par": {**named, "foreignKey": "parId"},
                "tags": {**named, "type": "referencesMany", "foreignKey": "tagIds"},
                "poly": {"type": "belongsTo", "polymorphic": poly},
            }
        },
    )
    raw.odd_key_parent.insert_many([{"_id": 1, "name": "p"}, {"_id": 2, "name": "q"}])
    raw.odd_key_kid.insert_many(
        [
            {"_id": 1, "parId": 1, "tagIds": [2, 1], "polyId": 1, "polyType": "OddKeyParent"},
            {"_id": 2, "parId": odd, "polyId": odd, "polyType": "OddKeyParent"},
            {"_id": 3, "tagIds": [1, odd], "parId": 2, "friendId": odd},
            {"_id": 4, "tagIds": odd if isinstance(odd, dict) else 5, "polyId": 1, "polyType": odd},
        ]
    )
    client = make_app(parent, kid, testing=False).test_client()

    def ask(path: str, **filter: Any) -> Any:
        answer = client.get(f"/api/{path}", query_string={"filter": json.dumps(filter)})
        assert answer.status_code == 200, path
        return answer.json

    one, two = {"id": 1, "name": "p"}, {"id": 2, "name": "q"}
    shown = ask("OddKeyKids", include=["par", "tags", "poly"])
    assert [each.get("par") for each in shown] == [one, None, two, None]
    assert [each["tags"] for each in shown] == [[two, one], [], [one], []]
    assert [each.get("poly") for each in shown] == [one, None, None, None]
    assert shown[1]["parId"] == odd
    ordered = [each["id"] for each in ask("OddKeyKids", order="par.name")]
    assert (ordered[:2], sorted(ordered)) == ([1, 3], [1, 2, 3, 4])
    assert ask("OddKeyKids", where={"par.name": "p"})[0]["id"] == 1
    parents = ask("OddKeyParents", include=["kids", "friends"])
    assert [[kid["id"] for kid in each["kids"]] for each in parents] == [[1], [3]]
    assert [each["friends"] for each in parents] == [[], []]
    assert ask("OddKeyParents", where={"kids.id": 1}) == [one]
    assert one not in ask("OddKeyParents", where={"friends.id": 2})
    assert ask("OddKeyParents/2/friends") == []
    assert ask("OddKeyKids/3/tags") == [one]
    assert ask("OddKeyKids/4/tags") == []
    for id in (2, 4):
        assert client.get(f"/api/OddKeyKids/{id}/par").status_code == 404
    assert [len(each.tags()) for each in kid.find(order="id")] == [2, 0, 1, 0]
    assert [each.par() for each in kid.find(where={"id": {"inq": [2, 4]}})] == [None, None]
    assert client.put("/api/OddKeyKids/4/tags/rel/2").status_code == 200
    assert raw.odd_key_kid.find_one({"_id": 4})["tagIds"] == [2]
    third = kid.find_by_id(3)
    with pytest.raises(ValidationError, match=r"tagIds.0"):
        third.tags.destroy_all()
    assert raw.odd_key_kid.find_one({"_id": 3})["tagIds"] == [1, odd]


def test_a_change_leaves_what_nobody_can_read(lone: DataSource, raw: Any) -> None:
    model = lone.create_model(
        "UnreadChanged", {"id": {"type": int, "id": True}, "at": "date", "n": int}
    )
    raw.unread_changed.insert_one({"_id": 1, "at": FAR, "n": 1})
    assert model.find_by_id(1).patch_attributes(n=2).n == 2
    assert model.update_all({"id": 1}, {"n": 3}) == 1
    with suppress(ZeroDivisionError), lone.transaction():
        model.destroy_all()
        raise ZeroDivisionError
    options: Any = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
    stored = raw.get_collection("unread_changed", codec_options=options).find_one()
    assert (stored["n"], int(stored["at"])) == (3, int(FAR))


@pytest.mark.parametrize(("id", "shown"), [("a\nb", r"'a\nb'"), (FIRST, f"'{FIRST}'")])
def test_the_record_is_named_as_clients_know_it(
    source: DataSource, raw: Any, caplog: pytest.LogCaptureFixture, id: Any, shown: str
) -> None:
    model = source.create_model("ToldOf", {"id": {"type": type(id), "id": True}, "at": "date"})
    raw.told_of.insert_one({"_id": id, "at": FAR})
    with caplog.at_level(logging.WARNING):
        assert model.find_by_id(id).at is None
        assert model.find(fields=["at"])[0].at is None
    first, second = caplog.messages
    assert first.startswith(f"ToldOf {shown}: the value of 'at', a DatetimeMS, ")
    assert second.startswith("ToldOf that was read without its id: the value of 'at', ")


def test_a_model_that_is_missing_is_no_value_that_nobody_can_read(
    source: DataSource, raw: Any
) -> None:
    part = create_model("HasPartGone", {"deep": "PartGone"})
    model = source.create_model("MissesPart", {"id": {"type": int, "id": True}, "part": part})
    raw.misses_part.insert_one({"_id": 1, "part": {"deep": {"n": 1}}})
    with pytest.raises(DefinitionError, match="PartGone"):
        model.find()


def test_what_nobody_can_read_is_told_once(
    source: DataSource, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = source.create_model("ToldOnce", {"id": {"type": int, "id": True}, "at": "date"})
    raw.told_once.insert_many([{"_id": id, "at": FAR} for id in range(150)])
    with caplog.at_level(logging.WARNING):
        model.find()
        model.find()
    assert len(caplog.messages) == 101
    assert caplog.messages[-1].startswith("ToldOnce: there are more such values")


# UUIDs in the forms of older programs


def legacy(value: UUID, representation: int = UuidRepresentation.PYTHON_LEGACY) -> Binary:
    return Binary.from_uuid(value, representation)


def test_old_uuids_are_read_and_found(source: DataSource, raw: Any, make_app: Any) -> None:
    model = source.create_model(
        "OldUuid",
        {
            "id": {"type": int, "id": True},
            "key": {"type": UUID},
            "keys": {"type": ["UUID"]},
            "part": {"type": {"key": "UUID"}},
            "map": {"type": dict[str, UUID]},
        },
    )
    raw.old_uuid.insert_many(
        [
            {"_id": 1, "key": legacy(FIRST), "keys": [legacy(FIRST), legacy(SECOND)]},
            {"_id": 2, "key": FIRST, "keys": [FIRST], "part": {"key": legacy(FIRST)}},
            {"_id": 3, "key": SECOND, "keys": [SECOND], "part": {"key": FIRST}},
        ]
    )
    assert [each.key for each in model.find(order="id")] == [FIRST, FIRST, SECOND]
    assert model.find_by_id(1).keys == [FIRST, SECOND]
    assert model.find_by_id(2).part["key"] == FIRST

    def ids(**where: Any) -> list[int]:
        assert model.count(where) == len(model.find(where=where))
        return [each.id for each in model.find(where=where, order="id")]

    assert ids(key=FIRST) == [1, 2]
    assert ids(key={"inq": [FIRST, SECOND]}) == [1, 2, 3]
    assert ids(key={"neq": FIRST}) == [3]
    assert ids(keys=FIRST) == [1, 2]
    assert ids(keys=[FIRST, SECOND]) == [1]
    assert ids(**{"part.key": FIRST}) == [2, 3]
    assert ids(**{"map.a": str(FIRST)}) == []  # it is no text
    wheres = [{"key": FIRST}, {"keys": FIRST}, {"keys": [FIRST]}, {"part.key": FIRST}]
    assert source.explain(model, {"where": {"or": wheres}})["python"]["where"] == []
    client = make_app(model).test_client()
    (first, *_) = client.get("/api/OldUuids", query_string={"filter[where][key]": str(FIRST)}).json
    assert first.pop("part") is first.pop("map") is None
    assert first == {"id": 1, "key": str(FIRST), "keys": [str(FIRST), str(SECOND)]}


@pytest.mark.parametrize("transactions", [True, False])
def test_records_with_old_uuids_as_ids_are_found_and_changed(
    connect: Connect, url: str, raw: Any, transactions: bool
) -> None:
    source = connect("mongodb", url=url, transactions=transactions)
    model = source.create_model("OldUuidId", {"id": {"type": UUID, "id": True}, "n": int})
    raw.old_uuid_id.insert_many([{"_id": legacy(FIRST), "n": 1}, {"_id": SECOND, "n": 2}])
    assert model.find_by_id(FIRST).patch_attributes(n=3).n == 3
    assert {each.n for each in model.find_by_ids([FIRST, SECOND])} == {2, 3}
    assert model.upsert(id=FIRST, n=4).n == 4
    with source.transaction():
        model.update_all({"id": FIRST}, {"n": 5})
    assert raw.old_uuid_id.find_one({"_id": legacy(FIRST)}) == {"_id": legacy(FIRST), "n": 5}
    assert model.destroy_by_id(FIRST) == 1
    assert [each.id for each in model.find()] == [SECOND]


LEGACY = {
    "pythonLegacy": UuidRepresentation.PYTHON_LEGACY,
    "javaLegacy": UuidRepresentation.JAVA_LEGACY,
    "csharpLegacy": UuidRepresentation.CSHARP_LEGACY,
}


@pytest.mark.parametrize("name", LEGACY)
def test_uuids_are_those_of_the_program_that_is_named(
    connect: Connect, url: str, raw: Any, name: str
) -> None:
    source = connect("mongodb", url=url, uuid_representation=name)
    model = source.create_model(
        "NamedUuid", {"id": {"type": UUID, "id": True}, "n": int, "keys": {"type": ["UUID"]}}
    )
    raw.named_uuid.insert_one({"_id": legacy(FIRST, LEGACY[name]), "n": 1})
    model.create(id=SECOND, n=2, keys=[FIRST])
    stored = raw.named_uuid.find_one({"n": 2})
    assert stored["_id"] == legacy(SECOND, LEGACY[name])
    assert stored["keys"] == [legacy(FIRST, LEGACY[name])]
    standard = UUID(int=9)
    raw.named_uuid.insert_one({"_id": standard, "n": 3})
    assert [each.id for each in model.find(order="n")] == [FIRST, SECOND, standard]
    assert [model.find_by_id(id).n for id in (FIRST, SECOND, standard)] == [1, 2, 3]
    assert [each.n for each in model.find(where={"keys": FIRST})] == [2]
    older = {"n": {"lt": 3}}
    assert [each.id for each in model.find(where=older, order="id")] == [SECOND, FIRST]
    assert [each.n for each in model.find(where={**older, "id": {"gt": UUID(int=8)}})] == [1]
    connector: Any = source.connector
    document = connector.document(model.definition)
    assert document.objects.get(pk=SECOND).n == 2


def test_the_representation_of_uuids_may_be_in_the_url(
    connect: Connect, url: str, raw: Any
) -> None:
    joined = f"{url}{'&' if '?' in url else '?'}uuidRepresentation=javaLegacy"
    for settings in ({"url": joined}, {"url": joined, "uuid_representation": "standard"}):
        source = connect("mongodb", **settings)
        source.create_model("UuidOfUrl", {"id": {"type": UUID, "id": True}}).create(id=FIRST)
    stored = [each["_id"] for each in raw.uuid_of_url.find()]
    assert stored == [legacy(FIRST, UuidRepresentation.JAVA_LEGACY), FIRST]


@pytest.mark.parametrize("given", ["standrad", "unspecified", 5])
def test_a_representation_that_is_none_is_refused(connect: Connect, url: str, given: Any) -> None:
    with pytest.raises(DefinitionError, match="uuid_representation is one of 'standard', "):
        connect("mongodb", url=url, uuid_representation=given)


def test_old_uuids_of_an_app_are_found_by_its_connection(url: str) -> None:
    alias = "old_uuids"
    connection = me.connect(host=url, alias=alias, uuidRepresentation="javaLegacy")
    try:

        class OldTicket(me.Document):  # type: ignore[misc]
            key = me.UUIDField(primary_key=True)
            n = me.IntField()
            meta = {"db_alias": alias}

        OldTicket(key=FIRST, n=1).save()
        model: Any = Model.from_mongoengine(OldTicket)
        raw = connection.get_default_database().old_ticket
        raw.insert_one({"_id": Binary(SECOND.bytes, 4), "n": 2})
        assert model.find_by_id(FIRST).n == 1
        assert [each.key for each in model.find(order="n")] == [FIRST, SECOND]
        assert model.create(key=UUID(int=9), n=3).key == UUID(int=9)
        assert OldTicket.objects.get(key=UUID(int=9)).n == 3
    finally:
        me.disconnect(alias)


def test_fields_of_an_app_that_hold_something_else_are_null(url: str) -> None:
    alias = "odd_fields"
    connection = me.connect(host=url, alias=alias, uuidRepresentation="standard")
    try:

        class OddTicket(me.Document):  # type: ignore[misc]
            number = me.IntField(primary_key=True)
            price = me.DecimalField()
            text_price = me.DecimalField(force_string=True)
            at = me.DateTimeField()
            exactly_at = me.ComplexDateTimeField()
            key = me.UUIDField(binary=False)
            keys = me.ListField(me.ObjectIdField())
            prices = me.MapField(me.DecimalField())
            meta = {"db_alias": alias}

        names = [each for each in OddTicket._fields if each != "number"]
        odd = [FAR, Timestamp(1, 2), float("nan"), "soon", MinKey()]
        connection.get_default_database().odd_ticket.insert_many(
            [{"_id": id, **dict.fromkeys(names, each)} for id, each in enumerate(odd)]
        )
        model: Any = Model.from_mongoengine(OddTicket)
        assert model.count() == len(odd)
        for found in model.find():
            assert {name: getattr(found, name) for name in names} == dict.fromkeys(names)
    finally:
        me.disconnect(alias)


def test_a_field_says_what_it_cannot_read_and_its_mistakes_stay_errors(
    source: DataSource, raw: Any
) -> None:
    model = source.create_model("UnreadPlate", {"id": {"type": int, "id": True}, "plate": Plate()})
    raw.unread_plate.insert_many([{"_id": 1, "plate": "P 1"}, {"_id": 2, "plate": "Q 1"}])
    assert [each.plate for each in model.find(order="id")] == ["P 1", None]
    raw.unread_plate.insert_one({"_id": 3, "plate": "broken"})
    with pytest.raises(KeyError, match="broken"):
        model.find()
