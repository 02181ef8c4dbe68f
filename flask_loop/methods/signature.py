"""Signatures: what the annotations and defaults of a function say of a remote method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import FrameType, FunctionType, NoneType, UnionType
from typing import Any, Self, Union, get_args, get_origin

from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Request, Response

from ..definition import MISSING
from ..definition.annotations import NOT_UNDERSTOOD, Names, Scope, evaluate
from ..errors import DefinitionError
from ..types import TypeMismatch
from .declaration import Argument, Returns
from .types import (
    FILE,
    FILES,
    STREAM,
    TypeReader,
    is_file,
    is_readable,
    is_response,
    is_stream,
    source_of,
    without_none,
)

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _Context:
    """What ``Context`` stands for where a module imports it for type checkers alone."""


#: What annotations may name where the module imports it for type checkers alone.
_KNOWN = {
    each.__name__: each for each in (FileStorage, Generator, Iterable, Iterator, Request, Response)
} | {"Context": _Context, "Self": Self}


class Written:
    """A function as it was written: its parameters, its annotations, and where they stand.

    Annotations are understood when a method of it is first used, since they may name what is
    defined later; where they stand in a function and can be understood at once, they are. Then the
    function's variables are no longer kept.

    :param function: the function.
    :param frame: where it is declared, which may be another place than where it is defined.
    """

    def __init__(self, function: FunctionType, frame: FrameType | None = None) -> None:
        self.function = function
        space = getattr(inspect.unwrap(function), "__globals__", {})
        is_near = frame is not None and frame.f_globals is space
        self._scope = Scope.around(frame) if frame and is_near else Scope([space])
        signature = inspect.signature(function)
        self._parameters = list(signature.parameters.values())
        self._returns = signature.return_annotation
        if self._scope.frame is not None:
            with suppress(*NOT_UNDERSTOOD):
                self._understand(Names(self._scope, with_models=False, known=_KNOWN))

    def understand(self, model: type, home: type, *, takes_owner: bool) -> Signature:
        """Read the annotations.

        :param model: the model whose method it is, which is ``Self``.
        :param home: the class that has the function, which they may name.
        :param takes_owner: whether the first parameter is the class or the instance.
        :raises DefinitionError: naming the parameter whose annotation means nothing.
        """
        self._scope.own[home.__name__] = home
        names = Names(self._scope, with_models=True, known=_KNOWN)
        if self._scope.frame is not None:
            with suppress(*NOT_UNDERSTOOD):
                self._understand(names)
        parameters = self._parameters
        if takes_owner:
            if not parameters or parameters[0].kind not in _POSITIONAL:
                raise DefinitionError(
                    "its first parameter is for the model or the instance, and there is none"
                )
            if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
                parameters = parameters[1:]
        read = [
            each.replace(annotation=_with_self(_read(each, names), model)) for each in parameters
        ]
        try:
            returns = _given(_with_self(evaluate(self._returns, names), model))
        except NOT_UNDERSTOOD:
            returns = MISSING  # clients need not know what a method gives to call it
        if returns is MISSING and inspect.isgeneratorfunction(self.function):
            returns = Iterator
        return Signature(read, returns)

    def _understand(self, names: Names) -> None:
        """Put what the annotations mean in their place, and let go of the variables around them."""
        parameters = [
            each.replace(annotation=evaluate(each.annotation, names)) for each in self._parameters
        ]
        returns = evaluate(self._returns, names)
        self._parameters, self._returns = parameters, returns
        self._scope.frame = None


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _read(parameter: inspect.Parameter, names: Names) -> Any:
    try:
        return evaluate(parameter.annotation, names)
    except NOT_UNDERSTOOD as error:
        raise DefinitionError(
            f"the parameter {parameter.name!r}: {parameter.annotation}: {error}"
        ) from None


def _with_self(annotation: Any, model: type) -> Any:
    """An annotation in which ``Self`` is the model."""
    if annotation is Self:
        return model
    given = get_args(annotation)
    arguments = tuple(_with_self(each, model) for each in given)
    if arguments == given:
        return annotation
    origin = get_origin(annotation)
    return (Union if origin is UnionType else origin)[arguments]


def _given(value: Any) -> Any:
    return MISSING if value is inspect.Signature.empty else value


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives.

    :ivar parameters: those for arguments, their annotations understood.
    :ivar returns: what it gives, or ``MISSING``.
    """

    parameters: Sequence[inspect.Parameter]
    returns: Any

    def arguments(self, types: TypeReader, wire: Callable[[str], str]) -> list[Argument]:
        """The arguments that the parameters stand for.

        :param types: reads their types.
        :param wire: gives the name on the wire.
        :raises DefinitionError: naming the parameter that stands for none.
        """
        return [_argument(each, types, wire(each.name)) for each in self.parameters]

    def call_arguments(self, wire: Callable[[str], str]) -> dict[str, Argument]:
        """The arguments by parameter that are no client's, such as the context."""
        found = {}
        for each in self.parameters:
            source = _source_of(each)
            if source is not None:
                found[each.name] = _of_the_call(wire(each.name), source)
        return found

    def values(self, types: TypeReader) -> tuple[Returns, ...]:
        """What the function gives, as far as its annotation says."""
        annotation = self.returns
        if annotation in (None, NoneType):
            return ()
        root = Returns("result", "any", root=True)
        if annotation is MISSING:
            return (replace(root, or_nothing=True),)
        if is_stream(annotation):
            item = get_args(annotation)[:1]
            kind = _known_type(types, item[0])[1] if item else None
            return (replace(root, type=STREAM, kind=kind),)
        root = replace(root, nullable=NoneType in get_args(annotation))
        annotation = without_none(annotation)
        if is_response(annotation):
            return (root,)
        if is_file(annotation) or is_readable(annotation):
            return (replace(root, type=FILE),)
        name, kind = _known_type(types, annotation)
        return (replace(root, type=name, kind=kind),)


def _known_type(types: TypeReader, written: Any) -> tuple[str, Any]:
    """The type of what a function gives, which may be none that arguments can have."""
    try:
        return types.read(written)
    except DefinitionError:
        return "any", None


def _source_of(parameter: inspect.Parameter) -> str | None:
    annotation = without_none(parameter.annotation)
    return "context" if annotation is _Context else source_of(annotation)


def _of_the_call(name: str, source: str) -> Argument:
    return Argument(name, "object", source, documented=False)


def _argument(parameter: inspect.Parameter, types: TypeReader, name: str) -> Argument:
    if parameter.kind in _VARIABLE:
        raise DefinitionError(
            f"the parameter {parameter} stands for no argument; name the arguments in accepts"
        )
    source = _source_of(parameter)
    if source is not None:
        return _of_the_call(name, source)
    default, annotation = _given(parameter.default), _given(parameter.annotation)
    written = Any if annotation is MISSING else annotation
    try:
        type_, kind = types.read(without_none(written))
    except DefinitionError as error:
        raise DefinitionError(f"the parameter {parameter.name!r}: {error}") from None
    takes_none = NoneType in get_args(written) or written is NoneType
    return Argument(
        name,
        type_,
        "form" if type_ in (FILE, FILES) else "any",
        required=default is MISSING and not takes_none,
        kind=kind,
        default=_documented_default(kind, default),
        nullable=takes_none or default is None or written in (Any, object),
    )


def _documented_default(kind: Any, default: Any) -> Any:
    """A default that is a value of the type; any other is the function's own matter."""
    if kind is None or default is None or default is MISSING:
        return MISSING
    try:
        kind.load(default)
    except (TypeMismatch, TypeError):
        return MISSING
    return default
