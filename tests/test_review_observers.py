"""What observers and receivers of signals can come upon, and must not break."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from weakref import ref

import pytest

from flask_loop import DataSource, Model, Prop, create_model, prop
from flask_loop.errors import ModelNotFound
from flask_loop.hooks import EVENTS
from flask_loop.operations import ObservedPlan, Plan
from flask_loop.signals import record_saved, records_deleted, records_updated

Apps = Callable[..., Any]


@pytest.fixture
def note(source: DataSource) -> type[Any]:
    class Note(Model):
        text: Prop[str]
        size: Prop[float | None] = prop(default=None)
        tags: Prop[list[str] | None] = prop(default=None)
        owner: Prop[str | None] = prop(default=None, hidden=True)

        class Meta:
            data_source = source

    source.auto_update()
    Note.create([{"text": "a", "owner": "me"}, {"text": "b", "owner": "you"}])
    return Note


@contextmanager
def hearing(model: Any) -> Iterator[list[Any]]:
    """A list of what the signals of a model's records say."""
    heard: list[Any] = []

    def saved(sender: Any, instance: Any, created: bool) -> None:
        heard.append(instance)

    def others(sender: Any, count: int, **given: Any) -> None:
        heard.append(count)

    with (
        record_saved.connected_to(saved, model),
        records_updated.connected_to(others, model),
        records_deleted.connected_to(others, model),
    ):
        yield heard


# Which records


def test_a_record_is_not_another_one_where_only_fields_are_asked_for(
    note: type[Any], make_app: Apps
) -> None:
    client = make_app(note).test_client()

    @note.observe("access")
    def only_mine(ctx: Any) -> None:
        ctx.where = {"owner": "me"}

    assert note.find_by_id(2, {"fields": ["id", "text"]}) is None
    assert note.find_by_id(1, {"fields": ["text"]}).to_record() == {"text": "a"}
    assert client.get("/api/notes/2?filter[fields]=text").status_code == 404
    assert client.get("/api/notes/1?filter[fields]=text").json == {"text": "a"}


@pytest.mark.parametrize("junk", [True, False, 0, "", '{"text": "a"}', [], ["text"], object()])
def test_what_is_no_where_is_refused_where_it_is_set(note: type[Any], junk: Any) -> None:
    """``Note.owner is "me"`` is False."""
    note.destroy_all()
    set_in: list[str] = ["narrow"]

    @note.observe("access")
    def mistake(ctx: Any) -> None:
        if set_in[0] == "narrow":
            ctx.narrow(junk)
        else:
            ctx.where = junk

    for set_in[0] in ("narrow", "where"):
        with pytest.raises(TypeError, match="a where is a dict or an expression"):
            note.find()


def test_no_query_is_refused(note: type[Any]) -> None:
    @note.observe("access")
    def mistake(ctx: Any) -> None:
        ctx.query = None

    with pytest.raises(TypeError, match="a query is a filter or a dict"):
        note.find()


# What is stored


@pytest.mark.parametrize("size", ["big", [1], {"a": 1}, True, object()])
def test_what_persist_sets_is_of_the_propertys_type(note: type[Any], size: Any) -> None:
    """A value of another type would be in the way of everybody who reads the record."""

    @note.observe("persist")
    def mistake(ctx: Any) -> None:
        ctx.data["size"] = size

    for write in (
        lambda: note.create(text="c"),
        lambda: note.upsert(id=1, text="c"),
        lambda: note.replace_by_id(1, {"text": "c"}),
        lambda: note.update_all({}, {"text": "c"}),
    ):
        with pytest.raises(TypeError, match=r"'persist'.*size"):
            write()
    assert [(each.text, each.size) for each in note.find()] == [("a", None), ("b", None)]


@pytest.mark.parametrize("way", ["set", "take out"])
def test_persist_leaves_no_null_where_none_may_be(note: type[Any], way: str) -> None:
    @note.observe("persist")
    def mistake(ctx: Any) -> None:
        if way == "set":
            ctx.data["text"] = None
        else:
            del ctx.data["text"]

    with pytest.raises(TypeError, match=r"'persist'.*text"):
        note.create(text="c")
    with pytest.raises(TypeError, match=r"'persist'.*text"):
        note.replace_by_id(1, {"text": "c"})
    assert [each.text for each in note.find()] == ["a", "b"]


