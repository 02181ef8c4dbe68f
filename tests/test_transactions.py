"""Transactions: what is asked of them, retries, and remote calls that are one."""

# ruff: noqa: PT012 - a transaction is the block of its test

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic, sleep
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop, Model, create_data_source, memory, remote_method
from flask_loop.errors import (
    Conflict,
    DefinitionError,
    DuplicateId,
    TransactionConflict,
    Unavailable,
    ValidationError,
)
from flask_loop.signals import record_saved
from tests.servers import Server

Things = type[Any]
PATIENCE = 30


@pytest.fixture(params=["memory", "sqlite", "sqlite file", "postgresql", "mysql"])
def source(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server], tmp_path: Path
) -> Iterator[DataSource]:
    if request.param == "memory":
        made = memory()
    elif request.param == "sqlite":
        made = create_data_source(connector="sqlite", url="sqlite://")
    elif request.param == "sqlite file":
        made = create_data_source(connector="sqlite", url=f"sqlite:///{tmp_path}/t.sqlite")
    else:
        url = get_server(request.param).fresh()
        made = create_data_source(connector=request.param, url=url)
    yield made
    made.close()


@pytest.fixture(params=["postgresql", "mysql"])
def racy(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server]
) -> Iterator[DataSource]:
    """A data source whose transactions may run side by side and get in each other's way."""
    made = create_data_source(connector=request.param, url=get_server(request.param).fresh())
    yield made
    made.close()


@pytest.fixture
def things(source: DataSource) -> Things:
    return make_things(source)


def make_things(source: DataSource) -> Things:
    things = source.create_model(
        "thing",
        {
            "name": {"type": str, "max_length": 40},
            "value": {"type": int, "default": 0},
            "code": {"type": str, "max_length": 40, "unique": True},
        },
    )
    source.auto_update()
    return things


def run(function: Callable[[], object]) -> Thread:
    thread = Thread(target=function)
    thread.start()
    return thread


# What is asked of a transaction


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"isolation": "chaos"}, "isolation is one of serializable, repeatable read, read comm"),
        ({"timeout": 0}, "timeout is a number of seconds above 0, not 0"),
        ({"timeout": "5"}, "timeout is a number of seconds above 0, not '5'"),
        ({"timeout": True}, "timeout is a number of seconds above 0, not True"),
        ({"read_only": 1}, "read_only is True or False, not 1"),
    ],
    ids=str,
)
def test_an_option_that_means_nothing_is_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        memory().transaction(**options)


@pytest.mark.parametrize("isolation", ["serializable", "REPEATABLE READ", "read_committed"])
def test_each_source_takes_each_isolation(
    source: DataSource, things: Things, isolation: str
) -> None:
    with source.transaction(isolation=isolation):
        things.create(name="a")
        assert things.count() == 1
    assert things.count() == 1


def test_a_read_only_transaction_writes_nothing(source: DataSource, things: Things) -> None:
    thing = things.create(name="a")
    for write in (
        lambda: things.create(name="b"),
        lambda: things.update_all({}, {"name": "c"}),
        thing.destroy,
    ):
        with (
            pytest.raises(
                RuntimeError, match="nothing is written in a transaction that is read_on"
            ),
            source.transaction(read_only=True),
        ):
            assert things.count() == 1
            write()
    assert [each.name for each in things.find()] == ["a"]
    things.create(name="b")
    assert things.count() == 2


def test_a_block_inside_may_be_read_only(source: DataSource, things: Things) -> None:
    with source.transaction():
        with pytest.raises(RuntimeError), source.transaction(read_only=True):
            things.create(name="a")
        things.create(name="b")
    assert [each.name for each in things.find()] == ["b"]


def test_a_transaction_ends_when_its_time_is_over(source: DataSource, things: Things) -> None:
    things.create(name="a")
    with pytest.raises(Unavailable, match="took too long"), source.transaction(timeout=0.1):
        things.create(name="b")
        sleep(0.15)
        with suppress(Unavailable):
            things.create(name="c")
    assert [each.name for each in things.find()] == ["a"]
    with source.transaction():
        things.create(name="d")
        sleep(0.15)
        things.create(name="e")
    assert things.count() == 3


