from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_loop import Loop, Model, Prop, Role, RoleMapping, User, memory, prop, remote_method
from flask_loop.cli import loop as loop_commands

SETTINGS: dict[str, Any] = {
    "TESTING": True,
    "SECRET_KEY": "a secret of the tests",
    "LOOP_PASSWORD_HASHING": {"time_cost": 1, "memory_cost": 8, "parallelism": 1},
}
PASSWORD = "an apple a day"
APP = """\
from flask import Flask
from flask_loop import Loop, User

app = Flask(__name__)
app.config.update(
    SECRET_KEY="a secret of the tests",
    LOOP_PASSWORD_HASHING={"time_cost": 1, "memory_cost": 8, "parallelism": 1},
    LOOP_DATA_SOURCES={"db": {"connector": "sqlite", "url": "sqlite:///clerks.sqlite"}},
)
loop = Loop(app)

class Clerk(User):
    class Meta:
        data_source = loop.data_source("db")

loop.model(Clerk)
with app.app_context():
    Clerk.data_source.auto_update()
"""


class Shop:
    """An app with users, and the commands of its operators."""

    def __init__(self, *, roles: bool = True, guests: bool = False, **meta: Any) -> None:
        source = memory()
        settings = meta

        class Clerk(User):
            desk: Prop[int | None] = prop(default=None, min=1)
            full_name: Prop[str | None] = prop(default=None)

            @remote_method(
                http={"verb": "get"},
                access_scopes=["reports"],
                acls=[{"principal_id": "$authenticated", "permission": "ALLOW"}],
            )
            @classmethod
            def report(cls) -> str:
                return "all is well"

            class Meta:
                data_source = source
                locals().update(settings)

        class Ledger(Model):
            title: Prop[str]

            class Meta:
                data_source = source
                acls = (
                    {"principal_id": "$everyone", "permission": "DENY"},
                    {"principal_type": "ROLE", "principal_id": "editor", "permission": "ALLOW"},
                )

        self.app = Flask("shop")
        self.app.config.update(SETTINGS)
        self.loop = Loop(self.app)
        self.users: Any = Clerk
        self.roles: Any = None
        self.loop.model(Clerk)
        self.loop.model(Ledger)
        if roles:
            self._add_roles(source)
        if guests:
            self._add_guests()

    def _add_roles(self, source: Any) -> None:
        class ClerkRole(Role):
            class Meta:
                data_source = source

        class ClerkRoleMapping(RoleMapping):
            class Meta:
                data_source = source

        self.roles, self.mappings = ClerkRole, ClerkRoleMapping
        self.loop.model(ClerkRole, public=False)
        self.loop.model(ClerkRoleMapping, public=False)

    def _add_guests(self) -> None:
        class ShopGuest(User):
            class Meta:
                data_source = memory()

        self.guests: Any = ShopGuest
        self.loop.model(ShopGuest)

    def run(self, *arguments: str, given: str | bytes | None = None) -> Result:
        runner = self.app.test_cli_runner()
        return runner.invoke(args=["loop", "users", *arguments], input=given)

    def done(self, *arguments: str, given: str | bytes | None = None) -> str:
        result = self.run(*arguments, given=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, given: str | bytes | None = None) -> str:
        """What a command that fails says."""
        result = self.run(*arguments, given=given)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        return result.stderr.removeprefix("Error: ").strip()

    def add(self, name: str = "ada", **more: Any) -> Any:
        with self.app.app_context():
            address = f"{name}@example.com"
            return self.users.create(username=name, email=address, password=PASSWORD, **more)

    def role(self, name: str) -> Any:
        return self.roles.create(name=name)

    def get(self, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.app.test_client().get(path, headers=headers).status_code

    def can_log_in(self, **credentials: Any) -> bool:
        answer = self.app.test_client().post("/clerks/login", json=credentials)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200


@pytest.fixture
def shop() -> Shop:
    return Shop()


# create


def test_a_user_is_made_with_the_password_that_is_piped(shop: Shop) -> None:
    names = ("--email", "Ada@Example.com", "--username", "ada")
    said = shop.done("create", *names, "--password-stdin", given=f"{PASSWORD}\n")
    assert said == "Created Clerk 1 (ada@example.com, ada).\n"
    assert shop.can_log_in(email="ada@example.com", password=PASSWORD)
    assert not shop.can_log_in(email="ada@example.com", password=f"{PASSWORD}\n")


@pytest.mark.parametrize(
    ("piped", "password"),
    [("a b ", "a b "), ("é\r\n", "é"), ("two\n\n", "two\n"), ("$x'\"\n", "$x'\"")],
)
def test_of_a_piped_password_only_the_end_of_the_line_is_dropped(
    shop: Shop, piped: str, password: str
) -> None:
    shop.done("create", "--email", "a@example.com", "--password-stdin", given=piped)
    assert shop.can_log_in(email="a@example.com", password=password)


@pytest.mark.parametrize(
    ("piped", "message"),
    [
        ("\n", "`password` can't be blank"),
        ("x" * 5000, "`password`"),
        (b"\xff\xfe\n", "The password is not UTF-8."),
    ],
)
def test_a_password_that_cannot_be_one_is_refused(
    shop: Shop, piped: str | bytes, message: str
) -> None:
    said = shop.refused("create", "--email", "a@example.com", "--password-stdin", given=piped)
    assert message in said
    with shop.app.app_context():
        assert shop.users.count() == 0


def test_no_password_is_asked_for_where_there_is_no_terminal(shop: Shop) -> None:
    said = shop.refused("create", "--email", "a@example.com", given=f"{PASSWORD}\n{PASSWORD}\n")
    assert said.startswith("There is no terminal on which to ask for the password")


def test_a_user_without_a_password_logs_in_by_none(shop: Shop) -> None:
    shop.done("create", "--email", "a@example.com", "--no-password")
    for password in ("", "None", "null", "x"):
        answer = shop.app.test_client().post(
            "/clerks/login", json={"email": "a@example.com", "password": password}
        )
        assert answer.status_code == 401


def test_a_user_whose_address_is_verified_needs_no_mail(shop: Shop) -> None:
    shop.users.require_email_verification = True
    for name, options in (("ada", ["--verified"]), ("bob", [])):
        address = f"{name}@example.com"
        shop.done("create", "--email", address, "--password-stdin", *options, given=PASSWORD)
        assert shop.can_log_in(email=address, password=PASSWORD) is (name == "ada")


def test_other_properties_are_set_by_either_name(shop: Shop) -> None:
    values = ("--set", "desk=3", "--set", "fullName=Ada = Lovelace")
    shop.done("create", "--email", "a@example.com", "--no-password", *values)
    with shop.app.app_context():
        user = shop.users.find_one()
    assert (user.desk, user.full_name) == (3, "Ada = Lovelace")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("desk=0", "`desk` must be at least 1"),
        ("desk=many", "`desk` is not an integer"),
        ("dsek=1", "Clerk has no property 'dsek'; did you mean 'desk'?"),
    ],
)
def test_a_property_that_means_nothing_is_refused(shop: Shop, written: str, message: str) -> None:
    said = shop.refused("create", "--email", "a@example.com", "--no-password", "--set", written)
    assert message in said
    with shop.app.app_context():
        assert shop.users.count() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-password"],
        ["--email", "a@example.com", "--set", "desk"],
        ["--email", "a@example.com", "--set", "password=visible", "--no-password"],
        ["--email", "a@example.com", "--set", "emailVerified=true", "--no-password"],
        ["--email", "a@example.com", "--no-password", "--password-stdin"],
    ],
    ids=str,
)
def test_a_command_that_is_written_wrong_ends_with_status_2(
    shop: Shop, arguments: list[str]
) -> None:
    result = shop.run("create", *arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    with shop.app.app_context():
        assert shop.users.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--email", "ADA@example.com"], "`email` already exists"),
        (["--email", "b@example.com", "--username", "ada"], "`username` already exists"),
        (["--email", "nobody"], "`email` is not an email address"),
        (["--username", "bob"], "`email` can't be blank"),
    ],
    ids=str,
)
def test_a_user_who_breaks_a_rule_is_not_made(
    shop: Shop, arguments: list[str], message: str
) -> None:
    shop.add("ada")
    assert message in shop.refused("create", *arguments, "--no-password")
    with shop.app.app_context():
        assert shop.users.count() == 1


