from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import orjson
import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from flask_loop import Model, Prop, create_model, memory

MakeApp = Callable[..., Flask]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def make_thing() -> type[Model]:
    class Maker(Model):
        city: Prop[str | None]

        class Meta:
            id_injection = False

    class Thing(Model):
        name: Prop[str | None]
        size: Prop[int | None]
        weight: Prop[float | None]
        is_new: Prop[bool | None]
        tags: Prop[list[str] | None]
        extra: Prop[dict[str, Any] | None]
        anything: Prop[Any | None]
        maker: Prop[Maker | None]

        class Meta:
            data_source = memory()

    return Thing


@pytest.fixture
def thing() -> type[Model]:
    return make_thing()


@pytest.fixture
def client(make_app: MakeApp, thing: type[Model]) -> FlaskClient:
    return make_app(thing).test_client()


def post(client: FlaskClient, data: bytes | str, content_type: str | None = JSON) -> Any:
    return client.post("/api/things", data=data, content_type=content_type)


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json["error"]
    assert error["statusCode"] == response.status_code
    return error


def count(client: FlaskClient) -> int:
    found: int = client.get("/api/things/count").json["count"]  # type: ignore[index]
    return found


# What is a body


@pytest.mark.parametrize("content_type", [None, JSON, FORM, "text/plain"])
def test_no_body_is_a_record_without_values(client: FlaskClient, content_type: str) -> None:
    response = post(client, b"", content_type)
    assert (response.status_code, response.json["id"]) == (200, 1)
    assert client.patch("/api/things/1", content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"],
)
def test_json_is_taken_under_each_of_its_types(client: FlaskClient, content_type: str) -> None:
    assert post(client, b'{"name": "caf\xc3\xa9"}', content_type).json["name"] == "café"


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "multipart/form-data; boundary=x", "application/xml", "x"]
)
def test_another_content_type_is_415(client: FlaskClient, content_type: str | None) -> None:
    response = post(client, b'{"name": "pen"}', content_type)
    assert response.status_code == 415
    assert error_of(response)["name"] == "UnsupportedMediaTypeError"
    assert count(client) == 0


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "{'name': 'pen'}",
        '{"name": }',
        '{"name": "pen"} x',
        '{"size": NaN}',
        '{"size": Infinity}',
        '{"size": -Infinity}',
        '{"size": 01}',
        '{"size": 1e999}',
        '{"size": 1' + "0" * 400 + "}",
        '{"size": 12345678901234567890, "weight": NaN}',
        '{"size": 12345678901234567890, "name": "\\ud800"}',
        '{"name": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"name": "a\nb"}',
        b'{"name": "\xe9"}',
        b"\xff\xfe{\x00}\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        "nul",
    ],
)
def test_what_is_not_json_is_400(client: FlaskClient, data: bytes | str) -> None:
    response = post(client, data)
    assert response.status_code == 400
    assert error_of(response)["code"] == "INVALID_JSON"
    assert count(client) == 0


@pytest.mark.parametrize("data", ["null", "1", "1.5", '"text"', "true", "[1]", "[null]", "[[]]"])
def test_json_that_is_no_record_is_400(client: FlaskClient, data: str) -> None:
    response = post(client, data)
    assert response.status_code == 400
    assert error_of(response)["details"] == {"argument": "data"}
    assert count(client) == 0


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PATCH", ""),
        ("PUT", ""),
        ("POST", "/replaceOrCreate"),
        ("POST", "/upsertWithWhere?where={}"),
        ("POST", "/update?where={}"),
        ("PUT", "/1"),
        ("POST", "/1/replace"),
        ("PATCH", "/1"),
    ],
)
@pytest.mark.parametrize("data", ["null", "[]", "[{}]", "0", '""'])
def test_only_create_takes_a_list_and_none_takes_a_scalar(
    client: FlaskClient, verb: str, path: str, data: str
) -> None:
    post(client, '{"name": "kept"}')
    response = client.open(f"/api/things{path}", method=verb, data=data, content_type=JSON)
    assert response.status_code == 400
    assert [each["name"] for each in client.get("/api/things").json] == ["kept"]  # type: ignore[union-attr]


