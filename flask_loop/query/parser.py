"""From what callers write to the normal form: dicts, JSON, query strings, expressions.

Nothing that means nothing is passed over: an unknown property, operator or filter key, a value of
the wrong type, a list that is too long is a :class:`~flask_loop.errors.FilterError` that names the
path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..definition import Link, ModelDefinition, RelationDefinition, nearest
from ..definition.relation import BELONGS_TO, HAS_ONE
from ..errors import DefinitionError, FilterError
from ..types import AnyValue
from .bounds import UNBOUNDED, Bounds
from .expressions import WhereExpression
from .includes import IncludeParser, with_keys
from .nodes import EVERYTHING, Compare, Filter, Include, Order, Path, Where, both, conjuncts
from .paths import PathFinder
from .related import where_parser
from .text import is_nothing, parse_json
from .where import flag

FILTER_KEYS = ("where", "order", "limit", "skip", "offset", "fields", "include")


#: How many orders are kept as they were parsed; most callers ask for a few.
_KEPT_ORDERS = 100


class FilterParser:
    """Parses the filters of one model.

    :param definition: the model.
    :param remote: whether the caller is remote, and so may use wire names only and must not
        filter or order by properties it cannot read.
    :param bounds: how much a filter may ask for.
    :param nested: whether the records come inside others, where a remote caller does not see
        protected properties.

    :ivar all: the filter that takes every record.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        *,
        remote: bool = False,
        bounds: Bounds = UNBOUNDED,
        nested: bool = False,
    ) -> None:
        self.definition = definition
        self.remote = remote
        self.bounds = bounds
        self.paths = PathFinder(definition, remote=remote, nested=nested, bounds=bounds)
        self._inside: dict[ModelDefinition, FilterParser] = {}
        self._orders: dict[str, tuple[Order, ...]] = {}
        self._named: dict[str, tuple[Include, ModelDefinition]] = {}
        self._id_order = tuple(Order(Path(each, (), each.type)) for each in definition.ids)
        self.all = Filter(order=self._id_order)

    def filter(self, given: Any) -> Filter:
        """Parse a whole filter.

        :param given: a mapping, or its JSON text.
        :raises FilterError: naming the path of what means nothing.
        """
        given = self.mapping("filter", given)
        include = given.get("include")
        if is_nothing(include):
            return self.plain(given)
        return with_keys(self.definition, self.plain(given, self._included(include)))

    def _included(self, given: Any) -> tuple[Include, ...]:
        """Parse what a filter includes. A relation that is only named is parsed once."""
        known = self._named.get(given) if isinstance(given, str) else None
        if known is not None:
            include, target = known
            self.paths.check(include.relation, target, "include")
            return (include,)
        parser = IncludeParser(self.bounds)
        included = parser.parse(self, [(given, "include")], self.bounds.include_depth)
        if isinstance(given, str) and len(included) == 1:
            relation = included[0].relation
            if given == relation.wire and relation.target is not None:
                self._named[given] = included[0], relation.target
        return included

    def plain(self, given: Mapping[str, Any], include: tuple[Include, ...] = ()) -> Filter:
        """Parse a filter without its includes.

        :param include: they, parsed already.
        """
        self._refuse_unknown_keys(given)
        where = self.where(given.get("where"))
        order = self._order(given.get("order"))
        offset, skip = self._count("offset", given), self._count("skip", given)
        return Filter(
            where=where,
            order=order + self._ties(order),
            limit=self._limit(given),
            skip=(offset if skip is None else skip) or 0,
            fields=self.fields(given.get("fields")),
            near=None if order else _nearest_first(where),
            include=include,
            is_ordered=bool(order),
        )

    def check(self, given: Mapping[str, Any]) -> None:
        """Check of a filter what holds on every model.

        :raises FilterError: naming the path of what means nothing.
        """
        self._refuse_unknown_keys(given)
        self._limit(given)
        self._count("offset", given)
        self._count("skip", given)

    def inside(
        self, relation: RelationDefinition, at: str, target: ModelDefinition
    ) -> FilterParser:
        """The parser for the filters of related records.

        :param at: where the relation is named, for the error.
        :param target: the model that it leads to.
        :raises FilterError: where the caller must not follow it.
        """
        self.paths.check(relation, target, at)
        parser = self._inside.get(target)
        if parser is None:
            parser = FilterParser(target, remote=self.remote, bounds=self.bounds, nested=True)
            self._inside[target] = parser
        return parser

    def trusted(self) -> FilterParser:
        """The parser for the filters that Python writes of the same model."""
        return FilterParser(self.definition)

    def _refuse_unknown_keys(self, given: Mapping[str, Any]) -> None:
        for key in given:
            if key not in FILTER_KEYS:
                hint = nearest(str(key), FILTER_KEYS)
                raise FilterError(str(key), f"is not a key of a filter{hint}")

    def where(self, given: Any) -> Where:
        """Parse a where alone.

        :param given: a mapping, its JSON text, an expression, or None for every record.
        :raises FilterError: naming the path of what means nothing.
        """
        if isinstance(given, WhereExpression):
            given = given.tree
        given = self.mapping("where", given)
        if not given:
            return EVERYTHING
        parser = where_parser(self.paths, self.bounds)
        return parser.parse(given, "where", self.bounds.depth)

    def fields(self, given: Any) -> tuple[str, ...] | None:
        """Parse ``fields``: a name, a list of names, or a mapping of names to booleans."""
        if isinstance(given, str) and given.startswith(("[", "{")):
            given = parse_json("fields", given)
        if is_nothing(given):
            return None
        if isinstance(given, str):
            given = [given]
        find = self.paths.property
        if isinstance(given, Mapping):
            flags = {
                find(name, f"fields.{name}").name: flag(f"fields.{name}", value)
                for name, value in given.items()
            }
            kept = {name for name, value in flags.items() if value}
            wanted = kept or self.definition.properties.keys() - flags.keys()
        elif isinstance(given, list | tuple):
            wanted = {find(name, f"fields.{index}").name for index, name in enumerate(given)}
        else:
            raise FilterError("fields", "is neither a name, a list of names nor an object")
        return tuple(name for name in self.definition.properties if name in wanted)

    def _order(self, given: Any) -> tuple[Order, ...]:
        if given is None or (isinstance(given, str) and not given):
            return ()
        known = self._orders.get(given) if isinstance(given, str) else None
        if known is not None:
            return known
        written = given
        if isinstance(given, str) and given.startswith("["):
            given = parse_json("order", given)
        if isinstance(given, str):
            given = given.split(",")
        if not isinstance(given, list | tuple):
            raise FilterError("order", "is neither text nor a list")
        keys = [part for item in given for part in self._order_parts(item)]
        if len(keys) > self.bounds.conditions:
            raise FilterError("order", f"has more than {self.bounds.conditions} keys")
        order = tuple(self._order_key(index, key) for index, key in enumerate(keys))
        # Which relations a caller may follow is asked each time.
        is_own = isinstance(written, str) and not any(key.links for key in order)
        if is_own and len(self._orders) < _KEPT_ORDERS:
            self._orders[written] = order
        return order

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
        path, links = self._order_path(words[0], at)
        if not (path.type.ordered or isinstance(path.type, AnyValue)):
            raise FilterError(at, f"cannot be ordered by: it is a {path.type.name}")
        return Order(path, direction == "DESC", links)

    def _order_path(self, name: str, at: str) -> tuple[Path, tuple[Link, ...]]:
        if not self.definition.relations:
            return self.paths.path(name, at), ()
        reach = self.paths.reach(name, at, self.bounds.depth)
        if reach.path is None:
            raise FilterError(at, f'is a relation: write a property of it, as "{name}.…"')
        for relation in reach.relations:
            if relation.target is not None and not self._shows_all(relation, relation.target):
                raise FilterError(at, "cannot be ordered by: not all of the records are for you")
        return reach.path, tuple(link for each in reach.relations for link in _one(each, at))

    def _shows_all(self, relation: RelationDefinition, target: ModelDefinition) -> bool:
        if relation.is_embedded:
            return True
        rows = both(self.bounds.rows(target.model, "find"), self.bounds.between(relation))
        return rows == EVERYTHING

    def _ties(self, order: tuple[Order, ...]) -> tuple[Order, ...]:
        if not order:
            return self._id_order
        named = {key.path.property.name for key in order if not (key.path.keys or key.links)}
        return tuple(key for key in self._id_order if key.path.property.name not in named)

    def _limit(self, given: Mapping[str, Any]) -> int | None:
        limit = self._count("limit", given)
        bound = self.bounds.limit
        if limit is not None and bound is not None and limit > bound:
            raise FilterError("limit", f"is more than {bound}")
        return limit

    def _count(self, key: str, filter: Mapping[str, Any]) -> int | None:
        given = filter.get(key)
        if given is None or given == "":
            return None
        if isinstance(given, str) and given.isdecimal() and given.isascii() and len(given) < 19:
            given = int(given)
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < 2**63:
            raise FilterError(key, f"is not a whole number from 0: {given!r}")
        return given

    def mapping(self, at: str, given: Any) -> Mapping[str, Any]:
        """A mapping, or what its JSON text says.

        :param at: where it stands, for the error.
        :raises FilterError: where it is none.
        """
        if isinstance(given, Mapping):
            return given
        if given is None or (isinstance(given, str) and not given):
            return {}
        if isinstance(given, str | bytes):
            return self.mapping(at, parse_json(at, given))
        raise FilterError(at, "is not an object")


def _one(relation: RelationDefinition, at: str) -> tuple[Link, ...]:
    """The links to the one record that a relation leads to, by which others can be ordered."""
    if relation.kind not in (BELONGS_TO, HAS_ONE):
        raise FilterError(at, f"cannot be ordered by: {relation.wire} may lead to many records")
    if relation.fixed or (relation.options.scope or {}).get("where"):
        raise FilterError(at, f"cannot be ordered by: {relation.wire} has a scope")
    return relation.links


def _nearest_first(where: Where) -> Compare | None:
    for part in conjuncts(where):
        if isinstance(part, Compare) and part.operator == "near":
            return part
    return None


def relation_filter(
    relation: RelationDefinition, definition: ModelDefinition | None = None
) -> Filter:
    """What every use of a relation is narrowed by: its scope and its fixed values, as a filter.

    :param definition: the model that it leads to, where that differs from record to record.
    :raises DefinitionError: where the scope means nothing, or leads to no one model.
    """
    target = definition or relation.target
    if target is None:
        raise DefinitionError(f"{relation!r} leads to records of several models")
    own = IncludeParser(UNBOUNDED).own_scope(
        FilterParser(target), relation, UNBOUNDED.include_depth
    )
    return with_keys(target, own)
