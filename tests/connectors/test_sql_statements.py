"""The SQL of filters: what the database does, by which index, and what is left for Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.sql.compiler import SQLCompiler

from flask_loop import DataSource, GeoPoint, Model, Prop, create_data_source, memory, prop
from flask_loop.errors import FilterError

MANY = 100_000
PLACES = 34_000

Find = dict[str, Any]


class Address(Model):
    zip_code: Prop[str | None] = prop(default=None)
    door: Prop[int | None] = prop(default=None)

    class Meta:
        id_injection = False


THING: dict[str, Any] = {
    "name": {"type": str, "nullable": False, "index": True},
    "code": {"type": str, "unique": True},
    "price": {"type": float, "index": True},
    "stock": {"type": int, "nullable": False, "index": True},
    "color": str,
    "notes": dict,
    "tags": [str],
    "home": Address,
    "at": {"type": "GeoPoint", "index": True},
}


@pytest.fixture(scope="module")
def many() -> Iterator[DataSource]:
    """100,000 records of one model, as it is met in practice: indexes, no statistics."""
    source = create_data_source(connector="sqlite", url="sqlite://")
    numbers = source.create_model(
        "number",
        {
            "value": {"type": int, "nullable": False, "index": True},
            "maybe": {"type": int, "index": True},
            "name": {"type": str, "nullable": False, "index": True},
            "group": {"type": str},
            "rank": {"type": int},
        },
        indexes={"group_rank": {"keys": ["group", "rank"]}},
    )
    source.auto_update()
    rng = random.Random(1)
    rows = [
        (number, rng.choice([None, rng.randrange(MANY)]), f"n{number:06}", f"g{number % 100}")
        for number in range(MANY)
    ]
    with source.transaction():
        numbers.create(
            [
                {"value": value, "maybe": maybe, "name": name, "group": group, "rank": value % 7}
                for value, maybe, name, group in rows
            ]
        )
    yield source
    source.close()


@pytest.fixture
def numbers(many: DataSource) -> Any:
    return many.models()[0]


@pytest.fixture
def sqlite() -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", url="sqlite://")
    yield source
    source.close()


@pytest.fixture
def things(sqlite: DataSource) -> Any:
    things = sqlite.create_model("thing", THING)
    sqlite.auto_update()
    return things


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that SQLAlchemy compiles from now on."""
    statements: list[str] = []
    process = SQLCompiler.__init__

    def compile(self: Any, *arguments: Any, **named: Any) -> None:
        process(self, *arguments, **named)
        statements.append(str(self))

    monkeypatch.setattr(SQLCompiler, "__init__", compile)
    return statements


def plan(model: Any, **filter: Any) -> list[str]:
    explained: list[str] = model.data_source.explain(model, filter)["plan"]
    return explained


# Indexes


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ({"value": 5}, "loop_number__value (value=?)"),
        ({"value": {"gt": 99_990}}, "loop_number__value (value>?)"),
        ({"value": {"gte": 5, "lt": 9}}, "loop_number__value (value>? AND value<?)"),
        ({"value": {"between": [5, 9]}}, "loop_number__value (value>? AND value<?)"),
        ({"value": {"inq": [5, 7, 11]}}, "loop_number__value (value=?)"),
        ({"value": {"inq": list(range(1000))}}, "loop_number__value (value=?)"),
        ({"maybe": 5}, "loop_number__maybe (maybe=?)"),
        ({"maybe": {"lt": 5}}, "loop_number__maybe (maybe<?)"),
        ({"maybe": None}, "loop_number__maybe (maybe=?)"),
        ({"name": {"like": "n00012%"}}, "loop_number__name (name>? AND name<?)"),
        ({"name": {"like": "n00012_"}}, "loop_number__name (name>? AND name<?)"),
        ({"group": "g5", "rank": 3}, "loop_number__group__rank (group=? AND rank=?)"),
        ({"group": "g5", "rank": {"gt": 3}}, "loop_number__group__rank (group=? AND rank>?)"),
        ({"id": 5}, "INTEGER PRIMARY KEY (rowid=?)"),
        ({"id": {"inq": [5, 6]}}, "INTEGER PRIMARY KEY (rowid=?)"),
        ({"id": {"gt": 99_990}}, "INTEGER PRIMARY KEY (rowid>?)"),
        ({"or": [{"value": 5}, {"maybe": 7}]}, "loop_number__value (value=?)"),
    ],
    ids=str,
)
def test_an_index_answers_among_100_000_records(numbers: Any, where: Find, index: str) -> None:
    lines = plan(numbers, where=where)
    assert not any(line.startswith("SCAN number") for line in lines)
    assert any(index in line for line in lines), lines


