"""Single values that are neither numbers nor times."""

from __future__ import annotations

import base64
import binascii
import enum
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ..geo import GeoPoint
from .base import PropertyType
from .numbers import Integer

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Null(PropertyType):
    """JSON null and nothing else."""

    name, python, message = "null", None, "is not null"
    dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> Any:
        raise self.mismatch()

    def json_schema(self) -> dict[str, Any]:
        return {"type": "null"}


class Boolean(PropertyType):
    name, python, message = "Boolean", bool, "is not a boolean"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> bool:
        if value is True or value is False:
            return value
        if text and value in ("true", "false"):
            return bool(value == "true")
        raise self.mismatch()

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class String(PropertyType):
    name, python, message = "String", str, "is not a string"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> str:
        if not isinstance(value, str):
            raise self.mismatch()
        # A member of an enum that is text becomes the text.
        plain = value if type(value) is str else str.__str__(value)
        if plain.isascii() and "\0" not in plain:
            return plain
        problem = text_problem(plain)
        if problem:
            raise self.mismatch(problem)
        return plain

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string"}


def text_problem(value: str) -> str | None:
    """Say what a text holds that some databases cannot store, or None."""
    if "\0" in value:
        return "contains a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate"
    return None


class Buffer(PropertyType):
    """Bytes, base64 text on the wire."""

    name, python, message = "Buffer", bytes, "is not base64 text"
    ordered = True

    def load(self, value: Any, *, text: bool = True) -> bytes:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if not isinstance(value, str):
            raise self.mismatch()
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise self.mismatch() from None

    def dump(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64"}


class Geo(PropertyType):
    """A :class:`~flask_loop.geo.GeoPoint`."""

    name, python, message = "GeoPoint", GeoPoint, "is not a GeoPoint"

    def load(self, value: Any, *, text: bool = True) -> GeoPoint:
        if isinstance(value, GeoPoint):
            return value
        if not text and _has_text(value):
            raise self.mismatch(f"{self.message}: lat and lng are numbers")
        try:
            return GeoPoint(value)
        except (TypeError, ValueError) as error:
            raise self.mismatch(f"{self.message}: {error}") from None

    def dump(self, value: GeoPoint) -> dict[str, float]:
        return {"lat": value.lat, "lng": value.lng}

    def json_schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {
                "lat": {"type": "number", "minimum": -90, "maximum": 90},
                "lng": {"type": "number", "minimum": -180, "maximum": 180},
            },
            "required": ["lat", "lng"],
        }


def _has_text(value: Any) -> bool:
    """Whether parts of a value are text, such as a coordinate."""
    parts = value.values() if isinstance(value, Mapping) else value
    return (
        isinstance(parts, Iterable)
        and not isinstance(value, str)
        and any(isinstance(part, str) for part in parts)
    )


class Uuid(PropertyType):
    name, python, message = "UUID", uuid.UUID, "is not a UUID"
    ordered = True

    def load(self, value: Any, *, text: bool = True) -> uuid.UUID:
        if isinstance(value, uuid.UUID):
            return value
        if isinstance(value, str) and _UUID.fullmatch(value):
            return uuid.UUID(value)
        raise self.mismatch()

    def dump(self, value: uuid.UUID) -> str:
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


#: The most values of an enum that a refusal names.
SHOWN_VALUES = 20


class Enumeration(PropertyType):
    """A member of an :class:`enum.Enum`, its value on the wire.

    The values must be all text or all integers.
    """

    name, message = "Enum", "is not one of the allowed values"
    ordered = True

    def __init__(self, enumeration: type[enum.Enum]) -> None:
        self.python = enumeration
        self.values = [member.value for member in enumeration]
        kinds = {type(value) for value in self.values}
        if kinds not in ({str}, {int}):
            raise ValueError(
                f"the values of the enum {enumeration.__name__} must be all str or all int"
            )
        self.value_type: PropertyType = String() if kinds == {str} else Integer()

    def load(self, value: Any, *, text: bool = True) -> enum.Enum:
        if isinstance(value, self.python):
            return value  # type: ignore[no-any-return]
        try:
            return self.python(self.value_type.load(value, text=text))  # type: ignore[no-any-return]
        except ValueError:
            known = ", ".join(map(str, self.values[:SHOWN_VALUES]))
            more = ", …" if len(self.values) > SHOWN_VALUES else ""
            raise self.mismatch(f"{self.message}: {known}{more}") from None

    def dump(self, value: enum.Enum) -> Any:
        return value.value

    def json_schema(self) -> dict[str, Any]:
        return {**self.value_type.json_schema(), "enum": self.values}
