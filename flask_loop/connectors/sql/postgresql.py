"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from inspect import signature
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.adapt import Loader
from psycopg.pq import Conninfo, Format, TransactionStatus
from psycopg.types.json import set_json_loads
from psycopg.types.string import TextLoader
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from ...definition import ModelDefinition, Property
from ...errors import TransactionConflict, Unavailable
from ...query import Compare
from ..base import TransactionOptions
from .circles import Circles
from .codecs import Codec, Codecs, read_any_number, wire_datetime
from .comparing import Patterns, RegexPatterns
from .dialect import Dialect
from .driver import Driver, Running
from .json_places import JsonPlaces, Places
from .lists import ArrayLists, Expression, Lists, NextParameter
from .patient import PatientConnection, connect_patiently
from .postgis import Postgis
from .postgresql_migration import PostgresqlMigration
from .refusing import Refused
from .server import GRACE, RETRY_AFTER, ServerConnector
from .session import Session
from .statements import StatementTooLarge
from .tables import ModelTable


class Json(UserDefinedType[Any]):
    """A column of JSON, which keeps the text as it is, and takes it as text."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "JSON"


class Jsonb(Json):
    """A column of JSON that an index may be over; it keeps no order of keys."""

    def get_col_spec(self, **options: Any) -> str:
        return "JSONB"


class PostgresqlCodecs(Codecs):
    """Every property type has a column type, and texts are ordered by code point."""

    uuid_type = sa.Uuid()
    datetime_type = sa.TIMESTAMP(timezone=True)
    json_type = Json()

    def text_type(self, length: int | None) -> Any:
        return sa.Text(collation="C") if length is None else sa.String(length, collation="C")

    # What the driver would make of numbers and instants takes longer than what is made of a text.

    def number(self, property_: Property) -> Codec:
        kind = sa.Numeric()
        return Codec((kind,), _bind_number, _read_number, _read_number, read_as=sa.Text())

    def datetime(self, property_: Property) -> Codec:
        kind = self.datetime_type
        return Codec((kind,), None, _read_datetime, _wire_datetime, read_as=sa.Text())

    def date(self, property_: Property) -> Codec:
        return replace(super().date(property_), to_python=_read_date, to_wire=_wire_date)

    def uuid(self, property_: Property) -> Codec:
        return Codec((self.uuid_type,), None, None, str)

    def json(self, property_: Property) -> Codec:
        kind = property_.type
        has_index = property_.unique or property_.index
        return replace(
            super().json(property_),
            types=(Jsonb() if has_index else self.json_type,),
            to_python=kind.from_json,
            to_wire=None if kind.dumps_itself else lambda value: kind.dump(kind.from_json(value)),
        )


def _bind_number(value: float) -> Decimal:
    """A number as PostgreSQL compares it with others: a double would make a double of these."""
    return Decimal(repr(value))


def _read_number(raw: str | Decimal) -> float | None:
    if not isinstance(raw, str):
        return read_any_number(raw)
    if "." not in raw:
        return read_any_number(int(raw) if raw[-1].isdigit() else Decimal(raw))
    number = float(raw)
    return read_any_number(Decimal(raw)) if number.is_integer() else number


def _read_datetime(raw: str | dt.datetime) -> dt.datetime | None:
    """An instant; None for those that Python has not, such as ``infinity``."""
    if not isinstance(raw, str):
        return raw
    try:
        return dt.datetime.fromisoformat(raw)
    except ValueError:
        return None


def _wire_datetime(raw: str | dt.datetime) -> str | None:
    """What :func:`wire_datetime` gives of an instant, which often is a part of its text."""
    if isinstance(raw, str) and len(raw) == _WITH_MILLISECONDS and raw[10] == " ":
        return f"{raw[:10]}T{raw[11:23]}Z"
    found = _read_datetime(raw)
    return None if found is None else wire_datetime(found)


def _read_date(raw: str | dt.date) -> dt.date | None:
    return None if isinstance(raw, str) else raw


def _wire_date(raw: str | dt.date) -> str | None:
    return None if isinstance(raw, str) else raw.isoformat()


_WITH_MILLISECONDS = len("2024-05-01 10:00:00.125+00")


class PostgresqlPlaces(JsonPlaces):
    """Places in a JSON column that ``#>`` finds."""

    def place(self, keys: list[str]) -> Any:
        return keys

    def is_null(self, column: Expression, place: Expression) -> Expression:
        return sa.func.coalesce(sa.func.json_typeof(_at(column, place)), "null") == "null"

    def has_item(
        self,
        column: Expression,
        place: Expression,
        kind: str,
        node: Compare,
        parameter: NextParameter,
    ) -> Expression:
        held = _at(column, place)
        listed = sa.case(
            (sa.func.json_typeof(held) == "array", held), else_=sa.func.json_build_array(held)
        )
        items = sa.func.json_array_elements(listed).table_valued("value")
        text = items.c.value.op("#>>")(sa.literal_column("'{}'"))
        typed = {"integer": "number", "text": "string"}.get(kind, kind)
        has_type = sa.func.json_typeof(items.c.value) == typed
        # The order of conditions is not that of the text, and a text may be no number.
        value: Expression = sa.case((has_type, sa.cast(text, _ITEM_TYPES[kind])))
        if kind == "text":
            value = sa.collate(value, "C")
        test = self.test(node, value, parameter)
        return sa.exists(sa.select(sa.literal_column("1")).select_from(items).where(test))


