"""Sessions: who the holder of a token is, what is remembered of that, and how sessions end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from time import monotonic, time
from typing import Any

import orjson
from flask import current_app

from ..connectors.base import Record
from ..errors import LoopError, Unauthorized
from ..hooks import Observers
from ..operations import Observation, outbox
from ..query import Compare
from ..remoting import id_text
from ..remoting.callers import DEFAULT_SCOPES, Caller
from ..state import Settings
from .apps import PerApp, current_state
from .shared import Moment, SharedStore, shared_stores
from .tokens import MAX_TOKEN, digest_of

#: The ttl of a session that never ends.
ETERNAL = -1
#: The most sessions that a process remembers of one model.
_MOST = 10_000
#: The most users whose sessions one statement ends.
_AT_ONCE = 500
_PAGE = 1000


# Who calls


def caller_of(user_model: Any, token: str) -> Caller | None:
    """Who holds a token.

    :param user_model: the model of the users whose token it may be.
    :param token: as the client gave it.
    :returns: None where no user of the model has such a token.
    :raises Unauthorized: where the session has expired, which ends it.
    """
    session_model = user_model.session
    if session_model.data_source is None or not 0 < len(token) <= MAX_TOKEN:
        return None
    digest = digest_of(token)
    cache = _cache_of(user_model, session_model)
    known = None if cache is None else cache.get(digest)
    if known is None:
        generation: Any = 0 if cache is None else cache.generation
        known = _look_up(user_model, digest)
        if known is None:
            return None
        # What is read in a transaction may never be kept, or be gone for everybody else.
        if cache is not None and not outbox.is_open():
            cache.put(digest, known, generation)
    if known.is_over():
        _end(session_model, digest)
        raise Unauthorized("The session has expired.", error_code="INVALID_TOKEN")
    return known.caller


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a session.

    :ivar expires: when it ends; None of one that does not.
    """

    caller: Caller
    expires: datetime | None

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def _look_up(user_model: Any, digest: str) -> Known | None:
    """What the data sources know of a session and its user."""
    plan = user_model.session.__loop_plan__()
    with newest(user_model.session):
        rows = plan.get(digest)
    if not rows:
        return None
    session = rows.records()[0]
    id = user_id_of(user_model, session["user_id"])
    user = None if id is None else load_user(user_model, id)
    if user is None or not user.is_active:
        return None
    scopes = tuple(session.get("scopes") or DEFAULT_SCOPES)
    return Known(_caller(user_model, id, scopes, digest), expiry_of(user_model, session))


def _caller(user_model: Any, id: Any, scopes: tuple[str, ...], digest: str) -> Caller:
    """The user who holds the token with a digest."""
    return Caller(
        model=user_model,
        id=id,
        scopes=scopes,
        token=digest,
        load_user=partial(load_user, user_model, id),
    )


def load_user(user_model: Any, id: Any) -> Any:
    """The user with an id, or None where there is none."""
    with newest(user_model):
        rows = user_model.__loop_plan__().get(id)
    return user_model.from_record(rows.records()[0]) if rows else None


def newest(model: Any) -> AbstractContextManager[None]:
    """A block that reads what was just written, where replicas may not have it yet."""
    source = model.data_source
    has_replicas = source.connector.capabilities.replicas
    block: AbstractContextManager[None] = source.primary() if has_replicas else nullcontext()
    return block


def expiry_of(user_model: Any, session: Mapping[str, Any]) -> datetime | None:
    """When a session ends; None where it never does.

    One that would never end has ended where the model of its user does not allow that.
    """
    ttl, created = session["ttl"], session["created"]
    if ttl == ETERNAL and user_model.definition.settings.allow_eternal_tokens:
        return None
    if ttl is None or created is None or ttl < 0:
        return datetime.min.replace(tzinfo=UTC)
    try:
        return created + timedelta(seconds=ttl)  # type: ignore[no-any-return]
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def key_of(user_model: Any, id: Any) -> Any:
    """What sessions hold of the id of a user: the id, or its text where it is several properties.

    :param id: as records hold it.
    """
    is_one = len(user_model.definition.ids) == 1
    return id if is_one else id_text(user_model, id)


def user_id_of(user_model: Any, key: Any) -> Any:
    """The id of a user, from what sessions hold of it; None where it can be nobody's."""
    plan = user_model.__loop_plan__()
    try:
        return plan.load_id(key) if len(plan.definition.ids) == 1 else plan.read_id(key)
    except LoopError:
        return None


