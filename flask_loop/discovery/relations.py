"""Relations of discovered tables: what their foreign keys mean for the models on both sides.

A key is a ``belongs_to`` where it is, and a ``has_many`` where it leads: a ``has_one`` where the
columns of the key are unique. A table that does nothing but link two others is a table as any
other: that it means a relation between them is not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .names import NameMapper, Names, singular, unreserved, without_key

if TYPE_CHECKING:
    from .documents import Table

_NUMBERS = ("Integer", "Number")


@dataclass(eq=False)
class Key:
    """A foreign key.

    :ivar columns: its columns.
    :ivar table: the table that it refers to.
    :ivar owner: the schema of that, where it is not the connection's own.
    :ivar referred: the columns there, in the same order.
    :ivar target: the table, where it is among those that were discovered.
    """

    columns: list[str]
    table: str
    owner: str | None
    referred: list[str]
    target: Table | None = None


def relate(
    tables: Iterable[Table], name_mapper: NameMapper, *, many: bool = True
) -> dict[str, dict[str, Any]]:
    """The relations of each model by name, as definitions in JSON have them.

    :param tables: the tables, with their keys.
    :param name_mapper: names the relations.
    :param many: whether those that keys lead to have relations, too.
    """
    return _Relating(list(tables), name_mapper).relate(many=many)


class _Relating:
    def __init__(self, tables: list[Table], name_mapper: NameMapper) -> None:
        self._tables, self._map = tables, name_mapper
        self._found: dict[str, dict[str, Any]] = {table.model: {} for table in tables}
        self._names = {
            table.model: Names(table.property_names(table.properties)) for table in tables
        }

    def relate(self, *, many: bool) -> dict[str, dict[str, Any]]:
        keys = [
            (table, key) for table in self._tables for key in table.keys if _means_one(table, key)
        ]
        # Names of what a table has itself come before those of what others have of it.
        raw = {key: self._belong(table, key) for table, key in keys}
        for table, key in keys if many else ():
            self._have(table, key, raw[key])
        return self._found

    def _belong(self, table: Table, key: Key) -> str:
        """Let a table's model belong to another one.

        :returns: the relation's name before it was mapped.
        """
        target = _target(key)
        raw = self._names_of_one(table, key)
        name, chosen = self._give(table, raw)
        written: dict[str, Any] = {
            "type": "belongsTo",
            "model": target.model,
            "foreignKey": _one_or_many(table.property_names(key.columns)),
        }
        if key.referred != target.ids:
            written["primaryKey"] = _one_or_many(target.property_names(key.referred))
        self._found[table.model][name] = written
        return chosen

    def _have(self, table: Table, key: Key, raw: str) -> None:
        """Let the model that a key leads to have those of a table."""
        target = _target(key)
        is_one = _is_unique(table, key.columns)
        own = singular(table.name) if is_one else table.name
        alone = Counter(_target(each).model for each in table.keys if _means_one(table, each))
        is_clear = alone[target.model] == 1 and table is not target
        by = f"{table.name}_by_{raw}"
        name, _ = self._give(target, [own, by] if is_clear else [by])
        written: dict[str, Any] = {
            "type": "hasOne" if is_one else "hasMany",
            "model": table.model,
            "foreignKey": _one_or_many(table.property_names(key.columns)),
        }
        if key.referred != target.ids:
            written["primaryKey"] = _one_or_many(target.property_names(key.referred))
        self._found[target.model][name] = written

    def _names_of_one(self, table: Table, key: Key) -> list[str]:
        """What the other record may be called, the best first."""
        other = singular(key.table)
        if len(key.columns) > 1:
            return [other, f"{other}_by_{'_and_'.join(key.columns)}"]
        (column,), (referred,) = key.columns, key.referred
        short = without_key(column, referred)
        longer = f"{column}_{'record' if column == other else other}"
        return [*([short] if short else []), other, longer]

    def _give(self, table: Table, raw: list[str]) -> tuple[str, str]:
        """A name that is free in a model, and the one that it is made of."""
        names = self._names[table.model]
        mapped = {unreserved(self._map("relation", each)): each for each in raw}
        given = names.give(*mapped)
        return given, mapped.get(given, raw[-1])


def _target(key: Key) -> Table:
    assert key.target is not None  # noqa: S101 - only keys that mean a relation come here
    return key.target


def _means_one(table: Table, key: Key) -> bool:
    """Whether a key is a relation: between records that have ids, of values of one type."""
    target = key.target
    if target is None or not target.ids or len(key.columns) != len(key.referred):
        return False
    if not set(key.referred) <= target.properties.keys():
        return False
    pairs = zip(table.types(key.columns), target.types(key.referred), strict=True)
    return all(own == other or (own in _NUMBERS and other in _NUMBERS) for own, other in pairs)


def _is_unique(table: Table, columns: Iterable[str]) -> bool:
    """Whether no two rows have the same values in some columns."""
    wanted = set(columns)
    return any(wanted.issuperset(key) for key in (table.ids, *table.unique_keys) if key)


def _one_or_many(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names
