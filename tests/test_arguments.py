from __future__ import annotations

import enum
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields
from werkzeug.datastructures import FileStorage

from flask_loop import GeoPoint, Model, Prop, create_model, memory, prop
from flask_loop.errors import ArgumentError, BadRequest
from flask_loop.methods import declared_methods, remote_method
from flask_loop.query import Bounds, parse_query
from flask_loop.remoting import Given, decode

DAY = datetime(2024, 5, 1, tzinfo=UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
NOT_GIVEN = object()


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Address(Model):
    street: Prop[str]
    number_of_floors: Prop[int | None]

    class Meta:
        id_injection = False


class Opinion(Model):
    text: Prop[str]
    star_count: Prop[int | None]
    sent_at: Prop[datetime | None]
    secret: Prop[str | None] = prop(hidden=True)
    approved: Prop[bool] = prop(default=False, read_only=True)
    author: Prop[str | None] = prop(create_only=True)
    address: Prop[Address | None]
    places: Prop[list[GeoPoint] | None]


#: The types of arguments by a name, each as ``accepts`` has it.
TYPES: dict[str, Any] = {
    "string": "string",
    "number": "number",
    "integer": int,
    "boolean": bool,
    "decimal": Decimal,
    "date": "date",
    "day": date,
    "buffer": "buffer",
    "uuid": uuid.UUID,
    "geo": "GeoPoint",
    "size": Size,
    "level": Level,
    "any": "any",
    "object": "object",
    "array": "array",
    "strings": ["string"],
    "integers": list[int],
    "geos": ["GeoPoint"],
    "objects": ["object"],
    "matrix": [[int]],
    "counts": dict[str, int],
    "review": Opinion,
    "reviews": [Opinion],
    "named": "Opinion",
    "shape": {"width": {"type": "number", "required": True}, "unit": "string"},
    "field": fields.Email(),
    "null": "null",
}


def decode_one(type_: Any, value: Any = NOT_GIVEN, *, text: bool = False, **options: Any) -> Any:
    """What a method gets for its one argument, or ``NOT_GIVEN``."""
    model = make(a={"type": type_, **options})
    values = {} if value is NOT_GIVEN else {"a": value}
    return decode_all(model, values, {"a"} if text else ()).get("a", NOT_GIVEN)


def make(**accepts: dict[str, Any]) -> type[Model]:
    class Product(Model): ...

    arguments = [{"arg": name, **each} for name, each in accepts.items()]
    Product.remote_method("method", lambda cls, **given: given, accepts=arguments)
    return Product


def decode_all(
    model: type[Model], values: dict[str, Any], text: Any = (), ctx: Any = None
) -> dict[str, Any]:
    (method,) = declared_methods(model)
    return decode(model.__loop_plan__(), method, Given(values, text), Bounds(), ctx)


def refused(type_: Any, value: Any, *, text: bool = False, **options: Any) -> str:
    """The message of the refusal, which has to name the argument."""
    with pytest.raises(ArgumentError) as caught:
        decode_one(type_, value, text=text, **options)
    assert caught.value.code == 400
    assert caught.value.argument.partition(".")[0] == "a"
    orjson.dumps(caught.value.message)
    return caught.value.message


# Each type, from JSON


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


JSON = [
    ("string", "x", "x"),
    ("string", "", ""),
    ("string", "1" * 10_000, "1" * 10_000),
    ("number", 3, 3),
    ("number", 3.5, 3.5),
    ("number", -0.0, 0),
    ("integer", 3, 3),
    ("integer", 3.0, 3),
    ("integer", 2**63 - 1, 2**63 - 1),
    ("boolean", True, True),
    ("boolean", False, False),
    ("decimal", "1.50", Decimal("1.5")),
    ("decimal", 1.5, Decimal("1.5")),
    ("date", "2024-05-01T00:00:00Z", DAY),
    ("date", "2024-05-01", DAY),
    ("day", "2024-05-01", date(2024, 5, 1)),
    ("buffer", "aGk=", b"hi"),
    ("uuid", str(ID), ID),
    ("geo", {"lat": 1, "lng": 2}, GeoPoint(1, 2)),
    ("geo", [1, 2], GeoPoint(1, 2)),
    ("geo", "1,2", GeoPoint(1, 2)),
    ("size", "small", Size.SMALL),
    ("level", 2, Level.HIGH),
    ("any", None, None),
    ("any", "3", "3"),
    ("any", {"a": [None, {}]}, {"a": [None, {}]}),
    ("object", {"a": None}, {"a": None}),
    ("object", None, None),
    ("array", [1, "a", None], [1, "a", None]),
    ("array", [], []),
    ("strings", ["a", ""], ["a", ""]),
    ("strings", ["x"] * 10_000, ["x"] * 10_000),
    ("integers", list(range(10_000)), list(range(10_000))),
    ("geos", [{"lat": 1, "lng": 2}], [GeoPoint(1, 2)]),
    ("objects", [{"a": 1}], [{"a": 1}]),
    ("matrix", [[1], [2, 3]], [[1], [2, 3]]),
    ("counts", {"a": 1}, {"a": 1}),
    ("shape", {"width": 2.5, "more": 1}, {"width": 2.5, "unit": None}),
    ("shape", None, None),
    ("field", "a@example.com", "a@example.com"),
    ("null", None, None),
]


@pytest.mark.parametrize(("name", "value", "expected"), JSON)
def test_json_of_the_type_is_its_value(name: str, value: Any, expected: Any) -> None:
    read = decode_one(TYPES[name], value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("names", "value", "problem"),
    [
        ("string", 3, "is not a string"),
        ("string", None, "is not a string"),
        ("string buffer uuid date day decimal", True, "is not"),
        ("string buffer uuid date day decimal", ["x"], "is not"),
        ("string number integer boolean date uuid", {"a": 1}, "is not a"),
        ("string any", "\0", "contains a NUL character"),
        ("string any", "\ud800", "contains a lone surrogate"),
        ("number integer boolean", "3", "is not a"),
        ("boolean", "true", "is not a boolean"),
        ("boolean", 1, "is not a boolean"),
        ("boolean", 0, "is not a boolean"),
        ("number integer", True, "is not a"),
        ("number integer decimal", "", "is not a"),
        ("number integer", None, "is not a"),
        ("number any", 1e400, "is not a finite number"),
        ("number any", float("nan"), "is not a finite number"),
        ("integer", 1e400, "is not an integer"),
        ("integer", 5.9, "is not an integer"),
        ("number integer any", 2**64, "outside the range"),
        ("number integer any", -(2**63) - 1, "outside the range"),
        ("decimal", "0x10", "is not a decimal number"),
        ("decimal", "1e400", "digits before the point"),
        ("date", 0, "is not a date"),
        ("date", "2024-13-01", "is not a date"),
        ("date", "2024-05-01T00:00:00", "is not a date"),
        ("date", None, "is not a date"),
        ("day", "2024-05-01T00:00:00Z", "is not a date"),
        ("buffer", "a", "is not base64 text"),
        ("buffer", "é", "is not base64 text"),
        ("uuid", "1", "is not a UUID"),
        ("geo", {"lat": 91, "lng": 0}, "between -90 and 90"),
        ("geo", {"lat": "1", "lng": "2"}, "lat and lng are numbers"),
        ("geo", ["1", "2"], "lat and lng are numbers"),
        ("geo", [1], "has two numbers"),
        ("geo", 3, "is not a GeoPoint"),
        ("geo", None, "is not a GeoPoint"),
        ("geo", "", "is not a GeoPoint"),
        ("size", "medium", "is not one of the allowed values: small, large"),
        ("size", None, "is not one of the allowed values"),
        ("level", "1", "is not one of the allowed values: 1, 2"),
        ("level", True, "is not one of the allowed values"),
        ("object", [], "is not an object"),
        ("object", "{}", "is not an object"),
        ("object review shape counts", 3, "is not an object"),
        ("array strings integers reviews", {"a": 1}, "is not an array"),
        ("array strings", "[]", "is not an array"),
        ("array strings", None, "is not an array"),
        ("array any object", {"a": nested(1000)}, "is"),
        ("array any", nested(33), "is more than 32 levels deep"),
        ("array any", nested(1000), "is more than 32 levels deep"),
        ("array", [2**64], "outside the range"),
        ("strings", ["a", 3], "'a.1' is not a string"),
        ("strings integers reviews", [None], "'a.0' is null"),
        ("integers", [1, "2"], "'a.1' is not an integer"),
        ("integers", [*range(10_000), 2**64], r"'a.10000' is outside the range"),
        ("integers", nested(1000), "'a.0' is not an integer"),
        ("matrix", [[1], [2, "3"]], r"'a.1.1' is not an integer"),
        ("counts", {"x": "1"}, r"'a.x' is not an integer"),
        ("counts", {"\0": 1}, "contains a NUL"),
        ("shape", {}, "'a.width' can't be blank"),
        ("shape", {"width": "2"}, "'a.width' is not a number"),
        ("field", "nobody", "Not a valid email"),
        ("field", 3, "'a'"),
        ("null", 0, "is not null"),
        ("null", "null", "is not null"),
    ],
)
def test_json_of_another_type_is_refused(names: str, value: Any, problem: str) -> None:
    for name in names.split():
        assert problem in refused(TYPES[name], value)


# Each type, from text

TEXT = [
    ("string", "x", "x"),
    ("string", "", ""),
    ("string", "null", "null"),
    ("string", "[1]", "[1]"),
    ("number", "3", 3),
    ("number", "-3.5", -3.5),
    ("number", "1e3", 1000),
    ("integer", "3", 3),
    ("integer", "-0", 0),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("decimal", "1.50", Decimal("1.5")),
    ("date", "2024-05-01", DAY),
    ("date", "2024-05-01T02:00:00+02:00", DAY),
    ("day", "2024-05-01", date(2024, 5, 1)),
    ("buffer", "aGk=", b"hi"),
    ("uuid", str(ID), ID),
    ("geo", "1,2", GeoPoint(1, 2)),
    ("geo", '{"lat": 1, "lng": 2}', GeoPoint(1, 2)),
    ("geo", {"lat": "1", "lng": "2"}, GeoPoint(1, 2)),
    ("size", "small", Size.SMALL),
    ("level", "2", Level.HIGH),
    ("any", "null", None),
    ("any", "true", True),
    ("any", "12", 12),
    ("any", "1.5", 1.5),
    ("any", '{"a": 1}', {"a": 1}),
    ("any", "[1]", [1]),
    ("any", "", ""),
    ("any", "{a", "{a"),
    ("any", "{a}", "{a}"),
    ("any", "00123", "00123"),
    ("any", "1e5", "1e5"),
    ("any", "-0", "-0"),
    ("any", "1.10", "1.10"),
    ("any", str(2**64), str(2**64)),
    ("any", "9" * 19, "9" * 19),
    ("any", "١", "١"),
    ("any", ["1", "2"], ["1", "2"]),
    ("object", '{"a": 1}', {"a": 1}),
    ("object", "null", None),
    ("object", {"a": "1"}, {"a": "1"}),
    ("array", "1", [1]),
    ("array", ["1", "x"], [1, "x"]),
    ("strings", "a", ["a"]),
    ("strings", "a,b", ["a,b"]),
    ("strings", ["a", "b"], ["a", "b"]),
    ("strings", '["a", "b"]', ["a", "b"]),
    ("strings", [], []),
    ("strings", "[]", []),
    ("integers", ["1", "2"], [1, 2]),
    ("integers", "[1, 2]", [1, 2]),
    ("integers", [str(n) for n in range(10_000)], list(range(10_000))),
    ("geos", ["1,2", {"lat": "3", "lng": "4"}], [GeoPoint(1, 2), GeoPoint(3, 4)]),
    ("geos", "1,2", [GeoPoint(1, 2)]),
    ("objects", '{"a": 1}', [{"a": 1}]),
    ("objects", [{"a": "1"}], [{"a": "1"}]),
    ("matrix", "[[1], [2]]", [[1], [2]]),
    ("matrix", ["[1]", ["2", "3"]], [[1], [2, 3]]),
    ("counts", '{"a": 1}', {"a": 1}),
    ("counts", {"a": "1"}, {"a": 1}),
    ("shape", '{"width": 2}', {"width": 2, "unit": None}),
    ("shape", {"width": "2"}, {"width": 2, "unit": None}),
    ("field", "a@example.com", "a@example.com"),
]


@pytest.mark.parametrize(("name", "value", "expected"), TEXT)
def test_exact_text_is_decoded(name: str, value: Any, expected: Any) -> None:
    read = decode_one(TYPES[name], value, text=True)
    assert read == expected
    assert type(read) is type(expected)


EXACT = "number integer boolean decimal date day uuid geo size level"


@pytest.mark.parametrize(
    ("names", "value", "problem"),
    [
        (EXACT, "", "is not"),
        (EXACT, "0x10", "is not"),
        (EXACT, "null", "is not"),
        (EXACT, "NaN", "is not"),
        (EXACT, "yes", "is not"),
        (EXACT, " 1", "is not"),
        (EXACT, "1 ", "is not"),
        (EXACT, "+1", "is not"),
        (EXACT, "01", "is not"),
        (EXACT, "١", "is not"),
        (EXACT, "１", "is not"),
        (EXACT, "1_000", "is not"),
        (EXACT, "Infinity", "is not"),
        (EXACT, "\0", "is not"),
        (EXACT, "\ud800", "is not"),
        (EXACT, "true ", "is not"),
        (EXACT, "TRUE", "is not"),
        ("number integer boolean string date uuid geo size", ["1", "2"], "given more than once"),
        ("number integer boolean string date uuid", {"a": "1"}, "is not"),
        ("boolean", "1", "is not a boolean"),
        ("integer", "5.9", "is not an integer"),
        ("integer", "1e3", "is not an integer"),
        ("number", "1e400", "is not a finite number"),
        ("number integer", str(2**64), "outside the range"),
        ("number integer", "9" * 10_000, "is not"),
        ("string any", "\0", "contains a NUL"),
        ("string any", "\ud800", "contains a lone surrogate"),
        ("date", "1714521600000", "is not a date"),
        ("geo", "1;2", 'is "lat,lng"'),
        ("geo", "1,2,3", 'is "lat,lng"'),
        ("geo", "91,0", "between -90 and 90"),
        ("geo", "nan,0", "must be a number"),
        ("geo", '{"lat": ' + "[" * 1000, "cannot be read"),
        ("object review shape counts", "", "is not an object"),
        ("object review shape counts", "x", "is not JSON"),
        ("object review shape counts", "[]", "is not an object"),
        ("object review shape counts", "3", "is not an object"),
        ("object review shape", ["a", "b"], "is not an object"),
        ("object", "[" * 1000 + "]" * 1000, "is not an object"),
        ("object", '{"a":' * 1000 + "1" + "}" * 1000, "is more than 32 levels deep"),
        ("object", '{"a":' * 5000 + "1" + "}" * 5000, "is not JSON"),
        ("object", '{"a": 1e400}', "is not"),
        ("object", f'{{"a": {2**64}}}', "'a.a' is outside the range"),
        ("array strings", {"a": "1"}, "is not an array"),
        ("strings", "[a]", "is not JSON"),
        ("strings", "[1]", "'a.0' is not a string"),
        ("integers", '["1"]', "'a.0' is not an integer"),
        ("integers", "", "'a.0' is not an integer"),
        ("integers", ["1", "x"], "'a.1' is not an integer"),
        ("integers", [["1"]], "'a.0' is given more than once"),
        ("matrix", "x", "'a.0.0' is not an integer"),
        ("counts", {"x": ["1", "2"]}, "'a.x' is given more than once"),
        ("null", "null", "is not null"),
    ],
)
def test_text_that_is_not_exact_is_refused(names: str, value: Any, problem: str) -> None:
    for name in names.split():
        assert problem in refused(TYPES[name], value, text=True)


# Given or not


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES.keys())
@pytest.mark.parametrize("text", [False, True])
def test_what_is_required_has_to_be_given(type_: Any, text: bool) -> None:
    message = "Argument 'a' is required."
    assert refused(type_, NOT_GIVEN, required=True) == message
    assert refused(type_, "", text=text, required=True) == message
    assert refused(type_, None, required=True) == message


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES.keys())
def test_what_is_optional_need_not_be_given(type_: Any) -> None:
    assert decode_one(type_) is NOT_GIVEN


