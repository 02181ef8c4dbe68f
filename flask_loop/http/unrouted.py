"""Answers for paths that are ours and have no method."""

from __future__ import annotations

from contextlib import suppress

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import RequestRedirect, Rule

from ..state import State
from .errors import error_response, unknown_path


def answer_unrouted(app: Flask, state: State) -> Response | None:
    """Answer 404 in JSON for a path that is ours, before the app's own handlers see it.

    With a prefix that is all below it, unless the app has a rule of its own there; without one it
    is what lies below a model's path.

    :returns: nothing where the path is the app's own.
    """
    prefix = state.url_prefix
    problem = request.routing_exception
    if isinstance(problem, RequestRedirect) or not _is_ours(request.path, state):
        return None
    if isinstance(problem, SecurityError):  # a host that TRUSTED_HOSTS does not have
        return error_response(problem)
    rules = [request.url_rule] if request.url_rule else _rules_for_other_verbs(app, problem)
    if rules and (not prefix or any(_is_below(rule.rule, prefix) for rule in rules)):
        return None
    return error_response(unknown_path(request))


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
