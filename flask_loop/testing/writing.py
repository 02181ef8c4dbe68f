"""Creating, changing and deleting records, one and many."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from typing import Any

import pytest

from ..errors import BadRequest, ModelNotFound, ValidationError
from .base import Action, Contract, Define, Store, exact, requires


class WritingContract(Contract):
    """Operations that write."""

    @pytest.fixture
    def books(self, define: Define) -> type[Any]:
        """Three books."""
        books = define(
            {
                "title": {"type": str, "required": True},
                "pages": {"type": int, "min": 1},
                "tags": [str],
                "data": dict,
            }
        )
        books.create(
            [
                {"id": 1, "title": "a", "pages": 10, "tags": ["x"], "data": {"n": 1}},
                {"id": 2, "title": "b", "pages": 20, "tags": ["x", "y"]},
                {"id": 3, "title": "c", "pages": 30},
            ]
        )
        return books

    def test_create_stores_one(self, books: Any) -> None:
        created = books.create({"id": 4, "title": "d"}, pages=4)
        expected = {"id": 4, "title": "d", "pages": 4, "tags": None, "data": None}
        assert created.to_record() == expected
        assert not created.is_new_record()
        assert books.find_by_id(4).to_record() == expected

    def test_create_stores_many_in_order(self, books: Any) -> None:
        created = books.create([{"id": id, "title": f"{id}"} for id in (9, 7, 8)])
        assert [each.id for each in created] == [9, 7, 8]
        assert [each.title for each in books.find(skip=3)] == ["7", "8", "9"]
        assert books.create([]) == []

    def test_create_stores_thousands(self, books: Any) -> None:
        books.create([{"id": id, "title": str(id), "pages": id} for id in range(10, 3010)])
        assert books.count() == 3003
        assert books.count({"pages": {"gt": 2000}}) == 1009

    def test_create_stores_all_or_none(self, books: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            books.create([{"id": 4, "title": "d"}, {"id": 5}, {"id": 6, "title": "f", "pages": 0}])
        assert {each.path for each in caught.value.failures} == {(1, "title"), (2, "pages")}
        assert books.count() == 3

    def test_save_creates_and_changes(self, books: Any) -> None:
        book = books(id=4, title="d")
        assert book.is_new_record()
        book.save()
        assert not book.is_new_record()
        book.title = "e"
        book.save()
        assert [each.title for each in books.find(where={"id": 4})] == ["e"]
        books.destroy_by_id(4)
        with pytest.raises(ModelNotFound):
            book.save()

    def test_patch_attributes_changes_what_is_given(self, books: Any) -> None:
        book = books.find_by_id(1)
        book.patch_attributes({"title": "A", "tags": None})
        expected = {"id": 1, "title": "A", "pages": 10, "tags": None, "data": {"n": 1}}
        assert book.to_record() == expected
        assert books.find_by_id(1).to_record() == expected
        assert books.find_by_id(2).title == "b"

    def test_patch_attributes_with_nothing_changes_nothing(self, books: Any) -> None:
        before = exact(books.find())
        books.find_by_id(1).patch_attributes({})
        books.find_by_id(1).patch_attributes({"title": "a"})
        assert exact(books.find()) == before

    def test_what_is_not_valid_changes_nothing(self, books: Any) -> None:
        before = exact(books.find())
        writes: list[Action] = [
            lambda: books.find_by_id(1).patch_attributes(pages=0),
            lambda: books.find_by_id(1).patch_attributes(title=None),
            lambda: books.replace_by_id(1, {"pages": 5}),
            lambda: books.upsert(id=1, pages=0),
            lambda: books.upsert(id=9),
            lambda: books.update_all({}, {"pages": 0}),
            lambda: books.upsert_with_where({"title": "zzz"}, {"pages": 1}),
        ]
        for write in writes:
            with pytest.raises(ValidationError):
                write()
        assert exact(books.find()) == before

    def test_replacing_unsets_what_is_not_given(self, books: Any) -> None:
        books.replace_by_id(1, {"title": "A"})
        expected = {"id": 1, "title": "A", "pages": None, "tags": None, "data": None}
        assert books.find_by_id(1).to_record() == expected
        books.find_by_id(2).replace_attributes({"title": "B", "pages": 2})
        assert books.find_by_id(2).tags is None
        with pytest.raises(ModelNotFound):
            books.replace_by_id(9, {"title": "x"})
        assert books.count() == 3

    def test_replace_or_create(self, books: Any) -> None:
        assert books.replace_or_create({"id": 1, "title": "A"}).pages is None
        assert books.replace_or_create({"id": 4, "title": "D"}).id == 4
        found = [(each.id, each.title, each.pages) for each in books.find()]
        assert found == [(1, "A", None), (2, "b", 20), (3, "c", 30), (4, "D", None)]

    def test_upsert(self, books: Any) -> None:
        assert books.upsert(id=1, title="A").pages == 10
        assert books.upsert({"id": 4, "title": "D"}).id == 4
        found = [(each.id, each.title, each.pages) for each in books.find()]
        assert found == [(1, "A", 10), (2, "b", 20), (3, "c", 30), (4, "D", None)]

    def test_upsert_with_where(self, books: Any) -> None:
        assert books.upsert_with_where({"title": "b"}, {"pages": 21}).id == 2
        created = books.upsert_with_where({"title": "d"}, {"id": 4, "title": "d"})
        assert created.id == 4
        with pytest.raises(BadRequest):
            books.upsert_with_where({"pages": {"gt": 0}}, {"pages": 1})
        assert [each.pages for each in books.find()] == [10, 21, 30, None]

    def test_find_or_create(self, books: Any) -> None:
        found, created = books.find_or_create({"where": {"title": "b"}}, {"id": 9, "title": "b"})
        assert (found.id, created) == (2, False)
        made, created = books.find_or_create({"where": {"title": "d"}}, {"id": 4, "title": "d"})
        assert (made.id, created) == (4, True)
        assert books.count() == 4

    def test_update_all_changes_what_matches(self, books: Any) -> None:
        assert books.update_all({"pages": {"gt": 10}}, {"title": "long", "data": {"n": 2}}) == 2
        found = [(each.title, each.pages, each.data) for each in books.find()]
        assert found == [("a", 10, {"n": 1}), ("long", 20, {"n": 2}), ("long", 30, {"n": 2})]

    def test_update_all_counts_what_matches_even_where_nothing_changes(self, books: Any) -> None:
        assert books.update_all({}, {"title": "same"}) == 3
        assert books.update_all({}, {"title": "same"}) == 3
        assert books.update_all({"id": 1}, {}) == 1
        assert books.update_all({"id": 9}, {"title": "x"}) == 0
        assert books.update_all({"or": []}, {"title": "x"}) == 0

    def test_update_all_of_what_the_where_looks_at(self, books: Any) -> None:
        assert books.update_all({"pages": {"lt": 25}}, {"pages": 99}) == 2
        assert [each.pages for each in books.find()] == [99, 99, 30]

    def test_update_all_and_destroy_all_take_every_where(self, books: Any) -> None:
        for where, count in (
            ({"tags": "x"}, 2),
            ({"data.n": 1}, 1),
            ({"tags": {"nin": ["y"]}}, 2),
            ({"title": {"ilike": "A"}}, 1),
            ({"title": {"regexp": "[bc]"}}, 2),
            ({"nor": [{"tags": {"exists": True}}]}, 1),
        ):
            assert books.update_all(where, {"pages": 5}) == count
            assert books.count(where) == count
        assert books.destroy_all({"tags": {"regexp": "y"}}) == 1
        assert books.destroy_all({"data.n": {"neq": 1}}) == 1
        assert [each.id for each in books.find()] == [1]

    def test_destroy(self, books: Any) -> None:
        book = books.find_by_id(1)
        assert book.destroy() == 1
        assert book.is_new_record()
        assert book.destroy() == 0
        assert books.destroy_by_id(2) == 1
        assert books.destroy_by_id(2) == 0
        assert books.destroy_by_id("no id") == 0
        assert [each.id for each in books.find()] == [3]

    def test_destroy_all(self, books: Any) -> None:
        assert books.destroy_all({"pages": {"gte": 20}}) == 2
        assert books.destroy_all({"pages": {"gte": 20}}) == 0
        assert books.destroy_all() == 1
        assert books.count() == 0

    def test_models_do_not_see_each_other(self, define: Define) -> None:
        first, second = define({"value": int}, name="first"), define({"value": int}, name="second")
        first.create(id=1, value=1)
        second.create([{"id": 1, "value": 2}, {"id": 2, "value": 2}])
        assert first.update_all({}, {"value": 3}) == 1
        assert first.destroy_all() == 1
        assert [each.value for each in second.find()] == [2, 2]

    @requires("undeclared")
    def test_undeclared_keys_are_kept_where_the_model_says_so(self, define: Define) -> None:
        things = define({"name": str}, strict=False)
        more = {"size": 5, "tags": ["a", {"b": None}], "a.b": "x", "flag": True, "nothing": None}
        things.create(id=1, name="a", **more)
        things.create([{"id": 2, "name": "b"}, {"id": 3, "other": 1.5}])
        first, second, third = things.find()
        assert exact(first) == exact({"id": 1, "name": "a", **more})
        assert exact(second) == exact({"id": 2, "name": "b"})
        assert exact(third) == exact({"id": 3, "name": None, "other": 1.5})
        assert exact(things.find_by_id(1)) == exact(first)

    @requires("undeclared")
    def test_undeclared_keys_are_changed_one_by_one(self, define: Define) -> None:
        things = define({"name": str}, strict=False)
        things.create(id=1, name="a", size=5, color="red")
        things.find_by_id(1).patch_attributes(size=6, shape="round")
        expected = {"id": 1, "name": "a", "size": 6, "color": "red", "shape": "round"}
        assert exact(things.find_by_id(1)) == exact(expected)
        assert things.update_all({"name": "a"}, {"color": None, "weight": 7}) == 1
        assert exact(things.find_by_id(1)) == exact({**expected, "color": None, "weight": 7})

    def test_undeclared_keys_are_dropped_by_default(self, store: Store) -> None:
        things = store(int, [1])
        things.create(id=2, value=2, other=3)
        things.find_by_id(1).patch_attributes(other=3)
        assert [each.to_record() for each in things.find()] == [
            {"id": 1, "value": 1},
            {"id": 2, "value": 2},
        ]
