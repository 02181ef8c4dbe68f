"""Callers: who calls a remote method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: What a token is for, and what a method wants of one, where nothing else is said.
DEFAULT_SCOPES = ("DEFAULT",)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as is known without looking at the user's record.

    :ivar model: the class of the user: a model that derives from :class:`~flask_loop.User`, or the
        app's own; None of nobody.
    :ivar id: the user's id, as records hold it.
    :ivar roles: the names of roles that the app says it has.
    :ivar scopes: what its token is for.
    :ivar token: the digest of its token, where it gave one.
    :ivar load_user: gives the user's instance.
    """

    model: Any = None
    id: Any = None
    roles: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    token: str | None = None
    load_user: Callable[[], Any] | None = None

    @property
    def is_authenticated(self) -> bool:
        """Whether it is somebody."""
        return self.model is not None


#: A caller who gave no token, and is logged in by no cookie.
NOBODY = Caller()
