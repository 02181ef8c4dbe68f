from __future__ import annotations

import enum
import json
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Thread
from typing import Any

import mongoengine as me
import pytest
from bson import DBRef, Decimal128, ObjectId
from bson.binary import OLD_UUID_SUBTYPE, UuidRepresentation
from bson.codec_options import CodecOptions
from flask.testing import FlaskClient

from flask_loop import DefinitionError, GeoPoint, Model, ValidationError
from flask_loop.errors import TooMuchToRead, Unavailable
from tests.documents import connected_to, expose
from tests.proxy import Proxy
from tests.servers import Mongodb

ALIAS = "harbour-office"


def naive(text: str) -> datetime:
    """An instant as MongoEngine has them: in UTC, and without saying so."""
    return datetime.fromisoformat(text)


# The classes of an app, as it has them for its own use.


class Rig(enum.Enum):
    SLOOP = "sloop"
    BRIG = "brig"


class Shape(enum.Enum):
    ROUND = (0, 0)


def upper_case(value: str) -> None:
    if not value.isupper():
        raise me.ValidationError("is not in upper case")


class Pier(me.EmbeddedDocument):
    quay = me.StringField(db_field="q", required=True, max_length=10)
    depth = me.DecimalField(precision=1, min_value=0)
    since = me.DateTimeField()
    inspector = me.ReferenceField("Skipper")
    code = me.StringField(validation=upper_case)


class Mooring(me.EmbeddedDocument):
    meta = {"allow_inheritance": True}
    rope = me.IntField()


class Skipper(me.Document):
    meta = {"db_alias": ALIAS, "collection": "masters"}

    name = me.StringField(required=True, unique=True, max_length=40, help_text="As in the book.")
    email = me.EmailField(db_field="mail")
    licence = me.StringField(regex=r"[A-Z]{2}\d+")
    rank = me.StringField(choices=(("m", "Master"), ("c", "Mate")), default="c")


class Flag(me.Document):
    meta = {"db_alias": ALIAS}

    code = me.StringField(primary_key=True, max_length=2)
    country = me.StringField()


class Vessel(me.Document):
    meta = {
        "db_alias": ALIAS,
        "ordering": ["-tonnage"],
        "indexes": ["tonnage", {"fields": ["home", "number"], "unique": True}],
    }

    name = me.StringField(required=True)
    captain = me.ReferenceField(Skipper, reverse_delete_rule=me.CASCADE)
    mate = me.LazyReferenceField(Skipper, reverse_delete_rule=me.NULLIFY)
    flags = me.ListField(me.ReferenceField(Flag))
    home = me.StringField(db_field="h")
    number = me.IntField(min_value=1, max_value=2**40)
    tonnage = me.FloatField()
    serial = me.SequenceField(db_alias=ALIAS)
    berth = me.EmbeddedDocumentField(Pier)
    berths = me.EmbeddedDocumentListField(Pier)
    count = me.IntField()
    log = me.DictField()


class Cargo(me.Document):
    """One field of each kind."""

    meta = {"db_alias": ALIAS}

    id = me.UUIDField(primary_key=True, default=uuid.uuid4)
    text = me.StringField(min_length=2)
    long = me.LongField()
    ratio = me.FloatField(min_value=0.5)
    price = me.DecimalField(precision=2)
    fee = me.DecimalField(precision=2, force_string=True)
    weight = me.Decimal128Field()
    sealed = me.BooleanField()
    at = me.DateTimeField()
    exactly = me.ComplexDateTimeField()
    day = me.DateField()
    token = me.UUIDField(binary=False)
    origin = me.ObjectIdField()
    seal = me.BinaryField(max_bytes=4)
    link = me.URLField()
    rig = me.EnumField(Rig)
    point = me.PointField()
    spot = me.GeoPointField()
    route = me.LineStringField()
    numbers = me.ListField(me.IntField(max_value=9))
    prices = me.ListField(me.DecimalField(precision=2))
    origins = me.ListField(me.ObjectIdField())
    days = me.ListField(me.DateTimeField())
    sorted = me.SortedListField(me.IntField(), reverse=True)
    anything = me.ListField()
    papers = me.DictField()
    stock = me.MapField(me.IntField())
    extra = me.DynamicField()


class Steamer(me.Document):
    meta = {"db_alias": ALIAS, "allow_inheritance": True, "collection": "steamers"}

    name = me.StringField()
    mooring = me.EmbeddedDocumentField(Mooring)


class Tug(Steamer):
    pull = me.IntField()


class Logbook(me.DynamicDocument):
    meta = {"db_alias": ALIAS}

    title = me.StringField()


class Diary(me.DynamicDocument):
    meta = {"db_alias": ALIAS}

    title = me.StringField()
    secret = me.StringField(db_field="sec")


class Anchor(Mooring):
    weight = me.IntField()


class Chest(me.Document):
    """What JSON, or the class of a field, does not say all of."""

    meta = {"db_alias": ALIAS}

    name = me.StringField()
    mooring = me.EmbeddedDocumentField(Mooring)
    moorings = me.EmbeddedDocumentListField(Mooring)
    piers = me.MapField(me.EmbeddedDocumentField(Pier))
    masters = me.MapField(me.ReferenceField(Skipper))
    prices = me.MapField(me.DecimalField(precision=2))
    days = me.MapField(me.DateTimeField())
    logs = me.ListField(me.MapField(me.IntField()))
    things = me.DictField()
    thing = me.DynamicField()
    exact = me.Decimal128Field()


