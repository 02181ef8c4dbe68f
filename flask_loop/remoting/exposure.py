"""Exposure: what one app shows of one model to remote callers, over every transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..definition import Relating, RelationDefinition
from ..errors import DefinitionError, NotFound
from ..hooks import (
    Pattern,
    RemoteHook,
    RemoteHooks,
    inherited,
    names_of,
    with_prefixes,
)
from ..methods import Generation, Reach, RemoteMethod, found_in, waiting_methods
from ..query import Bounds
from .access import Guard, GuardedMethod
from .arguments import Given
from .calls import Call, compile_call, run
from .context import Transport
from .switches import Switches


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What was compiled at one generation, by the wire names of methods.

    :ivar remote: whether remote callers have a method.
    :ivar shown: the same of the names that other models ask for.
    :ivar calls: how a method is called.
    :ivar methods: the methods.
    :ivar unknown: those of models that are in no app.
    :ivar is_guarded: whether one of the model's methods is guarded, once that is known.
    :ivar reaches_guarded: the same of models to which relations lead.
    """

    generation: int
    remote: dict[str, bool] = field(default_factory=dict)
    shown: dict[str, bool] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    methods: dict[str, RemoteMethod] = field(default_factory=dict)
    unknown: dict[Any, dict[str, RemoteMethod]] = field(default_factory=dict)
    is_guarded: list[bool] = field(default_factory=list)
    reaches_guarded: list[bool] = field(default_factory=list)


