"""SQLite: WAL, foreign keys on, and the functions that its SQL lacks."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import UserDefinedType

from ...definition import Property, nearest
from ...errors import DefinitionError, Unavailable
from ...geo import haversine
from ...query import Pattern
from ...query.patterns import searcher
from ...types import DateTime, DecimalNumber
from ..base import PLAIN, TransactionOptions
from .codecs import Codec, Codecs
from .comparing import FunctionPatterns, Patterns
from .connector import SqlConnector
from .dialect import Dialect
from .driver import Driver, Running
from .json_places import JsonEachPlaces, Places
from .lists import Expression, JsonLists, Lists
from .refusing import Refused
from .session import Session
from .sqlite_migration import SqliteMigration
from .statements import StatementTooLarge

_SETTINGS = (
    *("url", "database", "timeout", "synchronous", "echo"),
    *("pool_size", "max_overflow", "max_scan"),
)
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")
_IN_MEMORY = (None, "", ":memory:")


class AnyNumber(UserDefinedType[Any]):
    """A column that keeps integers exact and everything else as a double."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "NUMERIC"


class SqliteCodecs(Codecs):
    """SQLite's columns have few types; times are text, and decimals count their smallest unit."""

    # SQLite makes ids only for a column that is called INTEGER.
    integer_type = sa.Integer()
    uuid_type = sa.String(36)

    def boolean(self, property_: Property) -> Codec:
        return Codec((sa.Boolean(),), int, bool, bool)

    def number(self, property_: Property) -> Codec:
        return Codec((AnyNumber(),))

    def decimal(self, property_: Property) -> Codec:
        kind = cast("DecimalNumber", property_.type)
        return Codec(
            (self.integer_type,),
            kind.to_scaled,
            kind.from_scaled,
            lambda raw: kind.dump(kind.from_scaled(raw)),
        )

    def datetime(self, property_: Property) -> Codec:
        return Codec((sa.String(26),), bind_datetime, read_datetime, wire_datetime)

    def date(self, property_: Property) -> Codec:
        return Codec((sa.String(10),), dt.date.isoformat, dt.date.fromisoformat)

    def geo(self, property_: Property) -> Codec:
        return replace(super().geo(property_), types=(sa.Float(), sa.Float()))


def bind_datetime(value: dt.datetime) -> str:
    """An instant in UTC as text of one length, so that text and time have the same order."""
    return value.isoformat(" ", "microseconds")[:26]


