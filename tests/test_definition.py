from __future__ import annotations

import enum
import gc
import re
import sys
import threading
import uuid
import weakref
from dataclasses import fields as dataclass_fields
from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Optional

import pytest
from marshmallow import fields

from flask_loop import (
    DataSource,
    DefinitionError,
    GeoPoint,
    Model,
    Prop,
    ValidationError,
    create_data_source,
    create_model,
    memory,
    prop,
)
from flask_loop.definition import Embedded, ModelDefinition, Property
from flask_loop.types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    FieldValue,
    Geo,
    Integer,
    Null,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)

if TYPE_CHECKING:
    from uuid import UUID  # noqa: TC004 - that these are not there at run time is the point

    from somewhere import (  # type: ignore[import-not-found]
        RegisteredStreet,  # noqa: TC004
        UnknownStreet,  # noqa: TC004
    )


class Hue(enum.Enum):
    RED = "red"
    BLUE = "blue"


class PostalAddress(Model):
    street: Prop[str]
    zip_code: Prop[str | None]

    class Meta:
        id_injection = False


def type_of(written: Any) -> PropertyType:
    model = create_model("thing", {"value": written})
    model.definition.resolve()
    return model.definition.properties["value"].type


def only(model: type[Any]) -> Property:
    """The property beside the id."""
    (property_,) = (each for each in model.definition.properties.values() if not each.id)
    return property_


# Three ways, one definition


class Product(Model):
    """The class body."""

    name: Prop[str] = prop(required=True, max_length=80, index=True)
    unit_price: Prop[float | None] = prop(min=0, options={"postgresql": {"columnName": "PRICE"}})
    tags: Prop[list[str] | None]
    made: Prop[datetime | None] = prop(default_fn="now", read_only=True)
    code: Prop[str | None] = prop(pattern="^[A-Z]+$", unique=True, create_only=True)
    size: Prop[str | None] = prop(enum=["S", "L"], default="S", data_key="SIZE")
    secret: Prop[str | None] = prop(write_only=True, description="kept")
    place: Prop[GeoPoint | None]
    address: Prop[PostalAddress | None]

    class Meta:
        plural = "wares"
        strict = "validate"
        hidden = ["code"]
        protected = ["tags"]
        indexes = {"by_both": {"keys": ["name", "code"], "unique": True}}
        options = {"postgresql": {"schema": "shop", "table": "PRODUCT"}}
        description = "A thing to sell"


BY_DICT = create_model(
    "Product",
    {
        "name": {"type": str, "required": True, "max_length": 80, "index": True},
        "unit_price": {"type": float, "min": 0, "postgresql": {"columnName": "PRICE"}},
        "tags": [str],
        "made": {"type": datetime, "default_fn": "now", "read_only": True},
        "code": {"type": str, "pattern": "^[A-Z]+$", "unique": True, "create_only": True},
        "size": {"type": str, "enum": ["S", "L"], "default": "S", "data_key": "SIZE"},
        "secret": {"type": str, "write_only": True, "description": "kept"},
        "place": GeoPoint,
        "address": PostalAddress,
    },
    {"postgresql": {"schema": "shop", "table": "PRODUCT"}},
    plural="wares",
    strict="validate",
    hidden=["code"],
    protected=["tags"],
    indexes={"by_both": {"keys": ["name", "code"], "unique": True}},
    description="A thing to sell",
)

BY_JSON = create_model(
    {
        "name": "Product",
        "base": "PersistedModel",
        "plural": "wares",
        "strict": "validate",
        "hiddenProperties": ["code"],
        "protectedProperties": ["tags"],
        "indexes": {"by_both": {"keys": ["name", "code"], "unique": True}},
        "description": ["A thing to sell"],
        "options": {"postgresql": {"schema": "shop", "table": "PRODUCT"}, "validateUpsert": True},
        "properties": {
            "name": {"type": "string", "required": True, "length": 80, "index": True},
            "unitPrice": {"type": "Number", "min": 0, "postgresql": {"columnName": "PRICE"}},
            "tags": {"type": ["string"]},
            "made": {"type": "date", "defaultFn": "now", "readOnly": True},
            "code": {"type": "String", "pattern": "^[A-Z]+$", "unique": True, "createOnly": True},
            "size": {"type": "string", "enum": ["S", "L"], "default": "S", "dataKey": "SIZE"},
            "secret": {"type": "string", "writeOnly": True, "description": "kept"},
            "place": "GeoPoint",
            "address": "PostalAddress",
        },
        "validations": [],
        "relations": {},
        "acls": [],
        "methods": {},
        "mixins": {},
        "scopes": {},
    }
)

#: What differs by how a property was written, and what the camelCase of JSON makes different.
AS_WRITTEN = {"written"}


def normalised(definition: ModelDefinition) -> dict[str, Any]:
    properties = {
        each.wire: {
            field.name: getattr(each, field.name)
            for field in dataclass_fields(Property)
            if field.name not in {*AS_WRITTEN, "name"}
        }
        for each in definition.properties.values()
    }
    for each in properties.values():
        if isinstance(each["type"], Embedded):
            each["type"] = each["type"].definition
    return {
        "name": definition.name,
        "path": definition.http_path,
        "plural": definition.plural,
        "settings": definition.settings,
        "ids": [each.wire for each in definition.ids],
        "properties": properties,
        "indexes": definition.indexes(),
    }


@pytest.mark.parametrize("other", [BY_DICT, BY_JSON], ids=["dict", "JSON"])
def test_three_ways_of_writing_a_model_give_one_definition(other: type[Model]) -> None:
    assert normalised(other.definition) == normalised(Product.definition)


