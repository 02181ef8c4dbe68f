from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from flask_loop import (
    DataSource,
    Model,
    Prop,
    ValidationError,
    create_data_source,
    prop,
)
from flask_loop.errors import BadRequest, DuplicateId, FilterError, ModelNotFound

Apps = Callable[..., Any]


class Address(Model):
    street: Prop[str]
    zip_code: Prop[str | None] = prop(default=None)

    class Meta:
        id_injection = False


@pytest.fixture
def product(source: DataSource) -> type[Any]:
    """A model with one property of each flag and a rule over two properties."""

    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=10)
        unit_price: Prop[float | None] = prop(default=1.5, min=0)
        limit_price: Prop[float | None] = prop(default=None)
        code: Prop[str | None] = prop(default=None, unique=True)
        note: Prop[str | None] = prop(default=None)
        secret: Prop[str | None] = prop(default=None, hidden=True)
        pin: Prop[str | None] = prop(default=None, write_only=True)
        score: Prop[int | None] = prop(default=None, read_only=True)
        origin: Prop[str | None] = prop(default=None, create_only=True)
        home: Prop[Address | None] = prop(default=None)

        class Meta:
            data_source = source

    Product.validate(
        "unit_price",
        lambda it: it.limit_price is None or it.unit_price <= it.limit_price,
        message="is above the limit",
    )
    source.auto_update()
    return Product


@pytest.fixture
def client(product: type[Any], make_app: Apps) -> Any:
    return make_app(product).test_client()


def codes_of(write: Callable[[], Any]) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        write()
    codes: dict[str, list[str]] = caught.value.details["codes"]
    return codes


def refused_with(response: Any, status: int) -> Any:
    assert response.status_code == status
    return response.json["error"]


# create


def test_create_gives_an_instance_with_its_id_defaults_and_types(product: type[Any]) -> None:
    created = product.create({"name": "a", "unitPrice": "2.5", "home": {"street": "x"}})
    assert (created.id, created.unit_price, created.code) == (1, 2.5, None)
    assert isinstance(created.home, Address)
    assert not created.is_new_record()
    assert product.create(name="b").unit_price == 1.5
    assert product.create({"name": "c"}, unit_price=3).unit_price == 3
    assert product.count() == 3


def test_create_takes_an_instance(product: type[Any]) -> None:
    assert product.create(product(name="a")).id == 1


def test_create_refuses_an_id_that_is_taken(product: type[Any]) -> None:
    product.create(id=7, name="a")
    with pytest.raises(DuplicateId):
        product.create(id=7, name="b")
    assert product.find_by_id(7).name == "a"
    assert product.create(name="c").id == 8


def test_of_several_records_all_are_created_or_none(product: type[Any]) -> None:
    created = product.create([{"name": "a"}, {"name": "b", "code": "x"}])
    assert [(each.id, each.name) for each in created] == [(1, "a"), (2, "b")]
    assert product.create([]) == []
    codes = codes_of(
        lambda: product.create(
            [
                {"name": "c"},
                {"name": ""},
                {"name": "d", "unit_price": "x", "home": {}},
                {"name": "e" * 11, "limit_price": 1},
                {"name": "f", "code": "x"},
                {"name": "g", "code": "y"},
                {"name": "h", "code": "y"},
            ]
        )
    )
    assert codes == {
        "1.name": ["presence"],
        "2.unit_price": ["number"],
        "2.home.street": ["presence"],
        "3.name": ["length.max"],
        "3.unit_price": ["custom"],
        "4.code": ["uniqueness"],
        "6.code": ["uniqueness"],
    }
    assert product.count() == 2


def test_an_id_that_is_taken_undoes_the_whole_list(product: type[Any]) -> None:
    product.create(id=2, name="a")
    with pytest.raises(DuplicateId):
        product.create([{"name": "b", "id": 1}, {"name": "c", "id": 2}])
    assert [each.name for each in product.find()] == ["a"]


def test_over_rest_failures_of_a_list_are_told_by_index(product: type[Any], client: Any) -> None:
    body = [{"name": "a"}, {"id": 5, "name": "b"}, {"unitPrice": -1}]
    error = refused_with(client.post("/api/products", json=body), 422)
    assert error["details"]["codes"]["1.id"] == ["absence"]
    assert product.count() == 0
    body = [{"name": "a"}, {"unitPrice": -1}]
    error = refused_with(client.post("/api/products", json=body), 422)
    assert error["details"]["codes"] == {"1.name": ["presence"], "1.unitPrice": ["range.min"]}
    assert product.count() == 0


