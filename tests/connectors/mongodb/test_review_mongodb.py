"""What MongoDB does in corners: races, what others store, settings of URLs, indexes that serve."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from time import monotonic
from types import SimpleNamespace
from typing import Any, ClassVar

import mongoengine as me
import pymongo
import pytest
from bson import Decimal128
from flask import Flask
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    WriteConcernError,
)

from flask_loop import DataSource, GeoPoint, Loop, Model, create_model
from flask_loop.connectors.mongodb.faults import translated
from flask_loop.errors import (
    BadRequest,
    Conflict,
    DefinitionError,
    TransactionConflict,
    Unavailable,
    ValidationError,
)
from flask_loop.query import Pattern
from flask_loop.query.patterns import searcher

Connect = Callable[..., DataSource]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that lets others do something right after the documents of a where are read."""

    def meanwhile(source: DataSource, act: Callable[[], Any]) -> None:
        connector: Any = source.connector
        todo = [act]
        for name in ("_scan", "_find"):
            look = getattr(connector, name)

            def look_and_act(*arguments: Any, look: Any = look, **named: Any) -> Any:
                found = look(*arguments, **named)
                if todo:
                    todo.pop()()
                return found

            monkeypatch.setattr(connector, name, look_and_act)

    return meanwhile


# Others who write at the same moment


@pytest.mark.parametrize("operation", ["update_all", "destroy_all"])
def test_a_where_of_python_holds_when_it_is_written(
    lone: DataSource, raw: Any, meanwhile: Any, operation: str
) -> None:
    things = lone.create_model(
        "RecheckedDocument", {"id": {"type": int, "id": True}, "data": dict, "n": int}
    )
    things.create([{"id": id, "data": {"open": True}, "n": 1} for id in (1, 2, 3)])
    others = raw.rechecked_document

    def act() -> None:
        others.update_one({"_id": 1}, {"$set": {"data": {"open": False}}})
        others.update_one({"_id": 2}, {"$set": {"n": 5}})

    meanwhile(lone, act)
    where = {"data": {"open": True}}
    if operation == "destroy_all":
        assert things.destroy_all(where) == 2
        assert [each["_id"] for each in others.find()] == [1]
    else:
        assert things.update_all(where, {"n": 2}) == 2
        assert {each["_id"]: each["n"] for each in others.find()} == {1: 1, 2: 2, 3: 2}


def test_what_still_matches_after_it_was_changed_is_written(
    lone: DataSource, raw: Any, meanwhile: Any
) -> None:
    things = lone.create_model(
        "AgainDocument", {"id": {"type": int, "id": True}, "name": str, "n": int}
    )
    things.create([{"id": id, "name": "aa"} for id in (1, 2)])
    meanwhile(lone, lambda: raw.again_document.update_one({"_id": 1}, {"$set": {"name": "aaa"}}))
    assert things.update_all({"name": {"regexp": "^a+$"}}, {"n": 2}) == 2
    assert [each.n for each in things.find()] == [2, 2]


