"""What LoopBack's ``datasources.json`` and definitions say to the connectors beside SQL's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_loop import DataSource, DefinitionError, create_model
from flask_loop.connectors import find_connector
from flask_loop.connectors.couchdb.settings import read_settings
from tests.web import Reply, WebServer

Connect = Callable[..., DataSource]
MONGODB = {"host": "db.example", "port": 27017, "database": "shop"}
COUCHDB = {"url": "http://db.example:5984", "database": "shop"}
TEMPLATE = {
    "method": "GET",
    "url": "http://maps.example/geocode/{format=json}",
    "query": {"address": "{street},{city}"},
    "responsePath": "$.results[0].geometry.location",
}


@pytest.mark.parametrize(
    ("connector", "settings"),
    [
        # As LoopBack's generators write them.
        ("mongodb", {**MONGODB, "name": "db", "useNewUrlParser": True}),
        ("mongodb", {**MONGODB, "lazyConnect": True, "useUnifiedTopology": True}),
        ("mongodb", {**MONGODB, "enableGeoIndexing": True, "allowExtendedOperators": False}),
        ("mongodb", {**MONGODB, "maxPoolSize": 5, "authSource": "admin", "debug": False}),
        ("kv-redis", {"host": "cache.example", "port": 6379, "db": 0}),
        ("kv-redis", {"host": "cache.example", "lazyConnect": True}),
        ("couchdb2", {**COUCHDB, "debug": False}),
        ("loopback-connector-couchdb2", COUCHDB),
        ("remote", {"host": "shop.example", "port": 3000, "root": "/api", "adapter": "rest"}),
    ],
)  # fmt: skip
def test_settings_of_loopbacks_files_are_taken(
    connect: Connect, connector: str, settings: dict[str, Any]
) -> None:
    connect(connector, **settings)


@pytest.mark.parametrize(
    ("connector", "settings", "message"),
    [
        (
            "mongodb",
            {**MONGODB, "allowExtendedOperators": True},
            "the mongodb connector has no setting 'allowExtendedOperators': .* values, never op",
        ),
        ("mongodb", {**MONGODB, "protocol": "mongodb+srv"}, "'protocol': give a url that begins"),
        ("mongodb", {**MONGODB, "collation": "de"}, "'collation': texts are always compared by"),
        ("mongodb", {**MONGODB, "connectTimeoutMS": 5}, "'connectTimeoutMS': .* in seconds"),
        ("mongodb", {**MONGODB, "connectionTimeout": 5}, "'connectionTimeout': .* in seconds"),
        ("kv-redis", {"keyPrefix": "shop:"}, "'keyPrefix': it is 'prefix'"),
        ("kv-redis", {"tls": {}}, "'tls': it is 'ssl'"),
        ("kv-redis", {"connectTimeout": 5000}, "'connectTimeout': .* in seconds"),
        ("couchdb", {**COUCHDB, "modelSelector": {"type": "x"}}, "'modelSelector': "),
        ("couchdb", {**COUCHDB, "modelIndex": "type"}, "'modelIndex': .*'loopback__model__name'"),
        ("couchdb", {**COUCHDB, "plugins": ["retry"]}, "'plugins': it is 'retries'"),
        ("remote", {"host": "a", "url": "http://a"}, "'host' means nothing beside its 'url'"),
        ("remote", {"url": "http://a", "options": {}}, "'options': "),
        ("remote", {"host": "a", "port": "x"}, "port is a whole number"),
        ("remote", {"url": "http://a", "adapter": "socket"}, "adapter is 'rest'"),
        ("rest", {"baseURL": "http://a", "maxSockets": 2}, "'maxSockets': it is 'pool_size'"),
        (
            "rest",
            {"baseURL": "http://a", "options": {"timeout": 5000}},
            "options has no 'timeout': it is a setting beside options, in seconds",
        ),
        (
            "rest",
            {"operations": [{"template": {**TEMPLATE, "responseHeaders": True}, "functions": {}}]},
            r"operations\[0\]\.template has no 'responseHeaders': ",
        ),
    ],
)  # fmt: skip
def test_what_a_setting_of_loopback_is_here_is_said(
    connect: Connect, connector: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        connect(connector, **settings)


def test_couchdb2_is_couchdb() -> None:
    assert find_connector("couchdb2") is find_connector("couchdb")


def test_a_template_takes_what_loopback_told_the_request_package(connect: Connect) -> None:
    options = {"strictSSL": True, "useQuerystring": True, "gzip": True, "json": True}
    with WebServer([Reply(200, b'{"results": [{"at": 1}]}')]) as server:
        template = {
            "url": f"{server.url}/geocode",
            "query": {"address": "{street},{city}"},
            "responsePath": "$.results[0].at",
            "options": options,
        }
        source = connect(
            "rest",
            options={"gzip": True, "json": True},
            operations=[{"template": template, "functions": {"lbGeocode": ["street", "city"]}}],
        )
        assert source.functions["lbGeocode"]("B St", "San Mateo") == [1]


def test_the_parts_of_a_remote_server_make_its_url(connect: Connect) -> None:
    with WebServer([Reply(200, b"[]", {"Content-Type": "application/json"})]) as server:
        source = connect("remote", host="127.0.0.1", port=str(server.port), root="/api")
        wares = source.create_model("lb_parted_ware", {"name": str})
        assert wares.find() == []
        assert server.requests[0].path.startswith("/api/lb_parted_wares")


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        ("https://ada:secret@db.example/shop", "https://db.example:443"),
        ("http://db.example/shop", "http://db.example:80"),
        ("couchdb://db.example/shop", "http://db.example:5984"),
        ("couchdb+https://db.example/shop", "https://db.example:5984"),
    ],
)
def test_a_http_url_of_couchdb_has_the_port_of_http(url: str, base_url: str) -> None:
    assert read_settings("couchdb", {"url": url}).base_url == base_url


@pytest.mark.parametrize(
    "given",
    [{"resourceName": "transactions"}, {"options": {"resourceName": "transactions"}}],
)
def test_a_model_names_its_resource_as_in_loopback(connect: Connect, given: Any) -> None:
    made = create_model({"name": "LbServiceTransaction", "base": "PersistedModel", **given})
    assert made.definition.settings.options == {"rest": {"resourceName": "transactions"}}
    with WebServer([Reply(200, b"[]", {"Content-Type": "application/json"})]) as server:
        made.attach_to(connect("rest", baseURL=server.url))
        assert made.find() == []
        assert server.requests[0].path.startswith("/transactions")


def test_options_by_loopbacks_name_of_a_connector_are_the_connectors() -> None:
    made = create_model(
        {
            "name": "LbOptions",
            "properties": {"size": {"type": "number", "couchdb2": {"columnName": "N"}}},
            "couchdb2": {"collection": "things"},
            "options": {"kv-redis": {"collection": "cached"}},
        }
    )
    options = made.definition.settings.options
    assert options == {"couchdb": {"collection": "things"}, "redis": {"collection": "cached"}}
    assert made.definition.properties["size"].options == {"couchdb": {"columnName": "N"}}


@pytest.mark.parametrize(
    "index",
    [
        {"unique": True},
        {"mongodb": {"unique": True, "background": True}},
        {"kind": "unique"},
        {"mysql": {"kind": "UNIQUE"}},
    ],
)
def test_a_unique_index_of_a_property_is_unique_in_all_of_loopbacks_forms(index: Any) -> None:
    made = create_model(
        {"name": "LbUnique", "properties": {"sku": {"type": "string", "index": index}}}
    )
    assert made.definition.properties["sku"].unique


@pytest.mark.parametrize(
    ("index", "is_unique"),
    [
        ({"columns": "sku, shop", "kind": "unique"}, True),
        ({"keys": {"sku": 1, "shop": -1}, "options": {"unique": True}}, True),
        ({"keys": {"sku": 1, "shop": 1}, "kind": "UNIQUE", "type": "BTREE"}, True),
        ({"keys": {"sku": 1, "shop": 1}, "kind": "btree"}, False),
        ({"sku": 1, "shop": 1, "options": {"background": True}}, False),
    ],
)
def test_an_index_of_several_properties_is_unique_in_all_of_loopbacks_forms(
    index: Any, is_unique: bool
) -> None:
    properties = {"sku": "string", "shop": "string"}
    made = create_model({"name": "LbBoth", "properties": properties, "indexes": {"both": index}})
    (found,) = made.definition.indexes()
    assert (found.keys, found.unique) == (("sku", "shop"), is_unique)


@pytest.mark.parametrize("kind", ["2dsphere", "2d"])
def test_the_index_of_a_geopoint_may_have_mongodbs_name(kind: str) -> None:
    at = {"type": "GeoPoint", "index": kind}
    made = create_model({"name": "LbPlace", "properties": {"at": at}})
    assert made.definition.properties["at"].index


@pytest.mark.parametrize("is_id", [True, False])
def test_the_type_objectid_says_what_to_write(is_id: bool) -> None:
    owner = {"type": "ObjectID", "id": is_id}
    with pytest.raises(DefinitionError, match=r'"string", "mongodb": \{"dataType": "ObjectID"'):
        create_model({"name": "LbOwned", "properties": {"ownerId": owner}}).definition.resolve()


@pytest.mark.parametrize("key", ["strictObjectIDCoercion", "persistUndefinedAsNull"])
@pytest.mark.parametrize("value", [True, False])
def test_a_key_of_loopback_that_asks_for_what_is_so_is_taken(key: str, *, value: bool) -> None:
    made = create_model({"name": "LbAsItIs", "options": {key: value}})
    assert made.definition.settings.options == {}


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("caseSensitiveEmail", "an address is one in any case; leave it out"),
        ("mixins", "a base of the model's has what it would add"),
    ],
)
def test_a_key_of_loopback_that_is_not_there_says_what_is(key: str, advice: str) -> None:
    with pytest.raises(DefinitionError, match=f"'LbKey': .*{key}.*{advice}"):
        create_model({"name": "LbKey", "options": {key: {"x": True}}})
