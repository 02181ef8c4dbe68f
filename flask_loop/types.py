"""Property types: what each accepts, and what it looks like on the wire.

A type's :meth:`~PropertyType.load` takes a value from JSON, from text or from Python and gives the
Python value that records hold, or raises :class:`TypeMismatch`. Nothing is guessed: ``"abc"`` is no
number and ``"yes"`` no boolean. Its :meth:`~PropertyType.dump` gives the JSON value of the wire.

The domains are the same on every data source: integers are signed 64-bit, floats finite, text has
neither NUL nor lone surrogates, objects are at most :data:`MAX_DEPTH` deep.
"""

from __future__ import annotations

import base64
import binascii
import enum
import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from marshmallow import ValidationError as FieldError

from .geo import GeoPoint

if TYPE_CHECKING:
    from marshmallow.fields import Field

MAX_DEPTH = 32
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?!24)\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
#: Decimals are moved by powers of ten in this context, whatever the caller's own one would round.
_EXACT = Context(prec=100, traps=[Inexact])
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class TypeMismatch(ValueError):
    """A value that is not of the property's type.

    :ivar code: the name of the expected type, used as the code of the validation failure.
    :ivar path: keys and indexes inside the value, for lists and objects.
    """

    def __init__(self, code: str, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.path = path


class PropertyType:
    """The base of all property types. Instances are immutable and may be shared."""

    #: LoopBack's name of the type.
    name: ClassVar[str]
    #: The Python type that ``Model.properties`` shows.
    python: Any
    #: The phrase of the failure that follows the property's name.
    message: ClassVar[str]
    #: Whether values of this type have an order, so that ``gt`` and ``order`` mean something.
    ordered: ClassVar[bool] = False
    #: Whether :meth:`dump` gives each value back unchanged.
    dumps_itself: ClassVar[bool] = False

    def load(self, value: Any, *, text: bool = True) -> Any:
        """Give the Python value of ``value``, which is not None.

        :param text: whether the exact text of a number, boolean, … is taken, as in model bodies
            and query strings; arguments in JSON must be typed.
        :raises TypeMismatch: where the value is of another type or outside the domain.
        """
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        """Give the JSON value of a Python value, which is not None."""
        return value

    def to_json(self, value: Any) -> Any:
        """Give the JSON value that data sources without this type store; nothing is left out."""
        return self.dump(value)

    def from_json(self, value: Any) -> Any:
        """Give the Python value back from what :meth:`to_json` gave."""
        return value if self.dumps_itself else self.load(value)

    def json_schema(self) -> dict[str, Any]:
        """The type as a JSON Schema, for the API's documentation."""
        return {}

    def mismatch(self, message: str | None = None) -> TypeMismatch:
        return TypeMismatch(self.name.lower(), message or self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(type(self))


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


class Integer(PropertyType):
    """A whole number of 64 bits with sign."""

    name, python, message = "Integer", int, "is not an integer"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> int:
        is_text = type(value) is str and text and len(value) <= 20 and _INTEGER.fullmatch(value)
        if is_text or (isinstance(value, float) and value.is_integer()):
            value = int(value)
        elif not isinstance(value, int) or isinstance(value, bool):
            raise self.mismatch()
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return int(value)
        raise self.mismatch("is outside the range of 64-bit integers")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "format": "int64"}


class Number(PropertyType):
    """A number as JSON has it: integers stay integers, others are floats."""

    name, python, message = "Number", float, "is not a number"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> float:
        if type(value) is str and text and _NUMBER.fullmatch(value) and len(value) <= 400:
            value = int(value) if _INTEGER.fullmatch(value) else float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.mismatch()
        return self._in_domain(value)

    def _in_domain(self, value: Any) -> float:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.mismatch("is not a finite number")
            # 5.0 and 5 are one number in JSON: each data source stores and orders them alike.
            if value.is_integer() and MIN_INTEGER < value < MAX_INTEGER:
                return int(value)
            return float(value)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return int(value)
        raise self.mismatch("is outside the range of 64-bit integers")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number"}


class DecimalNumber(PropertyType):
    """An exact decimal, text on the wire.

    :param precision: digits in all, at most 18.
    :param scale: digits after the point. Where given, values are shown with exactly so many; where
        not, up to :attr:`DEFAULT_SCALE` are kept and zeros at the end dropped.
    """

    name, python, message = "Decimal", Decimal, "is not a decimal number"
    ordered = True
    DEFAULT_SCALE = 6
    MAX_PRECISION = 18

    def __init__(self, precision: int | None = None, scale: int | None = None) -> None:
        self.fixed = scale is not None
        self.scale = self.DEFAULT_SCALE if scale is None else scale
        self.precision = self.MAX_PRECISION if precision is None else precision
        if not 0 <= self.scale <= self.precision <= self.MAX_PRECISION:
            raise ValueError(
                f"a decimal has 0 <= scale <= precision <= {self.MAX_PRECISION} digits, "
                f"not scale {self.scale} and precision {self.precision}"
            )

    def load(self, value: Any, *, text: bool = True) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
            raise self.mismatch()
        if isinstance(value, str) and not (_NUMBER.fullmatch(value) and len(value) <= 40):
            raise self.mismatch()
        try:
            number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        except InvalidOperation:
            raise self.mismatch() from None
        return self._in_domain(number)

    def _in_domain(self, number: Decimal) -> Decimal:
        if not number.is_finite():
            raise self.mismatch("is not a finite number")
        if number and number.adjusted() >= self.precision - self.scale:
            raise self.mismatch(
                f"has more than {self.precision - self.scale} digits before the point"
            )
        try:
            scaled = int(number.scaleb(self.scale, _EXACT).to_integral_exact(context=_EXACT))
        except Inexact:
            raise self.mismatch(f"has more than {self.scale} digits after the point") from None
        return self.from_scaled(scaled)

    def to_scaled(self, value: Decimal) -> int:
        """The value as an integer count of its smallest unit, exact on every database."""
        return int(value.scaleb(self.scale, _EXACT))

    def from_scaled(self, scaled: int) -> Decimal:
        value = Decimal(scaled).scaleb(-self.scale, _EXACT)
        if self.fixed:
            return value
        return Decimal(format(value.normalize(_EXACT), "f")) if value else Decimal(0)

    def dump(self, value: Decimal) -> str:
        return format(value, "f")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "decimal"}


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


