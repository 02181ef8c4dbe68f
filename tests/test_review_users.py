"""Users whose models say more than the bundled one does, and what is done around their records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from flask_mail import Mail

from flask_loop import DataSource, Loop, Prop, ValidationError, create_data_source, memory, prop
from flask_loop.accounts.identities import identities_of
from flask_loop.accounts.links import RESET, make_token
from flask_loop.accounts.passwords import Hasher, PasswordHash
from flask_loop.auth import Session, User
from flask_loop.email import MailError, queue_of
from flask_loop.mailing import defer
from flask_loop.oauth import OpenID, ThirdPartyLogin
from flask_loop.operations import outbox

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "key",
    "LOOP_PASSWORD_HASHING": FAST,
    "LOOP_EXTERNAL_URL": "https://shop.example.com",
    "MAIL_DEFAULT_SENDER": "shop@example.com",
}
ANN = {"email": "ann@example.com", "password": "first one"}
Post = Callable[[type[User]], AbstractContextManager[Callable[[], list[Any]]]]
OPEN = {
    "principalType": "ROLE",
    "principalId": "$everyone",
    "permission": "ALLOW",
    "property": ["find", "patchAttributes"],
}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(**SETTINGS)
    with app.app_context():
        yield app


@pytest.fixture
def post(make_app: Callable[..., Flask]) -> Post:
    """A function that makes an app of models, and a block in it that gives the mails it sends."""

    @contextmanager
    def begin(model: type[User]) -> Iterator[Callable[[], list[Any]]]:
        app = make_app(model, **SETTINGS)
        with app.app_context(), Mail(app).record_messages() as mails:

            def sent() -> list[Any]:
                assert queue_of(app).wait(30)
                return mails

            yield sent

    return begin


def stored(model: Any, id: Any = 1) -> dict[str, Any]:
    plan = model.__loop_plan__()
    record: dict[str, Any] = plan.connector.get(plan.definition, id).records()[0]
    return record


# Properties that a model says anew


def test_a_property_that_is_said_anew_is_as_safe_as_before(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    class RestatedMember(User):
        email: Prop[str | None] = prop(default=None)
        password: Prop[str] = prop(required=True, min_length=8)
        email_verified: Prop[bool] = prop(default=False)
        realm: Prop[str | None] = prop(default=None)

        class Meta:
            acls = (OPEN,)

    RestatedMember.attach_to(source)
    source.auto_update()
    client = make_app(RestatedMember, **SETTINGS).test_client()
    given = {**ANN, "email": "Ann@Example.com", "emailVerified": True, "realm": "red"}
    ann = client.post("/api/restatedMembers", json=given).json
    assert "password" not in ann
    assert ann["emailVerified"] is False
    assert stored(RestatedMember)["password"].startswith("$argon2id$")
    changed = client.patch("/api/restatedMembers/1", json={"emailVerified": True, "realm": "blue"})
    assert (changed.json["emailVerified"], changed.json["realm"]) == (False, "red")
    for query in ('{"where":{"password":{"like":"%"}}}', '{"order":"password"}'):
        found = client.get("/api/restatedMembers", query_string={"filter": query})
        assert found.status_code == 400, query
    assert client.post("/api/restatedMembers", json={**ANN, "password": "short"}).status_code == 422


def test_a_password_that_is_hidden_already_stays_as_it_is(source: DataSource) -> None:
    class HiddenMember(User):
        password: Prop[str | None] = prop(default=None, hidden=True)

    password = HiddenMember.definition.properties["password"]
    assert (password.hidden, password.write_only) == (True, False)


def test_the_id_of_a_session_that_is_said_anew_is_stored_as_a_digest(
    source: DataSource, app: Flask
) -> None:
    class PlainVisit(Session):
        id: Prop[str] = prop(id=True)

    class VisitingMember(User):
        session = PlainVisit

        class Meta:
            data_source = source

    source.auto_update()
    ann = VisitingMember.create(ANN)
    token = VisitingMember.login(ANN).id
    assert not token.startswith("sha256:")
    (session,) = PlainVisit.find()
    assert session.id.startswith("sha256:")
    assert session.user_id == ann.id
    VisitingMember.logout(token)
    assert PlainVisit.count() == 0


RESTATED = {
    "member.json": {
        "name": "JsonMember",
        "base": "User",
        "properties": {
            "email": {"type": "string", "required": True},
            "password": {"type": "string", "required": True},
            "emailVerified": {"type": "boolean"},
            "nickName": {"type": "string"},
        },
    },
    "token.json": {
        "name": "JsonToken",
        "base": "AccessToken",
        "properties": {
            "id": {"type": "string", "id": True},
            "ttl": {"type": "number", "default": 1209600},
            "scopes": {"type": ["string"]},
            "created": {"type": "Date"},
            "userId": {"type": "number"},
        },
    },
    "model-config.json": {
        "JsonMember": {"dataSource": "db"},
        "JsonToken": {"dataSource": "db", "public": False},
    },
    "datasources.json": {"db": {"connector": "memory"}},
}


@pytest.mark.parametrize("times", [1, 2])
def test_a_folder_may_say_anew_what_users_and_tokens_have(times: int, tmp_path: Path) -> None:
    for name, document in RESTATED.items():
        (tmp_path / name).write_text(json.dumps(document))
    for _ in range(times):
        app = Flask("shop")
        app.config.update(TESTING=True, **SETTINGS)
        member, token = Loop(app).load(tmp_path)
        assert member.session is token
        client = app.test_client()
        ann = client.post("/JsonMembers", json={**ANN, "emailVerified": True}).json
        assert ann.keys() == {"realm", "username", "email", "emailVerified", "nickName", "id"}
        assert not ann["emailVerified"]
        session = client.post("/JsonMembers/login", json=ANN).json
        headers = {"Authorization": session["id"]}
        assert client.get("/JsonMembers/1", headers=headers).status_code == 200
        with app.app_context():
            assert [each.id[:7] for each in token.find()] == ["sha256:"]


def test_a_model_of_a_dict_says_a_property_of_its_base_by_its_wire_name(app: Flask) -> None:
    member = User.extend("dict-member", {"emailVerified": {"type": "Boolean", "default": False}})
    assert list(member.definition.properties) == list(User.definition.properties)
    assert member.definition.properties["email_verified"].read_only


# Observers, overrides and operations that are switched off


@pytest.mark.parametrize("write", ["create", "patch", "update_all"])
def test_a_password_that_would_be_stored_as_it_is_undoes_the_write(
    write: str, source: DataSource, app: Flask
) -> None:
    class PersistedMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    ann = PersistedMember.create(ANN)

    @PersistedMember.observe("persist")
    def give(ctx: Any) -> None:
        ctx.data["password"] = "a word in the clear"

    writes: dict[str, Callable[[], Any]] = {
        "create": lambda: PersistedMember.create(email="bob@example.com"),
        "patch": lambda: ann.patch_attributes(username="ann"),
        "update_all": lambda: PersistedMember.update_all({}, {"realm": "red"}),
    }
    with pytest.raises(TypeError, match="before save") as refused:
        writes[write]()
    assert "clear" not in str(refused.value)
    assert PersistedMember.count() == 1
    assert stored(PersistedMember)["password"].startswith("$argon2id$")


def test_links_and_changes_of_passwords_need_no_operation_that_a_model_may_be_without(
    source: DataSource, post: Post
) -> None:
    class NarrowMember(User):
        class Meta:
            data_source = source

        @classmethod
        def find_one(cls, *_: Any, **__: Any) -> Any:
            raise PermissionError("nobody looks around")

    source.auto_update()
    source.disable("update_all")
    with post(NarrowMember) as mails:
        ann = NarrowMember.create(ANN)
        sent = ann.verify()
        assert NarrowMember.confirm(sent["uid"], sent["token"]).email_verified
        ann.change_password("first one", "second one")
        NarrowMember.reset("Ann@Example.com")
        token = mails()[-1].body.partition("token=")[2].split()[0]
        NarrowMember.confirm_reset(token, "third one")
        assert NarrowMember.login(email="ann@example.com", password="third one")


# Transactions


def test_what_a_transaction_leaves_to_a_full_queue_is_logged_and_the_rest_is_kept(
    source: DataSource, make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    class CrowdedMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    app = make_app(CrowdedMember, LOOP_MAIL_QUEUE=1, **SETTINGS)
    end = Event()
    with app.app_context():
        try:
            defer(end.wait, 10)
            with pytest.raises(MailError):
                CrowdedMember.reset("ann@example.com")
            with source.transaction():
                CrowdedMember.create(ANN)
                CrowdedMember.reset("ann@example.com")
        finally:
            end.set()
        assert queue_of(app).wait(30)
        assert CrowdedMember.count() == 1
    (logged,) = caplog.records
    assert "LOOP_MAIL_QUEUE" in str(logged.exc_info)
    assert "ann@example.com" not in caplog.text


def test_no_transaction_waits_while_a_password_is_hashed(
    source: DataSource, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SwiftMember(User):
        class Meta:
            data_source = source
            acls = (OPEN,)

    source.auto_update()
    app = make_app(SwiftMember, **SETTINGS)
    is_open: list[bool] = []
    make_hash = Hasher.hash

    def observed_hash(hasher: Hasher, password: str) -> PasswordHash:
        is_open.append(outbox.is_open())
        return make_hash(hasher, password)

    monkeypatch.setattr(Hasher, "hash", observed_hash)
    with app.app_context():
        ann = SwiftMember.create(ANN)
        SwiftMember.create([{"email": f"{each}@example.com", "password": each} for each in "ab"])
        ann.patch_attributes(password="second one")
        ann.password = "third one"
        ann.save()
        ann.replace_attributes({**ANN, "password": "fourth one"})
        SwiftMember.update_all({"id": ann.id}, {"password": "fifth one"})
        ann = SwiftMember.find_by_id(ann.id)
        ann.change_password("fifth one", "sixth one")
        client = app.test_client()
        bob = {"email": "bob@example.com", "password": "first one"}
        assert client.post("/api/swiftMembers", json=bob).status_code == 200
        patched = client.patch(f"/api/swiftMembers/{ann.id}", json={"password": "seventh one"})
        assert patched.status_code == 200
        assert len(is_open) == 10
    again = make_app(SwiftMember, **{**SETTINGS, "LOOP_PASSWORD_HASHING": {**FAST, "time_cost": 2}})
    with again.app_context():
        assert SwiftMember.login(email="ann@example.com", password="seventh one")
        assert len(is_open) == 11
    assert not any(is_open)


@pytest.mark.parametrize("wrong", ["", " ", "x" * 4097, "a\0b", "\ud800", 7, None])
def test_what_is_no_password_is_not_hashed(
    wrong: Any, source: DataSource, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SparingMember(User):
        class Meta:
            data_source = source

    source.auto_update()
    monkeypatch.setattr(Hasher, "hash", lambda *_: pytest.fail("it was hashed"))
    with suppress(ValidationError):
        SparingMember.create({**ANN, "password": wrong})
    assert SparingMember.count() == (wrong is None)


def test_a_reset_in_a_transaction_is_sent_when_that_has_committed(
    tmp_path: Path, post: Post
) -> None:
    database = create_data_source(connector="sqlite", url=f"sqlite:///{tmp_path / 'users.sqlite'}")

    class InvitedMember(User):
        class Meta:
            data_source = database

    database.auto_update()
    with post(InvitedMember) as mails:
        with database.transaction():
            ann = InvitedMember.create(email="ann@example.com")
            InvitedMember.reset("ann@example.com")
            assert mails() == []
        assert [each.recipients for each in mails()] == [["ann@example.com"]]
        with suppress(KeyError), database.transaction():
            InvitedMember.verify(ann.id)
            raise KeyError
        assert len(mails()) == 1
    database.close()


def test_a_reset_of_one_model_unlinks_no_login_of_the_model_that_it_derives_from(
    app: Flask,
) -> None:
    class KnownMember(User):
        class Meta:
            data_source = memory()

    ThirdPartyLogin(KnownMember, OpenID("someone", issuer="https://id.example.com"))

    class KnownAdmin(KnownMember):
        class Meta:
            data_source = memory()

    member, admin = KnownMember.create(ANN), KnownAdmin.create(email="boss@example.com")
    assert member.id == admin.id
    identities = identities_of(KnownMember)
    identities.create(provider="someone", subject="ann", email=member.email, user_id=member.id)
    KnownAdmin.confirm_reset(make_token(admin, RESET), "another one")
    assert identities.count() == 1
