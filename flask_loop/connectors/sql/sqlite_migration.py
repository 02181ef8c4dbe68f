"""Foreign keys of SQLite's tables, which it cannot change: the table is made again.

The text of the table that is there is kept, but for our constraints, so that columns and
constraints that no model knows stay as they are; see https://www.sqlite.org/lang_altertable.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from ...errors import DefinitionError
from .differences import NewColumn
from .foreign_keys import SUFFIX, foreign_keys_of
from .migration import Migration, given_default, reflected_key
from .sqlite_remaking import remembering

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]  # names and texts
    | --[^\n]* | /\*.*?\*/                                             # comments
    | [(),] | [^'"`\[(),/-]+ | .""",
    re.DOTALL | re.VERBOSE,
)
_NAME = r'(?:"(?:[^"]|"")*"|\w+)'
_CONSTRAINT = re.compile(rf"\s*CONSTRAINT\s+({_NAME})\s")
_FOREIGN_KEY = re.compile(
    rf"CONSTRAINT\s+(?P<name>{_NAME})\s+"
    rf"FOREIGN KEY\s*\((?P<own>{_NAME}(?:,\s*{_NAME})*)\)\s*"
    rf"REFERENCES\s+(?P<table>{_NAME})\s*\((?P<theirs>{_NAME}(?:,\s*{_NAME})*)\)"
    r"(?:\s+ON DELETE (?P<action>CASCADE|SET NULL))?"
)


class SqliteMigration(Migration):
    """One table of a SQLite database, beside what its model asks for."""

    alters = False

    @classmethod
    @contextmanager
    def turn(cls, connection: sa.Connection) -> Iterator[None]:
        """The transaction is the turn.

        A view on a table that is made again would make it an error that it is away for a moment.
        """
        (legacy,) = connection.exec_driver_sql("PRAGMA legacy_alter_table").one()
        connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            with remembering(connection):
                yield
        finally:
            connection.exec_driver_sql(f"PRAGMA legacy_alter_table = {int(legacy)}")

    @classmethod
    @contextmanager
    def rehearsal(cls, connection: sa.Connection) -> Iterator[sa.Connection]:
        engine = sa.create_engine("sqlite://")
        made = connection.exec_driver_sql(
            "SELECT m.sql FROM sqlite_schema AS m "
            "LEFT JOIN pragma_table_list AS t ON t.name = m.name AND t.schema = 'main' "
            "WHERE m.sql IS NOT NULL AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND coalesce(t.type, '') <> 'shadow' "
            "ORDER BY m.type <> 'table', m.type <> 'index', m.rowid"
        )
        try:
            with engine.connect() as copy:
                for (sql,) in made.all():
                    copy.exec_driver_sql(sql)
                copy.exec_driver_sql("PRAGMA legacy_alter_table = ON")
                copy.commit()
                yield copy
        finally:
            engine.dispose()

    def loosen(self) -> None:
        """Do nothing: no foreign keys hold while the schema is changed."""

    def _refuse_referring(self) -> None:
        if self._is_enforcing:
            referring = self._run(
                "SELECT m.name FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f "
                "WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1) "
                "AND lower(m.name) <> lower(?1)",
                self.table.name,
            ).first()
            if referring is not None:
                raise RuntimeError(
                    f"{self.table.name} cannot be made afresh in a transaction, as the rows of "
                    f"{referring[0]} refer to it; call auto_migrate() outside of it"
                )

    def _keys_there(self) -> list[sa.ForeignKeyConstraint]:
        """The foreign keys of ours, read from the text: SQLite does not tell their names."""
        table = self._bare_table()
        found: list[sa.ForeignKeyConstraint] = []
        if self.table.name in self._inspector.get_view_names(schema=self.table.schema):
            return found
        for clause in self._ours(self._definition().items):
            match = _FOREIGN_KEY.match(clause)
            if match is not None:
                found.append(
                    reflected_key(
                        {
                            "name": _unquoted(match["name"])[0],
                            "constrained_columns": _unquoted(match["own"]),
                            "referred_schema": None,
                            "referred_table": _unquoted(match["table"])[0],
                            "referred_columns": _unquoted(match["theirs"]),
                            "options": {"ondelete": match["action"]},
                        },
                        table,
                    )
                )
        return found

    def _drop_surplus_keys(self) -> None:
        """Do nothing: the table is made again, without them."""

    def _create_table(self) -> None:
        self.connection.execute(CreateTable(self.table))

    def _added(self, new: NewColumn) -> sa.Column[Any]:
        """The column as it is for good: it cannot be made to refuse null later."""
        column, default = new.column, given_default(new.column)
        if not column.nullable and new.fill is not None:
            default = literal(new.fill)
        return sa.Column(column.name, column.type, nullable=column.nullable, server_default=default)

    def _kind(self, sql_type: Any) -> str:
        """The affinity of a type, which is all that SQLite makes of it."""
        text = super()._kind(sql_type)
        for affinity, parts in _AFFINITIES.items():
            if any(part in text for part in parts):
                return affinity
        return "NUMERIC" if text else "BLOB"

    def _set_foreign_keys(self) -> None:
        if self.table.schema is not None or self._is_enforcing:
            where = "an attached database" if self.table.schema is not None else "a transaction"
            raise RuntimeError(
                f"the foreign keys of {self.table.name} cannot be changed in {where}; SQLite has "
                "to make the table again"
            )
        there = self._definition()
        ours = self._ours(there.items)
        kept = [item for item in there.items if item.strip() not in ours]
        self._rebuild(there, [*kept, *(f"\n\t{clause}" for clause in self._wanted())])

    def _rebuild(self, there: _Definition, items: Sequence[str]) -> None:
        name, quote = self.table.name, self.connection.dialect.identifier_preparer.quote_identifier
        old, new = quote(name), quote(f"loop_new_{name}")
        objects = self._run(
            "SELECT sql FROM sqlite_schema WHERE lower(tbl_name) = lower(?) "
            "AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            name,
        ).all()
        counter = self._counter()
        self._run(f"CREATE TABLE {new} ({','.join(items)}){there.tail}")
        columns = self._run("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", name).all()
        names = ", ".join(quote(column) for (column,) in columns)
        self._run(f"INSERT INTO {new} ({names}) SELECT {names} FROM {old}")  # noqa: S608 - quoted
        # A view on the table would make it an error that the table is away for a moment.
        (legacy,) = self._run("PRAGMA legacy_alter_table").one()
        self._run("PRAGMA legacy_alter_table = ON")
        try:
            self._run(f"DROP TABLE {old}")
            self._run(f"ALTER TABLE {new} RENAME TO {old}")
        finally:
            self._run(f"PRAGMA legacy_alter_table = {int(legacy)}")
        if counter is not None:
            self._run("DELETE FROM sqlite_sequence WHERE name = ?", name)
            self._run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", name, counter)
        for (sql,) in objects:
            self._run(sql)

    def _counter(self) -> int | None:
        """The last id that was given, where the database counts them."""
        counts = self._run("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").first()
        if counts is None:
            return None
        found = self._run("SELECT seq FROM sqlite_sequence WHERE name = ?", self.table.name).first()
        return None if found is None else int(found[0])

    def _definition(self) -> _Definition:
        schema = self.connection.dialect.identifier_preparer.quote(self.table.schema or "main")
        where = "type = 'table' AND lower(name) = lower(?)"
        found = self._run(
            f"SELECT sql FROM {schema}.sqlite_schema WHERE {where}",  # noqa: S608 - it is quoted
            self.table.name,
        ).first()
        if found is None:
            raise DefinitionError(f"{self.table.name} is no table, but a view")
        return _Definition(found[0])

    def _ours(self, items: Sequence[str]) -> list[str]:
        """The constraints of ours that are there, as they are written."""
        found = []
        for item in items:
            match = _CONSTRAINT.match(item)
            name = _unquoted(match[1])[0] if match else ""
            if self._is_ours(name) and name.endswith(SUFFIX):
                found.append(item.strip())
        return found

    def _wanted(self) -> list[str]:
        dialect = self.connection.dialect
        compiler: Any = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]
        clauses = (compiler.process(each) for each in foreign_keys_of(self.table))
        return [clause for clause in clauses if clause]

    @property
    def _is_enforcing(self) -> bool:
        """Whether deleting rows, as a table that is dropped does, would reach other tables."""
        return bool(self._run("PRAGMA foreign_keys").scalar())

    def _run(self, sql: str, *values: Any) -> sa.CursorResult[Any]:
        return self.connection.exec_driver_sql(sql, values)