def test_instances_of_the_three_are_alike() -> None:
    data = {"name": "a", "unitPrice": "2.5", "SIZE": "L", "place": "1,2"}
    data |= {"address": {"street": "x"}}
    dumped = {
        "name": "a",
        "unitPrice": 2.5,
        "tags": None,
        "made": None,
        "SIZE": "L",
        "place": {"lat": 1.0, "lng": 2.0},
        "address": {"street": "x", "zipCode": None},
        "id": None,
    }
    for model in (Product, BY_DICT, BY_JSON):
        assert model(data, made=None).to_dict() == dumped


def test_the_normalised_properties_are_what_the_seed_prints() -> None:
    properties = {
        "a": str,
        "b": {"type": "Number"},
        "c": {"type": "String", "min": 10, "max": 100},
        "d": datetime,
        "e": GeoPoint,
    }
    assert create_model("foo", properties).properties == {
        "a": {"type": str},
        "b": {"type": float},
        "c": {"type": str, "min": 10, "max": 100},
        "d": {"type": datetime},
        "e": {"type": GeoPoint},
        "id": {"id": 1},
    }


def test_keys_that_mean_nothing_to_us_are_kept_as_written() -> None:
    given = {"type": "string", "ui": {"widget": "area"}, "jsonSchema": None, "note": 3}
    assert create_model("thing", {"text": given}).properties["text"] == {**given, "type": str}


def test_min_and_max_mean_length_for_text_and_value_for_numbers() -> None:
    model = create_model(
        "thing", {"text": {"type": "String", "min": 2, "max": 3}, "n": {"type": int, "min": 2}}
    )
    model.attach_to(memory())
    assert model(text="ab", n=2).is_valid()
    thing = model(text="a", n=1)
    assert not thing.is_valid()
    assert thing.errors.codes == {"text": ["length.min"], "n": ["range.min"]}


