"""Store: what the connector's parts share: the collections that it knows, and who asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from ...definition import ModelDefinition
from ...errors import TransactionConflict
from ...query import Where
from ..base import PLAIN, Capabilities, Connector, TransactionOptions
from ..narrowing import Narrowed
from ..undoing import Undoing
from .client import Client
from .collection import ModelCollection
from .conditions import Conditions, Expression
from .counters import Counters
from .documents import forget_document, make_document
from .guards import Guards
from .indexes import unique_keys
from .seen import Seen
from .settings import read_settings
from .transaction import ServerTransactions

if TYPE_CHECKING:
    from pymongo.collection import Collection

T = TypeVar("T")


class Known:
    """What is known of one definition, at one version of it.

    :param collection: its collection.
    :param document: its class of MongoEngine.

    :ivar conditions: its wheres.
    :ivar unique: the properties of each unique index.
    """

    def __init__(self, collection: ModelCollection, document: Any) -> None:
        self.describe(collection)
        self.document = document
        self.generation = -1
        self.raw: Collection[dict[str, Any]]

    def describe(self, collection: ModelCollection) -> None:
        """Take note of how the records are documents."""
        self.collection = collection
        self.conditions = Conditions(collection.fields)
        self.unique = unique_keys(collection)
        self.unique_names = frozenset(name for names in self.unique for name in names)
        self._condition: tuple[Where, Narrowed[Expression]] | None = None

    def narrow_again(self, where: Where) -> Narrowed[Expression]:
        """What is asked of a where, the same of which is asked again and again."""
        known = self._condition
        if known is None or known[0] is not where:
            known = self._condition = (where, self.conditions.narrow(where))
        return known[1]


class Store(Connector):
    """The connections, the collections and the transactions of a data source."""

    name: ClassVar[str] = "mongodb"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        read = read_settings(self.name, settings)
        self._prepare(Client(read), read.max_scan, read.transactions)

    def _prepare(self, client: Client, max_scan: int, transactions: bool | None = None) -> None:
        self.client = client
        self.max_scan = max_scan
        self._said_of_transactions = transactions
        #: What the server said of it, by the generation of the connections.
        self._has_transactions = (-1, False)
        self._known: WeakKeyDictionary[ModelDefinition, Known] = WeakKeyDictionary()
        self._undoing = Undoing(self.name)
        self._transactions = ServerTransactions(self.client)
        self._counters = Counters(self.client)
        self._guards = Guards(self.client)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """What the server can do, which is asked when that is first looked at.

        :raises Unavailable: where it does not answer.
        """
        return _WITH_TRANSACTIONS if self.has_transactions else _WITHOUT

    @property
    def has_transactions(self) -> bool:
        """Whether the server has transactions.

        :raises Unavailable: where it does not answer.
        """
        if self._said_of_transactions is not None:
            return self._said_of_transactions
        generation, found = self._has_transactions
        if generation != self.client.generation:
            generation, found = self.client.generation, self.client.has_transactions()
            self._has_transactions = generation, found
        return found

    def close(self) -> None:
        self.client.close()
        self._counters.forget()
        self._has_transactions = (-1, False)

    def document(self, definition: ModelDefinition) -> Any:
        """The class of MongoEngine that was generated for a model."""
        return self._learn(definition).document

    @contextmanager
    def transaction(self, options: TransactionOptions = PLAIN) -> Iterator[None]:
        """A block whose writes all happen, or none where it raises.

        Where the server has transactions, it is one; a block inside of it is undone write by write.
        So is each block where the server has none, and others may see what is undone until then.

        :param options: what is asked of it. Whatever is asked for, reads in a transaction of the
            server see the records as they were at its beginning.
        """
        if self.has_transactions and self._transactions.current is None:
            with self._transactions.begin(options):
                yield
            return
        try:
            with self._undoing.transaction(options):
                yield
        except TransactionConflict as error:
            if self._transactions.current is not None:
                error.is_over = False  # only the whole can be done again
            raise

    # For the parts

    def _of(self, definition: ModelDefinition) -> Known:
        """What is known of a definition, with its collection on connections that are open."""
        known = self._learn(definition)
        if known.generation != self.client.generation:
            self._connect(known)
        return known

    def _learn(self, definition: ModelDefinition) -> Known:
        known = self._known.get(definition)
        version = (definition.version, definition.shape)
        if known is None or known.collection.version != version:
            collection = ModelCollection(definition, uuids=self.client.settings.uuids)
            made = Known(collection, make_document(collection, self.client.alias))
            if known is not None:
                forget_document(known.document._class_name)
            known = self._known[definition] = made
        return known

    def _connect(self, known: Known) -> None:
        generation = self.client.generation
        known.raw = self.client.collection(known.collection.name)
        known.document._disconnect()  # from connections that are gone
        known.generation = generation

    def _call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a function of the driver, in the caller's transaction where there is one."""
        transaction = self._transactions.current
        if transaction is None:
            return self.client.run(function, *arguments, **named)
        return self._transactions.call(transaction, function, *arguments, **named)

    @property
    def _must_look_again(self) -> bool:
        """Whether others may change, between a look and a write, what is to be written or undone.

        In a transaction of the server they cannot; one statement alone has no such between.
        """
        return self._undoing.is_open and self._transactions.current is None

    def _seen_of(self, known: Known) -> Seen:
        """What the caller knows of the documents of a collection."""
        return Seen(self._undoing.seen, known.collection.name)

    def _will_write(self) -> None:
        transaction = self._transactions.current
        if transaction is not None and not transaction.may_write:
            raise RuntimeError("nothing is written in a transaction that is read_only")
        self._undoing.will_write()

    def _wrote(self, undo: Callable[[], None]) -> None:
        """Say how to undo what is written next, where it may have to be undone."""
        transaction = self._transactions.current
        if transaction is None:
            self._undoing.wrote(undo)
            return

        def undo_unless_lost() -> None:
            if not transaction.is_lost:
                undo()

        self._undoing.wrote(undo_unless_lost)


_WITH_TRANSACTIONS = Capabilities(inserts_unless=True, returns_changes=True)
_WITHOUT = replace(_WITH_TRANSACTIONS, transactions=False, undoes=True)