class Salvage(me.Document):
    meta = {"db_alias": ALIAS}

    anyone = me.GenericReferenceField()
    guarded = me.ReferenceField(Skipper, reverse_delete_rule=me.DENY, dbref=True)


@pytest.fixture
def url(mongodb: Mongodb) -> str:
    return mongodb.fresh("documents")


@pytest.fixture(autouse=True)
def connected(url: str) -> Iterator[None]:
    with connected_to(url, ALIAS):
        yield


@pytest.fixture(scope="module", autouse=True)
def salvages() -> type[Model]:
    """The model of documents that keep others from being deleted."""
    return Model.from_mongoengine(Salvage, exclude=["anyone"])


@pytest.fixture(scope="module")
def client(salvages: type[Model]) -> FlaskClient:
    classes = (Vessel, Skipper, Flag, Cargo, Steamer, Tug, Logbook)
    return expose(*(Model.from_mongoengine(each) for each in classes))


def post(client: FlaskClient, path: str, **body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json


def ask(client: FlaskClient, path: str, **filter: Any) -> Any:
    response = client.get(path, query_string={"filter": json.dumps(filter)})
    assert response.status_code == 200, response.text
    return response.json


def codes(response: Any) -> Any:
    assert response.status_code == 422, response.text
    return response.json["error"]["details"]["codes"]


# Over REST


def test_a_class_is_exposed_as_it_is(client: FlaskClient) -> None:
    made = post(client, "/api/skippers", name="Ahab", email="ahab@example.com")
    stored = Skipper.objects.get()
    assert made == {
        "id": str(stored.id),
        "name": "Ahab",
        "email": "ahab@example.com",
        "licence": None,
        "rank": "c",
    }
    assert dict(stored.to_mongo()) == {
        "_id": ObjectId(made["id"]),
        "name": "Ahab",
        "mail": "ahab@example.com",
        "rank": "c",
    }
    path = f"/api/skippers/{made['id']}"
    assert client.get(path).json == made
    assert client.patch(path, json={"rank": "m"}).json["rank"] == "m"
    assert Skipper.objects.get().rank == "m"
    assert client.put(path, json={"name": "Ishmael"}).json["email"] is None
    assert Skipper.objects.get().email is None
    assert client.delete(path).json == {"count": 1}
    assert client.get(path).status_code == 404
    assert Skipper.objects.count() == 0


def test_what_the_app_stored_is_found_and_changed(client: FlaskClient) -> None:
    ahab = Skipper(name="Ahab", email="ahab@example.com").save()
    vessel = Vessel(name="Pequod", captain=ahab, home="Nantucket", number=1, tonnage=300).save()
    found = ask(client, "/api/vessels", where={"home": "Nantucket"}, include="captain")
    assert [each["id"] for each in found] == [str(vessel.id)]
    assert found[0]["captain"]["email"] == "ahab@example.com"
    assert found[0]["captainId"] == str(ahab.id)
    assert found[0]["serial"] == vessel.serial
    assert client.patch(f"/api/vessels/{vessel.id}", json={"tonnage": 301}).status_code == 200
    vessel.reload()
    assert (vessel.tonnage, vessel.captain.name) == (301, "Ahab")


def test_fields_are_what_bodies_are_checked_by(client: FlaskClient) -> None:
    for body, expected in (
        ({}, {"name": ["presence"]}),
        ({"name": "x" * 41}, {"name": ["length.max"]}),
        ({"name": "A", "rank": "Master"}, {"rank": ["inclusion"]}),
        ({"name": "A", "email": "no"}, {"email": ["format"]}),
        ({"name": "A", "licence": "xx1"}, {"licence": ["format"]}),
        ({"name": 5}, {"name": ["string"]}),
    ):
        assert codes(client.post("/api/skippers", json=body)) == expected, body
    assert Skipper.objects.count() == 0


def test_each_kind_of_field_has_its_bounds(client: FlaskClient) -> None:
    for body, expected in (
        ({"numbers": [10]}, {"numbers": ["format"]}),
        ({"text": "x"}, {"text": ["length.min"]}),
        ({"ratio": 0}, {"ratio": ["range.min"]}),
        ({"seal": "aGVsbG8="}, {"seal": ["length.max"]}),
        ({"link": "harbour"}, {"link": ["format"]}),
        ({"origin": "abc"}, {"origin": ["format"]}),
        ({"rig": "raft"}, {"rig": ["enum"]}),
        ({"price": "1.234"}, {"price": ["decimal"]}),
        ({"stock": {"a": "b"}}, {"stock.a": ["integer"]}),
    ):
        assert codes(client.post("/api/cargos", json=body)) == expected, body
    assert Cargo.objects.count() == 0


def test_fields_of_embedded_documents_are_checked(client: FlaskClient) -> None:
    for berth, expected in (
        ({"depth": "1.0"}, {"berth.quay": ["presence"]}),
        ({"quay": "x" * 11}, {"berth.quay": ["length.max"]}),
        ({"quay": "A", "depth": "-1.0"}, {"berth.depth": ["range.min"]}),
        ({"quay": "A", "code": "low"}, {"berth.code": ["format"]}),
    ):
        assert codes(client.post("/api/vessels", json={"name": "P", "berth": berth})) == expected


def test_unique_fields_refuse_what_is_there(client: FlaskClient) -> None:
    Skipper(name="Ahab").save()
    assert codes(client.post("/api/skippers", json={"name": "Ahab"})) == {"name": ["uniqueness"]}
    Vessel(name="Pequod", home="Nantucket", number=1).save()
    body = {"name": "Other", "home": "Nantucket", "number": 1}
    response = client.post("/api/vessels", json=body)
    assert response.status_code == 422, response.text
    assert set(codes(response)) <= {"home", "number"}
    assert post(client, "/api/vessels", **{**body, "number": 2})["number"] == 2


FULL = {
    "id": "00000000-0000-0000-0000-000000000007",
    "text": "a %text",
    "long": 2**62 + 1,
    "ratio": 0.5,
    "price": "9.90",
    "fee": "19.90",
    "weight": "1.25",
    "sealed": False,
    "at": "2024-05-01T10:00:00.123Z",
    "exactly": "2024-05-01T10:00:00.123456Z",
    "day": "2024-05-01",
    "token": "00000000-0000-0000-0000-000000000005",
    "origin": "0123456789abcdef01234567",
    "seal": "aGkA",
    "link": "https://example.com/a",
    "rig": "brig",
    "point": {"lat": 1.5, "lng": 2.5},
    "spot": {"lat": 3.5, "lng": 4.5},
    "route": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
    "numbers": [3, 1],
    "prices": ["1.50"],
    "origins": ["0123456789abcdef01234567"],
    "days": ["2024-05-01T10:00:00.123Z"],
    "sorted": [3, 2, 1],
    "anything": [1, "a", {"b": None}],
    "papers": {"a": {"b": [1]}, "c": "d"},
    "stock": {"a": 1},
    "extra": {"any": [1]},
}


def test_each_field_goes_there_and_back(client: FlaskClient) -> None:
    made = expose(Model.from_mongoengine(Cargo)).post("/api/cargos", json=FULL)
    assert made.status_code == 200, made.text
    assert made.json == FULL
    assert client.get(f"/api/cargos/{FULL['id']}").json == FULL


def test_the_app_reads_what_was_written(client: FlaskClient) -> None:
    assert client.post("/api/cargos", json={**FULL, "sorted": [1, 3, 2]}).status_code == 200
    cargo = Cargo.objects.get(id=uuid.UUID(int=7))
    assert cargo.validate() is None
    assert (cargo.long, cargo.price, cargo.fee) == (2**62 + 1, Decimal("9.90"), Decimal("19.90"))
    assert cargo.weight == Decimal("1.25")
    assert cargo.at == naive("2024-05-01T10:00:00.123000")
    assert cargo.exactly == naive("2024-05-01T10:00:00.123456")
    assert (cargo.day, cargo.token) == (date(2024, 5, 1), uuid.UUID(int=5))
    assert (cargo.origin, cargo.seal) == (ObjectId("0123456789abcdef01234567"), b"hi\0")
    assert cargo.rig is Rig.BRIG
    assert cargo.point == {"type": "Point", "coordinates": [2.5, 1.5]}
    assert cargo.spot == [4.5, 3.5]
    assert (list(cargo.sorted), list(cargo.prices)) == ([3, 2, 1], [Decimal("1.50")])
    assert cargo.origins == [ObjectId("0123456789abcdef01234567")]
    raw = cargo.to_mongo()
    assert (raw["price"], raw["fee"], raw["weight"]) == (9.9, "19.90", Decimal128("1.25"))


def test_what_the_app_wrote_is_read(client: FlaskClient) -> None:
    Cargo(
        id=uuid.UUID(int=7),
        price=Decimal("9.9"),
        fee=Decimal("19.9"),
        exactly=naive("2024-05-01T10:00:00.123456"),
        point=[2.5, 1.5],
        spot=(4.5, 3.5),
        rig=Rig.BRIG,
        day=date(2024, 5, 1),
        token=uuid.UUID(int=5),
        papers={"at": naive("2024-05-01"), "by": ObjectId("0123456789abcdef01234567")},
    ).save()
    found = client.get("/api/cargos/00000000-0000-0000-0000-000000000007").json
    for name in ("price", "fee", "exactly", "point", "spot", "rig", "day", "token"):
        assert found[name] == FULL[name], name
    assert found["papers"] == {"at": "2024-05-01T00:00:00.000Z", "by": FULL["origin"]}
    assert found["text"] is None


#: Wheres that one of two records matches, and whether Python looks at them again.
WHERES: list[tuple[Any, bool | None]] = [
    ({"price": "9.90"}, False),
    ({"price": {"gt": "9.89"}}, False),
    ({"fee": "19.90"}, False),
    ({"fee": {"gt": "2"}}, True),
    ({"weight": {"between": ["1.2", "1.3"]}}, False),
    ({"at": {"lte": "2024-05-01T10:00:00.123Z"}}, False),
    ({"exactly": {"gte": "2024-05-01T10:00:00.123456Z"}}, False),
    ({"day": "2024-05-01"}, False),
    ({"token": "00000000-0000-0000-0000-000000000005"}, False),
    ({"origin": "0123456789abcdef01234567"}, False),
    ({"rig": {"inq": ["brig", "sloop"]}}, False),
    ({"numbers": 3}, False),
    ({"origins": "0123456789abcdef01234567"}, True),
    ({"papers.a.b": 1}, None),
    ({"spot": {"near": {"lat": 3.5, "lng": 4.5}, "maxDistance": 1}}, None),
    ({"text": {"like": "a \\%%"}}, False),
]


def test_filters_ask_for_the_values_of_the_app(client: FlaskClient, mongodb: Mongodb) -> None:
    cargo = Model.from_mongoengine(Cargo)
    client.post("/api/cargos", json=FULL)
    client.post("/api/cargos", json={"id": str(uuid.UUID(int=8)), "price": "1.00", "fee": "1.00"})
    for where, in_python in WHERES:
        if "spot" in where and "metres" in mongodb.lacks:
            continue  # the server of the tests has no circles on the globe
        found = [each["id"] for each in ask(client, "/api/cargos", where=where)]
        assert found == [FULL["id"]], where
        if in_python is not None:
            done = cargo.data_source.explain(cargo, {"where": where})["python"]
            assert bool(done["where"]) is in_python, where


def test_microseconds_that_a_date_drops_are_not_in_the_answer(client: FlaskClient) -> None:
    made = post(client, "/api/cargos", at="2024-05-01T10:00:00.123999Z")
    assert made["at"] == "2024-05-01T10:00:00.123Z"
    assert client.get(f"/api/cargos/{made['id']}").json["at"] == made["at"]


def test_embedded_documents_are_objects(client: FlaskClient) -> None:
    inspector = Skipper(name="Starbuck").save()
    berth = {
        "quay": "A1",
        "depth": "7.5",
        "since": "2024-05-01T10:00:00.000Z",
        "inspectorId": str(inspector.id),
        "code": None,
    }
    made = post(client, "/api/vessels", name="Pequod", berth=berth, berths=[berth, {"quay": "B"}])
    assert made["berth"] == berth
    stored = Vessel.objects.get()
    assert stored.berth.inspector == inspector
    assert (stored.berth.quay, stored.berth.depth) == ("A1", Decimal("7.5"))
    assert stored.berth.since == naive("2024-05-01T10:00")
    assert [each.quay for each in stored.berths] == ["A1", "B"]
    assert stored.to_mongo()["berth"]["q"] == "A1"
    found = ask(client, "/api/vessels", where={"berth.quay": "A1", "berths.1.quay": "B"})
    assert [each["id"] for each in found] == [made["id"]]
    by_inspector = {"berth.inspectorId": str(inspector.id)}
    assert len(ask(client, "/api/vessels", where=by_inspector)) == 1
    assert ask(client, "/api/vessels", where={"berth.depth": {"gt": "8"}}) == []


def test_defaults_are_made_as_in_the_app(client: FlaskClient) -> None:
    first = post(client, "/api/vessels", name="One", number=1)
    second = Vessel(name="Two", number=2).save()
    third = post(client, "/api/vessels", name="Three", number=3)
    assert second.serial == first["serial"] + 1
    assert third["serial"] == second.serial + 1
    assert (first["flagIds"], first["log"], first["berths"]) == ([], {}, [])


def test_the_order_is_the_one_of_the_class(client: FlaskClient) -> None:
    for number, tonnage in enumerate((5, 9, 7)):
        post(client, "/api/vessels", name="V", tonnage=tonnage, number=number + 1)
    assert [each["tonnage"] for each in ask(client, "/api/vessels")] == [9, 7, 5]
    names = [each["tonnage"] for each in ask(client, "/api/vessels", order="tonnage")]
    assert names == [5, 7, 9]


# References


def test_references_are_relations(client: FlaskClient) -> None:
    ahab = post(client, "/api/skippers", name="Ahab")
    for code in ("us", "gb"):
        post(client, "/api/flags", code=code)
    body = {"name": "P", "captainId": ahab["id"], "mateId": ahab["id"], "flagIds": ["gb", "us"]}
    vessel = post(client, "/api/vessels", **body)
    stored = Vessel.objects.get()
    assert stored.captain.name == stored.mate.fetch().name == "Ahab"
    assert [flag.code for flag in stored.flags] == ["gb", "us"]
    found = ask(client, "/api/vessels", include=["captain", "mate", "flags"])[0]
    assert found["captain"] == found["mate"] == ahab
    assert [flag["code"] for flag in found["flags"]] == ["gb", "us"]
    assert client.get(f"/api/vessels/{vessel['id']}/captain").json == ahab
    assert len(ask(client, "/api/vessels", where={"captain.name": "Ahab"})) == 1
    assert ask(client, "/api/vessels", where={"captain.name": "Bligh"}) == []


def test_what_is_deleted_takes_along_what_the_app_says(client: FlaskClient) -> None:
    ahab, mate = Skipper(name="Ahab").save(), Skipper(name="Starbuck").save()
    Vessel(name="Pequod", captain=ahab, number=1).save()
    Vessel(name="Rachel", mate=ahab, captain=mate, number=2).save()
    assert client.delete(f"/api/skippers/{ahab.id}").json == {"count": 1}
    left = Vessel.objects.get()
    assert (left.name, left.mate) == ("Rachel", None)


def test_what_is_denied_stays(salvages: type[Model]) -> None:
    client = expose(Model.from_mongoengine(Skipper), salvages)
    ahab = Skipper(name="Ahab").save()
    made = post(client, "/api/salvages", guardedId=str(ahab.id))
    assert Salvage.objects.get().to_mongo()["guarded"] == DBRef("masters", ahab.id)
    assert Salvage.objects.get().guarded.name == "Ahab"
    found = ask(client, "/api/salvages", where={"guardedId": str(ahab.id)}, include="guarded")
    assert (found[0]["id"], found[0]["guarded"]["name"]) == (made["id"], "Ahab")
    refused = client.delete(f"/api/skippers/{ahab.id}")
    assert refused.status_code == 409, refused.text
    assert Skipper.objects.count() == 1


def test_rules_of_lists_hold() -> None:
    class Guild(me.Document):
        meta = {"db_alias": ALIAS}

        code = me.StringField(primary_key=True)

    class Oarsman(me.Document):
        meta = {"db_alias": ALIAS}

        name = me.StringField()
        denied = me.ListField(me.ReferenceField(Skipper, reverse_delete_rule=me.DENY))
        taken = me.ListField(me.LazyReferenceField(Guild, reverse_delete_rule=me.CASCADE))
        emptied = me.ListField(me.ReferenceField(Flag, reverse_delete_rule=me.NULLIFY))
        pulled = me.ListField(me.ReferenceField(Vessel, reverse_delete_rule=me.PULL))

    classes = (Oarsman, Guild, Flag, Skipper, Vessel)
    oarsmen, guilds, flags, skippers, vessels = map(Model.from_mongoengine, classes)
    ahab, mate = Skipper(name="Ahab").save(), Skipper(name="Starbuck").save()
    first, second = Guild(code="a").save(), Guild(code="b").save()
    flag, vessel = Flag(code="us").save(), Vessel(name="Pequod", number=1).save()
    Oarsman(name="One", denied=[ahab, mate], taken=[first], emptied=[flag], pulled=[vessel]).save()
    Oarsman(name="Two", taken=[first, second]).save()
    refused = expose(skippers, oarsmen).delete(f"/api/skippers/{mate.id}")
    assert refused.status_code == 409, refused.text
    assert refused.json["error"]["details"] == {"relation": "Oarsman.denied", "count": 1}
    flags.destroy_by_id("us")
    assert Oarsman.objects.get(name="One").emptied == []
    guilds.destroy_by_id("b")
    assert [each.name for each in Oarsman.objects] == ["One"]
    vessels.destroy_by_id(str(vessel.id))
    assert oarsmen.find_one().pulled() == []


def test_a_list_that_must_have_items_is_refused_where_it_would_be_emptied() -> None:
    class Ensign(me.Document):
        meta = {"db_alias": ALIAS}

        flags = me.ListField(me.ReferenceField(Flag, reverse_delete_rule=me.NULLIFY), required=True)

    try:
        with pytest.raises(DefinitionError, match=r"Ensign\.flags: .*exclude=\['flags'\]"):
            Model.from_mongoengine(Ensign)
        assert set(Model.from_mongoengine(Ensign, exclude=["flags"]).properties) == {"id"}
    finally:
        Flag._meta["delete_rules"].pop((Ensign, "flags"))


def test_rules_hold_for_all_classes_of_a_collection() -> None:
    class Boat(me.Document):
        meta = {"db_alias": ALIAS, "allow_inheritance": True}

        name = me.StringField()

    class Canoe(Boat):
        paddles = me.IntField()

    class Mark(me.Document):
        meta = {"db_alias": ALIAS, "abstract": True}

        boat = me.ReferenceField(Boat, reverse_delete_rule=me.CASCADE)

    class Scratch(Mark):
        meta = {"db_alias": ALIAS}

    class Visit(me.Document):
        meta = {"db_alias": ALIAS}

        boat = me.ReferenceField(Boat, reverse_delete_rule=me.DENY)

    class Paddle(me.Document):
        meta = {"db_alias": ALIAS}

        canoe = me.ReferenceField(Canoe, reverse_delete_rule=me.CASCADE)

    canoes = Model.from_mongoengine(Canoe)
    boats = Model.from_mongoengine(Boat)
    client = expose(canoes, boats)

    class Ferry(Boat):
        decks = me.IntField()

    client = expose(canoes, boats, Model.from_mongoengine(Ferry))
    for path, document in (("canoes", Canoe), ("ferries", Ferry), ("boats", Canoe)):
        boat = document(name="One").save()
        visit, _ = Visit(boat=boat).save(), Scratch(boat=boat).save()
        if document is Canoe:
            Paddle(canoe=boat).save()
        refused = client.delete(f"/api/{path}/{boat.id}")
        assert refused.status_code == 409, (path, refused.text)
        visit.delete()
        assert Scratch.objects.count() == 1
        assert client.delete(f"/api/{path}/{boat.id}").json == {"count": 1}
        left = (Boat.objects.count(), Scratch.objects.count(), Paddle.objects.count())
        assert left == (0, 0, 0), path


# Classes that share a collection, and those that take any field


def test_classes_that_share_a_collection_have_documents_of_their_own(client: FlaskClient) -> None:
    steamer = post(client, "/api/steamers", name="S", mooring={"rope": 5})
    tug = post(client, "/api/tugs", name="T", pull=9)
    assert "_cls" not in {*steamer, *steamer["mooring"]}
    assert type(Steamer.objects.get(name="T")) is Tug
    assert Steamer.objects.get(name="S").mooring.rope == 5
    raw = Steamer.objects.get(name="S").to_mongo()
    assert (raw["_cls"], raw["mooring"]["_cls"]) == ("Steamer", "Mooring")
    assert [each["name"] for each in client.get("/api/tugs").json] == ["T"]
    assert len(client.get("/api/steamers").json) == 2
    assert client.get(f"/api/tugs/{steamer['id']}").status_code == 404
    assert client.patch(f"/api/tugs/{tug['id']}", json={"pull": 8}).json["pull"] == 8
    assert type(Steamer.objects.get(name="T")) is Tug


def test_a_document_of_a_derived_class_stays_one(client: FlaskClient) -> None:
    steamers, tug = Model.from_mongoengine(Steamer), Tug(name="T", pull=9).save()
    id = str(tug.id)
    steamers.replace_by_id(id, {"name": "A"})
    assert Tug.objects.get().name == "A"
    steamers.replace_or_create({"id": id, "name": "B"})
    assert Tug.objects.get().name == "B"
    found: Any = steamers.find_by_id(id)
    found.replace_attributes({"name": "C"})
    found.save()
    assert Tug.objects.get().name == "C"
    assert client.put(f"/api/steamers/{id}", json={"name": "D"}).status_code == 200
    assert (Tug.objects.get().name, Tug.objects.get().pull) == ("D", 9)


def test_a_dynamic_document_takes_any_field(client: FlaskClient) -> None:
    made = post(client, "/api/logbooks", title="One", weather={"wind": [5]})
    assert Logbook.objects.get().weather == {"wind": [5]}
    book = Logbook.objects.get()
    book.mood = "calm"
    book.save()
    assert client.get(f"/api/logbooks/{made['id']}").json["mood"] == "calm"


def test_fields_that_are_left_out_of_a_dynamic_document_stay_there_unseen() -> None:
    client = expose(Model.from_mongoengine(Diary, exclude=["secret"]))
    diary = Diary(title="One", secret="mine", mood="calm").save()
    path, seen = f"/api/diaries/{diary.id}", {"id": str(diary.id), "mood": "calm"}
    assert client.get(path).json == {**seen, "title": "One"}
    others = {"sec": "theirs", "secret": "theirs"}
    assert client.patch(path, json={"title": "Two", **others}).json == {
        **seen,
        "title": "Two",
        **others,
    }
    assert Diary.objects.get().secret == "mine"
    assert client.put(path, json={"title": "Three"}).json["title"] == "Three"
    assert (Diary.objects.get().title, Diary.objects.get().secret) == ("Three", "mine")
    assert client.get(path).json == {"id": str(diary.id), "title": "Three"}
    assert client.put(f"/api/diaries/{ObjectId()}", json={"title": "Four"}).status_code == 404


def test_what_is_left_out_is_what_it_is_when_a_document_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Model.from_mongoengine(Diary)
    diary = Diary(title="One", secret="old").save()
    collection: Any = Diary._get_collection()
    look, todo = type(collection).find_one, ["new"]

    def look_and_act(self: Any, *arguments: Any, **named: Any) -> Any:
        found = look(self, *arguments, **named)
        if self.name == "diary" and todo:
            collection.update_one({}, {"$set": {"sec": todo.pop()}})
        return found

    monkeypatch.setattr(type(collection), "find_one", look_and_act)
    model.replace_by_id(str(diary.id), {"title": "Two"})
    assert todo == []
    assert (Diary.objects.get().title, Diary.objects.get().secret) == ("Two", "new")


def test_values_of_maps_are_of_their_kind() -> None:
    client = expose(Model.from_mongoengine(Chest))
    day, master = "2024-05-06T07:08:09.000Z", Skipper(name="Ahab").save()
    given = {
        "piers": {"a.b": {"quay": "North", "depth": "2.5"}},
        "masters": {"first": str(master.id)},
        "prices": {"rum": "1.50"},
        "days": {"launch": day},
        "logs": [{"x": 1}],
    }
    made = post(client, "/api/chests", **given)
    assert {key: made[key] for key in given} == {
        **given,
        "piers": {
            "a.b": dict.fromkeys(("since", "inspectorId", "code"))
            | {"quay": "North", "depth": "2.5"}
        },
    }
    stored = Chest._get_collection().find_one()
    assert stored["piers"] == {"a%2Eb": {"q": "North", "depth": 2.5}}
    assert stored["masters"] == {"first": master.id}
    assert stored["prices"] == {"rum": 1.5}
    chest = Chest.objects.get()
    assert chest.days["launch"].isoformat() == day[:19]
    chest.piers = {"south": Pier(quay="South")}
    chest.save()
    seen = client.get(f"/api/chests/{chest.id}").json
    assert seen["piers"]["south"]["quay"] == "South"
    for where in (
        {"prices.rum": 1.5},
        {"masters.first": str(master.id)},
        {"piers.south.quay": "South"},
    ):
        assert len(ask(client, "/api/chests", where=where)) == 1, where
    refused = client.patch(f"/api/chests/{chest.id}", json={"prices": {"rum": "much"}})
    assert codes(refused) == {"prices.rum": ["decimal"]}


def test_what_a_write_does_not_change_is_what_the_app_stored() -> None:
    model = Model.from_mongoengine(Chest)
    day, anchor = naive("2024-05-06T07:08:09"), Anchor(rope=1, weight=2)
    chest = Chest(
        name="One",
        mooring=anchor,
        moorings=[anchor, Mooring(rope=3)],
        things={"day": day, "id": ObjectId(), "one": True},
        thing=[day],
        exact="1.123456789",
    ).save()
    before = Chest._get_collection().find_one()
    found: Any = model.find_by_id(str(chest.id))
    found.name = "Two"
    found.save()
    client = expose(model)
    whole = client.get(f"/api/chests/{chest.id}").json
    assert client.put(f"/api/chests/{chest.id}", json=whole).json == whole
    assert Chest._get_collection().find_one() == {**before, "name": "Two"}
    found.things = {**found.things, "one": 1}
    found.save()
    assert Chest.objects.get().things["one"] is not True
    assert type(Chest.objects.get().mooring) is Anchor


# In Python


def test_python_callers_have_the_values_of_properties() -> None:
    vessels, skippers = Model.from_mongoengine(Vessel), Model.from_mongoengine(Skipper)
    ahab = skippers.create(name="Ahab")
    vessel = vessels.create(name="Pequod", captain_id=ahab.id, tonnage=1.5)
    assert vessels.find_one(where={"captain_id": ahab.id}).id == vessel.id
    assert vessel.captain().name == "Ahab"
    with pytest.raises(ValidationError):
        skippers.create(name="Ahab")
    cargos = Model.from_mongoengine(Cargo)
    cargo = cargos.create(spot=GeoPoint(1, 2), at=datetime(2024, 5, 1, tzinfo=UTC), rig=Rig.SLOOP)
    assert cargos.find_by_id(cargo.id).rig is Rig.SLOOP


def test_a_block_that_raises_is_undone() -> None:
    skippers = Model.from_mongoengine(Skipper)
    Skipper(name="Ahab").save()

    def change() -> None:
        with skippers.data_source.transaction():
            skippers.update_all({}, {"rank": "m"})
            skippers.create(name="Starbuck")
            raise LookupError

    with pytest.raises(LookupError):
        change()
    assert [(each.name, each.rank) for each in Skipper.objects] == [("Ahab", "c")]


def test_of_equal_records_that_are_made_at_once_one_is_kept() -> None:
    skippers = Model.from_mongoengine(Skipper)
    assert skippers.count() == 0  # the indexes are there
    refused: list[str] = []

    def create() -> None:
        try:
            skippers.create(name="Ahab")
        except ValidationError as error:
            refused.append(str(error))

    threads = [Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), Skipper.objects.count()) == (3, 1)


