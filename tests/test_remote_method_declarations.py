from __future__ import annotations

import enum
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import pytest
from flask import Request, Response
from marshmallow import fields
from werkzeug.datastructures import FileStorage

from flask_loop import DefinitionError, GeoPoint, Model, Prop, create_model
from flask_loop.methods import (
    Argument,
    RemoteMethod,
    Returns,
    Route,
    declared_methods,
    remote_method,
    shared,
)
from flask_loop.remoting import Context


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


def only(model: type[Model]) -> RemoteMethod:
    (method,) = declared_methods(model)
    return method


def argument(model: type[Model], name: str) -> Argument:
    return next(each for each in only(model).accepts if each.name == name)


# Where and how a method is declared


def test_a_class_method_is_a_static_method_with_the_verb_post_and_its_name_for_a_path() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def price_list(cls) -> None:
            """What all cost.

            And more.
            """

    method = only(Product)
    assert (method.name, method.wire, method.own) == ("price_list", "priceList", True)
    assert method.routes == (Route("POST", "/priceList"),)
    assert method.function is None
    assert method.description == "What all cost."


def test_a_plain_function_is_a_method_of_instances() -> None:
    class Product(Model):
        @remote_method
        def order_now(self) -> None: ...

    assert only(Product).wire == "prototype.orderNow"
    assert only(Product).on_instance
    assert only(Product).routes == (Route("POST", "/:id/orderNow"),)


