"""The records around the products: categories that they belong to, and orders with ten items."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

CATEGORIES = 50
ORDERS = 500
ITEMS = 10

_CUSTOMERS = ("Ada", "Bo", "Chiyo", "Dmitri", "Élodie", "Fatima", "Göran")


def categories() -> Iterator[dict[str, Any]]:
    """The categories, in the order of the ids that they will get, from 1."""
    rng = random.Random(50)
    for number in range(1, CATEGORIES + 1):
        yield {"name": f"Category {number}", "description": "Things. " * rng.randint(1, 6)}


def orders() -> Iterator[dict[str, Any]]:
    """The orders, in the order of the ids that they will get, from 1."""
    rng = random.Random(500)
    for _ in range(ORDERS):
        yield {"customer": rng.choice(_CUSTOMERS), "paid": rng.random() < 0.7}


def items() -> Iterator[dict[str, Any]]:
    """The items of all orders, in the order of the ids that they will get, from 1."""
    rng = random.Random(5000)
    for number in range(ORDERS * ITEMS):
        yield {
            "orderId": number % ORDERS + 1,
            "sku": f"SKU-{rng.randrange(10**8):08d}",
            "quantity": rng.randint(1, 9),
            "unitPrice": round(rng.uniform(1, 100), 2),
        }
