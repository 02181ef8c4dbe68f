"""UrlTemplate: a URL whose path and query have placeholders, and whose server has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...errors import ArgumentError, DefinitionError
from ..web import is_way
from .placeholders import Parts, Placeholder, as_text, filled, parts_of


class UrlTemplate:
    """A URL that values are put into, which change neither its server nor the form of its path.

    :param text: the URL, or what follows the ``base_url``.
    :param place: where it is written, for messages.
    :raises DefinitionError: where it is none, or its server has a placeholder.
    """

    def __init__(self, text: Any, place: str) -> None:
        if not isinstance(text, str) or not text:
            raise DefinitionError(f"{place} is a URL, or a path below the base_url, not {text!r}")
        if any(each.isspace() or not each.isprintable() or each in "\\#" for each in text):
            raise DefinitionError(f"{place} has characters that are in no URL: {text!r}")
        before, _, query = text.partition("?")
        scheme, mark, rest = before.partition("://")
        server, slash, path = rest.partition("/") if mark else ("", "", before)
        if mark and (scheme.lower() not in ("http", "https") or "{" in server or not server):
            raise DefinitionError(
                f"{place}: {text!r} has to begin with http:// or https:// and a server without a "
                "placeholder: it is not the caller who says where to go"
            )
        if mark and "@" in server:
            raise DefinitionError(f"{place}: credentials belong into the setting 'auth'")
        if not mark and path.startswith(("//", "{")):
            begin = "two slashes" if path.startswith("/") else "a placeholder"
            raise DefinitionError(
                f"{place}: {text!r} begins with {begin}: write the server, as in "
                "https://api.example.com/…, or a path below the base_url"
            )
        #: Where it leads to; None where that is the base_url.
        self.origin: str | None = f"{scheme}://{server}" if mark else None
        self._is_absolute = bool(mark and slash)
        self._segments = [parts_of(each, "url", place) for each in path.split("/")]
        self._query = parts_of(query, "url", place)
        for each in (*(part for parts in self._segments for part in parts), *self._query):
            if isinstance(each, str) and ("{" in each or "}" in each):
                raise DefinitionError(
                    f"{place}: {each!r} is no placeholder, such as {{name=5:number}}"
                )

    def placeholders(self) -> Iterator[Placeholder]:
        for parts in (*self._segments, self._query):
            yield from (each for each in parts if isinstance(each, Placeholder))

    def filled(self, values: Mapping[str, Any]) -> str:
        """The URL with values in the places of its placeholders.

        :raises ArgumentError: naming the one whose value no path can have.
        """
        path = "/".join(_segment(each, values) for each in self._segments)
        query = _quoted(self._query, values)
        start = "" if self.origin is None else self.origin
        slash = "/" if self._is_absolute else ""
        return f"{start}{slash}{path}{'?' if query else ''}{query}"


def _segment(parts: Parts, values: Mapping[str, Any]) -> str:
    held = [each for each in parts if isinstance(each, Placeholder)]
    text = as_text(filled(parts, values)) if held else ""
    if held and (not text or is_way(text)):
        raise ArgumentError(held[0].name, "cannot be a part of a path: it is empty, or has dots")
    return _quoted(parts, values)


def _quoted(parts: Parts, values: Mapping[str, Any]) -> str:
    return "".join(
        each if isinstance(each, str) else quote(as_text(values[each.name]), safe="")
        for each in parts
    )
