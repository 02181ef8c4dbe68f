"""The schemas of models: one for what the API answers, others for what it takes.

Each is a component with a name of its own, made when something first refers to it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from apispec.ext.marshmallow import MarshmallowPlugin, resolver

from ..definition import (
    MISSING,
    Embedded,
    ModelDefinition,
    Property,
    registry,
    type_resolver,
)
from ..definition.embedding import embedded_in
from ..remoting import form_of_id, names_in_id, text_of
from ..schema import TypedField, make_schema
from ..types import AnyValue, Array, FieldValue, Geo, Object, PropertyType, String
from ..validation import Rule, Validator
from .examples import example
from .names import Names, class_name
from .types import JsonSchema, constraints, nullable, refuses

if TYPE_CHECKING:
    from apispec import APISpec
    from apispec.ext.marshmallow.openapi import OpenAPIConverter
    from marshmallow import Schema
    from marshmallow.fields import Field


class Variant(enum.Enum):
    """A form of a model's record; the value is the form of its schema's name."""

    RECORD = "{}"
    EMBEDDED = "Embedded{}"
    NEW = "New{}"
    PATCH = "{}Patch"
    REPLACEMENT = "{}Replacement"
    UPSERT = "{}Upsert"

    @property
    def is_answer(self) -> bool:
        """Whether the API gives it; else it takes it."""
        return self in (Variant.RECORD, Variant.EMBEDDED)

    @property
    def inside(self) -> Variant:
        """The form of a record inside this one."""
        return Variant.EMBEDDED if self.is_answer else Variant.NEW


class Schemas:
    """The schemas of one document.

    :param names: where the names of components are taken.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.plugin = MarshmallowPlugin(lambda schema: names.take(class_name(resolver(schema))))
        self.spec: APISpec
        self._models: dict[ModelDefinition, str] = {}
        self._made: dict[Any, str] = {}

    def add_model(self, definition: ModelDefinition) -> None:
        """Take a model's name before the variants of other models can."""
        self._models[definition] = self.names.take(class_name(definition.name))

    def model(self, definition: ModelDefinition, variant: Variant) -> JsonSchema:
        """A reference to the schema of a model's records."""
        key = (definition, variant)
        if key not in self._made:
            if definition not in self._models:
                self.add_model(definition)
            name = self._models[definition]
            if variant is not Variant.RECORD:
                name = self.names.take(variant.value.format(name))
            # The name comes first: a model may hold records of itself.
            self._made[key] = name
            self.spec.components.schema(name, self._record(definition, variant))
        return self._reference(self._made[key])

    def without(
        self, definition: ModelDefinition, variant: Variant, names: Sequence[str]
    ) -> JsonSchema:
        """A reference to the schema of a model's records that leaves some properties out.

        :param names: their Python names.
        """
        whole = self.model(definition, variant)
        left_out = {definition.properties[name].wire for name in names}
        record = self.resolve(whole)
        if left_out.isdisjoint(record["properties"]):
            return whole
        key = (definition, variant, frozenset(left_out))
        if key not in self._made:
            parts = "And".join(map(class_name, sorted(left_out)))
            name = whole["$ref"].rpartition("/")[2]
            self._made[key] = self.names.take(f"{name}Without{parts}")
            kept = {k: v for k, v in record["properties"].items() if k not in left_out}
            required = [each for each in record.get("required", ()) if each not in left_out]
            schema = {**record, "properties": kept, "required": required}
            if not required:
                del schema["required"]
            self.spec.components.schema(self._made[key], schema)
        return self._reference(self._made[key])

    def shared(self, name: str, schema: JsonSchema) -> JsonSchema:
        """A reference to a schema that is none of a model's, added when it is first asked for."""
        if name not in self._made:
            self._made[name] = self.names.take(name)
            self.spec.components.schema(self._made[name], schema)
        return self._reference(self._made[name])

    def type(self, kind: PropertyType, variant: Variant = Variant.EMBEDDED) -> JsonSchema:
        """The schema of a property type's values.

        :param kind: the type.
        :param variant: the form of records, where the values are or hold some.
        """
        if isinstance(kind, Embedded):
            if kind.definition.model is None:
                return self._record(kind.definition, variant)
            return self.model(kind.definition, variant)
        if isinstance(kind, Array):
            return {"type": "array", "items": self.type(kind.item, variant)}
        if isinstance(kind, Object) and not isinstance(kind.values, AnyValue):
            return {"type": "object", "additionalProperties": self.type(kind.values, variant)}
        if isinstance(kind, FieldValue):
            return self._field(kind.field)
        if isinstance(kind, Geo):
            point = {**kind.json_schema(), "additionalProperties": False}
            return self.shared("GeoPoint", {**point, "examples": [example(kind)]})
        return kind.json_schema()

    def named(self, definition: ModelDefinition, type_name: str) -> JsonSchema:
        """The schema of a type that a method of a model declares in LoopBack's words."""
        return self.type(type_resolver(definition.name, registry)(type_name))

    def id(self, definition: ModelDefinition) -> JsonSchema:
        """The schema of a record's id in a path."""
        if len(definition.ids) == 1:
            return self.type(definition.id.type)
        schema = self.type(String())
        return {**schema, "pattern": form_of_id(definition)} if definition.ids else schema

    def id_parameter(self, definition: ModelDefinition, said: str) -> JsonSchema:
        """What a parameter has that is a record's id: its schema, and how an id is written.

        :param said: what is said of it anyway.
        """
        parameter: JsonSchema = {"schema": self.id(definition)}
        if len(definition.ids) > 1:
            shown = _id_example(definition)
            such_as = "" if shown is None else f", such as `{shown}`"
            said = (
                f"{said.rstrip('.')}: `{names_in_id(definition)}` with commas between them"
                f"{such_as}. In a value, a comma is written `\\,` and a backslash `\\\\`."
            )
            if shown is not None:
                parameter["example"] = shown
        return {"description": said, **parameter} if said else parameter

    def resolve(self, reference: JsonSchema) -> JsonSchema:
        """The schema that a reference stands for."""
        return self.spec.components.schemas[reference["$ref"].rpartition("/")[2]]

    def _reference(self, name: str) -> JsonSchema:
        return {"$ref": f"#/components/schemas/{name}"}

    def _record(self, definition: ModelDefinition, variant: Variant) -> JsonSchema:
        fields = _fields_of(definition)
        record: JsonSchema = {"type": "object", "properties": {}}
        if definition.settings.description:
            record["description"] = definition.settings.description
        required = []
        for name, field in fields.items():
            property_ = definition.properties.get(name)
            if _is_part(definition, property_, field, variant):
                key = field.data_key or name
                record["properties"][key] = self._property(definition, property_, field, variant)
                if _is_required(property_, field, variant):
                    required.append(key)
        if required:
            record["required"] = required
        strict = definition.settings.strict
        if strict is False or (strict == "validate" and not variant.is_answer):
            record["additionalProperties"] = strict is False
        return record

    def _property(
        self,
        definition: ModelDefinition,
        property_: Property | None,
        field: Field[Any],
        variant: Variant,
    ) -> JsonSchema:
        if isinstance(field, TypedField):
            schema = self._typed(definition, property_, field, variant)
        else:
            schema = self._field(field)
        if property_ is not None:
            schema = {**schema, **_flags(definition, property_, variant)}
            if property_.description:
                schema["description"] = property_.description
        return schema

    def _field(self, field: Field[Any]) -> JsonSchema:
        """The schema of a Marshmallow field of the user's own."""
        converter = cast("OpenAPIConverter", self.plugin.converter)
        schema: JsonSchema = converter.field2property(field)
        return schema

    def _typed(
        self,
        definition: ModelDefinition,
        property_: Property | None,
        field: TypedField,
        variant: Variant,
    ) -> JsonSchema:
        kind, rules = field.property_type, _rules(field)
        schema = self.type(kind, variant.inside)
        if "$ref" not in schema:
            type_, is_answer = schema.get("type"), variant.is_answer
            schema |= constraints(kind, rules, type_, of_answers=is_answer)
        default = MISSING if property_ is None else property_.default
        if not variant.is_answer and default is not MISSING and default is not None:
            schema["default"] = kind.dump(kind.load(default))
        if _may_be_null(property_, field, rules, variant):
            schema = nullable(schema)
        return {**schema, **_examples(definition, field, rules, default)}


