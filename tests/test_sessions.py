from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    Loop,
    Model,
    Prop,
    create_data_source,
    memory,
    prop,
    relation,
)
from flask_loop.accounts.sessions import SessionCache, caller_of, end_expired
from flask_loop.accounts.tokens import digest_of
from flask_loop.auth import Session, User
from flask_loop.connectors.base import Record
from flask_loop.errors import BadRequest, DefinitionError, LoopError, Unauthorized, ValidationError

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
ANN = {"email": "ann@example.com", "password": "first"}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    with app.app_context():
        yield app


@pytest.fixture
def member(source: DataSource, app: Flask) -> type[Any]:
    class HeldMember(User):
        name: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    HeldMember.create(ANN)
    return HeldMember


def stored(model: type[Any]) -> list[Record]:
    """The records as the data source has them."""
    plan = model.__loop_plan__()
    return plan.connector.select(plan.definition, plan.parser.filter(None)).records()


# Logging in


def test_a_login_gives_a_token_of_which_the_digest_alone_is_stored(member: Any) -> None:
    session = member.login(ANN)
    assert len(session.id) == 64
    (record,) = stored(member.session)
    assert record["id"] == digest_of(session.id)
    assert session.id not in str(record)
    assert (record["user_id"], record["ttl"]) == (1, 14 * 24 * 60 * 60)
    assert abs(record["created"] - datetime.now(UTC)) < timedelta(seconds=30)
    assert session.user_id == 1


def test_the_stored_digest_is_no_token(member: Any) -> None:
    session = member.login(ANN)
    digest = stored(member.session)[0]["id"]
    assert caller_of(member, session.id) is not None
    assert caller_of(member, digest) is None
    with pytest.raises(Unauthorized):
        member.logout(digest)


def test_each_login_has_a_token_of_its_own(member: Any) -> None:
    assert len({member.login(ANN).id for _ in range(20)}) == 20


def test_users_log_in_by_name_too_and_the_address_counts_where_both_are_given(member: Any) -> None:
    member.create(email="bob@example.com", username="bob", password="second")
    assert member.login(username="bob", password="second").user_id == 2
    assert member.login(email="ANN@example.com", username="bob", password="first").user_id == 1
    assert member.login({"username": "bob"}, password="second").user_id == 2
    with pytest.raises(Unauthorized):
        member.login(username="BOB", password="second")


