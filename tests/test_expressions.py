from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from flask_loop import DataSource, GeoPoint, Model, Prop, prop
from flask_loop.errors import FilterError
from flask_loop.query import FilterParser, WhereExpression


class Address(Model):
    zip_code: Prop[str]


class Product(Model):
    name: Prop[str]
    unit_price: Prop[float | None] = prop(default=None)
    added: Prop[datetime | None] = prop(default=None)
    tags: Prop[list[str] | None] = prop(default=None)
    meta: Prop[dict[str, Any] | None] = prop(default=None)
    place: Prop[GeoPoint | None] = prop(default=None)
    address: Prop[Address | None] = prop(default=None)


def where(given: Any) -> Any:
    return FilterParser(Product.definition).where(given)


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        (Product.name == "a", {"name": {"eq": "a"}}),
        (Product.name != "a", {"name": {"neq": "a"}}),
        (Product.unit_price > 5, {"unit_price": {"gt": 5}}),
        (Product.unit_price >= 5, {"unit_price": {"gte": 5}}),
        (Product.unit_price < 5, {"unit_price": {"lt": 5}}),
        (Product.unit_price <= 5, {"unit_price": {"lte": 5}}),
        (operator.lt(5, Product.unit_price), {"unit_price": {"gt": 5}}),
        (operator.ge(5, Product.unit_price), {"unit_price": {"lte": 5}}),
        (operator.eq(5, Product.unit_price), {"unit_price": 5}),
        (Product.unit_price.between(1, 5), {"unit_price": {"between": [1, 5]}}),
        (Product.name.in_(["a", "b"]), {"name": {"inq": ["a", "b"]}}),
        (Product.name.in_(c for c in "ab"), {"name": {"inq": ["a", "b"]}}),
        (Product.name.not_in({"a"}), {"name": {"nin": ["a"]}}),
        (Product.name.like("a%"), {"name": {"like": "a%"}}),
        (Product.name.ilike("a%"), {"name": {"ilike": "a%"}}),
        (Product.name.regexp("^a"), {"name": {"regexp": "^a"}}),
        (Product.name.regexp(re.compile("^a", re.IGNORECASE)), {"name": {"regexp": "/^a/i"}}),
        (Product.name.exists(), {"name": {"exists": True}}),
        (~Product.name.exists(), {"nor": [{"name": {"exists": True}}]}),
        (Product.name == None, {"name": None}),  # noqa: E711
        (Product.tags.contains("x"), {"tags": {"inq": ["x"]}}),
        (Product.tags[0] == "x", {"tags.0": "x"}),
        (Product.meta["size"] > 3, {"meta.size": {"gt": 3}}),
        (Product.meta["size"]["w"] == 3, {"meta.size.w": 3}),
        (Product.address["zip_code"] == "8000", {"address.zipCode": "8000"}),
        (Product.place.near("1,2"), {"place": {"near": "1,2"}}),
        (
            Product.place.near(GeoPoint(1, 2), max_distance=5, min_distance=1, unit="meters"),
            {"place": {"near": "1,2", "maxDistance": 5, "minDistance": 1, "unit": "meters"}},
        ),
        (
            Product.added > datetime(2024, 1, 1, tzinfo=UTC),
            {"added": {"gt": "2024-01-01T00:00:00Z"}},
        ),
    ],
)
def test_an_expression_is_a_where(expression: WhereExpression, written: Any) -> None:
    assert isinstance(expression, WhereExpression)
    assert where(expression) == where(written)


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        (
            (Product.unit_price > 20) & Product.name.like("A%"),
            {"and": [{"unit_price": {"gt": 20}}, {"name": {"like": "A%"}}]},
        ),
        (
            (Product.unit_price > 20) | (Product.name == "a"),
            {"or": [{"unit_price": {"gt": 20}}, {"name": "a"}]},
        ),
        (
            (Product.name == "a") & (Product.name == "b") | (Product.name == "c"),
            {"or": [{"and": [{"name": "a"}, {"name": "b"}]}, {"name": "c"}]},
        ),
        (
            (Product.name == "a") & ((Product.name == "b") | (Product.name == "c")),
            {"and": [{"name": "a"}, {"or": [{"name": "b"}, {"name": "c"}]}]},
        ),
        (
            ~((Product.name == "a") | (Product.name == "b")),
            {"nor": [{"or": [{"name": "a"}, {"name": "b"}]}]},
        ),
        (~~(Product.name == "a"), {"nor": [{"nor": [{"name": "a"}]}]}),
    ],
)
def test_expressions_combine(expression: WhereExpression, written: Any) -> None:
    assert where(expression) == where(written)


