from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    BelongsTo,
    DataSource,
    EmbedsMany,
    EmbedsOne,
    FilterError,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    Model,
    NotAttachedError,
    Prop,
    ReferencesMany,
    create_data_source,
    memory,
    prop,
    relation,
)

MakeApp = Callable[..., Flask]


class Hall(Model):
    name: Prop[str]
    secret: Prop[str | None] = prop(hidden=True)
    email: Prop[str | None] = prop(protected=True)
    shows: HasMany[Show]
    keeper: HasOne[Keeper] = relation(foreign_key="hall_id")

    class Meta:
        plural = "halls"


class Keeper(Model):
    name: Prop[str]
    hall: BelongsTo[Hall]
    code: Prop[str | None] = prop(write_only=True)


class Line(Model):
    text: Prop[str]
    rank: Prop[int] = prop(default=0)
    note: Prop[str | None] = prop(protected=True)

    class Meta:
        id_injection = False


class Show(Model):
    title: Prop[str]
    seats: Prop[int | None]
    hall: BelongsTo[Hall]
    actors: HasAndBelongsToMany[Actor]
    posters: HasMany[Poster] = relation(polymorphic="shown")
    stars: ReferencesMany[Actor]
    lines: EmbedsMany[Line]
    motto: EmbedsOne[Line]
    drafts: HasMany[Poster] = relation(polymorphic="shown", disable_include=True)


class Actor(Model):
    name: Prop[str]
    posters: HasMany[Poster] = relation(polymorphic="shown")


class Poster(Model):
    file: Prop[str]
    shown: BelongsTo[Any] = relation(polymorphic=True)


MODELS: list[Any] = [Hall, Keeper, Show, Actor, Poster]


@pytest.fixture(params=["memory", "sqlite", "several"])
def stage(request: pytest.FixtureRequest) -> Iterator[None]:
    """The records, on one data source or on several."""
    sources = [memory(), create_data_source(connector="sqlite", url="sqlite://")]
    chosen = {"memory": [sources[0]] * 5, "sqlite": [sources[1]] * 5}.get(
        request.param, [sources[1], sources[0], sources[1], sources[0], sources[0]]
    )
    for model, source in zip(MODELS, chosen, strict=True):
        model.attach_to(source)
    through = Show.definition.relations["actors"].through
    assert through is not None
    through.model.attach_to(chosen[2])
    for source in sources:
        source.auto_update()
    Hall.create([{"name": "Arena", "secret": "s", "email": "a@x"}, {"name": "Barn"}])
    Keeper.create({"name": "Kim", "hall_id": 2, "code": "c"})
    Actor.create([{"name": "Ada"}, {"name": "Bo"}, {"name": "Cy"}])
    line = {"text": "one", "rank": 2, "note": "n"}
    Show.create(
        [
            {"title": "Hamlet", "seats": 30, "hall_id": 1, "star_ids": [3, 1], "_lines": [line]},
            {"title": "Faust", "seats": 20, "hall_id": 1, "_motto": line},
            {"title": "Lulu", "seats": None, "hall_id": 9},
            {"title": "Ubu", "seats": 10},
        ]
    )
    Show.find_by_id(1).lines.create(text="two", rank=1)
    for show, actor in ((1, 1), (1, 2), (2, 2)):
        Show.find_by_id(show).actors.add(Actor.find_by_id(actor))
    Poster.create(
        [
            {"file": "h.png", "shown_id": 1, "shown_type": "Show"},
            {"file": "a.png", "shown_id": 1, "shown_type": "Actor"},
            {"file": "g.png", "shown_id": 9, "shown_type": "Show"},
            {"file": "n.png"},
        ]
    )
    yield
    sources[1].close()


@pytest.fixture
def client(stage: None, make_app: MakeApp) -> FlaskClient:
    return make_app(*MODELS).test_client()


def get(client: FlaskClient, path: str, **filter: Any) -> Any:
    response = client.get(f"/api{path}", query_string={"filter": json.dumps(filter)})
    assert response.status_code == 200, response.json
    return response.json


def refusal(client: FlaskClient, path: str, filter: Any) -> dict[str, Any]:
    response = client.get(f"/api{path}", query_string={"filter": json.dumps(filter)})
    assert response.status_code == 400
    error: dict[str, Any] = response.json["error"]
    assert error["code"] == "INVALID_FILTER"
    return error


ARENA = {"id": 1, "name": "Arena"}
BARN = {"id": 2, "name": "Barn"}
ADA, BO, CY = ({"id": id, "name": name} for id, name in enumerate(("Ada", "Bo", "Cy"), 1))


