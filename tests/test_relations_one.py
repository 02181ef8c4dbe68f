"""``has_one`` in Python, and what becomes of a record whose ``belongs_to`` is destroyed."""

from __future__ import annotations

from typing import Any

import pytest

from flask_loop import BelongsTo, DataSource, HasOne, Model, ModelNotFound, Prop, prop, relation
from flask_loop.errors import BadRequest, Conflict, ValidationError


class Painter(Model):
    name: Prop[str]
    portrait: HasOne[Portrait]
    sketch: HasOne[Portrait] = relation(
        scope={"where": {"title": "sketch"}}, properties={"title": "sketch"}
    )


class Portrait(Model):
    title: Prop[str] = prop(min_length=2)
    painter: BelongsTo[Painter]


@pytest.fixture
def painter(source: DataSource) -> Painter:
    for model in (Painter, Portrait):
        model.attach_to(source)
    source.auto_update()
    other = Painter.create(name="other")
    other.portrait.create(title="theirs")
    return Painter.create(name="mine")


def test_it_gives_the_record_that_holds_the_key_or_none(painter: Painter) -> None:
    assert painter.portrait() is None
    created = painter.portrait.create(title="mine")
    found = painter.portrait()
    assert found is not None
    assert (type(found), found.id) == (Portrait, created.id)
    shown = painter.portrait(fields=["title"])
    assert shown is not None
    assert shown.to_record() == {"title": "mine"}
    assert Painter(name="new").portrait() is None


def test_create_sets_the_key_whatever_is_given(painter: Painter) -> None:
    other = Painter.find_one({"name": "other"})
    created = painter.portrait.create(title="mine", painter=other)
    assert created.painter_id == painter.id


def test_a_second_one_is_a_conflict(painter: Painter) -> None:
    painter.portrait.create(title="mine")
    with pytest.raises(Conflict, match=r"Painter.portrait leads to a record already"):
        painter.portrait.create(title="again")
    assert Portrait.count() == 2


def test_create_checks_rules(painter: Painter) -> None:
    with pytest.raises(ValidationError):
        painter.portrait.create(title="x")
    assert painter.portrait() is None


def test_build_keeps_the_key(painter: Painter) -> None:
    built = painter.portrait.build(title="built")
    assert built.is_new_record()
    built.save()
    assert painter.portrait() is not None


@pytest.mark.parametrize("write", ["build", "create"])
def test_an_unsaved_owner_is_saved_first(painter: Painter, write: str) -> None:
    with pytest.raises(TypeError, match="save the Painter first"):
        getattr(Painter(name="new").portrait, write)(title="x")


def test_update_changes_it_and_refuses_to_move_it(painter: Painter) -> None:
    painter.portrait.create(title="mine")
    assert painter.portrait.update(title="new").title == "new"
    found = painter.portrait()
    assert found is not None
    assert found.title == "new"
    other = Painter.find_one({"name": "other"})
    for given in ({"painterId": 1}, {"painter_id": None}, {"painter": other}):
        with pytest.raises(BadRequest, match=r"Painter.portrait: the key 'painterId'"):
            painter.portrait.update(given, title="moved")
    assert found.reload().title == "new"


def test_what_is_not_there_is_neither_updated_nor_destroyed(painter: Painter) -> None:
    with pytest.raises(ModelNotFound, match=r"Painter.portrait leads to no record"):
        painter.portrait.update(title="new")
    with pytest.raises(ModelNotFound, match=r"Painter.portrait leads to no record"):
        painter.portrait.destroy()
    assert Portrait.count() == 1


def test_destroy_deletes_it(painter: Painter) -> None:
    painter.portrait.create(title="mine")
    painter.portrait.destroy()
    assert painter.portrait() is None
    assert Portrait.count() == 1


def test_a_scope_narrows_it(painter: Painter) -> None:
    painter.portrait.create(title="mine")
    assert painter.sketch() is None
    painter.sketch.create(title="other")
    sketch = painter.sketch()
    assert sketch is not None
    assert sketch.title == "sketch"
    with pytest.raises(Conflict):
        painter.sketch.create()


def test_what_was_included_is_given_until_something_is_written(painter: Painter) -> None:
    painter.__dict__["_related"] = {"portrait": None}
    Portrait.create(title="mine", painter=painter)
    assert painter.portrait() is None
    assert painter.portrait(refresh=True) is not None
    painter.__dict__["_related"] = {"portrait": None}
    painter.portrait.update(title="new")
    assert painter.portrait() is not None


def test_nothing_is_assigned(painter: Painter) -> None:
    with pytest.raises(TypeError, match=r"nothing is assigned to Painter.portrait"):
        painter.portrait = Portrait(title="x")


def test_it_has_no_truth_value(painter: Painter) -> None:
    with pytest.raises(TypeError, match=r"write portrait\(\)"):
        bool(painter.portrait)


@pytest.mark.parametrize(
    ("on_delete", "left"), [("cascade", None), ("set_null", {"album_id": None})]
)
def test_destroy_of_belongs_to_leaves_its_own_record_to_on_delete(
    source: DataSource, on_delete: str, left: Any
) -> None:
    Album = source.create_model(f"{on_delete}Album", {"name": str})
    Song = source.create_model(f"{on_delete}Song", {"name": str})
    Song.belongs_to("album", model=Album, on_delete=on_delete)
    source.auto_update()
    song = Song.create(name="s", album=Album.create(name="a"))
    song.album.destroy()
    assert Album.count() == 0
    stored = Song.find_one()
    assert (stored and {"album_id": stored.album_id}) == left
    assert song.album_id is None
    assert song.is_new_record() is (left is None)


def test_destroy_of_belongs_to_is_refused_where_the_key_is_required(source: DataSource) -> None:
    Band = source.create_model("rockBand", {"name": str})
    Gig = source.create_model("rockGig", {"name": str})
    Gig.belongs_to("band", model=Band, required=True)
    source.auto_update()
    gig = Gig.create(name="g", band=Band.create(name="b"))
    with pytest.raises(ValidationError, match="band_id"):
        gig.band.destroy()
    assert Band.count() == 1
    assert gig.reload().band() is not None
