"""Ways round the entries of a model that are easily forgotten: none of them leads anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    ACL,
    BelongsTo,
    DataSource,
    EmbedsMany,
    HasAndBelongsToMany,
    HasMany,
    Loop,
    Model,
    Prop,
    ReferencesMany,
    Role,
    User,
    memory,
    prop,
    relation,
    remote_method,
    scope,
)
from tests.tokens import bearer

MakeApp = Callable[..., Flask]

CLOSED = [{"principalId": "$everyone", "permission": "DENY"}]
OWN = [*CLOSED, {"principalId": "$owner", "permission": "ALLOW"}]
HASHING = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


class Visit:
    """Calls an app as somebody, or as nobody."""

    def __init__(self, app: Flask, user: Any = None) -> None:
        self.client = app.test_client()
        self.headers = {} if user is None else bearer(user)

    def __call__(
        self, verb: str, path: str, body: Any = None, filter: str | None = None, **query: Any
    ) -> Any:
        if filter is not None:
            query["filter"] = filter
        return self.client.open(
            f"/api/{path}", method=verb, json=body, query_string=query, headers=self.headers
        )


def made(source: DataSource, *models: Any) -> tuple[Any, Any]:
    """Two users of the first of some models, whose tables are made."""
    source.auto_update()
    users = models[0]
    return users.create(email="ada@x.org"), users.create(email="bob@x.org")


# Records that link


def test_a_link_is_made_by_who_may_make_it_though_nothing_else_is_closed(
    source: DataSource, make_app: MakeApp
) -> None:
    class ClubGuest(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class Club(Model):
        name: Prop[str | None]
        guests: HasMany[ClubGuest] = relation(through="ClubEntry")

        class Meta:
            data_source = source

    class ClubEntry(Model):
        club: BelongsTo[Club] = relation()
        club_guest: BelongsTo[ClubGuest] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    visit = Visit(make_app(Club, ClubGuest, ClubEntry))
    source.auto_update()
    club, guest = Club.create(name="c"), ClubGuest.create(name="g")
    assert visit("POST", "clubEntries", {"clubId": 1, "clubGuestId": 1}).status_code == 401
    assert visit("PUT", f"clubs/{club.id}/guests/rel/{guest.id}").status_code == 401
    assert visit("POST", f"clubs/{club.id}/guests", {"name": "new"}).status_code == 401
    assert ClubEntry.count() == 0
    assert ClubGuest.count() == 1
    ClubEntry.create(club_id=club.id, club_guest_id=guest.id)
    visit("DELETE", f"clubs/{club.id}/guests/rel/{guest.id}")
    visit("DELETE", f"clubs/{club.id}/guests")
    visit("DELETE", f"clubs/{club.id}/guests/{guest.id}")
    assert ClubEntry.count() == 1


def test_a_link_that_is_there_is_not_shown_to_who_may_not_find_it(
    source: DataSource, make_app: MakeApp
) -> None:
    class Fencer(User):
        class Meta:
            data_source = source

    class Salle(Model):
        name: Prop[str | None]
        pupils: HasMany[Pupil] = relation(through="Enrolment")

        class Meta:
            data_source = source

    class Pupil(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class Enrolment(Model):
        user_id: Prop[int | None]
        note: Prop[str | None]
        salle: BelongsTo[Salle] = relation()
        pupil: BelongsTo[Pupil] = relation()

        class Meta:
            data_source = source
            acls = [
                *OWN,
                {"principalId": "$authenticated", "permission": "ALLOW", "property": "create"},
            ]

    app = make_app(Fencer, Salle, Pupil, Enrolment)
    ada, bob = made(source, Fencer)
    salle, pupil = Salle.create(name="s"), Pupil.create(name="p")
    Enrolment.create(salle_id=salle.id, pupil_id=pupil.id, user_id=bob.id, note="secret")
    answer = Visit(app, ada)("PUT", f"salles/{salle.id}/pupils/rel/{pupil.id}")
    assert "secret" not in answer.text


class Clubs:
    """Whose members are everybody's to know, but not which of them are in which club."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Rower(User):
            class Meta:
                data_source = source

        class RowingClub(Model):
            name: Prop[str | None]
            boats: HasMany[RowingBoat] = relation(through="Berth")

            class Meta:
                data_source = source

        class RowingBoat(Model):
            name: Prop[str | None]

            class Meta:
                data_source = source

        class Berth(Model):
            user_id: Prop[int | None]
            rowing_club: BelongsTo[RowingClub] = relation()
            rowing_boat: BelongsTo[RowingBoat] = relation()

            class Meta:
                data_source = source
                acls = OWN

        self.Berth, self.RowingBoat = Berth, RowingBoat
        app = make_app(Rower, RowingClub, RowingBoat, Berth)
        self.ada, self.bob = made(source, Rower)
        self.club, self.other = RowingClub.create(name="c"), RowingClub.create(name="d")
        self.mine, self.theirs = RowingBoat.create(name="mine"), RowingBoat.create(name="theirs")
        for club, boat, user in (
            (self.club, self.mine, self.ada),
            (self.club, self.theirs, self.bob),
            (self.other, self.theirs, self.ada),
            (self.other, self.mine, self.bob),
        ):
            Berth.create(rowing_club_id=club.id, rowing_boat_id=boat.id, user_id=user.id)
        self.visit = Visit(app, self.ada)
        self.path = f"rowingClubs/{self.club.id}/boats"


