"""From what callers write to the normal form: dicts, JSON, query strings, expressions.

Nothing that means nothing is passed over: an unknown property, operator or filter key, a value of
the wrong type, a list that is too long is a :class:`~flask_loop.errors.FilterError` that names the
path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..definition import Embedded, ModelDefinition, Property, nearest
from ..errors import FilterError
from ..geo import UNITS, GeoPoint
from ..types import AnyValue, Array, Geo, Object, PropertyType, String, TypeMismatch
from .expressions import WhereExpression
from .nodes import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Filter,
    Near,
    Not,
    Or,
    Order,
    Path,
    Pattern,
    Where,
    conjuncts,
)
from .patterns import BadPattern, searcher

FILTER_KEYS = ("where", "order", "limit", "skip", "offset", "fields", "include")
_LOGIC = ("and", "or", "nor")
_SIBLINGS = frozenset(
    {"maxDistance", "minDistance", "max_distance", "min_distance", "unit", "options"}
)
_REGEXP_LITERAL = re.compile(r"/(.*)/([a-z]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one filter may ask for.

    :ivar depth: levels of nesting in a where.
    :ivar conditions: comparisons in a where, and keys in an order.
    :ivar values: values in one ``inq`` or ``nin``.
    :ivar limit: the greatest ``limit``, or None for no bound.
    """

    depth: int = 12
    conditions: int = 200
    values: int = 1000
    limit: int | None = None


#: For callers in Python, who bound themselves.
UNBOUNDED = Bounds(depth=100, conditions=100_000, values=1_000_000)


