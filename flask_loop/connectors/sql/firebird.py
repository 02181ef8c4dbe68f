"""Firebird 3 and later, by firebird-driver and sqlalchemy-firebird."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from firebird.driver import DatabaseError, Isolation, TraAccessMode, tpb
from sqlalchemy_firebird import types as fb

from ...definition import Property
from ...errors import DefinitionError, TransactionConflict, Unavailable
from ...query import Compare
from ..base import TransactionOptions
from .codecs import Codec, Codecs, naive_utc, wire_datetime, with_utc
from .comparing import Patterns, compare
from .connector import Refused
from .dialect import Dialect
from .driver import Driver, Running
from .firebird_migration import FirebirdMigration
from .lists import Expression, Lists, NextParameter
from .server import ServerConnector
from .session import Session
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
        if length is None or length > _MOST_CHARACTERS:
            return fb.FBTEXT(charset="UTF8")
        return fb.FBVARCHAR(length, charset="UTF8")

    def string(self, property_: Property) -> Codec:
        codec = super().string(property_)
        is_blob = isinstance(codec.types[0], fb.FBTEXT)
        return replace(codec, exact=False, equals=not is_blob, sorts=not is_blob)

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


def _bind_datetime(value: datetime) -> tuple[datetime, int]:
    rest = value.microsecond % 100
    return naive_utc(value).replace(microsecond=value.microsecond - rest), rest


def _read_datetime(moment: datetime, rest: int | None) -> datetime:
    return with_utc(moment.replace(microsecond=moment.microsecond + (rest or 0)))


class FirebirdPatterns(Patterns):
    """``like`` as every database has it, with patterns that may be longer than the column."""

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        return super().matches(node, value, lambda: _as_text(parameter()))


def _as_text(value: Expression) -> Expression:
    """A parameter that may be longer than the column which it is compared with."""
    return sa.cast(value, fb.FBVARCHAR(_MOST_CHARACTERS, charset="UTF8"))


def _as_bytes(value: Expression, length: int = _MOST_CHARACTERS) -> Expression:
    """A text by whose bytes it is compared: Firebird leaves the blanks at the end out."""
    return sa.cast(value, fb.FBVARCHAR(min(4 * length, 32_764), charset="OCTETS"))


class FirebirdDialect(Dialect):
    """Firebird's SQL."""

    name = "firebird"
    ping = "SELECT 1 FROM RDB$DATABASE"
    name_length = 31
    checks_rows = True

    def make_codecs(self) -> Codecs:
        return FirebirdCodecs(self.name)

    def make_lists(self) -> Lists:
        return Lists(1024)

    def make_patterns(self) -> Patterns:
        return FirebirdPatterns()

    def typed(self, parameter: NextParameter, codec: Codec) -> NextParameter:
        if _is_short_text(codec.types[0]):
            return lambda: _as_text(parameter())
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
        if not _is_short_text(codec.types[0]):
            return super().compare(operator, columns, codec, parameter)
        if operator != "eq":
            keys = [self.sort_key(column) for column in columns]
            return compare(operator, keys, lambda: _as_bytes(_as_text(parameter())))
        text = _as_text(parameter())
        # An index answers the first.
        return sa.and_(columns[0] == text, self.sort_key(columns[0]) == _as_bytes(text))

    def is_in(
        self, columns: Sequence[Expression], many: int, codec: Codec, parameter: NextParameter
    ) -> Expression:
        if not _is_short_text(codec.types[0]):
            return super().is_in(columns, many, codec, parameter)
        return sa.or_(
            sa.false(), *(self.compare("eq", columns, codec, parameter) for _ in range(many))
        )

    def sort_key(self, column: Expression) -> Expression:
        kind = column.type
        return _as_bytes(column, kind.length) if _is_short_text(kind) else column

    def least(self, *values: Expression) -> Expression:
        return sa.func.minvalue(*values)

    def greatest(self, *values: Expression) -> Expression:
        return sa.func.maxvalue(*values)


def _is_short_text(kind: Any) -> bool:
    return isinstance(kind, fb.FBVARCHAR) and kind.charset != "OCTETS"


