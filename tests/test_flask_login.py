from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask, Response, render_template_string
from flask.testing import FlaskClient
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)

from flask_loop import Context, Loop, Model, Prop, User, current_context, memory, remote_method
from flask_loop.remoting import Caller

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
ANN = {"email": "ann@example.com", "password": "first secret"}
SAME_ORIGIN = {"Origin": "http://localhost"}


class Account(UserMixin):
    """A user of the app's own."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name


def load_account(id: str) -> Account | None:
    return Account(id) if id in {"1", "host", "loop"} else None


def load_by_key(request: Any) -> Account | None:
    return Account("keyed") if request.headers.get("Authorization") == "ApiKey-7" else None


class Club:
    """An app with members, who log in, and its own pages; and what its models are."""

    def __init__(self, **settings: Any) -> None:
        self.app = Flask("club")
        self.app.config.update(
            **{"TESTING": True, "SECRET_KEY": "key", "LOOP_PASSWORD_HASHING": FAST, **settings}
        )
        self.loop = Loop(url_prefix="/api")
        self.callers: list[Caller] = []
        callers = self.callers

        class ClubMember(User):
            class Meta:
                data_source = memory()
                plural = "members"

        class ClubNote(Model):
            text: Prop[str]
            user_id: Prop[int | None]

            class Meta:
                data_source = memory()
                plural = "notes"

            @remote_method(http={"verb": "get"}, returns={"root": True})
            @classmethod
            def whoami(cls) -> Any:
                ctx = current_context()
                assert ctx is not None
                callers.append(ctx.caller)
                assert ctx.caller.is_authenticated == (ctx.user is not None)
                assert current_user.is_authenticated == (ctx.user is not None)
                if ctx.user is None:
                    return None
                assert current_user._get_current_object() is ctx.user
                return [type(ctx.user).__name__, ctx.user.id]

        self.Member: Any = ClubMember
        self.Note: Any = ClubNote
        for model in (ClubMember, ClubNote):
            self.loop.model(model)
        self._add_pages()

    def _add_pages(self) -> None:
        app, Member = self.app, self.Member

        @app.get("/login/<int:id>")
        def login(id: int) -> str:
            assert login_user(Member.find_by_id(id), remember=True)
            return "welcome"

        @app.get("/login-host/<name>")
        def login_host(name: str) -> str:
            login_user(Account(name))
            return "welcome"

        @app.get("/logout")
        def logout() -> str:
            logout_user()
            return "bye"

        @app.get("/who")
        def who() -> dict[str, Any]:
            if not current_user.is_authenticated:
                return {"is": None}
            return {"is": type(current_user._get_current_object()).__name__}

        @app.get("/private")
        @login_required
        def private() -> str:
            return f"for {current_user.id}"

        @app.get("/page")
        def page() -> str:
            return render_template_string("{{ current_user.is_authenticated }}")

    def open(self, *, manager: LoginManager | None = None) -> FlaskClient:
        """Make the app, and a client of it."""
        self.loop.init_app(self.app)
        if manager is not None:
            manager.init_app(self.app)
        with self.app.app_context():
            self.Member.create(ANN)
        return self.app.test_client()

    def token(self) -> dict[str, str]:
        """The header with a new token of Ann's."""
        answer = self.app.test_client().post("/api/members/login", json=ANN)
        return {"Authorization": answer.json["id"]}


@pytest.fixture
def club() -> Club:
    return Club()


@pytest.fixture
def client(club: Club) -> FlaskClient:
    return club.open()


def whoami(client: FlaskClient, headers: Mapping[str, str] | None = None) -> Any:
    answer = client.get("/api/notes/whoami", headers=headers)
    assert answer.status_code == 200, answer.json
    return answer.json


# The cookie


