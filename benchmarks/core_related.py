"""The part of floor 2 that has relations, with the same two queries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, json, jsonify, request
from marshmallow import Schema, fields
from werkzeug.exceptions import BadRequest

from benchmarks import related

metadata = sa.MetaData()
category = sa.Table(
    "category",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("description", sa.String),
)
order = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("paid", sa.Boolean, nullable=False),
)
item = sa.Table(
    "item",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("order_id", sa.Integer, index=True),
    sa.Column("sku", sa.String, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price", sa.Float, nullable=False),
)


class CategorySchema(Schema):
    """A category's wire."""

    id = fields.Integer()
    name = fields.String()
    description = fields.String()


class ItemSchema(Schema):
    """An item's wire."""

    id = fields.Integer()
    order_id = fields.Integer(data_key="orderId")
    sku = fields.String()
    quantity = fields.Integer()
    unit_price = fields.Float(data_key="unitPrice")


class OrderSchema(Schema):
    """An order's wire, with its items where they were loaded."""

    id = fields.Integer()
    customer = fields.String()
    paid = fields.Boolean()
    items_ = fields.List(fields.Nested(ItemSchema), data_key="items")


category_schema, order_schema = CategorySchema(), OrderSchema()
MAX_LIMIT = 1000


def fill(engine: sa.Engine) -> None:
    """Make the tables and their rows."""
    metadata.create_all(engine)
    snake = {"orderId": "order_id", "unitPrice": "unit_price"}
    with engine.begin() as connection:
        connection.execute(category.insert(), list(related.categories()))
        connection.execute(order.insert(), list(related.orders()))
        rows = [{snake.get(key, key): each[key] for key in each} for each in related.items()]
        connection.execute(item.insert(), rows)


def add_categories(connection: sa.Connection, products: list[dict[str, Any]]) -> None:
    """Put the category of each product into it, where it has one."""
    ids = {product["categoryId"] for product in products} - {None}
    rows = connection.execute(sa.select(category).where(category.c.id.in_(ids))).mappings()
    found = {row["id"]: category_schema.dump(row) for row in rows}
    for product in products:
        if product["categoryId"] in found:
            product["category"] = found[product["categoryId"]]


def add_orders(app: Flask, engine: sa.Engine) -> None:
    """Serve the orders."""

    @app.get("/api/orders")
    def find_orders() -> Response:
        first, limit, with_items = read_filter(request.args.get("filter"))
        statement = sa.select(order).where(order.c.id > first).order_by(order.c.id).limit(limit)
        with engine.connect() as connection:
            found = [dict(row) for row in connection.execute(statement).mappings()]
            if with_items:
                add_items(connection, found)
        return jsonify(order_schema.dump(found, many=True))


def add_items(connection: sa.Connection, orders: list[dict[str, Any]]) -> None:
    by_order: dict[int, list[Any]] = {each["id"]: [] for each in orders}
    statement = sa.select(item).where(item.c.order_id.in_(by_order)).order_by(item.c.id)
    for row in connection.execute(statement).mappings():
        by_order[row["order_id"]].append(row)
    for each in orders:
        each["items_"] = by_order[each["id"]]


def read_filter(text: str | None) -> tuple[int, int, bool]:
    """The id that orders come after, how many are wanted, and whether their items are."""
    try:
        filter = json.loads(text or "{}")
        first = filter.get("where", {}).get("id", {}).get("gt", 0)
        limit, include = filter.get("limit", MAX_LIMIT), filter.get("include")
    except (AttributeError, ValueError) as error:
        raise BadRequest("filter is not understood") from error
    is_known = filter.keys() <= {"where", "limit", "include"} and include in (None, "items")
    if not (is_known and type(first) is type(limit) is int and 0 <= limit <= MAX_LIMIT):
        raise BadRequest("filter takes where.id.gt, limit, and the include of items")
    return first, limit, include is not None
