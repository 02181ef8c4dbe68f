from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import mongoengine as me
import pytest
from bson import DBRef, ObjectId
from flask.testing import FlaskClient

from flask_loop import DefinitionError, Model
from tests.documents import connected_to, expose
from tests.servers import Mongodb

ALIAS = "field-office"
KEY = "5" * 24


def naive(text: str) -> datetime:
    """An instant as MongoEngine has them: in UTC, and without saying so."""
    return datetime.fromisoformat(text)


def even(value: int) -> None:
    if value % 2:
        raise me.ValidationError("is odd")


class Surveyor(me.Document):
    meta = {"db_alias": ALIAS}

    name = me.StringField()


class Tally(me.EmbeddedDocument):
    count = me.IntField(validation=even)


class Parcel(me.Document):
    """Fields whose names every model has itself."""

    meta = {"db_alias": ALIAS}

    count = me.IntField(validation=even)
    errors = me.ListField(me.IntField(min_value=3))
    tally = me.EmbeddedDocumentField(Tally)


class Stake(me.EmbeddedDocument):
    depth = me.IntField(db_field="d", default=3)
    owner = me.ReferenceField(Surveyor)
    at = me.PointField()
    size = me.DecimalField(precision=2)


def stake() -> Stake:
    return Stake(owner=ObjectId(KEY), at=[10.0, 60.0], size=Decimal("1.25"))


class Fieldwork(me.Document):
    """Defaults, in the forms that MongoEngine takes."""

    meta = {"db_alias": ALIAS}

    pair = me.PointField(default=[10.0, 60.0])
    shape = me.PointField(default={"type": "Point", "coordinates": [10.0, 60.0]})
    made = me.PointField(default=lambda: [10.0, 60.0])
    older = me.GeoPointField(default=(10.0, 60.0))
    far = me.PointField(default=[160.0, 10.0])
    day = me.DateField(default=lambda: naive("2026-05-01T12:00"))
    at = me.DateTimeField(default=lambda: naive("2026-05-01T12:00"))
    exactly = me.ComplexDateTimeField(default=lambda: naive("2026-05-01T12:00:00.000005"))
    price = me.DecimalField(default=lambda: 0.1 + 0.2)
    weight = me.Decimal128Field(default=lambda: Decimal("1.5"))
    code = me.UUIDField(default=uuid.UUID(int=5))
    text = me.UUIDField(binary=False, default=lambda: uuid.UUID(int=5))
    surveyor = me.ReferenceField(Surveyor, default=lambda: ObjectId(KEY))
    linked = me.ReferenceField(
        Surveyor, dbref=True, default=lambda: DBRef("surveyor", ObjectId(KEY))
    )
    guests = me.ListField(me.ReferenceField(Surveyor), default=lambda: [ObjectId(KEY)])
    one = me.EmbeddedDocumentField(Stake, default=stake)
    fresh = me.EmbeddedDocumentField(Stake, default=Stake)
    fixed = me.EmbeddedDocumentField(Stake, default=stake())
    several = me.EmbeddedDocumentListField(Stake, default=lambda: [stake()])
    named = me.MapField(me.EmbeddedDocumentField(Stake), default={"a": stake()})
    tags = me.ListField(me.StringField(), default=["a"])


class Sheet(me.Document):
    meta = {"db_alias": ALIAS}

    done = me.BooleanField(default=0)
    notes = me.DictField(default=lambda: {"at": naive("2026-05-01"), "key": ObjectId(KEY)})


class Survey(me.Document):
    """Ids, and keys that are such, wherever they may be."""

    meta = {"db_alias": ALIAS}

    surveyor = me.ReferenceField(Surveyor, required=True)
    helper = me.LazyReferenceField(Surveyor)
    guests = me.ListField(me.ReferenceField(Surveyor))
    origins = me.ListField(me.ObjectIdField())
    grid = me.ListField(me.ListField(me.ObjectIdField()))
    marks = me.MapField(me.ObjectIdField())
    leads = me.MapField(me.ReferenceField(Surveyor))


class Fieldnote(me.EmbeddedDocument):
    text = me.StringField()
    more = me.DynamicField()


