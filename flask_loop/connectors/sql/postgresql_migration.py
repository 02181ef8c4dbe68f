"""How PostgreSQL's tables are changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from .migration import Migration

_COLLATIONS = sa.text(
    "SELECT a.attname, c.collname FROM pg_attribute AS a "
    "JOIN pg_collation AS c ON c.oid = a.attcollation "
    "WHERE a.attrelid = to_regclass(:table) AND c.collname <> 'default' AND NOT a.attisdropped"
)


class PostgresqlMigration(Migration):
    """One table of a PostgreSQL database, beside what its model asks for."""

    @classmethod
    @contextmanager
    def turn(cls, connection: sa.Connection) -> Iterator[None]:
        """A lock that lasts as long as the transaction."""
        key = sa.func.hashtext("flask_loop")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
        yield

    @cached_property
    def _columns_there(self) -> dict[str, sa.Column[Any]]:
        """Older SQLAlchemys do not tell how the texts of a column are compared."""
        found = super()._columns_there
        table = self.connection.dialect.identifier_preparer.format_table(self.table)
        for name, collation in self.connection.execute(_COLLATIONS, {"table": table}).all():
            kind = found[name.lower()].type
            if isinstance(kind, sa.String) and kind.collation is None:
                kind.collation = collation
        return found

    @classmethod
    def binary(cls, raw: bytes) -> str:
        return f"'\\x{raw.hex()}'"
