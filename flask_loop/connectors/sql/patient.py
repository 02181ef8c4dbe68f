"""psycopg's connections, which give up a server that says nothing."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg


class PatientConnection(psycopg.Connection[Any]):
    """A connection that waits for its server no longer than it is told.

    A time limit that the server keeps says nothing where the server, or the way to it, is gone.
    """

    #: The seconds after which a server that says nothing is given up; None for never.
    patience: float | None = None

    def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
        if self.patience is not None:
            gen = self._patiently(gen, self.patience)
        return super().wait(gen, *arguments, **named)

    def _patiently(self, waits: Any, patience: float) -> Generator[Any, Any, Any]:
        """Pass on what psycopg waits for, and the answers, as long as there are any in time.

        :param waits: psycopg's generator.
        """
        deadline = monotonic() + patience
        try:
            wanted = next(waits)
            while True:
                is_ready = yield wanted
                if is_ready:
                    deadline = monotonic() + patience
                elif monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server said nothing for {patience} s")
                wanted = waits.send(is_ready)
        except StopIteration as end:
            return end.value


def connect_patiently(
    dialect: Any, record: Any, arguments: list[Any], named: dict[str, Any]
) -> PatientConnection:
    """Connect as SQLAlchemy's event ``do_connect`` asks for it."""
    connection = PatientConnection.connect(*arguments, **named)
    connection.patience = float(named["connect_timeout"])
    return connection