def test_explain_shows_where_no_index_helps(numbers: Any) -> None:
    assert plan(numbers, where={"rank": 3}) == ["SCAN number"]


def test_a_small_page_of_a_range_is_not_sorted(numbers: Any) -> None:
    assert plan(numbers, where={"value": {"gt": 10}}, limit=20) == ["SCAN number"]


@pytest.mark.parametrize("order", ["value", "value DESC", "name", "name DESC", "maybe", "id DESC"])
def test_an_index_gives_the_order_of_a_page(numbers: Any, order: str) -> None:
    lines = plan(numbers, order=order, limit=20)
    assert "USE TEMP B-TREE FOR ORDER BY" not in lines
    assert any("USING INDEX" in line or line == "SCAN number" for line in lines), lines
    where = {"value": {"gt": 10}} if order.startswith("value") else {}
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan(numbers, where=where, order=order, limit=20)


def test_a_page_in_ascending_order_sorts_nothing(numbers: Any) -> None:
    for order in ("value", "name", "id", "id DESC"):
        assert not any("TEMP B-TREE" in line for line in plan(numbers, order=order, limit=20))


def test_nulls_last_is_said_of_nullable_columns_only(many: DataSource, numbers: Any) -> None:
    assert "NULLS LAST" not in many.explain(numbers, {"order": "value DESC"})["backend"]
    assert "NULLS LAST" in many.explain(numbers, {"order": "maybe DESC"})["backend"]


def test_nulls_come_last_in_both_directions(numbers: Any) -> None:
    nulls = numbers.count({"maybe": None})
    for order in ("maybe", "maybe DESC"):
        found = [each.maybe for each in numbers.find(order=order, skip=MANY - nulls - 1, limit=2)]
        assert found[0] is not None
        assert found[1] is None


# Shapes


def test_statements_of_one_shape_are_compiled_once(things: Any, compiled: list[str]) -> None:
    def ask(number: int) -> None:
        where = {
            "price": {"gt": number, "lt": number + 10},
            "or": [{"name": f"n{number}"}, {"stock": {"inq": [number, number + 1, number + 2]}}],
            "notes.color": f"c{number}",
            "at": {"near": (number, number), "maxDistance": 5},
        }
        things.find(where=where, order="price DESC", limit=number + 1, skip=number)
        things.count(where)
        things.update_all(where, {"color": f"c{number}"})
        things.destroy_all(where)
        things.find_by_id(number)

    ask(1)
    first = len(compiled)
    assert first > 0
    for number in range(2, 30):
        ask(number)
    assert len(compiled) == first


def test_writes_of_one_shape_are_compiled_once(things: Any, compiled: list[str]) -> None:
    def write(number: int) -> None:
        things.create(name=f"n{number}", stock=number, code=f"a{number}")
        things.create([{"name": f"n{number}", "stock": 1}, {"name": "x", "stock": 2}])
        thing = things.find_one({"code": f"a{number}"})
        thing.patch_attributes(price=number)
        thing.destroy()

    write(1)
    first = len(compiled)
    for number in range(2, 20):
        write(number)
    assert len(compiled) == first


