"""Firebird 3 and later, by firebird-driver and sqlalchemy-firebird."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, cast

import firebird.driver
import sqlalchemy as sa
from firebird.driver import (
    TPB,
    DatabaseError,
    Isolation,
    TableAccessMode,
    TableShareMode,
    TraAccessMode,
    driver_config,
    tpb,
)
from sqlalchemy.dialects import registry
from sqlalchemy_firebird import types as fb
from sqlalchemy_firebird.base import FBCompiler
from sqlalchemy_firebird.firebird import FBDialect_firebird

from ...definition import Property
from ...errors import BadRequest, DefinitionError, NotIndexable, TransactionConflict, Unavailable
from ...query import Compare
from ...query.patterns import MAX_PATTERN
from ...types import MIN_INTEGER, Integer
from ..base import TransactionOptions
from .codecs import Codec, Codecs, wire_datetime, with_utc
from .comparing import Patterns, compare
from .dialect import Dialect
from .driver import Driver, Running
from .firebird_migration import FirebirdMigration
from .lists import Expression, Lists, NextParameter
from .refusing import Refused
from .server import RETRY_AFTER, ServerConnector
from .statements import StatementTooLarge

#: The most characters of a VARCHAR, of four bytes each.
_MOST_CHARACTERS = 8191
#: The most characters of a text in an index; databases have pages of 8 KiB or more.
_INDEXED = 500


class FirebirdCodecs(Codecs):
    """Texts without a bound, bytes and JSON are blobs; instants have two columns."""

    double_type = sa.DOUBLE_PRECISION()
    indexed_length = _INDEXED
    uuid_type = fb.FBCHAR(36, charset="ASCII")

    def text_type(self, length: int | None) -> Any:
        if length is None or length >= _MOST_CHARACTERS:
            return fb.FBTEXT(charset="UTF8")
        return fb.FBVARCHAR(length + 1, charset="UTF8")

    def string(self, property_: Property) -> Codec:
        codec = super().string(property_)
        if isinstance(codec.types[0], fb.FBTEXT):
            return replace(codec, exact=False, equals=False, sorts=False)
        return replace(
            codec, bind=_with_end, to_python=_without_end, to_wire=_without_end, exact=False
        )

    def datetime(self, property_: Property) -> Codec:
        """A timestamp, which has tenths of milliseconds, and the microseconds beyond them."""
        return Codec(
            (sa.TIMESTAMP(), sa.SmallInteger()),
            _bind_datetime,
            _read_datetime,
            lambda moment, rest: wire_datetime(_read_datetime(moment, rest)),
            suffixes=("", "_rest"),
            server_defaults={"_rest": "0"},
        )

    def buffer(self, property_: Property) -> Codec:
        return replace(super().buffer(property_), equals=False, sorts=False)

    def codec(self, property_: Property, *, is_indexed: bool = False) -> Codec:
        codec = super().codec(property_, is_indexed=is_indexed)
        if is_indexed and isinstance(property_.type, Integer):
            return replace(codec, bind=_indexable)
        if is_indexed and (codec.json or not codec.equals):
            raise NotIndexable(f"{property_.name!r} is a blob in firebird, which has no index")
        return codec


def _indexable(value: int) -> int:
    """A whole number that an index has in its place: Firebird's put the least of all last.

    :raises BadRequest: where it is that one.
    """
    if value == MIN_INTEGER:
        raise BadRequest(f"Firebird cannot have {MIN_INTEGER} in an index.")
    return value


#: What a text that ends with a blank, or with this, has at its end, as blanks at the end make no
#: difference to Firebird. No character sorts before it, so that bytes have the order of texts.
_END = "\x01"


def _with_end(text: str) -> str:
    return text + _END if text.endswith((" ", _END)) else text


def _without_end(text: str) -> str:
    return text.removesuffix(_END)


def _bind_datetime(value: datetime) -> tuple[str, int]:
    # firebird-driver takes no instant before 1858-11-17, but as text.
    return value.isoformat(" ", "microseconds")[:24], value.microsecond % 100


def _read_datetime(moment: datetime, rest: int | None) -> datetime:
    return with_utc(moment.replace(microsecond=moment.microsecond + (rest or 0)))


class FirebirdPatterns(Patterns):
    """``like`` as every database has it, with patterns that may be longer than the column."""

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        if _is_short_text(value.type):
            shorter = sa.func.left(value, sa.func.char_length(value) - sa.literal_column("1"))
            ends = value.like(sa.literal_column(f"'%{_END}'"))
            value = sa.case((ends, shorter), else_=value)
        pattern = fb.FBVARCHAR(2 * MAX_PATTERN, charset="UTF8")
        return super().matches(node, value, lambda: sa.cast(parameter(), pattern))


#: No id that a generator makes is as little as this but after the greatest of all.
_WRAPPED = MIN_INTEGER + 2**32


class FirebirdDialect(Dialect):
    """Firebird's SQL."""

    name = "firebird"
    ping = "SELECT 1 FROM RDB$DATABASE"
    name_length = 31
    checks_rows = True
    nulls_collide = True

    def make_codecs(self) -> Codecs:
        return FirebirdCodecs(self.name)

    def make_lists(self) -> Lists:
        return Lists(4096)

    def make_patterns(self) -> Patterns:
        return FirebirdPatterns()

    def made_id(self, cursor: Any) -> Any:
        made = super().made_id(cursor)
        if type(made) is int and made <= _WRAPPED:
            raise Refused("other")
        return made

    def typed(self, parameter: NextParameter, codec: Codec) -> NextParameter:
        if isinstance(codec.types[0], sa.DOUBLE_PRECISION):
            return lambda: sa.cast(parameter(), codec.types[0])
        return parameter

    def compare(
        self,
        operator: str,
        columns: Sequence[Expression],
        codec: Codec,
        parameter: NextParameter,
    ) -> Expression:
        kind = codec.types[0]
        if operator == "eq" or not _is_short_text(kind):
            return super().compare(operator, columns, codec, parameter)
        keys = [self.sort_key(column) for column in columns]
        return compare(operator, keys, lambda: _as_bytes(sa.cast(parameter(), kind), kind))

    def sort_key(self, column: Expression) -> Expression:
        return _as_bytes(column, column.type) if _is_short_text(column.type) else column

    def least(self, *values: Expression) -> Expression:
        return sa.func.minvalue(*values)

    def greatest(self, *values: Expression) -> Expression:
        return sa.func.maxvalue(*values)


