"""Observers that change nothing make no difference: not to what is stored, nor to what is said.

And what they set makes the difference that it makes where callers give it.

``DIFFERENTIAL_EXAMPLES=2000 pytest tests/test_observers_agree.py`` looks further, at other examples
each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError as SchemaError
from marshmallow import fields, post_load, validates_schema

from flask_loop import DataSource, Loop, Model, Prop, create_data_source, prop
from flask_loop.hooks import EVENTS
from flask_loop.operations import ObservedPlan
from flask_loop.testing import exact

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "0"))

agreement = settings(
    max_examples=EXAMPLES or 25,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


class Address(Model):
    street: Prop[str] = prop(max_length=3)
    zip_code: Prop[str | None] = prop(default="1")
    pin: Prop[str | None] = prop(default=None, hidden=True)

    class Meta:
        id_injection = False


Define = Callable[[DataSource], type[Any]]


def flagged(source: DataSource, strict: Any = True) -> type[Any]:
    """A model with a property of each flag, and rules of each kind."""
    is_strict = strict

    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=4)
        unit_price: Prop[float | None] = prop(default=1.5, min=0)
        limit_price: Prop[float | None] = prop(default=None)
        code: Prop[str | None] = prop(default=None, unique=True)
        secret: Prop[str | None] = prop(default=None, hidden=True)
        score: Prop[int | None] = prop(default=None, read_only=True)
        origin: Prop[str | None] = prop(default=None, create_only=True)
        tags: Prop[list[str] | None] = prop(default_fn=lambda: ["new"])
        extra: Prop[dict[str, Any] | None] = prop(default=None)
        home: Prop[Address | None] = prop(default=None)
        others: Prop[list[Address] | None] = prop(default=None)

        class Meta:
            data_source = source
            strict = is_strict

    Product.validate(
        "unit_price",
        lambda it: (
            it.limit_price is None or it.unit_price is None or it.unit_price <= it.limit_price
        ),
        message="is above the limit",
    )
    return Product


def open_(source: DataSource) -> type[Any]:
    return flagged(source, strict=False)


def closed(source: DataSource) -> type[Any]:
    return flagged(source, strict="validate")


def merging(source: DataSource) -> type[Any]:
    """As LoopBack 2: PUT merges, upsert does not validate, clients choose ids."""
    product = flagged(source)

    class Product(product):  # type: ignore[misc, valid-type]
        class Meta:
            replace_on_put = False
            validate_upsert = False
            force_id = False
            strict_delete = True

    return Product


def composite(source: DataSource) -> type[Any]:
    class Product(Model):
        code: Prop[str] = prop(id=1)
        name: Prop[str] = prop(id=2)
        unit_price: Prop[float | None] = prop(default=1.5, min=0)
        tags: Prop[list[str] | None] = prop(default=None)

        class Meta:
            data_source = source

    return Product


def own_schema(source: DataSource) -> type[Any]:
    product = flagged(source)

    class ProductSchema(type(product.schema)):  # type: ignore[misc]
        secret = fields.String(load_default="schema", allow_none=True)
        score = fields.Integer(dump_only=True)
        confirm = fields.String(load_only=True)

        @validates_schema(skip_on_field_errors=False)
        def check(self, data: Any, **kwargs: Any) -> None:
            if data.get("confirm") == "no":
                raise SchemaError("not confirmed")

        @post_load
        def double(self, data: Any, **kwargs: Any) -> Any:
            if data.get("code"):
                data["code"] += "!"
            return data

    product.schema = ProductSchema
    return product


def touch(ctx: Any) -> None:
    """Look at all there is, and change nothing."""
    before = (repr(ctx), ctx.instance, ctx.current, ctx.where, ctx.query, ctx.count, ctx.user)
    assert before[1] is None or isinstance(ctx.instance, ctx.model)
    assert before[2] is None or isinstance(ctx.current, ctx.model)
    if ctx.data is not None:
        for name, value in ctx.data.items():
            assert ctx.data.get(name) is value
        assert len(ctx.data) == len(list(ctx.data))
    if ctx.instance is not None:
        ctx.instance.to_record()


def pass_by(ctx: Any) -> None:
    """Look at nothing."""


# Operations

TEXTS = st.sampled_from(["a", "b", "", "toolong", None, 5])
NUMBERS = st.sampled_from([0, 1.5, 2, -1, "3", "x", None, True])
ADDRESS = st.sampled_from(
    [
        None,
        {"street": "x"},
        {"street": "xxxx"},
        {"zipCode": "9"},
        {"street": "x", "zip_code": "2", "pin": "p"},
        {"street": 5},
        "x",
    ]
)
VALUES = {
    "name": TEXTS,
    "unitPrice": NUMBERS,
    "limit_price": NUMBERS,
    "code": st.sampled_from(["c", "d", None, ["c"]]),
    "secret": TEXTS,
    "score": NUMBERS,
    "origin": TEXTS,
    "tags": st.sampled_from([None, [], ["a"], ["a", 5], "a"]),
    "extra": st.sampled_from([None, {}, {"a": [1, {"b": 2}]}, [1]]),
    "home": ADDRESS,
    "others": st.lists(ADDRESS, max_size=2),
    "undeclared": st.sampled_from([1, "x", {"a": 1}, object]),
    "confirm": st.sampled_from(["yes", "no"]),
}
IDS = st.sampled_from([1, 2, 3, "2", "x", None])
FIT = {name: values for name, values in VALUES.items() if name != "name"}
DATA = st.fixed_dictionaries({"name": st.just("n")}, optional=FIT) | st.fixed_dictionaries(
    {}, optional={**VALUES, "id": IDS}
)
WHERES = st.sampled_from(
    [{}, {"name": "n"}, {"unitPrice": {"gt": 1}}, {"code": "c"}, {"id": 1}, {"nowhere": 1}]
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "where": WHERES,
        "order": st.sampled_from(["name DESC", "unit_price"]),
        "limit": st.sampled_from([0, 1, 2]),
        "skip": st.sampled_from([0, 1]),
        "fields": st.sampled_from(["name", ["id", "tags", "home"], {"secret": False}]),
    },
)


def each(*parts: Any) -> st.SearchStrategy[Any]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts))


CALLS = st.one_of(
    each("create", DATA),
    each("create", st.lists(DATA, max_size=3)),
    each("upsert", DATA),
    each("replace_or_create", DATA),
    each("upsert_with_where", WHERES, DATA),
    each("find_or_create", st.none() | WHERES, DATA),
    each("replace_by_id", IDS, DATA),
    each("update_all", WHERES, DATA),
    each("destroy_by_id", IDS),
    each("destroy_all", WHERES),
    each("find", FILTERS),
    each("find_one", FILTERS),
    each("find_by_id", IDS),
    each("find_by_ids", st.lists(IDS, max_size=3), st.sampled_from([None, {"fields": "name"}])),
    each("count", WHERES),
    each("exists", IDS),
)
ON_INSTANCES = st.one_of(
    each("save"),
    each("patch_attributes", DATA),
    each("replace_attributes", DATA),
    each("reload"),
    each("destroy"),
)
REQUESTS = st.one_of(
    each("POST", "", DATA | st.lists(DATA, max_size=3)),
    each("PATCH", "", DATA),
    each("PUT", "", DATA),
    each("PATCH", st.sampled_from(["/1", "/2", "/x"]), DATA),
    each("PUT", st.sampled_from(["/1", "/2", "/x"]), DATA),
    each("POST", '/upsertWithWhere?where={"name":"n"}', DATA),
    each("POST", '/update?where={"name":"n"}', DATA),
    each("DELETE", st.sampled_from(["/1", "/2", "/x"]), st.none()),
    each("HEAD", st.sampled_from(["/1", "/2", "/x"]), st.none()),
    each(
        "GET",
        st.sampled_from(
            ["", "/1", "/2", "/count", "/findOne", "/1/exists", "?filter[fields]=name"]
        ),
        st.none(),
    ),
)


class Side:
    """One model and its app, and what its operations gave."""

    def __init__(self, define: Define, settings: dict[str, Any]) -> None:
        self.source = create_data_source(settings)
        self.model = define(self.source)
        self.source.auto_update()
        self.app = Flask("shop")
        self.app.config.update(TESTING=True, LOOP_MAX_LIMIT=2)
        Loop(self.app).model(self.model)
        self.client = self.app.test_client()
        self.path = self.model.definition.http_path

    def call(self, name: str, *arguments: Any) -> Any:
        return self._outcome(lambda: getattr(self.model, name)(*arguments))

    def call_on_instance(self, changes: dict[str, Any], name: str, *arguments: Any) -> Any:
        found = self.model.find_one()
        instance = self.model(name="n") if found is None else found
        for key, value in changes.items():
            if key in self.model.definition.properties:
                setattr(instance, key, value)
        outcome = self._outcome(lambda: getattr(instance, name)(*arguments))
        return outcome, exact(instance), dict(instance.errors), instance.is_new_record()

    def request(self, verb: str, path: str, body: Any) -> Any:
        response = self.client.open(self.path + path, method=verb, json=body)
        return response.status_code, response.data, response.headers.get("Link")

    def stored(self) -> Any:
        definition = self.model.definition
        filter = self.model.__loop_plan__().parser.filter(None)
        return exact(self.source.connector.select(definition, filter).records())

    def _outcome(self, call: Callable[[], Any]) -> Any:
        try:
            return exact_all(call())
        except Exception as error:  # noqa: BLE001 - it is compared
            return type(error), str(error), getattr(error, "failures", None)


def exact_all(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [exact_all(item) for item in value]
    return exact(value)


@pytest.fixture(
    params=[flagged, open_, closed, merging, composite, own_schema], ids=lambda each: each.__name__
)
def define(request: pytest.FixtureRequest) -> Define:
    made: Define = request.param
    return made


@pytest.fixture(params=["memory", "sqlite"])
def settings_of_source(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"connector": "memory"} if request.param == "memory" else {"url": "sqlite://"}


@pytest.fixture(params=[touch, pass_by], ids=lambda each: each.__name__)
def observer(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    made: Callable[[Any], None] = request.param
    return made


Steps = list[tuple[str, tuple[Any, ...]]]


def jsonable(data: Any) -> Any:
    if isinstance(data, list):
        return [jsonable(item) for item in data]
    if isinstance(data, dict):
        return {key: value for key, value in data.items() if value is not object}
    return data


@agreement
@given(
    steps=st.lists(
        st.tuples(st.just("call"), CALLS)
        | st.tuples(st.just("instance"), st.tuples(DATA, ON_INSTANCES))
        | st.tuples(st.just("request"), REQUESTS),
        min_size=1,
        max_size=8,
    )
)
def test_observers_that_change_nothing_make_no_difference(
    define: Define,
    settings_of_source: dict[str, Any],
    observer: Callable[[Any], None],
    steps: Steps,
) -> None:
    if define is open_ and "url" in settings_of_source:
        pytest.skip("SQLite keeps no undeclared properties")
    plain, observed = Side(define, settings_of_source), Side(define, settings_of_source)
    for event in EVENTS:
        observed.model.observe(event)(observer)
    assert isinstance(observed.model.__loop_plan__(), ObservedPlan)
    assert not isinstance(plain.model.__loop_plan__(), ObservedPlan)
    for kind, step in steps:
        if kind == "call":
            outcomes = [side.call(*step) for side in (plain, observed)]
        elif kind == "instance":
            changes, call = step
            outcomes = [side.call_on_instance(changes, *call) for side in (plain, observed)]
        else:
            verb, path, body = step
            outcomes = [side.request(verb, path, jsonable(body)) for side in (plain, observed)]
        assert outcomes[0] == outcomes[1]
        assert plain.stored() == observed.stored()
    plain.source.close()
    observed.source.close()


# What observers set

DEFINED = {name: values for name, values in VALUES.items() if name != "confirm"}
SET = st.fixed_dictionaries({}, optional=DEFINED).map(
    lambda given: {name: value for name, value in given.items() if value is not object}
)
WRITES = st.sampled_from(["create", "create many", "patch", "replace", "upsert", "update_all"])
WAYS = st.sampled_from(["data", "instance", "whole"])


class Changing:
    """An observer that sets what a test says, in one of the ways that there are."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.changes: dict[str, Any] = {}
        self.removed: list[str] = []

    def __call__(self, ctx: Any) -> None:
        changes = deepcopy(self.changes)
        if self.way == "whole":
            kept = {name: value for name, value in ctx.data.items() if name not in self.removed}
            ctx.data = {**kept, **changes}
            return
        for name in self.removed:
            ctx.data.pop(name, None)
        for name, value in changes.items():
            if self.way == "instance" and ctx.instance is not None:
                setattr(ctx.instance, name, value)
            else:
                ctx.data[name] = value

    def on(self, data: dict[str, Any]) -> dict[str, Any]:
        """What callers would have given."""
        kept = {name: value for name, value in data.items() if name not in self.removed}
        return {**kept, **self.changes}


