"""SQLite: its settings, transactions, threads and processes."""

from __future__ import annotations

import contextvars
import gc
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_loop import DataSource, create_data_source
from flask_loop.errors import DefinitionError, DuplicateId, Unavailable, ValidationError

THREADS = 8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture(params=["file", "memory"])
def source(request: pytest.FixtureRequest, file: Path) -> Iterator[DataSource]:
    """A source on a file, and one in memory."""
    database = {"database": file} if request.param == "file" else {"url": "sqlite://"}
    source = create_data_source(connector="sqlite", timeout=30, **database)
    yield source
    source.close()


@pytest.fixture
def on_file(file: Path) -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", database=file, timeout=30)
    yield source
    source.close()


def make_things(source: DataSource) -> Any:
    things = source.create_model("thing", {"name": {"type": str, "unique": True}, "size": int})
    source.auto_update()
    return things


@pytest.fixture
def things(source: DataSource) -> Any:
    return make_things(source)


def ask(source: DataSource, sql: str) -> Any:
    """Ask a connection of the source itself."""
    return source.connector.session.fetch(sql, ())[0][0]  # type: ignore[attr-defined]


def names(things: Any) -> list[str]:
    return [each.name for each in things.find(order="id")]


def in_thread(act: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(timeout=30)


# Settings


def test_a_file_is_in_wal_mode_and_durable(on_file: DataSource) -> None:
    assert ask(on_file, "PRAGMA journal_mode") == "wal"
    assert ask(on_file, "PRAGMA synchronous") == 2
    assert ask(on_file, "PRAGMA foreign_keys") == 1
    assert ask(on_file, "PRAGMA busy_timeout") == 30_000


def test_every_connection_is_set_up(on_file: DataSource) -> None:
    barrier = threading.Barrier(THREADS)

    def check(number: int) -> tuple[Any, ...]:
        with on_file.transaction() if number == 0 else on_file.connector.session.inspection():  # type: ignore[attr-defined]
            barrier.wait(30)
            return ask(on_file, "PRAGMA foreign_keys"), ask(on_file, "PRAGMA busy_timeout")

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(check, range(THREADS))) == {(1, 30_000)}


@pytest.mark.parametrize(
    ("setting", "level"), [("OFF", 0), ("normal", 1), ("FULL", 2), ("EXTRA", 3)]
)
def test_synchronous_can_be_set(file: Path, setting: str, level: int) -> None:
    source = create_data_source(connector="sqlite", database=file, synchronous=setting, timeout=0.5)
    assert ask(source, "PRAGMA synchronous") == level
    assert ask(source, "PRAGMA busy_timeout") == 500
    source.close()


@pytest.mark.parametrize(
    "place",
    [
        lambda file: {"url": f"sqlite:///{file}"},
        lambda file: {"url": f"sqlite+pysqlite:///{file}"},
        lambda file: {"database": str(file)},
        lambda file: {"database": file},
        lambda file: {"url": sa.URL.create("sqlite", database=str(file))},
    ],
    ids=["url", "driver", "text", "path", "URL"],
)
def test_ways_to_name_the_file(file: Path, place: Any) -> None:
    source = create_data_source(connector="sqlite", **place(file))
    source.ping()
    assert file.exists()
    assert source.connector.capabilities.persistent is True
    source.close()


