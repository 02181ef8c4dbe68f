"""Cache: what was looked up for access control, remembered for a short time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, Protocol, TypeVar

V = TypeVar("V")

#: How many answers are remembered; the one that was made first is forgotten first.
_MOST = 10_000


class Shared(Protocol):
    """What several processes know of each other's changes."""

    def access_stamp(self) -> bytes | None:
        """What changes with whatever access control looks up; None where that is not known."""

    def forget_access(self) -> None:
        """Change it."""


class Cache(Generic[V]):
    """Answers by key.

    :param life: for how many seconds an answer is good; 0 for not at all.
    :param shared: what tells of the changes of other processes, or None.
    """

    def __init__(self, life: float, shared: Shared | None = None) -> None:
        self._life = life
        self._shared = shared
        self._known: OrderedDict[Hashable, tuple[float, bytes | None, V]] = OrderedDict()
        self._lock = Lock()
        self._number = 0

    def get(self, key: Hashable, find: Callable[[], V], *, keep: bool = True) -> V:
        """The answer for a key.

        :param find: gives it where it is not known. What was written meanwhile may not be in it,
            so then it is not kept.
        :param keep: whether it may be kept otherwise.
        """
        shared = self._shared
        stamp = None if shared is None else shared.access_stamp()
        known = self._known.get(key)
        if known is not None and known[0] > monotonic() and known[1] == stamp:
            return known[2]
        number = self._number
        found = find()
        if shared is not None and stamp is None:
            return found  # nobody would tell when it is over
        with self._lock:
            if keep and self._life and number == self._number:
                self._known[key] = monotonic() + self._life, stamp, found
                self._known.move_to_end(key)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._number += 1
            self._known.clear()
