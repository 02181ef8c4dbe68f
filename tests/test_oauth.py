"""Third-party login, against a real OpenID provider."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Barrier, Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import flask_login
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_loop import (
    DataSource,
    DefinitionError,
    Loop,
    Model,
    Prop,
    User,
    ValidationError,
    create_data_source,
    memory,
    prop,
)
from flask_loop.errors import DuplicateId
from flask_loop.oauth import Identity, OAuth2, OpenID, Profile, ThirdPartyLogin

from .servers.openid import OpenidProvider

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}

MakeLogins = Callable[..., "Shop"]


class Shop:
    """An app with users who log in by the provider, and what a browser does there."""

    def __init__(self, app: Flask, users: Any, logins: ThirdPartyLogin, provider: Any) -> None:
        self.app, self.users, self.logins, self.provider = app, users, logins, provider

    @property
    def identities(self) -> list[tuple[str, str, Any]]:
        return sorted((e.provider, e.subject, e.user_id) for e in self.logins.identities.find())

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def begin(self, browser: FlaskClient, path: str = "/auth/openid") -> str:
        """The URL at the provider that the browser is sent to."""
        answer = browser.get(path)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def callback(self, browser: FlaskClient, name: str, path: str = "/auth/openid") -> str:
        """The URL that the provider sends the browser back to, with the user logged in there."""
        return self.provider.enter(self.begin(browser, path), name)

    def log_in(self, browser: FlaskClient, name: str, path: str = "/auth/openid") -> TestResponse:
        return browser.get(self.callback(browser, name, path))

    def link(self, browser: FlaskClient, name: str) -> TestResponse:
        answer = browser.post("/auth/openid/link", headers=OWN_PAGE)
        assert answer.status_code == 303, answer.text
        return browser.get(self.provider.enter(answer.headers["Location"], name))


@pytest.fixture(scope="session")
def _openid() -> Iterator[OpenidProvider]:
    provider = OpenidProvider()
    yield provider
    provider.remove()


@pytest.fixture
def openid(_openid: OpenidProvider, monkeypatch: pytest.MonkeyPatch) -> OpenidProvider:
    """A provider that is reached without any proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return _openid


@pytest.fixture
def make_shop(openid: OpenidProvider) -> MakeLogins:
    """A function that makes a shop; its options are those of its parts."""

    class Shopper(User):
        email: Prop[str | None] = prop(default=None, max_length=254)  # type: ignore[assignment]

    def make(
        source: DataSource | None = None,
        users: Any = Shopper,
        provider: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        **options: Any,
    ) -> Shop:
        users = users.extend("CloudShopper", http_path="/cloudShoppers")
        users.attach_to(source or memory())
        openid_login = OpenID("openid", issuer=openid.issuer, **(provider or {}))
        plain_login = OAuth2(
            "plain",
            authorize_url=f"{openid.issuer}/authorize/",
            token_url=f"{openid.issuer}/token/",
            scope="profile",
            profile=lambda get: profile_of(get(f"{openid.url}/profile")),
        )
        logins = ThirdPartyLogin(users, openid_login, plain_login, **options)
        app = make_app(openid, users, config)
        logins.init_app(app)
        return Shop(app, users, logins, openid)

    return make


def profile_of(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "subject": str(said["id"])}


def make_app(openid: OpenidProvider, users: type[Model], config: dict[str, Any] | None) -> Flask:

    app = Flask("shop")
    app.config.update(
        TESTING=True,
        SECRET_KEY="of tests",
        LOOP_PASSWORD_HASHING=FAST,
        LOOP_OAUTH={
            name: {"client_id": client, "client_secret": openid.secret_of(client)}
            for name, client in (("openid", "shop"), ("plain", "plain"))
        },
        **(config or {}),
    )
    loop = Loop(app, url_prefix="/api")
    loop.model(users)

    @app.get("/me")
    def me() -> dict[str, Any]:
        user = flask_login.current_user
        return {"id": user.id if user.is_authenticated else None}

    @app.get("/enter/<int:id>")
    def enter(id: int) -> str:
        flask_login.login_user(users.find_by_id(id), remember=True)
        return "welcome"

    return app


def me(browser: FlaskClient) -> Any:
    return browser.get("/me").get_json()["id"]


def error_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


@pytest.fixture
def shop(make_shop: MakeLogins) -> Shop:
    return make_shop()


# Logging in


