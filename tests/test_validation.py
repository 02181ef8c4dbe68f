from __future__ import annotations

import enum
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flask_loop import DataSource, GeoPoint, Model, Prop, ValidationError, create_model, prop
from flask_loop.errors import DefinitionError, TooMuchToRead

Define = Callable[..., type[Any]]


@pytest.fixture
def define(memory_source: DataSource) -> Define:
    """Define a model in memory, of which only the properties matter."""

    def define(**properties: Any) -> type[Any]:
        return memory_source.create_model("user", properties)

    return define


def codes_of(model: type[Any], data: Mapping[str, Any]) -> dict[str, list[str]]:
    """The codes of what is wrong with a new record, as each way to check it finds them."""
    instance = model(data)
    valid = instance.is_valid()
    codes: dict[str, list[str]] = instance.errors.codes
    assert valid is not bool(codes)
    if valid:
        model.create(data)
        model.destroy_all()
    else:
        with pytest.raises(ValidationError) as caught:
            model.create(data)
        assert caught.value.details["codes"] == codes
        assert caught.value.details["messages"] == instance.errors
    return codes


def messages_of(model: type[Any], data: Mapping[str, Any]) -> dict[str, list[str]]:
    instance = model(data)
    assert not instance.is_valid()
    messages: dict[str, list[str]] = instance.errors
    return messages


# Each validator


@pytest.mark.parametrize("value", [None, "", []])
def test_presence_refuses_what_is_blank(define: Define, value: Any) -> None:
    user = define(name="any")
    user.validates_presence_of("name")
    assert codes_of(user, {"name": value}) == {"name": ["presence"]}
    assert codes_of(user, {}) == {"name": ["presence"]}
    assert messages_of(user, {}) == {"name": ["can't be blank"]}


@pytest.mark.parametrize("value", [0, False, 0.0, " ", {}, [None]])
def test_presence_takes_zero_false_and_spaces(define: Define, value: Any) -> None:
    user = define(name="any")
    user.validates_presence_of("name")
    assert codes_of(user, {"name": value}) == {}


def test_presence_is_of_several_properties(define: Define) -> None:
    user = define(first=str, last=str, age=int)
    user.validates_presence_of("first", "last", "age")
    assert codes_of(user, {"last": "x"}) == {"first": ["presence"], "age": ["presence"]}


def test_absence_takes_what_is_blank_alone(define: Define) -> None:
    user = define(name="any")
    user.validates_absence_of("name")
    for blank in (None, "", []):
        assert codes_of(user, {"name": blank}) == {}
    for value in ("x", 0, False):
        assert codes_of(user, {"name": value}) == {"name": ["absence"]}
    assert messages_of(user, {"name": "x"}) == {"name": ["can't be set"]}


@pytest.mark.parametrize(
    ("options", "value", "code", "message"),
    [
        ({"min": 3}, "ab", "length.min", "too short"),
        ({"min": 3}, "abc", None, None),
        ({"max": 3}, "abcd", "length.max", "too long"),
        ({"max": 3}, "abc", None, None),
        ({"is_": 3}, "ab", "length.is", "length is wrong"),
        ({"is_": 3}, "abcd", "length.is", "length is wrong"),
        ({"is_": 3}, "abc", None, None),
        ({"min": 2, "max": 3}, "a", "length.min", "too short"),
        ({"min": 2, "max": 3}, "abcd", "length.max", "too long"),
        ({"max": 0}, "a", "length.max", "too long"),
        ({"min": 0}, "", None, None),
        ({"min": 3}, "", None, None),
        ({"min": 3}, None, None, None),
        ({"max": 3}, "🚲🚲🚲", None, None),
        ({"min": 2}, ["a"], "length.min", "too short"),
        ({"max": 1}, ["a", "b"], "length.max", "too long"),
        ({"min": 2}, 5, None, None),
    ],
)
def test_length(
    define: Define, options: Any, value: Any, code: str | None, message: str | None
) -> None:
    user = define(name="any")
    user.validates_length_of("name", **options)
    assert codes_of(user, {"name": value}) == ({"name": [code]} if code else {})
    if code:
        assert messages_of(user, {"name": value}) == {"name": [message]}


def test_inclusion(define: Define) -> None:
    user = define(gender="any")
    user.validates_inclusion_of("gender", in_=["f", "m", 1])
    assert codes_of(user, {"gender": "f"}) == {}
    assert codes_of(user, {"gender": 1.0}) == {}
    for other in ("x", "F", 0, True):
        assert codes_of(user, {"gender": other}) == {"gender": ["inclusion"]}
        assert messages_of(user, {"gender": other}) == {"gender": ["is not included in the list"]}
    for blank in (None, ""):
        assert codes_of(user, {"gender": blank}) == {"gender": ["inclusion.blank"]}
        assert messages_of(user, {"gender": blank}) == {"gender": ["is blank"]}


def test_inclusion_takes_a_blank_value_that_is_in_the_list(define: Define) -> None:
    user = define(gender=str)
    user.validates_inclusion_of("gender", in_=["", None, "x"])
    assert codes_of(user, {"gender": ""}) == {}
    assert codes_of(user, {"gender": None}) == {}


def test_exclusion(define: Define) -> None:
    user = define(domain=str)
    user.validates_exclusion_of("domain", in_=["www", "admin"])
    assert codes_of(user, {"domain": "x"}) == {}
    assert codes_of(user, {"domain": None}) == {}
    assert codes_of(user, {"domain": ""}) == {}
    assert codes_of(user, {"domain": "www"}) == {"domain": ["exclusion"]}
    assert messages_of(user, {"domain": "www"}) == {"domain": ["is reserved"]}


