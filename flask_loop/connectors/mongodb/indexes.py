"""Indexes: what definitions ask for, and what a collection has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...definition import ModelDefinition
from ...errors import DefinitionError
from ...types import AnyValue, Array, DateTime, FieldValue, Geo
from .collection import EXPIRY, Field, ModelCollection

#: What the names of our own indexes begin with.
PREFIX = "loop_"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An index that a definition asks for.

    :ivar name: its name.
    :ivar keys: its fields, each with 1, -1 or a kind such as ``2dsphere``.
    :ivar options: what else it is made with.
    """

    name: str
    keys: tuple[tuple[str, int | str], ...]
    options: Mapping[str, Any]

    @property
    def paths(self) -> str:
        """The fields, as messages name them."""
        return ", ".join(path for path, _ in self.keys)

    def is_like(self, there: Mapping[str, Any]) -> bool:
        """Whether an index that is there is this one."""
        return (
            list(there["key"].items()) == list(self.keys)
            and bool(there.get("unique")) == bool(self.options.get("unique"))
            and there.get("expireAfterSeconds") == self.options.get("expireAfterSeconds")
            and (there.get("partialFilterExpression") or None)
            == self.options.get("partialFilterExpression")
            and not (there.get("sparse") or there.get("collation"))
        )

    def found_in(self, there: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is among the indexes that are there, under its name or another one."""
        own = there.get(self.name)
        return any(map(self.is_like, there.values() if own is None else [own]))


def wanted_indexes(collection: ModelCollection) -> list[Wanted]:
    """The indexes that a definition asks for, beside that of ``_id``."""
    definition = collection.definition
    expiries = _expiries(definition)
    found = []
    for index in definition.indexes():
        fields = [collection.fields[name] for name in index.keys]
        if len(fields) == 1 and fields[0].path == "_id":
            continue
        if index.unique and not any(map(_is_list, fields)):
            found.append(_unique(fields))
        elif index.keys not in expiries:
            found.append(_plain(_with_one_list(fields), collection))
    for names, seconds in expiries.items():
        (field,) = (collection.fields[name] for name in names)
        found.append(_expiring(field, seconds))
    if collection.is_composite:
        found.append(_plain([collection.fields[each.name] for each in definition.ids], collection))
    return found


def unique_keys(collection: ModelCollection) -> list[tuple[str, ...]]:
    """The properties of each unique index."""
    return [
        index.keys
        for index in collection.definition.indexes()
        if index.unique and not any(_is_list(collection.fields[name]) for name in index.keys)
    ]


def _is_list(field: Field) -> bool:
    """Whether a value may be a list, each item of which an index would have by itself."""
    return isinstance(field.kind, Array | AnyValue | FieldValue)


def _with_one_list(fields: list[Field]) -> list[Field]:
    """The fields that one index can be over: it takes no document with lists in two of them."""
    lists = [field for field in fields if _is_list(field)]
    return [field for field in fields if field not in lists[1:]]


def _unique(fields: list[Field]) -> Wanted:
    keys = _keys(fields)
    options: dict[str, Any] = {"unique": True}
    there = {each.path: {"$exists": True} for each in fields if each.may_miss}
    if there:
        # What has null in one of them is the same as no other.
        options["partialFilterExpression"] = there
    elif any(each.path != "_id" and not each.path.startswith("_id.") for each in fields):
        first = next(each for each in fields if not each.path.startswith("_id"))
        options["partialFilterExpression"] = {first.path: {"$exists": True}}
    return Wanted(_name(keys, "unique"), keys, options)


def _plain(fields: list[Field], collection: ModelCollection) -> Wanted:
    keys = tuple(
        (path, "2dsphere" if isinstance(field.kind, Geo) else 1)
        for field in fields
        for path in (field.path, field.rest)
        if path is not None
    )
    name = _name(keys)
    if all(kind == 1 for _, kind in keys):
        # Among equal values the order is that of the ids, which the index then has as well.
        there = [path for path, _ in keys]
        ids = [collection.fields[each.name].path for each in collection.definition.ids]
        keys += tuple((path, 1) for path in ids if path not in there)
    return Wanted(name, keys, {})


def _expiring(field: Field, seconds: int) -> Wanted:
    keys = ((field.path, 1),)
    return Wanted(_name(keys, "ttl"), keys, {"expireAfterSeconds": seconds})


def _keys(fields: list[Field]) -> tuple[tuple[str, int | str], ...]:
    return tuple((path, 1) for each in fields for path in (each.path, each.rest) if path)


def _name(keys: tuple[tuple[str, int | str], ...], end: str = "") -> str:
    parts = [path if kind == 1 else f"{path}_{kind}" for path, kind in keys]
    return PREFIX + "_".join([*parts, *([end] if end else [])])


def _expiries(definition: ModelDefinition) -> dict[tuple[str, ...], int]:
    """After how many seconds documents are deleted, by the property with the instant."""
    found: dict[tuple[str, ...], int] = {}
    for each in definition.properties.values():
        _note(found, definition, (each.name,), each.options.get("mongodb", {}))
    for given in definition.settings.indexes.values():
        keys = given.get("keys") or given.get("columns") or ()
        listed = [keys] if isinstance(keys, str) else list(keys)
        names = [property_.name for key in listed if (property_ := definition.find(key))]
        for said in (given, given.get("options")):
            if isinstance(said, Mapping):
                _note(found, definition, tuple(names), said)
    return found


def _note(
    found: dict[tuple[str, ...], int],
    definition: ModelDefinition,
    names: tuple[str, ...],
    said: Mapping[str, Any],
) -> None:
    seconds = next((said[key] for key in EXPIRY if said.get(key) is not None), None)
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        raise DefinitionError(
            f"{definition.name}: expireAfterSeconds is a whole number from 0, not {seconds!r}"
        )
    if len(names) != 1 or not isinstance(definition.properties[names[0]].type, DateTime):
        raise DefinitionError(
            f"{definition.name}: expireAfterSeconds is for an index over one instant"
        )
    found[names] = seconds
