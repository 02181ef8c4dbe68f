"""How MongoEngine stores the values of fields, where the connector would do so otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any
from uuid import UUID

import mongoengine as me
from bson import DBRef
from mongoengine.base import BaseField, ObjectIdField

from ..connectors.mongodb.codecs import OBJECT_IDS, Codec
from ..connectors.mongodb.codecs import codec_of as codec_of_type
from ..connectors.mongodb.instants import read_instant, wire_instant
from ..connectors.mongodb.names import field_name, key_of
from ..types import Array, DateTime, DecimalNumber, Geo, PropertyType, Uuid

_dump_instant = DateTime().dump

_UUID_TEXTS = Codec(str, UUID, str)
_POINTS = codec_of_type(Geo())
#: Pairs of numbers, the older form of points.
_PAIRS = Codec(
    lambda point: [point.lng, point.lat],
    _POINTS.to_python,
    _POINTS.to_wire,
    equals=False,
    sorts=False,
)


#: BSON's dates, with no field beside them for their microseconds.
_INSTANTS = Codec(None, read_instant, wire_instant)


class Milliseconds(DateTime):
    """An instant that drops its microseconds, as BSON's dates do."""

    @property
    def stored_as(self) -> type[PropertyType]:
        return DateTime

    def load(self, value: Any, *, text: bool = True) -> datetime:
        loaded = super().load(value, text=text)
        return loaded.replace(microsecond=loaded.microsecond // 1000 * 1000)


def codec_of(field: BaseField) -> Codec | None:
    """The codec of a field, or None where it is the one of its property's type."""
    if isinstance(field, me.DateTimeField) and not isinstance(field, me.DateField):
        return _INSTANTS
    if isinstance(field, me.ComplexDateTimeField):
        return _texts_of_instants(field)
    if isinstance(field, me.DecimalField):
        return _decimals(field)
    if isinstance(field, me.UUIDField):
        return None if field._binary else _UUID_TEXTS
    if isinstance(field, me.GeoPointField):
        return _PAIRS
    if isinstance(field, ObjectIdField):
        return OBJECT_IDS
    if isinstance(field, me.ReferenceField | me.LazyReferenceField):
        return _references(field)
    if isinstance(field, me.SortedListField):
        return _sorted_list(field)
    if isinstance(field, me.ListField | me.DictField):
        item = None if field.field is None else codec_of(field.field)
        make = _list if isinstance(field, me.ListField) else _mapping
        return None if item is None else make(item)
    return None


def _texts_of_instants(field: me.ComplexDateTimeField) -> Codec:
    def store(value: datetime) -> str:
        text: str = field._convert_from_datetime(value.astimezone(UTC).replace(tzinfo=None))
        return text

    def read(raw: Any) -> datetime:
        if isinstance(raw, datetime):
            return read_instant(raw)
        found: datetime = field._convert_from_string(raw)
        return found.replace(tzinfo=UTC)

    return Codec(store, read, lambda raw: _dump_instant(read(raw)))


def _decimals(field: me.DecimalField) -> Codec:
    def read(raw: Any) -> Decimal:
        found = field.to_python(raw)  # which gives back what it cannot read
        if not isinstance(found, Decimal) or not found.is_finite():
            raise DecimalNumber().mismatch()
        return found

    def to_wire(raw: Any) -> str:
        return format(read(raw), "f")

    if not field.force_string:
        return Codec(float, read, to_wire)

    def forms(value: Decimal) -> list[Any]:
        return [str(read(value))] if read(value) == value else []

    # Texts have another order than the numbers in them.
    return Codec(field.to_mongo, read, to_wire, sorts=False, forms=forms)


def _references(field: Any) -> Codec | None:
    """The codec of what names another document: by its id, or by that in a DBRef."""
    target = field.document_type
    id_field = target._fields[target._meta["id_field"]]
    ids = codec_of(id_field)
    if not field.dbref:
        return ids
    collection = target._get_collection_name()

    def inner() -> Codec:
        if ids is not None or not isinstance(id_field, me.UUIDField):
            return ids or Codec()
        # How they are written is known when the app has connected.
        options = target._get_collection().codec_options
        return codec_of_type(Uuid(), options.uuid_representation)

    def store(value: Any) -> DBRef:
        return DBRef(collection, inner().stored(value))

    def raw_id(raw: Any) -> Any:
        return raw.id if isinstance(raw, DBRef) else raw

    def read(raw: Any) -> Any:
        return inner().read(raw_id(raw))

    def to_wire(raw: Any) -> Any:
        return inner().shown(raw_id(raw))

    return Codec(store, read, to_wire, sorts=False)


# Lists and objects


def _list(item: Codec) -> Codec:
    return Codec(
        lambda value: [_each(item.stored, each) for each in value],
        lambda raw: [_each(item.read, each) for each in _listed(raw)],
        lambda raw: [_each(item.shown, each) for each in _listed(raw)],
        equals=False,
        sorts=False,
        opaque=True,
    )


def _mapping(item: Codec) -> Codec:
    def read(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {key_of(name): _each(item.read, each) for name, each in raw.items()}

    def to_wire(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {key_of(name): _each(item.shown, each) for name, each in raw.items()}

    return Codec(
        lambda value: {field_name(key): _each(item.stored, each) for key, each in value.items()},
        read,
        to_wire,
        equals=False,
        sorts=False,
        opaque=True,
    )


def _sorted_list(field: me.SortedListField) -> Codec | None:
    item = Codec() if field.field is None else codec_of(field.field) or Codec()
    key = None if field._ordering is None else itemgetter(field._ordering)
    plain = _list(item)

    def store(value: list[Any]) -> list[Any]:
        return sorted(plain.stored(value), key=key, reverse=field._order_reverse)

    return Codec(store, plain.to_python, plain.to_wire, equals=False, sorts=False, opaque=True)


def _listed(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise Array().mismatch()
    return raw


def _each(convert: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else convert(value)
