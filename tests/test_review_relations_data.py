"""Relations where their parts meet: what is in memory, told by databases, or asked for twice."""

from __future__ import annotations

from collections.abc import Iterator
from time import thread_time
from typing import Any

import pytest

from flask_loop import DataSource, create_data_source, create_model, memory
from flask_loop.errors import DefinitionError


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    made = new_source(request.param)
    yield made
    made.close()


def new_source(kind: str) -> DataSource:
    return memory() if kind == "memory" else create_data_source(connector=kind, url="sqlite://")


def shops(source: DataSource, **options: Any) -> tuple[Any, Any]:
    """Shops with wares, two and three of them; the wares of the first shop are the first three."""
    shop = source.create_model("MetShop", {"name": str})
    ware = source.create_model("MetWare", {"name": str, "price": int})
    shop.has_many("wares", model=ware, foreign_key="shop_id", **options)
    ware.belongs_to("shop", model=shop)
    source.auto_update()
    shop.create([{"name": "a"}, {"name": "b"}])
    ware.create([{"price": price, "shop_id": 1} for price in (1, 2, 3)])
    return shop, ware


class TestAnOrderThatIsAskedFor:
    """An order by the id is one, though it is the order that there is without."""

    def test_goes_before_that_of_the_relations_scope(self, source: DataSource) -> None:
        shop, _ = shops(source, scope={"order": "price DESC"})
        wares = shop.find_by_id(1).wares
        assert [each.price for each in wares()] == [3, 2, 1]
        assert [each.price for each in wares(order="id")] == [1, 2, 3]
        assert [each.price for each in wares({"order": "id ASC", "limit": 1})] == [1]

    def test_goes_before_that_of_the_default_scope(self, source: DataSource) -> None:
        ranked = source.create_model("MetRanked", {"n": int}, scope={"order": "n DESC"})
        source.auto_update()
        ranked.create([{"n": 1}, {"n": 3}, {"n": 2}])
        assert [each.n for each in ranked.find()] == [3, 2, 1]
        assert [each.n for each in ranked.find(order="id")] == [1, 3, 2]
        assert [each.n for each in ranked.find(order="id", limit=1)] == [1]

    def test_goes_before_that_of_a_list_of_keys(self, source: DataSource) -> None:
        shop, ware = shops(source)
        shop.references_many("best", model=ware)
        source.auto_update()
        first = shop.find_by_id(1)
        first.patch_attributes(best_ids=[3, 1])
        by_id = {"relation": "best", "scope": {"order": "id"}}
        assert [each.id for each in first.best()] == [3, 1]
        assert [each.id for each in first.best(order="id")] == [1, 3]
        assert [each.id for each in shop.find(include=by_id)[0].best()] == [1, 3]
        assert [each.id for each in shop.find(include="best")[0].best()] == [3, 1]

    @pytest.mark.parametrize(("order", "ids"), [("id", [1, 2]), ("id DESC", [2, 1])])
    def test_goes_before_that_of_a_list_of_embedded_records(
        self, source: DataSource, order: str, ids: list[int]
    ) -> None:
        note = source.create_model("MetNote", {"text": str})
        holder = source.create_model("MetHolder", {"name": str})
        holder.embeds_many("notes", model=note)
        source.auto_update()
        held = holder.create({"name": "h", "_notes": [{"id": 2}, {"id": 1}]})
        assert [each.id for each in held.notes()] == [2, 1]
        assert [each.id for each in held.notes(order=order)] == ids
        found = holder.find(include={"relation": "notes", "scope": {"order": order}})[0]
        assert [each["id"] for each in found.to_dict()["notes"]] == ids


class TestTheRecordThatCameWithAKey:
    def test_is_given_without_a_query_whatever_fields_came(self, source: DataSource) -> None:
        _, ware = shops(source)
        named = {"relation": "shop", "scope": {"fields": ["name"]}}
        for fields in (None, ["price"]):
            found = ware.find(fields=fields, include=named)[0]
            assert found.shop() is found.shop()
            assert found.shop().to_dict() == {"name": "a"}

    def test_is_read_again_where_there_was_none_and_the_key_is_set(
        self, source: DataSource
    ) -> None:
        _, ware = shops(source)
        ware.create(price=4)
        found = ware.find_by_id(4, {"include": "shop"})
        assert found.shop() is None
        found.shop_id = 2
        assert found.shop().name == "b"

    def test_is_none_once_the_key_is_taken_away(self, source: DataSource) -> None:
        _, ware = shops(source)
        found = ware.find_by_id(1, {"include": "shop"})
        found.patch_attributes(shop_id=None)
        assert found.shop() is None
        assert "shop" not in found.to_dict()

    def test_is_not_shown_beside_another_key(self, source: DataSource) -> None:
        _, ware = shops(source)
        found = ware.find_by_id(1, {"include": "shop"})
        assert found.to_dict()["shop"] == {"name": "a", "id": 1}
        found.patch_attributes(shop_id=2)
        assert "shop" not in found.to_dict()
        assert found.shop().name == "b"


