"""RedisClient: redis-py's client of one process, and its errors as ours."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, NoReturn, TypeVar
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from ...errors import Unavailable
from .kept import Kept
from .settings import RedisSettings, read_settings

__all__ = ["RETRY_AFTER", "RedisClient", "RedisSettings", "read_settings"]

T = TypeVar("T")

#: The seconds after which a server that is not available may be asked again.
RETRY_AFTER = 5

_log = logging.getLogger(__name__)


class RedisClient:
    """The connections of one data source. They are made when first used, in each process anew.

    :param settings: the data source's.
    :ivar may_write: whether a script has written, with rights to all that scripts do.

    ::

        client = RedisClient(read_settings("redis", {"url": "redis://localhost"}))
        client.run(lambda server: server.get("key"), is_safe=True)
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.may_write = False
        self._lock = Lock()
        self._redis: Any = None
        self._kept: Kept | None = None
        _clients.add(self)

    def __repr__(self) -> str:
        return f"<RedisClient {self.settings.address}>"

    @property
    def redis(self) -> Any:
        """The client of redis-py; it gives bytes, and does not try again by itself.

        :raises RedisClusterException: where it is one of a Redis Cluster that cannot be reached.
        """
        if self._redis is None:
            with self._lock:
                if self._redis is None:
                    client = _connect(self.settings)
                    if not self.settings.cluster:
                        self._kept = Kept(client.connection_pool)
                    self._redis = client
        return self._redis

    def run(self, call: Callable[[Any], T], *, is_safe: bool = False) -> T:
        """Do something with the client of redis-py.

        :param call: what is done; it is given the client.
        :param is_safe: whether it may be done twice, so that it is when the connection was lost.
        :raises Unavailable: where the server cannot be reached, or refuses for now.
        """
        return self._again(lambda: self._call(call), is_safe=is_safe)

    def load_script(self, text: str, key: str) -> None:
        """Let a server know a script.

        :param key: a key on that server, where it is one of a cluster.
        :raises Unavailable: as :meth:`run`.
        """

        def load(server: Any) -> None:
            here = {"target_nodes": server.get_node_from_key(key)} if self.settings.cluster else {}
            server.execute_command("SCRIPT LOAD", text, **here)

        self.run(load, is_safe=True)

    def exchange(self, command: bytes, *, is_safe: bool = False) -> Any:
        """Send a command in the form of the protocol to the server, which is not of a cluster.

        :param is_safe: as for :meth:`run`.
        :raises Unavailable: likewise.
        """
        return self._again(lambda: self._exchange(command, is_safe=is_safe), is_safe=is_safe)

    def _again(self, act: Callable[[], T], *, is_safe: bool) -> T:
        try:
            return act()
        except _RAISED as error:
            if not (is_safe and _is_lost(error)):
                self._raise(error)
        try:
            return act()
        except _RAISED as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        if isinstance(error, redis.ReadOnlyError) or _said(error).startswith("READONLY"):
            self._begin_anew()
        translated = self.translated(error)
        if translated is error:
            raise error
        raise translated from error

    def _begin_anew(self) -> None:
        """Have new connections from now on, as another server may have the address by now."""
        with self._lock:
            kept = self._kept
            if kept is not None:
                self._redis = self._kept = None
        if kept is not None:
            kept.retire()

    def _call(self, call: Callable[[Any], T]) -> T:
        client, kept = self.redis, self._kept
        if kept is None:
            return call(client)
        with kept.spared():
            return call(client)

    def _exchange(self, command: bytes, *, is_safe: bool) -> Any:
        while (kept := self._kept) is None:
            if self.settings.cluster:
                raise RuntimeError("a cluster takes commands by run")
            _ = self.redis
        return kept.exchange(command, is_safe=is_safe)

    def translated(self, error: Exception) -> Exception:
        """An error of redis-py as one of ours, or as it is where it is a mistake of ours."""
        if isinstance(error, redis.TimeoutError | TimeoutError):
            return Unavailable("The data source did not answer in time.", retry_after=RETRY_AFTER)
        if _is_refusal(error):
            _log.error("the Redis server %s refuses this app: %s", self.settings.address, error)
        elif isinstance(error, _ELSEWHERE) and not self.settings.cluster:
            _log.error(
                "the Redis server %s is in a Redis Cluster: data sources on it need cluster=True",
                self.settings.address,
            )
        elif isinstance(error, redis.exceptions.RedisClusterException):
            if not _is_away(error.__cause__):
                _log.error(
                    "the Redis Cluster at %s is of no use: %s",
                    self.settings.address,
                    _refused_slots(error) or error,
                )
        elif not isinstance(error, _FAULTS) and not _said(error).startswith(_STATES):
            return error
        if _is_full(error):
            return Unavailable("The data source has no connection free.", retry_after=1)
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)

    def close(self) -> None:
        """Let go of the connections; the next use opens new ones."""
        with self._lock:
            client, self._redis = self._redis, None
            kept, self._kept = self._kept, None
        if client is not None:
            _close(client, kept)

    def forget_parent(self) -> None:
        """Leave the connections to the process that this one was forked from."""
        self._lock = Lock()
        inherited = (self._redis, self._kept)
        self._redis = self._kept = None
        if inherited[0] is not None:
            _inherited.append(inherited)


