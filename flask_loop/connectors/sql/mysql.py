"""MySQL and MariaDB, by PyMySQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from inspect import signature
from ssl import SSLContext
from typing import Any, ClassVar, cast

import pymysql
import sqlalchemy as sa
from pymysql.constants import ER, SERVER_STATUS
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MARIADB
from sqlalchemy.ext.compiler import compiles

from ...definition import Property
from ...errors import TransactionConflict, Unavailable
from ..base import TransactionOptions
from .codecs import Codec, Codecs
from .dialect import Dialect
from .driver import Driver, Running
from .lists import Lists
from .mysql_migration import MysqlMigration
from .refusing import Refused
from .server import GRACE, RETRY_AFTER, ServerConnector
from .session import Session
from .statements import StatementTooLarge


class CodePointText(mysql.LONGTEXT):
    """A text of any length that is compared by code point, blanks at its end included."""


class CodePointString(mysql.VARCHAR):
    """The same of a bounded length."""


@compiles(CodePointText, "mysql", "mariadb")
@compiles(CodePointString, "mysql", "mariadb")
def _collated(type_: Any, compiler: Any, **options: Any) -> str:
    name = "LONGTEXT" if isinstance(type_, CodePointText) else f"VARCHAR({type_.length})"
    # Each of the two has a collation that the other does not know.
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    return f"{name} CHARACTER SET utf8mb4 COLLATE {collation}"


#: The bytes of an index's key, by which four are a character.
_KEY_BYTES = 3072


class MysqlCodecs(Codecs):
    """Instants have microseconds, and text is compared by code point."""

    datetime_type = mysql.DATETIME(fsp=6)
    uuid_type = mysql.CHAR(36, charset="ascii", collation="ascii_bin")
    indexed_length = _KEY_BYTES // 4

    def text_type(self, length: int | None) -> Any:
        # A row has 65,535 bytes at most, of which the other columns take theirs.
        if length is None or length > self.indexed_length:
            return CodePointText()
        return CodePointString(length)

    def boolean(self, property_: Property) -> Codec:
        return Codec((sa.Boolean(),), int, bool, bool)

    def buffer(self, property_: Property) -> Codec:
        length = property_.constraints.get("max_length")
        is_short = length is not None and length <= _KEY_BYTES
        sql_type = mysql.VARBINARY(length) if is_short else mysql.LONGBLOB()
        return replace(super().buffer(property_), types=(sql_type,))


#: Which of the two it is, SQLAlchemy knows from the first connection on only. The rest are words
#: of either that it does not know, some of them reserved only where a name may stand.
_RESERVED = frozenset(
    [
        "delete_domain_id",
        "intersect",
        "library",
        "manual",
        "master_demote_to_replica",
        "master_demote_to_slave",
        "portion",
        "sql_buffer_result",
        "sql_cache",
        "sql_no_cache",
        "tablesample",
        "value",
    ]
)


class MysqlDialect(Dialect):
    """The SQL of MySQL and MariaDB."""

    name = "mysql"
    reserved = frozenset(RESERVED_WORDS_MARIADB) | _RESERVED
    name_length = 64
    nulls_last = False
    returns_ids = False
    checks_rows = True
    has_identity = False

    def make_codecs(self) -> Codecs:
        return MysqlCodecs(self.name)

    def make_lists(self) -> Lists:
        return Lists(16_384)


class MysqlConnection(pymysql.connections.Connection):  # type: ignore[misc]
    """A connection that, where the driver decides about TLS, has a context which all share.

    To make one takes longer than to connect. The hook is private to PyMySQL; where it is not there,
    each connection makes its own.
    """

    if hasattr(pymysql.connections.Connection, "_create_ssl_ctx"):
        _usual: ClassVar[SSLContext | None] = None

        def _create_ssl_ctx(self, options: Any) -> SSLContext:
            if not options and MysqlConnection._usual is not None:
                return MysqlConnection._usual
            made: SSLContext = super()._create_ssl_ctx(options)
            if not options:
                MysqlConnection._usual = made
            return made


def connect(
    dialect: Any, record: Any, arguments: list[Any], named: dict[str, Any]
) -> MysqlConnection:
    """Connect as SQLAlchemy's event ``do_connect`` asks for it."""
    return MysqlConnection(*arguments, **named)