# patch


def test_a_patch_keeps_what_it_does_not_change(product: type[Any]) -> None:
    first = product.create(name="a", unit_price=5, note="n", secret="s")
    first.patch_attributes(name="b")
    found = product.find_by_id(1)
    assert (found.name, found.unit_price, found.note, found.secret) == ("b", 5, "n", "s")
    first.patch_attributes({"unitPrice": None})
    assert product.find_by_id(1).unit_price is None


def test_the_whole_record_must_be_valid_after_a_patch(product: type[Any], client: Any) -> None:
    first = product.create(name="a", unit_price=5, limit_price=10)
    assert codes_of(lambda: first.patch_attributes(limit_price=4)) == {"unit_price": ["custom"]}
    error = refused_with(client.patch("/api/products/1", json={"limitPrice": 4}), 422)
    assert error["details"] == {
        "context": "Product",
        "codes": {"unitPrice": ["custom"]},
        "messages": {"unitPrice": ["is above the limit"]},
    }
    assert product.find_by_id(1).limit_price == 10
    assert first.limit_price == 10
    assert first.errors == {"unit_price": ["is above the limit"]}
    assert client.patch("/api/products/1", json={"limitPrice": 5}).status_code == 200


def test_an_id_cannot_be_changed(product: type[Any], client: Any) -> None:
    first = product.create(name="a")
    for write in (first.patch_attributes, first.replace_attributes):
        with pytest.raises(BadRequest, match=r"id property \(id\) cannot be updated from 1 to 2"):
            write({"name": "b", "id": 2})
    with pytest.raises(BadRequest, match="cannot be updated for many"):
        product.update_all({}, {"id": 2})
    for response in (
        client.patch("/api/products/1", json={"id": 2}),
        client.put("/api/products/1", json={"id": 2, "name": "b"}),
    ):
        refused_with(response, 400)
    assert first.patch_attributes(id=1, name="b").name == "b"
    assert client.patch("/api/products/1", json={"id": 1}).status_code == 200
    assert [each.id for each in product.find()] == [1]


def test_writes_to_a_record_that_is_gone_say_so(product: type[Any]) -> None:
    first = product.create(name="a")
    product.destroy_by_id(1)
    for write in (
        first.save,
        first.reload,
        lambda: first.patch_attributes(name="b"),
        lambda: first.replace_attributes({"name": "b"}),
        lambda: product.replace_by_id(1, {"name": "b"}),
        lambda: product.replace_by_id("x", {"name": "b"}),
    ):
        with pytest.raises(ModelNotFound):
            write()
    assert product.count() == 0


# replace


def test_a_replacement_unsets_what_is_not_given(product: type[Any]) -> None:
    first = product.create(name="a", unit_price=5, note="n", secret="s", score=3)
    replaced = product.replace_by_id(1, {"name": "b"})
    assert replaced.to_record() == product.find_by_id(1).to_record()
    assert (replaced.name, replaced.unit_price, replaced.note) == ("b", 1.5, None)
    assert (replaced.secret, replaced.score) == (None, None)
    first.replace_attributes({"name": "c", "note": "m"})
    assert (first.name, first.note, first.unit_price) == ("c", "m", 1.5)
    assert codes_of(lambda: first.replace_attributes({"note": "m"})) == {"name": ["presence"]}


KEPT = {"secret": "s", "pin": "p", "score": 3, "origin": "o"}


@pytest.mark.parametrize(
    "put",
    [
        lambda client, body: client.put("/api/products/1", json=body),
        lambda client, body: client.post("/api/products/1/replace", json=body),
        lambda client, body: client.put("/api/products", json={**body, "id": 1}),
        lambda client, body: client.post("/api/products/replaceOrCreate", json={**body, "id": 1}),
    ],
)
def test_over_rest_a_replacement_keeps_what_the_client_cannot_see_or_write(
    product: type[Any], client: Any, put: Callable[[Any, Any], Any]
) -> None:
    product.create(name="a", unit_price=5, note="n", **KEPT)
    answer = put(client, {"name": "b"})
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["unitPrice"], answer.json["note"]) == ("b", 1.5, None)
    stored = product.find_by_id(1)
    assert {name: getattr(stored, name) for name in KEPT} == KEPT
    assert stored.note is None

    shown = client.get("/api/products/1").json
    assert "secret" not in shown
    assert "pin" not in shown
    assert put(client, {**shown, "note": "back"}).status_code == 200
    stored = product.find_by_id(1)
    assert {name: getattr(stored, name) for name in KEPT} == KEPT
    assert stored.note == "back"


