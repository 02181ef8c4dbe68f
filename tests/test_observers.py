"""Which events each operation has, what observers see in them, and what they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from marshmallow import fields

from flask_loop import DataSource, Loop, Model, Prop, ValidationError, create_model, memory, prop
from flask_loop.errors import BadRequest, DefinitionError, FilterError, ModelNotFound, NotFound
from flask_loop.hooks import EVENTS
from flask_loop.operations import FoundMany, ObservedPlan, Plan
from flask_loop.query import Bounds, Filter
from flask_loop.remoting import options

Apps = Callable[..., Any]


class Address(Model):
    street: Prop[str]
    zip_code: Prop[str | None] = prop(default=None)

    class Meta:
        id_injection = False


@pytest.fixture
def product(source: DataSource) -> type[Any]:
    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=20)
        unit_price: Prop[float | None] = prop(default=1.5, min=0)
        code: Prop[str | None] = prop(default=None, unique=True)
        score: Prop[int | None] = prop(default=None, read_only=True)
        origin: Prop[str | None] = prop(default=None, create_only=True)
        secret: Prop[str | None] = prop(default=None, hidden=True)
        tags: Prop[list[str] | None] = prop(default=None)
        data: Prop[dict[str, Any] | None] = prop(default=None)
        home: Prop[Address | None] = prop(default=None)
        homes: Prop[list[Address] | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    return Product


@pytest.fixture
def client(product: type[Any], make_app: Apps) -> Any:
    return make_app(product).test_client()


def all_events(model: Any) -> list[str]:
    """A list of the events that happen from now on."""
    seen: list[str] = []
    for event in EVENTS:
        model.observe(event)(lambda ctx: seen.append(ctx.event))
    return seen


def during(seen: list[str], call: Callable[[], Any]) -> list[str]:
    seen.clear()
    call()
    return list(seen)


CREATE = ["before save", "persist", "loaded", "after save"]
CHANGE = ["access", "loaded", *CREATE]
DELETE = ["access", "before delete", "after delete"]


# Which events


def test_events_of_python_operations(product: type[Any]) -> None:
    seen = all_events(product)

    def events(call: Callable[[], Any]) -> list[str]:
        return during(seen, call)

    assert events(lambda: product.create(name="a", code="a")) == CREATE
    assert events(lambda: product.create([{"name": "b"}, {"name": "c"}])) == [
        *("before save", "before save", "persist", "persist"),
        *("loaded", "after save", "loaded", "after save"),
    ]
    assert events(lambda: product(name="d").save()) == CREATE
    found = product.find_by_id(1)
    assert events(found.save) == CHANGE
    assert events(lambda: found.patch_attributes(name="e")) == CHANGE
    assert events(found.patch_attributes) == [
        *("access", "loaded", "before save", "loaded", "after save")
    ]
    assert events(lambda: found.replace_attributes({"name": "e"})) == CHANGE
    assert events(lambda: product.replace_by_id(1, {"name": "e", "code": "a"})) == CHANGE
    assert events(lambda: product.upsert(id=1, name="f")) == CHANGE
    assert events(lambda: product.upsert(id=9, name="f")) == CREATE
    assert events(lambda: product.upsert(name="f", code="f")) == CREATE
    assert events(lambda: product.upsert_with_where({"code": "a"}, {"name": "g"})) == CHANGE
    assert events(lambda: product.upsert_with_where({"code": "z"}, {"name": "h"})) == [
        "access",
        *CREATE,
    ]
    assert events(lambda: product.replace_or_create({"id": 1, "name": "i", "code": "a"})) == CHANGE
    assert events(lambda: product.replace_or_create({"name": "j"})) == CREATE
    assert events(lambda: product.find_or_create({"code": "a"}, {"name": "k"})) == [
        *("access", "loaded")
    ]
    assert events(lambda: product.find_or_create({"code": "k"}, {"name": "k"})) == [
        "access",
        *CREATE,
    ]
    assert events(lambda: product.update_all({"code": "a"}, {"name": "l"})) == [
        *("access", "before save", "persist", "after save")
    ]
    assert events(lambda: product.find(limit=2)) == ["access", "loaded", "loaded"]
    assert events(product.find_one) == ["access", "loaded"]
    assert events(lambda: product.find_by_id(1)) == ["access", "loaded"]
    assert events(lambda: product.find_by_id(1, {"fields": "name"})) == ["access", "loaded"]
    assert events(lambda: product.find_by_ids([2, 1])) == ["access", "loaded", "loaded"]
    assert events(found.reload) == ["access", "loaded"]
    assert events(product.count) == ["access"]
    assert events(lambda: product.exists(1)) == ["access"]
    assert events(lambda: product.destroy_by_id(2)) == DELETE
    assert events(lambda: product.destroy_by_id(2)) == ["access"]
    assert events(found.destroy) == DELETE
    assert events(lambda: product.destroy_all({"name": "nobody"})) == DELETE
    assert events(found.is_valid) == []


def test_events_of_remote_operations(product: type[Any], client: Any) -> None:
    product.create([{"name": "a", "code": "a"}, {"name": "b"}])
    seen = all_events(product)

    def events(verb: str, path: str, body: Any = None) -> list[str]:
        return during(seen, lambda: client.open(f"/api/products{path}", method=verb, json=body))

    assert events("POST", "", {"name": "c"}) == CREATE
    assert events("PATCH", "", {"id": 1, "name": "d"}) == CHANGE
    assert events("PATCH", "", {"name": "d"}) == CREATE
    assert events("PUT", "", {"id": 1, "name": "d", "code": "a"}) == CHANGE
    assert events("PUT", "/1", {"name": "d", "code": "a"}) == CHANGE
    assert events("PATCH", "/1", {"name": "d", "home": {"street": "x"}}) == CHANGE
    assert events("POST", '/upsertWithWhere?where={"code":"a"}', {"name": "e"}) == CHANGE
    assert events("POST", '/update?where={"code":"a"}', {"name": "e"}) == [
        *("access", "before save", "persist", "after save")
    ]
    assert events("GET", "?filter[limit]=2") == ["access", "loaded", "loaded"]
    assert events("GET", "/1") == ["access", "loaded"]
    assert events("GET", "/findOne") == ["access", "loaded"]
    assert events("GET", "/count") == ["access"]
    assert events("GET", "/1/exists") == ["access"]
    assert events("HEAD", "/1") == ["access"]
    assert events("DELETE", "/2") == DELETE
    assert events("PATCH", "/2", {"name": "f"}) == ["access"]


def test_an_operation_that_a_model_overrides_is_observed_too(
    source: DataSource, make_app: Apps
) -> None:
    class Product(Model):
        name: Prop[str]

        class Meta:
            data_source = source

        @classmethod
        def create(cls, data: Any = None, /, **values: Any) -> Any:
            return super().create({**(data or {}), **values, "name": "own"})

    source.auto_update()
    seen = all_events(Product)
    client = make_app(Product).test_client()
    assert client.post("/api/products", json={"name": "a"}).json["name"] == "own"
    assert seen == CREATE


def test_a_write_that_is_refused_ends_before_it_is_stored(product: type[Any]) -> None:
    product.create(name="a", code="x")
    seen = all_events(product)

    def refused(call: Callable[[], Any]) -> list[str]:
        with pytest.raises(ValidationError):
            call()
        return [seen.pop(0) for _ in range(len(seen))]

    assert refused(lambda: product.create(name="")) == ["before save"]
    assert refused(lambda: product.create(name="b", code="x")) == ["before save"]
    assert refused(lambda: product.create([{"name": "b"}, {"name": ""}])) == ["before save"] * 2
    assert refused(lambda: product.upsert(id=1, name="")) == ["access", "loaded", "before save"]
    assert refused(lambda: product.update_all({}, {"name": ""})) == ["access", "before save"]
    assert product.count() == 1


def test_what_only_serves_the_plan_is_told_to_nobody(product: type[Any]) -> None:
    """Uniqueness looks at all records, also at those that this caller is not shown."""
    product.create([{"name": "a", "code": "x"}, {"name": "b", "code": "y"}])
    product.validate("name", lambda it: it.name != "bad")
    queries: list[Any] = []

    @product.observe("access")
    def only_b(ctx: Any) -> None:
        queries.append(ctx.query)
        ctx.narrow({"code": "y"})

    with pytest.raises(ValidationError):
        product.create(name="c", code="x")
    assert queries == []
    assert product.update_all({}, {"name": "c"}) == 1
    with pytest.raises(ValidationError):
        product.update_all({}, {"code": "x"})
    assert len(queries) == 2


# One merged view


def test_a_new_record_is_whole_before_it_is_saved(product: type[Any]) -> None:
    views: list[Any] = []

    @product.observe("before save")
    def look(ctx: Any) -> None:
        views.append((ctx.is_new, ctx.current, ctx.where, dict(ctx.data), ctx.instance.to_record()))
        assert isinstance(ctx.instance, product)
        assert isinstance(ctx.instance.home, Address)
        assert ctx.instance.is_new_record()

    product.create({"name": "a", "home": {"street": "x"}})
    is_new, current, where, data, record = views[0]
    assert (is_new, current, where) == (True, None, None)
    assert record["unit_price"] == 1.5
    assert record["home"] == {"street": "x", "zip_code": None}
    assert data.keys() == record.keys()
    assert data["name"] == "a"


@pytest.mark.parametrize("by", ["instance", "data", "wire"])
def test_what_is_set_is_seen_validated_and_stored(product: type[Any], by: str) -> None:
    price: Any = None

    @product.observe("before save")
    def set_price(ctx: Any) -> None:
        if by == "instance":
            ctx.instance.unit_price = price
        else:
            ctx.data["unit_price" if by == "data" else "unitPrice"] = price
        assert ctx.instance.unit_price == price
        if ctx.is_new or price != ctx.current.unit_price:
            assert ctx.data["unitPrice"] == ctx.data["unit_price"] == price

    for price in (2, 3.5):
        created = product.create(name="a", unit_price=-5)
        assert created.unit_price == price
        assert created.patch_attributes(name="b").unit_price == price
        assert product.replace_by_id(created.id, {"name": "c"}).unit_price == price
        assert product.find_by_id(created.id).unit_price == price
    price = -1
    for write in (
        lambda: product.create(name="a"),
        lambda: product.upsert(id=1, name="b"),
        lambda: product.replace_by_id(1, {"name": "b"}),
    ):
        with pytest.raises(ValidationError) as caught:
            write()
        assert caught.value.details["codes"] == {"unit_price": ["min"]} or caught.value.failures
        assert {each.path for each in caught.value.failures} == {("unit_price",)}
    assert product.find_by_id(1).name == "c"


def test_an_observer_gives_what_is_missing_and_gets_only_values_of_their_types(
    product: type[Any],
) -> None:
    seen: list[Any] = []

    @product.observe("before save")
    def mend(ctx: Any) -> None:
        seen.append(ctx.data.get("unit_price"))
        if ctx.data.get("unit_price") is None:
            ctx.data["unit_price"] = "0"
        if ctx.instance is not None and ctx.instance.name is None:
            ctx.instance.name = "nameless"

    assert product.create(unit_price="7").unit_price == 7
    assert product.find_one().name == "nameless"
    assert product.find_one().patch_attributes(unit_price=None).unit_price == 0
    assert seen == [7, None]
    for refused in (
        lambda: product.create(unit_price="cheap"),
        lambda: product.find_one().patch_attributes(unit_price="cheap"),
        lambda: product.update_all({}, {"unit_price": "cheap"}),
        lambda: product.create([{"name": "a"}, {"name": "b", "unit_price": "cheap"}]),
    ):
        with pytest.raises(ValidationError, match="is not a number"):
            refused()
    assert seen == [7, None, 1.5]
    assert product.count() == 1


def test_values_that_are_changed_in_place_are_stored(product: type[Any]) -> None:
    given = {"name": "a", "tags": ["x"], "data": {"n": [1]}, "home": {"street": "x"}}

    @product.observe("before save")
    def change(ctx: Any) -> None:
        ctx.instance.tags.append("y")
        ctx.instance.data["n"].append(2)
        assert ctx.data["data"] is ctx.instance.data
        ctx.instance.home.street = "new"
        ctx.data["homes"] = [{"street": "z", "zipCode": "1"}]
        assert isinstance(ctx.instance.homes[0], Address)

    created = product.create(given)
    stored = product.find_by_id(created.id)
    for each in (created, stored):
        assert (each.tags, each.data, each.home.street) == (["x", "y"], {"n": [1, 2]}, "new")
        assert each.homes[0].zip_code == "1"
    assert given["tags"] == ["x"]
    assert given["data"] == {"n": [1]}
    created.patch_attributes(name="b")
    stored = product.find_by_id(created.id)
    assert (stored.tags, stored.data) == (["x", "y", "y"], {"n": [1, 2, 2]})


def test_a_patch_writes_what_is_given_and_what_observers_change(product: type[Any]) -> None:
    created = product.create(name="a", code="x", tags=["t"])
    written: list[Any] = []

    @product.observe("before save")
    def change(ctx: Any) -> None:
        assert dict(ctx.data) == {"name": "b"}
        assert "tags" not in ctx.data
        assert ctx.instance.tags == ["t"]
        assert ctx.current.name == "a"
        ctx.instance.tags.append("u")
        assert dict(ctx.data) == {"name": "b", "tags": ["t", "u"]}
        assert ctx.current.tags == ["t"]

    @product.observe("persist")
    def look(ctx: Any) -> None:
        written.append(dict(ctx.data))

    created.patch_attributes(name="b")
    assert written == [{"name": "b", "tags": ["t", "u"]}]


def test_what_is_taken_out_is_not_written(product: type[Any]) -> None:
    created = product.create(name="a", unit_price=9, code="x")
    shown: list[Any] = []

    @product.observe("before save")
    def take_out(ctx: Any) -> None:
        del ctx.data["unitPrice"]
        ctx.data.pop("name", None)
        if ctx.is_new:
            ctx.data["name"] = "again"
        if ctx.instance is not None:
            shown.append((ctx.instance.unit_price, ctx.instance.name))
        with pytest.raises(KeyError):
            del ctx.data["nothing"]

    assert product.create(name="b", unit_price=7).unit_price == 1.5
    assert created.patch_attributes(name="c", unit_price=8, code="y").code == "y"
    assert product.update_all({"code": "y"}, {"name": "z", "unit_price": 5, "origin": "o"}) == 1
    stored = product.find_by_id(created.id)
    assert (stored.name, stored.unit_price, stored.origin) == ("a", 9, "o")
    with pytest.raises(ValidationError):
        product.replace_by_id(created.id, {"name": "c", "unit_price": 1})
    assert shown == [(1.5, "again"), (9, "a"), (1.5, None)]


def test_data_may_be_replaced_as_a_whole(product: type[Any]) -> None:
    created = product.create(name="a", code="x")

    @product.observe("before save")
    def put(ctx: Any) -> None:
        ctx.data = {"name": "put", "unitPrice": 3}

    created.patch_attributes(name="b", code="y")
    assert (created.name, created.unit_price, created.code) == ("put", 3, "x")
    assert product.create(name="b", code="z").code is None
    assert product.update_all({}, {"code": "same"}) == 2
    assert {each.name for each in product.find()} == {"put"}


def test_a_name_that_is_no_property_is_refused(product: type[Any]) -> None:
    @product.observe("before save")
    def mistake(ctx: Any) -> None:
        ctx.data["unit_prise"] = 3

    with pytest.raises(TypeError, match=r"unit_prise.*unit_price"):
        product.create(name="a")


def test_server_code_sets_what_clients_cannot(product: type[Any], client: Any) -> None:
    @product.observe("before save")
    def stamp(ctx: Any) -> None:
        ctx.instance.score = 5
        ctx.data["origin"] = "server"
        ctx.data["secret"] = "s"

    body = {"name": "a", "score": 1, "origin": "client"}
    created = client.post("/api/products", json=body).json
    assert (created["score"], created["origin"], "secret" in created) == (5, "server", False)
    changed = client.patch("/api/products/1", json={"name": "b", "origin": "client"}).json
    assert (changed["score"], changed["origin"]) == (5, "server")
    assert product.find_by_id(1).secret == "s"


def test_the_id_of_a_record_that_is_there_stays(product: type[Any]) -> None:
    product.create(name="a")
    chosen: list[str] = []

    @product.observe("before save")
    def choose(ctx: Any) -> None:
        if "before save" in chosen:
            ctx.data["id"] = 77

    @product.observe("persist")
    def choose_late(ctx: Any) -> None:
        if "persist" in chosen:
            ctx.data["id"] = 77

    for event in ("before save", "persist"):
        chosen[:] = [event]
        for write in (
            lambda: product.upsert(id=1, name="b"),
            lambda: product.replace_by_id(1, {"name": "b"}),
            lambda: product.update_all({}, {"name": "b"}),
        ):
            with pytest.raises(BadRequest, match="id"):
                write()
    assert product.find()[0].to_record() == product.find_by_id(1).to_record()
    chosen[:] = ["before save"]
    assert product.create(name="c").id == 77


def test_the_same_instance_carries_what_is_stored(product: type[Any]) -> None:
    instances: list[Any] = []

    @product.observe("before save")
    def keep(ctx: Any) -> None:
        ctx.instance.unit_price = "2.5"
        ctx.hook_state["instance"] = ctx.instance

    @product.observe("after save")
    def compare(ctx: Any) -> None:
        assert ctx.hook_state["instance"] is ctx.instance
        instances.append(ctx.instance)

    created = product.create(name="a")
    assert instances[0].to_record() == created.to_record()
    assert instances[0].id == created.id is not None
    assert instances[0].unit_price == 2.5
    assert not instances[0].is_new_record()
    new = product(name="b")
    assert new.save() is new
    assert new.to_record() == instances[1].to_record()
    assert new.patch_attributes(name="c").unit_price == 2.5


def test_what_after_save_changes_is_not_stored_nor_given(product: type[Any]) -> None:
    @product.observe("after save")
    def change(ctx: Any) -> None:
        ctx.instance.name = "z"
        ctx.instance.tags.append("late")

    assert product.create(name="a", tags=["t"]).to_record() == product.find_one().to_record()
    assert product.find_one().tags == ["t"]


def test_persist_changes_what_is_stored_without_validation(product: type[Any]) -> None:
    @product.observe("persist")
    def encrypt(ctx: Any) -> None:
        assert ctx.instance.unit_price is None or isinstance(ctx.instance.unit_price, int | float)
        if ctx.data.get("secret"):
            ctx.data["secret"] = ctx.data["secret"][::-1]
        ctx.data["unit_price"] = -1

    @product.observe("loaded")
    def decrypt(ctx: Any) -> None:
        if ctx.data.get("secret"):
            ctx.data["secret"] = ctx.data["secret"][::-1]

    def stored() -> Any:
        source: Any = product.data_source
        return source.connector.get(product.definition, 1).records()[0]["secret"]

    created = product.create(name="a", secret="abc", unit_price="4")
    assert (created.secret, created.unit_price, stored()) == ("abc", -1, "cba")
    assert product.find_by_id(1).secret == "abc"
    with pytest.raises(ValidationError):
        created.save()
    created.unit_price = 3
    created.save()
    assert (created.secret, stored()) == ("abc", "cba")
    created.patch_attributes(unit_price=1)
    assert (created.secret, stored()) == ("abc", "cba")
    assert product.replace_by_id(1, {"name": "b", "secret": "xyz"}).secret == "xyz"
    assert stored() == "zyx"


def test_changes_to_all_that_match(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}])
    after: list[Any] = []

    @product.observe("before save")
    def change(ctx: Any) -> None:
        assert ctx.instance is None
        assert ctx.current is None
        assert not ctx.is_new
        assert ctx.data["tags"] == ["t"]
        ctx.data["unitPrice"] = "4"
        ctx.data["tags"].append("u")
        ctx.narrow({"name": "b"})

    @product.observe("after save")
    def look(ctx: Any) -> None:
        after.append((ctx.count, dict(ctx.data), ctx.instance))

    assert product.update_all({}, {"tags": ["t"]}) == 1
    assert after == [(1, {"tags": ["t", "u"], "unit_price": 4}, None)]
    assert [(each.tags, each.unit_price) for each in product.find()] == [
        (None, 1.5),
        (["t", "u"], 4),
    ]


def test_each_of_several_records_has_a_view_of_its_own(product: type[Any]) -> None:
    @product.observe("before save")
    def name(ctx: Any) -> None:
        ctx.hook_state["name"] = ctx.instance.name
        ctx.instance.name += "!"
        if ctx.instance.name == "bad!":
            ctx.instance.name = ""

    @product.observe("after save")
    def check(ctx: Any) -> None:
        assert ctx.hook_state["name"] + "!" == ctx.instance.name
        assert ctx.instance.id is not None

    created = product.create([{"name": "a"}, {"name": "b"}])
    assert [each.name for each in created] == ["a!", "b!"]
    with pytest.raises(ValidationError) as caught:
        product.create([{"name": "c"}, {"name": "bad"}])
    assert {each.path for each in caught.value.failures} == {(1, "name")}
    assert product.count() == 2


def test_uniqueness_looks_at_what_observers_set(product: type[Any]) -> None:
    product.create(name="a", code="A")

    @product.observe("before save")
    def upper(ctx: Any) -> None:
        if ctx.data.get("code"):
            ctx.data["code"] = ctx.data["code"].upper()

    with pytest.raises(ValidationError):
        product.create(name="b", code="a")
    with pytest.raises(ValidationError):
        product.create([{"name": "b", "code": "b"}, {"name": "c", "code": "B"}])
    assert product.count() == 1


def test_deleted_records_are_shown(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    shown: list[Any] = []

    @product.observe("before delete")
    def before(ctx: Any) -> None:
        ctx.hook_state["name"] = ctx.instance and ctx.instance.name
        assert ctx.count is None

    @product.observe("after delete")
    def after(ctx: Any) -> None:
        shown.append((ctx.hook_state["name"], ctx.instance and ctx.instance.id, ctx.count))

    product.destroy_by_id(1)
    product.find_by_id(2).destroy()
    product.destroy_by_id(99)
    product.destroy_all()
    product.destroy_all()
    assert shown == [("a", 1, 1), ("b", 2, 1), (None, None, 1), (None, None, 0)]


def test_before_delete_decides_what_is_deleted(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "keep"}])

    @product.observe("before delete")
    def keep(ctx: Any) -> None:
        ctx.narrow(product.name != "keep")

    assert product.destroy_by_id(2) == 0
    assert product.destroy_all() == 1
    assert [each.name for each in product.find()] == ["keep"]


def test_a_model_that_is_not_strict(memory_source: DataSource) -> None:
    thing = memory_source.create_model("thing", {"name": str}, strict=False)

    @thing.observe("before save")
    def change(ctx: Any) -> None:
        ctx.data["added"] = {"n": 1}
        ctx.data.pop("gone", None)
        if ctx.is_new:
            ctx.instance.by_attribute = 2
            assert ctx.data["by_attribute"] == 2
        else:
            assert "by_attribute" not in ctx.data
            assert ctx.instance.by_attribute == 2

    created = thing.create(name="a", gone=1, kept=2)
    expected = {"name": "a", "kept": 2, "added": {"n": 1}, "by_attribute": 2, "id": 1}
    assert created.to_record() == thing.find_by_id(1).to_record() == expected
    created.patch_attributes(kept=3)
    assert thing.find_by_id(1).to_record() == {**expected, "kept": 3}


def test_a_schema_of_the_users_own(product: type[Any]) -> None:
    class ProductSchema(type(product.schema)):  # type: ignore[misc]
        score = fields.Integer(dump_only=True)
        name = fields.String(required=True)

    product.schema = ProductSchema

    @product.observe("before save")
    def change(ctx: Any) -> None:
        ctx.data["name"] = ctx.data["name"].upper()
        ctx.data["score"] = "7"

    assert product.create(name="a", unit_price=2).to_record()["score"] == 7
    assert product.find_one().to_record()["name"] == "A"
    assert product.find_one().patch_attributes(name="b").name == "B"


def test_a_default_is_made_once(memory_source: DataSource) -> None:
    made: list[int] = []

    def default() -> int:
        made.append(1)
        return len(made)

    thing = memory_source.create_model(
        "thing", {"name": str, "number": {"type": int, "default": default}}
    )
    shown: list[int] = []

    @thing.observe("before save")
    def change(ctx: Any) -> None:
        shown.append(ctx.instance.number)
        ctx.instance.name = "changed"

    created = thing.create(name="a")
    assert (created.number, shown, made) == (1, [1], [1])


def test_an_id_of_several_properties(source: DataSource) -> None:
    seat = source.create_model(
        "seat",
        {"row": {"type": str, "id": 1}, "number": {"type": int, "id": 2}, "guest": str},
    )
    source.auto_update()
    seen = all_events(seat)

    @seat.observe("access")
    def front(ctx: Any) -> None:
        ctx.narrow({"row": "a"})

    assert during(seen, lambda: seat.create(row="a", number=1)) == CREATE
    seat.create(row="b", number=1)
    changed = seat.find_by_id(("a", 1))
    assert during(seen, lambda: changed.patch_attributes(guest="Ada")) == CHANGE
    assert seat.find_by_id(("b", 1)) is None
    assert seat.count() == 1
    with pytest.raises(ModelNotFound):
        seat.replace_by_id(("b", 1), {"guest": "Bob"})
    assert seat.destroy_by_id(("b", 1)) == 0
    assert changed.destroy() == 1


# Which records


@pytest.fixture
def tenants(product: type[Any], client: Any) -> type[Any]:
    """Records 1 and 2 are ours, 3 and 4 are others'; their codes are m1, m2, o3, o4."""
    product.create(
        [
            {"name": name, "code": f"{name[0]}{number}", "secret": name, "home": {"street": name}}
            for number, name in enumerate(["mine", "mine", "others", "others"], 1)
        ]
    )
    product.observe("access")(lambda ctx: ctx.narrow({"secret": "mine"}))
    return product


