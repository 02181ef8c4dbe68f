"""Fetching: asking a provider's server something, which must be small, soon and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DefinitionError, Unavailable

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx

_MOST_BYTES = 1_000_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderUnavailable(Unavailable):
    """The server of a provider cannot be reached, is too slow, or answers what means nothing."""

    error_code = "PROVIDER_UNAVAILABLE"


def fetch_json(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> tuple[int, Any]:
    """Ask a server for a JSON document, and follow no redirect.

    :param timeout: for how many seconds the server may be silent; the whole body may take as long.
    :returns: the status, below 500, and the document; None where the body of an error is not JSON.
    :raises ProviderUnavailable: with no more of the URL than its host.
    """
    import httpx

    host = urlsplit(url).hostname
    # Nobody needs the whole to be compressed, and what is unpacked may be of any size.
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    try:
        with (
            httpx.Client(timeout=timeout, verify=_tls()) as client,
            client.stream(method, url, headers=sent, content=body) as response,
        ):
            text = _read(response, monotonic() + timeout)
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise ProviderUnavailable(f"{host} could not be reached.") from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        document = None
        if status < 400:
            raise ProviderUnavailable(f"{host} gave no JSON.") from error
    if status >= 500 or 300 <= status < 400:
        raise ProviderUnavailable(f"{host} answered with the status {status}.")
    return status, document


def check_https(what: str, url: Any) -> str:
    """Refuse a URL on whose way others could listen.

    :param what: what the URL is, for the message.
    :returns: the URL.
    :raises DefinitionError: where it is neither of https nor on this machine.
    """
    parts = urlsplit(url) if isinstance(url, str) else None
    is_safe = parts is not None and (
        (parts.scheme == "https" and bool(parts.hostname))
        or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
    if not is_safe:
        raise DefinitionError(f"{what} is an https URL, not {url!r}")
    return str(url)


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The body of a response, where it is neither too large nor too slow."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TimeoutError("the body is compressed, which nobody asked for")
    read = bytearray()
    for chunk in response.iter_raw():
        read += chunk
        if len(read) > _MOST_BYTES:
            raise TimeoutError(f"the body is larger than {_MOST_BYTES} bytes")
        if monotonic() > deadline:
            raise TimeoutError("the body comes too slowly")
    return bytes(read)


@cache
def _tls() -> SSLContext:
    """What certificates are checked with; to make one costs more than to ask."""
    import httpx

    return httpx.create_ssl_context()
