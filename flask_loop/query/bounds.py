"""Bounds: how much one filter may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..definition import RelationDefinition
from .nodes import EVERYTHING, NOTHING, Where


class Reachable(Protocol):
    """What a remote caller may reach of models that are related to the one that it asks for."""

    def shows(self, model: Any) -> bool:
        """Whether relations to the records of a model may be followed by callers at all."""

    def offers(self, model: Any, method: str) -> bool:
        """Whether callers have a method of a model, by its wire name."""

    def rows(self, model: Any, method: str) -> Where:
        """The records of a model for which this caller has a method."""

    def makes(self, model: Any, method: str) -> bool:
        """Whether this caller may call a method of a model to make a record."""

    def demand(self, model: Any, method: str) -> None:
        """Refuse this caller where it has a method of a model for no record."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """How much one filter may ask for, and of whom.

    What is parsed within bounds is kept for the bounds themselves, not for others that are alike.

    :ivar depth: levels of nesting in a where; each relation that it follows is one.
    :ivar conditions: comparisons in a where, and keys in an order.
    :ivar values: values in one ``inq`` or ``nin``.
    :ivar limit: the greatest ``limit``, or None for no bound.
    :ivar include_depth: levels of includes inside includes.
    :ivar includes: relations in the includes of one filter.
    :ivar included: records that the includes of one filter show in all, or None for no bound.
    :ivar reach: what of other models callers may reach; None for all.
    """

    depth: int = 12
    conditions: int = 200
    values: int = 1000
    limit: int | None = None
    include_depth: int = 5
    includes: int = 50
    included: int | None = None
    reach: Reachable | None = None

    def shows(self, model: Any) -> bool:
        """Whether relations to the records of a model may be followed."""
        return self.reach is None or self.reach.shows(model)

    def rows(self, model: Any, method: str) -> Where:
        """The records of a model for which the caller has a method, by its wire name."""
        return EVERYTHING if self.reach is None else self.reach.rows(model, method)

    def reads(self, model: Any, method: str) -> bool:
        """Whether the caller may follow relations to some records of a model, for a method."""
        return self.shows(model) and self.rows(model, method) != NOTHING

    def between(self, relation: RelationDefinition) -> Where:
        """The rows of a third model that link records of a relation, of which the caller knows."""
        through = relation.through
        return EVERYTHING if through is None else self.rows(through.model, "find")


#: For callers in Python, who bound themselves.
UNBOUNDED = Bounds(depth=100, conditions=100_000, values=1_000_000, include_depth=20, includes=1000)