def read_datetime(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def wire_datetime(text: str) -> str:
    if len(text) == 26 and text.endswith("000"):
        return f"{text[:10]}T{text[11:23]}Z"
    return _DATETIME.dump(read_datetime(text))


_DATETIME = DateTime()


class SqliteDialect(Dialect):
    """SQLite's SQL, with functions of ours."""

    name = "sqlite"
    reserved = frozenset(("nothing", "returning"))
    name_length = 1000
    returns_ids = False
    has_identity = False
    hides_order = True

    def make_codecs(self) -> Codecs:
        return SqliteCodecs(self.name)

    def make_lists(self) -> Lists:
        return JsonLists(1024)

    def make_patterns(self) -> Patterns:
        return FunctionPatterns()

    def make_places(self) -> Places:
        return JsonEachPlaces(self.lists, self.patterns)

    def distance(
        self, lat: Expression, lng: Expression, row_lat: Expression, row_lng: Expression
    ) -> Expression:
        return sa.func.loop_distance(lat, lng, row_lat, row_lng)


class SqliteDriver(Driver):
    """The sqlite3 module, which is in autocommit outside of what begins by a statement.

    :param timeout: the seconds to wait for another writer.
    """

    begin_statement = "BEGIN IMMEDIATE"

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        if options is PLAIN:
            transaction.run(self.begin_statement)
            return
        if options.timeout is not None:
            self.limit(transaction, options.timeout)
        if options.read_only:
            transaction.run("PRAGMA query_only = ON")
            transaction.run("BEGIN")
        else:
            transaction.run(self.begin_statement)

    def limit(self, transaction: Running, seconds: float | None) -> None:
        connection = transaction.driver_connection
        wait = self._timeout if seconds is None else min(seconds, self._timeout)
        connection.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")
        if seconds is None:
            connection.set_progress_handler(None, 0)
        else:
            end = monotonic() + seconds
            connection.set_progress_handler(lambda: monotonic() > end, _STEPS)

    def restore(self, transaction: Running, options: TransactionOptions) -> None:
        if options.timeout is not None:
            self.limit(transaction, None)
        if options.read_only:
            transaction.driver_connection.execute("PRAGMA query_only = OFF")


#: So many steps of SQLite's machine are taken between two looks at the time.
_STEPS = 10_000


class SqliteConnector(SqlConnector):
    """Records in a SQLite database.

    :param settings: ``url`` (``sqlite:///relative.sqlite``, ``sqlite:////absolute.sqlite``,
        ``sqlite://`` for one in memory) or ``database``, a path; ``timeout``, the seconds to wait
        for another writer or a free connection (5); ``synchronous`` (``FULL``: an acknowledged
        write outlives a power cut); ``pool_size``, the connections that are kept (5), and
        ``max_overflow``, how many more there may be at once (100); ``max_scan``, how many records
        may be read for what Python has to look at (100,000); ``echo``, to log statements.
    :raises DefinitionError: naming the setting that is unknown or means nothing, or the folder of
        the file where it does not exist.
    """

    name = "sqlite"
    migration = SqliteMigration

    def __init__(self, settings: Mapping[str, Any]) -> None:
        for key in settings:
            if key not in _SETTINGS:
                raise DefinitionError(
                    f"the sqlite connector has no setting {key!r}{nearest(key, _SETTINGS)}"
                )
        self._timeout = _number(settings, "timeout", 5, least=0)
        self._pool_size = int(_number(settings, "pool_size", 5, least=1))
        self._max_overflow = int(_number(settings, "max_overflow", 100, least=0))
        self._synchronous = str(settings.get("synchronous", "FULL")).upper()
        if self._synchronous not in _SYNCHRONOUS:
            raise DefinitionError(f"synchronous is one of {', '.join(_SYNCHRONOUS)}")
        super().__init__(settings)

    def make_dialect(self) -> Dialect:
        return SqliteDialect()

    def make_session(self) -> Session:
        url = self._url()
        in_memory = url.database in _IN_MEMORY
        options: dict[str, Any] = {"connect_args": {"timeout": self._timeout}}
        if in_memory:
            self.capabilities = replace(self.capabilities, persistent=False)
            options["poolclass"] = StaticPool
            options["connect_args"]["check_same_thread"] = False
        else:
            _refuse_missing_folder(url)
            options["pool_size"] = self._pool_size
            options["max_overflow"] = self._max_overflow
            options["pool_timeout"] = self._timeout
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            echo=self.settings.get("echo", False),
            **options,
        )
        # It does not hold the connector: an engine lives until the session is done with it.
        timeout, synchronous = self._timeout, self._synchronous

        def prepare(connection: sqlite3.Connection, record: Any) -> None:
            _prepare(connection, timeout, synchronous)

        sa.event.listen(engine, "connect", prepare)
        return Session(
            engine,
            SqliteDriver(self._timeout),
            translate,
            around_schema=("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
            single=in_memory,
        )

    def plan(self, sql: str, values: Sequence[Any]) -> list[str]:
        rows = self.session.fetch(f"EXPLAIN QUERY PLAN {sql}", values)
        return [detail for _, _, _, detail in rows]

    def _url(self) -> sa.URL:
        given, database = self.settings.get("url"), self.settings.get("database")
        if given is not None and database is not None:
            raise DefinitionError("a sqlite data source has a url or a database, not both")
        if given is None:
            return sa.URL.create("sqlite", database=None if database is None else str(database))
        try:
            url = sa.make_url(given)
        except sa.exc.ArgumentError:
            raise DefinitionError("the url is not the URL of a database") from None
        if url.get_backend_name() != "sqlite" or url.host:
            raise DefinitionError(f"{url.render_as_string()} is not the URL of a SQLite database")
        return url


def _prepare(connection: sqlite3.Connection, timeout: float, synchronous: str) -> None:
    cursor = connection.cursor()
    _use_wal(cursor, timeout)
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA synchronous = {synchronous}")
    cursor.close()
    add_functions(connection)


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that our SQL has."""
    connection.create_function("loop_distance", 4, _distance, deterministic=True)
    connection.create_function("loop_like", 3, _like, deterministic=True)
    connection.create_function("loop_regexp", 3, _regexp, deterministic=True)


def _use_wal(cursor: sqlite3.Cursor, timeout: float) -> None:
    deadline = monotonic() + timeout
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _is_read_only(error):
                return  # it is read as it is
            # SQLite itself does not wait where two connections switch a new database at once.
            if not _is_busy(error) or monotonic() > deadline:
                raise
            sleep(0.005)
        else:
            return


def _number(settings: Mapping[str, Any], key: str, default: float, *, least: float) -> float:
    given = settings.get(key, default)
    if isinstance(given, bool) or not isinstance(given, int | float) or not given >= least:
        raise DefinitionError(f"{key} is a number from {least}, not {given!r}")
    return given


def _refuse_missing_folder(url: sa.URL) -> None:
    database = str(url.database)
    if database.startswith("file:"):
        return
    folder = Path(os.path.abspath(database)).parent
    if not folder.is_dir():
        raise DefinitionError(f"the folder {folder} of the database does not exist")


def _distance(lat: float, lng: float, row_lat: Any, row_lng: Any) -> float | None:
    return None if row_lat is None else haversine(lat, lng, row_lat, row_lng)


def _like(pattern: str, ignore_case: int, value: Any) -> bool | None:
    return _matches("like", pattern, ignore_case, value)


def _regexp(pattern: str, ignore_case: int, value: Any) -> bool | None:
    return _matches("regexp", pattern, ignore_case, value)


def _matches(operator: str, pattern: str, ignore_case: int, value: Any) -> bool | None:
    if not isinstance(value, str):
        return None
    return searcher(operator, Pattern(pattern, bool(ignore_case)))(value)


def translate(error: Exception) -> Exception:
    """An error of the sqlite3 module as one of ours, or as it is."""
    if isinstance(error, sa.exc.TimeoutError):
        return Unavailable("The data source has no connection free.", retry_after=1)
    if isinstance(error, sa.exc.DBAPIError):
        return translate(error.orig) if isinstance(error.orig, Exception) else error
    if isinstance(error, sqlite3.IntegrityError):
        return _translate_refusal(error)
    if _is_busy(error):
        return Unavailable("The data source is busy.", retry_after=1)
    if _name(error).startswith("SQLITE_INTERRUPT"):
        return Unavailable("The data source took too long.")
    if _name(error).startswith(_FAULTS):
        return Unavailable("The data source is not available.")
    if isinstance(error, sqlite3.OperationalError):
        return _translate_mistake(error)
    return error


#: The beginnings of the names of errors that are the file's or the disk's.
_FAULTS = tuple(
    f"SQLITE_{name}"
    for name in (
        "CANTOPEN",
        "CORRUPT",
        "FULL",
        "IOERR",
        "NOLFS",
        "NOMEM",
        "NOTADB",
        "PERM",
        "PROTOCOL",
        "READONLY",
    )
)
_KINDS = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_NOTNULL": "null",
}


def _translate_refusal(error: sqlite3.IntegrityError) -> Exception:
    text = str(error)
    if text.startswith("FOREIGN KEY"):  # RESTRICT has the name of a trigger's error
        return Refused("foreign_key")
    return Refused(_KINDS.get(_name(error), "other"), text.partition(" failed: ")[2])


def _translate_mistake(error: sqlite3.OperationalError) -> Exception:
    text = str(error)
    if text.startswith(("no such table", "no such column")) or "has no column" in text:
        return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
    if text.startswith(("too many SQL variables", "Expression tree", "parser stack overflow")):
        return StatementTooLarge(text)
    return error


def _name(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _is_busy(error: Exception) -> bool:
    return _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_read_only(error: Exception) -> bool:
    return _name(error).startswith("SQLITE_READONLY")