def test_a_record_that_others_change_again_and_again_is_a_conflict(
    lone: DataSource, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = lone.create_model("BusyDocument", {"id": {"type": int, "id": True}, "name": str})
    things.create(id=1, name="a")
    connector: Any = lone.connector
    look = connector._matching

    def look_and_act(*arguments: Any) -> Any:
        found = look(*arguments)
        name = raw.busy_document.find_one()["name"] + "a"
        raw.busy_document.update_one({"_id": 1}, {"$set": {"name": name}})
        return found

    monkeypatch.setattr(connector, "_matching", look_and_act)
    with pytest.raises(TransactionConflict), lone.transaction():
        things.update_all({"name": {"regexp": "^a+$"}}, {"name": "b"})
    assert "b" not in things.find_by_id(1).name


def undo(source: DataSource, write: Callable[[], Any], others: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="no"), source.transaction():  # noqa: PT012 - the block
        write()
        others()
        raise ValueError("no")


def test_what_is_undone_is_what_was_there_right_before(
    lone: DataSource, raw: Any, meanwhile: Any
) -> None:
    things = lone.create_model("BeforeDocument", {"id": {"type": int, "id": True}, "n": int})
    things.create([{"id": 1, "n": 1}, {"id": 2, "n": 1}])
    others = raw.before_document
    meanwhile(lone, lambda: others.update_many({}, {"$set": {"n": 7}}))
    undo(lone, lambda: things.update_all({}, {"n": 2}), lambda: None)
    assert [each["n"] for each in others.find()] == [7, 7]
    meanwhile(lone, lambda: others.update_many({}, {"$set": {"n": 8}}))
    undo(lone, things.destroy_all, lambda: None)
    assert [each["n"] for each in others.find()] == [8, 8]


def test_what_others_stored_in_the_place_of_what_was_deleted_stays(
    lone: DataSource, raw: Any
) -> None:
    things = lone.create_model("TakenDocument", {"id": {"type": int, "id": True}, "n": int})
    things.create(id=1, n=1)
    others = raw.taken_document
    undo(lone, things.destroy_all, lambda: others.insert_one({"_id": 1, "n": 9}))
    assert list(others.find()) == [{"_id": 1, "n": 9}]


@pytest.mark.parametrize("gone", [False, True])
def test_what_others_did_with_what_was_replaced_stays(
    lone: DataSource, raw: Any, gone: bool
) -> None:
    things = lone.create_model(
        "ReplacedDocument", {"id": {"type": int, "id": True}, "n": int}, strict=False
    )
    things.create({"id": 1, "n": 1, "more": 1})
    others = raw.replaced_document
    undo(lone, lambda: things.replace_by_id(1, {"n": 2}), lambda: None)
    assert list(others.find()) == [{"_id": 1, "n": 1, "more": 1}]

    def act() -> None:
        if gone:
            others.delete_one({"_id": 1})
        else:
            others.update_one({"_id": 1}, {"$set": {"n": 9}})

    undo(lone, lambda: things.replace_by_id(1, {"n": 2}), act)
    assert list(others.find()) == ([] if gone else [{"_id": 1, "n": 9}])


def test_a_page_behind_the_last_is_empty_while_others_store(
    source: DataSource, raw: Any, meanwhile: Any
) -> None:
    things = source.create_model("PagedDocument", {"id": {"type": int, "id": True}, "n": int})
    things.create([{"id": 1, "n": 1}])
    new = [{"_id": id, "n": id} for id in range(2, 9)]
    meanwhile(source, lambda: raw.paged_document.insert_many(new))
    assert things.find(order="n", skip=3, limit=2) == []


def test_records_inside_another_are_not_lost(lone: DataSource) -> None:
    inner = create_model(
        "CrateInside", {"id": {"type": int, "id": True, "generated": True}, "n": int}
    )
    things = lone.create_model("CrateDocument", {"id": {"type": int, "id": True}})
    things.embeds_many("crates", model=inner, property="held")
    things.create(id=1)

    def fill(thread: int) -> None:
        for n in range(4):
            for _ in range(20):
                with suppress(TransactionConflict):
                    things.find_by_id(1).crates.create(n=10 * thread + n)
                    break

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fill, range(4)))
    held = things.find_by_id(1).crates()
    assert sorted(each.n for each in held) == [10 * i + n for i in range(4) for n in range(4)]
    assert len({each.id for each in held}) == 16


def test_a_block_changes_what_it_has_replaced_itself(lone: DataSource) -> None:
    things = lone.create_model(
        "RefilledDocument", {"id": {"type": int, "id": True}, "n": int}, {"strict": False}
    )
    things.create(id=1, n=1)
    with lone.transaction():
        assert things.find_by_id(1).replace_attributes({"n": 2}).n == 2
        assert things.find_by_id(1).patch_attributes(n=3).n == 3
    assert things.find_by_id(1).n == 3


