"""Patterns as MongoDB's regular expressions, where they mean there what they mean in RE2.

MongoDB searches by backtracking, and gives up after some time. Of a ``like`` it has nothing to try
again: what is between two wildcards is looked for once, at the first place where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from ...query import Pattern
from ...query.patterns import fold, like_tokens
from ..narrowing import Pushed

_ANY = r"[\s\S]"
#: The end of the text; a dollar is also before a last new line.
_END = rf"(?!{_ANY})"
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9 ]")
#: A regular expression whose characters all stand for themselves.
_LITERAL = re.compile(r"(\^?)([^\\^$.|?*+()\[\]{}]*)(\$?)")


def pushed_pattern(operator: str, pattern: Pattern) -> Pushed[dict[str, Any]] | None:
    """What MongoDB makes of a pattern: the condition on a text.

    :param operator: ``like`` or ``regexp``.
    """
    if operator == "like":
        return _like(pattern)
    found = _LITERAL.fullmatch(pattern.text)
    if found is None:
        return None
    start, text, end = found.groups()
    source = "".join(_letters(text, ignore_case=pattern.ignore_case))
    return Pushed({"$regex": f"{start}{source}{_END if end else ''}"})


def _like(pattern: Pattern) -> Pushed[dict[str, Any]]:
    first, *others = _between_wildcards(pattern.text)
    source = "^" + _source(first, pattern)
    for part in others[:-1]:
        if part:
            source += f"(?>{_ANY}*?{_source(part, pattern)})"
    if not others:
        return Pushed({"$regex": source + _END})
    last = others[-1]  # it is the end of the text; where it is nothing, so may be anything
    return Pushed({"$regex": f"{source}{_ANY}*{_source(last, pattern)}{_END}" if last else source})


def _between_wildcards(text: str) -> list[list[tuple[str, bool]]]:
    """The parts of a pattern between its ``%``, each with its characters; one at least."""
    parts: list[list[tuple[str, bool]]] = [[]]
    for token in like_tokens(text):
        if token == ("%", True):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _source(tokens: list[tuple[str, bool]], pattern: Pattern) -> str:
    source = ""
    for is_special, run in groupby(tokens, key=itemgetter(1)):
        text = "".join(character for character, _ in run)
        if is_special:
            source += _ANY if len(text) == 1 else f"{_ANY}{{{len(text)}}}"
        else:
            source += "".join(_letters(text, ignore_case=pattern.ignore_case))
    return source


def _letters(text: str, *, ignore_case: bool) -> Iterator[str]:
    """Each character of a text; where case makes no difference, all that are the same as it."""
    for character in text:
        same = fold(character) if ignore_case else character
        escaped = "".join(map(_escaped, same))
        yield escaped if len(same) == 1 else f"[{escaped}]"


def _escaped(character: str) -> str:
    if not character.isascii() or _ALPHANUMERIC.fullmatch(character):
        return character
    # By a number the server does not see what the text begins with, to look for it by an index.
    return f"\\{character}" if character.isprintable() else f"\\x{ord(character):02x}"
