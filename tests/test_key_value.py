"""Models of keys and values: in Python, over REST, in memory and on Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    DataSource,
    DefinitionError,
    KeyValueModel,
    Loop,
    Model,
    Prop,
    User,
    create_data_source,
    create_model,
    memory,
)
from flask_loop.connectors.memory import key_value as memory_key_value
from flask_loop.errors import ArgumentError, BadRequest, NotFound
from tests.servers import Redis

VALUES: list[Any] = [
    0,
    -1,
    2**63 - 1,
    -(2**63),
    0.1,
    1e300,
    True,
    False,
    "",
    "text",
    "\u00e9\U0001f600\n\x7f",
    "2020-01-01",
    [],
    {},
    [None, [1, "a", {"b": None}]],
    {"": {"$where": 1, "a.b": [2.5]}, "unitPrice": "kept"},
]
#: Keys that something on the way might take for something else.
KEYS = [
    "a",
    "A",
    "1",
    "ttl",
    "expire",
    "a:b",
    "a b",
    "é",
    "😀",
    "*",
    "?",
    "[a]",
    "\\",
    "a%b",
    "{x}",
]


@pytest.fixture(params=["memory", "redis"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    """An empty data source that keeps values."""
    if request.param == "memory":
        made = memory()
    else:
        server: Redis = request.getfixturevalue("redis")
        made = create_data_source(connector="redis", url=server.fresh("key-value"))
    yield made
    made.close()


@pytest.fixture
def cache(source: DataSource) -> type[KeyValueModel]:
    class StoredCache(KeyValueModel):
        class Meta:
            data_source = source
            plural = "caches"

    return StoredCache


@pytest.fixture
def client(cache: type[KeyValueModel]) -> FlaskClient:
    return serve(cache)


def serve(*models: Any, **settings: Any) -> FlaskClient:
    app = Flask("values")
    app.config.update({"SECRET_KEY": "key", "TESTING": True, **settings})
    loop = Loop(app, url_prefix="/api")
    for each in models:
        loop.model(each)
    return app.test_client()


def keys(client: FlaskClient, match: str | None = None) -> list[str]:
    query = {} if match is None else {"filter": json.dumps({"match": match})}
    answer = client.get("/api/caches/keys", query_string=query)
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json
    return found


# In Python


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was_given(value: Any, cache: type[KeyValueModel]) -> None:
    cache.set("key", value)
    found = cache.get("key")
    assert found == value
    assert type(found) is type(value)


def test_a_key_has_the_value_that_it_was_given_last(cache: type[KeyValueModel]) -> None:
    assert cache.get("key") is None
    cache.set("key", 1)
    cache.set("key", {"a": 2})
    assert cache.get("key") == {"a": 2}
    assert cache.delete("key") == 1
    assert cache.delete("key") == 0
    assert cache.get("key") is None


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_any_text(key: str, cache: type[KeyValueModel]) -> None:
    for each in KEYS:
        cache.set(each, f"of {each}")
    assert cache.get(key) == f"of {key}"
    assert cache.delete(key) == 1
    assert sorted(cache.iterate_keys()) == sorted(set(KEYS) - {key})


def test_nobody_changes_what_is_kept_by_changing_what_was_given(cache: type[KeyValueModel]) -> None:
    given = {"list": [1]}
    cache.set("key", given)
    given["list"].append(2)
    cache.get("key")["list"].append(3)
    assert cache.get("key") == {"list": [1]}


@pytest.mark.parametrize("ttl", [int, float, lambda number: {"ttl": number}])
def test_a_value_is_there_for_as_long_as_it_is_said(
    ttl: Callable[[int], Any], cache: type[KeyValueModel]
) -> None:
    cache.set("short", 1, ttl(30_000))
    cache.set("long", 2, {"ttl": 60_000})
    cache.set("endless", 3, {})
    left = cache.ttl("short")
    assert left is not None
    assert 0 < left <= 30_000
    cache.set("short", 1, ttl(30))
    sleep(0.05)
    assert cache.get("short") is None
    assert cache.keys() == ["endless", "long"]
    assert cache.delete("short") == 0
    with pytest.raises(NotFound):
        cache.ttl("short")
    with pytest.raises(NotFound):
        cache.expire("short", 1000)
    assert cache.get("long") == 2
    assert cache.ttl("endless") is None


def test_how_long_a_key_is_there_is_said_anew(cache: type[KeyValueModel]) -> None:
    cache.set("key", 1, 60_000)
    cache.expire("key", 120_000)
    left = cache.ttl("key")
    assert left is not None
    assert 110_000 < left <= 120_000
    cache.set("key", 2)
    assert cache.ttl("key") is None
    cache.expire("key", 50)
    sleep(0.07)
    assert cache.get("key") is None


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("*", {"a", "ab", "abc", "b%c", "b*c", "b\\c", "é", "éa", "[a]", "a\nb"}),
        ("a*", {"a", "ab", "abc", "a\nb"}),
        ("a?", {"ab"}),
        ("?", {"a", "é"}),
        ("?a", {"éa"}),
        ("é*", {"é", "éa"}),
        ("*b*", {"ab", "abc", "b%c", "b*c", "b\\c", "a\nb"}),
        (r"b\*c", {"b*c"}),
        (r"b\\c", {"b\\c"}),
        ("b_c", set()),
        ("b%c", {"b%c"}),
        ("b?c", {"b%c", "b*c", "b\\c"}),
        ("[a]", {"[a]"}),
        ("[ab]", set()),
        ("abc", {"abc"}),
        ("", set()),
        ("A*", set()),
        ("***?***", {"a", "ab", "abc", "b%c", "b*c", "b\\c", "é", "éa", "[a]", "a\nb"}),
    ],
)
def test_keys_are_found_by_a_pattern(
    match: str, expected: set[str], cache: type[KeyValueModel]
) -> None:
    for key in ("a", "ab", "abc", "b%c", "b*c", "b\\c", "é", "éa", "[a]", "a\nb"):
        cache.set(key, 1)
    assert cache.keys({"match": match}) == sorted(expected)
    assert set(cache.iterate_keys({"match": match})) == expected


def test_a_pattern_with_many_stars_takes_no_longer(cache: type[KeyValueModel]) -> None:
    for number in range(20):
        cache.set("a" * 1000 + str(number), 1)
    begin = monotonic()
    assert cache.keys({"match": "a*" * 400 + "b"}) == []
    assert monotonic() - begin < 20


def test_all_keys_of_a_model_are_deleted_and_no_others(
    source: DataSource, cache: type[KeyValueModel]
) -> None:
    class StoredOther(KeyValueModel):
        class Meta:
            data_source = source

    for number in range(2500):
        cache.set(str(number), number)
    StoredOther.set("1", "other")
    assert len(cache.keys()) == 2500
    assert cache.delete_all() == 2500
    assert cache.delete_all() == 0
    assert cache.keys() == []
    assert StoredOther.get("1") == "other"


def test_records_of_the_same_collection_are_others(
    source: DataSource, cache: type[KeyValueModel]
) -> None:
    class StoredRecord(Model):
        text: Prop[str]

        class Meta:
            data_source = source
            options = {each: {"collection": "StoredCache"} for each in ("memory", "redis")}

    record = StoredRecord.create(text="a")
    cache.set(str(record.id), "value")
    assert cache.keys() == [str(record.id)]
    assert cache.delete_all() == 1
    assert StoredRecord.find_by_id(record.id).text == "a"


def test_too_many_keys_are_an_error_and_come_one_by_one(
    cache: type[KeyValueModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = cache.data_source.connector
    store = connector.key_value(cache.definition)
    store.max_scan = 3
    monkeypatch.setattr(connector, "key_value", lambda definition: store)
    for key in ("a1", "a2", "a3", "b"):
        cache.set(key, 1)
    with pytest.raises(BadRequest, match="more than 3 such keys of StoredCache") as refused:
        cache.keys()
    assert refused.value.error_code == "TOO_MUCH_TO_READ"
    assert len(cache.keys({"match": "a*"})) == 3
    assert len(list(cache.iterate_keys())) == 4


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cache: cache.get(""), "'key' is blank"),
        (lambda cache: cache.get(None), "'key' is no text"),
        (lambda cache: cache.get(1), "'key' is no text"),
        (lambda cache: cache.get("k" * 1025), "'key' is longer than 1024 characters"),
        (lambda cache: cache.set("a\0", 1), "'key'"),
        (lambda cache: cache.delete("\ud800"), "'key'"),
        (lambda cache: cache.set("key", None), "'value' is null"),
        (lambda cache: cache.set("key", object()), "'value' holds a object"),
        (lambda cache: cache.set("key", {"a": [float("nan")]}), "'value.a.0'"),
        (lambda cache: cache.set("key", [2**63]), "'value.0' is outside"),
        (lambda cache: cache.set("key", {1: 2}), "'value' has the key 1"),
        (lambda cache: cache.set("key", deep(33)), "deep"),
        (lambda cache: cache.set("key", 1, 0), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, -1), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, 1.5), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, True), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, "5"), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, 2**53), "'ttl' is no whole number"),
        (lambda cache: cache.set("key", 1, {"tll": 5}), "'ttl' has the key 'tll'"),
        (lambda cache: cache.expire("key", None), "'ttl' is no whole number"),
        (lambda cache: cache.keys({"macth": "*"}), "'filter.macth' is unknown"),
        (lambda cache: cache.keys({"match": 1}), "'filter.match' is not text"),
        (lambda cache: cache.keys("a*"), "'filter' is not an object"),
        (lambda cache: cache.iterate_keys({"match": "*" * 1001}), "'filter.match' is longer"),
    ],
)
def test_what_means_nothing_is_refused(
    call: Callable[[Any], Any], message: str, cache: type[KeyValueModel]
) -> None:
    with pytest.raises(ArgumentError) as refused:
        call(cache)
    assert message in str(refused.value)
    assert cache.keys() == []


def test_the_bounds_themselves_are_taken(cache: type[KeyValueModel]) -> None:
    cache.set("k" * 1024, deep(32), 2**53 - 1)
    assert cache.get("k" * 1024) == deep(32)


# The model


def test_it_has_no_records(cache: type[KeyValueModel]) -> None:
    for name in ("find", "create", "count", "find_by_id", "save", "upsert", "destroy_all"):
        assert not hasattr(cache, name)
    with pytest.raises(AttributeError, match="a KeyValueModel has keys and values"):
        cache.find()
    with pytest.raises(TypeError, match=r"StoredCache\.set\(key, value\)"):
        cache()
    assert cache.properties == {}


def test_its_methods_are_there_when_it_is_attached() -> None:
    class WaitingCache(KeyValueModel):
        pass

    assert not hasattr(WaitingCache, "get")
    with pytest.raises(AttributeError, match="attached"):
        WaitingCache.set("key", 1)
    WaitingCache.attach_to(memory())
    WaitingCache.set("key", 1)
    assert WaitingCache.get("key") == 1


def test_the_bundled_model_itself_is_extended_first() -> None:
    with pytest.raises(TypeError, match="extend it first"):
        KeyValueModel.attach_to(memory())
    extended = KeyValueModel.extend("extendedCache")
    extended.attach_to(memory())
    extended.set("key", 1)
    assert extended.get("key") == 1


def test_a_connector_without_keys_and_values_is_refused() -> None:
    sqlite = create_data_source(connector="sqlite", url="sqlite://")

    class TableCache(KeyValueModel):
        pass

    with pytest.raises(DefinitionError, match="the sqlite connector keeps no such"):
        TableCache.attach_to(sqlite)
    sqlite.close()


def test_properties_have_no_place_in_it() -> None:
    class TypedCache(KeyValueModel):
        text: Prop[str]

        class Meta:
            data_source = memory()

    with pytest.raises(DefinitionError, match="'text' has no place in a KeyValueModel"):
        TypedCache.get("key")


def test_each_app_has_values_of_its_own() -> None:
    loop = Loop(url_prefix="/api")

    class AppCache(KeyValueModel):
        class Meta:
            data_source = loop.data_source("db")

    loop.model(AppCache)
    apps = []
    for number in range(2):
        app = Flask(f"app{number}")
        app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
        loop.init_app(app)
        apps.append(app)
        with app.app_context():
            AppCache.set("key", number)
    for number, app in enumerate(apps):
        assert app.test_client().get("/api/appCaches/key").json == number


def test_what_is_over_does_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_key_value, "_SWEEP_AFTER", 10)

    class SweptCache(KeyValueModel):
        class Meta:
            data_source = memory()

    for number in range(10):
        SweptCache.set(str(number), 1, 1)
    sleep(0.01)
    for _ in range(30):
        SweptCache.set("stays", 1)
    store: Any = SweptCache.data_source.connector.key_value(SweptCache.definition)
    assert list(store._kept) == ["stays"]


def test_migrations_of_the_data_source_take_it_as_it_is(
    source: DataSource, cache: type[KeyValueModel]
) -> None:
    cache.set("key", 1)
    source.auto_update()
    assert source.is_actual()
    assert cache.get("key") == 1


# Over REST


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_put_and_got(value: Any, client: FlaskClient) -> None:
    answer = client.put("/api/caches/key", json=value)
    assert (answer.status_code, answer.data) == (204, b"")
    answer = client.get("/api/caches/key")
    assert answer.status_code == 200
    assert json.loads(answer.data) == value


def test_a_key_that_is_not_there_is_a_404(client: FlaskClient) -> None:
    for verb, path in (("get", ""), ("get", "/ttl"), ("put", "/expire")):
        given = {"json": {"ttl": 1000}} if verb == "put" else {}
        answer = getattr(client, verb)(f"/api/caches/unknown{path}", **given)
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "KEY_NOT_FOUND"
        assert answer.json["error"]["message"] == 'Unknown "StoredCache" key "unknown".'


def test_the_time_to_live_is_in_the_query_and_in_a_body(client: FlaskClient) -> None:
    assert client.put("/api/caches/key?ttl=60000", json=1).status_code == 204
    left = client.get("/api/caches/key/ttl").json
    assert 50_000 < left <= 60_000
    assert client.put("/api/caches/key/expire", json={"ttl": 120_000}).status_code == 204
    assert 110_000 < client.get("/api/caches/key/ttl").json <= 120_000
    assert client.put("/api/caches/key", json=1).status_code == 204
    answer = client.get("/api/caches/key/ttl")
    assert (answer.status_code, answer.json) == (200, None)
    assert client.put("/api/caches/key/expire", data={"ttl": "30"}).status_code == 204
    sleep(0.05)
    assert client.get("/api/caches/key").status_code == 404


def test_keys_are_listed_in_order(client: FlaskClient) -> None:
    for key in ("b:1", "a:2", "a:1", "ttl", "é"):
        assert client.put(f"/api/caches/{key}", json=1).status_code == 204
    assert keys(client) == ["a:1", "a:2", "b:1", "ttl", "é"]
    assert keys(client, "a:*") == ["a:1", "a:2"]
    assert client.get("/api/caches/keys?filter[match]=b*").json == ["b:1"]


@pytest.mark.parametrize(
    ("verb", "path", "options", "argument"),
    [
        ("put", "key", {}, "value"),
        ("put", "key", {"json": None}, "value"),
        ("put", "key?ttl=0", {"json": 1}, "ttl"),
        ("put", "key?ttl=1.5", {"json": 1}, "ttl"),
        ("put", "key?ttl=soon", {"json": 1}, "ttl"),
        ("put", "key?ttl=99999999999999999999", {"json": 1}, "ttl"),
        ("put", "key", {"json": deep(33)}, "value"),
        ("put", "key", {"data": "[1e999]", "content_type": "application/json"}, None),
        ("put", "key", {"data": "[9223372036854775808]", "content_type": "application/json"}, ""),
        ("put", "key/expire", {"json": {}}, "ttl"),
        ("put", "key/expire", {"json": {"ttl": "soon"}}, "ttl"),
        ("put", "key/expire", {"json": {"ttl": -5}}, "ttl"),
        ("get", "k" * 1025, {}, "key"),
        ("get", "keys?filter=*", {}, "filter"),
        ("get", 'keys?filter={"macth":"*"}', {}, "filter.macth"),
        ("get", 'keys?filter={"match":["*"]}', {}, "filter.match"),
    ],
)
def test_what_means_nothing_is_a_400_that_names_it(
    verb: str, path: str, options: Any, argument: str | None, client: FlaskClient
) -> None:
    answer = getattr(client, verb)(f"/api/caches/{path}", **options)
    assert answer.status_code == 400, answer.text
    if argument:
        assert answer.json["error"]["details"]["argument"].startswith(argument)
    assert keys(client) == []


def test_a_body_that_is_too_large_is_refused(cache: type[KeyValueModel]) -> None:
    client = serve(cache, LOOP_MAX_BODY=100)
    assert client.put("/api/caches/key", json="x" * 90).status_code == 204
    assert client.put("/api/caches/key", json="x" * 110).status_code == 413


def test_there_are_no_routes_of_records(client: FlaskClient) -> None:
    assert client.get("/api/caches").status_code == 404
    assert client.post("/api/caches", json={}).status_code == 404
    answer = client.put("/api/caches/keys", json=1)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_clients_delete_where_that_is_enabled(
    cache: type[KeyValueModel], client: FlaskClient
) -> None:
    cache.set("key", 1)
    assert client.delete("/api/caches/key").status_code == 405
    cache.enable_remote("delete")
    assert client.delete("/api/caches/key").json == {"count": 1}
    assert client.delete("/api/caches/key").json == {"count": 0}
    assert cache.get("key") is None


def test_methods_are_kept_from_clients_like_others(
    cache: type[KeyValueModel], client: FlaskClient
) -> None:
    cache.disable_remote("keys")
    assert client.get("/api/caches/keys").status_code == 404
    cache.set("a", 1)
    assert cache.keys() == ["a"]


def test_remote_hooks_run_around_its_methods(
    cache: type[KeyValueModel], client: FlaskClient
) -> None:
    seen: list[Any] = []

    @cache.before_remote("*")
    def note(ctx: Any) -> None:
        seen.append((ctx.method_string, ctx.args))

    @cache.after_remote("get")
    def fill(ctx: Any, result: Any) -> None:
        if result is None and ctx.args["key"] == "filled":
            ctx.result = "by a hook"

    assert client.put("/api/caches/a?ttl=5000", json=[1]).status_code == 204
    assert client.get("/api/caches/filled").json == "by a hook"
    assert client.get("/api/caches/empty").status_code == 404
    assert seen[0] == ("caches.set", {"key": "a", "value": [1], "ttl": 5000})
    assert [method for method, _ in seen[1:]] == ["caches.get"] * 2


def test_a_model_may_have_a_version_of_its_own(source: DataSource) -> None:
    class ComputingCache(KeyValueModel):
        class Meta:
            data_source = source

        @classmethod
        def get(cls, key: str) -> Any:
            found = super().get(key)
            if found is None and key.isdigit():
                found = int(key) ** 2
                cls.set(key, found)
            return found

    client = serve(ComputingCache)
    assert client.get("/api/computingCaches/12").json == 144
    assert client.get("/api/computingCaches/twelve").status_code == 404
    assert ComputingCache.keys() == ["12"]


def test_access_control_holds_for_its_methods(source: DataSource) -> None:
    class CacheUser(User):
        class Meta:
            data_source = memory()

    class GuardedCache(KeyValueModel):
        class Meta:
            data_source = source
            acls = [
                {"principal_id": "$everyone", "permission": "ALLOW", "access_type": "READ"},
                {"principal_id": "$authenticated", "permission": "ALLOW", "property": "set"},
            ]

    fast = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
    client = serve(CacheUser, GuardedCache, LOOP_PASSWORD_HASHING=fast)
    GuardedCache.set("key", 1)
    assert client.get("/api/guardedCaches/key").json == 1
    assert client.get("/api/guardedCaches/keys").json == ["key"]
    assert client.put("/api/guardedCaches/key", json=2).status_code == 401
    with client.application.app_context():
        token = CacheUser.create(email="ann@example.com", password="x" * 9).create_session().id
    headers = {"Authorization": f"Bearer {token}"}
    assert client.put("/api/guardedCaches/key", json=2, headers=headers).status_code == 204
    expire = client.put("/api/guardedCaches/key/expire", json={"ttl": 1}, headers=headers)
    assert expire.status_code == 401
    assert GuardedCache.get("key") == 2


@pytest.mark.parametrize(
    ("access_type", "statuses"),
    [("READ", (401, 204)), ("WRITE", (200, 401)), ("EXECUTE", (401, 401)), ("*", (401, 401))],
)
def test_what_entries_say_of_kinds_of_access_is_about_its_methods(
    access_type: str, statuses: tuple[int, int]
) -> None:
    class KindsCache(KeyValueModel):
        class Meta:
            data_source = memory()
            default_permission = "ALLOW"
            acls = [{"principal_id": "$everyone", "permission": "DENY", "access_type": access_type}]

    client = serve(KindsCache)
    KindsCache.set("key", 1)
    read, write = statuses
    for path in ("key", "key/ttl", "keys"):
        assert client.get(f"/api/kindsCaches/{path}").status_code == read
    assert client.put("/api/kindsCaches/key", json=2).status_code == write
    expire = client.put("/api/kindsCaches/key/expire", json={"ttl": 60_000})
    assert expire.status_code == write


def test_the_documentation_has_its_methods(client: FlaskClient) -> None:
    document: Any = client.get("/_docs/openapi.json").json
    paths = document["paths"]
    assert {path: sorted(paths[path]) for path in paths} == {
        "/api/caches/{key}": ["get", "put"],
        "/api/caches/{key}/expire": ["put"],
        "/api/caches/{key}/ttl": ["get"],
        "/api/caches/keys": ["get"],
    }
    assert "404" in paths["/api/caches/{key}"]["get"]["responses"]
    swagger: Any = client.get("/_docs/swagger.json").json
    assert set(swagger["paths"]) == set(paths)


def test_the_command_lists_its_routes(client: FlaskClient) -> None:
    output = client.application.test_cli_runner().invoke(args=["loop", "routes"]).output
    for line in (
        "GET /api/caches/<key> caches.get StoredCache",
        "PUT /api/caches/<key> caches.set StoredCache",
        "PUT /api/caches/<key>/expire caches.expire StoredCache",
        "GET /api/caches/<key>/ttl caches.ttl StoredCache",
        "GET /api/caches/keys caches.keys StoredCache",
    ):
        assert line in [" ".join(each.split()) for each in output.splitlines()]


# LoopBack's JSON


def test_a_definition_of_loopbacks_is_based_on_it() -> None:
    model = create_model({"name": "JsonCache", "base": "KeyValueModel"})
    assert issubclass(model, KeyValueModel)
    model.attach_to(memory())
    client = serve(model)
    assert client.put("/api/JsonCaches/key", json={"a": 1}).status_code == 204
    assert client.get("/api/JsonCaches/key").json == {"a": 1}


def test_a_folder_of_loopbacks_has_such_models(tmp_path: Path) -> None:
    files = {
        "datasources.json": {"kv": {"name": "kv", "connector": "kv-memory"}},
        "folder-cache.json": {
            "name": "FolderCache",
            "base": "KeyValueModel",
            "acls": [
                {
                    "accessType": "WRITE",
                    "principalType": "ROLE",
                    "principalId": "$everyone",
                    "permission": "DENY",
                }
            ],
        },
        "model-config.json": {
            "FolderCache": {"dataSource": "kv"},
            "KeyValueModel": {"dataSource": "kv", "public": False},
        },
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    app = Flask("folder")
    app.config["SECRET_KEY"] = "key"
    loop = Loop(app, url_prefix="/api")
    models = {each.model_name: each for each in loop.load(tmp_path)}
    client = app.test_client()
    with app.app_context():
        models["FolderCache"].set("key", 1)
        models["KeyValueModel"].set("key", 2)
    assert client.put("/api/FolderCaches/key", json=2).status_code == 401
    assert client.get("/api/FolderCaches/key").json == 1


# Redis


@pytest.fixture
def on_redis(redis: Redis) -> Iterator[Callable[..., tuple[type[KeyValueModel], str]]]:
    """A function that makes a model on Redis, and gives it and its server's URL."""
    made: list[DataSource] = []

    def make(**settings: Any) -> tuple[type[KeyValueModel], str]:
        url = redis.fresh("key-value")
        made.append(create_data_source(connector="redis", url=url, **settings))

        class RedisCache(KeyValueModel):
            class Meta:
                data_source = made[-1]
                plural = "caches"

        return RedisCache, url

    yield make
    for source in made:
        source.close()


