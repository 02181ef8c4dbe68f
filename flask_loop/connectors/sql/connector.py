"""SqlConnector: the connector protocol on SQLAlchemy Core. What dialects differ in is below it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ...definition import ModelDefinition
from ...errors import DefinitionError, DuplicateId, UniqueViolation
from ...query import Compare, Filter, Order, Path, Where, apply, predicate
from ..base import Capabilities, Connector, Layout, Record, Rows, id_where
from .conditions import Conditions
from .migration import Migration
from .session import Session
from .tables import ModelTable

#: The most statements that are kept of one model; past it the oldest goes.
KEPT_STATEMENTS = 500
#: Ids in one statement, where Python found the records.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement.

    :ivar sql: its text.
    :ivar positions: which of the shape's values, and then constants, each placeholder takes.
    :ivar constants: values that are the same for each use of the shape.
    """

    sql: str
    positions: tuple[int, ...]
    constants: tuple[Any, ...] = ()

    def arrange(self, values: list[Any]) -> list[Any]:
        """The values of one use, in the order of the placeholders."""
        if self.constants:
            values = [*values, *self.constants]
        return [values[position] for position in self.positions]


class ModelStatements:
    """The statements of one model, by shape.

    :param definition: the model.
    :param backend: the connector's name.
    :param dialect: what the statements are compiled for.
    """

    def __init__(self, definition: ModelDefinition, backend: str, dialect: sa.Dialect) -> None:
        self.definition = definition
        self.model_table = ModelTable(definition, backend)
        self.conditions = Conditions(self.model_table)
        self.table = self.model_table.table
        self._dialect = dialect
        self._kept: dict[Any, Statement] = {}
        id_values: list[Any] = []
        self.by_id = self.select(Filter(where=id_where(definition, _no_id(definition))), id_values)

    def select(self, filter: Filter, values: list[Any]) -> Statement:
        """The statement of a filter that SQL does whole; its values are added to ``values``."""
        shape = self.conditions.shape(filter.where, values)
        if filter.near is not None:
            near = filter.near.operand
            values.extend((near.point.lat, near.point.lng))
        paging = (filter.limit is not None, filter.skip > 0)
        if paging[0]:
            values.append(filter.limit)
        if paging[1]:
            values.append(filter.skip)
        order = tuple((key.path.property.name, key.descending) for key in filter.order)
        key = ("select", shape, order, paging, filter.fields, filter.near is not None)
        return self._get(key, lambda parameter: self._select(filter, parameter))

    def count(self, where: Where, values: list[Any]) -> Statement:
        shape = self.conditions.shape(where, values)

        def build(parameter: Any) -> Any:
            condition = self.conditions.expression(where, parameter)
            return sa.select(sa.func.count()).select_from(self.table).where(condition)

        return self._get(("count", shape), build)

    def insert(self, names: tuple[str, ...]) -> Statement:
        def build(parameter: Any) -> Any:
            columns = self._columns(names)
            return self.table.insert().values({column: parameter() for column in columns})

        return self._get(("insert", names), build)

    def update(self, names: tuple[str, ...], where: Where, values: list[Any]) -> Statement:
        """The statement that sets properties; their values come before the where's."""
        shape = self.conditions.shape(where, values)

        def build(parameter: Any) -> Any:
            changes = {column: parameter() for column in self._columns(names)}
            condition = self.conditions.expression(where, parameter)
            return self.table.update().values(changes).where(condition)

        return self._get(("update", names, shape), build)

    def delete(self, where: Where, values: list[Any]) -> Statement:
        shape = self.conditions.shape(where, values)
        return self._get(
            ("delete", shape),
            lambda parameter: self.table.delete().where(
                self.conditions.expression(where, parameter)
            ),
        )

    def _select(self, filter: Filter, parameter: Any) -> Any:
        statement = sa.select(*self.model_table.selected(filter.fields)).where(
            self.conditions.expression(filter.where, parameter)
        )
        if filter.near is not None:
            statement = statement.order_by(self.conditions.distance(filter.near, parameter))
        statement = statement.order_by(*map(self._order, filter.order))
        if filter.limit is not None:
            statement = statement.limit(parameter())
        return statement.offset(parameter()) if filter.skip else statement

    def _order(self, order: Order) -> Any:
        (column,) = self.model_table.columns[order.path.property.name]
        key = column.desc() if order.descending else column.asc()
        return key.nulls_last() if column.nullable else key

    def _columns(self, names: tuple[str, ...]) -> list[Any]:
        return [column for name in names for column in self.model_table.columns[name]]

    def _get(self, key: Any, build: Callable[[Callable[[], Any]], Any]) -> Statement:
        statement = self._kept.get(key)
        if statement is None:
            statement = self._compile(build)
            if len(self._kept) >= KEPT_STATEMENTS:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = statement
        return statement

    def _compile(self, build: Callable[[Callable[[], Any]], Any]) -> Statement:
        parameters: list[str] = []

        def parameter() -> Any:
            parameters.append(f"value_{len(parameters)}")
            return sa.bindparam(parameters[-1], type_=sa.types.NullType())

        compiled = build(parameter).compile(dialect=self._dialect)
        constants = [name for name in dict.fromkeys(compiled.positiontup) if name not in parameters]
        places = {name: place for place, name in enumerate([*parameters, *constants])}
        return Statement(
            str(compiled),
            tuple(places[name] for name in compiled.positiontup),
            tuple(compiled.params[name] for name in constants),
        )