def unobserved(model: Any) -> list[Any]:
    definition, parser = model.definition, model.__loop_plan__().parser
    rows = model.data_source.connector.select(definition, parser.filter(None))
    return list(rows.records())


def test_records_that_were_narrowed_away_are_not_there(tenants: type[Any]) -> None:
    before = unobserved(tenants)
    others = tenants.from_record(before[2])
    assert [each.id for each in tenants.find()] == [1, 2]
    assert [each.id for each in tenants.find(order="id DESC", limit=1)] == [2]
    assert tenants.find(where={"or": [{"id": 3}, {"secret": "others"}]}) == []
    assert tenants.find_one({"id": 3}) is None
    assert tenants.find_by_id(3) is None
    assert tenants.find_by_id(3, {"fields": ["name"]}) is None
    assert [each.id for each in tenants.find_by_ids([4, 2, 3])] == [2]
    assert (tenants.count(), tenants.count({"id": 3})) == (2, 0)
    assert (tenants.exists(2), tenants.exists(3)) == (True, False)
    for refused in (
        others.reload,
        others.save,
        lambda: others.patch_attributes(name="x"),
        lambda: others.update_attribute("name", "x"),
        lambda: others.replace_attributes({"name": "x"}),
        lambda: tenants.replace_by_id(3, {"name": "x"}),
        lambda: tenants.upsert(id=3, name="x"),
        lambda: tenants.update_or_create(id=3, name="x"),
        lambda: tenants.replace_or_create({"id": 3, "name": "x"}),
    ):
        with pytest.raises(NotFound):
            refused()
    assert others.destroy() == 0
    assert tenants.destroy_by_id(3) == 0
    assert tenants.destroy_all({"id": 3}) == 0
    assert tenants.update_all({"id": 3}, {"name": "x"}) == 0
    with pytest.raises(ValidationError):
        tenants.upsert_with_where({"code": "o3"}, {"name": "x", "code": "o3"})
    with pytest.raises(ValidationError):
        tenants.find_or_create({"code": "o3"}, {"name": "x", "code": "o3"})
    assert unobserved(tenants) == before
    tenants.upsert_with_where({}, {"name": "new"}) if tenants.destroy_by_id(2) else None
    assert [each["name"] for each in unobserved(tenants)] == ["new", "others", "others"]
    assert tenants.update_all({}, {"name": "all"}) == 1
    assert tenants.destroy_all() == 1
    assert [each["name"] for each in unobserved(tenants)] == ["others", "others"]


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/3", None),
        ("GET", "/3?filter[fields]=name", None),
        ("HEAD", "/3", None),
        ("PATCH", "/3", {"name": "x"}),
        ("PATCH", "/3", {"home": {"street": "x"}}),
        ("PATCH", "/3", {"name": ""}),
        ("PATCH", "/3", {"home": {}}),
        ("PUT", "/3", {"name": "x"}),
        ("PUT", "/3", {}),
        ("POST", "/3/replace", {"name": "x"}),
        ("PATCH", "", {"id": 3, "name": "x"}),
        ("PUT", "", {"id": 3, "name": "x"}),
        ("POST", "/replaceOrCreate", {"id": 3, "name": "x"}),
        ("GET", '/findOne?filter={"where":{"id":3}}', None),
    ],
)
def test_over_rest_others_records_answer_as_unknown_ones(
    tenants: type[Any], client: Any, verb: str, path: str, body: Any
) -> None:
    before = unobserved(tenants)
    answers = []
    for id in (3, 999):
        sent = {**body, "id": id} if body and "id" in body else body
        place = "/api/products" + path.replace("3", str(id))
        response = client.open(place, method=verb, json=sent)
        answers.append((response.status_code, response.text.replace(str(id), "?")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert unobserved(tenants) == before


def test_over_rest_nothing_reaches_others_records(tenants: type[Any], client: Any) -> None:
    before = unobserved(tenants)
    assert client.delete("/api/products/3").json == {"count": 0}
    assert client.get("/api/products/3/exists").json == {"exists": False}
    assert client.get("/api/products/count").json == {"count": 2}
    assert [each["id"] for each in client.get("/api/products").json] == [1, 2]
    where = '{"code":"o3"}'
    assert client.post(f"/api/products/update?where={where}", json={"name": "x"}).json == {
        "count": 0
    }
    body = {"name": "x", "code": "o3"}
    response = client.post(f"/api/products/upsertWithWhere?where={where}", json=body)
    assert response.status_code == 422
    assert unobserved(tenants) == before


def test_an_overridden_operation_gets_nothing_of_others_records(
    source: DataSource, make_app: Apps
) -> None:
    given: list[Any] = []

    class Product(Model):
        name: Prop[str]
        owner: Prop[str] = prop(hidden=True)
        home: Prop[Address | None] = prop(default=None)

        class Meta:
            data_source = source

        @classmethod
        def replace_by_id(cls, id: Any, data: Any) -> Any:
            given.append(data)
            return super().replace_by_id(id, data)

        def patch_attributes(self, data: Any = None, /, **values: Any) -> Any:
            given.append(data)
            return super().patch_attributes(data, **values)

    source.auto_update()
    Product.create([{"name": "a", "owner": "me"}, {"name": "b", "owner": "you"}])
    Product.observe("access")(lambda ctx: ctx.narrow({"owner": "me"}))
    client = make_app(Product).test_client()
    assert client.put("/api/products/2", json={"name": "x"}).status_code == 404
    assert client.patch("/api/products/2", json={"home": {"street": "x"}}).status_code == 404
    assert given == []
    assert client.put("/api/products/1", json={"name": "x"}).status_code == 200
    assert given == [{"name": "x", "owner": "me"}]


def test_an_operation_on_one_record_stays_on_it(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}])
    observe_once: list[str] = []

    def lead_astray(ctx: Any) -> None:
        if ctx.event in observe_once:
            ctx.where = {"id": 2}

    for event in ("access", "before save", "before delete"):
        product.observe(event)(lead_astray)
    observe_once[:] = ["access"]
    assert product.find_by_id(1) is None
    assert product.destroy_by_id(1) == 0
    for event in ("access", "before save"):
        observe_once[:] = [event]
        with pytest.raises(ModelNotFound):
            product.upsert(id=1, name="x")
        with pytest.raises(ModelNotFound):
            product.replace_by_id(1, {"name": "x"})
    observe_once[:] = ["before delete"]
    assert product.destroy_by_id(1) == 0
    observe_once[:] = ["access"]
    assert [each.id for each in product.find({"where": {"id": 1}})] == [2]
    assert [each.name for each in product.find_by_ids([1, 2])] == ["b"]
    observe_once.clear()
    assert [each.name for each in product.find()] == ["a", "b"]


