from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, render_template_string, session
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user, logout_user

from flask_loop import Context, Loop, Model, Prop, User, csrf_token, memory
from flask_loop.errors import DefinitionError

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
ANN = {"email": "ann@example.com", "password": "first secret"}


class Clerk(UserMixin):
    """A user of the app's own."""

    id = "clerk"


def make_bank(*, key: bool = False, **settings: Any) -> Flask:
    """An app whose payments everybody may make, and which notes who did.

    :param key: whether the app knows users of its own by what a request gives.
    """
    app = Flask("bank")
    config = {"TESTING": True, "SECRET_KEY": "key", "LOOP_PASSWORD_HASHING": FAST, **settings}
    app.config.update(config)
    manager = LoginManager(app)
    manager.user_loader(lambda id: Clerk() if id == "clerk" else None)
    if key:
        manager.request_loader(lambda request: Clerk() if "X-Key" in request.headers else None)

    class BankCustomer(User):
        class Meta:
            data_source = memory()
            plural = "customers"

    class BankPayment(Model):
        amount: Prop[int]
        by: Prop[str | None]

        class Meta:
            data_source = memory()
            plural = "payments"

    @BankPayment.before_remote("create")
    def note(ctx: Context, _: Any) -> None:
        ctx.args["data"]["by"] = ctx.user and str(ctx.user.id)

    @app.get("/login")
    def login() -> str:
        login_user(BankCustomer.find_by_id(1), remember=True)
        return "welcome"

    @app.get("/login-clerk")
    def login_clerk() -> str:
        login_user(Clerk())
        return "welcome"

    @app.get("/logout")
    def logout() -> str:
        logout_user()
        return "bye"

    @app.get("/form")
    def form() -> str:
        return render_template_string("{{ loop_csrf_token() }}")

    @app.get("/form-in-python")
    def form_in_python() -> str:
        return csrf_token()

    @app.get("/nonce")
    def nonce() -> str:
        return str(session.get("_loop_csrf"))

    loop = Loop(app)
    loop.model(BankCustomer)
    loop.model(BankPayment)
    with app.app_context():
        BankCustomer.create(ANN)
    return app


@pytest.fixture
def bank() -> Flask:
    return make_bank()


@pytest.fixture
def client(bank: Flask) -> FlaskClient:
    """A browser that is logged in."""
    client = bank.test_client()
    client.get("/login")
    return client


