"""Codecs of columns that are there: they have a type of their own, which definitions name.

What such a column holds was not written by us. So these codecs read what fits the property's type,
and bind what the column takes. Text is compared and ordered as the column's collation does.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from ...definition import Property
from ...errors import DefinitionError
from ...types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Integer,
    Number,
    Object,
    String,
    Uuid,
)
from .codecs import Codec, naive_utc, read_any_number, wire_datetime, with_utc


class ExistingType(UserDefinedType[Any]):
    """The type of a column as the database names it."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **options: Any) -> str:
        return self.text


class ExistingInteger(ExistingType):
    """One that databases count up in."""

    _type_affinity = sa.Integer


def existing_codec(property_: Property, backend: str, usual: Codec) -> Codec | None:
    """The codec of a property whose column has a type that its options name.

    :param property_: the property.
    :param backend: the connector's name, under which the options are.
    :param usual: the codec that the property has otherwise.
    :returns: None where no type is named, or the property's own type has no such column.
    """
    options = property_.options.get(backend, {})
    make = _MAKERS.get(property_.type.stored_as)
    if make is None or not names_type(property_, backend):
        return None
    name = " ".join(options["dataType"].split())
    column = _Column(property_, backend, name.upper())
    made = make(column, usual)
    kind = ExistingInteger if isinstance(property_.type, Integer) else ExistingType
    return replace(
        made,
        types=(kind(_spec(name, options, property_)),),
        suffixes=("",),
        server_defaults={},
    )


def names_type(property_: Property, backend: str) -> bool:
    """Whether the options of a property name the type of its column.

    :raises DefinitionError: where what they name is no text.
    """
    named = property_.options.get(backend, {}).get("dataType")
    if named is not None and not (isinstance(named, str) and named.strip()):
        raise DefinitionError(f"{property_.name!r}: the dataType {named!r} is no type of a column")
    return named is not None


class _Column:
    """A column that is there.

    :param property_: the property that it is.
    :param backend: the connector's name.
    :param name: the name of its type, in capitals.
    """

    def __init__(self, property_: Property, backend: str, name: str) -> None:
        self.property, self.backend, self.name = property_, backend, name
        self.type = property_.type

    def begins(self, *names: str) -> bool:
        """Whether the type is one of these, whatever follows."""
        return self.name.startswith(names)


#: Types that have a length, or a precision and a scale.
_WITH_LENGTH = re.compile(
    r"(?i)^(?:N?CHAR|N?VARCHAR2?|CHARACTER(?: VARYING)?|(?:VAR)?BINARY|RAW|(?:VAR)?BIT|TINYINT)\b"
)
_WITH_PRECISION = re.compile(r"(?i)^(?:NUMERIC|DECIMAL|NUMBER)\b")
_WITH_FRACTION = re.compile(r"(?i)^(?:TIMESTAMP|DATETIME|TIME)\b")


def _spec(name: str, options: Mapping[str, Any], property_: Property) -> str:
    """A type with its sizes, those of the property where the options do not say them."""
    length = options.get("dataLength", property_.constraints.get("max_length"))
    kind = property_.type
    precision, scale = options.get("dataPrecision"), options.get("dataScale")
    if isinstance(kind, DecimalNumber):
        precision = kind.precision if precision is None else precision
        scale = kind.scale if scale is None else scale
    if "(" in name or "[" in name:
        return name
    if _WITH_LENGTH.match(name) and length:
        return _sized(name, str(length))
    if _WITH_PRECISION.match(name) and precision:
        return _sized(name, f"{precision}, {scale or 0}")
    if _WITH_FRACTION.match(name) and precision is not None:
        return _sized(name, str(precision))
    if name.upper() in ("ENUM", "SET") and "enum" in property_.constraints:
        values = (str(each).replace("'", "''") for each in property_.constraints["enum"])
        return _sized(name, ",".join(f"'{each}'" for each in values))
    return name


def _sized(name: str, size: str) -> str:
    """``VARCHAR(20)``; ``TIMESTAMP(3) WITH TIME ZONE``."""
    head, blank, rest = name.partition(" ")
    if rest.upper().startswith("VARYING"):
        return f"{name}({size})"
    return f"{head}({size}){blank}{rest}"


# Text

