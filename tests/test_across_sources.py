"""Models whose relations lead to other data sources, with and without SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from json import dumps
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, ValidationError
from flask_loop.errors import Conflict, TooMuchToRead
from flask_loop.testing import exact
from tests.servers import Server
from tests.sources import opened

GetServer = Callable[[str], Server]

#: The data sources of customers, of their orders, and of what links orders to labels.
PLACES = [
    ("mongodb", "postgresql", "redis"),
    ("postgresql", "mongodb", "couchdb"),
    ("mongodb", "redis", "mongodb"),
    ("couchdb", "mongodb", "sqlite"),
    ("redis", "couchdb", "postgresql"),
    ("rest", "sqlite", "remote"),
    ("sqlite", "remote", "rest"),
]

#: Wheres on what :func:`stocked` stores: a path, the where, and what is found by a property.
WHERES: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("across_orders", {"customer.city": "Lima"}, "item", ["ink", "tea"]),
    ("across_orders", {"customer.name": {"neq": "Ann"}}, "item", ["lost", "pen"]),
    ("across_orders", {"customer.tags": "a"}, "item", ["ink", "tea"]),
    ("across_orders", {"labels.name": "cheap", "price": {"gt": 3}}, "item", ["tea"]),
    ("across_orders", {"labels": {"none": {}}}, "item", ["ink", "lost"]),
    ("across_customers", {"orders.price": {"gt": 3}}, "name", ["Ann"]),
    ("across_customers", {"orders": {"none": {}}}, "name", ["Eve"]),
    ("across_customers", {"orders": {"every": {"price": {"lt": 5}}}}, "name", ["Bob", "Eve"]),
    ("across_customers", {"orders.labels.name": "cheap"}, "name", ["Ann", "Bob"]),
    ("across_customers", {"favourites.name": "new"}, "name", ["Ann"]),
    ("across_labels", {"orders.customer.city": "Cusco"}, "name", ["cheap"]),
    (
        "across_labels",
        {"or": [{"orders.item": "pen"}, {"orders.customer.name": "Ann"}]},
        "name",
        ["cheap", "new"],
    ),
]


@pytest.fixture(scope="module")
def sources(get_server: GetServer) -> Iterator[Callable[[str], DataSource]]:
    """A function that gives the data source of a connector, the same one again and again."""
    known: dict[str, DataSource] = {}
    with ExitStack() as afterwards:

        def find(connector: str) -> DataSource:
            if connector not in known:
                made = opened(connector, get_server, "across")
                known[connector] = afterwards.enter_context(made)
            return known[connector]

        yield find


def empty(*models: Any) -> None:
    """Make what models need anew."""
    for model in models:
        model.data_source.auto_migrate([model], drop=True)


@pytest.fixture(params=PLACES, ids="-".join)
def shop(request: pytest.FixtureRequest, sources: Callable[[str], DataSource]) -> SimpleNamespace:
    """Customers of one data source, whose orders are on another, and labels on a third."""
    first, second, third = map(sources, request.param)
    Customer = first.create_model(
        "across_customer",
        {
            "name": {"type": str, "required": True, "max_length": 40},
            "city": {"type": str, "max_length": 40, "index": True},
            "tags": [str],
        },
    )
    Order = second.create_model(
        "across_order",
        {
            "item": {"type": str, "required": True, "max_length": 40},
            "price": {"type": "number", "index": True},
        },
    )
    Label = third.create_model(
        "across_label", {"name": {"type": str, "max_length": 40, "index": True}}
    )
    Mark = third.create_model("across_mark", {"since": int})
    Customer.has_many("orders", model=Order, foreign_key="customer_id", nested=True)
    Customer.has_one("latest", model=Order, foreign_key="latest_of_id")
    Order.belongs_to("customer", model=Customer, foreign_key="customer_id")
    Order.has_many(
        "labels", model=Label, through=Mark, foreign_key="order_id", key_through="label_id"
    )
    Label.has_many(
        "orders", model=Order, through=Mark, foreign_key="label_id", key_through="order_id"
    )
    Customer.references_many("favourites", model=Label)
    empty(Customer, Order, Label, Mark)
    return SimpleNamespace(
        Customer=Customer,
        Order=Order,
        Label=Label,
        Mark=Mark,
        sources=(first, second, third),
        models=(Customer, Order, Label, Mark),
    )


@pytest.fixture
def stocked(shop: SimpleNamespace) -> SimpleNamespace:
    """Three customers, of whom two have orders, and two labels."""
    ann, bob, _ = shop.Customer.create(
        [
            {"name": "Ann", "city": "Lima", "tags": ["a", "b"]},
            {"name": "Bob", "city": "Cusco"},
            {"name": "Eve", "city": "Lima"},
        ]
    )
    tea, ink, pen = (
        *ann.orders.create([{"item": "tea", "price": 4}, {"item": "ink", "price": 9.5}]),
        bob.orders.create({"item": "pen", "price": 2}),
    )
    shop.Order.create(item="lost", price=1, customer_id=None)
    new, cheap = shop.Label.create([{"name": "new"}, {"name": "cheap"}])
    tea.labels.add(new)
    tea.labels.add(cheap)
    pen.labels.add(cheap)
    ann.patch_attributes(favourite_ids=[cheap.id, new.id])
    shop.ann, shop.bob, shop.tea, shop.ink, shop.pen = ann, bob, tea, ink, pen
    shop.new, shop.cheap = new, cheap
    return shop


@pytest.fixture
def client(stocked: SimpleNamespace, make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app(*stocked.models).test_client()


def find(client: FlaskClient, path: str, **filter: Any) -> Any:
    response = client.get(f"/api/{path}", query_string={"filter": dumps(filter)})
    assert response.status_code == 200, response.get_json()
    return response.get_json()


def names(found: list[dict[str, Any]], key: str = "name") -> list[str]:
    return sorted(each[key] for each in found)


def test_includes_lead_to_other_sources_and_back(client: FlaskClient) -> None:
    include = [{"orders": ["customer", "labels"]}, "favourites"]
    ann, bob, eve = find(client, "across_customers", include=include, order="name")
    assert [each["item"] for each in ann["orders"]] == ["tea", "ink"]
    assert [each["customer"]["name"] for each in ann["orders"]] == ["Ann", "Ann"]
    assert names(ann["orders"][0]["labels"]) == ["cheap", "new"]
    assert ann["orders"][1]["labels"] == []
    assert [each["name"] for each in ann["favourites"]] == ["cheap", "new"]
    assert [each["item"] for each in bob["orders"]] == ["pen"]
    assert eve["orders"] == []


def test_the_scope_of_an_include_holds_for_each_record(client: FlaskClient) -> None:
    scope = {"order": "price DESC", "limit": 1, "fields": ["item"]}
    include = {"relation": "orders", "scope": scope}
    found = find(client, "across_customers", include=include, order="name")
    assert [each["orders"] for each in found] == [[{"item": "ink"}], [{"item": "pen"}], []]


def test_wheres_look_at_records_of_other_sources(client: FlaskClient) -> None:
    for path, where, key, expected in WHERES:
        assert names(find(client, path, where=where), key) == expected, where
        counted = client.get(f"/api/{path}/count", query_string={"where": dumps(where)})
        assert counted.get_json() == {"count": len(expected)}, where


def test_orders_go_by_records_of_other_sources(client: FlaskClient) -> None:
    found = find(client, "across_orders", order=["customer.name DESC", "price"])
    assert [each["item"] for each in found] == ["pen", "tea", "ink", "lost"]
    found = find(client, "across_orders", order=["customer.city", "item"], skip=1, limit=2)
    assert [each["item"] for each in found] == ["ink", "tea"]


def test_the_routes_of_a_relation_write_on_the_other_source(
    client: FlaskClient, stocked: SimpleNamespace
) -> None:
    orders = f"/api/across_customers/{stocked.bob.id}/orders"
    made = client.post(orders, json={"item": "nib", "price": 3}).get_json()
    assert made["customerId"] == stocked.bob.id
    assert client.get(f"{orders}/count").get_json() == {"count": 2}
    assert client.put(f"{orders}/{made['id']}", json={"price": 5}).get_json()["price"] == 5
    assert client.get(f"/api/across_orders/{made['id']}/customer").get_json()["name"] == "Bob"
    assert client.get(f"{orders}/{stocked.tea.id}").status_code == 404
    assert client.delete(f"{orders}/{made['id']}").status_code == 204
    labels = f"/api/across_orders/{stocked.ink.id}/labels"
    assert client.put(f"{labels}/rel/{stocked.new.id}").status_code == 200
    assert client.head(f"{labels}/rel/{stocked.new.id}").status_code == 200
    assert [each["name"] for each in client.get(labels).get_json()] == ["new"]
    assert client.delete(f"{labels}/rel/{stocked.new.id}").status_code == 204
    assert client.get(labels).get_json() == []


def test_a_record_is_written_with_those_on_the_other_source(
    client: FlaskClient, stocked: SimpleNamespace
) -> None:
    data = {"name": "Dan", "orders": [{"item": "cup", "price": 1}, {"item": "jar"}]}
    made = client.post("/api/across_customers", json=data).get_json()
    assert [each["item"] for each in made["orders"]] == ["cup", "jar"]
    assert {each["customerId"] for each in made["orders"]} == {made["id"]}
    assert stocked.Order.count({"customer_id": made["id"]}) == 2
    wrong = client.post("/api/across_customers", json={"name": "Pip", "orders": [{"price": 1}]})
    assert wrong.get_json()["error"]["details"]["codes"] == {"orders.0.item": ["presence"]}
    assert stocked.Customer.count() == 4


def test_an_error_in_the_middle_undoes_what_was_written_on_every_source(
    stocked: SimpleNamespace,
) -> None:
    before = [exact(model.find(order="id")) for model in stocked.models]

    @stocked.Order.observe("after save")
    def refuse(ctx: Any) -> None:
        if ctx.instance.item == "jar":
            raise Conflict("there are no more")

    with pytest.raises(Conflict):
        stocked.Customer.create(name="Dan", orders=[{"item": "cup"}, {"item": "jar"}])
    assert [exact(model.find(order="id")) for model in stocked.models] == before


def test_a_transaction_is_of_one_source(stocked: SimpleNamespace) -> None:
    first, second, _ = stocked.sources

    def write_and_fail() -> None:
        stocked.Customer.create(name="Dan")
        stocked.Order.create(item="cup")
        raise LookupError

    with pytest.raises(LookupError), first.transaction():
        write_and_fail()
    assert (stocked.Customer.count(), stocked.Order.count()) == (3, 5)
    with pytest.raises(LookupError), first.transaction(), second.transaction():
        write_and_fail()
    assert (stocked.Customer.count(), stocked.Order.count()) == (3, 5)


def test_observers_and_hooks_run_on_the_source_of_each_record(
    stocked: SimpleNamespace, make_app: Callable[..., Flask]
) -> None:
    seen: list[tuple[str, ...]] = []
    for model, key in ((stocked.Customer, "name"), (stocked.Order, "item")):
        for event in ("before save", "after save", "after delete"):

            def note(ctx: Any, event: str = event, key: str = key) -> None:
                seen.append((event, getattr(ctx.instance, key, "several")))

            model.observe(event)(note)
    stocked.Customer.before_remote("create")(lambda ctx: seen.append(("before remote",)))
    client = make_app(*stocked.models).test_client()
    data = {"name": "Dan", "orders": [{"item": "cup"}]}
    made = client.post("/api/across_customers", json=data).get_json()
    assert seen == [
        ("before remote",),
        ("before save", "Dan"),
        ("before save", "cup"),
        ("after save", "cup"),
        ("after save", "Dan"),
    ]
    seen.clear()
    client.delete(f"/api/across_customers/{made['id']}/orders")
    assert seen == [("after delete", "several")]


@pytest.mark.parametrize("on_delete", ["cascade", "restrict", "set_null"])
@pytest.mark.parametrize("places", PLACES, ids="-".join)
def test_a_deletion_is_followed_on_other_sources(
    places: tuple[str, ...], on_delete: str, sources: Callable[[str], DataSource]
) -> None:
    first, second, third = map(sources, places)
    key = {"id": {"type": int, "id": True}}
    grand = first.create_model("across_grand", key)
    parents = second.create_model("across_parent", key)
    children = third.create_model("across_child", key)
    grand.has_many("parents", model=parents, foreign_key="grand_id", on_delete="cascade")
    parents.has_many("children", model=children, foreign_key="parent_id", on_delete=on_delete)
    empty(grand, parents, children)
    grand.create([{"id": 1}, {"id": 2}])
    parents.create([{"id": n, "grand_id": 1 if n < 3 else 2} for n in (1, 2, 3)])
    children.create([{"id": n, "parent_id": n} for n in (1, 2, 3)])
    if on_delete == "restrict":
        with pytest.raises(Conflict) as caught:
            grand.destroy_by_id(1)
        assert caught.value.error_code == "RESTRICTED"
        children.destroy_all({"parent_id": {"lt": 3}})
    assert grand.destroy_by_id(1) == 1
    assert [each.id for each in parents.find()] == [3]
    left = {each.id: each.parent_id for each in children.find()}
    assert left == ({1: None, 2: None, 3: 3} if on_delete == "set_null" else {3: 3})


@pytest.mark.parametrize("places", PLACES, ids="-".join)
def test_a_constraint_across_sources_is_looked_up(
    places: tuple[str, ...], sources: Callable[[str], DataSource]
) -> None:
    first, second, _ = map(sources, places)
    owners = first.create_model("across_owner", {"name": str})
    pets = second.create_model("across_pet", {"name": str})
    pets.belongs_to("owner", model=owners, constraint=True)
    empty(owners, pets)
    owner = owners.create(name="Ann")
    pet = pets.create(name="Rex", owner_id=owner.id)
    with pytest.raises(ValidationError) as caught:
        pets.create(name="Tom", owner_id=99)
    assert caught.value.details["codes"] == {"owner_id": ["relation"]}
    with pytest.raises(Conflict):
        owner.destroy()
    pet.destroy()
    assert owner.destroy() == 1


@pytest.mark.parametrize("places", PLACES, ids="-".join)
def test_one_relation_leads_to_several_sources(
    places: tuple[str, ...], sources: Callable[[str], DataSource]
) -> None:
    first, second, third = map(sources, places)
    # What is stored of a record's model is its name, of which there is one at a time.
    number = PLACES.index(places)
    people = first.create_model(f"across_person_{number}", {"name": str})
    towns = second.create_model(f"across_town_{number}", {"name": str})
    pictures = third.create_model("across_picture", {"title": str})
    pictures.belongs_to("subject", polymorphic=True)
    for model in (people, towns):
        model.has_many("pictures", model=pictures, polymorphic="subject")
    empty(people, towns, pictures)
    people.create(name="Ann").pictures.create(title="a face")
    towns.create(name="Lima").pictures.create([{"title": "a square"}, {"title": "a church"}])
    found = pictures.find(include="subject", order="title")
    assert [(each.title, each.subject().name) for each in found] == [
        ("a church", "Lima"),
        ("a face", "Ann"),
        ("a square", "Lima"),
    ]
    assert [each.name for each in towns.find(where={"pictures.title": "a church"})] == ["Lima"]


@pytest.mark.parametrize(
    "places", [("mongodb", "postgresql"), ("couchdb", "mongodb"), ("redis", "sqlite")], ids="-".join
)
def test_keys_are_texts_where_a_source_makes_such_ids(
    places: tuple[str, ...], sources: Callable[[str], DataSource]
) -> None:
    first, second = map(sources, places)
    made = {"type": str, "id": True, "generated": True, "max_length": 40}
    authors = first.create_model("across_author", {"key": made, "name": str})
    books = second.create_model("across_book", {"title": str})
    books.belongs_to("author", model=authors)
    authors.has_many("books", model=books, foreign_key="author_id")
    empty(authors, books)
    ann = authors.create(name="Ann")
    ann.books.create([{"title": "one"}, {"title": "two"}])
    books.create(title="nobody's")
    assert isinstance(ann.key, str)
    found = books.find(where={"author.name": "Ann"}, include="author", order="title")
    assert [(each.title, each.author_id, each.author().name) for each in found] == [
        ("one", ann.key, "Ann"),
        ("two", ann.key, "Ann"),
    ]
    (author,) = authors.find(where={"books.title": "two"}, include="books")
    assert sorted(each.title for each in author.books()) == ["one", "two"]


@pytest.mark.parametrize("place", ["mongodb", "redis", "couchdb", "rest"])
def test_what_a_path_has_to_read_elsewhere_is_bounded_too(
    place: str, get_server: GetServer, sources: Callable[[str], DataSource]
) -> None:
    with opened(place, get_server, "few", max_scan=3) as few:
        shelves = few.create_model("across_shelf", {"label": str, "notes": dict})
        things = sources("sqlite").create_model("across_thing", {"name": str})
        things.belongs_to("shelf", model=shelves)
        empty(shelves, things)
        for n in range(3):
            things.create(name=f"thing {n}", shelf_id=shelves.create(notes={"a": "äb"}).id)
        where = {"shelf.notes.a": {"regexp": r"\pL"}}
        assert things.count(where) == 3
        things.create(name="one more", shelf_id=shelves.create(notes={"a": "äb"}).id)
        for look in (things.count, things.destroy_all):
            with pytest.raises(TooMuchToRead):
                look(where)
        assert things.count() == 4
