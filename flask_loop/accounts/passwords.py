"""Passwords: how they are hashed and verified, and what digests of them are bound to.

Passwords are hashed by Argon2id. Hashes of bcrypt, as LoopBack stores them, are verified where the
``bcrypt`` library is installed, and replaced at the next login.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..definition import ModelDefinition, nearest
from ..errors import DefinitionError
from ..schema import Message
from ..types import PropertyType, String
from ..validation import Rule
from .apps import current_settings, keyed_digest, keyed_digests

#: The most bytes of a password.
MAX_BYTES = 4096
#: The most bytes that bcrypt looks at.
_BCRYPT_BYTES = 72
#: The most users that a remote caller gives at once, as each password takes long to hash.
MOST_NEW = 20
#: What the settings may say of Argon2.
_PARAMETERS = ("time_cost", "memory_cost", "parallelism", "hash_len", "salt_len")
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_STAMP = 32


# What a text in the place of a password is


class GivenPassword(str):
    """A password that somebody gave, which is hashed before it is stored.

    :ivar hash: its hash, where that is made already.
    """

    __slots__ = ("hash",)
    hash: PasswordHash

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class PasswordHash(str):
    """A hash that is stored as it is, for those who bring users from elsewhere.

    ::

        User.create(email="ann@example.com", password=PasswordHash("$2b$10$…"))
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class HeldHash(PasswordHash):
    """The hash that a record had when it was read; to save the record leaves its hash alone."""

    __slots__ = ()


class PasswordText(String):
    """The type of passwords: text that was given is known from the hash of it."""

    @property
    def stored_as(self) -> type[PropertyType]:
        return String

    def load(self, value: Any, *, text: bool = True) -> str:
        if isinstance(value, PasswordHash):
            return value
        loaded = super().load(value, text=text)
        return value if isinstance(value, GivenPassword) else GivenPassword(loaded)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "password"}


class PasswordBounds(Rule):
    """A password has something in it, and not more than can be hashed in good time."""

    code = "password"
    messages = {  # noqa: RUF012 - as in every rule
        "INVALID_PASSWORD": "can't be blank",
        "PASSWORD_TOO_LONG": f"is longer than {MAX_BYTES} bytes",
    }

    def make_message(self, kind: str) -> Message:
        return Message(super().make_message(kind), kind)

    def broken(self, value: Any) -> str | None:
        if not value.strip():
            return "INVALID_PASSWORD"
        return "PASSWORD_TOO_LONG" if is_too_long(value) else None

    def broken_by_blank(self, value: Any) -> str | None:
        return None if value is None else "INVALID_PASSWORD"


def is_too_long(password: str) -> bool:
    """Whether a password has more bytes than any may have."""
    return len(password) > MAX_BYTES or len(_plain_bytes(password)) > MAX_BYTES


# Hashing


