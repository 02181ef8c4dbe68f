"""SqlDiscovering: discovery on SQL databases, each call with a look at the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..discovering import Discovering
from .session import Session

if TYPE_CHECKING:
    from .catalogue import Catalogue, Row


class SqlDiscovering(Discovering):
    """What an SQL connector tells of its database."""

    session: Session

    @contextmanager
    def discovering(self) -> Iterator[None]:
        with self._reading():
            yield

    def default_owner(self) -> str | None:
        with self._reading() as catalogue:
            return catalogue.default_owner

    def discover_tables(self, **options: Any) -> list[Row]:
        with self._reading() as catalogue:
            return catalogue.tables(**options)

    def discover_columns(self, table: str, owner: str | None = None) -> list[Row]:
        with self._reading() as catalogue:
            return catalogue.columns(table, owner)

    def discover_primary_keys(self, table: str, owner: str | None = None) -> list[Row]:
        with self._reading() as catalogue:
            return catalogue.primary_keys(table, owner)

    def discover_unique_keys(self, table: str, owner: str | None = None) -> list[list[str]]:
        with self._reading() as catalogue:
            return catalogue.unique_keys(table, owner)

    def discover_foreign_keys(self, table: str, owner: str | None = None) -> list[Row]:
        with self._reading() as catalogue:
            return catalogue.foreign_keys(table, owner)

    def discover_exported_foreign_keys(self, table: str, owner: str | None = None) -> list[Row]:
        with self._reading() as catalogue:
            return catalogue.exported_foreign_keys(table, owner)

    @contextmanager
    def _reading(self) -> Iterator[Catalogue]:
        """The catalogue; inside of another block the same, which knows what it read."""
        there = _catalogues.get().get(self)
        if there is not None:
            yield there
            return
        # Only here: it knows the types of every dialect, which takes its time.
        from .catalogue import Catalogue

        with self.session.inspection() as connection:
            made = Catalogue(connection, self.name)
            token = _catalogues.set({**_catalogues.get(), self: made})
            try:
                yield made
            finally:
                _catalogues.reset(token)


_NONE: Mapping[Any, Any] = MappingProxyType({})
#: The catalogues that are open, by connector.
_catalogues: ContextVar[Mapping[Any, Catalogue]] = ContextVar("catalogues", default=_NONE)
