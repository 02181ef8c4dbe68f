"""Redis: what is stored, what is looked up, and that both belong together whoever writes."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis as redis_py
from flask import Flask
from flask.testing import FlaskClient
from redis.crc import key_slot

from flask_loop import DataSource, GeoPoint, Loop, create_data_source
from flask_loop.errors import (
    Conflict,
    DefinitionError,
    DuplicateId,
    TooMuchToRead,
    TransactionConflict,
    Unavailable,
    UniqueViolation,
    ValidationError,
)
from tests.servers import Redis

THREADS = 8
ROOT = Path(__file__).parents[2]

Connect = Callable[..., DataSource]


@pytest.fixture
def url(redis: Redis) -> str:
    return redis.fresh("own")


@pytest.fixture
def source(connect: Connect, url: str) -> DataSource:
    return connect("redis", url=url)


@pytest.fixture
def server(url: str) -> Iterator[Any]:
    """A client of redis-py, which sees what is stored."""
    with redis_py.Redis.from_url(url, decode_responses=True) as client:
        yield client


def records_of(model: Any) -> list[dict[str, Any]]:
    return [each.to_record() for each in model.find(order="id")]


def explained(source: DataSource, model: Any, **filter: Any) -> dict[str, Any]:
    found: dict[str, Any] = source.explain(model, filter)
    return found


# Settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"uri": "redis://localhost"}, "no setting 'uri'; did you mean 'url'"),
        ({"url": "http://localhost"}, "begins with redis://, rediss:// or unix://"),
        ({"url": "redis+sentinel://localhost"}, "begins with redis://, rediss:// or unix://"),
        ({"url": "redis+cluster://localhost/1"}, "one database, 0"),
        ({"url": "redis+cluster://localhost", "cluster": False}, "cluster is false"),
        ({"url": "redis+cluster://a:7000,b:port"}, "is not valid: its port is not a number"),
        ({"url": "redis+cluster://a:7000,b:70000"}, "its port is not from 0 to 65535"),
        ({"url": "redis+cluster://a:7000,"}, "names a server without a host"),
        ({"url": "redis://a:7000,b:7001"}, "is not valid: its port is not a number"),
        ({"url": "redis://localhost/one"}, "a database that is no number"),
        ({"url": "redis://localhost:port"}, "is not valid: its port is not a number"),
        ({"url": "redis://localhost?timeout=3"}, "has no 'timeout' in its query; did you mean"),
        ({"port": 0}, "port is a whole number from 1 to 65535, not 0"),
        ({"database": -1}, "database is a whole number from 0"),
        ({"pool_size": 0}, "pool_size is a whole number from 1"),
        ({"socket_timeout": 0}, "socket_timeout is a number of seconds above 0, not 0"),
        ({"ttl": -1}, "ttl is a number of seconds above 0, not -1"),
        ({"cluster": "yes"}, "cluster is true or false"),
        ({"cluster": True, "database": 1}, "one database, 0"),
        ({"prefix": "{a}"}, "prefix is a text without braces"),
        ({"max_scan": 0}, "max_scan"),
        ({"user": "a", "username": "b"}, "'username' is given twice"),
        ({"url": "rediss://localhost", "ssl": False}, "ssl is false"),
        ({"ssl": {"verify": "perhaps"}}, "ssl.verify is one of"),
    ],
)
def test_settings_that_mean_nothing_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(said)):
        create_data_source(connector="redis", **settings)


def test_no_message_shows_the_password(redis: Redis) -> None:
    for url in (
        "redis://u:hunter2@[::1/0",
        "redis://u:hunter2@localhost/x",
        "redis+cluster://u:hunter2@a:1,b:x",
        "redis+cluster://u:hunter2@a:1,",
    ):
        with pytest.raises(DefinitionError) as error:
            create_data_source(connector="redis", url=url)
        assert "hunter2" not in str(error.value)
    source = create_data_source(connector="redis", url="redis://u:hunter2@localhost/1")
    assert "hunter2" not in repr(source.connector.client.settings)  # type: ignore[attr-defined]


def test_parts_of_the_address_come_before_the_url(connect: Connect, redis: Redis) -> None:
    url = redis.fresh("own")
    port = redis_py.connection.parse_url(url)["port"]
    source = connect(
        "redis",
        url="redis://nowhere.invalid:1/0",
        host="127.0.0.1",
        port=port,
        username="default",
        password=redis.password,
    )
    source.ping()


def test_urls_of_redis_name_the_connector() -> None:
    for url in ("redis://localhost", "rediss://localhost"):
        source = create_data_source(url=url)
        assert source.connector.name == "redis"
        client: Any = source.connector.client  # type: ignore[attr-defined]
        assert (client.settings.tls is not None) is url.startswith("rediss")


def test_the_log_says_that_a_server_is_of_no_cluster(
    connect: Connect, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    if not redis.is_own:
        pytest.skip("the server that is named has an address of its own")
    source = connect("redis", url=f"redis+cluster://:{redis.password}@127.0.0.1:{redis.port}")
    with pytest.raises(Unavailable):
        source.ping()
    assert f"the Redis Cluster at 127.0.0.1:{redis.port}/0 is of no use" in caplog.text
    assert redis.password not in caplog.text


def test_a_url_may_name_several_servers_of_a_cluster() -> None:
    for url in ("redis+cluster://u:p%40ss@a:7000,[::1]:7001,c", "rediss+cluster://u:p%40ss@a:7000"):
        source = create_data_source(url=url)
        settings: Any = source.connector.client.settings  # type: ignore[attr-defined]
        address = settings.address
        assert (settings.cluster, address.username, address.password) == (True, "u", "p@ss")
        assert (address.host, address.port) == ("a", 7000)
        is_secret = url.startswith("rediss")
        assert address.others == (() if is_secret else (("::1", 7001), ("c", 6379)))
        assert (settings.tls is not None) is is_secret
        assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"redis": {"collection": "a}b"}}, "has a brace"),
        ({"redis": {"ttl": "nothing"}}, "ttl 'nothing' is no property"),
        ({"redis": {"ttl": "name"}}, "ttl 'name' is no property that is a number"),
        ({"redis": {"ttl": 0}}, "ttl is a number of seconds or the name of a property"),
    ],
)
def test_options_that_mean_nothing_are_named(
    source: DataSource, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(DefinitionError, match=re.escape(said)):
        source.create_model("redis_odd", {"name": str}, options=given).find()


def test_two_properties_never_share_a_field(source: DataSource) -> None:
    things = source.create_model(
        "redis_twins", {"a": str, "b": {"type": str, "options": {"redis": {"field": "a"}}}}
    )
    with pytest.raises(DefinitionError, match="would both be the field 'a'"):
        things.find()


# What is stored


class TestStored:
    def test_a_record_is_a_hash_of_texts(self, source: DataSource, server: Any) -> None:
        things = source.create_model(
            "redis_whole",
            {
                "name": str,
                "total": int,
                "size": "number",
                "price": Decimal,
                "on": bool,
                "at": datetime,
                "day": date,
                "data": bytes,
                "key": UUID,
                "place": GeoPoint,
                "tags": [str],
                "notes": dict,
                "missing": str,
            },
        )
        things.create(
            name="Ä",
            total=2**63 - 1,
            size=1.5,
            price="1.50",
            on=True,
            at="2024-02-29T12:00:00.000001Z",
            day="2024-02-29",
            data=b"\0\xff",
            key=UUID(int=1),
            place=GeoPoint(1.5, -2),
            tags=["a"],
            notes={"$a.b": None},
        )
        assert server.hgetall("loop:{redis_whole}:1") == {
            "id": "1",
            "name": "Ä",
            "total": "9223372036854775807",
            "size": "1.5",
            "price": "1.5",
            "on": "true",
            "at": "2024-02-29T12:00:00.000001Z",
            "day": "2024-02-29",
            "data": "AP8=",
            "key": "00000000-0000-0000-0000-000000000001",
            "place": '{"lat":1.5,"lng":-2.0}',
            "tags": '["a"]',
            "notes": '{"$a.b":null}',
        }

    def test_options_name_the_keys_and_fields(
        self, connect: Connect, url: str, server: Any
    ) -> None:
        source = connect("redis", url=url, prefix="shop/")
        things = source.create_model(
            "redis_named",
            {"unit_price": {"type": int, "options": {"redis": {"columnName": "PRICE"}}}},
            options={"redis": {"collection": "goods"}},
        )
        things.create(unit_price=5)
        assert server.hgetall("shop/{goods}:1") == {"id": "1", "PRICE": "5"}
        assert things.find_one({"where": {"unitPrice": 5}}).unit_price == 5

    def test_two_prefixes_share_nothing(self, connect: Connect, url: str) -> None:
        first, second = (
            connect("redis", url=url, prefix=prefix).create_model("redis_apart", {"n": int})
            for prefix in ("a:", "b:")
        )
        first.create(n=1)
        assert (first.count(), second.count()) == (1, 0)

    def test_undeclared_keys_are_fields_of_their_own(self, source: DataSource, server: Any) -> None:
        things = source.create_model("redis_loose", {"name": str}, strict=False)
        things.create(name="a", extra={"x": 1})
        assert server.hgetall("loop:{redis_loose}:1") == {
            "id": "1",
            "name": "a",
            "+extra": '{"x":1}',
        }
        things.replace_by_id(1, {"name": "b"})
        assert server.hgetall("loop:{redis_loose}:1") == {"id": "1", "name": "b"}

    def test_text_ids_are_made(self, source: DataSource, server: Any) -> None:
        things = source.create_model(
            "redis_hex", {"id": {"type": str, "id": True, "generated": True}}
        )
        made = things.create().id
        assert re.fullmatch(r"[0-9a-f]{32}", made)
        assert server.hgetall(f"loop:{{redis_hex}}:{made}") == {"id": made}

    def test_ids_of_two_properties_never_meet(self, source: DataSource) -> None:
        things = source.create_model(
            "redis_pairs", {"a": {"type": str, "id": 1}, "b": {"type": str, "id": 2}}
        )
        pairs = [("a", "b:c"), ("a:b", "c"), ("", "a:b:c"), ("a", ""), ("", "a")]
        things.create([{"a": a, "b": b} for a, b in pairs])
        assert [(each.a, each.b) for each in things.find()] == sorted(pairs)
        assert all(things.find_by_id(pair) is not None for pair in pairs)

    def test_a_model_without_an_id_keeps_its_records(self, source: DataSource) -> None:
        things = source.create_model("redis_idless", {"n": int}, id_injection=False)
        things.create([{"n": 3}, {}, {"n": 3}])
        assert [each.n for each in things.find(order="n")] == [3, 3, None]
        assert things.update_all({"n": 3}, {"n": 4}) == 2
        assert things.destroy_all({"n": None}) == 1
        assert things.find_or_create({"where": {"n": 4}}, {"n": 4})[1] is False
        assert things.count({"n": 4}) == 2

    def test_no_more_ids_is_a_conflict(self, source: DataSource) -> None:
        things = source.create_model("redis_last", {"name": str})
        things.create(id=2**63 - 1)
        with pytest.raises(Conflict, match="no more ids"):
            things.create(name="one too many")
        assert things.count() == 1


# Keys and slots


@contextmanager
def heard(url: str) -> Iterator[list[str]]:
    """What the server is told in a block, by its MONITOR: the commands of scripts too."""
    commands: list[str] = []
    begun, over = threading.Event(), threading.Event()
    last = f"ECHO {uuid4()}"

    def listen() -> None:
        with redis_py.Redis.from_url(url) as client, client.monitor() as monitor:
            begun.set()
            for each in monitor.listen():
                if each["command"] == last:
                    break
                commands.append(each["command"])
        over.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert begun.wait(20)
    yield commands
    with redis_py.Redis.from_url(url) as client:
        client.execute_command(*last.split())
    assert over.wait(20)
    thread.join()


def do_everything(things: Any) -> None:
    things.create([{"name": f"n{n}", "size": n, "place": GeoPoint(n, n)} for n in range(5)])
    things.find(where={"name": "n1", "size": {"gt": 0}}, order="size DESC", limit=2)
    things.find(where={"place": {"near": GeoPoint(0, 0), "maxDistance": 500}})
    things.find(where={"or": [{"name": "n1"}, {"size": 2}]})
    things.count({"name": {"like": "n%"}})
    things.find_by_id(1).patch_attributes(size=9)
    things.update_all({"size": 9}, {"name": "n9"})
    things.replace_by_id(2, {"name": "n2b"})
    things.find_or_create({"where": {"name": "new"}}, {"name": "new"})
    things.destroy_all({"size": {"gte": 3}})


PROPERTIES: dict[str, Any] = {
    "name": {"type": str, "unique": True},
    "size": {"type": int, "index": True},
    "place": {"type": GeoPoint, "index": True},
}


def test_all_keys_of_a_model_are_in_one_slot(source: DataSource, url: str, server: Any) -> None:
    things = source.create_model("redis_slots", PROPERTIES, options={"redis": {"ttl": 1000}})
    source.auto_update()
    server.script_flush()
    with heard(url) as commands:
        do_everything(things)
    tag = "loop:{redis_slots}"
    told = ("EVAL", "SCRIPT", "HELLO", "AUTH")
    inner = [each.split() for each in commands if not each.startswith(told)]
    keys = {each[1] for each in inner if len(each) > 1 and each[0] not in ("CLIENT", "SELECT")}
    assert len(keys) > 8
    assert {each for each in keys if not each.startswith(tag)} == set()
    assert {key_slot(each.encode()) for each in server.keys("*")} == {key_slot(tag.encode())}


def test_nothing_looks_at_all_keys_or_all_records(
    source: DataSource, url: str, server: Any
) -> None:
    things = source.create_model("redis_many", PROPERTIES)
    things.create(
        [
            {"name": f"name {n:04}", "size": n % 100, "place": GeoPoint(n / 20, 0)}
            for n in range(1000)
        ]
    )
    queries: list[tuple[dict[str, Any], int]] = [
        ({"where": {"name": "name 0500"}}, 1),
        ({"where": {"name": {"inq": ["name 0001", "name 0002", "nobody"]}}}, 2),
        ({"where": {"size": 7}}, 10),
        ({"where": {"size": {"between": [98, 99]}}}, 20),
        ({"where": {"size": {"gt": 97}}, "order": "size DESC", "limit": 5}, 5),
        ({"where": {"name": {"like": "name 001%"}}}, 10),
        ({"order": "size", "limit": 10, "skip": 500}, 10),
        ({"order": "name DESC", "limit": 10}, 10),
        ({"order": "id DESC", "limit": 3, "skip": 3}, 3),
        ({"where": {"size": 7, "id": {"lte": 108}}}, 2),
        ({"where": {"or": [{"size": 7}, {"name": "name 0008"}]}}, 11),
        ({"where": {"place": {"near": GeoPoint(0, 0)}}, "limit": 4}, 4),
        ({"where": {"id": {"inq": [5, 6, 5000]}}}, 2),
    ]
    for filter, found in queries:
        with heard(url) as commands:
            assert len(things.find(filter)) == found, filter
        names = [each.split()[0].upper() for each in commands]
        assert "SCAN" not in names
        assert "KEYS" not in names
        assert "HGETALL" not in names
        assert names.count("HMGET") <= found + 1, filter


def test_counts_on_one_index_read_no_record(source: DataSource, url: str) -> None:
    things = source.create_model("redis_counted", {"size": {"type": int, "index": True}})
    things.create([{"size": n % 10} for n in range(100)])
    for where, found in (
        ({}, 100),
        ({"size": 3}, 10),
        ({"size": {"neq": 3}}, 90),
        ({"size": {"nin": [1, 2]}}, 80),
        ({"size": None}, 0),
        ({"id": {"gt": 40}}, 60),
    ):
        with heard(url) as commands:
            assert things.count(where) == found
        assert not [each for each in commands if "redis_counted}:" in each]


class TestExplain:
    @pytest.fixture
    def things(self, source: DataSource) -> Any:
        things = source.create_model(
            "redis_told",
            {**PROPERTIES, "note": str, "kind": str, "rank": int},
            indexes={"both": {"keys": ["kind", "rank"]}},
        )
        things.create(
            [{"name": str(n), "size": n % 5, "kind": "ab"[n % 2], "rank": n} for n in range(50)]
        )
        return things

    def test_it_names_the_indexes_and_what_they_lead_to(
        self, source: DataSource, things: Any
    ) -> None:
        found = explained(source, things, where={"size": 3}, limit=5)
        assert found["connector"] == "redis"
        assert found["backend"]["indexes"] == ["size:number"]
        assert found["backend"]["candidates"] == 10
        assert found["backend"]["ordered"] is True
        assert found["python"] == {"where": [], "order": False}

    def test_an_index_of_several_properties_answers_with_its_order(
        self, source: DataSource, things: Any
    ) -> None:
        found = explained(source, things, where={"kind": "a"}, order="rank", limit=3)
        assert found["backend"]["indexes"] == ["kind:text,rank:number"]
        assert found["backend"]["ordered"] is True
        assert [
            each.rank for each in things.find(where={"kind": "a"}, order="rank DESC", limit=2)
        ] == [
            48,
            46,
        ]
        exact = explained(source, things, where={"kind": "a", "rank": {"lt": 10}})
        assert exact["backend"]["candidates"] == 5

    def test_it_says_what_python_looks_at(self, source: DataSource, things: Any) -> None:
        found = explained(source, things, where={"size": 3, "note": "x"}, order="note")
        assert found["backend"]["candidates"] == 10
        assert found["python"] == {"where": ["note eq"], "order": True}
        found = explained(source, things, where={"note": "x"})
        assert found["backend"]["lookup"] is None
        assert found["backend"]["candidates"] == 50

    def test_what_cannot_be_looks_nothing_up(self, source: DataSource, things: Any) -> None:
        found = explained(source, things, where={"size": {"inq": []}})
        assert found["backend"]["candidates"] == 0


# How much is read


def test_too_much_to_read_is_an_error_and_never_a_part(connect: Connect, url: str) -> None:
    source = connect("redis", url=url, max_scan=20)
    things = source.create_model("redis_bounded", {"n": {"type": int, "index": True}, "note": str})
    things.create([{"n": n, "note": str(n)} for n in range(30)])
    assert len(things.find()) == 30
    assert len(things.find(order="n DESC")) == 30
    assert things.count({"n": {"gt": 4}}) == 25
    assert [each.note for each in things.find(where={"note": "3"}, limit=1)] == ["3"]
    assert [each.n for each in things.find(where={"n": {"lt": 10}, "note": "3"})] == [3]
    for read in (
        lambda: things.find(where={"note": "3"}),
        lambda: things.find(order="note", limit=1),
        lambda: things.count({"note": "3"}),
        lambda: things.update_all({"note": "3"}, {"n": 1}),
        lambda: things.destroy_all({"note": "3"}),
    ):
        with pytest.raises(TooMuchToRead):
            read()
    assert things.count() == 30


# Who writes at once


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(actions))

    def act(action: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return action()
        except (ValidationError, DuplicateId, UniqueViolation) as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(act, actions))


UNIQUE = """
    import sys
    from flask_loop import create_data_source
    from flask_loop.errors import ValidationError

    source = create_data_source(connector="redis", url=sys.argv[1])
    things = source.create_model("redis_unique", {"name": {"type": str, "unique": True}})
    made = 0
    for number in range(100):
        try:
            things.create(name=f"n{number}")
            made += 1
        except ValidationError:
            pass
    print(made)
    source.close()
