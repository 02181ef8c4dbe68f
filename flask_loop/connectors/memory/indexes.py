"""Indexes: from the values of properties to the records that have them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ...definition import ModelDefinition
from ...query import Compare
from ...query.patterns import like_prefix
from ..base import Record
from .values import Key, frozen

Names = tuple[str, ...]
Span = tuple[int, int]

#: The operators that leave a part of an index, in its order.
RANGE_OPERATORS = frozenset({"gt", "gte", "lt", "lte", "between", "like"})

#: Up to so many new keys are put into their places one by one; more are sorted in together.
_FEW = 50


class Index:
    """Which records have which value of one property, or which values of several.

    Records without a value are under the key None; of several properties, where any is missing.

    :param names: the Python names of the properties.
    :ivar key: gives a record's key.
    :ivar unique: whether no two records may have one key.
    """

    __slots__ = ("_ids", "_sorted", "key", "names", "unique")

    def __init__(self, names: Names, *, unique: bool = False) -> None:
        self.names = names
        self.unique = unique
        self.key = _key_reader(names)
        self._ids: dict[Key, Collection[Key]] = {}
        self._sorted = _SortedKeys()

    def ids(self, key: Key) -> Collection[Key]:
        """The ids of the records under a key."""
        return self._ids.get(key, ())

    def refuses(self, key: Key) -> bool:
        """Whether one more record under this key would be one too many."""
        return self.unique and key is not None and key in self._ids

    def add(self, key: Key, id: Key) -> None:
        ids = self._ids.get(key)
        if ids is None:
            self._ids[key] = (id,)  # a quarter of the size of a set
            self._sorted.add(key)
        elif isinstance(ids, set):
            ids.add(id)
        else:
            self._ids[key] = {*ids, id}

    def discard(self, key: Key, id: Key) -> None:
        ids = self._ids[key]
        if isinstance(ids, set) and len(ids) > 1:
            ids.remove(id)
        else:
            del self._ids[key]
            self._sorted.discard(key)

    def sorted_keys(self) -> list[Any] | None:
        """The keys but None in order, some perhaps without records; None where they have no order.

        They have none where two definitions of the model differ in the property's type.
        """
        try:
            return self._sorted.settle(key for key in self._ids if key is not None)
        except TypeError:
            return None


class _SortedKeys:
    """Keys in order: sorted when first asked for, kept up to date from then on."""

    __slots__ = ("_gone", "_keys", "_new")

    def __init__(self) -> None:
        self._keys: list[Any] | None = None
        self._new: list[Any] = []
        self._gone: set[Any] = set()

    def add(self, key: Key) -> None:
        if self._keys is None or key is None:
            return
        if key in self._gone:
            self._gone.remove(key)
        else:
            self._new.append(key)

    def discard(self, key: Key) -> None:
        if self._keys is None or key is None:
            return
        self._gone.add(key)
        if len(self._gone) > _FEW + len(self._keys) // 2:
            self._forget()

    def settle(self, keys: Iterable[Key]) -> list[Any]:
        """The keys in order; ``keys`` are all of them, for the first time.

        :raises TypeError: where they have no order.
        """
        try:
            if self._keys is None:
                self._keys = sorted(keys)
            elif len(self._new) > _FEW:
                self._keys.extend(self._new)
                self._keys.sort()
            else:
                for key in self._new:
                    insort(self._keys, key)
        except TypeError:
            self._forget()
            raise
        self._new.clear()
        return self._keys

    def _forget(self) -> None:
        self._keys = None
        self._new.clear()
        self._gone.clear()


def _key_reader(names: Names) -> Callable[[Record], Key]:
    if len(names) == 1:
        name = names[0]
        return lambda record: frozen(record[name])

    def read(record: Record) -> Key:
        parts = tuple([frozen(record[name]) for name in names])
        return None if None in parts else parts

    return read


def span(keys: list[Any], compare: Compare) -> Span | None:
    """The positions, from and up to, of the keys that can match; None where an index is no help.

    :param keys: in order.
    :param compare: with one of :data:`RANGE_OPERATORS`.

    :raises TypeError: where the operand has no place in the order.
    """
    operator, operand = compare.operator, compare.operand
    if operator == "between":
        low, high = map(frozen, operand)
        return bisect_left(keys, low), bisect_right(keys, high)
    if operator == "like":
        prefix = "" if operand.ignore_case else like_prefix(operand.text)
        return _prefix_span(keys, prefix) if prefix else None
    return _SPANS[operator](keys, frozen(operand))


_SPANS: dict[str, Callable[[list[Any], Key], Span]] = {
    "gt": lambda keys, bound: (bisect_right(keys, bound), len(keys)),
    "gte": lambda keys, bound: (bisect_left(keys, bound), len(keys)),
    "lt": lambda keys, bound: (0, bisect_left(keys, bound)),
    "lte": lambda keys, bound: (0, bisect_right(keys, bound)),
}


def _prefix_span(keys: list[Any], prefix: str) -> Span:
    start = bisect_left(keys, prefix)
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return start, len(keys)
    return start, bisect_left(keys, stem[:-1] + chr(ord(stem[-1]) + 1), start)


def declared(definition: ModelDefinition) -> Iterator[tuple[Names, bool]]:
    """The indexes that a model declares: the properties' names, and whether they are unique.

    :raises DefinitionError: where an index names what is no property.
    """
    if definition.ids:
        yield tuple(each.name for each in definition.ids), False
    for index in definition.indexes():
        yield index.keys, index.unique
