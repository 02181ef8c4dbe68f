"""MongodbConnector: the connector protocol on documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pymongo.errors import OperationFailure

from ...definition import ModelDefinition
from ...errors import Conflict, Unavailable
from ...query import Filter
from ..narrowing import comparisons
from .faults import DUPLICATE_KEY
from .indexes import PREFIX, Wanted, wanted_indexes
from .ordering import ordering_of
from .store import Known
from .writing import Writing

#: An index is there under this name, or over these fields, with other options.
_OTHER_OPTIONS = frozenset({85, 86})
_NO_INDEX = 27


class MongodbConnector(Writing):
    """Keeps records as documents of MongoDB, on MongoEngine's connections.

    :param settings: ``url``, or ``host``, ``port``, ``database``, ``username`` and ``password``,
        where these are said beside a URL they come before what it says; ``auth_source``,
        ``auth_mechanism``, ``replica_set``; ``tls``, ``tls_ca_file``,
        ``tls_certificate_key_file``, ``tls_allow_invalid_certificates``,
        ``tls_allow_invalid_hostnames``; ``pool_size``, the most connections (20);
        ``pool_timeout``, the seconds to wait for a free one (30); ``connect_timeout``, the seconds
        to wait for the server (10); ``socket_timeout``, the seconds to wait for an answer (none);
        ``max_scan``, how many documents Python may look at for one answer (100,000);
        ``transactions``, whether transactions are used (where the server has them).
    :raises DefinitionError: naming the setting that is unknown or means nothing.

    ::

        create_data_source(url="mongodb://localhost:27017/shop")
    """

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model; the server is not asked.

        :raises DefinitionError: naming an option that means nothing.
        """
        wanted_indexes(self._learn(definition).collection)

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Create the indexes that collections lack.

        An index of ours, whose name begins with ``loop_``, is made anew where it is another one.

        :raises Conflict: where records have the same values, of which an index allows one; where
            somebody else's index is in the way.
        """
        for definition in definitions:
            known = self._of(definition)
            there = self._indexes(known)
            for wanted in wanted_indexes(known.collection):
                if wanted.found_in(there):
                    continue
                if wanted.name in there:
                    self._drop(known, wanted.name)
                self._create(known, wanted, there)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        """Create collections afresh; their documents are lost."""
        found = list(definitions)
        for definition in found:
            known = self._of(definition)
            self.client.run(known.raw.drop)
            self._counters.reset(known.collection.name)
        self.auto_update(found)

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        """The collections that have documents."""
        found = []
        for definition in definitions:
            known = self._of(definition)
            if self._call(known.raw.find_one, {}, projection={"_id": 1}) is not None:
                found.append(known.collection.name)
        return found

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        for definition in definitions:
            known = self._of(definition)
            there = self._indexes(known)
            if not all(each.found_in(there) for each in wanted_indexes(known.collection)):
                return False
        return True

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say how a filter is answered.

        :returns: ``backend``: the query; ``order``: the sort, where the server does it; ``plan``:
            what the server says of how it would find the documents; ``python``: what is left for
            Python: ``where``, the comparisons, and whether it does the ``order``.
        """
        known = self._of(definition)
        narrowed = known.conditions.narrow(filter.where)
        ordering = ordering_of(filter, known.collection.fields)
        query = {"_id": {"$in": []}} if narrowed.is_nothing else narrowed.expression or {}
        sort = None if ordering is None or narrowed.rest is not None else ordering.sort
        return {
            "connector": self.name,
            "backend": query,
            "order": sort,
            "plan": self._plan(known, query, sort),
            "python": {
                "where": [] if narrowed.rest is None else comparisons(narrowed.rest),
                "order": ordering is None,
            },
        }

    def ping(self) -> None:
        self.client.run(self.client.database.client.admin.command, "ping")

    # How

    def _indexes(self, known: Known) -> dict[str, Mapping[str, Any]]:
        """The indexes of a collection, by name."""
        found = self.client.run(lambda: list(known.raw.list_indexes()))
        return {each["name"]: each for each in found}

    def _create(self, known: Known, wanted: Wanted, there: Mapping[str, Mapping[str, Any]]) -> None:
        create = partial(
            known.raw.create_index, list(wanted.keys), name=wanted.name, **wanted.options
        )
        try:
            try:
                self.client.run(create)
            except OperationFailure as error:
                if error.code not in _OTHER_OPTIONS:
                    raise
                self._drop_alike(known, wanted, there)
                self.client.run(create)
        except OperationFailure as error:
            if error.code == DUPLICATE_KEY:
                raise Conflict(
                    f"{known.collection.name}: documents have the same "
                    f"{wanted.paths}, of which a unique index allows one"
                ) from error
            if error.code in _OTHER_OPTIONS:
                raise Conflict(
                    f"{known.collection.name}: an index over {wanted.paths} is there already, with "
                    f"other options than {wanted.name} has; drop it, and update again"
                ) from error
            raise

    def _drop_alike(
        self, known: Known, wanted: Wanted, there: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Drop an index of ours over the same fields, as some servers have one alone of them."""
        keys = list(wanted.keys)
        for name, each in there.items():
            if name.startswith(PREFIX) and list(each["key"].items()) == keys:
                self._drop(known, name)

    def _drop(self, known: Known, name: str) -> None:
        try:
            self.client.run(known.raw.drop_index, name)
        except OperationFailure as error:
            if error.code != _NO_INDEX:  # another process was faster
                raise

    def _plan(self, known: Known, query: Mapping[str, Any], sort: Any) -> Any:
        """What the server says of how it finds documents."""
        cursor = known.raw.find(query, sort=sort)
        try:
            said = self.client.run(cursor.explain)
        except (OperationFailure, Unavailable):
            return None
        finally:
            cursor.close()
        return said.get("queryPlanner", {}).get("winningPlan")
