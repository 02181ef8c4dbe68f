"""Values in SQL: how they are compared, and matched with patterns.

A pattern that starts with plain text is also a range, which an index answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ...query import Compare
from ...query.patterns import fold, like_prefix, like_tokens
from .codecs import Codec
from .lists import Expression, NextParameter


def compare(operator: str, columns: Sequence[Expression], parameter: NextParameter) -> Expression:
    """``eq``, ``gt``, ``gte``, ``lt``, ``lte`` or ``between``, the first column counting most."""
    if operator == "between":
        low = [parameter() for _ in columns]
        high = [parameter() for _ in columns]
        return sa.and_(_ordered("gte", columns, low), _ordered("lte", columns, high))
    return _ordered(operator, columns, [parameter() for _ in columns])


def _ordered(
    operator: str, columns: Sequence[Expression], values: Sequence[Expression]
) -> Expression:
    if operator == "eq":
        return sa.and_(*(column == value for column, value in zip(columns, values, strict=True)))
    if len(columns) == 1:
        return _COMPARISONS[operator](columns[0], values[0])
    rest = _ordered(operator, columns[1:], values[1:])
    beyond = _COMPARISONS[operator.removesuffix("e")](columns[0], values[0])
    return sa.or_(beyond, sa.and_(columns[0] == values[0], rest))


_COMPARISONS: dict[str, Callable[[Expression, Expression], Expression]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


class Patterns:
    """``like`` as every database has it; ``ilike`` and ``regexp`` are left to Python."""

    def is_exact(self, node: Compare) -> bool:
        """Whether SQL gives the same answer as RE2."""
        return node.operator == "like" and not node.operand.ignore_case

    def values(self, node: Compare, codec: Codec, values: list[Any]) -> Any:
        """Add the parameters of a pattern to ``values``, and give its shape."""
        prefix = _prefix_values(node, values) if codec.exact and not codec.json else ()
        return (prefix, self.add_values(node, values))

    def add_values(self, node: Compare, values: list[Any]) -> Any:
        """Add the parameters of the match itself, and give its shape."""
        values.append(_escaped(node.operand.text))
        return ()

    def expression(
        self, node: Compare, column: Expression, codec: Codec, parameter: NextParameter
    ) -> Expression:
        """``like`` or ``regexp`` on a column."""
        parts: list[Expression] = []
        prefix = _prefix(node) if codec.exact else ""
        if prefix:
            parts.append(column >= parameter())
            if _successor(prefix) is not None:
                parts.append(column < parameter())
        parts.append(self.matches(node, column, parameter))
        return sa.and_(*parts)

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        """``like`` or ``regexp`` on any text, with the parameters of :meth:`add_values`."""
        return value.like(parameter(), escape=_ESCAPE)


class FunctionPatterns(Patterns):
    """All patterns, by the functions ``loop_like`` and ``loop_regexp``, which are RE2."""

    def is_exact(self, node: Compare) -> bool:
        return True

    def add_values(self, node: Compare, values: list[Any]) -> Any:
        values.extend((node.operand.text, int(node.operand.ignore_case)))
        return ()

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        function = sa.func.loop_like if node.operator == "like" else sa.func.loop_regexp
        return function(parameter(), parameter(), value) == 1


class RegexPatterns(Patterns):
    """``ilike`` too, by a regular expression that names all the cases of each letter."""

    def is_exact(self, node: Compare) -> bool:
        return node.operator == "like"

    def add_values(self, node: Compare, values: list[Any]) -> Any:
        if not node.operand.ignore_case:
            return super().add_values(node, values)
        values.append(_caseless(node.operand.text))
        return "caseless"

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        if not node.operand.ignore_case:
            return super().matches(node, value, parameter)
        return value.op("~", is_comparison=True)(parameter())


_ESCAPE = "!"


@lru_cache(maxsize=256)
def _escaped(pattern: str) -> str:
    """A ``like`` pattern with the escapes of ours, which no database takes for its own."""
    parts = []
    for character, is_special in like_tokens(pattern):
        is_plain = is_special or character not in "%_!"
        parts.append(character if is_plain else f"{_ESCAPE}{character}")
    return "".join(parts)


def _caseless(pattern: str) -> str:
    """A ``like`` pattern as a regular expression that matches every case of its letters."""
    parts = ["^"]
    for character, is_special in like_tokens(pattern):
        if is_special:
            parts.append(".*" if character == "%" else ".")
            continue
        cases = fold(character)
        if len(cases) > 1:
            parts.append(f"[{cases}]")
        else:
            is_plain = character.isalnum() or not character.isascii() or character < " "
            parts.append(character if is_plain else f"\\{character}")
    return "".join((*parts, "$"))


def _prefix(node: Compare) -> str:
    if node.operator != "like" or node.operand.ignore_case:
        return ""
    return like_prefix(node.operand.text)


def _prefix_values(node: Compare, values: list[Any]) -> tuple[bool, bool]:
    """Add the bounds of a pattern's range to ``values``, and say which there are."""
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
