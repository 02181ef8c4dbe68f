"""Connectors: one module per kind of backend, found by name through entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from ..definition import BACKENDS, nearest
from ..errors import DefinitionError
from .base import (
    Capabilities,
    Column,
    Connector,
    Function,
    FunctionArgument,
    Layout,
    Record,
    RelatedRows,
    Rows,
    TransactionOptions,
    id_where,
)

ENTRY_POINT_GROUP = "flask_loop.connectors"
#: Other names of ours, as URLs and LoopBack's files have them.
_ALIASES = {**BACKENDS, "rediss": "redis"}


@cache
def find_connector(name: str) -> type[Connector]:
    """Give the connector class of a name.

    :param name: the name of an entry point in the group ``flask_loop.connectors``, which may have
        LoopBack's ``loopback-connector-`` before it; ``postgres`` and ``mariadb`` are
        ``postgresql`` and ``mysql``, ``kv-memory`` and ``kv-redis`` are ``memory`` and ``redis``,
        and ``couchdb2`` is ``couchdb``.
    :raises DefinitionError: where there is none, or the package that it needs is missing.
    """
    found = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in found:
        name = name.removeprefix("loopback-connector-")
        name = _ALIASES.get(name, name)
    if name not in found:
        known = ", ".join(sorted(found)) or "none; is flask-loop installed?"
        raise DefinitionError(
            f"no connector is called {name!r}{nearest(name, found)}; there are {known}"
        )
    try:
        connector: type[Connector] = found[name].load()
    except ImportError as error:
        raise DefinitionError(
            f"the connector {name!r} needs a package that is not installed ({error}); "
            f"pip install 'flask-loop[{name}]'"
        ) from error
    return connector


__all__ = [
    "ENTRY_POINT_GROUP",
    "Capabilities",
    "Column",
    "Connector",
    "Function",
    "FunctionArgument",
    "Layout",
    "Record",
    "RelatedRows",
    "Rows",
    "TransactionOptions",
    "find_connector",
    "id_where",
]
