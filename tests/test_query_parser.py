from __future__ import annotations

import enum
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields

from flask_loop import DataSource, GeoPoint, create_model
from flask_loop.definition import ModelDefinition
from flask_loop.errors import FilterError
from flask_loop.query import (
    EVERYTHING,
    NOTHING,
    OPERATORS,
    And,
    Bounds,
    Compare,
    FilterParser,
    Near,
    Not,
    Or,
    Pattern,
    Where,
    parse_query,
)


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


SOME_UUID = UUID("12345678-1234-5678-1234-567812345678")
KINDS: dict[str, Any] = {
    "flag": bool,
    "whole": int,
    "number": "Number",
    "money": Decimal,
    "text": str,
    "moment": datetime,
    "day": date,
    "data": bytes,
    "place": "GeoPoint",
    "uid": UUID,
    "size": Size,
    "thing": dict,
    "anything": "any",
    "items": list,
    "texts": [str],
    "numbers": [int],
    "address": {"street_name": str, "zip": int},
    "phones": [{"kind_of": str, "number": str}],
    "own": {"type": fields.Email()},
    "nothing": None,
}
#: For each kind, how JSON writes a value of it, and how records hold it.
SAMPLES: dict[str, tuple[Any, Any]] = {
    "flag": (True, True),
    "whole": (5, 5),
    "number": (1.5, 1.5),
    "money": ("1.50", Decimal("1.5")),
    "text": ("abc", "abc"),
    "moment": ("2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    "day": ("2024-02-29", date(2024, 2, 29)),
    "data": ("AAE=", b"\x00\x01"),
    "place": ({"lat": 1, "lng": 2}, GeoPoint(1, 2)),
    "uid": (str(SOME_UUID), SOME_UUID),
    "size": ("s", Size.SMALL),
    "thing": ({"a": 1}, {"a": 1}),
    "anything": ("abc", "abc"),
    "items": ([1, "a"], [1, "a"]),
    "texts": (["abc"], ["abc"]),
    "numbers": ([5], [5]),
    "address": ({"streetName": "x", "zip": 1}, {"street_name": "x", "zip": 1}),
    "phones": (
        [{"kindOf": "home", "number": "1"}],
        [{"kind_of": "home", "number": "1"}],
    ),
    "own": ("a@b.org", "a@b.org"),
}
#: For lists, an item of theirs.
ITEMS: dict[str, tuple[Any, Any]] = {
    "items": ("a", "a"),
    "texts": ("abc", "abc"),
    "numbers": (5, 5),
    "phones": ({"kindOf": "home", "number": "1"}, {"kind_of": "home", "number": "1"}),
}
ORDERED = {"flag", "whole", "number", "money", "text", "moment", "day", "data", "uid", "size"}
ORDERED |= {"anything", "items", "texts", "numbers"}
TEXTUAL = {"text", "anything", "items", "texts"}


@pytest.fixture(scope="module")
def definition() -> ModelDefinition:
    definition: ModelDefinition = create_model("thing", KINDS).definition
    return definition


@pytest.fixture(scope="module")
def secretive() -> ModelDefinition:
    definition: ModelDefinition = create_model(
        "user",
        {
            "user_name": str,
            "secret": {"type": str, "hidden": True},
            "pin": {"type": str, "write_only": True},
            "private_part": {"type": str, "protected": True},
            "home": {
                "street_name": str,
                "code": {"type": str, "hidden": True},
                "inner": {"type": str, "protected": True},
                "note": {"type": str, "write_only": True},
            },
            "homes": [{"street_name": str, "code": {"type": str, "hidden": True}}],
        },
    ).definition
    return definition


@pytest.fixture
def where(definition: ModelDefinition) -> Callable[[Any], Where]:
    return FilterParser(definition).where


def comparison(parsed: Where) -> Compare:
    assert isinstance(parsed, Compare)
    return parsed


def refused(function: Callable[[Any], Any], given: Any) -> str:
    """The path that the refusal of a filter names."""
    with pytest.raises(FilterError) as caught:
        function(given)
    assert caught.value.code == 400
    assert caught.value.details == {"path": caught.value.path}
    assert caught.value.path in caught.value.message
    return caught.value.path


# Every operator on every kind of property


@pytest.mark.parametrize("kind", SAMPLES)
def test_equality_takes_each_kind_in_its_json_form(
    where: Callable[[Any], Where], kind: str
) -> None:
    written, held = SAMPLES[kind]
    found = comparison(where({kind: {"eq": written}}))
    assert (found.operator, found.operand, found.path.property.name) == ("eq", held, kind)
    assert where({kind: {"neq": written}}) == Not(found)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_value_alone_means_equality(where: Callable[[Any], Where], kind: str) -> None:
    written, _ = SAMPLES[kind]
    assert where({kind: written}) == where({kind: {"eq": written}})


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_python_value_is_its_own_form(where: Callable[[Any], Where], kind: str) -> None:
    written, held = SAMPLES[kind]
    assert where({kind: {"eq": held}}) == where({kind: {"eq": written}})


@pytest.mark.parametrize("kind", ITEMS)
def test_equality_with_an_item_is_membership(where: Callable[[Any], Where], kind: str) -> None:
    written, held = ITEMS[kind]
    found = comparison(where({kind: {"eq": written}}))
    assert (found.operand, found.member) == (held, True)


@pytest.mark.parametrize("kind", [*SAMPLES, "nothing"])
def test_null_is_an_operand_of_equality_for_each_kind(
    where: Callable[[Any], Where], kind: str
) -> None:
    is_null = where({kind: None})
    assert comparison(is_null).operand is None
    assert where({kind: {"eq": None}}) == is_null
    assert where({kind: {"neq": None}}) == Not(is_null)
    assert where({kind: {"exists": True}}) == Not(is_null)
    assert where({kind: {"exists": False}}) == is_null
    assert where({kind: {"inq": [None]}}) == is_null
    assert where({kind: {"nin": [None]}}) == Not(is_null)


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("kind", SAMPLES)
def test_an_order_is_for_kinds_that_have_one(
    where: Callable[[Any], Where], kind: str, operator: str
) -> None:
    written, held = ITEMS.get(kind, SAMPLES[kind])
    condition = {kind: {operator: written}}
    if kind not in ORDERED:
        assert refused(where, condition) == f"where.{kind}.{operator}"
        return
    found = comparison(where(condition))
    assert (found.operator, found.operand) == (operator, held)
    assert where({kind: {operator: None}}) == NOTHING


@pytest.mark.parametrize("kind", SAMPLES)
def test_between_takes_two_values_of_a_kind_that_has_an_order(
    where: Callable[[Any], Where], kind: str
) -> None:
    written, held = ITEMS.get(kind, SAMPLES[kind])
    condition = {kind: {"between": [written, written]}}
    if kind not in ORDERED:
        assert refused(where, condition) == f"where.{kind}.between"
        return
    found = comparison(where(condition))
    assert (found.operator, found.operand) == ("between", (held, held))
    assert where({kind: {"between": [written, None]}}) == NOTHING
    assert where({kind: {"between": [None, written]}}) == NOTHING
    for bad in (written, [], [written], [written] * 3, {"0": written, "1": written}, None):
        assert refused(where, {kind: {"between": bad}}) == f"where.{kind}.between"


@pytest.mark.parametrize("kind", SAMPLES)
def test_inq_and_nin_take_lists_of_each_kind(where: Callable[[Any], Where], kind: str) -> None:
    written, held = ITEMS.get(kind, SAMPLES[kind])
    found = comparison(where({kind: {"inq": [written, written]}}))
    assert (found.operator, found.operand) == ("inq", (held, held))
    assert where({kind: {"nin": [written, written]}}) == Not(found)
    assert where({kind: {"inq": []}}) == NOTHING
    assert where({kind: {"nin": []}}) == Not(NOTHING)
    with_null = where({kind: {"inq": [written, None]}})
    assert with_null == Or((where({kind: {"inq": [written]}}), where({kind: None})))
    for bad in ("text", 5, None, {"a": 1}, True):
        assert refused(where, {kind: {"inq": bad}}) == f"where.{kind}.inq"


@pytest.mark.parametrize("operator", ["like", "nlike", "ilike", "nilike", "regexp"])
@pytest.mark.parametrize("kind", SAMPLES)
def test_patterns_are_for_text(where: Callable[[Any], Where], kind: str, operator: str) -> None:
    condition = {kind: {operator: "a%"}}
    if kind not in TEXTUAL:
        assert refused(where, condition) == f"where.{kind}.{operator}"
        return
    parsed = where(condition)
    if operator in ("nlike", "nilike"):
        assert isinstance(parsed, Not)
        parsed = parsed.item
    found = comparison(parsed)
    assert found.operand == Pattern("a%", ignore_case=operator in ("ilike", "nilike"))
    for bad in (5, None, True, ["a"], {"a": "b"}):
        assert refused(where, {kind: {operator: bad}}) == f"where.{kind}.{operator}"


@pytest.mark.parametrize("kind", SAMPLES)
def test_near_is_for_points(where: Callable[[Any], Where], kind: str) -> None:
    condition = {kind: {"near": "1,2"}}
    if kind == "place":
        assert comparison(where(condition)).operand == Near(GeoPoint(1, 2))
    else:
        assert refused(where, condition) == f"where.{kind}.near"


@pytest.mark.parametrize("given", [1, 0, "yes", "", "True", None, [], {}, 1.0])
def test_exists_takes_booleans_alone(where: Callable[[Any], Where], given: Any) -> None:
    assert refused(where, {"text": {"exists": given}}) == "where.text.exists"
    assert where({"text": {"exists": "true"}}) == where({"text": {"exists": True}})
    assert where({"text": {"exists": "false"}}) == where({"text": {"exists": False}})


JUNK: dict[str, list[Any]] = {
    "flag": ["yes", 1, 0, "True", "", [True], {"a": 1}],
    "whole": ["abc", 5.9, True, "", "1_0", " 1", "0x1", 2**63, [5], {"a": 1}],
    "number": ["abc", True, "", "nan", "1e999", 2**64, [1], {"a": 1}],
    "money": ["abc", True, "", "NaN", [1], {"a": 1}],
    "text": [5, True, ["a"], {"a": 1}, "a\0", "\ud800"],
    "moment": ["yesterday", 5, "2024-02-30", "2024-01-01T00:00:00", [], {"a": 1}],
    "day": ["yesterday", 5, "2024-02-30", "2024-01-01T00:00:00Z", [], {"a": 1}],
    "data": ["*", 5, [], {"a": 1}],
    "place": ["x", 5, [1], {"lat": 91, "lng": 0}],
    "uid": ["x", 5, [], {"a": 1}],
    "size": ["m", 5, [], {"a": 1}],
    "thing": ["x", 5, [1]],
    "texts": [5, True, [5], {"a": 1}],
    "numbers": ["abc", 5.5, ["abc"], {"a": 1}],
    "address": ["x", 5, [1]],
    "own": ["no address", 5],
    "nothing": [0, "", False, "null"],
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in JUNK.items() for value in values]
)
def test_a_value_of_another_type_is_refused_at_its_place(
    where: Callable[[Any], Where], kind: str, value: Any
) -> None:
    at = f"where.{kind}"
    assert refused(where, {kind: value}).startswith(at)
    if not isinstance(value, dict):
        assert refused(where, {kind: {"neq": value}}).startswith(f"{at}.neq")
    assert refused(where, {kind: {"inq": [None, value]}}).startswith(f"{at}.inq.1")
    if kind in ORDERED:
        assert refused(where, {kind: {"gt": value}}).startswith(f"{at}.gt")


