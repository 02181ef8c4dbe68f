"""SqlConnector: the connector protocol on SQLAlchemy Core. What dialects differ in is below it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, cast

from ...definition import ForeignKey, Link, ModelDefinition
from ...errors import DuplicateId
from ...query import (
    EVERYTHING,
    And,
    Compare,
    Filter,
    Near,
    Not,
    Or,
    Order,
    Path,
    Related,
    Where,
    conjuncts,
    has_related,
    predicate,
)
from ..base import (
    PLAIN,
    Capabilities,
    Connector,
    Record,
    RelatedRows,
    Rows,
    TransactionOptions,
    id_where,
)
from ..narrowing import comparisons
from ..repeating import LostRace
from ..scanning import refuse_more, scanned
from .changing import Changing
from .dialect import Dialect
from .discovery import SqlDiscovering
from .driver import affected, every_row
from .executing import compiled, rows_or_count
from .leftover import Sorting, paged_by_key, settled, sorting_of, unpaged
from .refusing import Refused, Refusing, refused
from .session import Session
from .statements import ModelStatements, Statements, StatementTooLarge
from .tables import ModelTable

#: Ids in one statement, where Python found the records.
CHUNK = 500
#: The most ids that are looked up by a statement that is made for them.
MOST_IDS = 128
#: The radius of the first circle in which the nearest records are looked for, in radians of arc;
#: 13 km on the ground.
FIRST_RADIUS = 0.002


class SqlConnector(Refusing, Changing, SqlDiscovering, Connector):
    """Records in tables.

    :param settings: ``url``, and what a dialect adds.
    """

    capabilities = Capabilities(undeclared=False, joins=True, foreign_keys=True, discovery=True)
    session: Session

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.dialect = self.make_dialect()
        self.session = self.make_session()
        self._statements = Statements(self.dialect, self.session.engine.dialect)

    @abstractmethod
    def make_dialect(self) -> Dialect:
        """What the database differs in from others."""

    @abstractmethod
    def make_session(self) -> Session:
        """Open the database: the engine, what its connections are set to, its errors."""

    # Reading

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(filter.where)
        if rest is not None or not all(map(statements.conditions.sorts, filter.order)):
            return self._select_in_python(statements, filter, pushed, rest)
        try:
            if filter.near is not None and filter.limit:
                return self._nearest(statements, filter)
            return self._select(statements, filter)
        except StatementTooLarge:
            return self._select_in_python(statements, filter, EVERYTHING, filter.where)

    def select_related(
        self,
        definition: ModelDefinition,
        filter: Filter,
        links: Sequence[Link],
        keys: Sequence[Any],
    ) -> RelatedRows:
        statements = self._of(definition)
        if not keys or filter.limit == 0:
            return RelatedRows(Rows([], statements.model_table.layout(filter.fields)), [])
        pushed, rest = statements.conditions.split(filter.where)
        if rest is None and all(map(statements.conditions.sorts, filter.order)):
            with suppress(StatementTooLarge):
                return self._select_related(statements, filter, links, keys)
            pushed, rest = EVERYTHING, filter.where
        sorting = sorting_of(filter, statements.conditions.sorts)
        whole = unpaged(filter, pushed, sorting)
        more = sorting.related if sorting else ()
        found = self._select_related(statements, whole, links, keys, more, most=self.max_scan)
        places = self._places(statements, found.rows, rest, sorting, links[0])
        places = paged_by_key(places, found.keys, filter)
        raw = [found.rows.raw[place] for place in places]
        layout = statements.model_table.narrowed(filter.fields)
        return RelatedRows(Rows(raw, layout), [found.keys[place] for place in places])

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        statements = self._of(definition)
        table = statements.model_table
        values = table.binder(statements.ids)(definition.id_values(id))
        statement = statements.by_id
        if not statement.is_plain:
            values = statement.arrange(values)
        return Rows(self.session.fetch(statement.sql, values), table.layout())

    def get_many(self, definition: ModelDefinition, ids: Sequence[Any]) -> Rows:
        statements = self._of(definition)
        if len(statements.ids) > 1 or not 0 < len(ids) <= MOST_IDS:
            return super().get_many(definition, ids)
        table = statements.model_table
        codec = table.codecs[statements.ids[0]]
        values, many = self.dialect.lists.listed(codec.raw_list(ids), len(codec.types))
        statement = statements.by_ids(many)
        return Rows(self.session.fetch(statement.sql, statement.arrange(values)), table.layout())

    def count(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(where)
        if rest is not None:
            return len(self._matching_ids(statements, pushed, rest))
        values: list[Any] = []
        try:
            statement = statements.count(where, values)
            return int(self.session.fetch(statement.sql, statement.arrange(values))[0][0])
        except StatementTooLarge:
            return len(self._matching_ids(statements, EVERYTHING, where))

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
        names = tuple(name for name in changes if name not in statements.computed)
        if not names:
            return self.count(definition, where)

        def run(where: Where) -> int:
            values = statements.model_table.binder(names)(changes)
            statement = statements.update(names, where, values)
            try:
                return int(self.session.run(statement.sql, statement.arrange(values)))
            except Refused as error:
                raise self.refusal(statements, error, changes, where=where) from None

        return self._write_matching(statements, where, run)

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        statements = self._of(definition)
        names = tuple(name for name in changes if name not in statements.computed)
        known = statements.known(where)
        if not names or known is None:
            return None
        table = statements.model_table
        values = table.binder(names)(changes) + table.binder(statements.ids)(
            definition.id_values(id)
        )
        statement = statements.update_returning(names, known, values)
        try:
            raw = self.session.run(statement.sql, statement.arrange(values), every_row)
        except Refused as error:
            there = And((id_where(definition, id), where))
            raise self.refusal(statements, error, changes, where=there) from None
        return Rows(raw, table.layout())

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        statements = self._of(definition)

        def run(where: Where) -> int:
            values: list[Any] = []
            statement = statements.delete(where, values)
            return int(self.session.run(statement.sql, statement.arrange(values)))

        try:
            try:
                return self._write_matching(statements, where, run)
            except Refused as error:
                keys = [key for key in definition.foreign_keys if key.target is definition]
                if not (keys and self.dialect.checks_rows and error.kind == "foreign_key"):
                    raise
                return self._delete_unlinked(statements, where, keys)
        except Refused as error:
            raise self.refusal(statements, error, {}, where=where) from None

    def _delete_unlinked(
        self, statements: ModelStatements, where: Where, keys: Sequence[ForeignKey]
    ) -> int:
        """Delete records of which some hold on to others of them, taking the links away first."""
        nothing = {name: None for key in keys for name in key.names}
        with self.session.transaction():
            ids = self._matching_ids(statements, EVERYTHING, where)
            chunks = list(_id_chunks(statements.definition, ids))
            for chunk in chunks:
                self.update(statements.definition, chunk, nothing)
            counts = []
            for chunk in chunks:
                values: list[Any] = []
                statement = statements.delete(chunk, values)
                counts.append(int(self.session.run(statement.sql, statement.arrange(values))))
            return sum(counts)

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        return self.session.transaction(options)

    def primary(self) -> AbstractContextManager[None]:
        return self.session.primary()

    def execute(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]] | int:
        sa_dialect = self.session.engine.dialect
        statement, values = compiled(sql, params, self.dialect, sa_dialect)
        try:
            done: list[dict[str, Any]] | int = self.session.perform(
                statement, values, rows_or_count
            )
        except Refused:
            raise refused() from None
        except sa_dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise RuntimeError(f"the database does not take the statement: {error}") from error
        return done

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: the SQL; ``plan``: what the database says that it does, such as
            which index it uses, a line each; ``python``: what is left for Python: ``where``, the
            comparisons, and whether it does the ``order``.
        """
        statements = self._of(definition)
        pushed, rest = statements.conditions.split(filter.where)
        sorting = sorting_of(filter, statements.conditions.sorts)
        if sorting is not None or rest is not None:
            filter = unpaged(filter, pushed, sorting)
        values: list[Any] = []
        statement = statements.select(filter, values, sorting.related if sorting else ())
        return {
            "connector": self.name,
            "backend": statement.sql,
            "plan": self.plan(statement.sql, statement.arrange(values)),
            "python": {
                "where": [] if rest is None else comparisons(rest),
                "order": sorting is not None,
            },
        }

    def plan(self, sql: str, values: Sequence[Any]) -> list[str]:
        """What the database says of how it would run a query; nothing where it does not tell."""
        return []

    def ping(self) -> None:
        with self.session.primary():
            self.session.fetch(self.dialect.ping, ())

    def close(self) -> None:
        self.session.close()

    # How

    def _of(self, definition: ModelDefinition) -> ModelStatements:
        return self._statements.of(definition)

    def _insert_one(self, definition: ModelDefinition, record: Record, index: int) -> Any:
        statements = self._of(definition)
        id = definition.id_of(record)
        insertion = statements.insertion(id, record)
        if id is not None and len(statements.ids) == 1 and definition.id.generated:
            # Sooner than the record is there: what is made meanwhile would be the same id.
            with self.session.primary():
                self._given_id(statements, id)
        try:
            made = self.session.run(
                insertion.sql,
                insertion.values(record),
                self.dialect.made_id if id is None else affected,
            )
        except Refused as error:
            refusal = self.refusal(statements, error, record, index)
            if id is None and isinstance(refusal, DuplicateId):
                # Another caller gave the id that was made, a moment before that.
                lost = LostRace(refusal)
                lost.is_over = not self.session.in_transaction
                raise lost from None
            raise refusal from None
        return made if id is None else id

    def _given_id(self, statements: ModelStatements, id: Any) -> None:
        """Let the database make greater ids than one that was given, where it would not."""

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
            rows = self._select(statements, within(filter, radius))
            if len(rows) == filter.limit:
                return rows
            radius *= 4
        return self._select(statements, filter)

    def _select_related(
        self,
        statements: ModelStatements,
        filter: Filter,
        links: Sequence[Link],
        keys: Sequence[Any],
        more: tuple[Order, ...] = (),
        *,
        most: int | None = None,
    ) -> RelatedRows:
        """Rows of what SQL does whole; they end with what no layout reads.

        :param more: what else each row has: the values of these.
        :param most: how many may be read, where Python looks at them.
        """
        raw: list[Any] = []
        first = self._of(links[0].definition).model_table
        for some in self.dialect.lists.key_chunks(*first.raw_keys(links[0].theirs, keys)):
            values: list[Any] = []
            left = None if most is None else most + 1 - len(raw)
            statement = statements.select_related(filter, links, some, values, more, most=left)
            raw += self.session.fetch(statement.sql, statement.arrange(values))
            if most is not None:
                refuse_more(statements.definition, raw, most)
        found = statements.keys(raw, links[0], filter.fields)
        return RelatedRows(Rows(raw, statements.model_table.layout(filter.fields)), found)

    def _write_matching(
        self, statements: ModelStatements, where: Where, run: Callable[[Where], int]
    ) -> int:
        """Run a write on what matches; where SQL cannot tell, on the ids that Python found.

        So it is where the condition looks at other rows of the same table: SQLite shows it those
        that the statement has changed already, and others refuse it.
        """
        pushed, rest = statements.conditions.split(where)
        if rest is None and statements.ids and self._looks_at(where, statements.model_table):
            rest = EVERYTHING
        if rest is None:
            try:
                return run(where)
            except StatementTooLarge:
                pushed, rest = EVERYTHING, where
        with self.session.transaction():
            ids = self._matching_ids(statements, pushed, rest)
            return sum(run(chunk) for chunk in _id_chunks(statements.definition, ids))

    def _looks_at(self, where: Where, table: ModelTable) -> bool:
        """Whether a where follows a link to the rows of a table."""
        if isinstance(where, Related):
            there = self._of(where.link.definition).model_table.table.fullname
            return there == table.table.fullname or self._looks_at(where.where, table)
        if isinstance(where, Not):
            return self._looks_at(where.item, table)
        return isinstance(where, And | Or) and any(
            self._looks_at(item, table) for item in where.items
        )

    # In Python

    def _select_in_python(
        self, statements: ModelStatements, filter: Filter, pushed: Where, rest: Where | None
    ) -> Rows:
        sorting = sorting_of(filter, statements.conditions.sorts)
        whole = replace(unpaged(filter, pushed, sorting), limit=self.max_scan + 1)
        values: list[Any] = []
        statement = statements.select(whole, values, sorting.related if sorting else ())
        raw = self.session.fetch(statement.sql, statement.arrange(values))
        refuse_more(statements.definition, raw, self.max_scan)
        rows = Rows(raw, statements.model_table.layout())
        places = self._places(statements, rows, rest, sorting)
        end = None if filter.limit is None else filter.skip + filter.limit
        found = [raw[place] for place in places[filter.skip : end]]
        return Rows(found, statements.model_table.narrowed(filter.fields))

    def _places(
        self,
        statements: ModelStatements,
        rows: Rows,
        rest: Where | None,
        sorting: Sorting | None,
        link: Link | None = None,
    ) -> list[int]:
        """The places of the rows that match what is left of a where, in their order.

        :param link: of rows that end with keys, the first link.
        """
        records = rows.records()
        places = list(range(len(records)))
        if rest is not None:
            matches = predicate(self._settled(statements.definition, rest))
            places = [place for place in places if matches(records[place])]
        if sorting is not None:
            values = statements.related_values(rows.raw, sorting.related, link)
            places = sorting.sort(places, records, values)
        return places

    def _matching_ids(self, statements: ModelStatements, pushed: Where, rest: Where) -> list[Any]:
        rows = self._select(statements, Filter(where=pushed, limit=self.max_scan + 1))
        refuse_more(statements.definition, rows, self.max_scan)
        records = rows.records()
        places = self._places(statements, rows, rest, None)
        return [statements.definition.id_of(records[place]) for place in places]

    def _settled(self, definition: ModelDefinition, where: Where) -> Where:
        """A where that Python can answer: what is on other tables is looked up here."""
        return settled(definition, where, self._keys) if has_related(where) else where

    def _keys(
        self, definition: ModelDefinition, names: tuple[str, ...], where: Where
    ) -> Iterable[Any]:
        """The keys, each once, of the records of a model that match."""
        records = scanned(self, definition, Filter(where=where, fields=names)).records()
        values = (tuple(map(record.__getitem__, names)) for record in records)
        return dict.fromkeys(each[0] if len(names) == 1 else each for each in values)


def within(filter: Filter, radius: float) -> Filter:
    """The same filter inside a circle around the point that it is near to."""
    wide = cast("Compare", filter.near)
    close = replace(wide, operand=replace(wide.operand, maximum=radius))
    parts = [close if part is wide else part for part in conjuncts(filter.where)]
    return replace(filter, where=And(tuple(parts)), near=close)


def _id_chunks(definition: ModelDefinition, ids: Sequence[Any]) -> Iterable[Where]:
    if len(definition.ids) > 1:
        return [id_where(definition, id) for id in ids]
    path = Path(definition.id, (), definition.id.type)
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return [Compare(path, "inq", tuple(chunk)) for chunk in chunks]
