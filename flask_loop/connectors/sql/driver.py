"""Drivers: how the connections of each run statements, and begin and end transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ..base import TransactionOptions


def affected(cursor: Any) -> int:
    """How many rows the statement of a cursor wrote."""
    return int(cursor.rowcount)


def last_id(cursor: Any) -> Any:
    """The id that the database made for the row that the statement of a cursor inserted."""
    return cursor.lastrowid


def first_value(cursor: Any) -> Any:
    """The first value that the statement of a cursor returns."""
    row = cursor.fetchone()
    return None if row is None else row[0]


def every_row(cursor: Any) -> Any:
    """The rows that the statement of a cursor returns."""
    return cursor.fetchall()


class Running(Protocol):
    """A transaction that runs statements."""

    @property
    def driver_connection(self) -> Any: ...

    def run(
        self, sql: str, values: Sequence[Any] = (), read: Callable[[Any], Any] = affected
    ) -> Any: ...


class Driver:
    """What a driver's connections do in their own way.

    This is for those whose connections are in autocommit, and whose transactions begin by a
    statement.
    """

    #: Whether a statement that fails makes all of its transaction fail.
    fails_whole = False
    #: The statement that begins a transaction.
    begin_statement = "BEGIN"
    #: Whether a cursor runs one statement after another, and a new one costs some of a query.
    keeps_cursors = False

    # Statements

    def execute(self, cursor: Any, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
        """Run a statement."""
        cursor.execute(sql, values)

    def settle(self, connection: Any) -> None:
        """End what a statement outside of a transaction has begun."""

    def abandon(self, connection: Any) -> None:
        """End what a statement outside of a transaction has begun that failed."""

    # Transactions

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        """Begin a transaction."""
        transaction.run(self.begin_statement)

    def limit(self, transaction: Running, seconds: float | None) -> None:
        """Let the next statements of a transaction take no longer, where the database can.

        Whether it can or not, a transaction does not go on when its time is over.

        :param seconds: how long; None for as long as outside of a transaction.
        """

    def restore(self, transaction: Running, options: TransactionOptions) -> None:
        """Undo what was set of a connection for a transaction that has ended."""

    def commit(self, transaction: Running) -> None:
        transaction.run("COMMIT")

    def roll_back(self, connection: Any) -> None:
        connection.rollback()

    def savepoint(self, transaction: Running, name: str) -> None:
        transaction.run(f"SAVEPOINT {name}")

    def release(self, transaction: Running, name: str) -> None:
        transaction.run(f"RELEASE SAVEPOINT {name}")

    def roll_back_to(self, transaction: Running, name: str) -> None:
        transaction.run(f"ROLLBACK TO SAVEPOINT {name}")
        transaction.run(f"RELEASE SAVEPOINT {name}")

    def is_open(self, connection: Any) -> bool:
        """Whether a transaction that has begun is still open after an error."""
        return bool(getattr(connection, "in_transaction", True))

    def is_idle(self, connection: Any) -> bool:
        """Whether the connection has no transaction open, and so may be kept for others."""
        return not self.is_open(connection)

    @contextmanager
    def trying(self, connection: Any) -> Iterator[None]:
        """A block in which a connection is tried.

        A server that says nothing is given up in it as soon as one that is connected to.
        """
        yield

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        """Whether an error says that the connection is lost, other than SQLAlchemy knows."""
        return False

    def is_cut_off(self, connection: Any) -> bool:
        """Whether what interrupted a statement, such as a signal, left its answer unread.

        Who used the connection next would take that for the answer to his own statement.
        """
        return False