def test_the_path_leads_into_the_value(where: Callable[[Any], Where]) -> None:
    assert refused(where, {"address": {"eq": {"zip": "x"}}}) == "where.address.eq.zip"
    assert refused(where, {"numbers": [1, "x"]}) == "where.numbers.1"
    assert refused(where, {"thing": {"eq": {"a": ["\0"]}}}) == "where.thing.eq.a.0"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"address": {"nosuch": 1}}, "where.address.nosuch"),
        ({"address": {"neq": {"zip": 1, "nosuch": 1}}}, "where.address.neq.nosuch"),
        ({"address": {"inq": [{"zip": 1}, {"nosuch": 1}]}}, "where.address.inq.1.nosuch"),
        ({"phones": {"eq": {"nosuch": 1}}}, "where.phones.eq.nosuch"),
        ({"phones": [{"number": "1"}, {"nosuch": 1}]}, "where.phones.1.nosuch"),
    ],
)
def test_an_unknown_name_in_an_embedded_record_is_refused(
    where: Callable[[Any], Where], given: Any, path: str
) -> None:
    assert refused(where, given) == path


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("operand", [[], [1], {}, {"a": 1}])
def test_lists_and_objects_have_no_order(
    where: Callable[[Any], Where], operator: str, operand: Any
) -> None:
    for name in ("anything", "items", "thing.a"):
        assert refused(where, {name: {operator: operand}}) == f"where.{name}.{operator}"
        assert refused(where, {name: {"between": [1, operand]}}) == f"where.{name}.between.1"