# Keys of LoopBack's JSON


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mixins", {"TimeStamp": True}),
        ("validations", [{}]),
        ("foreignKeys", {"fk": {}}),
        ("trackChanges", True),
        ("excludeBaseProperties", ["id"]),
    ],
)
def test_keys_that_mean_what_is_not_built_are_an_error_unless_empty(key: str, value: Any) -> None:
    message = f"model 'thing': the key '{key}' is not supported yet"
    with pytest.raises(DefinitionError, match=message):
        create_model({"name": "thing", key: value})
    with pytest.raises(DefinitionError, match=message):
        create_model({"name": "thing", "options": {key: value}})
    with pytest.raises(DefinitionError, match=message):
        create_model("thing", {}, {key: value})
    empty = type(value)()
    assert create_model({"name": "thing", key: empty}).properties == {"id": {"id": 1}}
    assert create_model("thing", {}, {key: empty}).definition.settings.options == {}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "a model definition needs a name"),
        ({"name": ""}, "the model's name '' is blank"),
        ({"name": 3}, "the model's name 3 is not text"),
        ({"name": "a", "properties": []}, "the properties of model 'a' are a dict, not []"),
        ({"name": "a", "properties": "x"}, "the properties of model 'a' are a dict, not 'x'"),
        ({"name": "a", "base": "Nobody"}, "no type or model is called 'Nobody'"),
        ({"name": "a", "plurall": "x"}, "model 'a': there is no model setting 'plurall'; did you"),
        ({"name": "a", "updateOnLoad": True}, "there is no model setting 'updateOnLoad'"),
        ({"name": "a", "options": {"strictt": True}}, "did you mean 'strict'?"),
        ({"name": "a", "indexs": {}}, "there is no model setting 'indexs'; did you mean 'indexes'"),
        ({"name": "a", "options": []}, "the setting 'options' is a dict, not []"),
        ({"name": "a", "http": "/x"}, "the setting 'http' is a dict, not '/x'"),
        ({"name": "a", "hidden": "b"}, "the setting 'hidden' is a list of properties' names"),
        ({"name": "a", "strict": "yes"}, "the setting 'strict' is True, False, \"filter\" or"),
        ({"name": "a", "idInjection": "no"}, "the setting 'idInjection' is True or False"),
        ({"name": "a", "plural": 3}, "the setting 'plural' is text, not 3"),
        ({"name": "a", "wireCase": "snake"}, "the setting 'wireCase' is \"camel\" or None"),
        ({"name": "a", "indexes": {"x": True}}, "the setting 'indexes' is a dict of dicts"),
        ({"name": "a", "hidden": ["b"]}, "model 'a': hidden names 'b', which is no property"),
    ],
)
def test_a_document_that_means_nothing_is_refused(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        create_model(document)


def test_a_whole_definition_stands_alone() -> None:
    with pytest.raises(TypeError, match="a whole definition has its properties and settings in it"):
        create_model({"name": "a"}, {"b": str})
    with pytest.raises(TypeError, match="a whole definition has its properties and settings in it"):
        create_model({"name": "a"}, plural="bs")


def test_options_of_backends_stand_at_either_place() -> None:
    expected = {"mysql": {"table": "T", "schema": "s"}, "oracle": {"schema": "S"}}
    for settings in (
        {"mysql": {"table": "T"}, "options": {"mysql": {"schema": "s"}, "oracle": {"schema": "S"}}},
        {"mysql": {"table": "T", "schema": "s"}, "oracle": {"schema": "S"}},
    ):
        assert create_model({"name": "a", **settings}).definition.settings.options == expected


def test_a_document_may_be_based_on_another_model() -> None:
    base = create_model({"name": "BaseThing", "properties": {"a": "string"}, "strict": False})
    derived = create_model({"name": "derived", "base": "BaseThing", "properties": {"b": "any"}})
    assert issubclass(derived, base)
    assert list(derived.properties) == ["a", "b", "id"]
    assert derived.definition.settings.strict is False


# Types, in all their forms


FORMS: list[tuple[list[Any], PropertyType]] = [
    ([None, "null", "Null", {"type": None}], Null()),
    ([bool, "boolean", "Boolean", {"type": "Boolean"}], Boolean()),
    ([int, "integer", "Integer", int | None], Integer()),
    ([float, "Number", "number", {"type": "Number"}, int | float, int | float | None], Number()),
    ([Decimal, "Decimal", "decimal"], DecimalNumber()),
    ([{"type": Decimal, "precision": 5, "scale": 2}], DecimalNumber(5, 2)),
    ([str, "String", "string", "text", Optional[str], str | None], String()),  # noqa: UP045
    ([dict, "Object", "object", dict[str, Any]], Object()),
    ([dict[str, int]], Object(Integer())),
    ([list, "Array", "array", [], list[Any]], Array()),
    ([[str], ["String"], "[String]", "[string]", list[str], {"type": ["string"]}], Array(String())),
    ([[[int]], "[[Integer]]", list[list[int]]], Array(Array(Integer()))),
    ([datetime, "Date", "date", "DateTime"], DateTime()),
    ([date, "DateOnly", "dateonly"], Date()),
    ([bytes, "Buffer", "buffer", "binary"], Buffer()),
    ([GeoPoint, "GeoPoint", "geopoint"], Geo()),
    ([uuid.UUID, "UUID", "uuid"], Uuid()),
    ([Hue, {"type": Hue}], Enumeration(Hue)),
    (["any", "Any", "json", Any, object], AnyValue()),
    ([Integer(), {"type": Integer()}], Integer()),
]


@pytest.mark.parametrize(
    ("form", "expected"),
    [(form, expected) for forms, expected in FORMS for form in forms],
    ids=lambda value: str(value)[:40] if isinstance(value, str | type | list) else "",
)
def test_a_type_may_be_written_in_many_forms(form: Any, expected: PropertyType) -> None:
    assert type_of(form) == expected


@pytest.mark.parametrize(
    "form",
    [
        PostalAddress,
        "PostalAddress",
        {"street": str, "zip_code": "string"},
        {"type": "PostalAddress"},
    ],
    ids=["class", "name", "properties", "key"],
)
def test_a_type_may_be_another_model(form: Any) -> None:
    for written in (form, [form]):
        kind = type_of(written)
        embedded = kind.item if isinstance(kind, Array) else kind
        assert isinstance(embedded, Embedded)
        assert list(embedded.definition.properties) == ["street", "zip_code"]


def test_a_type_may_be_a_marshmallow_field() -> None:
    field = fields.Email()
    kind = type_of(field)
    assert isinstance(kind, FieldValue)
    assert kind.field is field

    class User(Model):
        email: Prop[str] = prop(type=fields.Email())
        logins: Prop[list[date] | None] = prop(type=fields.List(fields.Date()))

        class Meta:
            data_source = memory()

    user = User(email="ada@example.org", logins=["2024-01-01"])
    assert user.logins == [date(2024, 1, 1)]
    assert user.save().to_dict() == {
        "email": "ada@example.org",
        "logins": ["2024-01-01"],
        "id": 1,
    }
    with pytest.raises(ValidationError, match="`email` Not a valid email address"):
        User.create(email="x")


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (complex, "<class 'complex'> is no property type"),
        (set[str], "set[str] is no property type"),
        (3, "3 is no property type"),
        ([int, str], "a list type has one item type, not 2"),
        (int | str, "int | str is more than one type; write Any and a validation"),
        (list[str | None], "what is inside a list or dict is not null"),
        (dict[str, int | None], "what is inside a list or dict is not null"),
        (fields.Email, "a Marshmallow field is given as an instance: Email()"),
        (enum.Enum("Mixed", {"A": 1, "B": "b"}), "the values of the enum Mixed must be all str"),
        ({"type": "Decimal", "precision": 40}, "a decimal has 0 <= scale <= precision <= 18"),
        ({"required": True}, "property 'required': True is no property type"),
        ("Strin", "no type or model is called 'Strin'; did you mean 'String'?"),
        ("[Numbr]", "no type or model is called 'Numbr'; did you mean 'Number'?"),
        ("Nobody", "thing.value: no type or model is called 'Nobody'"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str | type) else "",
)
def test_what_is_no_type_is_refused(form: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        type_of(form)


# Nullability


class Nullability(Model):
    given: Prop[str]
    optional: Prop[str | None]
    defaulted: Prop[str] = prop(default="x")
    null: Prop[None]
    anything: Prop[Any]
    present: Prop[str] = prop(required=True)

    class Meta:
        data_source = memory()


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, {}),
        ({"given": None}, {"given": ["presence"]}),
        ({"given": ""}, {}),
        ({"present": ""}, {"present": ["presence"]}),
        ({"present": None}, {"present": ["presence"]}),
        ({"defaulted": None}, {"defaulted": ["presence"]}),
        ({"optional": None, "null": None, "anything": None}, {}),
        ({"null": 1}, {"null": ["null"]}),
    ],
    ids=str,
)
def test_an_annotation_says_whether_null_is_a_value(
    changes: dict[str, Any], codes: dict[str, list[str]]
) -> None:
    thing = Nullability({"given": "a", "present": "b", **changes})
    thing.is_valid()
    assert thing.errors.codes == codes


def test_what_has_neither_null_nor_a_default_must_be_given() -> None:
    with pytest.raises(ValidationError) as caught:
        Nullability.create()
    assert caught.value.details["codes"] == {"given": ["presence"], "present": ["presence"]}
    assert Nullability.create(given="", present="b").defaulted == "x"


@pytest.mark.parametrize(
    ("written", "nullable"),
    [
        (str, True),
        ({"type": "string"}, True),
        ({"type": "string", "required": False}, True),
        ({"type": "string", "required": True}, False),
        ({"type": "string", "nullable": False}, False),
        ({"type": "string", "required": True, "default": None}, False),
    ],
    ids=str,
)
def test_a_property_of_data_takes_null_unless_required(written: Any, nullable: bool) -> None:
    model = memory().create_model("thing", {"value": written})
    assert only(model).nullable is nullable
    assert model().is_valid() is nullable
    assert model(value=None).is_valid() is nullable