def test_access_may_change_the_query(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])

    @product.observe("access")
    def change(ctx: Any) -> None:
        assert isinstance(ctx.query, Filter)
        assert ctx.instance is ctx.data is ctx.current is ctx.count is None
        ctx.query = {"order": "name DESC", "limit": 2, "fields": ["name"]}

    found = product.find()
    assert [each.name for each in found] == ["c", "b"]
    assert not hasattr(found[0], "id")


def test_a_where_is_decided_in_time(product: type[Any]) -> None:
    problems: list[str] = []

    def narrow(ctx: Any) -> None:
        with pytest.raises(TypeError) as caught:
            ctx.narrow({"name": "a"})
        problems.append(str(caught.value))
        with pytest.raises(TypeError):
            ctx.where = {}
        with pytest.raises(TypeError):
            ctx.query = {}

    for event in ("before save", "persist", "loaded", "after save", "after delete"):
        product.observe(event)(narrow)
    product.create(name="a")
    assert "is_new" in problems[0]
    product.destroy_all()
    assert "before 'after delete'" in problems[-1]


def test_a_where_that_means_nothing_is_refused(product: type[Any]) -> None:
    wheres: list[Any] = [{"nowhere": 1}, None]
    product.observe("access")(lambda ctx: ctx.narrow(wheres[0]))
    with pytest.raises(FilterError):
        product.find()
    del wheres[0]
    with pytest.raises(TypeError, match="not None"):
        product.find()