def test_a_user_who_logs_in_by_flask_login_is_known_everywhere(client: FlaskClient) -> None:
    assert whoami(client) is None
    assert client.get("/private").status_code == 401
    client.get("/login/1")
    assert client.get("/who").json == {"is": "ClubMember"}
    assert client.get("/private").text == "for 1"
    assert whoami(client) == ["ClubMember", 1]
    assert client.get("/api/members/1").json["email"] == "ann@example.com"
    assert client.get("/page").text == "True"
    client.get("/logout")
    assert whoami(client) is None
    assert client.get("/private").status_code == 401


def test_a_remember_cookie_logs_in_as_well(client: FlaskClient) -> None:
    client.get("/login/1")
    client.delete_cookie("session")
    assert client.get_cookie("remember_token") is not None
    assert whoami(client) == ["ClubMember", 1]
    client.get("/logout")
    assert client.get_cookie("remember_token") is None


def test_the_caller_is_the_record_of_its_model(club: Club, client: FlaskClient) -> None:
    client.get("/login/1")
    whoami(client)
    (caller,) = club.callers
    assert (caller.model, caller.id, caller.token) == (club.Member, 1, None)


@pytest.mark.parametrize("cookie", ["session", "remember_token"])
def test_cookies_end_with_the_password(club: Club, client: FlaskClient, cookie: str) -> None:
    client.get("/login/1")
    for other in {"session", "remember_token"} - {cookie}:
        client.delete_cookie(other)
    assert whoami(client) == ["ClubMember", 1]
    with club.app.app_context():
        club.Member.find_by_id(1).update_attribute("password", "second secret")
    assert whoami(client) is None
    assert client.get("/private").status_code == 401


def test_cookies_end_with_the_user(club: Club, client: FlaskClient) -> None:
    client.get("/login/1")
    with club.app.app_context():
        club.Member.destroy_by_id(1)
        assert club.Member.create(id=1, **ANN).id == 1
        assert whoami(client) is None


def test_cookies_do_not_end_with_other_changes(club: Club, client: FlaskClient) -> None:
    client.get("/login/1")
    with club.app.app_context():
        club.Member.find_by_id(1).update_attribute("username", "ann")
    assert whoami(client) == ["ClubMember", 1]


def test_a_user_who_is_not_active_any_more_is_nobody() -> None:
    club = Club()
    inactive: set[int] = set()
    club.Member.is_active = property(lambda user: user.id not in inactive)
    client = club.open()
    client.get("/login/1")
    assert whoami(client) == ["ClubMember", 1]
    inactive.add(1)
    assert whoami(client) is None


def test_cookies_outlive_a_change_of_the_key_that_keeps_the_old_one(
    club: Club, client: FlaskClient
) -> None:
    client.get("/login/1")
    club.app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["key"])
    assert whoami(client) == ["ClubMember", 1]
    club.app.config.update(SECRET_KEY_FALLBACKS=[])
    assert whoami(client) is None


@pytest.mark.parametrize(
    "id",
    [
        "loop:",
        "loop:ClubMember",
        "loop:ClubMember:1",
        "loop:ClubMember:1:",
        "loop:ClubMember:1:stamp",
        "loop:ClubMember::",
        "loop:ClubMember:x:y",
        "loop:Other:1:stamp",
        "loop:ClubMember:1:é",
        "loop:ClubMember:1:\ud800",
    ],
)
def test_an_id_without_the_right_stamp_is_nobodys(club: Club, client: FlaskClient, id: str) -> None:
    with client.session_transaction() as session:
        session["_user_id"] = id
    assert whoami(client) is None
    assert client.get("/private").status_code == 401


def test_log_out_over_rest_ends_the_login_of_the_cookie(client: FlaskClient) -> None:
    client.get("/login/1")
    assert client.post("/api/members/logout", headers=SAME_ORIGIN).status_code == 204
    assert whoami(client) is None
    assert client.get("/private").status_code == 401
    assert client.get_cookie("remember_token") is None


