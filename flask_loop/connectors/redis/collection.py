"""Collection: how the records of one definition are stored, compiled once for each shape of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import orjson

from ...definition import ModelDefinition, Property
from ...errors import DefinitionError
from ...types import AnyValue, DateTime, DecimalNumber, Geo, Integer, Number, String, Uuid
from ..base import Column, Layout, Record, layout_of_records
from ..options import FIELD_NAMES, check_options, named_field
from .codecs import Codec, codec
from .encoding import encoder, kind_of, part
from .settings import RedisSettings

#: How many selections of fields are known at once for one definition.
_MAX_LAYOUTS = 64
#: The field by which a record exists whose model has no id.
_NO_ID = "#"
#: What the names of the indexes begin with that are geo sets.
OF_PLACES = "@"
#: What the fields of undeclared keys begin with.
UNDECLARED = "+"
#: Beyond these latitudes a geo set holds nothing.
MAX_LATITUDE = 85.05


@dataclass(frozen=True, slots=True)
class Field:
    """The field of a hash that has a property's value."""

    property: Property
    name: str
    codec: Codec


class OpenRow(dict[str, Any]):
    """A record with undeclared keys, as the row that it was read from.

    :ivar texts: the fields of its hash, each with its text.
    """

    __slots__ = ("texts",)

    def __init__(self, record: Record, texts: Mapping[str, str]) -> None:
        super().__init__(record)
        self.texts = texts


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """An index as it is stored.

    :ivar name: of its key: its properties, the encodings of their values, and whether it is unique.
        An index that differs in one of them is another one.
    :ivar names: the Python names of its properties.
    """

    name: str
    names: tuple[str, ...]
    unique: bool = False
    is_geo: bool = False


