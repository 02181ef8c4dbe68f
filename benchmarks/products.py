"""The product that all contestants serve: 10,000 rows, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

ROWS = 10_000
PRICES = (1.0, 1000.0)
STOCKS = (0, 500)

_ADJECTIVES = ("Small", "Large", "Quiet", "Crème", "Röd", "Плотный", "軽い", "Folding", "Green")
_NOUNS = ("lamp", "chair", "kettle", "notebook", "backpack", "clock", "mug", "blanket", "ladder")
_SENTENCES = (
    "Made to be repaired.",
    "Comes flat, needs no tools.",
    "Two years of guarantee.",
    "Für drinnen und draußen.",
    "The one our customers order twice.",
)
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def product(rng: random.Random) -> dict[str, Any]:
    """A product without its id, as the body of a POST: wire names, a date as RFC 3339."""
    created = _EPOCH + timedelta(milliseconds=rng.randrange(63_072_000_000))
    return {
        "name": f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {rng.randrange(1000)}",
        "description": " ".join(rng.choices(_SENTENCES, k=4)) if rng.random() < 0.9 else None,
        "sku": f"SKU-{rng.randrange(10**8):08d}",
        "unitPrice": price(rng),
        "stock": rng.randint(*STOCKS),
        "active": rng.random() < 0.8,
        "created": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}Z",
        "categoryId": rng.randint(1, 50) if rng.random() < 0.95 else None,
    }


def price(rng: random.Random) -> float:
    """A price in whole cents."""
    return round(rng.uniform(*PRICES), 2)


def products(count: int = ROWS) -> Iterator[dict[str, Any]]:
    """The seeded rows, in the order of the ids that they will get, from 1."""
    rng = random.Random(2026)
    return (product(rng) for _ in range(count))