def test_a_default_takes_the_place_of_what_is_not_given() -> None:
    assert decode_one("number", default=5) == 5
    assert decode_one("number", 3, default=5) == 3
    assert decode_one("date", default="2024-05-01") == DAY
    assert decode_one("string", default=None) is None
    assert decode_one("string", None, default=None) is None
    assert decode_one("string", "", text=True, default="x") == ""
    assert refused("string", None, default="x") == "Argument 'a' is not a string."


def test_a_default_is_not_shared_between_calls() -> None:
    model = make(a={"type": "array", "default": [1]})
    decode_all(model, {})["a"].append(2)
    assert decode_all(model, {}) == {"a": [1]}


def test_annotations_say_what_is_required_and_nullable() -> None:
    class Product(Model):
        @remote_method
        @classmethod
        def method(cls, a: int, b: int | None, c: Any, d: int = 3) -> None: ...

    assert decode_all(Product, {"a": 1, "c": None}) == {"a": 1, "c": None, "d": 3}
    assert decode_all(Product, {"a": 1, "b": None, "c": 1})["b"] is None
    for values in ({"c": 1}, {"a": None, "c": 1}, {"a": 1}, {"a": 1, "c": 1, "d": None}):
        with pytest.raises(ArgumentError):
            decode_all(Product, values)


