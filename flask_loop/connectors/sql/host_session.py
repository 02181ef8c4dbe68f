"""HostSession: statements on the sessions of an app that uses SQLAlchemy itself.

What it reads sees what the app has flushed, and what it writes is a part of the app's transaction
where one is open. Otherwise each write, and each block, is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from threading import get_ident
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from ...errors import TransactionConflict, Unavailable
from ..base import ISOLATIONS, PLAIN, TransactionOptions
from .connections import Read, Translate, Values, raise_translated
from .driver import affected

#: Under this key a session notes the last transaction that has writes of ours.
_WRITTEN = "flask_loop_written"


class Host:
    """Where an app's sessions come from.

    :param given: a ``scoped_session``, or the extension of Flask-SQLAlchemy that has one; a
        ``Session``, a ``sessionmaker`` or an ``Engine``.
    :raises TypeError: where it is nothing of these.
    """

    def __init__(self, given: Any) -> None:
        scoped = getattr(given, "session", None)
        if isinstance(scoped, orm.scoped_session):  # Flask-SQLAlchemy's ``db``
            given = scoped
        known = (orm.scoped_session, orm.Session, orm.sessionmaker, sa.Engine)
        if not isinstance(given, known):
            raise TypeError(
                "a session is a scoped_session such as db.session, a Session, a sessionmaker or "
                f"an Engine, not {given!r}"
            )
        self.given = given
        self._maker = orm.sessionmaker(given) if isinstance(given, sa.Engine) else given

    def current(self) -> orm.Session | None:
        """The session that the app's own code uses here; None where each is made for its use."""
        if isinstance(self._maker, orm.scoped_session):
            made: orm.Session = self._maker()
            return made
        return self._maker if isinstance(self._maker, orm.Session) else None

    def make(self) -> orm.Session:
        """A session of our own, of an app that has no current one."""
        assert isinstance(self._maker, orm.sessionmaker)  # noqa: S101 - see current()
        return self._maker()

    def get_bind(self, place: Mapping[str, Any]) -> sa.Engine | sa.Connection:
        """What sessions are bound to for some tables, in this context.

        :param place: the arguments of the session's own ``get_bind``.
        :raises RuntimeError: outside of an app context, where it takes one to know, and where they
            are bound to nothing.
        """
        session = self.current()
        try:
            if session is not None:
                return session.get_bind(**place)
            with self.make() as made:
                return made.get_bind(**place)
        except sa.exc.UnboundExecutionError as error:
            raise RuntimeError(f"the session is bound to no engine: {error}") from error


@dataclass(eq=False)
class _Block:
    """A block of :meth:`HostSession.transaction` that is open.

    :ivar session: its session.
    :ivar guarded: whether its caller may go on after a statement that failed.
    :ivar read_only: whether nothing is written in it.
    :ivar deadline: when its time is over, on the monotonic clock, or None.
    :ivar thread: the thread that entered it.
    """

    session: orm.Session
    guarded: bool
    read_only: bool
    deadline: float | None
    thread: int

    def refuse_late(self) -> None:
        if self.deadline is not None and monotonic() >= self.deadline:
            raise Unavailable("The transaction took too long.")


