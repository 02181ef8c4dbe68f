"""Verification of email addresses: the mail, its link, and who may log in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    Context,
    DataSource,
    Prop,
    User,
    create_data_source,
    prop,
)
from tests.links import Mails, link_in, mails_of, make_shop, passes, path_of, read_at_once

PASSWORD = "correct horse battery staple"


@pytest.fixture
def member(source: DataSource) -> type[User]:
    """A model of users, as the seed defines one."""
    Subscriber = User.extend("subscriber")
    Subscriber.attach_to(source)
    source.auto_update()
    return Subscriber


@pytest.fixture
def shop(member: type[User]) -> Flask:
    member.require_email_verification = True

    @member.after_remote("create")
    def send_link(ctx: Context, user: User) -> None:
        user.verify(
            {
                "type": "email",
                "to": user.email,
                "from": "noreply@myapp.com",
                "subject": "Thanks for Registering at FooBar",
                "text": "Please verify your email address!",
                "template": "verify.html",
                "redirect": "/",
            }
        )

    return make_shop(member)


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


@pytest.fixture
def mails(shop: Flask) -> Iterator[Mails]:
    """A function that gives the mails that were sent until now."""
    with mails_of(shop) as mails:
        yield mails


def register(client: FlaskClient, email: str = "foo@bar.com") -> Any:
    answer = client.post("/api/subscribers", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json


def log_in(client: FlaskClient, email: str = "foo@bar.com", password: str = PASSWORD) -> Any:
    return client.post("/api/subscribers/login", json={"email": email, "password": password})


# As the seed shows it


def test_the_seed_users_log_in_once_they_have_followed_the_link(
    client: FlaskClient, mails: Mails
) -> None:
    user = register(client)
    assert user["emailVerified"] is False
    before = log_in(client)
    assert before.status_code == 401
    assert before.json["error"]["code"] == "LOGIN_FAILED_EMAIL_NOT_VERIFIED"

    followed = client.get(path_of(link_in(mails()[0])))

    assert followed.status_code == 302
    assert followed.headers["Location"] == "/"
    assert log_in(client).status_code == 200


def test_the_seed_the_mail_is_what_the_options_say(client: FlaskClient, mails: Mails) -> None:
    user = register(client)

    [mail] = mails()
    assert mail.recipients == ["foo@bar.com"]
    assert mail.sender == "noreply@myapp.com"
    assert mail.subject == "Thanks for Registering at FooBar"
    assert mail.body.startswith("Please verify your email address!\n\nhttp")
    assert "Please verify your email address!" in mail.html
    link = link_in(mail)
    assert link.replace("&", "&amp;") in mail.html
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).path == "/api/subscribers/confirm"
    assert query.keys() == {"uid", "token", "redirect"}
    assert query["uid"] == [str(user["id"])]
    assert query["redirect"] == ["/"]


@pytest.mark.parametrize(
    "spelling",
    ["require_email_verification", "requireEmailVerification", "requireEmailVerfication"],
)
def test_verification_is_required_in_every_spelling_of_the_setting(
    member: type[User], spelling: str
) -> None:
    setattr(member, spelling, True)
    client = make_shop(member).test_client()
    register(client)

    assert log_in(client).json["error"]["code"] == "LOGIN_FAILED_EMAIL_NOT_VERIFIED"


def test_who_does_not_know_the_password_does_not_learn_that_the_address_is_not_verified(
    client: FlaskClient,
) -> None:
    register(client)

    assert log_in(client, password="wrong").json["error"]["code"] == "LOGIN_FAILED"


def test_without_a_hook_or_the_setting_nothing_is_sent_and_login_works(member: type[User]) -> None:
    app = make_shop(member)
    client = app.test_client()
    with mails_of(app) as mails:
        register(client)

        assert log_in(client).status_code == 200
        assert mails() == []


# The mail


def test_verify_says_where_it_went_and_what_the_link_holds(shop: Flask, member: type[User]) -> None:
    with shop.test_request_context():
        user = member.create(email="Foo@Bar.com", password=PASSWORD)
        sent = user.verify()

    assert sent.keys() == {"email", "uid", "token"}
    assert (sent["email"], sent["uid"]) == ("foo@bar.com", str(user.id))


def test_what_meta_says_of_the_mail_is_what_a_call_does_not_say(source: DataSource) -> None:
    class Patron(User):
        class Meta:
            data_source = source
            verification = {
                "from": "patrons@example.com",
                "subject": "Hello",
                "text": "Open {href} now.",
                "redirect": None,
                "template": None,
                "headers": {"X-Campaign": "spring"},
            }

    source.auto_update()
    app = make_shop(Patron)
    with mails_of(app) as mails:
        with app.test_request_context():
            patron = Patron.create(email="ann@example.com", password=PASSWORD)
            patron.verify()
            patron.verify(subject="Again")
        first, second = mails()

        assert (first.subject, second.subject) == ("Hello", "Again")
        assert first.sender == second.sender == "patrons@example.com"
        assert re.fullmatch(r"Open http://localhost/api/patrons/confirm\?\S+ now\.", first.body)
        assert "redirect" not in first.body
        assert first.html is None
        assert first.extra_headers == {"X-Campaign": "spring"}


def test_templates_of_the_app_take_the_place_of_those_that_are_there(
    member: type[User], tmp_path: Path
) -> None:
    (tmp_path / "verify.html").write_text("<p>{{ user.email }} {{ href }} {{ town }}</p>")
    (tmp_path / "verify.txt").write_text("{{ user.email }} {{ href }} <{{ town }}>")
    app = make_shop(member, template_folder=str(tmp_path))
    with mails_of(app) as mails:
        with app.test_request_context():
            user = member.create(email="ann@example.com", password=PASSWORD)
            user.verify(context={"town": "Köln & Bonn"})
        [mail] = mails()

        assert mail.html.startswith("<p>ann@example.com http://localhost/")
        assert mail.html.endswith(" Köln &amp; Bonn</p>")
        assert mail.body.endswith(" <Köln & Bonn>")


def test_a_template_of_the_app_may_extend_the_one_that_is_there(
    member: type[User], tmp_path: Path
) -> None:
    (tmp_path / "welcome.html").write_text(
        '{% extends "loop/verify.html" %}{% block action %}Let me in{% endblock %}'
    )
    app = make_shop(member, template_folder=str(tmp_path))
    with mails_of(app) as mails:
        with app.test_request_context():
            member.create(email="ann@example.com", password=PASSWORD).verify(
                template="welcome.html"
            )
        [mail] = mails()

        assert "Let me in" in mail.html
        assert "Verify my address" not in mail.html


def test_what_users_wrote_is_text_in_the_mail(source: DataSource, tmp_path: Path) -> None:
    (tmp_path / "verify.html").write_text("<p>{{ user.username }}</p>")
    Caller = User.extend("caller")
    Caller.attach_to(source)
    source.auto_update()
    app = make_shop(Caller, template_folder=str(tmp_path))
    with mails_of(app) as mails:
        with app.test_request_context():
            user = Caller.create(
                email="ann@example.com", username="<script>x</script>{{ 7 * 7 }}", password=PASSWORD
            )
            user.verify()
        [mail] = mails()

        assert mail.html == "<p>&lt;script&gt;x&lt;/script&gt;{{ 7 * 7 }}</p>"


def test_a_page_of_the_apps_own_gets_what_confirm_needs(shop: Flask, member: type[User]) -> None:
    with mails_of(shop) as mails:
        with shop.app_context():  # where the host is not known, and is not needed
            user = member.create(email="ann@example.com", password=PASSWORD)
            user.verify(verifyHref="https://app.example.com/verify?lang=de#top", redirect=None)
            link = urlsplit(link_in(mails()[0]))

        assert (link.netloc, link.path, link.fragment) == ("app.example.com", "/verify", "top")
        query = parse_qs(link.query)
        assert query["lang"] == ["de"]
        with shop.app_context():
            member.confirm(query["uid"][0], query["token"][0])
            assert member.find_by_id(user.id).email_verified is True


def test_nothing_is_sent_of_a_create_that_is_rolled_back(
    source: DataSource, member: type[User], shop: Flask
) -> None:
    with mails_of(shop) as mails:
        with shop.test_request_context(), suppress(ZeroDivisionError), source.transaction():
            member.create(email="ann@example.com", password=PASSWORD).verify()
            _ = 1 / 0

        assert mails() == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"subjekt": "x"}, TypeError, "'subjekt'; did you mean 'subject'"),
        ({"cc": "eve@example.com"}, TypeError, "'cc'"),
        ({"bcc": "eve@example.com"}, TypeError, "'bcc'"),
        ({"type": "sms"}, ValueError, "'email', not 'sms'"),
        ({"to": "eve@example.com"}, ValueError, "`to` is their address"),
        ({"to": ["ann@example.com", "eve@example.com"]}, ValueError, "`to` is their address"),
        ({"to": "ann@example.com\r\nBcc: eve@example.com"}, ValueError, "`to` is their address"),
        ({"subject": "x\r\nBcc: eve@example.com"}, Exception, "subject"),
        ({"from": "shop@example.com\nBcc: eve@example.com"}, Exception, "from"),
        ({"headers": {"X-A": "b\r\nBcc: eve@example.com"}}, Exception, "headers"),
        ({"text": 5}, TypeError, "text"),
        ({"template": "nowhere.html"}, Exception, "nowhere.html"),
    ],
)
def test_options_that_mean_nothing_or_would_leak_the_link_send_nothing(
    shop: Flask, member: type[User], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with mails_of(shop) as mails:
        with shop.test_request_context():
            user = member.create(email="ann@example.com", password=PASSWORD)
            with pytest.raises(error, match=message):
                user.verify(options)

        assert mails() == []


@pytest.mark.parametrize("email", ["ann@example.com\nBcc: eve@example.com", "a@b.example\r\n\r\nx"])
def test_an_address_with_a_line_break_is_no_address(client: FlaskClient, email: str) -> None:
    answer = client.post("/api/subscribers", json={"email": email, "password": PASSWORD})

    assert answer.status_code == 422
    assert "email" in answer.json["error"]["details"]["codes"]


def test_verify_is_for_stored_users_with_an_address_that_is_not_verified(
    shop: Flask, member: type[User]
) -> None:
    with shop.test_request_context():
        with pytest.raises(ValueError, match="save this one first"):
            member(email="ann@example.com").verify()
        user = member.create(email="ann@example.com", password=PASSWORD)
        sent = user.verify()
        member.confirm(sent["uid"], sent["token"])
        with pytest.raises(ValueError, match="verified their address already"):
            member.find_by_id(user.id).verify()


def test_users_without_an_address_have_nothing_to_verify(source: DataSource) -> None:
    class Nickname(User):
        email: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    app = make_shop(Nickname)
    with mails_of(app) as mails:
        with app.test_request_context():
            nickname = Nickname.create(username="ann", password=PASSWORD)
            with pytest.raises(ValueError, match="has no address"):
                nickname.verify()
        again = app.test_client().post(f"/api/nicknames/{nickname.id}/verify")

        assert (again.status_code, mails()) == (204, [])


# The link


@pytest.fixture
def ann(shop: Flask, member: type[User]) -> dict[str, Any]:
    """What :meth:`User.verify` gave of a user."""
    with shop.test_request_context():
        user = member.create(email="ann@example.com", password=PASSWORD)
        return {**user.verify(), "user": user}


def confirm(client: FlaskClient, ann: dict[str, Any], **other: Any) -> Any:
    query = {"uid": ann["uid"], "token": ann["token"], **other}
    return client.get("/api/subscribers/confirm", query_string=query)


def is_verified(app: Flask, ann: dict[str, Any]) -> bool:
    with app.app_context():
        user = ann["user"]
        return bool(type(user).find_by_id(user.id).email_verified)


def test_without_a_redirect_the_answer_is_204(
    shop: Flask, client: FlaskClient, ann: dict[str, Any]
) -> None:
    assert confirm(client, ann).status_code == 204
    assert is_verified(shop, ann)


def test_browsers_are_shown_a_page_in_the_place_of_an_empty_answer_or_of_json(
    client: FlaskClient, ann: dict[str, Any]
) -> None:
    query = {"uid": ann["uid"], "token": ann["token"]}
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    good, bad = (
        client.get("/api/subscribers/confirm", query_string=query, headers=headers)
        for _ in range(2)
    )

    assert (good.status_code, bad.status_code) == (200, 400)
    for answer in (good, bad):
        assert answer.mimetype == "text/html"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert ann["token"] not in answer.text
    assert "Your address is verified" in good.text
    assert "This link is not valid" in bad.text


def test_a_link_is_good_once(shop: Flask, client: FlaskClient, ann: dict[str, Any]) -> None:
    assert confirm(client, ann).status_code == 204

    again = confirm(client, ann)

    assert again.status_code == 400
    assert again.json["error"]["code"] == "INVALID_TOKEN"


def test_of_many_who_follow_a_link_at_once_one_succeeds(
    shop: Flask, member: type[User], ann: dict[str, Any]
) -> None:
    read_at_once(member, 8)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: confirm(shop.test_client(), ann).status_code, range(8)))

    assert sorted(statuses) == [204] + [400] * 7


def test_a_program_that_looks_where_a_link_leads_does_not_use_it(
    shop: Flask, client: FlaskClient, ann: dict[str, Any]
) -> None:
    query = {"uid": ann["uid"], "token": ann["token"]}

    assert client.head("/api/subscribers/confirm", query_string=query).status_code == 204
    assert not is_verified(shop, ann)
    assert confirm(client, ann).status_code == 204


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_a_link_is_followed_by_get_alone(
    client: FlaskClient, ann: dict[str, Any], verb: str
) -> None:
    query = {"uid": ann["uid"], "token": ann["token"]}

    answer = getattr(client, verb)("/api/subscribers/confirm", query_string=query)

    assert answer.status_code == 405


def test_a_link_expires(
    shop: Flask, member: type[User], ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    member.settings.verification_ttl = 600
    client = shop.test_client()
    passes(602, monkeypatch)
    assert confirm(client, ann).status_code == 400
    passes(-60, monkeypatch)
    assert confirm(client, ann).status_code == 204


def tampered(token: str) -> Iterator[str]:
    yield ""
    yield "x"
    yield token[:-1]
    yield token + "A"
    yield "." + token
    yield token.swapcase()
    yield "\ud7ff" + token
    yield token.rpartition(".")[0]
    yield "A" * 100_000
    for at in range(0, len(token), 7):
        yield token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def test_a_token_that_was_tampered_with_is_none(
    shop: Flask, member: type[User], ann: dict[str, Any]
) -> None:
    from flask_loop.errors import BadRequest

    with shop.app_context():
        for token in tampered(ann["token"]):
            with pytest.raises(BadRequest, match="not valid"):
                member.confirm(ann["uid"], token)
        with pytest.raises(BadRequest, match="not valid"):
            member.confirm(ann["uid"], "\ud800")
    assert not is_verified(shop, ann)


@pytest.mark.parametrize("uid", ["2", "0", "-1", "x", "1'", "1.0", "01", " 1", "9" * 40, "null"])
def test_a_token_is_good_for_its_own_user_alone(
    shop: Flask, client: FlaskClient, ann: dict[str, Any], uid: str
) -> None:
    assert confirm(client, ann, uid=uid).status_code == 400
    assert not is_verified(shop, ann)


def test_an_answer_does_not_tell_whether_there_is_such_a_user(
    client: FlaskClient, ann: dict[str, Any]
) -> None:
    known = confirm(client, ann, token="x")
    unknown = confirm(client, ann, token="x", uid="999")

    assert known.status_code == unknown.status_code == 400
    assert known.data == unknown.data


def test_what_is_missing_or_given_twice_is_an_error_that_names_it(
    client: FlaskClient, ann: dict[str, Any]
) -> None:
    path = "/api/subscribers/confirm"
    without = client.get(path, query_string={"uid": ann["uid"]})
    twice = client.get(f"{path}?uid=1&uid=2&token=x")
    nested = client.get(f"{path}?uid=1&token[neq]=x")

    for answer in (without, twice, nested):
        assert answer.status_code == 400
    assert "token" in without.json["error"]["message"]
    assert "uid" in twice.json["error"]["message"]
    assert "token" in nested.json["error"]["message"]


@pytest.mark.parametrize("password", [PASSWORD, None])
def test_a_token_of_another_model_of_users_is_none(
    source: DataSource, member: type[User], password: str | None
) -> None:
    Staff = User.extend("staff")
    Staff.attach_to(source)
    source.auto_update()
    app = make_shop(member, Staff)
    with app.test_request_context():
        given = {"email": "ann@example.com", "password": password}
        user, worker = member.create(given), Staff.create(given)
        assert user.id == worker.id
        ann = {**user.verify(), "user": user}
    client = app.test_client()

    query = {"uid": ann["uid"], "token": ann["token"]}
    assert client.get("/api/staffs/confirm", query_string=query).status_code == 400
    assert confirm(client, ann).status_code == 204


def test_a_token_of_a_reset_is_none_of_verification(
    shop: Flask, member: type[User], client: FlaskClient, ann: dict[str, Any]
) -> None:
    with mails_of(shop) as mails:
        client.post("/api/subscribers/reset", json={"email": "ann@example.com"})
        token = parse_qs(urlsplit(link_in(mails()[-1])).query)["token"][0]

    assert confirm(client, ann, token=token).status_code == 400
    assert not is_verified(shop, ann)


def test_a_token_of_another_app_is_none(member: type[User], ann: dict[str, Any]) -> None:
    other = make_shop(member, SECRET_KEY="another secret")

    assert confirm(other.test_client(), ann).status_code == 400


def test_a_token_stays_good_when_the_secret_key_is_replaced_and_the_old_one_kept(
    member: type[User], ann: dict[str, Any]
) -> None:
    renewed = make_shop(
        member, SECRET_KEY="a new secret", SECRET_KEY_FALLBACKS=["a secret of tests"]
    )

    assert confirm(renewed.test_client(), ann).status_code == 204


@pytest.mark.parametrize("change", [{"email": "eve@example.com"}, {"password": "another one"}])
def test_a_token_ends_when_the_address_or_the_password_changes(
    shop: Flask, client: FlaskClient, ann: dict[str, Any], change: dict[str, str]
) -> None:
    with shop.app_context():
        type(ann["user"]).find_by_id(ann["user"].id).patch_attributes(change)

    assert confirm(client, ann).status_code == 400
    assert not is_verified(shop, ann)


def test_a_token_of_a_user_who_is_gone_is_none_for_the_next_with_the_id(
    shop: Flask, member: type[User], client: FlaskClient, ann: dict[str, Any]
) -> None:
    with shop.app_context():
        member.destroy_all()
        assert confirm(client, ann).status_code == 400
        member.create(email="eve@example.com", password=PASSWORD)

    assert confirm(client, ann).status_code == 400


def test_a_changed_address_has_to_be_verified_again(
    shop: Flask, client: FlaskClient, mails: Mails
) -> None:
    user = register(client)
    client.get(path_of(link_in(mails()[0])))
    token = log_in(client).json["id"]
    headers = {"Authorization": f"Bearer {token}"}

    moved = client.patch(
        f"/api/subscribers/{user['id']}", json={"email": "new@bar.com"}, headers=headers
    )

    assert moved.status_code == 200
    assert moved.json["emailVerified"] is False
    assert log_in(client, "new@bar.com").status_code == 401


@pytest.mark.parametrize("body", ["one", "many"])
def test_nobody_says_of_themselves_that_they_are_verified(member: type[User], body: str) -> None:
    member.require_email_verification = True
    client = make_shop(member).test_client()
    given = {"email": "eve@bar.com", "password": PASSWORD, "emailVerified": True}

    answer = client.post("/api/subscribers", json=given if body == "one" else [given])

    assert answer.status_code == 200
    refused = log_in(client, "eve@bar.com")
    assert refused.json["error"]["code"] == "LOGIN_FAILED_EMAIL_NOT_VERIFIED"


def test_a_stored_address_with_a_line_break_gets_no_mail_and_gives_nobody_one(
    shop: Flask, client: FlaskClient, member: type[User], caplog: pytest.LogCaptureFixture
) -> None:
    broken = "ann@example.com\nBcc: eve@example.com"
    with mails_of(shop) as mails:
        with shop.test_request_context():
            user = member(email=broken, password=PASSWORD).save(validate=False)
            with pytest.raises(Exception, match="line break"):
                user.verify()
        again = client.post(f"/api/subscribers/{user.id}/verify")
        reset = client.post("/api/subscribers/reset", json={"email": broken})

        assert mails() == []
    assert (again.status_code, reset.status_code) == (204, 204)
    assert "line break" in caplog.text
    assert "eve@example.com" not in caplog.text


# Where links lead


def test_links_lead_to_the_external_url_whatever_host_a_request_names(member: type[User]) -> None:
    app = make_shop(
        member,
        LOOP_EXTERNAL_URL="https://shop.example/base/",
        TESTING=False,
        MAIL_SUPPRESS_SEND=True,
    )
    with mails_of(app) as mails:
        with app.test_request_context(headers={"Host": "evil.example"}):
            member.create(email="ann@example.com", password=PASSWORD).verify()
        [mail] = mails()

        assert link_in(mail).startswith("https://shop.example/base/api/subscribers/confirm?uid=")
        assert "evil" not in mail.as_string()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "shop.example", "X-Forwarded-Host": "evil.example"},
        {"Host": "shop.example", "Forwarded": "host=evil.example"},
        {"Host": "shop.example:80@evil.example"},
        {"Host": "shop.example"},
    ],
)
def test_a_requests_host_is_not_believed_in_production(
    member: type[User], headers: dict[str, str]
) -> None:
    app = make_shop(member, TESTING=False, MAIL_SUPPRESS_SEND=True)
    with mails_of(app) as mails:
        with app.test_request_context(headers=headers):
            user = member.create(email="ann@example.com", password=PASSWORD)
            with pytest.raises(RuntimeError, match="set LOOP_EXTERNAL_URL"):
                user.verify()

        assert mails() == []


def test_a_trusted_host_is_believed_and_no_other(member: type[User]) -> None:
    app = make_shop(member, TESTING=False, MAIL_SUPPRESS_SEND=True, TRUSTED_HOSTS=["shop.example"])
    client = app.test_client()
    with mails_of(app) as mails:
        body = {"email": "ann@example.com"}
        with app.app_context():
            member.create(**body, password=PASSWORD)
        good = client.post("/api/subscribers/reset", json=body, headers={"Host": "shop.example"})
        bad = client.post("/api/subscribers/reset", json=body, headers={"Host": "evil.example"})

        assert good.status_code == 204
        assert bad.status_code in (400, 404)
        assert [urlsplit(link_in(each)).netloc for each in mails()] == ["shop.example"]


def test_a_link_has_the_path_at_which_the_app_is_mounted(shop: Flask, member: type[User]) -> None:
    with mails_of(shop) as mails:
        with shop.test_request_context(environ_overrides={"SCRIPT_NAME": "/shop"}):
            member.create(email="ann@example.com", password=PASSWORD).verify()

        assert link_in(mails()[0]).startswith("http://localhost/shop/api/subscribers/confirm?")


def test_links_need_a_secret_key_and_the_method_that_they_lead_to(member: type[User]) -> None:
    hidden = make_shop(LOOP_EXTERNAL_URL="https://shop.example")
    with hidden.app_context():
        user = member.create(email="ann@example.com", password=PASSWORD)
        with pytest.raises(RuntimeError, match=r"call loop\.model\(subscriber\)"):
            user.verify()
    keyless = make_shop(member, SECRET_KEY=None, LOOP_EXTERNAL_URL="https://shop.example")
    with keyless.app_context(), pytest.raises(RuntimeError, match="SECRET_KEY"):
        user.verify()


# Another mail


def test_users_who_cannot_log_in_have_the_mail_sent_again(
    client: FlaskClient, mails: Mails
) -> None:
    user = register(client)
    refused = log_in(client).json["error"]
    again = client.post(f"/api/subscribers/{refused['details']['userId']}/verify")

    assert refused["details"]["userId"] == user["id"]
    assert again.status_code == 204
    first, second = mails()
    assert second.recipients == ["foo@bar.com"]
    assert client.get(path_of(link_in(second))).status_code == 302
    assert client.get(path_of(link_in(first))).status_code == 400


def test_another_mail_is_answered_alike_for_everybody_and_sent_to_who_needs_it(
    client: FlaskClient, mails: Mails, caplog: pytest.LogCaptureFixture
) -> None:
    verified = register(client)
    client.get(path_of(link_in(mails()[0])))
    before = len(mails())

    answers = [
        client.post(f"/api/subscribers/{id}/verify")
        for id in (verified["id"], 999, "x", "1,2", "9" * 30)
    ]

    assert {(each.status_code, each.data) for each in answers} == {(204, b"")}
    assert len(mails()) == before
    assert "failed" not in caplog.text


def test_a_caller_of_another_mail_says_nothing_of_what_is_in_it(
    client: FlaskClient, mails: Mails
) -> None:
    user = register(client)
    body = {
        "to": "eve@example.com",
        "subject": "Buy",
        "text": "spam",
        "redirect": "https://evil.example",
        "options": {"to": "eve@example.com"},
    }

    assert client.post(f"/api/subscribers/{user['id']}/verify", json=body).status_code == 204
    mail = mails()[-1]
    assert mail.recipients == ["foo@bar.com"]
    assert "spam" not in mail.as_string()
    assert "evil" not in mail.as_string()


def test_another_mail_is_sent_so_often_alike_for_accounts_that_there_are_and_are_not(
    member: type[User],
) -> None:
    app = make_shop(member, LOOP_VERIFY_LIMITS={"account": "2 per hour", "address": "100 per hour"})
    client = app.test_client()
    user = register(client)

    for id in (user["id"], 999):
        answers = [client.post(f"/api/subscribers/{id}/verify") for _ in range(3)]
        assert [each.status_code for each in answers] == [204, 204, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0


def test_one_address_asks_for_the_mails_of_so_many_accounts(member: type[User]) -> None:
    app = make_shop(member, LOOP_VERIFY_LIMITS={"account": "2 per hour", "address": "3 per hour"})
    client = app.test_client()

    statuses = [client.post(f"/api/subscribers/{id}/verify").status_code for id in range(5)]

    assert statuses == [204, 204, 204, 429, 429]


def test_verification_of_users_with_a_uuid_or_text_for_an_id() -> None:
    from uuid import UUID

    for kind, default in ((UUID, "uuidv4"), (str, "uuidv4")):
        source = create_data_source(connector="memory")
        properties = {"id": {"type": kind, "id": True, "default_fn": default}}
        Keyed = User.extend(f"keyed-{kind.__name__}", properties)
        Keyed.attach_to(source)
        app = make_shop(Keyed)
        with app.test_request_context():
            user = Keyed.create(email="ann@example.com", password=PASSWORD)
            sent = user.verify()
        query = {"uid": sent["uid"], "token": sent["token"]}
        path = f"{Keyed.definition.http_path}/confirm"

        assert app.test_client().get(f"/api{path}", query_string=query).status_code == 204
        source.close()
