"""Each type's values come back as they went in, at the edges of their domains too."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from marshmallow import fields

from ..errors import ValidationError
from ..geo import GeoPoint
from ..types import MAX_DEPTH
from .base import Action, Contract, Define, Store, exact
from .operators import Size, Suit

PRICE = {"type": "decimal", "precision": 10, "scale": 2}
TEXTS = [
    "",
    " ",
    " a ",
    "a" * 100_000,
    "line\r\nline\ttab",
    'it\'s "quoted" `so`; DROP TABLE thing; --',
    "%_\\ \\\\ \\' :name ? $1 {0} %s",
    "ß ẞ ﬁ Å A\u030a",
    "日本語 العربية עברית हिन्दी",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0010ffff",
    "\ufeff\u200b\u202e\uffff\x7f\x01",
    "null",
    "NULL",
    "true",
    "12",
    "1e5",
    "{}",
    "[1]",
    '"text"',
]
NUMBERS = [0, 1, -1, 1.5, 0.1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 1e300, -1e300, 5e-324]
JSON = [
    {},
    [],
    {"a": None},
    {"a": {"b": [{"c": [1, 1.5, True, False, None, "x", [], {}]}]}},
    {"": 1, "a.b": 2, "$where": 3, "__proto__": 4, "ключ": 5, "a b": 6, '"': 7, "\\": 8, "'": 9},
    {"integers": [2**63 - 1, -(2**63), 2**53 + 1], "floats": [0.1, 1e300, 5e-324, -1.5]},
    {"texts": TEXTS},
    [[], [[]], [[1], [2, [3]]]],
]
DATETIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 123_456, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]

EDGES: list[tuple[str, Any, list[Any]]] = [
    ("integer", int, [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]),
    ("number", "number", NUMBERS),
    ("price", PRICE, [Decimal(each) for each in ("0.00", "-0.01", "99999999.99", "1.50")]),
    (
        "decimal",
        "decimal",
        [Decimal(each) for each in ("0", "0.1", "-0.000001", "100", "999999999999.999999")],
    ),
    ("string", str, TEXTS),
    ("boolean", bool, [True, False]),
    ("datetime", datetime, DATETIMES),
    ("date", date, [date.min, date(1899, 12, 31), date(2024, 2, 29), date.max]),
    ("bytes", bytes, [b"", b"\x00", b"\xff\xfe", bytes(range(256)), b"a" * 65536]),
    ("uuid", UUID, [UUID(int=0), UUID(int=2**128 - 1), UUID(int=0x1234 << 64)]),
    ("suit", Suit, list(Suit)),
    ("size", Size, list(Size)),
    ("object", dict, [each for each in JSON if isinstance(each, dict)]),
    ("array", list, [each for each in JSON if isinstance(each, list)]),
    ("any", "any", [*JSON, *TEXTS, *NUMBERS, True, False]),
    ("strings", [str], [[], [""], ["a", "a"], TEXTS]),
    ("numbers", ["number"], [[], [1, 1.5, 2**63 - 1, 1e300]]),
    ("days", [date], [[], [date.min, date.max]]),
    ("instants", [datetime], [DATETIMES]),
    ("prices", [{"type": "decimal"}], []),
    ("buffers", [bytes], [[b"", b"\x00\xff"]]),
    ("uuids", [UUID], [[UUID(int=7)]]),
    ("suits", [Suit], [[Suit.HEARTS, Suit.CLUBS]]),
    (
        "point",
        GeoPoint,
        [
            GeoPoint(0, 0),
            GeoPoint(90, 180),
            GeoPoint(-90, -180),
            GeoPoint(52.520006599999995, 13.404953999999975),
            GeoPoint(5e-324, -1e-7),
        ],
    ),
    ("points", [GeoPoint], [[GeoPoint(1, 2), GeoPoint(-90, 180)]]),
    ("field", fields.Time(), [time(12, 30), time(23, 59, 59, 999_999)]),
    ("null", None, []),
]

HOUSE = {
    "street_name": str,
    "since": datetime,
    "rent": "decimal",
    "plan": bytes,
    "place": GeoPoint,
    "owner": {"full_name": str, "born": date},
    "tags": [str],
    "notes": "any",
}
WHOLE_HOUSE = {
    "street_name": "Hauptstraße",
    "since": datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC),
    "rent": Decimal("950.5"),
    "plan": b"\x00\xff",
    "place": GeoPoint(52.5, 13.4),
    "owner": {"full_name": "Ada", "born": date(1815, 12, 10)},
    "tags": ["a", "b"],
    "notes": {"street_name": [1, None]},
}
EMPTY_HOUSE = dict.fromkeys(HOUSE)


class ValueContract(Contract):
    """Types and their domains."""

    @pytest.mark.parametrize(
        ("kind", "values"), [each[1:] for each in EDGES], ids=[each[0] for each in EDGES]
    )
    def test_values_come_back_as_they_went_in(self, store: Store, kind: Any, values: Any) -> None:
        things = store(kind, [*values, None])
        found = [each.value for each in things.find()]
        assert exact(found) == exact([*values, None])
        one_by_one = [things.find_by_id(id).value for id in range(1, len(values) + 2)]
        assert exact(one_by_one) == exact([*values, None])

    @pytest.mark.parametrize(
        ("kind", "values"), [each[1:] for each in EDGES], ids=[each[0] for each in EDGES]
    )
    def test_values_come_back_after_a_change(self, store: Store, kind: Any, values: Any) -> None:
        things = store(kind, [None, None, None])
        for value in values:
            assert things.update_all({"id": 1}, {"value": value}) == 1
            things.find_by_id(2).patch_attributes(value=value)
            things.replace_by_id(3, {"value": value})
            assert exact([each.value for each in things.find()]) == exact([value] * 3)
        assert things.update_all({}, {"value": None}) == 3
        assert [each.value for each in things.find()] == [None] * 3

    @pytest.mark.parametrize(
        ("kind", "values"), [each[1:] for each in EDGES], ids=[each[0] for each in EDGES]
    )
    def test_each_value_finds_itself(self, store: Store, kind: Any, values: Any) -> None:
        things = store(kind, [*values, None])
        for id, value in enumerate(values, 1):
            where = {"value": {"eq": value}}
            assert id in [each.id for each in things.find(where=where)]
            assert id not in [each.id for each in things.find(where={"nor": [where]})]
            if not isinstance(value, list):
                assert id in [each.id for each in things.find(where={"value": {"inq": [value]}})]

    def test_rows_become_the_json_of_their_records(self, define: Define) -> None:
        things = define({name: kind for name, kind, _ in EDGES})
        longest = max(len(values) for *_, values in EDGES)
        for number in range(longest):
            things.create(
                {name: values[number % len(values)] for name, _, values in EDGES if values},
                id=number,
            )
        plan = things.__loop_plan__()
        rows = plan.find(plan.parser.filter({}))
        records = rows.records()
        assert plan.serializer.dump(rows) == [plan.serializer.dump_record(each) for each in records]
        assert [list(each) for each in records] == [list(things.definition.properties)] * longest

    @pytest.mark.parametrize(
        "house", [WHOLE_HOUSE, EMPTY_HOUSE, None], ids=["whole", "empty", "no"]
    )
    def test_embedded_records(self, store: Store, house: Any) -> None:
        things = store(HOUSE, [house])
        assert exact(things.find_one().value) == exact(house)

    def test_lists_of_embedded_records(self, store: Store) -> None:
        lists: list[Any] = [[], [WHOLE_HOUSE], [WHOLE_HOUSE, EMPTY_HOUSE], None]
        things = store([HOUSE], lists)
        assert exact([each.value for each in things.find()]) == exact(lists)

    def test_records_of_embedded_models_are_instances(self, define: Define) -> None:
        address = define({"zip_code": str}, name="address", id_injection=False)
        things = define({"home": address, "others": [address]})
        things.create(id=1, home={"zipCode": "1"}, others=[address(zip_code="2")])
        found = things.find_by_id(1)
        assert isinstance(found.home, address)
        assert (found.home.zip_code, found.others[0].zip_code) == ("1", "2")

    @pytest.mark.parametrize(
        "given",
        [
            datetime(2024, 2, 29, 14, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))),
            datetime(2024, 2, 29, 12, 0, 0, 1),  # noqa: DTZ001 - naive means UTC
            "2024-02-29T12:00:00.000001Z",
            "2024-02-29T06:30:00.000001-05:30",
        ],
        ids=str,
    )
    def test_datetimes_are_kept_in_utc(self, store: Store, given: Any) -> None:
        things = store(datetime, [given])
        expected = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
        assert exact(things.find_one().value) == exact(expected)

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (5, 5),
            (5.0, 5),
            (5.5, 5.5),
            ("5", 5),
            ("5.0", 5),
            (-0.0, 0),
            (1e18, 10**18),
            (1e19, 1e19),
        ],
    )
    def test_whole_numbers_are_integers(self, store: Store, given: Any, expected: Any) -> None:
        things = store("number", [given])
        assert exact(things.find_one().value) == exact(expected)

    @pytest.mark.parametrize(
        ("kind", "given", "expected"),
        [
            (PRICE, 5, "5.00"),
            (PRICE, "5.1", "5.10"),
            (PRICE, 0.1, "0.10"),
            ("decimal", "5.10", "5.1"),
            ("decimal", "500.00", "500"),
            ("decimal", Decimal("1E+3"), "1000"),
        ],
    )
    def test_decimals_have_their_scale(
        self, store: Store, kind: Any, given: Any, expected: str
    ) -> None:
        things = store(kind, [given])
        assert str(things.find_one().value) == expected

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (int, 2**63),
            (int, -(2**63) - 1),
            (int, 1.5),
            (int, True),
            ("number", float("nan")),
            ("number", float("inf")),
            ("number", 2**64),
            (PRICE, "1.001"),
            (PRICE, "100000000"),
            (str, "a\0b"),
            (str, "\ud800"),
            (str, 5),
            (bool, "yes"),
            (datetime, "soon"),
            (date, "2024-02-30"),
            (UUID, "1234"),
            (Suit, "stars"),
            (GeoPoint, [91, 0]),
            (dict, []),
            (dict, {"a": "\0"}),
            (dict, {"a": 2**64}),
            (dict, {1: 2}),
            ([str], ["a", None]),
            ([int], ["x"]),
            ("any", float("inf")),
        ],
        ids=repr,
    )
    def test_values_outside_the_domain_are_refused(
        self, store: Store, kind: Any, value: Any
    ) -> None:
        things = store(kind, [None])
        writes: list[Action] = [
            lambda: things.create(id=2, value=value),
            lambda: things.create([{"id": 2, "value": value}]),
            lambda: things.update_all({}, {"value": value}),
            lambda: things.find_by_id(1).patch_attributes(value=value),
            lambda: things.replace_by_id(1, {"value": value}),
        ]
        for write in writes:
            with pytest.raises(ValidationError):
                write()
        assert [each.to_record() for each in things.find()] == [{"id": 1, "value": None}]

    def test_objects_are_as_deep_as_allowed(self, store: Store) -> None:
        value: Any = "bottom"
        for _ in range(MAX_DEPTH):
            value = {"in": value}
        things = store(dict, [value])
        assert things.find_one().value == value
        with pytest.raises(ValidationError):
            things.create(id=2, value={"in": value})

    def test_every_declared_property_is_there(self, define: Define) -> None:
        things = define({name: kind for name, kind, _ in EDGES})
        things.create(id=1)
        expected = {"id": 1, **{name: None for name, *_ in EDGES}}
        assert things.find_one().to_record() == expected
        assert things.create(id=2).to_record() == {**expected, "id": 2}

    def test_defaults(self, define: Define) -> None:
        things = define(
            {
                "status": {"type": str, "default": "new"},
                "tags": {"type": [str], "default": ["a"]},
                "at": {"type": datetime, "default_fn": "now"},
                "note": {"type": str, "default": "x"},
            }
        )
        created = things.create(id=1, note=None)
        found = things.find_one()
        assert exact(found) == exact(created)
        assert (found.status, found.tags, found.note) == ("new", ["a"], None)
        assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=1)
