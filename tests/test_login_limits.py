from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request

from flask_loop import Prop, memory
from flask_loop.accounts import limiting
from flask_loop.auth import User
from flask_loop.errors import DefinitionError, TooManyRequests, Unauthorized

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
LOGIN = "/api/limitedMembers/login"


@pytest.fixture
def make(make_app: Callable[..., Flask]) -> Iterator[Callable[..., Any]]:
    """A function that makes the client of an app with a user, and settings."""

    def make(**settings: Any) -> Any:
        class LimitedMember(User):
            id: Prop[int]

            class Meta:
                data_source = memory()

        options = {"LOOP_PASSWORD_HASHING": FAST, "SECRET_KEY": "key", **settings}
        app = make_app(LimitedMember, **options)
        with app.app_context():
            LimitedMember.create(email="ann@example.com", username="ann", password="first")
            LimitedMember.create(email="bob@example.com", username="bob", password="second")
        app.model = LimitedMember  # type: ignore[attr-defined]
        return app.test_client()

    return make


def status(client: Any, email: str = "ann@example.com", given: str = "x", **options: Any) -> int:
    body = {"email": email, "password": given}
    return int(client.post(LOGIN, json=body, **options).status_code)


def test_an_account_is_tried_only_so_often_even_with_the_right_password(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "3 per minute"})
    assert [status(client) for _ in range(5)] == [401, 401, 401, 429, 429]
    assert status(client, given="first") == 429
    assert status(client, "bob@example.com", "second") == 200


def test_by_default_an_account_is_tried_ten_times(make: Any) -> None:
    client = make()
    assert [status(client) for _ in range(11)] == [401] * 10 + [429]


def test_the_answer_says_when_to_come_back_and_is_alike_for_accounts_there_are_not(
    make: Any,
) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "2 per 10 minutes"})
    answers = []
    for email in ("ann@example.com", "nobody@example.com"):
        for _ in range(2):
            assert status(client, email) == 401
        answers.append(client.post(LOGIN, json={"email": email, "password": "x"}))
    known, unknown = answers
    assert known.status_code == unknown.status_code == 429
    assert known.data == unknown.data
    assert known.json["error"]["code"] == "TOO_MANY_REQUESTS"
    for answer in answers:
        assert 590 <= int(answer.headers["Retry-After"]) <= 600


def test_all_spellings_of_an_address_are_one_account(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "2 per minute"})
    assert status(client, "ann@example.com") == 401
    assert status(client, "ANN@example.com") == 401
    assert status(client, "Ann@Example.COM") == 429


def test_who_logs_in_is_not_held_back_by_the_tries_before(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "3 per minute"})
    for _ in range(4):
        assert status(client) == 401
        assert status(client) == 401
        assert status(client, given="first") == 200


def test_an_address_tries_only_so_many_accounts(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "100 per minute", "address": "3 per minute"})
    tried = [status(client, f"{number}@example.com") for number in range(5)]
    assert tried == [401, 401, 401, 429, 429]
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    assert status(client, given="first", environ_overrides=elsewhere) == 200


def test_tries_from_an_address_that_tries_too_much_do_not_count_for_the_account(
    make: Any,
) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "4 per minute", "address": "3 per minute"})
    assert [status(client) for _ in range(9)] == [401] * 3 + [429] * 6
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    assert status(client, given="first", environ_overrides=elsewhere) == 200


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_what_one_customer_has_is_one_address(
    first: str, second: str, is_one: bool, make: Any
) -> None:
    client = make(LOOP_LOGIN_LIMITS={"address": "1 per minute"})
    assert status(client, environ_overrides={"REMOTE_ADDR": first}) == 401
    again = status(client, environ_overrides={"REMOTE_ADDR": second})
    assert again == (429 if is_one else 401)


def test_a_header_does_not_make_another_address(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"address": "1 per minute"})
    assert status(client, headers={"X-Forwarded-For": "1.1.1.1"}) == 401
    assert status(client, headers={"X-Forwarded-For": "2.2.2.2"}) == 429


