"""Versioned migrations: what differs, the revisions of it, and running them there and back."""

from __future__ import annotations

import enum
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from flask_loop import DataSource, GeoPoint, Loop, create_data_source
from flask_loop.errors import DefinitionError, MigrationError
from flask_loop.migrations import migrations_of
from tests.servers import Server

Properties = dict[str, Any]
Connect = Callable[[], DataSource]


class Kind(enum.Enum):
    PLAIN = "plain"
    ODD = "odd"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql", "mysql", "firebird"])
def connect(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server], tmp_path: Path
) -> Iterator[Connect]:
    """A function that gives a data source of one empty database, each time one without models."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    else:
        url = get_server(request.param).fresh("migrations")
    with ExitStack() as afterwards:

        def connect() -> DataSource:
            source = create_data_source(connector=request.param, url=url, name="db")
            afterwards.callback(source.close)
            return source

        yield connect


EVERY_TYPE: Properties = {
    "text": str,
    "short": {"type": str, "max_length": 20, "index": True},
    "name": {"type": str, "max_length": 40, "nullable": False},
    "rank": {"type": int, "nullable": False, "default": 0},
    "whole": int,
    "number": "number",
    "rate": {"type": "number", "nullable": False},
    "price": {"type": "decimal", "precision": 12, "scale": 3},
    "exact": "decimal",
    "sold": bool,
    "seen": datetime,
    "day": "dateonly",
    "data": bytes,
    "place": {"type": "GeoPoint", "index": True},
    "key": {"type": "uuid", "unique": True},
    "notes": dict,
    "items": [str],
    "any": "any",
    "kind": Kind,
    "empty": "null",
    "code": {"type": int, "unique": True},
    "shop_id": int,
}


def every_type(source: DataSource, changes: Properties | None = None, **settings: Any) -> Any:
    """A model with every property type, indexes and foreign keys, and others around it.

    :param changes: properties that it has in place of others; None for those that go.
    """
    shops = source.create_model(
        "mig_shop", {"name": {"type": str, "max_length": 50, "unique": True}, "parent_id": int}
    )
    shops.belongs_to("parent", model=shops, constraint=True)
    properties = {**EVERY_TYPE, **(changes or {})}
    items = source.create_model(
        "mig_item",
        {name: kind for name, kind in properties.items() if kind is not None},
        **{"indexes": {"both": {"keys": ["name", "rank"], "unique": True}}, **settings},
    )
    items.belongs_to(
        "shop", model=shops, constraint=True, on_delete="set_null" if changes else "cascade"
    )
    lines = source.create_model(
        "mig_line_of_some_length",
        {
            "first": {"type": str, "max_length": 10, "id": 1},
            "second": {"type": int, "id": 2},
            "item_of_it_id": int,
        },
    )
    lines.belongs_to("item_of_it", model=items, constraint=True, on_delete="restrict")
    hens = source.create_model("mig_hen", {"name": str})
    eggs = source.create_model("mig_egg", {"name": str})
    hens.belongs_to("egg", model=eggs, constraint=True)
    eggs.belongs_to("hen", model=hens, constraint=True)
    return items


#: Changes that a database can make of every kind.
CHANGES: Properties = {
    "short": {"type": str, "max_length": 30, "nullable": False},
    "name": {"type": str, "max_length": 40, "index": True},
    "color": {"type": str, "max_length": 40, "default": "it's: %red \\ :b", "nullable": False},
    "size": {"type": "number", "default": 5, "nullable": False},
    "raw": {"type": bytes, "default": b"\0\xff", "nullable": False},
    "meta": {"type": dict, "default": {"a:b": ["%s"]}, "nullable": False},
    "first_seen": {"type": datetime, "default": datetime(2024, 1, 2, 3, 4, 5), "nullable": False},  # noqa: DTZ001
    "first_day": {"type": "dateonly", "default": "2024-02-29"},
    "cost": {"type": "decimal", "default": "1.50"},
    "is_new": {"type": bool, "default": False, "nullable": False},
    "guid": {"type": "uuid", "default": "12345678-1234-5678-1234-567812345678"},
    "place_2": {"type": "GeoPoint", "default": "5,10", "nullable": False},
    "kind_2": {"type": Kind, "default": "odd", "nullable": False},
    "odd": int,
    "own": {"type": str, "max_length": 40, "default_fn": "uuid"},
    "day": None,
    "code": None,
}
#: Databases that keep what ran before a statement which fails.
KEEPING = ("mysql", "firebird")
#: What a record that was there has of them.
FILLED = {
    "color": "it's: %red \\ :b",
    "size": 5,
    "raw": b"\0\xff",
    "meta": {"a:b": ["%s"]},
    "first_day": date(2024, 2, 29),
    "cost": Decimal("1.50"),
    "is_new": False,
    "guid": UUID("12345678-1234-5678-1234-567812345678"),
    "kind_2": Kind.ODD,
    "odd": None,
}


def lines_of(source: DataSource) -> list[tuple[str, str, str]]:
    """What differs, without details."""
    dialect = source.connector.session.engine.dialect  # type: ignore[attr-defined]
    found = migrations_of(source).diff()
    return [tuple(line[:3]) for each in found for line in each.lines(dialect)]  # type: ignore[misc]


# Every database


def test_nothing_differs_from_what_auto_update_made(connect: Connect) -> None:
    source = connect()
    every_type(source)
    assert {line[0] for line in lines_of(source)} == {"create table"}
    source.auto_update()
    assert lines_of(source) == []
    assert source.is_actual()
    assert migrations_of(source).revision("nothing") is None
    again = connect()
    every_type(again)
    assert lines_of(again) == []


def test_auto_migrate_makes_the_same(connect: Connect) -> None:
    source = connect()
    items = every_type(source)
    source.auto_migrate()
    assert lines_of(source) == []
    items.create(name="a", rate=1)
    with pytest.raises(RuntimeError, match=r"mig_item.*drop=True"):
        source.auto_migrate()
    assert items.count() == 1
    source.auto_migrate(drop=True)
    assert items.count() == 0
    assert lines_of(source) == []


def test_a_first_revision_makes_what_auto_update_makes(connect: Connect) -> None:
    source = connect()
    items = every_type(source)
    migrations = migrations_of(source)
    path = migrations.revision("All tables")
    assert path is not None
    assert path.parent == Path("migrations", "db").absolute()
    text = path.read_text("utf-8")
    assert "flask_loop" not in text
    sql = migrations.upgrade_sql()
    assert sql.count("CREATE TABLE") == 6
    assert {line[0] for line in lines_of(source)} == {"create table"}, "the dry run did nothing"
    (revision,) = migrations.upgrade()
    assert lines_of(source) == []
    assert source.is_actual()
    assert migrations.current() == [revision]
    assert migrations.upgrade() == []
    assert items.create(name="a", rate=1.5, seen=datetime(2024, 1, 2)).id == 1  # noqa: DTZ001
    with pytest.raises(MigrationError, match=r"would lose what is in .*mig_item"):
        migrations.downgrade()
    assert items.count() == 1
    assert migrations.downgrade(allow_drop=True) == [revision]
    assert migrations.current() == []
    assert {line[0] for line in lines_of(source)} == {"create table"}


def test_a_revision_changes_a_table_there_and_back_and_keeps_its_records(connect: Connect) -> None:
    source = connect()
    first = every_type(source)
    migrations_of(source).revision("first")
    migrations_of(source).upgrade()
    record = first.create(name="n", short="s", rate=2.5, day=date(2024, 5, 6), code=7, text="t")
    before = record.reload().to_record()
    other = connect()
    shorter = {"short": {**CHANGES["short"], "max_length": 20}}
    # Firebird makes no column shorter, which the way back would do.
    changes = {**CHANGES, **(shorter if other.connector.name == "firebird" else {})}
    items = every_type(other, changes, indexes={"both": {"keys": ["whole", "sold"]}})
    migrations = migrations_of(other)
    assert not other.is_actual()
    found = lines_of(other)
    assert ("change column", "mig_item", "short") in found
    assert ("change column", "mig_item", "name") in found
    assert ("unknown column", "mig_item", "day") in found
    assert ("drop index", "mig_item", "loop_mig_item__code__unique") in found
    assert ("create index", "mig_item", "loop_mig_item__whole__sold") in found
    path = migrations.revision("second")
    assert path is not None
    assert "mig_item.day is in no model and stays" in path.read_text("utf-8")
    sql = migrations.upgrade_sql()
    assert "it''s: %red" in sql
    assert lines_of(other) == found, "the dry run did nothing"
    migrations.upgrade()
    assert {line[0] for line in lines_of(other)} == {"unknown column"}
    assert other.is_actual()
    record = items.find_one()
    assert {name: getattr(record, name) for name in FILLED} == FILLED
    assert record.first_seen.isoformat() == "2024-01-02T03:04:05+00:00"
    assert record.place_2 == GeoPoint(5, 10)
    assert record.short == "s"
    with pytest.raises(MigrationError, match=r"would lose .*mig_item\.color"):
        migrations.downgrade()
    migrations.downgrade(allow_drop=True)
    source = connect()
    items = every_type(source)
    assert lines_of(source) == []
    assert items.find_one().to_record() == before


def test_auto_update_adds_the_same_columns_as_a_revision(connect: Connect) -> None:
    source = connect()
    first = every_type(source)
    source.auto_update()
    first.create([{"name": "n", "short": "s", "rate": 1}, {"name": "m", "short": "t", "rate": 2}])
    other = connect()
    changes = {
        **CHANGES,
        "short": EVERY_TYPE["short"],
        "name": EVERY_TYPE["name"],
        "own": {"type": str, "max_length": 40, "default_fn": "uuid", "nullable": False},
    }
    items = every_type(other, changes)
    other.auto_update()
    assert other.is_actual()
    assert {line[0] for line in lines_of(other)} == {"unknown column"}
    records = items.find()
    for record in records:
        assert {name: getattr(record, name) for name in FILLED} == FILLED
    assert len({record.own for record in records}) == 2


def test_auto_update_leaves_types_to_a_revision(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_tin", {"size": {"type": str, "max_length": 10}, "name": str})
    source.auto_update()
    other = connect()
    kinds = {"size": {"type": str, "max_length": 20, "nullable": False}, "name": str}
    other.create_model("mig_tin", kinds)
    other.auto_update()
    assert not other.is_actual()
    assert lines_of(other) == [("change column", "mig_tin", "size")]


def test_columns_go_only_where_that_is_allowed(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_tray", {"size": int, "color": {"type": str, "max_length": 9}})
    source.auto_update()
    other = connect()
    trays = other.create_model("mig_tray", {"size": int})
    trays.create(size=1)
    migrations = migrations_of(other)
    assert migrations.revision("none") is None
    assert migrations.diff_sql() == ""
    assert "mig_tray" in migrations.diff_sql(allow_drop=True)
    migrations.revision("drop", allow_drop=True)
    migrations.upgrade()
    assert lines_of(other) == []
    assert trays.find_one().size == 1
    migrations.downgrade()
    assert lines_of(other) == [("unknown column", "mig_tray", "color")]
    assert trays.find_one().size == 1


def test_tables_of_others_are_left_alone(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_stranger", {"size": int})
    source.auto_update()
    other = connect()
    other.create_model("mig_own", {"size": int})
    assert lines_of(other) == [("create table", "mig_own", "")]
    path = migrations_of(other).revision("own")
    assert path is not None
    assert "stranger" not in path.read_text("utf-8")


def test_what_the_database_refuses_is_told(connect: Connect) -> None:
    source = connect()
    bins = source.create_model("mig_bin", {"size": int})
    source.auto_update()
    bins.create([{"size": 1}, {"size": 1}])
    other = connect()
    bins = other.create_model("mig_bin", {"size": {"type": int, "unique": True}})
    migrations = migrations_of(other)
    migrations.revision("unique")
    with pytest.raises(MigrationError, match=r"the database refused it(.|\n)*loop_mig_bin__size"):
        migrations.upgrade()
    assert migrations.current() == []
    with pytest.raises(DefinitionError, match="mig_bin has records with equal size"):
        other.auto_update()
    bins.destroy_by_id(2)
    assert len(migrations.upgrade()) == 1
    assert lines_of(other) == []


def test_a_foreign_key_that_records_break_is_told(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_box", {"name": str})
    lids = source.create_model("mig_lid", {"box_id": int})
    source.auto_update()
    lids.create(box_id=9)
    other = connect()
    boxes = other.create_model("mig_box", {"name": str})
    lids = other.create_model("mig_lid", {"box_id": int})
    lids.belongs_to("box", model=boxes, constraint=True)
    with pytest.raises(DefinitionError, match="mig_lid has 1 record whose box_id"):
        other.auto_update()
    lids.destroy_all()
    other.auto_update()
    assert other.is_actual()
    assert lines_of(other) == []


def test_a_table_that_others_refer_to_is_not_dropped_alone(connect: Connect) -> None:
    source = connect()
    if source.connector.name == "sqlite":
        pytest.skip("its tables can be dropped alone")
    boxes = source.create_model("mig_crate", {"name": str})
    lids = source.create_model("mig_cover", {"crate_id": int})
    lids.belongs_to("crate", model=boxes, constraint=True)
    source.auto_update()
    lids.create(crate_id=boxes.create(name="a").id)
    with pytest.raises(RuntimeError, match=r"mig_crate cannot be made afresh.*mig_cover"):
        source.auto_migrate([boxes], drop=True)
    assert boxes.count() == 1
    source.auto_migrate([lids], drop=True)
    assert (boxes.count(), lids.count()) == (1, 0)
    assert source.is_actual()


UPGRADING = """
import sys
from flask_loop import create_data_source
from flask_loop.migrations import migrations_of

