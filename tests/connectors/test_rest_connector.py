"""Records of a remote resource, on a second app that is served for real."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop, Model, Prop, create_data_source, prop
from flask_loop.errors import (
    BadRequest,
    Conflict,
    DefinitionError,
    DuplicateId,
    PayloadTooLarge,
    TooMuchToRead,
    Unavailable,
    ValidationError,
)
from tests.collection import Collections, served
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]


def like_json_server(found: list[Any], query: dict[str, str]) -> list[Any]:
    """What the usual parameters make of a list."""
    for key, value in query.items():
        if not key.startswith("_"):
            found = [each for each in found if str(each.get(key)) == value]
    for key in reversed(query.get("_sort", "").split(",")):
        if key:
            found = sorted(found, key=lambda each: each.get(key.lstrip("-")))
            if key.startswith("-"):
                found.reverse()
    start = int(query.get("_start", 0))
    # As many servers, it gives no more than so many at once.
    return found[start : start + min(int(query.get("_limit", 10)), 10)]


QUERY = {"where": ["name", "city"], "limit": "_limit", "skip": "_start", "order": "_sort"}


@pytest.fixture
def collections() -> Collections:
    return Collections()


@pytest.fixture
def url(collections: Collections) -> Iterator[str]:
    with served(collections) as url:
        yield url


@pytest.fixture
def source(connect: Connect, url: str) -> DataSource:
    return connect("rest", base_url=url)


@pytest.fixture
def people(source: DataSource) -> Any:
    return source.create_model("rest_person", {"name": str, "age": int}, plural="people")


@pytest.fixture
def many(collections: Collections, connect: Connect) -> Iterator[Any]:
    """Forty-five people on a server that gives ten at once, and can be asked for pages."""
    collections._query = like_json_server
    records = {
        str(n): {"id": n, "name": f"p{n % 7}", "age": n, "city": "AB"[n % 2]} for n in range(1, 46)
    }
    collections.collections["people"] = records
    with served(collections) as url:
        source = connect("rest", base_url=url, query=QUERY)
        yield source.create_model(
            "rest_many", {"name": str, "age": int, "city": str}, plural="people"
        )


# Records


def test_nobody_is_asked_before_the_first_use(collections: Collections, people: Any) -> None:
    assert collections.asked == []
    people.find()
    assert collections.asked == [("GET", "/people", "")]


def test_each_operation_asks_for_what_rest_has_for_it(
    collections: Collections, people: Any
) -> None:
    ada = people.create(name="Ada", age=36)
    ada.patch_attributes(age=37)
    people.replace_by_id(ada.id, {"name": "Ada King"})
    assert people.find_by_id(ada.id).to_record() == {"id": 1, "name": "Ada King", "age": None}
    assert people.destroy_by_id(ada.id) == 1
    assert people.find_by_id(ada.id) is None
    methods = [(method, path) for method, path, _ in collections.asked if method != "GET"]
    assert methods == [
        ("POST", "/people"),
        ("PATCH", "/people/1"),
        ("PUT", "/people/1"),
        ("DELETE", "/people/1"),
    ]


def test_it_is_served_again_over_rest(people: Any) -> None:
    app = Flask("shop")
    app.config["TESTING"] = True
    Loop(app, url_prefix="/api").model(people)
    client = app.test_client()
    assert client.post("/api/people", json={"name": "Ada", "age": 36}).get_json()["id"] == 1
    client.post("/api/people", json={"name": "Bob", "age": 20})
    found = client.get('/api/people?filter={"where": {"age": {"gt": 30}}}').get_json()
    assert [each["name"] for each in found] == ["Ada"]
    assert client.get("/api/people/count").get_json() == {"count": 2}
    assert client.patch("/api/people/2", json={"age": 21}).get_json()["age"] == 21
    assert client.delete("/api/people/2").status_code == 200
    assert client.get("/api/people/2").status_code == 404
    assert client.get("/api/people/..").status_code in (400, 404)


def test_values_go_there_and_back(connect: Connect, url: str) -> None:
    class RestValues(Model):
        price: Prop[Decimal | None]
        at: Prop[datetime | None]
        data: Prop[bytes | None]
        tags: Prop[list[str] | None]

        class Meta:
            data_source = connect("rest", base_url=url)

    given = {
        "price": Decimal("1.10"),
        "at": datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
        "data": b"\0\xff",
        "tags": ["a", ""],
    }
    made = RestValues.create(**given)
    assert RestValues.find_by_id(made.id).to_record() == {"id": made.id, **given}


def test_null_is_not_sent_of_new_records_and_is_in_changes(
    collections: Collections, people: Any
) -> None:
    ada = people.create(name="Ada")
    assert collections.collections["people"]["1"] == {"id": 1, "name": "Ada"}
    ada.patch_attributes(name=None)
    assert collections.collections["people"]["1"] == {"id": 1, "name": None}


def test_what_the_model_does_not_know_stays(collections: Collections, people: Any) -> None:
    people.create(name="Ada")
    collections.collections["people"]["1"]["createdBy"] = "remote"
    people.replace_by_id(1, {"name": "Ada King"})
    assert collections.collections["people"]["1"]["createdBy"] == "remote"


def test_a_server_without_patch_gets_the_whole_record(
    collections: Collections, connect: Connect, url: str
) -> None:
    source = connect("rest", base_url=url, update="PUT")
    people = source.create_model("rest_put", {"name": str, "age": int}, plural="people")
    people.create(name="Ada", age=36)
    collections.collections["people"]["1"]["createdBy"] = "remote"
    assert people.update_all({"name": "Ada"}, {"age": None}) == 1
    assert collections.collections["people"]["1"] == {
        "id": 1,
        "name": "Ada",
        "createdBy": "remote",
    }
    assert {method for method, *_ in collections.asked} == {"POST", "GET", "PUT"}


def test_names_of_fields_may_be_others(
    collections: Collections, connect: Connect, url: str
) -> None:
    class RestItem(Model):
        number: Prop[int] = prop(id=True, options={"rest": {"field": "id"}})
        unit_price: Prop[float] = prop(options={"rest": {"field": "unit_price"}})
        short_name: Prop[str | None]

        class Meta:
            data_source = connect("rest", base_url=f"{url}/")
            options = {"rest": {"resource": "/shop items/"}}

    RestItem.create(number=7, unit_price=2.5, short_name="x")
    assert collections.collections["shop items"]["7"] == {
        "id": 7,
        "unit_price": 2.5,
        "shortName": "x",
    }
    assert RestItem.find_one(where={"unit_price": {"gt": 2}}).number == 7


def test_records_may_be_inside_an_answer(collections: Collections, connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/v1/people/1":
            return Reply(body=b'{"data": {"id": 1, "name": "Ada"}}')
        return Reply(body=b'{"meta": {"total": 1}, "data": [{"id": 1, "name": "Ada"}]}')

    with WebServer(answer) as server:
        source = connect(
            "rest", base_url=f"{server.url}/v1", response_path="$.data", record_path="$.data"
        )
        people = source.create_model("rest_inside", {"name": str}, plural="people")
        assert [each.name for each in people.find()] == ["Ada"]
        assert people.find_by_id(1).name == "Ada"


def test_a_model_says_what_its_own_resource_looks_like(connect: Connect) -> None:
    with WebServer([Reply(body=b'{"items": [{"id": 1, "name": "Ada"}]}')]) as server:
        source = connect("rest", base_url=server.url, response_path="$.data")
        options = {"resourceName": "persons", "responsePath": "$.items"}
        people = source.create_model("rest_own_shape", {"name": str}, rest=options)
        assert people.count() == 1
    assert server.requests[0].path == "/persons"


def test_undeclared_properties_are_kept_where_the_model_says_so(
    collections: Collections, source: DataSource
) -> None:
    people = source.create_model("rest_open", {"name": str}, plural="people", strict=False)
    people.create(name="Ada", more={"a": [1]})
    assert people.find_one().to_record() == {"id": 1, "name": "Ada", "more": {"a": [1]}}
    people.replace_by_id(1, {"name": "Ada"})
    assert collections.collections["people"]["1"] == {"id": 1, "name": "Ada"}


# Ids


def test_a_location_says_the_id(connect: Connect) -> None:
    reply = Reply(201, b"", {"Location": "/people/a%20b/"})
    with WebServer([reply]) as server:
        people = connect("rest", base_url=server.url).create_model(
            "rest_located", {"id": {"type": str, "id": True, "generated": True}, "name": str}
        )
        assert people.create(name="Ada").id == "a b"


def test_who_does_not_say_the_id_is_no_help(connect: Connect) -> None:
    with WebServer([Reply(201, b"")]) as server:
        people = connect("rest", base_url=server.url).create_model("rest_mute", {"name": str})
        with pytest.raises(Unavailable, match="does not say which id"):
            people.create(name="Ada")


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_is_no_part_of_a_path_is_not_there(
    collections: Collections, source: DataSource, id: str
) -> None:
    things = source.create_model("rest_dots", {"id": {"type": str, "id": True}})
    assert things.find_by_id(id) is None
    assert things.find(where={"id": id}) == []
    with pytest.raises(Conflict):
        things.create(id=id)
    assert collections.asked == []


@pytest.mark.parametrize("id", ["a/b", "a/..b", "x?y=1", "x#y", "%2e%2e", "ä ö", "a\nb"])
def test_an_id_is_one_part_of_the_path(
    collections: Collections, source: DataSource, id: str
) -> None:
    things = source.create_model("rest_texts", {"id": {"type": str, "id": True}})
    things.create(id=id)
    assert things.find_by_id(id).id == id
    assert collections.asked[-1] == ("GET", f"/rest_texts/{id}", "")


def test_another_name_of_a_record_is_not_its_id(connect: Connect) -> None:
    with WebServer([Reply(body=b'{"id": "ada", "name": "Ada"}')]) as server:
        people = connect("rest", base_url=server.url).create_model(
            "rest_named", {"id": {"type": str, "id": True}, "name": str}
        )
        assert people.find_by_id("ada").name == "Ada"
        assert people.find_by_id("ADA") is None


def test_few_ids_are_asked_for_one_by_one(collections: Collections, many: Any) -> None:
    found = many.find(where={"id": {"inq": [3, 99, 1]}, "age": {"lt": 3}})
    assert [each.id for each in found] == [1]
    assert [path for _, path, _ in collections.asked] == ["/people/3", "/people/99", "/people/1"]


# What is pushed down


def test_only_what_is_declared_is_asked_for(collections: Collections, many: Any) -> None:
    found = many.find(where={"city": "A", "age": {"gt": 10}, "name": "p3"})
    assert [each.id for each in found] == [24, 38]
    assert all("city=A" in query and "name=p3" in query for *_, query in collections.asked)
    assert not any("age" in query.replace("_sort=age", "") for *_, query in collections.asked)


def test_a_page_is_asked_for_where_nothing_is_left_for_python(
    collections: Collections, many: Any
) -> None:
    found = many.find(order="age DESC", limit=5, skip=3)
    assert [each.id for each in found] == [42, 41, 40, 39, 38]
    assert collections.asked == [("GET", "/people", "_sort=-age%2Cid&_limit=5&_start=3")]


def test_pages_are_gone_through_to_the_end(collections: Collections, many: Any) -> None:
    assert [each.id for each in many.find()] == list(range(1, 46))
    starts = [re.search(r"_start=(\d+)", query)[1] for *_, query in collections.asked]  # type: ignore[index]
    assert starts == ["0", "10", "20", "30", "40", "45"]


def test_no_more_pages_are_read_than_are_needed(collections: Collections, many: Any) -> None:
    assert [each.id for each in many.find(where={"age": {"gt": 4}}, limit=3)] == [5, 6, 7]
    assert len(collections.asked) == 1


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"or": [{"name": "p1"}, {"name": "p2"}], "age": {"lt": 10}}, [1, 2, 8, 9]),
        ({"and": [{"city": "A"}, {"or": [{"age": 2}, {"age": 3}]}]}, [2]),
        ({"name": {"neq": "p1"}, "age": {"lt": 4}}, [2, 3]),
        ({"name": None}, []),
        ({"city": "A", "or": [{"city": "A", "age": 4}, {"city": "A", "age": 6}]}, [4, 6]),
    ],
)
def test_any_where_is_answered(many: Any, where: Any, ids: list[int]) -> None:
    assert [each.id for each in many.find(where=where)] == ids
    assert many.count(where) == len(ids)


def test_directions_and_numbers_of_pages_have_parameters_of_their_own(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        if "&page=2" in request.path:
            return Reply(404)
        return Reply(body=b'[{"id": 2, "age": 5}, {"id": 1, "age": 5}]')

    query = {
        "limit": "per_page",
        "page": "page",
        "page_size": 2,
        "order": "sort",
        "direction": "dir",
        "where": {"age": "filter[age]"},
    }
    with WebServer(answer) as server:
        source = connect("rest", base_url=server.url, query=query)
        things = source.create_model("rest_paged", {"age": int})
        found = things.find(where={"age": 5}, order=["age", "id DESC"])
        assert [each.id for each in found] == [2, 1]
    assert server.requests[0].path == (
        "/rest_pageds?filter%5Bage%5D=5&sort=age%2Cid&dir=asc%2Cdesc&per_page=2&page=1"
    )
    assert "&page=2" in server.requests[1].path


def test_explain_says_what_is_asked_and_what_is_left(many: Any) -> None:
    explained = many.data_source.explain(many, {"where": {"city": "A", "age": {"gt": 1}}})
    assert explained == {
        "connector": "rest",
        "backend": {"method": "GET", "path": "people", "params": {"city": "A", "_sort": "id"}},
        "python": {"where": ["city eq", "age gt"], "order": False},
    }
    explained = many.data_source.explain(many, {"where": {"id": 5}})
    assert explained["backend"] == [{"method": "GET", "path": "people/5"}]


def test_too_much_is_an_error_and_never_a_part(connect: Connect, collections: Collections) -> None:
    records = {str(n): {"id": n, "age": n} for n in range(1, 12)}
    collections.collections["people"] = records
    with served(collections) as url:
        source = connect("rest", base_url=url, max_scan=10)
        people = source.create_model("rest_bound", {"age": int}, plural="people")
        for ask in (people.find, people.count, lambda: people.find(where={"age": {"gt": 10}})):
            with pytest.raises(TooMuchToRead):
                ask()
        del records["1"]
        assert people.count() == 10


def test_pages_that_repeat_themselves_are_no_list(connect: Connect) -> None:
    with WebServer([Reply(body=b'[{"id": 1}, {"id": 2}]')]) as server:
        source = connect("rest", base_url=server.url, query={"limit": "l", "skip": "s"})
        with pytest.raises(Unavailable, match="the same page again and again"):
            source.create_model("rest_loop", {"age": int}).find()
        assert len(server.requests) == 2


# What the server says


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"5",
        b'{"a": 1}',
        b"[5]",
        b'[{"id": "x"}]',
        b'[{"age": 5}]',
        b'[{"id": 1, "age": "old"}]',
    ],
)
def test_what_is_no_list_of_records_is_unavailable(connect: Connect, body: bytes) -> None:
    with WebServer([Reply(body=body)]) as server:
        people = connect("rest", base_url=server.url).create_model("rest_odd", {"age": int})
        with pytest.raises(Unavailable) as raised:
            people.find()
        assert raised.value.error_code == "BAD_ANSWER"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequest),
        (409, Conflict),
        (413, PayloadTooLarge),
        (422, BadRequest),
        (401, Unavailable),
        (403, Unavailable),
        (404, Unavailable),
        (405, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (302, Unavailable),
    ],
)
def test_a_refused_write_is_translated(
    collections: Collections, people: Any, status: int, error: type[Exception]
) -> None:
    collections.before = lambda environ: (status, {"error": "swordfish"})
    with pytest.raises(error) as raised:
        people.create(name="Ada")
    assert "swordfish" not in f"{raised.value} {raised.value.get_body()}"  # type: ignore[attr-defined]


def test_an_id_that_is_there_is_named(people: Any) -> None:
    people.create(id=5, name="Ada")
    with pytest.raises(DuplicateId):
        people.create(id=5, name="Bob")
    assert people.find_by_id(5).name == "Ada"


@pytest.mark.parametrize(
    "said",
    [
        {"errors": {"unit_price": ["swordfish"]}},
        {"errors": [{"field": "unit_price", "message": "swordfish"}]},
        {"errors": [{"source": {"pointer": "/data/attributes/unit_price"}}]},
        {"detail": [{"loc": ["body", "unit_price"], "msg": "swordfish"}]},
        {"unit_price": ["swordfish"]},
    ],
)
def test_the_properties_that_a_server_refuses_are_named(
    collections: Collections, source: DataSource, said: Any
) -> None:
    price = {"type": float, "options": {"rest": {"field": "unit_price"}}}
    things = source.create_model("rest_refused", {"unit_cost": price})
    collections.before = lambda environ: (422, said)
    with pytest.raises(ValidationError) as raised:
        things.create(unit_cost=-1)
    assert raised.value.details["codes"] == {"unitCost": ["refused"]}
    assert "swordfish" not in str(raised.value)


# Blocks


class Stop(Exception):
    """What ends a block."""


def test_a_block_that_raises_is_undone(
    collections: Collections, source: DataSource, people: Any
) -> None:
    people.create([{"name": "Ada", "age": 1}, {"name": "Bob", "age": 2}, {"name": "Cleo"}])
    before = {key: dict(each) for key, each in collections.collections["people"].items()}

    def change() -> None:
        with source.transaction():
            people.create(name="Dan")
            people.find_by_id(1).patch_attributes(age=9)
            people.replace_by_id(2, {"name": "Bill"})
            people.update_all({}, {"age": 7})
            assert people.destroy_all({"name": "Cleo"}) == 1
            raise Stop

    with pytest.raises(Stop):
        change()
    after = collections.collections["people"]
    shown = {key: {k: v for k, v in each.items() if v is not None} for key, each in after.items()}
    assert shown == before


def test_what_others_changed_meanwhile_is_left_alone(
    collections: Collections, source: DataSource, people: Any
) -> None:
    people.create(name="Ada", age=1)

    def change() -> None:
        with source.transaction():
            people.find_by_id(1).patch_attributes(age=9)
            people.create(name="Bob")
            collections.collections["people"]["1"]["age"] = 10
            collections.collections["people"]["2"]["name"] = "Bill"
            raise Stop

    with pytest.raises(Stop):
        change()
    assert [each.name for each in people.find()] == ["Ada", "Bill"]
    assert people.find_by_id(1).age == 10


def test_of_many_new_records_all_or_none_are_stored(people: Any) -> None:
    people.create(id=3, name="Ada")
    with pytest.raises(DuplicateId):
        people.create([{"id": 1}, {"id": 2}, {"id": 3}])
    assert [each.id for each in people.find()] == [3]


def test_a_block_that_only_reads_writes_nothing(source: DataSource, people: Any) -> None:
    with pytest.raises(RuntimeError, match="read_only"), source.transaction(read_only=True):
        people.create(name="Ada")
    assert people.count() == 0


# With models of other data sources


def test_relations_lead_to_other_sources_and_back(connect: Connect, source: DataSource) -> None:
    customers = source.create_model(
        "rest_customer",
        {"name": str},
        relations={
            "orders": {"type": "hasMany", "model": "rest_order", "foreignKey": "customer_id"}
        },
    )
    orders = connect("memory").create_model(
        "rest_order",
        {"total": int},
        relations={
            "customer": {
                "type": "belongsTo",
                "model": "rest_customer",
                "foreignKey": "customer_id",
            }
        },
    )
    ada, bob = customers.create([{"name": "Ada"}, {"name": "Bob"}])
    orders.create([{"total": 1, "customer_id": ada.id}, {"total": 2, "customer_id": bob.id}])
    found = orders.find(include="customer", order="total")
    assert [each.to_dict()["customer"]["name"] for each in found] == ["Ada", "Bob"]
    (of_bob,) = customers.find(where={"name": "Bob"}, include="orders")
    assert [each["total"] for each in of_bob.to_dict()["orders"]] == [2]
    assert bob.orders.create(total=3).customer_id == bob.id


# Settings


def test_credentials_and_headers_come_from_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "k-123")
    monkeypatch.setenv("SHOP_TOKEN", "t-456")
    with WebServer([Reply(body=b"[]")]) as server:
        source = connect(
            "rest",
            baseURL=server.url,
            headers={"X-Api-Key": {"env": "SHOP_KEY"}, "X-Plain": "p"},
            auth={"bearer": {"env": "SHOP_TOKEN"}},
        )
        source.create_model("rest_secret", {"name": str}).find()
        sent = server.requests[0].headers
        assert (sent["x-api-key"], sent["x-plain"]) == ("k-123", "p")
        assert sent["authorization"] == "Bearer t-456"
        assert "k-123" not in repr(source)


def test_loopbacks_options_are_understood(connect: Connect) -> None:
    with WebServer([Reply(body=b"[]")]) as server:
        source = connect(
            "loopback-connector-rest",
            baseURL=server.url,
            debug="false",
            options={
                "headers": {"X-A": "1"},
                "auth": {"user": "me", "pass": "pw"},
                "strictSSL": False,
            },
        )
        source.create_model("rest_loopback", {"name": str}).find()
        assert server.requests[0].headers["authorization"] == "Basic bWU6cHc="
        assert server.requests[0].headers["x-a"] == "1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs the setting 'base_url'"),
        ({"base_url": "shop.example"}, "the URL of the rest data source"),
        ({"base_url": "http://x", "baseURL": "http://x"}, "'base_url' is given twice"),
        ({"base_url": "http://x", "timeot": 1}, "no setting 'timeot'; did you mean 'timeout'"),
        ({"base_url": "http://x", "timeout": 0}, "timeout is a number of seconds"),
        ({"base_url": "http://x", "timeout": "5"}, "timeout is a number of seconds"),
        ({"base_url": "http://x", "retries": -1}, "retries is a whole number from 0"),
        ({"base_url": "http://x", "pool_size": 0}, "pool_size is a whole number from 1 to 1000"),
        ({"base_url": "http://x", "max_scan": 0}, "max_scan is a whole number from 1"),
        ({"base_url": "http://x", "verify": 5}, "'verify' of the rest connector is true, false"),
        ({"base_url": "http://x", "crud": "yes"}, "crud is true or false"),
        ({"base_url": "http://x", "operations": {}}, "needs|'operations'"),
        ({"base_url": "http://x", "auth": "me"}, "auth is"),
        ({"base_url": "http://x", "auth": {"username": "me"}}, "auth is"),
        ({"base_url": "http://x", "auth": {"usr": "me"}}, "auth has no 'usr'"),
        ({"base_url": "http://x", "headers": {"A": 5}}, r"headers\.A is text, or"),
        ({"base_url": "http://x", "headers": {"A": "x\ny"}}, r"headers\.A is no header"),
        ({"base_url": "http://x", "headers": {"A": {"env": "NO_SUCH"}}}, "has no 'NO_SUCH'"),
        ({"base_url": "http://x", "update": "POST"}, "update is PUT or PATCH, not 'POST'"),
        ({"base_url": "http://x", "response_path": "data["}, "response_path: 'data"),
        ({"base_url": "http://x", "query": {"limt": "l"}}, "query has no 'limt'; did you mean"),
        ({"base_url": "http://x", "query": {"skip": "s"}}, "query has no 'limit', without"),
        (
            {"base_url": "http://x", "query": {"limit": "l", "skip": "s", "page": "p"}},
            "either 'skip' or 'page'",
        ),
        ({"base_url": "http://x", "query": {"direction": "d"}}, "'direction', but no 'order'"),
        ({"base_url": "http://x", "query": {"limit": 5}}, r"query\.limit is the name of a"),
        ({"base_url": "http://x", "query": {"page_size": 0}}, r"query\.page_size is a whole"),
        ({"base_url": "http://x", "query": {"where": 5}}, r'query\.where is "\*", a list'),
        ({"base_url": "http://x", "options": {"agent": 1}}, "options has no 'agent'"),
    ],
)
def test_a_setting_that_means_nothing_is_named(settings: Any, message: str) -> None:
    if settings.get("operations") == {}:
        settings = {**settings, "operations": {"a": 1}}
    with pytest.raises(DefinitionError, match=message):
        create_data_source(connector="rest", **settings)


@pytest.mark.parametrize(
    ("properties", "options", "message"),
    [
        ({}, {"resorce": "x"}, "options.rest has no 'resorce'; did you mean 'resource'"),
        ({}, {"resource": 5}, "options.rest.resource is a path, not 5"),
        ({}, {"query": {"where": ["nme"]}}, "where names 'nme', which is no property"),
        ({"a": {"type": str, "options": {"rest": {"fild": "x"}}}}, {}, "has no 'fild'"),
        ({"a": {"type": str, "options": {"rest": {"field": 5}}}}, {}, "field is text, not 5"),
        ({"a": {"type": str, "options": {"rest": {"field": "id"}}}}, {}, "both be the field 'id'"),
    ],
)
def test_an_option_of_a_model_that_means_nothing_is_named(
    source: DataSource, properties: Any, options: Any, message: str
) -> None:
    things = source.create_model("rest_wrong", {"name": str, **properties}, rest=options)
    with pytest.raises(DefinitionError, match=message):
        things.find()


@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"type": int, "id": 1}, "b": {"type": int, "id": 2}},
        {"a": {"type": bytes, "id": True}},
    ],
)
def test_an_id_that_no_path_has_is_refused(source: DataSource, properties: Any) -> None:
    things = source.create_model("rest_no_path", properties)
    with pytest.raises(DefinitionError, match="model 'rest_no_path'"):
        things.find()


def test_ping_reaches_the_server(source: DataSource, collections: Collections) -> None:
    source.ping()
    collections.before = lambda environ: (401, None)
    with pytest.raises(Unavailable):
        source.ping()
