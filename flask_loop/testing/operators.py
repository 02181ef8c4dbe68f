"""What operators mean on each kind of value, on null, and combined."""

# ruff: noqa: S101 - text in several scripts; assert is how tests check

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ..errors import FilterError
from ..geo import GeoPoint
from .base import Contract, Define, Store


class Suit(enum.Enum):
    CLUBS = "clubs"
    HEARTS = "hearts"
    SPADES = "spades"


class Size(enum.Enum):
    SMALL = 1
    MEDIUM = 5
    LARGE = 10


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LOW, MIDDLE, HIGH = (UUID(int=value) for value in (1, 2**64, 2**128 - 1))
HERE, THERE = GeoPoint(52.5, 13.4), GeoPoint(-33.9, 151.2)


class OperatorContract(Contract):
    """Operators, ``and``, ``or`` and ``nor``."""

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (3, [3, 3]),
            ({"eq": 3}, [3, 3]),
            ({"eq": "3"}, [3, 3]),
            ({"eq": 4}, []),
            ({"neq": 3}, [None, -1, 0, 10]),
            ({"gt": 0}, [3, 3, 10]),
            ({"gte": 0}, [3, 0, 3, 10]),
            ({"lt": 0}, [-1]),
            ({"lte": 0}, [-1, 0]),
            ({"between": [0, 3]}, [3, 0, 3]),
            ({"between": [3, 3]}, [3, 3]),
            ({"between": [3, 0]}, []),
            ({"inq": [10, 3, 7]}, [3, 3, 10]),
            ({"inq": [3, 3, 3]}, [3, 3]),
            ({"inq": []}, []),
            ({"nin": [10, 3, 7]}, [None, -1, 0]),
            ({"nin": []}, [3, None, -1, 0, 3, 10]),
        ],
        ids=repr,
    )
    def test_operators_on_integers(self, store: Store, where: Any, expected: Any) -> None:
        things = store(int, [3, None, -1, 0, 3, 10])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"eq": 2**63 - 1}, [2**63 - 1]),
            ({"eq": 2**53}, [2**53]),
            ({"gt": 2**53}, [2**53 + 1, 2**63 - 1]),
            ({"lte": -(2**63)}, [-(2**63)]),
            ({"between": [-(2**63), 2**63 - 1]}, [2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
            ({"inq": [2**53 + 1, -(2**63)]}, [2**53 + 1, -(2**63)]),
        ],
        ids=repr,
    )
    def test_integers_of_64_bits_compare_exactly(
        self, store: Store, where: Any, expected: Any
    ) -> None:
        things = store(int, [2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (1.0, [1]),
            ("1.5", [1.5]),
            ({"neq": 1}, [1.5, None, -2.25, 2**53, 2**53 + 1, 1e300]),
            ({"gt": 1}, [1.5, 2**53, 2**53 + 1, 1e300]),
            ({"gt": 2**53}, [2**53 + 1, 1e300]),
            ({"lt": 1.25}, [1, -2.25]),
            ({"between": [-2.25, 1.5]}, [1, 1.5, -2.25]),
            ({"inq": [1.0, 1.5, 1e300]}, [1, 1.5, 1e300]),
            ({"nin": [1.0, 1.5]}, [None, -2.25, 2**53, 2**53 + 1, 1e300]),
        ],
        ids=repr,
    )
    def test_operators_on_numbers(self, store: Store, where: Any, expected: Any) -> None:
        things = store("number", [1, 1.5, None, -2.25, 2**53, 2**53 + 1, 1e300])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("10.1", ["10.10"]),
            (0, ["0.00"]),
            ({"neq": Decimal("10.10")}, ["9.99", "-0.50", "0.00", None, "1000.00"]),
            ({"gt": "9.99"}, ["10.10", "1000.00"]),
            ({"lte": 0}, ["-0.50", "0.00"]),
            ({"between": ["0", "10"]}, ["9.99", "0.00"]),
            ({"inq": ["9.990", 1000]}, ["9.99", "1000.00"]),
            ({"nin": ["9.99", "1000"]}, ["10.10", "-0.50", "0.00", None]),
        ],
        ids=repr,
    )
    def test_operators_on_decimals(self, store: Store, where: Any, expected: Any) -> None:
        kind = {"type": "decimal", "precision": 10, "scale": 2}
        things = store(kind, ["10.10", "9.99", "-0.50", "0.00", None, "1000.00"])
        found = [each.value for each in things.find(where={"value": where})]
        assert [None if value is None else str(value) for value in found] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("b", ["b"]),
            ("", [""]),
            ({"neq": "b"}, ["B", "a", "", "ä", None, "a ", "10", "a\u0308"]),
            ({"gt": "a"}, ["b", "ä", "a ", "a\u0308"]),
            ({"lt": "a"}, ["B", "", "10"]),
            ({"gte": "10"}, ["b", "B", "a", "ä", "a ", "10", "a\u0308"]),
            ({"lte": "9"}, ["", "10"]),
            ({"between": ["A", "a"]}, ["B", "a"]),
            ({"inq": ["B", "", "zz"]}, ["B", ""]),
            ({"nin": ["b", "a ", "ä"]}, ["B", "a", "", None, "10", "a\u0308"]),
        ],
        ids=repr,
    )
    def test_operators_on_strings(self, store: Store, where: Any, expected: Any) -> None:
        things = store(str, ["b", "B", "a", "", "ä", None, "a ", "10", "a\u0308"])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (True, [True]),
            ("false", [False]),
            ({"neq": True}, [False, None]),
            ({"gt": False}, [True]),
            ({"lte": True}, [True, False]),
            ({"inq": [False, True]}, [True, False]),
            ({"nin": [False]}, [True, None]),
        ],
        ids=repr,
    )
    def test_operators_on_booleans(self, store: Store, where: Any, expected: Any) -> None:
        things = store(bool, [True, False, None])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (NOON, [NOON]),
            (NOON.replace(tzinfo=None), [NOON]),
            ("2024-02-29T14:00:00+02:00", [NOON]),
            (NOON.astimezone(timezone(timedelta(hours=-9))), [NOON]),
            ({"gt": NOON}, [NOON + TICK]),
            ({"lt": NOON}, [NOON - TICK, datetime(1969, 12, 31, tzinfo=UTC)]),
            ({"between": [NOON - TICK, NOON]}, [NOON, NOON - TICK]),
            ({"lt": "1970-01-01"}, [datetime(1969, 12, 31, tzinfo=UTC)]),
            ({"inq": [NOON, NOON + TICK]}, [NOON + TICK, NOON]),
            ({"nin": [NOON, NOON + TICK]}, [NOON - TICK, None, datetime(1969, 12, 31, tzinfo=UTC)]),
        ],
        ids=repr,
    )
    def test_operators_on_datetimes(self, store: Store, where: Any, expected: Any) -> None:
        old = datetime(1969, 12, 31, tzinfo=UTC)
        things = store(datetime, [NOON + TICK, NOON, NOON - TICK, None, old])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("2024-02-29", [date(2024, 2, 29)]),
            ({"gt": date(2024, 2, 29)}, [date(2024, 3, 1)]),
            ({"lt": "2024-02-29"}, [date(999, 1, 1)]),
            ({"between": ["0999-01-01", "2024-02-29"]}, [date(2024, 2, 29), date(999, 1, 1)]),
            ({"nin": ["2024-02-29"]}, [date(2024, 3, 1), None, date(999, 1, 1)]),
        ],
        ids=repr,
    )
    def test_operators_on_dates(self, store: Store, where: Any, expected: Any) -> None:
        things = store(date, [date(2024, 3, 1), date(2024, 2, 29), None, date(999, 1, 1)])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (str(MIDDLE), [MIDDLE]),
            (str(HIGH).upper(), [HIGH]),
            ({"neq": MIDDLE}, [HIGH, None, LOW]),
            ({"gte": MIDDLE}, [HIGH, MIDDLE]),
            ({"lt": MIDDLE}, [LOW]),
            ({"inq": [LOW, str(HIGH)]}, [HIGH, LOW]),
        ],
        ids=repr,
    )
    def test_operators_on_uuids(self, store: Store, where: Any, expected: Any) -> None:
        things = store(UUID, [HIGH, MIDDLE, None, LOW])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("hearts", [Suit.HEARTS]),
            (Suit.HEARTS, [Suit.HEARTS]),
            ({"neq": Suit.HEARTS}, [Suit.SPADES, None, Suit.CLUBS]),
            ({"gt": "clubs"}, [Suit.SPADES, Suit.HEARTS]),
            ({"between": ["clubs", "hearts"]}, [Suit.HEARTS, Suit.CLUBS]),
            ({"inq": [Suit.CLUBS, "spades"]}, [Suit.SPADES, Suit.CLUBS]),
            ({"nin": [Suit.CLUBS]}, [Suit.SPADES, Suit.HEARTS, None]),
        ],
        ids=repr,
    )
    def test_operators_on_enums_of_text(self, store: Store, where: Any, expected: Any) -> None:
        things = store(Suit, [Suit.SPADES, Suit.HEARTS, None, Suit.CLUBS])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (5, [Size.MEDIUM]),
            ({"gt": Size.MEDIUM}, [Size.LARGE]),
            ({"lte": 5}, [Size.SMALL, Size.MEDIUM]),
            ({"inq": [1, Size.LARGE]}, [Size.LARGE, Size.SMALL]),
        ],
        ids=repr,
    )
    def test_operators_on_enums_of_integers(self, store: Store, where: Any, expected: Any) -> None:
        things = store(Size, [Size.LARGE, Size.SMALL, None, Size.MEDIUM])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (b"\x80", [b"\x80"]),
            ("gA==", [b"\x80"]),
            ({"gt": b"\x7f"}, [b"\x80", b"\xff\x00"]),
            ({"lt": b"\x80"}, [b"", b"\x00"]),
            ({"inq": [b"", b"\xff\x00"]}, [b"\xff\x00", b""]),
            ({"neq": b""}, [b"\x80", b"\xff\x00", None, b"\x00"]),
        ],
        ids=repr,
    )
    def test_operators_on_bytes(self, store: Store, where: Any, expected: Any) -> None:
        things = store(bytes, [b"\x80", b"\xff\x00", None, b"", b"\x00"])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (HERE, [HERE]),
            ("52.5,13.4", [HERE]),
            ({"lat": 52.5, "lng": 13.4}, [HERE]),
            ({"neq": HERE}, [None, THERE]),
            ({"inq": [HERE, THERE]}, [HERE, THERE]),
            ({"nin": ["52.5,13.4"]}, [None, THERE]),
            ({"exists": True}, [HERE, THERE]),
        ],
        ids=repr,
    )
    def test_operators_on_points(self, store: Store, where: Any, expected: Any) -> None:
        things = store(GeoPoint, [HERE, None, THERE])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "matches_null", "matches_five"),
        [
            (None, True, False),
            ({"eq": None}, True, False),
            ({"neq": None}, False, True),
            ({"neq": 5}, True, False),
            ({"neq": 4}, True, True),
            ({"gt": None}, False, False),
            ({"gte": None}, False, False),
            ({"lt": None}, False, False),
            ({"lte": None}, False, False),
            ({"between": [None, 9]}, False, False),
            ({"between": [0, None]}, False, False),
            ({"gt": 0}, False, True),
            ({"lt": 9}, False, True),
            ({"inq": [None]}, True, False),
            ({"inq": [5, None]}, True, True),
            ({"inq": [5]}, False, True),
            ({"nin": [5]}, True, False),
            ({"nin": [4]}, True, True),
            ({"nin": [5, None]}, False, False),
            ({"nin": [None]}, False, True),
            ({"exists": True}, False, True),
            ({"exists": False}, True, False),
            ({"neq": 4, "gt": 0}, False, True),
            ({"neq": 4, "exists": False}, True, False),
        ],
        ids=repr,
    )
    def test_null_in_comparisons(
        self, store: Store, where: Any, matches_null: bool, matches_five: bool
    ) -> None:
        things = store(int, [None, 5])
        expected = [None] * matches_null + [5] * matches_five
        assert [each.value for each in things.find(where={"value": where})] == expected
        others = things.find(where={"nor": [{"value": where}]})
        assert [each.value for each in others] == [v for v in (None, 5) if v not in expected]

    @pytest.mark.parametrize("operator", ["like", "ilike", "regexp"])
    def test_null_matches_no_pattern(self, store: Store, operator: str) -> None:
        things = store(str, [None, ""])
        everything = "" if operator == "regexp" else "%"
        assert [each.value for each in things.find(where={"value": {operator: everything}})] == [""]

    @pytest.mark.parametrize("operator", ["nlike", "nilike"])
    def test_null_is_unlike_every_pattern(self, store: Store, operator: str) -> None:
        things = store(str, [None, "", "a"])
        assert [each.value for each in things.find(where={"value": {operator: "%a%"}})] == [
            None,
            "",
        ]

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"gt": -1, "lt": 3}, [0]),
            ({"gte": 0, "neq": 3}, [0, 10]),
            ({"neq": 3, "nin": [0]}, [None, -1, 10]),
            ({"gt": 5, "lt": 1}, []),
            ({"inq": [0, 3, 10], "gt": 0}, [3, 3, 10]),
            ({"exists": True, "neq": 3}, [-1, 0, 10]),
            ({"between": [-1, 10], "nin": [3, -1], "neq": 10}, [0]),
            ({"eq": 3, "lt": 3}, []),
        ],
        ids=repr,
    )
    def test_all_operators_on_one_property_hold(
        self, store: Store, where: Any, expected: Any
    ) -> None:
        things = store(int, [3, None, -1, 0, 3, 10])
        assert [each.value for each in things.find(where={"value": where})] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({}, [1, 2, 3, 4]),
            (None, [1, 2, 3, 4]),
            ({"and": []}, [1, 2, 3, 4]),
            ({"or": []}, []),
            ({"nor": []}, [1, 2, 3, 4]),
            ({"or": [{}]}, [1, 2, 3, 4]),
            ({"nor": [{}]}, []),
            ({"and": [{"or": []}]}, []),
            ({"nor": [{"or": []}]}, [1, 2, 3, 4]),
            ({"or": [{"or": []}, {"a": 1}]}, [1, 2]),
            ({"and": [{"a": 1}, {"b": 2}]}, [2]),
            ({"a": 1, "b": 2}, [2]),
            ({"a": 1, "or": [{"b": 1}, {"b": 2}]}, [1, 2]),
            ({"or": [{"a": 1}, {"b": 2}]}, [1, 2, 4]),
            ({"or": [{"a": 1}, {"a": 1}]}, [1, 2]),
            ({"or": [{"a": 1, "b": 1}, {"a": 2, "b": None}]}, [1, 3]),
            ({"nor": [{"a": 1}, {"b": 2}]}, [3]),
            ({"and": [{"or": [{"a": 1}, {"a": 2}]}, {"nor": [{"b": 1}]}]}, [2, 3]),
            ({"or": [{"and": [{"a": 1}, {"b": 1}]}, {"and": [{"a": None}, {"b": 2}]}]}, [1, 4]),
            ({"and": [{"a": {"gt": 0}}, {"a": {"lt": 2}}]}, [1, 2]),
            ({"nor": [{"nor": [{"a": 1}]}]}, [1, 2]),
        ],
        ids=repr,
    )
    def test_and_or_and_nor(self, define: Define, where: Any, expected: Any) -> None:
        things = define({"a": int, "b": int})
        rows = [(1, 1), (1, 2), (2, None), (None, 2)]
        things.create([{"id": id, "a": a, "b": b} for id, (a, b) in enumerate(rows, 1)])
        assert [each.id for each in things.find(where=where)] == expected

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"nor": [{"a": {"gt": 1}}]}, [1, 4]),
            ({"nor": [{"a": {"gt": 0}}, {"b": {"lt": 0}}]}, [4]),
            ({"nor": [{"a": {"gt": 0}, "b": {"gt": 1}}]}, [1, 3, 4]),
            ({"nor": [{"and": [{"a": {"gt": 9}}, {"b": {"gt": 0}}]}]}, [1, 2, 3, 4]),
            ({"nor": [{"a": {"neq": 1}}]}, [1]),
            ({"nor": [{"or": [{"a": 1}, {"b": {"between": [0, 5]}}]}]}, [3]),
            ({"or": [{"nor": [{"a": 1}]}, {"b": {"gt": 5}}]}, [2, 3, 4]),
            ({"and": [{"nor": [{"a": 2}]}, {"nor": [{"b": None}]}]}, [1, 4]),
        ],
        ids=repr,
    )
    def test_logic_is_two_valued(self, define: Define, where: Any, expected: Any) -> None:
        things = define({"a": int, "b": int})
        rows = [(1, 1), (2, 2), (2, None), (None, 2)]
        things.create([{"id": id, "a": a, "b": b} for id, (a, b) in enumerate(rows, 1)])
        assert [each.id for each in things.find(where=where)] == expected

    def test_logic_nests_deeply(self, store: Store) -> None:
        things = store(int, [1, 2, 3, None])
        where: dict[str, Any] = {"value": 2}
        for _ in range(8):
            where = {"nor": [where, {"or": []}]}
            where = {"and": [{"or": [where, {"value": 9}]}, {}]}
        assert [each.value for each in things.find(where=where)] == [2]

    def test_many_values_in_one_list(self, store: Store) -> None:
        things = store(int, [*range(50), None])
        wanted = [*range(40, 3000)]
        found = things.find(where={"value": {"inq": wanted}})
        assert [each.value for each in found] == [*range(40, 50)]
        others = things.find(where={"value": {"nin": wanted}})
        assert [each.value for each in others] == [*range(40), None]

    def test_a_filter_of_one_shape_takes_other_values_each_time(self, store: Store) -> None:
        things = store(int, [1, 2, 3, None])

        def found(where: Any) -> list[Any]:
            return [each.value for each in things.find(where={"value": where})]

        for _ in range(2):
            assert found(2) == [2]
            assert found(None) == [None]
            assert found(3) == [3]
            assert found({"inq": [1]}) == [1]
            assert found({"inq": [1, 2, 3]}) == [1, 2, 3]
            assert found({"inq": [3, 9]}) == [3]
            assert found({"nin": [1, 2, 3, 4, 5]}) == [None]
            assert found({"gt": 1}) == [2, 3]
            assert found({"gt": 2}) == [3]
            assert found({"gt": None}) == []

    @pytest.mark.parametrize(
        ("where", "path"),
        [
            ({"missing": 1}, "where.missing"),
            ({"value": {"foo": 1}}, "where.value.foo"),
            ({"value": "abc"}, "where.value"),
            ({"value": {"gt": "abc"}}, "where.value.gt"),
            ({"value": {"eq": 2**63}}, "where.value.eq"),
            ({"value": {"inq": 1}}, "where.value.inq"),
            ({"value": {"between": [1]}}, "where.value.between"),
            ({"value": {"like": "a"}}, "where.value.like"),
            ({"and": {"value": 1}}, "where.and"),
            ({"or": [{"value": {"$where": "1"}}]}, "where.or.0.value.$where"),
        ],
        ids=repr,
    )
    def test_a_where_that_means_nothing_is_refused(
        self, store: Store, where: Any, path: str
    ) -> None:
        things = store(int, [1])
        for call in (things.count, things.destroy_all, lambda each: things.find(where=each)):
            with pytest.raises(FilterError) as caught:
                call(where)
            assert caught.value.path == path
        assert things.count() == 1
