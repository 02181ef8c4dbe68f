from __future__ import annotations

import builtins
import unicodedata
from collections.abc import Callable, Iterator
from math import inf
from time import thread_time
from typing import Any

import bcrypt
import pytest
from flask import Flask

from flask_loop import DataSource, Prop, ValidationError, memory
from flask_loop.accounts.passwords import Hasher, PasswordHash, is_stamp_of, stamp_of
from flask_loop.accounts.sessions import caller_of
from flask_loop.auth import User
from flask_loop.errors import DefinitionError, Unauthorized

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    with app.app_context():
        yield app


@pytest.fixture
def member(source: DataSource, app: Flask) -> type[Any]:
    class KeptMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    return KeptMember


def stored_password(model: type[Any], id: Any = 1) -> str:
    plan = model.__loop_plan__()
    password: str = plan.connector.get(plan.definition, id).records()[0]["password"]
    return password


def logs_in(member: Any, password: Any) -> bool:
    try:
        return bool(member.login(email="ann@example.com", password=password))
    except Unauthorized:
        return False


# What a password may be


@pytest.mark.parametrize(
    "password",
    [
        "a",
        " inside and around ",
        "x" * 72,
        "x" * 73,
        "x" * 4096,
        "🔑🐈‍⬛ emoji",
        "пароль",
        "tab\tand\nnewline",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA",
        "null",
    ],
)
def test_any_text_is_a_password_to_its_last_byte(password: str, member: Any) -> None:
    member.create(email="ann@example.com", password=password)
    assert logs_in(member, password)
    assert not logs_in(member, password + "x")
    assert not logs_in(member, password[:-1])
    assert not logs_in(member, password.swapcase() if password.upper() != password else "?")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "INVALID_PASSWORD"),
        (" \t\n\u3000", "INVALID_PASSWORD"),
        ("x" * 4097, "PASSWORD_TOO_LONG"),
        ("é" * 2049, "PASSWORD_TOO_LONG"),
        ("x" * 1_000_000, "PASSWORD_TOO_LONG"),
        ("a\0b", "string"),
        ("\ud800", "string"),
        (5, "string"),
        ({"a": 1}, "string"),
    ],
)
def test_what_is_no_password_is_refused_by_its_code(password: Any, code: str, member: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        member.create(email="ann@example.com", password=password)
    assert refused.value.details["codes"] == {"password": [code]}
    assert member.count() == 0
    ann = member.create(email="ann@example.com", password="first")
    with pytest.raises(ValidationError):
        ann.patch_attributes(password=password)
    assert logs_in(member, "first")


def test_a_message_does_not_have_the_password_in_it(member: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        member.create(email="ann@example.com", password="secret\0words")
    assert "secret" not in str(refused.value)


def test_a_password_is_the_same_from_every_keyboard(member: Any) -> None:
    composed = unicodedata.normalize("NFC", "café Å")
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    member.create(email="ann@example.com", password=apart)
    assert logs_in(member, composed)
    assert logs_in(member, apart)


def test_who_has_no_password_does_not_log_in_by_one(member: Any) -> None:
    ann = member.create(email="ann@example.com")
    for password in ("", None, "None", "null", "nobody"):
        assert not logs_in(member, password)
    ann.patch_attributes(password="first")
    assert logs_in(member, "first")
    ann.patch_attributes(password=None)
    assert not logs_in(member, "first")


# How passwords are hashed


def test_passwords_are_hashed_by_argon2id_with_the_parameters_of_the_app(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    class TunedMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    tuned = {"time_cost": 2, "memory_cost": 64, "parallelism": 2}
    with make_app(LOOP_PASSWORD_HASHING=tuned, SECRET_KEY="key").app_context():
        TunedMember.create(email="ann@example.com", password="first")
    assert stored_password(TunedMember).startswith("$argon2id$v=19$m=64,t=2,p=2$")


def test_by_default_a_hash_takes_the_memory_that_is_recommended() -> None:
    assert Hasher().hash("first").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_equal_passwords_have_hashes_of_their_own(member: Any) -> None:
    member.create([{"email": f"{name}@example.com", "password": "first"} for name in "ab"])
    assert stored_password(member, 1) != stored_password(member, 2)


@pytest.mark.parametrize("parameters", [{"time_cost": 0}, {"memory": 5}, {"time_cost": "x"}])
def test_parameters_that_mean_nothing_are_refused(
    parameters: dict[str, Any], make_app: Callable[..., Flask]
) -> None:
    class UntunedMember(User):
        pass

    UntunedMember.attach_to(memory())

    def create() -> None:
        with make_app(LOOP_PASSWORD_HASHING=parameters).app_context():
            UntunedMember.create(email="ann@example.com", password="first")

    with pytest.raises(DefinitionError, match="LOOP_PASSWORD_HASHING"):
        create()


def test_a_login_hashes_anew_what_was_hashed_with_other_parameters(
    member: Any, make_app: Callable[..., Flask]
) -> None:
    ann = member.create(email="ann@example.com", password="first")
    session = member.login(email="ann@example.com", password="first")
    old = stored_password(member)
    stronger = {**FAST, "time_cost": 2}
    with make_app(LOOP_PASSWORD_HASHING=stronger, SECRET_KEY="key").app_context():
        assert not logs_in(member, "wrong")
        assert stored_password(member) == old
        assert logs_in(member, "first")
        assert ",t=2," in stored_password(member)
        assert logs_in(member, "first")
        assert caller_of(member, session.id), "a hash that is made anew is no new password"
    ann.save()
    assert ",t=2," in stored_password(member)


# Hashes of LoopBack


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
def test_hashes_of_bcrypt_are_verified_and_replaced_at_login(prefix: bytes, member: Any) -> None:
    hashed = bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4, prefix=prefix)).decode()
    member.create(email="ann@example.com", password=PasswordHash(hashed))
    assert stored_password(member) == hashed
    assert not logs_in(member, "wrong")
    assert not logs_in(member, hashed)
    assert stored_password(member) == hashed
    assert logs_in(member, "pässword")
    assert stored_password(member).startswith("$argon2id$")
    assert logs_in(member, "pässword")


def test_what_bcrypt_does_not_look_at_is_no_password(member: Any) -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    member.create(email="ann@example.com", password=PasswordHash(hashed))
    assert not logs_in(member, "x" * 73)
    assert logs_in(member, "x" * 72)


def test_a_hash_that_a_client_sends_is_a_password_like_any_other(
    member: Any, app: Flask, make_app: Callable[..., Flask]
) -> None:
    client = make_app(member, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key").test_client()
    for number, hashed in enumerate(
        (bcrypt.hashpw(b"known", bcrypt.gensalt(4)).decode(), Hasher(**FAST).hash("known"))
    ):
        email = f"{number}@example.com"
        data = {"email": email, "password": str(hashed)}
        assert client.post("/api/keptMembers", json=data).status_code == 200
        assert stored_password(member, number + 1) != hashed
        answer = client.post("/api/keptMembers/login", json={**data, "password": "known"})
        assert answer.status_code == 401
        assert client.post("/api/keptMembers/login", json=data).status_code == 200


def test_hashes_are_brought_along_in_every_form_of_a_new_user(member: Any) -> None:
    hashed = PasswordHash(Hasher(**FAST).hash("known"))
    member.create([{"email": "ann@example.com", "password": hashed}])
    member(email="b@example.com", password=hashed).save()
    member.upsert(email="c@example.com", password=hashed)
    for email in ("ann@example.com", "b@example.com", "c@example.com"):
        assert member.login(email=email, password="known")


def test_hashes_of_bcrypt_take_its_library(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = bcrypt.hashpw(b"first", bcrypt.gensalt(4)).decode()
    member.create(email="ann@example.com", password=PasswordHash(hashed))
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "bcrypt":
            raise ImportError
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RuntimeError, match=r"Flask-Loop\[bcrypt\]"):
        logs_in(member, "first")


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$", "$2b$", "$2b$04$short", "plain text"])
def test_what_is_no_hash_is_nobodys_password(broken: str, member: Any) -> None:
    ann = member.create(email="ann@example.com", password="first")
    plan = member.__loop_plan__()
    plan.connector.update(plan.definition, plan.parser.where({"id": ann.id}), {"password": broken})
    for password in ("first", broken, ""):
        assert not logs_in(member, password)


# How long it takes


@pytest.mark.slow
def test_a_login_takes_as_long_whether_there_is_such_an_account_or_not(
    make_app: Callable[..., Flask],
) -> None:
    class TimedMember(User):
        pass

    TimedMember.attach_to(memory())
    limits = {"account": "10000 per minute", "address": "10000 per minute"}
    # In the thread that asks, and long in comparison with all else that an answer takes.
    hashing = {"time_cost": 2, "memory_cost": 16_384, "parallelism": 1}
    app = make_app(
        TimedMember, SECRET_KEY="key", LOOP_LOGIN_LIMITS=limits, LOOP_PASSWORD_HASHING=hashing
    )
    client = app.test_client()
    with app.app_context():
        TimedMember.create(email="ann@example.com", password="first")
        TimedMember.create(email="without@example.com")
    least = {"ann": inf, "nobody": inf, "without": inf}
    for turn in range(25):  # as often as a busy machine needs to let each take its own time
        for name, before in least.items():
            body = {"email": f"{name}@example.com", "password": "wrong"}
            begin = thread_time()
            assert client.post("/api/timedMembers/login", json=body).status_code == 401
            least[name] = min(before, thread_time() - begin)
        if turn > 1 and max(least.values()) < 1.35 * min(least.values()):
            break
    assert least["ann"] > 0.01, "it is no time that a hash takes"
    for other in least.values():
        assert 0.7 < other / least["ann"] < 1.4, least


# What is bound to a password


def test_a_stamp_is_of_one_user_one_password_and_one_app(
    member: Any, app: Flask, make_app: Callable[..., Flask]
) -> None:
    class OtherMember(User):
        id: Prop[int]

    definition = member.definition
    stamp = stamp_of(definition, "1", "hash")
    assert len(stamp) == 32
    assert is_stamp_of(stamp, definition, "1", "hash")
    for others in (
        (definition, "2", "hash"),
        (definition, "1", "other"),
        (definition, "1", None),
        (OtherMember.definition, "1", "hash"),
    ):
        assert not is_stamp_of(stamp, *others)
    for wrong in ("", "x", stamp[:-1], "é" * 32, "\ud800"):
        assert not is_stamp_of(wrong, definition, "1", "hash")
    with make_app(SECRET_KEY="other").app_context():
        assert not is_stamp_of(stamp, definition, "1", "hash")
    with make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["key"]).app_context():
        assert is_stamp_of(stamp, definition, "1", "hash")
