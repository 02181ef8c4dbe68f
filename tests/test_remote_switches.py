from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask

from flask_loop import DefinitionError, Loop, Model, Prop, create_model, memory, remote_method


class Shop:
    """One model with methods of its own, and what shows its methods."""

    def __init__(self, **settings: Any) -> None:
        self.source = memory()

        class Product(Model):
            name: Prop[str | None]

            class Meta:
                data_source = self.source

            @remote_method(http={"verb": "get"})
            @classmethod
            def cheapest(cls) -> str:
                return "ink"

            @remote_method
            def sell(self) -> str | None:
                return self.name

            @remote_method(shared=False, http={"verb": "get"})
            @classmethod
            def secret(cls) -> str:
                return "formula"

        self.Product: Any = Product
        self.app = Flask("shop")
        self.app.config.update(settings)
        self.loop = Loop(self.app)
        self.loop.model(Product)
        self.client = self.app.test_client()
        Product.create(name="pen")

    def shown(self) -> set[str]:
        """The methods in the command's output, which the documents must have too."""
        output = self.app.test_cli_runner().invoke(args=["loop", "routes", "--json"]).stdout
        rows = orjson.loads(output)
        methods = {row["method"].removeprefix("products.") for row in rows}
        routes = {
            (row["verb"].lower(), row["path"].replace("<", "{").replace(">", "}")) for row in rows
        }
        paths = self.client.get("/_docs/openapi.json").json["paths"]  # type: ignore[index]
        assert {(verb, path) for path, verbs in paths.items() for verb in verbs} == routes
        return methods


EVERYTHING = {
    "cheapest",
    "count",
    "create",
    "deleteById",
    "exists",
    "find",
    "findById",
    "findOne",
    "prototype.patchAttributes",
    "prototype.sell",
    "replaceById",
    "replaceOrCreate",
    "updateAll",
    "upsert",
    "upsertWithWhere",
}
OF_INSTANCES = {"prototype.patchAttributes", "prototype.sell"}


def test_what_is_shown_where_nothing_is_said() -> None:
    assert Shop().shown() == EVERYTHING


@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        (["find"], {"find"}),
        (["find_by_id", "exists"], {"findById", "exists"}),
        (["prototype.patch_attributes"], {"prototype.patchAttributes"}),
        (["prototype.*"], OF_INSTANCES),
        (["*.sell"], {"prototype.sell"}),
        (["cheapest"], {"cheapest"}),
        (["*"], EVERYTHING),
        (["**"], EVERYTHING),
        (["deleteById"], {"deleteById"}),
        (["destroy_by_id"], {"deleteById"}),
    ],
)
def test_a_model_takes_methods_from_remote_callers(patterns: list[str], gone: set[str]) -> None:
    shop = Shop()
    shop.Product.disable_remote(*patterns)
    assert shop.shown() == EVERYTHING - gone


def test_what_was_said_last_holds_and_acts_live() -> None:
    shop = Shop()
    Product, client = shop.Product, shop.client
    assert client.get("/products/cheapest").json == "ink"
    Product.disable_remote("*")
    assert client.get("/products/cheapest").status_code == 404
    assert client.get("/products").status_code == 404
    Product.enable_remote("find", "secret", "prototype.sell")
    assert shop.shown() == {"find", "secret", "prototype.sell"}
    assert client.get("/products").status_code == 200
    assert client.post("/products").status_code == 405
    assert client.get("/products/secret").json == "formula"
    assert client.post("/products/1/sell").json == "pen"


def test_disabling_for_remote_callers_leaves_the_method_in_python() -> None:
    shop = Shop()
    shop.Product.disable_remote("*")
    assert shop.Product.cheapest() == "ink"
    assert shop.Product.count() == 1


def test_a_method_that_is_not_shared_is_shown_when_it_is_enabled() -> None:
    shop = Shop()
    assert shop.client.get("/products/secret").status_code == 404
    shop.Product.enable_remote("secret")
    assert shop.client.get("/products/secret").json == "formula"


def test_a_derived_model_has_the_switches_of_its_base_and_its_own() -> None:
    shop = Shop()
    Derived = shop.Product.extend("gadget")
    shop.loop.model(Derived)
    shop.Product.disable_remote("find", "count")
    Derived.enable_remote("count")
    assert shop.client.get("/gadgets").status_code == 405
    assert shop.client.get("/gadgets/count").status_code == 200
    assert shop.client.get("/products/count").status_code == 404