def test_an_expression_may_stand_among_the_parts_of_a_dict() -> None:
    mixed = {"or": [Product.name == "a", {"unit_price": 5}]}
    assert where(mixed) == where({"or": [{"name": "a"}, {"unit_price": 5}]})


@pytest.mark.parametrize("join", [operator.and_, operator.or_])
def test_a_chain_may_be_long(join: Callable[[Any, Any], Any]) -> None:
    expression = functools.reduce(join, [Product.name == str(number) for number in range(500)])
    logic = "and" if join is operator.and_ else "or"
    written = {logic: [{"name": str(number)} for number in range(500)]}
    assert where(expression) == where(written)


def test_combining_leaves_the_parts_as_they_are() -> None:
    first, second = Product.name == "a", Product.name == "b"
    both = first & second
    assert where(both & (Product.name == "c")) != where(both)
    assert where(both) == where({"and": [{"name": "a"}, {"name": "b"}]})
    assert where(first) == where({"name": "a"})


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: bool(Product.unit_price > 5),
        lambda: 1 < Product.unit_price < 5,
        lambda: not (Product.unit_price > 5),
        lambda: Product.unit_price > 5 and Product.name == "a",
        lambda: Product.unit_price > 5 or Product.name == "a",
        lambda: 1 if Product.name == "a" else 2,
    ],
)
def test_a_where_has_no_truth_value(misuse: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"no truth value.*\(a < P\.x\) & \(P\.x < b\)"):
        misuse()


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: (Product.name == "a") & True,
        lambda: (Product.name == "a") | {"name": "b"},
        lambda: (Product.name == "a") & Product.name,
    ],
)
def test_only_wheres_combine(misuse: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="comparisons need parentheses"):
        misuse()


def test_missing_parentheses_are_an_error() -> None:
    with pytest.raises(TypeError):
        Product.unit_price > 5 & Product.name == "a"  # type: ignore[operator]  # noqa: B015


@pytest.mark.parametrize(
    "misuse", [lambda: list(Product.tags), lambda: "a" in Product.tags, lambda: {Product.tags}]
)
def test_a_property_of_a_class_is_no_collection_and_no_key(misuse: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        misuse()


@pytest.mark.parametrize("key", ["", "a.b"])
def test_a_key_that_no_filter_can_write_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="cannot lead to the key"):
        Product.meta[key]


def test_values_are_checked_when_the_expression_is_used() -> None:
    with pytest.raises(FilterError, match=r"where\.unit_price\.gt is not a number"):
        where(Product.unit_price > "much")
    with pytest.raises(FilterError, match=r"where\.and\.1\.name\.eq"):
        where((Product.unit_price > 1) & (Product.name == 5))
    with pytest.raises(FilterError, match=r"where\.name\.eq"):
        where(Product.name == Product.name)


def test_expressions_find_records(source: DataSource) -> None:
    class Item(Model):
        name: Prop[str]
        unit_price: Prop[float | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    Item.create([{"name": "Apple", "unit_price": 30}, {"name": "Axe", "unit_price": 10}])
    Item.create({"name": "Bike", "unit_price": 300})

    wanted = (Item.unit_price > 20) & Item.name.like("A%")
    assert [item.name for item in Item.find(where=wanted)] == ["Apple"]
    assert [item.name for item in Item.find({"where": ~wanted})] == ["Axe", "Bike"]
    assert Item.count(Item.unit_price.between(10, 30)) == 2
    found = Item.find_one(Item.name == "Bike")
    assert found is not None
    assert found.unit_price == 300
    assert Item.update_all(wanted, {"unit_price": 1}) == 1
    assert Item.destroy_all(Item.unit_price < 20) == 2
    assert repr(Item.unit_price) == "<property unit_price>"
    assert repr(Item.name == "a") == "where({'name': {'eq': 'a'}})"
