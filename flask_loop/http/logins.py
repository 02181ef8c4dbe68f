"""Flask-Login: Flask-Loop's users beside the app's own, in the one ``LoginManager`` of the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import (
    Flask,
    Request,
    Response,
    after_this_request,
    current_app,
    g,
    has_request_context,
    request,
)
from flask_login import LoginManager, current_user
from flask_login.signals import session_protected, user_accessed, user_logged_in, user_logged_out

from ..accounts.passwords import is_stamp_of
from ..accounts.sessions import load_user, user_id_of
from ..errors import Unauthorized
from ..remoting import DEFAULT_SCOPES, Caller, id_text
from .authenticator import Authenticator
from .rules import LazyRule

#: What the ids of Flask-Loop's users begin with, as Flask-Login knows them.
PREFIX = "loop:"
Loader = Callable[[Any], Any]


class Logins:
    """What Flask-Login does for one app with Flask-Loop's users.

    The app's ``LoginManager`` is looked up whenever it is used, as is what it has for loaders: the
    app may make and give them before or after.

    :param app: the app, which has not answered any request.
    :param authenticator: the app's.
    """

    def __init__(self, app: Flask, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        if not hasattr(app, "login_manager"):
            OwnManager().init_app(app)
        user_accessed.connect(self.wrap, sender=app)
        app.teardown_request(_forget_user)
        self.wrap(app)

    def wrap(self, app: Any, **_: Any) -> None:
        """Put Flask-Loop's loaders in front of those that the app's manager has now."""
        manager = app.login_manager
        of_id = manager.user_callback
        of_request = manager.request_callback or _of_header(manager)
        if not isinstance(of_id, _OfId):
            manager.user_loader(_OfId(self._authenticator, of_id))
        if not isinstance(of_request, _OfRequest):
            manager.request_loader(_OfRequest(self._authenticator, of_request))


class _OfId:
    """Loads a user by the id that a cookie has.

    Where a token decides, it is the user of the token, whoever the cookie names: Flask-Login would
    ask for that one first.

    :param host: the app's own loader, or None.
    """

    def __init__(self, authenticator: Authenticator, host: Loader | None) -> None:
        self.host, self._authenticator = host, authenticator

    def __call__(self, id: Any) -> Any:
        if has_request_context() and isinstance(request.url_rule, LazyRule):
            caller = _holder(self._authenticator, request)
            if caller is not None:
                return self._authenticator.user_of(request, caller)
        if isinstance(id, str) and id.startswith(PREFIX):
            return self._load(id)
        return None if self.host is None else self.host(id)

    def _load(self, id: str) -> Any:
        """Load a user of a model, whose password has to be what it was at the login."""
        for model in self._authenticator.users:
            prefix = f"{PREFIX}{model.model_name}:"
            text, _, stamp = id.removeprefix(prefix).rpartition(":")
            key = user_id_of(model, text) if id.startswith(prefix) else None
            user = None if key is None else load_user(model, key)
            if user is None or not user.is_active:
                continue
            if is_stamp_of(stamp, model.definition, id_text(user), user.password):
                return user
        return None


class _OfRequest:
    """Loads a user by what a request gives: the user of a token, or whom the app itself knows.

    :param host: the app's own loader, or None.
    """

    def __init__(self, authenticator: Authenticator, host: Loader | None) -> None:
        self.host, self._authenticator = host, authenticator

    def __call__(self, request: Request) -> Any:
        caller = _holder(self._authenticator, request)
        if caller is not None and caller.is_authenticated:
            if not isinstance(request.url_rule, LazyRule) and not _is_for_all(caller):
                return None
            return self._authenticator.user_of(request, caller)
        return None if self.host is None else self.host(request)


def _is_for_all(caller: Caller) -> bool:
    """Whether a token is for more than some methods, and so for routes that know no scopes."""
    return not set(DEFAULT_SCOPES).isdisjoint(caller.scopes)


def _of_header(manager: Any) -> Loader | None:
    """What an older app has in the place of a request loader, which Flask-Login asks second."""
    load = getattr(manager, "_header_callback", None)
    if load is None:
        return None

    def load_by_header(request: Request) -> Any:
        header = request.headers.get(current_app.config.get("AUTH_HEADER_NAME", "Authorization"))
        return None if header is None else load(header)

    return load_by_header


def _holder(authenticator: Authenticator, request: Request) -> Caller | None:
    try:
        return authenticator.holder(request)
    except Unauthorized:
        return None


class OwnManager(LoginManager):  # type: ignore[misc]
    """The manager of an app that has none of its own, or none yet."""

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:
        """Let an app have this manager, until it gets one of its own.

        Flask-Login's would look into the session of each request, whether anybody logs in or not,
        and let all answers vary by the cookie.
        """
        app.login_manager = self  # type: ignore[attr-defined]
        app.context_processor(lambda: {"current_user": current_user})
        if app.config.get("REMEMBER_COOKIE_REFRESH_EACH_REQUEST"):
            app.after_request(self._update)
            return
        for signal in (user_logged_in, user_logged_out, session_protected):
            signal.connect(self._update_later, sender=app)

    def _update_later(self, app: Any, **_: Any) -> None:
        after_this_request(self._update)

    def _update(self, response: Response) -> Response:
        """Set or clear the remember cookie, where this is still the app's manager."""
        manager: Any = current_app.login_manager  # type: ignore[attr-defined]
        if manager is self:
            self._update_remember_cookie(response)
        return response


def _forget_user(error: BaseException | None = None) -> None:
    """Leave nobody logged in on the app's context, which the next request may share."""
    g.pop("_login_user", None)
