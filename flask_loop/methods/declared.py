"""From what users declared to the remote methods that a model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ..errors import DefinitionError
from .declaration import RemoteMethod
from .generation import Generation
from .making import make_method
from .marking import Declaration, attribute_named, declare, found_in, mark_of, recorded

_CACHE = "__loop_declared_methods__"
_lock = Lock()


def declared_methods(model: Any) -> list[RemoteMethod]:
    """The remote methods that users declared on a model, and on what it derives from.

    The nearest declaration counts; a method that is overridden without one keeps what was declared
    of it, and None in its place takes it away. One that has no function yet waits for it.

    :param model: the model.
    :returns: them, those of bases first.
    :raises DefinitionError: naming the model, the method, and what means nothing.
    """
    kept = model.__dict__.get(_CACHE)
    while kept is None or kept.number != Generation.number:
        number = Generation.number
        made = _Kept(number, _make_all(model, {} if kept is None else kept.made))
        with _lock:
            if model.__dict__.get(_CACHE) is kept:
                type.__setattr__(model, _CACHE, made)
        # Another thread may have made them meanwhile: there is one method of each name for all.
        kept = model.__dict__[_CACHE]
    return [method for *_, method in kept.made.values()]


def waiting_methods(model: Any) -> list[str]:
    """The names of methods that were declared and have no function yet."""
    return [attribute for attribute in _collect(model) if found_in(model, attribute) is None]


#: By attribute: its declaration, the class where that is, its function, and the method.
_Made = dict[str, tuple[Declaration, type, Any, RemoteMethod]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was made of a model's declarations at one generation."""

    number: int
    made: _Made


def _make_all(model: Any, before: _Made) -> _Made:
    """Make the methods of a model; what is declared as it was before stays the same method."""
    made: _Made = {}
    operations: dict[str, str] = {}
    for attribute, (declaration, home) in _collect(model).items():
        function = found_in(model, attribute)
        if function is None:
            continue  # it waits for its function
        parts = (declaration, home, function)
        known = before.get(attribute)
        if known is not None and known[:3] == parts:
            method = known[3]
        else:
            method = _make(model, attribute, declaration, home)
        made[attribute] = (*parts, method)
        other = operations.setdefault(method.operation, attribute)
        if other != attribute:
            raise DefinitionError(
                f"the remote methods {other!r} and {attribute!r} of {model.__name__} would "
                f"both be {method.operation!r} on the wire"
            )
    return made


def _make(model: Any, attribute: str, declaration: Declaration, home: type) -> RemoteMethod:
    try:
        return make_method(model, attribute, declaration, home)
    except DefinitionError as error:
        name = f"{model.__name__}.{attribute}"
        raise DefinitionError(f"the remote method {name}: {error}") from None


def _collect(model: Any) -> dict[str, tuple[Declaration, type]]:
    """The declarations by attribute, and the class that has each."""
    found: dict[str, tuple[Declaration, type]] = {}
    for cls in reversed(model.__mro__):
        for attribute, value in list(cls.__dict__.items()):
            if value is None:
                found.pop(attribute, None)
            elif (mark := mark_of(value)) is not None:
                found[attribute] = (mark, cls)
        for name, options in _of_settings(cls).items():
            declaration = declare(f"{cls.__name__}.{name}", name, options)
            found[attribute_named(model, name)] = (declaration, cls)
        found.update((key, (each, cls)) for key, each in recorded(cls).items())
    return found


def _of_settings(cls: Any) -> Mapping[str, Mapping[str, Any]]:
    """The methods that a class's definition names, as LoopBack's JSON definitions do."""
    if not hasattr(cls, "__loop_model__") or "__loop_model__" in cls.__dict__:
        return {}
    methods: Mapping[str, Mapping[str, Any]] = cls.definition.settings.methods
    return methods