source = create_data_source(connector=sys.argv[1], url=sys.argv[2], name="db")
migrations = migrations_of(source, sys.argv[3])
migrations.current()
print("ready", flush=True)
sys.stdin.readline()
print(len(migrations.upgrade()))
source.close()
"""


def test_processes_that_upgrade_at_once_run_each_revision_once(
    connect: Connect, tmp_path: Path
) -> None:
    source = connect()
    if source.connector.name == "firebird":
        pytest.skip("it has no lock that processes could take turns by")
    source.create_model("mig_once", {"size": int})
    migrations = migrations_of(source)
    migrations.revision("first")
    source = connect()
    connector, url = source.connector.name, source.connector.settings["url"]
    folder = str(tmp_path / "migrations" / "db")
    ended = at_once(UPGRADING, connector, url, folder)
    assert sorted(map(int, ended)) == [0, 0, 1]


def at_once(script: str, *arguments: str) -> list[str]:
    """What three processes write that run a script, and go on from its ``ready`` together."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            pytest.fail(process.communicate()[1])
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=90) for process in started]
    assert [error for _, error in ended] == ["", "", ""]
    return [output for output, _ in ended]


# SQLite, which makes a table again to change it


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[Connect]:
    """A function that gives a data source of one SQLite file, each time one without models."""
    with ExitStack() as afterwards:

        def connect() -> DataSource:
            database = tmp_path / "test.sqlite"
            source = create_data_source(connector="sqlite", database=database, name="db")
            afterwards.callback(source.close)
            return source

        yield connect