def test_what_is_no_argument_is_passed_over() -> None:
    assert decode_all(make(a={"type": "string"}), {"b": 1, "a": "x"}) == {"a": "x"}


def test_a_list_is_taken_beside_one_value_where_that_is_said() -> None:
    assert decode_one("number", 1, allowArray=True) == 1
    assert decode_one("number", [1, 2], allowArray=True) == [1, 2]
    assert decode_one("number", ["1", "2"], text=True, allowArray=True) == [1, 2]
    assert decode_one("number", "[1, 2]", text=True, allowArray=True) == [1, 2]
    assert decode_one("object", [{}], allowArray=True) == [{}]
    assert refused("number", [1, "2"], allowArray=True) == "Argument 'a.1' is not a number."
    assert refused("number", {}, allowArray=True) == "Argument 'a' is not a number."


# Models


def test_a_model_is_an_unsaved_instance() -> None:
    read = decode_one(Opinion, {"text": "good", "starCount": 3, "sentAt": "2024-05-01"})
    assert isinstance(read, Opinion)
    assert (read.text, read.star_count, read.sent_at) == ("good", 3, DAY)
    assert read.is_new_record()
    assert decode_one("Opinion", {"text": "x"}).text == "x"
    assert decode_one(Opinion, None) is None


def test_a_model_is_read_from_text_too() -> None:
    assert decode_one(Opinion, '{"starCount": 3}', text=True).star_count == 3
    assert decode_one(Opinion, {"starCount": "3"}, text=True).star_count == 3
    assert [each.text for each in decode_one([Opinion], '{"text": "x"}', text=True)] == ["x"]