class Exposure:
    """One model in one app.

    :param model: the model's class.
    :param hooks: the remote hooks of the whole Loop.
    :param switches: what the app's configuration says of methods.
    :param bounds: how much a filter may ask for.
    :param others: the exposures of all models of the app, those to come too.
    :param find_guard: gives what guards the app, or None.
    """

    def __init__(
        self,
        model: Any,
        hooks: RemoteHooks,
        switches: Switches,
        bounds: Bounds,
        others: Mapping[Any, Exposure] = MappingProxyType({}),
        *,
        find_guard: Callable[[], Guard | None] = lambda: None,
    ) -> None:
        self.model = model
        self.bounds = bounds
        self._hooks = hooks
        self._switches = switches
        self._others = others
        self._find_guard = find_guard
        self._compiled = _Compiled(-1)
        self._methods = self.declared()

    def declared(self) -> list[RemoteMethod]:
        """The methods of the model that have a route, whether remote callers have them or not.

        :raises DefinitionError: naming one whose declaration means nothing.
        """
        methods: list[RemoteMethod] = self.model.__loop_methods__()
        return methods

    @property
    def methods(self) -> list[RemoteMethod]:
        """What :meth:`declared` gives, or last gave before one was declared that means nothing."""
        with suppress(DefinitionError):
            self._methods = self.declared()
        return self._methods

    def remote_methods(self) -> list[RemoteMethod]:
        """The methods that remote callers have now."""
        if Relating.is_waiting():
            Relating.settle(about=lambda model: model is self.model)
        return [method for method in self.methods if self.is_remote(method)]

    def find(self, name: str) -> RemoteMethod:
        """The method that remote callers have under a name, an alias, or in either spelling.

        :raises NotFound: where they have none.
        """
        with suppress(DefinitionError):
            pattern = Pattern(name)
            for method in () if pattern.rank else self.remote_methods():
                if pattern.matches(names_of(method)):
                    return method
        raise NotFound(f"There is no method {self.model.definition.plural}.{name}.")

    def is_remote(self, method: RemoteMethod) -> bool:
        """Whether remote callers have a method now."""
        remote = self._current().remote
        known = remote.get(method.wire)
        if known is None:
            known = self._decide(method)
            source = self.model.data_source
            if source is None or source.is_known:
                remote[method.wire] = known
        return known

    def shows(self, wire: str) -> bool:
        """Whether remote callers have the method with a wire name now."""
        current = self._current()
        known = current.shown.get(wire)
        if known is None:
            found = (self.is_remote(each) for each in self.methods if each.wire == wire)
            known = next(found, False)
            if wire in current.remote:
                current.shown[wire] = known
        return known

    def method(self, wire: str) -> RemoteMethod | None:
        """The method of the model with a wire name, whether callers have it or not."""
        by_wire = self._current().methods
        if not by_wire:
            by_wire.update((each.wire, each) for each in self.methods)
        return by_wire.get(wire)

    def method_of(self, model: Any, wire: str) -> RemoteMethod | None:
        """The method of a model to which relations lead, with a wire name.

        The model may be in no app.
        """
        exposure = self._others.get(model)
        if exposure is not None:
            return exposure.method(wire)
        unknown = self._current().unknown
        if model not in unknown:
            unknown[model] = {each.wire: each for each in _methods_of_unknown(model)}
        return unknown[model].get(wire)

    def invoke(self, method: RemoteMethod, given: Given, transport: Transport) -> Any:
        """Call a method; see :func:`flask_loop.remoting.calls.run`."""
        calls = self._current().calls
        plan = self.model.__loop_plan__()
        call = calls.get(method.wire)
        if call is None or call.target is not plan:
            call = calls[method.wire] = self._compile(plan, method)
        if call.around is None:
            return run(call, given, transport, self.bounds)
        with call.around():
            return run(call, given, transport, self.bounds)

    def idle(self) -> Iterator[str]:
        """Say what was registered on the model in vain, as it has no such methods."""
        methods, name = self.methods, self.model.model_name
        for hook in _hooks_of(self.model):
            if not any(map(hook.pattern.is_hook_of, methods)):
                yield f"the {hook.kind} hook {hook.pattern.text!r} of {name} matches no method"
        named = [names_of(method) for method in methods]
        of_definition = Switches.of(self.model.definition.settings.remoting)
        for switches in (*inherited(self.model, "__loop_switches__"), of_definition):
            for pattern in switches:
                if not any(map(pattern.matches, named)):
                    yield f"the switch {pattern.text!r} of {name} matches no method"
        for attribute in waiting_methods(self.model):
            yield f"the remote method {attribute!r} of {name} was declared and has no function"

    def means_any(self, pattern: Pattern) -> bool:
        """Whether a pattern of the whole Loop, or of the app, means one of the model's methods."""
        return any(pattern.is_hook_of(method, self._names()) for method in self.methods)

    def _current(self) -> _Compiled:
        """What is compiled of all that is registered now.

        It is replaced, not emptied: who compiles while something is registered keeps it in the old
        one.
        """
        compiled = self._compiled
        if compiled.generation != Generation.number:
            compiled = self._compiled = _Compiled(Generation.number)
        return compiled

    def _compile(self, plan: Any, method: RemoteMethod) -> Call:
        hooks, names = _hooks_of(self.model), self._names()
        guarded = self._guarded(method)
        return compile_call(plan, method, hooks, self._hooks, names, guarded=guarded)

    def _guarded(self, method: RemoteMethod) -> GuardedMethod | None:
        """What keeps callers from a method, or to some records; None where nothing does."""
        guard = self._find_guard()
        if guard is None:
            return None
        # What it reaches by relations, and the includes of its filter, may be guarded alone.
        is_guarded = (
            guard.guards(self.model, method)
            or self._reaches_guarded(guard)
            or (self._reaches_own(method) and self.is_guarded(guard))
        )
        return GuardedMethod(guard, self.method_of, self.model, method) if is_guarded else None

    def _reaches_own(self, method: RemoteMethod) -> bool:
        """Whether a method of a relation or of a named scope stands for another of the model."""
        return any(each.definition is self.model.definition for each in method.reaches)

    def _reaches_guarded(self, guard: Guard) -> bool:
        """Whether relations lead to a model of which a method is guarded."""
        known = self._current().reaches_guarded
        if not known:
            known.append(any(self._is_any_guarded(guard, each) for each in self._reachable()))
        return known[0]

    def _is_any_guarded(self, guard: Guard, model: Any) -> bool:
        exposure = self._others.get(model)
        if exposure is not None:
            return exposure.is_guarded(guard)
        return any(guard.guards(model, each) for each in _methods_of_unknown(model))

    def is_guarded(self, guard: Guard) -> bool:
        """Whether a method of the model is guarded."""
        known = self._current().is_guarded
        if not known:
            known.append(any(guard.guards(self.model, each) for each in self.methods))
        return known[0]

    def _reachable(self) -> Iterator[Any]:
        """The models to which relations lead from this one, at whatever distance.

        Those are among them whose records link others, or are written with them; they may be in no
        app.
        """
        seen: set[Any] = set()
        waiting = [self.model.definition]
        while waiting:
            for relation in waiting.pop().relations.values():
                for model in self._led_to(relation):
                    if model is not None and model not in seen:
                        seen.add(model)
                        waiting.append(model.definition)
                        yield model

    def _led_to(self, relation: RelationDefinition) -> Iterator[Any]:
        if relation.through is not None:
            yield relation.through.model
        if relation.target is None:
            yield from self._others
        elif (
            relation.is_embedded or relation.options.nested or relation.target.model in self._others
        ):
            yield relation.target.model

    def _decide(self, method: RemoteMethod) -> bool:
        source = self.model.data_source
        if source is None and (method.on_instance or not method.own):
            return False
        if not (method.own or method.related or self._has_operation(method)):
            return False
        said = self._said_of(method)
        if said is not None:
            pattern, is_on = said
            is_named = pattern.rank == 0
            return is_on and (is_named or self._reaches_all(method))
        is_shown = method.remote if source is None else bool(source.shows(method))
        return is_shown and self._reaches_all(method)

    def _said_of(self, method: RemoteMethod) -> tuple[Pattern, bool] | None:
        """What the model, or else the app, says of a method, and by which pattern."""
        names = names_of(method)
        of_definition = Switches.of(self.model.definition.settings.remoting)
        of_model = inherited(self.model, "__loop_switches__")
        for switches in (*reversed(of_model), of_definition):
            if (said := switches.said_of(names)) is not None:
                return said  # type: ignore[no-any-return]
        return self._switches.said_of(with_prefixes(names, self._names()))

    def _reaches_all(self, method: RemoteMethod) -> bool:
        """Whether remote callers have the methods that one of a relation stands for."""
        return all(self._reaches(each) for each in method.reaches if not each.of_link)

    def _reaches(self, reach: Reach) -> bool:
        if reach.definition is self.model.definition:
            return self.shows(reach.method)
        other = self._others.get(reach.definition.model)
        return other is not None and other.shows(reach.method)

    def _has_operation(self, method: RemoteMethod) -> bool:
        """Whether the source and the model have an operation; None in its place takes it away."""
        is_there = found_in(self.model, method.name) is not None
        return is_there and bool(self.model.data_source.is_enabled(method.operation))

    def _names(self) -> tuple[str, str]:
        definition = self.model.definition
        return definition.plural, definition.name


