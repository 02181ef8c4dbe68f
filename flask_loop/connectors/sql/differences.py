"""What tables differ in from those that models ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A column that a table lacks.

    :ivar column: the column.
    :ivar fill: what the rows that are there get, as SQL takes it; None for null.
    :ivar each_own: whether a function gives each row a value of its own.
    """

    column: sa.Column[Any]
    fill: Any = None
    each_own: bool = False


@dataclass(frozen=True, slots=True)
class ChangedColumn:
    """A column of another type than its property asks for, or that takes null other than it.

    :ivar column: the column that is asked for.
    :ivar there: the column that is there.
    :ivar type_differs: whether it is the type.
    """

    column: sa.Column[Any]
    there: sa.Column[Any]
    type_differs: bool

    @property
    def null_differs(self) -> bool:
        return bool(self.column.nullable) != bool(self.there.nullable)


class Line(NamedTuple):
    """One difference, as people read it."""

    change: str
    table: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TableDifferences:
    """What one table differs in.

    :ivar table: the table that is asked for, with its indexes and foreign keys.
    :ivar exists: whether it is there; where not, nothing else is said.
    :ivar unknown_columns: columns that are there and that the model does not know.
    :ivar surplus_indexes: indexes of ours that the model asks for no more, as they are there; and
        those that it asks for otherwise.
    :ivar surplus_keys: the same of foreign keys.
    """

    table: sa.Table
    exists: bool = True
    new_columns: tuple[NewColumn, ...] = ()
    changed_columns: tuple[ChangedColumn, ...] = ()
    unknown_columns: tuple[sa.Column[Any], ...] = ()
    missing_indexes: tuple[sa.Index, ...] = ()
    surplus_indexes: tuple[sa.Index, ...] = ()
    missing_keys: tuple[sa.ForeignKeyConstraint, ...] = ()
    surplus_keys: tuple[sa.ForeignKeyConstraint, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is something to do; columns that no model knows are not."""
        return not self.exists or any(
            (
                self.new_columns,
                self.changed_columns,
                self.missing_indexes,
                self.surplus_indexes,
                self.missing_keys,
                self.surplus_keys,
            )
        )

    def lines(self, dialect: sa.Dialect) -> Iterator[Line]:
        """The differences as people read them.

        :param dialect: has the names of types.
        """
        name = self.table.fullname
        if not self.exists:
            yield Line("create table", name, "", ", ".join(self.table.columns.keys()))
        for new in self.new_columns:
            yield Line("add column", name, new.column.name, described(new.column, dialect))
        for change in self.changed_columns:
            was, is_now = described(change.there, dialect), described(change.column, dialect)
            yield Line("change column", name, change.column.name, f"{was} -> {is_now}")
        for column in self.unknown_columns:
            yield Line("unknown column", name, column.name, described(column, dialect))
        for index in self.surplus_indexes:
            yield Line("drop index", name, str(index.name), _indexed(index))
        for index in self.missing_indexes:
            yield Line("create index", name, str(index.name), _indexed(index))
        for key in self.surplus_keys:
            yield Line("drop foreign key", name, str(key.name), _referred(key))
        for key in self.missing_keys:
            yield Line("add foreign key", name, str(key.name), _referred(key))


def type_text(sql_type: Any, dialect: sa.Dialect) -> str:
    """A type as SQL has it, or nothing where the database gave the column none."""
    if isinstance(sql_type, sa.types.NullType):
        return ""
    return str(sql_type.compile(dialect=dialect))


def described(column: sa.Column[Any], dialect: sa.Dialect) -> str:
    """A column's type, and whether it refuses null."""
    text = type_text(column.type, dialect) or "any type"
    return text if column.nullable else f"{text} NOT NULL"


def _indexed(index: sa.Index) -> str:
    names = ", ".join(column.name for column in index.columns)
    return f"unique, {names}" if index.unique else names


def _referred(key: sa.ForeignKeyConstraint) -> str:
    own = ", ".join(key.column_keys)
    theirs = ", ".join(each.target_fullname for each in key.elements)
    return f"{own} -> {theirs}" + (f", on delete {key.ondelete.lower()}" if key.ondelete else "")