# What is in a body


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        ('{"size": 9223372036854775808}', "size", "integer"),
        ('{"size": 18446744073709551616}', "size", "integer"),
        ('{"size": -9223372036854775809}', "size", "integer"),
        ('{"size": 1' + "0" * 300 + "}", "size", "integer"),
        ('{"weight": 18446744073709551617}', "weight", "number"),
        ('{"anything": 18446744073709551616}', "anything", "number"),
        ('{"extra": {"a": [18446744073709551616]}}', "extra.a.0", "number"),
        ('{"size": 5.9}', "size", "integer"),
        ('{"size": "5.0"}', "size", "integer"),
        ('{"size": ""}', "size", "integer"),
        ('{"size": true}', "size", "integer"),
        ('{"isNew": "yes"}', "isNew", "boolean"),
        ('{"isNew": 1}', "isNew", "boolean"),
        ('{"name": 5}', "name", "string"),
        ('{"name": {}}', "name", "string"),
        ('{"name": "a\\u0000b"}', "name", "string"),
        ('{"extra": {"a\\u0000": 1}}', "extra", "string"),
        ('{"extra": []}', "extra", "object"),
        ('{"tags": {}}', "tags", "array"),
        ('{"tags": ["a", 1]}', "tags.1", "string"),
        ('{"maker": {"city": 1}}', "maker.city", "string"),
        ('{"anything": ' + "[" * 1000 + "]" * 1000 + "}", "anything" + ".0" * 32, "depth"),
        ('{"extra": ' + '{"a":' * 33 + "1" + "}" * 33 + "}", "extra" + ".a" * 32, "depth"),
    ],
)
def test_a_value_outside_its_type_is_422_and_names_the_place(
    client: FlaskClient, data: str, name: str, code: str
) -> None:
    response = post(client, data)
    assert response.status_code == 422
    assert error_of(response)["details"]["codes"] == {name: [code]}
    assert count(client) == 0


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        ('{"size": 9223372036854775807}', "size", 2**63 - 1),
        ('{"size": -9223372036854775808}', "size", -(2**63)),
        ('{"anything": 9007199254740993}', "anything", 2**53 + 1),
        ('{"size": "12"}', "size", 12),
        ('{"size": 5.0}', "size", 5),
        ('{"weight": 0.1234567890123456789}', "weight", 0.12345678901234568),
        ('{"isNew": "true"}', "isNew", True),
        ('{"name": ""}', "name", ""),
        ('{"name": "\\ud83d\\ude00"}', "name", "😀"),
        ('{"name": "a", "name": "b"}', "name", "b"),
        ('{"extra": {"snake_case": {"x": null}}}', "extra", {"snake_case": {"x": None}}),
        (
            '{"anything": ' + "[" * 32 + "]" * 32 + "}",
            "anything",
            orjson.loads("[" * 32 + "]" * 32),
        ),
    ],
)
def test_a_value_inside_its_type_is_kept_exactly(
    client: FlaskClient, data: str, name: str, value: Any
) -> None:
    assert post(client, data).json[name] == value
    assert client.get("/api/things/1").json[name] == value  # type: ignore[index]


def test_deep_values_of_no_property_are_dropped(client: FlaskClient) -> None:
    deep = "[" * 1000 + "]" * 1000
    response = post(client, '{"name": "pen", "other": ' + deep + "}")
    assert (response.status_code, "other" in response.json) == (200, False)


# Forms


def test_a_form_gives_a_record_with_lists_and_objects_in_brackets(client: FlaskClient) -> None:
    response = post(
        client,
        "name=caf%C3%A9+noir&size=3&weight=1.5&isNew=true&tags[]=a&tags[]=b"
        "&extra[deep][key]=text&maker[city]=Oslo",
        FORM,
    )
    assert response.json == {
        "name": "café noir",
        "size": 3,
        "weight": 1.5,
        "isNew": True,
        "tags": ["a", "b"],
        "extra": {"deep": {"key": "text"}},
        "anything": None,
        "maker": {"city": "Oslo"},
        "id": 1,
    }
    assert client.patch("/api/things/1", data={"size": "4"}).json["size"] == 4  # type: ignore[index]


