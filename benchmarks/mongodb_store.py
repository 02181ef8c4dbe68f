"""The products in a collection, on pymongo: one command a request, two to insert.

A document has the names of the wire, so that reading it costs no renaming, and its date is a date.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from weakref import finalize

import pymongo

from benchmarks.store import Product, Query, Store

COUNTER = {"_id": "product"}
FIELDS = {"id": "_id", "stock": "stock", "unitPrice": "unitPrice"}
COMPARISONS = {"gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}


class MongodbStore(Store):
    """A collection, and a counter for the ids."""

    def __init__(self, url: str, owner: object) -> None:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
        finalize(owner, client.close)
        database = client.get_default_database()
        self._products = database["product"]
        self._counters = database["counters"]

    def fill(self, products: Iterable[Product]) -> None:
        self._products.create_index("unitPrice")
        documents = [
            {"_id": id, **document(product)} for id, product in enumerate(products, start=1)
        ]
        self._products.insert_many(documents)
        self._counters.insert_one({**COUNTER, "last": len(documents)})

    def find_one(self, id: int) -> Product | None:
        found = self._products.find_one({"_id": id})
        return None if found is None else record(found)

    def find(self, query: Query) -> list[Product]:
        if not query.limit:
            return []  # to the server it means no limit
        where: dict[str, dict[str, float]] = {}
        for name, comparison, value in query.ranges:
            where.setdefault(FIELDS[name], {})[COMPARISONS[comparison]] = value
        order = [(FIELDS[query.order], -1 if query.descending else 1)]
        if query.order != "id":
            order.append(("_id", 1))
        if not query.limit:
            return []  # which means no limit to the server
        return [
            record(found) for found in self._products.find(where, sort=order, limit=query.limit)
        ]

    def insert(self, product: Product) -> int:
        counter: Any = self._counters.find_one_and_update(
            COUNTER, {"$inc": {"last": 1}}, return_document=pymongo.ReturnDocument.AFTER
        )
        id: int = counter["last"]
        self._products.insert_one({"_id": id, **document(product)})
        return id

    def update(self, id: int, changes: Product) -> Product | None:
        found = self._products.find_one_and_update(
            {"_id": id},
            {"$set": document(changes)},
            return_document=pymongo.ReturnDocument.AFTER,
        )
        return None if found is None else record(found)


def document(product: Product) -> dict[str, Any]:
    """What is stored of a product, or of some of its properties."""
    if "created" not in product:
        return product
    return {**product, "created": datetime.fromisoformat(product["created"])}


def record(found: dict[str, Any]) -> Product:
    found["id"] = found.pop("_id")
    found["created"] = found["created"].isoformat(timespec="milliseconds") + "Z"
    return found
