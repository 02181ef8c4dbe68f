"""Relating: resolving declared relations as soon as the models that they name exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

from ..errors import DefinitionError
from .declarations import Declaration
from .keys import wire_of
from .linking import About, Linking, MakeModel
from .relation import RelationDefinition

if TYPE_CHECKING:
    from .model import ModelDefinition


class Relating:
    """Resolves declarations as soon as the models that they name exist, each once.

    At first only what is certain: a model that is named may be another one, which is defined later.
    When a model is used, everything is that is about it.
    """

    #: Makes a model from dicts; :mod:`flask_loop.model` sets it.
    make_model: ClassVar[MakeModel]

    #: One thread at a time defines models; what they name is defined by the same thread.
    lock: ClassVar[RLock] = RLock()
    _number: ClassVar[int] = 0
    _settled: ClassVar[int] = 0
    _is_running: ClassVar[bool] = False
    #: In the order in which they came, so that keys are made in the same order in each process.
    _bodies: ClassVar[WeakValueDictionary[int, Any]] = WeakValueDictionary()
    _waiting: ClassVar[WeakValueDictionary[int, Any]] = WeakValueDictionary()

    @classmethod
    def is_open(cls) -> bool:
        """Whether a model or a declaration is new since what is certain was last resolved."""
        return cls._settled != cls._number

    @classmethod
    def is_waiting(cls) -> bool:
        """Whether anything is declared that is not resolved."""
        return bool(cls._bodies or cls._waiting)

    @classmethod
    def note_model(cls) -> None:
        """Say that there is a new model, which declarations may be waiting for."""
        if cls._bodies or cls._waiting:
            cls._number += 1

    @classmethod
    def note_body(cls, model: Any) -> None:
        """Say that the body of a class, whose definition is not made yet, has relations."""
        cls._bodies[id(model)] = model
        cls._number += 1

    @classmethod
    def note_definition(cls, definition: ModelDefinition) -> None:
        """Say that a definition has declarations that are not resolved."""
        cls._waiting[id(definition)] = definition
        cls._number += 1

    @classmethod
    def settle(cls, about: About | None = None) -> None:
        """Resolve what can be resolved now; what cannot is tried again when there is more.

        :param about: says of a model whether it is used, so that everything about it is resolved;
            None for what is certain alone.
        """
        with cls.lock:
            if cls._is_running:
                return
            with cls.resolving():
                has_more = True
                while has_more and (about is not None or cls.is_open()):
                    number, before = cls._number, cls._left()
                    cls._settle_once(about or _nothing)
                    # What could not be resolved may have made models on the way.
                    has_more = cls._left() != before
                    cls._settled = number if has_more else cls._number

    @classmethod
    @contextmanager
    def resolving(cls) -> Iterator[None]:
        """A block that resolves, in which what it asks models for resolves nothing else."""
        with cls.lock:
            was_running, cls._is_running = cls._is_running, True
            try:
                yield
            finally:
                cls._is_running = was_running

    @classmethod
    def _left(cls) -> tuple[int, int]:
        """How many bodies and declarations are left."""
        return len(cls._bodies), sum(len(each.unresolved) for each in cls._waiting.values())

    @classmethod
    def _settle_once(cls, about: About) -> None:
        for key, model in list(cls._bodies.items()):
            try:
                definition = model.definition
            except DefinitionError:
                continue  # it is raised where the model is used
            cls._bodies.pop(key, None)
            if definition.unresolved:
                cls._waiting[id(definition)] = definition
        for key, definition in list(cls._waiting.items()):
            resolve_all(definition, about)
            if not definition.unresolved:
                cls._waiting.pop(key, None)


def _nothing(model: Any) -> bool:
    return False


def _everything(model: Any) -> bool:
    return True


def resolve_all(definition: ModelDefinition, about: About = _everything) -> DefinitionError | None:
    """Resolve what is declared on a definition, as far as the models that it names exist.

    :param about: says of a model whether it is used, so that more than what is certain is resolved.
    :returns: what is wrong with the first declaration that could not be resolved.
    """
    first: DefinitionError | None = None
    with Relating.resolving():
        for each in list(definition.unresolved):
            if definition.model is None:
                break
            try:
                _resolve(definition, each, about)
            except DefinitionError as error:
                first = first or DefinitionError(f"{definition.name}.{each.name}: {error}")
    return first


def _resolve(definition: ModelDefinition, declared: Declaration, about: About) -> None:
    if declared not in definition.unresolved:
        return  # it was resolved on the way to another one
    relation = RelationDefinition(
        declared.name,
        wire_of(definition, declared.name),
        declared.kind,
        definition,
        declared.options,
    )
    if problem := _clash(definition, relation):
        raise DefinitionError(problem)
    Linking(
        relation, declared, settle=resolve_all, make_model=Relating.make_model, about=about
    ).run()
    # No definition holds a class: the class of the model does.
    through = relation.through and relation.through.name
    model = relation.target and relation.target.name
    relation.options = replace(relation.options, model=model, through=through)
    definition.unresolved.remove(declared)
    definition.relations[relation.name] = relation
    definition.changed()


def _clash(definition: ModelDefinition, relation: RelationDefinition) -> str | None:
    for name in (relation.name, relation.wire):
        if name in definition.properties or name in definition.by_wire:
            return f"a property is called {name!r} too"
    twin = definition.find_relation(relation.wire)
    if twin is not None and twin.name != relation.name:
        return f"{twin.name!r} is {relation.wire!r} on the wire too"
    return None
