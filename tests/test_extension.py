from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import werkzeug
from flask import Blueprint, Flask, Response, abort, g, jsonify, request, url_for
from flask.json.provider import DefaultJSONProvider
from flask_cors import CORS

from flask_loop import DataSource, DefinitionError, Loop, Model, Prop, create_model, memory

MakeApp = Callable[..., Flask]


def make_product(name: str = "product", **settings: Any) -> type[Model]:
    model: type[Model] = create_model(name, {"name": str}, **settings)
    model.attach_to(memory())
    return model


@pytest.fixture
def product() -> type[Model]:
    return make_product()


# Paths


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("", "/products"),
        ("/", "/products"),
        ("/api", "/api/products"),
        ("/api/", "/api/products"),
        ("/v1/api", "/v1/api/products"),
        ("/a.b-c_d", "/a.b-c_d/products"),
    ],
)
def test_models_are_below_the_prefix(
    make_app: MakeApp, product: type[Model], prefix: str, path: str
) -> None:
    client = make_app(product, url_prefix=prefix, LOOP_CREATED_STATUS=201).test_client()
    created = client.post(path, json={"name": "pen"})
    assert (created.status_code, created.headers["Location"]) == (201, f"{path}/1")
    assert client.get(f"{path}/1").json == {"name": "pen", "id": 1}


@pytest.mark.parametrize("prefix", ["api", "api/", "/<tenant>", "/<int:version>/api"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    with pytest.raises(DefinitionError, match="url_prefix"):
        Loop(url_prefix=prefix)
    with pytest.raises(DefinitionError, match="url_prefix"):
        Loop().init_app(Flask("shop"), url_prefix=prefix)


def test_an_app_may_have_another_prefix_than_its_loop(product: type[Model]) -> None:
    loop = Loop(url_prefix="/api")
    loop.model(product)
    one, two = Flask("one"), Flask("two")
    loop.init_app(one)
    loop.init_app(two, url_prefix="/v2")
    assert one.test_client().get("/api/products").json == []
    assert two.test_client().get("/v2/products").json == []
    assert two.test_client().get("/api/products").status_code == 404


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"plural": "goods"}, "/goods"),
        ({"http_path": "/shop/items"}, "/shop/items"),
        ({"http_path": "items/"}, "/items"),
        ({"plural": "Städte"}, "/St%C3%A4dte"),
    ],
)
def test_a_model_says_its_own_path(make_app: MakeApp, settings: dict[str, Any], path: str) -> None:
    client = make_app(make_product(**settings), url_prefix="").test_client()
    assert client.get(path).json == []
    assert client.get(f"{path}/count").json == {"count": 0}


def test_a_model_at_the_root_is_refused(make_app: MakeApp) -> None:
    with pytest.raises(DefinitionError, match="'product': the path '/'"):
        make_app(make_product(http_path="/"))


def test_endpoints_are_named_by_plural_and_method(make_app: MakeApp, product: type[Model]) -> None:
    shop = make_product("coffee-shop")
    app = make_app(product, shop)
    with app.test_request_context():
        assert url_for("loop.products.find_by_id", id=1) == "/api/products/1"
        assert url_for("loop.products.find", filter="{}") == "/api/products?filter=%7B%7D"
        assert url_for("loop.products.exists", id="a b") == "/api/products/a%20b/exists"
        assert url_for("loop.coffee-shops.count") == "/api/coffee-shops/count"
        assert (
            url_for("loop.products.create", _external=True, _method="POST")
            == "http://localhost/api/products"
        )
    found = app.test_client()
    app.before_request(lambda: setattr(g, "seen", (request.endpoint, request.blueprint)))
    app.after_request(lambda answer: answer.headers.set("X-Seen", str(g.seen)) or answer)
    seen = found.get("/api/products/1").headers["X-Seen"]
    assert seen == "('loop.products.find_by_id', 'loop.products')"


def test_models_whose_paths_differ_in_signs_alone_have_endpoints_of_their_own(
    make_app: MakeApp,
) -> None:
    app = make_app(make_product(http_path="/a/b"), make_product(http_path="/a.b"))
    client = app.test_client()
    client.post("/api/a/b", json={"name": "x"})
    assert client.get("/api/a/b/count").json == {"count": 1}
    assert client.get("/api/a.b/count").json == {"count": 0}


