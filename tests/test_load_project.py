"""Folders of LoopBack as its generators lay them out: ``server``, ``common/models`` and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_loop import DefinitionError, Email, Loop
from tests.web import Reply, WebServer

STORES = {"db": {"name": "db", "connector": "memory"}}
PROJECT: dict[str, Any] = {
    "server/.eslintrc.json": {"extends": "loopback"},
    "package.json": {"name": "shop", "main": "server/server.js", "dependencies": {}},
    "server/config.json": {"restApiRoot": "/api", "port": 3000},
    "server/component-config.json": {"loopback-component-explorer": {"mountPath": "/explorer"}},
    "server/middleware.json": {"routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}}},
    "server/middleware.development.json": {"final:after": {}},
    "server/datasources.json": STORES,
    "server/model-config.json": {
        "_meta": {
            "sources": [
                "loopback/common/models",
                "loopback/server/models",
                "../common/models",
                "./models",
            ],
            "mixins": ["loopback/common/mixins", "../common/mixins"],
        },
        "LaidParcel": {"dataSource": "db", "public": True},
        "LaidLetter": {"dataSource": "db", "public": True},
    },
    "common/models/laid-parcel.json": {
        "name": "LaidParcel",
        "base": "PersistedModel",
        "properties": {"weight": "number"},
        "relations": {"letters": {"type": "hasMany", "model": "LaidLetter"}},
    },
    "server/models/laid-letter.json": {
        "name": "LaidLetter",
        "base": "LaidParcel",
        "properties": {"text": "string"},
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lay_out(tmp_path, PROJECT)


def lay_out(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder


def make_loop(**config: Any) -> tuple[Flask, Loop]:
    app = Flask("shop")
    app.config.update(TESTING=True, **config)
    return app, Loop(app, url_prefix="/api")


@pytest.mark.parametrize("folder", [".", "server"])
def test_a_project_of_loopback_loads_as_it_is(project: Path, folder: str) -> None:
    app, loop = make_loop()
    loaded = loop.load(project / folder)
    assert [each.model_name for each in loaded] == ["LaidParcel", "LaidLetter"]
    client = app.test_client()
    assert client.post("/api/LaidParcels", json={"weight": 2}).json == {"weight": 2, "id": 1}
    letter = client.post("/api/LaidParcels/1/letters", json={"text": "Hi"})
    assert letter.json == {"text": "Hi", "weight": None, "id": 1, "laidParcelId": 1}


def test_sources_that_are_not_there_are_no_mistake(project: Path) -> None:
    (project / "server/models/laid-letter.json").unlink()
    (project / "server/models").rmdir()
    sources = {"sources": ["../common/models", "./models"]}
    lay_out(project, {"server/model-config.json": {"_meta": sources}})
    parcel = project / "common/models/laid-parcel.json"
    parcel.write_text(json.dumps({"name": "LaidAlone"}))
    assert [each.model_name for each in make_loop()[1].load(project)] == ["LaidAlone"]


def test_a_mistake_is_named_with_the_file_of_its_folder(project: Path) -> None:
    lay_out(project, {"common/models/laid-parcel.json": {"name": "LaidParcel", "stric": True}})
    with pytest.raises(DefinitionError, match=r"common/models/laid-parcel\.json: .*'stric'"):
        make_loop()[1].load(project / "server")


def test_a_model_in_two_files_is_refused(project: Path) -> None:
    lay_out(project, {"server/models/again.json": {"name": "LaidParcel"}})
    said = r"server/models/again\.json: .*laid-parcel\.json defines the model 'LaidParcel' as well"
    with pytest.raises(DefinitionError, match=said):
        make_loop()[1].load(project)


def test_a_model_of_no_file_says_where_was_looked(project: Path) -> None:
    lay_out(project, {"server/model-config.json": {"Ghost": {"dataSource": "db"}}})
    with pytest.raises(DefinitionError, match=r"no file .* the model 'Ghost'.*\"_meta\"") as caught:
        make_loop()[1].load(project / "server")
    assert str(project / "server/models") in str(caught.value)


def test_a_model_of_loopback_that_is_not_there_yet_is_named(project: Path) -> None:
    lay_out(project, {"server/model-config.json": {"Application": {"dataSource": "db"}}})
    with pytest.raises(DefinitionError, match=r"LoopBack's model 'Application' is not there yet"):
        make_loop()[1].load(project / "server")


def test_a_folder_without_definitions_is_no_folder_of_models(tmp_path: Path) -> None:
    lay_out(tmp_path, {"package.json": {"name": "x"}})
    with pytest.raises(DefinitionError, match="has no definition of a model"):
        make_loop()[1].load(tmp_path)


def url_of(loop: Loop, app: Flask) -> Any:
    with app.app_context():
        return loop.data_source("shelf").connector.settings["url"]


SHELF = {"connector": "sqlite", "url": "sqlite:///base.sqlite"}


@pytest.mark.parametrize(
    ("environment", "url"),
    [(None, "sqlite:///local.sqlite"), ("production", "sqlite:///production.sqlite")],
)
def test_files_of_an_environment_say_what_differs(
    project: Path, environment: str | None, url: str
) -> None:
    lay_out(
        project,
        {
            "server/datasources.json": {**STORES, "shelf": SHELF},
            "server/datasources.local.json": {"shelf": {"url": "sqlite:///local.sqlite"}},
            "server/datasources.production.json": {"shelf": {"url": "sqlite:///production.sqlite"}},
            "server/model-config.production.json": {"LaidLetter": {"public": False}},
        },
    )
    app, loop = make_loop()
    loop.load(project, environment=environment)
    assert url_of(loop, app) == url
    is_public = app.test_client().get("/api/LaidLetters").status_code == 200
    assert is_public == (environment is None)


@pytest.mark.parametrize("name", ["datasources.local.js", "datasources.production.js"])
def test_what_is_written_in_javascript_is_warned_about(
    project: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    lay_out(project, {f"server/{name}": "module.exports = {}"})
    _app, loop = make_loop()
    loop.load(project, environment="production")
    assert f"{name} is JavaScript, which is not run: LOOP_DATA_SOURCES" in caplog.text


def test_a_placeholder_is_what_the_environment_has(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"shelf": {**SHELF, "url": "sqlite:///${SHELF_NAME}.sqlite"}}
    lay_out(project, {"server/datasources.json": {**STORES, **settings}})
    monkeypatch.setenv("SHELF_NAME", "top")
    app, loop = make_loop()
    loop.load(project)
    assert url_of(loop, app) == "sqlite:///top.sqlite"


def test_a_placeholder_that_the_environment_lacks_is_named(project: Path) -> None:
    settings = {"shelf": {**SHELF, "options": {"password": "secret-${NOT_THERE_AT_ALL}"}}}
    lay_out(project, {"server/datasources.json": {**STORES, **settings}})
    said = r"datasources\.json: shelf\.options\.password: .* no 'NOT_THERE_AT_ALL'"
    with pytest.raises(DefinitionError, match=said) as caught:
        make_loop()[1].load(project)
    assert "secret" not in str(caught.value)


def test_an_url_comes_before_the_parts_beside_it_as_in_loopback(project: Path) -> None:
    parts = {"host": "localhost", "port": 3306, "user": "dev", "password": "dev", "database": "dev"}
    whole = {"connector": "mysql", "url": "mysql://shop:secret@db.example:3307/shop"}
    lay_out(project, {"server/datasources.json": {**STORES, "shelf": {**parts, **whole}}})
    app, loop = make_loop()
    loop.load(project)
    with app.app_context():
        settings = loop.data_source("shelf").connector.settings
    assert settings.keys() == {"url"}


def test_a_database_beside_the_url_of_a_server_stays(project: Path) -> None:
    shelf = {"connector": "couchdb2", "url": "http://ada:secret@db.example", "database": "shop"}
    lay_out(project, {"server/datasources.json": {**STORES, "shelf": {**shelf, "name": "shelf"}}})
    app, loop = make_loop()
    loop.load(project)
    with app.app_context():
        settings = loop.data_source("shelf").connector.settings
    assert settings["database"] == "shop"


@pytest.mark.parametrize("sources", [{"db": "memory"}, {"db": ["memory"]}])
def test_a_data_source_that_is_no_object_is_named(project: Path, sources: Any) -> None:
    lay_out(project, {"server/datasources.json": sources})
    with pytest.raises(DefinitionError, match=r"datasources\.json: the entry 'db' is not an obj"):
        make_loop()[1].load(project)


def test_many_to_many_of_a_model_before_the_other_is_loaded(tmp_path: Path) -> None:
    names = ["LaidAuthor", "LaidBook"]
    books = {"type": "hasAndBelongsToMany", "model": "LaidBook", "foreignKey": ""}
    author = {"name": "LaidAuthor", "relations": {"books": books}}
    files = {
        "a.json": author,
        "b.json": {"name": "LaidBook", "properties": {"title": "string"}},
        "datasources.json": STORES,
        "model-config.json": {name: {"dataSource": "db"} for name in names},
    }
    app, loop = make_loop()
    loop.load(lay_out(tmp_path, files))
    client = app.test_client()
    client.post("/api/LaidAuthors", json={})
    book = client.post("/api/LaidAuthors/1/books", json={"title": "One"}).json
    assert client.get("/api/LaidAuthors/1/books").json == [book]


def kept(source: str, connector: str, name: str, **more: Any) -> dict[str, Any]:
    """A project with one model on a data source that is never connected to."""
    settings = {"connector": connector, "host": "db.example", "database": "shop"}
    return {
        "datasources.json": {source: settings},
        "model-config.json": {name: {"dataSource": source}},
        "model.json": {"name": name, "properties": {"label": "string"}, **more},
    }


@pytest.mark.parametrize("connector", ["mongodb", "loopback-connector-couchdb2"])
def test_an_id_that_is_not_declared_is_the_text_that_loopback_has_on_documents(
    tmp_path: Path, connector: str
) -> None:
    _app, loop = make_loop()
    (model,) = loop.load(lay_out(tmp_path, kept("docs", connector, "LaidWare")))
    made = model.definition.id
    assert (made.name, made.type.name, made.generated) == ("id", "String", True)


@pytest.mark.parametrize(
    ("connector", "more", "ids"),
    [
        ("mongodb", {"idInjection": False}, []),
        ("mongodb", {"properties": {"code": {"type": "number", "id": True}}}, [("code", "Number")]),
        ("mongodb", {"properties": {"id": {"type": "number"}}}, [("id", "Integer")]),
        ("mysql", {}, [("id", "Integer")]),
    ],
)
def test_other_ids_are_what_the_definition_says(
    tmp_path: Path, connector: str, more: dict[str, Any], ids: list[tuple[str, str]]
) -> None:
    _app, loop = make_loop()
    (model,) = loop.load(lay_out(tmp_path, kept("docs", connector, "LaidOdd", **more)))
    assert [(each.name, each.type.name) for each in model.definition.ids] == ids


def test_users_and_roles_on_documents_have_such_ids_and_tokens_their_own(tmp_path: Path) -> None:
    files = kept("docs", "mongodb", "LaidUser", base="User")
    for name in ("AccessToken", "Role", "RoleMapping", "ACL"):
        files["model-config.json"][name] = {"dataSource": "docs", "public": False}
    _app, loop = make_loop(SECRET_KEY="of the test")
    loaded = {each.model_name: each for each in loop.load(lay_out(tmp_path, files))}
    types = {name: each.definition.id.type.name for name, each in loaded.items()}
    assert set(types.values()) == {"String"}
    assert loaded["RoleMapping"].definition.properties["role_id"].type.name == "String"
    assert loaded["LaidUser"].definition.id.generated
    assert not loaded["AccessToken"].definition.id.generated


@pytest.mark.parametrize(
    ("more", "collection"),
    [
        ({}, "LaidCrate"),
        ({"options": {"mongodb": {"collection": "crates"}}}, "crates"),
        ({"mongodb": {"collection": "crates"}}, "crates"),
    ],
)
def test_the_collection_of_a_model_is_called_as_loopback_calls_it(
    tmp_path: Path, more: dict[str, Any], collection: str
) -> None:
    _app, loop = make_loop()
    (model,) = loop.load(lay_out(tmp_path, kept("docs", "mongodb", "LaidCrate", **more)))
    assert model.definition.settings.options["mongodb"] == {"collection": collection}


@pytest.mark.parametrize(
    ("connector", "given", "read"),
    [
        ("couchdb", {}, {"plain_ids": True}),
        ("couchdb2", {"plain_ids": False}, {"plain_ids": False}),
        ("remote", {"root": "/api"}, {"dialect": "loopback3"}),
        ("remote", {"dialect": "flask-loop"}, {"dialect": "flask-loop"}),
        ("rest", {"baseURL": "http://a"}, {"update": "PUT"}),
        ("rest", {"baseURL": "http://a", "update": "PATCH"}, {"update": "PATCH"}),
    ],
)  # fmt: skip
def test_what_a_file_leaves_open_is_as_loopback_has_it(
    tmp_path: Path, connector: str, given: dict[str, Any], read: dict[str, Any]
) -> None:
    files = kept("docs", connector, "LaidSheet")
    server = {} if "rest" in connector else {"host": "db.example"}
    database = {"database": "shop"} if "couchdb" in connector else {}
    files["datasources.json"]["docs"] = {"connector": connector, **server, **database, **given}
    app, loop = make_loop()
    loop.load(lay_out(tmp_path, files))
    with app.app_context():
        source = loop.data_source("docs")
        assert source.connector.settings.items() >= read.items()
        source.close()


BLANK = {"url": "", "user": "", "password": ""}
SERVER = {"host": "db.example", "database": "shop"}


@pytest.mark.parametrize(
    ("connector", "given"),
    [
        ("mongodb", {**BLANK, **SERVER}),
        ("mongodb", {**SERVER, "url": False}),
        ("kv-redis", {**BLANK, "host": "cache.example", "port": "", "db": 0}),
        ("memory", {"localStorage": "", "file": ""}),
        ("mysql", {**BLANK, **SERVER}),
    ],
)
def test_what_generators_leave_blank_says_nothing(
    tmp_path: Path, connector: str, given: dict[str, Any]
) -> None:
    files = kept("db", connector, "LaidBlank")
    files["datasources.json"]["db"] = {"name": "db", "connector": connector, **given}
    app, loop = make_loop()
    loop.load(lay_out(tmp_path, files))
    with app.app_context():
        assert loop.data_source("db").connector.name != ""
        loop.data_source("db").close()


@pytest.mark.parametrize("file_has", ["mongodb", "couchdb"])
def test_an_id_is_that_of_the_data_source_which_the_app_has_instead(
    tmp_path: Path, file_has: str
) -> None:
    files = kept("db", file_has, "LaidElsewhere")
    app, loop = make_loop(LOOP_DATA_SOURCES={"db": {"connector": "sqlite", "url": "sqlite://"}})
    loop.load(lay_out(tmp_path, files))
    with app.app_context():
        loop.data_source("db").auto_update()
        made = app.test_client().post("/api/LaidElsewheres", json={})
        assert made.json == {"label": None, "id": 1}, made.text
        loop.data_source("db").close()


def test_templates_of_a_file_are_methods_of_the_models_on_the_data_source(tmp_path: Path) -> None:
    with WebServer([Reply(200, b'{"results": [{"at": 1}]}')]) as server:
        template = {
            "method": "GET",
            "url": f"{server.url}/geocode/{{format=json}}",
            "query": {"address": "{street},{city}"},
            "responsePath": "$.results[0].at",
        }
        functions = {"geocode": ["street", "city"]}
        operations = [{"template": template, "functions": functions}]
        files = {
            "datasources.json": {"geo": {"connector": "rest", "operations": operations}},
            "model-config.json": {"LaidGeocoder": {"dataSource": "geo"}},
            "model.json": {"name": "LaidGeocoder", "base": "Model", "plural": "geocoder"},
        }
        app, loop = make_loop()
        (model,) = loop.load(lay_out(tmp_path, files))
        answer = app.test_client().get("/api/geocoder/geocode?street=B&city=C")
        assert answer.json == [1]
        assert server.requests[0].path.startswith("/geocode/json?")
        with app.app_context():
            assert model.geocode("B", "C") == [1]
            model.data_source.close()


def test_the_mail_of_a_file_is_the_apps(project: Path) -> None:
    transports = [{"type": "memory"}]
    mail = {"connector": "mail", "defaultSender": "shop@example.com", "transports": transports}
    lay_out(project, {"server/datasources.json": {**STORES, "mail": mail}})
    app, loop = make_loop()
    loop.load(project)
    with app.app_context():
        assert "@" in Email.send(to="ada@example.com", subject="Hi", text="There")
        connector: Any = loop.data_source("mail").connector
        (sent,) = connector.transport.messages
        assert sent.subject == "Hi"


def test_commands_know_the_data_sources_of_files(project: Path) -> None:
    app, loop = make_loop()
    loop.load(project)
    runner = app.test_cli_runner()
    assert "the memory connector" in runner.invoke(args=["loop", "discover"]).output
    said = runner.invoke(args=["loop", "migrate", "current", "--source", "db"]).output
    assert "There is no data source" not in said


EVERYONE = {"principalType": "ROLE", "principalId": "$everyone"}


@pytest.mark.parametrize(
    ("name", "permission", "status"), [("LaidLetter", "DENY", 401), ("User", "ALLOW", 200)]
)
def test_rules_that_the_configuration_adds_hold(
    project: Path, name: str, permission: str, status: int
) -> None:
    config = dict(PROJECT["server/model-config.json"])
    acls = [{**EVERYONE, "permission": permission, "property": "count"}]
    config[name] = {"dataSource": "db", "public": True, "acls": acls}
    lay_out(project, {"server/model-config.json": config})
    app, loop = make_loop(SECRET_KEY="of the test")
    loop.load(project)
    assert app.test_client().get(f"/api/{name}s/count").status_code == status


def test_a_rule_of_the_configuration_takes_the_place_of_one_like_it(project: Path) -> None:
    config = dict(PROJECT["server/model-config.json"])
    rule = {**EVERYONE, "accessType": "READ", "property": "count"}
    config["LaidParcel"] = {"dataSource": "db", "acls": [{**rule, "permission": "ALLOW"}]}
    closed = [{**EVERYONE, "permission": "DENY"}, {**rule, "permission": "DENY"}]
    parcel = {**PROJECT["common/models/laid-parcel.json"], "acls": closed}
    files = {"server/model-config.json": config, "common/models/laid-parcel.json": parcel}
    app, loop = make_loop()
    loop.load(lay_out(project, files))
    client = app.test_client()
    assert client.get("/api/LaidParcels/count").status_code == 200
    assert client.get("/api/LaidParcels").status_code == 401


def test_what_the_configuration_says_of_a_model_is_added_to_its_definition(project: Path) -> None:
    config = dict(PROJECT["server/model-config.json"])
    config["LaidParcel"] = {
        "dataSource": "db",
        "relations": {"next": {"type": "belongsTo", "model": "LaidParcel"}},
        "methods": {"weigh": {"http": {"verb": "get"}}},
        "options": {"strict": "validate", "remoting": {"sharedMethods": {"deleteById": False}}},
    }
    lay_out(project, {"server/model-config.json": config})
    app, loop = make_loop()
    parcel = loop.load(project)[0]
    parcel.weigh = classmethod(lambda cls: 3)
    client = app.test_client()
    assert client.post("/api/LaidParcels", json={"colour": "red"}).status_code == 422
    first = client.post("/api/LaidParcels", json={"weight": 1}).json
    client.post("/api/LaidParcels", json={"nextId": 1})
    assert client.get("/api/LaidParcels/2/next").json == first
    assert client.get("/api/LaidParcels/2/letters").json == []
    assert client.get("/api/LaidParcels/weigh").status_code == 200
    assert client.delete("/api/LaidParcels/1").status_code == 405


def test_a_key_of_the_configuration_that_means_nothing_is_named(project: Path) -> None:
    config = dict(PROJECT["server/model-config.json"])
    config["LaidParcel"] = {"dataSource": "db", "acl": []}
    lay_out(project, {"server/model-config.json": config})
    said = r"model-config\.json: the entry 'LaidParcel' has no 'acl'; did you mean 'acls'"
    with pytest.raises(DefinitionError, match=said):
        make_loop()[1].load(project)


def test_a_rule_of_the_configuration_takes_the_place_of_an_inherited_one(project: Path) -> None:
    config = dict(PROJECT["server/model-config.json"])
    allow = [{**EVERYONE, "permission": "ALLOW"}]
    for name in ("User", "LaidLetter"):
        config[name] = {"dataSource": "db", "public": True, "acls": allow}
    closed = [{**EVERYONE, "permission": "DENY"}]
    parcel = {**PROJECT["common/models/laid-parcel.json"], "acls": closed}
    files = {"server/model-config.json": config, "common/models/laid-parcel.json": parcel}
    app, loop = make_loop(SECRET_KEY="of the test")
    loaded = loop.load(lay_out(project, files))
    client = app.test_client()
    paths = ["Users", "LaidLetters", "LaidParcels"]
    assert [client.get(f"/api/{path}").status_code for path in paths] == [200, 200, 401]
    assert loaded


def test_a_rule_of_the_configuration_holds_against_one_in_the_options(project: Path) -> None:
    config = dict(PROJECT["server/model-config.json"])
    config["LaidParcel"] = {"dataSource": "db", "acls": [{**EVERYONE, "permission": "DENY"}]}
    options = {"acls": [{**EVERYONE, "permission": "ALLOW"}]}
    parcel = {**PROJECT["common/models/laid-parcel.json"], "options": options}
    files = {"server/model-config.json": config, "common/models/laid-parcel.json": parcel}
    app, loop = make_loop()
    loop.load(lay_out(project, files))
    assert app.test_client().get("/api/LaidParcels").status_code == 401


@pytest.mark.parametrize("name", ["package", "config", "middleware", "datasources.local"])
def test_a_model_may_have_a_file_that_is_called_as_one_of_the_servers(
    project: Path, name: str
) -> None:
    lay_out(project, {f"common/models/{name}.json": {"name": "LaidPackage"}})
    _app, loop = make_loop()
    loaded = loop.load(project)
    assert "LaidPackage" in [each.model_name for each in loaded]


def test_a_source_without_a_dot_is_a_folder_where_there_is_one(project: Path) -> None:
    meta = {"sources": ["loopback/common/models", "../common/models", "models", "./"]}
    lay_out(project, {"server/model-config.json": {"_meta": meta}})
    _app, loop = make_loop()
    loaded = loop.load(project)
    assert [each.model_name for each in loaded] == ["LaidParcel", "LaidLetter"]


def test_a_file_may_begin_with_a_byte_order_mark(project: Path) -> None:
    lay_out(project, {"server/models/marked.json": '\ufeff{"name": "LaidMarked"}'})
    _app, loop = make_loop()
    assert "LaidMarked" in [each.model_name for each in loop.load(project)]


def test_placeholders_of_a_data_source_that_the_app_replaces_need_no_value(project: Path) -> None:
    settings = {"db": {"connector": "mongodb", "url": "${LAID_NOT_THERE}"}}
    lay_out(project, {"server/datasources.json": settings})
    app, loop = make_loop(LOOP_DATA_SOURCES={"db": {"connector": "memory"}})
    loaded = loop.load(project)
    assert app.test_client().post("/api/LaidParcels", json={}).status_code == 200
    assert loaded


@pytest.mark.parametrize(
    ("base", "collections"),
    [
        ({}, ["LaidCask", "LaidKeg"]),
        ({"mongodb": {"collection": "casks"}}, ["casks", "casks"]),
        ({"options": {"mongodb": {"collection": "LaidCask"}}}, ["LaidCask", "LaidCask"]),
    ],
)
def test_a_collection_that_a_base_says_is_that_of_the_models_based_on_it(
    tmp_path: Path, base: dict[str, Any], collections: list[str]
) -> None:
    files = kept("docs", "mongodb", "LaidCask", **base)
    files["model-config.json"]["LaidKeg"] = {"dataSource": "docs"}
    files["other.json"] = {"name": "LaidKeg", "base": "LaidCask"}
    _app, loop = make_loop()
    loaded = {each.model_name: each for each in loop.load(lay_out(tmp_path, files))}
    options = [loaded[name].definition.settings.options for name in ("LaidCask", "LaidKeg")]
    assert [each["mongodb"]["collection"] for each in options] == collections


@pytest.mark.parametrize(
    ("more", "config", "said"),
    [
        ({"name": ["LaidBent"]}, {}, r"bent\.json: 'name' of a model is text"),
        ({"base": ["Model"]}, {}, r"bent\.json: 'base' of a model is text"),
        ({}, {"dataSource": ["db"]}, r"model-config\.json: 'dataSource' of the entry"),
        ({}, {"options": {"remoting": ["x"]}}, r"model-config\.json: 'remoting' of the entry"),
        (
            {"relations": ["x"]},
            {"relations": {"x": {"type": "belongsTo", "model": "LaidBent"}}},
            r"bent\.json: 'relations' of a definition is an object",
        ),
    ],
)
def test_what_is_of_another_kind_is_named_with_its_file(
    project: Path, more: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    files = {
        "common/models/bent.json": {"name": "LaidBent", **more},
        "server/model-config.json": {
            **PROJECT["server/model-config.json"],
            **({"LaidBent": config} if config else {}),
        },
    }
    with pytest.raises(DefinitionError, match=said):
        make_loop()[1].load(lay_out(project, files))


def test_a_base_that_is_null_is_none(project: Path) -> None:
    lay_out(project, {"common/models/bent.json": {"name": "LaidBaseless", "base": None}})
    _app, loop = make_loop()
    assert "LaidBaseless" in [each.model_name for each in loop.load(project)]
