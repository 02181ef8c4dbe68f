"""RedisSettings: where a Redis server is, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ...errors import DefinitionError
from ..given import Given, refuse_query, why_not_split
from ..tls import Tls

SETTINGS = (
    "url",
    "host",
    "port",
    "database",
    "username",
    "password",
    "ssl",
    "socket_timeout",
    "connect_timeout",
    "pool_size",
    "pool_timeout",
    "cluster",
    "prefix",
    "max_scan",
    "ttl",
)
_ALIASES = {"user": "username", "db": "database", "hostname": "host"}
#: What LoopBack's files say beside that, to ioredis.
_LOOPBACK = {
    **dict.fromkeys(("debug", "enableReadyCheck", "family", "lazyConnect")),
    "connectTimeout": "it is 'connect_timeout', in seconds",
    "keyPrefix": "it is 'prefix', which values of LoopBack's are not found by",
    "retryStrategy": "what is read is asked for once more; nothing else is repeated",
    "tls": "it is 'ssl', true or a dict",
}
_OF_CLUSTERS = ("redis+cluster", "rediss+cluster")
_SCHEMES = ("redis", "rediss", "unix", *_OF_CLUSTERS)
_PORT = 6379
#: What the keys of a data source begin with, where it does not say.
PREFIX = "loop:"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and as whom it is used.

    :ivar others: the hosts and ports of further servers of a Redis Cluster, where they are named.
    """

    host: str = "localhost"
    port: int = _PORT
    others: tuple[tuple[str, int], ...] = ()
    database: int = 0
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The settings of one data source.

    :ivar name: the connector's name, for messages.
    :ivar tls: None where connections are not encrypted.
    :ivar socket_timeout: the seconds that an answer may take.
    :ivar connect_timeout: the seconds that a connection may take.
    :ivar pool_size: the most connections that one process has.
    :ivar pool_timeout: the seconds to wait for a free one.
    :ivar cluster: whether the server is a part of a Redis Cluster.
    :ivar prefix: what all keys begin with.
    :ivar max_scan: how many records are read at most to be looked at in Python.
    :ivar ttl: the seconds after which records are gone, or None.
    """

    name: str
    address: Address
    tls: Tls | None
    socket_timeout: float
    connect_timeout: float
    pool_size: int
    pool_timeout: float
    cluster: bool
    prefix: str
    max_scan: int
    ttl: float | None


def read_settings(name: str, settings: Mapping[str, Any]) -> RedisSettings:
    """The settings of a data source.

    :param name: the connector's.
    :param settings: ``url``: ``redis://user:password@host:port/database``, ``rediss://`` where
        the connections are encrypted, ``unix:///path``, or, of a Redis Cluster,
        ``redis+cluster://user:password@host:port,host:port`` or ``rediss+cluster://``; or
        ``host``, ``port``, ``database``, ``username`` (or ``user``) and ``password``, which come
        before what a URL says; ``ssl``,
        see :class:`~flask_loop.connectors.tls.Tls`; ``socket_timeout``, the seconds that an answer
        may take (20); ``connect_timeout`` (10); ``pool_size``, the most connections at once (20);
        ``pool_timeout``, the seconds to wait for a free one (30); ``cluster``, whether it is a
        Redis Cluster (false); ``prefix`` (``loop:``); ``max_scan`` (100,000); ``ttl``, the seconds
        that records are kept (for ever).
    :raises DefinitionError: naming the setting that is unknown or means nothing.
    """
    given = Given.read(name, settings, SETTINGS, _ALIASES, _LOOPBACK)
    address = _address(name, given)
    is_of_cluster = _scheme(given) in _OF_CLUSTERS
    cluster = given.switch("cluster", default=is_of_cluster)
    if is_of_cluster and not cluster:
        raise DefinitionError("cluster is false, and the url is that of a Redis Cluster")
    if cluster and (address.database or address.path):
        raise DefinitionError("a Redis Cluster has one database, 0, and no socket of Unix")
    prefix = given.get("prefix", PREFIX)
    if not isinstance(prefix, str) or "{" in prefix or "}" in prefix:
        raise DefinitionError(f"prefix is a text without braces, not {prefix!r}")
    return RedisSettings(
        name=name,
        address=address,
        tls=_tls(given),
        socket_timeout=given.seconds("socket_timeout", 20),
        connect_timeout=given.seconds("connect_timeout", 10),
        pool_size=given.whole("pool_size", 20, least=1),
        pool_timeout=given.seconds("pool_timeout", 30),
        cluster=cluster,
        prefix=prefix,
        max_scan=given.max_scan,
        ttl=None if given.get("ttl") is None else given.seconds("ttl", 0),
    )


def _address(name: str, given: Given) -> Address:
    parts = {} if given.get("url") is None else _parts_of(name, given.get("url"))
    for key in ("host", "username", "password"):
        if (said := given.word(key)) is not None:
            parts[key] = said
    if not {"host", "port"}.isdisjoint(key for key in SETTINGS if given.get(key) is not None):
        parts.pop("others", None)
    if given.get("port") is not None:
        parts["port"] = given.whole("port", 0, least=1, most=65_535)
    if given.get("database") is not None:
        parts["database"] = given.whole("database", 0, least=0)
    return Address(**parts)


def _parts_of(name: str, url: Any) -> dict[str, Any]:
    """What a URL says; it is not shown, as it may have a password."""
    problem = f"the url of the {name} data source"
    try:
        found = urlsplit(str(url))
        (host, port), *others = _servers(found)
    except ValueError as error:
        raise DefinitionError(f"{problem} is not valid{why_not_split(error)}") from None
    if found.scheme not in _SCHEMES:
        raise DefinitionError(
            f"{problem} begins with redis://, rediss:// or unix://, or of a cluster with "
            "redis+cluster:// or rediss+cluster://"
        )
    if others and not all(each for each, _ in ((host, port), *others)):
        raise DefinitionError(f"{problem} names a server without a host")
    query = parse_qs(found.query, keep_blank_values=True)
    if query.keys() != {"db"}:
        refuse_query(problem, found.query, (*SETTINGS, *_ALIASES))
    if found.fragment:
        # It is not shown, as it may be the rest of a password.
        raise DefinitionError(f"{problem} has a #, which is percent-encoded in a password")
    path = unquote(found.path)
    is_socket = found.scheme == "unix"
    database = query.get("db", ["" if is_socket else path.strip("/")])[0]
    if database and not (database.isascii() and database.isdigit()):
        raise DefinitionError(f"{problem} has a database that is no number")
    parts = {
        "host": unquote(host) if host and not is_socket else None,
        "port": port,
        "others": tuple((unquote(each or ""), port or _PORT) for each, port in others) or None,
        "database": int(database) if database else None,
        "path": path if is_socket else None,
        "username": unquote(found.username) if found.username else None,
        "password": unquote(found.password) if found.password else None,
    }
    return {key: value for key, value in parts.items() if value is not None}


def _servers(url: SplitResult) -> list[tuple[str | None, int | None]]:
    """The hosts and ports that a URL names: several of a cluster.

    :raises ValueError: where one of them is none.
    """
    if url.scheme not in _OF_CLUSTERS:
        return [(url.hostname, url.port)]
    named = url.netloc.rpartition("@")[2].split(",")
    return [(each.hostname, each.port) for each in (urlsplit(f"//{one}") for one in named)]


def _scheme(given: Given) -> str:
    return str(given.get("url") or "").partition(":")[0]


def _tls(given: Given) -> Tls | None:
    is_asked_for = _scheme(given).startswith("rediss")
    said = given.get("ssl")
    if is_asked_for and said is False:
        raise DefinitionError("ssl is false, and the url begins with rediss://")
    return Tls.of(True if is_asked_for and said is None else said)
