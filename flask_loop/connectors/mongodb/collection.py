"""ModelCollection: how the records of one model are documents of one collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import inflection
from bson import ObjectId
from bson.binary import UuidRepresentation

from ...definition import (
    BELONGS_TO,
    REFERENCES_MANY,
    ModelDefinition,
    Property,
    RelationDefinition,
    nearest,
)
from ...errors import DefinitionError
from ...types import (
    AnyValue,
    Array,
    DateTime,
    DecimalNumber,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)
from ..base import Column, Layout, Record, Rows, layout_of_records
from ..mending import UNREADABLE
from ..options import FIELD_NAMES, check_options
from .codecs import (
    DECIMAL_TEXTS,
    OBJECT_IDS,
    OPEN_IDS,
    TEXT_IDS,
    Codec,
    codec_of,
    codec_of_texts,
    given_codec,
    inner_codec,
    stored_name,
)
from .instants import milliseconds, read_instant
from .mending import DocumentMending
from .names import undeclared_key, undeclared_name
from .plain import read_json, stored_json

#: The keys of options that say after how many seconds a document is gone.
EXPIRY = ("expireAfterSeconds", "expire_after_seconds")
#: What options may say; ``document`` and ``codec`` are what models of an app's own classes have.
_OF_MODELS = ("collection", "document")
_OF_PROPERTIES = (*FIELD_NAMES, "dataType", *EXPIRY, "codec")
#: What ``dataType`` may be; decimals are Decimal128 by themselves.
_DATA_TYPES = ("ObjectID", "Decimal128")
#: How many selections of fields are known at once for one model.
_MAX_LAYOUTS = 64


@dataclass(frozen=True, slots=True)
class Field:
    """Where one property is in a document.

    :ivar path: the field, with dots where it is inside another.
    :ivar kind: the property's type.
    :ivar codec: how its values are stored.
    :ivar rest: the field with the microseconds that a date loses, where there is one.
    :ivar may_miss: whether a document may be without it.
    """

    path: str
    kind: PropertyType
    codec: Codec
    rest: str | None = None
    may_miss: bool = True


class ModelCollection:
    """The collection of one definition, at one version of it.

    A record's id is the document's ``_id``; of several properties an embedded document of them, in
    the order of the id. What is null is left out.

    :param definition: the definition.
    :param kept: the names of fields that are neither properties nor undeclared keys.
    :param uuids: how UUIDs are written, one of the driver's ``UuidRepresentation``.
    :raises DefinitionError: where two properties would be one field, or options mean nothing.

    :ivar name: the collection's.
    :ivar fields: where the properties are, by Python name.
    :ivar kept: those of ``kept``, which nobody is shown, and no write changes.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        kept: Iterable[str] = (),
        uuids: int = UuidRepresentation.STANDARD,
    ) -> None:
        _check_options(definition)
        self.definition = definition
        self.uuids = uuids
        self.version = (definition.version, definition.shape)
        self.name = collection_name(definition)
        self.is_composite = len(definition.ids) > 1
        self.fields = {each.name: self._field(each) for each in definition.properties.values()}
        self.is_open = definition.settings.keeps_unknown
        taken = self._names_taken()
        self.kept = [name for name in kept if name not in taken]
        self._taken = taken.union(self.kept)
        self._layouts: dict[tuple[str, ...] | None, Layout] = {}
        self._mending = DocumentMending(definition.name, self.fields)
        self._plain = [
            (name, field)
            for name, field in self.fields.items()
            if not definition.properties[name].id
        ]

    # Reading

    def rows(self, raw: list[Any], fields: tuple[str, ...] | None = None) -> Rows:
        """Documents as rows.

        :param raw: whole documents, or such as have these properties.
        :param fields: the properties wanted, or None for all.
        """
        if self.is_open:
            records = [self.record(each) for each in raw]
            return Rows(records, self._layout(fields))
        return Rows(raw, self._layout(fields))

    def record(self, document: Mapping[str, Any]) -> Record:
        """The record that a document is, with its undeclared keys."""
        try:
            record = self._declared(document)
        except UNREADABLE:
            document = self._mending.mended(document)
            record = self._declared(document)
        for name in document:
            if name not in self._taken:
                record[undeclared_key(name)] = read_json(document[name])
        return record

    def _declared(self, document: Mapping[str, Any]) -> Record:
        return {name: self._value(field, document) for name, field in self.fields.items()}

    def projection(self, fields: tuple[str, ...] | None) -> dict[str, int] | None:
        """What a query asks for to read these properties."""
        if fields is None:
            return None
        wanted = {"_id": 0}
        for name in fields:
            field = self.fields[name]
            wanted[field.path.partition(".")[0]] = 1
            if field.rest is not None:
                wanted[field.rest] = 1
        return wanted if len(wanted) > 1 else {"_id": 1}

    def _layout(self, fields: tuple[str, ...] | None) -> Layout:
        layout = self._layouts.get(fields)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[fields] = self._make_layout(fields)
        return layout

    def _make_layout(self, fields: tuple[str, ...] | None) -> Layout:
        if self.is_open:
            return layout_of_records(self.definition, fields)
        names = self.fields if fields is None else fields
        columns = {name: self._column(self.fields[name]) for name in names}
        return Layout(columns, mend=self._mending.mend)

    def _column(self, field: Field) -> Column:
        codec = field.codec
        outer, _, inner = field.path.partition(".")
        if inner:
            return Column((outer,), _part(inner, codec.to_python), _part(inner, codec.to_wire))
        keys = (outer,) if field.rest is None else (outer, field.rest)
        return Column(keys, codec.to_python, codec.to_wire, may_miss=True, plain=codec.plain)

    def _value(self, field: Field, document: Mapping[str, Any]) -> Any:
        outer, _, inner = field.path.partition(".")
        raw = document.get(outer)
        if inner and raw is not None:
            raw = raw[inner]
        if raw is None:
            return None
        if field.rest is not None:
            return read_instant(raw, document.get(field.rest))
        return field.codec.read(raw)

    # Writing

    def document(self, record: Record, id: Any) -> dict[str, Any]:
        """A record as a document.

        :param id: the value of ``_id``.
        """
        document: dict[str, Any] = {"_id": id}
        get = record.get
        for name, field in self._plain:
            value = get(name)
            if value is not None:
                if field.rest is None:
                    store = field.codec.store
                    document[field.path] = value if store is None else store(value)
                else:
                    whole, rest = milliseconds(value)
                    document[field.path] = whole
                    if rest:
                        document[field.rest] = rest
        if self.is_open:
            document.update(self._undeclared(record))
        return document

    def changes(self, changes: Record) -> dict[str, Any]:
        """The operators of an update that sets some properties; none where there is nothing."""
        wanted: dict[str, Any] = {}
        unwanted: dict[str, Any] = {}
        for name, value in changes.items():
            field = self.fields.get(name)
            if field is None:
                continue
            if field.rest is not None:
                whole, rest = (None, 0) if value is None else milliseconds(value)
                _put(field.path, whole, wanted, unwanted)
                _put(field.rest, rest or None, wanted, unwanted)
            else:
                stored = None if value is None else field.codec.stored(value)
                _put(field.path, stored, wanted, unwanted)
        if self.is_open:
            wanted |= self._undeclared(changes)
        found = {"$set": wanted, "$unset": unwanted}
        return {operator: given for operator, given in found.items() if given}

    def _undeclared(self, record: Record) -> dict[str, Any]:
        return {
            undeclared_name(key, self._taken): stored_json(value)
            for key, value in record.items()
            if key not in self.fields
        }

    # Ids

    def stored_id(self, id: Any) -> Any:
        """The value of ``_id`` of the record with an id.

        :param id: a value, or a tuple where the id is several properties.
        """
        if not self.is_composite:
            return self.id_field.codec.stored(id)
        values = self.definition.id_values(id)
        return {
            self.fields[name].path.partition(".")[2]: self.fields[name].codec.stored(value)
            for name, value in values.items()
        }

    def by_id(self, id: Any) -> dict[str, Any]:
        """The query for the record with an id."""
        if self.is_composite or self.id_field.codec.forms is None:
            return {"_id": self.stored_id(id)}
        return among("_id", self.id_field.codec.all_forms(id))

    @property
    def id_field(self) -> Field:
        """The field of an id that is one property."""
        return self.fields[self.definition.ids[0].name]

    @property
    def made_by(self) -> type[Any] | None:
        """What makes ids: ``int`` for counted ones, the type of others; None where nothing does."""
        ids = self.definition.ids
        if len(ids) != 1:
            return None if ids else ObjectId
        kind = ids[0].type
        if self.id_field.codec is OBJECT_IDS:
            return ObjectId
        if not ids[0].generated:
            return None
        return Uuid if isinstance(kind, Uuid) else int

    # How

    def _field(self, property_: Property) -> Field:
        name = self._stored_name(property_)
        kind = property_.type
        if property_.id:
            path = f"_id.{name}" if self.is_composite else "_id"
            return Field(path, kind, self._id_codec(property_), may_miss=False)
        own = _own_codec(property_, self.definition)
        if own is not None:
            return Field(name, kind, own, may_miss=property_.nullable)
        rest = f"{name}_us" if isinstance(kind, DateTime) else None
        return Field(name, kind, codec_of(kind, self.uuids), rest, property_.nullable)

    def _stored_name(self, property_: Property) -> str:
        name = stored_name(property_)
        if not name or name.startswith("$") or "." in name or "\0" in name:
            raise DefinitionError(
                f"{self.definition.name}: {name!r}, which {property_.name!r} is to be stored as, "
                "is no name of a field"
            )
        return name

    def _id_codec(self, property_: Property) -> Codec:
        kind = property_.type
        given = given_codec(property_)
        if given is not None:
            return given
        if self.is_composite:
            return _own_codec(property_, self.definition) or inner_codec(kind, self.uuids)
        if isinstance(kind, String):
            return OBJECT_IDS if property_.generated else TEXT_IDS
        return OPEN_IDS if isinstance(kind, AnyValue) else inner_codec(kind, self.uuids)

    def _names_taken(self) -> frozenset[str]:
        owners: dict[str, str] = {}
        for name, field in self.fields.items():
            for path in filter(None, (field.path, field.rest)):
                owner = owners.setdefault(path, name)
                is_id = self.definition.properties[name].id
                if owner != name or (path == "_id" and not is_id):
                    other = "the id" if path == "_id" else repr(owner)
                    raise DefinitionError(
                        f"{self.definition.name}: {name!r} and {other} would both be the field "
                        f"{path!r}; give one another name by its options"
                    )
        return frozenset({"_id", *owners})


