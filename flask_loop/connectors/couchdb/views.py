"""Views: what CouchDB knows of a model's indexes, so that it need not read all documents.

Each declared index has a view, whose keys sort as the values do: texts by code points, nulls last.
A row is emitted for each direction, so that ties are broken by the id, upwards, in both. And each
has an index of Mango, for selectors. They are design documents, named by a digest of what is in
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

import orjson

from ...definition import Property
from ...query import Compare, Order, Where
from ...types import (
    Boolean,
    Date,
    DateTime,
    Enumeration,
    Integer,
    Number,
    PropertyType,
    String,
    Uuid,
)
from .database import Document, view_path
from .documents import EXACT, TYPE, Documents
from .keys import MAX_SAFE

#: Sorts after all parts of keys: objects come last, and null is ``{}``.
_HIGHEST = {"z": 0}
_UP, _DOWN = "a", "d"
_RANGES = {"gt": (">",), "gte": (">=",), "lt": ("<",), "lte": ("<=",), "between": (">=", "<=")}
_FLIPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_INVERTED_HEX = str.maketrans("0123456789abcdef", "fedcba9876543210")

_SOURCE = """function (doc) {
  if (doc[%(type)s] !== %(collection)s) { return; }
  var exact = doc[%(exact)s] || {}, up = ["a"], down = ["d"];
  function none(more) { up.push({}); down.push({}); if (more) { up.push(""); down.push(""); } }
  function bool(field) {
    var value = doc[field];
    if (typeof value !== "boolean") { none(); return; }
    up.push(value);
    down.push(!value);
  }
  function number(field) {
    var value = doc[field], text = String(exact[field]), first = "m", last = "m", digits, others;
    if (typeof value !== "number") { none(true); return; }
    if (/^-?[0-9]+$/.test(text) && parseFloat(text) === value) {
      digits = text.replace("-", "");
      while (digits.length < 19) { digits = "0" + digits; }
      others = digits.replace(/[0-9]/g, function (digit) { return 9 - digit; });
      first = value < 0 ? "a" + others : "p" + digits;
      last = value < 0 ? "p" + digits : "a" + others;
    }
    up.push(value, first);
    down.push(-value, last);
  }
  function hex(byte) { return (byte < 16 ? "0" : "") + byte.toString(16); }
  function text(field, isInstant) {
    var value = doc[field], first = "", last = "", i;
    if (typeof value !== "string") { none(); return; }
    if (isInstant && value.length === 24) { value = value.slice(0, 23) + "000Z"; }
    try { value = unescape(encodeURIComponent(value)); } catch (error) { none(); return; }
    for (i = 0; i < value.length; i += 1) {
      first += hex(value.charCodeAt(i));
      last += hex(255 - value.charCodeAt(i));
    }
    up.push(first);
    down.push(last + "g");
  }
  %(parts)s
  emit(up, null);
  emit(down, null);
}
"""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A range of the keys of a view.

    :ivar path: of the view.
    :ivar keys: ``startkey`` and ``endkey``.
    :ivar others: the parts of the where that it says nothing of.
    :ivar is_nothing: whether no key can be in it; CouchDB takes that for a mistake.
    :ivar is_narrow: whether it leaves something out.
    :ivar is_ordered: whether the rows come in the order that was asked for.
    """

    path: str
    keys: Mapping[str, Any]
    others: tuple[Where, ...]
    is_nothing: bool
    is_narrow: bool
    is_ordered: bool


