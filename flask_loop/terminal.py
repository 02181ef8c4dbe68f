"""What commands write: tables on a terminal, plain columns elsewhere, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from flask import current_app

from .state import State

Row = Mapping[str, Any]


def app_state() -> State:
    """The app's part of Flask-Loop, for a command.

    :raises ClickException: where the app has none.
    """
    try:
        state: State = current_app.extensions["loop"]
    except KeyError:
        raise click.ClickException(
            f"The app {current_app.name!r} has no Loop. Call Loop(app), or loop.init_app(app) in "
            "the application factory."
        ) from None
    return state


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """Write rows as a table, or as JSON.

    :param columns: the keys of each row, in order.
    :param empty: what is said where there are none.
    """
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
