"""What the processes of an app remember together, proven with two of them on one Redis."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis as redis_py
from flask import Flask

from flask_loop import ACL, Loop, Model, Prop, Role, RoleMapping, memory
from flask_loop.accounts import sessions
from flask_loop.accounts.sessions import caller_of
from flask_loop.accounts.tokens import digest_of
from flask_loop.auth import User
from flask_loop.errors import DefinitionError
from tests.proxy import Proxy
from tests.servers import Missing, Redis

ROOT = Path(__file__).parents[1]
FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
PASSWORD = "correct horse"
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20


def make_shared_app(database: str, storage: str, **settings: Any) -> Flask:
    """An app of users, roles and notes; what it remembers would be good for minutes."""
    app = Flask("shared")
    app.config.update(
        {
            "SECRET_KEY": "the key of the app",
            "LOOP_DATA_SOURCES": {"db": {"url": database}},
            "LOOP_PASSWORD_HASHING": FAST,
            "LOOP_SESSION_STORAGE": storage,
            "LOOP_SESSION_CACHE": 300,
            "LOOP_LIMIT_STORAGE": storage,
            "LOOP_LOGIN_LIMITS": {"account": "4 per hour", "address": "1000 per hour"},
            **settings,
        }
    )
    loop = Loop(app, url_prefix="/api")
    db = loop.data_source("db")

    class SharedUser(User):
        class Meta:
            data_source = db
            plural = "users"
            acls = [{"principal_id": "$owner", "permission": "ALLOW"}]

    class SharedRole(Role):
        class Meta:
            data_source = db

    class SharedMapping(RoleMapping):
        class Meta:
            data_source = db

    class SharedEntry(ACL):
        class Meta:
            data_source = db

    class SharedNote(Model):
        text: Prop[str]

        class Meta:
            data_source = db
            plural = "notes"
            acls = [
                {
                    "principal_type": "ROLE",
                    "principal_id": "editor",
                    "permission": "ALLOW",
                    "property": "find",
                }
            ]

    loop.model(SharedUser)
    for each in (SharedRole, SharedMapping, SharedEntry):
        loop.model(each, public=False)
    loop.model(SharedNote)
    own = {"principal_type": "USER"}

    def give(id: int) -> dict[str, Any]:
        role = SharedRole.find_one({"name": "editor"}) or SharedRole.create(name="editor")
        SharedMapping.create(role_id=role.id, principal_id=str(id), **own)
        return {}

    def take(id: int) -> dict[str, Any]:
        SharedMapping.destroy_all({"principal_id": str(id)})
        return {}

    def close(id: int) -> dict[str, Any]:
        SharedEntry.create(
            model="SharedNote", property="find", principal_id=str(id), permission="DENY", **own
        )
        return {}

    def leave(id: int) -> dict[str, Any]:
        return {"ended": SharedUser.find_by_id(id).logout()}

    def setup() -> dict[str, Any]:
        db.auto_update()
        return {}

    for view in (give, take, close, leave):
        app.add_url_rule(f"/{view.__name__}/<int:id>", view_func=view, methods=["POST"])
    app.add_url_rule("/setup", view_func=setup, methods=["POST"])
    return app


SERVER = """
import logging, sys
from waitress import create_server
from tests.test_shared_sessions import make_shared_app

logging.basicConfig(format="%(name)s %(message)s")
server = create_server(make_shared_app(*sys.argv[1:3]), host="127.0.0.1", port=0, threads=4)
print(server.effective_port, flush=True)
server.run()
"""


class Process:
    """One process of the app, and how clients ask it."""

    def __init__(self, database: str, storage: str, log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER, database, storage],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._port: int | None = None

    @property
    def port(self) -> int:
        if self._port is None:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(self.log.read_text())
            self._port = int(line)
        return self._port

    def end(self) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, verb: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """The status and the JSON of an answer."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(verb, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if text and is_json else None

    def log_in(self, email: str, password: str = PASSWORD) -> tuple[int, str]:
        """The id and the token of a user."""
        body = {"email": email, "password": password}
        status, answer = self.ask("POST", "/api/users/login", body=body)
        assert status == 200, answer
        return answer["userId"], answer["id"]

    def status(self, id: int, token: str) -> int:
        """The status of the answer to a user who asks for their record."""
        return int(self.ask("GET", f"/api/users/{id}", token)[0])