def test_names_that_models_have_themselves_get_an_underscore(client: FlaskClient) -> None:
    vessels = Model.from_mongoengine(Vessel)
    made = post(client, "/api/vessels", name="P", count=4)
    assert made["count"] == 4
    assert Vessel.objects.get().count == 4
    assert vessels.find_by_id(made["id"]).count_ == 4


# Options


def test_options_say_more_of_a_model_than_its_class() -> None:
    class Crewman(me.Document):
        meta = {"db_alias": ALIAS}

        name = me.StringField()
        secret = me.StringField()
        photo = me.FileField(db_alias=ALIAS)

    model = Model.from_mongoengine(
        Crewman,
        name="Sailor",
        plural="hands",
        exclude=["secret", "photo"],
        properties={"name": {"pattern": "^[A-Z]"}},
    )
    client = expose(model)
    made = post(client, "/api/hands", name="Queequeg", secret="x")
    assert set(made) == {"id", "name"}
    assert codes(client.post("/api/hands", json={"name": "low"})) == {"name": ["format"]}
    stored = Crewman.objects.get()
    stored.secret = "kept"
    stored.save()
    assert client.put(f"/api/hands/{made['id']}", json={"name": "Dagoo"}).status_code == 200
    assert Crewman.objects.get().secret == "kept"


