from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask import Response

from benchmarks import driver_floor, workload
from benchmarks.databases import DATABASES, Database
from benchmarks.products import products
from tests.servers import Postgresql

ROOT = Path(__file__).parents[1]
PRODUCT_ROWS = ["get one", "list 20", "list 100", "create", "patch"]
RELATED_ROWS = ["hooked", "with token", "20 with one", "20 with 10"]


def test_a_product_is_the_same_in_every_run() -> None:
    assert list(products(20)) == list(islice(products(), 20))


@pytest.fixture(params=list(DATABASES))
def db(request: pytest.FixtureRequest) -> str:
    """The name of each database that is here."""
    if request.param != "sqlite":
        request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture
def database(db: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    if db == "postgresql":  # the others start quickly
        server: Postgresql = request.getfixturevalue("postgresql")
        url = server.url.render_as_string(hide_password=False)
        request.getfixturevalue("monkeypatch").setenv("LOOP_BENCH_POSTGRESQL_URL", url)
    with DATABASES[db].running() as database:
        yield database


@pytest.mark.slow
def test_the_command_compares_all_answers_and_writes_every_measure(db: str, tmp_path: Path) -> None:
    file = tmp_path / "measures.json"
    starts = int(db == "sqlite")
    options = ("--rounds", "1", "--batch", "2", "--processes", f"{starts}", "--products", "120")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--db", db, *options, "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "answers compared: all contestants agree." in done.stdout
    measures = json.loads(file.read_bytes())
    kind = DATABASES[db]
    assert kind.title in measures["database"]
    assert measures["packages"].keys() >= {"flask", *kind.packages}
    assert list(measures["requests"]) == PRODUCT_ROWS + (RELATED_ROWS if kind.related else [])
    for row in measures["requests"].values():
        assert tuple(row) == kind.contestants
        assert row["driver"]["ratio"] == 1
        assert all(its["median"] > 0 and len(its["rounds"]) == 1 for its in row.values())
    points = {"import flask_loop", "app with 1 model", "app with 100 models"} if starts else set()
    assert points <= set(measures["startup"])
    assert bool(measures["startup"]) is bool(starts)
    for point in measures["startup"].values():
        assert len(point["seconds"]) == len(point["megabytes"]) == 1


def test_contestants_that_answer_differently_are_not_measured(database: Database) -> None:
    rows, related = 120, database.related
    floor, other = (
        driver_floor.create_app(database.fresh(name), products(rows), related=related)
        for name in ("a", "b")
    )

    def changed(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PATCH":
            return Response("{}", content_type="application/json")(environ, start_response)
        return other(environ, start_response)

    def check(**apps: Any) -> int:
        return workload.check_answers(apps, seed=1, count=2, rows=rows, related=related)

    assert check(driver=floor, other=other) > 10
    with pytest.raises(AssertionError, match="PATCH"):
        check(driver=floor, changed=changed)


@pytest.mark.parametrize("db", [db for db in DATABASES if db != "sqlite"], indirect=True)
def test_the_floors_of_all_databases_answer_alike(database: Database) -> None:
    rows = 200
    with DATABASES["sqlite"].running() as sqlite:
        apps = {
            name: driver_floor.create_app(each.fresh("alike"), products(rows), related=False)
            for name, each in (("driver", sqlite), ("other", database))
        }
        compared = workload.check_answers(apps, seed=3, count=10, rows=rows, related=False)
    assert compared > 50


def test_importing_flask_loop_leaves_sqlalchemy_until_it_is_used() -> None:
    script = "import sys, flask_loop; print([m for m in sys.modules if 'sqlalchemy' in m])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
