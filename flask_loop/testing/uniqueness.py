"""Unique properties and indexes."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ..datasource import DataSource
from ..errors import UniqueViolation, ValidationError
from ..geo import GeoPoint
from ..query import FilterParser
from .base import SHORT_TEXT, Action, Contract, Define, requires, short

SEAT = {"room_row": {"keys": ["room", "row"], "unique": True}}

#: Types, with a value, the same value in another form, and others that are not the same.
SAME: list[tuple[Any, Any, Any, list[Any]]] = [
    (str, "a", "a", ["A", "a ", " a", "\u00e4", "a\u0308", ""]),
    (str, "\u00df", "\u00df", ["ss", "\u1e9e", "SS"]),
    (int, 1, "1", [0, -1, 2**53, 2**53 + 1]),
    ("number", 1, 1.0, [1.5, -1, 2**53, 2**53 + 1]),
    ("decimal", "1.5", Decimal("1.50"), ["1.500001", "-1.5"]),
    (bool, True, True, [False]),
    (bytes, b"\x00", b"\x00", [b"", b"\x00\x00"]),
    (
        datetime,
        datetime(2024, 1, 1, tzinfo=UTC),
        "2024-01-01T01:00:00+01:00",
        ["2024-01-01T00:00:00.000001Z"],
    ),
    (GeoPoint, GeoPoint(1, 2), "1,2", [[2, 1], [1, 2.5]]),
]
#: The same for values that backends compare in their own ways; here the rule counts, not the index.
SAME_JSON: list[tuple[Any, Any, Any, list[Any]]] = [
    (dict, {"a": 1, "b": [2]}, {"b": [2.0], "a": 1}, [{}, {"a": 1}, {"a": 1, "b": [2, 3]}]),
    ([str], ["a", "b"], ["a", "b"], [["b", "a"], ["a"], []]),
    ("any", ["a", 1], ["a", 1.0], ["a", 1, ["a"], {"a": 1}]),
]


def _paths(error: ValidationError) -> set[Any]:
    return {each.path for each in error.failures}


class UniquenessContract(Contract):
    """What is unique stays unique, whoever writes it."""

    @pytest.fixture
    def users(self, define: Define) -> type[Any]:
        """Users with unique names."""
        users = define({"name": {**SHORT_TEXT, "unique": True}, "age": int})
        users.create([{"id": 1, "name": "ada"}, {"id": 2, "name": "bob"}, {"id": 3}])
        return users

    @pytest.fixture
    def seats(self, define: Define) -> type[Any]:
        """Seats, of which a room has one in each row."""
        seats = define({"room": int, "row": SHORT_TEXT, "taken": bool}, indexes=SEAT)
        seats.create(
            [{"id": 1, "room": 1, "row": "a"}, {"id": 2, "room": 1, "row": "b"}, {"id": 3}]
        )
        return seats

    def test_a_unique_value_is_created_once(self, users: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            users.create(id=4, name="ada")
        assert caught.value.details["codes"] == {"name": ["uniqueness"]}
        assert users.count() == 3
        users.destroy_by_id(1)
        assert users.create(id=4, name="ada").id == 4

    def test_every_write_keeps_it_unique(self, users: Any) -> None:
        writes: list[Action] = [
            lambda: users.find_by_id(2).patch_attributes(name="ada"),
            lambda: users.replace_by_id(2, {"name": "ada"}),
            lambda: users.upsert(id=2, name="ada"),
            lambda: users.upsert(id=9, name="ada"),
            lambda: users.replace_or_create({"id": 9, "name": "ada"}),
            lambda: users.upsert_with_where({"name": "bob"}, {"name": "ada"}),
            lambda: users.update_all({"id": 2}, {"name": "ada"}),
            lambda: users.update_all({}, {"name": "eve"}),
            lambda: users(id=9, name="ada").save(),
        ]
        for write in writes:
            with pytest.raises(ValidationError):
                write()
        assert [each.name for each in users.find()] == ["ada", "bob", None]

    def test_a_record_may_keep_its_own_value(self, users: Any) -> None:
        users.find_by_id(1).patch_attributes(name="ada", age=5)
        users.replace_by_id(1, {"name": "ada", "age": 6})
        users.upsert(id=1, name="ada", age=7)
        assert users.update_all({"id": 1}, {"name": "ada"}) == 1
        assert users.update_all({}, {"age": 8}) == 3
        assert [each.name for each in users.find()] == ["ada", "bob", None]

    def test_null_never_collides(self, users: Any) -> None:
        users.create([{"id": 4}, {"id": 5, "name": None}])
        assert users.update_all({"id": {"gt": 1}}, {"name": None}) == 4
        assert users.count({"name": None}) == 4

    def test_records_that_collide_with_each_other_are_not_created(self, users: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            users.create([{"id": 4, "name": "x"}, {"id": 5, "name": "x"}, {"id": 6, "name": "y"}])
        assert _paths(caught.value) == {(1, "name")}
        assert users.count() == 3

    @pytest.mark.parametrize(("kind", "first", "same", "others"), [*SAME, *SAME_JSON], ids=str)
    def test_values_are_the_same_as_in_filters(
        self, define: Define, kind: Any, first: Any, same: Any, others: Any
    ) -> None:
        things = define({"value": {**short(kind), "unique": True}})
        for id, value in enumerate([first, *others]):
            things.create(id=id, value=value)
        with pytest.raises(ValidationError):
            things.create(id=100, value=same)
        assert things.count() == len(others) + 1

    @requires("unique")
    @pytest.mark.parametrize(("kind", "first", "same", "others"), SAME, ids=str)
    def test_values_are_the_same_in_an_index(
        self, define: Define, kind: Any, first: Any, same: Any, others: Any
    ) -> None:
        things = define({"value": {**short(kind), "unique": True}})
        things.create([{"id": id, "value": value} for id, value in enumerate([first, *others])])
        things.destroy_all()
        with pytest.raises(ValidationError):
            things.create([{"id": 1, "value": first}, {"id": 2, "value": same}])
        assert things.count() == 0

    @requires("unique")
    def test_an_index_over_two_properties_refuses_the_same_pair(self, seats: Any) -> None:
        seats.create([{"id": 4, "room": 2, "row": "a"}, {"id": 5, "room": 1, "row": "A"}])
        writes: list[Action] = [
            lambda: seats.create(id=6, room=1, row="a"),
            lambda: seats.find_by_id(2).patch_attributes(row="a"),
            lambda: seats.replace_by_id(2, {"room": 1, "row": "a"}),
            lambda: seats.upsert(id=4, room=1),
            lambda: seats.update_all({"room": 1}, {"row": "z"}),
        ]
        for write in writes:
            with pytest.raises(ValidationError) as caught:
                write()
            assert _paths(caught.value) == {("room",), ("row",)}
        found = [(each.room, each.row) for each in seats.find()]
        assert found == [(1, "a"), (1, "b"), (None, None), (2, "a"), (1, "A")]

    @requires("unique")
    def test_a_null_in_a_pair_never_collides(self, seats: Any) -> None:
        seats.create([{"id": id, "room": 1} for id in (4, 5)])
        seats.create([{"id": id, "row": "a"} for id in (6, 7)])
        seats.create(id=8)
        assert seats.count() == 8

    @requires("unique")
    def test_which_of_many_records_collides_is_said(self, seats: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            seats.create([{"id": 4, "room": 5, "row": "x"}, {"id": 5, "room": 1, "row": "b"}])
        assert _paths(caught.value) == {(1, "room"), (1, "row")}
        assert seats.count() == 3

    @requires("unique")
    def test_values_may_move_on_within_one_transaction(
        self, source: DataSource, users: Any
    ) -> None:
        with source.transaction():
            users.update_all({"id": 1}, {"name": "free"})
            users.update_all({"id": 2}, {"name": "ada"})
            users.update_all({"id": 1}, {"name": "bob"})
        assert [each.name for each in users.find()] == ["bob", "ada", None]

    @requires("unique")
    def test_a_unique_index_refuses_what_no_rule_has_checked(
        self, source: DataSource, users: Any
    ) -> None:
        connector, definition = source.connector, users.definition
        where = FilterParser(definition).where({"id": {"gt": 1}})
        writes: list[Action] = [
            lambda: connector.insert(definition, [{"id": 9, "name": "ada", "age": None}]),
            lambda: connector.update(definition, where, {"name": "ada"}),
            lambda: connector.update(definition, where, {"name": "new"}),
        ]
        for write in writes:
            with pytest.raises(UniqueViolation) as caught:
                write()
            assert caught.value.properties == ("name",)
        assert [each.name for each in users.find()] == ["ada", "bob", None]

    @requires("unique")
    def test_an_index_that_is_not_unique_refuses_nothing(self, define: Define) -> None:
        things = define(
            {"a": {"type": int, "index": True}, "b": int}, indexes={"a_b": {"keys": ["a", "b"]}}
        )
        things.create([{"id": id, "a": 1, "b": 1} for id in range(5)])
        assert things.count({"a": 1, "b": 1}) == 5