def test_the_same_class_is_the_same_model() -> None:
    assert Model.from_mongoengine(Vessel) is Model.from_mongoengine(Vessel)
    relation = Model.from_mongoengine(Vessel).definition.relations["captain"]
    assert relation.target.model is Model.from_mongoengine(Skipper)
    with pytest.raises(DefinitionError, match="Vessel is a model already"):
        Model.from_mongoengine(Vessel, plural="ships")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["nme"]}, "exclude names 'nme', which is no field; did you mean 'name'"),
        ({"exclude": "name"}, "exclude is a list of names"),
        ({"exclude": ["id"]}, "its id 'id' cannot be left out"),
        ({"properties": {"nme": str}}, "properties names 'nme', which is no field"),
        ({"plurl": "x"}, "plurl"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: Any, message: str) -> None:
    class Adrift(me.Document):
        meta = {"db_alias": ALIAS}

        name = me.StringField()

    with pytest.raises(DefinitionError, match=message):
        Model.from_mongoengine(Adrift, **options)


def test_a_field_that_no_property_is_like_is_refused_by_name() -> None:
    class Wreck(me.Document):
        meta = {"db_alias": ALIAS}

        chart = me.FileField(db_alias=ALIAS)
        shape = me.EnumField(Shape)
        anyone = me.GenericReferenceField()

    class Diver(me.Document):
        meta = {"db_alias": ALIAS}

        wreck = me.ReferenceField(Wreck)
        nobody = me.ReferenceField("Nobody")

    excluded: list[str] = []
    for name, kind in Wreck._fields.items():
        if name != "id":
            with pytest.raises(DefinitionError, match=rf"{type(kind).__name__} '{name}'"):
                Model.from_mongoengine(Wreck, exclude=excluded)
            excluded.append(name)
    with pytest.raises(DefinitionError, match="'nobody': `Nobody` has not been registered"):
        Model.from_mongoengine(Diver)
    with pytest.raises(DefinitionError, match=r"Diver\.wreck: .*exclude=\['wreck'\]"):
        Model.from_mongoengine(Diver, exclude=["nobody"])
    Model.from_mongoengine(Wreck, exclude=excluded)
    assert set(Model.from_mongoengine(Diver, exclude=["nobody"]).properties) == {"id", "wreck_id"}


