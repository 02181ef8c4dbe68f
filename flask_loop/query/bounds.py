"""Bounds: how much one filter may ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """How much one filter may ask for, and of whom.

    What is parsed within bounds is kept for the bounds themselves, not for others that are alike.

    :ivar depth: levels of nesting in a where; each relation that it follows is one.
    :ivar conditions: comparisons in a where, and keys in an order.
    :ivar values: values in one ``inq`` or ``nin``.
    :ivar limit: the greatest ``limit``, or None for no bound.
    :ivar include_depth: levels of includes inside includes.
    :ivar includes: relations in the includes of one filter.
    :ivar included: records that the includes of one filter show in all, or None for no bound.
    :ivar allows: says of a model's class whether relations to it may be followed; None for all.
    :ivar offers: says of a model's class whether callers have a method, by its wire name; None for
        all.
    """

    depth: int = 12
    conditions: int = 200
    values: int = 1000
    limit: int | None = None
    include_depth: int = 5
    includes: int = 50
    included: int | None = None
    allows: Callable[[Any], bool] | None = None
    offers: Callable[[Any, str], bool] | None = None


#: For callers in Python, who bound themselves.
UNBOUNDED = Bounds(depth=100, conditions=100_000, values=1_000_000, include_depth=20, includes=1000)