class Collection:
    """The keys, fields and indexes of one definition.

    :param definition: the definition.
    :param settings: the data source's.
    :raises DefinitionError: naming an option that means nothing.
    :ivar tag: what all keys begin with.
    :ivar indexes: those that are declared, without the id's.
    :ivar encoders: of the properties that are in an index or the id, by name.
    """

    def __init__(self, definition: ModelDefinition, settings: RedisSettings) -> None:
        check_options(definition, "redis", model=("collection", "ttl"), properties=FIELD_NAMES)
        self.definition = definition
        self.is_open = definition.settings.keeps_unknown
        self.id_names = tuple(each.name for each in definition.ids)
        self.tag = f"{settings.prefix}{{{_name_of(definition)}}}"
        self.fields = {each.name: _field(each) for each in definition.properties.values()}
        self._refuse_clashes()
        self.exists = self.fields[self.id_names[0]].name if self.id_names else _NO_ID
        self.indexes = self._indexes()
        names = [name for each in self.indexes for name in each.names]
        self.encoders = {
            name: encoder(definition.properties[name].type) for name in (*self.id_names, *names)
        }
        self.ttl = _ttl(definition, settings)
        #: Whether somebody was told that an index does not have all records.
        self.is_told_of = False
        self._id_encoders = [self.encoders[name] for name in self.id_names]
        self._has_whole_id = _is_whole(definition)
        has_any_id = bool(self.id_names) and isinstance(definition.ids[0].type, AnyValue)
        #: What the text of an id that the server makes begins with.
        self.made = "=1" if has_any_id else "="
        self.model = orjson.Fragment(orjson.dumps(self._header()))
        self.all_fields = self.field_names(None)
        self.all_fields_json = orjson.dumps(self.all_fields)
        self.layout = lru_cache(_MAX_LAYOUTS)(self._layout)
        self._write = [
            (each.property.name, each.name, each.codec.write) for each in self.fields.values()
        ]

    # Reading

    def field_names(self, names: Iterable[str] | None) -> list[str]:
        """The fields of a hash that have some properties, behind the one that each record has."""
        chosen = self.fields if names is None else names
        return [self.exists, *(self.fields[name].name for name in chosen)]

    def row(self, raw: list[Any]) -> Any:
        """A row from what a script gave: the values of the fields, or all fields and values."""
        if not self.is_open:
            return raw
        texts = dict(zip(raw[::2], raw[1::2], strict=True))
        return OpenRow(self.record_of(texts), texts)

    def expected(
        self, row: Any, names: Iterable[str], order: Sequence[str] | None = None
    ) -> list[str | None]:
        """The fields that have some properties, each with the text that a row has of it.

        :param order: the properties that the row has, or None for all.
        """
        found: list[str | None] = []
        if self.is_open:
            for name in names:
                field = self.fields[name].name
                # A value that is written again may have another text than the one that is there.
                found += (field, row.texts.get(field))
            return found
        places = self._places(order)
        for name in names:
            found += (self.fields[name].name, row[places[name]])
        return found

    def all_expected(self, fields: Sequence[str]) -> list[str | None]:
        """The fields of a record that was stored, and those that it does not have."""
        stored = set(fields[::2])
        expected: list[str | None] = [*fields]
        for name, field, _ in self._write:
            if field not in stored and name not in self.id_names:
                expected += (field, None)
        return expected

    def _layout(self, names: tuple[str, ...] | None) -> Layout:
        """How the rows of all fields are read, as far as some properties are wanted."""
        if self.is_open:
            return layout_of_records(self.definition, names)
        return self._columns(self.definition.properties if names is None else names, None)

    def partial_layout(self, names: tuple[str, ...]) -> Layout:
        """How the rows of the fields of some properties are read."""
        return self.layout(names) if self.is_open else self._columns(names, names)

    def _columns(self, names: Iterable[str], order: Iterable[str] | None) -> Layout:
        places = self._places(order)
        columns = {
            name: Column(
                (places[name],), self.fields[name].codec.to_python, self.fields[name].codec.to_wire
            )
            for name in names
        }
        return Layout(columns)

    def _places(self, order: Iterable[str] | None) -> dict[str, int]:
        return {
            name: place for place, name in enumerate(self.fields if order is None else order, 1)
        }

    # Ids

    def id_text(self, id: Any) -> str:
        """The text of an id in indexes."""
        values = self.definition.id_values(id).values()
        return "".join(map(part, self._id_encoders, values))

    def key(self, id: Any) -> str:
        """The key of the record with an id."""
        if self._has_whole_id:
            return f"{self.tag}:{id:d}"
        return f"{self.tag}:{self.id_text(id)[1:-1]}"

    # Writing

    def stored(self, record: Record) -> tuple[dict[str, Any], Any]:
        """What a new record is to the script that stores it, and its id where that is known.

        :raises DefinitionError: where its id is missing and nobody makes it.
        """
        record = self._with_id(record)
        fields: list[str] = []
        for name, field, write in self._write:
            value = record.get(name)
            if value is not None:
                fields += (field, write(value))
        if self.is_open:
            fields += self._undeclared(record)
        values = [record.get(name) for name in self.id_names]
        told: dict[str, Any] = {
            "id": None,
            "fields": fields,
            "entries": self.entries(record) if self.indexes else {},
        }
        if values and None not in values:
            told["id"] = "".join(map(part, self._id_encoders, values))
            if len(values) == 1 and type(values[0]) is int and values[0] > 0:
                told["whole"] = str(values[0])
        if self.ttl is not None:
            told["expiry"] = self.expiry(record)
        return told, None if told["id"] is None else self.definition.id_of(record)

    def entries(self, record: Mapping[str, Any]) -> dict[str, str]:
        """What a record has in the indexes."""
        found = {}
        for index in self.indexes:
            if index.is_geo:
                point = record.get(index.names[0])
                if point is not None:
                    found[index.name] = _geo_entry(point)
            else:
                found[index.name] = "".join(
                    part(self.encoders[name], record.get(name)) for name in index.names
                )
        return found

    def changes(self, changes: Record) -> dict[str, Any]:
        """What changes of records are to the script that makes them."""
        fields: list[str] = []
        gone: list[str] = []
        for name, field, write in self._write:
            if name in changes and name not in self.id_names:
                value = changes[name]
                if value is None:
                    gone.append(field)
                else:
                    fields += (field, write(value))
        if self.is_open:
            fields += self._undeclared(changes)
        told: dict[str, Any] = {
            "fields_set": fields,
            "gone": gone,
            "parts": self.parts(changes) if self.indexes else [],
        }
        if self.ttl is not None and (not isinstance(self.ttl, str) or self.ttl in changes):
            told["expiry"] = self.expiry(changes)
        return told

    def parts(self, changes: Mapping[str, Any]) -> list[Any]:
        """What changes change in the indexes."""
        found: list[Any] = []
        for index in self.indexes:
            given = [name for name in index.names if name in changes]
            if not given:
                continue
            told = {"name": index.name, "parts": len(index.names)}
            if index.is_geo:
                point = changes[given[0]]
                found.append([told, False if point is None else _geo_entry(point)])
            else:
                parts = [
                    [place, part(self.encoders[name], changes[name])]
                    for place, name in enumerate(index.names, 1)
                    if name in changes
                ]
                found.append([told, parts])
        return found

    def expiry(self, record: Mapping[str, Any]) -> Any:
        """When a record that is written now is gone, to the scripts."""
        if not isinstance(self.ttl, str):
            return None if self.ttl is None else {"after": round(self.ttl * 1000)}
        value = record.get(self.ttl)
        if value is None:
            return "never"
        if isinstance(value, datetime):
            return {"at": str(max(1, int(value.timestamp() * 1000)))}
        return {"after": round(max(-_LONGEST, min(value, _LONGEST)) * 1000)}

    def record_of(self, texts: Mapping[str, str]) -> Record:
        """The record of a hash: all its fields and their values."""
        record: Record = {}
        for name, field in self.fields.items():
            text = texts.get(field.name)
            read = field.codec.to_python
            record[name] = text if text is None or read is None else read(text)
        if self.is_open:
            for key, text in texts.items():
                if key.startswith(UNDECLARED):
                    record[key[1:]] = orjson.loads(text)
        return record

    def _undeclared(self, record: Record) -> list[str]:
        found: list[str] = []
        for key, value in record.items():
            if key not in self.fields:
                found += (UNDECLARED + key, orjson.dumps(value).decode())
        return found

    def _with_id(self, record: Record) -> Record:
        """The record with an id, where it is not the server that makes it."""
        for each in self.definition.ids:
            if record.get(each.name) is not None:
                continue
            if len(self.id_names) > 1 or not each.generated:
                raise DefinitionError(
                    f"{self.definition.name}.{each.name} is an id without a value, and the redis "
                    "connector makes ids of one generated property; a default such as "
                    'default_fn="uuid" makes others'
                )
            if isinstance(each.type, String | Uuid):
                made = uuid4()
                return {**record, each.name: made if isinstance(each.type, Uuid) else made.hex}
        return record

    # What is known of the definition

    def _header(self) -> dict[str, Any]:
        """What all scripts are told of the model."""
        return {
            "whole": self._has_whole_id,
            "parts": len(self.id_names) or 1,
            "exists": self.exists,
            "open": self.is_open,
            "made": self.made,
            "indexes": [{"name": each.name, "unique": each.unique} for each in self.indexes],
        }

    def _indexes(self) -> tuple[StoredIndex, ...]:
        found: dict[str, StoredIndex] = {}
        for each in self.definition.indexes():
            kinds = [self.definition.properties[name].type for name in each.keys]
            if isinstance(kinds[0], Geo) and len(kinds) == 1:
                name = OF_PLACES + self.fields[each.keys[0]].name
                found[name] = StoredIndex(name, each.keys, is_geo=True)
                if not each.unique:
                    continue
            if each.keys == self.id_names:
                continue
            parts = [
                f"{self.fields[name].name}:{kind_of(kind)}"
                for name, kind in zip(each.keys, kinds, strict=True)
            ]
            name = ",".join(parts) + (":unique" if each.unique else "")
            if name.startswith(OF_PLACES):
                # No field begins so, and no other index.
                name = _NO_ID + name
            found[name] = StoredIndex(name, each.keys, each.unique)
        return tuple(found.values())

    def _refuse_clashes(self) -> None:
        seen: dict[str, str] = {}
        for name, field in self.fields.items():
            if field.name in seen:
                raise DefinitionError(
                    f"model {self.definition.name!r}: {seen[field.name]!r} and {name!r} would both "
                    f"be the field {field.name!r}"
                )
            if field.name.startswith((UNDECLARED, _NO_ID)):
                raise DefinitionError(
                    f"{self.definition.name}.{name}: no field begins with "
                    f"{UNDECLARED!r} or {_NO_ID!r}"
                )
            seen[field.name] = name