def test_the_decorator_stands_above_or_below_those_of_python() -> None:
    class Product(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def a(cls) -> None: ...

        @classmethod
        @remote_method(http={"verb": "get"})
        def b(cls) -> None: ...

        @shared
        @staticmethod
        def c() -> None: ...

        @staticmethod
        @shared
        def d() -> None: ...

    assert [method.wire for method in declared_methods(Product)] == ["a", "b", "c", "d"]
    assert [method.routes[0].verb for method in declared_methods(Product)] == [
        *("GET", "GET", "POST", "POST")
    ]
    assert Product.a() is None
    assert Product.c() is None


class Person(Model):
    @classmethod
    def login(cls, username: str) -> str:
        return username

    @staticmethod
    def ping() -> str:
        return "pong"

    def rename(self, name: str) -> str:
        return name


def test_a_function_is_declared_after_its_class_for_all_that_have_it() -> None:
    class User(Person): ...

    class Admin(User): ...

    assert declared_methods(Admin) == []
    assert remote_method(User.login, http={"path": "/sign-in"}) == User.login
    remote_method(User.ping)
    remote_method(User.rename)
    expected = ["login", "ping", "prototype.rename"]
    for model in (Person, User, Admin):
        assert [method.wire for method in declared_methods(model)] == expected
    assert declared_methods(Admin)[0].routes == (Route("POST", "/sign-in"),)


def test_a_method_is_declared_on_one_model() -> None:
    class Base(Model):
        @classmethod
        def stats(cls) -> None: ...

        def logout(self) -> None: ...

    class Product(Base): ...

    class Other(Base): ...

    Product.remote_method("stats", http={"verb": "get"})
    Product.remote_method("prototype.logout", shared=False)
    assert [method.wire for method in declared_methods(Product)] == ["stats", "prototype.logout"]
    assert [method.remote for method in declared_methods(Product)] == [True, False]
    assert declared_methods(Other) == []


def test_a_function_becomes_the_method_of_one_model() -> None:
    class Product(Model): ...

    def find_cheap(cls: Any, limit: int = 10) -> str:
        return f"{cls.__name__} {limit}"

    def rename(self: Any, name: str) -> str:
        return f"{self.__class__.__name__} {name}"

    assert Product.remote_method("findCheap", find_cheap) is find_cheap
    Product.remote_method("prototype.rename", rename)
    Product.remote_method("is_static_said", rename, isStatic=False)
    assert [method.wire for method in declared_methods(Product)] == [
        *("findCheap", "prototype.rename", "prototype.isStaticSaid")
    ]
    assert Product.findCheap(3) == "Product 3"  # type: ignore[attr-defined]
    assert Product().rename("x") == "Product x"  # type: ignore[attr-defined]


def test_the_method_of_one_model_is_a_decorator_too() -> None:
    class Product(Model): ...

    @Product.remote_method("stats", returns={"arg": "stats", "type": "object"})
    def stats(cls: Any) -> dict[str, Any]:
        return {"of": cls.__name__}

    assert only(Product).returns[0].name == "stats"
    assert Product.stats() == {"of": "Product"}  # type: ignore[attr-defined]


def test_a_name_is_found_in_either_spelling() -> None:
    class Product(Model):
        def order_now(self) -> None: ...

    Product.remote_method("prototype.orderNow")
    assert only(Product).name == "order_now"


def test_json_definitions_declare_methods() -> None:
    color = create_model(
        {
            "name": "Color",
            "properties": {"name": "string"},
            "methods": {
                "mix": {
                    "accepts": [{"arg": "with", "type": "string"}],
                    "returns": {"arg": "color", "type": "Color", "root": True},
                    "http": {"verb": "get", "path": "mixed"},
                },
                "prototype.fade": {},
                "darken": {"isStatic": False},
            },
        }
    )
    color.mix = classmethod(lambda cls, with_: None)
    color.fade = color.darken = lambda self: None
    mix, fade, darken = declared_methods(color)
    assert (mix.wire, mix.routes) == ("mix", (Route("GET", "/mixed"),))
    assert mix.bind({"with": "red"}) == ((), {"with_": "red"})
    assert [fade.wire, darken.wire] == ["prototype.fade", "prototype.darken"]


def test_an_override_keeps_what_was_declared_and_a_nearer_declaration_counts() -> None:
    class Base(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def stats(cls, min_price: float = 0) -> dict[str, Any]:
            """What there is."""

        @remote_method
        def logout(self) -> None: ...

        @remote_method
        def removed(self) -> None: ...

    class Product(Base):
        @classmethod
        def stats(cls, min_price=5, more=None): ...  # type: ignore[no-untyped-def] # noqa: ANN001, ANN206

        @remote_method(http={"path": "/bye"})
        def logout(self) -> None: ...

        removed = None  # type: ignore[assignment]

    stats, logout = declared_methods(Product)
    assert [each.type for each in stats.accepts] == ["number"]
    assert stats.description == "What there is."
    assert stats.routes == (Route("GET", "/stats"),)
    assert stats.bind({}) == ((), {})
    assert logout.routes == (Route("POST", "/:id/bye"),)
    assert len(declared_methods(Base)) == 3


def test_what_is_declared_later_is_seen() -> None:
    class Product(Model):
        @classmethod
        def a(cls) -> None: ...

    assert declared_methods(Product) == []
    Product.remote_method("a")
    assert declared_methods(Product) == declared_methods(Product)
    assert only(Product).wire == "a"


def test_a_model_may_override_an_operation_with_a_method_of_its_own() -> None:
    class Product(Model):
        @remote_method(http={"verb": "get"})
        @classmethod
        def find(cls, text: str) -> list[Self]: ...  # type: ignore[override]

    assert only(Product).wire == "find"
    assert [each.name for each in only(Product).accepts] == ["text"]


def test_a_model_that_keeps_its_names_keeps_those_of_methods() -> None:
    class Product(Model):
        @remote_method(http={"path": "/:min_price/list"})
        @classmethod
        def price_list(cls, min_price: int) -> None: ...

        class Meta:
            wire_case = None

    assert only(Product).wire == "price_list"
    assert only(Product).accepts[0].name == "min_price"
    assert only(Product).routes[0].path == "/:min_price/list"


def test_an_async_function_is_a_method() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        async def stats(cls, limit: int) -> int:
            return limit

    assert only(Product).returns[0].type == "integer"


def test_an_async_generator_is_no_method() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        async def stats(cls) -> AsyncIterator[int]:
            yield 1

    with pytest.raises(DefinitionError, match=r"Product\.stats: an async generator"):
        declared_methods(Product)


# What annotations say


class Verdict(Model):
    stars: Prop[int | None]


def test_parameters_are_arguments_of_their_types() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def search(  # noqa: PLR0917
            cls,
            text: str,
            limit: int | None,
            near: GeoPoint,
            sizes: list[Size],
            review: Verdict,
            reviews: list[Verdict],
            like: Product,
            twin: Self,
            anything,  # type: ignore[no-untyped-def] # noqa: ANN001
            min_price: float = 0.5,
            exact: bool = False,
            order: str = None,  # type: ignore[assignment] # noqa: RUF013
        ) -> None: ...

    read = {each.name: (each.type, each.required, each.nullable) for each in only(Product).accepts}
    assert read == {
        "text": ("string", True, False),
        "limit": ("integer", False, True),
        "near": ("GeoPoint", True, False),
        "sizes": ("[enum]", True, False),
        "review": ("Verdict", True, False),
        "reviews": ("[Verdict]", True, False),
        "like": ("Product", True, False),
        "twin": ("Product", True, False),
        "anything": ("any", True, True),
        "minPrice": ("number", False, False),
        "exact": ("boolean", False, False),
        "order": ("string", False, True),
    }
    assert argument(Product, "minPrice").default == 0.5
    assert all(each.source == "any" for each in only(Product).accepts)


def test_parameters_stand_for_files_the_context_and_the_request() -> None:
    class Product(Model):
        @remote_method
        def picture(  # noqa: PLR0917
            self,
            ctx: Context,
            req: Request,
            res: Response,
            image: FileStorage,
            more: list[FileStorage],
            other: FileStorage | None = None,
        ) -> None: ...

    sources = {each.name: (each.type, each.source, each.required) for each in only(Product).accepts}
    assert sources == {
        "ctx": ("object", "context", False),
        "req": ("object", "request", False),
        "res": ("object", "response", False),
        "image": ("file", "form", True),
        "more": ("[file]", "form", True),
        "other": ("file", "form", False),
    }


def test_the_context_is_given_beside_the_arguments_of_accepts() -> None:
    class Product(Model):
        @remote_method(accepts={"arg": "a", "type": "string"})
        @classmethod
        def stats(cls, ctx: Context, first: str) -> None: ...

    assert only(Product).bind({"a": 1, "ctx": 2}) == ((), {"first": 1, "ctx": 2})


def nothing() -> None: ...


def no_annotation():  # type: ignore[no-untyped-def]  # noqa: ANN201
    ...


def text() -> str: ...


def texts() -> list[str]: ...


def perhaps() -> Verdict | None: ...


def stream() -> Iterator[dict[str, Any]]: ...


def file() -> FileStorage: ...


def response() -> Response: ...


def pair() -> tuple[int, str]: ...


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (nothing, None),
        (no_annotation, ("any", True)),
        (text, ("string", False)),
        (texts, ("[string]", False)),
        (perhaps, ("Verdict", False)),
        (stream, ("stream", False)),
        (file, ("file", False)),
        (response, ("any", False)),
        (pair, ("any", False)),
    ],
)
def test_what_a_method_gives_is_what_its_annotation_says(
    function: Callable[..., Any], returns: tuple[str, bool] | None
) -> None:
    class Product(Model): ...

    Product.remote_method("give", staticmethod(function))
    read = [(each.type, each.or_nothing) for each in only(Product).returns]
    assert read == ([] if returns is None else [returns])
    assert all(each.root for each in only(Product).returns)


