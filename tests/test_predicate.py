from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_loop import GeoPoint, create_model
from flask_loop.query import FilterParser, apply, predicate

Record = Mapping[str, Any]

DEFINITION = create_model(
    "thing",
    {
        "flag": bool,
        "whole": int,
        "number": "Number",
        "text": str,
        "moment": datetime,
        "place": "GeoPoint",
        "meta": dict,
        "anything": "any",
        "items": list,
        "texts": [str],
        "address": {"zip_code": int, "street": str},
    },
).definition


def matches(where: Any, record: Record) -> bool:
    """Whether a record, of which null is left out, matches a where."""
    full = {**dict.fromkeys(DEFINITION.properties), **record}
    return predicate(FilterParser(DEFINITION).where(where))(full)


# Single cases


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ({"eq": "a"}, "a", True),
        ({"eq": "a"}, "A", False),
        ({"eq": "a"}, "a ", False),
        ({"neq": "a"}, "b", True),
        ({"gt": "a"}, "b", True),
        ({"gt": "a"}, "a", False),
        ({"gt": "Z"}, "a", True),
        ({"gt": "\uffff"}, "\U00010000", True),
        ({"gte": "a"}, "a", True),
        ({"lt": "a"}, "B", True),
        ({"lte": "a"}, "a", True),
        ({"between": ["a", "c"]}, "a", True),
        ({"between": ["a", "c"]}, "c", True),
        ({"between": ["a", "c"]}, "d", False),
        ({"between": ["c", "a"]}, "b", False),
        ({"inq": ["a", "b"]}, "b", True),
        ({"inq": []}, "b", False),
        ({"nin": ["a", "b"]}, "c", True),
        ({"nin": []}, "c", True),
        ({"like": "a"}, "a", True),
        ({"like": "a"}, "ba", False),
        ({"like": "a%"}, "abc", True),
        ({"like": "%b%"}, "abc", True),
        ({"like": "a_c"}, "abc", True),
        ({"like": "a_c"}, "ac", False),
        ({"like": "%"}, "", True),
        ({"like": "_"}, "🚲", True),
        ({"like": "a%"}, "a\nb", True),
        ({"like": "a"}, "a\n", False),
        ({"like": "A%"}, "abc", False),
        ({"like": "100\\%"}, "100%", True),
        ({"like": "100\\%"}, "1000", False),
        ({"like": "a\\_b"}, "axb", False),
        ({"like": "a\\\\b"}, "a\\b", True),
        ({"like": "a\\"}, "a\\", True),
        ({"like": "a.c"}, "abc", False),
        ({"like": "(a"}, "(a", True),
        ({"nlike": "a%"}, "b", True),
        ({"ilike": "A%"}, "abc", True),
        ({"ilike": "É"}, "é", True),
        ({"nilike": "A%"}, "abc", False),
        ({"regexp": "b"}, "abc", True),
        ({"regexp": "^b"}, "abc", False),
        ({"regexp": "/B/i"}, "abc", True),
        ({"regexp": "a.b"}, "a\nb", True),
        ({"regexp": "^b$"}, "a\nb\nc", False),
        ({"regexp": "/^b$/m"}, "a\nb\nc", True),
        ({"exists": True}, "", True),
        ({"exists": False}, "", False),
    ],
)
def test_operators_on_text(condition: Any, value: str, expected: bool) -> None:
    assert matches({"text": condition}, {"text": value}) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ({"eq": None}, True),
        ({"neq": None}, False),
        ({"eq": "a"}, False),
        ({"neq": "a"}, True),
        ({"gt": "a"}, False),
        ({"gte": "a"}, False),
        ({"lt": "a"}, False),
        ({"lte": "a"}, False),
        ({"gt": None}, False),
        ({"between": ["", "z"]}, False),
        ({"between": [None, "z"]}, False),
        ({"inq": ["a"]}, False),
        ({"inq": ["a", None]}, True),
        ({"nin": ["a"]}, True),
        ({"nin": ["a", None]}, False),
        ({"like": "%"}, False),
        ({"nlike": "%"}, True),
        ({"ilike": "%"}, False),
        ({"nilike": "%"}, True),
        ({"regexp": ""}, False),
        ({"exists": True}, False),
        ({"exists": False}, True),
    ],
)
def test_a_comparison_with_null_is_false_and_its_negation_true(
    condition: Any, expected: bool
) -> None:
    assert matches({"text": condition}, {}) is expected
    assert matches({"nor": [{"text": condition}]}, {}) is not expected


