"""From a where that callers write to its normal form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..definition import Embedded, nearest
from ..errors import FilterError
from ..geo import UNITS, GeoPoint
from ..types import AnyValue, Array, Geo, Number, Object, PropertyType, String, TypeMismatch
from .bounds import Bounds
from .expressions import WhereExpression
from .nodes import NOTHING, And, Compare, Near, Not, Or, Path, Pattern, Where
from .paths import PathFinder
from .patterns import BadPattern, searcher

_LOGIC = ("and", "or", "nor")
_SIBLINGS = frozenset(
    {"maxDistance", "minDistance", "max_distance", "min_distance", "unit", "options"}
)
_REGEXP_LITERAL = re.compile(r"/(.*)/([A-Za-z]*)", re.DOTALL)


class WhereParser:
    """Parses one where; counts its conditions.

    :param paths: finds what names mean.
    :param bounds: how much the where may ask for.
    """

    def __init__(self, paths: PathFinder, bounds: Bounds) -> None:
        self.paths = paths
        self.bounds = bounds
        self.conditions = 0

    def parse(self, given: Mapping[str, Any], at: str, depth: int) -> Where:
        """Parse a mapping.

        :param at: where the mapping stands, for errors.
        :param depth: how many levels it may have.
        :raises FilterError: naming the path of what means nothing.
        """
        if depth <= 0:
            raise FilterError(at, f"is nested more than {self.bounds.depth} levels deep")
        parts: list[Where] = []
        for name, condition in given.items():
            if name in _LOGIC:
                parts.append(self._logic(name, condition, f"{at}.{name}", depth))
            else:
                parts.extend(self._named(name, condition, f"{at}.{name}", depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def parse_item(self, given: Any, at: str, depth: int) -> Where:
        """Parse a mapping or an expression; the rest as :meth:`parse`."""
        if isinstance(given, WhereExpression):
            given = given.tree
        if not isinstance(given, Mapping):
            raise FilterError(at, "is not an object")
        return self.parse(given, at, depth)

    def _logic(self, name: str, given: Any, at: str, depth: int) -> Where:
        if not isinstance(given, list | tuple):
            raise FilterError(at, "is not a list")
        if len(given) > self.bounds.conditions:
            raise FilterError(at, f"has more than {self.bounds.conditions} parts")
        items = tuple(
            self.parse_item(item, f"{at}.{index}", depth - 1) for index, item in enumerate(given)
        )
        if name == "and":
            return And(items)
        return Or(items) if name == "or" else Not(Or(items))

    def _named(self, name: str, condition: Any, at: str, depth: int) -> Sequence[Where]:
        """What one name and its condition mean."""
        return self._on_path(self.paths.path(name, at), condition, at)

    def _on_path(self, path: Path, condition: Any, at: str) -> list[Where]:
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
        kind = path.type.item if isinstance(path.type, Array) else path.type
        takes_objects = isinstance(kind, Object | AnyValue | Embedded | Geo)
        if takes_objects and not any(key in _OPERATORS for key in condition):
            return isinstance(kind, Geo) and not _SIBLINGS.isdisjoint(condition)
        for key in condition:
            if key not in _OPERATORS and key not in _SIBLINGS:
                hint = nearest(str(key), _OPERATORS)
                raise FilterError(f"{at}.{key}", f"is not an operator{hint}")
        if not condition:
            raise FilterError(at, "has no operator")
        return True

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
        self._count(at)
        return _OPERATORS[operator](self, path, given, siblings, at)

    def _count(self, at: str) -> None:
        self.conditions += 1
        if self.conditions > self.bounds.conditions:
            raise FilterError(at, f"is past the {self.bounds.conditions} conditions of one where")

    def _equal(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if given is None:
            return Compare(path, "eq", None)
        self.paths.check_record(_item_or_own(path.type, given), given, at)
        if isinstance(path.type, Array) and not isinstance(given, list | tuple):
            return Compare(path, "eq", self._value(path.type.item, given, at), member=True)
        operand = self._value(path.type, given, at)
        return Compare(path, "eq", operand, member=_is_open(path) and not isinstance(operand, list))

    def _ordered(self, operator: str, path: Path, given: Any, at: str) -> Where:
        kind = self._ordered_type(path, operator, at)
        if given is None:
            return NOTHING
        return Compare(path, operator, self._rank(kind, given, at), member=_may_be_list(path))

    def _between(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        kind = self._ordered_type(path, "between", at)
        if not isinstance(given, list | tuple) or len(given) != 2:
            raise FilterError(at, "is not a list of two values")
        if None in given:
            return NOTHING
        low, high = (self._rank(kind, value, f"{at}.{i}") for i, value in enumerate(given))
        if isinstance(kind, AnyValue) and _json_kind(low) is not _json_kind(high):
            return NOTHING
        return Compare(path, "between", (low, high), member=_may_be_list(path))

    def _in(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if not isinstance(given, list | tuple | set | frozenset):
            raise FilterError(at, "is not a list")
        if len(given) > self.bounds.values:
            raise FilterError(at, f"has more than {self.bounds.values} values")
        kind = path.type.item if isinstance(path.type, Array) else path.type
        if isinstance(kind, Embedded | Array):
            for index, value in enumerate(given):
                self.paths.check_record(kind, value, f"{at}.{index}")
        values = [
            self._value(kind, value, f"{at}.{index}")
            for index, value in enumerate(given)
            if value is not None
        ]
        found: Where = (
            Compare(path, "inq", tuple(values), member=_may_be_list(path)) if values else NOTHING
        )
        if len(values) == len(given):
            return found
        return Or((found, Compare(path, "eq", None))) if values else Compare(path, "eq", None)

    def _like(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        return self._pattern(path, "like", given, self._ignores_case(siblings, at), at)

    def _ilike(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        return self._pattern(path, "like", given, True, at)

    def _regexp(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        ignore_case = self._ignores_case(siblings, at)
        if isinstance(given, re.Pattern):
            if given.flags & re.VERBOSE:
                raise FilterError(at, "has the flag VERBOSE, which RE2 does not have")
            ignore_case = ignore_case or bool(given.flags & re.IGNORECASE)
            prefix = "(?m)" if given.flags & re.MULTILINE else ""
            given = prefix + given.pattern if isinstance(given.pattern, str) else given.pattern
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
            raise FilterError(at, f"means nothing for the type {kind.name}")
        pattern = Pattern(self._value(String(), given, at), ignore_case)
        try:
            searcher(operator, pattern)
        except BadPattern as error:
            raise FilterError(at, str(error)) from None
        return Compare(path, operator, pattern, member=_may_be_list(path))

    def _exists(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        missing = Compare(path, "eq", None)
        return Not(missing) if flag(at, given) else missing

    def _near(self, path: Path, given: Any, siblings: Mapping[str, Any], at: str) -> Where:
        if not isinstance(path.type, Geo):
            raise FilterError(at, f"means nothing for the type {path.type.name}")
        if isinstance(given, Mapping) and not set(given) <= {"lat", "lng"}:
            raise FilterError(at, "is not a GeoPoint")
        unit = siblings.get("unit", "miles")
        if not isinstance(unit, str) or unit not in UNITS:
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
        both = [name for name in names if siblings.get(name) is not None]
        if not both:
            return None
        place = f"{at[:-5]}.{both[-1]}"
        if len(both) > 1:
            raise FilterError(place, f"is given as {both[0]} too")
        distance = self._value(Number(), siblings[both[0]], place)
        if distance < 0:
            raise FilterError(place, "is negative")
        return float(distance) / radius

    def _ordered_type(self, path: Path, operator: str, at: str) -> PropertyType:
        kind = path.type.item if isinstance(path.type, Array) else path.type
        if not (kind.ordered or isinstance(kind, AnyValue)):
            raise FilterError(at, f"means nothing for the type {kind.name}")
        return kind

    def _rank(self, kind: PropertyType, given: Any, at: str) -> Any:
        """A value that others are greater or less than."""
        value = self._value(kind, given, at)
        if isinstance(value, list | dict):
            raise FilterError(at, "is a list or an object, which have no order")
        return value

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
    "eq": WhereParser._equal,
    "neq": _negated(WhereParser._equal),
    "gt": _ordering("gt"),
    "gte": _ordering("gte"),
    "lt": _ordering("lt"),
    "lte": _ordering("lte"),
    "between": WhereParser._between,
    "inq": WhereParser._in,
    "nin": _negated(WhereParser._in),
    "like": WhereParser._like,
    "nlike": _negated(WhereParser._like),
    "ilike": WhereParser._ilike,
    "nilike": _negated(WhereParser._ilike),
    "regexp": WhereParser._regexp,
    "exists": WhereParser._exists,
    "near": WhereParser._near,
}
OPERATORS = tuple(_OPERATORS)


def _is_open(path: Path) -> bool:
    return isinstance(path.type, AnyValue)


def _may_be_list(path: Path) -> bool:
    return isinstance(path.type, AnyValue | Array)


def _item_or_own(kind: PropertyType, given: Any) -> PropertyType:
    is_list = isinstance(given, list | tuple)
    return kind.item if isinstance(kind, Array) and not is_list else kind


def _json_kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def flag(at: str, given: Any) -> bool:
    """A boolean, or its exact text."""
    if given is True or given == "true":
        return True
    if given is False or given == "false":
        return False
    raise FilterError(at, f"is not a boolean: {given!r}")
