from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import DefinitionError, Loop

Write = Callable[..., Path]

CUSTOMER = {
    "name": "Customer",
    "base": "PersistedModel",
    "strict": "validate",
    "properties": {
        "email": {"type": "string", "required": True, "index": {"unique": True}},
        "age": "number",
        "passwordHash": {"type": "string"},
    },
    "hidden": ["passwordHash"],
}
VIP = {"name": "Vip", "base": "Customer", "plural": "vips", "properties": {"level": "number"}}
ORDER = {"name": "Order", "properties": {"total": {"type": "number", "required": True}}}
SOURCES = {"db": {"name": "db", "connector": "memory"}}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes JSON files into a folder and gives the folder."""

    def write(**files: Any) -> Path:
        for name, content in files.items():
            path = tmp_path / f"{name.replace('_', '-')}.json"
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, "utf-8")
        return tmp_path

    return write


def make_loop(**config: Any) -> tuple[Flask, Loop]:
    app = Flask("shop")
    app.config.update(TESTING=True, **config)
    return app, Loop(app, url_prefix="/api")


def test_a_folder_of_definitions_becomes_an_api(write: Write) -> None:
    folder = write(
        customer=CUSTOMER,
        order=ORDER,
        datasources=SOURCES,
        model_config={
            "_meta": {"sources": ["./models"]},
            "Customer": {"dataSource": "db", "public": True},
            "Order": {"dataSource": "db"},
        },
    )
    app, loop = make_loop()
    customer, order = loop.load(folder)
    assert (customer.model_name, order.model_name) == ("Customer", "Order")
    client = app.test_client()
    created = client.post("/api/Customers", json={"email": "a@b.c", "age": 3, "passwordHash": "x"})
    assert created.json == {"email": "a@b.c", "age": 3, "id": 1}
    assert client.post("/api/Customers", json={"email": "a@b.c"}).status_code == 422
    assert client.post("/api/Customers", json={"email": "d", "x": 1}).status_code == 422
    assert client.post("/api/Orders", json={}).status_code == 422
    with app.app_context():
        assert customer.find()[0].passwordHash == "x"


def test_a_base_may_come_after_the_model_that_extends_it(write: Write) -> None:
    folder = write(
        a_vip=VIP,
        z_customer=CUSTOMER,
        datasources=SOURCES,
        model_config={"Customer": {"dataSource": "db"}, "Vip": {"dataSource": "db"}},
    )
    app, loop = make_loop()
    customer, vip = loop.load(folder)
    assert issubclass(vip, customer)
    client = app.test_client()
    answer = client.post("/api/vips", json={"email": "a", "level": 2, "passwordHash": "x"})
    assert answer.json == {"email": "a", "age": None, "level": 2, "id": 1}
    assert client.get("/api/Customers").json == []


def test_a_model_that_is_not_public_is_attached_but_not_exposed(write: Write) -> None:
    config = {"Order": {"dataSource": "db", "public": False}}
    folder = write(order=ORDER, datasources=SOURCES, model_config=config)
    app, loop = make_loop()
    (order,) = loop.load(folder)
    assert loop.models() == []
    assert app.test_client().get("/api/Orders").status_code == 404
    with app.app_context():
        assert order.create(total=3).id == 1


def test_a_model_without_a_data_source_is_only_defined(write: Write) -> None:
    _, loop = make_loop()
    (order,) = loop.load(write(order=ORDER))
    assert not hasattr(order, "find")
    assert loop.models() == []


def test_models_on_one_source_share_it(write: Write) -> None:
    folder = write(
        customer=CUSTOMER,
        order=ORDER,
        datasources=SOURCES,
        model_config={"Customer": {"dataSource": "db"}, "Order": {"dataSource": "db"}},
    )
    app, loop = make_loop()
    customer, order = loop.load(folder)
    assert customer.data_source is order.data_source is loop.data_source("db")

    def write_to_both() -> None:
        with customer.data_source.transaction():
            customer.create(email="a")
            order.create(total=1)
            raise ZeroDivisionError

    with app.app_context(), pytest.raises(ZeroDivisionError):
        write_to_both()
    with app.app_context():
        assert (customer.count(), order.count()) == (0, 0)


def test_the_apps_own_data_sources_come_first(write: Write, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    app, loop = make_loop(LOOP_DATA_SOURCES={"db": {"connector": "sqlite", "url": url}})
    folder = write(order=ORDER, datasources=SOURCES, model_config={"Order": {"dataSource": "db"}})
    (order,) = loop.load(folder)
    with app.app_context():
        assert order.data_source.connector.name == "sqlite"
        order.data_source.close()


def test_apps_that_load_the_same_models_do_not_share_records(write: Write) -> None:
    folder = write(order=ORDER, datasources=SOURCES, model_config={"Order": {"dataSource": "db"}})
    loop = Loop()
    loop.load(folder)
    one, two = Flask("one"), Flask("two")
    loop.init_app(one)
    loop.init_app(two)
    one.test_client().post("/Orders", json={"total": 1})
    assert one.test_client().get("/Orders/count").json == {"count": 1}
    assert two.test_client().get("/Orders/count").json == {"count": 0}


def test_a_path_may_be_text(write: Write) -> None:
    _, loop = make_loop()
    assert len(loop.load(str(write(order=ORDER)))) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"order": "{"}, r"order\.json is not JSON: "),
        ({"order": "[]"}, r"order\.json is not a JSON object"),
        ({"order": {"properties": {}}}, r"order\.json: a model definition needs a name"),
        ({"order": {**ORDER, "stric": True}}, r"order\.json: .*'stric'; did you mean 'strict'"),
        (
            {"order": {**ORDER, "properties": {"a": "strng"}}},
            r"order\.json: .*'strng'",
        ),
        ({"order": {**ORDER, "base": "Nothing"}}, r"order\.json: no type or model .*'Nothing'"),
        (
            {"order": ORDER, "model_config": {"Order": {}, "Ghost": {"dataSource": "db"}}},
            r"model-config\.json: no file defines the model 'Ghost'",
        ),
        ({"order": {**ORDER, "relations": {"x": {}}}}, r"order\.json: Order\.x: .* has a type"),
        (
            {"order": {**ORDER, "relations": {"x": {"type": "hasMany", "model": "Nowhere"}}}},
            r"order\.json: Order\.x: no type or model is called 'Nowhere'",
        ),
        ({"order": {**ORDER, "acls": {}}}, r"order\.json: .*'acls' is a list of dicts"),
        ({"order": {**ORDER, "mixins": {"x": {}}}}, r"order\.json: .*'mixins' is not supported"),
        ({"order": {**ORDER, "mixins": {"x": True}}}, r"order\.json: .*'mixins' is not supported"),
        ({"order": {**ORDER, "scopes": {"x": 1}}}, r"order\.json: .*'scopes' is a dict of dicts"),
        (
            {"a": {"name": "A", "base": "B"}, "b": {"name": "B", "base": "A"}},
            r"are based on each other",
        ),
        (
            {"order": ORDER, "model_config": {"Order": ["db"]}},
            r"model-config\.json: the entry 'Order' is not an object",
        ),
    ],
)  # fmt: skip
def test_what_means_nothing_is_named_with_its_file(
    write: Write, files: dict[str, Any], message: str
) -> None:
    _, loop = make_loop()
    with pytest.raises(DefinitionError, match=message):
        loop.load(write(datasources=SOURCES, **files))


def test_empty_keys_of_a_generated_project_mean_nothing(write: Write) -> None:
    empty = {
        "$schema": "x",
        "options": {"validateUpsert": True},
        "validations": [],
        "relations": {},
        "acls": [],
        "methods": {},
    }
    _, loop = make_loop()
    (order,) = loop.load(write(order={**ORDER, **empty}))
    assert list(order.properties) == ["total", "id"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    _, loop = make_loop()
    with pytest.raises(DefinitionError, match="nothing is not a folder"):
        loop.load(tmp_path / "nothing")


def test_a_source_that_nobody_configured_is_named_when_it_is_used(write: Write) -> None:
    app, loop = make_loop()
    folder = write(order=ORDER, datasources=SOURCES, model_config={"Order": {"dataSource": "dbs"}})
    (order,) = loop.load(folder)
    with app.app_context(), pytest.raises(DefinitionError, match="'dbs'; did you mean 'db'"):
        order.find()


def test_a_factory_may_load_a_folder_again(write: Write) -> None:
    folder = write(
        customer={**CUSTOMER, "properties": {**CUSTOMER["properties"], "home": "Address"}},
        address={"name": "Address", "properties": {"city": "string"}, "idInjection": False},
        vip=VIP,
        datasources=SOURCES,
        model_config={"Vip": {"dataSource": "db"}},
    )
    kept = []
    for _ in range(2):
        app, loop = make_loop()
        kept.append(loop.load(folder))
        body = {"email": "a", "home": {"city": "Oslo"}}
        response = app.test_client().post("/api/vips", json=body)
        assert response.json == {**body, "age": None, "level": None, "id": 1}
    first, second = kept
    assert not set(first) & set(second)


def test_a_method_of_a_definition_waits_for_its_function(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    definition = {
        "name": "Color",
        "properties": {"name": "string"},
        "methods": {
            "mix": {"http": {"verb": "get"}, "returns": {"arg": "name", "type": "string"}},
            "prototype.shout": {"returns": {"arg": "name", "type": "string", "root": True}},
        },
    }
    tmp_path.joinpath("color.json").write_text(json.dumps(definition))
    tmp_path.joinpath("model-config.json").write_text(json.dumps({"Color": {"dataSource": "db"}}))
    app = Flask("app")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
    (color,) = Loop(app).load(tmp_path)
    color.mix = classmethod(lambda cls: "purple")
    client = app.test_client()
    assert client.get("/Colors/mix").json == {"name": "purple"}
    assert "the remote method 'shout' of Color was declared and has no function" in caplog.text
    client.post("/Colors", json={"name": "red"})
    assert client.post("/Colors/1/shout").status_code == 404
    color.shout = lambda self: self.name.upper()
    assert client.post("/Colors/1/shout").json == "RED"