def test_annotations_may_name_what_is_defined_later() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def add(cls, part: Part, where: Shelf) -> None: ...

    class Part(Model): ...

    class Shelf(Part): ...

    assert [each.type for each in only(Product).accepts] == ["Part", "Shelf"]


def test_the_variables_around_a_method_are_not_kept() -> None:
    class Local: ...

    def define() -> tuple[type[Model], Any]:
        kept = Local()

        class Product(Model):
            @remote_method
            @classmethod
            def add(cls, review: Verdict) -> None: ...

        return Product, weakref.ref(kept)

    product, kept = define()
    gc.collect()
    assert kept() is None
    assert only(product).accepts[0].type == "Verdict"


def test_arguments_without_annotations_that_mean_one_are_an_error() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def add(cls, part: Partt) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match=r"Product\.add: the parameter 'part': Partt"):
        declared_methods(Product)


# What accepts, returns and http say


def test_accepts_is_a_dict_or_a_list() -> None:
    class Product(Model):
        @remote_method(
            accepts=[
                {"arg": "user_name", "type": "string", "required": True, "description": ["a", "b"]},
                {"name": "limit", "type": int, "default": 5, "http": {"source": "query"}},
                {"arg": "all", "type": ["Verdict"], "http": {"source": "body"}},
                {"arg": "X-Token", "type": "string", "http": {"source": "header"}},
                {"arg": "opts", "http": "optionsFromRequest"},
                {"arg": "agent", "http": lambda ctx: ctx.req.user_agent},
                {"arg": "at", "type": fields.Time(allow_none=True), "documented": False},
                {"arg": "one", "type": {"name": "string"}, "allowArray": True},
            ]
        )
        @classmethod
        def many(  # noqa: PLR0917
            cls,
            user_name: str,
            limit: int,
            all: Any,
            x_token: str,
            opts: Any,
            agent: Any,
            at: Any,
            one: Any,
        ) -> None: ...

    accepts = {each.name: each for each in only(Product).accepts}
    assert accepts["userName"].describe() == {
        "arg": "userName",
        "type": "string",
        "required": True,
        "description": "a\nb",
    }
    assert (accepts["limit"].default, accepts["limit"].source) == (5, "query")
    assert (accepts["all"].type, accepts["all"].source) == ("[Verdict]", "body")
    assert accepts["X-Token"].source == "header"
    assert accepts["opts"].source == "options"
    assert callable(accepts["agent"].source)
    assert not accepts["at"].documented
    assert accepts["at"].nullable
    assert accepts["one"].many
    assert only(Product).bind({"X-Token": "t"})[1]["x_token"] == "t"


