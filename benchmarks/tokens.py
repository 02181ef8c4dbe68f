"""The token that callers of the row ``with token`` have, and how a careful author looks at it."""

from __future__ import annotations

import time
from hashlib import sha256

from flask import request
from werkzeug.exceptions import Unauthorized

#: Where the products are that are for callers with a token.
PATH = "/api/private"
TOKEN = "q3vT8yK1rZbXw0LfJm5sPd7Hc2NgAe9UiOoYtRkWxCz4VnB6MjQhDlSaFpEuGI-_"
TTL = 365 * 24 * 60 * 60

_sessions = {sha256(TOKEN.encode()).hexdigest(): (1, time.time() + TTL)}


def holder() -> int:
    """The id of the user whose token a request has, from a cache of digests.

    :raises Unauthorized: where it has none, or nobody's.
    """
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    user_id, expires = _sessions.get(sha256(token.encode()).hexdigest(), (0, 0.0))
    if expires < time.time():
        raise Unauthorized("Log in first.")
    return user_id
