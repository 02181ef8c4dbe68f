"""Marking: how users say that a function is a remote method."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType, FunctionType, MethodType
from typing import Any, TypeVar, overload

from ..definition import RESERVED, wire_name
from ..errors import DefinitionError
from .generation import Generation
from .options import Options, read_options
from .signature import Written

F = TypeVar("F")

_MARK = "__loop_remote__"
_DECLARED = "__loop_remote_methods__"
_PROTOTYPE = "prototype."
_OPERATIONS = f"{__name__.partition('.')[0]}.operations."


@dataclass(frozen=True, slots=True)
class Declaration:
    """That a function is a remote method.

    :ivar options: what was written of it.
    :ivar on_instance: whether it is said to be a method of instances; None where nothing is said.
    :ivar written: the function as it was written, where it was there already.
    """

    options: Options
    on_instance: bool | None = None
    written: Written | None = None


@overload
def remote_method(function: F, /, **options: Any) -> F: ...


@overload
def remote_method(**options: Any) -> Callable[[F], F]: ...


def remote_method(function: Any = None, /, **options: Any) -> Any:
    """Let remote callers call a function: a decorator, with options or without, or a function.

    It stands above or below ``@classmethod`` and ``@staticmethod``; a function without either is a
    method of instances. It marks the function for every model that has it;
    ``Model.remote_method`` is for one model.

    :param function: the function; or, after the class, ``User.login``.
    :param accepts: the arguments, a dict or a list: ``{"arg": "name", "type": "string",
        "required": True}``, further ``default``, ``description``, ``documented``, ``allow_array``
        and ``http``, ``{"source": "query"}``: ``path``, ``query``, ``body``, ``form``, ``header``,
        ``request``, ``response``, ``context``, ``options``, or a function of the context. Where it
        is missing it is read from the parameters.
    :param returns: what it gives, a dict or a list: ``{"arg": "count", "type": "number"}``, further
        ``root``, ``description`` and ``http``, ``{"target": "status"}`` or ``{"target": "header",
        "header": "X-Total"}``. None is nothing (204). Where it is missing it is read from the
        annotation.
    :param http: ``{"verb": "get", "path": "/info", "status": 202, "error_status": 502}`` or a list
        of such. The verb is POST and the path the method's name where not given.
    :param description: a sentence for the documentation.
    :param notes: more for the documentation.
    :param documented: whether the documentation shows it.
    :param shared: whether remote callers have it where nothing else is said.
    :param max_body: the most bytes of a request's body.
    :param transaction: whether a call is one transaction of the model's data source, with its hooks
        and all that it reads for its answer: True, or a dict of what
        :meth:`~flask_loop.DataSource.transaction` takes.
    :param access_type: what it does to records, for access control: ``"READ"``, ``"WRITE"`` or
        ``"EXECUTE"``; by its verb where not given.
    :param access_scopes: what the caller's token must be for, one of a list; ``["DEFAULT"]`` where
        not given.
    :param acls: entries of access control for this method, dicts as in ``Meta.acls``.
    :returns: the function, or a decorator.
    :raises DefinitionError: naming an option that means nothing.

    ::

        class Product(Model):
            @remote_method(http={"verb": "get", "path": "/info"})
            @classmethod
            def stats(cls, min_price: float = 0) -> dict: ...

        remote_method(User.login, http={"path": "/sign-in"})
    """
    frame = sys._getframe(1)
    if function is None:
        return lambda function: _mark(function, options, frame)
    return _mark(function, options, frame)


def shared(function: F, /) -> F:
    """Let remote callers call a function: :func:`remote_method` without options."""
    return _mark(function, {}, sys._getframe(1))


def _mark(marked: F, options: Mapping[str, Any], frame: FrameType) -> F:
    function = plain_function(marked)
    if function is None:
        raise TypeError(f"a remote method is a function, not {marked!r}")
    if function.__module__.startswith(_OPERATIONS):
        raise TypeError(
            f"{function.__name__} is an operation of every model; override it in yours, or disable "
            "its routes"
        )
    name = function.__qualname__
    setattr(function, _MARK, declare(name, function.__name__, options, function, frame))
    Generation.advance()
    return marked


def declare(
    place: str,
    name: str,
    options: Mapping[str, Any],
    function: FunctionType | None = None,
    frame: FrameType | None = None,
) -> Declaration:
    """Read what was written of a method.

    :param place: what an error calls it.
    :param name: its name, which may begin with ``prototype.``.
    :param frame: where it was written.
    :raises DefinitionError: naming the method and the option that means nothing.
    """
    try:
        read = read_options(options)
        on_instance = None if read.is_static is None else not read.is_static
        if name.startswith(_PROTOTYPE):
            if on_instance is False:
                raise DefinitionError("a method of prototype is of instances, and not static")
            on_instance = True
    except DefinitionError as error:
        raise DefinitionError(f"the remote method {place}: {error}") from None
    written = None if function is None else Written(function, frame)
    return Declaration(read, on_instance, written)


def plain_function(value: Any) -> FunctionType | None:
    """The function that a method of any kind is, or an operation that is overridden; or None."""
    if isinstance(value, classmethod | staticmethod | MethodType):
        value = value.__func__
    elif hasattr(value, "of_instance"):
        value = getattr(value, "function", None)
    return value if isinstance(value, FunctionType) else None


def is_of_instance(value: Any) -> bool:
    """Whether what a class has under a name is a method of instances."""
    return bool(getattr(value, "of_instance", isinstance(value, FunctionType)))


def mark_of(value: Any) -> Declaration | None:
    """What an attribute of a class was marked with, or None."""
    mark = getattr(plain_function(value), _MARK, None)
    return mark if isinstance(mark, Declaration) else None


class RemoteMethods:
    """The class method by which a remote method is declared on one model."""

    @overload
    @classmethod
    def remote_method(cls, name: str, function: F, /, **options: Any) -> F: ...

    @overload
    @classmethod
    def remote_method(cls, name: str, /, **options: Any) -> Callable[[F], F]: ...

    @classmethod
    def remote_method(cls, name: str, function: Any = None, /, **options: Any) -> Any:
        """Let remote callers call a method of this model, and of those that derive from it.

        :param name: the method's name in either spelling; ``prototype.`` before it says that it is
            a method of instances.
        :param function: what becomes the method: given the model, or the instance, and the
            arguments. Where it is None, the model has the method already or gets it later.
        :param options: as :func:`remote_method` takes them.
        :returns: the function; without one, a decorator for it.
        :raises DefinitionError: naming an option that means nothing.

        ::

            @Product.remote_method("stats", http={"verb": "get"})
            def stats(cls, min_price: float = 0) -> dict: ...
        """
        if "__loop_model__" in cls.__dict__:
            raise TypeError("Model itself is every app's; declare methods on a model of your own")
        frame = sys._getframe(1)
        attribute = attribute_named(cls, name)
        if function is not None:
            _put(cls, name, function, options, frame)
            return function
        found = plain_function(found_in(cls, attribute))
        place = f"{cls.__name__}.{name}"
        _record(cls, attribute, declare(place, name, options, found, frame))

        def put(function: F) -> F:
            _put(cls, name, function, options, frame)
            return function

        return put


def _put(
    model: Any, name: str, function: Any, options: Mapping[str, Any], frame: FrameType
) -> None:
    """Make a function the method of a model, and a remote one."""
    place = f"{model.__name__}.{name}"
    plain = plain_function(function)
    if plain is None or isinstance(function, MethodType):
        raise TypeError(f"the remote method {place} is a function, not {function!r}")
    declaration = declare(place, name, options, plain, frame)
    if not (declaration.on_instance or isinstance(function, classmethod | staticmethod)):
        function = classmethod(function)
    attribute = attribute_named(model, name)
    setattr(model, attribute, function)
    _record(model, attribute, declaration)


def put_method(model: Any, attribute: str, method: Any, options: Mapping[str, Any]) -> None:
    """Make a class method of one model, and a remote one, of what its data source can do.

    :param options: as :func:`remote_method` takes them.
    :raises DefinitionError: naming an option that means nothing.
    """
    place = f"{model.__name__}.{attribute}"
    declaration = declare(place, attribute, options, plain_function(method))
    setattr(model, attribute, method)
    _record(model, attribute, declaration)


def take_method(model: Any, attribute: str) -> None:
    """Take away what :func:`put_method` put."""
    type.__delattr__(model, attribute)
    model.__dict__[_DECLARED].pop(attribute, None)
    Generation.advance()


def _record(model: Any, attribute: str, declaration: Declaration) -> None:
    if _DECLARED not in model.__dict__:
        type.__setattr__(model, _DECLARED, {})
    model.__dict__[_DECLARED][attribute] = declaration
    Generation.advance()


def recorded(cls: type) -> Mapping[str, Declaration]:
    """What was declared on a class alone, by attribute."""
    found: Mapping[str, Declaration] = cls.__dict__.get(_DECLARED, {})
    return found


def attribute_named(model: type, name: str) -> str:
    """The attribute that a declaration by name means.

    :param name: in either spelling, with ``prototype.`` or without.
    :raises DefinitionError: where no method can be called so.
    """
    name = name.removeprefix(_PROTOTYPE)
    if not name.isidentifier() or name in RESERVED:
        is_taken = name in RESERVED
        problem = (
            "is what every model has; give the method another name"
            if is_taken
            else "is no name of a method"
        )
        raise DefinitionError(f"the remote method {name!r} of {model.__name__}: {name!r} {problem}")
    attributes = dict.fromkeys(key for cls in model.__mro__ for key in cls.__dict__)
    if name in attributes:
        return name
    return next((key for key in attributes if wire_name(key) == wire_name(name)), name)


def found_in(model: type, attribute: str) -> Any:
    """What a model has under a name, as it is in the class that has it; or None."""
    return next((c.__dict__[attribute] for c in model.__mro__ if attribute in c.__dict__), None)