def test_lists_of_many_lengths_share_few_statements(sqlite: DataSource, things: Any) -> None:
    def sql(length: int) -> Any:
        where = {"stock": {"inq": list(range(length))}}
        return sqlite.explain(things, {"where": where})["backend"]

    assert len({sql(length) for length in range(1, 129)}) == 8
    assert sql(3).count("?") == 4
    assert len({sql(length) for length in (129, 1000, 40_000)}) == 1
    assert sql(129).count("?") == 1


def test_statements_of_clients_are_not_kept_without_end(things: Any, compiled: list[str]) -> None:
    shapes = [{f"notes.a{first}.b{second}": 1} for first in range(30) for second in range(30)]
    for where in shapes:
        things.count(where)
    assert len(compiled) >= len(shapes)
    before = len(compiled)
    things.count(shapes[-1])
    assert len(compiled) == before
    things.count(shapes[0])
    assert len(compiled) == before + 1


# What is left for Python


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ({"name": "a"}, []),
        ({"name": {"regexp": "^a"}, "price": {"gt": 1}}, []),
        ({"notes.color": "red"}, []),
        ({"notes.color": {"inq": ["red", "blue"]}}, []),
        ({"notes.color": {"like": "r%"}}, []),
        ({"notes.size": 5}, []),
        ({"notes.sold": True}, []),
        ({"notes.color": None}, []),
        ({"home.zip_code": "1"}, []),
        ({"home.zip_code": None}, []),
        ({"tags": "new"}, []),
        ({"tags": {"gt": "a"}}, []),
        ({"notes.size": {"gt": 5}}, ["notes.size gt"]),
        ({"notes.size": 1.5}, ["notes.size eq"]),
        ({"notes.sizes.0": "a"}, ["notes.sizes.0 eq"]),
        ({"notes": {"color": "red"}}, ["notes eq"]),
        ({"tags": ["new"]}, ["tags eq"]),
        ({"name": "a", "notes.size": {"gt": 5}}, ["notes.size gt"]),
        ({"or": [{"name": "a"}, {"notes.size": {"lt": 5}}]}, ["name eq", "notes.size lt"]),
    ],
    ids=str,
)
def test_explain_says_what_is_left_for_python(
    sqlite: DataSource, things: Any, where: Find, left: list[str]
) -> None:
    explained = sqlite.explain(things, {"where": where})
    assert explained["python"] == {"where": left, "order": False}
    if where.get("name") == "a" and left:
        assert "thing.name = ?" in explained["backend"]


def test_explain_says_that_python_sorts(sqlite: DataSource, things: Any) -> None:
    explained = sqlite.explain(things, {"order": "notes.size", "limit": 1})
    assert explained["python"] == {"where": [], "order": True}
    assert "LIMIT" not in explained["backend"]


@pytest.fixture
def sized(things: Any) -> Any:
    things.create(
        [
            {"name": "a", "stock": number, "notes": {"size": number}, "code": str(number)}
            for number in range(1200)
        ]
    )
    return things


def test_every_operation_takes_what_is_left_for_python(sized: Any) -> None:
    where = {"name": "a", "notes.size": {"gte": 100}}
    assert sized.count(where) == 1100
    found = sized.find(where=where, order="stock DESC", skip=1, limit=2, fields=["stock"])
    assert [each.stock for each in found] == [1198, 1197]
    assert sized.update_all(where, {"color": "red"}) == 1100
    assert sized.count({"color": "red"}) == 1100
    assert sized.destroy_all({"notes.size": {"lt": 1150}, "name": "a"}) == 1150
    assert sized.count() == 50


def test_an_update_of_what_python_found_is_one(sized: Any) -> None:
    where = {"notes.size": {"gte": 100}}
    with pytest.raises(Exception, match="`code` is not unique"):
        sized.update_all(where, {"color": "red", "code": "5"})
    assert sized.count({"color": "red"}) == 0


def test_wide_conditions_are_answered_in_full(sized: Any) -> None:
    wanted = {"or": [{"stock": number} for number in range(0, 2400, 2)]}
    assert sized.count(wanted) == 600
    assert len(sized.find(where=wanted, order="stock DESC", limit=5)) == 5
    assert sized.update_all(wanted, {"color": "even"}) == 600
    assert sized.destroy_all(wanted) == 600
    assert sized.count() == 600


