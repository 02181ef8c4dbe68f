"""CabinetConnector: the connector protocol on a folder of JSON files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar
from uuid import uuid4

from flask_loop import Connector, DefinitionError
from flask_loop.connectors import Capabilities, Column, Layout, Record, Rows, TransactionOptions
from flask_loop.connectors.base import PLAIN
from flask_loop.connectors.given import Given
from flask_loop.connectors.narrowing import Narrowed, comparisons
from flask_loop.connectors.options import check_options
from flask_loop.connectors.scanning import bounded, sifted
from flask_loop.connectors.undoing import Undoing
from flask_loop.definition import ModelDefinition, Property
from flask_loop.errors import DuplicateId, UniqueViolation
from flask_loop.query import EVERYTHING, Filter, Where
from flask_loop.types import PropertyType, String, Uuid

from .drawer import Change, Drawer, Stored, key_of, reaching, remove
from .narrowing import CabinetNarrowing, Files

_DRAWER_NAME = re.compile(r"\w[\w .-]*")


class CabinetConnector(Connector):
    """Keeps each record in a JSON file of its own, in a folder for each model.

    Records are found by ids, and by properties with an index that equal values, by the names of
    files alone. All else is done in Python, for which no more than ``max_scan`` records are read.
    A folder belongs to one connector at a time, whose threads may all write.

    A model's folder has its name, or that in ``{"cabinet": {"drawer": name}}`` in its options.

    :param settings: ``path``, the folder, which is made where it is missing; ``max_scan``.
    :raises DefinitionError: naming a setting that is unknown, missing or of another kind.
    """

    name: ClassVar[str] = "cabinet"
    capabilities = Capabilities(
        transactions=False, undoes=True, inserts_unless=True, undeclared=False
    )

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        given = Given.read(self.name, settings, ("path", "max_scan"))
        path = given.get("path")
        if path is None:
            raise DefinitionError("the cabinet connector needs the setting 'path'")
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise DefinitionError(
                f"the setting 'path' of the cabinet connector is a folder, not {path!r}"
            )
        self._folder = Path(os.path.abspath(path))
        self.max_scan = given.max_scan
        self._lock = RLock()
        self._undoing = Undoing(self.name)
        self._drawers = lru_cache(maxsize=256)(self._open)
        self._layouts = lru_cache(maxsize=256)(_layout)

    # Reading

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        found = self._found(definition, filter)
        return Rows([record for _, record in found], self._layout(definition, filter.fields))

    def count(self, definition: ModelDefinition, where: Where) -> int:
        narrowed = self._narrow(definition, where)
        if narrowed.is_nothing:
            return 0
        if narrowed.rest is not None:
            return len(self._found(definition, Filter(where=where)))
        drawer = self._drawer(definition)
        if narrowed.expression is None:
            return len(drawer.keys())
        return sum(map(drawer.has, narrowed.expression.keys))

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: ``files``, how many have to be read, and ``by``, the values that
            tell which, or None where it is all of them; ``python``: what is left for Python:
            ``where``, the comparisons, and whether it does the ``order``.
        """
        narrowed = self._narrow(definition, filter.where)
        files, rest = narrowed.expression, narrowed.rest
        keys = self._drawer(definition).keys() if files is None else files.keys
        return {
            "connector": self.name,
            "backend": {
                "files": 0 if narrowed.is_nothing else len(keys),
                "by": None if files is None else files.reason,
            },
            "python": {
                "where": [] if rest is None else comparisons(rest),
                "order": bool(filter.order or filter.near),
            },
        }

    def _found(self, definition: ModelDefinition, filter: Filter) -> list[tuple[str, Stored]]:
        """The records of a filter, each with its key, in its order."""
        narrowed = self._narrow(definition, filter.where)
        if narrowed.is_nothing:
            return []
        drawer = self._drawer(definition)
        keys = drawer.keys() if narrowed.expression is None else narrowed.expression.keys
        read = ((key, record) for key in keys if (record := drawer.read(key)) is not None)
        is_ordered = not (filter.order or filter.near)
        if narrowed.rest is None and is_ordered:
            end = None if filter.limit is None else filter.skip + filter.limit
            return list(islice(read, filter.skip, end))
        found = bounded(definition, read, self.max_scan)
        layout = self._layout(definition, None)
        records = Rows([record for _, record in found], layout).records()
        places = sifted(records, filter, narrowed.rest, is_ordered=is_ordered)
        return [found[place] for place in places]

    def _narrow(self, definition: ModelDefinition, where: Where) -> Narrowed[Files]:
        return CabinetNarrowing(definition, self._drawer(definition)).narrow(where)

    # Writing

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        self._undoing.will_write()
        with self._lock:
            drawer = self._drawer(definition)
            made = _with_ids(definition, drawer, records)
            changes: dict[str, Change] = {}
            for position, record in enumerate(made):
                stored = _stored(definition, record)
                key = key_of([stored[each.wire] for each in definition.ids])
                if key in changes or drawer.has(key):
                    raise DuplicateId(definition.name, definition.id_of(record))
                changes[key] = Change(key, None, stored, position)
            self._write(definition, list(changes.values()))
        return [definition.id_of(record) for record in made]

    def insert_unless(
        self, definition: ModelDefinition, where: Where, record: Record
    ) -> tuple[Rows, bool]:
        with self._lock:
            found = self.select(definition, Filter(where=where, limit=1))
            if found:
                return found, False
            (id,) = self.insert(definition, [record])
            return self.get(definition, id), True

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        self._undoing.will_write()
        stored = _stored(definition, changes, keeps_null=True)
        with self._lock:
            found = self._found(definition, Filter(where=where))
            self._write(definition, [Change(key, old, _merged(old, stored)) for key, old in found])
        return len(found)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        self._undoing.will_write()
        with self._lock:
            found = self._found(definition, Filter(where=where))
            self._write(definition, [Change(key, old, None) for key, old in found])
        return len(found)

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        return self._undoing.transaction(options)

    def _write(self, definition: ModelDefinition, changes: Sequence[Change]) -> None:
        """Do all of some changes or none."""
        drawer = self._drawer(definition)
        self._refuse_taken(definition, drawer, changes)
        done: list[Change] = []
        try:
            for change in changes:
                done.append(change)
                drawer.put(change)
        except BaseException:
            for change in reversed(done):
                drawer.put(change.reversed())
            raise
        for change in changes:
            self._undoing.wrote(partial(self._undo, definition, change))

    def _undo(self, definition: ModelDefinition, change: Change) -> None:
        with self._lock:
            drawer = self._drawer(definition)
            if drawer.read(change.key) == change.after:
                self._refuse_taken(definition, drawer, [change.reversed()])
                drawer.put(change.reversed())

    def _refuse_taken(
        self, definition: ModelDefinition, drawer: Drawer, changes: Sequence[Change]
    ) -> None:
        """Refuse changes after which two records would have one unique value."""
        changed = {change.key for change in changes}
        for index in definition.indexes():
            if not index.unique:
                continue
            names = _wire_names(definition, index.keys)
            taken: set[str] = set()
            for change in changes:
                values = [(change.after or {}).get(name) for name in names]
                if None in values:
                    continue
                if key_of(values) in taken or any(
                    key not in changed and _has(drawer.read(key), names, values)
                    for key in drawer.keys_with(names, values)
                ):
                    raise UniqueViolation(index.keys, change.position)
                taken.add(key_of(values))

    # Folders

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        for definition in definitions:
            self._drawer(definition)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        with self._lock:
            for definition in definitions:
                remove(self._folder_of(definition))
            self._drawers.cache_clear()
        self.auto_update(definitions)

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return all(Drawer.is_there(self._folder_of(each), _indexes(each)) for each in definitions)

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        there = [each for each in definitions if self._folder_of(each).is_dir()]
        return [each.name for each in there if self.count(each, EVERYTHING)]

    def ping(self) -> None:
        with reaching():
            self._folder.mkdir(parents=True, exist_ok=True)
            os.listdir(self._folder)

    def close(self) -> None:
        self._drawers.cache_clear()

    def _folder_of(self, definition: ModelDefinition) -> Path:
        name = definition.settings.options.get(self.name, {}).get("drawer", definition.name)
        if not isinstance(name, str) or not _DRAWER_NAME.fullmatch(name):
            raise DefinitionError(
                f"model {definition.name!r}: {name!r} cannot be the name of a folder; say another "
                'by options={"cabinet": {"drawer": name}}'
            )
        return self._folder / name

    def _drawer(self, definition: ModelDefinition) -> Drawer:
        return self._drawers(definition, definition.version, definition.shape)

    def _open(self, definition: ModelDefinition, version: int, shape: int) -> Drawer:
        check_options(definition, self.name, model=("drawer",))
        with self._lock:
            return Drawer(self._folder_of(definition), _indexes(definition))

    def _layout(self, definition: ModelDefinition, fields: tuple[str, ...] | None) -> Layout:
        return self._layouts(definition, definition.version, definition.shape, fields)


