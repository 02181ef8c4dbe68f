"""The operations of a revision, from what tables differ in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ..connectors.sql.differences import ChangedColumn, NewColumn, TableDifferences
from ..connectors.sql.migration import Migration


@dataclass(frozen=True, slots=True)
class Comment:
    """What a revision says to whoever reviews it."""

    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL of a revision."""

    sql: str


@dataclass(slots=True)
class Change:
    """What a revision does to one table, in order.

    :ivar table: the table.
    :ivar before: what comes before the table is changed.
    :ivar inside: changes of the table itself, which are one block where the database has to make
        it again.
    :ivar after: what comes when it is changed.
    """

    table: sa.Table
    before: list[Any] = field(default_factory=list)
    inside: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)


class Revising:
    """The steps of a revision, there and back.

    :param differences: what the tables differ in, those that others refer to first.
    :param dialect: the database's, as SQLAlchemy has it.
    :param migration: how the database's tables are changed.
    :param allow_drop: whether columns that no model knows are dropped.
    """

    def __init__(
        self,
        differences: Sequence[TableDifferences],
        dialect: sa.Dialect,
        migration: type[Migration],
        *,
        allow_drop: bool,
    ) -> None:
        self.differences = [
            each for each in differences if each or (allow_drop and each.unknown_columns)
        ]
        self.dialect = dialect
        self.migration, self.alters = migration, migration.alters
        self.allow_drop = allow_drop

    def upgrade(self) -> Iterator[Change]:
        """What brings the tables to their models."""
        made: set[str] = {each.table.key for each in self.differences if not each.exists}
        later: list[Change] = []
        for each in self.differences:
            if each.exists:
                yield self._change(each)
                keys = self._late_keys(each)
            else:
                made.discard(each.table.key)
                change, keys = self._creation(each.table, made)
                yield change
            if keys:
                later.append(Change(each.table, inside=keys))
        yield from later

    def downgrade(self) -> Iterator[Change]:
        """What brings them back to what they were."""
        created = [each for each in self.differences if not each.exists]
        for each in self.differences if self.alters else ():
            keys = each.missing_keys if each.exists else _rings(each.table, created)
            if keys:
                yield Change(each.table, inside=[_drop_key(each.table, key) for key in keys])
        for each in reversed(self.differences):
            if each.exists:
                yield self._change_back(each)
            else:
                yield Change(each.table, [ops.DropTableOp.from_table(each.table)])

    # Tables

    def _creation(self, table: sa.Table, to_come: set[str]) -> tuple[Change, list[Any]]:
        """Make a table; and what has to wait until the tables to come are there."""
        copy, keys = self._own(table), []
        for key in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
            if self.alters and key.referred_table.key in to_come:
                keys.append(_add_key(table, key))
            else:
                copy.append_constraint(_copied_key(key))
        indexes = [ops.CreateIndexOp.from_index(index) for index in _indexes(table)]
        return Change(table, [ops.CreateTableOp.from_table(copy)], after=indexes), keys

    def _own(self, table: sa.Table) -> sa.Table:
        """A table without indexes and foreign keys, and without what other databases are told."""
        columns = [_copied(column) for column in table.columns]
        prefix = f"{self.dialect.name}_"
        told = {key: value for key, value in table.kwargs.items() if key.startswith(prefix)}
        return sa.Table(table.name, sa.MetaData(), *columns, schema=table.schema, **told)

    def _change(self, found: TableDifferences) -> Change:
        table = found.table
        change = Change(table)
        change.before += [Comment(text) for text in self._hints(found)]
        self._drop_keys(change, found.surplus_keys)
        change.before += [ops.DropIndexOp.from_index(index) for index in found.surplus_indexes]
        for new in found.new_columns:
            self._add(change, new)
        for each in found.changed_columns:
            change.inside += self._alterations(table, each)
        if not self.alters:
            change.inside += [_add_key(table, key) for key in found.missing_keys]
        if self.allow_drop:
            change.inside += [
                ops.DropColumnOp(table.name, column.name, schema=table.schema)
                for column in found.unknown_columns
            ]
        change.after += [ops.CreateIndexOp.from_index(index) for index in found.missing_indexes]
        return change

    def _change_back(self, found: TableDifferences) -> Change:
        table = found.table
        change = Change(table)
        if not self.alters:
            change.inside += [_drop_key(table, key) for key in found.missing_keys]
        change.before += [ops.DropIndexOp.from_index(index) for index in found.missing_indexes]
        if self.allow_drop:
            for column in found.unknown_columns:
                change.before.append(
                    Comment(f"What {table.name}.{column.name} held was lost by the upgrade.")
                )
                back = _copied(column)
                back.nullable = column.nullable or column.server_default is None
                change.before.append(ops.AddColumnOp(table.name, back, schema=table.schema))
        for each in found.changed_columns:
            back_again = ChangedColumn(each.there, each.column, each.type_differs)
            change.inside += self._alterations(table, back_again)
        change.inside += [
            ops.DropColumnOp(table.name, new.column.name, schema=table.schema)
            for new in reversed(found.new_columns)
        ]
        change.inside += [_add_key(table, key) for key in found.surplus_keys]
        change.after += [ops.CreateIndexOp.from_index(index) for index in found.surplus_indexes]
        return change

    def _late_keys(self, found: TableDifferences) -> list[Any]:
        """Foreign keys that a table gets when all others are there."""
        return [_add_key(found.table, key) for key in found.missing_keys if self.alters]

    def _drop_keys(self, change: Change, keys: Iterable[sa.ForeignKeyConstraint]) -> None:
        """Drop foreign keys before their indexes, which some databases hold on to for them."""
        steps = change.before if self.alters else change.inside
        steps += [_drop_key(change.table, key) for key in keys]

    # Columns

    def _hints(self, found: TableDifferences) -> Iterator[str]:
        table = found.table
        for column in found.unknown_columns:
            if not self.allow_drop:
                yield (
                    f"{table.name}.{column.name} is in no model and stays; a revision made with "
                    "--allow-drop drops it."
                )
            if found.new_columns:
                names = [new.column.name for new in found.new_columns]
                named = " or ".join(names) if len(names) < 4 else "one of the new columns"
                yield (
                    f"If {table.name}.{column.name} is {named} under its old name, rename it in "
                    f"place of what is below, which keeps its data: "
                    f"op.alter_column({table.name!r}, {column.name!r}, new_column_name=...)"
                )

    def _add(self, change: Change, new: NewColumn) -> None:
        """Add a column; rows that are there get the default, as ``auto_update`` does it."""
        column = new.column
        name = f"{change.table.name}.{column.name}"
        added = _copied(column)
        refuses_null = not column.nullable and column.server_default is None
        if column.primary_key:
            change.before.append(
                Comment(
                    f"{name} is the model's id, and the table has another primary key: change it "
                    "by hand."
                )
            )
            return
        if refuses_null and not self.alters and new.fill is not None and not new.each_own:
            text = new.fill if isinstance(new.fill, str) else sa.text(self._literal(new))
            added.server_default = sa.DefaultClause(text)
            change.before.append(self._addition(change.table, added))
            return
        if refuses_null:
            added.nullable = True
        change.before.append(self._addition(change.table, added))
        if new.each_own:
            change.before.append(
                Comment(
                    f"A function gives each record its own {name}: fill it here for the records "
                    "that are there."
                )
            )
        elif new.fill is not None:
            table = self.dialect.identifier_preparer.format_table(change.table)
            quoted = self.dialect.identifier_preparer.quote(column.name)
            sql = f"UPDATE {table} SET {quoted} = {self._literal(new)}"  # noqa: S608 - both are quoted
            change.before.append(Statement(sql))
        elif refuses_null:
            change.before.append(
                Comment(f"{name} has no default: where there are records, give them a value here.")
            )
        if refuses_null:
            change.inside.append(
                ops.AlterColumnOp(
                    change.table.name,
                    column.name,
                    schema=change.table.schema,
                    existing_type=column.type,
                    modify_nullable=False,
                )
            )

    def _addition(self, table: sa.Table, column: sa.Column[Any]) -> ops.AddColumnOp:
        return ops.AddColumnOp(table.name, column, schema=table.schema)

    def _literal(self, new: NewColumn) -> str:
        """A value as SQL, for a statement without parameters."""
        if isinstance(new.fill, bytes):
            return self.migration.binary(new.fill)
        known = new.column.type.literal_processor(self.dialect) is not None
        is_typed = known and not isinstance(new.fill, str)
        value = sa.literal(new.fill, new.column.type if is_typed else None)
        text = str(value.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True}))
        # It would be doubled once more when the revision runs.
        is_doubled = self.dialect.paramstyle in ("format", "pyformat")
        return text.replace("%%", "%") if is_doubled else text

    def _alterations(self, table: sa.Table, change: ChangedColumn) -> Iterator[Any]:
        column, there = change.column, change.there
        if change.type_differs and column.primary_key:
            yield Comment(
                f"{table.name}.{column.name} is the id: see that the database still makes it, for "
                "which MySQL wants autoincrement=True."
            )
        if change.type_differs:
            yield Comment(
                f"The database converts what {table.name}.{column.name} holds: see that nothing is "
                "lost."
            )
        if change.null_differs and not column.nullable and not column.primary_key:
            yield Comment(
                f"Records whose {table.name}.{column.name} is null refuse this: give them a value "
                "before it."
            )
        yield ops.AlterColumnOp(
            table.name,
            there.name,
            schema=table.schema,
            existing_type=there.type,
            existing_nullable=there.nullable,
            existing_server_default=there.server_default,
            modify_type=column.type if change.type_differs else None,
            modify_nullable=(
                column.nullable if change.null_differs and not column.primary_key else None
            ),
        )