# Defaults


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("uuid", r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
        ("guid", r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
        ("uuidv4", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("nanoid", r"[A-Za-z0-9_-]{21}"),
        ("shortid", r"[A-Za-z0-9_-]{21}"),
    ],
)
def test_default_functions_of_text(name: str, form: str) -> None:
    model = create_model("thing", {"value": {"type": "string", "defaultFn": name}})
    values = [model().value for _ in range(50)]
    assert all(re.fullmatch(form, value) for value in values)
    assert len(set(values)) == 50
    assert model(value="given").value == "given"
    assert model(value=None).value is None


def test_default_functions_of_other_types() -> None:
    class Thing(Model):
        key: Prop[uuid.UUID] = prop(default_fn="uuid")
        made: Prop[datetime] = prop(default_fn="now")
        day: Prop[date] = prop(default_fn="now")
        own: Prop[int] = prop(default=lambda: 3)
        other: Prop[list[int]] = prop(default_fn=lambda: ["4"])

    before = datetime.now(UTC)
    first, second = Thing(), Thing()
    assert isinstance(first.key, uuid.UUID)
    assert first.key != second.key
    assert before <= first.made <= second.made <= datetime.now(UTC)
    assert first.day in (before.date(), datetime.now(UTC).date())
    assert (first.own, first.other) == (3, [4])
    now = create_model("thing", {"made": {"type": "Date", "default": "$now"}})
    assert now().made >= before


def test_defaults_that_can_be_changed_are_not_shared() -> None:
    shared: dict[str, Any] = {"a": []}

    class Thing(Model):
        tags: Prop[list[str]] = prop(default=[])
        data: Prop[dict[str, Any]] = prop(default=shared)
        plain: list = []
        made: Prop[dict[str, Any]] = prop(default=lambda: shared)
        anything: Prop[Any] = prop(default=[1])

        class Meta:
            data_source = memory()

    first, second = Thing(), Thing.create()
    first.tags.append("x")
    first.data["a"].append("x")
    first.plain.append("x")
    first.made["a"].append("x")
    first.anything.append("x")
    for untouched in (second, Thing(), Thing.create(), Thing.find_one()):
        assert untouched.to_dict() | {"id": 0} == {
            "tags": [],
            "data": {"a": []},
            "plain": [],
            "made": {"a": []},
            "anything": [1],
            "id": 0,
        }
    assert shared == {"a": []}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"type": str, "default": 3}, "the default 3 is not a string"),
        ({"type": int, "default": 1.5}, "the default 1.5 is not an integer"),
        ({"type": [int], "default": ["x"]}, "the default ['x'] is not an integer"),
        ({"type": "Date", "default": "x"}, "the default 'x' is not a date in RFC 3339 form"),
        (
            {"type": Hue, "default": "green"},
            "the default 'green' is not one of the allowed values: red, blue",
        ),
        ({"type": str, "enum": ["a"], "default": "b"}, "the default 'b' is none of the values in"),
        ({"type": str, "default": "x", "default_fn": "uuid"}, "give default or default_fn"),
        ({"type": str, "default_fn": "uid"}, "no default function is called 'uid'; there are guid"),
        ({"type": str, "default_fn": 3}, "default_fn is a function or its name, not 3"),
        ({"type": str, "default_fn": "now"}, "the default function 'now' gives what is not"),
        ({"type": int, "default_fn": "uuid"}, "the default function 'uuid' gives what is not an"),
    ],
    ids=str,
)
def test_a_default_that_is_no_value_is_refused(written: Any, problem: str) -> None:
    message = re.escape(f"model 'thing': property 'value': {problem}")
    with pytest.raises(DefinitionError, match=message):
        create_model("thing", {"value": written})


def test_null_is_no_default_of_what_takes_no_null() -> None:
    class Thing(Model):
        name: Prop[str] = prop(default=None)

    with pytest.raises(DefinitionError, match=r"write Prop\[T \| None\]"):
        Thing.definition  # noqa: B018 - making it is what fails


def test_a_default_function_that_gives_another_type_is_a_type_error() -> None:
    model = create_model("thing", {"value": {"type": int, "default": lambda: "x"}})
    with pytest.raises(TypeError, match="the default of 'value', 'x', is not an integer"):
        model()


def test_a_default_of_an_embedded_model_is_checked_when_the_model_is_known() -> None:
    model = create_model("thing", {"value": {"type": "LaterPart", "default": {"size": "x"}}})
    part = create_model("LaterPart", {"size": int}, id_injection=False)
    with pytest.raises(DefinitionError, match=r"thing\.value: the default .* is not an integer"):
        model.definition.resolve()
    assert part(size=1).size == 1


# Keys of properties


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"type": int, "min": "x"}, "min has 'x', which is not an integer"),
        ({"type": int, "min": 5, "max": 2}, "min is greater than max: 5 > 2"),
        ({"type": "Date", "max": "x"}, "max has 'x', which is not a date in RFC 3339 form"),
        ({"type": str, "min": "x"}, "min_length is a number of characters or items, not 'x'"),
        ({"type": str, "max_length": -1}, "max_length is a number of characters or items, not -1"),
        ({"type": str, "length": 1.5}, "max_length is a number of characters or items, not 1.5"),
        ({"type": str, "minLength": 3, "maxLength": 2}, "min_length is greater than max_length"),
        ({"type": bool, "min": 1}, "min means nothing for the type Boolean"),
        ({"type": [str], "max": 1}, "max means nothing for the type Array"),
        ({"type": int, "pattern": "x"}, "pattern means nothing for the type Integer"),
        ({"type": int, "max_length": 3}, "max_length means nothing for the type Integer"),
        ({"type": int, "enum": ["a"]}, "enum has 'a', which is not an integer"),
        ({"type": str, "enum": "abc"}, "enum is a list of values, not 'abc'"),
        ({"type": str, "required": "false"}, "required is True or False, not 'false'"),
        ({"type": str, "hidden": "yes"}, "hidden is True or False, not 'yes'"),
        ({"type": str, "unique": "yes"}, "unique is True or False, not 'yes'"),
        ({"type": str, "index": "name"}, "index is True or False, not 'name'"),
        ({"type": str, "id": "first"}, "id is True, or a position from 1, not 'first'"),
        ({"type": str, "id": 0}, "id is True, or a position from 1, not 0"),
    ],
    ids=str,
)
def test_keys_that_make_no_sense_are_refused(written: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"property 'value': {problem}")):
        create_model("thing", {"value": written})


