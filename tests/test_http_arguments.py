from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import Loop, Model, Prop, memory
from flask_loop.methods import remote_method
from tests.served import URL, serve

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ROOT = {"arg": "answer", "type": "object", "root": True}


def text(name: str, source: str | None = None) -> dict[str, Any]:
    return {"arg": name, "type": "string", **({"http": {"source": source}} if source else {})}


def echo(**values: Any) -> dict[str, Any]:
    """What a method got, without what it did not get."""
    return {name: value for name, value in values.items() if value is not None}


def client_of(*accepts: dict[str, Any], **options: Any) -> FlaskClient:
    return serve(echo, accepts=list(accepts), returns=ROOT, **options)


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json["error"]
    assert error["statusCode"] == response.status_code
    return error


# Each source


def test_an_argument_of_the_path() -> None:
    client = client_of(text("kind", "path"), text("name"), path="/do/:kind/:name", verb="get")
    assert client.get("/api/things/do/a%20b/n?kind=x&name=y").json == {"kind": "a b", "name": "n"}


def test_an_argument_of_the_query_is_nowhere_else() -> None:
    client = client_of(text("name", "query"))
    assert client.post(f"{URL}?name=query", json={"name": "body"}).json == {"name": "query"}
    assert client.post(URL, json={"name": "body"}).json == {}
    assert client.post(URL, headers={"name": "head"}).json == {}


@pytest.mark.parametrize("source", ["query", None])
def test_a_query_that_is_malformed_is_400(source: str | None) -> None:
    client = client_of(text("name", source), verb="get")
    assert error_of(client.get(f"{URL}?name[=x"))["statusCode"] == 400
    assert error_of(client.get(f"{URL}?name=%FF"))["statusCode"] == 400


def test_an_argument_of_a_form_is_a_field_of_any_body() -> None:
    client = client_of(text("name", "form"))
    assert client.post(f"{URL}?name=query", json={"name": "json"}).json == {"name": "json"}
    assert client.post(URL, data={"name": "form"}).json == {"name": "form"}
    parts = "multipart/form-data"
    assert client.post(URL, data={"name": "parts"}, content_type=parts).json == {"name": "parts"}
    assert client.post(f"{URL}?name=query").json == {}


def test_an_argument_of_the_body_is_the_whole_body() -> None:
    whole = {"arg": "data", "type": "object", "http": {"source": "body"}}
    client = client_of(whole, text("name", "query"))
    body = {"data": {"n": 1}, "name": None}
    assert client.post(f"{URL}?name=query", json=body).json == {"data": body, "name": "query"}
    assert client.post(URL, data={"a": "b"}).json == {"data": {"a": "b"}}
    assert client.post(URL).json == {}


@pytest.mark.parametrize("name", ["X-Token", "x-token", "X-TOKEN"])
def test_an_argument_of_a_header_has_its_name_in_any_case(name: str) -> None:
    client = client_of({"arg": "X-Token", "type": "string", "http": {"source": "header"}})
    assert client.post(URL, headers={name: "secret"}).json == {"X-Token": "secret"}
    assert client.post(f"{URL}?X-Token=query", json={"X-Token": "body"}).json == {}


def test_an_argument_of_no_source_is_of_the_path_then_the_body_then_the_query() -> None:
    client = client_of(text("a"), text("b"), text("c"), path="/do/:a")
    answer = client.post(
        "/api/things/do/path?a=query&b=query&c=query", json={"a": "body", "b": "body"}
    )
    assert answer.json == {"a": "path", "b": "body", "c": "query"}


def test_an_argument_of_no_source_is_in_no_header() -> None:
    assert client_of(text("name")).post(URL, headers={"name": "head"}).json == {}


# Bodies


@pytest.mark.parametrize("body", ["null", "[]", '["name"]', "1", '"name"', "true"])
@pytest.mark.parametrize("source", ["form", None])
def test_a_body_that_is_no_object_has_no_arguments(body: str, source: str | None) -> None:
    answer = client_of(text("name", source)).post(URL, data=body, content_type=JSON)
    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith("The body is not an object")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", JSON, 400),
        ("a[=1", FORM, 400),
        ("a=%FF", FORM, 400),
        ("x", "text/plain", 415),
        ("x", None, 415),
        ("", "text/plain", 200),
        ("", JSON, 200),
        ("", "multipart/form-data; boundary=edge", 200),
    ],
)
def test_a_body_is_what_it_says_it_is(body: str, content_type: str | None, status: int) -> None:
    client = client_of(text("name"))
    assert client.post(URL, data=body, content_type=content_type).status_code == status


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_each_verb_but_get_has_a_body(verb: str) -> None:
    client = client_of(text("name"), verb=verb)
    assert client.open(URL, method=verb, json={"name": "body"}).json == {"name": "body"}


