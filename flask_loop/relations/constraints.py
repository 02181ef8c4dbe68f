"""Constraints: keys that must name a record, where the data source does not see to it itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..connectors.base import Connector, Record
from ..definition import ForeignKey, ModelDefinition
from ..query import Filter, keys_where
from .deleting import chunks, keys_of


class KeepingPlan(Protocol):
    """What checking keys needs of a model's plan."""

    definition: ModelDefinition

    @property
    def connector(self) -> Connector: ...


def unkept(plan: KeepingPlan) -> list[tuple[ForeignKey, KeepingPlan]]:
    """The constraints of a model that its data source does not keep, with the plans of targets."""
    found = []
    for key in plan.definition.foreign_keys:
        model = key.target.model
        if model is None or model.data_source is None:
            continue
        target = model.__loop_plan__()
        connector = plan.connector
        if target.connector is not connector or not connector.capabilities.foreign_keys:
            found.append((key, target))
    return found


def dangling(
    key: ForeignKey,
    target: KeepingPlan,
    records: Sequence[Record],
    together: Sequence[Record] = (),
) -> list[int]:
    """The positions of records whose key names no record.

    :param key: the constraint.
    :param target: the plan of the model whose records it names.
    :param records: what is written; those that do not have the whole key name nothing.
    :param together: records of the target that are stored at once with them.
    """
    wanted = keys_of(records, key.names)
    there = set(keys_of(together, key.target_names))
    missing = [each for each in wanted if each not in there]
    for some in chunks(missing):
        where = keys_where(key.target, key.target_names, some)
        query = Filter(where=where, fields=key.target_names)
        there.update(
            keys_of(target.connector.select(key.target, query).records(), key.target_names)
        )
    lost = {each for each in missing if each not in there}
    return [index for index, record in enumerate(records) if _key(record, key.names) in lost]


def _key(record: Record, names: Sequence[str]) -> Any:
    """The values of some properties: a tuple where they are several."""
    values = tuple(record.get(name) for name in names)
    return values[0] if len(values) == 1 else values