def _rings(table: sa.Table, created: Iterable[TableDifferences]) -> list[sa.ForeignKeyConstraint]:
    """The foreign keys of a table to tables that were made after it, and so are dropped before."""
    order = [each.table.key for each in created]
    here = order.index(table.key)
    return [
        key
        for key in sorted(table.foreign_key_constraints, key=lambda each: str(each.name))
        if key.referred_table.key in order[here + 1 :]
    ]


def _indexes(table: sa.Table) -> list[sa.Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _drop_key(table: sa.Table, key: sa.ForeignKeyConstraint) -> ops.DropConstraintOp:
    return ops.DropConstraintOp(str(key.name), table.name, type_="foreignkey", schema=table.schema)


def _add_key(table: sa.Table, key: sa.ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    named = [each.target_fullname.split(".") for each in key.elements]
    return ops.CreateForeignKeyOp(
        str(key.name),
        table.name,
        named[0][-2],
        list(key.column_keys),
        [parts[-1] for parts in named],
        source_schema=table.schema,
        referent_schema=".".join(named[0][:-2]) or None,
        ondelete=key.ondelete,
    )


def _copied(column: sa.Column[Any]) -> sa.Column[Any]:
    """A column of no table."""
    copied = column._copy()
    if not column.primary_key:
        copied.autoincrement = "auto"
    return copied


def _copied_key(key: sa.ForeignKeyConstraint) -> sa.ForeignKeyConstraint:
    names = [each.target_fullname for each in key.elements]
    return sa.ForeignKeyConstraint(key.column_keys, names, name=key.name, ondelete=key.ondelete)
