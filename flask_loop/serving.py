"""Serving a database without a file of code: its tables, discovered, over REST."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from flask import Flask, redirect
from werkzeug.serving import run_simple

from .cli import loop
from .datasource import DataSource
from .discovery import NameMapper
from .discovery_commands import opened, reporting_errors, selecting_tables, shown
from .extension import Loop
from .methods import RemoteMethod
from .model import Model
from .remoting import Exposure

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

_READING = frozenset({"get", "head"})


def database_app(
    source: DataSource,
    *,
    url_prefix: str = "/api",
    writable: bool = False,
    owner: str | None = None,
    tables: Sequence[str] | None = None,
    views: bool = True,
    name_mapper: NameMapper | None = None,
) -> Flask:
    """Make an app that serves the tables of a database, whatever they are.

    :param source: the data source; its tables are discovered.
    :param url_prefix: what the paths of models begin with.
    :param writable: whether clients may change records; otherwise they only read.
    :param owner: the schema that the tables are in; the connection's own where None.
    :param tables: which; all where None.
    :param views: whether views are served, too.
    :param name_mapper: gives the names of models, properties and relations; camel case where None.
    :raises DefinitionError: naming a table that there is not.

    ::

        app = database_app(create_data_source(url="postgresql://shop@localhost/shop"))
    """
    models = source.discover_and_build_models(tables, owner, views=views, name_mapper=name_mapper)
    app = Flask("database", static_folder=None, template_folder=None)
    api = Loop(app, url_prefix=url_prefix)
    for model in models.values():
        api.model(model)
    if not writable:
        for model, exposure in app.extensions["loop"].exposures.items():
            _let_read_only(model, exposure)
    app.add_url_rule("/", "docs", _to_docs)
    return app


def _to_docs() -> Response:
    return redirect("/_docs")


def _let_read_only(model: type[Model], exposure: Exposure) -> None:
    """Keep from remote callers what is more than reading."""
    writing = [method for method in exposure.remote_methods() if not _reads(method)]
    model.disable_remote(*(_name(method) for method in writing))


def _reads(method: RemoteMethod) -> bool:
    return all(route.verb.lower() in _READING for route in method.routes)


def _name(method: RemoteMethod) -> str:
    return f"prototype.{method.name}" if method.on_instance else method.name


@click.command(
    epilog="""\b
Examples:
  flask loop serve sqlite:///shop.sqlite
  flask loop serve postgresql://shop@localhost/shop --port 8000 --prefix /
  flask loop serve mysql://shop:secret@localhost/shop --writable --table orders
"""
)
@click.argument("url")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=5000, show_default=True, help="The port to listen at.")
@click.option("--prefix", default="/api", show_default=True, help="What paths begin with.")
@click.option("--writable", is_flag=True, help="Let clients change records, not only read them.")
@selecting_tables
@reporting_errors
def serve(
    *,
    url: str,
    host: str,
    port: int,
    prefix: str,
    writable: bool,
    owner: str | None,
    tables: tuple[str, ...],
    views: bool,
) -> None:
    """Serve the tables of the database at URL, read only, without an app.

    It is Flask's server for development, for oneself and the own network.
    """
    with opened(url, writable=writable) as source:
        app = database_app(
            source,
            url_prefix=prefix,
            writable=writable,
            owner=owner,
            tables=tables or None,
            views=views,
        )
        how = "for reading and writing" if writable else "read only"
        count = len(app.extensions["loop"].exposures)
        click.echo(f"Serving {count} tables of {shown(url)}, {how}.")
        click.echo(f"The documentation is at http://{host}:{port}/_docs")
        # Drivers may have handlers of their own, which wait for what never ends.
        signal.signal(signal.SIGTERM, _stop)
        run_simple(host, port, app, threaded=True)


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


# The group is below: it cannot know what serves apps.
loop.add_command(serve)