@pytest.mark.parametrize(
    "data", ["name=%FF", b"name=\xff", "name[=x", "a=1&a[b]=2", "&".join(["a=1"] * 10_001)]
)
def test_a_malformed_form_is_400(client: FlaskClient, data: str | bytes) -> None:
    assert post(client, data, FORM).status_code == 400
    assert count(client) == 0


def test_one_value_in_a_form_is_a_list_of_one_where_a_list_is_meant(client: FlaskClient) -> None:
    response = post(client, "name=pen&tags=a", FORM)
    assert response.json["tags"] == ["a"]


def test_a_form_has_the_same_rules(client: FlaskClient) -> None:
    assert error_of(post(client, "size=much", FORM))["details"]["codes"] == {"size": ["integer"]}


def test_a_form_that_the_app_has_read_before_is_still_the_record(
    make_app: MakeApp, thing: type[Model]
) -> None:
    app = make_app(thing)
    app.before_request(lambda: request.form.get("token") and None)
    response = post(app.test_client(), "name=pen&tags[]=a&tags[]=b", FORM)
    assert (response.json["name"], response.json["tags"]) == ("pen", ["a", "b"])


def test_json_that_the_app_has_read_before_is_still_the_record(
    make_app: MakeApp, thing: type[Model]
) -> None:
    app = make_app(thing)
    app.before_request(lambda: request.get_json(silent=True) and None)
    assert post(app.test_client(), '{"name": "pen"}').json["name"] == "pen"


# How large


@pytest.fixture
def small(make_app: MakeApp, thing: type[Model]) -> FlaskClient:
    return make_app(thing, LOOP_MAX_BODY=100, LOOP_MAX_VALUES=3).test_client()


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_body_that_says_it_is_too_large_is_413(small: FlaskClient, content_type: str) -> None:
    response = post(small, b"x" * 101, content_type)
    assert response.status_code == 413
    assert error_of(response)["message"] == "The request body is larger than 100 bytes."


def test_a_body_that_turns_out_too_large_is_413(small: FlaskClient) -> None:
    response = small.post(
        "/api/things",
        input_stream=BytesIO(b'{"name": "pen"}' + b" " * 100),
        content_type=JSON,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert response.status_code == 413
    assert count(small) == 0


def test_a_body_in_chunks_may_be_as_large_as_another(small: FlaskClient) -> None:
    body = b'{"name": "' + b"x" * 88 + b'"}'
    response = small.post(
        "/api/things",
        input_stream=BytesIO(body),
        content_type=JSON,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert (len(body), response.status_code) == (100, 200)


def test_a_body_in_chunks_is_read(small: FlaskClient) -> None:
    response = small.post(
        "/api/things",
        input_stream=BytesIO(b'{"name": "pen"}'),
        content_type=JSON,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert response.json["name"] == "pen"  # type: ignore[index]


def test_a_body_as_large_as_it_may_be_is_taken(small: FlaskClient) -> None:
    body = b'{"name": "' + b"x" * 88 + b'"}'
    assert len(body) == 100
    assert post(small, body).status_code == 200


def test_the_apps_own_bound_holds_too(make_app: MakeApp, thing: type[Model]) -> None:
    client = make_app(thing, MAX_CONTENT_LENGTH=20).test_client()
    response = post(client, b'{"name": "a longer pen"}')
    assert response.status_code == 413
    assert error_of(response)["message"] == "The request body is larger than 20 bytes."


def test_the_bound_of_bodies_is_not_the_apps(make_app: MakeApp, thing: type[Model]) -> None:
    app = make_app(thing, LOOP_MAX_BODY=10)
    app.post("/upload")(lambda: str(len(request.get_data())))
    assert app.test_client().post("/upload", data=b"x" * 1000).text == "1000"


def test_several_records_are_bounded(small: FlaskClient) -> None:
    assert post(small, "[{}, {}, {}]").status_code == 200
    response = post(small, "[{}, {}, {}, {}]")
    assert response.status_code == 400
    assert "more than 3 records" in error_of(response)["message"]
    assert count(small) == 3


# Query strings


def test_a_very_long_filter_is_answered(client: FlaskClient) -> None:
    names = [f"name-{n}" for n in range(1000)]
    post(client, orjson.dumps([{"name": "name-7"}, {"name": "other"}]))
    filter = orjson.dumps({"where": {"name": {"inq": names}}}).decode()
    found = client.get("/api/things", query_string={"filter": filter}).json
    assert [each["name"] for each in found] == ["name-7"]  # type: ignore[union-attr]
    brackets = "&".join(f"filter[where][name][inq][{n}]={name}" for n, name in enumerate(names))
    assert client.get(f"/api/things?{brackets}").json == found


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"filter[where][name][inq][{n}]=x" for n in range(1001)),
        "&".join(["a=1"] * 10_001),
        "filter" + "[a]" * 100 + "=1",
        "filter" + "[" * 10_000 + "=1",
        "filter=" + "[" * 10_000,
        "filter=" + '{"where":' * 1000 + "{}" + "}" * 1000,
        'filter={"where":' + '{"and":[' * 20 + '{"size":1}' + "]}" * 20 + "}",
        'filter={"where":{"size":18446744073709551616}}',
        'filter={"where":{"size":NaN}}',
        'filter={"where":{"name":"a\\u0000"}}',
        "filter[where][name]=%00",
        'filter={"where":{"name":"\\ud800"}}',
        "filter[where][name]=%ED%A0%80",
        "filter=%FF",
        "filter=1&filter=2",
        "filter[where]=1",
        "filter[limit]=x",
        "filter[limit][a]=1",
        'filter={"limit":1.5}',
        'filter={"limit":true}',
        'filter={"skip":9223372036854775808}',
        'filter={"order":5}',
        'filter={"fields":5}',
        'filter={"fields":{"name":"no"}}',
        "filter[__proto__]=1",
        "filter[where][constructor]=1",
    ],
)
def test_a_filter_that_means_nothing_is_400(client: FlaskClient, query: str) -> None:
    response = client.get(f"/api/things?{query}")
    assert response.status_code == 400
    assert error_of(response)["message"]


