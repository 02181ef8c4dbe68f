"""ServerConnector: databases that are reached over a network, and the settings of all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import sqlalchemy as sa

from ...definition import nearest
from ...errors import DefinitionError, Unavailable
from ..base import ISOLATIONS
from ..given import Given
from ..tls import Tls
from .connector import SqlConnector
from .driver import Driver
from .replicas import ReplicatedSession
from .session import Session

#: The settings of every server, with LoopBack's other names for them.
SETTINGS = (
    "url",
    "host",
    "port",
    "database",
    "username",
    "password",
    "pool_size",
    "max_overflow",
    "pool_timeout",
    "pool_recycle",
    "pre_ping",
    "connect_timeout",
    "statement_timeout",
    "isolation",
    "ssl",
    "connect_args",
    "echo",
    "replicas",
    "max_scan",
)
#: The seconds after which a server that is not available may be asked again.
RETRY_AFTER = 5
#: The seconds that a server is given beyond the time limit of a statement to say that it is over.
GRACE = 5
_ALIASES = {"user": "username", "db": "database", "hostname": "host"}
_IN_URL = ("host", "port", "database", "username", "password")


class ServerConnector(SqlConnector):
    """Records in the tables of a database server.

    :param settings: ``url``, or ``host``, ``port``, ``database``, ``username`` (or ``user``) and
        ``password``, where these are said beside a URL they come before what it says;
        ``pool_size``, the connections that are kept (5); ``max_overflow``, how many more there may
        be at once (10); ``pool_timeout``, the seconds to wait for a free one (30);
        ``pool_recycle``, the seconds after which a connection is not used any more (none);
        ``pre_ping``, whether one that was not used for a moment is tried first (true);
        ``connect_timeout``, the seconds to wait for the server (10); ``statement_timeout``, the
        seconds that a statement may take (none); ``isolation``, how far transactions are kept from
        one another (``serializable``); ``ssl``, see :class:`Tls`; ``connect_args``, what else the
        driver is given; ``echo``, to log statements; ``replicas``, a list of copies of the
        database that answer what is read outside of transactions: of each its URL, or a dict with
        what differs from these settings; ``max_scan``, how many records may be read for what
        Python has to look at (100,000).
    :raises DefinitionError: naming the setting that is unknown or means nothing.
    """

    #: What SQLAlchemy calls the database and its driver: ``postgresql+psycopg``.
    driver_name: ClassVar[str]
    #: What URLs of the database begin with, beside the connector's name.
    schemes: ClassVar[tuple[str, ...]] = ()
    #: Whether a URL has to name a database.
    needs_database: ClassVar[bool] = True
    #: What is settings beside those of every server.
    own_settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Mapping[str, Any]) -> None:
        _refuse_twice(settings)
        given = {_ALIASES.get(key, key): value for key, value in settings.items()}
        known = (*SETTINGS, *self.own_settings)
        for key in given:
            if key not in known:
                raise DefinitionError(
                    f"the {self.name} connector has no setting {key!r}{nearest(key, known)}"
                )
        self.isolation = str(given.get("isolation") or ISOLATIONS[0]).lower().replace("_", " ")
        if self.isolation not in ISOLATIONS:
            raise DefinitionError(f"isolation is one of {', '.join(ISOLATIONS)}")
        super().__init__(given)
        if self.settings.get("replicas"):
            self.capabilities = replace(self.capabilities, replicas=True)

    # What each server's connector says

    @abstractmethod
    def make_driver(self) -> Driver:
        """How the connections begin and end transactions."""

    @abstractmethod
    def connect_arguments(self) -> dict[str, Any]:
        """What the driver is given by the settings: time limits and TLS."""

    @abstractmethod
    def prepare(self) -> Callable[[Any], None]:
        """A function that sets up a new connection of the driver."""

    @abstractmethod
    def translator(self) -> Callable[[Exception], Exception]:
        """A function that gives an error of the driver as one of ours, or as it is."""

    def driver_options(self) -> Collection[str]:
        """What the driver may be given to connect; nothing where it does not say."""
        return ()

    # How

    def make_session(self) -> Session:
        recycle = self.whole("pool_recycle", -1, least=-1)
        engine = sa.create_engine(
            self.url(),
            connect_args={**self.connect_arguments(), **self._mapping("connect_args")},
            echo=self.settings.get("echo", False),
            pool_size=self.whole("pool_size", 5, least=1),
            max_overflow=self.whole("max_overflow", 10, least=0),
            pool_timeout=self.number("pool_timeout", 30, least=0),
            pool_recycle=recycle,
            hide_parameters=True,
            **self.engine_options(),
        )
        self._refuse_unknown_options(engine.dialect)
        prepare = self.prepare()

        def connected(connection: Any, record: Any) -> None:
            prepare(connection)

        sa.event.listen(engine, "connect", connected)
        translate = _translated_by(self.translator())
        options: dict[str, Any] = {
            "ping": self.dialect.ping if self.switch("pre_ping") else None,
            "recycle": None if recycle < 0 else recycle,
            "isolation": self.isolation,
        }
        replicas = self._replicas()
        if replicas:
            parts = (engine, self.make_driver(), translate)
            return ReplicatedSession(*parts, **options, replicas=replicas)
        return Session(engine, self.make_driver(), translate, **options)

    def _refuse_unknown_options(self, dialect: sa.Dialect) -> None:
        known = self.driver_options()
        _, given = dialect.create_connect_args(self.url())
        for name in {**given, **self._mapping("connect_args")} if known else ():
            if name not in known:
                raise DefinitionError(
                    f"{dialect.driver} has no option {name!r}{nearest(name, known)}: what the "
                    "query of the url and connect_args say is given to it"
                )

    def _replicas(self) -> list[Session]:
        """The connections of the replicas."""
        given = self.settings.get("replicas") or []
        if not isinstance(given, list | tuple):
            raise DefinitionError(
                f"replicas is a list of URLs or dicts, not {type(given).__name__}"
            )
        sessions = []
        for place, each in enumerate(given):
            try:
                sessions.append(type(self)(self._replica_settings(each)).session)
            except DefinitionError as error:
                raise DefinitionError(f"replicas[{place}]: {error}") from None
        return sessions

    def _replica_settings(self, given: Any) -> dict[str, Any]:
        """The settings of a replica: these, but for what is said of it."""
        if isinstance(given, str):
            given = {"url": given}
        if not isinstance(given, Mapping):
            raise DefinitionError(f"a replica is a URL or a dict, not {type(given).__name__}")
        _refuse_twice(given)
        own = {str(_ALIASES.get(key, key)): value for key, value in given.items()}
        if "replicas" in own:
            raise DefinitionError("a replica has no replicas of its own")
        shared: dict[str, Any] = {**self.settings}
        shared.pop("replicas", None)
        if "url" in own:
            names = _IN_URL if _names_user(own["url"]) else _IN_URL[:3]
            shared = {key: value for key, value in shared.items() if key not in names}
        return shared | own

    def engine_options(self) -> dict[str, Any]:
        """What else the engine is made with."""
        return {"isolation_level": "AUTOCOMMIT", "paramstyle": "format"}

    def url(self) -> sa.URL:
        """Where the database is, and as whom it is used."""
        given = self.settings.get("url")
        parts = {key: self.settings[key] for key in _IN_URL if self.settings.get(key) is not None}
        if "port" in parts:
            parts["port"] = self.whole("port", 0, least=1, most=65_535)
        for key in parts.keys() - {"port"}:
            parts[key] = str(parts[key])
        if given is None:
            if "database" not in parts:
                raise DefinitionError(f"the {self.name} data source needs a url or a database")
            return sa.URL.create(self.driver_name, **{"host": "localhost", **parts})
        try:
            url = sa.make_url(given)
        except (sa.exc.ArgumentError, ValueError):
            # The text is not shown, as it may have a password.
            raise DefinitionError(f"the url of the {self.name} data source is none") from None
        if "@" in (url.host or ""):
            raise DefinitionError(
                f"the url of the {self.name} data source has more than one '@': in a user's name "
                "or a password it is written %40"
            )
        known = (self.name, *self.schemes)
        if url.get_backend_name() not in known:
            raise DefinitionError(
                f"the url of the {self.name} data source begins with {known[0]}://, not "
                f"{url.drivername}://"
            )
        url = url.set(drivername=self.driver_name, **parts)
        if self.needs_database and not url.database:
            raise DefinitionError(f"the url of the {self.name} data source names no database")
        return url

    def number(self, key: str, default: float, *, least: float) -> float:
        """A setting that is a number.

        :raises DefinitionError: where it is none, or too small.
        """
        given = self.settings.get(key)
        given = default if given is None else given
        if isinstance(given, str) and given.isascii() and given.isdigit():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int | float) or not given >= least:
            raise DefinitionError(f"{key} is a number from {least}, not {given!r}")
        return given

    def whole(self, key: str, default: int, *, least: int, most: int | None = None) -> int:
        """A setting that is a whole number.

        :raises DefinitionError: where it is none, too small or too great.
        """
        return Given(self.settings).whole(key, default, least=least, most=most)

    def switch(self, key: str) -> bool:
        """A setting that is true unless it says otherwise.

        :raises DefinitionError: where it is neither true nor false.
        """
        return Given(self.settings).switch(key, default=True)

    def seconds(self, key: str, default: float | None = None) -> float | None:
        """A setting that is a time limit, or None where there is none."""
        if self.settings.get(key) is None and default is None:
            return None
        return self.number(key, default or 0, least=0.001)

    def _mapping(self, key: str) -> Mapping[str, Any]:
        given = self.settings.get(key) or {}
        if not isinstance(given, Mapping):
            raise DefinitionError(f"{key} is a dict, not {type(given).__name__}")
        return given

    def tls(self) -> Tls | None:
        """The setting ``ssl``: None where it does not say that connections are encrypted."""
        return Tls.of(self.settings.get("ssl"))

    @property
    def refuses_tls(self) -> bool:
        """Whether the setting ``ssl`` says that connections are not encrypted."""
        return self.settings.get("ssl") is False


def _refuse_twice(given: Mapping[str, Any]) -> None:
    for alias, name in _ALIASES.items():
        if alias in given and name in given:
            raise DefinitionError(f"{alias} and {name} are one setting, which is given twice")


def _names_user(url: Any) -> bool:
    """Whether a URL says as whom the database is used; one that is none is refused later."""
    try:
        return sa.make_url(url).username is not None
    except (sa.exc.ArgumentError, ValueError):
        return False


def _translated_by(
    translate: Callable[[Exception], Exception],
) -> Callable[[Exception], Exception]:
    """A function that gives errors of SQLAlchemy and of the driver as ours."""

    def translated(error: Exception) -> Exception:
        if isinstance(error, sa.exc.TimeoutError):
            return Unavailable("The data source has no connection free.", retry_after=1)
        if isinstance(error, sa.exc.DBAPIError):
            cause = error.orig
            if not isinstance(cause, Exception):
                return error
            found = translate(cause)
            return error if found is cause else found
        if isinstance(error, OSError):  # of the network, before the driver has a connection
            return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
        return translate(error)

    return translated
