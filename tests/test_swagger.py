from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import given, settings
from marshmallow import Schema, fields
from marshmallow.validate import Length, Range
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from flask_loop import DefinitionError, GeoPoint, Loop, Model, Prop, create_model, memory, prop

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Address(Model):
    street: Prop[str]
    door_code: Prop[str | None] = prop(default=None, hidden=True)
    floor: Prop[int | None] = prop(default=None, protected=True)

    class Meta:
        id_injection = False


class Product(Model):
    """Notes of the developers."""

    name: Prop[str] = prop(required=True, max_length=80, description="What it is called.")
    unit_price: Prop[float] = prop(min=0, max=1_000_000)
    list_price: Prop[Decimal | None] = prop(precision=8, scale=2, default=None)
    size: Prop[Size] = prop(default="s")
    color: Prop[str | None] = prop(enum=["red", "blue"], default=None)
    sku: Prop[str] = prop(pattern="^[A-Z]{3}-[0-9]{3}$", min_length=7)
    pass_phrase: Prop[str | None] = prop(write_only=True, default=None)
    cost_price: Prop[dict[str, Any] | None] = prop(hidden=True, default=None)
    created: Prop[dt.datetime] = prop(read_only=True, default_fn="now")
    batch: Prop[uuid.UUID] = prop(create_only=True, default_fn="uuid")
    released: Prop[dt.date | None]
    tags: Prop[list[str]] = prop(default=list, max_length=9)
    extra: Prop[dict[str, Any] | None]
    picture: Prop[bytes | None]
    anything: Prop[Any | None]
    maker: Prop[Address | None] = prop(description="Who makes it.")
    shops: Prop[list[Address] | None]
    location: Prop[GeoPoint | None] = prop(default=None)

    class Meta:
        description = "Things that are sold."


class Node(Model):
    name: Prop[str]
    parent: Prop[Node | None]
    children: Prop[list[Node] | None]


def make_app(*models: type[Model], prefix: str = "/api", **config: Any) -> Flask:
    """An app that exposes models; those without a data source get one of their own."""
    app = Flask("shop")
    app.config.update(TESTING=True, **config)
    loop = Loop(app, url_prefix=prefix)
    for model in models:
        if model.data_source is None:
            model.attach_to(memory())
        loop.model(model)
    return app


def document_of(app: Flask, name: str = "openapi.json") -> dict[str, Any]:
    response = app.test_client().get(f"/_docs/{name}")
    assert response.status_code == 200
    document: dict[str, Any] = response.get_json()
    return document


def operation_ids(document: dict[str, Any]) -> list[str]:
    return [
        operation["operationId"]
        for verbs in document["paths"].values()
        for operation in verbs.values()
    ]


@pytest.fixture
def shop() -> Iterator[Flask]:
    Product.attach_to(memory())
    yield make_app(Product)
    Product.attach_to(memory())


@pytest.fixture
def document(shop: Flask) -> dict[str, Any]:
    return document_of(shop)


@pytest.fixture
def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


# The documents as a whole


def odd_models() -> list[type[Any]]:
    source = memory()
    return [
        Node,
        source.create_model("coffee-shop", {"name": "String", "at": "GeoPoint", "no": "null"}),
        source.create_model("Error", {"inside": {"type": {"a": "Number", "b": ["String"]}}}),
        source.create_model("NewError", {"code": {"type": "String", "id": True}}),
        source.create_model(
            "stay", {"room": {"type": "Number", "id": 1}, "day": {"type": "Date", "id": 2}}
        ),
        source.create_model("free", {}, strict=False, force_id=False),
        source.create_model("email", {"to": {"type": fields.Email()}}, strict="validate"),
        source.create_model("empty", {}, id_injection=False),
    ]


@pytest.mark.parametrize("name", ["openapi.json", "swagger.json"])
def test_the_documents_are_valid(name: str) -> None:
    validate(document_of(make_app(Product, *odd_models()), name))
    validate(document_of(make_app(), name))


def test_the_versions_are_3_1_and_2_0(shop: Flask) -> None:
    assert document_of(shop)["openapi"] == "3.1.0"
    assert document_of(shop, "swagger.json")["swagger"] == "2.0"


