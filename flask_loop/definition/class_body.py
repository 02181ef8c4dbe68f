"""From a class body to a definition: what its annotations and ``Meta`` say of a model."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, ClassVar, get_origin

from ..errors import DefinitionError
from .annotations import NOT_UNDERSTOOD, Names, Scope, evaluate, understand
from .building import make_property
from .model import (
    ModelDefinition,
    merge_properties,
    merge_rules,
    refuse_reserved,
    type_resolver,
)
from .property import Property, Spec
from .registry import registry
from .settings import Settings


class ClassBody:
    """What a class body, and the mixins beside it, say of a model.

    Annotations are understood when the model is first used, since they may name what is defined
    later; where they stand in a function and can be understood at once, they are, so that the
    function's variables are not kept.

    :param name: the class's name.
    :param namespace: its namespace; the values of properties are taken out of it.
    :param frame: where the class is defined.
    :raises DefinitionError: where a property has no type, or a name that it cannot have.
    """

    def __init__(self, name: str, namespace: dict[str, Any], frame: FrameType) -> None:
        self.name = name
        self.meta = namespace.get("Meta")
        if self.meta is not None and not isinstance(self.meta, type):
            raise DefinitionError(f"{name}.Meta is a class, not {self.meta!r}")
        for key, value in namespace.items():
            if isinstance(value, Spec) and key not in namespace.get("__annotations__", {}):
                raise DefinitionError(f"{name}.{key} = prop(...) needs a type: {key}: Prop[str]")
        annotations = {
            key: annotation
            for key, annotation in namespace.get("__annotations__", {}).items()
            if _is_property(key, annotation)
        }
        values = {key: namespace.pop(key) for key in annotations if key in namespace}
        scope = Scope.around(frame)
        scope.own.update(
            (key, value) for key, value in namespace.items() if isinstance(value, type)
        )
        self._own = _Part(annotations, values, scope)
        self._mixins: dict[type, _Part] = {}

    @property
    def data_source(self) -> Any:
        """The data source that ``Meta`` names, or None."""
        return getattr(self.meta, "data_source", None)

    def prepare(self, model: type) -> list[str]:
        """Take note of the class that was made of the body.

        :param model: the class.
        :returns: the names of its own properties, and of its mixins'.
        """
        self._own.scope.own[self.name] = model
        bases = self._model_bases(model)
        for base in model.__mro__[1:]:
            is_mixin = not hasattr(base, "__loop_model__")
            if is_mixin and not any(issubclass(each, base) for each in bases):
                self._mixins[base] = _Part.of_mixin(base)
        parts = [self._own, *self._mixins.values()]
        for part in parts:
            refuse_reserved(self.name, part.annotations)
        self._own.understand_early()
        return [name for part in parts for name in part.annotations]

    def define(self, model: type) -> ModelDefinition:
        """Make the definition.

        :param model: the class that was made of the body.
        :raises DefinitionError: naming what means nothing.
        """
        bases = [base.definition for base in self._model_bases(model) if not _is_root(base)]
        try:
            settings = (bases[0].settings.inherit() if bases else Settings()).updated(self._meta())
        except DefinitionError as error:
            raise DefinitionError(f"model {self.name!r}: {error}") from None
        parts = [self._properties(base, bases, settings) for base in reversed(model.__mro__[1:])]
        own = self._make(self._own, settings)
        definition = ModelDefinition(
            self.name, merge_properties(parts, own), settings, class_body=True
        )
        definition.rules = merge_rules(bases)
        return definition

    def _properties(
        self, base: Any, bases: list[ModelDefinition], settings: Settings
    ) -> Iterable[Property]:
        """What a class that the model derives from gives it."""
        if base in self._mixins:
            return self._make(self._mixins[base], settings)
        is_direct = any(each.model is base for each in bases)
        return base.definition.properties.values() if is_direct else ()

    def _make(self, part: _Part, settings: Settings) -> list[Property]:
        resolve = type_resolver(self.name, registry)
        made = []
        for name, annotation in part.annotations.items():
            kind, nullable = understand(self._evaluated(part, name, annotation))
            value = part.values.get(name, Spec())
            spec = value if isinstance(value, Spec) else Spec(default=value)
            written = Spec({"type": kind, **spec})
            try:
                made.append(
                    make_property(
                        name,
                        written,
                        wire_case=settings.wire_case,
                        nullable=nullable,
                        resolve=resolve,
                        rename_reserved=False,
                    )
                )
            except DefinitionError as error:
                raise DefinitionError(f"model {self.name!r}: {error}") from None
        return made

    def _evaluated(self, part: _Part, name: str, annotation: Any) -> Any:
        try:
            return evaluate(annotation, Names(part.scope, with_models=True))
        except NOT_UNDERSTOOD as error:
            raise DefinitionError(f"{self.name}.{name}: {annotation}: {error}") from None

    def _meta(self) -> dict[str, Any]:
        return {
            key: getattr(self.meta, key)
            for key in dir(self.meta)
            if self.meta is not None and not key.startswith("_") and key != "data_source"
        }

    @staticmethod
    def _model_bases(model: type) -> list[Any]:
        return [base for base in model.__bases__ if hasattr(base, "__loop_model__")]


def _is_root(model: type) -> bool:
    """Whether a class is ``Model`` itself, which has no definition."""
    return "__loop_model__" in model.__dict__


class _Part:
    """The properties that one class states, as they were written.

    :param annotations: by name.
    :param values: what stands behind ``=``, by name.
    :param scope: where the names in annotations are found.
    """

    def __init__(self, annotations: dict[str, Any], values: dict[str, Any], scope: Scope) -> None:
        self.annotations, self.values, self.scope = annotations, values, scope

    @classmethod
    def of_mixin(cls, mixin: type) -> _Part:
        """The properties of a class that is no model; only ``Prop[...]`` makes one there."""
        annotations = {
            key: annotation
            for key, annotation in inspect.get_annotations(mixin).items()
            if _is_prop(annotation)
        }
        values = {key: mixin.__dict__[key] for key in annotations if key in mixin.__dict__}
        module = sys.modules.get(mixin.__module__)
        return cls(annotations, values, Scope([vars(module) if module else {}]))

    def understand_early(self) -> None:
        """Evaluate the annotations of a class in a function, where they can be already."""
        if self.scope.frame is None:
            return
        names = Names(self.scope, with_models=False)
        with suppress(*NOT_UNDERSTOOD):
            self.annotations = {
                name: evaluate(annotation, names) for name, annotation in self.annotations.items()
            }
            self.scope.frame = None


def _is_property(name: str, annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    is_class_variable = get_origin(annotation) is ClassVar or annotation is ClassVar
    if is_class_variable or "ClassVar" in text.partition("[")[0]:
        return False
    return _is_prop(annotation) or not name.startswith("_")


def _is_prop(annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    is_prop = hasattr(get_origin(annotation), "__loop_prop__")
    return is_prop or text.partition("[")[0].rpartition(".")[2] == "Prop"
