"""What users' own methods take: parameters, and bodies with the arguments as their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..definition import MISSING, Embedded, ModelDefinition
from ..methods import Argument, RemoteMethod, Route
from ..types import AnyValue, Array, Buffer, Geo, Object, PropertyType, String
from .examples import example
from .schemas import Schemas, Variant
from .types import JsonSchema, nullable

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

#: What a file is in a form, and as an answer.
BINARY: JsonSchema = {"type": "string", "format": "binary"}
#: Text that is read as the value whose only text it is.
_TEXT_OF_ANY: JsonSchema = {"type": ["string", "number", "boolean"]}
#: Buffers where they come as text. Where a schema names the encoding, the page asks for a file and
#: sends that as it is.
_BASE64: JsonSchema = {
    "type": "string",
    "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
_PARAMETERS = ("path", "query", "header")


class Arguments:
    """The arguments of users' own methods in one document.

    :param schemas: the document's schemas.
    """

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def parameters(
        self, definition: ModelDefinition, method: RemoteMethod, route: Route
    ) -> list[dict[str, Any]]:
        """The parameters of a method by one of its routes, those of the path first.

        :param definition: the model's.
        """
        parameters = []
        if method.on_instance:
            parameters.append(self._id(definition, method))
        for place in _PARAMETERS:
            for argument in _of_clients(method, route):
                is_id = method.on_instance and argument.name == "id"
                if place_of(method, argument, route) == place and not is_id:
                    parameters.append(self._parameter(argument, place))
        return parameters

    def body(self, method: RemoteMethod, route: Route) -> dict[str, Any] | None:
        """The body of a method's requests by one of its routes; None where it takes none."""
        taken = [(each, place_of(method, each, route)) for each in _of_clients(method, route)]
        whole = [each for each, place in taken if place == "body"]
        fields = [each for each, place in taken if place == "form"]
        if not whole and not fields:
            return None
        body: dict[str, Any] = {
            "content": {
                type_: {"schema": self._schema(type_, whole, fields), **_encoding(type_, fields)}
                for type_ in _media_types(whole, fields)
            }
        }
        if described := [each.description for each in whole if each.description]:
            body["description"] = " ".join(described)
        if any(each.required for each in (*whole, *fields)):
            body["required"] = True
        return body

    # Parameters

    def _id(self, definition: ModelDefinition, method: RemoteMethod) -> dict[str, Any]:
        """The id of the record whose method it is, which need not be among the arguments."""
        declared = next((each for each in method.accepts if each.name == "id"), None)
        said = "" if declared is None else declared.description
        return {
            "name": "id",
            "in": "path",
            "required": True,
            **self.schemas.id_parameter(definition, said or "The record's id."),
        }

    def _parameter(self, argument: Argument, place: str) -> dict[str, Any]:
        parameter: dict[str, Any] = {"name": argument.name, "in": place}
        if argument.description:
            parameter["description"] = argument.description
        if argument.required or place == "path":
            parameter["required"] = True
        schema, shown = self._text_of(argument), _example(argument)
        if _is_json(_kind(argument), place):
            return {**parameter, "content": {JSON: {"schema": schema | shown}}}
        if argument.required and shown:
            parameter["example"] = shown["examples"][0]  # which the page fills in
        return {**parameter, "schema": schema}

    def _text_of(self, argument: Argument) -> JsonSchema:
        """The schema of an argument's values where they come as text; an empty list is nothing."""
        kind = _kind(argument)
        least = {"minItems": 1} if argument.required and isinstance(kind, Array) else {}
        return {**self._text(kind), **least, **_bounds(argument), **_default(argument)}

    def _text(self, kind: PropertyType) -> JsonSchema:
        """The schema of a type's values where they come as text."""
        if isinstance(kind, AnyValue):
            return _TEXT_OF_ANY
        if isinstance(kind, Buffer):
            return _BASE64
        if isinstance(kind, Array) and _is_plain(kind.item):
            return {"type": "array", "items": self._text(kind.item)}
        return self.schemas.type(kind, Variant.NEW)

    # Bodies

    def _schema(
        self, media_type: str, whole: Sequence[Argument], fields: Sequence[Argument]
    ) -> JsonSchema:
        """The schema of a body; all arguments that are the whole of it get the same."""
        parts = [self._value(each) for each in whole]
        if fields:
            parts.append(self._fields(fields, is_text=media_type != JSON))
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _fields(self, arguments: Sequence[Argument], *, is_text: bool) -> JsonSchema:
        schema: JsonSchema = {
            "type": "object",
            "properties": {each.name: self._field(each, is_text=is_text) for each in arguments},
        }
        if required := [each.name for each in arguments if each.required]:
            schema["required"] = required
        return schema

    def _field(self, argument: Argument, *, is_text: bool) -> JsonSchema:
        described = {"description": argument.description} if argument.description else {}
        if argument.kind is None:
            is_list = argument.many or argument.type == "[file]"
            least = {"minItems": 1} if argument.required else {}
            schema = {"type": "array", "items": BINARY, **least} if is_list else BINARY
        elif is_text:
            schema = self._text_of(argument) | _example(argument)
        else:
            schema = self._value(argument)
        return {**schema, **described}

    def _value(self, argument: Argument) -> JsonSchema:
        """The schema of an argument's values as JSON."""
        kind = argument.kind or AnyValue()
        schema = self.schemas.type(kind, Variant.NEW)
        if argument.many:
            schema = {"anyOf": [schema, {"type": "array", "items": schema}]}
        else:
            schema = {**schema, **_bounds(argument)}
        if _takes_null(argument):
            schema = nullable(schema)
        return {**schema, **_default(argument), **_example(argument)}


