"""Bringing a table to its definition: what is missing is made, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from itertools import takewhile
from typing import Any, ClassVar, TypeAlias

import sqlalchemy as sa
from sqlalchemy.schema import (
    AddConstraint,
    CreateColumn,
    CreateIndex,
    CreateTable,
    DropConstraint,
    DropIndex,
    DropTable,
)

from ...definition import Property
from ...errors import DefinitionError
from .differences import ChangedColumn, NewColumn, TableDifferences, type_text
from .existing import ExistingType
from .foreign_keys import foreign_keys_of
from .tables import ModelTable

#: How texts in a column are compared. Where the model does not say it, that is the database's.
_COLLATED = re.compile(r' (?:CHARACTER SET|COLLATE) (?:"[^"]*"|\S+)')
#: The columns of an index, and whether it is unique.
IndexShape: TypeAlias = tuple[tuple[str, ...], bool]
#: Foreign keys by what is to be equal in two that are the same.
_Keys: TypeAlias = dict[tuple[Any, ...], sa.ForeignKeyConstraint]


class Migration:
    """One table of a database, beside what its model asks for.

    :param connection: a connection to the database.
    :param model_table: the table that the model asks for.
    :param table: the same table, with its foreign keys.
    """

    #: Whether columns and constraints are changed in the table that is there; where not, it takes
    #: another table in its place.
    alters: ClassVar[bool] = True
    #: Whether a change of tables that fails half-way leaves nothing behind.
    is_whole: ClassVar[bool] = True

    def __init__(self, connection: sa.Connection, model_table: ModelTable, table: sa.Table) -> None:
        self.connection = connection
        self.model_table = model_table
        self.table = table

    @classmethod
    def turn(cls, connection: sa.Connection) -> AbstractContextManager[None]:
        """A block in which one process at a time is, where the database can see to that."""
        return nullcontext()

    @classmethod
    @contextmanager
    def rehearsal(cls, connection: sa.Connection) -> Iterator[sa.Connection]:
        """A connection to a database with the same tables and none of their records.

        It is asked for where the statements of a change are only known by running it.
        """
        raise NotImplementedError

    @classmethod
    def binary(cls, raw: bytes) -> str:
        """Bytes in the text of a statement."""
        return f"X'{raw.hex()}'"

    def update(self) -> None:
        """Create the table, or the columns and indexes that it lacks.

        An index of ours that the model no longer asks for goes; columns never do.

        :raises DefinitionError: where a unique index cannot be made, as there are equal values.
        """
        if self._is_view:
            return
        if not self._exists:
            self._create_table()
        else:
            self._drop_surplus_keys()
            for new in self._new_columns:
                self._add(new)
        for index in self._surplus_indexes:
            self.connection.execute(DropIndex(index))
        for index in self._missing_indexes:
            self._create(index)

    def update_foreign_keys(self) -> None:
        """Give the table the foreign keys that the model asks for, when all tables are there.

        One of ours that it no longer asks for goes; those of others stay.

        :raises DefinitionError: where records have keys that name no record.
        """
        if not self._is_view and not self._has_foreign_keys():
            for key in foreign_keys_of(self.table):
                self._refuse_orphans(key)
            self._set_foreign_keys()

    def loosen(self) -> None:
        """Take the foreign keys of ours away, so that tables can be dropped in any order."""
        for key in self._keys_there() if self._exists and not self._is_view else ():
            self.connection.execute(DropConstraint(key))

    def drop(self) -> None:
        """Drop the table, where it is there.

        :raises RuntimeError: where rows of another table refer to its own, or it is a view.
        """
        if self._is_view:
            raise RuntimeError(f"{self.table.name} is a view, which is not made by its model")
        if self._exists:
            self._refuse_referring()
            self.connection.execute(DropTable(self.table))

    def create(self) -> None:
        """Make the table anew; its foreign keys come when all tables are there."""
        self._create_table()
        for index in self.model_table.indexes():
            self._create(index)

    def exists(self) -> bool:
        """Whether the table is there."""
        return self._exists

    def is_updated(self) -> bool:
        """Whether :meth:`update` and :meth:`update_foreign_keys` would find nothing to do."""
        if self._is_view:
            return True
        if not self._exists or self._new_columns:
            return False
        if self._missing_indexes or self._surplus_indexes:
            return False
        return self._has_foreign_keys()

    def is_actual(self) -> bool:
        """Whether the table is as the model asks for."""
        return self._is_view or (self.is_updated() and not self._changed_columns)

    def differences(self) -> TableDifferences:
        """What the table differs in from the one that the model asks for."""
        if not self._exists:
            return TableDifferences(self.table, exists=False)
        if self._is_view:
            return TableDifferences(self.table)
        there, wanted = self._by_shape()
        if self._has_foreign_keys():
            there, wanted = {}, {}
        return TableDifferences(
            self.table,
            new_columns=tuple(self._new_columns),
            changed_columns=tuple(self._changed_columns),
            unknown_columns=tuple(self._unknown_columns),
            missing_indexes=tuple(self._missing_indexes),
            surplus_indexes=tuple(self._surplus_indexes),
            missing_keys=tuple(key for shape, key in wanted.items() if shape not in there),
            surplus_keys=tuple(key for shape, key in there.items() if shape not in wanted),
        )

    # Foreign keys

    def _has_foreign_keys(self) -> bool:
        """Whether the table has the foreign keys of ours that it shall have, and no others."""
        there, wanted = self._by_shape()
        return there.keys() == wanted.keys()

    def _set_foreign_keys(self) -> None:
        """Give the table those that it shall have."""
        self._drop_surplus_keys()
        there, wanted = self._by_shape()
        for shape, key in wanted.items():
            if shape not in there:
                self.connection.execute(AddConstraint(key, isolate_from_table=False))

    def _drop_surplus_keys(self) -> None:
        """Drop foreign keys of ours before their indexes, which some databases hold on to."""
        there, wanted = self._by_shape()
        for shape in there.keys() - wanted.keys():
            self.connection.execute(DropConstraint(there[shape]))

    def _by_shape(self) -> tuple[_Keys, _Keys]:
        """The foreign keys that are there, and those that are wanted."""
        there = {_key_shape(key): key for key in self._keys_there()}
        return there, {_key_shape(key): key for key in foreign_keys_of(self.table)}

    def _keys_there(self) -> list[sa.ForeignKeyConstraint]:
        """The foreign keys of ours that the table has now."""
        found = sa.inspect(self.connection).get_foreign_keys(
            self.table.name, schema=self.table.schema
        )
        table = self._bare_table()
        return [
            reflected_key(each, table)
            for each in found
            if each["name"] and self._is_ours(each["name"])
        ]

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

    def _refuse_referring(self) -> None:
        inspector = sa.inspect(self.connection)
        for (schema, name), keys in inspector.get_multi_foreign_keys(
            schema=self.table.schema
        ).items():
            refers = any(
                key["referred_table"] == self.table.name
                and key["referred_schema"] in (self.table.schema, schema)
                for key in keys
            )
            if refers and name != self.table.name:
                raise RuntimeError(
                    f"{self.table.name} cannot be made afresh, as the rows of {name} refer to it; "
                    "do both at once, or take the foreign key away"
                )

    # What is there

    def _is_ours(self, name: str) -> bool:
        """Whether a name of an index or a constraint of this table is one that we give."""
        return name.startswith(self._prefix)

    @cached_property
    def _prefix(self) -> str:
        """What our names begin with; the end of a long name is a digest."""
        prefix = self.model_table.index_prefix()
        short = self.model_table.dialect.short_name(prefix + "_" * 100)
        same = takewhile(lambda pair: pair[0] == pair[1], zip(prefix, short, strict=False))
        return "".join(letter for letter, _ in same)

    @cached_property
    def _inspector(self) -> Any:
        return sa.inspect(self.connection)

    @cached_property
    def _exists(self) -> bool:
        return bool(self._inspector.has_table(self.table.name, schema=self.table.schema))

    @cached_property
    def _is_view(self) -> bool:
        """Whether it is a view, which is as somebody else made it."""
        if not self._exists:
            return False
        return self.table.name in self._inspector.get_view_names(schema=self.table.schema)

    @cached_property
    def _columns_there(self) -> dict[str, sa.Column[Any]]:
        """The columns that are there, by their names in lower case."""
        found = self._inspector.get_columns(self.table.name, schema=self.table.schema)
        return {each["name"].lower(): _reflected_column(each) for each in found}

    @cached_property
    def _indexes_there(self) -> dict[str, IndexShape]:
        """The indexes of ours that are there."""
        if not self._exists:
            return {}
        there = self._inspector.get_indexes(self.table.name, schema=self.table.schema)
        # Some databases make an index for a foreign key, under its name.
        keys = {str(key.name) for key in (*self._keys_there(), *foreign_keys_of(self.table))}
        return {
            each["name"]: (tuple(each["column_names"]), bool(each["unique"]))
            for each in there
            if each["name"] and self._is_ours(each["name"]) and each["name"] not in keys
        }

    # What differs

    @cached_property
    def _new_columns(self) -> list[NewColumn]:
        there = self._columns_there
        return [
            self._new(column) for column in self.table.columns if column.name.lower() not in there
        ]

    @property
    def _unknown_columns(self) -> list[sa.Column[Any]]:
        known = {column.name.lower() for column in self.table.columns}
        return [column for name, column in self._columns_there.items() if name not in known]

    @cached_property
    def _changed_columns(self) -> list[ChangedColumn]:
        pairs = (
            (column, self._columns_there.get(column.name.lower())) for column in self.table.columns
        )
        found = [
            ChangedColumn(column, there, self._is_other_type(column, there))
            for column, there in pairs
            if there is not None
        ]
        return [
            change
            for change in found
            if change.type_differs or (change.null_differs and not change.column.primary_key)
        ]

    def _is_other_type(self, column: sa.Column[Any], there: sa.Column[Any]) -> bool:
        if isinstance(column.type, ExistingType):
            return False  # it is the column's own
        wanted, is_there = self._kind(column.type), self._kind(there.type)
        if not _COLLATED.search(wanted):
            is_there = _COLLATED.sub("", is_there)
        return wanted != is_there

    def _kind(self, sql_type: Any) -> str:
        """What a column's type comes to in the database: equal for types that are the same."""
        text = type_text(sql_type, self.connection.dialect).upper()
        return re.sub(r"^DECIMAL\b", "NUMERIC", text)

    @cached_property
    def _indexes_wanted(self) -> dict[str, sa.Index]:
        return {str(index.name): index for index in self.model_table.indexes()}

    @property
    def _missing_indexes(self) -> list[sa.Index]:
        return [
            index
            for name, index in self._indexes_wanted.items()
            if self._indexes_there.get(name) != shape_of(index)
        ]

    @property
    def _surplus_indexes(self) -> list[sa.Index]:
        """Indexes of ours that the model no longer asks for, or asks for over other columns."""
        return [
            self._index_there(name, shape)
            for name, shape in self._indexes_there.items()
            if shape != shape_of(self._indexes_wanted.get(name))
        ]

    def _index_there(self, name: str, shape: IndexShape) -> sa.Index:
        names, unique = shape
        table = self._bare_table(names)
        return sa.Index(name, *(table.c[each] for each in names), unique=unique)

    def _bare_table(self, columns: Iterable[str] = ()) -> sa.Table:
        """The table with no more than some of its columns."""
        made = (sa.Column(name, sa.types.NULLTYPE) for name in columns)
        return sa.Table(self.table.name, sa.MetaData(), *made, schema=self.table.schema)

    # Changing

    def _create_table(self) -> None:
        self.connection.execute(CreateTable(self.table, include_foreign_key_constraints=()))

    def _new(self, column: sa.Column[Any]) -> NewColumn:
        property_ = self._property_of(column)
        default = property_.make_default() if property_.has_default else None
        if default is None:
            return NewColumn(column)
        return NewColumn(column, self._raw(column, default), property_.default_fn is not None)

    def _add(self, new: NewColumn) -> None:
        """Add a column; rows that are there get the property's default, or null.

        :raises DefinitionError: where null is no value of the property, and there is no default.
        """
        column = new.column
        is_optional = column.nullable or new.fill is not None or column.server_default is not None
        if column.primary_key or not (is_optional or self._is_empty):
            raise DefinitionError(
                f"{self.table.name} has records without a {self._property_of(column).name!r}, "
                "which cannot be null: give it a default"
            )
        added = self._added(new)
        self._alter(f"ADD {self._specification(added)}")
        if new.fill is not None and (new.each_own or added.nullable):
            self._fill(new)
        if added.nullable and not column.nullable:
            self._refuse_null(column)

    def _added(self, new: NewColumn) -> sa.Column[Any]:
        """A column as it is at first: one that cannot be null is so when the rows have values."""
        column = new.column
        return sa.Column(
            column.name,
            column.type,
            nullable=column.nullable or new.fill is not None,
            server_default=given_default(column),
        )

    def _refuse_null(self, column: sa.Column[Any]) -> None:
        """Let a column be NOT NULL that takes null."""
        self._alter(f"ALTER COLUMN {self._quoted(column.name)} SET NOT NULL")

    def _specification(self, column: sa.Column[Any]) -> str:
        sa.Table(self.table.name, sa.MetaData(), column, schema=self.table.schema)
        return str(CreateColumn(column).compile(dialect=self.connection.dialect))

    def _quoted(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote(name)

    def _alter(self, change: str) -> None:
        table = self.connection.dialect.identifier_preparer.format_table(self.table)
        self.connection.exec_driver_sql(f"ALTER TABLE {table} {change}")

    def _fill(self, new: NewColumn) -> None:
        """Give the rows that are there a default; each its own where a function makes it."""
        column = new.column
        update = self.table.update()
        if not new.each_own:
            self.connection.execute(update.values({column: new.fill}))
            return
        keys = list(self.table.primary_key.columns)
        for row in self.connection.execute(sa.select(*keys)).all():
            is_row = sa.and_(*(key == value for key, value in zip(keys, row, strict=True)))
            raw = self._raw(column, self._property_of(column).make_default())
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
        except Exception as error:
            if not self._is_of_equals(error):
                raise
            names = ", ".join(column.name for column in index.columns)
            raise DefinitionError(
                f"{self.table.name} has records with equal {names}, so that it cannot be made "
                "unique; change them and call auto_update() again"
            ) from None

    def _is_of_equals(self, error: Exception) -> bool:
        """Whether an error says that records have equal values."""
        return isinstance(error, sa.exc.IntegrityError)


def shape_of(index: sa.Index | None) -> IndexShape | None:
    if index is None:
        return None
    return tuple(column.name for column in index.columns), bool(index.unique)


def _key_shape(key: sa.ForeignKeyConstraint) -> tuple[Any, ...]:
    """What is to be equal in two foreign keys that are the same."""
    theirs = tuple(each.target_fullname.rpartition(".")[2] for each in key.elements)
    table = key.elements[0].target_fullname.rpartition(".")[0].rpartition(".")[2]
    return (str(key.name), tuple(key.column_keys), table, theirs, (key.ondelete or "").upper())


def reflected_key(found: Mapping[str, Any], table: sa.Table) -> sa.ForeignKeyConstraint:
    """A foreign key as the inspector gives it."""
    own = found["constrained_columns"]
    for name in own:
        table.append_column(sa.Column(name, sa.types.NULLTYPE), replace_existing=True)
    there = ".".join(filter(None, (found["referred_schema"], found["referred_table"])))
    action = found["options"].get("ondelete")
    key = sa.ForeignKeyConstraint(
        own,
        [f"{there}.{name}" for name in found["referred_columns"]],
        name=found["name"],
        ondelete=None if action in ("NO ACTION", "RESTRICT") else action,
    )
    table.append_constraint(key)
    return key


def _reflected_column(found: Mapping[str, Any]) -> sa.Column[Any]:
    """A column as the inspector gives it."""
    default = found.get("default")
    return sa.Column(
        found["name"],
        found["type"],
        nullable=found["nullable"],
        server_default=None if default is None else sa.text(str(default)),
    )


def given_default(column: sa.Column[Any]) -> Any:
    """The default that a column has in the database, or None."""
    default = column.server_default
    return default.arg if isinstance(default, sa.DefaultClause) else None
