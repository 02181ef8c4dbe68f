"""Transactions of a server that has them: sessions, bound to the caller that began them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from ...errors import TransactionConflict, Unavailable
from ..base import TransactionOptions
from .client import Client
from .faults import ERRORS, translated

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession

T = TypeVar("T")

_TOO_LONG = "The transaction took too long."
#: How often it is asked to commit, while nobody knows whether that was done; the driver asks twice
#: each time.
COMMITS = 2
#: The seconds that are spent on telling the server that a transaction is over.
ABORT_TIMEOUT = 2


class ServerTransaction:
    """One transaction.

    :param session: the driver's session that it is in.
    :param options: what was asked of it.

    :ivar thread: the thread that is in it, or None when it is over.
    :ivar is_lost: whether the server has given it up, so that there is nothing left to undo.
    """

    def __init__(self, session: ClientSession, options: TransactionOptions) -> None:
        self.session = session
        self.thread: int | None = get_ident()
        self.may_write = not options.read_only
        self.guarded = options.guarded
        self.is_lost = False


class ServerTransactions:
    """The transactions of one data source.

    :param client: its connections.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: ContextVar[ServerTransaction | None] = ContextVar("transaction", default=None)

    @property
    def current(self) -> ServerTransaction | None:
        """The transaction that the caller is in, or None."""
        transaction = self._open.get()
        # A copied context may be run by another thread, or when the transaction is over.
        if transaction is None or transaction.thread != get_ident():
            return None
        return transaction

    @contextmanager
    def begin(self, options: TransactionOptions) -> Iterator[None]:
        """A transaction that is inside no other.

        Its reads see the records as they were at its beginning; of two that write one record, one
        ends with :class:`TransactionConflict`.
        """
        deadline = None if options.timeout is None else monotonic() + options.timeout
        limit = nullcontext() if options.timeout is None else pymongo.timeout(options.timeout)
        client = self._client.database.client
        with self._client.run(client.start_session) as session:
            transaction = ServerTransaction(session, options)
            session.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            )
            self._open.set(transaction)
            try:
                with limit:
                    yield
                    if deadline is not None and monotonic() >= deadline:
                        raise Unavailable(_TOO_LONG)
                    if transaction.is_lost:
                        raise TransactionConflict
                    self._client.run(_commit, session)
            except BaseException as error:
                self._abort(session)
                if isinstance(error, TransactionConflict):
                    error.is_over = True
                raise
            finally:
                transaction.thread = None  # before any call: a signal may raise there
                if self._open.get() is transaction:
                    self._open.set(None)

    def call(
        self,
        transaction: ServerTransaction,
        function: Callable[..., T],
        *arguments: Any,
        **named: Any,
    ) -> T:
        """Call a function of the driver inside a transaction."""
        try:
            return function(*arguments, session=transaction.session, **named)
        except ERRORS as error:
            found = translated(error)
            # The server ends it with each error of its own.
            transaction.is_lost |= isinstance(error, OperationFailure) or isinstance(
                found, TransactionConflict | Unavailable
            )
            if found is error:
                raise
            raise found from error

    def _abort(self, session: ClientSession) -> None:
        if session.in_transaction:
            # It ends by itself where nobody can say so.
            with suppress(PyMongoError), pymongo.timeout(ABORT_TIMEOUT):
                session.abort_transaction()


def _commit(session: ClientSession) -> None:
    """Commit, and ask again where nobody knows whether that was done: the server does it once."""
    for _ in range(COMMITS - 1):
        try:
            session.commit_transaction()
        except PyMongoError as error:
            is_unknown = error.has_error_label("UnknownTransactionCommitResult")
            if not is_unknown or isinstance(error, ExecutionTimeout) or error.timeout:
                raise
        else:
            return
    session.commit_transaction()