def test_what_a_block_has_read_is_not_written_over_after_others_did(
    lone: DataSource, raw: Any
) -> None:
    things = lone.create_model(
        "CountedDocument", {"id": {"type": int, "id": True}, "n": int, "at": datetime, "s": str}
    )
    start = datetime(2024, 1, 1, tzinfo=UTC)
    things.create(id=1, n=1, at=start)
    others = raw.counted_document
    with lone.transaction():
        thing = things.find_by_id(1)
        others.update_one({"_id": 1}, {"$set": {"s": "theirs"}})
        for _ in range(3):  # its own writes are no others'
            at = thing.at + timedelta(microseconds=1)
            thing = thing.patch_attributes(n=thing.n + 1, at=at)
    assert list(others.find({}, {"_id": 0, "at": 0})) == [{"n": 4, "s": "theirs", "at_us": 3}]
    with pytest.raises(TransactionConflict), lone.transaction():  # noqa: PT012 - the block
        thing = things.find_by_id(1).patch_attributes(s="ours")
        others.update_one({"_id": 1}, {"$set": {"n": 7}})
        thing.patch_attributes(n=thing.n + 1)
    assert list(others.find({}, {"_id": 0, "at": 0})) == [{"n": 7, "s": "theirs", "at_us": 3}]
    with lone.transaction():
        thing = things.find_by_id(1)
        with suppress(ValueError), lone.transaction():
            thing.patch_attributes(n=50)
            raise ValueError
        assert things.find_by_id(1).patch_attributes(n=8).n == 8
        things.destroy_by_id(1)
        things.create(id=1, n=1)
        assert things.find_by_id(1).patch_attributes(n=9).n == 9


def test_what_a_block_has_read_is_not_replaced_after_others_changed_it(
    lone: DataSource, raw: Any
) -> None:
    things = lone.create_model(
        "ReplacedLate", {"id": {"type": int, "id": True}, "n": int}, {"strict": False}
    )
    things.create(id=1, n=1, more="a")
    with pytest.raises(TransactionConflict), lone.transaction():  # noqa: PT012 - the block
        things.find_by_id(1)
        raw.replaced_late.update_one({"_id": 1}, {"$set": {"more": "theirs"}})
        things.replace_by_id(1, {"n": 2})
    assert raw.replaced_late.find_one() == {"_id": 1, "n": 1, "more": "theirs"}


