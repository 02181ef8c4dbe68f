"""Requests from other sites: a browser adds its cookies to them, whoever made it send them.

So a cookie is not enough to write. The browser has to say that the page is one of the app's own, or
the page has to show a token that only the app's own pages can read.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable, Iterator

from flask import Request, current_app, session

from ..accounts.apps import keyed_digests
from ..errors import DefinitionError, Forbidden

#: The header that has the token of a page.
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105 - a name

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^\s/?#@:\[\]]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_NONCE = "_loop_csrf"


def is_safe(request: Request) -> bool:
    """Whether a request only reads, by its verb."""
    return request.method in _SAFE


def csrf_token() -> str:
    """The token that pages of the app send as ``X-CSRF-Token`` with requests that write.

    It is needed where the browser is too old to say which page a request comes from, and by other
    programs that log in by a cookie. It is of this session and of the user who is logged in: after
    a login it is another. In templates it is ``loop_csrf_token()``.

    :raises RuntimeError: outside a request, or where the app has no ``SECRET_KEY``.

    .. code-block:: html+jinja

        <meta name="csrf-token" content="{{ loop_csrf_token() }}">
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user

        _ = current_user.is_authenticated  # which a remember cookie may bring about just now
    nonce = session.get(_NONCE)
    if not isinstance(nonce, str):
        nonce = session[_NONCE] = secrets.token_urlsafe(16)
    return next(_tokens(nonce))


def check_origin(request: Request, trusted: frozenset[str]) -> None:
    """Refuse a request that writes by a cookie where a page of another site may have sent it.

    :param request: one whose credential is a cookie.
    :param trusted: what :func:`origins` gave of the app's setting.
    :raises Forbidden: with the code ``CROSS_SITE_REQUEST``.
    """
    verdict = _is_own(request, trusted)
    if verdict is None and not _has_token(request):
        raise _refusal(f"It needs the header Origin, Sec-Fetch-Site or {TOKEN_HEADER}.")
    if verdict is False:
        raise _refusal("It comes from a page of another site.")


def check_not_foreign(request: Request, trusted: frozenset[str]) -> None:
    """Refuse a request that a browser says a page of another site has sent.

    That is for credentials that a browser may have added by itself, and programs add as well.

    :param trusted: as for :func:`check_origin`.
    :raises Forbidden: as there.
    """
    if _is_own(request, trusted) is False:
        raise _refusal("It comes from a page of another site.")


def origins(given: Iterable[str]) -> frozenset[str]:
    """Origins as browsers send them: in small letters, without the port that the scheme has anyway.

    :param given: each as a scheme and a host, such as ``"https://admin.example.com"``.
    :raises DefinitionError: naming one that is no origin.
    """
    return frozenset(map(_checked, given))


def origin_of(url: str) -> str | None:
    """The origin of a URL; None where it has none."""
    found = _ORIGIN.match(url.lower())
    return None if found is None else _without_default_port(found[0])


def _checked(given: str) -> str:
    origin = given.lower().removesuffix("/")
    if not _ORIGIN.fullmatch(origin):
        raise DefinitionError(
            f"LOOP_TRUSTED_ORIGINS has {given!r}, which is no origin: write a scheme, a host and "
            "where needed a port, such as 'https://admin.example.com'"
        )
    return _without_default_port(origin)


def _without_default_port(origin: str) -> str:
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition(":")[0], ""))


def _is_own(request: Request, trusted: frozenset[str]) -> bool | None:
    """Whether a page of the app's own, or of a trusted origin, sent a request; None: nobody says.

    Behind a proxy the app may not know its own origin; the browser knows that of the page.
    """
    origin = request.headers.get("Origin", "").lower()
    site = request.headers.get("Sec-Fetch-Site", "").lower()
    if origin and (origin in trusted or origin == _own_origin(request)):
        return True
    if site:
        return site == "same-origin" or (site == "none" and not origin)
    return False if origin else None


def _own_origin(request: Request) -> str:
    return f"{request.scheme}://{request.host}".lower()


def _has_token(request: Request) -> bool:
    """Whether a request shows the token of the session that its cookie has."""
    given, nonce = request.headers.get(TOKEN_HEADER), session.get(_NONCE)
    if not given or not isinstance(nonce, str):
        return False
    received = given.encode()
    return any(hmac.compare_digest(each.encode(), received) for each in _tokens(nonce))


def _tokens(nonce: str) -> Iterator[str]:
    """The tokens of this session and its user; the first is the one that is given out.

    The user is in them because somebody may have given a browser a session of their own before the
    user logged in, and so know the rest.
    """
    return keyed_digests("flask-loop csrf", nonce, str(session.get("_user_id", "")))


def _refusal(reason: str) -> Forbidden:
    return Forbidden(f"The request was refused. {reason}", error_code="CROSS_SITE_REQUEST")
