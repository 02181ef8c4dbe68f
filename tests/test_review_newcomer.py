"""What somebody who builds an app from the documentation alone runs into."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    HasMany,
    Loop,
    Model,
    Prop,
    Role,
    RoleMapping,
    User,
    create_data_source,
    memory,
    prop,
    relation,
    remote_method,
)
from flask_loop.email import queue_of
from tests.links import FAST, Form, link_in, mails_of, make_shop, path_of

MakeApp = Callable[..., Flask]
SETTINGS: dict[str, Any] = {"SECRET_KEY": "key", "LOOP_PASSWORD_HASHING": FAST}


def people(count: int) -> list[dict[str, str]]:
    return [{"email": f"{each}@example.com", "password": "a password"} for each in range(count)]


def error_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json["error"]
    return found


def logged_at_start(app: Flask, caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What is logged when the first request comes."""
    with caplog.at_level(logging.WARNING):
        app.test_client().get("/")
    return [each.getMessage() for each in caplog.records if each.levelno == level]


# Lists of users


def test_a_list_of_users_is_bounded(source: DataSource, make_app: MakeApp) -> None:
    class Crowd(User):
        class Meta:
            data_source = source

    source.auto_update()
    client = make_app(Crowd, **SETTINGS).test_client()
    refused = client.post("/api/crowds", json=people(21))
    assert refused.status_code == 400
    assert error_of(refused)["message"] == "Argument 'data' has more than 20 records."
    assert Crowd.count() == 0
    assert client.post("/api/crowds", json=people(20)).status_code == 200
    assert Crowd.count() == 20


def test_a_list_of_users_is_bounded_by_less_where_the_app_says_so(
    source: DataSource, make_app: MakeApp
) -> None:
    class Couple(User):
        class Meta:
            data_source = source

    source.auto_update()
    client = make_app(Couple, LOOP_MAX_VALUES=2, **SETTINGS).test_client()
    refused = client.post("/api/couples", json=people(3))
    assert error_of(refused)["message"] == "Argument 'data' has more than 2 records."


def test_users_through_a_relation_and_inside_a_record_are_bounded_as_well(
    source: DataSource, make_app: MakeApp
) -> None:
    class Quartet(Model):
        singers: HasMany[QuartetVoice] = relation(nested=True)

        class Meta:
            data_source = source

    class QuartetVoice(User):
        quartet: BelongsTo[Quartet | None] = relation()

        class Meta:
            data_source = source

    source.auto_update()
    client = make_app(Quartet, QuartetVoice, **SETTINGS).test_client()
    assert client.post("/api/quartets", json={"singers": people(2)}).status_code == 200
    inside = client.post("/api/quartets", json={"singers": people(21)})
    through = client.post("/api/quartets/1/singers", json=people(21))
    assert (inside.status_code, through.status_code) == (400, 400)
    assert error_of(inside)["message"] == "'singers' has more than 20 records."
    assert QuartetVoice.count() == 2


def test_python_code_stores_as_many_users_as_it_likes(
    source: DataSource, make_app: MakeApp
) -> None:
    class Legion(User):
        class Meta:
            data_source = source

    source.auto_update()
    with make_app(Legion, **SETTINGS).app_context():
        assert len(Legion.create(people(21))) == 21


# Mails that cannot be sent


def greeted(**meta: Any) -> type[User]:
    """A model of users who are sent a link when they have registered."""
    made = type("Meta", (), {"data_source": memory(), **meta})

    class Newcomer(User):
        Meta = made  # type: ignore[assignment]

    @Newcomer.after_remote("create")
    def send_link(ctx: Any, member: Any) -> None:
        member.verify()

    return Newcomer


def test_a_mail_without_a_sender_is_the_apps_mistake(caplog: pytest.LogCaptureFixture) -> None:
    model = greeted()
    app = make_shop(model, TESTING=False, MAIL_DEFAULT_SENDER=None, LOOP_EXTERNAL_URL="https://a.b")
    answer = app.test_client().post("/api/newcomers", json=people(1)[0])
    assert answer.status_code == 500
    assert answer.json == {"error": {"statusCode": 500, "message": "Internal Server Error"}}
    assert "set MAIL_DEFAULT_SENDER" in caplog.text
    with app.app_context():
        assert model.count() == 1


