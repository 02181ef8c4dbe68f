"""What the processes of an app remember together, in a Redis server or a Redis Cluster.

That is sessions that one of them has looked up, and two stamps: random texts, of which the one
changes when all sessions are to be looked up again, and the other when a role or an entry of access
control has changed. What was remembered under another stamp is not believed.

A session that ends leaves a mark for longer than anybody may take to put in what was read before.
What is in the server outlives it, when it is started again, and may be old then; but scripts do
not, so that whoever finds none changes the stamps first. Where the server cannot be reached each
process asks the data sources; what ended meanwhile is told as soon as it can be.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any
from weakref import WeakSet

from flask import has_request_context, request

from ..errors import DefinitionError, LoopError
from ..state import Settings

__all__ = ["NO_KEY", "Moment", "SharedStore", "shared_stores", "store_of"]

#: What is said of an app without the key that the names and seals in the server are made of.
NO_KEY = (
    "LOOP_SESSION_STORAGE needs a SECRET_KEY, which the app has not: give it one, the same in all "
    "of its processes, or no LOOP_SESSION_STORAGE"
)

_log = logging.getLogger(__name__)
#: How many seconds the server may take, which a request waits for.
_PATIENCE = 1.0
#: For how many seconds a server is left alone that could not be reached.
_PAUSE = 1.0
#: For how many seconds what was read is good for the same request.
_GOOD_FOR = 1.0
#: How old what a session was looked up at may be when the session is put in, in seconds.
_MOST_AGE = 10.0
#: For how many milliseconds a session that ended is marked; longer than all that may be on the way.
_MARKED_FOR = 60_000
_MARK = b"-"
_RETRY_EVERY = 0.2
_SOCKETS = 100

#: Gives the stamps, made where there are none, and the session that is asked for.
_READ = """
local found = redis.call('MGET', unpack(KEYS))
for i = 1, 2 do
  if not found[i] then
    redis.call('SET', KEYS[i], ARGV[1])
    found[i] = ARGV[1]
  end
end
return found
"""
#: Puts a session in, unless it ended, or all are looked up again, since it was read.
_KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) == ARGV[4] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The stamps as they were when somebody looked.

    :ivar sessions: the stamp of sessions.
    :ivar access: that of access control.
    :ivar at: when, by the clock of the process.
    """

    sessions: bytes
    access: bytes
    at: float


