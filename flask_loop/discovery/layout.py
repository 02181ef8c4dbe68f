"""Layout: expressions of Python's source, on as many lines as formatters give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: What formatters allow where they are told nothing.
WIDTH = 88
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call with arguments by keyword.

    :ivar name: what is called.
    :ivar arguments: text, values, mappings and lists, by keyword.
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A piece of source that stays as it is, such as a name."""

    text: str


_Expression: TypeAlias = Any


def assignment(target: str, value: _Expression, depth: int) -> list[str]:
    """The lines of ``target = value``.

    :param depth: how many levels they are indented.
    """
    return _laid_out(f"{target} = ", value, "", depth)


def _laid_out(before: str, value: _Expression, after: str, depth: int) -> list[str]:
    indent = _INDENT * depth
    line = f"{indent}{before}{_on_one_line(value)}{after}"
    opening, parts, closing = _parts(value)
    if len(line) <= WIDTH or not parts:
        return [line]
    head = f"{indent}{before}{opening}"
    tail = f"{indent}{closing}{after}"
    inner = ", ".join(f"{prefix}{_on_one_line(part)}" for prefix, part in parts)
    # A formatter lets the arguments of a call stay on one line of their own, and one that is alone.
    if isinstance(value, Call) and len(parts) == 1 and not _parts(parts[0][1])[1]:
        return [head, f"{indent}{_INDENT}{inner}", tail]
    if isinstance(value, Call) and len(indent + _INDENT + inner) <= WIDTH:
        return [head, f"{indent}{_INDENT}{inner}", tail]
    lines = [line for prefix, part in parts for line in _laid_out(prefix, part, ",", depth + 1)]
    return [head, *lines, tail]


def _on_one_line(value: _Expression) -> str:
    opening, parts, closing = _parts(value)
    if not closing:
        return opening
    return opening + ", ".join(f"{head}{_on_one_line(part)}" for head, part in parts) + closing


def _parts(value: _Expression) -> tuple[str, Sequence[tuple[str, _Expression]], str]:
    """What opens an expression, what is in it with what stands before each, and what closes it."""
    if isinstance(value, Call):
        pairs = [(f"{key}=", each) for key, each in value.arguments.items()]
        return f"{value.name}(", pairs, ")"
    if isinstance(value, Mapping):
        return "{", [(f"{literal(key)}: ", each) for key, each in value.items()], "}"
    if isinstance(value, list | tuple):
        return "[", [("", each) for each in value], "]"
    return literal(value), (), ""


def literal(value: Any) -> str:
    """A plain value as source, its quotes those that formatters prefer."""
    if isinstance(value, Source):
        return value.text
    if not isinstance(value, str):
        return repr(value)
    shown = repr(value)
    if shown.startswith("'") and '"' not in value:
        return f'"{shown[1:-1]}"'
    return shown


def imports(module: str, names: Iterable[str]) -> list[str]:
    """The lines of ``from module import …``, the names in the order of sorted imports."""
    found = sorted(set(names), key=lambda name: (not name.isupper(), name.islower(), name))
    line = f"from {module} import {', '.join(found)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"{_INDENT}{name}," for name in found), ")"]
