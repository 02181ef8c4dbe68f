"""``has_many`` and ``belongs_to`` of a record, in Python."""

from __future__ import annotations

from typing import Any

import pytest

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    HasMany,
    Model,
    ModelNotFound,
    NotAttachedError,
    Prop,
    ValidationError,
    create_model,
    memory,
    prop,
    relation,
)
from flask_loop.errors import BadRequest


class Novel(Model):
    title: Prop[str]
    parts: HasMany[NovelPart]
    long_parts: HasMany[NovelPart] = relation(
        scope={"where": {"pages": {"gt": 10}}, "order": "pages DESC"},
        properties={"pages": 11, "kind": "long"},
    )


class NovelPart(Model):
    name: Prop[str] = prop(min_length=2)
    pages: Prop[int] = prop(default=1)
    kind: Prop[str | None]
    novel: BelongsTo[Novel]


@pytest.fixture
def novel(source: DataSource) -> Novel:
    for model in (Novel, NovelPart):
        model.attach_to(source)
    source.auto_update()
    other = Novel.create(title="other")
    NovelPart.create(name="theirs", novel=other)
    return Novel.create(title="mine")


def names(records: list[NovelPart]) -> list[str]:
    return [each.name for each in records]


# Reading


def test_a_call_gives_the_records_that_hold_the_key(novel: Novel) -> None:
    novel.parts.create([{"name": "one"}, {"name": "two"}])
    assert names(novel.parts()) == ["one", "two"]
    assert all(type(each) is NovelPart for each in novel.parts())


def test_a_relation_is_iterated_over(novel: Novel) -> None:
    novel.parts.create([{"name": "one"}, {"name": "two"}])
    assert [each.name for each in novel.parts] == ["one", "two"]


def test_a_call_takes_every_part_of_a_filter(novel: Novel) -> None:
    novel.parts.create([{"name": f"part {n}", "pages": n} for n in range(6)])
    assert names(novel.parts(where={"pages": {"gt": 3}})) == ["part 4", "part 5"]
    assert names(novel.parts(where=NovelPart.pages > 4)) == ["part 5"]
    assert names(novel.parts(order="pages DESC", limit=2, skip=1)) == ["part 4", "part 3"]
    assert names(novel.parts({"where": {"pages": 1}})) == ["part 1"]
    (found,) = novel.parts({"where": {"pages": 1}}, fields=["name"])
    assert found.name == "part 1"
    with pytest.raises(AttributeError, match="was not loaded"):
        _ = found.pages


def test_a_part_that_is_given_twice_is_refused(novel: Novel) -> None:
    with pytest.raises(TypeError, match="'where' is given twice"):
        novel.parts({"where": {}}, where={"pages": 1})


def test_a_where_cannot_reach_the_records_of_others(novel: Novel) -> None:
    novel.parts.create(name="mine")
    where = {"or": [{"name": "theirs"}, {"name": "mine"}]}
    assert names(novel.parts(where=where)) == ["mine"]
    assert novel.parts.count(where) == 1
    assert novel.parts.destroy_all(where) == 1
    assert NovelPart.count() == 1


def test_find_one_gives_the_first_or_none(novel: Novel) -> None:
    novel.parts.create([{"name": "one"}, {"name": "two"}])
    found = novel.parts.find_one(order="name DESC")
    assert found is not None
    assert found.name == "two"
    assert novel.parts.find_one(NovelPart.name == "theirs") is None
    assert novel.parts.find_one({"name": "one"}) is not None


