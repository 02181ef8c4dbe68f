"""``flask loop migrate``: versioned migrations of the app's databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from flask.cli import AppGroup

from .datasource import DataSource
from .discovery_commands import reporting_errors
from .migrations import migrations_of
from .terminal import app_state, show

if TYPE_CHECKING:
    from .migrations.revisions import Migrations

C = TypeVar("C", bound=Callable[..., Any])

ACTUAL = "There is nothing to do: the tables are as the models ask for."
NO_REVISIONS = "There are no revisions: flask loop migrate revision makes the first one."
_NO_SQL = (
    "None of the app's data sources is an SQL database, which migrations are for; "
    "auto_update() makes what the others need."
)
_COLUMNS = ("change", "table", "name", "detail")

migrate = AppGroup(
    "migrate",
    help="Bring databases to what models ask for, by revisions: scripts that a person reviews.",
    short_help="Make and run migrations.",
    epilog="""\b
Examples:
  flask loop migrate diff
  flask loop migrate revision -m "Prices of products"
  flask loop migrate upgrade --sql
  flask loop migrate upgrade
""",
)

_sql_option = click.option(
    "--sql", is_flag=True, help="Print the SQL that would run, and change nothing."
)
_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of a table."
)
_message_option = click.option("-m", "--message", required=True, help="What it is for.")


def _of_a_source(command: C) -> C:
    """Give a command the options that say which database and which folder."""
    options = (
        click.option(
            "--source",
            metavar="NAME",
            help="The data source; needs no saying where one is an SQL database.",
        ),
        click.option(
            "--directory",
            type=click.Path(file_okay=False, path_type=Path),
            help="The folder of its revisions. [default: migrations/NAME]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@migrate.command()
@_of_a_source
@_json_option
@click.option("--sql", is_flag=True, help="Print the SQL that a revision would run.")
@click.option("--check", is_flag=True, help="End with status 1 where something differs.")
@click.option("--allow-drop", is_flag=True, help="Columns that no model knows differ, too.")
@reporting_errors
def diff(
    *,
    source: str | None,
    directory: Path | None,
    as_json: bool,
    sql: bool,
    check: bool,
    allow_drop: bool,
) -> None:
    """Say what tables differ in from what models ask for."""
    migrations = _migrations(source, directory)
    found = migrations.diff()
    if sql:
        click.echo(migrations.diff_sql(allow_drop=allow_drop))
    else:
        dialect = migrations.connector.session.engine.dialect
        rows = [line._asdict() for each in found for line in each.lines(dialect)]
        show(rows, _COLUMNS, as_json, ACTUAL)
    if check and any(each or (allow_drop and each.unknown_columns) for each in found):
        raise click.exceptions.Exit(1)


@migrate.command()
@_of_a_source
@_message_option
@click.option("--allow-drop", is_flag=True, help="Drop columns that no model knows.")
@click.option(
    "--initial", is_flag=True, help="Write it as if the database was empty, though it is not."
)
@click.option("--empty", is_flag=True, help="Write one that does nothing yet.")
@reporting_errors
def revision(
    *,
    source: str | None,
    directory: Path | None,
    message: str,
    allow_drop: bool,
    initial: bool,
    empty: bool,
) -> None:
    """Write a revision of what differs, to be reviewed."""
    migrations = _migrations(source, directory)
    path = migrations.revision(message, allow_drop=allow_drop, initial=initial, empty=empty)
    click.echo(ACTUAL if path is None else str(path))


@migrate.command()
@_of_a_source
@click.argument("target", default="head")
@_sql_option
@reporting_errors
def upgrade(*, source: str | None, directory: Path | None, target: str, sql: bool) -> None:
    """Run the revisions that the database has not had, up to TARGET.

    TARGET is a revision's id, head (the default), or +1 for the next one.
    """
    migrations = _migrations(source, directory)
    if sql:
        click.echo(migrations.upgrade_sql(target))
        return
    _tell(migrations, "Ran", migrations.upgrade(target))


@migrate.command(context_settings={"ignore_unknown_options": True})  # -1 is none
@_of_a_source
@click.argument("target", default="-1")
@_sql_option
@click.option("--allow-drop", "--yes", is_flag=True, help="Lose the data that goes with it.")
@reporting_errors
def downgrade(
    *, source: str | None, directory: Path | None, target: str, sql: bool, allow_drop: bool
) -> None:
    """Undo revisions, down to TARGET.

    TARGET is a revision's id, -1 (the default) for the one before, or base for none. Where tables
    or columns would be dropped, it says which, and does nothing without --allow-drop.
    """
    migrations = _migrations(source, directory)
    if sql:
        click.echo(migrations.downgrade_sql(target))
        return
    _tell(migrations, "Undid", migrations.downgrade(target, allow_drop=allow_drop))


@migrate.command()
@_of_a_source
@_json_option
@reporting_errors
def history(*, source: str | None, directory: Path | None, as_json: bool) -> None:
    """List the revisions, the newest first."""
    rows = [
        {
            "revision": each.id,
            "made": each.made,
            "message": each.message,
            "after": list(each.after),
            "current": each.is_current,
            "file": str(each.path),
        }
        for each in _migrations(source, directory).history()
    ]
    if as_json:
        show(rows, (), as_json, NO_REVISIONS)
        return
    marked = [{**row, "": "current" if row["current"] else ""} for row in rows]
    show(marked, ("revision", "made", "message", ""), as_json, NO_REVISIONS)


@migrate.command()
@_of_a_source
@reporting_errors
def current(*, source: str | None, directory: Path | None) -> None:
    """Print the id of the last revision that the database has had."""
    found = _migrations(source, directory).current()
    for each in found:
        click.echo(each)
    if not found:
        click.echo("The database has had no revision.", err=True)


@migrate.command()
@_of_a_source
@click.argument("target", default="head")
@_sql_option
@reporting_errors
def stamp(*, source: str | None, directory: Path | None, target: str, sql: bool) -> None:
    """Note that the database has had the revisions up to TARGET, and run none.

    TARGET is a revision's id, head (the default), or base for none.
    """
    migrations = _migrations(source, directory)
    if sql:
        click.echo(migrations.stamp_sql(target))
        return
    migrations.stamp(target)
    click.echo(f"The database is at {', '.join(migrations.current()) or 'no revision'}.")


@migrate.command()
@_of_a_source
@_message_option
@reporting_errors
def merge(*, source: str | None, directory: Path | None, message: str) -> None:
    """Write a revision that comes after all heads, where two were made at once."""
    path = _migrations(source, directory).merge(message)
    click.echo("There is one head." if path is None else str(path))


def _tell(migrations: Migrations, done: str, revisions: list[str]) -> None:
    messages = {each.id: each.message for each in migrations.history()}
    for each in revisions:
        click.echo(f"{done} {each}: {messages.get(each, '')}")
    if not revisions:
        click.echo("There is nothing to do.")


# Which database


def _migrations(name: str | None, directory: Path | None) -> Migrations:
    sources = _sources()
    if name is None:
        sql = [each for each, source in sources.items() if _is_sql(source)]
        if not sql:
            raise click.ClickException(_NO_SQL)
        if len(sql) != 1:
            raise click.ClickException(f"Which data source? Give --source: {', '.join(sql)}.")
        (name,) = sql
    if name not in sources:
        known = ", ".join(sources) or "no data source"
        if name in app_state().data_sources:
            raise click.ClickException(f"No model is on the data source {name!r}, but on {known}.")
        raise click.ClickException(f"There is no data source {name!r}: the app has {known}.")
    return migrations_of(sources[name], directory)


def _sources() -> Mapping[str, DataSource]:
    """The data sources of the app by name: those of its Loop, and those of exposed models."""
    state = app_state()
    found = (model.data_source for model in state.reachable)
    others = {source.name: source for source in found if source is not None}
    return {**others, **state.sources}


def _is_sql(source: DataSource) -> bool:
    return hasattr(source.connector, "migration")
