"""Users and sessions on databases, and what happens where two do something at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop, Model, Prop, ValidationError, prop
from flask_loop.accounts import login
from flask_loop.accounts.sessions import caller_of, end_expired
from flask_loop.acl import Role, RoleMapping
from flask_loop.auth import User
from flask_loop.errors import LoopError, NotIndexable, Unauthorized
from tests.servers import Server
from tests.sources import opened

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
ANN = {"email": "ann@example.com", "password": "first"}
#: More tries than a test needs, as what two threads do at once is counted too.
LIMITS = {"account": "1000 per minute"}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key", LOOP_LOGIN_LIMITS=LIMITS)


@pytest.fixture(
    params=[
        *("memory", "sqlite", "postgresql", "mysql", "firebird"),
        *("mongodb", "redis", "couchdb", "remote"),
    ]
)
def database(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server], tmp_path: Path
) -> Iterator[DataSource]:
    settings: dict[str, Any] = {}
    if request.param == "sqlite":
        settings["url"] = f"sqlite:///{tmp_path / 'users.sqlite'}"
    with opened(request.param, get_server, "users", **settings) as source:
        yield source


def test_the_life_of_a_user_is_the_same_on_every_database(database: DataSource, app: Flask) -> None:
    class LivingMember(User):
        name: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = database

    database.auto_update()
    assert database.is_actual()
    with app.app_context():
        ann = LivingMember.create({**ANN, "username": "ann"})
        LivingMember.create([{"email": "bob@example.com", "password": "second"}])
        token = LivingMember.login(email="ANN@example.com", password="first", ttl=60).id
        other = LivingMember.login(email="bob@example.com", password="second").id
        assert LivingMember.login(username="ann", password="first")
        assert caller_of(LivingMember, token).id == ann.id
        scoped = ann.create_session(scopes=["reports"]).id
        assert caller_of(LivingMember, scoped).scopes == ("reports",)
        ann.patch_attributes(name="Ann")
        LivingMember.find_by_id(ann.id).save()
        assert caller_of(LivingMember, token)
        ann.patch_attributes(password="third")
        assert caller_of(LivingMember, token) is None
        assert caller_of(LivingMember, other)
        assert LivingMember.login(email="ann@example.com", password="third")
        assert LivingMember.update_all({"name": "Ann"}, {"password": "fourth"}) == 1
        token = LivingMember.login(email="ann@example.com", password="fourth").id
        LivingMember.session.create(user_id=ann.id, ttl=1, created="2020-01-01T00:00:00Z")
        assert end_expired(LivingMember) == 1
        with pytest.raises(ValidationError):
            LivingMember.create(email="Ann@Example.com")
        assert LivingMember.destroy_all({"email": "ANN@EXAMPLE.COM"}) == 1
        assert caller_of(LivingMember, token) is None
        assert caller_of(LivingMember, other)
        LivingMember.logout(other)
        assert LivingMember.session.count() == 0


def test_ids_of_every_type_are_keys_of_sessions(database: DataSource, app: Flask) -> None:
    class KeyedByUuid(User):
        id: Prop[uuid.UUID] = prop(id=True, default_fn=uuid.uuid4)

        class Meta:
            data_source = database

    class KeyedByTwo(User):
        tenant: Prop[str] = prop(id=1, max_length=40)
        number: Prop[int] = prop(id=2)

        class Meta:
            data_source = database

    database.auto_update()
    with app.app_context():
        KeyedByUuid.create(ANN)
        KeyedByTwo.create({**ANN, "tenant": "a,b", "number": 7})
        for model in (KeyedByUuid, KeyedByTwo):
            token = model.login(ANN).id
            assert caller_of(model, token).load_user().email == "ann@example.com"
            assert model.find_one().logout() == 1


def at_once(app: Flask, *functions: Callable[[], Any]) -> list[Any]:
    """What functions give, or raise, that begin together in threads of their own."""
    barrier = Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        with app.app_context():
            barrier.wait()
            try:
                return function()
            except LoopError as error:
                return error

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def test_one_of_those_who_take_an_address_at_once_gets_it(database: DataSource, app: Flask) -> None:
    class RacingMember(User):
        class Meta:
            data_source = database

    if not database.connector.capabilities.unique:
        pytest.skip("two may write one unique value at once there")
    database.auto_update()
    made = at_once(app, *[lambda: RacingMember.create(ANN)] * 4)
    assert sum(isinstance(each, RacingMember) for each in made) == 1
    assert RacingMember.count() == 1


@pytest.mark.parametrize("change", ["password", "deletion"])
def test_who_logs_in_while_the_password_changes_is_not_left_with_a_session(
    change: str, database: DataSource, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ChangingMember(User):
        class Meta:
            data_source = database

    database.auto_update()
    verified, changed = Event(), Event()

    class SlowHasher:
        """What verifies a password, and is done when the password is another one already."""

        def __init__(self) -> None:
            self._hasher = original()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._hasher, name)

        def verify(self, *given: Any) -> bool:
            found = self._hasher.verify(*given)
            verified.set()
            assert changed.wait(20)
            return found

    original = login.current_hasher
    with app.app_context():
        ann = ChangingMember.create(ANN)
    monkeypatch.setattr(login, "current_hasher", SlowHasher)

    def log_in() -> str:
        return ChangingMember.login(ANN).id

    def change_it() -> None:
        assert verified.wait(20)
        if change == "password":
            ann.patch_attributes(password="second")
        else:
            ann.destroy()
        changed.set()

    outcome, _ = at_once(app, log_in, change_it)
    assert isinstance(outcome, Unauthorized)
    assert ChangingMember.session.count() == 0


def test_a_session_is_never_left_behind_by_a_change_that_meets_a_login(
    database: DataSource, app: Flask
) -> None:
    class MeetingMember(User):
        class Meta:
            data_source = database

    database.auto_update()
    with app.app_context():
        ann = MeetingMember.create(ANN)
    password = "first"
    for number in range(8):

        def log_in(password: str = password) -> Any:
            return MeetingMember.login(email="ann@example.com", password=password)

        def change_it(number: int = number) -> None:
            MeetingMember.find_by_id(ann.id).patch_attributes(password=f"number {number}")

        outcome = at_once(app, log_in, log_in, change_it)
        if isinstance(outcome[2], LoopError):  # another transaction was faster
            MeetingMember.session.destroy_all()
            continue
        password = f"number {number}"
        assert MeetingMember.session.count() == 0


def test_tokens_roles_and_owners_open_the_same_routes_on_every_database(
    database: DataSource,
) -> None:
    app = Flask("served")
    app.config.update(TESTING=True, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    loop = Loop(app, url_prefix="/api")
    everyone = {"principalId": "$everyone", "permission": "DENY"}

    class ServedMember(User):
        class Meta:
            data_source = database
            realm_required = True

    class ServedRole(Role):
        class Meta:
            data_source = database

    class ServedMapping(RoleMapping):
        class Meta:
            data_source = database

    class ServedNote(Model):
        text: Prop[str | None] = prop(max_length=80)

        class Meta:
            data_source = database
            acls = [
                everyone,
                {"principalType": "ROLE", "principalId": "editor", "permission": "ALLOW"},
                {
                    "principalType": "ROLE",
                    "principalId": "$owner",
                    "permission": "ALLOW",
                    "accessType": "READ",
                },
            ]

    ServedNote.belongs_to("member", model=ServedMember)
    for model in (ServedMember, ServedNote):
        loop.model(model)
    for model in (ServedRole, ServedMapping):
        loop.model(model, public=False)
    try:
        database.auto_update()
    except NotIndexable as error:  # unique in a realm are records without null alone
        pytest.skip(str(error))
    client = app.test_client()

    def log_in(**more: str) -> dict[str, str]:
        made = client.post("/api/servedMembers/login", json={**ANN, **more})
        assert made.status_code == 200, made.get_json()
        return {"Authorization": made.get_json()["id"]}

    for realm in ("red", "blue"):
        made = client.post("/api/servedMembers", json={**ANN, "realm": realm})
        assert made.status_code == 200, made.get_json()
    taken = client.post("/api/servedMembers", json={**ANN, "realm": "red"})
    assert taken.get_json()["error"]["details"]["codes"] == {"email": ["uniqueness"]}
    wrong = client.post("/api/servedMembers/login", json={**ANN, "realm": "green"})
    assert wrong.status_code == 401
    red, blue = log_in(realm="red"), log_in(realm="blue")
    with app.app_context():
        owner = ServedMember.find_one({"realm": "red"})
        note = ServedNote.create(text="mine", member_id=owner.id)
    path = f"/api/servedNotes/{note.id}"
    assert client.get(path, headers=red).get_json()["text"] == "mine"
    assert client.get(path, headers=blue).status_code == 401
    assert client.patch(path, headers=red, json={"text": "new"}).status_code == 401
    with app.app_context():
        editor = ServedRole.create(name="editor")
        reader = ServedMember.find_one({"realm": "blue"})
        given = {"principal_type": "USER", "principal_id": reader.id, "role_id": editor.id}
        mapping = ServedMapping.create(given)
    assert client.patch(path, headers=blue, json={"text": "new"}).get_json()["text"] == "new"
    with app.app_context():
        mapping.destroy()
    assert client.patch(path, headers=blue, json={"text": "old"}).status_code == 401
    assert client.post("/api/servedMembers/logout", headers=red).status_code == 204
    assert client.get(path, headers=red).status_code == 401