# Registering models


def test_models_registered_before_and_after_init_app_are_exposed(product: type[Model]) -> None:
    loop, app, other = Loop(), Flask("shop"), make_product("other")
    loop.model(product)
    loop.init_app(app)
    loop.model(other, app=app)
    client = app.test_client()
    assert client.get("/products").json == []
    assert client.get("/others").json == []
    with app.app_context():
        assert loop.models() == [product, other]


def test_a_model_goes_to_the_app_that_loop_was_made_with(product: type[Model]) -> None:
    app = Flask("shop")
    loop = Loop(app)
    assert loop.model(product) is product
    assert loop.models() == [product]
    assert app.test_client().get("/products").status_code == 200


def test_loop_model_is_a_decorator() -> None:
    app = Flask("shop")
    loop = Loop(app)

    @loop.model
    class Product(Model):
        name: Prop[str]

        class Meta:
            data_source = memory()

    assert app.test_client().get("/products").json == []
    assert Product.create(name="pen").id == 1  # type: ignore[attr-defined]


def test_registering_a_model_again_changes_nothing(product: type[Model]) -> None:
    app = Flask("shop")
    loop = Loop(app)
    loop.model(product)
    rules = len(list(app.url_map.iter_rules()))
    loop.model(product)
    app.test_client().get("/products")
    loop.model(product)
    assert len(list(app.url_map.iter_rules())) == rules
    assert loop.models() == [product]


def test_a_model_after_the_first_request_is_an_error_that_says_so(product: type[Model]) -> None:
    app = Flask("shop")
    loop = Loop(app)
    app.test_client().get("/")
    with pytest.raises(RuntimeError, match="'shop' has answered a request already; register prod"):
        loop.model(product)


def test_init_app_twice_is_an_error() -> None:
    app = Flask("shop")
    Loop(app)
    with pytest.raises(RuntimeError, match="the app 'shop' has a Loop already"):
        Loop(app)


def test_a_model_for_an_app_of_another_loop_is_an_error(product: type[Model]) -> None:
    app = Flask("shop")
    Loop(app)
    with pytest.raises(RuntimeError, match=r"'shop' has no part in this Loop: call loop.init_app"):
        Loop().model(product, app=app)


def test_which_app_is_asked_where_it_is_not_clear(product: type[Model]) -> None:
    loop, app = Loop(), Flask("shop")
    loop.init_app(app)
    with pytest.raises(RuntimeError, match="which app"):
        loop.model(product)
    with app.app_context():
        loop.model(product)
    assert app.test_client().get("/products").json == []


def test_whether_an_app_is_still_there_makes_no_difference(product: type[Model]) -> None:
    loop = Loop()
    loop.init_app(Flask("shop"))
    gc.collect()
    with pytest.raises(RuntimeError, match="which app"):
        loop.model(product)


def test_an_app_is_not_kept_by_its_loop_nor_by_its_models(product: type[Model]) -> None:
    loop = Loop()
    loop.model(product)

    def serve() -> weakref.ref[Flask]:
        app = Flask("shop")
        loop.init_app(app)
        app.test_client().get("/products")
        return weakref.ref(app)

    app = serve()
    gc.collect()
    assert app() is None


def test_two_models_with_one_path_are_an_error_that_names_both(make_app: MakeApp) -> None:
    with pytest.raises(DefinitionError, match="product and article have the same path, /products"):
        make_app(make_product(), make_product("article", plural="products"))


def test_a_model_whose_path_another_one_serves_is_an_error_that_names_both(
    make_app: MakeApp,
) -> None:
    with pytest.raises(DefinitionError, match=r"/api/products/count of tally .*'loop\.products\."):
        make_app(make_product(), make_product("tally", http_path="/products/count"))


@pytest.mark.parametrize(
    ("rule", "methods"),
    [
        ("/api/products", ["GET"]),
        ("/api/products/", ["GET"]),
        ("/api/products/<int:number>", ["DELETE"]),
        ("/api/products/count", ["POST"]),
    ],
)
def test_a_path_that_the_app_serves_itself_is_an_error(
    product: type[Model], rule: str, methods: list[str]
) -> None:
    app = Flask("shop")
    app.add_url_rule(rule, "own", lambda **more: "own", methods=methods)
    loop = Loop(app, url_prefix="/api")
    with pytest.raises(DefinitionError, match=f"{rule} of product is taken by the endpoint 'own'"):
        loop.model(product)
    assert loop.models() == []
    assert "loop.products" not in app.blueprints


