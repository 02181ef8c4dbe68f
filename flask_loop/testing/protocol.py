"""The connector's own methods, and what the source does to its tables."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ..connectors.base import Record, id_where
from ..datasource import DataSource
from ..errors import DuplicateId
from ..query import EVERYTHING, NOTHING, FilterParser
from .base import GIVEN_ID, SHORT_TEXT, Contract, Define, requires
from .ids import GENERATED


class ProtocolContract(Contract):
    """The methods of :class:`~flask_loop.connectors.Connector`, called directly."""

    @pytest.fixture
    def three(self, define: Define) -> type[Any]:
        """Three records."""
        things = define({"name": str, "size": "number", "at": datetime})
        things.create(
            [
                {"id": 1, "name": "a", "size": 1, "at": datetime(2024, 1, 1, tzinfo=UTC)},
                {"id": 2, "name": "b", "size": 2.5},
                {"id": 3, "size": None},
            ]
        )
        return things

    def test_select_gives_rows_and_records(self, source: DataSource, three: Any) -> None:
        definition = three.definition
        rows = source.connector.select(definition, FilterParser(definition).filter({"order": "id"}))
        assert len(rows) == len(rows.raw) == 3
        assert list(rows.layout.columns) == list(definition.properties)
        assert rows.records()[0] == {
            "id": 1,
            "name": "a",
            "size": 1,
            "at": datetime(2024, 1, 1, tzinfo=UTC),
        }
        assert rows.records()[2] == {"id": 3, "name": None, "size": None, "at": None}

    def test_select_gives_only_the_fields(self, source: DataSource, three: Any) -> None:
        filter = FilterParser(three.definition).filter({"fields": ["size", "name"], "limit": 1})
        rows = source.connector.select(three.definition, filter)
        assert list(rows.layout.columns) == ["name", "size"]
        assert rows.records() == [{"name": "a", "size": 1}]

    def test_get_gives_one_row_or_none(self, source: DataSource, three: Any) -> None:
        found = source.connector.get(three.definition, 2)
        assert [each["name"] for each in found.records()] == ["b"]
        assert len(source.connector.get(three.definition, 9)) == 0

    def test_count_takes_the_normal_form(self, source: DataSource, three: Any) -> None:
        connector, definition = source.connector, three.definition
        assert connector.count(definition, EVERYTHING) == 3
        assert connector.count(definition, NOTHING) == 0
        assert connector.count(definition, id_where(definition, 2)) == 1

    def test_insert_gives_the_ids_in_order(self, source: DataSource, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        records: list[Record] = [
            {"id": None, "name": "a"},
            {"id": 50, "name": "b"},
            {"id": None, "name": "c"},
        ]
        ids = source.connector.insert(things.definition, records)
        assert ids[1] == 50
        assert [things.find_by_id(id).name for id in ids] == ["a", "b", "c"]
        assert source.connector.insert(things.definition, []) == []

    def test_insert_stores_all_or_none(self, source: DataSource, three: Any) -> None:
        record = {"name": "x", "size": None, "at": None}
        with pytest.raises(DuplicateId):
            source.connector.insert(three.definition, [{"id": 4, **record}, {"id": 1, **record}])
        assert three.count() == 3

    def test_update_and_delete_give_how_many_matched(self, source: DataSource, three: Any) -> None:
        connector, definition = source.connector, three.definition
        assert connector.update(definition, EVERYTHING, {"size": 7, "name": None}) == 3
        assert connector.update(definition, id_where(definition, 9), {"size": 8}) == 0
        assert connector.update(definition, NOTHING, {"size": 8}) == 0
        assert three.count({"size": 7, "name": None}) == 3
        assert connector.delete(definition, NOTHING) == 0
        assert connector.delete(definition, id_where(definition, 2)) == 1
        assert connector.delete(definition, EVERYTHING) == 2

    def test_defining_again_changes_nothing(self, source: DataSource, three: Any) -> None:
        source.connector.define(three.definition)
        source.connector.define(three.definition)
        assert three.count() == 3

    def test_auto_update_again_loses_nothing(self, source: DataSource, three: Any) -> None:
        assert source.is_actual()
        source.auto_update()
        source.auto_update([three])
        assert source.is_actual()
        assert three.count() == 3

    def test_auto_update_adds_what_is_new(self, source: DataSource, define: Define) -> None:
        old = define({"name": SHORT_TEXT})
        old.create(id=1, name="a")
        new = source.create_model(
            "thing",
            {
                "id": GIVEN_ID,
                "name": {**SHORT_TEXT, "index": True},
                "size": {"type": int, "unique": True},
                "notes": dict,
            },
            indexes={"both": {"keys": ["name", "size"]}},
        )
        source.auto_update([new])
        assert source.is_actual([new])
        assert new.find_one().to_record() == {"id": 1, "name": "a", "size": None, "notes": None}
        new.create(id=2, name="b", size=5, notes={"a": 1})
        assert [each.id for each in new.find(where={"size": 5, "notes.a": 1})] == [2]
        source.auto_update([old])
        assert new.find_by_id(2).size == 5

    def test_auto_migrate_empties_only_what_is_named(
        self, source: DataSource, define: Define
    ) -> None:
        first, second = define({"value": int}, name="first"), define({"value": int}, name="second")
        for model in (first, second):
            model.create(id=1, value=1)
        source.auto_migrate([first], drop=True)
        assert (first.count(), second.count()) == (0, 1)
        assert first.create(id=1).id == 1
        source.auto_migrate(drop=True)
        assert (first.count(), second.count()) == (0, 0)
        assert source.is_actual()

    def test_explain_says_who_answers(self, source: DataSource, three: Any) -> None:
        filter = {"where": {"name": {"regexp": "a"}, "size": {"gt": 1}}, "order": "at", "limit": 5}
        explained = source.explain(three, filter)
        assert explained["connector"] == source.connector.name

    def test_ping_and_close(self, source: DataSource) -> None:
        source.ping()
        source.close()
        source.ping()

    @requires("persistent")
    def test_records_outlive_the_connections(self, source: DataSource, three: Any) -> None:
        source.close()
        assert three.count() == 3
