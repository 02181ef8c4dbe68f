"""Tokens of sessions: what clients hold, and the digests of them that are stored."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from ..types import PropertyType, String

#: What the stored digest of a token begins with.
_DIGEST = "sha256:"
_BYTES = 48
#: The most characters of what is looked at as a token.
MAX_TOKEN = 1024


def new_token() -> str:
    """A token that nobody can guess: 64 characters of URLs."""
    return secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """What is stored of a token, from which nobody finds the token.

    What is stored is no token: the digest of a digest is another one.
    """
    return _DIGEST + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class TokenText(String):
    """The id of a session. A token stands for its digest, wherever an id does."""

    @property
    def stored_as(self) -> type[PropertyType]:
        return String

    def load(self, value: Any, *, text: bool = True) -> str:
        loaded = super().load(value, text=text)
        return loaded if _is_digest(loaded) else digest_of(loaded)


def _is_digest(value: str) -> bool:
    return value.startswith(_DIGEST) and len(value) == len(_DIGEST) + 64
