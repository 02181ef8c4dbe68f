"""What goes wrong with another app, done to a real one: what clients see, and what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource
from flask_loop.errors import LoopError, Unavailable
from tests.connectors.other import OtherApp
from tests.proxy import Proxy
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20
#: What lets a test fail at once where nobody answers.
QUICK: dict[str, Any] = {"retries": 0, "timeout": PATIENCE, "connect_timeout": PATIENCE}
WRITERS = 4


def offers_on(source: DataSource) -> type[Any]:
    properties = {"title": str, "price": float}
    model: type[Any] = source.create_model("faulty_offer", properties, plural="offers")
    return model


def until(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.02)


def count_of(model: Any) -> int | None:
    """How many records there are, where that is answered in time."""
    with suppress(Unavailable):
        return int(model.count())
    return None


def test_the_other_app_is_down_when_this_one_starts(
    connect: Connect, make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    other = OtherApp()
    other.start()
    other.kill()
    offers = offers_on(connect("remote", url=other.url, **QUICK))
    client = make_app(offers, testing=False).test_client()
    for answer in (client.get("/api/offers"), client.post("/api/offers", json={"title": "a"})):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.get_data(as_text=True)
    assert str(other.port) in caplog.text
    with pytest.raises(Unavailable):
        offers.data_source.ping()
    with other:
        assert client.post("/api/offers", json={"title": "a"}).status_code == 200
        assert len(client.get("/api/offers").get_json()) == 1
        offers.data_source.ping()


def test_killed_under_load_and_back_no_acknowledged_write_is_lost(
    connect: Connect, tmp_path: Path
) -> None:
    with OtherApp(tmp_path) as other:
        offers = offers_on(connect("remote", url=other.url, **QUICK))
        acknowledged: list[list[int]] = [[] for _ in range(WRITERS)]
        failures: list[Exception] = []
        stop = threading.Event()

        def write(number: int) -> None:
            while not stop.is_set():
                try:
                    acknowledged[number].append(offers.create(title=str(number)).id)
                except LoopError as error:
                    failures.append(error)
                    sleep(0.02)

        with ThreadPoolExecutor(WRITERS) as pool:
            running = [pool.submit(write, number) for number in range(WRITERS)]
            until(lambda: all(len(each) > 3 for each in acknowledged))
            other.kill()
            until(lambda: bool(failures))
            other.start()
            before = [len(each) for each in acknowledged]
            until(lambda: all(len(n) > b for n, b in zip(acknowledged, before, strict=True)))
            stop.set()
            for each in running:
                each.result()
        kept = {each.id for each in offers.find(fields=["id"])}
        assert {id for each in acknowledged for id in each} <= kept
        assert all(isinstance(each, Unavailable) for each in failures)
        # What was not acknowledged may have been stored all the same.
        assert len(kept) <= sum(map(len, acknowledged)) + len(failures)


def test_a_slow_answer_is_given_up(connect: Connect) -> None:
    with OtherApp() as other, Proxy(other.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/api"
        offers = offers_on(connect("remote", url=url, timeout=0.3, retries=0))
        until(lambda: count_of(offers) == 0)
        proxy.delay = PATIENCE
        start = monotonic()
        with pytest.raises(Unavailable) as caught:
            offers.count()
        assert monotonic() - start < PATIENCE
        assert caught.value.retry_after
        proxy.delay = 0
        until(lambda: count_of(offers) == 0)


@pytest.mark.parametrize(
    ("words", "act", "is_repeated"),
    [
        (b"GET /api/offers/count", lambda offers: offers.count() == 1, True),
        (b"GET /api/offers", lambda offers: len(offers.find()) == 1, True),
        (
            b"POST /api/offers/update",
            lambda offers: offers.update_all({"id": {"inq": [1]}, "title": "a"}, {"price": 2}),
            False,
        ),
        (b"PATCH /api/offers/1", lambda offers: offers.update_all({"id": 1}, {"price": 2}), True),
        (b"PUT /api/offers/1", lambda offers: offers.replace_by_id(1, {"title": "b"}), True),
        (b"POST /api/offers", lambda offers: offers.create(title="new"), False),
    ],
    ids=["count", "find", "update", "patch", "replace", "create"],
)
def test_what_may_be_done_again_is_where_the_answer_is_lost(
    faulty: tuple[OtherApp, Proxy], connect: Connect, words: bytes, act: Any, is_repeated: bool
) -> None:
    other, proxy = faulty
    other.reset()
    offers = offers_on(connect("remote", url=f"http://127.0.0.1:{proxy.port}/api"))
    offers.create(title="a")
    proxy.cut_after(words)
    if is_repeated:
        assert act(offers)
        assert offers.count({"title": "a"}) <= 1
    else:
        with pytest.raises(Unavailable):
            act(offers)
        # It was done, which nobody was told of, and once.
        assert offers.count({"or": [{"title": "new"}, {"price": 2}]}) == 1
    proxy.cut()


@pytest.fixture(scope="module")
def faulty() -> Any:
    """Another app behind a proxy."""
    with OtherApp() as other, Proxy(other.port) as proxy:
        yield other, proxy


def test_a_change_whose_answer_is_lost_is_undone_with_its_block(
    faulty: tuple[OtherApp, Proxy], connect: Connect
) -> None:
    other, proxy = faulty
    other.reset()
    source = connect("remote", url=f"http://127.0.0.1:{proxy.port}/api", retries=0)
    offers = offers_on(source)
    offers.create([{"title": "a", "price": 1}, {"title": "b", "price": 2}])
    proxy.cut_after(b"POST /api/offers/update")
    with pytest.raises(Unavailable), source.transaction():
        offers.update_all({}, {"price": 9})
    assert [each.price for each in offers.find()] == [1, 2]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_app_is_asked_again(connect: Connect, status: int) -> None:
    busy = Reply(status, b"{}", {"Retry-After": "0"})
    with WebServer([busy, Reply(body=b'{"count": 3}')]) as server:
        offers = offers_on(connect("remote", url=server.url))
        assert offers.count() == 3
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "wait"), [(429, "7"), (503, "7"), (500, None)])
def test_a_busy_app_is_not_given_the_same_record_twice(
    connect: Connect, make_app: Callable[..., Flask], status: int, wait: str | None
) -> None:
    busy = Reply(status, b"<html>", {} if wait is None else {"Retry-After": wait})
    with WebServer([busy]) as server:
        offers = offers_on(connect("remote", url=server.url))
        answer = make_app(offers, testing=False).test_client().post("/api/offers", json={})
    assert len(server.requests) == 1
    assert answer.status_code == 503
    assert answer.headers.get("Retry-After") == wait


def test_who_needs_one_connection_more_waits_for_it(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        return Reply(body=b'{"count": 1}', delay=0.05)

    with WebServer(answer) as server:
        offers = offers_on(connect("remote", url=server.url, pool_size=2))
        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(lambda _: offers.count(), range(8)))
        assert counts == [1] * 8
        assert server.connections <= 2
        assert server.open <= 2
        offers.data_source.close()
        until(lambda: server.open == 0)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[1]", b'{"count": "many"}', b'"text"', b"null"],
    ids=repr,
)
def test_an_answer_that_makes_no_sense_is_the_other_apps_fault(
    connect: Connect, body: bytes
) -> None:
    with WebServer([Reply(body=body)]) as server:
        offers = offers_on(connect("remote", url=server.url))
        for ask in (
            offers.find,
            offers.count,
            lambda: offers.update_all({}, {"price": 1}),
            lambda: offers.create([{"title": "a"}, {"title": "b"}]),
        ):
            with pytest.raises(Unavailable):
                ask()


@pytest.mark.parametrize(
    ("dialect", "row"),
    [
        ("flask-loop", {"id": 1, "at": "soon"}),
        ("flask-loop", {"id": 1, "at": 5}),
        ("loopback3", {"id": "one"}),
        ("loopback3", {"id": 1, "title": 5}),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_the_other_apps_fault(
    connect: Connect, dialect: str, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([Reply(body=json.dumps([row]).encode())]) as server:
        source = connect("remote", url=server.url, dialect=dialect)
        things = source.create_model("faulty_thing", {"title": str, "at": datetime})
        with pytest.raises(Unavailable):
            things.find()
    assert "as it is declared" in caplog.text


def test_records_without_ids_are_no_pages(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([Reply(body=b'[{"title": "a"}]')]) as server:
        offers = offers_on(connect("remote", url=server.url, page_size=1))
        with pytest.raises(Unavailable):
            offers.find()
        assert [each.title for each in offers.find(limit=1)] == ["a"]
    assert "without their ids" in caplog.text