def test_a_refused_model_can_be_registered_under_another_path(product: type[Model]) -> None:
    app = Flask("shop")
    app.add_url_rule("/products", "own", lambda: "own")
    loop = Loop(app)
    with pytest.raises(DefinitionError):
        loop.model(product)
    loop.model(make_product(plural="goods"))
    assert app.test_client().get("/products").text == "own"
    assert app.test_client().get("/goods").json == []


def test_a_model_without_a_data_source_has_no_methods(make_app: MakeApp) -> None:
    model = create_model("product", {"name": str})
    client = make_app(model).test_client()
    assert client.get("/api/products").status_code == 404
    model.attach_to(memory())
    assert client.get("/api/products").json == []


# The app's own


@pytest.fixture
def host(product: type[Model]) -> Flask:
    """An app with routes below the prefix, beside it, and for everything."""
    app = Flask("shop")
    app.testing = True
    loop = Loop(app, url_prefix="/api")
    loop.model(product)
    app.add_url_rule("/", "home", lambda: "home")
    app.add_url_rule("/api/own", "own", lambda: "own")
    app.add_url_rule("/api/products/special", "special", lambda: "special")
    app.add_url_rule("/api/products/<int:id>/more", "more", lambda id: f"more {id}")
    app.add_url_rule("/apis", "apis", lambda: "apis")
    app.add_url_rule("/<path:path>", "page", lambda path: f"page {path}", methods=["GET", "POST"])
    return app


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "home"),
        ("/api/own", "own"),
        ("/api/products/special", "special"),
        ("/api/products/7/more", "more 7"),
        ("/apis", "apis"),
        ("/products", "page products"),
        ("/apiary/x", "page apiary/x"),
    ],
)
def test_the_apps_own_routes_are_its_own(host: Flask, path: str, text: str) -> None:
    response = host.test_client().get(path)
    assert (response.status_code, response.text) == (200, text)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/products/1/2/3"])
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "OPTIONS", "TRACE"])
def test_a_route_for_everything_does_not_answer_below_the_prefix(
    host: Flask, verb: str, path: str
) -> None:
    response = host.test_client().open(path, method=verb)
    assert response.status_code == 404
    assert response.json == {
        "error": {
            "statusCode": 404,
            "name": "NotFoundError",
            "message": f"There is no method to handle {verb} {path}.",
        }
    }


def test_the_models_paths_are_not_the_hosts_route_for_everything(host: Flask) -> None:
    assert host.test_client().get("/api/products").json == []


def test_a_verb_that_the_apps_own_route_does_not_have_is_the_apps(host: Flask) -> None:
    response = host.test_client().delete("/api/own")
    assert response.status_code == 405
    assert response.content_type == "text/html; charset=utf-8"
    assert {"GET", "HEAD", "OPTIONS"} <= set(response.headers["Allow"].split(", "))


def test_without_a_prefix_only_paths_below_a_model_are_answered_in_json(
    make_app: MakeApp, product: type[Model]
) -> None:
    app = make_app(product, url_prefix="")
    client = app.test_client()
    for path in ("/nothing", "/", "/productsx", "/product", "/products.json"):
        response = client.get(path)
        assert (response.status_code, response.is_json) == (404, False)
    for path in ("/products/1/nothing", "/products/1/exists/x"):
        response = client.get(path)
        assert (response.status_code, response.is_json) == (404, True)


def test_without_a_prefix_the_apps_route_for_everything_answers(
    make_app: MakeApp, product: type[Model]
) -> None:
    app = make_app(product, url_prefix="")
    app.add_url_rule("/<path:path>", "page", lambda path: f"page {path}")
    client = app.test_client()
    assert client.get("/products/1/nothing").text == "page products/1/nothing"
    assert client.get("/products/1").status_code == 404
    assert client.get("/products").json == []
    assert client.post("/products/1/nothing").status_code == 405


