"""Wheres in SQL: what can be pushed down, its shape, its values, and the expression of a shape.

A where is read twice. :meth:`Conditions.split` sorts out what SQL answers exactly as
:mod:`flask_loop.query.predicate` does. :meth:`Conditions.shape` then gives a key without values,
and the values in order; the expression of a new shape is built once, with a parameter for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import sqlalchemy as sa

from ...definition import Embedded
from ...geo import bounding_boxes
from ...query import And, Compare, Near, Not, Path, Where, conjuncts
from ...query.patterns import like_prefix
from ...types import AnyValue, Array, Boolean, Integer, Number, PropertyType, String
from .codecs import Codec
from .tables import ModelTable

Expression = sa.ColumnElement[Any]
#: Gives the next bound parameter.
NextParameter = Callable[[], Expression]

_JSON_KEY = re.compile(r"[^\x00-\x1f\x7f\"\\.\[\]\ud800-\udfff]+")

#: The most values that an ``inq`` binds one by one; more go in one parameter, as a JSON list.
MOST_BOUND = 128
#: The same for values that JSON does not keep exactly; of more, Python does the comparison.
MOST_UNLISTED = 1024


class Conditions:
    """The wheres of one table.

    :param table: the table.
    """

    def __init__(self, table: ModelTable) -> None:
        self.table = table

    # What SQL can do

    def split(self, where: Where) -> tuple[Where, Where | None]:
        """The part that SQL answers exactly, and the rest, which must hold as well."""
        if self.is_exact(where):
            return where, None
        exact: list[Where] = []
        rest: list[Where] = []
        for part in conjuncts(where):
            (exact if self.is_exact(part) else rest).append(part)
        return And(tuple(exact)), And(tuple(rest))

    def is_exact(self, where: Where) -> bool:
        """Whether SQL gives the same answer as plain Python, for any values of this shape."""
        if isinstance(where, Compare):
            codec = self.table.codecs[where.path.property.name]
            if codec.json:
                return _is_exact_path(where.path) and _is_exact_in_json(where)
            return where.operator != "inq" or _can_be_listed(codec, where.operand)
        if isinstance(where, Not):
            return self.is_exact(where.item)
        return all(map(self.is_exact, where.items))

    # From a where to its shape and values

    def shape(self, where: Where, values: list[Any]) -> Any:
        """A where without its values, as a key; the values are added to ``values`` in order."""
        if isinstance(where, Compare):
            return self._compare_shape(where, values)
        if isinstance(where, Not):
            return ("not", self.shape(where.item, values))
        kind = "and" if isinstance(where, And) else "or"
        return (kind, *[self.shape(item, values) for item in where.items])

    def _compare_shape(self, node: Compare, values: list[Any]) -> Any:
        operator, operand, path = node.operator, node.operand, node.path
        name = path.property.name
        codec = self.table.codecs[name]
        kind = _json_kind(operand) if codec.json else None
        key = (operator, name, path.keys, kind)
        if codec.json:
            values.append(_json_path(path))
        if operator == "eq" and operand is None:
            return (*key, "null")
        if operator == "near":
            boxes = _near_values(operand, values)
            return (*key, boxes, operand.minimum is None, operand.maximum is None)
        if operator in ("like", "regexp"):
            prefix = _prefix_values(node, values) if not codec.json else ()
            values.extend((operand.text, int(operand.ignore_case)))
            return (*key, prefix)
        raw = _as_it_is if codec.json else codec.raw
        if operator == "inq":
            bound = _listed([raw(value) for value in operand])
            values.extend(bound)
            return (*key, len(bound))
        if operator == "between":
            values.extend(raw(operand[0]) + raw(operand[1]))
        else:
            values.extend(raw(operand))
        return key

    # From a where to an expression

    def expression(self, where: Where, parameter: NextParameter) -> Expression:
        """The SQL of a where, with parameters in the order of :meth:`shape`'s values."""
        if isinstance(where, Compare):
            return self._compare(where, parameter)
        if isinstance(where, Not):
            return sa.not_(sa.func.coalesce(self.expression(where.item, parameter), sa.false()))
        parts = [self.expression(item, parameter) for item in where.items]
        if isinstance(where, And):
            return sa.and_(sa.true(), *parts)
        return sa.or_(sa.false(), *parts)

    def _compare(self, node: Compare, parameter: NextParameter) -> Expression:
        name = node.path.property.name
        columns = self.table.columns[name]
        if self.table.codecs[name].json:
            return _json_compare(node, columns[0], parameter)
        if node.operator == "eq" and node.operand is None:
            return columns[0].is_(None)
        if node.operator == "near":
            return self._near(node, columns, parameter)
        if node.operator in ("like", "regexp"):
            return _pattern(node, columns[0], parameter)
        if node.operator == "inq":
            many = _many(self.table.codecs[name].raw, node)
            return _is_in(columns, many, parameter)
        if len(columns) > 1:
            return _equals(columns, parameter)
        return _plain_compare(node.operator, columns[0], parameter)

    def _near(
        self, node: Compare, columns: tuple[sa.Column[Any], ...], parameter: NextParameter
    ) -> Expression:
        near: Near = node.operand
        lat, lng = columns
        distance = self.distance(node, parameter)
        parts: list[Expression] = [lat.is_not(None)]
        if near.minimum is not None:
            parts.append(distance >= parameter())
        if near.maximum is not None:
            parts.append(distance <= parameter())
            boxes = bounding_boxes(near.point, near.maximum)
            parts.append(
                sa.or_(
                    *(
                        sa.and_(
                            lat.between(parameter(), parameter()),
                            lng.between(parameter(), parameter()),
                        )
                        for _ in boxes
                    )
                )
            )
        return sa.and_(*parts)

    def distance(self, node: Compare, parameter: NextParameter) -> Expression:
        """The distance from a point, in radians of arc; takes its lat and lng as parameters."""
        lat, lng = self.table.columns[node.path.property.name]
        return sa.func.loop_distance(parameter(), parameter(), lat, lng)


