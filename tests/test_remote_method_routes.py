from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DefinitionError, Loop, Model, Prop, memory, remote_method, shared


def app_of(*models: Any, prefix: str = "") -> FlaskClient:
    app = Flask("shop")
    loop = Loop(app, url_prefix=prefix)
    for model in models:
        loop.model(model)
    return app.test_client()


@pytest.fixture
def product() -> Any:
    class Product(Model):
        name: Prop[str | None]

        class Meta:
            data_source = memory()

        @remote_method(
            http={"path": "/info", "verb": "get"}, returns={"arg": "stats", "type": "object"}
        )
        @classmethod
        def stats(cls) -> dict[str, Any]:
            return {"records": cls.count()}

        @shared
        def shout(self) -> str:
            return (self.name or "").upper()

        @remote_method(http={"path": "/greet/:who/:times", "verb": "get"})
        @classmethod
        def greet(cls, who: str, times: int) -> str:
            return f"hello {who}" * times

        @remote_method(http=[{"verb": "get", "path": "/both"}, {"verb": "put", "path": "/other"}])
        @classmethod
        def both(cls) -> str:
            return "both"

        @remote_method(http={"verb": "all", "path": "/any"})
        @classmethod
        def anything(cls) -> str:
            return "any"

        @remote_method(http={"status": 202})
        @classmethod
        def queue(cls) -> str:
            return "queued"

        @remote_method
        @classmethod
        def nothing(cls) -> None:
            return None

    Product.create(name="pen")
    return Product


@pytest.fixture
def client(product: Any) -> FlaskClient:
    return app_of(product)