def test_models_may_be_in_lists_and_objects() -> None:
    first, second = decode_one([Opinion], [{"text": "a"}, {"text": "b"}])
    assert (first.text, second.text) == ("a", "b")
    read = decode_one(dict[str, Opinion], {"x": {"text": "a"}})
    assert isinstance(read["x"], Opinion)
    assert decode_one(Opinion, {"address": {"street": "s"}}).address.street == "s"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"text": 3}, "'a.text' is not a string"),
        ({"starCount": "3"}, "'a.starCount' is not an integer"),
        ({"starCount": 5.5}, "'a.starCount' is not an integer"),
        ({"address": {"street": 3}}, "'a.address.street' is not a string"),
        ({"address": {}}, "'a.address.street' can't be blank"),
        ({"address": {"street": "s", "numberOfFloors": "x"}}, "'a.address.numberOfFloors' is not"),
        ({"places": [{"lat": "1", "lng": 2}]}, "'a.places.0' is not a GeoPoint"),
        ({"text": nested(1000)}, "is more than 32 levels deep"),
        ([], "is not an object"),
    ],
)
def test_the_values_of_a_model_are_of_its_types(value: Any, problem: str) -> None:
    assert problem in refused(Opinion, value)


def test_a_client_does_not_set_what_it_may_not_write() -> None:
    given = {"id": 7, "text": "x", "approved": True, "secret": "s", "author": "me", "more": 1}
    read = decode_one(Opinion, given)
    assert (read.id, read.approved) == (None, False)
    assert (read.secret, read.author) == ("s", "me")
    assert not hasattr(read, "more")


