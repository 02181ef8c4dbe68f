"""One value in SQL: how it is compared, and matched with patterns.

The functions ``loop_like`` and ``loop_regexp`` are RE2, as everywhere. A pattern that starts with
plain text is also a range, which an index answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ...query import Compare
from ...query.patterns import like_prefix
from .lists import Expression, NextParameter


def plain_compare(operator: str, column: Expression, parameter: NextParameter) -> Expression:
    """``eq``, ``gt``, ``gte``, ``lt``, ``lte`` or ``between``."""
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


def pattern(node: Compare, column: Expression, parameter: NextParameter) -> Expression:
    """``like`` or ``regexp`` on a column."""
    parts: list[Expression] = []
    prefix = _prefix(node)
    if prefix:
        parts.append(column >= parameter())
        if _successor(prefix) is not None:
            parts.append(column < parameter())
    parts.append(matches(node, column, parameter))
    return sa.and_(*parts)


def matches(node: Compare, value: Expression, parameter: NextParameter) -> Expression:
    """``like`` or ``regexp`` on any value; takes the pattern and whether it ignores case."""
    function = sa.func.loop_like if node.operator == "like" else sa.func.loop_regexp
    return function(parameter(), parameter(), value) == 1


def _prefix(node: Compare) -> str:
    if node.operator != "like" or node.operand.ignore_case:
        return ""
    return like_prefix(node.operand.text)


def prefix_values(node: Compare, values: list[Any]) -> tuple[bool, bool]:
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