def test_between_values_of_two_types_is_nothing(where: Callable[[Any], Where]) -> None:
    for low, high in [(1, "a"), ("a", 1), (True, 5), (0, True), (False, "x")]:
        assert where({"anything": {"between": [low, high]}}) == NOTHING


# Several operators, siblings, unknown names


def test_several_operators_on_one_property_all_hold(where: Callable[[Any], Where]) -> None:
    both = where({"whole": {"gt": 1, "lt": 3}})
    assert both == And((where({"whole": {"gt": 1}}), where({"whole": {"lt": 3}})))
    three = where({"whole": {"gt": 1, "lt": 3}, "text": "x"})
    assert three == And(
        (where({"whole": {"gt": 1}}), where({"whole": {"lt": 3}}), where({"text": "x"}))
    )


def test_both_spellings_of_a_property_both_hold() -> None:
    definition = create_model("product", {"unit_price": float}).definition
    parser = FilterParser(definition)
    both = parser.where({"unit_price": 1, "unitPrice": 2})
    assert both == And((parser.where({"unit_price": 1}), parser.where({"unit_price": 2})))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"nosuch": 1}, "where.nosuch"),
        ({"__class__": 1}, "where.__class__"),
        ({"$where": "1"}, "where.$where"),
        ({5: 1}, "where.5"),
        ({"text": {"equals": "x"}}, "where.text.equals"),
        ({"text": {"gt": "a", "lessthan": "b"}}, "where.text.lessthan"),
        ({"text": {"$gt": "a"}}, "where.text.$gt"),
        ({"text": {}}, "where.text"),
        ({"thing": {"gt": 1, "a": 2}}, "where.thing.a"),
        ({"and": {}}, "where.and"),
        ({"or": "x"}, "where.or"),
        ({"nor": None}, "where.nor"),
        ({"and": [5]}, "where.and.0"),
        ({"or": [{"text": "a"}, {"and": [{"nosuch": 1}]}]}, "where.or.1.and.0.nosuch"),
        ({"text": {"like": "a", "maxDistance": 1}}, "where.text.maxDistance"),
        ({"text": {"eq": "a", "options": "i"}}, "where.text.options"),
        ({"place": {"maxDistance": 1}}, "where.place.maxDistance"),
        ({"text": {"options": "i"}}, "where.text.options"),
        ({"text": {"like": "a", "options": "x"}}, "where.text.like"),
        ({"text": {"like": "a", "options": ["i"]}}, "where.text.like"),
    ],
)
def test_what_means_nothing_is_refused_at_its_place(
    where: Callable[[Any], Where], given: Any, path: str
) -> None:
    assert refused(where, given) == path


def test_a_refusal_offers_the_nearest_name(where: Callable[[Any], Where]) -> None:
    with pytest.raises(FilterError, match="did you mean 'number'"):
        where({"nunber": 1})
    with pytest.raises(FilterError, match="did you mean 'inq'"):
        where({"text": {"inqq": []}})


@pytest.mark.parametrize("given", [5, [], ["a"], True, "[]", "5", "{", '"x"', "{'a': 1}"])
def test_a_where_that_is_no_object_is_refused(where: Callable[[Any], Where], given: Any) -> None:
    assert refused(where, given) == "where"


@pytest.mark.parametrize("given", [None, {}, "", "{}", "null", b"{}"])
def test_an_empty_where_is_everything(where: Callable[[Any], Where], given: Any) -> None:
    assert where(given) == EVERYTHING


def test_a_where_may_be_json_text(where: Callable[[Any], Where]) -> None:
    assert where('{"whole": {"gt": 5}}') == where({"whole": {"gt": 5}})


def test_integers_in_json_text_stay_exact(where: Callable[[Any], Where]) -> None:
    assert comparison(where('{"number": 9223372036854775807}')).operand == 2**63 - 1
    for name in ("whole", "number", "anything"):
        assert refused(where, f'{{"{name}": 18446744073709551616}}') == f"where.{name}"


# Logic


def test_and_or_and_nor_nest(where: Callable[[Any], Where]) -> None:
    first, second = where({"whole": 1}), where({"text": "x"})
    items = [{"whole": 1}, {"text": "x"}]
    assert where({"and": items}) == And((first, second))
    assert where({"or": items}) == Or((first, second))
    assert where({"nor": items}) == Not(Or((first, second)))
    assert where({"or": [{"and": items}, {"nor": items}]}) == Or(
        (And((first, second)), Not(Or((first, second))))
    )
    assert where({"whole": 1, "or": items}) == And((first, Or((first, second))))


def test_an_empty_or_is_nothing_and_an_empty_and_or_nor_everything(
    where: Callable[[Any], Where],
) -> None:
    assert where({"or": []}) == NOTHING
    assert where({"and": []}) == EVERYTHING
    assert where({"nor": []}) == Not(NOTHING)
    assert where({"or": [{}]}) == Or((EVERYTHING,))


