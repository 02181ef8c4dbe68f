"""Wheres that reach through relations: how they are written, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..definition import ModelDefinition, Property, RelationDefinition, nearest
from ..errors import DefinitionError, FilterError
from ..types import Array, Integer
from .bounds import UNBOUNDED, Bounds
from .nodes import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Inside,
    Not,
    Or,
    Path,
    Related,
    Where,
    both,
    equality,
)
from .paths import PathFinder, Reach
from .where import WhereParser

#: What a where says of the records that a relation leads to.
RELATION_QUANTIFIERS = ("some", "none", "every")


def where_parser(paths: PathFinder, bounds: Bounds) -> WhereParser:
    """What parses wheres on the model whose names ``paths`` finds."""
    kind = RelationWhereParser if paths.definition.relations else WhereParser
    return kind(paths, bounds)


class RelationWhereParser(WhereParser):
    """Parses a where on a model that has relations.

    A dotted path through relations is the related record's value, which is null where there is no
    record. Where a relation leads to many, it is all their values: an operator holds where it holds
    for one of them.
    """

    def __init__(self, paths: PathFinder, bounds: Bounds) -> None:
        super().__init__(paths, bounds)
        definition = paths.definition
        self._plain = definition.by_wire if paths.remote else definition.properties

    def _named(self, name: str, condition: Any, at: str, depth: int) -> Sequence[Where]:
        if name in self._plain:
            return super()._named(name, condition, at, depth)
        reach = self.paths.reach(name, at, depth - 1)
        if reach.path is None:
            return self._quantified(name, reach, condition, at, depth)
        found = self._on_path(reach.path, condition, at)
        if not reach.relations:
            return found
        return [_lifted(reach.relations, each, self._reached) for each in found]

    def _quantified(
        self, name: str, reach: Reach, condition: Any, at: str, depth: int
    ) -> list[Where]:
        if not isinstance(condition, Mapping) or not condition:
            raise FilterError(
                at,
                'is a relation: write {"some": {…}}, {"none": {…}} or {"every": {…}} with a where '
                f'of {reach.paths.definition.name}, or a path as "{name}.…"',
            )
        found = []
        for quantifier, given in condition.items():
            place = f"{at}.{quantifier}"
            if quantifier not in _QUANTIFIED:
                hint = _hint(name, reach.paths, str(quantifier))
                raise FilterError(place, f"is not 'some', 'none' or 'every'{hint}")
            self._count(place)
            where = self._inside(reach.paths, given, place, depth - len(reach.relations))
            found.append(_QUANTIFIED[quantifier](reach.relations, where, self._reached))
        return found

    def _reached(self, relation: RelationDefinition, where: Where) -> Where:
        """What :func:`reached` gives, of the records alone of which the caller may know."""
        if self.bounds.reach is None or relation.is_embedded or relation.target is None:
            return reached(relation, where)
        rows = self.bounds.rows(relation.target.model, "find")
        return reached(relation, both(rows, where), self.bounds.between(relation))

    def _inside(self, paths: PathFinder, given: Any, at: str, depth: int) -> Where:
        """Parse a where on the model that a relation leads to; its conditions count here."""
        inner = where_parser(paths, self.bounds)
        inner.conditions = self.conditions
        where = inner.parse_item(given, at, depth)
        self.conditions = inner.conditions
        return where


def _hint(name: str, paths: PathFinder, key: str) -> str:
    find = (paths.definition.find, paths.definition.find_relation)
    if any(each(key, wire_only=paths.remote) for each in find):
        return f"; did you mean '{name}.{key}'?"
    return nearest(key, RELATION_QUANTIFIERS)


#: Does what :func:`reached` does, of the records alone that there are for a caller.
ReachedBy = Callable[[RelationDefinition, Where], Where]


def _some(relations: Sequence[RelationDefinition], where: Where, reached_by: ReachedBy) -> Where:
    for relation in reversed(relations):
        where = reached_by(relation, where)
    return where


def _none(relations: Sequence[RelationDefinition], where: Where, reached_by: ReachedBy) -> Where:
    return Not(_some(relations, where, reached_by))


def _every(relations: Sequence[RelationDefinition], where: Where, reached_by: ReachedBy) -> Where:
    return Not(_some(relations, Not(where), reached_by))


_QUANTIFIED = dict(zip(RELATION_QUANTIFIERS, (_some, _none, _every), strict=True))


def _lifted(relations: Sequence[RelationDefinition], where: Where, reached_by: ReachedBy) -> Where:
    """What a where on a value means where the value is at the end of relations."""
    if isinstance(where, And | Or):
        return type(where)(tuple(_lifted(relations, each, reached_by) for each in where.items))
    if isinstance(where, Not):
        inner = _lifted(relations, where.item, reached_by)
        return inner.item if isinstance(inner, Not) else Not(inner)
    if isinstance(where, Compare) and where.operator == "eq" and where.operand is None:
        return Not(_some(relations, Not(where), reached_by))
    return _some(relations, where, reached_by)


def reached(relation: RelationDefinition, where: Where, between: Where = EVERYTHING) -> Where:
    """The where on a model that one of the records which a relation of it leads to matches.

    :param where: what that record matches, beside the relation's scope.
    :param between: what the row of a third model matches that links it, where there is one.
    :raises DefinitionError: where the relation's scope means nothing.
    """
    where = both(scope_where(relation), where)
    if relation.is_embedded:
        holder = relation.owner.properties[str(relation.property)]
        return Inside(Path(holder, (), holder.type), where)
    first, *rest = relation.links
    for link in rest:
        where = both(between, Related(link, where))
    return Related(first, where)


def scope_where(relation: RelationDefinition) -> Where:
    """What every record that a relation leads to matches: the where of its scope, fixed values.

    :raises DefinitionError: where the scope means nothing.
    """
    target = relation.target
    written = (relation.options.scope or {}).get("where")
    if target is None or not (written or relation.fixed):
        return EVERYTHING
    fixed = fixed_where(relation, target)
    if not written:
        return fixed
    parser = where_parser(PathFinder(target, remote=False), UNBOUNDED)
    with scope_of(relation):
        return both(fixed, parser.parse_item(written, "where", UNBOUNDED.depth))


def fixed_where(relation: RelationDefinition, target: ModelDefinition) -> Where:
    """The where that the records of a model have the values that a relation fixes."""
    fixed = relation.fixed.items()
    return And(tuple(equality(target.properties[name], value) for name, value in fixed))


@contextmanager
def scope_of(relation: RelationDefinition) -> Iterator[None]:
    """A block that reads what was written as a relation's scope, where a mistake is its author's.

    :raises DefinitionError: where it is not valid.
    """
    try:
        yield
    except FilterError as error:
        raise DefinitionError(f"the scope of {relation!r}: {error.message}") from None
    except RecursionError:
        raise DefinitionError(f"the scope of {relation!r} leads back to itself") from None


def keys_where(definition: ModelDefinition, names: Sequence[str], keys: Iterable[Any]) -> Where:
    """The where that the values of some properties are one of several keys.

    :param names: the properties. A list matches where one of its items does.
    :param keys: for one property values, for several tuples of them. One with a null in it matches
        nothing.
    """
    properties = [definition.properties[name] for name in names]
    keys = possible_keys(properties, keys)
    if len(properties) == 1:
        kind = properties[0].type
        values = tuple(key for key in keys if key is not None)
        path = Path(properties[0], (), kind)
        return Compare(path, "inq", values, member=isinstance(kind, Array)) if values else NOTHING
    return Or(
        tuple(
            And(tuple(map(equality, properties, key)))
            for key in keys
            if all(value is not None for value in key)
        )
    )


def possible_keys(properties: Sequence[Property], keys: Iterable[Any]) -> Iterable[Any]:
    """The keys that properties may have, of those that others gave: a fraction is no integer.

    :param keys: for one property values, for several tuples of them.
    """
    wholes = [place for place, each in enumerate(properties) if isinstance(each.type, Integer)]
    if not wholes:
        return keys
    if len(properties) == 1:
        return [key for key in keys if type(key) is not float]
    return [key for key in keys if all(type(key[place]) is not float for place in wholes)]


def has_related(where: Where) -> bool:
    """Whether a where has to look at other records than those that it is on."""
    if isinstance(where, Compare):
        return False
    if isinstance(where, (And, Or)):
        return any(map(has_related, where.items))
    if isinstance(where, Not):
        return has_related(where.item)
    return isinstance(where, Related) or (isinstance(where, Inside) and has_related(where.where))
