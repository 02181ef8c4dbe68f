"""Attacks by bodies: what a client says that is not its to say, and bodies without end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import thread_time
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask

from flask_loop import DataSource, HasMany, Model, Prop, memory, prop, relation
from flask_loop.accounts.passwords import Hasher
from flask_loop.auth import User

MakeApp = Callable[..., Flask]
FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
SETTINGS: dict[str, Any] = {
    "LOOP_PASSWORD_HASHING": FAST,
    "LOOP_LOGIN_LIMITS": {},
    "LOOP_RESET_LIMITS": {},
    "SECRET_KEY": "key",
}
OPEN = [
    {"principalId": "$everyone", "permission": "ALLOW", "accessType": access_type}
    for access_type in ("READ", "WRITE", "EXECUTE")
]


# 4.6: what is the app's to say, a client said by the one way that nobody had thought of


class Club:
    """Teams and their players, who are users; every way to write them is open."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Player(User):
            name: Prop[str | None] = prop(default=None)
            level: Prop[str] = prop(default="guest", read_only=True)
            invited_by: Prop[str] = prop(default="nobody", create_only=True)

            class Meta:
                data_source = source
                acls = OPEN

        class Team(Model):
            name: Prop[str]
            players: HasMany[Player] = relation(nested=True)

            class Meta:
                data_source = source

        self.app = make_app(Player, Team, **SETTINGS)
        source.auto_update()
        self.Player = Player
        with self.app.app_context():
            self.team = Team.create(name="t")
            self.ann = Player.create(email="ann@x.org", password="first", team_id=self.team.id)
        self.client = self.app.test_client()

    def stored(self) -> list[Any]:
        plan = self.Player.__loop_plan__()
        found: list[Any] = plan.connector.select(plan.definition, plan.parser.all).records()
        return found


@pytest.fixture
def club(source: DataSource, make_app: MakeApp) -> Club:
    return Club(source, make_app)


#: A hash that a client made of a password that it knows, and a property of each kind.
READY_MADE = str(Hasher(**FAST).hash("known"))
GRASP = {
    "password": READY_MADE,
    "emailVerified": True,
    "email_verified": True,
    "level": "admin",
    "roles": ["admin"],
    "isAdmin": True,
    "is_active": True,
    "isActive": True,
}
WHERE = '{"email": "ann@x.org"}'

WAYS = [
    ("POST", "/players", {}),
    ("POST", "/players", [{}]),
    ("POST", "/players", [{}, {}]),
    ("PATCH", "/players", {}),
    ("PATCH", "/players", {"id": 1}),
    ("PUT", "/players", {}),
    ("PUT", "/players", {"id": 1}),
    ("POST", "/players/replaceOrCreate", {}),
    ("POST", "/players/replaceOrCreate", {"id": 1}),
    ("POST", f"/players/upsertWithWhere?where={WHERE}", {}),
    ("POST", '/players/upsertWithWhere?where={"email":"new@x.org"}', {}),
    ("POST", f"/players/update?where={WHERE}", {}),
    ("PATCH", "/players/1", {}),
    ("PUT", "/players/1", {}),
    ("POST", "/players/1/replace", {}),
    ("POST", "/teams/1/players", {}),
    ("POST", "/teams/1/players", [{}]),
    ("PUT", "/teams/1/players/1", {}),
    ("POST", "/teams", {"players": [{}]}),
    ("POST", "/teams", [{"players": [{}]}]),
    ("PATCH", "/teams/1", {"players": [{}]}),
    ("PATCH", "/teams/1", {"players": [{"id": 1}]}),
    ("PUT", "/teams/1", {"players": [{"id": 1}]}),
]


@pytest.mark.parametrize(("verb", "path", "form"), WAYS)
def test_no_way_to_write_users_sets_what_is_the_apps_to_say(
    verb: str, path: str, form: Any, club: Club
) -> None:
    number = iter(range(9))

    def grasping(value: Any) -> Any:
        if isinstance(value, list):
            return [grasping(each) for each in value]
        if "players" in value:
            return {"name": "n", "players": grasping(value["players"])}
        email = {} if "update" in path else {"email": f"new{next(number)}@x.org"}
        invited = {"invitedBy": "eve"} if "id" in value or "/players/1" in path else {}
        return {**GRASP, **email, **invited, **value}

    answer = club.client.open(f"/api{path}", method=verb, json=grasping(form))
    assert answer.status_code == 200 or answer.json["error"]["code"] == "MODEL_NOT_FOUND"
    if answer.status_code == 200:
        assert any(each["password"] != club.ann.password for each in club.stored()), answer.text
    for each in club.stored():
        assert (each["email_verified"], each["level"]) == (False, "guest")
        assert each["invited_by"] == "nobody"
        assert each["password"] != READY_MADE
        assert "roles" not in each
        assert READY_MADE not in answer.text
        body = {"email": each["email"], "password": "known"}
        assert club.client.post("/api/players/login", json=body).status_code == 401