def test_the_id_of_a_model_is_taken_where_clients_may_choose_it() -> None:
    chosen = create_model("chosen", {"code": {"type": "string", "id": True}})
    assert decode_one(chosen, {"code": "x"}).code == "x"
    free = create_model("free", {"name": "string"}, forceId=False)
    assert decode_one(free, {"id": 7}).id == 7


def test_unknown_keys_of_a_model_are_as_its_settings_have_it() -> None:
    strict = create_model("strict", {"name": "string"}, strict="validate")
    assert "'a.more' is not defined in the model" in refused(strict, {"more": 1})
    loose = create_model("loose", {"name": "string"}, strict=False)
    assert decode_one(loose, {"more": 1}).more == 1
    assert "'a.more' is outside the range" in refused(loose, {"more": 2**64})


# Files and what is of the call


def test_a_file_is_given_as_it_came() -> None:
    file = FileStorage(BytesIO(b"x"), "x.txt")
    assert decode_one("file", file) is file
    assert decode_one(["file"], [file, file]) == [file, file]
    assert decode_one("[file]", file) == [file]
    assert refused("file", "x", text=True) == "Argument 'a' is not a file."
    assert refused("file", None) == "Argument 'a' is null."
    assert refused(["file"], ["x"], text=True) == "Argument 'a' is not a file."
    assert refused("file", NOT_GIVEN, required=True) == "Argument 'a' is required."


