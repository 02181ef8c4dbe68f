"""Making a remote method of what was declared, of what its function takes, and of its model."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from ..definition import MISSING, nearest, wire_name
from ..errors import DefinitionError
from ..types import Array, FieldValue, PropertyType, TypeMismatch
from .binding import bind
from .declaration import PLACEHOLDER, Argument, RemoteMethod, Returns, Route
from .marking import Declaration, found_in, is_of_instance, mark_of, plain_function
from .options import Options, WrittenArgument, WrittenReturns
from .signature import Signature, Written
from .types import FILE, FILES, STREAM, TypeReader

#: What the path of a method of instances begins with.
_OF_ONE = "/:id"


def make_method(model: Any, attribute: str, declaration: Declaration, home: type) -> RemoteMethod:
    """Make the remote method that one attribute of a model is.

    :param model: the model.
    :param attribute: the attribute, a function of the model or of instances.
    :param declaration: what was declared of it.
    :param home: the class where that was declared.
    :raises DefinitionError: naming what means nothing.
    """
    value = found_in(model, attribute)
    if plain_function(value) is None:
        raise DefinitionError(_no_function(value))
    on_instance = is_of_instance(value)
    _refuse_other_kind(declaration, on_instance=on_instance)
    if on_instance and next(iter(inspect.signature(value).parameters), None) == "cls":
        raise DefinitionError("its first parameter is cls, so it needs @classmethod")
    if inspect.isasyncgenfunction(plain_function(value)):
        raise DefinitionError("an async generator is not streamed; write a plain generator")
    if declaration.options.transaction and inspect.isgeneratorfunction(plain_function(value)):
        raise DefinitionError("a stream is sent after the end of a transaction, so it is in none")
    called = _signature(model, attribute, model, declaration)
    declared = _signature(model, attribute, home, declaration)
    maker = _Maker(model, attribute, declaration.options, declared)
    return replace(
        maker.make(on_instance=on_instance),
        description=declaration.options.description
        or _first_paragraph(value)
        or _first_paragraph(found_in(home, attribute)),
        binding=bind(maker.arguments, called.parameters),
    )


def _no_function(value: Any) -> str:
    if hasattr(value, "__loop_prop__"):
        return "the model has a property of this name; give the method another"
    return f"a remote method is a function, not {value!r}"


def _refuse_other_kind(declaration: Declaration, *, on_instance: bool) -> None:
    if declaration.on_instance in (None, on_instance):
        return
    if on_instance:
        raise DefinitionError("it is declared static, and the function is of instances")
    raise DefinitionError("it is declared of prototype, and the function is static")


def _signature(model: Any, attribute: str, cls: Any, declaration: Declaration) -> Signature:
    """What the function that a class has takes; it may be another than the model's own."""
    value = found_in(cls, attribute)
    if plain_function(value) is None:
        cls, value = model, found_in(model, attribute)
    home = next(each for each in cls.__mro__ if attribute in each.__dict__)
    written = _written(value, declaration)
    return written.understand(model, home, takes_owner=not isinstance(value, staticmethod))


def _written(value: Any, declaration: Declaration) -> Written:
    function = plain_function(value)
    for each in (declaration, mark_of(value)):
        if each is not None and each.written is not None and each.written.function is function:
            return each.written
    return Written(function)  # type: ignore[arg-type]


def _first_paragraph(value: Any) -> str:
    function = plain_function(value)
    text = "" if function is None else inspect.getdoc(function) or ""
    return " ".join(text.partition("\n\n")[0].split())


