"""From a class body to a definition: what its annotations and ``Meta`` say of a model."""

from __future__ import annotations

import builtins
import datetime as dt
import inspect
import sys
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from types import FrameType, UnionType
from typing import Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin

from ..errors import DefinitionError
from ..geo import GeoPoint
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

#: Types that an annotation may name where the module imports them for type checkers alone.
_WELL_KNOWN: dict[str, Any] = {
    "Any": Any,
    "Decimal": Decimal,
    "GeoPoint": GeoPoint,
    "UUID": uuid.UUID,
    "date": dt.date,
    "datetime": dt.datetime,
}


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
        scope = _Scope.around(frame)
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
            kind, nullable = _understand(self._evaluated(part, name, annotation))
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
            return _evaluate(annotation, _Names(part.scope, with_models=True))
        except _NOT_UNDERSTOOD as error:
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

    def __init__(self, annotations: dict[str, Any], values: dict[str, Any], scope: _Scope) -> None:
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
        return cls(annotations, values, _Scope([vars(module) if module else {}]))

    def understand_early(self) -> None:
        """Evaluate the annotations of a class in a function, where they can be already."""
        if self.scope.frame is None:
            return
        names = _Names(self.scope, with_models=False)
        with suppress(*_NOT_UNDERSTOOD):
            self.annotations = {
                name: _evaluate(annotation, names) for name, annotation in self.annotations.items()
            }
            self.scope.frame = None


class _Scope:
    """Where a class stands: the namespaces around it, innermost first.

    :ivar own: the class itself and the classes inside it, by name.
    :ivar frame: the function around it, whose variables may be set later.
    """

    def __init__(self, namespaces: list[Mapping[str, Any]], frame: FrameType | None = None) -> None:
        self.own: dict[str, Any] = {}
        self.frame = frame
        self._namespaces = namespaces

    @classmethod
    def around(cls, frame: FrameType) -> _Scope:
        """The scope of a class that is defined in a frame: of a module, a function or a class."""
        namespaces: list[Mapping[str, Any]] = []
        here: FrameType | None = frame
        while here is not None and "__qualname__" in here.f_locals:  # a class around the class
            namespaces.append(here.f_locals)
            here = here.f_back
        if here is not None and here.f_code.co_flags & inspect.CO_OPTIMIZED:
            return cls([*namespaces, frame.f_globals], here)
        outer = [] if here is None else [here.f_locals]
        return cls([*namespaces, *outer, frame.f_globals])

    def find(self, name: str) -> Any:
        """What a name stands for.

        :raises KeyError: where it stands for nothing.
        """
        variables = [] if self.frame is None else [self.frame.f_locals]
        for namespace in (self.own, *variables, *self._namespaces, vars(builtins), _WELL_KNOWN):
            if name in namespace:
                return namespace[name]
        raise KeyError(name)


class _Names(dict[str, Any]):
    """The names that an annotation may use: those around the class, and other models."""

    def __init__(self, scope: _Scope, *, with_models: bool) -> None:
        super().__init__()
        self._scope, self._with_models = scope, with_models

    def __missing__(self, name: str) -> Any:
        try:
            return self._scope.find(name)
        except KeyError:
            if not self._with_models:
                raise
            return registry.get(name)


#: What evaluating an annotation may raise.
_NOT_UNDERSTOOD = (AttributeError, DefinitionError, LookupError, NameError, SyntaxError, TypeError)


def _evaluate(annotation: Any, names: _Names) -> Any:
    """An annotation with the texts in it replaced by what they stand for."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        # It is the class body's own text.
        return _evaluate(eval(annotation, {}, names), names)  # noqa: S307
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return annotation
    arguments = tuple(_evaluate(each, names) for each in given)
    if origin is None or arguments == given:
        return annotation
    if origin is UnionType:
        origin = Union
    return origin[arguments]


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


def _understand(annotation: Any) -> tuple[Any, bool]:
    """The type that an annotation gives a property, and whether null is a value of it."""
    if hasattr(get_origin(annotation), "__loop_prop__"):
        (annotation,) = get_args(annotation)
    takes_null = annotation in (None, type(None), Any, object)
    return annotation, takes_null or type(None) in get_args(annotation)
