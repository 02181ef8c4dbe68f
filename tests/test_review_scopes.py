"""Ways out of default scopes, deleting through scopes and relations, mistakes found early."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    EmbedsMany,
    HasAndBelongsToMany,
    HasMany,
    Model,
    ModelNotFound,
    Prop,
    ReferencesMany,
    ValidationError,
    memory,
    prop,
    relation,
    scope,
    unscoped,
)

MakeApp = Callable[..., Flask]


class ScopedPress(Model):
    name: Prop[str]
    leaflets: HasMany[ScopedLeaflet] = relation(foreign_key="press_id")


class ScopedLeaflet(Model):
    title: Prop[str]
    published: Prop[bool] = prop(default=False)
    marks: EmbedsMany[ScopedMark]
    friends: ReferencesMany[ScopedPress]
    press: BelongsTo[ScopedPress]

    class Meta:
        scope = {"where": {"published": True}}


class ScopedMark(Model):
    stars: Prop[int]


@pytest.fixture
def leaflets(source: DataSource) -> Any:
    """One that is published, and a draft with the id 2; both of press 1."""
    for model in (ScopedPress, ScopedLeaflet):
        model.attach_to(source)
    source.auto_update()
    ScopedPress.create(name="North")
    ScopedLeaflet.create(
        [
            {"title": "a", "published": True, "press_id": 1},
            {"title": "b", "published": False, "press_id": 1},
        ]
    )
    return ScopedLeaflet


def titles(found: Any) -> list[str]:
    return [each["title"] if isinstance(each, dict) else each.title for each in found]


# An instance in hand is there, whatever the default scope says


def test_a_draft_in_hand_can_be_saved(leaflets: Any) -> None:
    draft = leaflets.create(title="c", published=False)
    draft.title = "c2"
    draft.save()
    draft.published = True
    draft.save()
    assert titles(leaflets.find()) == ["a", "c2"]


def test_instance_operations_do_not_see_the_default_scope(leaflets: Any) -> None:
    draft = leaflets.create(title="c", published=False)
    assert draft.reload().title == "c"
    assert draft.patch_attributes(title="d").title == "d"
    assert draft.update_attribute("title", "e").title == "e"
    assert draft.replace_attributes({"title": "f"}).reload().published is False
    assert draft.destroy() == 1
    with unscoped(leaflets):
        assert titles(leaflets.find()) == ["a", "b"]


def test_what_a_draft_in_hand_holds_can_be_changed(leaflets: Any) -> None:
    draft = leaflets.create(title="c", published=False)
    draft.marks.create(stars=3)
    draft.friends.add(ScopedPress.find_one())
    assert [each.stars for each in draft.reload().marks()] == [3]
    assert [each.name for each in draft.friends()] == ["North"]


def test_an_instance_that_is_gone_is_not_found(leaflets: Any) -> None:
    draft = leaflets.create(title="c", published=False)
    draft.reload().destroy()
    gone = leaflets.from_record({"id": 3, "title": "c", "published": False})
    with pytest.raises(ModelNotFound):
        gone.patch_attributes(title="d")


def test_instance_operations_are_observed_as_ever(source: DataSource) -> None:
    seen: list[str] = []

    class Notice(Model):
        title: Prop[str]
        published: Prop[bool] = prop(default=False)

        class Meta:
            data_source = source
            scope = {"where": {"published": True}}

    source.auto_update()
    Notice.observe("after save")(lambda ctx: seen.append(ctx.instance.title))
    Notice.observe("before delete")(lambda ctx: seen.append("gone"))
    draft = Notice.create(title="a")
    draft.patch_attributes(title="b")
    assert draft.destroy() == 1
    assert seen == ["a", "b", "gone"]


def test_an_observer_of_such_a_write_sees_the_scope(source: DataSource) -> None:
    counts: list[int] = []

    class Poster(Model):
        published: Prop[bool] = prop(default=False)

        class Meta:
            data_source = source
            scope = {"where": {"published": True}}

    source.auto_update()
    draft = Poster.create()
    Poster.observe("before save")(lambda ctx: counts.append(Poster.count()))
    draft.save()
    assert counts == [0]


def test_remote_callers_see_the_scope(leaflets: Any, make_app: MakeApp) -> None:
    client = make_app(leaflets).test_client()
    path = "/api/scopedLeaflets/2"
    assert client.get("/api/scopedLeaflets/1").status_code == 200
    assert client.patch(path, json={"title": "x"}).status_code == 404
    assert client.put(path, json={"title": "x"}).status_code == 404
    assert client.delete(path).json == {"count": 0}
    assert client.post(f"{path}/marks", json={"stars": 1}).status_code == 404
    assert client.delete(f"{path}/marks").status_code == 404


def test_remote_callers_see_the_scope_where_operations_are_overridden(
    source: DataSource, make_app: MakeApp
) -> None:
    class Card(Model):
        title: Prop[str]
        published: Prop[bool] = prop(default=False)

        class Meta:
            data_source = source
            scope = {"where": {"published": True}}

        def patch_attributes(self, data: Any = None, /, **values: Any) -> Any:
            return super().patch_attributes(data, **values)

    source.auto_update()
    Card.create([{"title": "a", "published": True}, {"title": "b"}])
    client = make_app(Card).test_client()
    assert client.patch("/api/cards/2", json={"title": "x"}).status_code == 404
    assert client.patch("/api/cards/1", json={"title": "x"}).json["title"] == "x"


# Lifting default scopes


def test_default_scopes_are_lifted_in_a_block(leaflets: Any) -> None:
    with unscoped(leaflets):
        assert titles(leaflets.find()) == ["a", "b"]
        assert leaflets.find_by_id(2).title == "b"
        assert leaflets.count() == 2
        assert leaflets.exists(2)
        assert leaflets.update_all({"title": "b"}, {"title": "b2"}) == 1
        assert ScopedPress.count({"leaflets.title": "b2"}) == 1
        (press,) = ScopedPress.find(include="leaflets")
        assert titles(press.leaflets()) == ["a", "b2"]
        assert titles(ScopedPress.find_one().leaflets(order="id DESC")) == ["b2", "a"]  # type: ignore[union-attr]
    assert titles(leaflets.find()) == ["a"]
    assert leaflets.find_by_id(2) is None
    assert ScopedPress.count({"leaflets.title": "b2"}) == 0
    with unscoped(leaflets):
        assert leaflets.destroy_all() == 2


def test_lifting_nests_and_ends_with_its_block(leaflets: Any) -> None:
    with unscoped(leaflets):
        with unscoped(ScopedPress):
            assert leaflets.count() == 2
        with unscoped(leaflets):
            assert leaflets.count() == 2
        assert leaflets.count() == 2
    assert leaflets.count() == 1
    with pytest.raises(ValidationError), unscoped(leaflets):
        leaflets.create(title=None)
    assert leaflets.count() == 1


def test_lifting_holds_for_the_models_that_are_named_alone(source: DataSource) -> None:
    class Base(Model):
        published: Prop[bool] = prop(default=False)

        class Meta:
            data_source = source
            scope = {"where": {"published": True}}

    class Derived(Base):
        pass

    source.auto_update()
    Base.create()
    Derived.create()
    with unscoped(Base):
        assert (Base.count(), Derived.count()) == (1, 0)
    with unscoped(Derived):
        assert (Base.count(), Derived.count()) == (0, 1)
    with unscoped(Base, Derived):
        assert (Base.count(), Derived.count()) == (1, 1)


def test_lifting_needs_models() -> None:
    with pytest.raises(TypeError, match="at least one model"):
        unscoped()
    for wrong in ("ScopedLeaflet", ScopedPress(name="x"), Model, int):
        with pytest.raises(TypeError, match="no model"):
            unscoped(wrong)  # type: ignore[arg-type]


# Deleting through named scopes


@pytest.fixture
def posts(source: DataSource) -> Any:
    class Post(Model):
        title: Prop[str]
        level: Prop[int] = prop(default=0)

        recent = scope(order="id DESC")
        first = scope(where={"level": 1}, limit=1)
        later = scope(where={"level": 1}, skip=1)
        everything = scope(where={})
        low = scope(where={"level": 1})

        class Meta:
            data_source = source

    source.auto_update()
    Post.create(
        [{"title": title, "level": level} for title, level in (("a", 0), ("b", 1), ("c", 1))]
    )
    return Post


@pytest.mark.parametrize("name", ["recent", "first", "later", "everything"])
def test_a_scope_that_is_more_than_a_where_is_not_deleted_remotely(
    posts: Any, make_app: MakeApp, name: str
) -> None:
    client = make_app(posts).test_client()
    assert client.get(f"/api/posts/{name}").status_code == 200
    assert client.delete(f"/api/posts/{name}").status_code == 405
    assert posts.count() == 3


def test_a_scope_that_is_a_where_is_deleted_remotely_or_some_of_it(
    posts: Any, make_app: MakeApp
) -> None:
    client = make_app(posts).test_client()
    assert client.delete("/api/posts/low?where[title]=a").status_code == 204
    assert client.delete('/api/posts/low?where={"title":"b"}').status_code == 204
    assert titles(posts.find()) == ["a", "c"]
    assert client.delete('/api/posts/low?filter={"where":{"title":"x"}}').status_code == 400
    assert client.delete("/api/posts/low?where[nothing]=1").status_code == 400
    for blank in ("", "null", " "):
        assert client.delete(f"/api/posts/low?where={blank}").status_code == 400
    assert client.delete("/api/posts/low").status_code == 204
    assert titles(posts.find()) == ["a"]


@pytest.mark.parametrize("name", ["first", "later"])
def test_python_does_not_delete_a_part_of_a_scope_by_its_place(posts: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"Post\.{name} .*(limit|skip)"):
        getattr(posts, name).destroy_all()
    assert posts.recent.destroy_all({"title": "a"}) == 1
    assert titles(posts.find()) == ["b", "c"]


# Deleting some of the related records


@pytest.fixture
def shelves(source: DataSource) -> Any:
    class Sticker(Model):
        stars: Prop[int]
        secret: Prop[str | None] = prop(hidden=True)

        class Meta:
            data_source = source

    class Tin(Model):
        stars: Prop[int]

        class Meta:
            data_source = source

    class Shelf(Model):
        name: Prop[str]
        stickers: HasMany[Sticker]
        tins: HasAndBelongsToMany[Tin]
        listed: ReferencesMany[Tin]
        inside: EmbedsMany[Tin]
        odd: HasAndBelongsToMany[Tin] = relation(scope={"where": {"stars": {"gt": 1}}})

        class Meta:
            data_source = source

    shelf_models = (Shelf, Sticker, Tin)
    source.auto_update()
    for _ in range(2):
        shelf = Shelf.create(name="x")
        for stars in (1, 2, 3):
            shelf.stickers.create(stars=stars)
            tin = shelf.tins.create(stars=stars)
            shelf.listed.add(tin)
            shelf.inside.create(stars=stars)
    return shelf_models


RELATIONS = ["stickers", "tins", "listed", "inside"]


def stars(owner: Any, name: str) -> list[int]:
    return [each.stars for each in getattr(owner.reload(), name)()]


@pytest.mark.parametrize("name", RELATIONS)
def test_a_where_says_which_related_records_are_deleted(
    shelves: Any, make_app: MakeApp, name: str
) -> None:
    client = make_app(*shelves).test_client()
    first, second = shelves[0].find(order="id")
    where = quote(json.dumps({"stars": 1}))
    assert client.delete(f"/api/shelves/1/{name}?where={where}").status_code == 204
    assert (stars(first, name), stars(second, name)) == ([2, 3], [1, 2, 3])
    assert client.delete(f"/api/shelves/1/{name}?where[stars][gt]=2").status_code == 204
    assert stars(first, name) == [2]
    assert client.delete(f"/api/shelves/1/{name}?where[stars]=9").status_code == 204
    assert stars(first, name) == [2]
    assert client.delete(f"/api/shelves/1/{name}").status_code == 204
    assert (stars(first, name), stars(second, name)) == ([], [1, 2, 3])


@pytest.mark.parametrize("name", RELATIONS)
def test_a_where_that_means_nothing_deletes_nothing(
    shelves: Any, make_app: MakeApp, name: str
) -> None:
    client = make_app(*shelves).test_client()
    for query in ('filter={"where":{"stars":1}}', "where[nothing]=1", "where={"):
        assert client.delete(f"/api/shelves/1/{name}?{query}").status_code == 400
    assert client.delete("/api/shelves/1/stickers?where[secret]=x").status_code == 400
    assert stars(shelves[0].find_by_id(1), name) == [1, 2, 3]


@pytest.mark.parametrize("name", RELATIONS)
def test_a_hook_narrows_which_related_records_are_deleted(
    shelves: Any, make_app: MakeApp, name: str
) -> None:
    shelf = shelves[0]
    shelf.before_remote(f"prototype.__delete__{name}")(lambda ctx: ctx.narrow({"stars": 2}))
    client = make_app(*shelves).test_client()
    assert client.delete(f"/api/shelves/1/{name}").status_code == 204
    assert stars(shelf.find_by_id(1), name) == [1, 3]


def test_linked_records_are_still_there(shelves: Any, make_app: MakeApp) -> None:
    client = make_app(*shelves).test_client()
    client.delete("/api/shelves/1/tins?where[stars]=1")
    assert shelves[2].count() == 6


def test_openapi_shows_the_where(shelves: Any, make_app: MakeApp) -> None:
    client = make_app(*shelves).test_client()
    document: Any = client.get("/_docs/openapi.json").json
    for name in RELATIONS:
        parameters = document["paths"][f"/api/shelves/{{id}}/{name}"]["delete"]["parameters"]
        assert {"id", "where"} <= {each.get("name") for each in parameters}


# Mistakes that are found where a model is first used


def test_a_named_scope_that_means_nothing_is_found_at_the_first_use() -> None:
    class Kettle(Model):
        hot = scope(where={"nope": 1})

        class Meta:
            data_source = memory()

    with pytest.raises(DefinitionError, match=r"the scope Kettle.hot: .*where.nope"):
        Kettle.create()


def test_a_relations_scope_that_means_nothing_is_found_at_the_first_use() -> None:
    here = memory()

    class Spoon(Model):
        class Meta:
            data_source = here

    class Drawer(Model):
        spoons: HasMany[Spoon] = relation(scope={"where": {"nope": 1}})

        class Meta:
            data_source = here

    with pytest.raises(DefinitionError, match=r"Drawer.spoons.*where.nope"):
        Drawer.create()


@pytest.mark.parametrize("name", ["find", "count"])
def test_a_relation_cannot_have_the_name_of_what_every_model_has(name: str) -> None:
    body = {"__annotations__": {name: "HasMany[Book]"}, "__module__": __name__}
    with pytest.raises(DefinitionError, match=rf"'Lender': '{name}' is an attribute of every"):
        type(Model)("Lender", (Model,), body)


def test_a_relation_of_a_mixin_cannot_either() -> None:
    class Counting:
        count: HasMany[ScopedPress]

    with pytest.raises(DefinitionError, match="'count' is an attribute of every model"):

        class Lender(Counting, Model):
            pass


# Which models a discriminator may name


@pytest.fixture
def reviews(source: DataSource) -> Any:
    class Volume(Model):
        class Meta:
            data_source = source

    class Imprint(Model):
        class Meta:
            data_source = source

    class Shop(Model):
        class Meta:
            data_source = source

    class Critique(Model):
        subject: BelongsTo[Volume | Imprint]

        class Meta:
            data_source = source

    for model in (Volume, Imprint):
        model.has_many("critiques", model=Critique, polymorphic="subject")
    source.auto_update()
    Volume.create()
    return Critique, Volume, Imprint, Shop


@pytest.mark.parametrize("name", ["Nope", "Shop", "volume"])
def test_a_discriminator_names_one_of_the_models(
    reviews: Any, make_app: MakeApp, name: str
) -> None:
    client = make_app(*reviews).test_client()
    answer = client.post("/api/critiques", json={"subjectId": 1, "subjectType": name})
    assert answer.status_code == 422
    assert answer.json["error"]["details"]["codes"] == {"subjectType": ["inclusion"]}
    with pytest.raises(ValidationError):
        reviews[0].create(subject_id=1, subject_type=name)
    assert reviews[0].count() == 0


def test_a_discriminator_may_name_each_of_the_models_or_none(reviews: Any) -> None:
    critique, volume, _, _ = reviews
    assert critique.create(subject=volume.find_one()).subject().id == 1
    assert volume.find_one().critiques.create().subject_type == "Volume"
    assert critique.create(subject_id=1, subject_type="Imprint").subject() is None
    assert critique.create().subject_type is None


def test_openapi_says_which_models_a_discriminator_names(reviews: Any, make_app: MakeApp) -> None:
    document: Any = make_app(*reviews).test_client().get("/_docs/openapi.json").json
    named = document["components"]["schemas"]["Critique"]["properties"]["subjectType"]
    assert named["enum"] == ["Volume", "Imprint", None]


def test_a_discriminator_that_was_declared_stays_as_it_is(source: DataSource) -> None:
    class Plate(Model):
        class Meta:
            data_source = source

    class Cup(Model):
        class Meta:
            data_source = source

    class Stain(Model):
        on_type: Prop[str | None]
        on: BelongsTo[Plate | Cup]

        class Meta:
            data_source = source

    Plate.has_many("stains", model=Stain, polymorphic="on")
    source.auto_update()
    assert Stain.create(on_type="Nope").on_type == "Nope"


# LoopBack's JSON


def test_an_empty_list_by_default_is_what_embeds_many_has() -> None:
    here = memory()
    here.create_model("ScopedTag", {"name": str})
    made = here.create_model(
        {
            "name": "ScopedPhoto",
            "relations": {
                "tags": {"type": "embedsMany", "model": "ScopedTag", "default": []},
            },
        }
    )
    assert made.create().tags() == []
    others = {"embedsMany": [{"name": "x"}], "embedsOne": [], "hasMany": []}
    for kind, default in others.items():
        written = {"type": kind, "model": "ScopedTag", "default": default}
        with pytest.raises(DefinitionError, match="'default' is not supported"):
            here.create_model(f"Bad{kind}", {}, {"relations": {"tags": written}})