def place_of(method: RemoteMethod, argument: Argument, route: Route) -> str:
    """Where a client puts an argument: ``path``, ``query``, ``header``, ``form`` or ``body``."""
    place = argument.place_in(route)
    has_whole_body = any(each.source == "body" for each in method.accepts)
    return "query" if place == "form" and argument.source == "any" and has_whole_body else place


def _of_clients(method: RemoteMethod, route: Route) -> list[Argument]:
    """The arguments that clients give; those in the path they have to know."""
    return [
        each
        for each in method.accepts
        if each.is_from_client and (each.documented or each.place_in(route) == "path")
    ]


def _media_types(whole: Sequence[Argument], fields: Sequence[Argument]) -> list[str]:
    """The media types of a body: files are in multipart forms, and all forms are objects."""
    if any(each.kind is None for each in fields):
        return [MULTIPART]
    are_objects = all(isinstance(each.kind, AnyValue | Embedded | Object) for each in whole)
    return [JSON, URLENCODED] if are_objects else [JSON]


def _encoding(media_type: str, fields: Sequence[Argument]) -> dict[str, Any]:
    """How a urlencoded form writes what is not plain: ``place[lat]=52.5``, or as JSON text."""
    if media_type != URLENCODED:
        return {}
    encoding: dict[str, Any] = {}
    for each in fields:
        kind = _kind(each)
        if isinstance(kind, Embedded | Geo | Object):
            encoding[each.name] = {"style": "deepObject", "explode": True}
        elif not _is_plain(getattr(kind, "item", kind)):
            encoding[each.name] = {"contentType": JSON}
    return {"encoding": encoding} if encoding else {}


def _kind(argument: Argument) -> PropertyType:
    """The type of what a client may give, as a list where one or many are taken."""
    kind = argument.kind or AnyValue()
    return Array(kind) if argument.many else kind


def _is_plain(kind: PropertyType) -> bool:
    """Whether the values of a type are single texts in a query or a form."""
    return not isinstance(kind, Array | Embedded | Geo | Object)


def _is_json(kind: PropertyType, place: str) -> bool:
    """Whether a parameter is JSON text. Lists are a query's alone, whose keys are repeated."""
    if isinstance(kind, Array):
        return place != "query" or not _is_plain(kind.item)
    return not _is_plain(kind)


def _takes_null(argument: Argument) -> bool:
    if argument.required or argument.nullable:
        return argument.nullable
    return isinstance(argument.kind, Embedded | Object)


def _bounds(argument: Argument) -> JsonSchema:
    """A required argument that is empty text is missing."""
    is_text = isinstance(argument.kind, Buffer | String) and not argument.many
    return {"minLength": 1} if argument.required and is_text else {}


def _default(argument: Argument) -> JsonSchema:
    if argument.kind is None or argument.default is None or argument.default is MISSING:
        return {}
    is_list = argument.many and isinstance(argument.default, list)
    kind = Array(argument.kind) if is_list else argument.kind
    return {"default": kind.dump(kind.load(argument.default))}


def _example(argument: Argument) -> JsonSchema:
    kind = argument.kind
    if kind is None or isinstance(getattr(kind, "item", kind), Embedded | Geo):
        return {}
    found = example(kind, default=argument.default, name=argument.name)
    return {} if found is MISSING else {"examples": [found]}
