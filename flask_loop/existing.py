"""Existing: the models, and the data sources, of classes that an app has already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Set
from typing import Any, ClassVar

from .connectors import Connector
from .connectors.given import Given
from .connectors.scanning import MAX_SCAN
from .datasource import DataSource
from .definition import (
    HAS_AND_BELONGS_TO_MANY,
    Declaration,
    ModelDefinition,
    RelationDefinition,
)
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
        gone = _redefine(model, self.define(base, target, options))
        self._leave_out(model, gone, options.get("exclude", ()))

    def _leave_out(self, model: Any, gone: Set[str], excluded: Iterable[str]) -> None:
        """Let relations go, and what they say of deletions, as if they had never been declared.

        :param gone: the properties that the model has no longer; no relation may lead by them.
        :param excluded: the names of relations that the model itself shall not have.
        """
        made = list(self._made.values())
        lost = [
            _forget(each, declared)
            for each in made
            for declared in list(each.definition.declarations)
            if (each is model and declared.name in excluded)
            or _leads_by(each.definition.relations.get(declared.name), model.definition, gone)
        ]
        left = [relation for each in made for relation in each.definition.relations.values()]
        for each in made:
            _forget_rules(each.definition, lost, left)
            _forget_keys(each.definition, model.definition, gone)

    def _refuse_other(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        model = self._made[target]
        if (options and dict(options) != self._given[target]) or base not in model.__mro__:
            raise DefinitionError(
                f"{target.__name__} is a model already, which was given "
                f"{self._given[target] or 'no options'}; derive another one from it by extend()"
            )


def _redefine(model: Any, fresh: ModelDefinition) -> Set[str]:
    """Let a model have another definition, beside the relations that it has already.

    :returns: the names of the properties that it has no longer.
    """
    definition: ModelDefinition = model.definition
    gone = definition.properties.keys() - fresh.properties.keys()
    for name in gone:
        delattr(model, name)
    definition.settings, definition.properties = fresh.settings, fresh.properties
    definition.by_wire, definition.ids = fresh.by_wire, fresh.ids
    definition.__dict__.pop("embedded", None)
    definition.shape += 1
    definition.changed()
    return gone


def _leads_by(
    relation: RelationDefinition | None, definition: ModelDefinition, names: Set[str]
) -> bool:
    """Whether a relation leads by one of some properties of a model."""
    if relation is None:
        return False
    here = relation.owner
    for link in relation.links:
        for there, keys in ((here, link.own), (link.definition, link.theirs)):
            if there is definition and not names.isdisjoint(keys):
                return True
        here = link.definition
    return False


def _forget(model: Any, declared: Declaration) -> RelationDefinition | None:
    """Let a model have a relation no longer."""
    definition = model.definition
    definition.declarations.remove(declared)
    if declared in definition.unresolved:
        definition.unresolved.remove(declared)
    delattr(model, declared.name)
    definition.changed()
    relation: RelationDefinition | None = definition.relations.pop(declared.name, None)
    return relation


def _forget_rules(
    definition: ModelDefinition,
    lost: Iterable[RelationDefinition | None],
    left: Iterable[RelationDefinition],
) -> None:
    """Let go what relations that are lost said of deletions, unless one that is left says it too.

    Those through a model say it on both sides.
    """
    through = {each.through for each in left if each.kind == HAS_AND_BELONGS_TO_MANY}
    kept = [
        each
        for each in definition.dependents
        if each.relation not in lost or each.definition in through
    ]
    if len(kept) != len(definition.dependents):
        definition.dependents = kept
        definition.changed()


def _forget_keys(definition: ModelDefinition, other: ModelDefinition, gone: Set[str]) -> None:
    """Ask for no constraint over properties that another model, or this one, has no longer."""
    kept = [
        each
        for each in definition.foreign_keys
        if not (definition is other and gone & set(each.names))
        and not (each.target is other and gone & set(each.target_names))
    ]
    if len(kept) != len(definition.foreign_keys):
        definition.foreign_keys = kept
        definition.shape += 1
        definition.changed()
