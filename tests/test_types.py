from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, getcontext, localcontext
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields

from flask_loop import GeoPoint
from flask_loop.types import (
    MAX_DEPTH,
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
    TypeMismatch,
    Uuid,
    json_value,
)


class Hue(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class OldWord(str, enum.Enum):  # noqa: UP042 - what users wrote before there was StrEnum
    YES = "yes"


class Text(str):
    __slots__ = ()


ZERO = UUID(int=0)
TEXT_ID = "00000000-0000-0000-0000-000000000000"
NINE_HOURS = timezone(timedelta(hours=9))


def nested(levels: int, kind: type = dict) -> Any:
    """Objects, or lists, in so many levels."""
    value: Any = {} if kind is dict else []
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else [value]
    return value


def mismatch(kind: PropertyType, value: Any, **options: Any) -> TypeMismatch:
    with pytest.raises(TypeMismatch) as caught:
        kind.load(value, **options)
    return caught.value


def label(value: Any) -> str:
    """A name for a parameter that is the same in each process."""
    is_small = isinstance(value, int) and abs(value) < 10**9
    is_plain = value is None or is_small or isinstance(value, float | str)
    return repr(value)[:30] if is_plain else type(value).__name__


def exactly(value: Any) -> tuple[type, str]:
    return type(value), repr(value)


# Text that is exactly a value is taken, and values that are exactly of the type


TAKEN: list[tuple[PropertyType, Any, Any]] = [
    (Boolean(), True, True),
    (Boolean(), "true", True),
    (Boolean(), "false", False),
    (Integer(), 5, 5),
    (Integer(), 5.0, 5),
    (Integer(), "5", 5),
    (Integer(), "-5", -5),
    (Integer(), "0", 0),
    (Integer(), "-0", 0),
    (Integer(), Level.HIGH, 2),
    (Integer(), 2**63 - 1, 2**63 - 1),
    (Integer(), -(2**63), -(2**63)),
    (Integer(), "9223372036854775807", 2**63 - 1),
    (Integer(), "-9223372036854775808", -(2**63)),
    (Number(), 5, 5),
    (Number(), 5.0, 5),
    (Number(), 5.5, 5.5),
    (Number(), "5", 5),
    (Number(), "5.50", 5.5),
    (Number(), "-1e3", -1000),
    (Number(), "1E+2", 100),
    (Number(), "1e-7", 1e-7),
    (Number(), 2**63 - 1, 2**63 - 1),
    (Number(), 1e300, 1e300),
    (Number(), "0." + "1" * 300, 0.1111111111111111),
    (DecimalNumber(), "1.50", Decimal("1.5")),
    (DecimalNumber(), 1.1, Decimal("1.1")),
    (DecimalNumber(), 7, Decimal(7)),
    (DecimalNumber(), "-0", Decimal(0)),
    (DecimalNumber(), "1e2", Decimal(100)),
    (DecimalNumber(), "0.000001", Decimal("0.000001")),
    (DecimalNumber(), "999999999999.999999", Decimal("999999999999.999999")),
    (DecimalNumber(), Decimal("0E+50"), Decimal(0)),
    (DecimalNumber(scale=2), "1.5", Decimal("1.50")),
    (DecimalNumber(scale=2), "1.500", Decimal("1.50")),
    (DecimalNumber(5, 2), "-999.99", Decimal("-999.99")),
    (DecimalNumber(scale=0), "12", Decimal(12)),
    (String(), "", ""),
    (String(), " 3", " 3"),
    (String(), "\U0001f600", "\U0001f600"),
    (String(), Text("a"), "a"),
    (String(), Word.YES, "yes"),
    (String(), OldWord.YES, "yes"),
    (DateTime(), "2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
    (DateTime(), "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (DateTime(), "2024-02-29t12:00:00z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (DateTime(), "2024-02-29 12:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (DateTime(), "2024-02-29T12:00:00.5Z", datetime(2024, 2, 29, 12, 0, 0, 500000, tzinfo=UTC)),
    (DateTime(), "2024-02-29T12:00:00.123456Z", datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)),
    (DateTime(), "2024-03-01T08:59:00+09:00", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)),
    (DateTime(), "2024-02-29T12:00:00-00:30", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    (DateTime(), "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    (DateTime(), "9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    (DateTime(), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
    (DateTime(), datetime(2024, 1, 1, 9, tzinfo=NINE_HOURS), datetime(2024, 1, 1, tzinfo=UTC)),
    (DateTime(), date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
    (Date(), "2024-02-29", date(2024, 2, 29)),
    (Date(), "0001-01-01", date(1, 1, 1)),
    (Date(), "9999-12-31", date(9999, 12, 31)),
    (Date(), date(2024, 2, 29), date(2024, 2, 29)),
    (Buffer(), "", b""),
    (Buffer(), "AP8=", b"\x00\xff"),
    (Buffer(), bytearray(b"a"), b"a"),
    (Buffer(), memoryview(b"a"), b"a"),
    (Geo(), {"lat": 1, "lng": 2}, GeoPoint(1, 2)),
    (Geo(), "1,2", GeoPoint(1, 2)),
    (Geo(), [1, 2], GeoPoint(1, 2)),
    (Uuid(), TEXT_ID, ZERO),
    (Uuid(), "0000000A-0000-0000-0000-000000000000", UUID("0000000a-0000-0000-0000-000000000000")),
    (Uuid(), ZERO, ZERO),
    (Enumeration(Hue), "red", Hue.RED),
    (Enumeration(Hue), Hue.BLUE, Hue.BLUE),
    (Enumeration(Level), "2", Level.HIGH),
    (Enumeration(Level), 2, Level.HIGH),
    (Array(), [1, "a", None, {}], [1, "a", None, {}]),
    (Array(Integer()), ["1", 2.0], [1, 2]),
    (Array(Integer()), (1, 2), [1, 2]),
    (Array(Array(Date())), [["2024-01-01"], []], [[date(2024, 1, 1)], []]),
    (Object(), {"a": 5.0, "b": None}, {"a": 5, "b": None}),
    (Object(Integer()), {"a": "1"}, {"a": 1}),
    (AnyValue(), "x", "x"),
    (AnyValue(), [None, True, {"a": (1, 2)}], [None, True, {"a": [1, 2]}]),
    (FieldValue(fields.Email()), "a@b.org", "a@b.org"),
    (FieldValue(fields.List(fields.Integer())), ["1"], [1]),
]


@pytest.mark.parametrize(("kind", "value", "loaded"), TAKEN, ids=label)
def test_a_value_of_the_type_is_taken_exactly(kind: PropertyType, value: Any, loaded: Any) -> None:
    assert exactly(kind.load(value)) == exactly(loaded)


NO_INTEGER = "3\n|0x10|1e3|5.0|+5|05|-|٣|1_000|abc"
NO_NUMBER = "0x10|1_0|+5|05|.5|5.|NaN|Infinity|1e|٣|abc|1e400|-1e400|9223372036854775808"
NO_DECIMAL = "1,5|0x1|NaN|Infinity|abc|1e999999999999999999999|0.0000001|1000000000000|1e12"
NO_INSTANT = (
    "2024|2024-02|2024-02-30|2023-02-29|2024-2-1|20240201|yesterday|2024-02-29T12:00:00"
    "|2024-02-29T12:00|2024-02-29T12Z|2024-02-29T12:00:60Z|2024-02-29T24:00:00Z"
    "|2024-02-29T12:60:00Z|2024-02-29T12:00:00.1234567Z|2024-02-29T12:00:00.Z"
    "|2024-02-29T12:00:00+24:00|2024-02-29T12:00:00+0900|2024-02-29T12:00:00 Z| 2024-02-29"
    "|2024-02-29\n|0000-01-01|10000-01-01|0001-01-01T00:00:00+00:01|9999-12-31T23:59:59-00:01"
    "|٢٠٢٤-٠٢-٢٩"
)
NO_DAY = (
    "2024-02-30|2024-2-1|20240201|2024-W01-1|2024-02-29T00:00:00Z|2024-02|0000-01-01"
    "| 2024-02-29|2024-02-29\n"
)
NO_UUID = f"{'0' * 32}|{{{TEXT_ID}}}|urn:uuid:{TEXT_ID}| {TEXT_ID}|{TEXT_ID[:-1]}|{TEXT_ID[:-1]}g"
LAST_HOUR = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))

#: Each type with texts that it refuses, and other values.
REFUSED: list[tuple[PropertyType, str, list[Any]]] = [
    (Null(), "null", [0, False]),
    (Boolean(), "yes|True|TRUE| true|1|on", [1, 0, 1.0, [], {}]),
    (Integer(), NO_INTEGER, [5.9, True, False, math.nan, math.inf, [], {}, b"5", Decimal(5)]),
    (Integer(), "9223372036854775808|-9223372036854775809", [2**63, -(2**63) - 1, 1e19, 10**5000]),
    (Integer(), " 3|3 ", ["1" * 10_000]),
    (Number(), NO_NUMBER, [math.nan, math.inf, -math.inf, True, [], {}, b"5", 1j]),
    (Number(), " 3|3 ", [2**63, 10**5000, "1" * 10_000]),
    (DecimalNumber(), NO_DECIMAL, [True, [], {}, b"1", math.nan, 10**12, 1 / 3, "1" * 50]),
    (DecimalNumber(), " 1", [Decimal(each) for each in ("NaN", "sNaN", "-Infinity", "1e-999999")]),
    (DecimalNumber(), "", [Decimal("0.1234560000000000000000000000000000001"), 10**5000]),
    (DecimalNumber(5, 2), "1000|0.001|-1000.00", []),
    (DecimalNumber(scale=0), "0.5", []),
    (DateTime(), NO_INSTANT, [0, 1e9, True, [], {}, LAST_HOUR]),
    (Date(), NO_DAY, [0, datetime(2024, 1, 1, tzinfo=UTC)]),
    (Geo(), "abc|1|91,0", [[1], {"lat": 1}, {"lat": "x", "lng": 0}, 5, True]),
    (Uuid(), NO_UUID, [0, b"\0" * 16]),
    (Enumeration(Hue), "RED|Red|green", [1, Level.LOW, None, ["red"]]),
    (Enumeration(Level), "LOW|1.0", [3, True, 1.5]),
    (Array(), "a", [5, {}, {"0": 1}, {1}]),
    (Array(Integer()), "1", [["x"], [None], [[1]]]),
    (Object(), "{}", [[], 5, {1: 1}, {"a\0": 1}, {"a": math.nan}, {"a": 2**63}, {"a": b""}]),
    (Object(Integer()), "1", [{"a": "x"}, {"a": None}, {1: 1}, []]),
]
#: The same, of types for which the empty text is a value.
REFUSED_ALSO: list[tuple[PropertyType, list[Any]]] = [
    (String(), ["a\0b", "\ud800", "a\udfffb", 5, True, b"a", ["a"], {}]),
    (Buffer(), ["AP8", "A P8=", "AP8=\n", "AP8=AP8=", "_-8=", "é", "=", 5, [0, 255], {}]),
    (AnyValue(), ["\0", "\ud800", math.inf, 2**64, b"", object(), {1: 2}, [{"a": {1}}], ZERO]),
    (FieldValue(fields.Email()), ["a@", 5]),
    (FieldValue(fields.String()), ["\0", "\ud800"]),
    (FieldValue(fields.Float()), ["x"]),
    (FieldValue(fields.Raw()), [object(), 2**64, math.nan]),
]
EVERY_REFUSED = [
    *(
        (kind, text)
        for kind, texts, _ in REFUSED
        for text in dict.fromkeys(["", *texts.split("|")])
    ),
    *((kind, value) for kind, _, values in REFUSED for value in values),
    *((kind, value) for kind, values in REFUSED_ALSO for value in values),
]


@pytest.mark.parametrize(("kind", "value"), EVERY_REFUSED, ids=label)
def test_a_value_of_another_type_is_refused(kind: PropertyType, value: Any) -> None:
    error = mismatch(kind, value)
    assert str(error)
    assert error.code.islower()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Boolean(), "true"),
        (Integer(), "5"),
        (Number(), "5"),
        (Enumeration(Level), "1"),
        (Array(Integer()), ["5"]),
        (Object(Integer()), {"a": "5"}),
    ],
    ids=label,
)
def test_text_can_be_kept_from_being_a_number_or_boolean(kind: PropertyType, text: Any) -> None:
    assert kind.load(text) is not None
    mismatch(kind, text, text=False)


# Messages and places


@pytest.mark.parametrize(
    ("kind", "value", "code", "message"),
    [
        (Boolean(), "yes", "boolean", "is not a boolean"),
        (Integer(), 5.9, "integer", "is not an integer"),
        (Integer(), 2**63, "integer", "is outside the range of 64-bit integers"),
        (Number(), math.nan, "number", "is not a finite number"),
        (Number(), "abc", "number", "is not a number"),
        (DecimalNumber(), "x", "decimal", "is not a decimal number"),
        (DecimalNumber(5, 2), "1000", "decimal", "has more than 3 digits before the point"),
        (DecimalNumber(5, 2), "1.001", "decimal", "has more than 2 digits after the point"),
        (String(), 5, "string", "is not a string"),
        (String(), "\0", "string", "contains a NUL character"),
        (String(), "\ud800", "string", "contains a lone surrogate"),
        (DateTime(), "x", "date", "is not a date in RFC 3339 form"),
        (
            DateTime(),
            "0001-01-01T00:00:00+01:00",
            "date",
            "is outside the years 1 to 9999",
        ),
        (Date(), "x", "date", "is not a date of the form YYYY-MM-DD"),
        (Buffer(), "x", "buffer", "is not base64 text"),
        (Uuid(), "x", "uuid", "is not a UUID"),
        (Enumeration(Hue), "x", "enum", "is not one of the allowed values: red, blue"),
        (Object(), nested(MAX_DEPTH + 1), "depth", "is more than 32 levels deep"),
        (AnyValue(), ZERO, "any", "holds a UUID, which is not a JSON value"),
        (Object(), {1: 2}, "object", "has the key 1, which is not text"),
        (FieldValue(fields.Email()), "x", "field", "Not a valid email address."),
    ],
    ids=label,
)
def test_a_refusal_says_what_was_expected(
    kind: PropertyType, value: Any, code: str, message: str
) -> None:
    error = mismatch(kind, value)
    assert (error.code, str(error)) == (code, message)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Array(Integer()), [1, "x"], (1,)),
        (Array(Array(Integer())), [[1], [2, None]], (1, 1)),
        (Array(), [1, {"a": ["\0"]}], (1, "a", 0)),
        (Object(), {"a": [1, {"b": math.nan}]}, ("a", 1, "b")),
        (Object(Array(Integer())), {"a": [1, "x"]}, ("a", 1)),
        (FieldValue(fields.List(fields.Integer())), [1, "x"], (1,)),
        (
            FieldValue(fields.Nested(Schema.from_dict({"n": fields.Integer()}))),
            {"n": "x"},
            ("n",),
        ),
        (FieldValue(fields.Raw()), {"a": [math.inf]}, ("a", 0)),
    ],
    ids=label,
)
def test_a_refusal_says_where_inside_the_value(
    kind: PropertyType, value: Any, path: tuple[str | int, ...]
) -> None:
    assert mismatch(kind, value).path == path


