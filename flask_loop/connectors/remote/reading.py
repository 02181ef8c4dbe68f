"""Reading: how filters are answered by the other app, and by Python where it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ...query import And, Compare, Filter, Inside, Not, Or, Where
from ..base import Rows
from ..narrowing import comparisons
from ..scanning import bounded, refuse_more, sifted
from .filters import is_by_id, names_in_order, written_order
from .finding import Row, Search, count_in, found, row_in
from .gateway import Gateway
from .questions import Question, encoded
from .refusals import is_unknown_record
from .resource import Resource


@dataclass(frozen=True, slots=True)
class _Answering:
    """Who does what of a filter.

    :ivar searches: what the other app finds, each by itself.
    :ivar rest: the part of the where that is left for Python.
    :ivar sorts: whether Python sorts, and takes the page.
    """

    searches: tuple[Search, ...]
    rest: Where | None = None
    sorts: bool = False

    def reads_all_for(self, filter: Filter) -> bool:
        """Whether more is read and sorted than the page that is asked for."""
        is_page = filter.limit is not None or filter.skip > 0
        is_whole = any(search.limit is None for search in self.searches)
        return is_page and is_whole and _enough(filter) is None


class Reader:
    """Answers the filters of all models of one data source.

    :param gateway: leads to the other app.
    :param max_scan: how many records may be read to be looked at in Python.
    """

    def __init__(self, gateway: Gateway, max_scan: int) -> None:
        self._gateway = gateway
        self._max_scan = max_scan

    def select(self, resource: Resource, filter: Filter) -> Rows:
        raw = self._gateway.learning(lambda: self.raw(resource, filter))
        return resource.rows(raw, filter.fields)

    def raw(self, resource: Resource, filter: Filter) -> list[Row]:
        """The records of a filter, as the other app gives them."""
        if filter.limit == 0:
            return []
        answering = self._answering(resource, filter)
        rows = self._rows(resource, answering.searches)
        if answering.rest is not None:
            return self._sifted(
                resource, bounded(resource.definition, rows, self._max_scan), filter, answering.rest
            )
        if answering.sorts:
            if answering.reads_all_for(filter):
                read = bounded(resource.definition, rows, self._max_scan)
            else:
                read = list(islice(rows, _enough(filter)))
            return self._sifted(resource, read, filter, None)
        return list(rows)

    def matching(
        self, resource: Resource, where: Where, fields: tuple[str, ...] | None = None
    ) -> list[Row]:
        """The records that match a where, to be counted or written here.

        :raises TooMuchToRead: where there are more than may be read.
        """
        wanted = Filter(where=where, limit=self._max_scan + 1, fields=fields)
        found = self.raw(resource, wanted)
        refuse_more(resource.definition, found, self._max_scan)
        return found

    def get(self, resource: Resource, path: str) -> Row | None:
        """The record at a path, or None.

        :raises BadAnswer: where what is there is none.
        """
        answer = self._gateway.send("GET", path)
        if is_unknown_record(answer):
            return None
        row = row_in(self._gateway.read(answer, "GET", path))
        resource.id_in(row)
        return row

    def count(self, resource: Resource, where: Where) -> int:
        return self._gateway.learning(lambda: self._count(resource, where))

    def _count(self, resource: Resource, where: Where) -> int:
        question = resource.questions.ask(where)
        if question.is_nothing:
            return 0
        if question.is_one:
            path = f"{resource.path}/count"
            (asked,) = question.wheres
            query = "" if asked is None else f"where={encoded(asked)}"
            answer = self._gateway.send("GET", path, query=query)
            return count_in(self._gateway.read(answer, "GET", path))
        ids = tuple(each.name for each in resource.definition.ids)
        return len(self.matching(resource, where, ids))

    def is_there(self, resource: Resource) -> bool:
        """Whether the other app has a model."""
        path = f"{resource.path}/count"
        answer = self._gateway.send("GET", path)
        if answer.status == 404:
            return False
        count_in(self._gateway.read(answer, "GET", path))
        return True

    def explain(self, resource: Resource, filter: Filter) -> dict[str, Any]:
        """What is sent for a filter, and what is left for Python."""
        answering = self._answering(resource, filter)
        filters = [
            each.filter(most)
            for each in answering.searches
            for most in [self._gateway.limits.page if each.limit is None else each.limit]
        ]
        return {
            "backend": {"method": "GET", "path": f"/{resource.path}", "filters": filters},
            "python": {
                "where": [] if answering.rest is None else comparisons(answering.rest),
                "order": answering.sorts,
            },
        }

    def _answering(self, resource: Resource, filter: Filter) -> _Answering:
        question = resource.questions.ask(filter.where)
        if question.is_nothing:
            return _Answering(())
        order = written_order(filter.order)
        by_id = filter.near is None and is_by_id(resource.definition, filter.order)
        follows = order is not None and resource.follows(filter)
        # A whole list is read in the order of the ids, in which no page can miss a record.
        is_whole = filter.limit is None and resource.can_follow_ids and not by_id
        if question.is_one and follows and not is_whole:
            return self._by_the_other_app(resource, filter, question, order, by_id)
        most = None
        if question.rest is None and follows and not is_whole and filter.limit is not None:
            most = filter.skip + filter.limit
        searches = [
            Search(
                where, self._ids_first(resource), fields=self._fields(resource, filter, question)
            )
            for where in question.wheres
        ]
        if most is not None:
            shown = None if filter.near is not None else order or self._ids_first(resource)
            searches = [replace(each, order=shown, limit=most, is_by_id=by_id) for each in searches]
        else:
            searches = [replace(each, is_by_id=True) for each in searches]
        return _Answering(tuple(searches), question.rest, sorts=True)

    def _by_the_other_app(
        self,
        resource: Resource,
        filter: Filter,
        question: Question,
        order: Sequence[str] | None,
        by_id: bool,
    ) -> _Answering:
        fields = None
        if filter.fields is not None:
            fields = resource.wires(dict.fromkeys((*filter.fields, *resource.id_names)))
        (where,) = question.wheres
        shown = None if filter.near is not None else order or self._ids_first(resource)
        search = Search(where, shown, filter.limit, filter.skip, fields, by_id)
        return _Answering((search,))

    def _fields(
        self, resource: Resource, filter: Filter, question: Question
    ) -> Sequence[str] | None:
        """The properties that the other app gives, where Python looks at some of them again."""
        if filter.fields is None:
            return None
        names = {*filter.fields, *resource.id_names, *names_in_order(filter)}
        if question.rest is not None:
            names |= _names_in(question.rest)
        return resource.wires(name for name in resource.definition.properties if name in names)

    @staticmethod
    def _ids_first(resource: Resource) -> Sequence[str] | None:
        return resource.wires(resource.id_names) if resource.can_sort_by_ids else None

    def _rows(self, resource: Resource, searches: Iterable[Search]) -> Iterator[Row]:
        """What several searches find, each record once."""
        searches = list(searches)
        if len(searches) == 1 or not resource.definition.ids:
            for search in searches:
                yield from found(self._gateway, resource, search)
            return
        seen = set()
        for search in searches:
            for row in found(self._gateway, resource, search):
                key = resource.key(row)
                if key not in seen:
                    seen.add(key)
                    yield row

    @staticmethod
    def _sifted(
        resource: Resource, rows: list[Row], filter: Filter, rest: Where | None
    ) -> list[Row]:
        records = [resource.record(row) for row in rows]
        return [rows[place] for place in sifted(records, filter, rest, is_ordered=False)]


def _enough(filter: Filter) -> int | None:
    """How many records have to be there before the page can be cut; None for all that match."""
    if filter.order or filter.near is not None or filter.limit is None:
        return None
    return filter.skip + filter.limit


def _names_in(where: Where) -> set[str]:
    """The properties that a where looks at."""
    if isinstance(where, Compare | Inside):
        return {where.path.property.name}
    if isinstance(where, And | Or):
        return {name for item in where.items for name in _names_in(item)}
    return _names_in(where.item) if isinstance(where, Not) else set()
