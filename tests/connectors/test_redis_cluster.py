"""Redis Cluster: parts of the contract on three servers that share the slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
from flask import Flask

from flask_loop import DataSource, GeoPoint, Loop, create_data_source, memory
from flask_loop.accounts.tokens import digest_of
from flask_loop.auth import User
from flask_loop.errors import Unavailable, ValidationError
from flask_loop.testing import (
    IdContract,
    PlaceContract,
    TransactionContract,
    UniquenessContract,
)
from tests.servers import Missing, Redis
from tests.servers.base import LOOPBACK, free_port
from tests.test_shared_sessions import FAST, PASSWORD, Process, forget_row

#: The slots of each server.
SHARES = ((0, 5460), (5461, 10922), (10923, 16383))
#: The most seconds that the servers may take to know of each other.
PATIENCE = 30


class ClusterNode(Redis):
    """A server that is a part of a cluster."""

    def _prepare(self) -> None:
        self.bus = free_port()

    def _command(self) -> Sequence[str | Path]:
        return [
            *super()._command(),
            *("--cluster-enabled", "yes", "--cluster-port", str(self.bus)),
            *("--cluster-announce-ip", LOOPBACK, "--databases", "1"),
        ]


@pytest.fixture(scope="module")
def nodes(worker_id: str) -> Iterator[list[ClusterNode]]:
    """Three servers, each with a third of the slots."""
    with ExitStack() as afterwards:
        nodes = [ClusterNode(f"{worker_id}-cluster-{place}") for place in range(len(SHARES))]
        if not nodes[0].is_own:
            pytest.skip("the server that is named is not ours to put into a cluster")
        for node in nodes:
            afterwards.callback(node.remove)
            node.password = nodes[0].password
            try:
                node.start()
            except Missing as missing:
                pytest.skip(str(missing))
        _introduce(nodes)
        yield nodes


def _introduce(nodes: Sequence[ClusterNode]) -> None:
    with ExitStack() as afterwards:
        clients = [
            afterwards.enter_context(
                redis_py.Redis(port=node.port, password=node.password, decode_responses=True)
            )
            for node in nodes
        ]
        for client, share in zip(clients, SHARES, strict=True):
            client.execute_command("CLUSTER ADDSLOTSRANGE", *share)
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER MEET", LOOPBACK, node.port, node.bus)
        end = monotonic() + PATIENCE
        for client in clients:
            while (
                f"cluster_known_nodes:{len(nodes)}" not in (info := _info(client))
                or "cluster_state:ok" not in info
            ):
                assert monotonic() < end, info
                sleep(0.05)


def _info(client: Any) -> str:
    info: Any = client.execute_command("CLUSTER INFO")
    return str(info if isinstance(info, str) else [f"{key}:{info[key]}" for key in info])


@pytest.fixture
def source(nodes: list[ClusterNode]) -> Iterator[DataSource]:
    for node in nodes:
        with redis_py.Redis(port=node.port, password=node.password) as client:
            client.flushall()
    source = create_data_source(
        connector="redis",
        url=f"redis://:{nodes[0].password}@{LOOPBACK}:{nodes[0].port}",
        cluster=True,
    )
    yield source
    source.close()


class TestRedisCluster(
    IdContract,
    UniquenessContract,
    TransactionContract,
    PlaceContract,
):
    """What writes, looks up by the indexes, and counts ids."""


def test_models_are_spread_over_the_servers_and_each_is_on_one(
    source: DataSource, nodes: list[ClusterNode]
) -> None:
    names = [f"redis_spread_{n}" for n in range(9)]
    for name in names:
        things = source.create_model(
            name,
            {
                "name": {"type": str, "unique": True},
                "size": {"type": int, "index": True},
                "place": {"type": GeoPoint, "index": True},
            },
            options={"redis": {"ttl": 1000}},
        )
        source.auto_update([things])
        things.create([{"name": str(n), "size": n, "place": GeoPoint(n, n)} for n in range(5)])
        with pytest.raises(ValidationError):
            things.create(name="1")
        assert [each.size for each in things.find(where={"size": {"gt": 1}}, limit=2)] == [2, 3]
        assert len(things.find(where={"place": {"near": GeoPoint(0, 0)}}, limit=2)) == 2
        things.find_by_id(1).patch_attributes(size=9)
        assert things.destroy_all({"name": {"inq": ["3", "4"]}}) == 2
        assert source.is_actual([things])
    places = []
    for node in nodes:
        with redis_py.Redis(
            port=node.port, password=node.password, decode_responses=True
        ) as client:
            places.append({name for name in names if client.keys(f"loop:{{{name}}}*")})
    assert sorted(name for place in places for name in place) == names
    assert sum(map(bool, places)) > 1


def test_no_record_is_lost_while_a_model_moves_to_another_server(
    source: DataSource, nodes: list[ClusterNode]
) -> None:
    things = source.create_model(
        "redis_moved", {"name": {"type": str, "unique": True}, "size": {"type": int, "index": True}}
    )
    things.create([{"name": str(n), "size": n} for n in range(1, 6)])
    with ExitStack() as afterwards:
        clients = [
            afterwards.enter_context(
                redis_py.Redis(port=node.port, password=node.password, decode_responses=True)
            )
            for node in nodes
        ]
        names = [client.execute_command("CLUSTER MYID") for client in clients]
        slot = int(clients[0].execute_command("CLUSTER KEYSLOT", "loop:{redis_moved}"))
        place = next(n for n, (first, last) in enumerate(SHARES) if first <= slot <= last)
        other = (place + 1) % len(nodes)

        def move(count: int) -> None:
            keys = clients[place].execute_command("CLUSTER GETKEYSINSLOT", slot, count)
            clients[place].execute_command(
                "MIGRATE", LOOPBACK, nodes[other].port, "", 0, 5000,
                *("AUTH", nodes[other].password, "KEYS", *keys),
            )  # fmt: skip

        clients[other].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[place])
        clients[place].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[other])
        for count in (4, 100):
            with pytest.raises(Unavailable):
                things.create(name="x", size=9)
            with pytest.raises(Unavailable):
                things.update_all({"size": {"gt": 0}}, {"size": 7})
            with pytest.raises(Unavailable):
                things.count()
            assert [things.find_by_id(id).size for id in range(1, 6)] == [1, 2, 3, 4, 5]
            move(count)
        for client in clients:
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[other])
        try:
            assert [each.size for each in things.find(order="size")] == [1, 2, 3, 4, 5]
            assert things.create(name="x", size=9).id == 6
            assert things.count({"size": {"gt": 4}}) == 2
        finally:
            things.destroy_all()
            source.connector.client.run(  # type: ignore[attr-defined]
                lambda server: server.flushall(target_nodes="primaries")
            )
            for client in clients:
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[place])


def test_any_of_the_servers_that_a_url_names_leads_to_the_cluster(
    source: DataSource, nodes: list[ClusterNode]
) -> None:
    source.create_model("redis_led_to", {"n": int}).create(n=1)
    url = f"redis+cluster://:{nodes[0].password}@{LOOPBACK}:1,{LOOPBACK}:{nodes[2].port}"
    other = create_data_source(url=url)
    try:
        assert other.create_model("redis_led_to", {"n": int}).find_one().n == 1
    finally:
        other.close()


def test_a_source_that_does_not_know_of_the_cluster_says_so_in_the_log(
    source: DataSource, nodes: list[ClusterNode], caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://:{nodes[0].password}@{LOOPBACK}:{nodes[0].port}"
    unaware = create_data_source(connector="redis", url=url)
    try:
        for place in range(9):
            things = unaware.create_model(f"redis_unaware_{place}", {"n": int})
            with suppress(Unavailable):
                things.create(n=1)
    finally:
        unaware.close()
    assert "data sources on it need cluster=True" in caplog.text


# What the processes of an app share


@pytest.fixture(scope="module")
def storage(nodes: list[ClusterNode]) -> str:
    """The cluster as the storage of an app."""
    servers = ",".join(f"{LOOPBACK}:{node.port}" for node in nodes)
    return f"redis+cluster://:{nodes[0].password}@{servers}"


@pytest.fixture(scope="module")
def pair(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Two processes of one app, whose database is beside their logs."""
    folder = tmp_path_factory.mktemp("on_a_cluster")
    database = f"sqlite:///{folder / 'shared.sqlite'}"
    pair = [Process(database, storage, folder / f"{name}.log") for name in ("here", "there")]
    try:
        assert pair[0].ask("POST", "/setup")[0] == 200
        yield pair
    finally:
        for each in pair:
            each.end()


