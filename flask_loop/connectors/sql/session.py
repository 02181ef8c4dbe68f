"""Running statements: compiled SQL on the pooled driver connection, in autocommit or a transaction.

Building and running a statement through SQLAlchemy costs more than the query itself, so a statement
is compiled once and its text given to the driver's cursor. Where somebody listens to the engine's
events, or SQLAlchemy logs statements, its own Connection runs the same text, so that they see it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from threading import RLock, get_ident
from typing import Any, NoReturn, Protocol
from weakref import WeakSet, finalize

import sqlalchemy as sa

from ...errors import Unavailable

#: Turns a driver's error into one of ours, or returns it as it is.
Translate = Callable[[Exception], Exception]
Values = Sequence[Any]

#: The most connections that a session keeps beside the engine's pool.
KEPT_CONNECTIONS = 4


class Session:
    """The connections of one engine, whose isolation level is AUTOCOMMIT.

    :param engine: the engine.
    :param translate: turns the driver's errors into ours.
    :param begin: the statement that begins a transaction.
    :param around_schema: the statements before and after a transaction that changes the schema.
    :param single: whether all share one connection, as with a database in memory; one thread at a
        time uses it then.
    """

    def __init__(
        self,
        engine: sa.Engine,
        translate: Translate,
        *,
        begin: str,
        around_schema: tuple[str, str] | None = None,
        single: bool = False,
    ) -> None:
        self.engine = engine
        self._translate = translate
        self._begin = begin
        self._around_schema = around_schema
        self._single = single
        self._closing: finalize[..., Session] | None = None
        self._forget()
        _sessions.add(self)

    @property
    def in_transaction(self) -> bool:
        """Whether the caller is in a block of :meth:`transaction`."""
        return self._current() is not None

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        """Run a query and give its rows as tuples."""
        transaction = self._current()
        if transaction is not None:
            return transaction.fetch(sql, values)
        with self._turn:
            connection = self._check_out()
            try:
                return connection.fetch(sql, values)
            finally:
                self._check_in(connection)

    def run(self, sql: str, values: Values = ()) -> Any:
        """Run a statement that gives no rows.

        :returns: the driver's cursor, for ``rowcount`` and ``lastrowid``.
        """
        transaction = self._current()
        if transaction is not None:
            return transaction.run(sql, values)
        with self._turn:
            connection = self._check_out()
            try:
                return connection.run(sql, values)
            finally:
                self._check_in(connection)

    @contextmanager
    def transaction(self, around: tuple[str, str] | None = None) -> Iterator[None]:
        """A transaction, or inside another a savepoint.

        :param around: the statements before and after it, where it is not inside another.
        """
        outer = self._current()
        if outer is not None:
            with outer.savepoint():
                yield
            return
        with self._turn:
            transaction = _Transaction(self._check_out(), self._check_in)
            self._open.set(transaction)
            try:
                if around is not None:
                    transaction.run(around[0])
                transaction.run(self._begin)
                yield
                transaction.commit()
            except BaseException:
                transaction.rollback()
                raise
            finally:
                if around is not None:
                    transaction.connection.run(around[1])
                transaction.close()
                if self._open.get() is transaction:
                    self._open.set(None)

    @contextmanager
    def inspection(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection for looking at the schema."""
        transaction = self._current()
        with self._turn, self._translated():
            if transaction is not None:
                yield transaction.connection.of_sqlalchemy()
            else:
                self._release()
                with self.engine.connect() as connection:
                    yield connection

    @contextmanager
    def schema_change(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection in a transaction, so that two processes take turns."""
        with self.transaction(self._around_schema), self.inspection() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the pooled connections."""
        with self._turn:
            self._release()
            self.engine.dispose()

    @property
    def in_use(self) -> int:
        """How many connections are in use now."""
        kept = sum(connection.is_current for connection in self._idle)
        return int(self.engine.pool.checkedout()) - kept  # type: ignore[attr-defined]

    def forget_parent(self) -> None:
        """In a forked child: leave the parent's connections open and unused.

        A database in memory has no other process, so that the child goes on with its copy.
        """
        _of_parent.append(self._idle)
        self._forget()
        if not self._single:
            _of_parent.append(self.engine.pool)
            self.engine.dispose(close=False)

    def _forget(self) -> None:
        self._idle: list[_DriverConnection] = []
        if self._closing is not None:
            self._closing.detach()
        # A driver warns of connections that are left to the garbage collector.
        self._closing = finalize(self, _let_go, self.engine, self._idle)
        self._closing.atexit = False
        self._turn: AbstractContextManager[Any] = RLock() if self._single else nullcontext()
        self._open: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)

    def _current(self) -> _Transaction | None:
        transaction = self._open.get()
        # A copied context may be run by another thread, or when the transaction is over.
        if transaction is None or transaction.thread != get_ident():
            return None
        return transaction

    def _check_out(self) -> _Connection:
        engine = self.engine
        try:
            if _is_watched(engine):
                self._release()
                return _WatchedConnection(engine, self._translate)
            return self._kept() or _DriverConnection(engine, self._translate)
        except Exception as error:  # noqa: BLE001 - it is raised again
            raise_translated(error, self._translate)

    def _check_in(self, connection: _Connection) -> None:
        """Keep a connection for the next caller: the engine's pool costs more than a query."""
        if (
            isinstance(connection, _DriverConnection)
            and connection.is_clean
            and len(self._idle) < KEPT_CONNECTIONS
        ):
            self._idle.append(connection)
        else:
            connection.close()

    def _kept(self) -> _DriverConnection | None:
        """A connection that an earlier caller left, or None."""
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if connection.is_current:
                    return connection
                connection.close()
        return None

    def _release(self) -> None:
        """Give the connections that are kept back to the engine's pool."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise_translated(error, self._translate)


def _let_go(engine: sa.Engine, idle: list[_DriverConnection]) -> None:
    """Close the connections of a session that is gone."""
    with suppress(Exception):
        while idle:
            idle.pop().close()
        engine.dispose()


def raise_translated(error: Exception, translate: Translate) -> NoReturn:
    """Raise an error as one of ours, with the driver's for its cause."""
    translated = translate(error)
    if translated is error:
        raise error
    raise translated from error


