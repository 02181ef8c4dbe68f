"""View: one definition's way into a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ...definition import ModelDefinition, Property
from ...errors import DefinitionError
from ...types import Integer, Number, detached
from ..base import Layout, Record, Rows, layout_of_records
from .table import Table
from .values import Key, is_mutable

Copy = Callable[[Record], Record]
Fields = tuple[str, ...] | None

#: How many selections of fields are known at once for one definition.
_MAX_LAYOUTS = 64


class View:
    """Reads and writes records of a table as one definition describes them.

    What goes in and what comes out are copies, so that neither side changes what the other has.

    :param definition: the definition.
    :param table: a table that has learned of it.
    """

    def __init__(self, definition: ModelDefinition, table: Table) -> None:
        self.definition = definition
        self.table = table
        self._copy = _copier(definition)
        self._reader = lru_cache(maxsize=_MAX_LAYOUTS)(self._make_reader)

    def rows(self, records: Iterable[Record], fields: Fields) -> Rows:
        """The rows of a query.

        :param records: stored records.
        :param fields: the Python names of the properties wanted, or None for all.
        """
        layout, read = self._reader(fields)
        return Rows(list(map(read, records)), layout)

    def insert(self, given: Record, position: int) -> Any:
        """Store a new record, and give its id; ``position`` is named where it collides."""
        record = self.table.complete(self._copy(given))
        self._give_id(record)
        self.table.insert(record, position)
        return self.definition.id_of(record)

    def update(self, key: Key, changes: Record) -> None:
        """Change some properties of the record with a key."""
        self.table.replace(key, {**self.table.records[key], **self._copy(changes)})

    def replace(self, key: Key, record: Record) -> None:
        """Store a record in the place of the one with a key."""
        self.table.replace(key, self.table.complete(self._copy(record)))

    def _give_id(self, record: Record) -> None:
        for each in self.definition.ids:
            if record[each.name] is None:
                if not self._makes(each):
                    raise DefinitionError(
                        f"{self.definition.name}.{each.name} is an id without a value, and the "
                        "memory connector makes integers only, for a generated id of one "
                        'property; a default such as default_fn="uuid" makes others'
                    )
                record[each.name] = self.table.take_id()

    def _makes(self, id: Property) -> bool:
        alone = len(self.definition.ids) == 1
        return alone and id.generated and isinstance(id.type, Integer | Number)

    def _make_reader(self, fields: Fields) -> tuple[Layout, Copy]:
        layout = layout_of_records(self.definition, fields)
        if fields is None:
            return layout, self._copy
        return layout, _selector([self.definition.properties[name] for name in fields])


def _copier(definition: ModelDefinition) -> Copy:
    """A function that copies a record as deep as its values can be changed."""
    mutable = _mutable_names(definition.properties.values())
    if definition.settings.keeps_unknown:
        return detached
    if not mutable:
        return dict

    def copy(record: Record) -> Record:
        copied = dict(record)
        for name in mutable:
            if name in copied:
                copied[name] = detached(copied[name])
        return copied

    return copy


def _selector(properties: Iterable[Property]) -> Copy:
    """A function that copies a part of a record."""
    names = tuple(each.name for each in properties)
    mutable = _mutable_names(properties)

    def select(record: Record) -> Record:
        selected = {name: record[name] for name in names}
        for name in mutable:
            selected[name] = detached(selected[name])
        return selected

    return select


def _mutable_names(properties: Iterable[Property]) -> tuple[str, ...]:
    return tuple(each.name for each in properties if is_mutable(each.type))
