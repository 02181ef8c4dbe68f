"""``embeds_many`` and ``embeds_one``: records inside a property of the owner.

They are written with the owner's patch: its rules and theirs are checked, its observers are told.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from ...connectors.base import Record, id_where
from ...connectors.repeating import repeated
from ...definition import ModelDefinition, Property, RelationDefinition
from ...errors import BadRequest, Failure, ModelNotFound, ValidationError
from ...query import (
    NOTHING,
    Filter,
    Where,
    both,
    predicate,
    relation_filter,
    scope_where,
)
from ...types import Integer, TypeMismatch
from ...validation import Uniqueness
from ..inside import refuse_reaching, selected
from ..narrowing import scoped
from .base import Accessor, FilterLike, RelatedMany, RelatedOne, WhereLike, transaction
from .keyed import id_of, parsed_filter, parsed_where

T = TypeVar("T")
Records = list[Record]


class EmbeddedMany(RelatedMany[T]):
    """The records in a list inside the owner, in the order of the list."""

    def _included(self) -> NoReturn:
        raise KeyError(self._relation.name)  # they are in the owner, whatever was included

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> list[T]:
        query = _query(self._relation, self._target, filter, parts)
        by_record = [(item.to_record(), item) for item in self._items]
        items = {id(record): item for record, item in by_record}
        found = selected(self._target.__loop_plan__(), query, [record for record, _ in by_record])
        return [_shown(items[id(record)], record, query.fields) for record in found]

    @property
    def _items(self) -> list[Any]:
        """The records that the owner holds, as instances that it keeps."""
        name = str(self._relation.property)
        items = [_as_instance(self._target, each) for each in getattr(self._owner, name) or ()]
        self._owner.__dict__[name] = items
        return items

    def find_by_id(self, id: Any, filter: FilterLike = None) -> T | None:
        where = self._where_is(id)
        query = _query(self._relation, self._target, filter, {})
        matches = predicate(both(query.where, where))
        for item in self._items:
            if matches(record := item.to_record()):
                found: T = _shown(item, record, query.fields)
                return found
        return None

    def exists(self, record: Any) -> bool:
        return self.find_by_id(id_of(record)) is not None

    def count(self, where: WhereLike = None) -> int:
        matches = self._matcher(parsed_where(self._target.__loop_plan__(), where))
        return sum(matches(item.to_record()) for item in self._items)

    def build(self, data: Any = None, /, **values: Any) -> T:
        """Put a record into the list, which is stored when the owner is saved."""
        built: T = self._target(self._filled(data, values))
        self._items.append(built)
        return built

    def _create(self, data: Any) -> Any:
        given = data if isinstance(data, list) else [data]
        self._change(lambda records: [*records, *given])
        created = self._items[-len(given) :] if given else []
        return created if isinstance(data, list) else created[0]

    def update(self, id: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        changes = self._given(data, values)
        place = -1

        def change(records: Records) -> Records:
            nonlocal place
            place = self._place_of(id, records)
            old = records[place]
            new = _without_new_id(self._target.definition, old, changes)
            return [*records[:place], {**old, **new}, *records[place + 1 :]]

        self._change(change)
        updated: T = self._items[place]
        return updated

    def destroy(self, id: Any) -> None:
        def change(records: Records) -> Records:
            place = self._place_of(id, records)
            return [*records[:place], *records[place + 1 :]]

        self._change(change)

    def destroy_all(self, where: WhereLike = None) -> int:
        """Delete the records that match a where, or all.

        :returns: how many.
        """
        matches = self._matcher(parsed_where(self._target.__loop_plan__(), where))
        deleted = 0

        def change(records: Records) -> Records:
            nonlocal deleted
            kept = [record for record in records if not matches(record)]
            deleted = len(records) - len(kept)
            return kept

        self._change(change)
        return deleted

    def add(self, record: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        raise TypeError(f"{self._place} has its records inside: write create()")

    def remove(self, record: Any) -> int:
        raise TypeError(f"{self._place} has its records inside: write destroy()")

    def _where_is(self, id: Any) -> Where:
        definition = self._target.definition
        if not definition.ids:
            raise TypeError(f"{definition.name} has no id, by which its records could be told")
        try:
            return id_where(definition, self._target.__loop_plan__().load_id(id_of(id)))
        except ModelNotFound:
            return NOTHING

    def _place_of(self, id: Any, records: Sequence[Record]) -> int:
        """Where the record with an id is in the list.

        :raises ModelNotFound: where there is none.
        """
        matches = self._matcher(self._where_is(id))
        for place, record in enumerate(records):
            if matches(record):
                return place
        raise self._target.__loop_plan__().not_found(id_of(id))

    def _matcher(self, where: Where) -> Callable[[Mapping[str, Any]], bool]:
        refuse_reaching(Filter(where=where))
        return predicate(both(scope_where(self._relation), where))

    def _change(self, change: Callable[[Records], Records]) -> None:
        """Store a change of the list, as it is stored now."""
        name, definition = str(self._relation.property), self._target.definition

        def changed(stored: Any) -> Records:
            return _with_ids(definition, name, change(list(stored or ())), self._owner)

        _patch_inside(self, changed)


class EmbeddedOne(RelatedOne[T]):
    """The record inside the owner."""

    def _included(self) -> NoReturn:
        raise KeyError(self._relation.name)  # it is in the owner, whatever was included

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> T | None:
        query = _query(self._relation, self._target, filter, parts)
        name = str(self._relation.property)
        held = getattr(self._owner, name)
        if held is None:
            return None
        item = self._owner.__dict__[name] = _as_instance(self._target, held)
        record = item.to_record()
        return _shown(item, record, query.fields) if predicate(query.where)(record) else None

    def build(self, data: Any = None, /, **values: Any) -> T:
        """Put a record into the owner, which is stored when the owner is saved."""
        built: T = self._target(self._filled(data, values))
        self._owner.__dict__[str(self._relation.property)] = built
        return built

    def create(self, data: Any = None, /, **values: Any) -> T:
        """Store a new record in the place of the one that there was."""
        self._require_saved()
        given = self._filled(data, values)
        _patch_inside(self, lambda stored: given)
        return self._held

    def update(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        changes = self._given(data, values)
        _patch_inside(self, lambda stored: {**self._required(stored), **changes})
        return self._held

    def destroy(self) -> None:
        def removed(stored: Any) -> None:
            self._required(stored)

        _patch_inside(self, removed)

    @property
    def _held(self) -> T:
        name = str(self._relation.property)
        held: T = _as_instance(self._target, getattr(self._owner, name))
        return held

    def _required(self, stored: Any) -> Record:
        if stored is None:
            raise self._leads_to_none()
        record: Record = stored
        return record


def _query(
    relation: RelationDefinition, target: Any, filter: FilterLike, parts: Mapping[str, Any]
) -> Filter:
    """A caller's filter, narrowed by the relation's scope."""
    plan = target.__loop_plan__()
    query = parsed_filter(plan, filter, parts)
    if relation.options.scope:
        query = scoped(plan, query, relation_filter(relation))
    refuse_reaching(query)
    return query


def _as_instance(model: Any, held: Any) -> Any:
    return model.from_record(held) if isinstance(held, Mapping) else held


def _shown(item: Any, record: Record, fields: Sequence[str] | None) -> Any:
    """An item itself, or its fields alone where only some are wanted."""
    if fields is None:
        return item
    return type(item).from_record({name: record[name] for name in fields if name in record})


@repeated
def _patch_inside(accessor: Accessor[Any], change: Callable[[Any], Any]) -> None:
    """Store a change of what is inside the owner, as it is stored now."""
    accessor._require_saved()
    owner, name = accessor._owner, str(accessor._relation.property)
    accessor._forget()
    with transaction(type(owner)):
        plan = type(owner).__loop_plan__().without_scope()
        stored = plan.record(id_of(owner))[name]
        owner.patch_attributes({name: change(stored)})


def _without_new_id(
    definition: ModelDefinition, old: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Changes of a record inside a list.

    :raises BadRequest: where they have another id.
    """
    kept = dict(changes)
    for each in definition.ids:
        if each.name in kept and _loaded(each, kept.pop(each.name)) != old.get(each.name):
            raise BadRequest(f"{definition.name} id property ({each.wire}) cannot be updated.")
    return kept


