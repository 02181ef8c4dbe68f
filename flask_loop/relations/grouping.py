"""Grouping: related records of several others, where the connector does not group them itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..connectors.base import RelatedRows, Rows
from ..connectors.scanning import refuse_more
from ..definition import Link
from ..query import EVERYTHING, Filter, Where
from .keys import keys_of_rows
from .reaching import plan_of


def with_fields(filter: Filter, names: Iterable[str], order: Sequence[str]) -> Filter:
    """A filter that reads some properties whatever fields it asks for.

    :param order: the names of all properties.
    """
    if filter.fields is None:
        return filter
    wanted = {*filter.fields, *names}
    return replace(filter, fields=tuple(name for name in order if name in wanted))


def related_directly(
    plan: Any, filter: Filter, links: Sequence[Link], keys: Sequence[Any]
) -> RelatedRows:
    """The records that hold one of several keys; ``limit`` and ``skip`` hold for each key.

    :raises TooMuchToRead: where more of them have to be looked at for that than may be read.
    """
    (link,) = links
    found = _unpaged(plan, filter, link.theirs, keys)
    return paged(RelatedRows(found, keys_of_rows(found, link.theirs)), filter)


def related_through(
    plan: Any,
    filter: Filter,
    links: Sequence[Link],
    keys: Sequence[Any],
    between: Where = EVERYTHING,
) -> RelatedRows:
    """The records that rows of a third model link to one of several keys.

    :param between: which rows.
    :raises TooMuchToRead: where more of them, or of the records, have to be looked at than may be
        read.
    """
    to_rows, to_target = links
    rows_plan = plan_of(to_rows.definition)
    fields = tuple(dict.fromkeys((*to_rows.theirs, *to_target.own)))
    most = rows_plan.connector.max_scan
    rows = rows_plan.find_related(Filter(where=between, fields=fields), (to_rows,), keys, most).rows
    refuse_more(to_rows.definition, rows, most)
    linked: dict[Any, dict[Any, None]] = {}
    pairs = zip(keys_of_rows(rows, to_rows.theirs), keys_of_rows(rows, to_target.own), strict=True)
    for key, target in pairs:
        linked.setdefault(target, {})[key] = None
    linked.pop(None, None)
    found = _unpaged(plan, filter, to_target.theirs, list(linked))
    raw: list[Any] = []
    of: list[Any] = []
    for row, target in zip(found.raw, keys_of_rows(found, to_target.theirs), strict=True):
        for key in linked.get(target, ()):
            raw.append(row)
            of.append(key)
    return paged(RelatedRows(Rows(raw, found.layout), of), filter)


def _unpaged(plan: Any, filter: Filter, names: Sequence[str], keys: Sequence[Any]) -> Rows:
    """The records that hold one of several keys, whatever page of each key's is asked for."""
    most = plan.connector.max_scan if _is_paged(filter) else None
    found: Rows = plan.select_with_keys(replace(filter, limit=None, skip=0), names, keys, most)
    if most is not None:
        refuse_more(plan.definition, found, most)
    return found


def _is_paged(filter: Filter) -> bool:
    return filter.limit is not None or filter.skip > 0


def paged(found: RelatedRows, filter: Filter) -> RelatedRows:
    """The part of each key's records that a filter asks for."""
    if not _is_paged(filter):
        return found
    end = None if filter.limit is None else filter.skip + filter.limit
    seen: dict[Any, int] = {}
    raw, keys = [], []
    for row, key in zip(found.rows.raw, found.keys, strict=True):
        place = seen.get(key, 0)
        seen[key] = place + 1
        if place >= filter.skip and (end is None or place < end):
            raw.append(row)
            keys.append(key)
    return RelatedRows(Rows(raw, found.rows.layout), keys)
