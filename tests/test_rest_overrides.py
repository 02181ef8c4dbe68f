from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields, post_dump, pre_load, validates_schema
from marshmallow import ValidationError as SchemaError

from flask_loop import DataSource, GeoPoint, Model, Prop, memory, prop

MakeApp = Callable[..., Flask]


class Calls(list[tuple[str, Any]]):
    """What a model's own operations were called with."""


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def product(source: DataSource, calls: Calls) -> type[Model]:
    """A model that has every operation of its own, each of which says that it was called."""

    class Product(Model):
        name: Prop[str] = prop(required=True)
        unit_price: Prop[int | None]
        secret: Prop[str | None] = prop(hidden=True)
        owner: Prop[str] = prop(read_only=True, default="me")
        batch: Prop[str | None] = prop(create_only=True)

        class Meta:
            data_source = source

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            calls.append(("find", None))
            return super().find(filter, **parts)

        @classmethod
        def find_one(cls, filter: Any = None, **parts: Any) -> Any:
            calls.append(("find_one", None))
            return super().find_one(filter, **parts)

        @classmethod
        def find_by_id(cls, id: Any, filter: Any = None) -> Any:
            calls.append(("find_by_id", id))
            return super().find_by_id(id, filter)

        @classmethod
        def exists(cls, id: Any) -> bool:
            calls.append(("exists", id))
            return super().exists(id)

        @classmethod
        def count(cls, where: Any = None) -> int:
            calls.append(("count", None))
            return super().count(where)

        @classmethod
        def create(cls, data: Any = None, **values: Any) -> Any:
            calls.append(("create", data))
            return super().create(data, **values)

        @classmethod
        def upsert(cls, data: Any = None, **values: Any) -> Any:
            calls.append(("upsert", data))
            return super().upsert(data, **values)

        @classmethod
        def replace_or_create(cls, data: Any) -> Any:
            calls.append(("replace_or_create", data))
            return super().replace_or_create(data)

        @classmethod
        def upsert_with_where(cls, where: Any, data: Any) -> Any:
            calls.append(("upsert_with_where", data))
            return super().upsert_with_where(where, data)

        @classmethod
        def replace_by_id(cls, id: Any, data: Any) -> Any:
            calls.append(("replace_by_id", data))
            return super().replace_by_id(id, data)

        @classmethod
        def update_all(cls, where: Any, data: Any) -> int:
            calls.append(("update_all", data))
            return super().update_all(where, data)

        @classmethod
        def destroy_by_id(cls, id: Any) -> int:
            calls.append(("destroy_by_id", id))
            return super().destroy_by_id(id)

        def patch_attributes(self, data: Any = None, **values: Any) -> Any:
            calls.append(("patch_attributes", (self.id, data)))  # type: ignore[attr-defined]
            return super().patch_attributes(data, **values)

    source.auto_update()
    return Product


@pytest.fixture
def client(make_app: MakeApp, product: type[Model], calls: Calls) -> FlaskClient:
    product.create({"name": "pen", "secret": "s", "batch": "b"})
    calls.clear()
    return make_app(product, LOOP_MAX_LIMIT=3).test_client()


PEN = {"name": "pen", "unitPrice": None, "owner": "me", "batch": "b", "id": 1}
NEW = {"name": "ink", "unitPrice": 5, "owner": "you", "batch": "c"}
INK = {**NEW, "owner": "me", "id": 2}
ACCEPTED = {"name": "ink", "unit_price": 5, "batch": "c"}
CHANGED = {"name": "ink", "unit_price": 5}
KEPT = {"secret": "s", "owner": "me", "batch": "b"}
WHERE = "?where=%7B%22name%22%3A%22pen%22%7D"
NONE = "?where=%7B%22name%22%3A%22cap%22%7D"
PATCHED = {**PEN, "name": "ink", "unitPrice": 5}

