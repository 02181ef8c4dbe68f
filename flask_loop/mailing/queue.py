"""MailQueue: what is done in the background, in one thread for each app and process."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Protocol
from weakref import WeakSet, ref

from ..errors import MailError

if TYPE_CHECKING:
    from flask import Flask


class Task(Protocol):
    """Something that is done in the background."""

    def run(self) -> None:
        """Do it."""

    def again(self, error: Exception) -> Task | None:
        """What is tried again after a failure, and None where nothing is."""

    def give_up(self, error: Exception) -> None:
        """Tell that it was not done, and is not tried again."""


@dataclass(order=True, slots=True)
class _Waiting:
    """A task in the order in which they are done."""

    due: float
    number: int
    attempt: int = field(compare=False)
    task: Task = field(compare=False)


class MailQueue:
    """Sends the mails of one app in the background.

    A thread does it, which begins with the first mail, and ends when there has been none for a
    while. Mails that fail for a reason that may pass are tried again. When the process ends, what
    waits is sent before, within :attr:`exit_seconds`.

    :param app: the app, in whose context mails are sent.
    :param size: how many may wait.

    :ivar sent: how many mails were sent, since the process began.
    :ivar failed: how many were given up.
    :ivar retried: how often one was tried again.
    """

    #: The seconds after which a mail that failed is tried again, each time.
    delays: ClassVar[tuple[float, ...]] = (1, 10, 60)
    #: For how many seconds the end of the process waits.
    exit_seconds: ClassVar[float] = 10
    #: After so many seconds without mails the thread ends.
    idle_seconds: ClassVar[float] = 5

    def __init__(self, app: Flask, size: int) -> None:
        self._app, self._size = ref(app), size
        self._begin()
        _queues.add(self)

    def _begin(self) -> None:
        self.sent = self.failed = self.retried = 0
        self._changed = Condition()
        self._tasks: list[_Waiting] = []
        self._running: list[_Waiting] = []
        self._numbers = count()
        self._thread: Thread | None = None
        self._is_ending = False

    @property
    def waiting(self) -> int:
        """How many mails wait, or are being sent."""
        with self._changed:
            return len(self._tasks) + len(self._running)

    def put(self, task: Task) -> None:
        """Do something in the background.

        :param task: what.
        :raises MailError: where as much waits as may.
        """
        with self._changed:
            if len(self._tasks) + len(self._running) >= self._size:
                raise MailError(
                    f"{self._size} mails wait already (LOOP_MAIL_QUEUE)", is_temporary=True
                )
            self._add(task, 0, monotonic())
            if not self._is_ending and self._has_thread():
                return
        # The process is ending, and another thread would end with it.
        self._work_off(monotonic() + self.exit_seconds)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing waits any more.

        :param timeout: for how many seconds at most.
        :returns: whether nothing does.
        """
        with self._changed:
            return self._changed.wait_for(self._is_done, timeout)

    def end(self) -> None:
        """Try what waits to be tried again now, and for the last time."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def drain(self, until: float) -> None:
        """Send what waits, and give up what cannot be sent.

        :param until: when to give up, on the monotonic clock.
        """
        self.end()
        with self._changed:
            if self._thread is not None:
                self._changed.wait_for(self._is_done, until - monotonic())
        self._work_off(until)
        with self._changed:
            left, self._tasks = [*self._running, *sorted(self._tasks)], []
        app = self._app()
        if app is not None and left:
            self._lose(app, left)

    def _lose(self, app: Flask, left: list[_Waiting]) -> None:
        error = MailError("the process ended before it was sent")
        with app.app_context():
            for each in left:
                self.failed += 1
                each.task.give_up(error)

    def _is_done(self) -> bool:
        return not (self._tasks or self._running)

    def _add(self, task: Task, attempt: int, due: float) -> None:
        heappush(self._tasks, _Waiting(due, next(self._numbers), attempt, task))
        self._changed.notify_all()

    def _has_thread(self) -> bool:
        """Whether there is a thread now; one is begun where there was none."""
        if self._thread is None:
            app = self._app()
            # It holds the app for as long as mails wait.
            thread = Thread(target=self._work, args=(app,), name="flask-loop mail", daemon=True)
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
                _note_process()
        return self._thread is not None

    def _work(self, app: Flask) -> None:
        while (waiting := self._next()) is not None:
            self._do(app, waiting)

    def _next(self) -> _Waiting | None:
        """The next task when its time has come; None where the thread is to end."""
        with self._changed:
            idle_until = monotonic() + self.idle_seconds
            while True:
                now = monotonic()
                if self._thread is not current_thread():
                    return None
                if self._tasks and (self._tasks[0].due <= now or self._is_ending):
                    return self._take()
                until = self._tasks[0].due if self._tasks else idle_until
                if not self._tasks and (now >= idle_until or self._is_ending):
                    self._thread = None
                    return None
                self._changed.wait(until - now)

    def _work_off(self, until: float) -> None:
        """Do what waits in the caller's thread."""
        app = self._app()
        while app is not None and monotonic() < until:
            with self._changed:
                if not self._tasks:
                    return
                waiting = self._take()
            self._do(app, waiting)

    def _take(self) -> _Waiting:
        waiting = heappop(self._tasks)
        self._running.append(waiting)
        return waiting

    def _do(self, app: Flask, waiting: _Waiting) -> None:
        try:
            with app.app_context():
                self._try(waiting)
        except Exception:
            app.logger.exception("Flask-Loop: a mail in the background failed")
        finally:
            with self._changed:
                self._running = [each for each in self._running if each is not waiting]
                self._changed.notify_all()

    def _try(self, waiting: _Waiting) -> None:
        try:
            waiting.task.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, others wait
            self._failed(waiting, error)
        else:
            self.sent += 1

    def _failed(self, waiting: _Waiting, error: Exception) -> None:
        is_last = self._is_ending or waiting.attempt >= len(self.delays)
        rest = None if is_last else waiting.task.again(error)
        if rest is not None:
            with self._changed:
                self.retried += 1
                due = monotonic() + self.delays[waiting.attempt]
                self._add(rest, waiting.attempt + 1, due)
            return
        self.failed += 1
        waiting.task.give_up(error)


_queues: WeakSet[MailQueue] = WeakSet()


def _drain_all() -> None:
    queues = list(_queues)
    for queue in queues:
        queue.end()
    until = monotonic() + MailQueue.exit_seconds
    for queue in queues:
        queue.drain(until)


def _forget_all() -> None:
    """Leave to the process that forked what waits there."""
    global _is_noted  # noqa: PLW0603 - it is about the process
    _is_noted = False
    for queue in list(_queues):
        queue._begin()


_is_noted = False


def _note_process() -> None:
    """Have mails sent at the end of a process of multiprocessing, which calls nothing of atexit."""
    global _is_noted  # noqa: PLW0603
    processes = sys.modules.get("multiprocessing.process")
    if _is_noted or processes is None or processes.parent_process() is None:
        return
    from multiprocessing.util import Finalize

    Finalize(None, _drain_all, exitpriority=0)
    _is_noted = True


atexit.register(_drain_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A function that is called in the background once."""

    call: Callable[[], object]
    tell: Callable[[Exception], None]

    def run(self) -> None:
        self.call()

    def again(self, error: Exception) -> None:
        """Nothing: it may have been done by half."""

    def give_up(self, error: Exception) -> None:
        self.tell(error)
