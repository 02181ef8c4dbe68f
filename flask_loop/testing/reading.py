"""Order, pages, fields, and finding by id."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ..errors import FilterError, ModelNotFound
from ..geo import GeoPoint
from .base import Contract, Define, Store
from .operators import Size, Suit

ORDERED: list[tuple[Any, list[Any]]] = [
    (int, [-(2**63), -1, 0, 2, 10, 2**63 - 1]),
    ("number", [-1e300, -1.5, 0, 1, 1.5, 2, 2**53, 2**53 + 1, 1e300]),
    ("decimal", [Decimal("-10.5"), Decimal(-9), Decimal(0), Decimal("0.000001"), Decimal(100)]),
    (
        str,
        [
            *("", " ", "1", "10", "2", "A", "Z", "a", "a ", "aa", "a\u0308", "b", "Ä", "ä", "я"),
            *("\u65e5", "\ue000", "\ufb01", "\uffff", "\U0001f600", "\U0010ffff"),
        ],
    ),
    (bool, [False, True]),
    (
        datetime,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 12, tzinfo=UTC),
            datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 12, 0, 0, 1000, tzinfo=UTC),
            datetime(9999, 12, 31, tzinfo=UTC),
        ],
    ),
    (date, [date.min, date(999, 12, 31), date(2024, 2, 29), date(2024, 3, 1), date.max]),
    (bytes, [b"", b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"\xff"]),
    (UUID, [UUID(int=value) for value in (0, 1, 2**64, 2**127, 2**128 - 1)]),
    (Suit, [Suit.CLUBS, Suit.HEARTS, Suit.SPADES]),
    (Size, [Size.SMALL, Size.MEDIUM, Size.LARGE]),
]


def _shuffled(values: list[Any]) -> list[Any]:
    return [*values[1::2], *reversed(values[::2])]


class ReadingContract(Contract):
    """Order, pages, fields, and finding by id."""

    @pytest.mark.parametrize(("kind", "values"), ORDERED, ids=lambda each: str(each)[:30])
    def test_every_type_has_its_order(self, store: Store, kind: Any, values: Any) -> None:
        things = store(kind, _shuffled(values))
        assert [each.value for each in things.find(order="value")] == values
        assert [each.value for each in things.find(order="value DESC")] == values[::-1]

    @pytest.mark.parametrize(("kind", "values"), ORDERED, ids=lambda each: str(each)[:30])
    def test_comparisons_agree_with_the_order(self, store: Store, kind: Any, values: Any) -> None:
        things = store(kind, _shuffled(values))
        for position, value in enumerate(values):
            above = things.find(where={"value": {"gt": value}}, order="value")
            assert [each.value for each in above] == values[position + 1 :]
            below = things.find(where={"value": {"lte": value}}, order="value")
            assert [each.value for each in below] == values[: position + 1]

    @pytest.mark.parametrize("flags", [{}, {"index": True}, {"unique": True}], ids=repr)
    def test_null_is_last_both_ways(self, define: Define, flags: Any) -> None:
        things = define({"value": {"type": int, **flags}})
        things.create([{"id": id, "value": value} for id, value in enumerate([None, 2, 1, None])])
        assert [each.id for each in things.find(order="value")] == [2, 1, 0, 3]
        assert [each.id for each in things.find(order="value DESC")] == [1, 2, 0, 3]
        assert [each.id for each in things.find(order="value DESC", limit=3)] == [1, 2, 0]
        assert [each.id for each in things.find(order="value", skip=2)] == [0, 3]

    def test_without_order_records_come_by_id(self, define: Define) -> None:
        things = define({"value": int})
        things.create([{"id": id, "value": 0} for id in (10, -3, 2, 0)])
        assert [each.id for each in things.find()] == [-3, 0, 2, 10]

    def test_ties_are_ordered_by_id_both_ways(self, define: Define) -> None:
        things = define({"value": int})
        things.create([{"id": id, "value": id % 2} for id in (4, 1, 3, 2)])
        assert [each.id for each in things.find(order="value")] == [2, 4, 1, 3]
        assert [each.id for each in things.find(order="value DESC")] == [1, 3, 2, 4]
        assert [each.id for each in things.find(order="value DESC, id DESC")] == [3, 1, 4, 2]

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("a,b", [4, 2, 1, 3, 5]),
            ("a DESC, b", [1, 3, 4, 2, 5]),
            (["a ASC", "b DESC"], [2, 4, 3, 1, 5]),
            (["a", "b", "id DESC"], [4, 2, 1, 3, 5]),
            ("b, a", [4, 5, 2, 1, 3]),
            ("b desc,a desc", [3, 1, 2, 4, 5]),
            ('["b", "a"]', [4, 5, 2, 1, 3]),
            ("id DESC", [5, 4, 3, 2, 1]),
        ],
        ids=repr,
    )
    def test_order_by_several_keys(self, define: Define, order: Any, expected: Any) -> None:
        things = define({"a": int, "b": str})
        rows = [(2, "b"), (1, "b"), (2, "c"), (1, "a"), (None, "a")]
        things.create([{"id": id, "a": a, "b": b} for id, (a, b) in enumerate(rows, 1)])
        assert [each.id for each in things.find(order=order)] == expected

    @pytest.mark.parametrize(
        ("page", "expected"),
        [
            ({"limit": 0}, []),
            ({"limit": 1}, [1]),
            ({"limit": 3}, [1, 2, 3]),
            ({"limit": 99}, [1, 2, 3, 4, 5]),
            ({"skip": 0}, [1, 2, 3, 4, 5]),
            ({"skip": 2}, [3, 4, 5]),
            ({"skip": 5}, []),
            ({"skip": 99}, []),
            ({"skip": 99, "limit": 2}, []),
            ({"skip": 4, "limit": 2}, [5]),
            ({"skip": 1, "limit": 2}, [2, 3]),
            ({"skip": 1, "limit": 0}, []),
            ({"offset": 3}, [4, 5]),
            ({"offset": 1, "limit": 1}, [2]),
            ({"skip": 2**62, "limit": 2**62}, []),
        ],
        ids=repr,
    )
    def test_limit_and_skip(self, store: Store, page: Any, expected: Any) -> None:
        things = store(int, [0] * 5)
        assert [each.id for each in things.find(page)] == expected

    def test_pages_hold_each_record_once(self, store: Store) -> None:
        things = store(int, [n % 3 if n % 4 else None for n in range(23)])
        for order in ("value", "value DESC", "value DESC, id DESC", None):
            pages = [things.find(order=order, limit=4, skip=skip) for skip in range(0, 24, 4)]
            together = [each.id for page in pages for each in page]
            assert together == [each.id for each in things.find(order=order)]
            assert sorted(together) == list(range(1, 24))

    @pytest.mark.parametrize(
        ("fields", "names"),
        [
            ("unit_price", ["unit_price"]),
            ("unitPrice", ["unit_price"]),
            (["id", "name"], ["id", "name"]),
            (["name", "name"], ["name"]),
            ({"name": True}, ["name"]),
            ({"name": True, "id": False}, ["name"]),
            ({"name": False}, ["id", "unit_price", "tags"]),
            ({"unitPrice": False, "tags": False}, ["id", "name"]),
            ('["name"]', ["name"]),
            ({}, ["id", "name", "unit_price", "tags"]),
            ([], ["id", "name", "unit_price", "tags"]),
            (None, ["id", "name", "unit_price", "tags"]),
        ],
        ids=repr,
    )
    def test_fields(self, define: Define, fields: Any, names: list[str]) -> None:
        things = define({"name": str, "unit_price": "decimal", "tags": [str]})
        whole = {"id": 1, "name": "a", "unit_price": Decimal("1.5"), "tags": ["x"]}
        things.create(whole)
        (found,) = things.find(fields=fields)
        assert found.to_record() == {name: whole[name] for name in names}
        found = things.find_by_id(1, {"fields": fields})
        assert found.to_record() == {name: whole[name] for name in names}

    def test_fields_need_not_hold_what_orders_or_narrows(self, define: Define) -> None:
        things = define({"name": str, "rank": int, "data": dict})
        things.create([{"id": n, "name": f"n{n}", "rank": -n, "data": {"n": n}} for n in range(4)])
        found = things.find(
            where={"data.n": {"gt": 0}, "rank": {"neq": -2}}, order="rank", fields=["name"]
        )
        assert [each.to_record() for each in found] == [{"name": "n3"}, {"name": "n1"}]

    def test_find_one_is_the_first(self, store: Store) -> None:
        things = store(int, [3, 1, 2])
        assert things.find_one(order="value").value == 1
        assert things.find_one({"where": {"value": {"gt": 1}}, "order": "value"}).value == 2
        assert things.find_one({"value": 2}).id == 3
        assert things.find_one({"value": 9}) is None

    def test_find_by_id(self, store: Store) -> None:
        things = store(str, ["a", "b"])
        assert things.find_by_id(2).value == "b"
        assert things.find_by_id("2").value == "b"
        assert things.find_by_id(3) is None
        assert things.find_by_id("b") is None

    def test_find_by_ids_keeps_the_order_of_the_ids(self, store: Store) -> None:
        things = store(int, [0, 0, 0, 0])
        assert [each.id for each in things.find_by_ids([3, 1, 9, 4])] == [3, 1, 4]
        assert things.find_by_ids([]) == []

    def test_exists(self, store: Store) -> None:
        things = store(int, [0])
        assert things.exists(1) is True
        assert things.exists(2) is False
        assert things.exists("no id") is False

    def test_count(self, store: Store) -> None:
        things = store(int, [1, 1, None])
        assert things.count() == 3
        assert things.count({"value": 1}) == 2
        assert things.count({"value": {"neq": 1}}) == 1
        assert things.count({"value": 7}) == 0

    def test_reload_reads_what_others_wrote(self, store: Store) -> None:
        things = store(int, [1])
        first, second = things.find_by_id(1), things.find_by_id(1)
        second.patch_attributes(value=2)
        assert first.value == 1
        assert first.reload().value == 2
        things.destroy_by_id(1)
        with pytest.raises(ModelNotFound):
            first.reload()

    @pytest.mark.parametrize(
        "filter",
        [
            {"order": "missing"},
            {"order": "value SIDEWAYS"},
            {"order": "place"},
            {"limit": -1},
            {"limit": "many"},
            {"skip": 1.5},
            {"fields": "missing"},
            {"fields": {"value": "yes"}},
            {"unknown": 1},
        ],
        ids=repr,
    )
    def test_a_filter_that_means_nothing_is_refused(self, define: Define, filter: Any) -> None:
        things = define({"value": int, "place": GeoPoint})
        with pytest.raises(FilterError):
            things.find(filter)

    def test_a_model_without_records(self, define: Define) -> None:
        things = define({"value": int, "place": GeoPoint})
        assert things.find() == []
        assert things.find(where={"place": {"near": [0, 0]}}, order="value", limit=5) == []
        assert things.find_one() is None
        assert things.count() == 0
        assert things.update_all({}, {"value": 1}) == 0
        assert things.destroy_all() == 0

    def test_names_that_databases_reserve(self, define: Define) -> None:
        words = ["select", "order", "group", "user", "table", "primary", "key", "default", "where"]
        for name in ("order", "group", "coffee-shop", "Straße"):
            things = define({**dict.fromkeys(words, int), "unit price": int}, name=name)
            record = {word: number for number, word in enumerate(words)}
            things.create(id=1, **record)
            (found,) = things.find(where={"select": 0, "unit price": None}, order="group, order")
            assert found.to_record() == {"id": 1, **record, "unit price": None}