#: What redis-py raises; the error of a cluster that it cannot join is none of its others.
_RAISED = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
_FAULTS = (
    redis.ConnectionError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.ClusterError,
    redis.exceptions.RedisClusterException,
    redis.exceptions.TryAgainError,
    OSError,
)
#: What a server of a cluster says to clients that know of none.
_ELSEWHERE = (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError)
#: What an answer begins with that says that the server is not of use for now.
_STATES = (
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
)
#: What an answer begins with that says that the settings are not right for the server.
_REFUSALS = (
    "ACL failure in script",
    "DB index",
    "DENIED",
    "NOAUTH",
    "NOPERM",
    "The user executing the script can't",
    "WRONGPASS",
    "invalid DB index",
)
#: What Redis 6.2 says before what went wrong in a script.
_RUNNING = re.compile(r"(ERR )?Error running script \(call to \w+\): (@user_script: ?\d+: )+-?")


def _said(error: Exception) -> str:
    """What the server said, as it says it outside of scripts too."""
    text = str(error)
    running = _RUNNING.match(text)
    return text if running is None else text[running.end() :]


def _refused_slots(error: Exception) -> BaseException | None:
    """Why a user may not ask for the slots of a cluster, for which redis-py says there is none."""
    cause = error.__cause__
    refusal = None if cause is None else cause.__context__
    return refusal if isinstance(refusal, redis.exceptions.NoPermissionError) else None


def _is_full(error: Exception) -> bool:
    """Whether the server, or our pool, has no connection free."""
    known = ("max number of clients", "No connection available")
    return isinstance(error, redis.MaxConnectionsError) or any(each in str(error) for each in known)


def _is_refusal(error: Exception) -> bool:
    refused = redis.AuthenticationError | redis.exceptions.AuthorizationError
    is_named = isinstance(error, refused | redis.exceptions.NoPermissionError)
    return is_named or _said(error).startswith(_REFUSALS)


def _is_away(error: BaseException | None) -> bool:
    """Whether a server could not be reached, or did not answer."""
    away = (redis.ConnectionError, redis.TimeoutError, OSError)
    return isinstance(error, away) and not _is_refusal(error)


def _is_lost(error: Exception) -> bool:
    """Whether a connection was lost that a new one may replace."""
    return (
        isinstance(error, redis.ConnectionError | OSError)
        and not isinstance(error, TimeoutError | redis.BusyLoadingError)
        and not _is_refusal(error)
        and not _is_full(error)
    )


def _connect(settings: RedisSettings) -> Any:
    """A client whose writes are never done twice: whether to try again is ours to say."""
    address, tls = settings.address, settings.tls
    options: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_timeout": settings.socket_timeout,
        "socket_connect_timeout": settings.connect_timeout,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if tls is not None:
        options |= {
            "ssl_ca_certs": tls.ca,
            "ssl_certfile": tls.cert,
            "ssl_keyfile": tls.key,
            "ssl_cert_reqs": ssl.CERT_NONE if tls.verify == "none" else ssl.CERT_REQUIRED,
            "ssl_check_hostname": tls.verify == "full",
        }
    if settings.cluster:
        servers = ((address.host, address.port), *address.others)
        make_node: Any = ClusterNode
        options["startup_nodes"] = [make_node(host, port) for host, port in servers]
        return RedisCluster(**options, ssl=tls is not None)
    kind: Any = redis.Connection if tls is None else redis.SSLConnection
    if address.path is not None:
        kind = redis.UnixDomainSocketConnection
        del options["socket_keepalive"]
        options["path"] = address.path
    else:
        options |= {"host": address.host, "port": address.port}
    options |= {
        "connection_class": kind,
        "max_connections": settings.pool_size,
        "timeout": settings.pool_timeout,
        "db": address.database,
    }
    make_pool: Any = redis.BlockingConnectionPool
    return redis.Redis(connection_pool=make_pool(**options))


def _close(client: Any, kept: Kept | None) -> None:
    with suppress(Exception):
        if kept is not None:
            kept.close()
        client.close()


_clients: WeakSet[RedisClient] = WeakSet()
#: Clients of parents, kept so that their connections are not closed here.
_inherited: list[Any] = []


def _forget_parent() -> None:
    for client in list(_clients):
        client.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