CASES: list[Any] = [
    ("GET", "", None, [PEN], ("find", None)),
    ("GET", "/findOne", None, PEN, ("find_one", None)),
    ("GET", "/1", None, PEN, ("find_by_id", 1)),
    ("GET", "/1?filter[fields]=name", None, {"name": "pen"}, ("find_by_id", 1)),
    ("GET", "/1/exists", None, {"exists": True}, ("exists", 1)),
    ("GET", "/2/exists", None, {"exists": False}, ("exists", 2)),
    ("GET", "/count", None, {"count": 1}, ("count", None)),
    ("GET", "/count" + NONE, None, {"count": 0}, ("count", None)),
    ("POST", "", NEW, INK, ("create", ACCEPTED)),
    ("POST", "", [NEW], [INK], ("create", [ACCEPTED])),
    ("PATCH", "", NEW, INK, ("upsert", ACCEPTED)),
    ("PATCH", "", {**NEW, "id": 1}, PATCHED, ("upsert", {**CHANGED, "id": 1})),
    ("PUT", "", NEW, INK, ("replace_or_create", ACCEPTED)),
    ("PUT", "", {**NEW, "id": 1}, PATCHED, ("replace_or_create", {**CHANGED, **KEPT, "id": 1})),
    ("POST", "/upsertWithWhere" + WHERE, NEW, PATCHED, ("upsert_with_where", CHANGED)),
    ("POST", "/upsertWithWhere" + NONE, NEW, INK, ("upsert_with_where", ACCEPTED)),
    ("PUT", "/1", NEW, PATCHED, ("replace_by_id", {**CHANGED, **KEPT})),
    ("POST", "/1/replace", NEW, PATCHED, ("replace_by_id", {**CHANGED, **KEPT})),
    ("POST", "/update" + WHERE, NEW, {"count": 1}, ("update_all", CHANGED)),
    ("PATCH", "/1", NEW, PATCHED, ("patch_attributes", (1, CHANGED))),
    ("DELETE", "/1", None, {"count": 1}, ("destroy_by_id", 1)),
    ("DELETE", "/2", None, {"count": 0}, ("destroy_by_id", 2)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_models_own_operation_answers_remote_calls_under_the_same_rules(
    client: FlaskClient, calls: Calls, case: tuple[Any, ...]
) -> None:
    verb, path, body, answer, call = case
    response = client.open(f"/api/products{path}", method=verb, json=body)
    assert (response.status_code, response.json) == (200, answer)
    assert call in calls


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("GET /api/products/9", None, 404),
        ("GET /api/products/findOne?filter[where][name]=cap", None, 404),
        ("GET /api/products/1?filter[where][name]=pen", None, 400),
        ("HEAD /api/products/9", None, 404),
        ("POST /api/products", {**NEW, "id": 7}, 422),
        ("POST /api/products", [{**NEW, "id": 7}], 422),
        ("POST /api/products", [NEW] * 1001, 400),
        ("POST /api/products", [1], 400),
        ("PATCH /api/products", {**NEW, "id": 9}, 404),
        ("PUT /api/products", {**NEW, "id": 9}, 404),
        ("PUT /api/products/9", NEW, 404),
        ("PUT /api/products/1", {**NEW, "id": 2}, 400),
        ("PATCH /api/products/9", NEW, 404),
        ("PATCH /api/products/1", {"name": ""}, 422),
        ("POST /api/products/update?where=", NEW, 400),
        ("GET /api/products?filter[limit]=4", None, 400),
    ],
)
def test_a_models_own_operation_does_not_get_what_is_refused(
    client: FlaskClient, product: type[Model], call: str, body: Any, status: int
) -> None:
    verb, path = call.split()
    response = client.open(path, method=verb, json=body)
    assert response.status_code == status
    assert [each.name for each in product.find()] == ["pen"]


def test_the_greatest_limit_holds_for_a_models_own_find(
    client: FlaskClient, product: type[Model]
) -> None:
    product.create([{"name": f"p{n}"} for n in range(5)])
    first = client.get("/api/products?filter[fields]=id")
    assert first.json == [{"id": 1}, {"id": 2}, {"id": 3}]
    link = first.headers["Link"].partition(">")[0].strip("<")
    second = client.get(link)
    assert second.json == [{"id": 4}, {"id": 5}, {"id": 6}]
    assert "Link" not in second.headers


def test_a_find_that_gives_more_than_it_was_asked_for_is_cut(make_app: MakeApp) -> None:
    class Product(Model):
        name: Prop[str]

        class Meta:
            data_source = memory()

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            return (cls(name=f"p{n}") for n in range(100))

    client = make_app(Product, LOOP_MAX_LIMIT=2).test_client()
    assert len(client.get("/api/products").json or ()) == 2


def test_deleting_nothing_is_404_where_the_model_is_strict(make_app: MakeApp) -> None:
    class Product(Model):
        name: Prop[str]

        class Meta:
            data_source = memory()
            strict_delete = True

        @classmethod
        def destroy_by_id(cls, id: Any) -> int:
            return super().destroy_by_id(id)

    client = make_app(Product).test_client()
    assert client.delete("/api/products/1").status_code == 404


