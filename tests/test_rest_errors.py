from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, abort, got_request_exception, redirect
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests, Unauthorized

from flask_loop import (
    DefinitionError,
    LoopError,
    Model,
    Prop,
    RemoteError,
    ValidationError,
    memory,
    prop,
)

MakeApp = Callable[..., Flask]

ANSWER = Response("kept", status=418, headers={"X-Own": "1"})


class Odd(Exception):
    pass


def failing_model(error: BaseException) -> type[Model]:
    """A model whose find raises."""

    class Thing(Model):
        name: Prop[str | None]

        class Meta:
            data_source = memory()

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            raise error

    return Thing


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    class Product(Model):
        name: Prop[str] = prop(required=True)
        cost: Prop[int | None] = prop(hidden=True)

        class Meta:
            data_source = memory()

    return make_app(Product).test_client()


# As problem details


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        ("application/problem+json", True),
        ("application/problem+json, application/json;q=0.9", True),
        ("application/problem+json;q=0.5, text/html", True),
        ("application/problem+json, */*", True),
        ("application/problem+json;q=0.9, application/json", False),
        ("application/json, application/problem+json;q=0.5", False),
        ("application/json", False),
        ("application/problem+json;q=0", False),
        ("application/*", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_clients_that_rather_have_problem_details_get_them(
    client: FlaskClient, accept: str, is_problem: bool
) -> None:
    response = client.get("/api/products/9", headers={"Accept": accept})
    assert response.status_code == 404
    if is_problem:
        assert response.content_type == "application/problem+json"
        assert response.json == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": 'Unknown "Product" id "9".',
            "instance": "/api/products/9",
            "code": "MODEL_NOT_FOUND",
        }
    else:
        assert response.content_type == "application/json; charset=utf-8"
        assert response.json == {
            "error": {
                "statusCode": 404,
                "name": "Error",
                "message": 'Unknown "Product" id "9".',
                "code": "MODEL_NOT_FOUND",
            }
        }


@pytest.mark.parametrize(
    ("call", "body", "status", "title"),
    [
        ("GET /api/nothing", None, 404, "Not Found"),
        ("DELETE /api/products/count", None, 405, "Method Not Allowed"),
        ("POST /api/products", {}, 422, "Unprocessable Entity"),
        ("POST /api/products", 1, 400, "Bad Request"),
        ("GET /api/products?filter=x", None, 400, "Bad Request"),
    ],
)
def test_every_error_has_a_form_as_problem_details(
    client: FlaskClient, call: str, body: Any, status: int, title: str
) -> None:
    verb, path = call.split()
    response = client.open(
        path, method=verb, json=body, headers={"Accept": "application/problem+json"}
    )
    assert response.status_code == status
    problem = response.json
    assert problem is not None
    assert (problem["title"], problem["status"]) == (title, status)
    assert problem["instance"] == path.partition("?")[0]
    assert problem["detail"]


def test_a_validation_failure_as_problem_details_has_the_details(client: FlaskClient) -> None:
    response = client.post("/api/products", json={}, headers={"Accept": "application/problem+json"})
    assert response.json["details"] == {  # type: ignore[index]
        "context": "Product",
        "codes": {"name": ["presence"]},
        "messages": {"name": ["can't be blank"]},
    }


def test_success_is_json_whatever_the_client_accepts(client: FlaskClient) -> None:
    response = client.get("/api/products", headers={"Accept": "application/problem+json"})
    assert (response.status_code, response.content_type) == (200, "application/json; charset=utf-8")


