"""A signal may raise at any call of ours: what it cuts off over HTTP is over all the same."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import pytest

from flask_loop import DataSource
from tests.test_interrupted_blocks import halted
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]
#: The seconds in which a server notices that a connection is closed.
NOTICED = 10


class Words:
    """A server of one collection.

    :ivar rows: by their ids.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.made = 0

    def __call__(self, request: Request) -> Reply:
        id = request.path.removeprefix("/words").strip("/")
        if request.method == "POST":
            self.made += 1
            self.rows[self.made] = {**json.loads(request.body), "id": self.made}
            return _reply(self.rows[self.made], 201)
        if not id:
            return _reply(list(self.rows.values()))
        row = self.rows.get(int(id))
        if request.method == "DELETE":
            self.rows.pop(int(id), None)
        return _reply({}, 404) if row is None else _reply(row)


def _reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Collect what was cut off here, where its warnings are expected, and not in another test."""
    yield
    for _ in range(5):  # each round closes generators that held others
        gc.collect()


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let nothing be closed for no other reason than that nobody can reach it any more."""
    gc.disable()
    yield
    gc.enable()


def settled(server: WebServer, most: int) -> bool:
    """Whether a server comes to have no more connections open than so many."""
    end = monotonic() + NOTICED
    while server.open > most and monotonic() < end:
        sleep(0.001)
    return server.open <= most


@pytest.mark.usefixtures("no_collection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_request_that_is_cut_off_at_any_call_keeps_no_connection(connect: Connect) -> None:
    words = Words()
    with WebServer(words) as server:
        source = connect("rest", base_url=server.url, pool_size=2, timeout=5)
        model: Any = source.create_model("HaltedRequest", {"text": str}, plural="words")
        assert model.count() == 0
        call = 0
        while halted(lambda: model.create(text="one"), call := call + 1):
            before = len(words.rows)  # the server may still be at the one that was cut off
            assert before <= model.count() <= len(words.rows), call
            assert settled(server, most=1), call
        assert call > 50


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_block_that_is_cut_off_at_any_call_is_over(connect: Connect) -> None:
    words = Words()
    with WebServer(words) as server:
        source = connect("rest", base_url=server.url, pool_size=2, timeout=5)
        model: Any = source.create_model("HaltedBlock", {"text": str}, plural="words")

        def act() -> None:
            with source.transaction(read_only=True):
                model.find_by_id(7)
                with source.transaction():
                    model.find_by_id(8)

        act()
        call = 0
        while halted(act, call := call + 1):
            model.create(text="kept")  # which a block that only reads would refuse
            with suppress(KeyError), source.transaction():
                model.create(text="undone")
                raise KeyError
            assert [each["text"] for each in words.rows.values()] == ["kept"], call
            words.rows.clear()
        assert call > 50