@pytest.fixture(scope="module")
def server(worker_id: str) -> Iterator[Redis]:
    """A Redis of these tests alone, which kill it."""
    made = Redis(f"{worker_id}-shared")
    try:
        made.start()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def storage(server: Redis) -> str:
    return server.fresh("shared")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared") / "shared.sqlite"


@pytest.fixture(scope="module")
def start(database: Path) -> Iterator[Callable[[str], Process]]:
    """A function that starts a process of the app with a storage."""
    started: list[Process] = []

    def start(storage: str) -> Process:
        log = database.with_name(f"{len(started)}.log")
        started.append(Process(f"sqlite:///{database}", storage, log))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture(scope="module")
def pair(start: Callable[[str], Process], storage: str) -> tuple[Process, Process]:
    """Two processes of one app."""
    here, there = start(storage), start(storage)
    assert here.ask("POST", "/setup")[0] == 200
    return here, there


@pytest.fixture
def ann(pair: tuple[Process, Process], request: pytest.FixtureRequest) -> tuple[int, str, str]:
    """A user who has called both processes: the id, the token and the address."""
    here, there = pair
    email = f"{abs(hash(request.node.name))}@example.com"
    status, _ = here.ask("POST", "/api/users", body={"email": email, "password": PASSWORD})
    assert status == 200
    id, token = here.log_in(email)
    assert [each.status(id, token) for each in (here, there, here, there)] == [200] * 4
    return id, token, email


Ann = tuple[int, str, str]
Pair = tuple[Process, Process]


def forget_row(database: Path, token: str) -> None:
    """Delete a session behind the models' back."""
    with closing(sqlite3.connect(database)) as connection:
        (table,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%session%'"
        ).fetchone()
        found = connection.execute(f'DELETE FROM "{table}" WHERE id = ?', [digest_of(token)])
        connection.commit()
        assert found.rowcount == 1