def test_get_has_a_body_only_where_that_is_declared() -> None:
    any_source = client_of(text("name"), verb="get")
    assert any_source.get(f"{URL}?name=query", json={"name": "body"}).json == {"name": "query"}
    assert any_source.get(URL, data="{", content_type=JSON).status_code == 200
    declared = client_of(text("name", "form"), verb="get")
    assert declared.get(URL, json={"name": "body"}).json == {"name": "body"}


def test_a_method_without_arguments_reads_no_body() -> None:
    assert client_of().post(URL, data="{", content_type=JSON).json == {}


def test_fields_that_are_no_arguments_are_not_looked_at() -> None:
    assert client_of(text("name")).post(f"{URL}?x=1", json={"y": 2}).json == {}


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({"LOOP_MAX_BODY": 100}, 100),
        ({"max_body": 100}, 100),
        ({"max_body": 100, "LOOP_MAX_BODY": 10}, 100),
        ({"max_body": 1_000, "MAX_CONTENT_LENGTH": 100}, 100),
    ],
)
def test_bodies_are_bounded(settings: dict[str, Any], bound: int) -> None:
    client = client_of(text("name"), **settings)
    fits = orjson.dumps({"name": "x" * (bound - len('{"name":""}'))})
    assert client.post(URL, data=fits, content_type=JSON).status_code == 200
    answer = client.post(URL, data=fits + b" ", content_type=JSON)
    assert answer.status_code == 413
    assert error_of(answer)["message"] == f"The request body is larger than {bound} bytes."


# Types


def typed(type_: Any, source: str | None = None, **more: Any) -> dict[str, Any]:
    return {**text("value", source), "type": type_, **more}


@pytest.mark.parametrize(
    ("type_", "as_text", "expected"),
    [
        ("string", "007", "007"),
        ("number", "1.5", 1.5),
        ("number", "3", 3),
        ("boolean", "true", True),
        ("date", "2024-02-01T00:00:00Z", "2024-02-01T00:00:00.000Z"),
        ("object", '{"a": [1]}', {"a": [1]}),
        (["number"], "[1, 2]", [1, 2]),
        ("GeoPoint", "1,2", {"lat": 1.0, "lng": 2.0}),
    ],
)
@pytest.mark.parametrize("place", ["path", "query", "header", "form", "multipart"])
def test_text_is_decoded_from_each_place(
    place: str, type_: Any, as_text: str, expected: Any
) -> None:
    source = "form" if place == "multipart" else place
    path = "/do/:value" if place == "path" else "/do"
    client = client_of(typed(type_, source), path=path)
    answer = {
        "path": lambda: client.post(f"{URL}/{quote(as_text, safe='')}"),
        "query": lambda: client.post(URL, query_string={"value": as_text}),
        "header": lambda: client.post(URL, headers={"value": as_text}),
        "form": lambda: client.post(URL, data={"value": as_text}),
        "multipart": lambda: client.post(
            URL, data={"value": as_text}, content_type="multipart/form-data"
        ),
    }[place]()
    assert answer.json == {"value": expected}


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("string", 7),
        ("number", "7"),
        ("boolean", "true"),
        ("boolean", 1),
        ("object", "{}"),
        (["number"], "[1]"),
        (["number"], ["1"]),
        (["number"], 1),
    ],
)
@pytest.mark.parametrize("source", ["form", "body", None])
def test_json_is_typed_already(source: str | None, type_: Any, value: Any) -> None:
    client = client_of(typed(type_, source))
    answer = client.post(URL, json=value if source == "body" else {"value": value})
    assert answer.status_code == 400
    assert error_of(answer)["details"]["argument"].startswith("value")


def test_repeated_keys_are_a_list_and_nothing_else() -> None:
    query = "value=1&value=2"
    assert client_of(typed(["number"])).post(f"{URL}?{query}").json == {"value": [1, 2]}
    assert client_of(typed("number")).post(f"{URL}?{query}").status_code == 400
    assert client_of(typed(["number"])).post(URL, data=query, content_type=FORM).json == {
        "value": [1, 2]
    }
    assert client_of(typed("string")).post(URL, data=query, content_type=FORM).status_code == 400


