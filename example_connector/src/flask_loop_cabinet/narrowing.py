"""What the names of files alone tell of a where: which records it may be about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from flask_loop.connectors.narrowing import Narrowing, Pushed
from flask_loop.definition import ModelDefinition
from flask_loop.query import Compare

from .drawer import Drawer, key_of


@dataclass(frozen=True, slots=True)
class Files:
    """The files that have to be read.

    :ivar keys: those of their records.
    :ivar reason: why these, for ``explain``.
    """

    keys: frozenset[str]
    reason: dict[str, Any]


class CabinetNarrowing(Narrowing[Files]):
    """Finds files by ids, exactly, and by indexes.

    An index may have changed by the time that the record is read, so that records found by it are
    looked at again.

    :param definition: the model.
    :param drawer: where its records are.
    """

    def __init__(self, definition: ModelDefinition, drawer: Drawer) -> None:
        self._id = [each.wire for each in definition.ids]
        self._drawer = drawer

    def compare(self, node: Compare) -> Pushed[Files] | None:
        if node.path.keys or node.member or node.operator not in ("eq", "inq"):
            return None
        operands = node.operand if node.operator == "inq" else (node.operand,)
        if None in operands:
            return None
        name, to_json = node.path.property.wire, node.path.type.to_json
        values = [to_json(each) for each in operands]
        if self._id == [name]:
            return Pushed(Files(frozenset(key_of([each]) for each in values), {"id": values}))
        if (name,) not in self._drawer.indexes:
            return None
        found = (self._drawer.keys_with((name,), [each]) for each in values)
        return Pushed(Files(frozenset().union(*found), {name: values}), is_exact=False)

    def all(self, items: Sequence[Files]) -> Files:
        keys = reduce(frozenset.intersection, (each.keys for each in items))
        return Files(keys, {"and": [each.reason for each in items]})

    def any(self, items: Sequence[Files]) -> Files:
        keys = reduce(frozenset.union, (each.keys for each in items))
        return Files(keys, {"or": [each.reason for each in items]})
