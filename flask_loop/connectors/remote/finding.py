"""Finding: records of the other app, page by page, so that none is missing from an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..web import BadAnswer
from .filters import JsonWhere
from .gateway import Gateway
from .questions import encoded
from .resource import Resource

#: A record as the other app gives it.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """What the other app shall find.

    :ivar where: which records; None for all.
    :ivar order: the keys of the order; None for the nearest first, or for whatever there is.
    :ivar limit: at most so many, or None for all.
    :ivar skip: so many are left out first.
    :ivar fields: the other app's names of the properties wanted, or None for all.
    :ivar is_by_id: whether the order is that of the ids.
    """

    where: JsonWhere | None = None
    order: Sequence[str] | None = None
    limit: int | None = None
    skip: int = 0
    fields: Sequence[str] | None = None
    is_by_id: bool = False

    def filter(self, most: int) -> dict[str, Any]:
        """The filter of one page.

        :param most: how many records it may have.
        """
        written: dict[str, Any] = {"limit": most}
        if self.where is not None:
            written["where"] = self.where
        if self.order:
            written["order"] = list(self.order)
        if self.skip:
            written["skip"] = self.skip
        if self.fields is not None:
            written["fields"] = list(self.fields)
        return written


def found(gateway: Gateway, resource: Resource, search: Search) -> Iterator[Row]:
    """The records of a search, in its order.

    Those of a long list come in pages. Where they come in the order of their ids, a page begins
    behind the last id, so that none is missed or given twice whatever others write meanwhile.

    :raises BadAnswer: where the pages do not end, as they are one page again and again.
    """
    by_key = search.is_by_id and resource.can_follow_ids
    seen: set[tuple[Any, ...]] = set()
    last: tuple[Any, ...] | None = None
    rest = search
    while rest.limit is None or rest.limit > 0:
        page, is_full = _page(gateway, resource, rest)
        is_alone = rest is search and (not is_full or len(page) == rest.limit)
        tells_apart = not (by_key or is_alone) and bool(resource.id_names)
        fresh = _unseen(resource, page, seen) if tells_apart else page
        if page and (not fresh or (last is not None and resource.key(page[-1]) == last)):
            raise BadAnswer("The data source gives the same page again and again.")
        yield from fresh[: rest.limit]
        if is_alone or not (page and is_full):
            return
        left = None if rest.limit is None else rest.limit - len(fresh)
        if by_key:
            last = resource.key(page[-1])
            behind = resource.behind(page[-1], search.where)
            rest = replace(rest, limit=left, skip=0, where=behind)
        else:
            rest = replace(rest, limit=left, skip=rest.skip + len(page))


def _unseen(resource: Resource, page: list[Row], seen: set[tuple[Any, ...]]) -> list[Row]:
    """The rows of a page that were on none before, which are taken note of."""
    fresh = {key: row for row in page if (key := resource.key(row)) not in seen}
    seen.update(fresh)
    return list(fresh.values())


def _page(gateway: Gateway, resource: Resource, search: Search) -> tuple[list[Row], bool]:
    """The first page of a search, and whether there may be another one behind it."""
    most = gateway.limits.page
    size = most if search.limit is None else min(search.limit, most)
    query = f"filter={encoded(search.filter(size))}"
    answer = gateway.send("GET", resource.path, query=query)
    page = rows_in(gateway.read(answer, "GET", resource.path))
    return page, len(page) >= size or 'rel="next"' in answer.headers.get("link", "")


def rows_in(given: Any) -> list[Row]:
    """The records in an answer.

    :raises BadAnswer: where it is no list of them.
    """
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise BadAnswer("The data source answered with what is no list of records.")
    return given


def row_in(given: Any) -> Row:
    """The record in an answer.

    :raises BadAnswer: where it is none.
    """
    if not isinstance(given, dict):
        raise BadAnswer("The data source answered with what is no record.")
    return given


def count_in(given: Any) -> int:
    """The number in an answer to what counts.

    :raises BadAnswer: where there is none.
    """
    count = given.get("count") if isinstance(given, Mapping) else None
    if not isinstance(count, int) or isinstance(count, bool):
        raise BadAnswer("The data source answered with what is no count.")
    return count
