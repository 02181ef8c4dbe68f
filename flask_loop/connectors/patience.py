"""Patience: how long an answer over HTTP may take, the whole of it.

httpx has a time limit for each part of an answer, so that one that comes in drops would never be
given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any

#: What httpcore says when a request is sent, so that an answer may come.
_SENT = "http11.send_request_body.complete"


class Patience:
    """The time limit of the answers to one client, of which it has one after the other.

    :param seconds: how long each of them may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin to wait for an answer."""
        self._end = monotonic() + self._seconds

    @property
    def is_over(self) -> bool:
        return monotonic() >= self._end

    def trace(self, event: str, said: Mapping[str, Any]) -> None:
        """Take note of what httpcore does: this is the extension ``trace`` of a request.

        Each connection that is made reads within the limit from then on.
        """
        import httpcore

        if event == _SENT:
            self.begin()
            return
        made = said.get("return_value")
        if isinstance(made, httpcore.NetworkStream):
            made.read = partial(self._read, made.read)  # type: ignore[method-assign]

    def _read(
        self, read: Callable[..., bytes], max_bytes: int, timeout: float | None = None
    ) -> bytes:
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError("the answer comes too slowly")
        return read(max_bytes, timeout=left if timeout is None else min(left, timeout))
