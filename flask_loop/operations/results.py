"""What operations give to remote calls: records that become instances or JSON when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..connectors.base import Record, Rows
from ..remoting import Result
from .plan import Plan


class FoundMany(Result):
    """Rows that were found.

    :param plan: the model's plan.
    :param rows: the rows.
    :param next_skip: where the list was cut at the greatest limit, the ``skip`` of the rest.
    """

    __slots__ = ("next_skip", "plan", "rows")

    def __init__(self, plan: Plan, rows: Rows, next_skip: int | None = None) -> None:
        self.plan, self.rows, self.next_skip = plan, rows, next_skip

    def json(self) -> list[dict[str, Any]]:
        return self.plan.serializer.dump(self.rows)

    def python(self) -> list[Any]:
        return [self.plan.model.from_record(record) for record in self.rows.records()]


class FoundOne(FoundMany):
    """One row that was found."""

    __slots__ = ()

    def json(self) -> dict[str, Any]:  # type: ignore[override]
        return self.plan.serializer.dump(self.rows)[0]

    def python(self) -> Any:
        return super().python()[0]


class Stored(Result):
    """One record that was written."""

    __slots__ = ("plan", "record")

    def __init__(self, plan: Plan, record: Record) -> None:
        self.plan, self.record = plan, record

    def json(self) -> dict[str, Any]:
        return self.plan.serializer.dump_record(self.record)

    def python(self) -> Any:
        return self.plan.model.from_record(self.record)


class StoredMany(Result):
    """Several records that were written."""

    __slots__ = ("plan", "records")

    def __init__(self, plan: Plan, records: Sequence[Record]) -> None:
        self.plan, self.records = plan, records

    def json(self) -> list[dict[str, Any]]:
        return [self.plan.serializer.dump_record(record) for record in self.records]

    def python(self) -> list[Any]:
        return [self.plan.model.from_record(record) for record in self.records]
