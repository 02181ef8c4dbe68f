"""How Firebird's tables are changed: each change is kept by itself, as the next one needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from firebird.driver import DatabaseError

from .migration import Migration

_CHANGING = re.compile(r"\s*(?:CREATE|ALTER|DROP|RECREATE|COMMENT)\b", re.IGNORECASE)
_SEGMENTS = re.compile(r" SEGMENT SIZE \d+| SUB_TYPE (?:BINARY|0)\b")
#: The codes of Firebird's messages that tell of equal values.
_EQUAL = {335544665, 335544349}


class FirebirdMigration(Migration):
    """One table of a Firebird database, beside what its model asks for.

    There is no lock that outlives a transaction, and so no turns.
    """

    is_whole = False

    @classmethod
    @contextmanager
    def turn(cls, connection: sa.Connection) -> Iterator[None]:
        """A block in which each change of a table is seen by what comes after it."""

        def keep(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if _CHANGING.match(statement):
                connection.connection.dbapi_connection.commit(retaining=True)

        for event in ("before_cursor_execute", "after_cursor_execute"):
            sa.event.listen(connection, event, keep)
        try:
            yield
        finally:
            for event in ("before_cursor_execute", "after_cursor_execute"):
                sa.event.remove(connection, event, keep)

    def _kind(self, sql_type: Any) -> str:
        """A type without what is said of blobs in other words."""
        return _SEGMENTS.sub("", super()._kind(sql_type))

    def _is_of_equals(self, error: Exception) -> bool:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        return isinstance(cause, DatabaseError) and not _EQUAL.isdisjoint(cause.gds_codes or ())
