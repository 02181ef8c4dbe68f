"""Folders of LoopBack's JSON files that name its users, tokens, roles and mails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import ACL, Email, Loop, Role, RoleMapping, Session, User

EVERYONE = {"principalType": "ROLE", "principalId": "$everyone"}
FILES: dict[str, Any] = {
    "model-config": {
        "_meta": {"sources": ["loopback/common/models", "../common/models"]},
        "User": {"dataSource": "db", "public": False},
        "AccessToken": {"dataSource": "db", "public": False},
        "ACL": {"dataSource": "db", "public": False},
        "Role": {"dataSource": "db", "public": False},
        "RoleMapping": {"dataSource": "db", "public": False},
        "Email": {"dataSource": "mail", "public": False},
        "shopper": {"dataSource": "db", "public": True},
        "parcel": {"dataSource": "db", "public": True},
    },
    "datasources": {
        "db": {"name": "db", "connector": "memory"},
        "mail": {"name": "mail", "connector": "mail", "transports": [{"type": "memory"}]},
    },
    "shopper": {
        "name": "shopper",
        "base": "User",
        "idInjection": True,
        "options": {"validateUpsert": True},
        "properties": {"vip": {"type": "boolean"}},
        "validations": [],
        "relations": {
            "accessTokens": {
                "type": "hasMany",
                "model": "AccessToken",
                "foreignKey": "userId",
                "options": {"disableInclude": True},
            }
        },
        "acls": [],
        "methods": {},
    },
    "parcel": {
        "name": "parcel",
        "base": "PersistedModel",
        "properties": {"title": {"type": "string", "required": True}},
        "relations": {
            "shopper": {"type": "belongsTo", "model": "shopper", "foreignKey": "shopperId"}
        },
        "acls": [
            {**EVERYONE, "accessType": "*", "permission": "DENY"},
            {
                "principalType": "ROLE",
                "principalId": "$authenticated",
                "accessType": "WRITE",
                "property": "create",
                "permission": "ALLOW",
            },
            {
                "principalType": "ROLE",
                "principalId": "$owner",
                "accessType": "READ",
                "permission": "ALLOW",
            },
        ],
    },
}


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Any]:
    for name, content in FILES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    app = Flask("loopback_project")
    app.config.update(
        TESTING=True,
        SECRET_KEY="of a test",
        LOOP_PASSWORD_HASHING={"time_cost": 1, "memory_cost": 8, "parallelism": 1},
    )
    loop = Loop(app, url_prefix="/api")
    return {"app": app, **{each.model_name: each for each in loop.load(tmp_path)}}


@pytest.fixture
def client(models: dict[str, Any]) -> FlaskClient:
    client: FlaskClient = models["app"].test_client()
    return client


def log_in(client: FlaskClient, name: str) -> dict[str, Any]:
    given = {"email": f"{name}@example.com", "password": f"{name}'s"}
    assert client.post("/api/shoppers", json=given).status_code == 200
    token: dict[str, Any] = client.post("/api/shoppers/login", json=given).json
    return token


def test_the_models_that_loopback_brings_are_there(models: dict[str, Any]) -> None:
    bases = {
        "User": User,
        "AccessToken": Session,
        "ACL": ACL,
        "Role": Role,
        "RoleMapping": RoleMapping,
        "Email": Email,
        "shopper": User,
    }
    for name, base in bases.items():
        assert issubclass(models[name], base)
        assert models[name].data_source.name == ("mail" if name == "Email" else "db")
    assert models["shopper"].session is models["AccessToken"]
    assert models["User"].session is not models["AccessToken"]


def test_users_log_in_and_have_what_is_theirs(client: FlaskClient) -> None:
    ann, bob = log_in(client, "ann"), log_in(client, "bob")
    assert client.get("/api/parcels").status_code == 401
    for user in (ann, bob):
        headers = {"Authorization": user["id"]}
        given = {"title": f"of {user['userId']}", "shopperId": user["userId"]}
        assert client.post("/api/parcels", json=given, headers=headers).status_code == 200
    headers = {"Authorization": bob["id"]}
    found = client.get("/api/parcels", headers=headers).json
    assert [each["title"] for each in found] == [f"of {bob['userId']}"]
    assert client.get("/api/parcels/1", headers=headers).status_code == 401
    assert client.get("/api/parcels/2", headers=headers).status_code == 200


def test_tokens_are_nobodys_to_see(client: FlaskClient) -> None:
    ann = log_in(client, "ann")
    headers = {"Authorization": ann["id"]}
    own = f"/api/shoppers/{ann['userId']}"
    assert client.get(own, headers=headers).status_code == 200
    assert client.get(f"{own}/accessTokens", headers=headers).status_code == 401
    for answer in (
        client.get(f"{own}?filter[include]=accessTokens", headers=headers),
        client.get("/api/shoppers?filter[include]=accessTokens", headers=headers),
    ):
        assert answer.status_code in (400, 401)


def test_rows_of_the_acl_model_count(client: FlaskClient, models: dict[str, Any]) -> None:
    ann = log_in(client, "ann")
    headers = {"Authorization": ann["id"]}
    assert client.get("/api/parcels/count", headers=headers).json == {"count": 0}
    with models["app"].app_context():
        models["ACL"].create(
            model="parcel",
            property="count",
            access_type="READ",
            permission="DENY",
            principal_type="ROLE",
            principal_id="$everyone",
        )
    assert client.get("/api/parcels/count", headers=headers).status_code == 401


def test_the_base_of_a_folders_users_is_no_model_of_another_place(
    tmp_path: Path, models: dict[str, Any]
) -> None:
    others = [User.extend("User"), User.extend("User")]
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "lodger.json").write_text('{"name": "lodger", "base": "User"}', "utf-8")
    (lodger,) = Loop(Flask("other_project")).load(folder)
    assert lodger.__bases__ == (User,)
    assert len(others) == 2
