"""Including: the records that relations lead to, loaded with those that were found.

Each relation costs one query on each level, however many records there are. What was found is kept
as rows, so that an answer in JSON needs no instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..connectors.base import RelatedRows, Rows, layout_of_records
from ..definition import BELONGS_TO, HAS_ONE, Link, ModelDefinition, RelationDefinition
from ..errors import FilterError
from ..query import (
    EVERYTHING,
    NOTHING,
    Bounds,
    Filter,
    Include,
    Where,
    both,
    read_by,
    with_keys,
)
from .grouping import paged
from .inside import refuse_reaching, selected
from .keys import column_of, is_current, keys_of_rows, lists_of_rows, note_key
from .narrowing import has_order
from .reaching import plan_of, settled

#: For each record that was found, the places of its related records among those loaded.
Places = list[Sequence[int]]


class Loaded:
    """What one include brought: records of one model, and which of them belong to which record.

    :param relation: the relation.
    :param plan: the plan of the related records' model.
    :param rows: the related records, each once.
    :param places: where those of each record are among them.
    :param extra: the names of properties that were read for the includes alone.
    :param of: which records it is about, where the relation leads to several models.
    """

    __slots__ = ("extra", "nested", "of", "places", "plan", "relation", "rows")

    def __init__(
        self,
        relation: RelationDefinition,
        plan: Any,
        rows: Rows,
        places: Places,
        extra: Sequence[str] = (),
    ) -> None:
        self.relation, self.plan, self.rows, self.places = relation, plan, rows, places
        self.extra = extra
        self.of: Sequence[int] | None = None
        self.nested: list[Loaded] = []

    def into_json(self, found: Sequence[dict[str, Any]]) -> None:
        """Put the related records into those that were found, all as JSON objects."""
        related = self.plan.serializer.dump(self.rows, nested=True, without=self.extra)
        for each in self.nested:
            each.into_json(related)
        wire = self.relation.wire
        if self.relation.is_many:
            for one, places in self._pairs(found):
                one[wire] = [related[place] for place in places]
        else:
            for one, places in self._pairs(found):
                if places:
                    one[wire] = related[places[0]]

    def into_instances(self, found: Sequence[Any]) -> None:
        """Put the related records into those that were found, all as instances."""
        records = without(self.rows.records(), self.extra)
        related = list(map(self.plan.model.from_record, records))
        for each in self.nested:
            each.into_instances(related)
        name = self.relation.name
        for one, places in self._pairs(found):
            held = one.__dict__.setdefault("_related", {})
            if self.relation.is_many:
                held[name] = [related[place] for place in places]
            elif places or self.of is None:
                held[name] = related[places[0]] if places else None
        if self.relation.kind == BELONGS_TO:
            for one in found:
                note_key(one, self.relation)

    def shown(self, found: int) -> list[int]:
        """How many related records each of those that were found shows, with those inside them.

        One that several have in common is shown in each of them.

        :param found: how many were found.
        """
        each_with = [1] * len(self.rows)
        for nested in self.nested:
            inside = nested.shown(len(self.rows))
            each_with = [one + more for one, more in zip(each_with, inside, strict=True)]
        counts = [0] * found
        for one, places in self._pairs(range(found)):
            counts[one] = sum(each_with[place] for place in places)
        return counts

    def _pairs(self, found: Sequence[Any]) -> Iterable[tuple[Any, Sequence[int]]]:
        chosen = found if self.of is None else [found[place] for place in self.of]
        return zip(chosen, self.places, strict=True)


def load(rows: Rows, includes: Sequence[Include], bounds: Bounds | None = None) -> list[Loaded]:
    """Load what includes bring to records that were found.

    :param rows: the records; they have the properties that the includes need.
    :param includes: in their normal form.
    :param bounds: how much a remote caller may ask for; an include without a limit of its own
        brings at most as many records to each of those that were found. What its scopes and those
        of models include that it could not find by itself is left out.
    :raises FilterError: where a remote caller would be shown too many related records in all.
    """
    loaded = _load(rows, includes, bounds)
    most = None if bounds is None else bounds.included
    if most is not None and _may_show_more(loaded, len(rows), most):
        shown = sum(sum(each.shown(len(rows))) for each in loaded)
        if shown > most:
            problem = f"brings {shown} records, more than {most}; give scopes a limit"
            raise FilterError("include", problem)
    return loaded


def _may_show_more(loaded: Iterable[Loaded], found: int, most: int) -> bool:
    """Whether it takes a closer look to know that no more related records are shown."""
    shown = 0
    for each in loaded:
        if each.nested:
            return True
        shown += sum(map(len, each.places)) if each.relation.is_many else found
    return shown > most


def _load(rows: Rows, includes: Sequence[Include], bounds: Bounds | None) -> list[Loaded]:
    loaded: list[Loaded] = []
    for include in includes if rows else ():
        relation = include.relation
        if relation.is_polymorphic_owner:
            loaded += _by_model(include, rows, bounds)
        elif include.is_checked or relation.is_embedded or _may_follow(relation, bounds):
            loaded.append(_load_one(include, rows, bounds))
    return loaded


def _load_one(include: Include, rows: Rows, bounds: Bounds | None) -> Loaded:
    relation = include.relation
    target = relation.target
    assert target is not None  # noqa: S101 - every kind but the polymorphic owner has one
    scope = include.scope_of(target)
    if bounds is not None and not relation.is_embedded:
        scope = _for_caller(scope, relation, target, bounds)
    if relation.is_embedded:
        found = _inside(relation, target, rows, scope)
    elif relation.links[0].listed:
        found = _listed(relation, rows, scope, bounds)
    else:
        between = include.between if bounds is None else bounds.between(relation)
        found = _linked(relation, rows, scope, bounds, between)
    if scope.include:
        found.nested = _load(found.rows, scope.include, bounds)
    return found


# Keys


def _linked(
    relation: RelationDefinition, rows: Rows, scope: Filter, bounds: Bounds | None, between: Where
) -> Loaded:
    """What links lead to: one, or two through the rows of a third model."""
    target = plan_of(relation.links[-1].definition)
    keys = keys_of_rows(rows, relation.links[0].own)
    distinct = dict.fromkeys(keys)
    distinct.pop(None, None)
    if distinct and _is_by_id(relation, scope, target):
        return _by_id(relation, target, keys, list(distinct))
    wanted = scope if relation.is_many else _for_one(relation, scope, target)
    limit = bounds.limit if bounds is not None and relation.is_many else None
    found = _found(target, wanted, relation.links, list(distinct), limit, between=between)
    by_key: dict[Any, list[int]] = {}
    for place, key in enumerate(found.keys):
        held = by_key.get(key)
        if held is None:
            by_key[key] = [place]
        else:
            held.append(place)
    by_key.pop(None, None)
    places: Places = [by_key.get(key, ()) for key in keys]
    return Loaded(relation, target, found.rows, places, scope.extra)


def _is_by_id(relation: RelationDefinition, scope: Filter, target: Any) -> bool:
    """Whether an include brings the records with some ids as they are, whoever looks."""
    if relation.kind != BELONGS_TO or scope.where is not EVERYTHING or scope.fields is not None:
        return False
    if len(target.id_names) != 1 or relation.primary_key != target.id_names:
        return False
    return bool(target.shows_all)


def _by_id(relation: RelationDefinition, target: Any, keys: list[Any], ids: list[Any]) -> Loaded:
    """What the keys of records name, in the shortest way."""
    rows = target.connector.get_many(target.definition, ids)
    place_of = {key: place for place, key in enumerate(keys_of_rows(rows, target.id_names))}
    place_of.pop(None, None)
    places: Places = [(place_of[key],) if key in place_of else () for key in keys]
    return Loaded(relation, target, rows, places)


def _for_one(relation: RelationDefinition, scope: Filter, target: Any) -> Filter:
    """The scope of a relation that leads to one record, which needs an order to be chosen by."""
    is_chosen = relation.kind == HAS_ONE
    return Filter(
        where=scope.where,
        order=scope.order if is_chosen else (),
        limit=1 if is_chosen and has_order(target, scope) else None,
        fields=scope.fields,
        near=scope.near if is_chosen else None,
    )


def _listed(
    relation: RelationDefinition, rows: Rows, scope: Filter, bounds: Bounds | None
) -> Loaded:
    """What the keys in a list lead to, in the order of the list unless another is asked for."""
    (link,) = relation.links
    target = plan_of(link.definition)
    lists = lists_of_rows(rows, link.own[0])
    distinct = list(dict.fromkeys(key for keys in lists for key in keys if key is not None))
    unpaged = replace(scope, limit=None, skip=0)
    direct = (Link(link.definition, link.theirs, link.theirs),)
    found = target.find_related(unpaged, direct, distinct, None)
    place_of = {key: place for place, key in enumerate(found.keys)}
    place_of.pop(None, None)
    is_ordered = has_order(target, scope)
    limit = scope.limit if scope.limit is not None or bounds is None else bounds.limit
    end = None if limit is None else scope.skip + limit
    places: Places = []
    for keys in lists:
        mine = [place_of[key] for key in dict.fromkeys(keys) if key in place_of]
        places.append((sorted(mine) if is_ordered else mine)[scope.skip : end])
    return Loaded(relation, target, found.rows, places, scope.extra)


def _found(
    target: Any,
    scope: Filter,
    links: Sequence[Link],
    keys: Sequence[Any],
    limit: int | None,
    *,
    between: Where,
) -> RelatedRows:
    """The related records, for each key at most so many where the scope says nothing of it."""
    if limit is None or scope.limit is not None:
        found: RelatedRows = target.find_related(scope, links, keys, between=between)
        return found
    each = replace(scope, limit=limit)
    most = limit * len(keys)
    is_numbered = scope.skip > 0 or len(links) > 1 or len(links[0].own) > 1
    # To number the records of each key costs more than to find them, and seldom are they so many.
    found = target.find_related(each if is_numbered else scope, links, keys, most, between)
    if is_numbered or len(found.rows) <= limit:
        return found
    if len(found.rows) > most:
        found = target.find_related(each, links, keys, between=between)
    return paged(found, each)


# Several models


def _by_model(include: Include, rows: Rows, bounds: Bounds | None) -> Iterator[Loaded]:
    """What a polymorphic relation leads to: one query for each model."""
    relation = include.relation
    types = keys_of_rows(rows, (str(relation.discriminator),))
    keys = keys_of_rows(rows, relation.foreign_key)
    for name in dict.fromkeys(types):
        model = relation.find_target(name)
        if model is None or not (bounds is None or bounds.reads(model, read_by(relation))):
            continue
        definition = model.definition
        scope = include.scope_of(definition)
        if bounds is not None:
            scope = _for_caller(scope, relation, definition, bounds)
        target = plan_of(definition)
        of = [place for place, each in enumerate(types) if each == name]
        (primary,) = relation.primary_key_of(definition)
        link = Link(definition, relation.foreign_key, (primary,))
        distinct = list(dict.fromkeys(keys[place] for place in of if keys[place] is not None))
        found = target.find_related(replace(scope, limit=None, skip=0), (link,), distinct, None)
        place_of = {key: place for place, key in enumerate(found.keys)}
        place_of.pop(None, None)
        places: Places = [
            [place_of[keys[place]]] if keys[place] in place_of else () for place in of
        ]
        loaded = Loaded(relation, target, found.rows, places, scope.extra)
        loaded.of = of
        loaded.nested = _load(found.rows, scope.include, bounds)
        yield loaded


def _may_follow(relation: RelationDefinition, bounds: Bounds | None) -> bool:
    if bounds is None:
        return True
    is_read = bounds.reads(relation.target_model, read_by(relation))
    return is_read and bounds.between(relation) != NOTHING


def _for_caller(
    scope: Filter, relation: RelationDefinition, target: ModelDefinition, bounds: Bounds
) -> Filter:
    """The scope of an include, for those records alone that the caller may read."""
    rows = bounds.rows(target.model, read_by(relation))
    return scope if rows is EVERYTHING else replace(scope, where=both(rows, scope.where))


def for_caller(plan: Any, filter: Filter, bounds: Bounds) -> Filter:
    """A filter whose includes bring what a remote caller may read, whoever loads them.

    Those of the default scope are among them.

    :param plan: the plan of the model that the filter is on.
    """
    named = {each.relation for each in filter.include}
    of_scope = () if plan.scope is None else plan.scope.include
    include = (*filter.include, *(each for each in of_scope if each.relation not in named))
    if not include or bounds.reach is None:
        return filter
    kept = tuple(_kept(each, bounds) for each in include)
    return with_keys(plan.definition, replace(filter, include=kept))


def _kept(include: Include, bounds: Bounds) -> Include:
    """An include that brings only what a caller may read."""
    relation = include.relation

    def scope(target: ModelDefinition) -> Filter:
        if not (relation.is_embedded or _reads(include, target, bounds)):
            return Filter(where=NOTHING, order=plan_of(target).parser.all.order)
        found = include.scope_of(target)
        found = replace(found, include=tuple(_kept(each, bounds) for each in found.include))
        return found if relation.is_embedded else _for_caller(found, relation, target, bounds)

    if relation.target is None:
        return replace(include, scope=scope)
    return replace(include, scope=scope(relation.target), between=bounds.between(relation))


def _reads(include: Include, target: ModelDefinition, bounds: Bounds) -> bool:
    return include.is_checked or bounds.reads(target.model, read_by(include.relation))


# Records inside the records


def _inside(
    relation: RelationDefinition, target: ModelDefinition, rows: Rows, scope: Filter
) -> Loaded:
    """The records that are in a property already."""
    plan = target.existing_model.__loop_plan__()
    refuse_reaching(replace(scope, where=EVERYTHING, include=()))
    scope = replace(scope, where=settled(scope.where, target, None))
    inside: list[dict[str, Any]] = []
    places: Places = []
    for value in column_of(rows, str(relation.property)):
        held = value if isinstance(value, list) else [] if value is None else [value]
        chosen = selected(plan, scope, held)
        places.append(range(len(inside), len(inside) + len(chosen)))
        inside += chosen
    layout = layout_of_records(target, scope.fields)
    return Loaded(relation, plan, Rows(inside, layout), places, scope.extra)


# Instances


def without(records: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Records without properties that nobody asked for."""
    if not names:
        return records
    return [{key: record[key] for key in record if key not in names} for record in records]


def related_json(instance: Any) -> dict[str, Any]:
    """Related records that an instance holds, as JSON objects by wire name."""
    definition: ModelDefinition = type(instance).definition
    written = {}
    for name, value in instance.__dict__["_related"].items():
        relation = definition.relations.get(name)
        if relation is None or value is None or not is_current(instance, relation):
            continue
        is_many = isinstance(value, list)
        written[relation.wire] = list(map(_nested, value)) if is_many else _nested(value)
    return written


def _nested(instance: Any) -> dict[str, Any]:
    definition: ModelDefinition = type(instance).definition
    protected = [each.wire for each in definition.properties.values() if each.protected]
    dumped: dict[str, Any] = instance.to_dict()
    return {key: dumped[key] for key in dumped if key not in protected}
