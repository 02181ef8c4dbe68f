"""How each property type is stored in documents: the BSON value, and the way there and back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from bson import Decimal128, ObjectId
from bson.binary import Binary, UuidRepresentation

from ...definition import Embedded, ModelDefinition, Property
from ...geo import GeoPoint
from ...types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    FieldValue,
    Geo,
    Integer,
    Null,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)
from ..mending import UNREADABLE, UNREADABLE_FIELD, Faults
from ..options import named_field
from .instants import (
    read_day,
    read_inner_instant,
    read_instant,
    store_day,
    store_inner_instant,
    wire_inner_instant,
    wire_instant,
)
from .names import field_name, key_of
from .plain import is_uuid, read_json, read_number, stored_json, text_of_uuid

_OBJECT_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)
_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one property type is stored.

    What others have stored may be of any type. JSON of another type than the property's is read
    as it is.

    :ivar store: gives the BSON value of a Python value, or None where it is the same.
    :ivar to_python: gives the Python value back, or None where it is the same.
    :ivar to_wire: gives the JSON value, or None where it is the same.
    :ivar plain: a type whose values are the same in all three.
    :ivar equals: whether MongoDB finds the values that are equal to one.
    :ivar sorts: whether it has the order of the values.
    :ivar matches: whether it matches the values with patterns.
    :ivar forms: gives all BSON values that a Python value may be, where there are several.
    :ivar opaque: whether MongoDB can say no more of the values than whether there is one.
    :ivar faults: what the last two raise where a value is none of the type.
    :ivar item: how the items of a list, or the values of an object, are stored.
    :ivar inner: gives the fields of an embedded record.
    """

    store: Convert | None = None
    to_python: Convert | None = None
    to_wire: Convert | None = None
    plain: type | None = None
    equals: bool = True
    sorts: bool = True
    matches: bool = False
    forms: Callable[[Any], list[Any]] | None = None
    opaque: bool = False
    faults: Faults = UNREADABLE
    item: Codec | None = None
    inner: Callable[[], InnerFields] | None = None

    def stored(self, value: Any) -> Any:
        """The BSON value of a Python value, which is not None."""
        return value if self.store is None else self.store(value)

    def read(self, raw: Any) -> Any:
        """The Python value of a BSON value, which is not None."""
        return raw if self.to_python is None else self.to_python(raw)

    def shown(self, raw: Any) -> Any:
        """The JSON value of a BSON value, which is not None."""
        return raw if self.to_wire is None else self.to_wire(raw)

    def all_forms(self, value: Any) -> list[Any]:
        """The BSON values that a Python value may be."""
        return [self.stored(value)] if self.forms is None else self.forms(value)


def codec_of(kind: PropertyType, uuids: int = UuidRepresentation.STANDARD) -> Codec:
    """The codec of a type.

    :param uuids: how UUIDs are written, one of the driver's ``UuidRepresentation``.
    """
    made = _CODECS.get(kind.stored_as)
    return _MAKERS[kind.stored_as](kind, uuids) if made is None else made


def given_codec(property_: Property) -> Codec | None:
    """The codec that a property's options have, where it is not the one of its type."""
    options = property_.options.get("mongodb", {})
    given: Codec | None = options.get("codec")
    if given is not None:
        return given
    texts = DATA_TYPES.get(str(options.get("dataType")).lower())
    return None if texts is None else codec_of_texts(property_.type, texts)


def codec_of_texts(kind: PropertyType, texts: Codec) -> Codec | None:
    """The codec of texts that are stored in their own way, or of lists or objects of such ones.

    :param texts: how they are stored.
    :returns: None where the type is of something else.
    """
    if isinstance(kind, String):
        return texts
    if isinstance(kind, Array):
        item = codec_of_texts(kind.item, texts)
        return None if item is None else _list_of(kind, item)
    if isinstance(kind, Object):
        item = codec_of_texts(kind.values, texts)
        return None if item is None else _object_of(kind, item)
    return None


