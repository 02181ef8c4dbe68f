from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Request, abort, current_app, request
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin

from flask_loop import Loop, Model, Prop, memory, prop, remote_method
from flask_loop.errors import Conflict, DefinitionError


class Shop:
    """An app with one model, and what its hooks wrote down."""

    def __init__(self) -> None:
        class Product(Model):
            name: Prop[str] = prop(required=True)
            price: Prop[float | None] = prop()

            class Meta:
                data_source = memory()

            @remote_method(http={"verb": "get"})
            @classmethod
            def cheapest(cls) -> Any:
                return cls.find_one(order="price")

            @remote_method
            def raise_price(self, by: float = 1) -> Any:
                return self.update_attribute("price", (self.price or 0) + by)

            @remote_method
            @classmethod
            def explode(cls, with_status: int = 0) -> None:
                if with_status:
                    abort(with_status)
                raise RuntimeError("secret")

        self.Product: Any = Product
        self.calls: list[Any] = []
        self.app = Flask("shop")
        self.loop = Loop(self.app)
        self.loop.model(Product)
        self.client = self.app.test_client()

    def note(self, label: Any) -> Any:
        def hook(ctx: Any) -> None:
            self.calls.append(label)

        return hook


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> FlaskClient:
    return shop.client


@pytest.fixture
def product(shop: Shop) -> Any:
    return shop.Product.create(name="pen", price=2)


PATTERNS: list[tuple[str, set[str]]] = [
    ("*", {"create", "find", "count", "deleteById", "replaceById", "cheapest"}),
    ("prototype.*", {"prototype.patchAttributes", "prototype.raisePrice"}),
    ("*.*", {"prototype.patchAttributes", "prototype.raisePrice"}),
    (
        "**",
        {
            "create",
            "find",
            "count",
            "deleteById",
            "replaceById",
            "cheapest",
            "prototype.patchAttributes",
            "prototype.raisePrice",
        },
    ),
    ("*.save", {"create", "replaceById", "prototype.patchAttributes"}),
    ("prototype.save", {"create", "replaceById", "prototype.patchAttributes"}),
    ("prototype.**", {"prototype.patchAttributes", "prototype.raisePrice"}),
    ("*.raise_price", {"prototype.raisePrice"}),
    ("create", {"create"}),
    ("find", {"find"}),
    ("all", {"find"}),
    ("destroyById", {"deleteById"}),
    ("delete_by_id", {"deleteById"}),
    ("removeById", {"deleteById"}),
    ("replace_by_id", {"replaceById"}),
    ("prototype.updateAttributes", {"prototype.patchAttributes"}),
    ("prototype.patch_attributes", {"prototype.patchAttributes"}),
    ("prototype.raise_price", {"prototype.raisePrice"}),
    ("prototype.raisePrice", {"prototype.raisePrice"}),
    ("raisePrice", set()),
    ("patchAttributes", set()),
    ("fin", set()),
    ("nothing", set()),
]


def call_all(client: FlaskClient) -> Iterator[str]:
    """Call a method of each kind; gives the name of each before it is called."""
    requests = {
        "create": ("post", "/products", {"name": "ink"}),
        "find": ("get", "/products", None),
        "count": ("get", "/products/count", None),
        "cheapest": ("get", "/products/cheapest", None),
        "prototype.patchAttributes": ("patch", "/products/1", {"price": 3}),
        "prototype.raisePrice": ("post", "/products/1/raisePrice", {"by": 2}),
        "replaceById": ("put", "/products/1", {"name": "pencil"}),
        "deleteById": ("delete", "/products/1", None),
    }
    for name, (verb, path, body) in requests.items():
        yield name
        answer = client.open(path, method=verb.upper(), json=body)
        assert answer.status_code in (200, 204), answer.text


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS)
@pytest.mark.parametrize("place", ["model", "loop"])
def test_a_pattern_means_these_methods(
    shop: Shop, client: FlaskClient, pattern: str, expected: set[str], place: str
) -> None:
    met: set[str] = set()
    owner = shop.Product if place == "model" else shop.loop

    @owner.before_remote(pattern)  # type: ignore[untyped-decorator]
    def meet(ctx: Any) -> None:
        met.add(ctx.method.wire)

    wanted = set(expected)
    if place == "loop" and pattern == "*.*":
        wanted |= {"create", "find", "count", "deleteById", "replaceById", "cheapest"}
    for _ in call_all(client):
        pass
    assert met == wanted


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("products.create", {"create"}),
        ("Product.create", {"create"}),
        ("*.create", {"create"}),
        ("products.*", {"create", "find", "count", "deleteById", "replaceById", "cheapest"}),
        ("products.prototype.*", {"prototype.patchAttributes", "prototype.raisePrice"}),
        ("*.prototype.raise_price", {"prototype.raisePrice"}),
        ("products.*.save", {"create", "replaceById", "prototype.patchAttributes"}),
        ("orders.create", set()),
        ("orders.**", set()),
    ],
)
def test_a_pattern_of_the_loop_may_name_the_model(
    shop: Shop, client: FlaskClient, pattern: str, expected: set[str]
) -> None:
    met: set[str] = set()

    @shop.loop.before_remote(pattern)
    def meet(ctx: Any) -> None:
        met.add(ctx.method.wire)

    for _ in call_all(client):
        pass
    assert met == expected


