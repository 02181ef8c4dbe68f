from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, DefinitionError, HasMany, Loop, Model, Prop, memory

MakeApp = Callable[..., Flask]


@pytest.fixture
def pair() -> tuple[Any, Any]:
    """Authors and their poems."""
    db = memory()

    class Author(Model):
        name: Prop[str]

        class Meta:
            data_source = db

    class Poem(Model):
        title: Prop[str]

        class Meta:
            data_source = db

    Author.has_many(Poem)
    Poem.belongs_to(Author)
    Author.create({"name": "a"})
    Poem.create({"title": "p", "author_id": 1})
    return Author, Poem


@pytest.fixture
def client(pair: tuple[Any, Any], make_app: MakeApp) -> FlaskClient:
    return make_app(*pair).test_client()


ROUTES = {
    "find": ("get", "/api/authors/1/poems"),
    "create": ("post", "/api/authors/1/poems"),
    "count": ("get", "/api/authors/1/poems/count"),
    "find_by_id": ("get", "/api/authors/1/poems/1"),
    "patch_attributes": ("put", "/api/authors/1/poems/1"),
    "delete_by_id": ("delete", "/api/authors/1/poems/1"),
}


def answers(client: FlaskClient, verb: str, path: str) -> bool:
    body = {"json": {"title": "x"}} if verb in ("post", "put") else {}
    status = getattr(client, verb)(path, **body).status_code
    assert status in (200, 204, 404, 405)
    return status < 400


@pytest.mark.parametrize("operation", ROUTES)
def test_a_route_of_a_relation_is_remote_where_the_operation_that_it_stands_for_is(
    client: FlaskClient, pair: tuple[Any, Any], operation: str
) -> None:
    _, poem = pair
    name = f"prototype.{operation}" if operation == "patch_attributes" else operation
    poem.disable_remote(name)
    for other, (verb, path) in ROUTES.items():
        if other != "delete_by_id" or operation == "delete_by_id":
            assert answers(client, verb, path) is (other != operation), other
    poem.enable_remote(name)
    assert answers(client, *ROUTES[operation])


def test_the_owner_may_say_by_name_that_a_route_is_remote_nevertheless(
    client: FlaskClient, pair: tuple[Any, Any]
) -> None:
    author, poem = pair
    poem.disable_remote("*")
    assert not answers(client, *ROUTES["find"])
    author.enable_remote("*")
    assert not answers(client, *ROUTES["find"])
    author.enable_remote("prototype.__get__poems")
    assert answers(client, *ROUTES["find"])
    assert not answers(client, *ROUTES["create"])


@pytest.mark.parametrize("name", ["prototype.__delete__poems", "prototype.*", "**"])
def test_routes_of_relations_are_switched_by_name_and_by_pattern(
    client: FlaskClient, pair: tuple[Any, Any], name: str
) -> None:
    pair[0].disable_remote(name)
    response = client.delete("/api/authors/1/poems")
    assert response.status_code == (405 if name == "prototype.__delete__poems" else 404)
    assert pair[1].count() == 1


