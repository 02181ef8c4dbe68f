"""Names in filters: what they mean, and who may use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..definition import Embedded, ModelDefinition, Property, RelationDefinition, nearest
from ..definition.relation import EMBEDS_ONE, HAS_ONE
from ..errors import FilterError
from ..types import AnyValue, Array, Object, PropertyType
from .bounds import UNBOUNDED, Bounds
from .nodes import Path

#: The keys of a scope by which a relation to one record leads to the first of several.
_CHOOSING = frozenset({"order", "skip", "offset"})


@dataclass(frozen=True, slots=True)
class Reach:
    """What a dotted name means: relations to follow, and a path of the model where they end.

    :ivar relations: the relations in order; none where the path is of the model itself.
    :ivar paths: finds what names mean where they end.
    :ivar path: None where the name ends with a relation.
    """

    relations: tuple[RelationDefinition, ...]
    paths: PathFinder
    path: Path | None


class PathFinder:
    """Finds the properties and the relations of one model that filters name.

    :param definition: the model.
    :param remote: whether the caller is remote, and so may use wire names only, and only of what it
        can read.
    :param nested: whether the records come inside others, where a remote caller does not see
        protected properties.
    :param bounds: how much a filter may ask for, and of whom.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        *,
        remote: bool,
        nested: bool = False,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        self.definition = definition
        self.remote = remote
        self.nested = nested
        self.bounds = bounds

    def property(self, name: Any, at: str) -> Property:
        """Find a property.

        :param at: where the name stands, for the error.
        :raises FilterError: where there is none, or the caller must not use it.
        """
        found = self.definition.find(name, wire_only=self.remote) if isinstance(name, str) else None
        if found is None:
            hint = nearest(str(name), self._names())
            raise FilterError(at, f"is not a property of {self.definition.name}{hint}")
        if not self._is_usable(found):
            raise FilterError(at, "is not a property that can be used in a filter")
        return found

    def relation(self, name: Any, at: str) -> RelationDefinition:
        """Find a relation.

        :raises FilterError: where there is none.
        """
        found = self._relation(name) if isinstance(name, str) else None
        if found is None:
            hint = nearest(str(name), self._relation_names())
            problem = f"names {name!r}, which is no relation of {self.definition.name}{hint}"
            raise FilterError(at, problem)
        return found

    def follow(self, relation: RelationDefinition, at: str) -> PathFinder:
        """What finds names where a relation leads to.

        :raises FilterError: where the caller must not follow it, or it leads to no one model.
        """
        if relation.target is None:
            raise FilterError(at, "leads to records of several models, which no path goes through")
        if relation.kind == HAS_ONE and (relation.options.scope or {}).keys() & _CHOOSING:
            problem = "leads to the first of several records, which no path goes through"
            raise FilterError(at, f"{problem}: {relation.wire} has a scope with an order")
        self.check(relation, relation.target, at, "find")
        return PathFinder(relation.target, remote=self.remote, nested=True, bounds=self.bounds)

    def check(
        self,
        relation: RelationDefinition,
        target: ModelDefinition,
        at: str,
        method: str | None = None,
    ) -> None:
        """Check that the caller may follow a relation to records of a model.

        :param method: the method of the model by which the caller could reach them, by its wire
            name; what gives the relation's records where not given.
        :raises FilterError: where callers may not.
        :raises RemoteError: where this caller may not.
        """
        if not self._may_follow(relation, target):
            raise FilterError(at, "cannot be reached")
        if self.bounds.reach is not None and not relation.is_embedded:
            self.bounds.reach.demand(target.model, method or read_by(relation))
            if relation.through is not None:
                self.bounds.reach.demand(relation.through.model, "find")

    def reach(self, name: Any, at: str, levels: int) -> Reach:
        """Find the relations to follow and the path at their end that a dotted name means.

        A record that is embedded alone is a place in the property that holds it.

        :param levels: how many relations there may be.
        :raises FilterError: where the name means nothing, or the caller must not use it.
        """
        if not isinstance(name, str):
            raise FilterError(at, f"has the name {name!r}, which is not text")
        keys = name.split(".")
        steps: list[tuple[PathFinder, RelationDefinition]] = []
        paths = self
        for index, key in enumerate(keys):
            relation = None if paths._has(key) else paths._relation(key)
            if relation is None:
                return _reach(steps, paths, paths._own_path(keys[index:], at))
            if index >= levels:
                raise FilterError(at, f"is nested more than {self.bounds.depth} levels deep")
            steps.append((paths, relation))
            paths = paths.follow(relation, at)
        return _reach(steps, paths, None)

    def path(self, name: Any, at: str) -> Path:
        """Find the property, or the place inside one, that a dotted name means.

        :raises FilterError: where it means none, or the caller must not use it.
        """
        if not isinstance(name, str):
            raise FilterError(at, f"has the name {name!r}, which is not text")
        return self._path(name.split("."), at)

    def _path(self, names: Sequence[str], at: str) -> Path:
        head, *keys = names
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
        inner = PathFinder(kind.definition, remote=self.remote, nested=True)
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

    def _has(self, name: str) -> bool:
        return self.definition.find(name, wire_only=self.remote) is not None

    def _is_usable(self, found: Property) -> bool:
        return not self.remote or (found.readable and not (self.nested and found.protected))

    def _relation(self, name: str) -> RelationDefinition | None:
        return self.definition.find_relation(name, wire_only=self.remote)

    def _may_follow(self, relation: RelationDefinition, target: ModelDefinition) -> bool:
        if relation.is_embedded:
            return self._is_usable(self.definition.properties[str(relation.property)])
        if self.bounds.reach is None:
            return True
        return target.model is not None and self.bounds.shows(target.model)

    def _own_path(self, names: Sequence[str], at: str) -> Path:
        if not self._has(names[0]):
            hint = nearest(names[0], [*self._names(), *self._relation_names()])
            raise FilterError(
                at, f"is neither a property nor a relation of {self.definition.name}{hint}"
            )
        return self._path(names, at)

    def _names(self) -> Iterable[str]:
        return (each.wire for each in self.definition.properties.values() if self._is_usable(each))

    def _relation_names(self) -> Iterable[str]:
        return (
            each.wire
            for each in self.definition.relations.values()
            if each.target is None or self._may_follow(each, each.target)
        )

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
        return PathFinder(kind.definition, remote=self.remote, nested=True).property(name, at)


def read_by(relation: RelationDefinition) -> str:
    """The method of the target, by its wire name, that gives what a relation leads to."""
    return "find" if relation.is_many else "findById"


def _reach(
    steps: list[tuple[PathFinder, RelationDefinition]], paths: PathFinder, path: Path | None
) -> Reach:
    """What some relations and a path at their end mean."""
    while steps and path is not None and _is_place(steps[-1][1]):
        paths, relation = steps.pop()
        holder = paths.definition.properties[str(relation.property)]
        path = Path(holder, (path.property.name, *path.keys), path.type)
    return Reach(tuple(relation for _, relation in steps), paths, path)


def _is_place(relation: RelationDefinition) -> bool:
    return relation.kind == EMBEDS_ONE and not relation.options.scope


def _deeper(path: Path, key: str, kind: PropertyType) -> Path:
    return Path(path.property, (*path.keys, key), kind)


def _item_type(kind: PropertyType) -> PropertyType:
    while isinstance(kind, Array):
        kind = kind.item
    return kind