class MysqlDriver(Driver):
    """PyMySQL's connections in autocommit.

    :param statement_timeout: the seconds that a statement may take, or None.
    :param connect_timeout: the seconds to wait for the server.
    """

    def __init__(self, statement_timeout: float | None, connect_timeout: float) -> None:
        self._statement_timeout = statement_timeout
        self._connect_timeout = connect_timeout

    def execute(self, cursor: Any, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
        statement = cursor.mogrify(sql, values)
        with _answered(cursor.connection):
            cursor.execute(statement)

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        if options.isolation is not None:
            transaction.run(f"SET TRANSACTION ISOLATION LEVEL {options.isolation.upper()}")
        transaction.run(f"START TRANSACTION{' READ ONLY' if options.read_only else ''}")

    def limit(self, transaction: Running, seconds: float | None) -> None:
        transaction.run(self._limits(transaction.driver_connection, seconds))

    def restore(self, transaction: Running, options: TransactionOptions) -> None:
        connection = transaction.driver_connection
        if options.timeout is not None:
            with connection.cursor() as cursor:
                cursor.execute(self._limits(connection, None))

    def _limits(self, connection: Any, seconds: float | None) -> str:
        limit = min(filter(None, (seconds, self._statement_timeout)), default=0)
        if is_mariadb(connection):
            return f"SET max_statement_time = {limit:.3f}"
        # This limit is on what reads alone; what writes may wait for others.
        wait = "DEFAULT" if seconds is None else max(1, round(seconds))
        return f"SET max_execution_time = {round(limit * 1000)}, innodb_lock_wait_timeout = {wait}"

    def roll_back(self, connection: Any) -> None:
        with _answered(connection):
            connection.rollback()

    def is_open(self, connection: Any) -> bool:
        # An error does not say it, and some end the transaction by the server's settings.
        with suppress(pymysql.MySQLError, OSError):
            connection.ping(reconnect=False)
            return not self.is_idle(connection)
        return False

    def is_idle(self, connection: Any) -> bool:
        in_transaction = connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS
        return bool(connection.open and not in_transaction)

    @contextmanager
    def trying(self, connection: Any) -> Iterator[None]:
        usual = connection._read_timeout
        connection._read_timeout = min(filter(None, (usual, self._connect_timeout)))
        try:
            yield
        finally:
            connection._read_timeout = usual

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        return _code(error) in _LOST

    def is_cut_off(self, connection: Any) -> bool:
        return not connection.open


@contextmanager
def _answered(connection: Any) -> Iterator[None]:
    """A block that ends with an answer, or with an error of the driver, or closes the connection.

    PyMySQL itself does so only where it is interrupted while it waits for the answer.
    """
    try:
        yield
    except pymysql.MySQLError:
        raise
    except BaseException:
        connection._force_close()
        raise


def is_mariadb(connection: Any) -> bool:
    """Whether a connection is to a MariaDB, and not to a MySQL."""
    return "MariaDB" in str(connection.server_version)


class MysqlConnector(ServerConnector):
    """Records in a MySQL or MariaDB database."""

    name = "mysql"
    driver_name = "mysql+pymysql"
    schemes = ("mariadb",)
    migration = MysqlMigration

    def make_dialect(self) -> Dialect:
        return MysqlDialect()

    def make_driver(self) -> Driver:
        limits = self.seconds("statement_timeout"), self.seconds("connect_timeout", 10) or 10
        return MysqlDriver(*limits)

    def make_session(self) -> Session:
        session = super().make_session()
        sa.event.listen(session.engine, "do_connect", connect)
        return session

    def connect_arguments(self) -> dict[str, Any]:
        patience = self.seconds("connect_timeout", 10)
        arguments: dict[str, Any] = {
            "connect_timeout": patience,
            # Until it is connected; then the limit of statements holds.
            "read_timeout": patience,
            "charset": "utf8mb4",
        }
        limit = self._reading_limit()
        if limit is not None:
            arguments["write_timeout"] = limit
        if self.refuses_tls:
            arguments["ssl_disabled"] = True
        tls = self.tls()
        if tls is not None:
            arguments["ssl"] = tls.context()
        return arguments

    def driver_options(self) -> Collection[str]:
        return signature(pymysql.connections.Connection).parameters.keys()

    def _reading_limit(self) -> float | None:
        """The seconds after which a server that says nothing at all is given up."""
        limit = self.seconds("statement_timeout")
        return None if limit is None else limit + GRACE

    def prepare(self) -> Callable[[Any], None]:
        limit = self.seconds("statement_timeout")
        settings = (
            "time_zone = '+00:00'",
            # An id of 0 is an id, and what does not fit is refused.
            f"sql_mode = '{','.join(_MODES)}'",
            f"SESSION TRANSACTION ISOLATION LEVEL {self.isolation.upper()}",
        )

        reading = self._mapping("connect_args").get("read_timeout", self._reading_limit())

        def prepare(connection: Any) -> None:
            connection._read_timeout = reading  # for which it has no other way
            with connection.cursor() as cursor:
                cursor.execute(f"SET {', '.join(settings[:2])}")
                cursor.execute(f"SET {settings[2]}")
                if limit is None:
                    return
                if is_mariadb(connection):
                    cursor.execute(f"SET max_statement_time = {limit}")
                else:
                    cursor.execute(f"SET max_execution_time = {max(1, round(limit * 1000))}")

        return prepare

    def translator(self) -> Callable[[Exception], Exception]:
        return translate

    def plan(self, sql: str, values: Sequence[Any]) -> list[str]:
        rows = self.session.fetch(f"EXPLAIN {sql}", values)
        return [" ".join("-" if part is None else str(part) for part in row) for row in rows]


_MODES = (
    "STRICT_ALL_TABLES",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_ENGINE_SUBSTITUTION",
    "ERROR_FOR_DIVISION_BY_ZERO",
)
# Errors


def translate(error: Exception) -> Exception:
    """An error of PyMySQL as one of ours, or as it is."""
    if not isinstance(error, pymysql.err.MySQLError):
        return error
    code, text = _code(error), str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in _REFUSALS:
        return _refused(_REFUSALS[code], text)
    if code in _CONFLICTS:
        return TransactionConflict()
    if code == ER.LOCK_WAIT_TIMEOUT:
        return Unavailable("The data source is busy.", retry_after=1)
    if code in _TOO_LONG:
        return Unavailable("The data source took too long.")
    if code in (ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR):
        return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
    if code in (ER.STACK_OVERRUN_NEED_MORE, ER.NET_PACKET_TOO_LARGE):
        return StatementTooLarge(text)
    if code in _FAULTS or isinstance(error, pymysql.err.InterfaceError):
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
    return cast("Exception", error)


_KEY = re.compile(r"for key '(?:[^']*\.)?([^']+)'")
_COLUMN = re.compile(r"(?:Column|Field) '([^']+)'")
_CONSTRAINT = re.compile(r"CONSTRAINT `([^`]+)`")
_REFUSALS = {
    ER.DUP_ENTRY: "unique",
    1586: "unique",
    ER.BAD_NULL_ERROR: "null",
    ER.NO_DEFAULT_FOR_FIELD: "null",
    ER.NO_REFERENCED_ROW: "foreign_key",
    ER.NO_REFERENCED_ROW_2: "foreign_key",
    ER.ROW_IS_REFERENCED: "foreign_key",
    ER.ROW_IS_REFERENCED_2: "foreign_key",
    ER.CONSTRAINT_FAILED: "other",
    3819: "other",
    # Values that the column's own type does not take.
    ER.WARN_DATA_OUT_OF_RANGE: "other",
    ER.WARN_DATA_TRUNCATED: "other",
    ER.TRUNCATED_WRONG_VALUE: "other",
    ER.TRUNCATED_WRONG_VALUE_FOR_FIELD: "other",
    ER.DATA_TOO_LONG: "other",
    # No id is left that is greater than the greatest.
    1467: "other",
    167: "other",
}
_CONFLICTS = (ER.LOCK_DEADLOCK, ER.CHECKREAD)
_TOO_LONG = (ER.QUERY_INTERRUPTED, 1969, 3024, 4024)
#: The connection is of no more use: shutdown, killed, lost.
_LOST = (ER.SERVER_SHUTDOWN, ER.NEW_ABORTING_CONNECTION, 1927, 2003, 2006, 2013, 2014, 2055, 4031)
_FAULTS = (
    *_LOST,
    *(ER.CON_COUNT_ERROR, ER.HOST_IS_BLOCKED, ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR),
    *(ER.BAD_DB_ERROR, ER.DISK_FULL, ER.ERROR_ON_WRITE, ER.RECORD_FILE_FULL, ER.GET_ERRNO),
    *(ER.OUT_OF_RESOURCES, ER.OUTOFMEMORY, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED),
    *(ER.ERROR_ON_READ, ER.ERROR_DURING_COMMIT, ER.LOCK_TABLE_FULL),
    *(ER.OPTION_PREVENTS_STATEMENT, 1792, 1836, 2002, 2005, 2026),
)


def _code(error: Exception) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _refused(kind: str, text: str) -> Refused:
    pattern = {"unique": _KEY, "null": _COLUMN}.get(kind, _CONSTRAINT)
    found = pattern.search(text)
    name = found[1] if found else ""
    return Refused(kind, name) if kind == "null" else Refused(kind, constraint=name)