def test_who_is_new_gets_an_account_with_the_verified_address(
    make_shop: MakeLogins, source: DataSource, openid: OpenidProvider
) -> None:
    shop = make_shop(source)
    source.auto_update()
    subject = openid.put_user("ann", email="Ann@Example.org", email_verified=True)
    browser = shop.browser()
    answer = shop.log_in(browser, "ann")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    user = shop.users.find_one()
    assert (user.email, user.email_verified, user.password) == ("ann@example.org", True, None)
    assert me(browser) == user.id
    assert shop.identities == [("openid", subject, user.id)]


def test_who_logs_in_again_is_the_same_user(
    make_shop: MakeLogins, source: DataSource, openid: OpenidProvider
) -> None:
    shop = make_shop(source)
    source.auto_update()
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    first, second = shop.browser(), shop.browser()
    shop.log_in(first, "ann")
    # What identifies them is the subject: the address may be another one meanwhile.
    openid.put_user("ann", email="anna@example.org", email_verified=True)
    shop.log_in(second, "ann")
    assert me(first) == me(second) is not None
    assert shop.users.count() == 1
    assert shop.users.find_one().email == "ann@example.org"
    assert shop.logins.identities.find_one().email == "anna@example.org"


def test_who_has_a_verified_account_with_the_address_logs_in_to_it(
    shop: Shop, openid: OpenidProvider
) -> None:
    known = shop.users.create(email="bob@example.org", email_verified=True)
    openid.put_user("bob", email="BOB@example.org", email_verified=True)
    browser = shop.browser()
    shop.log_in(browser, "bob")
    assert me(browser) == known.id
    assert shop.users.count() == 1


