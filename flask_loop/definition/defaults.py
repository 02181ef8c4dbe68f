"""The functions that ``default_fn`` may name."""

from __future__ import annotations

import datetime as dt
import secrets
import typing as t
import uuid
from collections.abc import Callable

_NANOID_ALPHABET = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _nanoid() -> str:
    return "".join(secrets.choice(_NANOID_ALPHABET) for _ in range(21))


def _uuid() -> str:
    return str(uuid.uuid4())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """The day that it is in UTC."""
    return _now().date()


#: The functions that ``default_fn`` may name.
DEFAULT_FUNCTIONS: dict[str, Callable[[], t.Any]] = {
    "guid": _uuid,
    "uuid": _uuid,
    "uuidv4": _uuid,
    "nanoid": _nanoid,
    "shortid": _nanoid,
    "now": _now,
}
