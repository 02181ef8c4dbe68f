"""Existing: the models, and the data sources, of classes that an app has already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .connectors import Connector
from .connectors.given import Given
from .connectors.scanning import MAX_SCAN
from .datasource import DataSource
from .definition import ModelDefinition
from .errors import DefinitionError
from .model import Model, make_model


class ExistingSource(DataSource):
    """A data source on connections that are the app's own."""

    _max_scan = MAX_SCAN

    @property
    def max_scan(self) -> int:
        """How many records may be read for what the database leaves to Python: 100,000.

        It is set for all apps that have the source's models; None sets what it is at first.

        :raises DefinitionError: where it is set to what is no whole number from 1.
        """
        return self._max_scan

    @max_scan.setter
    def max_scan(self, most: int | None) -> None:
        self._max_scan = Given({"max_scan": most}).max_scan
        for connector in self._made_connectors():
            connector.max_scan = self._max_scan

    def _made_connectors(self) -> Iterable[Connector]:
        """The connectors that are there already."""
        raise NotImplementedError


class ExistingModels(ABC):
    """Models of existing classes, each made once, with those that its relations lead to."""

    #: The class method of models that asks for them.
    method: ClassVar[str]

    def __init__(self) -> None:
        self._made: dict[Any, type[Any]] = {}
        #: What the models that somebody asked for were given; the others are there by relations.
        self._given: dict[Any, Mapping[str, Any]] = {}

    def get(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> type[Any]:
        """The model of a class, and of all that its relations lead to.

        :param base: the model that it extends.
        :param target: the class.
        :param options: as the class method takes them.
        :raises DefinitionError: where it was given other options, or says what means nothing here.
        """
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
        """The model that a relation leads to, or goes through."""
        if target not in self._made:
            self._make(Model, target, {})
        return self._made[target]

    @abstractmethod
    def define(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> ModelDefinition:
        """The definition of a class's model, without relations."""

    @abstractmethod
    def attach(self, model: type[Any], target: Any) -> None:
        """Attach the model of a class to its data source."""

    @abstractmethod
    def relate(self, model: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        """Declare the relations of a class's model."""

    def _make(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        definition = self.define(base, target, options)
        self._made[target] = model = make_model(definition, base)
        self.attach(model, target)
        self.relate(model, target, options)

    def _redefine(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        """Let a model that is there by relations be what somebody asks for."""
        model = self._made[target]
        if base is not Model or options.get("name", model.model_name) != model.model_name:
            raise DefinitionError(
                f"{target.__name__} is the model {model.model_name!r} already, by a relation of "
                f"another one; call {self.method} with its name or its base before the other's"
            )
        _redefine(model, self.define(base, target, options), options)

    def _refuse_other(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        model = self._made[target]
        if (options and dict(options) != self._given[target]) or base not in model.__mro__:
            raise DefinitionError(
                f"{target.__name__} is a model already, which was given "
                f"{self._given[target] or 'no options'}; derive another one from it by extend()"
            )


def _redefine(model: Any, fresh: ModelDefinition, options: Mapping[str, Any]) -> None:
    """Let a model have another definition, beside the relations that it has already.

    :param fresh: the definition.
    :param options: what it was made of; relations in ``exclude`` go.
    """
    definition = model.definition
    for name in definition.properties.keys() - fresh.properties.keys():
        delattr(model, name)
    definition.settings, definition.properties = fresh.settings, fresh.properties
    definition.by_wire, definition.ids = fresh.by_wire, fresh.ids
    definition.__dict__.pop("embedded", None)
    for declared in list(definition.declarations):
        if declared.name in options.get("exclude", ()):
            definition.declarations.remove(declared)
            gone = definition.relations.pop(declared.name, None)
            definition.dependents = [
                each for each in definition.dependents if each.relation is not gone
            ]
            delattr(model, declared.name)
    definition.shape += 1
    definition.changed()