def test_a_url_alone_is_enough(file: Path) -> None:
    source = create_data_source(url=f"sqlite:///{file}")
    assert source.connector.name == "sqlite"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"urll": "x"}, r"no setting 'urll'; did you mean 'url'\?"),
        (
            {"url": "postgresql://u:secret@host/x"},
            r"postgresql://u:\*\*\*@host/x is not the URL of",
        ),
        ({"url": "nothing"}, "the url is not the URL of a database"),
        ({"url": 5}, "the url is not the URL of a database"),
        ({"url": "sqlite://", "database": "x"}, "a url or a database, not both"),
        ({"synchronous": "sometimes"}, "synchronous is one of OFF, NORMAL, FULL, EXTRA"),
        ({"timeout": -1}, "timeout is a number from 0, not -1"),
        ({"timeout": "5"}, "timeout is a number from 0, not '5'"),
        ({"pool_size": 0}, "pool_size is a number from 1, not 0"),
        ({"max_overflow": True}, "max_overflow is a number from 0, not True"),
        ({"database": "/no/such/folder/x.sqlite"}, "the folder /no/such/folder of the database"),
    ],
    ids=str,
)
def test_a_setting_that_means_nothing_is_named(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        create_data_source(connector="sqlite", **settings)


def test_the_file_is_opened_on_first_use(file: Path) -> None:
    source = create_data_source(connector="sqlite", database=file)
    source.create_model("thing", {"name": str})
    assert not file.exists()
    source.auto_update()
    assert file.exists()
    source.close()


def test_what_is_in_memory_is_not_kept() -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    assert source.connector.capabilities.persistent is False
    make_things(source)
    source.close()
    assert not source.is_actual()
    source.close()


def test_two_sources_in_memory_are_two_databases() -> None:
    first, second = (create_data_source(connector="sqlite", url="sqlite://") for _ in range(2))
    make_things(first)
    assert make_things(second).count() == 0
    first.close()
    second.close()


def test_foreign_keys_hold_in_tables_made_by_hand(on_file: DataSource, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, "
            "shop_id INTEGER REFERENCES shop, size INTEGER CHECK (size > 0))"
        )
    shops = on_file.create_model("shop", {"name": str})
    items = on_file.create_model("item", {"shop_id": int, "size": int})
    shop = shops.create(name="a")
    item = items.create(shop_id=shop.id, size=1)
    refused: list[Callable[[], Any]] = [
        lambda: items.create(shop_id=99, size=1),
        lambda: items.create(shop_id=shop.id, size=-1),
        lambda: items.update_all({}, {"shop_id": 99}),
        lambda: item.patch_attributes(shop_id=99),
        shop.destroy,
        shops.destroy_all,
    ]
    for act in refused:
        with pytest.raises(Exception, match="refused") as error:
            act()
        assert getattr(error.value, "code", None) == 409
    assert (shops.count(), items.count()) == (1, 1)


# Unique indexes


def test_a_value_that_exists_is_named_on_every_way_in(things: Any) -> None:
    things.create([{"name": "a", "size": 1}, {"name": "b", "size": 2}])
    second = things.find_one({"name": "b"})
    ways: list[Callable[[], Any]] = [
        lambda: things.create(name="a"),
        lambda: things.upsert(name="a"),
        lambda: things.replace_or_create({"name": "a"}),
        lambda: second.patch_attributes(name="a"),
        lambda: things.replace_by_id(second.id, {"name": "a"}),
        lambda: things.update_all({"size": 2}, {"name": "a"}),
        lambda: things.update_all({}, {"name": "c"}),
        lambda: things.upsert_with_where({"size": 2}, {"name": "a"}),
        lambda: things.find_or_create({"where": {"size": 9}}, {"name": "a"}),
    ]
    for act in ways:
        with pytest.raises(ValidationError) as refused:
            act()
        assert refused.value.details["codes"] == {"name": ["uniqueness"]}
    assert names(things) == ["a", "b"]


def test_the_record_that_collides_is_named_by_its_place(source: DataSource) -> None:
    seats = source.create_model(
        "seat",
        {"row": str, "number": int},
        indexes={"place": {"keys": ["row", "number"], "unique": True}},
    )
    source.auto_update()
    seats.create(row="a", number=2)
    with pytest.raises(ValidationError) as refused:
        seats.create([{"row": "a", "number": number} for number in (0, 1, 2, 3)])
    assert set(refused.value.details["codes"]) == {"2.row", "2.number"}
    assert seats.count() == 1


def test_an_id_that_exists_is_a_conflict(source: DataSource) -> None:
    keyed = source.create_model("keyed", {"key": {"type": str, "id": True}})
    pairs = source.create_model(
        "pair", {"b": {"type": int, "id": 2}, "a": {"type": int, "id": 1}, "c": int}
    )
    source.auto_update()
    keyed.create(key="x")
    pairs.create(a=1, b=2)
    with pytest.raises(DuplicateId, match=r"keyed\.id: x"):
        keyed.create([{"key": "y"}, {"key": "x"}])
    with pytest.raises(DuplicateId, match=r"pair\.id: 1,2"):
        pairs.create(a=1, b=2, c=3)
    assert (keyed.count(), pairs.count()) == (1, 1)


# Transactions


def test_what_is_kept_and_what_is_undone(source: DataSource, things: Any) -> None:
    with source.transaction():
        things.create(name="a")
    with suppress(LookupError), source.transaction():
        things.create(name="b")
        things.update_all({}, {"size": 1})
        assert names(things) == ["a", "b"]
        raise LookupError
    assert [each.to_record() for each in things.find()] == [{"id": 1, "name": "a", "size": None}]


def test_inner_blocks_are_undone_alone(source: DataSource, things: Any) -> None:
    with source.transaction():
        things.create(name="a")
        with suppress(LookupError), source.transaction():
            things.create(name="b")
            with source.transaction():
                things.create(name="c")
            raise LookupError
        with source.transaction():
            things.create(name="d")
            with suppress(LookupError), source.transaction():
                things.create(name="e")
                raise LookupError
        assert names(things) == ["a", "d"]
    assert names(things) == ["a", "d"]


def test_a_refused_write_leaves_the_block_usable(source: DataSource, things: Any) -> None:
    with source.transaction():
        things.create(name="a")
        with pytest.raises(ValidationError):
            things.create(name="a")
        with pytest.raises(ValidationError):
            things.create([{"name": "b"}, {"name": "b"}])
        things.create(name="c")
    assert names(things) == ["a", "c"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exit_undoes_the_block(
    source: DataSource, things: Any, error: type[BaseException]
) -> None:
    with suppress(error), source.transaction():
        things.create(name="a")
        with source.transaction():
            raise error
    assert names(things) == []
    things.create(name="b")
    assert names(things) == ["b"]


def test_a_generator_that_is_left_undoes_its_block(source: DataSource, things: Any) -> None:
    def generate() -> Iterator[int]:
        with source.transaction():
            things.create(name="a")
            yield 1
            things.create(name="b")

    generator = generate()
    assert next(generator) == 1
    generator.close()  # type: ignore[attr-defined]
    assert names(things) == []


def test_a_generator_may_be_left_in_another_context(on_file: DataSource) -> None:
    things = make_things(on_file)

    def generate() -> Iterator[int]:
        with on_file.transaction():
            things.create(name="a")
            yield 1

    generator = generate()
    contextvars.copy_context().run(next, generator)
    contextvars.copy_context().run(generator.close)  # type: ignore[attr-defined]
    assert names(things) == []
    things.create(name="b")
    assert on_file.connector.session.in_use == 0  # type: ignore[attr-defined]


def test_other_threads_do_not_see_what_is_not_kept(on_file: DataSource) -> None:
    things = make_things(on_file)
    with on_file.transaction():
        things.create(name="a")
        assert in_thread(lambda: names(things)) == []
    assert in_thread(lambda: names(things)) == ["a"]


def test_a_copied_context_does_not_take_the_transaction_along(on_file: DataSource) -> None:
    things = make_things(on_file)
    with on_file.transaction():
        things.create(name="a")
        inside = contextvars.copy_context()
        assert in_thread(lambda: inside.run(names, things)) == []
    assert inside.run(names, things) == ["a"]
    inside.run(things.create, name="b")
    assert names(things) == ["a", "b"]


def test_in_memory_the_other_threads_wait() -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    things = make_things(source)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(names(things)))
    with source.transaction():
        things.create(name="a")
        reader.start()
        things.create(name="b")
    reader.join(30)
    assert found == ["a", "b"]
    source.close()


def test_increments_of_many_threads_are_not_lost(source: DataSource, things: Any) -> None:
    counter = things.create(name="counter", size=0)
    barrier = threading.Barrier(THREADS)

    def increment(number: int) -> None:
        barrier.wait(30)
        for _ in range(10):
            with source.transaction():
                size = things.find_by_id(counter.id).size
                things.update_all({"id": counter.id}, {"size": size + 1})

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(increment, range(THREADS)))
    assert things.find_by_id(counter.id).size == THREADS * 10


