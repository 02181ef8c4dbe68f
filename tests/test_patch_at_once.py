"""A change of one record that is one statement, where the backend can: it is as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from flask_loop import DataSource, create_data_source, memory
from flask_loop.errors import ModelNotFound, ValidationError
from tests.servers import Postgresql

PROPERTIES: dict[str, Any] = {
    "name": {"type": str, "required": True, "min_length": 2, "max_length": 5},
    "note": {"type": str, "max_length": 3},
    "price": {"type": "number", "min": 0, "max": 10},
    "stock": {"type": int, "min": 1},
    "kind": {"type": str, "enum": ["a", "b"]},
}
#: Those whose rules a statement can hold to.
KNOWN = {name: kind for name, kind in PROPERTIES.items() if name != "kind"}


@pytest.fixture
def source(postgresql: Postgresql) -> Iterator[DataSource]:
    source = create_data_source(connector="postgresql", url=postgresql.fresh("patch"))
    yield source
    source.close()


def statements_of(source: DataSource) -> list[str]:
    """The statements that run from now on, as they come."""
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found.append(statement.split(maxsplit=1)[0])

    sa.event.listen(source.connector.session.engine, "before_cursor_execute", note)
    return found


def test_a_change_is_one_statement_where_nothing_looks_at_the_record(source: DataSource) -> None:
    model = source.create_model("onceThing", KNOWN)
    source.auto_update()
    record = model.create(name="lamp", price=1.5, stock=3)
    ran = statements_of(source)
    changed = record.patch_attributes(price=2, note="new")
    assert ran == ["UPDATE"]
    assert changed.to_record() == {
        "id": record.id,
        "name": "lamp",
        "note": "new",
        "price": 2,
        "stock": 3,
    }
    assert model.find_by_id(record.id).to_record() == changed.to_record()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "x"),
        ("name", ""),
        ("name", None),
        ("name", "longer"),
        ("note", "long"),
        ("price", -1),
        ("price", 11),
        ("stock", 0),
        ("kind", "c"),
    ],
)
def test_a_record_that_is_not_valid_beside_the_change_is_not_changed(
    source: DataSource, column: str, value: Any
) -> None:
    source.execute(
        "CREATE TABLE once_invalid (id int PRIMARY KEY, name text, note text, price numeric, "
        "stock int, kind text, seen int)",
        {},
    )
    # Whether a text is one of a list is not known before the record is seen.
    properties = PROPERTIES if column == "kind" else KNOWN
    model = source.create_model(
        "onceInvalid", {"id": {"type": int, "id": True}, "seen": int, **properties}
    )
    row = {"id": 1, "name": "lamp", "note": None, "price": 1, "stock": 1, "kind": "a"}
    source.execute(
        "INSERT INTO once_invalid VALUES (:id, :name, :note, :price, :stock, :kind, 0)",
        {**row, column: value},
    )
    with pytest.raises(ValidationError) as refused:
        model.find_by_id(1).patch_attributes(seen=1)
    assert [failure.path for failure in refused.value.failures] == [(column,)]
    assert model.find_by_id(1).seen == 0
    model.find_by_id(1).patch_attributes({"seen": 1, column: row[column]})
    assert model.find_by_id(1).seen == 1


@pytest.mark.parametrize("connector", ["memory", "postgresql"])
def test_what_is_wrong_with_a_change_is_said_alike(source: DataSource, connector: str) -> None:
    used = source if connector == "postgresql" else memory()
    model = used.create_model("onceWrong", PROPERTIES)
    used.auto_update()
    record = model.create(name="lamp", price=1.5, stock=3, kind="a")
    with pytest.raises(ValidationError) as refused:
        record.patch_attributes(price=-1, stock="many", name=None)
    assert {failure.path[0] for failure in refused.value.failures} == {"price", "stock", "name"}
    model.destroy_all()
    with pytest.raises(ModelNotFound):
        record.patch_attributes(price=-1)
    with pytest.raises(ModelNotFound):
        record.patch_attributes(price=1)


def test_an_observer_still_sees_the_record_before(source: DataSource) -> None:
    model = source.create_model("onceObserved", PROPERTIES)
    source.auto_update()
    seen = []

    @model.observe("before save")
    def note(ctx: Any) -> None:
        seen.append(ctx.current and ctx.current.price)

    model.create(name="lamp", price=1.5, stock=3, kind="a")
    seen.clear()
    model.find_one().patch_attributes(price=2)
    assert seen == [1.5]


def test_a_unique_index_refuses_a_change(source: DataSource) -> None:
    model = source.create_model("onceUnique", {"code": {"type": int, "unique": True}, "note": str})
    source.auto_update()
    one, two = model.create([{"code": 1}, {"code": 2}])
    with pytest.raises(ValidationError) as refused:
        two.patch_attributes(code=one.code)
    assert refused.value.failures[0].path == ("code",)
    assert model.find_by_id(two.id).code == 2


def test_a_default_scope_keeps_records_from_being_changed(source: DataSource) -> None:
    model = source.create_model("onceScoped", PROPERTIES, scope={"where": {"kind": "a"}})
    source.auto_update()
    record = model.create(name="lamp", price=1, stock=1, kind="b")
    with pytest.raises(ModelNotFound):
        model.replace_by_id(record.id, {"name": "lamp", "stock": 2})


def test_a_change_in_a_transaction_goes_with_it(source: DataSource) -> None:
    model = source.create_model("onceRolled", {"name": str, "price": float})
    source.auto_update()
    record = model.create(name="lamp", price=1)
    with suppress(RuntimeError), source.transaction():
        record.patch_attributes(price=2)
        assert model.find_by_id(record.id).price == 2
        raise RuntimeError
    assert model.find_by_id(record.id).price == 1
