"""Records inside others: which of them a filter means, as they are in memory already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..connectors.base import Record
from ..errors import FilterError
from ..query import Filter, apply, has_related, predicate
from .narrowing import has_order


def selected(plan: Any, query: Filter, records: Sequence[Record]) -> list[Any]:
    """The records of a filter: in its order, or as they come where it does not say one.

    :param plan: the plan of their model.
    """
    if has_order(plan, query):
        return list(apply(replace(query, fields=None), records))
    matching = list(filter(predicate(query.where), records))
    end = None if query.limit is None else query.skip + query.limit
    return matching[query.skip : end]


def refuse_reaching(query: Filter) -> None:
    """Refuse what asks for the records of other models.

    :raises FilterError: naming the part of the filter.
    """
    asks = {
        "include": bool(query.include),
        "where": has_related(query.where),
        "order": any(each.links for each in query.order),
    }
    for part, is_asked in asks.items():
        if is_asked:
            raise FilterError(part, "follows a relation of a record that is inside another one")
