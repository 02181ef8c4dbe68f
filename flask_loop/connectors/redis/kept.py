"""Kept: connections at hand, as taking one out of redis-py's pool costs most of a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from redis.exceptions import ResponseError

#: The seconds for which a connection that worked is not looked at before it is used to read.
TRUSTED_SECONDS = 1.0


class Kept:
    """Connections of a pool that were used a moment ago.

    They count as taken out of the pool, so whoever waits for one gets these first.

    :param pool: the pool of redis-py.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: deque[tuple[Any, float]] = deque()
        # One for each thread that may be waiting for the pool: appending is atomic, adding is not.
        self._waiting: deque[None] = deque()
        self._is_closed = False

    def exchange(self, command: bytes, *, is_safe: bool) -> Any:
        """Send a command in the form of the protocol, and give the answer.

        :param is_safe: whether it may be sent on a connection that the server may have closed.
        :raises redis.RedisError: as redis-py does.
        """
        connection = self._take(is_safe=is_safe)
        try:
            connection.send_packed_command([command])
            answer = connection.read_response()
        except ResponseError:
            self._give_back(connection)
            raise
        except BaseException:
            connection.disconnect()
            self._pool.release(connection)
            self.release()
            raise
        self._give_back(connection)
        return answer

    @contextmanager
    def spared(self) -> Iterator[None]:
        """A block that takes connections out of the pool itself."""
        self._waiting.append(None)
        try:
            self.release()
            yield
        finally:
            self._waiting.pop()

    def release(self) -> None:
        """Give what is kept back to the pool, which looks at a connection before it is used."""
        while (connection := self._pop()) is not None:
            self._pool.release(connection[0])

    def retire(self) -> None:
        """Close what is kept, and what is under way when it is back."""
        self._is_closed = True
        while (kept := self._pop()) is not None:
            kept[0].disconnect()
            self._pool.release(kept[0])

    def close(self) -> None:
        """Close all connections."""
        self.retire()
        self._pool.disconnect()

    def _take(self, *, is_safe: bool) -> Any:
        kept = self._pop()
        if kept is not None:
            connection, since = kept
            if monotonic() - since < TRUSTED_SECONDS and (is_safe or self._is_alive(connection)):
                return connection
            self._pool.release(connection)
        with self.spared():
            return self._pool.get_connection()

    @staticmethod
    def _is_alive(connection: Any) -> bool:
        """Whether the server has neither closed a connection nor said anything on it."""
        try:
            return not connection.can_read()
        except Exception:  # noqa: BLE001 - whatever it is, the pool connects anew
            connection.disconnect()
            return False

    def _give_back(self, connection: Any) -> None:
        if self._is_closed:
            connection.disconnect()
            self._pool.release(connection)
            return
        self._idle.append((connection, monotonic()))
        if self._waiting:
            self.release()

    def _pop(self) -> tuple[Any, float] | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None
