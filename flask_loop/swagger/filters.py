"""Filters and wheres as parameters: JSON in the query, with examples that the page fills in."""

from __future__ import annotations

from typing import Any

from ..definition import MISSING, ModelDefinition, Property, RelationDefinition
from ..methods import Argument, RemoteMethod
from ..query.parser import FILTER_KEYS
from ..state import State
from ..types import Integer, Number, String
from .examples import example
from .schemas import Schemas, Variant
from .types import JsonSchema

_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_OPERATORS = (
    "Values or operators by property: eq, neq, gt, gte, lt, lte, between, inq, nin, like, nlike, "
    "ilike, nilike, regexp, exists, near; and, or and nor take lists of the same."
)


class Filters:
    """The filter parameters of one document.

    :param schemas: the document's schemas.
    :param state: the app's part of Flask-Loop.
    """

    def __init__(self, schemas: Schemas, state: State) -> None:
        self.schemas = schemas
        self.state = state

    def content(
        self, definition: ModelDefinition, method: RemoteMethod, argument: Argument
    ) -> dict[str, Any]:
        """The schema and the examples of an argument that is a filter or a where."""
        if argument.type == "where":
            return {"schema": self._where(definition), "example": where_example(definition)}
        if method.gives_one:
            named = {"fields": [definition.id.wire]} if definition.ids else {}
            return {"schema": self._of_one(definition), "example": named}
        examples = {
            summary.lower().replace(" ", "_"): {"summary": summary, "value": value}
            for summary, value in filter_examples(definition).items()
        }
        return {"schema": self._filter(definition), "examples": examples}

    def _filter(self, definition: ModelDefinition) -> JsonSchema:
        parts: dict[str, JsonSchema] = {
            "where": self._where(definition),
            "order": {
                "description": "Properties, each with ASC or DESC behind it.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "limit": {**_COUNT, "maximum": self.state.settings.max_limit},
            "skip": _COUNT,
            "offset": {**_COUNT, "description": "The same as skip."},
            "fields": _fields(definition),
            **self._include(definition),
        }
        properties = {key: parts[key] for key in FILTER_KEYS if key in parts}
        # The page fills in the first of the schema's examples, not of the parameter's.
        examples = list(filter_examples(definition).values())
        return self._shared(definition, "Filter", _closed(properties, examples=examples))

    def _where(self, definition: ModelDefinition) -> JsonSchema:
        where = {
            "type": "object",
            "description": _OPERATORS,
            "additionalProperties": True,
            "examples": [where_example(definition)],
        }
        return self._shared(definition, "Where", where)

    def _of_one(self, definition: ModelDefinition) -> JsonSchema:
        """What a filter may say of one record."""
        parts = {"fields": _fields(definition), **self._include(definition)}
        return self._shared(definition, "Fields", _closed(parts))

    def _include(self, definition: ModelDefinition) -> dict[str, JsonSchema]:
        """The part of a filter that names relations, of a model that has such."""
        names = [each.wire for each in definition.relations.values() if self._may_include(each)]
        if not names:
            return {}
        name: JsonSchema = {"type": "string", "enum": names}
        scope = {"type": "object", "description": "A filter of the related records."}
        scoped = _closed({"relation": name, "scope": scope}, required=["relation"])
        inner: JsonSchema = {"description": "What is included with them, written in the same way."}
        nested = {**_closed(dict.fromkeys(names, inner)), "minProperties": 1}
        one: JsonSchema = {"anyOf": [name, scoped, nested]}
        description = "Relations whose records come with those that are found."
        several = {"type": "array", "items": one}
        return {"include": {"description": description, "anyOf": [*one["anyOf"], several]}}

    def _may_include(self, relation: RelationDefinition) -> bool:
        if relation.options.disable_include:
            return False
        if relation.target is None or relation.is_embedded:
            return True
        return self.state.shows_records(relation.target.model)

    def _shared(self, definition: ModelDefinition, suffix: str, schema: JsonSchema) -> JsonSchema:
        reference: str = self.schemas.model(definition, Variant.RECORD)["$ref"]
        return self.schemas.shared(reference.rpartition("/")[2] + suffix, schema)


def _fields(definition: ModelDefinition) -> JsonSchema:
    names = [each.wire for each in definition.properties.values() if each.readable]
    name: JsonSchema = {"type": "string", "enum": names}
    flags = _closed({name: {"type": "boolean"} for name in names})
    return {
        "description": "The properties to give, or booleans to leave some out.",
        "anyOf": [{"type": "array", "items": name}, name, flags],
    }


def _closed(properties: dict[str, JsonSchema], **more: Any) -> JsonSchema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def filter_examples(definition: ModelDefinition) -> dict[str, Any]:
    """Filters for lists of a model, by what they do; the first gives something on any data."""
    examples: dict[str, Any] = {"The first ten": {"limit": 10}}
    property_ = _telling(definition)
    if property_ is not None:
        examples["In order"] = {"order": f"{property_.wire} DESC", "limit": 10}
        examples["Some of them"] = {"where": where_example(definition)}
        examples["Some properties"] = {"fields": [property_.wire]}
    return examples


def where_example(definition: ModelDefinition) -> dict[str, Any]:
    """A where that compares one property of a model."""
    property_ = _telling(definition) or next(iter(definition.ids), None)
    if property_ is None:
        return {}
    value = example(property_.type)
    if value is MISSING:
        return {}
    if isinstance(property_.type, String):
        return {property_.wire: {"like": "A%"}}
    return {property_.wire: {"gte": value}}


def _telling(definition: ModelDefinition) -> Property | None:
    """The property that shows best what a filter does."""
    ordered = [
        each
        for each in definition.properties.values()
        if each.readable and each.type.ordered and not each.id
    ]
    numbers = [each for each in ordered if isinstance(each.type, Integer | Number)]
    return next(iter([*numbers, *ordered]), None)
