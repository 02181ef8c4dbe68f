"""``embeds_many`` and ``embeds_one``, in Python."""

from __future__ import annotations

from typing import Any

import pytest

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    EmbedsMany,
    EmbedsOne,
    FilterError,
    Model,
    ModelNotFound,
    Prop,
    ValidationError,
    create_model,
    memory,
    prop,
    relation,
)
from flask_loop.errors import BadRequest


class Sailor(Model):
    name: Prop[str]
    phones: EmbedsMany[SailorPhone]
    home_phones: EmbedsMany[SailorPhone] = relation(
        property="_phones", scope={"where": {"kind": "home"}}, properties={"kind": "home"}
    )
    berth: EmbedsOne[SailorBerth]


class SailorPhone(Model):
    number: Prop[str] = prop(min_length=3)
    kind: Prop[str | None]
    owner: BelongsTo[Sailor]


class SailorBerth(Model):
    deck: Prop[int] = prop(min=1)
    side: Prop[str] = prop(default="port")


@pytest.fixture
def sailor(source: DataSource) -> Sailor:
    Sailor.attach_to(source)
    source.auto_update()
    return Sailor.create(name="s")


def numbers(records: list[SailorPhone]) -> list[str]:
    return [each.number for each in records]


def ids(records: Any) -> list[Any]:
    return [each.id for each in records]


# Many


def test_create_stores_records_inside_the_owner(sailor: Sailor) -> None:
    phone = sailor.phones.create(number="111")
    assert type(phone) is SailorPhone
    assert numbers(sailor.phones()) == ["111"]
    stored = Sailor.find_by_id(sailor.id)
    assert stored is not None
    assert numbers(stored.phones()) == ["111"]
    assert stored.to_dict()["_phones"][0]["number"] == "111"


def test_ids_are_made_as_the_greatest_plus_one(sailor: Sailor) -> None:
    assert ids(sailor.phones.create([{"number": "111"}, {"number": "222"}])) == [1, 2]
    sailor.phones.create(id=7, number="777")
    sailor.phones.destroy(1)
    assert ids([sailor.phones.create(number="888")]) == [8]
    assert ids(sailor.phones()) == [2, 7, 8]


def test_ids_with_a_default_are_made_by_it() -> None:
    Badge = create_model("sailorBadge", {"id": {"type": str, "id": True, "defaultFn": "uuid"}})
    Cadet = memory().create_model("sailorCadet", {"name": str})
    Cadet.embeds_many("badges", model=Badge)
    first, second = Cadet.create(name="c").badges.create([{}, {}])
    assert len(first.id) == len(second.id) == 36
    assert first.id != second.id


def test_records_that_were_stored_without_an_id_get_one_with_the_next_write(
    sailor: Sailor,
) -> None:
    sailor.patch_attributes({"_phones": [{"number": "111"}, {"id": 4, "number": "222"}]})
    sailor.phones.create(number="333")
    assert ids(sailor.phones()) == [5, 4, 6]


def test_two_records_with_the_same_id_are_refused(sailor: Sailor) -> None:
    sailor.phones.create(id=1, number="111")
    with pytest.raises(ValidationError) as caught:
        sailor.phones.create(id="1", number="222")
    assert [(each.path, each.code) for each in caught.value.failures] == [
        (("_phones", 1, "id"), "uniqueness")
    ]
    assert numbers(sailor.phones()) == ["111"]


def test_the_rules_of_the_records_are_checked_with_their_place(sailor: Sailor) -> None:
    sailor.phones.create(number="111")
    with pytest.raises(ValidationError) as caught:
        sailor.phones.create([{"number": "222"}, {"number": "x"}])
    assert [each.path for each in caught.value.failures] == [("_phones", 2, "number")]
    with pytest.raises(ValidationError) as caught:
        sailor.phones.update(1, number="x")
    assert [each.path for each in caught.value.failures] == [("_phones", 0, "number")]
    stored = Sailor.find_by_id(sailor.id)
    assert stored is not None
    assert numbers(stored.phones()) == numbers(sailor.phones()) == ["111"]


