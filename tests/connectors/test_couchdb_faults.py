"""What goes wrong with CouchDB: which error it is, and that everything works afterwards."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from flask import Flask

from flask_loop import DataSource, create_data_source
from flask_loop.errors import Unavailable
from tests.proxy import LOOPBACK, Proxy
from tests.servers import Couchdb, Missing

Connect = Callable[..., DataSource]
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20
GIVEN = {"type": int, "id": True}


@pytest.fixture
def url(couchdb: Couchdb) -> str:
    return couchdb.fresh("faults")


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    address = httpx.URL(url)
    if address.host not in (LOOPBACK, "localhost") or address.scheme != "http":
        pytest.skip("the server is not on this machine")
    with Proxy(address.port or 5984) as proxy:
        yield proxy


@pytest.fixture
def by_proxy(url: str, proxy: Proxy) -> str:
    return str(httpx.URL(url).copy_with(host=LOOPBACK, port=proxy.port))


@pytest.fixture(scope="module")
def own_server() -> Iterator[Couchdb]:
    """A server that tests may kill."""
    server = Couchdb("killed")
    if not server.is_own:
        pytest.skip("the server is not ours to end")
    try:
        server.start()
    except Missing as missing:
        pytest.skip(str(missing))
    yield server
    server.remove()


def boxes_of(source: DataSource) -> Any:
    boxes = source.create_model("fault_box", {"id": GIVEN, "size": int, "name": str})
    source.auto_update()
    return boxes


def until(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.005)


def open_sockets() -> int:
    links = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(each))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


def test_a_server_that_is_down_at_the_start_is_unavailable_until_it_is_up(
    connect: Connect, own_server: Couchdb, make_app: Callable[..., Flask]
) -> None:
    own_server.start()
    url = own_server.fresh()
    own_server.stop()
    source = connect("couchdb", url=url, retries=1)
    boxes = source.create_model("late_box", {"id": GIVEN, "size": int})
    client = make_app(boxes).test_client()
    for answer in (client.get("/api/late_boxes"), client.get("/api/late_boxes/1")):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert own_server.password not in answer.get_data(as_text=True)
    with pytest.raises(Unavailable):
        source.auto_update()
    own_server.start()
    source.auto_update()
    assert client.get("/api/late_boxes").get_json() == []


def test_a_server_that_is_killed_under_load_is_used_again_when_it_is_back(
    connect: Connect, own_server: Couchdb, make_app: Callable[..., Flask]
) -> None:
    own_server.start()
    source = connect("couchdb", url=own_server.fresh(), retries=0, pool_size=4)
    boxes = boxes_of(source)
    app = make_app(boxes)
    statuses: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        client = app.test_client()
        while not is_over.is_set():
            statuses.append(client.get("/api/fault_boxes").status_code)
            sleep(0.005)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(ask) for _ in range(4)]
        try:
            until(lambda: statuses.count(200) > 20)
            own_server.kill()
            until(lambda: statuses.count(503) > 20)
        finally:
            is_over.set()
        for each in work:
            each.result()
    assert set(statuses) == {200, 503}
    assert app.test_client().get("/api/fault_boxes").status_code == 503
    own_server.start()
    source.auto_update()
    boxes.create(id=1)
    assert app.test_client().get("/api/fault_boxes").status_code == 200


def test_no_acknowledged_write_is_lost_where_connections_break(
    connect: Connect, by_proxy: str, proxy: Proxy
) -> None:
    source = connect("couchdb", url=by_proxy)
    boxes = boxes_of(source)
    acknowledged: list[int] = []
    lost: list[int] = []

    def write(number: int) -> None:
        for id in range(number * 100, number * 100 + 24):
            try:
                boxes.create(id=id, size=1)
                boxes.find_by_id(id).patch_attributes(size=2)
            except Unavailable:
                lost.append(id)
            else:
                acknowledged.append(id)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(write, number) for number in range(4)]

        def is_done() -> bool:
            return all(each.done() for each in work)

        while not is_done():
            known = len(acknowledged)
            until(lambda known=known: len(acknowledged) > known + 1 or is_done())  # type: ignore[misc]
            proxy.cut()
        for each in work:
            each.result()
    sizes = {each.id: each.size for each in boxes.find()}
    assert acknowledged
    assert {sizes.get(id) for id in acknowledged} == {2}
    assert sizes.keys() <= {*acknowledged, *lost}


def test_a_write_whose_answer_is_lost_is_not_sent_again(
    connect: Connect, by_proxy: str, proxy: Proxy
) -> None:
    source = connect("couchdb", url=by_proxy)
    boxes = boxes_of(source)
    proxy.cut_after(b'"only once"')
    with pytest.raises(Unavailable):
        boxes.create(id=1, name="only once")
    assert [each.name for each in boxes.find()] == ["only once"]


def test_ids_are_given_once_where_an_answer_is_lost(
    connect: Connect, by_proxy: str, proxy: Proxy
) -> None:
    source = connect("couchdb", url=by_proxy)
    made = {"id": {"type": int, "id": True, "generated": True}, "name": str}
    boxes = source.create_model("numbered_box", made)
    source.auto_update()
    first = boxes.create(name="a").id
    proxy.cut_after(b'"next"')
    second = boxes.create(name="b").id
    third = boxes.create(name="c").id
    assert first < second < third
    assert boxes.count() == 3


def test_a_server_that_is_slow_is_not_waited_for_any_longer(
    connect: Connect, by_proxy: str, proxy: Proxy, make_app: Callable[..., Flask]
) -> None:
    boxes_of(connect("couchdb", url=by_proxy))
    source = connect("couchdb", url=by_proxy, timeout=0.3, retries=1)
    boxes = source.create_model("fault_box", {"id": GIVEN, "size": int, "name": str})
    client = make_app(boxes).test_client()
    proxy.delay = PATIENCE
    start = monotonic()
    assert client.get("/api/fault_boxes").status_code == 503
    assert client.post("/api/fault_boxes", json={"id": 1}).status_code in (422, 503)
    assert monotonic() - start < PATIENCE
    proxy.delay = 0
    proxy.cut()
    until(lambda: client.get("/api/fault_boxes").status_code == 200)


def test_wrong_credentials_are_for_the_log_and_not_for_clients(
    connect: Connect,
    url: str,
    make_app: Callable[..., Flask],
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = httpx.URL(url)
    if not address.password:
        pytest.skip("the server asks for no password")
    wrong = str(address.copy_with(username="nobody", password="hushhush"))
    source = connect("couchdb", url=wrong)
    boxes = source.create_model("closed_box", {"id": GIVEN})
    client = make_app(boxes).test_client()
    with caplog.at_level(logging.DEBUG, "flask_loop"):
        answer = client.get("/api/closed_boxes")
        with pytest.raises(Unavailable):
            source.ping()
    assert answer.status_code == 503
    assert "refuses the credentials (401)" in caplog.text
    assert "hushhush" not in caplog.text + answer.get_data(as_text=True)
    assert "hushhush" not in repr(source) + repr(source.connector)


def test_many_threads_share_one_connection(connect: Connect, url: str) -> None:
    source = connect("couchdb", url=url, pool_size=1)
    boxes = boxes_of(source)

    def work(number: int) -> int:
        boxes.create(id=number, size=number)
        boxes.update_all({"id": number}, {"size": number + 1})
        return int(boxes.find_by_id(number).size)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(32))) == [number + 1 for number in range(32)]
    assert boxes.count() == 32


def test_connections_are_let_go(url: str) -> None:
    source = create_data_source(connector="couchdb", url=url)
    boxes = boxes_of(source)
    source.close()
    before = open_sockets()
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda id: boxes.upsert(id=id, size=1), range(8)))
        assert open_sockets() > before
        source.close()
        until(lambda: open_sockets() <= before)
    assert boxes.count() == 8
    source.close()


FORKED = """
import os, sys
from flask_loop import create_data_source

source = create_data_source(connector="couchdb", url=sys.argv[1])
made = {"id": {"type": int, "id": True, "generated": True}, "name": str}
boxes = source.create_model("forked_box", made)
source.auto_update()
boxes.create(name="parent")
children = []
for number in range(2):
    child = os.fork()
    if not child:
        for _ in range(5):
            boxes.create(name=str(number))
        source.close()
        os._exit(0)
    children.append(child)
for _ in range(5):
    boxes.create(name="parent")
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
assert [each.id for each in boxes.find()] == list(range(1, 17))
assert boxes.count({"name": "parent"}) == 6
source.close()
"""


def test_a_forked_process_has_connections_of_its_own(url: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", FORKED, url], check=True, timeout=50)