def test_a_transaction_in_time_is_kept(source: DataSource, things: Things) -> None:
    with source.transaction(timeout=PATIENCE):
        things.create(name="a")
        with source.transaction(timeout=PATIENCE):
            things.create(name="b")
    assert things.count() == 2


def test_a_block_inside_has_its_own_time(source: DataSource, things: Things) -> None:
    with source.transaction():
        things.create(name="a")
        with pytest.raises(Unavailable), source.transaction(timeout=0.05):
            things.create(name="b")
            sleep(0.1)
        things.create(name="c")
    assert sorted(each.name for each in things.find()) == ["a", "c"]


def test_a_statement_is_cut_when_the_time_is_over(racy: DataSource) -> None:
    wait = "pg_sleep" if racy.connector.name == "postgresql" else "sleep"
    begun = monotonic()
    with pytest.raises(Unavailable), racy.transaction(timeout=0.3):
        racy.execute(f"SELECT {wait}(20)")
    assert monotonic() - begun < 10
    begun = monotonic()
    racy.execute(f"SELECT {wait}(0.5)")  # the limit is gone
    assert monotonic() - begun > 0.4


def test_a_long_query_of_sqlite_is_cut(tmp_path: Path) -> None:
    source = create_data_source(connector="sqlite", url=f"sqlite:///{tmp_path}/t.sqlite")
    count = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
        "SELECT count(*) AS many FROM n"
    )
    with pytest.raises(Unavailable, match="took too long"), source.transaction(timeout=0.2):
        source.execute(count, {"last": 10**12})
    assert source.execute(count, {"last": 500_000}) == [{"many": 500_000}]
    source.close()


def test_waiting_for_another_writer_ends_with_the_time(tmp_path: Path) -> None:
    source = create_data_source(connector="sqlite", url=f"sqlite:///{tmp_path}/t.sqlite")
    things = make_things(source)
    begun, end = Barrier(2), Barrier(2)

    def hold() -> None:
        with source.transaction():
            begun.wait(PATIENCE)
            end.wait(PATIENCE)

    holder = run(hold)
    begun.wait(PATIENCE)
    start = monotonic()
    with pytest.raises(Unavailable), source.transaction(timeout=0.2):
        things.create(name="a")
    assert monotonic() - start < 4
    end.wait(PATIENCE)
    holder.join()
    things.create(name="b")
    assert things.count() == 1
    source.close()


def test_a_block_inside_cannot_be_stricter(racy: DataSource) -> None:
    things = make_things(racy)
    with racy.transaction(isolation="read committed"):
        with (
            pytest.raises(RuntimeError, match="is read committed, and so is what is inside it"),
            racy.transaction(isolation="serializable"),
        ):
            raise AssertionError
        with racy.transaction(isolation="read committed"):
            things.create(name="a")
    with racy.transaction(), racy.transaction(isolation="read committed"):
        things.create(name="b")
    assert things.count() == 2


def test_isolation_says_what_is_seen_of_others(racy: DataSource) -> None:
    things = make_things(racy)

    def seen(isolation: str) -> list[int]:
        with racy.transaction(isolation=isolation, read_only=True):
            first = things.count()
            run(lambda: things.create(name="new")).join()
            return [first, things.count()]

    assert seen("read committed") == [0, 1]
    assert seen("repeatable read") == [1, 1]


# Running again


def overtaken(source: DataSource, things: Things, saves: list[int]) -> Callable[[], None]:
    """A function that reads and writes a record, which others change in between the first time."""

    def increment() -> None:
        thing = things.find_by_id(1)
        saves.append(thing.value)
        if len(saves) == 1:
            run(lambda: things.update_all({"id": 1}, {"value": 10})).join(PATIENCE)
        thing.patch_attributes(value=thing.value + 1)

    return increment


def test_a_function_is_run_again_where_another_transaction_was_faster(
    get_server: Callable[[str], Server],
) -> None:
    source = create_data_source(connector="postgresql", url=get_server("postgresql").fresh())
    things = make_things(source)
    things.create(value=1)
    saves: list[int] = []
    increment = overtaken(source, things, saves)
    with pytest.raises(TransactionConflict), source.transaction():
        increment()
    saves.clear()
    things.update_all({}, {"value": 1})
    source.in_transaction(increment)
    assert saves == [1, 10]
    assert things.find_by_id(1).value == 11
    source.close()