#: The parts of types' names that SQLite looks for, in order. It keeps numbers of all in their own
#: way, so that INTEGER and NUMERIC are the same but for a CAST.
_AFFINITIES = {
    "NUMERIC": ("INT",),
    "TEXT": ("CHAR", "CLOB", "TEXT"),
    "BLOB": ("BLOB",),
    "REAL": ("REAL", "FLOA", "DOUB"),
}


def literal(raw: Any) -> Any:
    """A raw value as SQL, for a column's default, which takes no parameters."""
    if isinstance(raw, bytes):
        return sa.literal_column(f"X'{raw.hex()}'")
    return sa.literal(int(raw) if isinstance(raw, bool) else raw)


def _unquoted(names: str) -> list[str]:
    """The names in a list of them, as SQL has it."""
    found = re.findall(_NAME, names)
    return [each[1:-1].replace('""', '"') if each[0] == '"' else each for each in found]


class _Definition:
    """The text of a ``CREATE TABLE``, taken apart.

    :ivar items: what is between the commas in its parentheses.
    :ivar tail: what comes after them.
    """

    def __init__(self, sql: str) -> None:
        self.items: list[str] = [""]
        self.tail = ""
        depth, is_over = 0, False
        for piece in _TOKEN.findall(sql):
            depth += (piece == "(") - (piece == ")")
            if is_over:
                self.tail += piece
            elif depth == 0:
                is_over = piece == ")"
            elif depth == 1 and piece == ",":
                self.items.append("")
            elif not (depth == 1 and piece == "(" and self.items == [""]):
                self.items[-1] += piece
