"""What goes wrong with a remote server: which error it is, and that everything works afterwards."""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic, sleep
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop
from tests.collection import Collections, CollectionServer, served
from tests.proxy import Proxy
from tests.servers.base import free_port
from tests.web import LOOPBACK, Reply, Request, WebServer

THREADS = 4
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20
#: More than anybody waits.
LONG = 60
SECRET = "swordfish"

Connect = Callable[..., DataSource]


@pytest.fixture
def port() -> int:
    """A port on which nobody listens, and that the kernel gives to no connection."""
    return free_port()


@pytest.fixture
def collections() -> Collections:
    return Collections()


@pytest.fixture
def client_of(connect: Connect) -> Callable[..., Any]:
    """A function that makes an app whose people are those of a server, and gives its client."""

    def client_of(url: str, **settings: Any) -> Any:
        source = connect("rest", base_url=url, **settings)
        people = source.create_model("rest_faulty", {"name": str}, plural="people")
        app = Flask("shop")
        Loop(app, url_prefix="/api").model(people)
        return app.test_client()

    return client_of


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def until(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.01)


class Load:
    """People who are created in several threads.

    :ivar acknowledged: their names, where the server has said that they are stored.
    :ivar statuses: of the answers, in their order.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._is_over = threading.Event()
        self.acknowledged: list[str] = []
        self.statuses: list[int] = []

    def run(self, harm: Callable[[], None]) -> None:
        """Create people while harm is done."""
        with ThreadPoolExecutor(THREADS) as pool:
            done = [pool.submit(self._create, worker) for worker in range(THREADS)]
            try:
                harm()
            finally:
                self._is_over.set()
            for each in done:
                each.result()

    def until_others_get(self, status: int, times: int = 1) -> None:
        """Wait until so many more answers have a status."""
        known = len(self.statuses)
        until(lambda: self.statuses[known:].count(status) >= times)

    def _create(self, worker: int) -> None:
        client = self._client.application.test_client()
        for number in itertools.takewhile(lambda _: not self._is_over.is_set(), itertools.count()):
            name = f"{worker}-{number}"
            answer = client.post("/api/people", json={"name": name})
            if answer.status_code == 200:
                self.acknowledged.append(name)
            elif answer.status_code == 503:
                assert answer.get_json()["error"]["message"] == "The data source is not available."
            self.statuses.append(answer.status_code)


def test_a_server_that_is_down_at_start_is_used_when_it_is_up(
    client_of: Callable[..., Any], collections: Collections, port: int
) -> None:
    client = client_of(f"http://{LOOPBACK}:{port}", retries=0)
    answer = client.get("/api/people")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert client.post("/api/people", json={"name": "Ada"}).status_code == 503
    with served(collections, port=port):
        assert client.post("/api/people", json={"name": "Ada"}).status_code == 200
        assert [each["name"] for each in client.get("/api/people").get_json()] == ["Ada"]


def test_a_server_that_goes_under_load_and_comes_back_loses_nothing(
    client_of: Callable[..., Any], collections: Collections, port: int
) -> None:
    client = client_of(f"http://{LOOPBACK}:{port}", retries=1)
    load = Load(client)
    with ExitStack() as running:
        running.enter_context(served(collections, port=port))

        def harm() -> None:
            load.until_others_get(200, 20)
            running.close()
            load.until_others_get(503, 4)
            running.enter_context(served(collections, port=port))
            load.until_others_get(200, 20)

        load.run(harm)
        assert set(load.statuses) == {200, 503}
        stored = [each["name"] for each in collections.collections["people"].values()]
        assert set(load.acknowledged) <= set(stored)
        assert max(Counter(stored).values()) == 1
        assert client.get("/api/people/count").get_json() == {"count": len(stored)}


def test_a_server_that_is_killed_under_load_is_used_again_when_it_is_back(
    client_of: Callable[..., Any], port: int
) -> None:
    client = client_of(f"http://{LOOPBACK}:{port}", retries=1)
    load = Load(client)
    with ExitStack() as running:
        first = CollectionServer(port)
        running.callback(first.kill)

        def harm() -> None:
            load.until_others_get(200, 20)
            first.kill()
            load.until_others_get(503, 4)
            assert client.get("/api/people").status_code == 503
            running.callback(CollectionServer(port).kill)
            load.until_others_get(200, 20)

        load.run(harm)
        assert set(load.statuses) == {200, 503}
        assert client.post("/api/people", json={"name": "Ada"}).status_code == 200
        assert client.get("/api/people/count").get_json()["count"] > 20


def test_connections_that_are_cut_lose_nothing_and_write_nothing_twice(
    client_of: Callable[..., Any], collections: Collections
) -> None:
    with served(collections) as url, Proxy(int(url.rpartition(":")[2])) as proxy:
        client = client_of(f"http://{LOOPBACK}:{proxy.port}")
        load = Load(client)

        def harm() -> None:
            for _ in range(8):
                load.until_others_get(200, 5)
                proxy.cut()

        load.run(harm)
        assert set(load.statuses) <= {200, 503}
        stored = [each["name"] for each in collections.collections["people"].values()]
        assert set(load.acknowledged) <= set(stored)
        assert max(Counter(stored).values()) == 1
        assert client.get("/api/people/count").status_code == 200


def test_an_answer_that_is_lost_is_said_to_be_and_not_asked_for_again(
    client_of: Callable[..., Any], collections: Collections
) -> None:
    with served(collections) as url, Proxy(int(url.rpartition(":")[2])) as proxy:
        client = client_of(f"http://{LOOPBACK}:{proxy.port}")
        assert client.get("/api/people").status_code == 200
        proxy.cut_after(b"POST /people")
        assert client.post("/api/people", json={"name": "Ada"}).status_code == 503
        assert [each["name"] for each in client.get("/api/people").get_json()] == ["Ada"]
        proxy.cut_after(b"GET /people")
        assert client.get("/api/people/1").status_code == 200


def test_a_slow_server_is_given_up_in_time(client_of: Callable[..., Any]) -> None:
    replies = [Reply(delay=LONG), Reply(body=b"[]")]
    with WebServer(replies) as server:
        client = client_of(server.url, timeout=0.2, retries=0)
        begin = monotonic()
        assert client.get("/api/people").status_code == 503
        assert monotonic() - begin < PATIENCE
        until(lambda: client.get("/api/people").status_code == 200)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_the_servers_affair(
    client_of: Callable[..., Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([Reply(status, b'{"error": "swordfish"}')]) as server:
        client = client_of(server.url, auth={"username": "me", "password": SECRET})
        for answer in (
            client.get("/api/people"),
            client.get("/api/people/1"),
            client.post("/api/people", json={"name": "Ada"}),
        ):
            assert answer.status_code == 503
            assert SECRET not in answer.text
    assert f"refuses the credentials ({status})" in caplog.text
    assert SECRET not in caplog.text


def test_a_server_that_has_too_much_to_do_is_asked_again(client_of: Callable[..., Any]) -> None:
    busy = Reply(429, headers={"Retry-After": "0"})
    with WebServer([busy, busy, Reply(body=b"[]")]) as server:
        assert client_of(server.url).get("/api/people").status_code == 200
    with WebServer([Reply(429, headers={"Retry-After": "60"})]) as server:
        answer = client_of(server.url).post("/api/people", json={"name": "Ada"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert len(server.requests) == 1


def test_no_more_connections_are_made_than_allowed(
    client_of: Callable[..., Any],
) -> None:
    numbers, both_there = itertools.count(), threading.Barrier(2)

    def answer(request: Request) -> Reply:
        if next(numbers) < 2:
            both_there.wait(PATIENCE)
        return Reply(body=b"[]", delay=0.005)

    with WebServer(answer) as server, ThreadPoolExecutor(10) as pool:
        client = client_of(server.url, pool_size=2)
        statuses = pool.map(
            lambda _: client.application.test_client().get("/api/people").status_code, range(40)
        )
        assert set(statuses) == {200}
        assert server.connections == 2


def test_who_gets_no_connection_in_time_is_told_when_to_come_back(
    client_of: Callable[..., Any],
) -> None:
    is_in, may_go = threading.Event(), threading.Event()

    def answer(request: Request) -> Reply:
        is_in.set()
        may_go.wait(LONG)
        return Reply(body=b"[]")

    with WebServer(answer) as server, ThreadPoolExecutor(1) as pool:
        client = client_of(server.url, pool_size=1, timeout=0.5, retries=0)
        first = pool.submit(client.application.test_client().get, "/api/people")
        assert is_in.wait(PATIENCE)
        begin = monotonic()
        answer_ = client.get("/api/people")
        assert monotonic() - begin < PATIENCE
        assert answer_.status_code == 503
        assert int(answer_.headers["Retry-After"]) > 0
        may_go.set()
        first.result()
        until(lambda: client.get("/api/people").status_code == 200)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not say it")
def test_faults_leave_nothing_open(client_of: Callable[..., Any], collections: Collections) -> None:
    with served(collections) as url, Proxy(int(url.rpartition(":")[2])) as proxy:
        client = client_of(f"http://{LOOPBACK}:{proxy.port}", retries=0)
        client.get("/api/people")
        proxy.cut()
        sleep(0.1)
        before = open_files()
        for _ in range(30):
            client.get("/api/people")
            proxy.cut()
        until(lambda: open_files() <= before + 4)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() <= before)
