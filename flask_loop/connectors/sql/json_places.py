"""JSON columns in SQL: places in a value are looked up by SQLite's json_each.

It gives one row for a value and one for each item of a list, so that a list matches when one of its
items does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ...definition import Embedded
from ...query import Compare, Path
from ...types import AnyValue, Array, Boolean, Integer, Number, PropertyType, String
from .comparing import matches, plain_compare
from .lists import Expression, NextParameter, is_in, listed

_JSON_KEY = re.compile(r"[^\x00-\x1f\x7f\"\\.\[\]\ud800-\udfff]+")


def is_exact_place(path: Path) -> bool:
    """Whether SQL finds a place in a value as Python does."""
    keys = _stored_keys(path)
    return all(_JSON_KEY.fullmatch(key) and not key.isdecimal() for key in keys)


def is_exact_in_json(node: Compare) -> bool:
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
        return len({json_kind(each) for each in operands}) == 1 and all(
            isinstance(each, str | int) for each in operands
        )
    return all(isinstance(each, str) for each in operands)


def json_kind(operand: Any) -> str:
    """The types, as SQLite's JSON functions call them, that an operand is compared with."""
    first = operand[0] if isinstance(operand, tuple) and operand else operand
    if isinstance(first, bool):
        return "boolean"
    return "integer" if isinstance(first, int) else "text"


def json_place(path: Path) -> str:
    """A place in a value, as SQLite's JSON functions take it."""
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


def json_compare(node: Compare, column: Expression, parameter: NextParameter) -> Expression:
    """A comparison at a place in a JSON column; takes the place as its first parameter."""
    place = parameter()
    if node.operator == "eq" and node.operand is None:
        return sa.func.coalesce(sa.func.json_type(column, place), "null") == "null"
    items = sa.func.json_each(column, place).table_valued("value", "type", "parent")
    kind = json_kind(node.operand)
    test = _json_test(node, items.c.value, parameter)
    found = sa.exists(
        sa.select(sa.literal(1)).select_from(items).where(_has_kind(items.c.type, kind), test)
    )
    return sa.and_(sa.func.json_type(column, place) != "object", found)


def _json_test(node: Compare, value: Expression, parameter: NextParameter) -> Expression:
    if node.operator in ("like", "regexp"):
        return matches(node, value, parameter)
    if node.operator == "inq":
        return is_in((value,), listed(list(node.operand))[1], parameter)
    return plain_compare(node.operator, value, parameter)


def _has_kind(column: Expression, kind: str) -> Expression:
    if kind == "boolean":
        return sa.or_(column == "true", column == "false")
    return column == kind
