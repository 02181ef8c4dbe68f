"""What models ask of the tables of a database, and how it is brought there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from ...definition import ForeignKey, ModelDefinition
from ...errors import DefinitionError
from .differences import TableDifferences
from .foreign_keys import constrained, in_order, metadata_of
from .migration import Migration
from .session import Session
from .statements import Statements
from .tables import ModelTable

if TYPE_CHECKING:
    import sqlalchemy as sa


class Changing:
    """The part of an SQL connector that changes tables."""

    #: How tables are brought to their models.
    migration: ClassVar[type[Migration]]
    session: Session
    _statements: Statements

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        tables = self._tables(definitions)
        with self.session.inspection() as connection:
            if all(each.is_updated() for each in self._migrations(connection, tables)):
                return
        with self.session.schema_change() as connection, self.migration.turn(connection):
            migrations = self._migrations(connection, tables)
            for each in migrations:
                each.update()
            for each in migrations:
                each.update_foreign_keys()

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        tables = self._tables(definitions)
        with self.session.schema_change() as connection, self.migration.turn(connection):
            migrations = self._migrations(connection, tables)
            for each in migrations:
                each.loosen()
            for each in reversed(migrations):
                each.drop()
            for each in migrations:
                each.create()
            for each in migrations:
                each.update_foreign_keys()

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        tables = self._tables(definitions)
        with self.session.inspection() as connection:
            return all(each.is_actual() for each in self._migrations(connection, tables))

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        tables = self._tables(definitions)
        with self.session.inspection() as connection:
            migrations = self._migrations(connection, tables)
            return [each.table.fullname for each in migrations if each.exists()]

    def metadata(self, definitions: Iterable[ModelDefinition]) -> sa.MetaData:
        """The tables that models ask for, with their indexes and foreign keys."""
        return metadata_of(self._tables(definitions), self._kept_keys, self._table_of)

    def differences(
        self, definitions: Iterable[ModelDefinition], *, as_if_empty: bool = False
    ) -> list[TableDifferences]:
        """What each table differs in from the one that its model asks for.

        :param as_if_empty: whether to say what a database without tables differs in.
        :returns: of all tables, those that others refer to before these.
        """
        tables = self._tables(definitions)
        wanted = metadata_of(tables, self._kept_keys, self._table_of)
        if as_if_empty:
            return [
                TableDifferences(wanted.tables[each.table.key], exists=False) for each in tables
            ]
        with self.session.inspection() as connection:
            return [
                self.migration(connection, each, wanted.tables[each.table.key]).differences()
                for each in tables
            ]

    def _tables(self, definitions: Iterable[ModelDefinition]) -> list[ModelTable]:
        """The tables of models.

        :returns: those that others refer to before these.
        :raises DefinitionError: where two models would have one table.
        """
        tables = [
            self._statements.of(definition).model_table for definition in in_order(definitions)
        ]
        owners: dict[Any, str] = {}
        for each in tables:
            key = (each.table.schema, each.table.name.lower())
            owner = owners.setdefault(key, each.definition.name)
            if owner != each.definition.name:
                raise DefinitionError(
                    f"the models {owner!r} and {each.definition.name!r} would both be the table "
                    f"{each.table.name!r}; give one another name by its options"
                )
        return tables

    def _migrations(
        self, connection: sa.Connection, tables: Iterable[ModelTable]
    ) -> list[Migration]:
        return [
            self.migration(
                connection, each, constrained(each, self._kept_keys(each), self._table_of)
            )
            for each in tables
        ]

    def _table_of(self, definition: ModelDefinition) -> ModelTable:
        return self._statements.of(definition).model_table

    def _kept_keys(self, table: ModelTable) -> list[ForeignKey]:
        """The foreign keys to records that are kept here, and not by another data source."""
        return [key for key in table.definition.foreign_keys if self._keeps(key.target)]

    def _keeps(self, definition: ModelDefinition) -> bool:
        model = definition.model
        if model is None:
            return True
        source = getattr(model, "data_source", None)
        return source is not None and source.connector is self
