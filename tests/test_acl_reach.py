"""No relation leads around the entries of the model that it leads to, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    HasMany,
    HasOne,
    Model,
    Prop,
    ReferencesMany,
    User,
    relation,
)
from tests.tokens import bearer

MakeApp = Callable[..., Flask]

OWN = [
    {"principalId": "$everyone", "permission": "DENY"},
    {"principalId": "$owner", "permission": "ALLOW"},
]
MAKE = {"principalId": "$authenticated", "permission": "ALLOW", "property": "create"}


class Library:
    """Shelves are everybody's; what stands on them is its owner's."""

    def __init__(self, source: DataSource, make_app: MakeApp, *, may_create: bool = False) -> None:
        class Librarian(User):
            class Meta:
                data_source = source

        class Shelf(Model):
            name: Prop[str | None]
            volumes: HasMany[Volume] = relation(nested=True, nest_remoting=True)
            lamp: HasOne[Lamp] = relation(nested=True)
            favourites: ReferencesMany[Volume]
            readers: HasMany[Reader] = relation(through="Loan")
            loans: HasMany[Loan]
            marks: HasMany[Sticker] = relation(polymorphic="thing")

            class Meta:
                data_source = source

        class Volume(Model):
            name: Prop[str | None]
            user_id: Prop[int | None]
            shelf: BelongsTo[Shelf | None] = relation()
            pages: HasMany[Leaf]

            class Meta:
                data_source = source
                acls = [*OWN, MAKE] if may_create else OWN

        class Leaf(Model):
            name: Prop[str | None]
            user_id: Prop[int | None]
            volume: BelongsTo[Volume | None] = relation()

            class Meta:
                data_source = source
                acls = [*OWN, MAKE] if may_create else OWN

        class Lamp(Model):
            name: Prop[str | None]
            user_id: Prop[int | None]
            shelf: BelongsTo[Shelf | None] = relation()

            class Meta:
                data_source = source
                acls = [*OWN, MAKE] if may_create else OWN

        class Reader(Model):
            name: Prop[str | None]

            class Meta:
                data_source = source

        class Loan(Model):
            user_id: Prop[int | None]
            shelf: BelongsTo[Shelf | None] = relation()
            reader: BelongsTo[Reader | None] = relation()

            class Meta:
                data_source = source
                acls = OWN

        class Sticker(Model):
            name: Prop[str | None]
            user_id: Prop[int | None]
            thing: BelongsTo[Shelf | Volume | None] = relation(polymorphic=True)

            class Meta:
                data_source = source
                acls = OWN

        self.Shelf, self.Volume, self.Leaf, self.Lamp = Shelf, Volume, Leaf, Lamp
        self.Reader, self.Loan, self.Sticker = Reader, Loan, Sticker
        self.app = make_app(Librarian, Shelf, Volume, Leaf, Lamp, Reader, Loan, Sticker)
        source.auto_update()
        self.ada, self.bob = (Librarian.create(email=f"{n}@x.org") for n in ("ada", "bob"))
        self.shelf = Shelf.create(name="s")
        own, other = {"user_id": self.ada.id}, {"user_id": self.bob.id}
        here = {"shelf_id": self.shelf.id}
        self.mine = Volume.create(name="mine", **own, **here)
        self.theirs = Volume.create(name="theirs", **other, **here)
        Leaf.create(name="my leaf", volume_id=self.mine.id, **own)
        Leaf.create(name="their leaf", volume_id=self.mine.id, **other)
        Leaf.create(name="their other leaf", volume_id=self.theirs.id, **other)
        self.lamp = Lamp.create(name="lamp", **other, **here)
        self.reader = Reader.create(name="r")
        Loan.create(reader_id=self.reader.id, **other, **here)
        Sticker.create(name="theirs", thing_id=self.shelf.id, thing_type="Shelf", **other)
        self.sticker = Sticker.create(
            name="mine", thing_id=self.theirs.id, thing_type="Volume", **own
        )
        self.shelf.update_attributes(
            {Shelf.definition.relations["favourites"].property: [self.mine.id, self.theirs.id]}
        )
        self.client = self.app.test_client()
        self.headers = bearer(self.ada)

    def call(self, verb: str, path: str, body: Any = None, filter: str | None = None) -> Any:
        query = {} if filter is None else {"filter": filter}
        return self.client.open(
            f"/api/{path}", method=verb, json=body, query_string=query, headers=self.headers
        )

    def names(self, path: str, **more: Any) -> list[str]:
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json]

    def all_names(self, model: Any) -> list[str]:
        return sorted(each.name for each in model.find())


@pytest.fixture
def library(source: DataSource, make_app: MakeApp) -> Library:
    return Library(source, make_app)


@pytest.fixture
def lending(source: DataSource, make_app: MakeApp) -> Library:
    """Where everybody who is logged in may add volumes."""
    return Library(source, make_app, may_create=True)


# Nested writes


def test_a_nested_create_needs_the_right_to_create_what_is_inside(library: Library) -> None:
    body = {"name": "new", "volumes": [{"name": "inside"}]}
    assert library.call("POST", "shelves", body).status_code in (401, 422)
    assert library.call("POST", "shelves", {**body, "volumes": []}).status_code == 200
    body = {"name": "new", "lamp": {"name": "inside"}}
    assert library.call("POST", "shelves", body).status_code in (401, 422)
    assert library.all_names(library.Volume) == ["mine", "theirs"]
    assert library.all_names(library.Lamp) == ["lamp"]


def test_a_nested_create_is_made_by_who_may_create_what_is_inside(lending: Library) -> None:
    body = {"name": "new", "volumes": [{"name": "inside"}]}
    assert lending.call("POST", "shelves", body).status_code == 200
    assert lending.all_names(lending.Volume) == ["inside", "mine", "theirs"]


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_a_nested_change_leaves_the_records_of_others(lending: Library, verb: str) -> None:
    path = f"shelves/{lending.shelf.id}"
    theirs = {"id": lending.theirs.id, "name": "stolen", "userId": lending.ada.id}
    lending.call(verb, path, {"name": "s", "volumes": [theirs]})
    stored = lending.Volume.find_by_id(lending.theirs.id)
    assert stored is not None
    assert (stored.name, stored.user_id, stored.shelf_id) == (
        "theirs",
        lending.bob.id,
        lending.shelf.id,
    )


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_a_nested_change_deletes_no_records_of_others(lending: Library, verb: str) -> None:
    path = f"shelves/{lending.shelf.id}"
    lending.call(verb, path, {"name": "s", "volumes": [{"name": "only this"}], "lamp": None})
    stored = lending.Volume.find_by_id(lending.theirs.id)
    assert stored is not None
    assert stored.shelf_id == lending.shelf.id
    lamp = lending.Lamp.find_by_id(lending.lamp.id)
    assert lamp is not None
    assert lamp.shelf_id == lending.shelf.id


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_a_nested_change_takes_no_records_of_others_from_elsewhere(
    lending: Library, verb: str
) -> None:
    other = lending.Shelf.create(name="other")
    theirs = {"id": lending.theirs.id, "name": "stolen"}
    lending.call(verb, f"shelves/{other.id}", {"name": "o", "volumes": [theirs]})
    stored = lending.Volume.find_by_id(lending.theirs.id)
    assert stored is not None
    assert (stored.name, stored.shelf_id) == ("theirs", lending.shelf.id)


# Routes below routes


def test_a_nested_route_leads_to_ones_own(library: Library) -> None:
    shelf, mine, theirs = library.shelf.id, library.mine.id, library.theirs.id
    assert library.names(f"shelves/{shelf}/volumes/{mine}/pages") == ["my leaf"]
    assert library.call("GET", f"shelves/{shelf}/volumes/{theirs}/pages").status_code in (401, 404)
    library.call("DELETE", f"shelves/{shelf}/volumes/{mine}/pages")
    library.call("DELETE", f"shelves/{shelf}/volumes/{theirs}/pages")
    assert library.all_names(library.Leaf) == ["their leaf", "their other leaf"]


def test_a_nested_route_creates_where_one_may_create(library: Library, make_app: Any) -> None:
    path = f"shelves/{library.shelf.id}/volumes/{library.mine.id}/pages"
    assert library.call("POST", path, {"name": "new"}).status_code == 401
    assert len(library.all_names(library.Leaf)) == 3


# Other kinds of relations


def test_a_relation_to_one_leads_to_ones_own(library: Library) -> None:
    path = f"shelves/{library.shelf.id}/lamp"
    for verb, body in (("GET", None), ("PUT", {"name": "stolen"}), ("DELETE", None)):
        assert library.call(verb, path, body).status_code in (401, 404)
    assert library.all_names(library.Lamp) == ["lamp"]
    library.lamp.update_attributes({"user_id": library.ada.id})
    assert library.call("GET", path).json["name"] == "lamp"
    assert library.call("PUT", path, {"name": "mine now"}).status_code == 200
    assert library.call("DELETE", path).status_code == 204


def test_a_second_record_is_refused_without_telling_of_the_first(library: Library) -> None:
    path = f"shelves/{library.shelf.id}/lamp"
    assert library.call("POST", path, {"name": "new"}).status_code == 401


def test_references_lead_to_ones_own(library: Library) -> None:
    path = f"shelves/{library.shelf.id}/favourites"
    assert library.names(path) == ["mine"]
    assert library.call("GET", f"{path}/count").json == {"count": 1}
    assert library.call("GET", f"{path}/{library.theirs.id}").status_code in (401, 404)
    assert library.call("DELETE", f"{path}/{library.theirs.id}").status_code in (401, 404)
    included = library.call("GET", "shelves", filter='{"include": "favourites"}').json
    assert [each["name"] for each in included[0]["favourites"]] == ["mine"]
    assert library.all_names(library.Volume) == ["mine", "theirs"]


def test_a_polymorphic_relation_leads_to_ones_own(library: Library) -> None:
    assert library.names(f"shelves/{library.shelf.id}/marks") == []
    thing = library.call("GET", f"stickers/{library.sticker.id}/thing")
    assert thing.status_code in (401, 404)
    included = library.call("GET", "stickers", filter='{"include": "thing"}')
    assert included.status_code in (200, 401)
    assert "theirs" not in included.text
    (shelf,) = library.call("GET", "shelves", filter='{"include": "marks"}').json
    assert shelf["marks"] == []


def test_a_where_on_each_kind_of_relation_tells_nothing_of_others(library: Library) -> None:
    for where in (
        '{"volumes.name": "theirs"}',
        '{"lamp.name": "lamp"}',
        '{"favourites.name": "theirs"}',
        '{"loans": {"some": {}}}',
        '{"marks.name": "theirs"}',
        '{"volumes.pages.name": "their leaf"}',
    ):
        answer = library.call("GET", "shelves", filter=f'{{"where": {where}}}')
        assert answer.status_code in (200, 400, 401), answer.text
        if answer.status_code == 200:
            assert answer.json == [], where


def test_a_link_needs_the_right_to_make_the_record_that_links(library: Library) -> None:
    path = f"shelves/{library.shelf.id}/readers/rel/{library.reader.id}"
    other = library.Reader.create(name="other")
    refused = library.call("PUT", f"shelves/{library.shelf.id}/readers/rel/{other.id}")
    assert refused.status_code == 401
    assert library.Loan.count() == 1
    library.call("DELETE", path)
    library.call("DELETE", f"shelves/{library.shelf.id}/readers")
    assert library.Loan.count() == 1