def test_they_are_found_by_filters_in_the_order_of_the_list(sailor: Sailor) -> None:
    sailor.phones.create(
        [{"id": 3, "number": "333"}, {"id": 1, "number": "111"}, {"id": 2, "number": "222"}]
    )
    assert numbers(sailor.phones()) == ["333", "111", "222"]
    assert numbers(sailor.phones(where=SailorPhone.number > "111")) == ["333", "222"]
    assert numbers(sailor.phones(order="number DESC", limit=2, skip=1)) == ["222", "111"]
    assert numbers(sailor.phones(skip=1, limit=1)) == ["111"]
    assert sailor.phones.count({"number": {"neq": "111"}}) == 2
    (found, *_) = sailor.phones(fields=["number"])
    assert found.to_record() == {"number": "333"}
    one = sailor.phones.find_one(order="number")
    assert one is not None
    assert one.number == "111"


def test_find_by_id_and_exists(sailor: Sailor) -> None:
    phone = sailor.phones.create(number="111")
    found = sailor.phones.find_by_id("1")
    assert found is not None
    assert found.number == "111"
    assert phone in sailor.phones
    assert sailor.phones.exists(1)
    for id in (2, "no id"):
        assert sailor.phones.find_by_id(id) is None
        assert not sailor.phones.exists(id)


def test_update_changes_one_and_keeps_the_rest(sailor: Sailor) -> None:
    sailor.phones.create([{"number": "111", "kind": "home"}, {"number": "222"}])
    updated = sailor.phones.update(1, number="999")
    assert (updated.number, updated.kind) == ("999", "home")
    assert numbers(sailor.reload().phones()) == ["999", "222"]
    with pytest.raises(ModelNotFound, match='Unknown "SailorPhone" id "9"'):
        sailor.phones.update(9, number="000")
    with pytest.raises(BadRequest, match=r"SailorPhone id property \(id\) cannot be updated"):
        sailor.phones.update(1, id=5)
    assert sailor.phones.update(1, {"id": "1", "kind": "work"}).kind == "work"


def test_destroy_takes_one_out(sailor: Sailor) -> None:
    sailor.phones.create([{"number": "111"}, {"number": "222"}])
    sailor.phones.destroy(1)
    assert numbers(sailor.reload().phones()) == ["222"]
    with pytest.raises(ModelNotFound):
        sailor.phones.destroy(1)


def test_destroy_all_takes_out_those_that_match(sailor: Sailor) -> None:
    sailor.phones.create([{"number": "111"}, {"number": "222"}, {"number": "333"}])
    assert sailor.phones.destroy_all(SailorPhone.number == "222") == 1
    assert sailor.phones.destroy_all() == 2
    assert sailor.reload().phones() == []


def test_a_write_starts_from_what_is_stored(sailor: Sailor) -> None:
    stale = Sailor.find_by_id(sailor.id)
    assert stale is not None
    sailor.phones.create(number="111")
    stale.phones.create(number="222")
    assert numbers(stale.phones()) == ["111", "222"]
    assert numbers(sailor.reload().phones()) == ["111", "222"]


def test_build_puts_a_record_in_the_list_until_the_owner_is_saved(sailor: Sailor) -> None:
    for owner in (sailor, Sailor(name="new")):
        owner.phones.build(number="111")
        assert numbers(owner.phones()) == ["111"]
        owner.save()
        stored = Sailor.find_by_id(owner.id)
        assert stored is not None
        assert numbers(stored.phones()) == ["111"]


def test_changes_of_the_records_are_stored_with_the_owner(sailor: Sailor) -> None:
    sailor.phones.create(number="111")
    sailor.phones()[0].number = "999"
    sailor.save()
    assert numbers(sailor.reload().phones()) == ["999"]


def test_a_scope_narrows_reads_and_deletes(sailor: Sailor) -> None:
    sailor.phones.create([{"number": "111"}, {"number": "222", "kind": "home"}])
    assert numbers(sailor.home_phones()) == ["222"]
    assert sailor.home_phones.create(number="333", kind="work").kind == "home"
    assert sailor.home_phones.find_by_id(1) is None
    with pytest.raises(ModelNotFound):
        sailor.home_phones.destroy(1)
    assert sailor.home_phones.destroy_all() == 2
    assert numbers(sailor.phones()) == ["111"]


