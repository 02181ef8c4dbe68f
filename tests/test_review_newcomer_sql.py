"""What those stumbled over who met SQL databases with the documentation alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    HasMany,
    Model,
    Prop,
    create_data_source,
    prop,
    relation,
)
from flask_loop.definition import wire_name
from flask_loop.discovery import camel_names, snake_names
from tests.servers import Mysql


@pytest.fixture
def mariadb(mysql: Mysql) -> Iterator[DataSource]:
    made = create_data_source(url=mysql.fresh())
    yield made
    made.close()


# Keys that relations make


def test_a_key_to_a_text_is_as_long_as_the_text_so_that_mariadb_indexes_it(
    mariadb: DataSource,
) -> None:
    class Airport(Model):
        code: Prop[str] = prop(id=True, max_length=3)
        flights: HasMany[Flight] = relation(foreign_key="from_code")

        class Meta:
            data_source = mariadb

    class Flight(Model):
        to: BelongsTo[Airport]

        class Meta:
            data_source = mariadb

    mariadb.auto_update()
    Airport.create([{"code": "LIM"}, {"code": "CDG"}])
    flight = Flight.create(to_id="LIM", from_code="CDG")
    assert flight.to().code == "LIM"
    assert [each.id for each in Airport.find_by_id("CDG").flights()] == [flight.id]
    assert not Flight(to_id="LIMA").is_valid()


def test_a_key_of_several_texts_is_indexed_by_mariadb(mariadb: DataSource) -> None:
    class Gate(Model):
        airport: Prop[str] = prop(id=1, max_length=3)
        number: Prop[int] = prop(id=2)

        class Meta:
            data_source = mariadb

    class Boarding(Model):
        gate: BelongsTo[Gate]

        class Meta:
            data_source = mariadb

    mariadb.auto_update()
    gate = Gate.create(airport="LIM", number=4)
    assert Boarding.create(gate=gate).gate().airport == "LIM"


def test_polymorphic_relations_have_their_tables_on_mariadb(mariadb: DataSource) -> None:
    class Stamp(Model):
        of: BelongsTo[Any] = relation(polymorphic=True)

        class Meta:
            data_source = mariadb

    class Letter(Model):
        stamps: HasMany[Stamp] = relation(polymorphic="of")

        class Meta:
            data_source = mariadb

    mariadb.auto_update()
    letter = Letter.create()
    assert letter.stamps.create().of().id == letter.id


def test_a_key_that_several_models_make_is_as_long_as_the_longest(source: DataSource) -> None:
    class Label(Model):
        class Meta:
            data_source = source

    class Crate(Model):
        code: Prop[str] = prop(id=True, max_length=3)
        labels: HasMany[Label] = relation(polymorphic="of")

        class Meta:
            data_source = source

    class Truck(Model):
        plate: Prop[str] = prop(id=True, max_length=9)
        labels: HasMany[Label] = relation(polymorphic="of")

        class Meta:
            data_source = source

    source.auto_update()
    assert Truck.create(plate="123456789").labels.create().of_id == "123456789"
    assert not Label(of_id="1234567890").is_valid()


# Models in modules of their own

OWNERS = """
from __future__ import annotations

from typing import TYPE_CHECKING

from flask_loop import HasMany, Model, Prop, prop, relation

if TYPE_CHECKING:
    from pets import StrayPet


class StrayOwner(Model):
    name: Prop[str] = prop(max_length=20)
    pets: HasMany[StrayPet] = relation(foreign_key="owner_id")
"""

PETS = """
from __future__ import annotations

from typing import TYPE_CHECKING

from flask_loop import BelongsTo, Model, Prop, prop, relation

if TYPE_CHECKING:
    from owners import StrayOwner


class StrayPet(Model):
    name: Prop[str] = prop(max_length=20)
    owner: BelongsTo[StrayOwner]
"""


def test_relations_to_models_of_other_modules_have_routes_at_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_app: Callable[..., Flask]
) -> None:
    (tmp_path / "owners.py").write_text(OWNERS)
    (tmp_path / "pets.py").write_text(PETS)
    monkeypatch.syspath_prepend(tmp_path)
    owners, pets = import_module("owners").StrayOwner, import_module("pets").StrayPet
    source = create_data_source(connector="memory")
    for model in (owners, pets):
        model.attach_to(source)
    client = make_app(owners, pets).test_client()
    answer = client.get("/api/strayOwners/1/pets")
    assert answer.json["error"]["code"] == "MODEL_NOT_FOUND"
    client.post("/api/strayOwners", json={"name": "Ann"})
    assert client.post("/api/strayOwners/1/pets", json={"name": "Rex"}).status_code == 200
    assert client.get("/api/strayPets/1/owner").json["name"] == "Ann"


# Names of columns


@pytest.mark.parametrize("column", ["a b", "X_Y", "x_lat", "Größe", "Été", "été", "URL Path", "__"])
def test_a_column_has_one_name_on_the_wire_whichever_names_are_chosen(column: str) -> None:
    assert camel_names("column", column) == wire_name(snake_names("column", column))


def test_each_word_of_a_column_begins_with_a_capital_letter_also_one_of_one_letter() -> None:
    assert camel_names("column", "a b") == "aB"
    assert camel_names("column", "X_Y") == "xY"