@pytest.fixture
def clubs(source: DataSource, make_app: MakeApp) -> Clubs:
    return Clubs(source, make_app)


def test_a_route_shows_what_is_linked_by_links_that_one_may_find(clubs: Clubs) -> None:
    assert [each["name"] for each in clubs.visit("GET", clubs.path).json] == ["mine"]
    assert clubs.visit("GET", f"{clubs.path}/count").json == {"count": 1}
    for verb, tail in (("GET", ""), ("PUT", ""), ("HEAD", "rel/"), ("DELETE", "")):
        path = f"{clubs.path}/{tail}{clubs.theirs.id}"
        assert clubs.visit(verb, path, {} if verb == "PUT" else None).status_code == 404, verb
        path = f"{clubs.path}/{tail}{clubs.mine.id}"
        answer = clubs.visit(verb, path, {} if verb == "PUT" else None)
        assert answer.status_code in (200, 204), verb
    assert [each.name for each in clubs.RowingBoat.find()] == ["theirs"]


@pytest.mark.parametrize("scope", ["", ', "scope": {"limit": 1}', ', "scope": {"skip": 0}'])
def test_an_include_shows_what_is_linked_by_links_that_one_may_find(
    clubs: Clubs, scope: str
) -> None:
    filter = f'{{"include": {{"relation": "boats"{scope}}}}}'
    answer = clubs.visit("GET", "rowingClubs", filter=filter)
    shown = {each["name"]: [boat["name"] for boat in each["boats"]] for each in answer.json}
    assert shown == {"c": ["mine"], "d": ["theirs"]}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('{"boats.name": "theirs"}', ["d"]),
        ('{"boats": {"some": {"name": "mine"}}}', ["c"]),
        ('{"boats": {"none": {"name": "mine"}}}', ["d"]),
        ('{"boats": {"every": {"name": "mine"}}}', ["c"]),
        ('{"boats.name": {"neq": "theirs"}}', ["c"]),
    ],
)
def test_a_where_tells_what_is_linked_by_links_that_one_may_find(
    clubs: Clubs, where: str, found: list[str]
) -> None:
    answer = clubs.visit("GET", "rowingClubs", filter=f'{{"where": {where}}}')
    assert [each["name"] for each in answer.json] == found


def test_who_may_not_unlink_a_record_of_others_unlinks_none(clubs: Clubs) -> None:
    clubs.visit("DELETE", f"{clubs.path}/rel/{clubs.theirs.id}")
    clubs.visit("DELETE", clubs.path)
    links = [(each.rowing_club_id, each.user_id) for each in clubs.Berth.find()]
    assert links == [
        (clubs.club.id, clubs.bob.id),
        (clubs.other.id, clubs.ada.id),
        (clubs.other.id, clubs.bob.id),
    ]


