"""The signals of records: who hears of a write, when, and what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from flask_loop import DataSource, ValidationError, memory
from flask_loop.operations import ObservedPlan, Plan
from flask_loop.query import predicate
from flask_loop.signals import RECORD_SIGNALS, record_saved, records_deleted, records_updated

Heard = list[tuple[str, dict[str, Any]]]
Listen = Callable[..., Heard]


@pytest.fixture
def thing(source: DataSource) -> type[Any]:
    thing = source.create_model("thing", {"name": {"type": str, "max_length": 5}, "size": int})
    source.auto_update()
    return thing


@pytest.fixture
def listen() -> Iterator[Listen]:
    """A function that gives a list of the signals that a sender sends from now on."""
    with ExitStack() as afterwards:

        def listen(sender: Any) -> Heard:
            heard: Heard = []
            for signal in RECORD_SIGNALS:

                def receive(sender: Any, *, signal: Any = signal, **given: Any) -> None:
                    heard.append((signal.name, given))

                afterwards.enter_context(signal.connected_to(receive, sender))
            return heard

        yield listen


def names(heard: Heard) -> list[str]:
    return [name for name, _ in heard]


def test_a_record_that_is_stored(thing: type[Any], listen: Listen) -> None:
    heard = listen(thing)
    created = thing.create(name="a")
    created.patch_attributes(size=2)
    thing.replace_by_id(created.id, {"name": "b"})
    thing.create([{"name": "c"}, {"name": "d"}])
    thing.upsert_with_where({"name": "d"}, {"size": 1})
    assert names(heard) == ["record-saved"] * 6
    assert [given["created"] for _, given in heard] == [True, False, False, True, True, False]
    instances = [given["instance"] for _, given in heard]
    assert all(isinstance(each, thing) and not each.is_new_record() for each in instances)
    assert [each.to_record() for each in instances[1:3]] == [
        {"id": created.id, "name": "a", "size": 2},
        {"id": created.id, "name": "b", "size": None},
    ]


def test_records_that_are_updated_and_deleted(thing: type[Any], listen: Listen) -> None:
    thing.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    thing.observe("access")(lambda ctx: ctx.narrow({"name": {"neq": "c"}}))
    heard = listen(thing)
    assert thing.update_all({}, {"size": "3"}) == 2
    assert thing.destroy_by_id(1) == 1
    assert thing.destroy_all() == 1
    (first, updated), (second, deleted), (third, all_deleted) = heard
    assert (first, second, third) == ("records-updated", "records-deleted", "records-deleted")
    assert (updated["count"], updated["data"]) == (2, {"size": 3})
    fits = predicate(updated["where"])
    assert [fits({"id": 1, "name": name, "size": None}) for name in "abc"] == [True, True, False]
    assert (deleted["count"], deleted["instance"].name) == (1, "a")
    assert (all_deleted["count"], all_deleted["instance"]) == (1, None)


def test_nothing_written_is_nothing_sent(thing: type[Any], listen: Listen) -> None:
    heard = listen(thing)
    thing.update_all({}, {"size": 3})
    thing.destroy_by_id(1)
    thing.destroy_all()
    thing.find_or_create({"name": "a"}, {"name": "a"})
    thing.find_or_create({"name": "a"}, {"name": "a"})
    with pytest.raises(ValidationError):
        thing.create(name="toolong")
    assert names(heard) == ["record-saved"]


def test_the_sender_is_the_class(thing: type[Any], listen: Listen) -> None:
    other = thing.extend("other")
    heard = listen(other)
    assert type(thing.__loop_plan__()) is Plan
    assert isinstance(other.__loop_plan__(), ObservedPlan)
    thing.create(name="a")
    assert heard == []


def test_a_model_that_nobody_listens_to_is_as_before(thing: type[Any], listen: Listen) -> None:
    plan = thing.__loop_plan__()
    assert type(plan) is Plan
    with record_saved.connected_to(lambda sender, **given: None, thing):
        assert isinstance(thing.__loop_plan__(), ObservedPlan)
    again = thing.__loop_plan__()
    assert type(again) is Plan
    assert again.serializer is plan.serializer


def test_receivers_of_all_models_hear(thing: type[Any]) -> None:
    heard: list[Any] = []

    def receive(sender: Any, instance: Any, created: bool) -> None:
        heard.append((sender, instance.name))

    record_saved.connect(receive)
    try:
        thing.create(name="a")
    finally:
        record_saved.disconnect(receive)
    thing.create(name="b")
    assert heard == [(thing, "a")]


def test_signals_are_sent_when_the_transaction_has_ended(
    thing: type[Any], source: DataSource
) -> None:
    open_now: list[bool] = []
    order: list[str] = []
    inner: Any = source.connector

    def in_transaction() -> bool:
        return bool(inner._depth if hasattr(inner, "_depth") else inner.session.in_transaction)

    def receive(sender: Any, **given: Any) -> None:
        order.append("signal")
        open_now.append(in_transaction())

    @thing.observe("after save")
    def after(ctx: Any) -> None:
        order.append("after save")
        open_now.append(in_transaction())

    with record_saved.connected_to(receive, thing):
        for write in (
            lambda: thing.create(name="a"),
            lambda: thing.upsert(id=1, name="b"),
            lambda: thing.upsert_with_where({"name": "z"}, {"name": "c"}),
            lambda: thing.replace_or_create({"id": 1, "name": "d"}),
            lambda: thing.find_or_create({"name": "e"}, {"name": "e"}),
        ):
            order.clear()
            open_now.clear()
            write()
            assert order == ["after save", "signal"]
            assert open_now == [True, False]


def test_what_is_undone_is_not_sent(thing: type[Any], listen: Listen) -> None:
    heard = listen(thing)

    @thing.observe("after save")
    def copy(ctx: Any) -> None:
        if ctx.instance.name == "a":
            thing.create(name="b")
            with suppress(LookupError):
                thing.create([{"name": "c"}, {"name": "bad"}])
        if ctx.instance.name in ("bad", "worse"):
            thing.create(name="b")
            raise LookupError

    thing.create(name="a")
    assert [each.name for each in thing.find()] == ["a", "b"]
    assert [given["instance"].name for _, given in heard] == ["b", "a"]
    heard.clear()
    with pytest.raises(LookupError):
        thing.create(name="worse")
    assert heard == []
    assert thing.count() == 2


def test_what_another_source_stored_is_sent_though_this_one_undoes(
    thing: type[Any], listen: Listen
) -> None:
    log = memory().create_model("log", {"text": str})
    heard = listen(log)

    @thing.observe("after save")
    def fail(ctx: Any) -> None:
        log.create(text="tried")
        raise LookupError

    with pytest.raises(LookupError):
        thing.create(name="a")
    assert (log.count(), thing.count()) == (1, 0)
    assert names(heard) == ["record-saved"]


def test_a_receiver_may_write(thing: type[Any]) -> None:
    def receive(sender: Any, instance: Any, created: bool) -> None:
        if instance.name == "a":
            thing.create(name="b")

    with record_saved.connected_to(receive, thing):
        thing.create(name="a")
    assert [each.name for each in thing.find()] == ["a", "b"]


def test_a_receiver_may_be_a_coroutine(thing: type[Any]) -> None:
    heard: list[Any] = []

    async def receive(sender: Any, instance: Any, created: bool) -> None:
        await asyncio.sleep(0)
        heard.append(instance.name)

    with record_saved.connected_to(receive, thing):
        thing.create(name="a")
    assert heard == ["a"]


def test_over_rest(thing: type[Any], listen: Listen, make_app: Callable[..., Any]) -> None:
    heard = listen(thing)
    client = make_app(thing).test_client()
    client.post("/api/things", json={"name": "a"})
    client.patch("/api/things/1", json={"name": "b"})
    client.post("/api/things/update?where={}", json={"size": 1})
    client.delete("/api/things/1")
    assert names(heard) == [
        *("record-saved", "record-saved", "records-updated", "records-deleted"),
    ]


def test_the_signals_have_the_names_that_flasks_have() -> None:
    assert [each.name for each in (record_saved, records_updated, records_deleted)] == [
        *("record-saved", "records-updated", "records-deleted"),
    ]