def test_pages_are_cut_as_without_observers(source: DataSource, make_app: Apps) -> None:
    product = source.create_model("product", {"name": str})
    source.auto_update()
    product.create([{"name": name} for name in "abcde"])
    limits: list[Any] = []
    seen: list[str] = []
    product.observe("access")(lambda ctx: limits.append(ctx.query.limit))
    product.observe("access")(lambda ctx: ctx.narrow({"name": {"neq": "b"}}))
    product.observe("loaded")(lambda ctx: seen.append(ctx.instance.name))
    client = make_app(product, LOOP_MAX_LIMIT=2).test_client()
    first = client.get("/api/products")
    assert [each["name"] for each in first.json] == seen == ["a", "c"]
    assert limits == [None]
    link = first.headers["Link"].partition(">")[0][1:]
    second = client.get(link)
    assert [each["name"] for each in second.json] == ["d", "e"]
    assert "Link" not in second.headers


# Records that were read


def test_what_loaded_changes_is_what_callers_and_the_wire_get(
    product: type[Any], client: Any
) -> None:
    product.create([{"name": "a", "tags": ["t"], "home": {"street": "x"}}, {"name": "b"}])

    @product.observe("loaded")
    def change(ctx: Any) -> None:
        assert ctx.instance.name == ctx.data["name"]
        ctx.instance.name += "!"
        ctx.data["unitPrice"] = 9
        ctx.data["secret"] = "shown to nobody"
        if ctx.instance.tags:
            ctx.instance.tags.append("u")
            ctx.instance.home.street = "y"
        else:
            del ctx.data["tags"]
            ctx.data["home"] = {"street": "z"}

    first = product.find_by_id(1)
    assert (first.name, first.unit_price, first.tags) == ("a!", 9, ["t", "u"])
    assert first.home.street == "y"
    assert product.find()[1].home.street == "z"
    assert product.find_by_id(1).reload().name == "a!"
    wire = client.get("/api/products").json
    assert wire[0]["name"] == "a!"
    assert wire[0]["unitPrice"] == 9
    assert wire[0]["home"]["street"] == "y"
    assert wire[1]["tags"] is None
    assert "secret" not in wire[0]
    assert client.get("/api/products/1").json == wire[0]
    assert client.get("/api/products/findOne").json == wire[0]
    assert product.count({"name": "a!"}) == 0