# Ids of MongoDB's own kind


def is_object_id(value: Any) -> bool:
    """Whether a text is an ObjectId, written as MongoDB writes it."""
    return isinstance(value, str) and _OBJECT_ID.fullmatch(value) is not None


def _object_id(value: str) -> Any:
    return ObjectId(value) if is_object_id(value) else value


def _id_forms(value: Any) -> list[Any]:
    return [ObjectId(value), value] if is_object_id(value) else [stored_json(value)]


def _text(raw: Any) -> str:
    if raw.__class__ is ObjectId:
        return raw.binary.hex()
    return raw if raw.__class__ is str else str(raw)


#: Texts that are ObjectIds where they look like one, and have no order of texts then.
OBJECT_IDS = Codec(_object_id, _text, _text, forms=_id_forms)
#: Ids that are texts, or ObjectIds where others stored them.
TEXT_IDS = Codec(None, _text, _text, plain=str, matches=True, forms=_id_forms)
#: Ids of any type, or ObjectIds where others stored them.
OPEN_IDS = Codec(stored_json, read_json, read_json, forms=_id_forms)


# Numbers that texts stand for


def _decimal_of(value: Any) -> Any:
    """A text as a Decimal128 that has all of it, or itself where there is none."""
    if isinstance(value, str) and _PLAIN_DECIMAL.fullmatch(value):
        with suppress(ArithmeticError):  # it has more digits, or a greater exponent
            found = Decimal128(value)
            if _read_decimal_text(found) == value:
                return found
    return value


def _read_decimal_text(raw: Any) -> str:
    return format(raw.to_decimal(), "f") if isinstance(raw, Decimal128) else _text(raw)


def _decimal_forms(value: Any) -> list[Any]:
    found = _decimal_of(value)
    return [value] if found is value else [found, value]


#: Texts that are Decimal128 where they are numbers; MongoDB finds the equal numbers as well.
DECIMAL_TEXTS = Codec(
    _decimal_of,
    _read_decimal_text,
    _read_decimal_text,
    equals=False,
    sorts=False,
    forms=_decimal_forms,
)
#: How texts are stored whose options name a type, by its name in lower case.
DATA_TYPES = {"objectid": OBJECT_IDS, "decimal128": DECIMAL_TEXTS}


# Single values


def _read_bytes(raw: Any) -> bytes:
    if not isinstance(raw, bytes):
        raise Buffer().mismatch()
    return bytes(raw)


def _store_point(point: GeoPoint) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [point.lng, point.lat]}


def _read_point(raw: Any) -> GeoPoint:
    if isinstance(raw, Mapping):
        if "coordinates" not in raw:
            return GeoPoint(raw)
        raw = raw["coordinates"]
    if not isinstance(raw, list):
        raise Geo().mismatch()
    lng, lat = raw
    return GeoPoint(lat, lng)


def _wire_point(raw: Any) -> dict[str, float]:
    return _read_point(raw).to_dict()


def _uuid(kind: PropertyType, uuids: int) -> Codec:
    """UUIDs, of which others may have written some in the form of older programs, or in ours.

    MongoDB has the order of their bytes, which Java's and C#'s programs have put into another one.
    """
    is_standard = uuids == UuidRepresentation.STANDARD
    older = UuidRepresentation.PYTHON_LEGACY if is_standard else uuids
    other = older if is_standard else UuidRepresentation.STANDARD

    def store(value: uuid.UUID) -> Binary:
        return Binary(value.bytes, 4) if is_standard else Binary.from_uuid(value, uuids)

    def read(raw: Any) -> uuid.UUID:
        if isinstance(raw, str):
            return uuid.UUID(raw)
        if not isinstance(raw, Binary):
            raise kind.mismatch()
        return uuid.UUID(bytes=raw) if raw.subtype == 4 else raw.as_uuid(older)

    def to_wire(raw: Any) -> str:
        if is_uuid(raw):
            return text_of_uuid(raw)
        return str(read(raw))

    def forms(value: uuid.UUID) -> list[Any]:
        return [store(value), Binary.from_uuid(value, other)]

    is_sorted = older == UuidRepresentation.PYTHON_LEGACY
    return Codec(store, read, to_wire, sorts=is_sorted, forms=forms)