class Fieldlog(me.Document):
    """Fields in which clients may write what they like."""

    meta = {"db_alias": ALIAS}

    name = me.StringField()
    notes = me.DictField()
    thing = me.DynamicField()
    items = me.ListField()
    inner = me.EmbeddedDocumentField(Fieldnote)


class Fieldpad(me.DynamicDocument):
    meta = {"db_alias": ALIAS}

    name = me.StringField()


@pytest.fixture
def url(mongodb: Mongodb) -> str:
    return mongodb.fresh("document_fields")


@pytest.fixture(autouse=True)
def connected(url: str) -> Iterator[None]:
    with connected_to(url, ALIAS):
        yield


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    classes = (Surveyor, Parcel, Fieldwork, Sheet, Survey, Fieldlog, Fieldpad)
    return expose(*(Model.from_mongoengine(each) for each in classes))


def codes(response: Any) -> Any:
    assert response.status_code == 422, response.text
    return response.json["error"]["details"]["codes"]


# Names


def test_two_fields_that_would_be_one_property_are_refused_by_name() -> None:
    class Deed(me.Document):
        meta = {"db_alias": ALIAS}

        owner = me.ReferenceField(Surveyor)
        owner_id = me.StringField()

    class Plot(me.Document):
        meta = {"db_alias": ALIAS}

        tags = me.ListField(me.ReferenceField(Surveyor))
        tag_ids = me.ListField(me.StringField())

    with pytest.raises(DefinitionError, match=r"'owner' and 'owner_id' .* property 'owner_id'"):
        Model.from_mongoengine(Deed)
    with pytest.raises(DefinitionError, match=r"'tags' and 'tag_ids' .* property 'tag_ids'"):
        Model.from_mongoengine(Plot)
    deeds = Model.from_mongoengine(Deed, exclude=["owner"])
    assert set(deeds.definition.properties) == {"id", "owner_id"}


def test_fields_that_are_called_as_what_models_have_are_checked(client: FlaskClient) -> None:
    body = {"count": 2, "errors": [4], "tally": {"count": 2}}
    response = client.post("/api/parcels", json=body)
    assert response.status_code == 200, response.text
    for body, expected in (
        ({"count": 3}, {"count": ["format"]}),
        ({"errors": [1]}, {"errors": ["format"]}),
        ({"tally": {"count": 3}}, {"tally.count": ["format"]}),
    ):
        assert codes(client.post("/api/parcels", json=body)) == expected, body


# Ids


def test_ids_are_checked_wherever_they_are(client: FlaskClient) -> None:
    for body, name in (
        ({"surveyorId": "zz"}, "surveyorId"),
        ({"surveyorId": KEY, "helperId": "zz"}, "helperId"),
        ({"surveyorId": KEY, "guestIds": ["zz"]}, "guestIds"),
        ({"surveyorId": KEY, "guestIds": [KEY, "A" * 24]}, "guestIds"),
        ({"surveyorId": KEY, "origins": ["zz"]}, "origins"),
        ({"surveyorId": KEY, "grid": [[KEY], ["zz"]]}, "grid"),
        ({"surveyorId": KEY, "marks": {"a": "zz"}}, "marks"),
        ({"surveyorId": KEY, "leads": {"a": "zz"}}, "leads"),
    ):
        assert codes(client.post("/api/surveys", json=body)) == {name: ["format"]}, body
    assert Survey.objects.count() == 0


def test_ids_that_are_such_are_stored_as_the_app_does(client: FlaskClient) -> None:
    lists = {"guestIds": [KEY], "origins": [KEY], "grid": [[KEY]]}
    maps = {"marks": {"a": KEY}, "leads": {"a": KEY}}
    body = {"surveyorId": KEY, "helperId": KEY, **lists, **maps}
    response = client.post("/api/surveys", json=body)
    assert response.status_code == 200, response.text
    stored = Survey._get_collection().find_one()
    assert stored.pop("_id") == ObjectId(response.json["id"])
    key = ObjectId(KEY)
    keys = {"surveyor": key, "helper": key}
    lists = {"guests": [key], "origins": [key], "grid": [[key]]}
    assert stored == {**keys, **lists, "marks": {"a": key}, "leads": {"a": key}}


# Defaults


