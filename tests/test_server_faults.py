"""What goes wrong with a database server, done to real ones: what clients see, and what is kept."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_loop import DataSource, Loop, create_data_source
from flask_loop.cli import loop as command_line
from flask_loop.connectors.repeating import ATTEMPTS
from flask_loop.errors import TransactionConflict, Unavailable
from tests.collection import served
from tests.proxy import LOOPBACK, RESET, Proxy
from tests.servers import Missing, Mysql, Postgresql

USER = "shop"
SECRET = "tr0ub4dor-and-3"
DATABASE = "loop_faults"
ROOT = Path(__file__).parents[1]
#: The most seconds that the tests wait for what takes a moment.
PATIENCE = 40
#: The most seconds that what is given up soon may take: less than the settings allow by default.
SOON = 9


class _Faulty:
    """What the tests do to a server of their own, and ask it."""

    #: Settings that a test starts it with.
    extra: Sequence[str] = ()
    nap: str
    own_id: str
    clients: str
    busy: str
    naps: str
    end: str
    give_user: Sequence[str]
    conflict: Sequence[str]
    #: What lets a statement wait for others for half a second or a second.
    short_wait: dict[str, Any]
    #: What lets a transaction in which nothing happens go on for a moment only.
    short_idle: dict[str, Any]
    lock: str

    @property
    def admin(self) -> sa.Engine:
        url: sa.URL = sa.make_url(self.fresh_url).set(drivername=self.url.drivername)  # type: ignore[attr-defined]
        return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    fresh_url = ""

    def run(self, *statements: str) -> list[Any]:
        """Run statements as the administrator, and give the rows of the last."""
        rows: list[Any] = []
        with self.admin.connect() as connection:
            for each in statements:
                result = connection.exec_driver_sql(each)
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def sessions(self) -> list[int]:
        """The ids of the sessions that the user of the app has."""
        return [id for (id,) in self.run(self.clients)]

    def running(self) -> list[int]:
        """The ids of those that run a statement."""
        return [id for (id,) in self.run(self.busy)]

    def napping(self) -> list[int]:
        """The ids of those that the tests have put to sleep."""
        return [id for (id,) in self.run(self.naps)]

    def end_sessions(self, ids: Sequence[int]) -> None:
        for id in ids:
            self.run(self.end.format(id))

    def make(self) -> str:
        """An empty database, and its URL for an ordinary user."""
        self.fresh_url = self.fresh("faults")  # type: ignore[attr-defined]
        self.run(*self.give_user)
        return (
            sa.make_url(self.fresh_url)
            .set(username=USER, password=SECRET)
            .render_as_string(hide_password=False)
        )


class FaultyPostgresql(_Faulty, Postgresql):
    nap = "SELECT pg_sleep(:seconds)"
    own_id = "SELECT pg_backend_pid() AS id"
    clients = f"SELECT pid FROM pg_stat_activity WHERE usename = '{USER}'"
    busy = f"{clients} AND state = 'active'"
    naps = f"{busy} AND query ~ 'sleep'"
    end = "SELECT pg_terminate_backend({})"
    give_user = (
        f"""
        DO $$ BEGIN
            CREATE USER {USER} PASSWORD '{SECRET}';
        EXCEPTION WHEN duplicate_object THEN NULL;
        END $$
        """,
        f"ALTER SCHEMA public OWNER TO {USER}",
    )
    conflict = (
        "CREATE SEQUENCE attempts MINVALUE 0",
        f"GRANT ALL ON SEQUENCE attempts TO {USER}",
        """
        CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM nextval('attempts');
            RAISE EXCEPTION 'no' USING ERRCODE = '40001';
        END $$
        """,
        "CREATE TRIGGER conflict BEFORE UPDATE ON parcel FOR ROW EXECUTE FUNCTION conflict()",
    )
    attempts = "SELECT last_value + 1 FROM attempts"
    limit_user = f"ALTER ROLE {USER} CONNECTION LIMIT {{}}"
    no_limit = -1
    shorten = "ALTER TABLE parcel ALTER weight TYPE smallint"
    short_wait = {"options": "-c lock_timeout=300"}
    short_idle = {"options": "-c idle_in_transaction_session_timeout=100"}
    lock = "LOCK TABLE parcel"

    def _command(self) -> Sequence[str | Path]:
        settings = ("fsync=on", "synchronous_commit=on", *self.extra)
        return [*super()._command(), *(word for each in settings for word in ("-c", each))]


class FaultyMysql(_Faulty, Mysql):
    nap = "SELECT SLEEP(:seconds) AS slept"
    own_id = "SELECT CONNECTION_ID() AS id"
    clients = f"SELECT id FROM information_schema.processlist WHERE user = '{USER}'"
    busy = f"{clients} AND command = 'Query'"
    naps = f"{busy} AND info RLIKE 'sleep'"
    end = "KILL {}"
    give_user = (
        f"CREATE USER IF NOT EXISTS {USER}@'{LOOPBACK}' IDENTIFIED BY '{SECRET}'",
        f"GRANT ALL ON {DATABASE}.* TO {USER}@'{LOOPBACK}'",
    )
    conflict = (
        # What such a table has is kept whatever becomes of the transaction.
        "CREATE TABLE attempts (n INT) ENGINE = MyISAM",
        """
        CREATE TRIGGER conflict BEFORE UPDATE ON parcel FOR EACH ROW BEGIN
            INSERT INTO attempts VALUES (1);
            SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'no';
        END
        """,
    )
    attempts = "SELECT count(*) FROM attempts"
    limit_user = f"ALTER USER {USER}@'{LOOPBACK}' WITH MAX_USER_CONNECTIONS {{}}"
    no_limit = 0
    shorten = "ALTER TABLE parcel MODIFY weight SMALLINT"
    short_wait = {"init_command": "SET innodb_lock_wait_timeout = 1"}
    short_idle = {"init_command": "SET idle_transaction_timeout = 1"}
    lock = "SELECT * FROM parcel FOR UPDATE"

    def _command(self) -> Sequence[str | Path]:
        return [*super()._command(), "--innodb-flush-log-at-trx-commit=1", *self.extra]


Faulty = FaultyPostgresql | FaultyMysql


@pytest.fixture(scope="module", params=[FaultyPostgresql, FaultyMysql], ids=["pg", "maria"])
def running_server(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Faulty]:
    """A server that nobody else uses."""
    made: Faulty = request.param(worker_id)
    if not made.is_own:
        pytest.skip(f"{made.variable} names a server that is not ours to end")
    try:
        made.start()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield made
    made.remove()


@pytest.fixture
def server(running_server: Faulty) -> Iterator[Faulty]:
    running_server.start()
    yield running_server
    if running_server.extra:
        running_server.extra = ()
        running_server.stop()


@pytest.fixture
def url(server: Faulty) -> str:
    return server.make()


@pytest.fixture
def connect(server: Faulty, url: str) -> Iterator[Callable[..., DataSource]]:
    """A function that makes a data source, which is closed when the test ends."""
    with ExitStack() as afterwards:

        def connect(**settings: Any) -> DataSource:
            source = create_data_source(connector=server.connector, **{"url": url, **settings})
            afterwards.callback(source.close)
            return source

        yield connect


@pytest.fixture
def source(request: pytest.FixtureRequest, connect: Callable[..., DataSource]) -> DataSource:
    source = connect()
    if getattr(request, "param", "") == "watched":
        engine = source.connector.session.engine  # type: ignore[attr-defined]
        sa.event.listen(engine, "before_cursor_execute", lambda *arguments: None)
    return source


#: For each way in which connections run statements.
each_way = pytest.mark.parametrize("source", ["plain", "watched"], indirect=True)


@pytest.fixture
def parcels(source: DataSource) -> Any:
    return make_parcels(source)


def make_parcels(source: DataSource, *, table: bool = True) -> Any:
    """The model of the tests, with remote methods that take their time."""
    parcels: Any = source.create_model(
        "parcel", {"label": {"type": str, "max_length": 100}, "weight": {"type": int}}
    )
    if table:
        source.auto_update()
    nap = str(getattr(FAULTY[source.connector.name], "nap"))  # noqa: B009

    def doze(seconds: float) -> None:
        source.execute(nap, {"seconds": seconds})

    def doze_between(seconds: float) -> None:
        parcels.create(label="before")
        doze(seconds)
        parcels.create(label="after")

    seconds = [{"arg": "seconds", "type": "number"}]
    parcels.remote_method("doze", staticmethod(doze), accepts=seconds)
    parcels.remote_method(
        "dozeBetween", staticmethod(doze_between), accepts=seconds, transaction=True
    )
    return parcels


def make_table(connect: Callable[..., DataSource]) -> None:
    """Make the table, where settings of the test's own source leave too little time for that."""
    source = connect()
    make_parcels(source)
    source.close()


