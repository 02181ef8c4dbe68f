"""Keys and values in the memory of this process."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from time import monotonic
from typing import Any

import orjson

from ..key_value import ENDLESS, Glob, KeyValueStore

#: How many writes there are at least between two looks for keys that are over.
_SWEEP_AFTER = 1000


class MemoryKeyValues(KeyValueStore):
    """Keeps values as JSON, so that nobody changes what another has."""

    def __init__(self) -> None:
        #: By key, the value and when it is over.
        self._kept: dict[str, tuple[bytes, float | None]] = {}
        self._lock = Lock()
        self._writes = 0

    def get(self, key: str) -> Any:
        found = self._kept.get(key)
        return None if found is None or _is_over(found) else orjson.loads(found[0])

    def set(self, key: str, value: Any, ttl: int | None) -> None:
        entry = orjson.dumps(value), _end_of(ttl)
        with self._lock:
            self._kept[key] = entry
            self._writes += 1
            if self._writes > max(_SWEEP_AFTER, len(self._kept)):
                self._sweep()

    def expire(self, key: str, ttl: int) -> bool:
        with self._lock:
            found = self._kept.get(key)
            if found is None or _is_over(found):
                return False
            self._kept[key] = found[0], _end_of(ttl)
            return True

    def ttl(self, key: str) -> int | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[1] is None:
            return ENDLESS
        left = found[1] - monotonic()
        return None if left <= 0 else int(left * 1000)

    def keys(self, match: Glob | None = None) -> Iterator[str]:
        with self._lock:
            there = [key for key, found in self._kept.items() if not _is_over(found)]
        return (key for key in there if match is None or match.matches(key))

    def delete(self, key: str) -> bool:
        with self._lock:
            found = self._kept.pop(key, None)
        return found is not None and not _is_over(found)

    def delete_all(self) -> int:
        with self._lock:
            kept, self._kept = self._kept, {}
        return sum(not _is_over(found) for found in kept.values())

    def _sweep(self) -> None:
        """Forget what is over and nobody asks for any more."""
        self._writes = 0
        self._kept = {key: found for key, found in self._kept.items() if not _is_over(found)}


def _end_of(ttl: int | None) -> float | None:
    return None if ttl is None else monotonic() + ttl / 1000


def _is_over(entry: tuple[bytes, float | None]) -> bool:
    return entry[1] is not None and entry[1] <= monotonic()
