"""What the reading operations of a model run on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..connectors.base import Connector, Record, Rows, id_where
from ..errors import BadRequest, ModelNotFound
from ..query import Bounds, Filter, FilterParser, Where
from ..types import TypeMismatch

if TYPE_CHECKING:
    from .base import Attached


class ReadingPlan:
    """What the operations of one model that read run on, at one version of its definition.

    :param model: the model.
    """

    def __init__(self, model: type[Attached]) -> None:
        self.model = model
        self.definition = model.definition
        self.version = self.definition.version
        self.parser = FilterParser(self.definition)
        self._remote_parsers: dict[Bounds, FilterParser] = {}

    @property
    def connector(self) -> Connector:
        """The connector that the model's data source has here: in this app, for this caller."""
        return self.model.data_source.connector

    def remote_parser(self, bounds: Bounds) -> FilterParser:
        """The parser for the filters of remote callers."""
        parser = self._remote_parsers.get(bounds)
        if parser is None:
            parser = FilterParser(self.definition, remote=True, bounds=bounds)
            self._remote_parsers[bounds] = parser
        return parser

    def instance(self, id: Any) -> Any:
        """The record with an id as an instance.

        :param id: as remote callers give it.
        :raises ModelNotFound: where there is none.
        """
        return self.model.from_record(self.record(self.load_id(id)))

    def transaction(self) -> AbstractContextManager[None]:
        """A block whose operations all happen, or none where it raises."""
        return self.connector.transaction()

    def find(self, filter: Filter) -> Rows:
        return self.connector.select(self.definition, filter)

    def page(self, filter: Filter, most: int | None) -> tuple[Rows, bool]:
        """The first records of a filter.

        :param most: how many, where the filter does not say it; None for all.
        :returns: the records, and whether there are more.
        """
        if filter.limit is not None or most is None:
            return self.connector.select(self.definition, filter), False
        rows = self.connector.select(self.definition, replace(filter, limit=most + 1))
        if len(rows) <= most:
            return rows, False
        return Rows(rows.raw[:most], rows.layout), True

    def get(self, id: Any, fields: tuple[str, ...] | None = None) -> Rows:
        """The record with an id, as one row or none.

        :param fields: the Python names of the properties wanted, or None for all.
        """
        if fields is None:
            return self.connector.get(self.definition, id)
        where = id_where(self.definition, id)
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
        return self.is_stored(id)

    def is_stored(self, id: Any) -> bool:
        """Whether a record has the id, were it one that nobody is shown."""
        return bool(self.connector.get(self.definition, id))

    def the_one(self, where: Where) -> Any:
        """What stands for the only record that matches, or None where none does.

        :returns: the id, or what else :meth:`patch` takes in its place.
        :raises BadRequest: where more than one matches.
        """
        order = self.parser.filter(None).order
        found = self.connector.select(self.definition, Filter(where=where, order=order, limit=2))
        if len(found) > 1:
            raise BadRequest(
                "There are multiple instances found. Upsert Operation will not be performed!"
            )
        return self.definition.id_of(found.records()[0]) if found else None

    def count(self, where: Where) -> int:
        return self.connector.count(self.definition, where)

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

    def not_found(self, id: Any) -> ModelNotFound:
        return ModelNotFound(self.definition.name, id)
