"""Checks: wheres that a script looks at in the record that it is about to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ...query import And, Compare, Not, Or, Pattern, Where
from ...types import DecimalNumber, Integer, Number, String
from .collection import Collection

_NUMBERS = (Integer, Number, DecimalNumber)
#: Longer texts of numbers have more digits than Lua's numbers.
_MOST_DIGITS = 15


@dataclass
class _Fields:
    """The fields that a check looks at, which it knows by their places."""

    collection: Collection
    names: list[str] = field(default_factory=list)

    def place(self, property_name: str) -> int:
        name = self.collection.fields[property_name].name
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name) + 1


class _NoCheck(Exception):
    """A script cannot tell."""


def check_of(collection: Collection, where: Where) -> orjson.Fragment | None:
    """What a script is told to look at, or None where it cannot tell whether a where holds."""
    fields = _Fields(collection)
    try:
        test = _test(where, fields)
    except _NoCheck:
        return None
    return orjson.Fragment(orjson.dumps({"test": test, "fields": fields.names}))


def _test(where: Where, fields: _Fields) -> list[Any]:
    if isinstance(where, And | Or):
        kind = "and" if isinstance(where, And) else "or"
        return [kind, *(_test(each, fields) for each in where.items)]
    if isinstance(where, Not):
        return ["not", _test(where.item, fields)]
    if not isinstance(where, Compare) or where.path.keys or where.member:
        raise _NoCheck
    return _compare(where, fields)


def _compare(node: Compare, fields: _Fields) -> list[Any]:
    property_, operand = node.path.property, node.operand
    place, kind = fields.place(property_.name), property_.type
    if node.operator == "eq":
        if operand is None:
            return ["null", place]
        if isinstance(kind, String | Integer):
            return ["is", place, str(operand)]
    elif node.operator == "like" and isinstance(kind, String):
        return ["length", place, _length(operand)]
    elif node.operator in ("gt", "gte", "lt", "lte") and isinstance(kind, _NUMBERS):
        text = fields.collection.fields[property_.name].codec.write(operand)
        if len(text) <= _MOST_DIGITS:
            return [node.operator, place, text]
    raise _NoCheck


def _length(pattern: Pattern) -> int:
    """The least length of the texts that match, where a pattern says no more than that."""
    text = pattern.text
    if text == "_" * (len(text) - 1) + "%":
        return len(text) - 1
    raise _NoCheck