# What comes, for clients and in Python alike

INCLUDED: list[tuple[Any, str, list[Any]]] = [
    ("hall", "hall", [ARENA, ARENA, None, None]),
    ("actors", "actors", [[ADA, BO], [BO], [], []]),
    ("stars", "stars", [[CY, ADA], [], [], []]),
    (
        "posters",
        "posters",
        [[{"file": "h.png", "id": 1, "shownId": 1, "shownType": "Show"}], [], [], []],
    ),
    (
        "lines",
        "lines",
        [[{"text": "one", "rank": 2}, {"text": "two", "rank": 1}], [], [], []],
    ),
    ("motto", "motto", [None, {"text": "one", "rank": 2}, None, None]),
    (
        {"relation": "lines", "scope": {"order": "rank", "limit": 1, "fields": ["text"]}},
        "lines",
        [[{"text": "two"}], [], [], []],
    ),
    (
        {"relation": "actors", "scope": {"where": {"name": {"neq": "Ada"}}, "fields": ["name"]}},
        "actors",
        [[{"name": "Bo"}], [{"name": "Bo"}], [], []],
    ),
    (
        {"relation": "hall", "scope": {"where": {"name": "Barn"}}},
        "hall",
        [None, None, None, None],
    ),
    (
        {"relation": "stars", "scope": {"order": "name DESC", "skip": 1}},
        "stars",
        [[ADA], [], [], []],
    ),
]


@pytest.mark.parametrize(("include", "wire", "expected"), INCLUDED, ids=repr)
def test_related_records_are_under_the_name_of_the_relation(
    client: FlaskClient, include: Any, wire: str, expected: list[Any]
) -> None:
    found = get(client, "/shows", include=include)
    assert [each["title"] for each in found] == ["Hamlet", "Faust", "Lulu", "Ubu"]
    assert [each.get(wire) for each in found] == expected
    assert [wire in each for each in found] == [each is not None for each in expected]
    assert [each.to_dict() for each in Show.find(include=include)] == found
    assert [each.to_dict() for each in Show.include(Show.find(), include)] == found
    (one,) = get(client, "/shows", include=include, limit=1)
    assert one == found[0]
    assert get(client, "/shows/1", include=include) == found[0]
    assert get(client, "/shows/findOne", include=include) == found[0]
    assert Show.find_by_id(2, {"include": include}).to_dict() == found[1]  # type: ignore[union-attr]
    assert Show.find_one(include=include).to_dict() == found[0]  # type: ignore[union-attr]
    listed = Show.find_by_ids([4, 1], {"include": include})
    assert [each.to_dict() for each in listed] == [found[3], found[0]]
    assert [each.to_dict() for each in Show.all(include=include)] == found


def test_includes_go_on_with_the_records_that_were_included(client: FlaskClient) -> None:
    found = get(
        client,
        "/halls",
        fields=["name"],
        include={
            "relation": "shows",
            "scope": {
                "fields": ["title"],
                "order": "title",
                "limit": 1,
                "include": ["actors", {"hall": "keeper"}],
            },
        },
    )
    assert found == [
        {"name": "Arena", "shows": [{"title": "Faust", "hall": ARENA, "actors": [BO]}]},
        {"name": "Barn", "shows": []},
    ]
    (barn,) = get(client, "/halls", where={"name": "Barn"}, include={"keeper": {"hall": "shows"}})
    assert barn["keeper"] == {"id": 1, "name": "Kim", "hallId": 2, "hall": {**BARN, "shows": []}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("filter[include]=hall", ["hall"]),
        ("filter[include][]=hall&filter[include][]=actors", ["hall", "actors"]),
        ("filter[include][0][relation]=actors&filter[include][0][scope][limit]=1", ["actors"]),
        ("filter[include][hall]=keeper", ["hall"]),
        ('filter={"include":"hall"}', ["hall"]),
        ("filter[include]=", []),
    ],
)
def test_a_query_string_includes(client: FlaskClient, text: str, expected: list[str]) -> None:
    (first, *_) = client.get(f"/api/shows?{text}").json
    assert [name for name in ("hall", "actors") if name in first] == expected


