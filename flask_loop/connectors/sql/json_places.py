"""JSON columns in SQL: places in a value, and the comparisons with what is there.

A list matches when one of its items does, so that a place is looked at as one row for a value and
one for each item of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ...definition import Embedded
from ...query import Compare, Path
from ...types import AnyValue, Array, Boolean, Integer, Number, PropertyType, String
from .codecs import Codec
from .comparing import Patterns, compare
from .lists import Expression, Lists, NextParameter

_JSON_KEY = re.compile(r"[^\x00-\x1f\x7f\"\\.\[\]\ud800-\udfff]+")


class Places:
    """How a database looks into JSON: this one does not, so that Python does."""

    def is_exact(self, node: Compare) -> bool:
        """Whether SQL gives the same answer as Python, for any values of this shape."""
        return False

    def values(self, node: Compare, codec: Codec, values: list[Any]) -> Any:
        """Add the parameters of a comparison to ``values``, and give its shape."""
        raise NotImplementedError

    def expression(
        self, node: Compare, codec: Codec, column: Expression, parameter: NextParameter
    ) -> Expression:
        """A comparison at a place in a JSON column."""
        raise NotImplementedError


class JsonPlaces(Places):
    """Places that functions of the database find.

    :param lists: how it takes lists of values.
    :param patterns: how it matches patterns.
    """

    def __init__(self, lists: Lists, patterns: Patterns) -> None:
        self._lists = lists
        self._patterns = patterns

    def is_exact(self, node: Compare) -> bool:
        if not _is_exact_place(node.path) or not _is_exact_in_json(node):
            return False
        if node.operator in ("like", "regexp"):
            return self._patterns.is_exact(node)
        return True

    def values(self, node: Compare, codec: Codec, values: list[Any]) -> Any:
        operator, operand = node.operator, node.operand
        kind = _kind(operand)
        values.append(self.place(list(_stored_keys(node.path))))
        if operator == "eq" and operand is None:
            return (kind, "null")
        if operator in ("like", "regexp"):
            return (kind, self._patterns.add_values(node, values))
        if operator == "inq":
            bound, many = self._lists.listed(list(operand))
            values.extend(bound)
            return (kind, many)
        values.extend(operand if operator == "between" else (operand,))
        return kind

    def expression(
        self, node: Compare, codec: Codec, column: Expression, parameter: NextParameter
    ) -> Expression:
        place = parameter()
        if node.operator == "eq" and node.operand is None:
            return self.is_null(column, place)
        return self.has_item(column, place, _kind(node.operand), node, parameter)

    def place(self, keys: list[str]) -> Any:
        """The parameter for a place in a value."""
        raise NotImplementedError

    def is_null(self, column: Expression, place: Expression) -> Expression:
        """Whether there is null, or nothing, at a place."""
        raise NotImplementedError

    def has_item(
        self,
        column: Expression,
        place: Expression,
        kind: str,
        node: Compare,
        parameter: NextParameter,
    ) -> Expression:
        """Whether the value at a place, or an item of the list there, passes :meth:`test`."""
        raise NotImplementedError

    def test(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        """A comparison with one value."""
        if node.operator in ("like", "regexp"):
            return self._patterns.matches(node, value, parameter)
        if node.operator == "inq":
            many = self._lists.listed(list(node.operand))[1]
            return self._lists.is_in((value,), many, parameter)
        return compare(node.operator, (value,), parameter)


class JsonEachPlaces(JsonPlaces):
    """Places that SQLite's json_each finds."""

    def place(self, keys: list[str]) -> Any:
        return "$" + "".join(f'."{key}"' for key in keys)

    def is_null(self, column: Expression, place: Expression) -> Expression:
        return sa.func.coalesce(sa.func.json_type(column, place), "null") == "null"

    def has_item(
        self,
        column: Expression,
        place: Expression,
        kind: str,
        node: Compare,
        parameter: NextParameter,
    ) -> Expression:
        items = sa.func.json_each(column, place).table_valued("value", "type", "parent")
        test = self.test(node, items.c.value, parameter)
        found = sa.exists(
            sa.select(sa.literal(1)).select_from(items).where(_has_type(items.c.type, kind), test)
        )
        return sa.and_(sa.func.json_type(column, place) != "object", found)


def _has_type(column: Expression, kind: str) -> Expression:
    if kind == "boolean":
        return sa.or_(column == "true", column == "false")
    return column == kind


def _is_exact_place(path: Path) -> bool:
    """Whether SQL finds a place in a value as Python does."""
    keys = _stored_keys(path)
    return all(_JSON_KEY.fullmatch(key) and not key.isdecimal() for key in keys)


def _is_exact_in_json(node: Compare) -> bool:
    """Whether SQL compares what is in JSON as Python does."""
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
        return len({_kind(each) for each in operands}) == 1 and all(
            isinstance(each, str | int) for each in operands
        )
    return all(isinstance(each, str) for each in operands)


def _kind(operand: Any) -> str:
    """The types, as SQLite's JSON functions call them, that an operand is compared with."""
    first = operand[0] if isinstance(operand, tuple) and operand else operand
    if isinstance(first, bool):
        return "boolean"
    return "integer" if isinstance(first, int) else "text"


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
