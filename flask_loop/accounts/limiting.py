"""Limits: how often somebody may try what can be guessed, or what sends mails.

Tries are counted for the account that is named, whether there is such an account or not, and for
the address that they come from. Where the storage that counts for several processes cannot be
reached, the process counts by itself until it can. What the storage holds shows neither accounts
nor addresses, and is of one app alone where that has a SECRET_KEY.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import current_app, has_request_context, request

from ..definition import nearest
from ..errors import DefinitionError, TooManyRequests
from ..state import Settings
from .apps import PerApp, current_state, keyed_digest

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

_log = logging.getLogger(__name__)
#: What the limits of each kind of tries are called in the settings.
KINDS = ("login", "reset", "verify")
#: What the documentation of the API says of the answer to a try too many.
REFUSAL = {429: "It was tried too often; Retry-After says when to come back."}
_SIDES = ("account", "address")
#: How many of the first bits of an IPv6 address one customer has.
_NETWORK_BITS = 64
_PREFIX = "flask-loop"
#: The storage of each process for itself.
_OWN = "memory://"
#: For how many seconds a storage is left alone that could not be reached.
_PAUSE = 1.0
#: How many seconds a server may take, which a login waits for.
_PATIENCE = 1.0


class Limiter:
    """Counts the tries of one kind in one app.

    :param kind: one of :data:`KINDS`.
    :param limits: in the words of the ``limits`` library, by ``account`` and ``address``.
    :param counter: where they are counted.
    :raises DefinitionError: naming the setting that means nothing.
    """

    def __init__(self, kind: str, limits: Mapping[str, str], counter: Counter) -> None:
        self._kind = kind
        self._limits = _read(kind, limits)
        self._counter = counter

    def count(self, *account: str | None) -> None:
        """Count a try of the client that calls.

        :param account: what names the account, in its normal form: such as the model, the realm
            and the name. Nothing counts for the client's address alone.
        :raises TooManyRequests: where it is one too many.
        """
        for limit, keys in (*self._of_address(), *self._of_account(account)):
            if not self._counter.ask("hit", limit, keys):
                raise TooManyRequests(self._wait(limit, keys))

    def forgive(self, *account: str | None) -> None:
        """Forget the tries of an account, as its owner was there.

        :param account: as in :meth:`count`.
        """
        for limit, keys in self._of_account(account):
            self._counter.ask("clear", limit, keys)

    def _of_address(self) -> Iterator[tuple[RateLimitItem, tuple[str, ...]]]:
        if has_request_context() and request.remote_addr:
            named = _digest("flask-loop limit of address", _network(request.remote_addr))
            keys = (_PREFIX, self._kind, "address", named)
            yield from ((limit, keys) for limit in self._limits["address"])

    def _of_account(
        self, account: tuple[str | None, ...]
    ) -> Iterator[tuple[RateLimitItem, tuple[str, ...]]]:
        if account:
            named = _digest("flask-loop limit", *(each or "" for each in account))
            keys = (_PREFIX, self._kind, "account", named)
            yield from ((limit, keys) for limit in self._limits["account"])

    def _wait(self, limit: RateLimitItem, keys: tuple[str, ...]) -> int:
        """In how many seconds another try is counted."""
        reset: float = self._counter.ask("get_window_stats", limit, keys).reset_time
        return max(1, ceil(reset - time.time()))


class Counter:
    """Counts tries in a storage; in this process, while the storage cannot be reached.

    :param storage: its URL.
    :raises DefinitionError: where it is none, or needs a package that is not there.
    """

    def __init__(self, storage: str) -> None:
        self._storage = storage
        self._shared = None if _connects_when_made(storage) else _strategy(storage)
        self._own: RateLimiter | None = None
        self._asked_again = 0.0
        self._is_away = False
        self._lock = Lock()

    def ask(self, name: str, limit: RateLimitItem, keys: tuple[str, ...]) -> Any:
        """Call a method of what counts.

        :param name: the method's.
        :param limit: what it is about.
        :param keys: whose tries.
        """
        if time.monotonic() >= self._asked_again:
            try:
                answer = getattr(self.shared, name)(limit, *keys)
            except Exception:  # noqa: BLE001 - each storage has errors of its own
                self._leave_alone()
            else:
                self._note_return()
                return answer
        return getattr(self._alone(), name)(limit, *keys)

    @property
    def shared(self) -> RateLimiter:
        """What counts in the storage, which some reach when they are made."""
        if self._shared is None:
            with self._lock:
                if self._shared is None:
                    self._shared = _strategy(self._storage)
        return self._shared

    def _leave_alone(self) -> None:
        with self._lock:
            self._asked_again = time.monotonic() + _PAUSE
            if self._is_away:
                return
            self._is_away = True
        _log.exception("the storage of limits cannot be reached; this process counts alone")

    def _note_return(self) -> None:
        if self._is_away:
            with self._lock:
                self._is_away, self._own = False, None
            _log.warning("the storage of limits can be reached again")

    def _alone(self) -> RateLimiter:
        with self._lock:
            if self._own is None:
                self._own = _strategy(_OWN)
            return self._own


def check_settings(settings: Settings) -> None:
    """Check the limits that an app sets; where it sets none, that costs nothing.

    :raises DefinitionError: naming the setting that means nothing.
    """
    usual = Settings()
    for kind in KINDS:
        name = f"{kind}_limits"
        if getattr(settings, name) != getattr(usual, name):
            _read(kind, getattr(settings, name))
    if settings.limit_storage != usual.limit_storage:
        _check_storage(settings.limit_storage)


def _read(kind: str, limits: Mapping[str, str]) -> dict[str, list[RateLimitItem]]:
    """The limits of one kind by the sides for which tries are counted.

    :raises DefinitionError: naming the setting that means nothing.
    """
    setting = f"LOOP_{kind.upper()}_LIMITS"
    for side in limits:
        if side not in _SIDES:
            known = " and ".join(map(repr, _SIDES))
            raise DefinitionError(f"{setting} has {known}, not {side!r}{nearest(side, _SIDES)}")
    return {side: _parsed(f"{setting}[{side!r}]", limits.get(side)) for side in _SIDES}


def _parsed(setting: str, text: str | None) -> list[RateLimitItem]:
    from limits import parse_many

    if not text:
        return []
    try:
        return parse_many(text)
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            f"{setting} is limits such as '10 per minute; 100 per day': {error}"
        ) from None


def _check_storage(storage: str) -> None:
    """Refuse a storage that cannot be had; whether its server is there is another matter.

    :raises DefinitionError: where it is none, or needs a package that is not there.
    """
    if not _connects_when_made(storage):
        _strategy(storage)


def _connects_when_made(storage: str) -> bool:
    return storage.partition(":")[0] in _CONNECT_WHEN_MADE


def _strategy(storage: str) -> RateLimiter:
    """What counts in a storage: in a window that moves, where the storage has such."""
    from limits.errors import ConfigurationError
    from limits.storage import MovingWindowSupport, storage_from_string
    from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

    try:
        options = _patience() if storage.partition(":")[0] in _OF_REDIS else {}
        made: Any = storage_from_string(storage, **options)
    except (ConfigurationError, ImportError, ValueError) as error:
        raise _no_storage(type(error).__name__) from None
    if storage.startswith("async+"):
        raise _no_storage("those of asyncio are none for Flask")
    moves = isinstance(made, MovingWindowSupport)
    return MovingWindowRateLimiter(made) if moves else FixedWindowRateLimiter(made)


_OF_REDIS = ("redis", "rediss", "redis+unix", "redis+cluster")
#: Storages that are reached when they are made, which is no part of starting an app.
_CONNECT_WHEN_MADE = ("mongodb", "mongodb+srv", "redis+cluster", "valkey+cluster")


def _patience() -> dict[str, Any]:
    """What keeps a login from waiting long for a Redis server that is not there."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": _PATIENCE,
        "socket_connect_timeout": _PATIENCE,
        "retry": Retry(NoBackoff(), 1),
    }


