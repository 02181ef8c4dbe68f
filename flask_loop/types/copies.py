"""Copies of values that nobody else holds."""

from __future__ import annotations

import copy
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..geo import GeoPoint

_IMMUTABLE = frozenset(
    {type(None), bool, int, float, str, bytes, Decimal, datetime, date, UUID, GeoPoint}
)


def detached(value: Any) -> Any:
    """A copy that shares nothing that can be changed with the value."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is dict:
        return {key: detached(item) for key, item in value.items()}
    if kind is list:
        return [detached(item) for item in value]
    return copy.deepcopy(value)
