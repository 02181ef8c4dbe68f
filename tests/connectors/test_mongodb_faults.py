"""What goes wrong with MongoDB: what clients see, what is kept, and that all works afterwards."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pymongo
import pytest
from flask import Flask

from flask_loop import DataSource, Loop
from flask_loop.errors import Unavailable
from tests.proxy import LOOPBACK, Proxy
from tests.servers import Missing, Mongodb

Connect = Callable[..., DataSource]

DATABASE = "loop_faults"
USER, SECRET = "shop", "tr0ub4dor-and-3"
#: The most seconds that the tests wait for what takes a moment.
PATIENCE = 30


def started(server: Mongodb) -> Iterator[Mongodb]:
    try:
        server.start()
    except Missing as missing:
        pytest.skip(str(missing))
    if not server.is_own:
        pytest.skip(f"{server.variable} names a server that is not ours to harm")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def server() -> Iterator[Mongodb]:
    """A server that the tests may harm."""
    yield from started(Mongodb("faults"))


@pytest.fixture
def proxy(server: Mongodb) -> Iterator[Proxy]:
    """A proxy before the server. Tests name it first: what goes through it is closed before it."""
    server.start()
    with Proxy(server.port) as proxy:
        yield proxy


def url_of(port: int, credentials: str = "") -> str:
    return f"mongodb://{credentials}{LOOPBACK}:{port}/{DATABASE}?directConnection=true"


def make_model(source: DataSource, name: str) -> Any:
    return source.create_model(name, {"id": {"type": int, "id": True}, "name": str})


def make_client(model: Any) -> Any:
    app = Flask("shop")
    Loop(app, url_prefix="/api").model(model)
    return app.test_client()


def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline
        sleep(0.05)


def monitors() -> int:
    """The threads of the driver."""
    return sum("pymongo" in each.name for each in threading.enumerate())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_server_that_is_down_at_start_is_503_until_it_is_there(
    connect: Connect, server: Mongodb
) -> None:
    server.stop()
    source = connect("mongodb", url=url_of(server.port), connect_timeout=0.3)
    things = make_model(source, "LateFault")
    client = make_client(things)
    for answer in (
        client.get("/api/LateFaults"),
        client.post("/api/LateFaults", json={"id": 1}),
        client.get("/api/LateFaults/count"),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    with pytest.raises(Unavailable):
        source.ping()
    server.start()
    until(lambda: client.post("/api/LateFaults", json={"id": 1}).status_code in (200, 409, 422))
    until(lambda: client.get("/api/LateFaults/1").status_code == 200)
    assert client.get("/api/LateFaults/1").json["id"] == 1


def test_a_server_that_is_killed_under_load_comes_back(connect: Connect, server: Mongodb) -> None:
    server.start()
    source = connect(
        "mongodb", url=url_of(server.port), connect_timeout=0.5, socket_timeout=5, pool_size=4
    )
    client_of = make_client(make_model(source, "KilledFault")).application.test_client
    things = make_model(connect("mongodb", url=url_of(server.port)), "KilledFault")
    things.destroy_all()
    ended = threading.Event()
    acknowledged: list[int] = []
    statuses: list[int] = []

    def work(number: int) -> None:
        client = client_of()
        id = number * 100_000
        while not ended.is_set():
            id += 1
            made = client.post("/api/KilledFaults", json={"id": id, "name": "x"})
            statuses.append(made.status_code)
            if made.status_code == 200:
                acknowledged.append(id)
            statuses.append(client.get("/api/KilledFaults", query_string={"limit": 2}).status_code)

    def done(status: int, since: int) -> bool:
        return status in statuses[since:]

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
        until(lambda: done(200, 0))
        server.kill()
        killed = len(statuses)
        until(lambda: done(503, killed))
        before = len(acknowledged)
        server.start()
        back = len(statuses)
        until(lambda: done(200, back) and len(acknowledged) > before)
        ended.set()
        for future in futures:
            future.result()
    # A write whose answer was lost is done again by the driver, and may find itself there.
    assert set(statuses) <= {200, 409, 503}
    kept = acknowledged[before:] if "restarts" in server.lacks else acknowledged
    assert {each.id for each in things.find(where={"id": {"inq": kept}})} == set(kept)


def test_a_connection_that_is_cut_costs_one_attempt(proxy: Proxy, connect: Connect) -> None:
    source = connect("mongodb", url=url_of(proxy.port), connect_timeout=PATIENCE)
    things = make_model(source, "CutFault")
    things.destroy_all()
    things.create(id=1, name="a")
    proxy.cut()
    # What only reads is tried again by itself.
    assert things.find_by_id(1).name == "a"
    proxy.cut()
    try:
        things.create(id=2, name="b")
    except Unavailable:
        things.upsert(id=2, name="b")
    assert things.count() == 2


def test_a_server_that_does_not_answer_is_503_in_time(proxy: Proxy, connect: Connect) -> None:
    source = connect("mongodb", url=url_of(proxy.port), connect_timeout=1, socket_timeout=0.3)
    things = make_model(source, "SilentFault")
    client = make_client(things)
    until(lambda: client.get("/api/SilentFaults").status_code == 200)
    proxy.answers = False
    began = monotonic()
    assert client.get("/api/SilentFaults").status_code == 503
    assert monotonic() - began < PATIENCE / 2
    proxy.answers = True
    proxy.cut()
    until(lambda: client.get("/api/SilentFaults").status_code == 200)


def test_a_slow_server_is_waited_for(proxy: Proxy, connect: Connect) -> None:
    source = connect("mongodb", url=url_of(proxy.port))
    things = make_model(source, "SlowFault")
    things.find()
    proxy.delay = 0.2
    assert make_client(things).get("/api/SlowFaults").status_code == 200


def test_a_transaction_ends_with_its_time(proxy: Proxy, connect: Connect) -> None:
    source = connect("mongodb", url=url_of(proxy.port), transactions=True)
    things = make_model(source, "TimedFault")
    things.destroy_all()
    with pytest.raises(Unavailable), source.transaction(timeout=0.2):  # noqa: PT012 - the block
        things.create(id=1)
        sleep(0.3)
    assert things.find() == []
    things.create(id=1)


def test_a_pool_that_is_used_up_is_503(proxy: Proxy, connect: Connect) -> None:
    source = connect("mongodb", url=url_of(proxy.port), pool_size=1, pool_timeout=0.05)
    things = make_model(source, "PoolFault")
    client = make_client(things)
    assert client.get("/api/PoolFaults").status_code == 200
    proxy.delay = 1
    with ThreadPoolExecutor(4) as pool:
        client_of = client.application.test_client
        answers = list(pool.map(lambda _: client_of().get("/api/PoolFaults"), range(4)))
    proxy.delay = 0
    statuses = sorted(each.status_code for each in answers)
    assert statuses[0] == 200
    assert statuses[-1] == 503
    (refused, *_) = (each for each in answers if each.status_code == 503)
    assert "no connection free" in refused.json["error"]["message"]
    assert refused.headers["Retry-After"] == "1"
    assert client.get("/api/PoolFaults").status_code == 200


def test_no_connection_and_no_thread_is_left(connect: Connect, server: Mongodb) -> None:
    server.start()
    before, descriptors = monitors(), open_files()
    for _ in range(3):
        source = connect("mongodb", url=url_of(server.port))
        things = make_model(source, "LeftFault")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda find: find(), [things.find] * 8))
        assert monitors() > 0
        source.close()
    until(lambda: monitors() <= before)
    until(lambda: open_files() <= descriptors)


# Credentials


class _Guarded(Mongodb):
    """A server that asks who is there."""

    def _command(self) -> Sequence[str | Path]:
        return [*super()._command(), USER, SECRET]

    def _connect(self, **options: Any) -> Any:
        named = {"username": USER, "password": SECRET, "authMechanism": "SCRAM-SHA-256"}
        return super()._connect(**named, **options)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mongodb]:
    server = _Guarded("guarded")
    if not server.lacks:
        pytest.skip("a mongod has to be told of its users when it runs")
    yield from started(server)


def test_right_credentials_are_used(connect: Connect, guarded: Mongodb) -> None:
    source = connect(
        "mongodb",
        url=url_of(guarded.port),
        user=USER,
        password=SECRET,
        auth_mechanism="SCRAM-SHA-256",
        auth_source="admin",
    )
    things = make_model(source, "KnownFault")
    assert things.create(id=1).id == 1


@pytest.mark.parametrize("password", ["wr0ng-and-3", None])
def test_wrong_credentials_are_503_and_said_in_the_log_alone(
    connect: Connect,
    guarded: Mongodb,
    password: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    named = {} if password is None else {"username": USER, "password": password}
    source = connect(
        "mongodb",
        url=url_of(guarded.port),
        auth_mechanism="SCRAM-SHA-256" if named else None,
        **named,
    )
    client = make_client(make_model(source, f"Strange{password is None}Fault"))
    with caplog.at_level(logging.INFO):
        answer = client.get(f"/api/Strange{password is None}Faults")
    assert answer.status_code == 503
    assert "MongoDB refuses the credentials" in caplog.text
    assert "wr0ng" not in caplog.text + answer.text
    assert "uthenticat" not in answer.text


def test_a_password_is_in_no_error_and_in_no_repr(connect: Connect) -> None:
    url = f"mongodb://{USER}:{SECRET}@{LOOPBACK}:1/{DATABASE}"
    source = connect("mongodb", url=url, connect_timeout=0.1)
    with pytest.raises(Unavailable) as caught:
        source.ping()
    shown = [repr(source), repr(source.connector), repr(source.connector.client.settings)]  # type: ignore[attr-defined]
    assert SECRET not in "".join([*shown, str(caught.value)])


def test_a_duplicate_of_the_driver_is_ours(connect: Connect, server: Mongodb) -> None:
    """What an index of others refuses is a failure of its fields."""
    server.start()
    source = connect("mongodb", url=url_of(server.port))
    things = make_model(source, "OthersFault")
    with pymongo.MongoClient(url_of(server.port)) as client:
        client[DATABASE].others_fault.create_index("name", unique=True)
    things.create(id=1, name="a")
    answer = make_client(things).post("/api/OthersFaults", json={"id": 2, "name": "a"})
    assert answer.status_code == 422
    assert answer.json["error"]["details"]["codes"] == {"name": ["uniqueness"]}
