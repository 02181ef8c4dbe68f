from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, DefinitionError, Model, Prop, create_model, prop, scope

MakeApp = Callable[..., Flask]


@pytest.fixture
def customer(source: DataSource) -> Any:
    class Customer(Model):
        name: Prop[str]
        level: Prop[str] = prop(default="plain")
        joined_on: Prop[dt.date | None]
        checked: Prop[bool] = prop(read_only=True, default=False)

        vip = scope(where={"level": "gold"}, order="name DESC")
        golden = scope(where={"level": "gold"})
        first_day = scope({"where": {"joined_on": dt.date(2020, 1, 1)}, "limit": 1})

        class Meta:
            data_source = source
            scopes = {"known": {"where": {"checked": True, "name": {"neq": "z"}}}}

    source.auto_update()
    Customer.create([{"name": "a"}, *({"name": n, "level": "gold"} for n in "bcd")])
    return Customer


@pytest.fixture
def client(customer: Any, make_app: MakeApp) -> FlaskClient:
    return make_app(customer).test_client()


def names(records: Any) -> list[str]:
    return [each["name"] if isinstance(each, dict) else each.name for each in records]


# Python


def test_a_scope_is_called_like_find(customer: Any) -> None:
    assert names(customer.vip()) == ["d", "c", "b"]
    assert names(customer.vip(where={"name": {"neq": "c"}})) == ["d", "b"]
    assert names(customer.vip(where=customer.name > "b", order="name")) == ["c", "d"]
    assert names(customer.vip({"limit": 1, "skip": 1})) == ["c"]
    assert names(customer.vip(where={"level": "plain"})) == []
    with pytest.raises(TypeError, match="'limit' is given twice"):
        customer.vip({"limit": 1}, limit=2)


def test_a_scope_counts_finds_one_creates_and_deletes(customer: Any) -> None:
    assert customer.vip.count() == 3
    assert customer.vip.count({"name": "b"}) == 1
    assert customer.vip.find_one().name == "d"
    assert customer.vip.find_one(where={"name": "b"}).name == "b"
    assert customer.vip.find_one(where={"name": "a"}) is None
    assert customer.vip.create(name="e", level="plain").level == "gold"
    several = customer.vip.create([{"name": "f"}, {"name": "g"}])
    assert [each.level for each in several] == ["gold", "gold"]
    assert customer.vip.destroy_all({"name": "b"}) == 1
    assert customer.vip.destroy_all() == 5
    assert names(customer.find()) == ["a"]


def test_a_scope_gives_what_a_filter_does_not_say(customer: Any) -> None:
    day = dt.date(2020, 1, 1)
    customer.create([{"name": "x", "joined_on": day}, {"name": "y", "joined_on": day}])
    assert names(customer.first_day()) == ["x"]
    assert names(customer.first_day(limit=2)) == ["x", "y"]
    assert customer.first_day.count() == 2
    assert customer.first_day.create(name="q").joined_on == day


def test_derived_models_have_the_scopes_of_their_bases(customer: Any, source: DataSource) -> None:
    class BigCustomer(customer):  # type: ignore[misc]
        vip = scope(where={"level": "platinum"})

        class Meta:
            scopes = {"known": {"where": {"name": "k"}}}

    source.auto_update()
    BigCustomer.create([{"name": "k", "level": "platinum"}, {"name": "l", "level": "gold"}])
    assert names(BigCustomer.vip()) == ["k"]
    assert names(BigCustomer.known()) == ["k"]
    assert BigCustomer.first_day() == []
    assert names(customer.vip()) == ["d", "c", "b"]


def test_scopes_are_declared_in_dicts_as_in_class_bodies(source: DataSource) -> None:
    scopes = {"activeOnes": {"where": {"isActive": True}}}
    made = create_model("ScopedInADict", {"isActive": "boolean"}, {"scopes": scopes})
    made.attach_to(source)
    source.auto_update()
    made.create([{"isActive": True}, {"isActive": False}])
    assert made.activeOnes.count() == 1


def test_a_scope_cannot_have_the_name_of_what_every_model_has(source: DataSource) -> None:
    with pytest.raises(DefinitionError, match="no scope can be called 'count'"):

        class Wrong(Model):
            count = scope(where={"id": 1})

    with pytest.raises(DefinitionError, match="no scope can be called 'find'"):
        source.create_model("WrongScope", {}, {"scopes": {"find": {}}})


