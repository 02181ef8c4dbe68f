"""Reading: the ways to the documents that a where is about, and which of them is taken.

By their ids, by a range of ids in ``_all_docs``, by a view of an index, or by a selector of Mango.
What a way does not look at is left for Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ...query import EVERYTHING, And, Compare, Or, Order, Where, conjuncts
from ...types import FieldValue, String
from .database import Database, Document
from .documents import TYPE, Documents
from .selectors import Branch, Selection, Selectors, selector_of
from .views import KeyRange, Views

#: Sorts before each character of a key, and after its end.
_AFTER = " "


@dataclass(frozen=True, slots=True)
class Way(ABC):
    """A way to documents.

    :ivar rest: the part of the where that is left for Python.
    :ivar is_ordered: whether the documents come in the filter's order.
    """

    rest: Where | None = field(default=None, kw_only=True)
    is_ordered: bool = field(default=False, kw_only=True)

    @abstractmethod
    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        """The documents that it leads to."""

    def count(self, database: Database) -> int:
        """How many they are."""
        return sum(1 for _ in self.documents(database))

    @abstractmethod
    def explain(self, database: Database) -> dict[str, Any]:
        """What CouchDB is asked."""


@dataclass(frozen=True, slots=True)
class Nowhere(Way):
    """To nothing, without asking anybody."""

    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        return iter(())

    def explain(self, database: Database) -> dict[str, Any]:
        return {"nothing": True}


@dataclass(frozen=True, slots=True)
class ByKeys(Way):
    """By ids that are known.

    :ivar keys: each once.
    :ivar collection: whose documents are meant, where others may have the ids; else None.
    """

    keys: Sequence[str]
    collection: str | None = None

    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        found = database.documents(self.keys)
        if self.collection is not None:
            found = (each for each in found if each.get(TYPE) == self.collection)
        for place, document in enumerate(found):
            if limit is not None and place >= skip + limit:
                return
            if place >= skip:
                yield document

    def explain(self, database: Database) -> dict[str, Any]:
        return {"_all_docs": {"keys": list(self.keys)}}


@dataclass(frozen=True, slots=True)
class ByRange(Way):
    """By the range that the ids are in.

    :ivar start: the first ``_id`` that may be.
    :ivar end: what all of them come before.
    """

    start: str
    end: str
    descending: bool = False

    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        return database.between(
            self.start, self.end, descending=self.descending, skip=skip, limit=limit
        )

    def count(self, database: Database) -> int:
        return database.count_range(self.start, self.end)

    def explain(self, database: Database) -> dict[str, Any]:
        asked: dict[str, Any] = {"startkey": self.start, "endkey": self.end}
        return {"_all_docs": {**asked, "descending": True} if self.descending else asked}


@dataclass(frozen=True, slots=True)
class BySelector(Way):
    """By a selector of Mango.

    :ivar query: what ``_find`` is asked, but for the page.
    """

    query: Mapping[str, Any]

    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        return database.find(self.query, skip=skip, limit=limit)

    def count(self, database: Database) -> int:
        return sum(1 for _ in database.find({**self.query, "fields": ["_id", "_rev"]}))

    def explain(self, database: Database) -> dict[str, Any]:
        said = database.explain(self.query)
        return {"_find": dict(self.query), "index": said.get("index")}


@dataclass(frozen=True, slots=True)
class ByView(Way):
    """By a range of the keys of a view.

    :ivar path: of the view.
    :ivar keys: the range.
    """

    path: str
    keys: Mapping[str, Any]

    def documents(
        self, database: Database, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        return database.view(self.path, self.keys, skip=skip, limit=limit)

    def count(self, database: Database) -> int:
        return database.count_view(self.path, self.keys)

    def explain(self, database: Database) -> dict[str, Any]:
        return {self.path: dict(self.keys)}


@dataclass(frozen=True, slots=True)
class _Ids:
    """What a where says of the ids.

    :ivar keys: the only ones that may be, or None.
    :ivar start: the first that may be.
    :ivar end: what they come before.
    :ivar others: the parts of the where that say something else.
    """

    keys: tuple[str, ...] | None
    start: str
    end: str
    others: tuple[Where, ...]


class Ways:
    """The ways to the documents of one model.

    :param documents: how its records are stored.
    :param views: what its indexes have.
    """

    def __init__(self, documents: Documents, views: Views) -> None:
        self._documents = documents
        self._selectors = Selectors(documents)
        self._ids = documents.definition.ids
        self._views = views

    def find(
        self,
        where: Where,
        order: Sequence[Order] = (),
        limit: int | None = None,
        *,
        with_views: bool,
    ) -> Way:
        """The way to the records that match.

        :param order: the order that they are wanted in; none where it makes no difference.
        :param limit: how many are wanted at most.
        :param with_views: whether the model's design documents are there.
        """
        ids = self._said_of_ids(where)
        if ids.keys is not None:
            return self._by_keys(ids.keys, ids.others, order)
        if not self._documents.plain_ids and ids.start >= ids.end:
            return Nowhere(is_ordered=True)
        narrowed = self._selectors.narrow(And(ids.others) if ids.others else EVERYTHING)
        if narrowed.is_nothing:
            return Nowhere(is_ordered=True)
        if with_views:
            found = self._by_view(where, order, limit, is_exact=narrowed.rest is None)
            if found is not None:
                return found
        if narrowed.expression is None and not self._documents.plain_ids:
            return self._by_range(ids, narrowed.rest, order)
        return self._by_selector(
            ids, narrowed.expression, narrowed.rest, order, with_views=with_views
        )

    def _by_range(self, ids: _Ids, rest: Where | None, order: Sequence[Order]) -> Way:
        # A range that comes the other way round begins with its end, which is no id then.
        descending = ids.end.endswith((_AFTER, ";")) and self._is_by_id(order, descending=True)
        is_ordered = descending or self._is_by_id(order)
        return ByRange(ids.start, ids.end, descending, rest=rest, is_ordered=is_ordered)

    def _by_view(
        self, where: Where, order: Sequence[Order], limit: int | None, *, is_exact: bool
    ) -> Way | None:
        """The best of the views, or None where Mango does better.

        :param is_exact: whether Mango leaves nothing for Python.
        """
        end = len(order) - len(self._ids)
        head, tail = order[: max(0, end)], order[max(0, end) :]
        ranges = self._views.ranges(
            conjuncts(where), head, is_by_id=not order or self._is_by_id(tail)
        )

        def merit(found: KeyRange) -> tuple[bool, ...]:
            is_ordered = found.is_ordered or not order
            return (
                not found.others and is_ordered,
                is_ordered and limit is not None,
                found.is_narrow,
            )

        best = max(ranges, key=merit, default=None)
        if best is None or not any(merit(best)):
            return None
        if best.is_nothing:
            return Nowhere(is_ordered=True)
        is_page = any(merit(best)[:2])
        if not is_page and is_exact and best.others:
            return None
        rest = And(best.others) if best.others else None
        return ByView(best.path, best.keys, rest=rest, is_ordered=best.is_ordered)

    def _by_keys(
        self, keys: tuple[str, ...], others: tuple[Where, ...], order: Sequence[Order]
    ) -> Way:
        rest = None if not others else And(others)
        if not keys:
            return Nowhere(is_ordered=True)
        in_order = not self._documents.plain_ids
        if in_order and self._is_by_id(order, descending=True):
            return ByKeys(sorted(keys, reverse=True), rest=rest, is_ordered=True)
        is_ordered = len(keys) == 1 or (in_order and self._is_by_id(order))
        collection = None if in_order else self._documents.collection
        return ByKeys(sorted(keys), collection, rest=rest, is_ordered=is_ordered)

    def _by_selector(
        self,
        ids: _Ids,
        selection: Selection | None,
        rest: Where | None,
        order: Sequence[Order],
        *,
        with_views: bool,
    ) -> Way:
        base: Branch = {TYPE: {"$eq": self._documents.collection}}
        if (ids.start, ids.end) != (self._documents.start, self._documents.end):
            base["_id"] = {"$gte": ids.start, "$lt": ids.end}
        selector = selector_of(base, selection)
        index = self._views.mango_index(selector) if with_views else None
        if index is not None:
            return BySelector({"selector": selector, "use_index": index}, rest=rest)
        if self._documents.plain_ids:
            base["_id"] = {"$gt": None}  # without it, CouchDB has no index for the order
        else:
            base = {"_id": {"$gte": ids.start, "$lt": ids.end}}
        query = {"selector": selector_of(base, selection), "sort": [{"_id": "asc"}]}
        return BySelector(query, rest=rest, is_ordered=self._is_by_id(order))

    def _is_by_id(self, order: Sequence[Order], *, descending: bool = False) -> bool:
        """Whether an order is that of the ``_id``, in one direction."""
        names = [each.name for each in self._ids]
        by_id = [each.path.property.name for each in order] == names and all(
            not (each.links or each.path.keys) and each.descending is descending for each in order
        )
        if not self._documents.plain_ids:
            return by_id and not any(isinstance(each.type, FieldValue) for each in self._ids)
        return by_id and isinstance(self._ids[0].type, String)

    # What a where says of ids

    def _said_of_ids(self, where: Where) -> _Ids:
        keys: set[str] | None = None
        start, end = self._documents.start, self._documents.end
        parts, others = conjuncts(where), []
        whole = self._key_in(parts) if len(self._ids) > 1 else None
        if whole is not None:
            keys, parts = {whole[0]}, whole[1]
        for part in parts:
            found = self._keys(part)
            if found is not None:
                keys = found if keys is None else keys & found
                continue
            bounds = self._bounds(part)
            if bounds is None:
                others.append(part)
            else:
                start, end = max(start, bounds[0]), min(end, bounds[1])
        if keys is not None and not self._documents.plain_ids:
            keys = {each for each in keys if start <= each < end}
        return _Ids(None if keys is None else tuple(keys), start, end, tuple(others))

    def _keys(self, where: Where) -> set[str] | None:
        """The ids that a condition is about, where it is about nothing else."""
        if isinstance(where, Or) and where.items and len(self._ids) > 1:
            found = [self._key_in(conjuncts(item)) for item in where.items]
            if all(each is not None and not each[1] for each in found):
                return {each[0] for each in found if each is not None}
        if not self._is_of_id(where):
            return None
        if where.operator == "eq" and where.operand is not None:
            return {self._documents.key(where.operand)}
        if where.operator == "inq":
            return {self._documents.key(each) for each in where.operand if each is not None}
        return None

    def _key_in(self, parts: Sequence[Where]) -> tuple[str, tuple[Where, ...]] | None:
        """The one id that conditions on its several properties are about, and the others."""
        names = [each.name for each in self._ids]
        values: dict[str, Any] = {}
        others: list[Where] = []
        for part in parts:
            name = part.path.property.name if _is_equality(part) else None
            if _is_equality(part) and name in names and name not in values:
                values[name] = part.operand
            else:
                others.append(part)
        if len(values) < len(names):
            return None
        return self._documents.key(tuple(values[name] for name in names)), tuple(others)

    def _bounds(self, where: Where) -> tuple[str, str] | None:
        """The range of ids that a condition is about."""
        if self._documents.plain_ids or not self._is_of_id(where) or where.operand is None:
            return None
        if not self._ids[0].type.ordered or where.operator not in _ENDS:
            return None
        operand = where.operand
        low, high = operand if where.operator == "between" else (operand, operand)
        after_low, after_high = _ENDS[where.operator]
        start, end = self._documents.start, self._documents.end
        if after_low is not None:
            start = self._documents.key(low) + (_AFTER if after_low else "")
        if after_high is not None:
            end = self._documents.key(high) + (_AFTER if after_high else "")
        return start, end

    def _is_of_id(self, where: Where) -> TypeGuard[Compare]:
        return (
            isinstance(where, Compare)
            and len(self._ids) == 1
            and where.path.property.name == self._ids[0].name
            and not where.path.keys
            and not where.member
        )


def _is_equality(where: Where) -> TypeGuard[Compare]:
    return (
        isinstance(where, Compare)
        and where.operator == "eq"
        and where.operand is not None
        and not where.path.keys
    )


#: Whether a range begins after its first value, and ends after its last one; None for no such end.
_ENDS: dict[str, tuple[bool | None, bool | None]] = {
    "gt": (True, None),
    "gte": (False, None),
    "lt": (None, False),
    "lte": (None, True),
    "between": (False, True),
}