def write(side: Side, name: str, data: dict[str, Any]) -> Any:
    data = deepcopy(data)
    first = side.model.find_one()
    if name == "create many":
        return side.call("create", [data, data])
    if name == "update_all":
        return side.call("update_all", {"name": "n"}, data)
    if name == "create" or first is None:
        return side.call("create", data)
    ids = {each.name: getattr(first, each.name) for each in side.model.definition.ids}
    if name == "upsert":
        return side.call("upsert", {**data, **ids})
    operation = {"patch": first.patch_attributes, "replace": first.replace_attributes}[name]
    return side._outcome(lambda: operation(data))


def unordered(outcome: Any) -> Any:
    """An error's failures come in the order of what was given."""
    if isinstance(outcome, tuple) and outcome[-1]:
        return outcome[0], set(outcome[-1])
    return outcome


@pytest.mark.parametrize("define", [flagged, open_, closed], ids=lambda each: each.__name__)
@agreement
@given(
    way=WAYS,
    steps=st.lists(
        st.tuples(
            WRITES, SET, SET, st.lists(st.sampled_from(sorted(DEFINED)), max_size=2, unique=True)
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_what_observers_set_is_as_if_it_were_given(
    define: Define,
    settings_of_source: dict[str, Any],
    way: str,
    steps: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]],
) -> None:
    if define is open_ and "url" in settings_of_source:
        pytest.skip("SQLite keeps no undeclared properties")
    plain, observed = Side(define, settings_of_source), Side(define, settings_of_source)
    definition, change = plain.model.definition, Changing(way)
    observed.model.observe("before save")(change)
    for operation, data, changes, removed in steps:
        given, change.changes = map(definition.rename_keys, (data, changes))
        if define is not open_:
            change.changes.pop("undeclared", None)
        change.removed = [
            each.name
            for each in map(definition.find, removed)
            if each is not None and each.name not in change.changes
        ]
        # Observers are not told of what cannot be stored whatever they do.
        told = given if misfits(plain, given) else change.on(given)
        outcomes = write(plain, operation, told), write(observed, operation, given)
        assert unordered(outcomes[0]) == unordered(outcomes[1])
        assert plain.stored() == observed.stored()
    plain.source.close()
    observed.source.close()


def misfits(side: Side, given: dict[str, Any]) -> bool:
    """Whether something is not of its type, beside what is null."""
    _, failures = side.model.__loop_plan__().serializer.load(given, partial=True)
    return any(each.code != "presence" or len(each.path) > 1 for each in failures)
