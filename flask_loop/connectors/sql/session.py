"""Running statements: compiled SQL on the pooled driver connection, in autocommit or a transaction.

Building and running a statement through SQLAlchemy costs more than the query itself, so a statement
is compiled once and its text given to the driver's cursor. Where somebody listens to the engine's
events, or SQLAlchemy logs statements, its own Connection runs the same text, so that they see it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import Any
from weakref import WeakSet, finalize

import sqlalchemy as sa

from ...errors import TransactionConflict, Unavailable
from ..base import PLAIN, TransactionOptions
from .connections import (
    Connection,
    DriverConnection,
    Read,
    Translate,
    Values,
    WatchedConnection,
    is_watched,
    raise_translated,
)
from .driver import Driver, affected
from .transaction import OF_PARENT, Transaction, deadline_of

#: What another process changed while this one waited for its turn is seen.
_SCHEMA_CHANGE = TransactionOptions(isolation="read committed")
#: The most connections that a session keeps beside the engine's pool.
KEPT_CONNECTIONS = 4
#: The seconds for which a connection that worked is not tried before it is used.
TRUSTED_SECONDS = 1.0


class Session:
    """The connections of one engine, each of which is in autocommit outside of a transaction.

    :param engine: the engine.
    :param driver: what its driver does in its own way.
    :param translate: turns the driver's errors into ours.
    :param around_schema: the statements before and after a transaction that changes the schema.
    :param ping: the statement by which a connection is tried that was not used for a moment, or
        None where it is not tried.
    :param recycle: the seconds after which a connection is not used any more, or None.
    :param single: whether all share one connection, as with a database in memory; one thread at a
        time uses it then.
    :param isolation: of transactions that do not say theirs.
    """

    def __init__(
        self,
        engine: sa.Engine,
        driver: Driver,
        translate: Translate,
        *,
        around_schema: tuple[str, str] | None = None,
        ping: str | None = None,
        recycle: float | None = None,
        single: bool = False,
        isolation: str = "serializable",
    ) -> None:
        self.engine = engine
        self.isolation = isolation
        self._ping = ping
        self._recycle = recycle
        self.driver = driver
        self._translate = translate
        self._around_schema = around_schema
        self._single = single
        #: When a connection was lost last, or could not be had, on the monotonic clock.
        self.lost_at = 0.0
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
            except Unavailable:
                if connection.driver_connection is not None:
                    raise
            finally:
                self._check_in(connection)
            # The connection was lost, and nothing is written by trying another one.
            connection = self._check_out()
            try:
                return connection.fetch(sql, values)
            finally:
                self._check_in(connection)

    def run(self, sql: str, values: Values = (), read: Read = affected) -> Any:
        """Run a statement that writes.

        :param read: takes what is wanted from the driver's cursor; by default how many rows were
            written.
        """
        transaction = self._current()
        if transaction is not None:
            return transaction.write(sql, values, read)
        with self._turn:
            connection = self._check_out()
            try:
                return connection.run(sql, values, read)
            except TransactionConflict as error:
                error.is_over = True
                raise
            finally:
                self._check_in(connection)

    def perform(self, sql: str, values: Values, read: Read) -> Any:
        """Run a statement of which nobody knows whether it writes."""
        transaction = self._current()
        if transaction is not None:
            return transaction.guard(sql, values, read)
        return self.run(sql, values, read)

    def primary(self) -> AbstractContextManager[None]:
        """A block whose reads see what was written last, where others read from copies."""
        return nullcontext()

    @contextmanager
    def transaction(
        self,
        options: TransactionOptions = PLAIN,
        around: tuple[str, str] | None = None,
    ) -> Iterator[None]:
        """A transaction, or inside another a savepoint.

        :param options: what is asked of it.
        :param around: the statements before and after it, where it is not inside another.
        """
        outer = self._current()
        if outer is not None:
            with outer.savepoint(options):
                yield
            return
        deadline = None if options.timeout is None else deadline_of(options.timeout)
        with self._turn:
            transaction = Transaction(
                self._check_out(),
                self.driver,
                options,
                self._check_in,
                isolation=self.isolation,
                deadline=deadline,
            )
            try:
                self._open.set(transaction)
                if around is not None:
                    transaction.run(around[0])
                transaction.begin()
                yield
                transaction.commit()
            except BaseException as error:
                transaction.rollback()
                if isinstance(error, TransactionConflict):
                    error.is_over = True
                raise
            finally:
                transaction.thread = None  # before any call: a signal may raise there
                try:
                    if around is not None:
                        transaction.connection.run(around[1])
                finally:
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
    def apart(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection for looking at the schema that is in no transaction."""
        with self._turn, self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def schema_change(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection in a transaction, so that two processes take turns."""
        options = PLAIN if self.in_transaction else _SCHEMA_CHANGE
        with self.transaction(options, self._around_schema), self.inspection() as connection:
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
        OF_PARENT.append(self._idle)
        self._forget()
        if not self._single:
            OF_PARENT.append(self.engine.pool)
            self.engine.dispose(close=False)

    def _forget(self) -> None:
        self._idle: list[DriverConnection] = []
        #: One for each caller who waits for a connection of the engine's pool.
        self._waiting: list[None] = []
        if self._closing is not None:
            self._closing.detach()
        # A driver warns of connections that are left to the garbage collector.
        self._closing = finalize(self, _let_go, self.engine, self._idle)
        self._closing.atexit = False
        self._turn: AbstractContextManager[Any] = RLock() if self._single else nullcontext()
        self._open: ContextVar[Transaction | None] = ContextVar("transaction", default=None)

    def _current(self) -> Transaction | None:
        transaction = self._open.get()
        # A copied context may be run by another thread, or when the transaction is over.
        if transaction is None or transaction.thread != get_ident():
            return None
        return transaction

    def _check_out(self) -> Connection:
        engine = self.engine
        try:
            if is_watched(engine):
                self._release()
                return WatchedConnection(engine, self.driver, self._translate)
            return self._kept() or self._from_pool()
        except Exception as error:  # noqa: BLE001 - it is raised again
            self.lost_at = monotonic()
            raise_translated(error, self._translate)

    def _from_pool(self) -> DriverConnection:
        self._waiting.append(None)
        try:
            # One that came back since is seen here; one that comes back later sees who waits.
            return self._kept() or DriverConnection(self.engine, self.driver, self._translate)
        finally:
            self._waiting.pop()

    def _check_in(self, connection: Connection) -> None:
        """Keep a connection for the next caller: the engine's pool costs more than a query."""
        if (
            isinstance(connection, DriverConnection)
            and connection.is_clean
            and len(self._idle) < KEPT_CONNECTIONS
        ):
            if self._ping is not None:
                connection.since = monotonic()
            self._idle.append(connection)
            if self._waiting:
                self._release()
                sleep(0)  # otherwise this thread would be the first to have it again
        else:
            if connection.driver_connection is None:
                self._lost(connection)
            connection.close()

    def _lost(self, connection: Connection) -> None:
        """Leave the connections that were opened before one was lost: they may be lost too."""
        self.lost_at = monotonic()
        if isinstance(connection, DriverConnection) and not connection.is_current:
            return  # those who were opened with it are left already
        self._release()
        if not self._single:
            self.engine.dispose()

    def _kept(self) -> DriverConnection | None:
        """A connection that an earlier caller left, or None."""
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if connection.is_current and self._is_of_use(connection):
                    return connection
                connection.close()
        return None

    def _is_of_use(self, connection: DriverConnection) -> bool:
        """Whether a connection is not too old, and still works as far as is known."""
        if self._recycle is not None and monotonic() - connection.opened > self._recycle:
            return False
        if self._ping is None or monotonic() - connection.since < TRUSTED_SECONDS:
            return True
        with suppress(Exception), self.driver.trying(connection.driver_connection):
            connection.fetch(self._ping)
            return True
        return False

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


def _let_go(engine: sa.Engine, idle: list[DriverConnection]) -> None:
    """Close the connections of a session that is gone."""
    with suppress(Exception):
        while idle:
            idle.pop().close()
        engine.dispose()


_sessions: WeakSet[Session] = WeakSet()


def _forget_parent() -> None:
    for session in list(_sessions):
        session.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
