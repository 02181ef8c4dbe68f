"""A signal may raise at any call of ours: a transaction that it cuts off is over all the same."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import flask_loop
from flask_loop import create_data_source
from flask_loop.signals import record_saved

OURS = (str(Path(flask_loop.__file__).parent), contextlib.__file__)


class Halt(BaseException):
    """What a signal raises, as time limits of workers do."""


def halted(act: Callable[[], Any], call: int) -> bool:
    """Run a function that is cut off at one of the calls it leads to; gives whether it was."""
    left = call

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if frame.f_code.co_filename.startswith(OURS):
            left -= 1
            if left == 0:
                raise Halt

    usual, usual_hook = sys.gettrace(), sys.unraisablehook

    def forget(unraisable: Any) -> None:
        # pytest would hold on to it until the test ends, and so to what the call has opened.
        if unraisable.exc_type is not Halt:
            usual_hook(unraisable)

    with suppress(Halt):
        sys.settrace(count)
        sys.unraisablehook = forget
        try:
            act()
        finally:
            sys.settrace(usual)
            sys.unraisablehook = usual_hook
    return left <= 0


@pytest.fixture
def sent() -> Iterator[list[Any]]:
    """What the signals tell."""
    told: list[Any] = []

    def note(sender: Any, **given: Any) -> None:
        told.append(sender)

    with record_saved.connected_to(note):
        yield told


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Collect what was cut off here, where its warnings are expected, and not in another test."""
    yield
    gc.collect()


def test_a_transaction_that_is_cut_off_at_any_call_is_over(sent: list[Any]) -> None:
    source = create_data_source(connector="sqlite")
    words: Any = source.create_model("HaltedAnywhere", {"text": str})
    source.auto_update()

    def act() -> None:
        with source.transaction():
            words.create(text="before")
            with source.transaction():
                words.create(text="inside")
            words.create(text="after")

    act()
    call = 0
    while halted(act, call := call + 1):
        assert not source.connector.session.in_transaction, call
        del sent[:]
        before = words.count()
        assert before % 3 == 0, call
        made = words.create(text="alone")
        assert len(sent) == 1, call
        with suppress(RuntimeError), source.transaction():
            words.create(text="undone")
            raise RuntimeError
        assert len(sent) == 1, call
        made.destroy()
        assert words.count() == before, call
    assert call > 100
    source.close()
