"""``flask loop users``: the users of an app, their tokens and their roles, for operators."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from ..accounts.sessions import end_expired, expiry_of
from ..definition import nearest
from ..discovery_commands import reporting_errors
from ..remoting import id_text
from ..terminal import Row, app_state, show
from .found import NAMES, Found, shown, user_model, user_models
from .held import HeldRoles

C = TypeVar("C", bound=Callable[..., Any])

NO_USERS = "There are no users yet: flask loop users create makes the first one."
NO_ROLES = "The user has no roles."
NO_SESSIONS = "No user of the app has a place for sessions."
_NOT_TO_BE_SET = ("id", "password", "email", "username", "realm", "email_verified")

users = AppGroup(
    "users",
    help="Make users, tokens for them, and give them roles.",
    short_help="Users, tokens and roles.",
    epilog="""\b
Examples:
  flask loop users create --email ada@example.com --verified
  flask loop users token ada@example.com --ttl 3600
  flask loop users roles ada@example.com --add editor
  flask loop users purge
""",
)

_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of a table."
)
_model_option = click.option(
    "--model", "model_name", metavar="NAME", help="The model of users, where the app has several."
)


def _of_a_user(command: C) -> C:
    """Give a command the argument and the options that say which user is meant."""
    options = (
        click.argument("user"),
        _model_option,
        click.option("--realm", help="The user's realm, where others have the same name."),
        click.option(
            "--by",
            type=click.Choice([*NAMES, "id"]),
            help="What USER is. [default: whichever it fits]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@users.command(
    epilog="""\b
Examples:
  flask loop users create --email ada@example.com --username ada --verified
  flask loop users create --email ada@example.com --username ada --set fullName="Ada Lovelace"
  flask loop users create --email robot@example.com --password-stdin < password.txt
"""
)
@click.option("--email", help="The address.")
@click.option("--username", help="The name to log in with.")
@click.option("--realm", help="The realm, where the model has such.")
@_model_option
@click.option("--verified", is_flag=True, help="The address needs no mail to be verified.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option("--no-password", is_flag=True, help="Let the user have none, and no login by one.")
@click.option(
    "--set",
    "properties",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another property of the model; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@reporting_errors
def create(
    *,
    email: str | None,
    username: str | None,
    realm: str | None,
    model_name: str | None,
    verified: bool,
    password_stdin: bool,
    no_password: bool,
    properties: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a user.

    The password is asked for, and not shown while it is written.
    """
    if email is None and username is None:
        raise click.UsageError("Give --email, --username, or both.")
    if password_stdin and no_password:
        raise click.UsageError("--password-stdin and --no-password exclude each other.")
    model = user_model(model_name)
    given = {"email": email, "username": username, "realm": realm}
    data: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    data |= _read_properties(model, properties)
    if verified:
        data["email_verified"] = True
    _refuse_unknown(model, data)
    if not no_password:
        data["password"] = _piped_password() if password_stdin else _asked_password()
    user = model.create(data)
    row = _row(model, user)
    if as_json:
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
    else:
        click.echo(f"Created {model.model_name} {row['id']} ({shown(user)}).")


