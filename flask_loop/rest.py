"""The REST transport: a blueprint for each model, and nothing but HTTP."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from flask import Blueprint, Flask, Request, Response, current_app, request
from flask.signals import got_request_exception
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import RequestRedirect, Rule

from .definition import MISSING, ModelDefinition
from .errors import (
    BadRequest,
    DefinitionError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RemoteError,
    Unavailable,
    UnsupportedMediaType,
    ValidationError,
)
from .geo import GeoPoint
from .methods import RemoteMethod
from .model import Model
from .operations import FoundMany, Stored, StoredMany, is_remote, routed_methods
from .query import Bounds, parse_query
from .remoting import invoke
from .state import Settings, State
from .types import Array, Buffer, Date, DateTime, DecimalNumber, Geo

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json"
#: What the endpoints of all models begin with.
PREFIX = "loop"

_PLACEHOLDER = re.compile(r":(\w+)")
_LONG_INTEGER = re.compile(rb"\d{19}")
_RESULTS = (FoundMany, Stored, StoredMany)
_JSON_OF: dict[type, Callable[[Any], Any]] = {
    Model: lambda record: record.to_dict(),
    datetime: lambda value: DateTime().dump(DateTime().load(value)),
    date: Date().dump,
    Decimal: DecimalNumber().dump,
    bytes: Buffer().dump,
    GeoPoint: Geo().dump,
}


class LazyRule(Rule):
    """A URL rule that compiles its builder when a URL is first built.

    Compiling the builders is nearly all that a rule costs at start-up. The hook is private to
    Werkzeug; where it is not there, rules are built as usual.
    """

    if hasattr(Rule, "_compile_builder"):

        def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:
            compile_now = super()._compile_builder
            compiled: list[Callable[..., Any]] = []

            def build(rule: Rule, *arguments: Any, **values: Any) -> Any:
                if not compiled:
                    compiled.append(compile_now(append_unknown))
                return compiled[0](rule, *arguments, **values)

            return build


class ModelBlueprint(Blueprint):
    """The routes of one model in one app.

    :param model: the model.
    :param state: the app's part of Flask-Loop.
    :param name: what comes after ``loop.`` in the endpoints.
    """

    def __init__(self, model: type[Model], state: State, name: str) -> None:
        super().__init__(name, __name__)
        self.model = model
        self.state = state
        self.path = state.url_prefix + model.definition.http_path
        self._table: dict[str, dict[str, RemoteMethod]] = {}
        for method in routed_methods(model):
            for route in method.routes:
                self._table.setdefault(route.path, {})[route.verb] = method
        self.record(lambda setup: self._add_rules(cast("Flask", setup.app), setup.name_prefix))

    def _add_rules(self, app: Flask, name_prefix: str) -> None:
        prefix = f"{name_prefix}.{self.name}" if name_prefix else self.name
        for path, methods in self._table.items():
            for verb, method in methods.items():
                endpoint = f"{prefix}.{method.name}"
                verbs = {verb, "HEAD"} if verb == "GET" and "HEAD" not in methods else {verb}
                self._add_rule(app, path, endpoint, verbs)
                app.view_functions.setdefault(endpoint, self._view(method))
            endpoint = f"{prefix}.other_verbs{_slug(path)}"
            self._add_rule(app, path, endpoint, None)
            app.view_functions[endpoint] = self._other_verbs(path)

    def _add_rule(self, app: Flask, path: str, endpoint: str, verbs: set[str] | None) -> None:
        """Add a rule; one without verbs matches those that no rule before it has."""
        rule = LazyRule(self.rule_of(path), endpoint=endpoint, methods=[], strict_slashes=False)
        rule.methods = verbs
        app.url_map.add(rule)

    def rule_of(self, path: str) -> str:
        """A route's path below the model as Werkzeug writes it, with the prefix."""
        return self.path + _PLACEHOLDER.sub(r"<\1>", path.rstrip("/"))

    def refuse_taken_paths(self, app: Flask) -> None:
        """Refuse an app that has rules of its own, or another model's, for the same paths.

        :raises DefinitionError: naming the path, the model and the endpoint.
        """
        own = {_shape(self.rule_of(path)) for path in self._table}
        for rule in _rules_of(app):
            if _shape(rule.rule) in own:
                raise DefinitionError(
                    f"the path {rule.rule} of {self.model.definition.name} is taken by the "
                    f"endpoint {rule.endpoint!r}"
                )

    def _view(self, method: RemoteMethod) -> Callable[..., Response]:
        """The view function of a method."""
        takes_query = any(argument.source == "query" for argument in method.accepts)
        body_name = next((a.name for a in method.accepts if a.source == "body"), None)
        model, state = self.model, self.state
        bounds = bounds_of(state.settings)

        def view(**path: Any) -> Response:
            try:
                if not is_remote(model, method):
                    raise self._unavailable()
                received = request._get_current_object()  # type: ignore[attr-defined]
                given: dict[str, Any] = path
                if takes_query and received.query_string:
                    given = {**parse_query(received.query_string), **path}
                if body_name is not None:
                    body = read_body(received, state.settings.max_body)
                    if body is not MISSING:
                        given = {**given, body_name: _typed_form(body, model.definition)}
                value = invoke(model.__loop_plan__(), method, given, bounds)
                return self._respond(method, received.method, value, given)
            except Exception as error:  # noqa: BLE001 - the app's handlers must not answer in HTML
                return error_response(error, model)

        view.__name__ = view.__qualname__ = method.name
        return view

    def _respond(
        self, method: RemoteMethod, verb: str, value: Any, given: Mapping[str, Any]
    ) -> Response:
        if not method.returns:
            return Response(status=204)
        if verb == "HEAD" and method.name == "exists" and not value["exists"]:
            raise self.model.__loop_plan__().not_found(given.get("id"))
        body = value.json() if isinstance(value, _RESULTS) else value
        response = Response(to_json(body), content_type=JSON)
        if method.name == "create":
            self._mark_created(response, body)
        next_skip = getattr(value, "next_skip", None) if isinstance(value, _RESULTS) else None
        if next_skip is not None:
            response.headers["Link"] = f'<{self._next_page(given, next_skip)}>; rel="next"'
        return response

    def _mark_created(self, response: Response, body: Any) -> None:
        response.status_code = self.state.settings.created_status
        ids = self.model.definition.ids
        record = body.to_dict() if isinstance(body, Model) else body
        if response.status_code == 201 and len(ids) == 1 and isinstance(record, dict):
            id = record.get(ids[0].wire)
            if id is not None:
                location = f"{request.script_root}{self.path}/{quote(str(id), safe='')}"
                response.headers["Location"] = location

    def _next_page(self, given: Mapping[str, Any], skip: int) -> str:
        filter = given.get("filter") or {}
        filter = orjson.loads(filter) if isinstance(filter, str) else dict(filter)
        filter.pop("offset", None)
        others = [
            pair
            for pair in parse_qsl(request.query_string.decode(), keep_blank_values=True)
            if pair[0].partition("[")[0] != "filter"
        ]
        arguments = [*others, ("filter", orjson.dumps({**filter, "skip": skip}).decode())]
        query = urlencode(arguments, quote_via=quote, safe="")
        return f"{request.script_root}{self.path}?{query}"

    def _other_verbs(self, path: str) -> Callable[..., Response]:
        def view(**values: Any) -> Response:
            try:
                if request.method == "OPTIONS":
                    return self._options(path)
                raise self._unavailable(path)
            except Exception as error:  # noqa: BLE001 - as above
                return error_response(error, self.model)

        return view

    def _options(self, path: str) -> Response:
        allowed = self._allowed(path)
        if not allowed:
            raise unknown_path(request)
        response = Response(status=200)
        response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    def _allowed(self, path: str) -> set[str]:
        """The verbs that a path has now, while some of its methods may be disabled."""
        methods = self._table[path]
        verbs = {verb for verb, method in methods.items() if is_remote(self.model, method)}
        if "GET" in verbs and "HEAD" not in methods:
            verbs.add("HEAD")
        return verbs | {"OPTIONS"} if verbs else verbs

    def _unavailable(self, path: str | None = None) -> RemoteError:
        """What a verb without a method answers: 405, or 404 where the path has no method at all."""
        if path is None:
            path = next(p for p in self._table if request.url_rule.rule == self.rule_of(p))  # type: ignore[union-attr]
        allowed = self._allowed(path)
        if not allowed:
            return unknown_path(request)
        return MethodNotAllowed(request.method, request.path, allowed)


