"""``flask loop``: what an app exposes, on the command line.

Flask finds the group through the entry point ``flask.commands`` and on ``app.cli``: it is the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import AppGroup

from .errors import LoopError
from .http import flask_path
from .remoting import idle_registrations
from .state import State

P = ParamSpec("P")
T = TypeVar("T")
Row = Mapping[str, Any]

NO_MODELS = "No models are exposed: loop.model(Product) exposes one."
NO_METHODS = "No model has a method for remote callers: all are switched off."
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

loop = AppGroup("loop", help="Show what Flask-Loop exposes.", short_help="Show models and routes.")


def _reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Let an error of Flask-Loop be a message on the terminal, not a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except LoopError as error:
            raise click.ClickException(str(error)) from error

    return run


_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of a table."
)


@loop.command(
    epilog="""\b
Examples:
  flask loop routes
  flask loop routes | grep POST
  flask loop routes --json | jq -r '.[].path'
"""
)
@_json_option
@_reports_errors
def routes(as_json: bool) -> None:
    """List the routes that remote callers have now."""
    state = _state()
    empty = NO_METHODS if state.exposures else NO_MODELS
    _show(_routes(state), ("verb", "path", "method", "model"), as_json, empty)
    for idle in idle_registrations(state.exposures, state.hooks, state.switches):
        click.echo(f"Warning: {idle}.", err=True)


@loop.command(
    epilog="""\b
Examples:
  flask loop models
  flask loop models --json | jq -r '.[] | select(.connector == "sqlite") | .name'
"""
)
@_json_option
@_reports_errors
def models(as_json: bool) -> None:
    """List the exposed models and where their records are."""
    columns = ("name", "path", "data_source", "connector", "properties", "id")
    _show(_models(_state()), columns, as_json, NO_MODELS)


def _state() -> State:
    try:
        state: State = current_app.extensions["loop"]
    except KeyError:
        raise click.ClickException(
            f"The app {current_app.name!r} has no Loop. Call Loop(app), or loop.init_app(app) in "
            "the application factory."
        ) from None
    return state


def _routes(state: State) -> list[Row]:
    rows: list[Row] = []
    for model, exposure in state.exposures.items():
        definition = model.definition
        found = [
            {
                "verb": route.verb,
                "path": state.url_prefix + definition.http_path + flask_path(route.path),
                "method": f"{definition.plural}.{method.wire}",
                "model": definition.name,
            }
            for method in exposure.remote_methods()
            for route in method.routes
        ]
        rows += sorted(found, key=lambda row: (row["path"], _VERBS.index(row["verb"])))
    return rows


def _models(state: State) -> list[Row]:
    return [
        {
            "name": model.definition.name,
            "path": state.url_prefix + model.definition.http_path,
            "data_source": source.name if (source := model.data_source) else None,
            "connector": source.connector.name if source else None,
            "properties": len(model.definition.properties),
            "id": [each.wire for each in model.definition.ids],
        }
        for model in state.models
    ]


# Output


def _show(rows: Sequence[Row], columns: Sequence[str], as_json: bool, empty: str) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    headings = [column.replace("_", " ").upper() for column in columns]
    cells = [[_text(row[column]) for column in columns] for row in rows]
    if sys.stdout.isatty():
        _show_on_terminal(headings, cells)
    else:
        for line in _aligned([headings, *cells]):
            click.echo(line)
    if not rows:
        click.echo(empty, err=True)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _show_on_terminal(headings: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    # Only here, so that other commands of the app do not wait for rich.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in cells:
        table.add_row(*map(escape, line))
    Console().print(table)