def _fields_of(definition: ModelDefinition) -> Mapping[str, Field[Any]]:
    """The fields of a model's Marshmallow schema, which may be the user's own."""
    model = definition.model
    if model is not None:
        schema: Schema = model.schema
    else:
        schema = make_schema(definition, Validator(definition).by_property())
    return schema.fields


def _is_part(
    definition: ModelDefinition, property_: Property | None, field: Field[Any], variant: Variant
) -> bool:
    if variant.is_answer:
        if field.load_only:
            return False
    elif field.dump_only:
        return False
    if property_ is None:
        return True
    if property_.hidden or (property_.protected and variant is Variant.EMBEDDED):
        return False
    if variant.is_answer:
        return property_.readable
    return _is_taken(definition, property_, variant)


def _is_taken(definition: ModelDefinition, property_: Property, variant: Variant) -> bool:
    """Whether a client's data may have the property."""
    if property_.read_only:
        return False
    if variant is Variant.NEW:
        return not _is_forced(definition, property_)
    if variant is Variant.PATCH:
        return not (property_.create_only or property_.id)
    return True


def _is_forced(definition: ModelDefinition, property_: Property) -> bool:
    return bool(property_.id and property_.generated and definition.settings.force_id)


def _is_required(property_: Property | None, field: Field[Any], variant: Variant) -> bool:
    """Whether the schema says that a value has to be there.

    An answer has all of them, unless a filter's ``fields`` leaves some out: so none is.
    """
    if variant not in (Variant.NEW, Variant.REPLACEMENT):
        return False
    if property_ is None:
        return bool(field.required)
    if variant is Variant.REPLACEMENT and (property_.id or property_.create_only):
        return False
    is_filled = property_.has_default or property_.generated
    return bool(field.required) or (not is_filled and refuses(_rules(field), None))


