"""Redis at its edges: numbers of any size, what is out of date, and indexes of other days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
import redis as redis_py
import sqlalchemy as sa
from redis import ResponseError

from flask_loop import (
    DataSource,
    DefinitionError,
    GeoPoint,
    Model,
    Prop,
    create_data_source,
    memory,
    prop,
)
from flask_loop.errors import TooMuchToRead, TransactionConflict, Unavailable, ValidationError
from tests.servers import Redis

Connect = Callable[..., DataSource]


@pytest.fixture
def url(redis: Redis) -> str:
    return redis.fresh("review")


@pytest.fixture
def source(connect: Connect, url: str) -> DataSource:
    return connect("redis", url=url)


@pytest.fixture
def server(url: str) -> Iterator[Any]:
    """A client of redis-py, which sees what is stored."""
    with redis_py.Redis.from_url(url, decode_responses=True) as client:
        yield client


# Numbers of any size


@pytest.mark.parametrize("order", ["n DESC", "n", "id DESC", "note"])
@pytest.mark.parametrize("skip", [10**6, 2**53, 10**17, 2**62])
def test_a_page_behind_the_last_record_is_empty(source: DataSource, order: str, skip: int) -> None:
    things = source.create_model(
        "review_skipped", {"n": {"type": int, "index": True}, "note": {"type": str}}
    )
    things.create([{"n": 1}, {}, {"n": 2}])
    assert things.find(order=order, skip=skip) == []


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ({"limit": 0}, 0),
        ({"limit": 10**17}, 3),
        ({"limit": 1, "skip": 2**62}, 0),
        ({"limit": 2}, 2),
    ],
)
def test_near_takes_a_page_of_any_size(
    source: DataSource, page: dict[str, int], found: int
) -> None:
    places = source.create_model("review_near", {"at": {"type": GeoPoint, "index": True}})
    places.create([{"at": GeoPoint(1, 2)}, {}, {"at": GeoPoint(89, 2)}, {"at": GeoPoint(-3, 2)}])
    near = {"at": {"near": {"lat": 0, "lng": 0}}}
    assert len(places.find(where=near, **page)) == found


@pytest.mark.parametrize("seconds", [-(2**63), -1, -1e308, 2**63 - 1, 1e308])
def test_a_time_to_live_may_be_any_number(source: DataSource, seconds: float) -> None:
    whole = isinstance(seconds, int)
    codes = source.create_model(
        f"review_{'whole' if whole else 'float'}_ttl",
        {"life": {"type": int if whole else float, "index": True}},
        {"redis": {"ttl": "life"}},
    )
    codes.create({"life": seconds})
    there = 1 if seconds > 0 else 0
    assert len(codes.find()) == codes.count() == codes.count({"life": {"neq": 0}}) == there


# What is out of date or gone


def test_what_is_out_of_date_is_deleted_in_parts(source: DataSource, server: Any) -> None:
    codes = source.create_model(
        "review_expired",
        {"n": {"type": int, "index": True}, "life": float},
        {"redis": {"ttl": "life"}},
    )
    codes.create([{"n": n, "life": 1000} for n in range(2500)])
    codes.create({"n": 3})
    # Their time passes at once.
    gone = server.zrange("loop:{review_expired}/expiry", 0, -1)
    assert len(gone) == 2500
    server.zadd("loop:{review_expired}/expiry", dict.fromkeys(gone, 1))
    server.delete(*(f"loop:{{review_expired}}:{id}" for id in map(str, range(1, 2501))))
    server.config_resetstat()
    assert [each.n for each in codes.find(where={"n": {"lt": 100}})] == [3]
    assert server.info("commandstats")["cmdstat_zrangebyscore"]["calls"] == 3
    assert server.zcard("loop:{review_expired}/expiry") == 0
    assert server.hkeys("loop:{review_expired}/entries") == ["=p5042501\0"]


def test_no_record_is_forgotten_that_another_definition_cannot_read(
    source: DataSource, server: Any
) -> None:
    things = source.create_model("review_seen", {"n": {"type": int, "index": True}})
    things.create({"n": 1})
    renamed = source.create_model(
        "review_renamed",
        {"id": {"type": int, "id": True, "generated": True, "redis": {"field": "key"}}},
        {"redis": {"collection": "review_seen"}},
    )
    assert renamed.find() == []
    assert [each.n for each in things.find(where={"n": 1})] == [1]


def test_a_new_beginning_forgets_what_others_deleted(source: DataSource, server: Any) -> None:
    things = source.create_model("review_emptied", {"n": int})
    things.create([{"n": 1}, {"n": 2}])
    server.delete("loop:{review_emptied}:1")
    source.auto_migrate(drop=True)
    assert things.count() == 0
    source.auto_migrate()


def test_a_new_beginning_forgets_ids_of_another_type(source: DataSource, server: Any) -> None:
    options = {"redis": {"collection": "review_ids"}}
    kinds = {"text": {"type": str, "id": True}, "whole": {"type": int, "id": True}}
    for first, then, ids in (
        ("text", "whole", ("abc", "7", "p5011")),
        ("whole", "text", (1, -20, 0)),
    ):
        old = source.create_model(f"review_from_{first}", {"id": kinds[first]}, options)
        new = source.create_model(f"review_into_{then}", {"id": kinds[then]}, options)
        old.create([{"id": id} for id in ids])
        source.auto_migrate([new], drop=True)
        assert new.count() == 0
        assert server.keys("loop:{review_ids}:*") == []


# Indexes of other days


def test_an_index_is_built_anew_after_writers_who_do_not_know_it(
    connect: Connect, source: DataSource, url: str
) -> None:
    things = source.create_model(
        "review_unique",
        {"sku": {"type": str, "unique": True}, "at": {"type": GeoPoint, "index": True}},
    )
    things.create([{"sku": "A", "at": GeoPoint(1, 1)}, {"sku": "B", "at": GeoPoint(2, 2)}])
    older = connect("redis", url=url).create_model(
        "review_older",
        {"sku": str, "at": GeoPoint},
        {"redis": {"collection": "review_unique"}},
    )
    older.update_all({"id": 2}, {"sku": "C", "at": GeoPoint(50, 50)})
    older.update_all({"id": 1}, {"sku": "B"})
    source.auto_update()
    assert source.is_actual()
    assert [each.id for each in things.find(where={"sku": "B"})] == [1]
    assert things.create({"sku": "A"}).id == 3
    with pytest.raises(ValidationError):
        things.create({"sku": "C"})
    near = {"at": {"near": {"lat": 2, "lng": 2}, "maxDistance": 500, "unit": "kilometers"}}
    assert [each.id for each in things.find(where=near)] == [1]


def test_too_much_is_refused_before_it_is_looked_up(
    connect: Connect, url: str, server: Any
) -> None:
    source = connect("redis", url=url, max_scan=10)
    things = source.create_model("review_many", {"n": int})
    things.create([{"n": n} for n in range(50)])
    server.config_resetstat()
    with pytest.raises(TooMuchToRead):
        things.find(order="n")
    assert "cmdstat_zrangebylex" not in server.info("commandstats")


# Places


def test_a_circle_around_a_pole_has_all_its_points(source: DataSource) -> None:
    places = source.create_model("review_poles", {"at": {"type": GeoPoint, "index": True}})
    known = memory().create_model("review_poles_known", {"at": {"type": GeoPoint}})
    points = [
        {"at": GeoPoint(sign * lat, lng)}
        for sign in (1, -1)
        for lat in (79.1, 81.5, 83.9, 84.9, 85.04)
        for lng in range(-180, 180, 7)
    ]
    places.create(points)
    known.create(points)
    for lat in (79.79, -79.8, 84.77, -84.59):
        for lng in range(-180, 180, 45):
            for beyond in (-0.1, 0.1, 0.3, 0.9):
                near: dict[str, Any] = {"near": {"lat": lat, "lng": lng}, "unit": "degrees"}
                near["maxDistance"] = 90 - abs(lat) + beyond
                where = {"at": near}
                assert [each.id for each in places.find(where=where)] == [
                    each.id for each in known.find(where=where)
                ]


# Definitions of other days


def test_reading_ids_as_another_type_forgets_no_record(source: DataSource) -> None:
    whole = source.create_model("review_whole", {"n": {"type": int, "unique": True}})
    whole.create([{"n": 1}, {"n": 2}])
    texts = source.create_model(
        "review_texts",
        {"id": {"type": str, "id": True}, "n": {"type": int, "unique": True}},
        {"redis": {"collection": "review_whole"}},
    )
    assert texts.find() == []
    assert texts.find(where={"n": 1}) == []
    assert texts.find_by_ids(["p5011"]) == []
    with pytest.raises(ValidationError):
        texts.create(id="x", n=1)
    assert [each.id for each in whole.find(where={"n": 2})] == [2]
    assert {each.id for each in whole.find(where={"id": {"lt": 9}})} == {1, 2}


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_stored_as_another_type_would_not_store_it_is_indexed_and_changed(
    source: DataSource, server: Any, strict: bool
) -> None:
    options = {"strict": strict, "redis": {"collection": f"review_days_{strict}"}}
    older = source.create_model(f"review_day_{strict}", {"day": {"type": date}}, options)
    newer = source.create_model(
        f"review_instant_{strict}", {"day": {"type": datetime, "index": True}}, options
    )
    older.create({"day": "2024-02-29"})
    source.auto_update([newer])
    where = {"day": {"lt": "2024-03-01T00:00:00Z"}}
    assert newer.count(where) == source.explain(newer, {"where": where})["backend"]["candidates"]
    assert newer.update_all(where, {"day": "2024-04-01T00:00:00Z"}) == 1
    server.hset(f"loop:{{review_days_{strict}}}:1", "day", "2024-02-29")
    with source.transaction():
        newer.find_by_id(1).patch_attributes({"day": "2024-04-02T00:00:00Z"})
    assert [each.day.day for each in newer.find()] == [2]


class ReviewTown(Model):
    city: Prop[str | None] = prop(default=None)


class ReviewTownWithCode(Model):
    city: Prop[str | None] = prop(default=None)
    code: Prop[str] = prop(default="none")


def test_an_embedded_model_with_a_new_default_keeps_nobody_from_writing(
    source: DataSource,
) -> None:
    options = {"strict": False, "redis": {"collection": "review_towns"}}
    older = source.create_model(
        "review_town_older", {"at": {"type": ReviewTown}, "n": int}, options
    )
    newer = source.create_model(
        "review_town_newer", {"at": {"type": ReviewTownWithCode}, "n": int}, options
    )
    older.create({"at": {"city": "Rome"}, "n": 1, "note": "as it was"})
    assert newer.update_all({"at.city": "Rome"}, {"n": 2}) == 1
    with source.transaction():
        newer.find_by_id(1).patch_attributes({"at": {"city": "Pisa"}})
    (found,) = newer.find()
    assert (found.n, found.at.code, found.note) == (2, "none", "as it was")


def test_building_an_index_ends_where_others_change_the_records_all_the_time(
    source: DataSource,
) -> None:
    options = {"redis": {"collection": "review_restless"}}
    older = source.create_model("review_restless_older", {"n": int}, options)
    newer = source.create_model("review_restless", {"n": {"type": int, "index": True}}, options)
    older.create([{"n": 0}, {"n": 0}])
    connector: Any = source.connector
    exchange = connector.client.exchange
    writes: list[int] = []

    def change_after(command: bytes, **named: Any) -> Any:
        answer = exchange(command, **named)
        connector.client.exchange = exchange
        writes.append(1)
        newer.update_all({"id": 1}, {"n": len(writes)})
        connector.client.exchange = change_after
        return answer

    connector.client.exchange = change_after
    with pytest.raises(TransactionConflict):
        source.auto_update([newer])
    connector.client.exchange = exchange
    assert len(writes) < 1000
    source.auto_update([newer])
    assert source.is_actual([newer])
    assert newer.count({"n": len(writes)}) == 1


@pytest.mark.parametrize("unique", [True, False])
def test_a_field_with_an_index_may_begin_as_the_index_of_a_place(
    source: DataSource, unique: bool
) -> None:
    things = source.create_model(
        f"review_linked_{unique}",
        {
            "@type": {"type": str, "index": True, "unique": unique},
            "at": {"type": GeoPoint, "index": True, "redis": {"field": "@at"}},
            "n": {"type": int, "index": True},
        },
        {"indexes": {"both": {"keys": {"@type": 1, "n": 1}}}},
    )
    things.create([{"@type": "a", "at": GeoPoint(1, 1), "n": 1}, {"@type": "b", "n": 2}])
    where: dict[str, Any] = {"@type": "a"}
    backend = source.explain(things, {"where": where})["backend"]
    assert backend["candidates"] == 1
    assert [each.id for each in things.find(where=where)] == [1]
    near = {"at": {"near": {"lat": 0, "lng": 0}}}
    assert [each.id for each in things.find(where=near)] == [1]
    things.update_all({"@type": "b"}, {"@type": "c", "n": 3})
    assert [each.id for each in things.find(where={"@type": "c", "n": 3})] == [2]
    assert source.is_actual([things])
    assert things.destroy_all({"@type": {"inq": ["a", "c"]}}) == 2


# Blocks


def test_undoing_leaves_alone_a_new_record_that_others_have_completed(source: DataSource) -> None:
    things = source.create_model("review_completed", {"a": int, "b": int})
    other = Thread(target=lambda: things.update_all({"id": 1}, {"b": 2}))
    with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
        things.create([{"a": 1}, {"a": 1}])
        other.start()
        other.join()
        raise KeyError
    assert [(each.id, each.a, each.b) for each in things.find()] == [(1, 1, 2)]


def test_what_cannot_be_undone_as_others_have_its_value_is_in_the_log(
    source: DataSource, caplog: pytest.LogCaptureFixture
) -> None:
    things = source.create_model("review_taken", {"u": {"type": int, "unique": True}, "n": int})
    things.create([{"u": 1}, {"u": 2}, {"u": 3}])

    def take_others() -> None:
        things.create(id=11, u=1)
        things.create(id=12, u=2)

    other = Thread(target=take_others)
    with pytest.raises(KeyError), source.transaction():  # noqa: PT012 - it is the test's block
        things.update_all({"id": {"inq": [2, 3]}}, {"u": None, "n": 5})
        things.destroy_by_id(1)
        other.start()
        other.join()
        raise KeyError
    found = [(each.id, each.u, each.n) for each in things.find()]
    assert found == [(2, None, 5), (3, 3, None), (11, 1, None), (12, 2, None)]
    assert "2 writes of a block that raised stay in redis" in caplog.text


# Much at once


def test_many_values_are_sent_in_parts(source: DataSource, server: Any) -> None:
    things = source.create_model("review_parts", {"n": {"type": int, "index": True}})
    things.create([{"n": n % 100} for n in range(6000)])
    ids = list(range(2, 6001, 2))
    for order in ("id", "id DESC"):
        wanted = ids if order == "id" else ids[::-1]
        for skip, limit in ((0, None), (1500, 10), (1999, 1100), (2999, 5), (3000, 5)):
            end = None if limit is None else skip + limit
            page = things.find(where={"id": {"inq": ids}}, order=order, skip=skip, limit=limit)
            assert [each.id for each in page] == wanted[skip:end]
    odd = {"n": {"inq": list(range(1, 100, 2))}}
    page = things.find(where=odd, order="n DESC", skip=2990, limit=20)
    assert [each.n for each in page] == [1] * 10
    server.config_resetstat()
    assert len(source.connector.get_many(things.definition, ids)) == 3000
    assert server.info("commandstats")["cmdstat_evalsha"]["calls"] == 3


def test_a_record_that_moves_along_an_index_is_read_once(source: DataSource) -> None:
    things = source.create_model("review_moving", {"n": {"type": int, "index": True}})
    things.create([{"n": n} for n in range(2500)])
    connector: Any = source.connector
    exchange = connector.client.exchange
    asked: list[int] = []

    def move_first(*arguments: Any, **named: Any) -> Any:
        answer = exchange(*arguments, **named)
        asked.append(1)
        if len(asked) == 1:
            things.update_all({"id": 1}, {"n": 9000})
        return answer

    connector.client.exchange = move_first
    found = [each.id for each in things.find(order="n")]
    connector.client.exchange = exchange
    assert sorted(found) == list(range(1, 2501))


# What the server refuses


@pytest.fixture
def own(redis: Redis, url: str) -> Redis:
    """The server, whose settings a test changes."""
    if not redis.is_own:
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is not ours to change")
    return redis


@pytest.mark.usefixtures("own")
def test_a_server_without_memory_lets_records_be_deleted(source: DataSource, server: Any) -> None:
    things = source.create_model("review_full", {"n": {"type": int, "index": True}})
    things.create([{"n": n} for n in range(4)])
    server.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable):
            things.create(n=9)
        assert things.destroy_by_id(1) == 1
        assert things.destroy_all({"n": {"lt": 3}}) == 2
        things.find_by_id(4).destroy()
    finally:
        server.config_set("maxmemory", 0)
    assert things.count() == 0
    assert server.keys("loop:{review_full}:*") == []


@pytest.mark.parametrize("command", ["geoadd", "pexpireat", "hset", "zadd"])
@pytest.mark.usefixtures("own")
def test_who_may_not_do_all_that_a_write_needs_does_none_of_it(
    connect: Connect,
    url: str,
    server: Any,
    command: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.execute_command(
        "ACL", "SETUSER", "review", "reset", "on", ">word", "~*", "+@all", f"-{command}"
    )
    try:
        address = sa.make_url(url).set(username="review", password="word")
        source = connect("redis", url=address.render_as_string(hide_password=False))
        things = source.create_model(
            f"review_rights_{command}",
            {"n": {"type": int, "index": True}, "at": {"type": GeoPoint, "index": True}},
            {"redis": {"ttl": 1000}},
        )
        for _ in range(2):
            with pytest.raises(Unavailable):
                things.create(n=1, at=GeoPoint(1, 1))
        assert f"'{command}'" in caplog.text
        assert server.keys("*") == []
        server.execute_command("ACL", "SETUSER", "review", "+@all")
        things.create(n=1, at=GeoPoint(1, 1))
        assert things.count({"n": 1}) == 1
    finally:
        server.execute_command("ACL", "DELUSER", "review")


@pytest.mark.usefixtures("own")
def test_connections_are_not_kept_to_a_server_that_has_come_to_only_read(
    source: DataSource, server: Any
) -> None:
    things = source.create_model("review_demoted", {"n": {"type": int, "index": True}})
    things.create(n=1)
    before = {each["id"] for each in server.client_list()} - {str(server.client_id())}
    server.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(Unavailable):
            things.create(n=2)
    finally:
        server.replicaof("NO", "ONE")
    assert things.count() == 1
    assert not before & {each["id"] for each in server.client_list()}


@pytest.mark.usefixtures("own")
def test_the_log_says_which_right_a_user_of_a_cluster_lacks(
    connect: Connect, redis: Redis, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rights = ("~loop:*", "+@connection", "+@scripting", "+@read", "+@write", "+time")
    server.execute_command("ACL", "SETUSER", "review_slots", "reset", "on", ">word", *rights)
    try:
        source = connect("redis", url=f"redis+cluster://review_slots:word@127.0.0.1:{redis.port}")
        with pytest.raises(Unavailable):
            source.ping()
        assert "no permissions to run the 'cluster|slots' command" in caplog.text
    finally:
        server.execute_command("ACL", "DELUSER", "review_slots")


class OlderServer(ThreadingTCPServer):
    """A server that answers each script with an error, as Redis 6.2 says it."""

    daemon_threads = True
    says = ""
    connections = 0


class OlderConnection(StreamRequestHandler):
    server: OlderServer

    def handle(self) -> None:
        self.server.connections += 1
        while head := self.rfile.readline():
            words = [self._word() for _ in range(int(head[1:]))]
            answer = f"-{self.server.says}" if words[0] == b"EVALSHA" else "+OK"
            self.wfile.write(f"{answer}\r\n".encode())

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]


@pytest.fixture
def older() -> Iterator[OlderServer]:
    with OlderServer(("127.0.0.1", 0), OlderConnection) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    "said",
    [
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "-READONLY You can't write against a read only replica.",
        "-MISCONF Redis is configured to save RDB snapshots",
        "The user executing the script can't run this command or subcommand",
        "The user executing the script can't access at least one of the keys",
    ],
)
def test_an_older_server_that_refuses_in_a_script_is_unavailable(
    connect: Connect, older: OlderServer, said: str
) -> None:
    source = connect("redis", url=f"redis://127.0.0.1:{older.server_address[1]}")
    things = source.create_model("review_older", {"n": int})
    running = "ERR Error running script (call to f_0a9a): @user_script:41: "
    older.says = f"{running}@user_script: 41: {said}"
    for _ in range(2):
        with pytest.raises(Unavailable):
            things.create(n=1)
    # One that only reads is left.
    assert older.connections == (2 if "READONLY" in said else 1)
    older.says = f"{running}WRONGTYPE Operation against a key holding the wrong kind of value"
    with pytest.raises(ResponseError):
        things.create(n=1)


@pytest.mark.parametrize(
    "url", ["redis://:12#34@db.example/0", "redis://db.example/0#34", "redis+cluster://a,b#34"]
)
def test_a_url_that_a_password_ends_is_refused_without_it(url: str) -> None:
    with pytest.raises(DefinitionError, match="has a #, which is percent-encoded") as error:
        create_data_source(url=url)
    assert "34" not in str(error.value)


# Find or create


@pytest.mark.parametrize("where", [{"code": 5}, {"code": 5, "note": "x"}])
def test_find_or_create_makes_a_record_however_much_else_is_written(
    source: DataSource, where: dict[str, Any]
) -> None:
    things = source.create_model(
        f"review_busy_{len(where)}",
        {"code": {"type": int, "index": True}, "note": str},
    )
    things.create([{"code": 1}, {"code": 2}])
    connector: Any = source.connector
    select = connector.select

    def write_meanwhile(definition: Any, filter: Any) -> Any:
        found = select(definition, filter)
        things.create(code=1)
        return found

    connector.select = write_meanwhile
    made, is_new = things.find_or_create({"where": where}, {"code": 5, "note": "x"})
    connector.select = select
    assert (made.code, is_new, things.count({"code": 5})) == (5, True, 1)
    assert things.count({"code": 1}) == 3


def test_find_or_create_finds_what_others_create_meanwhile(source: DataSource) -> None:
    things = source.create_model(
        "review_found", {"code": {"type": int, "index": True}, "note": str}
    )
    connector: Any = source.connector
    select = connector.select

    def create_meanwhile(definition: Any, filter: Any) -> Any:
        found = select(definition, filter)
        if not things.count():
            things.create(code=5, note="theirs")
        return found

    connector.select = create_meanwhile
    found, is_new = things.find_or_create({"where": {"code": 5}}, {"code": 5, "note": "ours"})
    connector.select = select
    assert (found.note, is_new, things.count()) == ("theirs", False, 1)


def test_an_index_is_not_trusted_after_writers_who_keep_another_one_in_its_place(
    source: DataSource,
) -> None:
    options = {"redis": {"collection": "review_swapped"}}
    older = source.create_model(
        "review_swapped_older",
        {"a": {"type": int, "index": True}, "b": {"type": int, "index": True}, "c": int},
        options,
    )
    newer = source.create_model(
        "review_swapped_newer",
        {"a": {"type": int, "index": True}, "b": int, "c": {"type": int, "index": True}},
        options,
    )
    older.create([{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}])
    source.auto_update([newer])
    newer.update_all({"id": 1}, {"b": 3})
    older.update_all({"id": 2}, {"c": 5})
    assert [each.id for each in newer.find(where={"c": 5})] == [2]
    assert not source.is_actual([newer])
    source.auto_update([newer])
    assert source.explain(newer, {"where": {"c": 5}})["backend"]["candidates"] == 1
    assert [each.id for each in older.find(where={"b": 3})] == [1]


# No id


def test_all_records_of_a_model_without_an_id_are_changed_and_deleted(source: DataSource) -> None:
    things = source.create_model("review_idless", {"a": int}, {"idInjection": False})
    things.create([{"a": 1}, {"a": 2}])
    assert things.update_all({}, {"a": 7}) == 2
    assert [each.a for each in things.find()] == [7, 7]
    assert things.destroy_all() == 2
    assert things.count() == 0