def test_defaults_are_stored_as_the_app_stores_them(client: FlaskClient) -> None:
    app_made = Fieldwork().save()
    response = client.post("/api/fieldworks", json={})
    assert response.status_code == 200, response.text
    documents = Fieldwork._get_collection()
    made = documents.find_one({"_id": ObjectId(response.json["id"])})
    expected = documents.find_one({"_id": app_made.id})
    del made["_id"], expected["_id"]
    assert made == expected
    assert response.json["pair"] == {"lat": 60.0, "lng": 10.0}
    assert response.json["far"] == {"lat": 10.0, "lng": 160.0}
    assert response.json["day"] == "2026-05-01"
    owned = {"depth": 3, "ownerId": KEY, "at": {"lat": 60.0, "lng": 10.0}, "size": "1.25"}
    assert response.json["one"] == owned
    assert response.json["named"] == {"a": owned}


def test_a_default_becomes_a_value_of_its_property(client: FlaskClient) -> None:
    response = client.post("/api/sheets", json={})
    assert response.status_code == 200, response.text
    assert response.json["done"] is False
    assert response.json["notes"] == {"at": "2026-05-01T00:00:00.000Z", "key": KEY}


def test_a_default_that_is_no_value_of_its_field_is_refused_by_name() -> None:
    class Compass(me.Document):
        meta = {"db_alias": ALIAS}

        at = me.PointField(default=[10.0, 160.0])

    with pytest.raises(DefinitionError, match="the default of 'at'"):
        Model.from_mongoengine(Compass)


# Keys that mean something to MongoEngine


@pytest.mark.parametrize(
    "given",
    [
        {"notes": {"a": {"_cls": "Nobody"}}},
        {"notes": {"_cls": "Surveyor"}},
        {"thing": {"a": [{"_ref": 5}]}},
        {"items": [[{"_cls": "Surveyor"}]]},
        {"inner": {"text": "a", "more": {"_cls": "Nobody"}}},
    ],
    ids=str,
)
def test_clients_store_nothing_that_the_app_would_take_for_a_class(
    client: FlaskClient, given: Any
) -> None:
    (place,) = given
    id = client.post("/api/fieldlogs", json={"name": "a"}).json["id"]
    calls = [
        client.post("/api/fieldlogs", json=given),
        client.post("/api/fieldlogs", json=[given]),
        client.patch(f"/api/fieldlogs/{id}", json=given),
        client.put(f"/api/fieldlogs/{id}", json=given),
        client.post('/api/fieldlogs/update?where={"name":"a"}', json=given),
    ]
    for answer in calls:
        assert answer.status_code == 400, answer.text
        assert f"Fieldlog.{place} must not have the key" in answer.json["error"]["message"]
    assert [each.name for each in Fieldlog.objects] == ["a"]


@pytest.mark.parametrize("name", ["_cls", "self", "_created", "_data", "save", "__auto_convert"])
def test_further_keys_of_a_document_are_none_of_its_own(client: FlaskClient, name: str) -> None:
    id = client.post("/api/fieldpads", json={"name": "a", "color": "red"}).json["id"]
    for answer in (
        client.post("/api/fieldpads", json={name: 1}),
        client.patch(f"/api/fieldpads/{id}", json={name: 1}),
        client.put(f"/api/fieldpads/{id}", json={"name": "b", name: {"a": 1}}),
    ):
        assert answer.status_code == 400, answer.text
    (found,) = Fieldpad.objects
    assert (found.name, found.color) == ("a", "red")
    found.save()


def test_what_the_app_has_stored_may_come_back(client: FlaskClient) -> None:
    log = Fieldlog(name="a", notes={"by": Fieldnote(text="x")}, items=[1]).save()
    raw = Fieldlog._get_collection().find_one()
    shown = client.get(f"/api/fieldlogs/{log.id}").json
    assert shown["notes"]["by"]["_cls"] == "Fieldnote"
    for answer in (
        client.patch(f"/api/fieldlogs/{log.id}", json={**shown, "name": "b"}),
        client.put(f"/api/fieldlogs/{log.id}", json={**shown, "name": "b"}),
    ):
        assert answer.status_code == 200, answer.text
    assert Fieldlog._get_collection().find_one() == {**raw, "name": "b"}