def _as_bytes(value: Expression, kind: Any) -> Expression:
    """A text as its bytes, which have the order of code points."""
    return sa.cast(value, fb.FBVARCHAR(4 * kind.length, charset="OCTETS"))


def _is_short_text(kind: Any) -> bool:
    return isinstance(kind, fb.FBVARCHAR) and kind.charset == "UTF8"


#: Words that are reserved in Firebird 3 to 5, of which sqlalchemy-firebird knows not all.
_WORDS = """
    add admin all alter and any as at avg begin between bigint binary bit_length blob boolean
    both by case cast char character character_length char_length check close collate column
    comment commit connect constraint corr count covar_pop covar_samp create cross current
    current_connection current_date current_role current_time current_timestamp
    current_transaction current_user cursor date day dec decfloat decimal declare default delete
    deleting deterministic disconnect distinct double drop else end escape execute exists
    external extract false fetch filter float for foreign from full function gdscode global
    grant group having hour in index inner insensitive insert inserting int int128 integer into
    is join lateral leading left like local localtime localtimestamp long lower max
    maximum_segment merge min minute month national natural nchar no not null numeric
    octet_length of offset on only open or order outer over parameter plan position post_event
    precision primary procedure publication real record_version recreate recursive references
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    release resetting return returning_values returns revoke right rollback row row_count rows
    savepoint scroll second select sensitive set similar smallint some sqlcode sqlstate start
    stddev_pop stddev_samp sum table then time timestamp timezone_hour timezone_minute to
    trailing trigger trim true unbounded union unique unknown update updating upper user using
    value values var_pop var_samp varbinary varchar variable varying view when where while
    window with without year
"""
_RESERVED = frozenset(_WORDS.split())


class FirebirdCompiler(FBCompiler):  # type: ignore[misc]  # the package has no annotations
    """sqlalchemy-firebird's, with what the standard and Firebird 3 have for ``ROWS m TO n``."""

    def limit_clause(self, select: Any, **options: Any) -> str:
        text = ""
        if select._offset_clause is not None:
            text += f"\n OFFSET {self.process(select._offset_clause, **options)} ROWS"
        if select._limit_clause is not None:
            text += f"\n FETCH NEXT {self.process(select._limit_clause, **options)} ROWS ONLY"
        return text

    def visit_row_number_func(self, function: Any, **options: Any) -> str:
        return "ROW_NUMBER()"


