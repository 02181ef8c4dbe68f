"""Providers: who vouches for a person, and how they are asked who that is.

The protocols are OpenID Connect and OAuth 2, always with an authorization code and with PKCE. What
a browser brings is believed in nothing but the code: the rest comes from the provider's server.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, Self
from urllib.parse import quote

from ..errors import DefinitionError, Unauthorized
from .fetching import ProviderUnavailable, check_https, fetch_json

_log = logging.getLogger(__name__)

#: How ID tokens may be signed: by a key that the provider alone has, never by one that is shared.
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: What is said in the address that a browser is sent to, whatever else is.
_OWN_PARAMETERS = frozenset(
    (
        "client_id",
        "response_type",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    )
)
_AN_HOUR = 60 * 60
#: For so many seconds a provider that could not be reached is not asked again.
_PAUSE = 5.0
#: By how many seconds clocks may differ.
_LEEWAY = 60
_MOST_SUBJECT = 255


class LoginFailed(Unauthorized):
    """A provider did not say who somebody is, or not so that it can be believed.

    :param reason: what was wrong, for the log.
    """

    error_code = "THIRD_PARTY_LOGIN_FAILED"

    def __init__(self, reason: str) -> None:
        super().__init__("The login failed.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Secrets:
    """What binds the answer of a provider to one attempt of one browser to log in.

    :ivar state: what comes back with the browser.
    :ivar nonce: what comes back inside the ID token.
    :ivar verifier: what proves to the provider that the code is redeemed by who asked for it.
    """

    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a provider says of somebody.

    :ivar provider: the provider's name.
    :ivar subject: what it calls them, always and nobody else.
    :ivar email: their address, where the provider vouches that it is theirs.
    :ivar claims: all that it says.
    """

    provider: str
    subject: str
    email: str | None
    claims: Mapping[str, Any]


