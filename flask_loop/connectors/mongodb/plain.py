"""JSON values in documents, and what documents of others have in their place."""

from __future__ import annotations

import datetime as dt
import math
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import Decimal128, Int64, ObjectId
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.regex import Regex

from ...types import MAX_INTEGER, MIN_INTEGER, DateTime
from .names import field_name, key_of

_PLAIN = frozenset({str, bool, type(None)})
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: After so many years the calendar is the same again.
_CYCLE = 400
_CYCLE_DAYS = 146_097
_dump_instant = DateTime().dump


def stored_json(value: Any) -> Any:
    """A JSON value as documents have it: with keys that MongoDB takes."""
    if isinstance(value, Mapping):
        return {field_name(key): stored_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [stored_json(item) for item in value]
    return value


def read_json(raw: Any) -> Any:
    """The JSON value of what a document has.

    What is none of JSON's, as only others write it, becomes what the wire has for it.
    """
    kind = type(raw)
    if kind in _PLAIN:
        return raw
    if kind is int or kind is float or kind is Int64:
        return read_number(raw)
    if isinstance(raw, Mapping):
        return {key_of(name): read_json(item) for name, item in raw.items()}
    if isinstance(raw, list):
        return [read_json(item) for item in raw]
    return _foreign(raw)


def read_number(raw: Any) -> Any:
    """A number as JSON has it: whole ones of 64 bits are integers.

    :returns: None where it is infinite, or no number; what is of another type as JSON has that.
    """
    kind = type(raw)
    if kind is int:
        return raw
    if kind is float:
        if raw.is_integer() and MIN_INTEGER < raw < MAX_INTEGER:
            return int(raw)
        return raw if -math.inf < raw < math.inf else None
    if kind is Int64:
        return int(raw)
    if isinstance(raw, Decimal128):
        return read_number(float(raw.to_decimal()))
    return read_json(raw)


def is_uuid(raw: Any) -> bool:
    """Whether a BSON value is a UUID as all programs write them today."""
    return type(raw) is Binary and raw.subtype == 4 and len(raw) == 16


def text_of_uuid(raw: bytes) -> str:
    """The bytes of a UUID as text."""
    digits = raw.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)


def _text_of_date(raw: DatetimeMS) -> str:
    """A date outside of the years that Python has, as JavaScript writes it."""
    cycles, days = divmod(int(raw) // 86_400_000, _CYCLE_DAYS)
    rest = dt.timedelta(days=days, milliseconds=int(raw) % 86_400_000)
    inside = _EPOCH + rest
    year = inside.year + cycles * _CYCLE
    sign = "-" if year < 0 else "+"
    return f"{sign}{abs(year):06}{_dump_instant(inside)[4:]}"


def _foreign(raw: Any) -> Any:
    if isinstance(raw, dt.datetime):
        return _dump_instant(raw)
    if isinstance(raw, DatetimeMS):
        return _text_of_date(raw)
    if isinstance(raw, bytes):
        return text_of_uuid(raw) if is_uuid(raw) else b64encode(raw).decode("ascii")
    if isinstance(raw, Decimal128):
        return format(raw.to_decimal(), "f")
    if isinstance(raw, ObjectId | UUID | Decimal):
        return str(raw)
    if isinstance(raw, Regex):
        return str(raw.pattern)
    return str(raw)