class AnyValue(PropertyType):
    """Any JSON value."""

    name, python, message = "any", Any, "is not a JSON value"
    dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> Any:
        return json_value(value)


class Object(PropertyType):
    """A JSON object; its keys are the client's own.

    :param values: the type of all its values; any JSON value where not given.
    """

    name, python, message = "Object", dict, "is not an object"

    def __init__(self, values: PropertyType | None = None) -> None:
        self.values = values or AnyValue()

    @property
    def dumps_itself(self) -> bool:  # type: ignore[override]
        return self.values.dumps_itself

    def load(self, value: Any, *, text: bool = True) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self.mismatch()
        if isinstance(self.values, AnyValue):
            return json_value(value)  # type: ignore[no-any-return]
        return {
            _json_key(key): _load_part(self.values, key, item, text) for key, item in value.items()
        }

    def dump(self, value: dict[str, Any]) -> dict[str, Any]:
        return value if self.dumps_itself else _mapped(self.values.dump, value)

    def to_json(self, value: dict[str, Any]) -> dict[str, Any]:
        return value if self.dumps_itself else _mapped(self.values.to_json, value)

    def from_json(self, value: dict[str, Any]) -> dict[str, Any]:
        return value if self.dumps_itself else _mapped(self.values.from_json, value)

    def json_schema(self) -> dict[str, Any]:
        if isinstance(self.values, AnyValue):
            return {"type": "object"}
        return {"type": "object", "additionalProperties": self.values.json_schema()}


def _mapped(function: Callable[[Any], Any], value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: function(item) for key, item in value.items()}


