from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, DefinitionError, Loop, Model, Prop, create_model, memory, prop

CreateApp = Callable[..., Flask]

loop = Loop(url_prefix="/api")


class Book(Model):
    title: Prop[str] = prop(required=True, unique=True)
    pages: Prop[int | None]

    class Meta:
        data_source = loop.data_source("library")


loop.model(Book)


@pytest.fixture(params=["memory", "sqlite"])
def create_app(request: pytest.FixtureRequest, tmp_path: Path) -> CreateApp:
    """An application factory: each app has a store of its own."""

    def create(name: str, **settings: Any) -> Flask:
        app = Flask(name)
        store = {"connector": request.param}
        if request.param == "sqlite":
            store["url"] = f"sqlite:///{tmp_path / name}.sqlite"
        app.config.update(TESTING=True, LOOP_DATA_SOURCES={"library": store}, **settings)
        loop.init_app(app)
        with app.app_context():
            loop.data_source("library").auto_update([Book])

        @app.teardown_appcontext
        def nothing(error: BaseException | None) -> None:
            """A function of the app's own, as factories have them."""

        return app

    return create


def titles(app: Flask) -> list[str]:
    found = app.test_client().get("/api/books").json
    assert isinstance(found, list)
    return [each["title"] for each in found]


def close(*apps: Flask) -> None:
    for app in apps:
        with app.app_context():
            loop.data_source("library").close()


def test_two_apps_with_the_same_models_have_stores_of_their_own(create_app: CreateApp) -> None:
    one, two = create_app("one"), create_app("two")
    one.test_client().post("/api/books", json={"title": "Dune"})
    assert (titles(one), titles(two)) == (["Dune"], [])
    created = two.test_client().post("/api/books", json={"title": "Dune"})
    assert created.json == {"title": "Dune", "pages": None, "id": 1}
    close(one, two)


def test_python_code_works_on_the_app_whose_context_is_there(create_app: CreateApp) -> None:
    one, two = create_app("one"), create_app("two")
    with one.app_context():
        Book.create(title="Dune")
        with two.app_context():
            assert Book.count() == 0
            Book.create([{"title": "Emma"}, {"title": "Ulysses"}])
        assert [book.title for book in Book.find()] == ["Dune"]
    assert (titles(one), titles(two)) == (["Dune"], ["Emma", "Ulysses"])
    close(one, two)


def test_a_transaction_is_one_apps(create_app: CreateApp) -> None:
    one, two = create_app("one"), create_app("two")
    source = loop.data_source("library")

    def write_in_both() -> None:
        with source.transaction():
            Book.create(title="Dune")
            with two.app_context():
                Book.create(title="Emma")
            raise ZeroDivisionError

    with one.app_context(), pytest.raises(ZeroDivisionError):
        write_in_both()
    assert (titles(one), titles(two)) == ([], ["Emma"])
    close(one, two)


def test_apps_do_not_mix_in_threads(create_app: CreateApp) -> None:
    apps = [create_app(f"app{number}") for number in range(3)]
    together = threading.Barrier(6)

    def work(worker: int) -> None:
        app = apps[worker % 3]
        client = app.test_client()
        together.wait(timeout=20)
        for number in range(15):
            title = f"{app.name} {worker} {number}"
            assert client.post("/api/books", json={"title": title}).status_code == 200
            with app.app_context():
                assert Book.find_one({"title": title}) is not None
            assert all(each.startswith(app.name) for each in titles(app))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    for app in apps:
        assert len(titles(app)) == 30
    close(*apps)


def test_each_app_has_its_own_settings(create_app: CreateApp) -> None:
    one = create_app("one", LOOP_MAX_LIMIT=1)
    two = create_app("two", LOOP_CREATED_STATUS=201)
    for app in (one, two):
        with app.app_context():
            Book.create([{"title": "a"}, {"title": "b"}])
    assert (len(titles(one)), len(titles(two))) == (1, 2)
    statuses = [
        app.test_client().post("/api/books", json={"title": "c"}).status_code for app in (one, two)
    ]
    assert statuses == [200, 201]
    close(one, two)


def test_a_factory_may_be_called_after_another_app_has_served(create_app: CreateApp) -> None:
    one = create_app("one")
    titles(one)
    two = create_app("two")
    assert titles(two) == []
    close(one, two)


# Factories that register models themselves


def test_a_factory_that_names_its_app_can_be_called_again() -> None:
    extension = Loop()
    model = create_model("book", {"title": str})
    model.attach_to(extension.data_source("library"))

    def create(name: str) -> Flask:
        app = Flask(name)
        app.config["LOOP_DATA_SOURCES"] = {"library": {"connector": "memory"}}
        extension.init_app(app)
        extension.model(model, app=app)
        return app

    one = create("one")
    one.test_client().post("/books", json={"title": "Dune"})
    two = create("two")
    assert one.test_client().get("/books/count").json == {"count": 1}
    assert two.test_client().get("/books/count").json == {"count": 0}


def test_a_factory_that_pushes_its_context_can_be_called_again() -> None:
    extension = Loop()
    model = create_model("book", {"title": str})
    model.attach_to(extension.data_source("library"))

    def create(name: str) -> Flask:
        app = Flask(name)
        app.config["LOOP_DATA_SOURCES"] = {"library": {"connector": "memory"}}
        extension.init_app(app)
        with app.app_context():
            extension.model(model)
            assert extension.models() == [model]
        return app

    for name in ("one", "two"):
        assert create(name).test_client().get("/books").json == []


def test_a_factory_that_defines_its_models_can_be_called_again() -> None:
    def create(name: str) -> tuple[Flask, type[Model]]:
        app = Flask(name)
        app.config["LOOP_DATA_SOURCES"] = {"library": {"connector": "memory"}}
        extension = Loop(app)

        class Novel(Model):
            title: Prop[str]

            class Meta:
                data_source = extension.data_source("library")

        extension.model(Novel)
        return app, Novel

    one, first = create("one")
    two, second = create("two")
    with one.app_context():
        first.create(title="Dune")
    with two.app_context():
        assert second.count() == 0
    assert one.test_client().get("/novels/count").json == {"count": 1}
    assert two.test_client().get("/novels/count").json == {"count": 0}


def test_apps_of_one_loop_may_expose_different_models() -> None:
    extension = Loop()
    shop, staff = Flask("shop"), Flask("staff")
    extension.init_app(shop)
    extension.init_app(staff)
    product, employee = (memory().create_model(name) for name in ("product", "employee"))
    extension.model(product, app=shop)
    extension.model(employee, app=staff)
    assert shop.test_client().get("/products").status_code == 200
    assert shop.test_client().get("/employees").status_code == 404
    assert staff.test_client().get("/employees").status_code == 200


def test_a_source_that_needs_no_app_is_shared_by_apps_on_purpose() -> None:
    shared: DataSource = memory()
    model = shared.create_model("book", {"title": str})
    extension = Loop()
    extension.model(model)
    one, two = Flask("one"), Flask("two")
    extension.init_app(one)
    extension.init_app(two)
    one.test_client().post("/books", json={"title": "Dune"})
    assert two.test_client().get("/books/count").json == {"count": 1}


def test_the_app_named_first_gets_an_error_of_a_recorded_model() -> None:
    extension = Loop()
    extension.model(memory().create_model("book"))
    extension.model(memory().create_model("novel", plural="books"))
    with pytest.raises(DefinitionError, match="book and novel have the same path"):
        extension.init_app(Flask("shop"))
