"""Includes: the relations whose records come with those that are found, and which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..definition import ModelDefinition, RelationDefinition
from ..errors import FilterError
from .bounds import UNBOUNDED, Bounds
from .nodes import Filter, Include, both
from .related import fixed_where, scope_of
from .text import is_nothing, parse_json

if TYPE_CHECKING:
    from .parser import FilterParser

T = TypeVar("T")


@dataclass
class _Wanted:
    """One relation to include.

    :ivar at: where it is named, for errors.
    :ivar scope: its scope as written, without the includes.
    :ivar scope_at: where the scope stands.
    :ivar nested: what is included with its records, and where that stands.
    """

    relation: RelationDefinition
    at: str
    scope: Mapping[str, Any] = field(default_factory=dict)
    scope_at: str = ""
    nested: list[tuple[Any, str]] = field(default_factory=list)


class IncludeParser:
    """Parses the includes of one filter, with those inside them; counts them.

    :param bounds: how much they may ask for.
    :param count: how many there are already.
    """

    def __init__(self, bounds: Bounds, count: int = 0) -> None:
        self.bounds = bounds
        self.count = count

    def parse(
        self, parser: FilterParser, given: Iterable[tuple[Any, str]], depth: int
    ) -> tuple[Include, ...]:
        """Parse what is to be included with the records of one model.

        :param parser: parses the filters of that model.
        :param given: what is written, and where that stands, for errors.
        :param depth: how many levels there may be.
        :raises FilterError: naming the path of what means nothing.
        """
        wanted: dict[RelationDefinition, _Wanted] = {}
        for written, at in given:
            for each in self._entries(parser, written, at):
                known = wanted.setdefault(each.relation, each)
                if known is not each:
                    _merge(known, each)
        return tuple(self._include(parser, each, depth) for each in wanted.values())

    def _entries(self, parser: FilterParser, given: Any, at: str) -> Iterator[_Wanted]:
        if isinstance(given, str) and given.startswith(("[", "{")):
            given = parse_json(at, given)
        if is_nothing(given):
            return
        if isinstance(given, list | tuple):
            for index, item in enumerate(given):
                yield from self._item(parser, item, f"{at}.{index}")
        else:
            yield from self._item(parser, given, at)

    def _item(self, parser: FilterParser, given: Any, at: str) -> Iterator[_Wanted]:
        if isinstance(given, str):
            yield _Wanted(self._relation(parser, given, at), at)
        elif not isinstance(given, Mapping):
            raise FilterError(at, "is neither the name of a relation nor an object")
        elif "relation" in given:
            yield self._with_scope(parser, given, at)
        else:
            for name, inner in given.items():
                place = f"{at}.{name}"
                relation = self._relation(parser, name, place)
                yield _Wanted(relation, place, nested=[(inner, place)])

    def _with_scope(self, parser: FilterParser, given: Mapping[str, Any], at: str) -> _Wanted:
        """An include of the form ``{"relation": …, "scope": …}``."""
        for key in given:
            if key not in ("relation", "scope"):
                raise FilterError(f"{at}.{key}", "is not a key of an include: relation and scope")
        relation = self._relation(parser, given["relation"], f"{at}.relation")
        place = f"{at}.scope"
        scope = dict(parser.mapping(place, given.get("scope")))
        included = scope.pop("include", None)
        return _Wanted(relation, at, scope, place, [(included, f"{place}.include")])

    def _relation(self, parser: FilterParser, name: Any, at: str) -> RelationDefinition:
        found = parser.paths.relation(name, at)
        if found.options.disable_include:
            raise FilterError(at, "cannot be included")
        return found

    def _include(self, parser: FilterParser, wanted: _Wanted, depth: int) -> Include:
        if depth <= 0:
            problem = f"is included more than {self.bounds.include_depth} levels deep"
            raise FilterError(wanted.at, problem)
        self.count += 1
        if self.count > self.bounds.includes:
            raise FilterError(wanted.at, f"is past the {self.bounds.includes} includes of a filter")
        if wanted.relation.target is not None:
            scope = self._scope(parser, wanted, wanted.relation.target, depth)
            return Include(wanted.relation, scope, is_checked=parser.remote)
        _below(wanted.scope_at, parser.check, wanted.scope)
        return Include(wanted.relation, self._scope_by_model(parser, wanted, depth))

    def _scope_by_model(self, parser: FilterParser, wanted: _Wanted, depth: int) -> Any:
        """A function that parses the scope for the model of some of the records."""
        count = self.count

        def scope(definition: ModelDefinition) -> Filter:
            return IncludeParser(self.bounds, count)._scope(parser, wanted, definition, depth)

        return scope

    def _scope(
        self, parser: FilterParser, wanted: _Wanted, target: ModelDefinition, depth: int
    ) -> Filter:
        relation = wanted.relation
        inner = parser.inside(relation, wanted.at, target)
        found = (
            inner.all if not wanted.scope else _below(wanted.scope_at, inner.plain, wanted.scope)
        )
        include = self.parse(inner, wanted.nested, depth - 1)
        if include:
            found = replace(found, include=include)
        if relation.options.scope or relation.fixed:
            own = self.own_scope(inner.trusted(), relation, depth)
            found = with_defaults(target, found, own, wanted.scope)
        return with_keys(target, found, _names_there(relation, target))

    def own_scope(self, parser: FilterParser, relation: RelationDefinition, depth: int) -> Filter:
        """What every use of a relation is narrowed by: its scope and its fixed values.

        :param parser: parses the filters that Python writes of the model that it leads to.
        :param depth: how many levels of includes there may be, unless a caller's bounds count them.
        :raises DefinitionError: where the scope means nothing.
        """
        written = dict(relation.options.scope or {})
        included = [(written.pop("include", None), "include")]
        with scope_of(relation):
            own = parser.plain(written)
            if self.bounds is UNBOUNDED:
                include = self.parse(parser, included, depth - 1)
            else:
                trusted = IncludeParser(UNBOUNDED)
                include = trusted.parse(parser, included, UNBOUNDED.include_depth)
        where = both(fixed_where(relation, parser.definition), own.where)
        return replace(own, where=where, include=include)


def _merge(known: _Wanted, again: _Wanted) -> None:
    """Include a relation that is named twice once."""
    if known.scope and again.scope and known.scope != again.scope:
        raise FilterError(again.at, "is included twice, with different scopes")
    if again.scope and not known.scope:
        known.scope, known.scope_at = again.scope, again.scope_at
    known.nested += again.nested


def _below(place: str, parse: Callable[[Mapping[str, Any]], T], scope: Mapping[str, Any]) -> T:
    """Parse a filter that stands in another one, at a place that errors name."""
    try:
        return parse(scope)
    except FilterError as error:
        raise FilterError(f"{place}.{error.path}", error.problem) from None


def _names_there(relation: RelationDefinition, target: ModelDefinition) -> tuple[str, ...]:
    """The properties of related records by which they are told apart."""
    if relation.links:
        return relation.links[-1].theirs
    if relation.is_embedded:
        return ()
    return relation.primary_key or tuple(each.name for each in target.ids)


def names_needed(relation: RelationDefinition) -> tuple[str, ...]:
    """The properties of a record from which its related ones are found."""
    if relation.links:
        return relation.links[0].own
    if relation.property is not None:
        return (relation.property,)
    return (*relation.foreign_key, str(relation.discriminator))


def with_keys(definition: ModelDefinition, found: Filter, names: Iterable[str] = ()) -> Filter:
    """A filter whose fields have what its includes need.

    :param names: what else is needed.
    """
    if found.fields is None:
        return found
    needed = {*names, *(key for each in found.include for key in names_needed(each.relation))}
    extra = tuple(name for name in definition.properties if name in needed - set(found.fields))
    if not extra:
        return found
    fields = tuple(n for n in definition.properties if n in found.fields or n in extra)
    return replace(found, fields=fields, extra=found.extra + extra)


def with_defaults(
    definition: ModelDefinition, found: Filter, scope: Filter, given: Mapping[str, Any]
) -> Filter:
    """A filter narrowed by a scope, from which comes what the filter does not say.

    Both wheres hold. Includes are added up; of a relation that both include, the filter's counts.

    :param definition: the model of both.
    :param found: the filter.
    :param scope: the filter that is the scope of a relation or of a model.
    :param given: the filter as it was written, which tells what it says.
    """
    says = {key for key, value in given.items() if not is_nothing(value)}
    chosen = found if "fields" in says else scope
    included = {each.relation for each in found.include}
    more = tuple(each for each in scope.include if each.relation not in included)
    merged = replace(
        found,
        where=both(scope.where, found.where),
        order=found.order if "order" in says else scope.order,
        is_ordered=found.is_ordered if "order" in says else scope.is_ordered,
        limit=found.limit if "limit" in says else scope.limit,
        skip=found.skip if says & {"skip", "offset"} else scope.skip,
        fields=chosen.fields,
        near=found.near if "order" in says else found.near or scope.near,
        include=found.include + more,
        extra=chosen.extra,
    )
    return with_keys(definition, merged)
