"""The REST transport: a blueprint for each model, and nothing but HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from flask import Blueprint, Flask, Request, Response, current_app, request

from .errors import DefinitionError, MethodNotAllowed
from .http import (
    Authenticator,
    Head,
    LazyRule,
    RequestTransactions,
    adding_rules,
    default_status,
    error_response,
    flask_path,
    reader_of,
    respond,
    rules_of,
    shape,
    unknown_path,
)
from .methods import RemoteMethod, Route
from .model import Model
from .relations.remote import faults_of
from .remoting import Caller, Exposure, Given, Result, text_of
from .state import State

#: What the endpoints of all models begin with.
PREFIX = "loop"


class RestTransport:
    """What brings one call over REST.

    :param request: Flask's request.
    :param status: the status of the method's success.
    :param authenticator: finds out who calls.

    :ivar request: Flask's request, which is ``ctx.req``.
    """

    __slots__ = ("_authenticator", "_caller", "_head", "_status", "request")

    def __init__(self, request: Request, status: int, authenticator: Authenticator) -> None:
        self.request = request
        self._status = status
        self._authenticator = authenticator
        self._caller: Caller | None = None
        self._head: Head | None = None

    @property
    def sender(self) -> Flask:
        """The app."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return app

    def admit(self, method: RemoteMethod) -> None:
        """Refuse the call where its credential is not valid, whoever may call the method.

        :raises Unauthorized: where nobody has the token that was given.
        :raises Forbidden: where another site may have sent the request with a user's cookie.
        """
        self._caller = self._authenticator.admit(self.request, method)

    def caller(self) -> Caller:
        """Who calls, as far as is known without looking at the user's record."""
        if self._caller is None:
            self._caller = self._authenticator.identify(self.request)
        return self._caller

    def user(self) -> Any:
        """The user of the token, or Flask-Login's current user; None where that is nobody."""
        return self._authenticator.user_of(self.request, self.caller())

    def response(self, method: RemoteMethod) -> Head:
        """The head of the answer, which is ``ctx.res``."""
        if self._head is None:
            self._head = Head(self._status)
        return self._head

    def finish(self, response: Response, *, is_error: bool = False) -> Response:
        """Put what was set on the head into an answer; an error has its own status and body."""
        if self._head is not None:
            self._head.apply(response, is_error=is_error)
        return response