def test_returns_is_a_dict_or_a_list() -> None:
    class Product(Model):
        @remote_method(
            returns=[
                {"arg": "total_count", "type": "number", "description": "how many"},
                {"arg": "status", "http": {"target": "status"}},
                {"arg": "type", "http": {"target": "header", "header": "Content-Type"}},
            ]
        )
        @classmethod
        def many(cls) -> Any: ...

    class Shelf(Model):
        @remote_method(returns={"arg": "data", "type": list[Verdict], "root": True})
        @classmethod
        def all_of_it(cls) -> Any: ...

    total, status, type_ = only(Product).returns
    (data,) = only(Shelf).returns
    assert (total.name, total.description) == ("totalCount", "how many")
    assert (status.target, type_.target, type_.header) == ("status", "header", "Content-Type")
    assert (data.type, data.root) == ("[Verdict]", True)
    assert type_.describe()["http"] == {"target": "header", "header": "Content-Type"}


@pytest.mark.parametrize("returns", [None, [], ()])
def test_nothing_is_returned_where_that_is_said(returns: Any) -> None:
    class Product(Model):
        @remote_method(returns=returns)
        @classmethod
        def stats(cls) -> str: ...

    assert only(Product).returns == ()


@pytest.mark.parametrize(
    ("http", "routes"),
    [
        ({"verb": "get"}, [("GET", "/stats")]),
        ({"verb": "DEL", "path": "gone/"}, [("DELETE", "/gone")]),
        ({"path": "/"}, [("POST", "/")]),
        ([{"verb": "head"}, {"path": "/x"}], [("HEAD", "/stats"), ("POST", "/x")]),
        ([{"verb": "get"}, {"verb": "get"}], [("GET", "/stats")]),
        (
            {"verb": "all"},
            [(verb, "/stats") for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")],
        ),
        ([], [("POST", "/stats")]),
    ],
)
def test_http_says_the_routes(http: Any, routes: list[tuple[str, str]]) -> None:
    class Product(Model):
        @remote_method(http=http)
        @classmethod
        def stats(cls) -> None: ...

    assert [(route.verb, route.path) for route in only(Product).routes] == routes


def test_http_says_the_statuses_and_options_the_rest() -> None:
    class Product(Model):
        @remote_method(
            http={"status": 202, "errorStatus": 418},
            max_body=10,
            notes="n",
            documented=False,
            description="d",
        )
        @classmethod
        def stats(cls) -> None: ...

    method = only(Product)
    assert (method.status, method.error_status, method.max_body) == (202, 418, 10)
    assert (method.notes, method.documented, method.description) == ("n", False, "d")


@pytest.mark.parametrize(
    ("path", "expected", "source"),
    [
        ("/frag/:my_arg", "/frag/:myArg", "path"),
        ("/frag/:myArg/x", "/frag/:myArg/x", "path"),
        ("/frag", "/frag", "any"),
    ],
)
def test_fragments_of_the_path_are_arguments(path: str, expected: str, source: str) -> None:
    class Product(Model):
        @remote_method(http={"verb": "get", "path": path})
        @classmethod
        def stats(cls, my_arg: int) -> None: ...

    assert only(Product).routes[0].path == expected
    assert only(Product).accepts[0].source == source


def test_an_argument_that_only_some_paths_have_may_be_anywhere() -> None:
    class Product(Model):
        @remote_method(http=[{"verb": "get", "path": "/x/:a"}, {"verb": "post", "path": "/x"}])
        @classmethod
        def stats(cls, a: int) -> None: ...

    (given,) = only(Product).accepts
    assert given.source == "any"
    assert [given.place_in(route) for route in only(Product).routes] == ["path", "form"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/logout", "/:id/logout"), ("/:id/out", "/:id/out"), ("/", "/:id"), ("/:id", "/:id")],
)
def test_the_path_of_a_method_of_instances_begins_with_the_id(path: str, expected: str) -> None:
    class Product(Model):
        @remote_method(http={"path": path})
        def logout(self) -> None: ...

    assert only(Product).routes[0].path == expected


# How functions take arguments


def function_by_name(first_name, age=3):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    ...


def function_in_order(a, b, c=3):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    ...


def function_by_position(first_name, age=3, /):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    ...


def function_of_any(**given):  # type: ignore[no-untyped-def]  # noqa: ANN003, ANN201
    ...


@pytest.mark.parametrize(
    ("function", "arguments", "called_with"),
    [
        (function_by_name, {"firstName": "x", "age": 1}, ((), {"first_name": "x", "age": 1})),
        (function_by_name, {"firstName": "x"}, ((), {"first_name": "x"})),
        (function_by_name, {}, ((), {"first_name": None})),
        (function_in_order, {"firstName": "x", "age": 1}, ((), {"a": "x", "b": 1})),
        (function_in_order, {"age": 1}, ((), {"a": None, "b": 1})),
        (function_by_position, {"firstName": "x"}, (("x", 3), {})),
        (function_by_position, {"age": None}, ((None, None), {})),
        (function_of_any, {"firstName": "x"}, ((), {"first_name": "x"})),
    ],
)
def test_a_function_takes_its_arguments_by_name_or_in_their_order(
    function: Callable[..., Any], arguments: dict[str, Any], called_with: Any
) -> None:
    class Product(Model): ...

    accepts = [{"arg": "first_name", "type": "string"}, {"arg": "age", "type": "number"}]
    Product.remote_method("stats", staticmethod(function), accepts=accepts)
    assert only(Product).bind(arguments) == called_with


def test_an_operation_is_not_bound() -> None:
    with pytest.raises(TypeError, match="find is an operation"):
        RemoteMethod("find", "find").bind({})


# What means nothing


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"acepts": []}, r"no option 'acepts'; did you mean 'accepts'"),
        ({"accessType": "LOOK"}, "'access_type' is one of READ, WRITE, EXECUTE"),
        ({"access_scopes": "read"}, "'access_scopes' is a list of texts"),
        ({"isStatic": True, "is_static": True}, "'is_static' is given in both spellings"),
        ({"accepts": "a"}, "accepts is a dict or a list of dicts"),
        ({"accepts": [{"type": "string"}]}, "an argument has a name"),
        ({"accepts": {"arg": "a", "requird": True}}, "'requird'; did you mean 'required'"),
        ({"accepts": {"arg": "a", "required": 1}}, "'required' is True or False"),
        ({"accepts": {"arg": "a", "http": {"source": "qery"}}}, "'qery'; did you mean 'query'"),
        ({"accepts": {"arg": "a", "http": {"sorce": "x"}}}, "'sorce'; did you mean 'source'"),
        ({"accepts": [{"arg": "a"}, {"arg": "a"}]}, "the argument 'a' is declared twice"),
        ({"returns": {"type": "string"}}, "a value of returns has a name"),
        ({"returns": [{"arg": "a"}, {"arg": "a"}]}, "'a' is declared twice"),
        ({"returns": [{"arg": c, "root": True} for c in "ab"]}, "'a' of returns is the whole body"),
        ({"returns": {"arg": "a", "http": {"target": "cookie"}}}, "to body, status or header"),
        ({"returns": {"arg": "a", "http": {"target": "header"}}}, "to a header with a name"),
        ({"http": {"verb": "gett"}}, "there is no verb 'gett'; did you mean 'get'"),
        ({"http": {"verb": 3}}, "there is no verb 3"),
        ({"http": {"pth": "/x"}}, "'pth'; did you mean 'path'"),
        ({"http": {"path": "/a b"}}, "the path '/a b'"),
        ({"http": {"path": "/a//b"}}, "the path '/a//b'"),
        ({"http": {"path": "/<int:a>"}}, "the path '/<int:a>'"),
        ({"http": {"path": 3}}, "a path is text"),
        ({"http": {"status": 500}}, "'status' is a whole number from 200 to 399"),
        ({"http": {"errorStatus": "x"}}, "'error_status' is a whole number"),
        ({"http": [{"status": 201}, {"status": 202}]}, "http has the status 201 and"),
        ({"max_body": 0}, "'max_body' is a whole number from 1"),
        ({"shared": "yes"}, "'shared' is True or False"),
        ({"description": 3}, "'description' is text"),
    ],
)
def test_an_option_that_means_nothing_is_named(options: dict[str, Any], problem: str) -> None:
    def stats(a: Any) -> None: ...

    with pytest.raises(DefinitionError, match=f"the remote method .*stats: .*{problem}"):
        remote_method(stats, **options)