# Patterns


def test_like_ignores_case_with_the_option_i(where: Callable[[Any], Where]) -> None:
    found = where({"text": {"like": "a%", "options": "i"}})
    assert found == where({"text": {"ilike": "a%"}})
    assert where({"text": {"nlike": "a%", "options": "i"}}) == Not(found)
    assert where({"text": {"like": "a%", "options": ""}}) == where({"text": {"like": "a%"}})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("^a", Pattern("^a")),
        ("/^a/", Pattern("^a")),
        ("/^a/i", Pattern("^a", ignore_case=True)),
        ("/^a/gi", Pattern("^a", ignore_case=True)),
        ("/^a/m", Pattern("(?m)^a")),
        ("/^a/u", Pattern("^a")),
        ("/a\\/b/", Pattern("a\\/b")),
        ("/a", Pattern("/a")),
        ("a/i", Pattern("a/i")),
        (re.compile("^a"), Pattern("^a")),
        (re.compile("^a", re.IGNORECASE), Pattern("^a", ignore_case=True)),
        (re.compile("^a", re.MULTILINE), Pattern("(?m)^a")),
    ],
)
def test_a_regexp_may_be_a_literal_with_flags(
    where: Callable[[Any], Where], given: Any, expected: Pattern
) -> None:
    assert comparison(where({"text": {"regexp": given}})).operand == expected


def test_a_regexp_takes_the_option_i(where: Callable[[Any], Where]) -> None:
    assert where({"text": {"regexp": "a", "options": "i"}}) == where({"text": {"regexp": "/a/i"}})
    both = {"text": {"regexp": re.compile("a"), "options": "i"}}
    assert where(both) == where({"text": {"regexp": "/a/i"}})


@pytest.mark.parametrize(
    "given",
    [
        *("(", "a**", "[z-a]", "(?<=a)b", "(a)\\1", "a{2000}", "/a/x", "/a/Z", "\\", "(?P<n>a"),
        *("x" * 1001, "/" + "x" * 1001 + "/"),
        *(re.compile("a b", re.VERBOSE), re.compile(b"a")),
    ],
)
def test_a_bad_regexp_is_refused(where: Callable[[Any], Where], given: Any) -> None:
    assert refused(where, {"text": {"regexp": given}}) == "where.text.regexp"


def test_the_length_of_a_pattern_is_bounded(where: Callable[[Any], Where]) -> None:
    assert where({"text": {"like": "%" * 1000}})
    for operator in ("like", "ilike", "nlike", "regexp"):
        with pytest.raises(FilterError, match="longer than 1000 characters"):
            where({"text": {operator: "a" * 1001}})


# near


@pytest.mark.parametrize(
    "point", ["10,20", "10, 20", [10, 20], {"lat": 10, "lng": 20}, GeoPoint(10, 20), ["10", "20"]]
)
def test_near_takes_each_form_of_a_point(where: Callable[[Any], Where], point: Any) -> None:
    found = comparison(where({"place": {"near": point}}))
    assert found.operand == Near(GeoPoint(10, 20))


@pytest.mark.parametrize(
    ("unit", "radius"),
    [("miles", 3958.75), ("kilometers", 6370.99056), ("radians", 1), ("feet", 20902200)],
)
def test_distances_are_in_the_unit(where: Callable[[Any], Where], unit: str, radius: float) -> None:
    near = {"near": "1,2", "maxDistance": 5, "minDistance": "2.5", "unit": unit}
    operand = comparison(where({"place": near})).operand
    assert operand.maximum == pytest.approx(5 / radius)
    assert operand.minimum == pytest.approx(2.5 / radius)


def test_distances_are_in_miles_where_nothing_is_said(where: Callable[[Any], Where]) -> None:
    near = {"place": {"near": "1,2", "max_distance": 5, "min_distance": 0}}
    same = {"place": {"near": "1,2", "maxDistance": 5, "minDistance": 0, "unit": "miles"}}
    assert where(near) == where(same)


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"near": "x"}, "near"),
        ({"near": None}, "near"),
        ({"near": {"lat": 1}}, "near"),
        ({"near": {"lat": 1, "lng": 2, "alt": 3}}, "near"),
        ({"near": {"lat": 91, "lng": 2}}, "near"),
        ({"near": "1,2", "unit": "leagues"}, "unit"),
        ({"near": "1,2", "unit": ["miles"]}, "unit"),
        ({"near": "1,2", "unit": None}, "unit"),
        ({"near": "1,2", "maxDistance": -1}, "maxDistance"),
        ({"near": "1,2", "maxDistance": "far"}, "maxDistance"),
        ({"near": "1,2", "maxDistance": "1_000"}, "maxDistance"),
        ({"near": "1,2", "maxDistance": True}, "maxDistance"),
        ({"near": "1,2", "maxDistance": "nan"}, "maxDistance"),
        ({"near": "1,2", "minDistance": "inf"}, "minDistance"),
        ({"near": "1,2", "minDistance": [1]}, "minDistance"),
        ({"near": "1,2", "maxDistance": 1, "max_distance": 2}, "max_distance"),
    ],
)
def test_a_bad_near_is_refused(where: Callable[[Any], Where], condition: Any, path: str) -> None:
    assert refused(where, {"place": condition}) == f"where.place.{path}"


def test_the_nearest_come_first_unless_there_is_an_order(definition: ModelDefinition) -> None:
    parser = FilterParser(definition)
    near = {"place": {"near": "1,2"}}
    assert parser.filter({"where": near}).near == parser.where(near)
    assert parser.filter({"where": {"and": [{"whole": 1}, near]}}).near == parser.where(near)
    assert parser.filter({"where": {"or": [{"whole": 1}, near]}}).near is None
    assert parser.filter({"where": near, "order": "text"}).near is None


