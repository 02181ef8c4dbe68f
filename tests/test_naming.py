from __future__ import annotations

import doctest
import keyword
import re
from typing import Any

import pytest

from flask_loop import DefinitionError, Model, Prop, create_model, memory, prop
from flask_loop.definition import RESERVED, lower_camel, naming, plural, wire_name

#: What models will have when relations, remote methods and hooks are built.
COMING = {
    "after_remote",
    "after_remote_error",
    "before_remote",
    "belongs_to",
    "embeds_many",
    "embeds_one",
    "has_and_belongs_to_many",
    "has_many",
    "has_one",
    "include",
    "observe",
    "references_many",
    "relation_name_for",
    "remote_method",
}


def test_the_examples_of_the_module_are_true() -> None:
    results = doctest.testmod(naming)
    assert (results.failed, results.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("name", "name"),
        ("unit_price", "unitPrice"),
        ("a_b_c", "aBC"),
        ("line_2", "line2"),
        ("x1_y2", "x1Y2"),
        ("unitPrice", "unitPrice"),
        ("UnitPrice", "UnitPrice"),
        ("_id", "_id"),
        ("_unit_price", "_unitPrice"),
        ("name_", "name_"),
        ("a__b", "a__b"),
        ("count_", "count"),
        ("from_", "from"),
        ("class_", "class"),
        ("find_by_id_", "findById"),
        ("größe_in_cm", "größeInCm"),
    ],
)
def test_wire_names_are_camel_case(name: str, wire: str) -> None:
    assert wire_name(name) == wire


@pytest.mark.parametrize(
    ("name", "lowered"),
    [
        ("Product", "product"),
        ("CoffeeShop", "coffeeShop"),
        ("HTTPServer", "httpServer"),
        ("URL", "url"),
        ("X", "x"),
        ("already", "already"),
        ("Foo_Bar", "foo_Bar"),
    ],
)
def test_a_class_name_begins_in_lower_case_in_paths(name: str, lowered: str) -> None:
    assert lower_camel(name) == lowered


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("color", "colors"),
        ("Color", "Colors"),
        ("coffee-shop", "coffee-shops"),
        ("city", "cities"),
        ("person", "people"),
        ("Status", "Statuses"),
        ("series", "series"),
        ("user_account", "user_accounts"),
    ],
)
def test_plurals_are_english_and_keep_the_case(name: str, several: str) -> None:
    assert plural(name) == several
    assert create_model(name).definition.plural == several
    assert create_model(name).definition.http_path == f"/{several}"


def test_a_class_body_has_its_path_in_lower_camel_case() -> None:
    class CoffeeShop(Model):
        pass

    class HTTPServer(Model):
        pass

    assert CoffeeShop.definition.http_path == "/coffeeShops"
    assert HTTPServer.definition.plural == "httpServers"
    assert CoffeeShop.model_name == "CoffeeShop"


# Reserved names


def public_attributes() -> set[str]:
    """What ``Product.x`` and ``product.x`` mean for every model."""
    names = {*dir(Model), *(set(dir(type(Model))) - set(dir(type)))}
    return {name for name in names if not name.startswith("_")}


def test_reserved_are_keywords_the_attributes_of_models_and_those_to_come() -> None:
    assert {*keyword.kwlist, *public_attributes(), *COMING} == RESERVED


def test_a_class_body_is_told_what_to_write_instead_of_a_reserved_name() -> None:
    with pytest.raises(DefinitionError, match=r"'count' is an attribute.*write 'count_'"):

        class Product(Model):
            count: Prop[int]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_data_may_call_a_property_by_any_reserved_name(name: str) -> None:
    model = memory().create_model("thing", {name: str})
    assert list(model.properties) == [f"{name}_", "id"]
    assert model.definition.by_wire[wire_name(name)].name == f"{name}_"
    thing = model.create({wire_name(name): "x"})
    assert getattr(thing, f"{name}_") == "x"
    assert thing.to_dict() == {wire_name(name): "x", "id": 1}
    assert model.find_one({f"{name}_": "x"}).reload().to_dict() == thing.to_dict()


def test_an_escaped_name_is_the_plain_one_on_the_wire() -> None:
    class Message(Model):
        from_: Prop[str]
        count_: Prop[int] = prop(default=0)

        class Meta:
            data_source = memory()

    assert Message({"from": "ada", "count": 2}).to_dict() == {"from": "ada", "count": 2, "id": None}
    assert Message(from_="ada", count_=2).from_ == "ada"
    Message.create(from_="ada")
    assert Message.count({"from": "ada"}) == Message.count({"from_": "ada"}) == 1


