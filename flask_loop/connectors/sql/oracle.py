"""Oracle Database 12.2 and later, by python-oracledb in its thin mode."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import oracledb
import sqlalchemy as sa
from sqlalchemy.dialects import oracle

from ...definition import Property
from ...errors import DefinitionError, NotIndexable, TransactionConflict, Unavailable
from ...query import Compare
from ...query.patterns import like_tokens
from ...types import DecimalNumber
from ..base import TransactionOptions
from .codecs import Codec, Codecs
from .comparing import Patterns
from .dialect import Dialect
from .driver import Driver, Running
from .lists import Expression, Lists, NextParameter
from .oracle_migration import OracleMigration
from .refusing import Refused
from .server import RETRY_AFTER, ServerConnector
from .session import Session

#: The most characters of a VARCHAR2, which has 4,000 bytes.
_MOST_CHARACTERS = 1000
#: What stands for the empty text, which Oracle takes for null. No text has it, and it sorts first.
_EMPTY = "\0"


def _number(precision: int, scale: int) -> Any:
    return oracle.NUMBER(precision, scale)  # type: ignore[no-untyped-call]


class OracleCodecs(Codecs):
    """Long texts, bytes and JSON are LOBs; the empty text and no bytes are made to be no null."""

    integer_type = _number(19, 0)
    double_type = oracle.BINARY_DOUBLE()
    datetime_type = oracle.TIMESTAMP()
    uuid_type = oracle.VARCHAR2(36)
    indexed_length = _MOST_CHARACTERS

    def codec(self, property_: Property, *, is_indexed: bool = False) -> Codec:
        codec = super().codec(property_, is_indexed=is_indexed)
        if is_indexed and (codec.json or not codec.equals):
            raise NotIndexable(f"{property_.name!r} is a LOB in oracle, which has no index")
        return codec

    def text_type(self, length: int | None) -> Any:
        is_long = length is None or length > _MOST_CHARACTERS
        return oracle.CLOB() if is_long else oracle.VARCHAR2(length)

    def string(self, property_: Property) -> Codec:
        codec = super().string(property_)
        is_short = not isinstance(codec.types[0], oracle.CLOB)
        return replace(
            codec,
            bind=lambda text: text or _EMPTY,
            to_python=_read_text,
            to_wire=_read_text,
            equals=is_short,
            sorts=is_short,
            exact=is_short,
        )

    def boolean(self, property_: Property) -> Codec:
        return Codec((_number(1, 0),), int, bool, bool)

    def integer(self, property_: Property) -> Codec:
        return replace(super().integer(property_), to_python=int, to_wire=int)

    def number(self, property_: Property) -> Codec:
        codec = super().number(property_)
        return replace(codec, types=(self.double_type, _number(5, 0)))

    def decimal(self, property_: Property) -> Codec:
        kind = cast("DecimalNumber", property_.type)

        def read(raw: Any) -> Decimal:
            return kind.from_scaled(kind.to_scaled(Decimal(str(raw))))

        sql_type = _number(kind.precision, kind.scale)
        return Codec((sql_type,), None, read, lambda raw: kind.dump(read(raw)))

    def date(self, property_: Property) -> Codec:
        return Codec((oracle.DATE(),), None, _read_date, lambda raw: _read_date(raw).isoformat())

    def buffer(self, property_: Property) -> Codec:
        return Codec(
            (sa.LargeBinary(),),
            _bind_bytes,
            _read_bytes,
            lambda raw: property_.type.dump(_read_bytes(raw)),
            equals=False,
            sorts=False,
        )

    def enumeration(self, property_: Property) -> Codec:
        codec = super().enumeration(property_)
        if codec.types[0] is self.integer_type:
            return replace(codec, to_python=lambda raw: property_.type.python(int(raw)))
        return replace(
            codec,
            bind=lambda member: member.value or _EMPTY,
            to_python=lambda raw: property_.type.python(_read_text(raw)),
        )


def _read_text(raw: str) -> str:
    return "" if raw == _EMPTY else raw


def _read_date(raw: dt.date) -> dt.date:
    return raw.date() if isinstance(raw, dt.datetime) else raw


def _bind_bytes(value: bytes) -> bytes:
    """Bytes that are never none: what is nothing but zeros has one more."""
    return value if any(value) else value + b"\0"


def _read_bytes(raw: bytes) -> bytes:
    return bytes(raw) if any(raw) else bytes(raw)[:-1]


class OraclePatterns(Patterns):
    """``like`` as every database has it, but for the empty text, which is stored as something."""

    def add_values(self, node: Compare, values: list[Any]) -> Any:
        kind = _kind(node.operand.text)
        if kind == "some":
            super().add_values(node, values)
        return kind

    def matches(self, node: Compare, value: Expression, parameter: NextParameter) -> Expression:
        kind = _kind(node.operand.text)
        if kind == "any":
            return value.is_not(None)
        if kind == "empty":
            return value.like(sa.func.chr(sa.literal_column("0")))
        is_some = sa.not_(value.like(sa.func.chr(sa.literal_column("0"))))
        return sa.and_(is_some, super().matches(node, value, parameter))


def _kind(pattern: str) -> str:
    """Whether a pattern matches ``any`` text, the ``empty`` one alone, or ``some`` without it."""
    tokens = list(like_tokens(pattern))
    if not tokens:
        return "empty"
    return "any" if all(token == ("%", True) for token in tokens) else "some"


class OracleDialect(Dialect):
    """Oracle's SQL."""

    name = "oracle"
    ping = "SELECT 1 FROM DUAL"
    name_length = 128

    def make_codecs(self) -> Codecs:
        return OracleCodecs(self.name)

    def make_lists(self) -> Lists:
        return Lists(16_384)

    def make_patterns(self) -> Patterns:
        return OraclePatterns()

    def made_id(self, cursor: Any) -> Any:
        (value,) = cursor.bindvars[_RETURNED].getvalue()
        return int(value)

    def negated(self, condition: Expression) -> Expression:
        # A condition is no value.
        one: Expression = sa.literal_column("1")
        return sa.case((condition, sa.literal_column("0")), else_=one) == one

    def number(self, value: float) -> Expression:
        return sa.literal_column(f"{value!r}d", oracle.BINARY_DOUBLE())


