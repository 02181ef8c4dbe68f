from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from flask import Flask, Response, got_request_exception, jsonify
from flask_login import LoginManager, UserMixin
from werkzeug.exceptions import NotFound, abort
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_loop import GeoPoint
from tests.served import URL, serve

CONTEXT = {"arg": "ctx", "type": "object", "http": {"source": "context"}}
ROOT = {"arg": "answer", "type": "object", "root": True}
STREAM = {"arg": "items", "type": "stream", "root": True}


def call(function: Callable[..., Any], **options: Any) -> Any:
    options.setdefault("returns", ROOT)
    takes_context = "ctx" in function.__code__.co_varnames[: function.__code__.co_argcount]
    return serve(function, accepts=[CONTEXT] if takes_context else [], **options).post(
        URL, buffered=True
    )


# Values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (42, "42"),
        ("text", '"text"'),
        ([1, {"a": None}], '[1,{"a":null}]'),
        (datetime(2024, 2, 1, tzinfo=UTC), '"2024-02-01T00:00:00.000Z"'),
        (Decimal("1.10"), '"1.10"'),
        (b"\x00", '"AA=="'),
        (GeoPoint(1, 2), '{"lat":1.0,"lng":2.0}'),
    ],
)
def test_a_root_value_is_the_whole_body(value: Any, text: str) -> None:
    answer = call(lambda: value)
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_method_that_declares_no_answer_is_204() -> None:
    answer = call(lambda: {"ignored": True}, returns=())
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize(("returns", "status"), [(ROOT, 201), ((), 202)])
def test_a_method_has_the_status_it_declares(returns: Any, status: int) -> None:
    assert call(lambda: None, returns=returns, status=status).status_code == status


def test_a_value_without_a_form_in_json_is_500() -> None:
    assert call(lambda: {"x": object()}).status_code == 500


# Answers of Flask's


@pytest.mark.parametrize("returns", [ROOT, (), {"arg": "named", "type": "object"}])
def test_an_answer_of_flasks_is_passed_on(returns: Any) -> None:
    def answer() -> Response:
        response = jsonify(a=1)
        response.status_code = 418
        response.headers["X-Own"] = "1"
        return response

    found = call(answer, returns=returns)
    assert (found.status_code, found.json, found.headers["X-Own"]) == (418, {"a": 1}, "1")


def test_an_answer_of_werkzeugs_is_passed_on() -> None:
    found = call(lambda: WerkzeugResponse("text", 202, content_type="text/x-own"))
    assert (found.status_code, found.text, found.content_type) == (202, "text", "text/x-own")


def test_an_answer_that_is_raised_is_passed_on() -> None:
    found = call(lambda: abort(Response("raised", 402)))
    assert (found.status_code, found.text) == (402, "raised")


# What a call sets of its answer


def set_all(ctx: Any) -> dict[str, int]:
    ctx.res.status_code = 202
    ctx.res.headers["X-Own"] = "1"
    ctx.res.headers["Content-Type"] = "application/vnd.own+json"
    ctx.res.headers.add("Vary", "X-Own")
    ctx.res.set_cookie("a", "1", httponly=True)
    ctx.res.set_cookie("b", "2")
    ctx.res.delete_cookie("c")
    return {"a": 1}


def test_status_headers_and_cookies_go_into_the_answer() -> None:
    answer = call(set_all)
    assert (answer.status_code, answer.json) == (202, {"a": 1})
    assert answer.headers["X-Own"] == "1"
    assert answer.headers.getlist("Content-Type") == ["application/vnd.own+json"]
    cookies = answer.headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["a", "b", "c"]
    assert "HttpOnly" in cookies[0]


def test_they_go_into_a_stream_too() -> None:
    def stream(ctx: Any) -> Iterator[int]:
        set_all(ctx)
        return iter([1, 2])

    answer = call(stream, returns=STREAM)
    assert (answer.status_code, answer.data) == (202, b"1\n2\n")
    assert answer.headers["X-Own"] == "1"
    assert answer.headers.getlist("Vary") == ["Accept", "X-Own"]


def test_they_go_into_an_answer_of_flasks() -> None:
    def answer(ctx: Any) -> Response:
        set_all(ctx)
        return Response("text", 418)

    found = call(answer)
    assert (found.status_code, found.text, found.headers["X-Own"]) == (202, "text", "1")