FAULTY: dict[str, type[Faulty]] = {"postgresql": FaultyPostgresql, "mysql": FaultyMysql}


def app_of(*models: Any) -> Flask:
    app = Flask("shop")
    app.testing = True
    loop = Loop(app, url_prefix="/api")
    for model in models:
        loop.model(model)
    return app


@pytest.fixture
def client(parcels: Any) -> FlaskClient:
    return app_of(parcels).test_client()


def in_use(source: DataSource) -> int:
    return int(source.connector.session.in_use)  # type: ignore[attr-defined]


def until(is_true: Callable[[], Any], what: str) -> None:
    deadline = monotonic() + PATIENCE
    while not is_true():
        assert monotonic() < deadline, f"{what}: not in {PATIENCE} s"
        sleep(0.01)


@contextmanager
def in_background(run: Callable[..., Any], *arguments: Any) -> Iterator[Callable[[], Any]]:
    """Run a function in another thread; the block is given a function that waits for its result."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, *arguments)
        yield lambda: future.result(PATIENCE)


def is_unavailable(answer: TestResponse) -> bool:
    """Whether an answer says when to come back."""
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


# The server ends


class Load:
    """Clients that create, change and read, each in a thread, until they are told to stop."""

    def __init__(self, app: Flask, clients: int) -> None:
        self.app = app
        self.answers: Counter[tuple[int, bool]] = Counter()
        self.acknowledged: list[str] = []
        #: Of each client's own record: the last weight it was told is kept, and what it asked for
        #: after that without being told so.
        self.weights: dict[int, tuple[int, set[int]]] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._go_on) for _ in range(clients)]
        self.unexpected: list[str] = []

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(2 * PATIENCE)

    @property
    def count(self) -> int:
        return self.answers[200, False]

    def _go_on(self) -> None:
        client = self.app.test_client()
        own = None
        while own is None:
            created = self._note(client.post("/api/parcels", json={"label": "own", "weight": 0}))
            own = created.get("id")
        kept, asked = 0, set[int]()
        weight = 0
        while not self._stop.is_set():
            label = uuid4().hex
            if self._note(client.post("/api/parcels", json={"label": label})):
                with self._lock:
                    self.acknowledged.append(label)
            weight += 1
            asked.add(weight)
            if self._note(client.patch(f"/api/parcels/{own}", json={"weight": weight})):
                kept, asked = weight, set()
            self._note(client.get("/api/parcels?filter[limit]=5"))
        with self._lock:
            self.weights[int(own)] = (kept, asked)

    def _note(self, answer: TestResponse) -> Any:
        with self._lock:
            self.answers[answer.status_code, "Retry-After" in answer.headers] += 1
            if answer.status_code not in (200, 503):
                self.unexpected.append(answer.text)
        return answer.json if answer.status_code == 200 else {}


@pytest.mark.parametrize("times", [2])
def test_a_server_that_is_killed_under_load_loses_nothing_that_was_acknowledged(
    server: Faulty, connect: Callable[..., DataSource], times: int
) -> None:
    source = connect(pool_size=3, max_overflow=2)
    parcels = make_parcels(source)
    app = app_of(parcels)
    with Load(app, 8) as load:
        until(lambda: load.count > 50, "a load before the server is killed")
        for _ in range(times):
            refused = load.answers[503, True]
            server.kill()
            until(lambda r=refused: load.answers[503, True] > r, "a refusal")  # type: ignore[misc]
            before = load.count
            server.start()
            until(lambda b=before: load.count > b + 50, "a load after the server has started")  # type: ignore[misc]
    assert load.unexpected == []
    assert set(load.answers) == {(200, False), (503, True)}
    assert in_use(source) == 0
    until(lambda: len(server.sessions()) <= 5, "what is too much is closed")
    stored = parcels.find()
    labels = Counter(each.label for each in stored)
    assert {label: labels[label] for label in load.acknowledged} == dict.fromkeys(
        load.acknowledged, 1
    )
    weights = {each.id: each.weight for each in stored if each.label == "own"}
    for id, (kept, asked) in load.weights.items():
        assert weights[id] == kept or weights[id] in asked


def test_a_server_that_is_down_at_start_is_used_when_it_is_there(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    make_parcels(connect()).create(label="a")
    server.stop()
    source = connect()
    client = app_of(make_parcels(source, table=False)).test_client()
    began = monotonic()
    assert is_unavailable(client.get("/api/parcels"))
    assert is_unavailable(client.post("/api/parcels", json={"label": "b"}))
    assert monotonic() - began < SOON
    actions: list[Callable[[], Any]] = [
        source.ping,
        source.auto_update,
        source.is_actual,
        source.discover_model_definitions,
    ]
    for act in actions:
        with pytest.raises(Unavailable):
            act()
    server.start()
    assert [each["label"] for each in client.get("/api/parcels").json or ()] == ["a"]
    assert in_use(source) == 0


def test_a_server_that_was_restarted_is_not_noticed_by_those_who_read(
    server: Faulty, client: FlaskClient, source: DataSource
) -> None:
    client.post("/api/parcels", json={"label": "a"})
    server.restart()
    assert client.get("/api/parcels").status_code == 200
    server.restart()
    sleep(1.1)  # a connection that was not used for a moment is tried first
    assert client.post("/api/parcels", json={"label": "b"}).status_code == 200
    assert in_use(source) == 0


# A connection ends


@each_way
def test_a_session_that_is_ended_in_a_statement_is_503(
    server: Faulty, client: FlaskClient, source: DataSource
) -> None:
    with in_background(client.post, "/api/parcels/doze?seconds=30") as answer:
        until(server.napping, "the statement runs")
        server.end_sessions(server.napping())
        assert is_unavailable(answer())
    assert client.post("/api/parcels", json={"label": "a"}).status_code == 200
    assert in_use(source) == 0
    until(lambda: len(server.sessions()) == 1, "the session that was ended goes")


@each_way
def test_a_session_that_is_ended_in_a_transaction_keeps_nothing(
    server: Faulty, client: FlaskClient, source: DataSource
) -> None:
    with in_background(client.post, "/api/parcels/dozeBetween?seconds=30") as answer:
        until(server.napping, "the statement runs")
        server.end_sessions(server.napping())
        assert is_unavailable(answer())
    assert client.get("/api/parcels").json == []
    assert client.post("/api/parcels/dozeBetween?seconds=0").status_code == 204
    assert len(client.get("/api/parcels").json or ()) == 2
    assert in_use(source) == 0


@each_way
def test_a_session_that_is_ended_between_statements_keeps_nothing(
    server: Faulty, source: DataSource, parcels: Any
) -> None:
    def go_on() -> None:
        with source.transaction():
            parcels.create(label="before")
            server.end_sessions(server.sessions())
            with suppress(Unavailable):
                parcels.create(label="lost")
            parcels.create(label="after")

    with pytest.raises(Unavailable):
        go_on()
    assert parcels.count() == 0
    assert in_use(source) == 0


@each_way
def test_a_lost_session_hides_no_error_of_the_caller(
    server: Faulty, source: DataSource, parcels: Any
) -> None:
    def fail() -> None:
        parcels.create(label="before")
        server.end_sessions(server.sessions())
        raise LookupError("the caller's")

    def fail_inside() -> None:
        parcels.create(label="outside")
        source.in_transaction(fail)

    for function in (fail, fail_inside):
        with pytest.raises(LookupError, match="the caller's"):
            source.in_transaction(function)

    def go_on() -> None:
        with suppress(LookupError):
            fail_inside()

    with pytest.raises(Unavailable):
        source.in_transaction(go_on)
    assert parcels.count() == 0
    assert in_use(source) == 0


@each_way
def test_a_session_that_is_ended_before_the_commit_keeps_nothing(
    server: Faulty, source: DataSource, parcels: Any
) -> None:
    def create() -> None:
        parcels.create(label="before")
        server.end_sessions(server.sessions())

    with pytest.raises(Unavailable) as error:
        source.in_transaction(create)
    assert error.value.retry_after
    assert parcels.count() == 0
    assert in_use(source) == 0


def test_a_transaction_in_which_nothing_happens_may_be_ended_by_the_server(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    make_table(connect)
    source = connect(connect_args=server.short_idle)
    parcels = make_parcels(source, table=False)

    def wait() -> None:
        parcels.create(label="before")
        until(lambda: not server.sessions(), "the server ends the session")
        parcels.create(label="after")

    with pytest.raises(Unavailable) as error:
        source.in_transaction(wait)
    assert error.value.retry_after
    assert parcels.count() == 0
    assert in_use(source) == 0


def test_one_lost_connection_does_not_cost_those_in_use(
    server: Faulty, source: DataSource, parcels: Any
) -> None:
    ids = []

    def work() -> None:
        for _ in range(20):
            with source.transaction():
                rows: Any = source.execute(server.own_id)
                ids.append(rows[0]["id"])
                parcels.create(label="a")
                sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(work) for _ in range(3)]
        until(lambda: len(ids) > 10, "transactions run")
        with suppress(Unavailable), source.transaction():
            rows: Any = source.execute(server.own_id)
            server.end_sessions([rows[0]["id"]])
            parcels.count()
        for each in works:
            each.result()
    assert parcels.count() == 60
    assert in_use(source) == 0


# The network


@pytest.fixture
def proxy(server: Faulty) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def far(connect: Callable[..., DataSource], proxy: Proxy, url: str) -> Callable[..., DataSource]:
    """A function that makes a data source behind the proxy."""
    return lambda **settings: connect(url=url, port=proxy.port, **settings)


def test_a_connection_that_is_cut_in_a_statement_is_503(
    server: Faulty, proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    source = far()
    client = app_of(make_parcels(source)).test_client()
    for path in ("doze", "dozeBetween"):
        with in_background(client.post, f"/api/parcels/{path}?seconds=30") as answer:
            until(server.napping, "the statement runs")
            proxy.cut()
            assert is_unavailable(answer())
        assert client.get("/api/parcels").json == []
        server.end_sessions(server.napping())  # it would go on without a client
        until(lambda: not server.napping(), "the statement ends")
    assert in_use(source) == 0


def test_a_read_is_done_again_when_its_connection_is_cut(
    proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    source = far()
    parcels = make_parcels(source)
    parcels.create(label="a")
    proxy.cut()
    assert parcels.count() == 1
    proxy.cut_after(b"SELECT")
    assert parcels.count() == 1
    assert in_use(source) == 0


def test_a_commit_whose_answer_is_lost_is_not_done_again(
    proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    source = far()
    parcels = make_parcels(source)
    client = app_of(parcels).test_client()
    proxy.cut_after(b"COMMIT")
    assert is_unavailable(client.post("/api/parcels/dozeBetween?seconds=0"))
    # Nobody could know that it was kept.
    assert [each.label for each in parcels.find(order="id")] == ["before", "after"]
    runs = []

    def create() -> None:
        runs.append(1)
        parcels.create(label="more")

    proxy.cut_after(b"COMMIT")
    with pytest.raises(Unavailable):
        source.in_transaction(create)
    assert (len(runs), parcels.count()) == (1, 3)
    assert in_use(source) == 0


def test_a_write_whose_answer_is_lost_is_not_done_again(
    proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    source = far()
    parcels = make_parcels(source)
    client = app_of(parcels).test_client()
    proxy.cut_after(b"INSERT")
    assert is_unavailable(client.post("/api/parcels", json={"label": "a"}))
    assert parcels.count() == 1
    proxy.cut_after(b"UPDATE")
    assert is_unavailable(client.post("/api/parcels/update?where={}", json={"weight": 5}))
    assert [each.weight for each in parcels.find()] == [5]
    assert in_use(source) == 0


def test_a_network_that_is_slow_makes_answers_late(
    proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    client = app_of(make_parcels(far())).test_client()
    proxy.delay = 0.05
    assert client.post("/api/parcels", json={"label": "a"}).status_code == 200
    assert len(client.get("/api/parcels").json or ()) == 1


def test_a_server_that_says_nothing_is_given_up_while_connecting(
    proxy: Proxy, far: Callable[..., DataSource], connect: Callable[..., DataSource]
) -> None:
    make_parcels(connect())
    source = far(connect_timeout=1)
    client = app_of(make_parcels(source, table=False)).test_client()
    proxy.answers = False
    began = monotonic()
    assert is_unavailable(client.get("/api/parcels"))
    # PostgreSQL's client takes two seconds at least.
    assert 0.9 < monotonic() - began < SOON
    proxy.cut()
    proxy.answers = True
    assert client.get("/api/parcels").json == []
    assert in_use(source) == 0


def test_a_server_that_says_nothing_more_is_given_up_after_the_time_of_a_statement(
    server: Faulty,
    proxy: Proxy,
    far: Callable[..., DataSource],
    connect: Callable[..., DataSource],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_table(connect)
    monkeypatch.setattr(f"flask_loop.connectors.sql.{server.connector}.GRACE", 1)
    source = far(statement_timeout=0.5)
    parcels = make_parcels(source, table=False)
    client = app_of(parcels).test_client()
    source.ping()
    proxy.answers = False
    began = monotonic()
    assert is_unavailable(client.post("/api/parcels", json={"label": "a"}))
    # The server is given a second more, five by default, to say that the time is over.
    assert 1.4 < monotonic() - began < PATIENCE
    proxy.cut()
    proxy.answers = True
    assert parcels.count() == 1
    assert in_use(source) == 0


def test_an_idle_connection_to_a_server_that_says_nothing_is_given_up(
    proxy: Proxy, far: Callable[..., DataSource]
) -> None:
    source = far(connect_timeout=1)
    client = app_of(make_parcels(source)).test_client()
    proxy.answers = False
    sleep(1.1)
    began = monotonic()
    assert is_unavailable(client.get("/api/parcels"))
    assert monotonic() - began < SOON
    proxy.cut()
    proxy.answers = True
    assert client.get("/api/parcels").json == []
    assert in_use(source) == 0


# Limits


def test_a_pool_that_is_used_up_says_when_to_come_back(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    source = connect(pool_size=1, max_overflow=0, pool_timeout=0.3)
    parcels = make_parcels(source)
    client = app_of(parcels).test_client()
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> int:
        with source.transaction():
            is_held.set()
            is_over.wait(PATIENCE)
            return int(parcels.count())

    with in_background(hold) as held:
        assert is_held.wait(PATIENCE)
        began = monotonic()
        assert is_unavailable(client.get("/api/parcels"))
        assert 0.2 < monotonic() - began < SOON
        is_over.set()
        assert held() == 0
    assert client.get("/api/parcels").json == []
    assert in_use(source) == 0
    until(lambda: len(server.sessions()) == 1, "there is one session")


def test_those_who_wait_for_a_connection_get_their_turn(
    connect: Callable[..., DataSource],
) -> None:
    source = connect(pool_size=1, max_overflow=0, pool_timeout=2)
    parcels = make_parcels(source)
    done = monotonic() + 2.2

    def work(number: int) -> int:
        count = 0
        while monotonic() < done:
            if count % 2:
                parcels.count()
            else:
                with source.transaction():
                    parcels.count()
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(work, range(4))) > 0
    assert in_use(source) == 0


def test_a_statement_that_takes_too_long_is_503(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    make_table(connect)
    source = connect(statement_timeout=0.5, pool_size=1, max_overflow=0)
    client = app_of(make_parcels(source, table=False)).test_client()
    client.get("/api/parcels")
    before = server.sessions()
    for path in ("doze", "dozeBetween"):
        began = monotonic()
        answer = client.post(f"/api/parcels/{path}?seconds=30")
        assert answer.status_code == 503
        assert monotonic() - began < SOON
        assert answer.json is not None
        assert answer.json["error"]["message"] == "The data source took too long."
    assert client.get("/api/parcels").json == []
    assert server.sessions() == before
    assert in_use(source) == 0


def test_a_server_with_too_many_connections_is_503(
    server: Faulty, connect: Callable[..., DataSource], url: str
) -> None:
    make_parcels(connect()).create(label="a")
    if server.connector == "mysql":
        server.extra = ("--max-connections=10",)
    else:
        server.extra = ("max_connections=12", "superuser_reserved_connections=8")
    server.restart()
    source = connect()
    client = app_of(make_parcels(source, table=False)).test_client()
    others = sa.create_engine(
        sa.make_url(url).set(drivername=server.url.drivername), poolclass=sa.NullPool
    )
    with ExitStack() as held:
        for _ in range(12):
            with suppress(sa.exc.OperationalError):
                held.enter_context(others.connect())
        assert is_unavailable(client.get("/api/parcels"))
        assert is_unavailable(client.post("/api/parcels", json={"label": "b"}))
    until(lambda: len(server.sessions()) < 2, "the others go")
    assert [each["label"] for each in client.get("/api/parcels").json or ()] == ["a"]
    assert in_use(source) == 0


def test_a_user_with_too_many_connections_is_503(
    server: Faulty, source: DataSource, client: FlaskClient, url: str
) -> None:
    source.close()
    server.run(server.limit_user.format(1))
    try:
        other = sa.create_engine(
            sa.make_url(url).set(drivername=server.url.drivername), poolclass=sa.NullPool
        )
        with other.connect():
            assert is_unavailable(client.get("/api/parcels"))
    finally:
        server.run(server.limit_user.format(server.no_limit))
    until(lambda: server.sessions() == [], "the other goes")
    assert client.get("/api/parcels").json == []
    assert in_use(source) == 0


# Wrong settings


def test_nothing_tells_the_password(
    server: Faulty,
    connect: Callable[..., DataSource],
    url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    right = sa.make_url(url)
    wrong = "0pen-sesame"
    told: list[str] = []
    for given in (
        right.set(password=wrong),
        right.set(database="nowhere"),
        right.set(username="nobody"),
        right.set(port=1),
        right.set(host="nowhere.invalid"),
    ):
        source = connect(url=given.render_as_string(hide_password=False), connect_timeout=2)
        client = app_of(make_parcels(source, table=False)).test_client()
        answer = client.get("/api/parcels")
        assert is_unavailable(answer), given
        told += [answer.text, str(answer.headers), repr(source), repr(source.connector)]
        told += [str(source), repr(source.connector.session.engine)]  # type: ignore[attr-defined]
        with pytest.raises(Unavailable) as error:
            source.ping()
        cause = error.value.__cause__
        told += [str(error.value), repr(error.value), str(cause), repr(cause)]
        shown = given.render_as_string(hide_password=False)
        for command in (["discover", shown], ["serve", shown]):
            result = CliRunner().invoke(command_line, command)
            assert result.exit_code != 0
            told += [result.output, str(result.exception)]
        assert in_use(source) == 0
    for settings in (
        {"url": f"{server.connector}://shop:{SECRET}@{LOOPBACK}:port/shop"},
        {"url": f"{server.connector}://shop:{SECRET}@[::1/shop"},
        {"pasword": SECRET},
        {"password": SECRET, "pool_size": -1},
        {"password": SECRET, "replicas": [{"password": SECRET, "pool_siz": 1}]},
        {"replicas": [f"{server.connector}://shop:{SECRET}@{LOOPBACK}:port/shop"]},
    ):
        with pytest.raises(ValueError, match=r".+") as refused:
            connect(**settings)
        told += [str(refused.value), repr(refused.value)]
    told += [*capfd.readouterr(), caplog.text, *(str(each.__dict__) for each in caplog.records)]
    assert len(caplog.records) > 4
    for each in told:
        assert SECRET not in each
        assert wrong not in each


# Disks


@pytest.fixture
def disk(server: Faulty) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder = Path(tempfile.mkdtemp(prefix="loop-disk-", dir=server.folder))
    size = "size=12m,mode=0777"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        shutil.chown(folder, _owner(server))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)


def _owner(server: Faulty) -> int:
    return int(server._identity().get("user", 0))


@pytest.fixture
def small(server: Faulty, url: str, disk: Path) -> Iterator[None]:
    """While the tables that are made are on a small disk."""
    if isinstance(server, FaultyPostgresql):
        server.run(
            f"CREATE TABLESPACE small LOCATION '{disk}'",
            f"GRANT CREATE ON TABLESPACE small TO {USER}",
            f"ALTER ROLE {USER} SET default_tablespace = small",
        )
        yield
        server.run(
            f"ALTER ROLE {USER} RESET default_tablespace",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            "DROP TABLESPACE small",
        )
    else:
        folder = server.folder / "data" / DATABASE
        shutil.move(folder, disk)
        folder.symlink_to(disk / DATABASE)
        yield
        server.run(f"DROP DATABASE {DATABASE}")


@pytest.mark.usefixtures("small")
def test_a_full_disk_is_503_and_what_is_there_is_read(
    source: DataSource, client: FlaskClient
) -> None:
    papers = source.create_model("paper", {"text": {"type": str}})
    source.auto_update()
    app = app_of(papers)
    # Of values that are kept apart from their rows a full disk makes this MariaDB end itself.
    text = "".join(uuid4().hex for _ in range(200))
    many = [{"text": text}] * 100
    kept = 0
    for _ in range(100):
        answer = app.test_client().post("/api/papers", json=many)
        if answer.status_code != 200:
            break
        kept += 100
    assert kept
    assert is_unavailable(answer), answer.text
    assert is_unavailable(app.test_client().post("/api/papers", json=many))
    assert app.test_client().get("/api/papers/count").json == {"count": kept}
    papers.destroy_all()
    assert in_use(source) == 0


@pytest.fixture
def reading_only(server: Faulty) -> Iterator[Callable[[], None]]:
    """A function that lets the server refuse what writes, until the test ends."""
    if server.connector == "mysql":
        on, off = "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"
    else:
        on = f"ALTER ROLE {USER} SET default_transaction_read_only = on"
        off = f"ALTER ROLE {USER} RESET default_transaction_read_only"
    yield lambda: server.run(on) and None
    server.run(off)


def test_a_server_that_only_reads_is_503_to_those_who_write(
    source: DataSource, client: FlaskClient, reading_only: Callable[[], None]
) -> None:
    assert client.post("/api/parcels", json={"label": "a"}).status_code == 200
    reading_only()
    source.close()
    writes = [
        client.post("/api/parcels", json={"label": "b"}),
        client.post("/api/parcels", json=[{"label": "b"}, {"label": "c"}]),
        client.patch("/api/parcels/1", json={"label": "b"}),
        client.delete("/api/parcels/1"),
        client.post("/api/parcels/dozeBetween?seconds=0"),
    ]
    assert [is_unavailable(each) for each in writes] == [True] * 5
    assert [each["label"] for each in client.get("/api/parcels").json or ()] == ["a"]
    assert source.is_actual()
    assert in_use(source) == 0


# Others that write


@pytest.fixture
def meeting(source: DataSource, parcels: Any) -> Callable[..., None]:
    """A function that changes two records, and meets another one that does between the two."""
    barrier = threading.Barrier(2)
    parcels.create([{"label": "one", "weight": 0}, {"label": "two", "weight": 0}])

    def change(first: int, then: int, *, runs: list[int]) -> None:
        runs.append(1)
        parcels.update_all({"id": first}, {"weight": 1})
        if len(runs) == 1:
            barrier.wait(PATIENCE)
        parcels.update_all({"id": then}, {"weight": 1})

    return change


def test_of_two_that_wait_for_each_other_one_is_409(
    source: DataSource, parcels: Any, meeting: Callable[..., None]
) -> None:
    def cross(first: int, then: int) -> None:
        meeting(first, then, runs=[])

    ids = [{"arg": "first", "type": "number"}, {"arg": "then", "type": "number"}]
    parcels.remote_method("cross", staticmethod(cross), accepts=ids, transaction=True)
    app = app_of(parcels)

    def call(first: int, then: int) -> TestResponse:
        return app.test_client().post(f"/api/parcels/cross?first={first}&then={then}")

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(call, (1, 2), (2, 1)))
    assert sorted(each.status_code for each in answers) == [204, 409]
    conflict = max(answers, key=lambda each: each.status_code)
    assert conflict.headers["Retry-After"] == "1"
    assert conflict.json is not None
    assert conflict.json["error"]["code"] == "TRANSACTION_CONFLICT"
    assert [each.weight for each in parcels.find()] == [1, 1]
    assert in_use(source) == 0


def test_of_two_that_wait_for_each_other_one_is_run_again_where_it_may_be(
    source: DataSource, parcels: Any, meeting: Callable[..., None]
) -> None:
    runs: list[list[int]] = [[], []]

    def call(first: int, then: int, own: list[int]) -> None:
        source.in_transaction(lambda: meeting(first, then, runs=own))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, (1, 2), (2, 1), runs))
    assert 3 <= sum(map(len, runs)) <= 1 + 4
    assert [each.weight for each in parcels.find()] == [1, 1]
    assert in_use(source) == 0


def test_two_that_read_what_the_other_writes_are_as_one_after_the_other(
    source: DataSource, parcels: Any
) -> None:
    barrier = threading.Barrier(2)
    runs: list[list[int]] = [[], []]

    def add(own: list[int]) -> None:
        own.append(1)
        count = parcels.count()
        if len(own) == 1:
            barrier.wait(PATIENCE)
        parcels.create(label="a", weight=count)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda own: source.in_transaction(add, own), runs))
    assert sorted(each.weight for each in parcels.find()) == [0, 1]
    assert sum(map(len, runs)) <= 1 + 4
    assert in_use(source) == 0


def test_what_is_never_done_without_a_conflict_is_given_up(
    server: Faulty, source: DataSource, parcels: Any, client: FlaskClient
) -> None:
    parcels.create(label="a")
    server.run(*server.conflict)
    began = monotonic()
    answer = client.patch("/api/parcels/1", json={"weight": 1})
    assert monotonic() - began < SOON
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    ((attempts,),) = server.run(server.attempts)
    assert attempts == ATTEMPTS
    with pytest.raises(TransactionConflict):
        source.in_transaction(parcels.update_all, {}, {"weight": 1}, retries=2)
    ((attempts,),) = server.run(server.attempts)
    assert attempts == ATTEMPTS + 3
    assert in_use(source) == 0


def test_a_lock_that_is_waited_for_too_long_is_503(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    source = connect(connect_args=server.short_wait)
    parcels = make_parcels(source)
    client = app_of(parcels).test_client()
    parcels.create(label="a")
    with server.admin.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql(server.lock)
        began = monotonic()
        answer = client.patch("/api/parcels/1", json={"weight": 1})
        took = monotonic() - began
        other.exec_driver_sql("ROLLBACK")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert 0.2 < took < SOON
    assert client.patch("/api/parcels/1", json={"weight": 1}).status_code == 200
    assert in_use(source) == 0


def test_what_follows_in_a_transaction_that_a_wait_has_ended_is_not_kept(
    server: Faulty, connect: Callable[..., DataSource]
) -> None:
    if isinstance(server, FaultyMysql):
        server.extra = ("--innodb-rollback-on-timeout=ON",)
        server.restart()
    source = connect(connect_args=server.short_wait, isolation="read committed")
    parcels = make_parcels(source)
    parcels.create(label="a")

    def go_on() -> None:
        with source.transaction():
            parcels.create(label="before")
            with suppress(Unavailable):
                parcels.update_all({"id": 1}, {"weight": 1})
            parcels.create(label="after")

    with server.admin.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("UPDATE parcel SET weight = 2 WHERE id = 1")
        if server.connector == "mysql":
            with pytest.raises(Unavailable, match="has ended the transaction"):
                go_on()
        else:
            go_on()
        other.exec_driver_sql("ROLLBACK")
    whole = [] if server.connector == "mysql" else ["after", "before"]
    assert sorted(each.label for each in parcels.find()) == ["a", *whole]
    assert in_use(source) == 0


# Tables that change


def test_a_column_of_another_type_is_read_by_apps_that_run(
    server: Faulty, source: DataSource, client: FlaskClient
) -> None:
    for number in range(10):  # some drivers prepare what they are asked for often
        label = f"{number}"
        assert client.post("/api/parcels", json={"label": label}).status_code == 200
        assert len(client.get("/api/parcels").json or ()) == number + 1
    with source.transaction():
        source.execute("SELECT 1 AS one")
    server.run(server.shorten)
    assert len(client.get("/api/parcels").json or ()) == 10
    assert client.post("/api/parcels", json={"label": "more", "weight": 5}).status_code == 200
    assert client.get("/api/parcels/11").status_code == 200
    assert in_use(source) == 0


# Clients that go away


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], int]]:
    """A function that serves an app on a port."""
    with ExitStack() as afterwards:

        def serve(app: Flask) -> int:
            return int(afterwards.enter_context(served(app, threads=4)).rpartition(":")[2])

        yield serve


@contextmanager
def asked(port: int, line: str) -> Iterator[socket.socket]:
    """A connection that has asked; it is reset, not closed in good order."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sendall(f"{line} HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n".encode())
        yield client