@pytest.mark.parametrize(
    ("alias", "verb", "path"),
    [
        ("update_attributes", "PATCH", "/1"),
        ("delete_by_id", "DELETE", "/1"),
        ("update_or_create", "PATCH", ""),
    ],
)
def test_an_operation_overridden_under_its_other_name_answers_too(
    make_app: MakeApp, alias: str, verb: str, path: str
) -> None:
    source = memory()
    base = source.create_model("base", {"name": str})
    seen: list[str] = []

    def own(self: Any, *arguments: Any) -> Any:
        seen.append(alias)
        return 1

    own.__name__ = alias
    is_static = alias != "update_attributes"
    body = {alias: classmethod(own) if is_static else own, "__module__": __name__}
    model = type("Thing", (base,), body)
    model.attach_to(source)
    model.create(name="a")
    client = make_app(model).test_client()
    assert client.open(f"/api/things{path}", method=verb, json={}).status_code == 200
    assert seen == [alias]


def test_an_operation_of_a_mixin_answers(make_app: MakeApp) -> None:
    class Loud:
        @classmethod
        def create(cls, data: Any = None, **values: Any) -> Any:
            return super().create({**data, "name": data["name"].upper()})  # type: ignore[misc]

    class Product(Loud, Model):
        name: Prop[str]

        class Meta:
            data_source = memory()

    client = make_app(Product, LOOP_CREATED_STATUS=201).test_client()
    response = client.post("/api/products", json={"name": "pen"})
    assert response.json == {"name": "PEN", "id": 1}
    assert response.headers["Location"] == "/api/products/1"


def test_values_of_property_types_are_written_as_properties_are(make_app: MakeApp) -> None:
    id = uuid.UUID(int=5)

    class Product(Model):
        name: Prop[str | None]
        json: Prop[dict[str, Any] | None]

        class Meta:
            data_source = memory()

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            return [
                {
                    "at": dt.datetime(2024, 2, 3, 4, 5, 6, 7000, tzinfo=dt.UTC),
                    "naive": dt.datetime(2024, 2, 3),  # noqa: DTZ001 - naive means UTC
                    "day": dt.date(2024, 2, 3),
                    "price": Decimal("1.50"),
                    "data": b"ab",
                    "place": GeoPoint(1, 2),
                    "id": id,
                    "record": cls(name="in", json={"a": 1}),
                }
            ]

        @classmethod
        def find_by_id(cls, id: Any, filter: Any = None) -> Any:
            return cls(name="one", json={"b": 2})

    client = make_app(Product).test_client()
    assert client.get("/api/products").json == [
        {
            "at": "2024-02-03T04:05:06.007Z",
            "naive": "2024-02-03T00:00:00.000Z",
            "day": "2024-02-03",
            "price": "1.50",
            "data": "YWI=",
            "place": {"lat": 1.0, "lng": 2.0},
            "id": str(id),
            "record": {"name": "in", "json": {"a": 1}, "id": None},
        }
    ]
    assert client.get("/api/products/1").json == {"name": "one", "json": {"b": 2}, "id": None}


# to_dict


@pytest.fixture
def shouting(make_app: MakeApp, source: DataSource) -> FlaskClient:
    class Product(Model):
        name: Prop[str]
        secret: Prop[str | None] = prop(hidden=True)

        class Meta:
            data_source = source

        def to_dict(self) -> dict[str, Any]:
            return {**super().to_dict(), "shout": self.name.upper() + "!"}

    source.auto_update()
    return make_app(Product, LOOP_CREATED_STATUS=201).test_client()


def test_a_models_own_to_dict_makes_every_answer(shouting: FlaskClient) -> None:
    pen = {"name": "pen", "id": 1, "shout": "PEN!"}
    created = shouting.post("/api/products", json={"name": "pen", "secret": "s"})
    assert (created.json, created.headers["Location"]) == (pen, "/api/products/1")
    assert shouting.get("/api/products").json == [pen]
    assert shouting.get("/api/products/1").json == pen
    assert shouting.get("/api/products/findOne").json == pen
    assert shouting.patch("/api/products/1", json={}).json == pen
    assert shouting.put("/api/products/1", json={"name": "ink"}).json == {
        "name": "ink", "id": 1, "shout": "INK!",
    }  # fmt: skip
    assert shouting.post("/api/products", json=[{"name": "a"}]).json == [
        {"name": "a", "id": 2, "shout": "A!"}
    ]


# A schema of the user's own