def test_exclusion_of_a_blank_value_by_name(define: Define) -> None:
    user = define(domain=str)
    user.validates_exclusion_of("domain", in_=["", "www"])
    assert codes_of(user, {"domain": ""}) == {"domain": ["exclusion"]}
    assert codes_of(user, {"domain": None}) == {}


def test_the_values_of_a_list_are_of_the_propertys_type(define: Define) -> None:
    class Size(enum.Enum):
        SMALL = "s"

    user = define(born=date, price=Decimal, size=Size)
    user.validates_inclusion_of("born", in_=["2024-01-01"])
    user.validates_exclusion_of("price", in_=["1.50"])
    user.validates_inclusion_of("size", in_=["s"])
    good = {"born": date(2024, 1, 1), "price": "2", "size": "s"}
    assert codes_of(user, good) == {}
    assert codes_of(user, {**good, "price": Decimal("1.5")}) == {"price": ["exclusion"]}
    with pytest.raises(DefinitionError, match=r"inclusion of born: the value 'x' is not a date"):
        user.validates_inclusion_of("born", in_=["x"])


@pytest.mark.parametrize(
    ("value", "whole", "code", "message"),
    [
        (5, False, None, None),
        (5.5, False, None, None),
        (5, True, None, None),
        (5.0, True, None, None),
        (-5.5, True, "numericality.int", "is not an integer"),
        ("5", False, "numericality.number", "is not a number"),
        ("x", True, "numericality.number", "is not a number"),
        (True, False, "numericality.number", "is not a number"),
        ([1], False, "numericality.number", "is not a number"),
        (None, False, "numericality.blank", "is blank"),
        ("", False, "numericality.blank", "is blank"),
    ],
)
def test_numericality(
    define: Define, value: Any, whole: bool, code: str | None, message: str | None
) -> None:
    user = define(age="any")
    user.validates_numericality_of("age", int=whole)
    assert codes_of(user, {"age": value}) == ({"age": [code]} if code else {})
    if code:
        assert messages_of(user, {"age": value}) == {"age": [message]}


def test_numericality_of_decimals(define: Define) -> None:
    user = define(price=Decimal)
    user.validates_numericality_of("price", int=True)
    assert codes_of(user, {"price": "5.00"}) == {}
    assert codes_of(user, {"price": "5.01"}) == {"price": ["numericality.int"]}


@pytest.mark.parametrize("name", ["validates_format_of", "validates_format"])
def test_format(define: Define, name: str) -> None:
    user = define(name=str)
    getattr(user, name)("name", with_=r"\w\d")
    assert codes_of(user, {"name": "xa1x"}) == {}
    assert codes_of(user, {"name": "a"}) == {"name": ["format"]}
    assert messages_of(user, {"name": "a"}) == {"name": ["is invalid"]}
    for blank in (None, ""):
        assert codes_of(user, {"name": blank}) == {}


def test_format_takes_a_compiled_pattern(define: Define) -> None:
    user = define(name=str)
    user.validates_format_of("name", with_=re.compile("^a(?=b)", re.IGNORECASE))
    assert codes_of(user, {"name": "ABC"}) == {}
    assert codes_of(user, {"name": "AC"}) == {"name": ["format"]}


def test_format_looks_at_numbers_as_text_and_refuses_what_is_no_text(define: Define) -> None:
    user = define(code="any")
    user.validates_format_of("code", with_=r"^\d+$")
    assert codes_of(user, {"code": 123}) == {}
    assert codes_of(user, {"code": 1.5}) == {"code": ["format"]}
    for value in (True, ["1"], {"a": 1}):
        assert codes_of(user, {"code": value}) == {"code": ["format"]}


def test_a_format_cannot_be_made_to_take_long(define: Define) -> None:
    user = define(name=str)
    user.validates_format_of("name", with_="(a+)+$")
    assert codes_of(user, {"name": "a" * 5000 + "!"}) == {"name": ["format"]}


def test_uniqueness(source: DataSource) -> None:
    user = source.create_model("user", {"email": str, "name": str})
    user.validates_uniqueness_of("email")
    source.auto_update()
    first = user.create(email="a")
    with pytest.raises(ValidationError) as caught:
        user.create(email="a")
    assert caught.value.details == {
        "context": "user",
        "codes": {"email": ["uniqueness"]},
        "messages": {"email": ["is not unique"]},
    }
    second = user.create(email="b")
    user.create([{"email": "A"}, {"email": ""}, {"email": None}, {"email": None}])
    assert first.is_valid()
    first.save()
    second.email = "a"
    assert not second.is_valid()
    assert second.errors == {"email": ["is not unique"]}


def test_uniqueness_within_a_scope(source: DataSource) -> None:
    user = source.create_model("user", {"email": str, "realm_name": str})
    user.validates_uniqueness_of("email", scoped_to="realmName")
    source.auto_update()
    user.create([{"email": "a", "realm_name": "x"}, {"email": "a", "realm_name": "y"}])
    with pytest.raises(ValidationError) as caught:
        user.create({"email": "a", "realm_name": "x"})
    assert caught.value.details["codes"] == {"email": ["uniqueness"]}