class View:
    """The view of one index.

    :param properties: of the index.
    """

    def __init__(self, properties: Sequence[Property]) -> None:
        self._properties = properties
        self.names = tuple(each.name for each in properties)
        self.name = ",".join(self.names)

    def source(self, documents: Documents) -> str:
        """The function, in JavaScript, that emits the keys of a document."""
        calls = []
        for each in self._properties:
            arguments = json.dumps(documents.fields[each.name])
            if isinstance(each.type, DateTime):
                arguments += ", true"
            calls.append(f"{_function(each.type)}({arguments});")
        return _SOURCE % {
            "type": json.dumps(TYPE),
            "exact": json.dumps(EXACT),
            "collection": json.dumps(documents.collection),
            "parts": "\n  ".join(calls),
        }

    def range(
        self, path: str, parts: Sequence[Where], order: Sequence[Order], *, is_by_id: bool
    ) -> KeyRange:
        """The range in which the records are that match, as far as it says so.

        :param order: the order that is asked for, without the id at its end.
        :param is_by_id: whether the id at the end of the order is that of the rows.
        """
        ordered_by = tuple(each.path.property.name for each in order)
        down = bool(order) and order[0].descending
        is_whole = ordered_by == self.names and all(
            not (each.links or each.path.keys) and each.descending is down for each in order
        )
        key: list[Any] = [_DOWN if down and is_whole else _UP]
        left = list(parts)
        known = 0
        while known < len(self._properties):
            each = self._properties[known]
            found = self._equality(each, left)
            if found is None:
                break
            left.remove(found)
            key += _components(each.type, found.operand, down=key[0] == _DOWN)
            known += 1
        is_equal = known == len(self._properties) and not order
        start, end = key, [*key, _HIGHEST]
        if known < len(self._properties):
            start, end = self._bounds(self._properties[known], left, key)
        return KeyRange(
            path,
            {"startkey": start, "endkey": end, "inclusive_end": False},
            tuple(left),
            is_nothing=_is_reversed(start[len(key) :], end[len(key) :]),
            is_narrow=len(left) < len(parts),
            is_ordered=is_by_id and (is_whole or is_equal),
        )

    def _equality(self, property_: Property, parts: Sequence[Where]) -> Compare | None:
        for part in parts:
            if not _is_about(part, property_) or part.operator != "eq":
                continue
            if part.operand is None or _is_known(property_.type, part.operand):
                return part
        return None

    def _bounds(
        self, property_: Property, left: list[Where], key: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """The first key and the last one; the conditions that they say are taken from ``left``."""
        down = key[0] == _DOWN
        start, end = key, [*key, _HIGHEST]
        has_start = has_end = False
        for part in list(left):
            if not _is_about(part, property_) or part.operator not in _RANGES:
                continue
            signs = _RANGES[part.operator]
            values = part.operand if part.operator == "between" else (part.operand,)
            signs = tuple(_FLIPPED[each] for each in signs) if down else signs
            starts = any(each.startswith(">") for each in signs)
            ends = any(each.startswith("<") for each in signs)
            known = all(_is_known(property_.type, each) for each in values)
            if not known or (starts and has_start) or (ends and has_end):
                continue
            left.remove(part)
            for sign, value in zip(signs, values, strict=True):
                (component, *_) = _components(property_.type, value, down=down)
                bound = [*key, component] if sign in (">=", "<") else [*key, component, _HIGHEST]
                if sign.startswith(">"):
                    start, has_start = bound, True
                else:
                    end, has_end = bound, True
        if has_start and not has_end:
            end = [*key, {}]  # what is null is in no range
        return start, end


class Views:
    """The views and the Mango indexes of one model.

    :param documents: how its records are stored.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        definition = documents.definition
        ids = {each.name for each in definition.ids}
        self.views: list[View] = []
        for index in definition.indexes():
            properties = [definition.properties[name] for name in index.keys]
            is_stored = not (documents.plain_ids and ids.intersection(index.keys))
            if is_stored and all(_function(each.type) for each in properties):
                self.views.append(View(properties))
        self.family = f"loop:{documents.prefix}:"
        sources = {each.name: each.source(documents) for each in self.views}
        digest = hashlib.sha256(orjson.dumps(sources)).hexdigest()[:16]
        self._design = f"{self.family}views:{digest}"
        self._mango = f"{self.family}find:{digest}"
        self._sources = sources

    def design(self) -> Document:
        """The design document of the views."""
        views = {
            name: {"map": source, "reduce": "_count"} for name, source in self._sources.items()
        }
        return {"_id": f"_design/{self._design}", "language": "javascript", "views": views}

    def mango_indexes(self) -> list[dict[str, Any]]:
        """The indexes of Mango, as ``_index`` takes them."""
        fields = self._documents.fields
        return [
            {
                "index": {"fields": [TYPE, *(fields[name] for name in view.names)]},
                "ddoc": self._mango,
                "name": view.name,
                "type": "json",
            }
            for view in self.views
        ]

    def design_ids(self) -> set[str]:
        """The ids of the design documents that are to be there."""
        if not self.views:
            return set()
        return {f"_design/{self._design}", f"_design/{self._mango}"}

    def ranges(
        self, parts: Sequence[Where], order: Sequence[Order], *, is_by_id: bool
    ) -> list[KeyRange]:
        """What each view makes of a where and an order."""
        return [
            view.range(view_path(self._design, view.name), parts, order, is_by_id=is_by_id)
            for view in self.views
        ]

    def mango_index(self, conditions: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
        """The Mango index, by design document and name, that narrows conditions down.

        All its fields have to be in the documents, which are not in it otherwise.
        """
        for view in self.views:
            fields = [self._documents.fields[name] for name in view.names]
            if all(_is_narrow(conditions.get(field, {})) for field in fields):
                return [self._mango, view.name]
        return None


def _is_reversed(start: list[Any], end: list[Any]) -> bool:
    """Whether the bounds of one property are the wrong way round."""
    if not start or isinstance(end[0], dict):
        return False
    return bool((start[0], len(start)) > (end[0], len(end)))


def _is_narrow(condition: Mapping[str, Any]) -> bool:
    """Whether a condition holds for one range of values that are in the document."""
    if condition.get("$eq") is not None:
        return True
    return any(operator in condition for operator in ("$gt", "$gte", "$lt", "$lte"))


def _is_about(part: Where, property_: Property) -> TypeGuard[Compare]:
    return (
        isinstance(part, Compare)
        and part.path.property.name == property_.name
        and not part.path.keys
        and not part.member
    )


def _function(kind: PropertyType) -> str | None:
    """The function of the source that emits values of a type, or None where there is none."""
    if isinstance(kind, Enumeration):
        kind = kind.value_type
    if isinstance(kind, Integer | Number):
        return "number"
    if isinstance(kind, String | Date | DateTime | Uuid):
        return "text"
    return "bool" if isinstance(kind, Boolean) else None


def _is_known(kind: PropertyType, value: Any) -> bool:
    """Whether a value is one thing in keys whatever engine runs the views."""
    value = getattr(value, "value", value) if isinstance(kind, Enumeration) else value
    return not isinstance(value, int | float) or abs(value) < MAX_SAFE


def _components(kind: PropertyType, value: Any, *, down: bool) -> list[Any]:
    """The parts of a key that stand for a value."""
    function = _function(kind)
    if value is None:
        return [{}, ""] if function == "number" else [{}]
    if isinstance(kind, Enumeration):
        value = value.value
    if function == "number":
        return [-value if down else value, "m"]
    if function == "bool":
        return [value is not down]
    text = _full_instant(value) if isinstance(value, datetime) else str(value)
    digits = text.encode().hex()
    return [f"{digits.translate(_INVERTED_HEX)}g" if down else digits]


def _full_instant(value: datetime) -> str:
    return f"{value.replace(tzinfo=None).isoformat('T', 'microseconds')}Z"