def wait_for(condition: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end
        sleep(0.05)


def test_a_session_that_one_process_looked_up_is_known_to_the_other(
    pair: Pair, ann: Ann, database: Path
) -> None:
    here, there = pair
    id, _, email = ann
    _, token = here.log_in(email)
    assert here.status(id, token) == 200
    forget_row(database, token)
    assert there.status(id, token) == 200


@pytest.mark.parametrize("way", ["logout", "leave", "password", "deleted"])
def test_what_ends_a_session_in_one_process_ends_it_at_once_in_the_other(
    way: str, pair: Pair, ann: Ann
) -> None:
    here, there = pair
    id, token, email = ann
    if way == "logout":
        status, _ = here.ask("POST", "/api/users/logout", token)
    elif way == "leave":
        status, _ = here.ask("POST", f"/leave/{id}")
    elif way == "password":
        _, other = there.log_in(email)
        assert [each.status(id, other) for each in pair] == [200, 200]
        body = {"oldPassword": PASSWORD, "newPassword": "battery staple"}
        status, _ = there.ask("POST", "/api/users/change-password", other, body)
    else:
        status, _ = here.ask("DELETE", f"/api/users/{id}", token)
    assert status in (200, 204)
    assert [each.status(id, token) for each in (there, here, there)] == [401] * 3


def test_the_sessions_of_others_go_on(pair: Pair, ann: Ann) -> None:
    here, there = pair
    id, token, email = ann
    _, other = there.log_in(email)
    assert here.ask("POST", "/api/users/logout", token)[0] == 204
    assert [each.status(id, other) for each in pair] == [200, 200]


def test_a_role_that_is_given_or_taken_away_in_one_process_is_so_at_once_in_the_other(
    pair: Pair, ann: Ann
) -> None:
    here, there = pair
    id, token, _ = ann

    def seen() -> list[int]:
        return [each.ask("GET", "/api/notes", token)[0] for each in pair]

    assert seen() == [401, 401]
    for _ in range(2):
        assert here.ask("POST", f"/give/{id}")[0] == 200
        assert seen() == [200, 200]
        assert there.ask("POST", f"/take/{id}")[0] == 200
        assert seen() == [401, 401]


def test_an_entry_of_access_control_holds_at_once_in_the_other_process(
    pair: Pair, ann: Ann
) -> None:
    here, there = pair
    id, token, _ = ann
    assert here.ask("POST", f"/give/{id}")[0] == 200
    assert [each.ask("GET", "/api/notes", token)[0] for each in pair] == [200, 200]
    assert here.ask("POST", f"/close/{id}")[0] == 200
    assert [each.ask("GET", "/api/notes", token)[0] for each in (there, here)] == [401, 401]


def test_tries_to_log_in_are_counted_together(pair: Pair, ann: Ann) -> None:
    here, there = pair
    body = {"email": "nobody@example.com", "password": "wrong"}
    tried = [
        each.ask("POST", "/api/users/login", body=body)[0]
        for each in (here, there, here, there, here, there)
    ]
    assert tried == [401] * 4 + [429] * 2


def test_nothing_in_the_storage_is_a_secret_or_says_who_it_is_about(
    pair: Pair, ann: Ann, storage: str
) -> None:
    here, _ = pair
    _, token, email = ann
    assert here.ask("POST", "/api/users/login", body={"email": email, "password": "x"})[0] == 401
    with redis_py.Redis.from_url(storage) as client:
        keys = list(client.scan_iter(count=1000))
        strings = [key for key in keys if client.type(key) == b"string"]
        stored = b"\n".join([*keys, *filter(None, client.mget(strings))])
    assert digest_of(token).rpartition(":")[2].encode() in stored
    for secret in (token, email, PASSWORD, "127.0.0.1", "argon2", "the key of the app"):
        assert secret.encode() not in stored


def test_without_the_storage_each_process_asks_the_database_and_nobody_who_is_out_gets_in(
    pair: Pair, ann: Ann, server: Redis
) -> None:
    here, there = pair
    id, token, email = ann
    _, kept = here.log_in(email)
    assert [each.status(id, kept) for each in pair] == [200, 200]
    if not server.is_own:
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is not ours to kill")
    server.kill()
    assert [each.status(id, kept) for each in pair] == [200, 200]
    assert here.ask("POST", "/api/users/logout", token)[0] == 204
    assert [each.status(id, token) for each in pair] == [401, 401]
    _, made = there.log_in(email)
    assert [each.status(id, made) for each in pair] == [200, 200]
    # It has all again that it had, for longer than the test takes.
    server.start()

    def is_back() -> bool:
        is_known = all("can be reached again" in each.log.read_text() for each in pair)
        assert [each.status(id, token) for each in (there, here)] == [401, 401]
        assert [each.status(id, kept) for each in (there, here)] == [200, 200]
        return is_known

    wait_for(is_back)
    for each in pair:
        log = each.log.read_text()
        assert log.count("the storage of sessions cannot be reached") == 1
        assert log.count("the storage of sessions can be reached again") == 1
        assert token not in log
        assert server.password not in log


def test_sessions_are_remembered_again_when_the_storage_is_back(
    pair: Pair, ann: Ann, server: Redis, storage: str, database: Path
) -> None:
    here, there = pair
    id, _, email = ann
    if not server.is_own:
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is not ours to kill")
    server.kill()
    server.start()
    _, token = here.log_in(email)

    def is_stored() -> bool:
        assert here.status(id, token) == 200
        with redis_py.Redis.from_url(storage) as client:
            return bool(client.keys(f"*{digest_of(token).rpartition(':')[2]}"))

    wait_for(is_stored)
    forget_row(database, token)
    assert there.status(id, token) == 200


def test_what_ended_without_the_storage_stays_out_though_nobody_is_left_to_tell(
    pair: Pair, ann: Ann, server: Redis, storage: str, start: Callable[[str], Process]
) -> None:
    here, there = pair
    id, token, _ = ann
    if not server.is_own:
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is not ours to kill")
    gone = start(storage)
    assert gone.status(id, token) == 200
    server.kill()
    assert gone.ask("POST", "/api/users/logout", token)[0] == 204
    gone.end()
    server.start()
    with redis_py.Redis.from_url(storage) as client:
        assert client.keys(f"*{digest_of(token).rpartition(':')[2]}")
    assert [each.status(id, token) for each in (there, here)] == [401, 401]


def test_what_ends_in_a_process_that_is_cut_off_ends_in_the_others_when_it_is_back(
    pair: Pair, ann: Ann, server: Redis, storage: str, start: Callable[[str], Process]
) -> None:
    _, there = pair
    id, token, _ = ann
    if not server.is_own:
        pytest.skip("LOOP_TEST_REDIS_URL names a server that is elsewhere")
    with Proxy(server.port) as proxy:
        apart = start(storage.replace(f":{server.port}", f":{proxy.port}"))
        assert [each.status(id, token) for each in (apart, there)] == [200, 200]
        proxy.answers = False
        assert apart.ask("POST", "/api/users/logout", token)[0] == 204
        assert apart.status(id, token) == 401
        proxy.answers = True
        proxy.cut()
        wait_for(lambda: there.status(id, token) == 401)
        assert apart.status(id, token) == 401


# One process


@pytest.fixture
def make_member(storage: str, server: Redis) -> Iterator[Callable[..., Any]]:
    """A function that makes an app with a user and gives the model and a token."""
    server.start()
    apps: list[Flask] = []

    def make_member(source: Any = None, **settings: Any) -> tuple[Flask, Any, str]:
        class KeptMember(User):
            class Meta:
                data_source = source or memory()

        app = Flask("kept")
        app.config.update(
            {
                "SECRET_KEY": "one",
                "LOOP_PASSWORD_HASHING": FAST,
                "LOOP_SESSION_STORAGE": storage,
                **settings,
            }
        )
        Loop(app).model(KeptMember)
        apps.append(app)
        with app.app_context():
            email = "ann@example.com"
            if KeptMember.find_one({"email": email}) is None:
                KeptMember.create(email=email, password=PASSWORD)
            token = KeptMember.login(email=email, password=PASSWORD).id
        return app, KeptMember, token

    yield make_member
    for app in apps:
        store = app.extensions["loop"].shared
        if store is not None:
            store.close()


def entry_of(storage: str, token: str) -> tuple[bytes, bytes] | None:
    """The key and what is under it, of a session."""
    with redis_py.Redis.from_url(storage) as client:
        keys = client.keys(f"*{digest_of(token).rpartition(':')[2]}")
        return (keys[0], client.get(keys[0])) if keys else None


def test_a_session_is_stored_when_it_was_looked_up(make_member: Any, storage: str) -> None:
    app, model, token = make_member()
    assert entry_of(storage, token) is None
    with app.app_context():
        looked_up, remembered = caller_of(model, token), caller_of(model, token)
    assert looked_up is not None
    assert remembered is not None
    assert (remembered.id, remembered.model) == (looked_up.id, model)
    assert remembered.scopes == looked_up.scopes
    assert remembered.load_user().email == "ann@example.com"
    assert entry_of(storage, token) is not None


def test_what_somebody_else_wrote_into_the_storage_is_not_believed(
    make_member: Any, storage: str
) -> None:
    app, model, token = make_member()
    with app.app_context():
        model.create(email="bob@example.com", password=PASSWORD)
        other = model.login(email="bob@example.com", password=PASSWORD).id
        assert caller_of(model, token) is not None
        assert caller_of(model, other) is not None
        mine, others = entry_of(storage, token), entry_of(storage, other)
        assert mine is not None
        assert others is not None
        with redis_py.Redis.from_url(storage) as client:
            for forged in (others[1], mine[1].replace(b'"user":"1"', b'"user":"2"'), b"", b"x"):
                client.set(mine[0], forged)
                assert caller_of(model, token).id == 1  # type: ignore[union-attr]


def test_a_session_that_ends_while_it_is_looked_up_is_not_remembered(
    make_member: Any, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, model, token = make_member()
    look_up = sessions._look_up

    def end_meanwhile(*arguments: Any) -> Any:
        found = look_up(*arguments)
        model.logout(token)
        return found

    with app.app_context():
        monkeypatch.setattr(sessions, "_look_up", end_meanwhile)
        assert caller_of(model, token) is not None
        monkeypatch.undo()
        assert caller_of(model, token) is None


def test_a_session_that_has_expired_is_refused_however_long_it_is_remembered(
    make_member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, model, _ = make_member()
    client = app.test_client()
    with app.app_context():
        token = model.find_one().create_session(ttl=100).id
        assert caller_of(model, token) is not None
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/keptMembers/1", headers=headers).status_code == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=101)

    monkeypatch.setattr("flask_loop.accounts.sessions.datetime", Later)
    answer = client.get("/keptMembers/1", headers=headers)
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"]["code"] == "INVALID_TOKEN"


def test_apps_with_other_keys_share_nothing_on_one_server(make_member: Any, storage: str) -> None:
    source = memory()
    limits = {"LOOP_LIMIT_STORAGE": storage, "LOOP_LOGIN_LIMITS": {"address": "3 per minute"}}
    one, _, _ = make_member(source, SECRET_KEY="first", **limits)
    two, _, _ = make_member(source, SECRET_KEY="second", **limits)
    names = [app.extensions["loop"].shared._own_names.prefix for app in (one, two)]
    assert names[0] != names[1]
    body = {"email": "nobody@example.com", "password": "x"}
    for app in (one, two):
        client = app.test_client()
        tried = [client.post("/keptMembers/login", json=body).status_code for _ in range(4)]
        assert tried == [401, 401, 401, 429]


def test_a_storage_needs_the_key_of_the_app(make_member: Any) -> None:
    app, model, token = make_member(SECRET_KEY=None)
    with app.app_context():
        with pytest.raises(RuntimeError, match="LOOP_SESSION_STORAGE needs a SECRET_KEY"):
            caller_of(model, token)
        model.logout(token)


@pytest.fixture
def make_keyless(make_app: Callable[..., Flask]) -> Iterator[Callable[..., Flask]]:
    """A function that makes an app with a storage that is not there and no SECRET_KEY."""
    apps: list[Flask] = []

    def make_keyless(**settings: Any) -> Flask:
        class KeylessMember(User):
            class Meta:
                data_source = memory()

        app = make_app(
            KeylessMember,
            testing=False,
            LOOP_SESSION_STORAGE="redis://127.0.0.1:1",
            LOOP_PASSWORD_HASHING=FAST,
            **settings,
        )
        apps.append(app)
        return app

    yield make_keyless
    for app in apps:
        if (store := app.extensions["loop"].shared) is not None:
            store.close()


def of_the_key(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of the storage of sessions and the app's key."""
    messages = [each.getMessage() for each in caplog.records]
    return [each for each in messages if "LOOP_SESSION_STORAGE" in each and "SECRET_KEY" in each]


def test_a_storage_without_a_key_is_said_once_when_the_first_request_comes(
    make_keyless: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_keyless()
    assert not caplog.records
    client = app.test_client()
    for _ in range(2):
        assert client.get("/").status_code == 404
    (said,) = of_the_key(caplog)
    assert said == (
        "Flask-Loop: LOOP_SESSION_STORAGE needs a SECRET_KEY, which the app has not: give it one, "
        "the same in all of its processes, or no LOOP_SESSION_STORAGE; until then every request "
        "with a token fails"
    )
    assert [each.levelname for each in caplog.records] == ["ERROR"]


def test_the_log_says_why_a_request_with_a_token_fails_without_a_key(
    make_keyless: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    client = make_keyless().test_client()
    client.get("/")
    caplog.clear()
    headers = {"Authorization": "Bearer anything"}
    answer = client.get("/api/keylessMembers/1", headers=headers)
    assert answer.status_code == 500
    assert "SECRET_KEY" not in answer.text
    assert "LOOP_SESSION_STORAGE needs a SECRET_KEY" in caplog.text
    caplog.clear()
    assert client.get("/api/keylessMembers/1").status_code == 401
    assert not caplog.records


def test_a_key_that_is_set_after_the_extension_is_soon_enough(
    make_keyless: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_keyless()
    app.secret_key = "later"
    client = app.test_client()
    assert client.get("/").status_code == 404
    headers = {"Authorization": "Bearer anything"}
    assert client.get("/api/keylessMembers/1", headers=headers).status_code == 401
    assert not of_the_key(caplog)


def test_nothing_is_said_of_a_key_where_nothing_is_remembered(
    make_keyless: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    client = make_keyless(LOOP_SESSION_CACHE=0).test_client()
    headers = {"Authorization": "Bearer anything"}
    assert client.get("/api/keylessMembers/1", headers=headers).status_code == 401
    assert not caplog.records


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("LOOP_SESSION_STORAGE", "http://x:tr0ub4dor@localhost"),
        ("LOOP_SESSION_STORAGE", "redis://x:tr0ub4dor@localhost:port"),
        ("LOOP_SESSION_STORAGE", "redis://localhost/first"),
        ("LOOP_SESSION_STORAGE", 6379),
        ("LOOP_LIMIT_STORAGE", "nowhere://x:tr0ub4dor@y"),
        ("LOOP_LIMIT_STORAGE", "async+redis://x:tr0ub4dor@y"),
        ("LOOP_LIMIT_STORAGE", "redis://x:tr0ub4dor@localhost:port"),
    ],
)
def test_a_storage_that_cannot_be_had_is_refused_when_the_app_is_made(
    setting: str, url: Any
) -> None:
    app = Flask("refused")
    app.config.update({"SECRET_KEY": "key", setting: url})
    with pytest.raises(DefinitionError, match=setting) as refused:
        Loop(app)
    assert "tr0ub4dor" not in str(refused.value)


@pytest.mark.parametrize("package", ["redis"])
def test_a_storage_whose_package_is_missing_is_refused_when_the_app_is_made(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "flask_loop.connectors.redis.client", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    for setting in ("LOOP_SESSION_STORAGE", "LOOP_LIMIT_STORAGE"):
        app = Flask("refused")
        app.config.update({"SECRET_KEY": "key", setting: "redis://localhost"})
        with pytest.raises(DefinitionError, match=setting):
            Loop(app)


def test_where_nothing_is_remembered_no_server_is_asked(
    make_member: Any, storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, model, token = make_member(LOOP_SESSION_CACHE=0)
    with app.app_context():
        assert caller_of(model, token) is not None
        assert caller_of(model, token) is not None
    assert app.extensions["loop"].shared is None
    assert entry_of(storage, token) is None


def test_a_storage_that_is_not_there_costs_no_login(
    make_member: Any, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = "redis://127.0.0.1:1"
    with caplog.at_level(logging.WARNING):
        begin = monotonic()
        app, model, token = make_member(
            LOOP_SESSION_STORAGE=nowhere,
            LOOP_LIMIT_STORAGE=nowhere,
            LOOP_LOGIN_LIMITS={"account": "3 per hour"},
        )
        with app.app_context():
            assert caller_of(model, token) is not None
            model.logout(token)
            assert caller_of(model, token) is None
        assert monotonic() - begin < PATIENCE
    logged = [each.getMessage() for each in caplog.records]
    assert sum("the storage of sessions cannot be reached" in each for each in logged) == 1
    assert sum("the storage of limits cannot be reached" in each for each in logged) == 1
