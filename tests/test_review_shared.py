"""Shared sessions at their edges: other apps with the same key, and what was there long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
from flask import Flask

from flask_loop import Loop, memory
from flask_loop.accounts.sessions import caller_of
from flask_loop.auth import User
from tests.proxy import Proxy
from tests.servers import Redis

PASSWORD = "correct horse"
FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


@pytest.fixture
def storage(redis: Redis) -> str:
    return redis.fresh("review-shared")


@pytest.fixture
def make_member(storage: str) -> Iterator[Callable[..., tuple[Flask, Any, str]]]:
    """A function that makes an app with a user of its own, and gives the model and a token."""
    apps: list[Flask] = []

    def make_member(name: str, **settings: Any) -> tuple[Flask, Any, str]:
        class ReviewedMember(User):
            class Meta:
                data_source = memory()

        app = Flask(name)
        app.config.update(
            {
                "SECRET_KEY": "one",
                "LOOP_PASSWORD_HASHING": FAST,
                "LOOP_SESSION_STORAGE": storage,
                **settings,
            }
        )
        Loop(app).model(ReviewedMember)
        apps.append(app)
        with app.app_context():
            ReviewedMember.create(email=f"{name}@example.com", password=PASSWORD)
            token = ReviewedMember.login(email=f"{name}@example.com", password=PASSWORD).id
        return app, ReviewedMember, token

    yield make_member
    for app in apps:
        app.extensions["loop"].shared.close()


def wait_for(check: Callable[[], bool], seconds: float = 10) -> None:
    end = monotonic() + seconds
    while not check():
        assert monotonic() < end
        sleep(0.02)


def test_nobody_gets_into_another_app_that_has_the_same_key(make_member: Any) -> None:
    shop, customers, token = make_member("shop")
    office, staff, _ = make_member("office")
    with shop.app_context():
        callers = [caller_of(customers, token) for _ in range(2)]
        assert [each.id for each in callers if each is not None] == [1, 1]
    with office.app_context():
        assert caller_of(staff, token) is None


def test_a_session_that_ended_is_not_brought_back_by_what_was_there(
    make_member: Any, storage: str
) -> None:
    app, members, token = make_member("restored", LOOP_SESSION_CACHE=0.5)
    with redis_py.Redis.from_url(storage) as client, app.app_context():
        assert caller_of(members, token) is not None
        keys: list[Any] = list(client.scan_iter())
        kept = {key: client.get(key) for key in keys}
        members.logout(token)
        assert caller_of(members, token) is None
        sleep(0.5)
        client.mset(kept)
        assert caller_of(members, token) is None
        client.flushdb()
        client.mset(kept)
        assert caller_of(members, token) is None


@pytest.mark.parametrize("kept", [0, 5])
def test_a_stamp_of_another_length_lets_nobody_in_and_stops_nobody(
    make_member: Any, storage: str, kept: int
) -> None:
    app, members, token = make_member("stamped")
    with app.app_context(), redis_py.Redis.from_url(storage) as client:
        assert caller_of(members, token) is not None
        (name,) = client.scan_iter("*:sessions")
        stamp: Any = client.get(name)
        client.set(name, stamp[:kept])
        assert caller_of(members, token) is not None
        members.logout(token)
        client.set(name, stamp[:kept])
        assert caller_of(members, token) is None


def test_who_was_cut_off_tells_for_as_long_as_others_may_remember_what_they_read_before(
    make_member: Any, storage: str, redis: Redis
) -> None:
    with Proxy(redis.port) as proxy:
        apart = storage.replace(f":{redis.port}", f":{proxy.port}")
        app, members, token = make_member(
            "told", LOOP_SESSION_CACHE=0.5, LOOP_SESSION_STORAGE=apart
        )
        other, _, _ = make_member("told", LOOP_SESSION_CACHE=0.5)
        store = other.extensions["loop"].shared
        with app.app_context():
            assert caller_of(members, token) is not None
            before = store.moment()
            proxy.answers = False
            proxy.cut()
            members.logout(token)
        sleep(2)
        assert store.moment().sessions == before.sessions
        proxy.answers = True
        proxy.cut()
        wait_for(lambda: store.moment().sessions != before.sessions)
