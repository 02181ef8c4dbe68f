"""``flask loop discover``: models of the tables that are there, as files to go on with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import quote

import click
from flask.cli import ScriptInfo

from .datasource import DataSource, create_data_source
from .discovery import NameMapper, Schemas, camel_names, json_files, python_files, snake_names
from .discovery import write as write_files
from .errors import DefinitionError, LoopError, Unavailable
from .state import State

if TYPE_CHECKING:
    from flask import Flask

P = ParamSpec("P")
T = TypeVar("T")

NAMES: dict[str, NameMapper] = {"camel": camel_names, "snake": snake_names}
#: The names that a person would write in each format.
_USUAL_NAMES = {"python": "snake", "json": "camel"}


def selecting_tables(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command the options that choose tables."""
    options = (
        click.option("--owner", metavar="SCHEMA", help="The schema that the tables are in."),
        click.option(
            "--table",
            "tables",
            metavar="NAME",
            multiple=True,
            help="A table or view; may be repeated. All where not given.",
        ),
        click.option("--views/--no-views", default=True, help="Whether views are taken, too."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def reporting_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Let an error of Flask-Loop be a message on the terminal, not a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except Unavailable as error:
            raise click.ClickException(f"{error} {_reason(error)}".rstrip()) from error
        except LoopError as error:
            raise click.ClickException(str(error)) from error

    return run


def _reason(error: Unavailable) -> str:
    """What the driver says of a database that cannot be reached."""
    return str(getattr(error.__cause__, "orig", None) or error.__cause__ or "")


@click.command(
    epilog="""\b
Examples:
  flask loop discover --source db
  flask loop discover sqlite:///shop.sqlite --format json --output models
  flask loop discover postgresql://shop@localhost/shop --table orders --table customers
"""
)
@click.argument("url", required=False)
@click.option("--source", metavar="NAME", help="One of the app's LOOP_DATA_SOURCES, without a URL.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    show_default=True,
    help="The folder that the files are written to.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["python", "json"]),
    default="python",
    show_default=True,
    help="Classes, or LoopBack's JSON.",
)
@selecting_tables
@click.option(
    "--names",
    type=click.Choice(sorted(NAMES)),
    help="The names of properties: camelCase, or snake_case, which is the same to clients. "
    "[default: snake for Python, camel for JSON]",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.pass_context
@reporting_errors
def discover(
    context: click.Context,
    *,
    url: str | None,
    source: str | None,
    output: Path,
    form: str,
    owner: str | None,
    tables: tuple[str, ...],
    views: bool,
    names: str | None,
    force: bool,
) -> None:
    """Write a file for each table of a database: a model.

    The database is that of URL, or a data source of the app.
    """
    mapper = NAMES[names or _USUAL_NAMES[form]]
    with _data_source(context, url, source) as found:
        documents = Schemas(found.connector, mapper).every(tables or None, owner=owner, views=views)
    if not documents:
        raise click.ClickException("The database has no tables there.")
    files = python_files if form == "python" else json_files
    paths = write_files(files(documents, found.name), output, force=force)
    for path in paths:
        click.echo(str(path))


@contextmanager
def _data_source(context: click.Context, url: str | None, name: str | None) -> Iterator[DataSource]:
    """The data source that is meant: that of a URL, or one of the app's."""
    if url is not None:
        with opened(url, writable=False, name=name or "db") as source:
            yield source
        return
    app: Flask = context.ensure_object(ScriptInfo).load_app()
    state: State | None = app.extensions.get("loop")
    if state is None:
        raise click.ClickException(f"The app {app.name!r} has no Loop, and no URL is given.")
    with app.app_context():
        name = name or _only_source(state)
        yield DataSource(name, state.connector(name))


def _only_source(state: State) -> str:
    known = list(state.data_sources)
    if len(known) == 1:
        return known[0]
    raise click.ClickException(
        "Which data source? Give a URL, or --source with one of "
        f"{', '.join(known) or 'LOOP_DATA_SOURCES, which has none'}."
    )


@contextmanager
def opened(url: str, *, writable: bool, name: str = "db") -> Iterator[DataSource]:
    """The data source of a URL, for a command.

    :param url: the URL; its password is in no message.
    :param writable: whether a file is opened for writing.
    :param name: what the data source is called.
    :raises DefinitionError: where it is the URL of no database, or of a file that is not there.
    """
    source = None
    try:
        source = create_data_source(url=_of_file(url, writable=writable), name=name)
        yield source
    except Unavailable as error:
        reason = _without_password(_reason(error) or str(error), url)
        raise DefinitionError(f"{shown(url)}: {reason}") from None
    except DefinitionError as error:
        raise DefinitionError(_without_password(str(error), url)) from None
    finally:
        if source is not None:
            source.close()


def shown(url: str) -> str:
    """A URL without its password."""
    return _without_password(url, url)


def _without_password(text: str, url: str) -> str:
    password = _password(url)
    return text.replace(f":{password}@", ":***@").replace(password, "***") if password else text


def _password(url: str) -> str | None:
    login, at, _ = url.partition("://")[2].rpartition("@")
    return login.partition(":")[2] or None if at else None


def _of_file(url: str, *, writable: bool) -> str:
    """The URL that opens a file of SQLite, which has to be there, as it is.

    Other connections would make a file that is not there, and keep a journal beside it.
    """
    scheme, _, path = url.partition("://")
    if scheme.partition("+")[0] != "sqlite" or not path.startswith("/") or len(path) < 2:
        return url
    file, _, query = path[1:].partition("?")
    if file.startswith("file:") or file == ":memory:":
        return url
    if not Path(file).is_file():
        raise DefinitionError(f"there is no file {os.path.abspath(file)}")
    if writable:
        return url
    more = f"&{query}" if query else ""
    return f"{scheme}:///file:{quote(file)}?mode=ro&uri=true{more}"