def takes_a(cls: Any, a: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"accepts": {"arg": "a", "type": "strng"}}, "'strng'; did you mean 'String'"),
        ({"accepts": {"arg": "a", "type": "Prodct"}}, "no type or model is called 'Prodct'"),
        ({"accepts": {"arg": "a", "type": ["Prodct"]}}, "no type or model is called 'Prodct'"),
        ({"accepts": {"arg": "a", "type": 3}}, "the argument 'a': 3 is no property type"),
        ({"accepts": {"arg": "a", "type": "stream"}}, "an argument is no stream"),
        (
            {"accepts": {"arg": "a", "type": "file", "http": {"source": "query"}}},
            "a file is in a form, and not in the query",
        ),
        (
            {"accepts": {"arg": "a", "type": "number", "default": "x"}},
            "the argument 'a': the default 'x' is not a number",
        ),
        ({"accepts": [{"arg": "a_b"}, {"arg": "aB"}]}, "two arguments would be 'aB'"),
        ({"accepts": [{"arg": "a"}, {"arg": "b"}]}, "the argument 'b' has no parameter"),
        ({"http": {"path": "/:b"}}, "the path '/:b' has no argument 'b'"),
        ({"http": {"path": "/:a/:a"}}, "has 'a' twice"),
        (
            {"accepts": {"arg": "a", "http": {"source": "path"}}},
            "'a' is in the path, and '/stats' has no ':a'",
        ),
        (
            {
                "accepts": {"arg": "a", "http": {"source": "query"}},
                "http": {"path": "/:a"},
            },
            "'a' is in the path '/:a' and cannot come from the query",
        ),
        ({"returns": {"arg": "x", "type": "strng"}}, "'x' of returns: .*'strng'"),
    ],
)
def test_what_does_not_fit_the_function_or_the_models_is_named(
    options: dict[str, Any], problem: str
) -> None:
    class Product(Model): ...

    Product.remote_method("stats", takes_a, **options)
    with pytest.raises(DefinitionError, match=rf"the remote method Product\.stats: .*{problem}"):
        declared_methods(Product)


