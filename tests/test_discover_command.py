from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from flask_loop import DefinitionError, Loop, create_data_source, database_app
from flask_loop.cli import loop as loop_command
from flask_loop.discovery import NameMapper, camel_names, snake_names
from tests.discovered import described, make_database
from tests.servers.base import free_port
from tests.type_checker import type_errors

DATABASES = ["sqlite", "postgresql", "mysql", "firebird"]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The URL of a file with a database."""
    url = f"sqlite:///{tmp_path}/shop.sqlite"
    make_database(url, "sqlite")
    return url


@pytest.fixture(scope="module", params=DATABASES)
def url(
    request: pytest.FixtureRequest,
    get_server: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path_factory.mktemp('command')}/shop.sqlite"
    else:
        found = get_server(request.param).fresh("discover_command")
    make_database(found, request.param)
    return found


@pytest.fixture
def load_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """A function that imports a package that was written to the folder of the test."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def load(name: str) -> Any:
        importlib.invalidate_caches()
        names.append(name)
        return importlib.import_module(name)

    yield load
    for name in list(sys.modules):
        if name.partition(".")[0] in names:
            del sys.modules[name]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(loop_command, [str(each) for each in arguments])


def discover(*arguments: str | Path) -> Result:
    result = run("discover", *arguments)
    assert result.exit_code == 0, result.output
    return result


def models_of(url: str, mapper: NameMapper) -> dict[str, dict[str, Any]]:
    """What the models of a database are that no file has."""
    source = create_data_source(url=url)
    models = source.discover_and_build_models(name_mapper=mapper)
    found = {name: described(model) for name, model in models.items()}
    source.close()
    return found


# What files hold


def test_classes_load_back_to_the_same_definitions(
    url: str, tmp_path: Path, load_package: Callable[[str], Any]
) -> None:
    discover(url, "--output", tmp_path / "classes")
    source = create_data_source(url=url)
    models = load_package("classes").MODELS
    for model in models:
        model.attach_to(source)
    found = {model.__name__: described(model) for model in models}
    assert found == models_of(url, snake_names)
    order = next(model for model in models if model.__name__ == "Orders").find_by_id(1)
    assert [line.quantity for line in order.order_lines(order="line_no")] == [2, 1]
    source.close()


def test_json_loads_back_to_the_same_definitions(url: str, tmp_path: Path) -> None:
    discover(url, "--format", "json", "--output", tmp_path / "models")
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"url": url}}
    loop = Loop(app)
    models = loop.load(tmp_path / "models")
    with app.app_context():
        found = {model.__name__: described(model) for model in models}
        assert found == models_of(url, camel_names)
        assert app.test_client().get("/orders/count").json == {"count": 3}
        loop.data_source("db").close()


def test_names_may_be_chosen(shop: str, tmp_path: Path, load_package: Callable[[str], Any]) -> None:
    discover(shop, "--names", "camel", "--output", tmp_path / "camels")
    package = load_package("camels")
    assert "unitPrice" in package.Products.definition.properties
    discover(shop, "--names", "snake", "--format", "json", "--output", tmp_path / "snakes")
    document = json.loads((tmp_path / "snakes" / "products.json").read_text())
    assert "unit_price" in document["properties"]


def test_classes_are_written_as_by_hand(shop: str, tmp_path: Path) -> None:
    discover(shop, "--output", tmp_path / "models", "--table", "orders", "--table", "customers")
    assert (
        (tmp_path / "models" / "orders.py").read_text()
        == '''\
"""The table orders."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask_loop import BelongsTo, Model, Prop, prop

if TYPE_CHECKING:
    from .customers import Customers


class Orders(Model):
    id: Prop[int] = prop(
        id=True, generated=True, options={"sqlite": {"dataType": "INTEGER"}}
    )
    customer_id: Prop[int] = prop(options={"sqlite": {"dataType": "INTEGER"}})
    employee_id: Prop[int | None] = prop(options={"sqlite": {"dataType": "INTEGER"}})
    billing_address_id: Prop[int] = prop(options={"sqlite": {"dataType": "INTEGER"}})
    shipping_address_id: Prop[int | None] = prop(
        options={"sqlite": {"dataType": "INTEGER"}}
    )
    status: Prop[str] = prop(
        default="open", max_length=10, options={"sqlite": {"dataType": "VARCHAR"}}
    )
    ordered_at: Prop[datetime] = prop(
        generated=True, options={"sqlite": {"dataType": "DATETIME"}}
    )

    customer: BelongsTo[Customers]

    class Meta:
        options = {"sqlite": {"table": "orders"}}
'''
    )