@pytest.mark.parametrize("name", [name for name in TYPES if name != "null"])
def test_a_file_is_refused_where_none_is_wanted(name: str) -> None:
    file = FileStorage(BytesIO(b"x"), "x.txt")
    refused(TYPES[name], file)
    refused(TYPES[name], file, text=True)


def test_arguments_may_be_of_the_call() -> None:
    model = make(
        ctx={"http": {"source": "context"}},
        req={"http": {"source": "req"}},
        res={"http": "res"},
        options={"http": "optionsFromRequest"},
        agent={"http": {"source": lambda ctx: ctx.req.agent}},
    )
    ctx = SimpleNamespace(req=SimpleNamespace(agent="me"), res="res", options={"a": 1})
    spoofed = {"ctx": 1, "req": 1, "options": {"admin": True}, "agent": "x"}
    assert decode_all(model, spoofed, ctx=ctx) == {
        "ctx": ctx,
        "req": ctx.req,
        "res": "res",
        "options": {"a": 1},
        "agent": "me",
    }


def test_what_is_of_the_call_may_be_required() -> None:
    model = make(agent={"http": lambda ctx: ctx.req, "required": True})
    with pytest.raises(ArgumentError, match="'agent' is required"):
        decode_all(model, {}, ctx=SimpleNamespace(req=None))