_ITEM_TYPES: dict[str, Any] = {"integer": sa.Numeric(), "text": sa.Text(), "boolean": sa.Boolean()}


def _at(column: Expression, place: Expression) -> Expression:
    is_binary = isinstance(column.type, Jsonb | postgresql.JSONB)
    held = sa.cast(column, Json()) if is_binary else column
    return held.op("#>")(place)


class PostgresqlDialect(Dialect):
    """PostgreSQL's SQL."""

    name = "postgresql"
    reserved = frozenset(("collation", "concurrently", "lateral", "tablesample"))
    #: What the database has of PostGIS, where somebody looks there.
    postgis: Postgis | None = None
    empty_lists = ("= ANY ('{}')", "<> ALL ('{}')")

    def make_codecs(self) -> Codecs:
        return PostgresqlCodecs(self.name)

    def make_lists(self) -> Lists:
        return ArrayLists(16_384)

    def make_patterns(self) -> Patterns:
        return RegexPatterns()

    def make_places(self) -> Places:
        return PostgresqlPlaces(self.lists, self.patterns)

    def circles(self, model_table: ModelTable, name: str) -> Circles:
        found = self.postgis and self.postgis.circles(model_table, name)
        return found or super().circles(model_table, name)

    def further_indexes(self, model_table: ModelTable, table: sa.Table) -> list[sa.Index]:
        return self.postgis.indexes(model_table, table) if self.postgis else []


class PostgresqlDriver(Driver):
    """psycopg's connections in autocommit.

    :param isolation: of transactions that do not say theirs.
    :param statement_timeout: the seconds that a statement may take, or None.
    :param connect_timeout: the seconds to wait for the server.
    """

    fails_whole = True
    keeps_cursors = True

    def __init__(
        self, isolation: str, statement_timeout: float | None, connect_timeout: float
    ) -> None:
        self._isolation = isolation
        self._statement_timeout = statement_timeout
        self._connect_timeout = connect_timeout

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        isolation = options.isolation or self._isolation
        access = " READ ONLY" if options.read_only else ""
        transaction.run(f"BEGIN ISOLATION LEVEL {isolation.upper()}{access}")

    def limit(self, transaction: Running, seconds: float | None) -> None:
        seconds = min(filter(None, (seconds, self._statement_timeout)), default=None)
        limit = "DEFAULT" if seconds is None else max(1, round(seconds * 1000))
        transaction.run(f"SET LOCAL statement_timeout = {limit}")

    def commit(self, transaction: Running) -> None:
        # A transaction in which a statement failed is rolled back by its COMMIT, without a word.
        if transaction.driver_connection.pgconn.transaction_status == TransactionStatus.INERROR:
            raise Unavailable("The data source has ended the transaction.")
        transaction.run("COMMIT")

    def is_open(self, connection: Any) -> bool:
        return bool(connection.pgconn.transaction_status != TransactionStatus.IDLE)

    @contextmanager
    def trying(self, connection: PatientConnection) -> Iterator[None]:
        usual = connection.patience
        connection.patience = min(filter(None, (usual, self._connect_timeout)))
        try:
            yield
        finally:
            connection.patience = usual

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        return _is_of_older_tables(error)

    def is_cut_off(self, connection: Any) -> bool:
        is_active = connection.pgconn.transaction_status == TransactionStatus.ACTIVE
        return bool(connection.closed or is_active)


class OrTextLoader(Loader):
    """A loader that gives as text what Python has not, such as ``infinity``."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        usual: Any = psycopg.adapters.get_loader(oid, Format.TEXT)
        self._load = usual(oid, context).load

    def load(self, data: Any) -> Any:
        try:
            return self._load(data)
        except psycopg.DataError:
            return bytes(data).decode()


_TIMES = ("date", "timestamp", "timestamptz", "time", "timetz")


def _parsed(text: bytes | str) -> Any:
    """JSON as Python has it; numbers that are too great for a double are null."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text, parse_float=lambda number: read_any_number(float(number)))