def _with_ids(definition: ModelDefinition, name: str, records: Records, owner: Any) -> Records:
    """The records of a list, each with an id of its own.

    :raises ValidationError: where two have the same.
    """
    seen: set[Any] = set()
    failures: list[Failure] = []
    completed: Records = []
    for record in records:
        completed.append(_with_id(definition, record, [*completed, *records]))
    for index, record in enumerate(completed):
        id = tuple(_loaded(each, record.get(each.name)) for each in definition.ids)
        if id and None not in id and id in seen:
            path = (name, index, definition.ids[0].name)
            failures.append(Failure(path, Uniqueness.code, Uniqueness.messages[""]))
        seen.add(id)
    if failures:
        raise ValidationError(type(owner).definition.name, failures)
    return completed


def _with_id(definition: ModelDefinition, record: Record, others: Sequence[Record]) -> Record:
    """A record with an id: a whole number after the greatest, else its default."""
    made: Record = {}
    for each in definition.ids:
        if record.get(each.name) is not None:
            continue
        if each.has_default:
            made[each.name] = each.make_default()
        elif each.generated and isinstance(each.type, Integer):
            ids = [_loaded(each, other.get(each.name)) for other in others]
            made[each.name] = max((id for id in ids if isinstance(id, int)), default=0) + 1
    return {**record, **made} if made else record


def _loaded(property: Property, value: Any) -> Any:
    """A value as records hold it, or as it came where it is not of its type."""
    try:
        return None if value is None else property.type.load(value)
    except TypeMismatch:
        return value if isinstance(value, Hashable) else repr(value)