def test_over_rest_read_only_is_dropped_and_the_rest_of_the_flags_can_be_written(
    product: type[Any], client: Any
) -> None:
    body = {"name": "a", "secret": "s", "pin": "p", "score": 9, "origin": "o"}
    assert client.post("/api/products", json=body).status_code == 200
    stored = product.find_by_id(1)
    assert (stored.secret, stored.pin, stored.score, stored.origin) == ("s", "p", None, "o")
    body = {"name": "a", "secret": "t", "pin": "q", "score": 9, "origin": "r"}
    for write in (client.patch, client.put):
        assert write("/api/products/1", json=body).status_code == 200
        stored = product.find_by_id(1)
        assert (stored.secret, stored.pin, stored.score, stored.origin) == ("t", "q", None, "o")
    client.post("/api/products/update?where[id]=1", json={"score": 9, "origin": "r"})
    stored = product.find_by_id(1)
    assert (stored.score, stored.origin) == (None, "o")


# upsert and its kin


def test_upsert_changes_the_record_with_the_id_or_creates_one(product: type[Any]) -> None:
    assert product.upsert(name="a", note="n").id == 1
    changed = product.upsert({"id": 1, "name": "b"})
    assert (changed.name, changed.note) == ("b", "n")
    assert product.upsert({"id": 9, "name": "c"}).id == 9
    assert product.update_or_create(id=9, note="m").name == "c"
    assert [each.name for each in product.find()] == ["b", "c"]


@pytest.mark.parametrize("name", ["upsert", "update_or_create", "replace_or_create"])
def test_an_id_of_the_wrong_type_is_a_failure_of_the_data(product: type[Any], name: str) -> None:
    for id in ("x", 1.5, True, [1]):
        codes = codes_of(lambda id=id: getattr(product, name)({"id": id, "name": "a"}))  # type: ignore[misc]
        assert codes == {"id": ["integer"]}
    assert product.count() == 0


def test_upsert_validates_unless_the_model_says_otherwise(source: DataSource) -> None:
    properties = {"name": {"type": str, "max_length": 2}}
    strict = source.create_model("strict", properties)
    lax = source.create_model("lax", properties, validate_upsert=False)
    source.auto_update()
    assert codes_of(lambda: strict.upsert(name="abc")) == {"name": ["length.max"]}
    strict.create(id=1, name="a")
    assert codes_of(lambda: strict.upsert(id=1, name="abc")) == {"name": ["length.max"]}
    assert lax.upsert(id=1, name="abc").name == "abc"
    assert lax.upsert(id=1, name="abcd").name == "abcd"
    assert codes_of(lambda: lax.upsert(id=1, name=5)) == {"name": ["string"]}
    assert codes_of(lambda: lax.create(name="abc")) == {"name": ["length.max"]}


def test_over_rest_upsert_cannot_choose_a_generated_id(product: type[Any], client: Any) -> None:
    for write in (client.patch, client.put):
        for id in (1, "x"):
            error = refused_with(write("/api/products", json={"id": id, "name": "a"}), 404)
            assert error["code"] == "MODEL_NOT_FOUND"
    assert product.count() == 0
    assert client.patch("/api/products", json={"name": "a"}).json["id"] == 1
    assert client.patch("/api/products", json={"id": 1, "note": "n"}).json["name"] == "a"


def test_over_rest_upsert_may_choose_an_id_where_the_model_lets_it(
    source: DataSource, make_app: Apps
) -> None:
    model = source.create_model("thing", {"name": str}, force_id=False)
    source.auto_update()
    client = make_app(model).test_client()
    assert client.patch("/api/things", json={"id": 5, "name": "a"}).json == {"name": "a", "id": 5}
    assert client.put("/api/things", json={"id": 6, "name": "b"}).json["id"] == 6
    for write in (client.patch, client.put):
        error = refused_with(write("/api/things", json={"id": "x", "name": "a"}), 422)
        assert error["details"]["codes"] == {"id": ["integer"]}