"""


def test_a_unique_value_is_given_once_to_threads_and_processes(
    source: DataSource, url: str
) -> None:
    things = source.create_model("redis_unique", {"name": {"type": str, "unique": True}})
    source.auto_update()
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", dedent(UNIQUE), url],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]

    def create(start: int) -> int:
        made = 0
        for number in range(start, start + 100):
            try:
                things.create(name=f"n{number % 100}")
                made += 1
            except ValidationError:
                pass
        return made

    made = at_once(*(lambda start=start: create(start) for start in range(0, 100, 25)))
    made += [int(program.communicate(timeout=60)[0]) for program in programs]
    assert sum(made) == things.count() == 100
    assert sorted(each.name for each in things.find()) == sorted(f"n{n}" for n in range(100))


def test_changes_that_match_what_others_change_are_not_lost(source: DataSource) -> None:
    things = source.create_model("redis_steps", {"n": int})
    things.create(id=1, n=0)

    def step() -> int:
        return sum(things.update_all({"n": n}, {"n": n + 1}) for n in range(100))

    assert sum(at_once(*[step] * THREADS)) == things.find_by_id(1).n
    assert things.find_by_id(1).n == 100


def test_what_was_changed_meanwhile_is_not_deleted(source: DataSource) -> None:
    things = source.create_model("redis_doomed", {"state": str})
    things.create([{"state": "old"} for _ in range(200)])
    saved, deleted = at_once(
        lambda: sum(
            things.update_all({"id": n, "state": "old"}, {"state": "new"}) for n in range(1, 201)
        ),
        lambda: sum(
            things.destroy_all({"state": "old", "id": {"gt": n}}) for n in range(190, -1, -10)
        ),
    )
    assert saved + deleted == 200
    assert things.count() == things.count({"state": "new"}) == saved


def test_a_unique_value_may_move_in_one_change(source: DataSource) -> None:
    things = source.create_model("redis_swapped", {"a": {"type": int, "unique": True}, "b": int})
    things.create([{"a": 1}, {"a": 2}])
    with pytest.raises(ValidationError):
        things.update_all({}, {"a": 3})
    with pytest.raises(ValidationError):
        things.update_all({"id": 1}, {"a": 2})
    assert things.update_all({"id": 1}, {"a": 1}) == 1
    assert things.update_all({"id": 2}, {"a": None}) == 1
    assert things.update_all({"id": 1}, {"a": 2}) == 1
    assert [each.a for each in things.find()] == [2, None]


# Blocks


def test_undoing_leaves_alone_what_others_wrote(source: DataSource) -> None:
    things = source.create_model(
        "redis_undone",
        {"a": int, "b": {"type": int, "index": True}, "u": {"type": int, "unique": True}},
    )
    things.create([{"a": 1, "b": 1, "u": n} for n in range(4)])
    other = threading.Thread(
        target=lambda: (
            things.update_all({"id": 1}, {"b": 7}),
            things.update_all({"id": 2}, {"a": 7}),
        )
    )
    with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
        things.update_all({"id": {"lte": 2}}, {"b": 5})
        things.destroy_by_id(3)
        things.create(id=9, a=9, b=9, u=9)
        other.start()
        other.join()
        raise KeyError
    assert [(each.id, each.a, each.b, each.u) for each in things.find()] == [
        (1, 1, 7, 0),
        (2, 7, 1, 1),
        (3, 1, 1, 2),
        (4, 1, 1, 3),
    ]
    assert things.count({"b": 1}) == 3
    assert_consistent(source, things)


def by_another(write: Callable[[], Any]) -> None:
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


WRITES_OF_READ: dict[str, Callable[[Any], Any]] = {
    "patch_attributes": lambda thing: thing.patch_attributes(a=thing.a + 1),
    "replace_attributes": lambda thing: thing.replace_attributes({"a": thing.a + 1, "b": 5}),
    "save": lambda thing: (setattr(thing, "a", thing.a + 1), thing.save()),
}


@pytest.mark.parametrize("write", WRITES_OF_READ)
def test_what_a_block_has_read_is_not_written_over(source: DataSource, write: str) -> None:
    things = source.create_model(f"redis_read_{write}", {"a": int, "b": int})
    things.create(id=1, a=1, b=1)
    with pytest.raises(TransactionConflict), source.transaction():  # noqa: PT012 - the block
        thing = things.find_by_id(1)
        by_another(lambda: things.update_all({"id": 1}, {"a": 100}))
        WRITES_OF_READ[write](thing)
    assert records_of(things) == [{"id": 1, "a": 100, "b": 1}]


def test_undoing_leaves_alone_undeclared_keys_that_others_wrote(source: DataSource) -> None:
    things = source.create_model("redis_undone_open", {"name": str}, {"strict": False})
    things.create(id=1, name="a", extra=1, more=1)
    with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
        things.update_all({"id": 1}, {"name": "b", "more": 2, "new": 3})
        by_another(lambda: things.update_all({"id": 1}, {"extra": 2}))
        raise KeyError
    assert records_of(things) == [{"id": 1, "name": "a", "extra": 2, "more": 1}]


def test_undoing_a_replacement_gives_undeclared_keys_back(source: DataSource) -> None:
    things = source.create_model("redis_unreplaced", {"name": str}, {"strict": False})
    things.create([{"id": n, "name": "a", "extra": 1, "more": 1} for n in (1, 2)])
    with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
        for id in (1, 2):
            things.replace_by_id(id, {"name": "b", "more": 2})
        by_another(lambda: things.update_all({"id": 2}, {"extra": 7}))
        raise KeyError
    assert records_of(things) == [
        {"id": 1, "name": "a", "extra": 1, "more": 1},
        {"id": 2, "name": "b", "extra": 7, "more": 2},
    ]


@pytest.mark.parametrize("held", [{"extra": 1}, {}])
@pytest.mark.parametrize("write", ["patch_attributes", "replace_attributes"])
def test_undeclared_keys_that_a_block_has_read_are_not_written_over(
    source: DataSource, write: str, held: dict[str, int]
) -> None:
    name = f"redis_open_{write}_{len(held)}"
    things = source.create_model(name, {"n": int}, {"strict": False})
    things.create(id=1, n=1, **held)
    with pytest.raises(TransactionConflict), source.transaction():  # noqa: PT012 - the block
        thing = things.find_by_id(1)
        by_another(lambda: things.update_all({"id": 1}, {"extra": 5}))
        getattr(thing, write)({"extra": 6})
    assert records_of(things) == [{"id": 1, "n": 1, "extra": 5}]


def test_a_block_knows_the_undeclared_keys_that_it_wrote(source: DataSource) -> None:
    things = source.create_model("redis_open_own", {"n": int}, {"strict": False})
    things.create(id=1, n=1)
    with source.transaction():
        things.find_by_id(1).patch_attributes({"extra": 1})
        things.replace_by_id(1, {"n": 2})
        things.update_all({"id": 1}, {"extra": 2})
        things.replace_by_id(1, {"n": 3, "extra": 4})
    assert records_of(things) == [{"id": 1, "n": 3, "extra": 4}]


# Time to live


#: What PTTL says of a key that is not there.
GONE = -2


def wait_for(check: Callable[[], bool], seconds: float = 20) -> None:
    end = monotonic() + seconds
    while not check():
        assert monotonic() < end
        sleep(0.02)


WRITES_OF_ONE: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "create": lambda things, data: things.create(data),
    "patch_attributes": lambda things, data: things.find_by_id(1).patch_attributes(data),
    "replace": lambda things, data: things.replace_by_id(1, data),
    "upsert": lambda things, data: things.upsert({"id": 1, **data}),
    "upsert_with_where": lambda things, data: things.upsert_with_where({"n": 1}, data),
    "find_or_create": lambda things, data: things.find_or_create({"where": {"n": 5}}, data)[0],
}


class TestTtl:
    def test_records_of_a_model_are_gone_after_its_time(
        self, source: DataSource, server: Any
    ) -> None:
        properties = {"n": {"type": int, "index": True}, "u": {"type": int, "unique": True}}
        things = source.create_model("redis_short", properties, options={"redis": {"ttl": 0.2}})
        lasting = source.create_model(
            "redis_lasting",
            properties,
            options={"redis": {"ttl": 1000, "collection": "redis_short"}},
        )
        things.create(n=1, u=1)
        left = server.pttl("loop:{redis_short}:1")
        assert left == GONE or 0 < left <= 200
        lasting.create(n=2, u=2)
        wait_for(lambda: things.find_by_id(1) is None)
        assert [each.id for each in things.find(order="n")] == [2]
        assert things.count() == things.count({"n": {"gt": 0}}) == 1
        assert lasting.create(u=1).u == 1
        server.pexpire("loop:{redis_short}:2", 500_000)
        lasting.find_by_id(2).patch_attributes(n=3)
        assert 900_000 < server.pttl("loop:{redis_short}:2") <= 1_000_000
        assert things.update_all({}, {"n": 3}) == 2
        wait_for(lambda: not things.exists(2))
        wait_for(lambda: things.count() == 0)
        assert things.count({"n": 3}) == 0
        assert sorted(server.keys("*")) == [
            f"loop:{{redis_short}}/{part}" for part in ("indexes", "sequence", "version")
        ]

    def test_the_time_of_the_data_source_holds_for_models_without_one(
        self, connect: Connect, url: str, server: Any
    ) -> None:
        source = connect("redis", url=url, ttl=100)
        short = source.create_model("redis_source_ttl", {"n": int})
        own = source.create_model("redis_own_ttl", {"n": int}, options={"redis": {"ttl": 50}})
        never = source.create_model("redis_no_ttl", {"n": int}, options={"redis": {"ttl": None}})
        for model in (short, own, never):
            model.create(n=1)
        assert 50_000 < server.pttl("loop:{redis_source_ttl}:1") <= 100_000
        assert 0 < server.pttl("loop:{redis_own_ttl}:1") <= 50_000
        assert server.pttl("loop:{redis_no_ttl}:1") == -1

    def test_a_property_says_when_its_record_is_gone(self, source: DataSource, server: Any) -> None:
        seconds = source.create_model(
            "redis_each", {"left": "number", "n": int}, options={"redis": {"ttl": "left"}}
        )
        seconds.create([{"left": 0.2}, {"left": None}, {"left": 100}])
        wait_for(lambda: seconds.count() == 2)
        assert server.pttl("loop:{redis_each}:2") == -1
        seconds.update_all({"id": 3}, {"n": 1})
        assert 90_000 < server.pttl("loop:{redis_each}:3") <= 100_000
        seconds.update_all({"id": 3}, {"left": None})
        assert server.pttl("loop:{redis_each}:3") == -1
        seconds.update_all({"id": 2}, {"left": 0})
        wait_for(lambda: [each.id for each in seconds.find()] == [3])
        instants = source.create_model(
            "redis_until", {"until": datetime}, options={"redis": {"ttl": "until"}}
        )
        now = datetime.now(UTC)
        instants.create([{"until": now + timedelta(days=1)}, {"until": now - timedelta(days=1)}])
        assert instants.count() == 1
        assert abs(server.pttl("loop:{redis_until}:1") - 86_400_000) < 60_000

    @pytest.mark.parametrize("write", WRITES_OF_ONE)
    def test_a_write_by_which_its_record_is_gone_answers_with_the_record(
        self, source: DataSource, write: str
    ) -> None:
        name = f"redis_past_{write}"
        things = source.create_model(
            name, {"left": "number", "n": {"type": int, "index": True}},
            options={"redis": {"ttl": "left"}},
        )  # fmt: skip
        things.create(id=1, left=100, n=1)
        written = WRITES_OF_ONE[write](things, {"left": -1, "n": 2})
        assert (written.left, written.n) == (-1, 2)
        assert things.find_by_id(written.id) is None
        assert things.count({"n": 2}) == 0
        assert_consistent(source, things)

    def test_clients_who_let_a_record_be_gone_get_it_once_more(self, source: DataSource) -> None:
        app = Flask("letters")
        things = source.create_model(
            "redis_letter", {"left": "number", "text": str}, options={"redis": {"ttl": "left"}}
        )
        Loop(app).model(things)
        things.create(text="a")
        client = app.test_client()
        answer = client.patch("/redis_letters/1", json={"left": -5})
        assert answer.json == {"id": 1, "left": -5, "text": "a"}
        assert client.patch("/redis_letters/1", json={"left": 5}).status_code == 404

    def test_what_was_to_be_gone_is_so_after_undoing(self, source: DataSource, server: Any) -> None:
        things = source.create_model("redis_back", {"n": int}, options={"redis": {"ttl": 1000}})
        things.create(n=1)
        with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
            things.destroy_by_id(1)
            raise KeyError
        assert things.count() == 1
        assert 0 < server.pttl("loop:{redis_back}:1") <= 1_000_000

    @pytest.mark.parametrize("left", [-1, 0.1])
    def test_a_record_whose_time_a_block_let_run_out_is_back_after_undoing(
        self, source: DataSource, server: Any, left: float
    ) -> None:
        name = f"redis_ended_{'late' if left > 0 else 'at_once'}"
        things = source.create_model(
            name,
            {"left": "number", "n": {"type": int, "index": True}},
            options={"redis": {"ttl": "left"}},
        )
        things.create([{"left": 100, "n": 1}, {"left": None, "n": 1}])
        with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
            things.update_all({}, {"left": left})
            things.update_all({"id": 1}, {"n": 2})
            wait_for(lambda: things.count() == 0)
            raise KeyError
        assert [(each.id, each.left, each.n) for each in things.find(order="id")] == [
            (1, 100, 1),
            (2, None, 1),
        ]
        assert 0 < server.pttl(f"loop:{{{name}}}:1") <= 100_000
        assert server.pttl(f"loop:{{{name}}}:2") == -1
        assert_consistent(source, things)

    def test_undoing_does_not_bring_back_what_others_deleted(self, source: DataSource) -> None:
        things = source.create_model("redis_let_go", {"n": int}, options={"redis": {"ttl": 1000}})
        things.create(id=1, n=1)
        with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
            things.update_all({"id": 1}, {"n": 2})
            by_another(lambda: things.destroy_by_id(1))
            raise KeyError
        assert things.count() == 0

    def test_keys_that_others_delete_never_show(self, source: DataSource, server: Any) -> None:
        things = source.create_model("redis_evicted", {"u": {"type": int, "unique": True}})
        things.create([{"u": 1}, {"u": 2}])
        server.delete("loop:{redis_evicted}:1")
        assert [each.id for each in things.find(order="u")] == [2]
        assert things.count() == 1
        server.delete("loop:{redis_evicted}:2")
        source.connector.insert(things.definition, [{"id": None, "u": 2}])
        assert things.create(id=2, u=5).u == 5
        assert_consistent(source, things)

    def test_points_whose_records_are_gone_take_no_place_among_the_nearest(
        self, source: DataSource, server: Any
    ) -> None:
        places = source.create_model("redis_left", {"at": {"type": GeoPoint, "index": True}})
        places.create([{"at": GeoPoint(n, 0)} for n in range(10)])
        server.delete("loop:{redis_left}:1", "loop:{redis_left}:2")
        found = places.find(where={"at": {"near": GeoPoint(0, 0)}}, limit=3)
        assert [each.id for each in found] == [3, 4, 5]


# Indexes


def assert_consistent(source: DataSource, model: Any) -> None:
    """Compare everything in the indexes with the records."""
    connector: Any = source.connector
    collection = connector._collection(model.definition)
    definition = model.definition

    def ask(call: Callable[[Any], Any]) -> Any:
        return connector.client.run(call)

    records = {
        collection.id_text(definition.id_of(each)): each
        for each in connector.get_many(
            definition, [definition.id_of(each.to_record()) for each in model.find()]
        ).records()
    }
    tag = collection.tag
    assert {each.decode() for each in ask(lambda r: r.zrange(f"{tag}/ids", 0, -1))} == {*records}
    entries = {id: collection.entries(record) for id, record in records.items()}
    if collection.indexes:
        assert {
            id.decode(): json.loads(text)
            for id, text in ask(lambda r: r.hgetall(f"{tag}/entries")).items()
        } == {id: each for id, each in entries.items() if each}
    for index in collection.indexes:
        if index.is_geo:
            key = f"{tag}/geo/{index.name[1:]}"
            points = {each.decode() for each in ask(lambda r, key=key: r.zrange(key, 0, -1))}
            polar = {each.decode() for each in ask(lambda r, key=key: r.smembers(f"{key}/polar"))}
            assert points == {
                id for id, each in entries.items() if each.get(index.name, "polar") != "polar"
            }
            assert polar == {id for id, each in entries.items() if each.get(index.name) == "polar"}
        else:
            key = f"{tag}/index/{index.name}"
            assert sorted(
                each.decode() for each in ask(lambda r, key=key: r.zrange(key, 0, -1))
            ) == sorted(each[index.name] + id for id, each in entries.items())


def test_random_writes_leave_the_indexes_and_the_records_the_same(source: DataSource) -> None:
    chosen = random.Random(7)
    things = source.create_model(
        "redis_random",
        {
            "a": {"type": int, "index": True},
            "b": {"type": str, "index": True},
            "u": {"type": int, "unique": True},
            "p": {"type": GeoPoint, "index": True},
        },
        indexes={"ab": {"keys": ["a", "b"]}, "b_u": {"keys": ["b", "u"], "unique": True}},
    )

    def values() -> dict[str, Any]:
        made = {
            "a": chosen.choice([None, -5, 0, 5]),
            "b": chosen.choice([None, "", "x", "ä"]),
            "u": chosen.choice([None, *range(12)]),
            "p": chosen.choice([None, GeoPoint(89, 180), GeoPoint(-1, 180), GeoPoint(1, 2)]),
        }
        return dict(chosen.sample(sorted(made.items()), chosen.randint(1, 4)))

    writes: list[Callable[[], Any]] = [
        lambda: things.create(values()),
        lambda: things.create([values() for _ in range(3)]),
        lambda: things.update_all(dict(list(values().items())[:1]), values()),
        lambda: things.upsert(id=chosen.randint(1, 30), **values()),
        lambda: things.replace_or_create({"id": chosen.randint(1, 30), **values()}),
        lambda: things.destroy_by_id(chosen.randint(1, 30)),
        lambda: things.destroy_all({"u": chosen.randint(0, 12)}),
    ]
    for _ in range(60):
        before = records_of(things)
        try:
            with source.transaction():
                for _ in range(chosen.randint(1, 3)):
                    chosen.choice(writes)()
                if chosen.random() < 0.3:
                    raise KeyError
        except ValidationError:
            pass
        except KeyError:
            assert records_of(things) == before
        assert_consistent(source, things)
    assert things.count() > 0


class TestBuilding:
    OLD: dict[str, Any] = {"id": {"type": int, "id": True}, "a": int, "b": str}
    NEW: dict[str, Any] = {**OLD, "a": {"type": int, "index": True}}

    def test_records_that_were_there_are_put_into_new_indexes(
        self, source: DataSource, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = source.create_model("redis_grown", self.OLD)
        old.create([{"id": n, "a": n % 10, "b": str(n)} for n in range(1200)])
        new = source.create_model(
            "redis_grown", self.NEW, indexes={"ba": {"keys": ["b", "a"], "unique": True}}
        )
        assert not source.is_actual([new])
        found = new.find(where={"a": 3}, limit=5)
        assert [each.id for each in found] == [3, 13, 23, 33, 43]
        assert "never built: call auto_update()" in caplog.text
        assert explained(source, new, where={"a": 3})["backend"]["lookup"] is None
        source.auto_update([new])
        assert source.is_actual([new])
        assert explained(source, new, where={"a": 3})["backend"]["candidates"] == 120
        assert len(new.find(where={"a": 3})) == 120
        assert_consistent(source, new)

    def test_writes_while_an_index_is_built_are_in_it(
        self, connect: Connect, source: DataSource, url: str
    ) -> None:
        old = source.create_model("redis_busy", self.OLD)
        old.create([{"id": n, "a": n % 10, "b": str(n)} for n in range(3000)])
        new = source.create_model("redis_busy", self.NEW)
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                new.update_all({"id": number * 7 % 3000}, {"a": 77})
                new.create(id=3000 + number, a=88, b="new")
                new.destroy_by_id(number * 11 % 3000)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                source.auto_update([new])
            finally:
                stop.set()
            writing.result()
        assert source.is_actual([new])
        assert_consistent(source, new)

    def test_several_may_build_an_index_at_once(
        self, connect: Connect, source: DataSource, url: str
    ) -> None:
        old = source.create_model("redis_shared", self.OLD)
        old.create([{"id": n, "a": n % 10} for n in range(2000)])
        sources = [connect("redis", url=url) for _ in range(3)]
        models = [each.create_model("redis_shared", self.NEW) for each in sources]
        at_once(*[each.auto_update for each in sources])
        assert all(each.is_actual() for each in sources)
        assert models[0].count({"a": 3}) == 200
        assert_consistent(sources[0], models[0])

    def test_an_index_is_not_trusted_that_an_older_writer_does_not_keep(
        self, source: DataSource
    ) -> None:
        new = source.create_model("redis_rolled", self.NEW)
        source.auto_update([new])
        new.create(id=1, a=5)
        old = source.create_model("redis_rolled", self.OLD)
        old.create(id=2, a=5)
        old.update_all({"id": 1}, {"a": 6})
        assert [each.id for each in new.find(where={"a": 5})] == [2]
        assert new.count({"a": 6}) == 1
        assert not source.is_actual([new])
        source.auto_update([new])
        assert [each.id for each in new.find(where={"a": 5})] == [2]
        assert_consistent(source, new)

    WIDE: dict[str, Any] = {
        "id": {"type": int, "id": True},
        "a": {"type": int, "index": True},
        "b": {"type": str, "unique": True},
        "p": {"type": GeoPoint, "index": True},
    }
    NARROW: dict[str, Any] = {
        **WIDE,
        "b": str,
        "p": GeoPoint,
    }

    @pytest.mark.parametrize("is_written", [False, True])
    def test_what_is_no_longer_declared_is_taken_away(
        self, source: DataSource, server: Any, *, is_written: bool
    ) -> None:
        wide = source.create_model("redis_narrowed", self.WIDE)
        source.auto_update([wide])
        wide.create([{"id": n, "a": n, "b": str(n), "p": GeoPoint(n % 90, 0)} for n in range(600)])
        kept = set(server.keys("*/index/a:*"))
        gone = {*server.keys("*/index/*"), *server.keys("*/geo/*")} - kept
        assert len(gone) == 3
        narrow = source.create_model("redis_narrowed", self.NARROW)
        if is_written:
            narrow.find_by_id(7).patch_attributes(a=700)
            narrow.create(id=600, a=600, b="1")
        assert not source.is_actual([narrow])
        source.auto_update([narrow])
        assert source.is_actual([narrow])
        assert set(server.keys("*/index/*")) == kept
        assert server.keys("*/geo/*") == []
        assert_consistent(source, narrow)
        assert [each.id for each in narrow.find(where={"a": {"gt": 597}}, order="a")][:2] == [
            598, 599,
        ]  # fmt: skip
        assert not source.is_actual([wide])
        narrow.update_all({"b": "1"}, {"b": None})
        source.auto_update([wide])
        assert source.is_actual([wide])
        assert_consistent(source, wide)

    def test_an_index_that_an_older_writer_keeps_is_taken_away_when_the_last_is_gone(
        self, source: DataSource, server: Any
    ) -> None:
        wide = source.create_model("redis_narrowing", self.WIDE)
        source.auto_update([wide])
        wide.create(id=1, a=1, b="x")
        narrow = source.create_model("redis_narrowing", self.NARROW)
        source.auto_update([narrow])
        assert source.is_actual([narrow])
        wide.create(id=2, a=2, b="y")
        assert not source.is_actual([narrow])
        source.auto_update([narrow])
        assert source.is_actual([narrow])
        assert not [each for each in server.keys("*/index/*") if "/index/a:" not in each]
        assert_consistent(source, narrow)

    def test_an_index_that_another_model_of_the_same_records_declares_stays(
        self, source: DataSource
    ) -> None:
        collection = {"redis": {"collection": "redis_both"}}
        one = source.create_model("redis_one_of_both", self.NARROW, options=collection)
        other = source.create_model(
            "redis_other_of_both", {**self.OLD, "b": {"type": str, "index": True}},
            options=collection,
        )  # fmt: skip
        source.auto_update([one, other])
        assert source.is_actual([one, other])
        assert not source.is_actual([one])

    def test_values_that_are_there_twice_are_no_unique_index(self, source: DataSource) -> None:
        old = source.create_model("redis_double", self.OLD)
        old.create([{"id": 1, "a": 5}, {"id": 2, "a": 5}])
        new = source.create_model("redis_double", {**self.OLD, "a": {"type": int, "unique": True}})
        with pytest.raises(
            UniqueViolation, match="a record of redis_double with the same a exists"
        ):
            source.auto_update([new])
        assert not source.is_actual([new])
        old.update_all({"id": 2}, {"a": 6})
        source.auto_update([new])
        with pytest.raises(ValidationError):
            new.create(id=3, a=6)

    def test_auto_migrate_leaves_nothing_behind(self, source: DataSource, server: Any) -> None:
        things = source.create_model("redis_emptied", PROPERTIES)
        things.create(
            [{"name": str(n), "size": n, "place": GeoPoint(n % 90, 0)} for n in range(700)]
        )
        source.auto_migrate([things], drop=True)
        assert sorted(server.keys("*")) == [
            "loop:{redis_emptied}/indexes",
            "loop:{redis_emptied}/version",
        ]
        assert things.create(name="first").id == 1


# Over REST


@pytest.fixture
def client(source: DataSource) -> FlaskClient:
    app = Flask("shop")
    app.testing = True
    loop = Loop(app, url_prefix="/api")
    products = source.create_model(
        "redis_product",
        {
            "name": {"type": str, "required": True, "max_length": 5, "index": True},
            "price": {"type": "number", "min": 0, "index": True},
            "sku": {"type": str, "unique": True},
        },
        plural="products",
    )
    source.auto_update()
    loop.model(products)
    return app.test_client()


def test_clients_see_what_every_connector_answers(client: FlaskClient) -> None:
    made = client.post("/api/products", json={"name": "A", "price": 1.5, "sku": "x"})
    assert (made.status_code, made.get_json()["id"]) == (200, 1)
    assert client.post("/api/products", json={"name": "B", "sku": "x"}).status_code == 422
    patched = client.patch("/api/products/1", json={"price": 2})
    assert patched.get_json() == {"id": 1, "name": "A", "price": 2, "sku": "x"}
    assert client.patch("/api/products/1", json={"price": -1}).status_code == 422
    assert client.patch("/api/products/9", json={"price": 1}).status_code == 404
    query = {"filter": '{"where": {"price": {"gt": 1}}, "order": "price DESC"}'}
    assert [each["id"] for each in client.get("/api/products", query_string=query).get_json()] == [
        1
    ]


@pytest.mark.parametrize(
    "stored",
    [
        {"name": "A" * 6, "price": "1"},
        {"name": "", "price": "1"},
        {"price": "1"},
        {"name": "A", "price": "-0.1"},
        {"name": "ÄÖÜäöü", "price": "1"},
    ],
    ids=str,
)
def test_a_change_at_once_refuses_a_record_that_is_not_valid(
    client: FlaskClient, server: Any, stored: dict[str, str]
) -> None:
    client.post("/api/products", json={"name": "A", "price": 1, "sku": "x"})
    server.hdel("loop:{redis_product}:1", "name")
    server.hset("loop:{redis_product}:1", mapping=stored)
    assert client.patch("/api/products/1", json={"sku": "y"}).status_code == 422
    assert server.hget("loop:{redis_product}:1", "sku") == "x"


@pytest.mark.parametrize("price", ["1e300", "0.30000000000000004", "123456789.123456789"])
def test_numbers_that_scripts_lose_are_looked_at_in_python(
    client: FlaskClient, server: Any, price: str
) -> None:
    client.post("/api/products", json={"name": "ÄÖÜäö", "price": 1, "sku": "x"})
    server.hset("loop:{redis_product}:1", "price", price)
    assert client.patch("/api/products/1", json={"sku": "y"}).get_json()["sku"] == "y"


# Processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_connections_of_its_own(
    connect: Connect, source: DataSource, server: Any
) -> None:
    things = source.create_model("redis_forked", {"n": int})
    things.create(n=1)
    mine = {each["id"] for each in server.client_list()}
    child = os.fork()
    if not child:
        try:
            things.create(n=2)
            ids = {each["id"] for each in server.client_list()}
            os._exit(0 if len(ids - mine) >= 1 and things.count() == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert things.count() == 2


def test_a_source_that_was_closed_connects_again(source: DataSource, server: Any) -> None:
    before = len(server.client_list())
    things = source.create_model("redis_closed", {"n": int})
    at_once(*[lambda: things.create(n=1)] * THREADS)
    assert len(server.client_list()) > before
    source.close()
    wait_for(lambda: len(server.client_list()) <= before)
    assert things.count() == THREADS


def test_more_threads_than_connections_wait_for_one(connect: Connect, url: str) -> None:
    source = connect("redis", url=url, pool_size=2)
    things = source.create_model("redis_crowd", {"n": int})
    at_once(*[lambda: [things.create(n=1) for _ in range(10)]] * THREADS)
    assert things.count() == THREADS * 10
    blocked = connect("redis", url=url, pool_size=1, pool_timeout=0.05)
    pool: Any = blocked.connector.client.redis.connection_pool  # type: ignore[attr-defined]
    taken = pool.get_connection()
    with pytest.raises(Unavailable, match="no connection free"):
        blocked.ping()
    pool.release(taken)
    blocked.ping()


def test_scripts_that_the_server_forgot_are_sent_again(source: DataSource, server: Any) -> None:
    things = source.create_model("redis_flushed", {"n": int})
    things.create(n=1)
    server.script_flush()
    assert things.find_by_id(1).n == 1
    things.create(n=2)
    assert things.count() == 2
