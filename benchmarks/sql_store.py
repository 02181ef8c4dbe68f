"""The products in a table: one statement a request, with bound values.

What drivers differ in is in :mod:`benchmarks.drivers`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from flask import Flask

from benchmarks import driver_related
from benchmarks.drivers import driver_of
from benchmarks.store import Product, Query, Store

TABLE = """
    CREATE TABLE product (
        id {id},
        name TEXT NOT NULL,
        description TEXT,
        sku TEXT NOT NULL,
        unit_price {number} NOT NULL,
        stock INTEGER NOT NULL,
        active {boolean} NOT NULL,
        created {date} NOT NULL,
        category_id INTEGER
    )
"""
INDEX = "CREATE INDEX product_unit_price ON product (unit_price)"
COLUMNS = {
    "name": "name",
    "description": "description",
    "sku": "sku",
    "unitPrice": "unit_price",
    "stock": "stock",
    "active": "active",
    "created": "created",
    "categoryId": "category_id",
}
ALL_COLUMNS = ", ".join(["id", *COLUMNS.values()])
SELECT = f"SELECT {ALL_COLUMNS} FROM product"

SEARCHED = {"id": "id", "stock": "stock", "unitPrice": "unit_price"}
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class SqlStore(Store):
    """A table of SQLite's or PostgreSQL's, on the driver."""

    includes: ClassVar = frozenset({"category"})

    def __init__(self, url: str, owner: object) -> None:
        self._driver = driver_of(url, owner)
        mark = self._driver.mark
        self._selection = f"{SELECT} WHERE id = {mark}"
        self._insertion = self._driver.insertion("product", COLUMNS.values())
        self._assignments = {name: f"{column} = {mark}" for name, column in COLUMNS.items()}

    def fill(self, products: Iterable[Product]) -> None:
        self._driver.make(TABLE, INDEX)
        rows = ([product[name] for name in COLUMNS] for product in products)
        self._driver.fill("product", COLUMNS.values(), rows)

    def find_one(self, id: int) -> Product | None:
        row = self._driver.connection().execute(self._selection, (id,)).fetchone()
        return None if row is None else record(row)

    def find(self, query: Query) -> list[Product]:
        sql, values = self._statement(query)
        found = [record(row) for row in self._driver.connection().execute(sql, values)]
        if query.with_category:
            driver_related.add_categories(self._driver, found)
        return found

    def insert(self, product: Product) -> int:
        return self._driver.insert(self._insertion, list(product.values()))

    def update(self, id: int, changes: Product) -> Product | None:
        assignments = ", ".join([self._assignments[name] for name in changes])
        mark = self._driver.mark
        sql = f"UPDATE product SET {assignments} WHERE id = {mark} RETURNING {ALL_COLUMNS}"
        row = self._driver.update(sql, [*changes.values(), id])
        return None if row is None else record(row)

    def serve_related(self, app: Flask) -> None:
        driver_related.fill(self._driver)
        driver_related.add_orders(app, self._driver)

    def _statement(self, query: Query) -> tuple[str, list[float]]:
        mark = self._driver.mark
        conditions = [
            f"{SEARCHED[name]} {COMPARISONS[comparison]} {mark}"
            for name, comparison, _ in query.ranges
        ]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        order = f"{SEARCHED[query.order]} {'DESC' if query.descending else 'ASC'}"
        if query.order != "id":
            order += ", id"
        sql = f"{SELECT} {where} ORDER BY {order} LIMIT {mark}"
        return sql, [*(value for _, _, value in query.ranges), query.limit]


def record(row: tuple[Any, ...]) -> Product:
    id, name, description, sku, unit_price, stock, active, created, category_id = row
    return {
        "id": id,
        "name": name,
        "description": description,
        "sku": sku,
        "unitPrice": unit_price,
        "stock": stock,
        "active": active == 1,
        "created": created,
        "categoryId": category_id,
    }
