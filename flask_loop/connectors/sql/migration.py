"""Bringing a table to its definition: what is missing is made, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable, DropIndex, DropTable

from ...errors import DefinitionError
from .tables import ModelTable


class Migration:
    """One table of a database, beside what its model asks for.

    :param connection: a connection to the database, in autocommit.
    :param model_table: the table that the model asks for.
    """

    def __init__(self, connection: sa.Connection, model_table: ModelTable) -> None:
        self.connection = connection
        self.model_table = model_table
        self.table = model_table.table

    def update(self) -> None:
        """Create the table, or the columns and indexes that it lacks.

        An index of ours that the model no longer asks for goes; columns never do.

        :raises DefinitionError: where a unique index cannot be made, as there are equal values.
        """
        if not self._exists:
            self.connection.execute(CreateTable(self.table))
        else:
            for column in self._missing_columns:
                self._add(column)
        for index in self._surplus_indexes:
            self.connection.execute(DropIndex(index))
        for index in self._missing_indexes:
            self._create(index)

    def recreate(self) -> None:
        """Drop the table and make it anew."""
        if self._exists:
            self.connection.execute(DropTable(self.table))
        self.connection.execute(CreateTable(self.table))
        for index in self.model_table.indexes():
            self._create(index)

    def is_actual(self) -> bool:
        """Whether :meth:`update` would find nothing to do."""
        if not self._exists or self._missing_columns:
            return False
        return not (list(self._missing_indexes) or list(self._surplus_indexes))

    @cached_property
    def _inspector(self) -> Any:
        return sa.inspect(self.connection)

    @cached_property
    def _exists(self) -> bool:
        return bool(self._inspector.has_table(self.table.name, schema=self.table.schema))

    @cached_property
    def _missing_columns(self) -> list[sa.Column[Any]]:
        there = self._inspector.get_columns(self.table.name, schema=self.table.schema)
        names = {column["name"] for column in there}
        return [column for column in self.table.columns if column.name not in names]

    @cached_property
    def _indexes_there(self) -> dict[str, bool]:
        if not self._exists:
            return {}
        there = self._inspector.get_indexes(self.table.name, schema=self.table.schema)
        return {index["name"]: bool(index["unique"]) for index in there}

    @property
    def _missing_indexes(self) -> Iterable[sa.Index]:
        there = self._indexes_there
        return [index for index in self.model_table.indexes() if index.name not in there]

    @property
    def _surplus_indexes(self) -> list[sa.Index]:
        wanted = {index.name for index in self.model_table.indexes()}
        prefix = self.model_table.index_prefix()
        return [
            sa.Index(name, next(iter(self.table.to_metadata(sa.MetaData()).columns)))
            for name in self._indexes_there
            if name and name.startswith(prefix) and name not in wanted
        ]

    def _add(self, column: sa.Column[Any]) -> None:
        """Add a column; rows that are there get the property's default, or null."""
        name = self.model_table.by_column[column.name]
        property_ = self.model_table.definition.properties[name]
        default = property_.make_default() if property_.has_default else None
        added = sa.Column(column.name, column.type, nullable=True)
        sa.Table(self.table.name, sa.MetaData(), added, schema=self.table.schema)
        spec = CreateColumn(added).compile(dialect=self.connection.dialect)
        preparer = self.connection.dialect.identifier_preparer
        table = preparer.format_table(self.table)
        self.connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {spec}")
        if default is not None:
            columns = self.model_table.columns[name]
            raw = self.model_table.bind({name: default}, [name])
            value = raw[[each.name for each in columns].index(column.name)]
            self.connection.execute(self.table.update().values({column.name: value}))

    def _create(self, index: sa.Index) -> None:
        try:
            self.connection.execute(CreateIndex(index))
        except sa.exc.IntegrityError:
            names = ", ".join(column.name for column in index.columns)
            raise DefinitionError(
                f"{self.table.name} has records with equal {names}, so that it cannot be made "
                "unique; change them and call auto_update() again"
            ) from None
