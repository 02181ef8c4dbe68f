"""The statements of a model: built and compiled once for each shape, then kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.operators import custom_op

from ...definition import ModelDefinition
from ...query import Compare, Filter, Order, Where
from ...query.nodes import conjuncts
from .cache import Cache
from .conditions import Conditions, NextParameter
from .tables import Binder, ModelTable

#: The most statements that are kept of one model; past it the oldest goes.
KEPT_STATEMENTS = 500
#: The most records of a page that is looked for in the order of the ids, whatever does not match.
SMALL_PAGE = 100


class StatementTooLarge(Exception):
    """A statement has more conditions or parameters than the database takes; dialects raise it."""


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


@dataclass(frozen=True, slots=True)
class Insertion:
    """How new records are stored.

    :ivar sql: the statement.
    :ivar bind: gives its values from a record.
    """

    sql: str
    bind: Binder


class ModelStatements:
    """The statements of one model, by shape.

    :param definition: the model.
    :param backend: the connector's name.
    :param dialect: what the statements are compiled for.
    :param hides_order: whether searches in an index hide from the database that an index of the ids
        has the order; see :attr:`SqlConnector.hides_order`.

    :ivar ids: the Python names of the id's properties.
    :ivar by_id: finds the record with an id, whose raw values it takes.
    """

    def __init__(
        self, definition: ModelDefinition, backend: str, dialect: sa.Dialect, *, hides_order: bool
    ) -> None:
        self.definition = definition
        self._hides_order = hides_order
        self.model_table = ModelTable(definition, backend)
        self.conditions = Conditions(self.model_table)
        self.table = self.model_table.table
        self.ids = tuple(each.name for each in definition.ids)
        self._dialect = dialect
        self._prefix = _free_prefix(column.name for column in self.table.columns)
        self._kept: Cache[Statement] = Cache(KEPT_STATEMENTS)
        self.by_id = self._compile(self._select_by_id)
        names = tuple(self.model_table.columns)
        self._given_id = self._made_id = self._insertion(names)
        if len(definition.ids) == 1 and definition.id.generated:
            self._made_id = self._insertion(tuple(name for name in names if name not in self.ids))

    def insertion(self, id: Any) -> Insertion:
        """How a record is stored; where its id is None, the database makes it."""
        return self._made_id if id is None else self._given_id

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
        by_id = len(order) == 1 and order[0][0] in self.ids and self._hides_id_order(filter)
        key = ("select", shape, order, by_id, paging, filter.fields, filter.near is not None)
        return self._get(key, lambda parameter: self._select(filter, by_id, parameter))

    def count(self, where: Where, values: list[Any]) -> Statement:
        shape = self.conditions.shape(where, values)

        def build(parameter: Any) -> Any:
            condition = self.conditions.expression(where, parameter)
            return sa.select(sa.func.count()).select_from(self.table).where(condition)

        return self._get(("count", shape), build)

    def update(self, names: tuple[str, ...], where: Where, values: list[Any]) -> Statement:
        """The statement that sets properties; their values come before the where's."""
        shape = self.conditions.shape(where, values)

        def build(parameter: Any) -> Any:
            columns = self.model_table.columns_of(names)
            changes = {column: parameter() for column in columns}
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

    def _select(self, filter: Filter, by_id: bool, parameter: NextParameter) -> Any:
        # A row without any column is none in SQL.
        columns: list[Any] = [*self.model_table.selected(filter.fields)]
        statement = sa.select(*(columns or [sa.literal_column("1")])).select_from(self.table)
        statement = statement.where(self.conditions.expression(filter.where, parameter))
        if filter.near is not None:
            statement = statement.order_by(self.conditions.distance(filter.near, parameter))
        keys = [self._order(each, hidden=by_id) for each in filter.order]
        statement = statement.order_by(*keys)
        if filter.limit is not None:
            statement = statement.limit(parameter())
        return statement.offset(parameter()) if filter.skip else statement

    def _hides_id_order(self, filter: Filter) -> bool:
        if not self._hides_order or (filter.limit is not None and filter.limit <= SMALL_PAGE):
            return False
        leading = {index.keys[0] for index in self.definition.indexes()}
        return any(
            isinstance(part, Compare)
            and part.operator in ("gt", "gte", "lt", "lte")
            and part.path.property.name in leading
            for part in conjuncts(filter.where)
        )

    def _order(self, order: Order, *, hidden: bool) -> Any:
        (column,) = self.model_table.columns[order.path.property.name]
        key: Any = sa.UnaryExpression(column, operator=custom_op("+")) if hidden else column
        key = key.desc() if order.descending else key.asc()
        return key.nulls_last() if column.nullable else key

    def _select_by_id(self, parameter: NextParameter) -> Any:
        columns = self.model_table.columns_of(self.ids)
        wanted = (column == parameter() for column in columns)
        return sa.select(*self.model_table.selected(None)).where(sa.and_(sa.true(), *wanted))

    def _insertion(self, names: tuple[str, ...]) -> Insertion:
        def build(parameter: NextParameter) -> Any:
            columns = self.model_table.columns_of(names)
            return self.table.insert().values({column: parameter() for column in columns})

        return Insertion(self._compile(build).sql, self.model_table.binder(names))

    def _get(self, key: Any, build: Callable[[NextParameter], Any]) -> Statement:
        return self._kept.get(key, lambda: self._compile(build))

    def _compile(self, build: Callable[[NextParameter], Any]) -> Statement:
        parameters: list[str] = []

        def parameter() -> Any:
            parameters.append(f"{self._prefix}{len(parameters)}")
            return sa.bindparam(parameters[-1], type_=sa.types.NullType())

        try:
            compiled = build(parameter).compile(dialect=self._dialect)
        except RecursionError:
            raise StatementTooLarge from None
        constants = [name for name in dict.fromkeys(compiled.positiontup) if name not in parameters]
        places = {name: place for place, name in enumerate([*parameters, *constants])}
        return Statement(
            str(compiled),
            tuple(places[name] for name in compiled.positiontup),
            tuple(compiled.params[name] for name in constants),
        )


def _free_prefix(columns: Iterable[str]) -> str:
    """What no column's name begins with, as SQLAlchemy keeps those for itself."""
    taken, prefix = tuple(columns), "value_"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return prefix
