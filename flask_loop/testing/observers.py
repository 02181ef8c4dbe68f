"""Observers: what they change is stored, what they refuse is undone."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..datasource import DataSource
from ..errors import ModelNotFound
from ..hooks import EVENTS
from .base import Action, Contract, Define, Store, exact, requires


class Refusal(Exception):
    """Raised by an observer."""


class ObserverContract(Contract):
    """``Model.observe`` and ``source.observe``."""

    @pytest.fixture
    def notes(self, define: Define) -> type[Any]:
        """Three notes of two owners."""
        notes = define({"text": str, "owner": str, "tags": [str], "data": dict}, name="note")
        notes.create(
            [
                {"id": 1, "text": "a", "owner": "me", "tags": ["x"], "data": {"n": 1}},
                {"id": 2, "text": "b", "owner": "me"},
                {"id": 3, "text": "c", "owner": "you"},
            ]
        )
        return notes

    def test_observers_that_look_change_nothing(self, store: Store) -> None:
        def look(ctx: Any) -> None:
            for _ in (ctx.instance, ctx.current, ctx.where, ctx.data and dict(ctx.data)):
                pass

        things = store(dict, [{"n": [1]}, None])
        before = exact(things.find())
        for event in EVENTS:
            things.observe(event)(look)
        assert exact(things.find()) == before
        for each in things.find():
            each.save()
            each.replace_attributes({"value": each.value})
        assert exact(things.find()) == before
        assert things.create(id=3, value={"a": {}}).value == {"a": {}}
        assert things.update_all({"id": 3}, {"value": {"b": 1}}) == 1
        assert things.find_by_id(3).value == {"b": 1}
        assert things.destroy_by_id(3) == 1
        assert exact(things.find()) == before

    def test_what_before_save_changes_is_stored(self, notes: Any) -> None:
        def change(ctx: Any) -> None:
            ctx.data["text"] += "!"
            if ctx.instance is not None:
                ctx.instance.tags = [*(ctx.instance.tags or []), "new"]

        notes.observe("before save")(change)
        notes.create(id=4, text="d")
        notes.find_by_id(1).patch_attributes(text="A")
        notes.replace_by_id(2, {"text": "B"})
        notes.update_all({"id": 3}, {"text": "C"})
        assert [(each.text, each.tags) for each in notes.find()] == [
            ("A!", ["x", "new"]),
            ("B!", ["new"]),
            ("C!", None),
            ("d!", ["new"]),
        ]
        assert notes.find_by_id(1).data == {"n": 1}

    def test_what_persist_changes_is_stored(self, notes: Any) -> None:
        def change(ctx: Any) -> None:
            ctx.data["data"] = {"keys": sorted(ctx.data)}

        notes.observe("persist")(change)
        notes.find_by_id(1).patch_attributes(text="A")
        notes.update_all({"id": 2}, {"owner": "you"})
        assert [each.data for each in notes.find(limit=2)] == [
            {"keys": ["text"]},
            {"keys": ["owner"]},
        ]
        assert notes.create(id=4, text="d").data == notes.find_by_id(4).data

    def test_what_loaded_changes_is_found(self, notes: Any) -> None:
        def change(ctx: Any) -> None:
            ctx.data["text"] = ctx.data["text"].upper()

        notes.observe("loaded")(change)
        assert [each.text for each in notes.find()] == ["A", "B", "C"]
        assert notes.find_by_id(1).text == "A"
        assert [each.text for each in notes.find(fields=["text"], limit=1)] == ["A"]
        assert notes.count({"text": "A"}) == 0

    def test_what_is_narrowed_away_is_not_there(self, notes: Any) -> None:
        before = exact(notes.find_by_id(3))
        narrowed = [True]

        def only_mine(ctx: Any) -> None:
            if narrowed:
                ctx.narrow({"owner": "me"})

        notes.observe("access")(only_mine)
        assert [each.id for each in notes.find()] == [1, 2]
        assert [each.id for each in notes.find_by_ids([3, 2])] == [2]
        assert (notes.find_by_id(3), notes.find_one({"id": 3})) == (None, None)
        assert (notes.exists(3), notes.count(), notes.count({"id": 3})) == (False, 2, 0)
        writes: list[Action] = [
            lambda: notes.upsert(id=3, text="z"),
            lambda: notes.replace_or_create({"id": 3, "text": "z"}),
            lambda: notes.replace_by_id(3, {"text": "z"}),
            lambda: notes.from_record({"id": 3}).patch_attributes(text="z"),
        ]
        for write in writes:
            with pytest.raises(ModelNotFound):
                write()
        assert notes.destroy_by_id(3) == 0
        assert notes.update_all({}, {"text": "mine"}) == 2
        assert notes.destroy_all() == 2
        narrowed.clear()
        assert exact(notes.find()) == [before]

    def test_deletions_tell_what_they_delete(self, notes: Any) -> None:
        told: list[Any] = []
        notes.observe("before delete")(lambda ctx: told.append(ctx.instance and ctx.instance.text))
        notes.observe("after delete")(lambda ctx: told.append(ctx.count))
        notes.destroy_by_id(1)
        notes.destroy_by_id(1)
        notes.destroy_all({"owner": "me"})
        assert told == ["a", 1, None, 1]

    @requires("undoes")
    @pytest.mark.parametrize("event", ["before save", "persist", "loaded", "after save"])
    def test_a_save_that_is_refused_is_undone(self, notes: Any, event: str) -> None:
        def refuse(ctx: Any) -> None:
            if ctx.data["text"] == "bad":
                raise Refusal

        before = exact(notes.find())
        notes.observe(event)(refuse)
        writes: list[Action] = [
            lambda: notes.create(id=4, text="bad"),
            lambda: notes.create([{"id": 4, "text": "d"}, {"id": 5, "text": "bad"}]),
            lambda: notes.upsert(id=1, text="bad"),
            lambda: notes.replace_by_id(1, {"text": "bad"}),
            lambda: notes.find_or_create({"id": 4}, {"id": 4, "text": "bad"}),
            lambda: notes.upsert_with_where({"id": 1}, {"text": "bad"}),
        ]
        if event != "loaded":
            writes.append(lambda: notes.update_all({}, {"text": "bad"}))
        for write in writes:
            with pytest.raises(Refusal):
                write()
            assert exact(notes.find()) == before

    @requires("undoes")
    @pytest.mark.parametrize("event", ["before delete", "after delete"])
    def test_a_deletion_that_is_refused_is_undone(self, notes: Any, event: str) -> None:
        def refuse(ctx: Any) -> None:
            raise Refusal

        before = exact(notes.find())
        notes.observe(event)(refuse)
        deletes: list[Callable[[], Any]] = [
            lambda: notes.destroy_by_id(1),
            lambda: notes.destroy_all({"owner": "me"}),
            lambda: notes.find_by_id(1).destroy(),
        ]
        for delete in deletes:
            with pytest.raises(Refusal):
                delete()
            assert exact(notes.find()) == before

    @requires("undoes")
    def test_what_observers_write_is_undone_too(self, notes: Any, source: DataSource) -> None:
        @source.observe("before save")
        def copy(ctx: Any) -> None:
            if ctx.is_new and ctx.instance.id < 100:
                notes.create(id=ctx.instance.id + 100, text="copy")

        @source.observe("after save")
        def refuse(ctx: Any) -> None:
            if ctx.instance.text == "bad":
                raise Refusal

        notes.create(id=4, text="d")
        with pytest.raises(Refusal):
            notes.create(id=5, text="bad")
        assert [each.id for each in notes.find(skip=3)] == [4, 104]
