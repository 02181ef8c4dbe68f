"""Names in filters: what they mean, and who may use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..definition import Embedded, ModelDefinition, Property, nearest
from ..errors import FilterError
from ..types import AnyValue, Array, Object, PropertyType
from .nodes import Path


class PathFinder:
    """Finds the properties of one model that filters name.

    :param definition: the model.
    :param remote: whether the caller is remote, and so may use wire names only, and only of what it
        can read.
    """

    def __init__(self, definition: ModelDefinition, *, remote: bool) -> None:
        self.definition = definition
        self.remote = remote

    def property(self, name: Any, at: str) -> Property:
        """Find a property.

        :param at: where the name stands, for the error.
        :raises FilterError: where there is none, or the caller must not use it.
        """
        found = self.definition.find(name, wire_only=self.remote) if isinstance(name, str) else None
        if found is None:
            hint = nearest(str(name), self._names())
            raise FilterError(at, f"is not a property of {self.definition.name}{hint}")
        if self.remote and not found.readable:
            raise FilterError(at, "is not a property that can be used in a filter")
        return found

    def path(self, name: Any, at: str) -> Path:
        """Find the property, or the place inside one, that a dotted name means.

        :raises FilterError: where it means none, or the caller must not use it.
        """
        if not isinstance(name, str):
            raise FilterError(at, f"has the name {name!r}, which is not text")
        head, *keys = name.split(".")
        found = self.property(head, at)
        return self._inside(Path(found, (), found.type), keys, at)

    def check_record(self, kind: PropertyType, given: Any, at: str) -> None:
        """Check the names in what an embedded record, or each of a list, is compared with.

        :raises FilterError: where one is no property; where the caller is remote, and the
            comparison would tell of properties that it cannot read.
        """
        if isinstance(kind, Array):
            if isinstance(given, list | tuple):
                for index, item in enumerate(given):
                    self.check_record(kind.item, item, f"{at}.{index}")
            return
        if given is None or not isinstance(kind, Embedded):
            return
        inner = PathFinder(kind.definition, remote=self.remote)
        if self.remote and inner.hides_something():
            raise FilterError(at, "has properties that cannot be used in a filter")
        for name, value in given.items() if isinstance(given, Mapping) else ():
            found = inner.property(name, f"{at}.{name}")
            inner.check_record(found.type, value, f"{at}.{name}")

    def hides_something(self, seen: frozenset[ModelDefinition] = frozenset()) -> bool:
        """Whether records of this model, inside others, have what remote callers cannot read."""
        seen |= {self.definition}
        properties = self.definition.properties.values()
        if any(each.protected or not each.readable for each in properties):
            return True
        inner = {
            kind.definition
            for each in properties
            if isinstance(kind := _item_type(each.type), Embedded)
        }
        return any(PathFinder(each, remote=True).hides_something(seen) for each in inner - seen)

    def _names(self) -> Iterable[str]:
        return (each.wire for each in self.definition.properties.values() if each.readable)

    def _inside(self, path: Path, keys: list[str], at: str) -> Path:
        if not keys:
            return path
        kind = path.type
        if not all(keys):
            raise FilterError(at, "has an empty key")
        if isinstance(kind, Embedded):
            found = self._embedded(kind, keys[0], at)
            return self._inside(_deeper(path, found.name, found.type), keys[1:], at)
        if isinstance(kind, Array) and not isinstance(kind.item, AnyValue):
            if not (keys[0].isascii() and keys[0].isdecimal()):
                raise FilterError(at, f"has {keys[0]!r} where the index of an item is wanted")
            return self._inside(_deeper(path, keys[0], kind.item), keys[1:], at)
        if isinstance(kind, Object | AnyValue | Array):
            return Path(path.property, (*path.keys, *keys), AnyValue())
        raise FilterError(at, f"has nothing inside: {path.property.wire} is a {kind.name}")

    def _embedded(self, kind: Embedded, name: str, at: str) -> Property:
        found = PathFinder(kind.definition, remote=self.remote).property(name, at)
        if self.remote and found.protected:
            raise FilterError(at, "is not a property that can be used in a filter")
        return found


def _deeper(path: Path, key: str, kind: PropertyType) -> Path:
    return Path(path.property, (*path.keys, key), kind)


def _item_type(kind: PropertyType) -> PropertyType:
    while isinstance(kind, Array):
        kind = kind.item
    return kind