class Provider(ABC):
    """What both protocols have.

    :param name: what it is called in paths and in settings: ``"google"``.
    :param client_id: what the provider calls the app; that of ``LOOP_OAUTH`` where not given.
    :param client_secret: the app's secret, likewise; nothing for a client that has none.
    :param scope: what the app asks to know.
    :param client_auth: how the app shows its secret: ``"client_secret_post"`` or
        ``"client_secret_basic"``.
    :param parameters: further ones of the address that the browser is sent to, such as
        ``{"prompt": "select_account"}``.
    :param link_by_email: whether an address that the provider vouches for leads to the account that
        has it.
    :param sign_up: whether who has no account gets one.
    :param timeout: for how many seconds the provider may be silent.
    :raises DefinitionError: naming what means nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str,
        client_auth: str | None = None,
        parameters: Mapping[str, str] | None = None,
        link_by_email: bool = True,
        sign_up: bool = True,
        timeout: float = 10,
    ) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DefinitionError(
                "a provider's name is up to 64 lower-case letters, digits, '-' and '_', not "
                f"{name!r}"
            )
        if client_auth not in (None, "client_secret_post", "client_secret_basic"):
            raise DefinitionError(
                f"the client_auth of the provider {name!r} is 'client_secret_post' or "
                f"'client_secret_basic', not {client_auth!r}"
            )
        if own := _OWN_PARAMETERS & set(parameters or ()):
            raise DefinitionError(
                f"the parameters of the provider {name!r} cannot have {sorted(own)[0]!r}, which is "
                "said of each login anyway"
            )
        if not isinstance(timeout, int | float) or not 0 < timeout < _AN_HOUR:
            raise DefinitionError(
                f"the timeout of the provider {name!r} is a number of seconds, not {timeout!r}"
            )
        self.name = name
        self.client_id, self.client_secret = client_id, client_secret
        self.scope, self.parameters = scope, dict(parameters or {})
        self.link_by_email, self.sign_up = link_by_email, sign_up
        self.timeout = timeout
        self._client_auth = client_auth

    def configured(self, settings: Mapping[str, Any]) -> Self:
        """The provider as one app has it, with what its settings say.

        :param settings: by the providers' names, ``client_id`` and ``client_secret``.
        :raises DefinitionError: where the app has no ``client_id``.
        """
        said = settings.get(self.name, {})
        own = copy(self)
        for key, value in said.items():
            setattr(own, key, value)
        if not isinstance(own.client_id, str) or not own.client_id:
            raise DefinitionError(
                f"the provider {self.name!r} needs a client_id: give it, or set "
                f"LOOP_OAUTH = {{{self.name!r}: {{'client_id': …, 'client_secret': …}}}}"
            )
        return own

    def authorization_url(self, redirect_uri: str, bound: Secrets) -> str:
        """Where a browser is sent, so that the provider asks who they are.

        :param redirect_uri: where the provider sends it back to.
        :raises ProviderUnavailable: where it takes asking the provider first.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        url: str = prepare_grant_uri(
            self._authorize_url(),
            **self.parameters,
            **self._more_parameters(bound),
            client_id=self.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self.scope,
            state=bound.state,
            code_challenge=create_s256_code_challenge(bound.verifier),
            code_challenge_method="S256",
        )
        return url

    def profile_of(self, answer: Mapping[str, str], redirect_uri: str, bound: Secrets) -> Profile:
        """Who somebody is, by the answer with which the provider has sent a browser back.

        :param answer: the query of the browser's request.
        :raises LoginFailed: saying what the provider refused, or what cannot be believed.
        :raises ProviderUnavailable: where it cannot be reached.
        """
        self._check_answer(answer)
        if not answer.get("code"):
            raise LoginFailed(f"there is no code: {answer.get('error', 'nor an error')!r}")
        token = self._redeem(answer["code"], redirect_uri, bound)
        return self._profile(token, bound)

    # What each has of its own

    @abstractmethod
    def _authorize_url(self) -> str: ...

    @abstractmethod
    def _token_url(self) -> str: ...

    @abstractmethod
    def _profile(self, token: Mapping[str, Any], bound: Secrets) -> Profile:
        """Who it is, by what the code was redeemed for."""

    def _more_parameters(self, bound: Secrets) -> Mapping[str, str]:
        return {}

    def _check_answer(self, answer: Mapping[str, str]) -> None:
        """Refuse an answer that is another provider's."""

    def _auth_method(self) -> str:
        return self._client_auth or "client_secret_post"

    # What both do

    def _redeem(self, code: str, redirect_uri: str, bound: Secrets) -> Mapping[str, Any]:
        """What the provider gives for a code; it does so once."""
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        url = self._token_url()
        method, id, secret = self._auth_method(), self.client_id or "", self.client_secret or ""
        if not secret:
            method = "none"
        if method == "client_secret_basic":
            id, secret = quote(id, safe=""), quote(secret, safe="")
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=bound.verifier
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = ClientAuth(id, secret, method).prepare("POST", url, headers, body)
        status, token = fetch_json("POST", url, timeout=self.timeout, headers=headers, body=body)
        if not isinstance(token, dict) or status >= 400 or "error" in token:
            error = token.get("error") if isinstance(token, dict) else None
            raise LoginFailed(f"the provider refused the code: {status} {str(error)[:200]!r}")
        if not isinstance(token.get("access_token"), str):
            raise LoginFailed("the provider gave no access token")
        return token

    def _ask(self, url: str, token: Mapping[str, Any]) -> Any:
        """A document of the provider's, with the access token."""
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        status, document = fetch_json("GET", url, timeout=self.timeout, headers=headers)
        if status >= 400:
            raise LoginFailed(f"the provider refused its own access token: {status}")
        return document

    def _made(self, claims: Mapping[str, Any], subject: Any) -> Profile:
        is_subject = isinstance(subject, str) and 0 < len(subject) <= _MOST_SUBJECT
        if not is_subject or not subject.isprintable():
            raise LoginFailed("the provider's subject is no text of at most 255 characters")
        email = claims.get("email")
        verified = claims.get("email_verified")
        # Some providers write true as text.
        is_vouched_for = verified is True or verified == "true"
        if not (isinstance(email, str) and email and is_vouched_for):
            email = None
        return Profile(self.name, subject, email, claims)


