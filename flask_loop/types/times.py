"""Instants and days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from .base import PropertyType

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?!24)\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


class DateTime(PropertyType):
    """An instant in UTC; RFC 3339 on the wire, with 3 fraction digits, or 6 where needed."""

    name, python, message = "Date", datetime, "is not a date in RFC 3339 form"
    ordered = True

    def load(self, value: Any, *, text: bool = True) -> datetime:
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else self._to_utc(value)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if not isinstance(value, str):
            raise self.mismatch()
        return self._parse(value)

    def _parse(self, value: str) -> datetime:
        if _DATE.fullmatch(value):
            value = f"{value}T00:00Z"
        found = _DATETIME.fullmatch(value)
        if found is None:
            raise self.mismatch()
        day, time, zone = found.groups()
        zone = "+00:00" if zone in "Zz" else zone
        try:
            parsed = datetime.fromisoformat(f"{day}T{time}{zone}")
        except ValueError:
            raise self.mismatch() from None
        return self._to_utc(parsed)

    def _to_utc(self, value: datetime) -> datetime:
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise self.mismatch("is outside the years 1 to 9999") from None

    def dump(self, value: datetime) -> str:
        precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.replace(tzinfo=None).isoformat(timespec=precision) + "Z"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class Date(PropertyType):
    """A calendar day, ``YYYY-MM-DD`` on the wire."""

    name, python, message = "date", date, "is not a date of the form YYYY-MM-DD"
    ordered = True

    def load(self, value: Any, *, text: bool = True) -> date:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        if isinstance(value, str) and _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise self.mismatch()

    def dump(self, value: date) -> str:
        return value.isoformat()

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}
