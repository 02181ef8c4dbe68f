"""Authentication: who sends a request, by its token or as Flask-Login knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flask import Flask, Request, current_app, g, session

from ..accounts.links import caller_of_reset
from ..accounts.sessions import caller_of
from ..errors import DefinitionError, Forbidden, Unauthorized
from ..methods import RemoteMethod
from ..remoting.callers import DEFAULT_SCOPES, NOBODY, Caller
from ..state import Settings
from .credentials import given_token
from .cross_site import check_not_foreign, check_origin, is_safe, origin_of, origins

#: What an app says of one of its own users: a user of a model, or the class, the id and, where it
#: has such, the names of its roles.
Principal = Any

_CALLER = "flask_loop.caller"
_USER = "flask_loop.user"
#: The most tokens of which it is remembered whose they are.
_MOST = 10_000
#: Schemes of ``Authorization`` whose credentials browsers add by themselves.
_ADDED_BY_BROWSERS = ("basic ", "digest ", "negotiate ", "ntlm ")


class Authenticator:
    """Finds out who sends the requests of one app.

    A token that a request gives decides alone. Else the user counts whom Flask-Login knows, who may
    be one of the app's own; where a cookie says so, another site must not have sent the request.

    :param settings: the app's.
    :param find_principal: gives the app's ``principal_loader``, or None.

    :ivar is_on: whether anybody can be somebody: the app has models of users, or Flask-Login.
    :ivar users: the models of users that the app has.
    :ivar logins: what puts them into Flask-Login, where there are such.
    """

    def __init__(
        self, settings: Settings, find_principal: Callable[[], Callable[[Any], Principal] | None]
    ) -> None:
        self.is_on = False
        self.users: tuple[Any, ...] = ()
        self.logins: Any = None
        self._in_query = settings.token_in_query
        self._trusted = origins(settings.trusted_origins)
        if settings.external_url is not None:
            self._trusted |= {origin_of(settings.external_url) or ""}
        self._find_principal = find_principal
        self._homes: dict[int, Any] = {}

    @property
    def has_principals(self) -> bool:
        """Whether the app says who its own users are, and which roles they have."""
        return self._find_principal() is not None

    def add(self, model: Any) -> None:
        """Know the users of a model, and the tokens of their sessions.

        :raises DefinitionError: where another model of users has its name, by which cookies and
            links in mails know whose they are.
        """
        if model not in self.users:
            if any(each.model_name == model.model_name for each in self.users):
                raise DefinitionError(
                    f"the app has two models of users that are called {model.model_name!r}: "
                    "cookies and links in mails name the model; call one of them otherwise"
                )
            self.users = (*self.users, model)
        self.is_on = True

    def settle(self, app: Flask) -> None:
        """Take what an app is when its first request comes, and so all is registered."""
        if hasattr(app, "login_manager"):
            self.is_on = True
            if self.logins is not None:
                self.logins.wrap(app)

    def admit(self, request: Request, method: RemoteMethod) -> Caller | None:
        """Refuse a request whose credential is not valid, whatever it is for.

        :param request: one for a method of a model.
        :param method: the method.
        :returns: who gave a token; None where none was given.
        :raises Unauthorized: where nobody has the token, or its session has expired.
        :raises Forbidden: where the token is for other methods; and where the credential is a
            cookie and another site may have sent the request.
        """
        caller = self.holder(request)
        if caller is NOBODY:
            caller = self._known_to_app(request)
        if caller is None:
            if "HTTP_COOKIE" in request.environ and not is_safe(request) and _names_user(request):
                check_origin(request, self._trusted)
        elif caller.scopes is not DEFAULT_SCOPES:
            _check_scopes(caller, method)
        return caller

    def identify(self, request: Request) -> Caller:
        """Who sends a request.

        :raises Unauthorized: as :meth:`admit`.
        :raises Forbidden: where the app's own way to know users took what a browser may have added
            by itself, and another site has sent the request.
        """
        if not self.is_on:
            return NOBODY
        caller = self.holder(request)
        return self._logged_in(request) if caller is None else caller

    def user_of(self, request: Request, caller: Caller) -> Any:
        """The user whom a caller is: the same instance throughout a request; None of nobody."""
        if caller.load_user is None:
            return None
        known = request.environ.get(_USER)
        if known is None or known[0] is not caller:
            known = request.environ[_USER] = caller, caller.load_user()
        return known[1]

    def holder(self, request: Request) -> Caller | None:
        """Who holds the token that a request gives.

        :returns: nobody where the token is nobody's; None where the request gives none.
        :raises Unauthorized: where the session has expired.
        """
        if not self.users:
            return None
        environ = request.environ
        token = given_token(environ, in_query=self._in_query)
        if token is None:
            return None
        known = environ.get(_CALLER)
        if known is None or known[0] != token:
            known = environ[_CALLER] = token, self._holder_of(token) or NOBODY
        caller: Caller = known[1]
        return caller

    def _holder_of(self, token: str) -> Caller | None:
        users = self.users
        is_one = len(users) == 1
        caller = caller_of(users[0], token) if is_one else self._holder_among(users, token)
        if caller is None and token.count(".") > 1 and current_app.secret_key:
            resetting = (caller_of_reset(model, token) for model in users)
            caller = next(filter(None, resetting), None)
        return caller

    def _holder_among(self, users: Sequence[Any], token: str) -> Caller | None:
        """Who of several models' users holds a token: first those who held it before are asked."""
        key = hash(token)
        home = self._homes.get(key)
        for model in users if home is None else (home, *users):
            caller = caller_of(model, token)
            if caller is not None:
                if len(self._homes) >= _MOST:
                    self._homes.clear()
                self._homes[key] = model
                return caller
        return None

    def _known_to_app(self, request: Request) -> Caller:
        """Whom the app itself knows by a token that is none of a session.

        :raises Unauthorized: where it knows nobody either.
        """
        load = host_loader(getattr(current_app, "login_manager", None))
        user = None if load is None else load(request)
        if user is None or not user.is_authenticated:
            raise Unauthorized("Invalid Access Token", error_code="INVALID_TOKEN")
        self._check_added(request)
        caller = self._caller_for(user)
        request.environ[_CALLER] = request.environ[_CALLER][0], caller
        return caller

    def _logged_in(self, request: Request) -> Caller:
        """Whom Flask-Login knows, by a cookie or in the app's own way."""
        manager = getattr(current_app, "login_manager", None)
        if manager is None:
            return NOBODY
        has_cookie = "HTTP_COOKIE" in request.environ
        if not has_cookie and host_loader(manager) is None and "_login_user" not in g:
            return NOBODY
        from flask_login import current_user

        user = current_user._get_current_object()
        if not user.is_authenticated:
            return NOBODY
        if not _names_user(request):
            self._check_added(request)
        return self._caller_for(user)

    def _check_added(self, request: Request) -> None:
        """Refuse a request of another site where a browser may have added its credential."""
        scheme = request.environ.get("HTTP_AUTHORIZATION", "").lower()
        is_added = "HTTP_COOKIE" in request.environ or scheme.startswith(_ADDED_BY_BROWSERS)
        if is_added and not is_safe(request):
            check_not_foreign(request, self._trusted)

    def _caller_for(self, user: Any) -> Caller:
        """The caller that a user of Flask-Login's is."""

        def load() -> Any:
            return user

        if _is_loop_user(user):
            return _caller_of_record(user, load)
        find = self._find_principal()
        principal = None if find is None else find(user)
        if principal is None:
            return Caller(type(user), _id_of_host(user), load_user=load)
        if isinstance(principal, Caller):
            return replace(principal, load_user=load)
        if _is_loop_user(principal):
            return _caller_of_record(principal, load)
        if isinstance(principal, tuple) and len(principal) in (2, 3):
            model, id, *roles = principal
            return Caller(model, id, frozenset(*roles), load_user=load)
        raise TypeError(
            "the principal_loader gives a user of a model, (model, id), (model, id, roles) or "
            f"None, not {principal!r}"
        )