_FIXED = ("CHAR", "CHARACTER", "NCHAR", "BPCHAR")
_PLAIN = (
    *("VARCHAR", "NVARCHAR", "CHARACTER VARYING", "TEXT", "NTEXT", "CLOB", "NCLOB", "LONG"),
    *("TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "BLOB", "STRING", "NAME", "ROWID", "UROWID"),
)
#: Of these neither equality nor order is that of the texts that stand for them.
_COMPARED_OTHERWISE = (
    *("INTERVAL", "INET", "CIDR", "MACADDR", "TIME", "MONEY", "BIT", "VARBIT", "XML", "TSVECTOR"),
    *("TSQUERY", "POINT", "LINE", "LSEG", "BOX", "PATH", "POLYGON", "CIRCLE", "HSTORE", "SET"),
    *("INT4RANGE", "INT8RANGE", "NUMRANGE", "TSRANGE", "TSTZRANGE", "DATERANGE", "UUID"),
    *("INT4MULTIRANGE", "INT8MULTIRANGE", "NUMMULTIRANGE", "DATEMULTIRANGE", "PG_LSN", "JSONPATH"),
)


def _string(column: _Column, usual: Codec) -> Codec:
    is_plain = column.begins(*_PLAIN) and not column.begins("VARCHARACTER")
    read: Callable[[Any], Any] | None = text_of
    if column.begins(*_FIXED) and not is_plain:
        read = _unpadded
    elif column.name == "ENUM" or (is_plain and column.backend != "sqlite"):
        read = None
    is_text = is_plain and column.name != "CITEXT"
    is_own = column.begins(*_COMPARED_OTHERWISE) and column.backend != "sqlite"
    is_own = is_own or (column.backend == "firebird" and column.begins("BLOB"))
    return Codec(
        usual.types,
        None,
        read,
        read,
        equals=not is_own,
        sorts=not is_own,
        exact=False,
        matches=is_text or column.backend in ("sqlite", "mysql"),
    )


def _unpadded(raw: Any) -> str:
    """A text of a fixed length without the spaces that fill it up."""
    return raw.rstrip(" ") if type(raw) is str else text_of(raw)


def text_of(raw: Any) -> str:
    """What a driver gives for a type that has no counterpart, as text that the database takes."""
    if type(raw) is str:
        return raw
    if isinstance(raw, dt.timedelta):
        return _text_of_time(raw)
    if isinstance(raw, dt.date | dt.time):
        return raw.isoformat()
    if isinstance(raw, bytes):
        return raw.decode(errors="replace")
    return str(raw)


def _text_of_time(raw: dt.timedelta) -> str:
    """A time of day, or one that is longer or negative, as ``-34:00:00.5``."""
    sign, rest = ("-", -raw) if raw < dt.timedelta() else ("", raw)
    minutes, seconds = divmod(rest.days * 86400 + rest.seconds, 60)
    fraction = f".{rest.microseconds:06}".rstrip("0") if rest.microseconds else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}"


# Numbers


def _integer(column: _Column, usual: Codec) -> Codec:
    if column.begins("BIT"):
        return Codec(usual.types, None, _integer_of_bits, _integer_of_bits)
    exact = column.begins("NUMERIC", "DECIMAL", "NUMBER")
    return Codec(usual.types, None, int, int) if exact else Codec(usual.types)


def _integer_of_bits(raw: Any) -> int:
    return int.from_bytes(raw, "big") if isinstance(raw, bytes) else int(raw)


def _number(column: _Column, usual: Codec) -> Codec:
    bind = _exact_number if column.begins("NUMERIC", "DECIMAL", "NUMBER") else None
    if column.backend == "sqlite":
        bind = None
    return Codec(usual.types, bind, read_any_number, read_any_number)


def _exact_number(value: float) -> Decimal | int:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _decimal(column: _Column, usual: Codec) -> Codec:
    kind = cast("DecimalNumber", column.type)
    unit = Decimal(1).scaleb(-kind.scale)

    def read(raw: Any) -> Decimal | None:
        value = raw if isinstance(raw, Decimal) else Decimal(str(raw))
        if not value.is_finite():  # as PostgreSQL has them
            return None
        if not kind.fixed:
            return value
        return value.quantize(unit, context=_WIDE)

    def wire(raw: Any) -> Any:
        value = read(raw)
        return None if value is None else kind.dump(value)

    bind = _plain_number if column.backend == "sqlite" else None
    return Codec(usual.types, bind, read, wire)


#: Wider than any column.
_WIDE = Context(prec=1000)


def _plain_number(value: Decimal) -> float:
    """The number that SQLite makes of a decimal."""
    return int(value) if value == value.to_integral_value() else float(value)


def _boolean(column: _Column, usual: Codec) -> Codec:
    if column.begins("BIT"):
        return Codec(usual.types, int, _boolean_of_bits, _boolean_of_bits)
    if column.begins("BOOL") and column.backend not in ("sqlite", "mysql"):
        return Codec(usual.types)
    return Codec(usual.types, int, _boolean_of, _boolean_of)


def _boolean_of_bits(raw: Any) -> bool:
    return bool(_integer_of_bits(raw))


def _boolean_of(raw: Any) -> bool:
    if isinstance(raw, str):  # SQLite and old schemas have such
        return raw.strip().lower() in ("1", "t", "true", "y", "yes")
    return bool(raw)


