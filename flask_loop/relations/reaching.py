"""Reaching: wheres and orders that look at related records, on any data source.

What the connector cannot answer is answered in two steps: the keys of the related records are
looked up first, and the where compares with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..connectors.base import Connector, Layout, Record, Rows
from ..connectors.scanning import scanned
from ..definition import Embedded, Link, ModelDefinition
from ..errors import NotAttachedError
from ..query import (
    And,
    Filter,
    Inside,
    Not,
    Or,
    Order,
    Related,
    Where,
    apply,
    has_related,
    keys_where,
    sort_key,
)
from ..query.predicate import reader
from ..types import Array
from .narrowing import key_in


def plan_of(definition: ModelDefinition) -> Any:
    """The plan of a model that a relation leads to.

    :raises NotAttachedError: where the model is on no data source.
    :raises DefinitionError: where its class is gone.
    """
    model = definition.existing_model
    if model.data_source is None:
        raise NotAttachedError(
            f"{definition.name} has no records until it is attached to a data source: "
            f"{definition.name}.attach_to(source)"
        )
    return model.__loop_plan__()


def settled(where: Where, definition: ModelDefinition, connector: Connector | None) -> Where:
    """A where that the connector of a model can answer.

    :param where: as it was parsed.
    :param definition: the model that it is on.
    :param connector: its connector; None where the record is inside another one.
    """
    if not has_related(where):
        return where
    if isinstance(where, And | Or):
        return type(where)(tuple(settled(each, definition, connector) for each in where.items))
    if isinstance(where, Not):
        return Not(settled(where.item, definition, connector))
    if isinstance(where, Inside):
        inner = _embedded_definition(where)
        return replace(where, where=settled(where.where, inner, None))
    if isinstance(where, Related):
        return _settled_link(where, definition, connector)
    return where


def _settled_link(
    where: Related, definition: ModelDefinition, connector: Connector | None
) -> Where:
    link = where.link
    target = plan_of(link.definition)
    inner = target.reachable(where.where)
    if connector is not None and follows(connector, link, target):
        return Related(link, inner)
    return keys_where(definition, link.own, target.keys(inner, link.theirs))


def follows(connector: Connector, link: Link, target: Any) -> bool:
    """Whether a connector itself follows a link to the model of a plan."""
    if link.listed or not connector.capabilities.joins:
        return False
    return target.connector is connector


def _embedded_definition(where: Inside) -> ModelDefinition:
    kind = where.path.type
    while isinstance(kind, Array):
        kind = kind.item
    assert isinstance(kind, Embedded)  # noqa: S101 - what is inside is a record
    return kind.definition


def is_followed(order: Iterable[Order], connector: Connector) -> bool:
    """Whether a connector orders by the related records itself.

    Where observers or a default scope keep some of them from callers, it must not: their order
    would tell of them.
    """
    for key in order:
        for link in key.links:
            target = plan_of(link.definition)
            if target.keeps_some_back or not follows(connector, link, target):
                return False
    return True


def select_in_order(connector: Connector, definition: ModelDefinition, filter: Filter) -> Rows:
    """Find records in an order that looks at related ones, by looking those up.

    :param filter: its where is settled.
    :raises TooMuchToRead: where more records match, or are related to those, than may be read.
    """
    rows = scanned(connector, definition, unordered(filter))
    records = rows.records()
    order = []
    for position, key in enumerate(filter.order):
        if not key.links:
            order.append(key)
            continue
        # No property is called so: names in definitions are not blank.
        name = f" {position}"
        for record, value in zip(records, _values_of(key, records), strict=True):
            record[name] = value
        path = replace(key.path, property=replace(key.path.property, name=name), keys=())
        order.append(replace(key, path=path, links=()))
    places = {id(record): place for place, record in enumerate(records)}
    wanted = replace(filter, where=And(()), order=tuple(order), fields=None, include=(), extra=())
    found = [rows.raw[places[id(record)]] for record in apply(wanted, records)]
    return Rows(found, narrowed_layout(rows.layout, filter.fields))


def unordered(filter: Filter) -> Filter:
    """The filter of all records that one is about before they are put in order and cut."""
    return Filter(where=filter.where)


def _values_of(key: Order, records: list[Record]) -> list[Any]:
    """For each record, the value at the end of the links of an order."""
    there: list[Mapping[str, Any] | None] = list(records)
    for link in key.links:
        wanted = {key_in(each, link.own) for each in there if each is not None}
        by_key = _first_by_key(link, wanted)
        there = [None if each is None else by_key.get(key_in(each, link.own)) for each in there]
    read = reader(key.path)
    return [None if each is None else read(each) for each in there]


def _first_by_key(link: Link, keys: Iterable[Any]) -> dict[Any, Record]:
    target = plan_of(link.definition)
    where = target.reachable(keys_where(link.definition, link.theirs, keys))
    records = scanned(target.connector, link.definition, Filter(where=where)).records()
    found: dict[Any, Record] = {}
    for record in sorted(records, key=sort_key(target.parser.all)):
        found.setdefault(key_in(record, link.theirs), record)
    found.pop(None, None)
    return found


def narrowed_layout(layout: Layout, fields: Iterable[str] | None) -> Layout:
    """A layout for some of the properties of rows that have all."""
    if fields is None:
        return layout
    return Layout({name: layout.columns[name] for name in fields}, mend=layout.mend)
