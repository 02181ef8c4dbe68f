"""Which records of another model are related to one record, as filters say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..definition import Link, RelationDefinition
from ..query import (
    EVERYTHING,
    Filter,
    Related,
    Where,
    both,
    keys_where,
    relation_filter,
    scope_where,
    with_defaults,
)
from .keys import as_key, items_of


def key_in(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The values of properties, as :func:`~flask_loop.query.keys_where` has them."""
    values = tuple(as_key(record[name]) for name in names)
    return values[0] if len(values) == 1 else values


def where_related(relation: RelationDefinition, record: Mapping[str, Any]) -> Where:
    """The where that the records match which a relation leads to from a record.

    :param relation: one that has links.
    :param record: by Python names; it has at least the properties that are needed.
    """
    return both(scope_where(relation), where_linked(relation, record))


def where_linked(
    relation: RelationDefinition, record: Mapping[str, Any], between: Where = EVERYTHING
) -> Where:
    """Like :func:`where_related`, whatever the relation's scope says.

    :param between: what a row of a third model matches that links a record, where there is one.
    """
    first, *rest = relation.links
    if first.listed:
        keys = [as_key(each) for each in items_of(record[first.own[0]])]
    else:
        keys = [key_in(record, first.own)]
    where = keys_where(first.definition, first.theirs, keys)
    for link in rest:
        where = Related(Link(first.definition, link.theirs, link.own), both(where, between))
    return where


def narrowed(
    plan: Any, filter: Filter, relation: RelationDefinition, record: Mapping[str, Any]
) -> Filter:
    """A caller's filter, for the records alone that a relation leads to from a record.

    :param plan: the plan of the model that the relation leads to.
    :param filter: in its normal form.
    :param relation: one that has links.
    :param record: by Python names; it has at least the properties that are needed.
    """
    if relation.options.scope or relation.fixed:
        filter = scoped(plan, filter, relation_filter(relation))
    return replace(filter, where=both(where_linked(relation, record), filter.where))


def has_order(plan: Any, filter: Filter) -> bool:
    """Whether a filter asks for an order, by its caller or by a scope.

    :param plan: the plan of the filter's model.
    """
    return filter.near is not None or _says_order(plan, filter)


def _says_order(plan: Any, filter: Filter) -> bool:
    return filter.is_ordered or bool(filter.order != plan.parser.all.order)


def scoped(plan: Any, filter: Filter, scope: Filter) -> Filter:
    """A caller's filter narrowed by a scope, which gives what the filter does not say.

    :param plan: the plan of the model of both.
    """
    said = {
        "order": filter.order if _says_order(plan, filter) else None,
        "limit": filter.limit,
        "skip": filter.skip or None,
        "fields": filter.fields,
    }
    return with_defaults(plan.definition, filter, scope, said)