@users.command(
    epilog="""\b
Examples:
  TOKEN=$(flask loop users token ada@example.com --ttl 3600)
  flask loop users token robot@example.com --scopes reports,DEFAULT
"""
)
@_of_a_user
@click.option(
    "--ttl",
    type=int,
    metavar="SECONDS",
    help="How long it is good; -1 is for ever, where the model allows it. [default: the model's]",
)
@click.option(
    "--scopes",
    metavar="NAME,NAME",
    help="What it is for. [default: DEFAULT, which is what methods ask for that say nothing]",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@reporting_errors
def token(
    *,
    user: str,
    model_name: str | None,
    realm: str | None,
    by: str | None,
    ttl: int | None,
    scopes: str | None,
    as_json: bool,
) -> None:
    """Make a session for USER, and print its token.

    USER is an email address, a username or an id. The token is shown this once: what is stored of
    it is its digest.
    """
    found = Found.of(user, model_name, realm, by)
    if found.model.session.data_source is None:
        raise click.ClickException(
            f"{found.model.model_name}.session is attached to no data source."
        )
    asked = None if scopes is None else _listed(scopes, "--scopes")
    session = found.user.create_session(ttl, asked)
    ends = expiry_of(found.model, session.to_record())
    if as_json:
        row = {
            "token": session.id,
            "model": found.model.model_name,
            "user": found.id,
            "ttl": session.ttl,
            "ends": None if ends is None else _time(ends),
            "scopes": session.scopes,
        }
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
        return
    click.echo(session.id)
    until = "It never ends" if ends is None else f"It is good until {_time(ends)}"
    click.echo(f"{until}, and is shown this once.", err=True)


@users.command(
    epilog="""\b
Examples:
  flask loop users roles ada@example.com
  flask loop users roles ada@example.com --add editor --create
  flask loop users roles ada@example.com --remove editor --add author
"""
)
@_of_a_user
@click.option("--add", "added", metavar="ROLE", multiple=True, help="Give a role.")
@click.option("--remove", "removed", metavar="ROLE", multiple=True, help="Take a role away.")
@click.option("--create", "makes", is_flag=True, help="Make roles of --add that there are not yet.")
@_json_option
@reporting_errors
def roles(
    *,
    user: str,
    model_name: str | None,
    realm: str | None,
    by: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    makes: bool,
    as_json: bool,
) -> None:
    """List the roles of USER, after those of --add were given and those of --remove taken away.

    USER is an email address, a username or an id.
    """
    both = sorted({*added} & {*removed})
    if both:
        raise click.UsageError(f"--add and --remove name the same role: {', '.join(both)}.")
    found = Found.of(user, model_name, realm, by)
    held = HeldRoles.of(app_state(), found)
    known = held.ids(removed)
    known |= held.made(added) if makes else held.ids(added, " (--create makes it)")
    held.give(known[name] for name in added)
    held.take(known[name] for name in removed)
    direct = held.direct()
    rows = [{"role": name, "direct": name in direct} for name in sorted(held.all())]
    if as_json:
        show(rows, (), as_json, NO_ROLES)
        return
    table = [{**row, "given": "" if row["direct"] else "by another role"} for row in rows]
    show(table, ("role", "given"), as_json, NO_ROLES)


@users.command(name="list")
@_model_option
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="The most of a model."
)
@_json_option
@reporting_errors
def list_users(*, model_name: str | None, limit: int, as_json: bool) -> None:
    """List the users, in the order of their ids."""
    rows: list[Row] = []
    models = user_models() if model_name is None else [user_model(model_name)]
    for model in models:
        order = [each.name for each in model.definition.ids]
        rows += [_row(model, each) for each in model.find(order=order, limit=limit)]
    columns = ("model", "id", "username", "email", "realm", "email_verified")
    usual = [
        each
        for each in columns
        if (each != "model" or len(models) > 1)
        and (each != "realm" or any(row["realm"] is not None for row in rows))
    ]
    if not as_json:
        rows = [{**row, "email_verified": "yes" if row["email_verified"] else "no"} for row in rows]
    show(rows, usual, as_json, NO_USERS)


@users.command()
@_model_option
@_json_option
@reporting_errors
def purge(*, model_name: str | None, as_json: bool) -> None:
    """Delete the sessions that are over.

    One that somebody tries to use is deleted then; this is for the others.
    """
    models = user_models() if model_name is None else [user_model(model_name)]
    rows = [
        {
            "sessions": model.session.model_name,
            "model": model.model_name,
            "deleted": end_expired(model),
        }
        for model in models
        if model.session.data_source is not None
    ]
    show(rows, ("sessions", "model", "deleted"), as_json, NO_SESSIONS)


# What is given


def _read_properties(model: Any, written: Iterable[str]) -> dict[str, Any]:
    """What ``--set`` says, by Python name."""
    data = {}
    for each in written:
        name, equals, value = each.partition("=")
        found = model.definition.find(name)
        if not equals:
            raise click.UsageError(f"--set takes NAME=VALUE, not {each!r}.")
        if found is None:
            hint = nearest(name, model.definition.properties)
            raise click.ClickException(f"{model.model_name} has no property {name!r}{hint}")
        if found.name in _NOT_TO_BE_SET:
            raise click.UsageError(f"--set is not for {name!r}: see --help.")
        data[found.name] = value
    return data


def _refuse_unknown(model: Any, names: Iterable[str]) -> None:
    for name in names:
        if name not in model.definition.properties:
            raise click.ClickException(f"{model.model_name} has no property {name!r}")


def _piped_password() -> str:
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise click.ClickException("The password is not UTF-8.") from None
    return text.removesuffix("\n").removesuffix("\r")


def _asked_password() -> str:
    if not sys.stdin.isatty():
        raise click.ClickException(
            "There is no terminal on which to ask for the password: give --password-stdin, or "
            "--no-password."
        )
    password: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    return password


def _listed(text: str, option: str) -> list[str]:
    names = [each.strip() for each in text.split(",")]
    if not all(names):
        raise click.UsageError(f"{option} takes names with commas between them, not {text!r}.")
    return names


# What is shown


def _row(model: Any, user: Any) -> Row:
    return {
        "model": model.model_name,
        "id": id_text(user),
        **{
            name: getattr(user, name, None)
            for name in ("username", "email", "realm", "email_verified")
        },
    }


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
