"""The arguments of a remote call: what came from outside, given the types that are declared."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from ..definition import MISSING, Embedded
from ..errors import ArgumentError
from ..methods import Argument, RemoteMethod
from ..query import Bounds, FilterParser
from ..schema import spell_path
from ..types import AnyValue, Null, Object, TypeMismatch
from .context import Context
from .values import Reader, Records, one_or_many, reader_of

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller gave.

    :ivar values: the arguments by wire name, as the transport found them; absent where not given.
    :ivar text: the names of those that came as text, which is decoded; others are typed already.
    """

    values: Mapping[str, Any]
    text: Container[str] = ()


class Target(Records, Protocol):
    """What a remote method is called on: a model's plan."""

    model: Any
    parser: FilterParser

    @property
    def is_watched(self) -> bool:
        """Whether somebody observes the model's records."""

    def instance(self, id: Any) -> Any:
        """The record with an id, as an instance."""

    def remote_parser(self, bounds: Bounds, *, nested: bool = False) -> FilterParser:
        """The parser for the filters of remote callers, on records inside others where nested."""

    def read_id(self, id: Any, argument: str) -> Any:
        """An id as records hold it, from its text in a path."""

    def override(self, method: RemoteMethod) -> Callable[..., Any] | None:
        """What calls the user's own function where a model overrides a method.

        It takes the bounds and the arguments by name.
        """


def decode(
    target: Target,
    method: RemoteMethod,
    received: Given,
    bounds: Bounds,
    ctx: Context | None = None,
    *,
    readings: Sequence[Reading] | None = None,
) -> Arguments:
    """Give a method's arguments their types.

    :param target: the plan of the model.
    :param method: the method.
    :param received: what the caller gave.
    :param bounds: how much a filter may ask for.
    :param ctx: the call, for arguments that are taken from it.
    :param readings: what :func:`readings_of` gave for the method, where the caller keeps it.
    :returns: the arguments by wire name.
    :raises ArgumentError: naming an argument that is missing or of the wrong type.
    """
    if method.own:
        readings = readings_of(method) if readings is None else readings
        return _decode_own(readings, target, received, ctx)
    given = received.values
    arguments: dict[str, Any] = {}
    _refuse_mistaken(method, given)
    for argument in method.accepts:
        value = given.get(argument.name)
        if _is_missing(argument, value) and (argument.required or argument.name in given):
            _refuse_missing(argument, method)
        of = target if argument.of is None else target_of(argument, target)
        if argument.type == "filter":
            parser = of.remote_parser(bounds, nested=argument.inside)
            is_left_out = method.gives_one and value in (None, "")
            arguments[argument.name] = None if is_left_out else parser.filter(value)
        elif argument.type == "where":
            parser = of.remote_parser(bounds, nested=argument.inside)
            arguments[argument.name] = parser.where(value)
        elif argument.type == "model":
            arguments[argument.name] = _data(argument, given, bounds, of)
        elif argument.source == "path":
            arguments[argument.name] = of.read_id(value, argument.name)
    return arguments


def target_of(argument: Argument, own: Target) -> Target:
    """The plan of the model whose records an argument is about.

    :param own: the plan of the model that has the method.
    """
    if argument.of is None:
        return own
    plan: Target = argument.of.model.__loop_plan__()
    return plan


_MISTAKEN = (("filter", "where"), ("where", "filter"))


def _refuse_mistaken(method: RemoteMethod, given: Mapping[str, Any]) -> None:
    """Refuse a filter where a where is taken, or the other way round: it would widen the answer."""
    for name, instead in _MISTAKEN:
        if name in given and method.takes(instead) and not method.takes(name):
            raise ArgumentError(name, f"is not an argument of {method.wire}, which takes {instead}")


def _refuse_missing(argument: Argument, method: RemoteMethod) -> None:
    """Refuse nothing in the place of what is required, or of a where that says what to delete."""
    if argument.required:
        raise ArgumentError(argument.name, "is required")
    if argument.type == "where" and any(route.verb == "DELETE" for route in method.routes):
        raise ArgumentError(argument.name, "is blank; leave it out to mean all records")


def _is_missing(argument: Argument, value: Any) -> bool:
    """Whether nothing is given; a where that is null would match all records."""
    if argument.type == "where" and isinstance(value, str):
        value = value.strip()
        return value in ("", "null")
    return value is None or value == ""


