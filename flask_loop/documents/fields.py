"""From a field of MongoEngine's to the property that it is, as definitions in dicts have it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias
from typing import Any

import mongoengine as me
from mongoengine.base import BaseField, GeoJsonBaseField, ObjectIdField
from pymongo.errors import PyMongoError

from ..connectors.mongodb.faults import translated
from ..types import DecimalNumber
from .codecs import Milliseconds, codec_of

Written = dict[str, Any]
#: Gives the model of an embedded document.
Embed = Callable[[type[Any]], Any]

REFERENCES = (me.ReferenceField, me.LazyReferenceField)

_TYPES: tuple[tuple[type[BaseField], Any], ...] = (
    (me.ComplexDateTimeField, "Date"),
    (me.DateField, "DateOnly"),
    (me.DateTimeField, Milliseconds()),
    (me.StringField, "String"),
    (me.IntField, "Integer"),
    (me.FloatField, "Number"),
    (me.Decimal128Field, "Decimal"),
    (me.BooleanField, "Boolean"),
    (me.UUIDField, "UUID"),
    (me.BinaryField, "Buffer"),
    (me.PointField, "GeoPoint"),
    (me.GeoPointField, "GeoPoint"),
    (GeoJsonBaseField, "Object"),
    (me.DictField, "Object"),
    (me.DynamicField, "any"),
)
_OBJECT_ID = "^[0-9a-f]{24}$"


def property_of(field: BaseField, embed: Embed) -> Written | None:
    """The type and the bounds of a field, and how its values are stored.

    :param field: the field; where it refers to a document, the property is the key.
    :param embed: gives the models of embedded documents.
    :returns: None where no property has such values.
    """
    written = _described(field, embed)
    if written is None:
        return None
    choices = _choices(field)
    if choices is not None and "enum" not in written:
        written["enum"] = choices
    codec = codec_of(field)
    if codec is not None:
        written["mongodb"] = {"codec": codec}
    return written


def _described(field: BaseField, embed: Embed) -> Written | None:
    if isinstance(field, ObjectIdField):
        return {"type": "String", "pattern": _OBJECT_ID}
    if isinstance(field, REFERENCES):
        return _key(field, embed)
    if isinstance(field, me.EmbeddedDocumentField):
        return {"type": embed(field.document_type)}
    if isinstance(field, me.EnumField):
        return _enumeration(field)
    if isinstance(field, me.ListField):
        return _list(field, embed)
    if isinstance(field, me.DictField) and field.field is not None:
        return _mapping(field, embed)
    if isinstance(field, me.SequenceField):
        return _sequence(field)
    if isinstance(field, me.DecimalField):
        return {"type": DecimalNumber(scale=field.precision), **_bounds(field)}
    if isinstance(field, me.FileField):
        return None
    found = next((known for kind, known in _TYPES if isinstance(field, kind)), None)
    return None if found is None else {"type": found, **_bounds(field)}


def _bounds(field: BaseField) -> Written:
    found: Written = {}
    for key, names in _BOUNDS.items():
        for name in names:
            value = getattr(field, name, None)
            if value is not None and value is not False:
                found[key] = value
    return found


_BOUNDS = {
    "min": ("min_value",),
    "max": ("max_value",),
    "min_length": ("min_length",),
    "max_length": ("max_length", "max_bytes"),
}


def _key(field: Any, embed: Embed) -> Written | None:
    """The property that holds the key of the document that a field refers to."""
    target = field.document_type
    if target._meta.get("abstract"):
        return None
    written = _described(target._fields[target._meta["id_field"]], embed)
    return None if written is None else {"type": written["type"]}


def _enumeration(field: me.EnumField) -> Written | None:
    members: type[enum.Enum] = field._enum_cls
    if {type(each.value) for each in members} not in ({str}, {int}):
        return None
    chosen = list(field.choices)
    return {"type": members, **({} if chosen == list(members) else {"enum": chosen})}


def _list(field: me.ListField, embed: Embed) -> Written | None:
    written: Written = {"type": "Array"}
    if field.field is not None:
        item = _described(field.field, embed)
        if item is None:
            return None
        written["type"] = [item["type"]]
    if field.required:
        written["min_length"] = 1
    if field.max_length is not None:
        written["max_length"] = field.max_length
    return written


def _mapping(field: me.DictField, embed: Embed) -> Written:
    item = _described(field.field, embed)
    # What no property has is shown as JSON.
    return {"type": "Object" if item is None else GenericAlias(dict, (str, item["type"]))}


def _sequence(field: me.SequenceField) -> Written:
    kinds: Mapping[Any, str] = {int: "Integer", str: "String"}

    def generate() -> Any:
        try:
            return field.generate()
        except PyMongoError as error:
            raise translated(error) from error

    return {"type": kinds.get(field.value_decorator, "any"), "default": generate}


def _choices(field: BaseField) -> list[Any] | None:
    """The values that a field may have, where it names them."""
    if not field.choices or isinstance(field, me.EnumField | me.ListField | me.DictField):
        return None
    choices: Sequence[Any] = list(field.choices)
    if isinstance(choices[0], list | tuple):
        return [value for value, _ in choices]
    return list(choices)


# What properties do not say


def check_of(field: BaseField) -> Callable[[Any], None] | None:
    """A function that raises a ValueError where MongoEngine refuses a value of a field.

    :returns: None where the property says all that the field does.
    """
    if not _says_more(field):
        return None
    name = field.name

    def check(record: Any) -> None:
        value = getattr(record, name, None)
        if value is None:
            return
        try:
            field._validate(value)
        except me.ValidationError as error:
            raise ValueError(error.message or "is invalid") from None

    return check


def _says_more(field: BaseField) -> bool:
    if _holds_documents(field):
        return False  # the values are no documents here
    if isinstance(field, me.ListField):
        inner = field.field
        bounds_items = inner is not None and _bounds_items(inner)
        return bounds_items or field.validation is not None or bool(field.choices)
    if isinstance(field, me.DictField) and (field.required or field.field is not None):
        return True
    has_own = type(field).validate not in _KNOWN_CHECKS
    return has_own or field.validation is not None or bool(getattr(field, "regex", None))


def _bounds_items(field: BaseField) -> bool:
    return _says_more(field) or bool(field.choices) or bool(_bounds(field))


def _holds_documents(field: BaseField) -> bool:
    if isinstance(field, me.ListField | me.DictField):
        return field.field is not None and _holds_documents(field.field)
    holding = (*REFERENCES, me.EmbeddedDocumentField, GeoJsonBaseField, me.GeoPointField)
    return isinstance(field, holding)


#: Those that refuse no value of the property's type and bounds.
_KNOWN_CHECKS = {
    each.validate
    for each in (
        *(BaseField, ObjectIdField, me.StringField, me.IntField, me.FloatField),
        *(me.DecimalField, me.Decimal128Field, me.BooleanField, me.DateTimeField),
        *(me.ComplexDateTimeField, me.UUIDField, me.BinaryField, me.EnumField),
        *(me.SequenceField, me.DynamicField, me.DictField),
    )
}