def run(source: DataSource, *statements: str) -> list[Any]:
    session = source.connector.session  # type: ignore[attr-defined]
    return [session.fetch(statement) for statement in statements][-1]  # type: ignore[no-any-return]


def test_a_table_that_is_made_again_keeps_what_goes_with_it(on_file: Connect) -> None:
    source = on_file()
    things = source.create_model("mig_made", {"name": str, "size": {"type": str, "index": True}})
    source.auto_update()
    things.create([{"name": "a", "size": "1"}, {"name": "b"}])
    things.destroy_by_id(2)
    run(
        source,
        "CREATE TABLE log (text)",
        "CREATE TRIGGER noted AFTER INSERT ON mig_made BEGIN INSERT INTO log VALUES ('i'); END",
        "CREATE INDEX lowered ON mig_made (lower(name))",
        "CREATE INDEX some ON mig_made (name) WHERE name IS NOT NULL",
        "CREATE VIEW named AS SELECT name FROM mig_made",
        "CREATE TABLE other (made INTEGER REFERENCES mig_made (id) ON DELETE CASCADE)",
        "INSERT INTO other VALUES (1)",
        "ALTER TABLE mig_made ADD COLUMN note TEXT DEFAULT 'it''s'",
    )
    tables = (
        "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE '%alembic%' ORDER BY type, name"
    )
    before = run(source, tables)
    other = on_file()
    things = other.create_model(
        "mig_made", {"name": {"type": str, "nullable": False}, "size": {"type": int, "index": True}}
    )
    migrations = migrations_of(other)
    with pytest.warns(Warning, match="expression-based index"):
        path = migrations.revision("made again")
    assert path is not None
    assert "see that nothing is lost" in path.read_text("utf-8")
    with pytest.warns(Warning, match="expression-based index"):
        migrations.upgrade()
    assert run(other, "SELECT * FROM other") == [(1,)]
    assert run(other, "SELECT name FROM named") == [("a",)]
    assert run(other, tables) == before
    assert things.create(name="c").id == 3
    assert run(other, "SELECT count(*) FROM log") == [(1,)]
    assert run(other, "SELECT size, note FROM mig_made WHERE id = 1") == [(1, "it's")]
    assert run(other, "PRAGMA foreign_keys") == [(1,)]


