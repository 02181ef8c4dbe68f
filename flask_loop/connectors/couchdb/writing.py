"""Writing: documents with their revisions, again where somebody else was faster.

CouchDB takes a document only with the revision that it is to take the place of. What it refuses is
read and looked at again, a few times.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ...definition import ModelDefinition
from ...errors import Conflict, DefinitionError, DuplicateId, TransactionConflict
from ...query import predicate
from ...query.nodes import Where
from ...types import AnyValue, Integer, Number, String, Uuid
from ..base import Record
from ..undoing import Undoing
from .database import PAGE, Database, Document
from .documents import Documents
from .numbering import ATTEMPTS, Numbering, pause


@dataclass(frozen=True, slots=True)
class Change:
    """One document, before and after; None where there is none.

    :ivar after: without a revision.
    """

    before: Document | None
    after: Document | None

    @property
    def id(self) -> str:
        document = self.before if self.after is None else self.after
        return str(document["_id"])  # type: ignore[index]

    def sent(self) -> Document:
        """What CouchDB is sent."""
        revision = {} if self.before is None else {"_rev": self.before["_rev"]}
        if self.after is None:
            return {"_id": self.id, **revision, "_deleted": True}
        return {**self.after, **revision}


#: Gives a document in the place of another, or None to delete it.
Edit: TypeAlias = Callable[[Document], "Document | None"]


class Writer:
    """Writes the documents of one model.

    :param database: the database.
    :param documents: how its records are stored.
    :param undoing: takes down what is written, so that it can be undone.
    """

    def __init__(self, database: Database, documents: Documents, undoing: Undoing) -> None:
        self._database = database
        self._documents = documents
        self._undoing = undoing
        self.numbering = Numbering(documents)

    def insert(self, records: Sequence[Record]) -> list[Any]:
        """Store new records, all or none; see :meth:`Connector.insert`."""
        definition = self._documents.definition
        with self._undoing.transaction():
            self._undoing.will_write()
            given = self._with_ids(records)
            made = {place for place, each in enumerate(records) if given[place] is not each}
            changes = {place: self._new(each) for place, each in enumerate(given)}
            seen: set[str] = set()
            for place, change in changes.items():
                if change.id in seen:
                    raise DuplicateId(definition.name, definition.id_of(given[place]))
                seen.add(change.id)
            for attempt in range(ATTEMPTS):
                refused = {change.id for change in self._put(list(changes.values()))}
                changes = {place: each for place, each in changes.items() if each.id in refused}
                taken = [place for place in changes if place not in made]
                if taken:
                    raise DuplicateId(definition.name, definition.id_of(given[taken[0]]))
                if not changes:
                    return [definition.id_of(each) if definition.ids else () for each in given]
                # Somebody chose the ids that were made here before they were stored.
                pause(attempt)
                again = self._with_ids([records[place] for place in changes])
                for place, record in zip(changes, again, strict=True):
                    given[place], changes[place] = record, self._new(record)
            raise TransactionConflict

    def change(self, found: Iterable[Document], edit: Edit, where: Where) -> int:
        """Edit documents, all or none.

        :param found: those to edit.
        :param where: what the records of those that were written meanwhile have to match still.
        :returns: how many were edited.
        :raises TransactionConflict: where others are always faster.
        """
        done = 0
        matches = predicate(where)
        with self._undoing.transaction():
            self._undoing.will_write()
            pending = list(found)
            for attempt in range(ATTEMPTS):
                edited = [(each, edit(each)) for each in pending]
                changes = [
                    Change(before, after) for before, after in edited if not _same(before, after)
                ]
                refused = [change.id for change in self._put(changes)]
                done += len(pending) - len(refused)
                if not refused:
                    return done
                pause(attempt)
                pending = [
                    document
                    for each in self._database.documents(refused)
                    for document in (self._documents.take(each),)
                    if matches(self._documents.record(document))
                ]
            raise TransactionConflict

    # What a block has read

    def note(self, found: Iterable[Document]) -> None:
        """Keep documents in mind that the caller's block has read; what was known before counts."""
        seen = self._undoing.seen
        if seen is not None:
            for each in found:
                seen.setdefault(each["_id"], each)

    def changed(self, document: Document, changes: Record) -> Document:
        """A document with some properties changed.

        :raises TransactionConflict: where somebody else has changed one of them since the caller's
            block has read it.
        """
        known = (self._undoing.seen or {}).get(document["_id"])
        if known is not None:
            fields = map(self._documents.field_of, changes)
            if any(document.get(each) != known.get(each) for each in fields):
                raise TransactionConflict
        return self._documents.changed(document, changes)

    def _note_written(self, written: Iterable[Change]) -> None:
        seen = self._undoing.seen or {}
        for change in written:
            if change.id in seen:
                if change.after is None:
                    del seen[change.id]
                else:
                    seen[change.id] = change.after

    def _new(self, record: Record) -> Change:
        documents = self._documents
        key = documents.key_of(record)
        if documents.refuses(key):
            name = documents.definition.name
            raise Conflict(f"No {name} can have the id {key!r}.", error_code="REFUSED")
        return Change(None, documents.document(key, record))

    def _put(self, changes: Sequence[Change]) -> list[Change]:
        """Write changes, and give those that CouchDB refuses for their revision."""
        refused = []
        for start in range(0, len(changes), PAGE):
            some = changes[start : start + PAGE]
            revisions = self._database.write([each.sent() for each in some])
            pairs = list(zip(some, revisions, strict=True))
            written = [(change, each) for change, each in pairs if isinstance(each, str)]
            if written:
                self._undoing.wrote(partial(self._undo, written))
                self._note_written(change for change, _ in written)
            for error in revisions:
                if isinstance(error, Exception):
                    raise error
            refused += [change for change, revision in pairs if revision is None]
        return refused

    def _undo(self, written: Sequence[tuple[Change, str]]) -> None:
        """Put back what was there before, but for what others have changed since."""
        ids = [change.id for change, _ in written]
        there = {each["_id"]: each for each in self._database.documents(ids)}
        back = []
        for change, revision in written:
            document = there.get(change.id)
            if change.after is None:
                if document is None and change.before is not None:
                    # What was attached went with the document.
                    gone = ("_rev", "_attachments")
                    back.append({k: v for k, v in change.before.items() if k not in gone})
            elif document is not None and (
                document["_rev"] == revision or self._is_same(document, change.after)
            ):
                back.append(Change(document, change.before).sent())
        for start in range(0, len(back), PAGE):
            some = back[start : start + PAGE]
            lost = sum(not isinstance(each, str) for each in self._database.write(some))
            if lost:
                raise RuntimeError(f"{lost} documents have been changed by others meanwhile")

    def _is_same(self, document: Document, written: Document) -> bool:
        """Whether a document is what was written, be it by an undoing that came before."""
        return _content(self._documents.take(document)) == _content(written)

    # Ids

    def _with_ids(self, records: Sequence[Record]) -> list[Record]:
        """Records that all have an id; those that had one are the same objects."""
        definition = self._documents.definition
        missing = [
            each.name
            for each in definition.ids
            if any(record.get(each.name) is None for record in records)
        ]
        if not missing:
            self._note_given(records)
            return list(records)
        (id,) = definition.ids if self._makes(definition) else (None,)
        if id is None:
            raise DefinitionError(
                f"{definition.name}.{missing[0]} is an id without a value, and the couchdb "
                "connector makes generated ids of one property only: numbers, texts and UUIDs"
            )
        self._note_given(records)
        needed = sum(record.get(id.name) is None for record in records)
        made = iter(self._made(id.type, needed))
        return [
            record if record.get(id.name) is not None else {**record, id.name: next(made)}
            for record in records
        ]

    def _made(self, kind: Any, count: int) -> Iterable[Any]:
        if isinstance(kind, String):
            return [uuid.uuid4().hex for _ in range(count)]
        if isinstance(kind, Uuid):
            return [uuid.uuid4() for _ in range(count)]
        return self.numbering.take(self._database, count)

    def _note_given(self, records: Iterable[Record]) -> None:
        """Let no number be made that is given here."""
        definition = self._documents.definition
        if not self._makes(definition) or isinstance(definition.ids[0].type, String | Uuid):
            return
        name = definition.ids[0].name
        given = [
            value
            for record in records
            if isinstance(value := record.get(name), int) and not isinstance(value, bool)
        ]
        if given and max(given) > 0:
            self.numbering.pass_by(self._database, max(given))

    @staticmethod
    def _makes(definition: ModelDefinition) -> bool:
        """Whether ids are made here where none are given."""
        return (
            len(definition.ids) == 1
            and definition.ids[0].generated
            and isinstance(definition.ids[0].type, Integer | Number | String | Uuid | AnyValue)
        )


def _content(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in ("_rev", "_attachments")}


def _same(before: Document, after: Document | None) -> bool:
    """Whether an edit changes nothing; 1 and true are not the same."""
    return after is not None and repr(_content(before)) == repr(_content(after))
