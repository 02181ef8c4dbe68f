"""ObjectIds and Decimal128 in lists, in objects and in embedded records, which texts stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from flask import Flask

from flask_loop import DataSource, Loop
from flask_loop.errors import DefinitionError, ValidationError

Connect = Callable[..., DataSource]

OBJECT_ID = {"dataType": "ObjectID"}
DECIMAL = {"dataType": "Decimal128"}
TEXT_ID = {"type": str, "id": True, "generated": True}
FIRST, SECOND, THIRD = (f"{number:024x}" for number in (0xA1, 0xB2, 0xC3))


def ids_of(model: Any, where: Any, **filter: Any) -> list[int]:
    return [each.id for each in model.find(where=where, **filter)]


def left_for_python(model: Any, where: Any) -> list[str]:
    explained = model.data_source.explain(model, {"where": where})
    left: list[str] = explained["python"]["where"]
    return left


# Lists


@pytest.fixture
def teams(source: DataSource) -> Any:
    model = source.create_model(
        "OidTeam",
        {
            "id": {"type": int, "id": True},
            "members": {"type": ["string"], "mongodb": OBJECT_ID, "index": True},
        },
    )
    source.auto_update([model])
    model.create(
        [
            {"id": 1, "members": [FIRST, SECOND]},
            {"id": 2, "members": [SECOND, "guest"]},
            {"id": 3, "members": []},
            {"id": 4},
        ]
    )
    return model


def test_texts_of_a_list_are_stored_as_object_ids(teams: Any, raw: Any) -> None:
    first, second = ObjectId(FIRST), ObjectId(SECOND)
    stored = [each.get("members") for each in raw.oid_team.find(sort=[("_id", 1)])]
    assert stored == [[first, second], [second, "guest"], [], None]
    found = [each.members for each in teams.find(order="id")]
    assert found == [[FIRST, SECOND], [SECOND, "guest"], [], None]


def test_every_way_to_write_a_list_stores_object_ids(teams: Any, raw: Any) -> None:
    expected = [ObjectId(THIRD)]
    teams.find_by_id(1).patch_attributes(members=[THIRD])
    teams.update_all({"id": 2}, {"members": [THIRD]})
    teams.replace_by_id(3, {"members": [THIRD]})
    teams.upsert({"id": 4, "members": [THIRD]})
    teams.upsert({"id": 5, "members": [THIRD]})
    teams.find_or_create({"where": {"id": 6}}, {"id": 6, "members": [THIRD]})
    assert [each["members"] for each in raw.oid_team.find()] == [expected] * 6
    made, is_new = teams.find_or_create({"where": {"members": THIRD, "id": 6}}, {"id": 7})
    assert (made.id, made.members, is_new) == (6, [THIRD], False)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"members": FIRST}, [1]),
        ({"members": SECOND}, [1, 2]),
        ({"members": "guest"}, [2]),
        ({"members": FIRST.upper()}, []),
        ({"members": {"neq": FIRST}}, [2, 3, 4]),
        ({"members": {"inq": [FIRST, "guest"]}}, [1, 2]),
        ({"members": {"nin": [FIRST, "guest"]}}, [3, 4]),
        ({"members": [FIRST, SECOND]}, [1]),
        ({"members": [SECOND, FIRST]}, []),
        ({"members": [FIRST]}, []),
        ({"members": [SECOND, "guest"]}, [2]),
        ({"members": []}, [3]),
        ({"members": {"neq": [FIRST, SECOND]}}, [2, 3, 4]),
        ({"members": None}, [4]),
        ({"members": {"neq": None}}, [1, 2, 3]),
        ({"and": [{"members": FIRST}, {"members": SECOND}]}, [1]),
        ({"or": [{"members": FIRST}, {"members": "guest"}]}, [1, 2]),
    ],
    ids=str,
)
def test_conditions_on_lists_of_object_ids_are_the_servers(
    teams: Any, where: Any, expected: list[int]
) -> None:
    assert ids_of(teams, where, order="id") == expected
    assert teams.count(where) == len(expected)
    assert left_for_python(teams, where) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"members.0": SECOND}, [2]),
        ({"members.1": {"neq": "guest"}}, [1, 3, 4]),
        ({"members": {"like": "%a1"}}, [1]),
        ({"members": {"nlike": "%b2"}}, [3, 4]),
        ({"members": {"gt": "f"}}, [2]),
        ({"members": {"lt": SECOND}}, [1]),
        ({"members": {"between": [SECOND, "g"]}}, [1, 2]),
    ],
    ids=str,
)
def test_what_object_ids_are_not_compared_by_is_compared_as_text(
    teams: Any, where: Any, expected: list[int]
) -> None:
    assert ids_of(teams, where, order="id") == expected


def test_an_index_over_a_list_finds_its_object_ids(teams: Any, source: DataSource) -> None:
    assert source.is_actual()
    assert source.explain(teams, {"where": {"members": FIRST}})["backend"] == {
        "members": {"$in": [ObjectId(FIRST), FIRST]}
    }


def test_texts_that_others_stored_in_a_list_are_found_as_well(teams: Any, raw: Any) -> None:
    raw.oid_team.insert_one({"_id": 5, "members": [FIRST, ObjectId(SECOND), None]})
    assert teams.find_by_id(5).members == [FIRST, SECOND, None]
    assert ids_of(teams, {"members": FIRST}, order="id") == [1, 5]
    raw.oid_team.update_one({"_id": 5}, {"$set": {"members": [FIRST, SECOND]}})
    assert ids_of(teams, {"members": [FIRST, SECOND]}, order="id") == [1, 5]


def test_the_class_of_mongoengine_has_object_ids_and_decimals(source: DataSource) -> None:
    things = source.create_model(
        "OidClassDocument",
        {
            "keys": {"type": ["string"], "mongodb": OBJECT_ID},
            "sum": {"type": str, "mongodb": DECIMAL},
        },
    )
    things.create(keys=[FIRST], sum="1.50")
    document = source.connector.document(things.definition)  # type: ignore[attr-defined]
    found = document.objects(keys=FIRST).get()
    assert (list(found["keys"]), found["sum"]) == ([ObjectId(FIRST)], Decimal128("1.50"))
    found["keys"] = [SECOND]
    found.save()
    assert [each.sum for each in things.find(where={"keys": SECOND})] == ["1.50"]


def test_a_unique_list_of_object_ids_is_unique(source: DataSource) -> None:
    things = source.create_model(
        "OidSoleList", {"keys": {"type": ["string"], "unique": True, "mongodb": OBJECT_ID}}
    )
    source.auto_update([things])
    things.create(keys=[FIRST, SECOND])
    things.create(keys=[SECOND, FIRST])
    with pytest.raises(ValidationError):
        things.create(keys=[FIRST, SECOND])


def test_open_models_have_lists_of_object_ids(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "OidOpenList", {"keys": {"type": ["string"], "mongodb": OBJECT_ID}}, strict=False
    )
    made = things.create({"keys": [FIRST], "more": [SECOND]})
    stored = raw.oid_open_list.find_one()
    assert (stored["keys"], stored["more"]) == ([ObjectId(FIRST)], [SECOND])
    assert things.find_by_id(made.id).to_record()["keys"] == [FIRST]


def test_objects_and_lists_of_lists_hold_object_ids(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "OidDeepList",
        {
            "id": {"type": int, "id": True},
            "rows": {"type": [["string"]], "mongodb": OBJECT_ID},
            "named": {"type": dict[str, str], "mongodb": OBJECT_ID},
        },
    )
    things.create(id=1, rows=[[FIRST], ["x", SECOND]], named={"a.b": FIRST, "c": "text"})
    stored = raw.oid_deep_list.find_one()
    assert stored["rows"] == [[ObjectId(FIRST)], ["x", ObjectId(SECOND)]]
    assert stored["named"] == {"a%2Eb": ObjectId(FIRST), "c": "text"}
    found = things.find_by_id(1)
    assert (found.rows, found.named) == (
        [[FIRST], ["x", SECOND]],
        {"a.b": FIRST, "c": "text"},
    )
    raw.oid_deep_list.update_one({}, {"$set": {"named.main": ObjectId(THIRD)}})
    assert ids_of(things, {"named.main": THIRD}) == [1]
    assert left_for_python(things, {"named.main": THIRD}) == []
    assert ids_of(things, {"named.main": {"nin": [FIRST, 5]}}) == [1]
    assert ids_of(things, {"named.main": {"like": "%c3"}}) == [1]
    assert ids_of(things, {"named.c": {"neq": "text"}}) == []
    assert ids_of(things, {"named.none": None}) == [1]
    assert ids_of(things, {"named": {"a.b": FIRST, "c": "text", "main": THIRD}}) == [1]
    assert ids_of(things, {"rows": [[FIRST], ["x", SECOND]]}) == [1]
    assert ids_of(things, {"rows": [[FIRST], [SECOND, "x"]]}) == []
    assert ids_of(things, {"rows": {"inq": [["x", SECOND]]}}) == [1]
    assert ids_of(things, {"rows.1.1": SECOND}) == [1]
    assert ids_of(things, {"rows.1.1": FIRST}) == []


def test_objects_hold_lists_of_object_ids(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "OidListsByName",
        {
            "id": {"type": int, "id": True},
            "named": {"type": dict[str, list[str]], "mongodb": OBJECT_ID},
        },
    )
    things.create([{"id": 1, "named": {"a": [FIRST, "x"]}}, {"id": 2, "named": {"a": [SECOND]}}])
    assert raw.oid_lists_by_name.find_one()["named"] == {"a": [ObjectId(FIRST), "x"]}
    assert things.find_by_id(1).named == {"a": [FIRST, "x"]}
    for where, expected in (
        ({"named.a": FIRST}, [1]),
        ({"named.a": {"neq": FIRST}}, [2]),
        ({"named.a": [SECOND]}, [2]),
        ({"named.a.0": {"inq": [FIRST, SECOND]}}, [1, 2]),
        ({"named.b": None}, [1, 2]),
    ):
        assert ids_of(things, where, order="id") == expected


# Embedded records


@pytest.fixture
def orders(source: DataSource) -> Any:
    line = {
        "product": {"type": str, "mongodb": {**OBJECT_ID, "field": "p"}},
        "parts": {"type": ["string"], "mongodb": OBJECT_ID},
        "note": str,
    }
    model = source.create_model(
        "OidOrder", {"id": {"type": int, "id": True}, "main": line, "lines": [line]}
    )
    model.create(
        [
            {
                "id": 1,
                "main": {"product": FIRST, "parts": [SECOND, "x"], "note": FIRST},
                "lines": [{"product": SECOND}, {"product": "none", "parts": [THIRD]}],
            },
            {"id": 2, "main": {"product": "none"}, "lines": [{"product": FIRST}]},
            {"id": 3, "main": {}, "lines": []},
            {"id": 4},
        ]
    )
    return model


def test_embedded_texts_are_stored_as_object_ids(orders: Any, raw: Any) -> None:
    stored = raw.oid_order.find_one({"_id": 1})
    assert stored["main"] == {
        "p": ObjectId(FIRST),
        "parts": [ObjectId(SECOND), "x"],
        "note": FIRST,
    }
    assert stored["lines"] == [{"p": ObjectId(SECOND)}, {"p": "none", "parts": [ObjectId(THIRD)]}]
    found = orders.find_by_id(1)
    assert (found.main["product"], found.main["parts"]) == (FIRST, [SECOND, "x"])
    assert [each["product"] for each in found.lines] == [SECOND, "none"]
    assert found.lines[1]["parts"] == [THIRD]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"main.product": FIRST}, [1]),
        ({"main.product": "none"}, [2]),
        ({"main.product": {"neq": FIRST}}, [2, 3, 4]),
        ({"main.product": {"inq": [FIRST, "none"]}}, [1, 2]),
        ({"main.product": {"nin": [FIRST]}}, [2, 3, 4]),
        ({"main.product": None}, [3, 4]),
    ],
    ids=str,
)
def test_conditions_on_embedded_object_ids_are_the_servers(
    orders: Any, where: Any, expected: list[int]
) -> None:
    assert ids_of(orders, where, order="id") == expected
    assert left_for_python(orders, where) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"main.parts": SECOND}, [1]),
        ({"main.parts": {"nin": [SECOND]}}, [2, 3, 4]),
        ({"main.parts.0": SECOND}, [1]),
        ({"lines.0.product": SECOND}, [1]),
        ({"lines.0.product": {"inq": [FIRST, SECOND]}}, [1, 2]),
        ({"lines.1.parts": THIRD}, [1]),
        ({"main.product": {"like": "%a1"}}, [1]),
        ({"main.product": {"gt": "g"}}, [2]),
        ({"main": {"product": "none"}}, [2]),
        ({"lines": [{"product": FIRST}]}, [2]),
    ],
    ids=str,
)
def test_what_is_asked_of_embedded_object_ids_is_answered(
    orders: Any, where: Any, expected: list[int]
) -> None:
    assert ids_of(orders, where, order="id") == expected


def test_records_are_ordered_by_embedded_object_ids(orders: Any) -> None:
    assert ids_of(orders, {}, order="main.product") == [1, 2, 3, 4]
    assert ids_of(orders, {}, order="main.product DESC") == [2, 1, 3, 4]


def test_wheres_through_embedding_relations_find_object_ids(source: DataSource, raw: Any) -> None:
    source.create_model(
        "OidEmbeddedLine",
        {
            "id": {"type": int, "id": True},
            "product": {"type": str, "mongodb": OBJECT_ID},
            "parts": {"type": ["string"], "mongodb": OBJECT_ID},
        },
    )
    carts = source.create_model(
        "OidCart",
        {"id": {"type": int, "id": True}},
        relations={"lines": {"type": "embedsMany", "model": "OidEmbeddedLine"}},
    )
    cart = carts.create(id=1)
    cart.lines.create(id=1, product=FIRST, parts=[SECOND])
    carts.create(id=2)
    (stored,) = raw.oid_cart.find_one({"_id": 1})["_lines"]
    assert (stored["product"], stored["parts"]) == (ObjectId(FIRST), [ObjectId(SECOND)])
    for where, expected in (
        ({"lines.product": FIRST}, [1]),
        ({"lines.parts": SECOND}, [1]),
        ({"lines.product": SECOND}, []),
    ):
        assert ids_of(carts, where) == expected
        assert left_for_python(carts, where) == []
    (line,) = carts.find_by_id(1).lines()
    assert (line.product, line.parts) == (FIRST, [SECOND])


# Relations


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "made"])
def test_keys_of_references_are_object_ids(source: DataSource, raw: Any, is_declared: bool) -> None:
    end = "Declared" if is_declared else "Made"
    songs = source.create_model(f"OidSong{end}", {"id": TEXT_ID, "title": str})
    keys = {"song_ids": {"type": ["string"], "mongodb": OBJECT_ID}} if is_declared else {}
    albums = source.create_model(
        f"OidAlbum{end}",
        {"name": str, **keys},
        relations={"songs": {"type": "referencesMany", "model": f"OidSong{end}"}},
    )
    first, second = songs.create([{"title": "a"}, {"title": "b"}])
    albums.create(name="x", song_ids=[second.id, first.id])
    stored = raw[f"oid_album_{end.lower()}"]

    def stored_keys() -> list[Any]:
        found: list[Any] = stored.find_one()["song_ids"]
        return found

    assert stored_keys() == [ObjectId(second.id), ObjectId(first.id)]
    (album,) = albums.find(include="songs")
    assert [each.title for each in album.songs] == ["b", "a"]
    assert [each.name for each in albums.find(where={"songs.title": "a"})] == ["x"]
    assert albums.find(where={"songs.title": "c"}) == []
    made = album.songs.create(title="c")
    album.songs.remove(first)
    assert stored_keys() == [ObjectId(second.id), ObjectId(made.id)]
    album.songs.add(first)
    assert stored_keys()[-1] == ObjectId(first.id)
    assert [each.title for each in albums.find_one().songs()] == ["b", "c", "a"]
    # Keys that somebody else has stored as texts lead there as well.
    stored.update_one({}, {"$set": {"song_ids": [first.id]}})
    assert [each.title for each in albums.find_one(include="songs").songs] == ["a"]


def test_clients_see_the_object_ids_of_lists_as_texts(connect: Connect, url: str, raw: Any) -> None:
    db = connect("mongodb", url=url)
    songs = db.create_model("OidWireSong", {"id": TEXT_ID, "title": str})
    albums = db.create_model(
        "OidWireAlbum",
        {
            "id": {"type": int, "id": True},
            "songIds": {"type": ["string"], "mongodb": OBJECT_ID},
            "cover": {"by": {"type": str, "mongodb": OBJECT_ID}},
        },
        relations={
            "songs": {"type": "referencesMany", "model": "OidWireSong", "foreignKey": "songIds"}
        },
        force_id=False,
    )
    app = Flask(__name__)
    loop = Loop(app)
    loop.model(songs)
    loop.model(albums)
    client = app.test_client()
    song = client.post("/OidWireSongs", json={"title": "a"}).get_json()["id"]
    sent = {"id": 1, "songIds": [song], "cover": {"by": song}}
    assert client.post("/OidWireAlbums", json=sent).json == sent
    stored = raw.oid_wire_album.find_one()
    assert (stored["songIds"], stored["cover"]) == ([ObjectId(song)], {"by": ObjectId(song)})
    for where in ({"songIds": song}, {"songIds": {"inq": [song]}}, {"cover.by": song}):
        filter = {"filter": json.dumps({"where": where})}
        assert client.get("/OidWireAlbums", query_string=filter).json == [sent]
    (included,) = client.get('/OidWireAlbums?filter={"include":"songs"}').get_json()
    assert included == {**sent, "songs": [{"id": song, "title": "a"}]}


# Decimal128


@pytest.fixture
def bills(source: DataSource) -> Any:
    model = source.create_model(
        "DecimalBill",
        {
            "id": {"type": int, "id": True},
            "sum": {"type": str, "mongodb": DECIMAL},
            "parts": {"type": ["string"], "mongodb": DECIMAL},
            "tax": {"rate": {"type": str, "mongodb": DECIMAL}},
        },
    )
    model.create(
        [
            {"id": 1, "sum": "1.50", "parts": ["0.0000001", "-2"], "tax": {"rate": "0.19"}},
            {"id": 2, "sum": "1.5", "parts": ["1e3", "free"], "tax": {"rate": "none"}},
            {"id": 3, "sum": "10", "parts": ["0.1" + 40 * "0", "-2.0"]},
            {"id": 4},
        ]
    )
    return model


def test_texts_of_decimals_are_stored_as_decimal128(bills: Any, raw: Any) -> None:
    first, second, third, _ = raw.decimal_bill.find(sort=[("_id", 1)])
    assert (first["sum"], second["sum"]) == (Decimal128("1.50"), Decimal128("1.5"))
    assert first["parts"] == [Decimal128("0.0000001"), Decimal128("-2")]
    assert first["tax"] == {"rate": Decimal128("0.19")}
    assert (second["parts"], second["tax"]) == (["1e3", "free"], {"rate": "none"})
    assert third["parts"] == ["0.1" + 40 * "0", Decimal128("-2.0")]
    found = bills.find(order="id")
    assert [each.sum for each in found] == ["1.50", "1.5", "10", None]
    assert [each.parts for each in found] == [
        ["0.0000001", "-2"],
        ["1e3", "free"],
        ["0.1" + 40 * "0", "-2.0"],
        None,
    ]
    assert found[0].tax["rate"] == "0.19"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"sum": "1.5"}, [2]),
        ({"sum": {"neq": "1.5"}}, [1, 3, 4]),
        ({"sum": {"inq": ["1.50", "10.0"]}}, [1]),
        ({"sum": {"gt": "1.5"}}, [1, 3]),
        ({"sum": {"like": "1.%"}}, [1, 2]),
        ({"parts": "-2"}, [1]),
        ({"parts": "free"}, [2]),
        ({"parts": {"nin": ["-2", "free"]}}, [3, 4]),
        ({"parts": ["0.0000001", "-2"]}, [1]),
        ({"parts": ["0.0000001", "-2.0"]}, []),
        ({"tax.rate": "0.19"}, [1]),
        ({"tax.rate": {"neq": "0.19"}}, [2, 3, 4]),
    ],
    ids=str,
)
def test_texts_of_decimals_are_compared_as_texts(
    bills: Any, where: Any, expected: list[int]
) -> None:
    assert ids_of(bills, where, order="id") == expected


def test_texts_of_decimals_are_ordered_as_texts(bills: Any) -> None:
    assert ids_of(bills, {}, order="sum") == [2, 1, 3, 4]


def test_decimals_of_others_are_read_as_plain_texts(bills: Any, raw: Any) -> None:
    raw.decimal_bill.insert_one({"_id": 5, "sum": Decimal128("1E+3"), "parts": [2.5]})
    found = bills.find_by_id(5)
    assert (found.sum, found.parts) == ("1000", ["2.5"])
    assert ids_of(bills, {"sum": "1000"}) == [5]


# Where no text is


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (int, "ObjectID"),
        ([int], "objectid"),
        ("any", "ObjectID"),
        (list, "ObjectID"),
        (dict, "ObjectID"),
        ("decimal", "ObjectID"),
        ({"inner": str}, "ObjectID"),
        ([{"inner": str}], "ObjectID"),
        (float, "Decimal128"),
        (dict, "Decimal128"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside"])
def test_a_data_type_on_what_holds_no_text_is_refused(
    source: DataSource, kind: Any, given: str, is_inside: bool
) -> None:
    key = {"key": {"type": kind, "mongodb": {"dataType": given}}}
    things = source.create_model("NoTextDocument", {"boxes": [key]} if is_inside else key)
    place = "NoTextDocument.boxes.key" if is_inside else "NoTextDocument.key"
    with pytest.raises(DefinitionError, match=rf"^{place}: options.mongodb.dataType {given!r} is "):
        source.auto_update([things])


@pytest.mark.parametrize("kind", ["decimal", ["decimal"], dict[str, str]], ids=str)
def test_decimals_are_decimal128_with_and_without_saying_so(source: DataSource, kind: Any) -> None:
    things = source.create_model("SaidDecimal", {"n": {"type": kind, "mongodb": DECIMAL}})
    source.auto_update([things])


def test_an_id_is_no_decimal_of_texts(source: DataSource) -> None:
    things = source.create_model(
        "DecimalTextId", {"id": {"type": str, "id": True, "mongodb": DECIMAL}}
    )
    with pytest.raises(DefinitionError, match=r"^DecimalTextId\.id: options\.mongodb\.dataType"):
        source.auto_update([things])
