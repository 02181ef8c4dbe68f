"""Annotations: what the texts in them stand for, where they are written."""

from __future__ import annotations

import builtins
import datetime as dt
import inspect
import uuid
from collections.abc import Mapping
from decimal import Decimal
from types import FrameType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from ..errors import DefinitionError
from ..geo import GeoPoint
from .registry import registry

#: Types that an annotation may name where the module imports them for type checkers alone.
_WELL_KNOWN: dict[str, Any] = {
    "Any": Any,
    "Decimal": Decimal,
    "GeoPoint": GeoPoint,
    "UUID": uuid.UUID,
    "date": dt.date,
    "datetime": dt.datetime,
}


class Scope:
    """Where a class, or a function, stands: the namespaces around it, innermost first.

    :ivar own: the class itself and the classes inside it, by name.
    :ivar frame: the function around it, whose variables may be set later.
    """

    def __init__(self, namespaces: list[Mapping[str, Any]], frame: FrameType | None = None) -> None:
        self.own: dict[str, Any] = {}
        self.frame = frame
        self._namespaces = namespaces

    @classmethod
    def around(cls, frame: FrameType) -> Scope:
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


class Names(dict[str, Any]):
    """The names that an annotation may use: those around the class, and other models.

    :param scope: where the annotation is written.
    :param with_models: whether models that are not in the scope are found by name.
    :param known: what else is known where the scope does not have it.
    """

    def __init__(
        self, scope: Scope, *, with_models: bool, known: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._scope, self._with_models, self._known = scope, with_models, known or {}

    def __missing__(self, name: str) -> Any:
        try:
            return self._scope.find(name)
        except KeyError:
            if name in self._known:
                return self._known[name]
            if not self._with_models:
                raise
            return registry.get(name)


#: What evaluating an annotation may raise.
NOT_UNDERSTOOD = (AttributeError, DefinitionError, LookupError, NameError, SyntaxError, TypeError)


def evaluate(annotation: Any, names: Names) -> Any:
    """An annotation with the texts in it replaced by what they stand for."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        # It is the text of the programmer's own code.
        return evaluate(eval(annotation, {}, names), names)  # noqa: S307
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return annotation
    if origin is Annotated:
        return evaluate(given[0], names)
    arguments = tuple(evaluate(each, names) for each in given)
    if origin is None or arguments == given:
        return annotation
    if origin is UnionType:
        origin = Union
    return origin[arguments]


def understand(annotation: Any) -> tuple[Any, bool]:
    """The type that an annotation means, and whether null is a value of it."""
    if hasattr(get_origin(annotation), "__loop_prop__"):
        (annotation,) = get_args(annotation)
    takes_null = annotation in (None, type(None), Any, object)
    return annotation, takes_null or type(None) in get_args(annotation)
