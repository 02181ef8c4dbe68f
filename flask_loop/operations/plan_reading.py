"""What the reading operations of a model run on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ..connectors.base import (
    Connector,
    Record,
    RelatedRows,
    Rows,
    id_where,
    layout_of_records,
)
from ..connectors.scanning import scanned
from ..definition import Link
from ..errors import BadRequest, DefinitionError, FilterError, ModelNotFound
from ..query import (
    EVERYTHING,
    Bounds,
    Filter,
    FilterParser,
    Where,
    both,
    conjuncts,
    has_related,
    keys_where,
)
from ..relations.grouping import related_directly, related_through, with_fields
from ..relations.keys import keys_of_rows
from ..relations.narrowing import scoped
from ..relations.reaching import is_followed, plan_of, select_in_order, settled, unordered
from ..remoting import shown_id, values_in
from ..types import TypeMismatch
from .default_scope import DefaultScope

if TYPE_CHECKING:
    from .base import Attached


class ReadingPlan:
    """What the operations of one model that read run on, at one version of its definition.

    :param model: the model.

    :ivar scope: the default scope, or None where there is none, or where it is lifted.
    :ivar written_scope: the default scope, lifted or not.
    """

    scope = DefaultScope()

    def __init__(self, model: type[Attached]) -> None:
        self.model = model
        self.definition = model.definition
        self.version = self.definition.version
        self.parser = FilterParser(self.definition)
        self._remote_parsers: dict[Bounds, FilterParser] = {}
        self._relates = bool(self.definition.relations)
        self.written_scope = self._default_scope()
        if self.written_scope is None:
            self.__dict__["scope"] = None  # which is faster than to ask
        self.id_names = tuple(each.name for each in self.definition.ids)

    @property
    def connector(self) -> Connector:
        """The connector that the model's data source has here: in this app, for this caller."""
        return self.model.data_source.connector

    def remote_parser(self, bounds: Bounds, *, nested: bool = False) -> FilterParser:
        """The parser for the filters of remote callers.

        :param nested: whether the records come inside others.
        """
        if nested:
            return FilterParser(self.definition, remote=True, bounds=bounds, nested=True)
        parser = self._remote_parsers.get(bounds)
        if parser is None:
            parser = FilterParser(self.definition, remote=True, bounds=bounds)
            self._remote_parsers[bounds] = parser
        return parser

    def instance(self, id: Any) -> Any:
        """The record with an id as an instance.

        :param id: as remote callers give it, or as records hold it.
        :raises ModelNotFound: where there is none.
        :raises ArgumentError: where it has not one value for each property of the id.
        """
        return self.model.from_record(self.record(self.read_id(id)))

    def transaction(self) -> AbstractContextManager[None]:
        """A block whose operations all happen, or none where it raises."""
        return self.connector.transaction()

    def find(self, filter: Filter) -> Rows:
        return self._select(self.within(filter))

    def page(self, filter: Filter, most: int | None) -> tuple[Rows, bool]:
        """The first records of a filter.

        :param most: how many, where the filter does not say it; None for all.
        :returns: the records, and whether there are more.
        """
        filter = self.within(filter)
        if filter.limit is not None or most is None:
            return self._select(filter), False
        rows = self._select(replace(filter, limit=most + 1))
        if len(rows) <= most:
            return rows, False
        return Rows(rows.raw[:most], rows.layout), True

    def get(self, id: Any, fields: tuple[str, ...] | None = None) -> Rows:
        """The record with an id, as one row or none.

        :param fields: the Python names of the properties wanted, or None for all.
        """
        if fields is None and self.scope is None:
            return self.connector.get(self.definition, id)
        where = self._scoped(id_where(self.definition, id))
        return self.connector.select(self.definition, Filter(where=where, fields=fields, limit=1))

    def record(self, id: Any) -> Record:
        """The record with an id.

        :raises ModelNotFound: where there is none.
        """
        rows = self.get(id)
        if not rows:
            raise self.not_found(id)
        return rows.records()[0]

    def exists(self, id: Any) -> bool:
        return self.is_stored(id) if self.scope is None else bool(self.get(id))

    def is_stored(self, id: Any) -> bool:
        """Whether a record has the id, were it one that nobody is shown."""
        return bool(self.connector.get(self.definition, id))

    def is_there(self, where: Where) -> bool:
        """Whether a record matches a where, whoever observes the model and whatever its scope."""
        return self.connector.count(self.definition, self._settled(where)) > 0

    def the_one(self, where: Where) -> Any:
        """What stands for the only record that matches, or None where none does.

        :returns: the id, or what else :meth:`patch` takes in its place.
        :raises BadRequest: where more than one matches.
        """
        order = self.parser.filter(None).order
        where = self._scoped(where)
        found = self.connector.select(self.definition, Filter(where=where, order=order, limit=2))
        if len(found) > 1:
            raise BadRequest(
                "There are multiple instances found. Upsert Operation will not be performed!"
            )
        return self.definition.id_of(found.records()[0]) if found else None

    def count(self, where: Where) -> int:
        return self.connector.count(self.definition, self._scoped(where))

    def explain(self, filter: Filter) -> dict[str, Any]:
        """Say how the connector answers a filter, once related records are looked up.

        Of an order that it does not follow it is not asked: it is Python that sorts by it.
        """
        filter = self.within(filter)
        filter = replace(filter, where=self._settled(filter.where))
        connector = self.connector
        if is_followed(filter.order, connector):
            return connector.explain(self.definition, filter)
        asked = replace(unordered(filter), limit=connector.max_scan + 1)
        explained = connector.explain(self.definition, asked)
        python = explained.get("python")
        if isinstance(python, Filter):
            return {**explained, "python": filter}
        return {**explained, "python": {**(python or {}), "order": True}}

    def in_one_step(self, where: Where) -> Where | None:
        """What the data source looks for and stores a record in the absence of, in one step.

        :returns: None where it has no such step, or has to look at other models for it.
        """
        if not self.connector.capabilities.inserts_unless:
            return None
        where = self._scoped(where)
        return None if has_related(where) else where

    # Related records

    def find_related(
        self,
        filter: Filter,
        links: Sequence[Link],
        keys: Sequence[Any],
        most: int | None = None,
        between: Where = EVERYTHING,
    ) -> RelatedRows:
        """Find the records that links lead to from several records.

        :param filter: which of them; its ``limit`` and ``skip`` hold for each key.
        :param links: the way from the model with the keys.
        :param keys: the values of the first link's own properties, each once and not null.
        :param most: how many in all, where they have to be counted: there may be more.
        :param between: which rows of a third model link them, where there is one.
        """
        filter = self.within(filter, pages=False)
        filter = with_fields(filter, links[-1].theirs, tuple(self.definition.properties))
        if not keys:
            layout = layout_of_records(self.definition, filter.fields)
            return RelatedRows(Rows((), layout), ())
        is_plain = len(links) == 1 and filter.limit is None and not filter.skip
        # A where has keys of several values one by one, and so many would be too large for SQL.
        is_alone = len(links[0].own) == 1
        if is_plain and (is_alone or not self._is_followed(filter, links)):
            found = self.select_with_keys(filter, links[0].theirs, keys, most)
            return RelatedRows(found, keys_of_rows(found, links[0].theirs))
        if between == EVERYTHING and self._is_followed(filter, links):
            filter = replace(filter, where=self._settled(filter.where))
            return self.connector.select_related(self.definition, filter, links, keys)
        if len(links) == 1:
            return related_directly(self, filter, links, keys)
        return related_through(self, filter, links, keys, between)

    def select_with_keys(
        self, filter: Filter, names: Sequence[str], keys: Iterable[Any], most: int | None = None
    ) -> Rows:
        """Find the records that hold one of several keys, whatever the default scope says.

        :param most: how many in all, where they have to be counted: there may be one more.
        """
        where = keys_where(self.definition, names, keys)
        if filter.where is not EVERYTHING:
            where = both(where, filter.where)
        fields, near = filter.fields, filter.near
        limit = None if most is None else most + 1
        return self._select(Filter(where, filter.order, limit, 0, fields, near))

    def _is_followed(self, filter: Filter, links: Sequence[Link]) -> bool:
        """Whether the connector finds related records in one query, in the order of a filter."""
        connector = self.connector
        if not connector.capabilities.joins or not is_followed(filter.order, connector):
            return False
        for link in links[:-1]:
            rows = plan_of(link.definition)
            if rows.keeps_some_back or rows.connector is not connector:
                return False
        return True

    def reachable(self, where: Where) -> Where:
        """The where that those of this model's records match which others may be related to."""
        return self._scoped(where)

    @property
    def shows_all(self) -> bool:
        """Whether everybody sees all records as they are stored."""
        return self.scope is None

    @property
    def keeps_some_back(self) -> bool:
        """Whether some of the records are not there for those who look for them."""
        return self.scope is not None and bool(conjuncts(self.scope.where))

    def keys(self, where: Where, names: Sequence[str]) -> list[Any]:
        """The keys of the records that match a where, each once.

        :param where: one that is settled.
        :raises TooMuchToRead: where there are more of the records than may be read.
        """
        fields = tuple(name for name in self.definition.properties if name in names)
        rows = scanned(self.connector, self.definition, Filter(where=where, fields=fields))
        return [key for key in dict.fromkeys(keys_of_rows(rows, names)) if key is not None]

    def ids(self, where: Where) -> list[Any]:
        """The ids of the records that match a where, whoever observes the model.

        :raises TooMuchToRead: where there are more of them than may be read.
        """
        return self.keys(self._scoped(where), self.id_names)

    # The default scope, and what is said of related records

    def without_scope(self) -> Self:
        """The same plan for all records, be they within the default scope or not."""
        if self.scope is None:
            return self
        plan = copy(self)
        plan.__dict__["scope"] = None
        return plan

    def _default_scope(self) -> Filter | None:
        written = self.definition.settings.scope
        if not written:
            return None
        try:
            return self.parser.filter(written)
        except FilterError as error:
            name = self.definition.name
            raise DefinitionError(f"the default scope of {name}: {error.message}") from None

    def within(self, filter: Filter, *, pages: bool = True) -> Filter:
        """A filter within the default scope, which also gives what the filter does not say.

        :param pages: whether more than the scope's ``where`` and ``order`` is among that.
        """
        if self.scope is None:
            return filter
        scope = self.scope
        if not pages:
            scope = replace(scope, limit=None, skip=0, fields=None, include=(), extra=())
        return scoped(self, filter, scope)

    def _scoped(self, where: Where) -> Where:
        """A where within the default scope, such as the connector can answer."""
        if self.scope is not None:
            where = both(self.scope.where, where)
        return self._settled(where)

    def _settled(self, where: Where) -> Where:
        if not (self._relates or has_related(where)):
            return where
        return settled(where, self.definition, self.connector)

    def _select(self, filter: Filter) -> Rows:
        # Relations of other models may lead here through a third one, whatever this one has.
        if not (self._relates or has_related(filter.where)):
            return self.connector.select(self.definition, filter)
        connector = self.connector
        where = settled(filter.where, self.definition, connector)
        if where is not filter.where:
            filter = replace(filter, where=where)
        if is_followed(filter.order, connector):
            return connector.select(self.definition, filter)
        return select_in_order(connector, self.definition, filter)

    def load_id(self, id: Any) -> Any:
        """An id as records hold it.

        :raises ModelNotFound: where no record can have such an id.
        """
        try:
            if len(self.definition.ids) == 1:
                return self.definition.ids[0].type.load(id)
            values = self.definition.id_values(id)
            loaded = [self.definition.properties[n].type.load(v) for n, v in values.items()]
        except (TypeMismatch, TypeError):
            raise self.not_found(id) from None
        return tuple(loaded)

    def read_id(self, id: Any, argument: str = "id") -> Any:
        """An id as records hold it, as remote callers give it.

        :param id: its text; where it is several properties, their values with commas between them.
        :param argument: what it is given as.
        :raises ModelNotFound: where no record can have such an id.
        :raises ArgumentError: where it has not one value for each property of the id.
        """
        if len(self.id_names) > 1 and isinstance(id, str):
            id = values_in(self.definition, id, argument)
        return self.load_id(id)

    def not_found(self, id: Any) -> ModelNotFound:
        return ModelNotFound(self.definition.name, shown_id(self.definition, id))
