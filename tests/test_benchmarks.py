from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response

from benchmarks import core_floor, driver_floor, loop_app, workload
from benchmarks.databases import DATABASES, Database
from benchmarks.products import products
from tests.servers import Postgresql

ROOT = Path(__file__).parents[1]
CONTESTANTS: dict[str, Callable[[str, Iterable[dict[str, Any]]], Flask]] = {
    "driver": driver_floor.create_app,
    "core": core_floor.create_app,
    "loop": loop_app.create_app,
}


def test_a_product_is_the_same_in_every_run() -> None:
    assert list(products(20)) == list(islice(products(), 20))


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> str:
    """The name of each database that is here."""
    if request.param != "sqlite":
        request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture
def database(db: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    if db == "postgresql":
        server: Postgresql = request.getfixturevalue("postgresql")
        url = server.url.render_as_string(hide_password=False)
        request.getfixturevalue("monkeypatch").setenv("LOOP_BENCH_POSTGRESQL_URL", url)
    with DATABASES[db].running() as database:
        yield database


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_command_compares_all_answers_and_writes_every_measure(db: str, tmp_path: Path) -> None:
    file = tmp_path / "measures.json"
    options = ("--rounds", "1", "--batch", "2", "--processes", "1", "--json", str(file))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--db", db, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "answers compared: all contestants agree." in done.stdout
    measures = json.loads(file.read_bytes())
    assert measures["database"] == DATABASES[db].title
    rows = ["get one", "list 20", "list 100", "create", "patch", "hooked", "with token"]
    rows += ["20 with one", "20 with 10"]
    assert list(measures["requests"]) == rows
    for row in measures["requests"].values():
        assert list(row) == list(CONTESTANTS)
        assert row["driver"]["ratio"] == 1
        assert all(its["median"] > 0 and len(its["rounds"]) == 1 for its in row.values())
    for point in measures["startup"].values():
        assert len(point["seconds"]) == len(point["megabytes"]) == 1
    assert {"import flask_loop", "app with 1 model", "app with 100 models"} <= set(
        measures["startup"]
    )


def test_contestants_that_answer_differently_are_not_measured(database: Database) -> None:
    floor, other = (
        driver_floor.create_app(database.fresh(name), products()) for name in ("a", "b")
    )

    def changed(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PATCH":
            return Response("{}", content_type="application/json")(environ, start_response)
        return other(environ, start_response)

    assert workload.check_answers({"driver": floor, "other": other}, seed=1, count=2) > 10
    with pytest.raises(AssertionError, match="PATCH"):
        workload.check_answers({"driver": floor, "changed": changed}, seed=1, count=2)


def test_importing_flask_loop_leaves_sqlalchemy_until_it_is_used() -> None:
    script = "import sys, flask_loop; print([m for m in sys.modules if 'sqlalchemy' in m])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
