"""How MySQL's and MariaDB's tables are changed: each statement is kept by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ...errors import Unavailable
from .migration import Migration

#: The most seconds that one waits for its turn.
PATIENCE = 600
#: What MariaDB and older MySQLs show of types of whole numbers.
_WIDTH = re.compile(r"(?<=INT)\(\d+\)|(?<=INTEGER)\(\d+\)")
_SYNONYMS = {
    "BOOL": "TINYINT",
    "BOOLEAN": "TINYINT",
    "INTEGER": "INT",
    "DOUBLE PRECISION": "DOUBLE",
    "JSON": "LONGTEXT",
}
_NAME = "CONCAT('flask_loop.', MD5(DATABASE()))"


class MysqlMigration(Migration):
    """One table of a MySQL or MariaDB database, beside what its model asks for."""

    is_whole = False

    @classmethod
    @contextmanager
    def turn(cls, connection: sa.Connection) -> Iterator[None]:
        """A lock of the connection's, as each change of a table ends the transaction."""
        got = connection.exec_driver_sql(f"SELECT GET_LOCK({_NAME}, {PATIENCE})").scalar()
        if not got:
            raise Unavailable("Another process is changing the tables.")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK({_NAME})")

    def _kind(self, sql_type: Any) -> str:
        """A type without the width that numbers are shown with."""
        text = _WIDTH.sub("", super()._kind(sql_type))
        return _SYNONYMS.get(text, text)

    def _refuse_null(self, column: sa.Column[Any]) -> None:
        again = sa.Column(column.name, column.type, nullable=False)
        self._alter(f"MODIFY {self._specification(again)}")
