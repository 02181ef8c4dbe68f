"""Several threads at once."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from functools import partial
from typing import Any

from ..datasource import DataSource
from ..errors import Conflict, DuplicateId, ValidationError
from .base import SHORT_TEXT, THREADS, Contract, Define, Store, at_once, requires
from .ids import GENERATED


def _errors(outcomes: list[Any]) -> list[Any]:
    return [each for each in outcomes if isinstance(each, Exception)]


def _create_named(things: type[Any], name: str, _: int) -> Any:
    return things.create(name=name)


def _find_or_create_named(things: type[Any], name: str, _: int) -> tuple[Any, bool]:
    found: tuple[Any, bool] = things.find_or_create({"where": {"name": name}}, {"name": name})
    return found


class ConcurrencyContract(Contract):
    """A source is used from several threads."""

    @requires("unique")
    def test_of_many_that_create_one_unique_value_one_wins(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": {**SHORT_TEXT, "unique": True}})
        for name in ("a", "b", "c"):
            outcomes = at_once(partial(_create_named, things, name), ValidationError)
            assert len(_errors(outcomes)) == THREADS - 1
            assert things.count({"name": name}) == 1

    @requires("unique")
    def test_of_many_that_create_one_pair_one_wins(self, define: Define) -> None:
        pair = {"pair": {"keys": ["a", "b"], "unique": True}}
        things = define({"id": GENERATED, "a": int, "b": int}, indexes=pair)
        outcomes = at_once(lambda _: things.create(a=1, b=2), ValidationError)
        assert len(_errors(outcomes)) == THREADS - 1
        assert things.count() == 1

    def test_of_many_that_create_one_id_one_wins(self, define: Define) -> None:
        things = define({"value": int})
        outcomes = at_once(lambda number: things.create(id=1, value=number), DuplicateId)
        (winner,) = [each for each in outcomes if not isinstance(each, Exception)]
        assert len(_errors(outcomes)) == THREADS - 1
        assert [each.value for each in things.find()] == [winner.value]

    @requires("inserts_unless")
    def test_find_or_create_makes_one(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        for name in ("a", "b", "c"):
            outcomes = at_once(partial(_find_or_create_named, things, name))
            assert [created for _, created in outcomes].count(True) == 1
            assert len({found.id for found, _ in outcomes}) == 1
            assert things.count({"name": name}) == 1

    def test_upsert_makes_one(self, define: Define) -> None:
        things = define({"value": int})
        outcomes = at_once(lambda number: things.upsert(id=1, value=number))
        (found,) = things.find()
        assert found.value in [each.value for each in outcomes]

    @requires("transactions")
    def test_increments_in_transactions_are_not_lost(
        self, source: DataSource, store: Store
    ) -> None:
        things = store(int, [0])

        def increment() -> None:
            with source.transaction():
                thing = things.find_by_id(1)
                thing.patch_attributes(value=thing.value + 1)

        def increment_ten_times(_: int) -> None:
            done = 0
            while done < 10:
                try:
                    increment()
                    done += 1
                except Conflict:  # a source may ask its callers to try again
                    continue

        at_once(increment_ten_times)
        assert things.find_by_id(1).value == THREADS * 10

    @requires("transactions")
    def test_no_one_sees_half_a_transaction(self, source: DataSource, store: Store) -> None:
        things = store(int, [100, 0])

        def move(_: int) -> None:
            for _ in range(20):
                with source.transaction():
                    giver, taker = things.find()
                    giver.patch_attributes(value=giver.value - 1)
                    taker.patch_attributes(value=taker.value + 1)

        def look(_: int) -> None:
            for _ in range(40):
                assert sum(each.value for each in things.find()) == 100

        at_once(lambda number: look(number) if number else move(number), threads=4)
        assert [each.value for each in things.find()] == [80, 20]

    def test_ids_are_made_once(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})

        def create(number: int) -> list[Any]:
            one_by_one = [things.create(name=str(number)).id for _ in range(5)]
            return one_by_one + [each.id for each in things.create([{"name": "x"}] * 5)]

        ids = [id for made in at_once(create) for id in made]
        assert len(set(ids)) == THREADS * 10
        assert things.count() == THREADS * 10

    def test_threads_read_and_write_side_by_side(self, define: Define) -> None:
        things = define({"value": {"type": int, "index": True}, "tags": [str]})

        def work(number: int) -> None:
            own = range(number * 100, number * 100 + 10)
            for id in own:
                things.create(id=id, value=number, tags=[str(id)])
                assert things.find_by_id(id).tags == [str(id)]
                things.update_all({"id": id}, {"tags": ["changed"]})
            mine = {"value": number}
            assert [each.id for each in things.find(where=mine, order="value")] == list(own)
            assert things.destroy_all({**mine, "id": {"gt": number * 100 + 4}}) == 5
            assert things.count(mine) == 5

        at_once(work)
        assert things.count({"tags": ["changed"]}) == THREADS * 5