def _slug(path: str) -> str:
    return re.sub(r"\W+", "_", path).rstrip("_")


def _rules_of(app: Flask) -> Iterable[Rule]:
    """The rules of an app, in any order: ``iter_rules`` would sort them for each model."""
    rules: Iterable[Rule] = getattr(app.url_map, "_rules", None) or app.url_map.iter_rules()
    return rules


@lru_cache(maxsize=10_000)
def _shape(rule: str) -> str:
    """A rule without the names of its placeholders, nor a slash at its end."""
    return re.sub(r"<[^>]*>", "<>", rule).rstrip("/")


def blueprint_name(model: type[Model], app: Flask) -> str:
    """What the endpoints of a model begin with: its path, as far as a blueprint's name goes."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", model.definition.http_path.strip("/"))
    while f"{PREFIX}.{name}" in app.blueprints:
        name += "_"
    return name


def to_json(value: Any) -> bytes:
    """Write what a remote method gave: JSON values, records, and values of property types."""
    return orjson.dumps(value, default=_to_json_value, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _to_json_value(value: Any) -> Any:
    for kind, give_json in _JSON_OF.items():
        if isinstance(value, kind):
            return give_json(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


# Requests


def bounds_of(settings: Settings) -> Bounds:
    """How much the filter of a remote caller may ask for."""
    return Bounds(
        depth=settings.max_filter_depth,
        conditions=settings.max_filter_conditions,
        values=settings.max_values,
        limit=settings.max_limit,
    )


def read_body(request: Request, max_body: int) -> Any:
    """The body of a request as JSON values, or :data:`MISSING` where there is none.

    :raises PayloadTooLarge: where it is larger than ``max_body`` bytes.
    :raises UnsupportedMediaType: where it is neither JSON nor urlencoded.
    :raises BadRequest: where it is not what it says it is.
    """
    of_app = request.max_content_length
    limit = max_body if of_app is None else min(of_app, max_body)
    # Werkzeug ends a body of unknown length at the bound; one byte more tells that there is more.
    request.max_content_length = limit + 1
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    if len(data) > limit:
        raise _too_large(limit)
    if not data:
        return _parsed_form(request)
    mimetype = request.mimetype
    if mimetype == "application/json" or mimetype.endswith("+json"):
        return parse_json(data)
    if mimetype == "application/x-www-form-urlencoded":
        return Form(parse_query(data))
    raise UnsupportedMediaType(
        f"The content type {mimetype or 'none'!s} is not supported; "
        "send application/json or application/x-www-form-urlencoded."
    )


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.")


def _parsed_form(request: Request) -> Any:
    """The fields of a body that somebody has read before, as protections against CSRF do."""
    is_read = "form" in request.__dict__ and request.form
    return (
        Form(parse_query(urlencode(list(request.form.items(multi=True))))) if is_read else MISSING
    )


class Form(dict[str, Any]):
    """The fields of a urlencoded body."""


def _typed_form(body: Any, definition: ModelDefinition) -> Any:
    """A form in which the only item of a list is a list again, as forms cannot tell the two."""
    if not isinstance(body, Form):
        return body
    lists = {wire for wire, each in definition.by_wire.items() if isinstance(each.type, Array)}
    return {
        key: [value] if key in lists and isinstance(value, str) else value
        for key, value in body.items()
    }


def parse_json(data: bytes) -> Any:
    """Parse JSON; integers of any length stay exact, so that they can be refused.

    :raises BadRequest: where it is not JSON.
    """
    try:
        parsed = orjson.loads(data)
        return json.loads(data) if _LONG_INTEGER.search(data) else parsed
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}.", error_code="INVALID_JSON") from None


# Errors


def error_response(error: Exception, model: type[Model] | None = None) -> Response:
    """Answer for an exception as LoopBack does, or as RFC 9457 where the client asks for it.

    An unexpected exception is raised on where the app propagates them, as in debug and in tests;
    otherwise it is logged, the app's ``got_request_exception`` is sent, and nothing of it is told.
    """
    if isinstance(error, ValidationError) and model is not None:
        error = ValidationError(error.context, model.definition.to_wire(error.failures))
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
    _report(error)
    return _render(RemoteError("Internal Server Error"))


def _report(error: Exception) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    propagate = app.config["PROPAGATE_EXCEPTIONS"]
    if propagate or (propagate is None and (app.testing or app.debug)):
        raise error
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    app.log_exception(sys.exc_info())


def _render(error: HTTPException) -> Response:
    status = error.code or 500
    wants_problem = request.accept_mimetypes.best_match(["application/json", PROBLEM]) == PROBLEM
    body = _problem(error, status) if wants_problem else {"error": _loopback_error(error, status)}
    response = Response(
        orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS),
        status=status,
        content_type=PROBLEM if wants_problem else JSON,
    )
    for name, value in error.get_headers(request.environ):
        if name.lower() != "content-type":
            response.headers[name] = value
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _loopback_error(error: HTTPException, status: int) -> dict[str, Any]:
    body: dict[str, Any] = {"statusCode": status}
    if status < 500 or status == 503:
        body["name"] = getattr(error, "error_name", None) or f"{type(error).__name__}Error"
    body["message"] = getattr(error, "message", None) or error.description or error.name
    return {**body, **_machine_readable(error)}


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


def unknown_path(request: Request) -> NotFound:
    return NotFound(f"There is no method to handle {request.method} {request.path}.")


def answer_routing_errors(app: Flask, state: State) -> None:
    """Answer 404 and 405 in JSON for paths that are ours, before the app's own handlers see them.

    With a prefix that is all below it, unless the app has a rule of its own there; without one it
    is what lies below a model's path. Verbs that a path of ours does not have never come here.
    """
    prefix = state.url_prefix

    def answer() -> Response | None:
        if isinstance(request.url_rule, LazyRule):
            return None
        problem = request.routing_exception
        if isinstance(problem, RequestRedirect) or not _is_ours(request.path, state):
            return None
        rules = [request.url_rule] if request.url_rule else _rules_for_other_verbs(app, problem)
        if rules and (not prefix or any(_is_below(rule.rule, prefix) for rule in rules)):
            return None
        return error_response(unknown_path(request))

    app.before_request(answer)


def _rules_for_other_verbs(app: Flask, problem: Exception | None) -> list[Rule]:
    """The app's own rules that have the path of the request, though not its verb."""
    verbs = getattr(problem, "valid_methods", None) or ()
    adapter = app.create_url_adapter(request) if verbs else None
    if adapter is None:
        return []
    rules: list[Rule] = []
    for verb in verbs:
        with suppress(HTTPException):
            rules.append(adapter.match(method=verb, return_rule=True)[0])
    return rules


def _is_ours(path: str, state: State) -> bool:
    if state.url_prefix:
        return _is_below(path, state.url_prefix)
    return any(_is_below(path, model.definition.http_path) for model in state.models)


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent + "/")