def test_threads_share_a_database_in_memory() -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    things = make_things(source)

    def work(number: int) -> int:
        for step in range(30):
            thing = things.create(name=f"{number}-{step}", size=step)
            thing.patch_attributes(size=step + 1)
            assert things.find_by_id(thing.id).size == step + 1
            assert things.count({"name": {"like": f"{number}-%"}}) == step + 1
        return things.destroy_all({"name": {"like": f"{number}-_"}})

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [10] * THREADS
    assert things.count() == 20 * THREADS
    source.close()


def test_threads_may_open_a_new_file_at_once(file: Path) -> None:
    for attempt in range(10):
        source = create_data_source(connector="sqlite", database=f"{file}{attempt}")
        barrier = threading.Barrier(THREADS)

        def ping(number: int, source: Any = source, barrier: Any = barrier) -> None:
            barrier.wait(30)
            source.ping()

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(ping, range(THREADS)))
        source.close()


# Others that watch


def test_listeners_see_every_statement_and_change_nothing(source: DataSource, things: Any) -> None:
    session = source.connector.session  # type: ignore[attr-defined]
    seen: list[str] = []

    @sa.event.listens_for(session.engine, "before_cursor_execute")
    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement.split(maxsplit=1)[0])

    assert things.create(name="a", size=1).id == 1
    assert [each.id for each in things.create([{"name": "b"}, {"name": "c"}])] == [2, 3]
    assert things.update_all({"name": "b"}, {"size": 5}) == 1
    assert things.find_by_id(2).to_record() == {"id": 2, "name": "b", "size": 5}
    assert names(things) == ["a", "b", "c"]
    with suppress(ValidationError), source.transaction():
        things.destroy_by_id(3)
        things.create(name="a")
    assert things.destroy_all({"size": 1}) == 1
    assert names(things) == ["b", "c"]
    for word in ("INSERT", "BEGIN", "COMMIT", "ROLLBACK", "UPDATE", "SELECT", "DELETE"):
        assert word in seen, word
    sa.event.remove(session.engine, "before_cursor_execute", listen)
    count = len(seen)
    assert names(things) == ["b", "c"]
    assert len(seen) == count