# Dotted paths


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("thing.a", ("a",)),
        ("thing.a.b", ("a", "b")),
        ("thing.unit_price", ("unit_price",)),
        ("anything.0.a", ("0", "a")),
        ("items.0", ("0",)),
        ("address.street_name", ("street_name",)),
        ("address.streetName", ("street_name",)),
        ("texts.0", ("0",)),
        ("phones.0.kind_of", ("0", "kind_of")),
        ("phones.0.kindOf", ("0", "kind_of")),
        ("phones.12.number", ("12", "number")),
    ],
)
def test_a_dotted_path_leads_inside(
    where: Callable[[Any], Where], name: str, keys: tuple[str, ...]
) -> None:
    path = comparison(where({name: "x"})).path
    assert (path.property.name, path.keys) == (name.partition(".")[0], keys)


def test_values_at_a_declared_path_are_of_its_type(where: Callable[[Any], Where]) -> None:
    assert comparison(where({"address.zip": "5"})).operand == 5
    assert refused(where, {"address.zip": "x"}) == "where.address.zip"
    assert comparison(where({"numbers.0": "5"})).operand == 5
    assert refused(where, {"phones.0.number": 5}) == "where.phones.0.number"
    assert comparison(where({"thing.a": "5"})).operand == "5"


@pytest.mark.parametrize(
    "name",
    [
        *("nosuch.a", "text.a", "place.lat", "whole.0", "address.nosuch", "address.zip.a"),
        *("thing.", "thing..a", ".thing", "anything.", "", "phones.number", "phones..number"),
        *("phones.0.nosuch", "texts.a", "texts.0.a", "numbers.-1"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(where: Callable[[Any], Where], name: str) -> None:
    assert refused(where, {name: "x"}) == f"where.{name}"


@pytest.mark.parametrize("key", ["unit", "options", "maxDistance", "min_distance"])
def test_an_object_may_have_keys_that_mean_something_beside_operators(
    where: Callable[[Any], Where], key: str
) -> None:
    assert comparison(where({"thing": {key: "kg"}})).operand == {key: "kg"}
    assert comparison(where({"thing": {"eq": {key: "kg"}}})).operand == {key: "kg"}


def test_an_object_whose_key_is_an_operator_is_compared_by_eq(
    where: Callable[[Any], Where],
) -> None:
    assert comparison(where({"thing": {"eq": {"like": "x"}}})).operand == {"like": "x"}
    assert refused(where, {"thing": {"like": "x"}}) == "where.thing.like"


# Order, paging, fields


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ["id"]),
        ("", ["id"]),
        ([], ["id"]),
        ("text", ["text", "id"]),
        ("text ASC", ["text", "id"]),
        ("text asc", ["text", "id"]),
        ("text DESC", ["-text", "id"]),
        (" text   desc ", ["-text", "id"]),
        ("text DESC, whole", ["-text", "whole", "id"]),
        ("text,whole DESC", ["text", "-whole", "id"]),
        (["text DESC", "whole"], ["-text", "whole", "id"]),
        (["text DESC, whole", "day"], ["-text", "whole", "day", "id"]),
        (("text",), ["text", "id"]),
        ('["text DESC", "whole"]', ["-text", "whole", "id"]),
        ("id DESC", ["-id"]),
        ("text, id DESC", ["text", "-id"]),
        ("thing.a", ["thing.a", "id"]),
        ("address.streetName DESC", ["-address.street_name", "id"]),
        ("anything", ["anything", "id"]),
        ("phones.0.kindOf", ["phones.0.kind_of", "id"]),
    ],
)
def test_each_form_of_an_order(
    definition: ModelDefinition, given: Any, expected: list[str]
) -> None:
    found = FilterParser(definition).filter({"order": given}).order
    assert [
        "-" * key.descending + ".".join((key.path.property.name, *key.path.keys)) for key in found
    ] == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("nosuch", "order.0"),
        ("text, nosuch DESC", "order.1"),
        ("text UP", "order.0"),
        ("text DESC now", "order.0"),
        ("text,", "order.1"),
        (",", "order.0"),
        (" ", "order.0"),
        (["text", ""], "order.1"),
        (["text", 5], "order"),
        ([["text"]], "order"),
        (5, "order"),
        ({"text": 1}, "order"),
        ("[", "order"),
        ("[5]", "order"),
        ("place", "order.0"),
        ("thing", "order.0"),
        ("texts", "order.0"),
        ("address", "order.0"),
        ("own", "order.0"),
        ("place.lat", "order.0"),
    ],
)
def test_a_bad_order_is_refused(definition: ModelDefinition, given: Any, path: str) -> None:
    assert refused(FilterParser(definition).filter, {"order": given}) == path


def test_ties_are_broken_by_each_part_of_the_id() -> None:
    definition = create_model(
        "m", {"a": {"type": int, "id": 1}, "b": {"type": int, "id": 2}, "c": int}
    ).definition
    found = FilterParser(definition).filter({"order": ["c", "b DESC"]}).order
    assert [(key.path.property.name, key.descending) for key in found] == [
        ("c", False),
        ("b", True),
        ("a", False),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (None, 0)),
        ({"limit": 0}, (0, 0)),
        ({"limit": 5, "skip": 3}, (5, 3)),
        ({"limit": "5", "skip": "3"}, (5, 3)),
        ({"limit": 5.0}, (5, 0)),
        ({"limit": "", "skip": ""}, (None, 0)),
        ({"limit": None, "skip": None}, (None, 0)),
        ({"offset": 3}, (None, 3)),
        ({"offset": 3, "skip": 4}, (None, 4)),
        ({"offset": 3, "skip": 0}, (None, 0)),
        ({"limit": 2**63 - 1}, (2**63 - 1, 0)),
    ],
)
def test_limit_skip_and_offset(
    definition: ModelDefinition, given: Any, expected: tuple[int | None, int]
) -> None:
    found = FilterParser(definition).filter(given)
    assert (found.limit, found.skip) == expected


@pytest.mark.parametrize("key", ["limit", "skip", "offset"])
@pytest.mark.parametrize(
    "value", [-1, 1.5, "x", "-1", "1.5", "1_0", " 1", "٣", True, [1], {}, 2**63, "9" * 30]
)
def test_a_count_that_is_no_whole_number_is_refused(
    definition: ModelDefinition, key: str, value: Any
) -> None:
    parse = FilterParser(definition).filter
    assert refused(parse, {key: value}) == key
    assert refused(parse, {"skip": 1, key: value}) == key


