"""SQLite's rows that other programs have written, with values that their column's type has not."""

from __future__ import annotations

import enum
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from flask_loop import DataSource, GeoPoint, create_data_source, create_model
from flask_loop.errors import DefinitionError
from tests.fields import Plate

GIVEN = {"type": int, "id": True}
Store = Callable[..., None]


class Tint(enum.Enum):
    RED = "red"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", database=tmp_path / "others.sqlite")
    yield source
    source.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Stores a row as another program does it."""

    def store(table: str, **values: Any) -> None:
        names, signs = ", ".join(values), ", ".join("?" for _ in values)
        with closing(sqlite3.connect(tmp_path / "others.sqlite")) as connection:
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({signs})",
                list(values.values()),
            )
            connection.commit()

    return store


def test_a_value_that_nobody_can_read_is_null(
    source: DataSource,
    store: Store,
    make_app: Callable[..., Flask],
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd: dict[str, tuple[Any, Any]] = {
        "instant": (datetime, "33658-09-27 01:46:40"),
        "day": (date, "tomorrow"),
        "uuid": (UUID, "soon"),
        "price": ("decimal", "much"),
        "data": (bytes, "text"),
        "tint": (Tint, "green"),
        "notes": (dict, "{"),
        "days": (["date"], '["2024-05-01T00:00:00.000Z", "soon"]'),
        "none": (["date"], "null"),
    }
    types = {name: {"type": kind} for name, (kind, _) in odd.items()}
    properties = {"id": GIVEN, **types, "at": GeoPoint}
    model = source.create_model("unread_row", properties, plural="unreads")
    source.auto_update()
    values = {name: value for name, (_, value) in odd.items()}
    store("unread_row", id=1, **values, at_lat="x", at_lng=5)
    store("unread_row", id=2, day="2024-05-01")
    with caplog.at_level(logging.WARNING):
        first, second = model.find(order="id")
    names = [*odd, "at"]
    assert {name: getattr(first, name) for name in names} == dict.fromkeys(names)
    assert second.day == date(2024, 5, 1)
    told = {**values, "days.1": "soon", "at": "x"}
    del told["days"]
    assert sorted(caplog.messages) == sorted(
        f"unread_row 1: the value of {name!r}, a {type(value).__name__}, is none that its type "
        "has; it is read as null"
        for name, value in told.items()
    )
    for name in names:
        assert getattr(model.find(fields=["id", name], order="id")[0], name) is None
        assert getattr(model.find(fields=[name], where={"id": 1})[0], name) is None
    client = make_app(model, testing=False).test_client()
    assert client.get("/api/unreads/1").json == {"id": 1, **dict.fromkeys(names)}
    assert [each["id"] for each in client.get("/api/unreads").get_json()] == [1, 2]
    assert {each.id for each in model.find(order="day")} == {1, 2}
    assert model.find_by_id(1).patch_attributes(price=4).price == 4
    assert source.execute("SELECT day FROM unread_row WHERE id = 1") == [{"day": "tomorrow"}]


@pytest.mark.parametrize("number", [3, 2**62, -5, 1.5])
def test_a_number_is_no_bytes(
    source: DataSource, store: Store, make_app: Callable[..., Flask], number: float
) -> None:
    model = source.create_model(
        "numeric_bytes", {"id": GIVEN, "data": {"type": bytes}}, plural="numeric-bytes"
    )
    source.auto_update()
    store("numeric_bytes", id=1, data=number)
    store("numeric_bytes", id=2, data=b"abc")
    assert [each.data for each in model.find(order="id")] == [None, b"abc"]
    client = make_app(model, testing=False).test_client()
    shown = client.get("/api/numeric-bytes").get_json()
    assert [each["data"] for each in shown] == [None, "YWJj"]


def test_of_a_record_inside_another_what_can_be_read_is_read(
    source: DataSource, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    part = create_model("HalfReadCell", {"seen_at": "date", "n": int}, {"id_injection": False})
    model = source.create_model("half_read_row", {"id": GIVEN, "cells": {"type": [part]}})
    source.auto_update()
    store("half_read_row", id=1, cells='[{"seenAt": "soon", "n": 1}, {"n": 2}]')
    with caplog.at_level(logging.WARNING):
        (found,) = model.find()
    assert [(each.seen_at, each.n) for each in found.cells] == [(None, 1), (None, 2)]
    assert [each.split("'")[1] for each in caplog.messages] == ["cells.0.seen_at"]


def test_a_key_that_nobody_can_read_leads_nowhere(
    source: DataSource, store: Store, make_app: Callable[..., Flask]
) -> None:
    owner = source.create_model("unread_holder", {"id": {"type": UUID, "id": True}})
    pet = source.create_model(
        "unread_held",
        {"id": GIVEN},
        relations={"holder": {"type": "belongsTo", "model": "unread_holder"}},
        plural="helds",
    )
    source.auto_update()
    known = UUID(int=7)
    owner.create(id=known)
    store("unread_held", id=1, holder_id="x")
    store("unread_held", id=2, holder_id=str(known))
    assert [each.holder_id for each in pet.find(include="holder", order="id")] == [None, known]
    client = make_app(owner, pet, testing=False).test_client()
    shown = client.get("/api/helds?filter[include]=holder").get_json()
    assert [each.get("holder") for each in shown] == [None, {"id": str(known)}]


def test_a_model_that_is_missing_is_no_value_that_nobody_can_read(
    source: DataSource, store: Store
) -> None:
    part = create_model("HasCellGone", {"deep": "CellGone"})
    model = source.create_model("misses_cell", {"id": GIVEN, "part": part})
    source.auto_update()
    store("misses_cell", id=1, part='{"deep": {"n": 1}}')
    with pytest.raises(DefinitionError, match="CellGone"):
        model.find()


def test_a_field_says_what_it_cannot_read_and_its_mistakes_stay_errors(
    source: DataSource, store: Store
) -> None:
    model = source.create_model("unread_plate", {"id": GIVEN, "plate": Plate()})
    source.auto_update()
    for id, plate in enumerate(('"P 1"', '"Q 1"', "P")):
        store("unread_plate", id=id, plate=plate)
    assert [each.plate for each in model.find(order="id")] == ["P 1", None, None]
    store("unread_plate", id=4, plate='"broken"')
    with pytest.raises(KeyError, match="broken"):
        model.find()
