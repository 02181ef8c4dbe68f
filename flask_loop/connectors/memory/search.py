"""Search: which records to look at, in which order, and when to stop."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from ...query import And, Filter, Where, conjuncts, predicate, sort_key
from ..base import Record
from .lookups import Lookup, Range, best_lookup, indexable, is_whole, ranges_of, whole_range
from .table import Table
from .values import Key


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a filter.

    :ivar records: the stored records, in order.
    :ivar index: the names of the properties whose indexes were used, or None.
    :ivar candidates: how many records were looked at.
    :ivar ordered: whether an index gave the order.
    """

    records: list[Record]
    index: str | None = None
    candidates: int = 0
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """The records that match a where, by key, and how they were found."""

    records: dict[Key, Record]
    index: str | None
    candidates: int


def search(table: Table, filter: Filter) -> Found:
    """The records of a filter, as :func:`flask_loop.query.apply` gives them."""
    if filter.limit == 0:
        return Found([])
    lookup = best_lookup(table, filter.where)
    range_ = _range_to_walk(table, filter, lookup)
    if range_ is not None:
        return _walk(table, filter, range_)
    found = _matching(table, filter.where, lookup)
    return Found(_page(found.records.values(), filter), found.index, found.candidates)


def matching(table: Table, where: Where) -> Matches:
    """The records that match a where, in no order."""
    return _matching(table, where, best_lookup(table, where))


def _matching(table: Table, where: Where, lookup: Lookup | None) -> Matches:
    records, name = table.records, None
    if lookup is not None:
        records, name = {id: table.records[id] for id in lookup.ids()}, lookup.name or None
    matches = _predicate(where)
    if matches is None:
        return Matches(dict(records), name, len(records))
    found = {key: record for key, record in records.items() if matches(record)}
    return Matches(found, name, len(records))


def _predicate(where: Where) -> Callable[[Record], bool] | None:
    """A function that says whether a record matches; None where each does."""
    return None if isinstance(where, And) and not where.items else predicate(where)


def _page(records: Collection[Record], filter: Filter) -> list[Record]:
    key = sort_key(filter)
    if filter.limit is None:
        return sorted(records, key=key)[filter.skip :]
    end = filter.skip + filter.limit
    return _first(end, records, key)[filter.skip :]


def _first(number: int, records: Collection[Record], key: Callable[[Record], Any]) -> list[Record]:
    if number * 10 < len(records):
        return heapq.nsmallest(number, records, key=key)
    return sorted(records, key=key)[:number]


def _range_to_walk(table: Table, filter: Filter, lookup: Lookup | None) -> Range | None:
    """The index in whose order enough records come sooner than by a look-up, or None."""
    if filter.limit is None or filter.near is not None or not filter.order:
        return None
    need = filter.skip + filter.limit
    path = filter.order[0].path
    if not is_whole(path) or (lookup is not None and lookup.estimate <= need):
        return None
    compares = indexable(conjuncts(filter.where))
    range_ = ranges_of(table, compares).get(path.property.name) or whole_range(table, path)
    if range_ is None or lookup is None:
        return range_
    # As if those that match lay evenly in the order.
    expected = need * range_.estimate(len(table.records)) / lookup.estimate
    return range_ if expected < lookup.estimate else None


def _walk(table: Table, filter: Filter, range_: Range) -> Found:
    """Search in the order of an index, until there are enough."""
    need = filter.skip + (filter.limit or 0)
    matches = _predicate(filter.where)
    ties = sort_key(replace(filter, order=filter.order[1:]))
    found: list[Record] = []
    candidates = 0
    for ids in range_.groups(filter.order[0].descending):
        group = [table.records[id] for id in ids]
        candidates += len(group)
        if matches is not None:
            group = [record for record in group if matches(record)]
        found += _first(need - len(found), group, ties) if len(group) > 1 else group
        if len(found) >= need:
            break
    return Found(found[filter.skip :], range_.name, candidates, ordered=True)