def test_loaded_has_what_was_selected(product: type[Any], client: Any) -> None:
    product.create(name="a")

    @product.observe("loaded")
    def change(ctx: Any) -> None:
        ctx.data["code"] = "not selected"
        if "name" in ctx.data:
            ctx.data["name"] = "changed"

    assert client.get("/api/products?filter[fields]=name").json == [{"name": "changed"}]
    found = product.find(fields=["name", "id"])[0]
    assert not hasattr(found, "code")
    assert product.find_by_ids([1], {"fields": "name"})[0].to_record() == {"name": "changed"}


def test_rows_stay_rows_where_nobody_looks_at_them(product: type[Any]) -> None:
    product.create(name="a")
    everyone = product.find()
    for event in EVENTS:
        if event != "loaded":
            product.observe(event)(lambda ctx: None)
    plan = product.__loop_plan__()
    assert isinstance(plan, ObservedPlan)
    made: list[Any] = []
    original = product.from_record
    product.from_record = classmethod(
        lambda cls, record, **named: made.append(record) or original(record, **named)
    )
    rows = plan.find(Filter(order=plan.parser.filter(None).order))
    assert rows.layout is product.data_source.connector.select(product.definition, Filter()).layout
    assert FoundMany(plan, rows).json()[0]["name"] == "a"
    assert made == []
    assert everyone[0].name == "a"


