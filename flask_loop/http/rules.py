"""URL rules of remote methods: how they are made, and when two of them are the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from werkzeug.routing import Rule

from ..definition import ModelDefinition
from ..methods import PLACEHOLDER, RemoteMethod, Route
from ..remoting import ids_in_path

if TYPE_CHECKING:
    from flask import Flask


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


def flask_path(path: str) -> str:
    """A route's path as Werkzeug writes it: ``/:id/exists`` → ``/<id>/exists``."""
    return PLACEHOLDER.sub(r"<\1>", path.rstrip("/"))


def shown_path(method: RemoteMethod, route: Route, definition: ModelDefinition) -> str:
    """A route's path as people read it: an id of several properties is their names.

    :param definition: that of the model that has the method.
    """
    path = flask_path(route.path)
    for name, of in ids_in_path(method, definition).items():
        if len(of.ids) > 1:
            shown = ",".join(f"<{each.wire}>" for each in of.ids)
            path = path.replace(f"<{name}>", shown)
    return path


def rules_of(app: Flask) -> Iterable[Rule]:
    """The rules of an app, in any order: ``iter_rules`` would sort them for each model."""
    rules: Iterable[Rule] = getattr(app.url_map, "_rules", None) or app.url_map.iter_rules()
    return rules


def adding_rules(app: Flask) -> AbstractContextManager[Any]:
    """A block that may add rules to an app that answers: no other thread sorts them meanwhile.

    The lock is private to Werkzeug; where it is not there, rules are added without one.
    """
    lock: AbstractContextManager[Any] = getattr(app.url_map, "_remap_lock", nullcontext())
    return lock


@lru_cache(maxsize=10_000)
def shape(rule: str) -> str:
    """A rule without the names of its placeholders, nor a slash at its end."""
    return re.sub(r"<[^>]*>", "<>", rule).rstrip("/")
