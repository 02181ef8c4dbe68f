"""What apps on SQL databases meet that are written by the documentation alone."""

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
    Loop,
    Model,
    Prop,
    create_data_source,
    prop,
    relation,
)
from flask_loop.definition import wire_name
from flask_loop.discovery import camel_names, snake_names
from flask_loop.errors import DefinitionError, MigrationError
from flask_loop.migrations import migrations_of
from flask_loop.migrations.revisions import Migrations
from tests.servers import Mysql, Server


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


# SQL of one's own


@pytest.mark.parametrize("server", ["postgresql", "mysql", "firebird"])
def test_a_list_of_no_values_is_compared_with_a_column_of_any_type(
    server: str, get_server: Callable[[str], Server]
) -> None:
    source = create_data_source(url=get_server(server).fresh())
    shelves = source.create_model(
        "FirstShelf",
        {
            "code": {"type": "string", "maxLength": 9},
            "made": {"type": "date"},
            "is_full": {"type": "boolean"},
        },
        {server: {"table": "first_shelf"}},
    )
    source.auto_update()
    shelves.create(code="A", made="2024-05-01T10:00:00Z", is_full=True)
    for column in ("id", "code", "made", "is_full"):
        among = f"SELECT id FROM first_shelf WHERE {column} IN :values"
        others = f"SELECT id FROM first_shelf WHERE {column} not  in :values AND id = :id"
        assert source.execute(among, {"values": []}) == []
        assert len(source.execute(others, {"values": [], "id": 1})) == 1
    source.close()


# Migrations that cannot go on


@pytest.fixture
def versioned(tmp_path: Path) -> Iterator[Migrations]:
    source = create_data_source(url=f"sqlite:///{tmp_path}/versioned.sqlite")
    source.create_model("FirstVersioned", {"name": "string"})
    yield migrations_of(source, tmp_path / "revisions")
    source.close()


def test_a_revision_whose_file_is_gone_is_named_with_the_folder(versioned: Migrations) -> None:
    path = versioned.revision("first")
    (first,) = versioned.upgrade()
    assert path is not None
    path.unlink()
    gone = f"the database is at {first}, and {versioned.directory} has no such revision"
    with pytest.raises(MigrationError, match=gone):
        versioned.upgrade()
    with pytest.raises(MigrationError, match=gone):
        versioned.downgrade()
    with pytest.raises(MigrationError, match=gone):
        versioned.revision("second")


def test_a_target_that_is_not_there_is_named(versioned: Migrations) -> None:
    versioned.revision("first")
    with pytest.raises(MigrationError, match=r"has no revision 'nope'; flask loop migrate history"):
        versioned.upgrade("nope")
    with pytest.raises(MigrationError, match="there are not so many revisions"):
        versioned.upgrade("+2")


def test_a_data_source_without_models_is_told_from_one_that_is_not_there() -> None:
    app = Flask("library")
    app.config["LOOP_DATA_SOURCES"] = {
        "db": {"connector": "sqlite"},
        "cache": {"connector": "memory"},
    }
    loop = Loop(app)
    loop.model(loop.data_source("db").create_model("FirstOnDb", {"name": "string"}))
    answer = app.test_cli_runner().invoke(args=["loop", "migrate", "diff", "--source", "cache"])
    assert answer.output == "Error: No model is on the data source 'cache', but on db.\n"


# Settings


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_an_option_that_the_driver_does_not_know_is_refused_before_it_connects(
    scheme: str,
) -> None:
    url = f"{scheme}://shop:secret@127.0.0.1:1/shop"
    with pytest.raises(DefinitionError, match="has no option 'pool_sise'"):
        create_data_source(url=f"{url}?pool_sise=3")
    with pytest.raises(DefinitionError, match=r"has no option 'hots'; did you mean 'host'\?"):
        create_data_source(url=url, connect_args={"hots": "x"})


def test_options_that_the_driver_knows_are_taken() -> None:
    create_data_source(
        url="postgresql://shop@127.0.0.1/shop?application_name=a&target_session_attrs=read-write",
        connect_args={"prepare_threshold": None},
    )
    create_data_source(
        url="mysql://shop@127.0.0.1/shop?charset=utf8mb4&unix_socket=/tmp/s&ssl_ca=/tmp/ca.pem",
        connect_args={"init_command": "SET sql_mode = 'ANSI'"},
    )


def test_a_password_with_an_unescaped_at_is_told_and_not_shown() -> None:
    with pytest.raises(DefinitionError, match="it is written %40") as refused:
        create_data_source(url="postgresql://shop:pass@word@127.0.0.1/shop")
    assert "word" not in str(refused.value).replace("password", "")


@pytest.mark.parametrize("command", [["migrate", "diff"], ["discover"]])
def test_commands_say_why_a_database_of_the_app_is_not_available(command: list[str]) -> None:
    app = Flask("library")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"url": "postgresql://shop:secret@127.0.0.1:1/shop"}}
    loop = Loop(app)
    loop.model(loop.data_source("db").create_model("FirstAway", {"name": "string"}))
    answer = app.test_cli_runner().invoke(args=["loop", *command, "--source", "db"])
    assert answer.exit_code == 1
    assert "Connection refused" in answer.output
    assert "secret" not in answer.output