def test_in_transaction_gives_what_the_function_gives(source: DataSource, things: Things) -> None:
    def create(name: str, value: int) -> int:
        return things.create(name=name, value=value).value

    assert source.in_transaction(create, "a", 5, isolation="serializable") == 5
    assert things.count() == 1
    with pytest.raises(ZeroDivisionError):
        source.in_transaction(lambda: [things.create(name="b"), 1 / 0])
    assert things.count() == 1


def test_attempts_are_bounded_and_belong_to_the_outermost(racy: DataSource) -> None:
    tries = {"outer": 0, "inner": 0}

    def conflict() -> None:
        tries["inner"] += 1
        raise TransactionConflict

    def nested() -> None:
        tries["outer"] += 1
        racy.in_transaction(conflict)

    with pytest.raises(TransactionConflict):
        racy.in_transaction(nested, retries=2)
    assert tries == {"outer": 3, "inner": 3}


def test_increments_side_by_side_are_all_kept(racy: DataSource) -> None:
    things = make_things(racy)
    things.create(value=0)

    def increment() -> None:
        thing = things.find_by_id(1)
        thing.patch_attributes(value=thing.value + 1)

    threads = [
        run(lambda: [racy.in_transaction(increment, retries=50) for _ in range(5)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.join()
    assert things.find_by_id(1).value == 20


def at_once(function: Callable[[int], object], threads: int = 6) -> list[Any]:
    start, outcomes = Barrier(threads), []

    def call(number: int) -> None:
        start.wait(PATIENCE)
        try:
            outcomes.append(function(number))
        except Conflict as error:
            outcomes.append(error)

    for thread in [run(lambda number=each: call(number)) for each in range(threads)]:
        thread.join()
    return outcomes


def test_operations_are_run_again_by_themselves(racy: DataSource) -> None:
    things = make_things(racy)
    things.create(name="a")
    for operation in (
        lambda number: things.find_by_id(1).patch_attributes(value=number),
        lambda number: things.upsert(id=1, name="a", value=number),
        lambda number: things.upsert_with_where({"name": "a"}, {"name": "a", "value": number}),
        lambda number: things.find_or_create({"where": {"name": "b"}}, {"name": "b"}),
        lambda number: things.upsert_with_where({"name": "c"}, {"name": "c", "value": number}),
        lambda number: things.replace_or_create({"id": 1, "name": "a", "value": number}),
    ):
        outcomes = at_once(operation)
        assert not [each for each in outcomes if isinstance(each, Exception)]
    assert sorted(each.name for each in things.find()) == ["a", "b", "c"]


def test_related_records_are_created_and_deleted_side_by_side(racy: DataSource) -> None:
    shelves = racy.create_model("shelf_of_things", {"title": {"type": str, "max_length": 20}})
    books = racy.create_model("book_on_shelf", {"title": {"type": str, "max_length": 20}})
    shelves.has_one("cover", model=books, foreign_key="cover_of", on_delete="cascade")
    racy.auto_update()
    shelf = shelves.create(title="x")
    outcomes = at_once(lambda number: shelves.find_by_id(shelf.id).cover.create(title=str(number)))
    made = [each for each in outcomes if not isinstance(each, Exception)]
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert len(made) == 1
    assert all("leads to a record already" in str(each) for each in refused)
    assert sum(at_once(lambda number: shelves.destroy_by_id(shelf.id))) == 1
    assert books.count() == 0


def test_an_observer_does_not_run_twice(postgresql: Server) -> None:
    source = create_data_source(connector="postgresql", url=postgresql.fresh())
    things = make_things(source)
    things.create(value=1)
    events: list[str] = []

    @things.observe("before save")
    def overtake(ctx: Any) -> None:
        events.append("before save")
        if len(events) == 1:
            run(lambda: source.execute("UPDATE thing SET value = 10")).join()

    with pytest.raises(TransactionConflict) as caught:
        things.find_by_id(1).patch_attributes(value=2)
    assert dict(caught.value.get_headers())["Retry-After"] == "1"
    assert events == ["before save"]
    assert things.find_by_id(1).value == 10
    source.close()


def test_a_receiver_of_signals_hears_once_of_what_was_run_again(postgresql: Server) -> None:
    source = create_data_source(connector="postgresql", url=postgresql.fresh())
    things = make_things(source)
    heard: list[int] = []
    record_saved.connect(
        receiver := lambda sender, instance, **more: heard.append(instance.value), sender=things
    )
    things.create(value=0)
    heard.clear()
    at_once(lambda number: things.find_by_id(1).patch_attributes(value=number))
    assert sorted(heard) == [0, 1, 2, 3, 4, 5]
    assert receiver
    source.close()


def test_a_write_in_a_transaction_of_the_callers_is_not_run_again(postgresql: Server) -> None:
    source = create_data_source(connector="postgresql", url=postgresql.fresh())
    things = make_things(source)
    things.create(value=1)
    with pytest.raises(TransactionConflict), source.transaction():
        thing = things.find_by_id(1)
        run(lambda: things.update_all({}, {"value": 10})).join()
        thing.patch_attributes(value=2)
    assert things.find_by_id(1).value == 10
    source.close()


def conflicts_once(source: DataSource, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the first transaction of a source be ended by another one; give the attempts."""
    driver = source.connector.session.driver  # type: ignore[attr-defined]
    attempts: list[int] = []

    def commit(transaction: Any) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise TransactionConflict
        transaction.run("COMMIT")

    monkeypatch.setattr(driver, "commit", commit)
    return attempts


@pytest.fixture
def lite() -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", url="sqlite://")
    yield source
    source.close()


def test_what_is_stored_by_one_source_alone_is_stored_again(
    lite: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = make_things(lite)
    attempts = conflicts_once(lite, monkeypatch)
    assert things.create([{"name": "a"}, {"name": "b"}])[1].id == 2
    assert (len(attempts), things.count()) == (2, 2)


def test_what_two_sources_store_is_not_stored_again(
    lite: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = memory().create_model("note_elsewhere", {"text": str, "thingId": int})
    things = make_things(lite)
    things.has_many("notes", model=notes, foreign_key="thingId", nested=True)
    attempts = conflicts_once(lite, monkeypatch)
    with pytest.raises(TransactionConflict):
        things.create(name="a", notes=[{"text": "x"}])
    assert (len(attempts), things.count(), notes.count()) == (1, 0, 1)


def test_an_overridden_operation_does_not_run_twice(
    lite: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OverridingItem(Model):
        name: str

        class Meta:
            data_source = lite

        @classmethod
        def create(cls, data: Any = None, /, **values: Any) -> Any:
            created.append(data)
            return super().create(data, **values)

    class OverridingOwner(Model):
        name: str

        class Meta:
            data_source = lite

    created: list[Any] = []
    OverridingOwner.has_one("item", model=OverridingItem)
    lite.auto_update()
    owner = OverridingOwner.create(name="a")
    attempts = conflicts_once(lite, monkeypatch)
    with pytest.raises(TransactionConflict):
        owner.item.create(name="b")
    assert (len(attempts), len(created)) == (1, 1)
    owner.item.create(name="b")
    assert OverridingItem.count() == 1


def test_an_id_that_is_taken_is_told_as_before(source: DataSource, things: Things) -> None:
    things.create(id=1, code="x")
    with pytest.raises(DuplicateId):
        things.create(id=1)
    with pytest.raises(ValidationError):
        things.find_or_create({"where": {"name": "b"}}, {"name": "b", "code": "x"})
    with pytest.raises(DuplicateId):
        things.find_or_create({"where": {"name": "b"}}, {"id": 1, "name": "b"})
    with pytest.raises(ValidationError):
        things.upsert(id=2, code="x")
    assert things.count() == 1


# Remote calls


class Shop:
    """An app with one model, and its clients."""

    def __init__(self, things: type[Model]) -> None:
        self.app = Flask("shop")
        self.app.config.update(TESTING=False)
        Loop(self.app).model(things)
        self.client = self.app.test_client()


def rename_all(cls: Any, name: str, fail: str = "") -> int:
    """Rename all records, and fail."""
    count = cls.update_all({}, {"name": name})
    if fail == "error":
        raise Conflict("no")
    if fail == "bug":
        raise ZeroDivisionError
    return int(count)


def with_methods(things: Things) -> Things:
    things.remote_method("rename_all", rename_all, transaction=True)
    return things


def names(things: Things) -> list[str]:
    return sorted(each.name for each in things.find())


@pytest.mark.parametrize(("fail", "status"), [("", 200), ("error", 409), ("bug", 500)])
def test_a_remote_method_is_a_transaction(
    source: DataSource, things: Things, fail: str, status: int
) -> None:
    things.create([{"name": "a"}, {"name": "b"}])
    shop = Shop(with_methods(things))
    answer = shop.client.post("/things/renameAll", json={"name": "x", "fail": fail})
    assert answer.status_code == status
    assert names(things) == (["a", "b"] if fail else ["x", "x"])


def test_hooks_are_in_the_transaction_of_their_method(source: DataSource, things: Things) -> None:
    @things.before_remote("rename_all")
    def log(ctx: Any, thing: Any) -> None:
        things.create(name="logged")

    @things.after_remote("rename_all")
    def refuse(ctx: Any, thing: Any) -> None:
        if ctx.args["name"] == "bad":
            raise Conflict("bad")

    shop = Shop(with_methods(things))
    assert shop.client.post("/things/renameAll", json={"name": "bad"}).status_code == 409
    assert names(things) == []
    assert shop.client.post("/things/renameAll", json={"name": "good"}).status_code == 200
    assert names(things) == ["good"]


def test_an_answer_that_says_it_failed_keeps_nothing(source: DataSource, things: Things) -> None:
    @things.after_remote("rename_all")
    def fail(ctx: Any, thing: Any) -> None:
        ctx.res.status_code = int(ctx.args["fail"])

    things.create(name="a")
    shop = Shop(with_methods(things))
    for status, expected in ((418, ["a"]), (202, ["x"])):
        body = {"name": "x", "fail": str(status)}
        assert shop.client.post("/things/renameAll", json=body).status_code == status
        assert names(things) == expected


def test_a_commit_that_fails_is_the_answer(postgresql: Server) -> None:
    source = create_data_source(connector="postgresql", url=postgresql.fresh())
    things = make_things(source)
    things.create([{"name": "a"}, {"name": "b"}])
    both, entered = Barrier(2), []

    @things.remote_method("swap", transaction=True)
    def swap(cls: Any, read: str, write: str) -> str:
        value = cls.find_one(where={"name": read}).value
        entered.append(read)
        both.wait(PATIENCE)
        cls.update_all({"name": write}, {"value": value + 1})
        both.wait(PATIENCE)
        return "done"

    shop = Shop(things)
    statuses = at_once(
        lambda number: (
            shop.app.test_client()
            .post("/things/swap", json={"read": "ab"[number], "write": "ba"[number]})
            .status_code
        ),
        threads=2,
    )
    assert sorted(statuses) == [200, 409]
    assert sorted(each.value for each in things.find()) == [0, 1]
    source.close()


def test_options_of_a_methods_transaction_are_heeded(source: DataSource, things: Things) -> None:
    @things.remote_method("peek", transaction={"readOnly": True}, http={"verb": "get"})
    def peek(cls: Any, write: bool = False) -> int:
        if write:
            cls.create(name="written")
        return int(cls.count())

    shop = Shop(things)
    assert shop.client.get("/things/peek").json == 0
    assert shop.client.get("/things/peek?write=true").status_code == 500
    assert things.count() == 0


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("yes", "'transaction' is True, False or a dict of options, not 'yes'"),
        ({"isolatoin": "x"}, "'transaction' has no option 'isolatoin'; did you mean 'isolation'"),
        ({"isolation": "x"}, "'transaction': isolation is one of"),
    ],
    ids=str,
)
def test_an_option_of_a_method_that_means_nothing_is_named(option: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        remote_method(transaction=option)(lambda cls: None)


def test_a_stream_is_no_transaction(source: DataSource, things: Things) -> None:
    @things.remote_method("lines", transaction=True)
    def lines(cls: Any) -> Iterator[str]:
        yield "a"

    with pytest.raises(DefinitionError, match="a stream is sent after the end of a transaction"):
        Shop(things)


def test_a_stream_that_a_method_turns_out_to_give_is_refused(
    source: DataSource, things: Things
) -> None:
    @things.remote_method("lines", transaction=True, returns={"type": "stream", "root": True})
    def lines(cls: Any) -> Any:
        cls.create(name="kept?")
        return iter(["a"])

    shop = Shop(things)
    shop.app.testing = True
    with pytest.raises(RuntimeError, match="ends before a stream is sent"):
        shop.client.post("/things/lines")
    assert things.count() == 0


def test_a_method_without_a_data_source_cannot_be_a_transaction() -> None:
    class Sourceless(Model):
        @remote_method(transaction=True)
        @staticmethod
        def ping() -> str:
            return "pong"

    app = Flask("shop")
    app.config.update(TESTING=True)
    Loop(app).model(Sourceless)
    with pytest.raises(RuntimeError, match=r"Sourceless.ping .*has no data source"):
        app.test_client().post("/sourcelesses/ping")


def after_create_refuse(things: Things) -> None:
    @things.after_remote("create")
    def refuse(ctx: Any, thing: Any) -> None:
        if ctx.result.name == "bad":
            raise Conflict("bad")


def test_each_request_of_a_model_can_be_a_transaction(source: DataSource) -> None:
    things = source.create_model(
        "thing", {"name": {"type": str, "max_length": 40}}, transaction=True
    )
    source.auto_update()
    after_create_refuse(things)
    shop = Shop(things)
    assert shop.client.post("/things", json={"name": "good"}).status_code == 200
    assert shop.client.post("/things", json={"name": "bad"}).status_code == 409
    assert names(things) == ["good"]


def shop_with_sources(settings: Any, tmp_path: Path, seen: list[bool]) -> Any:
    """An app with two data sources, whose records are written in one hook."""
    app = Flask("shop")
    app.config.update(
        TESTING=False,
        LOOP_DATA_SOURCES={
            "db": {"connector": "sqlite", "url": f"sqlite:///{tmp_path}/db.sqlite"},
            "log": {"connector": "memory"},
        },
        LOOP_REQUEST_TRANSACTIONS=settings,
    )
    loop = Loop(app)
    db, log = loop.data_source("db"), loop.data_source("log")
    things = make_things_of_app(app, db)
    lines = log.create_model("log_line", {"text": str})
    loop.model(things)

    @things.after_remote("**")
    def note(ctx: Any, thing: Any) -> None:
        lines.create(text=ctx.method.name)
        seen.append(db.connector.session.in_transaction)
        if "bad" in ctx.args.get("data", {}).get("name", ""):
            raise Conflict("bad")

    return app, things, lines


def make_things_of_app(app: Flask, db: DataSource) -> Things:
    things = db.create_model("thing", {"name": str})
    with app.app_context():
        db.auto_update()
    return things


def test_each_request_of_an_app_can_be_a_transaction(tmp_path: Path) -> None:
    seen: list[bool] = []
    app, _, lines = shop_with_sources(["db", "log"], tmp_path, seen)
    client = app.test_client()
    assert client.post("/things", json={"name": "good"}).status_code == 200
    assert client.post("/things", json={"name": "bad"}).status_code == 409
    assert client.get("/things").json == [{"id": 1, "name": "good"}]
    assert seen == [True, True, False]
    with app.app_context():
        assert [each.text for each in lines.find()] == ["create", "find"]


def test_only_the_sources_that_are_named_are_undone(tmp_path: Path) -> None:
    app, things, lines = shop_with_sources({"db": {"timeout": 5}}, tmp_path, [])
    assert app.test_client().post("/things", json={"name": "bad"}).status_code == 409
    with app.app_context():
        assert (things.count(), lines.count()) == (0, 1)


@pytest.mark.parametrize("given", ["db", 5, [5], {"db": {"timeout": -1}}], ids=str)
def test_a_setting_that_means_nothing_is_refused(given: Any) -> None:
    app = Flask("shop")
    app.config["LOOP_REQUEST_TRANSACTIONS"] = given
    with pytest.raises(DefinitionError, match="LOOP_REQUEST_TRANSACTIONS"):
        Loop(app)