# What a model's own method raises


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            RemoteError("Out of stock.", error_code="STOCK", details={"left": 0}),
            500,
            {"message": "Out of stock.", "code": "STOCK", "details": {"left": 0}},
        ),
        (
            ValidationError("Thing", []),
            422,
            {
                "name": "ValidationError",
                "message": "The `Thing` instance is not valid. Details: .",
                "details": {"context": "Thing", "codes": {}, "messages": {}},
            },
        ),
        (PermissionError("Not yours."), 403,
         {"name": "ForbiddenError", "message": "Not yours.", "code": "ACCESS_DENIED"}),
        (PermissionError(), 403,
         {"name": "ForbiddenError", "message": "Access denied.", "code": "ACCESS_DENIED"}),
        (PermissionError(13, "Permission denied", "/etc/shadow"), 403,
         {"name": "ForbiddenError", "message": "Access denied.", "code": "ACCESS_DENIED"}),
        (TooManyRequests("Slow down."), 429,
         {"name": "TooManyRequestsError", "message": "Slow down."}),
    ],
)  # fmt: skip
def test_an_error_with_a_status_is_answered_with_it(
    make_app: MakeApp, error: Exception, status: int, body: dict[str, Any]
) -> None:
    client = make_app(failing_model(error), testing=False).test_client()
    response = client.get("/api/things")
    assert response.status_code == status
    assert response.json == {"error": {"statusCode": status, **body}}


def raised_by(stop: Callable[[], Any]) -> HTTPException:
    try:
        stop()
    except HTTPException as error:
        return error
    raise AssertionError("nothing was raised")


def test_abort_with_a_status_is_answered_in_json(make_app: MakeApp) -> None:
    model = failing_model(raised_by(lambda: abort(418)))
    response = make_app(model).test_client().get("/api/things")
    assert response.status_code == 418
    error = response.json["error"]  # type: ignore[index]
    assert (error["statusCode"], error["name"]) == (418, "ImATeapotError")
    assert "teapot" in error["message"]


def test_abort_with_a_response_answers_it_as_it_is(make_app: MakeApp) -> None:
    model = failing_model(raised_by(lambda: abort(ANSWER)))
    response = make_app(model).test_client().get("/api/things")
    assert (response.status_code, response.text, response.headers["X-Own"]) == (418, "kept", "1")


def test_abort_with_a_redirect_redirects(make_app: MakeApp) -> None:
    model = failing_model(raised_by(lambda: abort(redirect("/elsewhere"))))  # type: ignore[arg-type]
    response = make_app(model).test_client().get("/api/things")
    assert (response.status_code, response.headers["Location"]) == (302, "/elsewhere")


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (TooManyRequests(retry_after=30), "Retry-After", "30"),
        (MethodNotAllowed(valid_methods=["GET", "PUT"]), "Allow", "GET, PUT"),
    ],
)
def test_the_headers_of_an_error_are_sent(
    make_app: MakeApp, error: HTTPException, header: str, value: str
) -> None:
    response = make_app(failing_model(error)).test_client().get("/api/things")
    assert response.headers[header] == value
    assert response.headers.getlist("Content-Type") == ["application/json; charset=utf-8"]


def test_a_challenge_is_sent(make_app: MakeApp) -> None:
    from werkzeug.datastructures import WWWAuthenticate

    error = Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "shop"}))
    response = make_app(failing_model(error)).test_client().get("/api/things")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer realm=shop"


def test_details_that_json_cannot_hold_are_written_as_text(make_app: MakeApp) -> None:
    error = RemoteError("Odd.", details={1: {2.5: {"set"}}, "error": Odd("x")})
    client = make_app(failing_model(error), testing=False).test_client()
    response = client.get("/api/things")
    assert response.json["error"]["details"] == {  # type: ignore[index]
        "1": {"2.5": "{'set'}"}, "error": "x",
    }  # fmt: skip


# Unexpected errors


UNEXPECTED: list[Exception] = [
    Odd("secret"),
    ValueError("secret"),
    LoopError("secret"),
    DefinitionError("secret"),
    KeyError("secret"),
    RecursionError("secret"),
]


