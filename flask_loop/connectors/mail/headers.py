"""Headers of mails, folded and encoded.

Python's own way with headers loses spaces between long words that are not ASCII, and takes ASCII
text for encoded that only looks so.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.header import Header
from email.policy import EmailPolicy
from typing import Protocol

#: Longer words are encoded, as a line is broken between words alone.
_LONGEST = 60
#: What a name has in quotes alone.
_SPECIAL = frozenset('"\\(),:;<>@[].')


class Named(Protocol):
    """An address with a name."""

    @property
    def address(self) -> str: ...

    @property
    def name(self) -> str: ...


class FoldedHeader(str):
    """A header that says how it is folded, in the protocol of :mod:`email.policy`."""

    __slots__ = ("name",)

    name: str

    @classmethod
    def of(cls, name: str, lines: str) -> FoldedHeader:
        """Make one.

        :param name: its name.
        :param lines: its value, with line breaks where it is folded.
        """
        made = cls(lines)
        made.name = name
        return made

    def fold(self, *, policy: EmailPolicy) -> str:
        lines = self.split("\n")
        if any(line[:1] not in (" ", "\t") for line in lines[1:]) or "\r" in self:
            raise ValueError(f"the header {self.name} would end too soon")
        return f"{self.name}: {policy.linesep.join(lines)}{policy.linesep}"


def text_header(name: str, text: str) -> FoldedHeader:
    """A header with any text."""
    return FoldedHeader.of(name, _encoded(text, name))


def address_header(name: str, addresses: Iterable[Named]) -> FoldedHeader:
    """A header with addresses, one in each line."""
    return FoldedHeader.of(name, ",\n ".join(map(address_text, addresses)))


def address_text(address: Named) -> str:
    """An address as headers have it, its name in ASCII."""
    if not address.name:
        return address.address
    return f"{_phrase(address.name)} <{address.address}>"


def readable(address: Named) -> str:
    """An address as a person reads it."""
    return f"{_quoted(address.name)} <{address.address}>" if address.name else address.address


def _phrase(name: str) -> str:
    return _encoded(name) if _needs_encoding(name) else _quoted(name)


def _quoted(name: str) -> str:
    if not _SPECIAL.intersection(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded(text: str, header: str = "Reply-To") -> str:
    charset = "utf-8" if _needs_encoding(text) else "us-ascii"
    return Header(text, charset, header_name=header).encode(linesep="\n")


def _needs_encoding(text: str) -> bool:
    if not text.isascii() or "=?" in text:
        return True
    return text != text.strip() or any(len(word) > _LONGEST for word in text.split(" "))
