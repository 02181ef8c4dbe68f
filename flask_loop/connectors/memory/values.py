"""Values: which can be changed in place, and the keys that stand for values in indexes."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from ... import types
from ...geo import GeoPoint

#: A hashable value that stands for another.
Key: TypeAlias = Any

_IMMUTABLE_TYPES = (
    types.Null,
    types.Boolean,
    types.Integer,
    types.Number,
    types.DecimalNumber,
    types.String,
    types.DateTime,
    types.Date,
    types.Buffer,
    types.Geo,
    types.Uuid,
    types.Enumeration,
)
_KEYS = frozenset({type(None), int, float, str, bytes, Decimal, datetime, date, UUID, GeoPoint})


def is_mutable(kind: types.PropertyType) -> bool:
    """Whether values of a type can be changed in place."""
    return not isinstance(kind, _IMMUTABLE_TYPES)


def frozen(value: Any) -> Key:
    """A key that two values share exactly when they are the same in JSON: 1 is 1.0, not true.

    Keys of one property's values sort as the values do; None stays None.
    """
    kind = type(value)
    if kind in _KEYS:
        return value
    if kind is bool:
        return ("boolean", value)
    if isinstance(value, enum.Enum):
        return value.value
    return _frozen_structure(value)


def _frozen_structure(value: Any) -> Key:
    if isinstance(value, list | tuple):
        return ("list", tuple(map(frozen, value)))
    if isinstance(value, Mapping):
        return ("object", frozenset((key, frozen(item)) for key, item in value.items()))
    try:
        hash(value)
    except TypeError:
        return ("text", repr(value))
    return value
