"""Documents: how the records of a model are stored.

A document has the properties under their wire names, as natural JSON, and beside them the name of
its collection under ``loopback__model__name``, as LoopBack writes it. JavaScript, in which some
servers and all views are written, has no numbers beyond 2**53 but floats: the value of a property
that has one is in the document twice, the second time as JSON text under ``loop__exact``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import orjson

from ...definition import ModelDefinition, Property
from ...errors import DefinitionError
from ...types import Number, PropertyType, TypeMismatch
from ..base import Column, Layout, Record, Rows, layout_of_records
from ..options import FIELD_NAMES, check_options, named_field, names_by_field
from .database import Document
from .keys import MAX_SAFE, SEPARATOR, KeyOf, key_of
from .mending import DocumentMending

#: The field with the name of the collection.
TYPE = "loopback__model__name"
#: The field with the exact values of those that have great numbers.
EXACT = "loop__exact"
#: What the ids of the documents with the next numbers begin with. No collection's name is written
#: with this percent sign: those have two digits after it.
NUMBERS = "%ids:"

#: How many selections of fields are known at once for one definition.
_MAX_LAYOUTS = 64
_RESERVED = ("_", "~", "loop")


class Documents:
    """The documents of one definition.

    :param definition: the definition.
    :param plain_ids: whether an ``_id`` is the id alone.
    :ivar collection: what the documents' type is, and their ids begin with.
    :ivar prefix: the collection in ids, of plain ASCII without a colon.
    :ivar start: what the ``_id`` of each begins with; "" where they are plain.
    :ivar end: a text that sorts after each ``_id``, and before those of other collections.
    :ivar fields: the fields of the properties, by Python name.
    :raises DefinitionError: where two properties are stored in one field, or options mean nothing.
    """

    def __init__(self, definition: ModelDefinition, *, plain_ids: bool) -> None:
        check_options(definition, "couchdb", model=("collection",), properties=FIELD_NAMES)
        self.definition = definition
        self.plain_ids = plain_ids
        options = definition.settings.options.get("couchdb", {})
        self.collection = str(options.get("collection") or definition.name)
        self.prefix = _prefix(self.collection)
        ends = (f"{self.prefix}:", f"{self.prefix};")
        self.start, self.end = ("", "") if plain_ids else ends
        self.fields = {each.name: _field(each) for each in definition.properties.values()}
        self._names = names_by_field(definition, self.fields)
        self._key_parts = [_id_text(each, plain_ids=plain_ids) for each in definition.ids]
        if plain_ids and len(definition.ids) != 1:
            raise DefinitionError(
                f"the id of {definition.name!r} is {len(definition.ids)} properties: with "
                "plain_ids it is one"
            )
        self._mending = DocumentMending(definition, self.fields)
        self._layout = lru_cache(maxsize=_MAX_LAYOUTS)(self._make_layout)
        self._read = Rows([], self._layout(None))

    # Ids

    def key(self, id: Any) -> str:
        """The ``_id`` of the record with an id; a tuple where that is several properties."""
        values = self.definition.id_values(id).values()
        parts = [text(value) for text, value in zip(self._key_parts, values, strict=True)]
        return self.start + SEPARATOR.join(parts)

    def key_of(self, record: Mapping[str, Any]) -> str:
        """The ``_id`` of a record; one of its own where the model has no id."""
        if not self.definition.ids:
            return f"{self.start}{time.time_ns():020d}{token_hex(6)}"
        return self.key(self.definition.id_of(record))

    def refuses(self, key: str) -> bool:
        """Whether CouchDB, or this connector, has a use of its own for an ``_id``."""
        return self.plain_ids and (not key or key.startswith(("_", NUMBERS)))

    # There

    def document(self, key: str, record: Record) -> Document:
        """The document of a new record."""
        document: Document = {"_id": key, TYPE: self.collection}
        self.put(document, record)
        return document

    def changed(self, document: Document, changes: Record) -> Document:
        """A document with some properties of its record changed."""
        changed = dict(document)
        self.put(changed, changes)
        return changed

    def replaced(self, document: Document, record: Record) -> Document:
        """A document with another record in the place of its own.

        What is not a property stays, unless the model keeps undeclared ones.
        """
        if self.definition.settings.keeps_unknown:
            kept = {key: value for key, value in document.items() if key.startswith("_")}
        else:
            kept = {key: value for key, value in document.items() if key not in self._names}
        kept[TYPE] = self.collection
        self.put(kept, record)
        return kept

    def put(self, document: Document, values: Record) -> None:
        """Put the values of properties into a document."""
        exact = dict(_exact(document))
        document.pop(EXACT, None)
        properties = self.definition.properties
        for name, value in values.items():
            found = properties.get(name)
            field = self.field_of(name)
            exact.pop(field, None)
            if found is not None and value is None:
                document.pop(field, None)
                continue
            stored = value if found is None else found.type.to_json(value)
            document[field] = stored
            if has_great_number(stored):
                exact[field] = orjson.dumps(stored).decode()
        if exact:
            document[EXACT] = exact

    def field_of(self, name: str) -> str:
        """The field of a property, be it declared or not."""
        if name in self.fields:
            return self.fields[name]
        field = _escaped(name)
        return f"~{field}" if field in self._names else field

    # And back

    def take(self, document: Document) -> Document:
        """A document as it was found, with its exact values in their places."""
        for field, text in _exact(document).items():
            if field in document:
                try:
                    value = orjson.loads(text)
                except orjson.JSONDecodeError:
                    continue
                # Another program may have changed the one and not known of the other.
                if _rounded(value) == _rounded(document[field]):
                    document[field] = value
        if self.plain_ids:
            (id,) = self.definition.ids
            document[self.fields[id.name]] = _plain_id(id, document["_id"])
        return document

    def rows(self, documents: list[Document], fields: tuple[str, ...] | None = None) -> Rows:
        """Documents as rows.

        :param fields: the Python names of the properties wanted, or None for all.
        """
        if self.definition.settings.keeps_unknown:
            records = [self.record(each) for each in documents]
            return Rows(records, layout_of_records(self.definition, fields))
        return Rows(documents, self._layout(fields))

    def records(self, documents: list[Document]) -> list[Record]:
        """Documents as records."""
        if self.definition.settings.keeps_unknown:
            return [self.record(each) for each in documents]
        return Rows(documents, self._read.layout).records()

    def record(self, document: Document) -> Record:
        """A document as a record, with what is undeclared where the model keeps it."""
        (record,) = Rows([document], self._read.layout).records()
        if not self.definition.settings.keeps_unknown:
            return record
        for field, value in document.items():
            if field not in self._names and not _is_own(field):
                record[field.removeprefix("~")] = value
        return record

    def _make_layout(self, fields: tuple[str, ...] | None) -> Layout:
        properties = self.definition.properties
        chosen = properties.values() if fields is None else [properties[each] for each in fields]
        columns = {each.name: self._column(each) for each in chosen}
        return Layout(columns, mend=self._mending.mend)

    def _column(self, property_: Property) -> Column:
        field, kind = self.fields[property_.name], property_.type
        if isinstance(kind, Number):
            return Column((field,), _number, _number, may_miss=True)
        if kind.dumps_itself:
            return Column((field,), may_miss=True)
        return Column((field,), kind.from_json, _to_wire(kind), may_miss=True)


def _prefix(collection: str) -> str:
    """What ids begin with; those of CouchDB's own documents begin with an underscore."""
    shown = quote(collection, safe=" $&'()*+,;=@")
    return f"%5F{shown[1:]}" if shown.startswith("_") else shown


