"""RedisConnector: the connector protocol on Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ...definition import ModelDefinition
from ...errors import Conflict, DuplicateId, TransactionConflict, Unavailable, UniqueViolation
from ...query import EVERYTHING, And, Compare, Filter, Where, predicate
from ..base import (
    PLAIN,
    Capabilities,
    Connector,
    Record,
    Rows,
    TransactionOptions,
    layout_of_records,
)
from ..narrowing import comparisons
from ..scanning import refuse_more
from ..undoing import Undoing
from . import migration, scripts, undo
from .checks import check_of
from .client import RedisClient, read_settings
from .collection import Collection
from .key_value import RedisKeyValues
from .searching import CHUNK, Search, names_in
from .seen import Seen

if TYPE_CHECKING:
    import orjson

#: How many definitions are known at once; one that is used again is learned again.
_MAX_COLLECTIONS = 256
#: How many wheres are kept in the form in which scripts look at them.
_MAX_CHECKS = 256
#: How often a write is tried whose records others change meanwhile.
_ATTEMPTS = 50


class RedisConnector(Connector):
    """Keeps records in hashes of Redis, and indexes of them in sorted sets.

    The properties with ``index`` or ``unique``, the id and the indexes in the model's settings are
    what filters find records by without a look at the others: equality, ``inq``, ranges, ``like``
    with a known start, the order by such a property, and ``near``. What they do not say is looked
    at in Python, in no more than ``max_scan`` records. Each write is one Lua script, so that the
    indexes have what the records have, and unique indexes hold however many write.

    A model's records are under ``prefix{name}``, where ``{"redis": {"collection": name}}`` in its
    options takes the place of its name; ``{"redis": {"ttl": seconds}}`` says how long they are
    kept, or the name of the property that does. A property's field is ``{"redis": {"field":
    name}}`` of its options.

    :param settings: see :func:`~flask_loop.connectors.redis.settings.read_settings`.
    :raises DefinitionError: naming the setting that is unknown or means nothing.

    ::

        create_data_source(connector="redis", url="redis://localhost:6379/0")
    """

    name: ClassVar[str] = "redis"
    capabilities = Capabilities(
        transactions=False, undoes=True, inserts_unless=True, returns_changes=True
    )

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.client = RedisClient(read_settings(self.name, settings))
        self.max_scan = self.client.settings.max_scan
        self._undoing = Undoing(self.name)
        self._checks: dict[Any, tuple[Where, orjson.Fragment | None]] = {}
        self._collections = lru_cache(maxsize=_MAX_COLLECTIONS)(self._learn)

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model; the server is not asked.

        :raises DefinitionError: naming an option that means nothing.
        """
        self._collection(definition)

    # Reading

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        return Search(self.client, self._collection(definition), filter).rows()

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        collection = self._collection(definition)
        if collection.is_open:
            rows = self.get_many(definition, [id])
        else:
            row = scripts.GET.read(self.client, collection.key(id), collection.all_fields_json)
            rows = Rows([] if row is None else [row], collection.layout(None))
        if rows and self._undoing.is_open:
            self._seen(collection).note(collection.id_text(id), rows[0])
        return rows

    def get_many(self, definition: ModelDefinition, ids: Sequence[Any]) -> Rows:
        collection = self._collection(definition)
        texts = [collection.id_text(id) for id in ids]
        rows: list[Any] = []
        for start in range(0, len(texts), CHUNK):
            told = {"ids": texts[start : start + CHUNK], "fields": collection.all_fields}
            raw, _ = scripts.READ.ask(self.client, collection, told)
            rows += map(collection.row, raw)
        return Rows(rows, collection.layout(None))

    def count(self, definition: ModelDefinition, where: Where) -> int:
        return Search(self.client, self._collection(definition), Filter(where)).count()

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: ``indexes``, the names of the indexes that are used; ``lookup``,
            what the scripts look up in them, or None where that is every record; ``candidates``:
            how many records that leads to; ``ordered``: whether they come in the filter's order,
            so that no more are read than the page has. ``python``: ``where``, what is looked at in
            Python, and whether it puts them in ``order``.
        """
        search = Search(self.client, self._collection(definition), filter)
        backend = search.explain()
        return {
            "connector": self.name,
            "backend": backend,
            "python": {
                "where": [] if search.rest is None else comparisons(search.rest),
                "order": not backend["ordered"],
            },
        }

    # Writing

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        return self._insert(definition, records) or []

    def _insert(
        self,
        definition: ModelDefinition,
        records: Sequence[Record],
        unless: dict[str, Any] | None = None,
    ) -> list[Any] | None:
        """Store records.

        :param unless: the version of what was read, and what that was looked up by, where nothing
            is stored if it may read otherwise by now.
        :returns: the ids; None where nothing was stored.
        """
        self._undoing.will_write()
        if not records:
            return []
        collection = self._collection(definition)
        pairs = [collection.stored(each) for each in records]
        stored = [each for each, _ in pairs]
        script = scripts.INSERT if unless is None else scripts.INSERT_UNLESS
        answer = self._write(script, collection, {"records": stored, **(unless or {})})
        if answer[0] == "changed":
            return None
        if answer[0] != "done":
            self._raise(collection, answer, records)
        made = answer[1]
        if self._undoing.is_open:
            self._undoing.wrote(partial(self._undo_insert, collection, stored, made))
        if not collection.id_names:
            return [()] * len(records)
        return [
            id if text is None else int(text) for (_, id), text in zip(pairs, made, strict=True)
        ]

    def insert_unless(
        self, definition: ModelDefinition, where: Where, record: Record
    ) -> tuple[Rows, bool] | None:
        collection = self._collection(definition)
        if not collection.id_names:
            return None
        for _ in range(_ATTEMPTS):
            version = self.client.run(
                lambda server: server.get(f"{collection.tag}/version"), is_safe=True
            )
            rows = self.select(definition, Filter(where, limit=1))
            if rows:
                return rows, False
            lookup = Search(self.client, collection, Filter(where)).lookup
            unless = {"version": (version or b"0").decode(), **lookup}
            ids = self._insert(definition, [record], unless)
            if ids is not None:
                return self._stored(collection, ids[0], record), True
        raise self._conflict()

    def _stored(self, collection: Collection, id: Any, record: Record) -> Rows:
        """The row of a record that was just stored, though its time may be over already."""
        definition = collection.definition
        rows = self.get(definition, id)
        if rows:
            return rows
        return Rows([{**record, **definition.id_values(id)}], layout_of_records(definition, None))

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        self._undoing.will_write()
        collection = self._collection(definition)
        told = collection.changes(changes)
        for _ in range(_ATTEMPTS):
            told["records"] = self._matching(collection, where)
            if not told["records"]:
                return 0
            answer = self._change_seen(collection, told)
            if answer is not None:
                return int(answer[1])
        raise self._conflict()

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        self._undoing.will_write()
        collection = self._collection(definition)
        told = collection.changes(changes)
        told["fields"] = collection.all_fields
        target: dict[str, Any] = {"id": collection.id_text(id)}
        told["records"] = [target]
        check = self._check(collection, where)
        if check is not None:
            answer = self._change_seen(collection, {**told, "check": check})
            if answer is not None:
                return self._changed_rows(collection, answer)
        names = tuple(dict.fromkeys(names_in(where)))
        for _ in range(_ATTEMPTS):
            rows = self.get(definition, id)
            if not rows or not predicate(where)(rows.records()[0]):
                return Rows([], rows.layout)
            target["expected"] = collection.expected(rows.raw[0], names)
            answer = self._change_seen(collection, told)
            if answer is not None:
                return self._changed_rows(collection, answer)
        raise self._conflict()

    @staticmethod
    def _changed_rows(collection: Collection, answer: Any) -> Rows:
        return Rows([collection.row(each) for each in answer[3]], collection.layout(None))

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        self._undoing.will_write()
        collection = self._collection(definition)
        told = collection.changes(record)
        told["rest_goes"] = collection.is_open
        told["records"] = [{"id": collection.id_text(id)}]
        answer = self._change_seen(collection, told)
        if answer is None:
            raise self._conflict()
        return int(answer[1])

    def _change_seen(self, collection: Collection, told: dict[str, Any]) -> Any:
        """Change records, unless others have changed what the caller's block has read of them.

        :returns: None where the script cannot, as they are not what was expected.
        """
        if self._undoing.is_open:
            self._seen(collection).expect(told)
        return self._change(collection, told)

    def _seen(self, collection: Collection) -> Seen:
        known = self._undoing.seen
        return Seen({} if known is None else known, collection)

    def _change(self, collection: Collection, told: dict[str, Any]) -> Any:
        """Change records; None where the script cannot, as they are not what was expected."""
        told["undo"] = self._undoing.is_open
        answer = self._write(scripts.CHANGE, collection, told)
        if answer[0] in ("changed", "unsure"):
            return None
        if answer[0] != "done":
            self._raise(collection, answer, None)
        if self._undoing.is_open and answer[2]:
            self._seen(collection).changed(told)
            self._undoing.wrote(partial(undo.undo_change, self.client, collection, answer[2], told))
        return answer

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        self._undoing.will_write()
        collection = self._collection(definition)
        told: dict[str, Any] = {"undo": self._undoing.is_open}
        for _ in range(_ATTEMPTS):
            told["records"] = self._matching(collection, where)
            if not told["records"]:
                return 0
            answer = self._write(scripts.REMOVE, collection, told)
            if answer[0] == "changed":
                continue
            if self._undoing.is_open and answer[2]:
                self._seen(collection).forget(told)
                self._undoing.wrote(partial(undo.undo_remove, self.client, collection, answer[2]))
            return int(answer[1])
        raise self._conflict()

    def _write(self, script: scripts.Script, collection: Collection, told: dict[str, Any]) -> Any:
        try:
            return script.ask(self.client, collection, told)
        except Unavailable:
            self._undoing.may_have_written()
            raise

    def _undo_insert(
        self, collection: Collection, stored: Sequence[dict[str, Any]], made: list[Any]
    ) -> None:
        # What the block itself may have written afterwards is not what others wrote.
        is_whole = not self._undoing.is_unsure
        undo.undo_insert(self.client, collection, stored, made, is_whole=is_whole)

    def _matching(self, collection: Collection, where: Where) -> list[dict[str, Any]]:
        """The records that match, each with what it must still be when it is written.

        :raises TooMuchToRead: where there are more than may be read.
        """
        id = _id_in(collection, where)
        if id is not None:
            return [{"id": collection.id_text(id)}]
        names = tuple(dict.fromkeys(names_in(where)))
        most = self.max_scan
        found = Search(self.client, collection, Filter(where, limit=most + 1)).found(names)
        refuse_more(collection.definition, found.ids, most)
        if not names:
            return [{"id": each} for each in found.ids]
        return [
            {"id": each, "expected": collection.expected(row, names, found.names)}
            for each, row in zip(found.ids, found.raw, strict=True)
        ]

    def _check(self, collection: Collection, where: Where) -> orjson.Fragment | None:
        """What a script looks at for a where, which is compiled once where it comes again."""
        key = (collection, id(where))
        known = self._checks.get(key)
        if known is None or known[0] is not where:
            if len(self._checks) >= _MAX_CHECKS:
                self._checks.clear()
            known = self._checks[key] = (where, check_of(collection, where))
        return known[1]

    def _raise(
        self, collection: Collection, answer: Any, records: Sequence[Record] | None
    ) -> NoReturn:
        definition = collection.definition
        if answer[0] == "over":
            raise Conflict(f"{definition.name} has no more ids.", error_code="OUT_OF_IDS")
        place = answer[1] - 1
        if answer[0] == "id":
            raise DuplicateId(definition.name, definition.id_of((records or [])[place]))
        (index,) = [each for each in collection.indexes if each.name == answer[2]]
        raise UniqueViolation(index.names, place if records else None)

    def _conflict(self) -> TransactionConflict:
        error = TransactionConflict()
        error.is_over = not self._undoing.is_open
        return error

    # The rest

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        """A block whose writes are undone, one by one, where it raises; others see them until then.

        :param options: what is asked of it; isolation there is none.
        """
        return self._undoing.transaction(options)

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Build the indexes that are missing, and drop those that are no longer declared.

        :raises UniqueViolation: where records that are there have the same values.
        """
        migration.update(self.client, [self._collection(each) for each in definitions])

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        for definition in definitions:
            migration.empty(self.client, self._collection(definition))

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        return [each.name for each in definitions if self.count(each, EVERYTHING)]

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return migration.is_actual(self.client, [self._collection(each) for each in definitions])

    def key_value(self, definition: ModelDefinition) -> RedisKeyValues:
        return RedisKeyValues(self.client, self._collection(definition).tag)

    def ping(self) -> None:
        self.client.run(lambda server: server.ping(), is_safe=True)

    def close(self) -> None:
        self.client.close()

    def _collection(self, definition: ModelDefinition) -> Collection:
        return self._collections(definition, definition.version, definition.shape)

    def _learn(self, definition: ModelDefinition, version: int, shape: int) -> Collection:
        return Collection(definition, self.client.settings)


def _id_in(collection: Collection, where: Where) -> Any:
    """The id that is all that a where asks for, or None."""
    parts = where.items if isinstance(where, And) else (where,)
    values: dict[str, Any] = {}
    for each in parts:
        if not isinstance(each, Compare) or each.operator != "eq" or each.member:
            return None
        if each.path.keys or each.operand is None:
            return None
        values[each.path.property.name] = each.operand
    names = collection.id_names
    if not names or len(values) != len(parts) or values.keys() != set(names):
        return None
    return collection.definition.id_of(values)