def test_a_relation_to_several_models_includes_each_record_as_its_model_has_it(
    client: FlaskClient,
) -> None:
    found = get(client, "/posters", fields=["file"], include="shown")
    hamlet = get(client, "/shows/1")
    assert found == [
        {"file": "h.png", "shown": hamlet},
        {"file": "a.png", "shown": ADA},
        {"file": "g.png"},
        {"file": "n.png"},
    ]
    scope = {"include": "posters"}
    found = get(client, "/posters", include={"relation": "shown", "scope": scope})
    assert [each["shown"]["posters"][0]["file"] for each in found[:2]] == ["h.png", "a.png"]
    instances = Poster.find(include="shown")
    assert [type(each.shown()).__name__ for each in instances] == [
        *("Show", "Actor", "NoneType", "NoneType")
    ]


def test_no_more_is_shown_of_included_records_than_of_others(client: FlaskClient) -> None:
    assert get(client, "/halls/1") == {**ARENA, "email": "a@x"}
    assert get(client, "/shows/1", include="hall")["hall"] == ARENA
    (barn,) = get(client, "/halls", where={"name": "Barn"}, include="keeper")
    assert barn["keeper"] == {"id": 1, "name": "Kim", "hallId": 2}
    (show,) = Show.find(where={"id": 1}, include="hall")
    assert show.hall().email == "a@x"  # type: ignore[union-attr]
    assert show.to_dict()["hall"] == ARENA
    assert Hall.find_by_id(1).to_dict()["email"] == "a@x"  # type: ignore[union-attr]


def test_an_include_does_not_choose_the_records(client: FlaskClient) -> None:
    include = {"relation": "hall", "scope": {"where": {"name": "nothing"}}}
    assert len(get(client, "/shows", include=include)) == 4
    assert len(get(client, "/shows", include=include, limit=2, skip=1)) == 2


def test_fields_say_nothing_of_relations_and_need_not_have_the_keys(client: FlaskClient) -> None:
    (first, *_) = get(client, "/shows", fields=["title"], include=["hall", "stars"])
    assert first == {"title": "Hamlet", "hall": ARENA, "stars": [CY, ADA]}
    (first, *_) = Show.find(fields={"title": True}, include="hall")
    assert first.to_record() == {"title": "Hamlet"}
    with pytest.raises(AttributeError, match="hall_id was not loaded"):
        _ = first.hall_id
    scope = {"fields": ["title"]}
    (arena, _) = get(client, "/halls", include={"relation": "shows", "scope": scope})
    assert arena["shows"] == [{"title": "Hamlet"}, {"title": "Faust"}]


# In Python


def test_what_was_included_is_there_without_another_query(stage: None) -> None:
    (hamlet, *_) = Show.find(include=["hall", "actors", "posters"])
    Hall.update_all({}, {"name": "new"})
    Actor.update_all({}, {"name": "new"})
    assert hamlet.hall().name == "Arena"  # type: ignore[union-attr]
    assert [each.name for each in hamlet.actors()] == ["Ada", "Bo"]
    assert [each.name for each in hamlet.actors(refresh=True)] == ["new", "new"]
    assert hamlet.reload().hall().name == "new"  # type: ignore[union-attr]


def test_loading_takes_records_and_gives_them_back(stage: None) -> None:
    shows = Show.find(fields=["title", "hall_id"])
    assert Show.include(shows, "hall") == shows
    assert [each.hall() and each.hall().name for each in shows[:3]] == ["Arena", "Arena", None]  # type: ignore[union-attr]
    assert Show.include([], "hall") == []
    with pytest.raises(AttributeError, match="id was not loaded"):
        Show.include(shows, "actors")
    with pytest.raises(FilterError, match="include"):
        Show.include(shows, "unknown")


def test_the_relation_of_a_key_is_known_by_its_name(stage: None) -> None:
    assert Show.relation_name_for("hall_id") == "hall"
    assert Show.relation_name_for("hallId") == "hall"
    assert Show.relation_name_for("title") is None
    assert Show.relation_name_for("unknown") is None
    assert Hall.relation_name_for("id") is None


def test_neither_is_ever_remote(client: FlaskClient) -> None:
    operations = Hall.data_source.operations()  # type: ignore[union-attr]
    for name in ("include", "relationNameFor"):
        assert operations[name]["enabled"]
        assert not operations[name]["remoteEnabled"]
    assert client.get("/api/halls/include").status_code == 404
    assert client.post("/api/halls/include").status_code in (404, 405)


def test_a_saved_record_is_not_stored_with_what_was_included(stage: None) -> None:
    (hamlet, *_) = Show.find(include=["hall", "actors"])
    hamlet.title = "Hamlet II"
    hamlet.save()
    stored = Show.find_by_id(1)
    assert stored is not None
    assert stored.title == "Hamlet II"
    assert "hall" not in stored.to_dict()
    assert "hall" not in stored.to_record()