@pytest.mark.parametrize("pattern", ["", ".", "create.", "a..b", None, 5])
def test_a_pattern_that_means_nothing_is_refused_where_it_is_written(
    shop: Shop, pattern: Any
) -> None:
    with pytest.raises(DefinitionError, match="a pattern is"):
        shop.Product.before_remote(pattern)
    with pytest.raises(DefinitionError, match="a pattern is"):
        shop.loop.after_remote(pattern)


def test_what_is_no_function_is_no_hook(shop: Shop) -> None:
    with pytest.raises(TypeError, match="a function"):
        shop.Product.before_remote("find")("nothing")


def test_exact_names_come_first_then_star_then_two_stars_and_the_loop_last(
    shop: Shop, client: FlaskClient
) -> None:
    Product, loop, note = shop.Product, shop.loop, shop.note
    loop.before_remote("create")(note("loop create"))
    loop.before_remote("**")(note("loop **"))
    Product.before_remote("**")(note("** first"))
    Product.before_remote("*")(note("*"))
    Product.before_remote("create")(note("create first"))
    Product.before_remote("**")(note("** second"))
    Product.before_remote("create")(note("create second"))
    Product.after_remote("**")(note("after **"))
    Product.after_remote("create")(note("after create"))
    client.post("/products", json={"name": "pen"})
    assert shop.calls == [
        "create first",
        "create second",
        "*",
        "** first",
        "** second",
        "loop create",
        "loop **",
        "after create",
        "after **",
    ]


def test_hooks_may_be_registered_after_the_app_has_answered(
    shop: Shop, client: FlaskClient
) -> None:
    client.get("/products")
    shop.Product.before_remote("find")(shop.note("late"))
    client.get("/products")
    assert shop.calls == ["late"]


def test_hooks_may_be_registered_before_the_model_is_exposed() -> None:
    Product = memory().create_model("product", {"name": str})
    calls: list[str] = []
    Product.before_remote("find")(lambda ctx: calls.append(ctx.method_string))
    app = Flask("app")
    Loop(app).model(Product)
    app.test_client().get("/products")
    assert calls == ["products.find"]


def test_a_derived_model_has_the_hooks_of_its_base_and_not_the_other_way_round() -> None:
    Base = memory().create_model("thing", {"name": str})
    Derived = Base.extend("gadget")
    calls: list[str] = []
    Derived.before_remote("find")(lambda ctx: calls.append(f"derived {ctx.method_string}"))
    Base.before_remote("find")(lambda ctx: calls.append(f"base {ctx.method_string}"))
    app = Flask("app")
    loop = Loop(app)
    loop.model(Base)
    loop.model(Derived)
    app.test_client().get("/things")
    assert calls == ["base things.find"]
    calls.clear()
    app.test_client().get("/gadgets")
    assert calls == ["derived gadgets.find", "base gadgets.find"]


def test_a_hook_cannot_be_on_model_itself() -> None:
    with pytest.raises(TypeError, match="every app's"):
        Model.before_remote("**")
    with pytest.raises(TypeError, match="every app's"):
        Model.observe("before save")


def test_two_apps_of_one_loop_share_its_hooks_and_two_loops_do_not() -> None:
    Product = memory().create_model("product", {"name": str})
    calls: list[str] = []
    first, second, other = Flask("first"), Flask("second"), Flask("other")
    loop, another = Loop(), Loop()
    loop.before_remote("**")(lambda ctx: calls.append(current_app.name))
    for each in (loop, another):
        each.model(Product)
    loop.init_app(first)
    loop.init_app(second)
    another.init_app(other)
    for app in (first, second, other):
        app.test_client().get("/products")
    assert calls == ["first", "second"]