@pytest.mark.filterwarnings("ignore:Unnamed CHECK")
def test_a_table_that_would_lose_a_check_is_not_made_again(on_file: Connect) -> None:
    source = on_file()
    run(source, "CREATE TABLE mig_checked (id INTEGER PRIMARY KEY, size TEXT CHECK (size <> 'x'))")
    source.create_model("mig_checked", {"size": int})
    migrations = migrations_of(source)
    migrations.revision("type")
    with pytest.raises(MigrationError, match="mig_checked would lose its CHECK"):
        migrations.upgrade()
    assert "CHECK" in run(source, "SELECT sql FROM sqlite_schema WHERE name = 'mig_checked'")[0][0]
    assert migrations.current() == []


# Revisions


def test_a_column_that_may_have_been_renamed_gets_a_hint(on_file: Connect) -> None:
    source = on_file()
    source.create_model("mig_hint", {"colour": str})
    source.auto_update()
    other = on_file()
    other.create_model("mig_hint", {"color": str})
    path = migrations_of(other).revision("rename")
    assert path is not None
    text = re.sub(r"\n    # ", " ", path.read_text("utf-8"))
    assert "If mig_hint.colour is color under its old name, rename it" in text
    assert "op.alter_column('mig_hint', 'colour', new_column_name=...)" in text
    assert "drop_column" not in text.partition("def downgrade")[0]