@pytest.fixture
def person(source: DataSource) -> type[Model]:
    class Person(Model):
        first_name: Prop[str]
        last_name: Prop[str | None]
        age: Prop[int | None]
        role: Prop[str] = prop(read_only=True, default="guest")

        class Meta:
            data_source = source
            plural = "people"

    class PersonSchema(Schema):
        id = fields.Integer(allow_none=True)
        first_name = fields.String(required=True, data_key="firstName")
        last_name = fields.String(allow_none=True, load_default=None, data_key="lastName")
        age = fields.Integer(allow_none=True, load_default=None)
        role = fields.String()

        @pre_load
        def split_name(self, data: dict[str, Any], **more: Any) -> dict[str, Any]:
            if "fullName" not in data:
                return data
            first, last = data["fullName"].split(" ", 1)
            rest = {key: value for key, value in data.items() if key != "fullName"}
            return {**rest, "firstName": first, "lastName": last}

        @validates_schema
        def refuse_dracula(self, data: dict[str, Any], **more: Any) -> None:
            if data.get("first_name") == "Dracula":
                raise SchemaError({"firstName": ["is not welcome"]})

        @post_dump
        def join_name(self, data: dict[str, Any], **more: Any) -> dict[str, Any]:
            return {**data, "fullName": f"{data['firstName']} {data['lastName']}"}

    source.auto_update()
    Person.schema = PersonSchema
    return Person


ADA = {
    "firstName": "Ada",
    "lastName": "Byron",
    "age": 36,
    "role": "guest",
    "id": 1,
    "fullName": "Ada Byron",
}


def test_a_users_schema_takes_part_in_reading_and_writing(
    make_app: MakeApp, person: type[Model]
) -> None:
    client = make_app(person).test_client()
    body = {"fullName": "Ada Byron", "age": 36, "role": "admin"}
    assert client.post("/api/people", json=body).json == ADA
    assert client.get("/api/people").json == [ADA]
    assert client.get("/api/people/1").json == ADA
    changed = {**ADA, "lastName": "Lovelace", "fullName": "Ada Lovelace"}
    assert client.patch("/api/people/1", json={"lastName": "Lovelace"}).json == changed
    assert client.put("/api/people/1", json={"fullName": "Ada Byron", "age": 36}).json == ADA


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({"firstName": "Dracula"}, {"firstName": ["invalid"]}),
        ({"lastName": "Byron"}, {"firstName": ["invalid"]}),
        ({"firstName": "Ada", "age": "old"}, {"age": ["invalid"]}),
        ({"firstName": "Ada", "shoe": 38}, {"shoe": ["invalid"]}),
    ],
)
def test_what_a_users_schema_refuses_is_422(
    make_app: MakeApp, person: type[Model], body: dict[str, Any], codes: dict[str, Any]
) -> None:
    response = make_app(person).test_client().post("/api/people", json=body)
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == codes  # type: ignore[index]
    assert person.count() == 0


def test_keys_that_only_a_users_schema_has_are_not_stored(
    make_app: MakeApp, person: type[Model]
) -> None:
    class WithConfirmation(type(person.schema)):  # type: ignore[misc]
        confirmed = fields.Boolean(required=True)

    person.schema = WithConfirmation
    client = make_app(person).test_client()
    body = {"firstName": "Ada", "lastName": "Byron", "age": 36}
    assert client.post("/api/people", json=body).status_code == 422
    assert client.post("/api/people", json={**body, "confirmed": True}).json == ADA
    assert client.get("/api/people/1").json == ADA


def test_what_a_users_schema_leaves_out_is_still_required(
    make_app: MakeApp, person: type[Model]
) -> None:
    class Loose(Schema):
        last_name = fields.String(data_key="lastName")

    person.schema = Loose
    client = make_app(person).test_client()
    response = client.post("/api/people", json={"lastName": "Byron"})
    assert response.status_code == 422
    codes = response.json["error"]["details"]["codes"]  # type: ignore[index]
    assert codes == {"firstName": ["presence"]}


def test_a_users_schema_does_not_open_what_clients_must_not_write(
    make_app: MakeApp, person: type[Model]
) -> None:
    client = make_app(person).test_client()
    client.post("/api/people", json={"firstName": "Ada", "role": "admin", "first_name": "Eve"})
    client.patch("/api/people/1", json={"role": "admin", "first_name": "Eve"})
    stored = person.find()[0].to_record()
    assert (stored["role"], stored["first_name"]) == ("guest", "Ada")