# Times


def _datetime(column: _Column, usual: Codec) -> Codec:
    if column.backend == "sqlite":
        return Codec(usual.types, _sqlite_datetime, _instant_of, _wire_of_instant)
    if "WITH TIME ZONE" in column.name or column.begins("TIMESTAMPTZ"):
        return Codec(usual.types, None, _instant_of, _wire_of_instant)
    return Codec(usual.types, naive_utc, _read_naive, _wire_of_naive)


def _aware(raw: Any) -> dt.datetime:
    return with_utc(raw) if raw.tzinfo is None else raw.astimezone(dt.UTC)


def _read_naive(raw: Any) -> dt.datetime | None:
    # MySQL's 0000-00-00 is no day, and comes as text.
    return with_utc(raw) if isinstance(raw, dt.datetime) else _instant_of(raw)


def _wire_of_naive(raw: Any) -> str | None:
    return wire_datetime(raw) if isinstance(raw, dt.datetime) else _wire_of_instant(raw)


def _sqlite_datetime(value: dt.datetime) -> str:
    """An instant in the form that SQLite's own functions have it."""
    return value.isoformat(" ").partition("+")[0]


def _instant_of(raw: Any) -> dt.datetime | None:
    """An instant that is text, a date, or seconds since 1970; None where it is none of these."""
    try:
        if isinstance(raw, int | float):
            return dt.datetime.fromtimestamp(raw, dt.UTC)
        if isinstance(raw, dt.date) and not isinstance(raw, dt.datetime):
            raw = dt.datetime.combine(raw, dt.time())
        return _aware(raw if isinstance(raw, dt.datetime) else dt.datetime.fromisoformat(raw))
    except (OSError, OverflowError, TypeError, ValueError):
        return None


def _wire_of_instant(raw: Any) -> str | None:
    found = _instant_of(raw)
    return None if found is None else wire_datetime(found)


def _date(column: _Column, usual: Codec) -> Codec:
    bind = dt.date.isoformat if column.backend == "sqlite" else None
    return Codec(usual.types, bind, _day_of, _wire_of_day)


def _day_of(raw: Any) -> dt.date | None:
    if isinstance(raw, dt.datetime) or not isinstance(raw, dt.date):
        found = raw if isinstance(raw, dt.datetime) else _instant_of(raw)
        return None if found is None else found.date()
    return raw


def _wire_of_day(raw: Any) -> str | None:
    found = _day_of(raw)
    return None if found is None else found.isoformat()


# The rest


def _bytes(column: _Column, usual: Codec) -> Codec:
    return Codec(usual.types, None, _bytes_of, lambda raw: column.type.dump(_bytes_of(raw)))


def _bytes_of(raw: Any) -> bytes:
    return raw.encode() if isinstance(raw, str) else bytes(raw)


def _uuid(column: _Column, usual: Codec) -> Codec:
    if column.backend == "postgresql" and column.name == "UUID":
        return Codec(usual.types, None, _uuid_of, str)
    return Codec(usual.types, str, _uuid_of, lambda raw: str(_uuid_of(raw)))


def _uuid_of(raw: Any) -> uuid.UUID:
    return raw if isinstance(raw, uuid.UUID) else uuid.UUID(str(raw))


def _json(column: _Column, usual: Codec) -> Codec:
    kind = column.type
    if column.begins("JSON") and column.backend == "postgresql":
        if column.name == "JSONB":  # its functions have other names
            return replace(usual, json=False, equals=False, sorts=False)
        return usual

    def read(raw: Any) -> Any:
        return kind.from_json(_parsed(raw))

    def wire(raw: Any) -> Any:
        return _parsed(raw) if kind.dumps_itself else kind.dump(read(raw))

    return replace(usual, to_python=read, to_wire=wire)


def _parsed(raw: Any) -> Any:
    """What is inside JSON text; the text itself where it is none, as SQLite lets it be."""
    if not isinstance(raw, str | bytes):
        return raw
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return text_of(raw)


def _array(column: _Column, usual: Codec) -> Codec:
    if not column.name.endswith("[]"):
        return _json(column, usual)
    kind = column.type

    def read(raw: Any) -> Any:
        return kind.from_json(raw)

    def wire(raw: Any) -> Any:
        return kind.dump(read(raw))

    return Codec(usual.types, None, read, wire, equals=False, sorts=False)


_MAKERS: dict[Any, Callable[[_Column, Codec], Codec]] = {
    String: _string,
    Integer: _integer,
    Number: _number,
    DecimalNumber: _decimal,
    Boolean: _boolean,
    DateTime: _datetime,
    Date: _date,
    Buffer: _bytes,
    Uuid: _uuid,
    AnyValue: _json,
    Object: _json,
    Array: _array,
}