def test_classes_have_the_form_that_formatters_give_them(url: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    discover(url, "--output", tmp_path / "models")
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--isolated", "--no-cache", str(tmp_path / "models")]
    formatted = subprocess.run(
        [*ruff, "format", "--diff", *config], capture_output=True, text=True, check=False
    )
    assert formatted.returncode == 0, formatted.stdout
    rules = ["--select", "E,F,I,UP", "--ignore", "E501"]
    checked = subprocess.run(
        [*ruff, "check", *rules, *config], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_classes_pass_the_type_checker(shop: str, tmp_path: Path) -> None:
    discover(shop, "--output", tmp_path / "typed")
    found = type_errors("-p", "typed", folder=tmp_path / "checked")
    assert [each for each in found if "typed/" in each] == []


def test_odd_names_are_names_in_python(tmp_path: Path, load_package: Callable[[str], Any]) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "odd.sqlite") as connection:
        connection.execute('CREATE TABLE "class" ("from" TEXT PRIMARY KEY, "a ""b""" TEXT)')
        connection.execute('CREATE TABLE "2 x\\" ("1st" INT DEFAULT 3, "1 st" INT, "!" INT)')
        connection.execute('CREATE TABLE Model (id INTEGER PRIMARY KEY, def TEXT DEFAULT "q\'")')
    connection.close()
    url = f"sqlite:///{tmp_path}/odd.sqlite"
    discover(url, "--output", tmp_path / "odd")
    models = {model.__name__: model for model in load_package("odd").MODELS}
    source = create_data_source(url=url)
    for model in models.values():
        model.attach_to(source)
    assert {name: described(each) for name, each in models.items()} == models_of(url, snake_names)
    assert sorted(models) == ["Class", "Model2", "_2X"]
    assert list(models["Class"].definition.properties) == ["from_", "a_b"]
    source.close()


# How it is called


def test_the_files_that_were_written_are_listed(shop: str, tmp_path: Path) -> None:
    result = discover(shop, "--table", "orders", "--output", tmp_path / "models")
    folder = tmp_path / "models"
    assert result.output.splitlines() == [f"{folder}/orders.py", f"{folder}/__init__.py"]
    assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "orders.py"]


def test_nothing_is_written_over_without_force(shop: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    discover(shop, "--table", "orders", "--output", folder)
    (folder / "orders.py").write_text("mine")
    refused = run("discover", shop, "--output", folder)
    assert refused.exit_code == 1
    assert f"{folder}/orders.py" in refused.output
    assert "nothing was written" in refused.output
    assert not (folder / "customers.py").exists()
    assert (folder / "orders.py").read_text() == "mine"
    discover(shop, "--output", folder, "--force")
    assert "class Orders(Model)" in (folder / "orders.py").read_text()


def test_views_can_be_left_out(shop: str, tmp_path: Path) -> None:
    discover(shop, "--no-views", "--format", "json", "--output", tmp_path / "models")
    names = {path.stem for path in (tmp_path / "models").iterdir()}
    assert "order_totals" not in names
    assert "orders" in names


def test_an_unknown_table_is_named(shop: str, tmp_path: Path) -> None:
    refused = run("discover", shop, "--table", "ordres", "--output", tmp_path / "models")
    assert refused.exit_code == 1
    assert "there is no table or view 'ordres'; did you mean 'orders'?" in refused.output


def test_an_owner_is_chosen(get_server: Callable[[str], Any], tmp_path: Path) -> None:
    url = get_server("postgresql").fresh("discover_owner")
    make_database(url, "postgresql")
    discover(url, "--owner", "archive", "--output", tmp_path / "models")
    text = (tmp_path / "models" / "old_orders.py").read_text()
    assert 'options = {"postgresql": {"schema": "archive", "table": "old_orders"}}' in text


def test_a_data_source_of_the_app_is_taken(shop: str, tmp_path: Path) -> None:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"stock": {"url": shop}, "cache": {"connector": "memory"}}
    Loop(app)
    runner = app.test_cli_runner()
    folder = str(tmp_path / "models")
    arguments = ["loop", "discover", "--format", "json", "--output", folder]
    result = runner.invoke(args=[*arguments, "--source", "stock"])
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "models" / "model-config.json").read_text())
    assert config["Orders"] == {"dataSource": "stock", "public": True}
    unclear = runner.invoke(args=arguments)
    assert unclear.exit_code == 1
    assert "--source with one of stock, cache" in unclear.output
    nothing = runner.invoke(args=[*arguments, "--source", "cache"])
    assert "the memory connector cannot discover models" in nothing.output


def test_an_app_without_a_loop_needs_a_url() -> None:
    result = Flask("bare").test_cli_runner().invoke(args=["loop", "discover"])
    assert result.exit_code != 0


