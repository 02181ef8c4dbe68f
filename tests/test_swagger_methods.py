"""Users' own remote methods in the OpenAPI documents."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Request, Response
from marshmallow import fields
from openapi_spec_validator import validate
from werkzeug.datastructures import FileStorage

from flask_loop import GeoPoint, Loop, Model, Prop, memory, prop, remote_method
from flask_loop.remoting import Context

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"
BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
BINARY = {"type": "string", "format": "binary"}

MakeApp = Callable[..., Flask]


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Weaver(Model):
    city: Prop[str]
    code: Prop[str | None] = prop(hidden=True)


def document_of(app: Flask, name: str = "openapi.json") -> dict[str, Any]:
    response = app.test_client().get(f"/_docs/{name}")
    assert response.status_code == 200
    document: dict[str, Any] = response.get_json()
    return document


class Declared:
    """A model, the app that exposes it, and the operations of the methods that it gets."""

    def __init__(self, make_app: MakeApp) -> None:
        self.Product: Any = memory().create_model("Product", {"name": "String"})
        self.Weaver = Weaver
        self.app = make_app(self.Product)

    def declare(self, name: str, **options: Any) -> None:
        """Declare a method with ``accepts``, which does nothing."""
        self.Product.remote_method(name, lambda owner, **arguments: None, **options)

    def document(self, name: str = "openapi.json") -> dict[str, Any]:
        document = document_of(self.app, name)
        validate(document)
        return document

    def operation(self, path: str, verb: str = "post", name: str = "openapi.json") -> Any:
        return self.document(name)["paths"][f"/api/Products{path}"][verb]

    def component(self, name: str, kind: str = "schemas") -> Any:
        return self.document()["components"][kind][name]


@pytest.fixture
def declared(make_app: MakeApp) -> Declared:
    return Declared(make_app)


INTEGER = {"type": "integer", "format": "int64"}
POINT = {"$ref": "#/components/schemas/GeoPoint"}
WEAVER = {"$ref": "#/components/schemas/NewWeaver"}
ANY_TEXT = {"type": ["string", "number", "boolean"]}


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


#: A type, what its values are as JSON, and as text where that is something else.
TYPES: list[tuple[Any, dict[str, Any], dict[str, Any] | None]] = [
    ("string", {"type": "string"}, None),
    ("number", {"type": "number"}, None),
    ("integer", INTEGER, None),
    ("boolean", {"type": "boolean"}, None),
    ("date", {"type": "string", "format": "date-time"}, None),
    (dt.date, {"type": "string", "format": "date"}, None),
    (Decimal, {"type": "string", "format": "decimal"}, None),
    (uuid.UUID, {"type": "string", "format": "uuid"}, None),
    (
        "buffer",
        {"type": "string", "contentEncoding": "base64"},
        {"type": "string", "pattern": BASE64},
    ),
    (Size, {"type": "string", "enum": ["s", "l"]}, None),
    ("any", {}, ANY_TEXT),
    (["number"], list_of({"type": "number"}), None),
    (list[Size], list_of({"type": "string", "enum": ["s", "l"]}), None),
    ("array", list_of({}), list_of(ANY_TEXT)),
    (fields.Email(), {"type": "string", "format": "email"}, None),
]
#: Types whose values are JSON in a query too.
OBJECTS: list[tuple[Any, dict[str, Any]]] = [
    ("object", {"type": "object"}),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
    ("GeoPoint", POINT),
    ([GeoPoint], list_of(POINT)),
    (Weaver, WEAVER),
    ([Weaver], list_of(WEAVER)),
    (dict[str, Weaver], {"type": "object", "additionalProperties": WEAVER}),
    (list[list[int]], list_of(list_of(INTEGER))),
]


def bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "examples"}


# The types of arguments


@pytest.mark.parametrize(("type_", "as_json", "as_text"), TYPES)
def test_a_type_in_the_query(
    declared: Declared, type_: Any, as_json: dict[str, Any], as_text: dict[str, Any] | None
) -> None:
    declared.declare("m", accepts={"arg": "value", "type": type_}, http={"verb": "get"})
    (parameter,) = declared.operation("/m", "get")["parameters"]
    assert parameter == {"name": "value", "in": "query", "schema": as_text or as_json}


@pytest.mark.parametrize(("type_", "schema"), OBJECTS)
@pytest.mark.parametrize("place", ["query", "header", "path"])
def test_an_object_is_json_in_parameters(
    declared: Declared, type_: Any, schema: dict[str, Any], place: str
) -> None:
    argument = {"arg": "value", "type": type_, "http": {"source": place}}
    path = "/m/:value" if place == "path" else "/m"
    declared.declare("m", accepts=argument, http={"verb": "get", "path": path})
    (parameter,) = declared.operation(path.replace(":value", "{value}"), "get")["parameters"]
    assert parameter["in"] == place
    assert "schema" not in parameter
    assert bare(parameter["content"][JSON]["schema"]) == schema


@pytest.mark.parametrize(("type_", "as_json", "as_text"), TYPES)
def test_a_type_as_a_field_of_the_body(
    declared: Declared, type_: Any, as_json: dict[str, Any], as_text: dict[str, Any] | None
) -> None:
    declared.declare("m", accepts={"arg": "value", "type": type_})
    content = declared.operation("/m")["requestBody"]["content"]
    assert bare(content[JSON]["schema"]["properties"]["value"]) == as_json
    assert bare(content[FORM]["schema"]["properties"]["value"]) == (as_text or as_json)
    assert "encoding" not in content[FORM]


@pytest.mark.parametrize(("type_", "schema"), OBJECTS)
def test_an_object_as_a_field_of_the_body(
    declared: Declared, type_: Any, schema: dict[str, Any]
) -> None:
    declared.declare("m", accepts={"arg": "value", "type": type_, "required": True})
    content = declared.operation("/m")["requestBody"]["content"]
    assert bare(content[JSON]["schema"]["properties"]["value"]) == schema
    is_list = schema.get("type") == "array"
    deep = {"style": "deepObject", "explode": True}
    assert content[FORM]["encoding"] == {"value": {"contentType": JSON} if is_list else deep}


def test_the_properties_of_an_argument_are_those_that_a_client_may_write(
    declared: Declared,
) -> None:
    declared.declare("m", accepts={"arg": "value", "type": {"a": "number", "b": ["string"]}})
    declared.declare("n", accepts={"arg": "value", "type": "Weaver"})
    content = declared.operation("/m")["requestBody"]["content"]
    value = content[JSON]["schema"]["properties"]["value"]
    assert set(value["properties"]) == {"a", "b"}
    assert value["type"] == ["object", "null"]
    assert set(declared.component("NewWeaver")["properties"]) == {"city"}


def test_one_or_many(declared: Declared) -> None:
    accepts = {"arg": "size", "type": Size, "allow_array": True, "default": ["s", "l"]}
    declared.declare("m", accepts=accepts, http=[{"verb": "get"}, {"verb": "post"}])
    one = {"type": "string", "enum": ["s", "l"]}
    (parameter,) = declared.operation("/m", "get")["parameters"]
    assert parameter["schema"] == {**list_of(one), "default": ["s", "l"]}
    content = declared.operation("/m")["requestBody"]["content"]
    field = content[JSON]["schema"]["properties"]["size"]
    assert field["anyOf"] == [one, list_of(one)]
    assert field["default"] == ["s", "l"]


# Where arguments are


def test_arguments_from_annotations_are_in_the_query_or_the_body(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method(http=[{"verb": "all"}])
        @classmethod
        def search(cls, min_price: float, note: str = "none") -> None: ...

        class Meta:
            data_source = memory()

    document = document_of(make_app(Product))
    validate(document)
    verbs = document["paths"]["/api/products/search"]
    assert set(verbs) == {"get", "post", "put", "patch", "delete"}
    for verb in ("get", "delete"):
        assert [(each["name"], each["in"]) for each in verbs[verb]["parameters"]] == [
            ("minPrice", "query"),
            ("note", "query"),
        ]
        assert "requestBody" not in verbs[verb]
    for verb in ("post", "put", "patch"):
        assert "parameters" not in verbs[verb]
        schema = verbs[verb]["requestBody"]["content"][JSON]["schema"]
        assert list(schema["properties"]) == ["minPrice", "note"]
        assert schema["required"] == ["minPrice"]


def test_sources_that_are_said(declared: Declared) -> None:
    declared.declare(
        "m",
        accepts=[
            {"arg": "word", "type": "string", "http": {"source": "path"}},
            {"arg": "page", "type": "integer", "http": {"source": "query"}},
            {"arg": "X-Tenant", "type": "string", "http": {"source": "header"}},
            {"arg": "note", "type": "string", "http": {"source": "form"}},
        ],
        http={"path": "/m/:word"},
    )
    operation = declared.operation("/m/{word}")
    assert [(each["name"], each["in"]) for each in operation["parameters"]] == [
        ("word", "path"),
        ("page", "query"),
        ("X-Tenant", "header"),
    ]
    assert [each.get("required") for each in operation["parameters"]] == [True, None, None]
    assert set(operation["requestBody"]["content"][JSON]["schema"]["properties"]) == {"note"}


def test_an_argument_is_in_the_path_of_those_routes_that_have_it(declared: Declared) -> None:
    routes = [{"verb": "get", "path": "/m/:word"}, {"verb": "get", "path": "/m"}]
    declared.declare("m", accepts={"arg": "word", "type": "string"}, http=routes)
    places = [declared.operation(path, "get")["parameters"] for path in ("/m/{word}", "/m")]
    assert [[each["in"] for each in parameters] for parameters in places] == [["path"], ["query"]]


def test_the_whole_body(declared: Declared) -> None:
    declared.declare(
        "m",
        accepts=[
            {
                "arg": "data",
                "type": "Weaver",
                "required": True,
                "description": "Who.",
                "http": {"source": "body"},
            },
            {"arg": "dry", "type": "boolean"},
        ],
        http={"verb": "put"},
    )
    operation = declared.operation("/m", "put")
    assert operation["requestBody"] == {
        "description": "Who.",
        "required": True,
        "content": {JSON: {"schema": WEAVER}, FORM: {"schema": WEAVER}},
    }
    # The body is taken, so that other arguments are in the query.
    assert [(each["name"], each["in"]) for each in operation["parameters"]] == [("dry", "query")]


def test_a_list_as_the_whole_body_is_json_alone(declared: Declared) -> None:
    accepts = {"arg": "rows", "type": ["number"], "http": {"source": "body"}}
    declared.declare("m", accepts=accepts)
    body = declared.operation("/m")["requestBody"]
    assert list(body["content"]) == [JSON]
    assert bare(body["content"][JSON]["schema"]) == list_of({"type": "number"})
    assert "required" not in body


def test_the_whole_body_beside_fields_of_it(declared: Declared) -> None:
    whole = {"arg": "data", "type": "object", "http": {"source": "body"}}
    field = {"arg": "note", "type": "string", "http": {"source": "form"}}
    declared.declare("m", accepts=[whole, field])
    schema = declared.operation("/m")["requestBody"]["content"][JSON]["schema"]
    assert len(schema["allOf"]) == 2
    assert set(schema["allOf"][1]["properties"]) == {"note"}


def test_what_is_no_clients_is_not_in_the_document(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def plain(cls, ctx: Context, req: Request) -> None: ...

        @remote_method(
            accepts=[
                {"arg": "options", "type": "object", "http": "optionsFromRequest"},
                {"arg": "res", "type": "object", "http": {"source": "res"}},
                {"arg": "me", "type": "any", "http": lambda ctx: ctx.user},
            ]
        )
        @classmethod
        def declared(cls, options: Any, res: Any, me: Any) -> None: ...

        class Meta:
            data_source = memory()

    paths = document_of(make_app(Product))["paths"]
    for name in ("plain", "declared"):
        operation = paths[f"/api/products/{name}"]["post"]
        assert "parameters" not in operation
        assert "requestBody" not in operation
        assert set(operation["responses"]) == {"204", "default"}


def test_files_are_in_a_multipart_form(declared: Declared) -> None:
    declared.declare(
        "m",
        accepts=[
            {"arg": "photo", "type": "file", "required": True, "description": "Of the front."},
            {"arg": "more", "type": ["file"]},
            {"arg": "at", "type": "GeoPoint"},
        ],
    )
    body = declared.operation("/m")["requestBody"]
    assert list(body["content"]) == [MULTIPART]
    assert body["required"] is True
    schema = body["content"][MULTIPART]["schema"]
    assert schema["properties"] == {
        "photo": {**BINARY, "description": "Of the front."},
        "more": list_of(BINARY),
        "at": POINT,
    }
    assert schema["required"] == ["photo"]


# What else is said of arguments


def test_what_is_said_of_an_argument(declared: Declared) -> None:
    accepts = [
        {"arg": "word", "type": "string", "required": True, "description": "Which."},
        {"arg": "since", "type": "date", "default": "2026-01-31"},
        {"arg": "size", "type": Size, "default": Size.LARGE},
        {"arg": "secret", "type": "string", "documented": False},
    ]
    declared.declare("m", accepts=accepts, http=[{"verb": "get"}, {"verb": "post"}])
    word, since, size = declared.operation("/m", "get")["parameters"]
    assert (word["required"], word["description"]) == (True, "Which.")
    # An empty text is none.
    assert word["schema"]["minLength"] == 1
    assert "required" not in since
    assert since["schema"]["default"] == "2026-01-31T00:00:00.000Z"
    assert size["schema"]["default"] == "l"
    fields = declared.operation("/m")["requestBody"]["content"][JSON]["schema"]["properties"]
    assert list(fields) == ["word", "since", "size"]
    assert fields["word"]["description"] == "Which."
    assert fields["size"]["default"] == "l"


def test_an_argument_in_the_path_is_always_there(declared: Declared) -> None:
    accepts = {"arg": "word", "type": "string", "documented": False}
    declared.declare("m", accepts=accepts, http={"path": "/m/:word"})
    (parameter,) = declared.operation("/m/{word}")["parameters"]
    assert (parameter["in"], parameter["required"]) == ("path", True)


def test_null_is_a_value_where_the_annotation_says_so(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def m(cls, a: int | None, b: int = 1, c: Weaver | None = None) -> int | None: ...

        class Meta:
            data_source = memory()

    app = make_app(Product)
    document = document_of(app)
    operation = document["paths"]["/api/products/m"]["post"]
    content = operation["requestBody"]["content"]
    fields = content[JSON]["schema"]["properties"]
    assert fields["a"]["type"] == ["integer", "null"]
    assert fields["b"]["type"] == "integer"
    assert fields["c"] == {"anyOf": [WEAVER, {"type": "null"}]}
    assert "required" not in content[JSON]["schema"]
    # No text means null.
    assert content[FORM]["schema"]["properties"]["a"]["type"] == "integer"
    answer = operation["responses"]["200"]["content"][JSON]["schema"]
    assert answer == {**INTEGER, "type": ["integer", "null"]}
    response = app.test_client().post("/api/products/m", json={"a": None, "c": None})
    assert (response.status_code, response.get_json()) == (200, None)


def test_a_required_list_has_an_item_where_it_is_text(declared: Declared) -> None:
    accepts = {"arg": "ids", "type": ["number"], "required": True}
    declared.declare("m", accepts=accepts, http=[{"verb": "get"}, {"verb": "post"}])
    (parameter,) = declared.operation("/m", "get")["parameters"]
    assert parameter["schema"]["minItems"] == 1
    content = declared.operation("/m")["requestBody"]["content"]
    assert content[FORM]["schema"]["properties"]["ids"]["minItems"] == 1
    assert "minItems" not in content[JSON]["schema"]["properties"]["ids"]


def test_required_arguments_have_examples_that_the_api_takes(declared: Declared) -> None:
    names = [f"a{number}" for number, _ in enumerate(TYPES)]
    declared.declare(
        "m",
        accepts=[
            {"arg": name, "type": type_, "required": True}
            for name, (type_, *_) in zip(names, TYPES, strict=True)
        ],
        http=[{"verb": "get"}, {"verb": "post"}],
    )
    client = declared.app.test_client()
    parameters = declared.operation("/m", "get")["parameters"]
    query = {each["name"]: each.get("example", "ada@example.com") for each in parameters}
    query = {key: json.dumps(value) if value is True else value for key, value in query.items()}
    response = client.get("/api/Products/m", query_string=query)
    assert response.status_code == 204, response.text
    content = declared.operation("/m")["requestBody"]["content"]
    schema = content[JSON]["schema"]["properties"]
    body = {name: part.get("examples", ["ada@example.com"])[0] for name, part in schema.items()}
    response = client.post("/api/Products/m", json=body)
    assert response.status_code == 204, response.text


# Methods of instances


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ({}, INTEGER),
        ({"sku": {"type": "UUID", "id": True}}, {"type": "string", "format": "uuid"}),
    ],
)
def test_a_method_of_instances_has_the_id_in_its_path(
    make_app: MakeApp, key: dict[str, Any], schema: dict[str, Any]
) -> None:
    product = memory().create_model("Product", {"name": "String", **key})
    product.remote_method("prototype.rename", lambda self, name: None, http={"path": "/name/:name"})
    (operation,) = document_of(make_app(product))["paths"][
        "/api/Products/{id}/name/{name}"
    ].values()
    id, name = operation["parameters"]
    assert (id["name"], id["in"], id["required"], id["schema"]) == ("id", "path", True, schema)
    assert name["name"] == "name"
    assert {"400", "404"} <= set(operation["responses"])


def test_a_declared_id_is_the_one_in_the_path(declared: Declared) -> None:
    accepts = [{"arg": "id", "type": "any", "description": "Which."}]
    declared.declare("prototype.m", accepts=accepts)
    (id,) = declared.operation("/{id}/m")["parameters"]
    assert (id["description"], id["schema"]) == ("Which.", INTEGER)
    assert "requestBody" not in declared.operation("/{id}/m")


def test_paths_that_differ_in_a_placeholders_name_are_one(declared: Declared) -> None:
    accepts = {"arg": "code", "type": "string"}
    declared.declare("m", accepts=accepts, http={"verb": "post", "path": "/:code"})
    operation = declared.operation("/{id}", "post")
    assert [each["name"] for each in operation["parameters"]] == ["id"]
    assert "/api/Products/{code}" not in declared.document()["paths"]


# Answers


def answer_of(operation: dict[str, Any], status: str = "200", type_: str = JSON) -> Any:
    return operation["responses"][status]["content"][type_]["schema"]


def test_a_method_that_gives_nothing(declared: Declared) -> None:
    declared.declare("m", accepts=[], returns=[])
    assert declared.operation("/m")["responses"]["204"] == {"description": "Done."}


def test_named_values(declared: Declared) -> None:
    returns = [
        {"arg": "count", "type": "number", "description": "How many."},
        {"arg": "sizes", "type": [Size]},
    ]
    declared.declare("m", accepts=[], returns=returns)
    declared.declare("n", accepts=[], returns={"arg": "count", "type": "string"})
    assert answer_of(declared.operation("/m")) == {
        "type": "object",
        "properties": {
            "count": {"type": "number", "description": "How many."},
            "sizes": list_of({"type": "string", "enum": ["s", "l"]}),
        },
        "required": ["count", "sizes"],
    }
    assert answer_of(declared.operation("/n"))["properties"]["count"] == {"type": "string"}


def test_records_as_answers(declared: Declared) -> None:
    returns = [("one", "Weaver"), ("several", ["Weaver"]), ("by", dict[str, Weaver])]
    for name, type_ in returns:
        declared.declare(
            name, accepts=[], returns={"arg": "x", "type": type_, "root": True}, http={}
        )
    maker = {"$ref": "#/components/schemas/Weaver"}
    assert answer_of(declared.operation("/one")) == maker
    assert answer_of(declared.operation("/several")) == list_of(maker)
    assert answer_of(declared.operation("/by"))["additionalProperties"] == maker
    assert set(declared.component("Weaver")["properties"]) == {"city", "id"}


def test_a_method_without_annotation_may_give_anything_or_nothing(make_app: MakeApp) -> None:
    product = memory().create_model("Product", {})
    product.remote_method("m", lambda cls: None)
    responses = document_of(make_app(product))["paths"]["/api/Products/m"]["post"]["responses"]
    assert responses["200"]["content"] == {JSON: {"schema": {}}}
    assert "content" not in responses["204"]


def test_statuses(declared: Declared) -> None:
    root = {"arg": "x", "type": "string", "root": True}
    http = {"status": 202, "error_status": 502}
    declared.declare("m", accepts=[], returns=root, http=http)
    declared.declare("n", accepts=[], returns=[], http={"status": 205})
    responses = declared.operation("/m")["responses"]
    assert set(responses) == {"202", "502", "default"}
    assert responses["202"]["content"] == {JSON: {"schema": {"type": "string"}}}
    assert set(responses["502"]["content"]) == {JSON, "application/problem+json"}
    assert set(declared.operation("/n")["responses"]) == {"205", "default"}


def test_values_in_the_head_of_the_answer(declared: Declared) -> None:
    returns = [
        {"arg": "body", "type": "object", "root": True},
        {"arg": "status", "type": "number", "http": {"target": "status"}},
        {
            "arg": "total",
            "type": "integer",
            "description": "Of all.",
            "http": {"target": "header", "header": "X-Total"},
        },
    ]
    declared.declare("m", accepts=[], returns=returns)
    responses = declared.operation("/m")["responses"]
    headers = {"X-Total": {"description": "Of all.", "schema": INTEGER}}
    for status in ("200", "2XX"):
        assert responses[status]["headers"] == headers
        assert responses[status]["content"] == {JSON: {"schema": {"type": "object"}}}
    swagger = declared.operation("/m", name="swagger.json")["responses"]
    assert set(swagger) == {"200", "default"}
    assert swagger["200"]["headers"]["X-Total"]["type"] == "integer"


def test_a_file_as_an_answer(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def manual(cls) -> Path | None: ...

        @remote_method(
            http={"verb": "get"},
            returns=[
                {"arg": "body", "type": "file", "root": True},
                {"arg": "kind", "type": "string", "http": {"target": "header", "header": CT}},
            ],
        )
        @classmethod
        def photo(cls) -> Any: ...

        class Meta:
            data_source = memory()

    document = document_of(make_app(Product))
    validate(document)
    paths = document["paths"]
    manual = paths["/api/products/manual"]["get"]["responses"]
    assert manual["200"]["content"] == {OCTETS: {"schema": BINARY}, "*/*": {"schema": BINARY}}
    assert "content" not in manual["204"]
    photo = paths["/api/products/photo"]["get"]["responses"]
    assert photo["200"]["content"] == manual["200"]["content"]
    # OpenAPI has the content type in the content alone.
    assert "headers" not in photo["200"]
    assert "204" not in photo


CT = "Content-Type"


def test_a_stream_as_an_answer(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def rows(cls) -> Iterator[Weaver]: ...

        @remote_method(returns={"arg": "x", "type": "ReadableStream", "root": True})
        @classmethod
        def raw(cls) -> Any: ...

        class Meta:
            data_source = memory()

    paths = document_of(make_app(Product))["paths"]
    maker = {"$ref": "#/components/schemas/Weaver"}
    rows = paths["/api/products/rows"]["get"]
    assert answer_of(rows, type_=NDJSON) == maker
    assert answer_of(rows, type_=JSON) == list_of(maker)
    assert answer_of(paths["/api/products/raw"]["post"], type_=NDJSON) == {}


def test_a_generator_is_a_stream_without_annotation_too(declared: Declared) -> None:
    def count(cls):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        yield 1

    declared.Product.remote_method("count_up", count)
    assert NDJSON in declared.operation("/countUp")["responses"]["200"]["content"]
    response = declared.app.test_client().post("/api/Products/countUp")
    assert (response.mimetype, response.text) == (NDJSON, "1\n")


def test_a_response_of_flasks_has_any_type(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def page(cls) -> Response: ...

        class Meta:
            data_source = memory()

    document = document_of(make_app(Product))
    validate(document)
    responses = document["paths"]["/api/products/page"]["post"]["responses"]
    assert set(responses["200"]["content"]) == {JSON, "*/*"}


def test_a_head_request_has_no_content(declared: Declared) -> None:
    returns = {"arg": "x", "type": "string", "root": True}
    declared.declare("m", accepts=[], returns=returns, http={"verb": "head"})
    responses = declared.operation("/m", "head")["responses"]
    assert set(responses) == {"200", "default"}
    assert all("content" not in each for each in responses.values())


@pytest.mark.parametrize(
    ("accepts", "on_instance", "statuses"),
    [
        ([], False, ""),
        ([{"arg": "x", "http": {"source": "query"}}], False, "400"),
        ([{"arg": "x", "http": {"source": "header"}}], False, "400"),
        ([{"arg": "x"}], False, "400 413 415"),
        ([{"arg": "x", "http": {"source": "body"}}], False, "400 413 415"),
        ([{"arg": "x", "type": "file"}], False, "400 413 415"),
        ([], True, "404"),
        ([{"arg": "x"}], True, "400 404 413 415"),
    ],
)
def test_the_errors_that_follow_from_the_arguments(
    declared: Declared, accepts: list[dict[str, Any]], on_instance: bool, statuses: str
) -> None:
    name = "prototype.m" if on_instance else "m"
    declared.declare(name, accepts=accepts, returns=[])
    responses = declared.operation("/{id}/m" if on_instance else "/m")["responses"]
    assert set(responses) - {"204", "default"} == set(statuses.split())
    if "400" in statuses:
        assert responses["400"] == {"$ref": "#/components/responses/InvalidArgument"}


# Methods


def test_what_is_said_of_a_method(make_app: MakeApp) -> None:
    class Product(Model):
        @remote_method(notes="Slow on *large* shops.")
        @classmethod
        def best(cls) -> None:
            """Find the best one."""

        @remote_method(description=["The worst.", "Of all that there are."])
        @classmethod
        def worst(cls) -> None:
            """Not shown."""

        class Meta:
            data_source = memory()

    paths = document_of(make_app(Product))["paths"]
    best, worst = (paths[f"/api/products/{name}"]["post"] for name in ("best", "worst"))
    assert (best["summary"], best["description"]) == ("Find the best one", "Slow on *large* shops.")
    assert (worst["summary"], worst["description"]) == ("The worst", "Of all that there are.")
    assert best["tags"] == ["Product"]
    swagger = document_of(make_app(Product), "swagger.json")["paths"]
    assert swagger["/api/products/best"]["post"]["description"] == "Slow on *large* shops."


def test_a_method_that_is_not_documented_is_left_out(declared: Declared) -> None:
    declared.declare("m", accepts=[], documented=False)
    assert "/api/Products/m" not in declared.document()["paths"]
    assert declared.app.test_client().post("/api/Products/m").status_code != 404


def test_operation_ids_are_unique(declared: Declared) -> None:
    routes = [{"verb": "get", "path": "/m"}, {"verb": "get", "path": "/also"}, {"verb": "post"}]
    declared.declare("m", accepts=[], http=routes)
    declared.declare("m_get", accepts=[])
    found = [
        each["operationId"]
        for path in declared.document()["paths"].values()
        for each in path.values()
    ]
    assert len(found) == len(set(found))
    assert {"Products_m", "Products_m_get", "Products_m_post"} <= set(found)


def test_a_method_in_place_of_an_operation_is_described_as_it_is_declared(
    make_app: MakeApp,
) -> None:
    class Product(Model):
        @remote_method(http={"verb": "get", "path": "/count"})
        @classmethod
        def count(cls, color: str) -> int: ...  # type: ignore[override]

        class Meta:
            data_source = memory()

    operation = document_of(make_app(Product))["paths"]["/api/products/count"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["color"]
    assert answer_of(operation) == INTEGER


def test_methods_of_a_json_definition(tmp_path: Path) -> None:
    definition = {
        "name": "Product",
        "properties": {"name": "string"},
        "methods": {
            "stats": {
                "accepts": {"arg": "min", "type": "number"},
                "returns": {"arg": "stats", "type": "object"},
                "http": {"verb": "get", "path": "/info"},
            }
        },
    }
    (tmp_path / "product.json").write_text(json.dumps(definition))
    config = {"Product": {"dataSource": "db", "public": False}}
    (tmp_path / "model-config.json").write_text(json.dumps(config))
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
    loop = Loop(app)
    (product,) = loop.load(tmp_path)
    product.stats = classmethod(lambda cls, min: {})
    loop.model(product)
    operation = document_of(app)["paths"]["/Products/info"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["min"]
    assert answer_of(operation)["properties"] == {"stats": {"type": "object"}}


# Live changes


def has_method(app: Flask) -> bool:
    return "/api/Products/m" in document_of(app)["paths"]


def test_a_method_follows_the_switches_of_its_model(declared: Declared) -> None:
    declared.declare("m", accepts=[])
    assert has_method(declared.app)
    declared.Product.disable_remote("m")
    assert not has_method(declared.app)
    declared.Product.enable_remote("m")
    assert has_method(declared.app)


def test_a_method_follows_the_switches_of_its_data_source(declared: Declared) -> None:
    declared.declare("m", accepts=[])
    declared.Product.data_source.disable_remote("*")
    assert declared.document()["paths"] == {}
    declared.Product.data_source.enable_remote("*")
    assert has_method(declared.app)


def test_a_method_follows_the_configuration(make_app: MakeApp) -> None:
    product: Any = memory().create_model("Product", {})
    product.remote_method("m", lambda cls: None)
    product.remote_method("other", lambda cls: None)
    off = make_app(product, LOOP_REMOTING={"m": False})
    only = make_app(product, LOOP_REMOTING={"*": False, "m": True})
    assert not has_method(off)
    assert "/api/Products/other" in document_of(off)["paths"]
    assert list(document_of(only)["paths"]) == ["/api/Products/m"]


def test_a_method_that_is_declared_again_is_described_anew(make_app: MakeApp) -> None:
    product: Any = memory().create_model("Product", {})
    product.remote_method("m", lambda cls: None, notes="First.")
    app, other = make_app(product), make_app()
    assert document_of(app)["paths"]["/api/Products/m"]["post"]["description"] == "First."
    product.remote_method("n", lambda cls: None)
    assert "/api/Products/n" in document_of(app)["paths"]
    assert document_of(other)["paths"] == {}


def test_rules_of_a_model_that_only_methods_name_are_followed(declared: Declared) -> None:
    class Wheel(Model):
        size: Prop[int | None]

    declared.declare(
        "m", accepts={"arg": "by", "type": dict[str, list[Wheel]], "http": {"source": "body"}}
    )
    assert "required" not in declared.component("NewWheel")
    Wheel.validates_presence_of("size")
    assert declared.component("NewWheel")["required"] == ["size"]


# Swagger 2.0


def test_swagger_2_has_forms_and_files(declared: Declared) -> None:
    declared.declare(
        "m",
        accepts=[
            {"arg": "photo", "type": "file", "required": True},
            {"arg": "more", "type": ["file"], "description": "Others."},
            {"arg": "tags", "type": ["string"]},
            {"arg": "at", "type": "GeoPoint"},
        ],
        returns={"arg": "x", "type": "file", "root": True},
    )
    operation = declared.operation("/m", name="swagger.json")
    assert operation["consumes"] == [MULTIPART]
    assert operation["produces"] == [OCTETS, JSON]
    assert operation["responses"]["200"]["schema"] == BINARY
    photo, more, tags, at = operation["parameters"]
    assert photo == {"name": "photo", "in": "formData", "required": True, "type": "file"}
    assert (more["type"], more["description"]) == ("file", "Others.")
    assert (tags["type"], tags["collectionFormat"]) == ("array", "multi")
    assert (at["type"], at["format"]) == ("string", "JSON")


@pytest.mark.parametrize(("type_", "as_json", "as_text"), TYPES)
@pytest.mark.parametrize("place", ["query", "header"])
def test_swagger_2_parameters_are_of_plain_types(
    declared: Declared, type_: Any, as_json: Any, as_text: Any, place: str
) -> None:
    argument = {"arg": "value", "type": type_, "http": {"source": place}}
    declared.declare("m", accepts=argument, http={"verb": "get"})
    (parameter,) = declared.operation("/m", "get", "swagger.json")["parameters"]
    wanted = (as_text or as_json)["type"]
    if place == "header" and wanted == "array":
        wanted = "string"
    assert parameter["type"] == (wanted[0] if isinstance(wanted, list) else wanted)
    assert ("collectionFormat" in parameter) is (wanted == "array")


# The documents as a whole


def test_the_documents_of_methods_of_every_kind_are_valid(make_app: MakeApp) -> None:
    class Product(Model):
        name: Prop[str]

        @remote_method(http=[{"verb": "all", "path": "/everything/:key"}])
        @classmethod
        def everything(  # noqa: PLR0917
            cls,
            key: uuid.UUID,
            text: str,
            number: float = 1,
            whole: int | None = None,
            yes: bool = False,
            exact: Decimal | None = None,
            size: Size = Size.SMALL,
            at: dt.datetime | None = None,
            day: dt.date | None = None,
            raw: bytes | None = None,
            place: GeoPoint | None = None,
            tags: list[str] | None = None,
            extra: dict[str, int] | None = None,
            thing: Any = None,
            maker: Weaver | None = None,
            makers: list[Weaver] | None = None,
        ) -> list[Weaver]: ...

        @remote_method
        @classmethod
        def upload(cls, photo: FileStorage, note: str = "") -> Product | None: ...

        @remote_method
        def rename(self, name: str) -> Product: ...

        @remote_method
        @classmethod
        def stream(cls) -> Iterator[int]: ...

        class Meta:
            data_source = memory()

    app = make_app(Product)
    validate(document_of(app))
    validate(document_of(app, "swagger.json"))