@pytest.mark.parametrize("event", ["before save", "persist"])
def test_data_that_is_put_in_place_of_other_data_keeps_the_id(note: type[Any], event: str) -> None:
    @note.observe(event)
    def put(ctx: Any) -> None:
        ctx.data = {"text": "put"}

    assert note.replace_by_id(1, {"text": "c", "size": 1}).to_record() == {
        "id": 1,
        "text": "put",
        "size": None,
        "tags": None,
        "owner": None,
    }
    assert note.upsert(id=2, text="c", size=1).to_record() == {
        "id": 2,
        "text": "put",
        "size": None,
        "tags": None,
        "owner": "you",
    }
    assert note.create(text="c", size=1).id == 3
    assert [(each.id, each.text, each.size) for each in note.find()] == [
        *((1, "put", None), (2, "put", None), (3, "put", None)),
    ]


def test_persist_adds_nothing_that_the_model_does_not_keep(memory_source: DataSource) -> None:
    closed = memory_source.create_model("closed", {"name": str}, strict="validate")
    opened = memory_source.create_model("opened", {"name": str}, strict=False)
    added: list[Any] = [1]
    for model in (closed, opened):
        model.observe("persist")(lambda ctx: ctx.data.update(added=added[0]))
    with pytest.raises(TypeError, match=r"'persist'.*added"):
        closed.create(name="a")
    assert opened.create(name="a").added == 1
    added[0] = object()
    with pytest.raises(TypeError, match=r"'persist'.*added"):
        opened.create(name="b")
    assert (closed.count(), opened.count()) == (0, 1)


@pytest.mark.parametrize("way", ["mask", "take out"])
def test_what_loaded_does_to_a_hidden_property_is_not_stored_by_put(
    note: type[Any], make_app: Apps, way: str
) -> None:
    client = make_app(note).test_client()
    shown: list[bool] = [True]

    @note.observe("loaded")
    def hide(ctx: Any) -> None:
        if not shown:
            return
        if way == "mask":
            ctx.data["owner"] = "***"
        else:
            ctx.data.pop("owner", None)

    assert client.put("/api/notes/1", json={"text": "c"}).json["text"] == "c"
    assert note.replace_by_id(2, {"text": "d", "owner": "them"}).owner in ("***", None)
    shown.clear()
    assert [each.owner for each in note.find()] == ["me", "them"]


@pytest.mark.parametrize("event", ["before save", "persist"])
def test_a_record_that_an_observer_deletes_is_not_stored(note: type[Any], event: str) -> None:
    @note.observe(event)
    def delete(ctx: Any) -> None:
        note.destroy_by_id(ctx.instance.id)

    with hearing(note) as heard:
        for write in (
            lambda: note.upsert(id=1, text="c"),
            lambda: note.replace_by_id(1, {"text": "c"}),
        ):
            with pytest.raises(ModelNotFound):
                write()
    assert heard == []
    assert note.count() == 2


# Signals


def test_a_receiver_that_raises_keeps_nothing_from_others(note: type[Any]) -> None:
    heard: list[str] = []

    def receive(sender: Any, instance: Any, created: bool) -> None:
        heard.append(instance.text)
        if instance.text == "c":
            raise LookupError

    with record_saved.connected_to(receive, note), pytest.raises(LookupError):
        note.create([{"text": "c"}, {"text": "d"}, {"text": "e"}])
    assert heard == ["c", "d", "e"]
    assert note.count() == 5


def test_signals_wait_for_the_users_own_transaction(note: type[Any], source: DataSource) -> None:
    with hearing(note) as heard:
        with source.transaction():
            note.create(text="c")
            with source.transaction():
                note.update_all({}, {"size": 1})
            with suppress(LookupError), source.transaction():
                note.destroy_all()
                raise LookupError
            assert heard == []
        assert [getattr(each, "text", each) for each in heard] == ["c", 3]


