"""Selectors: what Mango, CouchDB's language of queries, makes of wheres.

CouchDB compares texts by the rules of Unicode for languages, where texts that differ may be equal,
and has another order of theirs than ours: a text that is equal is looked at again in Python, and
ranges of texts are left to it. A condition on a field that a document does not have is false in
Mango, and so is its negation: each condition is made together with its opposite, which says that
the field may be missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from ...query import Compare, Near, Where
from ...types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    Geo,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)
from ..narrowing import Narrowed, Narrowing, Pushed
from .documents import Documents
from .keys import MAX_SAFE

#: Operators and their operands.
Condition: TypeAlias = dict[str, Any]
#: Conditions by field, all of which must hold.
Branch: TypeAlias = dict[str, Condition]

#: How many branches a selector may have.
_MAX_BRANCHES = 24
_FIELD = re.compile(r"[A-Za-z~][A-Za-z0-9_~-]*")
_LITERAL = re.compile(r"(?:[^%_\\]|\\[%_\\])*")
_NUMBERS = (Integer, Number)
#: Types whose JSON texts are plain ASCII, which CouchDB does not take for another.
_ASCII = (DateTime, Date, Uuid, DecimalNumber, Buffer)
#: Those of them whose texts sort as the values do.
_ASCII_SORTED = (Date, Uuid)
_OPPOSITE = {"$gt": "$lte", "$gte": "$lt", "$lt": "$gte", "$lte": "$gt"}
_COMPARE = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_RANGES = {"gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition and its opposite, each as branches of which one must hold.

    :ivar fails: the opposite, or None where Mango has none.
    :ivar is_wider: whether it holds for more than it should, as it would have too many branches.
    :ivar fails_wider: the same of the opposite.
    """

    holds: tuple[Branch, ...]
    fails: tuple[Branch, ...] | None = None
    is_wider: bool = False
    fails_wider: bool = False