def test_a_column_that_cannot_be_filled_says_so_and_is_refused_by_the_database(
    connect: Connect,
) -> None:
    source = connect()
    things = source.create_model("mig_needy", {"name": str})
    source.auto_update()
    things.create(name="a")
    other = connect()
    things = other.create_model(
        "mig_needy", {"name": str, "size": {"type": int, "nullable": False}}
    )
    migrations = migrations_of(other)
    path = migrations.revision("needs a size")
    assert path is not None
    text = path.read_text("utf-8")
    comment = "# mig_needy.size has no default: where there are records, give them a value here."
    assert comment in text
    with pytest.raises(MigrationError, match="the database refused it"):
        migrations.upgrade()
    assert migrations.current() == []
    if other.connector.name in KEEPING:
        other.connector.session.run("ALTER TABLE mig_needy DROP size")  # type: ignore[attr-defined]
    path.write_text(text.replace(comment, 'op.execute("UPDATE mig_needy SET size = 5")'), "utf-8")
    migrations.upgrade()
    assert lines_of(other) == []
    assert things.find_one().size == 5


def test_a_revision_is_made_when_the_database_has_had_all_others(on_file: Connect) -> None:
    source = on_file()
    source.create_model("mig_behind", {"name": str})
    migrations = migrations_of(source)
    migrations.revision("first")
    with pytest.raises(MigrationError, match=r"at no revision, and the revisions go to \w+: run"):
        migrations.revision("second")


def test_an_initial_revision_is_for_tables_that_are_there(on_file: Connect, tmp_path: Path) -> None:
    source = on_file()
    source.create_model("mig_early", {"name": str})
    source.auto_update()
    migrations = migrations_of(source)
    assert migrations.revision("nothing differs") is None
    path = migrations.revision("as it is", initial=True)
    assert path is not None
    assert "op.create_table('mig_early'" in path.read_text("utf-8")
    assert "INSERT INTO alembic_version_db" in migrations.stamp_sql()
    assert migrations.current() == []
    migrations.stamp()
    (revision,) = migrations.history()
    assert migrations.current() == [revision.id]
    assert (revision.message, revision.is_current, revision.is_head) == ("as it is", True, True)
    assert migrations.upgrade() == []
    with pytest.raises(MigrationError, match="an initial revision is the first one"):
        migrations.revision("again", initial=True)
    fresh = create_data_source(connector="sqlite", database=tmp_path / "fresh.sqlite", name="db")
    fresh.create_model("mig_early", {"name": str})
    assert len(migrations_of(fresh).upgrade()) == 1
    assert fresh.is_actual()
    fresh.close()


def test_an_empty_revision_is_for_what_models_do_not_tell(on_file: Connect) -> None:
    source = on_file()
    migrations = migrations_of(source)
    path = migrations.revision("by hand", empty=True)
    assert path is not None
    text = path.read_text("utf-8").replace("    pass", '    op.execute("CREATE TABLE own (a)")', 1)
    path.write_text(text, "utf-8")
    assert "CREATE TABLE own (a);" in migrations.upgrade_sql()
    migrations.upgrade()
    assert run(source, "SELECT * FROM own") == []


