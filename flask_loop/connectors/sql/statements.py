"""The statements of a model: built and compiled once for each shape, then kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.operators import custom_op

from ...definition import Link, ModelDefinition, Property
from ...errors import DefinitionError
from ...query import EVERYTHING, Compare, Filter, Order, Where
from ...query.nodes import conjuncts
from ...types import MAX_INTEGER
from ..base import Rows
from .cache import Cache
from .conditions import Conditions
from .dialect import Dialect
from .lists import ALWAYS, Expression, NextParameter
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
    :ivar names: the placeholders' names, where the driver takes values by name.
    :ivar is_plain: whether the driver takes the values as they come.
    """

    sql: str
    positions: tuple[int, ...]
    constants: tuple[Any, ...] = ()
    names: tuple[str, ...] | None = None
    is_plain: bool = False

    def arrange(self, values: list[Any]) -> Any:
        """The values of one use, as the driver takes them: in the order of the placeholders."""
        if self.constants:
            values = [*values, *self.constants]
        arranged = [values[position] for position in self.positions]
        return arranged if self.names is None else dict(zip(self.names, arranged, strict=True))


@dataclass(frozen=True, slots=True)
class Insertion:
    """How new records are stored.

    :ivar statement: the statement.
    :ivar bind: gives its values from a record.
    """

    statement: Statement
    bind: Binder

    @property
    def sql(self) -> str:
        return self.statement.sql

    def values(self, record: Any) -> Any:
        """The values of a record, as the driver takes them."""
        bound = self.bind(record)
        return bound if self.statement.names is None else self.statement.arrange(bound)


class KnownWhere:
    """A where that comes again and again, and what is known of it.

    :param where: the where, which has no other's ``id`` while this is there.
    :param conditions: those of its table.
    """

    def __init__(self, where: Where, conditions: Conditions) -> None:
        self.where = where
        self.is_exact = conditions.is_exact(where)
        self.values: list[Any] = []
        self.shape = conditions.shape(where, self.values) if self.is_exact else None


class Statements:
    """The statements of all models of one connector.

    :param dialect: the database's.
    :param compiled_for: SQLAlchemy's dialect, which writes their text.
    """

    #: The type of parameters, whose values are raw.
    value_type: Any = sa.types.NullType()

    def __init__(self, dialect: Dialect, compiled_for: sa.Dialect) -> None:
        self.dialect, self.compiled_for = dialect, compiled_for
        self._kept: dict[ModelDefinition, ModelStatements] = {}

    def table(self, definition: ModelDefinition) -> ModelTable:
        """The table of a model."""
        return ModelTable(definition, self.dialect)

    def of(self, definition: ModelDefinition) -> ModelStatements:
        """The statements of a model, as long as its table has the same columns.

        :raises DefinitionError: where its records cannot be rows of a table.
        """
        found = self._kept.get(definition)
        if found is None or found.shape != definition.shape:
            if definition.settings.keeps_unknown:
                raise DefinitionError(
                    f"{definition.name} has strict = False, but {self.dialect.name} stores "
                    "declared properties only; declare an object property for the rest"
                )
            found = self._kept[definition] = ModelStatements(definition, self)
        return found

    def known(self) -> list[ModelDefinition]:
        """The models whose statements were asked for."""
        return list(self._kept)