def _end(session_model: Any, digest: str) -> None:
    """Delete a session that is over; it stays where that does not succeed, and stays over."""
    try:
        session_model.__loop_plan__().delete_by_id(digest)
    except LoopError:
        forget(session_model, digest)


# How sessions end


def end_sessions(user_model: Any, ids: Sequence[Any], *, keep: str | None = None) -> int:
    """End the sessions of users.

    :param user_model: the model of the users.
    :param ids: their ids, as records hold them.
    :param keep: the digest of a token whose session goes on.
    :returns: how many have ended.
    """
    session_model = user_model.session
    if session_model.data_source is None:
        return 0
    plan = session_model.__loop_plan__()
    keys = [key_of(user_model, id) for id in ids]
    count = 0
    for start in range(0, len(keys), _AT_ONCE):
        where: dict[str, Any] = {"user_id": {"inq": keys[start : start + _AT_ONCE]}}
        if keep is not None:
            where["id"] = {"neq": keep}
        count += plan.delete(plan.parser.where(where))
    return count


def end_expired(user_model: Any) -> int:
    """Delete the sessions of a model of users that are over.

    :param user_model: the model.
    :returns: how many they were.
    """
    plan = user_model.session.__loop_plan__()
    now = datetime.now(UTC)
    count = 0
    for page in _pages(plan, ["id", "ttl", "created"]):
        expiries = ((each["id"], expiry_of(user_model, each)) for each in page)
        over = [id for id, expires in expiries if expires is not None and expires <= now]
        if over:
            count += plan.delete(plan.parser.where({"id": {"inq": over}}))
    return count


def _pages(plan: Any, fields: Sequence[str]) -> Iterator[list[Record]]:
    """The records of a model in the order of their ids, some at a time."""
    after: Any = None
    while True:
        where = {} if after is None else {"id": {"gt": after}}
        wanted = {"where": where, "order": "id", "limit": _PAGE, "fields": list(fields)}
        page = plan.find(plan.parser.filter(wanted)).records()
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1]["id"]


# What a process remembers


class SessionCache:
    """The sessions of one model that an app has looked up, for a short time.

    :param life: for how many seconds each is remembered.

    :ivar generation: how often something was forgotten, so that what was read before is not put in
        afterwards.
    """

    def __init__(self, life: float) -> None:
        self.generation = 0
        self._life = life
        self._known: dict[str, tuple[float, Known]] = {}
        self._lock = Lock()

    def get(self, digest: str) -> Known | None:
        """What is remembered of a session."""
        found = self._known.get(digest)
        if found is None or found[0] <= monotonic():
            return None
        return found[1]

    def put(self, digest: str, known: Known, generation: int) -> None:
        """Remember a session.

        :param generation: what it was when the session was looked up.
        """
        with self._lock:
            if generation != self.generation:  # it may have ended meanwhile
                return
            self._known.pop(digest, None)
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[digest] = monotonic() + self._life, known

    def forget(self, digest: str | None) -> None:
        """Forget a session, or all of them where None."""
        with self._lock:
            self.generation += 1
            if digest is None:
                self._known.clear()
            else:
                self._known.pop(digest, None)


