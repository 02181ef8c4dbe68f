"""Connections: the driver's own, and SQLAlchemy's where somebody looks at what runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NoReturn, Protocol

import sqlalchemy as sa

from .driver import Driver, affected

#: Turns a driver's error into one of ours, or returns it as it is.
Translate = Callable[[Exception], Exception]
#: Values in the order of a statement's placeholders, or by their names.
Values = Sequence[Any] | Mapping[str, Any]
#: Takes what is wanted from a cursor that has run a statement.
Read = Callable[[Any], Any]


#: The most rows that a cursor may have read which is kept: it holds on to them until its next use.
KEPT_ROWS = 200


def raise_translated(error: BaseException, translate: Translate) -> NoReturn:
    """Raise an error as one of ours, with the driver's for its cause."""
    if not isinstance(error, Exception):
        raise error
    translated = translate(error)
    if translated is error:
        raise error
    raise translated from error


class Connection(Protocol):
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


class DriverConnection:
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
        self._cursor = None
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


class WatchedConnection:
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


def is_watched(engine: sa.Engine) -> bool:
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
