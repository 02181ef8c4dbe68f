"""Code around remote methods and data operations: remote hooks with their patterns, and observers.

A *remote hook* runs before, after, or on the error of a method that a remote caller calls. An
*observer* runs around a data operation, whoever called it. This room keeps what was registered and
says in which order it runs; :mod:`flask_loop.remoting` runs the hooks, and the operations run the
observers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from itertools import count
from typing import Any, TypeVar

from .definition.naming import wire_name
from .errors import DefinitionError
from .methods import Generation, RemoteMethod

F = TypeVar("F", bound=Callable[..., Any])

#: When a remote hook runs.
BEFORE, AFTER, ERROR = "before", "after", "after error"
#: What of the context a hook gets as its second argument.
_SECOND = {BEFORE: "instance", AFTER: "result", ERROR: "error"}

#: What an observer may observe.
EVENTS = (
    "access",
    "before save",
    "persist",
    "loaded",
    "after save",
    "before delete",
    "after delete",
)


# Patterns


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a remote hook or a switch says of the names of methods.

    ``*`` stands for one part of a name between dots and ``**`` for any number of them. Other parts
    are names in either spelling.

    :ivar text: the pattern as it was written.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not all(self.text.split(".")):
            raise DefinitionError(
                f"a pattern is a method's name, or has * or ** in its place, not {self.text!r}"
            )

    @property
    def rank(self) -> int:
        """How wide the pattern is: 0 for a name, 1 with ``*``, 2 with ``**``."""
        parts = self.text.split(".")
        return 2 if "**" in parts else int("*" in parts)

    def is_hook_of(self, method: RemoteMethod, models: Iterable[str] = ()) -> bool:
        """Whether a remote hook with this pattern runs at a method.

        ``*.save`` and ``prototype.save`` mean each method that saves an instance, as LoopBack's
        users expect.

        :param method: the method.
        :param models: names of its model that the pattern may begin with.
        """
        names = names_of(method)
        if method.saves and self.text.rpartition(".")[2] == "save":
            names.add("prototype.save")
        return self.matches(with_prefixes(names, models))

    def matches(self, names: Iterable[str]) -> bool:
        """Whether one of a method's names fits."""
        wanted = [wire_name(part) for part in self.text.split(".")]
        return any(_fits(wanted, name.split(".")) for name in names)


def _fits(pattern: list[str], name: list[str]) -> bool:
    if not pattern:
        return not name
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        return any(_fits(rest, name[index:]) for index in range(len(name) + 1))
    return bool(name) and head in ("*", name[0]) and _fits(rest, name[1:])


def names_of(method: RemoteMethod) -> set[str]:
    """All names of a method that a pattern may mean, on the wire."""
    prefix = "prototype." if method.on_instance else ""
    return {method.wire, *method.aliases, prefix + wire_name(method.name)}


def with_prefixes(names: Iterable[str], models: Iterable[str]) -> set[str]:
    """Names of a method alone and behind the names of its model, as a whole Loop's patterns are."""
    names = set(names)
    return names | {f"{model}.{name}" for model in models for name in names}


# Remote hooks


@dataclass(frozen=True, slots=True)
class RemoteHook:
    """A function that runs before, after, or on the error of remote methods.

    :ivar kind: :data:`BEFORE`, :data:`AFTER` or :data:`ERROR`.
    :ivar pattern: which methods.
    :ivar function: given the context and, where it takes two arguments, the instance, the result or
        the error.
    :ivar takes_two: whether it does.
    :ivar position: grows with each registration.
    """

    kind: str
    pattern: Pattern
    function: Callable[..., Any]
    takes_two: bool
    position: int

    def run(self, ctx: Any) -> None:
        """Call the function. A result that it does not take is not looked at for it."""
        if self.takes_two:
            self.function(ctx, getattr(ctx, _SECOND[self.kind]))
        else:
            self.function(ctx)


_positions = count()


class RemoteHooks:
    """The remote hooks of one model, or of a whole :class:`~flask_loop.Loop`."""

    def __init__(self) -> None:
        self._hooks: list[RemoteHook] = []

    def __iter__(self) -> Iterator[RemoteHook]:
        return iter(self._hooks)

    def registrar(self, kind: str, pattern: str) -> Callable[[F], F]:
        """A decorator that registers a function.

        :param kind: :data:`BEFORE`, :data:`AFTER` or :data:`ERROR`.
        :param pattern: which methods.
        :raises DefinitionError: where the pattern means nothing.
        """
        parsed = Pattern(pattern)

        def register(function: F) -> F:
            if not callable(function):
                raise TypeError(f"a remote hook is a function, not {function!r}")
            takes_two = _takes(function, 2)
            if not (takes_two or _takes(function, 1)):
                raise TypeError(
                    "a remote hook takes the context, and one argument more if it likes; "
                    f"{_shown(function)} takes others"
                )
            call = synchronous(function)
            self._hooks.append(RemoteHook(kind, parsed, call, takes_two, next(_positions)))
            Generation.advance()
            return function

        return register


def in_order(
    hooks: Iterable[RemoteHook], kind: str, method: RemoteMethod, models: Iterable[str] = ()
) -> list[RemoteHook]:
    """The hooks of one kind that run at a method: exact names first, then ``*``, then ``**``.

    :param models: names of its model that patterns may begin with.
    """
    found = [
        hook for hook in hooks if hook.kind == kind and hook.pattern.is_hook_of(method, models)
    ]
    return sorted(found, key=lambda hook: (hook.pattern.rank, hook.position))


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not say what it takes
        return True
    return True