def _layout(
    definition: ModelDefinition, version: int, shape: int, fields: tuple[str, ...] | None
) -> Layout:
    """How files are read; it is made once, and what is compiled for it, too."""
    names = definition.properties if fields is None else fields
    return Layout({name: _column(definition.properties[name]) for name in names})


def _column(property_: Property) -> Column:
    kind = property_.type
    if kind.dumps_itself:
        return Column((property_.wire,), may_miss=True)
    return Column((property_.wire,), kind.from_json, _to_wire(kind), may_miss=True)


def _to_wire(kind: PropertyType) -> Callable[[Any], Any]:
    """What clients see of a stored value; inside embedded records there may be less to see."""
    return lambda stored: kind.dump(kind.from_json(stored))


def _stored(definition: ModelDefinition, record: Record, *, keeps_null: bool = False) -> Stored:
    """What a file has of some values of a record."""
    properties = definition.properties
    return {
        properties[name].wire: None if value is None else properties[name].type.to_json(value)
        for name, value in record.items()
        if keeps_null or value is not None
    }


def _merged(old: Stored, changes: Stored) -> Stored:
    return {name: value for name, value in {**old, **changes}.items() if value is not None}


def _has(record: Stored | None, names: Sequence[str], values: Sequence[Any]) -> bool:
    return record is not None and key_of([record.get(name) for name in names]) == key_of(values)