def test_upsert_with_where_changes_the_one_that_matches_or_creates_it(product: type[Any]) -> None:
    assert product.upsert_with_where({"name": "a"}, {"name": "a"}).id == 1
    changed = product.upsert_with_where(product.name == "a", {"note": "n"})
    assert (changed.id, changed.name, changed.note) == (1, "a", "n")
    assert codes_of(lambda: product.upsert_with_where({"name": "x"}, {"note": "n"})) == {
        "name": ["presence"]
    }
    product.create(name="a")
    with pytest.raises(BadRequest, match="multiple instances found"):
        product.upsert_with_where({"name": "a"}, {"note": "m"})
    with pytest.raises(BadRequest, match="cannot be updated from 1 to 2"):
        product.upsert_with_where({"id": 1}, {"id": 2})
    assert [each.note for each in product.find()] == ["n", None]


def test_replace_or_create_replaces_or_creates(product: type[Any]) -> None:
    assert product.replace_or_create({"name": "a", "note": "n"}).id == 1
    replaced = product.replace_or_create({"id": 1, "name": "b"})
    assert (replaced.name, replaced.note) == ("b", None)
    assert product.replace_or_create({"id": 9, "name": "c"}).id == 9
    assert codes_of(lambda: product.replace_or_create({"id": 1, "note": "n"})) == {
        "name": ["presence"]
    }


# find_or_create


def test_find_or_create_finds_the_first_record_or_creates_one(product: type[Any]) -> None:
    wanted = {"where": {"name": "a"}, "order": "id DESC"}
    first, created = product.find_or_create(wanted, {"name": "a", "note": "n"})
    assert (first.id, first.note, created) == (1, "n", True)
    second = product.create(name="a")
    again, created = product.find_or_create(wanted, {"name": "a", "note": "other"})
    assert (again.id, again.note, created) == (second.id, None, False)
    assert product.count() == 2


def test_find_or_create_takes_a_where_too(product: type[Any]) -> None:
    product.create(name="a")
    for where in ({"name": "a"}, product.name == "a"):
        assert product.find_or_create(where, {"name": "b"})[1] is False


def test_find_or_create_without_a_filter_looks_for_the_data(product: type[Any]) -> None:
    data = {"name": "a", "unitPrice": "5", "home": {"street": "x"}}
    first, created = product.find_or_create(None, data)
    assert created
    again, created = product.find_or_create(None, data)
    assert (again.id, created) == (first.id, False)
    assert product.find_or_create(None, {"name": "a"})[1] is False
    other, created = product.find_or_create(None, {**data, "note": "n"})
    assert created
    assert product.find_or_create(None, {"name": "a", "note": None})[0].id == first.id
    assert product.find_or_create(None, {"name": "a", "note": "n"})[0].id == other.id
    assert product.find_or_create(None, {"name": "a", "nosuch": 1})[1] is False
    for nothing in (None, {}, {"nosuch": 1}):
        with pytest.raises(TypeError, match="give a filter, or data"):
            product.find_or_create(None, nothing)


def test_data_that_is_looked_for_is_data_and_no_condition(source: DataSource) -> None:
    model = source.create_model("thing", {"name": str, "meta": dict, "tags": [str], "any": "any"})
    source.auto_update()
    model.create(name="a", meta={"x": 1}, tags=["t", "u"], any=["t"])
    assert codes_of(lambda: model.find_or_create(None, {"name": {"neq": "b"}})) == {
        "name": ["string"]
    }
    assert model.find_or_create(None, {"meta": {"neq": {"x": 2}}})[1] is True
    assert model.find_or_create(None, {"meta": {"x": 1}})[1] is False
    assert model.find_or_create(None, {"tags": ["t"]})[1] is True
    assert model.find_or_create(None, {"any": "v"})[1] is True
    assert model.find_or_create(None, {"any": ["t"]})[1] is False


def test_find_or_create_validates_what_it_creates(product: type[Any]) -> None:
    assert codes_of(lambda: product.find_or_create({"where": {"name": "a"}}, {})) == {
        "name": ["presence"]
    }
    assert codes_of(lambda: product.find_or_create(None, {"name": "a", "unit_price": "x"})) == {
        "unit_price": ["number"]
    }
    assert product.count() == 0


