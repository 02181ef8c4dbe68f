"""The part of floor 1 that has relations: one further query for what is included.

A list of products may include their categories, and a list of orders their items.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from benchmarks import related
from benchmarks.drivers import Driver

TABLES = (
    "CREATE TABLE category (id {id}, name TEXT NOT NULL, description TEXT)",
    "CREATE TABLE orders (id {id}, customer TEXT NOT NULL, paid {boolean} NOT NULL)",
    """
    CREATE TABLE item (
        id {id}, order_id INTEGER, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
        unit_price {number} NOT NULL
    )
    """,
    "CREATE INDEX item_order_id ON item (order_id)",
)
MAX_LIMIT = 1000


def fill(driver: Driver) -> None:
    """Make the tables and their rows."""
    driver.make(*TABLES)
    tables = {
        "category": (related.categories(), ("name", "description")),
        "orders": (related.orders(), ("customer", "paid")),
        "item": (related.items(), ("order_id", "sku", "quantity", "unit_price")),
    }
    for table, (records, columns) in tables.items():
        driver.fill(table, columns, (list(record.values()) for record in records))


def add_categories(driver: Driver, products: list[dict[str, Any]]) -> None:
    """Put the category of each product into it, where it has one."""
    among, values = driver.among({product["categoryId"] for product in products} - {None})
    sql = f"SELECT id, name, description FROM category WHERE id {among}"
    found = {
        id: {"name": name, "description": description, "id": id}
        for id, name, description in driver.connection().execute(sql, values)
    }
    for product in products:
        category = found.get(product["categoryId"])
        if category is not None:
            product["category"] = category


def add_orders(app: Flask, driver: Driver) -> None:
    """Serve the orders."""
    mark = driver.mark
    sql = f"SELECT id, customer, paid FROM orders WHERE id > {mark} ORDER BY id LIMIT {mark}"

    @app.get("/api/orders")
    def find_orders() -> Response:
        first, limit, with_items = read_filter(request.args.get("filter"))
        found = [
            {"customer": customer, "paid": paid == 1, "id": id}
            for id, customer, paid in driver.connection().execute(sql, (first, limit))
        ]
        if with_items:
            add_items(driver, found)
        return Response(orjson.dumps(found), mimetype="application/json")


def add_items(driver: Driver, orders: list[dict[str, Any]]) -> None:
    items: dict[int, list[dict[str, Any]]] = {order["id"]: [] for order in orders}
    among, values = driver.among(items)
    sql = (
        "SELECT id, order_id, sku, quantity, unit_price FROM item "
        f"WHERE order_id {among} ORDER BY id"
    )
    rows = driver.connection().execute(sql, values)
    for id, order_id, sku, quantity, unit_price in rows:
        items[order_id].append(
            {
                "sku": sku,
                "quantity": quantity,
                "unitPrice": unit_price,
                "id": id,
                "orderId": order_id,
            }
        )
    for order in orders:
        order["items"] = items[order["id"]]


def read_filter(text: str | None) -> tuple[int, int, bool]:
    """The id that orders come after, how many are wanted, and whether their items are."""
    try:
        filter = orjson.loads(text or "{}")
        first = filter.get("where", {}).get("id", {}).get("gt", 0)
        limit, include = filter.get("limit", MAX_LIMIT), filter.get("include")
    except (AttributeError, ValueError) as error:
        raise BadRequest("filter is not understood") from error
    is_known = filter.keys() <= {"where", "limit", "include"} and include in (None, "items")
    if not (is_known and type(first) is type(limit) is int and 0 <= limit <= MAX_LIMIT):
        raise BadRequest("filter takes where.id.gt, limit, and the include of items")
    return first, limit, include is not None