@pytest.fixture(scope="module")
def product() -> ModelDefinition:
    definition: ModelDefinition = create_model(
        "product", {"name": str, "unit_price": float, "stock": int}
    ).definition
    return definition


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("", None),
        ([], None),
        ((), None),
        ({}, None),
        ("[]", None),
        ("{}", None),
        ("name", ["name"]),
        ("unitPrice", ["unit_price"]),
        (["unitPrice", "name"], ["name", "unit_price"]),
        (("name",), ["name"]),
        (["name", "name"], ["name"]),
        ('["name"]', ["name"]),
        ({"name": True}, ["name"]),
        ({"name": "true"}, ["name"]),
        ({"name": False}, ["unit_price", "stock", "id"]),
        ({"name": "false"}, ["unit_price", "stock", "id"]),
        ({"name": False, "stock": False}, ["unit_price", "id"]),
        ({"name": True, "stock": False}, ["name"]),
        ({"name": "true", "stock": "false"}, ["name"]),
        ('{"name": false}', ["unit_price", "stock", "id"]),
        ({"name": False, "unitPrice": False, "stock": False, "id": False}, []),
    ],
)
def test_each_form_of_fields(
    product: ModelDefinition, given: Any, expected: list[str] | None
) -> None:
    found = FilterParser(product).filter({"fields": given}).fields
    assert found == (None if expected is None else tuple(expected))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("nosuch", "fields.0"),
        (["name", "nosuch"], "fields.1"),
        (["name", 5], "fields.1"),
        ([["name"]], "fields.0"),
        ({"nosuch": True}, "fields.nosuch"),
        ({"name": "yes"}, "fields.name"),
        ({"name": 1}, "fields.name"),
        ({"name": 0}, "fields.name"),
        ({"name": None}, "fields.name"),
        ({5: True}, "fields.5"),
        (5, "fields"),
        (False, "fields"),
        (0, "fields"),
        ("[", "fields"),
        ("{", "fields"),
        ("name,stock", "fields.0"),
    ],
)
def test_bad_fields_are_refused(product: ModelDefinition, given: Any, path: str) -> None:
    assert refused(FilterParser(product).filter, {"fields": given}) == path


# Whole filters


@pytest.mark.parametrize("given", [None, "", {}, "{}", b"{}", "null"])
def test_an_empty_filter_is_all_records(product: ModelDefinition, given: Any) -> None:
    found = FilterParser(product).filter(given)
    assert (found.where, found.limit, found.skip, found.fields) == (EVERYTHING, None, 0, None)


@pytest.mark.parametrize("given", [5, [], "[]", "name", True])
def test_a_filter_that_is_no_object_is_refused(product: ModelDefinition, given: Any) -> None:
    assert refused(FilterParser(product).filter, given) == "filter"


def test_an_unknown_key_is_refused_and_the_nearest_offered(product: ModelDefinition) -> None:
    with pytest.raises(FilterError, match=r"wheer is not a key of a filter; did you mean 'where'"):
        FilterParser(product).filter({"wheer": {}})
    assert refused(FilterParser(product).filter, {5: 1}) == "5"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("category", "include"),
        (["category"], "include.0"),
        ({"relation": "category"}, "include.relation"),
        ({"category": "shop"}, "include.category"),
        (5, "include"),
        (True, "include"),
    ],
)
def test_an_include_is_refused_of_a_model_without_relations(
    product: ModelDefinition, given: Any, path: str
) -> None:
    assert refused(FilterParser(product).filter, {"include": given}) == path


@pytest.mark.parametrize("given", [None, "", [], {}])
def test_an_empty_include_is_no_include(product: ModelDefinition, given: Any) -> None:
    assert FilterParser(product).filter({"include": given})


# Bounds


@pytest.mark.parametrize(
    ("bounds", "given", "path", "named"),
    [
        (Bounds(depth=2), {"where": {"and": [{"and": [{"and": []}]}]}}, "where.and.0.and.0", "2"),
        (Bounds(conditions=2), {"where": {"name": {"gt": "a", "lt": "b", "neq": "c"}}},
         "where.name.neq", "2"),
        (Bounds(conditions=2), {"where": {"or": [{"stock": 1}, {"stock": 2}, {"stock": 3}]}},
         "where.or", "2"),
        (Bounds(conditions=2), {"where": {"and": [{}, {}, {}]}}, "where.and", "2"),
        (Bounds(conditions=2), {"order": "name,stock,id"}, "order", "2"),
        (Bounds(values=2), {"where": {"stock": {"inq": [1, 2, 3]}}}, "where.stock.inq", "2"),
        (Bounds(values=2), {"where": {"stock": {"nin": [1, 2, 3]}}}, "where.stock.nin", "2"),
        (Bounds(limit=2), {"limit": 3}, "limit", "2"),
        (Bounds(limit=2), {"limit": "3"}, "limit", "2"),
    ],
)  # fmt: skip
def test_past_a_bound_a_filter_is_refused_and_the_bound_named(
    product: ModelDefinition, bounds: Bounds, given: Any, path: str, named: str
) -> None:
    parser = FilterParser(product, bounds=bounds)
    with pytest.raises(FilterError, match=rf"more than {named}|past the {named}") as caught:
        parser.filter(given)
    assert caught.value.path == path


def test_at_its_bounds_a_filter_is_taken(product: ModelDefinition) -> None:
    parser = FilterParser(product, bounds=Bounds(depth=2, conditions=2, values=2, limit=2))
    where = {"or": [{"stock": {"inq": [1, 2]}}, {"name": "a"}]}
    assert parser.filter({"where": where, "order": "name,stock", "limit": 2})


def test_the_bounds_of_one_where_do_not_add_up_over_several(product: ModelDefinition) -> None:
    parser = FilterParser(product, bounds=Bounds(conditions=2))
    for _ in range(3):
        assert parser.where({"name": "a", "stock": 1})


