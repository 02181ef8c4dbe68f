"""Keys: values as texts of plain ASCII that sort, byte by byte, as the values do.

They make the ``_id`` of a document from the id of a record, so that all records of a model, in the
order of their ids, are one range of ``_all_docs``. Two values have one text exactly when they are
equal.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

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

#: Between the parts of an id that is several properties: it sorts before all that texts have.
SEPARATOR = "!"
#: Beyond this, integers are no longer all floats.
MAX_SAFE = 2**53

KeyOf = Callable[[Any], str]

_PLAIN = re.compile(r"[$-}]*")
_SIGN = 1 << 63
_ALL_BITS = (1 << 64) - 1


def key_of(kind: PropertyType) -> KeyOf:
    """The function that gives the text of a type's values."""
    if isinstance(kind, Enumeration):
        inner = key_of(kind.value_type)
        return lambda value: inner(value.value)
    if isinstance(kind, DecimalNumber):
        return lambda value: integer_key(kind.to_scaled(value))
    found = next((made for known, made in _KEYS.items() if isinstance(kind, known)), None)
    if found is not None:
        return found
    return lambda value: _any_key(kind.to_json(value))


def text_key(text: str) -> str:
    """The text of a text: most characters of ASCII are themselves."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_character, text))


def _character(each: str) -> str:
    if "$" <= each <= "}":
        return each
    code = ord(each)
    return f"#{code:02x}" if each < "$" else f"~{code:06x}"


def integer_key(value: int) -> str:
    """The text of an integer: its digits, after a letter for how many they are."""
    digits = str(abs(value))
    if value >= 0:
        return chr(ord("a") + len(digits) - 1) + digits
    return f"-{chr(ord('z') - len(digits))}{complement(digits)}"


def complement(digits: str) -> str:
    """Digits that sort the other way round."""
    return digits.translate(_COMPLEMENT)


def _number_key(value: float) -> str:
    double = float(value) + 0.0  # there is one zero
    (bits,) = struct.unpack(">Q", struct.pack(">d", double))
    bits = bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN
    key = f"{bits:016x}"
    if abs(double) < MAX_SAFE:
        return key
    rest = value - int(double) if isinstance(value, int) else 0
    return f"{key}{rest + 0x8000:04x}"


def _any_key(value: Any) -> str:
    if isinstance(value, bool):
        return f"0{_boolean_key(value)}"
    if isinstance(value, int | float):
        return f"1{_number_key(value)}"
    if isinstance(value, str):
        return f"2{text_key(value)}"
    return f"3{text_key(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())}"


def _boolean_key(value: bool) -> str:
    return "t" if value else "f"


def _datetime_key(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat("T", "microseconds")


_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_KEYS: dict[type[PropertyType], KeyOf] = {
    Boolean: _boolean_key,
    Integer: integer_key,
    Number: _number_key,
    String: text_key,
    DateTime: _datetime_key,
    Date: str,
    Buffer: bytes.hex,
    Uuid: str,
}
