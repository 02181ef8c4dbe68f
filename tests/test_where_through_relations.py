from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    BelongsTo,
    DataSource,
    EmbedsMany,
    EmbedsOne,
    FilterError,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    Model,
    Prop,
    ReferencesMany,
    create_data_source,
    memory,
    prop,
    relation,
)
from flask_loop.errors import BadRequest

MakeApp = Callable[..., Flask]


class Owner(Model):
    name: Prop[str | None]
    pin: Prop[str | None] = prop(hidden=True)
    email: Prop[str | None] = prop(protected=True)
    ships: HasMany[Ship]
    licence: HasOne[Licence]


class Licence(Model):
    grade: Prop[int]
    owner: BelongsTo[Owner]


class Berth(Model):
    place: Prop[str]
    owner: BelongsTo[Owner]

    class Meta:
        id_injection = False


class Ship(Model):
    name: Prop[str]
    length: Prop[int | None]
    owner: BelongsTo[Owner]
    crew: HasAndBelongsToMany[Sailor]
    captains: ReferencesMany[Sailor]
    flags: HasMany[Flag] = relation(polymorphic="flown")
    berth: EmbedsOne[Berth]
    visits: EmbedsMany[Berth]


class Sailor(Model):
    name: Prop[str]
    flags: HasMany[Flag] = relation(polymorphic="flown")


class Flag(Model):
    colour: Prop[str]
    flown: BelongsTo[Any] = relation(polymorphic=True)


MODELS: list[Any] = [Owner, Licence, Ship, Sailor, Flag]


@pytest.fixture(params=["memory", "sqlite", "several", "each its own"])
def port(request: pytest.FixtureRequest) -> Iterator[str]:
    """The records, on one data source or on several, which do not know of each other."""
    sqlites = [create_data_source(connector="sqlite", url="sqlite://") for _ in range(5)]
    kept = memory()
    chosen = {
        "memory": [kept] * 5,
        "sqlite": [sqlites[0]] * 5,
        "several": [kept, kept, sqlites[0], kept, sqlites[0]],
        "each its own": sqlites,
    }[request.param]
    for model, source in zip(MODELS, chosen, strict=True):
        model.attach_to(source)
    through = Ship.definition.relations["crew"].through
    assert through is not None
    through.model.attach_to(chosen[2])
    for source in dict.fromkeys(chosen):
        source.auto_update()
    Owner.create([{"name": "Ann", "pin": "1", "email": "a@x"}, {"name": "Bob"}, {"name": None}])
    Licence.create([{"grade": 3, "owner_id": 1}, {"grade": 1, "owner_id": 3}])
    Sailor.create([{"name": name} for name in ("Cy", "Di", "Ed")])
    berth = {"place": "quay", "owner_id": 2}
    Ship.create(
        [
            {"name": "Argo", "length": 9, "owner_id": 1, "captain_ids": [1, 3], "_berth": berth},
            {"name": "Beagle", "length": 7, "owner_id": 1, "_visits": [berth, {"place": "pier"}]},
            {"name": "Calypso", "length": 5, "owner_id": 2, "captain_ids": [2]},
            {"name": "Dart", "owner_id": 3},
            {"name": "Endurance", "owner_id": 9},
            {"name": "Fram", "length": 7},
        ]
    )
    for ship, sailor in ((1, 1), (1, 2), (2, 2), (3, 3)):
        Ship.find_by_id(ship).crew.add(sailor)  # type: ignore[union-attr]
    Flag.create(
        [
            {"colour": "red", "flown_id": 1, "flown_type": "Ship"},
            {"colour": "blue", "flown_id": 1, "flown_type": "Sailor"},
            {"colour": "red", "flown_id": 2, "flown_type": "Sailor"},
        ]
    )
    yield request.param
    for each in sqlites:
        each.close()


def ids(found: Any) -> list[int]:
    return [each["id"] if isinstance(each, dict) else each.id for each in found]


