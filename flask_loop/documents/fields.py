"""From a field of MongoEngine's to the property that it is, as definitions in dicts have it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias
from typing import Any

import mongoengine as me
from mongoengine.base import BaseField, GeoJsonBaseField, ObjectIdField
from pymongo.errors import PyMongoError

from ..connectors.mongodb.codecs import is_object_id
from ..connectors.mongodb.faults import translated
from ..types import DecimalNumber
from .codecs import Milliseconds, codec_of

Written = dict[str, Any]
#: Gives the model of an embedded document.
Embed = Callable[[type[Any]], Any]

REFERENCES = (me.ReferenceField, me.LazyReferenceField)
_HOLDING = (me.ListField, me.DictField)

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
    if written is None:
        return None
    return {key: written[key] for key in ("type", "pattern") if key in written}


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


def check_of(
    field: BaseField, name: str, *, has_own_type: bool = True
) -> Callable[[Any], None] | None:
    """A function that raises a ValueError where MongoEngine refuses a value of a field.

    :param name: the Python name of its property.
    :param has_own_type: whether the property's type is what the field is, not what the app says.
    :returns: None where the property says all that the field does.
    """
    says_more = _says_more(field)
    has_ids = has_own_type and isinstance(field, _HOLDING) and _holds_ids(field)
    if not says_more and not has_ids:
        return None

    def check(record: Any) -> None:
        value = getattr(record, name, None)
        if value is None:
            return
        if has_ids and not _has_ids_only(value):
            raise ValueError("holds what is no text of 24 hexadecimal digits")
        if says_more:
            _refuse_as_the_app(field, value)

    return check


def _refuse_as_the_app(field: BaseField, value: Any) -> None:
    try:
        field._validate(value)
    except me.ValidationError as error:
        raise ValueError(error.message or "is invalid") from None


def _holds_ids(field: BaseField | None) -> bool:
    """Whether the values of a field, or those inside of them, are ObjectIds or keys that are."""
    if isinstance(field, _HOLDING):
        return _holds_ids(field.field)
    if isinstance(field, REFERENCES):
        meta = field.document_type._meta
        is_abstract = meta.get("abstract")
        return not is_abstract and _holds_ids(field.document_type._fields[meta["id_field"]])
    return isinstance(field, ObjectIdField)


def _has_ids_only(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_has_ids_only, value.values()))
    if isinstance(value, list):
        return all(map(_has_ids_only, value))
    return value is None or is_object_id(value)


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
