"""Sessions that end, or never were, while others look; and users whom the app itself logs in."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from flask import Flask
from flask_login import LoginManager, current_user, login_user
from flask_mail import Mail

from flask_loop import DataSource, Loop, Prop, create_data_source, memory, prop
from flask_loop.accounts import sessions
from flask_loop.accounts.sessions import Known, SessionCache, caller_of
from flask_loop.auth import User
from flask_loop.email import MailQueue, queue_of
from flask_loop.errors import DefinitionError
from flask_loop.remoting.callers import NOBODY
from tests.tokens import bearer

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "key",
    "LOOP_PASSWORD_HASHING": FAST,
    "LOOP_EXTERNAL_URL": "https://shop.example.com",
}
ANN = {"email": "ann@example.com", "password": "first one"}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(**SETTINGS)
    with app.app_context():
        yield app


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DataSource]:
    made = create_data_source(connector="sqlite", url=f"sqlite:///{tmp_path / 'users.sqlite'}")
    yield made
    made.close()


class Undone(Exception):
    """What undoes a transaction."""


@contextmanager
def undone(source: DataSource) -> Iterator[None]:
    """A transaction that is rolled back at its end."""
    with suppress(Undone), source.transaction():
        yield
        raise Undone


# What a process remembers


@pytest.mark.parametrize("write", ["save", "patch", "update_all"])
def test_who_is_made_inactive_is_nobody_at_once(write: str, source: DataSource, app: Flask) -> None:
    class SwitchedMember(User):
        is_active: Prop[bool] = prop(default=True)

        class Meta:
            data_source = source

    source.auto_update()
    ann, bob = SwitchedMember.create([ANN, {"email": "bob@example.com"}])
    token, other = ann.create_session().id, bob.create_session().id
    assert caller_of(SwitchedMember, token)
    assert caller_of(SwitchedMember, other)
    if write == "update_all":
        SwitchedMember.update_all({"email": ann.email}, {"is_active": False})
    elif write == "save":
        ann.is_active = False
        ann.save()
    else:
        ann.patch_attributes(is_active=False)
    assert caller_of(SwitchedMember, token) is None
    assert caller_of(SwitchedMember, other)


def test_who_was_not_made_inactive_in_the_end_is_somebody(source: DataSource, app: Flask) -> None:
    class SparedMember(User):
        is_active: Prop[bool] = prop(default=True)

        class Meta:
            data_source = source

    source.auto_update()
    ann = SparedMember.create(ANN)
    token = ann.create_session().id
    with undone(source):
        ann.patch_attributes(is_active=False)
        assert caller_of(SparedMember, token) is None
    assert caller_of(SparedMember, token)


def test_a_session_that_was_never_kept_is_not_remembered(database: DataSource, app: Flask) -> None:
    class UndoneMember(User):
        class Meta:
            data_source = database

    database.auto_update()
    ann = UndoneMember.create(ANN)
    with undone(database):
        token = ann.create_session().id
        assert caller_of(UndoneMember, token)
    assert caller_of(UndoneMember, token) is None


def test_a_session_that_ended_since_a_transaction_began_is_not_remembered_by_it(
    postgresql: Any, app: Flask
) -> None:
    url = postgresql.fresh("snapshots")
    with closing(create_data_source(connector="postgresql", url=url)) as database:

        class SnapshotMember(User):
            class Meta:
                data_source = database

        database.auto_update()
        ann = SnapshotMember.create(ANN)
        token = ann.create_session().id

        def log_out() -> None:
            with app.app_context():
                SnapshotMember.logout(token)

        with ThreadPoolExecutor(1) as other, database.transaction(isolation="REPEATABLE READ"):
            assert SnapshotMember.count() == 1
            other.submit(log_out).result()
            assert caller_of(SnapshotMember, token)  # it reads what was
        assert caller_of(SnapshotMember, token) is None


def test_what_is_remembered_is_kept_by_many_threads_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_MOST", 3)
    cache, known = SessionCache(60), Known(NOBODY, None)

    def remember(thread: int) -> None:
        for number in range(3000):
            digest = f"{thread} {number}"
            cache.put(digest, known, cache.generation)
            cache.get(digest)
            if number % 7 == 0:
                cache.forget(digest)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(remember, range(8)))
    finally:
        sys.setswitchinterval(usual)
    assert len(cache._known) <= 3


# Replicas, which may be late


@pytest.fixture
def late_databases(postgresql: Any) -> Iterator[list[DataSource]]:
    """A replica that never hears of anything, and the data source that has it."""
    place, late = postgresql.fresh("test"), postgresql.fresh("replica")
    made = [
        create_data_source(connector="postgresql", url=late),
        create_data_source(connector="postgresql", url=place, replicas=[late]),
    ]
    yield made
    for each in made:
        each.close()


def test_who_just_logged_in_is_known_however_late_replicas_are(
    late_databases: list[DataSource], make_app: Callable[..., Flask]
) -> None:
    class LateMember(User):
        pass

    for each in late_databases:
        LateMember.attach_to(each)
        each.auto_update()
    app = make_app(LateMember, MAIL_DEFAULT_SENDER="shop@example.com", **SETTINGS)

    @app.get("/enter")
    def enter() -> str:
        login_user(sessions.load_user(LateMember, 1))
        return "in"

    @app.get("/who")
    def who() -> str:
        return str(current_user.is_authenticated)

    with app.app_context(), Mail(app).record_messages() as mails:
        ann = LateMember.create(ANN)
        assert LateMember.count() == 0  # replicas answer
        client = app.test_client()
        token = LateMember.login(ANN).id
        headers = {"Authorization": token}
        assert client.post("/api/lateMembers/logout", headers=headers).status_code == 204
        client.get("/enter")
        assert client.get("/who").text == "True"
        LateMember.verify(ann.id)
        LateMember.reset(ann.email)
        assert queue_of(app).wait(30)
        assert len(mails) == 2
        link = "/api/lateMembers/confirm?" + mails[0].body.partition("confirm?")[2].split()[0]
        assert client.get(link, headers={"Accept": "application/json"}).status_code == 302


# Who the app itself logs in


def test_users_of_the_apps_own_may_have_ids_that_are_no_text() -> None:
    class BesideMember(User):
        class Meta:
            data_source = memory()

    class Staff:
        is_authenticated = is_active = True
        is_anonymous = False

        def __init__(self, id: int) -> None:
            self.id = id

        def get_id(self) -> int:
            return self.id

    app = Flask("shop")
    app.config.update(TESTING=True, **SETTINGS)
    LoginManager(app).user_loader(Staff)
    Loop(app).model(BesideMember)

    @app.get("/enter")
    def enter() -> str:
        login_user(Staff(5))
        return "in"

    @app.get("/who")
    def who() -> str:
        return repr(current_user.id)

    client = app.test_client()
    client.get("/enter")
    assert client.get("/who").text == "5"


def test_an_app_has_no_two_models_of_users_of_one_name(make_app: Callable[..., Flask]) -> None:
    def model(path: str) -> type[User]:
        class TwinMember(User):
            class Meta:
                data_source = memory()
                http_path = path

        return TwinMember

    one, other = model("/one"), model("/other")
    with pytest.raises(DefinitionError, match="two models of users that are called 'TwinMember'"):
        make_app(one, other, **SETTINGS)
    for alone in (one, other):
        assert make_app(alone, **SETTINGS)


# Apps that are gone


def test_an_app_that_logged_users_in_is_freed(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailQueue, "idle_seconds", 0)

    def use() -> tuple[ref[Any], ref[Any]]:
        class FreedMember(User):
            class Meta:
                data_source = memory()

        app = make_app(FreedMember, MAIL_DEFAULT_SENDER="shop@example.com", **SETTINGS)
        client = app.test_client()
        assert client.post("/api/freedMembers", json=ANN).status_code == 200
        token = client.post("/api/freedMembers/login", json=ANN).json["id"]
        own = client.get("/api/freedMembers/1", headers={"Authorization": token})
        assert own.status_code == 200
        assert client.post("/api/freedMembers/reset", json=ANN).status_code == 204
        assert queue_of(app).wait(30)
        assert client.get("/api/freedMembers/reset-page?token=x").status_code == 400
        with app.app_context():
            assert bearer(FreedMember.find_one())
        return ref(app), ref(FreedMember)

    freed = use()
    for _ in range(50):
        gc.collect()
        if all(each() is None for each in freed):
            break
        gc.collect()
    assert [each() for each in freed] == [None, None]
