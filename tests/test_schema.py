from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import marshmallow
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields

from flask_loop import (
    DataSource,
    GeoPoint,
    Model,
    Prop,
    ValidationError,
    create_data_source,
    create_model,
    prop,
)

Apps = Callable[..., Any]


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@pytest.fixture
def product(memory_source: DataSource) -> type[Any]:
    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=10)
        unit_price: Prop[Decimal] = prop(min=0, default="1.50", description="in francs")
        added_on: Prop[date | None] = prop(default=None)
        secret: Prop[str | None] = prop(default=None, hidden=True)

        class Meta:
            data_source = memory_source

    return Product


def flat(messages: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The codes of Marshmallow's messages, with their paths."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from flat(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list):
        for message in messages:
            yield from flat(message, path)
    else:
        yield ".".join(path), messages.code


# A model's schema alone


def test_a_schema_loads_json_by_wire_names(product: type[Any]) -> None:
    loaded = product.schema.load({"name": "a", "unitPrice": "2.50", "addedOn": "2024-01-01"})
    assert loaded == {
        "name": "a",
        "unit_price": Decimal("2.5"),
        "added_on": date(2024, 1, 1),
        "secret": None,
        "id": None,
    }
    assert product.schema.loads('{"name": "a"}')["unit_price"] == Decimal("1.5")
    assert product.schema.load({"addedOn": "2024-01-01"}, partial=True) == {
        "added_on": date(2024, 1, 1)
    }
    assert [each["name"] for each in product.schema.load([{"name": "a"}], many=True)] == ["a"]


def test_a_schema_says_what_is_wrong_with_loopbacks_codes(product: type[Any]) -> None:
    messages = product.schema.validate({"name": "x" * 11, "unitPrice": -1, "addedOn": "x"})
    assert messages == {
        "name": ["too long"],
        "unitPrice": ["must be at least 0"],
        "addedOn": ["is not a date of the form YYYY-MM-DD"],
    }
    assert dict(flat(messages)) == {
        "name": "length.max",
        "unitPrice": "range.min",
        "addedOn": "date",
    }
    assert dict(flat(product.schema.validate({}))) == {"name": "presence"}
    with pytest.raises(marshmallow.ValidationError) as caught:
        product.schema.load({"name": None})
    assert caught.value.messages == {"name": ["can't be blank"]}


def test_a_schema_dumps_instances_and_dicts_without_what_is_hidden(product: type[Any]) -> None:
    stored = product.create(name="a", added_on=date(2024, 1, 1), secret="s")
    expected = {"name": "a", "unitPrice": "1.5", "addedOn": "2024-01-01", "id": 1}
    assert product.schema.dump(stored) == expected
    assert product.schema.dump(stored.to_record()) == expected
    assert product.schema.dump([stored], many=True) == [expected]
    assert stored.to_dict() == expected
    assert product.schema.dump({"name": "b", "unit_price": None}) == {
        "name": "b",
        "unitPrice": None,
    }


def test_a_schema_describes_its_fields(product: type[Any]) -> None:
    field = product.schema.fields["unit_price"]
    assert field.data_key == "unitPrice"
    assert field.metadata == {"description": "in francs"}
    assert field.required is False
    assert product.schema.fields["name"].required is True
    assert product.schema.fields["secret"].load_only is True
    assert product.schema is product.schema


@pytest.mark.parametrize("name", ["Meta", "opts", "load", "dump", "fields", "context", "get"])
def test_properties_may_have_the_names_of_a_schemas_own_attributes(
    name: str, memory_source: DataSource
) -> None:
    model = memory_source.create_model("thing", {name: str})
    assert model.schema.load({name: "x"})[name] == "x"
    assert model.schema.dump(model.create({name: "x"})) == {name: "x", "id": 1}


# Schemas of the user's own


def wire(model: type[Any], make_app: Apps) -> Any:
    return make_app(model).test_client()


def test_assigning_a_schema_takes_effect_at_once_and_none_takes_it_back(
    product: type[Any], make_app: Apps
) -> None:
    client = wire(product, make_app)
    product.create(name="a")
    made = product.schema
    assert client.get("/api/products/1").json["name"] == "a"

    class Shouting(type(made)):  # type: ignore[misc]
        @marshmallow.post_dump
        def shout(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return {**data, "name": data["name"].upper()}

    product.schema = Shouting
    assert isinstance(product.schema, Shouting)
    assert client.get("/api/products/1").json["name"] == "A"
    assert client.get("/api/products").json[0]["name"] == "A"
    assert product.find_by_id(1).to_dict()["name"] == "A"
    product.schema = made
    assert client.get("/api/products/1").json["name"] == "a"
    product.schema = Shouting(exclude=["id"])
    assert client.get("/api/products/1").json.get("id") is None
    product.schema = None
    assert client.get("/api/products/1").json == {
        "name": "a",
        "unitPrice": "1.5",
        "addedOn": None,
        "id": 1,
    }


def test_hooks_of_a_schema_run_on_bodies_and_on_answers(product: type[Any], make_app: Apps) -> None:
    class Hooked(type(product.schema)):  # type: ignore[misc]
        @marshmallow.pre_load
        def trim(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return {k: v.strip() if isinstance(v, str) else v for k, v in data.items()}

        @marshmallow.post_load
        def lower(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return {k: v.lower() if k == "name" else v for k, v in data.items()}

        @marshmallow.validates("name")
        def check_name(self, value: str, **kwargs: Any) -> None:
            if value == "bad":
                raise marshmallow.ValidationError("is bad")

        @marshmallow.validates_schema
        def check_all(self, data: dict[str, Any], **kwargs: Any) -> None:
            if data.get("name") == "dear" and data.get("unit_price", 0) < 100:
                raise marshmallow.ValidationError("is not dear")

    product.schema = Hooked
    client = wire(product, make_app)
    assert client.post("/api/products", json={"name": " Abc "}).json["name"] == "abc"
    assert product.find_one({"name": "abc"}) is not None
    answer = client.post("/api/products", json={"name": "bad"})
    assert answer.status_code == 422
    assert answer.json["error"]["details"]["messages"] == {"name": ["is bad"]}
    assert answer.json["error"]["details"]["codes"] == {"name": ["invalid"]}
    answer = client.post("/api/products", json={"name": "dear"})
    assert answer.json["error"]["details"]["messages"] == {"_schema": ["is not dear"]}
    answer = client.post("/api/products", json={"name": " ", "unitPrice": -1})
    assert answer.json["error"]["details"]["codes"] == {
        "name": ["presence"],
        "unitPrice": ["range.min"],
    }
    with pytest.raises(ValidationError) as caught:
        product.create(name="x", unit_price=-1)
    assert caught.value.details["codes"] == {"unit_price": ["range.min"]}
    assert client.patch("/api/products/1", json={"name": " XYZ "}).json["name"] == "xyz"


def test_method_function_and_constant_fields_are_computed(
    product: type[Any], make_app: Apps
) -> None:
    class Computed(type(product.schema)):  # type: ignore[misc]
        gross = fields.Method("get_gross")
        shout = fields.Function(lambda it: it.name.upper() + "!")
        kind = fields.Constant("thing")

        def get_gross(self, it: Any) -> str:
            return str(it.unit_price * 2)

    product.schema = Computed
    client = wire(product, make_app)
    created = client.post("/api/products", json={"name": "a"}).json
    expected = {"gross": "3.0", "shout": "A!", "kind": "thing"}
    assert {key: created[key] for key in expected} == expected
    assert client.get("/api/products").json == [created]
    assert client.get("/api/products/1").json == created


def test_own_fields_own_attributes_and_own_errors(product: type[Any], make_app: Apps) -> None:
    class Loud(fields.Field[Any]):
        def _serialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
            return f"<{value}>"

        def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
            if not value.startswith("<"):
                raise marshmallow.ValidationError("needs brackets")
            return value.strip("<>")

    class Own(type(product.schema)):  # type: ignore[misc]
        name = Loud(required=True)

        def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
            return "none" if attr == "secret" else super().get_attribute(obj, attr, default)

    product.schema = Own
    client = wire(product, make_app)
    answer = client.post("/api/products", json={"name": "a"})
    assert answer.json["error"]["details"]["messages"] == {"name": ["needs brackets"]}
    assert client.post("/api/products", json={"name": "<a>"}).json["name"] == "<a>"
    assert product.find_one().name == "a"
    assert client.get("/api/products?filter[fields]=name").json == [{"name": "<a>"}]
    refused = client.post("/api/products", json={})
    assert refused.json["error"]["details"]["messages"] == {
        "name": ["Missing data for required field."]
    }


def test_what_python_callers_give_goes_through_an_own_schema_too(source: DataSource) -> None:
    class Address(Model):
        zip_code: Prop[str]
        door_code: Prop[str | None] = prop(default=None, hidden=True)

    class Person(Model):
        born: Prop[date | None] = prop(default=None)
        size: Prop[Size | None] = prop(default=None)
        place: Prop[GeoPoint | None] = prop(default=None)
        data: Prop[bytes | None] = prop(default=None)
        home: Prop[Address | None] = prop(default=None)
        homes: Prop[list[Address] | None] = prop(default=None)

        class Meta:
            data_source = source

    Person.schema = type("PersonSchema", (type(Person.schema),), {})
    source.auto_update()
    values = {
        "born": date(2024, 1, 1),
        "size": Size.SMALL,
        "place": GeoPoint(1, 2),
        "data": b"\0",
        "home": Address(zip_code="1", door_code="2"),
        "homes": [{"zip_code": "3"}, {"zipCode": "4"}],
    }
    person = Person.create(values)
    found = Person.find_by_id(person.id)
    assert found is not None
    assert found.to_record() == person.to_record()
    assert (found.born, found.size, found.place, found.data) == tuple(values.values())[:4]
    assert found.home is not None
    assert (found.home.zip_code, found.home.door_code) == ("1", "2")
    assert [each.zip_code for each in found.homes or []] == ["3", "4"]
    found.born = None
    found.save()
    assert Person.count({"born": None}) == 1


def test_errors_of_an_own_schema_inside_embedded_models_have_both_spellings(
    memory_source: DataSource, make_app: Apps
) -> None:
    class Address(Model):
        zip_code: Prop[str] = prop(min_length=4)

    class Person(Model):
        home_address: Prop[Address]

        class Meta:
            data_source = memory_source

    Person.schema = type("PersonSchema", (type(Person.schema),), {})
    for zip_code, code in ((5, "string"), ("1", "length.min")):
        with pytest.raises(ValidationError) as caught:
            Person.create(home_address={"zip_code": zip_code})
        assert caught.value.details["codes"] == {"home_address.zip_code": [code]}
        body = {"homeAddress": {"zipCode": zip_code}}
        answer = wire(Person, make_app).post("/api/people", json=body)
        assert answer.json["error"]["details"]["codes"] == {"homeAddress.zipCode": [code]}
        assert dict(flat(Person.schema.validate(body))) == {"homeAddress.zipCode": code}


def test_a_schema_that_loads_no_dict_is_an_error(product: type[Any]) -> None:
    class Objects(type(product.schema)):  # type: ignore[misc]
        @marshmallow.post_load
        def make(self, data: dict[str, Any], **kwargs: Any) -> object:
            return object()

    product.schema = Objects
    with pytest.raises(TypeError, match="loads a object, not a dict"):
        product.create(name="a")


def test_rules_that_are_added_hold_with_an_own_schema(product: type[Any]) -> None:
    product.schema = type("Own", (type(product.schema),), {})
    product.validates_length_of("name", min=3)
    with pytest.raises(ValidationError) as caught:
        product.create(name="ab")
    assert caught.value.details["codes"] == {"name": ["length.min"]}


def test_to_dict_of_the_model_decides_what_clients_see(
    memory_source: DataSource, make_app: Apps
) -> None:
    class Thing(Model):
        name: Prop[str]

        def to_dict(self) -> dict[str, Any]:
            return {**super().to_dict(), "extra": self.name * 2}

        class Meta:
            data_source = memory_source

    client = wire(Thing, make_app)
    expected = {"name": "a", "id": 1, "extra": "aa"}
    assert client.post("/api/things", json={"name": "a"}).json == expected
    assert client.get("/api/things").json == [expected]
    assert client.get("/api/things/1").json == expected


# Keys that are no property

UNKNOWN = {"name": "a", "nosuch": {"x": [1]}, "name.x": 1, "unit_price": 5, "": None}


def test_unknown_keys_are_dropped(make_app: Apps, memory_source: DataSource) -> None:
    model = memory_source.create_model("thing", {"name": str, "unit_price": float})
    loaded = {"name": "a", "unit_price": None, "id": None}
    assert model.schema.load(UNKNOWN) == loaded
    assert wire(model, make_app).post("/api/things", json=UNKNOWN).json == {
        "name": "a",
        "unitPrice": None,
        "id": 1,
    }


def test_unknown_keys_are_refused_where_strict_says_validate(
    make_app: Apps, memory_source: DataSource
) -> None:
    properties = {"name": str, "unit_price": float}
    model = memory_source.create_model("thing", properties, strict="validate")
    codes = {key: ["unknown-property"] for key in ("nosuch", "name.x", "unit_price", "")}
    messages = model.schema.validate(UNKNOWN)
    assert {key: [message.code for message in each] for key, each in messages.items()} == codes
    answer = wire(model, make_app).post("/api/things", json=UNKNOWN)
    assert answer.json["error"]["details"]["codes"] == codes
    assert answer.json["error"]["details"]["messages"]["nosuch"] == ["is not defined in the model"]
    with pytest.raises(ValidationError) as caught:
        model.create({"name": "a", "nosuch": 1})
    assert caught.value.details["codes"] == {"nosuch": ["unknown-property"]}


def test_unknown_keys_are_kept_where_strict_is_false(
    make_app: Apps, memory_source: DataSource
) -> None:
    properties = {"name": str, "unit_price": float}
    model = memory_source.create_model("thing", properties, strict=False)
    kept = {"nosuch": {"x": [1]}, "name.x": 1, "": None}
    assert model.schema.load(UNKNOWN) == {"name": "a", "unit_price": None, "id": None, **kept}
    client = wire(model, make_app)
    expected = {"name": "a", "unitPrice": None, "id": 1, **kept}
    assert client.post("/api/things", json=UNKNOWN).json == expected
    assert client.get("/api/things/1").json == expected
    assert model.schema.dump(model.find_by_id(1)) == expected
    for bad in (2**70, "a\0", math.inf, {"x": object()}):
        with pytest.raises(ValidationError):
            model.create({"name": "a", "nosuch": bad})
        assert list(model.schema.validate({"name": "a", "nosuch": bad})) == ["nosuch"]


# The table and Marshmallow agree on every input

INNER: dict[str, Any] = {
    "zip_code": {"type": str, "min_length": 2, "required": True},
    "floor": {"type": int, "default": 0},
}
PROPERTIES: dict[str, Any] = {
    "flag": bool,
    "whole": {"type": int, "min": 0, "max": 5},
    "real_number": {"type": "Number", "nullable": False},
    "money": {"type": Decimal, "scale": 2, "default": "1"},
    "text": {"type": str, "max_length": 3, "pattern": "^[a-z]*$"},
    "needed": {"type": str, "required": True},
    "chosen": {"type": str, "enum": ["a", "b"]},
    "moment": datetime,
    "day": {"type": date, "required": True, "nullable": True},
    "data": bytes,
    "place": "GeoPoint",
    "uid": {"type": UUID, "default_fn": lambda: UUID(int=5)},
    "size": Size,
    "thing": dict,
    "anything": {"type": "any", "min": 1},
    "items": {"type": [int], "max_length": 2},
    "home": INNER,
    "homes": {"type": [INNER], "max_length": 1},
    "own": {"type": fields.Email()},
    "hidden": {"type": str, "hidden": True},
    "fixed": {"type": int, "read_only": True},
}
WIRE = {"real_number": "realNumber"}
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-2, 6),
        st.floats(),
        st.text(max_size=4),
        st.sampled_from(["", "a", "5", "true", "1.50", "2024-01-01", "1,2", "AAE="]),
        st.sampled_from(["\0", "\ud800"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
ADDRESSES = st.fixed_dictionaries(
    {}, optional={"zipCode": st.text(max_size=3) | JUNK, "floor": st.integers() | JUNK}
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "whole": st.integers(-1, 6),
    "realNumber": st.floats() | st.integers(),
    "money": st.decimals(-10, 10, places=2).map(str),
    "text": st.text(alphabet="abA", max_size=4),
    "needed": st.text(max_size=2),
    "chosen": st.sampled_from(["a", "b", "c", ""]),
    "moment": st.datetimes(timezones=st.just(UTC)).map(lambda value: value.isoformat()),
    "day": st.dates().map(str),
    "data": st.sampled_from(["", "AAE=", "AA"]),
    "place": st.fixed_dictionaries({"lat": st.integers(-91, 91), "lng": st.integers(0, 9)}),
    "uid": st.uuids().map(str),
    "size": st.sampled_from(["s", "l", "m"]),
    "thing": st.dictionaries(st.text(max_size=3), JUNK, max_size=2),
    "anything": JUNK,
    "items": st.lists(st.integers(), max_size=3),
    "home": ADDRESSES,
    "homes": st.lists(ADDRESSES, max_size=2),
    "own": st.sampled_from(["a@b.org", "no address"]),
    "hidden": st.text(max_size=2),
    "fixed": st.integers(),
}
#: Bodies of which most are valid, but for at most two keys that hold anything.
VALID: dict[str, Any] = {
    "flag": True,
    "whole": "5",
    "realNumber": 1.5,
    "money": 2,
    "text": "abc",
    "needed": "x",
    "chosen": "a",
    "moment": "2024-01-01",
    "day": "2024-01-01",
    "data": "AAE=",
    "place": "1,2",
    "uid": str(UUID(int=1)),
    "size": "s",
    "thing": {"a": [1.0]},
    "anything": 7,
    "items": ["1"],
    "home": {"zipCode": "80"},
    "homes": [{"zip_code": "80", "floor": "1"}],
    "own": "a@b.org",
    "hidden": "x",
    "fixed": 1,
}
ALMOST_VALID = st.builds(
    lambda kept, changed: {**{name: VALID[name] for name in kept}, **changed},
    st.sets(st.sampled_from(sorted(VALID))).map(lambda left: VALID.keys() - left)
    | st.just(VALID.keys()),
    st.dictionaries(st.sampled_from([*VALID, "nosuch"]), JUNK, max_size=2),
)
BODIES = ALMOST_VALID | st.fixed_dictionaries(
    {},
    optional={
        **{name: values | JUNK for name, values in PLAUSIBLE.items()},
        "nosuch": JUNK,
        "a.b": JUNK,
        "": JUNK,
    },
)
STRICT = {
    strict: create_model("thing", PROPERTIES, strict=strict) for strict in (True, "validate", False)
}


def loaded_by_schema(model: type[Any], body: Any, *, partial: bool) -> Any:
    """What the schema loads, or the codes of what is wrong by path."""
    try:
        return model.schema.load(body, partial=partial)
    except marshmallow.ValidationError as error:
        return sorted(flat(error.messages))


def outcome(model: type[Any], write: Callable[[], Any]) -> Any:
    """What a write gives, or the codes of what is wrong by path."""
    try:
        return write()
    except ValidationError as error:
        failures = model.definition.to_wire(error.failures)
        return sorted((each.dotted, each.code) for each in failures)


AGREE = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("strict", STRICT)
@AGREE
@given(body=BODIES)
def test_a_new_record_is_what_its_schema_loads(
    memory_source: DataSource, strict: Any, body: dict[str, Any]
) -> None:
    model = STRICT[strict]
    model.attach_to(memory_source)
    created = outcome(model, lambda: {**model.create(body).to_record(), "id": None})
    by_schema = loaded_by_schema(model, body, partial=False)
    assert created == by_schema
    if isinstance(created, dict):
        assert {name: repr(created[name]) for name in created} == {
            name: repr(by_schema[name]) for name in created
        }


@pytest.mark.parametrize("strict", STRICT)
@AGREE
@given(body=BODIES)
def test_changes_are_what_a_schema_loads_in_part(
    memory_source: DataSource, strict: Any, body: dict[str, Any]
) -> None:
    model = STRICT[strict]
    model.attach_to(memory_source)
    first = model.create(VALID)
    changed = outcome(model, lambda: first.patch_attributes(body).to_record())
    by_schema = loaded_by_schema(model, body, partial=True)
    if isinstance(changed, dict):
        assert changed == {**model.schema.load(VALID), "id": first.id, **by_schema}
    else:
        assert changed == by_schema
    assert outcome(model, lambda: model.update_all({"id": 0}, body)) == (
        0 if isinstance(changed, dict) else changed
    )


def test_valid_bodies_are_valid() -> None:
    for model in STRICT.values():
        assert model.schema.validate(VALID) == {}


# The compiled dump and Marshmallow agree on every record

TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
HOMES = st.fixed_dictionaries(
    {"zip_code": TEXT, "door_code": TEXT, "born": st.dates(), "inner": st.dictionaries(TEXT, JSON)}
)
DUMPED: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "flag": (bool, st.booleans()),
    "whole_number": (int, INTEGERS),
    "number": ("Number", INTEGERS | FLOATS),
    "money": (Decimal, st.decimals(-(10**6), 10**6, places=3)),
    "fixed_money": ({"type": Decimal, "scale": 2}, st.decimals(-(10**6), 10**6, places=2)),
    "text": (str, TEXT),
    "moment": (datetime, st.datetimes(timezones=st.just(UTC))),
    "day": (date, st.dates()),
    "data": (bytes, st.binary(max_size=4)),
    "place": ("GeoPoint", st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))),
    "uid": (UUID, st.uuids()),
    "size": (Size, st.sampled_from(Size)),
    "thing": (dict, st.dictionaries(TEXT, JSON, max_size=2)),
    "anything": ("any", JSON),
    "items": (list, st.lists(JSON, max_size=2)),
    "days": ([date], st.lists(st.dates(), max_size=2)),
    "home": (
        {"zip_code": str, "door_code": {"type": str, "hidden": True}, "born": date, "inner": dict},
        HOMES,
    ),
    "homes": (
        [{"zip_code": str, "door_code": {"type": str, "protected": True}, "born": date,
          "inner": dict}],
        st.lists(HOMES, max_size=2),
    ),
    "secret": ({"type": str, "hidden": True}, TEXT),
    "pin": ({"type": str, "write_only": True}, TEXT),
    "guarded": ({"type": str, "protected": True}, TEXT),
}  # fmt: skip
VISIBLE = [name for name in DUMPED if name not in ("secret", "pin")]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    record=st.fixed_dictionaries(
        {name: st.none() | values for name, (_, values) in DUMPED.items()}
    ),
    chosen=st.lists(st.sampled_from([*VISIBLE, "id"]), unique=True, max_size=4),
)
def test_what_clients_get_is_what_the_schema_dumps(
    dumped: tuple[type[Any], Any], record: dict[str, Any], chosen: list[str]
) -> None:
    model, client = dumped
    model.destroy_all()
    model.create(record)
    stored = model.find()
    by_schema = model.schema.dump(stored, many=True)
    assert client.get("/api/things").data == orjson.dumps(by_schema)
    assert client.get(f"/api/things/{stored[0].id}").data == orjson.dumps(by_schema[0])
    assert orjson.dumps(stored[0].to_dict()) == orjson.dumps(by_schema[0])

    names = [model.definition.properties[name].wire for name in chosen]
    query = "&".join(f"filter[fields][]={name}" for name in names)
    parts = model.schema.dump(model.find(fields=chosen), many=True)
    assert client.get(f"/api/things?{query}").data == orjson.dumps(parts)
    if chosen:
        assert parts[0] == {name: by_schema[0][name] for name in names}


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def dumped(request: pytest.FixtureRequest) -> Iterator[tuple[type[Any], Any]]:
    """A model of every type of property, and a client of an app that exposes it."""
    from flask import Flask

    from flask_loop import Loop

    settings = {"memory": {}, "sqlite": {"url": "sqlite://"}}[request.param]
    source = create_data_source(connector=request.param, **settings)
    model = source.create_model("thing", {name: kind for name, (kind, _) in DUMPED.items()})
    source.auto_update()
    app = Flask("shop")
    app.testing = True
    Loop(app, url_prefix="/api").model(model)
    yield model, app.test_client()
    source.close()


def test_a_list_without_any_field_is_a_list_of_empty_objects(
    source: DataSource, make_app: Apps
) -> None:
    model = source.create_model("thing", {"name": str})
    source.auto_update()
    model.create([{"name": "a"}, {"name": "b"}])
    client = wire(model, make_app)
    query = "filter[fields][name]=false&filter[fields][id]=false"
    assert client.get(f"/api/things?{query}").json == [{}, {}]


# Names never become code

HOSTILE = [
    "it's",
    'say "hi"',
    "new\nline",
    "brace{}",
    "{0}",
    "back\\slash",
    "a'] + evil('",
    "x__import__('os')",
    "ünïcödé",
    "emoji🚲",
    "tab\tbed",
    "with space",
    "%s",
    "#comment",
    "lambda: 0",
]


@pytest.mark.parametrize("strict", [True, False])
def test_any_wire_name_is_a_name_and_nothing_else(
    source: DataSource, make_app: Apps, strict: bool
) -> None:
    if not (strict or source.connector.capabilities.undeclared):
        pytest.skip("keeps declared properties alone")
    properties = {
        f"p{position}": {"type": date, "data_key": name} for position, name in enumerate(HOSTILE)
    }
    model = source.create_model("thing", properties, strict=strict)
    source.auto_update()
    client = wire(model, make_app)
    body = dict.fromkeys(HOSTILE, "2024-01-01")
    created = client.post("/api/things", json=body)
    assert created.json == {**body, "id": 1}
    assert client.get("/api/things/1").json == created.json
    assert client.get("/api/things").json == [created.json]
    assert client.get("/api/things", query_string={"filter[fields]": HOSTILE[0]}).json == [
        {HOSTILE[0]: "2024-01-01"}
    ]
    assert model.schema.load(body)["p0"] == date(2024, 1, 1)
    wrong = client.post("/api/things", json=dict.fromkeys(HOSTILE, "x"))
    assert set(wrong.json["error"]["details"]["codes"]) == set(HOSTILE)