def test_brackets_are_objects_and_lists() -> None:
    client = client_of(typed("object"))
    nested = {"value": {"a": {"b": "1"}, "c": ["x", "y"]}}
    query = "value[a][b]=1&value[c][]=x&value[c][]=y"
    assert client.post(f"{URL}?{query}").json == nested
    assert client.post(URL, data=query, content_type=FORM).json == nested
    parts = {"value[a][b]": "1", "value[c][]": ["x", "y"]}
    assert client.post(URL, data=parts, content_type="multipart/form-data").json == nested


def test_ten_thousand_values_are_taken() -> None:
    client = client_of(typed(["number"]))
    many = list(range(10_000))
    assert client.post(URL, json={"value": many}).json == {"value": many}


AWKWARD = [
    "",
    " ",
    "null",
    "undefined",
    "NaN",
    "Infinity",
    "0x10",
    "1e400",
    "-0",
    "9" * 400,
    "1_000",
    "\u0661",
    "{",
    "[" * 500,
    "[" * 40 + "]" * 40,
    '"' + "x" * 1000,
    "2024-02-30",
    "99999-01-01",
    "91,181",
    "=",
    "{}",
    "[]",
    "[null]",
    '{"a": {"b": 1e999}}',
]
TYPES = [
    "string",
    "number",
    "integer",
    "boolean",
    "date",
    "object",
    "array",
    ["number"],
    ["object"],
    "any",
    "GeoPoint",
    "buffer",
    "Thing",
    ["Thing"],
]


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize("source", ["query", "form", "header", "path", None])
def test_awkward_text_is_taken_or_a_400_that_names_the_argument(
    source: str | None, type_: Any
) -> None:
    in_path = source == "path"
    client = client_of(typed(type_, source), path="/do/:value" if in_path else "/do")
    for value in AWKWARD:
        if in_path and not value:
            continue
        if source == "header" and not value.isascii():
            continue
        answers = [
            client.post(
                f"{URL}/{quote(value, safe='')}" if in_path else URL,
                query_string={} if in_path else {"value": value},
                headers={"value": value} if source == "header" else {},
            )
        ]
        if source in ("form", None):
            answers += [client.post(URL, data={"value": value})]
            answers += [client.post(URL, data={"value": value}, content_type="multipart/form-data")]
        for answer in answers:
            assert answer.status_code in (200, 400), (value, answer.text)
            if answer.status_code == 400:
                assert error_of(answer)["details"]["argument"].startswith("value")


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize("source", ["form", "body", None])
def test_awkward_json_is_taken_or_a_400_that_names_the_argument(
    source: str | None, type_: Any
) -> None:
    client = client_of(typed(type_, source))
    deep: Any = 1
    for _ in range(40):
        deep = [{"a": deep}]
    values = [None, 0, -1, 2**63, 2**70, 1.5, "", "x", True, [], [[]], [None], {}, {"": 1}, deep]
    for value in [*values, {"id": deep}, ["x"] * 10_000, {"a": "\x00"}, "\x00"]:
        body = json.dumps(value if source == "body" else {"value": value})
        answer = client.post(URL, data=body, content_type=JSON)
        assert answer.status_code in (200, 400), (str(value)[:100], answer.text)
        if answer.status_code == 400:
            assert error_of(answer)["details"]["argument"].startswith("value")


# Methods of instances


class Shelf(Model):
    name: Prop[str]

    class Meta:
        data_source = memory()

    @remote_method
    def rename(self, name: str, id: int = 0) -> dict[str, Any]:
        return {"shelf": self.name, "name": name, "id": id}


def test_the_path_alone_says_whose_method_is_called() -> None:
    app = Flask("shop")
    app.config.update(TESTING=True)
    Loop(app, url_prefix="/api").model(Shelf)
    client = app.test_client()
    for name in ("one", "two"):
        assert client.post("/api/shelves", json={"name": name}).status_code == 200
    for options in ({"json": {"name": "n", "id": 2}}, {"query_string": {"id": 2, "name": "n"}}):
        answer = client.post("/api/shelves/1/rename", **options)
        assert answer.json == {"shelf": "one", "name": "n", "id": 1}
    assert client.post("/api/shelves/9/rename", json={"name": "n"}).status_code == 404
