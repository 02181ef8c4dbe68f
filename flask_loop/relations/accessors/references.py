"""``references_many``: the owner holds a list of the keys of its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ...connectors.repeating import repeated
from ...query import Filter, both
from ..keys import as_key, items_of
from ..narrowing import has_order
from .base import FilterLike, WhereLike
from .keyed import KeyedMany, id_of, leads_nowhere, parsed_where

T = TypeVar("T")


class ReferencedMany(KeyedMany[T]):
    """The records whose keys the owner holds in a list, in the order of the list."""

    @property
    def _protected(self) -> tuple[str, ...]:
        return self._relation.primary_key

    @property
    def _property(self) -> str:
        return str(self._relation.property)

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> list[T]:
        query = self._query(filter, parts)
        if leads_nowhere(query.where):
            return []
        if has_order(self._target.__loop_plan__(), query):
            found: list[T] = self._target.find(query)
            return found
        return self._find_as_listed(query)

    def _find_as_listed(self, query: Filter) -> list[T]:
        (key,) = self._relation.primary_key
        fields = query.fields
        if fields is not None and key not in fields:
            query = replace(query, fields=(*fields, key))
        found = self._target.find(replace(query, limit=None, skip=0))
        places = {id: place for place, id in reversed([*enumerate(map(as_key, self._ids))])}
        found.sort(key=lambda record: places[getattr(record, key)])
        end = None if query.limit is None else query.skip + query.limit
        listed: list[T] = found[query.skip : end]
        if query.fields is not fields:
            for record in listed:
                del record.__dict__[key]
        return listed

    @property
    def _ids(self) -> Sequence[Any]:
        return items_of(getattr(self._owner, self._property))

    def build(self, data: Any = None, /, **values: Any) -> T:
        """Make a record that is not stored yet; once it is, :meth:`add` puts it on the list."""
        built: T = self._target(self._filled(data, values))
        return built

    @repeated
    def _create(self, data: Any) -> Any:
        with self._writing(self._target, type(self._owner)):
            created = self._target.create(data)
            new = [id_of(each) for each in (created if isinstance(data, list) else [created])]
            self._change(lambda ids: [*ids, *new])
        return created

    def destroy(self, id: Any) -> None:
        """Delete a related record, and take its key off the list."""
        with self._writing(self._target, type(self._owner)):
            record = self._get(id)
            gone = id_of(record)
            self._change(lambda ids: [each for each in ids if each != gone])
            record.destroy()

    def destroy_all(self, where: WhereLike = None) -> int:
        """Take the keys of the records that match a where, or of all, off the list.

        :returns: how many.
        """
        target = self._target
        wanted = parsed_where(target.__loop_plan__(), where)
        with self._writing(target, type(self._owner)):
            narrow = both(self._where, wanted)
            found = [] if leads_nowhere(narrow) else target.find(Filter(where=narrow))
            gone = {id_of(each) for each in found}
            self._change(lambda ids: [each for each in ids if as_key(each) not in gone])
        return len(found)

    @repeated
    def add(self, record: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        if data or values:
            raise TypeError(f"{self._place}: no row links both, so that it has no properties")
        with self._writing(self._target, type(self._owner)):
            found = self._get_any(record)
            new = id_of(found)
            self._change(lambda ids: ids if new in ids else [*ids, new])
        return found

    def remove(self, record: Any) -> int:
        gone = self._loaded_id(record)
        with self._writing(type(self._owner)):
            before = len(self._ids)
            self._change(lambda ids: [each for each in ids if each != gone])
            return 1 if len(self._ids) < before else 0

    def _change(self, change: Callable[[list[Any]], list[Any]]) -> None:
        """Store a change of the list, as it is stored now."""
        plan = type(self._owner).__loop_plan__()
        stored = plan.without_scope().record(id_of(self._owner))[self._property]
        ids = list(items_of(stored))
        changed = change(ids)
        if changed != ids:
            self._owner.patch_attributes({self._property: changed})
