"""What somebody owns, and that they reach nothing else, whichever way they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    HasAndBelongsToMany,
    HasMany,
    Model,
    Prop,
    create_model,
    prop,
    relation,
    remote_method,
    scope,
)
from flask_loop.auth import User
from tests.tokens import bearer

MakeApp = Callable[..., Flask]

OWN = [
    {"principalId": "$everyone", "permission": "DENY"},
    {"principalId": "$owner", "permission": "ALLOW"},
    {"principalId": "$authenticated", "permission": "ALLOW", "property": "create"},
]


class Shop:
    """Ada's two orders and Bob's three, and what belongs to them."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Buyer(User):
            orders: HasMany[Purchase]

            class Meta:
                data_source = source
                acls = [
                    {"principalId": "$everyone", "permission": "ALLOW", "property": name}
                    for name in ("find", "findById", "__get__orders", "__count__orders")
                ] + [
                    {"principalId": "$everyone", "permission": "ALLOW", "property": name}
                    for name in (
                        "__delete__orders",
                        "__findById__orders",
                        "__updateById__orders",
                        "__destroyById__orders",
                        "__create__orders",
                    )
                ]

        class Purchase(Model):
            title: Prop[str]
            price: Prop[int] = prop(default=1)
            buyer: BelongsTo[Buyer] = relation()
            parts: HasMany[Piece]
            tags: HasAndBelongsToMany[Mark]

            cheap = scope(where={"price": {"lt": 10}})

            class Meta:
                data_source = source
                acls = OWN

            @remote_method(http={"verb": "get", "path": "/:id/receipt"}, access_type="READ")
            def receipt(self) -> str:
                return f"for {self.title}"

        class Piece(Model):
            name: Prop[str]
            order: BelongsTo[Purchase] = relation(foreign_key="purchase_id")

            class Meta:
                data_source = source

        class Mark(Model):
            name: Prop[str]
            orders: HasAndBelongsToMany[Purchase]

            class Meta:
                data_source = source

        self.app = make_app(Buyer, Purchase, Piece, Mark)
        self.Buyer, self.Purchase, self.Piece, self.Mark = Buyer, Purchase, Piece, Mark
        source.auto_update()
        self.ada, self.bob = (
            Buyer.create(email=f"{name}@example.com", username=name) for name in ("ada", "bob")
        )
        Purchase.create(
            [
                {"title": "a1", "price": 1, "buyer_id": self.ada.id},
                {"title": "a2", "price": 20, "buyer_id": self.ada.id},
                {"title": "b1", "price": 2, "buyer_id": self.bob.id},
                {"title": "b2", "price": 30, "buyer_id": self.bob.id},
                {"title": "b3", "price": 40, "buyer_id": self.bob.id},
            ]
        )
        for order in Purchase.find():
            Piece.create(name=f"of {order.title}", purchase_id=order.id)
            order.tags.add(Mark.create(name=f"on {order.title}"))
        self.client: FlaskClient = self.app.test_client()
        self.as_ada, self.as_bob = bearer(self.ada), bearer(self.bob)

    def id_of(self, title: str) -> int:
        found = self.Purchase.find_one({"title": title})
        assert found is not None
        return int(found.id)

    def get(self, path: str, headers: Any = None, **query: Any) -> Any:
        return self.client.get(f"/api{path}", headers=headers or self.as_ada, query_string=query)

    def titles(self, path: str, **query: Any) -> list[str]:
        """What Ada gets."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return sorted(each["title"] for each in answer.json)


@pytest.fixture
def shop(source: DataSource, make_app: MakeApp) -> Shop:
    return Shop(source, make_app)


# Lists


def test_find_gives_what_the_caller_owns(shop: Shop) -> None:
    assert shop.titles("/purchases") == ["a1", "a2"]
    where = {"filter": '{"where": {"or": [{"title": "b1"}, {"price": {"gt": 0}}]}}'}
    assert shop.titles("/purchases", **where) == ["a1", "a2"]


def test_a_page_is_full_of_what_the_caller_owns(shop: Shop) -> None:
    page = {"filter": '{"order": "title DESC", "limit": 2, "skip": 1}'}
    assert shop.titles("/purchases", **page) == ["a1"]


def test_an_id_in_the_query_makes_nobody_the_owner(shop: Shop) -> None:
    mine, theirs = shop.id_of("a1"), shop.id_of("b1")
    assert shop.titles("/purchases", id=mine) == ["a1", "a2"]
    found = shop.get("/purchases/findOne", id=mine, filter=f'{{"where": {{"id": {theirs}}}}}')
    assert found.status_code == 404


def test_count_counts_what_the_caller_owns(shop: Shop) -> None:
    assert shop.get("/purchases/count").json == {"count": 2}
    assert shop.get("/purchases/count", where='{"price": {"gte": 20}}').json == {"count": 1}


def test_find_one_finds_none_of_others(shop: Shop) -> None:
    assert shop.get("/purchases/findOne", filter='{"order": "title DESC"}').json["title"] == "a2"
    assert shop.get("/purchases/findOne", filter='{"where": {"title": "b1"}}').status_code == 404


def test_update_all_changes_what_the_caller_owns(shop: Shop) -> None:
    def update(body: dict[str, Any], where: str) -> Any:
        return shop.client.post(
            "/api/purchases/update",
            json=body,
            query_string={"where": where},
            headers=shop.as_ada,
        )

    assert update({"price": 99}, '{"title": {"neq": "a1"}}').json == {"count": 1}
    assert update({"price": 98}, f'{{"buyerId": {shop.bob.id}}}').json == {"count": 0}
    update({"price": 97, "id": shop.id_of("a1")}, '{"title": "b1"}')
    prices = {each.title: each.price for each in shop.Purchase.find()}
    assert prices == {"a1": 1, "a2": 99, "b1": 2, "b2": 30, "b3": 40}


def test_a_named_scope_is_narrowed(shop: Shop) -> None:
    assert shop.titles("/purchases/cheap") == ["a1"]
    assert shop.get("/purchases/cheap/count").json == {"count": 1}
    shop.client.delete("/api/purchases/cheap", headers=shop.as_ada)
    assert sorted(each.title for each in shop.Purchase.find()) == ["a2", "b1", "b2", "b3"]


def test_nobody_owns_nothing(shop: Shop) -> None:
    for path in ("", "/count", "/findOne", f"/{shop.id_of('a1')}", "/cheap"):
        answer = shop.client.get(f"/api/purchases{path}")
        assert answer.status_code == 401
        assert answer.json["error"]["code"] == "AUTHORIZATION_REQUIRED"


# One record


def test_the_id_in_the_path_is_the_record_that_is_owned(shop: Shop) -> None:
    mine, theirs = shop.id_of("a1"), shop.id_of("b1")
    assert shop.get(f"/purchases/{mine}").json["title"] == "a1"
    assert shop.get(f"/purchases/{theirs}").status_code == 401
    assert shop.get(f"/purchases/{theirs}", id=mine).status_code == 401
    assert shop.get(f"/purchases/{mine}/receipt").status_code == 200
    assert shop.get(f"/purchases/{theirs}/receipt").status_code == 401
    assert shop.client.head(f"/api/purchases/{theirs}", headers=shop.as_ada).status_code == 401
    assert shop.get(f"/purchases/{theirs}/exists").status_code == 401


@pytest.mark.parametrize(
    ("verb", "tail"),
    [("PATCH", ""), ("PUT", ""), ("POST", "/replace"), ("DELETE", "")],
)
def test_only_the_owner_changes_or_deletes_a_record(shop: Shop, verb: str, tail: str) -> None:
    theirs = shop.id_of("b1")
    body = {"title": "stolen", "price": 0, "buyerId": shop.ada.id}
    path = f"/api/purchases/{theirs}{tail}"
    answer = shop.client.open(path, method=verb, json=body, headers=shop.as_ada)
    assert answer.status_code == 401
    stored = shop.Purchase.find_by_id(theirs)
    assert stored is not None
    assert (stored.title, stored.buyer_id) == ("b1", shop.bob.id)
    answer = shop.client.open(path, method=verb, json=body, headers=shop.as_bob)
    assert answer.status_code == 200


def test_what_is_not_there_is_answered_like_what_is_not_ones_own(shop: Shop) -> None:
    theirs = shop.id_of("b1")
    there, nowhere = shop.get(f"/purchases/{theirs}"), shop.get("/purchases/987654")
    assert there.status_code == nowhere.status_code == 401
    assert there.json == nowhere.json


def test_an_upsert_is_for_those_who_may_change_every_record(shop: Shop) -> None:
    for verb, path in (("PATCH", ""), ("PUT", ""), ("POST", "/replaceOrCreate")):
        body = {"id": shop.id_of("b1"), "title": "stolen"}
        answer = shop.client.open(
            f"/api/purchases{path}", method=verb, json=body, headers=shop.as_ada
        )
        assert answer.status_code == 401
    answer = shop.client.post(
        "/api/purchases/upsertWithWhere",
        json={"title": "stolen"},
        query_string={"where": '{"title": "b1"}'},
        headers=shop.as_ada,
    )
    assert answer.status_code == 401
    assert shop.Purchase.count({"title": "stolen"}) == 0


def test_somebody_else_with_the_same_id_owns_nothing(source: DataSource, make_app: MakeApp) -> None:
    class Pilot(User):
        class Meta:
            data_source = source

    class Steward(User):
        class Meta:
            data_source = source

    class Flight(Model):
        pilot: BelongsTo[Pilot] = relation()

        class Meta:
            data_source = source
            acls = OWN

    app = make_app(Pilot, Steward, Flight)
    source.auto_update()
    pilot, steward = Pilot.create(email="p@x.org"), Steward.create(email="s@x.org")
    assert pilot.id == steward.id
    flight = Flight.create(pilot_id=pilot.id)
    client = app.test_client()
    assert client.get(f"/api/flights/{flight.id}", headers=bearer(pilot)).status_code == 200
    assert client.get(f"/api/flights/{flight.id}", headers=bearer(steward)).status_code == 401
    assert client.get("/api/flights", headers=bearer(steward)).status_code == 401


# By relations


def test_include_shows_what_the_caller_may_find(shop: Shop) -> None:
    answer = shop.get("/buyers", filter='{"include": "orders", "order": "username"}')
    assert answer.status_code == 200
    ada, bob = answer.json
    assert sorted(each["title"] for each in ada["orders"]) == ["a1", "a2"]
    assert bob["orders"] == []
    strangers = shop.client.get("/api/buyers", query_string={"filter": '{"include": "orders"}'})
    assert strangers.status_code == 401


def test_include_of_one_record_shows_only_ones_own(shop: Shop) -> None:
    answer = shop.get("/pieces", filter='{"include": "order", "order": "name"}')
    shown = {each["name"]: each.get("order") and each["order"]["title"] for each in answer.json}
    assert shown == {"of a1": "a1", "of a2": "a2", "of b1": None, "of b2": None, "of b3": None}


def test_include_through_a_link_shows_only_ones_own(shop: Shop) -> None:
    answer = shop.get("/marks", filter='{"include": "orders"}')
    shown = {each["name"]: [one["title"] for one in each["orders"]] for each in answer.json}
    assert shown == {
        "on a1": ["a1"],
        "on a2": ["a2"],
        "on b1": [],
        "on b2": [],
        "on b3": [],
    }


def test_a_route_of_a_relation_leads_to_ones_own(shop: Shop) -> None:
    mine, theirs = shop.ada.id, shop.bob.id
    assert shop.titles(f"/buyers/{mine}/orders") == ["a1", "a2"]
    assert shop.titles(f"/buyers/{theirs}/orders") == []
    assert shop.get(f"/buyers/{theirs}/orders/count").json == {"count": 0}
    assert shop.get(f"/buyers/{theirs}/orders/{shop.id_of('b1')}").status_code == 404
    shop.client.delete(f"/api/buyers/{theirs}/orders", headers=shop.as_ada)
    assert shop.Purchase.count({"buyer_id": theirs}) == 3
    path = f"/api/buyers/{theirs}/orders/{shop.id_of('b1')}"
    assert shop.client.put(path, json={"price": 0}, headers=shop.as_ada).status_code == 404
    assert shop.client.delete(path, headers=shop.as_ada).status_code == 404
    assert shop.Purchase.count({"buyer_id": theirs, "price": 2}) == 1


def test_a_route_from_what_is_open_does_not_open_the_way_on(shop: Shop) -> None:
    (piece,) = shop.Piece.find({"where": {"name": "of b1"}})
    (own,) = shop.Piece.find({"where": {"name": "of a1"}})
    assert shop.get(f"/pieces/{own.id}/order").json["title"] == "a1"
    hidden = shop.get(f"/pieces/{piece.id}/order")
    assert hidden.status_code == 404 or hidden.json is None
    (mark,) = shop.Mark.find({"where": {"name": "on b1"}})
    assert shop.titles(f"/marks/{mark.id}/orders") == []


def test_linking_takes_no_record_of_others(shop: Shop) -> None:
    (mark,) = shop.Mark.find({"where": {"name": "on a1"}})
    theirs = shop.id_of("b1")
    path = f"/api/marks/{mark.id}/orders/rel/{theirs}"
    assert shop.client.put(path, headers=shop.as_ada).status_code == 404
    assert shop.client.head(path, headers=shop.as_ada).status_code == 404
    assert sorted(each.title for each in mark.orders()) == ["a1"]


def test_a_where_tells_nothing_of_records_of_others(shop: Shop) -> None:
    for where, expected in (
        ('{"order.title": "b1"}', []),
        ('{"order.title": "a1"}', ["of a1"]),
        ('{"order.title": {"like": "b%"}}', []),
        ('{"order": {"some": {"price": {"gt": 25}}}}', []),
        ('{"order": {"some": {}}}', ["of a1", "of a2"]),
    ):
        answer = shop.get("/pieces", filter=f'{{"where": {where}, "order": "name"}}')
        assert answer.status_code == 200, answer.text
        assert [each["name"] for each in answer.json] == expected


def test_a_negated_where_tells_nothing_of_records_of_others(shop: Shop) -> None:
    of_others = ["of b1", "of b2", "of b3"]
    for where in (
        '{"order.title": {"neq": "b1"}}',
        '{"order.title": {"neq": "b2"}}',
        '{"order": {"none": {"title": "b1"}}}',
        '{"order": {"every": {"title": "zz"}}}',
        '{"nor": [{"order.title": "b3"}]}',
    ):
        answer = shop.get("/pieces", filter=f'{{"where": {where}, "order": "name"}}')
        assert answer.status_code == 200, answer.text
        assert [each["name"] for each in answer.json][-3:] == of_others


def test_an_order_tells_nothing_of_records_of_others(shop: Shop) -> None:
    answer = shop.get("/pieces", filter='{"order": ["order.price DESC"]}')
    if answer.status_code == 200:
        names = [each["name"] for each in answer.json]
        assert names[:2] == ["of a2", "of a1"]
        assert names[2:] == ["of b1", "of b2", "of b3"]  # by id, as if they had no order
    else:
        assert answer.status_code == 400


def test_a_hook_cannot_make_a_list_wider(source: DataSource, make_app: MakeApp) -> None:
    class Clerk(User):
        class Meta:
            data_source = source

    class Ledger(Model):
        user_id: Prop[int]

        class Meta:
            data_source = source
            acls = OWN

    @Ledger.before_remote("find")
    def take_all(ctx: Any) -> None:
        ctx.args["filter"] = {"where": {}}

    app = make_app(Clerk, Ledger)
    source.auto_update()
    one, two = Clerk.create(email="1@x.org"), Clerk.create(email="2@x.org")
    Ledger.create([{"user_id": one.id}, {"user_id": two.id}, {"user_id": two.id}])
    found = app.test_client().get("/api/ledgers", headers=bearer(one)).json
    assert [each["userId"] for each in found] == [one.id]


# Who an owner is


def guarded(source: DataSource, name: str, properties: dict[str, Any], **options: Any) -> Any:
    return source.create_model(name, properties, {"acls": OWN, **options})


@pytest.fixture
def person(source: DataSource) -> Any:
    class Dweller(User):
        class Meta:
            data_source = source

    return Dweller


@pytest.mark.parametrize("name", ["user_id", "userId", "owner"])
def test_a_property_with_a_known_name_says_who_the_owner_is(
    source: DataSource, make_app: MakeApp, person: Any, name: str
) -> None:
    house = guarded(source, f"houseBy{name}", {"no": int, name: int})
    app = make_app(person, house)
    source.auto_update()
    one, two = person.create(email="1@x.org"), person.create(email="2@x.org")
    house.create([{"no": 1, name: one.id}, {"no": 2, name: two.id}, {"no": 3}])
    path = f"/api/{house.definition.plural}"
    found = app.test_client().get(path, headers=bearer(two)).json
    assert [each["no"] for each in found] == [2]


def test_an_id_that_may_be_of_several_models_names_no_owner(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    class Lodger(User):
        class Meta:
            data_source = source

    plain = guarded(source, "attic", {"userId": int})
    said = guarded(source, "cellar", {"userId": int})
    said.belongs_to("lodger", model=Lodger, foreign_key="userId")
    app = make_app(person, Lodger, plain, said)
    source.auto_update()
    one, other = person.create(email="1@x.org"), Lodger.create(email="1@x.org")
    assert one.id == other.id
    plain.create(userId=one.id)
    said.create(userId=one.id)
    client = app.test_client()
    statuses = [
        client.get(f"/api/{path}/1", headers=bearer(each)).status_code
        for path in ("attics", "cellars")
        for each in (one, other)
    ]
    assert statuses == [401, 401, 401, 200]


def test_the_owner_of_a_text_property_has_the_id_as_text(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    shed = guarded(source, "shed", {"no": int, "owner": str})
    app = make_app(person, shed)
    source.auto_update()
    one = person.create(email="1@x.org")
    shed.create([{"no": 1, "owner": str(one.id)}, {"no": 2, "owner": "x"}])
    found = app.test_client().get("/api/sheds", headers=bearer(one)).json
    assert [each["no"] for each in found] == [1]


def test_a_record_without_a_user_is_the_owners(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    barn = guarded(source, "barn", {"no": int, "userId": int, "owner": int})
    app = make_app(person, barn)
    source.auto_update()
    one, two = person.create(email="1@x.org"), person.create(email="2@x.org")
    barn.create(
        [
            {"no": 1, "userId": one.id, "owner": two.id},
            {"no": 2, "owner": two.id},
            {"no": 3, "userId": two.id},
        ]
    )
    found = app.test_client().get("/api/barns", headers=bearer(two)).json
    assert [each["no"] for each in found] == [2, 3]


def test_owner_relations_say_which_relations_own(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    def made(name: str, owner_relations: Any) -> Any:
        model = guarded(source, name, {"no": int}, owner_relations=owner_relations)
        for each in ("author", "editor", "printer"):
            model.belongs_to(each, model=person)
        return model

    some, each = made("tract", ["author", "editor"]), made("leaflet", True)
    first = made("sheet", False)
    app = make_app(person, some, each, first)
    source.auto_update()
    one, two = person.create(email="1@x.org"), person.create(email="2@x.org")
    for model in (some, each, first):
        model.create(
            [
                {"no": 1, "author_id": one.id, "editor_id": two.id, "printer_id": two.id},
                {"no": 2, "author_id": two.id, "editor_id": one.id, "printer_id": two.id},
                {"no": 3, "author_id": two.id, "editor_id": two.id, "printer_id": one.id},
            ]
        )
    client, headers = app.test_client(), bearer(one)

    def numbers(path: str) -> list[int]:
        return sorted(each["no"] for each in client.get(f"/api/{path}", headers=headers).json)

    assert numbers("tracts") == [1, 2]
    assert numbers("leaflets") == [1, 2, 3]
    assert numbers("sheets") == [1]


def test_owner_relations_that_are_none_are_an_error_that_names_the_model(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    poster = guarded(source, "poster", {"no": int}, owner_relations=["auhtor"])
    poster.belongs_to("author", model=person)
    app = make_app(person, poster)
    source.auto_update()
    one = person.create(email="1@x.org")
    with pytest.raises(DefinitionError, match=r"'poster'.*'auhtor'.*did you mean 'author'"):
        app.test_client().get("/api/posters", headers=bearer(one))


def test_a_polymorphic_relation_says_whose_a_record_is(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    class Villager(User):
        class Meta:
            data_source = source

    badge = guarded(source, "badge", {"no": int})
    badge.belongs_to("holder", polymorphic=True)
    app = make_app(person, Villager, badge)
    source.auto_update()
    one, other = person.create(email="1@x.org"), Villager.create(email="1@x.org")
    assert one.id == other.id
    badge.create(
        [
            {"no": 1, "holder_id": one.id, "holder_type": "Dweller"},
            {"no": 2, "holder_id": one.id, "holder_type": "Villager"},
        ]
    )
    client = app.test_client()
    assert [e["no"] for e in client.get("/api/badges", headers=bearer(one)).json] == [1]
    assert [e["no"] for e in client.get("/api/badges", headers=bearer(other)).json] == [2]


def test_a_user_owns_the_own_record(source: DataSource, make_app: MakeApp, person: Any) -> None:
    app = make_app(person)
    source.auto_update()
    one, two = person.create(email="1@x.org"), person.create(email="2@x.org")
    client = app.test_client()
    assert client.get(f"/api/dwellers/{one.id}", headers=bearer(one)).status_code == 200
    assert client.get(f"/api/dwellers/{two.id}", headers=bearer(one)).status_code == 401
    assert client.get("/api/dwellers", headers=bearer(one)).status_code == 401


def test_related_are_those_to_whom_a_relation_of_the_record_leads(
    source: DataSource, make_app: MakeApp, person: Any
) -> None:
    class Club(Model):
        name: Prop[str]

        class Meta:
            data_source = source
            acls = [
                {"principalId": "$everyone", "permission": "DENY"},
                {"principalId": "$related", "permission": "ALLOW", "accessType": "READ"},
            ]

    Club.has_and_belongs_to_many("guests", model=person)
    Club.belongs_to("head", model=person)
    app = make_app(person, Club)
    source.auto_update()
    one, two = person.create(email="1@x.org"), person.create(email="2@x.org")
    chess = Club.create(name="chess", head_id=one.id)
    golf = Club.create(name="golf", head_id=two.id)
    Club.create(name="swim", head_id=two.id)
    golf.guests.add(one)
    assert chess.id
    client = app.test_client()
    found = client.get("/api/clubs", headers=bearer(one)).json
    assert sorted(each["name"] for each in found) == ["chess", "golf"]
    assert client.get(f"/api/clubs/{golf.id}", headers=bearer(one)).status_code == 200
    assert client.delete(f"/api/clubs/{chess.id}", headers=bearer(one)).status_code == 401


def test_a_class_that_is_no_model_of_users_owns_nothing() -> None:
    from flask_loop.access.owners import owned_by, related_to
    from flask_loop.query import NOTHING

    class Guest:
        pass

    model = create_model("guestbook", {"user_id": int})
    assert owned_by(model, Guest, [])(1) == NOTHING
    assert related_to(model, Guest)(1) == NOTHING