@pytest.mark.parametrize("connector", ["memory", "sqlite"])
@pytest.mark.parametrize("operation", ["find_or_create", "upsert_with_where"])
def test_nobody_gets_between_finding_and_creating(
    connector: str, operation: str, tmp_path: Any
) -> None:
    settings = {"memory": {}, "sqlite": {"url": f"sqlite:///{tmp_path}/things.sqlite"}}
    source = create_data_source(connector=connector, **settings[connector])
    model = source.create_model("thing", {"name": str, "number": int})
    source.auto_update()
    together = threading.Barrier(8)

    def run(number: int) -> Any:
        together.wait()
        if operation == "find_or_create":
            return model.find_or_create({"where": {"name": "a"}}, {"name": "a"})[1]
        return model.upsert_with_where({"name": "a"}, {"name": "a", "number": number}).id

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(run, range(8)))
    assert model.count() == 1
    if operation == "find_or_create":
        assert sorted(outcomes) == [False] * 7 + [True]
    else:
        assert outcomes == [1] * 8
    source.close()


# update_all and destroy_all


def test_update_all_changes_what_matches_and_nothing_else(product: type[Any]) -> None:
    product.create([{"name": "a", "note": "x"}, {"name": "b", "note": "x"}, {"name": "c"}])
    assert product.update_all({"note": "x"}, {"unitPrice": "7", "nosuch": 1}) == 2
    assert [each.unit_price for each in product.find()] == [7, 7, 1.5]
    assert product.update_all({}, {}) == 3
    assert product.update_all({"name": "nobody"}, {"note": "y"}) == 0
    assert codes_of(lambda: product.update_all({}, {"unit_price": "x", "name": None})) == {
        "unit_price": ["number"],
        "name": ["presence"],
    }
    assert codes_of(lambda: product.update_all({}, {"limit_price": 5})) == {
        "unit_price": ["custom"]
    }
    assert [each.note for each in product.find()] == ["x", "x", None]
    with pytest.raises(FilterError):
        product.update_all({"nosuch": 1}, {"note": "y"})


def test_update_all_does_not_fill_in_defaults(product: type[Any]) -> None:
    product.create(name="a", unit_price=9)
    product.update_all({}, {"note": "n"})
    assert product.find_by_id(1).unit_price == 9