WHERES: list[tuple[dict[str, Any], list[int]]] = [
    ({"owner.name": "Ann"}, [1, 2]),
    ({"owner.name": {"neq": "Ann"}}, [3, 4, 5, 6]),
    ({"owner.name": None}, [4, 5, 6]),
    ({"owner.name": {"exists": True}}, [1, 2, 3]),
    ({"owner.name": {"nin": ["Ann", None]}}, [3]),
    ({"owner.name": {"gt": "A", "lt": "B"}}, [1, 2]),
    ({"owner": {"some": {}}}, [1, 2, 3, 4]),
    ({"owner": {"none": {"name": "Ann"}}}, [3, 4, 5, 6]),
    ({"owner": {"every": {"name": "Ann"}}}, [1, 2, 5, 6]),
    ({"owner.licence.grade": {"gte": 1}}, [1, 2, 4]),
    ({"owner.licence.owner.ships.name": "Beagle"}, [1, 2]),
    ({"crew.name": "Di"}, [1, 2]),
    ({"crew.name": {"neq": "Di"}}, [3, 4, 5, 6]),
    ({"crew": {"some": {"name": {"neq": "Di"}}}}, [1, 3]),
    ({"crew": {"every": {"name": "Di"}, "some": {}}}, [2]),
    ({"crew.flags.colour": "red"}, [1, 2]),
    ({"captains.name": "Ed"}, [1]),
    ({"captains": {"none": {}}}, [2, 4, 5, 6]),
    ({"captains": {"every": {"flags": {"none": {}}}}}, [2, 4, 5, 6]),
    ({"captains": {"some": {"flags.colour": "blue"}}}, [1]),
    ({"flags.colour": "red"}, [1]),
    ({"berth.place": "quay"}, [1]),
    ({"berth.owner.name": "Bob"}, [1]),
    ({"visits": {"some": {"owner.name": "Bob", "place": "quay"}}}, [2]),
    ({"visits": {"some": {"owner": {"none": {}}}}}, [2]),
    ({"visits.owner.name": "Ann"}, []),
    ({"owner.name": "Ann", "crew.name": "Cy"}, [1]),
    ({"or": [{"owner.name": "Bob"}, {"crew": {"some": {"name": "Cy"}}}]}, [1, 3]),
    ({"nor": [{"owner.name": "Bob"}, {"length": 7}]}, [1, 4, 5]),
    ({"owner.ships": {"every": {"length": {"gt": 6}}}}, [1, 2, 5, 6]),
    ({"owner.id": {"inq": list(range(900))}}, [1, 2, 3, 4]),
]


@pytest.mark.parametrize(("where", "expected"), WHERES, ids=repr)
def test_a_where_means_the_same_wherever_the_records_are(
    port: str, where: Any, expected: list[int]
) -> None:
    assert ids(Ship.find(where=where)) == expected
    assert Ship.count(where) == len(expected)
    assert ids(Ship.find(where=where, order="name DESC", limit=2)) == expected[::-1][:2]
    assert [each.id for each in [Ship.find_one(where)] if each] == expected[:1]


def test_wheres_from_clients_reach_through_relations(port: str, make_app: MakeApp) -> None:
    client = make_app(*MODELS).test_client()

    def find(where: Any) -> Any:
        return client.get("/api/ships", query_string={"filter": json.dumps({"where": where})})

    for where, expected in WHERES:
        assert ids(find(where).json) == expected, where
        query = {"where": json.dumps(where)}
        assert client.get("/api/ships/count", query_string=query).json == {"count": len(expected)}
    assert ids(client.get("/api/ships?filter[where][owner.name]=Bob").json) == [3]
    assert ids(client.get("/api/ships?filter[where][crew][some][name]=Cy").json) == [1]
    path = "/api/ships?filter[order]=owner.name%20DESC&filter[limit]=3"
    assert ids(client.get(path).json) == [3, 1, 2]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda: Ship.owner.name == "Ann", [1, 2]),
        (lambda: Ship.owner.name != "Ann", [3, 4, 5, 6]),
        (lambda: Ship.owner.licence.grade > 1, [1, 2]),
        (lambda: Ship.crew.some(Sailor.name == "Di"), [1, 2]),
        (lambda: ~Ship.crew.some(Sailor.name == "Di") & Ship.owner.name.exists(), [3]),
        (lambda: Ship.crew.none() & Ship.name.exists(), [4, 5, 6]),
        (lambda: Ship.crew.every(Sailor.name.in_(["Di", "Ed"])) & Ship.crew.some(), [2, 3]),
        (lambda: (Ship.owner.name == "Bob") | (Ship.captains.some(Sailor.name == "Cy")), [1, 3]),
    ],
)
def test_expressions_reach_through_relations(
    port: str, expression: Any, expected: list[int]
) -> None:
    assert ids(Ship.find(where=expression())) == expected
    assert Ship.count(expression()) == len(expected)