@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        (["find"], {"find"}),
        (["updateAttributes"], {"prototype.patchAttributes"}),
        (["prototype.*"], OF_INSTANCES),
        (["cheapest", "prototype.sell"], {"cheapest", "prototype.sell"}),
        (["*"], EVERYTHING),
    ],
)
def test_a_data_source_takes_methods_of_its_models(patterns: list[str], gone: set[str]) -> None:
    shop = Shop()
    shop.source.disable_remote(*patterns)
    assert shop.shown() == EVERYTHING - gone


def test_a_data_source_disables_whole_classes_of_operations() -> None:
    shop = Shop()
    shop.source.disable("*")
    shop.source.enable("find", "count")
    assert shop.shown() == {"find", "count", "cheapest"} | {"prototype.sell"}
    assert not hasattr(shop.Product, "create")
    assert hasattr(shop.Product, "find")


def test_an_unknown_operation_of_a_data_source_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'find'"):
        memory().disable_remote("fnd")


@pytest.mark.parametrize(
    ("remoting", "shown"),
    [
        ({"*": False, "find": True}, {"find"}),
        ({"find": True, "**": False}, {"find"}),
        ({"sharedMethods": {"*": False, "find": True}}, {"find"}),
        ({"products.*": False}, EVERYTHING & OF_INSTANCES),
        ({"Product.create": False}, EVERYTHING - {"create"}),
        ({"*.create": False}, EVERYTHING - {"create"}),
        (
            {"prototype.*": False, "products.prototype.sell": True},
            EVERYTHING - {"prototype.patchAttributes"},
        ),
        ({"orders.**": False}, EVERYTHING),
        ({"destroy_all": True, "secret": True}, EVERYTHING | {"destroyAll", "secret"}),
    ],
)
def test_the_configuration_takes_methods_and_gives_them(
    remoting: dict[str, Any], shown: set[str]
) -> None:
    assert Shop(LOOP_REMOTING=remoting).shown() == shown


def test_the_model_holds_against_the_configuration_and_that_against_the_data_source() -> None:
    shop = Shop(LOOP_REMOTING={"find": False, "count": True})
    shop.source.disable_remote("*")
    shop.Product.enable_remote("find")
    assert shop.shown() == {"find", "count"}


@pytest.mark.parametrize("remoting", [{"find": "no"}, {"": True}, {5: True}, ["find"]])
def test_a_configuration_that_means_nothing_is_an_error(remoting: Any) -> None:
    with pytest.raises(DefinitionError):
        Shop(LOOP_REMOTING=remoting)


def test_a_json_definition_has_loopbacks_shared_methods(tmp_path: Path) -> None:
    definition = {"name": "Item", "properties": {"name": "string"}}
    config = {
        "Item": {
            "dataSource": "db",
            "options": {"remoting": {"sharedMethods": {"*": False, "find": True}}},
        }
    }
    tmp_path.joinpath("item.json").write_bytes(orjson.dumps(definition))
    tmp_path.joinpath("model-config.json").write_bytes(orjson.dumps(config))
    app = Flask("app")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
    Loop(app).load(tmp_path)
    output = app.test_cli_runner().invoke(args=["loop", "routes", "--json"]).stdout
    assert {row["method"] for row in orjson.loads(output)} == {"Items.find"}


def test_meta_has_switches() -> None:
    class Item(Model):
        class Meta:
            data_source = memory()
            remoting = {"*": False, "find": True}

    app = Flask("app")
    Loop(app).model(Item)
    client = app.test_client()
    assert client.get("/items").status_code == 200
    assert client.post("/items", json={}).status_code == 405


def test_switches_in_a_definition_that_mean_nothing_are_an_error() -> None:
    with pytest.raises(DefinitionError, match="'find' is True or False"):
        create_model("item", {}, {"remoting": {"find": "yes"}})


def test_a_model_without_a_data_source_shows_its_own_methods_alone() -> None:
    class Calculator(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def add(cls, a: float, b: float) -> float:
            return a + b

    app = Flask("app")
    Loop(app).model(Calculator)
    client = app.test_client()
    assert client.get("/calculators/add?a=1&b=2.5").json == 3.5
    assert client.get("/calculators").status_code == 404
    assert client.get("/calculators/1").status_code == 404


def test_model_itself_has_no_switches() -> None:
    with pytest.raises(TypeError, match="every app's"):
        Model.disable_remote("find")