def test_what_was_made_is_written_as_json_without_the_password(shop: Shop) -> None:
    arguments = ("create", "--email", "a@example.com", "--password-stdin", "--json")
    assert json.loads(shop.done(*arguments, given=PASSWORD)) == {
        "model": "Clerk",
        "id": "1",
        "username": None,
        "email": "a@example.com",
        "realm": None,
        "email_verified": False,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_a_password_that_is_written_on_the_terminal_is_not_shown(folder: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}"}
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "loop", "users", "create", "--email", "a@example.com"],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        terminal = answered(
            ours, [(b"Password: ", b"s3cret\n"), (b"The same again: ", b"s3cret\n")]
        )
        assert process.stdout is not None
        said = process.stdout.read()
    os.close(ours)
    assert (process.returncode, said) == (0, b"Created Clerk 1 (a@example.com).\n"), terminal
    assert b"s3cret" not in terminal
    login = """
from app import Clerk, app

with app.app_context():
    Clerk.login(email="a@example.com", password={!r})
"""
    for password, status in (("s3cret", 0), ("another", 1)):
        command = [sys.executable, "-c", login.format(password)]
        again = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, check=False
        )
        assert again.returncode == status, again.stderr


def answered(terminal: int, answers: list[tuple[bytes, bytes]]) -> bytes:
    """Answer the questions on a terminal, and give all that was shown there."""
    shown = b""
    for question, answer in answers:
        while question not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, answer)
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:  # how Linux ends a terminal
        pass
    return shown


