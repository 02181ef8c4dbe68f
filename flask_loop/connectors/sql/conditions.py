"""Wheres in SQL: what can be pushed down, its shape, its values, and the expression of a shape.

A where is read twice. :meth:`Conditions.split` sorts out what SQL answers exactly as
:mod:`flask_loop.query.predicate` does. :meth:`Conditions.shape` then gives a key without values,
and the values in order; the expression of a new shape is built once, with a parameter for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import cycle
from typing import Any

import sqlalchemy as sa

from ...definition import Link, ModelDefinition, Property
from ...query import And, Compare, Inside, Near, Not, Order, Related, Where, conjuncts
from ...types import DecimalNumber, Integer, Number
from .lists import ALWAYS, NEVER, Expression, NextParameter
from .tables import ModelTable

_ONE: Expression = sa.literal_column("1")


class Conditions:
    """The wheres of one table.

    :param table: the table.
    :param find: gives the wheres of another model's table.

    :ivar source: what the columns are of: the table, or the table under another name.
    :ivar columns: the columns of each property there, by Python name.
    """

    def __init__(self, table: ModelTable, find: Callable[[ModelDefinition], Conditions]) -> None:
        self.table = table
        self.dialect = table.dialect
        self.source: sa.FromClause = table.table
        self.columns: Mapping[str, tuple[Expression, ...]] = table.columns
        self._find = find
        self._depth = 0
        self._alias = "related_"
        while table.table.name.lower().startswith(self._alias):
            self._alias += "_"

    # What SQL can do

    def split(self, where: Where) -> tuple[Where, Where | None]:
        """The part that SQL answers exactly, and the rest, which must hold as well."""
        if self.is_exact(where):
            return where, None
        exact: list[Where] = []
        rest: list[Where] = []
        for part in conjuncts(where):
            (exact if self.is_exact(part) else rest).append(part)
        return And(tuple(exact)), And(tuple(rest))

    def is_exact(self, where: Where) -> bool:
        """Whether SQL gives the same answer as plain Python, for any values of this shape."""
        if isinstance(where, Compare):
            return self._is_exact_compare(where)
        if isinstance(where, Not):
            return self.is_exact(where.item)
        if isinstance(where, Related):
            return self._is_exact_link(where.link) and self._of(where.link).is_exact(where.where)
        if isinstance(where, Inside):
            return False
        return all(map(self.is_exact, where.items))

    def _is_exact_compare(self, node: Compare) -> bool:
        codec = self.table.codecs[node.path.property.name]
        if codec.json:
            return self.dialect.places.is_exact(node)
        if node.operator == "eq":
            return codec.equals or (node.operand is None and not node.path.keys)
        if node.operator == "inq":
            return codec.equals and self.dialect.lists.can_list(codec, node.operand)
        if node.operator in ("like", "regexp"):
            return codec.matches and self.dialect.patterns.is_exact(node)
        return codec.sorts or node.operator == "near"

    def _is_exact_link(self, link: Link) -> bool:
        """Whether keys that are equal in SQL are equal in Python, and the other way round."""
        own, theirs = self.table.definition.properties, link.definition.properties
        codecs, others = self.table.codecs, self.table_of(link).codecs
        return not link.listed and all(
            codecs[here].equals
            and not codecs[here].json
            and len(codecs[here].types) == len(others[there].types)
            and _are_stored_alike(own[here], theirs[there])
            for here, there in zip(link.own, link.theirs, strict=True)
        )

    def sorts(self, order: Order) -> bool:
        """Whether SQL has the order of a property's values."""
        if order.path.keys or not order.path.type.ordered:
            return False
        table = self.table_of(order.links[-1]) if order.links else self.table
        return table.codecs[order.path.property.name].sorts

    # From a where to its shape and values

    def shape(self, where: Where, values: list[Any]) -> Any:
        """A where without its values, as a key; the values are added to ``values`` in order."""
        if isinstance(where, Compare):
            return self._compare_shape(where, values)
        if isinstance(where, Not):
            return ("not", self.shape(where.item, values))
        if isinstance(where, Related):
            inner = self._of(where.link).shape(where.where, values)
            return ("related", *self.link_shape(where.link), inner)
        kind = "and" if isinstance(where, And) else "or"
        return (kind, *[self.shape(item, values) for item in _items(where)])

    def link_shape(self, link: Link) -> tuple[Any, ...]:
        """A link as a part of a key, for as long as the other model's table is the same."""
        return (self._of(link), link.own, link.theirs)

    def _compare_shape(self, node: Compare, values: list[Any]) -> Any:
        operator, operand, path = node.operator, node.operand, node.path
        name = path.property.name
        codec = self.table.codecs[name]
        key = (operator, name, path.keys)
        if codec.json:
            return (*key, self.dialect.places.values(node, codec, values))
        if operator == "eq" and operand is None:
            return (*key, "null")
        if operator == "near":
            return (*key, *self._near_shape(name, operand, values))
        if operator in ("like", "regexp"):
            return (*key, self.dialect.patterns.values(node, codec, values))
        if operator == "inq":
            bound, many = self.dialect.lists.listed(codec.raw_list(operand), len(codec.types))
            values.extend(bound)
            return (*key, many)
        if operator == "between":
            values.extend(codec.raw(operand[0]) + codec.raw(operand[1]))
        else:
            values.extend(codec.raw(operand))
        return key

    # From a where to an expression

    def expression(self, where: Where, parameter: NextParameter) -> Expression:
        """The SQL of a where, with parameters in the order of :meth:`shape`'s values."""
        if isinstance(where, Compare):
            return self._compare(where, parameter)
        if isinstance(where, Not):
            return self.dialect.negated(self.expression(where.item, parameter))
        if isinstance(where, Related):
            return self._related(where, parameter)
        parts = [self.expression(item, parameter) for item in _items(where)]
        if isinstance(where, And):
            return sa.and_(*parts) if parts else ALWAYS
        return sa.or_(*parts) if parts else NEVER

    def _compare(self, node: Compare, parameter: NextParameter) -> Expression:
        name = node.path.property.name
        columns, codec = self.columns[name], self.table.codecs[name]
        if codec.json:
            return self.dialect.places.expression(node, codec, columns[0], parameter)
        if node.operator == "eq" and node.operand is None:
            return columns[0].is_(None)
        if node.operator == "near":
            return self._near(node, columns, parameter)
        if node.operator in ("like", "regexp"):
            return self.dialect.patterns.expression(node, columns[0], codec, parameter)
        if node.operator == "inq":
            many = self.dialect.lists.listed(codec.raw_list(node.operand), len(columns))[1]
            return self.dialect.is_in(columns, many, codec, parameter)
        return self.dialect.compare(node.operator, columns, codec, parameter)

    def _near_shape(self, name: str, near: Near, values: list[Any]) -> Any:
        values.extend((near.point.lat, near.point.lng))
        if near.minimum is not None:
            values.append(near.minimum)
        if near.maximum is None:
            return (near.minimum is None, None)
        values.append(near.maximum)
        circles = self.dialect.circles(self.table, name)
        return (near.minimum is None, circles.values(near, near.maximum, values))

    def _near(
        self, node: Compare, columns: Sequence[Expression], parameter: NextParameter
    ) -> Expression:
        near: Near = node.operand
        distance = self.distance(node, parameter)
        parts: list[Expression] = [columns[0].is_not(None)]
        if near.minimum is not None:
            parts.append(distance >= parameter())
        if near.maximum is not None:
            parts.append(distance <= parameter())
            circles = self.dialect.circles(self.table, node.path.property.name)
            parts.append(circles.expression(near, near.maximum, columns, parameter))
        return sa.and_(*parts)

    def distance(self, node: Compare, parameter: NextParameter) -> Expression:
        """The distance from a point, in radians of arc; takes its lat and lng as parameters."""
        lat, lng = self.columns[node.path.property.name]
        codec = self.table.codecs[node.path.property.name]
        typed = self.dialect.typed(parameter, codec)
        return self.dialect.distance(typed(), typed(), lat, lng)

    # Through links

    def _related(self, node: Related, parameter: NextParameter) -> Expression:
        theirs = self.by_link(node.link)
        found = sa.select(_ONE).select_from(theirs.source)
        pairs = list(self._linked_columns(node.link, theirs))
        if len(pairs) == 1 and theirs.is_narrow(node.where):
            # A few keys are found first, by which an index may find the records here.
            ((own, their),) = pairs
            keys = sa.select(their).select_from(theirs.source)
            return own.in_(keys.where(theirs.expression(node.where, parameter)).correlate(None))
        linked = self.linked(node.link, theirs)
        condition = theirs.expression(node.where, parameter)
        return sa.exists(found.where(linked, condition).correlate(self.source))

    def by_link(self, link: Link) -> Conditions:
        """The wheres of the table that a link leads to, under a name that nothing around it has."""
        inner = copy(self._of(link))
        inner._alias, inner._depth = self._alias, self._depth + 1
        table = inner.table.table.alias(inner.name(str(inner._depth)))
        inner.source = table
        inner.columns = {
            name: tuple(table.c[column.name] for column in columns)
            for name, columns in inner.table.columns.items()
        }
        return inner

    def name(self, end: str) -> str:
        """A name that no table of a statement has."""
        return f"{self._alias}{end}"

    def linked(self, link: Link, theirs: Conditions) -> Expression:
        """Whether a link leads from a row here to one there."""
        return sa.and_(*(own == their for own, their in self._linked_columns(link, theirs)))

    def _linked_columns(
        self, link: Link, theirs: Conditions
    ) -> Iterator[tuple[Expression, Expression]]:
        """The columns here, and those there that are equal to them in rows that are linked."""
        for here, there in zip(link.own, link.theirs, strict=True):
            yield from self.dialect.alike(self.columns[here], theirs.columns[there])

    def values_of(self, name: str, links: Sequence[Link] = ()) -> tuple[Expression, ...]:
        """The columns of a property, of the one record that links lead to or null.

        Where a link leads to several records, the one with the least id counts.
        """
        if not links:
            return self.columns[name]
        theirs = self.by_link(links[0])
        return tuple(
            theirs._first(sa.select(value).where(self.linked(links[0], theirs)), links[0])
            .correlate(self.source)
            .scalar_subquery()
            for value in theirs.values_of(name, links[1:])
        )

    def _first(self, found: sa.Select[Any], link: Link) -> sa.Select[Any]:
        """The one row here that a link leads to."""
        found = found.select_from(self.source)
        ids = [each.name for each in self.table.definition.ids]
        columns = {column.name for column in self.table.columns_of(link.theirs)}
        if any(columns == set(unique) for unique in self.table.unique_columns()):
            return found
        return found.order_by(*(c for name in ids for c in self.columns[name])).limit(_ONE)

    def typed(self, names: Iterable[str], parameter: NextParameter) -> NextParameter:
        """Gives parameters for the columns of properties, again and again, in their order."""
        codecs = [self.table.codecs[name] for name in names]
        turns = cycle([self.dialect.typed(parameter, each) for each in codecs for _ in each.types])

        def typed() -> Expression:
            return next(turns)()

        return typed

    def table_of(self, link: Link) -> ModelTable:
        """The table that a link leads to."""
        return self._of(link).table

    def is_narrow(self, where: Where) -> bool:
        """Whether an index finds the few records that match."""
        leading = {index.keys[0] for index in self.table.definition.indexes()}
        leading.update(each.name for each in self.table.definition.ids[:1])
        for part in conjuncts(where):
            if isinstance(part, Related):
                narrow = len(part.link.own) == 1 and self._of(part.link).is_narrow(part.where)
                if narrow and part.link.own[0] in leading:
                    return True
            elif (
                isinstance(part, Compare)
                and part.operator in ("eq", "inq")
                and part.operand is not None
                and part.path.property.name in leading
            ):
                return True
        return False

    def _of(self, link: Link) -> Conditions:
        return self._find(link.definition)


def _items(where: Where) -> tuple[Where, ...]:
    return (where.item,) if isinstance(where, Not) else where.items  # type: ignore[union-attr]


def _are_stored_alike(here: Property, there: Property) -> bool:
    """Whether two properties have the same raw values for the same Python values."""
    one, other = here.type, there.type
    if isinstance(one, Integer | Number):
        return isinstance(other, Integer | Number)
    if isinstance(one, DecimalNumber):
        return isinstance(other, DecimalNumber) and one.scale == other.scale
    return type(one) is type(other) and one.python is other.python