def test_the_browser_goes_to_where_it_was_sent_from(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    answer = shop.log_in(shop.browser(), "ann", "/auth/openid?next=/cart%3Fpage%3D2")
    assert answer.headers["Location"] == "/cart?page=2"


def test_logins_of_two_tabs_do_not_disturb_each_other(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    one = shop.callback(browser, "ann", "/auth/openid?next=/one")
    two = shop.callback(browser, "ann", "/auth/openid?next=/two")
    assert browser.get(one).headers["Location"] == "/one"
    assert browser.get(two).headers["Location"] == "/two"


def test_the_cookie_stays_small_however_many_logins_were_begun(shop: Shop) -> None:
    browser = shop.browser()
    for _ in range(20):
        shop.begin(browser, "/auth/openid?next=/" + secrets.token_hex(290))
    cookie = browser.get_cookie("session")
    assert cookie is not None
    assert len(cookie.value) < 3800


def test_oauth_2_without_openid_takes_the_users_profile(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("cat", email="cat@example.org", email_verified=True)
    browser = shop.browser()
    answer = shop.log_in(browser, "cat", "/auth/plain")
    assert answer.status_code == 303, answer.text
    user = shop.users.find_one()
    assert (user.email, user.email_verified) == ("cat@example.org", True)
    assert me(browser) == user.id
    ((provider, subject, _),) = shop.identities
    assert provider == "plain"
    assert subject.isdigit()


def test_client_secret_basic_shows_the_secret_in_the_spelling_of_oauth(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(provider={"client_auth": "client_secret_basic"})
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    assert shop.log_in(shop.browser(), "ann").status_code == 303
    assert shop.users.count() == 1


def test_a_new_user_has_what_the_app_makes_of_the_profile(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(new_user=lambda profile: {"username": profile.claims["nickname"]})
    openid.put_user("ann", email="ann@example.org", email_verified=True, nickname="annie")
    shop.log_in(shop.browser(), "ann")
    assert shop.users.find_one().username == "annie"


def test_a_new_user_who_breaks_the_models_rules_is_refused_with_the_reason(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    class Titled(User):
        title: Prop[str] = prop(required=True)

    shop = make_shop(users=Titled)
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    answer = shop.log_in(shop.browser(), "ann")
    assert answer.status_code == 422
    assert answer.get_json()["error"]["details"]["codes"] == {"title": ["presence"]}
    assert shop.users.count() == 0
    assert shop.identities == []


def test_the_key_of_the_provider_may_change(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    openid.change_key()
    browser = shop.browser()
    assert shop.log_in(browser, "ann").status_code == 303
    assert me(browser) is not None


def test_the_cookie_of_a_login_may_be_changed_for_a_token(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    assert error_of(browser.post("/auth/token", headers=OWN_PAGE))[0] == 401
    shop.log_in(browser, "ann")
    session = browser.post("/auth/token", headers=OWN_PAGE).get_json()
    id = session["userId"]
    assert session.keys() == {"id", "sid", "ttl", "created", "userId", "uid"}
    path = f"/api/cloudShoppers/{id}"
    client = shop.app.test_client()
    assert client.get(path).status_code == 401
    answer = client.get(path, headers={"Authorization": f"Bearer {session['id']}"})
    assert (answer.status_code, answer.get_json()["email"]) == (200, "ann@example.org")


def test_a_token_is_changed_for_no_other_token(shop: Shop, openid: OpenidProvider) -> None:
    user = shop.users.create(email="fay@example.org", email_verified=True)
    for scopes in (None, ["photos"]):
        token = user.create_session(scopes=scopes).id
        headers = {**OWN_PAGE, "Authorization": f"Bearer {token}"}
        for path in ("token", "openid/link", "openid/unlink"):
            answer = shop.browser().post(f"/auth/{path}", headers=headers)
            assert error_of(answer) == (401, "AUTHORIZATION_REQUIRED")


def test_a_user_who_is_deleted_takes_the_identities_along(
    make_shop: MakeLogins, source: DataSource, openid: OpenidProvider
) -> None:
    shop = make_shop(source)
    source.auto_update()
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    shop.users.destroy_all()
    assert shop.identities == []
    # Another user may get the same id.
    other = shop.users.create(email="eve@example.org", email_verified=True)
    browser = shop.browser()
    shop.log_in(browser, "ann")
    assert me(browser) not in (None, other.id)


@pytest.mark.parametrize("address", ["ann@example.org", None])
def test_two_answers_at_once_make_one_user(
    make_shop: MakeLogins, source: DataSource, openid: OpenidProvider, address: str | None
) -> None:
    neither_is_stored = Barrier(2, timeout=20)

    def new_user(profile: Profile) -> dict[str, Any]:
        neither_is_stored.wait()
        return {}

    shop = make_shop(source, new_user=new_user)
    source.auto_update()
    openid.put_user("ann", email=address, email_verified=True)
    browsers = [shop.browser(), shop.browser()]
    urls = [shop.callback(each, "ann") for each in browsers]
    answers: list[int] = []

    def go(browser: FlaskClient, url: str) -> None:
        answers.append(browser.get(url).status_code)

    threads = [Thread(target=go, args=each) for each in zip(browsers, urls, strict=True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [303, 303]
    assert shop.users.count() == len(shop.identities) == 1
    assert {me(each) for each in browsers} == {shop.users.find_one().id}


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "firebird"])
def test_a_login_is_kept_in_databases_of_each_kind(
    get_server: Callable[[str], Any],
    make_shop: MakeLogins,
    openid: OpenidProvider,
    connector: str,
) -> None:
    server = get_server(connector)
    with closing(create_data_source(connector=connector, url=server.fresh("oauth"))) as source:
        shop = make_shop(source)
        source.auto_update()
        openid.put_user("ann", email="ann@example.org", email_verified=True)
        first, second = shop.browser(), shop.browser()
        shop.log_in(first, "ann")
        shop.log_in(second, "ann")
        assert me(first) == me(second) == shop.users.find_one().id
        with pytest.raises(DuplicateId):
            shop.logins.identities.create(shop.logins.identities.find_one().to_record())
        shop.users.destroy_all()
        assert shop.identities == []


# Addresses that prove nothing


def test_an_address_that_the_provider_does_not_vouch_for_leads_to_no_account(
    shop: Shop, openid: OpenidProvider
) -> None:
    known = shop.users.create(email="bob@example.org", email_verified=True)
    for number, verified in enumerate((False, None, "yes", 1, "True")):
        said = {} if verified is None else {"email_verified": verified}
        openid.put_user(f"mallory{number}", email="bob@example.org", **said)
        browser = shop.browser()
        shop.log_in(browser, f"mallory{number}")
        assert me(browser) not in (None, known.id)
    # What they have is accounts without any address.
    assert [each.email for each in shop.users.find()] == ["bob@example.org"] + [None] * 5


def test_an_account_that_somebody_else_registered_with_ones_address_is_not_taken_over(
    shop: Shop, openid: OpenidProvider
) -> None:
    trap = shop.users.create(email="vic@example.org", password="of the attacker")
    openid.put_user("vic", email="vic@example.org", email_verified=True)
    browser = shop.browser()
    assert error_of(shop.log_in(browser, "vic")) == (409, "ACCOUNT_EXISTS")
    assert me(browser) is None
    assert shop.identities == []
    assert shop.users.find_by_id(trap.id).email_verified is False


def test_a_provider_whose_addresses_are_not_trusted_links_nobody_by_them(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(provider={"link_by_email": False})
    shop.users.create(email="bob@example.org", email_verified=True)
    openid.put_user("bob", email="bob@example.org", email_verified=True)
    assert error_of(shop.log_in(shop.browser(), "bob")) == (409, "ACCOUNT_EXISTS")


def test_a_model_that_needs_an_address_refuses_who_has_none(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(users=User)
    openid.put_user("dan", email="dan@example.org", email_verified=False)
    assert error_of(shop.log_in(shop.browser(), "dan")) == (401, "EMAIL_NOT_VERIFIED")
    assert shop.users.count() == 0


def test_nobody_gets_an_account_where_none_are_made(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(provider={"sign_up": False})
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    assert error_of(shop.log_in(shop.browser(), "ann")) == (401, "NO_ACCOUNT")
    assert shop.users.count() == 0


def test_an_address_that_is_not_verified_any_more_is_refused_where_it_has_to_be(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop()
    shop.users.require_email_verification = True
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    shop.users.find_one().update_attributes({"email": "new@example.org"})
    browser = shop.browser()
    assert error_of(shop.log_in(browser, "ann")) == (401, "EMAIL_NOT_VERIFIED")
    assert me(browser) is None


def test_who_is_not_active_does_not_log_in(make_shop: MakeLogins, openid: OpenidProvider) -> None:
    class Bannable(User):
        is_active = False

    shop = make_shop(users=Bannable)
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    assert error_of(shop.log_in(browser, "ann")) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert me(browser) is None


def test_users_of_another_realm_are_others(make_shop: MakeLogins, openid: OpenidProvider) -> None:
    class Resident(User):
        class Meta:
            realm_required = True

    shop = make_shop(users=Resident, realm="north")
    south, north = (
        shop.users.create(email="ann@example.org", email_verified=True, realm=realm)
        for realm in ("south", "north")
    )
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    openid.put_user("bob", email="bob@example.org", email_verified=True)
    browser = shop.browser()
    shop.log_in(browser, "ann")
    assert me(browser) == north.id != south.id
    shop.log_in(browser, "bob")
    assert shop.users.find_by_id(me(browser)).realm == "north"


def test_who_has_an_account_that_was_closed_gets_no_other_one(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    class Closable(User):
        closed: Prop[bool] = prop(default=False)

        class Meta:
            scope = {"where": {"closed": False}}

    shop = make_shop(users=Closable)
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    shop.users.find_one().update_attributes({"closed": True})
    browser = shop.browser()
    assert error_of(shop.log_in(browser, "ann")) == (401, "NO_ACCOUNT")
    assert me(browser) is None


def test_who_gets_an_account_back_by_mail_keeps_no_strangers_login(
    shop: Shop, openid: OpenidProvider
) -> None:
    """An attacker links a login of theirs, then gives the account the victim's address."""
    openid.put_user("mallory", email="mallory@example.org", email_verified=True)
    shop.log_in(shop.browser(), "mallory")
    trap = shop.users.find_one()
    trap.update_attributes({"email": "vic@example.org"})
    with shop.app.app_context():
        token = reset_token(trap)
        shop.users.confirm_reset(token, "of the victim")
    browser = shop.browser()
    shop.log_in(browser, "mallory")
    assert me(browser) not in (None, trap.id)


def test_a_reset_keeps_the_login_of_the_same_address(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    user = shop.users.find_one()
    with shop.app.app_context():
        shop.users.confirm_reset(reset_token(user), "forgotten again")
    assert len(shop.identities) == 1
    browser = shop.browser()
    shop.log_in(browser, "ann")
    assert me(browser) == user.id


def reset_token(user: Any) -> str:
    """What the link in a reset mail has."""
    from flask_loop.accounts.links import RESET, make_token

    return make_token(user, RESET)


# Linking


def test_who_is_logged_in_links_a_login(shop: Shop, openid: OpenidProvider) -> None:
    user = shop.users.create(email="fay@example.org", email_verified=True)
    subject = openid.put_user("fay", email="other@example.net", email_verified=False)
    browser = shop.browser()
    browser.get(f"/enter/{user.id}")
    assert shop.link(browser, "fay").status_code == 303
    assert shop.identities == [("openid", subject, user.id)]
    elsewhere = shop.browser()
    shop.log_in(elsewhere, "fay")
    assert me(elsewhere) == user.id


def test_linking_the_same_login_again_changes_nothing(shop: Shop, openid: OpenidProvider) -> None:
    user = shop.users.create(email="fay@example.org", email_verified=True)
    openid.put_user("fay")
    browser = shop.browser()
    browser.get(f"/enter/{user.id}")
    assert shop.link(browser, "fay").status_code == 303
    assert shop.link(browser, "fay").status_code == 303
    assert len(shop.identities) == 1


def test_nobody_links_a_login_who_is_not_logged_in(shop: Shop) -> None:
    assert error_of(shop.browser().post("/auth/openid/link", headers=OWN_PAGE)) == (
        401,
        "AUTHORIZATION_REQUIRED",
    )


def test_another_users_login_is_not_linked(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    shop.log_in(shop.browser(), "ann")
    before = shop.identities
    other = shop.users.create(email="gus@example.org", email_verified=True)
    browser = shop.browser()
    browser.get(f"/enter/{other.id}")
    assert error_of(shop.link(browser, "ann")) == (409, "IDENTITY_TAKEN")
    assert shop.identities == before


def test_who_registered_with_an_address_of_which_nothing_is_known_links_nothing(
    shop: Shop, openid: OpenidProvider
) -> None:
    trap = shop.users.create(email="vic@example.org", password="of the attacker")
    openid.put_user("mallory")
    browser = shop.browser()
    browser.get(f"/enter/{trap.id}")
    assert error_of(shop.link(browser, "mallory")) == (401, "EMAIL_NOT_VERIFIED")
    assert shop.identities == []


@pytest.mark.parametrize("path", ["openid/link", "openid/unlink", "token"])
def test_a_page_of_another_site_links_and_unlinks_nothing(shop: Shop, path: str) -> None:
    user = shop.users.create(email="fay@example.org", email_verified=True)
    browser = shop.browser()
    browser.get(f"/enter/{user.id}")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ):
        answer = browser.post(f"/auth/{path}", headers=headers)
        assert error_of(answer) == (403, "CROSS_SITE_REQUEST")
    assert browser.get(f"/auth/{path}").status_code == 405


def test_linking_ends_where_another_user_is_logged_in_meanwhile(
    shop: Shop, openid: OpenidProvider
) -> None:
    one = shop.users.create(email="one@example.org", email_verified=True)
    two = shop.users.create(email="two@example.org", email_verified=True)
    openid.put_user("fay")
    browser = shop.browser()
    browser.get(f"/enter/{one.id}")
    location = browser.post("/auth/openid/link", headers=OWN_PAGE).headers["Location"]
    browser.get(f"/enter/{two.id}")
    answer = browser.get(openid.enter(location, "fay"))
    assert error_of(answer) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert shop.identities == []


def test_a_login_is_unlinked_unless_it_is_the_last_way_in(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    shop.log_in(browser, "ann")
    answer = browser.post("/auth/openid/unlink", headers=OWN_PAGE)
    assert error_of(answer) == (409, "LAST_WAY_IN")
    assert len(shop.identities) == 1
    with shop.app.app_context():
        user = shop.users.find_one()
        user.update_attributes({"password": "another way in"})
        assert shop.logins.unlink(shop.users.find_by_id(user.id), "openid") == 1
    assert shop.identities == []


def test_a_login_takes_the_place_of_another_users_and_of_what_is_remembered(
    shop: Shop, openid: OpenidProvider
) -> None:
    other = shop.users.create(email="other@example.org", email_verified=True)
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    browser.get(f"/enter/{other.id}")
    assert browser.get_cookie("remember_token") is not None
    shop.log_in(browser, "ann")
    assert me(browser) == shop.users.find_one({"where": {"email": "ann@example.org"}}).id
    assert browser.get_cookie("remember_token") is None


# Answers that are not to be believed


def test_an_answer_without_its_state_or_with_a_wrong_one_is_refused(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    for state in (None, "", "x" * 32, "ü"):
        assert error_of(browser.get(changed(url, state=state))) == (400, "INVALID_STATE")
    assert me(browser) is None
    assert shop.users.count() == 0


def test_an_answer_in_another_browser_is_refused(shop: Shop, openid: OpenidProvider) -> None:
    """An attacker has the victim's browser follow a link that logs it in as the attacker."""
    openid.put_user("mallory", email="mallory@example.org", email_verified=True)
    url = shop.callback(shop.browser(), "mallory")
    victim = shop.browser()
    shop.begin(victim)
    assert error_of(victim.get(url)) == (400, "INVALID_STATE")
    assert me(victim) is None


def test_an_answer_is_taken_once(shop: Shop, openid: OpenidProvider) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    assert browser.get(url).status_code == 303
    assert error_of(browser.get(url)) == (400, "INVALID_STATE")


def test_an_answer_is_taken_once_even_with_the_cookie_of_before(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    cookie = browser.get_cookie("session")
    assert cookie is not None
    assert browser.get(url).status_code == 303
    thief = shop.browser()
    thief.set_cookie("session", cookie.value)
    assert error_of(thief.get(url)) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert me(thief) is None


def test_a_code_of_another_browser_is_refused_with_ones_own_state(
    shop: Shop, openid: OpenidProvider
) -> None:
    """An attacker has got hold of the victim's code, and gives it as their own."""
    openid.put_user("vic", email="vic@example.org", email_verified=True)
    openid.put_user("mallory", email="mallory@example.org", email_verified=True)
    stolen = parse_qs(urlsplit(shop.callback(shop.browser(), "vic")).query)["code"][0]
    attacker = shop.browser()
    url = changed(shop.callback(attacker, "mallory"), code=stolen)
    assert error_of(attacker.get(url)) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert me(attacker) is None
    assert shop.users.count() == 0


def test_an_attempt_ends_after_ten_minutes(
    shop: Shop, openid: OpenidProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert error_of(browser.get(url)) == (400, "INVALID_STATE")


def test_an_answer_of_one_provider_is_not_taken_for_anothers(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    swapped = url.replace("/auth/openid/", "/auth/plain/")
    assert error_of(browser.get(swapped)) == (400, "INVALID_STATE")


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_an_answer_that_names_another_issuer_or_none_is_refused(
    shop: Shop, openid: OpenidProvider, issuer: str | None
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = changed(shop.callback(browser, "ann"), iss=issuer)
    assert error_of(browser.get(url)) == (401, "THIRD_PARTY_LOGIN_FAILED")


@pytest.mark.parametrize(
    "spoiled",
    [
        {"claims": {"nonce": "of another login"}},
        {"claims": {"nonce": None}},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"aud": "another app"}},
        {"claims": {"aud": "another app", "azp": "shop"}},
        {"claims": {"aud": ["shop", "another app"]}},
        {"claims": {"azp": "another app"}},
        {"claims": {"exp": 1_000_000_000}},
        {"without": ["exp"]},
        {"without": ["sub"]},
        {"without": ["iss"]},
        {"claims": {"iat": 4_000_000_000}},
        {"claims": {"at_hash": "of another access token"}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 17}},
        {"claims": {"sub": "x" * 256}},
        {"signed": "by nobody"},
        {"signed": "by another key"},
        {"signed": "by the public key"},
    ],
    ids=str,
)
def test_an_id_token_that_does_not_hold_is_refused(
    shop: Shop, openid: OpenidProvider, spoiled: dict[str, Any]
) -> None:
    openid.put_user("eve", spoiled, email="eve@example.org", email_verified=True)
    browser = shop.browser()
    assert error_of(shop.log_in(browser, "eve")) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert me(browser) is None
    assert shop.users.count() == 0


def test_the_address_comes_from_the_userinfo_where_the_id_token_has_none(
    shop: Shop, openid: OpenidProvider
) -> None:
    said = {"userinfo": {"email": "ann@example.org", "email_verified": True}}
    openid.put_user("ann", said)
    assert shop.log_in(shop.browser(), "ann").status_code == 303
    assert shop.users.find_one().email == "ann@example.org"


@pytest.mark.parametrize(
    "userinfo",
    [
        {"sub": "subject-of-vic", "email": "ann@example.org", "email_verified": True},
        {"email": "ann@example.org"},
    ],
)
def test_a_userinfo_of_somebody_else_or_without_proof_gives_no_address(
    shop: Shop, openid: OpenidProvider, userinfo: dict[str, Any]
) -> None:
    # The ID token says that an address is verified which it does not have.
    openid.put_user("ann", {"userinfo": userinfo, "claims": {"email_verified": True}})
    shop.log_in(shop.browser(), "ann")
    assert [each.email for each in shop.users.find()] in ([], [None])


def test_who_cancels_at_the_provider_is_told_so(shop: Shop) -> None:
    browser = shop.browser()
    state = parse_qs(urlsplit(shop.begin(browser)).query)["state"][0]
    answer = browser.get(f"/auth/openid/callback?error=access_denied&state={state}")
    assert error_of(answer) == (401, "LOGIN_CANCELLED")


def test_answers_that_somebody_makes_up_are_limited(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(config={"LOOP_LOGIN_LIMITS": {"address": "2 per hour"}})
    browser = shop.browser()
    answers = []
    for _ in range(3):
        state = parse_qs(urlsplit(shop.begin(browser)).query)["state"][0]
        query = urlencode({"code": "guessed", "state": state, "iss": openid.issuer})
        answers.append(browser.get(f"/auth/openid/callback?{query}"))
    assert [each.status_code for each in answers] == [401, 401, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 3600


def test_other_errors_of_the_provider_are_logged_and_not_told(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    browser = shop.browser()
    state = parse_qs(urlsplit(shop.begin(browser)).query)["state"][0]
    said = {"error": "server_error\nforged line", "state": state, "iss": shop.provider.issuer}
    query = urlencode(said)
    answer = browser.get(f"/auth/openid/callback?{query}")
    assert error_of(answer) == (401, "THIRD_PARTY_LOGIN_FAILED")
    assert "server_error" not in answer.text
    assert "'server_error\\nforged line'" in caplog.text


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "/" + "x" * 600,
    ],
)
def test_a_login_leads_to_no_other_site(
    make_shop: MakeLogins, openid: OpenidProvider, next: str
) -> None:
    shop = make_shop(config={"LOOP_ALLOWED_REDIRECTS": ["https://app.example.com"]})
    answer = shop.browser().get("/auth/openid", query_string={"next": next})
    assert error_of(answer) == (400, "INVALID_REDIRECT")


def test_a_login_leads_to_a_site_that_is_allowed(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(config={"LOOP_ALLOWED_REDIRECTS": ["https://app.example.com"]})
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    answer = shop.log_in(shop.browser(), "ann", "/auth/openid?next=https://app.example.com/in")
    assert answer.headers["Location"] == "https://app.example.com/in"


def test_the_code_in_the_url_is_neither_kept_nor_sent_on(
    shop: Shop, openid: OpenidProvider
) -> None:
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    answer = shop.log_in(shop.browser(), "ann")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_logins_may_be_below_the_path_of_the_models(make_shop: MakeLogins) -> None:
    browser = make_shop(url_prefix="/api/auth").browser()
    assert browser.get("/api/auth/openid").status_code == 303
    assert error_of(browser.post("/api/auth/token")) == (401, "AUTHORIZATION_REQUIRED")
    assert browser.get("/api/auth/other").get_json()["error"]["statusCode"] == 404


def test_failures_may_lead_to_a_page_of_the_app(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(on_failure="/login?by=provider")
    browser = shop.browser()
    answer = browser.get("/auth/openid/callback?state=x&code=y")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?by=provider&error=INVALID_STATE"


def test_the_provider_sends_browsers_to_where_the_app_is(make_shop: MakeLogins) -> None:
    shop = make_shop(config={"LOOP_EXTERNAL_URL": "https://shop.example"})
    answer = shop.browser().get("/auth/openid", headers={"Host": "evil.example"})
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["redirect_uri"] == ["https://shop.example/auth/openid/callback"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["nonce"][0]) == len(query["state"][0]) == 32


# Providers that do not answer


def test_a_provider_that_is_silent_costs_no_more_than_its_timeout(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(provider={"timeout": 1})
    openid.put_user("ann", email="ann@example.org", email_verified=True)
    browser = shop.browser()
    url = shop.callback(browser, "ann")
    openid.pause()
    try:
        began = time.monotonic()
        assert error_of(browser.get(url)) == (503, "PROVIDER_UNAVAILABLE")
        assert time.monotonic() - began < 9  # it is 10 where nothing is said
    finally:
        openid.resume()
    assert shop.log_in(browser, "ann").status_code == 303


def test_who_comes_after_a_failure_does_not_wait_for_the_provider_again(
    make_shop: MakeLogins, openid: OpenidProvider
) -> None:
    shop = make_shop(provider={"timeout": 2})
    openid.pause()
    try:
        for patience in (9, 1.9, 1.9):
            began = time.monotonic()
            answer = shop.browser().get("/auth/openid")
            assert error_of(answer) == (503, "PROVIDER_UNAVAILABLE")
            assert time.monotonic() - began < patience
    finally:
        openid.resume()


@pytest.mark.parametrize("path", ["flood/slow", "flood/large", "nothing"])
def test_an_answer_that_has_no_end_or_means_nothing_is_given_up(
    make_shop: MakeLogins, openid: OpenidProvider, path: str
) -> None:
    class Endless(User):
        pass

    users = Endless.extend("EndlessCloudUser")
    users.attach_to(memory())
    provider = OpenID("openid", issuer=f"{openid.url}/{path}", timeout=0.5)
    app = make_app(openid, users, None)
    ThirdPartyLogin(users, provider).init_app(app)
    began = time.monotonic()
    answer = app.test_client().get("/auth/openid")
    assert error_of(answer) == (503, "PROVIDER_UNAVAILABLE")
    assert time.monotonic() - began < 9


def test_a_provider_that_calls_itself_otherwise_is_not_believed(
    openid: OpenidProvider, caplog: pytest.LogCaptureFixture
) -> None:
    users = User.extend("MistakenCloudUser")
    users.attach_to(memory())
    app = make_app(openid, users, None)
    ThirdPartyLogin(users, OpenID("openid", issuer=f"{openid.issuer}/")).init_app(app)
    assert error_of(app.test_client().get("/auth/openid")) == (503, "PROVIDER_UNAVAILABLE")
    assert "to the letter" in caplog.text


# What means nothing


@pytest.mark.parametrize(
    "issuer", ["http://accounts.example", "ftp://127.0.0.1", "accounts.example", None, "https://"]
)
def test_an_issuer_that_others_could_listen_to_is_refused(issuer: Any) -> None:
    with pytest.raises(DefinitionError, match="the issuer of the provider 'x' is an https URL"):
        OpenID("x", issuer=issuer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "email"}, "has 'openid'"),
        ({"client_auth": "private_key_jwt"}, "client_auth"),
        ({"parameters": {"state": "mine"}}, "cannot have 'state'"),
        ({"timeout": 0}, "number of seconds"),
        ({"timeout": "10"}, "number of seconds"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        OpenID("x", issuer="https://accounts.example", **options)


def test_names_that_are_no_part_of_a_path_are_refused() -> None:
    for name in ("", "a/b", "Google", "a b", "a" * 65, 7):
        with pytest.raises(DefinitionError, match="a provider's name is"):
            OpenID(name, issuer="https://accounts.example")  # type: ignore[arg-type]


def test_a_login_that_means_nothing_is_refused() -> None:
    class Patron(User):
        pass

    google = OpenID("google", issuer="https://accounts.example")
    with pytest.raises(DefinitionError, match="derives from User"):
        ThirdPartyLogin(User, google)
    with pytest.raises(DefinitionError, match="different names"):
        ThirdPartyLogin(Patron)
    with pytest.raises(DefinitionError, match="different names"):
        ThirdPartyLogin(Patron, google, google)
    with pytest.raises(DefinitionError, match="a url_prefix"):
        ThirdPartyLogin(Patron, google, url_prefix="/auth/")
    with pytest.raises(DefinitionError, match="no path of the app's own"):
        ThirdPartyLogin(Patron, google, after_login="https://evil.example")
    with pytest.raises(DefinitionError, match="derives from Identity"):
        ThirdPartyLogin(Patron, google, identities=Identity)


def test_an_app_that_lacks_something_is_told_what() -> None:
    class Guest(User):
        class Meta:
            data_source = memory()

    logins = ThirdPartyLogin(Guest, OpenID("google", issuer="https://accounts.example"))
    app = Flask("shop")
    with pytest.raises(RuntimeError, match=r"loop\.init_app"):
        logins.init_app(app)

    Loop(app)
    with pytest.raises(DefinitionError, match="'google' needs a client_id"):
        logins.init_app(app)


def test_logins_at_a_path_that_is_taken_are_refused() -> None:

    class Reader(User):
        class Meta:
            data_source = memory()

    class Writer(User):
        class Meta:
            data_source = memory()

    app = Flask("shop")
    Loop(app)
    google = OpenID("google", issuer="https://accounts.example", client_id="shop")
    ThirdPartyLogin(Reader, google).init_app(app)
    with pytest.raises(DefinitionError, match="/auth/google already"):
        ThirdPartyLogin(Writer, google).init_app(app)
    ThirdPartyLogin(Writer, google, url_prefix="/writers").init_app(app)


def test_the_model_of_identities_itself_is_every_apps() -> None:
    with pytest.raises(TypeError, match="extend it first"):
        Identity.attach_to(memory())


def test_each_model_of_users_has_identities_of_its_own(openid: OpenidProvider) -> None:
    class OwnIdentity(Identity):
        note: Prop[str | None] = prop(default=None)

    class Buyer(User):
        class Meta:
            data_source = memory()

    class Seller(User):
        class Meta:
            data_source = memory()

    google = OpenID("google", issuer="https://accounts.example")
    buyers = ThirdPartyLogin(Buyer, google, identities=OwnIdentity)
    sellers = ThirdPartyLogin(Seller, google, url_prefix="/sellers/auth")
    assert buyers.identities is OwnIdentity
    assert sellers.identities.model_name == "SellerIdentity"
    assert ThirdPartyLogin(Seller, google).identities is sellers.identities
    with pytest.raises(ValidationError):
        sellers.identities.create(provider="google", subject="1")


def changed(url: str, **query: str | None) -> str:
    """A URL with other values in its query."""
    parts = urlsplit(url)
    values = {name: each[0] for name, each in parse_qs(parts.query).items()} | query
    given = {name: value for name, value in values.items() if value is not None}
    return parts._replace(query=urlencode(given)).geturl()
