"""Plans: which parts of which indexes have the records that a where may match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...query import Compare, Filter
from ...query.patterns import like_prefix
from ...types import Geo
from ..narrowing import Narrowing, Pushed
from .collection import MAX_LATITUDE, Collection, StoredIndex, longitude
from .encoding import ALL, NULL, NULLS, VALUES, is_ordered, part, successor

#: From a text on, and up to another one that is not in it.
Interval: TypeAlias = tuple[str, str]

#: Redis's radius of the earth in metres, and what its places and ours may differ by.
_EARTH = 6372797.560856
_SLACK = 5.0


@dataclass(frozen=True, slots=True)
class Spans:
    """The values of a property from some intervals, which are in order and apart.

    :ivar intervals: of the parts that the values have in indexes.
    """

    name: str
    intervals: tuple[Interval, ...]

    @property
    def point(self) -> str | None:
        """The one part that is in it, where there is no more."""
        if len(self.intervals) != 1:
            return None
        low, high = self.intervals[0]
        return low if low.endswith("\0") and high == low[:-1] + "\1" else None


@dataclass(frozen=True, slots=True)
class Nearby:
    """The points that are not further away than a radius, and perhaps some more.

    :ivar radius: in metres; None for all points.
    """

    index: str
    lng: float
    lat: float
    radius: float | None


@dataclass(frozen=True, slots=True)
class Every:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    items: tuple[Expression, ...]


Expression: TypeAlias = Spans | Nearby | Every | Some


class IndexNarrowing(Narrowing[Expression]):
    """What the indexes of a collection say of wheres.

    :param collection: the collection.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def compare(self, node: Compare) -> Pushed[Expression] | None:
        property_ = node.path.property
        if node.path.keys or node.member:
            return None
        if node.operator == "near":
            return self._near(node)
        if property_.name not in self._collection.encoders:
            return None
        if node.operator == "eq" and node.operand is None:
            return Pushed(Spans(property_.name, (_point(NULL),)))
        if not is_ordered(property_.type):
            return None
        intervals = self._intervals(node)
        if intervals is None:
            return None
        return Pushed(Spans(property_.name, intervals), node.operator != "like")

    def _intervals(self, node: Compare) -> tuple[Interval, ...] | None:
        encode = self._collection.encoders[node.path.property.name]
        operator, operand = node.operator, node.operand
        if operator == "inq":
            return _merged(_point(part(encode, each)) for each in operand)
        if operator == "like":
            return _beginning(like_prefix(operand.text)) if not operand.ignore_case else None
        if operator == "between":
            low, high = (part(encode, each) for each in operand)
            return ((low, _behind(high)),) if low <= high else ()
        if operator not in ("eq", "gt", "gte", "lt", "lte"):
            return None
        bound = part(encode, operand)
        ends = {
            "eq": (bound, _behind(bound)),
            "gt": (_behind(bound), VALUES[1]),
            "gte": (bound, VALUES[1]),
            "lt": (VALUES[0], bound),
            "lte": (VALUES[0], _behind(bound)),
        }
        return (ends[operator],)

    def _near(self, node: Compare) -> Pushed[Expression] | None:
        name = node.path.property.name
        geo = [each for each in self._collection.indexes if each.is_geo and each.names == (name,)]
        if not geo or not isinstance(node.path.type, Geo):
            return None
        near = node.operand
        lat = min(MAX_LATITUDE, max(-MAX_LATITUDE, near.point.lat))
        radius = None
        if near.maximum is not None:
            moved = abs(near.point.lat - lat) * 111_300
            radius = near.maximum * _EARTH * 1.000001 + moved + _SLACK
        return Pushed(Nearby(geo[0].name, longitude(near.point), lat, radius), is_exact=False)

    def all(self, items: Sequence[Expression]) -> Expression:
        spans: dict[str, Spans] = {}
        others: list[Expression] = []
        for item in _flat(items, Every):
            if not isinstance(item, Spans):
                others.append(item)
            elif item.name in spans:
                both = _common(spans[item.name].intervals, item.intervals)
                spans[item.name] = Spans(item.name, both)
            else:
                spans[item.name] = item
        found = (*spans.values(), *others)
        return found[0] if len(found) == 1 else Every(found)

    def any(self, items: Sequence[Expression]) -> Expression:
        flat = list(_flat(items, Some))
        names = {item.name if isinstance(item, Spans) else None for item in flat}
        if len(names) == 1 and None not in names:
            spans = [item for item in flat if isinstance(item, Spans)]
            return Spans(spans[0].name, _merged(each for one in spans for each in one.intervals))
        return Some(tuple(flat))

    def negate(self, item: Expression) -> Expression | None:
        if isinstance(item, Spans):
            return Spans(item.name, _without(item.intervals))
        if isinstance(item, Nearby):
            return None
        negated = [self.negate(each) for each in item.items]
        known = [each for each in negated if each is not None]
        if len(known) < len(negated):
            return None
        return self.any(known) if isinstance(item, Every) else self.all(known)