class ModelBlueprint(Blueprint):
    """The routes of one model in one app.

    :param exposure: what the app shows of the model.
    :param state: the app's part of Flask-Loop.
    :param name: what comes after ``loop.`` in the endpoints.
    """

    def __init__(self, exposure: Exposure, state: State, name: str) -> None:
        super().__init__(name, __name__)
        self.exposure = exposure
        self.model: type[Model] = exposure.model
        self.state = state
        self.path = state.url_prefix + self.model.definition.http_path
        self._endpoints = ""
        self._routed: dict[str, RemoteMethod] = {}
        self._views: dict[str, Callable[..., Response]] = {}
        self._places: dict[str, _Place] = {}
        self._waiting = self._take_all(self.exposure.methods)
        self.record(lambda setup: self._set_up(cast("Flask", setup.app), setup.name_prefix))

    def _set_up(self, app: Flask, name_prefix: str) -> None:
        self._endpoints = f"{name_prefix}.{self.name}" if name_prefix else self.name
        self._add_rules(app)

    def resolve(self) -> list[DefinitionError]:
        """Resolve the model's relations, which have routes only then.

        :returns: what is wrong with those that cannot be resolved, and with its scopes.
        """
        return list(faults_of(self.model))

    def route_new_methods(self, app: Flask) -> list[DefinitionError]:
        """Add rules for methods that were declared since the model was exposed.

        :returns: what is wrong with those that have none: a declaration that means nothing, or a
            path that is taken by the app, by another model or by another method.
        """
        try:
            methods = self.exposure.declared()
        except DefinitionError as error:
            return [error]
        problems = []
        for method in methods:
            try:
                if self._is_new(method):
                    self.refuse_taken_paths(app, [method])
                    self._waiting += self._take_all([method])
            except DefinitionError as error:
                problems.append(error)
        self._add_rules(app)
        return problems

    def refuse_taken_paths(self, app: Flask, methods: Iterable[RemoteMethod] | None = None) -> None:
        """Refuse an app that has rules of its own, or another model's, for the same paths.

        :param methods: whose paths; those of all where None.
        :raises DefinitionError: naming the path, the model and the endpoint.
        """
        of_methods = self.exposure.methods if methods is None else methods
        paths = {shape(self._rule_of(route.path)) for each in of_methods for route in each.routes}
        paths -= {path for path, place in self._places.items() if place.endpoint}
        for rule in rules_of(app) if paths else ():
            if shape(rule.rule) in paths:
                raise DefinitionError(
                    f"the path {rule.rule} of {self.model.definition.name} is taken by the "
                    f"endpoint {rule.endpoint!r}"
                )

    def _add_rules(self, app: Flask) -> None:
        """Add the rules of the places that were taken and have none yet."""
        with adding_rules(app):
            for place, path, verb in self._waiting:
                method = place.methods[verb][0]
                endpoint = f"{self._endpoints}.{method.name}"
                app.view_functions.setdefault(endpoint, self._views[method.wire])
                self._add_rule(app, path, endpoint, place.verbs_of(verb))
            for place in self._places.values():
                if not place.endpoint:
                    place.endpoint = f"{self._endpoints}.other_verbs_{len(app.view_functions)}"
                    app.view_functions[place.endpoint] = self._other_verbs(place)
                    self._add_rule(app, place.path, place.endpoint, None)
        self._waiting = []

    def _is_new(self, method: RemoteMethod) -> bool:
        routed = self._routed.get(method.wire)
        if routed is not None and method.own and routed is not method:
            raise DefinitionError(
                f"{self.model.definition.plural}.{method.wire} was declared again after its model "
                "was exposed; declare it before loop.model(...)"
            )
        return routed is None

    def _take_all(self, new: Iterable[RemoteMethod]) -> list[tuple[_Place, str, str]]:
        taken = []
        for method in new:
            taken += [self._take(method, route) for route in method.routes]
            self._routed[method.wire] = method
            self._views[method.wire] = self._view(method)
        return [each for each in taken if each is not None]

    def _take(self, method: RemoteMethod, route: Route) -> tuple[_Place, str, str] | None:
        """Take the place of a route, unless a method has it that is remote while this one is not.

        :returns: the place, the path and the verb, for a rule to be added.
        """
        key = shape(self._rule_of(route.path))
        place = self._places.setdefault(key, _Place(route.path))
        other = place.methods.get(route.verb, (None,))[0]
        if other is not None and other is not method and self.exposure.is_remote(other):
            if not self.exposure.is_remote(method):
                return None
            plural = self.model.definition.plural
            raise DefinitionError(
                f"{plural}.{method.wire} and {plural}.{other.wire} have the same route, "
                f"{route.verb} {self._rule_of(route.path)}"
            )
        place.methods[route.verb] = method, route
        return place, route.path, route.verb

    def _add_rule(self, app: Flask, path: str, endpoint: str, verbs: set[str] | None) -> None:
        """Add a rule; one without verbs matches those that no rule before it has."""
        rule = LazyRule(self._rule_of(path), endpoint=endpoint, methods=[], strict_slashes=False)
        rule.methods = verbs
        app.url_map.add(rule)

    def _rule_of(self, path: str) -> str:
        """A route's path below the model as Werkzeug writes it, with the prefix."""
        rule: str = self.path + flask_path(path)
        return rule

    def _view(self, method: RemoteMethod) -> Callable[..., Response]:
        """The view function of a method."""
        exposure, settings = self.exposure, self.state.settings
        read = reader_of(method, self.model.definition, settings)
        status = default_status(method, settings.created_status)
        transactions = RequestTransactions(
            self.model, method, settings.transactions, self.state.connector
        )
        is_transaction = bool(transactions)
        authenticator = self.state.authenticator

        def view(**path: Any) -> Response:
            received = request._get_current_object()  # type: ignore[attr-defined]
            transport = RestTransport(received, status, authenticator)
            try:
                if not exposure.is_remote(method):
                    place = self._places[shape(received.url_rule.rule)]
                    return self._answer(place, path)
                if authenticator.is_on:
                    transport.admit(method)
                given = read(received, path)
                if is_transaction:
                    return transactions.answer(received.method, partial(answer, given, transport))
                outcome = exposure.invoke(method, given, transport)
                response = self._respond(method, received, outcome, given.values, status)
                return transport.finish(response)
            except Exception as error:  # noqa: BLE001 - the app's handlers must not answer in HTML
                return transport.finish(error_response(error, self.model, method), is_error=True)

        def answer(given: Given, transport: RestTransport) -> Response:
            outcome = exposure.invoke(method, given, transport)
            transactions.refuse_stream(outcome)
            response = self._respond(method, transport.request, outcome, given.values, status)
            return transport.finish(response)

        view.__name__ = view.__qualname__ = method.name
        return view

    def _respond(
        self,
        method: RemoteMethod,
        received: Request,
        outcome: Any,
        given: Mapping[str, Any],
        status: int,
    ) -> Response:
        if method.own:
            return respond(method, outcome, received, status)
        is_head = received.method == "HEAD" and method.name == "exists"
        if is_head and outcome == {"exists": False}:
            raise self.model.__loop_plan__().not_found(given.get("id"))
        response = respond(method, outcome, received, status)
        is_given_by_hook = response is outcome or response.is_streamed
        if status == 201 and method.creates and not is_given_by_hook:
            self._locate(response, method)
        next_skip = getattr(outcome, "next_skip", None) if isinstance(outcome, Result) else None
        if next_skip is not None:
            response.headers["Link"] = f'<{self._next_page(given, next_skip)}>; rel="next"'
        return response

    def _locate(self, response: Response, method: RemoteMethod) -> None:
        """Say where the record is that was created."""
        given_by = method.returns[0].of or self.model.definition
        record = orjson.loads(response.get_data())
        if not (given_by.ids and isinstance(record, dict)):
            return
        values = [record.get(each.wire) for each in given_by.ids]
        if None in values:
            return
        place = _path_of_request() if method.on_instance else request.script_root + self.path
        gives_one = not any(argument.many for argument in method.accepts)
        # The only record of a relation is at the relation's own path.
        is_there = method.on_instance and gives_one
        id = quote(text_of(values), safe="" if len(values) == 1 else ",")
        response.headers["Location"] = place if is_there else f"{place}/{id}"

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
        return f"{_path_of_request()}?{query}"

    def _other_verbs(self, place: _Place) -> Callable[..., Response]:
        """The view function of verbs that have no rule, or got a method after the rules."""

        def view(**path: Any) -> Response:
            try:
                return self._answer(place, path)
            except Exception as error:  # noqa: BLE001 - as above
                return error_response(error, self.model)

        return view

    def _answer(self, place: _Place, path: dict[str, Any]) -> Response:
        """Call the method that a place has for the verb of the request now, if there is one.

        :raises MethodNotAllowed: where it has one for other verbs alone.
        :raises NotFound: where it has none at all.
        """
        found = place.method_for(request.method)
        if found is not None and self.exposure.is_remote(found[0]):
            method, route = found
            named = dict(zip(route.placeholders, path.values(), strict=True))
            return self._views[method.wire](**named)
        allowed = place.allowed(self.exposure)
        if not allowed:
            raise unknown_path(request)
        if request.method != "OPTIONS":
            raise MethodNotAllowed(request.method, request.path, allowed)
        response = Response(status=200)
        response.headers["Allow"] = ", ".join(sorted(allowed))
        return response


