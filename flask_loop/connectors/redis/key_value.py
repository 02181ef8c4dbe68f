"""Keys and values in Redis: each is a string of JSON, which Redis lets expire by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from ..key_value import ENDLESS, Glob, KeyValueStore
from .client import RedisClient

#: How many keys of the server are looked at in one step of a scan.
_AT_ONCE = 1000
#: What PTTL answers of a key that is not there.
_GONE = -2
_SPECIAL = re.compile(rb"[*?\[\]\\^]")


class RedisKeyValues(KeyValueStore):
    """The keys of one model, all of them in one slot of a Redis Cluster.

    :param client: the connections.
    :param tag: what all keys of the model begin with.
    """

    def __init__(self, client: RedisClient, tag: str) -> None:
        self._client = client
        # Records that have the same tag are under other keys.
        self._prefix = f"{tag}/value:"
        self.max_scan = client.settings.max_scan

    def get(self, key: str) -> Any:
        stored = self._client.run(lambda server: server.get(self._name(key)), is_safe=True)
        if stored is None:
            return None
        try:
            return orjson.loads(stored)
        except ValueError:
            raise RuntimeError(f"what Redis has under {self._name(key)!r} is not JSON") from None

    def set(self, key: str, value: Any, ttl: int | None) -> None:
        name, stored = self._name(key), orjson.dumps(value)
        self._client.run(lambda server: server.set(name, stored, px=ttl), is_safe=True)

    def expire(self, key: str, ttl: int) -> bool:
        name = self._name(key)
        return bool(self._client.run(lambda server: server.pexpire(name, ttl), is_safe=True))

    def ttl(self, key: str) -> int | None:
        left = self._client.run(lambda server: server.pttl(self._name(key)), is_safe=True)
        if left == _GONE:
            return None
        return ENDLESS if left < 0 else int(left)

    def keys(self, match: Glob | None = None) -> Iterator[str]:
        length = len(self._prefix)
        given: set[str] = set()
        for name in self._scan("" if match is None else match.head):
            key = name.decode()[length:]
            # A scan may come to a key twice.
            if key not in given and (match is None or match.matches(key)):
                given.add(key)
                yield key

    def delete(self, key: str) -> bool:
        return bool(self._client.run(lambda server: server.delete(self._name(key))))

    def delete_all(self) -> int:
        names = set(self._scan(""))
        return sum(self._unlink(some) for some in _parts(list(names)))

    def _name(self, key: str) -> str:
        return self._prefix + key

    def _unlink(self, names: Sequence[bytes]) -> int:
        return int(self._client.run(lambda server: server.unlink(*names)))

    def _scan(self, head: str) -> Iterator[bytes]:
        """The names of the keys that begin so.

        The rest of a pattern is for Python to look at: many stars take long in the server.
        """
        start = f"{self._prefix}{head}".encode()
        pattern = _SPECIAL.sub(rb"\\\g<0>", start) + b"*"
        cursor = 0
        while True:
            cursor, names = self._scan_once(cursor, pattern)
            yield from names
            if not cursor:
                return

    def _scan_once(self, cursor: int, pattern: bytes) -> tuple[int, list[bytes]]:
        """The next cursor, and the names of some keys."""
        options: dict[str, Any] = {"match": pattern, "count": _AT_ONCE}
        if not self._client.settings.cluster:
            return self._client.run(  # type: ignore[no-any-return]
                lambda server: server.scan(cursor, **options), is_safe=True
            )

        def scan(server: Any) -> tuple[dict[str, int], list[bytes]]:
            node = server.get_node_from_key(self._prefix)
            return server.scan(cursor, target_nodes=node, **options)  # type: ignore[no-any-return]

        cursors, names = self._client.run(scan, is_safe=True)
        return next(iter(cursors.values())), names


def _parts(names: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
