"""Lookups: how indexes lead to the records that can match a where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ...query import Compare, Or, Path, Where, conjuncts
from ...types import FieldValue
from .indexes import RANGE_OPERATORS, Index, span
from .table import Table
from .values import Key, frozen


@dataclass(frozen=True, slots=True)
class Lookup:
    """A way to find all records that can match, and perhaps some that do not.

    :ivar name: of the index.
    :ivar estimate: how many records it gives, about.
    :ivar ids: gives their keys, each once.
    """

    name: str
    estimate: int
    ids: Callable[[], Iterable[Key]]


def best_lookup(table: Table, where: Where) -> Lookup | None:
    """The way to the fewest records, or None where no index helps."""
    if isinstance(where, Or):
        return _union([best_lookup(table, item) for item in where.items])
    parts = conjuncts(where)
    compares = indexable(parts)
    ways: list[Lookup | None] = [
        *_by_equality(table, compares),
        *_by_several(table, compares),
        *(each.lookup(len(table.records)) for each in ranges_of(table, compares).values()),
        *(best_lookup(table, part) for part in parts if isinstance(part, Or)),
    ]
    return min(
        (each for each in ways if each is not None), key=lambda way: way.estimate, default=None
    )


def _union(ways: Sequence[Lookup | None]) -> Lookup | None:
    known = [each for each in ways if each is not None]
    if len(known) < len(ways):
        return None
    return Lookup(
        name=", ".join(dict.fromkeys(each.name for each in known)),
        estimate=sum(each.estimate for each in known),
        ids=lambda: dict.fromkeys(chain.from_iterable(each.ids() for each in known)),
    )


def indexable(parts: Iterable[Where]) -> list[Compare]:
    """The comparisons of whole values, not of places or items inside them."""
    return [
        part
        for part in parts
        if isinstance(part, Compare) and not part.member and is_whole(part.path)
    ]


def is_whole(path: Path) -> bool:
    """Whether a path leads to a whole value, of a type whose keys are equal where values are."""
    return not path.keys and not isinstance(path.type, FieldValue)


def _by_equality(table: Table, compares: Iterable[Compare]) -> Iterator[Lookup]:
    for each in compares:
        index = table.indexes.get((each.path.property.name,))
        if index is None or each.operator not in ("eq", "inq"):
            continue
        operands = each.operand if each.operator == "inq" else (each.operand,)
        yield _at_keys(index, dict.fromkeys(map(frozen, operands)))


def _by_several(table: Table, compares: Iterable[Compare]) -> Iterator[Lookup]:
    """Look-ups in indexes of several properties, all of which have to equal something."""
    values = {
        each.path.property.name: frozen(each.operand)
        for each in compares
        if each.operator == "eq" and each.operand is not None
    }
    for names, index in table.indexes.items():
        if len(names) > 1 and values.keys() >= set(names):
            yield _at_keys(index, [tuple(values[name] for name in names)])


def _at_keys(index: Index, keys: Collection[Key]) -> Lookup:
    return Lookup(
        name=", ".join(index.names),
        estimate=sum(len(index.ids(key)) for key in keys),
        ids=lambda: chain.from_iterable(map(index.ids, keys)),
    )


@dataclass(frozen=True, slots=True)
class Range:
    """A part of an index in its order.

    :ivar keys: all of the index.
    :ivar start: the position of the first key of the part.
    :ivar stop: the position behind the last one.
    :ivar nulls: whether the records without a value come behind.
    """

    index: Index
    keys: list[Any]
    start: int
    stop: int
    nulls: bool

    @property
    def name(self) -> str:
        return ", ".join(self.index.names)

    def narrowed(self, start: int, stop: int) -> Range:
        return replace(self, start=max(self.start, start), stop=min(self.stop, stop), nulls=False)

    def groups(self, descending: bool = False) -> Iterator[Collection[Key]]:
        """The ids under each key in turn."""
        positions = range(self.start, self.stop)
        for position in reversed(positions) if descending else positions:
            yield self.index.ids(self.keys[position])
        if self.nulls:
            yield self.index.ids(None)

    def estimate(self, records: int) -> int:
        """How many records it has, about."""
        if self.nulls:
            return records
        width = max(0, self.stop - self.start)
        return max(width, width * records // max(1, len(self.keys)))

    def lookup(self, records: int) -> Lookup:
        return Lookup(
            name=self.name,
            estimate=self.estimate(records),
            ids=lambda: chain.from_iterable(self.groups()),
        )


def ranges_of(table: Table, compares: Iterable[Compare]) -> dict[str, Range]:
    """The parts of indexes that comparisons leave, by property."""
    ranges: dict[str, Range] = {}
    for each in compares:
        if each.operator not in RANGE_OPERATORS:
            continue
        name = each.path.property.name
        range_ = ranges.get(name) or whole_range(table, each.path)
        narrowed = range_ and _narrowed(range_, each)
        if narrowed is not None:
            ranges[name] = narrowed
    return ranges


def whole_range(table: Table, path: Path) -> Range | None:
    """The whole index of a property in its order, or None where there is none."""
    index = table.indexes.get((path.property.name,))
    if index is None or not path.type.ordered:
        return None
    keys = index.sorted_keys()
    return None if keys is None else Range(index, keys, 0, len(keys), nulls=True)


def _narrowed(range_: Range, compare: Compare) -> Range | None:
    try:
        found = span(range_.keys, compare)
    except TypeError:
        return None
    return None if found is None else range_.narrowed(*found)