@pytest.fixture
def ann(pair: list[Process], request: pytest.FixtureRequest) -> tuple[int, str, str]:
    """A user who has called both processes: the id, the token and the address."""
    email = f"{abs(hash(request.node.name))}@example.com"
    assert pair[0].ask("POST", "/api/users", body={"email": email, "password": PASSWORD})[0] == 200
    id, token = pair[0].log_in(email)
    assert [each.status(id, token) for each in (*pair, *pair)] == [200] * 4
    return id, token, email


def test_processes_remember_sessions_together_on_a_cluster(
    pair: list[Process], ann: tuple[int, str, str]
) -> None:
    here, there = pair
    id, ended, email = ann
    _, token = here.log_in(email)
    assert here.status(id, token) == 200
    forget_row(here.log.with_name("shared.sqlite"), token)
    assert there.status(id, token) == 200
    assert here.ask("POST", "/api/users/logout", ended)[0] == 204
    assert [each.status(id, ended) for each in (there, here)] == [401, 401]
    assert here.ask("POST", f"/give/{id}")[0] == 200
    assert [each.ask("GET", "/api/notes", token)[0] for each in pair] == [200, 200]
    assert there.ask("POST", f"/take/{id}")[0] == 200
    assert [each.ask("GET", "/api/notes", token)[0] for each in pair] == [401, 401]


