"""Random records, and random filters for them: what data sources have to agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st

from flask_loop import DataSource, GeoPoint, create_data_source
from flask_loop.query import FilterParser, apply
from flask_loop.testing import exact
from flask_loop.testing.operators import Size, Suit

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
    "text": {"type": str, "max_length": 100, "index": True},
    "code": str,
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

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)

WHOLES = [0, 1, 2, 3, -1, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
NUMBERS = [*WHOLES, 0.5, 1.5, -1.5, 0.1, 1e300, -1e300, 5e-324, 1e19, -1e19, 9.3e18, 1e15 + 0.5]
PRICES = [Decimal(each) for each in ("0", "0.01", "-0.01", "9.99", "10", "10.5", "999999.99")]
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
PIECES = [*"abA%_\\.", "\u00e4", "\u00c4", "\U0001f600", "\n", "\\%", "\\_", "\\\\", "\\a"]
REGEXPS = [
    *("", "a", "^a", "b$", "^a.b$", "[a-c]+", "^$", "/A/i", "(?i)\u00e4", "^.$", r"\d", r"\s"),
    *("/^B/i", "(?m)^b", "/^b/m", r"\.", "[^a]", "a|b", "(a+)+$", r"\pL", "\U0001f600", "^\\n"),
    *("(?i)\u212a", "(?i)\u00df", "(?i)\u03c2", r"\x{1F600}", "a{2}", r"\bb", r"\z", "^(?s:.)$"),
]
MOMENTS = [
    NOON,
    NOON + timedelta(microseconds=1),
    NOON - timedelta(microseconds=1),
    NOON + timedelta(milliseconds=1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
DAYS = [date.min, date(999, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date.max]
UUIDS = [UUID(int=value) for value in (0, 1, 2**64, 2**127, 2**128 - 1)]
BYTES = [b"", b"\x00", b"\x00\x00", b"a", b"\x7f", b"\x80", b"\xff"]
LATS = [0, 0.001, 45, 52.52, -33.9, 89.999, 90, -90]
LNGS = [0, 0.001, 13.4, 90, 151.2, 179.999, 180, -179.999, -180]
LEAVES = [
    *(None, True, False, 0, 1, 2, -1, 1.5, 0.1, 2**53, 2**53 + 1, 2**63 - 1, 1e300, 1e19),
    *("", "a", "A", "b", "1", "true", "null", "\u00e4", "\U0001f600", "a%", "\n"),
    "2024-02-29T12:00:00.000Z",
]
KEYS = ["a", "b", "0", "a", "b", "1", "\u00e4", "a b", '"', "'", "$", "%", "\\", "A", "-1", "00"]

Make: TypeAlias = Callable[[Random], Any]


def one_of(values: list[Any]) -> Make:
    return lambda random: random.choice(values)


def list_of(make: Make, most: int) -> Make:
    return lambda random: [make(random) for _ in range(random.randint(0, most))]


def some_of(makers: dict[str, Make]) -> Make:
    """Some of these keys, with a value or null."""

    def make(random: Random) -> dict[str, Any]:
        chosen = [name for name in makers if random.randint(0, 2)]
        return {name: makers[name](random) if random.randint(0, 4) else None for name in chosen}

    return make


def make_text(random: Random) -> str:
    kind = random.randint(0, 5)
    if kind < 3:
        return random.choice(WORDS)
    return random.choice(ODD_WORDS) if kind < 5 else make_pattern(random)


def make_pattern(random: Random) -> str:
    return "".join(random.choice(PIECES) for _ in range(random.randint(0, 4)))


def make_point(random: Random) -> GeoPoint:
    return GeoPoint(random.choice(LATS), random.choice(LNGS))


def make_json(random: Random, depth: int = 3) -> Any:
    kind = random.randint(0, 3) if depth else 0
    if kind < 2:
        return random.choice(LEAVES)
    return make_object(random, depth) if kind == 2 else make_items(random, depth)


def make_items(random: Random, depth: int = 3) -> list[Any]:
    return [make_json(random, depth - 1) for _ in range(random.randint(0, 3))]


def make_object(random: Random, depth: int = 3) -> dict[str, Any]:
    keys = [random.choice([*KEYS, "", "a.b"]) for _ in range(random.randint(0, 3))]
    return {key: make_json(random, depth - 1) for key in keys}


make_home = some_of(
    {
        "zip_code": make_text,
        "since": one_of(MOMENTS),
        "rent": one_of(PRICES),
        "floor": one_of(NUMBERS),
        "owner": some_of({"full_name": make_text, "suit": one_of(list(Suit))}),
        "notes": make_json,
    }
)
ITEMS: dict[str, Make] = {
    "tags": make_text,
    "numbers": one_of(NUMBERS),
    "moments": one_of(MOMENTS),
}
VALUES: dict[str, Make] = {
    "whole": one_of(WHOLES),
    "number": one_of(NUMBERS),
    "price": one_of(PRICES),
    "text": make_text,
    "code": make_text,
    "flag": one_of([True, False]),
    "moment": one_of(MOMENTS),
    "day": one_of(DAYS),
    "key": one_of(UUIDS),
    "suit": one_of(list(Suit)),
    "size": one_of(list(Size)),
    "raw": one_of(BYTES),
    "place": make_point,
    "record": make_object,
    "anything": make_json,
    **{name: list_of(make, 3) for name, make in ITEMS.items()},
    "items": make_items,
    "home": make_home,
    "homes": list_of(make_home, 2),
}
make_id = one_of(list(range(-2, 13)))


# Conditions


def conditions(
    values: Make, *, ordered: bool = True, text: bool = False, whole: Make | None = None
) -> Make:
    """Conditions on one path.

    :param values: makes operands.
    :param ordered: whether they have an order.
    :param text: whether patterns mean something.
    :param whole: makes further operands, to be equal to only.
    """

    def some(random: Random) -> Any:
        return values(random) if random.randint(0, 6) else None

    def equal(random: Random) -> Any:
        return whole(random) if whole is not None and random.randint(0, 2) else some(random)

    kinds = ["eq", "neq", "inq", "nin", "exists", "eq", "inq"]
    kinds += ["gt", "gte", "lt", "lte", "between"] * ordered
    kinds += ["like", "like", "nlike", "ilike", "nilike", "options", "regexp"] * text

    def one(random: Random) -> dict[str, Any]:
        kind = random.choice(kinds)
        if kind == "exists":
            return {kind: random.choice([True, False])}
        if kind in ("inq", "nin"):
            return {kind: [some(random) for _ in range(random.randint(0, 4))]}
        if kind == "between":
            return {kind: [some(random), some(random)]}
        if kind == "options":
            return {"like": make_pattern(random), "options": "i"}
        if kind == "regexp":
            return {kind: random.choice(REGEXPS)}
        if kind.endswith("like"):
            start = values(random) if random.randint(0, 1) else None
            pattern = random.choice([make_pattern, make_text, one_of(["%"])])(random)
            return {kind: f"{start}{pattern}" if isinstance(start, str) else pattern}
        return {kind: equal(random) if kind in ("eq", "neq") else some(random)}

    def make(random: Random) -> Any:
        several = random.randint(0, 7)
        if several == 0:
            value = equal(random)
            return {"eq": value} if isinstance(value, dict) else value
        return {**one(random), **one(random), **one(random)} if several == 1 else one(random)

    return make


UNITS = {"miles": 4000, "kilometers": 6000, "meters": 6e6, "radians": 1, "degrees": 60, "feet": 2e7}
SHARES = [0, 0.0001, 0.1, 1, 2, 3.2]


def near(points: Make) -> Make:
    def make(random: Random) -> dict[str, Any]:
        unit = random.choice(sorted(UNITS))
        bounds = [name for name in ("maxDistance", "minDistance") if random.randint(0, 1)]
        distances = {name: random.choice(SHARES) * UNITS[unit] for name in bounds}
        return {"near": points(random), "unit": unit, **distances}

    return make


# Targets: the paths that conditions go to, and what can be said there. Operands are mostly values
# that records have.

Targets: TypeAlias = list[tuple[str, Make]]


def often(found: list[Any], others: Make) -> Make:
    known = [value for value in found if value is not None]
    return lambda random: random.choice(known) if known and random.randint(0, 3) else others(random)


def targets(name: str, values: list[Any]) -> Targets:
    """What a property's values can be asked."""
    some = often(values, VALUES[name])
    if name in ("home", "homes"):
        return home_targets(name, values)
    if name == "place":
        return [(name, conditions(some, ordered=False)), *[(name, near(some))] * 2]
    if name == "record":
        return [(name, conditions(some, ordered=False)), *open_targets(name, values)]
    if name in ("anything", "items"):
        return [(name, open_conditions(values)), *open_targets(name, values)]
    if name in ITEMS:
        is_text = name == "tags"
        items = often([item for value in values for item in value], ITEMS[name])
        return [
            *[(name, conditions(items, text=is_text, whole=some))] * 2,
            (f"{name}.0", conditions(items, text=is_text)),
            (f"{name}.01", conditions(items, text=is_text)),
        ]
    return [(name, conditions(some, text=name in ("text", "code")))]


