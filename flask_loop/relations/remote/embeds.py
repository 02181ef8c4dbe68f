"""What remote calls run of relations whose records are inside the record itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ...connectors.base import Record, Rows, id_where, layout_of_records
from ...connectors.repeating import repeated
from ...definition import RelationDefinition
from ...errors import Failure, FilterError, ValidationError
from ...query import (
    EVERYTHING,
    Bounds,
    Filter,
    Where,
    both,
    predicate,
    relation_filter,
    scope_where,
)
from ...remoting import Result
from ..accessors import accessor
from ..inside import refuse_reaching, selected
from ..narrowing import scoped
from .calls import Data, plan_of, record_of


class InsideMany(Result):
    """Records that are inside another one.

    :param plan: the plan of their model.
    :param records: the records.
    :param fields: the names of the properties wanted, or None for all.
    :param next_skip: where the list was cut at the greatest limit, the ``skip`` of the rest.
    """

    __slots__ = ("fields", "next_skip", "plan", "records")

    def __init__(
        self,
        plan: Any,
        records: Sequence[Record],
        fields: tuple[str, ...] | None = None,
        next_skip: int | None = None,
    ) -> None:
        self.plan, self.records, self.fields, self.next_skip = plan, records, fields, next_skip

    def json(self) -> Any:
        layout = layout_of_records(self.plan.definition, self.fields)
        return self.plan.serializer.dump(Rows(self._chosen(), layout), nested=True)

    def python(self) -> Any:
        return [self.plan.model.from_record(record) for record in self._chosen()]

    def _chosen(self) -> Sequence[Record]:
        if self.fields is None:
            return self.records
        return [{name: record[name] for name in self.fields} for record in self.records]


class InsideOne(InsideMany):
    """One record that is inside another one."""

    __slots__ = ()

    def json(self) -> Any:
        return super().json()[0]

    def python(self) -> Any:
        return super().python()[0]


def get_many(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, filter: Filter
) -> InsideMany:
    target = plan_of(relation)
    if relation.options.scope:
        filter = scoped(target, filter, relation_filter(relation))
    refuse_reaching(filter)
    found = selected(target, filter, _inside(relation, plan, id))
    most = bounds.limit
    if filter.limit is not None or most is None or len(found) <= most:
        return InsideMany(target, found, filter.fields)
    return InsideMany(target, found[:most], filter.fields, filter.skip + most)


def count(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, where: Where) -> int:
    refuse_reaching(Filter(where=where))
    return len(_matching(relation, plan, id, where))


def find_by_id(
    relation: RelationDefinition,
    plan: Any,
    bounds: Bounds,
    *,
    id: Any,
    fk: Any,
    filter: Filter | None = None,
) -> InsideOne:
    return _chosen(relation, [_the_one(relation, plan, id, fk)], filter)


def get_one(
    relation: RelationDefinition,
    plan: Any,
    bounds: Bounds,
    *,
    id: Any,
    filter: Filter | None = None,
) -> InsideOne | None:
    """Give the record inside, or None."""
    found = _matching(relation, plan, id)
    return _chosen(relation, found, filter) if found else None


@repeated
def create(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Any) -> Any:
    target = plan_of(relation)
    is_list = isinstance(data, list)
    accepted = [
        target.accept(each, bounds, creating=True) for each in (data if is_list else [data])
    ]
    with plan.transaction():
        position = len(_inside(relation, plan, id)) if relation.is_many else None
        with _said_of_record(relation, position, is_list=is_list):
            created = _accessor(relation, plan, id).create(accepted if is_list else accepted[0])
    return _written(target, created)


@repeated
def update_by_id(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any, data: Data
) -> Any:
    with plan.transaction():
        current = _the_one(relation, plan, id, fk)
        changes = plan_of(relation).accept(data, bounds, creating=False, current=current)
        position = _inside(relation, plan, id).index(current)
        with _said_of_record(relation, position):
            updated = _accessor(relation, plan, id).update(fk, changes)
    return _written(plan_of(relation), updated)


@repeated
def update_one(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Data
) -> Any:
    with plan.transaction():
        found = _matching(relation, plan, id)
        current = found[0] if found else None
        changes = plan_of(relation).accept(data, bounds, creating=current is None, current=current)
        owner = _accessor(relation, plan, id)
        with _said_of_record(relation, None):
            written = owner.create(changes) if current is None else owner.update(changes)
    return _written(plan_of(relation), written)


def destroy_by_id(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any
) -> None:
    """Remove a record; one that is not there is removed already."""
    target = plan_of(relation)
    if _matching(relation, plan, id, id_where(target.definition, fk)):
        _accessor(relation, plan, id).destroy(fk)


def destroy_all(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, where: Where
) -> None:
    _accessor(relation, plan, id).destroy_all(where)


def destroy_one(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any) -> None:
    if _inside(relation, plan, id):
        _accessor(relation, plan, id).destroy()


@contextmanager
def _said_of_record(
    relation: RelationDefinition, position: int | None, *, is_list: bool = False
) -> Iterator[None]:
    """Let what is wrong with a record inside be said of it, not of the one that it is inside.

    :param position: where it is in the list, or where the list of new ones begins; None where it is
        the only one.
    :param is_list: whether several are written, which are told apart by their index.
    """
    try:
        yield
    except ValidationError as error:
        said = [_said_inside(each, relation, position, is_list) for each in error.failures]
        if None in said:
            raise
        name = relation.target_model.definition.name
        raise ValidationError(name, [each for each in said if each is not None]) from None


def _said_inside(
    failure: Failure, relation: RelationDefinition, position: int | None, is_list: bool
) -> Failure | None:
    """A failure of the record as one of a record inside it; None where it is of another part."""
    holder, *rest = failure.path
    if holder != relation.property:
        return None
    if position is not None:
        if not rest or not isinstance(rest[0], int) or rest[0] < position:
            return None
        index, *rest = rest
        if is_list:
            rest = [int(index) - position, *rest]
    return replace(failure, path=tuple(rest))


def _inside(relation: RelationDefinition, plan: Any, id: Any) -> list[Record]:
    """The records that are inside the record with an id."""
    name = str(relation.property)
    value = record_of(plan, id, (name,))[name]
    if isinstance(value, Mapping):
        return [dict(value)]
    return list(value or ())


def _matching(
    relation: RelationDefinition, plan: Any, id: Any, where: Where | None = None
) -> list[Record]:
    wanted = scope_where(relation)
    matches = predicate(wanted if where is None else both(wanted, where))
    return [record for record in _inside(relation, plan, id) if matches(record)]


def _the_one(relation: RelationDefinition, plan: Any, id: Any, fk: Any) -> Record:
    target = plan_of(relation)
    found = _matching(relation, plan, id, id_where(target.definition, fk))
    if not found:
        raise target.not_found(fk)
    return found[0]


def _written(target: Any, written: Any) -> InsideMany:
    """Records inside another one that were written, as clients see them."""
    if isinstance(written, list):
        return InsideMany(target, [each.to_record() for each in written])
    return InsideOne(target, [written.to_record()])


def _chosen(
    relation: RelationDefinition, found: Sequence[Record], filter: Filter | None
) -> InsideOne:
    if filter is None:
        return InsideOne(plan_of(relation), found[:1])
    refuse_reaching(filter)
    if filter.where != EVERYTHING or filter.limit is not None or filter.skip:
        raise FilterError("filter", "has more than fields, which one record takes")
    return InsideOne(plan_of(relation), found[:1], filter.fields)


def _accessor(relation: RelationDefinition, plan: Any, id: Any) -> Any:
    return accessor(plan.model.from_record(plan.record(id)), relation)