def test_find_by_id_finds_related_records_alone(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    theirs = NovelPart.find_one({"name": "theirs"})
    assert theirs is not None
    found = novel.parts.find_by_id(part.id)
    assert found is not None
    assert found.name == "one"
    assert novel.parts.find_by_id(theirs.id) is None
    assert novel.parts.find_by_id(999) is None
    assert novel.parts.find_by_id("no id") is None


def test_exists_and_in_take_a_record_or_its_id(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    theirs = NovelPart.find_one({"name": "theirs"})
    assert novel.parts.exists(part.id)
    assert novel.parts.exists(part)
    assert part in novel.parts
    assert theirs not in novel.parts
    assert not novel.parts.exists("no id")


def test_count_counts_those_that_match(novel: Novel) -> None:
    novel.parts.create([{"name": "one", "pages": 5}, {"name": "two"}])
    assert novel.parts.count() == 2
    assert novel.parts.count(NovelPart.pages > 1) == 1


def test_an_unsaved_owner_has_no_records(novel: Novel) -> None:
    NovelPart.create(name="nobody's")
    assert Novel(title="new").parts() == []
    assert Novel(title="new").parts.count() == 0
    assert Novel(title="new").parts.destroy_all() == 0
    assert NovelPart.count() == 2


def test_a_relation_has_no_truth_value(novel: Novel) -> None:
    with pytest.raises(TypeError, match=r"write parts\(\)"):
        bool(novel.parts)
    with pytest.raises(AttributeError, match=r"Novel.parts has no 'name'; parts\(\) is"):
        _ = novel.parts.name


# What came with the record


def test_what_was_included_is_given_again_until_it_is_refreshed(novel: Novel) -> None:
    novel.parts.create(name="one")
    novel.__dict__["_related"] = {"parts": []}
    assert novel.parts() == []
    assert names(novel.parts(limit=5)) == ["one"]
    assert novel.parts() == []
    assert names(novel.parts(refresh=True)) == ["one"]
    assert names(novel.parts()) == ["one"]
    novel.__dict__["_related"] = {"parts": []}
    assert names(novel.reload().parts()) == ["one"]


def test_the_list_that_was_included_is_not_handed_out(novel: Novel) -> None:
    novel.__dict__["_related"] = {"parts": []}
    novel.parts().append(NovelPart(name="x"))
    assert novel.parts() == []


@pytest.mark.parametrize(
    "write",
    [
        lambda novel, part: novel.parts.create(name="two"),
        lambda novel, part: novel.parts.update(part.id, name="new"),
        lambda novel, part: novel.parts.destroy(part.id),
        lambda novel, part: novel.parts.destroy_all(),
        lambda novel, part: novel.parts.add(part),
        lambda novel, part: novel.parts.remove(part),
    ],
)
def test_each_write_forgets_what_was_included(novel: Novel, write: Any) -> None:
    part = novel.parts.create(name="one")
    novel.__dict__["_related"] = {"parts": ["stale"]}
    write(novel, part)
    assert "stale" not in novel.parts()


# Writing


def test_create_sets_the_key_whatever_is_given(novel: Novel) -> None:
    other = Novel.find_one({"title": "other"})
    assert other is not None
    for given in ({"novel_id": other.id}, {"novelId": other.id}, {"novel": other}):
        part = novel.parts.create({"name": "one", **given})
        assert part.novel_id == novel.id
    assert novel.parts.count() == 3


def test_create_checks_the_rules_of_each_record(novel: Novel) -> None:
    with pytest.raises(ValidationError) as caught:
        novel.parts.create(name="x")
    assert [each.path for each in caught.value.failures] == [("name",)]
    with pytest.raises(ValidationError) as caught:
        novel.parts.create([{"name": "fine"}, {"name": "x"}])
    assert [each.path for each in caught.value.failures] == [(1, "name")]
    assert novel.parts.count() == 0


def test_create_of_an_unsaved_owner_says_to_save_it(novel: Novel) -> None:
    for write in (Novel(title="new").parts.create, Novel(title="new").parts.build):
        with pytest.raises(TypeError, match=r"save the Novel first: Novel.parts needs the key"):
            write(name="one")


def test_build_gives_an_unsaved_record_that_keeps_the_key(novel: Novel) -> None:
    part = novel.parts.build(name="one")
    assert part.is_new_record()
    assert novel.parts.count() == 0
    part.save()
    assert names(novel.parts()) == ["one"]


def test_create_runs_the_overrides_and_observers_of_the_other_model(novel: Novel) -> None:
    seen = []

    class WatchedPart(NovelPart):
        @classmethod
        def create(cls, data: Any = None, /, **values: Any) -> Any:
            seen.append("create")
            return super().create(data, **values)

    class WatchedNovel(Novel):
        watched: HasMany[WatchedPart]

    WatchedPart.observe("before save")(lambda ctx: seen.append("before save"))
    source = Novel.data_source
    source.auto_update()
    WatchedNovel.create(title="x").watched.create(name="one")
    assert seen == ["create", "before save"]


def test_update_changes_a_related_record_alone(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    updated = novel.parts.update(part.id, {"pages": 7})
    assert (updated.id, updated.name, updated.pages) == (part.id, "one", 7)
    theirs = NovelPart.find_one({"name": "theirs"})
    assert theirs is not None
    with pytest.raises(ModelNotFound, match=f'Unknown "NovelPart" id "{theirs.id}"'):
        novel.parts.update(theirs.id, name="stolen")
    assert theirs.reload().name == "theirs"


def test_update_cannot_move_a_record_to_another_owner(novel: Novel) -> None:
    other = Novel.find_one({"title": "other"})
    assert other is not None
    part = novel.parts.create(name="one")
    for given in ({"novel_id": other.id}, {"novelId": None}, {"novel": other}):
        with pytest.raises(BadRequest, match=r"Novel.parts: the key 'novelId' cannot be changed"):
            novel.parts.update(part.id, {"name": "moved", **given})
    assert part.reload().name == "one"
    assert novel.parts.update(part.id, novel_id=str(novel.id), name="two").name == "two"


def test_destroy_deletes_a_related_record_alone(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    theirs = NovelPart.find_one({"name": "theirs"})
    assert theirs is not None
    novel.parts.destroy(part.id)
    assert novel.parts.count() == 0
    for id in (theirs.id, part.id, "no id"):
        with pytest.raises(ModelNotFound):
            novel.parts.destroy(id)
    assert NovelPart.count() == 1


def test_destroy_all_deletes_those_that_match(novel: Novel) -> None:
    novel.parts.create([{"name": "one", "pages": 5}, {"name": "two"}])
    assert novel.parts.destroy_all(NovelPart.pages > 3) == 1
    assert names(novel.parts()) == ["two"]
    assert novel.parts.destroy_all() == 1
    assert NovelPart.count() == 1


def test_add_takes_a_record_over_and_remove_lets_it_go(novel: Novel) -> None:
    theirs = NovelPart.find_one({"name": "theirs"})
    assert theirs is not None
    assert novel.parts.add(theirs).name == "theirs"
    assert names(novel.parts()) == ["theirs"]
    assert novel.parts.remove(theirs.id) == 1
    assert novel.parts.remove(theirs.id) == 0
    assert theirs.reload().novel_id is None


def test_saving_the_record_that_was_added_or_removed_moves_nothing_back(novel: Novel) -> None:
    part = NovelPart.create(name="one")
    novel.parts.add(part)
    part.save()
    assert part in novel.parts
    novel.parts.remove(part)
    part.save()
    assert part not in novel.parts


def test_add_needs_a_record_that_is_stored(novel: Novel) -> None:
    with pytest.raises(ModelNotFound, match='Unknown "NovelPart" id "999"'):
        novel.parts.add(999)
    with pytest.raises(TypeError, match="save the NovelPart first"):
        novel.parts.add(NovelPart(name="new"))
    with pytest.raises(TypeError, match="leads to records of NovelPart"):
        novel.parts.add(novel)


def test_nothing_is_assigned_to_many(novel: Novel) -> None:
    with pytest.raises(TypeError, match=r"nothing is assigned to Novel.parts"):
        novel.parts = []


# Scopes


def test_a_scope_narrows_and_orders(novel: Novel) -> None:
    novel.parts.create([{"name": "aa", "pages": 11}, {"name": "bb", "pages": 12}, {"name": "cc"}])
    assert names(novel.long_parts()) == ["bb", "aa"]
    assert names(novel.long_parts(order="name")) == ["aa", "bb"]
    assert novel.long_parts.count() == 2
    short = novel.parts.find_one({"name": "cc"})
    assert short is not None
    assert short not in novel.long_parts
    assert novel.long_parts.find_by_id(short.id) is None
    assert novel.long_parts.destroy_all() == 2
    assert names(novel.parts()) == ["cc"]


def test_created_records_get_the_properties_of_the_relation(novel: Novel) -> None:
    part = novel.long_parts.create(name="one", kind="short")
    assert (part.pages, part.kind) == (11, "long")
    assert novel.long_parts.build(name="two").kind == "long"


def test_a_scope_that_selects_and_pages_keeps_nobody_from_writing(source: DataSource) -> None:
    Log = source.create_model("scopedLog", {"name": str})
    Line = source.create_model("scopedLine", {"text": str, "level": int})
    scope = {"fields": ["text"], "order": "level DESC", "skip": 1, "limit": 1}
    Log.has_many("lines", model=Line, scope=scope)
    source.auto_update()
    log = Log.create(name="l")
    first, *_ = log.lines.create([{"text": str(n), "level": n} for n in range(3)])
    assert [each.to_record() for each in log.lines()] == [{"text": "1"}]
    assert [each.text for each in log.lines(limit=9, skip=0)] == ["1", "0"]
    assert log.lines.find_by_id(first.id).to_record() == {"text": "0"}
    assert log.lines.update(first.id, text="new").level == 0
    log.lines.destroy(first.id)
    assert log.lines.count() == 2


# Declared otherwise


def test_relations_of_dicts_and_class_methods_have_the_same_accessors() -> None:
    store = memory()
    Shelf = create_model("wallShelf", {"name": str})
    Item = create_model(
        "shelfItem",
        {"name": str},
        {"relations": {"wallShelf": {"type": "belongsTo", "model": "wallShelf"}}},
    )
    Shelf.has_many(Item)
    for model in (Shelf, Item):
        model.attach_to(store)
    shelf = Shelf.create(name="s")
    item = shelf.shelf_items.create(name="i")
    assert [each.name for each in shelf.shelf_items()] == ["i"]
    assert item.wallShelf().name == "s"


def test_models_that_derive_have_the_relations_of_their_bases(novel: Novel) -> None:
    class ShortNovel(Novel):
        pass

    Novel.data_source.auto_update()
    short = ShortNovel.create(title="short")
    part = short.parts.create(name="one")
    assert part.novel_id == short.id
    assert part in short.parts


def test_a_key_of_several_properties_is_set_whole(source: DataSource) -> None:
    Room = source.create_model(
        "hotelRoom", {"house": {"type": str, "id": 1}, "number": {"type": int, "id": 2}}
    )
    Bed = source.create_model("hotelBed", {"name": str})
    Room.has_many("beds", model=Bed)
    Bed.belongs_to("room", model=Room, foreign_key=["hotel_room_house", "hotel_room_number"])
    source.auto_update()
    room = Room.create(house="a", number=2)
    Room.create(house="a", number=3)
    bed = room.beds.create(name="wide")
    assert (bed.hotel_room_house, bed.hotel_room_number) == ("a", 2)
    assert [each.name for each in room.beds()] == ["wide"]
    assert bed.room().number == 2
    assert Bed(name="x", room=room).hotel_room_number == 2
    with pytest.raises(BadRequest, match="'hotelRoomNumber' cannot be changed"):
        room.beds.update(bed.id, hotel_room_number=3)
    assert room.beds.remove(bed) == 1
    assert Bed.find_by_id(bed.id).room() is None


def test_models_without_a_data_source_or_that_do_not_exist_are_named() -> None:
    Pond = create_model("lostPond", {"name": str})
    Frog = create_model("lostFrog", {"name": str})
    Pond.has_many("frogs", model=Frog)
    Pond.has_many("newts", model="lostNewt")
    Pond.attach_to(memory())
    with pytest.raises(DefinitionError, match=r"lostPond.newts: .*'lostNewt'"):
        Pond.create(name="p")
    Newt = create_model("lostNewt", {"name": str})
    pond = Pond.create(name="p")
    calls = [pond.frogs, pond.frogs.create, lambda: pond.frogs.update(1), pond.newts.count]
    for call in (*calls, lambda: Newt.create(name="n")):
        with pytest.raises(NotAttachedError, match=r"lost(Frog|Newt)\.attach_to\(source\)"):
            call()


# belongs_to


def test_belongs_to_gives_the_record_whose_key_it_holds(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    found = part.novel()
    assert found is not None
    assert (type(found), found.id) == (Novel, novel.id)
    assert NovelPart(name="x").novel() is None
    assert NovelPart(name="x", novel_id=999).novel() is None


def test_belongs_to_takes_fields(novel: Novel) -> None:
    found = novel.parts.create(name="one").novel(fields=["title"])
    assert found is not None
    assert found.to_record() == {"title": "mine"}


def test_assigning_a_record_sets_the_key(novel: Novel) -> None:
    part = NovelPart.create(name="one")
    part.novel = novel
    assert part.novel_id == novel.id
    part.save()
    assert names(novel.parts()) == ["one"]
    part.novel = None
    part.save()
    assert novel.parts() == []


def test_a_record_is_given_in_the_place_of_its_key(novel: Novel) -> None:
    assert NovelPart(name="one", novel=novel).novel_id == novel.id
    part = NovelPart.create({"name": "one", "novel": novel})
    assert part.novel_id == novel.id
    part.patch_attributes(novel=None)
    assert part.reload().novel() is None
    part.patch_attributes(novel=novel)
    assert part.reload().novel() is not None
    assert NovelPart.create([{"name": "many", "novel": novel}])[0].novel() is not None
    with pytest.raises(TypeError, match="both 'novel' and its key 'novel_id' are given"):
        NovelPart(name="one", novel=novel, novel_id=novel.id + 1)


def test_what_is_assigned_is_a_saved_record_of_the_model(novel: Novel) -> None:
    part = NovelPart(name="one")
    with pytest.raises(TypeError, match="save the Novel first"):
        part.novel = Novel(title="new")
    with pytest.raises(TypeError, match=r"NovelPart.novel is a record of Novel, not"):
        part.novel = NovelPart(name="two")
    with pytest.raises(TypeError, match="save the Novel first"):
        NovelPart(name="one", novel=Novel(title="new"))


def test_what_was_included_is_read_again_where_the_key_is_another(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    NovelPart.include([part], "novel")
    included = part.novel()
    assert part.novel() is included
    assert part.novel(refresh=True) is not included
    NovelPart.include([part], "novel")
    part.novel_id = Novel.create(title="third").id
    found = part.novel()
    assert found is not None
    assert found.title == "third"


def test_create_of_belongs_to_stores_the_key(novel: Novel) -> None:
    part = NovelPart.create(name="one")
    created = part.novel.create(title="new")
    assert part.novel_id == created.id
    assert names(created.parts()) == ["one"]


def test_create_of_belongs_to_gives_the_key_to_an_unsaved_record(novel: Novel) -> None:
    part = NovelPart(name="one")
    created = part.novel.create(title="new")
    assert part.is_new_record()
    part.save()
    assert names(created.parts()) == ["one"]


def test_create_of_belongs_to_stores_nothing_where_the_key_cannot_be(novel: Novel) -> None:
    part = NovelPart.create(name="one")
    NovelPart.destroy_all({"name": "one"})
    before = Novel.count()
    with pytest.raises(ModelNotFound):
        part.novel.create(title="new")
    assert Novel.count() == before


def test_update_of_belongs_to_changes_the_record(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    assert part.novel.update(title="renamed").title == "renamed"
    assert novel.reload().title == "renamed"
    with pytest.raises(ModelNotFound, match=r"NovelPart.novel leads to no record"):
        NovelPart.create(name="two").novel.update(title="x")


def test_destroy_of_belongs_to_deletes_the_record_and_takes_the_key(novel: Novel) -> None:
    part = novel.parts.create(name="one")
    part.novel.destroy()
    assert part.novel_id is None
    assert part.reload().novel_id is None
    assert Novel.find_by_id(novel.id) is None
    with pytest.raises(ModelNotFound):
        part.novel.destroy()


def test_the_models_may_be_on_different_data_sources() -> None:
    here, there = memory(), memory()
    Farm = here.create_model("hillFarm", {"name": str})
    Cow = there.create_model("hillCow", {"name": str})
    Farm.has_many("cows", model=Cow)
    Cow.belongs_to("farm", model=Farm, foreign_key="hill_farm_id")
    farm = Farm.create(name="f")
    cow = farm.cows.create(name="c")
    assert cow.farm().name == "f"
    lone = Cow.create(name="lone")
    lone.farm.create(name="new")
    assert lone.reload().farm().name == "new"


# Expressions


def test_relations_are_expressions_on_the_class(novel: Novel) -> None:
    assert (NovelPart.novel.title == "x").tree == {"novel.title": {"eq": "x"}}
    some = Novel.parts.some(NovelPart.pages > 3)
    assert some.tree == {"parts": {"some": {"pages": {"gt": 3}}}}
    assert Novel.parts.none().tree == {"parts": {"none": {}}}
    every = NovelPart.novel.parts.every({"pages": 1})
    assert every.tree == {"novel.parts": {"every": {"pages": 1}}}
    with pytest.raises(AttributeError, match="Novel has neither a property nor a relation 'titel'"):
        _ = NovelPart.novel.titel
    with pytest.raises(TypeError, match=r"parts.some\(\) takes a where, not 3"):
        Novel.parts.some(3)


def test_expressions_of_relations_find_records(novel: Novel) -> None:
    novel.parts.create([{"name": "one", "pages": 20}, {"name": "two"}])
    assert Novel.find(where=Novel.parts.some(NovelPart.pages > 10))[0].id == novel.id
    assert Novel.count(Novel.parts.none(NovelPart.pages > 10)) == 1
    assert names(NovelPart.find(where=NovelPart.novel.title == "other")) == ["theirs"]
