"""The settings of the REST connector: where the server is, and how it is spoken to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import DefinitionError
from ..given import Given, by_name
from ..web import MAX_ANSWER, is_header
from .shape import Shape

#: The settings, with LoopBack's other names for them.
SETTINGS = (
    "base_url",
    "auth",
    "headers",
    "timeout",
    "connect_timeout",
    "retries",
    "pool_size",
    "verify",
    "max_answer",
    "max_scan",
    "crud",
    "operations",
    "options",
    "debug",
    *Shape.KEYS,
)
_ALIASES = {
    "baseURL": "base_url",
    "restPath": "base_url",
    "url": "base_url",
    "connectTimeout": "connect_timeout",
    "poolSize": "pool_size",
    "strictSSL": "verify",
    "maxAnswer": "max_answer",
    "maxScan": "max_scan",
}
_AUTH = {"username": "user", "user": "user", "password": "password", "pass": "password"}
_OPTIONS = ("headers", "auth", "strictSSL", "verify")
_TIMEOUT = "it is a setting beside options, in seconds"
#: What LoopBack's files say to the package request by ``options``, of a template too.
OF_REQUEST = dict.fromkeys(("encoding", "gzip", "json", "useQuerystring"))
_OF_OPTIONS = {**OF_REQUEST, "timeout": _TIMEOUT}
#: What they say beside that.
_LOOPBACK = {
    "lazyConnect": None,
    "defaults": "they are 'options'",
    "maxSockets": "it is 'pool_size'",
}


@dataclass(frozen=True, slots=True, repr=False)
class RestSettings:
    """The settings of one data source.

    :ivar base_url: where the resources are; None where there are only templates.
    :ivar client: what :class:`~flask_loop.connectors.web.WebClient` is given.
    :ivar shape: what the remote resources look like, where models do not say it.
    :ivar has_crud: whether models have the operations on records.
    :ivar operations: the templates, as they were written.
    """

    base_url: str | None
    client: Mapping[str, Any]
    shape: Shape
    max_scan: int
    has_crud: bool
    operations: Sequence[Any] = field(default_factory=tuple)


def read_settings(settings: Mapping[str, Any]) -> RestSettings:
    """What the settings of a data source say.

    :raises DefinitionError: naming the setting that is unknown, missing or means nothing.
    """
    values = by_name("the rest connector has no setting", settings, SETTINGS, _ALIASES, _LOOPBACK)
    options = values.get("options") or {}
    _check("options", options, isinstance(options, Mapping), "a dict")
    options = by_name("options has no", options, _OPTIONS, None, _OF_OPTIONS)
    for key, value in options.items():
        values.setdefault(_ALIASES.get(key, key), value)
    given = Given(values)
    operations = given.get("operations") or ()
    _check("operations", operations, isinstance(operations, list | tuple), "a list of templates")
    base_url = given.get("base_url")
    has_crud = given.switch("crud", default=not operations)
    if base_url is None and has_crud:
        raise DefinitionError("the rest connector needs the setting 'base_url'")
    client = {
        "auth": _auth(given.get("auth")),
        "headers": read_headers("headers", given.get("headers")),
        "connect_timeout": given.seconds("connect_timeout", 10),
        "pool_size": given.whole("pool_size", 10, least=1, most=1000),
        "max_answer": given.whole("max_answer", MAX_ANSWER, least=1),
        **read_patience(given),
    }
    return RestSettings(
        base_url=base_url,
        client=client,
        shape=Shape.of({key: values[key] for key in Shape.KEYS if key in values}),
        max_scan=given.max_scan,
        has_crud=has_crud,
        operations=operations,
    )


def read_patience(given: Given) -> dict[str, Any]:
    """The settings that a template may have too: how long to wait for whom, and how often.

    :raises DefinitionError: naming the one that means nothing.
    """
    verify = given.get("verify", True)
    _check("verify", verify, isinstance(verify, bool | str), "true, false or a file's path")
    return {
        "timeout": given.seconds("timeout", 30),
        "retries": given.whole("retries", 2, least=0, most=10),
        "verify": verify,
    }


def read_headers(place: str, given: Any) -> dict[str, str]:
    """Headers whose values are text, or ``{"env": name}``: what the environment has by that name.

    :raises DefinitionError: naming the header that is none.
    """
    _check(place, given, given is None or isinstance(given, Mapping), "a dict of headers")
    headers = {}
    for key, value in (given or {}).items():
        text = secret(f"{place}.{key}", value)
        if not is_header(key, text):
            raise DefinitionError(f"{place}.{key} is no header: ASCII on one line")
        headers[key] = text
    return headers


def secret(place: str, given: Any) -> str:
    """A text that is given, or that the environment has.

    :raises DefinitionError: naming the place, where it is neither.
    """
    if isinstance(given, Mapping) and set(given) == {"env"}:
        found = os.environ.get(str(given["env"]))
        if found is None:
            raise DefinitionError(f"{place}: the environment has no {given['env']!r}")
        return found
    if not isinstance(given, str):
        raise DefinitionError(f'{place} is text, or {{"env": "NAME"}}')
    return given


def _auth(given: Any) -> tuple[str, str] | str | None:
    """The setting ``auth``: a user and a password, or a bearer token."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        if set(given) == {"bearer"}:
            return secret("auth.bearer", given["bearer"])
        named = by_name("auth has no", given, ("user", "password", "bearer"), _AUTH)
        if set(named) == {"user", "password"}:
            user, password = (secret(f"auth.{key}", named[key]) for key in ("user", "password"))
            return user, password
    raise DefinitionError('auth is {"username": ..., "password": ...} or {"bearer": ...}')


def _check(key: str, value: Any, is_right: bool, phrase: str) -> None:
    if not is_right:
        raise DefinitionError(f"the setting {key!r} of the rest connector is {phrase}")