def test_what_the_users_own_transaction_undoes_is_not_sent(
    note: type[Any], source: DataSource
) -> None:
    with hearing(note) as heard:
        with suppress(LookupError), source.transaction():
            note.create(text="c")
            note.update_all({}, {"size": 1})
            note.destroy_all()
            raise LookupError
        assert heard == []
        note.create(text="d")
        assert len(heard) == 1
    assert note.count() == 3


def test_transactions_of_two_sources_may_end_in_any_order(
    note: type[Any], source: DataSource, memory_source: DataSource
) -> None:
    log = memory_source.create_model("log", {"text": str})
    first, second = source.transaction(), memory_source.transaction()
    with hearing(note) as notes, hearing(log) as logs:
        first.__enter__()
        second.__enter__()
        log.create(text="a")
        note.create(text="c")
        first.__exit__(None, None, None)
        assert (len(notes), len(logs)) == (1, 0)
        log.create(text="b")
        second.__exit__(None, None, None)
        assert len(logs) == 2


def test_receivers_get_what_was_stored_whatever_became_of_the_instances(
    note: type[Any], source: DataSource
) -> None:
    @note.observe("after save")
    def change(ctx: Any) -> None:
        ctx.instance.text = "changed by an observer"

    @note.observe("after delete")
    def change_too(ctx: Any) -> None:
        ctx.instance.text = "changed by an observer"

    with hearing(note) as heard, source.transaction():
        created = note.create(text="c", tags=["t"])
        created.tags.append("changed by the caller")
    assert [(each.text, each.tags) for each in heard] == [("c", ["t"])]
    deleted: list[str] = []

    def receive(sender: Any, instance: Any, **given: Any) -> None:
        deleted.append(instance.text)

    with records_deleted.connected_to(receive, note):
        created.destroy()
    assert deleted == ["c"]


def test_a_model_whose_last_receiver_has_gone_is_as_before(
    note: type[Any], memory_source: DataSource
) -> None:
    other = memory_source.create_model("other", {"text": str})

    def receive(sender: Any, **given: Any) -> None: ...

    with hearing(other):
        with hearing(note):
            assert isinstance(note.__loop_plan__(), ObservedPlan)
        assert type(note.__loop_plan__()) is Plan
        record_saved.connect(receive, sender=note)
        del receive  # which Blinker holds weakly
        gc.collect()
        other.observe("access")(lambda ctx: None)
        assert type(note.__loop_plan__()) is Plan


def test_every_event_is_observed_inside_the_users_own_transaction(
    note: type[Any], source: DataSource
) -> None:
    seen: list[str] = []
    for event in EVENTS:
        note.observe(event)(lambda ctx: seen.append(ctx.event))
    with source.transaction():
        note.create(text="c")
    assert seen == ["before save", "persist", "loaded", "after save"]


# Threads, and what is held


def test_what_observers_of_many_threads_count_is_right(note: type[Any], source: DataSource) -> None:
    """A counter that is read and written in an observer is in the transaction of the operation."""
    tally = source.create_model("tally", {"total": int})
    source.auto_update()
    tally.create(total=0)

    @note.observe("after save")
    def add(ctx: Any) -> None:
        found = tally.find_one()
        found.patch_attributes(total=found.total + 1)
        if ctx.instance.text == "bad":
            raise LookupError

    def create(number: int) -> None:
        with suppress(LookupError):
            note.create(text="bad" if number % 4 == 0 else "good")

    with hearing(note) as heard, ThreadPoolExecutor(20) as pool:
        list(pool.map(create, range(100)))
    assert (tally.find_one().total, note.count() - 2, len(heard)) == (75, 75, 75)


def test_an_observed_model_goes_when_nobody_holds_it(memory_source: DataSource) -> None:
    def observed() -> ref[Any]:
        model = create_model("gone", {"text": str})
        model.attach_to(memory_source)
        for event in EVENTS:
            model.observe(event)(lambda ctx: ctx.instance)
        record_saved.connect_via(model)(lambda sender, **given: None)
        model.create(text="a").patch_attributes(text="b")
        model.find(fields=["text"])
        return ref(model)

    models = [observed() for _ in range(3)]
    gc.collect()
    assert [each() for each in models] == [None] * 3