# token


def test_a_token_is_that_of_the_user_and_printed_alone(shop: Shop) -> None:
    shop.add("ada")
    shop.add("bob")
    result = shop.run("token", "ada@example.com")
    assert result.exit_code == 0
    token = result.stdout.removesuffix("\n")
    assert token.split() == [token]
    assert "It is good until 20" in result.stderr
    assert token not in result.stderr
    assert shop.get("/clerks/1", token) == 200
    assert shop.get("/clerks/2", token) == 401
    with shop.app.app_context():
        (stored,) = shop.users.session.find()
    assert token not in str(stored.to_record())


@pytest.mark.parametrize("name", ["ada@example.com", "ADA@Example.com", "ada", "1"])
def test_a_user_is_named_by_address_username_or_id(shop: Shop, name: str) -> None:
    shop.add("ada")
    shop.add("bob")
    assert shop.json("token", name)["user"] == "1"


@pytest.mark.parametrize("name", ["eve", "eve@example.com", "3", "", "ad", "ad%", "1 or 1=1"])
def test_a_user_who_is_not_there_is_named(shop: Shop, name: str) -> None:
    shop.add("ada")
    shop.add("bob")
    for command in ("token", "roles"):
        assert shop.refused(command, name) == f"Clerk has no user {name!r}."


def test_a_name_that_may_be_two_users_needs_to_be_told_apart(shop: Shop) -> None:
    shop.add("ada")
    shop.add("1")
    said = shop.refused("token", "1")
    assert said == (
        "'1' may be several users (id 1: ada@example.com, ada; id 2: 1@example.com, 1). "
        "Say which with --by or --realm."
    )
    assert shop.json("token", "1", "--by", "id")["user"] == "1"
    assert shop.json("token", "1", "--by", "username")["user"] == "2"
    assert shop.refused("token", "1", "--by", "email") == "Clerk has no user with the email '1'."


def test_users_of_several_realms_are_told_apart_by_realm() -> None:
    shop = Shop(realm_required=True)
    shop.add("ada", realm="north")
    shop.add("ada", realm="south")
    assert "in the realm 'north'; id 2" in shop.refused("token", "ada")
    assert shop.json("token", "ada", "--realm", "south")["user"] == "2"
    said = shop.refused("token", "ada", "--realm", "east")
    assert said == "Clerk has no user 'ada' in the realm 'east'."
    shop.done("create", "--email", "ada@example.com", "--realm", "east", "--no-password")
    assert shop.json("token", "ada@example.com", "--realm", "east")["user"] == "3"


def test_a_token_is_good_for_its_ttl(shop: Shop) -> None:
    shop.add("ada")
    made = shop.json("token", "ada", "--ttl", "3600")
    assert made["ttl"] == 3600
    ends = datetime.fromisoformat(made["ends"])
    assert timedelta(minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=1)
    assert shop.json("token", "ada")["ttl"] == 1209600
    with shop.app.app_context():
        past = datetime.now(UTC) - timedelta(hours=2)
        shop.users.session.update_all({"ttl": 3600}, {"created": past})
    assert shop.get("/clerks/1", made["token"]) == 401


def test_a_token_without_end_is_made_where_the_model_allows_it(shop: Shop) -> None:
    shop.add("ada")
    assert "ttl is a positive whole number" in shop.refused("token", "ada", "--ttl", "-1")
    shop.users.settings.allow_eternal_tokens = True
    result = shop.run("token", "ada", "--ttl", "-1")
    assert "It never ends" in result.stderr
    assert shop.get("/clerks/1", result.stdout.strip()) == 200
    assert shop.json("token", "ada", "--ttl", "-1")["ends"] is None