class ModelStatements:
    """The statements of one model, by shape.

    :param definition: the model.
    :param every: those of the connector's other models.

    :ivar shape: which shape of the definition they are for.
    :ivar ids: the Python names of the id's properties.
    :ivar by_id: finds the record with an id, whose raw values it takes.
    """

    def __init__(self, definition: ModelDefinition, every: Statements) -> None:
        self.definition = definition
        self.shape = definition.shape
        self.dialect = every.dialect
        self.model_table = every.table(definition)
        self.conditions = Conditions(self.model_table, lambda other: every.of(other).conditions)
        self.table = self.model_table.table
        self.ids = tuple(each.name for each in definition.ids)
        self._compiled_for, self._value_type = every.compiled_for, every.value_type
        self._prefix = _free_prefix(column.name for column in self.table.columns)
        self._kept: Cache[Statement] = Cache(KEPT_STATEMENTS)
        self._known: Cache[KnownWhere] = Cache(KEPT_STATEMENTS)
        self.by_id = self._compile(self._select_by_id)
        self.computed = frozenset(self._computed())
        self._made = [each.name for each in definition.properties.values() if _is_made(each)]
        self._without_made: Cache[Insertion] = Cache(KEPT_STATEMENTS)
        names = self._inserted()
        self._given_id = self._made_id = self._insertion(names)
        if len(definition.ids) == 1 and definition.id.generated:
            self._made_id = self._insertion(tuple(name for name in names if name not in self.ids))

    def insertion(self, id: Any, record: Mapping[str, Any]) -> Insertion:
        """How a record is stored; where its id is None, the database makes it.

        So it does with other properties that it makes, where they are None.
        """
        if self._made:
            made = {name for name in self._made if record.get(name) is None}
            made.update(self.ids if id is None else ())
            names = tuple(name for name in self._inserted() if name not in made)
            return self._without_made.get(names, lambda: self._insertion(names))
        return self._made_id if id is None else self._given_id

    def _inserted(self) -> tuple[str, ...]:
        return tuple(name for name in self.model_table.columns if name not in self.computed)

    def _computed(self) -> Iterator[str]:
        """The properties whose columns the database computes, and nobody writes."""
        for each in self.definition.properties.values():
            if each.options.get(self.dialect.name, {}).get("computed"):
                yield each.name

    def by_ids(self, many: int) -> Statement:
        """The statement of the records with so many ids, whose raw values it takes."""

        def build(parameter: NextParameter) -> Any:
            columns = self.model_table.columns_of(self.ids)
            codec = self.model_table.codecs[self.ids[0]]
            wanted = self.dialect.is_in(columns, many, codec, parameter)
            return sa.select(*self.model_table.selected(None)).where(wanted)

        return self._get(("by ids", many), build)

    def select(self, filter: Filter, values: list[Any], more: tuple[Order, ...] = ()) -> Statement:
        """The statement of a filter that SQL does whole; its values are added to ``values``.

        :param more: what else each row has, after the columns of its layout: the values of these.
        """
        shape = self.conditions.shape(filter.where, values)
        if filter.near is not None:
            near = filter.near.operand
            values.extend((near.point.lat, near.point.lng))
        paging = (filter.limit is not None, filter.skip > 0)
        if paging[0]:
            values.append(filter.limit)
        if paging[1]:
            values.append(filter.skip)
        order = self._order_shape(filter.order)
        by_id = self.dialect.hides_order and self._hides_id_order(filter)
        key: tuple[Any, ...] = (
            "select",
            shape,
            order,
            by_id,
            paging,
            filter.fields,
            filter.near is not None,
        )
        if more:
            key = (*key, self._order_shape(more))
        return self._get(key, lambda parameter: self._select(filter, by_id, more, parameter))

    def select_related(
        self,
        filter: Filter,
        links: Sequence[Link],
        keys: list[Any],
        values: list[Any],
        more: tuple[Order, ...] = (),
        *,
        most: int | None = None,
    ) -> Statement:
        """The statement of the records that links lead to from keys.

        After the columns of their layout its rows have the key, and then what :meth:`select` gives
        for ``more``.

        :param filter: its limit and skip hold for each key.
        :param links: one, or two through rows of a third table.
        :param keys: raw values of the first link's own properties, one after the other.
        :param values: takes the statement's values.
        :param most: how many rows there are at most in all, of a filter without a page.
        """
        first = self.conditions.table_of(links[0])
        width = len(first.columns_of(links[0].theirs))
        bound, many = self.dialect.lists.listed_keys(keys, width)
        values.extend(bound)
        shape = self.conditions.shape(filter.where, values)
        if filter.near is not None:
            near = filter.near.operand
            values.extend((near.point.lat, near.point.lng))
        paged = filter.limit is not None or filter.skip > 0
        if paged:
            end = MAX_INTEGER if filter.limit is None else filter.limit
            values.extend((filter.skip, min(filter.skip + end, MAX_INTEGER)))
        if most is not None:
            values.append(most)
        through = tuple(self.conditions.link_shape(link) for link in links)
        order = self._order_shape(filter.order)
        key = (
            "related",
            *(through, many, shape, order, paged, most is not None),
            *(filter.fields, filter.near is not None, self._order_shape(more)),
        )

        def build(parameter: NextParameter) -> Any:
            related = self._related(filter, links, many, more, parameter)
            return related if most is None else related.limit(parameter())

        return self._get(key, build)

    def keys(self, raw: Sequence[Any], link: Link, fields: tuple[str, ...] | None) -> Sequence[Any]:
        """The keys in the rows of :meth:`select_related`.

        :param link: the first link.
        :param fields: the filter's.
        """
        table = self.conditions.table_of(link)
        width = len(self.model_table.selected(fields))
        if len(link.theirs) == 1 and table.codecs[link.theirs[0]].to_python is None:
            return [row[width] for row in raw]
        records = Rows(raw, table.layout_at(width, link.theirs)).records()
        if len(link.theirs) == 1:
            return [record[link.theirs[0]] for record in records]
        return [tuple(record.values()) for record in records]

    def related_values(
        self, raw: Sequence[Any], orders: Sequence[Order], link: Link | None
    ) -> list[list[Any]]:
        """What rows of all columns have more, for each order.

        :param link: of rows that have keys, the first link.
        """
        position = len(self.model_table.selected(None))
        if link is not None:
            position += len(self.conditions.table_of(link).columns_of(link.theirs))
        found = []
        for order in orders:
            name = order.path.property.name
            layout = self.conditions.table_of(order.links[-1]).layout_at(position, [name])
            position += len(layout.columns[name].keys)
            found.append([record[name] for record in Rows(raw, layout).records()])
        return found

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
            changes = self._given(names, parameter)
            condition = self.conditions.expression(where, parameter)
            return self.table.update().values(changes).where(condition)

        return self._get(("update", names, shape), build)

    def known(self, where: Where) -> KnownWhere | None:
        """A where that comes again and again, or None where SQL does not do it all."""
        found = self._known.get(id(where), lambda: KnownWhere(where, self.conditions))
        return found if found.is_exact else None

    def update_returning(
        self, names: tuple[str, ...], where: KnownWhere, values: list[Any]
    ) -> Statement:
        """The statement that sets properties of one record, and gives its row as it is then.

        The values of the properties come first, then those of the id, then those of the where.
        """
        values += where.values

        def build(parameter: Any) -> Any:
            changes = self._given(names, parameter)
            condition = self._is_id(parameter), self.conditions.expression(where.where, parameter)
            update = self.table.update().values(changes).where(*condition)
            return update.returning(*self.model_table.selected(None))

        return self._get(("update returning", names, where.shape), build)

    def delete(self, where: Where, values: list[Any]) -> Statement:
        shape = self.conditions.shape(where, values)
        return self._get(
            ("delete", shape),
            lambda parameter: self.table.delete().where(
                self.conditions.expression(where, parameter)
            ),
        )

    def _select(
        self, filter: Filter, by_id: bool, more: tuple[Order, ...], parameter: NextParameter
    ) -> Any:
        columns: list[Any] = [*self.model_table.selected(filter.fields)]
        columns += [value for each in more for value in self._values_of(each)]
        # A row without any column is none in SQL.
        statement = sa.select(*(columns or [sa.literal_column("1")])).select_from(self.table)
        statement = statement.where(self.conditions.expression(filter.where, parameter))
        statement = statement.order_by(*self._sorting(filter, parameter, by_id=by_id))
        if filter.limit is not None:
            statement = statement.limit(parameter())
        return statement.offset(parameter()) if filter.skip else statement

    def _related(
        self,
        filter: Filter,
        links: Sequence[Link],
        many: int,
        more: tuple[Order, ...],
        parameter: NextParameter,
    ) -> Any:
        source: sa.FromClause = self.table
        if len(links) == 1:
            keys = [*self.model_table.columns_of(links[0].theirs)]
            typed = self._typed(links[0].theirs, parameter)
            wheres = [self.dialect.lists.is_key_in(keys, many, typed)]
        else:
            pairs, keys, linked = self._pairs(links, many, parameter)
            source, wheres = source.join(pairs, linked), []
        if filter.where != EVERYTHING:
            wheres.append(self.conditions.expression(filter.where, parameter))
        columns: list[Any] = [*self.model_table.selected(filter.fields), *keys]
        columns += [value for each in more for value in self._values_of(each)]
        sorting = self._sorting(filter, parameter)
        if filter.limit is None and not filter.skip:
            return sa.select(*columns).select_from(source).where(*wheres).order_by(*sorting)
        place: Any = sa.func.row_number().over(partition_by=keys, order_by=sorting or None)
        named = [column.label(f"column_{at}") for at, column in enumerate(columns)]
        placed = sa.select(*named, place.label("place")).select_from(source).where(*wheres)
        rows = placed.subquery("placed").c
        paged = sa.select(*(rows[column.name] for column in named))
        return paged.where(rows.place > parameter(), rows.place <= parameter()).order_by(rows.place)

    def _pairs(
        self, links: Sequence[Link], many: int, parameter: NextParameter
    ) -> tuple[sa.FromClause, list[Any], Expression]:
        """The pairs of keys that the rows of a third table link.

        :returns: them, their columns with the first link's keys, and where they lead to a row here.
        """
        rows = self.conditions.by_link(links[0])
        own = [column for name in links[0].theirs for column in rows.columns[name]]
        theirs = [column for name in links[1].own for column in rows.columns[name]]
        named = [column.label(f"key_{at}") for at, column in enumerate([*own, *theirs])]
        typed = rows.typed(links[0].theirs, parameter)
        wanted = self.dialect.lists.is_key_in(own, many, typed)
        chosen = sa.select(*named).where(wanted).distinct()
        pairs = chosen.subquery(self.conditions.name("pairs"))
        columns = list(pairs.c)
        rest = iter(columns[len(own) :])
        linked = []
        for here, there in zip(links[1].theirs, links[1].own, strict=True):
            held = [next(rest) for _ in rows.columns[there]]
            columns_here = self.model_table.columns[here]
            linked += [a == b for a, b in self.dialect.alike(columns_here, held)]
        return pairs, columns[: len(own)], sa.and_(*linked)

    def _sorting(
        self, filter: Filter, parameter: NextParameter, *, by_id: bool = False
    ) -> list[Any]:
        keys = [key for each in filter.order for key in self._order(each, hidden=by_id)]
        if filter.near is not None:
            keys.insert(0, self.conditions.distance(filter.near, parameter))
        return keys

    def _order_shape(self, order: tuple[Order, ...]) -> tuple[Any, ...]:
        return tuple([(key.path.property.name, key.descending, self._way(key)) for key in order])

    def _way(self, order: Order) -> Any:
        return order.links and tuple(map(self.conditions.link_shape, order.links))

    def _values_of(self, order: Order) -> tuple[Expression, ...]:
        return self.conditions.values_of(order.path.property.name, order.links)

    def _hides_id_order(self, filter: Filter) -> bool:
        if len(filter.order) != 1 or (filter.limit is not None and filter.limit <= SMALL_PAGE):
            return False
        (key,) = filter.order
        if key.links or key.path.property.name not in self.ids:
            return False
        leading = {index.keys[0] for index in self.definition.indexes()}
        return any(
            isinstance(part, Compare)
            and part.operator in ("gt", "gte", "lt", "lte")
            and part.path.property.name in leading
            for part in conjuncts(filter.where)
        )

    def _order(self, order: Order, *, hidden: bool) -> list[Any]:
        columns: Sequence[Any] = self._values_of(order)
        if hidden:
            columns = [sa.UnaryExpression(each, operator=custom_op("+")) for each in columns]
        nullable = bool(order.links) or order.path.property.nullable
        return [
            key
            for column in columns
            for key in self.dialect.order(column, descending=order.descending, nullable=nullable)
        ]

    def _select_by_id(self, parameter: NextParameter) -> Any:
        return sa.select(*self.model_table.selected(None)).where(self._is_id(parameter))

    def _is_id(self, parameter: NextParameter) -> Expression:
        table = self.model_table
        wanted = [
            self.dialect.compare("eq", table.columns[name], table.codecs[name], parameter)
            for name in self.ids
        ]
        return sa.and_(*wanted) if wanted else ALWAYS

    def _insertion(self, names: tuple[str, ...]) -> Insertion:
        def build(parameter: NextParameter) -> Any:
            insertion = self.table.insert().values(self._given(names, parameter))
            if not self.dialect.returns_ids or self.ids == () or self.ids[0] in names:
                return insertion
            return insertion.returning(*self.model_table.columns_of(self.ids))

        return Insertion(self._compile(build), self.model_table.binder(names))

    def _get(self, key: Any, build: Callable[[NextParameter], Any]) -> Statement:
        return self._kept.get(key, lambda: self._compile(build))

    def _compile(self, build: Callable[[NextParameter], Any]) -> Statement:
        parameters: list[str] = []

        def parameter() -> Any:
            parameters.append(f"{self._prefix}{len(parameters)}")
            return sa.bindparam(parameters[-1], type_=self._value_type)

        try:
            compiled = build(parameter).compile(dialect=self._compiled_for)
        except RecursionError:
            raise StatementTooLarge from None
        names = compiled.positiontup if compiled.positional else list(compiled.params)
        constants = [name for name in dict.fromkeys(names) if name not in parameters]
        places = {name: place for place, name in enumerate([*parameters, *constants])}
        positions = tuple(places[name] for name in names)
        return Statement(
            str(compiled),
            positions,
            tuple(compiled.params[name] for name in constants),
            None if compiled.positional else tuple(names),
            is_plain=compiled.positional and positions == tuple(range(len(parameters))),
        )

    def _given(self, names: Iterable[str], parameter: NextParameter) -> dict[Any, Expression]:
        """The columns of properties, each with the parameter of its value."""
        typed = self._typed(names, parameter)
        return {column: typed() for column in self.model_table.columns_of(names)}

    def _typed(self, names: Iterable[str], parameter: NextParameter) -> NextParameter:
        return self.conditions.typed(names, parameter)


def _is_made(property_: Property) -> bool:
    """Whether the database makes a property's value where it is not given, beside the id."""
    return property_.generated and not property_.id


def _free_prefix(columns: Iterable[str]) -> str:
    """What no column's name begins with, as SQLAlchemy keeps those for itself."""
    taken, prefix = tuple(columns), "value_"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return prefix