def test_a_class_that_something_becomes_of_is_named_where_it_cannot_be_a_model() -> None:
    class Pilot(me.Document):
        meta = {"db_alias": ALIAS}

        name = me.StringField()

    class Chart(me.Document):
        meta = {"db_alias": ALIAS}

        pilot = me.ReferenceField(Pilot, reverse_delete_rule=me.NULLIFY)
        scan = me.FileField(db_alias=ALIAS)

    with pytest.raises(DefinitionError, match=r"Chart\.pilot says .*from_mongoengine\(Chart"):
        Model.from_mongoengine(Pilot)
    Model.from_mongoengine(Chart, exclude=["scan"])
    pilot = Model.from_mongoengine(Pilot).create(name="P")
    Chart(pilot=pilot.id).save()
    pilot.destroy()
    assert Chart.objects.get().pilot is None


def test_a_reference_that_is_left_out_later_is_as_one_left_out_at_first() -> None:
    class Buyer(me.Document):
        meta = {"db_alias": ALIAS}

        name = me.StringField()

    class Purchase(me.Document):
        meta = {"db_alias": ALIAS}

        buyer = me.ReferenceField(Buyer, reverse_delete_rule=me.CASCADE)
        gifts = me.ListField(me.ReferenceField(Buyer, reverse_delete_rule=me.DENY))
        code = me.StringField(validation=upper_case)

    buyers = Model.from_mongoengine(Buyer)
    purchases = Model.from_mongoengine(Purchase, exclude=["buyer", "gifts", "code"])
    client = expose(buyers, purchases)
    buyer = Buyer(name="Ann").save()
    purchase = Purchase(buyer=buyer, gifts=[buyer]).save()
    assert client.delete(f"/api/buyers/{buyer.id}").json == {"count": 1}
    assert client.get(f"/api/purchases/{purchase.id}").json == {"id": str(purchase.id)}
    assert client.get(f"/api/purchases/{purchase.id}/buyer").status_code == 404
    assert client.put(f"/api/purchases/{purchase.id}", json={}).status_code == 200


