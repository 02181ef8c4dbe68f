"""MemoryConnector: the connector protocol on tables of plain dicts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from time import monotonic
from typing import Any, ClassVar

import orjson

from ...definition import ModelDefinition, nearest
from ...errors import DefinitionError, Unavailable
from ...query import Filter, Where
from ..base import PLAIN, Capabilities, Connector, Record, Rows, TransactionOptions
from ..options import check_options
from .key_value import MemoryKeyValues
from .search import matching, search
from .store import StoredModel, StoreFile
from .table import Change, Table
from .values import frozen
from .view import View

_SETTINGS = ("file", "max_scan")
#: How many definitions are known at once; one that is used again is learned again.
_MAX_VIEWS = 256
_TOO_LONG = "The transaction took too long."


class MemoryConnector(Connector):
    """Keeps records in the process, and in a JSON file where the setting ``file`` names one.

    It is what the other connectors are measured by: filters mean what
    :mod:`flask_loop.query.predicate` says. Ids are integers from 1, and none is given twice.
    Properties with ``index`` or ``unique``, the id and the indexes in the model's settings have
    real indexes: equality, ``inq``, ranges, ``like`` with a known start, and the order by such a
    property where there is a limit, do not look at every record. Unique indexes hold however many
    threads write; a null never collides.

    A model's records are found by its name, or by ``{"memory": {"collection": name}}`` in its
    options; two definitions of one name see the same records.

    The file is read when the connector is made, and written whole, atomically, at the end of each
    write or outermost transaction, so that a process killed at any time leaves it whole. It
    belongs to one connector at a time: two processes that write it undo each other's work.

    :param settings: ``file``, a path whose folder exists; without it nothing outlives the process;
        ``max_scan``, how many records are looked up at most where a filter looks at related ones.
    :raises DefinitionError: naming an unknown setting, or the file where it is broken.

    ::

        create_data_source(connector="memory", file="data.json")
    """

    name: ClassVar[str] = "memory"
    capabilities = Capabilities(persistent=False)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        for key in settings:
            if key not in _SETTINGS:
                raise DefinitionError(
                    f"the memory connector has no setting {key!r}{nearest(key, _SETTINGS)}; "
                    f"it knows {', '.join(_SETTINGS)}"
                )
        self._lock = threading.RLock()
        self._depth = 0
        self._may_write = True
        self._journal: list[Change] = []
        self._tables: dict[str, Table] = {}
        self._key_values: dict[str, MemoryKeyValues] = {}
        self._undefined: dict[str, StoredModel] = {}
        self._views = lru_cache(maxsize=_MAX_VIEWS)(self._learn)
        self._file: StoreFile | None = None
        if settings.get("file") is not None:
            self._file = StoreFile(settings["file"])
            self._undefined = self._file.load()
            self.capabilities = replace(self.capabilities, persistent=True)

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model, and build the indexes that it declares.

        :raises DefinitionError: where the file's records of this model are of other types, or the
            model's records are kept under another id already.
        """
        self._view(definition)

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        view = self._view(definition)
        with self._lock:
            found = search(view.table, filter)
        return view.rows(found.records, filter.fields)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        view = self._view(definition)
        key = _id_key(definition, id)
        with self._lock:
            record = view.table.records.get(key)
        return view.rows([] if record is None else [record], None)

    def count(self, definition: ModelDefinition, where: Where) -> int:
        table = self._view(definition).table
        with self._lock:
            return len(matching(table, where).records)

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        view = self._view(definition)
        with self.transaction():
            return [view.insert(record, position) for position, record in enumerate(records)]

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        view = self._view(definition)
        with self.transaction():
            found = matching(view.table, where).records
            for key in found:
                view.update(key, changes)
        return len(found)

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        view = self._view(definition)
        key = _id_key(definition, id)
        with self.transaction():
            if key not in view.table.records:
                return 0
            view.replace(key, {**record, **definition.id_values(id)})
        return 1

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        table = self._view(definition).table
        with self.transaction():
            found = matching(table, where).records
            for key in found:
                table.remove(key)
        return len(found)

    @contextmanager
    def transaction(self, options: TransactionOptions = PLAIN) -> Iterator[None]:
        """A block whose writes all happen, or none where it raises.

        It belongs to the thread that entered it; the others wait, with reads too, until the
        outermost block ends. Ids that were given in a block that raised are not given again.

        :param options: it is serializable whatever is asked for.
        :raises Unavailable: where the file cannot be written, or the time is over; nothing is
            changed then.
        :raises RuntimeError: where something was written in a block that only reads.
        """
        deadline = None if options.timeout is None else monotonic() + options.timeout
        if not self._lock.acquire(timeout=-1 if options.timeout is None else options.timeout):
            raise Unavailable(_TOO_LONG)
        outermost = self._depth == 0
        start = len(self._journal)
        self._depth += 1
        may_write, self._may_write = self._may_write, self._may_write and not options.read_only
        try:
            yield
            if not self._may_write and len(self._journal) > start:
                raise RuntimeError("nothing is written in a transaction that is read_only")
            if deadline is not None and monotonic() >= deadline:
                raise Unavailable(_TOO_LONG)
            if outermost and self._journal:
                self._save()
        except BaseException:
            self._undo(start)
            raise
        finally:
            self._depth -= 1
            self._may_write = may_write
            if outermost:
                self._journal.clear()
            self._lock.release()

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        for definition in definitions:
            self.define(definition)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        with self.transaction():
            for definition in definitions:
                self._view(definition).table.clear()

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered, by answering it.

        :returns: ``index``: the properties whose indexes narrowed the search, or None where every
            record was looked at; ``candidates``: how many records were looked at; ``records``:
            how many there are; ``ordered``: whether an index gave the order, so that the search
            ended when the limit was reached.
        """
        table = self._view(definition).table
        with self._lock:
            found = search(table, filter)
            return {
                "connector": self.name,
                "index": found.index,
                "candidates": found.candidates,
                "records": len(table.records),
                "ordered": found.ordered,
            }

    def key_value(self, definition: ModelDefinition) -> MemoryKeyValues:
        """The keys of a model and their values, which are in this process alone."""
        name = _collection(definition)
        found = self._key_values.get(name)
        return self._key_values.setdefault(name, MemoryKeyValues()) if found is None else found

    def ping(self) -> None:
        """Do nothing: the records are here."""

    def _view(self, definition: ModelDefinition) -> View:
        return self._views(definition, definition.version, definition.shape)

    def _learn(self, definition: ModelDefinition, version: int, shape: int) -> View:
        check_options(definition, self.name, model=("collection",))
        name = _collection(definition)
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._new_table(name, definition)
                self._tables[name] = table
                self._undefined.pop(name, None)
            else:
                table.learn(definition)
            return View(definition, table)

    def _new_table(self, name: str, definition: ModelDefinition) -> Table:
        table = Table(name, self._journal)
        stored = self._undefined.get(name)
        try:
            table.learn(definition)
            if stored is not None:
                table.load(stored)
        except DefinitionError as error:
            if stored is None:
                raise
            raise DefinitionError(f"{self._file}: model {name!r}: {error}") from None
        return table

    def _save(self) -> None:
        if self._file is not None:
            tables = {name: orjson.Fragment(each.stored()) for name, each in self._tables.items()}
            self._file.save({**self._undefined, **tables})

    def _undo(self, start: int) -> None:
        while len(self._journal) > start:
            table, key, record = self._journal.pop()
            table.restore(key, record)


def _collection(definition: ModelDefinition) -> str:
    return str(definition.settings.options.get("memory", {}).get("collection", definition.name))


def _id_key(definition: ModelDefinition, id: Any) -> Any:
    values = tuple(map(frozen, definition.id_values(id).values()))
    return values[0] if len(values) == 1 else values