def test_listeners_of_all_engines_and_of_errors_are_heard(source: DataSource, things: Any) -> None:
    heard: list[str] = []

    def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        heard.append(statement)

    def failed(context: Any) -> None:
        heard.append(type(context.original_exception).__name__)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        things.create(name="a")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(source.connector.session.engine, "handle_error", failed)  # type: ignore[attr-defined]
    with pytest.raises(DuplicateId):
        things.create(id=1, name="b")
    assert any(each.startswith("INSERT") for each in heard)
    assert heard[-1] == "IntegrityError"


ECHOING = """
import sys
from flask_loop import create_data_source

source = create_data_source(connector="sqlite", database=sys.argv[1], echo=True)
thing = source.create_model("thing", {"name": str})
source.auto_update()
thing.create(name="a")
"""


def test_echo_logs_every_statement(file: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ECHOING, file], capture_output=True, text=True, check=True
    )
    assert "INSERT INTO thing (name) VALUES (?)" in run.stdout


def test_the_log_level_is_enough(on_file: DataSource, caplog: pytest.LogCaptureFixture) -> None:
    things = make_things(on_file)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        things.create(name="a")
    assert any("INSERT INTO thing" in each for each in caplog.messages)


# Processes

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")


def in_child(act: Callable[[], Any]) -> int:
    """Run a function in a forked child, and give the child's exit status: 0 where it holds."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, such as those of earlier tests.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        status = 0 if act() else 2
    finally:
        os._exit(status)


@needs_fork
def test_a_forked_child_has_connections_of_its_own(on_file: DataSource) -> None:
    things = make_things(on_file)
    things.create(name="parent")
    pool = on_file.connector.session.engine.pool  # type: ignore[attr-defined]
    connections = opened(pool)
    assert connections > 0

    def child() -> bool:
        now = on_file.connector.session.engine.pool  # type: ignore[attr-defined]
        unused = now is not pool and opened(now) == 0 and opened(pool) == connections
        things.create(name="child")
        with on_file.transaction():
            things.create(name="child 2")
        return unused and names(things) == ["parent", "child", "child 2"]

    assert in_child(child) == 0
    assert on_file.connector.session.engine.pool is pool  # type: ignore[attr-defined]
    things.create(name="parent 2")
    assert names(things) == ["parent", "child", "child 2", "parent 2"]


def opened(pool: Any) -> int:
    return int(pool.checkedin() + pool.checkedout())


@needs_fork
def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(on_file: DataSource) -> None:
    things = make_things(on_file)
    with on_file.transaction():
        things.create(name="a")
        assert in_child(lambda: names(things) == []) == 0
        things.create(name="b")
    assert names(things) == ["a", "b"]


@needs_fork
@pytest.mark.parametrize("error", [None, LookupError])
def test_a_child_that_leaves_the_parents_transaction_does_not_end_it(
    on_file: DataSource, error: type[Exception] | None
) -> None:
    things = make_things(on_file)
    block = on_file.transaction()

    def leave() -> bool:
        return not block.__exit__(error, error and error(), None)

    with block:
        things.create(name="a")
        assert in_child(leave) == 0
        assert in_thread(lambda: names(things)) == []
        things.create(name="b")
    assert names(things) == ["a", "b"]


@needs_fork
def test_a_forked_child_goes_on_with_a_copy_of_what_is_in_memory() -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    things = make_things(source)
    things.create(name="a")

    def child() -> bool:
        things.create(name="child")
        return names(things) == ["a", "child"]

    assert in_child(child) == 0
    assert names(things) == ["a"]
    source.close()


WRITING = """
import sys
from flask_loop import create_data_source