def collection_name(definition: ModelDefinition) -> str:
    """The collection of a model: what its options say, or its name in MongoEngine's spelling."""
    given = definition.settings.options.get("mongodb", {}).get("collection")
    name = inflection.underscore(definition.name) if given is None else given
    if not isinstance(name, str) or not name or "\0" in name or "$" in name:
        raise DefinitionError(f"{definition.name}: {name!r} is no name of a collection")
    if name.startswith((".", "system.")) or name.endswith(".") or ".." in name:
        raise DefinitionError(f"{definition.name}: {name!r} is no name of a collection")
    return name


def among(path: str, values: Sequence[Any]) -> dict[str, Any]:
    """The query for one of several values, none of which is taken for an operator."""
    if len(values) != 1:
        return {path: {"$in": list(values)}}
    (value,) = values
    return {path: {"$eq": value} if isinstance(value, dict) else value}


def paths_of(fields: Iterable[Field]) -> list[str]:
    """The fields of properties, with those of what dates lose."""
    return [path for each in fields for path in (each.path, each.rest) if path is not None]


def is_counted(definition: ModelDefinition) -> bool:
    """Whether the ids of a model are numbers, so that one that is given moves the counter."""
    return isinstance(definition.id.type, Integer | Number | AnyValue)


def _part(name: str, read: Any) -> Any:
    """A function that reads a part of a composite id."""
    if read is None:
        return lambda held: held[name]
    return lambda held: None if held[name] is None else read(held[name])