def _flat(items: Iterable[Expression], kind: type[Every | Some]) -> Iterable[Expression]:
    for item in items:
        if isinstance(item, kind):
            yield from item.items
        else:
            yield item


def _behind(text: str) -> str:
    """The end of the interval that has one part alone."""
    return text[:-1] + "\1"


def _point(text: str) -> Interval:
    return text, _behind(text)


def _beginning(prefix: str) -> tuple[Interval, ...]:
    """The interval of the texts that begin with another one."""
    end = successor(prefix)
    return ((f"={prefix}", VALUES[1] if end is None else f"={end}"),)


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    found: list[Interval] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        elif low < high:
            found.append((low, high))
    return tuple(found)


def _common(some: Sequence[Interval], others: Sequence[Interval]) -> tuple[Interval, ...]:
    pairs = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return _merged(pair for pair in pairs if pair[0] < pair[1])


def _without(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """Every parts but those of some intervals, those of missing values among them."""
    found = []
    start = ALL[0]
    for low, high in intervals:
        if start < low:
            found.append((start, low))
        start = high
    if start < ALL[1]:
        found.append((start, ALL[1]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Range:
    """A part of one index.

    :ivar index: None for that of the ids.
    :ivar fixed: how many of its properties have one value each.
    :ivar intervals: of the entries, in order.
    """

    index: StoredIndex | None
    fixed: int
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked up.

    :ivar told: the same to the scripts.
    :ivar uses: the names of the indexes.
    :ivar is_whole: whether it has all that the expression says, so that nothing is left to check.
    :ivar range: the part of one index that it is, where it is no more.
    """

    told: dict[str, Any]
    uses: tuple[str, ...]
    is_whole: bool
    range: Range | None = None


def plan_of(collection: Collection, expression: Expression) -> Plan | None:
    """The look-ups for an expression, or None where no index has them."""
    if isinstance(expression, Some):
        plans = [plan_of(collection, each) for each in expression.items]
        known = [each for each in plans if each is not None]
        return None if len(known) < len(plans) else _joined("any", known)
    items = expression.items if isinstance(expression, Every) else (expression,)
    spans = {each.name: each for each in items if isinstance(each, Spans)}
    plans_of_parts = _ranges(collection, spans)
    covered = sum(len(names) for names, _ in plans_of_parts) == len(spans)
    found = [plan for _, plan in plans_of_parts]
    for each in items:
        if not isinstance(each, Spans):
            plan = plan_of_near(each) if isinstance(each, Nearby) else plan_of(collection, each)
            covered = covered and plan is not None
            if plan is not None:
                found.append(plan)
    if not found:
        return None
    joined = found[0] if len(found) == 1 else _joined("all", found)
    return joined if covered else Plan(joined.told, joined.uses, False, joined.range)


def plan_of_near(near: Nearby, nearest: int | None = None) -> Plan:
    """The look-up of points.

    :param nearest: how many of the nearest ones are wanted, where that is all.
    """
    told = {
        "kind": "near",
        "index": near.index[1:],
        "lng": near.lng,
        "lat": near.lat,
        "radius": near.radius,
    }
    if nearest is not None:
        told["nearest"] = nearest
    return Plan(told, (near.index,), is_whole=True)


def _joined(kind: str, plans: Sequence[Plan]) -> Plan:
    return Plan(
        {"kind": kind, "plans": [each.told for each in plans]},
        tuple(dict.fromkeys(name for each in plans for name in each.uses)),
        all(each.is_whole for each in plans),
    )


def _ranges(collection: Collection, spans: dict[str, Spans]) -> list[tuple[set[str], Plan]]:
    """Look-ups that have as many of the properties as there are indexes for, each once."""
    found = []
    left = dict(spans)
    while left:
        ways = [
            _range(index, names, left)
            for index, names in (
                (None, collection.id_names),
                *((each, each.names) for each in collection.indexes if not each.is_geo),
            )
        ]
        names, best = max(ways, key=lambda way: len(way[0]))
        if not names or best is None:
            break
        found.append((names, range_plan(best)))
        for name in names:
            del left[name]
    return found


def _range(
    index: StoredIndex | None, names: Sequence[str], spans: dict[str, Spans]
) -> tuple[set[str], Range | None]:
    """The part of an index that has some properties' values: several fixed ones, then a range."""
    prefix = ""
    used: set[str] = set()
    for place, name in enumerate(names):
        given = spans.get(name)
        if given is None:
            break
        used.add(name)
        point = given.point
        if point is None:
            intervals = tuple((prefix + low, prefix + high) for low, high in given.intervals)
            return used, Range(index, place, intervals)
        prefix += point
    if not used:
        return used, None
    return used, Range(index, len(used), (_point(prefix),))


def range_plan(range: Range) -> Plan:
    """The look-up of a part of an index."""
    told = {
        "kind": "range",
        "index": "" if range.index is None else range.index.name,
        "spans": [[f"[{low}", f"({high}"] for low, high in range.intervals],
    }
    return Plan(told, uses_of(range), is_whole=True, range=range)


def uses_of(range: Range) -> tuple[str, ...]:
    return () if range.index is None else (range.index.name,)


def walk_of(collection: Collection, filter: Filter, plan: Plan | None) -> tuple[Range, Any] | None:
    """The part of an index that has the records of a filter in its order.

    :param plan: what the where narrows the records down to, or None for all.
    :returns: the part and its spans in the order in which they are walked, each with its way; None
        where no index has the order.
    """
    if filter.near is not None or any(each.links or each.path.keys for each in filter.order):
        return None
    if plan is not None:
        return None if plan.range is None else _walk(collection, filter, plan.range)
    first = filter.order[0].path.property.name if filter.order else None
    for index, names in (
        (None, collection.id_names),
        *((each, each.names) for each in collection.indexes if not each.is_geo),
    ):
        if names and names[0] == first:
            found = _walk(collection, filter, Range(index, 0, (ALL,)))
            if found is not None:
                return found
    return None if filter.order else (Range(None, 0, (ALL,)), [_up(ALL)])


def _walk(collection: Collection, filter: Filter, range: Range) -> tuple[Range, Any] | None:
    names = collection.id_names if range.index is None else range.index.names
    fixed = names[: range.fixed]
    values = names[range.fixed :]
    ids = () if range.index is None else collection.id_names
    keys = [each for each in filter.order if each.path.property.name not in fixed]
    wanted = [each.path.property.name for each in keys]
    has = [name for name in (*values, *ids) if name not in fixed]
    if wanted[: len(has)] != has[: len(wanted)] or len(wanted) < len(has):
        return None
    if not all(is_ordered(collection.definition.properties[name].type) for name in has):
        return None
    directions = [each.descending for each in keys[: len(has)]]
    if not any(directions):
        return range, [_up(each) for each in range.intervals]
    if not values or range.index is None:
        return (
            (range, [_down(each) for each in reversed(range.intervals)])
            if all(directions)
            else None
        )
    # A missing value comes last in both directions, so that only the last one may be reversed.
    if len(values) > 1 or not directions[0] or len(set(directions[1:])) > 1:
        return None
    way = _down if all(directions[1:]) and len(directions) > 1 else _backwards
    return range, _nulls_last(range, collection, way)


def _nulls_last(range: Range, collection: Collection, way: Any) -> list[list[str]]:
    intervals = range.intervals
    prefix = _prefix(range)
    present = _common(intervals, [(prefix + ALL[0], prefix + VALUES[1])])
    missing = _common(intervals, [(prefix + NULLS[0], prefix + NULLS[1])])
    return [way(each) for each in (*reversed(present), *missing)]


def _prefix(range: Range) -> str:
    """What all entries of a part of an index begin with: the values that are fixed."""
    text = range.intervals[0][0] if range.intervals else ""
    parts = text.split("\0")[: range.fixed]
    return "".join(f"{each}\0" for each in parts)


def _up(interval: Interval) -> list[str]:
    return [f"[{interval[0]}", f"({interval[1]}", "up"]


def _down(interval: Interval) -> list[str]:
    return [f"[{interval[0]}", f"({interval[1]}", "down"]


def _backwards(interval: Interval) -> list[str]:
    return [f"[{interval[0]}", f"({interval[1]}", "backwards"]
