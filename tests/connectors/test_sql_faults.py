"""What goes wrong with a database: which error it is, and that everything works afterwards."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Loop, create_data_source
from flask_loop.errors import DefinitionError, Unavailable, ValidationError

THREADS = 8

Connect = Callable[..., DataSource]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture
def source(connect: Connect, file: Path) -> DataSource:
    return connect("sqlite", database=file, timeout=0.1)


@pytest.fixture
def things(source: DataSource) -> Any:
    return make_things(source)


def make_things(source: DataSource) -> Any:
    things = source.create_model("thing", {"name": {"type": str, "unique": True}, "size": int})
    source.auto_update()
    return things


@pytest.fixture
def blocked(file: Path, things: Any) -> Iterator[None]:
    """While another program has the database for writing."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def checked_out(source: DataSource) -> int:
    return int(source.connector.session.in_use)  # type: ignore[attr-defined]


def limit_pages(source: DataSource) -> None:
    """Let the database grow no further."""
    session = source.connector.session  # type: ignore[attr-defined]
    with session.inspection() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def lift_limit(source: DataSource) -> None:
    session = source.connector.session  # type: ignore[attr-defined]
    with session.inspection() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


# The file


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"the folder .*nowhere of the database does not"):
        create_data_source(connector="sqlite", database=tmp_path / "nowhere" / "x.sqlite")


def test_a_folder_that_vanished_is_unavailable(connect: Connect, tmp_path: Path) -> None:
    folder = tmp_path / "soon gone"
    folder.mkdir()
    source = connect("sqlite", database=folder / "x.sqlite")
    folder.rmdir()
    with pytest.raises(Unavailable, match="not available"):
        source.ping()
    with pytest.raises(Unavailable):
        source.auto_update()
    assert checked_out(source) == 0
    folder.mkdir()
    source.ping()


