"""Calling remote methods, whatever the transport: arguments in, a result out. No HTTP in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .errors import ArgumentError, NotFound
from .methods import Argument, RemoteMethod
from .query import Bounds, Filter, FilterParser

Arguments = Mapping[str, Any]


class Target(Protocol):
    """What a remote method is called on: a model's plan."""

    def remote_parser(self, bounds: Bounds) -> FilterParser:
        """The parser for the filters of remote callers."""

    def load_id(self, id: Any) -> Any:
        """An id as records hold it."""

    def override(self, method: RemoteMethod) -> Callable[..., Any] | None:
        """What calls the user's own function where a model overrides a method.

        It takes the bounds and the arguments by name.
        """


def invoke(target: Target, method: RemoteMethod, given: Arguments, bounds: Bounds) -> Any:
    """Call a remote method.

    :param target: the plan of the model.
    :param method: the method.
    :param given: the arguments by wire name, as the transport found them; absent where not given.
    :param bounds: how much a filter may ask for.
    :returns: the answer: a value, a result of an operation, or a dict of them by name.
    :raises ArgumentError: naming an argument that is missing or of the wrong type.
    """
    arguments = decode(target, method, given, bounds)
    override = target.override(method)
    if override is not None:
        value = override(bounds, **arguments)
    elif method.function is not None:
        value = method.function(target, bounds, **arguments)
    else:
        raise NotFound(f"There is no method {method.wire}.")
    return shape(method, value)


def decode(target: Target, method: RemoteMethod, given: Arguments, bounds: Bounds) -> Arguments:
    """Give a method's arguments their types.

    :raises ArgumentError: naming an argument that is missing or of the wrong type.
    """
    arguments: dict[str, Any] = {}
    _refuse_mistaken(method, given)
    for argument in method.accepts:
        value = given.get(argument.name)
        if argument.required and _is_missing(argument, value):
            raise ArgumentError(argument.name, "is required")
        if argument.type == "filter":
            arguments[argument.name] = _filter(target, method, value, bounds)
        elif argument.type == "where":
            arguments[argument.name] = target.remote_parser(bounds).where(value)
        elif argument.type == "model":
            arguments[argument.name] = _data(argument, given)
        elif argument.source == "path":
            arguments[argument.name] = target.load_id(value)
    return arguments


_MISTAKEN = (("filter", "where"), ("where", "filter"))


def _refuse_mistaken(method: RemoteMethod, given: Arguments) -> None:
    """Refuse a filter where a where is taken, or the other way round: it would widen the answer."""
    for name, instead in _MISTAKEN:
        if name in given and method.takes(instead) and not method.takes(name):
            raise ArgumentError(name, f"is not an argument of {method.wire}, which takes {instead}")


def _is_missing(argument: Argument, value: Any) -> bool:
    """Whether nothing is given; a where that is null would match all records."""
    if argument.type == "where" and isinstance(value, str):
        value = value.strip()
        return value in ("", "null")
    return value is None or value == ""


def shape(method: RemoteMethod, value: Any) -> Any:
    """Put a method's value into the form that it declares."""
    if not method.returns:
        return None
    declared = method.returns[0]
    return value if declared.root else {declared.name: value}


def _filter(target: Target, method: RemoteMethod, value: Any, bounds: Bounds) -> Filter | None:
    is_for_one = any(argument.source == "path" for argument in method.accepts)
    if value in (None, "") and is_for_one:
        return None
    return target.remote_parser(bounds).filter(value)


def _data(argument: Argument, given: Arguments) -> Any:
    value = given.get(argument.name, {})
    if isinstance(value, Mapping) or (argument.many and isinstance(value, list)):
        return value
    raise ArgumentError(
        argument.name, "is not an object" + (" or a list of objects" if argument.many else "")
    )