def test_two_heads_are_named_and_merged(on_file: Connect) -> None:
    source = on_file()
    migrations = migrations_of(source)
    first = migrations.revision("one", empty=True)
    assert first is not None
    (one,) = re.findall(r"^revision = '(\w+)'", first.read_text("utf-8"), re.MULTILINE)
    text = first.read_text("utf-8").replace(one, "feedbeef0000")
    first.with_name("other.py").write_text(text, "utf-8")
    with pytest.raises(MigrationError, match="heads"):
        migrations.upgrade()
    assert migrations.merge("together") is not None
    assert len(migrations.upgrade()) == 3
    assert migrations.merge("again") is None


def test_downgrade_tells_of_records_that_a_revision_deletes(on_file: Connect) -> None:
    source = on_file()
    things = source.create_model("mig_gone", {"name": str})
    source.auto_update()
    migrations = migrations_of(source)
    path = migrations.revision("by hand", empty=True)
    assert path is not None
    head, tail = path.read_text("utf-8").rsplit("    pass", 1)
    path.write_text(f'{head}    op.execute("DELETE FROM mig_gone"){tail}', "utf-8")
    migrations.upgrade()
    things.create(name="a")
    with pytest.raises(MigrationError, match="this would lose what is in mig_gone; --allow-drop"):
        migrations.downgrade()
    assert things.count() == 1
    migrations.downgrade(allow_drop=True)
    assert things.count() == 0


def test_sources_of_one_database_have_revisions_of_their_own(tmp_path: Path) -> None:
    sources = [
        create_data_source(connector="sqlite", database=tmp_path / "one.sqlite", name=name)
        for name in ("left", "right")
    ]
    for source in sources:
        source.create_model(f"mig_{source.name}", {"name": str})
        migrations_of(source).revision("first")
        migrations_of(source).upgrade()
    assert [len(migrations_of(source).history()) for source in sources] == [1, 1]
    assert migrations_of(sources[0]).current() != migrations_of(sources[1]).current()
    assert migrations_of(sources[0], tmp_path / "elsewhere").history() == []
    for source in sources:
        source.close()


def test_only_sql_databases_have_migrations(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="'memory' is in memory, which has no migrations"):
        migrations_of(create_data_source(connector="memory"))
    odd = create_data_source(connector="sqlite", name="../db")
    with pytest.raises(DefinitionError, match=r"'\.\./db' is no folder's: name a directory"):
        migrations_of(odd)
    with pytest.raises(MigrationError, match=r"there is no folder .*nowhere of revisions"):
        migrations_of(odd, tmp_path / "nowhere").upgrade()
    odd.close()