# Raising, transactions, recursion


@pytest.mark.parametrize("event", ["before save", "persist", "loaded", "after save"])
def test_raising_undoes_the_operation(product: type[Any], event: str) -> None:
    product.create(name="a")

    class Stop(Exception):
        pass

    def stop(ctx: Any) -> None:
        if ctx.instance is None or ctx.instance.name == "x":
            raise Stop

    product.observe(event)(stop)
    writes: list[Callable[[], Any]] = [
        lambda: product.create(name="x"),
        lambda: product.create([{"name": "y"}, {"name": "x"}]),
        lambda: product.upsert(id=1, name="x"),
        lambda: product.replace_by_id(1, {"name": "x"}),
        lambda: product.find_or_create({"name": "x"}, {"name": "x"}),
    ]
    if event != "loaded":
        writes.append(lambda: product.update_all({}, {"name": "x"}))
    for write in writes:
        with pytest.raises(Stop):
            write()
        assert [each["name"] for each in unobserved(product)] == ["a"]


def test_raising_undoes_a_deletion(product: type[Any]) -> None:
    product.create(name="a")

    @product.observe("after delete")
    def stop(ctx: Any) -> None:
        assert ctx.count == 1
        raise LookupError

    for delete in (
        lambda: product.destroy_by_id(1),
        product.destroy_all,
        product.find()[0].destroy,
    ):
        with pytest.raises(LookupError):
            delete()
        assert product.count() == 1