@pytest.mark.parametrize(
    "given",
    [
        {"email": "ann@example.com", "password": "wrong"},
        {"email": "ann@example.com", "password": ""},
        {"email": "ann@example.com"},
        {"email": "nobody@example.com", "password": "first"},
        {"email": "no address", "password": "first"},
        {"username": "nobody", "password": "first"},
        {"email": "without@example.com", "password": ""},
        {"email": "without@example.com", "password": "x"},
        {"email": "a\0@example.com", "password": "first"},
        {"email": "\ud800@example.com", "password": "first"},
        {"email": "a" * 100_000, "password": "first"},
        {"email": "ann@example.com", "password": "x" * 1_000_000},
        {"email": "ann@example.com", "password": "first\0"},
        {"email": "ann@example.com", "password": "\ud800"},
        {"email": "ann@example.com", "password": "first", "realm": "other"},
        {"username": "%", "password": "first"},
    ],
)
def test_all_logins_that_fail_fail_alike(given: dict[str, Any], member: Any) -> None:
    member.create(email="without@example.com")
    with pytest.raises(Unauthorized) as refused:
        member.login(given)
    assert refused.value.error_code == "LOGIN_FAILED"
    assert refused.value.message == "login failed"
    assert refused.value.details is None
    assert stored(member.session) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "USERNAME_EMAIL_REQUIRED"),
        ({"password": "first"}, "USERNAME_EMAIL_REQUIRED"),
        ({"email": "", "username": "", "password": "first"}, "USERNAME_EMAIL_REQUIRED"),
        ({"email": {"regexp": "^a"}, "password": "first"}, "INVALID_EMAIL"),
        ({"email": ["ann@example.com"], "password": "first"}, "INVALID_EMAIL"),
        ({"email": {"neq": None}, "password": {"neq": None}}, "INVALID_EMAIL"),
        ({"username": {"gt": ""}, "password": "first"}, "INVALID_USERNAME"),
        ({"username": 5, "password": "first"}, "INVALID_USERNAME"),
        ({"email": "ann@example.com", "username": ["x"], "password": "x"}, "INVALID_USERNAME"),
        ({"email": "ann@example.com", "password": {"gt": ""}}, "INVALID_PASSWORD"),
        ({"email": "ann@example.com", "password": 5}, "INVALID_PASSWORD"),
        ({**ANN, "realm": {"neq": 1}}, "INVALID_REALM"),
        ({**ANN, "ttl": "60"}, "INVALID_TTL"),
        ({**ANN, "ttl": 0}, "INVALID_TTL"),
        ({**ANN, "ttl": -1}, "INVALID_TTL"),
        ({**ANN, "ttl": True}, "INVALID_TTL"),
        ({**ANN, "ttl": 1.5}, "INVALID_TTL"),
        ({**ANN, "ttl": {"gt": 1}}, "INVALID_TTL"),
    ],
)
def test_what_is_no_credential_is_refused(given: dict[str, Any], code: str, member: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        member.login(given)
    assert refused.value.error_code == code
    assert stored(member.session) == []


def test_what_else_is_given_to_a_login_says_nothing_of_the_session(member: Any) -> None:
    given = {**ANN, "id": "fixed", "sid": "fixed", "userId": 7, "user_id": 7, "scopes": ["ADMIN"]}
    session = member.login(given)
    assert session.id != "fixed"
    assert (session.user_id, session.scopes) == (1, None)
    assert caller_of(member, "fixed") is None


def test_who_has_to_verify_the_address_learns_it_after_the_right_password_alone(
    member: Any,
) -> None:
    member.require_email_verification = True
    with pytest.raises(Unauthorized) as refused:
        member.login({**ANN, "password": "wrong"})
    assert refused.value.error_code == "LOGIN_FAILED"
    with pytest.raises(Unauthorized) as refused:
        member.login(ANN)
    assert refused.value.error_code == "LOGIN_FAILED_EMAIL_NOT_VERIFIED"
    assert refused.value.details == {"userId": 1}
    member.update_all({}, {"email_verified": True})
    assert member.login(ANN)


def test_who_is_not_active_does_not_log_in(source: DataSource, app: Flask) -> None:
    class ActiveMember(User):
        is_active: Prop[bool] = prop(default=True)

        class Meta:
            data_source = source

    source.auto_update()
    ann = ActiveMember.create(ANN)
    token = ActiveMember.login(ANN).id
    ann.patch_attributes(is_active=False)
    with pytest.raises(Unauthorized):
        ActiveMember.login(ANN)
    assert caller_of(ActiveMember, token) is None
    ann.patch_attributes(is_active=True)
    assert caller_of(ActiveMember, token).id == 1


def test_a_default_scope_keeps_users_from_logging_in(source: DataSource, app: Flask) -> None:
    class ScopedMember(User):
        gone: Prop[bool] = prop(default=False)

        class Meta:
            data_source = source
            scope = {"where": {"gone": False}}

    source.auto_update()
    ann = ScopedMember.create(ANN)
    token = ScopedMember.login(ANN).id
    ann.patch_attributes(gone=True)
    with pytest.raises(Unauthorized):
        ScopedMember.login(ANN)
    fresh = ScopedMember.session.create(user_id=1)
    assert caller_of(ScopedMember, fresh.id) is None
    assert token != fresh.id


# How long sessions last


def test_a_login_says_how_long_its_session_lasts_up_to_a_bound(member: Any) -> None:
    assert member.login(ANN, ttl=60).ttl == 60
    assert member.login({**ANN, "ttl": 60}).ttl == 60
    assert member.login({**ANN, "ttl": 10**12}).ttl == 31_556_926
    member.settings.max_ttl = 100
    assert member.login(ANN).ttl == 100
    member.settings.ttl = 50
    assert member.login(ANN).ttl == 50


def test_eternal_sessions_are_for_models_that_allow_them(member: Any) -> None:
    member.settings.allow_eternal_tokens = True
    session = member.login(ANN, ttl=-1)
    assert session.ttl == -1
    assert caller_of(member, session.id).id == 1
    member.settings.allow_eternal_tokens = False
    again = member.session.create(user_id=1, ttl=-1)
    with pytest.raises(Unauthorized):
        caller_of(member, again.id)


def age(member: Any, seconds: float) -> None:
    """Let all sessions be so much older."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    member.session.update_all({}, {"created": then})


def test_a_session_that_has_expired_is_refused_and_deleted(member: Any) -> None:
    session = member.login(ANN, ttl=3600)
    age(member, 3560)
    assert caller_of(member, session.id).id == 1
    age(member, 3601)
    with pytest.raises(Unauthorized) as refused:
        caller_of(member, session.id)
    assert refused.value.error_code == "INVALID_TOKEN"
    assert stored(member.session) == []
    assert caller_of(member, session.id) is None


def test_a_session_that_is_remembered_expires_too(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = member.login(ANN, ttl=60)
    assert caller_of(member, session.id).id == 1

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=61)

    monkeypatch.setattr("flask_loop.accounts.sessions.datetime", Later)
    with pytest.raises(Unauthorized):
        caller_of(member, session.id)
    assert stored(member.session) == []


def test_sessions_that_have_expired_are_purged_at_once(member: Any) -> None:
    member.settings.allow_eternal_tokens = True
    kept = [member.login(ANN, ttl=1000).id, member.login(ANN, ttl=-1).id]
    for _ in range(3):
        member.login(ANN, ttl=10)
    age(member, 100)
    assert end_expired(member) == 3
    assert all(caller_of(member, token) for token in kept)
    assert end_expired(member) == 0


# Who holds a token


def test_the_holder_of_a_token_is_known_without_a_look_at_the_user(member: Any) -> None:
    session = member.session.create(user_id=1, scopes=["reports"])
    caller = caller_of(member, session.id)
    assert (caller.model, caller.id, caller.scopes) == (member, 1, ("reports",))
    assert caller.token == digest_of(session.id)
    assert caller.load_user().email == "ann@example.com"
    assert caller_of(member, member.login(ANN).id).scopes == ("DEFAULT",)


@pytest.mark.parametrize("token", ["", "x", "x" * 64, "x" * 5000, "\0", "\ud800", "1", "é"])
def test_what_is_nobodys_token_is_nobodys(token: str, member: Any) -> None:
    assert caller_of(member, token) is None


def test_a_token_of_a_user_who_went_behind_our_back_is_nobodys(member: Any) -> None:
    session = member.login(ANN)
    plan = member.__loop_plan__()
    plan.connector.delete(plan.definition, plan.parser.where({}))
    assert caller_of(member, session.id) is None


def count_reads(member: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    connector = member.session.data_source.connector
    reads: list[Any] = []
    original = connector.get

    def get(definition: Any, id: Any) -> Any:
        if definition is member.session.definition:
            reads.append(id)
        return original(definition, id)

    monkeypatch.setattr(connector, "get", get)
    return reads


def test_a_process_remembers_sessions_for_a_short_time(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = member.login(ANN)
    reads = count_reads(member, monkeypatch)
    for _ in range(5):
        assert caller_of(member, session.id)
    assert len(reads) == 1
    now = __import__("time").monotonic()
    monkeypatch.setattr("flask_loop.accounts.sessions.monotonic", lambda: now + 10.1)
    assert caller_of(member, session.id)
    assert len(reads) == 2


def test_nothing_is_remembered_where_the_setting_says_so(
    source: DataSource, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ForgottenMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    app = make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key", LOOP_SESSION_CACHE=0)
    with app.app_context():
        ForgottenMember.create(ANN)
        session = ForgottenMember.login(ANN)
        reads = count_reads(ForgottenMember, monkeypatch)
        for _ in range(3):
            assert caller_of(ForgottenMember, session.id)
        assert len(reads) == 3


@pytest.mark.parametrize(
    "end",
    [
        lambda member, token: member.logout(token),
        lambda member, token: member.find_by_id(1).logout(),
        lambda member, token: member.session.find_by_id(token).destroy(),
        lambda member, token: member.session.destroy_by_id(token),
        lambda member, token: member.session.destroy_all(),
        lambda member, token: member.session.destroy_all({"user_id": 1}),
        lambda member, token: member.find_by_id(1).patch_attributes(password="second"),
        lambda member, token: member.update_all({}, {"password": "second"}),
        lambda member, token: member.find_by_id(1).patch_attributes(email="b@example.com"),
        lambda member, token: member.update_all({"id": 1}, {"email": "b@example.com"}),
        lambda member, token: member.replace_by_id(1, {"email": "b@example.com"}),
        lambda member, token: member.find_by_id(1).destroy(),
        lambda member, token: member.destroy_by_id(1),
        lambda member, token: member.destroy_all({"email": "ann@example.com"}),
        lambda member, token: member.destroy_all(),
        lambda member, token: member.session.update_all({}, {"ttl": 0}),
    ],
)
def test_a_session_that_ends_in_any_way_ends_at_once_in_this_process(
    end: Callable[[Any, str], Any], member: Any
) -> None:
    token = member.login(ANN).id
    assert caller_of(member, token).id == 1
    end(member, token)
    with suppress(Unauthorized):
        assert caller_of(member, token) is None


def test_a_session_ends_at_once_in_every_app_of_this_process(
    member: Any, app: Flask, make_app: Callable[..., Flask]
) -> None:
    token = member.login(ANN).id
    assert caller_of(member, token)
    with make_app(SECRET_KEY="other").app_context():
        assert caller_of(member, token)
        member.logout(token)
        assert caller_of(member, token) is None
    assert caller_of(member, token) is None


def test_a_session_that_was_looked_up_while_it_ended_is_not_remembered() -> None:
    cache = SessionCache(10)
    before = cache.generation
    cache.forget("x")
    cache.put("x", "known", before)  # type: ignore[arg-type]
    assert cache.get("x") is None


def test_what_is_remembered_is_bounded() -> None:
    cache = SessionCache(10)
    for number in range(10_050):
        cache.put(str(number), "known", 0)  # type: ignore[arg-type]
    assert cache.get("0") is None
    assert cache.get("10049") == "known"
    assert sum(cache.get(str(number)) is not None for number in range(10_050)) == 10_000


# Logging out


def test_a_session_ends_by_its_token(member: Any) -> None:
    first, second = member.login(ANN), member.login(ANN)
    assert member.logout(first.id) is None
    assert caller_of(member, first.id) is None
    assert caller_of(member, second.id).id == 1
    with pytest.raises(Unauthorized) as refused:
        member.logout(first.id)
    assert refused.value.error_code == "INVALID_TOKEN"


def test_all_sessions_of_a_user_end_together(member: Any) -> None:
    bob = member.create(email="bob@example.com", password="second")
    tokens = [member.login(ANN).id for _ in range(3)]
    other = member.login(email="bob@example.com", password="second").id
    assert member.find_by_id(1).logout() == 3
    assert [caller_of(member, token) for token in tokens] == [None] * 3
    assert caller_of(member, other).id == bob.id


@pytest.mark.parametrize("token", [5, ["x"], {"neq": None}])
def test_what_is_no_text_logs_nobody_out(token: Any, member: Any) -> None:
    member.login(ANN)
    with pytest.raises(BadRequest):
        member.logout(token)
    assert len(stored(member.session)) == 1


# What ends the others


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"password": "second"}, True),
        ({"password": "first"}, True),
        ({"email": "b@example.com"}, True),
        ({"email": "ANN@example.com"}, False),
        ({"name": "Ann"}, False),
    ],
)
def test_another_password_or_address_ends_the_users_sessions(
    changes: dict[str, Any], ends: bool, member: Any
) -> None:
    member.create(email="bob@example.com", password="second")
    other = member.login(email="bob@example.com", password="second").id
    token = member.login(ANN).id
    member.find_by_id(1).patch_attributes(changes)
    assert (caller_of(member, token) is None) is ends
    assert caller_of(member, other)


def test_changes_to_many_end_the_sessions_of_those_who_are_changed(member: Any) -> None:
    tokens = {}
    for name in ("bob", "cid", "dan"):
        member.create(email=f"{name}@example.com", password="x", name=name)
        tokens[name] = member.login(email=f"{name}@example.com", password="x").id
    member.update_all({"name": {"inq": ["bob", "cid"]}}, {"password": "y", "name": "changed"})
    assert [name for name, token in tokens.items() if caller_of(member, token)] == ["dan"]
    member.destroy_all({"name": "dan"})
    assert caller_of(member, tokens["dan"]) is None
    assert member.login(ANN)


def test_users_who_are_kept_by_an_observer_keep_their_sessions(member: Any) -> None:
    token = member.login(ANN).id

    @member.observe("before delete")
    def nobody(ctx: Any) -> None:
        ctx.narrow({"name": "nobody"})

    assert member.destroy_all() == 0
    assert member.find_by_id(1).destroy() == 0
    assert caller_of(member, token).id == 1


def test_users_who_go_with_other_records_lose_their_sessions(
    source: DataSource, app: Flask
) -> None:
    class SessionTeam(Model):
        class Meta:
            data_source = source

    class TeamMember(User):
        team: BelongsTo[SessionTeam] = relation(on_delete="cascade")

        class Meta:
            data_source = source

    source.auto_update()
    team = SessionTeam.create()
    TeamMember.create({**ANN, "team_id": team.id})
    token = TeamMember.login(ANN).id
    assert caller_of(TeamMember, token)
    team.destroy()
    assert TeamMember.count() == 0
    assert caller_of(TeamMember, token) is None
    assert stored(TeamMember.session) == []


def test_a_change_that_is_undone_ends_no_session(app: Flask) -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")

    class UndoneMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    ann = UndoneMember.create(ANN)
    token = UndoneMember.login(ANN).id

    def change_and_fail() -> None:
        with source.transaction():
            ann.patch_attributes(password="second")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert caller_of(UndoneMember, token).id == 1
    assert UndoneMember.login(ANN)
    source.close()


def test_a_session_that_ends_in_a_transaction_has_ended_inside_of_it(app: Flask) -> None:
    source = create_data_source(connector="sqlite", url="sqlite://")

    class InnerMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    InnerMember.create(ANN)
    token = InnerMember.login(ANN).id
    assert caller_of(InnerMember, token)
    with source.transaction():
        InnerMember.logout(token)
        assert caller_of(InnerMember, token) is None
    source.close()


def test_tokens_need_no_secret_key(source: DataSource, make_app: Callable[..., Flask]) -> None:
    class KeylessMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    app = make_app(KeylessMember, LOOP_PASSWORD_HASHING=FAST)
    client = app.test_client()
    with app.app_context():
        KeylessMember.create(ANN)
    token = client.post("/api/keylessMembers/login", json=ANN).json["id"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/keylessMembers/1", headers=headers).status_code == 200
    assert client.post("/api/keylessMembers/logout", headers=headers).status_code == 204


# The model of sessions


def test_a_session_is_found_by_its_token_and_then_has_its_digest(member: Any) -> None:
    session = member.login(ANN)
    found = member.session.find_by_id(session.id)
    assert found.id == digest_of(session.id)
    assert member.session.exists(session.id)
    assert member.session.count({"id": session.id}) == 1
    assert member.session.count({"id": {"inq": [session.id]}}) == 1
    session.reload()
    session.patch_attributes(ttl=60)
    assert member.session.find_by_id(session.id).ttl == 60
    assert session.destroy() == 1
    assert not member.session.exists(session.id)


def test_sessions_are_made_without_a_password(member: Any) -> None:
    ann = member.find_by_id(1)
    session = ann.create_session(ttl=60, scopes=["reports"])
    assert caller_of(member, session.id).scopes == ("reports",)
    one, two = member.session.create([{"user_id": 1}, {"userId": 1, "ttl": 5}])
    assert caller_of(member, one.id).id == caller_of(member, two.id).id == 1
    assert (one.ttl, two.ttl) == (14 * 24 * 60 * 60, 5)
    with pytest.raises(ValidationError):
        member.session.create()
    with pytest.raises(ValidationError):
        member.session.create([{"user_id": 1}, {"ttl": 5}])
    assert len(stored(member.session)) == 3


def test_a_token_that_was_made_elsewhere_is_brought_along(member: Any) -> None:
    session = member.session.create(id="brought-from-LoopBack", user_id=1)
    assert session.id == "brought-from-LoopBack"
    assert caller_of(member, "brought-from-LoopBack").id == 1
    assert "brought" not in str(stored(member.session))


def test_sessions_are_attached_with_their_users_unless_they_are_elsewhere(app: Flask) -> None:
    first, second, third = memory(), memory(), memory()

    class FirstMember(User):
        pass

    assert FirstMember.session.data_source is None
    FirstMember.attach_to(first)
    assert FirstMember.session.data_source is first
    FirstMember.attach_to(second)
    assert FirstMember.session.data_source is second
    FirstMember.session.attach_to(third)
    FirstMember.attach_to(first)
    assert FirstMember.session.data_source is third

    class SecondMember(User):
        pass

    SecondMember.session.attach_to(third)
    SecondMember.attach_to(first)
    assert SecondMember.session.data_source is third
    SecondMember.create(ANN)
    token = SecondMember.login(ANN).id
    assert caller_of(SecondMember, token).id == 1
    SecondMember.find_by_id(1).destroy()
    assert caller_of(SecondMember, token) is None


def test_sessions_of_a_data_source_that_apps_share_by_name_follow_too() -> None:
    loop = Loop()

    class FactoryMember(User):
        class Meta:
            data_source = loop.data_source("db")

    loop.model(FactoryMember)
    apps = []
    for _ in range(2):
        app = Flask("factory")
        app.config.update(
            LOOP_DATA_SOURCES={"db": {"connector": "memory"}},
            LOOP_PASSWORD_HASHING=FAST,
            SECRET_KEY="key",
            TESTING=True,
        )
        loop.init_app(app)
        apps.append(app)
    with apps[0].app_context():
        FactoryMember.create(ANN)
        token = FactoryMember.login(ANN).id
        assert caller_of(FactoryMember, token).id == 1
    with apps[1].app_context():
        assert caller_of(FactoryMember, token) is None


def test_users_who_are_attached_nowhere_have_no_callers(app: Flask) -> None:
    class LostMember(User):
        pass

    assert caller_of(LostMember, "x") is None


def test_a_model_of_sessions_of_ones_own_takes_the_place(source: DataSource, app: Flask) -> None:
    class Visit(Session):
        device: Prop[str | None] = prop(default=None)

    class VisitingMember(User):
        pass

    assert VisitingMember.session is not Visit
    VisitingMember.session = Visit
    assert VisitingMember.session is Visit
    VisitingMember.attach_to(source)
    assert Visit.data_source is source
    source.auto_update()

    @Visit.observe("before save")
    def note(ctx: Any) -> None:
        ctx.data["device"] = "phone"

    VisitingMember.create(ANN)
    session = VisitingMember.login(ANN)
    assert session.device == "phone"
    assert session.to_dict()["device"] == "phone"
    assert caller_of(VisitingMember, session.id).id == 1
    assert [each["user_id"] for each in stored(Visit)] == [1]
    VisitingMember.logout(session.id)
    assert caller_of(VisitingMember, session.id) is None


def test_a_model_of_sessions_is_also_given_in_the_class_body_and_by_extend(
    source: DataSource, app: Flask
) -> None:
    class BodyVisit(Session):
        pass

    class BodyMember(User):
        session = BodyVisit

        class Meta:
            data_source = source

    assert BodyMember.session is BodyVisit
    member = User.extend("extendedUser")
    mine = Session.extend("my-session", {"device": str})
    member.session = mine
    member.attach_to(source)
    source.auto_update()
    for model in (BodyMember, member):
        model.create(ANN)
        assert caller_of(model, model.login(ANN).id).model is model


def test_a_model_of_sessions_has_those_of_one_model_of_users() -> None:
    class OnlyVisit(Session):
        pass

    class OneMember(User):
        session = OnlyVisit

    class OtherMember(User):
        pass

    with pytest.raises(DefinitionError, match="OnlyVisit has the sessions of OneMember"):
        OtherMember.session = OnlyVisit
    OneMember.session = OnlyVisit
    for wrong in (Session, User, dict, None, "OnlyVisit"):
        with pytest.raises(TypeError, match="derives from Session"):
            OtherMember.session = wrong


def test_several_models_of_users_have_sessions_of_their_own(source: DataSource, app: Flask) -> None:
    class Customer(User):
        class Meta:
            data_source = source

    class Employee(User):
        class Meta:
            data_source = source

    class Manager(Employee):
        pass

    source.auto_update()
    models = [Customer, Employee, Manager]
    assert len({model.session for model in models}) == 3
    for model in models:
        model.create(ANN)
    tokens = [model.login(ANN).id for model in models]
    for model, token in zip(models, tokens, strict=True):
        assert [caller_of(each, token) is not None for each in models] == [
            each is model for each in models
        ]
    Customer.find_by_id(1).patch_attributes(password="second")
    assert [bool(caller_of(*each)) for each in zip(models, tokens, strict=True)] == [
        False,
        True,
        True,
    ]


def make_by_text(source: DataSource) -> tuple[Any, Any]:
    class TextMember(User):
        id: Prop[str] = prop(id=True, max_length=40)

        class Meta:
            data_source = source

    return TextMember, {"id": 'ann,of \\ "x"'}


def make_by_uuid(source: DataSource) -> tuple[Any, Any]:
    class UuidMember(User):
        id: Prop[uuid.UUID] = prop(id=True, default_fn=uuid.uuid4)

        class Meta:
            data_source = source

    return UuidMember, {}


def make_by_several(source: DataSource) -> tuple[Any, Any]:
    class TenantMember(User):
        tenant: Prop[str] = prop(id=1, max_length=40)
        number: Prop[int] = prop(id=2)

        class Meta:
            data_source = source

    return TenantMember, {"tenant": "a,b", "number": 7}


@pytest.mark.parametrize("make", [make_by_text, make_by_uuid, make_by_several])
def test_users_have_ids_of_any_type(
    make: Callable[[DataSource], tuple[Any, Any]], source: DataSource, app: Flask
) -> None:
    model, id = make(source)
    source.auto_update()
    ann = model.create({**ANN, **id})
    model.create(
        {**ANN, **{key: value if key == "tenant" else 8 for key, value in id.items()}}
        | {"email": "bob@example.com"}
        if "number" in id
        else {"id": str(uuid.UUID(int=5)), "email": "bob@example.com", "password": "first"}
    )
    token = model.login(ANN).id
    bobs = model.login(email="bob@example.com", password="first").id
    caller = caller_of(model, token)
    assert caller.id == model.definition.id_of(ann.to_record())
    assert caller.load_user().email == "ann@example.com"
    ann.patch_attributes(password="second")
    assert caller_of(model, token) is None
    assert caller_of(model, bobs)
    token = model.login({**ANN, "password": "second"}).id
    assert ann.logout() == 1
    token = model.login({**ANN, "password": "second"}).id
    assert ann.get_id().startswith(f"loop:{model.__name__}:")
    assert ann.destroy() == 1
    assert caller_of(model, token) is None
    assert caller_of(model, bobs)


def test_the_key_of_users_is_of_the_type_of_their_ids(source: DataSource) -> None:
    kinds = ((make_by_uuid, uuid.UUID), (make_by_text, str), (make_by_several, str))
    for make, kind in kinds:
        model = make(source)[0]  # which its sessions do not keep
        assert model.session.properties["user_id"]["type"] is kind


def test_a_session_that_cannot_be_deleted_has_ended_all_the_same(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = member.login(ANN, ttl=60)
    age(member, 61)

    def fail(*arguments: Any) -> int:
        raise LoopError("busy")

    monkeypatch.setattr(member.session.data_source.connector, "delete", fail)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            caller_of(member, session.id)


# Over REST


@pytest.fixture
def client(member: Any, make_app: Callable[..., Flask]) -> Any:
    return make_app(member, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key").test_client()


def test_the_answer_of_a_login_has_the_names_of_all_loopbacks(client: Any) -> None:
    answer = client.post("/api/heldMembers/login", json={**ANN, "ttl": 60})
    assert answer.status_code == 200
    body = answer.json
    assert set(body) == {"id", "sid", "ttl", "created", "userId", "uid"}
    assert body["id"] == body["sid"]
    assert (body["userId"], body["uid"], body["ttl"]) == (1, 1, 60)
    assert body["created"].endswith("Z")
    assert "Set-Cookie" not in answer.headers


def test_the_answer_of_a_login_has_the_user_in_it_where_that_is_asked_for(client: Any) -> None:
    for include in ("user", '["user"]'):
        answer = client.post(f"/api/heldMembers/login?include={include}", json=ANN)
        assert answer.json["user"]["email"] == "ann@example.com"
        assert "password" not in answer.json["user"]
    assert client.post("/api/heldMembers/login?include=members", json=ANN).status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "ann@example.com", "password": "wrong"}, 401, "LOGIN_FAILED"),
        ({"email": "nobody@example.com", "password": "first"}, 401, "LOGIN_FAILED"),
        ({}, 400, "USERNAME_EMAIL_REQUIRED"),
        ({"email": {"regexp": "^a"}, "password": "first"}, 400, "INVALID_EMAIL"),
        ({"email": "ann@example.com", "password": {"neq": 1}}, 400, "INVALID_PASSWORD"),
    ],
)
def test_a_login_that_fails_says_why_by_its_code(
    body: dict[str, Any], status: int, code: str, client: Any
) -> None:
    answer = client.post("/api/heldMembers/login", json=body)
    assert answer.status_code == status
    assert answer.json["error"]["code"] == code


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "null", "", "{", '{"email": NaN}'])
def test_a_login_takes_an_object(body: str, client: Any) -> None:
    answer = client.post("/api/heldMembers/login", data=body, content_type="application/json")
    assert answer.status_code == 400


def test_nobody_logs_in_by_the_query(client: Any) -> None:
    query = "email=ann@example.com&password=first"
    assert client.post(f"/api/heldMembers/login?{query}", json={}).status_code == 400
    assert client.get(f"/api/heldMembers/login?{query}").status_code == 405


def test_answers_to_known_and_unknown_accounts_are_the_same_to_the_byte(client: Any) -> None:
    known = client.post("/api/heldMembers/login", json={**ANN, "password": "x"})
    unknown = client.post("/api/heldMembers/login", json={**ANN, "email": "x@example.com"})
    assert known.data == unknown.data
    assert known.status == unknown.status
    headers = [{k: v for k, v in each.headers if k != "Date"} for each in (known, unknown)]
    assert headers[0] == headers[1]


def log_in(client: Any) -> str:
    return str(client.post("/api/heldMembers/login", json=ANN).json["id"])


def test_a_session_ends_by_the_token_of_the_request(client: Any, member: Any) -> None:
    for verb in ("post", "get", "delete", "put", "patch"):
        token = log_in(client)
        headers = {"Authorization": f"Bearer {token}"}
        assert getattr(client, verb)("/api/heldMembers/logout", headers=headers).status_code == 204
        assert caller_of(member, token) is None
        again = client.post("/api/heldMembers/logout", headers=headers)
        assert again.status_code == 401


def test_a_session_ends_by_sid_in_the_body(client: Any, member: Any) -> None:
    token = log_in(client)
    assert client.post("/api/heldMembers/logout", json={"sid": token}).status_code == 204
    again = client.post("/api/heldMembers/logout", json={"sid": token})
    assert (again.status_code, again.json["error"]["code"]) == (401, "INVALID_TOKEN")
    assert stored(member.session) == []


def test_the_sid_counts_before_the_token_of_the_request(client: Any, member: Any) -> None:
    mine, other = log_in(client), log_in(client)
    headers = {"Authorization": f"Bearer {mine}"}
    answer = client.post("/api/heldMembers/logout", json={"sid": other}, headers=headers)
    assert answer.status_code == 204
    assert caller_of(member, mine)
    assert caller_of(member, other) is None


def test_to_log_out_takes_a_token(client: Any) -> None:
    answer = client.post("/api/heldMembers/logout")
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "AUTHORIZATION_REQUIRED")


def test_who_changes_the_own_password_or_address_stays_logged_in(client: Any, member: Any) -> None:
    for change in ({"password": "second"}, {"email": "ann2@example.com"}):
        given = {**ANN, **({} if "password" in change else {"password": "second"})}
        mine, other = (client.post("/api/heldMembers/login", json=given).json["id"] for _ in "ab")
        headers = {"Authorization": f"Bearer {mine}"}
        answer = client.patch("/api/heldMembers/1", json=change, headers=headers)
        assert answer.status_code == 200, answer.text
        assert caller_of(member, mine).id == 1
        assert caller_of(member, other) is None
        member.logout(mine)


def test_who_deletes_the_own_account_is_nobody_then(client: Any, member: Any) -> None:
    headers = {"Authorization": f"Bearer {log_in(client)}"}
    assert client.delete("/api/heldMembers/1", headers=headers).json == {"count": 1}
    assert stored(member.session) == []
    assert client.get("/api/heldMembers/1", headers=headers).status_code == 401


def test_hooks_see_the_session_and_may_set_a_cookie(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    class HookedMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    seen = []

    @HookedMember.after_remote("login")
    def remember(ctx: Any, session: Any) -> None:
        seen.append((type(session), session.user_id))
        ctx.res.set_cookie("token", session.id, httponly=True)

    app = make_app(HookedMember, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    client = app.test_client()
    with app.app_context():
        HookedMember.create(ANN)
    answer = client.post("/api/hookedMembers/login", json=ANN)
    assert seen == [(HookedMember.session, 1)]
    assert answer.headers["Set-Cookie"].startswith(f"token={answer.json['id']};")


def test_login_and_logout_are_declared_in_another_way_for_one_model(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    class SignedMember(User):
        class Meta:
            data_source = source

    SignedMember.remote_method(
        "login",
        accepts=[
            {"arg": "username", "type": "string", "required": True},
            {"arg": "password", "type": "string", "required": True},
        ],
        returns={"arg": "session", "type": "object"},
        http={"path": "/sign-in"},
    )
    SignedMember.remote_method(
        "logout", accepts={"arg": "sid", "type": "string"}, http={"path": "/sign-out"}
    )
    source.auto_update()
    app = make_app(SignedMember, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    client = app.test_client()
    with app.app_context():
        SignedMember.create({**ANN, "username": "ann"})
        given = {"username": "ann", "password": "first"}
        answer = client.post("/api/signedMembers/sign-in", json=given)
        token = answer.json["session"]["id"]
        assert caller_of(SignedMember, token).id == 1
        assert client.post("/api/signedMembers/sign-out", json={"sid": token}).status_code == 204
        assert caller_of(SignedMember, token) is None
        assert client.post("/api/signedMembers/login", json=given).status_code == 405


def test_a_user_may_have_a_property_called_as_what_models_of_users_have(
    source: DataSource, app: Flask
) -> None:
    class LikedMember(User):
        settings: Prop[dict[str, Any] | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    ann = LikedMember.create({**ANN, "settings": {"theme": "dark"}})
    assert ann.settings == {"theme": "dark"}
    assert LikedMember.login(ANN)
