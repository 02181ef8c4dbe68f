"""Undoing: blocks of writes for connectors whose backends have no transactions.

Where a block raises, what it wrote is undone, one write after the other, the last one first. Others
may see it until then, and what a process wrote that dies in the middle stays: the connector says so
by the capability ``undoes`` in the place of ``transactions``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import get_ident
from time import monotonic
from typing import Any

from ..errors import TransactionConflict, Unavailable
from .base import PLAIN, TransactionOptions

_log = logging.getLogger(__name__)


@dataclass
class _Block:
    """The outermost block of a caller.

    :ivar thread: the thread that is in it, or None when it is over.
    :ivar undo: what undoes each write, in the order in which they were done.
    :ivar is_unsure: whether it has a write of which nobody knows whether it was done.
    :ivar seen: what its caller knows of records, from where the connector keeps that in mind.
    """

    thread: int | None = field(default_factory=get_ident)
    undo: list[Callable[[], None]] = field(default_factory=list)
    may_write: bool = True
    is_unsure: bool = False
    seen: dict[Any, Any] = field(default_factory=dict)


class Undoing:
    """What one connector has written in the blocks of its callers.

    A connector has one, gives its :meth:`transaction` as its own, and tells of each write by
    :meth:`wrote`.

    :param name: the connector's, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._block: ContextVar[_Block | None] = ContextVar("block", default=None)

    @property
    def is_open(self) -> bool:
        """Whether the caller is in a block, so that what it writes may have to be undone."""
        return self._entered is not None

    @property
    def seen(self) -> dict[Any, Any] | None:
        """What the caller knows of records that it has read in its block; None outside of one.

        By that a connector sees what others have changed since, so that the block does not write
        over it. Where writes of a block inside it are undone, nothing is known any more.
        """
        block = self._entered
        return None if block is None else block.seen

    @property
    def is_unsure(self) -> bool:
        """Whether the caller's block has a write of which nobody knows whether it was done."""
        block = self._entered
        return block is not None and block.is_unsure

    def will_write(self) -> None:
        """Say that something is written next.

        :raises RuntimeError: in a block that only reads.
        """
        block = self._entered
        if block is not None and not block.may_write:
            raise RuntimeError("nothing is written in a transaction that is read_only")

    def wrote(self, undo: Callable[[], None]) -> None:
        """Say that something was written.

        :param undo: undoes it; it is called at most once, and leaves alone what others have
            changed since.
        """
        block = self._entered
        if block is not None:
            block.undo.append(undo)

    def may_have_written(self) -> None:
        """Say that nobody knows whether a write was done, as its answer was lost."""
        block = self._entered
        if block is not None:
            block.is_unsure = True

    @contextmanager
    def transaction(self, options: TransactionOptions = PLAIN) -> Iterator[None]:
        """A block whose writes are undone where it raises; see :meth:`Connector.transaction`.

        :raises Unavailable: where its time is over.
        """
        deadline = None if options.timeout is None else monotonic() + options.timeout
        outer = self._entered
        block = _Block() if outer is None else outer
        start = len(block.undo)
        may_write, block.may_write = block.may_write, block.may_write and not options.read_only
        try:
            if outer is None:
                self._block.set(block)
            yield
            if deadline is not None and monotonic() >= deadline:
                raise Unavailable("The transaction took too long.")
        except BaseException as error:
            # One inside another that a signal cut off may end after that one.
            if block.thread is not None:
                self._undo(block, start)
            if outer is None and isinstance(error, TransactionConflict):
                error.is_over = True
            raise
        finally:
            block.may_write = may_write
            if outer is None:
                block.thread = None  # before any call: a signal may raise there
                if self._block.get() is block:
                    self._block.set(None)

    @property
    def _entered(self) -> _Block | None:
        """The block that the caller is in.

        A copied context may be run by another thread, or when the block is over.
        """
        block = self._block.get()
        return block if block is not None and block.thread == get_ident() else None

    def _undo(self, block: _Block, start: int) -> None:
        failed = 0
        if len(block.undo) > start:
            block.seen.clear()
        while len(block.undo) > start:
            undo = block.undo.pop()
            try:
                undo()
            except Exception:  # noqa: BLE001 - the other writes are undone all the same
                failed += 1
                _log.exception("a write of the %s connector could not be undone", self._name)
        if failed:
            _log.error("%d writes of a block that raised stay in %s", failed, self._name)
