"""What connectors without tables say of commands, and of what is set wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop
from flask_loop.errors import DefinitionError, Unavailable
from tests.web import Reply, WebServer

#: Nobody listens there, and nobody is asked.
NOWHERE = "127.0.0.1:1"
SOURCES: dict[str, dict[str, Any]] = {
    "mongodb": {"url": f"mongodb://{NOWHERE}/shop"},
    "redis": {"url": f"redis://{NOWHERE}"},
    "couchdb": {"url": f"couchdb://{NOWHERE}/shop"},
    "rest": {"connector": "rest", "base_url": f"http://{NOWHERE}"},
    "remote": {"connector": "remote", "url": f"http://{NOWHERE}/api"},
}


def app_on(connector: str, model: str) -> Flask:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": SOURCES[connector]}
    loop = Loop(app)
    loop.model(loop.data_source("db").create_model(model, {"name": str}))
    return app


def flask(app: Flask, *words: str) -> tuple[int, str]:
    """The status and the output of a command that ends in good order."""
    result = app.test_cli_runner().invoke(args=["loop", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "command",
    [
        ["diff"],
        ["revision", "-m", "first"],
        ["upgrade"],
        ["upgrade", "--sql"],
        ["downgrade"],
        ["history"],
        ["current"],
        ["stamp"],
        ["merge", "-m", "two"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("connector", SOURCES)
def test_migrations_say_that_they_are_for_sql_databases(
    connector: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = app_on(connector, "unmigrated")
    status, output = flask(app, "migrate", *command)
    assert status == 1
    assert output == (
        "Error: None of the app's data sources is an SQL database, which migrations are for; "
        "auto_update() makes what the others need.\n"
    )
    status, output = flask(app, "migrate", *command, "--source", "db")
    assert status == 1
    assert output == (
        f"Error: the data source 'db' is in {connector}, which has no migrations: they are for SQL "
        "databases, and auto_update() makes what others need\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("connector", SOURCES)
def test_discovery_says_that_there_are_no_tables(
    connector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = f"Error: the {connector} connector cannot discover models: it has no tables to read"
    status, output = flask(app_on(connector, "undiscovered"), "discover", "--source", "db")
    assert status == 1
    assert output.startswith(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("connector", SOURCES)
def test_a_setting_that_is_wrong_is_shown_with_its_data_source(connector: str) -> None:
    app = Flask("shop")
    wrong = {**SOURCES[connector], "max_scan": 0}
    app.config["LOOP_DATA_SOURCES"] = {"db": SOURCES[connector], "other": wrong}
    loop = Loop(app)
    loop.model(loop.data_source("other").create_model("mistaken", {"name": str}))
    said = "data source 'other': max_scan is a whole number from 1, not 0"
    assert flask(app, "models") == (1, f"Error: {said}\n")
    with app.app_context(), pytest.raises(DefinitionError, match=f"^{said}$"):
        loop.data_source("other").ping()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(401, b"{}"), 401),
        (Reply(404, b"{}"), 404),
        (Reply(200, json.dumps({"token": "a"}).encode()), 200),
    ],
    ids=["refused", "not there", "no token"],
)
@pytest.mark.parametrize("path", ["/users/login", "/members/sign-in"])
def test_a_login_that_fails_is_logged_with_its_request_and_its_setting(
    connect: Callable[..., DataSource],
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    status: int,
    path: str,
) -> None:
    settings = {} if path == "/users/login" else {"login_path": path}
    with WebServer([reply]) as server:
        source = connect(
            "remote", url=server.url, username="shop", password="hocus-pocus", **settings
        )
        with pytest.raises(Unavailable):
            source.ping()
        assert [(each.method, each.path) for each in server.requests] == [("POST", path)]
    assert f"POST {path} (status {status})" in caplog.text
    assert "the setting 'login_path'" in caplog.text
    assert "hocus-pocus" not in caplog.text
