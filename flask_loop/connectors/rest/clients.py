"""Clients: what speaks to the servers of one data source."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...errors import DefinitionError
from ..given import Given
from ..web import WebClient
from .settings import RestSettings, read_patience

_NONE: Mapping[str, Any] = MappingProxyType({})


class Clients:
    """The clients of a data source, each of which keeps its connections.

    Where there is a ``base_url``, the credentials go to no other server than its.

    :param settings: the settings of the data source.
    """

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._made: dict[Any, WebClient] = {}
        if settings.base_url is not None:
            self.find(None)

    def find(self, origin: str | None, options: Mapping[str, Any] = _NONE) -> WebClient:
        """The client for a server.

        :param origin: where it is; None for the ``base_url``.
        :param options: ``timeout``, ``retries`` and ``verify``, where they are others than usual.
        :raises DefinitionError: where there is no ``base_url`` and it is needed.
        """
        url = self._settings.base_url or origin
        if url is None:
            raise DefinitionError("the rest connector needs the setting 'base_url'")
        key = (url, *sorted(options.items()))
        if key not in self._made:
            given = read_patience(Given({**self._settings.client, **options}))
            self._made[key] = WebClient("rest", url, **{**self._settings.client, **given})
        return self._made[key]

    def close(self) -> None:
        """Let go of all connections."""
        for each in self._made.values():
            each.close()
