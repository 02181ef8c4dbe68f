"""Orders: how MongoDB is asked for them, with nulls last as in every data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...query import Filter, Order
from .codecs import OPEN_IDS
from .collection import Field

Sort = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Ordering:
    """An order that MongoDB has.

    :ivar sort: the fields, and the directions.
    :ivar late: the fields whose nulls MongoDB would put first, in the order of the sort.
    """

    sort: Sort
    late: tuple[str, ...] = ()

    @property
    def is_led_by_nulls(self) -> bool:
        """Whether nulls would come first by the first field alone, so that two queries do it."""
        return len(self.late) == 1 and self.sort[0][0] == self.late[0]


def ordering_of(filter: Filter, fields: Mapping[str, Field]) -> Ordering | None:
    """The order of a filter, or None where MongoDB does not have it."""
    if filter.near is not None:
        return None
    sort: Sort = []
    late: list[str] = []
    for order in filter.order:
        field = _sorted_by(order, fields)
        if field is None:
            return None
        if any(path == field.path for path, _ in sort):
            continue  # the first time counts, and a sort has each field once
        direction = -1 if order.descending else 1
        if field.may_miss and not order.descending:
            late.append(field.path)
        sort.append((field.path, direction))
        if field.rest is not None:
            sort.append((field.rest, direction))
    return Ordering(sort, tuple(late))


def _sorted_by(order: Order, fields: Mapping[str, Field]) -> Field | None:
    if order.links or order.path.keys:
        return None
    field = fields[order.path.property.name]
    is_sorted = field.codec is OPEN_IDS or (order.path.type.ordered and field.codec.sorts)
    return field if is_sorted else None


def pipeline(
    query: Mapping[str, Any],
    ordering: Ordering,
    skip: int,
    limit: int | None,
    projection: Mapping[str, int] | None,
) -> list[dict[str, Any]]:
    """The stages that put nulls last in several fields, which no index does."""
    flags = {f"loop_null_{place}": path for place, path in enumerate(ordering.late)}
    names = {path: flag for flag, path in flags.items()}
    sort: dict[str, int] = {}
    for path, direction in ordering.sort:
        if path in names:
            sort[names[path]] = 1
        sort[path] = direction
    missing = {
        flag: {"$eq": [{"$ifNull": [f"${path}", None]}, None]} for flag, path in flags.items()
    }
    stages: list[dict[str, Any]] = [
        {"$match": dict(query)},
        {"$addFields": missing},
        {"$sort": sort},
    ]
    if skip:
        stages.append({"$skip": skip})
    if limit is not None:
        stages.append({"$limit": limit})
    stages.append({"$project": dict(projection) if projection else dict.fromkeys(flags, 0)})
    return stages
