"""Codecs: the text that a field of a hash has for a value, and the ways back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from ...types import (
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    Integer,
    Number,
    PropertyType,
    String,
    Uuid,
)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type is stored.

    :ivar write: gives the text of a value, which is not None.
    :ivar to_python: gives the value back; None where the text is it.
    :ivar to_wire: gives the JSON value from the text; None where the text is it.
    """

    write: Callable[[Any], str]
    to_python: Callable[[str], Any] | None = None
    to_wire: Callable[[str], Any] | None = None


def codec(kind: PropertyType) -> Codec:
    """The codec of a type: texts as they are, what the wire has as text likewise, else JSON."""
    if isinstance(kind, Enumeration):
        return _enumeration(kind)
    for types, make in _CODECS:
        if isinstance(kind, types):
            return make(kind)
    return _json(kind)


def _text(kind: PropertyType) -> Codec:
    return Codec(str)


def _integer(kind: PropertyType) -> Codec:
    return Codec(str, int, int)


def _number(kind: PropertyType) -> Codec:
    return Codec(repr, orjson.loads, orjson.loads)


def _boolean(kind: PropertyType) -> Codec:
    return Codec(_write_boolean, "true".__eq__, "true".__eq__)


def _write_boolean(value: bool) -> str:
    return "true" if value else "false"


def _decimal(kind: PropertyType) -> Codec:
    return Codec(kind.dump, Decimal)


def _instant(kind: PropertyType) -> Codec:
    return Codec(kind.dump, datetime.fromisoformat)


def _day(kind: PropertyType) -> Codec:
    return Codec(kind.dump, date.fromisoformat)


def _uuid(kind: PropertyType) -> Codec:
    return Codec(str, UUID)


def _bytes(kind: PropertyType) -> Codec:
    return Codec(kind.dump, kind.load)


def _enumeration(kind: Enumeration) -> Codec:
    values = codec(kind.value_type)
    read = kind.from_json if values.to_python is None else _through(values.to_python, kind)
    return Codec(lambda value: values.write(kind.dump(value)), read, values.to_wire)


def _through(read: Callable[[str], Any], kind: PropertyType) -> Callable[[str], Any]:
    return lambda text: kind.from_json(read(text))


def _json(kind: PropertyType) -> Codec:
    def write(value: Any) -> str:
        return orjson.dumps(kind.to_json(value)).decode()

    def read(text: str) -> Any:
        return kind.from_json(orjson.loads(text))

    if kind.dumps_itself:
        return Codec(write, orjson.loads, orjson.loads)
    return Codec(write, read, lambda text: kind.dump(read(text)))


_CODECS: tuple[tuple[Any, Callable[[Any], Codec]], ...] = (
    (String, _text),
    (Integer, _integer),
    (Number, _number),
    (Boolean, _boolean),
    (DecimalNumber, _decimal),
    (DateTime, _instant),
    (Date, _day),
    (Uuid, _uuid),
    (Buffer, _bytes),
)