# Orders


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("owner.name", [1, 2, 3, 4, 5, 6]),
        ("owner.name DESC", [3, 1, 2, 4, 5, 6]),
        ("owner.name, length", [2, 1, 3, 6, 4, 5]),
        ("owner.licence.grade DESC, id DESC", [2, 1, 4, 6, 5, 3]),
        (["length", "owner.name DESC"], [3, 2, 6, 1, 4, 5]),
        ("berth.place, id DESC", [1, 6, 5, 4, 3, 2]),
    ],
)
def test_an_order_looks_at_related_records_wherever_they_are(
    port: str, order: Any, expected: list[int]
) -> None:
    assert ids(Ship.find(order=order)) == expected
    assert ids(Ship.find(order=order, skip=1, limit=3)) == expected[1:4]
    assert ids(Ship.find(order=order, where={"owner.name": {"neq": None}})) == [
        id for id in expected if id < 4
    ]
    names = [each.to_record() for each in Ship.find(order=order, limit=2, fields=["name"])]
    assert [each.keys() for each in names] == [{"name"}, {"name"}]
    assert [ord(each["name"][0]) - 64 for each in names] == expected[:2]


# Writes


def test_writes_find_their_records_wherever_the_related_ones_are(port: str) -> None:
    assert Ship.update_all({"owner.name": "Ann"}, {"length": 70}) == 2
    assert ids(Ship.find(where={"length": 70})) == [1, 2]
    assert Ship.update_all({"crew": {"some": {"name": "nobody"}}}, {"length": 1}) == 0
    assert Ship.upsert_with_where({"owner.name": "Bob"}, {"length": 50}).id == 3
    with pytest.raises(BadRequest):
        Ship.upsert_with_where({"owner.name": "Ann"}, {"length": 50})
    found, is_new = Ship.find_or_create({"owner.licence.grade": 1}, {"name": "Gjoa"})
    assert (found.id, is_new) == (4, False)
    found, is_new = Ship.find_or_create({"owner.name": "Zoe"}, {"name": "Gjoa"})
    assert (found.name, is_new) == ("Gjoa", True)
    assert Ship.destroy_all({"owner": {"none": {}}}) == 3
    assert Ship.destroy_all(Ship.captains.some(Sailor.name == "Di")) == 1
    assert ids(Ship.find()) == [1, 2, 4]
    assert Owner.destroy_all({"ships": {"none": {}}}) == 1
    assert [each.name for each in Owner.find()] == ["Ann", None]


def test_clients_update_what_a_where_finds_through_relations(port: str, make_app: MakeApp) -> None:
    client = make_app(*MODELS).test_client()
    query = {"where": json.dumps({"owner.name": "Ann"})}
    answer = client.post("/api/ships/update", query_string=query, json={"length": 3})
    assert answer.json == {"count": 2}
    assert ids(Ship.find(where={"length": 3})) == [1, 2]


# What others keep back