def open_conditions(found: list[Any]) -> Make:
    """Conditions on values of any type; those with an order are compared."""
    inner = [item for value in found if isinstance(value, list) for item in value]
    scalars = [value for value in found + inner if not isinstance(value, list | dict)]
    whole = often(found + inner, make_json)
    compared = conditions(often(scalars, one_of(LEAVES)), text=True, whole=whole)

    def make(random: Random) -> Any:
        if random.randint(0, 5):
            return compared(random)
        return {random.choice(["inq", "nin"]): [whole(random) for _ in range(2)]}

    return make


def open_targets(name: str, values: list[Any]) -> Targets:
    """Places inside values of any type, those that are there and some that are not."""
    found: dict[str, list[Any]] = {f"{name}.{key}": [] for key in ("a", "a.b", "0", "%")}
    for value in values:
        for path, inner in places(value, name):
            found.setdefault(path, []).append(inner)
    return [(path, open_conditions(inner)) for path, inner in found.items()]


def places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    inside = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        inside = [(str(index), item) for index, item in enumerate(value)]
    for key, item in inside:
        if key and "." not in key:
            yield f"{path}.{key}", item
            yield from places(item, f"{path}.{key}")


def home_targets(name: str, values: list[Any]) -> Targets:
    if name == "homes":
        exists = one_of([{"exists": True}, {"exists": False}])
        return [(name, exists), *home_targets("homes.0", [each[0] for each in values if each])]
    owners = [value.get("owner") or {} for value in values]
    notes = [value.get("notes") for value in values]
    names = often([owner.get("full_name") for owner in owners], make_text)
    codes = often([value.get("zip_code") for value in values], make_text)
    since = often([value.get("since") for value in values], one_of(MOMENTS))
    rents = often([value.get("rent") for value in values], one_of(PRICES))
    floors = often([value.get("floor") for value in values], one_of(NUMBERS))
    return [
        (name, conditions(often(values, make_home), ordered=False)),
        (f"{name}.zip_code", conditions(codes, text=True)),
        (f"{name}.zipCode", conditions(codes, text=True)),
        (f"{name}.since", conditions(since)),
        (f"{name}.rent", conditions(rents)),
        (f"{name}.floor", conditions(floors)),
        (f"{name}.owner.fullName", conditions(names, text=True)),
        (f"{name}.owner.suit", conditions(one_of(list(Suit)))),
        (f"{name}.notes", open_conditions(notes)),
        *open_targets(f"{name}.notes", notes),
    ]