def _decimal(kind: PropertyType, uuids: int) -> Codec:
    number = cast("DecimalNumber", kind)

    def read(raw: Any) -> Decimal:
        if isinstance(raw, Decimal128):
            raw = raw.to_decimal()
            if not raw.is_finite():
                raise number.mismatch()
        elif not isinstance(raw, Decimal):
            raw = number.load(read_number(raw))
        return number.from_scaled(number.to_scaled(raw))

    return Codec(Decimal128, read, lambda raw: number.dump(read(raw)))


class _Values(dict[Any, Any]):
    """The values of an enum, by what stands for them in documents."""

    def __init__(self, enumeration: Any) -> None:
        super().__init__({each.value: each.value for each in enumeration})
        self._enumeration = enumeration

    def __missing__(self, raw: Any) -> Any:
        return self._enumeration(raw).value


def _enumeration(kind: PropertyType, uuids: int) -> Codec:
    named = cast("Enumeration", kind)
    return Codec(lambda member: member.value, named.python, _Values(named.python).__getitem__)


def _field(kind: PropertyType, uuids: int) -> Codec:
    return Codec(
        lambda value: stored_json(kind.to_json(value)),
        lambda raw: kind.from_json(read_json(raw)),
        lambda raw: kind.dump(kind.from_json(read_json(raw))),
        equals=False,
        sorts=False,
        faults=UNREADABLE_FIELD,
    )


# Values that have others inside


def inner_codec(kind: PropertyType, uuids: int = UuidRepresentation.STANDARD) -> Codec:
    """The codec of a type whose values are in one place, with no second field beside it."""
    return _INNER_INSTANTS if isinstance(kind, DateTime) else codec_of(kind, uuids)


def _array(kind: PropertyType, uuids: int) -> Codec:
    return _list_of(kind, inner_codec(cast("Array", kind).item, uuids))


def _list_of(kind: PropertyType, item: Codec) -> Codec:
    store, plain = item.store, item.plain

    def reader(read: Convert) -> Convert:
        def of_items(raw: Any) -> Any:
            if not isinstance(raw, list):
                return _as_it_is(kind, raw)
            for each in raw:
                if each.__class__ is not plain:
                    break
            else:
                return raw
            return [each if each.__class__ is plain or each is None else read(each) for each in raw]

        return of_items

    return Codec(
        None if store is None else lambda value: [store(each) for each in value],
        reader(item.read),
        reader(item.shown),
        equals=False,
        sorts=False,
        item=item,
    )


def _as_it_is(kind: PropertyType, raw: Any) -> Any:
    """What others have stored in the place of a list or an object, where values are JSON.

    :raises TypeMismatch: where they are not.
    """
    if kind.dumps_itself:
        return read_json(raw)
    raise kind.mismatch()


def _object(kind: PropertyType, uuids: int) -> Codec:
    values = cast("Object", kind).values
    if isinstance(values, AnyValue):
        return Codec(stored_json, read_json, read_json, equals=False, sorts=False)
    return _object_of(kind, inner_codec(values, uuids))


def _object_of(kind: PropertyType, inner: Codec) -> Codec:
    def reader(read: Convert) -> Convert:
        def of_values(raw: Any) -> Any:
            if not isinstance(raw, Mapping):
                return _as_it_is(kind, raw)
            return {
                key_of(name): None if item is None else read(item) for name, item in raw.items()
            }

        return of_values

    return Codec(
        lambda value: {field_name(key): inner.stored(item) for key, item in value.items()},
        reader(inner.read),
        reader(inner.shown),
        equals=False,
        sorts=False,
        item=inner,
    )


