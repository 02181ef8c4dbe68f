"""Replicas: reads outside of transactions are answered by copies of the database."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_loop import DataSource, Loop, create_data_source
from flask_loop.connectors.sql import replicas as module
from flask_loop.errors import DefinitionError, Unavailable
from tests.servers import Server

PROPERTIES = {"name": {"type": str, "max_length": 20}, "value": int}


class Place:
    """A database, whose one record says which it is."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.source = create_data_source(connector=sa.make_url(url).get_backend_name(), url=url)
        self.things = self.source.create_model("replicated", PROPERTIES)
        self.source.auto_update()
        self.things.create(name=name)


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest, get_server: Callable[[str], Server]) -> Server:
    return get_server(request.param)


@pytest.fixture
def places(server: Server) -> Iterator[tuple[Place, Place]]:
    """Two databases: they are no copies, so that it is seen which one answers."""
    made = Place(server.fresh("test"), "primary"), Place(server.fresh("replica"), "replica")
    yield made
    for place in made:
        place.source.close()


@pytest.fixture
def connect(places: tuple[Place, Place]) -> Iterator[Callable[..., DataSource]]:
    sources = []

    def connect(*replicas: Any, **settings: Any) -> DataSource:
        primary = places[0]
        name = primary.source.connector.name
        given = {"url": primary.url, "replicas": list(replicas), **settings}
        sources.append(create_data_source(connector=name, **given))
        return sources[-1]

    yield connect
    for source in sources:
        source.close()


def served(things: Any) -> str:
    return things.find()[0].name