@pytest.mark.parametrize("ttl", ["0", "-2"])
def test_a_ttl_that_means_nothing_makes_no_token(shop: Shop, ttl: str) -> None:
    shop.add("ada")
    assert "ttl" in shop.refused("token", "ada", "--ttl", ttl)
    with shop.app.app_context():
        assert shop.users.session.count() == 0


def test_a_token_is_for_its_scopes_alone(shop: Shop) -> None:
    shop.add("ada")
    for scopes, own, report in (
        (["--scopes", "reports"], 403, 200),
        (["--scopes", "reports, DEFAULT"], 200, 200),
        ([], 200, 403),
    ):
        token = shop.json("token", "ada", *scopes)["token"]
        assert (shop.get("/clerks/1", token), shop.get("/clerks/report", token)) == (own, report)
    assert shop.run("token", "ada", "--scopes", "reports,,x").exit_code == 2


# roles


def test_a_role_that_is_given_counts_and_one_that_is_taken_does_not(shop: Shop) -> None:
    shop.add("ada")
    token = shop.json("token", "ada")["token"]
    assert shop.get("/ledgers", token) == 401
    assert shop.json("roles", "ada", "--add", "editor", "--create") == [
        {"role": "editor", "direct": True}
    ]
    assert shop.get("/ledgers", token) == 200
    assert shop.json("roles", "ada", "--remove", "editor") == []
    assert shop.get("/ledgers", token) == 401


def test_a_user_without_roles_has_none(shop: Shop) -> None:
    shop.add("ada")
    result = shop.run("roles", "ada")
    assert (result.exit_code, result.stderr) == (0, "The user has no roles.\n")


def test_roles_are_given_and_taken_in_one_command_and_twice_is_once(shop: Shop) -> None:
    shop.add("ada")
    shop.add("bob")
    for name in ("author", "editor", "reader"):
        with shop.app.app_context():
            shop.role(name)
    shop.done("roles", "bob", "--add", "editor")
    shop.done("roles", "ada", "--add", "editor", "--add", "reader", "--add", "editor")
    shop.done("roles", "ada", "--add", "editor")
    lines = shop.done("roles", "ada", "--add", "author", "--remove", "editor").splitlines()
    assert [line.split() for line in lines] == [["ROLE", "GIVEN"], ["author"], ["reader"]]
    assert shop.json("roles", "ada", "--remove", "editor", "--remove", "author") == [
        {"role": "reader", "direct": True}
    ]
    assert shop.json("roles", "bob") == [{"role": "editor", "direct": True}]
    with shop.app.app_context():
        assert shop.mappings.count() == 2


def test_a_role_that_comes_by_another_is_shown_as_such(shop: Shop) -> None:
    shop.add("ada")
    with shop.app.app_context():
        editor, author = shop.role("editor"), shop.role("author")
        shop.mappings.create(principal_type="ROLE", principal_id=str(editor.id), role_id=author.id)
    assert shop.json("roles", "ada", "--add", "editor") == [
        {"role": "author", "direct": False},
        {"role": "editor", "direct": True},
    ]
    assert "author  by another role" in shop.done("roles", "ada")
    assert {each["role"] for each in shop.json("roles", "ada", "--remove", "author")} == {
        "author",
        "editor",
    }


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--add", "There is no role 'editro' (--create makes it); did you mean 'editor'?"),
        ("--remove", "There is no role 'editro'; did you mean 'editor'?"),
    ],
)
def test_a_role_that_there_is_not_changes_nothing(shop: Shop, option: str, message: str) -> None:
    shop.add("ada")
    with shop.app.app_context():
        shop.role("editor")
    assert shop.refused("roles", "ada", "--add", "editor", option, "editro") == message
    with shop.app.app_context():
        assert shop.mappings.count() == 0


def test_a_role_that_is_found_out_at_each_call_is_given_to_nobody(shop: Shop) -> None:
    shop.add("ada")
    shop.roles.register_resolver("colleague", lambda access: access.is_authenticated)
    for name in ("$owner", "$everyone", "colleague"):
        said = shop.refused("roles", "ada", "--add", name, "--create")
        assert said.startswith(f"Nobody is given the role {name!r}")
    with shop.app.app_context():
        assert shop.roles.count() == 0


def test_a_role_is_not_given_and_taken_at_once(shop: Shop) -> None:
    shop.add("ada")
    result = shop.run("roles", "ada", "--add", "editor", "--remove", "editor", "--create")
    assert (result.exit_code, "the same role: editor" in result.stderr) == (2, True)


def test_an_app_without_roles_says_so() -> None:
    shop = Shop(roles=False)
    shop.add("ada")
    assert shop.refused("roles", "ada").startswith("The app has no roles: extend Role")


# list