def test_without_alembic_the_error_names_the_extra() -> None:
    script = """
import sys
sys.modules["alembic"] = None
from flask_loop import create_data_source
from flask_loop.migrations import migrations_of
try:
    migrations_of(create_data_source(connector="sqlite"))
except ValueError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "migrations need Alembic: pip install 'flask-loop[migrations]'\n"


def test_the_package_imports_alembic_only_when_it_is_used() -> None:
    script = "import sys, flask_loop.cli; print({'alembic', 'mako', 'sqlalchemy'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


# The command


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {
        "db": {"connector": "sqlite", "url": f"sqlite:///{tmp_path / 'app.sqlite'}"},
        "cache": {"connector": "memory"},
    }
    loop = Loop(app)
    db = loop.data_source("db")
    loop.model(db.create_model("mig_product", {"name": str}))
    db.create_model("mig_hidden", {"name": str})
    loop.model(loop.data_source("cache").create_model("mig_cached", {"name": str}))
    yield app
    with app.app_context():
        db.close()


def flask(app: Flask, line: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["loop", "migrate", *line.split()])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_the_commands_go_there_and_back(app: Flask) -> None:
    status, output = flask(app, "diff --check")
    assert (status, output.splitlines()[0].split()) == (1, ["CHANGE", "TABLE", "NAME", "DETAIL"])
    assert "create table  mig_hidden" in output
    assert "mig_cached" not in output
    assert "CREATE TABLE mig_product" in flask(app, "diff --sql")[1]
    status, file = flask(app, "revision -m first")
    assert status == 0
    assert Path(file.strip()).is_file()
    assert "CREATE TABLE mig_product" in flask(app, "upgrade --sql")[1]
    assert flask(app, "current") == (0, "The database has had no revision.\n")
    status, output = flask(app, "upgrade")
    assert re.fullmatch(r"Ran \w+: first\n", output)
    assert flask(app, "upgrade") == (0, "There is nothing to do.\n")
    revision = flask(app, "current")[1].strip()
    history = flask(app, "history")[1].splitlines()
    assert history[0].split() == ["REVISION", "MADE", "MESSAGE"]
    assert re.fullmatch(rf"{revision}  \d{{4}}-\d\d-\d\d \d\d:\d\d  first    current", history[1])
    assert f'"revision": "{revision}"' in flask(app, "history --json")[1]
    assert flask(app, "diff --check")[0] == 0
    assert flask(app, "revision -m nothing")[1] == (
        "There is nothing to do: the tables are as the models ask for.\n"
    )
    status, output = flask(app, "downgrade")
    assert status == 1
    assert "Error: this would lose what is in mig_" in output
    assert "DROP TABLE mig_product" in flask(app, "downgrade --sql")[1]
    assert flask(app, "downgrade --yes") == (0, f"Undid {revision}: first\n")
    assert flask(app, "stamp") == (0, f"The database is at {revision}.\n")
    assert flask(app, "stamp base") == (0, "The database is at no revision.\n")
    assert flask(app, "merge -m two") == (0, "There is one head.\n")


def test_the_command_asks_for_the_source_where_it_is_not_clear(app: Flask) -> None:
    app.config["LOOP_DATA_SOURCES"]["more"] = {"connector": "sqlite"}
    app.extensions["loop"].sources["more"] = Loop().data_source("more")
    assert flask(app, "current") == (1, "Error: Which data source? Give --source: db, more.\n")
    assert flask(app, "current --source db")[0] == 0
    status, output = flask(app, "current --source nope")
    assert (status, output) == (
        1,
        "Error: There is no data source 'nope': the app has db, cache, more.\n",
    )
    status, output = flask(app, "diff --source cache")
    assert status == 1
    assert "'cache' is in memory, which has no migrations" in output


def test_an_unknown_revision_is_an_error(app: Flask) -> None:
    flask(app, "revision -m first")
    status, output = flask(app, "upgrade nope")
    assert status == 1
    assert "has no revision 'nope'; flask loop migrate history has all" in output


def test_views_are_as_somebody_else_made_them(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_seen", {"size": int, "name": {"type": str, "max_length": 9}})
    source.auto_update()
    source.connector.session.run(  # type: ignore[attr-defined]
        "CREATE VIEW mig_view AS SELECT id, size FROM mig_seen WHERE size > 1"
    )
    other = connect()
    views = other.create_model(
        "mig_view", {"size": {"type": str, "max_length": 9, "nullable": False, "index": True}}
    )
    assert lines_of(other) == []
    assert other.is_actual()
    other.auto_update()
    with pytest.raises(RuntimeError, match=r"mig_view: there already"):
        other.auto_migrate()
    with pytest.raises(RuntimeError, match="mig_view is a view"):
        other.auto_migrate([views], drop=True)


def test_a_message_may_have_any_characters(on_file: Connect) -> None:
    migrations = migrations_of(on_file())
    message = 'say """hi""" to C:\\new, "it\'s'
    assert migrations.revision(message, empty=True) is not None
    assert [each.message for each in migrations.history()] == [message]


def test_a_downgrade_of_which_nobody_knows_what_it_does_is_refused(connect: Connect) -> None:
    source = connect()
    things = source.create_model("mig_asked", {"name": str})
    source.auto_update()
    migrations = migrations_of(source)
    path = migrations.revision("asks", empty=True)
    assert path is not None
    head, tail = path.read_text("utf-8").rsplit("    pass", 1)
    asking = 'op.get_bind().execute(sa.text("SELECT id FROM mig_asked")).all()'
    path.write_text(f"{head}    {asking}{tail}", "utf-8")
    migrations.upgrade()
    things.create(name="a")
    if source.connector.name == "sqlite":  # it is found out on a copy
        migrations.downgrade()
        return
    with pytest.raises(MigrationError, match="what it would lose is not known"):
        migrations.downgrade()
    with pytest.raises(MigrationError, match="a revision asks the database"):
        migrations.downgrade_sql()
    assert len(migrations.downgrade(allow_drop=True)) == 1


STARTING = """
import sys
from flask_loop import create_data_source

