"""SqlConnector: the connector protocol on SQLAlchemy Core. What dialects differ in is below it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, cast

from ...definition import ModelDefinition
from ...errors import Conflict, DefinitionError, DuplicateId, UniqueViolation
from ...query import EVERYTHING, And, Compare, Filter, Near, Order, Path, Where, apply, predicate
from ...query.nodes import conjuncts
from ..base import Capabilities, Connector, Layout, Record, Rows, id_where
from .conditions import comparisons
from .migration import Migration
from .session import Session
from .statements import ModelStatements, StatementTooLarge
from .tables import ModelTable

#: Ids in one statement, where Python found the records.
CHUNK = 500
#: The radius of the first circle in which the nearest records are looked for, in radians of arc;
#: 13 km on the ground.
FIRST_RADIUS = 0.002


class SqlConnector(Connector):
    """Records in tables.

    :param settings: ``url``, and what a dialect adds.
    """

    capabilities = Capabilities(undeclared=False)
    #: Whether the database, asked for a range in the order of the ids, looks at every record in
    #: that order instead of searching the range in its index and sorting what it found.
    hides_order: ClassVar[bool] = False
    session: Session

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._statements: dict[ModelDefinition, ModelStatements] = {}
        self.session = self.make_session()

    @abstractmethod
    def make_session(self) -> Session:
        """Open the database: the engine, what its connections are set to, its errors."""

    # Reading

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(filter.where)
        if rest is not None or not all(map(_is_plain, filter.order)):
            return self._select_in_python(statements, filter, pushed)
        try:
            if filter.near is not None and filter.limit:
                return self._nearest(statements, filter)
            return self._select(statements, filter)
        except StatementTooLarge:
            return self._select_in_python(statements, filter, EVERYTHING)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        statements = self._of(definition)
        table = statements.model_table
        values = table.binder(statements.ids)(definition.id_values(id))
        return Rows(self.session.fetch(statements.by_id.sql, values), table.layout())

    def count(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(where)
        if rest is not None:
            return len(self._matching_ids(statements, where, pushed))
        values: list[Any] = []
        try:
            statement = statements.count(where, values)
            return int(self.session.fetch(statement.sql, statement.arrange(values))[0][0])
        except StatementTooLarge:
            return len(self._matching_ids(statements, where, EVERYTHING))

    # Writing

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        if len(records) == 1:
            return [self._insert_one(definition, records[0], 0)]
        with self.session.transaction():
            return [
                self._insert_one(definition, record, index) for index, record in enumerate(records)
            ]

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        if not changes:
            return self.count(definition, where)
        statements = self._of(definition)
        names = tuple(changes)

        def run(where: Where) -> int:
            values = statements.model_table.binder(names)(changes)
            statement = statements.update(names, where, values)
            try:
                cursor = self.session.run(statement.sql, statement.arrange(values))
            except Refused as error:
                raise _refusal(statements, error) from None
            return int(cursor.rowcount)

        return self._write_matching(statements, where, run)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)

        def run(where: Where) -> int:
            values: list[Any] = []
            statement = statements.delete(where, values)
            try:
                return int(self.session.run(statement.sql, statement.arrange(values)).rowcount)
            except Refused as error:
                raise _refusal(statements, error) from None

        return self._write_matching(statements, where, run)

    def transaction(self) -> AbstractContextManager[None]:
        return self.session.transaction()

    # The schema

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        tables = self._tables(definitions)
        if self._are_actual(tables):
            return
        with self.session.schema_change() as connection:
            for table in tables:
                Migration(connection, table).update()

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        tables = self._tables(definitions)
        with self.session.schema_change() as connection:
            for table in tables:
                Migration(connection, table).recreate()

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return self._are_actual(self._tables(definitions))

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: the SQL; ``plan``: what the database says that it does, such as
            which index it uses, a line each; ``python``: what is left for Python: ``where``, the
            comparisons, and whether it does the ``order``.
        """
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(filter.where)
        in_python = rest is not None or not all(map(_is_plain, filter.order))
        whole = _without_paging(filter, pushed, statements) if in_python else filter
        values: list[Any] = []
        statement = statements.select(whole, values)
        return {
            "connector": self.name,
            "backend": statement.sql,
            "plan": self.plan(statement.sql, statement.arrange(values)),
            "python": {"where": [] if rest is None else comparisons(rest), "order": in_python},
        }

    def plan(self, sql: str, values: Sequence[Any]) -> list[str]:
        """What the database says of how it would run a query; nothing where it does not tell."""
        return []

    def ping(self) -> None:
        self.session.fetch("SELECT 1", ())

    def close(self) -> None:
        self.session.close()

    # How

    def _of(self, definition: ModelDefinition) -> ModelStatements:
        statements = self._statements.get(definition)
        if statements is None:
            if definition.settings.keeps_unknown:
                raise DefinitionError(
                    f"{definition.name} has strict = False, but {self.name} stores declared "
                    "properties only; declare an object property for the rest"
                )
            dialect = self.session.engine.dialect
            statements = ModelStatements(
                definition, self.name, dialect, hides_order=self.hides_order
            )
            self._statements[definition] = statements
        return statements

    def _tables(self, definitions: Iterable[ModelDefinition]) -> list[ModelTable]:
        """The tables of models.

        :raises DefinitionError: where two models would have one table.
        """
        tables = [self._of(definition).model_table for definition in definitions]
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

    def _are_actual(self, tables: Iterable[ModelTable]) -> bool:
        with self.session.inspection() as connection:
            return all(Migration(connection, table).is_actual() for table in tables)

    def _insert_one(self, definition: ModelDefinition, record: Record, index: int) -> Any:
        statements = self._of(definition)
        id = definition.id_of(record)
        insertion = statements.insertion(id)
        try:
            cursor = self.session.run(insertion.sql, insertion.bind(record))
        except Refused as error:
            raise _refusal(statements, error, id, index) from None
        return cursor.lastrowid if id is None else id

    def _select(self, statements: ModelStatements, filter: Filter) -> Rows:
        values: list[Any] = []
        statement = statements.select(filter, values)
        raw = self.session.fetch(statement.sql, statement.arrange(values))
        return Rows(raw, statements.model_table.layout(filter.fields))

    def _nearest(self, statements: ModelStatements, filter: Filter) -> Rows:
        """The first records by distance, looked for in circles that grow until there are enough.

        Whatever is outside of a circle is farther away than all that is inside, so that the answer
        is the same as by computing every record's distance.
        """
        near: Near = cast("Compare", filter.near).operand
        radius = max(FIRST_RADIUS, 2 * (near.minimum or 0.0))
        while radius < (math.pi if near.maximum is None else near.maximum):
            rows = self._select(statements, _within(filter, radius))
            if len(rows) == filter.limit:
                return rows
            radius *= 4
        return self._select(statements, filter)

    def _write_matching(
        self, statements: ModelStatements, where: Where, run: Callable[[Where], int]
    ) -> int:
        """Run a write on what matches; where SQL cannot tell, on the ids that Python found."""
        pushed, rest = statements.conditions.split(where)
        if rest is None:
            try:
                return run(where)
            except StatementTooLarge:
                pushed = EVERYTHING
        with self.session.transaction():
            ids = self._matching_ids(statements, where, pushed)
            return sum(run(chunk) for chunk in _id_chunks(statements.definition, ids))

    def _matching_ids(self, statements: ModelStatements, where: Where, pushed: Where) -> list[Any]:
        records = self._select(statements, Filter(where=pushed)).records()
        return [statements.definition.id_of(each) for each in filter(predicate(where), records)]

    def _select_in_python(self, statements: ModelStatements, filter: Filter, pushed: Where) -> Rows:
        rows = self._select(statements, _without_paging(filter, pushed, statements))
        records = rows.records()
        places = {id(record): place for place, record in enumerate(records)}
        found = [rows.raw[places[id(record)]] for record in apply(filter, records)]
        return Rows(found, _narrowed(rows.layout, filter.fields))


