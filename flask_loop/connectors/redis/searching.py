"""Searching: a filter's records, by look-ups on the server and, for what is left, in Python."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...query import And, Compare, Filter, Inside, Not, Or, Where, predicate
from ..base import Rows
from ..narrowing import Narrowed
from ..scanning import sifted, too_much_to_read
from . import scripts
from .client import RedisClient
from .collection import MAX_LATITUDE, Collection
from .encoding import ALL
from .plans import (
    Expression,
    IndexNarrowing,
    Nearby,
    Plan,
    Range,
    plan_of,
    plan_of_near,
    range_plan,
    uses_of,
    walk_of,
)

_log = logging.getLogger(__name__)

#: How many records come with the ids that a look-up finds, and how many are read at once.
FEW, CHUNK = 500, 1000


@dataclass(frozen=True, slots=True)
class Found:
    """Records that match.

    :ivar ids: their texts in indexes.
    :ivar raw: their rows.
    :ivar names: the properties that the rows have, or None for all.
    """

    ids: Sequence[str]
    raw: Sequence[Any]
    names: tuple[str, ...] | None = None


class Search:
    """How a filter is answered.

    :param client: the connections.
    :param collection: the records.
    :param filter: what is asked for.
    """

    def __init__(self, client: RedisClient, collection: Collection, filter: Filter) -> None:
        self._client = client
        self._collection = collection
        self._filter = filter
        self._most = client.settings.max_scan
        self._narrowed: Narrowed[Expression] = IndexNarrowing(collection).narrow(filter.where)
        self._plan: Plan | None = None
        if self._narrowed.expression is not None:
            self._plan = self._nearest() or plan_of(collection, self._narrowed.expression)
        self._set_rest()

    def _set_rest(self) -> None:
        plan, narrowed = self._plan, self._narrowed
        is_whole = plan.is_whole if plan is not None else narrowed.expression is None
        self.rest = narrowed.rest if is_whole else self._filter.where
        self.walk = walk_of(self._collection, self._filter, plan)

    def _nearest(self) -> Plan | None:
        """The look-up of the nearest points, where there is nothing else to look at."""
        expression, filter = self._narrowed.expression, self._filter
        if (
            not isinstance(expression, Nearby)
            or expression.radius is not None
            or filter.limit is None
            or filter.near is None
            or self._narrowed.rest != filter.near
            or filter.near.operand.minimum
            or abs(filter.near.operand.point.lat) > MAX_LATITUDE
        ):
            return None
        # Redis takes no number but from 1, and more than may be read are not asked for.
        wanted = min(filter.skip + filter.limit, self._most + 1)
        return plan_of_near(expression, max(1, wanted))

    def _distrust(self) -> None:
        """Search without indexes, as one of them does not have all records."""
        if not self._collection.is_told_of:
            self._collection.is_told_of = True
            _log.warning(
                "%s is searched without its indexes %s, which were never built: call "
                "auto_update() on the data source, or migrate",
                self._collection.definition.name,
                ", ".join(self._uses()),
            )
        self._plan = None
        self.rest = self._filter.where
        every = Range(None, 0, (ALL,))
        self.walk = walk_of(self._collection, self._filter, range_plan(every))

    @property
    def lookup(self) -> dict[str, Any]:
        """What is looked up, to the scripts; it leads to all records that match, or to more."""
        plan = self._plan
        uses = () if plan is None else plan.uses
        return {"plan": None if plan is None else plan.told, "uses": uses}

    # What is asked for

    def rows(self) -> Rows:
        """The rows of the filter."""
        collection, fields = self._collection, self._filter.fields
        if self._narrowed.is_nothing:
            return Rows([], collection.layout(fields))
        if self.rest is None and self.walk is not None and not collection.is_open:
            with suppress(_NotBuilt):
                raw = self._page(fields).raw
                return Rows(
                    raw,
                    collection.layout(None)
                    if fields is None
                    else collection.partial_layout(fields),
                )
        return Rows(self.found(None).raw, collection.layout(fields))

    def found(self, names: tuple[str, ...] | None) -> Found:
        """The records of the filter, in its order.

        :param names: the properties that are wanted beside those that are looked at, or None for
            all.
        """
        if self._narrowed.is_nothing:
            return Found([], [])
        if names is not None:
            names = tuple(dict.fromkeys((*names, *names_of(self._filter))))
        try:
            return self._found(names)
        except _NotBuilt:
            self._distrust()
            return self._found(names)

    def _found(self, names: tuple[str, ...] | None) -> Found:
        if self.walk is None:
            return self._look_up(names)
        return self._page(names) if self.rest is None else self._walk_and_look(names)

    def count(self) -> int:
        """How many records match."""
        if self._narrowed.is_nothing:
            return 0
        if self.rest is None:
            told = {"plan": None if self._plan is None else self._plan.told, "uses": self._uses()}
            answer = scripts.COUNT.ask(self._client, self._collection, told)
            if answer is not None and answer[1]:
                return int(answer[0])
        return len(self.found(()).ids)

    def explain(self) -> dict[str, Any]:
        """What is looked up, and how many records that leads to."""
        plan = self._plan
        told = {
            "plan": None if plan is None else plan.told,
            "uses": self._uses(),
            "only_size": True,
        }
        answer = None
        if not self._narrowed.is_nothing:
            answer = scripts.COUNT.ask(self._client, self._collection, told)
            if answer is None:
                self._distrust()
                told = {"plan": None, "uses": ()}
                answer = scripts.COUNT.ask(self._client, self._collection, told)
        return {
            "indexes": list(self._uses()),
            "lookup": None if self._plan is None else self._plan.told,
            "candidates": 0 if answer is None else answer[0],
            "ordered": self.walk is not None,
        }

    def _uses(self) -> tuple[str, ...]:
        used = () if self._plan is None else self._plan.uses
        walked = () if self.walk is None else uses_of(self.walk[0])
        return tuple(dict.fromkeys((*used, *walked)))

    # How

    def _page(self, names: tuple[str, ...] | None) -> Found:
        """The records by walking along an index."""
        ids: list[str] = []
        raw: list[Any] = []
        walk = self._walk(names, self._filter.skip)
        for id, row in islice(walk, self._filter.limit):
            ids.append(id)
            raw.append(row)
        return Found(ids, raw, names)

    def _walk_and_look(self, names: tuple[str, ...] | None) -> Found:
        """The same where each record is looked at in Python."""
        filter = self._filter
        end = None if filter.limit is None else filter.skip + filter.limit
        matches = predicate(self.rest if self.rest is not None else And(()))
        layout = self._reader(names)
        ids: list[str] = []
        raw: list[Any] = []
        for read, (id, row) in enumerate(self._walk(names, 0), 1):
            if end is not None and len(ids) == end:
                break
            if read > self._most:
                raise too_much_to_read(self._collection.definition, self._most)
            if matches(Rows([row], layout).records()[0]):
                ids.append(id)
                raw.append(row)
        return Found(ids[filter.skip :], raw[filter.skip :], names)

    def _walk(self, names: tuple[str, ...] | None, skip: int) -> Iterator[tuple[str, Any]]:
        """The ids and rows along an index, in chunks that are read when they are wanted."""
        range, spans = self.walk or (Range(None, 0, (ALL,)), [])
        limit = self._filter.limit
        chunk = CHUNK
        if limit is not None:
            chunk = min(CHUNK, limit if self.rest is None else max(100, 2 * limit))
        if not chunk:
            return
        told = {
            "fields": self._collection.field_names(names),
            "uses": uses_of(range),
            "index": "" if range.index is None else range.index.name,
            "skip": skip,
        }
        now, begun = spans[:CHUNK], CHUNK
        given: set[str] = set()
        while now:
            answer = scripts.WALK.ask(
                self._client, self._collection, {**told, "spans": now, "limit": chunk}
            )
            if answer is None:
                raise _NotBuilt
            raw, now, ids, told["skip"] = answer
            for id, row in zip(ids, map(self._collection.row, raw), strict=True):
                # One that has moved along the index meanwhile comes again.
                if id not in given:
                    yield id, row
            given.update(ids)
            if not now:
                now, begun = spans[begun : begun + CHUNK], begun + CHUNK
            if self.rest is not None:
                chunk = min(CHUNK, chunk * 2)

    def _look_up(self, names: tuple[str, ...] | None) -> Found:
        """The records that look-ups lead to, looked at and put in order in Python."""
        plan = self._plan or range_plan(Range(None, 0, (ALL,)))
        told = {
            "plan": plan.told,
            "uses": plan.uses,
            "fields": self._collection.field_names(names),
            "most": self._most,
            "few": FEW,
        }
        answer = scripts.FIND.ask(self._client, self._collection, told)
        if answer is None:
            raise _NotBuilt
        if answer[0] == "more":
            raise too_much_to_read(self._collection.definition, self._most)
        is_exact, ids, raw = answer
        rest = self.rest if is_exact else self._filter.where
        if raw is None:
            # Between the look-up and the reading, a record may have changed.
            rest = self._filter.where
            pairs = list(self._read(ids, names))
        else:
            pairs = list(zip(ids, map(self._collection.row, raw), strict=True))
        pairs.sort(key=lambda pair: pair[0])
        rows = [row for _, row in pairs]
        records = Rows(rows, self._reader(names)).records()
        if rest is not None and not self._has_where(rest):
            rest = None
        places = sifted(records, self._filter, rest, is_ordered=not self._filter.order)
        return Found([pairs[each][0] for each in places], [rows[each] for each in places], names)

    @staticmethod
    def _has_where(where: Where) -> bool:
        return not (isinstance(where, And) and not where.items)

    def _read(self, ids: Sequence[str], names: tuple[str, ...] | None) -> Iterator[tuple[str, Any]]:
        fields = self._collection.field_names(names)
        for start in range(0, len(ids), CHUNK):
            told = {"ids": ids[start : start + CHUNK], "fields": fields}
            raw, known = scripts.READ.ask(self._client, self._collection, told)
            yield from zip(known, map(self._collection.row, raw), strict=True)

    def _reader(self, names: tuple[str, ...] | None) -> Any:
        """The layout by which the rows are read that have the fields of some properties."""
        if names is None or self._collection.is_open:
            return self._collection.layout(None)
        return self._collection.partial_layout(names)


class _NotBuilt(Exception):
    """An index does not have all records."""


def names_of(filter: Filter) -> tuple[str, ...]:
    """The properties that a filter looks at."""
    found = list(names_in(filter.where))
    found += [each.path.property.name for each in filter.order if not each.links]
    if filter.near is not None:
        found.append(filter.near.path.property.name)
    return tuple(dict.fromkeys(found))


def names_in(where: Where) -> Iterable[str]:
    """The properties that a where looks at."""
    if isinstance(where, And | Or):
        for each in where.items:
            yield from names_in(each)
    elif isinstance(where, Not):
        yield from names_in(where.item)
    elif isinstance(where, Compare | Inside):
        yield where.path.property.name