def _field(property_: Property) -> str:
    return _escaped(named_field(property_, "couchdb") or property_.wire)


def _escaped(name: str) -> str:
    """A name that neither CouchDB nor this module has another use for."""
    return f"~{name}" if name.startswith(_RESERVED) else name


def _is_own(field: str) -> bool:
    return field.startswith("_") or field in (TYPE, EXACT)


def _id_text(property_: Property, *, plain_ids: bool) -> KeyOf:
    kind = property_.type
    return (lambda value: str(kind.to_json(value))) if plain_ids else key_of(kind)


def _plain_id(property_: Property, text: str) -> Any:
    """The JSON of an id; where the ``_id`` is none of its type, this itself."""
    try:
        return property_.type.to_json(property_.type.load(text))
    except TypeMismatch:
        return text


def _exact(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The exact values of a document's fields, as JSON text; others may have left anything."""
    exact = document.get(EXACT)
    return exact if isinstance(exact, dict) else {}


def _to_wire(kind: PropertyType) -> Callable[[Any], Any]:
    return lambda value: kind.dump(kind.from_json(value))


def _number(value: float) -> float:
    """A number as records have it: 5.0 is 5."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE:
        return int(value)
    return value


def has_great_number(value: Any) -> bool:
    """Whether a JSON value is, or has inside, a number that JavaScript may write as another."""
    if isinstance(value, str):
        return False
    if isinstance(value, int | float):
        return not -MAX_SAFE <= value <= MAX_SAFE
    if isinstance(value, Mapping):
        return any(map(has_great_number, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_great_number, value))
    return False


def _rounded(value: Any) -> Any:
    """A JSON value with all its numbers as JavaScript has them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_rounded, value))
    return value