def test_a_file_is_only_read(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    before = file.read_bytes()
    discover(shop, "--output", tmp_path / "models")
    assert file.read_bytes() == before
    missing = run("discover", f"sqlite:///{tmp_path}/missing.sqlite")
    assert missing.exit_code == 1
    assert f"there is no file {tmp_path}/missing.sqlite" in missing.output
    assert not (tmp_path / "missing.sqlite").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hush-hush@127.0.0.1:1/shop",
        "postgresql://shop:hush-hush@127.0.0.1:x/shop",
        "mysql://shop:hush-hush@127.0.0.1:1/shop",
        "nosuch://shop:hush-hush@127.0.0.1/shop",
        "sqlite://shop:hush-hush@127.0.0.1/shop",
    ],
)
@pytest.mark.parametrize("command", ["discover", "serve"])
def test_a_password_is_never_printed(url: str, command: str) -> None:
    result = run(command, url)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert "hush-hush" not in result.output


# Serving


def test_a_database_is_served_read_only(shop: str) -> None:
    source = create_data_source(url=shop)
    client = database_app(source).test_client()
    assert client.get("/api/orders/1?filter[include]=customer").json["customer"]["code"] == "AB"
    assert len(client.get("/api/customers/1/orders").json) == 2
    assert client.get("/api/orders/1/customer").json["id"] == 1
    for verb, path in [
        ("post", "/api/customers"),
        ("patch", "/api/customers/1"),
        ("put", "/api/customers/1"),
        ("delete", "/api/customers/1"),
        ("post", "/api/customers/update"),
        ("post", "/api/customers/1/orders"),
        ("delete", "/api/customers/1/orders"),
        ("put", "/api/customers/1/orders/1"),
    ]:
        refused = client.open(path, method=verb, json={"name": "X"})
        assert refused.status_code in (404, 405), f"{verb} {path}"
    document = client.get("/_docs/openapi.json").json
    verbs = {verb for path in document["paths"].values() for verb in path}
    assert verbs <= {"get", "head", "parameters"}
    assert client.get("/").location == "/_docs"
    source.close()


def test_a_database_is_served_for_writing(shop: str) -> None:
    source = create_data_source(url=shop)
    app = database_app(source, writable=True, url_prefix="", tables=["categories"])
    client = app.test_client()
    assert client.post("/categories", json={"name": "Glue"}).json["id"] == 4
    assert client.get("/orders").status_code == 404
    source.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that runs ``flask loop serve`` and gives where it answers."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        port = free_port()
        command = [sys.executable, "-m", "flask", "loop", "serve", *arguments, "--port", str(port)]
        log = (tmp_path / "log").open("w")
        processes.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, text=True))
        log.close()
        at = f"http://127.0.0.1:{port}"
        deadline = monotonic() + 60
        while True:
            try:
                urlopen(f"{at}/_docs/openapi.json").close()  # noqa: S310 - it is ours
            except OSError:
                text = (tmp_path / "log").read_text()
                assert processes[-1].poll() is None, text
                assert monotonic() < deadline, text
                sleep(0.05)
            else:
                return at

    yield start
    for process in processes:
        process.terminate()
        process.wait()


def test_the_command_serves_without_an_app(
    url: str, serve: Callable[..., str], tmp_path: Path
) -> None:
    at = serve(url)
    with urlopen(f"{at}/api/customers/1/orders") as response:  # noqa: S310 - it is ours
        assert [each["id"] for each in json.load(response)] == [1, 2]
    request = Request(f"{at}/api/customers", b"{}", {"Content-Type": "application/json"})  # noqa: S310
    with pytest.raises(HTTPError) as refused:
        urlopen(request)  # noqa: S310
    assert refused.value.code == 405
    refused.value.close()
    with urlopen(f"{at}/_docs") as page:  # noqa: S310
        assert page.status == 200
    text = (tmp_path / "log").read_text()
    assert re.search(r"^Serving 18 tables of .*, read only\.$", text, re.MULTILINE)
    password = re.search(r"://[^:/]*:([^@]+)@", url)
    assert password is None or password[1] not in text


def test_a_prefix_and_writing_are_options(shop: str, serve: Callable[..., str]) -> None:
    at = serve(shop, "--prefix", "/", "--writable", "--table", "categories")
    body = json.dumps({"name": "Glue"}).encode()
    request = Request(f"{at}/categories", body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request) as response:  # noqa: S310
        assert json.load(response)["name"] == "Glue"


def test_serving_wants_a_file_that_is_there(tmp_path: Path) -> None:
    result = run("serve", f"sqlite:///{tmp_path}/missing.sqlite", "--writable")
    assert result.exit_code == 1
    assert "there is no file" in result.output
    with pytest.raises(DefinitionError, match="no table or view 'x'"):
        database_app(create_data_source(url="sqlite://"), tables=["x"])
