"""Pages: what browsers are shown of verification and reset."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any, TypeVar

from flask import Response, redirect, request
from jinja2 import TemplateNotFound

from ..mailing import render
from .redirects import origin_of

T = TypeVar("T")

_OURS = "loop/"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def named(name: str, render: Callable[[str], T]) -> T:
    """Render a template of the app's, or where it has none with the name, that of this package.

    :param render: renders the template with a name.
    :raises TemplateNotFound: where there is neither.
    """
    try:
        return render(name)
    except TemplateNotFound as missing:
        if missing.name != name:
            raise
    try:
        return render(f"{_OURS}{name}")
    except TemplateNotFound as missing:
        if missing.name != f"{_OURS}{name}":
            raise
        raise TemplateNotFound(name) from None


def page(template: str, status: int = 200, *, redirects: str = "", **context: Any) -> Response:
    """A page that no other site may frame, and that loads nothing from elsewhere.

    :param template: its name.
    :param redirects: where the answer to its form may send the browser.
    :param context: what the template is given, beside ``nonce``, which its styles need.
    """
    nonce = token_urlsafe(16)
    html = named(template, lambda name: render(name, {**context, "nonce": nonce}))
    response = Response(html, status=status, content_type="text/html; charset=utf-8")
    response.headers.update(_HEADERS)
    policy = {
        "default-src": "'none'",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self'",
        "font-src": "'self'",
        "form-action": f"'self' {origin_of(redirects) if redirects else ''}".rstrip(),
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    written = "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
    response.headers["Content-Security-Policy"] = written
    return response


def message(title: str, text: str, status: int = 200) -> Response:
    """A page that says one thing."""
    return page("message.html", status, title=title, text=text)


def send_to(place: str, status: int = 302) -> Response:
    """Send the browser on, without a word of where it comes from.

    :param place: an allowed one.
    """
    response: Any = redirect(place, status, Response)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response  # type: ignore[no-any-return]


def wants_page() -> bool:
    """Whether the client of the request would rather have a page than JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