class FilledDialect(FBDialect_firebird):  # type: ignore[misc]
    """sqlalchemy-firebird's dialect, with what it lacks."""

    statement_compiler = FirebirdCompiler
    supports_statement_cache = True
    # Statements are compiled before the first connection tells the version.
    server_version_info = (3, 0)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        words = self.identifier_preparer.reserved_words | _RESERVED
        self.identifier_preparer.reserved_words = words

    @classmethod
    def import_dbapi(cls) -> Any:
        # SQLAlchemy looks in the class itself, and else warns of the old name in the base.
        return firebird.driver

    def create_connect_args(self, url: sa.URL) -> Any:
        # sqlalchemy-firebird has one place in the process for each path, which is of two databases
        # where two servers have the same.
        arguments, options = super().create_connect_args(url)
        if url.host:
            host = f"[{url.host}]" if ":" in url.host else url.host
            options["database"] = f"{host}/{url.port or 3050}:{url.database}"
        return arguments, options

    def connect(self, *arguments: Any, connect_timeout: int = 10, **options: Any) -> Any:
        place = _place(options.pop("database"), connect_timeout)
        return super().connect(*arguments, database=place, **options)

    def do_execute(self, cursor: Any, *arguments: Any, **options: Any) -> None:
        cursor.stream_blob_threshold = -1
        super().do_execute(cursor, *arguments, **options)

    def do_terminate(self, dbapi_connection: Any) -> None:
        self.do_close(dbapi_connection)


_placing = Lock()


def _place(dsn: str, seconds: int) -> str:
    """The name under which the driver finds where a database is, and how long to wait for it."""
    name = f"{dsn} in {seconds} s"
    with _placing:
        if driver_config.get_database(name) is None:
            place = driver_config.register_database(name)
            place.dsn.value, place.timeout.value = dsn, seconds
    return name


registry.register("firebird.loop", __name__, FilledDialect.__name__)


_ISOLATIONS = {
    # What they hold is reserved; their own level would find that two wait for each other only
    # after seconds.
    "serializable": Isolation.READ_COMMITTED_RECORD_VERSION,
    "repeatable read": Isolation.SNAPSHOT,
    "read committed": Isolation.READ_COMMITTED_RECORD_VERSION,
}
#: The seconds that a statement waits for another transaction.
_LOCK_SECONDS = 10
_READS = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_SNAPSHOT = tpb(Isolation.SNAPSHOT, _LOCK_SECONDS)