# What hooks see and change


def test_the_second_argument_is_the_instance_the_result_or_the_error(
    shop: Shop, client: FlaskClient, product: Any
) -> None:
    seen: list[Any] = []
    Product = shop.Product
    Product.before_remote("prototype.raise_price")(lambda ctx, each: seen.append(each.name))
    Product.before_remote("cheapest")(lambda ctx, each: seen.append(each))
    Product.after_remote("cheapest")(lambda ctx, each: seen.append(each.id))
    Product.after_remote_error("find_by_id")(lambda ctx, error: seen.append(type(error).__name__))
    client.post("/products/1/raisePrice")
    client.get("/products/cheapest")
    client.get("/products/77")
    assert seen == ["pen", None, product.id, "ModelNotFound"]


def test_a_before_hook_changes_arguments(shop: Shop, client: FlaskClient, product: Any) -> None:
    @shop.Product.before_remote("prototype.raise_price")  # type: ignore[untyped-decorator]
    def double(ctx: Any) -> None:
        ctx.args["by"] *= 2

    @shop.Product.before_remote("create")  # type: ignore[untyped-decorator]
    def name(ctx: Any) -> None:
        ctx.args["data"]["name"] = ctx.args["data"]["name"].upper()

    assert client.post("/products/1/raisePrice", json={"by": 4}).json["price"] == 10  # type: ignore[index]
    assert client.post("/products", json={"name": "ink"}).json["name"] == "INK"  # type: ignore[index]


def test_a_before_hook_narrows_what_is_found(shop: Shop, client: FlaskClient) -> None:
    shop.Product.create([{"name": "a", "price": 1}, {"name": "b", "price": 5}])

    @shop.Product.before_remote("*")  # type: ignore[untyped-decorator]
    def cheap(ctx: Any) -> None:
        if ctx.method.takes("filter") and ctx.args["filter"] is not None:
            ctx.narrow({"price": {"lt": 3}})

    @shop.Product.before_remote("count")  # type: ignore[untyped-decorator]
    def count_cheap(ctx: Any) -> None:
        ctx.args["where"] = {"price": {"lt": 3}}

    assert [each["name"] for each in client.get("/products").json] == ["a"]  # type: ignore[union-attr]
    everything = client.get('/products?filter={"where":{"or":[{"name":"a"},{"name":"b"}]}}')
    assert [each["name"] for each in everything.json] == ["a"]  # type: ignore[union-attr]
    assert client.get("/products/count").json == {"count": 1}


def test_a_filter_may_be_set_as_a_dict(shop: Shop, client: FlaskClient) -> None:
    shop.Product.create([{"name": "a", "price": 1}, {"name": "b", "price": 5}])

    @shop.Product.before_remote("find")  # type: ignore[untyped-decorator]
    def only_b(ctx: Any) -> None:
        ctx.args["filter"] = {"where": {"name": "b"}, "fields": ["name"]}

    assert client.get("/products").json == [{"name": "b"}]


def test_narrow_needs_a_method_that_takes_a_where(
    shop: Shop, client: FlaskClient, product: Any
) -> None:
    refused: list[str] = []

    @shop.Product.before_remote("prototype.raise_price")  # type: ignore[untyped-decorator]
    def narrow(ctx: Any) -> None:
        with pytest.raises(TypeError, match=r"products\.prototype\.raisePrice takes no where"):
            ctx.narrow({"name": "pen"})
        refused.append("refused")

    client.post("/products/1/raisePrice")
    assert refused == ["refused"]


def test_what_a_hook_sets_is_not_bound_by_the_flags_of_clients() -> None:
    Note = memory().create_model(
        "note", {"text": str, "author": {"type": "String", "read_only": True}}
    )
    app = Flask("app")
    Loop(app).model(Note)

    @Note.before_remote("create")  # type: ignore[untyped-decorator]
    def sign(ctx: Any) -> None:
        ctx.args["data"]["author"] = "server"

    client = app.test_client()
    made = client.post("/notes", json={"text": "hi", "author": "mallory"}).json
    assert made == {"text": "hi", "author": "server", "id": 1}
    changed = client.patch("/notes/1", json={"author": "mallory"}).json
    assert changed == made


