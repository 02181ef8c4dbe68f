"""``flask loop``: what an app exposes, on the command line.

Flask finds the group through the entry point ``flask.commands`` and on ``app.cli``: it is the same.
"""

from __future__ import annotations

import click
from flask.cli import AppGroup

from .acl_commands import acl
from .discovery_commands import discover, reporting_errors
from .http import shown_path
from .migration_commands import migrate
from .remoting import idle_registrations
from .state import State
from .terminal import Row, app_state, show
from .user_commands import users

NO_MODELS = "No models are exposed: loop.model(Product) exposes one."
NO_METHODS = "No model has a method for remote callers: all are switched off."
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

loop = AppGroup("loop", help="Show what Flask-Loop exposes.", short_help="Show models and routes.")
loop.add_command(acl)
loop.add_command(discover)
loop.add_command(migrate)
loop.add_command(users)


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
@reporting_errors
def routes(as_json: bool) -> None:
    """List the routes that remote callers have now."""
    state = app_state()
    empty = NO_METHODS if state.exposures else NO_MODELS
    show(_routes(state), ("verb", "path", "method", "model"), as_json, empty)
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
@reporting_errors
def models(as_json: bool) -> None:
    """List the exposed models and where their records are."""
    columns = ("name", "path", "data_source", "connector", "properties", "id")
    show(_models(app_state()), columns, as_json, NO_MODELS)


def _routes(state: State) -> list[Row]:
    rows: list[Row] = []
    for model, exposure in state.exposures.items():
        definition = model.definition
        found = [
            {
                "verb": route.verb,
                "path": state.url_prefix
                + definition.http_path
                + shown_path(method, route, definition),
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
