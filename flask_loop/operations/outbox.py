"""Outbox: the signals of operations, which are sent when their transactions have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..connectors.base import PLAIN, Connector, TransactionOptions

if TYPE_CHECKING:
    from blinker import Signal

Send = Callable[[], object]


class Outbox:
    """The signals that a transaction will send, and those of the operations inside it.

    :param connector: whose transaction it waits for, or None.
    :ivar is_open: whether the transaction goes on.
    """

    __slots__ = ("_connector", "_sends", "_thread", "is_open")

    def __init__(self, connector: Connector | None) -> None:
        self._connector = connector
        self._thread = get_ident()
        self.is_open = True
        self._sends: list[Send] = []

    def add(self, send: Send) -> None:
        self._sends.append(send)

    def waits_for(self, connector: Connector) -> bool:
        """Whether the caller is in this transaction.

        A copied context may be run by another thread, or when the transaction is over.
        """
        return self._connector is connector and self.is_entered

    @property
    def is_entered(self) -> bool:
        """Whether the caller is in this transaction."""
        return self.is_open and self._thread == get_ident()

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the transaction: what it would send is forgotten where it raises."""
        count = len(self._sends)
        try:
            yield
        except BaseException:
            del self._sends[count:]
            raise

    def send(self) -> None:
        """Send the signals in their order, each of them whatever receivers of another raise."""
        with ExitStack() as sends:
            for send in reversed(self._sends):
                sends.callback(send)


_outboxes: ContextVar[tuple[Outbox, ...]] = ContextVar("flask_loop_outboxes", default=())


@contextmanager
def transaction(connector: Connector, options: TransactionOptions = PLAIN) -> Iterator[None]:
    """A transaction; the signals of what is done in it are sent when the outermost has ended."""
    outer = next((each for each in _outboxes.get() if each.waits_for(connector)), None)
    if outer is not None:
        with outer.part(), connector.transaction(options):
            yield
        return
    outbox = Outbox(connector)
    _outboxes.set((*_outboxes.get(), outbox))
    try:
        with connector.transaction(options):
            yield
    finally:
        outbox.is_open = False  # before any call: a signal may raise there
        _drop_closed()
    outbox.send()


@contextmanager
def held(block: AbstractContextManager[None]) -> Iterator[None]:
    """A block whose end is that of a transaction, which no connector of ours began.

    What is added by :func:`after_commit` waits for it.
    """
    outbox = Outbox(None)
    _outboxes.set((*_outboxes.get(), outbox))
    try:
        with block:
            yield
    finally:
        outbox.is_open = False
        _drop_closed()
    outbox.send()


def _drop_closed() -> None:
    """Drop what has ended; another source's transaction may have begun meanwhile, and go on."""
    _outboxes.set(tuple(each for each in _outboxes.get() if each.is_open))


def current(connector: Connector) -> Outbox:
    """The outbox of the transaction that the caller is in."""
    return next(each for each in _outboxes.get() if each.waits_for(connector))


def is_open() -> bool:
    """Whether the caller is in a transaction."""
    return any(each.is_entered for each in _outboxes.get())


def after_commit(send: Send) -> None:
    """Do something when all transactions that the caller is in have committed; now if in none."""
    inner = next((each for each in reversed(_outboxes.get()) if each.is_entered), None)
    if inner is None:
        send()
    else:
        inner.add(partial(after_commit, send))


def is_in_transaction(connector: Connector) -> bool:
    """Whether the caller is in a transaction, and so may read what will never be kept."""
    return any(each.waits_for(connector) for each in _outboxes.get())


def is_heard(signal: Signal, sender: Any) -> bool:
    """Whether a signal of a sender has receivers now.

    Blinker's own ``has_receivers_for`` is still true when the last of a sender's has gone.
    """
    return any(True for _ in signal.receivers_for(sender))