class Hasher:
    """Hashes passwords with one set of parameters, and verifies them.

    :param parameters: those of Argon2: ``time_cost``, ``memory_cost`` in KiB, ``parallelism``.
    :raises DefinitionError: where Argon2 does not take them.
    """

    def __init__(self, **parameters: int) -> None:
        from argon2 import PasswordHasher, Type

        try:
            self._argon2 = PasswordHasher(type=Type.ID, **parameters)  # type: ignore[arg-type]
            # To verify it takes as long as to verify anybody's password.
            self._nobodys = self._argon2.hash("nobody")
        except (TypeError, ValueError, _hashing_error()) as error:
            raise DefinitionError(f"LOOP_PASSWORD_HASHING: {error}") from None

    def hash(self, password: str) -> PasswordHash:
        """The hash of a password.

        :param password: as it was given.
        """
        return PasswordHash(self._argon2.hash(_normal_bytes(password)))

    def verify(self, stored: str | None, password: Any) -> bool:
        """Whether a password is the one of a stored hash.

        It takes as long where there is no hash, so that nobody learns that from the time.

        :param stored: the hash; None of somebody who has none, or of nobody.
        :param password: as it was given, which may be of any type.
        """
        given = password if isinstance(password, str) and not is_too_long(password) else None
        if stored is None or given is None:
            self._matches(self._nobodys, given or "")
            return False
        if stored.startswith(_BCRYPT):
            return _bcrypt_matches(stored, given)
        return self._matches(stored, given)

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash was made in another way than they are made now."""
        from argon2.exceptions import InvalidHash

        try:
            return self._argon2.check_needs_rehash(stored)
        except InvalidHash:
            return True

    def _matches(self, stored: str, password: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHash

        try:
            return self._argon2.verify(stored, _normal_bytes(password))
        except (Argon2Error, InvalidHash):
            return False


def check_settings(parameters: Mapping[str, Any]) -> None:
    """Check an app's parameters of Argon2, as far as that takes no hash.

    :raises DefinitionError: naming the one that means nothing.
    """
    for name, value in parameters.items():
        if name not in _PARAMETERS:
            hint = nearest(str(name), _PARAMETERS)
            raise DefinitionError(f"LOOP_PASSWORD_HASHING has no {name!r}{hint}")
        if type(value) is not int or value < 1:
            raise DefinitionError(
                f"LOOP_PASSWORD_HASHING[{name!r}] is a positive whole number, not {value!r}"
            )


def _hashing_error() -> type[Exception]:
    from argon2.exceptions import HashingError

    return HashingError


@lru_cache(maxsize=16)
def _hasher(parameters: tuple[tuple[str, int], ...]) -> Hasher:
    return Hasher(**dict(parameters))


def current_hasher() -> Hasher:
    """What hashes passwords in the app in whose context the caller is."""
    return _hasher(tuple(sorted(current_settings().password_hashing.items())))


def hash_ahead(password: str) -> GivenPassword:
    """A password with its hash, so that no transaction waits for that to be made."""
    given = GivenPassword(password)
    given.hash = current_hasher().hash(password)
    return given


def hash_of(password: str) -> PasswordHash:
    """The hash of a password, made now where it is not yet."""
    known: PasswordHash | None = getattr(password, "hash", None)
    return current_hasher().hash(password) if known is None else known


def _bcrypt_matches(stored: str, password: str) -> bool:
    """Whether a password is the one of a hash of bcrypt.

    :raises RuntimeError: where the library is missing.
    """
    try:
        import bcrypt
    except ImportError:
        raise RuntimeError(
            "a user's password was hashed by bcrypt: install Flask-Loop[bcrypt] to verify it"
        ) from None
    given = _plain_bytes(password)
    if len(given) > _BCRYPT_BYTES:
        return False  # what bcrypt does not look at could be anything
    try:
        return bcrypt.checkpw(given, stored.encode())
    except ValueError:
        return False


def _normal_bytes(password: str) -> bytes:
    """A password as it is hashed: the same whichever keyboard composed its letters."""
    return _plain_bytes(unicodedata.normalize("NFC", password))


def _plain_bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


# What is bound to a password


def stamp_of(definition: ModelDefinition, id: str, password: str | None) -> str:
    """A short digest that is another one as soon as a user's password is.

    :param definition: the model of the user.
    :param id: the text of the user's id.
    :param password: the stored hash.
    :raises RuntimeError: outside an app context, and where the app has no SECRET_KEY.
    """
    return keyed_digest(*_stamped(definition, id, password))[:_STAMP]


def is_stamp_of(stamp: str, definition: ModelDefinition, id: str, password: str | None) -> bool:
    """Whether a stamp is the user's own, by the app's SECRET_KEY or one of its fallbacks.

    :param stamp: what :func:`stamp_of` gave.
    """
    current = keyed_digests(*_stamped(definition, id, password))
    given = stamp.encode("utf-8", "surrogatepass")
    found = [hmac.compare_digest(each[:_STAMP].encode(), given) for each in current]
    return any(found)


def _stamped(definition: ModelDefinition, id: str, password: str | None) -> tuple[str, ...]:
    return "flask-loop login", definition.name, id, password or ""
