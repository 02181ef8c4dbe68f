"""QueryNarrowing: which parts of a where the parameters of a list ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ...query import Compare
from ...types import (
    Boolean,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    Integer,
    Number,
    String,
    Uuid,
)
from ..narrowing import Narrowing, Pushed
from .resource import Resource

#: The parameters that narrow a list.
Parameters: TypeAlias = dict[str, str]

_SCALARS = (Boolean, Date, DateTime, DecimalNumber, Enumeration, Integer, Number, String, Uuid)


class QueryNarrowing(Narrowing[Parameters]):
    """Makes parameters of the equalities of one model.

    What a server makes of them is not known exactly, such as whether case counts, so that Python
    looks at each record again.
    """

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def compare(self, node: Compare) -> Pushed[Parameters] | None:
        path = node.path
        parameter = self._resource.parameters.get(path.property.name)
        is_plain = not path.keys and node.operator == "eq" and isinstance(path.type, _SCALARS)
        if parameter is None or not is_plain or node.operand in (None, ""):
            return None
        text = self._resource.text_of(path.property, node.operand)
        return Pushed({parameter: text}, is_exact=False)

    def all(self, items: Sequence[Parameters]) -> Parameters:
        return {key: value for item in reversed(items) for key, value in item.items()}

    def any(self, items: Sequence[Parameters]) -> Parameters:
        """What all of them ask for, which holds for each record that one of them is about."""
        first, *others = items
        return {
            key: value
            for key, value in first.items()
            if all(each.get(key) == value for each in others)
        }
