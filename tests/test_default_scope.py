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
    DefinitionError,
    HasMany,
    Model,
    ModelNotFound,
    Prop,
    ValidationError,
    create_model,
    memory,
    prop,
)

MakeApp = Callable[..., Flask]


class Shelter(Model):
    name: Prop[str]
    cats: HasMany[Cat]


class Cat(Model):
    name: Prop[str]
    weight: Prop[int | None]
    is_home: Prop[bool] = prop(default=False)
    shelter: BelongsTo[Shelter]

    class Meta:
        scope = {
            "where": {"isHome": True},
            "order": "weight DESC",
            "limit": 3,
            "include": "shelter",
        }


CATS = [("Ash", 3, True), ("Bea", 5, True), ("Cid", 4, False), ("Dot", 2, True), ("Eli", 9, True)]


@pytest.fixture
def cats(source: DataSource) -> Iterator[Any]:
    """Cat 3 is not home: it is outside of the scope. Cats 1 to 3 are of shelter 1, 4 and 5 of 2."""
    for model in (Shelter, Cat):
        model.attach_to(source)
    source.auto_update()
    Shelter.create([{"name": "North"}, {"name": "South"}, {"name": "Empty"}])
    Cat.create(
        [
            {"name": name, "weight": weight, "is_home": home, "shelter_id": 1 + id // 3}
            for id, (name, weight, home) in enumerate(CATS)
        ]
    )
    return Cat


@pytest.fixture
def client(cats: Any, make_app: MakeApp) -> FlaskClient:
    return make_app(Shelter, Cat).test_client()


def ids(found: Any) -> list[Any]:
    return [each["id"] if isinstance(each, dict) else each.id for each in found]


def get(client: FlaskClient, path: str, **filter: Any) -> Any:
    response = client.get(f"/api{path}", query_string={"filter": json.dumps(filter)})
    assert response.status_code == 200, response.json
    return response.json


def test_a_find_is_within_the_scope_which_gives_what_it_does_not_say(client: FlaskClient) -> None:
    assert ids(Cat.find()) == ids(get(client, "/cats")) == [5, 2, 1]
    assert ids(Cat.find(limit=4)) == ids(get(client, "/cats", limit=4)) == [5, 2, 1, 4]
    assert ids(Cat.find(order="name")) == ids(get(client, "/cats", order="name")) == [1, 2, 4]
    assert ids(Cat.find(where={"weight": {"lt": 5}})) == [1, 4]
    assert ids(Cat.find(where={"is_home": False})) == []
    assert ids(Cat.find(skip=1)) == [2, 1, 4]
    assert [each["shelter"]["name"] for each in get(client, "/cats")] == ["South", "North", "North"]
    assert Cat.find()[0].shelter().name == "South"  # type: ignore[union-attr]


def test_each_way_to_read_is_within_the_scope(client: FlaskClient) -> None:
    assert Cat.find_one(where={"name": "Cid"}) is None
    assert Cat.find_one(order="weight").id == 4  # type: ignore[union-attr]
    assert Cat.find_by_id(3) is None
    assert Cat.find_by_id(1).name == "Ash"  # type: ignore[union-attr]
    assert ids(Cat.find_by_ids([5, 3, 1])) == [5, 1]
    assert Cat.count() == 4
    assert Cat.count({"name": {"like": "%i%"}}) == 1
    assert not Cat.exists(3)
    assert Cat.exists(1)
    assert client.get("/api/cats/3").status_code == 404
    assert client.get("/api/cats/1").json["shelter"]["name"] == "North"
    assert client.get("/api/cats/count").json == {"count": 4}
    assert client.get("/api/cats/3/exists").json == {"exists": False}
    assert client.head("/api/cats/3").status_code == 404


def test_find_by_ids_gives_all_of_them_whatever_the_limit(cats: Any) -> None:
    assert ids(Cat.find_by_ids([1, 2, 4, 5])) == [1, 2, 4, 5]


def test_what_is_outside_cannot_be_changed_or_deleted(client: FlaskClient) -> None:
    assert Cat.update_all({}, {"weight": 1}) == 4
    assert Cat.update_all({"id": 3}, {"weight": 1}) == 0
    for verb in (client.patch, client.put):
        assert verb("/api/cats/3", json={"name": "new"}).status_code == 404
    with pytest.raises(ModelNotFound):
        Cat.replace_by_id(3, {"name": "new"})
    assert Cat.destroy_by_id(3) == 0
    assert client.delete("/api/cats/3").json == {"count": 0}
    assert Cat.destroy_all() == 4
    Cat.create(name="Cid II", is_home=True)
    assert stored() == [("Cid", 4), ("Cid II", None)]


def stored() -> list[tuple[str, int | None]]:
    """All that the data source holds, whatever the scope."""
    definition = Cat.definition
    from flask_loop.query import Filter

    rows = Cat.data_source.connector.select(definition, Filter())  # type: ignore[union-attr]
    return sorted((each["name"], each["weight"]) for each in rows.records())


def test_the_scope_never_changes_what_is_written(client: FlaskClient) -> None:
    created = client.post("/api/cats", json={"name": "Fay", "weight": 7})
    assert created.status_code == 200
    assert (created.json["isHome"], created.json["name"]) == (False, "Fay")
    assert Cat.find_by_id(created.json["id"]) is None
    changed = Cat.find_by_id(1).patch_attributes(is_home=False)  # type: ignore[union-attr]
    assert changed.is_home is False
    assert not Cat.exists(1)
    assert client.patch("/api/cats/1", json={"name": "new"}).status_code == 404
    assert changed.patch_attributes(name="new").name == "new"  # it is in hand
    found, is_new = Cat.find_or_create({"name": "Cid"}, {"name": "Cid"})
    assert (is_new, found.is_home) == (True, False)
    assert Cat.upsert_with_where({"name": "Bea"}, {"weight": 6}).id == 2


def test_related_records_are_those_within_the_scope(client: FlaskClient) -> None:
    found = get(client, "/shelters", include="cats")
    assert [ids(each["cats"]) for each in found] == [[2, 1], [5, 4], []]
    assert [ids(each.cats()) for each in Shelter.find(include="cats")] == [[2, 1], [5, 4], []]
    scope = {"relation": "cats", "scope": {"order": "name", "limit": 1}}
    assert [ids(each["cats"]) for each in get(client, "/shelters", include=scope)] == [[1], [4], []]
    north = Shelter.find_by_id(1)
    assert north is not None
    assert ids(north.cats(order="name")) == [1, 2]
    assert north.cats.count() == 2
    assert Shelter.count({"cats.name": "Cid"}) == 0
    assert Shelter.count({"cats.name": {"like": "D%"}}) == 1
    assert ids(Shelter.find(where={"cats": {"every": {"weight": {"gt": 2}}}})) == [1, 3]


def test_an_order_by_a_related_record_does_not_tell_of_those_outside(source: DataSource) -> None:
    lords = source.create_model(
        "scoped_lord", {"name": str, "gone": bool}, scope={"where": {"gone": {"neq": True}}}
    )
    lands = source.create_model("scoped_land", {"name": str})
    lands.belongs_to("lord", model=lords)
    source.auto_update()
    lords.create([{"name": "b"}, {"name": "a", "gone": True}, {"name": "c"}])
    lands.create([{"name": str(id), "lord_id": id} for id in (1, 2, 3)])
    assert ids(lands.find(order="lord.name")) == [1, 3, 2]
    assert ids(lands.find(order="lord.name DESC")) == [3, 1, 2]
    assert ids(lands.find(where={"lord.name": None})) == [2]


def test_uniqueness_and_ids_see_all_records(source: DataSource) -> None:
    mugs = source.create_model(
        "scoped_mug",
        {"name": {"type": str, "unique": True}, "gone": bool},
        scope={"where": {"gone": False}},
    )
    mugs.validates_uniqueness_of("name")
    source.auto_update()
    mugs.create({"name": "a", "gone": True})
    assert mugs.count() == 0
    with pytest.raises(ValidationError):
        mugs.create({"name": "a", "gone": False})


def test_a_scope_may_look_at_related_records(source: DataSource) -> None:
    homes = source.create_model("scoped_home", {"open": bool})
    pets = source.create_model(
        "scoped_pet", {"name": str}, scope={"where": {"home.open": True}, "order": "home.id DESC"}
    )
    pets.belongs_to("home", model=homes)
    source.auto_update()
    homes.create([{"open": True}, {"open": False}, {"open": True}])
    pets.create([{"name": str(n), "home_id": n} for n in (1, 2, 3)])
    assert [each.name for each in pets.find()] == ["3", "1"]
    assert pets.find_by_id(2) is None
    assert pets.update_all({}, {"name": "new"}) == 2
    assert pets.destroy_by_id(2) == 0
    assert pets.destroy_all() == 2


def test_observers_see_what_is_asked_and_narrow_it_further(cats: Any) -> None:
    class Wary(Cat):
        class Meta:
            data_source = memory()

    Wary.create([{"name": name, "weight": weight, "is_home": home} for name, weight, home in CATS])
    Wary.observe("access")(lambda ctx: ctx.narrow({"weight": {"lt": 5}}))
    assert [each.name for each in Wary.find(include=[])] == ["Ash", "Dot"]
    assert (Wary.count(), Wary.exists(1), Wary.exists(2), Wary.exists(3)) == (2, True, False, False)
    assert Wary.find_by_id(1).patch_attributes(weight=4).weight == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("scope", "hint"),
    [
        ({"where": {"unknown": 1}}, "where.unknown"),
        ({"order": "unknown"}, "order.0"),
        ({"unknown": 1}, "unknown"),
        ({"include": "nobody"}, "include"),
        ({"limit": "many"}, "limit"),
    ],
    ids=repr,
)
def test_a_scope_that_means_nothing_is_its_authors_mistake(scope: Any, hint: str) -> None:
    things = memory().create_model("badly_scoped", {"name": str}, scope=scope)
    with pytest.raises(DefinitionError, match=rf"the default scope of badly_scoped: .*{hint}"):
        things.find()


def test_a_scope_is_a_filter() -> None:
    with pytest.raises(DefinitionError, match="scope"):
        create_model("oddly_scoped", {"name": str}, scope="name")


def test_a_json_definition_has_a_scope() -> None:
    things = memory().create_model(
        {
            "name": "ScopedThing",
            "properties": {"size": "Number"},
            "scope": {"where": {"size": {"gt": 1}}, "order": "size DESC"},
        }
    )
    things.create([{"size": size} for size in (1, 2, 3)])
    assert [each.size for each in things.find()] == [3, 2]