def test_users_are_listed_in_the_order_of_their_ids(shop: Shop) -> None:
    shop.add("bob", email_verified=True)
    shop.add("ada")
    lines = [line.split() for line in shop.done("list").splitlines()]
    assert lines == [
        ["ID", "USERNAME", "EMAIL", "EMAIL", "VERIFIED"],
        ["1", "bob", "bob@example.com", "yes"],
        ["2", "ada", "ada@example.com", "no"],
    ]
    assert [each["id"] for each in shop.json("list", "--limit", "1")] == ["1"]
    assert PASSWORD not in shop.done("list", "--json")
    assert "argon2" not in shop.done("list", "--json")


def test_where_there_are_no_users_the_list_says_how_to_make_one(shop: Shop) -> None:
    assert "flask loop users create makes the first one" in shop.run("list").stderr


def test_realms_are_listed_where_there_are_some() -> None:
    shop = Shop(realm_required=True)
    shop.add("ada", realm="north")
    assert shop.done("list").splitlines()[1].split() == [
        *("1", "ada", "ada@example.com", "north", "no")
    ]


# purge


def test_sessions_that_are_over_are_deleted_and_no_others(shop: Shop) -> None:
    shop.add("ada")
    tokens = [shop.json("token", "ada", "--ttl", ttl)["token"] for ttl in ("60", "61", "9999")]
    with shop.app.app_context():
        past = datetime.now(UTC) - timedelta(seconds=100)
        shop.users.session.update_all({}, {"created": past})
    assert shop.json("purge") == [{"sessions": "ClerkSession", "model": "Clerk", "deleted": 2}]
    with shop.app.app_context():
        assert shop.users.session.count() == 1
    assert shop.get("/clerks/1", tokens[2]) == 200
    assert shop.done("purge").splitlines()[1].split() == ["ClerkSession", "Clerk", "0"]


# Several models of users, and none


def test_where_there_are_several_models_of_users_one_is_named() -> None:
    shop = Shop(guests=True)
    arguments = ("create", "--email", "ada@example.com", "--no-password")
    assert shop.refused(*arguments) == "Which users? Give --model: Clerk, ShopGuest."
    said = shop.refused(*arguments, "--model", "Guest")
    assert said.startswith("The app has no model of users 'Guest'")
    assert "Created ShopGuest 1" in shop.done(*arguments, "--model", "ShopGuest")
    shop.add("ada")
    token = shop.json("token", "ada@example.com", "--model", "ShopGuest")["token"]
    assert (shop.get("/shopGuests/1", token), shop.get("/clerks/1", token)) == (200, 401)
    assert [each["model"] for each in shop.json("list")] == ["Clerk", "ShopGuest"]
    assert shop.done("list").split()[0] == "MODEL"
    assert [each["model"] for each in shop.json("list", "--model", "Clerk")] == ["Clerk"]
    assert [each["model"] for each in shop.json("purge")] == ["Clerk", "ShopGuest"]


def test_a_role_is_that_of_a_user_of_one_model_alone() -> None:
    shop = Shop(guests=True)
    shop.add("ada")
    shop.done("create", "--email", "ada@example.com", "--no-password", "--model", "ShopGuest")
    model = ("--model", "Clerk")
    shop.done("roles", "1", "--add", "editor", "--create", *model)
    assert shop.json("roles", "1", "--model", "ShopGuest") == []
    tokens = [shop.json("token", "1", "--model", name)["token"] for name in ("Clerk", "ShopGuest")]
    assert [shop.get("/ledgers", token) for token in tokens] == [200, 401]


@pytest.mark.parametrize(
    "arguments", [["list"], ["purge"], ["token", "x"], ["create", "--email", "a@example.com"]]
)
@pytest.mark.parametrize(
    ("has_loop", "message"),
    [(False, "The app 'empty' has no Loop"), (True, "The app has no users: extend User")],
)
def test_an_app_without_users_says_so(arguments: list[str], has_loop: bool, message: str) -> None:
    app = Flask("empty")
    kept = Loop(app) if has_loop else None
    found = ScriptInfo(create_app=lambda: app)
    result = app.test_cli_runner().invoke(loop_commands, ["users", *arguments], obj=found)
    assert (result.exit_code, bool(kept)) == (1, has_loop)
    assert message in result.stderr


@pytest.mark.parametrize("command", ["create", "token", "roles", "list", "purge"])
def test_each_command_says_what_it_does(shop: Shop, command: str) -> None:
    said = shop.done(command, "--help")
    assert f"Usage: shop loop users {command}" in said or f"users {command}" in said
    assert "--json" in said