def _path_of_request() -> str:
    """The path of the request, as a client writes it."""
    return request.script_root + quote(request.path.rstrip("/"), safe="/:@!$&'()*+,;=~")


class _Place:
    """A path below a model, whatever its placeholders are called, and its methods by verb."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.endpoint = ""
        self.methods: dict[str, tuple[RemoteMethod, Route]] = {}

    def verbs_of(self, verb: str) -> set[str]:
        """The verbs of the rule for a method's verb: GET answers HEAD where nothing else does."""
        return {verb, "HEAD"} if verb == "GET" and "HEAD" not in self.methods else {verb}

    def method_for(self, verb: str) -> tuple[RemoteMethod, Route] | None:
        """The method that answers a verb, and its route."""
        found = self.methods.get(verb)
        return self.methods.get("GET") if found is None and verb == "HEAD" else found

    def allowed(self, exposure: Exposure) -> set[str]:
        """The verbs that the path has now, while some of its methods may be disabled."""
        verbs = {verb for verb, (method, _) in self.methods.items() if exposure.is_remote(method)}
        if "GET" in verbs and "HEAD" not in self.methods:
            verbs.add("HEAD")
        return verbs | {"OPTIONS"} if verbs else verbs


def blueprint_name(model: type[Model], app: Flask) -> str:
    """What the endpoints of a model begin with: its path, as far as a blueprint's name goes."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", model.definition.http_path.strip("/"))
    while f"{PREFIX}.{name}" in app.blueprints:
        name += "_"
    return name
