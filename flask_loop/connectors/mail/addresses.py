"""Addresses, read from the forms in which they are given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .message import Address

#: A dot-atom of any script, or quoted text without what means something in a header.
_LOCAL = re.compile(r'(?:[^\s"(),:;<>@\[\]\\]+|"[^"(),:;<>@\[\]\\]+")')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_LITERAL = re.compile(r"\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9a-f:.]{2,45})\]", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_FORMS = 'is an address, "Name <address>", or (name, address)'


class NoAddress(ValueError):
    """What was given is no address, and the message says why in a phrase."""


def has_controls(text: str) -> bool:
    """Whether a text has characters that would end a header, or that nobody sees."""
    return any(ord(each) < 32 or 127 <= ord(each) < 160 or each in "\u2028\u2029" for each in text)


def is_encodable(text: str) -> bool:
    """Whether a text can be sent: it has no lone surrogates."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def read_addresses(given: Any) -> Iterator[tuple[int | None, Address | NoAddress]]:
    """Read one address, or a list of them.

    :returns: each address, or what is wrong with it, with its place in the list.
    """
    if isinstance(given, list | set | frozenset):
        for position, each in enumerate(given):
            yield position, _tried(each)
    else:
        yield None, _tried(given)


def _tried(given: Any) -> Address | NoAddress:
    try:
        return read_address(given)
    except NoAddress as problem:
        return problem


def read_address(given: Any) -> Address:
    """Read an address.

    :param given: ``"ann@example.com"``, ``"Ann <ann@example.com>"``, ``("Ann", "ann@example.com")``
        or ``{"name": "Ann", "address": "ann@example.com"}``.
    :raises NoAddress: where it is none.
    """
    name: Any
    address: Any
    if isinstance(given, Address):
        name, address = given.name, given.address
    elif isinstance(given, Mapping):
        name, address = given.get("name") or "", given.get("address")
    elif isinstance(given, tuple) and len(given) == 2:
        name, address = given[0] or "", given[1]
        if isinstance(name, str) and "@" in name:
            raise NoAddress("has an address for its name: several addresses are a list")
    elif isinstance(given, str):
        name, address = _parted(given)
    else:
        raise NoAddress(_FORMS)
    if not (isinstance(name, str) and isinstance(address, str)):
        raise NoAddress(_FORMS)
    if has_controls(name) or has_controls(address):
        raise NoAddress("has a line break or another control character")
    if not (is_encodable(name) and is_encodable(address)):
        raise NoAddress("has a lone surrogate")
    return Address(_checked(address), name.strip())


def _parted(text: str) -> tuple[str, str]:
    """The name and the address of a text such as ``"Ann <ann@example.com>"``."""
    text = text.strip(" ")
    if not text.endswith(">"):
        return "", text
    name, _, address = text[:-1].rpartition("<")
    name = name.strip()
    quoted = _QUOTED.fullmatch(name)
    return (_ESCAPED.sub(r"\1", quoted[1]) if quoted else name), address.strip()


def _checked(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not at:
        raise NoAddress("is no address of mail: it has no @")
    if not _LOCAL.fullmatch(local):
        raise NoAddress("is no address of mail; several addresses are a list")
    if len(local.encode()) > 64:
        raise NoAddress("is no address of mail: it has more than 64 bytes before the @")
    return f"{local}@{_ascii(domain)}"


def _ascii(domain: str) -> str:
    if _LITERAL.fullmatch(domain):
        return domain
    try:
        ascii = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise NoAddress("is no address of mail: its domain is none") from None
    if len(ascii) > 253 or not all(map(_LABEL.fullmatch, ascii.split("."))):
        raise NoAddress("is no address of mail: its domain is none")
    return ascii
