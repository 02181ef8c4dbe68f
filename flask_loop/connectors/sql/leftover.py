"""What SQL cannot do of a query, done in Python on the rows that it narrowed down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...definition import ModelDefinition
from ...definition.embedding import embedded_in
from ...query import (
    Compare,
    Filter,
    Inside,
    Not,
    Order,
    Related,
    Where,
    keys_where,
    sort_key,
)
from ..base import Record

#: Gives the values of some properties of the records of a model that match a where.
FindKeys = Callable[[ModelDefinition, tuple[str, ...], Where], Iterable[Any]]


def settled(definition: ModelDefinition, where: Where, find_keys: FindKeys) -> Where:
    """A where that says the same by the record alone: keys that were found take the links' place.

    :param definition: the model that the where is on.
    :param find_keys: finds the keys.
    """
    if isinstance(where, Compare):
        return where
    if isinstance(where, Not):
        return Not(settled(definition, where.item, find_keys))
    if isinstance(where, Inside):
        inner = embedded_in(where.path.type)
        if inner is None:
            return where
        return Inside(where.path, settled(inner.definition, where.where, find_keys))
    if isinstance(where, Related):
        link = where.link
        keys = find_keys(link.definition, link.theirs, where.where)
        return keys_where(definition, link.own, keys)
    return type(where)(tuple(settled(definition, item, find_keys) for item in where.items))


class Sorting:
    """An order that Python sorts by, of records and of values of related ones.

    :param filter: what has the order.

    :ivar related: the keys of the order whose values are of related records.
    """

    def __init__(self, filter: Filter) -> None:
        self.related = tuple(key for key in filter.order if key.links)
        lifted = iter(map(_lifted, self.related, range(len(self.related))))
        order = tuple(next(lifted) if key.links else key for key in filter.order)
        self._key = sort_key(replace(filter, order=order))

    def sort(
        self, places: list[int], records: Sequence[Record], values: Sequence[Sequence[Any]]
    ) -> list[int]:
        """Places of records in the order of these.

        :param values: the related values of all records, for each of :attr:`related`.
        """
        for number, found in enumerate(values):
            for record, value in zip(records, found, strict=True):
                record[_name(number)] = value
        return sorted(places, key=lambda place: self._key(records[place]))


def sorting_of(filter: Filter, sorts: Callable[[Order], bool]) -> Sorting | None:
    """How Python sorts what a filter finds; None where SQL does it.

    :param sorts: whether SQL has the order of a property's values.
    """
    return None if all(map(sorts, filter.order)) else Sorting(filter)


def unpaged(filter: Filter, pushed: Where, sorting: Sorting | None) -> Filter:
    """What SQL does of a filter whose pages are cut in Python.

    :param pushed: the part of its where that SQL answers.
    :param sorting: how Python sorts what SQL finds.
    """
    whole = replace(filter, where=pushed, limit=None, skip=0, fields=None)
    return whole if sorting is None else replace(whole, order=(), near=None)


def paged_by_key(places: list[int], keys: Sequence[Any], filter: Filter) -> list[int]:
    """The places that a filter's limit and skip leave of each key's."""
    end = math.inf if filter.limit is None else filter.skip + filter.limit
    counts: Counter[Any] = Counter()
    found = []
    for place in places:
        key = keys[place]
        if filter.skip <= counts[key] < end:
            found.append(place)
        counts[key] += 1
    return found


def _lifted(key: Order, place: int) -> Order:
    """A key of an order on a related record, as one on the record itself."""
    held = replace(key.path.property, name=_name(place))
    return Order(replace(key.path, property=held), key.descending)


def _name(place: int) -> str:
    """A name that no property has."""
    return f"related value {place}"