# REST


def test_a_scope_is_a_path_of_its_own(client: FlaskClient) -> None:
    assert names(client.get("/api/customers/vip").json) == ["d", "c", "b"]
    path = '/api/customers/vip?filter={"where":{"name":{"lt":"d"}},"order":"name"}'
    assert names(client.get(path).json) == ["b", "c"]
    assert client.get('/api/customers/vip?filter={"where":{"level":"plain"}}').json == []
    assert client.get("/api/customers/vip/count").json == {"count": 3}
    assert client.get("/api/customers/vip/count?where[name]=b").json == {"count": 1}
    assert client.get("/api/customers/firstDay").json == []
    assert client.get("/api/customers/vip?filter[where][nothing]=1").status_code == 400


def test_a_scopes_values_cannot_be_overridden_by_clients(
    client: FlaskClient, customer: Any
) -> None:
    created = client.post("/api/customers/vip", json={"name": "e", "level": "plain"})
    assert (created.status_code, created.json["level"]) == (200, "gold")
    several = client.post("/api/customers/vip", json=[{"name": "f"}, {"name": "g"}])
    assert [each["level"] for each in several.json] == ["gold", "gold"]
    # What is no plain value is not set, and what clients cannot write is set by the server.
    assert client.post("/api/customers/known", json={"name": "z", "checked": False}).json == {
        "id": 8,
        "name": "z",
        "level": "plain",
        "joinedOn": None,
        "checked": True,
    }
    day = client.post("/api/customers/firstDay", json={"name": "h"}).json["joinedOn"]
    assert day == "2020-01-01"


def test_deleting_a_scope_deletes_its_records_alone(client: FlaskClient, customer: Any) -> None:
    response = client.delete("/api/customers/golden")
    assert (response.status_code, response.data) == (204, b"")
    assert names(customer.find()) == ["a"]


def test_the_path_of_a_scope_wins_over_ids(client: FlaskClient) -> None:
    response = client.put("/api/customers/golden", json={"name": "x"})
    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_a_record_of_a_scope_is_where_all_are(customer: Any, make_app: MakeApp) -> None:
    client = make_app(customer, LOOP_CREATED_STATUS=201).test_client()
    response = client.post("/api/customers/vip", json={"name": "e"})
    assert (response.status_code, response.headers["Location"]) == (201, "/api/customers/5")


def test_a_scope_that_is_cut_links_to_its_rest(customer: Any, make_app: MakeApp) -> None:
    client = make_app(customer, LOOP_MAX_LIMIT=2).test_client()
    link = client.get("/api/customers/vip").headers["Link"]
    assert link.startswith("</api/customers/vip?")
    assert names(client.get(link.partition(">")[0].lstrip("<")).json) == ["b"]


def test_a_scope_is_remote_where_what_it_stands_for_is(client: FlaskClient, customer: Any) -> None:
    customer.disable_remote("find", "deleteById")
    assert client.get("/api/customers/vip").status_code == 405
    assert client.delete("/api/customers/golden").status_code == 405
    assert client.get("/api/customers/vip/count").status_code == 200
    customer.enable_remote("__get__vip")
    assert client.get("/api/customers/vip").status_code == 200


def test_hooks_run_around_scopes(client: FlaskClient, customer: Any) -> None:
    seen = []

    @customer.before_remote("__get__vip")
    def narrow(ctx: Any) -> None:
        seen.append(ctx.method_string)
        ctx.narrow({"name": "b"})

    assert names(client.get("/api/customers/vip").json) == ["b"]
    assert seen == ["customers.__get__vip"]


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"where": {"colour": 1}}, r"the scope Thing.odd: .*where.colour"),
        ({"limit": -1}, r"the scope Thing.odd: .*limit"),
        ({"wheer": {}}, r"the scope Thing.odd: .*wheer"),
    ],
)
def test_a_scope_that_means_nothing_is_said_at_the_first_request(
    source: DataSource, make_app: MakeApp, filter: dict[str, Any], message: str
) -> None:
    class Thing(Model):
        odd = scope(filter)

        class Meta:
            data_source = source

    client = make_app(Thing).test_client()
    with pytest.raises(DefinitionError, match=message):
        client.get("/api/things")
