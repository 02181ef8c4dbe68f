from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, prop

MakeApp = Callable[..., Flask]

ACCOUNT = {"fullName": "Ada", "role": "user", "inviteCode": None, "id": 1}


@pytest.fixture
def account(source: DataSource) -> type[Model]:
    class Account(Model):
        full_name: Prop[str] = prop(required=True)
        role: Prop[str] = prop(read_only=True, default="user")
        invite_code: Prop[str | None] = prop(create_only=True)
        password: Prop[str | None] = prop(write_only=True)
        api_secret: Prop[str | None] = prop(hidden=True)
        note: Prop[str | None] = prop(protected=True)

        class Meta:
            data_source = source
            replace_on_put = True

    source.auto_update()
    return Account


@pytest.fixture
def client(make_app: MakeApp, account: type[Model]) -> FlaskClient:
    return make_app(account).test_client()


BODY = {
    "fullName": "Ada",
    "role": "admin",
    "inviteCode": "X1",
    "password": "pw",
    "apiSecret": "s",
    "note": "n",
}
WHERE = "?where=%7B%22fullName%22%3A%22Ada%22%7D"


def stored(account: type[Model]) -> dict[str, Any]:
    record: dict[str, Any] = account.find()[0].to_record()
    return record


# New records


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", ""),
        ("PATCH", ""),
        ("PUT", ""),
        ("POST", "/replaceOrCreate"),
        ("POST", "/upsertWithWhere" + WHERE),
    ],
)
def test_a_new_record_keeps_what_a_client_may_set(
    client: FlaskClient, account: type[Model], verb: str, path: str
) -> None:
    response = client.open(f"/api/accounts{path}", method=verb, json=BODY)
    assert response.status_code == 200
    assert response.json == {**ACCOUNT, "inviteCode": "X1", "note": "n"}
    assert stored(account) == {
        "full_name": "Ada",
        "role": "user",
        "invite_code": "X1",
        "password": "pw",
        "api_secret": "s",
        "note": "n",
        "id": 1,
    }


def test_each_of_several_new_records_keeps_what_a_client_may_set(
    client: FlaskClient, account: type[Model]
) -> None:
    response = client.post("/api/accounts", json=[BODY, BODY])
    assert [each["role"] for each in response.json] == ["user", "user"]  # type: ignore[union-attr]
    assert [each.role for each in account.find()] == ["user", "user"]


# Changes


CHANGES = [
    ("PATCH", "", {"id": 1}),
    ("PUT", "", {"id": 1}),
    ("POST", "/replaceOrCreate", {"id": 1}),
    ("POST", "/upsertWithWhere" + WHERE, {}),
    ("POST", "/update" + WHERE, {}),
    ("PUT", "/1", {}),
    ("POST", "/1/replace", {}),
    ("PATCH", "/1", {}),
]


@pytest.mark.parametrize(("verb", "path", "id"), CHANGES)
def test_a_change_leaves_what_a_client_must_not_change(
    client: FlaskClient, account: type[Model], verb: str, path: str, id: dict[str, int]
) -> None:  # fmt: skip
    account.create(full_name="Ada", role="owner", invite_code="A0", password="old", api_secret="o")
    response = client.open(f"/api/accounts{path}", method=verb, json={**BODY, **id})
    assert response.status_code == 200
    record = stored(account)
    assert (record["role"], record["invite_code"]) == ("owner", "A0")
    assert (record["password"], record["api_secret"], record["note"]) == ("pw", "s", "n")


@pytest.mark.parametrize(("verb", "path", "id"), CHANGES)
def test_what_a_client_cannot_see_is_kept_where_it_is_not_given(
    client: FlaskClient, account: type[Model], verb: str, path: str, id: dict[str, int]
) -> None:  # fmt: skip
    account.create(full_name="Ada", role="owner", invite_code="A0", password="old", api_secret="o")
    seen = client.get("/api/accounts/1").json
    assert seen is not None
    del seen["id"]
    response = client.open(
        f"/api/accounts{path}", method=verb, json={**seen, **id, "fullName": "Ada L"}
    )
    assert response.status_code == 200
    record = stored(account)
    assert (record["full_name"], record["role"], record["invite_code"]) == ("Ada L", "owner", "A0")
    assert (record["password"], record["api_secret"]) == ("old", "o")


def test_a_record_that_was_read_can_be_put_back_as_it_is(
    client: FlaskClient, account: type[Model]
) -> None:
    account.create(full_name="Ada", role="owner", password="old", note="n")
    before = stored(account)
    assert client.put("/api/accounts/1", json=client.get("/api/accounts/1").json).status_code == 200
    assert stored(account) == before


