"""What callers hold is theirs, what is stored is the source's."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from typing import Any

import pytest

from ..datasource import DataSource
from ..query import FilterParser
from .base import Action, Contract, Define


class IsolationContract(Contract):
    """Changing what was given or found changes nothing that is stored."""

    @pytest.fixture
    def mutable(self, define: Define) -> type[Any]:
        """A model whose values can be changed in place."""
        return define({"notes": dict, "tags": [str], "extra": "any", "home": {"rooms": list}})

    def test_what_was_found_can_be_changed(self, mutable: Any) -> None:
        whole = {
            "id": 1,
            "notes": {"a": [1]},
            "tags": ["a"],
            "extra": [{"x": 1}],
            "home": {"rooms": [1]},
        }
        mutable.create(whole)
        finds: list[Action] = [
            lambda: mutable.find()[0],
            lambda: mutable.find_by_id(1),
            lambda: mutable.find_one(where={"tags": "a"}),
            lambda: mutable.find(fields=["id", "notes", "tags", "extra", "home"])[0],
        ]
        for find in finds:
            found = find().to_record()
            found["notes"]["a"].append(2)
            found["tags"].append("b")
            found["extra"][0]["x"] = 2
            found["home"]["rooms"].append(2)
            assert find().to_record() == whole

    def test_what_was_given_can_be_changed(self, mutable: Any) -> None:
        notes: dict[str, Any] = {"a": [1]}
        tags = ["a"]
        created = mutable.create(id=1, notes=notes, tags=tags)
        many = mutable.create([{"id": 2, "notes": notes, "tags": tags}])
        notes["a"].append(2)
        tags.append("b")
        created.notes["a"].append(3)
        many[0].tags.append("c")
        assert [(each.notes, each.tags) for each in mutable.find()] == [({"a": [1]}, ["a"])] * 2
        mutable.update_all({}, {"notes": notes, "tags": tags})
        notes["a"].clear()
        tags.clear()
        expected = ({"a": [1, 2]}, ["a", "b"])
        assert [(each.notes, each.tags) for each in mutable.find()] == [expected] * 2

    def test_records_do_not_share_what_update_all_gave_them(self, mutable: Any) -> None:
        mutable.create([{"id": 1}, {"id": 2}])
        mutable.update_all({}, {"tags": ["a"]})
        first = mutable.find_by_id(1)
        first.tags.append("b")
        first.save()
        assert mutable.find_by_id(2).tags == ["a"]

    def test_rows_of_the_connector_are_the_callers_own(
        self, source: DataSource, mutable: Any
    ) -> None:
        definition = mutable.definition
        record: dict[str, Any] = {
            "id": 1,
            "notes": {"a": 1},
            "tags": ["a"],
            "extra": None,
            "home": None,
        }
        source.connector.insert(definition, [record])
        record["notes"]["a"] = 2
        for rows in (
            source.connector.select(definition, FilterParser(definition).filter({})),
            source.connector.get(definition, 1),
        ):
            rows.records()[0]["tags"].append("b")
        found = mutable.find_by_id(1)
        assert (found.notes, found.tags) == ({"a": 1}, ["a"])

    def test_what_was_found_before_a_write_stays(self, mutable: Any) -> None:
        mutable.create([{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b"]}])
        before = mutable.find()
        mutable.update_all({}, {"tags": []})
        mutable.destroy_by_id(1)
        assert [each.tags for each in before] == [["a"], ["b"]]