def test_slashes_that_are_too_many_are_redirected_as_everywhere(
    make_app: MakeApp, product: type[Model]
) -> None:
    response = make_app(product).test_client().get("/api//products")
    assert (response.status_code, response.headers["Location"]) == (
        308,
        "http://localhost/api/products",
    )


def test_the_apps_functions_around_requests_run_in_their_order(product: type[Model]) -> None:
    app = Flask("shop")
    ran: list[str] = []
    app.before_request(lambda: ran.append("before 1"))
    loop = Loop(app)
    app.before_request(lambda: ran.append("before 2"))
    app.after_request(lambda response: ran.append("after") or response)
    app.teardown_request(lambda error: ran.append("teardown"))
    loop.model(product)
    app.test_client().get("/products")
    assert ran == ["before 1", "before 2", "after", "teardown"]


def test_an_answer_of_before_request_stands(product: type[Model]) -> None:
    app = Flask("shop")
    app.before_request(lambda: ("closed", 503))
    Loop(app, url_prefix="/api").model(product)
    for path in ("/api/products", "/api/nothing"):
        response = app.test_client().get(path)
        assert (response.status_code, response.text) == (503, "closed")


def test_after_request_sees_every_answer(make_app: MakeApp, product: type[Model]) -> None:
    app = make_app(product)

    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = "1"
        return response

    app.after_request(mark)
    client = app.test_client()
    for path in ("/api/products", "/api/products/9", "/api/nothing", "/api/products?filter=x"):
        assert client.get(path).headers["X-Mark"] == "1"


def test_the_apps_json_is_its_own(make_app: MakeApp, product: type[Model]) -> None:
    class Loud(DefaultJSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return super().dumps({"loud": obj})

        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            raise AssertionError("not for models")

    app = make_app(product)
    app.json = provider = Loud(app)
    app.add_url_rule("/own", "own", lambda: jsonify(1))
    client = app.test_client()
    created = client.post("/api/products", data='{"name": "é"}', content_type="application/json")
    assert created.data == '{"name":"é","id":1}'.encode()
    assert client.get("/own").data == b'{"loud": 1}\n'
    assert app.json is provider


def test_a_blueprint_of_the_app_may_have_the_plural_as_its_name(
    make_app: MakeApp, product: type[Model]
) -> None:
    pages = Blueprint("products", __name__, url_prefix="/pages")
    pages.add_url_rule("/", "home", lambda: "pages")
    app = make_app(product)
    app.register_blueprint(pages)
    assert app.test_client().get("/pages/").text == "pages"
    assert app.test_client().get("/api/products").json == []


def test_flask_cors_works_unchanged(make_app: MakeApp, product: type[Model]) -> None:
    app = make_app(product)
    CORS(app, origins=["https://shop.example"], expose_headers=["Link"])
    client = app.test_client()
    origin = {"Origin": "https://shop.example"}
    for path in ("/api/products", "/api/products/9", "/api/nothing"):
        headers = client.get(path, headers=origin).headers
        assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert headers["Access-Control-Expose-Headers"] == "Link"
    preflight = client.options(
        "/api/products/1",
        headers={**origin, "Access-Control-Request-Method": "PATCH"},
    )
    assert preflight.status_code == 200
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    stranger = client.get("/api/products", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_views_may_answer_errors_of_models_themselves(
    make_app: MakeApp, product: type[Model]
) -> None:
    app = make_app(product)
    app.add_url_rule("/own/<int:id>", "own", lambda id: abort(404) if not id else "own")
    app.register_error_handler(404, lambda error: ("own 404", 404))
    assert app.test_client().get("/own/0").text == "own 404"


# Contexts


def test_nothing_of_a_request_is_left_in_a_pushed_app_context(
    make_app: MakeApp, product: type[Model]
) -> None:
    app = make_app(product)
    client = app.test_client()
    with app.app_context():
        client.post("/api/products", json={"name": "pen"})
        client.get("/api/products", headers={"Accept": "application/problem+json"})
        client.get("/api/products?filter=x")
        client.get("/api/nothing")
        assert list(g) == []
        assert client.get("/api/products/9").content_type == "application/json; charset=utf-8"
        client.post("/api/products", data="{", content_type="application/json")
        assert client.post("/api/products").json == {"name": None, "id": 2}


# Starting up


def test_the_urls_of_all_routes_can_be_built_and_found(
    make_app: MakeApp, product: type[Model]
) -> None:
    app = make_app(product, url_prefix="/api")
    built = 0
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("loop.") and rule.methods:
            verb = sorted(rule.methods)[0]
            path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "a b"), method=verb)
            assert adapter.match(path, method=verb)[0] == rule.endpoint
            built += 1
    assert built == 17


