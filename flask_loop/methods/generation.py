"""Generation: how what was compiled from registrations learns that there are new ones."""

from __future__ import annotations

from typing import Any, ClassVar


class Generation:
    """Counts what is registered anywhere: methods, hooks, observers, switches.

    What was compiled at one number is old at the next.
    """

    number: ClassVar[int] = 0

    @classmethod
    def advance(cls, *_: Any, **__: Any) -> None:
        """Say that something was registered. It takes whatever a signal sends, and needs none."""
        cls.number += 1
