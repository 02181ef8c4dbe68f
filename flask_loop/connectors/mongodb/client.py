"""Client: the connections of one data source, registered with MongoEngine."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Callable
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, finalize

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from mongoengine import connection as connections
from pymongo.errors import PyMongoError
from pymongo.read_preferences import ReadPreference

from ...errors import Unavailable
from .faults import ERRORS, translated
from .settings import MongodbSettings

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: How documents are read: instants without a time zone, and UUIDs as bytes, which costs least.
#: What others have stored makes no error here, be it a date of any year or a text that is no UTF-8.
CODEC_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=False,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_numbers = count(1)
#: The clients of a parent process, whose sockets are left as they are.
_OF_PARENT: list[Any] = []


class Client:
    """The connections of one data source, which are opened when they are first used.

    :param settings: the settings.

    :ivar alias: the name of the connection in MongoEngine, which nobody else uses.
    :ivar generation: grows each time that the connections are let go of, so that what was made of
        older ones is known.
    """

    def __init__(self, settings: MongodbSettings) -> None:
        self.settings = settings
        self.alias = f"flask-loop-{os.getpid()}-{next(_numbers)}"
        self.generation = 0
        self._database: Database[dict[str, Any]] | None = None
        self._lock = RLock()
        self._closing = finalize(self, _disconnect, self.alias)
        _clients.add(self)

    @property
    def database(self) -> Database[dict[str, Any]]:
        """The database.

        :raises Unavailable: where the settings do not lead to one.
        """
        if self._database is None:
            self._open()
        return self._database  # type: ignore[return-value]

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        """A collection."""
        return self.with_options(self.database[name])

    def with_options(self, collection: Collection[dict[str, Any]]) -> Collection[dict[str, Any]]:
        """A collection as it is used: read in the cheapest way, and where it was written last."""
        return collection.with_options(
            codec_options=CODEC_OPTIONS, read_preference=ReadPreference.PRIMARY
        )

    def has_transactions(self) -> bool:
        """Whether the server has transactions: it is one of a replica set, or leads to shards.

        :raises Unavailable: where it does not answer.
        """
        said = self.run(self.database.client.admin.command, "hello")
        return "setName" in said or said.get("msg") == "isdbgrid"

    def run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a function of the driver.

        :raises Unavailable: where the server does not answer, or refuses who asks.
        :raises TransactionConflict: where another transaction was faster.
        """
        try:
            return function(*arguments, **named)
        except ERRORS as error:
            found = translated(error)
            if found is error:
                raise
            raise found from error

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            self._forget()
            _disconnect(self.alias)

    def _open(self) -> None:
        with self._lock:
            if self._database is not None:
                return
            try:
                connections.register_connection(
                    self.alias,
                    name=self.settings.database,
                    uuidRepresentation=self.settings.uuid_representation,
                    tz_aware=True,
                    tzinfo=dt.UTC,
                    **self.settings.options,
                )
                # The URL may name another database than the settings.
                connections._connection_settings[self.alias]["name"] = self.settings.database
                client = connections.get_connection(self.alias)
            except PyMongoError as error:
                raise translated(error) from error
            except connections.ConnectionFailure as error:
                # The message may have the settings in it.
                reason = type(error.__context__ or error).__name__
                _log.error("MongoDB cannot be used with these settings: %s", reason)
                raise Unavailable("The data source is not available.") from error
            self._database = client[self.settings.database]
            self._closing.detach()
            self._closing = finalize(self, _disconnect, self.alias)

    def _forget(self) -> None:
        self._database = None
        self.generation += 1

    def forget_parent(self) -> None:
        """In a forked child: leave the parent's connections open and unused."""
        self._lock = RLock()
        _OF_PARENT.append(connections._connections.pop(self.alias, None))
        connections._dbs.pop(self.alias, None)
        connections._connection_settings.pop(self.alias, None)
        self._forget()


def _disconnect(alias: str) -> None:
    """Close a connection of MongoEngine's, and forget what it was made with."""
    connections.disconnect(alias)
    connections._connection_settings.pop(alias, None)


_clients: WeakSet[Client] = WeakSet()


def _forget_parent() -> None:
    for client in list(_clients):
        client.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