def test_numbers_are_equal_across_their_types_and_no_booleans() -> None:
    assert matches({"number": 1}, {"number": 1.0})
    assert matches({"anything": 1.0}, {"anything": 1})
    assert not matches({"anything": 1}, {"anything": True})
    assert not matches({"anything": True}, {"anything": 1})
    assert not matches({"anything": {"gt": 0}}, {"anything": True})
    assert not matches({"anything": {"inq": [0, 1]}}, {"anything": False})
    assert matches({"meta": {"a": [1, {"b": 2.0}]}}, {"meta": {"a": [1.0, {"b": 2}]}})
    assert not matches({"meta": {"a": 1}}, {"meta": {"a": True}})


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("operand", [1, "a", True])
@pytest.mark.parametrize("value", [2, "b", False, 1.5, [], [[1]], {}, {"a": 1}])
def test_values_of_different_types_are_neither_less_nor_greater(
    operator: str, operand: Any, value: Any
) -> None:
    matched = matches({"anything": {operator: operand}}, {"anything": value})
    comparable = {int: (int, float), str: (str,), bool: (bool,)}[type(operand)]
    assert not matched or type(value) in comparable


def test_a_list_matches_when_one_of_its_items_does() -> None:
    record = {"texts": ["a", "b"], "items": [1, "x", None, [7]]}
    assert matches({"texts": "b"}, record)
    assert not matches({"texts": "c"}, record)
    assert matches({"texts": {"neq": "c"}}, record)
    assert not matches({"texts": {"neq": "a"}}, record)
    assert matches({"texts": {"gt": "a"}}, record)
    assert matches({"texts": {"like": "B", "options": "i"}}, record)
    assert matches({"texts": {"inq": ["x", "b"]}}, record)
    assert not matches({"texts": {"nin": ["x", "b"]}}, record)
    assert matches({"items": 1}, record)
    assert matches({"items": {"between": [0, 2]}}, record)
    assert not matches({"items": 7}, record)
    assert not matches({"items": None}, record)


def test_several_operators_on_a_list_may_match_by_different_items() -> None:
    assert matches({"items": {"gt": 5, "lt": 2}}, {"items": [1, 9]})


def test_a_whole_list_is_equal_item_by_item_in_order() -> None:
    record = {"texts": ["a", "b"]}
    assert matches({"texts": ["a", "b"]}, record)
    assert not matches({"texts": ["b", "a"]}, record)
    assert not matches({"texts": ["a"]}, record)
    assert matches({"texts": []}, {"texts": []})
    assert not matches({"texts": []}, {})


def test_a_path_leads_into_objects_and_lists() -> None:
    record = {
        "meta": {"size": {"w": 5}, "tags": ["x", "y"], "none": None},
        "items": [{"n": 1}, {"n": 2}],
        "address": {"zip_code": 8000, "street": None},
    }
    assert matches({"meta.size.w": {"gt": 4}}, record)
    assert matches({"meta.tags": "y"}, record)
    assert matches({"meta.tags.1": "y"}, record)
    assert not matches({"meta.tags.0": "y"}, record)
    assert matches({"meta.tags.2": None}, record)
    assert matches({"items.1.n": 2}, record)
    assert matches({"address.zipCode": {"between": [1, 9000]}}, record)
    for missing in ("meta.none", "meta.nosuch", "meta.size.w.deeper", "address.street", "items.n"):
        assert matches({missing: None}, record)
        assert matches({missing: {"exists": False}}, record)
        assert matches({missing: {"neq": "a"}}, record)
        assert not matches({missing: {"gt": ""}}, record)


def test_near_keeps_what_is_within_both_distances() -> None:
    zurich, bern = GeoPoint(47.3769, 8.5417), GeoPoint(46.948, 7.4474)
    distance = zurich.distance_to(bern, "kilometers")

    def near(**more: Any) -> bool:
        where = {"place": {"near": zurich, "unit": "kilometers", **more}}
        return matches(where, {"place": bern})

    assert near()
    assert near(maxDistance=distance + 0.001)
    assert not near(maxDistance=distance - 0.001)
    assert near(minDistance=distance - 0.001)
    assert not near(minDistance=distance + 0.001)
    assert not matches({"place": {"near": zurich}}, {})
    assert matches({"place": {"near": zurich, "maxDistance": 0}}, {"place": zurich})


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "([a-z]+)*\\d", "(x+x+)+y"])
def test_no_regexp_backtracks_without_end(pattern: str) -> None:
    begin = time.thread_time()
    assert not matches({"text": {"regexp": pattern}}, {"text": "a" * 5000 + "!"})
    assert time.thread_time() - begin < 0.5