source = create_data_source(connector=sys.argv[1], url=sys.argv[2])
source.create_model("mig_start", {"name": {"type": str, "max_length": 9, "unique": True}})
source.is_actual()
print("ready", flush=True)
sys.stdin.readline()
source.auto_update()
source.close()
"""


def test_processes_that_start_at_once_make_the_tables_once(connect: Connect) -> None:
    source = connect()
    if source.connector.name == "firebird":
        pytest.skip("it has no lock that processes could take turns by")
    connector, url = source.connector.name, source.connector.settings["url"]
    assert at_once(STARTING, connector, url) == ["", "", ""]
    source.create_model("mig_start", {"name": {"type": str, "max_length": 9, "unique": True}})
    assert lines_of(source) == []


def test_the_way_back_takes_a_number(app: Flask) -> None:
    flask(app, "revision -m first")
    flask(app, "upgrade +1")
    assert flask(app, "downgrade -1 --yes")[1].startswith("Undid")
    assert flask(app, "upgrade")[1].startswith("Ran")
    assert flask(app, "downgrade base --allow-drop")[1].startswith("Undid")


def test_long_names_are_cut_and_known_again(connect: Connect) -> None:
    source = connect()
    table, prop = "mig_quite_a_long_name_for_it", "a_property_of_some_length_too"
    settings = {"indexes": {"both": {"keys": [prop, "owner_of_it_all_id"]}}}

    def define(source: DataSource, *, is_indexed: bool) -> Any:
        owners = source.create_model("mig_owner_with_a_long_name", {"name": str})
        things = source.create_model(
            table,
            {prop: {"type": int, "index": is_indexed, "unique": is_indexed}},
            **(settings if is_indexed else {}),
        )
        things.belongs_to("owner_of_it_all", model=owners, constraint=is_indexed)
        return things

    define(source, is_indexed=True)
    source.auto_update()
    assert source.is_actual()
    assert lines_of(source) == []
    other = connect()
    define(other, is_indexed=False)
    changes = [line[0] for line in lines_of(other)]
    assert sorted(changes) == ["drop foreign key", "drop index", "drop index"]
    migrations = migrations_of(other)
    migrations.revision("fewer")
    migrations.upgrade()
    assert lines_of(other) == []
    migrations.downgrade()
    again = connect()
    define(again, is_indexed=True)
    assert lines_of(again) == []
    last = connect()
    define(last, is_indexed=False)
    last.auto_update()
    assert lines_of(last) == []


def test_tables_of_a_schema(get_server: Callable[[str], Server]) -> None:
    url = get_server("postgresql").fresh("schema")
    source = create_data_source(connector="postgresql", url=url, name="db")
    run_all = source.connector.session.run  # type: ignore[attr-defined]
    run_all("CREATE SCHEMA shop")
    run_all("CREATE TABLE mig_part (id TEXT)")

    def define(kind: Any) -> None:
        wholes = source.create_model("mig_whole", {"name": str}, {"postgresql": {"schema": "shop"}})
        parts = source.create_model(
            "mig_part",
            {"size": {"type": kind, "index": True}, "whole_id": int},
            {"postgresql": {"schema": "shop"}},
        )
        parts.belongs_to("whole", model=wholes, constraint=True)

    define(int)
    migrations = migrations_of(source)
    migrations.revision("first")
    migrations.upgrade()
    assert lines_of(source) == []
    assert source.is_actual()
    migrations.downgrade(allow_drop=True)
    source.auto_update()
    assert lines_of(source) == []
    source.auto_migrate(drop=True)
    assert lines_of(source) == []
    source.close()


def test_tables_that_come_to_refer_to_each_other(connect: Connect) -> None:
    source = connect()
    source.create_model("mig_apple", {"name": str})
    source.auto_update()
    other = connect()
    apples = other.create_model("mig_apple", {"name": str})
    trees = other.create_model("mig_tree", {"name": str})
    apples.belongs_to("tree", model=trees, constraint=True)
    trees.belongs_to("seed", model=apples, constraint=True)
    migrations = migrations_of(other)
    migrations.revision("ring")
    migrations.upgrade()
    assert lines_of(other) == []
    apple = apples.create(name="a")
    apple.patch_attributes(tree_id=trees.create(seed_id=apple.id).id)
    migrations.downgrade(allow_drop=True)
    assert {line[0] for line in lines_of(other)} >= {"create table", "add column"}