@pytest.mark.parametrize(
    ("verb", "path", "status", "body"),
    [
        ("GET", "/products/info", 200, {"stats": {"records": 1}}),
        ("HEAD", "/products/info", 200, None),
        ("POST", "/products/1/shout", 200, "PEN"),
        ("POST", "/products/9/shout", 404, ...),
        ("GET", "/products/greet/ann/2", 200, "hello annhello ann"),
        ("GET", "/products/greet/ann/two", 400, ...),
        ("GET", "/products/both", 200, "both"),
        ("PUT", "/products/other", 200, "both"),
        ("GET", "/products/any", 200, "any"),
        ("POST", "/products/any", 200, "any"),
        ("PUT", "/products/any", 200, "any"),
        ("PATCH", "/products/any", 200, "any"),
        ("DELETE", "/products/any", 200, "any"),
        ("POST", "/products/queue", 202, "queued"),
        ("POST", "/products/nothing", 204, None),
    ],
)
def test_a_method_is_found_at_its_route(
    client: FlaskClient, verb: str, path: str, status: int, body: Any
) -> None:
    answer = client.open(path, method=verb)
    assert answer.status_code == status
    if body is not ...:
        assert answer.json == body if answer.data else body is None or verb == "HEAD"


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PUT", "/products/info", "GET, HEAD, OPTIONS"),
        ("PATCH", "/products/info", "GET, HEAD, OPTIONS"),
        ("DELETE", "/products/info", "GET, HEAD, OPTIONS"),
        ("DELETE", "/products/queue", "OPTIONS, POST"),
        ("GET", "/products/queue", "OPTIONS, POST"),
        ("HEAD", "/products/queue", "OPTIONS, POST"),
        ("GET", "/products/1/shout", "OPTIONS, POST"),
        ("POST", "/products/both", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_literal_path_wins_over_an_id_for_every_verb(
    client: FlaskClient, verb: str, path: str, allowed: str
) -> None:
    answer = client.open(path, method=verb)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert client.get("/products/count").json == {"count": 1}


def test_a_record_whose_id_is_a_methods_name_is_not_reached_by_it() -> None:
    class Page(Model):
        id: Prop[str]

        class Meta:
            data_source = memory()

        @remote_method
        @classmethod
        def publish(cls) -> str:
            return "published"

    Page.create(id="publish")
    client = app_of(Page)
    assert client.delete("/pages/publish").status_code == 405
    assert client.post("/pages/publish").json == "published"
    assert Page.count() == 1


def test_methods_are_below_the_prefix(product: Any) -> None:
    client = app_of(product, prefix="/api")
    assert client.get("/api/products/info").json == {"stats": {"records": 1}}
    assert client.get("/products/info").status_code == 404


# Clashes


def clash(*routes: dict[str, str], **meta: Any) -> type[Model]:
    """A model with a method for each route."""

    class Item(Model):
        Meta = type("Meta", (), {"data_source": memory(), **meta})

    for number, route in enumerate(routes):
        Item.remote_method(f"method{number}", classmethod(lambda cls: None), http=route)
    return Item


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            [{"verb": "get", "path": "/"}],
            r"items\.method0 and items\.find have the same route, GET /items$",
        ),
        (
            [{"verb": "post", "path": "/update"}],
            r"items\.method0 and items\.updateAll have the same route, POST /items/update$",
        ),
        (
            [{"verb": "get", "path": "/a"}, {"verb": "get", "path": "/a/"}],
            r"items\.method1 and items\.method0 have the same route, GET /items/a$",
        ),
        (
            [{"verb": "get", "path": "/a"}, {"verb": "all", "path": "/a"}],
            r"items\.method1 and items\.method0 have the same route, GET /items/a$",
        ),
    ],
)
def test_two_methods_with_one_route_are_an_error_that_names_both(
    routes: list[dict[str, str]], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        app_of(clash(*routes))


def test_placeholders_that_are_called_differently_are_one_path() -> None:
    class Item(Model):
        class Meta:
            data_source = memory()

        @remote_method(http={"verb": "get", "path": "/:name"})
        @classmethod
        def by_name(cls, name: str) -> str:
            return name

    with pytest.raises(DefinitionError, match=r"items\.byName and items\.findById have the same"):
        app_of(Item)


def test_a_clash_leaves_the_app_without_the_model() -> None:
    app = Flask("app")
    loop = Loop(app)
    item = clash({"verb": "get", "path": "/"})
    with pytest.raises(DefinitionError):
        loop.model(item)
    assert loop.models() == []
    assert app.test_client().get("/items").status_code == 404


def test_a_method_takes_the_route_of_an_operation_that_is_switched_off() -> None:
    item = clash({"verb": "get", "path": "/"}, remoting={"find": False})
    item.remote_method(
        "method0", classmethod(lambda cls: "mine"), http={"verb": "get", "path": "/"}
    )
    client = app_of(item)
    assert client.get("/items").json == "mine"
    assert client.post("/items", json={}).status_code == 200


def test_a_method_takes_the_place_of_the_operation_that_it_is_called_like() -> None:
    class Item(Model):
        class Meta:
            data_source = memory()

        @remote_method(http={"verb": "get", "path": "/"})
        @classmethod
        def list_all(cls) -> list[str]:
            return ["mine"]

    Item.disable_remote("find")
    assert app_of(Item).get("/items").json == ["mine"]


def test_a_path_that_the_app_serves_is_an_error_that_names_its_endpoint() -> None:
    app = Flask("app")
    app.add_url_rule("/items/report", "own_report", lambda: "own")
    with pytest.raises(DefinitionError, match="taken by the endpoint 'own_report'"):
        Loop(app).model(clash({"verb": "post", "path": "/report"}))


def test_methods_of_several_models_do_not_meet() -> None:
    first = clash({"verb": "get", "path": "/report"})
    second = clash({"verb": "get", "path": "/report"}, plural="others")
    client = app_of(first, second)
    assert client.get("/items/report").status_code == 204
    assert client.get("/others/report").status_code == 204


# Methods that are declared later


def test_a_method_that_is_declared_after_its_model_was_exposed_has_a_route(product: Any) -> None:
    client = app_of(product)

    @product.remote_method("late", http={"verb": "get"})  # type: ignore[untyped-decorator]
    def late(cls: Any) -> str:
        return "late"

    assert client.get("/products/late").json == "late"
    assert client.delete("/products/late").status_code == 405


def test_a_method_may_be_declared_while_the_app_answers(product: Any) -> None:
    client = app_of(product)
    assert client.get("/products/late").status_code == 404
    product.late = classmethod(lambda cls: "late")
    remote_method(product.late, http={"verb": "get"})
    assert client.get("/products/late").json == "late"
    assert client.get("/products/info").status_code == 200

    @product.remote_method("prototype.more", http={"verb": "get"})  # type: ignore[untyped-decorator]
    def more(self: Any) -> Any:
        return self.name

    @product.remote_method("further", http={"verb": "put", "path": "/info"})  # type: ignore[untyped-decorator]
    def further(cls: Any) -> str:
        return "further"

    assert client.get("/products/1/more").json == "pen"
    assert client.put("/products/info").json == "further"
    assert client.get("/products/info").status_code == 200
    assert client.delete("/products/info").headers["Allow"] == "GET, HEAD, OPTIONS, PUT"


def test_the_late_method_of_a_base_is_its_derived_models_too(product: Any) -> None:
    derived = product.extend("gadget")
    client = app_of(product, derived)
    client.get("/products")
    product.late = classmethod(lambda cls: cls.model_name)
    remote_method(product.late, http={"verb": "get"})
    assert client.get("/products/late").json == "Product"
    assert client.get("/gadgets/late").json == "gadget"


def test_a_late_method_that_clashes_is_an_error_of_one_request(product: Any) -> None:
    client = app_of(product)
    client.get("/products")
    product.late = classmethod(lambda cls: "late")
    remote_method(product.late, http={"verb": "get", "path": "/info"})
    product.later = classmethod(lambda cls: "later")
    remote_method(product.later, http={"verb": "get"})
    client.application.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(DefinitionError, match=r"products\.late and products\.stats"):
        client.get("/products")
    assert client.get("/products/info").json == {"stats": {"records": 1}}
    assert client.get("/products/later").json == "later"


def test_a_late_method_does_not_take_a_path_of_the_app(product: Any) -> None:
    client = app_of(product)
    client.application.add_url_rule("/products/own", "own", lambda: "own")
    client.get("/products")
    product.late = classmethod(lambda cls: "late")
    remote_method(product.late, http={"verb": "post", "path": "/own"})
    client.application.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(DefinitionError, match="taken by the endpoint 'own'"):
        client.get("/products")
    assert client.get("/products/own").text == "own"
    assert client.post("/products/own").status_code == 405


def test_declaring_a_method_again_after_it_was_exposed_is_an_error(product: Any) -> None:
    client = app_of(product)
    client.get("/products")
    remote_method(product.stats, http={"verb": "post"})
    client.application.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(DefinitionError, match="declared again"):
        client.get("/products")


def test_registering_something_else_changes_no_route(product: Any) -> None:
    client = app_of(product)
    rules = len(list(client.application.url_map.iter_rules()))
    client.get("/products")
    product.before_remote("stats")(lambda ctx: None)
    product.observe("access")(lambda ctx: None)
    assert client.get("/products/info").json == {"stats": {"records": 1}}
    assert len(list(client.application.url_map.iter_rules())) == rules


def test_a_late_method_that_means_nothing_costs_nobody_else_anything(
    product: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = memory().create_model("other", {"name": str})
    client = app_of(product, other)
    client.application.add_url_rule("/health", "health", lambda: "well")

    @product.remote_method("bad")  # type: ignore[untyped-decorator]
    def bad(cls: Any, x: set[int]) -> None: ...

    @other.remote_method("good", http={"verb": "get"})  # type: ignore[untyped-decorator]
    def good(cls: Any) -> int:
        return 1

    other.before_remote("crate")(lambda ctx: None)
    assert client.get("/health").text == "well"
    assert client.get("/others/good").json == 1
    assert client.get("/products/info").json == {"stats": {"records": 1}}
    assert client.get("/_docs/openapi.json").status_code == 200
    assert "the remote method Product.bad: " in caplog.text
    assert "the before hook 'crate' of other matches no method" in caplog.text


def test_a_method_without_classmethod_says_what_it_needs() -> None:
    class Item(Model):
        @remote_method
        def stats(cls) -> int:  # noqa: N805
            return 1

    with pytest.raises(DefinitionError, match=r"Item\.stats: .* it needs @classmethod"):
        app_of(Item)
