"""Random filters over random records: memory, SQLite and the reference predicate agree.

``DIFFERENTIAL_EXAMPLES=5000 pytest tests/connectors/test_differential.py`` looks further, at other
examples each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from flask_loop import DataSource, GeoPoint, create_data_source
from flask_loop.query import FilterParser, apply
from flask_loop.testing import exact
from flask_loop.testing.operators import Size, Suit

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "0"))

agreement = settings(
    max_examples=EXAMPLES or 250,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)

HOME = {
    "zip_code": str,
    "since": datetime,
    "rent": "decimal",
    "floor": "number",
    "owner": {"full_name": str, "suit": Suit},
    "notes": "any",
}
PROPERTIES: dict[str, Any] = {
    "id": {"type": int, "id": True},
    "whole": {"type": int, "index": True},
    "number": "number",
    "price": {"type": "decimal", "precision": 8, "scale": 2},
    "text": {"type": str, "index": True},
    "code": {"type": str, "max_length": 100},
    "flag": bool,
    "moment": datetime,
    "day": date,
    "key": UUID,
    "suit": Suit,
    "size": Size,
    "raw": bytes,
    "place": GeoPoint,
    "record": dict,
    "anything": "any",
    "tags": [str],
    "numbers": ["number"],
    "moments": [datetime],
    "items": list,
    "home": HOME,
    "homes": [HOME],
}
INDEXES = {"pair": {"keys": ["flag", "suit"]}, "triple": {"keys": ["size", "text", "whole"]}}


# Values, few enough to meet again


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)

wholes = st.sampled_from([0, 1, 2, 3, -1, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
numbers = wholes | st.sampled_from(
    [0.5, 1.5, -1.5, 0.1, 1e300, -1e300, 5e-324, 1e19, -1e19, 9.3e18, 2.0**53, 1e15 + 0.5]
)
prices = st.sampled_from(["0", "0.01", "-0.01", "9.99", "10", "10.5", "999999.99"]).map(Decimal)
WORDS = ["", "a", "A", "b", "ab", "aB", "ba", "a b", "a ", " a", "aa", "1", "10", "true", "null"]
ODD_WORDS = [
    *("\u00e4", "\u00c4", "a\u0308", "\u00df", "\u1e9e", "ss", "i", "I", "\u0130", "\u0131"),
    *("k", "\u212a", "\u03c3", "\u03c2", "\u03a3", "\u0436", "\u0416", "\ufb01", "fi", "\u01c5"),
    *("\U0001f600", "\uffff", "\ue000", "\U0010ffff", "\U00010400", "\U00010428", "\ud7ff"),
    *("%", "_", "\\", "a%", "a_b", "\\%", "a\nb", "\n", "\r", "\t", "'", '"', "[1]", "{}", '"a"'),
    *(
        "\x01",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\u200b",
        "*",
        ".",
        "a.b",
        "$",
        "^a",
        "?",
        ":a",
        "(",
        "-",
    ),
]
texts = st.sampled_from(WORDS) | st.sampled_from(ODD_WORDS)
texts |= st.lists(st.sampled_from([*"abA%_\\.", "\u00e4", "\U0001f600", "\n"]), max_size=3).map(
    "".join
)
moments = st.sampled_from(
    [
        NOON,
        NOON + timedelta(microseconds=1),
        NOON - timedelta(microseconds=1),
        NOON + timedelta(milliseconds=1),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
)
days = st.sampled_from([date.min, date(999, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date.max])
keys = st.sampled_from([UUID(int=value) for value in (0, 1, 2**64, 2**127, 2**128 - 1)])
raws = st.sampled_from([b"", b"\x00", b"\x00\x00", b"a", b"\x7f", b"\x80", b"\xff"])
points = st.builds(
    GeoPoint,
    st.sampled_from([0, 0.001, 45, 52.52, -33.9, 89.999, 90, -90]),
    st.sampled_from([0, 0.001, 13.4, 90, 151.2, 179.999, 180, -179.999, -180]),
)
leaves = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 2, -1, 1.5, 0.1, 2**53, 2**53 + 1, 2**63 - 1, 1e300, 1e19])
    | st.sampled_from(["", "a", "A", "b", "1", "true", "null", "\u00e4", "\U0001f600", "a%", "\n"])
    | st.just("2024-02-29T12:00:00.000Z")
)
KEYS = ["a", "b", "0", "1", "\u00e4", "a b", '"', "'", "$", "%", "\\", "A", "-1", "00", "zipCode"]
json_keys = st.sampled_from(["a", "b", "0"]) | st.sampled_from([*KEYS, "", "a.b"])
jsons = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_keys, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(json_keys, jsons, max_size=3)


def some_of(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={k: optional(v) for k, v in values.items()})


homes = some_of(
    zip_code=texts,
    since=moments,
    rent=prices,
    floor=numbers,
    owner=some_of(full_name=texts, suit=st.sampled_from(Suit)),
    notes=jsons,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": wholes,
    "number": numbers,
    "price": prices,
    "text": texts,
    "code": texts,
    "flag": st.booleans(),
    "moment": moments,
    "day": days,
    "key": keys,
    "suit": st.sampled_from(Suit),
    "size": st.sampled_from(Size),
    "raw": raws,
    "place": points,
    "record": objects,
    "anything": jsons,
    "tags": st.lists(texts, max_size=3),
    "numbers": st.lists(numbers, max_size=3),
    "moments": st.lists(moments, max_size=2),
    "items": st.lists(jsons, max_size=3),
    "home": homes,
    "homes": st.lists(homes, max_size=2),
}
ids = st.integers(-2, 12)
changes = some_of(**VALUES)
records = st.lists(
    st.builds(lambda id, values: {"id": id, **values}, ids, changes),
    max_size=8,
    unique_by=lambda record: record["id"],
)


# Conditions on one path

patterns = st.lists(
    st.sampled_from(["%", "_", "a", "b", "A", "\u00e4", "\u00c4", "\\%", "\\_", "\\\\", "\\a", "."])
    | texts,
    max_size=4,
).map("".join)
regexps = st.sampled_from(
    [
        *("", "a", "^a", "b$", "^a.b$", "[a-c]+", "^$", "/A/i", "(?i)\u00e4", "^.$", r"\d", r"\s"),
        *("/^B/i", "(?m)^b", "/^b/m", r"\.", "[^a]", "a|b", "(a+)+$", r"\pL", "\U0001f600", "^\\n"),
        *(
            "(?i)\u212a",
            "(?i)\u00df",
            "(?i)\u03c2",
            r"\x{1F600}",
            "a{2}",
            r"\bb",
            r"\z",
            "^(?s:.)$",
        ),
    ]
)


def merged(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {operator: operand for each in conditions for operator, operand in each.items()}


def conditions(
    values: st.SearchStrategy[Any],
    *,
    ordered: bool = True,
    text: bool = False,
    whole: st.SearchStrategy[Any] | None = None,
) -> st.SearchStrategy[Any]:
    """Conditions on a path.

    :param values: operands.
    :param ordered: whether the values have an order.
    :param text: whether patterns mean something.
    :param whole: further values to be equal to, that have no order.
    """
    some = optional(values)
    equal = some if whole is None else some | whole
    one = [
        st.builds(lambda operator, value: {operator: value}, st.sampled_from(["eq", "neq"]), equal),
        st.builds(
            lambda operator, value: {operator: value},
            st.sampled_from(["inq", "nin"]),
            st.lists(some, max_size=4),
        ),
        st.builds(lambda flag: {"exists": flag}, st.booleans()),
    ]
    if ordered:
        bounds = st.sampled_from(["gt", "gte", "lt", "lte"])
        one.append(st.builds(lambda operator, value: {operator: value}, bounds, some))
        one.append(st.builds(lambda low, high: {"between": [low, high]}, some, some))
    if text:
        likes = st.sampled_from(["like", "nlike", "ilike", "nilike"])
        one.append(st.builds(lambda operator, pattern: {operator: pattern}, likes, patterns))
        one.append(st.builds(lambda pattern: {"like": pattern, "options": "i"}, patterns))
        one.append(st.builds(lambda pattern: {"regexp": pattern}, regexps))
    single = st.one_of(one)
    return single | st.lists(single, min_size=2, max_size=3).map(merged) | _plain(equal)


def _plain(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values that stand for themselves; objects would be read as operators."""
    return values.map(lambda value: {"eq": value} if isinstance(value, dict) else value)


