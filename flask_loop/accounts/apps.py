"""What accounts need of the app in whose context they are used."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

from flask import current_app, has_app_context

from ..state import Settings, State

T = TypeVar("T")

_EXTENSION = "loop"


def current_state() -> State | None:
    """Flask-Loop's part of the app in whose context the caller is; None where there is none."""
    try:
        return cast("State | None", current_app.extensions.get(_EXTENSION))
    except RuntimeError:
        return None


def current_settings() -> Settings:
    """The settings of the app in whose context the caller is; outside of one, the defaults."""
    state = current_state()
    return _DEFAULTS if state is None else state.settings


_DEFAULTS = Settings()


class PerApp(Generic[T]):
    """Something that each app has its own of, made when it is first used.

    :param name: what it is called among what the app has.
    :param make: makes it of the app's settings.
    """

    def __init__(self, name: str, make: Callable[[Settings], T]) -> None:
        self._key = f"accounts.{name}"
        self._make = make
        self._made: WeakSet[Any] = WeakSet()
        self._lock = Lock()

    def of(self, state: State) -> T:
        """What an app has."""
        found: T | None = state.__dict__.get(self._key)
        if found is None:
            made = self._make(state.settings)
            with self._lock:
                found = state.__dict__.setdefault(self._key, made)
                self._made.add(found)
        return found

    def all(self) -> list[T]:
        """What the apps of this process have."""
        with self._lock:
            return list(self._made)


def keyed_digest(*parts: str) -> str:
    """A digest that only the app can make, of its SECRET_KEY.

    :param parts: the texts that it is of.
    """
    return next(keyed_digests(*parts))


def keyed_digests(*parts: str) -> Iterator[str]:
    """The digests of one's SECRET_KEY, and of each of SECRET_KEY_FALLBACKS.

    :param parts: the texts that they are of.
    """
    message = "\0".join(parts).encode("utf-8", "surrogatepass")
    for key in _secret_keys():
        secret = key.encode() if isinstance(key, str) else bytes(key)
        yield hmac.new(secret, message, hashlib.sha256).hexdigest()


def _secret_keys() -> list[Any]:
    if not has_app_context():
        raise RuntimeError(
            "there is no app whose SECRET_KEY this takes: call it in a request, or inside "
            "`with app.app_context():`"
        )
    if not current_app.secret_key:
        raise RuntimeError(f"the app {current_app.name!r} has no SECRET_KEY, which logins need")
    return [current_app.secret_key, *(current_app.config.get("SECRET_KEY_FALLBACKS") or ())]