def test_no_like_takes_long() -> None:
    begin = time.thread_time()
    assert not matches({"text": {"like": "%a" * 500}}, {"text": "a" * 499 + "b" * 5000})
    assert time.thread_time() - begin < 0.5


# The semantics, said again in other words

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
HERE = GeoPoint(10, 10)


def oracle(where: Mapping[str, Any], record: Record) -> bool:
    return all(part_holds(name, condition, record) for name, condition in where.items())


def part_holds(name: str, condition: Any, record: Record) -> bool:
    if name == "and":
        return all(oracle(item, record) for item in condition)
    if name == "or":
        return any(oracle(item, record) for item in condition)
    if name == "nor":
        return not any(oracle(item, record) for item in condition)
    value: Any = record
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    operators = set(ORACLES) | set(NEGATED) | {"exists", "maxDistance"}
    if not (isinstance(condition, dict) and set(condition) <= operators):
        condition = {"eq": condition}
    return all(operator_holds(each, condition, value) for each in condition)


def operator_holds(operator: str, condition: Mapping[str, Any], value: Any) -> bool:
    operand = condition[operator]
    if operator == "maxDistance":
        return True
    if operator == "exists":
        return (value is not None) is operand
    if operator in NEGATED:
        return not operator_holds(NEGATED[operator], {NEGATED[operator]: operand}, value)
    if operator == "eq" and operand is None:
        return value is None
    if operator == "inq" and None in operand and value is None:
        return True
    if operator == "near":
        limit = condition.get("maxDistance", float("inf"))
        return value is not None and HERE.distance_to(value) <= limit
    items = value if isinstance(value, list) and not isinstance(operand, list) else [value]
    if operator in ("inq", "between") and isinstance(value, list):
        items = value
    return any(item is not None and ORACLES[operator](item, operand) for item in items)


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def alike(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: (
        operand is not None and kind(value) == kind(operand) and test(value, operand)
    )


def like(value: Any, pattern: str, flags: int = 0) -> bool:
    source = {"%": ".*", "_": "."}
    regexp = "".join(source.get(character, re.escape(character)) for character in pattern)
    return isinstance(value, str) and bool(re.fullmatch(regexp, value, re.DOTALL | flags))


ORACLES: dict[str, Callable[[Any, Any], bool]] = {
    "eq": alike(lambda value, operand: value == operand),
    "gt": alike(lambda value, operand: value > operand),
    "gte": alike(lambda value, operand: value >= operand),
    "lt": alike(lambda value, operand: value < operand),
    "lte": alike(lambda value, operand: value <= operand),
    "between": lambda value, ends: (
        ORACLES["gte"](value, ends[0]) and ORACLES["lte"](value, ends[1])
    ),
    "inq": lambda value, operands: any(ORACLES["eq"](value, operand) for operand in operands),
    "like": like,
    "ilike": lambda value, pattern: like(value, pattern, re.IGNORECASE),
    "regexp": lambda value, pattern: isinstance(value, str) and bool(re.search(pattern, value)),
    "near": lambda value, operand: True,
}
NEGATED = {"neq": "eq", "nin": "inq", "nlike": "like", "nilike": "ilike"}

WORDS = st.text(alphabet="abA", max_size=2)
NUMBERS = st.one_of(st.integers(-2, 2), st.sampled_from([0.5, 1.0, -1.5]))
SCALARS = st.one_of(st.booleans(), NUMBERS, WORDS)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "whole": st.integers(-2, 2),
    "number": NUMBERS,
    "text": WORDS,
    "moment": st.integers(-1, 1).map(lambda days: MOMENT + timedelta(days=days)),
    "place": st.builds(GeoPoint, st.integers(9, 11), st.integers(9, 11)),
    "anything": st.one_of(SCALARS, st.lists(SCALARS, max_size=2)),
    "items": st.lists(st.one_of(st.none(), SCALARS), max_size=3),
    "texts": st.lists(WORDS, max_size=3),
    "meta": st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2),
}
OPERANDS = {**VALUES, "anything": SCALARS, "items": SCALARS, "texts": WORDS, "meta.a": SCALARS}
del OPERANDS["meta"]
UNORDERED = {"place"}
TEXTUAL = {"text", "texts", "anything", "items", "meta.a"}


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(OPERANDS)))
    operand = st.one_of(st.none(), OPERANDS[name])
    choices: dict[str, st.SearchStrategy[Any]] = {
        "eq": operand,
        "neq": operand,
        "inq": st.lists(operand, max_size=3),
        "nin": st.lists(operand, max_size=3),
        "exists": st.booleans(),
    }
    if name not in UNORDERED:
        choices |= dict.fromkeys(("gt", "gte", "lt", "lte"), operand)
        choices["between"] = st.lists(operand, min_size=2, max_size=2)
    if name in TEXTUAL:
        patterns = st.text(alphabet="abA%_", max_size=3)
        choices |= dict.fromkeys(("like", "nlike", "ilike", "nilike"), patterns)
        choices["regexp"] = st.sampled_from(["a", "^a", "b$", "^$", "a|b", "[ab]A"])
    if name == "place":
        choices["near"] = st.just(HERE)
    operators = draw(st.lists(st.sampled_from(sorted(choices)), min_size=1, max_size=2))
    condition = {operator: draw(choices[operator]) for operator in operators}
    if "near" in condition and draw(st.booleans()):
        condition["maxDistance"] = draw(st.sampled_from([0, 70, 100]))
    return {name: condition}