#: The parameter that SQLAlchemy has for what an insertion returns.
_RETURNED = "ret_0"


class OracleDriver(Driver):
    """oracledb's connections, which begin transactions by themselves where not in autocommit.

    :param isolation: of transactions that do not say theirs.
    """

    def __init__(self, isolation: str) -> None:
        self._isolation = isolation

    def execute(self, cursor: Any, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
        if not isinstance(values, Mapping):
            cursor.execute(sql, values)
            return
        sizes = {
            name: _SIZES[type(value)] for name, value in values.items() if type(value) in _SIZES
        }
        if sizes:
            cursor.setinputsizes(**sizes)
        if _RETURNED in values:
            values = {**values, _RETURNED: cursor.var(int)}
        cursor.execute(sql, values)

    def begin(self, transaction: Running, options: TransactionOptions) -> None:
        transaction.driver_connection.autocommit = False
        isolation = options.isolation or self._isolation
        # Oracle has two levels; the stronger one stands for what is between them.
        level = "READ COMMITTED" if isolation == "read committed" else "SERIALIZABLE"
        mode = "READ ONLY" if options.read_only else f"ISOLATION LEVEL {level}"
        transaction.run(f"SET TRANSACTION {mode}")

    def commit(self, transaction: Running) -> None:
        connection = transaction.driver_connection
        connection.commit()
        connection.autocommit = True

    def roll_back(self, connection: Any) -> None:
        connection.rollback()
        connection.autocommit = True

    def release(self, transaction: Running, name: str) -> None:
        """Nothing: savepoints go with the transaction."""

    def roll_back_to(self, transaction: Running, name: str) -> None:
        transaction.run(f"ROLLBACK TO SAVEPOINT {name}")

    def is_open(self, connection: Any) -> bool:
        return not connection.autocommit

    def is_disconnect(self, error: Exception, connection: Any) -> bool:
        return _code(error) in _LOST


#: The words that are reserved in Oracle and that SQLAlchemy does not know.
_WORDS = """
    access add audit column column_value file immediate increment initial maxextents mlslabel modify
    nested_table_id noaudit offline online row rowid rownum rows session successful sysdate user
    validate whenever
"""
_RESERVED = frozenset(_WORDS.split())
_PORT = 1521
#: How far an id that is given may be beyond the next one that would be made, so that those that
#: are made go on after it.
_MOST_SKIPPED = 1_000_000
#: What oracledb would otherwise make numbers, which have fewer values, or days.
_SIZES = {float: oracledb.DB_TYPE_BINARY_DOUBLE, dt.datetime: oracledb.DB_TYPE_TIMESTAMP}


class OracleConnector(ServerConnector):
    """Records in an Oracle database; ``database`` is the name of the service."""

    name = "oracle"
    driver_name = "oracle+oracledb"
    #: A name of the driver's own file, ``tnsnames.ora``, has all.
    needs_database = False
    migration = OracleMigration

    def make_dialect(self) -> Dialect:
        return OracleDialect()

    def make_driver(self) -> Driver:
        return OracleDriver(self.isolation)

    def make_session(self) -> Session:
        session = super().make_session()
        preparer = session.engine.dialect.identifier_preparer
        preparer.reserved_words = preparer.reserved_words | _RESERVED
        return session

    def engine_options(self) -> dict[str, Any]:
        return {"isolation_level": "AUTOCOMMIT"}

    def url(self) -> sa.URL:
        url = super().url()
        service = self.settings.get("database")
        if service is None:
            return url
        return url.set(database="").update_query_dict({"service_name": str(service)})

    def connect_arguments(self) -> dict[str, Any]:
        timeout = self.seconds("connect_timeout", 10)
        tls = self.tls()
        if tls is None:
            return {"tcp_connect_timeout": timeout}
        if tls.verify == "none":
            raise DefinitionError("oracle always verifies the server: ssl.verify is full or ca")
        url = self.url()
        service = url.query.get("service_name")
        if not (service or url.database):
            raise DefinitionError("ssl of oracle needs a host and a database")
        by_name = tls.verify == "full"
        # In a dsn, which SQLAlchemy makes without it, the protocol would be that of no encryption.
        place = oracledb.ConnectParams(
            host=url.host,
            port=url.port or _PORT,
            service_name=service,
            sid=url.database,
            protocol="tcps",
            tcp_connect_timeout=timeout,
            ssl_server_dn_match=by_name,
        )
        return {
            "dsn": place.get_connect_string(),
            "ssl_context": tls.context(),
            "ssl_server_dn_match": by_name,  # what is false is not said in a dsn
        }

    def prepare(self) -> Callable[[Any], None]:
        limit = self.seconds("statement_timeout")

        def prepare(connection: Any) -> None:
            if limit is not None:
                connection.call_timeout = max(1, round(limit * 1000))
            with connection.cursor() as cursor:
                cursor.execute(
                    "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY TIME_ZONE = '+00:00'"
                )

        return prepare

    def translator(self) -> Callable[[Exception], Exception]:
        return translate

    def _given_id(self, statements: Any, id: Any) -> None:
        table, dialect = statements.table, self.session.engine.dialect
        column = statements.model_table.columns[statements.ids[0]][0]
        found = self.session.fetch(
            "SELECT c.sequence_name, s.last_number - s.cache_size FROM user_tab_identity_cols c "
            "JOIN user_sequences s ON s.sequence_name = c.sequence_name "
            "WHERE c.table_name = :table_name AND c.column_name = :column_name",
            {
                "table_name": dialect.denormalize_name(table.name),
                "column_name": dialect.denormalize_name(column.name),
            },
        )
        if found:
            ((sequence, reached),) = found
            # To set it takes a statement that would end the transaction.
            if reached <= id < reached + _MOST_SKIPPED:
                self.session.run(
                    "DECLARE made NUMBER := 0; BEGIN WHILE made < :given LOOP "
                    f'made := "{sequence}".NEXTVAL; END LOOP; END;',
                    {"given": id},
                )


# Errors


def translate(error: Exception) -> Exception:
    """An error of oracledb as one of ours, or as it is."""
    if not isinstance(error, oracledb.Error):
        return error
    code, text = _code(error), str(error)
    if code in _REFUSALS:
        return _refused(_REFUSALS[code], text)
    if code in _CONFLICTS:
        return TransactionConflict()
    if code in _BUSY:
        return Unavailable("The data source is busy.", retry_after=1)
    if code in _TOO_LONG:
        return Unavailable("The data source took too long.")
    if code in _MISSING:
        return RuntimeError(f"{text}; call auto_update() on the data source, or migrate")
    if code in _LOST or code in _FAULTS:
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
    return error


_REFUSALS = {
    "ORA-00001": "unique",
    "ORA-01400": "null",
    "ORA-01407": "null",
    "ORA-02290": "other",
    "ORA-02291": "foreign_key",
    "ORA-02292": "foreign_key",
}
_CONFLICTS = ("ORA-00060", "ORA-08177")
_BUSY = ("ORA-00054", "ORA-30006")
_TOO_LONG = ("ORA-01013", "DPY-4024")
_MISSING = ("ORA-00942", "ORA-00904")
_LOST = (
    *("ORA-00028", "ORA-01012", "ORA-02396", "ORA-03113", "ORA-03114", "ORA-03135", "ORA-12537"),
    *("ORA-12547", "ORA-01089", "ORA-01092", "DPY-1001", "DPY-4011"),
)
_FAULTS = (
    *("ORA-01017", "ORA-01033", "ORA-01034", "ORA-12154", "ORA-12170", "ORA-12505", "ORA-12514"),
    *("ORA-12518", "ORA-12519", "ORA-12520", "ORA-12541", "ORA-12543", "ORA-16000", "ORA-28000"),
    *("ORA-00018", "ORA-00020", "ORA-01536", "ORA-01652", "ORA-01653", "ORA-01654", "ORA-01688"),
    *("DPY-3001", "DPY-6000", "DPY-6001", "DPY-6003", "DPY-6005"),
)
_CODE = re.compile(r"(?:ORA-\d{5}|DPY-\d{4})")
_CONSTRAINT = re.compile(r"constraint \([^.)]*\.([^)]+)\)")
_COLUMN = re.compile(r'\("[^"]+"\."([^"]+)"\."([^"]+)"\)')


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[0] if found else ""


def _refused(kind: str, text: str) -> Refused:
    if kind == "null":
        found = _COLUMN.search(text)
        return Refused(kind, f"{found[1]}.{found[2]}".lower() if found else "")
    found = _CONSTRAINT.search(text)
    name = found[1] if found else ""
    # Names that were not quoted are in capitals there.
    return Refused(kind, constraint=name.lower() if name.upper() == name else name)
