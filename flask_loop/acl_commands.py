"""``flask loop acl``: who may call what."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .access import AccessControl
from .access.audience import audience_of
from .definition import nearest
from .discovery_commands import reporting_errors
from .methods import RemoteMethod
from .state import State
from .terminal import Row, app_state, show

_COLUMNS = ("method", "access_type", "who", "open")


@click.command(
    epilog="""\b
Examples:
  flask loop acl
  flask loop acl Order
  flask loop acl --open
  flask loop acl --json | jq -r '.[] | select(.access_type == "WRITE") | .method'
"""
)
@click.argument("model", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only what is open to everyone.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@with_appcontext
@reporting_errors
def acl(model: str | None, only_open: bool, as_json: bool) -> None:
    """Show who may call which method, and mark what is open to everyone.

    Who is $owner or $related, or has a role that a function says, may call it for some records.
    """
    state = app_state()
    names = [each.model_name for each in state.exposures]
    if model is not None and model not in names:
        raise click.ClickException(f"no exposed model is called {model!r}{nearest(model, names)}")
    rows = [
        row
        for row in _rows(state)
        if (model is None or row["model"] == model) and (row["open"] or not only_open)
    ]
    empty = "Nothing is open to everyone." if only_open else "No method is remote."
    shown = rows if as_json else list(map(_in_table, rows))
    show(shown, _COLUMNS, as_json, empty)
    for idle in _guard(state).idle_entries():
        click.echo(f"Warning: {idle}.", err=True)


def _guard(state: State) -> AccessControl:
    guard: AccessControl = state.guard
    return guard


def _rows(state: State) -> list[Row]:
    return [
        _row(state, model, method)
        for model, exposure in state.exposures.items()
        for method in exposure.remote_methods()
    ]


def _row(state: State, model: type, method: RemoteMethod) -> Row:
    guard = _guard(state)
    rules = guard.rules(model, method)
    audience = audience_of(guard, model, method)
    _, *others = guard.chain(model, method)
    definition = model.definition  # type: ignore[attr-defined]
    return {
        "model": definition.name,
        "method": f"{definition.plural}.{method.wire}",
        "access_type": method.access_type,
        "who": list(audience.allowed),
        "but_not": list(audience.denied),
        "open": audience.is_open,
        "scopes": list(method.access_scopes),
        "needs": [f"{each.definition.plural}.{its.wire}" for each, its in others],
        "entries": [
            {"permission": each.permission, "principal": each.principal, "place": each.place}
            for each in rules.entries
        ],
        "default": "ALLOW" if rules.default else "DENY",
    }


def _in_table(row: Row) -> Row:
    who = ", ".join(row["who"]) or "nobody"
    if row["but_not"]:
        who += f" but not {', '.join(row['but_not'])}"
    if "DEFAULT" not in row["scopes"]:
        who += f" with a token for {' or '.join(row['scopes'])}"
    return {**row, "who": who, "open": "OPEN" if row["open"] else None}