@pytest.mark.parametrize("kind", [dict, list])
def test_objects_and_lists_are_32_levels_deep_at_most(kind: type) -> None:
    assert json_value(nested(32, kind)) == nested(32, kind)
    error = mismatch(AnyValue(), nested(33, kind))
    assert (error.code, len(error.path)) == ("depth", 32)
    assert mismatch(AnyValue(), nested(900, kind)).code == "depth"


# On the wire, and in data sources that know JSON alone


DUMPED: list[tuple[PropertyType, Any, Any]] = [
    (Boolean(), True, True),
    (Integer(), 2**63 - 1, 2**63 - 1),
    (Number(), 1.5, 1.5),
    (DecimalNumber(), Decimal(100), "100"),
    (DecimalNumber(scale=2), Decimal("1.50"), "1.50"),
    (DecimalNumber(), Decimal("0.000001"), "0.000001"),
    (String(), "ä", "ä"),
    (DateTime(), datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00.000Z"),
    (DateTime(), datetime(2024, 2, 29, 12, 0, 0, 1000, UTC), "2024-02-29T12:00:00.001Z"),
    (DateTime(), datetime(2024, 2, 29, 12, 0, 0, 1001, UTC), "2024-02-29T12:00:00.001001Z"),
    (DateTime(), datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    (Date(), date(1, 1, 1), "0001-01-01"),
    (Buffer(), b"\x00\xff", "AP8="),
    (Geo(), GeoPoint(1, 2), {"lat": 1.0, "lng": 2.0}),
    (Uuid(), ZERO, TEXT_ID),
    (Enumeration(Hue), Hue.RED, "red"),
    (Enumeration(Level), Level.LOW, 1),
    (Array(Date()), [date(2024, 1, 1)], ["2024-01-01"]),
    (Array(), [1, None], [1, None]),
    (Object(), {"a": 1}, {"a": 1}),
    (Object(Uuid()), {"a": ZERO}, {"a": TEXT_ID}),
    (AnyValue(), {"a": [1]}, {"a": [1]}),
    (FieldValue(fields.Date()), date(2024, 1, 1), "2024-01-01"),
    (FieldValue(fields.Email(attribute="other", data_key="third")), "a@b.org", "a@b.org"),
]


@pytest.mark.parametrize(("kind", "value", "dumped"), DUMPED, ids=label)
def test_a_value_has_one_form_on_the_wire_and_comes_back_from_it(
    kind: PropertyType, value: Any, dumped: Any
) -> None:
    assert exactly(kind.dump(value)) == exactly(dumped)
    assert exactly(kind.load(dumped)) == exactly(value)
    assert exactly(kind.from_json(kind.to_json(value))) == exactly(value)


@settings(deadline=None)
@given(
    st.datetimes(timezones=st.timezones() | st.just(UTC), allow_imaginary=False).filter(
        lambda value: 1 < value.year < 9999
    )
)
def test_each_instant_comes_back_from_its_text(value: datetime) -> None:
    kind = DateTime()
    # Python holds an hour that clocks show twice to be unequal to any time of another zone.
    assert kind.load(kind.dump(kind.load(value))) == value.astimezone(UTC)


@settings(deadline=None)
@given(st.decimals(min_value=-(10**12) + 1, max_value=10**12 - 1, places=6))
def test_each_decimal_comes_back_from_its_text(value: Decimal) -> None:
    kind = DecimalNumber()
    assert kind.load(kind.dump(kind.load(value))) == value
    assert kind.from_scaled(kind.to_scaled(value)) == value


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_each_integer_comes_back_from_its_text(value: int) -> None:
    assert Integer().load(str(value)) == Number().load(str(value)) == value


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_each_float_comes_back_from_its_text(value: float) -> None:
    assert Number().load(repr(value)) == value


@settings(deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"-?[0-9eE+.-]{1,12}"))
def test_text_is_a_number_exactly_where_json_says_so(text: str) -> None:
    try:
        expected = json.loads(text) if text == text.strip() else None
    except ValueError:
        expected = None
    is_number = isinstance(expected, int | float) and not isinstance(expected, bool)
    if is_number and math.isfinite(expected) and abs(expected) < 2**63:
        assert Number().load(text) == expected
    else:
        mismatch(Number(), text)


@pytest.fixture
def coarse_decimals() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 3
        yield


@pytest.mark.usefixtures("coarse_decimals")
def test_the_callers_decimal_context_rounds_nothing() -> None:
    assert getcontext().prec == 3
    kind = DecimalNumber()
    assert str(kind.load("123456.123456")) == "123456.123456"
    assert str(kind.from_scaled(123456789123456789)) == "123456789123.456789"
    assert str(DecimalNumber(scale=2).load("1234567890.12")) == "1234567890.12"


# Types as such


def test_types_are_equal_by_what_they_are() -> None:
    assert Integer() == Integer()
    assert hash(Integer()) == hash(Integer())
    assert Integer() != Number()
    assert DecimalNumber(5, 2) == DecimalNumber(5, 2) != DecimalNumber(6, 2)
    assert Array(Integer()) == Array(Integer()) != Array(String())
    assert Object(Integer()) != Object()


@pytest.mark.parametrize(("precision", "scale"), [(19, 2), (5, 6), (5, -1), (None, 19)])
def test_a_decimal_has_18_digits_at_most(precision: int | None, scale: int) -> None:
    with pytest.raises(ValueError, match="0 <= scale <= precision <= 18"):
        DecimalNumber(precision, scale)


@pytest.mark.parametrize(
    "members", [{"A": 1, "B": "b"}, {"A": 1.5}, {"A": None}, {"A": True}, {"A": (1,)}, {}]
)
def test_an_enum_is_of_texts_or_of_integers(members: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be all str or all int"):
        Enumeration(enum.Enum("Mixed", members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Null(), {"type": "null"}),
        (Boolean(), {"type": "boolean"}),
        (Integer(), {"type": "integer", "format": "int64"}),
        (Number(), {"type": "number"}),
        (DecimalNumber(), {"type": "string", "format": "decimal"}),
        (String(), {"type": "string"}),
        (DateTime(), {"type": "string", "format": "date-time"}),
        (Date(), {"type": "string", "format": "date"}),
        (Uuid(), {"type": "string", "format": "uuid"}),
        (Enumeration(Hue), {"type": "string", "enum": ["red", "blue"]}),
        (Array(Date()), {"type": "array", "items": {"type": "string", "format": "date"}}),
        (Object(), {"type": "object"}),
        (Object(Boolean()), {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (AnyValue(), {}),
    ],
    ids=label,
)
def test_each_type_has_a_json_schema(kind: PropertyType, schema: dict[str, Any]) -> None:
    assert kind.json_schema() == schema