def test_raw_utf8_in_a_query_string_is_text(client: FlaskClient) -> None:
    post(client, '{"name": "café"}')
    raw = 'filter={"where":{"name":"café"}}'.encode().decode("latin-1")
    response = client.get("/api/things", environ_overrides={"QUERY_STRING": raw})
    assert [each["name"] for each in response.json] == ["café"]  # type: ignore[union-attr]


def test_the_greatest_depth_of_a_filter_is_a_setting(make_app: MakeApp) -> None:
    model = memory().create_model("thing", {"size": int})
    client = make_app(model, LOOP_MAX_FILTER_DEPTH=2, LOOP_MAX_FILTER_CONDITIONS=2).test_client()

    def status(where: str) -> int:
        return client.get("/api/things/count", query_string={"where": where}).status_code

    assert status('{"and": [{"size": 1}]}') == 200
    assert status('{"and": [{"and": [{"size": 1}]}]}') == 400
    assert status('{"size": {"gt": 1, "lt": 5}}') == 200
    assert status('{"size": {"gt": 1, "lt": 5, "neq": 3}}') == 400


def test_unknown_keys_are_dropped_refused_or_kept_as_the_model_says(make_app: MakeApp) -> None:
    source = memory()
    answers = {}
    for strict in (True, "validate", False):
        name = f"model-{strict}".lower()
        model = source.create_model(name, {"unit_price": int}, strict=strict)
        client = make_app(model).test_client()
        answers[strict] = client.post(f"/api/{name}s", json={"unitPrice": 1, "more": {"a": [1]}})
    assert answers[True].json == {"unitPrice": 1, "id": 1}
    assert answers["validate"].status_code == 422
    assert error_of(answers["validate"])["details"]["codes"] == {"more": ["unknown-property"]}
    assert answers[False].json == {"unitPrice": 1, "id": 1, "more": {"a": [1]}}


@pytest.mark.parametrize("strict", [True, "validate", False])
def test_a_key_that_cannot_be_written_in_utf8_is_no_500(make_app: MakeApp, strict: Any) -> None:
    model = create_model("thing", {"size": int}, strict=strict)
    model.attach_to(memory())
    client = make_app(model).test_client()
    assert post(client, '{"\\ud800": 12345678901234567890}').status_code == 400
