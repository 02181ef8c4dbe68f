"""How each property type is stored in columns: its SQL type, and the way there and back.

Values pass through a codec and nothing else: the columns' own SQLAlchemy types bind what the driver
takes as it is. The way back is a function to the Python value, and one straight to the wire.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, cast

import orjson
import sqlalchemy as sa

from ...definition import Embedded, Property
from ...errors import NotIndexable
from ...geo import GeoPoint
from ...types import (
    MAX_INTEGER,
    MIN_INTEGER,
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


@dataclass(frozen=True, slots=True)
class Codec:
    """How one property type is stored.

    :ivar types: the SQL type of each column; more than one where a value takes several. Values are
        compared column by column, the first being the most significant.
    :ivar bind: gives the raw value from a Python value, a tuple where there are several columns; or
        None where they are the same.
    :ivar to_python: gives the Python value from the raw ones, or None where they are the same.
    :ivar to_wire: gives the JSON value from the raw ones, or None where they are the same.
    :ivar suffixes: what the columns' names end with.
    :ivar read_as: the SQL type that columns are read as, where the driver has that sooner; the ways
        back take both.
    :ivar server_defaults: what the database puts into columns, by suffix, for rows of others.
    :ivar json: whether the raw value is JSON text.
    :ivar equals: whether SQL finds the values that are equal to one.
    :ivar sorts: whether SQL has the order of the values.
    :ivar exact: whether SQL orders and compares texts by their code points.
    :ivar matches: whether SQL matches texts with patterns.
    """

    types: tuple[Any, ...]
    bind: Callable[[Any], Any] | None = None
    to_python: Callable[..., Any] | None = None
    to_wire: Callable[..., Any] | None = None
    suffixes: tuple[str, ...] = ("",)
    read_as: Any = None
    server_defaults: Mapping[str, str] = field(default_factory=dict)
    json: bool = False
    equals: bool = True
    sorts: bool = True
    exact: bool = True
    matches: bool = True

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


class Codecs:
    """How a database stores the property types. This is how most do; dialects change what differs.

    :param backend: the connector's name.
    """

    #: The type of whole numbers.
    integer_type: Any = sa.BigInteger()
    #: The type of numbers that are not whole.
    double_type: Any = sa.Double()
    #: The most characters of a text in an index, where there is such a bound; a longer one, or one
    #: without a bound of its own, is then refused at definition.
    indexed_length: int | None = None

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def codec(self, property_: Property, *, is_indexed: bool = False) -> Codec:
        """The codec of a property.

        :param is_indexed: whether the property is in an index, which bounds a text's length.
        :raises NotIndexable: where the database has no index for it.
        """
        if is_indexed and self.indexed_length is not None:
            self._refuse_long_text(property_, self.indexed_length)
        maker: Callable[[Property], Codec] = getattr(self, _MAKERS[property_.type.stored_as])
        return maker(property_)

    def _refuse_long_text(self, property_: Property, most: int) -> None:
        if not isinstance(property_.type, String):
            return
        length = property_.constraints.get("max_length")
        if length is None or length > most:
            raise NotIndexable(
                f"{property_.name!r} is in an index, for which {self.backend} takes texts of at "
                f"most {most} characters: give it a max_length up to that"
            )

    def text_type(self, length: int | None) -> Any:
        """The type of texts of at most so many characters, or of any length."""
        return sa.Text() if length is None else sa.String(length)

    def null(self, property_: Property) -> Codec:
        return Codec((self.text_type(1),))

    def string(self, property_: Property) -> Codec:
        return Codec((self.text_type(property_.constraints.get("max_length")),))

    def boolean(self, property_: Property) -> Codec:
        return Codec((sa.Boolean(),))

    def integer(self, property_: Property) -> Codec:
        return Codec((self.integer_type,))

    def number(self, property_: Property) -> Codec:
        """A double and, in a second column, what an integer is more than its nearest double."""
        return Codec(
            (self.double_type, sa.SmallInteger()),
            bind_number,
            read_number,
            read_number,
            suffixes=("", "_rest"),
            server_defaults={"_rest": "0"},
        )

    def decimal(self, property_: Property) -> Codec:
        kind = cast("DecimalNumber", property_.type)
        read = None if kind.fixed else lambda raw: kind.from_scaled(kind.to_scaled(raw))
        write = kind.dump if kind.fixed else lambda raw: kind.dump(read(raw))  # type: ignore[misc]
        return Codec((sa.Numeric(kind.precision, kind.scale),), None, read, write)

    def datetime(self, property_: Property) -> Codec:
        return Codec((self.datetime_type,), naive_utc, with_utc, wire_datetime)

    #: The type of instants, which are stored without a time zone, in UTC.
    datetime_type: Any = sa.DateTime()

    def date(self, property_: Property) -> Codec:
        return Codec((sa.Date(),), None, None, dt.date.isoformat)

    def buffer(self, property_: Property) -> Codec:
        return Codec((sa.LargeBinary(),), None, read_bytes, property_.type.dump)

    def geo(self, property_: Property) -> Codec:
        return Codec(
            (self.double_type, self.double_type),
            lambda point: (point.lat, point.lng),
            GeoPoint,
            lambda lat, lng: {"lat": lat, "lng": lng},
            suffixes=("_lat", "_lng"),
        )

    def uuid(self, property_: Property) -> Codec:
        return Codec((self.uuid_type,), str, uuid.UUID)

    #: The type of UUIDs as text.
    uuid_type: Any = sa.CHAR(36)

    def enumeration(self, property_: Property) -> Codec:
        kind = cast("Enumeration", property_.type)
        if isinstance(kind.value_type, String):
            sql_type = self.text_type(max(map(len, kind.values), default=1) or 1)
        else:
            sql_type = self.integer_type
        return Codec((sql_type,), lambda member: member.value, kind.python)

    def json(self, property_: Property) -> Codec:
        kind = property_.type
        # A unique index compares texts, to which the order of keys would make a difference.
        option = orjson.OPT_SORT_KEYS if property_.unique else None
        return Codec(
            (self.json_type,),
            lambda value: orjson.dumps(kind.to_json(value), option=option).decode(),
            lambda text: kind.from_json(orjson.loads(text)),
            orjson.loads
            if kind.dumps_itself
            else lambda text: kind.dump(kind.from_json(orjson.loads(text))),
            json=True,
            sorts=False,
        )

    @property
    def json_type(self) -> Any:
        """The type of JSON texts, which keeps them as they are."""
        return self.text_type(None)


_MAKERS: dict[type[PropertyType], str] = {
    Null: "null",
    Boolean: "boolean",
    Integer: "integer",
    Number: "number",
    DecimalNumber: "decimal",
    String: "string",
    DateTime: "datetime",
    Date: "date",
    Buffer: "buffer",
    Geo: "geo",
    Uuid: "uuid",
    Enumeration: "enumeration",
    Object: "json",
    Array: "json",
    AnyValue: "json",
    Embedded: "json",
    FieldValue: "json",
}


def read_bytes(raw: Any) -> bytes:
    """The bytes that a driver gave in one of its forms.

    :raises TypeError: where they are a number or a text of others.
    """
    return raw if type(raw) is bytes else memoryview(raw).tobytes()


# Instants


def naive_utc(value: dt.datetime) -> dt.datetime:
    """An instant in UTC without its time zone."""
    return value.replace(tzinfo=None)


def with_utc(value: dt.datetime) -> dt.datetime:
    """An instant in UTC, from one whose time zone the column does not have."""
    return value.replace(tzinfo=dt.UTC)


def wire_datetime(value: dt.datetime) -> str:
    """An instant in UTC, with its time zone or without, as the wire has it."""
    text = value.isoformat("T", "microseconds")
    return f"{text[:23]}Z" if text[23:26] == "000" else f"{text[:26]}Z"


# Numbers, of which a double does not keep every integer


def bind_number(value: float) -> tuple[float, int]:
    """A number as the nearest double, and what it is more than that."""
    double = float(value)
    return double, 0 if isinstance(value, float) else value - int(double)


def read_number(double: float, rest: int | None) -> float:
    """The number of a double and what it is more than that; whole ones are integers."""
    if not double.is_integer():
        return double
    whole = int(double) + (rest or 0)
    return whole if MIN_INTEGER <= whole <= MAX_INTEGER else double


def read_any_number(raw: float | Decimal) -> float | None:
    """The number that a column holds, as an integer where it is one of 64 bits.

    :returns: None where it is infinite, too great for a double, or no number.
    """
    try:
        whole = int(raw)
        if raw == whole and MIN_INTEGER <= whole <= MAX_INTEGER:
            return whole
        double = float(raw)
    except (OverflowError, ValueError):
        return None
    return double if math.isfinite(double) else None