def test_users_of_two_apps_are_not_mixed_up() -> None:
    clubs = [Club(), Club()]
    clients = [each.open() for each in clubs]
    clients[0].get("/login/1")
    cookie = clients[0].get_cookie("session")
    assert cookie is not None
    clients[1].set_cookie("session", cookie.value)  # both have the same key
    assert whoami(clients[0]) == ["ClubMember", 1]
    assert whoami(clients[1]) is None


# The app's own manager


@pytest.mark.parametrize("comes", ["before", "after"])
@pytest.mark.parametrize("loader", ["early", "late", "never"])
def test_the_apps_manager_keeps_its_loader_beside_ours(comes: str, loader: str) -> None:
    club, manager = Club(), LoginManager()
    if loader == "early":
        manager.user_loader(load_account)
    if comes == "before":
        manager.init_app(club.app)
        client = club.open()
    else:
        client = club.open(manager=manager)
    assert club.app.login_manager is manager  # type: ignore[attr-defined]
    if loader == "late":
        assert whoami(client) is None
        manager.user_loader(load_account)
    client.get("/login-host/1")
    expected = None if loader == "never" else ["Account", "1"]
    assert whoami(client) == expected
    assert client.get("/private").status_code == (401 if loader == "never" else 200)
    client.get("/logout")
    client.get("/login/1")
    assert whoami(client) == ["ClubMember", 1]
    assert client.get("/private").text == "for 1"


def test_a_loader_that_is_replaced_while_the_app_serves_does_not_replace_ours() -> None:
    club, manager = Club(), LoginManager()
    client = club.open(manager=manager)
    client.get("/login/1")
    for _ in range(2):
        manager.user_loader(load_account)
        manager.request_loader(load_by_key)
        assert whoami(client) == ["ClubMember", 1]
        assert whoami(club.app.test_client(), club.token()) == ["ClubMember", 1]
        assert client.get("/private").text == "for 1"
        assert whoami(club.app.test_client(), {"Authorization": "ApiKey-7"}) == ["Account", "keyed"]


def test_ids_of_the_apps_users_are_never_ours() -> None:
    club, manager = Club(), LoginManager()
    manager.user_loader(load_account)
    client = club.open(manager=manager)
    client.get("/login-host/1")
    assert whoami(client) == ["Account", "1"]
    assert client.get("/api/members/1").status_code == 401
    client.get("/login-host/loop")
    assert whoami(client) == ["Account", "loop"]


def test_a_manager_is_made_for_an_app_that_has_none(club: Club, client: FlaskClient) -> None:
    assert isinstance(club.app.login_manager, LoginManager)  # type: ignore[attr-defined]
    answer = client.get("/login/1")
    assert len(answer.headers.getlist("Set-Cookie")) == 2


def test_an_app_without_users_gets_no_manager() -> None:
    app = Flask("plain")
    Loop(app).model(memory().create_model("plainNote", {"text": str}))
    assert not hasattr(app, "login_manager")


def test_our_manager_does_nothing_any_more_where_the_app_makes_its_own() -> None:
    club = Club(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True)
    client = club.open(manager=LoginManager())
    answer = client.get("/login/1")
    names = [each.partition("=")[0] for each in answer.headers.getlist("Set-Cookie")]
    assert sorted(names) == ["remember_token", "session"]


def test_remember_cookies_are_refreshed_where_the_app_says_so() -> None:
    client = Club(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True).open()
    client.get("/login/1")
    answer = client.get("/who")
    assert any(each.startswith("remember_token=") for each in answer.headers.getlist("Set-Cookie"))


def test_an_answer_that_depends_on_no_cookie_does_not_vary_by_it(client: FlaskClient) -> None:
    assert "Vary" not in client.get("/api/notes").headers
    client.get("/login/1")
    assert "Cookie" in client.get("/api/notes/whoami").headers["Vary"]