# 2019-12, CVE-2020-4988: names that mean something to the language


NAMES = [
    "__class__",
    "__dict__",
    "__init__",
    "__proto__",
    "constructor",
    "prototype",
    "definition",
    "data_source",
    "to_dict",
    "save",
    "is_active",
    "_is_new",
    "_token",
    "_undeclared",
    "_definition",
    "__loop_user__",
]


@pytest.mark.parametrize("strict", [True, False, "validate"])
@pytest.mark.parametrize("name", NAMES)
def test_a_key_of_a_body_is_no_name_of_the_language(
    name: str, strict: Any, make_app: MakeApp
) -> None:
    source = memory()
    settings = {"strict": strict, "data_source": source, "acls": OPEN}
    meta = type("Meta", (), settings)
    Tester = type(User)("KeyTester", (User,), {"Meta": meta, "__module__": __name__})
    before = {each: getattr(Tester, each) for each in ("create", "definition", "is_active")}

    @Tester.after_remote("**")  # type: ignore[attr-defined]
    def look(ctx: Any) -> None:
        if isinstance(ctx.result, Tester):
            assert ctx.result.to_dict()["email"]
            assert ctx.result.is_active is True
            assert ctx.result.save()

    app = make_app(Tester, **SETTINGS)
    client = app.test_client()
    for value in ({"a": 1}, "x", [], {"__class__": {"__init__": "x"}}):
        body = {"email": "ann@x.org", "password": "first", name: value}
        for verb, path in (("POST", ""), ("PATCH", "/1"), ("PUT", "/1")):
            answer = client.open(f"/api/keyTesters{path}", method=verb, json=body)
            assert answer.status_code in (200, 404, 422), answer.text
        login = client.post("/api/keyTesters/login", json=body)
        assert login.status_code == (401 if strict == "validate" else 200), login.text
        assert "x" not in (login.json.get("id"), login.json.get("scopes"))
        with app.app_context():
            Tester.destroy_all()  # type: ignore[attr-defined]
    assert {each: getattr(Tester, each) for each in before} == before


# 2015-06-04, 2019-06-17: what should be text is a list or an operator, however it is written


@pytest.mark.parametrize(
    "fields",
    [
        [("email", "ann@x.org"), ("email", "bob@x.org"), ("password", "first")],
        [("email[regexp]", "^a"), ("password", "first")],
        [("email[]", "ann@x.org"), ("password", "first")],
        [("username[gt]", ""), ("password", "first")],
        [("email", "ann@x.org"), ("password[neq]", "x")],
        [("email", "ann@x.org"), ("password", "first"), ("password", "first")],
        [("email", "ann@x.org"), ("password", "first"), ("realm[exists]", "false")],
    ],
)
def test_a_form_gives_no_operators_or_lists_for_credentials(
    fields: list[tuple[str, str]], club: Club
) -> None:
    answer = club.client.post(
        "/api/players/login",
        data=urlencode(fields),
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 400, answer.text
    assert answer.json["error"]["code"].startswith("INVALID_")


@pytest.mark.parametrize("value", [{"gt": ""}, {"regexp": ".*"}, ["x"], True, 5])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reset", {"email": "VALUE"}),
        ("reset", {"email": "ann@x.org", "realm": "VALUE"}),
        ("reset-password", {"token": "VALUE", "newPassword": "second"}),
        ("reset-password", {"token": "x", "newPassword": "VALUE"}),
        ("reset-page", {"token": "VALUE", "password": "x"}),
        ("logout", {"sid": "VALUE"}),
        ("confirm", None),
    ],
)
def test_no_method_of_users_takes_an_operator_for_a_text(
    path: str, body: Any, value: Any, club: Club
) -> None:
    with club.app.app_context():
        club.Player.login(email="ann@x.org", password="first")
    before = club.stored()
    if body is None:
        query = {"uid[gt]": "0", "token[gt]": "0"}
        answer = club.client.get(f"/api/players/{path}", query_string=query)
    else:
        given = json.loads(json.dumps(body).replace('"VALUE"', json.dumps(value)))
        answer = club.client.post(f"/api/players/{path}", json=given)
    assert answer.status_code in (400, 422), answer.text
    assert club.stored() == before
    assert club.Player.session.count() == 1