def test_deep_conditions_are_answered_in_full(sized: Any) -> None:
    where: Find = {"stock": {"lt": 10}}
    for _ in range(90):
        where = {"nor": [where]}
    assert sized.count(where) == 10
    assert [each.stock for each in sized.find(where=where, order="stock", limit=2)] == [0, 1]


@pytest.mark.parametrize("length", [1, 2, 100, 128, 129, 1000, 40_000])
def test_lists_of_any_length(sized: Any, length: int) -> None:
    numbers = list(range(length))
    expected = min(length, 1200)
    assert sized.count({"stock": {"inq": numbers}}) == expected
    assert sized.count({"stock": {"nin": numbers}}) == 1200 - expected
    assert sized.count({"code": {"inq": [str(number) for number in numbers]}}) == expected
    assert sized.count({"notes.size": {"inq": numbers}}) == expected
    assert len(sized.find_by_ids(range(1, length + 1))) == expected
    assert sized.update_all({"stock": {"inq": numbers}}, {"color": "x"}) == expected


def test_long_lists_of_floats_and_points_are_exact(sqlite: DataSource) -> None:
    measures = sqlite.create_model("measure", {"value": float, "raw": bytes, "at": "GeoPoint"})
    sqlite.auto_update()
    rng = random.Random(1)
    values = [rng.uniform(-1e9, 1e9) * 10 ** rng.randint(-20, 20) for _ in range(2000)]
    measures.create(
        [{"value": value, "raw": str(value).encode(), "at": (value % 90, 5)} for value in values]
    )
    assert measures.count({"value": {"inq": values}}) == 2000
    assert measures.count({"raw": {"inq": [str(value).encode() for value in values]}}) == 2000
    points = [GeoPoint(value % 90, 5) for value in values]
    assert measures.count({"at": {"inq": points}}) == 2000
    assert measures.count({"value": {"inq": values * 20}}) == 2000


def test_the_largest_limit_and_skip(things: Any) -> None:
    things.create([{"name": "a", "stock": 1}, {"name": "b", "stock": 2}])
    most = 2**63 - 1
    assert [each.stock for each in things.find(limit=most, skip=1)] == [2]
    assert things.find(limit=most, skip=most) == []
    assert things.find(skip=most) == []


# Near


@pytest.fixture(scope="module")
def places() -> Iterator[Any]:
    """Points as they lie on the globe: many in few places, on both sides of the antimeridian."""
    source = create_data_source(connector="sqlite", url="sqlite://")
    places = source.create_model(
        "place", {"name": str, "at": {"type": "GeoPoint", "index": True}, "kind": str}
    )
    source.auto_update()
    rng = random.Random(2)
    centers = [(rng.uniform(-80, 80), rng.uniform(-180, 180)) for _ in range(300)]
    rows: list[Any] = []
    while len(rows) < PLACES:
        lat, lng = rng.choice(centers)
        point = (
            max(-90, min(90, rng.gauss(lat, 1))),
            (rng.gauss(lng, 1) + 180) % 360 - 180,
        )
        rows.append({"name": "p", "at": point, "kind": "rare" if len(rows) % 5000 == 0 else "a"})
    rows += [{"name": "nowhere", "at": None}] * 10
    places.create(rows)
    yield places
    source.close()


POINTS = [(52.5, 13.4), (0, 0), (-90, 0), (90, 180), (10, 180), (10, -180), (-33.9, 151.2)]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_near_searches_a_box_by_its_index(places: Any, point: Any) -> None:
    where = {"at": {"near": point, "maxDistance": 100}}
    lines = plan(places, where=where, limit=10)
    assert not any(line.startswith("SCAN place") for line in lines)
    assert any("loop_place__at (at_lat>? AND at_lat<?)" in line for line in lines)