def pay(client: FlaskClient, **headers: str) -> int:
    """Make a payment, and say how that went.

    A refusal has its code, and nothing was stored.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    before = client.get("/payments/count").json
    answer = client.post("/payments", json={"amount": 5}, headers=named)
    if answer.status_code == 403:
        assert answer.json["error"]["code"] == "CROSS_SITE_REQUEST"
        assert client.get("/payments/count").json == before
    return answer.status_code


# What a browser says


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "HTTP://LOCALHOST"}, 200),
        ({"Origin": "http://localhost:80"}, 403),  # which no browser sends
        ({"Origin": "https://localhost"}, 403),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://evil.example/http://localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "whatever"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
        # Behind a proxy, the app may think that it is another origin.
        ({"Origin": "https://bank.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Referer": "http://localhost/form"}, 403),
    ],
)
def test_a_cookie_writes_only_from_pages_of_the_app(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    assert pay(client, **headers) == status


@pytest.mark.parametrize("cookie", ["session", "remember_token"])
def test_that_holds_for_each_cookie_that_logs_in(client: FlaskClient, cookie: str) -> None:
    for other in {"session", "remember_token"} - {cookie}:
        client.delete_cookie(other)
    assert pay(client) == pay(client, Origin="http://evil.example") == 403
    assert pay(client, Origin="http://localhost") == 200


def test_that_holds_for_users_of_the_apps_own(bank: Flask) -> None:
    client = bank.test_client()
    client.get("/login-clerk")
    assert pay(client) == pay(client, Origin="http://evil.example") == 403
    assert pay(client, Origin="http://localhost") == 200


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_that_holds_for_each_verb_that_writes(client: FlaskClient, verb: str) -> None:
    assert pay(client, Origin="http://localhost") == 200
    path = "/payments" if verb == "POST" else "/payments/1"
    body = None if verb == "DELETE" else {"amount": 6}
    refused = client.open(path, method=verb, json=body)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "CROSS_SITE_REQUEST")
    assert client.get("/payments").json == [{"id": 1, "amount": 5, "by": "1"}]
    own = client.open(path, method=verb, json=body, headers={"Origin": "http://localhost"})
    assert own.status_code == 200


@pytest.mark.parametrize("verb", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_free(client: FlaskClient, verb: str) -> None:
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.open("/payments", method=verb, headers=headers).status_code == 200


def test_nobody_is_asked_who_is_not_logged_in(bank: Flask) -> None:
    client = bank.test_client()
    assert pay(client, Origin="http://evil.example") == 200
    client.set_cookie("theme", "dark")
    assert pay(client) == 200
    client.get("/form")  # whose session has nobody's login
    assert pay(client) == 200
    client.get("/login")
    client.get("/logout")
    assert pay(client, Sec_Fetch_Site="cross-site") == 200


def test_a_token_is_no_cookie(bank: Flask, client: FlaskClient) -> None:
    login = bank.test_client().post("/customers/login", json=ANN)
    token = login.json["id"]
    assert pay(client, Authorization=token, Origin="http://evil.example") == 200
    assert pay(client, X_Access_Token=token) == 200
    assert pay(client) == 403


def test_logging_out_by_the_cookie_is_no_other_sites_business(client: FlaskClient) -> None:
    assert client.post("/customers/logout").status_code == 403
    assert client.get("/customers/1").status_code == 200


# Origins that are trusted


@pytest.mark.parametrize(
    ("trusted", "origin"),
    [
        ("https://admin.example.com", "https://admin.example.com"),
        ("https://Admin.Example.com/", "https://admin.example.com"),
        ("https://admin.example.com:443", "https://admin.example.com"),
        ("http://admin.example.com:80", "http://admin.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_other_origins_may_be_trusted(trusted: str, origin: str) -> None:
    client = make_bank(LOOP_TRUSTED_ORIGINS=[trusted]).test_client()
    client.get("/login")
    assert pay(client, Origin=origin, Sec_Fetch_Site="cross-site") == 200
    assert pay(client, Origin=f"{origin}.evil.example") == 403
    assert pay(client, Origin="http://evil.example", Sec_Fetch_Site="cross-site") == 403


def test_the_external_url_is_the_apps_own() -> None:
    client = make_bank(LOOP_EXTERNAL_URL="https://bank.example/app").test_client()
    client.get("/login")
    assert pay(client, Origin="https://bank.example") == 200
    assert pay(client, Origin="https://bank.example.evil.example") == 403


@pytest.mark.parametrize(
    "wrong", ["admin.example.com", "https://", "https://a.example/path", "*", "null", ""]
)
def test_what_is_no_origin_is_refused_when_the_app_is_made(wrong: str) -> None:
    app = Flask("bank")
    app.config["LOOP_TRUSTED_ORIGINS"] = ["https://a.example", wrong]
    with pytest.raises(DefinitionError, match="LOOP_TRUSTED_ORIGINS has"):
        Loop(app)


# The token of a page


@pytest.mark.parametrize("page", ["/form", "/form-in-python"])
def test_a_page_shows_the_token_of_its_session(client: FlaskClient, page: str) -> None:
    token = client.get(page).text
    assert pay(client, X_CSRF_Token=token) == 200
    assert client.get(page).text == token
    assert pay(client, X_CSRF_Token=token, Sec_Fetch_Site="none") == 200


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 64, "None"])
def test_another_token_is_refused(client: FlaskClient, token: str) -> None:
    assert pay(client, X_CSRF_Token=token) == 403
    client.get("/form")
    assert pay(client, X_CSRF_Token=token) == 403


def test_the_token_of_another_session_is_refused(bank: Flask, client: FlaskClient) -> None:
    other = bank.test_client()
    other.get("/login")
    token = other.get("/form").text
    client.get("/form")
    assert pay(other, X_CSRF_Token=token) == 200
    assert pay(client, X_CSRF_Token=token) == 403


def test_a_token_from_before_the_login_is_refused(bank: Flask) -> None:
    client = bank.test_client()
    token, nonce = client.get("/form").text, client.get("/nonce").text
    client.get("/login")
    assert client.get("/nonce").text == nonce
    assert pay(client, X_CSRF_Token=token) == pay(client, X_CSRF_Token=nonce) == 403
    assert pay(client, X_CSRF_Token=client.get("/form").text) == 200


@pytest.mark.parametrize("page", ["/form", "/form-in-python"])
def test_a_page_that_a_remember_cookie_opens_shows_a_token_that_is_good(
    client: FlaskClient, page: str
) -> None:
    client.delete_cookie("session")
    token = client.get(page).text
    for _ in range(2):
        assert pay(client, X_CSRF_Token=token) == 200


def test_no_token_makes_up_for_what_the_browser_says(client: FlaskClient) -> None:
    token = client.get("/form").text
    assert pay(client, X_CSRF_Token=token, Origin="http://evil.example") == 403
    assert pay(client, X_CSRF_Token=token, Sec_Fetch_Site="cross-site") == 403


def test_tokens_outlive_a_change_of_the_key_that_keeps_the_old_one(
    bank: Flask, client: FlaskClient
) -> None:
    token = client.get("/form").text
    bank.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["key"])
    assert pay(client, X_CSRF_Token=token) == 200
    assert client.get("/form").text != token


# Users whom the app knows by what a request gives


def test_a_header_of_the_apps_own_is_no_cookie() -> None:
    client = make_bank(key=True).test_client()
    assert pay(client, X_Key="1") == 200
    assert pay(client, X_Key="1", Origin="http://app.example", Sec_Fetch_Site="cross-site") == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_what_a_browser_may_have_added_writes_from_no_other_site(
    headers: dict[str, str], status: int
) -> None:
    client = make_bank(key=True).test_client()
    basic = {"X-Key": "1", "Authorization": "Basic Y2xlcms6c2VjcmV0"}
    assert pay(client, **basic, **headers) == status
    client.set_cookie("sso", "clerk")
    assert pay(client, X_Key="1", **headers) == status