def test_values_are_json_under_keys_in_one_slot(on_redis: Any) -> None:
    cache, url = on_redis(prefix="shop:")
    cache.set("a", {"b": 1}, 60_000)
    with redis_py.Redis.from_url(url) as server:
        assert server.keys() == [b"shop:{RedisCache}/value:a"]
        assert server.get("shop:{RedisCache}/value:a") == b'{"b":1}'
        assert 0 < server.pttl("shop:{RedisCache}/value:a") <= 60_000


def test_what_somebody_else_wrote_that_is_not_json_is_said(on_redis: Any) -> None:
    cache, url = on_redis()
    with redis_py.Redis.from_url(url) as server:
        server.set("loop:{RedisCache}/value:a", b"{")
    with pytest.raises(RuntimeError, match="is not JSON"):
        cache.get("a")


class ClusterOfOne(Redis):
    """A Redis Cluster, which knows its slots when it has been told."""

    def _command(self) -> Sequence[str | Path]:
        return [*super()._command(), "--cluster-enabled", "yes"]

    def join(self) -> str:
        """Have the server take all slots, and give its URL."""
        url = f"redis://:{self.password}@127.0.0.1:{self.port}"
        with redis_py.Redis.from_url(url) as server:
            server.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
            end = monotonic() + 15
            while server.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                assert monotonic() < end
                sleep(0.05)
        return url


