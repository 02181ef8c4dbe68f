"""Transactions: all of it or nothing."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any, TypeAlias

import pytest

from ..datasource import DataSource
from ..errors import DuplicateId, ValidationError
from .base import Contract, Store, exact, requires


class Abandoned(BaseException):
    """Raised to leave a block; no handler for ordinary errors may catch it."""


Abandon: TypeAlias = Callable[..., AbstractContextManager[None]]


class TransactionContract(Contract):
    """``with source.transaction()``."""

    @pytest.fixture
    def abandoned(self, source: DataSource) -> Abandon:
        """A transaction that raises at its end, and so keeps nothing."""

        @contextmanager
        def transaction(error: type[BaseException] = Abandoned) -> Iterator[None]:
            with pytest.raises(error), source.transaction():  # noqa: PT012 - it is the test's block
                yield
                raise error

        return transaction

    @requires("undoes")
    def test_a_block_that_ends_keeps_its_writes(self, source: DataSource, store: Store) -> None:
        things = store(int, [1, 2])
        with source.transaction():
            things.create(id=3, value=3)
            things.update_all({"id": 1}, {"value": 10})
            things.destroy_by_id(2)
        assert [(each.id, each.value) for each in things.find()] == [(1, 10), (3, 3)]

    @requires("undoes")
    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Abandoned])
    def test_a_block_that_raises_leaves_nothing(
        self, abandoned: Abandon, store: Store, error: type[BaseException]
    ) -> None:
        things = store(list, [["a"], ["b"]])
        before = exact(things.find())
        with abandoned(error):
            things.create([{"id": 3}, {"id": 4}])
            things.update_all({"id": 1}, {"value": ["changed"]})
            things.update_all({"id": 1}, {"value": ["again"]})
            things.destroy_by_id(2)
            things.destroy_by_id(3)
        assert exact(things.find()) == before
        assert things.create(id=3).id == 3

    @requires("undoes")
    def test_a_block_sees_its_own_writes(self, source: DataSource, store: Store) -> None:
        things = store(int, [1])
        with source.transaction():
            things.create(id=2, value=2)
            assert things.find_by_id(2).value == 2
            things.update_all({}, {"value": 5})
            assert things.count({"value": 5}) == 2
            things.destroy_all()
            assert things.find() == []
        assert things.count() == 0

    @requires("transactions")
    def test_others_do_not_see_what_is_not_kept(self, abandoned: Abandon, store: Store) -> None:
        things = store(int, [1])
        seen: list[Any] = []
        other = Thread(target=lambda: seen.append([each.value for each in things.find()]))
        with abandoned():
            things.update_all({}, {"value": 2})
            things.create(id=2, value=2)
            other.start()
            other.join(0.2)  # some sources let it wait until this block ends
        other.join()
        assert seen == [[1]]

    @requires("undoes")
    def test_a_block_is_its_threads_own(self, abandoned: Abandon, store: Store) -> None:
        things = store(int, [])
        other = Thread(target=lambda: things.create(id=2))
        with abandoned():
            things.create(id=1)
            other.start()
            other.join(0.2)
        other.join()
        assert [each.id for each in things.find()] == [2]

    @requires("undoes")
    def test_an_inner_block_is_undone_alone(
        self, source: DataSource, abandoned: Abandon, store: Store
    ) -> None:
        things = store(int, [1])
        with source.transaction():
            things.create(id=2)
            with abandoned():
                things.create(id=3)
                things.update_all({}, {"value": 9})
                assert things.count({"value": 9}) == 3
            assert [(each.id, each.value) for each in things.find()] == [(1, 1), (2, None)]
            things.create(id=4)
        assert [(each.id, each.value) for each in things.find()] == [(1, 1), (2, None), (4, None)]

    @requires("undoes")
    def test_an_inner_block_goes_with_the_outer_one(
        self, source: DataSource, abandoned: Abandon, store: Store
    ) -> None:
        things = store(int, [1])
        with abandoned():
            with source.transaction():
                things.create(id=2)
                with source.transaction():
                    things.update_all({}, {"value": 5})
            assert things.count({"value": 5}) == 2
        assert [(each.id, each.value) for each in things.find()] == [(1, 1)]

    @requires("undoes")
    def test_inner_blocks_one_after_the_other(
        self, source: DataSource, abandoned: Abandon, store: Store
    ) -> None:
        things = store(int, [])
        with source.transaction():
            for id in range(6):
                with abandoned() if id % 2 else source.transaction():
                    things.create(id=id)
        assert [each.id for each in things.find()] == [0, 2, 4]

    @requires("undoes")
    def test_a_write_that_fails_leaves_the_block_usable(
        self, source: DataSource, store: Store
    ) -> None:
        things = store({"type": int, "unique": True}, [1])
        with source.transaction():
            things.create(id=2, value=2)
            with pytest.raises(DuplicateId):
                things.create([{"id": 3}, {"id": 1}])
            with pytest.raises(ValidationError):
                things.create(id=4, value=1)
            with pytest.raises(ValidationError):
                things.create([{"id": 5, "value": 7}, {"id": 6, "value": 7}])
            assert [each.id for each in things.find()] == [1, 2]
            things.create(id=7, value=7)
        assert [(each.id, each.value) for each in things.find()] == [(1, 1), (2, 2), (7, 7)]

    @requires("undoes")
    def test_what_was_undone_may_be_written_again(self, abandoned: Abandon, store: Store) -> None:
        things = store({"type": int, "unique": True, "index": True}, [1])
        for _ in range(2):
            with abandoned():
                things.update_all({"id": 1}, {"value": 2})
                things.create(id=2, value=1)
        assert things.create(id=2, value=2).value == 2
        assert [each.value for each in things.find(order="value DESC")] == [2, 1]

    @requires("undoes")
    def test_every_operation_runs_inside_a_block(self, abandoned: Abandon, store: Store) -> None:
        things = store(int, [1])
        with abandoned():
            things.upsert(id=1, value=2)
            things.upsert(id=2, value=2)
            things.replace_or_create({"id": 3, "value": 2})
            things.upsert_with_where({"id": 4}, {"id": 4, "value": 2})
            things.find_or_create({"where": {"id": 5}}, {"id": 5, "value": 2})
            things.replace_by_id(5, {"value": 3})
            things.find_by_id(5).patch_attributes(value=2)
            things(id=6, value=2).save()
            assert things.count({"value": 2}) == 6
        assert [(each.id, each.value) for each in things.find()] == [(1, 1)]
