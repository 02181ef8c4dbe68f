"""Passwords that are forgotten, and changed: the mail, the page, REST and Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, User, ValidationError, create_data_source
from flask_loop.errors import BadRequest
from tests.links import (
    Form,
    Mails,
    link_in,
    mails_of,
    make_shop,
    passes,
    path_of,
    read_at_once,
    token_in,
)
from tests.servers import Server

OLD, NEW = "the old password", "rosebud, 1941"
EMAIL = "ann@example.com"


@pytest.fixture
def buyer(source: DataSource) -> type[User]:
    Buyer = User.extend("buyer")
    Buyer.attach_to(source)
    source.auto_update()
    return Buyer


@pytest.fixture
def shop(buyer: type[User]) -> Flask:
    return make_shop(buyer)


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


@pytest.fixture
def ann(shop: Flask, buyer: type[User]) -> User:
    with shop.app_context():
        return buyer.create(email=EMAIL, password=OLD)


@pytest.fixture
def mails(shop: Flask) -> Iterator[Mails]:
    """A function that gives the mails that were sent until now."""
    with mails_of(shop) as mails:
        yield mails


@pytest.fixture
def token(client: FlaskClient, ann: User, mails: Mails) -> str:
    """The token of a reset mail to Ann."""
    assert client.post("/api/buyers/reset", json={"email": EMAIL}).status_code == 204
    return token_in(mails()[-1])


def log_in(client: FlaskClient, password: str, email: str = EMAIL) -> int:
    answer = client.post("/api/buyers/login", json={"email": email, "password": password})
    return answer.status_code


def session_of(client: FlaskClient, password: str = OLD) -> dict[str, str]:
    """The headers of somebody who has logged in."""
    answer = client.post("/api/buyers/login", json={"email": EMAIL, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": answer.json["id"]}


def is_alive(client: FlaskClient, ann: User, headers: dict[str, str]) -> bool:
    return client.get(f"/api/buyers/{ann.id}", headers=headers).status_code == 200


def send_form(client: FlaskClient, token: str, *passwords: str, **headers: str) -> Any:
    first, second = passwords if len(passwords) == 2 else passwords * 2
    return client.post(
        "/api/buyers/reset-page",
        data={"token": token, "password": first, "passwordConfirmation": second},
        headers=headers,
    )


# As the seed shows it


def test_the_seed_reset_mails_a_link_and_confirm_reset_takes_its_token(
    shop: Flask, client: FlaskClient, buyer: type[User], ann: User, mails: Mails
) -> None:
    with shop.test_request_context():
        assert buyer.reset(EMAIL) is None
    [mail] = mails()
    assert mail.recipients == [EMAIL]
    assert path_of(link_in(mail)).startswith("/api/buyers/reset-page?token=")

    with shop.app_context():
        changed = buyer.confirm_reset(token_in(mail), NEW)

    assert changed.id == ann.id
    assert (log_in(client, OLD), log_in(client, NEW)) == (401, 200)


def test_the_seed_the_link_leads_to_a_page_with_fields_for_a_new_password(
    client: FlaskClient, ann: User, mails: Mails
) -> None:
    client.post("/api/buyers/reset", json={"email": EMAIL})
    page = client.get(path_of(link_in(mails()[0])))
    assert page.status_code == 200
    form = Form(page.text)

    fields = {**form.hidden, "password": NEW, "passwordConfirmation": NEW}
    answer = client.post(form.action, data=fields)

    assert answer.status_code == 200
    assert "Your password was changed" in answer.text
    assert (log_in(client, OLD), log_in(client, NEW)) == (401, 200)


def test_the_seed_reset_template_names_the_template_of_the_page(
    buyer: type[User], tmp_path: Path
) -> None:
    (tmp_path / "mine.html").write_text('{% extends "loop/reset.html" %}{% block title %}Mine')
    (tmp_path / "mine.html").write_text(
        '{% extends "loop/reset.html" %}{% block title %}Mine, {{ user.email }}{% endblock %}'
    )
    buyer.settings.reset_template = "mine.html"
    app = make_shop(buyer, template_folder=str(tmp_path))
    with mails_of(app) as mails:
        with app.test_request_context():
            buyer.create(email=EMAIL, password=OLD)
            buyer.reset(EMAIL)
        page = app.test_client().get(path_of(link_in(mails()[0])))

        assert f"<title>Mine, {EMAIL}</title>" in page.text


@pytest.mark.parametrize("name", ["reset.html", "loop/reset.html"])
def test_the_apps_template_takes_the_place_of_the_one_that_is_there(
    buyer: type[User], tmp_path: Path, name: str
) -> None:
    (tmp_path / "loop").mkdir()
    (tmp_path / name).write_text("<b>{{ token }}</b>")
    app = make_shop(buyer, template_folder=str(tmp_path))
    with mails_of(app) as mails:
        with app.test_request_context():
            buyer.create(email=EMAIL, password=OLD)
            buyer.reset(EMAIL)
        page = app.test_client().get(path_of(link_in(mails()[0])))

        assert page.text == f"<b>{token_in(mails()[0])}</b>"


# Asking for the mail


EVERYBODY = [
    EMAIL,
    "ANN@Example.com",
    "nobody@example.com",
    "no address",
    "a@b",
    "x" * 5000 + "@example.com",
    "ann@example.com\r\nBcc: eve@example.com",
    "ann@example.com, eve@example.com",
    "' or 1=1 --",
    "%",
    "*",
]


def test_every_address_is_answered_alike(client: FlaskClient, ann: User) -> None:
    answers = [client.post("/api/buyers/reset", json={"email": each}) for each in EVERYBODY]

    alike = {(each.status_code, each.data, str(sorted(each.headers))) for each in answers}
    assert alike == {(204, b"", str(sorted(answers[0].headers)))}


def test_only_the_user_with_the_address_gets_a_mail(
    client: FlaskClient, ann: User, mails: Mails, caplog: pytest.LogCaptureFixture
) -> None:
    for each in EVERYBODY:
        client.post("/api/buyers/reset", json={"email": each})

    assert [mail.recipients for mail in mails()] == [[EMAIL], [EMAIL]]
    assert not any(mail.cc or mail.bcc for mail in mails())
    assert "Traceback" not in caplog.text


def test_the_time_of_an_answer_does_not_tell_whether_there_is_an_account(
    buyer: type[User], client: FlaskClient, ann: User, mails: Mails
) -> None:
    def timed(email: str) -> float:
        start = thread_time()
        client.post("/api/buyers/reset", json={"email": email})
        taken = thread_time() - start
        mails()
        return taken

    for each in (EMAIL, "nobody@example.com") * 3:
        timed(each)
    known, unknown = [], []
    for _ in range(40):
        known.append(timed(EMAIL))
        unknown.append(timed("nobody@example.com"))

    # Were it looked up, rendered and sent before the answer, it would be several times as long.
    assert min(known) < 1.5 * min(unknown)
    assert min(unknown) < 1.5 * min(known)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "EMAIL_REQUIRED"),
        ({"email": None}, "EMAIL_REQUIRED"),
        ({"email": ""}, "EMAIL_REQUIRED"),
        ({"email": {"neq": "x"}}, "INVALID_EMAIL"),
        ({"email": {"regexp": "^a"}}, "INVALID_EMAIL"),
        ({"email": [EMAIL]}, "INVALID_EMAIL"),
        ({"email": True}, "INVALID_EMAIL"),
        ({"email": 5}, "INVALID_EMAIL"),
        ({"email": "a\x00@example.com"}, "INVALID_ARGUMENT"),
    ],
)
def test_what_is_no_text_is_no_address(
    client: FlaskClient, ann: User, mails: Mails, body: dict[str, Any], code: str
) -> None:
    answer = client.post("/api/buyers/reset", json=body)

    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    assert mails() == []


def test_the_address_is_taken_from_the_body_alone_so_that_no_log_has_it(
    client: FlaskClient, ann: User, mails: Mails
) -> None:
    assert client.post(f"/api/buyers/reset?email={EMAIL}").status_code == 400
    assert client.get(f"/api/buyers/reset?email={EMAIL}").status_code == 405
    assert mails() == []


def test_it_is_asked_for_so_often_alike_for_accounts_that_there_are_and_are_not(
    buyer: type[User],
) -> None:
    limits = {"account": "2 per hour", "address": "100 per hour"}
    app = make_shop(buyer, LOOP_RESET_LIMITS=limits)
    client = app.test_client()
    with mails_of(app) as mails:
        with app.app_context():
            buyer.create(email=EMAIL, password=OLD)
        for spellings in ([EMAIL, "ANN@example.com", EMAIL], ["no@example.com"] * 3):
            answers = [client.post("/api/buyers/reset", json={"email": each}) for each in spellings]
            assert [each.status_code for each in answers] == [204, 204, 429]
            assert int(answers[-1].headers["Retry-After"]) > 0
            assert EMAIL not in answers[-1].text

        assert len(mails()) == 2


def test_one_address_asks_for_so_many_accounts(buyer: type[User]) -> None:
    app = make_shop(buyer, LOOP_RESET_LIMITS={"account": "9 per hour", "address": "3 per hour"})
    client = app.test_client()

    statuses = [
        client.post("/api/buyers/reset", json={"email": f"{each}@example.com"}).status_code
        for each in range(5)
    ]

    assert statuses == [204, 204, 204, 429, 429]


def test_users_without_a_password_choose_their_first(
    shop: Flask, client: FlaskClient, buyer: type[User], mails: Mails
) -> None:
    with shop.app_context():
        buyer.create(email=EMAIL)
    client.post("/api/buyers/reset", json={"email": EMAIL})

    assert send_form(client, token_in(mails()[0]), NEW).status_code == 200
    assert log_in(client, NEW) == 200
    assert send_form(client, token_in(mails()[0]), OLD).status_code == 400


def test_a_reset_is_of_the_user_of_the_realm(source: DataSource) -> None:
    class Tenant(User):
        class Meta:
            data_source = source
            realm_required = True
            realm_delimiter = ":"

    source.auto_update()
    app = make_shop(Tenant)
    client = app.test_client()
    with mails_of(app) as mails:
        with app.app_context():
            for realm in ("east", "west"):
                Tenant.create(email=EMAIL, password=OLD, realm=realm)
        without = client.post("/api/tenants/reset", json={"email": EMAIL})
        for body in (
            {"email": EMAIL, "realm": "west"},
            {"email": f"west:{EMAIL}"},
            {"email": EMAIL, "realm": "north"},
        ):
            assert client.post("/api/tenants/reset", json=body).status_code == 204

        assert without.json["error"]["code"] == "REALM_REQUIRED"
        assert len(mails()) == 2
        with app.app_context():
            changed = Tenant.confirm_reset(token_in(mails()[0]), NEW)
        assert changed.realm == "west"


def test_what_meta_says_of_the_mail(source: DataSource) -> None:
    class Owner(User):
        class Meta:
            data_source = source
            reset = {
                "from": "Shop <help@example.com>",
                "subject": "Your key",
                "text": "Turn {href} twice.",
                "href": "https://app.example.com/key?lang=de",
            }

    source.auto_update()
    app = make_shop(Owner)
    with mails_of(app) as mails:
        with app.app_context():
            Owner.create(email=EMAIL, password=OLD)
            Owner.reset(EMAIL)
        [mail] = mails()

        assert (mail.subject, mail.sender) == ("Your key", "Shop <help@example.com>")
        assert mail.body.startswith("Turn https://app.example.com/key?lang=de&token=")
        assert mail.body.endswith(" twice.")


def test_without_a_known_host_an_error_says_so_whether_there_is_an_account_or_not(
    buyer: type[User],
) -> None:
    app = make_shop(buyer, TESTING=False)
    with app.app_context():
        buyer.create(email=EMAIL, password=OLD)
        for email in (EMAIL, "nobody@example.com"):
            with pytest.raises(RuntimeError, match="set LOOP_EXTERNAL_URL"):
                buyer.reset(email)
    client = app.test_client()
    answers = [
        client.post("/api/buyers/reset", json={"email": each}, headers={"Host": "evil.example"})
        for each in (EMAIL, "nobody@example.com")
    ]

    assert [each.status_code for each in answers] == [500, 500]
    assert answers[0].data == answers[1].data
    assert b"LOOP_EXTERNAL_URL" not in answers[0].data


# Using the token


def test_a_token_is_good_once(client: FlaskClient, token: str) -> None:
    assert send_form(client, token, NEW).status_code == 200

    assert send_form(client, token, "a third").status_code == 400
    assert log_in(client, NEW) == 200


def test_of_many_who_use_a_token_at_once_one_succeeds(
    shop: Flask, buyer: type[User], token: str
) -> None:
    read_at_once(buyer, 8)
    passwords = [f"password number {each}" for each in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(
            pool.map(lambda each: send_form(shop.test_client(), token, each).status_code, passwords)
        )

    assert sorted(statuses) == [200] + [400] * 7
    winner = passwords[statuses.index(200)]
    assert log_in(shop.test_client(), winner) == 200


def test_the_tokens_of_several_mails_all_end_with_the_first_that_is_used(
    client: FlaskClient, ann: User, mails: Mails
) -> None:
    for _ in range(3):
        client.post("/api/buyers/reset", json={"email": EMAIL})
    first, second, third = map(token_in, mails())

    assert send_form(client, second, NEW).status_code == 200
    assert send_form(client, first, "x y z").status_code == 400
    assert send_form(client, third, "x y z").status_code == 400


def test_a_token_expires(
    buyer: type[User], client: FlaskClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert buyer.settings.reset_ttl == 900

    passes(902, monkeypatch)
    assert send_form(client, token, NEW).status_code == 400
    passes(-60, monkeypatch)
    assert send_form(client, token, NEW).status_code == 200


@pytest.mark.parametrize("change", [{"email": "eve@example.com"}, {"password": "another one"}])
def test_a_token_ends_when_the_address_or_the_password_changes(
    shop: Flask, client: FlaskClient, buyer: type[User], token: str, change: dict[str, str]
) -> None:
    with shop.app_context():
        buyer.find_one().patch_attributes(change)

    assert send_form(client, token, NEW).status_code == 400


def test_a_token_ends_with_its_user(
    shop: Flask, client: FlaskClient, buyer: type[User], token: str
) -> None:
    with shop.app_context():
        buyer.destroy_all()
        assert send_form(client, token, NEW).status_code == 400
        buyer.create(email=EMAIL, password=OLD)

    assert send_form(client, token, NEW).status_code == 400


def test_a_login_or_another_change_leaves_the_token_good(
    shop: Flask, client: FlaskClient, buyer: type[User], token: str
) -> None:
    assert log_in(client, OLD) == 200
    with shop.app_context():
        buyer.find_one().patch_attributes(username="ann")

    assert send_form(client, token, NEW).status_code == 200


@pytest.mark.parametrize("password", [OLD, None])
def test_a_token_of_another_model_of_users_is_none(
    source: DataSource, buyer: type[User], password: str | None
) -> None:
    Seller = User.extend("seller")
    Seller.attach_to(source)
    source.auto_update()
    app = make_shop(buyer, Seller)
    client = app.test_client()
    with mails_of(app) as mails:
        with app.app_context():
            same = {"email": EMAIL, "password": password}
            assert Seller.create(same).id == buyer.create(same).id
        client.post("/api/sellers/reset", json={"email": EMAIL})
        token = token_in(mails()[0])

    assert send_form(client, token, NEW).status_code == 400
    body = {"newPassword": NEW}
    by_token = client.post("/api/buyers/reset-password", json={**body, "token": token})
    as_access = client.post(f"/api/buyers/reset-password?access_token={token}", json=body)
    assert (by_token.status_code, as_access.status_code) == (400, 403)
    with app.app_context():
        with pytest.raises(BadRequest):
            buyer.confirm_reset(token, NEW)
        Seller.confirm_reset(token, NEW)
    assert log_in(client, NEW) == 401


def test_a_token_of_verification_is_none_of_a_reset(
    shop: Flask, client: FlaskClient, ann: User
) -> None:
    with shop.test_request_context():
        token = ann.verify()["token"]

    assert send_form(client, token, NEW).status_code == 400
    answer = client.post("/api/buyers/reset-password", json={"newPassword": NEW, "token": token})
    assert answer.status_code == 400


def test_a_token_that_was_tampered_with_is_none(
    shop: Flask, client: FlaskClient, buyer: type[User], token: str
) -> None:
    wrong = ["", "x", token[:-1], token + "A", "." + token, token.upper(), "A" * 100_000, "ä"]
    wrong += [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(0, len(token), 5)
    ]
    with shop.app_context():
        for each in wrong:
            with pytest.raises(BadRequest, match="not valid"):
                buyer.confirm_reset(each, NEW)
    for each in wrong[:4]:
        assert client.get("/api/buyers/reset-page", query_string={"token": each}).status_code == 400
    assert client.get("/api/buyers/reset-page").status_code == 400
    assert log_in(client, OLD) == 200


def test_a_new_password_ends_every_session_and_verifies_the_address(
    shop: Flask, client: FlaskClient, buyer: type[User], ann: User, token: str
) -> None:
    sessions = [session_of(client), session_of(client)]
    assert all(is_alive(client, ann, each) for each in sessions)

    send_form(client, token, NEW)

    assert not any(is_alive(client, ann, each) for each in sessions)
    with shop.app_context():
        assert buyer.find_by_id(ann.id).email_verified is True


def test_who_registered_with_the_address_of_another_loses_the_account_to_its_owner(
    shop: Flask, client: FlaskClient, ann: User, token: str
) -> None:
    attacker = session_of(client, OLD)

    send_form(client, token, NEW)

    assert not is_alive(client, ann, attacker)
    assert log_in(client, OLD) == 401


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("", 422),
        ("   ", 422),
        ("x" * 4096, 200),
        ("x" * 4097, 422),
        ("ü" * 2049, 422),
        ("x" * 73, 200),
        ("pässwörd 🔑", 200),
        ("\u202eabc", 200),
        ("$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", 200),
        ("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$SqlVijFGiPG+935vDSGEsA", 200),
    ],
)
def test_the_rules_for_passwords_hold_and_leave_the_token_good(
    client: FlaskClient, token: str, password: str, status: int
) -> None:
    answer = client.post(
        "/api/buyers/reset-password", json={"newPassword": password, "token": token}
    )

    expected = {200: 204, 422: 422}[status]
    blank = 400 if password == "" else expected
    assert answer.status_code in (expected, blank)
    assert send_form(client, token, "once more").status_code == (400 if status == 200 else 200)
    assert log_in(client, password or "x") == (200 if status == 200 else 401)


def test_a_password_of_a_megabyte_is_refused_soon(client: FlaskClient, token: str) -> None:
    start = thread_time()
    page = send_form(client, token, "x" * 1_000_000)
    rest = client.post(
        "/api/buyers/reset-password", json={"newPassword": "x" * 1_000_000, "token": token}
    )

    assert page.status_code in (413, 422)
    assert rest.status_code == 422
    assert thread_time() - start < 2


def test_rules_of_the_apps_own_hold_too(
    shop: Flask, buyer: type[User], client: FlaskClient, token: str
) -> None:
    buyer.validates_length_of("password", min=12, message={"min": "has less than 12 characters"})

    page = client.get(f"/api/buyers/reset-page?token={token}")
    short = send_form(client, token, "short")

    assert "At least 12 characters." in page.text
    assert short.status_code == 422
    assert "The password has less than 12 characters." in short.text
    with shop.app_context(), pytest.raises(ValidationError):
        buyer.confirm_reset(token, "short")
    assert send_form(client, token, "long enough now").status_code == 200


# REST


def test_reset_password_takes_the_token_in_the_body(client: FlaskClient, token: str) -> None:
    body = {"newPassword": NEW, "token": token}

    assert client.post("/api/buyers/reset-password", json=body).status_code == 204
    again = client.post("/api/buyers/reset-password", json=body)

    assert (again.status_code, again.json["error"]["code"]) == (400, "INVALID_TOKEN")
    assert log_in(client, NEW) == 200


@pytest.mark.parametrize("place", ["query", "Authorization", "Bearer", "X-Access-Token"])
def test_reset_password_takes_the_token_in_the_place_of_an_access_token(
    client: FlaskClient, token: str, place: str
) -> None:
    def send() -> Any:
        headers = {
            "query": {},
            "Authorization": {"Authorization": token},
            "Bearer": {"Authorization": f"Bearer {token}"},
            "X-Access-Token": {"X-Access-Token": token},
        }[place]
        query = {"access_token": token} if place == "query" else {}
        return client.post(
            "/api/buyers/reset-password",
            json={"newPassword": NEW},
            headers=headers,
            query_string=query,
        )

    assert send().status_code == 204
    again = send()
    assert again.status_code == 401
    assert log_in(client, NEW) == 200


def test_of_many_who_use_an_access_token_of_a_reset_at_once_one_succeeds(
    shop: Flask, buyer: type[User], token: str
) -> None:
    read_at_once(buyer, 8)

    def send(number: int) -> int:
        return (
            shop.test_client()
            .post(
                f"/api/buyers/reset-password?access_token={token}",
                json={"newPassword": f"password number {number}"},
            )
            .status_code
        )

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(8)))

    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 400, 401}


def test_the_token_of_a_reset_opens_nothing_else(source: DataSource, buyer: type[User]) -> None:
    class Parcel(Model):
        class Meta:
            data_source = source

    source.auto_update()
    app = make_shop(buyer, Parcel)
    client = app.test_client()
    with mails_of(app) as mails:
        with app.app_context():
            ann = buyer.create(email=EMAIL, password=OLD)
        client.post("/api/buyers/reset", json={"email": EMAIL})
        headers = {"Authorization": token_in(mails()[0])}

    for verb, path in (
        ("get", f"/api/buyers/{ann.id}"),
        ("patch", f"/api/buyers/{ann.id}"),
        ("delete", f"/api/buyers/{ann.id}"),
        ("get", "/api/buyers"),
        ("post", "/api/buyers/change-password"),
        ("get", "/api/parcels"),
        ("post", "/api/parcels"),
    ):
        answer = client.open(path, method=verb.upper(), json={}, headers=headers)
        assert answer.status_code in (401, 403), (verb, path, answer.text)
    assert log_in(client, OLD) == 200


def test_a_session_is_no_token_of_a_reset(client: FlaskClient, ann: User) -> None:
    body = {"newPassword": NEW}

    logged_in = client.post("/api/buyers/reset-password", json=body, headers=session_of(client))
    nobody = client.post("/api/buyers/reset-password", json=body)

    assert (logged_in.status_code, nobody.status_code) == (403, 401)
    assert log_in(client, OLD) == 200


@pytest.mark.parametrize(
    "body",
    [
        {"token": "…"},
        {"token": "…", "newPassword": None},
        {"token": "…", "newPassword": 5},
        {"token": "…", "newPassword": ["x"]},
        {"token": "…", "newPassword": {"neq": "x"}},
        {"token": ["…"], "newPassword": NEW},
        {"token": {"neq": ""}, "newPassword": NEW},
        {"token": True, "newPassword": NEW},
    ],
)
def test_what_is_no_text_is_neither_a_token_nor_a_password(
    client: FlaskClient, token: str, body: dict[str, Any]
) -> None:
    given = {key: token if value == "…" else value for key, value in body.items()}

    answer = client.post("/api/buyers/reset-password", json=given)

    assert answer.status_code in (400, 422)
    assert log_in(client, OLD) == 200


# With the password that one has


def test_a_user_changes_the_password_over_rest_and_keeps_this_session_alone(
    client: FlaskClient, ann: User
) -> None:
    mine, other = session_of(client), session_of(client)
    body = {"oldPassword": OLD, "newPassword": NEW}

    answer = client.post("/api/buyers/change-password", json=body, headers=mine)

    assert answer.status_code == 204
    assert is_alive(client, ann, mine)
    assert not is_alive(client, ann, other)
    assert (log_in(client, OLD), log_in(client, NEW)) == (401, 200)


def test_a_wrong_old_password_changes_nothing_and_is_tried_so_often(buyer: type[User]) -> None:
    app = make_shop(buyer, LOOP_LOGIN_LIMITS={"account": "3 per hour"})
    client = app.test_client()
    with app.app_context():
        buyer.create(email=EMAIL, password=OLD)
    headers = session_of(client)

    def change(old: str) -> tuple[int, str]:
        body = {"oldPassword": old, "newPassword": NEW}
        answer = client.post("/api/buyers/change-password", json=body, headers=headers)
        return answer.status_code, answer.json["error"]["code"]

    assert [change("wrong") for _ in range(3)] == [(400, "INVALID_PASSWORD")] * 3
    assert change(OLD) == (429, "TOO_MANY_REQUESTS")
    assert log_in(client, OLD) == 200


def test_nobody_changes_the_password_of_another(source: DataSource, buyer: type[User]) -> None:
    Clerk = User.extend("clerk")
    Clerk.attach_to(source)
    source.auto_update()
    app = make_shop(buyer, Clerk)
    client = app.test_client()
    with app.app_context():
        same = {"email": EMAIL, "password": OLD}
        assert Clerk.create(same).id == buyer.create(same).id
    clerk = client.post("/api/clerks/login", json=same).json["id"]
    body = {"oldPassword": OLD, "newPassword": NEW}

    nobody = client.post("/api/buyers/change-password", json=body)
    by_clerk = client.post(
        "/api/buyers/change-password",
        json={**body, "userId": 1, "user_id": 1, "id": 1},
        headers={"Authorization": clerk},
    )

    assert (nobody.status_code, by_clerk.status_code) == (401, 401)
    assert log_in(client, OLD) == 200


def test_change_password_in_python_on_the_model_and_on_a_user(
    shop: Flask, client: FlaskClient, buyer: type[User], ann: User
) -> None:
    with shop.app_context():
        buyer.change_password(ann.id, OLD, "a second")
        user = buyer.find_by_id(ann.id)
        user.change_password("a second", NEW)
        with pytest.raises(BadRequest, match="old password is wrong"):
            user.change_password(OLD, "a third")
        with pytest.raises(ValidationError):
            user.change_password(NEW, " ")
        user.username = "ann"
        user.save()

    assert log_in(client, NEW) == 200


def test_change_password_of_a_user_without_one_needs_a_reset(
    shop: Flask, buyer: type[User]
) -> None:
    with shop.app_context():
        user = buyer.create(email=EMAIL)
        for old in ("", None, "None"):
            with pytest.raises(BadRequest, match="old password is wrong"):
                user.change_password(old, NEW)  # type: ignore[arg-type]


def test_of_several_changes_from_one_old_password_at_once_one_counts(
    shop: Flask, buyer: type[User], ann: User
) -> None:
    read_at_once(buyer, 8)

    def change(number: int) -> bool:
        with shop.app_context():
            try:
                buyer.change_password(ann.id, OLD, f"password number {number}")
            except BadRequest:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        changed = list(pool.map(change, range(8)))

    assert changed.count(True) == 1
    winner = f"password number {changed.index(True)}"
    assert log_in(shop.test_client(), winner) == 200


# On servers


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "firebird"])
def test_links_and_changes_on_a_server_count_once(
    connector: str, get_server: Callable[[str], Server]
) -> None:
    source = create_data_source(connector=connector, url=get_server(connector).fresh("reset"))
    Boatman = User.extend("boatman")
    Boatman.attach_to(source)
    source.auto_update()
    app = make_shop(Boatman)
    with app.test_request_context(), mails_of(app) as mails:
        boatman = Boatman.create(email="Ann@Example.com", password=OLD)
        sent = boatman.verify()
        Boatman.confirm(sent["uid"], sent["token"])
        with pytest.raises(BadRequest):
            Boatman.confirm(sent["uid"], sent["token"])
        Boatman.reset(EMAIL)
        token = token_in(mails()[-1])
    read_at_once(Boatman, 4)

    def confirm(number: int) -> bool:
        with app.app_context():
            try:
                Boatman.confirm_reset(token, f"password number {number}")
            except BadRequest:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        confirmed = list(pool.map(confirm, range(4)))

    assert confirmed.count(True) == 1
    with app.app_context():
        Boatman.change_password(boatman.id, f"password number {confirmed.index(True)}", NEW)
        session = Boatman.login(email=EMAIL, password=NEW)
    assert session.user_id == boatman.id
    source.close()
