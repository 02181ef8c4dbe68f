"""Records that have no id: a log, a view, what others count."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sources import opened


@pytest.mark.parametrize(
    "connector", ["memory", "sqlite", "postgresql", "mysql", "mongodb", "redis", "couchdb"]
)
def test_records_without_an_id_are_stored_found_changed_and_deleted(
    connector: str, get_server: Any
) -> None:
    with opened(connector, get_server) as source:
        lines = source.create_model(
            f"line_{connector}", {"text": str, "n": int}, {"idInjection": False}
        )
        source.auto_update()
        assert lines.create(text="a", n=1).text == "a"
        lines.create([{"text": "b", "n": 2}, {"text": "b", "n": 2}])
        assert [each.text for each in lines.find(order="text DESC")] == ["b", "b", "a"]
        assert lines.update_all({"text": "b"}, {"n": 3}) == 2
        assert lines.count({"n": 3}) == 2
        assert lines.destroy_all({"n": 1}) == 1
        assert lines.destroy_all() == 2
        assert lines.count() == 0
