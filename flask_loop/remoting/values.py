"""The values of arguments: JSON, which is typed already, and text, which is decoded where exact."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from ..definition import Embedded
from ..types import (
    MAX_INTEGER,
    MIN_INTEGER,
    AnyValue,
    Array,
    FieldValue,
    Object,
    PropertyType,
    TypeMismatch,
)

_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_FRACTION = re.compile(r"-?(?:0|[1-9]\d*)\.\d+", re.ASCII)
_LONG_INTEGER = re.compile(r"\d{19}")
_CONSTANTS = {"null": None, "true": True, "false": False}


class Records(Protocol):
    """What makes a record of a client's data: a model's plan."""

    def unsaved(self, kind: Embedded, data: Mapping[str, Any], *, text: bool) -> Any:
        """An unsaved instance of what a client may write, or a dict where there is no model.

        :raises TypeMismatch: where a value is not of its property's type.
        """


#: Gives a value its type. It takes what makes records, the value, which is not None, and whether
#: it came as text, and raises TypeMismatch.
Reader = Callable[[Records, Any, bool], Any]


def reader_of(kind: PropertyType) -> Reader:
    """What reads the values of a type.

    :param kind: the type.
    """
    if isinstance(kind, Array):
        return _array_reader(kind)
    if isinstance(kind, Embedded):
        return _record_reader(kind)
    if isinstance(kind, Object):
        return _object_reader(kind)
    if isinstance(kind, AnyValue):
        return lambda records, value, is_text: kind.load(_guessed(value) if is_text else value)
    if isinstance(kind, FieldValue):
        return lambda records, value, is_text: kind.load(value, text=is_text)
    return _scalar_reader(kind)


def one_or_many(kind: PropertyType) -> Reader:
    """What reads a value of a type, or a list of such."""
    read_one, read_many = reader_of(kind), reader_of(Array(kind))

    def read(records: Records, value: Any, is_text: bool) -> Any:
        is_list = isinstance(value, list) or (is_text and _is_list_text(value))
        return (read_many if is_list else read_one)(records, value, is_text)

    return read


def _scalar_reader(kind: PropertyType) -> Reader:
    load = kind.load

    def read(records: Records, value: Any, is_text: bool) -> Any:
        if is_text and isinstance(value, list):
            raise kind.mismatch("is given more than once")
        return load(value, text=is_text)

    return read


def _array_reader(kind: Array) -> Reader:
    read_item = _part_reader(kind.item)
    is_of_any = isinstance(kind.item, AnyValue)

    def read(records: Records, value: Any, is_text: bool) -> list[Any]:
        if is_text and isinstance(value, str):
            is_json = _is_list_text(value)
            value, is_text = (_parsed(kind, value), False) if is_json else ([value], True)
        if not isinstance(value, list | tuple):
            raise kind.mismatch()
        if is_of_any:
            return kind.load([_guessed(item) for item in value] if is_text else value)
        return [read_item(records, index, item, is_text) for index, item in enumerate(value)]

    return read


def _object_reader(kind: Object) -> Reader:
    read_value = None if isinstance(kind.values, AnyValue) else _part_reader(kind.values)

    def read(records: Records, value: Any, is_text: bool) -> Any:
        value, is_text = _object(kind, value, is_text)
        if value is None or read_value is None:
            return value if value is None else kind.load(value)
        Object().load(dict.fromkeys(value))  # whether the keys are fit
        return {key: read_value(records, key, item, is_text) for key, item in value.items()}

    return read


def _record_reader(kind: Embedded) -> Reader:
    def read(records: Records, value: Any, is_text: bool) -> Any:
        value, is_text = _object(kind, value, is_text)
        return None if value is None else records.unsaved(kind, value, text=is_text)

    return read


def _part_reader(kind: PropertyType) -> Callable[[Records, str | int, Any, bool], Any]:
    """What reads a value inside another; what is wrong with it is said with its place."""
    read_value = reader_of(kind)

    def read(records: Records, key: str | int, value: Any, is_text: bool) -> Any:
        try:
            part = None if value is None else read_value(records, value, is_text)
        except TypeMismatch as error:
            raise TypeMismatch(error.code, str(error), (key, *error.path)) from None
        if part is None:
            raise TypeMismatch(kind.name.lower(), "is null", (key,))
        return part

    return read


def _object(kind: PropertyType, value: Any, is_text: bool) -> tuple[Mapping[str, Any] | None, bool]:
    """An object as JSON, as its JSON text, or as the brackets of a form; None for null."""
    if is_text and isinstance(value, str):
        value, is_text = _parsed(kind, value), False
        if value is None:
            return None, False
    if not isinstance(value, Mapping):
        raise kind.mismatch()
    return value, is_text


def _is_list_text(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("[") and value.endswith("]")


def _parsed(kind: PropertyType, text: str) -> Any:
    try:
        return _json(text)
    except (ValueError, RecursionError):
        raise kind.mismatch(f"{kind.message}: it is not JSON") from None


def _json(text: str) -> Any:
    """Parse JSON; integers of any length stay exact, so that they can be refused."""
    parsed = orjson.loads(text)
    return json.loads(text) if _LONG_INTEGER.search(text) else parsed


def _guessed(value: Any) -> Any:
    """What text means where any value is taken: the value whose only text it is, or the text."""
    if not isinstance(value, str):
        return value
    if value in _CONSTANTS:
        return _CONSTANTS[value]
    if _INTEGER.fullmatch(value):
        number = int(value)
        is_exact = str(number) == value and MIN_INTEGER <= number <= MAX_INTEGER
        return number if is_exact else value
    if _FRACTION.fullmatch(value):
        return float(value) if repr(float(value)) == value else value
    if value[:1] + value[-1:] in ("{}", "[]"):
        try:
            return _json(value)
        except (ValueError, RecursionError):
            return value
    return value