def test_an_older_header_loader_still_loads() -> None:
    club, manager = Club(), LoginManager()
    with pytest.warns(DeprecationWarning, match="header_loader"):
        manager.header_loader(lambda header: Account("old") if header == "Basic old" else None)
    client = club.open(manager=manager)
    assert whoami(client, {"Authorization": "Basic old"}) == ["Account", "old"]
    assert whoami(client) is None


def test_users_have_to_be_registered_before_the_first_request(club: Club) -> None:
    app = Flask("late")
    loop = Loop(app)
    app.test_client().get("/")
    for public in (True, False):
        with pytest.raises(RuntimeError, match="before the first one"):
            loop.model(club.Member, public=public)


def test_users_that_have_no_routes_log_in_as_well() -> None:
    club = Club()
    club.loop = Loop(url_prefix="/api")
    club.loop.model(club.Member, public=False)
    club.loop.model(club.Note)
    client = club.open()
    assert client.get("/api/members/1").status_code == 404
    client.get("/login/1")
    assert whoami(client) == ["ClubMember", 1]


# Tokens beside cookies


def test_a_token_logs_in_to_the_apps_own_pages(club: Club, client: FlaskClient) -> None:
    assert client.get("/private", headers=club.token()).text == "for 1"
    assert client.get("/who", headers=club.token()).json == {"is": "ClubMember"}
    assert client.get("/private", headers={"Authorization": "wrong"}).status_code == 401
    assert client.get("/who", headers={"Authorization": "wrong"}).json == {"is": None}
    assert client.get("/private").status_code == 401


def test_a_token_for_some_methods_alone_does_not_log_in_to_the_apps_own_pages(
    club: Club, client: FlaskClient
) -> None:
    with club.app.app_context():
        member = club.Member.find_one({"email": ANN["email"]})
        token = member.create_session(scopes=["photos"]).id
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/private", headers=headers).status_code == 401
    assert client.get("/who", headers=headers).json == {"is": None}


@pytest.fixture(params=["session", "remember_token", "both"])
def client_of_ben(club: Club, client: FlaskClient, request: pytest.FixtureRequest) -> FlaskClient:
    """A client whose cookies are those of another user."""
    with club.app.app_context():
        club.Member.create(email="ben@example.com", password="other secret")
    client.get("/login/2")
    for other in {"session", "remember_token"} - {request.param} if request.param != "both" else ():
        client.delete_cookie(other)
    return client


def test_a_token_counts_more_than_any_cookie(club: Club, client_of_ben: FlaskClient) -> None:
    assert whoami(client_of_ben) == ["ClubMember", 2]
    assert whoami(client_of_ben, club.token()) == ["ClubMember", 1]
    assert client_of_ben.get("/api/members/2", headers=club.token()).status_code == 401
    assert client_of_ben.get("/api/members/1", headers=club.token()).status_code == 200
    assert whoami(client_of_ben) == ["ClubMember", 2]


def test_a_bad_token_is_refused_whatever_the_cookies_say(client_of_ben: FlaskClient) -> None:
    for token in ("wrong", "Bearer wrong"):
        answer = client_of_ben.get("/api/notes/whoami", headers={"Authorization": token})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


def test_the_apps_functions_before_a_request_know_the_user_of_the_token() -> None:
    club = Club()
    seen: list[Any] = []
    club.app.before_request(lambda: seen.append(getattr(current_user, "id", None)))
    LoginManager(club.app)
    client = club.open()
    client.get("/login/1")
    with club.app.app_context():
        club.Member.create(email="ben@example.com", password="other secret")
    token = club.app.test_client().post(
        "/api/members/login", json={"email": "ben@example.com", "password": "other secret"}
    )
    seen.clear()
    headers = {"Authorization": token.json["id"]}
    assert whoami(client, headers) == ["ClubMember", 2]
    assert client.get("/api/notes", headers={"Authorization": "wrong"}).status_code == 401
    assert seen == [2, None]


