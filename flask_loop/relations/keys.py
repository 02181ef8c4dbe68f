"""Keys in rows: the values by which records lead to others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..connectors.base import Rows
from ..definition import BELONGS_TO, RelationDefinition


def column_of(rows: Rows, name: str) -> list[Any]:
    """The values of one property in rows, as records hold them."""
    column = rows.layout.columns[name]
    convert = column.to_python
    if len(column.keys) > 1:
        return [each[name] for each in rows.records()]
    (key,) = column.keys

    def values(raw: Sequence[Any]) -> list[Any]:
        found = [row.get(key) for row in raw] if column.may_miss else [row[key] for row in raw]
        if convert is None:
            return found
        return [None if each is None else convert(each) for each in found]

    return rows.read(values)


#: The types of values that are no keys: others may have stored them where a key is declared.
_NO_KEYS = frozenset((list, dict))


def as_key(value: Any) -> Any:
    """A value as a key: None for a list or an object, which lead nowhere."""
    return None if type(value) in _NO_KEYS else value


def as_keys(values: list[Any]) -> list[Any]:
    """Values as keys, likewise."""
    if _NO_KEYS.isdisjoint(map(type, values)):
        return values
    return list(map(as_key, values))


def items_of(value: Any) -> Sequence[Any]:
    """The items of a list of keys; there are none where it is null, or no list at all."""
    return value if isinstance(value, list | tuple) else ()


def keys_of_rows(rows: Rows, names: Sequence[str]) -> list[Any]:
    """For each row its key: a value, or a tuple of several; None where a part of it is null."""
    columns = [as_keys(column_of(rows, name)) for name in names]
    if len(columns) == 1:
        return columns[0]
    return [None if None in key else key for key in zip(*columns, strict=True)]


def lists_of_rows(rows: Rows, name: str) -> list[Sequence[Any]]:
    """For each row the keys in a list, of which there may be none; some may be None."""
    lists = list(map(items_of, column_of(rows, name)))
    if _NO_KEYS.isdisjoint(map(type, chain.from_iterable(lists))):
        return lists
    return [list(map(as_key, each)) for each in lists]


def note_key(instance: Any, relation: RelationDefinition) -> None:
    """Remember with which key of a ``belongs_to`` an instance was when its record was loaded."""
    instance.__dict__.setdefault("_related_keys", {})[relation.name] = _key_held(instance, relation)


def is_current(instance: Any, relation: RelationDefinition) -> bool:
    """Whether what was loaded with an instance is still what its relation leads to."""
    if relation.kind != BELONGS_TO:
        return True
    known = instance.__dict__.get("_related_keys", {}).get(relation.name)
    return known is None or known == _key_held(instance, relation)


def _key_held(instance: Any, relation: RelationDefinition) -> tuple[Any, ...]:
    """The key that an instance holds; None for what was not loaded."""
    values = [instance.__dict__.get(name) for name in relation.foreign_key]
    if relation.discriminator is not None:
        values.append(instance.__dict__.get(relation.discriminator))
    return tuple(values)