def _embedded(kind: PropertyType, uuids: int) -> Codec:
    embedded = cast("Embedded", kind)
    known: list[tuple[ModelDefinition, int, InnerFields]] = []

    def fields() -> InnerFields:
        definition = embedded.definition  # not found before the first use
        if not known or known[0][:2] != (definition, definition.shape):
            known[:] = [(definition, definition.shape, InnerFields(definition, uuids))]
        return known[0][2]

    def read(raw: Any) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise kind.mismatch()
        return fields().read(raw)

    return Codec(
        lambda value: fields().store(value),
        read,
        lambda raw: kind.dump(read(raw)),
        equals=False,
        sorts=False,
        inner=fields,
    )


class InnerFields:
    """The fields of records that are inside others.

    :param definition: their model.
    :param uuids: how UUIDs are written.

    :ivar names: the name of each property's field.
    :ivar codecs: how each property is stored.
    """

    def __init__(
        self, definition: ModelDefinition, uuids: int = UuidRepresentation.STANDARD
    ) -> None:
        properties = definition.properties.values()
        self.names = {each.name: stored_name(each) for each in properties}
        self.codecs = {
            each.name: given_codec(each) or inner_codec(each.type, uuids) for each in properties
        }
        self._owners = {field: name for name, field in self.names.items()}
        self._is_open = definition.settings.keeps_unknown

    def store(self, value: Any) -> dict[str, Any]:
        """A record as a document has it; what is null is left out."""
        record = value.to_record() if hasattr(value, "to_record") else value
        names, codecs = self.names, self.codecs
        document = {
            names[name]: codecs[name].stored(item)
            for name, item in record.items()
            if item is not None and name in names
        }
        for key in record if self._is_open else ():
            if key not in names:
                name = field_name(key)
                document[f"%~{name}" if name in self._owners else name] = stored_json(record[key])
        return document

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The record that a document has."""
        record = {
            name: None if (item := raw.get(field)) is None else self.codecs[name].read(item)
            for name, field in self.names.items()
        }
        for field in raw if self._is_open else ():
            if field not in self._owners:
                record[key_of(field.removeprefix("%~"))] = read_json(raw[field])
        return record


def stored_name(property_: Property) -> str:
    """The name of a property's field: what its options say, or its own."""
    named = named_field(property_, "mongodb")
    return field_name(property_.name) if named is None else named


_INNER_INSTANTS = Codec(
    store_inner_instant,
    read_inner_instant,
    wire_inner_instant,
    sorts=False,
)
_JSON = Codec(stored_json, read_json, read_json, equals=False, sorts=False)
_NUMBERS = Codec(None, read_number, read_number, plain=int)

_CODECS: dict[type[PropertyType], Codec] = {
    Null: Codec(None, read_json, read_json),
    Boolean: Codec(None, read_json, read_json, plain=bool),
    Integer: _NUMBERS,
    Number: _NUMBERS,
    String: Codec(None, read_json, read_json, plain=str, matches=True),
    DateTime: Codec(None, read_instant, wire_instant),
    Date: Codec(store_day, read_day, lambda raw: read_day(raw).isoformat()),
    # MongoDB has shorter bytes before longer ones.
    Buffer: Codec(None, _read_bytes, lambda raw: Buffer().dump(_read_bytes(raw)), sorts=False),
    Geo: Codec(_store_point, _read_point, _wire_point, sorts=False),
    AnyValue: _JSON,
}
_MAKERS: dict[type[PropertyType], Callable[[PropertyType, int], Codec]] = {
    Uuid: _uuid,
    DecimalNumber: _decimal,
    Enumeration: _enumeration,
    FieldValue: _field,
    Array: _array,
    Object: _object,
    Embedded: _embedded,
}
