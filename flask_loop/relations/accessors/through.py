"""``has_many`` through a model, and ``has_and_belongs_to_many``: rows link both records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ...connectors.repeating import repeated
from ...definition import Link
from ...errors import DefinitionError
from ...query import EVERYTHING, Filter, Related, Where, both, keys_where, scope_where
from ..narrowing import key_in
from .base import WhereLike, python_data
from .keyed import KeyedMany, id_of, parsed_where, values_of

T = TypeVar("T")


class LinkedMany(KeyedMany[T]):
    """The records that rows of a third model link to the owner."""

    @property
    def _protected(self) -> tuple[str, ...]:
        return self._to_target.theirs

    @property
    def _to_target(self) -> Link:
        return self._relation.links[1]

    @property
    def _rows(self) -> Any:
        """The class of the rows that link both."""
        through = self._relation.through
        model = None if through is None else through.model
        if model is None:
            raise DefinitionError(f"the model that {self._place} goes through is gone")
        return model

    def build(self, data: Any = None, /, **values: Any) -> T:
        """Make a record that is not stored yet; once it is, :meth:`add` links it."""
        built: T = self._target(self._filled(data, values))
        return built

    @repeated
    def _create(self, data: Any) -> Any:
        rows = self._rows
        with self._writing(self._target, rows):
            created = self._target.create(data)
            if isinstance(data, list):
                rows.create([self._row(id_of(each)) for each in created])
            else:
                rows.create(self._row(id_of(created)))
        return created

    @repeated
    def destroy(self, id: Any) -> None:
        """Delete a related record, and what links it to the owner."""
        with self._writing(self._target, self._rows):
            record = self._get(id)
            self._rows.destroy_all(self._where_linked(id_of(record)))
            record.destroy()

    def destroy_all(self, where: WhereLike = None) -> int:
        """Delete what links the owner to the records that match a where, or to all."""
        wanted = parsed_where(self._target.__loop_plan__(), where)
        wanted = both(scope_where(self._relation), wanted)
        linked = self._where_mine
        if wanted != EVERYTHING:
            linked = both(linked, Related(self._to_target, wanted))
        self._forget()
        return int(self._rows.destroy_all(linked))

    @repeated
    def add(self, record: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        rows = self._rows
        given = {**python_data(rows.definition, data), **python_data(rows.definition, values)}
        with self._writing(self._target, rows):
            id = id_of(self._get_any(record))
            row = rows.find_one(Filter(where=self._where_linked(id), limit=1))
            return rows.create({**given, **self._row(id)}) if row is None else row

    @repeated
    def remove(self, record: Any) -> int:
        id = self._loaded_id(record)
        if id is None:
            return 0
        with self._writing(self._rows):
            return 1 if self._rows.destroy_all(self._where_linked(id)) else 0

    def _row(self, id: Any) -> dict[str, Any]:
        """What the row has that links the record with an id to the owner."""
        to_rows = self._relation.links[0]
        mine = values_of(self._owner, to_rows.own).values()
        theirs = self._target.definition.id_values(id).values()
        return {
            **dict(zip(to_rows.theirs, mine, strict=True)),
            **dict(zip(self._to_target.own, theirs, strict=True)),
        }

    @property
    def _where_mine(self) -> Where:
        """The where that the rows match which link records to the owner."""
        link = self._relation.links[0]
        key = key_in(values_of(self._owner, link.own), link.own)
        return keys_where(link.definition, link.theirs, [key])

    def _where_linked(self, id: Any) -> Where:
        """The where that the rows match which link the record with an id to the owner."""
        rows = self._relation.links[0].definition
        return both(self._where_mine, keys_where(rows, self._to_target.own, [id]))
