"""Tables of SQLite that a migration makes again: what Alembic's batch mode would forget of them."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ...errors import MigrationError

#: How batch mode ends.
_RENAMED = re.compile(r'ALTER TABLE "?_alembic_tmp_.* RENAME TO (?P<name>"(?:[^"]|"")*"|\w+)')
#: Parts of a column or a table that batch mode does not copy.
_PARTS = re.compile(r"\b(CHECK|COLLATE|GENERATED|DEFERRABLE|ON UPDATE)\b", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)


@contextmanager
def remembering(connection: sa.Connection) -> Iterator[None]:
    """A block after which tables that were made again have what goes with them.

    That is the last id that they gave, their triggers, and indexes over expressions.

    :raises MigrationError: where a table has lost constraints or collations.
    """
    counters, tables = _counters(connection), _texts(connection, "table")
    triggers, indexes = _belonging(connection, "trigger"), _belonging(connection, "index")
    known = _reflected_indexes(connection, {table for table, _ in indexes.values()})
    ran: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        ran.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    remade = {_unquoted(match["name"]) for each in ran if (match := _RENAMED.match(each.strip()))}
    _refuse_losses(tables, _texts(connection, "table"), remade)
    lost = {name: each for name, each in indexes.items() if name not in known}
    for kind, before in (("trigger", triggers), ("index", lost)):
        there = _texts(connection, kind)
        for name, (table, sql) in before.items():
            if table in remade and name not in there and not _is_dropped(kind, name, ran):
                connection.exec_driver_sql(sql)
    _restore_counters(connection, counters)


def _refuse_losses(before: dict[str, str], after: dict[str, str], remade: set[str]) -> None:
    for name in remade & before.keys() & after.keys():
        lost = Counter(_parts(before[name])) - Counter(_parts(after[name]))
        if lost:
            raise MigrationError(
                f"{name} would lose its {' and '.join(lost)}, which SQLite has no "
                "way to keep while the table is made again: name it in the revision, by table_args "
                "or copy_from of op.batch_alter_table"
            )


def _parts(sql: str) -> list[str]:
    return [match.upper() for match in _PARTS.findall(_TEXT.sub("", sql))]


def _is_dropped(kind: str, name: str, ran: list[str]) -> bool:
    dropped = re.compile(rf'DROP {kind} (?:IF EXISTS )?["\[`]?{re.escape(name)}\b', re.IGNORECASE)
    return any(dropped.search(each) for each in ran)


def _texts(connection: sa.Connection, kind: str) -> dict[str, str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type = ?", (kind,))
    return {name: sql or "" for name, sql in rows.all()}


def _belonging(connection: sa.Connection, kind: str) -> dict[str, tuple[str, str]]:
    """By name, the table of each, and the statement that makes it."""
    rows = connection.exec_driver_sql(
        "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL", (kind,)
    )
    return {name: (table, sql) for name, table, sql in rows.all()}


def _reflected_indexes(connection: sa.Connection, tables: set[str]) -> set[str]:
    inspector = sa.inspect(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        found = [each for table in tables for each in inspector.get_indexes(table)]
    return {str(each["name"]) for each in found}


def _counters(connection: sa.Connection) -> dict[str, int]:
    """The last id that each table has given, of those that never give one twice."""
    if "sqlite_sequence" not in _texts(connection, "table"):
        return {}
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
    return {name: int(last) for name, last in rows}


def _restore_counters(connection: sa.Connection, before: dict[str, int]) -> None:
    after, tables = _counters(connection), _texts(connection, "table")
    for table, last in before.items():
        if table in tables and last > after.get(table, 0):
            connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            connection.exec_driver_sql(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last)
            )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
