"""Running revisions on a database, and what they would do to it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from ..connectors.sql.connector import SqlConnector
from ..errors import MigrationError
from .firebird import FirebirdImpl

#: Alembic knows a database by its implementation being imported.
__all__ = ["FirebirdImpl", "Runner", "Steps"]

#: Gives the steps from the revisions that a database has had.
Steps = Callable[[Any, Any], Iterable[Any]]

#: Statements that lose data, and what they name.
_LOSING = re.compile(
    r"(?:DROP\s+TABLE(?:\s+IF\s+EXISTS)?|TRUNCATE(?:\s+TABLE)?|DELETE\s+FROM"
    r"|ALTER\s+TABLE(?=\s+\S+\s+DROP\s+(?!CONSTRAINT\b|FOREIGN\b|INDEX\b|KEY\b|PRIMARY\b|CHECK\b)))"
    r"\s+(?P<table>[^\s;(]+)(?:\s+DROP\s+(?:COLUMN\s+)?(?P<column>[^\s;]+))?",
    re.IGNORECASE,
)
_DELETING = re.compile(r"DELETE\s+FROM\s+(?P<table>[^\s;(]+)", re.IGNORECASE)
_READING = re.compile(r"\s*(?:SELECT|PRAGMA|EXPLAIN)\b", re.IGNORECASE)


class Runner:
    """Runs steps on the database of a connector.

    :param connector: the connector.
    :param version_table: the table that has the revisions which the database has had.
    """

    def __init__(self, connector: SqlConnector, version_table: str) -> None:
        self._connector = connector
        self._migration = connector.migration
        self._version_table = version_table

    def heads(self) -> tuple[str, ...]:
        """The last revisions that the database has had."""
        with self._connector.session.inspection() as connection:
            return self._context(connection).get_current_heads()

    def run(self, steps: Steps) -> list[str]:
        """Run steps, while no other process does.

        :returns: the ids of their revisions.
        """
        with self._changing() as connection:
            return self._run_on(connection, steps)

    def rehearse(self, steps: Steps) -> str:
        """The statements that steps would run; nothing is changed."""
        if not self._migration.alters:
            with self._copy() as copy:
                self._run_on(copy.connection, steps)
                return copy.text
        written = io.StringIO()
        context = self._writing(written, fn=steps, starting_rev=self.heads() or None)
        try:
            with Operations.context(context), context.begin_transaction():
                context.run_migrations()
        except (AttributeError, TypeError) as error:
            raise MigrationError(
                "a revision asks the database for what is in it, so that its statements are not "
                f"known without running them: {error}"
            ) from error
        return self._text(written)

    def rehearse_function(self, function: Callable[[], None]) -> str:
        """The statements that a revision's function would run; nothing is changed."""
        if not self._migration.alters:
            with self._copy() as copy:
                with Operations.context(self._context(copy.connection)):
                    function()
                return copy.text
        written = io.StringIO()
        with Operations.context(self._writing(written)):
            function()
        return self._text(written)

    def _text(self, written: io.StringIO) -> str:
        text = written.getvalue().strip()
        # Drivers that take parameters as %s make one of two.
        is_doubled = self._dialect.paramstyle in ("format", "pyformat")
        return text.replace("%%", "%") if is_doubled else text

    def losses(self, steps: Steps) -> list[str]:
        """The tables and columns whose data steps would lose, as far as their statements tell."""
        if self._migration.alters:
            return list(dict.fromkeys(self._lost_by(self.rehearse(steps), _LOSING)))
        with self._copy() as copy:
            before = _columns(copy.connection)
            self._run_on(copy.connection, steps)
            after = _columns(copy.connection)
            deleted = list(self._lost_by(copy.text, _DELETING))
        lost = [
            name if column is None else f"{name}.{column}"
            for name, column in before
            if (name, column) not in after and (column is None or (name, None) in after)
        ]
        return list(dict.fromkeys([*lost, *deleted]))

    def _lost_by(self, text: str, losing: re.Pattern[str]) -> Iterator[str]:
        for match in losing.finditer(text):
            table = match["table"].strip('"`[]')
            if "column" in match.groupdict() and match["column"]:
                yield f"{table}.{match['column']}"
            elif table != self._version_table:
                yield table

    # How

    def _run_on(self, connection: sa.Connection, steps: Steps) -> list[str]:
        done: list[str] = []

        def note(*, step: Any, **rest: Any) -> None:
            done.extend(step.up_revision_ids if step.is_stamp else (step.up_revision_id,))

        context = self._context(connection, fn=steps, on_version_apply=[note])
        try:
            with Operations.context(context):
                context.run_migrations()
        except self._refusals as error:
            kept = "" if self._migration.is_whole else "; what ran before is kept"
            reason = getattr(error, "orig", None) or error
            statement = getattr(error, "statement", None) or ""
            raise MigrationError(f"the database refused it{kept}: {reason}\n{statement}") from error
        return done

    @property
    def _refusals(self) -> tuple[type[Exception], ...]:
        """What the database's errors are: some come when a statement is kept, from the driver."""
        return (sa.exc.DBAPIError, self._dialect.loaded_dbapi.Error)

    @property
    def _dialect(self) -> sa.Dialect:
        return self._connector.session.engine.dialect

    def _context(self, connection: sa.Connection, **options: Any) -> MigrationContext:
        # Alembic begins no transaction where there is one: it is the block that the connection
        # comes from, or else each statement's own.
        if not connection.in_transaction():
            connection.begin()
        return MigrationContext.configure(
            connection, opts={"version_table": self._version_table, **options}
        )

    def _writing(self, written: io.StringIO, **options: Any) -> MigrationContext:
        """A context that writes statements in place of running them."""
        told = {"version_table": self._version_table, "as_sql": True, "output_buffer": written}
        return MigrationContext.configure(dialect=self._dialect, opts={**told, **options})

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """A connection for changing tables, while no other process does that by revisions."""
        session = self._connector.session
        with session.schema_change() as connection, self._migration.turn(connection):
            yield connection

    @contextmanager
    def _copy(self) -> Iterator[_Copy]:
        """A database with the same tables, at the same revisions."""
        heads = self.heads()
        with (
            self._connector.session.inspection() as connection,
            self._migration.rehearsal(connection) as copy,
        ):
            if heads:
                version = sa.table(self._version_table, sa.column("version_num"))
                rows = [{"version_num": head} for head in heads]
                copy.execute(version.insert(), rows)
                copy.commit()
            yield _Copy(copy)


class _Copy:
    """A copy of a database, and what is run on it."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._ran: list[str] = []
        sa.event.listen(connection.engine, "before_cursor_execute", self._note)

    @property
    def text(self) -> str:
        return "\n\n".join(self._ran)

    def _note(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> None:
        if not _READING.match(statement):
            values = f"\n-- with {parameters!r}" if parameters else ""
            self._ran.append(f"{statement.strip()};{values}")


def _columns(connection: sa.Connection) -> list[tuple[str, str | None]]:
    """Each table, with None, and each of its columns."""
    inspector = sa.inspect(connection)
    return [
        (table, name)
        for table in inspector.get_table_names()
        for name in (None, *(column["name"] for column in inspector.get_columns(table)))
    ]
