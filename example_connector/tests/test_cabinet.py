"""What is the cabinet's own: its folders, its settings, what it finds by names of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from flask_loop import DataSource, DefinitionError, create_data_source
from flask_loop.errors import TooMuchToRead, Unavailable

PROPERTIES = {"name": {"type": str, "unique": True}, "city": {"type": str, "index": True}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cabinet"


@pytest.fixture
def source(folder: Path) -> Iterator[DataSource]:
    source = create_data_source(connector="cabinet", path=folder, max_scan=10)
    yield source
    source.close()


@pytest.fixture
def shops(source: DataSource) -> Any:
    return source.create_model("shop", PROPERTIES)


def backend(source: DataSource, model: Any, where: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = source.explain(model, {"where": where})["backend"]
    return found


def test_each_record_is_a_file(folder: Path, shops: Any) -> None:
    shops.create(name="tea", city="Lima")
    (file,) = (folder / "shop" / "records").iterdir()
    assert json.loads(file.read_text()) == {"id": 1, "name": "tea", "city": "Lima"}


def test_the_name_of_the_folder_may_be_another(folder: Path, source: DataSource) -> None:
    shops = source.create_model("market", PROPERTIES, {"cabinet": {"drawer": "markets of old"}})
    shops.create(name="tea")
    assert (folder / "markets of old").is_dir()
    outside = source.create_model("stall", PROPERTIES, {"cabinet": {"drawer": "../stall"}})
    with pytest.raises(DefinitionError, match=r"'\.\./stall' cannot be the name of a folder"):
        outside.create(name="tea")


def test_options_that_mean_nothing_are_refused(source: DataSource) -> None:
    shops = source.create_model("booth", PROPERTIES, {"cabinet": {"draw": "booths"}})
    with pytest.raises(DefinitionError, match=r"no 'draw'; did you mean 'drawer'\?"):
        source.auto_update([shops])


def test_ids_and_indexes_tell_which_files_are_read(source: DataSource, shops: Any) -> None:
    shops.create([{"name": f"shop {n}", "city": ["Lima", "Cusco"][n % 2]} for n in range(10)])
    assert backend(source, shops, {"id": 3})["files"] == 1
    assert backend(source, shops, {"city": "Lima"}) == {"files": 5, "by": {"city": ["Lima"]}}
    assert backend(source, shops, {"city": "Lima", "name": "shop 4"})["files"] == 1
    assert backend(source, shops, {"or": [{"id": 2}, {"city": "Lima"}]})["files"] == 6
    assert backend(source, shops, {"city": {"like": "L%"}}) == {"files": 10, "by": None}


def test_an_index_that_is_new_knows_the_records_that_are_there(
    source: DataSource, shops: Any
) -> None:
    shops.create([{"name": "tea", "city": "Lima"}, {"name": "ink"}])
    indexed = source.create_model("shop", {**PROPERTIES, "name": {"type": str, "index": True}})
    source.auto_update([indexed])
    assert [each.name for each in indexed.find(where={"name": "tea"})] == ["tea"]
    both = source.create_model("shop", PROPERTIES, indexes={"both": {"keys": ["city", "name"]}})
    assert not source.is_actual([both])
    source.auto_update([both])
    assert source.is_actual([both])


def test_too_much_to_read_is_an_error_and_no_part_of_an_answer(shops: Any) -> None:
    shops.create([{"name": f"shop {n}", "city": "Lima"} for n in range(10)])
    assert len(shops.find(where={"name": {"like": "shop%"}})) == 10
    shops.create(name="one more", city="Cusco")
    with pytest.raises(TooMuchToRead):
        shops.find(where={"name": {"like": "shop%"}})
    with pytest.raises(TooMuchToRead):
        shops.update_all({"name": {"like": "shop%"}}, {"city": None})
    assert shops.count() == 11
    assert shops.count({"city": "Lima"}) == 10
    assert shops.destroy_all() == 11


def test_undoing_leaves_alone_what_others_have_written_since(
    source: DataSource, shops: Any
) -> None:
    shops.create([{"name": "tea", "city": "Lima"}, {"name": "ink", "city": "Lima"}])
    written, changed = Event(), Event()

    def fail() -> None:
        with source.transaction():
            shops.update_all({}, {"city": "Cusco"})
            written.set()
            assert changed.wait(20)
            raise LookupError

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fail)
        assert written.wait(20)
        shops.update_all({"name": "ink"}, {"city": "Ica"})
        changed.set()
        assert isinstance(failing.exception(), LookupError)
    assert [each.city for each in shops.find(order="id")] == ["Lima", "Ica"]


def test_a_crash_between_a_record_and_its_index_loses_nothing(
    folder: Path, source: DataSource, shops: Any
) -> None:
    shops.create(name="tea", city="Lima")
    (entry,) = (folder / "shop" / "indexes" / "name").glob("*/*")
    (entry.parent / "of a record that never was").touch()
    assert [each.id for each in shops.find(where={"name": "tea"})] == [1]
    shops.destroy_all()
    assert shops.create(name="tea").id == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "the cabinet connector needs the setting 'path'"),
        ({"path": ""}, "the setting 'path' of the cabinet connector is a folder, not ''"),
        ({"path": "x", "max_scann": 5}, "no setting 'max_scann'; did you mean 'max_scan'?"),
        ({"path": "x", "max_scan": 0}, "max_scan is a whole number from 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message.replace("?", r"\?")):
        create_data_source(connector="cabinet", **settings)


def test_a_folder_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    source = create_data_source(connector="cabinet", path=tmp_path / "file")
    with pytest.raises(Unavailable):
        source.ping()
    with pytest.raises(Unavailable):
        source.create_model("kiosk", PROPERTIES).count()