def test_uniqueness_within_a_scope_that_is_an_object(memory_source: DataSource) -> None:
    user = memory_source.create_model("user", {"email": str, "scope": dict})
    user.validates_uniqueness_of("email", scoped_to=["scope"])
    user.create(email="a", scope={"gt": 1})
    user.create(email="a", scope={"gt": 0})
    with pytest.raises(ValidationError):
        user.create(email="a", scope={"gt": 1})


def test_uniqueness_whatever_the_case(source: DataSource) -> None:
    user = source.create_model("user", {"email": str})
    user.validates_uniqueness_of("email", ignore_case=True)
    source.auto_update()
    user.create(email="a_%\\b")
    user.create(email="axxxb")
    with pytest.raises(ValidationError):
        user.create(email="A_%\\B")


def test_custom_functions(define: Define) -> None:
    user = define(name=str, age=int, limit=int)

    def judge(instance: Any) -> Any:
        if instance.name == "raise":
            raise ValueError("cannot be that")
        return {"text": "is odd", "false": False, "true": True}.get(instance.name)

    user.validate("name", judge)
    for fine in (None, "true", "other"):
        assert codes_of(user, {"name": fine}) == {}
    assert codes_of(user, {"name": "false"}) == {"name": ["custom"]}
    assert messages_of(user, {"name": "false"}) == {"name": ["is invalid"]}
    assert messages_of(user, {"name": "text"}) == {"name": ["is odd"]}
    assert messages_of(user, {"name": "raise"}) == {"name": ["cannot be that"]}


def test_a_custom_function_sees_the_whole_record_as_an_instance(define: Define) -> None:
    user = define(low=int, high=int)
    user.validate("high", lambda it: it.high > it.low, message="must be above low", code="order")
    assert codes_of(user, {"low": 1, "high": 2}) == {}
    assert codes_of(user, {"low": 2, "high": 1}) == {"high": ["order"]}
    assert messages_of(user, {"low": 2, "high": 1}) == {"high": ["must be above low"]}


