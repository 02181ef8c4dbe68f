"""From what callers write to the normal form: dicts, JSON, query strings, expressions.

Nothing that means nothing is passed over: an unknown property, operator or filter key, a value of
the wrong type, a list that is too long is a :class:`~flask_loop.errors.FilterError` that names the
path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..definition import ModelDefinition, nearest
from ..errors import FilterError
from ..types import AnyValue
from .bounds import UNBOUNDED, Bounds
from .expressions import WhereExpression
from .nodes import EVERYTHING, Compare, Filter, Order, Path, Where, conjuncts
from .paths import PathFinder
from .where import WhereParser, flag

FILTER_KEYS = ("where", "order", "limit", "skip", "offset", "fields", "include")
_LONG_INTEGER = re.compile(r"\d{19}")


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
        self._paths = PathFinder(definition, remote=remote)
        self._id_order = tuple(Order(Path(each, (), each.type)) for each in definition.ids)

    def filter(self, given: Any) -> Filter:
        """Parse a whole filter.

        :param given: a mapping, or its JSON text.
        :raises FilterError: naming the path of what means nothing.
        """
        given = self._mapping("filter", given)
        for key in given:
            if key not in FILTER_KEYS:
                hint = nearest(str(key), FILTER_KEYS)
                raise FilterError(str(key), f"is not a key of a filter{hint}")
        if given.get("include") not in (None, [], {}, ""):
            raise FilterError("include", "names a relation, and the model has none")
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
        parser = WhereParser(self._paths, self.bounds)
        return parser.parse(given, "where", self.bounds.depth)

    def fields(self, given: Any) -> tuple[str, ...] | None:
        """Parse ``fields``: a name, a list of names, or a mapping of names to booleans."""
        if isinstance(given, str) and given.startswith(("[", "{")):
            given = _json("fields", given)
        if given is None or (isinstance(given, str | list | tuple | Mapping) and not given):
            return None
        if isinstance(given, str):
            given = [given]
        find = self._paths.property
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
        path = self._paths.path(words[0], at)
        if not (path.type.ordered or isinstance(path.type, AnyValue)):
            raise FilterError(at, f"cannot be ordered by: it is a {path.type.name}")
        return Order(path, direction == "DESC")

    def _ties(self, order: tuple[Order, ...]) -> tuple[Order, ...]:
        if not order:
            return self._id_order
        named = {key.path.property.name for key in order if not key.path.keys}
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

    def _mapping(self, at: str, given: Any) -> Mapping[str, Any]:
        if isinstance(given, Mapping):
            return given
        if given is None or given == "":
            return {}
        if isinstance(given, str | bytes):
            return self._mapping(at, _json(at, given))
        raise FilterError(at, "is not an object")


def _nearest_first(where: Where) -> Compare | None:
    for part in conjuncts(where):
        if isinstance(part, Compare) and part.operator == "near":
            return part
    return None


def _json(at: str, text: str | bytes) -> Any:
    try:
        text = text.decode() if isinstance(text, bytes) else text
        if _LONG_INTEGER.search(text):
            # orjson gives the nearest float of an integer past 64 bits.
            return json.loads(text, parse_constant=_refuse_constant)
        return orjson.loads(text)
    except (ValueError, RecursionError) as error:
        raise FilterError(at, f"is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