class Selectors(Narrowing[Selection]):
    """The selectors of one model.

    :param documents: how its records are stored.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def narrow(self, where: Where) -> Narrowed[Selection]:
        narrowed = super().narrow(where)
        found = narrowed.expression
        if found is None:
            return narrowed
        holds = tuple(each for each in found.holds if not any(map(_is_empty, each.values())))
        if not holds:
            return Narrowed(is_nothing=True)
        return Narrowed(replace(found, holds=holds), where if found.is_wider else narrowed.rest)

    def all(self, items: Sequence[Selection]) -> Selection:
        holds, is_wider = _product(each.holds for each in items)
        fails = _sum(each.fails for each in items)
        return Selection(
            holds,
            fails,
            is_wider or any(each.is_wider for each in items),
            any(each.fails_wider for each in items),
        )

    def any(self, items: Sequence[Selection]) -> Selection:
        opposites = [each.fails for each in items if each.fails is not None]
        fails, fails_wider = _product(opposites)
        return Selection(
            tuple(branch for each in items for branch in each.holds),
            fails if len(opposites) == len(items) else None,
            any(each.is_wider for each in items),
            fails_wider or any(each.fails_wider for each in items),
        )

    def negate(self, item: Selection) -> Selection | None:
        if item.fails is None or item.is_wider:
            return None
        return Selection(item.fails, item.holds, item.fails_wider, item.is_wider)

    def compare(self, node: Compare) -> Pushed[Selection] | None:
        property_ = node.path.property
        field = self._documents.fields[property_.name]
        is_stored = not (self._documents.plain_ids and property_.id)
        if not is_stored or not _FIELD.fullmatch(field):
            return None
        if node.path.keys:
            return _inner(field, node)
        if node.operator == "eq" and node.operand is None:
            return Pushed(Selection((_missing(field), {field: {"$eq": None}}), (_given(field),)))
        kind = node.path.property.type
        if isinstance(kind, Array):
            return _member(field, kind.item, node) if node.member else None
        if node.operator == "near":
            return _near(field, node.operand) if isinstance(kind, Geo) else None
        return _scalar(field, kind, node)


def selector_of(base: Branch, selection: Selection | None) -> dict[str, Any]:
    """The selector that holds where all of a branch does and, in addition, a selection."""
    if selection is None:
        return dict(base)
    if len(selection.holds) == 1:
        both, _ = _both(base, selection.holds[0])
        return dict(both or base)
    return {**base, "$or": list(selection.holds)}


# Comparisons


def _scalar(field: str, kind: PropertyType, node: Compare) -> Pushed[Selection] | None:
    """A comparison of a single value."""
    if isinstance(kind, Enumeration):
        kind = kind.value_type
    if node.operator in ("like", "regexp"):
        return _starts(field, node) if isinstance(kind, String) else None
    if node.operator in ("eq", "inq"):
        return _equal(field, kind, node)
    if isinstance(kind, _NUMBERS):
        return _number_range(field, node)
    if isinstance(kind, DateTime):
        return _instants(field, node)
    if isinstance(kind, _ASCII_SORTED):
        return _text_range(field, kind, node)
    return None


def _equal(field: str, kind: PropertyType, node: Compare) -> Pushed[Selection] | None:
    values = _json_values(node)
    if isinstance(kind, _NUMBERS):
        if _may_be_rounded(values):
            around = tuple({field: _around(each)} for each in values)
            return Pushed(Selection(around), is_exact=False)
    elif isinstance(kind, String):
        return Pushed(Selection(({field: _one_of(values)},)), is_exact=False)
    elif not isinstance(kind, (Boolean, *_ASCII)):
        return None
    return Pushed(
        Selection(
            ({field: _one_of(values)},),
            (_missing(field), {field: {"$eq": None}}, {field: _none_of(values)}),
        )
    )


def _number_range(field: str, node: Compare) -> Pushed[Selection]:
    """A range of numbers. In documents great ones may be rounded, which keeps their order."""
    bounds = _bounds(node)
    if _may_be_rounded([value for _, value in bounds]):
        wider = {_wider(operator): float(value) for operator, value in bounds}
        return Pushed(Selection(({field: _not_null(wider)},)), is_exact=False)
    return Pushed(_range(field, dict(bounds)))


def _text_range(field: str, kind: PropertyType, node: Compare) -> Pushed[Selection]:
    bounds = {operator: kind.to_json(value) for operator, value in _bounds(node)}
    return Pushed(_range(field, bounds))


def _range(field: str, bounds: Condition) -> Selection:
    """Values of one type between bounds; null is less than all of them in CouchDB."""
    outside = [{field: {_OPPOSITE[operator]: bound}} for operator, bound in bounds.items()]
    return Selection(
        ({field: _not_null(bounds)},), (_missing(field), {field: {"$eq": None}}, *outside)
    )


def _instants(field: str, node: Compare) -> Pushed[Selection]:
    """A range of instants, whose texts have 3 digits of a second, or 6 where these are not 0.

    ``…123Z`` comes before ``…123456Z``, but the other way round in the order of texts.
    """
    holds: tuple[Branch, ...] = ({},)
    fails: tuple[Branch, ...] = (_missing(field), {field: {"$eq": None}})
    for operator, value in _bounds(node):
        holds, _ = _product([holds, _instant(field, operator, value)])
        fails += _instant(field, _OPPOSITE[operator], value)
    return Pushed(Selection(holds, fails))


def _instant(field: str, operator: str, value: datetime) -> tuple[Branch, ...]:
    micros = value.replace(tzinfo=None).isoformat("T", "microseconds")
    milli, text = f"{micros[:23]}Z", f"{micros}Z"
    is_short = micros.endswith("000")
    first = micros[:23] if is_short else text
    if operator == "$gte":
        return ({field: {"$gte": first} if is_short else {"$gte": text, "$ne": milli}},)
    if operator == "$gt":
        return ({field: {"$gte" if is_short else "$gt": first, "$ne": milli}},)
    # Texts come after all that is none.
    below: Condition = {"$gte": "", "$lt": first}
    if is_short:
        return ({field: below}, *([{field: {"$eq": milli}}] if operator == "$lte" else []))
    return (
        {field: {"$gte": "", operator: text}},
        {field: {"$eq": milli}},
    )


def _member(field: str, item: PropertyType, node: Compare) -> Pushed[Selection] | None:
    """Whether an item of a list is equal to a value, or one of several."""
    if isinstance(item, Enumeration):
        item = item.value_type
    if node.operator not in ("eq", "inq") or not isinstance(
        item, (String, Boolean, *_NUMBERS, *_ASCII)
    ):
        return None
    values = _json_values(node, item)
    if _may_be_rounded(values):
        return None
    is_exact = not isinstance(item, String)
    return Pushed(Selection(({field: {"$elemMatch": _one_of(values)}},)), is_exact)


def _inner(field: str, node: Compare) -> Pushed[Selection] | None:
    """Whether a place inside a value is equal to a JSON value: it, or an item of a list there."""
    keys = node.path.keys
    root = isinstance(node.path.property.type, Object | AnyValue)
    if not root or node.operator not in ("eq", "inq") or not all(map(_FIELD.fullmatch, keys)):
        return None
    values = _json_values(node)
    are_single = all(isinstance(each, str | int | float) for each in values)
    if not are_single or _may_be_rounded(values):
        return None
    place = ".".join((field, *keys))
    condition = _one_of(values)
    return Pushed(
        Selection(({place: condition}, {place: {"$elemMatch": condition}})), is_exact=False
    )


def _starts(field: str, node: Compare) -> Pushed[Selection] | None:
    """Whether a text begins as the pattern does, as far as that is plain."""
    if node.operator != "like" or node.operand.ignore_case:
        return None
    found = _LITERAL.match(node.operand.text)
    start = re.sub(r"\\(.)", r"\1", found.group()) if found else ""
    if not start or not start.isascii() or not start.isprintable():
        return None
    escaped = re.sub(r"([^A-Za-z0-9 ])", r"\\\1", start)
    return Pushed(Selection(({field: {"$regex": f"^{escaped}"}},)), is_exact=False)


def _near(field: str, near: Near) -> Pushed[Selection] | None:
    """The belt of latitudes in which a circle lies."""
    if near.maximum is None:
        return Pushed(Selection((_given(field),)), is_exact=False)
    reach = math.degrees(near.maximum) * (1 + 1e-9) + 1e-9
    belt = {"$gte": near.point.lat - reach, "$lte": near.point.lat + reach}
    return Pushed(Selection(({f"{field}.lat": belt},)), is_exact=False)


# Conditions


def _missing(field: str) -> Branch:
    return {field: {"$exists": False}}


def _given(field: str) -> Branch:
    return {field: {"$gt": None}}


def _not_null(condition: Condition) -> Condition:
    has_start = "$gt" in condition or "$gte" in condition
    return condition if has_start else {"$gt": None, **condition}


def _one_of(values: Sequence[Any]) -> Condition:
    return {"$eq": values[0]} if len(values) == 1 else {"$in": list(values)}


def _none_of(values: Sequence[Any]) -> Condition:
    return {"$ne": values[0]} if len(values) == 1 else {"$nin": list(values)}


def _may_be_rounded(values: Iterable[Any]) -> bool:
    """Whether documents may have other numbers in the place of some of these."""
    return any(not isinstance(each, str) and abs(each) >= MAX_SAFE for each in values)


def _around(value: float) -> Condition:
    """The numbers that a great one may have been rounded to."""
    near = float(value)
    least, most = math.nextafter(near, -math.inf), math.nextafter(near, math.inf)
    condition: Condition = {"$gte": least} if math.isfinite(least) else {"$gt": None}
    return {**condition, "$lte": most} if math.isfinite(most) else condition


def _wider(operator: str) -> str:
    return {"$gt": "$gte", "$lt": "$lte"}.get(operator, operator)


def _bounds(node: Compare) -> list[tuple[str, Any]]:
    if node.operator == "between":
        low, high = node.operand
        pairs = [("$gte", low), ("$lte", high)]
    else:
        pairs = [(_RANGES[node.operator], node.operand)]
    return [(operator, getattr(value, "value", value)) for operator, value in pairs]


def _json_values(node: Compare, kind: PropertyType | None = None) -> list[Any]:
    """The operands of an equality as documents have them."""
    kind = kind or node.path.type
    operands = node.operand if node.operator == "inq" else (node.operand,)
    return [kind.to_json(each) for each in operands]


# Branches


def _product(parts: Iterable[Sequence[Branch]]) -> tuple[tuple[Branch, ...], bool]:
    """The branches that hold where one of each part does, and whether they hold for more."""
    product: list[Branch] = [{}]
    is_wider = False
    for part in sorted(parts, key=len):
        if len(product) * len(part) > _MAX_BRANCHES:
            is_wider = True
            continue
        merged = [_both(one, other) for one in product for other in part]
        is_wider = is_wider or any(wider for _, wider in merged)
        product = [branch for branch, _ in merged if branch is not None]
    return tuple(product), is_wider


def _sum(parts: Iterable[tuple[Branch, ...] | None]) -> tuple[Branch, ...] | None:
    found: list[Branch] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return tuple(found)


def _both(one: Branch, other: Branch) -> tuple[Branch | None, bool]:
    """The branch that holds where two do, None where that is nowhere, and whether it is wider."""
    both, is_wider = dict(one), False
    for field, condition in other.items():
        if field not in both:
            both[field] = condition
            continue
        merged = dict(both[field])
        for operator, operand in condition.items():
            if operator not in merged:
                merged[operator] = operand
            elif merged[operator] != operand:
                tighter = _tighter(operator, merged[operator], operand)
                is_wider = is_wider or tighter is None
                merged[operator] = merged[operator] if tighter is None else tighter[0]
        simple = _simplified(merged)
        if simple is None:
            return None, False
        both[field] = simple
    return both, is_wider


def _simplified(condition: Condition) -> Condition | None:
    """A condition without what is said by another part of it; None where nothing can hold it."""
    if condition.get("$exists") is False:
        return condition if len(condition) == 1 else None
    if "$eq" not in condition:
        return condition
    said = {
        operator: _holds(operator, operand, condition["$eq"])
        for operator, operand in condition.items()
    }
    if False in said.values():
        return None
    return {key: condition[key] for key, holds in said.items() if key == "$eq" or holds is None}


def _holds(operator: str, operand: Any, value: Any) -> bool | None:
    """Whether a value meets a condition; None where CouchDB has to tell."""
    if operator in _OPPOSITE:
        if value is None or operand is None:
            # Null comes before all that is something.
            is_more = value is not None
            return {"$gt": is_more, "$gte": is_more or operand is None}.get(operator, not is_more)
        if isinstance(value, str) != isinstance(operand, str):
            return None
        return bool(_COMPARE[operator](value, operand))
    if operator in ("$eq", "$ne"):
        return (value == operand) is (operator == "$eq")
    if operator in ("$in", "$nin"):
        return (value in operand) is (operator == "$in")
    return None


def _is_empty(condition: Condition) -> bool:
    """Whether no value is between the bounds of a condition."""
    low = condition.get("$gt", condition.get("$gte"))
    high = condition.get("$lt", condition.get("$lte"))
    if low is None or high is None or isinstance(low, str) != isinstance(high, str):
        return False
    return bool(low > high)


def _tighter(operator: str, one: Any, other: Any) -> tuple[Any] | None:
    """The operand that says what two do, where there is one."""
    if operator in ("$gt", "$gte") and (one is None or other is None):
        return (other if one is None else one,)
    if operator == "$in":
        return ([each for each in one if each in other],)
    if operator == "$nin":
        return ([*one, *other],)
    are_alike = isinstance(one, str) == isinstance(other, str)
    if operator not in _OPPOSITE or not are_alike:
        return None
    return (max(one, other) if operator.startswith("$g") else min(one, other),)
