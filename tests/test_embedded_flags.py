"""The flags of properties hold inside embedded records too, whoever sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, prop


class Address(Model):
    city: Prop[str | None]
    door_code: Prop[str | None] = prop(hidden=True)
    checked: Prop[bool | None] = prop(read_only=True)
    since: Prop[int | None] = prop(create_only=True)

    class Meta:
        id_injection = False


@pytest.fixture
def person(source: DataSource) -> type[Model]:
    class Person(Model):
        home: Prop[Address | None]
        others: Prop[list[Address] | None]

        class Meta:
            data_source = source

    source.auto_update()
    stored = {"city": "Lima", "door_code": "123", "checked": True, "since": 1990}
    Person.create(home=stored, others=[stored, {"city": "Oslo", "door_code": "9"}])
    return Person


@pytest.fixture
def client(make_app: Callable[..., Flask], person: type[Model]) -> FlaskClient:
    return make_app(person).test_client()


def home_of(person: type[Any]) -> dict[str, Any]:
    home: dict[str, Any] = person.find_by_id(1).home.to_record()
    return home


def test_a_new_record_takes_what_may_be_created(client: FlaskClient, person: type[Any]) -> None:
    body = {"home": {"city": "Rome", "doorCode": "7", "checked": True, "since": 2000}}
    client.post("/api/people", json=body)
    home = person.find_by_id(2).home
    assert (home.city, home.door_code, home.checked, home.since) == ("Rome", "7", None, 2000)


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_what_a_client_cannot_see_or_write_is_kept(
    client: FlaskClient, person: type[Any], verb: str
) -> None:
    shown = client.get("/api/people/1").json
    shown["home"].update(city="Cusco", checked=False, since=1)
    assert getattr(client, verb)("/api/people/1", json=shown).status_code == 200
    assert home_of(person) == {
        "city": "Cusco",
        "door_code": "123",
        "checked": True,
        "since": 1990,
    }


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_items_that_are_sent_back_unchanged_keep_what_is_hidden(
    client: FlaskClient, person: type[Any], verb: str
) -> None:
    shown = client.get("/api/people/1").json
    shown["others"] = [{"city": "Bonn"}, shown["others"][1], shown["others"][0]]
    getattr(client, verb)("/api/people/1", json=shown)
    others = person.find_by_id(1).others
    assert [(each.city, each.door_code) for each in others] == [
        ("Bonn", None),
        ("Oslo", "9"),
        ("Lima", "123"),
    ]


def test_a_hidden_value_can_be_written(client: FlaskClient, person: type[Any]) -> None:
    client.patch("/api/people/1", json={"home": {"city": "Lima", "doorCode": "new"}})
    assert home_of(person)["door_code"] == "new"


def test_python_names_are_not_those_of_clients(client: FlaskClient, person: type[Any]) -> None:
    client.post("/api/people", json={"home": {"door_code": "7"}})
    assert person.find_by_id(2).home.door_code is None


def test_strict_validation_names_the_place(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    class Owner(Model):
        homes: Prop[list[StrictAddress]]

        class Meta:
            data_source = source

    source.auto_update()
    client = make_app(Owner).test_client()
    response = client.post("/api/owners", json={"homes": [{"city": "x"}, {"checked": True}]})
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == {"homes.1.checked": ["read-only"]}


class StrictAddress(Address):
    class Meta:
        strict = "validate"
        id_injection = False
