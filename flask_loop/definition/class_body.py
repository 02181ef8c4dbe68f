"""From a class body to a definition: what its annotations and ``Meta`` say of a model."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import FrameType, UnionType
from typing import Any, ClassVar, ForwardRef, Union, get_args, get_origin
from weakref import ref

from ..errors import DefinitionError
from .annotations import NOT_UNDERSTOOD, Names, Scope, evaluate, understand
from .building import make_property
from .declarations import Declaration, declaration, declarations_of
from .making import (
    declare_all,
    merge_properties,
    merge_rules,
    refuse_reserved,
    type_resolver,
)
from .model import ModelDefinition
from .property import Property, Spec
from .registry import registry
from .relation import ANNOTATIONS
from .relation_options import RelationSpec
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
        written = namespace.get("__annotations__", {})
        _refuse_untyped(name, namespace, written)
        relations = {key: each for key, each in written.items() if _kind_of(each)}
        annotations = {
            key: each
            for key, each in written.items()
            if key not in relations and _is_property(key, each)
        }
        values = {key: namespace.pop(key) for key in (*annotations, *relations) if key in namespace}
        scope = Scope.around(frame)
        scope.own.update(
            (key, value) for key, value in namespace.items() if isinstance(value, type)
        )
        self._own = _Part(annotations, values, scope, relations)
        self._mixins: dict[type, _Part] = {}

    @property
    def data_source(self) -> Any:
        """The data source that ``Meta`` names, or None."""
        return getattr(self.meta, "data_source", None)

    @property
    def relations(self) -> dict[str, str]:
        """The kinds of the relations, by name; known once the class is."""
        parts = [*self._mixins.values(), self._own]
        return {name: each.kind for part in parts for name, each in part.relations.items()}

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
            refuse_reserved(self.name, (*part.annotations, *part.relations))
        self._own.understand_early()
        return [name for part in parts for name in part.annotations]

    def define(self, model: type) -> ModelDefinition:
        """Make the definition.

        :param model: the class that was made of the body.
        :raises DefinitionError: naming what means nothing.
        """
        bases = [base.definition for base in self._model_bases(model) if not _is_root(base)]
        try:
            first: Settings = model.__loop_settings__()  # type: ignore[attr-defined]
            settings = (bases[0].settings.inherit() if bases else first).updated(self._meta())
        except DefinitionError as error:
            raise DefinitionError(f"model {self.name!r}: {error}") from None
        parts = [self._properties(base, bases, settings) for base in reversed(model.__mro__[1:])]
        own = self._make(self._own, settings)
        definition = ModelDefinition(
            self.name, merge_properties(parts, own), settings, class_body=True
        )
        definition.rules = merge_rules(bases)
        declare_all(definition, bases, [*self._declared(), *self._declared_in(settings)])
        return definition

    def _declared_in(self, settings: Settings) -> list[Declaration]:
        return declarations_of(self.name, settings.relations, registry)

    def _declared(self) -> Iterable[Declaration]:
        """The relations of the body, and of its mixins."""
        for part in (*self._mixins.values(), self._own):
            for name, annotation in part.relations.items():
                spec = part.values.get(name, {})
                if not isinstance(spec, RelationSpec | dict):
                    raise DefinitionError(
                        f"{self.name}.{name}: a relation is described by relation(...), not by "
                        f"{spec!r}"
                    )
                yield declaration(
                    self.name,
                    annotation.kind,
                    name,
                    spec,
                    models=registry,
                    annotation=annotation,
                )

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
    :param relations: the annotations of relations, by name.
    """

    def __init__(
        self,
        annotations: dict[str, Any],
        values: dict[str, Any],
        scope: Scope,
        relations: dict[str, Any],
    ) -> None:
        self.annotations, self.values, self.scope = annotations, values, scope
        self.relations = {
            name: _RelationAnnotation(annotation, scope) for name, annotation in relations.items()
        }

    @classmethod
    def of_mixin(cls, mixin: type) -> _Part:
        """The properties of a class that is no model; only ``Prop[...]`` makes one there."""
        written = inspect.get_annotations(mixin)
        annotations = {key: each for key, each in written.items() if _is_prop(each)}
        relations = {key: each for key, each in written.items() if _kind_of(each)}
        values = {
            key: mixin.__dict__[key] for key in (*annotations, *relations) if key in mixin.__dict__
        }
        module = sys.modules.get(mixin.__module__)
        return cls(annotations, values, Scope([vars(module) if module else {}]), relations)

    def understand_early(self) -> None:
        """Evaluate the annotations of a class in a function, where they can be already."""
        if self.scope.frame is None:
            return
        names = Names(self.scope, with_models=False)
        with suppress(*NOT_UNDERSTOOD):
            self.annotations = {
                name: evaluate(annotation, names) for name, annotation in self.annotations.items()
            }
            for each in self.relations.values():
                each.understand()
            if all(each.is_fixed for each in self.relations.values()):
                self.scope.frame = None