# From each part of a request


class Receiver:
    """An app with a method for each type and source, and what the last of them was given."""

    def __init__(self, make_app: Callable[..., Any]) -> None:
        class Product(Model): ...

        Product.attach_to(memory())
        for name, type_ in TYPES.items():
            for source in ("path", "query", "form", "header", "body"):
                Product.remote_method(
                    f"{source}_{name}",
                    staticmethod(lambda a=NOT_GIVEN: self.receive(a)),
                    accepts={"arg": "a", "type": type_, "http": {"source": source}},
                    returns=None,
                    http={"path": f"{source}/{name}{'/:a' if source == 'path' else ''}"},
                )
        self.client = make_app(Product).test_client()

    def receive(self, a: Any) -> None:
        self.value = a

    def post(self, path: str, **options: Any) -> Any:
        self.value = None
        response = self.client.post(f"/api/products/{path}", **options)
        if response.status_code == 204:
            return self.value
        assert response.status_code == 400
        error = response.json["error"]
        return error.get("code") if "details" not in error else error["details"]["argument"]


@pytest.fixture
def receiver(make_app: Callable[..., Any]) -> Receiver:
    return Receiver(make_app)


TYPE_JSON = "application/json"
NO_JSON = "INVALID_JSON"
IN_JSON = [(name, value, expected) for name, value, expected in JSON if name != "null"]
AS_TEXT = [each for each in TEXT if isinstance(each[1], str) and len(each[1]) < 100]


def test_a_field_of_a_json_body_is_typed(receiver: Receiver) -> None:
    for name, value, expected in IN_JSON:
        assert receiver.post(f"form/{name}", json={"a": value}) == expected
    assert receiver.post("form/number", json={"a": "3"}) == "a"
    assert receiver.post("form/string", json={"a": 3}) == "a"
    assert receiver.post("form/integers", json={"a": [1, "2"]}) == "a.1"
    assert receiver.post("form/number", data='{"a": 1e400}', content_type=TYPE_JSON) == NO_JSON
    assert receiver.post("form/integer", data=f'{{"a": {2**64}}}', content_type=TYPE_JSON) == "a"


def test_a_whole_json_body_is_typed(receiver: Receiver) -> None:
    for name, value, expected in IN_JSON:
        body = {"data": orjson.dumps(value), "content_type": TYPE_JSON}
        assert receiver.post(f"body/{name}", **body) == expected
    assert receiver.post("body/number", json="3") == "a"
    assert receiver.post("body/review", json={"starCount": "3"}) == "a.starCount"


def test_a_field_of_a_form_is_text(receiver: Receiver) -> None:
    for name, value, expected in AS_TEXT:
        assert receiver.post(f"form/{name}", data={"a": value}) == expected
        multipart = {"data": {"a": value}, "content_type": "multipart/form-data"}
        assert receiver.post(f"form/{name}", **multipart) == expected
    assert receiver.post("form/number", data={"a": "0x10"}) == "a"
    assert receiver.post("form/number", data={"a": ["1", "2"]}) == "a"
    assert receiver.post("form/integers", data={"a": ["1", "2"]}) == [1, 2]
    assert receiver.post("form/review", data={"a[starCount]": "3"}).star_count == 3
    assert receiver.post("form/string", data={"a": (BytesIO(b"x"), "x.txt")}) == "a"


def test_the_query_is_text(receiver: Receiver) -> None:
    for name, value, expected in AS_TEXT:
        assert receiver.post(f"query/{name}", query_string={"a": value}) == expected
    assert receiver.post("query/integer?a=1&a=2") == "a"
    assert receiver.post("query/integers?a=1&a=2") == [1, 2]
    assert receiver.post("query/integers?a[0]=1&a[1]=2") == [1, 2]
    assert receiver.post("query/geo?a[lat]=1&a[lng]=2") == GeoPoint(1, 2)
    assert receiver.post("query/geo?a[lat]=1") == "a"
    assert receiver.post("query/integer?a=") == "a"


