"""Replicas: copies of a database, which answer what is read outside of transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from random import shuffle
from time import monotonic
from typing import Any

from ...errors import TransactionConflict, Unavailable
from .connections import Values
from .session import Session

#: The seconds for which a replica that cannot be reached is left out.
REST_SECONDS = 10.0


class Replica:
    """One replica.

    :param session: its connections.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._rests_until = 0.0

    def is_ready(self) -> bool:
        """Whether it is to be asked; of one that could not be reached, by one caller at a time."""
        if not self._rests_until:
            return True
        now = monotonic()
        if now < self._rests_until:
            return False
        self._rests_until = now + REST_SECONDS
        return True

    def fetch(self, sql: str, values: Values) -> list[Any] | None:
        """Run a query and give its rows; None where another place has to be asked."""
        begun = monotonic()
        try:
            rows = self.session.fetch(sql, values)
        except TransactionConflict:  # what it copies now is in the way of the query
            return None
        except Unavailable:
            if self.session.lost_at < begun:  # it is there, and the query takes too long
                raise
            self._rests_until = monotonic() + REST_SECONDS
            return None
        self._rests_until = 0.0
        return rows


class ReplicatedSession(Session):
    """The connections of a database that has replicas.

    :param session: the same arguments as those of a :class:`Session`.
    :param replicas: the connections of the replicas.
    """

    def __init__(self, *session: Any, replicas: Sequence[Session], **named: Any) -> None:
        super().__init__(*session, **named)
        self._replicas = [Replica(each) for each in replicas]
        self._is_on_primary: ContextVar[bool] = ContextVar("primary", default=False)

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        if not (self.in_transaction or self._is_on_primary.get()):
            replicas = self._replicas.copy()
            shuffle(replicas)
            for replica in replicas:
                if replica.is_ready():
                    rows = replica.fetch(sql, values)
                    if rows is not None:
                        return rows
        return super().fetch(sql, values)

    @contextmanager
    def primary(self) -> Iterator[None]:
        token = self._is_on_primary.set(True)
        try:
            yield
        finally:
            self._is_on_primary.reset(token)

    def close(self) -> None:
        super().close()
        for replica in self._replicas:
            replica.session.close()
