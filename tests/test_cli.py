from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_loop import Loop, Model, Prop, create_model, memory, prop

APP = """\
from flask import Flask
from flask_loop import Loop, memory

app = Flask(__name__)
loop = Loop(app, url_prefix="/api")
loop.model(memory().create_model("color", {"name": "String"}))
"""


def make_app() -> Flask:
    source = memory("shop")

    class Product(Model):
        name: Prop[str] = prop(required=True)
        unit_price: Prop[float]

        class Meta:
            data_source = source

    stays = source.create_model(
        "stay", {"roomNumber": {"type": "Number", "id": 1}, "day": {"type": "Date", "id": 2}}
    )
    app = Flask("shop")
    loop = Loop(app, url_prefix="/api")
    loop.model(Product)
    loop.model(stays)
    return app


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["loop", *arguments])


def flask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a folder with an app.py."""
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


# Routes


def test_routes_are_listed_in_aligned_columns() -> None:
    result = run(make_app(), "routes")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split() == ["VERB", "PATH", "METHOD", "MODEL"]
    assert lines[1].split() == ["GET", "/api/products", "products.find", "Product"]
    for heading, cell in (("PATH", "/api/"), ("METHOD", "products.find")):
        assert lines[0].index(heading) == lines[1].index(cell)
    assert all(line == line.rstrip() for line in lines)


def test_routes_have_the_methods_of_loopback() -> None:
    routes = json.loads(run(make_app(), "routes", "--json").output)
    found = {(each["verb"], each["path"]): each["method"] for each in routes}
    assert found["POST", "/api/products"] == "products.create"
    assert found["GET", "/api/products/<id>"] == "products.findById"
    assert found["HEAD", "/api/products/<id>"] == "products.exists"
    assert found["PATCH", "/api/products/<id>"] == "products.prototype.patchAttributes"
    assert found["POST", "/api/products/<id>/replace"] == "products.replaceById"
    assert list(routes[0]) == ["verb", "path", "method", "model"]


def test_routes_are_those_that_flask_has() -> None:
    assert_flask_has_the_routes(make_app())


def assert_flask_has_the_routes(app: Flask) -> None:
    routes = json.loads(run(app, "routes", "--json").output)
    rules = {
        (verb, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("loop.") and "other_verbs" not in rule.endpoint
        for verb in rule.methods or ()
    }
    # An id of several properties is one placeholder of Flask's.
    paths = [each["path"].replace("<roomNumber>,<day>", "<id>") for each in routes]
    assert {(each["verb"], path) for each, path in zip(routes, paths, strict=True)} <= rules


def test_routes_follow_what_remote_callers_may_do() -> None:
    source = memory()
    app = Flask("shop")
    Loop(app).model(source.create_model("color", {}))
    assert "DELETE   /colors " not in run(app, "routes").output
    source.enable_remote("destroy_all")
    source.disable_remote("create")
    methods = {each["method"] for each in json.loads(run(app, "routes", "--json").output)}
    assert "colors.destroyAll" in methods
    assert "colors.create" not in methods


def test_methods_of_users_are_listed_among_the_others() -> None:
    product: Any = memory().create_model("product", {"name": "String"})
    everything = {"verb": "all", "path": "/about/:word"}
    product.remote_method("about", lambda cls, word: None, accepts={"arg": "word"}, http=everything)
    product.remote_method("prototype.price_of", lambda self: None, documented=False)
    app = Flask("shop")
    Loop(app, url_prefix="/api").model(product)
    routes = json.loads(run(app, "routes", "--json").output)
    own = [each for each in routes if each["method"] in OWN]
    assert own == [
        {
            "verb": "POST",
            "path": "/api/products/<id>/priceOf",
            "method": "products.prototype.priceOf",
            "model": "product",
        },
        *(
            {
                "verb": verb,
                "path": "/api/products/about/<word>",
                "method": "products.about",
                "model": "product",
            }
            for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")
        ),
    ]
    paths = [each["path"] for each in routes]
    assert paths == sorted(paths)
    assert "products.about" in run(app, "routes").output
    product.disable_remote("about")
    assert "products.about" not in run(app, "routes").output


OWN = ("products.about", "products.prototype.priceOf")


def test_a_placeholder_may_be_a_part_of_a_name() -> None:
    product: Any = memory().create_model("product", {})
    accepts = [{"arg": "name"}, {"arg": "kind"}]
    path = {"verb": "get", "path": "/files/:name.:kind"}
    product.remote_method("file", lambda cls, name, kind: None, accepts=accepts, http=path)
    app = Flask("shop")
    Loop(app).model(product)
    assert "/products/files/<name>.<kind>" in run(app, "routes").output
    assert_flask_has_the_routes(app)


# Models


def test_models_are_listed() -> None:
    result = run(make_app(), "models")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        ["NAME", "PATH", "DATA", "SOURCE", "CONNECTOR", "PROPERTIES", "ID"],
        ["Product", "/api/products", "shop", "memory", "3", "id"],
        ["stay", "/api/stays", "shop", "memory", "2", "roomNumber,", "day"],
    ]


def test_models_as_json() -> None:
    models = json.loads(run(make_app(), "models", "--json").output)
    assert models[0] == {
        "name": "Product",
        "path": "/api/products",
        "data_source": "shop",
        "connector": "memory",
        "properties": 3,
        "id": ["id"],
    }


def test_a_model_without_a_data_source_is_listed() -> None:
    app = Flask("shop")
    Loop(app).model(create_model("loner", {}))
    (model,) = json.loads(run(app, "models", "--json").output)
    assert (model["data_source"], model["connector"]) == (None, None)
    assert run(app, "models").output.splitlines()[1].split()[2:4] == ["-", "-"]


def test_a_data_source_of_the_app_is_named() -> None:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"main": {"connector": "memory"}}
    loop = Loop(app)
    loop.model(loop.data_source("main").create_model("color", {}))
    (model,) = json.loads(run(app, "models", "--json").output)
    assert (model["data_source"], model["connector"]) == ("main", "memory")


# Mistakes


@pytest.mark.parametrize("command", ["routes", "models"])
def test_an_app_without_loop_is_told_what_to_do(folder: Path, command: str) -> None:
    (folder / "app.py").write_text("from flask import Flask\napp = Flask('shop')\n")
    result = flask(folder, "loop", command)
    assert result.returncode == 1
    assert "The app 'shop' has no Loop. Call Loop(app)" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_source_without_settings_is_a_message() -> None:
    app = Flask("shop")
    loop = Loop(app)
    loop.model(loop.data_source("main").create_model("color", {}))
    result = run(app, "models")
    assert result.exit_code == 1
    assert result.output == "Error: LOOP_DATA_SOURCES has no data source 'main'\n"
    assert isinstance(result.exception, SystemExit)


def test_an_app_that_exposes_nothing_says_so_apart_from_the_list() -> None:
    app = Flask("shop")
    Loop(app)
    result = run(app, "routes")
    assert result.exit_code == 0
    assert result.stdout.split() == ["VERB", "PATH", "METHOD", "MODEL"]
    assert "loop.model(Product)" in result.stderr
    assert json.loads(run(app, "routes", "--json").stdout) == []


# How it is found, and where it writes


@pytest.mark.parametrize("command", ["routes", "models"])
def test_help_has_examples(command: str) -> None:
    result = run(make_app(), command, "--help")
    assert result.exit_code == 0
    assert f"\n    flask loop {command} --json | jq" in result.output


def test_the_command_is_found_by_flask(folder: Path) -> None:
    result = flask(folder, "loop", "routes")
    assert result.returncode == 0, result.stderr
    assert "/api/colors/<id>" in result.stdout
    assert result.stderr == ""
    assert flask(folder, "--help").stdout.count("  loop ") == 1


def test_the_command_is_found_through_app_cli_alone() -> None:
    assert list(make_app().cli.commands) == ["loop"]


def test_a_pipe_gets_plain_text(folder: Path) -> None:
    output = flask(folder, "loop", "routes").stdout
    assert output.isascii()
    assert "\x1b" not in output


def test_a_terminal_gets_a_table_with_nothing_cut_off(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "loop", "routes"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "60", "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        output = read_all(ours)
    assert process.returncode == 0
    assert "━" in output or "─" in output
    assert "\N{HORIZONTAL ELLIPSIS}" not in output
    assert "colors.find" in output


def read_all(descriptor: int) -> str:
    chunks = []
    with open(descriptor, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(4096):
                chunks.append(chunk)
        except OSError:  # how Linux ends a terminal
            pass
    return b"".join(chunks).decode()


def test_importing_the_command_imports_no_database_and_no_terminal_library() -> None:
    code = "import json, sys, flask_loop.cli; print(json.dumps(list(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    imported: list[Any] = json.loads(output)
    assert {"sqlalchemy", "sqlite3", "rich"}.isdisjoint(imported)