class PostgresqlConnector(ServerConnector):
    """Records in a PostgreSQL database."""

    name = "postgresql"
    driver_name = "postgresql+psycopg"
    schemes = ("postgres",)
    migration = PostgresqlMigration
    capabilities = replace(ServerConnector.capabilities, returns_changes=True)
    dialect: PostgresqlDialect

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        preparer = self.session.engine.dialect.identifier_preparer
        self.postgis = self.dialect.postgis = Postgis(self.session.fetch, preparer)

    def make_dialect(self) -> PostgresqlDialect:
        return PostgresqlDialect()

    def make_driver(self) -> Driver:
        limits = self.seconds("statement_timeout"), self.seconds("connect_timeout", 10) or 10
        return PostgresqlDriver(self.isolation, *limits)

    def make_session(self) -> Session:
        session = super().make_session()
        sa.event.listen(session.engine, "do_connect", connect_patiently)
        return session

    def connect_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            # libpq counts whole seconds, and takes 1 for 2.
            "connect_timeout": max(2, round(self.seconds("connect_timeout", 10) or 10)),
        }
        if self.refuses_tls:
            arguments["sslmode"] = "disable"
        tls = self.tls()
        if tls is not None:
            modes = {"full": "verify-full", "ca": "verify-ca", "none": "require"}
            arguments["sslmode"] = modes[tls.verify]
            if tls.verify != "none":
                # Of the system's the psycopg that brings its own libpq does not know.
                arguments["sslrootcert"] = tls.authorities or "system"
            if tls.cert is not None:
                arguments.update(sslcert=tls.cert, sslkey=tls.key or tls.cert)
        return arguments

    def driver_options(self) -> Collection[str]:
        of_libpq = [each.keyword.decode() for each in Conninfo.get_defaults()]
        return {*of_libpq, *signature(psycopg.Connection.connect).parameters}

    def prepare(self) -> Callable[[Any], None]:
        limit = self.seconds("statement_timeout")
        statement = "SET TIME ZONE 'UTC'; SET datestyle = ISO; SET standard_conforming_strings = on"
        if limit is not None:
            statement += f"; SET statement_timeout = {max(1, round(limit * 1000))}"

        def prepare(connection: Any) -> None:
            set_json_loads(_parsed, connection)
            for name in _TIMES:
                connection.adapters.register_loader(name, OrTextLoader)
            # Of months and days a timedelta keeps hours alone.
            connection.adapters.register_loader("interval", TextLoader)
            connection.execute(statement)
            connection.patience = None if limit is None else limit + GRACE

        return prepare

    def translator(self) -> Callable[[Exception], Exception]:
        return translate

    def plan(self, sql: str, values: Sequence[Any]) -> list[str]:
        return [line for (line,) in self.session.fetch(f"EXPLAIN {sql}", values)]

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        super().auto_update(definitions)
        self.postgis.forget()

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        super().auto_migrate(definitions)
        self.postgis.forget()

    def close(self) -> None:
        super().close()
        self.postgis.forget()

    def _tables(self, definitions: Iterable[ModelDefinition]) -> list[ModelTable]:
        self.postgis.forget()
        return super()._tables(definitions)

    def _given_id(self, statements: Any, id: Any) -> None:
        table = statements.table
        column = statements.model_table.columns[statements.ids[0]][0]
        quoted = self.session.engine.dialect.identifier_preparer.format_table(table)
        quoted = quoted.replace("%%", "%")  # it is no part of the statement's text
        self.session.fetch(
            "SELECT setval(made.name, %s) FROM (SELECT pg_get_serial_sequence(%s, %s) AS name) "
            "AS made WHERE %s > coalesce(pg_sequence_last_value(made.name::regclass), 0)",
            (id, quoted, column.name, id),
        )


# Errors


def translate(error: Exception) -> Exception:
    """An error of psycopg as one of ours, or as it is."""
    if not isinstance(error, psycopg.Error):
        return error
    state = error.sqlstate or ""
    # Of class 22 are values that the column's own type does not take.
    kind = "other" if state.startswith("22") else _REFUSALS.get(state)
    if kind is not None:
        return _refused(error, kind)
    if state in ("40001", "40P01"):
        return TransactionConflict()
    if state in _UNAVAILABLE:
        message, retry_after = _UNAVAILABLE[state]
        return Unavailable(message, retry_after=retry_after)
    if state in ("42P01", "42703"):
        text = error.diag.message_primary
        return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
    if state == "54001":
        return StatementTooLarge(str(error))
    if _is_of_older_tables(error):
        return Unavailable("The data source was changed meanwhile.", retry_after=1)
    if state.startswith(_FAULTS) or (not state and isinstance(error, psycopg.OperationalError)):
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
    return error


#: The classes of errors that are the server's or the network's: connection, resources, operator
#: intervention, system; time limits on transactions, and a server that only reads.
_FAULTS = ("08", "53", "57P", "58", "25P03", "25P04", "25006")
_UNAVAILABLE = {
    "57014": ("The data source took too long.", None),
    "55P03": ("The data source is busy.", 1),
    "25P02": ("The data source has ended the transaction.", None),
}
_REFUSALS = {
    "23505": "unique",
    "23502": "null",
    "23503": "foreign_key",
    "23514": "other",
    "54000": "other",  # a value that is too long for an index
}


def _is_of_older_tables(error: Any) -> bool:
    """Whether a connection has prepared a statement for columns of other types than there are now.

    psycopg does not prepare it again.
    """
    is_unsupported = getattr(error, "sqlstate", None) == "0A000"
    return is_unsupported and error.diag.source_function == "RevalidateCachedQuery"


def _refused(error: psycopg.Error, kind: str) -> Refused:
    told = error.diag
    columns = f"{told.table_name}.{told.column_name}" if told.column_name else ""
    return Refused(kind, columns, constraint=told.constraint_name or "")