def test_an_error_in_a_custom_function_is_an_error(define: Define) -> None:
    user = define(name=str)
    user.validate("name", lambda instance: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        user(name="x").is_valid()


# Options


@pytest.mark.parametrize(
    ("declare", "value", "kind"),
    [
        (lambda user, **o: user.validates_presence_of("name", **o), None, "presence"),
        (lambda user, **o: user.validates_absence_of("name", **o), "x", "absence"),
        (lambda user, **o: user.validates_length_of("name", min=3, **o), "ab", "min"),
        (lambda user, **o: user.validates_length_of("name", max=3, **o), "abcd", "max"),
        (lambda user, **o: user.validates_length_of("name", is_=3, **o), "abcd", "is"),
        (lambda user, **o: user.validates_inclusion_of("name", in_=["a"], **o), "b", "inclusion"),
        (lambda user, **o: user.validates_inclusion_of("name", in_=["a"], **o), None, "blank"),
        (lambda user, **o: user.validates_exclusion_of("name", in_=["a"], **o), "a", "exclusion"),
        (lambda user, **o: user.validates_format_of("name", with_="b", **o), "a", "format"),
        (lambda user, **o: user.validates_numericality_of("name", **o), "a", "number"),
        (lambda user, **o: user.validates_numericality_of("name", int=True, **o), 1.5, "int"),
        (lambda user, **o: user.validates_numericality_of("name", **o), None, "blank"),
        (lambda user, **o: user.validate("name", lambda it: False, **o), "a", "custom"),
    ],
)
def test_a_message_is_a_text_or_a_dict_by_kind(
    define: Define, declare: Callable[..., None], value: Any, kind: str
) -> None:
    user = define(name="any")
    declare(user, message="is {odd} %s")
    assert messages_of(user, {"name": value}) == {"name": ["is {odd} %s"]}
    user = define(name="any")
    declare(user, message={kind: "by kind"})
    assert messages_of(user, {"name": value}) == {"name": ["by kind"]}


def test_a_kind_without_a_message_of_its_own_has_the_usual_one(define: Define) -> None:
    user = define(name=str)
    user.validates_length_of("name", min=2, max=3, message={"min": "give more"})
    assert messages_of(user, {"name": "a"}) == {"name": ["give more"]}
    assert messages_of(user, {"name": "abcd"}) == {"name": ["too long"]}


def test_a_message_for_an_unknown_kind_is_an_error(define: Define) -> None:
    with pytest.raises(DefinitionError, match="length has no message 'minimum'; there are"):
        define(name=str).validates_length_of("name", min=2, message={"minimum": "x"})


def test_presence_of_what_must_be_given_has_its_own_message(memory_source: DataSource) -> None:
    class User(Model):
        name: Prop[str]

        class Meta:
            data_source = memory_source

    User.validates_presence_of("name", message="tell us your name")
    for data in ({}, {"name": None}, {"name": ""}):
        assert codes_of(User, data) == {"name": ["presence"]}
        assert messages_of(User, data) == {"name": ["tell us your name"]}


CONDITIONAL: list[Callable[..., None]] = [
    lambda user, **o: user.validates_presence_of("name", **o),
    lambda user, **o: user.validates_numericality_of("name", **o),
    lambda user, **o: user.validates_inclusion_of("name", in_=["a"], **o),
    lambda user, **o: user.validate("name", lambda it: False, **o),
]


@pytest.mark.parametrize("declare", CONDITIONAL)
def test_a_rule_holds_if_a_property_or_a_function_says_so(
    define: Define, declare: Callable[..., None]
) -> None:
    for condition in ("active", lambda user: user.active):
        user = define(name=str, active=bool)
        declare(user, if_=condition)
        assert codes_of(user, {"active": True}) != {}
        assert codes_of(user, {"active": False}) == {}
        assert codes_of(user, {}) == {}
        user = define(name=str, active=bool)
        declare(user, unless=condition)
        assert codes_of(user, {"active": True}) == {}
        assert codes_of(user, {"active": False}) != {}


def test_a_condition_may_be_a_method(memory_source: DataSource) -> None:
    class User(Model):
        name: Prop[str | None]
        age: Prop[int]

        def is_adult(self) -> bool:
            return self.age >= 18

        class Meta:
            data_source = memory_source

    User.validates_presence_of("name", if_="is_adult")
    assert codes_of(User, {"age": 18}) == {"name": ["presence"]}
    assert codes_of(User, {"age": 17}) == {}


def test_both_conditions_must_let_a_rule_hold(define: Define) -> None:
    user = define(name=str, a=bool, b=bool)
    user.validates_presence_of("name", if_="a", unless="b")
    assert codes_of(user, {"a": True, "b": False}) == {"name": ["presence"]}
    assert codes_of(user, {"a": True, "b": True}) == {}
    assert codes_of(user, {"a": False, "b": False}) == {}


def test_uniqueness_may_have_a_condition(source: DataSource) -> None:
    user = source.create_model("user", {"email": str, "active": bool})
    user.validates_uniqueness_of("email", if_="active")
    source.auto_update()
    user.create([{"email": "a", "active": False}, {"email": "a", "active": False}])
    with pytest.raises(ValidationError):
        user.create({"email": "a", "active": True})


@pytest.mark.parametrize(
    ("declare", "given", "by_default"),
    [
        (lambda user, **o: user.validates_presence_of("x", **o), "presence", "presence"),
        (lambda user, **o: user.validates_inclusion_of("x", in_=["a"], **o), "inclusion.blank",
         "inclusion.blank"),
        (lambda user, **o: user.validates_numericality_of("x", **o), "numericality.blank",
         "numericality.blank"),
        (lambda user, **o: user.validates_length_of("x", min=1, **o), "length.blank", None),
        (lambda user, **o: user.validates_format_of("x", with_="a", **o), "format.blank", None),
        (lambda user, **o: user.validates_exclusion_of("x", in_=["a"], **o), "exclusion.blank",
         None),
        (lambda user, **o: user.validates_uniqueness_of("x", **o), "uniqueness.blank", None),
    ],
)  # fmt: skip
def test_null_passes_where_it_is_allowed(
    define: Define, declare: Callable[..., None], given: str, by_default: str | None
) -> None:
    user = define(x=str)
    declare(user)
    assert codes_of(user, {}) == ({"x": [by_default]} if by_default else {})
    user = define(x=str)
    declare(user, allow_null=True)
    assert codes_of(user, {}) == {}
    user = define(x=str)
    declare(user, allow_null=False)
    assert codes_of(user, {}) == {"x": [given]}


def test_allowing_null_does_not_allow_empty_text(define: Define) -> None:
    user = define(x=str)
    user.validates_inclusion_of("x", in_=["a"], allow_null=True)
    user.validates_presence_of("x", allow_null=True)
    assert codes_of(user, {"x": ""}) == {"x": ["inclusion.blank", "presence"]}


def test_loopbacks_spellings_of_options_are_taken_from_a_dict(define: Define) -> None:
    user = define(a=str, b=str, c=str, d=str)
    user.validates_inclusion_of("a", **{"in": ["x"], "allowNull": True})
    user.validates_length_of("b", **{"is": 1, "if": "a"})
    user.validates_format_of("c", **{"with": "x"})
    user.validates_uniqueness_of("d", scopedTo=["a"], ignoreCase=True)
    wrong = {"a": "y", "b": "xx", "c": "y"}
    assert codes_of(user, wrong) == {"a": ["inclusion"], "c": ["format"], "b": ["length.is"]}


@pytest.mark.parametrize(
    "declare",
    [
        lambda user: user.validates_presence_of("nosuch"),
        lambda user: user.validates_length_of("name"),
        lambda user: user.validates_format_of("name", with_="("),
        lambda user: user.validates_inclusion_of("name", in_="abc"),
        lambda user: user.validates_uniqueness_of("name", scoped_to=["nosuch"]),
        lambda user: user.validates_presence_of("name", if_="nosuch"),
        lambda user: user.validates_presence_of("name", unless="nosuch"),
    ],
)
def test_a_rule_that_means_nothing_is_an_error_when_declared(
    define: Define, declare: Callable[[Any], None]
) -> None:
    user = define(name=str)
    with pytest.raises(DefinitionError):
        declare(user)
    assert codes_of(user, {"name": "x"}) == {}


@pytest.mark.parametrize(
    "declare",
    [
        lambda user: user.validates_presence_of(),
        lambda user: user.validates_length_of("name", minimum=3),
        lambda user: user.validates_inclusion_of("name"),
        lambda user: user.validates_format_of("name"),
    ],
)
def test_options_that_are_unknown_or_missing_are_a_type_error(
    define: Define, declare: Callable[[Any], None]
) -> None:
    with pytest.raises(TypeError):
        declare(define(name=str))


def test_a_rule_may_name_its_property_as_the_wire_does(define: Define) -> None:
    user = define(first_name=str)
    user.validates_presence_of("firstName")
    assert codes_of(user, {}) == {"first_name": ["presence"]}


# Rules over time and across models


def test_rules_that_are_added_after_the_first_use_take_effect(define: Define) -> None:
    user = define(name=str, address={"zip": str})
    assert user.create(name="").id
    assert user.schema.load({"name": ""})
    user.validates_presence_of("name")
    assert codes_of(user, {"name": ""}) == {"name": ["presence"]}
    assert user.schema.validate({"name": ""}) == {"name": ["can't be blank"]}


def test_rules_that_are_added_to_an_embedded_model_take_effect(memory_source: DataSource) -> None:
    class Address(Model):
        zip_code: Prop[str]

    class User(Model):
        address: Prop[Address | None]

        class Meta:
            data_source = memory_source

    data = {"address": {"zip_code": "1"}}
    assert codes_of(User, data) == {}
    Address.validates_length_of("zip_code", min=4)
    assert codes_of(User, data) == {"address.zip_code": ["length.min"]}
    assert User.schema.validate({"address": {"zipCode": "1"}}) != {}


def test_subclasses_have_the_rules_of_their_base_whenever_they_are_declared(
    memory_source: DataSource,
) -> None:
    class Person(Model):
        name: Prop[str | None]
        email: Prop[str | None]

    Person.validates_presence_of("name")

    class Customer(Person):
        number: Prop[int | None]

        class Meta:
            data_source = memory_source

    member = Customer.extend("member", {"since": "date"})
    assert codes_of(Customer, {}) == {"name": ["presence"]}
    assert codes_of(member, {}) == {"name": ["presence"]}
    Person.validates_presence_of("email")
    assert codes_of(Customer, {}) == {"name": ["presence"], "email": ["presence"]}
    assert codes_of(member, {}) == {"name": ["presence"], "email": ["presence"]}
    Customer.validates_presence_of("number")
    assert "number" in codes_of(member, {})
    person = Person()
    assert not person.is_valid()
    assert set(person.errors) == {"name", "email"}


# is_valid and errors


def test_is_valid_says_what_is_wrong_without_storing_anything(define: Define) -> None:
    user = define(name=str)
    user.validates_length_of("name", min=5, message={"min": "give more"})
    joe = user(name="Joe")
    assert joe.errors == {}
    assert not joe.errors
    assert joe.is_valid() is False
    assert joe.errors == {"name": ["give more"]}
    assert joe.errors.codes == {"name": ["length.min"]}
    joe.name = "Joseph"
    assert joe.is_valid() is True
    assert not joe.errors
    assert joe.errors.codes == {}
    assert user.count() == 0


def test_a_model_needs_no_data_source_to_be_checked() -> None:
    user = create_model("user", {"name": {"type": str, "required": True}})
    assert not user().is_valid()
    assert user(name="x").is_valid()


def test_is_valid_finds_values_of_the_wrong_type(define: Define) -> None:
    user = define(age=int, address={"zip": int})
    joe = user(age="many", address={"zip": "x"})
    assert not joe.is_valid()
    assert joe.errors.codes == {"age": ["integer"], "address.zip": ["integer"]}


def test_save_keeps_the_errors_on_the_instance(define: Define) -> None:
    user = define(name={"type": str, "required": True})
    joe = user()
    with pytest.raises(ValidationError):
        joe.save()
    assert joe.errors == {"name": ["can't be blank"]}
    joe.name = "Joe"
    joe.save()
    assert not joe.errors
    joe.name = ""
    with pytest.raises(ValidationError):
        joe.save()
    assert joe.errors.codes == {"name": ["presence"]}


def test_an_instance_that_is_loaded_in_part_is_checked_in_part(define: Define) -> None:
    user = define(name={"type": str, "required": True}, age={"type": int, "min": 0})
    user.create(name="Joe", age=5)
    joe = user.find_one(fields=["id", "age"])
    assert joe.is_valid()
    joe.age = -1
    assert not joe.is_valid()
    assert joe.errors.codes == {"age": ["range.min"]}


def test_several_rules_of_one_property_all_speak(define: Define) -> None:
    user = define(name=str)
    user.validates_length_of("name", min=5)
    user.validates_format_of("name", with_="x", message="needs an x")
    user.validates_exclusion_of("name", in_=["abc"])
    assert messages_of(user, {"name": "abc"}) == {
        "name": ["too short", "needs an x", "is reserved"]
    }


# Property constraints are the same rules


CONSTRAINTS: dict[str, tuple[dict[str, Any], Any, Any, str, str]] = {
    "required": ({"type": str, "required": True}, "x", "", "presence", "can't be blank"),
    "min": ({"type": int, "min": 1}, 1, 0, "range.min", "must be at least 1"),
    "max": ({"type": "Number", "max": 1.5}, 1.5, 1.6, "range.max", "must be at most 1.5"),
    "min of text": ({"type": str, "min": 2}, "ab", "a", "length.min", "too short"),
    "max of text": ({"type": str, "max": 2}, "ab", "abc", "length.max", "too long"),
    "min_length": ({"type": [int], "min_length": 2}, [1, 2], [1], "length.min", "too short"),
    "max_length": ({"type": str, "max_length": 2}, "ab", "abc", "length.max", "too long"),
    "pattern": ({"type": str, "pattern": "^a"}, "ab", "ba", "format", "is invalid"),
    "enum": (
        {"type": str, "enum": ["a", "b"]}, "b", "c", "inclusion", "is not included in the list"
    ),
    "min of a decimal": (
        {"type": Decimal, "min": 0.5}, "0.5", "0.49", "range.min", "must be at least 0.5"
    ),
    "max of a day": (
        {"type": date, "max": "2024-01-01"}, "2024-01-01", "2024-01-02", "range.max",
        "must be at most 2024-01-01",
    ),
    "min of an instant": (
        {"type": datetime, "min": "2024-01-01T00:00:00Z"}, "2024-01-01", "2023-12-31",
        "range.min", "must be at least 2024-01-01 00:00:00+00:00",
    ),
    "min of anything": ({"type": "any", "min": 1}, 1.5, "x", "range.min", "must be at least 1"),
    "embedded": (
        {"type": {"n": {"type": int, "max": 1}}}, {"n": 1}, {"n": 2}, "range.max",
        "must be at most 1",
    ),
    "list of embedded": (
        {"type": [{"n": {"type": int, "max": 1}}]}, [{"n": 1}], [{"n": 1}, {"n": 2}],
        "range.max", "must be at most 1",
    ),
}  # fmt: skip
PATHS = {"embedded": "some_value.n", "list of embedded": "some_value.1.n"}


@pytest.fixture(params=CONSTRAINTS)
def constraint(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def constrained(constraint: str, memory_source: DataSource) -> type[Any]:
    """A model of whose property ``some_value`` a constraint holds, and a valid record with id 1."""
    spec, good, *_ = CONSTRAINTS[constraint]
    model: type[Any] = memory_source.create_model(
        "thing",
        {"id": {"type": int, "id": True}, "some_value": spec, "other": int},
        force_id=False,
    )
    model.create(id=1, some_value=good)
    return model


WRITES: dict[str, Callable[[type[Any], dict[str, Any]], Any]] = {
    "create": lambda model, data: model.create({"id": 2, **data}),
    "create many": lambda model, data: model.create([{"id": 2, **data}])[0],
    "save new": lambda model, data: model({"id": 2, **data}).save(),
    "save": lambda model, data: changed(model.find_by_id(1), data).save(),
    "patch": lambda model, data: model.find_by_id(1).patch_attributes(data),
    "update_attributes": lambda model, data: model.find_by_id(1).update_attributes(data),
    "update_attribute": lambda model, data: model.find_by_id(1).update_attribute(
        "some_value", data["some_value"]
    ),
    "replace_by_id": lambda model, data: model.replace_by_id(1, data),
    "replace_attributes": lambda model, data: model.find_by_id(1).replace_attributes(data),
    "replace_or_create": lambda model, data: model.replace_or_create({"id": 1, **data}),
    "replace_or_create new": lambda model, data: model.replace_or_create({"id": 2, **data}),
    "upsert": lambda model, data: model.upsert({"id": 1, **data}),
    "upsert new": lambda model, data: model.upsert({"id": 2, **data}),
    "upsert_with_where": lambda model, data: model.upsert_with_where({"id": 1}, data),
    "upsert_with_where new": lambda model, data: model.upsert_with_where(
        {"id": 2}, {"id": 2, **data}
    ),
    "update_all": lambda model, data: model.update_all({"id": 1}, data),
    "find_or_create": lambda model, data: model.find_or_create(
        {"where": {"id": 2}}, {"id": 2, **data}
    ),
}


def changed(instance: Any, data: Mapping[str, Any]) -> Any:
    for name, value in data.items():
        setattr(instance, name, value)
    return instance


@pytest.mark.parametrize("write", WRITES)
def test_a_constraint_holds_on_every_way_to_write(
    constrained: type[Any], constraint: str, write: str
) -> None:
    _, good, bad, code, message = CONSTRAINTS[constraint]
    path = PATHS.get(constraint, "some_value")
    before = [each.to_dict() for each in constrained.find()]
    with pytest.raises(ValidationError) as caught:
        WRITES[write](constrained, {"some_value": bad})
    if write == "create many":
        path = f"0.{path}"
    assert caught.value.details["codes"] == {path: [code]}
    assert caught.value.details["messages"] == {path: [message]}
    assert [each.to_dict() for each in constrained.find()] == before
    assert WRITES[write](constrained, {"some_value": good})


REMOTE_WRITES: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "POST /": lambda client, data: client.post("/api/things", json={"id": 2, **data}),
    "POST / many": lambda client, data: client.post("/api/things", json=[{"id": 2, **data}]),
    "PATCH /": lambda client, data: client.patch("/api/things", json={"id": 1, **data}),
    "PATCH / new": lambda client, data: client.patch("/api/things", json={"id": 2, **data}),
    "PUT /": lambda client, data: client.put("/api/things", json={"id": 1, **data}),
    "PUT / new": lambda client, data: client.put("/api/things", json={"id": 2, **data}),
    "POST /replaceOrCreate": lambda client, data: client.post(
        "/api/things/replaceOrCreate", json={"id": 1, **data}
    ),
    "PATCH /:id": lambda client, data: client.patch("/api/things/1", json=data),
    "PUT /:id": lambda client, data: client.put("/api/things/1", json=data),
    "POST /:id/replace": lambda client, data: client.post("/api/things/1/replace", json=data),
    "POST /upsertWithWhere": lambda client, data: client.post(
        "/api/things/upsertWithWhere?where[id]=1", json=data
    ),
    "POST /update": lambda client, data: client.post("/api/things/update?where[id]=1", json=data),
}


@pytest.mark.parametrize("write", REMOTE_WRITES)
def test_a_constraint_holds_on_every_route_and_is_named_as_the_wire_has_it(
    constrained: type[Any], constraint: str, write: str, make_app: Callable[..., Any]
) -> None:
    _, good, bad, code, message = CONSTRAINTS[constraint]
    client = make_app(constrained).test_client()
    path = PATHS.get(constraint, "some_value").replace("some_value", "someValue")
    path = f"0.{path}" if "many" in write else path
    response = REMOTE_WRITES[write](client, {"someValue": bad})
    assert response.status_code == 422
    error = response.json["error"]
    assert (error["name"], error["statusCode"]) == ("ValidationError", 422)
    assert error["details"] == {
        "context": "thing",
        "codes": {path: [code]},
        "messages": {path: [message]},
    }
    assert path in error["message"]
    assert constrained.count() == 1
    assert REMOTE_WRITES[write](client, {"someValue": good}).status_code == 200


def test_enum_refuses_empty_text_and_takes_null(define: Define) -> None:
    user = define(color={"type": str, "enum": ["red"]})
    assert codes_of(user, {"color": None}) == {}
    assert codes_of(user, {"color": ""}) == {"color": ["inclusion.blank"]}


def test_unique_is_the_rule_of_uniqueness(source: DataSource) -> None:
    user = source.create_model("user", {"email": {"type": str, "unique": True}})
    source.auto_update()
    user.create(email="a")
    with pytest.raises(ValidationError) as caught:
        user.create(email="a")
    assert caught.value.details["codes"] == {"email": ["uniqueness"]}


# Embedded models


class Line(Model):
    product_name: Prop[str] = prop(min_length=2)
    amount: Prop[int | None] = prop(min=1)


Line.validates_presence_of("amount", unless=lambda line: line.product_name == "gift")
Line.validate("amount", lambda line: line.amount != 13, message="is unlucky")


class Order(Model):
    first_line: Prop[Line | None] = prop(default=None)
    more_lines: Prop[list[Line] | None] = prop(default=None)


Order.validates_length_of("more_lines", max=3)


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ({}, {}),
        ({"first_line": {"product_name": "ab", "amount": 1}}, {}),
        ({"first_line": {"product_name": "gift"}}, {}),
        ({"first_line": {"product_name": "ab"}}, {"first_line.amount": ["presence"]}),
        ({"first_line": {"amount": 1}}, {"first_line.product_name": ["presence"]}),
        (
            {"first_line": {"product_name": "a", "amount": 0}},
            {"first_line.product_name": ["length.min"], "first_line.amount": ["range.min"]},
        ),
        (
            {"more_lines": [{"product_name": "ab", "amount": 1}, {"product_name": "a"}]},
            {"more_lines.1.product_name": ["length.min"], "more_lines.1.amount": ["presence"]},
        ),
        (
            {"more_lines": [{"product_name": "ab", "amount": 13}]},
            {"more_lines.0.amount": ["custom"]},
        ),
        ({"more_lines": [{"product_name": "gift"}] * 4}, {"more_lines": ["length.max"]}),
        ({"more_lines": []}, {}),
        ({"more_lines": [None]}, {"more_lines.0": ["object"]}),
        ({"first_line": "x"}, {"first_line": ["object"]}),
    ],
)
def test_rules_hold_inside_embedded_models(
    in_memory: Callable[..., DataSource], data: Any, codes: Any
) -> None:
    in_memory(Order)
    assert codes_of(Order, data) == codes


