"""Attacks on accounts: to guess a password, to find out who has an account, to stay logged in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from threading import Barrier, Event
from time import thread_time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_mail import Mail

from flask_loop import DataSource, Prop, memory, prop
from flask_loop.accounts.passwords import Hasher
from flask_loop.accounts.sessions import caller_of
from flask_loop.auth import Session, User
from flask_loop.email import queue_of

MakeApp = Callable[..., Flask]
SETTINGS: dict[str, Any] = {
    "LOOP_PASSWORD_HASHING": {"time_cost": 1, "memory_cost": 8, "parallelism": 1},
    "SECRET_KEY": "key",
    "MAIL_DEFAULT_SENDER": "shop@example.com",
}
UNLIMITED: dict[str, Any] = {"LOOP_LOGIN_LIMITS": {}, "LOOP_VERIFY_LIMITS": {}}


def body_of(email: str, password: str, **more: Any) -> dict[str, Any]:
    return {"email": email, "password": password, **more}


ANN = body_of("ann@example.com", "first")


# To find out who has an account, by the time that an answer takes


@pytest.fixture
def watched(make_app: MakeApp) -> FlaskClient:
    """The client of an app with users in every state."""

    class WatchedUser(User):
        is_active: Prop[bool] = prop(default=True)

        class Meta:
            data_source = memory()
            require_email_verification = True

    # In the thread that asks, and long in comparison with all else that an answer takes.
    hashing = {"time_cost": 2, "memory_cost": 16_384, "parallelism": 1}
    app = make_app(WatchedUser, **{**SETTINGS, **UNLIMITED, "LOOP_PASSWORD_HASHING": hashing})
    with app.app_context():
        WatchedUser.create(ANN, email_verified=True, username="ann")
        WatchedUser.create(body_of("unverified@example.com", "first"))
        WatchedUser.create(body_of("inactive@example.com", "first", is_active=False))
        WatchedUser.create(email="without@example.com")
    return app.test_client()


#: Logins that all fail; the first is that of a known account with a wrong password.
FAILING: list[dict[str, Any]] = [
    body_of("ann@example.com", "wrong"),
    body_of("nobody@example.com", "wrong"),
    body_of("without@example.com", "wrong"),
    body_of("inactive@example.com", "first"),
    body_of("unverified@example.com", "wrong"),
    body_of("a" * 5000, "wrong"),
    body_of("ann@example.com", "x" * 100_000),
    body_of("ann@example.com", "first", realm="other"),
    {"username": "nobody", "password": "wrong"},
    {"email": "ann@example.com"},
]


@pytest.mark.slow
def test_no_way_to_fail_a_login_is_told_from_another_by_its_time_or_its_answer(
    watched: FlaskClient,
) -> None:
    least = [inf] * len(FAILING)
    texts = set()
    for turn in range(12):  # as often as a busy machine needs to let each take its own time
        for place, body in enumerate(FAILING):
            begin = thread_time()
            answer = watched.post("/api/watchedUsers/login", json=body)
            least[place] = min(least[place], thread_time() - begin)
            headers = tuple(each for each in answer.headers if each[0] != "Date")
            texts.add((answer.status, answer.data, headers))
        if turn > 1 and max(least) < 2.3 * min(least):
            break
    assert len(texts) == 1
    assert least[0] > 0.01, "that is no time in which a password is hashed"
    for body, other in zip(FAILING, least, strict=True):
        assert 0.4 < other / least[0] < 2.5, (body, least[0], other)


def test_to_ask_for_another_mail_takes_as_long_whoever_it_is_for(make_app: MakeApp) -> None:
    is_answered, waited = Event(), []
    is_answered.set()

    class WaitingUser(User):
        class Meta:
            data_source = memory()

    @WaitingUser.observe("loaded")
    def wait(ctx: Any) -> None:
        waited.append(is_answered.wait(5))

    app = make_app(WaitingUser, **SETTINGS, **UNLIMITED)
    with app.app_context():
        WaitingUser.create(ANN, email_verified=True)
        WaitingUser.create(body_of("bob@example.com", "first"))
    client = app.test_client()
    waited.clear()
    for id in (1, 2, 99):
        is_answered.clear()
        assert client.post(f"/api/waitingUsers/{id}/verify").status_code == 204
        is_answered.set()
        assert queue_of(app).wait(30)
    assert waited == [True, True], "the user is looked up before the answer"


# To guess a password


def guarded(make_app: MakeApp, **settings: Any) -> Flask:
    class GuardedUser(User):
        class Meta:
            data_source = memory()

    app = make_app(GuardedUser, **{**SETTINGS, **settings})
    with app.app_context():
        GuardedUser.create(ANN, username="ann")
        GuardedUser.create(body_of("mike@example.com", "second"))
    return app


def test_tries_that_come_all_at_once_are_counted_each(make_app: MakeApp) -> None:
    limits = {"account": "5 per hour", "address": "1000 per hour"}
    app = guarded(make_app, LOOP_LOGIN_LIMITS=limits)
    together = Barrier(20)

    def try_one(number: int) -> int:
        client = app.test_client()
        together.wait(30)
        given = body_of("ann@example.com", f"wrong {number}")
        return client.post("/api/guardedUsers/login", json=given).status_code

    with ThreadPoolExecutor(20) as threads:
        statuses = sorted(threads.map(try_one, range(20)))
    assert statuses == [401] * 5 + [429] * 15


def test_no_way_to_write_a_try_makes_it_one_for_another_account(make_app: MakeApp) -> None:
    client = guarded(make_app, LOOP_LOGIN_LIMITS={"account": "8 per hour"}).test_client()
    path = "/api/guardedUsers/login"
    wrong = {**ANN, "password": "wrong"}
    other = {"Cookie": "session=other", "User-Agent": "other", "X-Forwarded-For": "10.0.0.7"}
    tries = [
        client.post(path, json=wrong),
        client.post(path, data=wrong),
        client.post(f"{path}?include=user", json=wrong),
        client.post(f"{path}?email=other@example.com", json=wrong),
        client.post(path, json={**wrong, "email": "ANN@EXAMPLE.COM"}),
        client.post(path, json={**wrong, "username": "some name"}),
        client.post(path, json={**wrong, "ttl": 5, "other": "x", "realm": ""}),
        client.post(path, json=wrong, headers=other),
    ]
    assert [each.status_code for each in tries] == [401] * 8
    for given in (ANN, {**ANN, "username": "new"}, {**ANN, "email": "Ann@example.com"}):
        assert client.post(path, json=given).status_code == 429
    # In a realm of which there is nobody the right password is not tried either.
    answers = [client.post(path, json={**ANN, "realm": f"{each}"}) for each in range(3)]
    assert [each.status_code for each in answers] == [401] * 3


@pytest.mark.parametrize(
    "email",
    [
        "mi\u212ae@example.com",  # the sign of Kelvin, whose lower case is k
        "m\u0131ke@example.com",  # i without its dot, whose upper case is I
        "mike@e\uff58ample.com",  # x in its full width
        "mike@example.com\u200b",
        "mi\u00adke@example.com",
        " mike@example.com",
    ],
)
def test_an_address_that_looks_like_anothers_is_another(email: str, make_app: MakeApp) -> None:
    app = guarded(make_app)
    client = app.test_client()
    given = body_of(email, "second")
    assert client.post("/api/guardedUsers/login", json=given).status_code == 401
    flask_mail = app.extensions.get("mail") or Mail(app)
    with flask_mail.record_messages() as outbox:
        client.post("/api/guardedUsers/reset", json={"email": email})
        assert queue_of(app).wait(30)
        assert outbox == []
        client.post("/api/guardedUsers/reset", json={"email": "MIKE@example.com"})
        assert queue_of(app).wait(30)
        assert [each.recipients for each in outbox] == [["mike@example.com"]]


# To be logged in with a token of one's own making, or for longer than one is


@pytest.fixture
def kept(source: DataSource, make_app: MakeApp) -> Flask:
    """An app whose clients may log in, and make sessions for whom they like."""

    class KeptSession(Session):
        class Meta:
            acls = [
                {"principalId": "$everyone", "permission": "ALLOW", "accessType": access_type}
                for access_type in ("READ", "WRITE", "EXECUTE")
            ]

    class KeptUser(User):
        session = KeptSession

        class Meta:
            data_source = source

    app = make_app(KeptUser, KeptSession, **SETTINGS)
    source.auto_update()
    with app.app_context():
        KeptUser.create(ANN)
    return app


CHOSEN = "chosen-by-the-one-who-sent-the-link"


@pytest.mark.parametrize("place", ["Authorization", "X-Access-Token", "query", "cookie", "body"])
def test_a_login_makes_a_token_that_nobody_chose(place: str, kept: Flask) -> None:
    client, (user,) = kept.test_client(), kept.extensions["loop"].users
    options: dict[str, Any] = {"json": ANN}
    if place == "query":
        options["query_string"] = {"sid": CHOSEN, "id": CHOSEN}
    elif place == "cookie":
        for name in ("session", "access_token", "authorization", "sid"):
            client.set_cookie(name, CHOSEN)
    elif place == "body":
        options["json"] = {**ANN, "id": CHOSEN, "sid": CHOSEN, "token": CHOSEN}
    else:
        options["headers"] = {place: CHOSEN}
    answer = client.post("/api/keptUsers/login", **options)
    assert answer.status_code == (401 if place in ("Authorization", "X-Access-Token") else 200)
    with kept.app_context():
        assert caller_of(user, CHOSEN) is None


@pytest.mark.parametrize(
    ("verb", "path", "is_list"),
    [
        ("POST", "", False),
        ("POST", "", True),
        ("PUT", "", False),
        ("PATCH", "", False),
        ("POST", "/replaceOrCreate", False),
        ("POST", '/upsertWithWhere?where={"userId":7}', False),
    ],
)
def test_a_client_that_may_make_sessions_does_not_choose_their_tokens(
    verb: str, path: str, is_list: bool, kept: Flask
) -> None:
    client, (user,) = kept.test_client(), kept.extensions["loop"].users
    given = {"id": CHOSEN, "sid": CHOSEN, "userId": 1, "ttl": 600}
    path = f"/api/keptSessions{path}"
    answer = client.open(path, method=verb, json=[given] if is_list else given)
    assert answer.status_code in (200, 422)
    with kept.app_context():
        assert caller_of(user, CHOSEN) is None


@pytest.mark.parametrize("change", ["password", "deletion"])
def test_a_login_that_a_change_of_the_password_overtakes_makes_no_session(
    change: str, kept: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows the old password has no session after the new one, however close they came."""
    (user,) = kept.extensions["loop"].users
    original = Hasher._matches

    def matches(self: Hasher, stored: str, password: str) -> bool:
        found = original(self, stored, password)
        monkeypatch.setattr(Hasher, "_matches", original)
        if change == "password":
            user.find_by_id(1).patch_attributes(password="second")
        else:
            user.destroy_all()
        return found

    monkeypatch.setattr(Hasher, "_matches", matches)
    answer = kept.test_client().post("/api/keptUsers/login", json=ANN)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "LOGIN_FAILED")
    with kept.app_context():
        assert user.session.count() == 0