def _no_id(definition: ModelDefinition) -> Any:
    return 0 if len(definition.ids) == 1 else (0,) * len(definition.ids)


class SqlConnector(Connector):
    """Records in tables.

    :param settings: ``url``, and what a dialect adds.
    """

    capabilities = Capabilities(undeclared=False)
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
        values: list[Any] = []
        statement = statements.select(filter, values)
        raw = self.session.fetch(statement.sql, statement.arrange(values))
        return Rows(raw, statements.model_table.layout(filter.fields))

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        statements = self._of(definition)
        given = definition.id_values(id)
        values = statements.model_table.bind(given, given)
        raw = self.session.fetch(statements.by_id.sql, values)
        return Rows(raw, statements.model_table.layout())

    def count(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(where)
        if rest is not None:
            return len(self._matching_records(statements, where, pushed))
        values: list[Any] = []
        statement = statements.count(where, values)
        return int(self.session.fetch(statement.sql, statement.arrange(values))[0][0])

    # Writing

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        if len(records) == 1:
            return [self._insert_one(definition, records[0], 0)]
        with self.session.transaction():
            return [
                self._insert_one(definition, record, index) for index, record in enumerate(records)
            ]

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        statements = self._of(definition)
        names = tuple(changes)

        def run(where: Where) -> int:
            values = statements.model_table.bind(changes, names)
            statement = statements.update(names, where, values)
            try:
                cursor = self.session.run(statement.sql, statement.arrange(values))
            except UniqueColumns as error:
                raise _refusal(statements.model_table, error, None, None) from None
            return int(cursor.rowcount)

        return self._write_matching(statements, where, run)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)

        def run(where: Where) -> int:
            values: list[Any] = []
            statement = statements.delete(where, values)
            return int(self.session.run(statement.sql, statement.arrange(values)).rowcount)

        return self._write_matching(statements, where, run)

    def transaction(self) -> AbstractContextManager[None]:
        return self.session.transaction()

    # The schema

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        with self.session.connection() as connection:
            for table in self._tables(definitions):
                Migration(connection, table).update()

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        with self.session.connection() as connection:
            for table in self._tables(definitions):
                Migration(connection, table).recreate()

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        with self.session.connection() as connection:
            return all(
                Migration(connection, table).is_actual() for table in self._tables(definitions)
            )

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(filter.where)
        is_sorted = all(map(_is_plain, filter.order))
        whole = (
            filter if rest is None and is_sorted else _without_paging(filter, pushed, statements)
        )
        statement = statements.select(whole, [])
        return {
            "connector": self.name,
            "backend": statement.sql,
            "python": {"where": rest is not None, "order": not is_sorted or rest is not None},
        }

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
            statements = ModelStatements(definition, self.name, dialect)
            self._statements[definition] = statements
        return statements

    def _tables(self, definitions: Iterable[ModelDefinition]) -> list[ModelTable]:
        return [self._of(definition).model_table for definition in definitions]

    def _insert_one(self, definition: ModelDefinition, record: Record, index: int) -> Any:
        statements = self._of(definition)
        id = definition.id_of(record)
        names = tuple(
            name
            for name in statements.model_table.columns
            if id is not None or name != _id(definition)
        )
        values = statements.model_table.bind(record, names)
        try:
            cursor = self.session.run(statements.insert(names).sql, values)
        except UniqueColumns as error:
            raise _refusal(statements.model_table, error, id, index) from None
        return cursor.lastrowid if id is None else id

    def _write_matching(
        self, statements: ModelStatements, where: Where, run: Callable[[Where], int]
    ) -> int:
        """Run a write on what matches; where SQL cannot tell, on the ids that Python found."""
        pushed, rest = statements.conditions.split(where)
        if rest is None:
            return run(where)
        with self.session.transaction():
            found = self._matching_records(statements, where, pushed)
            ids = [statements.definition.id_of(record) for record in found]
            return sum(run(chunk) for chunk in _id_chunks(statements.definition, ids))

    def _matching_records(
        self, statements: ModelStatements, where: Where, pushed: Where
    ) -> list[Record]:
        rows = self.select(statements.definition, Filter(where=pushed))
        matches = predicate(where)
        return [record for record in rows.records() if matches(record)]

    def _select_in_python(self, statements: ModelStatements, filter: Filter, pushed: Where) -> Rows:
        whole = _without_paging(filter, pushed, statements)
        rows = self.select(statements.definition, whole)
        id_of = statements.definition.id_of
        records = rows.records()
        raw = {id_of(record): row for record, row in zip(records, rows.raw, strict=True)}
        found = [raw[id_of(record)] for record in apply(filter, records)]
        return Rows(found, _narrowed(rows.layout, filter.fields))


class UniqueColumns(Exception):
    """A unique index refused a write; dialects raise it with what the driver tells.

    :param columns: the names of the columns.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(*columns)
        self.columns = tuple(columns)


def _refusal(table: ModelTable, error: UniqueColumns, id: Any, index: int | None) -> Exception:
    names = tuple(dict.fromkeys(table.by_column[column] for column in error.columns))
    if names == tuple(each.name for each in table.definition.ids):
        return DuplicateId(table.definition.name, id)
    return UniqueViolation(names, index)


def _is_plain(order: Order) -> bool:
    return not order.path.keys and order.path.type.ordered


def _id(definition: ModelDefinition) -> str | None:
    return definition.ids[0].name if len(definition.ids) == 1 else None


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
