"""Access: what the caller of one remote call may do, and to which records.

Who may call what is decided by a :class:`Guard`, which the app has. This module applies what it
decides: a call that is not allowed is refused before anything is read, and one that is allowed for
some records only is narrowed to these, in whatever way it reaches them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..connectors.base import id_where
from ..errors import ModelNotFound
from ..methods import Argument, RemoteMethod
from ..query import EVERYTHING, NOTHING, Filter, Where, both
from .callers import Caller


@dataclass(frozen=True, slots=True)
class Decision:
    """What a caller may do by one method.

    :ivar where: the records of the method's model to which it may be done.
    :ivar on_none: whether it may be done where it is to no record that there is, as to create one.
    """

    where: Where
    on_none: bool

    @property
    def is_free(self) -> bool:
        """Whether it may be done to all records."""
        return self.where == EVERYTHING

    @property
    def is_denied(self) -> bool:
        """Whether it may be done to none."""
        return self.where == NOTHING and not self.on_none


class Guard(Protocol):
    """What decides who may call what, in one app."""

    def guards(self, model: Any, method: RemoteMethod) -> bool:
        """Whether it may ever refuse a method, or narrow it."""

    def decide(self, caller: Caller, model: Any, method: RemoteMethod) -> Decision:
        """What a caller may do by a method of a model."""

    def refusal(self, caller: Caller, model: Any, method: RemoteMethod) -> Exception:
        """What a caller gets who may not call a method."""


class Access:
    """What the caller of one remote call may do, found out when it is asked.

    :param guard: the app's.
    :param find_method: gives the method of a model with a wire name, or None.
    :param caller: who calls.
    """

    __slots__ = ("_decided", "_find_method", "caller", "guard")

    def __init__(
        self, guard: Guard, find_method: Callable[[Any, str], RemoteMethod | None], caller: Caller
    ) -> None:
        self.guard, self._find_method, self.caller = guard, find_method, caller
        self._decided: dict[tuple[Any, str], Decision] = {}

    def decision(self, model: Any, method: RemoteMethod) -> Decision:
        """What the caller may do by a method of a model."""
        key = model, method.wire
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = self.guard.decide(self.caller, model, method)
        return found

    def rows(self, model: Any, wire: str) -> Where:
        """The records of a model for which the caller has a method, by the method's wire name.

        One that remote callers do not have is decided by whoever asks for it by name.
        """
        method = self._find_method(model, wire)
        return EVERYTHING if method is None else self.decision(model, method).where

    def makes(self, model: Any, wire: str) -> bool:
        """Whether the caller has a method of a model where it is about no record that there is."""
        method = self._find_method(model, wire)
        return method is None or self.decision(model, method).on_none

    def demand_by_name(self, model: Any, wire: str) -> None:
        """Refuse a caller who has a method of a model for no record, or must not create by it.

        :raises Exception: what :meth:`Guard.refusal` gives.
        """
        method = self._find_method(model, wire)
        if method is not None:
            self.demand(model, method)

    def demand(self, model: Any, method: RemoteMethod) -> Decision:
        """Refuse a caller who may not call a method at all, or must not create by it.

        What creates records of another one is about the other one.

        :raises Exception: what :meth:`Guard.refusal` gives.
        """
        decision = self.decision(model, method)
        makes = method.creates and not method.is_by_id
        if decision.is_denied or (makes and not decision.on_none):
            raise self.guard.refusal(self.caller, model, method)
        return decision


_current: ContextVar[Access | None] = ContextVar("flask_loop_access", default=None)


def current_access() -> Access | None:
    """What the caller of the guarded call that is running may do; None where nothing is guarded."""
    return _current.get()


begin_access = _current.set
end_access = _current.reset


class GuardedMethod:
    """How one method of a model is guarded, known before anybody calls it.

    :param guard: the app's guard.
    :param find_method: gives the method of a model with a wire name, or None.
    :param model: the model.
    :param method: the method.
    """

    def __init__(
        self,
        guard: Guard,
        find_method: Callable[[Any, str], RemoteMethod | None],
        model: Any,
        method: RemoteMethod,
    ) -> None:
        self._guard, self._find_method = guard, find_method
        self._model, self._method = model, method
        self._narrowed = _narrowed_argument(method)
        self._has_id = method.is_by_id
        self._of_holder = [each.method for each in method.reaches if each.of_holder]
        self._may_make = _may_make_or_change(method)

    def enter(self, caller: Caller) -> Access:
        """Refuse a caller who may not call the method, whatever the arguments are.

        :returns: what else the caller may do.
        :raises Exception: what :meth:`Guard.refusal` gives.
        """
        access = Access(self._guard, self._find_method, caller)
        decision = access.demand(self._model, self._method)
        is_about_rows = self._has_id or self._narrowed is not None
        if not is_about_rows and not self._is_allowed(decision):
            raise self._refusal(access)
        self._demand_reached(access, self._method)
        return access

    def _demand_reached(self, access: Access, method: RemoteMethod) -> None:
        """Refuse a caller who has not the methods that one of a relation stands for."""
        for reach in method.reaches:
            target = reach.definition.model
            reached = self._find_method(target, reach.method)
            if reached is None:
                continue
            access.demand(target, reached)
            self._demand_reached(access, reached)

    def admit(self, access: Access, target: Any, arguments: dict[str, Any]) -> None:
        """Keep a call to the records that the caller has the method for.

        :param target: the plan of the model.
        :param arguments: those of the method by wire name; what says which records are meant is
            narrowed in place.
        :raises Exception: what :meth:`Guard.refusal` gives, where the record of the path is not one
            of them.
        """
        decision = access.decision(self._model, self._method)
        if self._has_id:
            where = decision.where
            for method in self._of_holder:
                where = both(where, access.rows(self._model, method))
            if where == EVERYTHING:
                return
            where = both(id_where(target.definition, arguments["id"]), where)
            if decision.where == NOTHING or not target.is_there(where):
                refusal = self._refusal(access)
                is_hidden = isinstance(refusal, ModelNotFound)  # as if it were not there
                raise target.not_found(arguments["id"]) if is_hidden else refusal
        elif self._narrowed is not None and not decision.is_free:
            name, value = self._narrowed.name, arguments[self._narrowed.name]
            if self._may_make and not self._is_allowed(decision):
                raise self._refusal(access)
            if isinstance(value, Filter):
                narrowed: Any = replace(value, where=both(decision.where, value.where))
            else:
                narrowed = both(decision.where, value)
            arguments[name] = narrowed

    def _is_allowed(self, decision: Decision) -> bool:
        """Whether a call may be made that no argument keeps to some records."""
        return decision.is_free if self._may_make else decision.on_none

    def _refusal(self, access: Access) -> Exception:
        return self._guard.refusal(access.caller, self._model, self._method)


#: The operations that change a record where it is there, and else create one.
_UPSERTING = frozenset(
    {"upsert", "replace_or_create", "upsert_with_where", "find_or_create", "save"}
)


def _may_make_or_change(method: RemoteMethod) -> bool:
    return not method.own and method.name in _UPSERTING


def _narrowed_argument(method: RemoteMethod) -> Argument | None:
    """The argument that says which of the model's own records a static method is about."""
    if method.own or method.on_instance:
        return None
    return next(
        (
            each
            for each in method.accepts
            if each.type in ("filter", "where") and each.of is None and not method.gives_one
        ),
        None,
    )
