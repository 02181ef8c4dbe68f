"""Conditions: which part of a where MongoDB answers, and how it is asked.

Nothing of a where is passed through: operators are made here, and values are values only. MongoDB
compares with each item of a list as well as with the list, steps into the objects of a list, and
has an order of its own between types; where that makes a difference, Python looks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...definition import Embedded
from ...query import Compare, Inside, Near
from ...types import AnyValue, Array, DateTime, FieldValue, Geo, Object, PropertyType
from ..narrowing import Narrowing, Pushed
from .codecs import DATA_TYPES, OBJECT_IDS, OPEN_IDS, Codec, InnerFields, inner_codec
from .collection import Field, among
from .instants import milliseconds
from .names import field_name
from .patterns import pushed_pattern
from .plain import stored_json

Expression = dict[str, Any]

_ORDERINGS = {"gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}
#: What distances on MongoDB's globe may be more than ours: both round, and so does the constant
#: by which degrees become radians.
_RELATIVE_MARGIN, _MARGIN = 1e-9, 1e-9
#: Radians from which a circle is the whole globe.
_WHOLE_GLOBE = 3.1
#: Operators that hold where they hold of each of their items.
_LISTS = frozenset({"$and", "$nor"})
_NOT_LIST: Expression = {"$not": {"$type": "array"}}


class Conditions(Narrowing[Expression]):
    """The wheres of one model, or of the records that are inside another's.

    :param fields: where the properties are, by Python name.
    :param prefix: stands before each path.
    """

    def __init__(self, fields: Mapping[str, Field], prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix

    # Joining

    def all(self, items: Sequence[Expression]) -> Expression:
        merged: Expression = {}
        for item in items:
            for key, value in item.items():
                if key not in merged:
                    merged[key] = value
                elif key in _LISTS:
                    merged[key] = [*merged[key], *value]
                else:
                    return {"$and": list(items)}
        return merged

    def any(self, items: Sequence[Expression]) -> Expression:
        return {"$or": list(items)}

    def negate(self, item: Expression) -> Expression:
        return {"$nor": [item]}

    # One comparison

    def compare(self, node: Compare) -> Pushed[Expression] | None:
        field = self._fields[node.path.property.name]
        path = self._prefix + field.path
        if node.operator == "near":
            return _near(path, node.operand)
        if field.codec.opaque and (node.path.keys or node.operand is not None):
            return None
        if not node.path.keys:
            if field.rest is not None:
                return _instant(path, self._prefix + field.rest, node)
            return _whole(path, field.kind, field.codec, node)
        return _inner(path, field.kind, field.codec, node)

    def inside(self, node: Inside) -> Pushed[Expression] | None:
        field = self._fields[node.path.property.name]
        kind, codec = field.kind, field.codec
        if isinstance(field.kind, Array):
            kind, codec = field.kind.item, _part_codec(codec, field.kind.item)
        if node.path.keys or field.codec.opaque or not isinstance(kind, Embedded):
            return None
        path = self._prefix + field.path
        is_list = isinstance(field.kind, Array)
        inner = Conditions(fields_inside(kind, codec), "" if is_list else f"{path}.")
        narrowed = inner.narrow(node.where)
        if narrowed.is_nothing:
            return Pushed({path: {"$in": []}})
        is_exact = narrowed.rest is None
        if is_list:
            found = narrowed.expression
            held = {"$exists": True} if found is None else {"$elemMatch": found}
            return Pushed({path: held}, is_exact and found is not None)
        there: Expression = {path: {"$type": "object"}}
        found = narrowed.expression
        return Pushed(there if found is None else {"$and": [there, found]}, is_exact)


def fields_inside(kind: Embedded, codec: Codec) -> dict[str, Field]:
    """Where the properties of records are that are inside others."""
    inner = _inner_fields(kind, codec)
    return {
        name: Field(inner.names[name], each.type, inner.codecs[name])
        for name, each in kind.definition.properties.items()
    }


def within(path: str, near: Near, most: float | None) -> Expression:
    """The condition that a point is in a circle around another, which may be a little greater.

    :param most: the radius in radians of arc, or None for the whole globe.
    """
    if most is None or most >= _WHOLE_GLOBE:
        return {path: {"$exists": True}}
    radius = most * (1 + _RELATIVE_MARGIN) + _MARGIN
    centre = [near.point.lng, near.point.lat]
    return {path: {"$geoWithin": {"$centerSphere": [centre, radius]}}}


def _near(path: str, near: Near) -> Pushed[Expression]:
    return Pushed(within(path, near, near.maximum), is_exact=False)


def _missing(path: str, kind: PropertyType) -> Expression:
    if isinstance(kind, Array | AnyValue | FieldValue):
        # A list with a null in it is there.
        return {path: {"$eq": None, **_NOT_LIST}}
    return {path: None}


# A whole property


def _whole(path: str, kind: PropertyType, codec: Codec, node: Compare) -> Pushed[Expression] | None:
    if node.operator == "eq" and node.operand is None:
        return Pushed(_missing(path, kind))
    if codec is OBJECT_IDS or codec is OPEN_IDS:
        return _object_id(path, codec, node)
    if isinstance(kind, Array):
        return _list(path, kind, codec, node)
    if isinstance(kind, AnyValue):
        return _open(path, node, is_exact=True)
    if isinstance(kind, Object | Embedded):
        return _object(path, kind, node)
    if isinstance(kind, FieldValue):
        return None
    return _scalar(path, codec, node)


def _object_id(path: str, codec: Codec, node: Compare) -> Pushed[Expression] | None:
    """A comparison with what may be an ObjectId, whose order is not that of texts."""
    if node.operator == "eq" and not isinstance(node.operand, list | dict):
        return Pushed(among(path, codec.all_forms(node.operand)))
    if node.operator == "inq" and not _has_structures(node.operand):
        forms = [form for value in node.operand for form in codec.all_forms(value)]
        return Pushed({path: {"$in": forms}})
    return None


def _scalar(path: str, codec: Codec, node: Compare) -> Pushed[Expression] | None:
    operator, operand = node.operator, node.operand
    if operator in ("eq", "inq"):
        if not codec.equals and codec.forms is None:
            return None
        if operator == "eq":
            return Pushed(among(path, codec.all_forms(operand)), codec.equals)
        forms = [form for value in operand for form in codec.all_forms(value)]
        return Pushed({path: {"$in": forms}}, codec.equals)
    if operator in ("like", "regexp"):
        found = pushed_pattern(operator, operand) if codec.matches else None
        return None if found is None else Pushed({path: found.expression}, found.is_exact)
    if not codec.sorts:
        return None
    return Pushed({path: _bounds(operator, operand, codec)})


def _bounds(operator: str, operand: Any, codec: Codec) -> Expression:
    if operator == "between":
        low, high = operand
        return {"$gte": codec.stored(low), "$lte": codec.stored(high)}
    return {_ORDERINGS[operator]: codec.stored(operand)}


def _instant(path: str, rest: str, node: Compare) -> Pushed[Expression]:
    """A comparison with an instant, of which two fields have the parts."""
    operator, operand = node.operator, node.operand
    if operator == "eq":
        return Pushed({path: None} if operand is None else _same_instant(path, rest, operand))
    if operator == "inq":
        return Pushed({"$or": [_same_instant(path, rest, each) for each in operand]})
    if operator == "between":
        low, high = operand
        parts = [_beyond(path, rest, "gte", low), _beyond(path, rest, "lte", high)]
        return Pushed({"$and": parts})
    return Pushed(_beyond(path, rest, operator, operand))


def _same_instant(path: str, rest: str, value: Any) -> Expression:
    whole, more = milliseconds(value)
    return {path: whole, rest: more or None}


def _beyond(path: str, rest: str, operator: str, value: Any) -> Expression:
    whole, more = milliseconds(value)
    if not more and operator in ("gte", "lt"):
        return {path: {_ORDERINGS[operator]: whole}}
    strictly = operator[:2]
    ways: list[Expression] = [
        {path: {_ORDERINGS[strictly]: whole}},
        {rest: {_ORDERINGS[operator]: more}},
    ]
    if strictly == "lt":
        # What is not there stands for none, which is before each that is.
        ways.append({rest: None})
    # An index is asked for the dates alone: of two that are joined by ``or`` it takes one side.
    return {path: {_ORDERINGS[f"{strictly}e"]: whole}, "$or": ways}


# Lists, objects, values of any type


def _is_simple(kind: PropertyType) -> bool:
    """Whether values are compared as a whole, each stored in one way."""
    structures = Array | Object | Embedded | AnyValue | FieldValue | DateTime | Geo
    return not isinstance(kind, structures)


def _list(path: str, kind: Array, whole: Codec, node: Compare) -> Pushed[Expression] | None:
    operator, operand, item = node.operator, node.operand, kind.item
    if operator == "eq" and not node.member:
        return _same_list(path, item, _part_codec(whole, item), operand)
    if isinstance(item, AnyValue):
        return _open(path, node, is_exact=True)
    if not _is_simple(item):
        return None
    codec = _part_codec(whole, item)
    if codec is OBJECT_IDS:
        return _object_id(path, codec, node)
    if operator == "between":
        found = {"$elemMatch": _bounds(operator, operand, codec)} if codec.sorts else None
        return None if found is None else Pushed({path: found})
    return _scalar(path, codec, node)


def _same_list(
    path: str, item: PropertyType, codec: Codec, operand: Sequence[Any]
) -> Pushed[Expression]:
    if _is_simple(item):
        forms = [codec.all_forms(each) for each in operand]
        if any(len(each) > 1 for each in forms):
            return Pushed(_items(path, forms), codec.equals)
        # Lists are not inside of it, so that nothing but the list itself can be this one.
        return Pushed({path: {"$eq": [form for (form,) in forms]}})
    if operand:
        return Pushed({path: {"$size": len(operand)}}, is_exact=False)
    return Pushed({path: {"$size": 0}})


def _items(path: str, forms: Sequence[list[Any]]) -> Expression:
    """The condition that a list has these items, each of which may be stored in several ways."""
    found: Expression = {path: {"$size": len(forms), "$in": forms[0]}}  # an index knows the first
    return found | {f"{path}.{place}": {"$in": each} for place, each in enumerate(forms)}


def _object(path: str, kind: PropertyType, node: Compare) -> Pushed[Expression] | None:
    """A comparison with an object, which MongoDB makes with the order of its keys."""
    if node.operator != "eq":
        return None
    if isinstance(kind, Object) and isinstance(kind.values, AnyValue):
        plain = {
            f"{path}.{field_name(key)}": value
            for key, value in node.operand.items()
            if _is_plain(value)
        }
        if plain:
            return Pushed(plain, is_exact=False)
    return Pushed({path: {"$type": "object"}}, is_exact=False)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _has_structures(values: Sequence[Any]) -> bool:
    return any(isinstance(value, list | dict) for value in values)


def _open(path: str, node: Compare, *, is_exact: bool) -> Pushed[Expression] | None:
    """A comparison with a value of any type.

    :param is_exact: whether the path leads where Python's does, and nowhere else.
    """
    operator, operand = node.operator, node.operand
    if operator == "eq":
        if isinstance(operand, list):
            return Pushed({path: {"$size": len(operand)}}, is_exact=False)
        return (
            Pushed(_alone(path, {"$eq": operand}, node), is_exact) if _is_plain(operand) else None
        )
    if operator == "inq":
        if _has_structures(operand):
            return None
        return Pushed(_alone(path, {"$in": list(operand)}, node), is_exact)
    if operator in ("like", "regexp"):
        found = pushed_pattern(operator, operand)
        if found is None:
            return None
        return Pushed({path: found.expression}, found.is_exact and is_exact)
    if operator == "between":
        low, high = map(stored_json, operand)
        # Of a list one item may be above the one, and another below the other.
        return Pushed({path: {"$gte": low, "$lte": high}}, is_exact=False)
    return Pushed({path: {_ORDERINGS[operator]: stored_json(operand)}}, is_exact=False)


def _alone(path: str, condition: Expression, node: Compare) -> Expression:
    """A condition that a list meets by one of its items only where the comparison says so."""
    return {path: condition if node.member else {**condition, **_NOT_LIST}}


# Places inside of properties


def _inner(path: str, kind: PropertyType, whole: Codec, node: Compare) -> Pushed[Expression] | None:
    """A comparison with a place inside a property."""
    guards: Expression = {}
    is_exact = True
    codec: Codec | None = whole
    for key in node.path.keys:
        if isinstance(kind, Embedded):
            inner = _inner_fields(kind, codec)
            if key in inner.names:
                path, codec = f"{path}.{inner.names[key]}", inner.codecs[key]
                if codec.opaque:
                    return None
                kind = kind.definition.properties[key].type
                continue
        is_index = key.isascii() and key.isdecimal()
        if not isinstance(kind, Object | Embedded):
            is_exact = is_exact and not is_index
            if not is_index and is_exact:
                guards[path] = _NOT_LIST
        path = f"{path}.{field_name(key)}"
        kind = _part_of(kind)
        codec = None if isinstance(kind, AnyValue) else _part_codec(codec, kind)
    if isinstance(node.path.type, AnyValue) or codec is None:
        if codec is not None and node.operand is not None and _are_texts(codec):
            return _text_place(path, codec, node, is_exact)
        return _open_place(path, guards, node, is_exact)
    found = _whole(path, kind, codec, node) if _is_simple(kind) else None
    if node.operator == "eq" and node.operand is None:
        return Pushed(_missing(path, kind)) if is_exact and not guards else None
    return None if found is None else Pushed(found.expression, found.is_exact and is_exact)


def _part_of(kind: PropertyType) -> PropertyType:
    """The type of the items of a list, or of the values of an object."""
    if isinstance(kind, Array):
        return kind.item
    return kind.values if isinstance(kind, Object) else AnyValue()


def _part_codec(codec: Codec | None, part: PropertyType) -> Codec:
    """How the items of a list, or the values of an object, are stored."""
    return inner_codec(part) if codec is None or codec.item is None else codec.item


def _inner_fields(kind: Embedded, codec: Codec | None) -> InnerFields:
    known = None if codec is None else codec.inner
    return InnerFields(kind.definition) if known is None else known()


def _are_texts(codec: Codec) -> bool:
    """Whether what is in lists and objects is texts that are stored in a way of their own."""
    while codec.item is not None:
        codec = codec.item
    return any(codec is each for each in DATA_TYPES.values())


def _text_place(
    path: str, codec: Codec, node: Compare, is_exact: bool
) -> Pushed[Expression] | None:
    """A comparison of a value of any type with a place whose texts are stored in their own way."""
    operands = node.operand if node.operator == "inq" else [node.operand]
    if codec.forms is None or node.operator not in ("eq", "inq") or _has_structures(operands):
        return None
    found = _scalar(path, codec, node)
    return None if found is None else Pushed(found.expression, found.is_exact and is_exact)


def _open_place(
    path: str, guards: Expression, node: Compare, is_exact: bool
) -> Pushed[Expression] | None:
    if node.operator == "eq" and node.operand is None:
        # Behind a list, or at an index, MongoDB finds other places than Python.
        exact = is_exact and not guards
        return Pushed({path: {"$eq": None, **_NOT_LIST}}) if exact else None
    found = _open(path, node, is_exact=is_exact)
    if found is None or not guards:
        return found
    return Pushed({"$and": [guards, found.expression]}, found.is_exact)