class _Connection(Protocol):
    """A connection that is checked out of the engine's pool."""

    def fetch(self, sql: str, values: Values = ()) -> list[Any]: ...

    def run(self, sql: str, values: Values = ()) -> Any: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...

    @property
    def lost_transaction(self) -> bool:
        """Whether the driver knows that no transaction is open any more."""

    def of_sqlalchemy(self) -> sa.Connection: ...


class _Transaction:
    """A transaction that is open on a connection, in the thread that began it."""

    def __init__(self, connection: _Connection, check_in: Callable[[_Connection], None]) -> None:
        self.connection = connection
        self._check_in = check_in
        self.thread: int | None = get_ident()
        self._process = os.getpid()
        self._depth = 0
        self._ended = False

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        self._refuse_ended()
        try:
            return self.connection.fetch(sql, values)
        except Exception:
            self._ended = self.connection.lost_transaction
            raise

    def run(self, sql: str, values: Values = ()) -> Any:
        self._refuse_ended()
        try:
            return self.connection.run(sql, values)
        except Exception:
            self._ended = self.connection.lost_transaction
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._depth += 1
        name = f"loop_{self._depth}"
        self.run(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            if not self._ended and self._is_ours():
                self.run(f"ROLLBACK TO SAVEPOINT {name}")
                self.run(f"RELEASE SAVEPOINT {name}")
            raise
        else:
            self.run(f"RELEASE SAVEPOINT {name}")
        finally:
            self._depth -= 1

    def commit(self) -> None:
        if self._is_ours():
            self.run("COMMIT")

    def rollback(self) -> None:
        if self._is_ours():
            self.connection.rollback()

    def close(self) -> None:
        self.thread = None
        if self._is_ours():
            self._check_in(self.connection)
        else:
            _of_parent.append(self.connection)

    def _is_ours(self) -> bool:
        """Whether this is not a forked child, to which the connection does not belong."""
        return self._process == os.getpid()

    def _refuse_ended(self) -> None:
        # After some errors a database rolls back by itself; what follows must not be kept alone.
        if self._ended:
            raise Unavailable("The data source has ended the transaction.")


class _DriverConnection:
    """The driver's connection, out of the engine's pool."""

    __slots__ = ("_engine", "_fairy", "_pool", "_translate")

    def __init__(self, engine: sa.Engine, translate: Translate) -> None:
        self._engine = engine
        self._pool = engine.pool
        self._translate = translate
        self._fairy = engine.raw_connection()

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        try:
            cursor = self._fairy.cursor()
            cursor.execute(sql, values)
            return cursor.fetchall()  # type: ignore[return-value]
        except Exception as error:  # noqa: BLE001 - it is raised again
            self._check(error)
            raise_translated(error, self._translate)

    def run(self, sql: str, values: Values = ()) -> Any:
        try:
            cursor = self._fairy.cursor()
            cursor.execute(sql, values)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self._check(error)
            raise_translated(error, self._translate)
        return cursor

    def rollback(self) -> None:
        if self._fairy.is_valid:
            self._fairy.rollback()

    def close(self) -> None:
        """Give the connection back to its pool; one that was closed meanwhile takes none back."""
        if not self.is_current and self._fairy.is_valid:
            self._fairy.invalidate()
        self._fairy.close()

    @property
    def lost_transaction(self) -> bool:
        return not getattr(self._fairy.dbapi_connection, "in_transaction", True)

    @property
    def is_clean(self) -> bool:
        """Whether it works, may be kept, and has no transaction open."""
        return self.is_current and self._fairy.is_valid and self.lost_transaction

    @property
    def is_current(self) -> bool:
        """Whether it is of the engine's present pool: closing the engine makes a new one."""
        return self._pool is self._engine.pool

    def of_sqlalchemy(self) -> sa.Connection:
        return sa.Connection(self._engine, self._fairy)

    def _check(self, error: Exception) -> None:
        """Throw the connection away where the error says that it is broken."""
        driver = self._fairy.dbapi_connection
        if driver is not None and self._engine.dialect.is_disconnect(error, driver, None):  # type: ignore[arg-type]
            self._fairy.invalidate(error)


class _WatchedConnection:
    """SQLAlchemy's connection, whose events and log show what runs."""

    def __init__(self, engine: sa.Engine, translate: Translate) -> None:
        self._translate = translate
        self._connection = engine.connect()

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        try:
            return [tuple(row) for row in self._execute(sql, values)]
        except Exception as error:  # noqa: BLE001 - it is raised again
            raise_translated(error, self._translate)

    def run(self, sql: str, values: Values = ()) -> Any:
        try:
            return self._execute(sql, values).context.cursor
        except Exception as error:  # noqa: BLE001 - it is raised again
            raise_translated(error, self._translate)

    def rollback(self) -> None:
        driver = self._connection.connection.dbapi_connection
        if driver is not None:
            driver.rollback()

    def close(self) -> None:
        self._connection.close()

    @property
    def lost_transaction(self) -> bool:
        driver = self._connection.connection.dbapi_connection
        return not getattr(driver, "in_transaction", True)

    def of_sqlalchemy(self) -> sa.Connection:
        return self._connection

    def _execute(self, sql: str, values: Values) -> Any:
        return self._connection.exec_driver_sql(sql, tuple(values))


_log = logging.getLogger("sqlalchemy.engine.Engine")


def _is_watched(engine: sa.Engine) -> bool:
    events = engine.dispatch
    return bool(
        engine.echo
        or _log.isEnabledFor(logging.INFO)
        or events.before_cursor_execute
        or events.after_cursor_execute
        or events.before_execute
        or events.after_execute
        or engine.dialect.dispatch.handle_error
    )


_sessions: WeakSet[Session] = WeakSet()
#: What a forked child must neither use nor close.
_of_parent: list[Any] = []


def _forget_parent() -> None:
    for session in list(_sessions):
        session.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
