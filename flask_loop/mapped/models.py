"""Models: the models of one session's mapped classes, each made once, with their relations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from ..connectors.sql.host_session import Host
from ..connectors.sql.host_tables import Mapped
from ..errors import DefinitionError
from ..model import Model, make_model
from .classes import define, redefine
from .relationships import relate
from .source import MappedSource


class Models:
    """The models of the classes that one app's sessions have.

    :param host: where the sessions come from.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._sources: dict[Any, MappedSource] = {}
        self._made: dict[Any, type[Any]] = {}
        #: What the models that somebody asked for were given; the others are there by relations.
        self._given: dict[Any, Mapping[str, Any]] = {}

    def get(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> type[Any]:
        """The model of a class, and of all that its relationships lead to.

        :param base: the model that it extends.
        :param target: the mapped class.
        :param options: as :meth:`Model.from_sqlalchemy` takes them.
        :raises DefinitionError: where it is no mapped class, or was given other options.
        """
        if not isinstance(sa.inspect(target, raiseerr=False), orm.Mapper):
            raise DefinitionError(f"{target!r} is no class that SQLAlchemy maps to a table")
        orm.configure_mappers()
        made = dict(self._made)
        try:
            if target in self._given:
                self._refuse_other(base, target, options)
            elif target in self._made:
                self._redefine(base, target, options)
            else:
                self._make(base, target, options)
        except BaseException:
            self._made = made  # without those that lead to what there is not
            raise
        self._given.setdefault(target, dict(options))
        return self._made[target]

    def find(self, target: Any) -> type[Any]:
        """The model that a relationship leads to, or goes through."""
        if target not in self._made:
            self._make(Model, target, {})
        return self._made[target]

    def _make(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        definition = define(base, target, options)
        self._made[target] = model = make_model(definition, base)
        model.attach_to(self._source(target))
        if not isinstance(target, sa.Table):
            relate(self, model, target, options)

    def _redefine(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        """Let a model that is there by relations be what somebody asks for."""
        model = self._made[target]
        if base is not Model or options.get("name", model.model_name) != model.model_name:
            raise DefinitionError(
                f"{target.__name__} is the model {model.model_name!r} already, by a relation of "
                "another one; call from_sqlalchemy with its name or its base before the other's"
            )
        redefine(model, define(base, target, options), options)

    def _refuse_other(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        model = self._made[target]
        if (options and dict(options) != self._given[target]) or base not in model.__mro__:
            raise DefinitionError(
                f"{target.__name__} is a model already, which was given "
                f"{self._given[target] or 'no options'}; derive another one from it by extend()"
            )

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