def test_a_strict_model_says_which_properties_are_read_only(
    make_app: MakeApp, source: DataSource
) -> None:
    model = source.create_model(
        "account",
        {
            "fullName": str,
            "role": {"type": str, "readOnly": True},
            "inviteCode": {"type": str, "createOnly": True},
        },
        strict="validate",
    )
    source.auto_update()
    client = make_app(model).test_client()
    created = client.post("/api/accounts", json={"fullName": "Ada", "inviteCode": "X"})
    assert created.status_code == 200
    for verb, path in (("PUT", "/1"), ("PATCH", "/1")):
        response = client.open(
            f"/api/accounts{path}",
            method=verb,
            json={"fullName": "Eve", "role": "admin", "inviteCode": "Y"},
        )
        assert response.status_code == 422
        assert response.json["error"]["details"]["codes"] == {  # type: ignore[index]
            "role": ["read-only"],
            "inviteCode": ["read-only"],
        }
    assert client.get("/api/accounts/1").json == created.json


# Names


def test_only_wire_names_are_names_in_a_body(client: FlaskClient, account: type[Model]) -> None:
    response = client.post("/api/accounts", json={"full_name": "Ada", "fullName": "Eve"})
    assert response.json["fullName"] == "Eve"  # type: ignore[index]
    refused = client.post("/api/accounts", json={"full_name": "Ada"})
    assert refused.status_code == 422
    changed = client.patch("/api/accounts/1", json={"full_name": "Ada", "invite_code": "Z"})
    assert changed.json == {**ACCOUNT, "fullName": "Eve", "note": None}
    assert stored(account)["invite_code"] is None


@pytest.mark.parametrize(
    "filter",
    [
        {"where": {"full_name": "Ada"}},
        {"order": "full_name"},
        {"fields": ["full_name"]},
        {"fields": {"full_name": False}},
        {"where": {"or": [{"full_name": "Ada"}]}},
    ],
)
def test_only_wire_names_are_names_in_a_filter(client: FlaskClient, filter: dict[str, Any]) -> None:
    import orjson

    response = client.get("/api/accounts", query_string={"filter": orjson.dumps(filter)})
    assert response.status_code == 400
    message = response.json["error"]["message"]  # type: ignore[index]
    assert "is not a property of Account; did you mean 'fullName'?" in message


def test_names_stay_as_they_are_where_the_model_says_so(make_app: MakeApp) -> None:
    from flask_loop import memory

    class Row(Model):
        unit_price: Prop[int | None]

        class Meta:
            wire_case = None
            data_source = memory()

    client = make_app(Row).test_client()
    assert client.post("/api/rows", json={"unit_price": 5}).json == {"unit_price": 5, "id": 1}


# Reading


@pytest.mark.parametrize("name", ["apiSecret", "password"])
@pytest.mark.parametrize(
    "filter",
    [
        '{"where": {"NAME": "s"}}',
        '{"where": {"and": [{"NAME": {"like": "s%"}}]}}',
        '{"where": {"not_there": 1, "NAME": 1}}',
        '{"order": "NAME"}',
        '{"order": ["fullName", "NAME DESC"]}',
        '{"fields": ["NAME"]}',
        '{"fields": {"NAME": true}}',
    ],
)
@pytest.mark.parametrize("path", ["", "/findOne"])
def test_what_clients_cannot_see_they_cannot_filter_by(
    client: FlaskClient, account: type[Model], name: str, filter: str, path: str
) -> None:  # fmt: skip
    account.create(full_name="Ada", api_secret="s", password="s")
    query = {"filter": filter.replace("NAME", name)}
    assert client.get(f"/api/accounts{path}", query_string=query).status_code == 400


@pytest.mark.parametrize("name", ["apiSecret", "password"])
def test_no_answer_has_what_clients_cannot_see(
    client: FlaskClient, account: type[Model], name: str
) -> None:
    account.create(full_name="Ada", api_secret="s", password="s")
    answers = [
        client.get("/api/accounts").json[0],  # type: ignore[index]
        client.get("/api/accounts/1").json,
        client.get("/api/accounts/findOne").json,
        client.patch("/api/accounts/1", json={name: "t"}).json,
        client.put("/api/accounts/1", json={"fullName": "Eve", name: "t"}).json,
        client.post("/api/accounts", json={"fullName": "Eve", name: "t"}).json,
        client.post("/api/accounts", json=[{"fullName": "Eve", name: "t"}]).json[0],  # type: ignore[index]
    ]
    assert all(answer is not None and name not in answer for answer in answers)
    assert all("note" in answer for answer in answers if answer)
