"""Context: what hooks, methods and observers see of a remote call, whatever the transport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from ..methods import Argument, RemoteMethod
from ..query import Filter, Where, both
from .callers import Caller

_UNKNOWN: Any = object()


class Result:
    """The outcome of an operation, not yet in any form."""

    __slots__ = ()

    def json(self) -> Any:
        """The outcome as JSON values."""
        raise NotImplementedError

    def python(self) -> Any:
        """The outcome as instances."""
        raise NotImplementedError


class Page(Result):
    """A list of which there is more.

    :param values: the list.
    :param next_skip: the ``skip`` of the rest; None where this is all.
    """

    __slots__ = ("next_skip", "values")

    def __init__(self, values: Any, next_skip: int | None) -> None:
        self.values, self.next_skip = values, next_skip

    def json(self) -> Any:
        return self.values

    def python(self) -> Any:
        return self.values


class Transport(Protocol):
    """What brings a call from outside.

    :ivar sender: who sends the signals of the call: the app.
    :ivar request: the request in the transport's own form; None where it has none.
    """

    request: Any

    @property
    def sender(self) -> Any: ...

    def caller(self) -> Caller:
        """Who calls, as far as is known without looking at the user's record."""

    def user(self) -> Any:
        """Who calls, or None."""

    def response(self, method: RemoteMethod) -> Any:
        """The head of the answer: ``status_code``, ``headers`` and cookies, made when looked at."""


class Context:
    """One remote call.

    :ivar method: the :class:`~flask_loop.methods.RemoteMethod`.
    :ivar model: the class whose method it is.
    :ivar args: the arguments by wire name, of their types. A hook may change them before the call.
    :ivar error: what was raised, for hooks after an error, which may put another in its place.
    :ivar options: whatever hooks want to hand down to observers.
    """

    __slots__ = (
        "_instance",
        "_next_skip",
        "_outcome",
        "_transport",
        "_user",
        "args",
        "error",
        "method",
        "model",
        "options",
    )

    def __init__(self, method: RemoteMethod, model: Any, transport: Transport) -> None:
        self.method = method
        self.model = model
        self.args: dict[str, Any] = {}
        self._instance: Any = None
        self.error: Exception | None = None
        self.options: dict[str, Any] = {}
        self._transport = transport
        self._outcome: Any = None
        self._next_skip: int | None = None
        self._user: Any = _UNKNOWN

    def __repr__(self) -> str:
        return f"<Context {self.method_string}>"

    @property
    def method_string(self) -> str:
        """The plural name and the method's, such as ``products.prototype.save``."""
        return f"{self.model.definition.plural}.{self.method.wire}"

    @property
    def instance(self) -> Any:
        """The record whose method is called; None of a static method.

        An operation that needs no instance reads the record for whoever looks.

        :raises ModelNotFound: where there is none with the id.
        """
        if self._instance is None and self.method.on_instance and "id" in self.args:
            self._instance = self.model.__loop_plan__().instance(self.args["id"])
        return self._instance

    @instance.setter
    def instance(self, value: Any) -> None:
        self._instance = value

    @property
    def caller(self) -> Caller:
        """Who calls, as far as is known without looking at the user's record."""
        return self._transport.caller()

    @property
    def user(self) -> Any:
        """Who calls, as Flask-Login knows them; None where that is nobody."""
        if self._user is _UNKNOWN:
            self._user = None  # to observers of what is read to find out who it is
            self._user = self._transport.user()
        return self._user

    @property
    def result(self) -> Any:
        """What the method gave: instances, not rows, once somebody looks. A hook may change it."""
        if isinstance(self._outcome, Result):
            self._next_skip = getattr(self._outcome, "next_skip", None)
            self._outcome = self._outcome.python()
        return self._outcome

    @result.setter
    def result(self, value: Any) -> None:
        self._outcome = value

    @property
    def sender(self) -> Any:
        """Who sends the signals of the call: the app."""
        return self._transport.sender

    @property
    def req(self) -> Any:
        """The request: over REST, Flask's."""
        return self._transport.request

    @property
    def res(self) -> Any:
        """The head of the answer: over REST, ``status_code``, ``headers`` and ``set_cookie()``."""
        return self._transport.response(self.method)

    def narrow(self, where: Any) -> None:
        """Add a condition to the filter or where that the method takes, before it is called.

        :param where: a dict by Python or wire names, or an expression.
        :raises TypeError: where the method takes neither.

        ::

            @Order.before_remote("find")
            def only_own(ctx):
                ctx.narrow({"customer_id": ctx.user.id})
        """
        for argument in self.method.accepts:
            value: Any = self.args.get(argument.name)
            if argument.type == "filter" and isinstance(value, Filter):
                wanted = self._parsed(where, argument)
                self.args[argument.name] = replace(value, where=both(value.where, wanted))
                return
            if argument.type == "where":
                self.args[argument.name] = both(value, self._parsed(where, argument))
                return
        raise TypeError(f"{self.method_string} takes no where; observe its access instead")

    def _parsed(self, where: Any, argument: Argument) -> Where:
        """A where on the records that an argument is about."""
        model = self.model if argument.of is None else argument.of.model
        parsed: Where = model.__loop_plan__().parser.where(where)
        return parsed

    @property
    def outcome(self) -> Any:
        """The result as it is, which may be a :class:`Result` that nobody looked at."""
        if self._next_skip is not None and isinstance(self._outcome, list):
            return Page(self._outcome, self._next_skip)
        return self._outcome


_current: ContextVar[Context | None] = ContextVar("flask_loop_context", default=None)
_options: ContextVar[Mapping[str, Any]] = ContextVar(
    "flask_loop_options", default=MappingProxyType({})
)


def current_context() -> Context | None:
    """The remote call that is running, or None: for observers, validations and methods."""
    return _current.get()


def current_options() -> Mapping[str, Any]:
    """What callers hand down to observers: the options of the call that runs, and of blocks."""
    context = _current.get()
    return _options.get() if context is None else {**context.options, **_options.get()}


def begin(context: Context) -> Token[Context | None]:
    """Let a call be the one that is running, until :func:`end` gets what this gives."""
    return _current.set(context)


end = _current.reset


@contextmanager
def options(**given: Any) -> Iterator[None]:
    """Hand options down to the observers of what is done inside the block.

    :param given: options by name; those of blocks around it stay.

    ::

        with options(skip_audit=True):
            Product.create(name="imported")
    """
    token = _options.set({**_options.get(), **given})
    try:
        yield
    finally:
        _options.reset(token)