@pytest.fixture(scope="module")
def records(places: Any) -> Any:
    """The same places in memory, whose answers are computed one by one."""
    other = memory().create_model("place", {"name": str, "at": "GeoPoint", "kind": str})
    other.create([each.to_record() for each in places.find(order="id")])
    return other


@pytest.mark.parametrize("point", POINTS, ids=str)
@pytest.mark.parametrize(
    ("near", "rest"),
    [
        ({}, {"limit": 10}),
        ({}, {"limit": 5, "skip": 2000}),
        ({}, {"where": {"kind": "rare"}, "limit": 20}),
        ({"minDistance": 1000}, {"limit": 5}),
        ({"maxDistance": 500}, {"limit": 50}),
        ({"maxDistance": 3000, "minDistance": 2000, "unit": "kilometers"}, {"limit": 3}),
        ({"maxDistance": 1}, {}),
    ],
    ids=str,
)
def test_the_nearest_are_those_of_computing_every_distance(
    places: Any, records: Any, point: Any, near: Find, rest: Find
) -> None:
    filter = {**rest, "where": {"at": {"near": point, **near}, **rest.get("where", {})}}
    assert [each.id for each in places.find(filter)] == [each.id for each in records.find(filter)]


def test_the_nearest_are_found_without_computing_every_distance(places: Any) -> None:
    computed = 0
    connection = places.data_source.connector.session.engine.raw_connection()

    def distance(*values: Any) -> Any:
        nonlocal computed
        computed += 1
        lat, lng, row_lat, row_lng = values
        return GeoPoint(lat, lng).distance_to((row_lat, row_lng), "radians")

    connection.create_function("loop_distance", 4, distance)
    connection.close()
    assert len(places.find(where={"at": {"near": POINTS[0]}}, limit=10)) == 10
    assert 0 < computed < PLACES / 5


def test_all_places_by_distance(places: Any) -> None:
    found = places.find(where={"at": {"near": (10, 10)}}, fields=["id"])
    assert len(found) == PLACES


def test_points_that_are_equally_far_come_in_order_of_their_ids(things: Any) -> None:
    things.create([{"name": "a", "stock": 1, "at": (5, 5)} for _ in range(100)])
    for limit in (1, 10, 99, 100, 200):
        found = things.find(where={"at": {"near": (6, 6)}}, limit=limit)
        assert [each.id for each in found] == list(range(1, min(limit, 100) + 1))


# No input is SQL