class Refused(Exception):
    """A constraint refused a write; dialects raise it with what the driver tells.

    :param kind: ``unique``, ``null`` or ``other``.
    :param columns: the columns that the driver names, as one text: ``table.column, …``.
    """

    def __init__(self, kind: str, columns: str = "") -> None:
        super().__init__(kind, columns)
        self.kind = kind
        self.columns = columns


def _refusal(
    statements: ModelStatements, error: Refused, id: Any = None, index: int | None = None
) -> Exception:
    """What a constraint's refusal means for the model."""
    table = statements.model_table
    names = table.properties_of(error.columns)
    if error.kind == "unique" and names:
        if set(names) == set(statements.ids):
            return DuplicateId(table.definition.name, id)
        return UniqueViolation(names, index)
    if error.kind == "null":
        return RuntimeError(
            f"{error.columns} cannot be null in the database, other than in the model "
            f"{table.definition.name!r}; change one of them"
        )
    return Conflict("The data source refused the record.", error_code="CONSTRAINT")


def _is_plain(order: Order) -> bool:
    return not order.path.keys and order.path.type.ordered


def _within(filter: Filter, radius: float) -> Filter:
    """The same filter inside a circle around the point that it is near to."""
    wide = cast("Compare", filter.near)
    close = replace(wide, operand=replace(wide.operand, maximum=radius))
    parts = [close if part is wide else part for part in conjuncts(filter.where)]
    return replace(filter, where=And(tuple(parts)), near=close)


def _without_paging(filter: Filter, pushed: Where, statements: ModelStatements) -> Filter:
    order = tuple(Order(Path(each, (), each.type)) for each in statements.definition.ids)
    return replace(filter, where=pushed, order=order, limit=None, skip=0, fields=None, near=None)


def _narrowed(layout: Layout, fields: tuple[str, ...] | None) -> Layout:
    if fields is None:
        return layout
    return Layout({name: layout.columns[name] for name in fields})


def _id_chunks(definition: ModelDefinition, ids: Sequence[Any]) -> Iterable[Where]:
    if len(definition.ids) > 1:
        return [id_where(definition, id) for id in ids]
    path = Path(definition.id, (), definition.id.type)
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return [Compare(path, "inq", tuple(chunk)) for chunk in chunks]