def test_an_after_hook_changes_the_result(shop: Shop, client: FlaskClient, product: Any) -> None:
    @shop.Product.after_remote("find")  # type: ignore[untyped-decorator]
    def shout(ctx: Any, found: list[Any]) -> None:
        for each in found:
            each.name = each.name.upper()

    @shop.Product.after_remote("find_by_id")  # type: ignore[untyped-decorator]
    def replace(ctx: Any) -> None:
        ctx.result = {"name": ctx.result.name, "seen": True}

    @shop.Product.after_remote("count")  # type: ignore[untyped-decorator]
    def more(ctx: Any) -> None:
        ctx.result["count"] += 1

    assert client.get("/products").json == [{"name": "PEN", "price": 2, "id": 1}]
    assert client.get("/products/1").json == {"name": "pen", "seen": True}
    assert client.get("/products/count").json == {"count": 2}
    assert shop.Product.find_by_id(1).name == "pen"


def test_a_result_that_no_hook_looks_at_is_not_made_into_instances(
    shop: Shop, client: FlaskClient, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    make = shop.Product.from_record
    monkeypatch.setattr(
        shop.Product, "from_record", lambda record: made.append(record) or make(record)
    )
    shop.Product.after_remote("find")(shop.note("after"))
    client.get("/products")
    assert (shop.calls, made) == (["after"], [])
    shop.Product.after_remote("find")(lambda ctx, found: None)
    client.get("/products")
    assert len(made) == 1


def test_hidden_properties_stay_hidden_when_a_hook_looks() -> None:
    User = memory().create_model(
        "user", {"name": str, "password": {"type": "String", "hidden": True}}
    )
    app = Flask("app")
    Loop(app).model(User)
    seen: list[str] = []
    User.after_remote("find")(lambda ctx, found: seen.append(found[0].password))
    User.create(name="joe", password="secret")
    assert app.test_client().get("/users").json == [{"name": "joe", "id": 1}]
    assert seen == ["secret"]


def test_a_page_that_was_cut_keeps_its_link_when_a_hook_looks() -> None:
    app = Flask("app")
    app.config["LOOP_MAX_LIMIT"] = 2
    Product = memory().create_model("product", {"name": str})
    Loop(app).model(Product)
    Product.create([{"name": str(number)} for number in range(5)])
    Product.after_remote("find")(lambda ctx: [each.name for each in ctx.result])
    answer = app.test_client().get("/products")
    assert len(answer.json or []) == 2
    assert 'rel="next"' in answer.headers["Link"]


def test_an_instance_may_be_changed_before_its_method_runs(
    shop: Shop, client: FlaskClient, product: Any
) -> None:
    @shop.Product.before_remote("prototype.raise_price")  # type: ignore[untyped-decorator]
    def sale(ctx: Any, product: Any) -> None:
        assert ctx.instance is product
        ctx.instance.price = 100

    assert client.post("/products/1/raisePrice", json={"by": 1}).json["price"] == 101  # type: ignore[index]


# Raising


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (PermissionError("must be logged in to update"), 403, "must be logged in to update"),
        (Conflict("sold out"), 409, "sold out"),
    ],
)
def test_raising_in_a_before_hook_stops_the_call(
    shop: Shop, client: FlaskClient, error: Exception, status: int, message: str
) -> None:
    @shop.Product.before_remote("create")  # type: ignore[untyped-decorator]
    def refuse(ctx: Any) -> None:
        raise error

    shop.Product.before_remote("**")(shop.note("not reached"))
    shop.Product.after_remote("**")(shop.note("not reached"))
    answer = client.post("/products", json={"name": "pen"})
    assert answer.status_code == status
    assert answer.json["error"]["message"] == message  # type: ignore[index]
    assert shop.calls == []
    assert shop.Product.count() == 0


def test_abort_in_a_hook_has_its_status(shop: Shop, client: FlaskClient) -> None:
    shop.Product.before_remote("find")(lambda ctx: abort(418))
    answer = client.get("/products")
    assert answer.status_code == 418
    assert answer.json["error"]["statusCode"] == 418  # type: ignore[index]


def test_another_exception_is_a_logged_500_that_tells_nothing(
    shop: Shop, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.Product.before_remote("find")  # type: ignore[untyped-decorator]
    def fail(ctx: Any) -> None:
        raise ZeroDivisionError("secret")

    answer = client.get("/products")
    assert answer.json == {"error": {"statusCode": 500, "message": "Internal Server Error"}}
    assert "secret" in caplog.text
    shop.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ZeroDivisionError):
        client.get("/products")


