"""Bounds: how much one filter may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one filter may ask for.

    :ivar depth: levels of nesting in a where.
    :ivar conditions: comparisons in a where, and keys in an order.
    :ivar values: values in one ``inq`` or ``nin``.
    :ivar limit: the greatest ``limit``, or None for no bound.
    """

    depth: int = 12
    conditions: int = 200
    values: int = 1000
    limit: int | None = None


#: For callers in Python, who bound themselves.
UNBOUNDED = Bounds(depth=100, conditions=100_000, values=1_000_000)
