"""Encoding: texts that sort as the values do, which are what indexes hold.

An entry of an index is the parts of its values and then those of the record's id, each with a NUL
at its end. The part of a value begins with ``=``, that of a missing one is ``~``, so that it comes
last. All compare as bytes, as Redis compares the members of a sorted set that have one score.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from ...types import (
    AnyValue,
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

#: Gives the text of a value.
Encode = Callable[[Any], str]

#: The part of a value that is missing.
NULL = "~\0"
#: The bounds of the parts that a missing value, a value, and either of them may have.
NULLS = ("~", "\x7f")
VALUES = ("=", ">")
ALL = ("", "\x7f")

_COMPLEMENT = str.maketrans("0123456789", "9876543210")
#: Added to exponents, which are from -323 to 309.
_BIAS = 500


def kind_of(kind: PropertyType) -> str:
    """The name of the encoding of a type: values of types that share one are compared alike."""
    if isinstance(kind, Integer | Number | DecimalNumber):
        return "number"
    if isinstance(kind, Enumeration):
        return kind_of(kind.value_type)
    if isinstance(kind, String | Uuid | Date | DateTime):
        return "text"
    if isinstance(kind, Boolean | Buffer):
        return kind.name.lower()
    return "json"


def encoder(kind: PropertyType) -> Encode:
    """A function that gives the text of a value of a type, which is not None."""
    if isinstance(kind, Enumeration):
        inner = encoder(kind.value_type)
        return lambda value: inner(value.value if isinstance(value, enum.Enum) else value)
    for types, encode in _ENCODERS:
        if isinstance(kind, types):
            return encode
    to_json = kind.to_json
    return lambda value: _json(to_json(value))


def is_ordered(kind: PropertyType) -> bool:
    """Whether the texts of a type sort as its values do, and equal values have one text."""
    return kind_of(kind) != "json"


def part(encode: Encode, value: Any) -> str:
    """The part of a value, or of None."""
    return NULL if value is None else f"={encode(value)}\0"


def number(value: Any) -> str:
    """The text of a number: its sign, the exponent of ten and the digits.

    That of a negative one has each digit's complement, and ``~`` behind them, so that the one with
    more digits comes first.
    """
    if isinstance(value, int):
        text = str(value)
        if text[0] != "-":
            return "o" if value == 0 else f"p{_BIAS + len(text)}{text.rstrip('0')}"
        digits = text[1:]
        return _negative(len(digits), digits.rstrip("0"))
    if isinstance(value, float) and value == -(2.0**63):
        return number(int(value))
    return _fraction(str(value))


def _fraction(text: str) -> str:
    mantissa, _, exponent = text.lstrip("-").lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "o"
    leading = len(whole + fraction) - len(digits)
    power = len(whole) - leading + int(exponent or 0)
    digits = digits.rstrip("0")
    return _negative(power, digits) if text[0] == "-" else f"p{_BIAS + power}{digits}"


def _negative(power: int, digits: str) -> str:
    return f"m{_BIAS + power}{digits}".translate(_COMPLEMENT) + "~"


def _instant(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(timespec="microseconds")


def _json(value: Any) -> str:
    """The text of any JSON value: booleans, numbers, text, then lists and objects."""
    if isinstance(value, bool):
        return f"0{int(value)}"
    if isinstance(value, int | float):
        return "1" + number(value)
    if isinstance(value, str):
        return "2" + value
    return "3" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def successor(prefix: str) -> str | None:
    """The least text above all that begin with a prefix, or None where there is none."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1]) + 1
        if point == _SURROGATES[0]:
            point = _SURROGATES[1]
        if point <= _LAST:
            return prefix[: end - 1] + chr(point)
    return None


_SURROGATES = (0xD800, 0xE000)
_LAST = 0x10FFFF

_ENCODERS: tuple[tuple[Any, Encode], ...] = (
    (Integer | Number | DecimalNumber, number),
    (String, str),
    (Uuid, str),
    (DateTime, _instant),
    (Date, str),
    (Boolean, lambda value: "1" if value else "0"),
    (Buffer, bytes.hex),
    (AnyValue, _json),
)