def test_an_observers_writes_are_undone_with_the_operation(
    product: type[Any], source: DataSource
) -> None:
    log = source.create_model("log", {"text": str})
    source.auto_update()

    @product.observe("before save")
    def write_log(ctx: Any) -> None:
        log.create(text=ctx.instance.name)

    @product.observe("access")
    def write_access(ctx: Any) -> None:
        log.create(text="access")

    product.create(name="a")
    with pytest.raises(ValidationError):
        product.create(name="")
    with pytest.raises(ValidationError):
        product.upsert(id=1, name="")
    assert [each.text for each in log.find()] == ["a"]


def test_an_observer_saves_other_records_of_its_model(product: type[Any]) -> None:
    @product.observe("after save")
    def copy(ctx: Any) -> None:
        if not ctx.instance.name.startswith("copy"):
            product.create(name=f"copy of {ctx.instance.name}")

    product.create(name="a")
    assert [each.name for each in product.find()] == ["a", "copy of a"]


@pytest.mark.parametrize(
    ("error", "status"), [(PermissionError("no"), 403), (NotFound("gone"), 404)]
)
def test_over_rest_an_error_has_its_status(
    product: type[Any], client: Any, error: Exception, status: int
) -> None:
    @product.observe("before save")
    def refuse(ctx: Any) -> None:
        raise error

    response = client.post("/api/products", json={"name": "a"})
    assert response.status_code == status
    assert response.json["error"]["message"] == str(error)


