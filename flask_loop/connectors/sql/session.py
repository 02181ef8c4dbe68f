"""Running statements: compiled SQL on the pooled driver connection, in autocommit or a transaction.

Building and running a statement through SQLAlchemy costs more than the query itself, so a statement
is compiled once and its text given to the driver's cursor. Where somebody listens to the engine's
events, or ``echo`` is on, SQLAlchemy's own Connection runs the same text, so that they see it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import RLock
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

#: Turns a driver's error into one of ours, or returns it as it is.
Translate = Callable[[Exception], Exception]


class Session:
    """The connections of one engine, whose isolation level is AUTOCOMMIT.

    :param engine: the engine.
    :param translate: turns the driver's errors into ours.
    :param begin: the statement that begins a transaction.
    :param single: whether all share one connection, as with a database in memory; one thread at a
        time uses it then.
    """

    def __init__(
        self, engine: sa.Engine, translate: Translate, *, begin: str, single: bool = False
    ) -> None:
        self.engine = engine
        self._translate = translate
        self._begin = begin
        self._turn: AbstractContextManager[Any] = RLock() if single else nullcontext()
        self._open: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)
        _sessions.add(self)

    @property
    def in_transaction(self) -> bool:
        return self._open.get() is not None

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Run a query and give its rows as tuples."""
        transaction = self._open.get()
        if transaction is not None:
            return self._run(transaction.connection, sql, values).fetchall()  # type: ignore[no-any-return]
        with self._turn:
            connection = self._check_out()
            try:
                return self._run(connection, sql, values).fetchall()  # type: ignore[no-any-return]
            finally:
                connection.close()

    def run(self, sql: str, values: Sequence[Any]) -> Any:
        """Run a statement that gives no rows.

        :returns: the driver's cursor, for ``rowcount`` and ``lastrowid``.
        """
        transaction = self._open.get()
        if transaction is not None:
            return self._run(transaction.connection, sql, values)
        with self._turn:
            connection = self._check_out()
            try:
                return self._run(connection, sql, values)
            finally:
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, or inside another a savepoint."""
        outer = self._open.get()
        if outer is not None:
            with outer.savepoint(self._run):
                yield
            return
        with self._turn:
            connection = self._check_out()
            token = self._open.set(_Transaction(connection))
            try:
                self._run(connection, self._begin)
                yield
                self._run(connection, "COMMIT")
            except BaseException:
                connection.rollback()
                raise
            finally:
                self._open.reset(token)
                connection.close()

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection for schema changes and inspection, in autocommit."""
        with self._turn, self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the pooled connections."""
        with self._turn:
            self.engine.dispose()

    def _run(self, connection: Any, sql: str, values: Sequence[Any] = ()) -> Any:
        try:
            return connection.execute(sql, values)
        except Exception as error:
            connection.check(error)
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error

    def _check_out(self) -> Any:
        engine = self.engine
        try:
            if engine.echo or _is_watched(engine):
                return _WatchedConnection(engine)
            return _DriverConnection(engine)
        except Exception as error:
            raise self._translate(error) from error


class _Transaction:
    """A transaction that is open on a connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._depth = 0

    @contextmanager
    def savepoint(self, run: Callable[..., Any]) -> Iterator[None]:
        self._depth += 1
        name = f"loop_{self._depth}"
        run(self.connection, f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            run(self.connection, f"ROLLBACK TO SAVEPOINT {name}")
            run(self.connection, f"RELEASE SAVEPOINT {name}")
            raise
        else:
            run(self.connection, f"RELEASE SAVEPOINT {name}")
        finally:
            self._depth -= 1


class _DriverConnection:
    """The driver's connection, out of the engine's pool."""

    __slots__ = ("_engine", "_fairy")

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._fairy = engine.raw_connection()

    def execute(self, sql: str, values: Sequence[Any]) -> Any:
        cursor = self._fairy.cursor()
        cursor.execute(sql, values)
        return cursor

    def check(self, error: Exception) -> None:
        """Throw the connection away where the error says that it is broken."""
        driver = self._fairy.dbapi_connection
        if driver is not None and self._engine.dialect.is_disconnect(error, driver, None):  # type: ignore[arg-type]
            self._fairy.invalidate(error)

    def rollback(self) -> None:
        self._fairy.rollback()

    def close(self) -> None:
        self._fairy.close()


class _WatchedConnection:
    """SQLAlchemy's connection, whose events and log show what runs."""

    def __init__(self, engine: sa.Engine) -> None:
        self._connection = engine.connect()

    def execute(self, sql: str, values: Sequence[Any]) -> Any:
        try:
            result = self._connection.exec_driver_sql(sql, tuple(values))
        except sa.exc.DBAPIError as error:
            raise error.orig or error from None
        return result.cursor if result.returns_rows else result.context.cursor

    def check(self, error: Exception) -> None:
        """SQLAlchemy has seen to broken connections already."""

    def rollback(self) -> None:
        driver = self._connection.connection.dbapi_connection
        if driver is not None:
            driver.rollback()

    def close(self) -> None:
        self._connection.close()


def _is_watched(engine: sa.Engine) -> bool:
    events = engine.dispatch
    return bool(events.before_cursor_execute or events.after_cursor_execute)


_sessions: WeakSet[Session] = WeakSet()


def _forget_connections_of_parent() -> None:
    """In a forked child: leave the parent's connections alone, open and unused."""
    for session in list(_sessions):
        session.engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections_of_parent)