def _shown(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", repr(function))
    return f"{name}{inspect.signature(function)}"


def synchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that may be ``async def``, to be called like any other."""
    if not inspect.iscoroutinefunction(function):
        return function

    import asyncio  # only here, as it takes long to import and few need it

    @wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        if asyncio._get_running_loop() is not None:
            raise RuntimeError(
                f"{function.__qualname__} is async and is called where an event loop runs already, "
                "which cannot wait for it; make it a plain function"
            )
        try:
            return asyncio.run(function(*arguments, **named))
        except asyncio.CancelledError as error:  # no Exception, and so nobody's to answer
            raise RuntimeError(f"{function.__qualname__} was cancelled") from error

    return run


# Observers


class Observers:
    """The observers of one model or of one data source."""

    def __init__(self) -> None:
        self._functions: dict[str, list[Callable[[Any], Any]]] = {}

    def of(self, event: str) -> list[Callable[[Any], Any]]:
        """The observers of an event in the order of their registration."""
        return self._functions.get(event, [])

    def __bool__(self) -> bool:
        return bool(self._functions)

    def registrar(self, event: str) -> Callable[[F], F]:
        """A decorator that registers a function.

        :param event: one of :data:`EVENTS`.
        :raises DefinitionError: where there is no such event.
        """
        _refuse_unknown(event)
        return lambda function: self.add(event, function)

    def add(self, event: str, function: F) -> F:
        """Register a function.

        :param event: one of :data:`EVENTS`.
        :param function: takes the observer's context.
        :returns: the function.
        :raises DefinitionError: where there is no such event.
        """
        _refuse_unknown(event)
        if not callable(function):
            raise TypeError(f"an observer is a function, not {function!r}")
        if not _takes(function, 1):
            raise TypeError(f"an observer takes the context; {_shown(function)} takes others")
        self._functions.setdefault(event, []).append(synchronous(function))
        Generation.advance()
        return function


def _refuse_unknown(event: Any) -> None:
    if event not in EVENTS:
        called = "; observe is called with an event first" if callable(event) else ""
        known = ", ".join(map(repr, EVENTS))
        raise DefinitionError(f"there is no event {event!r}{called}; there are {known}")


# What models have


class HookMethods:
    """The class methods by which hooks and observers are registered on a model.

    A model that derives from another has its hooks and observers too.
    """

    @classmethod
    def before_remote(cls, pattern: str) -> Callable[[F], F]:
        """Run a function before remote methods, after their arguments were read.

        :param pattern: a method's name, such as ``create`` or ``prototype.patch_attributes``;
            ``*`` for all static methods, ``prototype.*`` for all of instances, ``**`` for all,
            ``*.save`` for all that save an instance.
        :returns: a decorator. The function takes the :class:`~flask_loop.remoting.Context` and, if
            it likes, the instance whose method is called, or None. What it raises ends the call.

        ::

            @Product.before_remote("*.save")
            def check(ctx, product):
                if ctx.user is None:
                    raise PermissionError("must be logged in to update")
        """
        return _remote_hooks_of(cls).registrar(BEFORE, pattern)

    @classmethod
    def after_remote(cls, pattern: str) -> Callable[[F], F]:
        """Run a function after remote methods that succeeded.

        :param pattern: as in :meth:`before_remote`.
        :returns: a decorator. The function takes the context and, if it likes, the result.
        """
        return _remote_hooks_of(cls).registrar(AFTER, pattern)

    @classmethod
    def after_remote_error(cls, pattern: str) -> Callable[[F], F]:
        """Run a function when a remote method, or a hook of it, raised an exception.

        :param pattern: as in :meth:`before_remote`.
        :returns: a decorator. The function takes the context, whose ``error`` it may replace, and,
            if it likes, the error.
        """
        return _remote_hooks_of(cls).registrar(ERROR, pattern)

    @classmethod
    def observe(cls, event: str) -> Callable[[F], F]:
        """Run a function around data operations of the model, whoever called them.

        :param event: ``access``, ``before save``, ``persist``, ``loaded``, ``after save``,
            ``before delete`` or ``after delete``.
        :returns: a decorator. The function takes the observer's context.
        :raises DefinitionError: where there is no such event.
        """
        observers: Observers = own_of(cls, "__loop_observers__", Observers)
        return observers.registrar(event)


def _remote_hooks_of(model: type) -> RemoteHooks:
    hooks: RemoteHooks = own_of(model, "__loop_remote_hooks__", RemoteHooks)
    return hooks


def own_of(model: Any, attribute: str, make: Callable[[], Any]) -> Any:
    """What a model has for itself and shares with those that derive from it, made when asked."""
    if "__loop_model__" in model.__dict__:
        raise TypeError("Model itself is every app's; hook a model of your own, a source or a Loop")
    refuse_bundled(model)
    if attribute not in model.__dict__:
        type.__setattr__(model, attribute, make())
    return model.__dict__[attribute]


def refuse_bundled(model: type) -> None:
    """Refuse to configure a bundled model itself, which is every app's.

    :raises TypeError: saying what to do instead.
    """
    if "__loop_bundled__" in model.__dict__:
        name = model.__name__
        raise TypeError(
            f"{name} itself is every app's: extend it first, by class My{name}({name}) or "
            f'{name}.extend("{name.lower()}")'
        )


def inherited(model: type, attribute: str) -> list[Any]:
    """What a model and those that it derives from have, the farthest base first."""
    return [cls.__dict__[attribute] for cls in reversed(model.__mro__) if attribute in cls.__dict__]