def _load_part(kind: PropertyType, key: str | int, value: Any, text: bool) -> Any:
    """A value inside another; what is wrong with it is said with its place."""
    if value is None:
        raise TypeMismatch(kind.name.lower(), "is null", (key,))
    try:
        return kind.load(value, text=text)
    except TypeMismatch as error:
        raise TypeMismatch(error.code, str(error), (key, *error.path)) from None


class Array(PropertyType):
    """A list whose items are all of one type."""

    name, message = "Array", "is not an array"

    def __init__(self, item: PropertyType | None = None) -> None:
        self.item = item or AnyValue()

    @property
    def python(self) -> Any:
        return list if isinstance(self.item, AnyValue) else [self.item.python]

    @property
    def dumps_itself(self) -> bool:  # type: ignore[override]
        return self.item.dumps_itself

    def load(self, value: Any, *, text: bool = True) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise self.mismatch()
        if isinstance(self.item, AnyValue):
            return json_value(list(value))  # type: ignore[no-any-return]
        return [_load_part(self.item, index, item, text) for index, item in enumerate(value)]

    def dump(self, value: list[Any]) -> list[Any]:
        return value if self.dumps_itself else [self.item.dump(item) for item in value]

    def to_json(self, value: list[Any]) -> list[Any]:
        return value if self.dumps_itself else [self.item.to_json(item) for item in value]

    def from_json(self, value: list[Any]) -> list[Any]:
        return value if self.dumps_itself else [self.item.from_json(item) for item in value]

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.json_schema()}


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
            raise self.mismatch() from None

    def dump(self, value: enum.Enum) -> Any:
        return value.value

    def json_schema(self) -> dict[str, Any]:
        return {**self.value_type.json_schema(), "enum": self.values}


class FieldValue(PropertyType):
    """A Marshmallow field of the user's own; records hold what it deserialises to.

    What it serialises to must be a JSON value, so that every data source can keep it.
    """

    name, python, message = "Field", Any, "is not valid"

    def __init__(self, field: Field[Any]) -> None:
        self.field = field

    def load(self, value: Any, *, text: bool = True) -> Any:
        try:
            loaded = self.field.deserialize(value)
        except FieldError as error:
            path, message = _first_message(error.messages)
            raise TypeMismatch(self.name.lower(), message, path) from None
        json_value(self.dump(loaded))
        return loaded

    def dump(self, value: Any) -> Any:
        return self.field.serialize("value", value, accessor=lambda held, *_: held)


def _first_message(messages: Any, path: tuple[str | int, ...] = ()) -> tuple[Any, str]:
    """The first of Marshmallow's messages, and where in the value it is about."""
    if isinstance(messages, Mapping):
        key, inner = next(iter(messages.items()))
        return _first_message(inner, path if key == "_schema" else (*path, key))
    if isinstance(messages, list):
        return _first_message(messages[0], path)
    return path, str(messages)


def text_problem(value: str) -> str | None:
    """Say what a text holds that some databases cannot store, or None."""
    if "\0" in value:
        return "contains a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate"
    return None


def is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested in more than so many levels."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return False
    return levels == 0 or any(is_deeper(item, levels - 1) for item in value)


def too_deep() -> TypeMismatch:
    return TypeMismatch("depth", f"is more than {MAX_DEPTH} levels deep")


def json_value(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Give a copy of a JSON value whose parts are all inside the domains of this module.

    :raises TypeMismatch: with the path of the part that is not.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return String().load(value)
    if isinstance(value, int | float):
        return Number().load(value)
    if depth == 0:
        raise too_deep()
    if isinstance(value, Mapping):
        return {_json_key(key): _json_part(key, item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_part(index, item, depth) for index, item in enumerate(value)]
    raise TypeMismatch("any", f"holds a {type(value).__name__}, which is not a JSON value")


def _json_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeMismatch("object", f"has the key {key!r}, which is not text")
    return String().load(key)


def _json_part(key: str | int, item: Any, depth: int) -> Any:
    try:
        return json_value(item, depth - 1)
    except TypeMismatch as error:
        raise TypeMismatch(error.code, str(error), (key, *error.path)) from None