#: Words that are reserved in Firebird 3 to 5, of which sqlalchemy-firebird knows not all.
_RESERVED = frozenset(
    """add admin all alter and any as at avg begin between bigint binary bit_length blob boolean both
    by case cast char character character_length char_length check close collate column comment
    commit connect constraint corr count covar_pop covar_samp create cross current current_connection
    current_date current_role current_time current_timestamp current_transaction current_user cursor
    date day dec decfloat decimal declare default delete deleting deterministic disconnect distinct
    double drop else end escape execute exists external extract false fetch filter float for foreign
    from full function gdscode global grant group having hour in index inner insensitive insert
    inserting int int128 integer into is join lateral leading left like local localtime localtimestamp
    long lower max maximum_segment merge min minute month national natural nchar no not null numeric
    octet_length of offset on only open or order outer over parameter plan position post_event
    precision primary procedure publication real record_version recreate recursive references
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    release resetting return returning_values returns revoke right rollback row row_count rows
    savepoint scroll second select sensitive set similar smallint some sqlcode sqlstate start
    stddev_pop stddev_samp sum table then time timestamp timezone_hour timezone_minute to trailing
    trigger trim true unbounded union unique unknown update updating upper user using value values
    var_pop var_samp varbinary varchar variable varying view when where while window with without
    year""".split()
)

_ISOLATIONS = {
    "serializable": Isolation.SERIALIZABLE,
    "repeatable read": Isolation.SNAPSHOT,
    "read committed": Isolation.READ_COMMITTED_RECORD_VERSION,
}
#: The seconds that a statement waits for another transaction.
_LOCK_SECONDS = 10


class FirebirdDriver(Driver):
    """firebird-driver's connections, whose every statement is in a transaction.

    :param isolation: of transactions that do not say theirs.
    """

    def __init__(self, isolation: str) -> None:
        self._isolation = isolation

    def settle(self, connection: Any) -> None:
        connection.commit()

    def abandon(self, connection: Any) -> None:
        connection.rollback()

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        access = TraAccessMode.READ if options.read_only else TraAccessMode.WRITE
        isolation = _ISOLATIONS[options.isolation or self._isolation]
        transaction.driver_connection.begin(tpb(isolation, _LOCK_SECONDS, access))

    def commit(self, transaction: Running) -> None:
        transaction.driver_connection.commit()

    def roll_back(self, connection: Any) -> None:
        if connection.is_active():
            connection.rollback()

    def is_open(self, connection: Any) -> bool:
        return bool(connection.is_active())

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        return not _LOST.isdisjoint(getattr(error, "gds_codes", ()))


class FirebirdConnector(ServerConnector):
    """Records in a Firebird database."""

    name = "firebird"
    driver_name = "firebird+firebird"
    migration = FirebirdMigration

    def make_dialect(self) -> Dialect:
        return FirebirdDialect()

    def make_driver(self) -> Driver:
        return FirebirdDriver(self.isolation)

    def make_session(self) -> Session:
        session = super().make_session()
        dialect: Any = session.engine.dialect
        # Statements are compiled before the first connection tells the version.
        dialect.server_version_info = (3, 0)
        dialect.do_terminate = dialect.do_close
        words = dialect.identifier_preparer.reserved_words | _RESERVED
        dialect.identifier_preparer.reserved_words = words
        return session

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
        return {}

    def prepare(self) -> Callable[[Any], None]:
        reads = tpb(Isolation.READ_COMMITTED_RECORD_VERSION, _LOCK_SECONDS)

        def prepare(connection: Any) -> None:
            connection.main_transaction.default_tpb = reads

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
        return Unavailable("The data source is not available.", retry_after=_RETRY_AFTER)
    return error


_RETRY_AFTER = 5
#: The codes of Firebird's messages: https://firebirdsql.org, Language Reference, appendix B.
_REFUSALS = {
    335544665: "unique",
    335544349: "unique",
    335544466: "foreign_key",
    335544347: "null",
    335544558: "other",
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
