"""Binding: how a Python function takes the arguments of a remote method."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..definition import MISSING, wire_name
from ..errors import DefinitionError
from .declaration import Argument

_EMPTY = inspect.Parameter.empty
_ONLY_BY_POSITION = inspect.Parameter.POSITIONAL_ONLY
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Taken:
    """One parameter and the argument that it takes.

    :ivar wire: the argument's name.
    :ivar parameter: the parameter's.
    :ivar otherwise: the value where none was given; ``MISSING`` where the function has one itself.
    """

    wire: str
    parameter: str
    otherwise: Any


@dataclass(frozen=True, slots=True)
class NamedBinding:
    """Gives each parameter its argument by keyword, where a function lets it."""

    positional: Sequence[Taken]
    named: Sequence[Taken]

    def __call__(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the positional arguments, and those by keyword."""
        values = tuple(arguments.get(each.wire, each.otherwise) for each in self.positional)
        named = {}
        for each in self.named:
            value = arguments.get(each.wire, each.otherwise)
            if value is not MISSING:
                named[each.parameter] = value
        return values, named


def bind(
    arguments: Mapping[str, Argument], parameters: Sequence[inspect.Parameter]
) -> NamedBinding:
    """Find the parameter of each argument.

    It is the parameter of the argument's name in either spelling; where no argument has one, as in
    LoopBack, the parameters take the arguments in their order.

    :param arguments: by name as it was written.
    :param parameters: those of the function, without the one for the model or the instance.
    :raises DefinitionError: naming an argument without a parameter, or the other way round.
    """
    takers = {each.name: each for each in parameters if each.kind not in _VARIABLE}
    found = {
        written: name
        for written, argument in arguments.items()
        for name in takers
        if _is_called(name, written, argument)
    }
    # What is no client's always has its parameter.
    from_clients = [name for name, argument in arguments.items() if argument.is_from_client]
    if from_clients and found.keys().isdisjoint(from_clients):
        found |= _in_order(from_clients, [name for name in takers if name not in found.values()])
    takes_any_name = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    rest = [written for written in arguments if written not in found]
    if rest and not takes_any_name:
        known = ", ".join(takers) or "none"
        raise DefinitionError(
            f"the argument {rest[0]!r} has no parameter of its name; the function's are: {known}"
        )
    return _binding(arguments, found | {each: each for each in rest}, takers)


def _is_called(parameter: str, written: str, argument: Argument) -> bool:
    if wire_name(parameter) in (wire_name(written), argument.name) or parameter == written:
        return True
    is_header = argument.source == "header"
    return is_header and parameter == written.replace("-", "_").lower()


def _in_order(arguments: list[str], parameters: list[str]) -> dict[str, str]:
    return dict(zip(arguments, parameters, strict=False))


def _binding(
    arguments: Mapping[str, Argument],
    found: Mapping[str, str],
    takers: Mapping[str, inspect.Parameter],
) -> NamedBinding:
    by_parameter: dict[str, str] = {}
    for written, name in found.items():
        if name in by_parameter:
            raise DefinitionError(
                f"the arguments {by_parameter[name]!r} and {written!r} are one parameter, {name!r}"
            )
        by_parameter[name] = written
    positional, named = [], []
    for name, parameter in takers.items():
        has_default = parameter.default is not _EMPTY
        if name not in by_parameter:
            if not has_default:
                raise DefinitionError(f"the parameter {name!r} has no argument of its name")
            if parameter.kind is not _ONLY_BY_POSITION:
                continue
        wire = arguments[by_parameter[name]].name if name in by_parameter else ""
        if parameter.kind is _ONLY_BY_POSITION:
            positional.append(Taken(wire, name, parameter.default if has_default else None))
        else:
            named.append(Taken(wire, name, MISSING if has_default else None))
    others = [written for name, written in by_parameter.items() if name not in takers]
    named += [Taken(arguments[written].name, written, MISSING) for written in others]
    return NamedBinding(positional, named)
