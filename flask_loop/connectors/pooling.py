"""Pooling: the connections that a :class:`~.web.WebClient` keeps open to its servers."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from ..errors import Unavailable
from .patience import Patience
from .unpacking import PACKING

if TYPE_CHECKING:
    import httpx

__all__ = ["Asking", "Pool", "tls_of"]

#: The seconds for which a connection that nobody uses is kept.
KEPT_SECONDS = 15.0

#: Whether it is us that use httpx.
_IS_ASKING: ContextVar[bool] = ContextVar("is_asking", default=False)


class Pool:
    """The connections of one process, each a client of httpx that one thread at a time uses.

    Where several threads share a client, one may close a connection, that it takes for an idle one
    whose server has hung up, just when another has begun to use it.

    :param open: makes a client.
    :param size: how many there may be.
    """

    def __init__(self, open: Callable[[], Asking], size: int) -> None:
        self._open = open
        self._room = BoundedSemaphore(size)
        self._idle: list[Asking] = []
        self._is_left = False
        self._lock = Lock()

    @contextmanager
    def one(self, timeout: float) -> Iterator[Asking]:
        """A block that has a client for itself: the one that was used last, where it is free.

        :param timeout: the seconds to wait for one.
        :raises Unavailable: where none is free in time.
        """
        if not self._room.acquire(timeout=timeout):
            raise Unavailable("The data source has no connection free.", retry_after=1)
        try:
            with self._lock:
                client = self._idle.pop() if self._idle else None
            client = self._open() if client is None else client
            try:
                yield client
                self._give_back(client)
            except BaseException:
                self._close_unless_idle(client)
                raise
        finally:
            self._room.release()

    def leave(self) -> None:
        """Close the connections; those in use when they are done."""
        with self._lock:
            self._is_left = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def _give_back(self, client: Asking) -> None:
        with self._lock:
            if not self._is_left:
                self._idle.append(client)
                return
        client.close()

    def _close_unless_idle(self, client: Asking) -> None:
        """Close what was cut off, whose connection may be in the middle of an answer."""
        with self._lock:
            is_idle = client in self._idle  # as where a signal came when all was done
        if not is_idle:
            client.close()


class Asking:
    """A client of httpx for one thread at a time, and how long it waits."""

    def __init__(self, timeout: float, connect_timeout: float, verify: bool | str) -> None:
        import httpx

        self.patience = Patience(timeout)
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=connect_timeout),
            limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
            verify=tls_of(verify),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": PACKING,
                "User-Agent": "flask-loop",
            },
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        logging.getLogger("httpx").addFilter(_is_of_others)

    @contextmanager
    def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[httpx.Response]:
        """A block that has an answer, whose body comes as it is read."""
        self.patience.begin()
        tracing = {"trace": self.patience.trace}
        token = _IS_ASKING.set(True)
        try:
            with self._client.stream(
                method, url, headers=headers, content=body, extensions=tracing
            ) as response:
                yield response
        finally:
            _IS_ASKING.reset(token)

    def close(self) -> None:
        self._client.close()


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether httpx may log something: of us it would log whole URLs, which may have secrets."""
    return not _IS_ASKING.get()


@cache
def tls_of(verify: bool | str) -> ssl.SSLContext:
    """What certificates are checked with; to make one costs more than to ask."""
    import httpx

    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    is_directory = os.path.isdir(verify)
    return ssl.create_default_context(
        cafile=None if is_directory else verify, capath=verify if is_directory else None
    )
