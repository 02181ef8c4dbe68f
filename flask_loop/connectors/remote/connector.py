"""RemoteConnector: another app with models as the place of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, ClassVar

from ...definition import ModelDefinition
from ...query import EVERYTHING, Filter, Where
from ..base import PLAIN, Capabilities, Connector, Record, Rows, TransactionOptions
from ..undoing import Undoing
from .calling import call
from .gateway import Gateway
from .reading import Reader
from .resource import Resource
from .settings import read_settings
from .writing import Writer

#: How many definitions are known at once; one that is used again is learned again.
_MAX_RESOURCES = 256


class RemoteConnector(Connector):
    """Keeps records in another Flask-Loop app, or in a LoopBack server, by its REST wire.

    Filters are passed on whole: the other app finds, sorts and counts. What it could not be asked
    in a URL, and what LoopBacks differ in, is looked at in Python.

    A model's path at the other app is its own here, or ``{"remote": {"path": "things"}}`` in its
    options; a property's name there is its name on the wire, or ``{"remote": {"field": name}}``.

    :param settings: ``url``, where the other app's models are, such as
        ``"https://other.example.com/api"``, and

        - ``token``, sent as a bearer token; or ``username`` and ``password``, by which a token is
          got at ``login_path`` (``/users/login``), and another one when that is refused;
        - ``headers``, sent with each request;
        - ``timeout`` (30) and ``connect_timeout`` (10), in seconds; ``retries`` (2); ``pool_size``
          (10) connections; ``verify`` (True), or a file or folder of certificates;
        - ``page_size`` (1000) records in one answer, ``max_values`` (1000) values in one list of a
          filter, ``max_url`` (4000) characters in one URL: what the other app takes at once;
        - ``max_scan`` (100,000) records that Python may read for one answer;
        - ``dialect``: ``"flask-loop"``, or ``"loopback3"`` for a LoopBack server.
    :raises DefinitionError: naming a setting that is unknown, missing, or means nothing.

    ::

        create_data_source(connector="remote", url="https://other.example.com/api", token="…")
    """

    name: ClassVar[str] = "remote"
    capabilities = Capabilities(transactions=False, undoes=True, returns_changes=True)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        read = read_settings(self.name, settings)
        self._dialect = read.dialect
        self._gateway = Gateway(self.name, read)
        self._undoing = Undoing(self.name)
        self.max_scan = read.max_scan
        self._reader = Reader(self._gateway, read.max_scan)
        self._writer = Writer(
            self._gateway,
            self._reader,
            self._undoing,
            one_by_one=read.dialect == "loopback3",
        )
        self._resources = lru_cache(maxsize=_MAX_RESOURCES)(self._learn)

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model; the other app is not asked.

        :raises DefinitionError: naming an option that means nothing.
        """
        self._resource(definition)

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        return self._reader.select(self._resource(definition), filter)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        resource = self._resource(definition)
        path = resource.path_to(id) if resource.reads_by_path(id) else None
        if path is None:
            return super().get(definition, id)
        row = self._reader.get(resource, path)
        return resource.rows([] if row is None else [row], None)

    def count(self, definition: ModelDefinition, where: Where) -> int:
        return self._reader.count(self._resource(definition), where)

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        return self._writer.insert(self._resource(definition), records) if records else []

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        return self._writer.update(self._resource(definition), where, changes)

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        return self._writer.update_returning(self._resource(definition), id, where, changes)

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        return self._writer.replace(self._resource(definition), id, record)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        return self._writer.delete(self._resource(definition), where)

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        """A block whose writes are undone where it raises, one after the other."""
        return self._undoing.transaction(options)

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Learn of models; what the other app has is its own."""
        for definition in definitions:
            self.define(definition)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        """Delete the records of these models at the other app."""
        for definition in definitions:
            self.delete(definition, EVERYTHING)

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        """Whether the other app has these models."""
        return all(self._reader.is_there(self._resource(each)) for each in definitions)

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: what is sent; ``python``: what is left for Python: ``where``, the
            comparisons, and whether it does the ``order``.
        """
        return {"connector": self.name, **self._reader.explain(self._resource(definition), filter)}

    def call(
        self, path: str, method: str, /, *, id: Any = None, verb: str = "POST", **arguments: Any
    ) -> Any:
        """Call a remote method of the other app that is none of those that every model has.

        :param path: that of its model, such as ``"products"``.
        :param method: the method's path below it.
        :param id: of the record whose method it is, where it is one's.
        :param verb: of its route: ``"GET"``, ``"POST"`` …
        :param arguments: by their names on the wire: in the query, or in the body of a POST, PUT or
            PATCH. They are JSON values.
        :returns: what it answers as Python has JSON; None where that is nothing.
        :raises NotFound: where it finds nothing.
        :raises BadRequest: where it does not understand the arguments.
        :raises ValidationError: where it says that something is not valid.

        ::

            source.connector.call("products", "stats", verb="GET", minPrice=20)
        """
        return call(self._gateway, path, method, id, verb.upper(), arguments)

    def ping(self) -> None:
        self._gateway.ping()

    def close(self) -> None:
        self._gateway.close()

    def _resource(self, definition: ModelDefinition) -> Resource:
        return self._resources(definition, definition.version, definition.shape)

    def _learn(self, definition: ModelDefinition, version: int, shape: int) -> Resource:
        return Resource(definition, self._dialect, self._gateway.limits)