def test_writes_run_the_observers_of_the_owner(source: DataSource) -> None:
    seen = []

    class Captain(Sailor):
        pass

    Captain.observe("before save")(lambda ctx: seen.append(ctx.event))
    source.auto_update()
    Captain.attach_to(source)
    source.auto_update()
    captain = Captain.create(name="c")
    captain.phones.create(number="111")
    captain.phones.update(1, number="222")
    captain.phones.destroy(1)
    assert seen == ["before save"] * 4


def test_an_unsaved_or_lost_owner_stores_nothing(sailor: Sailor) -> None:
    new = Sailor(name="new")
    for write in (
        lambda: new.phones.create(number="111"),
        new.phones.destroy_all,
        lambda: new.berth.create(deck=1),
    ):
        with pytest.raises(TypeError, match="save the Sailor first"):
            write()
    Sailor.destroy_all()
    with pytest.raises(ModelNotFound):
        sailor.phones.create(number="111")


def test_they_are_neither_added_nor_removed(sailor: Sailor) -> None:
    with pytest.raises(TypeError, match=r"has its records inside: write create\(\)"):
        sailor.phones.add(1)
    with pytest.raises(TypeError, match=r"has its records inside: write destroy\(\)"):
        sailor.phones.remove(1)


def test_filters_follow_no_relations_of_records_inside(sailor: Sailor) -> None:
    sailor.phones.create(number="111")
    with pytest.raises(FilterError, match="where follows a relation of a record that is inside"):
        sailor.phones(where={"owner.name": "s"})
    with pytest.raises(FilterError, match="include follows a relation"):
        sailor.phones(include="owner")
    with pytest.raises(FilterError, match="where follows a relation"):
        sailor.phones.count({"owner.name": "s"})


def test_records_without_an_id_are_not_found_by_one() -> None:
    Mark = create_model("sailorMark", {"name": str}, {"idInjection": False})
    Mate = memory().create_model("sailorMate", {"name": str})
    Mate.embeds_many("marks", model=Mark)
    mate = Mate.create(name="m")
    mate.marks.create([{"name": "a"}, {"name": "a"}])
    assert mate.marks.count() == 2
    with pytest.raises(TypeError, match="sailorMark has no id"):
        mate.marks.find_by_id(1)
    with pytest.raises(TypeError, match="sailorMark has no id"):
        mate.marks.destroy(1)


def test_a_property_that_every_model_has_for_itself_holds_none() -> None:
    Mast = create_model("sailorMast", {"name": str})
    Mast.embeds_many("related", model=SailorPhone)
    Mast.attach_to(memory())
    for _ in range(2):
        with pytest.raises(DefinitionError, match="'_related' is what every model has for itself"):
            Mast.create(name="m")


# One


def test_one_is_stored_inside_the_owner(sailor: Sailor) -> None:
    assert sailor.berth() is None
    berth = sailor.berth.create(deck=2)
    assert (type(berth), berth.deck, berth.side) == (SailorBerth, 2, "port")
    found = sailor.reload().berth()
    assert found is not None
    assert found.deck == 2
    shown = sailor.berth(fields=["side"])
    assert shown is not None
    assert shown.to_record() == {"side": "port"}


def test_create_replaces_the_one_that_there_was(sailor: Sailor) -> None:
    sailor.berth.create(deck=2, side="starboard")
    sailor.berth.create(deck=3)
    found = sailor.reload().berth()
    assert found is not None
    assert (found.deck, found.side) == (3, "port")


def test_update_of_one_merges(sailor: Sailor) -> None:
    sailor.berth.create(deck=2, side="starboard")
    updated = sailor.berth.update(deck=4)
    assert (updated.deck, updated.side) == (4, "starboard")
    with pytest.raises(ValidationError) as caught:
        sailor.berth.update(deck=0)
    assert [each.path for each in caught.value.failures] == [("_berth", "deck")]


def test_destroy_of_one_leaves_null(sailor: Sailor) -> None:
    sailor.berth.create(deck=2)
    sailor.berth.destroy()
    assert sailor.reload().berth() is None
    for write in (sailor.berth.destroy, lambda: sailor.berth.update(deck=1)):
        with pytest.raises(ModelNotFound, match=r"Sailor.berth leads to no record"):
            write()


def test_build_of_one_is_stored_with_the_owner() -> None:
    sailor = Sailor(name="new")
    sailor.berth.build(deck=5)
    Sailor.attach_to(memory())
    found = sailor.save().reload().berth()
    assert found is not None
    assert found.deck == 5