def test_several_limits_hold_together(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "5 per hour; 2 per minute"})
    assert [status(client) for _ in range(3)] == [401, 401, 429]


def test_realms_and_models_are_accounts_of_their_own(make_app: Callable[..., Flask]) -> None:
    source = memory()

    class FirstLimited(User):
        class Meta:
            data_source = source
            realm_required = True

    class SecondLimited(User):
        class Meta:
            data_source = source

    limits = {"account": "1 per minute"}
    app = make_app(LOOP_LOGIN_LIMITS=limits, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    given = {"email": "ann@example.com", "password": "x"}
    with app.app_context():
        for model, realm in ((FirstLimited, "a"), (FirstLimited, "b"), (SecondLimited, None)):
            with pytest.raises(Unauthorized):
                model.login(given, realm=realm)
            with pytest.raises(TooManyRequests):
                model.login(given, realm=realm)


def test_a_login_in_a_view_of_the_apps_own_is_limited_as_well(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "2 per minute"})
    app = client.application

    @app.post("/sign-in")
    def sign_in() -> str:
        app.model.login(email=request.form["email"], password=request.form["password"])
        return "welcome"

    form = {"email": "ann@example.com", "password": "x"}
    assert [client.post("/sign-in", data=form).status_code for _ in range(3)] == [401, 401, 429]


def test_scripts_outside_of_an_app_are_not_limited() -> None:
    class ScriptMember(User):
        class Meta:
            data_source = memory()

    for _ in range(12):
        limiting.limit(ScriptMember, "login", "ann@example.com")


def test_apps_count_for_themselves(make: Any) -> None:
    clients = [make(LOOP_LOGIN_LIMITS={"account": "1 per minute"}) for _ in range(2)]
    assert [status(client) for client in clients] == [401, 401]


def test_nothing_is_limited_where_the_setting_is_empty(make: Any) -> None:
    client = make(LOOP_LOGIN_LIMITS={})
    assert {status(client) for _ in range(15)} == {401}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"LOOP_LOGIN_LIMITS": {"account": "often"}}, "LOOP_LOGIN_LIMITS"),
        ({"LOOP_LOGIN_LIMITS": {"acount": "1 per minute"}}, "'acount'"),
        ({"LOOP_RESET_LIMITS": {"address": "5 in a row"}}, "LOOP_RESET_LIMITS"),
        ({"LOOP_LIMIT_STORAGE": "nowhere://x:secret@y"}, "LOOP_LIMIT_STORAGE"),
    ],
)
def test_limits_that_mean_nothing_are_refused(
    settings: dict[str, Any], message: str, make: Any
) -> None:
    def log_in() -> None:
        client = make(**settings)
        with client.application.app_context():
            client.application.model.login(email="ann@example.com", password="first")

    with pytest.raises(DefinitionError, match=message) as refused:
        log_in()
    assert "secret" not in str(refused.value)


def test_a_storage_that_cannot_be_reached_is_logged_and_lets_nobody_try_for_ever(
    make: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(LOOP_LOGIN_LIMITS={"account": "2 per minute"})
    assert status(client, "bob@example.com") == 401
    shared = limiting._by_app.of(client.application.extensions["loop"]).counter.shared

    def fail(*arguments: Any, **named: Any) -> bool:
        raise ConnectionError("no storage")

    monkeypatch.setattr(shared, "hit", fail)
    monkeypatch.setattr(shared, "get_window_stats", fail)
    assert [status(client) for _ in range(4)] == [401, 401, 429, 429]
    assert "storage of limits" in caplog.text
    assert "ann@example.com" not in caplog.text


def test_what_is_counted_does_not_show_whose_account_it_is(make: Any) -> None:
    client = make()
    status(client)
    shared: Any = limiting._by_app.of(client.application.extensions["loop"]).counter.shared
    assert shared.storage.events
    assert "ann" not in str(shared.storage.events)
    assert "127.0.0.1" not in str(shared.storage.events)
