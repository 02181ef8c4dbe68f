"""Switches: which methods remote callers have, by name or by pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..hooks import Pattern, own_of
from ..methods import Generation


class Switches:
    """What was said of methods, one after the other; what was said last holds.

    ``*`` alone means all methods, those of instances too, as in LoopBack's ``sharedMethods``.
    """

    def __init__(self) -> None:
        self._said: list[tuple[Pattern, bool]] = []

    @classmethod
    def of(cls, config: Mapping[str, bool]) -> Switches:
        """The switches of a configuration, in which a narrower pattern holds against a wider one.

        :param config: pattern → whether remote callers have the methods.
        :raises DefinitionError: where a pattern means nothing.
        """
        switches = cls()
        by_rank = sorted(config, key=lambda text: _pattern(text).rank, reverse=True)
        switches._said = [(_pattern(text), config[text]) for text in by_rank]
        return switches

    def __iter__(self) -> Iterator[Pattern]:
        return (pattern for pattern, _ in self._said)

    def turn(self, text: str, *, is_on: bool) -> None:
        """Say of the methods that a pattern means whether remote callers have them."""
        self._said.append((_pattern(text), is_on))
        Generation.advance()

    def decide(self, names: set[str]) -> bool | None:
        """Whether remote callers have a method, or None where nothing was said of it."""
        said = self.said_of(names)
        return None if said is None else said[1]

    def said_of(self, names: set[str]) -> tuple[Pattern, bool] | None:
        """What was said last of a method: the pattern that means it, and whether it is on."""
        said = (each for each in reversed(self._said) if each[0].matches(names))
        return next(said, None)


def _pattern(text: str) -> Pattern:
    return Pattern("**" if text == "*" else text)


class SwitchMethods:
    """The class methods that give remote callers methods of a model, or take them away.

    They hold against what the data source and the app's configuration say, and for models that
    derive from this one.
    """

    @classmethod
    def enable_remote(cls, *patterns: str) -> None:
        """Give remote callers methods.

        :param patterns: names in either spelling, or patterns as those of remote hooks; ``*`` alone
            means all.

        ::

            Product.disable_remote("*")
            Product.enable_remote("find", "find_by_id")
        """
        for pattern in patterns:
            own_of(cls, "__loop_switches__", Switches).turn(pattern, is_on=True)

    @classmethod
    def disable_remote(cls, *patterns: str) -> None:
        """Take methods from remote callers; in Python they stay.

        :param patterns: as in :meth:`enable_remote`.
        """
        for pattern in patterns:
            own_of(cls, "__loop_switches__", Switches).turn(pattern, is_on=False)