class SharedSessions:
    """The sessions of one model that the processes of an app have looked up, for a short time.

    :param store: where they are remembered.
    :param user_model: the model of the users whose sessions they are.
    """

    def __init__(self, store: SharedStore, user_model: Any) -> None:
        self._store = store
        self._users = user_model
        #: What was read last of sessions, so that it is not read again where it is the same.
        self._read: dict[str, tuple[bytes, _Remembered]] = {}

    @property
    def generation(self) -> Moment | None:
        """Since when what is looked up now may be remembered."""
        return self._store.moment()

    def get(self, digest: str) -> Known | None:
        """What is remembered of a session."""
        moment, stored = self._store.session(digest)
        if moment is None or stored is None:
            return None
        stamp, brace, content = stored.partition(b"{")
        if stamp != moment.sessions:
            return None
        read = self._read.get(digest)
        if read is None or read[0] != stored:
            found = self._remembered(digest, orjson.loads(brace + content))
            if found is None:
                return None
            if len(self._read) >= _MOST:
                self._read.clear()
            read = self._read[digest] = stored, found
        # Whoever may write into the server could put back what was there long ago.
        return read[1].known if time() < read[1].until else None

    def put(self, digest: str, known: Known, generation: Moment | None) -> None:
        """Remember a session.

        :param generation: what it was when the session was looked up.
        """
        if generation is not None:
            content = orjson.dumps(
                {
                    "app": current_app.name,
                    "until": time() + self._store.life,
                    "model": self._users.definition.name,
                    "user": id_text(self._users, known.caller.id),
                    "scopes": known.caller.scopes,
                    "expires": None if known.expires is None else known.expires.isoformat(),
                }
            )
            self._store.keep(digest, generation.sessions + content, generation)

    def _remembered(self, digest: str, content: Mapping[str, Any]) -> _Remembered | None:
        """What is known of a session; None of one whose user is of another app or model."""
        own = (current_app.name, self._users.definition.name)
        if (content["app"], content["model"]) != own:
            return None
        try:
            id = self._users.__loop_plan__().read_id(content["user"])
        except LoopError:
            return None
        expires = content["expires"]
        known = Known(
            _caller(self._users, id, tuple(content["scopes"]), digest),
            None if expires is None else datetime.fromisoformat(expires),
        )
        return _Remembered(known, content["until"])


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What the processes of an app remember of a session.

    :ivar until: when they forget it, in seconds since 1970.
    """

    known: Known
    until: float


_AnyCache = SessionCache | SharedSessions


class _Caches:
    """What an app remembers of the sessions of all its models."""

    def __init__(self, settings: Settings) -> None:
        self._life = settings.session_cache
        self._by_model: dict[Any, _AnyCache] = {}

    def of(self, users: Any, session_model: Any, store: SharedStore | None) -> _AnyCache | None:
        if not self._life:
            return None
        found = self._by_model.get(session_model)
        if found is None:
            made = SessionCache(self._life) if store is None else SharedSessions(store, users)
            found = self._by_model.setdefault(session_model, made)
        return found

    def forget(self, session_model: Any, digest: str | None) -> None:
        found = self._by_model.get(session_model)
        if isinstance(found, SessionCache):
            found.forget(digest)


_caches = PerApp("sessions", _Caches)


def _cache_of(user_model: Any, session_model: Any) -> _AnyCache | None:
    state = current_state()
    if state is None:
        return None
    return _caches.of(state).of(user_model, session_model, state.shared)


def forget(session_model: Any, digest: str | None) -> None:
    """Let every app of this process forget a session, or all of a model where None.

    Where an app's processes remember sessions together, all of them forget it.

    :param digest: that of its token.
    """
    for each in _caches.all():
        each.forget(session_model, digest)
    for store in shared_stores():
        if digest is None:
            store.forget_sessions()
        else:
            store.forget_session(digest)


def forget_all(user_model: Any) -> None:
    """Let every app of this process look up all sessions of a model of users again."""
    again = partial(forget, user_model.session, None)
    again()
    outbox.after_commit(again)


def observers() -> Observers:
    """What observes every model of sessions."""
    made = Observers()
    made.add("after save", _forget_changed)
    made.add("after delete", _forget_deleted)
    return made


def _forget_changed(ctx: Observation) -> None:
    if not ctx.is_new:
        _forget_now_and_then(ctx.model, None if ctx.instance is None else ctx.instance.to_record())


def _forget_deleted(ctx: Observation) -> None:
    where = ctx.where
    is_one = isinstance(where, Compare) and where.operator == "eq"
    by_id = is_one and where.path.property.name == "id"  # type: ignore[union-attr]
    _forget_now_and_then(ctx.model, {"id": where.operand} if by_id else None)  # type: ignore[union-attr]


def _forget_now_and_then(session_model: Any, record: Mapping[str, Any] | None) -> None:
    """Forget a session at once, and again when nobody can read it any more as it was."""
    forget_it = partial(forget, session_model, None if record is None else record["id"])
    forget_it()
    outbox.current(session_model.__loop_plan__().connector).add(forget_it)


# What observers of users ask


def ids_of(model: Any, where: Any) -> list[Any]:
    """The ids of the records that match a where, whoever observes the model."""
    found: list[Any] = model.__loop_plan__().ids(where)
    return found


def gone(model: Any, ids: Iterable[Any]) -> list[Any]:
    """Those of some ids that no record has now."""
    plan, listed = model.__loop_plan__(), list(ids)
    there: set[Any] = set()
    for start in range(0, len(listed), _AT_ONCE):
        some = listed[start : start + _AT_ONCE]
        stored = plan.connector.get_many(plan.definition, some).records()
        there.update(plan.definition.id_of(record) for record in stored)
    return [id for id in listed if id not in there]