WHERES = st.recursive(
    st.one_of(comparisons(), st.builds(lambda a, b: {**a, **b}, comparisons(), comparisons())),
    lambda inner: st.builds(
        lambda name, items: {name: items},
        st.sampled_from(["and", "or", "nor"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@settings(max_examples=400)
@given(where=WHERES, record=RECORDS)
def test_a_where_means_what_an_independent_reading_of_it_means(where: Any, record: Any) -> None:
    assert matches(where, record) is oracle(where, record)


@given(where=WHERES, record=RECORDS)
def test_of_a_where_and_its_negation_one_holds(where: Any, record: Any) -> None:
    assert matches(where, record) is not matches({"nor": [where]}, record)


# Order and pages

SORTABLE = ("flag", "whole", "number", "text", "moment")


def compare(one: Record, other: Record, order: list[tuple[str, bool]]) -> int:
    for name, descending in [*order, ("id", False)]:
        left, right = one[name], other[name]
        if left is None or right is None:
            result = (left is None) - (right is None)
        else:
            result = (left > right) - (left < right)
            result = -result if descending else result
        if result:
            return result
    return 0


@given(
    records=st.lists(RECORDS, max_size=8),
    order=st.lists(st.tuples(st.sampled_from(SORTABLE), st.booleans()), max_size=3),
    skip=st.integers(0, 4),
    limit=st.none() | st.integers(0, 4),
)
def test_records_come_in_order_with_nulls_last_and_ties_by_id(
    records: Any, order: list[tuple[str, bool]], skip: int, limit: int | None
) -> None:
    stored = [{**record, "address": None, "id": id} for id, record in enumerate(records)]
    texts = [f"{name} {'DESC' if descending else 'ASC'}" for name, descending in order]
    parsed = FilterParser(DEFINITION).filter({"order": texts, "skip": skip, "limit": limit})
    expected = sorted(
        stored, key=functools.cmp_to_key(lambda one, other: compare(one, other, order))
    )
    end = None if limit is None else skip + limit
    assert apply(parsed, reversed(stored)) == expected[skip:end]


def test_values_of_any_type_have_one_order() -> None:
    values = [None, {"a": 1}, [2], "b", "B", 10, 9.5, True, False]
    stored = [
        {**dict.fromkeys(DEFINITION.properties), "anything": value, "id": id}
        for id, value in enumerate(values)
    ]
    ascending = apply(FilterParser(DEFINITION).filter({"order": "anything"}), stored)
    ordered = [record["anything"] for record in ascending]
    assert ordered == [False, True, 9.5, 10, "B", "b", [2], {"a": 1}, None]
    descending = apply(FilterParser(DEFINITION).filter({"order": "anything DESC"}), stored)
    assert [record["anything"] for record in descending] == [*reversed(ordered[:-1]), None]


def test_the_nearest_come_first_and_ties_by_id() -> None:
    places = [GeoPoint(12, 10), None, GeoPoint(10, 10), GeoPoint(11, 10), GeoPoint(10, 10)]
    stored = [
        {**dict.fromkeys(DEFINITION.properties), "place": place, "id": id}
        for id, place in enumerate(places)
    ]
    parsed = FilterParser(DEFINITION).filter({"where": {"place": {"near": HERE}}, "limit": 3})
    assert [record["id"] for record in apply(parsed, stored)] == [2, 4, 3]


def test_decimals_compare_by_value() -> None:
    definition = create_model("m", {"price": Decimal}).definition
    where = FilterParser(definition).where({"price": {"eq": "1.50"}})
    assert predicate(where)({"price": Decimal("1.5")})
    assert not predicate(where)({"price": Decimal("1.51")})