def test_a_client_that_leaves_a_stream_leaves_no_transaction(
    server: Faulty, source: DataSource, parcels: Any, serve: Callable[[Flask], int]
) -> None:
    ended = []

    def labels() -> Iterator[dict[str, str]]:
        try:
            with source.transaction():
                parcels.create(label="given out")
                for _ in range(100_000):
                    for each in parcels.find(limit=1):
                        yield {"label": each.label * 100}
        finally:
            ended.append(1)

    parcels.remote_method("labels", staticmethod(labels), http={"verb": "get"})
    port = serve(app_of(parcels))
    for _ in range(3):
        with asked(port, "GET /api/parcels/labels") as client:
            assert client.recv(10_000).startswith(b"HTTP/1.1 200")
    until(lambda: len(ended) == 3, "the streams end")
    until(lambda: in_use(source) == 0, "the connections come back")
    assert parcels.count() == 0
    until(lambda: not server.running(), "no statement runs")


def test_a_client_that_leaves_a_list_leaves_no_connection(
    source: DataSource, parcels: Any, serve: Callable[[Flask], int]
) -> None:
    parcels.create([{"label": "x" * 100}] * 1000)
    port = serve(app_of(parcels))
    for _ in range(5):
        with asked(port, "GET /api/parcels") as client:
            client.recv(100)
    until(lambda: in_use(source) == 0, "the connections come back")
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", "/api/parcels/count")
        assert connection.getresponse().read() == b'{"count":1000}'


