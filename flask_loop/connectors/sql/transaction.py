"""Transaction: one that is open on a connection, with its savepoints and its time limit."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from time import monotonic
from typing import Any

from ...errors import TransactionConflict, Unavailable
from ..base import ISOLATIONS, TransactionOptions
from .connections import Connection, Read, Values
from .driver import Driver, affected

#: What a forked child must neither use nor close.
OF_PARENT: list[Any] = []


class Transaction:
    """A transaction that is open on a connection, in the thread that began it.

    :param options: what is asked of it.
    :param check_in: takes the connection back.
    :param isolation: its isolation, where nothing is asked of that.
    :param deadline: when its time is over, on the monotonic clock, or None.

    :ivar thread: the thread that is in it, or None when it is over.
    """

    def __init__(
        self,
        connection: Connection,
        driver: Driver,
        options: TransactionOptions,
        check_in: Callable[[Connection], None],
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
            self._deadline = min(self._deadline or math.inf, deadline_of(options.timeout))
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
        if self._is_ours():
            if self._deadline is not None or self._read_only:
                self._restore()
            self._check_in(self.connection)
        else:
            OF_PARENT.append(self.connection)

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
        self.driver.limit(self, left_until(self._deadline))

    def _refuse_stricter(self, isolation: str | None) -> None:
        if isolation and ISOLATIONS.index(isolation) < ISOLATIONS.index(self._isolation):
            raise RuntimeError(
                f"the transaction is {self._isolation}, and so is what is inside it: ask the "
                f"outermost to be {isolation}"
            )


def deadline_of(timeout: float) -> float:
    """When a time is over that begins now, on the monotonic clock."""
    return monotonic() + timeout


def left_until(deadline: float | None) -> float:
    """The seconds until a time is over; there is always a moment left."""
    return max(0.001, 0.0 if deadline is None else deadline - monotonic())
