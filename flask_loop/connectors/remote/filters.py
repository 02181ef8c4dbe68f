"""From the normal form of a filter to the JSON that the other app's parser reads as the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ...definition import Embedded, ModelDefinition, Property
from ...query import Compare, Filter, Inside, Near, Or, Order, Path, Pattern
from ...types import (
    AnyValue,
    Array,
    Boolean,
    DateTime,
    Integer,
    Number,
    PropertyType,
    String,
    Uuid,
)
from ..narrowing import Narrowing, Pushed
from ..options import named_field

#: A where as JSON.
JsonWhere: TypeAlias = dict[str, Any]

#: Keys of a where that are no names of properties.
LOGIC = frozenset({"and", "or", "nor"})
#: Operators, and what negates each.
_NEGATED = {"eq": "neq", "inq": "nin", "like": "nlike", "ilike": "nilike"}
#: The greatest integer that JavaScript's numbers have exactly.
_EXACT_IN_JAVASCRIPT = 2**53


def wire_of(property_: Property) -> str:
    """The name that the other app has for a property."""
    return named_field(property_, "remote") or property_.wire


class WhereWriter(Narrowing[JsonWhere]):
    """Writes wheres that another Flask-Loop app reads as they were.

    :param definition: the model.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self._relations = {
            str(each.property): each
            for each in definition.relations.values()
            if each.is_embedded and each.target is not None
        }

    def compare(self, node: Compare) -> Pushed[JsonWhere] | None:
        name = written_path(node.path)
        if name is None:
            return None
        if node.operator == "eq" and node.operand is None:
            return Pushed({name: None})
        written = _written(node)
        is_member = _is_read_as_member(node)
        if written is None or (node.member and not is_member):
            return None
        # What is read as "one of its items" holds for the value itself too.
        return Pushed({name: written}, is_exact=node.member == is_member)

    def inside(self, node: Inside) -> Pushed[JsonWhere] | None:
        relation = self._relations.get(node.path.property.name)
        if relation is None or node.path.keys:
            return None
        inner = WhereWriter(relation.target).narrow(node.where)  # type: ignore[arg-type]
        if inner.is_nothing or inner.rest is not None:
            return None
        return Pushed({relation.wire: {"some": inner.expression or {}}})

    def all(self, items: Sequence[JsonWhere]) -> JsonWhere:
        return {"and": list(_flat("and", items))}

    def any(self, items: Sequence[JsonWhere]) -> JsonWhere:
        return {"or": list(_flat("or", items))}

    def negate(self, item: JsonWhere) -> JsonWhere | None:
        ((name, condition),) = item.items()
        if name in ("or", "nor"):
            return {"nor" if name == "or" else "or": condition}
        if condition is None:
            return {name: {"neq": None}}
        if name not in LOGIC and isinstance(condition, dict) and len(condition) == 1:
            ((operator, operand),) = condition.items()
            if operator in _NEGATED:
                return {name: {_NEGATED[operator]: operand}}
        return {"nor": [item]}


class Loopback3WhereWriter(WhereWriter):
    """Writes of a where what every LoopBack 3 reads alike, whatever its database.

    There null, text that differs in case, the order of texts, and operators that negate depend on
    the connector, and numbers are JavaScript's. What it hides, or does not know, it leaves out of a
    where, which holds for more records then: only what is said of ids is not looked at again.
    """

    def compare(self, node: Compare) -> Pushed[JsonWhere] | None:
        if node.member or node.path.keys or node.operand is None:
            return None
        values = node.operand if isinstance(node.operand, tuple) else (node.operand,)
        kind = node.path.type
        is_exact = False
        if node.operator in ("eq", "inq") and isinstance(kind, String | Uuid | Boolean):
            pass
        elif node.operator in _RANGES and isinstance(kind, Integer | Number):
            if not all(abs(each) < _EXACT_IN_JAVASCRIPT for each in values):
                return None
            is_exact = bool(node.path.property.id)
        elif node.operator in _RANGES and isinstance(kind, DateTime):
            if any(each.microsecond % 1000 for each in values):
                return None  # it keeps milliseconds
            if node.operator == "inq" and values:
                # Its memory connector finds no instant in a list.
                each = Or(tuple(replace(node, operator="eq", operand=value) for value in values))
                return Pushed(self.narrow(each).expression or {}, is_exact=False)
        else:
            return None
        pushed = super().compare(node)
        if pushed is None:
            return None
        ((name, condition),) = pushed.expression.items()
        # Not all of its connectors know eq.
        return Pushed({name: condition["eq"]} if "eq" in condition else pushed.expression, is_exact)

    def inside(self, node: Inside) -> Pushed[JsonWhere] | None:
        return None

    def negate(self, item: JsonWhere) -> JsonWhere | None:
        return None


