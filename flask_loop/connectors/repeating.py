"""Running again what another transaction got in the way of, where nothing happens twice by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from random import random
from threading import local
from time import sleep
from typing import ParamSpec, TypeVar

from ..errors import DuplicateId, TransactionConflict, UniqueViolation, ValidationError

P = ParamSpec("P")
T = TypeVar("T")

#: How often an operation is run at most.
ATTEMPTS = 6
#: The mean of the seconds before the second attempt; each one after it waits twice as long.
PAUSE = 0.005


class LostRace(TransactionConflict):
    """A record that was not there is refused, as another transaction has stored it meanwhile.

    :param reason: the refusal, for callers where the operation is not run again.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


class _Done(local):
    """What this thread has done that must not happen twice: how often."""

    count = 0


_done = _Done()


def once() -> None:
    """Say that what happens now must not happen twice, such as a call of a user's function.

    No operation around it is run again.
    """
    _done.count += 1


def repeated(function: Callable[P, T]) -> Callable[P, T]:
    """Run an operation again, a few times, where another transaction got in its way.

    It is not where it is a part of a transaction of its caller's, who alone knows what else was in
    that, nor where it did something that must not happen twice.
    """

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        before = _done.count
        try:
            return function(*arguments, **named)
        except TransactionConflict as error:
            conflict = error
        return _again_unless_done(partial(function, *arguments, **named), conflict, before)

    return run


def _again_unless_done(run: Callable[[], T], conflict: TransactionConflict, before: int) -> T:
    return again(run, conflict, ATTEMPTS, lambda: _done.count == before)


def again(
    run: Callable[[], T],
    conflict: TransactionConflict,
    attempts: int,
    may_repeat: Callable[[], bool] = lambda: True,
) -> T:
    """Run what has ended with a conflict again, until it ends without one.

    :param run: runs it, all in one transaction.
    :param conflict: how the first attempt ended.
    :param attempts: how many there are in all, at most.
    :param may_repeat: whether nothing has happened that must not happen twice.
    :raises TransactionConflict: where each attempt ended so.
    """
    has_lost = False
    for attempt in range(1, attempts):
        is_lost_again = has_lost and isinstance(conflict, LostRace)  # there was no race, then
        if is_lost_again or not conflict.is_over or not may_repeat():
            break
        has_lost = isinstance(conflict, LostRace)
        sleep(random() * PAUSE * 2**attempt)  # noqa: S311 - so that two are not in step again
        try:
            return run()
        except TransactionConflict as error:
            conflict = error
    conflict.is_over = False  # callers do not run it again either
    raise conflict.reason if isinstance(conflict, LostRace) else conflict


@contextmanager
def racing(model_name: str) -> Iterator[None]:
    """A block that stores a record of a model that was looked for, and is not there.

    :raises LostRace: where the data source has one like it by now.
    """
    try:
        yield
    except DuplicateId as error:
        if error.model_name != model_name:
            raise
        raise LostRace(error) from error
    except ValidationError as error:
        # A rule that finds another record says so by itself; this is said by the data source.
        if error.context != model_name or not isinstance(error.__context__, UniqueViolation):
            raise
        raise LostRace(error) from error