def _methods_of_unknown(model: Any) -> Iterable[RemoteMethod]:
    """The methods that are asked for of a model which is in no app.

    They are none of a model that a relation made for its own rows: what is said of all models is
    said of the two that these rows link.
    """
    is_asked = model is not None and "_made_for" not in model.__dict__
    return model.__loop_methods__() if is_asked else ()


def _hooks_of(model: type) -> Iterable[RemoteHook]:
    return [hook for hooks in inherited(model, "__loop_remote_hooks__") for hook in hooks]


def idle_registrations(
    exposures: Mapping[Any, Exposure], hooks: Iterable[RemoteHook], switches: Iterable[Pattern]
) -> Iterator[str]:
    """Say what was registered in vain, for methods that there are not.

    :param exposures: the exposed models of an app.
    :param hooks: the remote hooks of the whole Loop.
    :param switches: the patterns in the app's configuration.
    """
    for exposure in exposures.values():
        yield from exposure.idle()
    of_all = [(f"{hook.kind} hook", hook.pattern) for hook in hooks]
    of_all += [("setting LOOP_REMOTING", pattern) for pattern in switches]
    for what, pattern in of_all:
        if not any(exposure.means_any(pattern) for exposure in exposures.values()):
            yield f"the {what} {pattern.text!r} matches no method of any model"
