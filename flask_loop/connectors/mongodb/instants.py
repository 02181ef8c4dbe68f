"""Instants and days as BSON has them: dates with milliseconds, and the microseconds beside them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ...types import Date, DateTime

_dump_instant = DateTime().dump


def milliseconds(value: dt.datetime) -> tuple[dt.datetime, int]:
    """An instant without what BSON's dates lose of it, and the microseconds that they lose."""
    rest = value.microsecond % 1000
    return (value.replace(microsecond=value.microsecond - rest), rest) if rest else (value, 0)


def read_instant(raw: Any, rest: int | None = None) -> dt.datetime:
    """The instant of a BSON date, and of the microseconds that it has not."""
    if not isinstance(raw, dt.datetime):
        return DateTime().load(raw)
    if rest:
        return raw.replace(microsecond=raw.microsecond + int(rest), tzinfo=dt.UTC)
    return raw.replace(tzinfo=dt.UTC)


def wire_instant(raw: Any, rest: int | None = None) -> str:
    """The same as the wire has it."""
    if rest or raw.__class__ is not dt.datetime or raw.tzinfo is not None:
        return _dump_instant(read_instant(raw, rest))
    return raw.isoformat("T", "milliseconds") + "Z"


def store_inner_instant(value: dt.datetime) -> Any:
    """An instant inside another value, where no field beside it has the rest."""
    whole, rest = milliseconds(value)
    return {"date": whole, "us": rest} if rest else whole


def read_inner_instant(raw: Any) -> dt.datetime:
    """The instant that is inside another value."""
    return read_instant(raw["date"], raw["us"]) if isinstance(raw, Mapping) else read_instant(raw)


def wire_inner_instant(raw: Any) -> str:
    """The same as the wire has it."""
    return _dump_instant(read_inner_instant(raw))


def store_day(value: dt.date) -> dt.datetime:
    """The BSON date of a day: its midnight."""
    return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)


def read_day(raw: Any) -> dt.date:
    """The day of a BSON date."""
    return raw.date() if isinstance(raw, dt.datetime) else Date().load(raw)
