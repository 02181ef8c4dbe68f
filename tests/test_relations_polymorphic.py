"""Relations whose other model differs from record to record, in Python."""

from __future__ import annotations

from typing import Any

import pytest

from flask_loop import (
    BelongsTo,
    DataSource,
    HasMany,
    HasOne,
    Model,
    ModelNotFound,
    Prop,
    relation,
)
from flask_loop.errors import BadRequest


class PolyAuthor(Model):
    name: Prop[str]
    pictures: HasMany[PolyPicture] = relation(polymorphic="imageable")


class PolyReader(Model):
    name: Prop[str]
    picture: HasOne[PolyPicture] = relation(polymorphic="imageable")


class PolyPicture(Model):
    title: Prop[str | None]
    imageable: BelongsTo[Any] = relation(polymorphic=True)


class PolyStranger(Model):
    name: Prop[str | None]
    mark: HasOne[PolyMark] = relation(polymorphic="marked")


class PolyMark(Model):
    marked: BelongsTo[PolyAuthor | PolyReader] = relation(polymorphic=True)


@pytest.fixture(autouse=True)
def _attached(source: DataSource) -> None:
    for model in (PolyAuthor, PolyReader, PolyPicture, PolyStranger, PolyMark):
        model.attach_to(source)
    source.auto_update()


def test_records_of_other_models_with_the_same_id_are_told_apart() -> None:
    author, reader = PolyAuthor.create(name="a"), PolyReader.create(name="r")
    author.pictures.create([{"title": "one"}, {"title": "two"}])
    picture = reader.picture.create(title="three")
    assert author.id == reader.id
    assert [each.title for each in author.pictures()] == ["one", "two"]
    assert reader.picture() is not None
    assert author.pictures.count() == 2
    assert picture not in author.pictures
    assert author.pictures.destroy_all() == 2
    assert PolyPicture.count() == 1


def test_each_record_leads_to_one_of_its_model() -> None:
    author, reader = PolyAuthor.create(name="a"), PolyReader.create(name="r")
    first, second = author.pictures.create(title="one"), reader.picture.create(title="two")
    assert (type(first.imageable()), type(second.imageable())) == (PolyAuthor, PolyReader)
    assert PolyPicture(title="new").imageable() is None
    assert PolyPicture(imageable_id=1, imageable_type="Nobody").imageable() is None


def test_create_sets_the_model_whatever_is_given() -> None:
    reader = PolyReader.create(name="r")
    author = PolyAuthor.create(name="a")
    given = {"imageableType": "PolyReader", "imageable_id": 99}
    picture: Any = author.pictures.create({"title": "one", **given})
    assert (picture.imageable_type, picture.imageable_id) == ("PolyAuthor", author.id)
    assert reader.picture() is None


def test_update_refuses_another_model() -> None:
    author = PolyAuthor.create(name="a")
    picture: Any = author.pictures.create(title="one")
    with pytest.raises(BadRequest, match="the key 'imageableType' cannot be changed"):
        author.pictures.update(picture.id, imageable_type="PolyReader")


def test_assigning_a_record_sets_its_model_too() -> None:
    reader = PolyReader.create(name="r")
    picture: Any = PolyPicture(title="one", imageable=reader)
    assert (picture.imageable_id, picture.imageable_type) == (reader.id, "PolyReader")
    picture.save()
    found = reader.picture()
    assert found is not None
    picture.imageable = None
    assert (picture.imageable_id, picture.imageable_type) == (None, None)
    picture.imageable = PolyAuthor.create(name="a")
    assert picture.imageable().name == "a"
    with pytest.raises(TypeError, match="save the PolyAuthor first"):
        picture.imageable = PolyAuthor(name="new")


def test_records_of_models_that_are_not_named_are_refused() -> None:
    with pytest.raises(TypeError, match=r"PolyMark.marked is a record of one of the models"):
        PolyMark(marked=PolyStranger.create())
    mark = PolyMark.create(marked=PolyReader.create(name="r"))
    assert type(mark.marked()) is PolyReader


def test_add_and_remove_set_and_unset_both() -> None:
    author = PolyAuthor.create(name="a")
    picture: Any = PolyPicture.create(title="one")
    author.pictures.add(picture)
    assert [each.title for each in author.pictures()] == ["one"]
    assert author.pictures.remove(picture) == 1
    assert picture.reload().imageable_type is None


def test_the_record_is_updated_and_destroyed_by_its_own_model() -> None:
    picture: Any = PolyAuthor.create(name="a").pictures.create(title="one")
    assert picture.imageable.update(name="b").name == "b"
    picture.imageable.destroy()
    assert PolyAuthor.count() == 0
    assert picture.reload().imageable_type is None
    with pytest.raises(ModelNotFound):
        picture.imageable.update(name="c")
    with pytest.raises(ModelNotFound):
        picture.imageable.destroy()


@pytest.mark.parametrize("write", ["build", "create"])
def test_which_model_a_new_record_is_of_is_not_guessed(write: str) -> None:
    picture = PolyPicture.create(title="one")
    with pytest.raises(TypeError, match="create one by its own model, and assign it"):
        getattr(picture.imageable, write)(name="a")


def test_no_path_leads_through_it() -> None:
    with pytest.raises(AttributeError, match="leads to records of more than one model"):
        _ = PolyPicture.imageable.name