def _wire_names(definition: ModelDefinition, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(definition.properties[name].wire for name in names)


def _indexes(definition: ModelDefinition) -> list[tuple[str, ...]]:
    """The indexes that a model asks for, and one for each part of an id of several properties."""
    parts = definition.ids if len(definition.ids) > 1 else ()
    wanted = [index.keys for index in definition.indexes()]
    return [_wire_names(definition, keys) for keys in [*wanted, *((each.name,) for each in parts)]]


def _with_ids(
    definition: ModelDefinition, drawer: Drawer, records: Sequence[Record]
) -> list[Record]:
    """Records with ids; numbers count on from the greatest that there ever was."""
    last = drawer.last_id()
    made = []
    for record in records:
        new = {}
        for each in definition.ids:
            value = record[each.name]
            if value is None:
                value = new[each.name] = _new_id(definition, each, last)
            if each.generated and type(value) is int:
                last = max(last, value)
        made.append({**record, **new})
    drawer.note_id(last)
    return made


def _new_id(definition: ModelDefinition, id: Property, last: int) -> Any:
    if not id.generated:
        raise DefinitionError(f"{definition.name}.{id.name} is an id without a value")
    if isinstance(id.type, String):
        return uuid4().hex
    return uuid4() if isinstance(id.type, Uuid) else last + 1