units = {"miles": 4000, "kilometers": 6000, "meters": 6e6, "radians": 1, "degrees": 60, "feet": 2e7}
unit_distances = st.sampled_from(sorted(units)).flatmap(
    lambda unit: st.fixed_dictionaries(
        {"unit": st.just(unit)},
        optional={
            name: st.sampled_from([0, 0.0001, 0.1, 1, 2, 3.2]).map(
                lambda share: share * units[unit]
            )
            for name in ("maxDistance", "minDistance")
        },
    )
)
nears = st.builds(lambda point, distances: {"near": point, **distances}, points, unit_distances)

inner_keys = st.sampled_from(["a", "b", "0", "1"]) | st.sampled_from(KEYS)
inner_paths = st.lists(inner_keys, min_size=1, max_size=2).map(".".join)
open_conditions = conditions(leaves, text=True, whole=jsons) | st.builds(
    lambda operator, values: {operator: values},
    st.sampled_from(["inq", "nin"]),
    st.lists(jsons, max_size=3),
)


def on(names: str | st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> Any:
    names = st.just(names) if isinstance(names, str) else names
    return st.builds(lambda name, condition: {name: condition}, names, values)


def open_names(name: str) -> st.SearchStrategy[str]:
    return inner_paths.map(lambda path: f"{name}.{path}")


comparisons = st.one_of(
    on("id", conditions(ids)),
    on("whole", conditions(wholes)),
    on("number", conditions(numbers)),
    on("price", conditions(prices)),
    on("text", conditions(texts, text=True)),
    on("code", conditions(texts, text=True)),
    on("flag", conditions(st.booleans())),
    on("moment", conditions(moments)),
    on("day", conditions(days)),
    on("key", conditions(keys)),
    on("suit", conditions(st.sampled_from(Suit))),
    on("size", conditions(st.sampled_from(Size))),
    on("raw", conditions(raws)),
    on("place", conditions(points, ordered=False) | nears),
    on("record", conditions(objects, ordered=False)),
    on("anything", open_conditions),
    on(open_names("record"), open_conditions),
    on(open_names("anything"), open_conditions),
    on("tags", conditions(texts, text=True, whole=VALUES["tags"])),
    on("numbers", conditions(numbers, whole=VALUES["numbers"])),
    on("moments", conditions(moments, whole=VALUES["moments"])),
    on("items", open_conditions),
    on(open_names("items"), open_conditions),
    on(st.sampled_from(["tags.0", "tags.1"]), conditions(texts, text=True)),
    on("numbers.0", conditions(numbers)),
    on(st.sampled_from(["moments.0", "moments.00"]), conditions(moments)),
    on(st.sampled_from(["home.zip_code", "home.zipCode"]), conditions(texts, text=True)),
    on("home.since", conditions(moments)),
    on("home.rent", conditions(prices)),
    on("home.floor", conditions(numbers)),
    on(st.sampled_from(["home.owner.fullName", "home.owner.full_name"]), conditions(texts)),
    on("home.owner.suit", conditions(st.sampled_from(Suit))),
    on("home.notes", open_conditions),
    on(open_names("home.notes"), open_conditions),
    on("home", conditions(homes, ordered=False)),
    on("homes", st.builds(lambda flag: {"exists": flag}, st.booleans())),
    on(st.sampled_from(["homes.0.zipCode", "homes.1.zip_code"]), conditions(texts, text=True)),
    on("homes.0.since", conditions(moments)),
    on("homes.0.rent", conditions(prices)),
    on("homes.0", conditions(homes, ordered=False)),
    on(open_names("homes.0.notes"), open_conditions),
)
wheres = st.recursive(
    comparisons | st.just({}),
    lambda inner: (
        st.builds(
            lambda logic, items: {logic: items},
            st.sampled_from(["and", "or", "nor"]),
            st.lists(inner, max_size=3),
        )
        | st.builds(lambda first, second: {**first, **second}, inner, inner)
    ),
    max_leaves=5,
)
ORDERED = [
    *("id", "whole", "number", "price", "text", "code", "flag", "moment", "day", "key", "suit"),
    *("size", "raw", "anything", "record.a", "record.a.b", "anything.0", "items.0", "home.zipCode"),
    *("home.since", "home.rent", "home.floor", "home.owner.suit", "home.notes", "home.notes.a"),
    *("tags.0", "numbers.1", "homes.0.since", "homes.0.rent", "homes.0.notes.a"),
]
orders = st.lists(
    st.builds(
        lambda name, direction: name + direction,
        st.sampled_from(ORDERED),
        st.sampled_from(["", " ASC", " DESC"]),
    ),
    max_size=3,
)
filters = st.fixed_dictionaries(
    {"where": wheres},
    optional={
        "order": orders,
        "limit": st.integers(0, 6),
        "skip": st.integers(0, 4),
        "fields": st.lists(st.sampled_from(sorted(PROPERTIES)), max_size=3)
        | st.dictionaries(st.sampled_from(sorted(PROPERTIES)), st.booleans(), max_size=3),
    },
)
writes = st.one_of(
    st.tuples(st.just("update_all"), wheres, changes),
    st.tuples(st.just("destroy_all"), wheres),
    st.tuples(st.just("upsert"), st.builds(lambda id, values: {"id": id, **values}, ids, changes)),
)


# The tests


class Pair:
    """One model in memory and in SQLite."""

    def __init__(self, memory: DataSource, sqlite: DataSource) -> None:
        self.models = [
            source.create_model("thing", PROPERTIES, indexes=INDEXES) for source in (memory, sqlite)
        ]
        for source in (memory, sqlite):
            source.auto_update()

    def store(self, given: list[dict[str, Any]]) -> None:
        note(f"stored: {given}")  # the plugin of schemathesis hides the arguments of a failing test
        for model in self.models:
            model.destroy_all()
            model.create(given)

    def both(self, operation: str, *arguments: Any) -> tuple[Any, Any]:
        note(f"{operation}: {arguments}")
        in_memory, in_sqlite = (getattr(each, operation)(*arguments) for each in self.models)
        return exact(in_memory), exact(in_sqlite)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    sqlite = create_data_source(connector="sqlite", url="sqlite://")
    yield Pair(create_data_source(connector="memory"), sqlite)
    sqlite.close()


@agreement
@given(stored=records, asked=st.lists(filters, min_size=1, max_size=5))
def test_find_gives_the_same_records_in_the_same_order(
    pair: Pair, stored: list[Any], asked: list[Any]
) -> None:
    pair.store(stored)
    in_memory, in_sqlite = pair.both("find")
    assert in_memory == in_sqlite
    memory_model, _ = pair.models
    whole = [each.to_record() for each in memory_model.find()]
    for filter in asked:
        in_memory, in_sqlite = pair.both("find", filter)
        parsed = FilterParser(memory_model.definition).filter(filter)
        reference = apply(parsed, whole)
        if parsed.fields is not None:
            reference = [{name: each[name] for name in parsed.fields} for each in reference]
        assert in_memory == exact(reference)
        assert in_sqlite == exact(reference)


@agreement
@given(stored=records, asked=st.lists(wheres, min_size=1, max_size=5))
def test_count_gives_the_same_number(pair: Pair, stored: list[Any], asked: list[Any]) -> None:
    pair.store(stored)
    for where in asked:
        in_memory, in_sqlite = pair.both("count", where)
        assert in_memory == in_sqlite
        assert in_memory == exact(len(pair.models[0].find({"where": where})))


@agreement
@given(stored=records, written=st.lists(writes, min_size=1, max_size=4))
def test_writes_change_the_same_records(pair: Pair, stored: list[Any], written: list[Any]) -> None:
    pair.store(stored)
    for operation, *arguments in written:
        in_memory, in_sqlite = pair.both(operation, *arguments)
        assert in_memory == in_sqlite
        in_memory, in_sqlite = pair.both("find")
        assert in_memory == in_sqlite
