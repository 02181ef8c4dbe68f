from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import current_user
from werkzeug.test import EnvironBuilder

from flask_loop import Context, Loop, Model, Prop, User, current_context, memory, remote_method
from flask_loop.accounts.links import RESET, make_token

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
ANN = {"email": "ann@example.com", "password": "first secret"}
BEN = {"email": "ben@example.com", "password": "other secret"}


def make_library(*, users: bool = True, **settings: Any) -> Flask:
    """An app with readers, who log in, and letters, which are open to everybody."""
    app = Flask("library")
    app.config.update(TESTING=True, SECRET_KEY="key", LOOP_PASSWORD_HASHING=FAST, **settings)
    loop = Loop(app, url_prefix="/api")

    class CardHolder(User):
        class Meta:
            data_source = memory()
            plural = "holders"

    class OpenLetter(Model):
        text: Prop[str]

        class Meta:
            data_source = memory()
            plural = "letters"

        @remote_method(http={"verb": "all", "path": "/whoami"}, returns={"root": True})
        @classmethod
        def whoami(cls) -> Any:
            ctx = current_context()
            assert ctx is not None
            if not hasattr(app, "login_manager"):
                return ctx.user
            assert current_user.is_authenticated == (ctx.user is not None)
            if ctx.user is None:
                return None
            assert current_user._get_current_object() is ctx.user
            return f"{type(ctx.user).model_name} {ctx.user.id}"

        @remote_method(access_scopes=["letters"], http={"verb": "get"}, returns={"root": True})
        @classmethod
        def scoped(cls) -> str:
            return "for letters"

        @remote_method(http={"verb": "get"}, returns={"root": True})
        @classmethod
        def echo(cls, word: str) -> str:
            return word

    if users:
        loop.model(CardHolder)
    loop.model(OpenLetter)
    app.config["models"] = CardHolder, OpenLetter
    return app


@pytest.fixture
def library() -> Flask:
    return make_library()


@pytest.fixture
def client(library: Flask) -> FlaskClient:
    return library.test_client()


def token_of(app: Flask, credentials: Mapping[str, str] = ANN) -> str:
    """The token of a new user."""
    client = app.test_client()
    assert client.post("/api/holders", json=credentials).status_code == 200
    token: str = client.post("/api/holders/login", json=credentials).json["id"]
    return token


def encoded(token: str) -> str:
    return b64encode(token.encode()).decode()


SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "Bearer": lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
    "bearer": lambda token: {"headers": {"Authorization": f"bearer   {token} "}},
    "Bearer in base64": lambda token: {"headers": {"Authorization": f"Bearer {encoded(token)}"}},
    "Bearer in base64 without padding": lambda token: {
        "headers": {"Authorization": f"Bearer {encoded(token).rstrip('=')}"}
    },
    "Authorization": lambda token: {"headers": {"Authorization": token}},
    "X-Access-Token": lambda token: {"headers": {"X-Access-Token": token}},
    "query": lambda token: {"query_string": {"access_token": token}},
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_token_is_found_wherever_it_is(library: Flask, client: FlaskClient, source: str) -> None:
    assert client.get("/api/letters/whoami").json is None
    given = SOURCES[source](token_of(library))
    assert client.get("/api/letters/whoami", **given).json == "CardHolder 1"
    assert client.get("/api/holders/1", **given).json["email"] == "ann@example.com"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "token",
    [
        "unknown",
        "x" * 64,
        "x" * 20_000,
        "a.b.c",
        "undefined",
        "%00",
        "sha256:" + "0" * 64,
        "é",
    ],
)
def test_a_token_of_nobody_is_refused_on_each_route(
    client: FlaskClient, source: str, token: str
) -> None:
    for path in ("/api/letters", "/api/letters/whoami", "/api/holders/1"):
        answer = client.get(path, **SOURCES[source](token))
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize(
    "header", ["Basic YW5uOmZpcnN0IHNlY3JldA==", "Digest username=ann", "Negotiate abc", "", " "]
)
def test_what_is_no_token_of_ours_is_nobody(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/letters/whoami", headers={"Authorization": header})
    assert (answer.status_code, answer.json) == (200, None)


def test_a_blank_token_is_none(client: FlaskClient) -> None:
    assert client.get("/api/letters/whoami?access_token=").status_code == 200
    assert client.get("/api/letters/whoami", headers={"X-Access-Token": ""}).status_code == 200


def test_the_digest_that_is_stored_is_no_token(library: Flask, client: FlaskClient) -> None:
    token_of(library)
    Holder, _ = library.config["models"]
    with library.app_context():
        (session,) = Holder.session.find()
    answer = client.get("/api/letters", headers={"Authorization": session.id})
    assert session.id.startswith("sha256:")
    assert answer.status_code == 401


def test_headers_count_more_than_the_query_and_the_special_header_most(
    library: Flask, client: FlaskClient
) -> None:
    ann, ben = token_of(library), token_of(library, BEN)
    by_header = client.get(
        f"/api/letters/whoami?access_token={ann}", headers={"Authorization": ben}
    )
    assert by_header.json == "CardHolder 2"
    special = {"X-Access-Token": ann, "Authorization": f"Bearer {ben}"}
    assert client.get("/api/letters/whoami", headers=special).json == "CardHolder 1"
    beside = {"X-Access-Token": ann, "Authorization": "Basic YW5uOmE="}
    assert client.get("/api/letters/whoami", headers=beside).json == "CardHolder 1"


def test_two_tokens_in_a_query_are_nobodys(library: Flask, client: FlaskClient) -> None:
    ann, ben = token_of(library), token_of(library, BEN)
    path = "/api/letters/whoami"
    assert client.get(f"{path}?access_token={ann}&access_token={ben}").status_code == 401
    assert client.get(f"{path}?access_token={ann}&access_token={ann}").json == "CardHolder 1"


def test_tokens_in_the_query_can_be_turned_off() -> None:
    library = make_library(LOOP_TOKEN_IN_QUERY=False)
    client, token = library.test_client(), token_of(library)
    assert client.get(f"/api/letters/whoami?access_token={token}").json is None
    assert client.get("/api/letters/whoami?access_token=wrong").status_code == 200
    assert client.get("/api/letters/whoami", headers={"Authorization": token}).json is not None


def test_a_token_in_the_query_disturbs_no_argument(library: Flask, client: FlaskClient) -> None:
    token = token_of(library)
    _, Letter = library.config["models"]
    Letter.create([{"text": text} for text in "abc"])
    given = f"access_token={token}"
    assert len(client.get(f"/api/letters?{given}").json) == 3
    found = client.get(f"/api/letters?filter[where][text]=b&{given}&filter[limit]=1")
    assert found.json == [{"text": "b", "id": 2}]
    assert client.get(f'/api/letters/count?where={{"text":"a"}}&{given}').json == {"count": 1}
    changed = client.patch(f"/api/letters/1?{given}", json={"text": "d"})
    assert changed.json == {"text": "d", "id": 1}
    assert client.delete(f"/api/letters/1?{given}").json == {"count": 1}
    assert client.get(f"/api/letters/echo?word=x&{given}").json == "x"


def test_the_next_page_is_for_the_same_caller() -> None:
    library = make_library(LOOP_MAX_LIMIT=2)
    client, token = library.test_client(), token_of(library)
    _, Letter = library.config["models"]
    Letter.create([{"text": text} for text in "abc"])
    first = client.get(f"/api/letters?access_token={token}")
    link = first.headers["Link"].partition(">")[0].removeprefix("<")
    assert [each["text"] for each in client.get(link).json] == ["c"]


def test_an_expired_token_is_refused_on_each_route(library: Flask, client: FlaskClient) -> None:
    token_of(library)
    Holder, _ = library.config["models"]
    then = datetime.now(UTC) - timedelta(seconds=10)
    with library.app_context():
        session = Holder.session.create({"user_id": 1, "ttl": 5, "created": then})
    headers = {"Authorization": session.id}
    for _ in range(2):  # the first ends it
        answer = client.get("/api/letters", headers=headers)
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


def test_a_token_ends_with_its_session_at_once(library: Flask, client: FlaskClient) -> None:
    token = token_of(library)
    headers = {"Authorization": token}
    assert client.get("/api/letters/whoami", headers=headers).json == "CardHolder 1"
    assert client.post("/api/holders/logout", headers=headers).status_code == 204
    assert client.get("/api/letters/whoami", headers=headers).status_code == 401


def test_a_token_sets_no_cookie_and_the_answer_does_not_vary_by_one(
    library: Flask, client: FlaskClient
) -> None:
    answer = client.get("/api/letters/whoami", headers={"Authorization": token_of(library)})
    assert "Set-Cookie" not in answer.headers
    assert "Set-Cookie" not in client.post("/api/holders/login", json=ANN).headers
    plain = client.get("/api/letters")
    assert "Vary" not in plain.headers


def test_a_request_that_is_sent_on_with_another_token_is_another_callers(library: Flask) -> None:
    ann, ben = token_of(library), token_of(library, BEN)
    environ = EnvironBuilder("/api/letters/whoami").get_environ()
    answers = []
    for token in (ann, ben):
        environ["HTTP_AUTHORIZATION"] = token
        parts = library.wsgi_app(environ, lambda *_: lambda _: None)
        answers.append(b"".join(parts))
        parts.close()  # type: ignore[attr-defined]
    assert answers == [b'"CardHolder 1"', b'"CardHolder 2"']


def test_a_path_without_a_method_is_unknown_whatever_the_token(client: FlaskClient) -> None:
    answer = client.get("/api/nowhere", headers={"Authorization": "wrong"})
    assert answer.status_code == 404


def test_an_app_without_users_looks_at_no_token() -> None:
    client = make_library(users=False).test_client()
    answer = client.get("/api/letters?access_token=1", headers={"Authorization": "Bearer mine"})
    assert answer.status_code == 200


def test_a_refused_token_changes_nothing(library: Flask, client: FlaskClient) -> None:
    headers = {"X-Access-Token": "wrong"}
    assert client.post("/api/letters", json={"text": "a"}, headers=headers).status_code == 401
    assert client.get("/api/letters").json == []


# Scopes


def test_a_token_for_some_methods_is_for_no_others(library: Flask, client: FlaskClient) -> None:
    token_of(library)
    Holder, _ = library.config["models"]
    with library.app_context():
        session = Holder.session.create({"user_id": 1, "scopes": ["letters"]})
    headers = {"Authorization": session.id}
    assert client.get("/api/letters/scoped", headers=headers).json == "for letters"
    for path in ("/api/letters", "/api/letters/whoami", "/api/holders/1"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "ACCESS_DENIED")


def test_a_token_for_everything_is_not_for_methods_that_ask_for_a_scope(
    library: Flask, client: FlaskClient
) -> None:
    headers = {"Authorization": token_of(library)}
    assert client.get("/api/letters/scoped", headers=headers).status_code == 403


def test_the_token_of_a_reset_mail_sets_a_password_and_does_nothing_else(
    library: Flask, client: FlaskClient
) -> None:
    token_of(library)
    Holder, _ = library.config["models"]
    with library.app_context():
        token = make_token(Holder.find_by_id(1), RESET)
    query = {"access_token": token}
    for path in ("/api/letters/whoami", "/api/holders/1"):
        assert client.get(path, query_string=query).status_code == 403
    new = {"newPassword": "second secret"}
    answer = client.post("/api/holders/reset-password", query_string=query, json=new)
    assert answer.status_code == 204
    assert client.get("/api/letters", query_string=query).status_code == 401
    login = {**ANN, "password": "second secret"}
    assert client.post("/api/holders/login", json=login).status_code == 200


# Several models of users


def test_each_model_of_users_has_its_own_tokens() -> None:
    app = Flask("school")
    app.config.update(TESTING=True, SECRET_KEY="key", LOOP_PASSWORD_HASHING=FAST)
    loop = Loop(app)

    class SchoolTeacher(User):
        class Meta:
            data_source = memory()
            plural = "teachers"

    class SchoolPupil(User):
        class Meta:
            data_source = memory()
            plural = "pupils"

    @SchoolTeacher.before_remote("find_by_id")
    @SchoolPupil.before_remote("find_by_id")
    def note(ctx: Context, _: Any) -> None:
        callers.append((ctx.caller.model, ctx.caller.id, type(ctx.user)))

    callers: list[Any] = []
    loop.model(SchoolTeacher)
    loop.model(SchoolPupil)
    client = app.test_client()
    headers = {}
    for plural in ("teachers", "pupils"):
        client.post(f"/{plural}", json=ANN)
        token = client.post(f"/{plural}/login", json=ANN).json["id"]
        headers[plural] = {"Authorization": token}
    for _ in range(2):
        for plural, Model_ in (("teachers", SchoolTeacher), ("pupils", SchoolPupil)):
            assert client.get(f"/{plural}/1", headers=headers[plural]).status_code == 200
            assert callers.pop() == (Model_, 1, Model_)
    assert client.get("/teachers/1", headers=headers["pupils"]).status_code == 401
    assert client.get("/pupils/1", headers=headers["teachers"]).status_code == 401
    client.post("/pupils/logout", headers=headers["pupils"])
    answer = client.get("/pupils/1", headers=headers["pupils"])
    assert answer.json["error"]["code"] == "INVALID_TOKEN"
