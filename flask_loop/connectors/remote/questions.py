"""Questions: what the other app is asked of a where, in requests that are not too large for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson

from ...query import And, Compare, Or, Where, conjuncts
from ..narrowing import Narrowed
from .filters import LOGIC, JsonWhere, WhereWriter
from .limits import Limits

#: What need not be escaped in a query, beside letters and digits.
_SAFE = "!$'()*,-./:;?@_~"
#: Characters that the rest of a filter may have in a URL, beside the where.
_RESERVED = 400


def encoded(value: Any) -> str:
    """A value as the JSON text of an argument in a query."""
    return quote(orjson.dumps(value), safe=_SAFE)


@dataclass(frozen=True, slots=True)
class Question:
    """What the other app is asked, and what is left for Python.

    :ivar wheres: each is asked by itself, and a record matches where one of them holds; None is
        every record.
    :ivar rest: what Python looks at afterwards, or None where there is nothing left.
    :ivar is_nothing: whether no record can match, so that nobody has to be asked.
    """

    wheres: tuple[JsonWhere | None, ...] = (None,)
    rest: Where | None = None
    is_nothing: bool = False

    @property
    def is_one(self) -> bool:
        """Whether the other app answers alone, at once."""
        return self.rest is None and len(self.wheres) == 1


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the conditions that must all hold, and what the other app is asked for it."""

    where: Where
    narrowed: Narrowed[JsonWhere]
    size: int

    @property
    def written(self) -> Sequence[JsonWhere]:
        """What is asked, if anything is."""
        return () if self.narrowed.expression is None else (self.narrowed.expression,)


class Questioner:
    """Makes questions of the wheres of one model.

    :param writer: writes what can be asked.
    :param limits: how much may be asked at once.
    :param path: of the model at the other app, which the URL begins with.
    """

    def __init__(self, writer: WhereWriter, limits: Limits, path: str) -> None:
        self._writer = writer
        self._limits = limits
        self._path_size = len(path)

    def ask(self, where: Where) -> Question:
        """What is asked for a where.

        A list of values, or of alternatives, that is too long becomes several wheres. Another
        condition that is too large is left to Python.
        """
        narrowed = self._writer.narrow(where)
        if narrowed.is_nothing:
            return Question((), None, is_nothing=True)
        if self._fits(narrowed.expression):
            return Question((narrowed.expression,), narrowed.rest)
        return self._ask_less([self._part(each) for each in conjuncts(where)])

    def whole(self, where: Where) -> JsonWhere | None:
        """What is asked for a where with something said of each of its conditions.

        :returns: None where one cannot be written, or all are too large together.
        """
        parts = [self._part(each) for each in conjuncts(where)]
        if not all(each.written for each in parts):
            return None
        asked = self._joined([expression for each in parts for expression in each.written])
        return asked if self._fits(asked) else None

    def _ask_less(self, parts: list[_Part]) -> Question:
        """What is asked for conditions that are too large together: less, or in several wheres."""
        left: list[Where] = [each.narrowed.rest for each in parts if each.narrowed.rest is not None]
        asked = sorted((each for each in parts if each.size), key=lambda part: -part.size)
        while asked:
            for part in asked:
                wheres = self._split(part, [each for each in asked if each is not part])
                if wheres is not None:
                    return Question(tuple(wheres), _all(left))
            largest = asked.pop(0)
            if largest.narrowed.rest is None:
                left.append(largest.where)
            whole = self._joined([expression for each in asked for expression in each.written])
            if self._fits(whole):
                return Question((whole,), _all(left))
        return Question((None,), _all(left))

    def _part(self, where: Where) -> _Part:
        narrowed = self._writer.narrow(where)
        size = 0 if narrowed.expression is None else len(encoded(narrowed.expression))
        return _Part(where, narrowed, size)

    def _split(self, part: _Part, others: Sequence[_Part]) -> list[JsonWhere | None] | None:
        """The wheres that hold for a part of the values, or of the alternatives, each.

        :returns: None where there are none, or what has to be beside each is too large already.
        """
        alternatives = _alternatives(part.where)
        has_ids = bool(self._writer.definition.ids)  # by which a record is known again
        if part.narrowed.rest is not None or len(alternatives) < 2 or not has_ids:
            return None
        fixed = [expression for each in others for expression in each.written]
        if not self._fits(self._joined(fixed)):
            return None
        count = max(2, -(-part.size // max(1, self._room)))
        while True:
            pieces = map(self._writer.narrow, _pieces(part.where, alternatives, count))
            wheres = [
                self._joined([*fixed, piece.expression])
                for piece in pieces
                if piece.expression is not None
            ]
            if all(map(self._fits, wheres)):
                return wheres
            if count >= len(alternatives):
                return None
            count = min(len(alternatives), count + -(-count // 4))

    def _joined(self, expressions: Sequence[JsonWhere]) -> JsonWhere | None:
        if not expressions:
            return None
        return expressions[0] if len(expressions) == 1 else self._writer.all(expressions)

    @property
    def _room(self) -> int:
        return self._limits.url - self._path_size - _RESERVED

    def _fits(self, expression: JsonWhere | None) -> bool:
        if expression is None:
            return True
        return (
            longest_list_in(expression) <= self._limits.values
            and conditions_in(expression) <= self._limits.conditions
            and len(encoded(expression)) <= self._room
        )


def _alternatives(where: Where) -> Sequence[Any]:
    """What a where holds for one of, where that is what it says."""
    if isinstance(where, Compare) and where.operator == "inq":
        return tuple(where.operand)
    return where.items if isinstance(where, Or) else ()


def _pieces(where: Where, alternatives: Sequence[Any], count: int) -> Iterator[Where]:
    """The where for so many parts of its alternatives, all about as long."""
    size = -(-len(alternatives) // count)
    for start in range(0, len(alternatives), size):
        some = tuple(alternatives[start : start + size])
        yield replace(where, operand=some) if isinstance(where, Compare) else Or(some)


def _all(wheres: Sequence[Where]) -> Where | None:
    if not wheres:
        return None
    return wheres[0] if len(wheres) == 1 else And(tuple(wheres))


def conditions_in(expression: Any) -> int:
    """How many comparisons a where has."""
    if isinstance(expression, list):
        return sum(map(conditions_in, expression))
    count = 0
    for name, condition in expression.items():
        if name in LOGIC:
            count += conditions_in(condition)
        elif isinstance(condition, dict) and condition.keys() == {"some"}:
            count += 1 + conditions_in(condition["some"])
        else:
            count += 1
    return count


def longest_list_in(expression: Any) -> int:
    """The length of the longest list of values, or of alternatives, in a where."""
    longest = 0
    for name, condition in expression.items():
        if name in LOGIC:
            longest = max(len(condition), *map(longest_list_in, condition), longest)
        elif isinstance(condition, dict):
            inner = [each for key, each in condition.items() if key in _LISTS]
            longest = max(longest, *map(len, inner)) if inner else longest
            if "some" in condition:
                longest = max(longest, longest_list_in(condition["some"]))
    return longest


_LISTS = ("inq", "nin")