_RANGES = frozenset({"eq", "inq", "gt", "gte", "lt", "lte", "between"})


def _flat(logic: str, items: Iterable[JsonWhere]) -> Iterable[JsonWhere]:
    """Items of which none is the same logic again: what is nested is bounded."""
    for item in items:
        if item.keys() == {logic}:
            yield from item[logic]
        else:
            yield item


def written_path(path: Path) -> str | None:
    """A path as the other app's parser finds it, or None where it would find another."""
    names = [wire_of(path.property)]
    kind = path.property.type
    for key in path.keys:
        if isinstance(kind, Embedded):
            inner = kind.definition.properties[key]
            names.append(inner.wire)
            kind = inner.type
        else:
            names.append(key)
            is_typed = isinstance(kind, Array) and not isinstance(kind.item, AnyValue)
            kind = kind.item if is_typed else AnyValue()  # type: ignore[attr-defined]
    if names[0] in LOGIC or not all(names) or any("." in name for name in names):
        return None
    return ".".join(names)


def _written(node: Compare) -> JsonWhere | None:
    """The operator and operand of a comparison, or None where they cannot be written."""
    operand, kind = node.operand, node.path.type
    if isinstance(operand, Pattern):
        return _written_pattern(node.operator, operand)
    if isinstance(operand, Near):
        return _written_near(operand)
    if isinstance(kind, Array) and (node.member or node.operator != "eq"):
        kind = kind.item
    if isinstance(operand, tuple):
        return {node.operator: [_json(kind, each) for each in operand]}
    return {node.operator: _json(kind, operand)}


def _json(kind: PropertyType, value: Any) -> Any:
    return kind.to_json(value)


def _written_pattern(operator: str, pattern: Pattern) -> JsonWhere:
    if operator == "like":
        return {"ilike" if pattern.ignore_case else "like": pattern.text}
    if pattern.ignore_case:
        return {"regexp": f"/{pattern.text}/i"}
    # What begins with a slash could be read as one between slashes, with flags.
    return {"regexp": f"/{pattern.text}/" if pattern.text.startswith("/") else pattern.text}


def _written_near(near: Near) -> JsonWhere:
    written: JsonWhere = {"near": near.point.to_dict(), "unit": "radians"}
    if near.minimum is not None:
        written["minDistance"] = near.minimum
    if near.maximum is not None:
        written["maxDistance"] = near.maximum
    return written


def _is_read_as_member(node: Compare) -> bool:
    """Whether the other app's parser lets a list match this where one of its items does."""
    kind = node.path.type
    if node.operator == "eq":
        is_list = isinstance(node.operand, list)
        if isinstance(kind, Array):
            return not is_list if node.member else False
        return isinstance(kind, AnyValue) and not is_list
    return isinstance(kind, AnyValue | Array) and node.operator != "near"


def written_order(order: Sequence[Order]) -> list[str] | None:
    """The keys of an order, or None where the other app could not follow it."""
    written = []
    for key in order:
        name = written_path(key.path)
        if name is None or key.links or any(sign.isspace() or sign == "," for sign in name):
            return None
        written.append(f"{name} DESC" if key.descending else name)
    return written


def is_by_id(definition: ModelDefinition, order: Sequence[Order]) -> bool:
    """Whether an order is that of the ids, or none at all."""
    ids = [each.name for each in definition.ids]
    keys = [key.path.property.name for key in order]
    return keys == ids[: len(keys)] and not any(
        key.descending or key.path.keys or key.links for key in order
    )


def names_in_order(filter: Filter) -> set[str]:
    """The properties that have to be read to sort what a filter is about."""
    names = {key.path.property.name for key in filter.order}
    return names if filter.near is None else names | {filter.near.path.property.name}
