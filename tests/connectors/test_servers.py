"""The servers that the tests start: as many as are here, and nothing of them stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import sqlalchemy as sa

from tests.servers import (
    SERVERS,
    LocalServer,
    Missing,
    Mysql,
    Oracle,
    Postgresql,
    Server,
    Servers,
)
from tests.servers.base import is_alive

LOCAL = ["postgresql", "mysql", "firebird"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=LOCAL)
def server(request: pytest.FixtureRequest, get_server: Callable[[str], Server]) -> Server:
    return get_server(request.param)


@pytest.fixture
def local(server: Server) -> LocalServer:
    assert isinstance(server, LocalServer)
    if not server.is_own:
        pytest.skip(f"{server.variable} names a server that is not ours to end")
    return server


@contextmanager
def connection_to(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def run(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with connection_to(url) as connection:
        for each in statements:
            connection.execute(sa.text(each)).close()
            connection.commit()


def tables(url: str) -> list[str]:
    with connection_to(url) as connection:
        return sa.inspect(connection).get_table_names()


def count(url: str) -> int:
    with connection_to(url) as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM thing")).scalar_one())


MAKE = "CREATE TABLE thing (id INTEGER NOT NULL PRIMARY KEY)"
FILL = "INSERT INTO thing (id) VALUES (1)"


def test_a_fresh_database_is_empty(server: Server) -> None:
    for _ in range(3):
        url = server.fresh()
        assert tables(url) == []
        run(url, MAKE, FILL)
        assert tables(url) == ["thing"]


def test_databases_of_other_names_keep_what_they_have(server: Server) -> None:
    one = server.fresh("one")
    run(one, MAKE)
    assert tables(server.fresh("other")) == []
    assert tables(one) == ["thing"]


def test_a_connection_that_somebody_forgot_is_no_obstacle(server: Server) -> None:
    url = server.fresh()
    run(url, MAKE, FILL)
    with connection_to(url) as forgotten:
        forgotten.execute(sa.text("UPDATE thing SET id = 2")).close()
        assert tables(server.fresh()) == []
        with suppress(sa.exc.DBAPIError):
            forgotten.rollback()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_committed_is_there_after_a_restart(local: LocalServer, end: str) -> None:
    url, port = local.fresh(), local.port
    run(url, MAKE, FILL)
    getattr(local, end)()
    assert not local.is_running
    with pytest.raises(sa.exc.DBAPIError):
        count(url)
    local.start()
    assert local.port == port
    assert count(url) == 1
    assert tables(local.fresh()) == []


def test_a_server_listens_on_loopback_only(local: LocalServer) -> None:
    listening = {
        (address, int(port, 16))
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
        for address, port in [line.split()[1].split(":")]
    }
    assert [address for address, port in listening if port == local.port] == ["0100007F"]
    assert 20000 <= local.port < 30000


def test_postgis_is_there_for_those_who_ask(postgresql: Postgresql) -> None:
    url = postgresql.fresh_with_postgis()
    run(url, "SELECT ST_Distance('POINT(13 52)'::geography, 'POINT(2 48)'::geography)")
    with pytest.raises(sa.exc.ProgrammingError):
        run(postgresql.fresh(), "SELECT ST_Point(0, 0)")


KILLED = """
import os, signal, sys
from tests.servers import SERVERS

server = SERVERS[sys.argv[1]]()
server.start()
server.fresh()
print(server.folder, server._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_stays_of_a_server_whose_tests_were_killed(local: LocalServer) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, local.connector],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    folder, pid = run.stdout.split()
    deadline = monotonic() + 20
    while monotonic() < deadline and (Path(folder).exists() or is_alive(int(pid))):
        sleep(0.05)
    assert not Path(folder).exists()
    assert not is_alive(int(pid))


@pytest.mark.parametrize("connector", LOCAL)
def test_a_server_that_is_not_here_says_how_to_get_it(
    connector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = SERVERS[connector]()
    monkeypatch.delenv(server.variable, raising=False)
    monkeypatch.setattr(type(server), "_find", lambda self: False)
    with pytest.raises(Missing, match=r"apt-get install .*, or set LOOP_TEST_\w+_URL"):
        SERVERS[connector]().start()


def test_a_server_that_does_not_start_shows_its_log(
    mysql: Mysql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(Mysql.variable, raising=False)
    monkeypatch.setattr(
        Mysql, "_command", lambda self: ["sh", "-c", "echo no room left; exit 3"], raising=True
    )
    with pytest.raises(RuntimeError, match="no room left"):
        Mysql().start()


def test_a_named_server_takes_the_place_of_an_own_one(
    local: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url: Any = local.url
    database = {"postgresql": "postgres", "mysql": "mysql"}.get(local.connector)
    given = url.set(database=database or f"{local.folder}/databases/given.fdb")
    monkeypatch.setenv(local.variable, given.render_as_string(hide_password=False))
    named = SERVERS[local.connector]("gw7")
    named.start()
    made = named.fresh()
    run(made, MAKE)
    assert "_test_gw7" in made
    assert tables(named.fresh()) == []
    with pytest.raises(RuntimeError, match="not ours to end"):
        named.stop()  # type: ignore[attr-defined]
    named.remove()
    assert local.is_running


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        (None, Missing, "set LOOP_TEST_ORACLE_URL"),
        ("oracle://shop:secret@127.0.0.1:1/?service_name=x", RuntimeError, "'test' in its name"),
    ],
)
def test_oracle_runs_only_where_its_user_is_for_tests(
    url: str | None, error: type[Exception], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(Oracle.variable, raising=False)
    if url is not None:
        monkeypatch.setenv(Oracle.variable, url)
    with pytest.raises(error, match=text):
        Oracle().start()


@pytest.mark.parametrize(
    ("connector", "ci", "outcome"),
    [
        ("postgresql", "", pytest.skip.Exception),
        ("postgresql", "true", pytest.fail.Exception),
        ("oracle", "true", pytest.skip.Exception),
    ],
)
def test_what_a_missing_server_means(
    connector: str,
    ci: str,
    outcome: type[BaseException],
    get_server: Callable[[str], Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get(self: Servers, name: str) -> Server:
        raise Missing(f"install {name}")

    monkeypatch.setattr(Servers, "get", get)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=f"install {connector}"):
        get_server(connector)