def test_a_hostile_where_is_refused_quickly(product: ModelDefinition) -> None:
    parser = FilterParser(product, remote=True, bounds=Bounds())
    deep = '{"and":[' * 500 + "{}" + "]}" * 500
    wide = json.dumps({"or": [{"name": "a"}] * 20_000})
    empty = json.dumps({"and": [{"or": [{}] * 199}] * 199})
    begin = time.thread_time()
    for text in (deep, wide):
        assert refused(parser.where, text).startswith("where")
    with pytest.raises(FilterError):
        parser.where('{"and":[' * 5000)
    parser.where(empty)
    assert time.thread_time() - begin < 1


# Remote callers


@pytest.mark.parametrize("name", ["secret", "pin"])
@pytest.mark.parametrize(
    ("write", "path"),
    [
        (lambda name: {"where": {name: "x"}}, "where.{}"),
        (lambda name: {"where": {name: None}}, "where.{}"),
        (lambda name: {"where": {name: {"exists": True}}}, "where.{}"),
        (lambda name: {"where": {name: {"neq": "x"}}}, "where.{}"),
        (lambda name: {"where": {"and": [{name: "x"}]}}, "where.and.0.{}"),
        (lambda name: {"where": {"or": [{"userName": "a"}, {name: "x"}]}}, "where.or.1.{}"),
        (lambda name: {"where": {"nor": [{name: "x"}]}}, "where.nor.0.{}"),
        (lambda name: {"order": name}, "order.0"),
        (lambda name: {"order": ["userName", f"{name} DESC"]}, "order.1"),
        (lambda name: {"fields": name}, "fields.0"),
        (lambda name: {"fields": ["userName", name]}, "fields.1"),
        (lambda name: {"fields": {name: True}}, "fields.{}"),
        (lambda name: {"fields": {name: False}}, "fields.{}"),
    ],
)
def test_remote_callers_cannot_use_what_they_cannot_read(
    secretive: ModelDefinition, name: str, write: Callable[[str], Any], path: str
) -> None:
    remote = FilterParser(secretive, remote=True)
    assert refused(remote.filter, write(name)) == path.format(name)
    assert FilterParser(secretive).filter(write(name))


@pytest.mark.parametrize(
    "name", ["home.code", "home.inner", "home.note", "homes.0.code", "secret.a", "pin.a"]
)
def test_remote_callers_cannot_use_what_they_cannot_read_inside_others(
    secretive: ModelDefinition, name: str
) -> None:
    remote = FilterParser(secretive, remote=True)
    assert refused(remote.where, {name: "x"}) == f"where.{name}"
    assert refused(remote.where, {"or": [{name: "x"}]}) == f"where.or.0.{name}"
    assert refused(remote.filter, {"order": name}) == "order.0"


@pytest.mark.parametrize("value", [{"code": "x"}, {"streetName": "a", "code": None}])
@pytest.mark.parametrize("name", ["home", "homes"])
def test_remote_callers_cannot_guess_what_is_hidden_by_comparing_the_whole(
    secretive: ModelDefinition, name: str, value: Any
) -> None:
    remote = FilterParser(secretive, remote=True)
    for condition in (value, {"eq": value}, {"neq": value}, {"inq": [value]}, {"nin": [value]}):
        assert refused(remote.where, {name: condition}).startswith(f"where.{name}")
        assert FilterParser(secretive).where({name: condition})
    assert remote.where({name: None})
    assert remote.where({name: {"exists": True}})


def test_protected_properties_can_be_used_where_they_are_seen(secretive: ModelDefinition) -> None:
    assert FilterParser(secretive, remote=True).where({"privatePart": "x"})


@pytest.mark.parametrize("name", ["user_name", "home.street_name", "homes.0.street_name"])
def test_remote_callers_use_wire_names(secretive: ModelDefinition, name: str) -> None:
    remote = FilterParser(secretive, remote=True)
    assert FilterParser(secretive).where({name: "x"})
    assert refused(remote.where, {name: "x"}) == f"where.{name}"
    assert refused(remote.filter, {"order": name}) == "order.0"
    wire = name.replace("user_name", "userName").replace("street_name", "streetName")
    assert remote.where({wire: "x"}) == FilterParser(secretive).where({name: "x"})


def test_remote_callers_use_wire_names_in_fields(secretive: ModelDefinition) -> None:
    remote = FilterParser(secretive, remote=True)
    assert remote.fields("userName") == ("user_name",)
    for names in ("user_name", ["user_name"], {"user_name": True}):
        refused(remote.filter, {"fields": names})


def test_a_refusal_does_not_offer_hidden_names(secretive: ModelDefinition) -> None:
    with pytest.raises(FilterError) as caught:
        FilterParser(secretive, remote=True).where({"secre": "x"})
    assert "secret" not in caught.value.message


# Text from a query string means what JSON means

JSON_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "number": st.one_of(
        st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
    ),
    "money": st.decimals(-1000, 1000, places=2).map(str),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    "moment": st.datetimes(timezones=st.just(UTC)).map(lambda value: value.isoformat()),
    "day": st.dates().map(str),
    "data": st.sampled_from(["", "AAE=", "/+8="]),
    "place": st.tuples(st.integers(-90, 90), st.integers(-180, 180)).map(
        lambda point: {"lat": point[0], "lng": point[1]}
    ),
    "uid": st.uuids().map(str),
    "size": st.sampled_from(["s", "l"]),
}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """Conditions that a query string can write: without nulls and empty lists."""
    name = draw(st.sampled_from(sorted(JSON_VALUES)))
    values = JSON_VALUES[name]
    condition: dict[str, Any] = {
        "eq": draw(values),
        "inq": draw(st.lists(values, min_size=1, max_size=4)),
        "exists": draw(st.booleans()),
    }
    if name in ORDERED:
        condition |= {"gt": draw(values), "between": draw(st.lists(values, min_size=2, max_size=2))}
    if name == "place":
        condition |= {"near": draw(values), "maxDistance": draw(st.integers(0, 100))}
    kept = draw(st.lists(st.sampled_from(sorted(condition)), min_size=1, unique=True))
    if "maxDistance" in kept and "near" not in kept:
        kept.append("near")
    return {name: {operator: condition[operator] for operator in kept}}


