"""``has_many``: records that hold the key of the one that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ...connectors.repeating import repeated
from ...query import both
from .base import WhereLike
from .keyed import KeyedMany, leads_nowhere, parsed_where
from .keys import keys_of_owner, names_of_keys

T = TypeVar("T")


class OwnedMany(KeyedMany[T]):
    """The records that hold the owner's key."""

    @property
    def _protected(self) -> tuple[str, ...]:
        return names_of_keys(self._relation)

    @property
    def _keys(self) -> dict[str, Any]:
        return keys_of_owner(self._owner, self._relation)

    def build(self, data: Any = None, /, **values: Any) -> T:
        self._require_saved()
        built: T = self._target({**self._filled(data, values), **self._keys})
        return built

    def _create(self, data: Any) -> Any:
        if isinstance(data, list):
            return self._target.create([{**each, **self._keys} for each in data])
        return self._target.create({**data, **self._keys})

    @repeated
    def destroy(self, id: Any) -> None:
        with self._writing(self._target):
            self._get(id).destroy()

    def destroy_all(self, where: WhereLike = None) -> int:
        wanted = parsed_where(self._target.__loop_plan__(), where)
        narrow = self._where
        if leads_nowhere(narrow):
            return 0
        self._forget()
        return int(self._target.destroy_all(both(narrow, wanted)))

    @repeated
    def add(self, record: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        if data or values:
            raise TypeError(f"{self._place}: no row links both, so that it has no properties")
        with self._writing(self._target):
            found = self._get_any(record)
            if any(getattr(found, name) != value for name, value in self._keys.items()):
                found.patch_attributes(self._keys)
        _let_know(record, self._keys)
        return found

    @repeated
    def remove(self, record: Any) -> int:
        with self._writing(self._target):
            found = self.find_by_id(record, self._whole)
            if found is None:
                return 0
            found.patch_attributes(dict.fromkeys(self._keys))  # type: ignore[attr-defined]
        _let_know(record, dict.fromkeys(self._keys))
        return 1


def _let_know(record: Any, keys: Mapping[str, Any]) -> None:
    """Let the instance that was given have the keys too, so that saving it moves nothing back."""
    if hasattr(record, "to_record"):
        record.__dict__.update(keys)
