"""Who sends a request of a test: the headers of somebody who is logged in."""

from __future__ import annotations

from typing import Any


def bearer(user: Any, scopes: list[str] | None = None) -> dict[str, str]:
    """The headers of a user's requests.

    :param scopes: what the token is for, where it is not for everything.
    """
    session = type(user).session.create(user_id=user.id, scopes=scopes)
    return {"Authorization": f"Bearer {session.id}"}