def comparisons(where: Where) -> list[str]:
    """The comparisons in a where, as messages name them: ``tags.0 eq``."""
    if isinstance(where, Compare):
        return [f"{'.'.join((where.path.property.name, *where.path.keys))} {where.operator}"]
    items = (where.item,) if isinstance(where, Not) else where.items
    return [name for item in items for name in comparisons(item)]


def padded(count: int) -> int:
    """The next power of two, so that lists of many lengths share few statements."""
    return 1 << (count - 1).bit_length() if count else 0


def _as_it_is(value: Any) -> tuple[Any, ...]:
    return (value,)


# Lists: few values are bound one by one. Many would be more parameters than a statement can have.


def _listed(raw: list[tuple[Any, ...]]) -> list[Any]:
    """The parameters for the raw values of a list."""
    if _goes_as_json(raw):
        return [orjson.dumps([value for (value,) in raw]).decode()]
    raw += raw[-1:] * (padded(len(raw)) - len(raw))
    return [value for values in raw for value in values]


def _goes_as_json(raw: list[tuple[Any, ...]]) -> bool:
    if len(raw) <= MOST_BOUND or len(raw[0]) > 1:
        return False
    # SQLite does not read every float back from text as it was.
    return all(isinstance(value, int | str) for (value,) in raw)


def _can_be_listed(codec: Codec, operand: tuple[Any, ...]) -> bool:
    if len(operand) <= MOST_BOUND:
        return True
    if len(codec.types) > 1:
        return False
    return len(operand) <= MOST_UNLISTED or _goes_as_json(list(map(codec.raw, operand)))


def _many(raw_of: Callable[[Any], tuple[Any, ...]], node: Compare) -> int:
    """How many values an ``inq`` binds one by one; 0 where it binds them as one JSON list."""
    raw = [raw_of(value) for value in node.operand]
    return 0 if _goes_as_json(raw) else padded(len(raw))


def _is_in(columns: tuple[Expression, ...], many: int, parameter: NextParameter) -> Expression:
    if not many:
        items = sa.func.json_each(parameter()).table_valued("value")
        return columns[0].in_(sa.select(items.c.value))
    if len(columns) > 1:
        return sa.or_(*(_equals(columns, parameter) for _ in range(many)))
    return columns[0].in_([parameter() for _ in range(many)])


def _equals(columns: tuple[Expression, ...], parameter: NextParameter) -> Expression:
    return sa.and_(*(column == parameter() for column in columns))


def _plain_compare(operator: str, column: Expression, parameter: NextParameter) -> Expression:
    if operator == "between":
        return column.between(parameter(), parameter())
    return _COMPARISONS[operator](column, parameter())


