"""What floor 1 asks of a database: the products, as the wire shows them.

:mod:`benchmarks.sql_store`, :mod:`benchmarks.mongodb_store` and :mod:`benchmarks.redis_store` are
written by hand for this one model, each on the driver of its database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from flask import Flask

Product = dict[str, Any]

#: The properties of a product beside its id, by their names on the wire.
PROPERTIES = (
    "name",
    "description",
    "sku",
    "unitPrice",
    "stock",
    "active",
    "created",
    "categoryId",
)
#: Those that lists look for and are in order of.
SEARCHED = ("id", "stock", "unitPrice")


@dataclass(frozen=True, slots=True)
class Query:
    """Which products are wanted.

    :ivar ranges: the bounds that hold: a property, one of ``gt``, ``gte``, ``lt`` and ``lte``, and
        a number.
    :ivar order: the property that they are in order of; those that share it, by their ids.
    :ivar descending: whether the greatest comes first.
    :ivar limit: how many.
    :ivar with_category: whether each has its category in it.
    """

    ranges: list[tuple[str, str, float]]
    order: str
    descending: bool
    limit: int
    with_category: bool


class Store(ABC):
    """The products in one database. The values that it is given are checked already."""

    #: What lists may include.
    includes: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def fill(self, products: Iterable[Product]) -> None:
        """Make what the database needs, and store many products with ids from 1."""

    @abstractmethod
    def find_one(self, id: int) -> Product | None:
        """The product with an id, where it is there."""

    @abstractmethod
    def find(self, query: Query) -> list[Product]:
        """The products that are wanted."""

    @abstractmethod
    def insert(self, product: Product) -> int:
        """Store a product, and give the id that it got."""

    @abstractmethod
    def update(self, id: int, changes: Product) -> Product | None:
        """Change a product, at least in one property, and give it, where it is there."""

    def serve_related(self, app: Flask) -> None:
        """Make and serve the records around the products, where this floor has them."""


def store_of(url: str, owner: object) -> Store:
    """The store on a database.

    :param url: where the database is.
    :param owner: when it is gone, the connections are closed.
    """
    if url.startswith("mongodb:"):
        from benchmarks.mongodb_store import MongodbStore

        return MongodbStore(url, owner)
    if url.startswith("redis:"):
        from benchmarks.redis_store import RedisStore

        return RedisStore(url, owner)
    from benchmarks.sql_store import SqlStore

    return SqlStore(url, owner)