def test_the_app_and_the_data_source_switch_routes_of_relations(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    said = {"authors.prototype.__get__poems": False}
    client = make_app(*pair, LOOP_REMOTING=said).test_client()
    assert not answers(client, *ROUTES["find"])
    assert answers(client, *ROUTES["count"])
    pair[0].data_source.disable_remote("prototype.__count__poems")
    assert not answers(client, *ROUTES["count"])
    pair[0].data_source.enable_remote("prototype.__count__poems")
    assert answers(client, *ROUTES["count"])


def test_what_leads_to_a_model_that_is_not_exposed_is_not_remote(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    author, _ = pair
    client = make_app(author).test_client()
    for verb, path in ROUTES.values():
        assert not answers(client, verb, path)
    response = client.get("/api/authors?filter[include]=poems")
    assert response.status_code == 400
    author.enable_remote("prototype.__get__poems")
    assert client.get("/api/authors/1/poems").json == [{"id": 1, "title": "p", "authorId": 1}]


def test_the_order_in_which_models_are_exposed_makes_no_difference(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    client = make_app(*reversed(pair)).test_client()
    assert answers(client, *ROUTES["find"])
    assert client.get("/api/poems/1/author").json["name"] == "a"


@pytest.mark.parametrize(
    "filter",
    [
        {"include": "poems"},
        {"include": {"relation": "poems"}},
        {"where": {"poems": {"some": {"title": "p"}}}},
        {"where": {"poems.title": "p"}},
    ],
)
def test_filters_reach_only_what_a_client_could_find(
    client: FlaskClient, pair: tuple[Any, Any], filter: dict[str, Any]
) -> None:
    path = f"/api/authors?filter={json.dumps(filter)}"
    assert client.get(path).status_code == 200
    pair[1].disable_remote("find")
    response = client.get(path)
    assert response.status_code == 400
    assert response.json["error"]["code"] == "INVALID_FILTER"
    pair[1].enable_remote("find")
    assert client.get(path).status_code == 200


def test_the_depth_and_the_number_of_includes_are_bounded(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    deep = '{"include":{"poems":{"author":"poems"}}}'
    wide = '{"include":{"poems":"author"}}'
    client = make_app(*pair, LOOP_MAX_INCLUDE_DEPTH=2).test_client()
    assert client.get(f"/api/authors?filter={wide}").status_code == 200
    assert client.get(f"/api/authors?filter={deep}").status_code == 400
    client = make_app(*pair, LOOP_MAX_INCLUDES=1).test_client()
    assert client.get(f"/api/authors?filter={wide}").status_code == 400


def test_includes_come_with_the_records_of_a_relation(client: FlaskClient) -> None:
    listed = client.get("/api/authors/1/poems?filter[include]=author").json
    assert listed[0]["author"]["name"] == "a"
    one = client.get("/api/authors/1/poems/1?filter[include]=author").json
    assert one["author"]["name"] == "a"
    owner = client.get("/api/poems/1/author?filter[include]=poems").json
    assert owner["poems"][0]["title"] == "p"


def test_two_apps_show_relations_each_as_it_exposes_models(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    whole, part = make_app(*pair).test_client(), make_app(pair[0]).test_client()
    path = "/api/authors?filter[include]=poems"
    assert [client.get(path).status_code for client in (whole, part, whole)] == [200, 400, 200]
    assert [answers(client, *ROUTES["find"]) for client in (whole, part)] == [True, False]


def test_relations_that_are_declared_after_their_models_are_exposed_have_routes(
    make_app: MakeApp,
) -> None:
    db = memory()

    class Garden(Model):
        class Meta:
            data_source = db

    class Flower(Model):
        class Meta:
            data_source = db

    client = make_app(Garden, Flower).test_client()
    Garden.create({})
    assert client.get("/api/gardens/1/flowers").status_code == 404
    Garden.has_many(Flower)
    assert client.post("/api/gardens/1/flowers", json={}).json["gardenId"] == 1


def test_a_relation_to_a_model_that_is_defined_later_has_routes(make_app: MakeApp) -> None:
    db = memory()

    class Tank(Model):
        inhabitants: HasMany[FishOfExposure]

        class Meta:
            data_source = db

    app = Flask("zoo")
    app.config["TESTING"] = True
    loop = Loop(app)
    loop.model(Tank)

    class FishOfExposure(Model):
        class Meta:
            data_source = db

    loop.model(FishOfExposure)
    client = app.test_client()
    client.post("/tanks", json={})
    assert client.get("/tanks/1/inhabitants").json == []


def test_a_relation_to_a_model_that_does_not_exist_is_said_at_the_first_request(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    class Desert(Model):
        class Meta:
            data_source = memory()

    Desert.has_many("lakes", model="LakeThatIsNot")
    app = make_app(Desert)
    with pytest.raises(DefinitionError, match=r"Desert\.lakes: .*'LakeThatIsNot'"):
        app.test_client().get("/api/deserts")
    quiet = make_app(Desert, testing=False)
    with caplog.at_level(logging.ERROR):
        quiet.test_client().get("/api/deserts")
    assert "LakeThatIsNot" in caplog.text


def test_hooks_and_switches_of_relations_are_not_warned_about(
    pair: tuple[Any, Any], make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    author, _ = pair

    @author.before_remote("prototype.__get__poems")
    def known(ctx: Any) -> None:
        pass

    @author.before_remote("prototype.__get__prose")
    def unknown(ctx: Any) -> None:
        pass

    author.disable_remote("prototype.__delete__poems", "prototype.__delete__prose")
    with caplog.at_level(logging.WARNING):
        make_app(*pair).test_client().get("/api/authors")
    assert [record.message.partition(" of ")[0] for record in caplog.records] == [
        "Flask-Loop: the before hook 'prototype.__get__prose'",
        "Flask-Loop: the switch 'prototype.__delete__prose'",
    ]


def test_the_command_line_lists_the_routes_of_relations(
    pair: tuple[Any, Any], make_app: MakeApp
) -> None:
    app = make_app(*pair)
    listed = app.test_cli_runner().invoke(args=["loop", "routes", "--json"])
    rows = {(each["verb"], each["path"], each["method"]) for each in json.loads(listed.output)}
    assert ("GET", "/api/authors/<id>/poems", "authors.prototype.__get__poems") in rows
    assert ("PUT", "/api/authors/<id>/poems/<fk>", "authors.prototype.__updateById__poems") in rows
    assert ("GET", "/api/poems/<id>/author", "poems.prototype.__get__author") in rows
    pair[1].disable_remote("find")
    listed = app.test_cli_runner().invoke(args=["loop", "routes", "--json"])
    assert "prototype.__get__poems" not in listed.output


def test_observers_of_what_is_included_know_who_calls(
    client: FlaskClient, pair: tuple[Any, Any]
) -> None:
    from flask_loop import current_context

    seen = []

    @pair[1].observe("access")
    def note(ctx: Any) -> None:
        running = current_context()
        seen.append(None if running is None else running.method_string)

    client.get("/api/authors?filter[include]=poems")
    assert seen == ["authors.find"]


def test_each_data_source_has_its_own_relations(source: DataSource, make_app: MakeApp) -> None:
    here, there = memory(), source

    class Country(Model):
        name: Prop[str]

        class Meta:
            data_source = here

    class City(Model):
        name: Prop[str]

        class Meta:
            data_source = there

    Country.has_many(City)
    there.auto_update()
    Country.create({"name": "Peru"})
    client = make_app(Country, City).test_client()
    client.post("/api/countries/1/cities", json={"name": "Lima"})
    assert client.get("/api/countries/1/cities").json[0]["name"] == "Lima"


@pytest.mark.parametrize("is_made_first", [True, False])
def test_a_model_of_loopbacks_that_is_not_public_is_reached_by_relations_alone(
    tmp_path: Path, is_made_first: bool
) -> None:
    files: dict[str, Any] = {
        "parcel": {
            "name": "ParcelOfExposure",
            "plural": "parcels",
            "relations": {"stops": {"type": "hasMany", "model": "StopOfExposure"}},
        },
        "stop": {"name": "StopOfExposure", "plural": "stops", "properties": {"town": "string"}},
        "model-config": {
            "ParcelOfExposure": {"dataSource": "db"},
            "StopOfExposure": {"dataSource": "db", "public": False},
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    app = Flask("post")
    app.config.update(TESTING=True, LOOP_DATA_SOURCES={"db": {"connector": "memory"}})
    loop = Loop(app) if is_made_first else Loop()
    models = loop.load(tmp_path)
    if not is_made_first:
        loop.init_app(app)
    client = app.test_client()
    client.post("/parcels", json={})
    assert client.post("/parcels/1/stops", json={"town": "Lima"}).status_code == 200
    assert client.get("/parcels?filter[include]=stops").status_code == 200
    assert client.get("/stops").status_code == 404
    stop: Any = next(each for each in models if each.__name__ == "StopOfExposure")
    stop.disable_remote("find")
    assert client.get("/parcels?filter[include]=stops").status_code == 400
    assert client.get("/parcels/1/stops").status_code == 405