class OpenID(Provider):
    """A provider of OpenID Connect.

    ::

        OpenID("google", issuer="https://accounts.google.com")

    :param name: as of :class:`Provider`, and so are ``options``.
    :param issuer: the provider's URL, to the letter as it writes it in its configuration, which is
        at ``/.well-known/openid-configuration`` below.
    :param scope: what the app asks to know.
    :raises DefinitionError: naming what means nothing.
    """

    def __init__(
        self, name: str, *, issuer: str, scope: str = "openid email profile", **options: Any
    ) -> None:
        super().__init__(name, scope=scope, **options)
        if "openid" not in scope.split():
            raise DefinitionError(f"the scope of the provider {name!r} has 'openid', not {scope!r}")
        self.issuer = check_https(f"the issuer of the provider {name!r}", issuer)
        self._configuration = _Kept(self._fetch_configuration)
        self._keys = _Kept(self._fetch_keys)

    def configured(self, settings: Mapping[str, Any]) -> Self:
        own = super().configured(settings)
        # What one app has fetched is its own.
        own._configuration = _Kept(own._fetch_configuration)
        own._keys = _Kept(own._fetch_keys)
        return own

    def _authorize_url(self) -> str:
        return self._endpoint("authorization_endpoint")

    def _token_url(self) -> str:
        return self._endpoint("token_endpoint")

    def _more_parameters(self, bound: Secrets) -> Mapping[str, str]:
        return {"nonce": bound.nonce}

    def _check_answer(self, answer: Mapping[str, str]) -> None:
        """Refuse an answer that names another issuer, as RFC 9207 has it."""
        says = self._configuration.get().get("authorization_response_iss_parameter_supported")
        issuer = answer.get("iss")
        if issuer != self.issuer and (issuer is not None or says is True):
            raise LoginFailed("the answer is not of this issuer")

    def _auth_method(self) -> str:
        # Of both the one is taken whose spelling nobody gets wrong.
        given = self._configuration.get().get("token_endpoint_auth_methods_supported")
        supported = given if isinstance(given, list) else ["client_secret_basic"]
        is_post = "client_secret_post" in supported
        return self._client_auth or ("client_secret_post" if is_post else "client_secret_basic")

    def _profile(self, token: Mapping[str, Any], bound: Secrets) -> Profile:
        claims = self._claims(token, bound)
        if "email" in self.scope.split() and "email" not in claims:
            # An address and whether it is verified are of one document.
            unknown = {"email_verified": None}
            claims = {**claims, **unknown, **self._userinfo(token, claims["sub"])}
        return self._made(claims, claims["sub"])

    def _userinfo(self, token: Mapping[str, Any], subject: Any) -> Mapping[str, Any]:
        """What the provider says of the user where the ID token is short."""
        if "userinfo_endpoint" not in self._configuration.get():
            return {}
        said = self._ask(self._endpoint("userinfo_endpoint"), token)
        if not isinstance(said, dict) or said.get("sub") != subject:
            raise LoginFailed("the userinfo is of somebody else than the ID token")
        return said

    def _claims(self, token: Mapping[str, Any], bound: Secrets) -> Mapping[str, Any]:
        """What the ID token says, where all of it holds."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        text = token.get("id_token")
        if not isinstance(text, str):
            raise LoginFailed("the provider gave no ID token")
        try:
            decoded = self._decoded(text)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                },
                {
                    "nonce": bound.nonce,
                    "client_id": self.client_id,
                    "access_token": token["access_token"],
                },
            )
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise LoginFailed(f"the ID token does not hold: {error}") from error
        return dict(claims)

    def _decoded(self, text: str) -> Any:
        """The ID token, where one of the provider's keys has signed it; there may be new ones."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError
        from joserfc.jws import JWSRegistry

        registry = JWSRegistry(algorithms=[*_ALGORITHMS], strict_check_header=False)
        try:
            return jwt.decode(text, self._keys.get(), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(text, self._keys.get(anew=True), registry=registry)

    def _endpoint(self, key: str) -> str:
        url = self._configuration.get().get(key)
        try:
            return check_https(f"the {key} of the provider {self.name!r}", url)
        except DefinitionError as error:
            raise ProviderUnavailable(f"{error}.") from error

    def _fetch_configuration(self) -> Mapping[str, Any]:
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        status, document = fetch_json("GET", url, timeout=self.timeout)
        if status >= 400 or not isinstance(document, dict):
            raise ProviderUnavailable(
                f"the provider {self.name!r} has no configuration at {url}: status {status}."
            )
        if document.get("issuer") != self.issuer:
            raise ProviderUnavailable(
                f"the provider {self.name!r} calls itself {document.get('issuer')!r}, and its "
                f"issuer is {self.issuer!r} here; they are the same to the letter."
            )
        return document

    def _fetch_keys(self) -> Any:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        status, document = fetch_json("GET", self._endpoint("jwks_uri"), timeout=self.timeout)
        try:
            return KeySet.import_key_set(document)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderUnavailable(
                f"the provider {self.name!r} has no keys: status {status}."
            ) from error


class OAuth2(Provider):
    """A provider of OAuth 2 that has no OpenID Connect, such as GitHub.

    ::

        def github(get):
            user, emails = get("https://api.github.com/user"), get("https://api.github.com/user/emails")
            primary = next(each for each in emails if each["primary"])
            return {
                "subject": str(user["id"]),
                "email": primary["email"],
                "email_verified": primary["verified"],
            }

        OAuth2(
            "github",
            authorize_url="https://github.com/login/oauth/authorize",
            token_url="https://github.com/login/oauth/access_token",
            scope="read:user user:email",
            profile=github,
        )

    :param name: as of :class:`Provider`, and so are ``options``.
    :param authorize_url: where a browser is sent.
    :param token_url: where a code is redeemed.
    :param scope: what the app asks to know.
    :param profile: gives what is known of a user, as OpenID Connect names it: ``subject``,
        ``email``, ``email_verified`` and more. It is called with a function that fetches a JSON
        document with the user's access token. The subject is what never changes: an id rather than
        a name.
    :raises DefinitionError: naming what means nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        authorize_url: str,
        token_url: str,
        profile: Callable[[Callable[[str], Any]], Mapping[str, Any]],
        scope: str = "",
        **options: Any,
    ) -> None:
        super().__init__(name, scope=scope, **options)
        self._urls = (
            check_https(f"the authorize_url of the provider {name!r}", authorize_url),
            check_https(f"the token_url of the provider {name!r}", token_url),
        )
        self._profile_by = profile

    def _authorize_url(self) -> str:
        return self._urls[0]

    def _token_url(self) -> str:
        return self._urls[1]

    def _profile(self, token: Mapping[str, Any], bound: Secrets) -> Profile:
        if str(token.get("token_type", "bearer")).lower() != "bearer":
            raise LoginFailed("the access token is of another type than Bearer")
        what = f"what the profile of the provider {self.name!r} fetches"
        said = self._profile_by(lambda url: self._ask(check_https(what, url), token))
        return self._made(said, said.get("subject"))


class _Kept:
    """A document of a provider, fetched when it is needed and kept for an hour.

    Where it could not be fetched, that is kept too, for a moment, so that the next users who ask
    do not wait as long.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._lock = Lock()
        self._document: Any = None
        self._until = 0.0
        self._failed: ProviderUnavailable | None = None
        self._pause = 0.0

    def get(self, *, anew: bool = False) -> Any:
        """The document.

        :param anew: whether the one that is kept will not do.
        :raises ProviderUnavailable: where it cannot be fetched.
        """
        known = self._document
        if known is not None and not anew and monotonic() < self._until:
            return known
        with self._lock:
            if self._document is not known and self._document is not None:
                return self._document  # another thread did it while this one waited
            if self._failed is not None and monotonic() < self._pause:
                raise ProviderUnavailable(self._failed.message) from self._failed
            try:
                self._document = self._fetch()
            except ProviderUnavailable as error:
                self._failed, self._pause = error, monotonic() + _PAUSE
                raise
            self._failed, self._until = None, monotonic() + _AN_HOUR
            return self._document


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that does not say where they differ."""
    digests = (hashlib.sha256(each.encode()).digest() for each in (one, other))
    return hmac.compare_digest(*digests)
