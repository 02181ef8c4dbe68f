"""Running statements: compiled SQL on the pooled driver connection, in autocommit or a transaction.

Building and running a statement through SQLAlchemy costs more than the query itself, so a statement
is compiled once and its text given to the driver's cursor. Where somebody listens to the engine's
events, or SQLAlchemy logs statements, its own Connection runs the same text, so that they see it.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import Any, NoReturn, Protocol
from weakref import WeakSet, finalize

import sqlalchemy as sa

from ...errors import TransactionConflict, Unavailable
from ..base import ISOLATIONS, PLAIN, TransactionOptions
from .driver import Driver, affected

#: Turns a driver's error into one of ours, or returns it as it is.
Translate = Callable[[Exception], Exception]
#: Values in the order of a statement's placeholders, or by their names.
Values = Sequence[Any] | Mapping[str, Any]
#: What another process changed while this one waited for its turn is seen.
_SCHEMA_CHANGE = TransactionOptions(isolation="read committed")
#: Takes what is wanted from a cursor that has run a statement.
Read = Callable[[Any], Any]

#: The most connections that a session keeps beside the engine's pool.
KEPT_CONNECTIONS = 4
#: The most rows that a cursor may have read which is kept: it holds on to them until its next use.
KEPT_ROWS = 200
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
        deadline = None if options.timeout is None else _deadline(options.timeout)
        with self._turn:
            transaction = _Transaction(
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
        _of_parent.append(self._idle)
        self._forget()
        if not self._single:
            _of_parent.append(self.engine.pool)
            self.engine.dispose(close=False)

    def _forget(self) -> None:
        self._idle: list[_DriverConnection] = []
        #: One for each caller who waits for a connection of the engine's pool.
        self._waiting: list[None] = []
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
                return _WatchedConnection(engine, self.driver, self._translate)
            return self._kept() or self._from_pool()
        except Exception as error:  # noqa: BLE001 - it is raised again
            self.lost_at = monotonic()
            raise_translated(error, self._translate)

    def _from_pool(self) -> _DriverConnection:
        self._waiting.append(None)
        try:
            # One that came back since is seen here; one that comes back later sees who waits.
            return self._kept() or _DriverConnection(self.engine, self.driver, self._translate)
        finally:
            self._waiting.pop()

    def _check_in(self, connection: _Connection) -> None:
        """Keep a connection for the next caller: the engine's pool costs more than a query."""
        if (
            isinstance(connection, _DriverConnection)
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

    def _lost(self, connection: _Connection) -> None:
        """Leave the connections that were opened before one was lost: they may be lost too."""
        self.lost_at = monotonic()
        if isinstance(connection, _DriverConnection) and not connection.is_current:
            return  # those who were opened with it are left already
        self._release()
        if not self._single:
            self.engine.dispose()

    def _kept(self) -> _DriverConnection | None:
        """A connection that an earlier caller left, or None."""
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if connection.is_current and self._is_of_use(connection):
                    return connection
                connection.close()
        return None

    def _is_of_use(self, connection: _DriverConnection) -> bool:
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


def _let_go(engine: sa.Engine, idle: list[_DriverConnection]) -> None:
    """Close the connections of a session that is gone."""
    with suppress(Exception):
        while idle:
            idle.pop().close()
        engine.dispose()


def raise_translated(error: BaseException, translate: Translate) -> NoReturn:
    """Raise an error as one of ours, with the driver's for its cause."""
    if not isinstance(error, Exception):
        raise error
    translated = translate(error)
    if translated is error:
        raise error
    raise translated from error


class _Connection(Protocol):
    """A connection that is checked out of the engine's pool."""

    def fetch(self, sql: str, values: Values = (), *, settle: bool = True) -> list[Any]: ...

    def run(
        self, sql: str, values: Values = (), read: Read = affected, *, settle: bool = True
    ) -> Any: ...

    def close(self) -> None: ...

    def discard(self, error: BaseException) -> None: ...

    @property
    def driver_connection(self) -> Any:
        """The driver's own connection, or None where it was lost."""

    def of_sqlalchemy(self) -> sa.Connection: ...


class _Transaction:
    """A transaction that is open on a connection, in the thread that began it.

    :param options: what is asked of it.
    :param check_in: takes the connection back.
    :param isolation: its isolation, where nothing is asked of that.
    :param deadline: when its time is over, on the monotonic clock, or None.
    """

    def __init__(
        self,
        connection: _Connection,
        driver: Driver,
        options: TransactionOptions,
        check_in: Callable[[_Connection], None],
        *,
        isolation: str,
        deadline: float | None,
    ) -> None:
        self.connection = connection
        self.driver = driver
        self._options = options
        self._check_in = check_in
        self.thread: int | None = get_ident()
        self._process = os.getpid()
        self._depth = 0
        self._guarded = options.guarded and driver.fails_whole
        self._isolation = options.isolation or isolation
        self._read_only = options.read_only
        self._deadline = deadline
        self._ended = False

    @property
    def driver_connection(self) -> Any:
        return self.connection.driver_connection

    def begin(self) -> None:
        if self._deadline is not None:
            self._refuse_late()
        self.driver.begin(self, self._options)

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        self._refuse_ended()
        if self._deadline is not None:
            self._limit()
        try:
            return self.connection.fetch(sql, values, settle=False)
        except BaseException as error:
            self._note_end(error)
            raise

    def run(self, sql: str, values: Values = (), read: Read = affected) -> Any:
        self._refuse_ended()
        try:
            return self.connection.run(sql, values, read, settle=False)
        except BaseException as error:
            self._note_end(error)
            raise

    def write(self, sql: str, values: Values, read: Read) -> Any:
        """Run a statement that writes, and after whose refusal the caller may go on.

        :raises RuntimeError: where the transaction only reads.
        """
        if self._read_only:
            raise RuntimeError("nothing is written in a transaction that is read_only")
        if self._guarded or self._deadline is not None:
            return self.guard(sql, values, read)
        return self.run(sql, values, read)

    def guard(self, sql: str, values: Values, read: Read) -> Any:
        """Run a statement after whose refusal the caller may go on."""
        if self._deadline is not None:
            self._refuse_ended()
            self._limit()
        if not self._guarded:
            return self.run(sql, values, read)
        self.run("SAVEPOINT loop_guard")
        try:
            written = self.run(sql, values, read)
        except Exception:
            if not self._ended:
                self.run("ROLLBACK TO SAVEPOINT loop_guard")
                self.run("RELEASE SAVEPOINT loop_guard")
            raise
        self.run("RELEASE SAVEPOINT loop_guard")
        return written

    @contextmanager
    def savepoint(self, options: TransactionOptions) -> Iterator[None]:
        self._refuse_stricter(options.isolation)
        self._depth += 1
        outer = self._guarded, self._read_only, self._deadline
        self._guarded = options.guarded and self.driver.fails_whole
        self._read_only = self._read_only or options.read_only
        if options.timeout is not None:
            self._deadline = min(self._deadline or math.inf, _deadline(options.timeout))
        name = f"loop_{self._depth}"
        try:
            self.driver.savepoint(self, name)
            yield
            if self._deadline is not None:
                self._refuse_late()
        except BaseException:
            if not self._ended and self._is_ours():
                try:
                    self.driver.roll_back_to(self, name)
                except Exception:  # noqa: BLE001 - the caller's error matters
                    self._ended = True
            raise
        else:
            self.driver.release(self, name)
        finally:
            is_limited, self._deadline = self._deadline is not None, outer[2]
            self._depth -= 1
            self._guarded, self._read_only = outer[:2]
            if is_limited and self._deadline is None and not self._ended and self._is_ours():
                self.driver.limit(self, None)

    def commit(self) -> None:
        if self._is_ours():
            self._refuse_ended()
            if self._deadline is not None:
                self._refuse_late()
            self.driver.commit(self)

    def rollback(self) -> None:
        driver_connection = self.connection.driver_connection
        if self._is_ours() and driver_connection is not None:
            try:
                self.driver.roll_back(driver_connection)
            except BaseException as error:
                self.connection.discard(error)
                if not isinstance(error, Exception):  # otherwise the caller's error matters
                    raise

    def close(self) -> None:
        self.thread = None
        if self._is_ours():
            if self._deadline is not None or self._read_only:
                self._restore()
            self._check_in(self.connection)
        else:
            _of_parent.append(self.connection)

    def _restore(self) -> None:
        """Leave the connection to others as it was."""
        if self.driver_connection is not None:
            with suppress(Exception):  # where it is lost, there is nothing to leave
                self.driver.restore(self, self._options)

    def _is_ours(self) -> bool:
        """Whether this is not a forked child, to which the connection does not belong."""
        return self._process == os.getpid()

    def _note_end(self, error: BaseException) -> None:
        """Take note of a transaction that the database rolled back by itself, as after some errors.

        What follows must not be kept alone.
        """
        driver_connection = self.connection.driver_connection
        self._ended = (
            driver_connection is None
            or isinstance(error, TransactionConflict)
            or not self.driver.is_open(driver_connection)
        )

    def _refuse_ended(self) -> None:
        if self._ended:
            raise Unavailable("The data source has ended the transaction.")

    def _refuse_late(self) -> None:
        if monotonic() >= (self._deadline or math.inf):
            raise Unavailable("The transaction took too long.")

    def _limit(self) -> None:
        """Let the next statement take no longer than what is left of the time."""
        self._refuse_late()
        self.driver.limit(self, _left(self._deadline))

    def _refuse_stricter(self, isolation: str | None) -> None:
        if isolation and ISOLATIONS.index(isolation) < ISOLATIONS.index(self._isolation):
            raise RuntimeError(
                f"the transaction is {self._isolation}, and so is what is inside it: ask the "
                f"outermost to be {isolation}"
            )


def _deadline(timeout: float) -> float:
    """When a time is over that begins now, on the monotonic clock."""
    return monotonic() + timeout


def _left(deadline: float | None) -> float:
    """The seconds until a time is over; there is always a moment left."""
    return max(0.001, 0.0 if deadline is None else deadline - monotonic())


class _DriverConnection:
    """The driver's connection, out of the engine's pool."""

    __slots__ = (
        "_cursor",
        "_driver",
        "_engine",
        "_fairy",
        "_pool",
        "_translate",
        "opened",
        "since",
    )

    def __init__(self, engine: sa.Engine, driver: Driver, translate: Translate) -> None:
        self._engine = engine
        self._pool = engine.pool
        self._driver = driver
        self._translate = translate
        self._fairy = engine.raw_connection()
        self._cursor: Any = None
        #: When it was first used, on the monotonic clock.
        self.opened: float = self._fairy.info.setdefault("loop_opened", monotonic())
        #: When it was last used, on the monotonic clock.
        self.since = 0.0

    def fetch(self, sql: str, values: Values = (), *, settle: bool = True) -> list[Any]:
        cursor = None
        try:
            cursor = self._take_cursor()
            self._driver.execute(cursor, sql, values)
            rows: list[Any] = cursor.fetchall()
            self._leave(cursor, len(rows))
            if settle:
                self._driver.settle(self._fairy.dbapi_connection)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            self._fail(error, cursor, settle=settle)
        return rows

    def run(
        self, sql: str, values: Values = (), read: Read = affected, *, settle: bool = True
    ) -> Any:
        cursor = None
        try:
            cursor = self._take_cursor()
            self._driver.execute(cursor, sql, values)
            found = read(cursor)
            self._leave(cursor, cursor.rowcount)
            if settle:
                self._driver.settle(self._fairy.dbapi_connection)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            self._fail(error, cursor, settle=settle)
        return found

    def _take_cursor(self) -> Any:
        cursor, self._cursor = self._cursor, None
        return cursor or self._fairy.cursor()

    def _leave(self, cursor: Any, rows: int) -> None:
        """Keep a cursor that has read so many rows for the next statement, or close it."""
        if self._driver.keeps_cursors and rows <= KEPT_ROWS:
            self._cursor = cursor
        else:
            cursor.close()

    def close(self) -> None:
        """Give the connection back to its pool; one that was closed meanwhile takes none back."""
        if not self.is_current and self._fairy.is_valid:
            self._fairy.invalidate()
        self._fairy.close()

    def discard(self, error: BaseException) -> None:
        """Throw the connection away, as nobody knows what state it is in."""
        self._fairy.invalidate(error)

    @property
    def driver_connection(self) -> Any:
        return self._fairy.dbapi_connection if self._fairy.is_valid else None

    @property
    def is_clean(self) -> bool:
        """Whether it works, may be kept, and has no transaction open."""
        return (
            self.is_current
            and self._fairy.is_valid
            and self._driver.is_idle(self._fairy.dbapi_connection)
        )

    @property
    def is_current(self) -> bool:
        """Whether it is of the engine's present pool: closing the engine makes a new one."""
        return self._pool is self._engine.pool

    def of_sqlalchemy(self) -> sa.Connection:
        return sa.Connection(self._engine, self._fairy)

    def _fail(self, error: BaseException, cursor: Any, *, settle: bool) -> NoReturn:
        """Raise an error as ours; where it says that the connection is broken, throw that away."""
        if cursor is not None:
            with suppress(Exception):
                cursor.close()
        driver = self._fairy.dbapi_connection
        if driver is not None and self._is_disconnect(error, driver):
            self._fairy.invalidate(error)
        elif driver is not None and settle:
            with suppress(Exception):
                self._driver.abandon(driver)
        raise_translated(error, self._translate)

    def _is_disconnect(self, error: BaseException, driver: Any) -> bool:
        dialect = self._engine.dialect
        if not isinstance(error, dialect.dbapi.Error):  # type: ignore[union-attr]
            return self._driver.is_cut_off(driver)
        return bool(
            dialect.is_disconnect(error, driver, None) or self._driver.is_disconnect(error, driver)
        )


class _WatchedConnection:
    """SQLAlchemy's connection, whose events and log show what runs."""

    def __init__(self, engine: sa.Engine, driver: Driver, translate: Translate) -> None:
        self._driver = driver
        self._translate = translate
        self._connection = engine.connect()

    def fetch(self, sql: str, values: Values = (), *, settle: bool = True) -> list[Any]:
        try:
            rows = [tuple(row) for row in self._execute(sql, values)]
            if settle:
                self._driver.settle(self.driver_connection)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self._fail(error, settle=settle)
        return rows

    def run(
        self, sql: str, values: Values = (), read: Read = affected, *, settle: bool = True
    ) -> Any:
        try:
            result = self._execute(sql, values)
            found = read(result.context.cursor)
            result.close()
            if settle:
                self._driver.settle(self.driver_connection)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self._fail(error, settle=settle)
        return found

    def close(self) -> None:
        self._connection.close()

    def discard(self, error: BaseException) -> None:
        self._connection.invalidate(error)

    @property
    def driver_connection(self) -> Any:
        if self._connection.closed or self._connection.invalidated:
            return None
        return self._connection.connection.dbapi_connection

    def of_sqlalchemy(self) -> sa.Connection:
        return self._connection

    def _execute(self, sql: str, values: Values) -> Any:
        given = values if isinstance(values, Mapping) else tuple(values)
        return self._connection.exec_driver_sql(sql, given)

    def _fail(self, error: Exception, *, settle: bool) -> NoReturn:
        driver = self.driver_connection
        if driver is not None and settle:
            with suppress(Exception):
                self._driver.abandon(driver)
        raise_translated(error, self._translate)


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
