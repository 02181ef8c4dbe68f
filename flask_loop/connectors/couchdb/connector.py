"""CouchdbConnector: the connector protocol on a database of CouchDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from itertools import islice
from time import monotonic
from typing import Any, ClassVar, TypeVar

from ...definition import ModelDefinition
from ...errors import TransactionConflict
from ...query import EVERYTHING, Filter, Order, Where, both, predicate
from ..base import PLAIN, Capabilities, Connector, Record, Rows, TransactionOptions, id_where
from ..narrowing import comparisons
from ..scanning import bounded, sifted, too_much_to_read
from ..undoing import Undoing
from .database import Database, Document, Missing, Refused
from .documents import Documents
from .numbering import ATTEMPTS, pause
from .reading import Way, Ways
from .settings import read_settings
from .views import Views
from .writing import Edit, Writer

T = TypeVar("T")

#: How many definitions are known at once; one that is used again is learned again.
_MAX_COLLECTIONS = 256
#: The seconds after which it is looked again for design documents that were not there.
_PATIENCE = 30.0


class _Collection:
    """What is known of one definition."""

    def __init__(
        self, definition: ModelDefinition, database: Database, undoing: Undoing, *, plain_ids: bool
    ) -> None:
        self.definition = definition
        self.documents = Documents(definition, plain_ids=plain_ids)
        self.views = Views(self.documents)
        self.ways = Ways(self.documents, self.views)
        self.writer = Writer(database, self.documents, undoing)
        self._database = database
        self._has_views: bool | None = None if self.views.views else False
        self._looked_at = 0.0

    def way(self, where: Where, order: Sequence[Order] = (), limit: int | None = None) -> Way:
        """The way to the records that match."""
        return self.ways.find(where, order, limit, with_views=self.has_views)

    @property
    def has_views(self) -> bool:
        """Whether the design documents are there; it is looked again now and then."""
        is_old = self._has_views is False and monotonic() > self._looked_at + _PATIENCE
        if self._has_views is None or (is_old and self.views.views):
            wanted = self.views.design_ids()
            self._has_views = all(self._database.read(each) for each in wanted)
            self._looked_at = monotonic()
        return bool(self._has_views)

    def forget_views(self) -> None:
        """Look again before the next use whether the design documents are there."""
        self._has_views = None if self.views.views else False

    def make_views(self, there: Mapping[str, str], wanted: Set[str]) -> None:
        """Make the design documents that are not there, and remove those of older definitions.

        :param there: the revisions of the design documents that are there, by id.
        :param wanted: the ids of those of all definitions that there are.
        """
        family = f"_design/{self.views.family}"
        for id, revision in there.items():
            if id.startswith(family) and id not in wanted:
                self._database.write([{"_id": id, "_rev": revision, "_deleted": True}])
        if not self.views.design_ids() <= there.keys():
            self._database.put(self.views.design())
            for index in self.views.mango_indexes():
                self._make_index(index)
        self.forget_views()

    def _make_index(self, index: Mapping[str, Any]) -> None:
        """Make an index of Mango, of which another process may make the design document too.

        :raises TransactionConflict: where others are always faster.
        """
        for attempt in range(ATTEMPTS):
            try:
                self._database.create_index(index)
            except Refused:
                pause(attempt)
            else:
                return
        raise TransactionConflict


class CouchdbConnector(Connector):
    """Keeps records as documents of one database of CouchDB 3, over HTTP.

    A record is a document with its properties as natural JSON. The ``_id`` of it is the name of the
    collection and the id, in a form that sorts as ids do: all records of a model are one range of
    ``_all_docs``. Wheres are selectors of Mango, as far as these mean the same; the rest is done in
    Python, on ``max_scan`` records at most.

    Each write names the revision that it takes the place of. Where somebody else was faster, the
    newer document is read and what was asked for is done on that, a few times, and then refused as
    a :class:`~flask_loop.TransactionConflict`. What a block wrote that raises is undone.

    :param settings: see :func:`~.settings.read_settings`.

    ::

        create_data_source(connector="couchdb", url="http://user:password@localhost:5984/shop")
    """

    name: ClassVar[str] = "couchdb"
    capabilities = Capabilities(transactions=False, undoes=True, unique=False, returns_changes=True)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._settings = read_settings(self.name, settings)
        self.max_scan = self._settings.max_scan
        self._database = Database(self.name, self._settings)
        self._undoing = Undoing(self.name)
        self._collections = lru_cache(maxsize=_MAX_COLLECTIONS)(self._learn)

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model.

        :raises DefinitionError: where its properties cannot be stored side by side.
        """
        self._collection(definition)

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        collection = self._collection(definition)
        found = self._again_without_views(collection, partial(self._found, collection, filter))
        return collection.documents.rows(found, filter.fields)

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        collection = self._collection(definition)
        filter = Filter(where=id_where(definition, id), limit=1)
        found = self._again_without_views(collection, partial(self._found, collection, filter))
        collection.writer.note(found)
        return collection.documents.rows(found)

    def count(self, definition: ModelDefinition, where: Where) -> int:
        collection = self._collection(definition)
        return self._again_without_views(collection, partial(self._count, collection, where))

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        return self._collection(definition).writer.insert(records) if records else []

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        edit = partial(self._collection(definition).writer.changed, changes=changes)
        return self._change(definition, where, edit)

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows:
        collection = self._collection(definition)
        last: list[Document] = []

        def edit(document: Document) -> Document:
            last[:] = [collection.writer.changed(document, changes)]
            return last[0]

        count = self._change(definition, both(id_where(definition, id), where), edit)
        return collection.documents.rows(last if count else [])

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        whole = {**record, **definition.id_values(id)}
        edit = partial(self._collection(definition).documents.replaced, record=whole)
        return self._change(definition, id_where(definition, id), edit)

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        return self._change(definition, where, lambda _: None)

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        """A block whose writes are undone where it raises; others may see them until then."""
        return self._undoing.transaction(options)

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Make the database, and the design documents of indexes, where they are not there."""
        collections = [self._collection(each) for each in definitions]
        if not self._database.exists():
            self._database.create()
        wanted = {id for each in collections for id in each.views.design_ids()}
        there = self._designs()
        for collection in collections:
            collection.make_views(there, wanted)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        definitions = list(definitions)
        self.auto_update(definitions)
        for definition in definitions:
            self.delete(definition, EVERYTHING)
            self._collection(definition).writer.numbering.forget(self._database)

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        """The models that have records."""
        if not self._database.exists():
            return []
        return [each.name for each in definitions if self._has_records(each)]

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        if not self._database.exists():
            return False
        there = self._designs().keys()
        return all(self._collection(each).views.design_ids() <= there for each in definitions)

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say which part of a filter CouchDB does.

        :returns: ``backend``: what is sent: ``_all_docs`` with keys or a range of them, the path of
            a view with a range, or ``_find`` with its selector, and the ``index`` that CouchDB says
            it takes; ``page``: whether it cuts the page as well; ``python``: the comparisons that
            are done in Python, as ``where``, and whether the records are sorted there, as
            ``order``.
        """
        collection = self._collection(definition)
        way = self._way(collection, filter)
        is_ordered = way.is_ordered and filter.near is None
        return {
            "connector": self.name,
            "backend": {
                **way.explain(self._database),
                "page": is_ordered and way.rest is None,
            },
            "python": {
                "where": [] if way.rest is None else comparisons(way.rest),
                "order": not is_ordered,
            },
        }

    def ping(self) -> None:
        self._database.ping()

    def close(self) -> None:
        self._database.close()

    def _designs(self) -> dict[str, str]:
        """The revisions of our design documents, by id."""
        found = self._database.between("_design/loop:", "_design/loop;")
        return {each["_id"]: each["_rev"] for each in found}

    def _has_records(self, definition: ModelDefinition) -> bool:
        way = self._collection(definition).ways.find(EVERYTHING, with_views=False)
        return any(True for _ in way.documents(self._database, limit=1))

    def _found(self, collection: _Collection, filter: Filter) -> list[Document]:
        """The documents of a filter, in its order, cut to its page."""
        way = self._way(collection, filter)
        take = collection.documents.take
        if way.is_ordered and filter.near is None:
            if way.rest is None:
                found = way.documents(self._database, filter.skip, filter.limit)
                return [take(each) for each in found]
            end = None if filter.limit is None else filter.skip + filter.limit
            return list(islice(self._matching(collection, way), filter.skip, end))
        read = bounded(collection.definition, way.documents(self._database), self.max_scan)
        documents = [take(each) for each in read]
        records = collection.documents.records(documents)
        return [documents[place] for place in sifted(records, filter, way.rest, is_ordered=False)]

    def _way(self, collection: _Collection, filter: Filter) -> Way:
        """The way to the records of a filter, which may be one that ends where there are enough.

        What ends later than where Python has to give up is no such way.
        """
        limit = filter.limit
        is_short = limit is not None and limit <= self.max_scan
        return collection.way(filter.where, filter.order, limit if is_short else None)

    def _count(self, collection: _Collection, where: Where) -> int:
        way = collection.way(where)
        if way.rest is None:
            return way.count(self._database)
        return sum(1 for _ in self._matching(collection, way))

    def _change(self, definition: ModelDefinition, where: Where, edit: Edit) -> int:
        """Edit all matching records, and give how many they were."""
        collection = self._collection(definition)

        def found() -> list[Document]:
            found = self._matching(collection, collection.way(where))
            return bounded(definition, found, self.max_scan)

        return collection.writer.change(self._again_without_views(collection, found), edit, where)

    def _matching(self, collection: _Collection, way: Way) -> Iterator[Document]:
        """The documents that a way leads to and that match, in its order.

        :raises TooMuchToRead: where too many have to be read that Python looks at.
        """
        matches = None if way.rest is None else predicate(way.rest)
        for read, found in enumerate(way.documents(self._database)):
            if matches is not None and read >= self.max_scan:
                raise too_much_to_read(collection.definition, self.max_scan)
            document = collection.documents.take(found)
            if matches is None or matches(collection.documents.record(document)):
                yield document

    @staticmethod
    def _again_without_views(collection: _Collection, read: Callable[[], T]) -> T:
        """Read; once more where the views are gone that were there before."""
        try:
            return read()
        except Missing:
            collection.forget_views()
            return read()

    def _collection(self, definition: ModelDefinition) -> _Collection:
        return self._collections(definition, definition.version, definition.shape)

    def _learn(self, definition: ModelDefinition, version: int, shape: int) -> _Collection:
        plain_ids = self._settings.plain_ids
        return _Collection(definition, self._database, self._undoing, plain_ids=plain_ids)