def run_with_werkzeug(folder: Path, script: str) -> str:
    """What a script prints in a process whose Werkzeug is in a folder."""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), root])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


USE_ROUTES = """
    import werkzeug.routing
    from flask import Flask, url_for
    from flask_loop import Loop, memory

    app = Flask("shop")
    loop = Loop(app, url_prefix="/api")
    loop.model(memory().create_model("product", {"name": str}))
    client = app.test_client()
    client.post("/api/products", json={"name": "pen"})
    with app.test_request_context():
        print(hasattr(werkzeug.routing.Rule, "_compile_builder"))
        print(client.get(url_for("loop.products.find_by_id", id=1)).text.strip())
    print(client.put("/api/products/count").status_code)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_routes_work_with_and_without_werkzeugs_private_hook(
    tmp_path: Path, is_there: bool
) -> None:
    copy = tmp_path / "werkzeug"
    shutil.copytree(Path(werkzeug.__file__).parent, copy)
    if not is_there:
        rules = copy / "routing" / "rules.py"
        text = rules.read_text()
        assert "_compile_builder" in text
        rules.write_text(text.replace("_compile_builder", "_make_builder"))
    printed = run_with_werkzeug(tmp_path, USE_ROUTES)
    assert printed.splitlines() == [str(is_there), '{"name":"pen","id":1}', "405"]


# The documentation


def test_the_documentation_is_at_the_root_whatever_the_prefix(
    make_app: MakeApp, product: type[Model]
) -> None:
    client = make_app(product, url_prefix="/api").test_client()
    assert client.get("/_docs/openapi.json").status_code == 200
    assert client.get("/api/_docs/openapi.json").status_code == 404
    without = make_app(make_product(), LOOP_DOCS=False).test_client()
    assert without.get("/_docs/openapi.json").status_code == 404


def test_loop_docs_names_the_server_before_and_after_init_app(product: type[Model]) -> None:
    loop = Loop()
    loop.docs(base_path="https://api.example.com")
    app = Flask("shop")
    loop.init_app(app)
    servers = app.test_client().get("/_docs/openapi.json").json
    assert servers is not None
    assert servers["servers"] == [{"url": "https://api.example.com"}]
    loop.docs("https://other.example.com")
    again = app.test_client().get("/_docs/openapi.json").json
    assert again is not None
    assert again["servers"] == [{"url": "https://other.example.com"}]


# Data sources of an app


def test_a_source_outside_an_app_context_says_what_to_do(product: type[Model]) -> None:
    loop = Loop()
    product.attach_to(loop.data_source("db"))
    assert hasattr(product, "find")
    for call in (product.find, product.count, lambda: product.create(name="x")):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert str(caught.value) == (
            "the data source 'db' belongs to an app: use it in a request, or "
            "inside `with app.app_context():`"
        )


def test_a_source_in_an_app_without_loop_says_what_to_do(product: type[Model]) -> None:
    product.attach_to(Loop().data_source("db"))
    with (
        Flask("bare").app_context(),
        pytest.raises(RuntimeError, match=r"'bare' has no Loop: call loop.init_app\(app\)"),
    ):
        product.find()


def test_a_source_that_is_not_configured_names_the_nearest(product: type[Model]) -> None:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"orders": {"connector": "memory"}}
    source: DataSource = Loop(app).data_source("order")
    product.attach_to(source)
    with (
        app.app_context(),
        pytest.raises(DefinitionError, match="no data source 'order'; did you mean 'orders'"),
    ):
        product.find()


def test_one_name_is_one_source() -> None:
    loop = Loop()
    assert loop.data_source("db") is loop.data_source("db")
    assert loop.data_source("db") is not loop.data_source("other")
