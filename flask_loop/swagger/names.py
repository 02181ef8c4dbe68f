"""Names inside a document: each is taken once."""

from __future__ import annotations

import re

import inflection


class Names:
    """Gives unique names; a name that is taken gets the next number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """A name that nobody has yet: ``Pet``, then ``Pet2``."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def class_name(name: str) -> str:
    """A model's name as the name of a class in generated code: ``coffee-shop`` → ``CoffeeShop``."""
    return str(inflection.camelize(identifier(name))) or "Model"


def identifier(name: str) -> str:
    """A name with nothing but letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