@pytest.mark.parametrize("name", ["_plan", "_definition", "_is_new", "_errors", "_take", "_adopt"])
def test_names_that_models_have_for_themselves_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=f"'{name}' is what every model has for itself"):
        create_model("thing", {name: str})
    with pytest.raises(DefinitionError, match=f"'{name}' is what every model has for itself"):
        type(Model)("Thing", (Model,), {"__annotations__": {name: Prop[str]}})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("__class__", "two underscores"),
        ("__dict__", "two underscores"),
        ("__init__", "two underscores"),
        ("__x", "two underscores"),
        ("a.b", "has a dot"),
        ("", "is blank"),
        (" a", "begins or ends with a space"),
        (3, "is not text"),
        (None, "is not text"),
    ],
)
def test_names_that_no_property_can_have_are_refused(name: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        create_model("thing", {name: str})
    if isinstance(name, str):
        with pytest.raises(DefinitionError, match=problem):
            create_model("thing", {"a": {"type": str, "data_key": name}})


@pytest.mark.parametrize(
    "name", ["plan", "metadata", "type", "_id", "_rev", "build", "self", "data"]
)
def test_names_that_records_often_have_are_free(name: str) -> None:
    model = memory().create_model("thing", {name: str})
    assert model.create({name: "x"}).to_dict() == {name: "x", "id": 1}
    assert getattr(model.find_one({name: "x"}), name) == "x"


@pytest.mark.parametrize("name", ["first name", "first-name", "1st", "straße", "名前"])
def test_a_property_of_data_need_not_be_an_identifier(name: str) -> None:
    model = memory().create_model("thing", {name: str})
    assert model.create({name: "x"}).to_dict() == {name: "x", "id": 1}
    assert model.count({name: "x"}) == 1


# Wire names


def test_a_data_key_is_the_name_on_the_wire() -> None:
    class Product(Model):
        unit_price: Prop[float] = prop(data_key="price")

    assert Product(price=2).unit_price == Product(unit_price=2).unit_price == 2
    assert Product(price=2).to_dict() == {"price": 2, "id": None}
    assert create_model("p", {"a_b": {"type": str, "dataKey": "AB"}}).definition.by_wire["AB"]


def test_without_a_wire_case_names_stay_as_they_are() -> None:
    class Product(Model):
        unit_price: Prop[float]
        from_: Prop[str | None]

        class Meta:
            wire_case = None

    assert list(Product.definition.by_wire) == ["unit_price", "from", "id"]
    given = create_model("p", {"unit_price": float, "from": str, "x_": str}, wireCase=None)
    assert list(given.definition.by_wire) == ["unit_price", "from", "x_", "id"]


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"a_b": str, "aB": str}, "'a_b' and 'aB' would both be 'aB' on the wire"),
        (
            {"x": {"type": str, "data_key": "z"}, "y": {"type": str, "data_key": "z"}},
            "'x' and 'y' would both be 'z' on the wire",
        ),
        (
            {"x": {"type": str, "data_key": "y"}, "y": {"type": str, "data_key": "z"}},
            "the wire name of 'x' is the name of another property, 'y'",
        ),
        ({"count": str, "count_": str}, "two properties would be called 'count_'"),
        ({"x": {"type": str, "data_key": "id"}}, "would both be 'id' on the wire"),
    ],
)
def test_names_that_clash_are_refused(properties: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        create_model("thing", properties)


def test_both_spellings_at_once_are_refused() -> None:
    model = memory().create_model("product", {"unit_price": float})
    product = model.create(unit_price=1)
    both = {"unitPrice": 1, "unit_price": 2}
    for write in (
        model,
        model.create,
        model.upsert,
        model.replace_or_create,
        product.patch_attributes,
        product.replace_attributes,
        lambda data: model.create([data]),
        lambda data: model.update_all({}, data),
        lambda data: model.create({"unitPrice": 1}, unit_price=2),
    ):
        with pytest.raises(TypeError, match=r"'unit_price' (are|is) given"):
            write(both)
    assert model.find_one().unit_price == 1


# Models' names and paths


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is blank"),
        ("  ", "is blank"),
        ("/", "is blank"),
        (" a", "begins or ends with a space"),
        ("a<b", "'<', which cannot be in a path"),
        ("a?", "'?', which cannot be in a path"),
        ("a#b", "'#', which cannot be in a path"),
        ("a\0b", "cannot be in a path"),
        ("a\nb", "cannot be in a path"),
        (3, "is not text"),
        (None, "is not text"),
    ],
)
def test_a_model_has_a_name_that_can_be_a_path(name: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        create_model(name, {})
    if isinstance(name, str):
        with pytest.raises(DefinitionError, match=re.escape(problem)):
            create_model("a", {}, plural=name)
        with pytest.raises(DefinitionError, match=re.escape(problem)):
            create_model("a", {}, http={"path": name})


@pytest.mark.parametrize(
    ("settings", "path", "several"),
    [
        ({"plural": "goods"}, "/goods", "goods"),
        ({"http_path": "the/goods"}, "/the/goods", "products"),
        ({"httpPath": "/goods/"}, "/goods", "products"),
        ({"http": {"path": "goods"}, "plural": "wares"}, "/goods", "wares"),
        ({"http": {}}, "/products", "products"),
        ({}, "/products", "products"),
    ],
)
def test_plural_and_path_can_be_set(settings: dict[str, Any], path: str, several: str) -> None:
    definition = create_model("product", {}, **settings).definition
    assert (definition.http_path, definition.plural) == (path, several)
