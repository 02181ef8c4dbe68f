"""Writing: new documents, changes and deletions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bson import ObjectId
from bson.binary import Binary
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from ...definition import ModelDefinition
from ...errors import (
    BadRequest,
    DefinitionError,
    DuplicateId,
    TransactionConflict,
    Unavailable,
    UniqueViolation,
)
from ...query import Filter, Where
from ...types import Uuid
from ..base import Record, Rows
from ..narrowing import Narrowed
from ..repeating import LostRace
from .collection import ModelCollection
from .faults import DUPLICATE_KEY, duplicate_of, failed_write
from .guards import GUARDS, guard_key, note_in_transaction
from .keeping import Keeping
from .reading import Document
from .seen import ATTEMPTS, fields_of, unchanged
from .store import Known

#: Ids in one query, where Python found the documents.
CHUNK = 1000


class Writing(Keeping):
    """The operations that write."""

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        known = self._of(definition)
        self._will_write()
        if not records:
            return []
        ids = self._ids(known.collection, records)
        documents = [
            known.collection.document(record, stored)
            for record, (_, stored) in zip(records, ids, strict=True)
        ]
        if len(documents) == 1:
            self._insert(known, records, documents)
        else:
            with self.transaction():
                self._insert(known, records, documents)
        return [id for id, _ in ids]

    def insert_unless(
        self, definition: ModelDefinition, where: Where, record: Record
    ) -> tuple[Rows, bool] | None:
        known = self._of(definition)
        self._will_write()
        key = guard_key(known.collection.name, where)
        if self._transactions.current is None:
            with self._guards.held(key):
                return self._find_or_insert(definition, where, record)
        # Who comes second ends with a conflict, and finds the record when it begins again.
        note_in_transaction(self.client.collection(GUARDS), key, self._call)
        return self._find_or_insert(definition, where, record)

    def _find_or_insert(
        self, definition: ModelDefinition, where: Where, record: Record
    ) -> tuple[Rows, bool]:
        found = self.select(definition, Filter(where=where, limit=1))
        if found:
            return found, False
        (id,) = self.insert(definition, [record])
        collection = self._of(definition).collection
        stored = collection.stored_id(id) if definition.ids else None
        return collection.rows([collection.document(record, stored)]), True

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        known = self._of(definition)
        self._will_write()
        operators = known.collection.changes(changes)
        if not operators:
            return self.count(definition, where)
        narrowed = known.conditions.narrow(where)
        if narrowed.is_nothing:
            return 0
        is_single = is_one(narrowed.expression or {})
        # Where a unique index refuses one, the others stay as they were.
        may_refuse = not is_single and not known.unique_names.isdisjoint(changes)
        if narrowed.rest is not None or may_refuse:
            with self.transaction():
                return self._update(known, narrowed, operators, changes)
        return self._update(known, narrowed, operators, changes)

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        known = self._of(definition)
        self._will_write()
        operators = known.collection.changes(changes)
        narrowed = known.narrow_again(where)
        if not operators or narrowed.rest is not None or self._undoing.is_open:
            return None
        if narrowed.is_nothing:
            return known.collection.rows([])
        query = known.collection.by_id(id)
        if narrowed.expression is not None:
            query = known.conditions.all([query, narrowed.expression])
        try:
            found = self._call(
                known.raw.find_one_and_update,
                query,
                operators,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise self._refusal(known, error.details, changes) from None
        return known.collection.rows([] if found is None else [found])

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        known = self._of(definition)
        if not known.collection.is_open:
            return super().replace(definition, id, record)
        self._will_write()
        query = known.collection.by_id(id)
        document = known.collection.document(record, None)
        del document["_id"]
        try:
            if known.collection.kept or self._must_look_again:
                return self._replace_one(known, query, document)
            if self._undoing.is_open:
                self._keep_replaced(known, self._find(known, query), document)
            return int(self._call(known.raw.replace_one, query, document).matched_count)
        except DuplicateKeyError as error:
            raise self._refusal(known, error.details, record) from None

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        known = self._of(definition)
        self._will_write()
        narrowed = known.conditions.narrow(where)
        if narrowed.is_nothing:
            return 0
        if narrowed.rest is None:
            return self._delete(known, narrowed)
        with self.transaction():
            return self._delete(known, narrowed)

    # Ids

    def _ids(self, collection: ModelCollection, records: Sequence[Record]) -> list[tuple[Any, Any]]:
        """The id of each record, made where it has none, and the value of its ``_id``."""
        definition = collection.definition
        if not definition.ids:
            return [(definition.id_of(record), ObjectId()) for record in records]
        given = [definition.id_of(record) for record in records]
        made_by = collection.made_by
        is_counted = made_by is int
        if is_counted:
            numbers = [id for id in given if type(id) is int]
            if numbers:
                self._counters.given(collection.name, max(numbers))
        missing = sum(1 for id in given if id is None)
        counted = iter(
            self._counters.take(collection.name, missing) if missing and is_counted else ()
        )
        ids = [self._made_id(collection, counted) if _lacks(id) else id for id in given]
        return [(id, collection.stored_id(id)) for id in ids]

    def _made_id(self, collection: ModelCollection, counted: Any) -> Any:
        made_by = collection.made_by
        if made_by is int:
            return next(counted)
        if made_by is ObjectId:
            return str(ObjectId())
        if made_by is Uuid:
            return uuid.uuid4()
        definition = collection.definition
        names = ", ".join(each.name for each in definition.ids)
        raise DefinitionError(
            f"{definition.name}: ({names}) is an id without a value, and none is generated; a "
            'default such as default_fn="uuid" makes some'
        )

    # One step

    def _insert(
        self, known: Known, records: Sequence[Record], documents: Sequence[Document]
    ) -> None:
        transaction = self._transactions.current
        if transaction is not None and transaction.guarded:
            self._refuse_what_collides(known, records, documents)
        new: list[Document] = []
        if self._undoing.is_open:
            self._keep_new(known, new)
        try:
            if len(documents) == 1:
                self._call(known.raw.insert_one, documents[0])
            else:
                self._call(known.raw.insert_many, documents)
            new += documents
        except DuplicateKeyError as error:
            raise self._refusal(known, error.details, records[0], 0, is_new=True) from None
        except BulkWriteError as error:
            failed = failed_write(error) or {}
            index = int(failed.get("index", 0))
            new += documents[:index]
            if failed.get("code") != DUPLICATE_KEY:
                raise
            raise self._refusal(known, failed, records[index], index, is_new=True) from None
        except (BadRequest, Unavailable) as error:
            refused = failed_write(error.__cause__)
            if refused is not None:
                new += documents[: int(refused.get("index", 0))]
            elif len(documents) > 1 or isinstance(error, Unavailable):
                self._keep_unsure(known, documents)
            raise

    def _update(
        self, known: Known, narrowed: Narrowed[Any], operators: Document, changes: Record
    ) -> int:
        try:
            if self._must_look_again:
                return self._update_seen(known, narrowed, operators)
            return sum(
                self._update_all(known, query, operators)
                for query in self._queries(known, narrowed)
            )
        except DuplicateKeyError as error:
            raise self._refusal(known, error.details, changes) from None

    def _update_all(self, known: Known, query: Document, operators: Document) -> int:
        if self._undoing.is_open:
            self._keep_changed(known, self._scan(known, query), operators)
        run = known.raw.update_one if is_one(query) else known.raw.update_many
        return int(self._call(run, query, operators).matched_count)

    def _delete(self, known: Known, narrowed: Narrowed[Any]) -> int:
        if self._must_look_again:
            return self._delete_seen(known, narrowed)
        return sum(self._delete_all(known, query) for query in self._queries(known, narrowed))

    def _delete_all(self, known: Known, query: Document) -> int:
        if self._undoing.is_open:
            self._keep_deleted(known, self._scan(known, query))
        run = known.raw.delete_one if is_one(query) else known.raw.delete_many
        return int(self._call(run, query).deleted_count)

    def _queries(self, known: Known, narrowed: Narrowed[Any]) -> Iterable[Document]:
        """The queries for the documents of a where, which stay what they are meanwhile."""
        if narrowed.rest is None:
            return (narrowed.expression or {},)
        return chunks(self._matching(known, narrowed))

    def _replace_one(self, known: Known, query: Document, document: Document) -> int:
        """Replace a document as it was read, but for the fields that stay what they are.

        :raises TransactionConflict: where others change it again and again, or have changed what
            the block knows of it.
        """
        names = known.collection.kept
        for _ in range(ATTEMPTS):
            found = self._call(known.raw.find_one, query)
            if found is None:
                return 0
            whole = {**document, **{name: found[name] for name in names if name in found}}
            held = unchanged(found, names)
            if self._must_look_again:
                every = [name for name in {**found, **whole} if name != "_id"]
                held = unchanged(found, every)
                self._seen_of(known).unchanged(found, every)
            if self._undoing.is_open:
                self._keep_replaced(known, [found], whole)
            if self._call(known.raw.replace_one, held, whole).matched_count:
                self._seen_of(known).forget(found)
                return 1
        raise TransactionConflict

    # One document after the other

    def _update_seen(
        self, known: Known, narrowed: Narrowed[Any], operators: Mapping[str, Any]
    ) -> int:
        before: list[Document] = []
        self._keep_changed(known, before, operators)
        seen, options = self._seen_of(known), known.raw.codec_options
        names = [name for given in operators.values() for name in given]

        def update(query: Document, document: Document, **session: Any) -> Document | None:
            held = known.conditions.all([query, seen.unchanged(document, names)])
            found = known.raw.find_one_and_update(held, operators, **session)
            if found is not None:
                seen.changed(found, operators, options)
            return found

        return self._on_each(known, narrowed, before, update)

    def _delete_seen(self, known: Known, narrowed: Narrowed[Any]) -> int:
        before: list[Document] = []
        self._keep_deleted(known, before)
        seen = self._seen_of(known)

        def delete(query: Document, document: Document, **session: Any) -> Document | None:
            seen.forget(document)
            return known.raw.find_one_and_delete(query, **session)

        return self._on_each(known, narrowed, before, delete)

    def _on_each(
        self,
        known: Known,
        narrowed: Narrowed[Any],
        before: list[Document],
        act: Callable[..., Document | None],
    ) -> int:
        """Do something with each document of a where, none of which is changed by others meanwhile.

        :param before: gets the documents as they were right before that.
        :param act: does it with the document of a query, which was read as the one that comes
            next, and gives it as it was.
        :returns: how many there were.
        :raises TransactionConflict: where others change them again and again.
        """
        names = fields_of(narrowed.rest, known.collection.fields)
        is_meant = [] if narrowed.expression is None else [narrowed.expression]
        count, wanted = 0, narrowed
        for _ in range(ATTEMPTS):
            others: list[Any] = []
            for document in self._to_write(known, wanted):
                query = known.conditions.all([unchanged(document, names), *is_meant])
                try:
                    done = self._call(act, query, document)
                except Unavailable:
                    before.append(document)  # it may have been done
                    raise
                if done is None:
                    others.append(document["_id"])
                else:
                    before.append(done)
                    count += 1
            if not others:
                return count
            again = known.conditions.all([{"_id": {"$in": others}}, *is_meant])
            wanted = replace(narrowed, expression=again)
        raise TransactionConflict

    def _to_write(self, known: Known, narrowed: Narrowed[Any]) -> list[Document]:
        if narrowed.rest is None:
            return self._scan(known, narrowed.expression or {})
        return self._matching(known, narrowed)

    def _refusal(
        self,
        known: Known,
        details: Any,
        record: Record,
        index: int | None = None,
        *,
        is_new: bool = False,
    ) -> Exception:
        """What is raised where an index refuses a document."""
        definition = known.collection.definition
        paths, name = duplicate_of(details)
        if paths == ["_id"] or (not paths and name.startswith("_id_")):
            id = definition.id_of(record)
            duplicate = DuplicateId(definition.name, id)
            if is_new and id is None and known.collection.made_by is int:
                # Another caller gave the id that was made, a moment before that.
                lost = LostRace(duplicate)
                lost.is_over = self._transactions.current is None and not self._undoing.is_open
                return lost
            return duplicate
        return UniqueViolation(_properties(known, paths), index)

    def _refuse_what_collides(
        self, known: Known, records: Sequence[Record], documents: Sequence[Document]
    ) -> None:
        """Refuse what an index would, as a transaction ends where the server refuses a write."""
        ids = [each["_id"] for each in documents]
        there = self._find(known, {"_id": {"$in": ids}}, projection={"_id": 1})
        taken = [each["_id"] for each in there]
        for record, id in zip(records, ids, strict=True):
            if id in taken:
                raise DuplicateId(known.collection.definition.name, _shown_id(known, record, id))
            taken.append(id)
        for names in known.unique:
            self._refuse_same(known, names, documents)

    def _refuse_same(
        self, known: Known, names: tuple[str, ...], documents: Sequence[Document]
    ) -> None:
        fields = [known.collection.fields[name] for name in names]
        paths = [path for each in fields for path in (each.path, each.rest) if path]
        seen: list[list[Any]] = []
        for index, document in enumerate(documents):
            key = [_value_at(document, path) for path in paths]
            if any(_value_at(document, each.path) is None for each in fields):
                continue
            query = {path: {"$eq": value} for path, value in zip(paths, key, strict=True)}
            if key in seen or self._call(known.raw.find_one, query, projection={"_id": 1}):
                raise UniqueViolation(names, index)
            seen.append(key)


def chunks(documents: Sequence[Document]) -> Iterator[Document]:
    """Queries for documents that were found, so many at once."""
    for start in range(0, len(documents), CHUNK):
        yield {"_id": {"$in": [each["_id"] for each in documents[start : start + CHUNK]]}}


def _lacks(id: Any) -> bool:
    """Whether an id, or a part of it, is not given."""
    return id is None or (isinstance(id, tuple) and None in id)


def is_one(query: Mapping[str, Any]) -> bool:
    """Whether a query is for one document, so that the driver may try it again by itself."""
    id = query.get("_id")
    if isinstance(id, dict):
        return "$eq" in id or _is_one_id(id.get("$in", ()))
    return id is not None


def _is_one_id(forms: Sequence[Any]) -> bool:
    """Whether values are the forms of one ObjectId, or of one UUID."""
    if len(forms) != 2:
        return False
    first, second = forms
    if isinstance(first, Binary) and isinstance(second, Binary):
        return first.subtype != second.subtype
    return isinstance(first, ObjectId) and str(first) == second


def _value_at(document: Mapping[str, Any], path: str) -> Any:
    outer, _, inner = path.partition(".")
    held = document.get(outer)
    return held.get(inner) if inner and isinstance(held, Mapping) else held


def _shown_id(known: Known, record: Record, id: Any) -> Any:
    given = known.collection.definition.id_of(record)
    return id if given is None else given


def _properties(known: Known, paths: Sequence[str]) -> list[str]:
    """The properties that an index is over."""
    fields = known.collection.fields
    # MongoEngine has the class first in indexes of those that share a collection.
    found = [name for name, each in fields.items() if each.path in paths and name != "_cls"]
    return found or list(paths)
