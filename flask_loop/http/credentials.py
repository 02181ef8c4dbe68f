"""Credentials: the token that a request gives, wherever it has it.

Looked at are, in this order, ``X-Access-Token``, ``Authorization`` and ``access_token`` in the
query: headers first, as a link that somebody made has none.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: The name of a token in the query.
ARGUMENT = "access_token"

#: What tokens are written with. The base64 text of one does not decode to another by chance.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]{16,}")


def given_token(environ: WSGIEnvironment, *, in_query: bool = True) -> str | None:
    """The token that a request gives in so many words, which no browser adds by itself.

    :param environ: the request's.
    :param in_query: whether the query may have one.
    :returns: the token, whether anybody has such a one or not; None where none is given. Schemes of
        ``Authorization`` other than ``Bearer`` give none.

    >>> given_token({"HTTP_AUTHORIZATION": "Bearer s3cret"})
    's3cret'
    """
    token = environ.get("HTTP_X_ACCESS_TOKEN")
    if token:
        return str(token)
    header = environ.get("HTTP_AUTHORIZATION")
    if header:
        token = _of_authorization(header)
        if token is not None:
            return token
    query = environ.get("QUERY_STRING")
    if query and in_query and ARGUMENT in query:
        return _of_query(query)
    return None


def _of_authorization(header: str) -> str | None:
    """The token of ``Bearer <token>``, of ``Bearer <base64 of the token>``, or of a lone token."""
    scheme, _, rest = header.strip().partition(" ")
    if not rest:
        return scheme or None
    return _plain(rest.strip()) if scheme.lower() == "bearer" else None


def _plain(token: str) -> str:
    """A token that may be in base64, as LoopBack's clients send it."""
    try:
        decoded = b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (Error, ValueError):
        return token
    return decoded.decode("ascii") if _TOKEN.fullmatch(decoded) else token


def _of_query(query: str) -> str | None:
    """The token in a query; of several, what is nobody's."""
    given = {value for name, value in parse_qsl(query) if name == ARGUMENT}
    return ",".join(sorted(given)) if given else None
