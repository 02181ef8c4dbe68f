"""Numbering: ids that count up, never given twice, in a document for each collection."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from threading import Lock
from typing import Any

from ...errors import Conflict, TransactionConflict, Unavailable
from ...types import MAX_INTEGER
from ..web import RETRY_AFTER
from .database import Database, Document
from .documents import NUMBERS, TYPE, Documents

#: How often a write is tried, each time on what is there by then.
ATTEMPTS = 8
#: The mean of the seconds before the second attempt; each one after it waits twice as long.
_PAUSE = 0.004
_MAX_PAUSE = 0.5


def pause(attempt: int) -> None:
    """Wait before another attempt, so that two who write are not in step again."""
    time.sleep(random.random() * min(_MAX_PAUSE, 2 * _PAUSE * 2**attempt))  # noqa: S311


class Numbering:
    """The numbers of one collection. The document has the next one as text, exact for all.

    :param documents: of the collection.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._id = f"{NUMBERS}{documents.collection}"
        self._known: Document | None = None
        self._lock, self._process = Lock(), os.getpid()

    def take(self, database: Database, count: int) -> range:
        """Numbers that were never given.

        :raises Conflict: where there are no more.
        :raises TransactionConflict: where others are always faster.
        """
        return self._move(database, lambda following: following, count)

    def pass_by(self, database: Database, given: int) -> None:
        """Take note of an id that somebody chose, so that it is not given."""
        if given < MAX_INTEGER:
            self._move(database, lambda following: max(following, given + 1), 0)

    def _move(self, database: Database, start_of: Callable[[int], int], count: int) -> range:
        with self._alone(database):
            for attempt in range(ATTEMPTS):
                document = self._known or database.read(self._id) or self._first(database)
                following = int(document["next"])
                start = start_of(following)
                end = start + count
                if end > MAX_INTEGER + 1:
                    name = self._documents.definition.name
                    raise Conflict(f"{name} has no more ids.", error_code="OUT_OF_IDS")
                if end == following:
                    return range(start, end)
                # Two who write the same on the same get the same revision, and both succeed.
                moved = {**document, "next": str(end), "by": token_hex(8)}
                revision = database.put(moved)
                if revision is not None:
                    self._known = {**moved, "_rev": revision}
                    return range(start, end)
                self._known = None
                pause(attempt)
        raise TransactionConflict

    @contextmanager
    def _alone(self, database: Database) -> Iterator[None]:
        """A block that one thread of this process at a time is in.

        :raises Unavailable: where one has to wait longer for it than an answer may take.
        """
        if self._process != os.getpid():
            # A thread that a fork left behind may hold the other one.
            self._lock, self._process = Lock(), os.getpid()
        lock = self._lock
        if not lock.acquire(timeout=database.timeout):
            raise Unavailable("The data source is busy.", retry_after=RETRY_AFTER)
        try:
            yield
        finally:
            lock.release()

    def _first(self, database: Database) -> Document:
        """The document of a collection that has none: it goes on after the records there are."""
        (id,) = self._documents.definition.ids
        found = [self._documents.take(each) for each in self._last(database)]
        greatest = max(
            (_whole(each[id.name]) for each in self._documents.records(found)), default=0
        )
        return {"_id": self._id, "next": str(max(0, greatest) + 1)}

    def _last(self, database: Database) -> Iterable[Document]:
        documents = self._documents
        if documents.plain_ids:
            return database.find({"selector": {TYPE: documents.collection}})
        return database.between(documents.start, documents.end, descending=True, limit=1)

    def forget(self, database: Database) -> None:
        """Count from 1 again."""
        with self._alone(database):
            self._known = None
            for attempt in range(ATTEMPTS):
                document = database.read(self._id)
                if document is None:
                    return
                if isinstance(database.write([{**document, "_deleted": True}])[0], str):
                    return
                pause(attempt)


def _whole(id: Any) -> int:
    """The integer that an id is, or 0."""
    is_one = isinstance(id, int) and not isinstance(id, bool) and id < MAX_INTEGER
    return id if is_one else 0