def test_processes_count_tries_together_on_a_cluster(pair: list[Process]) -> None:
    body = {"email": "nobody@example.com", "password": "wrong"}
    tried = [each.ask("POST", "/api/users/login", body=body)[0] for each in (*pair, *pair, *pair)]
    assert tried == [401] * 4 + [429] * 2


def test_nobody_is_locked_out_and_nobody_who_is_out_gets_in_while_a_server_is_away(
    pair: list[Process], ann: tuple[int, str, str], nodes: list[ClusterNode]
) -> None:
    here, there = pair
    id, token, email = ann
    _, kept = here.log_in(email)
    assert [each.status(id, kept) for each in pair] == [200, 200]
    digest = digest_of(token).rpartition(":")[2]
    (place,) = [place for place, node in enumerate(nodes) if _keys(node, f"*{digest}")]
    nodes[place].kill()
    assert [each.status(id, kept) for each in pair] == [200, 200]
    assert here.ask("POST", "/api/users/logout", token)[0] == 204
    assert [each.status(id, token) for each in pair] == [401, 401]
    nodes[place].start()
    # It has all again that it had, for longer than the test takes.
    end = monotonic() + PATIENCE
    while not all("can be reached again" in each.log.read_text() for each in pair):
        assert [each.status(id, token) for each in (there, here)] == [401, 401]
        assert [each.status(id, kept) for each in (there, here)] == [200, 200]
        assert monotonic() < end
        sleep(0.1)
    assert [each.status(id, token) for each in (there, here)] == [401, 401]
    _, new = here.log_in(email)
    assert here.status(id, new) == 200
    forget_row(here.log.with_name("shared.sqlite"), new)
    assert there.status(id, new) == 200
    for each in pair:
        assert nodes[0].password not in each.log.read_text()


def test_a_cluster_that_is_not_there_costs_no_login(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = f"redis+cluster://{LOOPBACK}:1,{LOOPBACK}:2"

    class NowhereMember(User):
        class Meta:
            data_source = memory()

    app = Flask("nowhere")
    app.config.update(
        SECRET_KEY="one",
        LOOP_PASSWORD_HASHING=FAST,
        LOOP_SESSION_STORAGE=nowhere,
        LOOP_LIMIT_STORAGE=nowhere,
        LOOP_LOGIN_LIMITS={"account": "2 per hour"},
    )
    Loop(app).model(NowhereMember)
    client = app.test_client()
    assert (
        client.post(
            "/nowhereMembers", json={"email": "ann@example.com", "password": PASSWORD}
        ).status_code
        == 200
    )
    said = {"email": "ann@example.com", "password": PASSWORD}
    answer = client.post("/nowhereMembers/login", json=said)
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json['id']}"}
    assert client.post("/nowhereMembers/logout", headers=headers).status_code == 204
    assert client.get("/nowhereMembers/1", headers=headers).status_code == 401
    wrong = {**said, "password": "wrong"}
    tried = [client.post("/nowhereMembers/login", json=wrong).status_code for _ in range(3)]
    assert tried == [401, 401, 429]
    logged = [each.getMessage() for each in caplog.records]
    assert sum("the storage of sessions cannot be reached" in each for each in logged) == 1
    assert sum("the storage of limits cannot be reached" in each for each in logged) == 1
    assert not any("is of no use" in each for each in logged)
    app.extensions["loop"].shared.close()


def _keys(node: ClusterNode, pattern: str) -> list[bytes]:
    with redis_py.Redis(port=node.port, password=node.password) as client:
        return list(client.scan_iter(pattern))