def test_every_route_of_a_model_is_described(shop: Flask, document: dict[str, Any]) -> None:
    described = {
        (verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs
    }
    routed = {
        (verb, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in shop.url_map.iter_rules()
        if rule.endpoint.startswith("loop.products.") and "other_verbs" not in rule.endpoint
        for verb in rule.methods or ()
    }
    heads_of_gets = {("HEAD", path) for path, verbs in document["paths"].items() if "get" in verbs}
    switched_off = {("DELETE", "/api/products")}
    assert described == routed - (heads_of_gets - described) - switched_off
    assert len(described) == 16


def test_operation_ids_are_unique_and_good_for_generators() -> None:
    ids = operation_ids(document_of(make_app(Product, *odd_models())))
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z_]\w*", each) for each in ids)
    assert {"products_find", "products_findById", "coffee_shops_create"} <= set(ids)
    assert {"products_replaceById", "products_replaceById_post", "products_exists_head"} <= set(ids)


def test_operations_have_the_tag_of_their_model_with_its_description(
    document: dict[str, Any],
) -> None:
    assert document["tags"] == [{"name": "Product", "description": "Things that are sold."}]
    operations = [each for verbs in document["paths"].values() for each in verbs.values()]
    assert all(each["tags"] == ["Product"] and each["summary"] for each in operations)


def test_docstrings_stay_with_the_developers(document: dict[str, Any]) -> None:
    assert "Notes of the developers" not in json.dumps(document)


def test_schema_names_fit_generators_and_never_clash() -> None:
    class Product(Model):
        """Another model of the same name, from another module."""

        code: Prop[str]

        class Meta:
            plural = "otherProducts"

    names = document_of(make_app(globals()["Product"], Product, *odd_models()))["components"]
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in names["schemas"])
    assert {"Product", "Product2", "NewProduct", "NewProduct2"} <= set(names["schemas"])
    assert "code" in names["schemas"]["NewError"]["properties"]
    assert "code" not in names["schemas"]["NewError2"]["properties"]
    assert "CoffeeShop" in names["schemas"]


# Schemas


def test_an_answer_has_what_clients_may_see(schemas: dict[str, Any]) -> None:
    assert list(schemas["Product"]["properties"]) == [
        *("name", "unitPrice", "listPrice", "size", "color", "sku", "created", "batch"),
        *("released", "tags", "extra", "picture", "anything", "maker", "shops", "location", "id"),
    ]
    # A filter's fields may leave any of them out.
    assert "required" not in schemas["Product"]


def test_a_new_record_has_what_clients_may_send(schemas: dict[str, Any]) -> None:
    sent = set(schemas["NewProduct"]["properties"])
    assert sent == set(schemas["Product"]["properties"]) - {"id", "created"} | {"passPhrase"}
    assert sorted(schemas["NewProduct"]["required"]) == ["name", "sku", "unitPrice"]


def test_a_patch_requires_nothing_and_has_no_fixed_properties(schemas: dict[str, Any]) -> None:
    sent = set(schemas["NewProduct"]["properties"])
    assert set(schemas["ProductPatch"]["properties"]) == sent - {"batch"}
    assert "required" not in schemas["ProductPatch"]


def test_an_upsert_may_have_the_id_and_requires_nothing(schemas: dict[str, Any]) -> None:
    assert "id" in schemas["ProductUpsert"]["properties"]
    assert "required" not in schemas["ProductUpsert"]


def test_a_replacement_may_have_the_id(schemas: dict[str, Any]) -> None:
    assert "id" in schemas["ProductReplacement"]["properties"]
    assert sorted(schemas["ProductReplacement"]["required"]) == ["name", "sku", "unitPrice"]


@pytest.mark.parametrize("name", ["openapi.json", "swagger.json"])
@pytest.mark.parametrize("hidden", ["costPrice", "cost_price", "doorCode", "door_code"])
def test_hidden_properties_are_nowhere(shop: Flask, name: str, hidden: str) -> None:
    assert hidden not in json.dumps(document_of(shop, name))


def test_write_only_properties_are_in_requests_only(schemas: dict[str, Any]) -> None:
    for name, schema in schemas.items():
        if "passPhrase" in schema.get("properties", {}):
            assert schema["properties"]["passPhrase"]["writeOnly"] is True
            assert name in ("NewProduct", "ProductPatch", "ProductUpsert", "ProductReplacement")


