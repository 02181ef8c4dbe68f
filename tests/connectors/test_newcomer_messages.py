"""What somebody reads who points a data source at the wrong place, or tries a page of the docs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, KeyValueModel, create_data_source, memory
from flask_loop.errors import DefinitionError, Unavailable
from tests.web import Reply, WebServer

Connect = Callable[..., DataSource]
NO_SUCH_PATH = Reply(404, b"<!doctype html><title>404</title>", {"Content-Type": "text/html"})


def test_a_server_that_is_no_couchdb_is_said_to_be_none(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([NO_SUCH_PATH]) as server:
        source = connect("couchdb", url=server.url, database="shop")
        source.create_model("stray_note", {"text": str})
        with pytest.raises(Unavailable, match="not available"):
            source.auto_update()
    assert f"{server.url} answers PUT /shop with the status 404: that is no CouchDB" in caplog.text


def test_a_resource_that_is_not_there_is_named_in_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([NO_SUCH_PATH]) as server:
        source = connect("rest", base_url=server.url)
        parcels = source.create_model(
            "stray_parcel", {"weight": float}, {"rest": {"resource": "v1/parcels"}}
        )
        with pytest.raises(Unavailable):
            parcels.find()
    assert "v1/parcels of stray_parcel" in caplog.text
    assert "the status 404" in caplog.text


def test_a_template_whose_server_fails_is_named_in_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([Reply(500)]) as server:
        template = {"url": f"{server.url}/weather/{{!city}}"}
        operations = [{"template": template, "functions": {"strayForecast": ["city"]}}]
        source = connect("rest", retries=0, operations=operations)
        with pytest.raises(Unavailable):
            source.functions["strayForecast"](city="Atlantis")
    assert "operations[0].template" in caplog.text
    assert "the status 500" in caplog.text
    assert "Atlantis" not in caplog.text


def test_a_model_that_the_other_app_lacks_is_looked_for_below_the_url(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer([NO_SUCH_PATH]) as server:
        goods = connect("remote", url=f"{server.url}/api").create_model("stray_ware", {"a": str})
        with pytest.raises(Unavailable):
            goods.find()
    said = f"{server.url} has no GET /stray_wares below its url: it answers with the status 404"
    assert said in caplog.text


def test_the_example_of_a_list_of_keys_in_the_documentation_is_taken(
    make_app: Callable[..., Flask],
) -> None:
    class ShownCart(KeyValueModel):
        class Meta:
            data_source = memory()

    client = make_app(ShownCart).test_client()
    ShownCart.set("ann", 1)
    document = client.get("/_docs/openapi.json").get_json()
    (filter,) = document["paths"]["/api/shownCarts/keys"]["get"]["parameters"]
    (example,) = filter["content"]["application/json"]["schema"]["examples"]
    assert filter["description"]
    answer = client.get("/api/shownCarts/keys", query_string={"filter": json.dumps(example)})
    assert (answer.status_code, answer.get_json()) == (200, ["ann"])


@pytest.mark.parametrize(
    ("type", "name"), [(int, "Integer"), (dict, "Object"), (bool, "Boolean"), (str, "String")]
)
def test_an_operator_that_a_type_does_not_have_is_refused_by_the_name_of_the_type(
    make_app: Callable[..., Flask], type: Any, name: str
) -> None:
    model = memory().create_model(f"typed_{name}", {"value": type})
    client = make_app(model).test_client()
    where = json.dumps({"where": {"value": {"near": "1,2"}}})
    answer = client.get(f"/api/typed_{name}s", query_string={"filter": where})
    assert answer.status_code == 400
    said = answer.get_json()["error"]["message"]
    assert said.endswith(f"where.value.near means nothing for the type {name}.")


@pytest.mark.parametrize(
    ("connector", "module", "settings"),
    [
        ("mongodb", "mongoengine", {"database": "shop"}),
        ("mongodb", "pymongo", {"database": "shop"}),
        ("redis", "redis", {}),
        ("couchdb", "httpx", {"database": "shop"}),
        ("rest", "httpx", {"base_url": "http://localhost"}),
        ("remote", "httpx", {"url": "http://localhost/api"}),
    ],
)
def test_a_package_that_is_missing_is_an_error_that_names_the_extra(
    connector: str, module: str, settings: dict[str, str]
) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from flask_loop import DefinitionError, create_data_source
try:
    create_data_source(connector={connector!r}, **{settings!r})
except DefinitionError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"the connector '{connector}' needs a package that is not installed" in done.stdout
    assert f"pip install 'flask-loop[{connector}]'" in done.stdout


#: Nobody listens there, and nobody is asked.
NOWHERE: dict[str, dict[str, Any]] = {
    "mongodb": {"database": "shop", "port": 1},
    "redis": {"port": 1},
    "couchdb": {"database": "shop", "port": 1},
    "rest": {"base_url": "http://127.0.0.1:1"},
    "remote": {"url": "http://127.0.0.1:1/api"},
}


@pytest.mark.parametrize("connector", NOWHERE)
def test_two_properties_that_would_be_one_field_are_both_named(
    connect: Connect, connector: str
) -> None:
    source = connect(connector, **NOWHERE[connector])
    model = source.create_model(
        f"crowded_{connector}", {"size": int, "width": {"type": int, connector: {"field": "size"}}}
    )
    with pytest.raises(DefinitionError, match="would both be the field 'size'") as caught:
        model.count()
    for name in (f"crowded_{connector}", "'size'", "'width'"):
        assert name in str(caught.value)


@pytest.mark.parametrize("setting", ["tls_ca_file", "tls_certificate_key_file"])
def test_a_file_of_certificates_that_mongodb_is_told_of_has_to_be_there(
    tmp_path: Path, setting: str
) -> None:
    missing = str(tmp_path / "nowhere.pem")
    with pytest.raises(DefinitionError, match=f"^{setting}: there is no file {missing}$"):
        create_data_source(connector="mongodb", database="shop", tls=True, **{setting: missing})


def test_a_record_of_a_list_that_a_service_refuses_is_told_by_its_place(
    connect: Connect, make_app: Callable[..., Flask]
) -> None:
    refused = json.dumps({"errors": [{"field": "weight_kg", "message": "is missing"}]}).encode()
    stored = b'{"id": 1, "weight_kg": 2}'
    replies = [Reply(201, stored), Reply(422, refused), Reply(200, stored), Reply(204, b"")]
    weight = {"type": float, "rest": {"field": "weight_kg"}}
    with WebServer(replies) as server:
        source = connect("rest", base_url=server.url)
        listed = source.create_model("listed_parcel", {"gross_weight": weight})
        client = make_app(listed).test_client()
        answer = client.post("/api/listed_parcels", json=[{"grossWeight": 2}, {}])
    assert answer.status_code == 422
    assert answer.get_json()["error"]["details"]["codes"] == {"1.grossWeight": ["refused"]}
    assert [each.method for each in server.requests] == ["POST", "POST", "GET", "DELETE"]


@pytest.mark.parametrize(
    ("connector", "url"),
    [
        ("mongodb", "mongodb://shop:hunt/er2@db.example/shop"),
        ("mongodb", "mongodb+srv://shop:hunt/er2@db.example/shop"),
        ("mongodb", "mongodb://shop:hunt/er2@db.example:27017/shop"),
        ("couchdb", "couchdb:/shop:hunter2@db.example/shop"),
        ("couchdb", "couchdb://db.example/shop:hunter2@db.example"),
        ("redis", "redis://shop:hunt/er2@db.example/0"),
    ],
)
def test_no_part_of_a_password_that_a_url_is_torn_at_is_shown(
    connect: Connect, connector: str, url: str
) -> None:
    with pytest.raises(DefinitionError, match=f"the url of the {connector} data source") as caught:
        connect(connector, url=url)
    assert "er2" not in str(caught.value)


@pytest.mark.parametrize("connector", ["mongodb", "redis", "couchdb"])
@pytest.mark.parametrize("key", ["host", "username", "password"])
def test_a_setting_that_is_no_text_is_named_and_not_shown(
    connect: Connect, connector: str, key: str
) -> None:
    settings = {"username": "shop", "password": "swordfish", key: ["hunter2"]}
    database = 0 if connector == "redis" else "shop"
    with pytest.raises(DefinitionError, match=f"{key} is text, not list"):
        connect(connector, **settings, database=database)


def test_an_unknown_option_of_a_mongodb_url_is_named(connect: Connect) -> None:
    url = "mongodb://shop:hunter2@db.example/shop?retryWrits=true"
    with pytest.raises(
        DefinitionError, match=r"is not valid: Unknown option: retrywrits"
    ) as caught:
        connect("mongodb", url=url)
    assert "hunter2" not in str(caught.value)


def test_the_port_of_a_mongodb_url_that_is_none_is_told_in_a_whole_sentence(
    connect: Connect,
) -> None:
    with pytest.raises(DefinitionError, match=r"is not valid: Port contains non-digit char\w+$"):
        connect("mongodb", url="mongodb://shop:hunter2@db.example:abc/shop")
