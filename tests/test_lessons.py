"""What hurt users of LoopBack, each as a test. Its issues are named where one tells the story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, ValidationError, memory, prop

MakeApp = Callable[..., Flask]


@pytest.fixture
def product(source: DataSource) -> type[Model]:
    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=10)
        price: Prop[float | None] = prop(min=0)
        color: Prop[str | None] = prop(enum=["red", "blue"])
        in_stock: Prop[bool | None]
        secret: Prop[str | None] = prop(hidden=True)
        verified: Prop[bool] = prop(read_only=True, default=False)
        sku: Prop[str | None] = prop(unique=True)
        tags: Prop[list[str] | None]

        class Meta:
            data_source = source

    source.auto_update()
    Product.create([{"name": f"p{n}", "price": n, "secret": "s" if n == 1 else None, "sku": f"S{n}"} for n in range(1, 7)])  # fmt: skip  # noqa: E501
    return Product


@pytest.fixture
def client(make_app: MakeApp, product: type[Model]) -> FlaskClient:
    return make_app(product, LOOP_MAX_LIMIT=4, LOOP_MAX_VALUES=500).test_client()


def get(client: FlaskClient, path: str = "", **arguments: Any) -> Any:
    query = {key: orjson.dumps(value).decode() for key, value in arguments.items()}
    return client.get(f"/api/products{path}", query_string=query)


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json["error"]
    return error


# 4.1: of two operators on one property the second was dropped (loopback-datasource-juggler#1559)


@pytest.mark.parametrize(
    "where",
    [
        {"price": {"gt": 1, "lt": 4}},
        {"price": {"lt": 4, "gt": 1}},
        {"price": {"gte": 2, "lte": 3, "neq": 9}},
        {"and": [{"price": {"gt": 1}}, {"price": {"lt": 4}}]},
    ],
)
def test_all_operators_on_one_property_hold(client: FlaskClient, where: dict[str, Any]) -> None:
    assert [each["price"] for each in get(client, filter={"where": where}).json] == [2, 3]
    assert get(client, "/count", where=where).json == {"count": 2}


def test_all_operators_in_brackets_hold(client: FlaskClient) -> None:
    found = client.get("/api/products?filter[where][price][gt]=1&filter[where][price][lt]=4")
    assert [each["price"] for each in found.json] == [2, 3]  # type: ignore[union-attr]


# 4.2: a hidden property was taken out of a where, which then matched everything


@pytest.mark.parametrize(
    "where", [{"secret": "s"}, {"secret": {"like": "%"}}, {"or": [{"secret": "s"}, {"price": 1}]}]
)
def test_a_hidden_property_in_a_where_never_widens_it(
    client: FlaskClient, product: type[Model], where: dict[str, Any]
) -> None:
    assert get(client, filter={"where": where}).status_code == 400
    assert get(client, "/findOne", filter={"where": where}).status_code == 400
    assert get(client, "/count", where=where).status_code == 400
    query = {"where": orjson.dumps(where).decode()}
    for path in ("/update", "/upsertWithWhere"):
        response = client.post(f"/api/products{path}", query_string=query, json={"price": 99})
        assert response.status_code == 400
        assert "where" in error_of(response)["details"]["path"]
    assert product.count({"price": 99}) == 0


@pytest.mark.parametrize(
    "query",
    ["", "?where=", "?where=%20", "?filter={}", "?where=null", "?where=+null", "?where[x]=1"],
)
def test_an_update_without_a_where_changes_nothing(
    client: FlaskClient, product: type[Model], query: str
) -> None:
    response = client.post(f"/api/products/update{query}", json={"price": 99})
    assert response.status_code == 400
    assert product.count({"price": 99}) == 0


@pytest.mark.parametrize(
    ("path", "mistaken", "instead"), [("/count", "filter", "where"), ("", "where", "filter")]
)
def test_a_filter_for_a_where_is_refused_and_never_passed_over(
    client: FlaskClient, path: str, mistaken: str, instead: str
) -> None:
    response = get(client, path, **{mistaken: {"name": "p1"}})

    assert response.status_code == 400
    assert f"takes {instead}" in error_of(response)["message"]


def test_hidden_properties_cannot_be_found_out_by_order(client: FlaskClient) -> None:
    assert get(client, filter={"order": "secret"}).status_code == 400


# 4.6: what clients may not set they set by an array (loopback#531)


@pytest.mark.parametrize("body", [{}, [{}], [{}, {}]])
def test_no_form_of_create_sets_what_is_read_only(
    client: FlaskClient, product: type[Model], body: Any
) -> None:
    def with_values(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "name": "new", "verified": True}

    many = [with_values(each) for each in body] if isinstance(body, list) else with_values(body)
    assert client.post("/api/products", json=many).status_code == 200
    assert product.count({"verified": True}) == 0
    assert product.count({"name": "new"}) == (len(body) if isinstance(body, list) else 1)


def test_a_form_does_not_set_what_is_read_only(client: FlaskClient, product: type[Model]) -> None:
    assert client.post("/api/products", data={"name": "new", "verified": "true"}).status_code == 200
    assert product.count({"verified": True}) == 0


# 4.7: a find without a limit gave the whole table, and so did limit 0


def test_a_list_is_never_longer_than_the_app_says(client: FlaskClient) -> None:
    assert len(get(client).json) == 4
    assert get(client, filter={"limit": 0}).json == []
    assert get(client, filter={"limit": 5}).status_code == 400
    assert 'rel="next"' in get(client).headers["Link"]


# 4.8: what a filter or a body did not mean was guessed or passed over


def test_false_in_brackets_leaves_a_field_out(client: FlaskClient) -> None:
    response = client.get("/api/products?filter[fields][name]=false&filter[limit]=1")
    (record,) = response.json or ()
    assert "name" not in record
    assert "price" in record


@pytest.mark.parametrize(
    "filter",
    [
        {"where": {"prize": 1}},
        {"where": {"price": {"foo": 1}}},
        {"where": {"price": {"gt": 1, "$gt": 2}}},
        {"where": {"$where": "true"}},
        {"where": {"price": "abc"}},
        {"where": {"price": ""}},
        {"where": {"inStock": "yes"}},
        {"where": {"inStock": 1}},
        {"where": {"name": {"inq": "p1"}}},
        {"where": {"price": {"between": [1]}}},
        {"where": []},
        {"wehre": {}},
        {"order": "prize"},
        {"order": "price UP"},
        {"fields": ["prize"]},
        {"fields": {"price": "maybe"}},
        {"limit": "many"},
        {"skip": -1},
        {"include": "orders"},
    ],
)
def test_a_filter_that_means_nothing_names_the_place(
    client: FlaskClient, filter: dict[str, Any]
) -> None:
    response = get(client, filter=filter)
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "INVALID_FILTER"
    assert error["details"]["path"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"price": "abc"}, "price"),
        ({"price": ""}, "price"),
        ({"price": True}, "price"),
        ({"inStock": "yes"}, "inStock"),
        ({"inStock": ""}, "inStock"),
        ({"color": {}}, "color"),
        ({"color": 5}, "color"),
        ({"tags": "a"}, "tags"),
    ],
)
def test_a_value_is_not_guessed(client: FlaskClient, body: dict[str, Any], name: str) -> None:
    response = client.patch("/api/products/1", json=body)
    assert response.status_code == 422
    assert list(error_of(response)["details"]["codes"]) == [name]


@pytest.mark.parametrize("text", ["5f43a1b2c3d4e5f601234567", "00123", "1e5", "9007199254740993"])
def test_text_stays_text(client: FlaskClient, text: str) -> None:
    created = client.post("/api/products", json={"name": "x", "tags": [text], "sku": text})
    assert created.json["sku"] == text  # type: ignore[index]
    found = get(client, filter={"where": {"sku": text}}).json
    assert [each["tags"] for each in found] == [[text]]


# 4.9: declared rules were not enforced, and some writes skipped them


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": -1}, "range.min"),
        ({"name": "x" * 11}, "length.max"),
        ({"name": ""}, "presence"),
        ({"name": None}, "presence"),
        ({"color": "green"}, "inclusion"),
        ({"sku": "S2"}, "uniqueness"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "path", "also"),
    [
        ("POST", "", {"name": "n"}),
        ("PATCH", "", {"id": 1}),
        ("PATCH", "", {"name": "n"}),
        ("PUT", "", {"id": 1, "name": "n"}),
        ("POST", "/replaceOrCreate", {"name": "n"}),
        ("POST", '/upsertWithWhere?where={"id":1}', {}),
        ("POST", '/upsertWithWhere?where={"name":"none"}', {"name": "n"}),
        ("PUT", "/1", {"name": "n"}),
        ("POST", "/1/replace", {"name": "n"}),
        ("PATCH", "/1", {}),
        ("POST", '/update?where={"id":1}', {}),
    ],
)  # fmt: skip
def test_every_write_keeps_the_declared_rules(  # noqa: PLR0917 - two tables
    client: FlaskClient, verb: str, path: str, also: Any, change: Any, code: str
) -> None:
    before = get(client, filter={"order": "id"}).json
    response = client.open(f"/api/products{path}", method=verb, json={**also, **change})
    assert response.status_code == 422
    ((found,),) = error_of(response)["details"]["codes"].values()
    assert found == code
    assert get(client, filter={"order": "id"}).json == before


# 4.11: a bulk create was stored in part (loopback#1275)


@pytest.mark.parametrize(
    "bad", [{}, {"name": "x" * 11}, {"name": "n", "sku": "S1"}, {"name": "n", "sku": "new"}]
)
def test_a_bulk_create_is_all_or_nothing_and_names_the_record(
    client: FlaskClient, product: type[Model], bad: dict[str, Any]
) -> None:
    bodies = [{"name": "a", "sku": "new"}, {"name": "b"}, bad, {"name": "c"}]
    response = client.post("/api/products", json=bodies)
    assert response.status_code == 422
    assert all(key.startswith("2.") for key in error_of(response)["details"]["codes"])
    assert product.count() == 6


def test_a_bulk_create_in_python_is_all_or_nothing(product: type[Model]) -> None:
    with pytest.raises(ValidationError):
        product.create([{"name": "a"}, {"name": ""}])
    assert product.count() == 6


# 4.13: lists of more than 20 items in brackets became objects (loopback#2824)


@pytest.mark.parametrize("form", ["[]", "[{}]"])
@pytest.mark.parametrize("size", [21, 150, 500])
def test_a_list_in_brackets_may_have_any_length_up_to_the_bound(
    client: FlaskClient, form: str, size: int
) -> None:
    pairs = "&".join(f"filter[where][price][inq]{form.format(n)}={n}" for n in range(size))
    response = client.get(f"/api/products?{pairs}&filter[fields]=price")
    assert response.json == [{"price": 1}, {"price": 2}, {"price": 3}, {"price": 4}]


def test_a_list_past_the_bound_is_400_and_names_it(client: FlaskClient) -> None:
    pairs = "&".join(f"filter[where][price][inq][]={n}" for n in range(501))
    response = client.get(f"/api/products?{pairs}")
    assert response.status_code == 400
    assert "has more than 500 values" in error_of(response)["message"]


# 4.17: mistakes of clients were 500, missing verbs 404, and messages said "undefined"


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", '?filter={"include":"nothing"}', 400),
        ("GET", '?filter={"where":{"price":{"near":"1,2"}}}', 400),
        ("GET", '?filter={"where":{"name":{"regexp":"("}}}', 400),
        ("POST", "/update", 400),
        ("POST", "/upsertWithWhere", 400),
        ("GET", '/findOne?filter={"where":{"name":"none"}}', 404),
        ("GET", "/99", 404),
        ("GET", "/abc", 404),
        ("DELETE", "", 405),
        ("PUT", "/count", 405),
        ("PATCH", "/1/exists", 405),
    ],
)
def test_a_clients_mistake_is_a_4xx_that_says_what_it_is(
    client: FlaskClient, verb: str, path: str, status: int
) -> None:
    response = client.open(f"/api/products{path}", method=verb, json={"name": "x"})
    assert response.status_code == status
    assert "undefined" not in response.text
    assert error_of(response)["message"]
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("date", ["yesterday", "2024-13-01", "2024-02-30T00:00:00Z", "", "12"])
def test_a_bad_date_is_400_in_a_filter_and_422_in_a_body(make_app: MakeApp, date: str) -> None:
    client = make_app(memory().create_model("product", {"made": "date"})).test_client()
    query = {"filter": orjson.dumps({"where": {"made": {"gt": date}}}).decode()}
    assert client.get("/api/products", query_string=query).status_code == 400
    assert client.post("/api/products", json={"made": date}).status_code == 422


@pytest.mark.parametrize("place", ["here", "91,0", [1], {"lat": 1}, {"lat": "x", "lng": 1}, 5])
def test_a_bad_place_is_400_in_a_filter_and_422_in_a_body(make_app: MakeApp, place: Any) -> None:
    client = make_app(memory().create_model("product", {"at": "GeoPoint"})).test_client()
    query = {"filter": orjson.dumps({"where": {"at": {"near": place}}}).decode()}
    assert client.get("/api/products", query_string=query).status_code == 400
    assert client.post("/api/products", json={"at": place}).status_code == 422
