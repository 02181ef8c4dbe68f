"""Third-party login: users log in with an account that they have elsewhere.

::

    from flask_loop.oauth import OpenID, ThirdPartyLogin

    logins = ThirdPartyLogin(Member, OpenID("google", issuer="https://accounts.google.com"))
    logins.init_app(app)      # GET /auth/google, GET /auth/google/callback, …

It takes ``pip install flask-loop[oauth]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, Flask, current_app, jsonify, redirect, request, session
from flask_login import current_user, login_user, logout_user

from .accounts.identities import Accounts, Identity, model_for
from .accounts.limiting import limit
from .accounts.links import allowed_redirects, base_url
from .accounts.providers import LoginFailed, OAuth2, OpenID, Profile, Provider, Secrets, same_text
from .accounts.redirects import check_redirect
from .definition import wire_name
from .errors import BadRequest, DefinitionError, RemoteError, Unauthorized
from .http.cross_site import check_origin, origins
from .http.errors import error_response
from .state import State

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

__all__ = ["Identity", "OAuth2", "OpenID", "Profile", "Provider", "ThirdPartyLogin"]

_EXTENSION = "loop"
_PENDING = "_loop_oauth"
#: Where Flask-Login keeps who is logged in.
_LOGGED_IN = "_user_id"
#: How many attempts a browser may have open, one in each tab; a cookie has room for so many.
_MOST_PENDING = 4
#: The longest place to go to that a browser's cookie has room for.
_MOST_NEXT = 600
_TEN_MINUTES = 10 * 60


class LoginCancelled(Unauthorized):
    """The user did not want to log in, or to be known here."""

    error_code = "LOGIN_CANCELLED"


class ThirdPartyLogin:
    """The routes by which users log in with providers.

    With a ``url_prefix`` of ``/auth`` and a provider called ``google``:

    -   ``GET /auth/google?next=/welcome`` sends the browser to the provider;
    -   ``GET /auth/google/callback`` is where the provider sends it back to: it logs the user in
        by Flask-Login, and goes on to ``next``. Register this URL at the provider;
    -   ``POST /auth/google/link`` lets the user who is logged in log in by the provider too;
    -   ``POST /auth/google/unlink`` takes that back;
    -   ``POST /auth/token`` gives the user who is logged in by cookie the token of a session.

    :param users: the model of users, attached to a data source.
    :param providers: who vouches for them.
    :param identities: the model of identities; one that is made where not given.
    :param url_prefix: what the paths begin with.
    :param new_user: takes the :class:`Profile` of somebody who has no account, and gives what the
        new user has beside an address: ``{"username": …}``.
    :param realm: the realm of the users, where they have such.
    :param after_login: where the browser goes to where a request has no ``next``.
    :param on_failure: a path of the app's own that the browser goes to where a login fails, with
        the reason's code as ``error`` in its query; else the answer is an error in JSON.
    :raises DefinitionError: naming what means nothing.
    """

    def __init__(
        self,
        users: Any,
        *providers: Provider,
        identities: Any = None,
        url_prefix: str = "/auth",
        new_user: Callable[[Profile], Mapping[str, Any]] | None = None,
        realm: str | None = None,
        after_login: str = "/",
        on_failure: str | None = None,
    ) -> None:
        if not getattr(users, "__loop_user__", False) or "__loop_bundled__" in users.__dict__:
            raise DefinitionError(f"users are of a model that derives from User, not {users!r}")
        names = [each.name for each in providers]
        if not names or len(set(names)) < len(names):
            raise DefinitionError(
                f"third-party login takes providers with different names: {names}"
            )
        if not url_prefix.startswith("/") or url_prefix.endswith("/"):
            raise DefinitionError(
                f"a url_prefix starts with a slash and ends in none: {url_prefix!r}"
            )
        for path in filter(None, (after_login, on_failure)):
            if not path.startswith("/") or path.startswith("//"):
                raise DefinitionError(f"{path!r} is no path of the app's own")
        self.users, self.providers = users, providers
        self.identities = model_for(users, identities)
        self.url_prefix = url_prefix
        self.after_login, self.on_failure = after_login, on_failure
        self._accounts = Accounts(users, self.identities, new_user, realm)

    def init_app(self, app: Flask) -> None:
        """Give an app the routes.

        The providers' ``client_id`` and ``client_secret`` are those of ``LOOP_OAUTH`` where they
        were not given.

        :param app: the app, which has a Loop.
        :raises DefinitionError: where a provider has no ``client_id``.
        :raises RuntimeError: where the app has no Loop.
        """
        state: State | None = app.extensions.get(_EXTENSION)
        if state is None:
            raise RuntimeError(f"the app {app.name!r} has no Loop: call loop.init_app(app) first")
        providers = [each.configured(state.settings.oauth) for each in self.providers]
        self._refuse_taken_paths(app)
        app.register_blueprint(self._blueprint(providers, state))

    def unlink(self, user: Any, provider: str) -> int:
        """Let a user log in by no identity of a provider any more.

        :param user: the user.
        :param provider: the provider's name.
        :returns: how many identities that were.
        :raises RemoteError: where the user could not log in then.
        """
        return self._accounts.unlink(user, provider)

    def _refuse_taken_paths(self, app: Flask) -> None:
        taken = {rule.rule for rule in app.url_map.iter_rules()}
        for name in (*(each.name for each in self.providers), "token"):
            path = f"{self.url_prefix}/{name}"
            if path in taken:
                raise DefinitionError(
                    f"the app {app.name!r} has a route at {path} already; give these logins "
                    "another url_prefix"
                )

    def _blueprint(self, providers: Sequence[Provider], state: State) -> Blueprint:
        name = f"auth_{wire_name(self.users.model_name)}".replace(".", "_").replace("-", "_")
        blueprint = Blueprint(name, __name__, url_prefix=self.url_prefix)
        trusted = origins(state.settings.trusted_origins)
        for provider in providers:
            routes = _Routes(self, self._accounts, provider, trusted)
            path, endpoint = f"/{provider.name}", provider.name.replace("-", "_")
            for verb, below, function in (
                ("GET", "", routes.start),
                ("GET", "/callback", routes.finish),
                ("POST", "/link", routes.link),
                ("POST", "/unlink", routes.unlink),
            ):
                blueprint.add_url_rule(
                    path + below,
                    f"{endpoint}_{function.__name__}",
                    _answering(function),
                    methods=[verb],
                )
        tokens = _Routes(self, self._accounts, providers[0], trusted)
        blueprint.add_url_rule("/token", "token", _answering(tokens.token), methods=["POST"])
        return blueprint


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt of one browser to log in, as its cookie holds it.

    :ivar provider: the name of the provider.
    :ivar bound: what the provider's answer is checked by.
    :ivar next: where the browser goes then.
    :ivar links: who is logged in and links the identity; None of a login.
    :ivar until: when it is over.
    """

    provider: str
    bound: Secrets
    next: str
    links: str | None
    until: float

    def keep(self) -> None:
        """Let the browser's session have it, and the newest of the others."""
        session[_PENDING] = [*_pending()[1 - _MOST_PENDING :], asdict(self)]

    @classmethod
    def take(cls, provider: str, state: str) -> _Attempt:
        """The attempt of this browser that an answer belongs to, which is over by that.

        :raises BadRequest: where there is none.
        """
        pending = _pending()
        for each in pending:
            if each["provider"] == provider and same_text(each["bound"]["state"], state):
                session[_PENDING] = [other for other in pending if other is not each]
                return cls(**{**each, "bound": Secrets(**each["bound"])})
        raise BadRequest(
            "This login was not begun in this browser, or not lately. Begin it again.",
            error_code="INVALID_STATE",
        )