def test_a_parameter_without_an_argument_is_an_error() -> None:
    class Product(Model):
        @remote_method(accepts={"arg": "a"})
        @classmethod
        def stats(cls, a: Any, b: Any) -> None: ...

    with pytest.raises(DefinitionError, match="the parameter 'b' has no argument of its name"):
        declared_methods(Product)


def test_parameters_for_any_arguments_need_accepts() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def stats(cls, **given: Any) -> None: ...

    with pytest.raises(DefinitionError, match=r"\*\*given.* stands for no argument"):
        declared_methods(Product)


def test_two_methods_cannot_have_one_name_on_the_wire() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def min_price(cls) -> None: ...

        @remote_method
        @classmethod
        def minPrice(cls) -> None: ...  # noqa: N802

    with pytest.raises(DefinitionError, match="'min_price' and 'minPrice' of Product would both"):
        declared_methods(Product)


def test_a_static_function_is_no_method_of_instances_nor_the_other_way_round() -> None:
    class Product(Model):
        @classmethod
        def a(cls) -> None: ...

        def b(self) -> None: ...

    Product.remote_method("prototype.a")
    with pytest.raises(DefinitionError, match=r"Product\.a: it is declared of prototype"):
        declared_methods(Product)

    class Other(Product): ...

    Other.remote_method("a")
    Other.remote_method("b", isStatic=True)
    with pytest.raises(DefinitionError, match=r"Other\.b: it is declared static"):
        declared_methods(Other)
    with pytest.raises(DefinitionError, match="of instances, and not static"):
        Other.remote_method("prototype.b", isStatic=True)


