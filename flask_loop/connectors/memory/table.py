"""Table: the records of one model, their ids and indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import orjson

from ...definition import ModelDefinition, Property
from ...errors import Conflict, DefinitionError, DuplicateId, UniqueViolation
from ...types import MAX_INTEGER
from ..base import Record
from .indexes import Index, Names, declared
from .store import StoredModel, decode, encode
from .values import Key

#: What a write changed: the table, the record's key, and the record before it, if there was one.
Change: TypeAlias = "tuple[Table, Key, Record | None]"


class Table:
    """The records of one model. A stored record is never changed, another takes its place.

    :param name: the name of the model.
    :param journal: takes down each change, so that it can be undone.
    :ivar records: by key: the id, a tuple where it is several properties, a number where there is
        none.
    :ivar indexes: by the names of their properties; the id's is one of them.
    """

    def __init__(self, name: str, journal: list[Change]) -> None:
        self.name = name
        self.records: dict[Key, Record] = {}
        self.indexes: dict[Names, Index] = {}
        self._journal = journal
        self._properties: dict[str, Property] = {}
        self._blank: Record = {}
        self._id_names: Names = ()
        self._next_id = 1
        self._stored: bytes | None = None

    def learn(self, definition: ModelDefinition) -> None:
        """Know the properties and indexes of one more definition of this model.

        :raises DefinitionError: where it has another id than the records, or they have values that
            are not of its types.
        """
        indexes = list(declared(definition))
        self._take_id_names(tuple(each.name for each in definition.ids))
        self._take_properties(definition.properties.values())
        for names, unique in indexes:
            self._take_index(names, unique)

    def load(self, stored: StoredModel) -> None:
        """Take the records of a file.

        :raises DefinitionError: naming what is wrong with them.
        """
        for each in stored["records"]:
            record = self.complete(decode(each, self._properties.values()))
            key = self._key(record)
            if key is None:
                raise DefinitionError("a record has no id")
            if key in self.records:
                raise DefinitionError(f"two records have the id {self._id_of(record)!r}")
            self._link(key, record)
        self._next_id = max(self._next_id, stored["next_id"])

    def stored(self) -> bytes:
        """The JSON that :meth:`load` takes.

        :raises TypeError: where an undeclared value is none that JSON has.
        """
        if self._stored is None:
            records = [encode(record, self._properties) for record in self.records.values()]
            self._stored = orjson.dumps({"next_id": self._next_id, "records": records})
        return self._stored

    def complete(self, record: Record) -> Record:
        """The record with each property that any definition of the model declares."""
        return {**self._blank, **record}

    def take_id(self) -> int:
        """An id that was never given before.

        :raises Conflict: where the greatest integer was.
        """
        id = self._next_id
        if id > MAX_INTEGER:
            raise Conflict(f"{self.name} has no more ids.", error_code="OUT_OF_IDS")
        self._next_id += 1
        return id

    def insert(self, record: Record, position: int) -> None:
        """Store a new record.

        :param record: a complete record that nobody else holds.
        :param position: where it is among those that are written together.
        :raises DuplicateId: where its id exists.
        :raises UniqueViolation: where a unique index has its key.
        """
        key = self._key(record)
        if key in self.records:
            raise DuplicateId(self.name, self._id_of(record))
        for index in self.indexes.values():
            if index.unique and index.refuses(index.key(record)):
                raise UniqueViolation(index.names, position)
        self._journal.append((self, key, None))
        self._link(key, record)

    def replace(self, key: Key, record: Record) -> None:
        """Store a record in the place of another.

        :param key: the other's.
        :param record: a complete record that nobody else holds.
        :raises UniqueViolation: where a unique index has its key.
        :raises ValueError: where its id is not the other's.
        """
        old = self.records[key]
        moves = []
        for index in self.indexes.values():
            was, now = index.key(old), index.key(record)
            if was == now:
                continue
            if index.names == self._id_names:
                raise ValueError(f"the id of a {self.name} cannot be changed")
            if index.refuses(now):
                raise UniqueViolation(index.names)
            moves.append((index, was, now))
        self._journal.append((self, key, old))
        self._stored = None
        self.records[key] = record
        for index, was, now in moves:
            index.discard(was, key)
            index.add(now, key)

    def remove(self, key: Key) -> None:
        """Delete a record."""
        self._journal.append((self, key, self.records[key]))
        self._unlink(key)

    def clear(self) -> None:
        """Delete all records, and count ids from 1 again."""
        for key in list(self.records):
            self.remove(key)
        self._next_id = 1

    def restore(self, key: Key, record: Record | None) -> None:
        """Undo a change: there is the record that was there before, or none."""
        if key in self.records:
            self._unlink(key)
        if record is not None:
            self._link(key, self.complete(record))

    def _key(self, record: Record) -> Key:
        return self.indexes[self._id_names].key(record) if self._id_names else self.take_id()

    def _id_of(self, record: Record) -> Any:
        values = tuple(record[name] for name in self._id_names)
        return values[0] if len(values) == 1 else values

    def _link(self, key: Key, record: Record) -> None:
        self._stored = None
        self.records[key] = record
        for index in self.indexes.values():
            index.add(index.key(record), key)
        if type(key) is int and key >= self._next_id:
            self._next_id = key + 1

    def _unlink(self, key: Key) -> None:
        self._stored = None
        record = self.records.pop(key)
        for index in self.indexes.values():
            index.discard(index.key(record), key)

    def _take_id_names(self, names: Names) -> None:
        if names == self._id_names:
            return
        if self.records:
            raise DefinitionError(
                f"the records of {self.name!r} have the id ({', '.join(self._id_names)}), "
                f"which another definition of it calls ({', '.join(names)})"
            )
        self._id_names = names

    def _take_properties(self, properties: Iterable[Property]) -> None:
        """Know properties, and find those that were undeclared in the records until now."""
        properties = list(properties)
        new = [each for each in properties if each.name not in self._properties]
        blank = dict.fromkeys(each.name for each in (*self._properties.values(), *new))
        if new:
            self.records = {
                key: {**blank, **decode(record, new)} for key, record in self.records.items()
            }
        self._blank = blank
        self._properties.update((each.name, each) for each in properties)

    def _take_index(self, names: Names, unique: bool) -> None:
        index = self.indexes.get(names)
        if index is None:
            index = self.indexes[names] = Index(names)
            for key, record in self.records.items():
                index.add(index.key(record), key)
        index.unique = index.unique or unique
