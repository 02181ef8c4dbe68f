"""Redirects: the places that a request may send a browser to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import BadRequest, DefinitionError
from ..state import Settings

#: What browsers drop, or take for a slash, so that a path would become another host.
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
#: Schemes that are no place, but something that the browser runs, shows or opens.
_NO_PLACES = frozenset(("about", "blob", "data", "file", "filesystem", "javascript", "vbscript"))


def is_allowed(target: Any, allowed: Iterable[str]) -> bool:
    """Whether a browser may be sent to a place.

    :param target: a path of the app's own, ``"/welcome"``, or a URL.
    :param allowed: what URLs may begin with: hosts, ``"app.example.com"``, of which https is meant,
        and prefixes, ``"https://app.example.com/welcome"`` or ``"myapp://verified"``. A prefix ends
        where a part of the path does.
    """
    if not isinstance(target, str) or not target or _UNSAFE.search(target):
        return False
    if target.startswith("/"):
        return not target.startswith("//")
    return any(_is_below(target, prefix) for prefix in allowed)


def check_redirect(target: str, allowed: Iterable[str]) -> str:
    """Refuse a place that browsers may not be sent to.

    :returns: the place.
    :raises BadRequest: without repeating it.
    """
    if not is_allowed(target, allowed):
        raise BadRequest(
            "The redirect is neither a path of this app nor an allowed URL.",
            error_code="INVALID_REDIRECT",
        )
    return target


def origin_of(target: str) -> str:
    """The origin of a place as a Content-Security-Policy names it; nothing of an own path."""
    if target.startswith("/"):
        return ""
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in _PORTS else f"{parts.scheme}:"


def check_settings(settings: Settings) -> None:
    """Refuse settings of places that mean nothing.

    :raises DefinitionError: naming the setting.
    """
    for prefix in settings.allowed_redirects:
        if _UNSAFE.search(prefix) or _parts(_url(prefix)) is None:
            raise DefinitionError(
                f"LOOP_ALLOWED_REDIRECTS has {prefix!r}, which is neither a host, such as "
                "'app.example.com', nor the beginning of a URL"
            )
    external = settings.external_url
    if external is not None and not _is_root(external):
        raise DefinitionError(
            "LOOP_EXTERNAL_URL is where clients reach the app, such as 'https://api.example.com', "
            f"not {external!r}"
        )


def _is_root(url: str) -> bool:
    parts = None if _UNSAFE.search(url) else _parts(url)
    return parts is not None and parts.scheme in _PORTS and not (parts.query or parts.fragment)


def _url(prefix: str) -> str:
    return prefix if "://" in prefix else f"https://{prefix}"


def _is_below(target: str, prefix: str) -> bool:
    wanted, given = _parts(_url(prefix)), _parts(target)
    if wanted is None or given is None or _place(wanted) != _place(given):
        return False
    base = wanted.path.rstrip("/")
    return given.path == base or given.path.startswith(f"{base}/")


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _parts(url: str) -> SplitResult | None:
    """The parts of an absolute URL; None of one that may be read in more than one way."""
    if not url.isascii() or "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    is_named = _SCHEME.fullmatch(parts.scheme) and parts.scheme not in _NO_PLACES
    if not (is_named and _HOST.fullmatch(parts.netloc)):
        return None
    return None if _climbs(parts.path) else parts


def _climbs(path: str) -> bool:
    """Whether a path has a part that leads out of what is above it, in whatever spelling."""
    for _ in range(3):
        if "\\" in path or {".", ".."} & set(path.split("/")):
            return True
        path = unquote(path)
    return False