def test_properties_that_clients_cannot_set_are_read_only(schemas: dict[str, Any]) -> None:
    read_only = {
        name for name, each in schemas["Product"]["properties"].items() if each.get("readOnly")
    }
    assert read_only == {"created", "id"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("name", {"type": "string", "minLength": 1, "maxLength": 80}),
        ("unitPrice", {"type": "number", "minimum": 0, "maximum": 1_000_000}),
        ("listPrice", {"type": ["string", "null"], "format": "decimal"}),
        ("size", {"type": "string", "enum": ["s", "l"], "default": "s"}),
        ("color", {"type": ["string", "null"], "enum": ["red", "blue", None]}),
        ("sku", {"type": "string", "minLength": 7, "pattern": "^[A-Z]{3}-[0-9]{3}$"}),
        ("batch", {"type": "string", "format": "uuid"}),
        ("released", {"type": ["string", "null"], "format": "date"}),
        ("tags", {"type": "array", "maxItems": 9}),
        ("extra", {"type": ["object", "null"]}),
        ("picture", {"type": ["string", "null"], "contentEncoding": "base64"}),
        (
            "location",
            {"anyOf": [{"$ref": "#/components/schemas/GeoPoint"}, {"type": "null"}]},
        ),
    ],
)
def test_types_constraints_and_defaults(
    schemas: dict[str, Any], name: str, said: dict[str, Any]
) -> None:
    property_ = schemas["NewProduct"]["properties"][name]
    assert {key: property_.get(key) for key in said} == said


def test_only_plain_defaults_are_told_and_only_for_requests(schemas: dict[str, Any]) -> None:
    with_default = {
        key for key, each in schemas["NewProduct"]["properties"].items() if "default" in each
    }
    assert with_default == {"size"}
    assert "default" not in schemas["Product"]["properties"]["size"]


def test_descriptions_are_told(schemas: dict[str, Any]) -> None:
    assert schemas["Product"]["description"] == "Things that are sold."
    assert schemas["Product"]["properties"]["name"]["description"] == "What it is called."
    assert schemas["Product"]["properties"]["maker"]["description"] == "Who makes it."


def test_an_answer_promises_no_more_than_the_rules(schemas: dict[str, Any]) -> None:
    # Length and format let blank values pass, so an answer may have them.
    assert {"pattern", "minLength"}.isdisjoint(schemas["Product"]["properties"]["sku"])
    assert schemas["Product"]["properties"]["name"]["minLength"] == 1


def test_rules_of_the_model_are_told_unless_they_depend_on_the_record() -> None:
    color = memory().create_model("color", {"name": "String", "hue": "Number", "code": "String"})
    color.validates_presence_of("name")
    color.validates_length_of("name", is_=3)
    color.validates_numericality_of("hue", int=True, allow_null=True)
    color.validates_format_of("code", with_=r"(?i)^x\z")
    color.validates_length_of("code", max=9, if_="name")
    schemas = document_of(make_app(color))["components"]["schemas"]
    assert schemas["NewColor"]["required"] == ["name"]
    properties = schemas["NewColor"]["properties"]
    assert properties["name"]["type"] == "string"
    assert (properties["name"]["minLength"], properties["name"]["maxLength"]) == (3, 3)
    assert properties["hue"]["type"] == ["integer", "null"]
    # No pattern of JSON Schema, which is ECMA 262.
    assert properties["code"]["x-pattern"] == r"(?i)^x\z"
    assert {"pattern", "maxLength"}.isdisjoint(properties["code"])


def test_embedded_records_have_schemas_of_their_own(schemas: dict[str, Any]) -> None:
    answered, sent = schemas["Product"]["properties"], schemas["NewProduct"]["properties"]
    embedded = {"$ref": "#/components/schemas/EmbeddedAddress"}
    assert answered["maker"]["anyOf"][0] == embedded
    assert answered["shops"]["items"] == embedded
    assert sent["maker"]["anyOf"][0] == {"$ref": "#/components/schemas/NewAddress"}
    assert set(schemas["EmbeddedAddress"]["properties"]) == {"street"}
    assert set(schemas["NewAddress"]["properties"]) == {"street", "floor"}
    assert schemas["NewAddress"]["required"] == ["street"]


def test_a_model_may_hold_records_of_itself() -> None:
    schemas = document_of(make_app(Node))["components"]["schemas"]
    inner = schemas["EmbeddedNode"]["properties"]
    assert inner["parent"]["anyOf"][0] == {"$ref": "#/components/schemas/EmbeddedNode"}
    assert inner["children"]["items"] == {"$ref": "#/components/schemas/EmbeddedNode"}
    assert schemas["NewNode"]["properties"]["parent"]["examples"] == [None]


