"""What goes wrong with a Redis server, done to a real one: what clients see, and what is kept."""

from __future__ import annotations

import gc
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Loop, create_data_source
from flask_loop.errors import TransactionConflict, Unavailable
from flask_loop.query import FilterParser
from tests.proxy import LOOPBACK, Proxy
from tests.servers import Missing, Redis
from tests.servers.base import free_port

THREADS = 4
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20
Connect = Callable[..., DataSource]


@pytest.fixture(scope="module")
def own(worker_id: str) -> Iterator[Redis]:
    """A server of these tests alone, as they stop and kill it."""
    server = Redis(f"{worker_id}-faults")
    if not server.is_own:
        pytest.skip("the server that is named is not ours to harm")
    try:
        server.start()
    except Missing as missing:
        pytest.skip(str(missing))
    yield server
    server.remove()


@pytest.fixture
def url(own: Redis) -> str:
    own.start()
    return own.fresh("faults")


@pytest.fixture
def connect_here(connect: Connect, url: str) -> Connect:
    """A function that makes a data source on the server."""

    def connect_here(**settings: Any) -> DataSource:
        return connect("redis", **{"url": url, **settings})

    return connect_here


@pytest.fixture
def proxy(own: Redis, url: str) -> Iterator[Proxy]:
    with Proxy(own.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    return sa.make_url(url).set(port=proxy.port).render_as_string(hide_password=False)


def served(source: DataSource, name: str = "redis_faulty") -> tuple[Any, FlaskClient]:
    app = Flask("shop")
    loop = Loop(app, url_prefix="/api")
    things = source.create_model(
        name,
        {"name": {"type": str, "unique": True}, "size": {"type": int, "index": True}},
        plural="things",
    )
    loop.model(things)
    return things, app.test_client()


@pytest.fixture
def asked(own: Redis, url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(url, decode_responses=True) as client:
        yield client


def clients_of(asked: Any) -> int:
    return len(asked.client_list()) - 1


def wait_for(check: Callable[[], Any]) -> Any:
    """What a function gives, as soon as that is anything."""
    end = monotonic() + PATIENCE
    while not (found := check()):
        assert monotonic() < end
        sleep(0.02)
    return found


def name_of(client: FlaskClient, id: int) -> Any:
    """The name of a record, as soon as the server answers."""
    return wait_for(lambda: client.get(f"/api/things/{id}").get_json().get("name"))


def assert_unavailable(response: Any) -> None:
    assert response.status_code == 503
    error = response.get_json()["error"]
    assert error["name"] == "ServiceUnavailableError"
    assert "redis" not in json.dumps(error).lower()
    assert int(response.headers["Retry-After"]) > 0


# There is no server


def test_a_server_that_is_down_at_the_start_is_used_when_it_is_there(
    connect: Connect, own: Redis, url: str
) -> None:
    own.stop()
    source = connect("redis", url=url)
    things, client = served(source, "redis_down")
    for response in (
        client.get("/api/things"),
        client.get("/api/things/1"),
        client.post("/api/things", json={"name": "a"}),
        client.patch("/api/things/1", json={"name": "a"}),
        client.delete("/api/things/1"),
    ):
        assert_unavailable(response)
    for act in (source.ping, source.auto_update, source.is_actual, things.count):
        with pytest.raises(Unavailable, match="The data source is not available"):
            act()
    own.start()
    assert client.post("/api/things", json={"name": "a"}).status_code == 200
    assert things.count() == 1


def test_an_address_without_a_server_is_unavailable(connect: Connect) -> None:
    for url in (
        f"redis://{LOOPBACK}:{free_port()}",
        "redis://nowhere.invalid",
        "unix:///no/such/socket",
    ):
        with pytest.raises(Unavailable):
            connect("redis", url=url, connect_timeout=2).ping()


# It goes away


def test_no_write_is_lost_that_was_answered_before_the_server_was_killed(
    connect_here: Connect, own: Redis
) -> None:
    things, _ = served(connect_here(), "redis_killed")
    things.data_source.auto_update()
    acknowledged: dict[int, int] = {}
    refused: list[Exception] = []
    stop = threading.Event()

    def write(number: int) -> None:
        size = 0
        while not stop.is_set():
            size += 1
            try:
                id = number * 1_000_000 + size
                things.create(id=id, name=str(id), size=size)
                acknowledged[id] = size
                things.update_all({"id": id}, {"size": -size})
                acknowledged[id] = -size
            except Unavailable as error:
                refused.append(error)
                sleep(0.01)

    with ThreadPoolExecutor(THREADS) as pool:
        writing = [pool.submit(write, number) for number in range(1, THREADS + 1)]
        for _ in range(2):
            known = len(acknowledged)
            wait_for(lambda known=known: len(acknowledged) > known + 50)  # type: ignore[misc]
            own.kill()
            wait_for(lambda: bool(refused))
            own.start()
            refused.clear()
        known = len(acknowledged)
        wait_for(lambda: len(acknowledged) > known + 50)
        stop.set()
        for each in writing:
            each.result()
    stored = {each.id: each.size for each in things.find()}
    # A write that was done, and whose answer was lost, may be there too.
    assert acknowledged.keys() <= stored.keys()
    assert all(stored[id] in (size, -abs(size)) for id, size in acknowledged.items())
    assert len(stored) <= len(acknowledged) + 2 * THREADS
    assert things.count({"size": {"lt": 0}}) == sum(size < 0 for size in stored.values())
    assert len(things.find(order="name")) == things.count() == len(stored)


def test_reads_go_on_when_the_server_was_restarted(
    connect_here: Connect, own: Redis, asked: Any
) -> None:
    things, client = served(connect_here(), "redis_restarted")
    things.create(name="a", size=1)
    own.restart()
    assert client.get("/api/things/1").get_json()["name"] == "a"
    assert client.patch("/api/things/1", json={"size": 2}).status_code == 200


def test_a_read_whose_connection_is_cut_is_asked_again_and_a_write_is_not(
    connect: Connect, proxy: Proxy, url: str
) -> None:
    things, client = served(connect("redis", url=through(proxy, url)), "redis_cut")
    things.create(name="a", size=1)
    proxy.cut()
    assert client.get("/api/things/1").status_code == 200
    proxy.cut_after(b"EVALSHA")
    assert client.get("/api/things/1").status_code == 200
    proxy.cut_after(b'"records"')
    assert_unavailable(client.post("/api/things", json={"name": "b"}))
    assert [each.name for each in things.find()] == ["a", "b"]
    assert client.post("/api/things", json={"name": "b"}).status_code == 422


def test_a_block_whose_connection_is_cut_is_undone(
    connect: Connect, proxy: Proxy, url: str
) -> None:
    source = connect("redis", url=through(proxy, url))
    things, _ = served(source, "redis_block")
    things.create(name="a", size=1)
    with pytest.raises(Unavailable), source.transaction():  # noqa: PT012 - it is the test's block
        things.update_all({"id": 1}, {"size": 5})
        things.create(name="b")
        proxy.cut_after(b"EVALSHA")
        things.update_all({"id": 2}, {"size": 7})
    assert [(each.id, each.size) for each in things.find()] == [(1, 1)]


# It is slow


def test_a_slow_server_is_unavailable_and_its_late_answers_are_nobodys(
    connect: Connect, connect_here: Connect, proxy: Proxy, url: str
) -> None:
    things, _ = served(connect_here(), "redis_slow")
    things.create([{"name": str(n), "size": n} for n in range(3)])
    _, client = served(connect("redis", url=through(proxy, url), socket_timeout=0.3), "redis_slow")
    proxy.delay = 1.0
    response = client.get("/api/things/1")
    assert_unavailable(response)
    assert response.get_json()["error"]["message"] == "The data source did not answer in time."
    proxy.delay = 0.0
    for _ in range(5):
        assert name_of(client, 2) == "1"
        assert name_of(client, 3) == "2"


def test_a_server_that_never_answers_is_unavailable(
    connect: Connect, proxy: Proxy, url: str
) -> None:
    proxy.answers = False
    source = connect("redis", url=through(proxy, url), socket_timeout=0.2, connect_timeout=0.2)
    with pytest.raises(Unavailable, match="did not answer in time"):
        source.ping()


def test_a_script_that_keeps_the_server_busy_makes_others_wait(
    connect_here: Connect, asked: Any, url: str
) -> None:
    asked.config_set("busy-reply-threshold", 50)
    source = connect_here()
    source.ping()
    endless = threading.Thread(target=_run_endlessly, args=(asked,))
    with redis_py.Redis.from_url(url) as other:
        endless.start()
        try:
            wait_for(lambda: _is_busy(other))
            with pytest.raises(Unavailable, match="is not available"):
                source.create_model("redis_waiting", {"n": int}).count()
        finally:
            other.script_kill()
            endless.join()
            other.config_set("busy-reply-threshold", 5000)
    source.ping()


def _is_busy(client: Any) -> bool:
    try:
        client.ping()
    except redis_py.ResponseError as error:
        return str(error).startswith("BUSY")
    return False


def _run_endlessly(client: Any) -> None:
    with pytest.raises(redis_py.ResponseError):
        client.eval("while true do end", 0)


# It refuses


@pytest.mark.parametrize("user", ["default", "nobody"])
def test_wrong_credentials_are_for_the_log_and_not_for_clients(
    connect: Connect, url: str, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = sa.make_url(url).set(username=user, password="tr0ub4dor")
    things, client = served(
        connect("redis", url=wrong.render_as_string(hide_password=False)), f"redis_wrong_{user}"
    )
    with caplog.at_level(logging.ERROR):
        assert_unavailable(client.get("/api/things"))
        with pytest.raises(Unavailable) as error:
            things.create(name="a")
    assert "invalid username-password pair" in caplog.text
    assert "tr0ub4dor" not in caplog.text + str(error.value)


def test_a_user_without_the_right_is_refused_in_the_log(
    connect: Connect, url: str, asked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@read"]
    )
    reader = sa.make_url(url).set(username="reader", password="secret")
    source = connect("redis", url=reader.render_as_string(hide_password=False))
    try:
        with pytest.raises(Unavailable):
            source.create_model("redis_reader", {"n": int}).create(n=1)
        assert "no permissions" in caplog.text
    finally:
        asked.acl_deluser("reader")


def test_a_server_with_too_many_clients_is_unavailable_until_one_leaves(
    connect_here: Connect, asked: Any
) -> None:
    source = connect_here(pool_size=4)
    source.ping()
    wait_for(lambda: clients_of(asked) == 1)
    most = int(asked.config_get("maxclients")["maxclients"])
    asked.config_set("maxclients", 2)
    try:
        other = connect_here()
        with pytest.raises(Unavailable, match="no connection free"):
            other.ping()
        source.ping()
        source.close()
        wait_for(lambda: clients_of(asked) == 0)
        other.ping()
    finally:
        asked.config_set("maxclients", most)


def test_a_server_without_memory_refuses_writes_and_answers_reads(
    connect_here: Connect, asked: Any
) -> None:
    things, client = served(connect_here(), "redis_full")
    things.create(name="a", size=1)
    asked.config_set("maxmemory", 1)
    try:
        assert_unavailable(client.post("/api/things", json={"name": "b"}))
    finally:
        asked.config_set("maxmemory", 0)
    assert client.post("/api/things", json={"name": "b"}).status_code == 200
    assert things.count() == 2


def test_a_copy_that_only_reads_is_unavailable_for_writes(
    connect_here: Connect, asked: Any
) -> None:
    _, client = served(connect_here(), "redis_copy")
    asked.replicaof("127.0.0.1", "1")
    try:
        assert_unavailable(client.post("/api/things", json={"name": "b"}))
    finally:
        asked.replicaof("NO", "ONE")
    assert client.post("/api/things", json={"name": "b"}).status_code == 200


# Nothing is left


def test_failures_leave_no_connection_behind(
    connect: Connect, connect_here: Connect, proxy: Proxy, url: str, asked: Any
) -> None:
    things, _ = served(connect_here(), "redis_leak")
    things.create(name="a", size=1)
    things.data_source.close()
    source = connect("redis", url=through(proxy, url), socket_timeout=0.2, pool_size=3)
    _, client = served(source, "redis_leak")
    assert name_of(client, 1) == "a"
    files = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        proxy.cut()
        client.get("/api/things/1")
        proxy.cut_after(b"EVALSHA")
        client.post("/api/things", json={"name": "a"})
        proxy.delay = PATIENCE
        assert_unavailable(client.get("/api/things/1"))
        proxy.delay = 0.0
    assert name_of(client, 1) == "a"
    wait_for(lambda: clients_of(asked) <= 3)
    source.close()
    wait_for(lambda: clients_of(asked) == 0)
    gc.collect()
    if files:
        wait_for(lambda: len(list(Path("/proc/self/fd").iterdir())) <= files)


def test_a_write_that_others_always_outrun_says_so(connect_here: Connect) -> None:
    source = connect_here()
    things, _ = served(source, "redis_outrun")
    things.create(name="a", size=0)
    connector: Any = source.connector
    asks = connector._matching

    def outrun(collection: Any, where: Any) -> Any:
        found = asks(collection, where)
        key = collection.key(1)
        connector.client.run(lambda server: server.hincrby(key, "size", 1))
        return found

    connector._matching = outrun
    where = FilterParser(things.definition).filter({"where": {"size": {"gte": 0}}}).where
    with pytest.raises(TransactionConflict):
        connector.update(things.definition, where, {"name": "b"})
    assert things.find_by_id(1).name == "a"


def test_making_a_source_connects_to_nothing() -> None:
    source = create_data_source(connector="redis", url="redis://nowhere.invalid")
    source.create_model("redis_lazy", {"n": int})
    source.close()