def test_a_length_or_precision_on_disk_of_what_has_none_is_left_aside() -> None:
    discovered = {"type": "Number", "length": 22, "precision": 10, "scale": 0, "required": False}
    assert only(create_model("thing", {"value": discovered})).constraints == {}

    class Thing(Model):
        value: Prop[float] = prop(precision=10)

    with pytest.raises(DefinitionError, match="precision and scale mean nothing"):
        Thing.definition  # noqa: B018 - making it is what fails


def test_flags_come_from_the_property_or_from_the_settings() -> None:
    model = create_model(
        "thing",
        {"a": str, "b_c": str, "d": {"type": str, "hidden": True}},
        hidden=["a", "id"],
        protected=["bC"],
    )
    properties = model.definition.properties
    assert [each.hidden for each in properties.values()] == [True, False, True, True]
    assert [each.protected for each in properties.values()] == [False, True, False, False]
    assert model(a="x", d="y").to_dict() == {"bC": None}


# Ids


def ids(model: type[Any]) -> list[tuple[str, PropertyType, bool]]:
    return [(each.name, each.type, each.generated) for each in model.definition.ids]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, [("id", Integer(), True)]),
        ({"id": int}, [("id", Integer(), True)]),
        ({"id": "Number"}, [("id", Integer(), True)]),
        ({"id": {"type": "number", "id": True, "generated": True}}, [("id", Integer(), True)]),
        ({"id": {"type": int, "id": True}}, [("id", Integer(), False)]),
        ({"id": {"type": int, "generated": False}}, [("id", Integer(), False)]),
        ({"id": {"type": int, "required": True}}, [("id", Integer(), False)]),
        ({"id": {"type": int, "default": 7}}, [("id", Integer(), False)]),
        ({"id": str}, [("id", String(), False)]),
        ({"id": uuid.UUID}, [("id", Uuid(), False)]),
        ({"sku": {"type": str, "id": True}}, [("sku", String(), False)]),
        ({"id": str, "sku": {"type": str, "id": 1}}, [("sku", String(), False)]),
        (
            {"b": {"type": int, "id": 2}, "a": {"type": str, "id": 1}},
            [("a", String(), False), ("b", Integer(), False)],
        ),
    ],
    ids=str,
)
def test_the_id_is_what_is_said_to_be_or_named_so_or_injected(
    properties: dict[str, Any], expected: list[Any]
) -> None:
    model = create_model("thing", properties)
    assert ids(model) == expected
    assert not any(each.nullable for each in model.definition.ids)


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        (
            {"a": {"type": str, "id": True}, "b": {"type": str, "id": True}},
            "the properties of the id are numbered from 1, not a: 1, b: 1",
        ),
        (
            {"a": {"type": str, "id": 1}, "b": {"type": str, "id": 3}},
            "the properties of the id are numbered from 1, not a: 1, b: 3",
        ),
        ({"a": {"type": dict, "id": True}}, "'a' cannot be the id: it is of the type Object"),
        ({"id": [str]}, "'id' cannot be the id: it is of the type Array"),
        ({"id": None}, "'id' cannot be the id: it is of the type null"),
        ({"id": GeoPoint}, "'id' cannot be the id: it is of the type GeoPoint"),
        ({"id": {"x": int}}, "'id' cannot be the id: it is of the type Object"),
        (
            {"id": {"type": "Date", "id": True, "generated": True}},
            "no data source makes ids of the type Date",
        ),
    ],
    ids=str,
)
def test_an_id_that_makes_no_sense_is_refused(properties: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        create_model("thing", properties)


def test_no_id_is_injected_where_none_is_wanted() -> None:
    assert create_model("thing", {"a": str}, idInjection=False).properties == {"a": {"type": str}}


def test_ids_of_text_number_and_uuid_work(source: DataSource) -> None:
    class Word(Model):
        id: Prop[str]

    class Token(Model):
        id: Prop[uuid.UUID] = prop(default_fn="uuid")

    class Counted(Model):
        id: Prop[int]

    number = create_model({"name": "numbered", "properties": {"id": "Number"}})
    for model in (Word, Token, Counted, number):
        model.attach_to(source)
    source.auto_update()
    assert Word.create(id="a/b").id == "a/b"
    assert Word.find_by_id("a/b") is not None
    with pytest.raises(ValidationError, match="`id` can't be blank"):
        Word.create()
    token = Token.create()
    assert Token.find_by_id(str(token.id)).id == token.id  # type: ignore[union-attr]
    assert [Counted.create().id, Counted.create(id=7).id, Counted.create(id=None).id] == [1, 7, 8]
    assert [type(number.create().id), number.create(id=3.0).id] == [int, 3]


def test_an_id_of_several_properties(source: DataSource) -> None:
    class Line(Model):
        order: Prop[int] = prop(id=1)
        product: Prop[str] = prop(id=2)
        amount: Prop[int] = prop(default=1)

    Line.attach_to(source)
    source.auto_update()
    Line.create([{"order": 1, "product": "a"}, {"order": 1, "product": "b", "amount": 2}])
    assert Line.find_by_id((1, "b")).amount == 2  # type: ignore[union-attr]
    assert Line.exists(("1", "a"))
    assert not Line.exists(1)
    found = Line.find_by_ids([(1, "b"), (2, "x"), (1, "a")], {"fields": ["amount"]})
    assert [each.to_dict() for each in found] == [{"amount": 2}, {"amount": 1}]
    assert Line.find_by_ids([]) == []


# Class bodies


def test_annotations_of_the_class_itself_and_of_python_are_left_alone() -> None:
    class Thing(Model):
        name: Prop[str]
        shelf: ClassVar[int] = 3
        quoted: "ClassVar[list[int]]" = [1]
        _private: int = 4
        __mangled: int = 5
        unannotated = 6

        @property
        def loud(self) -> str:
            return self.name.upper()

    assert list(Thing.properties) == ["name", "id"]
    assert (Thing.shelf, Thing.quoted, Thing._private, Thing.unannotated) == (3, [1], 4, 6)
    assert Thing(name="a").loud == "A"


def test_plain_annotations_are_properties_too() -> None:
    class Thing(Model):
        name: str
        size: int | None
        price: float = 2.5
        tags: list[str] = prop(default=list)

    assert Thing.properties["price"] == {"type": float, "default": 2.5}
    thing = Thing(name="a")
    assert (thing.name, thing.size, thing.price, thing.tags) == ("a", None, 2.5, [])
    assert repr(Thing.price > 2) == "where({'price': {'gt': 2}})"


def test_prop_needs_an_annotation() -> None:
    with pytest.raises(DefinitionError, match=r"Thing.name = prop\(...\) needs a type"):

        class Thing(Model):
            name = prop(required=True)


def test_meta_is_a_class_that_says_what_is_known() -> None:
    with pytest.raises(DefinitionError, match=r"Thing\.Meta is a class, not \{\}"):

        class Thing(Model):
            Meta: ClassVar[Any] = {}

    class Other(Model):
        class Meta:
            pluralname = "others"

    with pytest.raises(DefinitionError, match="there is no model setting 'pluralname'"):
        Other.definition  # noqa: B018 - making it is what fails


def test_annotations_are_understood_at_first_use() -> None:
    class Book(Model):
        first: Prop[Chapter | None]
        chapters: Prop[list[Chapter]] = prop(default=list)
        by_name: Prop[dict[str, "Chapter"]] = prop(default=dict)
        sequel: Prop[Optional["Book"]]
        kind: Prop[Kind] = prop(default="novel")

        class Kind(enum.Enum):
            NOVEL = "novel"

    class Chapter(Model):
        title: Prop[str]

    book = Book(
        first={"title": "a"}, chapters=[{"title": "b"}], by_name={"c": {"title": "c"}}, sequel={}
    )
    assert isinstance(book.first, Chapter)
    assert isinstance(book.chapters[0], Chapter)
    assert isinstance(book.by_name["c"], Chapter)
    assert isinstance(book.sequel, Book)
    assert book.kind is Book.Kind.NOVEL


def test_a_function_may_define_the_same_models_again_and_again() -> None:
    def define() -> tuple[type[Model], type[Model]]:
        class Author(Model):
            first_work: Prop[Work | None]

        class Work(Model):
            title: Prop[str]

        return Author, Work

    pairs = [define() for _ in range(3)]
    for author, work in pairs:
        assert type(author({"firstWork": {"title": "a"}}).first_work) is work  # type: ignore[attr-defined]


def test_a_class_in_a_class_in_a_function_sees_the_names_around_it() -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Outer:
        class Shade(enum.Enum):
            DARK = "dark"

        class Thing(Model):
            colour: Prop[Colour]
            shade: Prop[Shade]  # type: ignore[name-defined]  # noqa: F821 - Outer's

    assert Outer.Thing(colour="red", shade="dark").shade is Outer.Shade.DARK


def test_a_property_may_be_called_as_its_type_is() -> None:
    class Thing(Model):
        date: Prop[date | None]
        PostalAddress: Prop[PostalAddress | None]

    thing = Thing(date="2024-01-01", PostalAddress={"street": "a"})
    assert (thing.date, thing.PostalAddress.street) == (date(2024, 1, 1), "a")  # type: ignore[union-attr]


def test_types_imported_for_type_checkers_alone_are_found_by_name() -> None:
    class House(Model):
        street: Prop[RegisteredStreet | None]
        key: Prop[UUID | None]

    street = create_model("RegisteredStreet", {"name": str})
    house = House(street={"name": "a"}, key=str(uuid.UUID(int=1)))
    assert isinstance(house.street, street)
    assert house.key == uuid.UUID(int=1)


def test_a_name_that_means_nothing_is_refused() -> None:
    class House(Model):
        street: Prop[UnknownStreet | None]

    with pytest.raises(
        DefinitionError, match=r"House\.street: .*no type or model is called 'UnknownStreet'"
    ):
        House.definition  # noqa: B018 - making it is what fails


@pytest.mark.parametrize("future", [True, False], ids=["text", "values"])
def test_a_module_may_or_may_not_postpone_its_annotations(
    future: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
import datetime as dt
from enum import Enum
from typing import ClassVar, List, Optional
import flask_loop
from flask_loop import Model, Prop, prop

class Size(Enum):
    SMALL = "S"

class Part(Model):
    n: Prop[int]

class Thing(Model):
    size: Prop[Size]
    made: flask_loop.Prop[dt.datetime]
    part: Prop[Part]
    parts: Prop[List[Part]]
    later: Prop["Later"]
    laters: Prop[List["Later"]]
    me: Prop[Optional["Thing"]]
    count_of: ClassVar[int] = 0

class Later(Model):
    n: Prop[int]
"""
    module = ModuleType("models_of_a_user")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    head = "from __future__ import annotations\n" if future else ""
    exec(compile(head + source, "models.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    thing = module.Thing(
        size="S", made="2024-01-01", part={"n": 1}, parts=[{"n": 2}], later={"n": 3}, laters=[]
    )
    assert thing.size is module.Size.SMALL
    assert thing.parts[0].n == 2
    assert isinstance(thing.later, module.Later)
    assert thing.me is None
    assert module.Thing.definition.properties["me"].nullable


def test_a_name_that_two_models_have_is_ambiguous() -> None:
    twins = [create_model("AmbiguousTwin", {"n": int}) for _ in range(2)]
    owner = create_model("owner", {"twin": "AmbiguousTwin"})
    with pytest.raises(DefinitionError, match=r"2 models are called 'AmbiguousTwin' .*; use the"):
        owner.definition.resolve()
    assert create_model("owner", {"twin": twins[0]}).definition.resolve() == [twins[0]]


def test_one_definition_is_made_however_many_threads_ask_for_it() -> None:
    class Thing(Model):
        name: Prop[str]

    start = threading.Barrier(8)
    made = []

    def ask() -> None:
        start.wait()
        made.append(Thing.definition)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert all(each is Thing.definition for each in made)


# Inheritance


class Base(Model):
    name: Prop[str] = prop(max_length=3)
    secret: Prop[str | None]

    class Meta:
        strict = False
        plural = "bases"
        http_path = "the-bases"
        hidden = ["secret"]
        description = "The base"
        indexes = {"one": {"keys": ["name"]}}
        options = {"mysql": {"table": "BASE", "schema": "s"}}


Base.validates_format_of("name", with_="^a")


def test_a_derived_model_has_the_properties_rules_and_settings_of_its_base() -> None:
    class Derived(Base):
        extra: Prop[int] = prop(default=0)

        class Meta:
            protected = ["extra"]
            hidden = ["extra"]
            indexes = {"two": {"keys": ["extra"]}}

    definition = Derived.definition
    settings = definition.settings
    assert list(Derived.properties) == ["name", "secret", "extra", "id"]
    assert settings.strict is False
    assert (settings.hidden, settings.protected) == (("secret", "extra"), ("extra",))
    assert list(settings.indexes) == ["one", "two"]
    assert settings.options == {"mysql": {"schema": "s"}}
    assert (definition.plural, definition.http_path) == ("deriveds", "/deriveds")
    assert settings.description is None
    Derived.attach_to(memory())
    thing = Derived(name="bbbb")
    assert not thing.is_valid()
    assert thing.errors.codes == {"name": ["length.max", "format"]}
    assert list(Base.properties) == ["name", "secret", "id"]


def test_a_rule_of_a_derived_model_is_not_its_bases() -> None:
    derived = Base.extend("derived")
    derived.validates_length_of("name", min=2)
    for model in (Base, derived):
        model.attach_to(memory())
    assert not derived(name="a").is_valid()
    assert Base(name="a").is_valid()
    Base.data_source = None


def test_a_derived_model_may_say_a_property_anew() -> None:
    class Derived(Base):
        name: Prop[int | None]
        secret: Prop[str | None] = prop(default="s")

    assert Derived.properties["name"] == {"type": int}
    assert Derived(name="5").name == 5
    assert Derived(name="5").to_dict() == {"name": 5, "id": None}


def test_a_derived_meta_may_be_derived() -> None:
    class Derived(Base):
        class Meta(Base.Meta):
            plural = "others"

    assert (Derived.definition.plural, Derived.definition.http_path) == ("others", "/the-bases")
    assert Derived.definition.settings.description == "The base"


def test_an_own_id_takes_the_place_of_an_injected_one() -> None:
    class Derived(Base):
        code: Prop[str] = prop(id=True)

    assert list(Derived.properties) == ["name", "secret", "code"]
    assert Base.extend("derived", {"id": str}).definition.id.type == String()
    assert list(Derived.extend("third", {"x": int}).properties) == ["name", "secret", "code", "x"]


def test_a_model_may_have_several_bases_and_mixins() -> None:
    class Stamped:
        """A class that is no model gives its Prop annotations."""

        made: Prop[datetime] = prop(default_fn="now", read_only=True)
        note: str = "plain annotations stay what they are"

        def age(self) -> float:
            return (datetime.now(UTC) - self.made).total_seconds()

    class Named(Model):
        name: Prop[str]

    class Priced(Model):
        price: Prop[float] = prop(default=1)
        name: Prop[int]

    class Product(Stamped, Named, Priced):
        size: Prop[int] = prop(default=0)

    assert list(Product.properties) == ["price", "name", "made", "size", "id"]
    product = Product(name="a")
    assert product.name == "a"
    assert product.note == "plain annotations stay what they are"
    assert 0 <= product.age() < 5
    assert Product.definition.properties["made"].read_only
    assert repr(Product.made > 1) == "where({'made': {'gt': 1}})"  # type: ignore[operator]


def test_extend_derives_as_a_class_body_does() -> None:
    user = Model.extend("user", {"email": str})
    vip = user.extend("vip", {"level": {"type": int, "default": 1}}, plural="veryImportant")
    assert (user.model_name, user.definition.plural) == ("user", "users")
    assert issubclass(vip, user)
    assert list(vip.properties) == ["email", "level", "id"]
    assert vip.definition.http_path == "/veryImportant"
    assert vip(email="a").level == 1
    with pytest.raises(DefinitionError, match="there is no model setting 'plurl'; did you mean"):
        user.extend("x", {}, plurl="y")


def test_model_itself_has_no_definition() -> None:
    with pytest.raises(DefinitionError, match="derive from it"):
        Model.properties  # noqa: B018 - reading it is what fails
    with pytest.raises(DefinitionError, match="derive from it"):
        Model({})


# Embedded models


def test_embedded_records_are_checked_and_named_as_others_are() -> None:
    model = memory().create_model(
        "person",
        {
            "home": PostalAddress,
            "others": ["PostalAddress"],
            "anon": {"a_b": int, "list": [{"c_d": str}]},
        },
    )
    person = model.create(
        home={"street": "x", "zipCode": "1"},
        others=[PostalAddress(street="y"), {"street": "z", "unknown": 1}],
        anon={"aB": "5", "list": [{"c_d": "e"}]},
    )
    assert isinstance(person.home, PostalAddress)
    assert [each.street for each in person.others] == ["y", "z"]
    assert person.anon == {"a_b": 5, "list": [{"c_d": "e"}]}
    assert model.find_one().to_dict() == {
        "home": {"street": "x", "zipCode": "1"},
        "others": [{"street": "y", "zipCode": None}, {"street": "z", "zipCode": None}],
        "anon": {"aB": 5, "list": [{"cD": "e"}]},
        "id": 1,
    }
    with pytest.raises(ValidationError) as caught:
        model.create(home={}, others=[{"street": "a"}, {"street": 5}], anon={"list": [{"cD": 1}]})
    assert caught.value.details["codes"] == {
        "home.street": ["presence"],
        "others.1.street": ["string"],
        "anon.list.0.c_d": ["string"],
    }


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("x", {"home": ["object"]}),
        ([], {"home": ["object"]}),
        ({"street": "a", "zipCode": "1", "zip_code": "2"}, {"home": ["object"]}),
        ({"street": None}, {"home.street": ["presence"]}),
        (Base(name="a"), {"home": ["object"]}),
    ],
    ids=["text", "list", "both spellings", "null inside", "another model"],
)
def test_what_is_no_record_of_the_embedded_model_is_refused(
    value: Any, codes: dict[str, list[str]]
) -> None:
    model = memory().create_model("person", {"home": PostalAddress})
    with pytest.raises(ValidationError) as caught:
        model.create(home=value)
    assert caught.value.details["codes"] == codes


def test_strictness_holds_inside_embedded_records() -> None:
    settings = {"id_injection": False}
    keeping = create_model("keeping", {"a_b": int}, strict=False, **settings)
    refusing = create_model("refusing", {"a": int}, strict="validate", **settings)
    model = memory().create_model("thing", {"keeping": keeping, "refusing": refusing})
    thing = model.create(keeping={"aB": 1, "more": {"x": 2}})
    assert thing.keeping.more == {"x": 2}
    assert model.find_one().to_dict()["keeping"] == {"aB": 1, "more": {"x": 2}}
    with pytest.raises(ValidationError) as caught:
        model.create(refusing={"a": 1, "more": 2})
    assert caught.value.details["codes"] == {"refusing.more": ["unknown-property"]}


def test_hidden_and_protected_properties_of_embedded_records_are_stored_and_not_shown() -> None:
    part = create_model(
        "part", {"a": int, "b": int, "c": int}, hidden=["b"], protected=["c"], id_injection=False
    )
    model = memory().create_model("whole", {"part": part})
    whole = model.create(part={"a": 1, "b": 2, "c": 3})
    assert whole.to_dict()["part"] == {"a": 1}
    assert (whole.reload().part.b, whole.part.c) == (2, 3)


def test_a_model_inside_itself_is_32_levels_deep_at_most(source: DataSource) -> None:
    class Node(Model):
        child: Prop[Node | None]
        name: Prop[str | None] = prop(max_length=3)

    Node.attach_to(source)
    source.auto_update()

    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"child": value}
        return value

    assert Node.create(child=nested(32)).reload().to_dict()["child"] is not None
    for levels in (33, 2000):
        with pytest.raises(ValidationError) as caught:
            Node.create(child=nested(levels))
        assert caught.value.details["codes"] == {"child": ["depth"]}
    with pytest.raises(ValidationError) as caught:
        Node.create(child={"child": {"name": "long"}})
    assert caught.value.details["codes"] == {"child.child.name": ["length.max"]}


def test_models_may_embed_each_other() -> None:
    class Hen(Model):
        egg: Prop[Egg | None]

    class Egg(Model):
        hen: Prop[Hen | None]
        name: Prop[str | None] = prop(max_length=3)

    Hen.attach_to(memory())
    hen = Hen.create(egg={"hen": {"egg": {"name": "abc"}}})
    assert hen.egg.hen.egg.name == "abc"  # type: ignore[union-attr]
    with pytest.raises(ValidationError, match=r"`egg\.hen\.egg\.name` too long"):
        Hen.create(egg={"hen": {"egg": {"name": "abcd"}}})


# Memory


@pytest.mark.parametrize("connector", ["memory", "sqlite"])
def test_a_model_that_nobody_uses_any_more_is_let_go(connector: str) -> None:
    settings = {"url": "sqlite://"} if connector == "sqlite" else {}
    source = create_data_source(connector=connector, **settings)

    def define() -> list[weakref.ref[type[Model]]]:
        class Thing(Model):
            name: Prop[str] = prop(unique=True)
            parent: Prop[Thing | None]
            home: Prop[Home | None]

        class Home(Model):
            street: Prop[str]

        Thing.attach_to(source)
        Thing.validates_length_of("name", max=9)
        source.auto_update()
        thing = Thing.create(name="a", parent={"name": "b"}, home={"street": "c"})
        thing.name = "x"
        thing.save()
        assert [each.to_dict() for each in Thing.find({"order": "name"})] == [thing.to_dict()]
        return [weakref.ref(Thing), weakref.ref(Home)]

    references = define()
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert source.models() == []
    source.close()


def test_a_class_in_a_function_keeps_none_of_the_functions_variables() -> None:
    class Large:
        pass

    def define() -> tuple[type[Model], weakref.ref[Large]]:
        large = Large()

        class Thing(Model):
            name: Prop[str]
            parent: Prop[Thing | None]

        return Thing, weakref.ref(large)

    model, large = define()
    assert large() is None
    assert model.model_name == "Thing"
