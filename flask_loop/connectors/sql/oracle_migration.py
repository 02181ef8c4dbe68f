"""How Oracle's tables are changed: each statement is kept by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .migration import Migration

if TYPE_CHECKING:
    import sqlalchemy as sa


class OracleMigration(Migration):
    """One table of an Oracle database, beside what its model asks for.

    There is no turn: a lock takes a package that few users may use.
    """

    is_whole = False

    @classmethod
    def binary(cls, raw: bytes) -> str:
        return f"HEXTORAW('{raw.hex()}')"

    def _refuse_null(self, column: sa.Column[Any]) -> None:
        self._alter(f"MODIFY ({self._quoted(column.name)} NOT NULL)")
