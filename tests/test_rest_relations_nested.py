from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop

MakeApp = Callable[..., Flask]


@pytest.fixture
def models(source: DataSource) -> list[Any]:
    """Towns with streets with houses, each street and each town with one mayor."""

    class Town(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Street(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class House(Model):
        number: Prop[int]

        class Meta:
            data_source = source

    class Mayor(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    Street.has_many(House)
    Street.belongs_to(Town)
    Mayor.has_many("homes", model=House, foreign_key="mayor_id")
    Town.has_many(Street, nest_remoting=True)
    Town.has_one(Mayor, nest_remoting=True)
    source.auto_update()
    Town.create([{"name": "a"}, {"name": "b"}])
    Street.create([{"name": "s", "town_id": 1}, {"name": "t", "town_id": 2}])
    return [Town, Street, House, Mayor]


@pytest.fixture
def client(models: list[Any], make_app: MakeApp) -> FlaskClient:
    return make_app(*models).test_client()


def test_the_records_of_related_records_have_routes_below_them(client: FlaskClient) -> None:
    path = "/api/towns/1/streets/1/houses"
    assert client.get(path).json == []
    created = client.post(path, json={"number": 7, "streetId": 2}).json
    assert (created["number"], created["streetId"]) == (7, 1)
    assert client.get(path).json == [created]
    assert client.get(f"{path}/count?where[number]=7").json == {"count": 1}
    assert client.get(f"{path}/1").json == created
    assert client.put(f"{path}/1", json={"number": 8}).json["number"] == 8
    assert client.put(f"{path}/1", json={"streetId": 2}).status_code == 400
    assert client.delete(f"{path}/1").status_code == 204
    client.post(path, json=[{"number": 1}, {"number": 2}])
    assert client.delete(path).status_code == 204
    assert client.get(path).json == []
    assert client.get("/api/towns/1/streets/1/town").json["name"] == "a"


@pytest.mark.parametrize("path", ["/2/streets/1", "/1/streets/9", "/1/streets/x", "/9/streets/1"])
def test_a_way_that_no_relation_takes_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/towns{path}/houses").status_code == 404
    assert client.post(f"/api/towns{path}/houses", json={"number": 1}).status_code == 404


def test_a_relation_to_one_record_needs_no_key_in_the_path(
    client: FlaskClient, models: list[Any]
) -> None:
    path = "/api/towns/1/mayor/homes"
    assert client.get(path).status_code == 404
    models[3].create({"name": "m", "town_id": 1})
    assert client.post(path, json={"number": 5}).json["mayorId"] == 1
    assert [each["number"] for each in client.get(path).json] == [5]


def test_relations_that_do_not_say_so_have_no_nested_routes(client: FlaskClient) -> None:
    assert client.get("/api/streets/1/town/streets").status_code == 404


def test_a_nested_route_is_there_only_where_those_are_that_it_stands_for(
    client: FlaskClient, models: list[Any]
) -> None:
    town, street, house, _ = models
    path = "/api/towns/1/streets/1/houses"
    assert client.get(path).status_code == 200
    street.disable_remote("prototype.__get__houses")
    assert client.get(path).status_code == 405
    street.enable_remote("prototype.__get__houses")
    assert client.get(path).status_code == 200
    house.disable_remote("create")
    assert client.post(path, json={"number": 1}).status_code == 405
    street.disable_remote("findById")
    assert client.get(path).status_code == 404
    town.enable_remote("prototype.__get__streets__houses")
    assert client.get(path).status_code == 200


def test_hooks_run_on_the_whole_way(client: FlaskClient, models: list[Any]) -> None:
    seen = []

    @models[0].after_remote("prototype.__create__streets__houses")
    def note(ctx: Any) -> None:
        seen.append((ctx.instance.name, ctx.args["nk"], ctx.result.number))

    client.post("/api/towns/1/streets/1/houses", json={"number": 3})
    assert seen == [("a", 1, 3)]


def test_nested_lists_link_to_the_rest_of_themselves(models: list[Any], make_app: MakeApp) -> None:
    models[2].create([{"number": n, "street_id": 1} for n in range(3)])
    client = make_app(*models, LOOP_MAX_LIMIT=2).test_client()
    link = client.get("/api/towns/1/streets/1/houses").headers["Link"]
    assert link.startswith("</api/towns/1/streets/1/houses?")
    rest = client.get(link.partition(">")[0].lstrip("<"))
    assert [each["number"] for each in rest.json] == [2]
