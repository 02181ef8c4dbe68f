"""The Marshmallow schema of a model, and what its fields say of values that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from marshmallow import (
    EXCLUDE,
    RAISE,
    Schema,
    fields,
    missing,
    post_dump,
    post_load,
    validates_schema,
)
from marshmallow import ValidationError as SchemaError

from ..definition import Embedded, ModelDefinition, Property
from ..types import Array, Object, PropertyType, TypeMismatch


class Message(str):
    """A message of Marshmallow that carries LoopBack's code of the rule."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, code: str) -> Message:
        message = super().__new__(cls, text)
        message.code = code
        return message


BLANK = Message("can't be blank", "presence")
UNKNOWN = Message("is not defined in the model", "unknown-property")
READ_ONLY = Message("is read-only", "read-only")


class TypedField(fields.Field[Any]):
    """A Marshmallow field that takes and gives exactly what a property type does.

    :param property_type: the type.
    """

    default_error_messages = {  # noqa: RUF012 - as Marshmallow has it
        "required": BLANK,
        "null": BLANK,
    }

    def __init__(self, property_type: PropertyType, **options: Any) -> None:
        super().__init__(**options)
        self.property_type = property_type

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """As Marshmallow's, but null and defaults are validated as well: presence is a rule."""
        loaded = super().deserialize(value, attr, data, **kwargs)
        if value is None or value is missing:
            self._validate(loaded)
        return loaded

    def _validate(self, value: Any) -> None:
        try:
            super()._validate(value)
        except SchemaError as error:
            raise SchemaError(_in_one(error.messages)) from None

    def make_error(self, key: str, **kwargs: Any) -> SchemaError:
        """As Marshmallow's, but the message keeps its code."""
        return SchemaError([self.error_messages[key]])

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else self.property_type.dump(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.property_type.load(value)
        except TypeMismatch as error:
            path = spell_path(self.property_type, error.path, "wire")
            raise SchemaError(_nested(error, path)) from None


def _nested(error: TypeMismatch, path: Sequence[str | int]) -> list[Any] | dict[Any, Any]:
    messages: Any = [Message(str(error), error.code)]
    for key in reversed(path):
        messages = {key: messages}
    return messages  # type: ignore[no-any-return]


def _in_one(messages: Any) -> Any:
    """The messages of several validators: a list, or a dict where some are about inner values."""
    nested = [each for each in messages if isinstance(each, Mapping)]
    if not nested:
        return messages
    about_all = [each for each in messages if not isinstance(each, Mapping)]
    merged = {"_schema": about_all} if about_all else {}
    for each in nested:
        merged.update(each)
    return merged


def spell_path(
    kind: PropertyType, path: tuple[str | int, ...], spelling: str
) -> tuple[str | int, ...]:
    """A path inside a value with the names of embedded properties in one spelling.

    :param kind: the type of the value.
    :param path: keys and indexes; properties by Python or wire names.
    :param spelling: ``name`` for Python names, ``wire`` for wire names.
    """
    if not path:
        return ()
    key, inner = path[0], path[1:]
    if isinstance(kind, Array):
        return (key, *spell_path(kind.item, inner, spelling))
    if not (isinstance(kind, Embedded) and isinstance(key, str)):
        return path
    found = kind.definition.find(key)
    if found is None:
        return path
    return (getattr(found, spelling), *spell_path(found.type, inner, spelling))


class ModelSchema(Schema):
    """The base of the schemas that are made from definitions."""

    error_messages = {"unknown": UNKNOWN}  # noqa: RUF012 - as Marshmallow has it

    class Meta:
        unknown = EXCLUDE


class ClosedSchema(ModelSchema):
    """The base of those that refuse keys which are no property, as ``strict = "validate"`` asks."""

    class Meta:
        unknown = RAISE


class OpenSchema(ModelSchema):
    """The base of those that keep keys which are no property, as ``strict = False`` asks for."""

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_undeclared(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Hold the values of undeclared keys to the domain of JSON values."""
        messages = {}
        for key, value in self._undeclared(original).items():
            try:
                load_undeclared(key, value)
            except TypeMismatch as error:
                messages[str(key)] = _nested(error, error.path[1:])
        if messages:
            raise SchemaError(messages)

    @post_load(pass_original=True)
    def keep_undeclared(self, data: Any, original: Any, **kwargs: Any) -> dict[str, Any]:
        undeclared = self._undeclared(original).items()
        return {**data, **{key: load_undeclared(key, value) for key, value in undeclared}}

    @post_dump(pass_original=True)
    def show_undeclared(self, data: Any, original: Any, **kwargs: Any) -> dict[str, Any]:
        record = original if isinstance(original, Mapping) else original.to_record()
        return {**data, **self._undeclared(record)}

    def _undeclared(self, given: Mapping[str, Any]) -> dict[str, Any]:
        fields_ = self.declared_fields
        known = fields_.keys() | {field.data_key for field in fields_.values()}
        return {key: value for key, value in given.items() if key not in known}


def load_undeclared(key: Any, value: Any) -> Any:
    """The value of a key that is no property.

    :raises TypeMismatch: where it is no JSON value; the path begins with the key.
    """
    return next(iter(_OBJECT.load({key: value}).values()))


_OBJECT = Object()


def make_schema(
    definition: ModelDefinition,
    validators: Mapping[str, Iterable[Callable[[Any], Any]]] | None = None,
) -> Schema:
    """Make a model's Marshmallow schema.

    :param definition: the model.
    :param validators: the Marshmallow validators of each property, by Python name.
    :returns: one instance, of a class of its own that users may derive from: fields carry Python
        names, with the wire names as their ``data_key``.
    """
    validators = validators or {}
    made: dict[str, Any] = {
        each.name: _field(each, list(validators.get(each.name, ())))
        for each in definition.properties.values()
    }
    bases: dict[Any, type[ModelSchema]] = {False: OpenSchema, "validate": ClosedSchema}
    base = bases.get(definition.settings.strict, ModelSchema)
    schema_class = type(f"{definition.name}Schema", (base,), made)
    schema: Schema = schema_class()
    return schema


def _field(property_: Property, validators: list[Callable[[Any], Any]]) -> TypedField:
    options: dict[str, Any] = {
        "data_key": property_.wire,
        "allow_none": property_.nullable or property_.generated,
        "required": property_.must_be_given,
        "load_only": not property_.readable,
        "validate": validators,
        "metadata": {"description": property_.description} if property_.description else {},
    }
    blank = next(filter(None, (getattr(each, "blank_message", None) for each in validators)), None)
    if blank is not None:
        options["error_messages"] = {"required": blank, "null": blank}
    if property_.has_default:
        options["load_default"] = property_.make_default
    elif not property_.must_be_given:
        options["load_default"] = None
    return TypedField(property_.type, **options)