def test_an_object_that_is_described_in_place_is_told_in_place() -> None:
    box = memory().create_model("box", {"size": {"type": {"height": "Number"}}})
    schemas = document_of(make_app(box))["components"]["schemas"]
    inner = schemas["NewBox"]["properties"]["size"]["properties"]
    assert inner["height"]["type"] == ["number", "null"]


def test_strict_modes_say_what_becomes_of_unknown_keys() -> None:
    source = memory()
    app = make_app(
        source.create_model("loose", {}, strict=False),
        source.create_model("strict", {}, strict="validate"),
        source.create_model("plain", {}),
    )
    schemas = document_of(app)["components"]["schemas"]
    assert schemas["NewLoose"]["additionalProperties"] is True
    assert schemas["Loose"]["additionalProperties"] is True
    assert schemas["NewStrict"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Strict"]
    assert "additionalProperties" not in schemas["NewPlain"]


def test_a_marshmallow_schema_of_the_users_own_is_told() -> None:
    class Review(Model):
        text: Prop[str]
        stars: Prop[int] = prop(max=5)
        cost: Prop[Any | None]

    class Author(Schema):
        name = fields.String(required=True)
        secret = fields.String()
        friends = fields.List(fields.Nested(lambda: Author(exclude=("secret", "friends"))))

    class ReviewSchema(type(Review.schema)):  # type: ignore[misc]
        text = fields.String(required=True, validate=Length(max=10))
        cost = fields.Decimal(validate=Range(min=Decimal("0.5")))
        shout = fields.Method("make_shout", dump_only=True)
        author = fields.Nested(Author)

        def make_shout(self, review: Review) -> str:
            return review.text.upper()

    app = make_app(Review)
    before = document_of(app)["components"]["schemas"]["Review"]["properties"]
    assert "shout" not in before
    Review.schema = ReviewSchema
    document = document_of(app)
    validate(document)
    schemas = document["components"]["schemas"]
    assert schemas["NewReview"]["properties"]["text"]["maxLength"] == 10
    assert schemas["NewReview"]["properties"]["stars"]["maximum"] == 5
    assert schemas["NewReview"]["properties"]["cost"]["minimum"] == 0.5
    assert "shout" in schemas["Review"]["properties"]
    assert "shout" not in schemas["NewReview"]["properties"]
    # apispec by itself lets the two Author schemas fall into one.
    assert set(schemas["Author"]["properties"]) == {"name", "secret", "friends"}
    assert set(schemas["Author2"]["properties"]) == {"name"}


# Operations


def test_the_id_in_the_path_has_its_type() -> None:
    source = memory()
    app = make_app(
        source.create_model("thing", {"key": {"type": "UUID", "id": True}}), *odd_models()[4:5]
    )
    paths = document_of(app)["paths"]
    (parameter, _) = paths["/api/things/{id}"]["get"]["parameters"]
    assert parameter["schema"] == {"type": "string", "format": "uuid"}
    assert parameter["required"] is True
    (parameter, _) = paths["/api/stays/{id}"]["get"]["parameters"]
    assert parameter["schema"]["type"] == "string"


def test_filters_are_json_with_examples_that_the_api_takes(
    shop: Flask, document: dict[str, Any], schemas: dict[str, Any]
) -> None:
    (parameter,) = document["paths"]["/api/products"]["get"]["parameters"]
    content = parameter["content"][JSON]
    assert content["schema"] == {"$ref": "#/components/schemas/ProductFilter"}
    examples = [each["value"] for each in content["examples"].values()]
    assert examples == schemas["ProductFilter"]["examples"]
    assert examples[0] == {"limit": 10}
    for filter in examples:
        response = shop.test_client().get(
            "/api/products", query_string={"filter": json.dumps(filter)}
        )
        assert response.status_code == 200


def test_a_where_has_an_example_that_the_api_takes(shop: Flask, document: dict[str, Any]) -> None:
    (parameter,) = document["paths"]["/api/products/count"]["get"]["parameters"]
    where = parameter["content"][JSON]["example"]
    assert where == {"unitPrice": {"gte": 9.5}}
    response = shop.test_client().get(
        "/api/products/count", query_string={"where": json.dumps(where)}
    )
    assert response.get_json() == {"count": 0}


def test_a_required_where_is_told(document: dict[str, Any]) -> None:
    (parameter,) = document["paths"]["/api/products/update"]["post"]["parameters"]
    assert (parameter["name"], parameter["required"]) == ("where", True)


def test_the_greatest_limit_is_told() -> None:
    document = document_of(make_app(Product, LOOP_MAX_LIMIT=50))
    limit = document["components"]["schemas"]["ProductFilter"]["properties"]["limit"]
    assert limit["maximum"] == 50


def composed(schemas: dict[str, Any], schema: dict[str, Any]) -> Any:
    """What tools show as the example of a schema: the examples of its parts."""
    if "$ref" in schema:
        return composed(schemas, schemas[schema["$ref"].rpartition("/")[2]])
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return composed(schemas, schema["anyOf"][0])
    if schema.get("type") in ("array", ["array", "null"]):
        return [composed(schemas, schema["items"])]
    return {key: composed(schemas, part) for key, part in schema["properties"].items()}


def test_the_examples_make_a_record_that_the_api_takes(
    shop: Flask, schemas: dict[str, Any]
) -> None:
    example = composed(schemas, schemas["NewProduct"])
    response = shop.test_client().post("/api/products", json=example)
    assert response.status_code == 200, response.get_json()
    stored = response.get_json()
    sent = {key: value for key, value in example.items() if key != "passPhrase"}
    sent["maker"], sent["shops"] = {"street": "string"}, [{"street": "string"}]
    assert {key: stored[key] for key in sent} == sent


def test_examples_keep_the_rules() -> None:
    person = memory().create_model(
        "person",
        {
            "email": "String",
            "code": {"type": "String", "pattern": "^[0-9]+$"},
            "odd": {"type": "String", "pattern": "^Zx{7}$"},
            "word": {"type": "String", "min": 20, "max": 22},
            "age": {"type": "Integer", "min": 18},
            "since": {"type": "Date", "min": "2030-01-01"},
            "list": {"type": ["Number"], "min_length": 2},
        },
    )
    person.validates_exclusion_of("age", in_=[1, 18])
    properties = document_of(make_app(person))["components"]["schemas"]["NewPerson"]["properties"]
    assert properties["email"]["examples"] == ["ada@example.com"]
    assert re.search("^[0-9]+$", properties["code"]["examples"][0])
    assert "examples" not in properties["odd"]
    assert 20 <= len(properties["word"]["examples"][0]) <= 22
    assert "examples" not in properties["age"]
    assert properties["since"]["examples"] == ["2030-01-01T00:00:00.000Z"]
    assert len(properties["list"]["examples"][0]) == 2


def test_bodies_are_json_or_urlencoded(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/products"]["post"]["requestBody"]
    new = {"$ref": "#/components/schemas/NewProduct"}
    assert body["required"] is True
    assert body["content"][JSON]["schema"]["oneOf"] == [new, {"type": "array", "items": new}]
    assert body["content"][FORM]["schema"] == new
    assert body["content"][FORM]["encoding"]["location"] == {"style": "deepObject", "explode": True}
    patch = document["paths"]["/api/products/{id}"]["patch"]["requestBody"]
    assert patch["content"][JSON]["schema"] == {"$ref": "#/components/schemas/ProductPatch"}
    assert "requestBody" not in document["paths"]["/api/products"]["get"]


@pytest.mark.parametrize(
    ("verb", "path", "statuses"),
    [
        ("get", "/api/products", "200 400"),
        ("post", "/api/products", "200 400 413 415 422"),
        ("put", "/api/products", "200 400 404 413 415 422"),
        ("get", "/api/products/findOne", "200 400 404"),
        ("get", "/api/products/{id}", "200 400 404"),
        ("head", "/api/products/{id}", "200 404"),
        ("patch", "/api/products/{id}", "200 400 404 413 415 422"),
        ("delete", "/api/products/{id}", "200 404"),
        ("get", "/api/products/count", "200 400"),
        ("post", "/api/products/update", "200 400 413 415 422"),
    ],
)
def test_responses_have_the_statuses_that_the_api_answers(
    document: dict[str, Any], verb: str, path: str, statuses: str
) -> None:
    responses = document["paths"][path][verb]["responses"]
    assert set(responses) - {"default"} == set(statuses.split())
    assert ("default" in responses) is (verb != "head")


def test_a_conflict_is_told_where_clients_choose_the_id() -> None:
    country = memory().create_model("country", {"code": {"type": "String", "id": True}})
    document = document_of(make_app(country))
    assert "409" in document["paths"]["/api/countries"]["post"]["responses"]
    assert document["components"]["schemas"]["NewCountry"]["required"] == ["code"]


def test_answers_have_schemas(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    def answer(verb: str, path: str) -> Any:
        response = document["paths"][path][verb]["responses"]["200"]
        return response["content"][JSON]["schema"]

    record = {"$ref": "#/components/schemas/Product"}
    assert answer("get", "/api/products") == {"type": "array", "items": record}
    assert answer("get", "/api/products/{id}") == record
    assert answer("get", "/api/products/count") == {"$ref": "#/components/schemas/Count"}
    assert answer("delete", "/api/products/{id}") == {"$ref": "#/components/schemas/Count"}
    assert answer("get", "/api/products/{id}/exists") == {"$ref": "#/components/schemas/Exists"}
    assert schemas["Count"]["properties"] == {"count": {"type": "integer", "minimum": 0}}


def test_errors_are_loopbacks_or_problem_details(document: dict[str, Any]) -> None:
    for response in document["components"]["responses"].values():
        assert set(response["content"]) == {JSON, "application/problem+json"}
    missing = document["components"]["responses"]["NotFound"]["content"][JSON]["example"]
    assert missing["error"]["statusCode"] == 404
    assert missing["error"]["code"] == "MODEL_NOT_FOUND"


def test_the_status_of_created_records_follows_the_setting() -> None:
    document = document_of(make_app(Product, LOOP_CREATED_STATUS=201))
    responses = document["paths"]["/api/products"]["post"]["responses"]
    assert "Location" in responses["201"]["headers"]
    assert "200" not in responses


def test_put_merges_where_the_model_says_so() -> None:
    merged = memory().create_model("merged", {"name": "String"}, replace_on_put=False)
    verbs = document_of(make_app(merged))["paths"]["/api/mergeds/{id}"]
    assert verbs["put"]["operationId"] == "mergeds_patchAttributes_put"
    reference = verbs["put"]["requestBody"]["content"][JSON]["schema"]["$ref"]
    assert reference.endswith("/MergedPatch")


@pytest.mark.slow
def test_the_api_answers_as_the_document_says(shop: Flask) -> None:
    schema = schemathesis.openapi.from_wsgi("/_docs/openapi.json", shop)
    for found in schema.get_all_operations():

        @settings(max_examples=20, deadline=None, database=None)
        @given(case=found.ok().as_strategy())
        def answer(case: schemathesis.Case) -> None:
            case.call_and_validate(
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_headers_conformance,
                    response_schema_conformance,
                ]
            )

        answer()


def test_records_by_key_are_described_as_what_clients_see_of_them() -> None:
    class Shelf(Model):
        by_street: Prop[dict[str, Address] | None]
        twins: Prop[dict[str, Shelf] | None]

    document = document_of(make_app(Shelf))
    validate(document)
    schemas = document["components"]["schemas"]
    by_street = schemas["Shelf"]["properties"]["byStreet"]
    assert by_street["additionalProperties"] == {"$ref": "#/components/schemas/EmbeddedAddress"}
    assert set(schemas["EmbeddedAddress"]["properties"]) == {"street"}
    assert schemas["NewShelf"]["properties"]["twins"]["examples"] == [{}]


# Live changes


def test_the_document_follows_what_remote_callers_may_do() -> None:
    source = memory()
    app = make_app(source.create_model("color", {"name": "String"}))
    assert "delete" not in document_of(app)["paths"]["/api/colors"]
    source.enable_remote("destroy_all")
    source.disable_remote("create")
    verbs = document_of(app)["paths"]["/api/colors"]
    assert "delete" in verbs
    assert "post" not in verbs
    source.disable("find")
    assert "get" not in document_of(app)["paths"]["/api/colors"]


def test_a_model_without_remote_methods_is_not_in_the_document() -> None:
    source = memory()
    color = source.create_model("color", {"name": "String"})
    app = make_app(color)
    source.disable(*source.operations())
    document = document_of(app)
    assert document["paths"] == {}
    assert "tags" not in document
    validate(document)


def test_the_document_follows_rules_that_are_added() -> None:
    color = memory().create_model("color", {"name": "String"})
    app = make_app(color)
    assert "required" not in document_of(app)["components"]["schemas"]["NewColor"]
    color.validates_presence_of("name")
    assert document_of(app)["components"]["schemas"]["NewColor"]["required"] == ["name"]


def test_the_document_follows_rules_of_embedded_models() -> None:
    class Wheel(Model):
        size: Prop[int | None]

    class Car(Model):
        wheels: Prop[list[Wheel] | None]

    app = make_app(Car)
    document_of(app)
    Wheel.validates_presence_of("size")
    assert document_of(app)["components"]["schemas"]["NewWheel"]["required"] == ["size"]


def test_models_that_are_registered_later_are_in_the_document() -> None:
    app = Flask("shop")
    loop = Loop(app)
    loop.model(memory().create_model("color", {"name": "String"}))
    assert "/colors" in document_of(app)["paths"]


def test_an_unchanged_document_is_not_sent_again(shop: Flask) -> None:
    client = shop.test_client()
    etag = client.get("/_docs/openapi.json").headers["ETag"]
    again = client.get("/_docs/openapi.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


# Servers


def servers_of(app: Flask, **request: Any) -> list[str]:
    response = app.test_client().get("/_docs/openapi.json", **request)
    return [each["url"] for each in response.get_json()["servers"]]


def test_the_server_is_the_apps_own_root_and_never_the_host_of_the_request(shop: Flask) -> None:
    response = shop.test_client().get("/_docs/openapi.json", headers={"Host": "evil.example"})
    assert "evil" not in response.get_data(as_text=True)
    assert response.get_json()["servers"] == [{"url": "/"}]


def test_the_server_is_where_the_app_is_mounted(shop: Flask) -> None:
    mounted = {"environ_overrides": {"SCRIPT_NAME": "/mounted"}}
    assert servers_of(shop, **mounted) == ["/mounted"]
    swagger = shop.test_client().get("/_docs/swagger.json", **mounted).get_json()
    assert swagger["basePath"] == "/mounted"
    assert "host" not in swagger


@pytest.mark.parametrize("is_before", [True, False])
def test_the_server_may_be_named(is_before: bool) -> None:
    app, loop = Flask("shop"), Loop()
    if is_before:
        loop.docs(base_path="https://api.example.com/v1")
    loop.init_app(app)
    loop.docs(base_path="https://api.example.com/v1")
    assert servers_of(app) == ["https://api.example.com/v1"]
    swagger = document_of(app, "swagger.json")
    assert (swagger["host"], swagger["basePath"]) == ("api.example.com", "/v1")
    assert swagger["schemes"] == ["https"]


# Swagger 2.0


def test_swagger_2_has_no_words_of_later_versions(shop: Flask) -> None:
    def walk(part: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(part, dict):
            for key, value in part.items():
                yield key, value
                yield from walk(value)
        elif isinstance(part, list):
            for item in part:
                yield from walk(item)

    document = document_of(shop, "swagger.json")
    words = dict(walk({key: document[key] for key in ("paths", "definitions", "responses")}))
    assert words.keys().isdisjoint({"oneOf", "anyOf", "const", "content", "contentEncoding"})
    assert "components" not in json.dumps(document)
    types = [value for key, value in walk(document["definitions"]) if key == "type"]
    # Problem details have a property that is called "type".
    assert all(each != "null" for each in types if not isinstance(each, dict))
    assert not any(isinstance(each, list) for each in types)


def test_swagger_2_says_what_it_can(shop: Flask) -> None:
    document = document_of(shop, "swagger.json")
    properties = document["definitions"]["NewProduct"]["properties"]
    assert properties["color"]["x-nullable"] is True
    assert properties["color"]["enum"] == ["red", "blue"]
    assert properties["location"] == {
        "allOf": [{"$ref": "#/definitions/GeoPoint"}],
        "x-nullable": True,
    }
    assert properties["picture"]["format"] == "byte"
    find, create = (document["paths"]["/api/products"][verb] for verb in ("get", "post"))
    assert find["parameters"][0]["format"] == "JSON"
    assert find["responses"]["200"]["schema"]["items"] == {"$ref": "#/definitions/Product"}
    assert find["responses"]["400"] == {"$ref": "#/responses/BadRequest"}
    (body,) = create["parameters"]
    assert (body["in"], body["required"]) == ("body", True)
    assert body["schema"] == {"$ref": "#/definitions/NewProduct"}
    assert create["consumes"] == [JSON, FORM]
    assert operation_ids(document) == operation_ids(document_of(shop))


# The page


def test_the_page_is_at_the_apps_root_whatever_the_prefix(shop: Flask) -> None:
    response = shop.test_client().get("/_docs")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert shop.test_client().get("/api/_docs").status_code == 404


def test_the_page_has_no_script_or_style_inside_it(shop: Flask) -> None:
    html = shop.test_client().get("/_docs").get_data(as_text=True)
    assert re.search(r"<style|style=|\son\w+=|javascript:|<script(?![^>]*src=)", html) is None


def test_what_the_page_loads_is_here_and_relative(shop: Flask) -> None:
    client = shop.test_client()
    html = client.get("/_docs").get_data(as_text=True)
    links = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(links) >= 5
    for link in links:
        assert link.startswith("_docs/")
        assert client.get(f"/{link}", buffered=True).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/_docs", "/_docs/openapi.json", "/_docs/swagger.json", "/_docs/static/swagger-ui-bundle.js"],
)
def test_the_documentation_has_a_strict_policy(shop: Flask, path: str) -> None:
    headers = shop.test_client().get(path, buffered=True).headers
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("base", "sources"),
    [
        ("https://api.example.com/v1", "'self' https://api.example.com"),
        ("http://[::1]:8000", "'self' http://[::1]:8000"),
        ("/behind/a/proxy", "'self'"),
        ("https://a.example; script-src *", "'self'"),
        ("javascript:alert(1)", "'self'"),
    ],
)
def test_the_page_may_call_the_api_where_it_is_said_to_be(base: str, sources: str) -> None:
    app = Flask("shop")
    Loop(app).docs(base_path=base)
    policy = app.test_client().get("/_docs").headers["Content-Security-Policy"]
    assert f"connect-src {sources};" in policy


def test_other_pages_of_the_app_keep_their_headers(shop: Flask) -> None:
    shop.add_url_rule("/home", view_func=lambda: "home")
    assert "Content-Security-Policy" not in shop.test_client().get("/home").headers
    assert "Content-Security-Policy" not in shop.test_client().get("/api/products").headers


def test_a_slash_at_the_end_leads_to_the_page_behind_any_proxy(shop: Flask) -> None:
    response = shop.test_client().get("/_docs/")
    assert (response.status_code, response.headers["Location"]) == (308, "../_docs")


def test_documents_are_asked_for_with_get_only(shop: Flask) -> None:
    assert shop.test_client().post("/_docs/openapi.json").status_code == 405


@pytest.mark.parametrize("path", ["/_docs", "/_docs/openapi.json", "/_docs/static/docs.js"])
def test_a_setting_turns_the_documentation_off(path: str) -> None:
    assert make_app(Product, LOOP_DOCS=False).test_client().get(path).status_code == 404


@pytest.mark.parametrize("path", ["/_docs", "/_docs/", "/_docs/<name>"])
def test_a_route_of_the_app_in_its_place_is_an_error_that_names_it(path: str) -> None:
    app = Flask("shop")
    app.add_url_rule(path, "handbook", lambda name="": "mine")
    with pytest.raises(DefinitionError, match=r"'handbook'; set LOOP_DOCS = False"):
        Loop(app)


def test_the_app_may_have_its_own_route_there_where_the_documentation_is_off() -> None:
    app = Flask("shop")
    app.config["LOOP_DOCS"] = False
    app.add_url_rule("/_docs", "handbook", lambda: "mine")
    Loop(app)
    assert app.test_client().get("/_docs").text == "mine"


def test_a_catch_all_route_of_the_app_leaves_the_documentation_alone() -> None:
    app = Flask("shop")
    app.add_url_rule("/<path:rest>", "page", lambda rest: "mine")
    Loop(app)
    assert "swagger-ui" in app.test_client().get("/_docs").text


def test_the_vendored_files_come_with_their_licence() -> None:
    static = files("flask_loop.swagger") / "static"
    assert "Apache License" in (static / "LICENSE").read_text()
    assert "SmartBear" in (static / "NOTICE").read_text()
    assert (static / "swagger-ui-bundle.js.LICENSE.txt").is_file()


def test_a_model_that_is_not_attached_has_no_methods_to_describe() -> None:
    app = Flask("shop")
    Loop(app).model(create_model("loner", {"name": "String"}))
    assert document_of(app)["paths"] == {}
