"""CouchdbSettings: where a CouchDB database is, and how it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import DefinitionError
from ..given import ENCODED, Given, refuse_query, why_not_split
from ..web import MAX_ANSWER

SETTINGS = (
    "url",
    "host",
    "port",
    "database",
    "username",
    "password",
    "timeout",
    "connect_timeout",
    "retries",
    "pool_size",
    "verify",
    "max_answer",
    "max_scan",
    "plain_ids",
)
_ALIASES = {"user": "username", "db": "database", "hostname": "host"}
_FIELD = "the records of a model are known by their field 'loopback__model__name'"
#: What LoopBack's files say beside that, to nano.
_LOOPBACK = {
    **dict.fromkeys(("debug", "lazyConnect", "log", "parseUrl")),
    "maxAttempt": "it is 'retries'",
    "modelIndex": _FIELD,
    "modelSelector": _FIELD,
    "plugins": "it is 'retries', where that is what they are for",
    "requestDefaults": "it is 'timeout' in seconds, 'pool_size' and 'verify'",
}
_SCHEMES = {"http": "http", "https": "https", "couchdb": "http", "couchdb+https": "https"}
_PORTS = {"http": 80, "https": 443}
_PORT = 5984
_DATABASE = re.compile(r"[a-z][a-z0-9_$()+/-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class CouchdbSettings:
    """The settings of one data source.

    :ivar base_url: the server's, without the database.
    :ivar auth: the user and the password, or None.
    :ivar timeout: the seconds that an answer may take.
    :ivar connect_timeout: the seconds that a connection may take.
    :ivar retries: how many times more a request is sent that may be sent again.
    :ivar pool_size: the most connections at once.
    :ivar verify: whether certificates are checked, or the file of those that are trusted.
    :ivar max_answer: the most bytes that an answer may have.
    :ivar max_scan: how many records are read at most to be looked at in Python.
    :ivar plain_ids: whether an ``_id`` is the id and nothing else, as LoopBack writes it.
    """

    base_url: str
    database: str
    auth: tuple[str, str] | None = field(repr=False)
    timeout: float
    connect_timeout: float
    retries: int
    pool_size: int
    verify: bool | str
    max_answer: int
    max_scan: int
    plain_ids: bool


def read_settings(name: str, settings: Mapping[str, Any]) -> CouchdbSettings:
    """The settings of a data source.

    :param name: the connector's.
    :param settings: ``url``: ``couchdb://user:password@host:port/database``, or with the scheme
        ``couchdb+https``, or ``http`` or ``https``, whose usual port is that of HTTP; or ``host``,
        ``port``, ``database``, ``username`` (or ``user``) and ``password``, which come before what
        a URL says;
        ``timeout``, the seconds that an answer may take (30); ``connect_timeout`` (10);
        ``retries`` (2); ``pool_size`` (10); ``verify`` (true); ``max_answer``
        (100,000,000); ``max_scan`` (100,000); ``plain_ids`` (false).
    :raises DefinitionError: naming the setting that is unknown or means nothing.
    """
    given = Given.read(name, settings, SETTINGS, _ALIASES, _LOOPBACK)
    parts = _parts_of(name, given)
    if not parts["database"]:
        raise DefinitionError(
            f"the {name} data source names no database: it is the path of its url, or the setting "
            "'database'"
        )
    if not _DATABASE.fullmatch(parts["database"]):
        raise DefinitionError(
            "the name of a database of CouchDB begins with a small letter, and has these, digits "
            f"and _$()+-/ only, unlike {parts['database']!r}"
        )
    verify = given.get("verify", True)
    if not isinstance(verify, bool | str):
        raise DefinitionError(f"verify is true, false or a path, not {verify!r}")
    return CouchdbSettings(
        base_url=parts["base_url"],
        database=parts["database"],
        auth=parts["auth"],
        timeout=given.seconds("timeout", 30),
        connect_timeout=given.seconds("connect_timeout", 10),
        retries=given.whole("retries", 2, least=0),
        pool_size=given.whole("pool_size", 10, least=1),
        verify=verify,
        max_answer=given.whole("max_answer", MAX_ANSWER, least=1_000_000),
        max_scan=given.max_scan,
        plain_ids=given.switch("plain_ids", default=False),
    )


def _parts_of(name: str, given: Given) -> dict[str, Any]:
    """Where the database is; the URL is not shown, as it may have a password."""
    problem = f"the url of the {name} data source"
    url = given.get("url")
    if url is not None and not isinstance(url, str):
        raise DefinitionError(f"{problem} is a text")
    try:
        found = urlsplit(url or "http:")
        port, host = found.port, found.hostname
    except ValueError as error:
        raise DefinitionError(f"{problem} is not valid{why_not_split(error)}") from None
    if found.scheme not in _SCHEMES:
        raise DefinitionError(f"{problem} begins with {', '.join(f'{s}://' for s in _SCHEMES)}")
    refuse_query(problem, found.query, (*SETTINGS, *_ALIASES))
    if found.fragment:
        # It is not shown, as it may be the rest of a password.
        raise DefinitionError(f"{problem} has a #, which is percent-encoded in a password")
    if url and not found.netloc:
        raise DefinitionError(f"{problem} names no host: it has // before it")
    if "@" in found.path:
        raise DefinitionError(f"{problem} has an @ behind its host: {ENCODED}")
    host = given.word("host") or host or "localhost"
    port = given.whole("port", port or _usual_port(url, found.scheme), least=1, most=65_535)
    folder, _, database = found.path.rstrip("/").rpartition("/")
    shown_host = f"[{host}]" if ":" in host else host
    return {
        "base_url": f"{_SCHEMES[found.scheme]}://{shown_host}:{port}{folder}",
        "database": str(given.get("database", unquote(database))),
        "auth": _auth(given, found.username, found.password),
    }


def _usual_port(url: str | None, scheme: str) -> int:
    """The port where a URL has none: that of HTTP where it is a URL of HTTP."""
    return _PORT if url is None else _PORTS.get(scheme, _PORT)


def _auth(given: Given, username: str | None, password: str | None) -> tuple[str, str] | None:
    given_user, given_password = given.word("username"), given.word("password")
    user = unquote(username or "") if given_user is None else given_user
    if given_user is None and username is None:
        return None
    return user, unquote(password or "") if given_password is None else given_password