class _Maker:
    """Puts together what was written and what the function's annotations say.

    :param model: the model.
    :param attribute: the Python name of the method.
    :param options: what was written.
    :param signature: what the function takes and gives.

    :ivar arguments: by name as it was written.
    """

    def __init__(self, model: Any, attribute: str, options: Options, signature: Signature) -> None:
        self._attribute = attribute
        self._options = options
        self._signature = signature
        self._types = TypeReader(model)
        self._keeps_names = model.definition.settings.wire_case is None
        self.arguments = self._arguments()

    def make(self, *, on_instance: bool) -> RemoteMethod:
        options, name = self._options, self._wire(self._attribute)
        routes = tuple(
            Route(each.verb, self._path(each.path or f"/{name}", on_instance=on_instance))
            for each in options.routes
        )
        self._refuse_files_without_body(routes)
        return RemoteMethod(
            name=self._attribute,
            wire=f"prototype.{name}" if on_instance else name,
            accepts=tuple(_placed(each, routes) for each in self.arguments.values()),
            returns=self._returns(),
            routes=routes,
            remote=options.shared,
            notes=options.notes,
            documented=options.documented,
            status=options.status,
            error_status=options.error_status,
            max_body=options.max_body,
            transaction=options.transaction,
            own=True,
            said_access=options.access_type,
            access_scopes=options.access_scopes or ("DEFAULT",),
            acls=options.acls,
            errors=options.errors,
        )

    def _refuse_files_without_body(self, routes: tuple[Route, ...]) -> None:
        files = [each.name for each in self.arguments.values() if each.type in (FILE, FILES)]
        if files and all(route.verb in ("GET", "HEAD") for route in routes):
            raise DefinitionError(f"the file {files[0]!r} needs a body, which GET has not")

    def _wire(self, name: str) -> str:
        return name if self._keeps_names else wire_name(name)

    # Arguments

    def _arguments(self) -> dict[str, Argument]:
        if self._options.accepts is None:
            listed = self._signature.arguments(self._types, self._wire)
            arguments = {each.name: each for each in listed}
        else:
            arguments = {each.name: self._argument(each) for each in self._options.accepts}
            for name, argument in self._signature.call_arguments(self._wire).items():
                if argument.name not in {self._wire(each) for each in arguments}:
                    arguments[name] = argument
        names = [each.name for each in arguments.values()]
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(f"two arguments would be {name!r} on the wire")
        return arguments

    def _argument(self, written: WrittenArgument) -> Argument:
        argument = Argument(
            name=self._wire(written.name),
            type="object",
            source=written.source,
            required=written.required,
            many=written.many,
            description=written.description,
            documented=written.documented,
        )
        if not argument.is_from_client:
            return replace(argument, documented=False)
        try:
            type_, kind = self._types.read(written.type)
            if type_ == STREAM:
                raise DefinitionError("an argument is no stream")
            source = _file_source(argument) if type_ in (FILE, FILES) else argument.source
            return replace(
                argument,
                type=type_,
                kind=kind,
                source=source,
                default=_default(kind, written),
                nullable=_takes_null(kind) or written.default is None,
            )
        except DefinitionError as error:
            raise DefinitionError(f"the argument {written.name!r}: {error}") from None

    # What it gives

    def _returns(self) -> tuple[Returns, ...]:
        if self._options.returns is None:
            return self._signature.values(self._types)
        return tuple(map(self._value, self._options.returns))

    def _value(self, written: WrittenReturns) -> Returns:
        try:
            type_, kind = self._types.read(written.type)
        except DefinitionError as error:
            raise DefinitionError(f"the value {written.name!r} of returns: {error}") from None
        return Returns(
            name=self._wire(written.name),
            type=type_,
            root=written.root or type_ in (FILE, STREAM),
            target=written.target,
            header=written.header,
            description=written.description,
            kind=kind,
        )

    # Routes

    def _path(self, written: str, *, on_instance: bool) -> str:
        """The path below the model's, its placeholders called as the arguments on the wire."""
        path = PLACEHOLDER.sub(lambda found: f":{self._wire(found[1])}", written)
        if on_instance and path != _OF_ONE and not path.startswith(f"{_OF_ONE}/"):
            path = _OF_ONE + path.rstrip("/")
        names = PLACEHOLDER.findall(path)
        from_clients = {each.name for each in self.arguments.values() if each.is_from_client}
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(f"the path {written!r} has {name!r} twice")
            if name not in from_clients and not (on_instance and name == "id"):
                hint = nearest(name, from_clients)
                raise DefinitionError(f"the path {written!r} has no argument {name!r}{hint}")
        return path


def _placed(argument: Argument, routes: tuple[Route, ...]) -> Argument:
    """The argument with its place in the paths.

    :raises DefinitionError: where it is said to be in the path and is not, or the other way round.
    """
    holding = [route for route in routes if argument.name in route.placeholders]
    if argument.source == "any":
        return replace(argument, source="path") if len(holding) == len(routes) else argument
    if argument.source == "path" and len(holding) < len(routes):
        missing = next(route.path for route in routes if route not in holding)
        raise DefinitionError(
            f"the argument {argument.name!r} is in the path, and {missing!r} has no "
            f"{':' + argument.name!r}"
        )
    is_elsewhere = argument.source != "path" and argument.is_from_client
    if holding and is_elsewhere and argument.name != "id":
        raise DefinitionError(
            f"the argument {argument.name!r} is in the path {holding[0].path!r} and cannot come "
            f"from the {argument.source}"
        )
    return argument


def _file_source(argument: Argument) -> str:
    if argument.source in ("any", "form", "body"):
        return "form"
    raise DefinitionError(f"a file is in a form, and not in the {argument.source}")


def _takes_null(kind: PropertyType | None) -> bool:
    """Whether a type's own values have null among them."""
    return isinstance(kind, FieldValue) and bool(kind.field.allow_none)


def _default(kind: PropertyType | None, written: WrittenArgument) -> Any:
    """The default of an argument as a value of its type.

    :raises DefinitionError: where it is none.
    """
    default = written.default
    if kind is None or default is None or default is MISSING:
        return default
    try:
        return (Array(kind) if written.many and isinstance(default, list) else kind).load(default)
    except TypeMismatch as error:
        raise DefinitionError(f"the default {default!r} {error}") from None
