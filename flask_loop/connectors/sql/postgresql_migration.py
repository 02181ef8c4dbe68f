"""How PostgreSQL's tables are changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from .migration import IndexShape, Migration, shape_of

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

    @cached_property
    def _indexes_there(self) -> dict[str, IndexShape]:
        """Of an index over an expression its name alone says what it is over."""
        found = super()._indexes_there
        return {
            name: (shape_of(self._indexes_wanted.get(name)) or shape) if None in shape[0] else shape
            for name, shape in found.items()
        }

    def _index_there(self, name: str, shape: IndexShape) -> sa.Index:
        there = self._inspector.get_indexes(self.table.name, schema=self.table.schema)
        expressions = next(each.get("expressions") for each in there if each["name"] == name)
        if expressions is None:
            return super()._index_there(name, shape)
        parts = [sa.text(each) for each in expressions]
        index = sa.Index(name, *parts, postgresql_using="gist")
        sa.Table(self.table.name, sa.MetaData(), index, schema=self.table.schema)
        return index

    @classmethod
    def binary(cls, raw: bytes) -> str:
        return f"'\\x{raw.hex()}'"
