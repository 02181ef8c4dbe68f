"""Safe defaults for the cookies of logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def set_cookie_defaults(app: Flask, external_url: str | None) -> None:
    """Let the cookies of logins be safe in what the app has not said of them.

    No other site gets them sent along with what it posts, and no script reads them. Where the app
    is known to be reached over TLS they go over nothing else; a cookie that logs in for a year
    does so unless the app is tried out, or known to be reached without TLS.

    :param app: the app, whose configuration is changed.
    :param external_url: where clients reach the app.
    """
    config = app.config
    is_tried_out = app.debug or app.testing
    scheme = (external_url or "").partition(":")[0].lower()
    if config["SESSION_COOKIE_SAMESITE"] is None:
        config["SESSION_COOKIE_SAMESITE"] = "Lax"
    if scheme == "https" and not is_tried_out:
        config["SESSION_COOKIE_SECURE"] = True
    config.setdefault("REMEMBER_COOKIE_SAMESITE", "Lax")
    config.setdefault("REMEMBER_COOKIE_HTTPONLY", True)
    config.setdefault("REMEMBER_COOKIE_SECURE", not is_tried_out and scheme != "http")
