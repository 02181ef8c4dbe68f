"""What it means for a model that a constraint of the database refused a write."""

from __future__ import annotations

from abc import ABC, abstractmethod

import sqlalchemy as sa

from ...definition import Link, ModelDefinition
from ...errors import Conflict, DuplicateId, ForeignKeyViolation, UniqueViolation
from ...query import Related, Where, keys_where
from ..base import Record
from .foreign_keys import constraint_name, referring
from .session import Session
from .statements import ModelStatements, Statements
from .tables import ModelTable


class Refused(Exception):
    """A constraint refused a write; dialects raise it with what the driver tells.

    :param kind: ``unique``, ``null``, ``foreign_key`` or ``other``.
    :param columns: the columns that the driver names, as one text: ``table.column, …``.
    :param constraint: the name of the constraint or the index, where the driver gives it.
    """

    def __init__(self, kind: str, columns: str = "", constraint: str = "") -> None:
        super().__init__(kind, columns, constraint)
        self.kind = kind
        self.columns = columns
        self.constraint = constraint


def held(definition: ModelDefinition, done: str, holder: ModelDefinition | None = None) -> Conflict:
    """The error of what other records hold on to.

    :param holder: the model of these, or None where they hold on to what goes with it.
    """
    holds = f'"{holder.name}" holds on to it' if holder else "records hold on to what goes with it"
    return Conflict(f'"{definition.name}" cannot be {done}: {holds}.', error_code="RESTRICTED")


def refused() -> Conflict:
    """The error of what a constraint refuses that no model knows of."""
    return Conflict("The data source refused the record.", error_code="CONSTRAINT")


class Refusing(ABC):
    """The part of an SQL connector that says what refusals mean."""

    session: Session
    _statements: Statements

    @abstractmethod
    def count(self, definition: ModelDefinition, where: Where) -> int: ...

    def refusal(
        self,
        statements: ModelStatements,
        error: Refused,
        written: Record,
        index: int | None = None,
        where: Where | None = None,
    ) -> Exception:
        """What a constraint's refusal means for the model.

        :param written: the record, or the changes; nothing where records were deleted.
        :param index: where a new record is among those that are written together.
        :param where: which records were changed or deleted.
        """
        definition, table = statements.definition, statements.model_table
        if error.kind == "foreign_key":
            with self.session.primary():
                return self._unlinked(definition, error.constraint, written, index, where)
        names = table.properties_of(error.columns) if error.columns else ()
        if error.constraint and not names:
            names = self._properties_of_constraint(table, error.constraint)
        if error.kind == "unique" and names:
            if set(names) == set(statements.ids):
                return DuplicateId(definition.name, written and definition.id_of(written))
            return UniqueViolation(names, index)
        if error.kind == "null":
            return RuntimeError(
                f"{error.columns} cannot be null in the database, other than in the model "
                f"{definition.name!r}; change one of them"
            )
        return refused()

    def _properties_of_constraint(self, table: ModelTable, name: str) -> tuple[str, ...]:
        """The properties that a unique index, or the primary key, of a table is over."""
        with self.session.apart() as connection:
            inspector = sa.inspect(connection)
            there, schema = table.table.name, table.table.schema
            primary = inspector.get_pk_constraint(there, schema)
            if name in (primary["name"], "PRIMARY"):
                return table.properties_of_columns(primary["constrained_columns"])
            for each in inspector.get_indexes(there, schema):
                if each["name"] == name:
                    return table.properties_of_columns(filter(None, each["column_names"]))
            for unique in inspector.get_unique_constraints(there, schema):
                if unique["name"] == name:
                    return table.properties_of_columns(unique["column_names"])
        return ()

    def _unlinked(
        self,
        definition: ModelDefinition,
        constraint: str,
        written: Record,
        index: int | None,
        where: Where | None,
    ) -> Exception:
        """What it means that a foreign key refused a write.

        :param constraint: its name, where the database tells; many do not.
        """
        if constraint:
            return self._unlinked_by(definition, constraint, index, is_delete=not written)
        for key in definition.foreign_keys:
            values = tuple(map(written.get, key.names))
            if None not in values:
                wanted = values[0] if len(values) == 1 else values
                if not self.count(key.target, keys_where(key.target, key.target_names, [wanted])):
                    return ForeignKeyViolation(key.names, index)
        holders = list(referring(definition, self._statements.known()))
        done = "changed" if written else "deleted"
        for other, key in holders:
            link = Link(definition, key.names, key.target_names)
            if where is not None and self.count(other, Related(link, where)):
                return held(definition, done, other)
        for key in definition.foreign_keys:
            if not written.keys().isdisjoint(key.names):  # a part of the key was changed
                return ForeignKeyViolation(key.names, index)
        if holders and where is not None:  # what would be deleted with it is held on to
            return held(definition, done)
        return refused()

    def _unlinked_by(
        self, definition: ModelDefinition, constraint: str, index: int | None, *, is_delete: bool
    ) -> Exception:
        """What it means that the foreign key of a name refused a write."""
        own = self._statements.of(definition).model_table
        for key in [] if is_delete else definition.foreign_keys:
            if constraint_name(own, key) == constraint:
                return ForeignKeyViolation(key.names, index)
        done = "deleted" if is_delete else "changed"
        known = dict.fromkeys([definition, *self._statements.known()])
        for target in known:
            for other, key in referring(target, known):
                if constraint_name(self._statements.of(other).model_table, key) == constraint:
                    return held(definition, done, other if target is definition else None)
        return refused()