# Records inside others


def test_a_relation_of_a_record_inside_another_keeps_to_the_entries_of_its_target(
    source: DataSource, make_app: MakeApp
) -> None:
    class Ingredient(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source
            acls = CLOSED

    class Dose(Model):
        id: Prop[int] = prop(id=True)
        grams: Prop[int | None]
        ingredient: BelongsTo[Ingredient | None] = relation()

    class Recipe(Model):
        name: Prop[str | None]
        doses: EmbedsMany[Dose]

        class Meta:
            data_source = source

    visit = Visit(make_app(Recipe, Ingredient))
    source.auto_update()
    secret = Ingredient.create(name="secret")
    recipe = Recipe.create(name="r")
    recipe.doses.create(id=1, grams=2, ingredient_id=secret.id)
    answer = visit("GET", "recipes", filter='{"include": {"doses": "ingredient"}}')
    assert "secret" not in answer.text
    answer = visit("GET", "recipes", filter='{"where": {"doses.ingredient.name": "secret"}}')
    assert answer.status_code != 200 or answer.json == []


class Notebooks:
    """Whose routes of relations are open, while the notebooks are their owners'."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Writer(User):
            class Meta:
                data_source = source

        class Sheet(Model):
            id: Prop[int] = prop(id=True)
            text: Prop[str | None]

        class Ribbon(Model):
            name: Prop[str | None]

            class Meta:
                data_source = source

        class Notebook(Model):
            user_id: Prop[int | None]
            sheets: EmbedsMany[Sheet]
            ribbons: ReferencesMany[Ribbon]

            class Meta:
                data_source = source
                acls = [
                    *OWN,
                    {
                        "principalId": "$everyone",
                        "permission": "ALLOW",
                        "property": [
                            f"__{verb}__{name}"
                            for name in ("sheets", "ribbons")
                            for verb in (
                                "get",
                                "count",
                                "create",
                                "delete",
                                "findById",
                                "updateById",
                                "destroyById",
                                "link",
                                "unlink",
                            )
                        ],
                    },
                ]

        self.Notebook, self.Ribbon = Notebook, Ribbon
        self.app = make_app(Writer, Notebook, Ribbon)
        self.ada, self.bob = made(source, Writer)
        self.red, self.blue = Ribbon.create(name="red"), Ribbon.create(name="blue")
        self.theirs = Notebook.create(user_id=self.bob.id)
        self.theirs.sheets.create(id=1, text="secret")
        self.theirs.ribbons.add(self.red)
        self.mine = Notebook.create(user_id=self.ada.id)
        self.visit = Visit(self.app, self.ada)


@pytest.fixture
def notebooks(source: DataSource, make_app: MakeApp) -> Notebooks:
    return Notebooks(source, make_app)


def test_what_is_inside_a_record_is_read_by_who_may_read_the_record(notebooks: Notebooks) -> None:
    path = f"notebooks/{notebooks.theirs.id}/sheets"
    for tail in ("", "/1", "/count"):
        assert notebooks.visit("GET", path + tail).status_code in (401, 404), tail
    assert notebooks.visit("GET", f"notebooks/{notebooks.mine.id}/sheets").json == []


def test_what_is_inside_a_record_is_changed_by_who_may_change_the_record(
    notebooks: Notebooks,
) -> None:
    path = f"notebooks/{notebooks.theirs.id}"
    notebooks.visit("POST", f"{path}/sheets", {"id": 2, "text": "new"})
    notebooks.visit("PUT", f"{path}/sheets/1", {"text": "changed"})
    notebooks.visit("DELETE", f"{path}/sheets/1")
    notebooks.visit("DELETE", f"{path}/sheets")
    notebooks.visit("PUT", f"{path}/ribbons/rel/{notebooks.blue.id}")
    notebooks.visit("DELETE", f"{path}/ribbons/rel/{notebooks.red.id}")
    notebooks.visit("DELETE", f"{path}/ribbons")
    notebooks.visit("POST", f"{path}/ribbons", {"name": "green"})
    stored = notebooks.Notebook.find_by_id(notebooks.theirs.id)
    assert stored is not None
    assert [each.text for each in stored.sheets] == ["secret"]
    assert [each.name for each in stored.ribbons()] == ["red"]
    assert notebooks.Ribbon.count() == 2
    own = f"notebooks/{notebooks.mine.id}"
    assert notebooks.visit("POST", f"{own}/sheets", {"id": 2, "text": "new"}).status_code == 200
    assert notebooks.visit("PUT", f"{own}/ribbons/rel/{notebooks.blue.id}").status_code == 200


def test_records_inside_others_are_written_as_their_model_says_though_it_is_not_registered(
    source: DataSource, make_app: MakeApp
) -> None:
    class Wagon(Model):
        name: Prop[str | None]
        wheels: HasMany[Wheel] = relation(nested=True)

        class Meta:
            data_source = source

    class Wheel(Model):
        name: Prop[str | None]
        wagon: BelongsTo[Wagon | None] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    visit = Visit(make_app(Wagon))
    source.auto_update()
    answer = visit("POST", "wagons", {"name": "w", "wheels": [{"name": "a"}]})
    assert answer.status_code in (401, 422)
    assert Wheel.count() == 0


def test_what_is_written_inside_a_record_does_not_tell_which_records_others_have_there(
    source: DataSource, make_app: MakeApp
) -> None:
    class Tenant(User):
        class Meta:
            data_source = source

    class Attic(Model):
        name: Prop[str | None]
        crates: HasMany[Crate] = relation(nested=True)

        class Meta:
            data_source = source

    class Crate(Model):
        name: Prop[str | None]
        user_id: Prop[int | None]
        attic: BelongsTo[Attic | None] = relation()

        class Meta:
            data_source = source
            acls = OWN

    app = make_app(Tenant, Attic, Crate)
    ada, bob = made(source, Tenant)
    attic = Attic.create(name="a")
    theirs = Crate.create(name="theirs", user_id=bob.id, attic_id=attic.id)
    visit = Visit(app, ada)

    def answer(id: int) -> Any:
        given = {"name": "b", "crates": [{"id": id, "name": "new"}]}
        found = visit("PATCH", f"attics/{attic.id}", given)
        return found.status_code, found.text

    assert answer(theirs.id)[0] == 422
    assert answer(theirs.id) == answer(theirs.id + 1)


def test_a_nested_write_links_where_one_may_make_the_record_that_links(
    source: DataSource, make_app: MakeApp
) -> None:
    class Band(Model):
        name: Prop[str | None]
        songs: HasMany[Song] = relation(through="SetList", nested=True)

        class Meta:
            data_source = source

    class Song(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class SetList(Model):
        band: BelongsTo[Band] = relation()
        song: BelongsTo[Song] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    visit = Visit(make_app(Band, Song, SetList))
    source.auto_update()
    band = Band.create(name="b")
    for verb, path in (("POST", "bands"), ("PATCH", f"bands/{band.id}")):
        answer = visit(verb, path, {"name": "b", "songs": [{"name": "s"}]})
        assert answer.status_code in (401, 422), answer.text
    assert (SetList.count(), Song.count()) == (0, 0)


# Functions of the user's own


def test_what_a_version_of_ones_own_includes_is_kept_to_the_callers_records(
    source: DataSource, make_app: MakeApp
) -> None:
    class Diver(User):
        class Meta:
            data_source = source

    class Reef(Model):
        name: Prop[str | None]
        dives: HasMany[Dive]

        class Meta:
            data_source = source

        @classmethod
        def find(cls, filter: Any = None, **more: Any) -> Any:
            return super().find(filter, **more)

        @classmethod
        def find_by_id(cls, id: Any, filter: Any = None) -> Any:
            return super().find_by_id(id, filter)

        @classmethod
        def find_one(cls, filter: Any = None, **more: Any) -> Any:
            return super().find_one(filter, **more)

    class Dive(Model):
        name: Prop[str | None]
        user_id: Prop[int | None]
        reef: BelongsTo[Reef | None] = relation()

        class Meta:
            data_source = source
            acls = OWN

    app = make_app(Diver, Reef, Dive)
    ada, bob = made(source, Diver)
    reef = Reef.create(name="r")
    Dive.create(name="mine", user_id=ada.id, reef_id=reef.id)
    Dive.create(name="secret", user_id=bob.id, reef_id=reef.id)
    visit = Visit(app, ada)
    for path in ("reefs", f"reefs/{reef.id}", "reefs/findOne"):
        answer = visit("GET", path, filter='{"include": "dives"}')
        assert answer.status_code == 200, answer.text
        assert "mine" in answer.text
        assert "secret" not in answer.text, path


def test_what_a_version_of_ones_own_writes_is_answered_with_the_callers_records(
    source: DataSource, make_app: MakeApp
) -> None:
    class Painter(User):
        class Meta:
            data_source = source

    class Studio(Model):
        name: Prop[str | None]
        easels: HasMany[Easel] = relation(nested=True)

        class Meta:
            data_source = source

        def patch_attributes(self, data: Any) -> Any:
            return super().patch_attributes(data)

        @classmethod
        def upsert(cls, data: Any) -> Any:
            return super().upsert(data)

        @classmethod
        def replace_by_id(cls, id: Any, data: Any) -> Any:
            return super().replace_by_id(id, data)

    class Easel(Model):
        name: Prop[str | None]
        user_id: Prop[int | None]
        studio: BelongsTo[Studio | None] = relation()

        class Meta:
            data_source = source
            acls = [
                *OWN,
                {"principalId": "$authenticated", "permission": "ALLOW", "property": "create"},
            ]

    app = make_app(Painter, Studio, Easel)
    ada, bob = made(source, Painter)
    studio = Studio.create(name="s")
    Easel.create(name="secret", user_id=bob.id, studio_id=studio.id)
    visit = Visit(app, ada)
    given = {"id": studio.id, "name": "t", "easels": [{"name": "mine", "userId": ada.id}]}
    for verb, path in (
        ("PATCH", f"studios/{studio.id}"),
        ("PUT", f"studios/{studio.id}"),
        ("PATCH", "studios"),
    ):
        answer = visit(verb, path, given)
        assert answer.status_code == 200, answer.text
        assert {each["name"] for each in answer.json["easels"]} == {"mine"}, path


def test_what_a_default_scope_includes_is_kept_to_the_callers_records(
    source: DataSource, make_app: MakeApp
) -> None:
    class Skier(User):
        class Meta:
            data_source = source

    class Slope(Model):
        name: Prop[str | None]
        runs: HasMany[SlopeRun]

        class Meta:
            data_source = source
            scope = {"include": "runs"}

    class HillSlope(Slope):
        class Meta:
            data_source = source

        @classmethod
        def find(cls, filter: Any = None, **more: Any) -> Any:
            return super().find(filter, **more)

    class SlopeRun(Model):
        name: Prop[str | None]
        user_id: Prop[int | None]
        slope: BelongsTo[Slope | None] = relation()

        class Meta:
            data_source = source
            acls = OWN

    app = make_app(Skier, Slope, HillSlope, SlopeRun)
    ada, bob = made(source, Skier)
    slope, hill = Slope.create(name="s"), HillSlope.create(name="h")
    SlopeRun.create(name="secret", user_id=bob.id, slope_id=slope.id)
    assert slope.id == hill.id
    for path in ("slopes", f"slopes/{slope.id}", "hillSlopes"):
        answer = Visit(app, ada)("GET", path)
        assert answer.status_code == 200, answer.text
        assert "secret" not in answer.text, path


def test_the_id_of_the_path_counts_whatever_else_is_given(
    source: DataSource, make_app: MakeApp
) -> None:
    class Baker(User):
        class Meta:
            data_source = source

    class Scone(Model):
        user_id: Prop[int | None]

        class Meta:
            data_source = source
            acls = OWN

        @remote_method(
            accepts=[{"arg": "id", "type": "any"}],
            returns={"arg": "id", "type": "any"},
            http={"verb": "post", "path": "/:id/slice"},
        )
        @classmethod
        def slice(cls, id: Any) -> Any:
            return id

    app = make_app(Baker, Scone)
    ada, bob = made(source, Baker)
    mine, theirs = Scone.create(user_id=ada.id), Scone.create(user_id=bob.id)
    visit = Visit(app, ada)
    assert visit("POST", f"scones/{theirs.id}/slice", id=mine.id).status_code == 401
    assert visit("POST", f"scones/{theirs.id}/slice", {"id": mine.id}).status_code == 401
    for query, body in (({"id": theirs.id}, None), ({}, {"id": theirs.id})):
        answer = visit("POST", f"scones/{mine.id}/slice", body, **query)
        assert str(answer.json.get("id")) == str(mine.id)


# Routes below routes


def test_an_owner_creates_by_a_nested_route(source: DataSource, make_app: MakeApp) -> None:
    class Potter(User):
        class Meta:
            data_source = source

    class Kiln(Model):
        name: Prop[str | None]
        pots: HasMany[Pot] = relation(nest_remoting=True)

        class Meta:
            data_source = source

    class Pot(Model):
        user_id: Prop[int | None]
        kiln: BelongsTo[Kiln | None] = relation()
        glazes: HasMany[Glaze]

        class Meta:
            data_source = source
            acls = OWN

    class Glaze(Model):
        name: Prop[str | None]
        pot: BelongsTo[Pot | None] = relation()

        class Meta:
            data_source = source

    app = make_app(Potter, Kiln, Pot, Glaze)
    ada, bob = made(source, Potter)
    kiln = Kiln.create(name="k")
    mine = Pot.create(user_id=ada.id, kiln_id=kiln.id)
    theirs = Pot.create(user_id=bob.id, kiln_id=kiln.id)
    visit = Visit(app, ada)
    assert visit("POST", f"pots/{mine.id}/glazes", {"name": "a"}).status_code == 200
    path = f"kilns/{kiln.id}/pots"
    assert visit("POST", f"{path}/{mine.id}/glazes", {"name": "b"}).status_code == 200
    assert visit("POST", f"{path}/{theirs.id}/glazes", {"name": "c"}).status_code in (401, 404)
    assert Glaze.count() == 2


# What is said later, or elsewhere


def test_an_entry_about_find_holds_for_relations_to_records_of_the_same_model(
    source: DataSource, make_app: MakeApp
) -> None:
    class Twig(Model):
        name: Prop[str | None]
        twig: BelongsTo[Twig | None] = relation()
        twigs: HasMany[Twig] = relation(foreign_key="twig_id")

        class Meta:
            data_source = source
            default_permission = "ALLOW"
            acls = [{**CLOSED[0], "property": "find"}]

    visit = Visit(make_app(Twig))
    source.auto_update()
    first = Twig.create(name="first")
    Twig.create(name="second", twig_id=first.id)
    assert visit("GET", "twigs").status_code == 401
    assert visit("GET", f"twigs/{first.id}/twigs").status_code == 401
    where = '{"twigs.name": "second"}'
    assert visit("GET", "twigs/count", where=where).status_code == 401
    answer = visit("GET", "twigs/findOne", filter='{"include": "twigs"}')
    assert answer.status_code == 401


def test_an_entry_about_find_holds_for_named_scopes(source: DataSource, make_app: MakeApp) -> None:
    class Pebble(Model):
        size: Prop[int] = prop(default=1)

        small = scope(where={"size": 1})

        class Meta:
            data_source = source
            default_permission = "ALLOW"
            acls = [{**CLOSED[0], "property": ["find", "deleteById"]}]

    visit = Visit(make_app(Pebble))
    source.auto_update()
    Pebble.create()
    assert visit("GET", "pebbles/small/count").json == {"count": 1}
    assert visit("GET", "pebbles/small").status_code == 401
    assert visit("DELETE", "pebbles/small").status_code == 401
    assert Pebble.count() == 1


def test_a_model_that_links_has_its_entries_though_it_is_not_registered(
    source: DataSource, make_app: MakeApp
) -> None:
    class Guild(Model):
        name: Prop[str | None]
        smiths: HasMany[Smith] = relation(through="GuildSeat")

        class Meta:
            data_source = source

    class Smith(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class GuildSeat(Model):
        guild: BelongsTo[Guild] = relation()
        smith: BelongsTo[Smith] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    visit = Visit(make_app(Guild, Smith))
    source.auto_update()
    guild, smith = Guild.create(name="g"), Smith.create(name="s")
    assert visit("PUT", f"guilds/{guild.id}/smiths/rel/{smith.id}").status_code == 401
    assert GuildSeat.count() == 0


def test_who_is_linked_is_not_told_to_who_may_find_no_links(
    source: DataSource, make_app: MakeApp
) -> None:
    class Choir(Model):
        name: Prop[str | None]
        singers: HasMany[Singer] = relation(through="ChoirSeat")

        class Meta:
            data_source = source

    class Singer(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class ChoirSeat(Model):
        choir: BelongsTo[Choir] = relation()
        singer: BelongsTo[Singer] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    visit = Visit(make_app(Choir, Singer, ChoirSeat))
    source.auto_update()
    choir, singer = Choir.create(name="c"), Singer.create(name="s")
    ChoirSeat.create(choir_id=choir.id, singer_id=singer.id)
    path = f"choirs/{choir.id}/singers"
    for verb, tail in (
        ("GET", ""),
        ("GET", "/count"),
        ("GET", f"/{singer.id}"),
        ("PUT", f"/{singer.id}"),
        ("DELETE", f"/{singer.id}"),
        ("HEAD", f"/rel/{singer.id}"),
    ):
        answer = visit(verb, path + tail, {} if verb == "PUT" else None)
        assert answer.status_code == 401, (verb, tail)
    for filter in ('{"include": "singers"}', '{"where": {"singers.name": "s"}}'):
        assert visit("GET", "choirs", filter=filter).status_code == 401


@pytest.mark.parametrize(
    "name",
    [
        "__get__order_lines",
        "__get__orderLines",
        "prototype.__get__orderLines",
        "prototype.__get__order_lines",
    ],
)
def test_an_entry_names_the_method_of_a_relation_in_either_spelling(
    source: DataSource, make_app: MakeApp, name: str
) -> None:
    class Depot(Model):
        order_lines: HasMany[DepotLine]

        class Meta:
            data_source = source
            default_permission = "ALLOW"
            acls = [{"principalId": "$everyone", "permission": "DENY", "property": name}]

    class DepotLine(Model):
        depot: BelongsTo[Depot | None] = relation()

        class Meta:
            data_source = source

    visit = Visit(make_app(Depot, DepotLine))
    source.auto_update()
    depot = Depot.create()
    assert visit("GET", f"depots/{depot.id}/orderLines").status_code == 401
    assert visit("GET", f"depots/{depot.id}/orderLines/count").status_code == 200


@pytest.mark.parametrize(
    "name", ["updateAttributes", "prototype.update_attributes", "patch_attributes"]
)
def test_an_entry_names_a_method_by_its_alias(
    source: DataSource, make_app: MakeApp, name: str
) -> None:
    class Signpost(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source
            default_permission = "ALLOW"
            acls = [{"principalId": "$everyone", "permission": "DENY", "property": name}]

    visit = Visit(make_app(Signpost))
    source.auto_update()
    post = Signpost.create(name="a")
    assert visit("PATCH", f"signposts/{post.id}", {"name": "b"}).status_code == 401


def test_the_document_needs_no_function_that_says_who_has_a_role(source: DataSource) -> None:
    class DocRole(Role):
        class Meta:
            data_source = source

    class Sailor(User):
        class Meta:
            data_source = source

    @DocRole.resolver("doc-mate")
    def mate(access: Any) -> Any:
        return {"name": access.user.email}

    class Boat(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source
            acls = [{"principalType": "ROLE", "principalId": "doc-mate", "permission": "ALLOW"}]

    app = Flask("harbour")
    app.config.update(SECRET_KEY="k")
    loop = Loop(app, url_prefix="/api")
    loop.model(Sailor)
    loop.model(Boat)
    loop.model(DocRole, public=False)
    answer = app.test_client().get("/api/_docs/openapi.json")
    if answer.status_code == 404:
        answer = app.test_client().get("/_docs/openapi.json")
    assert answer.status_code == 200


def test_the_command_marks_no_way_open_that_ends_where_nobody_may_go(
    source: DataSource, make_app: MakeApp
) -> None:
    class Castle(Model):
        dungeons: HasMany[Dungeon]

        class Meta:
            data_source = source

    class Dungeon(Model):
        castle: BelongsTo[Castle | None] = relation()

        class Meta:
            data_source = source
            acls = CLOSED

    app = make_app(Castle, Dungeon)
    runner = app.test_cli_runner()
    answer = runner.invoke(args=["loop", "acl", "Castle", "--open"])
    assert answer.exit_code == 0, answer.output
    assert "dungeons" not in answer.output
    assert "castles.find " in answer.output


def test_the_command_shows_who_may_go_a_whole_way(source: DataSource, make_app: MakeApp) -> None:
    class Palace(Model):
        halls: HasMany[Hall]

        class Meta:
            data_source = source
            acls = [{"principalType": "ROLE", "principalId": "guide", "permission": "ALLOW"}]

    class Hall(Model):
        palace: BelongsTo[Palace | None] = relation()

        class Meta:
            data_source = source
            acls = OWN

    runner = make_app(Palace, Hall).test_cli_runner()
    answer = runner.invoke(args=["loop", "acl", "Palace", "--json"])
    rows = {each["method"]: each for each in json.loads(answer.stdout)}
    route = rows["palaces.prototype.__get__halls"]
    assert (route["who"], route["needs"]) == (["guide and $owner"], ["halls.find"])
    assert rows["palaces.prototype.__create__halls"]["who"] == []
    assert rows["palaces.find"]["who"] == ["guide"]


def test_the_document_asks_for_a_token_where_the_end_of_a_way_does(
    source: DataSource, make_app: MakeApp
) -> None:
    class Keeper(User):
        class Meta:
            data_source = source

    class Zoo(Model):
        cages: HasMany[Cage]

        class Meta:
            data_source = source

    class Cage(Model):
        user_id: Prop[int | None]
        zoo: BelongsTo[Zoo | None] = relation()

        class Meta:
            data_source = source
            acls = OWN

    client = make_app(Keeper, Zoo, Cage).test_client()
    paths = client.get("/_docs/openapi.json").json["paths"]
    assert {} not in paths["/api/zoos/{id}/cages"]["get"]["security"]
    assert "401" in paths["/api/zoos/{id}/cages"]["get"]["responses"]
    assert {} in paths["/api/zoos"]["get"].get("security", [{}])


def test_an_entry_about_all_models_is_not_about_the_rows_that_a_relation_made() -> None:
    source = memory()

    class StarTag(Model):
        word: Prop[str]
        notes: HasAndBelongsToMany[StarNote]

        class Meta:
            data_source = source
            plural = "starTags"
            acls = [{"principalType": "ROLE", "principalId": "$everyone", "permission": "ALLOW"}]

    class StarNote(Model):
        text: Prop[str]
        tags: HasAndBelongsToMany[StarTag]

        class Meta:
            data_source = source
            plural = "starNotes"
            acls = [{"principalType": "ROLE", "principalId": "$everyone", "permission": "ALLOW"}]

    class StarRule(ACL):
        class Meta:
            data_source = source

    app = Flask("stars")
    app.config["TESTING"] = True
    loop = Loop(app)
    for model in (StarTag, StarNote):
        loop.model(model)
    loop.model(StarRule, public=False)
    StarRule.create(
        model="*",
        property="*",
        access_type="*",
        permission="DENY",
        principal_type="ROLE",
        principal_id="$everyone",
    )
    tag = StarTag.create(word="red")
    tag.notes.create(text="of it")
    client = app.test_client()
    assert [each["text"] for each in client.get("/starTags/1/notes").json] == ["of it"]
    found = client.get("/starTags", query_string={"filter": '{"include": "notes"}'}).json
    assert [each["text"] for each in found[0]["notes"]] == ["of it"]