def test_the_path_is_text(receiver: Receiver) -> None:
    for name, value, expected in AS_TEXT:
        if value and "/" not in value:
            assert receiver.post(f"path/{name}/{quote(value)}") == expected
    assert receiver.post("path/integer/0x10") == "a"


def test_a_header_is_text(receiver: Receiver) -> None:
    for name, value, expected in AS_TEXT:
        if value.isascii():
            assert receiver.post(f"header/{name}", headers={"A": value}) == expected
    assert receiver.post("header/integer", headers={"A": "x"}) == "a"


# Whatever comes


def make_each() -> type[Model]:
    return make(**{name: {"type": type_} for name, type_ in TYPES.items()})


EACH = make_each()
FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: type(v) is int and abs(v) <= 2**63,
    "boolean": lambda v: v is True or v is False,
    "decimal": lambda v: isinstance(v, Decimal),
    "date": lambda v: isinstance(v, datetime) and v.tzinfo is UTC,
    "day": lambda v: type(v) is date,
    "buffer": lambda v: isinstance(v, bytes),
    "uuid": lambda v: isinstance(v, uuid.UUID),
    "geo": lambda v: isinstance(v, GeoPoint),
    "size": lambda v: isinstance(v, Size),
    "level": lambda v: isinstance(v, Level),
    "any": lambda v: True,
    "object": lambda v: v is None or isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "strings": lambda v: all(isinstance(each, str) for each in v),
    "integers": lambda v: all(type(each) is int for each in v),
    "geos": lambda v: all(isinstance(each, GeoPoint) for each in v),
    "objects": lambda v: all(each is None or isinstance(each, dict) for each in v),
    "matrix": lambda v: all(type(n) is int for each in v for n in each),
    "counts": lambda v: v is None or all(type(each) is int for each in v.values()),
    "review": lambda v: v is None or isinstance(v, Opinion),
    "reviews": lambda v: all(each is None or isinstance(each, Opinion) for each in v),
    "named": lambda v: v is None or isinstance(v, Opinion),
    "shape": lambda v: v is None or isinstance(v["width"], int | float),
    "field": lambda v: isinstance(v, str),
    "null": lambda v: v is None,
}
KEYS = st.sampled_from(["lat", "lng", "text", "starCount", "address", "street", "width", "a", ""])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["1", "1,2", "true", "null", "2024-05-01", "small", "aGk=", str(ID), "[", "{}"]
    ),
    st.characters(categories=["Cs"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def check(given: dict[str, Any], text: Any) -> None:
    for name, value in given.items():
        try:
            read = decode_all(EACH, {name: value}, text)
        except ArgumentError as error:
            orjson.dumps(error.message)
            assert error.argument.partition(".")[0] == name  # noqa: PT017 - it may be raised
        else:
            assert FITS[name](read[name])


@pytest.mark.parametrize("name", TYPES)
@given(value=VALUES)
def test_any_json_is_of_the_type_or_refused(name: str, value: Any) -> None:
    check({name: value}, ())


@pytest.mark.parametrize("name", TYPES)
@given(value=VALUES)
def test_any_json_text_is_of_the_type_or_refused(name: str, value: Any) -> None:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        return
    check({name: text}, {name})


TEXTS = st.text(alphabet='aT-+.,:eE0129 []{}"%&=', max_size=12)


@pytest.mark.parametrize("name", TYPES)
@given(
    parts=st.lists(st.tuples(st.sampled_from(["", "[]", "[0]", "[a]", "[lat]", "[width]"]), TEXTS))
)
def test_any_query_is_of_the_type_or_refused(name: str, parts: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}{brackets}={text}" for brackets, text in parts)
    try:
        parsed = parse_query(query)
    except BadRequest:
        return
    check({key: value for key, value in parsed.items() if key == name}, {name})