class SharedStore:
    """What one app's processes remember together.

    :param url: the server's, or the cluster's.
    :param life: for how many seconds a session is remembered.
    :param find_secret: gives the app's SECRET_KEY, of which the keys in the server are made.
    :raises DefinitionError: naming the setting, where the URL is none or redis-py is not there.

    :ivar life: for how many seconds a session is remembered.
    """

    def __init__(self, url: str, life: float, find_secret: Callable[[], Any]) -> None:
        try:
            import redis

            from ..connectors.redis.client import RedisClient, read_settings
        except ImportError as error:
            raise DefinitionError(
                f"LOOP_SESSION_STORAGE needs a package that is not installed ({error}); "
                "pip install 'flask-loop[redis]'"
            ) from error
        given = {"url": url, "pool_size": _SOCKETS, "pool_timeout": _PATIENCE}
        timeouts = {"socket_timeout": _PATIENCE, "connect_timeout": _PATIENCE}
        try:
            self._client = RedisClient(read_settings("redis", {**given, **timeouts}))
        except DefinitionError as error:
            raise DefinitionError(f"LOOP_SESSION_STORAGE: {error}") from None
        self._errors = (LoopError, redis.RedisError, OSError)
        self._no_script: type[Exception] = redis.exceptions.NoScriptError
        self.life = life
        self._find_secret = find_secret
        self._names: _Names | None = None
        self._lock = Lock()
        self._asked_again = 0.0
        self._is_away = False
        #: How many changes the server was not told of when they were made, and how many it was
        #: told of since.
        self._owed = self._told = 0
        self._teller: Thread | None = None
        _stores.add(self)

    # What is remembered

    def moment(self) -> Moment | None:
        """The stamps as the running request has found them.

        :returns: None where the server cannot be reached.
        """
        names = self._own_names
        kept = request.environ.get(names.prefix) if has_request_context() else None
        if isinstance(kept, Moment) and monotonic() - kept.at < _GOOD_FOR:
            return kept
        return self._look()[0]

    def access_stamp(self) -> bytes | None:
        """The stamp of access control; None where the server cannot be reached."""
        moment = self.moment()
        return None if moment is None else moment.access

    def session(self, digest: str) -> tuple[Moment | None, bytes | None]:
        """What is remembered of a session, and the stamps of now.

        :param digest: that of its token.
        """
        moment, found = self._look(digest)
        return moment, None if found == _MARK or found is None else self._opened(digest, found)

    def keep(self, digest: str, content: bytes, moment: Moment | None) -> None:
        """Remember a session.

        :param content: what is remembered of it.
        :param moment: the stamps of before it was looked up.
        """
        if moment is None or monotonic() - moment.at > _MOST_AGE:
            return
        names = self._own_names
        keys = [names.sessions, names.of_session(digest)]
        sealed = self._seal(digest, content) + content
        values = [moment.sessions, sealed, max(1, int(self.life * 1000)), _MARK]
        self._ask(lambda server: server.evalsha(names.keep.sha, 2, *keys, *values))

    # What is forgotten

    def forget_session(self, digest: str) -> None:
        """Let nobody remember a session.

        :param digest: that of its token.
        """
        self._tell(
            lambda server, names: server.set(names.of_session(digest), _MARK, px=_MARKED_FOR)
        )

    def forget_sessions(self) -> None:
        """Let all sessions be looked up again."""
        self._tell(lambda server, names: server.set(names.sessions, _new_stamp()))

    def forget_access(self) -> None:
        """Let all roles and entries of access control be looked up again."""
        self._tell(lambda server, names: server.set(names.access, _new_stamp()))

    def close(self) -> None:
        """Let go of connections; the next use opens new ones."""
        self._client.close()

    # How the server is asked

    def _find_names(self) -> _Names | None:
        """What the app's things are called; None where it has no SECRET_KEY, and so nothing."""
        if self._names is None and (secret := self._find_secret()):
            self._names = _Names(secret.encode() if isinstance(secret, str) else bytes(secret))
        return self._names

    @property
    def _own_names(self) -> _Names:
        names = self._names or self._find_names()
        if names is None:
            raise RuntimeError(NO_KEY)
        return names

    def _look(self, *digests: str) -> tuple[Moment | None, bytes | None]:
        """The stamps of now, and what is stored of a session."""
        names = self._own_names
        keys = [names.sessions, names.access, *map(names.of_session, digests)]
        at = monotonic()
        found = self._ask(
            lambda server: server.evalsha(names.read.sha, len(keys), *keys, _new_stamp())
        )
        moment = None if found is None else Moment(found[0], found[1], at)
        if has_request_context():
            request.environ[names.prefix] = moment
        return moment, found[2] if found is not None and digests else None

    def _ask(self, call: Callable[[Any], Any]) -> Any:
        """What the server answers; None where it cannot be reached."""
        if monotonic() < self._asked_again:
            return None
        try:
            if self._told < self._owed:
                self._settle()
            answer = self._run(call)
        except self._errors as error:
            self._leave_alone(error)
            return None
        self._note_return()
        return answer

    def _run(self, call: Callable[[Any], Any]) -> Any:
        try:
            return self._client.run(call, is_safe=True)
        except self._no_script:
            self._begin()
            return self._client.run(call, is_safe=True)

    def _begin(self) -> None:
        """Have a server that was just started forget all it had, and know the scripts then."""
        self._change_stamps()
        names = self._own_names
        for script in (names.keep, names.read):
            self._client.load_script(script.text, names.sessions)

    def _change_stamps(self) -> None:
        names = self._own_names
        stamps = {names.sessions: _new_stamp(), names.access: _new_stamp()}
        self._client.run(lambda server: server.mset(stamps), is_safe=True)

    def _leave_alone(self, error: Exception) -> None:
        with self._lock:
            self._asked_again = monotonic() + _PAUSE
            if self._is_away:
                return
            self._is_away = True
        _log.warning(
            "the storage of sessions cannot be reached; each process looks them up by itself: %s",
            error.__cause__ or error,
        )

    def _note_return(self) -> None:
        if self._is_away:
            with self._lock:
                self._is_away = False
            _log.warning("the storage of sessions can be reached again")

    # What the server has to be told

    def _tell(self, call: Callable[[Any, _Names], Any]) -> None:
        """Tell the server of a change; as soon as it can be told, where that is not now."""
        names = self._find_names()
        if names is None:
            return
        if has_request_context():
            request.environ.pop(names.prefix, None)
        try:
            if monotonic() >= self._asked_again:
                self._client.run(lambda server: call(server, names), is_safe=True)
                return
        except self._errors as error:
            self._leave_alone(error)
        with self._lock:
            self._owed += 1
            if self._teller is None or not self._teller.is_alive():
                self._teller = Thread(target=self._tell_later, name="loop-sessions", daemon=True)
                self._teller.start()

    def _settle(self) -> None:
        """Let everything be looked up again, where the server was not told what changed."""
        owed = self._owed
        self._change_stamps()
        with self._lock:
            self._told = max(self._told, owed)

    def _tell_later(self) -> None:
        """Try again and again, until what others may remember by now is over by itself."""
        end = monotonic() + _MOST_AGE + self.life
        while self._told < self._owed and monotonic() < end:
            sleep(_RETRY_EVERY)
            with suppress(*self._errors):
                self._settle()

    # What keeps others from writing sessions

    def _seal(self, digest: str, content: bytes) -> bytes:
        message = digest.encode() + b"\0" + content
        return hmac.digest(self._own_names.seal, message, "sha256")

    def _opened(self, digest: str, stored: bytes) -> bytes | None:
        """What was remembered; None where it is not from a process of the app."""
        seal, content = stored[:32], stored[32:]
        return content if hmac.compare_digest(seal, self._seal(digest, content)) else None


