"""Cache: what was compiled last, by what it was compiled for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """Keeps so many values; past them the oldest goes, as clients choose how many there could be.

    :param size: the most values.
    """

    __slots__ = ("_kept", "_lock", "_size")

    def __init__(self, size: int) -> None:
        self._kept: dict[Hashable, T] = {}
        self._lock = Lock()
        self._size = size

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made where it is not there."""
        found = self._kept.get(key)
        return self._keep(key, make()) if found is None else found

    def _keep(self, key: Hashable, value: T) -> T:
        with self._lock:
            self._kept[key] = value
            if len(self._kept) > self._size:
                del self._kept[next(iter(self._kept))]
        return value