class FirebirdDriver(Driver):
    """firebird-driver's connections, whose every statement is in a transaction.

    :param isolation: of transactions that do not say theirs.
    :param tables: gives the names of the tables that serializable transactions reserve.
    """

    def __init__(self, isolation: str, tables: Callable[[], Iterable[str]]) -> None:
        self._isolation = isolation
        self._tables = tables
        self._there: set[str] = set()

    def execute(self, cursor: Any, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
        cursor.stream_blob_threshold = -1
        if _READS.match(sql) and not cursor.connection.is_active():
            # What is committed while it reads would be seen by one row and not by another.
            cursor.connection.begin(_SNAPSHOT)
        cursor.execute(sql, values)

    def settle(self, connection: Any) -> None:
        connection.commit()

    def abandon(self, connection: Any) -> None:
        connection.rollback()

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        isolation = options.isolation or self._isolation
        if options.read_only and isolation == "serializable":
            isolation = "repeatable read"
        wait = min(_LOCK_SECONDS, max(1, round(options.timeout or _LOCK_SECONDS)))
        parameters = TPB(
            access_mode=TraAccessMode.READ if options.read_only else TraAccessMode.WRITE,
            isolation=_ISOLATIONS[isolation],
            lock_timeout=wait,
            encoding="utf-8",
        )
        connection = transaction.driver_connection
        if isolation == "serializable":
            # Who else would write these tables waits: what is read here stays true.
            for name in self._reserved(connection):
                parameters.reserve_table(name, TableShareMode.PROTECTED, TableAccessMode.LOCK_WRITE)
        connection.begin(parameters.get_buffer())

    def _reserved(self, connection: Any) -> list[str]:
        """The names of the tables that are reserved and there, always in one order."""
        wanted = set(self._tables())
        if not wanted <= self._there:
            with connection.cursor() as cursor:
                cursor.execute("SELECT TRIM(RDB$RELATION_NAME) FROM RDB$RELATIONS")
                self._there = {name for (name,) in cursor.fetchall()}
            connection.commit()
        return sorted(wanted & self._there)

    def commit(self, transaction: Running) -> None:
        transaction.driver_connection.commit()

    def roll_back(self, connection: Any) -> None:
        if connection.is_active():
            connection.rollback()

    def is_open(self, connection: Any) -> bool:
        return bool(connection.is_active())

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        return not _LOST.isdisjoint(getattr(error, "gds_codes", None) or ())


class FirebirdConnector(ServerConnector):
    """Records in a Firebird database."""

    name = "firebird"
    driver_name = "firebird+loop"
    migration = FirebirdMigration

    def make_dialect(self) -> Dialect:
        return FirebirdDialect()

    def make_driver(self) -> Driver:
        return FirebirdDriver(self.isolation, self._stored_names)

    def _stored_names(self) -> list[str]:
        """The names of the models' tables, as Firebird has them."""
        dialect = self.session.engine.dialect
        tables = [self._of(each).table for each in self._statements.known()]
        return [str(dialect.denormalize_name(table.name)) for table in tables]

    def engine_options(self) -> dict[str, Any]:
        return {}

    def url(self) -> sa.URL:
        return super().url().update_query_dict({"charset": "UTF8"})

    def connect_arguments(self) -> dict[str, Any]:
        for key in ("statement_timeout", "ssl"):
            if self.settings.get(key):
                raise DefinitionError(
                    f"the firebird connector has no {key}: it is a setting of the server and its "
                    "client library"
                )
        return {"connect_timeout": max(1, round(self.seconds("connect_timeout", 10) or 10))}

    def prepare(self) -> Callable[[Any], None]:
        writes = tpb(Isolation.READ_COMMITTED_RECORD_VERSION, _LOCK_SECONDS)

        def prepare(connection: Any) -> None:
            connection.main_transaction.default_tpb = writes

        return prepare

    def translator(self) -> Callable[[Exception], Exception]:
        return translate

    def _given_id(self, statements: Any, id: Any) -> None:
        table = statements.table
        column = statements.model_table.columns[statements.ids[0]][0]
        dialect = self.session.engine.dialect
        found = self.session.fetch(
            "SELECT TRIM(RDB$GENERATOR_NAME) FROM RDB$RELATION_FIELDS "
            "WHERE RDB$RELATION_NAME = ? AND RDB$FIELD_NAME = ?",
            (dialect.denormalize_name(table.name), dialect.denormalize_name(column.name)),
        )
        generator = found[0][0] if found else None
        if generator is not None:
            self.session.fetch(
                f'SELECT GEN_ID("{generator}", MAXVALUE(0, CAST(? AS BIGINT) - '  # noqa: S608
                f'GEN_ID("{generator}", 0))) FROM RDB$DATABASE',
                (id,),
            )


# Errors


def translate(error: Exception) -> Exception:
    """An error of firebird-driver as one of ours, or as it is."""
    if isinstance(error, ValueError) and "numeric overflow" in str(error):
        return Refused("other")  # the driver itself knows the column's range
    if not isinstance(error, DatabaseError):
        return StatementTooLarge(str(error)) if _is_too_long(error) else error
    codes = set(error.gds_codes or ())
    for code, kind in _REFUSALS.items():
        if code in codes:
            return _refused(kind, str(error))
    if codes & _CONFLICTS:
        return TransactionConflict()
    if codes & _MISSING:
        text = " ".join(str(error).split("\n")[-2:])
        return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
    if codes & _TOO_LARGE:
        return StatementTooLarge(str(error))
    if codes & (_LOST | _FAULTS):
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
    return cast("Exception", error)


#: The codes of Firebird's messages: https://firebirdsql.org, Language Reference, appendix B.
_REFUSALS = {
    335544665: "unique",
    335544349: "unique",
    335544466: "foreign_key",
    335544347: "null",
    335544558: "other",
    # Values that the column's own type does not take: what cannot be converted, or is too great.
    335544334: "other",
    335544321: "other",
}
_CONFLICTS = {335544336, 335544345, 335544451, 335544510, 335545007}
_MISSING = {335544580, 335544578, 335544395}
_TOO_LARGE = {335544914, 335544869}
_LOST = {335544726, 335544727, 335544741, 335544856, 335544528, 335544648, 335544421}
_FAULTS = {335544721, 335544472, 335544375, 335544344, 335544765, 335544734, 335544735, 335544405}
_CONSTRAINT = re.compile(r'(?:constraint|CONSTRAINT|unique index) "([^"]+)"')
_COLUMN = re.compile(r'column "?([^",]+"?\.[^",]+)"?')


def _refused(kind: str, text: str) -> Refused:
    found = (_COLUMN if kind == "null" else _CONSTRAINT).search(text)
    name = found[1].replace('"', "") if found else ""
    if kind == "null":
        return Refused(kind, name.lower() if name.isupper() else name)
    # Names that were not quoted are in capitals there.
    return Refused(kind, constraint=name.lower() if name.upper() == name else name)


def _is_too_long(error: Exception) -> bool:
    return isinstance(error, ValueError) and "too long" in str(error)
