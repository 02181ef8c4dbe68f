"""What becomes of records when those that they name are deleted, and keys that name none."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from typing import Any

import pytest

from ..datasource import DataSource
from ..errors import Conflict, ValidationError
from .base import Action, Contract, Define

BOTH = pytest.mark.parametrize("constraint", [False, True], ids=["plain", "constraint"])


class DependentContract(Contract):
    """``on_delete``, whether the database does it or Flask-Loop."""

    @pytest.fixture
    def shelf(self, source: DataSource, define: Define) -> Any:
        """A function that stores two shelves, with books on them by a relation with options.

        Shelf 1 has the books 1 and 2, shelf 2 has book 3, and book 4 is on none.
        """

        def make(**options: Any) -> tuple[Any, Any]:
            shelves = define({"name": str}, name="shelf")
            books = define({"title": str}, name="shelved")
            shelves.has_many("books", model=books, foreign_key="shelf_id", **options)
            source.auto_update()
            shelves.create([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
            places = [1, 1, 2, None]
            books.create([{"id": id, "shelf_id": on} for id, on in enumerate(places, 1)])
            return shelves, books

        return make

    @BOTH
    def test_cascade_deletes_the_records_that_name_it(self, shelf: Any, constraint: bool) -> None:
        shelves, books = shelf(on_delete="cascade", constraint=constraint)
        assert shelves.destroy_by_id(1) == 1
        assert [each.id for each in shelves.find()] == [2]
        assert [each.id for each in books.find()] == [3, 4]

    @BOTH
    def test_set_null_takes_the_key_out(self, shelf: Any, constraint: bool) -> None:
        shelves, books = shelf(on_delete="set_null", constraint=constraint)
        assert shelves.destroy_all({"name": "a"}) == 1
        assert [each.shelf_id for each in books.find()] == [None, None, 2, None]

    @BOTH
    def test_restrict_refuses_and_changes_nothing(self, shelf: Any, constraint: bool) -> None:
        shelves, books = shelf(on_delete="restrict", constraint=constraint)
        for delete in (lambda: shelves.destroy_by_id(1), shelves.destroy_all):
            with pytest.raises(Conflict) as refused:
                delete()
            assert refused.value.code == 409
            assert refused.value.error_code == "RESTRICTED"
        assert "2" in str(_refusal(lambda: shelves.destroy_by_id(1)))
        assert "shelf.books" in str(_refusal(lambda: shelves.destroy_by_id(1)))
        assert shelves.count() == 2
        assert books.count({"shelf_id": {"neq": None}}) == 3
        books.destroy_all({"shelf_id": 1})
        assert shelves.destroy_by_id(1) == 1

    def test_without_on_delete_they_stay_as_they_are(self, shelf: Any) -> None:
        shelves, books = shelf()
        shelves.destroy_by_id(1)
        assert [each.shelf_id for each in books.find()] == [1, 1, 2, None]

    @BOTH
    def test_records_that_nobody_names_are_deleted_alone(
        self, shelf: Any, constraint: bool
    ) -> None:
        shelves, books = shelf(on_delete="cascade", constraint=constraint)
        shelves.create({"id": 3})
        assert shelves.destroy_by_id(3) == 1
        assert shelves.destroy_by_id(99) == 0
        assert (shelves.count(), books.count()) == (2, 4)

    @BOTH
    def test_many_at_once_are_followed(self, shelf: Any, constraint: bool) -> None:
        shelves, books = shelf(on_delete="cascade", constraint=constraint)
        shelves.create([{"id": id, "name": "many"} for id in range(10, 1300)])
        books.create([{"id": id, "shelf_id": id} for id in range(10, 1300)])
        assert shelves.destroy_all({"name": "many"}) == 1290
        assert [each.id for each in books.find()] == [1, 2, 3, 4]

    @BOTH
    def test_cascades_go_on(self, source: DataSource, define: Define, constraint: bool) -> None:
        first, second, third = (define({"value": int}, name=f"level{n}") for n in (1, 2, 3))
        options = {"on_delete": "cascade", "constraint": constraint}
        first.has_many("inner", model=second, foreign_key="outer_id", **options)
        second.has_many("inner", model=third, foreign_key="outer_id", **options)
        source.auto_update()
        for model in (first, second, third):
            model.create([{"id": 1}, {"id": 2}])
        for model in (second, third):
            for id in (1, 2):
                model.update_all({"id": id}, {"outer_id": id})
        first.find_by_id(1).destroy()
        for model in (first, second, third):
            assert [each.id for each in model.find()] == [2]

    @BOTH
    def test_a_restriction_below_refuses_the_whole(
        self, source: DataSource, define: Define, constraint: bool
    ) -> None:
        first, second, third = (define({"value": int}, name=f"floor{n}") for n in (1, 2, 3))
        first.has_many(
            "inner",
            model=second,
            foreign_key="outer_id",
            on_delete="cascade",
            constraint=constraint,
        )
        second.has_many(
            "inner",
            model=third,
            foreign_key="outer_id",
            on_delete="restrict",
            constraint=constraint,
        )
        source.auto_update()
        first.create([{"id": 1}, {"id": 2}])
        second.create([{"id": 1, "outer_id": 1}, {"id": 2, "outer_id": 2}])
        third.create({"id": 1, "outer_id": 1})
        assert _refusal(lambda: first.destroy_by_id(1)).error_code == "RESTRICTED"
        assert (first.count(), second.count(), third.count()) == (2, 2, 1)
        assert first.destroy_by_id(2) == 1
        assert (first.count(), second.count(), third.count()) == (1, 1, 1)

    def test_a_tree_goes_with_its_root(self, source: DataSource, define: Define) -> None:
        nodes = define({"name": str}, name="node")
        nodes.belongs_to("parent", model=nodes, on_delete="cascade")
        source.auto_update()
        parents = {1: None, 2: 1, 3: 2, 4: 3, 5: None, 6: 5}
        for id, parent in parents.items():
            nodes.create({"id": id, "parent_id": parent})
        assert nodes.destroy_by_id(1) == 1
        assert [each.id for each in nodes.find()] == [5, 6]

    def test_a_circle_goes_whole(self, source: DataSource, define: Define) -> None:
        nodes = define({"name": str}, name="ring")
        nodes.belongs_to("parent", model=nodes, on_delete="cascade")
        source.auto_update()
        nodes.create([{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4, "parent_id": 4}, {"id": 5}])
        for id, parent in {1: 3, 2: 1, 3: 2}.items():
            nodes.update_all({"id": id}, {"parent_id": parent})
        assert nodes.destroy_by_id(2) == 1
        assert [each.id for each in nodes.find()] == [4, 5]
        assert nodes.destroy_by_id(4) == 1
        assert [each.id for each in nodes.find()] == [5]

    @BOTH
    def test_what_goes_too_holds_on_to_nothing(
        self, source: DataSource, define: Define, constraint: bool
    ) -> None:
        nodes = define({"name": str}, name="branch")
        nodes.belongs_to("parent", model=nodes, on_delete="restrict", constraint=constraint)
        source.auto_update()
        for id, parent in {1: None, 2: 1, 3: 2}.items():
            nodes.create({"id": id, "parent_id": parent})
        assert _refusal(lambda: nodes.destroy_by_id(1)).error_code == "RESTRICTED"
        assert nodes.destroy_all() == 3

    def test_a_where_may_look_at_what_goes(self, shelf: Any) -> None:
        shelves, books = shelf(on_delete="cascade")
        books.update_all({"id": 1}, {"title": "old"})
        assert shelves.destroy_all({"books.title": "old"}) == 1
        assert [each.id for each in shelves.find()] == [2]
        assert [each.id for each in books.find()] == [3, 4]

    @pytest.mark.parametrize("observed", [False, True], ids=["unobserved", "observed"])
    @BOTH
    def test_observers_change_nothing_of_it(
        self, shelf: Any, constraint: bool, observed: bool
    ) -> None:
        shelves, books = shelf(on_delete="cascade", constraint=constraint)
        seen: list[Any] = []
        if observed:
            books.observe("before delete")(lambda ctx: seen.append(ctx.event))
            books.observe("after delete")(lambda ctx: seen.append(ctx.count))
        shelves.destroy_by_id(1)
        assert seen == (["before delete", 2] if observed else [])
        assert [each.id for each in books.find()] == [3, 4]

    def test_a_key_must_name_a_record(self, shelf: Any) -> None:
        _, books = shelf(on_delete="cascade", constraint=True)
        writes: list[Action] = [
            lambda: books.create({"id": 9, "shelf_id": 99}),
            lambda: books.create([{"id": 9, "shelf_id": 1}, {"id": 10, "shelf_id": 99}]),
            lambda: books.find_by_id(1).patch_attributes(shelf_id=99),
            lambda: books.replace_by_id(1, {"shelf_id": 99}),
            lambda: books.update_all({}, {"shelf_id": 99}),
        ]
        for write in writes:
            with pytest.raises(ValidationError) as refused:
                write()
            assert {(each.path[-1], each.code) for each in refused.value.failures} == {
                ("shelf_id", "relation")
            }
        assert [each.shelf_id for each in books.find()] == [1, 1, 2, None]
        assert books.create({"id": 9, "shelf_id": None}).shelf_id is None
        assert books.find_by_id(9).patch_attributes(shelf_id=2).shelf_id == 2


def _refusal(delete: Any) -> Conflict:
    with pytest.raises(Conflict) as refused:
        delete()
    return refused.value