def test_a_cluster_keeps_values(redis: Redis, worker_id: str) -> None:
    cluster = ClusterOfOne(f"{worker_id}-cluster")
    if not (redis.is_own and cluster.is_own):
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is no cluster")
    with ExitStack() as stack:
        stack.callback(cluster.remove)
        cluster.start()
        source = create_data_source(connector="redis", url=cluster.join(), cluster=True)
        stack.callback(source.close)

        class ClusterCache(KeyValueModel):
            class Meta:
                data_source = source

        for number in range(1500):
            ClusterCache.set(f"k{number}", number, 60_000)
        assert len(ClusterCache.keys()) == 1500
        assert ClusterCache.keys({"match": "k149?"}) == [f"k149{digit}" for digit in range(10)]
        assert ClusterCache.get("k7") == 7
        assert ClusterCache.delete_all() == 1500
        assert ClusterCache.keys() == []


def test_another_process_sees_the_same_values(on_redis: Any) -> None:
    cache, url = on_redis()
    other = create_data_source(connector="redis", url=url)
    cache.set("key", 1)
    store = other.connector.key_value(cache.definition)
    assert store.get("key") == 1
    store.set("key", 2, None)
    assert cache.get("key") == 2
    other.close()


def test_a_server_that_is_not_there_is_a_503() -> None:
    class LostCache(KeyValueModel):
        class Meta:
            data_source = create_data_source(connector="redis", url="redis://:secret@127.0.0.1:1")

    client = serve(LostCache)
    for answer in (
        client.get("/api/lostCaches/key"),
        client.put("/api/lostCaches/key", json=1),
        client.get("/api/lostCaches/keys"),
    ):
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "secret" not in answer.text
