"""Placeholders: ``{name}`` in the texts of a template, and the values that take their places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import orjson

from ...errors import ArgumentError, DefinitionError
from ...types import (
    AnyValue,
    Array,
    Boolean,
    DateTime,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    TypeMismatch,
)

#: The types that a placeholder may name.
TYPES: Mapping[str, PropertyType] = {
    "string": String(),
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "date": DateTime(),
    "object": Object(),
    "array": Array(),
    "any": AnyValue(),
}
#: LoopBack's names of some.
_SPELLINGS = {"json": "any"}
_PLACEHOLDER = re.compile(
    r"\{(?P<need>[!^]?)(?P<name>[A-Za-z_][\w.-]*)(?:=(?P<default>[^{}:]*))?(?::(?P<type>\w+))?\}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``{!name=default:type}``.

    :ivar type: what is written of it; None where nothing is, which is text.
    :ivar required: whether it must have a value: ``{!name}`` or ``{^name}``.
    :ivar default: its value where none is given; None where there is none.
    :ivar root: the part of the template that it is in: ``url``, ``query``, ``headers``, ``body``,
        ``form``.
    :ivar is_alone: whether that whole part is nothing else.
    """

    name: str
    type: str | None
    required: bool
    default: Any
    root: str
    is_alone: bool = False

    @property
    def kind(self) -> str:
        return self.type or "string"

    def read(self, given: Any) -> Any:
        """Its value, from what a caller gives.

        :raises ArgumentError: where that is not of its type, or missing.
        """
        if given is None:
            if self.default is None and self.required:
                raise ArgumentError(self.name, "is required")
            return self.default
        if self.kind == "string" and type(given) in (int, float):
            return str(given)
        kind = TYPES[self.kind]
        try:
            return kind.dump(kind.load(given))
        except TypeMismatch as error:
            raise ArgumentError(self.name, str(error)) from None


#: A text with placeholders: literal parts, and the names of placeholders.
Parts: TypeAlias = tuple["str | Placeholder", ...]


def parts_of(text: str, root: str, place: str) -> Parts:
    """Take a text apart.

    :param place: where it is, for messages.
    :raises DefinitionError: naming a placeholder that means nothing.
    """
    parts: list[str | Placeholder] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        if found.start() > end:
            parts.append(text[end : found.start()])
        parts.append(_placeholder(found, root, place))
        end = found.end()
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


def _placeholder(found: re.Match[str], root: str, place: str) -> Placeholder:
    kind = found["type"] and found["type"].lower()
    kind = _SPELLINGS.get(kind, kind)
    if kind is not None and kind not in TYPES:
        raise DefinitionError(f"{place}: {found[0]} is of no known type: {', '.join(TYPES)}")
    default: Any = found["default"]
    if default is not None:
        try:
            type_ = TYPES[kind or "string"]
            default = type_.dump(type_.load(default))
        except TypeMismatch as error:
            raise DefinitionError(f"{place}: the default of {found[0]} {error}") from None
    return Placeholder(found["name"], kind, bool(found["need"]), default, root)


def filled(parts: Parts, values: Mapping[str, Any]) -> Any:
    """A text with values in the places of its placeholders.

    :param values: by name.
    :returns: where a placeholder is the whole text, its value as it is, of whatever type.
    """
    if len(parts) == 1 and isinstance(parts[0], Placeholder):
        return values[parts[0].name]
    return "".join(each if isinstance(each, str) else as_text(values[each.name]) for each in parts)


def as_text(value: Any) -> str:
    """A value inside a text: an object or a list as JSON; null is nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return str(value)


#: A template of JSON: texts are taken apart, all else is as it was written.
Json: TypeAlias = Any


def json_template(given: Any, root: str, place: str) -> Json:
    """Take the texts in a JSON value apart; keys are never templates."""
    if isinstance(given, str):
        return parts_of(given, root, place)
    if isinstance(given, Mapping):
        return {
            str(key): json_template(each, root, f"{place}.{key}") for key, each in given.items()
        }
    if isinstance(given, list | tuple):
        return [json_template(each, root, f"{place}[{n}]") for n, each in enumerate(given)]
    return given


def fill_json(template: Json, values: Mapping[str, Any]) -> Any:
    """A JSON value with values in the places of placeholders.

    What is alone and has no value is left out of an object, and null in a list.
    """
    if isinstance(template, tuple):
        return filled(template, values)
    if isinstance(template, dict):
        filled_in = {key: (each, fill_json(each, values)) for key, each in template.items()}
        return {
            key: value
            for key, (each, value) in filled_in.items()
            if value is not None or not isinstance(each, tuple)
        }
    if isinstance(template, list):
        return [fill_json(each, values) for each in template]
    return template


def placeholders_in(template: Json) -> Iterator[Placeholder]:
    """The placeholders of a template, in their order."""
    if isinstance(template, tuple):
        alone = len(template) == 1
        yield from (
            replace(each, is_alone=alone) for each in template if isinstance(each, Placeholder)
        )
    elif isinstance(template, dict):
        for each in template.values():
            yield from (replace(found, is_alone=False) for found in placeholders_in(each))
    elif isinstance(template, list):
        for each in template:
            yield from (replace(found, is_alone=False) for found in placeholders_in(each))
