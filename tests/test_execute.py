"""``source.execute``: SQL for what filters cannot say."""

# ruff: noqa: PT012 - a transaction is the block of its test

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop, create_data_source, memory
from flask_loop.errors import Conflict, DefinitionError, Unavailable
from tests.servers import Server

Things = type[Any]
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Color(enum.Enum):
    RED = "red"


@pytest.fixture(params=["sqlite", "postgresql", "mysql", "firebird"])
def source(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server]
) -> Iterator[DataSource]:
    url = "sqlite://" if request.param == "sqlite" else get_server(request.param).fresh()
    made = create_data_source(connector=request.param, url=url)
    yield made
    made.close()


@pytest.fixture
def things(source: DataSource) -> Things:
    things = source.create_model(
        "executed",
        {
            "name": {"type": str, "max_length": 40, "unique": True},
            "amount": int,
            "sold_at": "DateTime",
            "sold_on": date,
            "code": uuid.UUID,
            "is_new": bool,
        },
    )
    source.auto_update()
    things.create(
        [
            {"name": "a", "amount": 1, "sold_at": NOON, "sold_on": "2026-11-23", "code": ID},
            {"name": "50% off", "amount": 2, "is_new": True},
            {"name": "red", "amount": 3, "is_new": False},
        ]
    )
    return things


def lowered(rows: Any) -> list[dict[str, Any]]:
    """Rows with names in small letters, which some databases have in capitals."""
    return [{name.lower(): value for name, value in row.items()} for row in rows]


def test_a_query_gives_its_rows(source: DataSource, things: Things) -> None:
    rows = source.execute(
        "SELECT name, amount AS total FROM executed WHERE amount > :least ORDER BY amount DESC",
        {"least": 1},
    )
    assert lowered(rows) == [{"name": "red", "total": 3}, {"name": "50% off", "total": 2}]
    assert source.execute("SELECT name FROM executed WHERE amount > 5") == []


def test_a_write_gives_how_many_it_wrote(source: DataSource, things: Things) -> None:
    assert source.execute("UPDATE executed SET amount = amount + :n", {"n": 10}) == 3
    assert source.execute("DELETE FROM executed WHERE name = :name", {"name": "red"}) == 1
    assert [each.amount for each in things.find(order="amount")] == [11, 12]


def test_values_are_never_read_as_sql(source: DataSource, things: Things) -> None:
    evil = "'; DROP TABLE executed; --"
    query = "SELECT name FROM executed WHERE name = :name"
    assert source.execute(query, {"name": evil}) == []
    source.execute("UPDATE executed SET name = :name WHERE amount = 1", {"name": evil})
    assert lowered(source.execute(query, {"name": evil})) == [{"name": evil}]
    assert things.count() == 3


def test_a_list_is_one_of_its_values(source: DataSource, things: Things) -> None:
    query = "SELECT amount FROM executed WHERE name IN :names ORDER BY amount"
    assert lowered(source.execute(query, {"names": ["a", "red", "x"]})) == [
        {"amount": 1},
        {"amount": 3},
    ]
    assert lowered(source.execute(query, {"names": {"50% off"}})) == [{"amount": 2}]


def test_an_empty_list_has_none(source: DataSource, things: Things) -> None:
    if source.connector.name == "firebird":
        pytest.skip("SQLAlchemy's empty list needs a table there")
    query = "SELECT amount FROM executed WHERE amount IN :amounts"
    assert source.execute(query, {"amounts": []}) == []


@pytest.mark.parametrize(
    ("condition", "value", "amounts"),
    [
        ("name = :value", Color.RED, [3]),
        ("sold_at = :value", NOON, [1]),
        ("sold_on = :value", date(2026, 11, 23), [1]),
        ("code = :value", ID, [1]),
        ("is_new = :value", True, [2]),
        ("name LIKE '50%' AND amount = :value", 2, [2]),
        ("name LIKE :value", "%d", [3]),
    ],
    ids=str,
)
def test_values_are_bound_as_models_store_them(
    source: DataSource, things: Things, condition: str, value: Any, amounts: list[int]
) -> None:
    if source.connector.name == "firebird" and value is NOON:
        value = NOON.replace(microsecond=123400)  # the rest is in a column of its own
    rows = source.execute(f"SELECT amount FROM executed WHERE {condition}", {"value": value})
    assert [row["amount"] for row in lowered(rows)] == amounts


def test_it_is_in_the_transaction_that_is_open(source: DataSource, things: Things) -> None:
    with pytest.raises(ZeroDivisionError), source.transaction():
        source.execute("UPDATE executed SET amount = 7")
        assert things.count({"amount": 7}) == 3
        things.create(name="new", amount=7)
        assert lowered(source.execute("SELECT count(*) AS n FROM executed")) == [{"n": 4}]
        raise ZeroDivisionError
    assert things.count({"amount": 7}) == 0


def test_a_statement_that_fails_leaves_the_transaction_usable(
    source: DataSource, things: Things
) -> None:
    with source.transaction():
        with pytest.raises(RuntimeError, match="does not take the statement"):
            source.execute("SELEC 1")
        with pytest.raises(Conflict) as caught:
            source.execute("UPDATE executed SET name = 'a' WHERE amount = 2")
        assert caught.value.error_code == "CONSTRAINT"
        things.create(name="new")
    assert things.count() == 4


def test_what_writes_is_refused_in_a_transaction_that_reads(
    source: DataSource, things: Things
) -> None:
    with source.transaction(read_only=True):
        assert lowered(source.execute("SELECT count(*) AS n FROM executed")) == [{"n": 3}]
    with pytest.raises((Unavailable, RuntimeError)), source.transaction(read_only=True):
        source.execute("DELETE FROM executed")
    assert things.count() == 3


@pytest.mark.parametrize(
    ("sql", "params", "problem"),
    [
        ("SELECT :a", {}, "the parameter :a has no value"),
        ("SELECT :a", None, "the parameter :a has no value"),
        ("SELECT 1", {"b": 1}, "the statement has no parameter :b"),
        (5, {}, "a statement is text, not 5"),
        ("SELECT 1", [1], r"the parameters are a dict by name, not \[1\]"),
    ],
    ids=str,
)
def test_parameters_and_values_belong_together(sql: Any, params: Any, problem: str) -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    with pytest.raises(TypeError, match=problem):
        source.execute(sql, params)
    source.close()


def test_a_cast_of_postgresql_is_no_parameter(postgresql: Server) -> None:
    source = create_data_source(connector="postgresql", url=postgresql.fresh())
    assert source.execute("SELECT '5'::int AS n, CAST(:x AS text) AS x", {"x": "y"}) == [
        {"n": 5, "x": "y"}
    ]
    source.close()


def test_a_table_that_is_not_there_says_what_to_do() -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")
    with pytest.raises(RuntimeError, match="no such table: missing; call auto_update"):
        source.execute("SELECT * FROM missing")
    source.close()


def test_only_databases_with_sql_have_it() -> None:
    with pytest.raises(DefinitionError, match="the memory connector has no SQL to execute"):
        memory().execute("SELECT 1")


def test_clients_do_not_have_it(source: DataSource, things: Things) -> None:
    app = Flask("shop")
    Loop(app).model(things)
    assert "execute" not in source.operations()
    assert app.test_client().post("/executeds/execute", json={"sql": "x"}).status_code in (404, 405)
