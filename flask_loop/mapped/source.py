"""MappedSource: the data source over an app's own SQLAlchemy sessions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ..connectors import Connector
from ..errors import DefinitionError
from ..existing import ExistingSource
from ..model import Model
from ..operations import outbox

if TYPE_CHECKING:
    from ..connectors.sql.host import HostConnector
    from ..connectors.sql.host_session import Host
    from .models import Models


class MappedSource(ExistingSource):
    """The data source of the models of :meth:`Model.from_sqlalchemy`.

    It reads and writes on the app's own sessions; each engine that these are bound to, such as that
    of another app, has its own connector. There is one source for each session and each bind of it.

    :param name: what messages call it.
    :param host: where the sessions come from.
    :param place: says which of a session's engines it is.
    :param held: what is there for as long as it is: the models of all the session's classes.
    """

    def __init__(self, name: str, host: Host, place: Mapping[str, Any], held: Models) -> None:
        self._prepare(name)
        self._host, self._place, self._held = host, place, held
        self._connectors: WeakKeyDictionary[Any, HostConnector] = WeakKeyDictionary()

    @property
    def connector(self) -> Connector:
        """The connector of the engine that the session is bound to here.

        :raises RuntimeError: outside an app context, where it takes one to know.
        """
        return self._own_connector()

    def around_call(self) -> AbstractContextManager[None]:
        """A block around a call of a remote caller, which keeps what is written in it."""
        return outbox.held(self._own_connector().host_session.call())

    def _own_connector(self) -> HostConnector:
        engine = self._host.get_bind(self._place).engine
        found = self._connectors.get(engine)
        if found is None:
            from ..connectors.sql.host import host_connector

            made = host_connector(self._host, self._place, engine.dialect)
            made.max_scan = self.max_scan
            found = self._connectors.setdefault(engine, made)
        return found

    def _made_connectors(self) -> list[Connector]:
        return list(self._connectors.values())

    def _known_connector(self) -> Connector | None:
        try:
            return self.connector
        except RuntimeError:
            return None


#: The models of each session that is in use, by its identity: they hold it.
_models: WeakValueDictionary[int, Models] = WeakValueDictionary()
_lock = RLock()


def model_of(base: type[Any], target: type, session: Any, options: Mapping[str, Any]) -> type[Any]:
    """The model of a mapped class; see :meth:`Model.from_sqlalchemy`."""
    from ..connectors.sql.host_session import Host
    from .models import Models

    if session is None:
        session = getattr(target, "__fsa__", None)
    if session is None:
        raise DefinitionError(
            f"{getattr(target, '__name__', target)!s} is no model of Flask-SQLAlchemy; give its "
            "session: Model.from_sqlalchemy(Order, session)"
        )
    host = Host(session)
    with _lock:
        models = _models.get(id(host.given))
        if models is None:
            models = _models[id(host.given)] = Models(host)
        return models.get(base, target, options)


Model.__loop_map__ = staticmethod(model_of)
