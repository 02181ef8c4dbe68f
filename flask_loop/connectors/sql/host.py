"""HostConnector: records in the tables of an app that uses SQLAlchemy itself, on its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

import sqlalchemy as sa

from ...definition import ModelDefinition
from ...errors import DefinitionError, ForeignKeyViolation
from ...query import Where
from .. import find_connector
from ..base import Record
from .connector import SqlConnector
from .host_session import Host, HostSession
from .host_tables import MappedTable, Raw
from .lists import Lists
from .refusing import Refused, held
from .server import ServerConnector
from .session import Session
from .sqlite import add_functions, translate
from .statements import ModelStatements, Statements, StatementTooLarge

#: The most values of one list, which are bound one by one: so they have their columns' types.
_MOST_VALUES = 1000
#: SQLAlchemy's names of databases that connectors have under others.
_ALIASES = {"mariadb": "mysql", "firebird.firebird": "firebird"}


class HostConnector(SqlConnector):
    """Records in an app's own tables. :func:`host_connector` makes one.

    :param host: where the app's sessions come from.
    :param place: says which of a session's engines it is.
    :param driver: SQLAlchemy's dialect of that engine.
    """

    def __init__(self, host: Host, place: Mapping[str, Any], driver: sa.Dialect) -> None:
        # The settings are the app's engine's.
        self.settings = {}
        self.dialect = self.make_dialect()
        self.dialect.lists = Lists(_MOST_VALUES)
        self.dialect.places = self.dialect.make_places()
        is_sqlite = driver.name == "sqlite"
        if is_sqlite:  # which keeps foreign keys only where a connection says so
            self.capabilities = replace(self.capabilities, foreign_keys=False)
        errors = self.translator() if isinstance(self, ServerConnector) else translate
        self.host_session = HostSession(host, place, errors, add_functions if is_sqlite else None)
        self.session = cast("Session", self.host_session)
        self._statements = _HostStatements(self.dialect, driver)

    # Writing

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        if not changes:
            return self.count(definition, where)
        statements = self._of(definition)
        values = _table(statements).changed_values(changes)

        def run(where: Where) -> int:
            statement = statements.table.update().where(_bound(statements, where)).values(values)
            try:
                return int(self.host_session.execute(statement, lambda result: result.rowcount))
            except Refused as error:
                raise self.refusal(statements, error, changes, where=where) from None
            except RecursionError:
                raise StatementTooLarge from None

        return self._write_matching(statements, where, run)

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        table = _table(self._of(definition))
        kept = {name for name in record if table.is_kept_by_host(name)}
        changes = {name: value for name, value in record.items() if name not in kept}
        return super().replace(definition, id, changes)

    def _insert_one(self, definition: ModelDefinition, record: Record, index: int) -> Any:
        statements = self._of(definition)
        table = _table(statements)
        try:
            key = self.host_session.execute(
                table.insertion(record), lambda result: tuple(result.inserted_primary_key or ())
            )
        except Refused as error:
            raise self.refusal(statements, error, record, index) from None
        return table.inserted_id(key, record)

    def _unlinked_by(
        self, definition: ModelDefinition, constraint: str, index: int | None, *, is_delete: bool
    ) -> Exception:
        own = self._keys_named(definition, constraint)
        if own and not is_delete:
            return ForeignKeyViolation(own, index)
        holders = (each for each in self._statements.known() if each is not definition)
        holder = next((each for each in holders if self._keys_named(each, constraint)), None)
        done = "deleted" if is_delete else "changed"
        return held(definition, done, definition if own else holder)

    def _keys_named(self, definition: ModelDefinition, constraint: str) -> tuple[str, ...]:
        """The properties that a foreign key of a name is over; none where there is no such."""
        table = self._of(definition).model_table
        with self.host_session.apart() as connection:
            keys = sa.inspect(connection).get_foreign_keys(table.table.name, table.table.schema)
        columns = [each["constrained_columns"] for each in keys if each["name"] == constraint]
        return table.properties_of_columns(columns[0]) if columns else ()

    # The schema, which is the app's

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        raise _not_ours(definitions)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        raise _not_ours(definitions)

    def metadata(self, definitions: Iterable[ModelDefinition]) -> sa.MetaData:
        raise _not_ours(definitions)

    def differences(
        self, definitions: Iterable[ModelDefinition], *, as_if_empty: bool = False
    ) -> Any:
        raise _not_ours(definitions)

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        raise _not_ours(definitions)

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True


class _HostStatements(Statements):
    """Statements on the app's own tables."""

    value_type = Raw()

    def table(self, definition: ModelDefinition) -> MappedTable:
        return MappedTable(definition, self.dialect, self.compiled_for)


def host_connector(host: Host, place: Mapping[str, Any], driver: sa.Dialect) -> HostConnector:
    """Make the connector of one of an app's engines.

    :param host: where the app's sessions come from.
    :param place: says which of a session's engines it is.
    :param driver: SQLAlchemy's dialect of the engine.
    :raises DefinitionError: where there is no connector for its database.
    """
    return _connector_class(_ALIASES.get(driver.name, driver.name))(host, place, driver)


@cache
def _connector_class(name: str) -> Callable[..., HostConnector]:
    """The connector of a database, on an app's sessions."""
    own = find_connector(name)
    return type(f"Host{own.__name__}", (HostConnector, own), {})


def _table(statements: ModelStatements) -> MappedTable:
    return cast("MappedTable", statements.model_table)


def _bound(statements: ModelStatements, where: Where) -> sa.ColumnElement[Any]:
    """The condition of a where with its values."""
    values: list[Any] = []
    statements.conditions.shape(where, values)
    waiting = iter(values)

    def parameter() -> sa.ColumnElement[Any]:
        return sa.bindparam(None, next(waiting), type_=Raw(), unique=True)

    return statements.conditions.expression(where, parameter)


def _not_ours(definitions: Iterable[ModelDefinition]) -> DefinitionError:
    names = ", ".join(each.name for each in definitions)
    return DefinitionError(
        f"the tables of {names} are the app's own, which makes and migrates them by SQLAlchemy"
    )