def test_a_declaration_without_a_function_waits_for_it() -> None:
    color = create_model({"name": "Color", "methods": {"mix": {}}})
    assert declared_methods(color) == []
    color.mix = classmethod(lambda cls: "purple")
    assert [method.wire for method in declared_methods(color)] == ["mix"]
    color.mix = 3
    with pytest.raises(DefinitionError, match="a remote method is a function, not 3"):
        declared_methods(color)


def test_an_error_in_a_json_definition_names_the_method() -> None:
    color = create_model({"name": "Color", "methods": {"mix": {"acepts": []}}})
    with pytest.raises(DefinitionError, match=r"Color\.mix: there is no option 'acepts'"):
        declared_methods(color)


def test_what_is_no_function_is_no_method() -> None:
    class Product(Model): ...

    with pytest.raises(TypeError, match="a remote method is a function, not 3"):
        remote_method(3)
    with pytest.raises(TypeError, match=r"Product\.stats is a function"):
        Product.remote_method("stats", 3)
    with pytest.raises(DefinitionError, match="is no name of a method"):
        Product.remote_method("a.b")
    with pytest.raises(DefinitionError, match="'find' is what every model has"):
        Product.remote_method("find", takes_a)
    with pytest.raises(TypeError, match="Model itself is every app's"):
        Model.remote_method("stats")


def test_operations_of_every_model_are_not_marked(source: Any) -> None:
    class Product(Model): ...

    Product.attach_to(source)
    with pytest.raises(TypeError, match="find is an operation of every model"):
        remote_method(Product.find)


def test_an_instance_method_needs_a_parameter_for_the_instance() -> None:
    class Product(Model):
        @remote_method
        def stats() -> None: ...  # type: ignore[misc]

    with pytest.raises(DefinitionError, match="its first parameter is for"):
        declared_methods(Product)


def test_a_description_is_what_loopback_prints() -> None:
    class Product(Model):
        @remote_method(
            accepts={"arg": "min", "type": "number", "http": {"source": "query"}},
            returns={"arg": "stats", "type": "object"},
            http={"verb": "get", "path": "/info"},
        )
        @classmethod
        def stats(cls, min: float) -> Any: ...

    assert only(Product).describe() == {
        "accepts": [{"arg": "min", "type": "number"}],
        "returns": [{"arg": "stats", "type": "object"}],
        "http": {"verb": "get", "path": "/info"},
    }
    assert Returns("a", "any").describe() == {"arg": "a", "type": "any"}


@pytest.mark.parametrize("kind", ["file", "stream", "ReadableStream"])
def test_a_file_or_a_stream_is_the_whole_answer(kind: str) -> None:
    class Item(Model):
        @remote_method(returns={"arg": "content", "type": kind})
        @classmethod
        def content(cls) -> None: ...

    (method,) = declared_methods(Item)
    assert method.returns[0].root


@pytest.mark.parametrize(
    "options",
    [{"verb": "get"}, {"path": "/x"}, {"accepts": {"arg": "a", "type": "any", "source": "path"}}],
)
def test_an_option_that_stands_outside_of_http_is_told_where_it_belongs(
    options: dict[str, Any],
) -> None:
    with pytest.raises(DefinitionError, match="it belongs in http"):
        remote_method(**options)(lambda cls: None)


def test_a_file_needs_a_verb_with_a_body() -> None:
    class Item(Model):
        @remote_method(http={"verb": "get"}, accepts={"arg": "photo", "type": "file"})
        @classmethod
        def show(cls, photo: Any) -> None: ...

    with pytest.raises(DefinitionError, match=r"Item\.show: the file 'photo' needs a body"):
        declared_methods(Item)