def test_rules_hold_for_instances_of_embedded_models(in_memory: Callable[..., DataSource]) -> None:
    in_memory(Order)
    order = Order(first_line=Line(product_name="ab", amount=0))
    assert not order.is_valid()
    assert order.errors.codes == {"first_line.amount": ["range.min"]}


def test_errors_inside_embedded_models_have_wire_names_for_clients(
    in_memory: Callable[..., DataSource], make_app: Callable[..., Any]
) -> None:
    in_memory(Order)
    client = make_app(Order).test_client()
    body = {
        "firstLine": {"productName": "a", "amount": 1},
        "moreLines": [{"productName": "ab", "amount": 1}, {"productName": 5}],
    }
    response = client.post("/api/orders", json=body)
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == {
        "firstLine.productName": ["length.min"],
        "moreLines.1.productName": ["string"],
    }


class Node(Model):
    label: Prop[str] = prop(max_length=3)
    children: Prop[list[Node] | None] = prop(default=None)


class Tree(Model):
    root: Prop[Node]


def test_rules_hold_in_models_that_embed_themselves(in_memory: Callable[..., DataSource]) -> None:
    in_memory(Tree, Node)
    bad = {"label": "ab", "children": [{"label": "abc", "children": [{"label": "abcd"}]}]}
    assert codes_of(Node, bad) == {"children.0.children.0.label": ["length.max"]}
    assert codes_of(Tree, {"root": bad}) == {"root.children.0.children.0.label": ["length.max"]}


