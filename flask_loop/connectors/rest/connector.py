"""RestConnector: records that a server keeps, which is spoken to in HTTP and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, ClassVar

from ...definition import ModelDefinition
from ...query import EVERYTHING, Compare, Filter, Where, conjuncts, predicate
from ..base import (
    PLAIN,
    Capabilities,
    Connector,
    Record,
    Rows,
    TransactionOptions,
    layout_of_records,
)
from ..narrowing import comparisons
from ..operations import ON_RECORDS
from ..scanning import bounded, sifted, too_much_to_read
from ..undoing import Undoing
from ..web import WebClient
from .clients import Clients
from .narrowing import QueryNarrowing
from .reading import ListRequest, get, read_list
from .resource import Remote, Resource
from .settings import read_settings
from .templates import functions_of
from .writing import Writer

#: How many records are asked for one by one, rather than the list gone through.
MOST_ONE_BY_ONE = 20
#: How many definitions are known at once; one that is used again is learned again.
_MAX_RESOURCES = 256


class RestConnector(Connector):
    """Records that another server keeps.

    A model's records are those of one resource: ``GET``, ``POST /people``, and ``GET``, ``PUT``,
    ``PATCH``, ``DELETE /people/1``. What a list cannot be asked for is done in Python.

    :param settings: ``base_url``; ``auth``, ``headers``, ``timeout``, ``connect_timeout``,
        ``retries``, ``pool_size``, ``verify``, ``max_answer``, see
        :class:`~flask_loop.connectors.web.WebClient`; ``max_scan``; ``response_path``,
        ``record_path``, ``update``, ``query``, see :class:`.Shape`; ``operations`` and ``crud``.
    :raises DefinitionError: naming a setting that is unknown, missing or means nothing.
    """

    name: ClassVar[str] = "rest"
    capabilities = Capabilities(transactions=False, undoes=True, unique=False)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._read = read_settings(settings)
        self.max_scan = self._read.max_scan
        if not self._read.has_crud:
            self.disabled = ON_RECORDS
        self._clients = Clients(self._read)
        self.functions = functions_of(self._read.operations, self._clients.find)
        self._undoing = Undoing(self.name)
        self._resources = lru_cache(maxsize=_MAX_RESOURCES)(self._learn)

    @property
    def client(self) -> WebClient:
        """What speaks to the server of the resources.

        :raises DefinitionError: where no setting says where it is.
        """
        return self._clients.find(None)

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model.

        :raises DefinitionError: naming the option that means nothing.
        :raises NotIndexable: where its id is not one property.
        """
        if self._read.has_crud:
            self._resource(definition)

    # Reading

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        resource = self._resource(definition)
        return _rows(definition, self._found(resource, filter), filter.fields)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        resource = self._resource(definition)
        found = get(self.client, resource, id)
        return _rows(definition, [] if found is None else [resource.decode(found)], None)

    def get_many(self, definition: ModelDefinition, ids: Sequence[Any]) -> Rows:
        if len(ids) > MOST_ONE_BY_ONE:
            return super().get_many(definition, ids)
        resource = self._resource(definition)
        found = [each for id in ids if (each := get(self.client, resource, id)) is not None]
        return _rows(definition, [resource.decode(each) for each in found], None)

    def count(self, definition: ModelDefinition, where: Where) -> int:
        return len(self._matching(self._resource(definition), where))

    # Writing

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        writer = self._writer(definition)
        several = len(records) > 1
        with self.transaction():
            return [
                writer.insert(record, (position,) if several else ())
                for position, record in enumerate(records)
            ]

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        writer = self._writer(definition)
        with self.transaction():
            found = self._matching(writer.resource, where)
            return sum(writer.change(each, changes) for each in found)

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        writer = self._writer(definition)
        old = get(self.client, writer.resource, id)
        return 0 if old is None else writer.replace(old, record)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        writer = self._writer(definition)
        with self.transaction():
            return sum(map(writer.delete, self._matching(writer.resource, where)))

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        return self._undoing.transaction(options)

    # The server

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Learn of models; what the server has is its own affair."""
        for definition in definitions:
            self.define(definition)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        """Delete all records of these models."""
        for definition in definitions if self._read.has_crud else ():
            self.delete(definition, EVERYTHING)

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        some = ListRequest(wanted=1)
        return [
            each.name
            for each in (definitions if self._read.has_crud else ())
            if next(read_list(self.client, self._resource(each), some), None) is not None
        ]

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say what the server is asked for, and what is done in Python.

        :returns: ``backend``: the method, the path and the parameters of the first request, or None
            where nobody has to be asked; ``python``: ``where``, the comparisons, and whether it
            does the ``order``.
        """
        resource = self._resource(definition)
        ids = _ids_in(filter.where)
        request = None if ids is not None else self._request(resource, filter)
        backend: Any = None
        if ids is not None:
            paths = [path for id in ids if (path := resource.path_to(id)) is not None]
            backend = [{"method": "GET", "path": path} for path in paths]
        elif request is not None:
            backend = {"method": "GET", "path": resource.path, "params": dict(request.params)}
        is_ordered = request is not None and self._is_ordered(resource, filter)
        python = {"where": comparisons(filter.where), "order": not is_ordered}
        return {"connector": self.name, "backend": backend, "python": python}

    def ping(self) -> None:
        """Reach the server of the resources; where there are only templates, nobody is asked."""
        if self._read.base_url is None:
            return
        client = self.client
        answer = client.send("GET", "")
        if answer.status in (401, 403, 407, 429) or answer.status >= 500:
            raise client.refusal(answer)

    def close(self) -> None:
        self._clients.close()

    # How

    def _resource(self, definition: ModelDefinition) -> Resource:
        return self._resources(definition, definition.version, definition.shape)

    def _learn(self, definition: ModelDefinition, version: int, shape: int) -> Resource:
        return Resource(definition, self._read.shape)

    def _found(self, resource: Resource, filter: Filter) -> list[Record]:
        """The records of a filter, in its order."""
        ids = _ids_in(filter.where)
        if ids is not None:
            some = [resource.decode(each) for each in self._get_each(resource, ids)]
            return _sifted(some, filter)
        request = self._request(resource, filter)
        if request is None or filter.limit == 0:
            return []
        remotes = read_list(self.client, resource, request)
        if not self._is_ordered(resource, filter):
            records = map(resource.decode, remotes)
            return _sifted(bounded(resource.definition, records, self.max_scan), filter)
        return self._page(resource, filter, remotes, request.skip)

    def _page(
        self, resource: Resource, filter: Filter, remotes: Iterator[Remote], skipped: int
    ) -> list[Record]:
        """The page of a filter, from records that come in its order."""
        matches = predicate(filter.where)
        is_sifted = filter.where != EVERYTHING
        start = filter.skip - skipped
        end = None if filter.limit is None else start + filter.limit
        found: list[Record] = []
        for read, remote in enumerate(remotes):
            if is_sifted and read >= self.max_scan:
                raise too_much_to_read(resource.definition, self.max_scan)
            record = resource.decode(remote)
            if matches(record):
                found.append(record)
                if end is not None and len(found) >= end:
                    break
        return found[start:end]

    def _request(self, resource: Resource, filter: Filter) -> ListRequest | None:
        """What the list is asked for, or None where no record can match."""
        narrowed = QueryNarrowing(resource).narrow(filter.where)
        if narrowed.is_nothing:
            return None
        params: dict[str, Any] = dict(narrowed.expression or {})
        query = resource.shape.query
        if not self._is_ordered(resource, filter):
            return ListRequest(params)
        keys = resource.order_of(filter)
        if keys and query.direction:
            params[str(query.order)] = ",".join(field for field, _ in keys)
            params[query.direction] = ",".join("desc" if each else "asc" for _, each in keys)
        elif keys:
            params[str(query.order)] = ",".join("-" * each + field for field, each in keys)
        if filter.where != EVERYTHING:
            return ListRequest(params)
        skip = filter.skip if query.has_pages and query.skip else 0
        wanted = None if filter.limit is None else filter.skip - skip + filter.limit
        return ListRequest(params, skip, wanted)

    @staticmethod
    def _is_ordered(resource: Resource, filter: Filter) -> bool:
        """Whether the server gives the filter's order."""
        return resource.shape.query.order is not None and resource.order_of(filter) is not None

    def _matching(self, resource: Resource, where: Where) -> list[Remote]:
        """The records that match, as the server has them."""
        ids = _ids_in(where)
        if ids is None:
            request = self._request(resource, Filter(where=where))
            if request is None:
                return []
            listed = read_list(self.client, resource, request)
            found = bounded(resource.definition, listed, self.max_scan)
        else:
            found = self._get_each(resource, ids)
        matches = predicate(where)
        return [each for each in found if matches(resource.decode(each))]

    def _get_each(self, resource: Resource, ids: Sequence[Any]) -> list[Remote]:
        return [each for id in ids if (each := get(self.client, resource, id)) is not None]

    def _writer(self, definition: ModelDefinition) -> Writer:
        return Writer(self.client, self._resource(definition), self._undoing)


def _rows(definition: ModelDefinition, records: list[Record], fields: Any) -> Rows:
    if fields is not None:
        records = [{name: each[name] for name in fields} for each in records]
    return Rows(records, layout_of_records(definition, fields))


def _sifted(records: list[Record], filter: Filter) -> list[Record]:
    places = sifted(records, filter, filter.where, is_ordered=False)
    return [records[place] for place in places]


def _ids_in(where: Where) -> list[Any] | None:
    """The ids of which one a record has to have, where they are few; else None."""
    for part in conjuncts(where):
        if isinstance(part, Compare) and part.path.property.id and not part.path.keys:
            if part.operator == "eq" and part.operand is not None:
                return [part.operand]
            if part.operator == "inq" and len(part.operand) <= MOST_ONE_BY_ONE:
                return [each for each in dict.fromkeys(part.operand) if each is not None]
    return None
