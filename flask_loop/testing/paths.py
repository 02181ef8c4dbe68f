"""Filters and order inside objects, lists and embedded models."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ..errors import FilterError
from .base import Contract, Define, Store

ADDRESS = {"zip_code": str, "since": datetime, "rent": "decimal", "floor": "number"}


class PathContract(Contract):
    """Dotted paths, membership in lists, and values of any type."""

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"value.a": 1}, [1, 8]),
            ({"value.a": 1.0}, [1, 8]),
            ({"value.a": True}, [2]),
            ({"value.a": "1"}, [3]),
            ({"value.a": None}, [4, 5, 9]),
            ({"value.a": {"exists": True}}, [1, 2, 3, 6, 7, 8]),
            ({"value.a": {"exists": False}}, [4, 5, 9]),
            ({"value.a": {"neq": 1}}, [2, 3, 4, 5, 6, 7, 9]),
            ({"value.a": {"gt": 0}}, [1, 8]),
            ({"value.a": {"gt": "0"}}, [3, 8]),
            ({"value.a": {"lte": 1}}, [1, 8]),
            ({"value.a": {"between": [0, 1]}}, [1, 8]),
            ({"value.a": {"inq": [1, "1", None]}}, [1, 3, 4, 5, 8, 9]),
            ({"value.a": {"nin": [1, None]}}, [2, 3, 6, 7]),
            ({"value.a": {"like": "_"}}, [3, 8]),
            ({"value.a": {"regexp": "^1$"}}, [3]),
            ({"value.a.b": 2}, [6]),
            ({"value.a.b.c": 2}, []),
            ({"value.a.b": {"gt": 1}}, [6]),
            ({"value.a.b": None}, [1, 2, 3, 4, 5, 7, 8, 9]),
            ({"value.a": {"b": 2}}, [6]),
            ({"value.a.0": 1}, [8]),
            ({"value.a.1": "x"}, [8]),
            ({"value.a.9": None}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ({"value.a": "x"}, [8]),
            ({"value.a": [1, "x"]}, [8]),
            ({"value.a": []}, [7]),
        ],
        ids=repr,
    )
    def test_paths_into_objects(self, store: Store, where: Any, expected: Any) -> None:
        things = store(
            dict,
            [
                {"a": 1},
                {"a": True},
                {"a": "1"},
                {"a": None},
                {},
                {"a": {"b": 2}},
                {"a": []},
                {"a": [1, "x"]},
                None,
            ],
        )
        assert [each.id for each in things.find(where=where)] == expected
        others = things.find(where={"nor": [where]})
        assert [each.id for each in others] == [n for n in range(1, 10) if n not in expected]

    @pytest.mark.parametrize(
        "key",
        ["a b", "ä", '"', "'", "\\", "$", "$where", "[0]", "#", "*", "%", "--", "?", ":x", "a]"],
    )
    def test_a_path_has_any_key(self, store: Store, key: str) -> None:
        things = store(dict, [{key: "found"}, {"other": "found"}, {key: None}])
        found = things.find(where={f"value.{key}": "found"})
        assert [each.id for each in found] == [1]

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"a": 1}, [1, 2]),
            ({"a": 1.0}, [1, 2]),
            ({"a": True}, [3]),
            ({"b": [1, {"c": None}], "a": 1}, [4]),
            ({"neq": {"a": 1}}, [3, 4, 5, 6]),
            ({"inq": [{"a": True}, {}]}, [3, 5]),
            ({"nin": [{"a": 1}, None]}, [3, 4, 5]),
            ({"eq": {}}, [5]),
            (None, [6]),
        ],
        ids=repr,
    )
    def test_objects_are_equal_as_in_json(self, store: Store, where: Any, expected: Any) -> None:
        deep = {"a": 1, "b": [1, {"c": None}]}
        things = store(dict, [{"a": 1}, {"a": 1.0}, {"a": True}, deep, {}, None])
        assert [each.id for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (1, [1, 5]),
            (True, [2]),
            ("1", [3]),
            (None, [4]),
            ({"neq": 1}, [2, 3, 4, 6, 7, 8, 9]),
            ([1, "x"], [5]),
            ("x", [5]),
            ({"a": 1}, [6]),
            ({"gt": 1}, [7]),
            ({"gt": "1"}, [5, 8]),
            ({"gt": False}, [2]),
            ({"between": ["0", "z"]}, [3, 5, 8]),
            ({"inq": [1, "a"]}, [1, 5, 8]),
            ({"nin": [1, "a", None]}, [2, 3, 6, 7, 9]),
            ({"like": "_"}, [3, 5, 8]),
            ({"exists": True}, [1, 2, 3, 5, 6, 7, 8, 9]),
        ],
        ids=repr,
    )
    def test_values_of_any_type_are_compared_with_their_like(
        self, store: Store, where: Any, expected: Any
    ) -> None:
        things = store("any", [1, True, "1", None, [1, "x"], {"a": 1}, 1.5, "a", ""])
        assert [each.id for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("a", [1, 2]),
            ({"eq": "b"}, [2]),
            (["a", "b"], [2]),
            (["b", "a"], []),
            ([], [3]),
            (None, [4]),
            ({"neq": "a"}, [3, 4, 5]),
            ({"neq": ["a"]}, [2, 3, 4, 5]),
            ({"inq": ["b", "é"]}, [2, 5]),
            ({"inq": []}, []),
            ({"inq": ["a", None]}, [1, 2, 4]),
            ({"nin": ["b"]}, [1, 3, 4, 5]),
            ({"nin": ["b", None]}, [1, 3, 5]),
            ({"gt": "a"}, [2, 5]),
            ({"gt": "a", "lt": "c"}, [2]),
            ({"between": ["b", "c"]}, [2]),
            ({"like": "b%"}, [2]),
            ({"like": "%"}, [1, 2, 5]),
            ({"nlike": "a"}, [3, 4, 5]),
            ({"ilike": "É"}, [5]),
            ({"regexp": "^[ab]$"}, [1, 2]),
            ({"exists": True}, [1, 2, 3, 5]),
        ],
        ids=repr,
    )
    def test_membership_in_lists_of_text(self, store: Store, where: Any, expected: Any) -> None:
        things = store([str], [["a"], ["a", "b"], [], None, ["é"]])
        assert [each.id for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (1, [1, 2]),
            (2.5, [2]),
            ([1, 2.5], [2]),
            ({"gt": 2}, [2]),
            ({"gt": 1, "lt": 2}, [2]),
            ({"between": [0, 0]}, [3]),
            ({"inq": [0, 2.5]}, [2, 3]),
            ({"nin": [1]}, [3, 4]),
        ],
        ids=repr,
    )
    def test_membership_in_lists_of_numbers(self, store: Store, where: Any, expected: Any) -> None:
        things = store(["number"], [[1], [1, 2.5], [0], None])
        assert [each.id for each in things.find(where={"value": where})] == expected

    def test_membership_in_lists_of_other_types(self, define: Define) -> None:
        things = define({"days": [datetime], "prices": ["decimal"]})
        new_year = datetime(2024, 1, 1, tzinfo=UTC)
        things.create(
            [
                {"id": 1, "days": [new_year], "prices": ["9.5", "10"]},
                {"id": 2, "days": [new_year.replace(microsecond=1)], "prices": ["10.000001"]},
                {"id": 3, "days": [], "prices": None},
            ]
        )

        def found(where: dict[str, Any]) -> list[int]:
            return [each.id for each in things.find(where=where)]

        assert found({"days": "2024-01-01T01:00:00+01:00"}) == [1]
        assert found({"days": {"gt": new_year}}) == [2]
        assert found({"days": {"neq": new_year}}) == [2, 3]
        assert found({"prices": 10}) == [1]
        assert found({"prices": {"gt": "9.9"}}) == [1, 2]
        assert found({"prices": {"lt": "9.9"}}) == [1]
        assert found({"prices": ["9.50", "10.0"]}) == [1]

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"home.zip_code": "10115"}, [1]),
            ({"home.zipCode": {"like": "1%"}}, [1, 2]),
            ({"home.zipCode": None}, [3, 4]),
            ({"home.since": "2020-01-01T02:00:00+02:00"}, [1]),
            ({"home.since": {"gt": datetime(2020, 1, 1, tzinfo=UTC)}}, [2]),
            ({"home.since": {"neq": datetime(2020, 1, 1, tzinfo=UTC)}}, [2, 3, 4]),
            ({"home.rent": "950.50"}, [1]),
            ({"home.rent": {"gt": 950}}, [1, 2]),
            ({"home.rent": {"lt": "1000"}}, [1]),
            ({"home.floor": {"inq": [0, 2.5]}}, [1, 2]),
            ({"home.floor": {"nin": [0]}}, [2, 3, 4]),
            ({"home": None}, [4]),
            ({"home": {"exists": True}}, [1, 2, 3]),
            ({"nor": [{"home.rent": {"gt": 0}}]}, [3, 4]),
        ],
        ids=repr,
    )
    def test_paths_into_embedded_models(self, define: Define, where: Any, expected: Any) -> None:
        things = define({"home": ADDRESS})
        things.create(
            [
                {
                    "id": 1,
                    "home": {
                        "zip_code": "10115",
                        "since": "2020-01-01",
                        "rent": "950.5",
                        "floor": 0,
                    },
                },
                {
                    "id": 2,
                    "home": {
                        "zipCode": "1000",
                        "since": datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
                        "rent": Decimal(10000),
                        "floor": 2.5,
                    },
                },
                {"id": 3, "home": {}},
                {"id": 4, "home": None},
            ]
        )
        assert [each.id for each in things.find(where=where)] == expected

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("home.zip_code", [2, 1, 3, 4]),
            ("home.zipCode DESC", [1, 2, 3, 4]),
            ("home.rent DESC", [2, 1, 3, 4]),
            ("home.rent", [1, 2, 3, 4]),
            ("home.since DESC", [2, 1, 3, 4]),
        ],
    )
    def test_order_by_paths_into_embedded_models(
        self, define: Define, order: str, expected: Any
    ) -> None:
        things = define({"home": ADDRESS})
        things.create(
            [
                {"id": 1, "home": {"zip_code": "2", "since": "2020-01-01", "rent": "9.5"}},
                {"id": 2, "home": {"zip_code": "10", "since": "2021-01-01", "rent": "10"}},
                {"id": 3, "home": {}},
                {"id": 4, "home": None},
            ]
        )
        assert [each.id for each in things.find(order=order)] == expected

    def test_order_by_a_path_goes_by_type_then_value(self, store: Store) -> None:
        values = [2, "b", True, None, 10, "B", False, 1.5]
        things = store(dict, [{"a": value} for value in values])
        found = [each.value["a"] for each in things.find(order="value.a")]
        assert found == [False, True, 1.5, 2, 10, "B", "b", None]
        found = [each.value["a"] for each in things.find(order="value.a DESC")]
        assert found == ["b", "B", 10, 2, 1.5, True, False, None]

    def test_a_path_into_what_has_no_inside_is_refused(self, define: Define) -> None:
        things = define({"name": str, "home": ADDRESS})
        for name in ("name.x", "home.missing", "home.zipCode.x", "missing.x"):
            with pytest.raises(FilterError):
                things.find(where={name: 1})