def test_destroy_all_deletes_what_matches(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    assert product.destroy_all({"name": {"gt": "a"}}) == 2
    assert product.delete_all() == 1
    assert product.count() == 0


# Reading


def test_find_takes_one_filter_or_its_parts(product: type[Any]) -> None:
    product.create([{"name": name} for name in "cab"])
    expected = ["a", "b"]
    filter = {"where": {"name": {"lt": "c"}}, "order": "name", "limit": 5, "skip": 0}
    assert [each.name for each in product.find(filter)] == expected
    assert [each.name for each in product.find(**filter)] == expected
    assert [each.name for each in product.all({"order": "name"}, limit=2)] == expected
    assert [each.id for each in product.find(skip=1, limit=1)] == [2]
    assert product.find(limit=0) == []
    with pytest.raises(TypeError, match="'limit' is given twice"):
        product.find({"limit": 1}, limit=2)
    with pytest.raises(
        FilterError, match="include names 'category', which is no relation of Product"
    ):
        product.find({"include": "category"})


def test_what_fields_leave_out_is_not_there(product: type[Any]) -> None:
    product.create(name="a", note="n", home={"street": "s"})
    (found,) = product.find(fields=["id", "name", "home"])
    assert (found.id, found.name, found.home.street) == (1, "a", "s")
    with pytest.raises(AttributeError, match="note was not loaded"):
        _ = found.note
    assert found.to_dict() == {"name": "a", "id": 1, "home": {"street": "s", "zipCode": None}}
    found.name = "b"
    found.save()
    assert product.find_by_id(1).note == "n"


def test_find_one_takes_a_filter_or_a_where(product: type[Any]) -> None:
    product.create([{"name": "a"}, {"name": "b"}])
    assert product.find_one({"order": "name DESC"}).name == "b"
    assert product.find_one({"name": "b"}).id == 2
    assert product.find_one({"id": 999}) is None
    assert product.find_one(product.name == "b").id == 2
    assert product.find_one(order="id DESC").id == 2
    assert product.find_one().id == 1


def test_find_by_id_takes_fields_and_nothing_else(product: type[Any]) -> None:
    product.create(name="a")
    assert product.find_by_id(1, {"fields": "name"}).name == "a"
    assert product.find_by_id("1").name == "a"
    for unknown in (2, "x", None, 1.5, [1]):
        assert product.find_by_id(unknown) is None
    for filter in ({"where": {"name": "b"}}, {"limit": 1}, {"skip": 1}):
        with pytest.raises(FilterError, match="has more than fields"):
            product.find_by_id(1, filter)


def test_find_by_ids_gives_records_in_the_order_of_the_ids(product: type[Any]) -> None:
    product.create([{"name": name} for name in "abc"])
    assert [each.name for each in product.find_by_ids([3, "1", 9, None, "x"])] == ["c", "a"]
    assert [each.name for each in product.find_by_ids([2, 1], {"fields": "name"})] == ["b", "a"]
    found = product.find_by_ids([2, 1], {"where": {"name": "a"}})
    assert [each.name for each in found] == ["a"]
    assert product.find_by_ids([]) == []


def test_reload_reads_the_record_again(product: type[Any]) -> None:
    first = product.create(name="a", home={"street": "s"})
    product.update_all({}, {"name": "b"})
    first.home = None
    assert first.reload() is first
    assert (first.name, first.home.street) == ("b", "s")


# Instances


def test_save_creates_and_then_changes(product: type[Any]) -> None:
    first = product(name="a")
    assert first.is_new_record()
    assert first.save() is first
    assert (first.id, first.is_new_record()) == (1, False)
    first.name = "b"
    first.save()
    assert [(each.id, each.name) for each in product.find()] == [(1, "b")]
    first.name = "x" * 11
    assert codes_of(first.save) == {"name": ["length.max"]}
    first.save(validate=False)
    assert product.find_by_id(1).name == "x" * 11
    first.name = 5
    assert codes_of(lambda: first.save(validate=False)) == {"name": ["string"]}
    assert product(name="y" * 11).save(validate=False).id == 2


def test_changes_inside_an_embedded_record_are_saved(product: type[Any]) -> None:
    first = product.create(name="a", home={"street": "s"})
    first.home.street = "t"
    first.save()
    assert product.find_by_id(1).home.street == "t"
    first.home.street = None
    assert codes_of(first.save) == {"home.street": ["presence"]}


def test_a_destroyed_instance_is_new_again(product: type[Any]) -> None:
    first = product.create(name="a")
    assert first.destroy() == 1
    assert first.is_new_record()
    assert product.find_by_id(1) is None
    assert product.destroy_by_id(1) == 0
    assert product.destroy_by_id("x") == 0
    assert first.delete() == 0


def test_update_attribute_changes_one_property(product: type[Any]) -> None:
    first = product.create(name="a", note="n")
    first.update_attribute("unitPrice", "2.5")
    assert (first.unit_price, product.find_by_id(1).unit_price) == (2.5, 2.5)
    assert codes_of(lambda: first.update_attribute("name", "")) == {"name": ["presence"]}


def test_both_spellings_of_a_property_at_once_are_an_error(product: type[Any]) -> None:
    both = {"name": "a", "unit_price": 1, "unitPrice": 2}
    for write in (product.create, product.upsert, product.replace_or_create):
        with pytest.raises(TypeError, match="both spellings of 'unit_price' are given"):
            write(both)


# Ids of several properties


def test_an_id_of_several_properties_is_a_tuple(source: DataSource) -> None:
    model = source.create_model(
        "booking",
        {"room": {"type": str, "id": 1}, "day": {"type": date, "id": 2}, "guest": str},
    )
    source.auto_update()
    day = date(2024, 1, 1)
    first = model.create(room="a", day="2024-01-01", guest="x")
    assert model.find_by_id(("a", day)).guest == "x"
    assert model.find_by_id(("a", "2024-01-01")).guest == "x"
    assert model.exists(("a", day))
    assert not model.exists(("b", day))
    assert model.find_by_id("a") is None
    assert model.upsert(room="a", day=day, guest="y").guest == "y"
    assert model.upsert(room="b", day=day, guest="z").room == "b"
    first.patch_attributes(guest="w")
    found = model.find_by_ids([("b", day), ("a", day)])
    assert [each.guest for each in found] == ["z", "w"]
    with pytest.raises(DuplicateId):
        model.create(room="a", day=day)
    assert model.destroy_by_id(("a", day)) == 1
    assert model.count() == 1


def test_a_property_may_be_called_data(source: DataSource) -> None:
    class Sample(Model):
        name: Prop[str]
        data: Prop[dict[str, Any] | None]

        class Meta:
            data_source = source

    source.auto_update()
    sample = Sample.create(name="x", data={"a": 1})
    sample.patch_attributes(data={"a": 2})
    assert Sample.upsert(id=sample.id, name="y").data == {"a": 2}