@pytest.mark.parametrize("error", UNEXPECTED, ids=lambda error: type(error).__name__)
def test_an_unexpected_error_is_a_500_that_tells_nothing(
    make_app: MakeApp, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(failing_model(error), testing=False)
    seen: list[Any] = []

    def see(sender: Flask, exception: Exception, **more: Any) -> None:
        seen.append((sender, exception))

    with got_request_exception.connected_to(see, app), caplog.at_level(logging.ERROR):
        response = app.test_client().get("/api/things")
    assert response.status_code == 500
    assert response.json == {"error": {"statusCode": 500, "message": "Internal Server Error"}}
    assert seen == [(app, error)]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert "/api/things" in record.getMessage()


def test_an_unexpected_error_as_problem_details_tells_nothing(make_app: MakeApp) -> None:
    app = make_app(failing_model(Odd("secret")), testing=False)
    response = app.test_client().get("/api/things", headers={"Accept": "application/problem+json"})
    assert response.json == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Internal Server Error",
        "instance": "/api/things",
    }


@pytest.mark.parametrize(
    ("config", "debug"),
    [({"TESTING": True}, False), ({"PROPAGATE_EXCEPTIONS": True}, False), ({}, True)],
)
def test_an_unexpected_error_is_raised_on_where_the_app_propagates(
    make_app: MakeApp, config: dict[str, Any], debug: bool
) -> None:
    error = Odd("seen")
    app = make_app(failing_model(error), testing=False)
    app.config.update(config)
    app.debug = debug
    with pytest.raises(Odd, match="seen") as caught:
        app.test_client().get("/api/things")
    assert caught.value is error


def test_an_app_that_does_not_propagate_in_tests_gets_the_500(make_app: MakeApp) -> None:
    app = make_app(failing_model(Odd("secret")), PROPAGATE_EXCEPTIONS=False)
    assert app.test_client().get("/api/things").status_code == 500


def test_what_json_cannot_hold_is_an_unexpected_error(make_app: MakeApp) -> None:
    class Thing(Model):
        name: Prop[str | None]

        class Meta:
            data_source = memory()

        def to_dict(self) -> dict[str, Any]:
            return {"name": object()}

    client = make_app(Thing, testing=False).test_client()
    Thing.create(name="a")
    response = client.get("/api/things")
    assert response.status_code == 500
    assert "object" not in response.text


def test_exceptions_that_end_the_process_are_not_caught(make_app: MakeApp) -> None:
    client = make_app(failing_model(KeyboardInterrupt()), testing=False).test_client()
    with pytest.raises(KeyboardInterrupt):
        client.get("/api/things")


# The host's own handlers


@pytest.fixture
def host(make_app: MakeApp) -> Flask:
    """An app with handlers for everything, and one model whose find fails."""
    app = make_app(failing_model(Odd("secret")), testing=False)
    for code in (400, 404, 405, 413, 415, 422, 500):
        app.register_error_handler(code, lambda error: ("host's page", 299))
    app.register_error_handler(HTTPException, lambda error: ("host's page", 298))
    app.register_error_handler(Exception, lambda error: ("host's page", 297))
    return app


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/api/things", 500),
        ("GET", "/api/things/9", 404),
        ("GET", "/api/things?filter=x", 400),
        ("DELETE", "/api/things/count", 405),
        ("TRACE", "/api/things", 405),
        ("GET", "/api/nothing", 404),
        ("GET", "/api", 404),
        ("POST", "/api/things", 415),
    ],
)
def test_the_apps_error_handlers_do_not_answer_for_models(
    host: Flask, verb: str, path: str, status: int
) -> None:
    response = host.test_client().open(path, method=verb, data=b"x", content_type="text/plain")
    assert response.status_code == status
    assert response.json["error"]["statusCode"] == status  # type: ignore[index]


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/nothing", 299),
        ("GET", "/apis", 299),
        ("POST", "/page", 299),
        ("GET", "/fails", 297),
        ("GET", "/api/own", 299),
        ("POST", "/api/own", 299),
    ],
)
def test_the_apps_error_handlers_answer_for_its_own_routes(
    host: Flask, verb: str, path: str, status: int
) -> None:
    host.add_url_rule("/page", "page", lambda: "page")
    host.add_url_rule("/fails", "fails", lambda: {}["x"])
    host.add_url_rule("/api/own", "own", lambda: abort(404))
    response = host.test_client().open(path, method=verb)
    assert (response.status_code, response.text) == (status, "host's page")
