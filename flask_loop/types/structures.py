"""Lists, objects, and whatever else is JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError as FieldError

from .base import PropertyType, TypeMismatch
from .numbers import Number
from .scalars import String

if TYPE_CHECKING:
    from marshmallow.fields import Field

MAX_DEPTH = 32


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
