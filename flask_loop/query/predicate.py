"""The normal form in plain Python: what the memory connector runs, and what others fall back to.

This is the reference for what each operator means.
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson

from ..geo import haversine
from .nodes import And, Compare, Filter, Inside, Near, Not, Or, Order, Path, Related, Where
from .patterns import searcher

Record = Mapping[str, Any]
Predicate = Callable[[Record], bool]
T = TypeVar("T")


def predicate(where: Where) -> Predicate:
    """A function that says whether a record matches."""
    if isinstance(where, And):
        return _all(tuple(map(predicate, where.items)))
    if isinstance(where, Or):
        return _is_one_of_keys(where) or _any(tuple(map(predicate, where.items)))
    if isinstance(where, Not):
        inner = predicate(where.item)
        return lambda record: not inner(record)
    if isinstance(where, Inside):
        return _inside(where)
    if isinstance(where, Related):
        raise RuntimeError(
            f"no record alone tells of the {where.link.definition.name!r} that it is related to: "
            "settle the where by keys first"
        )
    return _compare(where)


def _all(parts: tuple[Predicate, ...]) -> Predicate:
    return lambda record: all(part(record) for part in parts)


def _any(parts: tuple[Predicate, ...]) -> Predicate:
    return lambda record: any(part(record) for part in parts)


def _inside(node: Inside) -> Predicate:
    read, matches = reader(node.path), predicate(node.where)

    def match(record: Record) -> bool:
        held = read(record)
        held = held if isinstance(held, list) else [held]
        return any(item is not None and matches(item) for item in held)

    return match


def _compare(node: Compare) -> Predicate:
    read = reader(node.path)
    if node.operator == "eq" and node.operand is None:
        return lambda record: read(record) is None
    test = _test(node)
    if node.member:
        test = _on_items(test)

    def matches(record: Record) -> bool:
        value = read(record)
        return value is not None and test(value)

    return matches


def _on_items(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(item is not None and test(item) for item in value)
        return test(value)

    return matches


def reader(path: Path) -> Callable[[Record], Any]:
    """A function that gives the value at a path, or None."""
    name = path.property.name
    if not path.keys:
        return lambda record: record.get(name)

    def read(record: Record) -> Any:
        value = record.get(name)
        for key in path.keys:
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list) and key.isascii() and key.isdecimal():
                value = value[int(key)] if int(key) < len(value) else None
            else:
                return None
        return value

    return read


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def _test(node: Compare) -> Callable[[Any], bool]:
    operand = node.operand
    if node.operator == "eq":
        return lambda value: same(value, operand)
    if node.operator == "inq":
        return _is_one_of(operand)
    if node.operator == "between":
        low, high = map(plain, operand)
        return lambda value: _comparable(value, low) and low <= plain(value) <= high
    if node.operator in ("like", "regexp"):
        found = searcher(node.operator, operand)
        return lambda value: isinstance(value, str) and found(value)
    if node.operator == "near":
        return _near(operand)
    compare, bound = _COMPARISONS[node.operator], plain(operand)
    return lambda value: _comparable(value, bound) and compare(plain(value), bound)


def _is_one_of(operands: Iterable[Any]) -> Callable[[Any], bool]:
    """A test whose time does not grow with the number of plain values."""
    plain_ones: set[Any] = set()
    others: list[Any] = []
    for each in operands:
        try:
            plain_ones.add(_hashed(each))
        except TypeError:
            others.append(each)

    def test(value: Any) -> bool:
        try:
            return _hashed(value) in plain_ones
        except TypeError:
            return any(same(value, each) for each in others)

    return test


def _is_one_of_keys(where: Or) -> Predicate | None:
    """A test whose time does not grow with the number of keys, where that is what is asked for.

    A key is the values of several properties, the same for all, which have no lists or objects.
    """
    found = [_key_in(item) for item in where.items]
    names = {None if key is None else tuple(key) for key in found}
    if len(names) != 1 or None in names:
        return None
    wanted = {tuple(key.values()) for key in found if key is not None}
    (properties,) = names

    def matches(record: Record) -> bool:
        try:
            return tuple(_hashed(record.get(name)) for name in properties or ()) in wanted
        except TypeError:
            return False

    return matches


def _key_in(where: Where) -> dict[str, Any] | None:
    """The values that whole properties have to equal, or None where more is asked for."""
    if not isinstance(where, And) or not where.items:
        return None
    key: dict[str, Any] = {}
    for part in where.items:
        if not isinstance(part, Compare) or part.operator != "eq" or part.member:
            return None
        name = part.path.property.name
        if part.path.keys or name in key:
            return None
        try:
            key[name] = _hashed(part.operand)
            hash(key[name])
        except TypeError:
            return None
    return key


def _hashed(value: Any) -> tuple[bool, Any]:
    """A value that is equal to another one where :func:`same` says so, if it can be hashed."""
    return isinstance(value, bool), value


def _near(operand: Near) -> Callable[[Any], bool]:
    least, most = operand.minimum or 0.0, operand.maximum
    distance = distance_from(operand)

    def matches(value: Any) -> bool:
        arc = distance(value)
        return arc >= least and (most is None or arc <= most)

    return matches


def distance_from(operand: Near) -> Callable[[Any], float]:
    """A function that gives a point's distance, in radians of arc."""
    lat, lng = operand.point.lat, operand.point.lng
    return lambda value: haversine(lat, lng, value.lat, value.lng)


