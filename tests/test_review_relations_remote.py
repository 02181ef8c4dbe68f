"""What remote callers must not get or change by way of relations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, prop, scope

MakeApp = Callable[..., Flask]
Models = dict[str, Any]


def filtered(path: str, filter: dict[str, Any]) -> str:
    return f"{path}?filter={quote(json.dumps(filter))}"


@pytest.fixture
def models(source: DataSource) -> Models:
    """Ships with their sailors, whose data may have each other in it; cards of any record."""

    class Ship(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Sailor(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Card(Model):
        text: Prop[str | None]

        class Meta:
            data_source = source

    class Vault(Model):
        pin: Prop[str]

        class Meta:
            data_source = source

    class Berth(Model):
        deck: Prop[int] = prop(id=1)
        number: Prop[int] = prop(id=2)

        class Meta:
            data_source = source

    class Flag(Model):
        code: Prop[str] = prop(id=True)

        class Meta:
            data_source = source

    Ship.has_many("sailors", model=Sailor, foreign_key="ship_id", nested=True)
    Sailor.belongs_to("ship", model=Ship, foreign_key="ship_id", nested=True)
    Ship.has_one("captain", model=Sailor, foreign_key="led_id")
    Sailor.belongs_to("led", model=Ship, foreign_key="led_id", nested=True)
    Ship.has_many("cards", model=Card, polymorphic="about")
    Card.belongs_to("about", polymorphic=True, nested=True)
    source.auto_update()
    Ship.create([{"name": "one"}, {"name": "two"}])
    Sailor.create({"name": "a", "ship_id": 1})
    return {each.__name__: each for each in (Ship, Sailor, Card, Vault, Berth, Flag)}


@pytest.fixture
def client(models: Models, make_app: MakeApp) -> FlaskClient:
    """All of them but vaults, served."""
    served = [each for name, each in models.items() if name != "Vault"]
    return make_app(*served).test_client()


# Keys


@pytest.mark.parametrize("inside", [{"name": "other"}, {"id": 2, "name": "two"}, None])
def test_a_record_inside_the_data_moves_no_key_through_a_relation(
    client: FlaskClient, models: Models, inside: Any
) -> None:
    changed = client.put("/api/ships/1/sailors/1", json={"ship": inside})
    created = client.post("/api/ships/1/sailors", json={"name": "b", "ship": inside})
    listed = client.post("/api/ships/1/sailors", json=[{"name": "b", "ship": inside}])
    led = client.post("/api/ships/1/captain", json={"name": "c", "led": inside})
    assert {each.status_code for each in (changed, created, listed, led)} == {400}
    assert "Sailor.ship" in changed.json["error"]["message"]
    assert [each.ship_id for each in models["Sailor"].find()] == [1]
    assert models["Ship"].count() == 2


def test_the_model_of_a_polymorphic_record_stays_through_a_relation(
    client: FlaskClient, models: Models
) -> None:
    card = client.post("/api/ships/1/cards", json={"aboutType": "Sailor", "aboutId": 9}).json
    assert (card["aboutType"], card["aboutId"]) == ("Ship", 1)
    path = f"/api/ships/1/cards/{card['id']}"
    for data in ({"aboutType": "Sailor"}, {"about": {"name": "x"}}, {"about": None}):
        assert client.put(path, json=data).status_code == 400
    assert client.get("/api/ships/1/cards").json == [card]


def test_what_a_hook_of_the_server_sets_inside_is_its_own(
    client: FlaskClient, models: Models
) -> None:
    @models["Ship"].before_remote("prototype.__update_by_id__sailors")
    def send_away(ctx: Any) -> None:
        ctx.args["data"]["ship"] = None

    assert client.put("/api/ships/1/sailors/1", json={"name": "b"}).status_code == 200
    assert models["Sailor"].find_by_id(1).ship_id is None


# Nested writes


def test_a_nested_write_makes_or_changes_nothing_of_a_model_that_clients_have_not(
    client: FlaskClient, models: Models
) -> None:
    vault = models["Vault"].create({"pin": "1234"})
    new = {"aboutType": "Vault", "about": {"pin": "0000"}}
    known = {"aboutType": "Vault", "aboutId": vault.id, "about": {"id": vault.id, "pin": "0000"}}
    for data in (new, known):
        response = client.post("/api/cards", json=data)
        assert response.status_code == 422
        assert response.json["error"]["details"]["codes"] == {"about": ["relation"]}
    assert [each.pin for each in models["Vault"].find()] == ["1234"]


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("create", {"ship": {"name": "new"}}),
        ("prototype.patchAttributes", {"ship": {"id": 1, "name": "new"}}),
    ],
)
def test_a_nested_write_to_records_that_are_anybodys_needs_their_models_own_method(
    client: FlaskClient, models: Models, method: str, data: dict[str, Any]
) -> None:
    models["Ship"].disable_remote(method)
    response = client.patch("/api/sailors/1", json=data)
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == {"ship": ["relation"]}
    assert [each.name for each in models["Ship"].find()] == ["one", "two"]
    models["Ship"].enable_remote(method)
    assert client.patch("/api/sailors/1", json=data).status_code == 200
    assert "new" in [each.name for each in models["Ship"].find()]


def test_a_record_has_its_own_ones_written_with_it_where_the_relation_says_so(
    client: FlaskClient, models: Models
) -> None:
    models["Sailor"].disable_remote("create", "prototype.patchAttributes")
    data = {"sailors": [{"id": 1, "name": "z"}, {"name": "b"}]}
    assert client.patch("/api/ships/1", json=data).status_code == 200
    assert [each.name for each in models["Sailor"].find()] == ["z", "b"]


@pytest.mark.parametrize("sailors", [[], [{"name": "b"}]])
def test_the_answer_to_a_nested_write_shows_only_what_clients_can_find(
    client: FlaskClient, models: Models, sailors: list[Any]
) -> None:
    assert "sailors" in client.patch("/api/ships/1", json={"sailors": sailors}).json
    models["Sailor"].disable_remote("find")
    assert client.patch("/api/ships/1", json={"sailors": sailors}).json == {"id": 1, "name": "one"}


# What scopes include


def test_what_scopes_include_is_shown_to_clients_where_they_can_find_it(
    source: DataSource, make_app: MakeApp
) -> None:
    class Wharf(Model):
        name: Prop[str | None]
        full = scope(include="crates")

        class Meta:
            data_source = source

    class Crate(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class Gem(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    Wharf.has_many("crates", model=Crate, scope={"include": "gems"})
    Crate.has_many("gems", model=Gem)
    source.auto_update()
    Wharf.create({})
    Crate.create({"wharf_id": 1})
    Gem.create({"crate_id": 1})
    client = make_app(Wharf, Crate).test_client()
    crate = {"id": 1, "name": None, "wharfId": 1}
    assert client.get("/api/wharves/1/crates").json == [crate]
    wharf = {"id": 1, "name": None}
    for path in ("/api/wharves?filter[include]=crates", "/api/wharves/full"):
        assert client.get(path).json == [{**wharf, "crates": [crate]}]
    Crate.disable_remote("find")
    assert client.get("/api/wharves/full").json == [wharf]
    (found,) = Wharf.full()
    assert [gem.id for each in found.crates() for gem in each.gems()] == [1]


# The size of an answer


def test_includes_that_lead_back_and_forth_are_bounded_by_what_they_show(
    models: Models, make_app: MakeApp
) -> None:
    models["Sailor"].create([{"name": str(each), "ship_id": 1} for each in range(9)])
    client = make_app(models["Ship"], models["Sailor"], LOOP_MAX_INCLUDED=120).test_client()
    near = {"include": {"sailors": {"ship": "sailors"}}}
    response = client.get(filtered("/api/ships/1", near))
    assert response.status_code == 200
    assert len(response.json["sailors"][9]["ship"]["sailors"]) == 10
    far = {"include": {"sailors": {"ship": {"sailors": "ship"}}}}
    response = client.get(filtered("/api/ships/1", far))
    assert response.status_code == 400
    assert "more than 120" in response.json["error"]["message"]


# Polymorphic keys


@pytest.mark.parametrize("model", ["Berth", "Flag", "Card", "Model", "", "Nope", "ship"])
def test_a_model_that_a_polymorphic_key_cannot_name_is_none_of_the_relation(
    client: FlaskClient, models: Models, model: str
) -> None:
    models["Berth"].create({"deck": 1, "number": 1})
    models["Flag"].create({"code": "7"})
    card = client.post("/api/cards", json={"aboutType": model, "aboutId": 7}).json
    path = f"/api/cards/{card['id']}"
    assert client.get(f"{path}/about").status_code == 404
    assert client.get("/api/cards?filter[include]=about").json == [card]
    if model != "Card":
        data = {"about": {"deck": 2, "number": 2, "code": "x"}}
        assert client.patch(path, json=data).status_code == 422


# Records inside others


@pytest.fixture
def holder(source: DataSource, make_app: MakeApp) -> tuple[Any, FlaskClient]:
    """Chests whose properties have records inside."""

    class Coin(Model):
        key: Prop[str] = prop(id=True)
        text: Prop[str | None]
        mark: Prop[str | None] = prop(protected=True)

    class Ring(Model):
        name: Prop[str | None]

        class Meta:
            data_source = source

    class Chest(Model):
        name: Prop[str | None]
        buried: Prop[list[Coin] | None] = prop(hidden=True)
        sealed: Prop[list[Coin] | None] = prop(read_only=True)
        first: Prop[Coin | None] = prop(create_only=True)
        worn_ids: Prop[list[int] | None] = prop(read_only=True)

        class Meta:
            data_source = source

    Chest.embeds_many("coins", model=Coin)
    Chest.embeds_many("hoard", model=Coin, property="buried")
    Chest.embeds_many("show", model=Coin, property="sealed")
    Chest.embeds_one("oldest", model=Coin, property="first")
    Chest.references_many("worn", model=Ring)
    Chest.references_many("rings", model=Ring)
    source.auto_update()
    coin = {"key": "a", "text": "t", "mark": "m"}
    chest = {"_coins": [coin], "buried": [coin], "sealed": [coin], "first": coin}
    Chest.create({**chest, "worn_ids": [1], "ring_ids": [1]})
    Ring.create([{"name": "x"}, {"name": "y"}])
    return Chest, make_app(Chest, Ring).test_client()


@pytest.mark.parametrize("path", ["hoard", "hoard/a", "hoard/count"])
def test_records_inside_a_hidden_property_have_no_routes(
    holder: tuple[Any, FlaskClient], path: str
) -> None:
    assert holder[1].get(f"/api/chests/1/{path}").status_code == 404
    assert holder[1].post("/api/chests/1/hoard", json={"key": "b"}).status_code == 404


def test_records_inside_a_property_that_is_read_only_can_be_read_only(
    holder: tuple[Any, FlaskClient],
) -> None:
    chest, client = holder
    for path in ("show", "show/a", "show/count", "oldest", "worn", "worn/1", "worn/count"):
        assert client.get(f"/api/chests/1/{path}").status_code == 200
    writes = [("post", "show"), ("put", "show/a"), ("delete", "show/a"), ("delete", "show")]
    writes += [("put", "oldest"), ("delete", "oldest"), ("post", "oldest")]
    writes += [("put", "worn/rel/2"), ("delete", "worn/rel/1"), ("post", "worn")]
    writes += [("delete", "worn"), ("delete", "worn/1")]
    for verb, path in writes:
        assert getattr(client, verb)(f"/api/chests/1/{path}", json={}).status_code == 405, path
    found = chest.find_by_id(1)
    assert (len(found.sealed), found.first.key, found.worn_ids) == (1, "a", [1])


def test_protected_properties_of_records_inside_others_are_not_shown_by_their_routes(
    holder: tuple[Any, FlaskClient],
) -> None:
    chest, client = holder
    shown = {"key": "a", "text": "t"}
    assert client.get("/api/chests/1/coins").json == [shown]
    assert client.get("/api/chests/1/coins/a").json == shown
    assert client.get("/api/chests/1/oldest").json == shown
    changed = client.put("/api/chests/1/coins/a", json={"text": "u"})
    assert changed.json == {"key": "a", "text": "u"}
    created = client.post("/api/chests/1/coins", json=[{"key": "b", "text": "v", "mark": "n"}])
    assert created.json == [{"key": "b", "text": "v"}]
    assert [each.mark for each in chest.find_by_id(1).coins()] == ["m", "n"]
    for path in ("coins?filter", "coins/count?where"):
        where = {"mark": "m"} if path.endswith("where") else {"where": {"mark": "m"}}
        response = client.get(f"/api/chests/1/{path}={quote(json.dumps(where))}")
        assert response.status_code == 400
    for filter in ({"order": "mark"}, {"fields": "mark"}):
        assert client.get(filtered("/api/chests/1/coins", filter)).status_code == 400


@pytest.mark.parametrize("path", ["coins/a", "oldest"])
def test_a_filter_for_one_record_inside_another_has_fields_alone(
    holder: tuple[Any, FlaskClient], path: str
) -> None:
    _, client = holder
    fields = filtered(f"/api/chests/1/{path}", {"fields": "text"})
    assert client.get(fields).json == {"text": "t"}
    for filter in ({"where": {"text": "none"}}, {"limit": 0}, {"skip": 1}):
        assert client.get(filtered(f"/api/chests/1/{path}", filter)).status_code == 400


def test_what_changes_a_record_by_a_relation_needs_the_records_own_patch(
    holder: tuple[Any, FlaskClient],
) -> None:
    chest, client = holder
    chest.disable_remote("prototype.patchAttributes")
    assert client.get("/api/chests/1/coins").status_code == 200
    assert client.post("/api/chests/1/coins", json={"key": "b"}).status_code == 405
    assert client.put("/api/chests/1/coins/a", json={}).status_code == 405
    assert client.delete("/api/chests/1/coins/a").status_code == 405
    assert client.put("/api/chests/1/rings/rel/2").status_code == 405
    assert client.put("/api/chests/1/rings/1", json={"name": "z"}).status_code == 200
    chest.enable_remote("prototype.__link__rings", "prototype.__create__coins")
    assert client.put("/api/chests/1/rings/rel/2").status_code == 200
    assert client.post("/api/chests/1/coins", json={"key": "b"}).status_code == 200
    chest.disable_remote("findById")
    assert client.get("/api/chests/1/coins").status_code == 405