# Cases: some properties, records that have them, and what can be asked of these

UNORDERED = {*ITEMS, "place", "record", "items", "home", "homes", "homes.0"}


@dataclass(repr=False)
class Case:
    random: Random
    names: list[str]
    values: dict[str, list[Any]]
    records: list[dict[str, Any]]
    targets: Targets

    def __repr__(self) -> str:
        """What makes it again: all of it would leave no room for what failed."""
        return f"make_case({self.random!r})"

    def where(self, depth: int = 3) -> dict[str, Any]:
        kind = self.random.randint(0, 3) if depth else 0
        if kind < 2:
            if not self.random.randint(0, 7):
                return {"id": conditions(make_id)(self.random)}
            path, make = self.random.choice(self.targets)
            return {path: make(self.random)}
        if kind == 2:
            return {**self.where(depth - 1), **self.where(depth - 1)}
        parts = [self.where(depth - 1) for _ in range(self.random.randint(0, 3))]
        return {self.random.choice(["and", "or", "nor"]): parts}

    def filter(self) -> dict[str, Any]:
        random = self.random
        filter: dict[str, Any] = {"where": self.where()}
        if random.randint(0, 1):
            filter["order"] = [self.order() for _ in range(random.randint(0, 3))]
        if not random.randint(0, 2):
            filter["limit"] = random.randint(0, 6)
        if not random.randint(0, 2):
            filter["skip"] = random.randint(0, 4)
        if not random.randint(0, 3):
            fields = {name: random.choice([True, False]) for name in ["id", *self.names]}
            filter["fields"] = random.choice([fields, [name for name in fields if fields[name]]])
        return filter

    def order(self) -> str:
        paths = sorted({"id", *self.names, *(path for path, _ in self.targets)} - UNORDERED)
        known = [path for path in paths if " " not in path]
        return self.random.choice(known) + self.random.choice(["", " ASC", " DESC"])

    def changes(self) -> dict[str, Any]:
        changed: dict[str, Any] = some_of({k: one_of(v) for k, v in self.values.items()})(
            self.random
        )
        return changed

    def write(self) -> tuple[Any, ...]:
        operation = self.random.choice(["update_all", "update_all", "destroy_all", "upsert"])
        if operation == "upsert":
            return operation, {**self.changes(), "id": make_id(self.random)}
        where = self.where()
        return (
            (operation, where, self.changes()) if operation == "update_all" else (operation, where)
        )


