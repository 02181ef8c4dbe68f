"""Functions: what a data source can do beside the operations, as methods of its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..connectors.base import Function
from ..definition import RESERVED, wire_name
from ..errors import DefinitionError, NotAttachedError
from ..methods import found_in, put_method, take_method
from ..methods.marking import plain_function
from .base import OPERATION_OF

_GIVEN = "_functions_given"
_OURS = f"{__name__.partition('.')[0]}.operations."


@dataclass(frozen=True, slots=True)
class _Given:
    """A function that a model has, and how it was declared."""

    name: str
    method: Any
    options: Mapping[str, Any]


def give_functions(model: Any, functions: Mapping[str, Function]) -> None:
    """Give a model the functions of its data source, and take those of an earlier one away.

    A method of the model's own keeps its place; an operation makes room.

    :raises DefinitionError: naming a function that no method can be called as.
    """
    before: dict[str, _Given] = {
        attribute: given
        for attribute, given in model.__dict__.get(_GIVEN, {}).items()
        if model.__dict__.get(attribute) is given.method
    }
    options = {name: _options(function) for name, function in functions.items()}
    for attribute, given in before.items():
        if options.get(given.name) != given.options:
            take_method(model, attribute)
    now = {key: given for key, given in before.items() if key in model.__dict__}
    known = {given.name for given in now.values()}
    for name in (each for each in options if each not in known):
        free = _attribute(model, name)
        if free is not None:
            now[free] = _Given(name, _method(name), options[name])
            put_method(model, free, now[free].method, options[name])
    type.__setattr__(model, _GIVEN, now)


def _attribute(model: Any, name: str) -> str | None:
    """What a function is called on a model; None where the model has one of its own."""
    operation = next((each for each in OPERATION_OF if wire_name(each) == wire_name(name)), None)
    if operation is not None:
        found = plain_function(found_in(model, operation))
        is_own = found is not None and not found.__module__.startswith(_OURS)
        return None if is_own else operation
    if name in RESERVED:
        raise DefinitionError(
            f"the function {name!r} of the data source of {model.__name__}: {name!r} is what "
            "every model has; give the function another name"
        )
    return name if found_in(model, name) is None else None


def _method(name: str) -> classmethod[Any, Any, Any]:
    def call(cls: Any, /, *arguments: Any, **named: Any) -> Any:
        function = cls.data_source.functions.get(name)
        if function is None:
            raise NotAttachedError(
                f"{cls.__name__}.{name}() is no function of the data source "
                f"{cls.data_source.name!r}"
            )
        return function(*arguments, **named)

    call.__name__ = name
    call.__qualname__ = name
    return classmethod(call)


def _options(function: Function) -> dict[str, Any]:
    """The declaration of the remote method."""
    return {
        "accepts": [_argument(each) for each in function.arguments],
        "returns": {"arg": "data", "type": "any", "root": True},
        "http": {"verb": function.verb.lower(), "path": function.path or f"/{function.name}"},
        "description": function.description,
        "shared": function.shared,
    }


def _argument(argument: Any) -> dict[str, Any]:
    said = {
        "arg": argument.name,
        "type": argument.type,
        "required": argument.required,
        "description": argument.description,
        "http": {"source": argument.source},
    }
    return said if argument.default is None else {**said, "default": argument.default}
