"""The part of floor 1 that has relations: one further query for what is included.

A list of products may include their categories, and a list of orders their items.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from benchmarks import related

TABLES = """
    CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, paid INTEGER NOT NULL);
    CREATE TABLE item (
        id INTEGER PRIMARY KEY, order_id INTEGER, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
        unit_price REAL NOT NULL
    );
    CREATE INDEX item_order_id ON item (order_id);
"""
MAX_LIMIT = 1000


def fill(db: sqlite3.Connection) -> None:
    """Make the tables and their rows."""
    db.executescript(TABLES)
    db.executemany(
        "INSERT INTO category (name, description) VALUES (:name, :description)",
        related.categories(),
    )
    db.executemany(
        "INSERT INTO orders (customer, paid) VALUES (:customer, :paid)", related.orders()
    )
    db.executemany(
        "INSERT INTO item (order_id, sku, quantity, unit_price) "
        "VALUES (:orderId, :sku, :quantity, :unitPrice)",
        related.items(),
    )


def add_categories(db: sqlite3.Connection, products: list[dict[str, Any]]) -> None:
    """Put the category of each product into it, where it has one."""
    ids = {product["categoryId"] for product in products} - {None}
    sql = f"SELECT id, name, description FROM category WHERE id IN ({marks(ids)})"
    found = {
        id: {"name": name, "description": description, "id": id}
        for id, name, description in db.execute(sql, list(ids))
    }
    for product in products:
        category = found.get(product["categoryId"])
        if category is not None:
            product["category"] = category


def add_orders(app: Flask, connection: Callable[[], sqlite3.Connection]) -> None:
    """Serve the orders."""

    @app.get("/api/orders")
    def find_orders() -> Response:
        first, limit, with_items = read_filter(request.args.get("filter"))
        db = connection()
        sql = "SELECT id, customer, paid FROM orders WHERE id > ? ORDER BY id LIMIT ?"
        found = [
            {"customer": customer, "paid": paid == 1, "id": id}
            for id, customer, paid in db.execute(sql, (first, limit))
        ]
        if with_items:
            add_items(db, found)
        return Response(orjson.dumps(found), mimetype="application/json")


def add_items(db: sqlite3.Connection, orders: list[dict[str, Any]]) -> None:
    items: dict[int, list[dict[str, Any]]] = {order["id"]: [] for order in orders}
    sql = (
        "SELECT id, order_id, sku, quantity, unit_price FROM item "
        f"WHERE order_id IN ({marks(items)}) ORDER BY id"
    )
    for id, order_id, sku, quantity, unit_price in db.execute(sql, list(items)):
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


def marks(values: Any) -> str:
    return ", ".join("?" * len(values))


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
