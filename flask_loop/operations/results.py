"""What operations give to remote calls: records that become instances or JSON when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from ..connectors.base import Record, Rows, layout_of_records
from ..definition import RelationDefinition
from ..query import EVERYTHING, Bounds, Filter, both, read_by
from ..relations.including import Loaded, load, without
from ..remoting import Result
from .plan import Plan


class FoundMany(Result):
    """Rows that were found, with what was included.

    :param plan: the model's plan.
    :param rows: the rows.
    :param next_skip: where the list was cut at the greatest limit, the ``skip`` of the rest.
    :param loaded: the related records.
    :param extra: the names of properties that were read for the includes alone.
    """

    __slots__ = ("extra", "loaded", "next_skip", "plan", "rows")

    def __init__(
        self,
        plan: Plan,
        rows: Rows,
        next_skip: int | None = None,
        *,
        loaded: Sequence[Loaded] = (),
        extra: Sequence[str] = (),
    ) -> None:
        self.plan, self.rows, self.next_skip = plan, rows, next_skip
        self.loaded, self.extra = loaded, extra

    @classmethod
    def by(
        cls,
        plan: Plan,
        rows: Rows,
        filter: Filter,
        bounds: Bounds | None = None,
        next_skip: int | None = None,
    ) -> Self:
        """What a filter found, with what it includes.

        :param bounds: how much a remote caller may ask for.
        """
        filter = plan.within(filter)
        if not filter.include:
            return cls(plan, rows, next_skip, extra=filter.extra)
        loaded = load(rows, filter.include, bounds)
        return cls(plan, rows, next_skip, loaded=loaded, extra=filter.extra)

    def json(self) -> list[dict[str, Any]]:
        found = self.plan.serializer.dump(self.rows, without=self.extra)
        for each in self.loaded:
            each.into_json(found)
        return found

    def python(self) -> list[Any]:
        records = without(self.rows.records(), self.extra)
        found = [self.plan.model.from_record(record) for record in records]
        for each in self.loaded:
            each.into_instances(found)
        return found


class FoundOne(FoundMany):
    """One row that was found."""

    __slots__ = ()

    def json(self) -> dict[str, Any]:  # type: ignore[override]
        return super().json()[0]

    def python(self) -> Any:
        return super().python()[0]


class Stored(Result):
    """One record that was written.

    :param included: the related records that were written with it, and those beside them.
    """

    __slots__ = ("included", "plan", "record")

    def __init__(self, plan: Plan, record: Record, included: Sequence[Loaded] = ()) -> None:
        self.plan, self.record, self.included = plan, record, included

    def json(self) -> dict[str, Any]:
        dumped = self.plan.serializer.dump_record(self.record)
        for each in self.included:
            each.into_json([dumped])
        return dumped

    def python(self) -> Any:
        instance = self.plan.model.from_record(self.record)
        for each in self.included:
            each.into_instances([instance])
        return instance


class StoredMany(Result):
    """Several records that were written.

    :param included: the related records that were written with them, and those beside them.
    """

    __slots__ = ("included", "plan", "records")

    def __init__(
        self, plan: Plan, records: Sequence[Record], included: Sequence[Loaded] = ()
    ) -> None:
        self.plan, self.records, self.included = plan, records, included

    def json(self) -> list[dict[str, Any]]:
        dumped = [self.plan.serializer.dump_record(record) for record in self.records]
        for each in self.included:
            each.into_json(dumped)
        return dumped

    def python(self) -> list[Any]:
        instances = [self.plan.model.from_record(record) for record in self.records]
        for each in self.included:
            each.into_instances(instances)
        return instances


def stored(
    plan: Plan,
    record: Record,
    data: Any,
    bounds: Bounds | None = None,
    *,
    wire_only: bool = False,
) -> Stored:
    """A record that was written, with the related ones that its data had in it.

    :param data: by Python names, or as a remote caller gave it where ``wire_only``.
    :param bounds: how many related records are shown, where a remote caller is answered.
    """
    return Stored(plan, record, inside(plan, [record], data, bounds, wire_only=wire_only))


def instance_of(plan: Plan, record: Record, data: Any) -> Any:
    """A record that was written as an instance, with the related ones that its data had in it."""
    if plan.nesting is None:
        return plan.model.from_record(record)
    return stored(plan, record, data).python()


def stored_many(
    plan: Plan, records: Sequence[Record], data: Any, bounds: Bounds | None = None
) -> StoredMany:
    """Records that were written, with the related ones that their data had in it."""
    return StoredMany(plan, records, inside(plan, records, data, bounds))


def inside(
    plan: Plan,
    records: Sequence[Record],
    data: Any,
    bounds: Bounds | None = None,
    *,
    wire_only: bool = False,
) -> Sequence[Loaded]:
    """The records of the relations that the data of records had records of, as includes show them.

    :param bounds: how many are shown, where a remote caller is answered.
    """
    if plan.nesting is None:
        return ()
    limit = None if bounds is None else bounds.limit
    spec = plan.nesting.spec(data, wire_only=wire_only, limit=limit)
    if not spec:
        return ()
    rows = Rows(records, layout_of_records(plan.definition))
    include = plan.parser.filter({"include": spec}).include
    return load(rows, include, bounds)


def show_inside(plan: Plan, instances: Sequence[Any], data: Any, bounds: Bounds) -> None:
    """Let instances that were written hold of their relations what a remote caller is shown.

    It is about the relations of which the caller's data had records.
    """
    records = [each.to_record() for each in instances]
    shown = inside(plan, records, data, bounds, wire_only=True)
    for relation in plan.definition.relations.values():
        if relation.is_embedded or _is_free(relation, bounds):
            continue
        for each in instances:
            each.__dict__.get("_related", {}).pop(relation.name, None)
    for loaded in shown:
        loaded.into_instances(instances)


def _is_free(relation: RelationDefinition, bounds: Bounds) -> bool:
    """Whether all records that a relation may lead to are for a caller."""
    target = relation.target
    if target is None:
        return bounds.reach is None
    rows = both(bounds.rows(target.model, read_by(relation)), bounds.between(relation))
    return rows == EVERYTHING
