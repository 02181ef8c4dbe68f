"""The key-value protocol: what a backend does for models that are keys and their values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from ..query.nodes import Pattern
from ..query.patterns import like_prefix, searcher
from .scanning import MAX_SCAN

__all__ = ["ENDLESS", "Glob", "KeyValueStore"]

#: What :meth:`KeyValueStore.ttl` gives of a key that stays until it is deleted.
ENDLESS = -1

_LIKE = {"*": "%", "?": "_"}


class Glob:
    """Which keys are meant: ``*`` is any text and ``?`` one character.

    A backslash takes the special meaning from the character behind it.

    :param text: the pattern.
    :raises BadPattern: where it is too long.

    :ivar head: the text that each key that is meant begins with.
    :ivar matches: says whether a key is meant.
    """

    def __init__(self, text: str) -> None:
        like = "".join(_as_like(text))
        self.text = text
        self.head = like_prefix(like)
        self.matches: Callable[[str], bool] = searcher("like", Pattern(like))

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"


def _as_like(text: str) -> Iterator[str]:
    """The parts of a pattern for ``like`` that means the same."""
    characters = iter(text)
    for character in characters:
        if character in _LIKE:
            yield _LIKE[character]
        else:
            plain = next(characters, "\\") if character == "\\" else character
            yield f"\\{plain}" if plain in "%_\\" else plain


class KeyValueStore(ABC):
    """The keys of one model and their values. It is safe to use from several threads.

    Keys are texts; values are JSON, and none is null; a time to live is a whole number of
    milliseconds from 1.
    """

    #: How many keys may be given at once.
    max_scan: int = MAX_SCAN
    #: The longest key, in characters.
    max_key: ClassVar[int] = 1024

    @abstractmethod
    def get(self, key: str) -> Any:
        """The value of a key; None where there is none."""

    @abstractmethod
    def set(self, key: str, value: Any, ttl: int | None) -> None:
        """Keep a value under a key, in the place of what was there and of when that would end.

        :param ttl: for how long; None for ever.
        """

    @abstractmethod
    def expire(self, key: str, ttl: int) -> bool:
        """Say for how long a key is there from now on, and give whether it is there."""

    @abstractmethod
    def ttl(self, key: str) -> int | None:
        """For how many milliseconds a key is still there.

        :returns: :data:`ENDLESS` where it stays; None where there is none.
        """

    @abstractmethod
    def keys(self, match: Glob | None = None) -> Iterator[str]:
        """The keys, each once and in any order; those that are meant, where a pattern is given."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Delete a key, and give whether it was there."""

    @abstractmethod
    def delete_all(self) -> int:
        """Delete all keys of the model, and give how many they were."""