def test_a_folder_in_place_of_the_file_is_unavailable(connect: Connect, tmp_path: Path) -> None:
    source = connect("sqlite", database=tmp_path)
    with pytest.raises(Unavailable):
        source.ping()


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 4096]
)
def test_a_file_that_is_no_database_is_unavailable(
    connect: Connect, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    source = connect("sqlite", database=file)
    things = source.create_model("thing", {"name": str})
    for act in (source.ping, source.auto_update, source.is_actual, things.find, things.create):
        with pytest.raises(Unavailable) as error:
            act()
        assert str(file) not in str(error.value)
    assert file.read_bytes() == content
    assert checked_out(source) == 0


def test_a_page_that_is_damaged_is_unavailable(
    connect: Connect, source: DataSource, things: Any, file: Path
) -> None:
    things.create([{"name": f"{number:0100}"} for number in range(2000)])
    source.close()
    content = bytearray(file.read_bytes())
    for page in range(len(content) // 4096 // 2, len(content) // 4096 - 1):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(content)
    with pytest.raises(Unavailable):
        things.find()
    with pytest.raises(Unavailable), source.transaction():
        things.update_all({}, {"size": 1})
    assert checked_out(source) == 0


def test_a_database_that_is_read_only_is_read(
    connect: Connect, source: DataSource, things: Any, file: Path
) -> None:
    things.create(name="a")
    source.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    reader = connect("sqlite", url=f"sqlite:///file:{file}?mode=ro&uri=true")
    read = reader.create_model("thing", {"name": {"type": str, "unique": True}, "size": int})
    assert reader.is_actual()
    reader.auto_update()
    assert [each.name for each in read.find()] == ["a"]
    writes: list[Callable[[], Any]] = [
        lambda: read.create(name="b"),
        lambda: read.create([{"name": "b"}, {"name": "c"}]),
        read.destroy_all,
        lambda: read.find_by_id(1).patch_attributes(size=1),
        lambda: reader.auto_migrate(drop=True),
    ]
    for act in writes:
        with pytest.raises(Unavailable):
            act()
    assert [each.name for each in read.find()] == ["a"]
    assert checked_out(reader) == 0


def test_a_database_that_is_not_there_is_not_made_where_only_reading_is_asked_for(
    connect: Connect, file: Path
) -> None:
    source = connect("sqlite", url=f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(Unavailable):
        source.ping()
    assert not file.exists()


def test_a_full_disk_undoes_the_write(source: DataSource, things: Any) -> None:
    things.create(name="a")
    limit_pages(source)
    text = "x" * 100_000
    with pytest.raises(Unavailable, match="not available"):
        things.create(name=text)
    with pytest.raises(Unavailable):
        things.create([{"name": "b"}, {"name": text}, {"name": "c"}])
    assert [each.name for each in things.find()] == ["a"]
    assert checked_out(source) == 0
    lift_limit(source)
    things.create(name=text)
    assert things.count() == 2


def test_what_follows_in_a_transaction_that_a_full_disk_ended_is_not_kept(
    source: DataSource, things: Any
) -> None:
    limit_pages(source)
    text = "x" * 100_000

    def go_on() -> None:
        with source.transaction():
            things.create(name="before")
            with suppress(Unavailable), source.transaction():
                things.create(name=text)
            things.create(name="after")

    with pytest.raises(Unavailable, match="has ended the transaction"):
        go_on()
    assert things.count() == 0
    assert checked_out(source) == 0
    lift_limit(source)
    with source.transaction():
        things.create(name="later")
    assert things.count({"name": "later"}) == 1


def test_a_transaction_that_the_database_ended_is_refused_to_the_end(
    source: DataSource, things: Any, file: Path
) -> None:
    def go_on() -> None:
        with source.transaction():
            things.create(name="before")
            # SQLite rolls back by itself for this, as it may for a full disk.
            with suppress(Exception):
                things.create(name="refused")
            things.create(name="after")

    with closing(sqlite3.connect(file)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON thing WHEN new.name = 'refused' "
            "BEGIN SELECT RAISE(ROLLBACK, 'refused'); END"
        )
    with pytest.raises(Unavailable, match="has ended the transaction"):
        go_on()
    assert things.count() == 0
    assert checked_out(source) == 0
    things.create(name="later")
    assert things.count() == 1


# Others that write


def test_a_busy_database_says_when_to_come_back(
    source: DataSource, things: Any, blocked: None
) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: things.create(name="b"),
        lambda: things.create([{"name": "b"}, {"name": "c"}]),
        lambda: things.update_all({}, {"size": 1}),
        things.destroy_all,
        lambda: things.upsert(name="b"),
        lambda: source.auto_migrate(drop=True),
        source.transaction().__enter__,
    ]
    for act in ways:
        with pytest.raises(Unavailable, match="busy") as busy:
            act()
        assert busy.value.retry_after == 1
    assert things.find() == []
    assert source.is_actual()
    source.auto_update()
    assert checked_out(source) == 0


def test_the_write_works_when_the_other_is_done(source: DataSource, file: Path) -> None:
    things = make_things(source)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            things.create(name="a")
        other.execute("COMMIT")
        things.create(name="a")
    assert things.count() == 1


@pytest.fixture
def client(source: DataSource, things: Any) -> FlaskClient:
    app = Flask("shop")
    app.testing = True
    Loop(app, url_prefix="/api").model(things)
    return app.test_client()


def test_a_busy_database_is_503_with_retry_after(client: FlaskClient, blocked: None) -> None:
    answers = [
        client.post("/api/things", json={"name": "b"}),
        client.patch("/api/things", json={"name": "b"}),
        client.patch("/api/things/1", json={"name": "b"}),
        client.delete("/api/things/1"),
        client.post("/api/things/update?where={}", json={"size": 5}),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json == {
            "error": {
                "statusCode": 503,
                "name": "ServiceUnavailableError",
                "message": "The data source is busy.",
            }
        }
    problem = client.post(
        "/api/things", json={"name": "b"}, headers={"Accept": "application/problem+json"}
    )
    assert (problem.status_code, problem.headers["Retry-After"]) == (503, "1")
    assert client.get("/api/things").json == []


def test_a_database_out_of_order_is_503_and_tells_nothing(
    source: DataSource, client: FlaskClient, file: Path
) -> None:
    source.close()
    file.with_name(f"{file.name}-wal").unlink(missing_ok=True)
    file.write_bytes(b"nothing" * 1000)
    answer = client.get("/api/things")
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
    assert answer.json is not None
    assert answer.json["error"]["message"] == "The data source is not available."
    assert "test.sqlite" not in answer.text


def test_a_refused_record_is_never_500(client: FlaskClient, source: DataSource) -> None:
    first = client.post("/api/things", json={"name": "a"})
    assert first.status_code == 200
    client.post("/api/things", json={"name": "b"})
    refused = [
        client.post("/api/things", json={"name": "a"}),
        client.post("/api/things", json=[{"name": "c"}, {"name": "a"}]),
        client.post("/api/things", json=[{"name": "c"}, {"name": "c"}]),
        client.patch("/api/things/2", json={"name": "a"}),
        client.put("/api/things/2", json={"name": "a"}),
        client.post("/api/things/2/replace", json={"name": "a"}),
        client.post('/api/things/update?where={"id":2}', json={"name": "a"}),
        client.post("/api/things/update?where={}", json={"name": "z"}),
        client.post('/api/things/upsertWithWhere?where={"id":2}', json={"name": "a"}),
    ]
    assert [answer.status_code for answer in refused] == [422] * len(refused)
    codes = [answer.json["error"]["details"]["codes"] for answer in refused if answer.json]
    assert {key for each in codes for key in each} == {"name", "1.name"}
    assert client.get("/api/things/count").json == {"count": 2}


# The pool


def test_a_pool_that_is_used_up_is_unavailable(connect: Connect, file: Path) -> None:
    source = connect("sqlite", database=file, pool_size=1, max_overflow=1, timeout=0.1)
    things = make_things(source)
    session = source.connector.session  # type: ignore[attr-defined]
    with session.inspection(), session.inspection():
        with pytest.raises(Unavailable, match="no connection free") as error:
            things.find()
        assert error.value.retry_after == 1
    assert things.find() == []
    assert checked_out(source) == 0


def test_connections_come_back_whatever_happens(source: DataSource, things: Any) -> None:
    def fail(number: int) -> None:
        for _ in range(20):
            with suppress(ValidationError, Unavailable):
                things.create([{"name": "a"}, {"name": "a"}])
            with suppress(LookupError, Unavailable), source.transaction():
                things.find()
                raise LookupError
            with suppress(Unavailable), source.transaction(), source.transaction():
                things.create(name=f"{number}")
                raise Unavailable("not here")
            with suppress(Exception):
                source.connector.session.fetch("SELECT nonsense FROM thing")  # type: ignore[attr-defined]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fail, range(THREADS)))
    assert checked_out(source) == 0
    assert things.count() == 0


def test_a_connection_that_was_closed_is_replaced(source: DataSource, things: Any) -> None:
    things.create(name="a")
    session = source.connector.session  # type: ignore[attr-defined]
    connection = session.engine.raw_connection()
    connection.dbapi_connection.close()
    connection.close()
    with suppress(Exception):
        things.find()
    assert [each.name for each in things.find()] == ["a"]
    assert checked_out(source) == 0


def test_closing_while_others_work_disturbs_no_one(connect: Connect, file: Path) -> None:
    source = connect("sqlite", database=file, timeout=30)
    things = make_things(source)
    done = threading.Event()

    def close() -> None:
        while not done.wait(0.001):
            source.close()

    closer = threading.Thread(target=close)
    closer.start()
    try:
        for number in range(100):
            things.create(name=f"{number}")
            with source.transaction():
                assert things.count() == number + 1
    finally:
        done.set()
        closer.join(30)
    assert checked_out(source) == 0


def test_a_mistake_in_sql_is_not_the_databases_fault(source: DataSource) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        source.connector.session.fetch("SELEC 1")  # type: ignore[attr-defined]
    assert checked_out(source) == 0
