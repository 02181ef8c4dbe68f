"""The program of the OpenID provider: Django OAuth Toolkit, served by waitress on a free port.

::

    python tests/servers/openid_provider.py FOLDER

It writes its port as a line, and ends when its input does.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import django
from django.conf import settings

FOLDER = Path(sys.argv[1])
#: What the tests use as two websites of their own.
CALLBACKS = "http://localhost/auth/openid/callback http://localhost/auth/plain/callback"

#: What is said of each user, and how the answers about it are spoiled, by its name.
CLAIMS: dict[str, dict[str, Any]] = {}
SPOILED: dict[str, dict[str, Any]] = {}


def main() -> None:
    from waitress.server import create_server

    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # it is on loopback
    settings.configure(
        SECRET_KEY="of tests",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": FOLDER / "provider.sqlite",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": new_key(),
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.validator",
            "SCOPES": {"openid": "Who you are", "email": "Your address", "profile": "Your name"},
            "PKCE_REQUIRED": True,
            "REQUEST_APPROVAL_PROMPT": "auto",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        },
    )
    django.setup()
    prepare()
    server = create_server(application(), host="127.0.0.1", port=0, threads=4)
    Thread(target=end_with_input, daemon=True).start()
    sys.stdout.write(f"{server.effective_port}\n")
    sys.stdout.flush()
    server.run()


def end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def application() -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def prepare() -> None:
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    for client, algorithm in (("shop", "RS256"), ("plain", "")):
        get_application_model().objects.create(
            client_id=client,
            client_secret=f"secret of {client}: % + &",
            hash_client_secret=False,
            client_type="confidential",
            authorization_grant_type="authorization-code",
            redirect_uris=CALLBACKS,
            skip_authorization=True,
            algorithm=algorithm,
        )


def new_key() -> str:
    from jwcrypto.jwk import JWK

    return (
        JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None).decode()
    )


# What the provider says of users


def __getattr__(name: str) -> Any:
    """Make what Django asks for only when it is set up."""
    if name == "urlpatterns":
        return patterns()
    if name == "validator":
        return validator_class()
    raise AttributeError(name)


def validator_class() -> type:
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):
        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            return CLAIMS[request.user.get_username()]

        def get_oidc_claims(self, token: Any, token_handler: Any, request: Any) -> dict[str, Any]:
            claims = super().get_oidc_claims(token, token_handler, request)
            return {**claims, "sub": f"subject-of-{request.user.get_username()}"}

        def get_userinfo_claims(self, request: Any) -> dict[str, Any]:
            claims = super().get_userinfo_claims(request)
            return {**claims, **SPOILED[request.user.get_username()].get("userinfo", {})}

        def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> Any:
            claims, expiry = super().get_id_token_dictionary(token, token_handler, request)
            spoiled = SPOILED[request.user.get_username()]
            claims = {**claims, **spoiled.get("claims", {})}
            return {k: v for k, v in claims.items() if k not in spoiled.get("without", ())}, expiry

        def finalize_id_token(
            self, id_token: Any, token: Any, token_handler: Any, request: Any
        ) -> Any:
            spoiled = SPOILED[request.user.get_username()]
            text = super().finalize_id_token(id_token, token, token_handler, request)
            return resigned(text, spoiled["signed"], request) if "signed" in spoiled else text

    return Validator


def resigned(token: str, how: str, request: Any) -> str:
    """An ID token that somebody else has signed, or nobody."""
    from jwcrypto import jwk, jwt

    header, claims, _ = (decoded(part) for part in token.split("."))
    if how == "by nobody":
        parts = [json.dumps({"alg": "none"}).encode(), claims]
        return ".".join(
            [*(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts), ""]
        )
    if how == "by another key":
        made = jwt.JWT(header=header.decode(), claims=claims.decode())
        made.make_signed_token(jwk.JWK.from_pem(new_key().encode()))
    else:  # the public key, which everybody knows, as if it were a secret
        public = request.client.jwk_key.export_to_pem()
        key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(public).decode().rstrip("="))
        kid = json.loads(header)["kid"]
        made = jwt.JWT(header={"alg": "HS256", "kid": kid}, claims=claims.decode())
        made.make_signed_token(key)
    signed: str = made.serialize()
    return signed


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


# Its pages


def patterns() -> list[Any]:
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
    from django.urls import include, path
    from oauth2_provider.settings import oauth2_settings
    from oauth2_provider.views.generic import ProtectedResourceView

    def enter(request: HttpRequest) -> HttpResponse:
        """Log in. Only the one who tests can reach this server."""
        login(request, User.objects.get(username=request.POST["username"]))
        return HttpResponseRedirect(request.GET["next"])

    def put_user(request: HttpRequest, name: str) -> HttpResponse:
        said = json.loads(request.body)
        CLAIMS[name], SPOILED[name] = said["claims"], said["spoiled"]
        User.objects.get_or_create(username=name)
        return HttpResponse(status=204)

    def change_key(request: HttpRequest) -> HttpResponse:
        oauth2_settings.OIDC_RSA_PRIVATE_KEY = new_key()
        return HttpResponse(status=204)

    def flood(request: HttpRequest, name: str) -> HttpResponse:
        """Answer with more than anybody needs, or byte by byte."""
        from django.http import StreamingHttpResponse

        def drops() -> Any:
            while True:
                yield b" "
                sleep(0.05)

        if name == "slow":
            return StreamingHttpResponse(drops(), content_type="application/json")
        own = request.build_absolute_uri("/o")
        configuration = {
            "issuer": request.build_absolute_uri("/flood/large"),
            "authorization_endpoint": f"{own}/authorize/",
            "more": " " * 5_000_000,
        }
        return JsonResponse(configuration)

    class Profile(ProtectedResourceView):
        def get(self, request: HttpRequest) -> HttpResponse:
            name = request.resource_owner.get_username()
            return JsonResponse({"id": request.resource_owner.pk, "login": name, **CLAIMS[name]})

    return [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("accounts/login/", enter),
        path("profile", Profile.as_view()),
        path("users/<name>", put_user),
        path("change-key", change_key),
        path("flood/<name>/.well-known/openid-configuration", flood),
    ]


if __name__ == "__main__":
    # Django imports the module by name.
    sys.modules["openid_provider"] = sys.modules["__main__"]
    __name__ = "openid_provider"
    main()
