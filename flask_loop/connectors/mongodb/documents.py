"""Classes of MongoEngine, generated for definitions, by which their collections are reached."""

from __future__ import annotations

from itertools import count
from typing import Any
from weakref import finalize

from mongoengine import Document, fields
from mongoengine.base import _document_registry

from ... import types
from .codecs import DECIMAL_TEXTS, OBJECT_IDS
from .collection import Field, ModelCollection

_numbers = count(1)
#: What bodies of classes have for MongoEngine, beside what the classes have.
_TAKEN = frozenset({"meta", "objects"})

_FIELDS: dict[type[types.PropertyType], type[fields.BaseField]] = {
    types.Boolean: fields.BooleanField,
    types.Integer: fields.LongField,
    types.String: fields.StringField,
    types.DateTime: fields.DateTimeField,
    types.Date: fields.DateField,
    types.Buffer: fields.BinaryField,
    types.Geo: fields.PointField,
    types.Uuid: fields.UUIDField,
    types.DecimalNumber: fields.Decimal128Field,
    types.Object: fields.DictField,
    types.Array: fields.ListField,
}


def make_document(collection: ModelCollection, alias: str) -> Any:
    """Make the class of a collection's documents.

    Its name is its own, so that it takes no other class's place among those that MongoEngine knows,
    and it leaves them when its definition is gone.

    :param collection: the collection.
    :param alias: the name of the connection.
    """
    name = f"{collection.definition.name}_{alias.replace('-', '_')}_{next(_numbers)}"
    body: dict[str, Any] = {
        "meta": {
            "collection": collection.name,
            "db_alias": alias,
            "auto_create_index": False,
            "strict": False,
        }
    }
    for property_name, field in collection.fields.items():
        if field.path == "_id" or "." not in field.path:
            body[_attribute(property_name)] = _field(field)
    if collection.is_composite:
        body["pk_"] = fields.DynamicField(primary_key=True)
    made: Any = type(name, (Document,), body)
    finalize(collection.definition, forget_document, made._class_name)
    return made


def forget_document(name: str) -> None:
    """Let MongoEngine forget a class that was generated."""
    _document_registry.pop(name, None)


def _attribute(name: str) -> str:
    is_taken = hasattr(Document, name) or name.startswith("_") or name in _TAKEN
    return f"{name}_" if is_taken else name


def _field(field: Field) -> fields.BaseField:
    kind = _FIELDS.get(field.kind.stored_as, fields.DynamicField)
    if field.codec is OBJECT_IDS:
        kind = fields.ObjectIdField
    elif field.codec is DECIMAL_TEXTS:
        kind = fields.DynamicField
    if field.path == "_id":
        return kind(primary_key=True)
    if field.codec.item is OBJECT_IDS and kind is fields.ListField:
        return fields.ListField(fields.ObjectIdField(), db_field=field.path)
    return kind(db_field=field.path)