def test_a_reset_mail_without_a_sender_is_logged_and_tells_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Forgetful(User):
        class Meta:
            data_source = memory()

    app = make_shop(Forgetful, MAIL_DEFAULT_SENDER=None)
    with app.app_context():
        Forgetful.create(people(1)[0])
        answer = app.test_client().post("/api/forgetfuls/reset", json={"email": "0@example.com"})
        assert answer.status_code == 204
        assert queue_of(app).wait(30)
    assert "set MAIL_DEFAULT_SENDER" in caplog.text


def test_the_sender_of_the_models_mails_is_one(caplog: pytest.LogCaptureFixture) -> None:
    model = greeted(verification={"from_": "shop@example.com"}, require_email_verification=True)
    app = make_shop(model, MAIL_DEFAULT_SENDER=None)
    with mails_of(app) as mails:
        answer = app.test_client().post("/api/newcomers", json=people(1)[0])
        assert (answer.status_code, len(mails())) == (200, 1)
    assert caplog.messages == []


def test_what_mails_lack_is_said_when_the_first_request_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = greeted(require_email_verification=True)
    app = make_shop(model, TESTING=False, MAIL_DEFAULT_SENDER=None, SECRET_KEY=None)
    said = logged_at_start(app, caplog, logging.WARNING)
    assert len(said) == 3
    for each, lacking in zip(said, ("SECRET_KEY", "LOOP_EXTERNAL_URL", "SENDER"), strict=True):
        assert "Newcomer" in each
        assert lacking in each


