"""How PostgreSQL's tables are changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from .migration import Migration


class PostgresqlMigration(Migration):
    """One table of a PostgreSQL database, beside what its model asks for."""

    @classmethod
    @contextmanager
    def turn(cls, connection: sa.Connection) -> Iterator[None]:
        """A lock that lasts as long as the transaction."""
        key = sa.func.hashtext("flask_loop")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
        yield

    @classmethod
    def binary(cls, raw: bytes) -> str:
        return f"'\\x{raw.hex()}'"
