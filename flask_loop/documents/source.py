"""DocumentSource: the data source over one of an app's own MongoEngine connections."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from ..connectors import Connector
from ..existing import ExistingSource
from ..model import Model

if TYPE_CHECKING:
    from .models import Models


class DocumentSource(ExistingSource):
    """The data source of the models of :meth:`Model.from_mongoengine`.

    It reads and writes by a connection that the app has made with ``mongoengine.connect``.

    :param alias: the name of the connection.
    """

    def __init__(self, alias: str) -> None:
        self._prepare(f"mongoengine:{alias}")
        self.alias = alias
        self._made: Connector | None = None

    @property
    def connector(self) -> Connector:
        """The connector on the app's connection."""
        if self._made is None:
            from .connector import DocumentConnector

            made = DocumentConnector(self.alias)
            made.max_scan = self.max_scan
            self._made = made
        return self._made

    def _made_connectors(self) -> list[Connector]:
        return [] if self._made is None else [self._made]

    def _known_connector(self) -> Connector | None:
        return self.connector


_lock = RLock()


@cache
def _models() -> Models:
    from .models import Models

    return Models()


def model_of(base: type[Any], document: type, options: Mapping[str, Any]) -> type[Any]:
    """The model of a document class; see :meth:`Model.from_mongoengine`."""
    with _lock:
        return _models().get(base, document, options)


Model.__loop_document__ = staticmethod(model_of)
