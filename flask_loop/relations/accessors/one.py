"""``has_one``: one record, which holds the key of the one that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ...connectors.repeating import repeated
from ...errors import Conflict
from ...query import Filter
from .base import FilterLike, RelatedOne, transaction
from .keyed import leads_nowhere, related_query, related_where
from .keys import keys_of_owner, names_of_keys

T = TypeVar("T")


class OwnedOne(RelatedOne[T]):
    """The record that holds the owner's key."""

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> T | None:
        query = related_query(self._owner, self._relation, self._target, filter, parts)
        found: T | None = None if leads_nowhere(query.where) else self._target.find_one(query)
        return found

    def build(self, data: Any = None, /, **values: Any) -> T:
        self._require_saved()
        keys = keys_of_owner(self._owner, self._relation)
        built: T = self._target({**self._filled(data, values), **keys})
        return built

    @repeated
    def create(self, data: Any = None, /, **values: Any) -> T:
        self._require_saved()
        self._forget()
        given = {
            **self._filled(data, values),
            **keys_of_owner(self._owner, self._relation),
        }
        where = related_where(self._owner, self._relation)
        with transaction(self._target):
            if self._target.find_one(Filter(where=where, limit=1)) is not None:
                raise Conflict(f"{self._place} leads to a record already.")
            created: T = self._target.create(given)
        return created

    @repeated
    def update(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        changes = self._given(data, values)
        self._forget()
        with transaction(self._target):
            record = self._existing()
            self._refuse_moves(record, changes, names_of_keys(self._relation))
            record.patch_attributes(changes)
        updated: T = record
        return updated

    @repeated
    def destroy(self) -> None:
        self._forget()
        with transaction(self._target):
            self._existing().destroy()