def test_keys_of_the_apps_own_work_beside_tokens() -> None:
    club, manager = Club(), LoginManager()
    manager.request_loader(load_by_key)
    client = club.open(manager=manager)
    key = {"Authorization": "ApiKey-7"}
    assert whoami(client, key) == ["Account", "keyed"]
    assert client.get("/private", headers=key).text == "for keyed"
    assert whoami(client, club.token()) == ["ClubMember", 1]
    assert client.get("/api/notes", headers={"Authorization": "ApiKey-8"}).status_code == 401


# What stays of a request


def test_nothing_of_a_request_is_left_for_the_next_one(club: Club, client: FlaskClient) -> None:
    from flask import g

    token = club.token()
    with club.app.app_context():
        for path in ("/who", "/api/notes/whoami", "/api/members/1"):
            other = club.app.test_client()
            assert other.get(path, headers=token).status_code == 200
            assert "_login_user" not in g
            assert whoami(club.app.test_client()) is None
            assert club.app.test_client().get("/who").json == {"is": None}
            assert club.app.test_client().get("/api/members/1").status_code == 401
        client.get("/login/1")
        assert whoami(client) == ["ClubMember", 1]
        assert whoami(club.app.test_client()) is None


def test_a_request_that_fails_leaves_nothing_either(club: Club) -> None:
    @club.app.get("/broken")
    def broken() -> str:
        raise ValueError(current_user.id)

    client = club.open()
    token = club.token()
    with club.app.app_context():
        with pytest.raises(ValueError, match="1"):
            client.get("/broken", headers=token)
        assert client.get("/who").json == {"is": None}


# Users of the app's own


@pytest.fixture
def ruled() -> Club:
    """A club whose notes only their owners may read, and only those who are logged in may list."""
    club = Club()
    everyone = {"principalType": "ROLE", "principalId": "$everyone", "permission": "DENY"}
    logged_in = {"principalType": "ROLE", "principalId": "$authenticated", "property": "count"}
    owner = {"principalType": "ROLE", "principalId": "$owner", "property": "findById"}
    editor = {"principalType": "ROLE", "principalId": "editor", "property": "create"}

    class RuledNote(Model):
        text: Prop[str]
        user_id: Prop[int | None]

        class Meta:
            data_source = memory()
            plural = "ruled"
            acls = (
                everyone,
                *({**each, "permission": "ALLOW"} for each in (logged_in, owner, editor)),
            )

    RuledNote.create([{"text": "ann's", "user_id": 1}, {"text": "ben's", "user_id": 2}])
    club.loop.model(RuledNote)
    manager = LoginManager(club.app)
    manager.user_loader(load_account)
    return club


def statuses(client: FlaskClient) -> list[int]:
    return [
        client.get("/api/ruled/count").status_code,
        client.get("/api/ruled/1").status_code,
        client.get("/api/ruled/2").status_code,
        client.post("/api/ruled", json={"text": "new"}, headers=SAME_ORIGIN).status_code,
    ]


def test_a_user_of_the_apps_own_is_somebody_who_owns_nothing(ruled: Club) -> None:
    client = ruled.open()
    assert statuses(client) == [401, 401, 401, 401]
    client.get("/login-host/1")
    assert statuses(client) == [200, 401, 401, 401]
    whoami(client)
    caller = ruled.callers[-1]
    assert (caller.model, caller.id) == (Account, "1")


