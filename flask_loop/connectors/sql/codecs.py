"""How each property type is stored in columns: its SQL type, and the way there and back.

Values pass through a codec and nothing else: the columns' own SQLAlchemy types bind what the driver
takes as it is. The way back is a function to the Python value, and one straight to the wire.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from ...definition import Embedded, Property
from ...geo import GeoPoint
from ...types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    FieldValue,
    Geo,
    Integer,
    Null,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)

#: The type of whole numbers; SQLite makes ids only for a column that is called INTEGER.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class AnyNumber(UserDefinedType[Any]):
    """A column that keeps integers exact and everything else as a double."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "NUMERIC"


@dataclass(frozen=True, slots=True)
class Codec:
    """How one property type is stored.

    :ivar types: the SQL type of each column; more than one where a value takes several.
    :ivar bind: gives the raw value from a Python value, a tuple where there are several columns; or
        None where they are the same.
    :ivar to_python: gives the Python value from the raw ones, or None where they are the same.
    :ivar to_wire: gives the JSON value from the raw ones, or None where they are the same.
    :ivar suffixes: what the columns' names end with.
    :ivar json: whether the raw value is JSON text.
    """

    types: tuple[Any, ...]
    bind: Callable[[Any], Any] | None = None
    to_python: Callable[..., Any] | None = None
    to_wire: Callable[..., Any] | None = None
    suffixes: tuple[str, ...] = ("",)
    json: bool = False

    def raw(self, value: Any) -> tuple[Any, ...]:
        """The raw values of a Python value, which is not None: one for each column."""
        if self.bind is None:
            return (value,)
        bound = self.bind(value)
        return bound if len(self.types) > 1 else (bound,)

    def raw_list(self, values: Iterable[Any]) -> list[Any]:
        """The raw values of many, one after the other, none of which is None."""
        if self.bind is None:
            return list(values)
        bound = map(self.bind, values)
        return list(chain.from_iterable(bound) if len(self.types) > 1 else bound)


def codec_for(property_: Property) -> Codec:
    """The codec of a property."""
    return _MAKERS[type(property_.type)](property_)


def _string(property_: Property) -> Codec:
    length = property_.constraints.get("max_length")
    return Codec((sa.String(length) if length else sa.Text(),))


def _boolean(property_: Property) -> Codec:
    return Codec((sa.Boolean(),), int, bool, bool)


def _plain(sql_type: Any) -> Callable[[Property], Codec]:
    return lambda property_: Codec((sql_type,))


def _decimal(property_: Property) -> Codec:
    kind = cast("DecimalNumber", property_.type)
    return Codec(
        (INTEGER,), kind.to_scaled, kind.from_scaled, lambda raw: kind.dump(kind.from_scaled(raw))
    )


def _datetime(property_: Property) -> Codec:
    return Codec((sa.String(26),), bind_datetime, read_datetime, wire_datetime)


def bind_datetime(value: dt.datetime) -> str:
    """An instant in UTC as text of one length, so that text and time have the same order."""
    return value.isoformat(" ", "microseconds")[:26]


def read_datetime(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def wire_datetime(text: str) -> str:
    if len(text) == 26 and text.endswith("000"):
        return f"{text[:10]}T{text[11:23]}Z"
    return _DATETIME.dump(read_datetime(text))


_DATETIME = DateTime()


def _date(property_: Property) -> Codec:
    return Codec((sa.String(10),), dt.date.isoformat, dt.date.fromisoformat)


def _bytes(property_: Property) -> Codec:
    return Codec((sa.LargeBinary(),), None, bytes, property_.type.dump)


def _geo(property_: Property) -> Codec:
    return Codec(
        (sa.Float(), sa.Float()),
        lambda point: (point.lat, point.lng),
        GeoPoint,
        lambda lat, lng: {"lat": lat, "lng": lng},
        suffixes=("_lat", "_lng"),
    )


def _uuid(property_: Property) -> Codec:
    return Codec((sa.String(36),), str, uuid.UUID)


def _enum(property_: Property) -> Codec:
    kind = cast("Enumeration", property_.type)
    sql_type = sa.Text() if isinstance(kind.value_type, String) else INTEGER
    return Codec((sql_type,), lambda member: member.value, kind.python)


def _json(property_: Property) -> Codec:
    kind = property_.type
    # A unique index compares texts, to which the order of keys would make a difference.
    option = orjson.OPT_SORT_KEYS if property_.unique else None
    return Codec(
        (sa.Text(),),
        lambda value: orjson.dumps(kind.to_json(value), option=option).decode(),
        lambda text: kind.from_json(orjson.loads(text)),
        orjson.loads
        if kind.dumps_itself
        else lambda text: kind.dump(kind.from_json(orjson.loads(text))),
        json=True,
    )


_MAKERS: dict[type[PropertyType], Callable[[Property], Codec]] = {
    Null: _plain(sa.Text()),
    Boolean: _boolean,
    Integer: _plain(INTEGER),
    Number: _plain(AnyNumber()),
    DecimalNumber: _decimal,
    String: _string,
    DateTime: _datetime,
    Date: _date,
    Buffer: _bytes,
    Geo: _geo,
    Uuid: _uuid,
    Enumeration: _enum,
    Object: _json,
    Array: _json,
    AnyValue: _json,
    Embedded: _json,
    FieldValue: _json,
}