class HostSession:
    """What :class:`~flask_loop.connectors.sql.session.Session` does, on an app's own sessions.

    :param host: where these come from.
    :param place: says which of the engines of a session it is; see :meth:`Host.get_bind`.
    :param translate: turns the driver's errors into ours.
    :param prepare: gives a driver's connection what statements of ours need.
    """

    def __init__(
        self,
        host: Host,
        place: Mapping[str, Any],
        translate: Translate,
        prepare: Callable[[Any], None] | None,
    ) -> None:
        self._host, self._place = host, dict(place)
        self._translate, self._prepare = translate, prepare
        self._block: ContextVar[_Block | None] = ContextVar("block", default=None)

    # Statements

    def fetch(self, sql: str, values: Values = ()) -> list[Any]:
        """Run a query and give its rows as tuples."""
        with self._translated(), self._reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, _given(values))]

    def run(self, sql: str, values: Values = (), read: Read = affected) -> Any:
        """Run a statement that writes.

        :param read: takes what is wanted from the driver's cursor; by default how many rows were
            written.
        """
        with self._translated(), self._writing() as connection:
            result = connection.exec_driver_sql(sql, _given(values))
            return result.rowcount if read is affected else read(result.context.cursor)

    def perform(self, sql: str, values: Values, read: Read) -> Any:
        """Run a statement of which nobody knows whether it writes."""
        return self.run(sql, values, read)

    def primary(self) -> AbstractContextManager[None]:
        """A block whose reads see what was written last, as they all do here."""
        return nullcontext()

    def execute(self, statement: sa.Executable, read: Callable[[Any], Any]) -> Any:
        """Run a statement that writes, as SQLAlchemy does, with the defaults of columns.

        :param read: takes what is wanted from SQLAlchemy's result.
        """
        with self._translated(), self._writing() as connection:
            return read(connection.execute(statement))

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open here, be it the app's own."""
        session = self._current()
        return session is not None and session.in_transaction()

    @contextmanager
    def transaction(
        self, options: TransactionOptions = PLAIN, around: tuple[str, str] | None = None
    ) -> Iterator[None]:
        """A transaction, or inside another, which may be the app's, a savepoint.

        :param options: what is asked of it.
        :param around: nothing: the schema is the app's.
        """
        session = self._current()
        if session is None or not session.in_transaction():
            with self._own_transaction(session, options):
                yield
            return
        of_caller: list[BaseException] = []
        with self._translated(of_caller):
            connection = self._connection(session)
            _refuse_stricter(connection, options.isolation)
            if not options.read_only:
                self._join(session)
            with session.begin_nested(), self._in_block(session, options), _noting(of_caller):
                yield

    @contextmanager
    def call(self) -> Iterator[None]:
        """A block around a call of a remote caller: where it wrote, all is kept when it ends.

        A transaction that the app has begun by ``session.begin()`` is left to the app, and a block
        around it to itself.
        """
        session = self._host.current()
        if session is None or _is_explicit(session) or self._own_block() is not None:
            yield
            return
        before = session.info.get(_WRITTEN)
        try:
            yield
        except BaseException:
            if session.info.get(_WRITTEN) is not before or not session.is_active:
                session.rollback()
            raise
        if session.info.get(_WRITTEN) is not before and session.in_transaction():
            with self._translated():
                _commit(session)

    @contextmanager
    def _own_transaction(
        self, session: orm.Session | None, options: TransactionOptions
    ) -> Iterator[None]:
        """A transaction that begins and ends here."""
        made = self._host.make() if session is None else None
        used = session or made
        assert used is not None  # noqa: S101 - one of both is there
        bind = self._host.get_bind(self._place) if made is None else None
        if isinstance(bind, sa.Connection) and bind.in_transaction():
            _begin_on_sqlite(bind)
        of_caller: list[BaseException] = []
        try:
            with self._translated(of_caller), used.begin(), self._in_block(used, options):
                connection = self._connection(used, self._execution_options(options))
                if not options.read_only:
                    _begin_on_sqlite(connection)
                with _noting(of_caller):
                    yield
        except TransactionConflict as error:
            error.is_over = True
            raise
        finally:
            if made is not None:
                made.close()

    @contextmanager
    def _in_block(self, session: orm.Session, options: TransactionOptions) -> Iterator[None]:
        outer = self._own_block()
        block = _Block(
            session,
            options.guarded,
            options.read_only or (outer is not None and outer.read_only),
            _sooner(options.timeout, None if outer is None else outer.deadline),
            get_ident(),
        )
        self._block.set(block)
        try:
            yield
            block.refuse_late()
        finally:
            self._block.set(outer)

    # The schema

    @contextmanager
    def inspection(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection for looking at the schema."""
        with self._translated(), self._reading() as connection:
            yield connection

    @contextmanager
    def apart(self) -> Iterator[sa.Connection]:
        """A SQLAlchemy connection for looking at the schema, whatever failed in a transaction."""
        engine = self.engine
        if engine.dialect.name == "sqlite":  # whose connection all may share
            with self.inspection() as connection:
                yield connection
            return
        with self._translated(), engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Nothing is ours to close."""

    @property
    def engine(self) -> sa.Engine:
        """The app's engine."""
        return self._host.get_bind(self._place).engine

    @property
    def in_use(self) -> int:
        """How many connections of the app's engine are in use now."""
        return int(self.engine.pool.checkedout())  # type: ignore[attr-defined]

    # How

    def _current(self) -> orm.Session | None:
        session = self._host.current()
        if session is not None:
            return session
        block = self._own_block()
        return None if block is None else block.session

    def _own_block(self) -> _Block | None:
        """The innermost block that is open here; a copied context may be run by another thread."""
        block = self._block.get()
        return block if block is not None and block.thread == get_ident() else None

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection that reads: the session's where it is in a transaction.

        Otherwise the session is left alone, so that reading begins no transaction there.
        """
        session = self._current()
        if session is not None and session.in_transaction():
            yield self._connection(session)
            return
        bind = self._host.get_bind(self._place)
        if isinstance(bind, sa.Connection):  # a session that an outer transaction was made for
            was_open = bind.in_transaction()
            try:
                yield self._prepared(bind)
            finally:
                if not was_open:
                    bind.rollback()
            return
        with bind.connect() as connection:
            yield self._prepared(connection)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A connection that writes, in the transaction that is open or in one of its own."""
        session = self._current()
        if session is None or not session.in_transaction():
            with self._own_transaction(session, PLAIN), self._translated():
                current = self._current()
                assert current is not None  # noqa: S101 - it is in a transaction
                yield self._join(current)
                _expire(current)
            return
        connection = self._join(session)
        with connection.begin_nested() if self._is_guarded() else nullcontext():
            yield connection
        _expire(session)

    def _is_guarded(self) -> bool:
        """Whether a statement that fails must leave the transaction as it was."""
        block = self._own_block()
        return block is None or block.guarded

    def _join(self, session: orm.Session) -> sa.Connection:
        """The connection of a session in a transaction that will have writes of ours.

        :raises RuntimeError: where it only reads.
        """
        block = self._own_block()
        if block is not None and block.read_only:
            raise RuntimeError("nothing is written in a transaction that is read_only")
        connection = self._connection(session)
        _begin_on_sqlite(connection)
        session.info[_WRITTEN] = session.get_transaction()
        return connection

    def _connection(
        self, session: orm.Session, execution_options: Mapping[str, Any] | None = None
    ) -> sa.Connection:
        """The connection of a session in a transaction, which has what the session holds."""
        block = self._own_block()
        if block is not None:
            block.refuse_late()
        if session.autoflush:
            _flush(session)
        return self._prepared(
            session.connection(
                bind_arguments=self._place, execution_options=execution_options or {}
            )
        )

    def _execution_options(self, options: TransactionOptions) -> dict[str, Any]:
        """What a transaction's connection is asked for; those of SQLite are serializable always."""
        if options.isolation is None or self.engine.dialect.name == "sqlite":
            return {}
        return {"isolation_level": options.isolation.upper()}

    def _prepared(self, connection: sa.Connection) -> sa.Connection:
        if self._prepare is not None and "flask_loop" not in connection.info:
            self._prepare(connection.connection.dbapi_connection)
            connection.info["flask_loop"] = True
        return connection

    @contextmanager
    def _translated(self, of_caller: Sequence[BaseException] = ()) -> Iterator[None]:
        """A block whose errors are ours.

        :param of_caller: those that are raised as they are.
        """
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            if error in of_caller or _OF_APP in getattr(error, "__notes__", ()):
                raise
            raise_translated(error, self._translated_error)

    def _translated_error(self, error: Exception) -> Exception:
        if isinstance(error, sa.exc.TimeoutError):
            return Unavailable("The data source has no connection free.", retry_after=1)
        if not isinstance(error, sa.exc.DBAPIError) or not isinstance(error.orig, Exception):
            return error
        return self._translate(error.orig)


@contextmanager
def _noting(errors: list[BaseException]) -> Iterator[None]:
    """Take note of what a block raises."""
    try:
        yield
    except BaseException as error:
        errors.append(error)
        raise


def _given(values: Values) -> Any:
    return values if isinstance(values, Mapping) else tuple(values)


def _refuse_stricter(connection: sa.Connection, isolation: str | None) -> None:
    """Refuse a part of a transaction that would be kept farther from others than all of it.

    :raises RuntimeError: saying how far that is.
    """
    if isolation is None:
        return
    around = connection.get_isolation_level().lower().replace("_", " ")
    if around not in ISOLATIONS or ISOLATIONS.index(isolation) < ISOLATIONS.index(around):
        raise RuntimeError(
            f"the transaction is {around}, and so is what is inside it: ask the outermost to be "
            f"{isolation}"
        )


def _sooner(timeout: float | None, deadline: float | None) -> float | None:
    """When a time is over that begins now, or another one that ends before it."""
    ends = [*([] if timeout is None else [monotonic() + timeout]), *filter(None, [deadline])]
    return min(ends, default=None)


def _begin_on_sqlite(connection: sa.Connection) -> None:
    """Begin what SQLAlchemy takes for begun.

    The sqlite3 module begins a transaction at the first write alone. A savepoint before it would be
    the transaction, and its release the end of it. As there will be a write, others wait for it.
    """
    if connection.dialect.name != "sqlite":
        return
    driver = connection.connection.dbapi_connection
    if not getattr(driver, "in_transaction", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_explicit(session: orm.Session) -> bool:
    """Whether a session is in a transaction that the app began by ``session.begin()``."""
    transaction = session.get_transaction()
    return (
        transaction is not None and transaction.origin is not orm.SessionTransactionOrigin.AUTOBEGIN
    )


def _flush(session: orm.Session) -> None:
    """Write what waits in a session, whose errors are the app's own."""
    try:
        session.flush()
    except sa.exc.SQLAlchemyError as error:
        error.add_note(_OF_APP)
        raise


#: What errors of the app's objects say, which are not ours to translate.
_OF_APP = (
    "It is about the app's own objects, which were flushed before Flask-Loop used the session."
)


def _commit(session: orm.Session) -> None:
    try:
        _flush(session)
        session.commit()
    except BaseException:
        session.rollback()
        raise


def _expire(session: orm.Session) -> None:
    """Let the objects that a session holds be loaded again; changes that wait there are kept."""
    if not session.dirty:
        session.expire_all()
        return
    for each in list(session.identity_map.values()):
        if not session.is_modified(each):
            session.expire(each)