def test_hooks_after_an_error_see_it_and_may_put_another_in_its_place(
    shop: Shop, client: FlaskClient
) -> None:
    seen: list[Any] = []

    @shop.Product.after_remote_error("explode")  # type: ignore[untyped-decorator]
    def translate(ctx: Any, error: Exception) -> None:
        seen.append((str(error), ctx.error is error, ctx.method_string))
        ctx.error = Conflict("translated")

    @shop.Product.after_remote_error("**")  # type: ignore[untyped-decorator]
    def see(ctx: Any) -> None:
        seen.append(str(ctx.error))

    shop.Product.after_remote("**")(shop.note("not reached"))
    answer = client.post("/products/explode")
    assert answer.status_code == 409
    assert seen == [("secret", True, "products.explode"), "translated"]
    assert shop.calls == []


def test_raising_in_a_hook_after_an_error_takes_its_place(shop: Shop, client: FlaskClient) -> None:
    @shop.Product.after_remote_error("find_by_id")  # type: ignore[untyped-decorator]
    def gone(ctx: Any) -> None:
        abort(410)

    assert client.get("/products/77").status_code == 410


def test_hooks_after_an_error_run_for_arguments_instances_and_other_hooks(
    shop: Shop, client: FlaskClient
) -> None:
    seen: list[int] = []

    @shop.Product.after_remote_error("**")  # type: ignore[untyped-decorator]
    def see(ctx: Any, error: Any) -> None:
        seen.append(error.code)

    shop.Product.after_remote("count")(lambda ctx: abort(409))
    client.post("/products/explode", json={"withStatus": "many"})
    client.post("/products/77/raisePrice")
    client.get("/products/count")
    client.post("/products/explode", json={"withStatus": 418})
    assert seen == [400, 404, 409, 418]


# Start-up


