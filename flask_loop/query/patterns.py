"""Text patterns: ``like``, ``ilike`` and ``regexp`` by RE2, whose time is linear in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import takewhile

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
    wild = {"%": ".*", "_": "."}
    return "".join(
        wild[character] if is_special else re2.escape(character)
        for character, is_special in like_tokens(text)
    )


def like_tokens(text: str) -> Iterator[tuple[str, bool]]:
    """The characters of a ``like`` pattern, without escapes, and whether each is ``%`` or ``_``."""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            yield next(characters, "\\"), False
        else:
            yield character, character in "%_"


def like_prefix(text: str) -> str:
    """The text that each match of a ``like`` pattern starts with."""
    plain = takewhile(lambda token: not token[1], like_tokens(text))
    return "".join(character for character, _ in plain)


@lru_cache(maxsize=4096)
def fold(character: str) -> str:
    """The characters that are the same as one where case makes no difference, itself among them."""
    known = _cases().get(character, character)
    if len(known) == 1:
        return character
    same = searcher("regexp", Pattern(rf"\A{re2.escape(character)}\z", ignore_case=True))
    return "".join(each for each in known if same(each))


@cache
def _cases() -> dict[str, str]:
    """The characters that Python's methods make of one another, for each that has any."""
    groups: dict[str, set[str]] = {}
    for number in range(_LAST_CASED):
        character = chr(number)
        others = {character.lower(), character.upper(), character.title()} - {character}
        for other in others:
            if len(other) == 1:
                merged = groups.get(character, {character}) | groups.get(other, {other})
                groups.update(dict.fromkeys(merged, merged))
    return {character: "".join(sorted(group)) for character, group in groups.items()}


#: Beyond this code point no character has cases.
_LAST_CASED = 0x1F000
