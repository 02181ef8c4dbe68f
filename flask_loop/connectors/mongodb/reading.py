"""Reading: what the server finds, and what Python makes of it where the server cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ...definition import ModelDefinition
from ...query import And, Compare, Filter, Near, Where
from ..base import Rows
from ..narrowing import Narrowed
from ..scanning import bounded, sifted
from .collection import among
from .ordering import Ordering, ordering_of, pipeline
from .store import Known, Store

#: The radius of the first circle in which the nearest records are looked for, in radians of arc;
#: 64 m on the ground, where a town has few.
FIRST_RADIUS = 1e-5
#: The most documents of one answer of the server that are asked for at once.
_MOST_AT_ONCE = 1000

#: The most documents that are skipped, or asked for: more are in no answer.
MOST = 2**31 - 1

Document = dict[str, Any]


class Reading(Store):
    """The operations that read."""

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        known = self._of(definition)
        if filter.skip > MOST or (filter.limit or 0) > MOST:
            filter = replace(filter, skip=min(filter.skip, MOST), limit=_at_most(filter.limit))
        if filter.near is not None and filter.limit:
            return self._nearest(known, filter)
        narrowed = known.conditions.narrow(filter.where)
        if narrowed.is_nothing or filter.limit == 0:
            return known.collection.rows([], filter.fields)
        ordering = ordering_of(filter, known.collection.fields)
        if narrowed.rest is not None or ordering is None:
            return self._select_in_python(known, filter, narrowed)
        raw = self._ordered(known, narrowed.expression or {}, ordering, filter)
        return known.collection.rows(raw, filter.fields)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        known = self._of(definition)
        found = self._call(known.raw.find_one, known.collection.by_id(id))
        if found is not None and self._must_look_again:
            self._seen_of(known).note(found)
        return known.collection.rows([] if found is None else [found])

    def get_many(self, definition: ModelDefinition, ids: Sequence[Any]) -> Rows:
        if not definition.ids:
            return super().get_many(definition, ids)
        known = self._of(definition)
        if known.collection.is_composite:
            forms = [known.collection.stored_id(id) for id in ids]
        else:
            codec = known.collection.id_field.codec
            forms = [form for id in ids for form in codec.all_forms(id)]
        raw = self._find(known, among("_id", forms)) if forms else []
        return known.collection.rows(raw)

    def count(self, definition: ModelDefinition, where: Where) -> int:
        known = self._of(definition)
        narrowed = known.conditions.narrow(where)
        if narrowed.is_nothing:
            return 0
        if narrowed.rest is not None:
            return len(self._matching(known, narrowed))
        return int(self._call(known.raw.count_documents, narrowed.expression or {}))

    # How

    def _find(self, known: Known, query: Mapping[str, Any], **options: Any) -> list[Document]:
        """All documents of a query."""
        limit = options.get("limit") or 0
        if limit > 100:  # as many as a server gives at first
            options["batch_size"] = min(limit, _MOST_AT_ONCE)

        def find(**session: Any) -> list[Document]:
            return list(known.raw.find(query, **options, **session))

        return self._call(find)

    def _scan(self, known: Known, query: Mapping[str, Any]) -> list[Document]:
        """All documents of a query that Python looks at, or keeps as they are before a write.

        :raises TooMuchToRead: where they are more than may be read.
        """
        definition, most = known.collection.definition, self.max_scan

        def find(**session: Any) -> list[Document]:
            with known.raw.find(query, limit=most + 1, **session) as cursor:
                return bounded(definition, cursor, most)

        return self._call(find)

    def _matching(self, known: Known, narrowed: Narrowed[Any]) -> list[Document]:
        """The documents of a where, of which Python looks at a part."""
        documents = self._scan(known, narrowed.expression or {})
        records = known.collection.rows(documents).records()
        places = sifted(records, Filter(), narrowed.rest, is_ordered=True)
        return [documents[place] for place in places]

    def _select_in_python(self, known: Known, filter: Filter, narrowed: Narrowed[Any]) -> Rows:
        documents = self._scan(known, narrowed.expression or {})
        rows = known.collection.rows(documents)
        places = sifted(rows.records(), filter, narrowed.rest, is_ordered=not _sorts(filter))
        return known.collection.rows([documents[place] for place in places], filter.fields)

    def _ordered(
        self, known: Known, query: Document, ordering: Ordering, filter: Filter
    ) -> list[Document]:
        """The page of a filter, of which the server does all."""
        projection = known.collection.projection(filter.fields)
        if not ordering.late:
            return self._find(
                known,
                query,
                projection=projection,
                sort=ordering.sort or None,
                skip=filter.skip,
                limit=filter.limit or 0,
            )
        if ordering.is_led_by_nulls:
            return self._in_two_parts(known, query, ordering, filter)
        stages = pipeline(query, ordering, filter.skip, filter.limit, projection)

        def aggregate(**session: Any) -> list[Document]:
            return list(known.raw.aggregate(stages, allowDiskUse=True, **session))

        return self._call(aggregate)

    def _in_two_parts(
        self, known: Known, query: Document, ordering: Ordering, filter: Filter
    ) -> list[Document]:
        """First those that have a value, in the order of an index; then those that have none."""
        projection = known.collection.projection(filter.fields)
        (path,) = ordering.late
        join = known.conditions.all
        there = join([query, {path: {"$ne": None}}]) if query else {path: {"$ne": None}}
        limit = filter.limit or 0
        found = self._find(
            known,
            there,
            projection=projection,
            sort=ordering.sort,
            skip=filter.skip,
            limit=limit,
        )
        if limit and len(found) == limit:
            return found
        skip = 0
        if filter.skip and not found:
            # Others may have stored some since the first part was asked for.
            skip = max(0, filter.skip - int(self._call(known.raw.count_documents, there)))
        found += self._find(
            known,
            join([query, {path: None}]) if query else {path: None},
            projection=projection,
            sort=[each for each in ordering.sort if each[0] not in (path, f"{path}_us")],
            skip=skip,
            limit=limit - len(found) if limit else 0,
        )
        return found

    def _nearest(self, known: Known, filter: Filter) -> Rows:
        """The first records by distance, looked for in circles that grow until there are enough."""
        near: Near = cast("Compare", filter.near).operand
        radius = max(FIRST_RADIUS, 2 * (near.minimum or 0.0))
        most = math.pi if near.maximum is None else near.maximum
        while radius < most:
            rows = self._select_by_distance(known, within_circle(filter, radius))
            if len(rows) == filter.limit:
                return rows
            radius *= 4 if rows else 16
        return self._select_by_distance(known, filter)

    def _select_by_distance(self, known: Known, filter: Filter) -> Rows:
        narrowed = known.conditions.narrow(filter.where)
        if narrowed.is_nothing:
            return known.collection.rows([], filter.fields)
        return self._select_in_python(known, filter, narrowed)


def within_circle(filter: Filter, radius: float) -> Filter:
    """A filter of the same records as far as they are in a circle.

    :param radius: in radians of arc.
    """
    near = cast("Compare", filter.near)
    circle = replace(near, operand=replace(near.operand, maximum=radius))
    return replace(filter, where=And((filter.where, circle)))


def _at_most(limit: int | None) -> int | None:
    return None if limit is None else min(limit, MOST)


def _sorts(filter: Filter) -> bool:
    return bool(filter.order) or filter.near is not None