def test_a_principal_loader_says_which_user_of_a_model_it_is(ruled: Club) -> None:
    principals: dict[str, Callable[[], Any]] = {
        "user": lambda: ruled.Member.find_by_id(1),
        "pair": lambda: (ruled.Member, 1),
        "list of roles": lambda: (ruled.Member, 1, ["editor"]),
        "caller": lambda: Caller(ruled.Member, 1, frozenset({"editor"})),
        "none": lambda: None,
    }

    @ruled.loop.principal_loader
    def principal(account: Account) -> Any:
        assert type(account) is Account
        return principals[account.name]()

    LoginManager(ruled.app).user_loader(lambda id: Account(id) if id in principals else None)
    client = ruled.open()
    expected = {
        "user": [200, 200, 401, 401],
        "pair": [200, 200, 401, 401],
        "list of roles": [200, 200, 401, 200],
        "caller": [200, 200, 401, 200],
        "none": [200, 401, 401, 401],
    }
    for name, wanted in expected.items():
        client.get(f"/login-host/{name}")
        assert (name, statuses(client)) == (name, wanted)
        assert whoami(client) == ["Account", name]  # who is logged in stays the app's user


def test_a_principal_that_means_nothing_is_an_error(ruled: Club) -> None:
    ruled.loop.principal_loader(lambda account: "member 1")
    client = ruled.open()
    client.get("/login-host/1")
    with pytest.raises(TypeError, match="principal_loader gives"):
        client.get("/api/ruled/1")


def test_an_app_with_its_own_users_alone_is_served_as_well() -> None:
    app = Flask("own")
    app.config.update(TESTING=True, SECRET_KEY="key")
    manager = LoginManager(app)
    manager.user_loader(load_account)

    @app.get("/login")
    def login() -> str:
        login_user(Account("host"))
        return "welcome"

    note = memory().create_model("ownNote", {"text": str}, plural="notes")
    users: list[Any] = []

    @note.before_remote("find")
    def look(ctx: Context, _: Any) -> None:
        users.append((ctx.caller.model, ctx.user and ctx.user.id))

    Loop(app).model(note)
    client = app.test_client()
    client.get("/notes")
    client.get("/login")
    client.get("/notes")
    assert users == [(None, None), (Account, "host")]
    assert manager.user_callback is load_account


# Safe cookies


def test_cookies_of_logins_are_safe_where_the_app_says_nothing() -> None:
    config = served_with(DEBUG=False).config
    assert config["SESSION_COOKIE_SAMESITE"] == config["REMEMBER_COOKIE_SAMESITE"] == "Lax"
    assert config["SESSION_COOKIE_HTTPONLY"] is config["REMEMBER_COOKIE_HTTPONLY"] is True
    assert config["REMEMBER_COOKIE_SECURE"] is True


def test_cookies_go_over_tls_alone_where_the_app_is_reached_by_it() -> None:
    config = served_with(LOOP_EXTERNAL_URL="https://club.example.com").config
    assert config["SESSION_COOKIE_SECURE"] is config["REMEMBER_COOKIE_SECURE"] is True


@pytest.mark.parametrize(
    "settings",
    [
        {"DEBUG": True, "LOOP_EXTERNAL_URL": "https://club.example.com"},
        {"TESTING": True},
        {"LOOP_EXTERNAL_URL": "http://intranet"},
    ],
)
def test_cookies_go_without_tls_where_there_is_none(settings: dict[str, Any]) -> None:
    config = served_with(**settings).config
    assert config["SESSION_COOKIE_SECURE"] is config["REMEMBER_COOKIE_SECURE"] is False


def test_what_the_app_says_of_its_cookies_stays() -> None:
    said = {
        "SESSION_COOKIE_SAMESITE": "None",
        "SESSION_COOKIE_HTTPONLY": False,
        "REMEMBER_COOKIE_SAMESITE": "Strict",
        "REMEMBER_COOKIE_HTTPONLY": False,
        "REMEMBER_COOKIE_SECURE": False,
    }
    config = served_with(**said).config
    assert {key: config[key] for key in said} == said


def test_a_login_sets_cookies_as_they_are_said_to_be() -> None:
    client = Club(LOOP_EXTERNAL_URL="https://club.example.com", TESTING=False).open()
    answer: Response = client.get("/login/1")
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


def served_with(**settings: Any) -> Flask:
    app = Flask("club")
    app.config.update(settings)
    Loop(app)
    return app