def _pending() -> list[dict[str, Any]]:
    """The attempts of this browser that are not over."""
    now = time.time()
    return [each for each in session.get(_PENDING, ()) if each["until"] > now]


class _Routes:
    """What the routes of one provider do."""

    def __init__(
        self,
        logins: ThirdPartyLogin,
        accounts: Accounts,
        provider: Provider,
        trusted: frozenset[str],
    ) -> None:
        self._logins, self._accounts, self._provider = logins, accounts, provider
        self._trusted = trusted

    def start(self) -> Response:
        """Send the browser to the provider."""
        try:
            return self._begin(links=None)
        except RemoteError as error:
            return self._failure(error)

    def link(self) -> Response:
        """Send the browser to the provider, for the user who is logged in."""
        user = self._own_user()
        return self._begin(links=user.get_id())

    def finish(self) -> Response:
        """Take the answer of the provider."""
        try:
            attempt = _Attempt.take(self._provider.name, request.args.get("state", ""))
            if request.args.get("error") == "access_denied":
                raise LoginCancelled("The login was cancelled.")
            answer = request.args.to_dict()
            # Every answer has the provider asked, whoever made it up.
            limit(self._logins.users, "login")
            profile = self._provider.profile_of(answer, self._callback(), attempt.bound)
            if attempt.links is None:
                self._log_in(self._accounts.user_for(profile, self._provider))
            else:
                self._accounts.link(self._same_user(attempt.links), profile)
        except RemoteError as error:
            return self._failure(error)
        return redirect(attempt.next, 303)

    def unlink(self) -> Response:
        """Let the user who is logged in not log in by the provider any more."""
        count = self._accounts.unlink(self._own_user(), self._provider.name)
        return jsonify({"count": count})

    def token(self) -> Response:
        """The token of a new session of the user who is logged in."""
        return jsonify(self._own_user().create_session().to_dict())

    def _begin(self, links: str | None) -> Response:
        given = request.args.get("next") or self._logins.after_login
        if len(given) > _MOST_NEXT:
            raise BadRequest("The redirect is too long.", error_code="INVALID_REDIRECT")
        target = check_redirect(given, allowed_redirects())
        bound = Secrets()
        url = self._provider.authorization_url(self._callback(), bound)
        until = time.time() + _TEN_MINUTES
        _Attempt(self._provider.name, bound, target, links, until).keep()
        return redirect(url, 303)

    def _callback(self) -> str:
        """The URL that the provider sends browsers back to."""
        return f"{base_url()}{self._logins.url_prefix}/{self._provider.name}/callback"

    def _log_in(self, user: Any) -> None:
        if not user.is_active:
            raise LoginFailed("the user is not active")
        if current_user.is_authenticated:
            logout_user()  # with what a browser remembers of another one
        login_user(user)

    def _own_user(self) -> Any:
        """The user who is logged in by cookie, where a page of the app's own sent the request."""
        user = self._current()
        if user is None:
            raise Unauthorized
        check_origin(request, self._trusted)
        return user

    def _same_user(self, id: str) -> Any:
        user = self._current()
        if user is None or user.get_id() != id:
            raise LoginFailed("who began to link a login is not logged in any more")
        return user

    def _current(self) -> Any:
        """The user who is logged in by cookie: what a token may do is bounded by its scopes."""
        user = current_user._get_current_object()
        is_ours = isinstance(user, self._logins.users)
        return user if is_ours and session.get(_LOGGED_IN) == user.get_id() else None

    def _failure(self, error: RemoteError) -> Response:
        if isinstance(error, LoginFailed):
            current_app.logger.warning(
                "A login by %s failed: %s", self._provider.name, error.reason
            )
        target = self._logins.on_failure
        if target is None:
            raise error
        if (error.code or 500) >= 500:
            current_app.logger.error("%s", error.message, exc_info=error)
        separator = "&" if "?" in target else "?"
        query = urlencode({"error": error.error_code or error.error_name})
        return redirect(f"{target}{separator}{query}", 303)


def _answering(function: Callable[[], Response]) -> Callable[[], Response]:
    """A view that answers errors as the models' routes do, and whose URL goes nowhere else."""

    def view() -> Response:
        try:
            response = function()
        except RemoteError as error:
            response = error_response(error)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return view