@pytest.mark.parametrize(
    "settings",
    [
        {"LOOP_EXTERNAL_URL": "https://a.b"},
        {"TRUSTED_HOSTS": ["localhost"]},
        {"TESTING": True},
    ],
)
def test_nothing_is_said_where_mails_lack_nothing(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_shop(greeted(require_email_verification=True), **{"TESTING": False, **settings})
    assert logged_at_start(app, caplog, logging.WARNING) == []


def test_nothing_is_said_of_mails_that_a_data_source_sends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = {"connector": "mail", "transport": "memory", "default_sender": "shop@example.com"}
    app = make_shop(
        greeted(require_email_verification=True),
        MAIL_DEFAULT_SENDER=None,
        LOOP_DATA_SOURCES={"mail": mail},
    )
    assert logged_at_start(app, caplog, logging.WARNING) == []


def test_the_page_says_in_a_sentence_what_is_wrong_with_a_password() -> None:
    class Terse(User):
        class Meta:
            data_source = memory()

    Terse.validates_length_of("password", min=8, max=20, allow_null=True)
    app = make_shop(Terse)
    with app.app_context(), mails_of(app) as mails:
        Terse.create(people(1)[0])
        client = app.test_client()
        client.post("/api/terses/reset", json={"email": "0@example.com"})
        link = path_of(link_in(mails()[0]))
        token = Form(client.get(link).text).hidden["token"]
        for password, said in (("short", "is too short."), ("l" * 21, "is too long.")):
            given = {"token": token, "password": password, "passwordConfirmation": password}
            page = client.post("/api/terses/reset-page", data=given)
            assert f"The password {said}" in page.text


# Settings that mean nothing


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("LOGIN_LIMITS", {"acount": "1 per day"}, "LOOP_LOGIN_LIMITS has .* you mean 'account'"),
        ("RESET_LIMITS", {"account": "ten per day"}, r"LOOP_RESET_LIMITS\['account'\] is limits"),
        ("VERIFY_LIMITS", {"address": 5}, r"LOOP_VERIFY_LIMITS\['address'\] is limits"),
        ("PASSWORD_HASHING", {"time": 1}, "LOOP_PASSWORD_HASHING has no 'time'; .* 'time_cost'"),
        ("PASSWORD_HASHING", {"time_cost": "1"}, r"LOOP_PASSWORD_HASHING\['time_cost'\] is a pos"),
        ("PASSWORD_HASHING", {"parallelism": 0}, r"LOOP_PASSWORD_HASHING\['parallelism'\] is a p"),
        ("OAUTH", {"google": {"id": "x"}}, r"LOOP_OAUTH\['google'\] is a dict with 'client_id'"),
    ],
)
def test_a_setting_that_means_nothing_is_an_error_when_the_app_is_made(
    setting: str, value: Any, said: str
) -> None:
    app = Flask("mistaken")
    app.config[f"LOOP_{setting}"] = value
    with pytest.raises(DefinitionError, match=said):
        Loop(app)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"verification": {"subjct": "x"}}, "verification: .* did you mean 'subject'"),
        ({"reset": {"redirect": "https://evil.example"}}, "reset: the redirect"),
        ({"reset": {"text": 5}}, "reset: the text of such a mail is text"),
    ],
)
def test_what_a_model_says_wrong_of_its_mails_is_an_error_when_it_is_registered(
    meta: dict[str, Any], said: str, make_app: MakeApp
) -> None:
    with pytest.raises(DefinitionError, match=f"model 'Newcomer': {said}"):
        make_app(greeted(**meta), **SETTINGS)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        (
            {"acls": [{"principalId": "$owners", "permission": "ALLOW"}]},
            "model 'Hamper': acls[0]: there is no role '$owners'; did you mean '$owner'?",
        ),
        (
            {"owner_relations": ["sendr"]},
            (
                "model 'Hamper': owner_relations names 'sendr', which is no relation of the kind "
                "belongs_to; did you mean 'sender'?"
            ),
        ),
    ],
)
def test_entries_that_mean_nothing_are_said_when_the_first_request_comes(
    meta: dict[str, Any], said: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    class Sender(User):
        class Meta:
            data_source = memory()

    class Hamper(Model):
        sender: BelongsTo[Sender | None] = relation()
        Meta = type("Meta", (), {"data_source": memory(), **meta})

    app = make_app(Sender, Hamper, testing=False, **SETTINGS)
    assert logged_at_start(app, caplog, logging.ERROR) == [f"Flask-Loop: {said}"]
    strict = make_app(Sender, Hamper, **SETTINGS)
    with pytest.raises(DefinitionError, match="model 'Hamper'"):
        strict.test_client().get("/")


def test_two_sides_of_a_relation_that_say_different_things_are_told_what_to_do() -> None:
    database = create_data_source(connector="sqlite", url="sqlite://")

    class Vase(Model):
        flowers: HasMany[Petal] = relation(on_delete="cascade")

        class Meta:
            data_source = database

    class Petal(Model):
        vase: BelongsTo[Vase] = relation(constraint=True)

        class Meta:
            data_source = database

    with pytest.raises(DefinitionError, match="say the same on both sides"):
        database.auto_update()
    database.close()


# Entries that can be about nobody

STAFF = {"principalType": "ROLE", "principalId": "staff", "permission": "ALLOW"}
OWNER = {"principalId": "$owner", "permission": "ALLOW"}


def test_an_entry_about_a_role_that_nobody_can_have_is_warned_about(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    class Daybook(Model):
        class Meta:
            data_source = memory()
            acls = (STAFF,)

    app = make_app(Daybook, **SETTINGS)
    (said,) = logged_at_start(app, caplog, logging.WARNING)
    assert "Daybook: acls[0] is about 'staff', and the app has neither models of roles" in said
    shown = app.test_cli_runner().invoke(args=["loop", "acl"]).output
    assert "Warning: Daybook: acls[0] is about 'staff'" in shown


def test_an_entry_about_an_owner_whom_nothing_names_is_warned_about(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    class Pamphleteer(User):
        class Meta:
            data_source = memory()

    class Pamphlet(Model):
        class Meta:
            data_source = memory()
            acls = (OWNER,)

    (said,) = logged_at_start(make_app(Pamphleteer, Pamphlet, **SETTINGS), caplog, logging.WARNING)
    assert "Pamphlet: acls[0] is about '$owner', and nothing in the model says" in said


def test_entries_about_owners_and_roles_that_there_are_are_not_warned_about(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    source = memory()

    class ScrollKeeper(User):
        class Meta:
            data_source = source

    class ArchiveRole(Role):
        class Meta:
            data_source = source

    class ArchiveMapping(RoleMapping):
        class Meta:
            data_source = source

    class ScrollCase(Model):
        user_id: Prop[int | None] = prop(default=None)

        class Meta:
            data_source = source
            acls = (OWNER, STAFF)

    class Codex(Model):
        scroll_keeper: BelongsTo[ScrollKeeper | None] = relation()

        class Meta:
            data_source = source
            acls = (OWNER,)
            owner_relations = True

    models = (ScrollKeeper, ArchiveRole, ArchiveMapping, ScrollCase, Codex)
    assert logged_at_start(make_app(*models, **SETTINGS), caplog, logging.WARNING) == []


def test_nothing_is_said_of_roles_that_a_principal_loader_may_give(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Minutes(Model):
        class Meta:
            data_source = memory()
            acls = (OWNER, STAFF)

    app = Flask("office")
    app.config.update(TESTING=True, **SETTINGS)
    loop = Loop(app)
    loop.model(Minutes)
    loop.principal_loader(lambda user: None)
    assert logged_at_start(app, caplog, logging.WARNING) == []


# Answers


def test_the_name_of_a_refused_host_says_error_once(make_app: MakeApp) -> None:
    class Porch(Model):
        class Meta:
            data_source = memory()

    client = make_app(Porch, TRUSTED_HOSTS=["localhost"]).test_client()
    answer = client.get("/api/porches", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert '"name":"SecurityError"' in answer.text


@pytest.mark.parametrize("id", ["1", "999", "abc"])
def test_another_verification_mail_is_answered_alike_for_whatever_id(
    id: str, make_app: MakeApp
) -> None:
    class Anybody(User):
        class Meta:
            data_source = memory()

    app = make_app(Anybody, **SETTINGS, MAIL_DEFAULT_SENDER="shop@example.com")
    with app.app_context(), mails_of(app) as mails:
        Anybody.create(people(1)[0])
        answer = app.test_client().post(f"/api/anybodies/{id}/verify")
        assert (answer.status_code, answer.data) == (204, b"")
        assert len(mails()) == (id == "1")


def test_the_documents_say_how_a_login_is_refused(make_app: MakeApp) -> None:
    class Documented(User):
        class Meta:
            data_source = memory()

    document: Any = make_app(Documented, **SETTINGS).test_client().get("/_docs/openapi.json").json

    def statuses(path: str) -> set[str]:
        operation = document["paths"][f"/api/documenteds/{path}"]["post"]
        return {each for each in operation["responses"] if each.startswith("4")}

    assert {"400", "401", "429"} <= statuses("login")
    assert {"400", "429"} <= statuses("reset")
    assert "429" in statuses("{id}/verify")
    assert {"400", "401", "422", "429"} <= statuses("change-password")
    assert {"400", "401", "422"} <= statuses("reset-password")


@pytest.mark.parametrize(
    "errors", [{200: "x"}, {600: "x"}, {"soon": "x"}, {404: 5}, {404: ""}, [404], {True: "x"}]
)
def test_errors_of_a_method_that_mean_nothing_are_refused(errors: Any) -> None:
    with pytest.raises(DefinitionError, match="'errors' is a dict of statuses and sentences"):

        class Refusing(Model):
            @remote_method(errors=errors)
            @classmethod
            def refuse(cls) -> None: ...


def test_errors_of_a_method_are_in_the_documents(make_app: MakeApp) -> None:
    class Samovar(Model):
        class Meta:
            data_source = memory()

        @remote_method(errors={418: "It is a teapot.", "423": "Somebody has it."})
        @classmethod
        def boil(cls) -> None: ...

    document: Any = make_app(Samovar).test_client().get("/_docs/openapi.json").json
    said = document["paths"]["/api/samovars/boil"]["post"]["responses"]
    assert said["418"]["description"] == "It is a teapot."
    assert said["423"]["description"] == "Somebody has it."
