"""Calling: methods of the other app that are none of those that every model has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from ...errors import NotFound
from ..web import path_of
from .gateway import Gateway
from .refusals import error_of, is_no_method, refusal

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def call(  # noqa: PLR0917 - what a call is made of
    gateway: Gateway, model: str, method: str, id: Any, verb: str, arguments: Mapping[str, Any]
) -> Any:
    """Call a method; see :meth:`RemoteConnector.call`."""
    between = [] if id is None else [id]
    path = path_of(*model.strip("/").split("/"), *between, *method.strip("/").split("/"))
    if verb in _WITH_BODY:
        answer = gateway.send(verb, path, json=dict(arguments))
    else:
        given = [(name, _text(value)) for name, value in arguments.items() if value is not None]
        answer = gateway.send(verb, path, query=urlencode(given))
    if answer.is_success:
        return answer.json() if answer.content else None
    if answer.status == 404 and not is_no_method(answer):
        error = error_of(answer)
        code = error.get("code")
        raise NotFound(
            str(error.get("message") or "There is nothing."),
            error_code=code if isinstance(code, str) else None,
        )
    raise refusal(model, {}, answer) or gateway.unexpected(answer, verb, path)


def _text(value: Any) -> str:
    """A value as a query has it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
