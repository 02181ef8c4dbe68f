"""The normal form of a filter: what every connector reads.

A where is a tree of :class:`And`, :class:`Or`, :class:`Not` and :class:`Compare`, and of
:class:`Related` and :class:`Inside` where it looks at other records or at embedded ones. Operands
are of the property's type already. Logic is two-valued: a comparison with a missing value is
false, and :class:`Not` turns false into true. The operators that negate (``neq``, ``nin``,
``nlike``, ``nilike``, ``nor``, ``exists: false``) are a :class:`Not` around the positive one;
``exists`` is "not equal to null"; ``eq`` with the operand None matches null and missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..definition import Link, ModelDefinition, Property, RelationDefinition
from ..geo import GeoPoint
from ..types import PropertyType


@dataclass(frozen=True, slots=True)
class Path:
    """A property, or a place inside one.

    :ivar property: the property of the model.
    :ivar keys: keys inside its value, as records hold them.
    :ivar type: the type at the end; :class:`~flask_loop.types.AnyValue` where nothing is declared.
    """

    property: Property
    keys: tuple[str, ...]
    type: PropertyType


@dataclass(frozen=True, slots=True)
class Near:
    """The operand of ``near``; distances in radians of arc."""

    point: GeoPoint
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """The operand of ``like``, ``ilike`` and ``regexp``.

    :ivar text: the pattern as it was written.
    :ivar ignore_case: whether case makes no difference.
    """

    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Where


@dataclass(frozen=True, slots=True)
class Compare:
    """One operator on one path.

    :ivar operator: ``eq gt gte lt lte between inq like regexp near``.
    :ivar operand: a value, a tuple of values, a :class:`Pattern` or a :class:`Near`.
    :ivar member: whether a list matches when one of its items does.
    """

    path: Path
    operator: str
    operand: Any
    member: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """Whether one of the records that a link leads to matches.

    :ivar where: what it matches, in terms of the model that the link leads to.
    """

    link: Link
    where: Where


@dataclass(frozen=True, slots=True)
class Inside:
    """Whether one of the records inside a property, which has one or a list of them, matches.

    :ivar where: what it matches, in terms of the embedded model.
    """

    path: Path
    where: Where


Where: TypeAlias = And | Or | Not | Compare | Related | Inside

EVERYTHING = And(())
NOTHING = Or(())


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order.

    :ivar path: a property, of the model that the links lead to.
    :ivar links: the way to the record whose property it is; each leads to one record or none.
    """

    path: Path
    descending: bool = False
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Include:
    """A relation whose records come with those that are found.

    :ivar scope: which of them, and in which order; ``limit`` and ``skip`` hold for each record that
        they come with. Where their model differs from record to record, a function of it.
    :ivar is_checked: whether the caller is known to be one who may follow the relation.
    :ivar between: which rows of the third model link them, where there is one.
    """

    relation: RelationDefinition
    scope: Filter | Callable[[ModelDefinition], Filter]
    is_checked: bool = False
    between: Where = EVERYTHING

    def scope_of(self, definition: ModelDefinition) -> Filter:
        """The scope for records of a model that the relation leads to."""
        return self.scope if isinstance(self.scope, Filter) else self.scope(definition)


@dataclass(frozen=True, slots=True)
class Filter:
    """A query on one model.

    :ivar where: which records.
    :ivar order: by what, never empty: it ends with the id, so that pages are stable.
    :ivar limit: at most so many records, or None for all.
    :ivar skip: so many records are left out first.
    :ivar fields: the Python names of the properties wanted, or None for all.
    :ivar near: where set, the nearest record comes first and ``order`` only breaks ties.
    :ivar include: relations whose records come with them; connectors leave that to others.
    :ivar extra: names among ``fields`` that only the includes need, and nobody is shown.
    :ivar is_ordered: whether an order was asked for, be it the one that there is without.
    """

    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    limit: int | None = None
    skip: int = 0
    fields: tuple[str, ...] | None = None
    near: Compare | None = None
    include: tuple[Include, ...] = ()
    extra: tuple[str, ...] = ()
    is_ordered: bool = field(default=False, compare=False)


def equality(property: Property, value: Any) -> Compare:
    """The comparison of a property with a value of its type; a list is equal to a list only."""
    return Compare(Path(property, (), property.type), "eq", value)


def conjuncts(where: Where) -> tuple[Where, ...]:
    """The parts that must all hold."""
    if isinstance(where, And):
        return tuple(part for item in where.items for part in conjuncts(item))
    return (where,)


def both(first: Where, second: Where) -> Where:
    """A where that holds where both do."""
    parts = conjuncts(first) + conjuncts(second)
    return parts[0] if len(parts) == 1 else And(parts)