def test_what_others_change_right_before_it_is_replaced_is_not_lost(
    lone: DataSource, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = lone.create_model(
        "ReplacedRace",
        {"id": {"type": int, "id": True}, "n": int, "kept": {"type": int, "hidden": True}},
        {"strict": False},
    )
    things.create(id=1, n=1, kept=1)
    connector: Any = lone.connector
    collection = connector._of(things.definition).raw
    replace, todo = collection.replace_one, [5, 6]

    def replace_late(*arguments: Any, **named: Any) -> Any:
        if todo:
            raw.replaced_race.update_one({"_id": 1}, {"$set": {"kept": todo.pop(0)}})
        return replace(*arguments, **named)

    monkeypatch.setattr(collection, "replace_one", replace_late)
    app = Flask("replaced_race")
    Loop(app).model(things)
    assert app.test_client().put("/ReplacedRaces/1", json={"n": 2}).json == {"id": 1, "n": 2}
    assert raw.replaced_race.find_one() == {"_id": 1, "n": 2, "kept": 6}


# Find or create


def test_find_or_create_finds_what_observers_let_through(source: DataSource) -> None:
    things = source.create_model("TenantDocument", {"name": str, "tenant": int})
    things.create([{"name": "a", "tenant": 1}])

    @things.observe("access")
    def of_tenant(ctx: Any) -> None:
        ctx.narrow({"tenant": 2})

    given = {"name": "a", "tenant": 2}
    found, is_new = things.find_or_create({"where": {"name": "a"}}, given)
    assert (found.tenant, is_new) == (2, True)
    assert things.find_or_create({"where": {"name": "a"}}, given)[1] is False


def test_what_is_found_in_the_last_moment_is_as_observers_show_it(
    lone: DataSource, raw: Any, meanwhile: Any
) -> None:
    things = lone.create_model(
        "LateDocument", {"id": {"type": int, "id": True}, "name": str, "n": int}
    )

    @things.observe("loaded")
    def hide(ctx: Any) -> None:
        ctx.data["n"] = 0

    meanwhile(lone, lambda: raw.late_document.insert_one({"_id": 1, "name": "a", "n": 5}))
    found, is_new = things.find_or_create({"where": {"name": "a"}}, {"id": 2, "name": "a"})
    assert (found.id, found.n, is_new) == (1, 0, False)


def test_what_is_created_need_not_match_what_was_looked_for(source: DataSource) -> None:
    things = source.create_model("UnlikeDocument", {"name": str}, id_injection=False)
    made, is_new = things.find_or_create({"where": {"name": "a"}}, {"name": "b"})
    assert (made.name, is_new) == ("b", True)


@pytest.mark.parametrize("transactions", [False, True])
def test_no_guard_is_left(connect: Connect, url: str, raw: Any, transactions: bool) -> None:
    source = connect("mongodb", url=url, transactions=transactions)
    things = source.create_model("UnguardedDocument", {"id": {"type": str, "id": True}})
    for name in "abc":
        assert things.find_or_create({"where": {"id": name}}, {"id": name})[1]
    assert raw.loop_guards.count_documents({}) == 0


def test_a_guard_of_a_caller_who_died_is_not_kept_for_ever(lone: DataSource, raw: Any) -> None:
    things = lone.create_model("ExpiringDocument", {"id": {"type": str, "id": True}})
    things.find_or_create({"where": {"id": "a"}}, {"id": "a"})
    index = raw.loop_guards.index_information()["loop_until_ttl"]
    assert index["key"] == [("until", 1)]
    assert index["expireAfterSeconds"] == 3600


# Documents of others


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_null(source: DataSource, raw: Any, text: str) -> None:
    things = source.create_model(
        "VagueDocument", {"id": {"type": int, "id": True}, "price": "Decimal"}
    )
    raw.vague_document.insert_one({"_id": 1, "price": Decimal128(text)})
    assert things.find_by_id(1).price is None
    assert things.find_by_id(1).to_dict() == {"id": 1, "price": None}


# Settings


def test_the_options_of_a_url_count(connect: Connect, url: str) -> None:
    join = "&" if "?" in url else "?"
    given = f"{url}{join}maxpoolsize=7&serverSelectionTimeoutMS=1500"

    def options(**settings: Any) -> tuple[int, float]:
        source: Any = connect("mongodb", url=given, **settings)
        said = source.connector.client.database.client.options
        return said.pool_options.max_pool_size, said.server_selection_timeout

    assert options() == (7, 1.5)
    assert options(pool_size=3, connect_timeout=2) == (3, 2)


def test_the_database_beside_a_url_has_everything(connect: Connect, url: str, raw: Any) -> None:
    name = f"{raw.name}_beside"
    source = connect("mongodb", url=url, database=name)
    things = source.create_model(
        "BesideDocument", {"id": {"type": int, "id": True, "generated": True}}
    )
    things.create()
    assert raw.list_collection_names() == []
    beside = raw.client[name]
    assert set(beside.list_collection_names()) == {"beside_document", "loop_counters"}
    raw.client.drop_database(name)


def test_a_url_that_is_none_is_refused_beside_a_database(connect: Connect) -> None:
    with pytest.raises(DefinitionError, match="begins with mongodb://"):
        connect("mongodb", url="redis://localhost", database="x")


# Names


def test_properties_may_be_called_as_what_mongoengine_has(source: DataSource, raw: Any) -> None:
    names = ["meta", "objects", "pk", "_cls", "_fields", "clean"]
    things = source.create_model("NamedDocument", dict.fromkeys(names, str))
    things.create({name: name for name in names})
    stored = raw.named_document.find_one()
    assert {name: stored[name] for name in names} == {name: name for name in names}


@pytest.mark.parametrize("name", ["a.b", "$a", "", "a\0"])
def test_what_is_no_name_of_a_field_is_refused(source: DataSource, name: str) -> None:
    things = source.create_model(
        "MisnamedDocument", {"a": {"type": str, "mongodb": {"field": name}}}
    )
    with pytest.raises(DefinitionError, match="'a' is to be stored as"):
        source.auto_update([things])


def test_paths_lead_through_objects_of_records(source: DataSource) -> None:
    shelf = create_model(
        "ShelfInside", {"label": {"type": str, "mongodb": {"fieldName": "l"}}, "n": int}
    )
    things = source.create_model(
        "ShelvesDocument",
        {"id": {"type": int, "id": True}, "shelves": dict[str, shelf]},  # type: ignore[valid-type]
    )
    things.create(id=1, shelves={"a.b": {"label": "x", "n": 1}, "c": {"label": "y"}})
    things.create(id=2, shelves={"c": {"label": "x"}})
    assert [each.id for each in things.find(where={"shelves.c.label": "y"})] == [1]
    assert [each.id for each in things.find(where={"shelves.c.label": {"like": "x%"}})] == [2]
    assert [each.id for each in things.find(where={"shelves.d.label": None})] == [1, 2]


def test_an_index_of_a_list_is_also_a_key_of_its_objects(source: DataSource) -> None:
    things = source.create_model("MazeDocument", {"id": {"type": int, "id": True}, "data": "any"})
    things.create(id=1, data=[{"0": [], "b": 1}])
    assert things.count({"data.0.b": 1}) == 1


def test_wildcards_are_what_they_are_in_python(source: DataSource) -> None:
    things = source.create_model("WildDocument", {"id": {"type": int, "id": True}, "name": str})
    texts = ["".join(each) for n in range(5) for each in product("ab", repeat=n)] + ["a\nb", "%_"]
    things.create([{"id": id, "name": text} for id, text in enumerate(texts)])
    for wild in ["".join(each) for each in product("a%_b", repeat=5)][::89]:
        where = {"name": {"like": wild}}
        assert source.explain(things, {"where": where})["python"]["where"] == []
        found = {each.name for each in things.find(where=where)}
        matches = searcher("like", Pattern(wild))
        assert found == {text for text in texts if matches(text)}, wild


def test_many_wildcards_in_a_long_text_take_no_time(source: DataSource) -> None:
    things = source.create_model("LongDocument", {"id": {"type": int, "id": True}, "name": str})
    things.create(id=1, name="a" * 20_000)
    start = monotonic()
    assert things.count({"name": {"like": "%a" * 20 + "%b%"}}) == 0
    assert things.count({"name": {"like": "%a" * 20 + "%b"}}) == 0
    assert things.count({"name": {"like": "%a" * 20}}) == 1
    assert monotonic() - start < 20


# What indexes serve


def test_bounds_of_instants_are_bounds_of_one_field(source: DataSource) -> None:
    things = source.create_model("SpanDocument", {"id": {"type": int, "id": True}, "at": datetime})
    start = datetime(2024, 1, 1, tzinfo=UTC)
    instants = [start + timedelta(microseconds=each) for each in (0, 1, 999, 1000, 1001, 5000)]
    things.create([{"id": id, "at": at} for id, at in enumerate(instants)] + [{"id": 9}])
    for low in instants:
        for high in instants:
            where = {"at": {"between": [low, high]}}
            expected = [id for id, at in enumerate(instants) if low <= at <= high]
            assert [each.id for each in things.find(where=where)] == expected
            apart = {"and": [{"at": {"gt": low}}, {"at": {"lt": high}}]}
            inner = [id for id, at in enumerate(instants) if low < at < high]
            assert [each.id for each in things.find(where=apart)] == inner
    between = {"at": {"between": [instants[1], instants[3]]}}
    backend = source.explain(things, {"where": between})["backend"]
    bounds = [part["at"] for part in backend["$and"]]
    assert [list(each) for each in bounds] == [["$gte"], ["$lte"]]


def test_a_text_with_signs_is_the_start_that_an_index_knows(source: DataSource) -> None:
    """The server reads the start of a pattern up to the first escape by a number."""
    things = source.create_model("SignedDocument", {"id": {"type": str, "id": True}})
    signs = "".join(map(chr, range(1, 127)))
    things.create([{"id": f"INV-2024.{signs}x"}, {"id": "INV-2025"}, {"id": "INVA2024"}])
    for text in ("INV-2024.", "INV-2024." + signs.replace("%", "\\%").replace("_", "\\_")):
        like = {"id": {"like": text.replace(chr(92) + chr(93), chr(92) * 2 + "]") + "%"}}
        assert things.count(like) == 1
    backend = source.explain(things, {"where": {"id": {"like": "INV-2024.%"}}})["backend"]
    assert backend == {"_id": {"$regex": r"^INV\-2024\."}}


def test_the_order_of_an_index_is_asked_for(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "SortedDocument",
        {"name": {"type": str, "index": True}, "at": {"type": datetime, "index": True}},
    )
    source.auto_update([things])
    keys = [list(each["key"].items()) for each in raw.sorted_document.list_indexes()]
    for order in ("name", "at"):
        assert source.explain(things, {"order": order})["order"] in keys
    assert source.is_actual([things])


def test_the_nearest_of_many_are_found_without_reading_them_all(connect: Connect, url: str) -> None:
    source = connect("mongodb", url=url, max_scan=60)
    things = source.create_model("CrowdDocument", {"id": {"type": int, "id": True}, "at": GeoPoint})
    things.create(
        [{"id": n, "at": GeoPoint(52.5 + n // 15 * 1e-3, 13.4 + n % 15 * 1e-3)} for n in range(150)]
    )
    near = {"at": {"near": {"lat": 52.5, "lng": 13.4}}}
    assert [each.id for each in things.find(where=near, limit=3)] == [0, 1, 15]


# Indexes


def test_an_index_whose_documents_may_lack_more_is_made_anew(source: DataSource, raw: Any) -> None:
    for required in (True, False):
        things = source.create_model(
            "LooserDocument",
            {"a": {"type": int, "nullable": not required}, "b": int},
            indexes={"both": {"keys": ["a", "b"], "unique": True}},
        )
        assert not source.is_actual([things])
        source.auto_update([things])
    there = {each["name"]: each for each in raw.looser_document.list_indexes()}
    assert there["loop_a_b_unique"]["partialFilterExpression"] == {
        "a": {"$exists": True},
        "b": {"$exists": True},
    }


def test_an_index_that_another_process_has_dropped_is_made(
    source: DataSource, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.raced_document.create_index([("name", 1)], name="loop_name")
    things = source.create_model("RacedDocument", {"name": {"type": str, "index": True}})
    connector: Any = source.connector
    collection = connector._of(things.definition).raw

    def drop_index(name: str) -> None:
        raise OperationFailure("index not found with name [loop_name]", 27)

    raced = SimpleNamespace(
        list_indexes=collection.list_indexes,
        drop_index=drop_index,
        create_index=lambda *a, **k: (
            raw.raced_document.drop_index("loop_name") or collection.create_index(*a, **k)
        ),
    )
    monkeypatch.setattr(connector._of(things.definition), "raw", raced)
    source.auto_update([things])
    assert source.is_actual([things])


def test_equal_values_are_a_conflict_whatever_index_was_there(
    source: DataSource, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers have one index over the same fields, and say so first."""
    raw.doubled_document.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "a"}])
    raw.doubled_document.create_index([("name", 1)], name="loop_name")
    things = source.create_model("DoubledDocument", {"name": {"type": str, "unique": True}})
    connector: Any = source.connector
    collection = connector._of(things.definition).raw
    refusals = [OperationFailure("exists with different options", 85)]

    def create_index(*arguments: Any, **named: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return collection.create_index(*arguments, **named)

    known = connector._of(things.definition)
    raced = SimpleNamespace(
        list_indexes=collection.list_indexes,
        drop_index=collection.drop_index,
        create_index=create_index,
    )
    monkeypatch.setattr(known, "raw", raced)
    with pytest.raises(Conflict, match="documents have the same name"):
        source.auto_update([things])


def test_an_index_of_others_serves_under_their_name(source: DataSource, raw: Any) -> None:
    places = raw.place_document
    places.create_index([("spot", "2dsphere")])
    places.create_index([("until", 1)], expireAfterSeconds=5)
    things = source.create_model(
        "PlaceDocument",
        {
            "spot": {"type": GeoPoint, "index": True},
            "until": {"type": datetime, "mongodb": {"expireAfterSeconds": 5}},
        },
    )
    source.auto_update([things])
    assert set(places.index_information()) == {"_id_", "spot_2dsphere", "until_1"}
    assert source.is_actual([things])


def test_an_index_of_others_that_is_in_the_way_is_a_conflict(
    source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = source.create_model("HinderedDocument", {"name": {"type": str, "unique": True}})
    connector: Any = source.connector

    def create_index(*arguments: Any, **named: Any) -> Any:
        raise OperationFailure("Index already exists with a different name: name_1", 85)

    there = [{"name": "name_1", "key": {"name": 1}}]
    hindered = SimpleNamespace(list_indexes=lambda: there, create_index=create_index)
    monkeypatch.setattr(connector._of(things.definition), "raw", hindered)
    with pytest.raises(Conflict, match="an index over name is there already") as refused:
        source.auto_update([things])
    assert "loop_name_unique" in str(refused.value)


def test_an_index_is_over_one_list_alone(source: DataSource, raw: Any) -> None:
    things = source.create_model(
        "ListsDocument",
        {"id": {"type": int, "id": True}, "tags": [str], "n": int, "marks": [str], "any": "any"},
        indexes={"all": {"keys": ["tags", "n", "marks", "any"]}},
    )
    source.auto_update([things])
    (index,) = [each for each in raw.lists_document.list_indexes() if each["name"] != "_id_"]
    assert list(index["key"]) == ["tags", "n", "_id"]
    things.create(id=1, tags=["a"], n=1, marks=["b"], any=["c"])
    assert things.count({"marks": "b", "tags": "a", "any": "c"}) == 1
    assert source.is_actual([things])


# Transactions


@pytest.mark.parametrize("fails", [1, 2])
def test_a_commit_that_nobody_knows_of_is_asked_for_again(
    connect: Connect, url: str, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    source = connect("mongodb", url=url, transactions=True)
    things = source.create_model("CommittedDocument", {"name": str})
    session = pymongo.client_session.ClientSession
    commit, asked = session.commit_transaction, []

    def commit_unknown(self: Any) -> None:
        asked.append(self)
        commit(self)
        if len(asked) <= fails:
            raise ConnectionFailure("gone", ["UnknownTransactionCommitResult"])

    monkeypatch.setattr(session, "commit_transaction", commit_unknown)
    if fails == 1:
        with source.transaction():
            things.create(name="a")
    else:
        with pytest.raises(Unavailable), source.transaction():
            things.create(name="a")
    assert len(asked) == 2
    assert things.count() == 1


def test_a_transaction_that_the_server_has_ended_is_not_kept(connect: Connect, url: str) -> None:
    source = connect("mongodb", url=url, transactions=True)
    things = source.create_model(
        "EndedDocument", {"id": {"type": int, "id": True}, "name": {"type": str, "unique": True}}
    )
    source.auto_update([things])
    things.create([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    raw = source.connector.document(things.definition)._get_collection()  # type: ignore[attr-defined]
    with pytest.raises(TransactionConflict), source.transaction():  # noqa: PT012 - the block
        things.create(id=3, name="c")
        transaction: Any = source.connector
        with pytest.raises(OperationFailure):
            transaction._call(raw.update_one, {"_id": 2}, {"$set": {"name": "a"}})
    assert things.count() == 2


# Documents of MongoEngine


def test_a_unique_index_of_a_shared_collection_names_the_field(url: str) -> None:
    class SharedReviewDocument(me.Document):
        meta: ClassVar = {
            "db_alias": "review",
            "allow_inheritance": True,
            "indexes": [{"fields": ["code"], "unique": True}],
        }
        code = me.StringField()

    me.connect(host=url, alias="review", uuidRepresentation="standard")
    try:
        things: Any = Model.from_mongoengine(SharedReviewDocument)
        things.create(code="a")
        with pytest.raises(ValidationError) as refused:
            things.create(code="a")
        assert [each.path for each in refused.value.failures] == [("code",)]
    finally:
        me.disconnect("review")


# Errors


def test_a_record_that_is_too_large_is_refused(source: DataSource, raw: Any) -> None:
    things = source.create_model("GreatDocument", {"id": {"type": int, "id": True}, "s": str})
    great = "x" * (17 * 2**20)
    with pytest.raises(BadRequest, match="too large"):
        things.create(id=1, s=great)
    thing = things.create(id=2, s="a")
    with pytest.raises(BadRequest, match="too large"):
        thing.patch_attributes(s=great)
    with pytest.raises(BadRequest, match="too large"), source.transaction():
        things.create(id=3, s=great)
    assert [each["_id"] for each in raw.great_document.find({}, {"s": 0})] == [2]


def test_of_records_of_which_one_is_too_large_none_stays(
    lone: DataSource, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = lone.create_model("BatchDocument", {"id": {"type": int, "id": True}})
    insert = pymongo.collection.Collection.insert_many

    def insert_some(self: Any, documents: Any, **named: Any) -> Any:
        """What the driver does where documents are more than it sends at once."""
        insert(self, documents[:2], **named)
        raise DocumentTooLarge("BSON document too large")

    monkeypatch.setattr(pymongo.collection.Collection, "insert_many", insert_some)
    with pytest.raises(BadRequest, match="too large"):
        things.create([{"id": id} for id in range(4)])
    assert list(raw.batch_document.find()) == []


def test_what_a_rule_of_the_collection_refuses_is_a_bad_request(lone: DataSource, raw: Any) -> None:
    raw.create_collection("ruled_document", validator={"n": {"$gt": 5}})
    things = lone.create_model("RuledDocument", {"id": {"type": int, "id": True}, "n": int})
    with pytest.raises(BadRequest, match="rule of the data source"):
        things.create(id=1, n=1)
    with pytest.raises(BadRequest, match="rule of the data source"):
        things.create([{"id": 1, "n": 9}, {"id": 2, "n": 1}])
    assert things.count() == 0
    with pytest.raises(BadRequest, match="rule of the data source"):
        things.create(id=1, n=9).patch_attributes(n=1)
    assert things.find_by_id(1).n == 9


def test_a_list_is_no_id(source: DataSource) -> None:
    things = source.create_model("ListedDocument", {"id": {"type": "any", "id": True}})
    with pytest.raises(BadRequest, match="no list as an id"):
        things.create(id=[1, 2])
    things.create(id={"$a.b": [1, 2]})
    assert things.find_by_id({"$a.b": [1, 2]}).id == {"$a.b": [1, 2]}


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("no host", 6),
        OperationFailure("stepping down", 189),
        OperationFailure("no primary", 133),
        OperationFailure("cursor not found", 43),
        OperationFailure("the cache is full", 365),
        WriteConcernError("not enough members", 100),
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    ],
    ids=str,
)
def test_a_server_that_cannot_answer_for_now_is_unavailable(error: Exception) -> None:
    assert isinstance(translated(error), Unavailable)
