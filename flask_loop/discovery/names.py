"""Names: what tables, columns and foreign keys are called as models, properties and relations."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeAlias

import inflection

from ..definition import RESERVED, lower_camel, plural, wire_name

#: Gives a name from what it stands for (``"table"``, ``"column"`` or ``"relation"``) and the name
#: in the database.
NameMapper: TypeAlias = Callable[[str, str], str]

_SEPARATORS = re.compile(r"[\W_]+")
#: What the files of models import, and the models that definitions in JSON may be based on.
_TAKEN_BY_FILES = (
    *("Any", "BelongsTo", "Decimal", "HasMany", "HasOne", "Model", "PersistedModel"),
    *("Prop", "TYPE_CHECKING", "UUID", "None", "True", "False"),
)


def camel_names(kind: str, name: str) -> str:
    """LoopBack's names: ``INVENTORY_ITEM`` → ``InventoryItem``, ``UNIT_PRICE`` → ``unitPrice``.

    What is in camel case already stays so.

    :param kind: ``"table"``, ``"column"`` or ``"relation"``.
    :param name: the name in the database.
    """
    first, *others = _words(name) or [""]
    start = _capitalised(first) if kind == "table" else _uncapitalised(lower_camel(first))
    return _identifier("".join([start, *map(_capitalised, others)]))


def snake_names(kind: str, name: str) -> str:
    """Python's names: ``INVENTORY_ITEM`` → ``InventoryItem``, ``unitPrice`` → ``unit_price``.

    On the wire they are those of :func:`camel_names`.

    :param kind: ``"table"``, ``"column"`` or ``"relation"``.
    :param name: the name in the database.
    """
    if kind == "table":
        return camel_names(kind, name)
    return _identifier("_".join(inflection.underscore(word) for word in _words(name)))


def _words(name: str) -> list[str]:
    """The words of a name; of one without small letters, in small letters."""
    plain = unicodedata.normalize("NFKC", name)  # as Python reads names
    plain = plain if re.search("[a-z]", plain) else plain.lower()
    return [word for word in _SEPARATORS.split(plain) if word]


def _capitalised(word: str) -> str:
    return word[:1].upper() + word[1:]


def _uncapitalised(word: str) -> str:
    return word[:1].lower() + word[1:]


def _identifier(name: str) -> str:
    return name if name.isidentifier() else f"_{name}"


class Names:
    """Names in one place, each of which is given once; what would be a second gets a number.

    :param taken: those that are given already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {spelling for name in taken for spelling in _spellings(name)}

    def is_free(self, name: str) -> bool:
        return self._taken.isdisjoint(_spellings(name))

    def give(self, *candidates: str) -> str:
        """The first that is free, or the last one with the first number that makes it so."""
        name = next(filter(self.is_free, candidates), candidates[-1])
        number = 1
        while not self.is_free(name):
            number += 1
            name = f"{candidates[-1]}{number}"
        self._taken |= _spellings(name)
        return name


def _spellings(name: str) -> set[str]:
    """A name in Python and on the wire, both of which have to be its alone."""
    return {name, wire_name(name)}


def names_of_models() -> Names:
    """Names for models, of which none stands for something else in their files."""
    return Names(_TAKEN_BY_FILES)


def paths_of(models: Iterable[str]) -> dict[str, str]:
    """The plurals of models, which are their paths, each of them once."""
    own = {model: lower_camel(model) for model in models}
    names = Names()
    # ``orders`` keeps its own name beside ``order``.
    whole = {model: names.give(name) for model, name in own.items() if plural(name) == name}
    rest = {
        model: names.give(plural(name), name) for model, name in own.items() if model not in whole
    }
    return whole | rest


def unreserved(name: str) -> str:
    """The name of a relation, which cannot be that of what every model has."""
    return f"{name}_" if name in RESERVED else name


# Relations

#: What the names of columns end with that hold the key of another table's row.
_KEY_ENDINGS = re.compile(r"(?i)_(?:id|fk|key|ref|code|no)$|(?<=[a-z0-9])(?:Id|ID|Fk|Key)$")


def singular(table: str) -> str:
    return str(inflection.singularize(table))


def without_key(column: str, referred: str) -> str | None:
    """``customer_id`` → ``customer``, where that leaves something.

    :param column: the column that holds the key.
    :param referred: the column that it refers to.
    """
    ending = f"_{referred}"
    if column.lower().endswith(ending.lower()) and len(column) > len(ending):
        return column[: -len(ending)]
    shorter = _KEY_ENDINGS.sub("", column)
    return shorter if shorter not in ("", column) else None
