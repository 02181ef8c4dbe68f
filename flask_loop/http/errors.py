"""Answers for exceptions: LoopBack's ``{"error": {...}}``, or problem details."""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from typing import Any, cast

import orjson
from flask import Flask, Request, Response, current_app, request
from flask.signals import got_request_exception
from werkzeug.exceptions import HTTPException

from ..definition import ModelDefinition
from ..errors import (
    Forbidden,
    MethodNotAllowed,
    NotFound,
    RemoteError,
    Unavailable,
    ValidationError,
)
from ..methods import Argument, RemoteMethod, Returns
from ..model import Model
from .values import JSON

PROBLEM = "application/problem+json"


def error_response(
    error: Exception, model: type[Model] | None = None, method: RemoteMethod | None = None
) -> Response:
    """Answer for an exception as LoopBack does, or as RFC 9457 where the client asks for it.

    An unexpected exception is raised on where the app propagates them, as in debug and in tests;
    otherwise it is logged, the app's ``got_request_exception`` is sent, and nothing of it is told.

    :param error: the exception that is being handled.
    :param model: the model whose method was called.
    :param method: the method, which may have a status for unexpected exceptions.
    """
    if isinstance(error, ValidationError) and model is not None:
        definition = _written(model, method, error.context)
        error = ValidationError(error.context, definition.to_wire(error.failures))
    if isinstance(error, Unavailable):
        current_app.logger.error("%s", error.message, exc_info=error)
    if isinstance(error, HTTPException):
        if error.response is not None or (error.code or 500) < 400:
            return cast("Response", error.get_response(request.environ))
        return _render(error)
    if isinstance(error, PermissionError):
        # One of the operating system names a file in its text.
        text = str(error) if error.errno is None else ""
        return _render(Forbidden(text or "Access denied."))
    if propagates(_app()):
        raise error
    report(error)
    return _render(_unexpected(None if method is None else method.error_status))


def _written(model: type[Model], method: RemoteMethod | None, context: str) -> ModelDefinition:
    """The model whose record is not valid: by way of a relation, another one's."""
    parts: list[Argument | Returns] = []
    if method is not None:
        parts = [*method.accepts, *method.returns]
    others = (each.of for each in parts if each.of is not None and each.of.name == context)
    return next(others, model.definition)


def report(error: Exception) -> None:
    """Log an unexpected exception and send the app's ``got_request_exception``.

    Where the app propagates exceptions, whoever gets it logs it.
    """
    app = _app()
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    if not propagates(app):
        app.log_exception(sys.exc_info())


def unknown_path(request: Request) -> NotFound:
    return NotFound(f"There is no method to handle {request.method} {request.path}.")


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def propagates(app: Flask) -> bool:
    """Whether an app raises unexpected exceptions on, as in debug and in tests."""
    said = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(app.testing or app.debug if said is None else said)


def _unexpected(status: int | None) -> RemoteError:
    """What is told of an unexpected exception: the phrase of a status."""
    status = 500 if status is None else status
    phrases = {each.value: each.phrase for each in HTTPStatus}
    error = RemoteError(phrases.get(status, "Error"))
    error.code = status
    return error


def _render(error: HTTPException) -> Response:
    status = error.code or 500
    wants_problem = request.accept_mimetypes.best_match(["application/json", PROBLEM]) == PROBLEM
    body = _problem(error, status) if wants_problem else {"error": _loopback_error(error, status)}
    response = Response(
        _json(body),
        status=status,
        content_type=PROBLEM if wants_problem else JSON,
    )
    for name, value in error.get_headers(request.environ):
        if name.lower() != "content-type":
            response.headers[name] = value
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _json(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # a lone surrogate, or a number of more than 64 bits
        return json.dumps(body, default=str).encode()


def _loopback_error(error: HTTPException, status: int) -> dict[str, Any]:
    body: dict[str, Any] = {"statusCode": status}
    if status < 500 or status == 503:
        body["name"] = getattr(error, "error_name", None) or _name_of(type(error))
    body["message"] = getattr(error, "message", None) or error.description or error.name
    return {**body, **_machine_readable(error)}


def _name_of(kind: type[HTTPException]) -> str:
    return f"{kind.__name__.removesuffix('Error')}Error"


def _problem(error: HTTPException, status: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPException.name.fget(error),  # type: ignore[attr-defined]
        "status": status,
        "detail": getattr(error, "message", None) or error.description,
        "instance": request.path,
    }
    return {**body, **_machine_readable(error)}


def _machine_readable(error: HTTPException) -> dict[str, Any]:
    found = {"code": getattr(error, "error_code", None), "details": getattr(error, "details", None)}
    return {key: value for key, value in found.items() if value is not None}
