"""What a review of remote methods, hooks and transports found broken: one test each."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from io import BytesIO
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, Response, abort
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage

from flask_loop import Loop, Model, Prop, current_context, memory, prop, remote_method
from flask_loop.errors import ArgumentError, DefinitionError, NotFound
from flask_loop.remoting import Given
from tests.served import URL, serve


class Shop:
    """An app with one model that has two records."""

    def __init__(self, **settings: Any) -> None:
        class Product(Model):
            name: Prop[str] = prop(required=True)
            owner: Prop[str | None] = prop(read_only=True)

            class Meta:
                data_source = memory()

            @remote_method
            def greet(self) -> str:
                return self.name

        self.Product: Any = Product
        self.app = Flask("shop")
        self.app.config.update(settings)
        self.loop = Loop(self.app)
        self.loop.model(Product)
        self.client = self.app.test_client()
        Product.create([{"name": "cup"}, {"name": "pot"}])


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> FlaskClient:
    return shop.client


# Declarations that mean nothing


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"accepts": {"arg": "naïve"}, "path": "/:naïve"},
            "the placeholder ':naïve' is made of other signs than a-z, A-Z, 0-9 and _",
        ),
        (
            {"accepts": {"arg": "1st"}, "path": "/:1st"},
            "the placeholder ':1st' begins with a digit",
        ),
        ({"accepts": {"arg": "x"}, "path": "/{x}"}, "placeholders are written ':x'"),
        ({"path": "/all/*"}, "neither spaces nor any of"),
        ({"path": "/a/../b"}, "the path '/a/../b' has the part '..'"),
        ({"accepts": {"arg": "x", "http": {"source": ["query"]}}}, "no source ['query']"),
        ({"accepts": {"arg": "x", "http": {"source": {"a": 1}}}}, "no source {'a': 1}"),
        ({"accepts": {"arg": "x", "type": "[string"}}, "no type or model is called '[string'"),
        ({"accepts": {"arg": "x", "type": "string]"}}, "no type or model is called 'string]'"),
        (
            {"returns": {"arg": "x", "http": {"target": "header", "header": "X Y\n"}}},
            "a header's name, not 'X Y\\n'",
        ),
        (
            {"returns": {"arg": "x", "http": {"target": "header", "header": ""}}},
            "a header's name, not ''",
        ),
        (
            {"returns": [{"arg": "x", "root": True}, {"arg": "y"}]},
            "the value 'x' of returns is the whole body, in which 'y' has no place",
        ),
        (
            {"returns": [{"arg": "x"}, {"arg": "y", "type": "file"}]},
            "the value 'y' of returns is the whole body, in which 'x' has no place",
        ),
        (
            {"returns": {"arg": "x", "root": True, "http": {"target": "status"}}},
            "the value 'x' of returns is the root of the body, and goes to the status",
        ),
        (
            {"returns": {"arg": "x"}, "status": 204},
            "an answer with the status 204 has no body for 'x'",
        ),
    ],
)
def test_a_declaration_that_means_nothing_says_where_and_what_instead(
    options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DefinitionError) as raised:
        serve(lambda **named: None, **options)
    assert "Thing.do" in str(raised.value)
    assert problem in str(raised.value)


def test_a_file_or_a_stream_needs_no_name() -> None:
    client = serve(lambda: b"abc", returns={"type": "file"})
    assert client.post(URL).data == b"abc"
    client = serve(lambda: [1], returns={"type": "stream"})
    assert client.post(URL).data == b"1\n"


def test_a_root_may_have_a_status_and_headers_beside_it() -> None:
    client = serve(
        lambda: (b"abc", 201, "text/plain"),
        returns=[
            {"arg": "body", "type": "file"},
            {"arg": "status", "http": {"target": "status"}},
            {"arg": "type", "http": {"target": "header", "header": "Content-Type"}},
        ],
    )
    answer = client.post(URL)
    assert (answer.data, answer.status_code, answer.content_type) == (b"abc", 201, "text/plain")


@pytest.mark.parametrize(
    "function",
    [lambda: None, lambda ctx, product, proceed: None, lambda ctx, *, more: None],
    ids=["none", "three", "keyword"],
)
def test_a_hook_or_observer_that_cannot_be_called_is_refused_where_it_is_registered(
    shop: Shop, function: Any
) -> None:
    hook = "a remote hook takes the context, and one argument more if it likes"
    for register in (shop.Product.before_remote, shop.loop.after_remote_error):
        with pytest.raises(TypeError, match=hook):
            register("**")(function)
    with pytest.raises(TypeError, match="an observer takes the context"):
        shop.Product.observe("access")(function)


def test_an_event_that_there_is_not_is_refused_at_once(shop: Shop) -> None:
    with pytest.raises(DefinitionError, match=r"no event .acess.; there are .access."):
        shop.Product.observe("acess")
    with pytest.raises(DefinitionError, match="observe is called with an event first"):
        shop.Product.observe(lambda ctx: None)  # without its parentheses


# Arguments that a before hook changed

CALLS = [
    ("GET", "/products", None),
    ("GET", "/products/findOne", None),
    ("GET", "/products/1", None),
    ("GET", "/products/count", None),
    ("POST", "/products", {"name": "jug"}),
    ("PATCH", "/products/1", {"name": "mug"}),
    ("DELETE", "/products/1", None),
    ("POST", '/products/update?where={"name":"cup"}', {"name": "mug"}),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "change",
    [
        lambda ctx: setattr(ctx, "args", dict(reversed(ctx.args.items()))),
        lambda ctx: ctx.args.update(more=1),
        lambda ctx: [ctx.args.pop(name) for name in ("filter",) if name in ctx.args],
        lambda ctx: ctx.args.update({name: None for name in ctx.args if name == "filter"}),
    ],
    ids=["another dict", "one more", "no filter", "a null filter"],
)
def test_arguments_may_be_replaced_added_and_taken_away(
    shop: Shop, client: FlaskClient, change: Any, call: tuple[str, str, Any]
) -> None:
    verb, path, body = call
    expected = Shop().client.open(path, method=verb, json=body)
    shop.Product.before_remote("**")(change)
    answer = client.open(path, method=verb, json=body)
    assert (answer.status_code, answer.data) == (expected.status_code, expected.data)


def test_a_filter_in_another_dict_of_arguments_is_parsed(shop: Shop, client: FlaskClient) -> None:
    @shop.Product.before_remote("find")
    def only_cups(ctx: Any) -> None:
        ctx.args = {"filter": {"where": {"name": "cup"}}}

    @shop.Product.before_remote("count")
    def count_cups(ctx: Any) -> None:
        ctx.args = {"where": {"name": "cup"}}

    assert [each["name"] for each in client.get("/products").get_json()] == ["cup"]
    assert client.get("/products/count").json == {"count": 1}


def test_a_required_argument_that_a_hook_took_away_is_not_guessed(
    shop: Shop, client: FlaskClient
) -> None:
    shop.Product.before_remote("update_all")(lambda ctx: ctx.args.pop("where"))
    answer = client.post('/products/update?where={"name":"cup"}', json={"name": "mug"})
    assert answer.status_code == 400
    assert "where" in answer.text
    assert shop.Product.count({"name": "mug"}) == 0


def test_an_overridden_operation_gets_its_arguments_in_their_order() -> None:
    class Note(Model):
        text: Prop[str]

        class Meta:
            data_source = memory()

        @classmethod
        def replace_by_id(cls, id: Any, data: Any) -> Any:
            return super().replace_by_id(id, data)

    app = Flask("notes")
    Loop(app).model(Note)
    Note.create(text="a")
    Note.before_remote("replace_by_id")(
        lambda ctx: setattr(ctx, "args", dict(reversed(ctx.args.items())))
    )
    assert app.test_client().put("/notes/1", json={"text": "b"}).json == {"text": "b", "id": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data | {"owner": "ada"},
        lambda data: data.copy() | {"owner": "ada"},
        lambda data: data.update(owner="ada") or data.copy(),
        lambda data: data.setdefault("owner", "ada") and data,
        lambda data: data.clear() or data | {"name": "jug", "owner": "ada"},
    ],
    ids=["or", "copy and or", "update and copy", "setdefault", "clear"],
)
def test_what_a_hook_sets_is_the_servers_however_it_sets_it(
    shop: Shop, client: FlaskClient, change: Any
) -> None:
    @shop.Product.before_remote("create")
    def own(ctx: Any) -> None:
        ctx.args["data"] = change(ctx.args["data"])

    created = client.post("/products", json={"name": "jug"}).json
    assert created == {"name": "jug", "owner": "ada", "id": 3}


@pytest.mark.parametrize("take", ["clear", "popitem"])
def test_what_a_hook_set_may_be_taken_away_again(
    shop: Shop, client: FlaskClient, take: str
) -> None:
    @shop.Product.before_remote("prototype.patch_attributes")
    def change(ctx: Any) -> None:
        ctx.args["data"]["owner"] = "ada"
        getattr(ctx.args["data"], take)()

    answer = client.patch("/products/1", json={"name": "mug"})
    name = "cup" if take == "clear" else "mug"
    assert answer.json == {"name": name, "owner": None, "id": 1}


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_a_client_does_not_set_what_is_the_servers_where_hooks_look(
    shop: Shop, client: FlaskClient, verb: str
) -> None:
    shop.Product.before_remote("**")(lambda ctx: ctx.args["data"].get("owner"))
    path = "/products" if verb == "post" else "/products/1"
    answer = client.open(path, method=verb.upper(), json={"name": "jug", "owner": "eve"})
    assert (answer.status_code, answer.get_json()["owner"]) == (200, None)


# Results that an after hook changed


@pytest.mark.parametrize("result", [None, "text", True, [1], {"a": 1}])
def test_head_of_a_record_takes_whatever_result_a_hook_gives(shop: Shop, result: Any) -> None:
    @shop.Product.after_remote("exists")
    def change(ctx: Any) -> None:
        ctx.result = result

    assert shop.client.head("/products/1").status_code == 200


def test_head_of_a_record_is_404_where_a_hook_says_that_there_is_none(shop: Shop) -> None:
    @shop.Product.after_remote("exists")
    def hide(ctx: Any) -> None:
        ctx.result = {"exists": False}

    assert shop.client.head("/products/1").status_code == 404


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: Response("made"), b"made"),
        (lambda: iter([1, 2]), b"1\n2\n"),
        (lambda: {"id": 7}, b'{"id":7}'),
        (lambda: [1], b"[1]"),
        (lambda: None, b"null"),
    ],
    ids=["response", "stream", "dict", "list", "null"],
)
def test_a_hook_may_change_what_create_gives_where_that_is_201(
    make: Callable[[], Any], data: bytes
) -> None:
    shop = Shop(LOOP_CREATED_STATUS=201)

    @shop.Product.after_remote("create")
    def change(ctx: Any) -> None:
        ctx.result = make()

    answer = shop.client.post("/products", json={"name": "jug"})
    assert (answer.status_code in (200, 201), answer.data) == (True, data)
    expected = "/products/7" if data == b'{"id":7}' else None
    assert answer.headers.get("Location") == expected


# The head of the answer


def test_what_describes_a_body_is_not_told_of_an_error(shop: Shop, client: FlaskClient) -> None:
    @shop.Product.before_remote("find")
    def send_csv(ctx: Any) -> None:
        ctx.res.headers["Content-Type"] = "text/csv"
        ctx.res.headers["Content-Length"] = "5"
        ctx.res.headers["Content-Disposition"] = "attachment"
        ctx.res.headers["ETag"] = '"1"'
        ctx.res.headers["X-Shop"] = "Oslo"
        abort(409)

    answer = client.get("/products")
    assert answer.get_json()["error"]["statusCode"] == 409
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert not {"Content-Disposition", "ETag"} & set(answer.headers.keys())
    assert answer.headers["X-Shop"] == "Oslo"


@pytest.mark.parametrize("status", [0, 99, 101, 600, "abc"])
def test_a_status_that_is_none_is_an_error_of_the_server(
    shop: Shop, client: FlaskClient, caplog: pytest.LogCaptureFixture, status: Any
) -> None:
    @shop.Product.after_remote("count")
    def change(ctx: Any) -> None:
        ctx.res.status_code = status

    answer = client.get("/products/count")
    assert answer.status_code == 500
    assert answer.get_json()["error"] == {"statusCode": 500, "message": "Internal Server Error"}
    assert "is no status of an answer" in caplog.text


def test_a_header_that_no_server_can_send_is_an_error_that_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = serve(
        lambda: "日本",
        returns={"arg": "place", "http": {"target": "header", "header": "X-Place"}},
    )
    assert client.post(URL).get_json()["error"]["statusCode"] == 500
    assert "X-Place" in caplog.text


def test_a_method_that_gives_a_head_alone_has_no_body() -> None:
    returns = [
        {"arg": "status", "http": {"target": "status"}},
        {"arg": "place", "http": {"target": "header", "header": "X-Place"}},
    ]
    answer = serve(lambda: (None, "Oslo"), returns=returns).post(URL)
    assert (answer.status_code, answer.data, answer.headers["X-Place"]) == (204, b"", "Oslo")
    answer = serve(lambda: (202, None), returns=returns).post(URL)
    assert (answer.status_code, answer.data) == (202, b"")


def test_an_error_with_any_text_is_json(shop: Shop, client: FlaskClient) -> None:
    shop.Product.before_remote("find")(lambda ctx: abort(400, "bad \ud800"))
    answer = client.get("/products")
    assert (answer.status_code, answer.content_type) == (400, "application/json; charset=utf-8")
    assert answer.get_json()["error"]["message"] == "bad \ud800"


# Values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", 2: "b"}, {"1": "a", "2": "b"}),
        (Counter([3, 3]), {"3": 2}),
        ({UUID(int=1): 1}, {str(UUID(int=1)): 1}),
        ({date(2026, 3, 1): 1}, {"2026-03-01": 1}),
        ({"deep": [{True: None}]}, {"deep": [{"true": None}]}),
    ],
)
def test_keys_that_are_no_text_are_told_as_text(value: Any, expected: Any) -> None:
    client = serve(lambda: value, returns={"arg": "value", "root": True})
    assert client.post(URL).json == expected
    client = serve(lambda: iter([value]), returns={"arg": "value", "type": "stream"})
    assert client.post(URL, headers={"Accept": "application/json"}).json == [expected]


# Files


def test_a_file_where_a_text_is_meant_is_400_that_names_it() -> None:
    client = serve(
        lambda note="none": note,
        accepts={"arg": "note", "type": "string"},
        returns={"arg": "note", "root": True},
    )
    answer = client.post(URL, data={"note": (BytesIO(b"abc"), "note.txt")})
    assert answer.status_code == 400
    assert "Argument 'note' is a file" in answer.text
    assert client.post(URL, data={"note": "abc"}).json == "abc"


def test_a_files_name_does_not_turn_the_direction_of_its_text() -> None:
    file = FileStorage(BytesIO(b"abc"), filename="bill\u202efdp.exe")
    client = serve(lambda: file, returns={"type": "file"})
    disposition = client.post(URL).headers["Content-Disposition"]
    assert disposition == 'attachment; filename="billfdp.exe"'


# async


def test_a_cancelled_method_is_an_error_of_its_request_alone(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.Product.remote_method("wait")
    async def wait(cls: Any) -> None:
        raise asyncio.CancelledError

    answer = shop.client.post("/products/wait")
    assert answer.get_json()["error"]["statusCode"] == 500
    assert "was cancelled" in caplog.text


# Streams


def test_a_stream_that_is_abandoned_ends_inside_its_call() -> None:
    ended: list[Any] = []

    def count() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(current_context())

    answer = serve(count, returns={"type": "stream"}).post(URL)
    next(iter(answer.response))
    answer.close()
    assert [each.method_string for each in ended] == ["things.do"]
    assert current_context() is None


# Transports without HTTP


class InProcess:
    request = None

    def __init__(self, app: Flask) -> None:
        self.sender = app

    def user(self) -> Any:
        return None

    def response(self, method: Any) -> Any:
        return Response()


@pytest.mark.parametrize("name", ["*", "**", "prototype.*", "", ".", "a..b"])
def test_a_pattern_is_no_name_of_a_method(shop: Shop, name: str) -> None:
    exposure = shop.app.extensions["loop"].exposures[shop.Product]
    with pytest.raises(NotFound, match="There is no method"):
        exposure.find(name)


def test_a_call_on_an_instance_needs_its_id(shop: Shop) -> None:
    exposure = shop.app.extensions["loop"].exposures[shop.Product]
    with pytest.raises(ArgumentError, match="'id' is required"):
        exposure.invoke(exposure.find("prototype.greet"), Given({}), InProcess(shop.app))


# Models


def test_a_model_without_a_data_source_has_no_methods_of_instances_for_clients() -> None:
    class Tool(Model):
        @remote_method
        @classmethod
        def version(cls) -> int:
            return 1

        @remote_method
        def use(self) -> int:
            return 2

    app = Flask("tools")
    Loop(app).model(Tool)
    client = app.test_client()
    assert client.post("/tools/version").json == 1
    assert client.post("/tools/1/use").status_code == 404
    assert "/tools/{id}/use" not in client.get("/_docs/openapi.json").get_json()["paths"]


def test_an_operation_that_a_model_takes_away_is_not_there_for_clients() -> None:
    class Record(Model):
        text: Prop[str]
        destroy_by_id = None
        find = None

        class Meta:
            data_source = memory()

    app = Flask("records")
    Loop(app).model(Record)
    client = app.test_client()
    client.post("/records", json={"text": "a"})
    assert (client.get("/records").status_code, client.delete("/records/1").status_code) == (
        405,
    ) * 2
    assert client.get("/records/1").json == {"text": "a", "id": 1}


def test_a_method_cannot_be_called_like_what_every_model_has(shop: Shop) -> None:
    for name in ("find", "definition"):
        with pytest.raises(DefinitionError, match="every model has; give the method another name"):
            shop.Product.remote_method(name, lambda cls: None)


def test_a_method_cannot_be_called_like_a_property() -> None:
    class Tool(Model):
        name: Prop[str]

        class Meta:
            data_source = memory()

    Tool.remote_method("name", lambda cls: "saw")
    app = Flask("tools")
    with pytest.raises(DefinitionError, match=r"Tool\.name: the model has a property of this name"):
        Loop(app).model(Tool)


def test_a_prefix_that_no_client_can_send_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no empty parts: '/a//b'"):
        Loop(url_prefix="/a//b")


# Late declarations


def test_a_late_method_is_there_for_the_next_request_of_any_thread_and_disturbs_no_other() -> None:
    shop = Shop()
    shop.client.get("/products")
    others = 6
    ready = Barrier(others + 1)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def call(number: int) -> list[int]:
        client = shop.app.test_client()
        statuses = []
        for index in range(30):
            ready.wait()
            if number == 0:
                shop.Product.remote_method(f"late{index}", lambda cls: None, http={"verb": "get"})
            ready.wait()
            statuses.append(client.get(f"/products/late{index}").status_code)
            statuses.append(client.get("/products/1").status_code)
        return statuses

    try:
        with ThreadPoolExecutor(others + 1) as pool:
            statuses = [each for found in pool.map(call, range(others + 1)) for each in found]
    finally:
        sys.setswitchinterval(before)
    calls = 30 * (others + 1)
    assert Counter(statuses) == {204: calls, 200: calls}


def test_a_late_method_leaves_the_hosts_values_of_its_urls_as_they_are(shop: Shop) -> None:
    taken: list[str] = []

    @shop.app.url_value_preprocessor
    def take_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values and "language" in values:
            taken.append(values.pop("language"))

    @shop.app.get("/<language>/about")
    def about() -> str:
        return taken[-1]

    assert shop.client.get("/de/about").text == "de"
    for name in ("late", "later"):
        shop.Product.remote_method(name, lambda cls: None)
        assert [shop.client.get(f"/{each}/about").text for each in ("fr", "it")] == ["fr", "it"]


def test_threads_that_look_at_once_see_the_same_method(shop: Shop) -> None:
    others = 6
    ready = Barrier(others)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def look(number: int) -> list[Any]:
        seen = []
        for index in range(100):
            if number == 0:
                shop.Product.remote_method(f"late{index}", lambda cls: None)
            ready.wait()
            seen.append(shop.Product.__loop_methods__()[-1])
            ready.wait()
        return seen

    try:
        with ThreadPoolExecutor(others) as pool:
            seen = list(pool.map(look, range(others)))
    finally:
        sys.setswitchinterval(before)
    assert [len(set(each)) for each in zip(*seen, strict=True)] == [1] * 100


# What is kept


def test_a_model_that_nobody_has_is_not_kept_by_its_calls() -> None:
    def make() -> list[weakref.ref[Any]]:
        class Note(Model):
            text: Prop[str]

            class Meta:
                data_source = memory()

            @remote_method
            @classmethod
            def copied(cls, note: Note, other: Later | None = None) -> Note:
                return note

        class Later(Model):
            text: Prop[str]

            class Meta:
                data_source = memory()

        app = Flask("notes")
        Loop(app).model(Note)
        answer = app.test_client().post("/notes/copied", json={"note": {"text": "a"}})
        assert answer.status_code == 200
        return [weakref.ref(each) for each in (app, Note, Later)]

    kept = make()
    gc.collect()
    assert [each() for each in kept] == [None, None, None]


def test_the_variables_around_a_method_are_not_kept_once_it_is_understood() -> None:
    class Witness:
        pass

    def make() -> tuple[Any, weakref.ref[Any]]:
        witness = Witness()

        class Note(Model):
            text: Prop[str]

            class Meta:
                data_source = memory()

            @remote_method
            @classmethod
            def copied(cls, other: Later) -> None: ...

        class Later(Model):
            text: Prop[str]

        app = Flask("notes")
        Loop(app).model(Note)
        return Note, weakref.ref(witness)

    note, witness = make()
    gc.collect()
    assert witness() is None
    assert note.definition.name == "Note"