class _Script:
    """A script that is one app's alone, so that it is there only where that app has loaded it."""

    def __init__(self, text: str, prefix: str) -> None:
        self.text = f"-- {prefix}{text}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class _Names:
    """What an app's things are called in the server: names that only the app can make.

    :param secret: the app's SECRET_KEY.
    """

    def __init__(self, secret: bytes) -> None:
        self.seal = hmac.digest(secret, b"flask-loop shared sessions", "sha256")
        # The braces keep all of it on one node of a cluster.
        self.prefix = f"flask-loop:{{{hmac.digest(self.seal, b'name', 'sha256').hex()[:24]}}}:"
        self.sessions, self.access = f"{self.prefix}sessions", f"{self.prefix}access"
        self.read, self.keep = _Script(_READ, self.prefix), _Script(_KEEP, self.prefix)

    def of_session(self, digest: str) -> str:
        return f"{self.prefix}session:{digest.rpartition(':')[2]}"


def _new_stamp() -> str:
    return secrets.token_hex(8)


_stores: WeakSet[SharedStore] = WeakSet()


def shared_stores() -> Iterator[SharedStore]:
    """Those of all apps of this process."""
    yield from list(_stores)


def store_of(settings: Settings, find_secret: Callable[[], Any]) -> SharedStore | None:
    """What an app's processes remember together, or None where each remembers by itself.

    :param settings: the app's.
    :param find_secret: gives its SECRET_KEY.
    :raises DefinitionError: naming the setting that means nothing.
    """
    if settings.session_storage is None or not settings.session_cache:
        return None
    return SharedStore(settings.session_storage, settings.session_cache, find_secret)
