"""Cache: what was looked up for access control, remembered for a short time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

V = TypeVar("V")

#: How many answers are remembered; the one that was made first is forgotten first.
_MOST = 10_000


class Cache(Generic[V]):
    """Answers by key.

    :param life: for how many seconds an answer is good; 0 for not at all.
    """

    def __init__(self, life: float) -> None:
        self._life = life
        self._known: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._lock = Lock()
        self._number = 0

    def get(self, key: Hashable, find: Callable[[], V], *, keep: bool = True) -> V:
        """The answer for a key.

        :param find: gives it where it is not known. What was written meanwhile may not be in it,
            so then it is not kept.
        :param keep: whether it may be kept otherwise.
        """
        known = self._known.get(key)
        if known is not None and known[0] > monotonic():
            return known[1]
        number = self._number
        found = find()
        with self._lock:
            if keep and self._life and number == self._number:
                self._known[key] = monotonic() + self._life, found
                self._known.move_to_end(key)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._number += 1
            self._known.clear()