# Observers and other data sources


def test_observers_of_the_related_model_see_includes_and_narrow_them() -> None:
    db = memory()
    boxes = db.create_model("boxed", {"name": str})
    things = db.create_model("boxed_thing", {"name": str})
    things.belongs_to("box", model=boxes)
    boxes.has_many("things", model=things, foreign_key="box_id")
    boxes.create([{"name": "a"}, {"name": "b"}])
    things.create(
        [{"name": n, "box_id": 1 + n // 2} for n in range(3)]
        and [{"name": "x", "box_id": 1}, {"name": "y", "box_id": 1}, {"name": "z", "box_id": 2}]
    )
    seen: list[Any] = []

    @things.observe("access")
    def narrow(ctx: Any) -> None:
        seen.append(ctx.event)
        ctx.narrow({"name": {"neq": "y"}})

    @things.observe("loaded")
    def shout(ctx: Any) -> None:
        seen.append(ctx.event)
        ctx.data["name"] = ctx.data["name"].upper()

    found = boxes.find(include="things")
    assert [[each.name for each in box.things()] for box in found] == [["X"], ["Z"]]
    assert seen == ["access", "loaded", "loaded"]
    scope = {"relation": "things", "scope": {"limit": 1, "order": "name DESC"}}
    found = boxes.find(include=scope)
    assert [[each.name for each in box.things()] for box in found] == [["X"], ["Z"]]


def test_a_model_without_a_data_source_cannot_be_included() -> None:
    db = memory()
    alone = memory().create_model("alone_parent", {"name": str})
    child = db.create_model("alone_child", {"name": str})
    child.belongs_to("parent", model=alone)
    child.create({"name": "a", "parent_id": 1})
    type.__setattr__(alone, "data_source", None)
    with pytest.raises(NotAttachedError, match="alone_parent"):
        child.find(include="parent")


def test_a_key_of_several_properties_is_followed_both_ways(source: DataSource) -> None:
    plots = source.create_model(
        "plot",
        {"row": {"type": int, "id": 1}, "place": {"type": int, "id": 2}, "name": str},
    )
    plants = source.create_model("plant", {"row": int, "place": int, "kind": str})
    keys = {"foreign_key": ["row", "place"]}
    plots.has_many("plants", model=plants, **keys)
    plants.belongs_to("plot", model=plots, **keys)
    source.auto_update()
    plots.create([{"row": r, "place": p, "name": f"{r}{p}"} for r in (1, 2) for p in (1, 2)])
    plants.create(
        [
            {"row": 1, "place": 2, "kind": "a"},
            {"row": 2, "place": 1, "kind": "b"},
            {"row": 1, "place": 2, "kind": "c"},
            {"row": None, "place": 2, "kind": "d"},
        ]
    )
    found = plots.find(include="plants")
    assert [[each.kind for each in plot.plants()] for plot in found] == [[], ["a", "c"], ["b"], []]
    scope = {"limit": 1, "order": "kind DESC"}
    found = plots.find(include={"relation": "plants", "scope": scope})
    assert [[each.kind for each in plot.plants()] for plot in found] == [[], ["c"], ["b"], []]
    found = plants.find(include="plot")
    assert [each.plot() and each.plot().name for each in found] == ["12", "21", "12", None]
    assert plants.count({"plot.name": "12"}) == 2


# What is refused, and the bounds


@pytest.mark.parametrize(
    ("include", "path"),
    [
        ("unknown", "include"),
        (["hall", "unknown"], "include.1"),
        ({"hall": "unknown"}, "include.hall"),
        ("title", "include"),
        ({"relation": "hall", "scope": {"where": {"unknown": 1}}}, "include.scope.where.unknown"),
        ({"relation": "hall", "scope": {"limit": -1}}, "include.scope.limit"),
        ({"relation": "hall", "unknown": {}}, "include.unknown"),
        ({"relation": "hall", "scope": {"where": {"secret": "s"}}}, "include.scope.where.secret"),
        ({"relation": "hall", "scope": {"fields": ["email"]}}, "include.scope.fields.0"),
        ({"relation": "hall", "scope": {"order": "email"}}, "include.scope.order.0"),
        ("drafts", "include"),
        (7, "include"),
    ],
    ids=repr,
)
def test_an_include_that_means_nothing_is_a_400_that_names_the_place(
    client: FlaskClient, include: Any, path: str
) -> None:
    for route in ("/shows", "/shows/1", "/shows/findOne"):
        assert refusal(client, route, {"include": include})["details"]["path"] == path


def test_one_record_takes_no_more_than_fields_and_include(client: FlaskClient) -> None:
    assert "filter" in refusal(client, "/shows/1", {"where": {"title": "x"}})["message"]
    assert "filter" in refusal(client, "/shows/1", {"limit": 1, "include": "hall"})["message"]
    assert client.get("/api/shows/77?filter[include]=hall").status_code == 404


def test_a_model_that_is_not_exposed_cannot_be_included(stage: None, make_app: MakeApp) -> None:
    client = make_app(Show, Actor).test_client()
    assert "cannot be reached" in refusal(client, "/shows", {"include": "hall"})["message"]
    assert get(client, "/shows/1", include="actors")["actors"] == [ADA, BO]


def test_settings_bound_includes(stage: None, make_app: MakeApp) -> None:
    client = make_app(*MODELS, LOOP_MAX_INCLUDE_DEPTH=2, LOOP_MAX_INCLUDES=3).test_client()
    assert get(client, "/halls", include={"shows": "hall"})
    too_deep = refusal(client, "/halls", {"include": {"shows": {"hall": "shows"}}})
    assert "2 levels" in too_deep["message"]
    many = ["hall", "actors", "posters", "stars"]
    assert "3 includes" in refusal(client, "/shows", {"include": many})["message"]


def test_a_limit_of_a_scope_is_bounded_for_each_record(stage: None, make_app: MakeApp) -> None:
    client = make_app(*MODELS, LOOP_MAX_LIMIT=2).test_client()
    scope = {"relation": "shows", "scope": {"limit": 3}}
    assert refusal(client, "/halls", {"include": scope})["details"]["path"] == "include.scope.limit"
    scope = {"relation": "shows", "scope": {"limit": 2}}
    assert len(get(client, "/halls/1", include=scope)["shows"]) == 2


@pytest.mark.parametrize("more", [1, 2, 7])
def test_without_a_limit_an_include_brings_each_record_as_many_as_a_list_has(
    stage: None, make_app: MakeApp, more: int
) -> None:
    client = make_app(*MODELS, LOOP_MAX_LIMIT=2).test_client()
    Show.create([{"title": f"more {n}", "hall_id": 2} for n in range(more)])
    found = get(client, "/halls", include="shows")
    assert [[show["id"] for show in each["shows"]] for each in found] == [[1, 2], [5, 6][:more]]
    scope = {"relation": "shows", "scope": {"order": "title DESC"}}
    found = get(client, "/halls", include=scope)
    titles = sorted((f"more {n}" for n in range(more)), reverse=True)[:2]
    assert [[show["title"] for show in each["shows"]] for each in found] == [
        ["Hamlet", "Faust"],
        titles,
    ]
    scope = {"relation": "shows", "scope": {"skip": 1}}
    found = get(client, "/halls", include=scope)
    assert [[show["id"] for show in each["shows"]] for each in found] == [[2], [6, 7][: more - 1]]
    for actor in (2, 3):
        Show.find_by_id(1).actors.add(actor)  # type: ignore[union-attr]
    assert get(client, "/shows/1", include="actors")["actors"] == [ADA, BO]
    Show.update_all({"id": 1}, {"star_ids": [3, 1, 2]})
    assert get(client, "/shows/1", include="stars")["stars"] == [CY, ADA]


def test_python_callers_include_all_there_is(stage: None) -> None:
    Show.create([{"title": "more", "hall_id": 2} for _ in range(1500)])
    assert [len(each.shows()) for each in Hall.find(include="shows")] == [2, 1500]


# Hooks and overridden methods give the same


def test_hooks_and_own_versions_of_operations_answer_with_includes(
    source: DataSource, make_app: MakeApp
) -> None:
    class Barrel(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Wine(Model):
        name: Prop[str]
        barrel: BelongsTo[Barrel]

        class Meta:
            data_source = source

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            return super().find(filter, **parts)

    source.auto_update()
    Barrel.create(name="oak")
    Wine.create([{"name": "red", "barrel_id": 1}, {"name": "white"}])
    expected = [
        {"id": 1, "name": "red", "barrelId": 1, "barrel": {"id": 1, "name": "oak"}},
        {"id": 2, "name": "white", "barrelId": None},
    ]
    seen: list[Any] = []

    @Wine.after_remote("findById")
    def look(ctx: Any) -> None:
        seen.append(ctx.result.barrel().name)

    client = make_app(Barrel, Wine).test_client()
    assert get(client, "/wines", include="barrel") == expected
    assert get(client, "/wines/1", include="barrel") == expected[0]
    assert seen == ["oak"]