WHERES = st.recursive(
    conditions(),
    lambda inner: st.builds(
        lambda name, items: {name: items},
        st.sampled_from(["and", "or", "nor"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
FILTERS = st.fixed_dictionaries(
    {"where": WHERES},
    optional={
        "order": st.sampled_from(["text", ["text DESC", "whole"], ["day"]]),
        "limit": st.integers(0, 1000),
        "skip": st.integers(0, 1000),
        "fields": st.sampled_from([["text"], ["text", "day"], {"text": True}, {"day": False}]),
    },
)


def bracketed(tree: Any, key: str) -> list[str]:
    """A tree as the fields of a query string."""
    if isinstance(tree, dict):
        return [f for name, item in tree.items() for f in bracketed(item, f"{key}[{name}]")]
    if isinstance(tree, list):
        return [f for index, item in enumerate(tree) for f in bracketed(item, f"{key}[{index}]")]
    text = tree if isinstance(tree, str) else json.dumps(tree)
    return [f"{key}={quote(text)}"]


@given(filter=FILTERS)
def test_a_filter_in_brackets_means_what_it_means_in_json(
    definition: ModelDefinition, filter: dict[str, Any]
) -> None:
    parser = FilterParser(definition, remote=True)
    from_json = parser.filter(json.dumps(filter))
    from_query = parser.filter(parse_query("&".join(bracketed(filter, "filter")))["filter"])
    assert from_query == from_json
    assert from_json == parser.filter(filter)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["1,2", "2024-01-01", "s", "/a/i", "("]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from([*OPERATORS, "and", "or", "nor", "unit", "options", *KINDS]),
                st.text(max_size=3),
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=10,
)


@given(
    given=st.dictionaries(
        st.one_of(
            st.sampled_from([*KINDS, "and", "or", "nor", "phones.0.number", "thing.a"]),
            st.text(max_size=3),
        ),
        JSON,
        max_size=3,
    )
)
def test_any_json_is_a_where_or_refused(definition: ModelDefinition, given: Any) -> None:
    parser = FilterParser(definition, remote=True, bounds=Bounds())
    try:
        parsed: Any = parser.where(given)
    except FilterError as error:
        parsed = error
    if isinstance(parsed, FilterError):
        assert parsed.path.startswith("where")
    else:
        assert isinstance(parsed, And | Or | Not | Compare)


# Over REST


@pytest.fixture
def users(memory_source: DataSource, make_app: Callable[..., Any]) -> tuple[type[Any], Any]:
    """A model with a hidden property, two records, and a client of an app that exposes it."""
    model = memory_source.create_model(
        "user", {"user_name": str, "secret": {"type": str, "hidden": True}, "age": int}
    )
    model.create([{"user_name": "Ada", "secret": "x", "age": 1}, {"user_name": "Zoë", "age": 2}])
    app = make_app(model, LOOP_MAX_VALUES=2, LOOP_MAX_FILTER_DEPTH=2, LOOP_MAX_LIMIT=5)
    return model, app.test_client()


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("filter[where][secret]=x", "where.secret"),
        ("filter[order]=secret", "order.0"),
        ("filter[fields][]=secret", "fields.0"),
        ("filter[where][user_name]=Ada", "where.user_name"),
        ("filter[where][age]=x", "where.age"),
        ("filter[where][age][inq][]=1&filter[where][age][inq][]=x", "where.age.inq.1"),
        ("filter[wher][age]=1", "wher"),
        ("filter[limit]=6", "limit"),
        ("filter[limit]=1&filter[limit]=2", "limit"),
        ("filter[where][age][inq]=1", "where.age.inq"),
        ("filter[include]=friends", "include"),
        ("filter={", "filter"),
        ('filter={"where":{"age":{"inq":[1,2,3]}}}', "where.age.inq"),
        ('filter={"where":{"and":[{"and":[{"and":[]}]}]}}', "where.and.0.and.0"),
    ],
)
def test_a_bad_filter_is_a_400_that_names_the_path(
    users: tuple[type[Any], Any], query: str, path: str
) -> None:
    _, client = users
    answer = client.get(f"/api/users?{query}")
    assert answer.status_code == 400
    error = answer.json["error"]
    assert (error["name"], error["code"]) == ("BadRequestError", "INVALID_FILTER")
    assert error["details"] == {"path": path}


def test_a_where_on_what_is_hidden_is_never_a_wider_answer(users: tuple[type[Any], Any]) -> None:
    model, client = users
    for where in ("where[secret]=x", 'where={"or":[{"age":1},{"secret":"x"}]}'):
        assert client.get(f"/api/users/count?{where}").status_code == 400
        assert client.post(f"/api/users/update?{where}", json={"age": 9}).status_code == 400
        answer = client.post(f"/api/users/upsertWithWhere?{where}", json={"age": 9})
        assert answer.status_code == 400
    for nothing in ("", "?where="):
        assert client.post(f"/api/users/update{nothing}", json={"age": 9}).status_code == 400
    assert [each.age for each in model.find()] == [1, 2]


@pytest.mark.parametrize("name", ["Zoë", quote("Zoë")])
def test_a_query_string_may_have_bytes_that_are_not_escaped(
    users: tuple[type[Any], Any], name: str
) -> None:
    _, client = users
    query = f"filter[where][userName]={name}".encode().decode("latin-1")
    found = client.get("/api/users", environ_overrides={"QUERY_STRING": query})
    assert [each["userName"] for each in found.json] == ["Zoë"]


@pytest.mark.parametrize("operator", [*OPERATORS, "and", "or", "nor"])
def test_each_operator_is_on_its_page(operator: str) -> None:
    page = Path(__file__).parents[1] / "docs" / "querying.rst"
    assert f"``{operator}``" in page.read_text("utf-8")
