from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    Connector,
    DataSource,
    DefinitionError,
    Loop,
    Model,
    NotAttachedError,
    Prop,
    create_data_source,
    memory,
    prop,
)
from flask_loop.connectors import Layout, Record, Rows, find_connector
from flask_loop.connectors.memory import MemoryConnector
from flask_loop.definition import ModelDefinition
from flask_loop.query import Filter, Where


class EmptyConnector(Connector):
    """A backend without records, that cannot delete and lets remote callers only read."""

    name = "empty"
    disabled = frozenset({"destroyAll", "deleteById"})
    not_remote = frozenset({"create", "upsert"})

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        return Rows([], Layout({}))

    def count(self, definition: ModelDefinition, where: Where) -> int:
        return 0

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        return [None for _ in records]

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        return 0

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        return 0

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """There is nothing to do."""

    auto_migrate = auto_update

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True

    def ping(self) -> None:
        """It is always here."""


# Making one


def test_a_source_is_made_of_a_connectors_name_or_class() -> None:
    for source in (
        create_data_source(connector="memory"),
        create_data_source({"connector": "memory"}),
        create_data_source({"connector": "sqlite"}, connector="memory"),
        create_data_source(connector=MemoryConnector),
        memory(),
    ):
        assert isinstance(source.connector, MemoryConnector)
        assert (source.name, repr(source)) == ("memory", "<DataSource 'memory'>")
    empty = create_data_source(connector=EmptyConnector, size=3)
    assert empty.connector.settings == {"size": 3}


def test_a_url_says_which_connector() -> None:
    source = create_data_source(url="sqlite://")
    assert source.connector.name == "sqlite"
    source.close()


