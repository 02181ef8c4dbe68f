"""SQLite: WAL, foreign keys on, and the functions that its SQL lacks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from ...definition import nearest
from ...errors import DefinitionError, Unavailable
from ...geo import haversine
from ...query import Pattern
from ...query.patterns import searcher
from .connector import SqlConnector, UniqueColumns
from .session import Session

_SETTINGS = ("url", "database", "timeout", "synchronous", "echo", "pool_size")
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class SqliteConnector(SqlConnector):
    """Records in a SQLite database.

    :param settings: ``url`` (``sqlite:///relative.sqlite``, ``sqlite:////absolute.sqlite``,
        ``sqlite://`` for one in memory) or ``database``, a path; ``timeout``, the seconds to wait
        for another writer (5); ``synchronous`` (``FULL``: an acknowledged write outlives a power
        cut); ``pool_size`` (5); ``echo``, to log statements.
    """

    name = "sqlite"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        for key in settings:
            if key not in _SETTINGS:
                raise DefinitionError(
                    f"the sqlite connector has no setting {key!r}{nearest(key, _SETTINGS)}"
                )
        self._synchronous = str(settings.get("synchronous", "FULL")).upper()
        if self._synchronous not in _SYNCHRONOUS:
            raise DefinitionError(f"synchronous is one of {', '.join(_SYNCHRONOUS)}")
        super().__init__(settings)

    def make_session(self) -> Session:
        url = self._url()
        in_memory = url.database in (None, "", ":memory:")
        options: dict[str, Any] = {"connect_args": {"timeout": self.settings.get("timeout", 5)}}
        if in_memory:
            options["poolclass"] = StaticPool
            options["connect_args"]["check_same_thread"] = False
        else:
            options["pool_size"] = self.settings.get("pool_size", 5)
            options["max_overflow"] = 100
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            echo=self.settings.get("echo", False),
            **options,
        )
        sa.event.listen(engine, "connect", self._prepare)
        return Session(engine, translate, begin="BEGIN IMMEDIATE", single=in_memory)

    def _url(self) -> sa.URL:
        given = self.settings.get("url")
        if given is None:
            return sa.URL.create("sqlite", database=self.settings.get("database"))
        try:
            url = sa.make_url(given)
        except sa.exc.ArgumentError:
            raise DefinitionError(f"{given!r} is not the URL of a database") from None
        if url.get_backend_name() != "sqlite":
            raise DefinitionError(f"{url.render_as_string()} is not the URL of a SQLite database")
        return url

    def _prepare(self, connection: sqlite3.Connection, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA synchronous = {self._synchronous}")
        cursor.close()
        connection.create_function("loop_distance", 4, _distance, deterministic=True)
        connection.create_function("loop_like", 3, _like, deterministic=True)
        connection.create_function("loop_regexp", 3, _regexp, deterministic=True)


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
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and text.startswith("UNIQUE constraint failed: "):
        columns = text.partition(": ")[2].split(", ")
        return UniqueColumns([column.rpartition(".")[2] for column in columns])
    if isinstance(error, sa.exc.TimeoutError):
        return Unavailable("The data source has no connection free.")
    if isinstance(error, sa.exc.DBAPIError):
        return translate(error.orig) if isinstance(error.orig, Exception) else error
    if isinstance(error, sqlite3.OperationalError):
        if text.startswith(("no such table", "no such column")) or "has no column" in text:
            return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
        return Unavailable("The data source is not available.", details=None)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
        return Unavailable("The data source is not available.")
    return error