@pytest.mark.parametrize("target", [dict, Pier, me.Document, "Vessel"])
def test_what_is_no_document_class_is_refused(target: Any) -> None:
    with pytest.raises(DefinitionError, match="is no class of documents"):
        Model.from_mongoengine(target)


def test_the_indexes_are_left_to_the_app(client: FlaskClient) -> None:
    model = Model.from_mongoengine(Skipper)
    with pytest.raises(DefinitionError, match=r"Skipper.* are the app's own"):
        model.data_source.auto_update()
    with pytest.raises(DefinitionError, match="of Skipper are the app's own"):
        model.data_source.auto_migrate([model])
    assert model.data_source.is_actual()
    client.get("/api/skippers")
    assert "name_1" in Skipper._get_collection().index_information()


def test_fields_are_in_the_documentation(client: FlaskClient) -> None:
    document = client.get("/_docs/openapi.json").json
    captain = document["components"]["schemas"]["Skipper"]["properties"]
    assert captain["name"]["maxLength"] == 40
    assert captain["name"]["description"] == "As in the book."
    assert captain["rank"]["enum"] == ["m", "c", None]


# The connection


def test_a_connection_that_is_made_again_is_used(client: FlaskClient, mongodb: Mongodb) -> None:
    post(client, "/api/skippers", name="Ahab")
    me.disconnect(ALIAS)
    with pytest.raises(RuntimeError, match=f"no connection '{ALIAS}'"):
        client.get("/api/skippers")
    me.connect(host=mongodb.fresh("documents-2"), alias=ALIAS, uuidRepresentation="standard")
    assert client.get("/api/skippers").json == []