def test_an_error_has_its_own_status_and_the_headers_and_cookies() -> None:
    def fail(ctx: Any) -> None:
        set_all(ctx)
        del ctx.res.headers["Content-Type"]
        raise NotFound("Nothing.")

    answer = call(fail)
    assert (answer.status_code, answer.json["error"]["message"]) == (404, "Nothing.")
    assert answer.headers["X-Own"] == "1"
    assert len(answer.headers.getlist("Set-Cookie")) == 3


def test_looking_at_the_answer_alone_changes_nothing() -> None:
    def look(ctx: Any) -> dict[str, int]:
        return {"status": ctx.res.status_code, "headers": len(ctx.res.headers)}

    answer = call(look, status=201)
    assert (answer.status_code, answer.json) == (201, {"status": 201, "headers": 0})
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_header_cannot_be_split() -> None:
    def split(ctx: Any) -> None:
        ctx.res.headers["X-Own"] = "1\r\nSet-Cookie: a=1"

    answer = call(split)
    assert answer.status_code == 500
    assert "Set-Cookie" not in answer.headers


# Unexpected exceptions


def fail() -> None:
    raise ValueError("secret")


@pytest.mark.parametrize(
    ("declared", "status", "phrase"),
    [
        (None, 500, "Internal Server Error"),
        (418, 418, "I'm a Teapot"),
        (502, 502, "Bad Gateway"),
        (599, 599, "Error"),
    ],
)
def test_an_unexpected_exception_has_the_declared_status_and_tells_nothing(
    declared: int | None, status: int, phrase: str
) -> None:
    app = Flask("shop")
    told: list[Exception] = []
    logged: list[Any] = []
    app.log_exception = logged.append  # type: ignore[method-assign]

    def keep(sender: Flask, exception: Exception) -> None:
        told.append(exception)

    got_request_exception.connect(keep, app)
    answer = call(fail, app=app, error_status=declared)
    assert answer.status_code == status
    assert answer.json["error"]["message"] == phrase
    assert "secret" not in answer.text
    assert ([str(each) for each in told], len(logged)) == (["secret"], 1)


def test_the_declared_status_is_for_unexpected_exceptions_only() -> None:
    def refuse() -> None:
        raise NotFound("Nothing.")

    assert call(refuse, error_status=418).status_code == 404


def test_an_app_that_propagates_exceptions_gets_it() -> None:
    with pytest.raises(ValueError, match="secret"):
        call(fail, error_status=418, testing=True)


# Who calls


class Customer(UserMixin):
    id = "7"


def app_with_logins(user: Any) -> Flask:
    app = Flask("shop")
    manager = LoginManager(app)
    manager.request_loader(lambda request: user)
    return app


def who(ctx: Any) -> Any:
    return ctx.user and ctx.user.id


def test_the_user_is_flask_logins() -> None:
    assert call(who, app=app_with_logins(Customer())).json == "7"


def test_the_user_is_none_where_nobody_is_logged_in_or_the_app_has_no_logins() -> None:
    assert call(who, app=app_with_logins(None)).json is None
    assert call(who).json is None


def test_the_user_is_loaded_when_first_looked_at() -> None:
    loaded: list[int] = []
    app = Flask("shop")
    LoginManager(app).request_loader(lambda request: loaded.append(1))
    assert call(lambda ctx: 1, app=app).json == 1
    assert loaded == []


class Size(Enum):
    SMALL = "s"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("boolean", True, "true"),
        ("number", 3, "3"),
        ("date", datetime(2024, 2, 1, tzinfo=UTC), "2024-02-01T00:00:00.000Z"),
        (Size, Size.SMALL, "s"),
        ("string", "as it is", "as it is"),
        ("object", {"a": 1}, '{"a": 1}'),
    ],
)
def test_a_value_in_a_header_is_written_as_its_type_is(kind: Any, value: Any, text: str) -> None:
    declared = {"arg": "head", "type": kind, "http": {"target": "header", "header": "X-Head"}}
    answer = call(lambda: value, returns=declared)
    assert answer.headers["X-Head"] == text
    assert (answer.status_code, answer.data) == (204, b"")


def test_a_status_alone_has_no_body() -> None:
    declared = {"arg": "status", "type": "number", "http": {"target": "status"}}
    answer = call(lambda: 202, returns=declared)
    assert (answer.status_code, answer.data) == (202, b"")