def plain(value: Any) -> Any:
    """The value that stands for this one in comparisons: an enum member's is its value."""
    return value.value if isinstance(value, enum.Enum) else value


def _comparable(value: Any, bound: Any) -> bool:
    value = plain(value)
    return type(value) is type(bound) or (_is_number(value) and _is_number(bound))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(value: Any, other: Any) -> bool:
    """Whether two values are equal as JSON has it: 1 is 1.0, and neither is true."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(same, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(same(value[key], other[key]) for key in value)
    return bool(value == other)


def in_order(
    filter: Filter, items: Iterable[T], record_of: Callable[[T], Record] | None = None
) -> list[T]:
    """Things in the filter's order.

    What others have stored may be of several types where one is declared; these have the order that
    values of any JSON type have.

    :param record_of: gives the record of one; None where they are records.
    """
    found = list(items)

    def ordered(key: Callable[[Any], Any]) -> list[T]:
        return sorted(found, key=key if record_of is None else lambda item: key(record_of(item)))

    try:
        return ordered(sort_key(filter))
    except TypeError:
        return ordered(sort_key(filter, mixed=True))


def sort_key(filter: Filter, *, mixed: bool = False) -> Callable[[Record], Any]:
    """A key by which records come in the filter's order; nulls last in both directions.

    :param mixed: whether the values of a property may be of several types.
    """
    keys = [_order_key(order, mixed=mixed) for order in filter.order]
    if filter.near is not None:
        keys.insert(0, _distance_key(filter.near))
    if len(keys) == 1:
        return keys[0]
    return lambda record: [key(record) for key in keys]


def _distance_key(near: Compare) -> Callable[[Record], Any]:
    read, distance = reader(near.path), distance_from(near.operand)
    return lambda record: distance(read(record))


def _order_key(order: Order, *, mixed: bool) -> Callable[[Record], Any]:
    if order.links:
        raise RuntimeError(
            f"no record alone tells of the {order.links[-1].definition.name!r} that it is ordered "
            "by: look the values up first"
        )
    read = reader(order.path)
    rank = _json_rank if mixed or not order.path.type.ordered else plain
    if order.descending:
        return lambda record: _nulls_last(read(record), lambda value: _Descending(rank(value)))
    return lambda record: _nulls_last(read(record), rank)


def _nulls_last(value: Any, rank: Callable[[Any], Any]) -> tuple[bool, Any]:
    return (True, None) if value is None else (False, rank(value))


def _json_rank(value: Any) -> tuple[int, Any]:
    """Order for values of any JSON type: booleans, numbers, text, then lists and objects.

    Those of other types follow them.
    """
    value = plain(value)
    if isinstance(value, bool):
        return (0, value)
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    if not isinstance(value, list | dict):
        return (4, value)
    return (3, orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


class _Descending:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def apply(filter: Filter, records: Iterable[Record]) -> list[Record]:
    """The records of a filter in its order, from any records."""
    matches = predicate(filter.where)
    found = in_order(filter, filter_records(matches, records))
    end = None if filter.limit is None else filter.skip + filter.limit
    return found[filter.skip : end]


def filter_records(matches: Predicate, records: Iterable[Record]) -> Iterable[Record]:
    return (record for record in records if matches(record))