class Husband(Model):
    name: Prop[str] = prop(max_length=3)
    wife: Prop[Wife | None] = prop(default=None)


class Wife(Model):
    name: Prop[str] = prop(max_length=3)
    husband: Prop[Husband | None] = prop(default=None)


def test_rules_hold_in_models_that_embed_each_other(in_memory: Callable[..., DataSource]) -> None:
    in_memory(Husband)
    bad = {"name": "Max", "wife": {"name": "Eva", "husband": {"name": "Moritz"}}}
    assert codes_of(Husband, bad) == {"wife.husband.name": ["length.max"]}


# Several records at once


def test_uniqueness_holds_among_records_that_are_created_together(source: DataSource) -> None:
    user = source.create_model("user", {"email": str, "realm": str, "nick": str, "active": bool})
    user.validates_uniqueness_of("email", ignore_case=True)
    user.validates_uniqueness_of("nick", scoped_to=["realm"], if_="active")
    source.auto_update()
    with pytest.raises(ValidationError) as caught:
        user.create(
            [
                {"email": "a", "nick": "x", "realm": "r", "active": True},
                {"email": "A", "nick": "x", "realm": "s", "active": True},
                {"email": "b", "nick": "x", "realm": "r", "active": False},
                {"email": None, "nick": "x", "realm": "r", "active": True},
                {"email": None},
            ]
        )
    assert caught.value.details["codes"] == {
        "1.email": ["uniqueness"],
        "3.nick": ["uniqueness"],
    }
    assert user.count() == 0


