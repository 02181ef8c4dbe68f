"""Text patterns: ``like``, ``ilike`` and ``regexp`` by RE2, whose time is linear in the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from .nodes import Pattern

#: The longest pattern, in characters.
MAX_PATTERN = 1000

_options = re2.Options()
_options.log_errors = False
_options.dot_nl = True
_options.never_nl = False


class BadPattern(ValueError):
    """A pattern that is too long or is no regular expression of RE2's syntax."""


@lru_cache(maxsize=512)
def searcher(operator: str, pattern: Pattern) -> Callable[[str], bool]:
    """A function that says whether a text matches.

    :param operator: ``like``, which matches the whole value, or ``regexp``, which searches.
    :param pattern: the pattern.
    :raises BadPattern: where it means nothing.
    """
    source = rf"\A{like_source(pattern.text)}\z" if operator == "like" else pattern.text
    flags = "(?i)" if pattern.ignore_case else ""
    if len(pattern.text) > MAX_PATTERN:
        raise BadPattern(f"is longer than {MAX_PATTERN} characters")
    try:
        compiled = re2.compile(flags + source, _options)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown"
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise BadPattern(f"is not a regular expression: {reason}") from None
    search = compiled.search
    return lambda text: search(text) is not None


def like_source(text: str) -> str:
    """A ``like`` pattern as a regular expression: ``%`` any text, ``_`` one character.

    A backslash takes the special meaning from the character behind it.
    """
    parts = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            parts.append(re2.escape(next(characters, "\\")))
        elif character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re2.escape(character))
    return "".join(parts)


def like_prefix(text: str) -> str:
    """The text that each match of a ``like`` pattern starts with."""
    prefix = []
    characters = iter(text)
    for character in characters:
        if character in "%_":
            break
        prefix.append(next(characters, "\\") if character == "\\" else character)
    return "".join(prefix)
