"""Bringing a table to its definition: what is missing is made, and nothing is lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable, DropIndex, DropTable

from ...definition import Property
from ...errors import DefinitionError
from .foreign_keys import foreign_keys_of
from .tables import ModelTable

#: The columns of an index, and whether it is unique.
_IndexShape: TypeAlias = tuple[tuple[str, ...], bool]


class Migration(ABC):
    """One table of a database, beside what its model asks for.

    :param connection: a connection to the database, in autocommit.
    :param model_table: the table that the model asks for.
    :param table: the same table, with its foreign keys.
    """

    def __init__(self, connection: sa.Connection, model_table: ModelTable, table: sa.Table) -> None:
        self.connection = connection
        self.model_table = model_table
        self.table = table

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

    def update_foreign_keys(self) -> None:
        """Give the table the foreign keys that the model asks for, when all tables are there.

        One of ours that it no longer asks for goes; those of others stay.

        :raises DefinitionError: where records have keys that name no record.
        """
        if not self._has_foreign_keys():
            for key in foreign_keys_of(self.table):
                self._refuse_orphans(key)
            self._set_foreign_keys()

    def drop(self) -> None:
        """Drop the table, where it is there."""
        if self._exists:
            self.connection.execute(DropTable(self.table))

    def create(self) -> None:
        """Make the table anew."""
        self.connection.execute(CreateTable(self.table))
        for index in self.model_table.indexes():
            self._create(index)

    def is_actual(self) -> bool:
        """Whether :meth:`update` and :meth:`update_foreign_keys` would find nothing to do."""
        if not self._exists or self._missing_columns:
            return False
        if self._missing_indexes or self._surplus_indexes:
            return False
        return self._has_foreign_keys()

    @abstractmethod
    def _has_foreign_keys(self) -> bool:
        """Whether the table has the foreign keys of ours that it shall have, and no others."""

    @abstractmethod
    def _set_foreign_keys(self) -> None:
        """Give the table those that it shall have."""

    def _refuse_orphans(self, key: sa.ForeignKeyConstraint) -> None:
        """Refuse a constraint that records break which are there.

        :raises DefinitionError: saying how many.
        """
        parent = key.referred_table
        wanted: list[Any] = [column.is_not(None) for column in key.columns]
        if sa.inspect(self.connection).has_table(parent.name, schema=parent.schema):
            other = parent.alias()
            named = (each.parent == other.c[each.column.name] for each in key.elements)
            one: Any = sa.select(sa.literal_column("1")).select_from(other).where(*named)
            wanted.append(~sa.exists(one.correlate(self.table)))
        orphans = sa.select(sa.func.count()).select_from(self.table).where(*wanted)
        if count := self.connection.execute(orphans).scalar_one():
            names = ", ".join(column.name for column in key.columns)
            raise DefinitionError(
                f"{self.table.name} has {count} record{'' if count == 1 else 's'} whose {names} "
                f"names no record of {parent.name}, so that it cannot have the foreign key; change "
                "them and call auto_update() again"
            )

    @cached_property
    def _inspector(self) -> Any:
        return sa.inspect(self.connection)

    @cached_property
    def _exists(self) -> bool:
        return bool(self._inspector.has_table(self.table.name, schema=self.table.schema))

    @cached_property
    def _missing_columns(self) -> list[sa.Column[Any]]:
        there = self._inspector.get_columns(self.table.name, schema=self.table.schema)
        names = {column["name"].lower() for column in there}
        return [column for column in self.table.columns if column.name.lower() not in names]

    @cached_property
    def _indexes_there(self) -> dict[str, _IndexShape]:
        if not self._exists:
            return {}
        there = self._inspector.get_indexes(self.table.name, schema=self.table.schema)
        return {
            each["name"]: (tuple(each["column_names"]), bool(each["unique"]))
            for each in there
            if each["name"]
        }

    @cached_property
    def _indexes_wanted(self) -> dict[str, sa.Index]:
        return {str(index.name): index for index in self.model_table.indexes()}

    @property
    def _missing_indexes(self) -> list[sa.Index]:
        return [
            index
            for name, index in self._indexes_wanted.items()
            if self._indexes_there.get(name) != _shape_of(index)
        ]

    @property
    def _surplus_indexes(self) -> list[sa.Index]:
        """Indexes of ours that the model no longer asks for, or asks for over other columns."""
        prefix = self.model_table.index_prefix()
        return [
            sa.Index(name, next(iter(self.table.to_metadata(sa.MetaData()).columns)))
            for name, shape in self._indexes_there.items()
            if name.startswith(prefix) and shape != _shape_of(self._indexes_wanted.get(name))
        ]

    def _add(self, column: sa.Column[Any]) -> None:
        """Add a column; rows that are there get the property's default, or null.

        :raises DefinitionError: where null is no value of the property, and there is no default.
        """
        property_ = self._property_of(column)
        default = property_.make_default() if property_.has_default else None
        if column.primary_key or not (column.nullable or default is not None or self._is_empty):
            raise DefinitionError(
                f"{self.table.name} has records without a {property_.name!r}, which cannot be "
                "null: give it a default"
            )
        added = sa.Column(column.name, column.type, nullable=column.nullable)
        if default is not None and not column.nullable:
            added.server_default = sa.DefaultClause(_literal(self._raw(column, default)))
        sa.Table(self.table.name, sa.MetaData(), added, schema=self.table.schema)
        spec = CreateColumn(added).compile(dialect=self.connection.dialect)
        table = self.connection.dialect.identifier_preparer.format_table(self.table)
        self.connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {spec}")
        if default is not None:
            self._fill(column, property_, default)

    def _fill(self, column: sa.Column[Any], property_: Property, default: Any) -> None:
        """Give the rows that are there a default; each its own where a function makes it."""
        update = self.table.update()
        if property_.default_fn is None:
            if column.nullable:
                self.connection.execute(update.values({column: self._raw(column, default)}))
            return
        keys = list(self.table.primary_key.columns)
        for row in self.connection.execute(sa.select(*keys)).all():
            is_row = sa.and_(*(key == value for key, value in zip(keys, row, strict=True)))
            raw = self._raw(column, property_.make_default())
            self.connection.execute(update.where(is_row).values({column: raw}))

    def _property_of(self, column: sa.Column[Any]) -> Property:
        name = self.model_table.by_column[column.name]
        return self.model_table.definition.properties[name]

    def _raw(self, column: sa.Column[Any], value: Any) -> Any:
        """What a column holds of a property's value, which may have several columns."""
        name = self.model_table.by_column[column.name]
        raw = self.model_table.codecs[name].raw(value)
        names = [each.name for each in self.model_table.columns[name]]
        return raw[names.index(column.name)]

    @property
    def _is_empty(self) -> bool:
        found = self.connection.execute(sa.select(sa.literal(1)).select_from(self.table).limit(1))
        return found.first() is None

    def _create(self, index: sa.Index) -> None:
        try:
            self.connection.execute(CreateIndex(index))
        except sa.exc.IntegrityError:
            names = ", ".join(column.name for column in index.columns)
            raise DefinitionError(
                f"{self.table.name} has records with equal {names}, so that it cannot be made "
                "unique; change them and call auto_update() again"
            ) from None


def _shape_of(index: sa.Index | None) -> _IndexShape | None:
    if index is None:
        return None
    return tuple(column.name for column in index.columns), bool(index.unique)


def _literal(raw: Any) -> sa.TextClause | sa.ColumnElement[Any]:
    """A raw value as SQL, for a column's default, which takes no parameters."""
    if isinstance(raw, bytes):
        return sa.literal_column(f"X'{raw.hex()}'")
    return sa.literal(int(raw) if isinstance(raw, bool) else raw)
