"""Random filters over random records: memory, SQLite and the reference predicate agree.

``DIFFERENTIAL_EXAMPLES=5000 pytest tests/connectors/test_differential.py`` looks further, at other
examples each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
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


UNITS = {"miles": 4000, "kilometers": 6000, "meters": 6e6, "radians": 1, "degrees": 60, "feet": 2e7}
shares = st.sampled_from([0, 0.0001, 0.1, 1, 2, 3.2])
distances = st.sampled_from(sorted(UNITS)).flatmap(
    lambda unit: st.fixed_dictionaries(
        {"unit": st.just(unit)},
        optional={
            name: shares.map(lambda share: share * UNITS[unit])
            for name in ("maxDistance", "minDistance")
        },
    )
)


def nears(points: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda point, bounds: {"near": point, **bounds}, points, distances)


# Where conditions go: each target is a path and the conditions that mean something there.
# Operands are mostly values that are there.

Targets = list[tuple[str, st.SearchStrategy[Any]]]


def often(found: list[Any], others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    known = [value for value in found if value is not None]
    return st.one_of(*[st.sampled_from(known)] * 3, others) if known else others


def targets(name: str, values: list[Any]) -> Targets:
    """What a property's values can be asked.

    :param values: the values that records have.
    """
    strategy = VALUES[name]
    if name in ("home", "homes"):
        return home_targets(name, values)
    if name == "place":
        some = often(values, strategy)
        return [(name, conditions(some, ordered=False)), *[(name, nears(some))] * 2]
    if name == "record":
        equal = often(values, strategy)
        return [(name, conditions(equal, ordered=False)), *open_targets(name, values)]
    if name in ("anything", "items"):
        return [(name, open_conditions(values)), *open_targets(name, values)]
    if name in ITEMS:
        items = often([item for value in values for item in value], ITEMS[name])
        is_text = name == "tags"
        whole = often(values, strategy)
        return [
            *[(name, conditions(items, text=is_text, whole=whole))] * 2,
            (f"{name}.0", conditions(items, text=is_text)),
            (f"{name}.01", conditions(items, text=is_text)),
        ]
    return [(name, conditions(often(values, strategy), text=name in ("text", "code")))]


ITEMS = {"tags": texts, "numbers": numbers, "moments": moments}


def open_conditions(found: list[Any]) -> st.SearchStrategy[Any]:
    """Conditions on values of any type."""
    inner = [item for value in found if isinstance(value, list) for item in value]
    scalars = [value for value in found + inner if not isinstance(value, list | dict)]
    whole = often(found + inner, jsons)
    listed = st.builds(
        lambda operator, values: {operator: values},
        st.sampled_from(["inq", "nin"]),
        st.lists(whole, max_size=3),
    )
    return conditions(often(scalars, leaves), text=True, whole=whole) | listed


def open_targets(name: str, values: list[Any]) -> Targets:
    """Places inside values of any type."""
    found: dict[str, list[Any]] = {}
    for value in values:
        for path, inner in places(value, name):
            found.setdefault(path, []).append(inner)
    listed = [(path, open_conditions(inner)) for path, inner in sorted(found.items())]
    return [*listed, *((f"{name}.{key}", open_conditions([])) for key in ("a", "a.b", "0", "%"))]


def places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    inside = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inside = [(str(index), item) for index, item in enumerate(value)]
    for key, item in inside:
        if key and "." not in key:
            yield f"{path}.{key}", item
            yield from places(item, f"{path}.{key}")


def home_targets(name: str, values: list[Any]) -> Targets:
    exists = st.builds(lambda flag: {"exists": flag}, st.booleans())
    if name == "homes":
        firsts = [value[0] for value in values if value]
        return [(name, exists), *home_targets("homes.0", firsts)]
    given = [value for value in values if value is not None]
    owners = [value.get("owner") or {} for value in given]

    def of(key: str, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return often([value.get(key) for value in given], others)

    notes = [value.get("notes") for value in given]
    names = often([owner.get("full_name") for owner in owners], texts)
    return [
        (name, conditions(often(values, homes), ordered=False)),
        (f"{name}.zip_code", conditions(of("zip_code", texts), text=True)),
        (f"{name}.zipCode", conditions(of("zip_code", texts), text=True)),
        (f"{name}.since", conditions(of("since", moments))),
        (f"{name}.rent", conditions(of("rent", prices))),
        (f"{name}.floor", conditions(of("floor", numbers))),
        (f"{name}.owner.fullName", conditions(names, text=True)),
        (f"{name}.owner.suit", conditions(st.sampled_from(Suit))),
        (f"{name}.notes", open_conditions(notes)),
        *open_targets(f"{name}.notes", notes),
    ]


UNORDERED = ("place", "record", "tags", "numbers", "moments", "items", "home", "homes")


def orders(names: list[str], aimed: Targets) -> st.SearchStrategy[list[str]]:
    paths = {path for path, _ in aimed if path not in UNORDERED} | {"id", *names} - {*UNORDERED}
    keys = [path for path in sorted(paths) if not set(path) & set(" ,") and path != "homes.0"]
    directions = st.sampled_from(["", " ASC", " DESC"])
    return st.lists(st.builds(str.__add__, st.sampled_from(keys), directions), max_size=3)


def wheres(aimed: Targets) -> st.SearchStrategy[dict[str, Any]]:
    comparison = st.sampled_from([("id", conditions(ids)), *aimed, *aimed]).flatmap(
        lambda target: target[1].map(lambda condition: {target[0]: condition})
    )
    return st.recursive(
        comparison,
        lambda inner: (
            st.builds(
                lambda logic, items: {logic: items},
                st.sampled_from(["and", "or", "nor"]),
                st.lists(inner, max_size=3),
            )
            | st.builds(lambda first, second: {**first, **second}, inner, inner)
        ),
        max_leaves=4,
    )


@dataclass
class Case:
    """Some properties, records that have them, and what can be asked of these."""

    names: list[str]
    records: list[dict[str, Any]]
    values: dict[str, list[Any]]
    aimed: Targets

    def changes(self) -> st.SearchStrategy[dict[str, Any]]:
        return some_of(**{name: st.sampled_from(self.values[name]) for name in self.names})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3, unique=True))
    values = {name: draw(st.lists(VALUES[name], min_size=1, max_size=5)) for name in names}
    record = st.fixed_dictionaries(
        {"id": ids, **{name: st.sampled_from([*values[name], None]) for name in names}}
    )
    records = draw(st.lists(record, min_size=3, max_size=10, unique_by=itemgetter("id")))
    aimed = [target for name in names for target in targets(name, values[name])]
    return Case(names, records, values, aimed)


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
@given(case=cases(), data=st.data())
def test_find_gives_the_same_records_in_the_same_order(
    pair: Pair, case: Case, data: st.DataObject
) -> None:
    pair.store(case.records)
    in_memory, in_sqlite = pair.both("find")
    assert in_memory == in_sqlite
    memory_model, _ = pair.models
    parser = FilterParser(memory_model.definition)
    whole = [each.to_record() for each in memory_model.find()]
    filters = st.fixed_dictionaries(
        {"where": wheres(case.aimed)},
        optional={
            "order": orders(case.names, case.aimed),
            "limit": st.integers(0, 6),
            "skip": st.integers(0, 4),
            "fields": st.lists(st.sampled_from(["id", *case.names]), max_size=3)
            | st.dictionaries(st.sampled_from(["id", *case.names]), st.booleans(), max_size=3),
        },
    )
    for filter in data.draw(st.lists(filters, min_size=1, max_size=6)):
        in_memory, in_sqlite = pair.both("find", filter)
        parsed = parser.filter(filter)
        expected = apply(parsed, whole)
        if parsed.fields is not None:
            expected = [{name: each[name] for name in parsed.fields} for each in expected]
        assert in_memory == exact(expected)
        assert in_sqlite == exact(expected)


@agreement
@given(case=cases(), data=st.data())
def test_count_gives_the_same_number(pair: Pair, case: Case, data: st.DataObject) -> None:
    pair.store(case.records)
    for where in data.draw(st.lists(wheres(case.aimed), min_size=1, max_size=6)):
        in_memory, in_sqlite = pair.both("count", where)
        assert in_memory == in_sqlite
        assert in_memory == exact(len(pair.models[0].find({"where": where})))


@agreement
@given(case=cases(), data=st.data())
def test_writes_change_the_same_records(pair: Pair, case: Case, data: st.DataObject) -> None:
    pair.store(case.records)
    changes = case.changes()
    writes = st.one_of(
        st.tuples(st.just("update_all"), wheres(case.aimed), changes),
        st.tuples(st.just("destroy_all"), wheres(case.aimed)),
        st.tuples(st.just("upsert"), st.builds(lambda id, each: {"id": id, **each}, ids, changes)),
    )
    for operation, *arguments in data.draw(st.lists(writes, min_size=1, max_size=4)):
        in_memory, in_sqlite = pair.both(operation, *arguments)
        assert in_memory == in_sqlite
        in_memory, in_sqlite = pair.both("find")
        assert in_memory == in_sqlite