class _RelationAnnotation:
    """An annotation such as ``HasMany[Chapter]``, whose model may be defined later.

    :param annotation: as it was written.
    :param scope: where its names are found.
    """

    def __init__(self, annotation: Any, scope: Scope) -> None:
        self.kind = str(_kind_of(annotation))
        self._inside: Any = _inside(annotation)
        self._scope: Scope | None = scope
        self._found: tuple[Any, ...] = ()

    def understand(self) -> tuple[Any, ...]:
        """The models that it names, or their names where the scope does not have them yet.

        :raises DefinitionError: where it means nothing.
        """
        if self._scope is not None:
            found = tuple(self._alternatives(self._scope))
            if any(isinstance(each, str) for each in found):
                return found
            self.fix(found)
        models = tuple(each() if isinstance(each, ref) else each for each in self._found)
        if None in models:
            raise DefinitionError("the model that it leads to is gone")
        return models

    def fix(self, models: Iterable[Any]) -> None:
        """Mean these models from now on, and let go of the scope."""
        # The classes are held by the model that names them, and by nothing else.
        self._found = tuple(ref(each) if isinstance(each, type) else each for each in models)
        self._inside = self._scope = None

    @property
    def is_fixed(self) -> bool:
        return self._scope is None

    def _alternatives(self, scope: Scope) -> Iterator[Any]:
        names = Names(scope, with_models=False)
        for part in _parts(self._inside):
            try:
                found = evaluate(part, names)
            except NOT_UNDERSTOOD as error:
                if not (isinstance(part, str) and part.isidentifier()):
                    raise DefinitionError(str(error)) from None
                found = part
            several = get_origin(found) in (Union, UnionType)
            for each in get_args(found) if several else (found,):
                if each not in (None, type(None)):
                    yield each


def _parts(inside: Any) -> list[Any]:
    """The parts of ``A | B``, where it is text."""
    if isinstance(inside, ForwardRef):
        inside = inside.__forward_arg__
    if not isinstance(inside, str) or "[" in inside:
        return [inside]
    return [part.strip().strip("'\"").strip() for part in inside.split("|")]


def _refuse_untyped(name: str, namespace: dict[str, Any], written: dict[str, Any]) -> None:
    for key, value in namespace.items():
        if isinstance(value, Spec) and key not in written:
            raise DefinitionError(f"{name}.{key} = prop(...) needs a type: {key}: Prop[str]")
        if isinstance(value, RelationSpec) and not _kind_of(written.get(key)):
            raise DefinitionError(
                f"{name}.{key} = relation(...) needs a type: {key}: HasMany[Chapter]"
            )


def _kind_of(annotation: Any) -> str | None:
    """The kind of the relation that an annotation means, or None."""
    if isinstance(annotation, str):
        return ANNOTATIONS.get(annotation.partition("[")[0].rpartition(".")[2].strip())
    origin = get_origin(annotation) or annotation
    return getattr(origin, "__loop_relation__", None)


def _inside(annotation: Any) -> Any:
    """What stands in the brackets of an annotation."""
    if isinstance(annotation, str):
        return annotation.partition("[")[2].rpartition("]")[0].strip() or "Any"
    given = get_args(annotation)
    return given[0] if given else Any


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