def test_reads_are_served_by_a_replica(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    things = connect(places[1].url).create_model("replicated", PROPERTIES)
    assert served(things) == "replica"
    assert things.find_by_id(1).name == "replica"
    assert things.find_one(where={"id": {"inq": [1]}}).name == "replica"
    assert things.count({"name": "replica"}) == 1
    assert [each.name for each in things.find_by_ids([1])] == ["replica"]


def test_writes_are_the_primarys(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    source = connect(places[1].url)
    things = source.create_model("replicated", PROPERTIES)
    things.create(id=7, name="new")
    things.create(name="made")
    things.update_all({"name": "primary"}, {"value": 5})
    things.find_by_id(1).patch_attributes(value=6)
    assert [(each.name, each.value) for each in places[0].things.find(order="id")] == [
        ("primary", 6),
        ("new", None),
        ("made", None),
    ]
    assert [each.name for each in places[1].things.find()] == ["replica"]
    assert source.execute("SELECT name FROM replicated WHERE id = 1") == [{"name": "primary"}]
    source.ping()


def test_a_transaction_reads_what_it_wrote(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    source = connect(places[1].url)
    things = source.create_model("replicated", PROPERTIES)
    with source.transaction():
        things.create(name="new")
        assert [each.name for each in things.find(order="id")] == ["primary", "new"]
    assert served(things) == "replica"


def test_a_block_reads_from_the_primary(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    source = connect(places[1].url)
    things = source.create_model("replicated", PROPERTIES)
    with source.primary():
        assert served(things) == "primary"
        with source.primary():
            assert things.count({"name": "primary"}) == 1
        assert served(things) == "primary"
    assert served(things) == "replica"


def test_a_source_without_replicas_has_the_block_too(places: tuple[Place, Place]) -> None:
    with places[0].source.primary():
        assert served(places[0].things) == "primary"


def test_replicas_take_turns(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    things = connect(places[1].url, places[0].url).create_model("replicated", PROPERTIES)
    assert {served(things) for _ in range(60)} == {"primary", "replica"}


def test_a_replica_says_what_differs(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    url = sa.make_url(places[1].url)
    for replica in ({"database": url.database}, {"db": url.database, "pool_size": 1}):
        assert served(connect(replica).create_model("replicated", PROPERTIES)) == "replica"
    without_user = url._replace(username=None, password=None).render_as_string()
    source = connect(without_user, username=url.username, password=url.password)
    assert served(source.create_model("replicated", PROPERTIES)) == "replica"


class Gate:
    """A way to a server, which can be closed and opened again."""

    def __init__(self, url: str) -> None:
        there = sa.make_url(url)
        self._server = (there.host, there.port)
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = there.set(host="127.0.0.1", port=self.port).render_as_string(False)
        self.is_open, self.knocks = True, 0
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self.knocks += 1
                if not self.is_open:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._connections += [client, server]
                Thread(target=self._join, args=(client, server), daemon=True).start()

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        # A socket that another thread uses may not be closed: its number is soon another's.
        with client, server:
            answers = Thread(target=self._pass_on, args=(server, client), daemon=True)
            answers.start()
            self._pass_on(client, server)
            answers.join()

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        self.is_open = False
        while self._connections:
            with suppress(OSError):
                self._connections.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def gate(places: tuple[Place, Place]) -> Iterator[Gate]:
    """A way to the second place."""
    gate = Gate(places[1].url)
    yield gate
    gate.close()


def test_a_replica_that_goes_down_is_left_out_until_it_is_back(
    connect: Callable[..., DataSource], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: monotonic() + now[0])
    things = connect(gate.url).create_model("replicated", PROPERTIES)
    assert served(things) == "replica"
    gate.shut()
    knocks = gate.knocks
    assert [served(things) for _ in range(5)] == ["primary"] * 5
    tried = gate.knocks - knocks
    assert 1 <= tried <= 4
    gate.is_open = True
    assert served(things) == "primary"
    now[0] += module.REST_SECONDS + 1
    monkeypatch.setattr("flask_loop.connectors.sql.session.monotonic", lambda: monotonic() + now[0])
    assert served(things) == "replica"
    gate.shut()
    assert served(things) == "primary"


def test_a_replica_that_was_never_up_is_left_out(
    connect: Callable[..., DataSource], gate: Gate
) -> None:
    gate.shut()
    things = connect(gate.url, connect_timeout=1).create_model("replicated", PROPERTIES)
    assert [served(things) for _ in range(5)] == ["primary"] * 5
    assert things.create(name="new").name == "new"


def test_a_query_that_takes_too_long_is_not_asked_again(postgresql: Server) -> None:
    primary = Place(postgresql.fresh("test"), "primary")
    replica = Place(postgresql.fresh("replica"), "replica")
    replica.source.execute("ALTER TABLE replicated RENAME TO hidden")
    replica.source.execute("CREATE VIEW replicated AS SELECT hidden.* FROM hidden, pg_sleep(20)")
    source = create_data_source(
        connector="postgresql", url=primary.url, replicas=[replica.url], statement_timeout=0.5
    )
    things = source.create_model("replicated", PROPERTIES)
    with pytest.raises(Unavailable, match="took too long"):
        things.find()
    with source.primary():
        assert served(things) == "primary"
    for each in (source, primary.source, replica.source):
        each.close()


def test_where_all_are_down_clients_may_come_again(
    connect: Callable[..., DataSource], gate: Gate
) -> None:
    gate.shut()
    url = sa.make_url(gate.url)
    source = create_data_source(
        connector=url.get_backend_name(), url=gate.url, replicas=[gate.url], connect_timeout=1
    )
    app = Flask("shop")
    Loop(app).model(source.create_model("replicated", PROPERTIES))
    answer = app.test_client().get("/replicateds")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    source.close()


def test_requests_that_write_read_from_the_primary(
    connect: Callable[..., DataSource], places: tuple[Place, Place]
) -> None:
    things = connect(places[1].url).create_model("replicated", PROPERTIES)
    read: list[tuple[str, str]] = []

    @things.after_remote("**")
    def look(ctx: Any, thing: Any) -> None:
        read.append((ctx.req.method, served(things)))

    @things.remote_method("look", http=[{"verb": "post"}])
    def look_around(cls: Any) -> str:
        return served(cls)

    app = Flask("shop")
    app.testing = True
    Loop(app).model(things)
    client = app.test_client()
    assert client.get("/replicateds/1").json["name"] == "replica"
    assert client.patch("/replicateds/1", json={"value": 1}).json["name"] == "primary"
    assert client.post("/replicateds/look").json == "primary"
    assert read == [("GET", "replica"), ("PATCH", "primary"), ("POST", "primary")]


@pytest.mark.parametrize(
    ("replicas", "problem"),
    [
        ("postgresql://host/db", "replicas is a list of URLs or dicts"),
        ([5], r"replicas\[0\]: a replica is a URL or a dict, not int"),
        ([{"url": "x"}, {"hots": "y"}], r"replicas\[0\]: the url of the postgresql data source"),
        ([{"hots": "y"}], r"replicas\[0\]: .* no setting 'hots'; did you mean 'host'"),
        ([{"replicas": []}], r"replicas\[0\]: a replica has no replicas of its own"),
    ],
    ids=str,
)
def test_a_setting_that_means_nothing_is_named(replicas: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        create_data_source(
            connector="postgresql", url="postgresql://u:p@127.0.0.1/db", replicas=replicas
        )


def test_no_password_is_told(get_server: Callable[[str], Server]) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_data_source(
            connector="postgresql",
            url="postgresql://u:secret1@127.0.0.1/db",
            replicas=[{"url": "::secret2::"}],
        )
    assert "secret" not in str(caught.value)