HOSTILE = st.one_of(
    st.sampled_from(
        [
            "'; DROP TABLE thing; --",
            '" OR 1=1 --',
            "') OR ('1'='1",
            "%",
            "_",
            "\\",
            "?",
            ":name",
            "%(name)s",
            "[POSTCOMPILE_value_0]",
            "name ASC; DELETE FROM thing",
            '$."a"\') OR 1=1 --',
            "*",
            "\u202e",
            "\x1f",
            "\ufffe",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=HOSTILE, other=HOSTILE)
def test_values_are_never_sql(things: Any, text: str, other: str) -> None:
    with things.data_source.transaction():
        things.destroy_all()
        kept = things.create(name="kept", stock=1)
        thing = things.create(name=text, stock=2, notes={"key": text, "list": [text]}, tags=[text])
        assert things.find_by_id(thing.id).to_record() == thing.to_record()
        assert things.count({"name": text}) == (2 if text == "kept" else 1)
        assert things.count({"name": {"inq": [text, other]}}) >= 1
        assert things.count({"notes.key": text}) == 1
        assert things.count({"notes.list": text}) == 1
        assert things.count({"tags": text}) == 1
        exact = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        assert things.count({"name": {"like": exact}, "stock": 2}) == 1
        assert things.count({"notes.key": {"like": exact}}) == 1
        assert things.update_all({"name": text, "stock": 2}, {"color": other}) == 1
        assert things.find_by_id(thing.id).color == other
        assert things.find_by_id(kept.id).color is None
        assert things.count() == 2


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(key=HOSTILE, other=HOSTILE)
def test_keys_are_never_sql(things: Any, key: str, other: str) -> None:
    with things.data_source.transaction():
        things.destroy_all()
        things.create(name="a", stock=1, notes={"in": {key: "x"}, key: "y"})
        things.create(name="b", stock=1, notes={"in": {other: "z"}})
        plain = memory().create_model("thing", THING)
        plain.create([each.to_record() for each in things.find()])
        for where in ({f"notes.in.{key}": "x"}, {f"notes.{key}": "y"}, {f"notes.{key}": None}):
            try:
                expected = plain.count(where)
            except FilterError:
                with pytest.raises(FilterError):
                    things.count(where)
            else:
                assert things.count(where) == expected


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pattern=HOSTILE, text=HOSTILE, ignore_case=st.booleans())
def test_patterns_mean_the_same_as_in_python(
    things: Any, pattern: str, text: str, ignore_case: bool
) -> None:
    plain = memory().create_model("thing", THING)
    with things.data_source.transaction():
        things.destroy_all()
        for value in (text, pattern, text + pattern):
            for model in (things, plain):
                model.create(name=value, stock=1, notes={"key": value})
        options = {"options": "i"} if ignore_case else {}
        for operator in ("like", "nlike", "regexp"):
            for path in ("name", "notes.key"):
                where = {path: {operator: pattern, **options}}
                try:
                    expected = plain.count(where)
                except FilterError:
                    continue
                assert things.count(where) == expected


@pytest.mark.parametrize(
    "filter",
    [
        {"order": "name; DROP TABLE thing"},
        {"order": "name DESC, (SELECT 1)"},
        {"order": "thing.name"},
        {"fields": ["name FROM thing; --"]},
        {"where": {"name = 1 OR 1": 1}},
        {"where": {"name": {"= 1 OR 1 =": 1}}},
        {"limit": "1; DROP TABLE thing"},
        {"skip": "1 UNION SELECT 1"},
        {"where": {"id": "1 OR 1=1"}},
        {"where": {"stock": "0; DROP TABLE thing"}},
    ],
    ids=str,
)
def test_what_is_no_filter_never_reaches_the_database(things: Any, filter: Find) -> None:
    statements: list[str] = []
    engine = things.data_source.connector.session.engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    with pytest.raises(FilterError):
        things.find(filter)
    assert statements == []


@pytest.mark.parametrize("id", ["1 OR 1=1", "1; DROP TABLE thing", "' OR ''='", "0x1", "1.0", ""])
def test_ids_are_never_sql(things: Any, id: str) -> None:
    things.create(name="a", stock=1)
    assert things.exists(id) is False
    assert things.destroy_by_id(id) == 0
    assert things.count() == 1


# Values


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (int, [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)]),
        ("number", [0, 1, 0.1, 1e-310, 5e-324, 1.7976931348623157e308, -2.5, 2**63 - 1]),
        (
            str,
            [
                "",
                " ",
                "a\nb",
                "\t",
                "é",
                "e\u0301",
                "😀",
                "\uffff",
                "\x01",
                "0012",
                "1e5",
                "x" * 10**6,
            ],
        ),
        (bytes, [b"", b"\0", b"\xff\xfe", bytes(range(256))]),
    ],
    ids=["int", "number", "str", "bytes"],
)
def test_values_come_back_as_they_were(sqlite: DataSource, kind: Any, values: list[Any]) -> None:
    model = sqlite.create_model("value", {"value": {"type": kind, "index": True}})
    sqlite.auto_update()
    model.create([{"value": value} for value in values])
    assert [each.value for each in model.find(order="id")] == values
    assert [type(each.value) for each in model.find(order="id")] == [type(v) for v in values]
    for value in values:
        assert [each.value for each in model.find(where={"value": value})] == [value]
    found = [each.value for each in model.find(order="value")]
    assert found == sorted(values)
    assert model.count({"value": {"gte": min(values)}}) == len(values)
