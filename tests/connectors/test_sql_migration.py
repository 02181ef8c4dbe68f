"""Tables from definitions: their names, columns and indexes, and how they come up to date."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flask_loop import DataSource, Model, create_data_source
from flask_loop.errors import DefinitionError, UniqueViolation, ValidationError

Properties = dict[str, Any]
Sql = Callable[..., list[Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture
def source(file: Path) -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", database=file, synchronous="OFF")
    yield source
    source.close()


@pytest.fixture
def sql(file: Path) -> Sql:
    """A function that runs SQL on the database, as another program would."""

    def sql(statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    return sql


@pytest.fixture
def change(source: DataSource) -> Callable[..., Any]:
    """A function that defines the model ``thing`` anew and brings its table up to date."""

    def change(properties: Properties, **settings: Any) -> Any:
        things = source.create_model("thing", properties, **settings)
        source.auto_update([things])
        assert source.is_actual([things])
        return things

    return change


def columns(sql: Sql, table: str = "thing") -> dict[str, tuple[str, bool]]:
    """The columns of a table: their types, and whether they refuse null."""
    rows = sql('SELECT name, type, "notnull" FROM pragma_table_info(?)', table)
    return {name: (kind, bool(not_null)) for name, kind, not_null in rows}


def indexes(sql: Sql, table: str = "thing") -> dict[str, tuple[bool, list[str]]]:
    """The indexes of a table: whether they are unique, and their columns."""
    rows = sql("SELECT name, \"unique\" FROM pragma_index_list(?) WHERE origin = 'c'", table)
    return {
        name: (bool(unique), [c for (c,) in sql("SELECT name FROM pragma_index_info(?)", name)])
        for name, unique in rows
    }


# Names


@pytest.mark.parametrize(
    ("name", "table"),
    [("thing", "thing"), ("CoffeeShop", "coffee_shop"), ("coffee-shop", "coffee_shop")],
)
def test_a_table_is_named_after_its_model(
    source: DataSource, sql: Sql, name: str, table: str
) -> None:
    source.create_model(name, {"unit_price": float, "shelfLife": int})
    source.auto_update()
    assert set(columns(sql, table)) == {"id", "unit_price", "shelfLife"}


@pytest.mark.parametrize(
    ("model", "prop"),
    [
        ({"options": {"sqlite": {"table": "GOODS"}}}, {"options": {"sqlite": {"column": "PRICE"}}}),
        ({"sqlite": {"table": "GOODS"}}, {"sqlite": {"columnName": "PRICE"}}),
        ({"sqlite": {"tableName": "GOODS"}}, {"sqlite": {"column": "PRICE"}}),
        ({"postgresql": {"table": "other"}, "sqlite": {"table": "GOODS"}}, {
            "postgresql": {"columnName": "other"}, "sqlite": {"columnName": "PRICE"}}),
    ],
    ids=["options", "LoopBack", "tableName", "of several backends"],
)  # fmt: skip
def test_options_name_tables_and_columns(
    source: DataSource, sql: Sql, model: Properties, prop: Properties
) -> None:
    products = source.create_model("product", {"price": {"type": float, **prop}}, model)
    source.auto_update()
    assert set(columns(sql, "GOODS")) == {"id", "PRICE"}
    products.create(price=5)
    assert sql("SELECT PRICE FROM GOODS") == [(5,)]
    assert products.find_one({"price": {"gt": 4}}).price == 5


ODD = [
    "order",
    "select",
    "a b",
    "a.b",
    "a, b",
    'say "hi"',
    "it's",
    "50%",
    "%s",
    "%(x)s",
    "what?",
    ":name",
    "[a]",
    "`a`",
    "--",
    "Straße",
    "数",
    "value_0",
    "1st",
    "a;DROP TABLE thing",
    " ",
    "x" * 200,
]


@pytest.mark.parametrize("name", ODD)
def test_names_may_have_any_characters(source: DataSource, sql: Sql, name: str) -> None:
    things = source.create_model(
        "thing",
        {
            "value": {"type": int, "unique": True, "sqlite": {"column": name}},
            "pair": {"type": str, "sqlite": {"column": f"{name}2"}},
            "at": {"type": "GeoPoint", "index": True, "sqlite": {"column": f"{name}3"}},
            "notes": {"type": dict, "sqlite": {"column": f"{name}4"}},
        },
        {"sqlite": {"table": name}, "indexes": {"both": {"keys": "value,pair", "unique": True}}},
    )
    source.auto_update()
    assert source.is_actual()
    assert {name, f"{name}2", f"{name}3_lat", f"{name}3_lng"} < set(columns(sql, name))
    things.create(value=1, pair="a", at=(5, 5), notes={"a": 1})
    with pytest.raises(ValidationError) as refused:
        things.create(value=1)
    assert list(refused.value.details["codes"]) == ["value"]
    where = {"value": 1, "pair": {"like": "a%"}, "at": {"near": (5, 5)}, "notes.a": 1}
    assert things.find_one({"where": where, "order": "pair DESC"}).value == 1
    assert things.update_all(where, {"pair": "b"}) == 1
    assert things.find_by_id(1).patch_attributes(value=2).pair == "b"
    assert things.destroy_all({"value": 2}) == 1
    source.auto_migrate(drop=True)
    assert source.is_actual()


@pytest.mark.parametrize("name", [5, "a\0b", ["a"]])
def test_a_name_that_no_database_has_is_refused(source: DataSource, name: Any) -> None:
    source.create_model("thing", {"a": int}, {"sqlite": {"table": name}})
    with pytest.raises(DefinitionError, match=r"thing: .* is no name of a table or column"):
        source.auto_update()


@pytest.mark.parametrize("column", ["price", "PRICE", "Price"])
def test_two_properties_cannot_be_one_column(source: DataSource, column: str) -> None:
    source.create_model(
        "thing", {"price": int, "cost": {"type": int, "sqlite": {"column": column}}}
    )
    with pytest.raises(DefinitionError, match="'price' and 'cost' would both be the column"):
        source.auto_update()


def test_two_models_cannot_be_one_table(source: DataSource) -> None:
    models = [source.create_model(name, {"a": int}) for name in ("CoffeeShop", "coffee-shop")]
    with pytest.raises(DefinitionError, match="'CoffeeShop' and 'coffee-shop' would both be"):
        source.auto_update(models)


def test_indexes_of_tables_with_like_names_do_not_clash(source: DataSource, sql: Sql) -> None:
    source.create_model("a", {"b_c": {"type": int, "index": True}})
    source.create_model("a_b", {"c": {"type": int, "index": True}})
    source.create_model(
        "d",
        {"x": int, "y": int, "x_y": {"type": int, "index": True}},
        indexes={"both": {"keys": ["x", "y"]}},
    )
    source.auto_update()
    assert source.is_actual()
    assert sorted(each for _, each in indexes(sql, "d").values()) == [["x", "y"], ["x_y"]]


# Columns


def test_each_type_has_its_column(source: DataSource, sql: Sql) -> None:
    kinds: Properties = {
        "text": str,
        "short": {"type": str, "max_length": 20},
        "whole": int,
        "number": "number",
        "exact": "decimal",
        "flag": bool,
        "moment": datetime,
        "day": "dateonly",
        "data": bytes,
        "place": "GeoPoint",
        "key": "uuid",
        "notes": dict,
        "items": [str],
        "any": "any",
    }
    source.create_model("thing", kinds)
    source.auto_update()
    assert {name: kind for name, (kind, _) in columns(sql).items()} == {
        "id": "INTEGER",
        "text": "TEXT",
        "short": "VARCHAR(20)",
        "whole": "INTEGER",
        "number": "NUMERIC",
        "exact": "INTEGER",
        "flag": "BOOLEAN",
        "moment": "VARCHAR(26)",
        "day": "VARCHAR(10)",
        "data": "BLOB",
        "place_lat": "FLOAT",
        "place_lng": "FLOAT",
        "key": "VARCHAR(36)",
        "notes": "TEXT",
        "items": "TEXT",
        "any": "TEXT",
    }


def test_columns_of_what_cannot_be_null_refuse_it(source: DataSource, sql: Sql) -> None:
    class Thing(Model):
        name: str
        size: int | None = None

        class Meta:
            data_source = source

    source.auto_update()
    refuses = {name: not_null for name, (_, not_null) in columns(sql).items()}
    assert refuses == {"id": True, "name": True, "size": False}
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        sql("INSERT INTO thing (size) VALUES (1)")


@pytest.mark.parametrize("kind", ["number", int])
def test_the_database_makes_ids_of_both_kinds_of_numbers(source: DataSource, kind: Any) -> None:
    things = source.create_model("thing", {"id": {"type": kind, "id": True, "generated": True}})
    source.auto_update()
    assert [each.id for each in things.create([{}, {}])] == [1, 2]


def test_the_database_cannot_make_ids_of_other_types(source: DataSource) -> None:
    source.create_model("thing", {"id": {"type": str, "id": True, "generated": True}})
    with pytest.raises(DefinitionError, match=r"thing\.id is generated, but sqlite makes integers"):
        source.auto_update()


def test_an_id_is_not_given_twice(source: DataSource) -> None:
    things = source.create_model("thing", {"name": str})
    source.auto_update()
    last = things.create([{"name": "a"}, {"name": "b"}])[-1]
    last.destroy()
    assert things.create(name="c").id == 3
    things.destroy_all()
    assert things.create(name="d").id == 4


# auto_update


def test_auto_update_adds_columns_and_loses_nothing(change: Any, sql: Sql) -> None:
    change({"name": str}).create([{"name": "a"}, {"name": "b"}])
    things = change(
        {
            "name": str,
            "color": {"type": str, "default": "it's red"},
            "size": {"type": int, "default": 5, "nullable": False},
            "price": {"type": "decimal", "default": "1.50", "nullable": False},
            "at": {"type": "GeoPoint", "default": "5,10", "nullable": False},
            "seen": {"type": datetime, "default": datetime(2024, 1, 2, tzinfo=UTC)},
            "raw": {"type": bytes, "default": b"\x00\xff", "nullable": False},
            "sold": {"type": bool, "default": False, "nullable": False},
            "notes": {"type": dict, "default": {"a:b": ["%s"]}, "nullable": False},
            "code": {"type": str, "default_fn": "uuid", "unique": True, "nullable": False},
            "other": str,
        }
    )
    first, second = things.find()
    assert first.to_record() == {
        "id": 1,
        "name": "a",
        "color": "it's red",
        "size": 5,
        "price": first.price,
        "at": first.at,
        "seen": datetime(2024, 1, 2, tzinfo=UTC),
        "raw": b"\x00\xff",
        "sold": False,
        "notes": {"a:b": ["%s"]},
        "code": first.code,
        "other": None,
    }
    assert (str(first.price), first.at.to_dict()) == ("1.5", {"lat": 5, "lng": 10})
    assert first.code != second.code
    assert columns(sql)["size"] == ("INTEGER", True)
    assert things.create(name="c").color == "it's red"


def test_a_column_without_a_default_cannot_be_added_to_records(
    source: DataSource, change: Any, sql: Sql
) -> None:
    change({"name": str}).create(name="a")
    needy = {"name": str, "size": {"type": int, "nullable": False}, "other": str}
    things = source.create_model("thing", needy)
    with pytest.raises(DefinitionError, match=r"thing has records without a 'size'.*a default"):
        source.auto_update([things])
    assert set(columns(sql)) == {"id", "name"}
    sql("DELETE FROM thing")
    source.auto_update([things])
    assert columns(sql)["size"] == ("INTEGER", True)


def test_auto_update_leaves_columns_that_the_model_has_not(change: Any, sql: Sql) -> None:
    change({"name": str, "color": str}).create(name="a", color="red")
    things = change({"name": str})
    things.create(name="b")
    things.find_by_id(1).patch_attributes(name="c")
    things.replace_by_id(1, {"name": "d"})
    assert sql("SELECT name, color FROM thing") == [("d", "red"), ("b", None)]


def test_a_column_that_must_have_a_value_and_no_property_is_named(change: Any) -> None:
    change({"name": str, "color": {"type": str, "nullable": False}})
    things = change({"name": str})
    with pytest.raises(RuntimeError, match=r"thing\.color cannot be null in the database"):
        things.create(name="a")


def test_columns_are_found_whatever_their_case(change: Any, sql: Sql) -> None:
    sql("CREATE TABLE THING (ID INTEGER PRIMARY KEY, NAME TEXT)")
    things = change({"name": str, "size": int})
    assert set(columns(sql)) == {"ID", "NAME", "size"}
    assert things.create(name="a").id == 1


def test_auto_update_of_all_is_whole_or_nothing(source: DataSource, sql: Sql) -> None:
    source.create_model("a", {"name": str})
    old = source.create_model("b", {"name": str})
    source.auto_update([old])
    old.create([{"name": "x"}, {"name": "x"}])
    new = source.create_model("b", {"name": {"type": str, "unique": True}, "size": int})
    with pytest.raises(DefinitionError):
        source.auto_update([source.models()[0], new])
    assert columns(sql, "a") == {}
    assert set(columns(sql, "b")) == {"id", "name"}


def test_auto_update_inside_a_transaction_is_undone_with_it(source: DataSource, sql: Sql) -> None:
    things = source.create_model("thing", {"name": {"type": str, "index": True}})

    def leave() -> None:
        with source.transaction():
            source.auto_update()
            assert source.is_actual()
            things.create(name="a")
            assert things.count() == 1
            raise LookupError

    with pytest.raises(LookupError):
        leave()
    assert not source.is_actual()
    assert columns(sql) == {}


# Indexes


def test_every_way_to_ask_for_an_index(source: DataSource, sql: Sql) -> None:
    things = source.create_model(
        "thing",
        {
            "name": {"type": str, "index": True},
            "code": {"type": str, "unique": True},
            "email": str,
            "shop": int,
            "number": int,
            "at": {"type": "GeoPoint", "index": True},
        },
        indexes={
            "shop_number": {"keys": ["shop", "number"], "unique": True},
            "loopback": {"keys": {"number": 1, "name": -1}},
            "columns": {"columns": "email, shop", "kind": "btree"},
        },
    )
    things.validates_uniqueness_of("email")
    source.auto_update()
    assert indexes(sql) == {
        "loop_thing__name": (False, ["name"]),
        "loop_thing__code__unique": (True, ["code"]),
        "loop_thing__email__unique": (True, ["email"]),
        "loop_thing__shop__number__unique": (True, ["shop", "number"]),
        "loop_thing__number__name": (False, ["number", "name"]),
        "loop_thing__email__shop": (False, ["email", "shop"]),
        "loop_thing__at": (False, ["at_lat", "at_lng"]),
    }


def test_only_indexes_of_ours_are_dropped(change: Any, sql: Sql) -> None:
    change({"name": {"type": str, "index": True}, "code": {"type": str, "unique": True}})
    sql("CREATE INDEX by_hand ON thing (name, code)")
    sql("CREATE TABLE thing_other (name)")
    sql("CREATE INDEX loop_thing_other__name ON thing_other (name)")
    change({"name": str, "code": {"type": str, "index": True}})
    assert set(indexes(sql)) == {"by_hand", "loop_thing__code"}
    assert set(indexes(sql, "thing_other")) == {"loop_thing_other__name"}


def test_an_index_follows_its_property_to_another_column(change: Any, sql: Sql) -> None:
    change({"name": {"type": str, "index": True}})
    change({"name": {"type": str, "index": True, "sqlite": {"column": "title"}}})
    assert indexes(sql) == {"loop_thing__name": (False, ["title"])}


def test_a_rule_that_is_added_later_is_an_index_too(source: DataSource, change: Any) -> None:
    things = change({"name": str})
    assert source.is_actual([things])
    things.validates_uniqueness_of("name")
    assert not source.is_actual([things])
    source.auto_update([things])
    assert source.is_actual([things])


@pytest.mark.parametrize(
    ("properties", "settings", "named"),
    [
        ({"name": {"type": str, "unique": True}, "size": int}, {}, "equal name,"),
        (
            {"name": str, "size": int},
            {"indexes": {"both": {"keys": ["name", "size"], "unique": True}}},
            "equal name, size,",
        ),
    ],
    ids=["one", "several"],
)
def test_existing_duplicates_are_named(
    source: DataSource, change: Any, properties: Properties, settings: Properties, named: str
) -> None:
    change({"name": str, "size": int}).create([{"name": "a", "size": 1}, {"name": "a", "size": 1}])
    things = source.create_model("thing", properties, **settings)
    with pytest.raises(DefinitionError, match=f"thing has records with {named}"):
        source.auto_update([things])
    assert things.count() == 2
    things.destroy_by_id(2)
    source.auto_update([things])


def test_a_unique_index_made_by_hand_is_a_refusal_too(source: DataSource, sql: Sql) -> None:
    things = source.create_model("thing", {"name": str, "size": int})
    source.auto_update()
    sql("CREATE UNIQUE INDEX by_hand ON thing (size, name)")
    things.create(name="a", size=1)
    with pytest.raises(ValidationError) as refused:
        things.create(name="a", size=1)
    assert set(refused.value.details["codes"]) == {"name", "size"}
    definition = things.definition
    with pytest.raises(UniqueViolation):
        source.connector.insert(definition, [{"id": None, "name": "a", "size": 1}])


# The rest


def test_auto_migrate_makes_the_table_anew(source: DataSource, sql: Sql) -> None:
    sql("CREATE TABLE thing (other TEXT, size TEXT)")
    sql("INSERT INTO thing VALUES ('a', 'b')")
    things = source.create_model("thing", {"size": {"type": int, "index": True}})
    source.auto_migrate(drop=True)
    assert columns(sql) == {"id": ("INTEGER", True), "size": ("INTEGER", False)}
    assert set(indexes(sql)) == {"loop_thing__size"}
    assert things.count() == 0


def test_auto_migrate_drops_nothing_unless_it_is_told_to(source: DataSource, sql: Sql) -> None:
    things = source.create_model("thing", {"size": int})
    source.auto_migrate()
    things.create(size=1)
    others = source.create_model("other_thing", {"size": int})
    with pytest.raises(RuntimeError, match=r"^thing: there already; auto_migrate\(drop=True\)"):
        source.auto_migrate()
    assert columns(sql, "other_thing") == {}
    source.auto_migrate([others])
    assert (things.count(), others.count()) == (1, 0)


@pytest.mark.parametrize(
    ("written", "is_actual"),
    [
        ("TEXT", True),
        ("VARCHAR(9)", True),
        ("CLOB", True),
        ("INTEGER", False),
        ("BLOB", False),
        ("", False),
        ("TEXT NOT NULL", False),
    ],
)
def test_a_column_of_another_affinity_is_not_actual(
    source: DataSource, sql: Sql, written: str, is_actual: bool
) -> None:
    things = source.create_model("thing", {"name": {"type": str, "max_length": 5}})
    sql(f"CREATE TABLE thing (id INTEGER PRIMARY KEY, name {written})")
    source.auto_update()
    assert source.is_actual() is is_actual
    things.create(name="a")


@pytest.mark.parametrize("written", ["INT", "BIGINT", "NUMERIC", "BOOLEAN", "INTEGER"])
def test_numbers_of_every_name_are_the_same(source: DataSource, sql: Sql, written: str) -> None:
    source.create_model("thing", {"size": int, "price": "number", "sold": bool})
    sql(
        f"CREATE TABLE thing (id INTEGER PRIMARY KEY, size {written}, price {written}, "
        f"sold {written})"
    )
    assert source.is_actual()


def test_is_actual_changes_nothing(source: DataSource, sql: Sql) -> None:
    source.create_model("thing", {"size": {"type": int, "index": True}})
    assert not source.is_actual()
    assert columns(sql) == {}


def test_a_missing_table_says_what_to_call(source: DataSource) -> None:
    things = source.create_model("thing", {"size": int})
    with pytest.raises(RuntimeError, match=r"no such table: thing; call auto_update\(\)"):
        things.find()
    source.auto_update()
    wider = source.create_model("thing", {"size": int, "color": str})
    for act in (wider.find, lambda: wider.create(size=1), lambda: wider.count({"color": "a"})):
        with pytest.raises(RuntimeError, match=r"color; call auto_update\(\)"):
            act()


def test_a_model_that_keeps_undeclared_keys_is_refused(source: DataSource) -> None:
    source.create_model("thing", {"size": int}, strict=False)
    with pytest.raises(DefinitionError, match=r"strict = False.*declare an object property"):
        source.auto_update()


STARTING = """
import sys
from flask_loop import create_data_source

source = create_data_source(connector="sqlite", database=sys.argv[1])
things = source.create_model("thing", {"name": {"type": str, "unique": True}})
print("ready", flush=True)
sys.stdin.readline()
source.auto_update()
things.create(name=sys.argv[2])
"""


def test_processes_that_start_at_once_make_the_tables_once(file: Path, sql: Sql) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", STARTING, file, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=90)[1] for process in started]
    assert errors == [""] * 4
    assert sql("SELECT count(*) FROM thing") == [(4,)]


def test_a_model_of_nothing_but_its_id(source: DataSource) -> None:
    things = source.create_model("thing", {})
    source.auto_update()
    assert [each.id for each in things.create([{}, {}])] == [1, 2]
    assert things.create().id == 3
    assert things.replace_by_id(2, {}).id == 2
    assert things.count() == 3
