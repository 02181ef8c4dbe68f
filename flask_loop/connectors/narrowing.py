"""Narrowing: which part of a where a backend answers, and which is left for Python.

A connector says of one comparison what its backend makes of it, exactly or wider, and this does
the rest: what is wider, or cannot be said at all, is looked at again in Python.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ..query import And, Compare, Inside, Not, Or, Related, Where, conjuncts

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Pushed(Generic[E]):
    """What a backend makes of a condition.

    :ivar expression: in the backend's own form.
    :ivar is_exact: whether it holds for exactly the records that the condition holds for; where
        not, for others too, never for fewer.
    """

    expression: E
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Narrowed(Generic[E]):
    """A where in two parts, both of which must hold.

    :ivar expression: the backend's part, or None where that is every record.
    :ivar rest: Python's part, or None where there is nothing left to look at.
    :ivar is_nothing: whether no record can match, so that nobody has to be asked.
    """

    expression: E | None = None
    rest: Where | None = None
    is_nothing: bool = False


class _Known(enum.Enum):
    """What is known of a condition that has no expression."""

    EVERYTHING = "every record matches"
    NOTHING = "no record matches"
    UNKNOWN = "the backend cannot tell"


_State: TypeAlias = Pushed[E] | _Known


class Narrowing(ABC, Generic[E]):
    """Makes expressions of a backend from wheres, as far as it has them."""

    @abstractmethod
    def compare(self, node: Compare) -> Pushed[E] | None:
        """What the backend makes of a comparison, or None where it has nothing for it."""

    def inside(self, node: Inside) -> Pushed[E] | None:
        """What it makes of a condition on embedded records, likewise."""
        return None

    @abstractmethod
    def all(self, items: Sequence[E]) -> E:
        """The expression that holds where all of these do; there are two at least."""

    @abstractmethod
    def any(self, items: Sequence[E]) -> E:
        """The expression that holds where one of these does; there are two at least."""

    def negate(self, item: E) -> E | None:
        """The expression that holds exactly where this one does not; None where there is none."""
        return None

    def narrow(self, where: Where) -> Narrowed[E]:
        """Take a where apart into the backend's part and Python's."""
        pushed: list[Pushed[E]] = []
        rest: list[Where] = []
        for part in conjuncts(where):
            state = self._state(part)
            if state is _Known.NOTHING:
                return Narrowed(is_nothing=True)
            if isinstance(state, Pushed):
                pushed.append(state)
            if not _is_exact(state):
                rest.append(part)
        return Narrowed(
            _joined(pushed, self.all) if pushed else None,
            None if not rest else rest[0] if len(rest) == 1 else And(tuple(rest)),
        )

    def _state(self, where: Where) -> _State[E]:
        if isinstance(where, And):
            return self._state_of_all([self._state(each) for each in where.items])
        if isinstance(where, Or):
            return self._state_of_any([self._state(each) for each in where.items])
        if isinstance(where, Not):
            return self._state_of_not(self._state(where.item))
        if isinstance(where, Related):
            return _Known.UNKNOWN
        pushed = self.inside(where) if isinstance(where, Inside) else self.compare(where)
        return _Known.UNKNOWN if pushed is None else pushed

    def _state_of_all(self, states: Sequence[_State[E]]) -> _State[E]:
        if any(each is _Known.NOTHING for each in states):
            return _Known.NOTHING
        is_exact = all(map(_is_exact, states))
        pushed = [each for each in states if isinstance(each, Pushed)]
        if not pushed:
            return _Known.EVERYTHING if is_exact else _Known.UNKNOWN
        return Pushed(_joined(pushed, self.all), is_exact)

    def _state_of_any(self, states: Sequence[_State[E]]) -> _State[E]:
        for known in (_Known.EVERYTHING, _Known.UNKNOWN):
            if any(each is known for each in states):
                return known
        pushed = [each for each in states if isinstance(each, Pushed)]
        if not pushed:
            return _Known.NOTHING
        return Pushed(_joined(pushed, self.any), all(map(_is_exact, pushed)))

    def _state_of_not(self, state: _State[E]) -> _State[E]:
        if state is _Known.NOTHING:
            return _Known.EVERYTHING
        if state is _Known.EVERYTHING:
            return _Known.NOTHING
        if not (isinstance(state, Pushed) and state.is_exact):
            return _Known.UNKNOWN
        negated = self.negate(state.expression)
        return _Known.UNKNOWN if negated is None else Pushed(negated)


def _is_exact(state: _State[E]) -> bool:
    return state.is_exact if isinstance(state, Pushed) else state is not _Known.UNKNOWN


def _joined(pushed: Sequence[Pushed[E]], join: Callable[[Sequence[E]], E]) -> E:
    return pushed[0].expression if len(pushed) == 1 else join([each.expression for each in pushed])


def comparisons(where: Where) -> list[str]:
    """The comparisons in a where, as messages and ``explain`` name them: ``tags.0 eq``."""
    if isinstance(where, Compare):
        return [f"{_place(where)} {where.operator}"]
    if isinstance(where, Related):
        model = where.link.definition.name
        return [f"{model}.{name}" for name in comparisons(where.where)] or [model]
    if isinstance(where, Inside):
        return [f"{_place(where)}.{name}" for name in comparisons(where.where)] or [_place(where)]
    items = (where.item,) if isinstance(where, Not) else where.items
    return [name for item in items for name in comparisons(item)]


def _place(node: Compare | Inside) -> str:
    return ".".join((node.path.property.name, *node.path.keys))
