"""Typed expressions: ``Product.unit_price > 20`` is a where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from ..geo import GeoPointLike

T = TypeVar("T")


class WhereExpression:
    """A where that was written as an expression; ``&``, ``|`` and ``~`` combine them.

    :ivar tree: the same where as a dict.
    """

    __slots__ = ("tree",)

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree

    def __and__(self, other: WhereExpression) -> WhereExpression:
        return self._joined("and", other)

    def __or__(self, other: WhereExpression) -> WhereExpression:
        return self._joined("or", other)

    def __invert__(self) -> WhereExpression:
        return WhereExpression({"nor": [self.tree]})

    def __bool__(self) -> bool:
        raise TypeError(
            "a where has no truth value: write (a < P.x) & (P.x < b), not a < P.x < b, "
            "and & | ~ for and or not"
        )

    def __repr__(self) -> str:
        return f"where({self.tree!r})"

    def _joined(self, logic: str, other: WhereExpression) -> WhereExpression:
        """Both, on one level where they are joined alike, so that long chains stay flat."""
        parts = [*_parts(logic, self.tree), *_parts(logic, _tree(other))]
        return WhereExpression({logic: parts})


def _parts(logic: str, tree: dict[str, Any]) -> list[dict[str, Any]]:
    return tree[logic] if tree.keys() == {logic} else [tree]


def _tree(other: WhereExpression) -> dict[str, Any]:
    if not isinstance(other, WhereExpression):
        raise TypeError(f"{other!r} is no where; comparisons need parentheses beside & and |")
    return other.tree


class PropertyExpression(Generic[T]):
    """A property of a model in an expression.

    ::

        Product.find(where=(Product.unit_price > 20) & Product.name.like("A%"))
    """

    __slots__ = ("name",)
    __hash__ = None  # type: ignore[assignment]
    # Without these, Python would ask __getitem__ for 0, 1, 2 and so on, without end.
    __iter__ = None
    __contains__ = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<property {self.name}>"

    def _where(self, operator: str, operand: Any, **more: Any) -> WhereExpression:
        given = {key: value for key, value in more.items() if value is not None}
        return WhereExpression({self.name: {operator: operand, **given}})

    def __getitem__(self, key: str | int) -> PropertyExpression[Any]:
        """The place ``key`` inside an object: ``Product.meta["size"] > 3``.

        :param key: a key of the object, or the index of an item of a list.
        :raises ValueError: where the key is empty or has a dot, which filters cannot write.
        """
        name = str(key)
        if not name or "." in name:
            raise ValueError(f"a filter cannot lead to the key {key!r}")
        return PropertyExpression(f"{self.name}.{name}")

    def __eq__(self, other: T) -> WhereExpression:  # type: ignore[override]
        return self._where("eq", other)

    def __ne__(self, other: T) -> WhereExpression:  # type: ignore[override]
        return self._where("neq", other)

    def __gt__(self, other: T) -> WhereExpression:
        return self._where("gt", other)

    def __ge__(self, other: T) -> WhereExpression:
        return self._where("gte", other)

    def __lt__(self, other: T) -> WhereExpression:
        return self._where("lt", other)

    def __le__(self, other: T) -> WhereExpression:
        return self._where("lte", other)

    def between(self, low: T, high: T) -> WhereExpression:
        """Whether the value is at least ``low`` and at most ``high``."""
        return self._where("between", [low, high])

    def in_(self, values: Iterable[T]) -> WhereExpression:
        """Whether the value is one of ``values``."""
        return self._where("inq", list(values))

    def not_in(self, values: Iterable[T]) -> WhereExpression:
        """Whether the value is none of ``values``."""
        return self._where("nin", list(values))

    def like(self, pattern: str) -> WhereExpression:
        """Whether the whole text matches; ``%`` is any text, ``_`` one character."""
        return self._where("like", pattern)

    def ilike(self, pattern: str) -> WhereExpression:
        """Like :meth:`like`, whatever the case."""
        return self._where("ilike", pattern)

    def regexp(self, pattern: str) -> WhereExpression:
        """Whether the regular expression (RE2) is found in the text."""
        return self._where("regexp", pattern)

    def contains(self, item: Any) -> WhereExpression:
        """Whether the list has this item."""
        return self._where("inq", [item])

    def exists(self) -> WhereExpression:
        """Whether there is a value that is not null."""
        return self._where("exists", True)

    def near(
        self,
        point: GeoPointLike,
        *,
        max_distance: float | None = None,
        min_distance: float | None = None,
        unit: str | None = None,
    ) -> WhereExpression:
        """Whether the point is near; the nearest records come first.

        :param point: anything that :class:`~flask_loop.geo.GeoPoint` takes.
        :param max_distance: the greatest distance, in ``unit``.
        :param min_distance: the least distance, in ``unit``.
        :param unit: ``miles`` (the default), ``kilometers``, ``meters``, ``feet``, ``radians`` or
            ``degrees``.
        """
        return self._where(
            "near", point, maxDistance=max_distance, minDistance=min_distance, unit=unit
        )
