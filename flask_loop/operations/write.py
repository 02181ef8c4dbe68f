"""Write: what the steps of a write hand on to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..connectors.base import Record, Rows
from ..errors import Failure
from ..query import NOTHING, Where
from ..relations.branches import Branch


class FoundInstead(Exception):
    """A record is there that a new one was to be stored in the absence of.

    :param rows: the record, as one row.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__("a record is there")
        self.rows = rows


class Write:
    """Values on their way to the data source: a new record, a changed one, or changes to many.

    :param data: what was given, by Python names.
    :param partial: whether properties that are not given stay as they are.
    :param where: which records are changed.
    :param id: the id of the record, where it is one that is changed.
    :param current: that record before.
    :param path: where the data is in what was given, if it is a part of it.

    :ivar pending: the properties whose values are known when the record that it is in is stored.
    :ivar branches: the related records that are written with it.
    :ivar values: what the data source gets.
    :ivar record: the whole record as it will be; of changes to many there is none.
    :ivar failures: what could not be loaded.
    :ivar stored: the record before as the data source has it, where observers look on.
    :ivar observation: what observers see, where there are any.
    :ivar unless: the where of records that a new one is stored in the absence of, if it depends.
    """

    __slots__ = (
        "branches",
        "current",
        "data",
        "failures",
        "id",
        "observation",
        "partial",
        "path",
        "pending",
        "record",
        "stored",
        "unless",
        "values",
        "where",
    )

    branches: Sequence[Branch]
    pending: tuple[str, ...]
    values: Record
    record: Record
    failures: list[Failure]
    stored: Record

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        partial: bool = False,
        where: Where = NOTHING,
        id: Any = None,
        current: Record | None = None,
        path: tuple[str | int, ...] = (),
    ) -> None:
        self.data, self.partial, self.where = data, partial, where
        self.id, self.current, self.path = id, current, path
        self.pending = self.branches = ()
        self.observation: Any = None
        self.unless: Where | None = None

    @property
    def is_new(self) -> bool:
        """Whether a record is created."""
        return self.id is None and not self.partial

    @property
    def is_bulk(self) -> bool:
        """Whether it is changes to whatever matches."""
        return self.id is None and self.partial


def failed_names(failures: Iterable[Failure]) -> set[str]:
    """The names of the properties that are wrong."""
    return {each.path[0] for each in failures if isinstance(each.path[0], str)}