def _no_storage(reason: str) -> DefinitionError:
    """The URL is not shown, as it may have a password."""
    return DefinitionError(f"LOOP_LIMIT_STORAGE is no storage of limits: {reason}")


def _digest(*parts: str) -> str:
    """A digest that shows nobody what it is of; it is good enough without a key for one process."""
    if current_app.secret_key:
        return keyed_digest(*parts)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    """The client that an address stands for: of IPv6, all that one customer has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _NETWORK_BITS), strict=False))


class Limiters:
    """The limiters of one app, by kind.

    :param settings: the app's.

    :ivar counter: where tries of all kinds are counted.
    """

    def __init__(self, settings: Settings) -> None:
        self.counter = Counter(settings.limit_storage)
        limits = {kind: getattr(settings, f"{kind}_limits") for kind in KINDS}
        self._by_kind = {kind: Limiter(kind, limits[kind], self.counter) for kind in KINDS}

    def __getitem__(self, kind: str) -> Limiter:
        return self._by_kind[kind]


_by_app = PerApp("limiters", Limiters)


def limit(model: Any, kind: str, *account: str | None) -> None:
    """Count a try in the app in whose context the caller is; outside of one nothing is counted.

    :param model: the model of users that it is about.
    :param kind: one of :data:`KINDS`.
    :param account: what names the account, in its normal form; see :meth:`Limiter.count`.
    :raises TooManyRequests: where it is one too many.
    """
    state = current_state()
    if state is not None:
        _by_app.of(state)[kind].count(*_named(model, account))


def forgive(model: Any, kind: str, *account: str | None) -> None:
    """Forget the tries of an account; see :meth:`Limiter.forgive`."""
    state = current_state()
    if state is not None:
        _by_app.of(state)[kind].forgive(*_named(model, account))


def _named(model: Any, account: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """What names an account of a model; columns that know no case have one for all spellings."""
    spelled = (None if each is None else each.casefold() for each in account)
    return (model.definition.name, *spelled) if account else ()