def test_a_source_has_a_name_for_messages() -> None:
    assert create_data_source(connector="memory", name="db").name == "db"
    assert create_data_source({"connector": "memory", "name": "db"}).name == "db"
    source = create_data_source(connector="memory", name="db")
    model = source.create_model("thing", {})
    source.disable("find")
    with pytest.raises(NotAttachedError, match="is disabled on the data source 'db'"):
        model.find()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "a data source needs the setting 'connector'"),
        ({"connector": None}, "a data source needs the setting 'connector'"),
        ({"connector": "memry"}, "no connector is called 'memry'; did you mean 'memory'"),
        ({"connector": "oracel"}, "no connector is called 'oracel'.*there are .*memory, .*sqlite"),
        ({"url": "nosuch://host/db"}, "no connector is called 'nosuch'"),
        ({"connector": dict}, "<class 'dict'> is neither a connector's name nor its class"),
        ({"connector": MemoryConnector({})}, "is neither a connector's name nor its class"),
        ({"connector": "memory", "fil": "x"}, "no setting 'fil'; did you mean 'file'"),
        ({"connector": "sqlite", "url": "sqlite://", "host": "x"}, "no setting 'host'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        create_data_source(settings)


def test_settings_are_a_dict() -> None:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": "memory"}
    loop = Loop(app)
    with (
        app.app_context(),
        pytest.raises(DefinitionError, match="the settings of a data source are a dict"),
    ):
        loop.data_source("db").ping()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that installs a package whose connector ``ghost`` is the given module."""

    def install(source: str) -> None:
        (tmp_path / "ghost_connector.py").write_text(source)
        metadata = tmp_path / "ghost_connector-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            "[flask_loop.connectors]\nghost = ghost_connector:Ghost\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "ghost_connector", raising=False)
        find_connector.cache_clear()

    return install


def test_another_packages_connector_is_found_by_its_name(installed: Callable[[str], None]) -> None:
    installed(
        "from flask_loop.connectors.memory import MemoryConnector\n"
        "class Ghost(MemoryConnector):\n    name = 'ghost'\n"
    )
    source = create_data_source(connector="ghost")
    assert source.create_model("thing", {"a": int}).create(a=1).id == 1
    assert source.name == "ghost"


def test_a_missing_package_names_the_extra_that_has_it(installed: Callable[[str], None]) -> None:
    installed("import a_driver_that_is_not_there\n")
    with pytest.raises(
        DefinitionError, match=r"a_driver_that_is_not_there.*pip install 'flask-loop\[ghost\]'"
    ):
        create_data_source(connector="ghost")


# Memory


def test_memory_is_a_new_store_and_by_name_a_shared_one() -> None:
    def count(source: DataSource) -> int:
        return int(source.create_model("thing", {"a": int}).count())

    first = memory()
    first.create_model("thing", {"a": int}).create(a=1)
    shared = memory("test_datasource")
    shared.create_model("thing", {"a": int}).create(a=1)
    assert (count(first), count(memory()), count(memory("test_datasource"))) == (1, 0, 1)
    assert (count(memory("test_datasource_other")), shared.name) == (0, "test_datasource")


def test_threads_that_ask_for_one_name_get_one_store() -> None:
    start = threading.Barrier(8)
    connectors = []

    def ask() -> None:
        start.wait()
        connectors.append(memory("test_datasource_threads").connector)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, connectors))) == 1


# Models


def test_a_source_knows_its_models() -> None:
    source = memory()
    beta = source.create_model("beta", {"a": int}, {"plural": "betas"}, strict=False)
    alpha = source.create_model({"name": "alpha", "properties": {"a": "string"}})

    class Gamma(Model):
        class Meta:
            data_source = source

    assert source.models() == [Gamma, alpha, beta]
    assert (beta.data_source, beta.definition.settings.strict) == (source, False)
    assert source.is_actual()
    source.auto_update([alpha])
    source.auto_migrate([alpha], drop=True)
    source.ping()


def test_auto_migrate_starts_afresh_and_auto_update_loses_nothing(source: DataSource) -> None:
    first = source.create_model("first", {"a": int})
    second = source.create_model("second", {"a": int})
    source.auto_update()
    for model in (first, second):
        model.create(a=1)
    source.auto_update()
    assert (first.count(), second.count()) == (1, 1)
    source.auto_migrate([first], drop=True)
    assert (first.count(), second.count()) == (0, 1)
    source.auto_migrate(drop=True)
    assert second.count() == 0


# Operations


def test_operations_are_described_as_the_seed_prints_them() -> None:
    operations = memory().operations()
    count = operations["count"]
    assert count["name"] == "count"
    assert (count["enabled"], count["remoteEnabled"]) == (True, True)
    assert count["http"] == {"verb": "get", "path": "/count"}
    (accepts,) = count["accepts"]
    assert (accepts["arg"], accepts["type"]) == ("where", "object")
    assert count["returns"] == [{"arg": "count", "type": "number"}]
    assert "prototype" not in count
    assert operations["save"]["prototype"] is True


SEED = [
    *("create", "updateOrCreate", "upsert", "findOrCreate", "exists", "findById", "find", "all"),
    *("findOne", "destroyAll", "deleteAll", "count", "save", "destroy", "delete"),
    *("updateAttribute", "updateAttributes", "reload"),
]


def test_each_operation_of_the_seed_is_there() -> None:
    operations = memory().operations()
    assert set(SEED) <= set(operations)
    for name, described in operations.items():
        assert described["name"] == name
        assert {"enabled", "remoteEnabled", "accepts", "returns"} <= set(described)


def test_what_is_never_remote_by_default() -> None:
    operations = memory().operations()
    kept = {name for name, each in operations.items() if not each["remoteEnabled"]}
    assert {"destroyAll", "deleteAll", "findOrCreate", "save", "reload", "destroy"} <= kept
    assert not kept & {"find", "findById", "findOne", "create", "count", "exists", "deleteById"}


@pytest.mark.parametrize("spelling", ["destroy_all", "destroyAll"])
def test_enabling_and_disabling_is_live_under_both_spellings(spelling: str) -> None:
    source = memory()
    model = source.create_model("thing", {})
    source.disable(spelling)
    described = source.operations()["destroyAll"]
    assert (described["enabled"], described["remoteEnabled"]) == (False, False)
    assert not hasattr(model, "destroy_all")
    source.enable(spelling)
    assert source.operations()["destroyAll"]["enabled"] is True
    assert model.destroy_all() == 0


@pytest.mark.parametrize("spelling", ["destroy_all", "destroyAll"])
def test_remote_callers_are_let_in_and_kept_out_live(spelling: str) -> None:
    source = memory()
    assert source.operations()["destroyAll"]["remoteEnabled"] is False
    source.enable_remote(spelling)
    assert source.operations()["destroyAll"]["remoteEnabled"] is True
    source.disable(spelling)
    assert source.operations()["destroyAll"]["remoteEnabled"] is False
    source.enable(spelling)
    assert source.operations()["destroyAll"]["remoteEnabled"] is True
    source.disable_remote(spelling)
    assert source.operations()["destroyAll"]["remoteEnabled"] is False
    assert source.create_model("thing", {}).destroy_all() == 0


def test_several_operations_at_once() -> None:
    source = memory()
    source.disable("find", "prototype.save", "delete_by_id")
    disabled = {name for name, each in source.operations().items() if not each["enabled"]}
    assert disabled == {"find", "save", "deleteById"}


def test_an_operation_that_there_is_not_is_an_error() -> None:
    source = memory()
    for change in (source.enable, source.disable, source.enable_remote, source.disable_remote):
        with pytest.raises(
            DefinitionError, match="there is no operation 'fnd'; did you mean 'find'"
        ):
            change("fnd")
        with pytest.raises(DefinitionError, match="did you mean 'find_by_id'"):
            change("find_by_idd")


def test_sources_do_not_share_what_is_disabled() -> None:
    first, second = memory("test_datasource_ops"), memory("test_datasource_ops")
    first.disable("find")
    assert second.operations()["find"]["enabled"] is True


def test_a_connector_says_what_it_cannot_do_and_what_is_not_remote() -> None:
    source = create_data_source(connector=EmptyConnector)
    model = source.create_model("thing", {"a": int})
    operations = source.operations()
    assert operations["destroyAll"]["enabled"] is False
    assert operations["create"]["enabled"] is True
    assert operations["create"]["remoteEnabled"] is False
    assert operations["find"]["remoteEnabled"] is True
    assert not hasattr(model, "destroy_all")
    source.enable("destroy_all")
    source.enable_remote("create")
    assert model.destroy_all() == 0
    assert source.operations()["create"]["remoteEnabled"] is True


# Sources of an app


@pytest.fixture
def product() -> tuple[Loop, DataSource, type[Model]]:
    loop = Loop()
    db = loop.data_source("db")

    class Product(Model):
        name: Prop[str] = prop(unique=True)

        class Meta:
            data_source = db

    return loop, db, Product


def make_app(loop: Loop, sources: Mapping[str, Any]) -> Flask:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = sources
    loop.init_app(app)
    return app


def test_each_app_has_its_own_records(product: tuple[Loop, DataSource, type[Model]]) -> None:
    loop, db, model = product
    first = make_app(loop, {"db": {"connector": "memory"}})
    second = make_app(loop, {"db": {"connector": "sqlite", "url": "sqlite://"}})
    for app in (first, second):
        with app.app_context():
            db.auto_update()
            assert model.count() == 0
            model.create(name=app.name)
            assert model.count() == 1
    with second.app_context():
        assert db.connector.name == "sqlite"
        db.close()


def test_outside_an_app_the_methods_are_there_and_say_what_they_need(
    product: tuple[Loop, DataSource, type[Model]],
) -> None:
    loop, db, model = product
    make_app(loop, {"db": {"connector": "memory"}})
    assert hasattr(model, "find")
    for use in (model.find, model.create, model(name="a").save, db.ping, db.transaction):
        with pytest.raises(RuntimeError, match="the data source 'db' belongs to an app: use it in"):
            use()
    assert db.operations()["find"]["enabled"] is True


def test_a_connectors_own_limits_hold_in_its_app(
    product: tuple[Loop, DataSource, type[Model]],
) -> None:
    loop, db, model = product
    app = make_app(loop, {"db": {"connector": EmptyConnector}})
    assert hasattr(model, "destroy_all")
    with app.app_context():
        assert not hasattr(model, "destroy_all")
        assert db.operations()["create"]["remoteEnabled"] is False


def test_a_name_without_settings_is_an_error(product: tuple[Loop, DataSource, type[Model]]) -> None:
    loop, _, model = product
    app = make_app(loop, {"dbs": {"connector": "memory"}})
    with (
        app.app_context(),
        pytest.raises(DefinitionError, match="has no data source 'db'; did you mean 'dbs'"),
    ):
        model.find()


# Transactions


def test_a_transaction_keeps_all_or_nothing(source: DataSource) -> None:
    model = source.create_model("thing", {"a": {"type": int, "unique": True}})
    source.auto_update()
    with source.transaction():
        model.create(a=1)
        model.create(a=2)

    def fail_in_the_middle() -> None:
        with source.transaction():
            model.create(a=3)
            model.update_all({"a": 1}, {"a": 4})
            model.destroy_by_id(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert [each.a for each in model.find()] == [1, 2]


def test_a_transaction_inside_another_can_be_undone_alone(source: DataSource) -> None:
    model = source.create_model("thing", {"a": int})
    source.auto_update()

    def fail() -> None:
        with source.transaction():
            model.create(a=2)
            raise ZeroDivisionError

    with source.transaction():
        model.create(a=1)
        with pytest.raises(ZeroDivisionError):
            fail()
        model.create(a=3)
    assert [each.a for each in model.find()] == [1, 3]


def test_explain_says_which_part_runs_where(source: DataSource) -> None:
    model = source.create_model("thing", {"a": {"type": int, "index": True}})
    source.auto_update()
    assert source.explain(model, {"where": {"a": 1}})["connector"] == source.connector.name