_COMPARISONS: dict[str, Callable[[Expression, Expression], Expression]] = {
    "eq": lambda column, value: column == value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


def _near_values(near: Near, values: list[Any]) -> int:
    values.extend((near.point.lat, near.point.lng))
    if near.minimum is not None:
        values.append(near.minimum)
    if near.maximum is None:
        return 0
    values.append(near.maximum)
    boxes = bounding_boxes(near.point, near.maximum)
    for box in boxes:
        values.extend((box.south, box.north, box.west, box.east))
    return len(boxes)


# Patterns: the functions loop_like and loop_regexp are RE2, as everywhere. A pattern that starts
# with plain text is also a range, which an index answers.


def _pattern(node: Compare, column: Expression, parameter: NextParameter) -> Expression:
    parts: list[Expression] = []
    prefix = _prefix(node)
    if prefix:
        parts.append(column >= parameter())
        if _successor(prefix) is not None:
            parts.append(column < parameter())
    parts.append(_matches(node, column, parameter))
    return sa.and_(*parts)


def _matches(node: Compare, value: Expression, parameter: NextParameter) -> Expression:
    function = sa.func.loop_like if node.operator == "like" else sa.func.loop_regexp
    return function(parameter(), parameter(), value) == 1


def _prefix(node: Compare) -> str:
    if node.operator != "like" or node.operand.ignore_case:
        return ""
    return like_prefix(node.operand.text)


def _prefix_values(node: Compare, values: list[Any]) -> tuple[bool, bool]:
    prefix = _prefix(node)
    if not prefix:
        return (False, False)
    values.append(prefix)
    successor = _successor(prefix)
    if successor is not None:
        values.append(successor)
    return (True, successor is not None)


def _successor(prefix: str) -> str | None:
    """The least text that is greater than every text with the prefix, where it is easily had."""
    last = ord(prefix[-1]) + 1
    if 0xD800 <= last <= 0xDFFF or last > 0x10FFFF:
        return None
    return prefix[:-1] + chr(last)


# JSON columns: a place in a value is looked up by SQLite's json_each, which gives one row for a
# value and one for each item of a list, so that a list matches when one of its items does.


def _is_exact_path(path: Path) -> bool:
    keys = _stored_keys(path)
    return all(_JSON_KEY.fullmatch(key) and not key.isdecimal() for key in keys)


def _is_exact_in_json(node: Compare) -> bool:
    if node.operator == "eq" and node.operand is None:
        return True
    kind = node.path.type.item if isinstance(node.path.type, Array) else node.path.type
    if isinstance(node.path.type, Array | AnyValue) and not node.member:
        return False
    if not isinstance(kind, AnyValue | Integer | Number | String | Boolean):
        return False
    operand = node.operand
    if node.operator in ("like", "regexp"):
        return True
    operands = operand if isinstance(operand, tuple) else (operand,)
    if node.operator in ("eq", "inq"):
        return len({_json_kind(each) for each in operands}) == 1 and all(
            isinstance(each, str | int) for each in operands
        )
    return all(isinstance(each, str) for each in operands)


def _json_kind(operand: Any) -> str:
    """The types, as SQLite's JSON functions call them, that an operand is compared with."""
    first = operand[0] if isinstance(operand, tuple) and operand else operand
    if isinstance(first, bool):
        return "boolean"
    return "integer" if isinstance(first, int) else "text"


def _json_path(path: Path) -> str:
    return "$" + "".join(f'."{key}"' for key in _stored_keys(path))


def _stored_keys(path: Path) -> Iterable[str]:
    """The keys as they are stored: embedded models' properties by their wire names."""
    kind: PropertyType = path.property.type
    for key in path.keys:
        if isinstance(kind, Embedded):
            property_ = kind.definition.properties[key]
            kind = property_.type
            yield property_.wire
        else:
            kind = AnyValue()
            yield key


def _json_compare(node: Compare, column: Expression, parameter: NextParameter) -> Expression:
    place = parameter()
    if node.operator == "eq" and node.operand is None:
        return sa.func.coalesce(sa.func.json_type(column, place), "null") == "null"
    items = sa.func.json_each(column, place).table_valued("value", "type", "parent")
    kind = _json_kind(node.operand)
    test = _json_test(node, items.c.value, parameter)
    found = sa.exists(
        sa.select(sa.literal(1)).select_from(items).where(_has_kind(items.c.type, kind), test)
    )
    return sa.and_(sa.func.json_type(column, place) != "object", found)


def _json_test(node: Compare, value: Expression, parameter: NextParameter) -> Expression:
    if node.operator in ("like", "regexp"):
        return _matches(node, value, parameter)
    if node.operator == "inq":
        return _is_in((value,), _many(_as_it_is, node), parameter)
    return _plain_compare(node.operator, value, parameter)


def _has_kind(column: Expression, kind: str) -> Expression:
    if kind == "boolean":
        return sa.or_(column == "true", column == "false")
    return column == kind
