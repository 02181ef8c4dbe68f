"""DocumentConnector: the MongoDB connector on a connection, and on classes, of the app's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bson.binary import UuidRepresentation
from mongoengine import connection as connections

from ..connectors import Connector
from ..connectors.base import Record, Rows, id_where
from ..connectors.mongodb.client import CODEC_OPTIONS, Client
from ..connectors.mongodb.codecs import stored_name
from ..connectors.mongodb.collection import ModelCollection
from ..connectors.mongodb.connector import MongodbConnector
from ..connectors.mongodb.store import Known
from ..connectors.mongodb.writing import is_one
from ..connectors.scanning import MAX_SCAN
from ..definition import Embedded, ModelDefinition
from ..errors import DefinitionError
from ..query import Where
from ..query.predicate import same
from ..types import AnyValue, Array, DecimalNumber, Object, PropertyType
from .misleading import CLASS, refuse_misleading

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database


class HostClient(Client):
    """A connection that the app has made, and that is the app's to close.

    :param alias: its name in MongoEngine.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._seen: Any = None
        self._count = 0

    @property
    def database(self) -> Database[dict[str, Any]]:
        try:
            found: Database[dict[str, Any]] = connections.get_db(self.alias)
        except connections.ConnectionFailure as error:
            raise RuntimeError(
                f"MongoEngine has no connection {self.alias!r}; call mongoengine.connect"
                f"(..., alias={self.alias!r}) before its documents are used"
            ) from error
        return found

    @property
    def generation(self) -> int:  # type: ignore[override]
        """Grows each time that the app has connected anew."""
        found = connections._dbs.get(self.alias)
        if found is None or found is not self._seen:
            self._seen = self.database
            self._count += 1
        return self._count

    def with_options(self, collection: Collection[dict[str, Any]]) -> Collection[dict[str, Any]]:
        return collection.with_options(codec_options=CODEC_OPTIONS)

    def close(self) -> None:
        """Do nothing: the connection is the app's."""


class DocumentConnector(MongodbConnector):
    """Keeps records as documents of an app's own classes.

    :param alias: the name of the connection.
    """

    def __init__(self, alias: str) -> None:
        Connector.__init__(self, {"alias": alias})
        self._prepare(HostClient(alias), MAX_SCAN)

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        raise _not_ours(definitions)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        raise _not_ours(definitions)

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        known = self._of(definition)
        if CLASS in known.collection.fields:
            # A document stays of its class, which may derive from the model's.
            changes = {name: value for name, value in changes.items() if name != CLASS}
        changes = self._without_kept(known, where, changes)
        refuse_misleading(definition, known.document, changes)
        return super().update(definition, where, changes)

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        fields = self._of(definition).collection.fields
        if any(name not in fields or _is_lossy(fields[name].kind) for name in changes):
            return None  # what is stored has to be seen
        return super().update_returning(definition, id, where, changes)

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        known = self._of(definition)
        if known.collection.is_open:  # it is no update, in which this is seen to
            new = self._without_kept(known, id_where(definition, id), record)
            refuse_misleading(definition, known.document, new)
        return super().replace(definition, id, record)

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        for record in records:
            refuse_misleading(definition, self._of(definition).document, record)
        return super().insert(definition, records)

    # How

    def _without_kept(self, known: Known, where: Where, changes: Record) -> Record:
        """The changes of a document without what is in it already.

        The app may have stored more there than properties have: another type, or another class.
        """
        fields = known.collection.fields
        lossy = [name for name in changes if name not in fields or _is_lossy(fields[name].kind)]
        narrowed = known.conditions.narrow(where) if lossy else None
        if narrowed is None or narrowed.rest is not None or not is_one(narrowed.expression or {}):
            return changes
        document = self._call(known.raw.find_one, narrowed.expression)
        if document is None:
            return changes
        record = known.collection.record(document)
        kept = {name for name in lossy if name in record and same(changes[name], record[name])}
        return {name: value for name, value in changes.items() if name not in kept}

    def _learn(self, definition: ModelDefinition) -> Known:
        known = self._known.get(definition)
        version = (definition.version, definition.shape)
        if known is None or known.collection.version != version:
            document = definition.settings.options["mongodb"]["document"]
            collection = ModelCollection(definition, _left_out(document, definition))
            known = self._known[definition] = Known(collection, document)
        return known

    def _connect(self, known: Known) -> None:
        generation = self.client.generation
        # MongoEngine makes the indexes of a class when it is first asked for its collection.
        found = self.client.run(known.document._get_collection)
        uuids = found.codec_options.uuid_representation or UuidRepresentation.STANDARD
        if uuids != known.collection.uuids:  # the app says it when it connects
            kept = _left_out(known.document, known.collection.definition)
            known.describe(ModelCollection(known.collection.definition, kept, uuids))
        known.raw = self.client.with_options(found)
        known.generation = generation


def _is_lossy(kind: PropertyType) -> bool:
    """Whether documents may have more in a value than its property has."""
    return isinstance(kind, Object | AnyValue | Embedded | Array | DecimalNumber)


def _left_out(document: Any, definition: ModelDefinition) -> list[str]:
    """The names of the fields of a class that are no properties."""
    stored = {stored_name(each) for each in definition.properties.values()}
    fields = [each for each in document._fields.values() if each.db_field not in stored]
    return [name for each in fields for name in dict.fromkeys((each.db_field, each.name))]


def _not_ours(definitions: Iterable[ModelDefinition]) -> DefinitionError:
    names = ", ".join(each.name for each in definitions)
    return DefinitionError(
        f"the collections of {names} are the app's own, whose indexes MongoEngine makes"
    )