def _may_be_null(
    property_: Property | None, field: Field[Any], rules: list[Rule], variant: Variant
) -> bool:
    if variant is Variant.EMBEDDED and property_ is not None and property_.generated:
        return True
    return bool(field.allow_none) and (variant.is_answer or not refuses(rules, None))


def _id_example(definition: ModelDefinition) -> str | None:
    """The text of an id of several properties that a record could have, where one is found."""
    fields = _fields_of(definition)
    values = []
    for each in definition.ids:
        field = fields.get(each.name)
        rules = _rules(field) if isinstance(field, TypedField) else ()
        values.append(example(each.type, rules, each.default, each.name))
    return None if MISSING in values else text_of(values)


def _rules(field: Field[Any]) -> list[Rule]:
    return [rule for rule in field.validators if isinstance(rule, Rule)]


def _flags(definition: ModelDefinition, property_: Property, variant: Variant) -> JsonSchema:
    if not variant.is_answer:
        return {"writeOnly": True} if property_.write_only else {}
    is_fixed = property_.read_only or _is_forced(definition, property_)
    return {"readOnly": True} if is_fixed else {}


def _examples(
    definition: ModelDefinition, field: TypedField, rules: list[Rule], default: Any
) -> JsonSchema:
    kind = field.property_type
    if embedded_in(kind) is not None:
        if not holds_itself(definition, kind):
            return {}
        # A record inside a record of its own model would need one inside itself, and so on.
        return {"examples": [_nothing_of(kind)]}
    if isinstance(getattr(kind, "item", kind), FieldValue | Geo):
        return {}
    found = example(kind, rules, default, field.name or "")
    return {} if found is MISSING else {"examples": [found]}


def _nothing_of(kind: PropertyType) -> Any:
    if isinstance(kind, Embedded):
        return None
    return {} if isinstance(kind, Object) else []


def holds_itself(definition: ModelDefinition, kind: PropertyType) -> bool:
    """Whether a property type of a model holds, at any depth, records of that model."""
    return definition in definitions_in([kind])


def definitions_in(kinds: Iterable[PropertyType | None]) -> set[ModelDefinition]:
    """The definitions of the records that types are or hold, at any depth."""
    found: set[ModelDefinition] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        record = None if kind is None else embedded_in(kind)
        if record is not None and record.definition not in found:
            found.add(record.definition)
            waiting += (each.type for each in record.definition.properties.values())
    return found
