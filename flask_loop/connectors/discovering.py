"""Discovering: what a connector tells of tables that are in its backend already."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NoReturn

from ..errors import DefinitionError


class Discovering:
    """The part of the connector protocol that discovery needs, of connectors with that capability.

    Each answer is a list of dicts with LoopBack's keys. An owner is a schema; None is that of the
    connection.
    """

    name: ClassVar[str]

    def discovering(self) -> AbstractContextManager[None]:
        """A block in which the backend's catalogue may be read once."""
        return nullcontext()

    def default_owner(self) -> str | None:
        """The owner of tables where none is named; None where the backend has no owners."""
        return None

    def discover_tables(
        self,
        *,
        owner: str | None = None,
        views: bool = True,
        all: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """The tables and views of an owner, by name.

        :param owner: whose.
        :param views: whether views are among them.
        :param all: those of all owners.
        :param limit: how many at most.
        :param offset: how many are left out at the beginning.
        :returns: ``type`` (``"table"`` or ``"view"``), ``name`` and ``owner`` of each.
        """
        self._refuse()

    def discover_columns(self, table: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table or view, in their order.

        :returns: ``owner``, ``tableName``, ``columnName``, ``dataType``, ``dataLength``,
            ``dataPrecision``, ``dataScale``, ``nullable`` (``"Y"`` or ``"N"``) of each, and
            ``property``: what it is in a definition in JSON.
        :raises DefinitionError: where there is no such table.
        """
        self._refuse()

    def discover_primary_keys(self, table: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table's primary key, in its order.

        :returns: ``owner``, ``tableName``, ``columnName``, ``keySeq`` (from 1) and ``pkName``.
        """
        self._refuse()

    def discover_unique_keys(self, table: str, owner: str | None = None) -> list[list[str]]:
        """The columns of each key whose values are unique, other than the primary key's."""
        self._refuse()

    def discover_foreign_keys(self, table: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table's foreign keys, those of one key together.

        :returns: ``fkOwner``, ``fkName``, ``fkTableName``, ``fkColumnName``, ``keySeq`` (from 1),
            ``pkOwner``, ``pkName``, ``pkTableName`` and ``pkColumnName`` of each.
        """
        self._refuse()

    def discover_exported_foreign_keys(
        self, table: str, owner: str | None = None
    ) -> list[dict[str, Any]]:
        """The columns of the foreign keys that refer to a table, likewise."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise DefinitionError(
            f"the {self.name} connector cannot discover models: it has no tables to read them from"
        )