class TestDeletingByADatabase:
    """A database does not count the records that go because of others."""

    def tree(self, source: DataSource, **options: Any) -> Any:
        node = source.create_model("MetNode", {"id": {"type": int, "id": True}, "name": str})
        node.belongs_to("parent", model=node, on_delete="cascade", **options)
        source.auto_migrate(drop=True)
        node.create([{"id": 1}, {"id": 2, "parent_id": 1}, {"id": 3, "parent_id": 2}, {"id": 4}])
        return node

    @pytest.mark.parametrize("is_kept", [False, True])
    def test_all_that_match_are_counted(self, source: DataSource, is_kept: bool) -> None:
        node = self.tree(source, constraint=is_kept)
        assert node.destroy_all({"id": {"inq": [1, 2, 3]}}) == 3
        assert [each.id for each in node.find()] == [4]

    def test_all_that_match_are_counted_where_a_relation_is_kept_by_both(
        self, source: DataSource
    ) -> None:
        node = self.tree(source)
        node.belongs_to("other", model=node, on_delete="cascade", constraint=True)
        source.auto_update()
        node.find_by_id(4).patch_attributes(other_id=3)
        node.find_by_id(3).patch_attributes(other_id=4)
        assert node.destroy_all({"id": {"inq": [3, 4]}}) == 2
        assert [each.id for each in node.find()] == [1, 2]

    def test_what_is_done_elsewhere_is_undone_where_an_observer_raises(
        self, source: DataSource
    ) -> None:
        other = memory()
        shop = source.create_model("MetFar", {"name": str})
        ware = other.create_model("MetNear", {"name": str})
        shop.has_many("wares", model=ware, foreign_key="shop_id", on_delete="set_null")
        source.auto_update()
        shop.create(name="a").wares.create(name="w")

        @shop.observe("after delete")
        def refuse(ctx: Any) -> None:
            raise RuntimeError("no")

        for delete in (shop.destroy_all, lambda: shop.destroy_by_id(1)):
            with pytest.raises(RuntimeError):
                delete()
            assert (shop.count(), ware.find()[0].shop_id) == (1, 1)


class TestKeysThatNeverFit:
    def test_a_key_of_another_type_is_refused(self, source: DataSource) -> None:
        shop = source.create_model("MetTyped", {"name": str})
        ware = source.create_model("MetMistyped", {"shop_id": str})
        shop.has_many("wares", model=ware, foreign_key="shop_id")
        with pytest.raises(DefinitionError, match=r"MetMistyped.shop_id is a String and never"):
            shop.find()

    def test_a_list_of_keys_of_another_type_is_refused(self, source: DataSource) -> None:
        shop = source.create_model("MetListed", {"name": str})
        owner = source.create_model("MetListing", {"shop_ids": [str]})
        owner.references_many("shops", model=shop)
        with pytest.raises(DefinitionError, match=r"MetListing.shop_ids is a String and never"):
            owner.find()

    def test_a_row_between_that_names_records_by_something_else_is_refused(
        self, source: DataSource
    ) -> None:
        left = source.create_model("MetLeft", {"name": str})
        right = source.create_model("MetRight", {"number": int})
        rows = source.create_model("MetRow", {"note": str})
        rows.belongs_to("left", model=left)
        rows.belongs_to("right", model=right, primary_key="number")
        left.has_many("rights", model=right, through=rows)
        with pytest.raises(DefinitionError, match=r"names a MetRight by number, and not by id"):
            left.find()


class TestKeysOfSeveralProperties:
    @pytest.fixture
    def halls(self, source: DataSource) -> tuple[Any, Any]:
        hall = source.create_model(
            "MetHall", {"x": {"type": int, "id": 1}, "y": {"type": str, "id": 2}, "name": str}
        )
        seat = source.create_model("MetSeat", {"n": int})
        seat.belongs_to("hall", model=hall, foreign_key=["hall_x", "hall_y"])
        hall.has_many("seats", model=seat, foreign_key=["hall_x", "hall_y"])
        source.auto_update()
        return hall, seat

    def test_some_of_the_values_are_not_enough(self, halls: tuple[Any, Any]) -> None:
        hall, seat = halls
        hall.create([{"x": x, "y": y, "name": f"{x}{y}"} for x in (1, 2) for y in "ab"])
        keys = [(1, "a"), (2, "b"), (2, "a"), (1, None), (None, "a"), (3, "a")]
        seat.create([{"hall_x": x, "hall_y": y} for x, y in keys])
        named = [None if (found := each.hall()) is None else found.name for each in seat.find()]
        assert named == ["1a", "2b", "2a", None, None, None]
        included = seat.find(include="hall")
        assert [each.to_dict().get("hall", {}).get("name") for each in included] == named
        seats = {each.name: [s.id for s in each.seats()] for each in hall.find(include="seats")}
        assert seats == {"1a": [1], "1b": [], "2a": [3], "2b": [2]}
        assert seat.count({"hall.name": {"inq": ["1a", "2b"]}}) == 2
        assert [each.name for each in hall.find(where={"seats": {"none": {}}})] == ["1b"]

    def test_many_keys_take_no_time_for_each_pair(self, halls: tuple[Any, Any]) -> None:
        hall, seat = halls
        count = 4000
        hall.create([{"x": x, "y": str(x % 3)} for x in range(count)])
        seat.create([{"hall_x": x, "hall_y": str(x % 3), "n": x} for x in range(count)])
        start = thread_time()
        assert all(each.seats()[0].n == each.x for each in hall.find(include="seats"))
        assert all(each.hall().x == each.n for each in seat.find(include="hall"))
        assert seat.count({"hall.y": "1"}) == 1333
        # It took half a minute where each record was compared with each key.
        assert thread_time() - start < 5


def test_what_loopbacks_generator_leaves_blank_is_not_given(source: DataSource) -> None:
    items = {"type": "hasMany", "model": "MetItem"}
    blank = {"foreignKey": "", "primaryKey": "", "through": ""}
    shelf = create_model({"name": "MetShelf", "relations": {"items": items | blank}})
    item = create_model({"name": "MetItem", "properties": {"title": "string"}})
    for each in (shelf, item):
        each.attach_to(source)
    source.auto_update()
    shelf.create().items.create(title="t")
    assert item.find()[0].to_dict() == {"title": "t", "id": 1, "metShelfId": 1}
