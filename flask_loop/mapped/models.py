"""Models: the models of one session's mapped classes, each made once, with their relations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from ..connectors.sql.host_session import Host
from ..connectors.sql.host_tables import Mapped
from ..definition import ModelDefinition
from ..errors import DefinitionError
from ..existing import ExistingModels
from .classes import define
from .relationships import relate
from .source import MappedSource


class Models(ExistingModels):
    """The models of the classes that one app's sessions have.

    :param host: where the sessions come from.
    """

    method = "from_sqlalchemy"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self._sources: dict[Any, MappedSource] = {}

    def get(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> type[Any]:
        if not isinstance(sa.inspect(target, raiseerr=False), orm.Mapper):
            raise DefinitionError(f"{target!r} is no class that SQLAlchemy maps to a table")
        orm.configure_mappers()
        return super().get(base, target, options)

    def define(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> ModelDefinition:
        return define(base, target, options)

    def attach(self, model: type[Any], target: Any) -> None:
        model.attach_to(self._source(target))

    def relate(self, model: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        if not isinstance(target, sa.Table):
            relate(self, model, target, options)

    def _source(self, target: Any) -> MappedSource:
        """The source of the engine that a class or a table is on."""
        mapped = Mapped.of(target)
        key = self._bind_key(mapped)
        if key not in self._sources:
            place: dict[str, Any] = {"clause": mapped.table}
            if mapped.mapper is not None:
                place["mapper"] = mapped.mapper
            name = "sqlalchemy" if not isinstance(key, str) else f"sqlalchemy:{key}"
            self._sources[key] = MappedSource(name, self.host, place, held=self)
        return self._sources[key]

    def _bind_key(self, mapped: Mapped) -> Any:
        """What tells the engine of a table from others; with Flask-SQLAlchemy its bind key."""
        known = mapped.table.metadata.info
        if "bind_key" in known:
            return known["bind_key"]
        try:
            place = {"mapper": mapped.mapper} if mapped.mapper else {"clause": mapped.table}
            return self.host.get_bind(place).engine
        except RuntimeError:
            return None