def _data(argument: Argument, given: Mapping[str, Any], bounds: Bounds, of: Target) -> Any:
    value = given.get(argument.name, {})
    if isinstance(value, Mapping):
        return value
    if not (argument.many and isinstance(value, list)):
        many = " or a list of objects" if argument.many else ""
        raise ArgumentError(argument.name, f"is not an object{many}")
    most = min(bounds.values, of.model.__loop_most_new__ or bounds.values)
    if len(value) > most:
        raise ArgumentError(argument.name, f"has more than {most} records")
    for index, each in enumerate(value):
        if not isinstance(each, Mapping):
            raise ArgumentError(argument.name, f"is not a list of objects: see index {index}")
    return value


# Users' own methods


@dataclass(frozen=True, slots=True)
class Reading:
    """How one argument of a user's own method is read.

    :ivar read: reads what a client gave.
    :ivar of_call: gives what is no client's.
    """

    argument: Argument
    read: Reader
    of_call: Callable[[Context], Any] | None = None


_OF_CALL: dict[str, Callable[[Context], Any]] = {
    "context": lambda ctx: ctx,
    "request": lambda ctx: ctx.req,
    "response": lambda ctx: ctx.res,
    "options": lambda ctx: ctx.options,
}


def readings_of(method: RemoteMethod) -> Sequence[Reading]:
    """How the arguments of a method are read; of an operation, which has its own way, none."""
    return tuple(map(_reading, method.accepts)) if method.own else ()


def _decode_own(
    readings: Sequence[Reading], target: Target, received: Given, ctx: Context | None
) -> Arguments:
    arguments: Arguments = {}
    for each in readings:
        argument = each.argument
        if each.of_call is not None:
            value = None if ctx is None else each.of_call(ctx)
            if value is None and argument.required:
                raise ArgumentError(argument.name, "is required")
        else:
            value = _value(each, target, received)
        if value is not MISSING:
            arguments[argument.name] = value
    return arguments


def _reading(argument: Argument) -> Reading:
    source = argument.source
    of_call = _OF_CALL.get(source) if isinstance(source, str) else source
    if argument.kind is None:
        return Reading(argument, _files if argument.type == "[file]" else _file, of_call)
    read = one_or_many(argument.kind) if argument.many else reader_of(argument.kind)
    return Reading(argument, read, of_call)


def _value(reading: Reading, target: Target, received: Given) -> Any:
    """What a client gave for an argument, what it is by default, or ``MISSING``."""
    argument = reading.argument
    value = received.values.get(argument.name, MISSING)
    if argument.required and (value is MISSING or (value == "" and not _is_any_body(argument))):
        raise ArgumentError(argument.name, "is required")
    if value is MISSING:
        return deepcopy(argument.default)
    try:
        if value is not None:
            value = reading.read(target, value, argument.name in received.text)
        return _null(argument) if value is None else value
    except TypeMismatch as error:
        raise _argument_error(argument, error) from None


def _is_any_body(argument: Argument) -> bool:
    """Whether it is the whole body, of which any JSON is a value: blank text too."""
    return argument.source == "body" and isinstance(argument.kind, AnyValue)


#: The types of which null is a value where nothing else is said, as it is in LoopBack.
_WITH_NULL = (AnyValue, Embedded, Null, Object)


def _null(argument: Argument) -> None:
    if argument.nullable:
        return
    if argument.required:
        raise ArgumentError(argument.name, "is required")
    kind = argument.kind
    if not isinstance(kind, _WITH_NULL):
        raise TypeMismatch("null", "is null" if kind is None else kind.message)


def _argument_error(argument: Argument, error: TypeMismatch) -> ArgumentError:
    path = error.path if argument.kind is None else spell_path(argument.kind, error.path, "wire")
    return ArgumentError(".".join([argument.name, *map(_shown, path)]), str(error))


def _shown(part: str | int) -> str:
    """A part of a path, which may be a client's, as text that every encoding has."""
    return str(part).encode(errors="backslashreplace").decode()


def _file(target: Records, value: Any, is_text: bool) -> Any:
    if not hasattr(value, "read"):
        raise TypeMismatch("file", "is not a file")
    return value


def _files(target: Records, value: Any, is_text: bool) -> list[Any]:
    listed = value if isinstance(value, list) else [value]
    return [_file(target, each, is_text) for each in listed]
