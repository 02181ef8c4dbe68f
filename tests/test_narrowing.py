"""Narrowing: the backend's part and Python's together mean what the where means."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flask_loop import create_model
from flask_loop.connectors.narrowing import Narrowing, Pushed
from flask_loop.query import FilterParser, predicate
from flask_loop.query.nodes import Compare

Sifted = create_model("sifted", {"id": {"type": int, "id": True}, "a": int, "b": int, "c": int})
PARSER = FilterParser(Sifted.definition)
RECORDS = [
    {"id": a * 9 + b * 3 + c, "a": a or None, "b": b or None, "c": c or None}
    for a in range(3)
    for b in range(3)
    for c in range(3)
]


class Sets(Narrowing[frozenset[int]]):
    """A backend whose expressions are the ids that match: of ``a`` exactly, of ``b`` too many."""

    def compare(self, node: Compare) -> Pushed[frozenset[int]] | None:
        name = node.path.property.name
        matches = predicate(node)
        ids = frozenset(each["id"] for each in RECORDS if matches(each))
        if name == "a":
            return Pushed(ids)
        return Pushed(ids | {0, 13, 26}, is_exact=False) if name == "b" else None

    def all(self, items: Sequence[frozenset[int]]) -> frozenset[int]:
        assert len(items) > 1
        return frozenset.intersection(*items)

    def any(self, items: Sequence[frozenset[int]]) -> frozenset[int]:
        assert len(items) > 1
        return frozenset.union(*items)

    def negate(self, item: frozenset[int]) -> frozenset[int] | None:
        return frozenset(range(27)) - item


def where(random: Random, depth: int = 3) -> dict[str, Any]:
    kind = random.randint(0, 5) if depth else 0
    if kind < 2:
        operator = random.choice(["eq", "neq", "gt", "lte", "inq", "nin"])
        value = random.randint(0, 2)
        operand = [value, 1] if operator in ("inq", "nin") else value
        return {random.choice("abc"): {operator: operand}}
    parts = [where(random, depth - 1) for _ in range(random.randint(0, 3))]
    return {random.choice(["and", "or", "nor"]): parts}


@given(st.randoms(use_true_random=False))
def test_both_parts_together_find_what_the_where_finds(random: Random) -> None:
    parsed = PARSER.where(where(random))
    narrowed = Sets().narrow(parsed)
    found = RECORDS
    if narrowed.is_nothing:
        found = []
    if narrowed.expression is not None:
        found = [each for each in found if each["id"] in narrowed.expression]
    if narrowed.rest is not None:
        found = list(filter(predicate(narrowed.rest), found))
    assert found == list(filter(predicate(parsed), RECORDS))


def test_what_the_backend_says_exactly_leaves_nothing_for_python() -> None:
    parsed = PARSER.where({"or": [{"a": 1}, {"nor": [{"a": {"gt": 1}}]}]})
    narrowed = Sets().narrow(parsed)
    assert narrowed.rest is None
    assert narrowed.expression is not None


def test_a_part_that_the_backend_cannot_say_leaves_the_others_to_it() -> None:
    narrowed = Sets().narrow(PARSER.where({"a": 1, "c": 2}))
    assert narrowed.expression == frozenset(each["id"] for each in RECORDS if each["a"] == 1)
    assert narrowed.rest == PARSER.where({"c": 2})


def test_nobody_is_asked_for_what_cannot_be() -> None:
    assert Sets().narrow(PARSER.where({"a": 1, "or": []})).is_nothing
    assert Sets().narrow(PARSER.where({"a": {"inq": []}})).is_nothing
