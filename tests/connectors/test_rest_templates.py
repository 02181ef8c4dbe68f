"""Functions by templates, on a second app that is served for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from flask_loop import DataSource, Loop, Model, create_data_source
from flask_loop.errors import (
    ArgumentError,
    BadRequest,
    Conflict,
    DefinitionError,
    NotAttachedError,
    NotFound,
    Unavailable,
)
from tests.collection import served
from tests.web import WebServer

PLACES = {"results": [{"name": "Home", "at": {"lat": 37.56, "lng": -122.32}}]}
GEOCODE = {
    "template": {
        "method": "GET",
        "url": "/maps/api/geocode/{format=json}",
        "headers": {"accept": "application/json", "X-Trace": "{trace}"},
        "query": {"address": "{street},{city},{zipcode}", "sensor": "{sensor=false:boolean}"},
        "responsePath": "$.results[0].at",
    },
    "functions": {"geocode": ["street", "city", "zipcode"]},
}
ECHO = "/echo/{part=x}"

Connect = Callable[..., DataSource]


def make_remote() -> Flask:
    """An app that says what it was asked."""
    app = Flask("remote")

    @app.get("/maps/api/geocode/<format>")
    def geocode(format: str) -> Any:
        if not request.args["address"].strip(","):
            return {"results": []}
        return {**PLACES, "format": format, "sensor": request.args["sensor"]}

    @app.before_request
    def echo() -> Any:
        if not request.path.startswith("/echo"):
            return None
        return {
            "method": request.method,
            "path": request.environ["PATH_INFO"],
            "query": request.args.to_dict(flat=False),
            "headers": {key.lower(): value for key, value in request.headers},
            "json": request.get_json(silent=True),
            "form": request.form.to_dict(flat=False),
            "text": request.get_data(as_text=True),
        }

    @app.route("/status/<int:status>", methods=["GET", "POST"])
    def say(status: int) -> Any:
        return jsonify({"secret": "swordfish"}), status

    @app.get("/text")
    def text() -> Any:
        return Response("plain", mimetype="text/plain")

    @app.get("/nothing")
    def nothing() -> Any:
        return "", 204

    @app.get("/html")
    def html() -> Any:
        return Response("{broken", mimetype="application/json")

    @app.errorhandler(HTTPException)
    def not_found(error: HTTPException) -> Any:
        return jsonify({"error": "no such page", "secret": "swordfish"}), error.code

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(make_remote()) as url:
        yield url


@pytest.fixture
def functions_of(connect: Connect, url: str) -> Callable[..., Any]:
    """A function that makes a data source with one template, and gives its one function."""

    def functions_of(
        *arguments: Any, settings: dict[str, Any] | None = None, **template: Any
    ) -> Any:
        operation = {"template": {"url": ECHO, **template}, "functions": {"ask": list(arguments)}}
        source = connect("rest", **{"base_url": url, **(settings or {})}, operations=[operation])
        return source.functions["ask"]

    return functions_of


# In Python


def test_a_function_is_a_method_of_attached_models(connect: Connect, url: str) -> None:
    source = connect("rest", base_url=url, operations=[GEOCODE])
    place = source.create_model("geo_place", {})
    found = [{"lat": 37.56, "lng": -122.32}]
    assert place.geocode("107 S B St", "San Mateo", "94401") == found
    assert place.geocode(city="San Mateo", street="x", zipcode="94401") == found
    assert source.functions["geocode"](street="x", city="y", zipcode="z") == found


def test_a_path_without_a_match_gives_an_empty_list(connect: Connect, url: str) -> None:
    source = connect("rest", base_url=url, operations=[GEOCODE])
    assert source.functions["geocode"]() == []


def test_derived_models_have_it_too(connect: Connect, url: str) -> None:
    place = connect("rest", base_url=url, operations=[GEOCODE]).create_model("geo_base", {})
    assert place.extend("geo_derived").geocode("x", "y", "z")


def test_a_model_that_goes_to_another_source_has_it_no_more(connect: Connect, url: str) -> None:
    class GeoMoving(Model):
        pass

    GeoMoving.attach_to(connect("rest", base_url=url, operations=[GEOCODE]))
    assert GeoMoving.geocode("x", "y", "z")  # type: ignore[attr-defined]
    GeoMoving.attach_to(connect("memory"))
    assert not hasattr(GeoMoving, "geocode")


def test_a_derived_model_on_another_source_says_that_it_has_it_not(
    connect: Connect, url: str
) -> None:
    place = connect("rest", base_url=url, operations=[GEOCODE]).create_model("geo_first", {})
    other = place.extend("geo_second")
    other.attach_to(connect("memory"))
    with pytest.raises(NotAttachedError, match=r"geocode\(\) is no function of the data source"):
        other.geocode("x")


def test_a_method_of_the_models_own_keeps_its_place(connect: Connect, url: str) -> None:
    class GeoOwn(Model):
        @classmethod
        def geocode(cls) -> str:
            return "own"

        class Meta:
            data_source = connect("rest", base_url=url, operations=[GEOCODE])

    assert GeoOwn.geocode() == "own"


def test_operations_on_records_are_not_there_beside_templates(connect: Connect, url: str) -> None:
    place = connect("rest", base_url=url, operations=[GEOCODE]).create_model("geo_alone", {})
    with pytest.raises(NotAttachedError):
        place.find()


def test_a_source_of_templates_has_nothing_to_make_or_empty(connect: Connect, url: str) -> None:
    source = connect(
        "rest", operations=[{"template": {"url": f"{url}/nothing"}, "functions": {"nothing": []}}]
    )
    source.create_model("geo_empty", {})
    source.auto_update()
    source.auto_migrate()
    source.auto_migrate(drop=True)
    assert source.is_actual()
    source.ping()


def test_operations_on_records_are_there_where_crud_says_so(connect: Connect, url: str) -> None:
    with WebServer() as server:
        source = connect("rest", base_url=server.url, operations=[GEOCODE], crud=True)
        place = source.create_model("geo_both", {})
        with pytest.raises(Unavailable):  # {} is no list
            place.find()
    assert hasattr(place, "geocode")


def test_a_function_may_take_the_place_of_an_operation(connect: Connect, url: str) -> None:
    by_id = {
        "template": {"url": "/echo/{!id:number}"},
        "functions": {"findById": ["id"], "find": ["id"]},
    }
    place = connect("rest", base_url=url, operations=[by_id]).create_model("geo_finding", {})
    assert place.find_by_id(5)["path"] == "/echo/5"
    assert place.find(6)["path"] == "/echo/6"


def test_a_function_cannot_be_called_as_what_models_have(connect: Connect, url: str) -> None:
    operation = {"template": {"url": "/x"}, "functions": {"attach_to": []}}
    source = connect("rest", base_url=url, operations=[operation])
    with pytest.raises(DefinitionError, match="'attach_to' is what every model has"):
        source.create_model("geo_reserved", {})


def test_what_a_function_does_not_take_is_named(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("part")
    with pytest.raises(TypeError, match=r"ask\(\) takes 1 arguments, not 2"):
        ask(1, 2)
    with pytest.raises(TypeError, match="'other' is no argument; they are part"):
        ask(other=1)
    with pytest.raises(TypeError, match="'part' is given twice"):
        ask("x", part="y")


# Placeholders


def test_a_default_is_of_its_type(functions_of: Callable[..., Any]) -> None:
    body = {"n": "{n=1.5:number}", "b": "{b=true:boolean}", "d": "{d=2024-02-29:date}", "e": "{e=}"}
    said = functions_of(method="POST", body=body)()["json"]
    assert said == {"n": 1.5, "b": True, "d": "2024-02-29T00:00:00.000Z", "e": ""}


def test_a_default_holds_where_nothing_is_given(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("n", "part", query={"n": "{n=100:number}", "t": "{t=text}"})
    assert ask()["query"] == {"n": ["100"], "t": ["text"]}
    assert ask()["path"] == "/echo/x"
    assert ask(5, "y")["query"]["n"] == ["5"]


@pytest.mark.parametrize("mark", ["!", "^"])
def test_what_is_required_has_to_be_given(functions_of: Callable[..., Any], mark: str) -> None:
    ask = functions_of("q", query={"q": f"{{{mark}q}}"})
    with pytest.raises(ArgumentError, match="'q' is required"):
        ask()
    assert ask("")["query"] == {"q": [""]}
    assert ask("x")["query"] == {"q": ["x"]}


def test_an_argument_may_have_the_default_in_its_name(functions_of: Callable[..., Any]) -> None:
    query = {"n": "{!n:number}", "city": "{city=Bonn}", "data": "{data:json}"}
    ask = functions_of("n=5", {"name": "city=San Mateo"}, "data", query=query)
    assert ask()["query"] == {"n": ["5"], "city": ["San Mateo"]}
    assert ask(7, "Rome", {"a": 1})["query"] == {"n": ["7"], "city": ["Rome"], "data": ['{"a":1}']}
    assert ask(city=None)["query"]["city"] == ["San Mateo"]
    assert [(each.name, each.type, each.default, each.required) for each in ask.arguments] == [
        ("n", "number", 5, False),
        ("city", "string", "San Mateo", False),
        ("data", "any", None, False),
    ]
    with pytest.raises(DefinitionError, match="'n=few' has a default that is not a number"):
        functions_of("n=few", query=query)


def test_what_is_not_given_is_left_out(functions_of: Callable[..., Any]) -> None:
    ask = functions_of(
        "a",
        method="POST",
        query={"a": "{a}", "b": "1"},
        headers={"X-A": "{a}"},
        body={"a": "{a}", "b": ["{a}", "<{a}>"], "c": None},
    )
    said = ask()
    assert said["query"] == {"b": ["1"]}
    assert "x-a" not in said["headers"]
    assert said["json"] == {"b": [None, "<>"], "c": None}


@pytest.mark.parametrize(
    ("kind", "given", "sent"),
    [
        ("number", 5, 5),
        ("number", 1.5, 1.5),
        ("number", "1.5", 1.5),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("object", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("array", [1, "2"], [1, "2"]),
        ("any", {"x": 1}, {"x": 1}),
        ("date", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"),
        ("string", "5", "5"),
        ("string", 5, "5"),
        ("Number", 5, 5),
    ],
)
def test_a_typed_value_stays_what_it_is(
    functions_of: Callable[..., Any], kind: str, given: Any, sent: Any
) -> None:
    ask = functions_of("v", method="POST", body={"v": f"{{v:{kind}}}", "text": f"-{{v:{kind}}}-"})
    said = ask(given)["json"]["v"]
    assert (said, type(said)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("kind", "given"),
    [("number", "x"), ("boolean", "maybe"), ("integer", 1.5), ("object", "{}"), ("string", [1])],
)
def test_a_value_of_another_type_is_refused(
    functions_of: Callable[..., Any], kind: str, given: Any
) -> None:
    ask = functions_of("v", query={"v": f"{{v:{kind}}}"})
    with pytest.raises(ArgumentError, match="Argument 'v'") as raised:
        ask(given)
    assert raised.value.code == 400


def test_a_body_may_be_one_value(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("data", method="PUT", body="{data:object}")
    assert ask({"a": {"b": [1]}})["json"] == {"a": {"b": [1]}}


def test_a_body_may_be_text(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("t", method="POST", headers={"Content-Type": "text/plain"}, body="say {t}!")
    assert ask("größe")["text"] == "say größe!"


def test_a_form_is_encoded(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("a", method="POST", form={"a": "{a}", "b": ["1", "2"]})
    said = ask("x&y=z")
    assert said["form"] == {"a": ["x&y=z"], "b": ["1", "2"]}
    assert said["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_lists_are_repeated_parameters(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("ids", query={"id": "{ids:array}", "filter": "{f:object}"})
    assert ask([1, 2])["query"] == {"id": ["1", "2"]}


def test_text_that_is_no_placeholder_stays(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("id", method="POST", body={"query": "query { user(id: {id}) { name } }"})
    assert ask("7")["json"] == {"query": "query { user(id: 7) { name } }"}


def test_a_query_may_be_in_the_url(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("a", url="/echo?b=1&a={a}", query={"c": "2"})
    assert ask("x&d=3#")["query"] == {"b": ["1"], "a": ["x&d=3#"], "c": ["2"]}


# What callers give changes nothing but values

EVIL = [
    "..%2f..%2fstatus%2f500",
    "/status/500",
    "//evil.example/",
    "http://evil.example/",
    "@evil.example",
    "x?admin=1",
    "x#fragment",
    "x;y=1",
    "x\\y",
    "x\r\nX-Evil: 1",
    "%00",
    "{part}",
    "ä ö",
]


@pytest.mark.parametrize("value", EVIL)
def test_a_value_is_one_part_of_the_path(functions_of: Callable[..., Any], value: str) -> None:
    said = functions_of("part", url="/echo/a-{part}/end")(value)
    assert said["path"].encode("latin-1").decode() == f"/echo/a-{value}/end"
    assert said["query"] == {}
    assert "x-evil" not in said["headers"]


@pytest.mark.parametrize("value", EVIL)
def test_a_value_is_one_value_of_the_query(functions_of: Callable[..., Any], value: str) -> None:
    said = functions_of("v", query={"v": "{v}", "w": "1"})(value)
    assert said["query"] == {"v": [value], "w": ["1"]}


@pytest.mark.parametrize("value", ["", ".", "..", "../../status/500", "..\\status"])
def test_a_part_of_a_path_is_not_empty_and_not_only_dots(
    functions_of: Callable[..., Any], value: str
) -> None:
    for template in ("/echo/{part}/end", "/echo/{part}", "/echo/{part}?a=1"):
        with pytest.raises(ArgumentError, match="'part' cannot be a part of a path"):
            functions_of("part", url=template)(value)


def test_dots_do_not_add_up_to_another_place(functions_of: Callable[..., Any]) -> None:
    ask = functions_of("a", "b", url="/echo/{a}{b}/x")
    with pytest.raises(ArgumentError):
        ask(".", ".")
    ask = functions_of("a", url="/echo/.{a}/x")
    with pytest.raises(ArgumentError):
        ask(".")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\x7f", "ü"])
def test_a_value_of_a_header_is_on_one_line(functions_of: Callable[..., Any], value: str) -> None:
    ask = functions_of("v", headers={"X-V": "<{v}>"})
    with pytest.raises(ArgumentError, match="'v' cannot be in a header"):
        ask(value)
    assert ask("x: y")["headers"]["x-v"] == "<x: y>"


@pytest.mark.parametrize(
    "template",
    [
        "{!url}",
        "{host}/x",
        "http://{host}/x",
        "http://remote.example{host}/x",
        "http://remote.example:{port}/x",
        "http://{user}@remote.example/x",
        "{scheme}://remote.example/x",
        "ftp://remote.example/x",
        "//{host}/x",
        "http://me:pw@remote.example/x",
        "http:///x",
        "/x#{a}",
        "/x y",
        "/x\\{a}",
        "",
        None,
        5,
    ],
)
def test_no_placeholder_says_which_server(template: Any) -> None:
    with pytest.raises(DefinitionError, match=r"operations\[0\]\.template\.url"):
        create_data_source(connector="rest", operations=[{"template": {"url": template}}])


# Servers and credentials


def test_a_template_may_name_its_server(connect: Connect) -> None:
    with WebServer() as server:
        operation = {"template": {"url": f"{server.url}/a/{{x}}"}, "functions": {"ask": ["x"]}}
        source = connect("rest", operations=[operation], auth={"bearer": "tok"})
        source.functions["ask"]("1")
        source.ping()
    assert server.requests[0].path == "/a/1"
    assert server.requests[0].headers["authorization"] == "Bearer tok"


def test_credentials_of_one_server_go_to_no_other(connect: Connect) -> None:
    with WebServer() as own, WebServer() as other:
        operations = [
            {"template": {"url": "/a"}, "functions": {"own": []}},
            {"template": {"url": f"{other.url}/a"}, "functions": {"other": []}},
        ]
        source = connect(
            "rest",
            base_url=own.url,
            operations=operations,
            auth={"username": "me", "password": "pw"},
            headers={"X-Key": "k"},
        )
        source.functions["own"]()
        source.functions["other"]()
    assert {"authorization", "x-key"} <= own.requests[0].headers.keys()
    assert other.requests[0].headers.keys().isdisjoint({"authorization", "x-key"})


def test_a_template_may_have_less_patience(connect: Connect) -> None:
    with WebServer() as server:
        operation = {
            "template": {"url": "/a", "options": {"timeout": 1, "retries": 0}},
            "functions": {"ask": []},
        }
        source = connect("rest", base_url=server.url, operations=[operation])
        assert source.functions["ask"]() == {}


# Answers


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequest),
        (422, BadRequest),
        (404, NotFound),
        (410, NotFound),
        (409, Conflict),
        (401, Unavailable),
        (403, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (418, Unavailable),
    ],
)
def test_a_refusal_is_translated_and_says_nothing_of_the_server(
    functions_of: Callable[..., Any], status: int, error: type[Exception]
) -> None:
    ask = functions_of("s", url="/status/{s:integer}", settings={"retries": 0})
    with pytest.raises(error) as raised:
        ask(status)
    assert "swordfish" not in f"{raised.value} {raised.value.get_body()}"  # type: ignore[attr-defined]


def test_text_nothing_and_what_is_broken(functions_of: Callable[..., Any]) -> None:
    assert functions_of(url="/text")() == "plain"
    assert functions_of(url="/nothing")() is None
    assert functions_of(url="/nothing", responsePath="$.a")() == []
    with pytest.raises(Unavailable):
        functions_of(url="/html")()


# Over REST


@pytest.fixture
def client(connect: Connect, url: str) -> Any:
    operations = [
        GEOCODE,
        {
            "template": {
                "method": "POST",
                "url": "/echo/{!part}",
                "headers": {"X-Trace": "{trace}"},
                "body": {"n": "{!n:number}", "note": "{note=none}"},
            },
            "functions": {"remember": ["part", "n", "note", "trace"]},
        },
        {
            "template": {"method": "PUT", "url": "/echo/x", "body": "{data:object}"},
            "functions": {"putWhole": ["data"]},
        },
    ]

    class GeoShown(Model):
        class Meta:
            data_source = connect("rest", base_url=url, operations=operations)
            default_permission = "ALLOW"
            acls = [
                {
                    "principalType": "ROLE",
                    "principalId": "$everyone",
                    "property": "putWhole",
                    "permission": "DENY",
                }
            ]

    @GeoShown.before_remote("remember")
    def count_it(ctx: Any) -> None:
        ctx.args["note"] = f"{ctx.args.get('note')}, hooked"

    app = Flask("shop")
    app.config["TESTING"] = True
    Loop(app, url_prefix="/api").model(GeoShown)
    return app.test_client()


def test_remote_callers_have_the_functions(client: Any) -> None:
    answer = client.get("/api/geoShowns/geocode?street=a&city=b&zipcode=94401")
    assert answer.get_json() == [{"lat": 37.56, "lng": -122.32}]


def test_hooks_run_and_types_are_read(client: Any) -> None:
    answer = client.post(
        "/api/geoShowns/remember/p%20q", json={"n": 5, "note": "x"}, headers={"trace": "t1"}
    )
    said = answer.get_json()
    assert said["json"] == {"n": 5, "note": "x, hooked"}
    assert said["path"] == "/echo/p q"
    assert said["headers"]["x-trace"] == "t1"


def test_a_wrong_argument_is_a_400(client: Any) -> None:
    answer = client.post("/api/geoShowns/remember/p", json={"n": "many"})
    assert answer.status_code == 400
    assert answer.get_json()["error"]["details"] == {"argument": "n"}
    assert client.post("/api/geoShowns/remember/p", json={}).status_code == 400
    assert client.post("/api/geoShowns/remember/..", json={"n": 1}).status_code in (400, 404, 405)


def test_access_control_holds(client: Any) -> None:
    assert client.put("/api/geoShowns/putWhole", json={"a": 1}).status_code == 401


def test_there_are_no_operations_on_records(client: Any) -> None:
    assert client.get("/api/geoShowns").status_code == 404
    assert client.get("/api/geoShowns/1").status_code == 404


def test_the_functions_are_documented(client: Any) -> None:
    document = client.get("/_docs/openapi.json").get_json()
    paths = {path for path in document["paths"] if "geoShowns" in path}
    assert paths == {
        "/api/geoShowns/geocode",
        "/api/geoShowns/remember/{part}",
        "/api/geoShowns/putWhole",
    }
    parameters = document["paths"]["/api/geoShowns/geocode"]["get"]["parameters"]
    assert {each["name"] for each in parameters} >= {"street", "city", "zipcode"}


def test_an_apps_own_source_has_functions(url: str) -> None:
    def make_app() -> Flask:
        app = Flask("shop")
        settings = {"connector": "rest", "base_url": url, "operations": [GEOCODE]}
        app.config.update(TESTING=True, LOOP_DATA_SOURCES={"geo": settings})
        loop.init_app(app)
        return app

    loop = Loop(url_prefix="/api")

    class GeoOfApp(Model):
        class Meta:
            data_source = loop.data_source("geo")

    loop.model(GeoOfApp)
    for app in (make_app(), make_app()):
        answer = app.test_client().get("/api/geoOfApps/geocode?street=a&city=b&zipcode=c")
        assert answer.get_json() == [{"lat": 37.56, "lng": -122.32}]
        with app.app_context():
            assert GeoOfApp.geocode("a", "b", "c")  # type: ignore[attr-defined]
            assert list(loop.data_source("geo").functions) == ["geocode"]
            loop.data_source("geo").close()


# What is written wrongly


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (5, r"operations\[0\] is a dict"),
        ({}, r"operations\[0\]\.template is a dict"),
        ({"tmplate": {}}, r"has no 'tmplate'; did you mean 'template'"),
        ({"template": {"url": "/x", "metod": "GET"}}, "has no 'metod'; did you mean 'method'"),
        ({"template": {"url": "/x", "method": "STEAL"}}, r"template\.method is one of"),
        ({"template": {"url": "/x", "query": 5}}, r"template\.query is a dict"),
        ({"template": {"url": "/x", "query": {"a": {"b": 1}}}}, r"query\.a is one value"),
        ({"template": {"url": "/x", "headers": {"a b": "1"}}}, r"headers\.a b is no header"),
        ({"template": {"url": "/x", "headers": {"a": "1\n2"}}}, r"headers\.a is no header"),
        ({"template": {"url": "/x", "body": "x", "form": {"a": 1}}}, "a 'body' or a 'form'"),
        ({"template": {"url": "/x", "responsePath": "$.["}}, r"responsePath: '\$\.\[' is no"),
        ({"template": {"url": "/{x:color}"}}, r"\{x:color\} is of no known type"),
        ({"template": {"url": "/{x=a:number}"}}, r"the default of \{x=a:number\} is not a"),
        ({"template": {"url": "/{x:number}/{x:string}"}}, "'x' has two types"),
        ({"template": {"url": "/{x=1}/{x=2}"}}, "'x' has two defaults"),
        ({"template": {"url": "/x", "options": {"timeot": 1}}}, "has no 'timeot'"),
        ({"template": {"url": "/x", "options": {"timeout": 0}}}, "timeout is a number"),
        ({"template": {"url": "/{x}"}, "functions": {"f": ["y"]}}, "no placeholder is 'y'"),
        ({"template": {"url": "/{1x}"}}, r"'\{1x\}' is no placeholder"),
        ({"template": {"url": "/{x-y}"}, "functions": {"f": ["x-y"]}}, "'x-y' is no name of an"),
        ({"template": {"url": "/{x}"}, "functions": {"f": "x"}}, "is the list of its arguments"),
        ({"template": {"url": "/{x}"}, "functions": {"f": ["x", "x"]}}, "the argument 'x' twice"),
        ({"template": {"url": "/{!x}"}, "functions": {"f": []}}, "lacks 'x', without which"),
        ({"template": {"url": "/{x}"}, "functions": {"f g": []}}, "'f g' is no name"),
        ({"template": {"url": "/{x}"}, "functions": ["f"]}, "is a dict of names"),
        (
            {"template": {"url": "/{x}"}, "functions": {"f": [{"name": "x", "source": "moon"}]}},
            "the source of 'x' is one of",
        ),
        ({"template": {"url": "/{x}"}, "functions": {"f": [{"name": "x", "a": 1}]}}, "has no 'a'"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_named(operation: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        create_data_source(connector="rest", base_url="http://127.0.0.1:1", operations=[operation])


def test_a_name_is_of_one_function() -> None:
    operation = {"template": {"url": "/x"}, "functions": {"f": []}}
    with pytest.raises(DefinitionError, match=r"operations\[1\]\.functions\.f: another function"):
        create_data_source(
            connector="rest", base_url="http://127.0.0.1:1", operations=[operation, operation]
        )