#: The most seconds from now, or ago: to the year 9999 and no further.
_LONGEST = 250_000_000_000


def _name_of(definition: ModelDefinition) -> str:
    options = definition.settings.options.get("redis", {})
    name = str(options.get("collection") or definition.name)
    if "{" in name or "}" in name:
        raise DefinitionError(
            f"model {definition.name!r}: the collection {name!r} has a brace, which tells the "
            "slots of a Redis Cluster"
        )
    return name


def _field(property_: Property) -> Field:
    name = named_field(property_, "redis") or property_.name
    return Field(property_, name, codec(property_.type))


def _is_whole(definition: ModelDefinition) -> bool:
    """Whether the id is one whole number, whose decimal text ends the key."""
    ids = definition.ids
    return not ids or (len(ids) == 1 and isinstance(ids[0].type, Integer))


def _geo_entry(point: Any) -> str:
    if abs(point.lat) > MAX_LATITUDE:
        return "polar"
    return f"{longitude(point)!r},{float(point.lat)!r}"


def longitude(point: Any) -> float:
    """The longitude of a point, from -180; Redis loses what is at 180, which is the same."""
    return -180.0 if point.lng == 180 else float(point.lng)


def _ttl(definition: ModelDefinition, settings: RedisSettings) -> float | str | None:
    """The seconds that records are kept, the property that says it, or None where it is for ever.

    :raises DefinitionError: where it is none of these.
    """
    given = definition.settings.options.get("redis", {}).get("ttl", settings.ttl)
    if given is None:
        return None
    if isinstance(given, str):
        found = definition.find(given)
        if found is None or not isinstance(found.type, Integer | Number | DecimalNumber | DateTime):
            raise DefinitionError(
                f"model {definition.name!r}: the ttl {given!r} is no property that is a number of "
                "seconds or an instant"
            )
        return found.name
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e10:
        raise DefinitionError(
            f"model {definition.name!r}: ttl is a number of seconds or the name of a property, "
            f"not {given!r}"
        )
    return float(given)