def host_loader(manager: Any) -> Callable[[Any], Any] | None:
    """What the app itself knows users of requests by, beside cookies; None where it has nothing.

    :param manager: its ``LoginManager``, or None.
    """
    loader = getattr(manager, "request_callback", None)
    host: Callable[[Any], Any] | None = getattr(loader, "host", loader)
    return host


def _names_user(request: Request) -> bool:
    """Whether a cookie says who sends a request, be it true or not."""
    if session.get("_user_id") is not None:
        return True
    name = current_app.config.get("REMEMBER_COOKIE_NAME", "remember_token")
    return name in request.cookies


def _check_scopes(caller: Caller, method: RemoteMethod) -> None:
    if set(caller.scopes).isdisjoint(method.access_scopes):
        raise Forbidden("Access Denied")


def _is_loop_user(user: Any) -> bool:
    return getattr(type(user), "__loop_user__", False) is True


def _id_of_host(user: Any) -> Any:
    """The id of one of the app's own users; one who is never in a cookie need not have any."""
    manager: Any = current_app.login_manager  # type: ignore[attr-defined]
    try:
        return getattr(user, manager.id_attribute)()
    except NotImplementedError:
        return None


def _caller_of_record(user: Any, load: Callable[[], Any]) -> Caller:
    model = type(user)
    return Caller(model, model.definition.id_of(user.to_record()), load_user=load)