source = create_data_source(connector="sqlite", database=sys.argv[1])
things = source.create_model("thing", {"name": {"type": str, "unique": True}, "size": int})
source.auto_update()
for number in range(1, int(sys.argv[2]) + 1):
    if number % 3 == 0:
        with source.transaction():
            things.create(name=f"{number}", size=1)
            things.create(name=f"{number} too", size=1)
    else:
        things.create(name=f"{number}", size=1)
    print(number, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 20, 50])
def test_a_killed_process_loses_nothing_acknowledged(file: Path, acknowledged: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITING, file, "100000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(acknowledged):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    last = acknowledged + len(writer.stdout.readlines())
    writer.wait(30)
    writer.stdout.close()
    source = create_data_source(connector="sqlite", database=file)
    things = make_things(source)
    found = set(names(things))
    assert found >= {str(number) for number in range(1, last + 1)}
    for number in range(3, last + 4, 3):
        assert (str(number) in found) == (f"{number} too" in found)
    assert ask(source, "PRAGMA integrity_check") == "ok"
    things.create(name="afterwards")
    source.close()


def test_processes_take_turns(on_file: DataSource, file: Path) -> None:
    things = make_things(on_file)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITING, file, "60"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    for number in range(60):
        things.create(name=f"mine {number}")
    assert len(writer.stdout.readlines()) == 59
    assert writer.wait(30) == 0
    writer.stdout.close()
    assert things.count() == 60 + 60 + 20


def test_a_writer_that_takes_too_long_is_not_waited_for(file: Path) -> None:
    patient, impatient = (
        create_data_source(connector="sqlite", database=file, timeout=timeout)
        for timeout in (5, 0.05)
    )
    things = make_things(patient)
    others = make_things(impatient)
    with patient.transaction():
        things.create(name="a")
        assert names(others) == []
        for act in (lambda: others.create(name="b"), impatient.transaction().__enter__):
            with pytest.raises(Unavailable, match="busy") as busy:
                act()
            assert busy.value.retry_after == 1
    others.create(name="b")
    assert names(things) == ["a", "b"]
    assert impatient.connector.session.in_use == 0  # type: ignore[attr-defined]
    patient.close()
    impatient.close()


def test_a_source_that_nobody_has_closes_its_connections_in_silence(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def use() -> None:
        source = create_data_source(connector="sqlite", database=file)
        thing = source.create_model("thing", {"name": str})
        source.auto_update()
        thing.create(name="a")
        thing.me_too = thing  # so that it is left to the garbage collector
        kept.append(weakref.ref(source.connector))

    kept: list[weakref.ref[Any]] = []
    before = open_files(file)
    use()
    gc.collect()
    assert kept[0]() is None
    assert open_files(file) == before == 0
    assert caplog.text == ""


def open_files(file: Path) -> int:
    """How often this process has a database open."""
    folder = Path("/proc/self/fd")
    targets = []
    for each in folder.iterdir() if folder.exists() else ():
        with suppress(OSError):
            targets.append(each.readlink())
    return targets.count(file)