def test_a_server_that_is_another_one_is_asked_whether_it_has_transactions(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.from_mongoengine(Skipper)
    model.count()
    connector: Any = model.data_source.connector
    told: list[bool] = [True, False]
    monkeypatch.setattr(connector.client, "has_transactions", lambda: told.pop(0))
    for expected in (True, False):
        me.disconnect(ALIAS)
        me.connect(host=url, alias=ALIAS, uuidRepresentation="standard")
        assert connector.capabilities.transactions is expected
        assert connector.capabilities.transactions is expected
    assert told == []


def test_a_server_that_is_away_is_unavailable(mongodb: Mongodb) -> None:
    model, vessels = Model.from_mongoengine(Skipper), Model.from_mongoengine(Vessel)
    me.disconnect(ALIAS)
    with Proxy(mongodb.url.port) as proxy:
        host = f"mongodb://127.0.0.1:{proxy.port}/loop_away"
        me.connect(
            host=host,
            alias=ALIAS,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=300,
            directConnection=True,
        )
        assert model.count() == 0
        proxy.__exit__(None, None, None)
        with pytest.raises(Unavailable):
            model.count()
        with pytest.raises(Unavailable):
            vessels.create(name="Pequod")  # its number is asked for first


def test_closing_the_source_leaves_the_connection_to_the_app() -> None:
    model = Model.from_mongoengine(Skipper)
    model.create(name="Ahab")
    model.data_source.close()
    assert Skipper.objects.count() == 1
    assert model.count() == 1


def test_uuids_are_read_as_the_connection_writes_them(url: str) -> None:
    me.disconnect(ALIAS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        me.connect(host=url, alias=ALIAS, uuidRepresentation="pythonLegacy")
    made = uuid.UUID(bytes=bytes(range(16)))
    model = Model.from_mongoengine(Cargo)
    model.create(id=made)
    Cargo(id=uuid.UUID(int=3)).save()
    assert {each.id for each in Cargo.objects} == {each.id for each in model.find()}
    options = CodecOptions(uuid_representation=UuidRepresentation.UNSPECIFIED)
    stored = Cargo._get_collection().with_options(codec_options=options).find_one()
    assert stored["_id"].subtype == OLD_UUID_SUBTYPE


def test_importing_flask_loop_leaves_mongoengine_until_it_is_used() -> None:
    script = "import sys, flask_loop; print([m for m in sys.modules if 'mongo' in m])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_source_says_how_many_documents_python_looks_at() -> None:
    model: Any = Model.from_mongoengine(Skipper)
    model.create([{"name": "Ann"}, {"name": "Bo"}])
    source, sifted = model.data_source, {"name": {"regexp": "[AB]+"}}
    assert source.max_scan == 100_000
    try:
        source.max_scan = 1
        with pytest.raises(TooMuchToRead):
            model.find(where=sifted)
        source.max_scan = 2
        assert len(model.find(where=sifted)) == 2
    finally:
        source.max_scan = None
    assert source.max_scan == 100_000
