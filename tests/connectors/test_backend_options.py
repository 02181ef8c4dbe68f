"""What a slip of the pen does among the options of a backend, and among the settings of MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flask_loop import DataSource, DefinitionError, create_data_source, create_model
from tests.sources import opened

Nowhere = Callable[[str], DataSource]

#: Data sources by connector: no server is there, and what is wrong is known without one.
NOWHERE: dict[str, dict[str, Any]] = {
    "memory": {},
    "sqlite": {"url": "sqlite://"},
    "redis": {"url": "redis://127.0.0.1:1"},
    "mongodb": {"url": "mongodb://127.0.0.1:1/shop", "connect_timeout": 0.1},
    "couchdb": {"url": "http://127.0.0.1:1/shop", "retries": 0},
    "remote": {"url": "http://127.0.0.1:1/api", "retries": 0},
    "rest": {"base_url": "http://127.0.0.1:1", "retries": 0},
}
#: Those whose properties have fields, under names that options give.
WITH_FIELDS = ["sqlite", "redis", "mongodb", "couchdb", "remote", "rest"]


@pytest.fixture
def nowhere() -> Iterator[Nowhere]:
    """A function that makes a data source of a connector, whose server is not there."""
    with ExitStack() as afterwards:

        def make(connector: str) -> DataSource:
            made = create_data_source(connector=connector, **NOWHERE[connector])
            afterwards.callback(made.close)
            return made

        yield make


@pytest.fixture
def mongodb() -> Iterator[Callable[..., Any]]:
    """A function that gives the client of the driver that settings lead to; nothing is asked."""
    with ExitStack() as afterwards:

        def make(**settings: Any) -> Any:
            source = create_data_source(connector="mongodb", connect_timeout=0.1, **settings)
            afterwards.callback(source.close)
            connector: Any = source.connector
            return connector.client.database

        yield make


def refusals_of(source: DataSource, model: Any) -> list[str]:
    """What a connector says of a model when it is told of it, migrates it, and is asked for it."""
    said = []
    for use in (lambda: source.auto_update([model]), model.find, model.count):
        with pytest.raises(DefinitionError) as error:
            use()
        said.append(str(error.value))
    return said


# Options


@pytest.mark.parametrize(
    ("connector", "key", "hint"),
    [
        ("memory", "colection", "did you mean 'collection'?"),
        ("sqlite", "tabel", "did you mean 'table'?"),
        ("redis", "tll", "did you mean 'ttl'?"),
        ("redis", "colection", "did you mean 'collection'?"),
        ("redis", "unlike", "it has 'collection', 'ttl'"),
        ("mongodb", "colection", "did you mean 'collection'?"),
        ("couchdb", "Collection_", "did you mean 'collection'?"),
        ("remote", "pth", "did you mean 'path'?"),
        ("rest", "resorce", "did you mean 'resource'?"),
    ],
)
def test_a_misspelt_option_of_a_model_is_named(
    nowhere: Nowhere, connector: str, key: str, hint: str
) -> None:
    source = nowhere(connector)
    name = f"slip_{connector}_{key}"
    things = source.create_model(name, {"n": int}, {connector: {key: 1}})
    said = f"model {name!r}: options.{connector} has no {key!r}; {hint}"
    assert refusals_of(source, things) == [said] * 3


@pytest.mark.parametrize(
    ("connector", "key", "hint"),
    [
        ("memory", "feild", "it has none"),
        ("sqlite", "colunmName", "did you mean 'columnName'?"),
        ("sqlite", "dataTyp", "did you mean 'dataType'?"),
        ("redis", "colunmName", "did you mean 'columnName'?"),
        ("mongodb", "expireAfterSecond", "did you mean 'expireAfterSeconds'?"),
        ("mongodb", "fieldname_", "did you mean 'fieldName'?"),
        ("couchdb", "feild", "did you mean 'field'?"),
        ("remote", "feild", "did you mean 'field'?"),
        ("rest", "feild", "did you mean 'field'?"),
    ],
)
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside"])
def test_a_misspelt_option_of_a_property_is_named(
    nowhere: Nowhere, connector: str, key: str, hint: str, is_inside: bool
) -> None:
    source = nowhere(connector)
    name = f"slip_{connector}_{key}_{is_inside}"
    size = {"size": {"type": int, connector: {key: 0}}}
    things = source.create_model(name, {"boxes": [size]} if is_inside else size)
    place = f"{name}.boxes.size" if is_inside else f"{name}.size"
    said = f"{place}: options.{connector} has no {key!r}; {hint}"
    assert refusals_of(source, things) == [said] * 3


@pytest.mark.parametrize("connector", ["redis", "mongodb", "couchdb", "remote", "rest", "memory"])
def test_a_misspelt_option_is_named_when_the_connector_learns_of_the_model(
    nowhere: Nowhere, connector: str
) -> None:
    source = nowhere(connector)
    things = source.create_model(f"slip_learned_{connector}", {"n": int}, {connector: {"x_": 1}})
    with pytest.raises(DefinitionError, match=rf"options\.{connector} has no 'x_'"):
        source.connector.define(things.definition)


def test_models_that_are_inside_themselves_are_looked_through(nowhere: Nowhere) -> None:
    source = nowhere("mongodb")
    text = {"type": str, "mongodb": {"feild": "t"}}
    replies = source.create_model("SlipReply", {"replies": ["SlipReply"], "text": text})
    with pytest.raises(DefinitionError, match=r"^SlipReply\.text: options\.mongodb has no 'feild'"):
        source.auto_update([replies])


@pytest.mark.parametrize("connector", NOWHERE)
def test_options_of_a_model_that_is_defined_after_the_one_around_it_are_looked_at(
    nowhere: Nowhere, connector: str
) -> None:
    source = nowhere(connector)
    inner, deeper = f"SlipLater_{connector}", f"SlipLatest_{connector}"
    things = source.create_model(f"slip_early_{connector}", {"boxes": [inner]})
    source.connector.define(things.definition)
    boxes = create_model(inner, {"deep": deeper})
    if connector == "sqlite":  # it learns of a model when it makes the table
        source.auto_update([things])
    assert things(boxes=[boxes()]).boxes[0].deep is None
    deep = create_model(deeper, {"n": {"type": int, "options": {connector: {"x_": 1}}}})
    for given in (deep(n=1), {"n": 1}):
        with pytest.raises(DefinitionError) as error:
            things(boxes=[{"deep": given}])
        place = f"slip_early_{connector}.boxes.deep.n"
        assert str(error.value).startswith(f"{place}: options.{connector} has no 'x_'")


def test_a_type_of_mongodb_is_looked_at_in_a_model_that_is_defined_later(nowhere: Nowhere) -> None:
    source = nowhere("mongodb")
    things = source.create_model("slip_early_type", {"box": "SlipLateType"})
    source.connector.define(things.definition)
    n = {"type": int, "mongodb": {"dataType": "ObjectID"}}
    inner = create_model("SlipLateType", {"n": n})
    assert inner(n=1).n == 1
    with pytest.raises(DefinitionError, match=r"^slip_early_type\.box\.n: .*is for texts"):
        things(box={"n": 1})


def test_the_options_of_a_model_do_not_matter_where_it_is_inside_another(
    nowhere: Nowhere,
) -> None:
    source = nowhere("sqlite")
    address = create_model("SlipAddress", {"zip": str}, {"sqlite": {"tabel": "ADDRESS"}})
    people = source.create_model("SlipPerson", {"home": "SlipAddress"})
    source.auto_update([people])
    home = people.create(home={"zip": "1"}).home
    assert isinstance(home, address)
    assert home.zip == "1"


@pytest.mark.parametrize("connector", NOWHERE)
def test_options_of_backends_that_a_model_is_not_on_are_nobodys_business(
    nowhere: Nowhere, connector: str
) -> None:
    source = nowhere(connector)
    others = {name: {"anything": 1} for name in (*NOWHERE, "cabinet") if name != connector}
    things = source.create_model(
        f"slip_others_{connector}", {"n": {"type": int, "options": others}}, {"options": others}
    )
    source.connector.define(things.definition)


@pytest.mark.parametrize("connector", NOWHERE)
@pytest.mark.parametrize("options", [None, 5, ["field"]], ids=str)
def test_options_that_are_no_dict_are_refused(
    nowhere: Nowhere, connector: str, options: Any
) -> None:
    source = nowhere(connector)
    name = f"slip_shape_{connector}_{type(options).__name__}"
    things = source.create_model(name, {"n": {"type": int, "options": {connector: options}}})
    said = f"{name}.n: options.{connector} is a dict, not {options!r}"
    assert refusals_of(source, things) == [said] * 3


@pytest.mark.parametrize("connector", NOWHERE)
def test_what_loopback_says_of_tables_and_columns_is_no_mistake(
    nowhere: Nowhere, connector: str
) -> None:
    source = nowhere(connector)
    column = {
        "columnName": "SIZE",
        "dataLength": None,
        "dataPrecision": 10,
        "dataScale": 0,
        "nullable": "Y",
        "generated": False,
    }
    place = {"schema": "main", "table": "THINGS", "engine": "InnoDB", "defaultIdSort": False}
    things = source.create_model(
        f"moved_{connector}", {"size": {"type": int, connector: column}}, {connector: place}
    )
    source.connector.define(things.definition)
    if connector in ("memory", "sqlite"):
        source.auto_update([things])
        assert things.create(size=5).size == 5


@pytest.mark.parametrize("connector", WITH_FIELDS)
def test_a_field_whose_name_is_no_text_is_refused(nowhere: Nowhere, connector: str) -> None:
    source = nowhere(connector)
    for key in ("field", "fieldName", "columnName", "column"):
        name = f"slip_name_{connector}_{key}"
        things = source.create_model(name, {"n": {"type": int, connector: {key: 5}}})
        said = f"{name}.n: options.{connector}.{key} is text, not 5"
        assert refusals_of(source, things) == [said] * 3


@pytest.mark.parametrize("connector", WITH_FIELDS)
def test_a_property_has_one_field(nowhere: Nowhere, connector: str) -> None:
    source = nowhere(connector)
    name = f"slip_twice_{connector}"
    named = {"columnName": "b", "field": "a", "column": None}
    things = source.create_model(name, {"n": {"type": int, connector: named}})
    said = f"{name}.n: options.{connector} has different names by 'field' and 'columnName', "
    for each in refusals_of(source, things):
        assert each.startswith(said)
    alike = {"n": {"type": int, connector: {"columnName": "a", "field": "a"}}}
    source.connector.define(source.create_model(f"{name}_alike", alike).definition)


@pytest.mark.parametrize("connector", WITH_FIELDS)
@pytest.mark.parametrize("key", ["field", "fieldName", "columnName", "column"])
def test_each_spelling_of_a_field_names_it(get_server: Any, connector: str, key: str) -> None:
    with opened(connector, get_server) as source:
        name = f"spelt_{connector}_{key}"
        plain = source.create_model(name, {"label": str, "tag": str})
        source.auto_update([plain])
        plain.create(label="a", tag="b")
        swapped = source.create_model(
            name,
            {
                "label": {"type": str, connector: {key: "tag"}},
                "tag": {"type": str, connector: {key: "label"}},
            },
        )
        found = swapped.find_one()
        assert (found.label, found.tag) == ("b", "a")


# Types of MongoDB


@pytest.mark.parametrize("given", ["ObjektID", "objectid_", "varchar", 5])
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside"])
def test_a_type_that_mongodb_does_not_have_is_named(
    nowhere: Nowhere, given: Any, is_inside: bool
) -> None:
    source = nowhere("mongodb")
    name = f"slip_type_{given}_{is_inside}"
    owner = {"owner": {"type": str, "mongodb": {"dataType": given}}}
    things = source.create_model(name, {"boxes": [owner]} if is_inside else owner)
    place = f"{name}.boxes.owner" if is_inside else f"{name}.owner"
    for said in refusals_of(source, things):
        assert said.startswith(f"{place}: options.mongodb.dataType is 'ObjectID' or 'Decimal128', ")
        assert repr(given) in said


@pytest.mark.parametrize("given", ["ObjectID", "objectId", "Decimal128", "decimal128", None])
def test_the_types_of_mongodb_are_known_in_any_case(nowhere: Nowhere, given: str | None) -> None:
    source = nowhere("mongodb")
    things = source.create_model(
        f"fit_type_{given}", {"owner": {"type": str, "mongodb": {"dataType": given}}}
    )
    source.connector.define(things.definition)


# Settings of MongoDB


@pytest.mark.parametrize(
    ("settings", "servers"),
    [
        ({"port": 2}, {("127.0.0.1", 2)}),
        ({"host": "127.0.0.2"}, {("127.0.0.2", 1)}),
        ({"hostname": "127.0.0.2", "port": "3"}, {("127.0.0.2", 3)}),
        ({"host": "::1", "port": 3}, {("::1", 3)}),
        ({"host": "[::1]"}, {("::1", 1)}),
        ({"host": "", "port": ""}, {("127.0.0.1", 1)}),
        ({}, {("127.0.0.1", 1)}),
    ],
    ids=str,
)
def test_the_host_and_the_port_come_before_what_the_url_of_mongodb_says(
    mongodb: Callable[..., Any], settings: dict[str, Any], servers: set[Any]
) -> None:
    url = "mongodb://ann:s%40cret@127.0.0.1:1/shop?retryWrites=false"
    database = mongodb(url=url, database="store", **settings)
    client = database.client
    assert set(client.topology_description.server_descriptions()) == servers
    assert database.name == "store"
    assert client.options.retry_writes is False
    credentials = client.options.pool_options._credentials
    assert (credentials.username, credentials.password) == ("ann", "s@cret")
    assert credentials.source == "shop"


def test_a_host_comes_before_all_the_servers_of_a_url(mongodb: Callable[..., Any]) -> None:
    client = mongodb(url="mongodb://127.0.0.1:1,127.0.0.1:2/shop", host="127.0.0.3", port=3).client
    assert set(client.topology_description.server_descriptions()) == {("127.0.0.3", 3)}


def test_what_is_special_in_who_asks_mongodb_is_sent_as_it_is(mongodb: Callable[..., Any]) -> None:
    database = mongodb(host="::1", port=1, database="shop", username="a@b:c", password="%2F/?#+ ü")
    credentials = database.client.options.pool_options._credentials
    assert (credentials.username, credentials.password) == ("a@b:c", "%2F/?#+ ü")
    assert credentials.source == "admin"


def test_settings_come_before_the_options_of_a_url_of_mongodb(mongodb: Callable[..., Any]) -> None:
    url = "mongodb://ann:x@127.0.0.1:1/shop?authSource=theirs&replicaSet=old&ssl=true&appName=a%26b"
    client = mongodb(url=url, auth_source="ours", replica_set="new", tls=False).client
    assert client.options.pool_options._credentials.source == "ours"
    assert client.options.replica_set_name == "new"
    assert client.options.pool_options._ssl_context is None
    assert client.options.pool_options.appname == "a&b"


def test_the_host_of_a_url_that_names_no_port_is_on_mongodbs_own(
    mongodb: Callable[..., Any],
) -> None:
    client = mongodb(url="mongodb://db.invalid/shop", host="127.0.0.1").client
    assert set(client.topology_description.server_descriptions()) == {("127.0.0.1", 27017)}


def test_who_asks_mongodb_comes_before_what_its_url_says(mongodb: Callable[..., Any]) -> None:
    url = "mongodb://ann:first@127.0.0.1:1/shop"
    client = mongodb(url=url, username="bob", password="second").client
    credentials = client.options.pool_options._credentials
    assert (credentials.username, credentials.password) == ("bob", "second")


@pytest.mark.parametrize("part", [{"username": "bob"}, {"password": "second"}], ids=str)
def test_half_of_who_asks_mongodb_is_taken_from_the_url(
    mongodb: Callable[..., Any], part: dict[str, str]
) -> None:
    client = mongodb(url="mongodb://ann:first@127.0.0.1:1/shop", **part).client
    credentials = client.options.pool_options._credentials
    expected = {"username": "ann", "password": "first", **part}
    assert {"username": credentials.username, "password": credentials.password} == expected


@pytest.mark.parametrize(
    "settings",
    [
        {
            "url": "mongodb://127.0.0.1:1/shop",
            "username": "CN=ann",
            "auth_mechanism": "MONGODB-X509",
            "tls": True,
        },
        {"url": "mongodb://CN%3Dann@127.0.0.1:1/shop?authMechanism=MONGODB-X509&tls=true"},
    ],
    ids=["beside", "in the url"],
)
def test_a_certificate_says_who_asks_mongodb_without_a_password(
    mongodb: Callable[..., Any], settings: dict[str, Any]
) -> None:
    client = mongodb(**settings).client
    assert client.options.pool_options._credentials.username == "CN=ann"
    assert client.options.pool_options._credentials.mechanism == "MONGODB-X509"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "mongodb://127.0.0.1:1/x", "port": 0}, "port is a whole number from 1"),
        ({"url": "mongodb://127.0.0.1:1/x", "port": "many"}, "port is a whole number from 1"),
        ({"database": "x", "port": 65_536}, "port is a whole number from 1 to 65535"),
        ({"url": "mongodb://127.0.0.1:1,127.0.0.1:2/x", "port": 3}, "names several servers"),
        ({"url": "mongodb://%2Ftmp%2Fm.sock/x", "port": 3}, "a socket"),
        ({"url": "mongodb+srv://db.example/x", "port": 3}, r"mongodb\+srv://"),
        ({"url": "mongodb://127.0.0.1:1/x", "host": "a:b:c"}, "host is the name or the address"),
        ({"url": "mongodb://127.0.0.1:1/x", "host": "a/b"}, "host is the name or the address"),
        ({"database": "x", "host": "a,b"}, "host is the name or the address"),
        ({"database": "x", "host": "mongodb://a/b"}, "host is the name or the address"),
        ({"database": "x", "host": 5}, "host is text, not int"),
        ({"url": "mongodb://127.0.0.1:1/x", "username": "ann"}, "'username'.*'password'"),
        ({"url": "mongodb://127.0.0.1:1/x", "password": "secret"}, "'username'.*'password'"),
        ({"url": "mongodb+srv://db.example/x", "password": "secret"}, "'username'.*'password'"),
        ({"url": "mongodb://ann@127.0.0.1:1/x"}, "'username'.*'password'"),
        ({"url": "mongodb+srv://ann:a@secret@db.example/x"}, "is percent-encoded"),
        ({"database": "x", "user": "ann"}, "'username'.*'password'"),
        ({"database": "x", "username": "ann", "password": ""}, "'username'.*'password'"),
        ({"url": "mongodb://127.0.0.1:1/x", "database": "a b"}, "'a b' is no name of a database"),
        ({"database": "a/b"}, "'a/b' is no name of a database"),
    ],
    ids=str,
)
def test_settings_of_mongodb_that_mean_nothing_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as error:
        create_data_source(connector="mongodb", **settings)
    assert "secret" not in str(error.value)