def test_update_all_holds_rules_that_look_at_the_whole_record(source: DataSource) -> None:
    span = source.create_model("span", {"low": int, "high": int, "note": str, "strict": bool})
    span.validate("high", lambda it: it.low <= it.high, message="is below low")
    span.validates_presence_of("note", if_="strict")
    source.auto_update()
    span.create([{"low": 1, "high": 9}, {"low": 5, "high": 9, "note": "x", "strict": True}])
    for data, code in (({"high": 4}, "high"), ({"low": 10}, "high"), ({"note": ""}, "note")):
        with pytest.raises(ValidationError) as caught:
            span.update_all({}, data)
        assert list(caught.value.details["codes"]) == [code]
    assert [(each.low, each.high, each.note) for each in span.find()] == [
        (1, 9, None),
        (5, 9, "x"),
    ]
    assert span.update_all({"low": 1}, {"high": 4, "note": ""}) == 1
    assert span.update_all({}, {"high": 6}) == 2


def test_update_all_holds_rules_of_no_more_records_than_may_be_read(source: DataSource) -> None:
    span = source.create_model("span_of_many", {"low": int, "high": int})
    span.validate("high", lambda it: it.low <= it.high, message="is below low")
    source.auto_update()
    span.create([{"low": low, "high": 9} for low in range(3)])
    source.connector.max_scan = 2
    with pytest.raises(TooMuchToRead, match="More than 2 records of span_of_many"):
        span.update_all({}, {"high": 5})
    assert span.update_all({"low": {"gt": 0}}, {"high": 5}) == 2
    assert span.count({"high": 5}) == 2


