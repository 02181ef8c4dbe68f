"""What the relations have in common that lead to any number of records stored by themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from ...connectors.base import id_where
from ...connectors.repeating import repeated
from ...definition import ModelDefinition, RelationDefinition
from ...errors import ModelNotFound
from ...query import NOTHING, Filter, Related, Where, WhereExpression, both, conjuncts
from ..narrowing import narrowed, where_related
from .base import FilterLike, RelatedMany, WhereLike, transaction

T = TypeVar("T")


def values_of(owner: Any, names: Sequence[str]) -> dict[str, Any]:
    """The values of properties of an instance.

    :raises AttributeError: where one was not loaded.
    """
    return {name: getattr(owner, name) for name in names}


def related_where(owner: Any, relation: RelationDefinition) -> Where:
    """The where that the records match which a relation leads to from an instance."""
    return where_related(relation, values_of(owner, relation.links[0].own))


def related_query(
    owner: Any,
    relation: RelationDefinition,
    target: Any,
    filter: FilterLike,
    parts: Mapping[str, Any],
) -> Filter:
    """A caller's filter, for the records alone that a relation leads to from an instance.

    :param target: their class.
    :param parts: what is given by keyword.
    """
    plan = target.__loop_plan__()
    record = values_of(owner, relation.links[0].own)
    return narrowed(plan, parsed_filter(plan, filter, parts), relation, record)


def leads_nowhere(where: Where) -> bool:
    """Whether nothing can match, since the owner has no key."""
    return any(
        part == NOTHING or (isinstance(part, Related) and leads_nowhere(part.where))
        for part in conjuncts(where)
    )


def parsed_filter(plan: Any, filter: FilterLike, parts: Mapping[str, Any]) -> Filter:
    """A caller's filter in its normal form.

    :param plan: the plan of the model that the relation leads to.
    :param parts: what is given by keyword.
    :raises TypeError: where something is given twice.
    """
    if isinstance(filter, Filter):
        if parts:
            raise TypeError("give a filter, or its parts by keyword, not both")
        return filter
    given = dict(filter or {})
    if twice := given.keys() & parts.keys():
        raise TypeError(f"{min(twice)!r} is given twice")
    parsed: Filter = plan.parser.filter({**given, **parts})
    return parsed


def parsed_where(plan: Any, where: WhereLike) -> Where:
    """A caller's where in its normal form."""
    if where is None or isinstance(where, Mapping | WhereExpression):
        parsed: Where = plan.parser.where(where)
        return parsed
    return where


class KeyedMany(RelatedMany[T]):
    """Related records of which each is stored by itself."""

    @property
    @abstractmethod
    def _protected(self) -> tuple[str, ...]:
        """The properties of a related record that make it one."""

    @property
    def _where(self) -> Where:
        """The where that the related records match."""
        return related_where(self._owner, self._relation)

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> list[T]:
        query = self._query(filter, parts)
        found: list[T] = [] if leads_nowhere(query.where) else self._target.find(query)
        return found

    def _query(self, filter: FilterLike, parts: Mapping[str, Any]) -> Filter:
        """A caller's filter, for the related records alone."""
        return related_query(self._owner, self._relation, self._target, filter, parts)

    def find_by_id(self, id: Any, filter: FilterLike = None) -> T | None:
        wanted, query = self._where_is(id), self._query(filter, {})
        if wanted is None or leads_nowhere(query.where):
            return None
        where = both(query.where, wanted)
        found: T | None = self._target.find_one(replace(query, where=where, limit=1, skip=0))
        return found

    def exists(self, record: Any) -> bool:
        wanted = self._where_is(record)
        return wanted is not None and self._count(wanted) > 0

    def count(self, where: WhereLike = None) -> int:
        return self._count(parsed_where(self._target.__loop_plan__(), where))

    def _count(self, wanted: Where) -> int:
        where = self._where
        return 0 if leads_nowhere(where) else int(self._target.count(both(where, wanted)))

    @repeated
    def update(self, id: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        changes = self._given(data, values)
        with self._writing(self._target):
            record = self._get(id)
            self._refuse_moves(record, changes, self._protected)
            record.patch_attributes(changes)
        updated: T = record
        return updated

    def _get(self, record: Any) -> Any:
        """The related record with an id, as it is stored.

        :raises ModelNotFound: where there is none.
        """
        found = self.find_by_id(record, self._whole)
        if found is None:
            raise self._not_found(record)
        return found

    def _get_any(self, record: Any) -> Any:
        """The record with an id, whether it is a related one or not.

        :raises ModelNotFound: where there is none.
        """
        id = self._loaded_id(record)
        found = None if id is None else self._target.find_by_id(id)
        if found is None:
            raise self._not_found(record)
        return found

    def _not_found(self, record: Any) -> ModelNotFound:
        missing: ModelNotFound = self._target.__loop_plan__().not_found(id_of(record))
        return missing

    def _loaded_id(self, record: Any) -> Any:
        """An id as records hold it, or None where no record can have it.

        :param record: the id, or the record.
        :raises TypeError: where it is a record of another model, or not saved yet.
        """
        target = self._target
        if hasattr(record, "to_record"):
            if not isinstance(record, target):
                raise TypeError(f"{self._place} leads to records of {target.__name__}")
            if record.is_new_record():
                raise TypeError(f"save the {target.__name__} first: it has no key yet")
        try:
            return target.__loop_plan__().load_id(id_of(record))
        except ModelNotFound:
            return None

    def _where_is(self, record: Any) -> Where | None:
        """The where that a record matches, or None where none can have its id."""
        id = self._loaded_id(record)
        return None if id is None else id_where(self._target.definition, id)

    @contextmanager
    def _writing(self, *models: Any) -> Iterator[None]:
        """A block that writes records of models, all or nothing, and what was included with it."""
        self._require_saved()
        self._forget()
        with transaction(*models):
            yield


def id_of(record: Any) -> Any:
    """The id of a record, or what is an id already."""
    if not hasattr(record, "to_record"):
        return record
    definition: ModelDefinition = type(record).definition
    return definition.id_of(values_of(record, [each.name for each in definition.ids]))