class FilterParser:
    """Parses the filters of one model.

    :param definition: the model.
    :param remote: whether the caller is remote, and so may use wire names only and must not
        filter or order by properties it cannot read.
    :param bounds: how much a filter may ask for.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        *,
        remote: bool = False,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        self.definition = definition
        self.remote = remote
        self.bounds = bounds
        self._id_order = tuple(Order(Path(each, (), each.type)) for each in definition.ids)

    def filter(self, given: Any) -> Filter:
        """Parse a whole filter.

        :param given: a mapping, or its JSON text.
        :raises FilterError: naming the path of what means nothing.
        """
        given = self._mapping("filter", given)
        for key in given:
            if key not in FILTER_KEYS:
                raise FilterError(str(key), f"is not a key of a filter{nearest(key, FILTER_KEYS)}")
        if given.get("include") not in (None, [], ""):
            raise FilterError("include", "names a relation, and the model has none")
        where = self.where(given.get("where"))
        order = self._order(given.get("order"))
        skip = given.get("skip")
        return Filter(
            where=where,
            order=order + self._ties(order),
            limit=self._limit(given.get("limit")),
            skip=self._count("skip", given.get("offset") if skip is None else skip) or 0,
            fields=self.fields(given.get("fields")),
            near=None if order else _nearest_first(where),
        )

    def where(self, given: Any) -> Where:
        """Parse a where alone.

        :param given: a mapping, its JSON text, an expression, or None for every record.
        :raises FilterError: naming the path of what means nothing.
        """
        if isinstance(given, WhereExpression):
            given = given.tree
        given = self._mapping("where", given)
        if not given:
            return EVERYTHING
        return _WhereParser(self).parse(given, "where", self.bounds.depth)

    def path(self, name: Any, at: str) -> Path:
        """Find the property, or the place inside one, that a dotted name means."""
        found = self.definition.by_wire.get(name)
        if found is not None:
            if self.remote and not found.readable:
                raise FilterError(at, "is not a property that can be used in a filter")
            return Path(found, (), found.type)
        if not isinstance(name, str):
            raise FilterError(at, f"has the name {name!r}, which is not text")
        head, *keys = name.split(".")
        property_ = self._property(head, at)
        return self._inside(Path(property_, (), property_.type), keys, at)

    def fields(self, given: Any) -> tuple[str, ...] | None:
        """Parse ``fields``: a name, a list of names, or a mapping of names to booleans."""
        if isinstance(given, str) and given.startswith(("[", "{")):
            given = _json("fields", given)
        if given is None or given in ("", [], {}):
            return None
        if isinstance(given, str):
            given = [given]
        if isinstance(given, Mapping):
            flags = {
                self._property(name, f"fields.{name}").name: _flag(f"fields.{name}", flag)
                for name, flag in given.items()
            }
            kept = [name for name, flag in flags.items() if flag]
            wanted = set(kept) if kept else set(self.definition.properties) - set(flags)
        elif isinstance(given, list | tuple):
            wanted = {
                self._property(name, f"fields.{index}").name for index, name in enumerate(given)
            }
        else:
            raise FilterError("fields", "is neither a name, a list of names nor an object")
        return tuple(name for name in self.definition.properties if name in wanted)

    def _property(self, name: Any, at: str) -> Property:
        found = self.definition.find(name, wire_only=self.remote) if isinstance(name, str) else None
        if found is None:
            hint = nearest(str(name), self._names())
            raise FilterError(at, f"is not a property of {self.definition.name}{hint}")
        if self.remote and not found.readable:
            raise FilterError(at, "is not a property that can be used in a filter")
        return found

    def _names(self) -> Iterable[str]:
        return (each.wire for each in self.definition.properties.values() if each.readable)

    def _inside(self, path: Path, keys: list[str], at: str) -> Path:
        if not keys:
            return path
        kind = path.type
        if isinstance(kind, Embedded):
            embedded = FilterParser(kind.definition, remote=self.remote)
            property_ = embedded._property(keys[0], at)
            inner = Path(path.property, (*path.keys, property_.name), property_.type)
            return self._inside(inner, keys[1:], at)
        if isinstance(kind, Object | AnyValue | Array):
            if not all(keys):
                raise FilterError(at, "has an empty key")
            return Path(path.property, (*path.keys, *keys), AnyValue())
        raise FilterError(at, f"has nothing inside: {path.property.wire} is a {kind.name}")

    def _order(self, given: Any) -> tuple[Order, ...]:
        if given is None or given == "":
            return ()
        if isinstance(given, str) and given.startswith("["):
            given = _json("order", given)
        if isinstance(given, str):
            given = given.split(",")
        if not isinstance(given, list | tuple):
            raise FilterError("order", "is neither text nor a list")
        keys = [part for item in given for part in self._order_parts(item)]
        if len(keys) > self.bounds.conditions:
            raise FilterError("order", f"has more than {self.bounds.conditions} keys")
        return tuple(self._order_key(index, key) for index, key in enumerate(keys))

    def _order_parts(self, item: Any) -> list[str]:
        if not isinstance(item, str):
            raise FilterError("order", f"has {item!r}, which is not text")
        return item.split(",")

    def _order_key(self, index: int, key: str) -> Order:
        at = f"order.{index}"
        words = key.split()
        if not words or len(words) > 2:
            raise FilterError(at, f"is not of the form 'property ASC': {key!r}")
        direction = words[1].upper() if len(words) == 2 else "ASC"
        if direction not in ("ASC", "DESC"):
            raise FilterError(at, f"has the direction {words[1]!r}; there are ASC and DESC")
        path = self.path(words[0], at)
        if not (path.type.ordered or isinstance(path.type, AnyValue)):
            raise FilterError(at, f"cannot be ordered by: it is a {path.type.name}")
        return Order(path, direction == "DESC")

    def _ties(self, order: tuple[Order, ...]) -> tuple[Order, ...]:
        if not order:
            return self._id_order
        named = {key.path.property.name for key in order if not key.path.keys}
        return tuple(key for key in self._id_order if key.path.property.name not in named)

    def _limit(self, given: Any) -> int | None:
        limit = self._count("limit", given)
        bound = self.bounds.limit
        if limit is not None and bound is not None and limit > bound:
            raise FilterError("limit", f"is more than {bound}")
        return limit

    def _count(self, at: str, given: Any) -> int | None:
        if given is None or given == "":
            return None
        if isinstance(given, str) and given.isdecimal() and given.isascii() and len(given) < 19:
            given = int(given)
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < 2**63:
            raise FilterError(at, f"is not a whole number from 0: {given!r}")
        return given

    def _mapping(self, at: str, given: Any) -> Mapping[str, Any]:
        if isinstance(given, Mapping):
            return given
        if given is None or given == "":
            return {}
        if isinstance(given, str | bytes):
            return self._mapping(at, _json(at, given))
        raise FilterError(at, "is not an object")


class _WhereParser:
    """Parses one where; counts its conditions."""

    def __init__(self, parser: FilterParser) -> None:
        self.parser = parser
        self.bounds = parser.bounds
        self.conditions = 0

    def parse(self, given: Mapping[str, Any], at: str, depth: int) -> Where:
        if depth == 0:
            raise FilterError(at, f"is nested more than {self.bounds.depth} levels deep")
        parts: list[Where] = []
        for name, condition in given.items():
            if name in _LOGIC:
                parts.append(self._logic(name, condition, f"{at}.{name}", depth))
            else:
                parts.extend(self._property(name, condition, f"{at}.{name}"))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _logic(self, name: str, given: Any, at: str, depth: int) -> Where:
        if not isinstance(given, list | tuple):
            raise FilterError(at, "is not a list")
        items = tuple(
            self.parse(self._item(item, f"{at}.{index}"), f"{at}.{index}", depth - 1)
            for index, item in enumerate(given)
        )
        if len(items) > self.bounds.conditions:
            raise FilterError(at, f"has more than {self.bounds.conditions} parts")
        if name == "and":
            return And(items)
        return Or(items) if name == "or" else Not(Or(items))

    def _item(self, item: Any, at: str) -> Mapping[str, Any]:
        if isinstance(item, WhereExpression):
            return item.tree
        if not isinstance(item, Mapping):
            raise FilterError(at, "is not an object")
        return item

    def _property(self, name: str, condition: Any, at: str) -> list[Where]:
        path = self.parser.path(name, at)
        if isinstance(condition, Mapping) and self._has_operators(path, condition, at):
            siblings = {key: condition[key] for key in condition if key in _SIBLINGS}
            operators = [key for key in condition if key not in _SIBLINGS]
            self._refuse_idle_siblings(operators, siblings, at)
            return [
                self._compare(path, operator, condition[operator], siblings, f"{at}.{operator}")
                for operator in operators
            ]
        return [self._compare(path, "eq", condition, {}, at)]

    def _has_operators(self, path: Path, condition: Mapping[str, Any], at: str) -> bool:
        known = [key for key in condition if key in _OPERATORS or key in _SIBLINGS]
        if len(known) == len(condition) and known:
            return True
        takes_objects = isinstance(path.type, Object | AnyValue | Embedded | Geo)
        if takes_objects and not known:
            return False
        unknown = next((key for key in condition if key not in known), None)
        if unknown is None:
            raise FilterError(at, "has no operator")
        raise FilterError(f"{at}.{unknown}", f"is not an operator{nearest(unknown, _OPERATORS)}")

    def _refuse_idle_siblings(
        self, operators: list[str], siblings: Mapping[str, Any], at: str
    ) -> None:
        for key in siblings:
            users = {"like", "nlike", "regexp"} if key == "options" else {"near"}
            if users.isdisjoint(operators):
                raise FilterError(f"{at}.{key}", f"means nothing without {sorted(users)[0]}")

    def _compare(
        self, path: Path, operator: str, given: Any, siblings: Mapping[str, Any], at: str
    ) -> Where:
        self.conditions += 1
        if self.conditions > self.bounds.conditions:
            raise FilterError(at, f"is past the {self.bounds.conditions} conditions of one where")
        return _OPERATORS[operator](self, path, given, siblings, at)

    def _equal(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if given is None:
            return Compare(path, "eq", None)
        if isinstance(path.type, Array) and not isinstance(given, list | tuple):
            return Compare(path, "eq", self._value(path.type.item, given, at), member=True)
        operand = self._value(path.type, given, at)
        return Compare(path, "eq", operand, member=_is_open(path) and not isinstance(operand, list))

    def _ordered(self, operator: str, path: Path, given: Any, at: str) -> Where:
        kind = self._ordered_type(path, operator, at)
        if given is None:
            return NOTHING
        return Compare(path, operator, self._value(kind, given, at), member=_may_be_list(path))

    def _between(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        kind = self._ordered_type(path, "between", at)
        if not isinstance(given, list | tuple) or len(given) != 2:
            raise FilterError(at, "is not a list of two values")
        if None in given:
            return NOTHING
        low, high = (self._value(kind, value, f"{at}.{i}") for i, value in enumerate(given))
        if type(low) is not type(high) and isinstance(low, str) != isinstance(high, str):
            return NOTHING
        return Compare(path, "between", (low, high), member=_may_be_list(path))

    def _in(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if not isinstance(given, list | tuple | set | frozenset):
            raise FilterError(at, "is not a list")
        if len(given) > self.bounds.values:
            raise FilterError(at, f"has more than {self.bounds.values} values")
        kind = path.type.item if isinstance(path.type, Array) else path.type
        values = tuple(
            self._value(kind, value, f"{at}.{index}")
            for index, value in enumerate(given)
            if value is not None
        )
        found: Where = (
            Compare(path, "inq", values, member=_may_be_list(path)) if values else NOTHING
        )
        if None not in given:
            return found
        return Or((found, Compare(path, "eq", None))) if values else Compare(path, "eq", None)

    def _like(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        return self._pattern(path, "like", given, self._ignores_case(siblings, at), at)

    def _ilike(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        return self._pattern(path, "like", given, True, at)

    def _regexp(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        ignore_case = self._ignores_case(siblings, at)
        if isinstance(given, re.Pattern):
            given, ignore_case = given.pattern, bool(given.flags & re.IGNORECASE)
        elif isinstance(given, str) and (literal := _REGEXP_LITERAL.fullmatch(given)):
            given, flags = literal.groups()
            if unknown := set(flags) - set("gimu"):
                raise FilterError(at, f"has the unknown flag {sorted(unknown)[0]!r}")
            ignore_case = ignore_case or "i" in flags
            given = f"(?m){given}" if "m" in flags else given
        return self._pattern(path, "regexp", given, ignore_case, at)

    def _ignores_case(self, siblings: Mapping[str, Any], at: str) -> bool:
        options = siblings.get("options", "")
        if options not in ("", "i"):
            raise FilterError(at, f"has the options {options!r}; there is 'i'")
        return bool(options)

    def _pattern(self, path: Path, operator: str, given: Any, ignore_case: bool, at: str) -> Where:
        kind = path.type.item if isinstance(path.type, Array) else path.type
        if not isinstance(kind, String | AnyValue):
            raise FilterError(at, f"means nothing for a {kind.name}")
        pattern = Pattern(self._value(String(), given, at), ignore_case)
        try:
            searcher(operator, pattern)
        except BadPattern as error:
            raise FilterError(at, str(error)) from None
        return Compare(path, operator, pattern, member=_may_be_list(path))

    def _exists(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        missing = Compare(path, "eq", None)
        return Not(missing) if _flag(at, given) else missing

    def _near(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if not isinstance(path.type, Geo):
            raise FilterError(at, f"means nothing for a {path.type.name}")
        if isinstance(given, Mapping) and not set(given) <= {"lat", "lng"}:
            raise FilterError(at, "is not a GeoPoint")
        unit = siblings.get("unit", "miles")
        if unit not in UNITS:
            raise FilterError(f"{at[:-5]}.unit", f"is {unit!r}; there are {', '.join(UNITS)}")
        radius = UNITS[unit]
        least, most = (
            self._distance(siblings, names, radius, at)
            for names in (("minDistance", "min_distance"), ("maxDistance", "max_distance"))
        )
        point: GeoPoint = self._value(path.type, given, at)
        return Compare(path, "near", Near(point, least, most))

    def _distance(
        self, siblings: Mapping[str, Any], names: tuple[str, str], radius: float, at: str
    ) -> float | None:
        given = next((siblings[name] for name in names if siblings.get(name) is not None), None)
        if given is None:
            return None
        try:
            distance = float(given) if not isinstance(given, bool) else -1.0
        except (TypeError, ValueError):
            distance = -1.0
        if not 0 <= distance < float("inf"):
            raise FilterError(f"{at[:-5]}.{names[0]}", f"is not a distance: {given!r}")
        return distance / radius

    def _ordered_type(self, path: Path, operator: str, at: str) -> PropertyType:
        kind = path.type.item if isinstance(path.type, Array) else path.type
        if not (kind.ordered or isinstance(kind, AnyValue)):
            raise FilterError(at, f"means nothing for a {kind.name}")
        return kind

    def _value(self, kind: PropertyType, given: Any, at: str) -> Any:
        if given is None:
            raise FilterError(at, "is null")
        try:
            return kind.load(given)
        except TypeMismatch as error:
            inner = "".join(f".{part}" for part in error.path)
            raise FilterError(f"{at}{inner}", str(error)) from None


def _negated(positive: Callable[..., Where]) -> Callable[..., Where]:
    return lambda *arguments: Not(positive(*arguments))


def _ordering(operator: str) -> Callable[..., Where]:
    return lambda parser, path, given, siblings, at: parser._ordered(operator, path, given, at)


_OPERATORS: dict[str, Callable[..., Where]] = {
    "eq": _WhereParser._equal,
    "neq": _negated(_WhereParser._equal),
    "gt": _ordering("gt"),
    "gte": _ordering("gte"),
    "lt": _ordering("lt"),
    "lte": _ordering("lte"),
    "between": _WhereParser._between,
    "inq": _WhereParser._in,
    "nin": _negated(_WhereParser._in),
    "like": _WhereParser._like,
    "nlike": _negated(_WhereParser._like),
    "ilike": _WhereParser._ilike,
    "nilike": _negated(_WhereParser._ilike),
    "regexp": _WhereParser._regexp,
    "exists": _WhereParser._exists,
    "near": _WhereParser._near,
}
OPERATORS = tuple(_OPERATORS)


def _is_open(path: Path) -> bool:
    return isinstance(path.type, AnyValue)


def _may_be_list(path: Path) -> bool:
    return isinstance(path.type, AnyValue | Array)


def _nearest_first(where: Where) -> Compare | None:
    for part in conjuncts(where):
        if isinstance(part, Compare) and part.operator == "near":
            return part
    return None


def _flag(at: str, given: Any) -> bool:
    if given in (True, "true"):
        return True
    if given in (False, "false"):
        return False
    raise FilterError(at, f"is not a boolean: {given!r}")


def _json(at: str, text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FilterError(at, f"is not JSON: {error}") from None