def test_update_all_holds_uniqueness(source: DataSource) -> None:
    user = source.create_model("user", {"email": str, "realm": str, "nick": str})
    user.validates_uniqueness_of("email")
    user.validates_uniqueness_of("nick", scoped_to="realm")
    source.auto_update()
    user.create(
        [
            {"email": "a", "realm": "r", "nick": "x"},
            {"email": "b", "realm": "s", "nick": "y"},
            {"email": "c", "realm": "r", "nick": "z"},
        ]
    )
    before = [each.to_dict() for each in user.find()]
    refused: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {"email": "new"}, "email"),
        ({"email": "a"}, {"email": "b"}, "email"),
        ({"email": "a"}, {"nick": "z"}, "nick"),
        ({"realm": "r"}, {"nick": "same"}, "nick"),
        ({"email": "b"}, {"realm": "r", "nick": "x"}, "nick"),
    ]
    for where, data, name in refused:
        with pytest.raises(ValidationError) as caught:
            user.update_all(where, data)
        assert caught.value.details["codes"] == {name: ["uniqueness"]}
    assert [each.to_dict() for each in user.find()] == before
    assert user.update_all({"email": "a"}, {"email": "a"}) == 1
    assert user.update_all({}, {"email": None}) == 3
    assert user.update_all({"nick": {"inq": ["x", "y"]}}, {"nick": "n"}) == 2
    assert user.update_all({"nick": "nobody"}, {"email": "new"}) == 0


def test_of_many_that_take_one_value_at_once_exactly_one_gets_it(source: DataSource) -> None:
    user = source.create_model("user", {"email": str})
    user.validates_uniqueness_of("email")
    source.auto_update()
    together = threading.Barrier(8)

    def take(number: int) -> Any:
        together.wait()
        try:
            user.create(email="one")
        except ValidationError as error:
            return error.details["codes"]
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(take, range(8)))
    assert outcomes.count("won") == 1
    assert outcomes.count({"email": ["uniqueness"]}) == 7
    assert user.count() == 1


def test_points_are_not_blank(define: Define) -> None:
    user = define(place="GeoPoint", data=bytes, at=datetime)
    user.validates_presence_of("place", "data", "at")
    good = {"place": GeoPoint(0, 0), "data": b"\0", "at": datetime.fromisoformat("1970-01-01")}
    assert codes_of(user, good) == {}


@pytest.mark.parametrize("method", [name for name in dir(Model) if name.startswith("validate")])
def test_each_validator_is_on_its_page(method: str) -> None:
    page = Path(__file__).parents[1] / "docs" / "validation.rst"
    assert f"``{method}``" in page.read_text("utf-8")