# Bodies without end


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The lengths of the passwords that are hashed or verified."""
    lengths: list[int] = []
    original = Hasher._matches

    def matches(self: Hasher, stored: str, password: str) -> bool:
        lengths.append(len(password))
        return original(self, stored, password)

    monkeypatch.setattr(Hasher, "_matches", matches)
    return lengths


PATHS = [
    ("POST", "/players"),
    ("POST", "/players/login"),
    ("POST", "/players/reset"),
    ("POST", "/players/reset-password"),
    ("POST", "/players/reset-page"),
    ("POST", "/players/logout"),
    ("PATCH", "/players/1"),
    ("POST", f"/players/update?where={WHERE}"),
]


def _deep(levels: int) -> Iterator[bytes]:
    inside = [("[" * levels, "]" * levels), ('{"a":' * levels + "1", "}" * levels)]
    for begin, end in inside:
        yield f"{begin}{end}".encode()
        for name in ("email", "password", "name", "token", "sid", "other"):
            given = {"email": "deep@x.org", "password": "x", "newPassword": "x", name: "HERE"}
            yield json.dumps(given).replace('"HERE"', begin + end).encode()


@pytest.mark.parametrize(("verb", "path"), PATHS)
def test_ten_megabytes_are_refused_before_anything_is_done_with_them(
    verb: str, path: str, club: Club, hashed: list[int]
) -> None:
    before = club.stored()
    large = "x" * 10_000_000
    for body, kind in (
        (json.dumps({"email": "a@x.org", "password": large}), "application/json"),
        (json.dumps({"email": f"{large}@x.org", "password": "x"}), "application/json"),
        (json.dumps([{"email": "a@x.org"}] * 400_000), "application/json"),
        (f"email=a@x.org&password={large}", "application/x-www-form-urlencoded"),
    ):
        begin = thread_time()
        answer = club.client.open(f"/api{path}", method=verb, data=body, content_type=kind)
        assert answer.status_code == 413, answer.text[:200]
        assert thread_time() - begin < 0.5
        assert len(answer.data) < 1000
    assert club.stored() == before
    assert hashed == []


@pytest.mark.parametrize("levels", [900, 10_000, 150_000])
@pytest.mark.parametrize(("verb", "path"), PATHS)
def test_ten_thousand_levels_are_answered_soon_and_by_a_few_words(
    verb: str, path: str, levels: int, club: Club
) -> None:
    for body in _deep(levels):
        begin = thread_time()
        answer = club.client.open(
            f"/api{path}", method=verb, data=body, content_type="application/json"
        )
        assert answer.status_code in (200, 204, 400, 401, 413, 422), answer.text[:200]
        assert thread_time() - begin < 1
        assert len(answer.data) < 2000
        with club.app.app_context():
            club.Player.destroy_all({"id": {"neq": club.ann.id}})


@pytest.mark.parametrize("path", ["/players", "/players/login", "/players/reset"])
def test_brackets_of_a_form_lead_only_so_deep(path: str, club: Club) -> None:
    before = club.stored()
    for field in (f"email{'[a]' * 10_000}=x", f"email{'[]' * 10_000}=x", f"{'a[' * 10_000}=x"):
        begin = thread_time()
        answer = club.client.post(
            f"/api{path}",
            data=f"{field}&password=x",
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status_code in (400, 422), answer.text[:200]
        assert thread_time() - begin < 1
    assert club.stored() == before


def test_a_password_of_a_megabyte_is_hashed_nowhere(club: Club, hashed: list[int]) -> None:
    password = "x" * 1_000_000
    before = club.stored()
    create = club.client.post("/api/players", json={"email": "b@x.org", "password": password})
    change = club.client.patch("/api/players/1", json={"password": password})
    for answer in (create, change):
        assert answer.status_code == 422
        assert "xxx" not in answer.text
    for email in ("ann@x.org", "nobody@x.org"):
        body = {"email": email, "password": password}
        assert club.client.post("/api/players/login", json=body).status_code == 401
    assert club.stored() == before
    assert hashed == [0, 0]  # as long as anybody's, and alike for those who are not there