def test_observers_of_access_narrow_what_wheres_and_orders_reach(source: DataSource) -> None:
    docks = source.create_model("dock", {"name": str})
    boats = source.create_model("boat", {"name": str})
    docks.has_many("boats", model=boats, foreign_key="dock_id")
    boats.belongs_to("dock", model=docks)
    source.auto_update()
    docks.create([{"name": name} for name in "cba"])
    boats.create([{"name": str(id), "dock_id": id} for id in (1, 2, 3)])
    asked: list[str] = []

    @docks.observe("access")
    def narrow(ctx: Any) -> None:
        asked.append(ctx.event)
        ctx.narrow({"name": {"neq": "b"}})

    assert boats.count({"dock.name": "b"}) == 0
    assert asked == ["access"]
    assert boats.count({"dock.name": {"neq": "b"}}) == 3
    assert ids(boats.find(where={"dock.name": None})) == [2]
    assert ids(boats.find(where={"dock": {"every": {"name": "c"}}})) == [1, 2]
    assert ids(boats.find(order="dock.name")) == [3, 1, 2]
    boats.observe("access")(lambda ctx: ctx.narrow({"name": {"neq": "1"}}))
    assert ids(docks.find(where={"boats": {"some": {}}})) == [3]
    assert ids(docks.find(where={"boats": {"none": {}}})) == [1]
    assert boats.update_all({"dock.name": {"neq": None}}, {"name": "new"}) == 1


def test_an_observer_may_narrow_through_relations(source: DataSource) -> None:
    yards = source.create_model("shipyard", {"name": str})
    hulls = source.create_model("hull", {"name": str})
    hulls.belongs_to("yard", model=yards)
    source.auto_update()
    yards.create([{"name": "a"}, {"name": "b"}])
    hulls.create([{"name": "x", "yard_id": 1}, {"name": "y", "yard_id": 2}, {"name": "z"}])
    hulls.observe("access")(lambda ctx: ctx.narrow({"yard.name": "a"}))
    assert ids(hulls.find()) == [1]
    assert (hulls.count(), hulls.exists(1), hulls.exists(2)) == (1, True, False)
    assert hulls.find_by_id(2) is None
    assert hulls.update_all({}, {"name": "new"}) == 1
    assert hulls.destroy_by_id(3) == 0
    assert hulls.destroy_all() == 1


# What means nothing


@pytest.mark.parametrize(
    ("filter", "path"),
    [
        ({"where": {"owner.unknown": 1}}, "where.owner.unknown"),
        ({"where": {"owner": 1}}, "where.owner"),
        ({"where": {"crew": {"any": {}}}}, "where.crew.any"),
        ({"where": {"crew": {"some": {"unknown": 1}}}}, "where.crew.some.unknown"),
        ({"where": {"owner.pin": "1"}}, "where.owner.pin"),
        ({"where": {"owner.email": "a@x"}}, "where.owner.email"),
        ({"where": {"owner": {"some": {"email": "a@x"}}}}, "where.owner.some.email"),
        ({"where": {"flags.flown.name": "x"}}, "where.flags.flown.name"),
        ({"order": "owner.pin"}, "order.0"),
        ({"order": "crew.name"}, "order.0"),
        ({"order": "owner"}, "order.0"),
    ],
    ids=repr,
)
def test_what_means_nothing_or_may_not_be_reached_is_a_400_that_names_the_place(
    make_app: MakeApp, filter: Any, path: str
) -> None:
    db = memory()
    for model in MODELS:
        model.attach_to(db)
    client: FlaskClient = make_app(*MODELS).test_client()
    response = client.get("/api/ships", query_string={"filter": json.dumps(filter)})
    assert response.status_code == 400
    assert response.json["error"]["details"]["path"] == path  # type: ignore[index]
    if "pin" not in str(filter) and "email" not in str(filter):
        with pytest.raises(FilterError):
            Ship.find(filter)


def test_explain_says_what_became_of_a_where_through_relations(port: str) -> None:
    source: Any = Ship.data_source
    said = source.explain(Ship, {"where": {"owner.name": "Ann"}})
    if source.connector.capabilities.joins:
        assert "EXISTS" in said["backend"] if port == "sqlite" else "IN" in said["backend"]
        assert said["python"] == {"where": [], "order": False}
    else:
        assert said["connector"] == "memory"