def make_case(random: Random) -> Case:
    names = random.sample(list(VALUES), random.randint(1, 3))
    values = {name: [*list_of(VALUES[name], 4)(random), VALUES[name](random)] for name in names}
    makers = {name: often(values[name], lambda _: None) for name in names}
    ids = dict.fromkeys(make_id(random) for _ in range(random.randint(0, 10)))
    records = [{"id": id, **{name: makers[name](random) for name in names}} for id in ids]
    aimed = [target for name in names for target in targets(name, values[name])]
    return Case(random, names, values, records, aimed)


# Numbers that Hypothesis itself chose are mostly zero, and so most filters would match nothing.
cases = st.builds(make_case, st.randoms(use_true_random=True))


# What has to hold in each case


class Pair:
    """One model in memory and on another data source.

    :param database: the other data source.
    :param properties: the model's properties.
    :param indexes: its indexes.
    """

    def __init__(
        self,
        database: DataSource,
        properties: Mapping[str, Any] = PROPERTIES,
        indexes: Mapping[str, Any] = INDEXES,
    ) -> None:
        self.database = database.connector.name
        memory = create_data_source(connector="memory")
        self.models = [
            source.create_model("thing", properties, indexes=indexes)
            for source in (memory, database)
        ]
        for source in (memory, database):
            source.auto_update()

    def store(self, given: list[dict[str, Any]]) -> None:
        note(f"stored: {given}")  # the plugin of schemathesis hides the arguments of a failing test
        for model in self.models:
            model.destroy_all()
            model.create(given)

    def both(self, operation: str, *arguments: Any) -> tuple[Any, Any]:
        note(f"{operation}: {arguments}")
        in_memory, in_database = (getattr(each, operation)(*arguments) for each in self.models)
        return exact(in_memory), exact(in_database)


def check_find(pair: Pair, case: Case) -> None:
    pair.store(case.records)
    in_memory, in_database = pair.both("find")
    assert in_memory == in_database
    model = pair.models[0]
    parse = FilterParser(model.definition).filter
    whole = [each.to_record() for each in model.find()]
    for filter in (case.filter() for _ in range(8)):
        in_memory, in_database = pair.both("find", filter)
        parsed = parse(filter)
        expected: list[Any] = apply(parsed, whole)
        if parsed.fields is not None:
            expected = [{name: each[name] for name in parsed.fields} for each in expected]
        assert in_memory == exact(expected)
        assert in_database == exact(expected)


def check_count(pair: Pair, case: Case) -> None:
    pair.store(case.records)
    for where in (case.where() for _ in range(8)):
        in_memory, in_database = pair.both("count", where)
        assert in_memory == in_database
        assert in_memory == exact(len(pair.models[0].find({"where": where})))


def check_writes(pair: Pair, case: Case) -> None:
    pair.store(case.records)
    for operation, *arguments in (case.write() for _ in range(5)):
        in_memory, in_database = pair.both(operation, *arguments)
        assert in_memory == in_database
        in_memory, in_database = pair.both("find")
        assert in_memory == in_database