def test_a_client_that_leaves_in_a_transaction_does_not_end_it(
    source: DataSource, parcels: Any, serve: Callable[[Flask], int]
) -> None:
    is_in, is_alone = threading.Event(), threading.Event()

    def write_alone() -> None:
        parcels.create(label="before")
        is_in.set()
        is_alone.wait(PATIENCE)
        parcels.create(label="after")

    parcels.remote_method("writeAlone", staticmethod(write_alone), transaction=True)
    port = serve(app_of(parcels))
    with asked(port, "POST /api/parcels/writeAlone"):
        assert is_in.wait(PATIENCE)
    is_alone.set()
    until(lambda: parcels.count() == 2, "the transaction ends")
    until(lambda: in_use(source) == 0, "the connections come back")


# Processes


FORKS = """
import os, sys
from contextlib import nullcontext
from flask_loop import create_data_source

source = create_data_source(connector=sys.argv[1], url=sys.argv[2])
own_id = sys.argv[3]
parcels = source.create_model("parcel", {"label": {"type": str, "max_length": 100}})
source.auto_update()
session = lambda: source.execute(own_id)[0]["id"]
before = session()
children = []
for number in range(2):
    reading, writing = os.pipe()
    with source.transaction() if number else nullcontext():
        parcels.create(label=f"parent {number}")
        child = os.fork()
        if child:
            inside = session()
    if not child:
        for _ in range(20):
            parcels.create(label=f"child {number}")
        os.write(writing, str(session()).encode())
        sys.exit()
    for _ in range(20):
        parcels.create(label=f"parent {number}")
    assert inside == session() == before, "the parent has its connection"
    os.close(writing)
    children.append(int(os.read(reading, 100)))
    assert os.waitpid(child, 0)[1] == 0
    assert session() == before, "a child that ends leaves the parent's connection"
assert len({before, *children}) == 3, (before, children)
print(parcels.count(), source.connector.session.in_use)
source.close()
"""


def test_a_forked_process_has_connections_of_its_own(server: Faulty, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, server.connector, url, server.own_id],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(2 * (20 + 20 + 1)), "0"]
    until(lambda: server.sessions() == [], "all connections are closed")