def _put(path: str, value: Any, wanted: dict[str, Any], unwanted: dict[str, Any]) -> None:
    if value is None:
        unwanted[path] = ""
    else:
        wanted[path] = value


def _check_options(definition: ModelDefinition) -> None:
    check_options(
        definition,
        "mongodb",
        model=_OF_MODELS,
        properties=_OF_PROPERTIES,
        check=_check_property,
    )
    for each in definition.ids:
        if given_codec(each) is DECIMAL_TEXTS:
            raise DefinitionError(
                f"{definition.name}.{each.name}: options.mongodb.dataType 'Decimal128' is for no "
                "text that is an id, as equal numbers would be one"
            )


def _check_property(place: str, property_: Property) -> None:
    given = property_.options["mongodb"].get("dataType")
    if given is not None:
        _check_data_type(f"{place}: options.mongodb.dataType", given, property_.type)


def _check_data_type(place: str, given: Any, kind: PropertyType) -> None:
    if str(given).lower() not in map(str.lower, _DATA_TYPES):
        known = " or ".join(map(repr, _DATA_TYPES))
        hint = nearest(str(given), _DATA_TYPES)
        raise DefinitionError(f"{place} is {known}, not {given!r}{hint}")
    is_decimal = str(given).lower() == "decimal128"
    inner = _inmost(kind)
    if not isinstance(inner, (String, DecimalNumber) if is_decimal else String):
        fitting = "texts and decimals" if is_decimal else "texts"
        raise DefinitionError(
            f"{place} {given!r} is for {fitting}, and for lists and objects of them; here there is "
            f"the type {inner.name}"
        )


def _inmost(kind: PropertyType) -> PropertyType:
    """The type of what is in lists and objects, and in those inside of them."""
    while isinstance(kind, Array | Object):
        kind = kind.item if isinstance(kind, Array) else kind.values
    return kind


def _names_object_id(property_: Property) -> bool:
    given = property_.options.get("mongodb", {}).get("dataType")
    return isinstance(given, str) and given.lower() == "objectid"


def _own_codec(property_: Property, definition: ModelDefinition) -> Codec | None:
    """The codec that options ask for, or that keys of records with ObjectIds have."""
    given = given_codec(property_)
    if given is None and (property_.made or _leads_to_one(property_, definition)):
        return codec_of_texts(property_.type, OBJECT_IDS)
    return given


def _leads_to_one(property_: Property, definition: ModelDefinition) -> bool:
    for relation in definition.relations.values():
        if property_.name not in _keys_of(relation):
            continue
        target = relation.target
        if target is not None and len(target.ids) == 1 and len(relation.primary_key) == 1:
            named = target.properties[relation.primary_key[0]]
            if named.id and (named.generated or _names_object_id(named)):
                return True
    return False


def _keys_of(relation: RelationDefinition) -> tuple[str, ...]:
    """The properties by which a relation's owner names other records."""
    if relation.kind == REFERENCES_MANY:
        return (str(relation.property),)
    return relation.foreign_key if relation.kind == BELONGS_TO else ()