def test_hook_state_is_fresh_for_each_operation(product: type[Any]) -> None:
    states: list[Any] = []

    @product.observe("access")
    def begin(ctx: Any) -> None:
        assert ctx.hook_state == {}
        ctx.hook_state["access"] = True

    @product.observe("loaded")
    def note(ctx: Any) -> None:
        ctx.hook_state.setdefault("loaded", 0)
        ctx.hook_state["loaded"] += 1

    @product.observe("after save")
    def end(ctx: Any) -> None:
        states.append(ctx.hook_state)

    created = product.create(name="a")
    created.patch_attributes(name="b")
    product.find()
    assert states == [{"loaded": 1}, {"access": True, "loaded": 2}]


def test_options_travel_down_to_observers(product: type[Any], client: Any) -> None:
    seen: list[Any] = []

    @product.before_remote("create")
    def hand_down(ctx: Any) -> None:
        ctx.options["from_hook"] = True

    @product.observe("before save")
    def look(ctx: Any) -> None:
        seen.append((ctx.options, ctx.context and ctx.context.method_string, ctx.user))

    with options(skip=True):
        product.create(name="a")
    product.create(name="b")
    client.post("/api/products", json={"name": "c"})
    assert seen == [
        ({"skip": True}, None, None),
        ({}, None, None),
        ({"from_hook": True}, "products.create", None),
    ]


def test_an_observer_may_be_a_coroutine(product: type[Any]) -> None:
    @product.observe("before save")
    async def wait(ctx: Any) -> None:
        await asyncio.sleep(0)
        ctx.instance.name = "later"

    assert product.create(name="a").name == "later"


def test_operations_at_once_have_a_state_each(product: type[Any]) -> None:
    mixed: list[Any] = []

    @product.observe("before save")
    def before(ctx: Any) -> None:
        ctx.hook_state["name"] = ctx.instance.name
        ctx.instance.code = ctx.instance.name

    @product.observe("after save")
    def after(ctx: Any) -> None:
        if not ctx.hook_state["name"] == ctx.instance.name == ctx.instance.code:
            mixed.append(ctx.instance.to_record())

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: product.create(name=str(number)), range(40)))
    assert mixed == []
    assert all(each.name == each.code for each in created)
    assert product.count() == 40


# Whose observers


def test_observers_run_by_source_then_bases_then_model(source: DataSource) -> None:
    order: list[str] = []

    class Base(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Derived(Base):
        pass

    source.auto_update()
    for name, owner in (("derived", Derived), ("base", Base), ("source", source), ("more", Base)):
        owner.observe("before save")(lambda ctx, name=name: order.append(name))  # type: ignore[attr-defined]
    Derived.create(name="a")
    assert order == ["source", "base", "more", "derived"]
    order.clear()
    Base.create(name="a")
    assert order == ["source", "base", "more"]


def test_registrations_act_at_once(memory_source: DataSource) -> None:
    base = memory_source.create_model("base", {"name": str})
    derived = base.extend("derived")
    assert type(derived.__loop_plan__()) is Plan
    plan = derived.__loop_plan__()
    create_model("other", {"name": str}).observe("access")(lambda ctx: None)
    assert derived.__loop_plan__() is plan
    seen: list[str] = []
    base.observe("before save")(lambda ctx: seen.append("base"))
    derived.create(name="a")
    memory_source.observe("before save")(lambda ctx: seen.append("source"))
    derived.create(name="b")
    assert seen == ["base", "source", "base"]
    assert derived.__loop_plan__().serializer is plan.serializer


def test_a_model_that_is_attached_elsewhere_has_that_sources_observers() -> None:
    first, second = memory(), memory()
    seen: list[str] = []
    first.observe("before save")(lambda ctx: seen.append("first"))
    second.observe("before save")(lambda ctx: seen.append("second"))
    thing = first.create_model("thing", {"name": str})
    thing.create(name="a")
    thing.attach_to(second)
    thing.create(name="b")
    assert seen == ["first", "second"]


def test_the_data_source_of_an_app_is_observed(make_app: Apps) -> None:
    loop = Loop()
    db = loop.data_source("db")
    thing = db.create_model("thing", {"name": str})
    db.observe("before save")(lambda ctx: ctx.data.update(name="by source"))

    from flask import Flask

    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
    loop.init_app(app)
    with app.app_context():
        assert thing.create(name="a").name == "by source"


def test_model_itself_and_unknown_events_cannot_be_observed(product: type[Any]) -> None:
    with pytest.raises(TypeError):
        Model.observe("access")
    with pytest.raises(DefinitionError, match="before save"):
        product.observe("before saev")(lambda ctx: None)
    source: Any = product.data_source
    with pytest.raises(DefinitionError, match="loaded"):
        source.observe("load")(lambda ctx: None)


def test_remote_calls_of_an_observed_model_page_as_others(product: type[Any]) -> None:
    product.observe("access")(lambda ctx: None)
    plan = product.__loop_plan__()
    rows, is_cut = plan.page(plan.remote_parser(Bounds()).filter(None), None)
    assert (list(rows), is_cut) == ([], False)