def test_a_pattern_that_matches_nothing_is_warned_about_once(
    shop: Shop, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    shop.Product.before_remote("serch")(shop.note("never"))
    shop.Product.after_remote("find")(shop.note("found"))
    shop.loop.after_remote_error("orders.**")(shop.note("never"))
    shop.Product.disable_remote("nothingLikeIt")
    with caplog.at_level(logging.WARNING):
        client.get("/products")
        client.get("/products")
    assert [record.getMessage() for record in caplog.records] == [
        "Flask-Loop: the before hook 'serch' of Product matches no method",
        "Flask-Loop: the switch 'nothingLikeIt' of Product matches no method",
        "Flask-Loop: the after error hook 'orders.**' matches no method of any model",
    ]


def test_the_command_warns_of_idle_patterns(shop: Shop) -> None:
    shop.Product.before_remote("serch")(shop.note("never"))
    result = shop.app.test_cli_runner().invoke(args=["loop", "routes"])
    assert "Warning: the before hook 'serch' of Product matches no method." in result.stderr
    assert "Warning" not in result.stdout


def test_async_functions_may_be_hooks_and_methods() -> None:
    calls: list[str] = []

    class Clock(Model):
        class Meta:
            data_source = memory()

        @remote_method(http={"verb": "get"})
        @classmethod
        async def now(cls) -> str:
            return f"noon for {request.args['zone']}"

    @Clock.before_remote("now")
    async def note(ctx: Any) -> None:
        calls.append(request.path)

    app = Flask("app")
    Loop(app).model(Clock)
    assert app.test_client().get("/clocks/now?zone=utc").json == "noon for utc"
    assert calls == ["/clocks/now"]


# The README of the first LoopBack, "Remote Hooks"


@pytest.fixture
def users() -> tuple[Any, FlaskClient]:
    User = memory().create_model("user", {"name": str, "password": str})
    app = Flask("users")
    app.secret_key = "test"
    logins = LoginManager(app)

    @logins.request_loader
    def load(received: Request) -> UserMixin | None:
        return UserMixin() if received.headers.get("X-Key") == "right" else None

    Loop(app).model(User)
    return User, app.test_client()


def test_seed_run_before_and_after_saving(
    users: tuple[Any, FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    User, client = users

    # *.save === prototype.save
    @User.before_remote("*.save")  # type: ignore[untyped-decorator]
    def check(ctx: Any, user: Any) -> None:
        if not ctx.user:
            raise PermissionError("must be logged in to update")

    @User.after_remote("*.save")  # type: ignore[untyped-decorator]
    def log(ctx: Any, user: Any) -> None:
        print("user has been saved", user)  # noqa: T201

    User.create(name="joe", password="x")
    for answer in (
        client.post("/users", json={"name": "ann"}),
        client.patch("/users/1", json={"name": "ann"}),
        client.put("/users/1", json={"name": "ann"}),
    ):
        assert answer.status_code == 403
        assert answer.json["error"]["message"] == "must be logged in to update"  # type: ignore[index]
    assert client.get("/users").status_code == 200
    assert capsys.readouterr().out == ""
    client.patch("/users/1", json={"name": "ann"}, headers={"X-Key": "right"})
    assert capsys.readouterr().out == "user has been saved <user id=1>\n"


def test_seed_run_before_any_method(
    users: tuple[Any, FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    User, client = users

    # ** will match both prototype.* and *.*
    @User.before_remote("**")  # type: ignore[untyped-decorator]
    def log(ctx: Any, user: Any) -> None:
        print(ctx.method_string, "was invoked remotely")  # noqa: T201

    User.create(name="joe")
    client.patch("/users/1", json={"name": "ann"})
    client.get("/users/1")
    assert capsys.readouterr().out.splitlines() == [
        "users.prototype.patchAttributes was invoked remotely",
        "users.findById was invoked remotely",
    ]


def test_seed_run_before_static_or_instance_methods(users: tuple[Any, FlaskClient]) -> None:
    User, client = users
    seen: list[str] = []

    # run before any static method eg. User.find
    @User.before_remote("*")  # type: ignore[untyped-decorator]
    def static(ctx: Any, user: Any) -> None:
        seen.append(f"static {ctx.method_string}")

    # run before any instance method eg. User.prototype.save
    @User.before_remote("prototype.*")  # type: ignore[untyped-decorator]
    def instance(ctx: Any, user: Any) -> None:
        seen.append(f"instance {ctx.method_string}")

    User.create(name="joe")
    client.get("/users")
    client.patch("/users/1", json={"name": "ann"})
    assert seen == ["static users.find", "instance users.prototype.patchAttributes"]


def test_seed_prevent_passwords_from_being_sent(users: tuple[Any, FlaskClient]) -> None:
    User, client = users

    # prevent password hashes from being sent to clients
    @User.after_remote("**")  # type: ignore[untyped-decorator]
    def strip(ctx: Any, user: Any) -> None:
        if ctx.result:
            if isinstance(ctx.result, list):
                for result in ctx.result:
                    result.password = None
            else:
                ctx.result.password = None

    made = client.post("/users", json={"name": "joe", "password": "hash"}).json
    assert made == {"name": "joe", "password": None, "id": 1}
    assert client.get("/users").json == [made]
    assert client.get("/users/1").json == made
    assert client.get("/users/count").json == {"count": 1}
    assert client.get("/users/1/exists").json == {"exists": True}
    assert client.delete("/users/1").json == {"count": 1}


def test_a_hook_of_an_operation_on_an_instance_sees_the_record(
    shop: Shop, client: FlaskClient, product: Any
) -> None:
    seen: list[Any] = []
    shop.Product.before_remote("prototype.patch_attributes")(
        lambda ctx, stored: seen.append((stored.name, ctx.instance is stored))
    )
    assert client.patch("/products/1", json={"name": "ink"}).status_code == 200
    assert seen == [("pen", True)]
    assert client.patch("/products/9", json={"name": "ink"}).status_code == 404
    assert len(seen) == 1


def test_an_async_hook_where_a_loop_runs_already_is_a_clear_error(shop: Shop) -> None:
    @shop.Product.observe("before save")  # type: ignore[untyped-decorator]
    async def save_another(ctx: Any) -> None:
        if ctx.instance.name == "first":
            shop.Product.create(name="second")

    with pytest.raises(RuntimeError, match="save_another is async and is called where an event"):
        shop.Product.create(name="first")


def test_a_hook_gets_a_list_of_objects_or_none(shop: Shop, client: FlaskClient) -> None:
    @shop.Product.before_remote("create")  # type: ignore[untyped-decorator]
    def name(ctx: Any) -> None:
        for each in ctx.args["data"]:
            each["name"] = each["name"].upper()

    made = client.post("/products", json=[{"name": "a"}, {"name": "b"}])
    assert [each["name"] for each in made.json or ()] == ["A", "B"]
    for wrong in (["a"], [{"name": "a"}, None]):
        assert client.post("/products", json=wrong).status_code == 400
