"""Observation: what observers see of one data operation, and what they change of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..connectors.base import Record
from ..definition import MISSING, ModelDefinition, nearest
from ..query import And, Compare, Filter, FilterParser, Not, Or, Where, WhereExpression, both
from ..remoting.context import Context, current_context, current_options
from ..types import TypeMismatch, detached

if TYPE_CHECKING:
    from .base import Attached

#: The events in which an observer may still say which records an operation is on.
DECIDING = ("access", "before save", "before delete")


class Observation:
    """One data operation, as its observers see it: the same object from event to event.

    What is written is in :attr:`instance` and in :attr:`data`, which are one: what is set in either
    is in the other, and is stored. Only ``loaded`` has an observation for each record.

    :param model: the class of the record.
    :param parser: reads the wheres that observers give.
    :param is_new: whether the operation creates a record.
    :param within: the operation that this observation is a part of.

    :ivar event: the event that is observed now, such as ``"before save"``.
    :ivar options: what callers hand down, by ``options()`` or by ``ctx.options`` of a remote call.
    :ivar context: the :class:`~flask_loop.remoting.Context` of the remote call, or None.
    :ivar hook_state: for observers' own use: what is kept here is there in the later events.
    :ivar count: how many records were changed or deleted; None before, and of one that is saved.
    """

    __slots__ = (
        "_current",
        "_draft",
        "_instance",
        "_make_draft",
        "_parser",
        "_query",
        "context",
        "count",
        "event",
        "hook_state",
        "is_new",
        "model",
        "options",
    )

    def __init__(
        self,
        model: type[Attached],
        parser: FilterParser,
        *,
        is_new: bool = False,
        within: Observation | None = None,
    ) -> None:
        self.model, self.is_new = model, is_new
        self.event = ""
        self.count: int | None = None
        self._parser = parser
        self._query: Filter | None = None
        self._current: Record | Attached | None = None
        self._instance: Any = None
        self._draft: Draft | None = None
        self._make_draft: Callable[[], Draft] | None = None
        if within is None:
            self.context: Context | None = current_context()
            self.options: dict[str, Any] = dict(current_options())
            self.hook_state: dict[str, Any] = {}
        else:
            self.context, self.options = within.context, within.options
            self.hook_state, self._query = within.hook_state, within._query

    def __repr__(self) -> str:
        return f"<Observation {self.model.definition.name} {self.event!r}>"

    @property
    def user(self) -> Any:
        """Who calls, where a remote call is running; else None."""
        return None if self.context is None else self.context.user

    # Which records

    @property
    def query(self) -> Filter | None:
        """The whole filter that is read by; None of a record that is created.

        In ``access`` it may be set, to a filter or a dict.
        """
        return self._query

    @query.setter
    def query(self, query: Filter | Mapping[str, Any]) -> None:
        if self.event != "access":
            raise TypeError(f"the query is decided before {self.event!r}: set it in 'access'")
        if query is None:
            raise TypeError("a query is a filter or a dict, not None; {} is all records")
        self._query = query if isinstance(query, Filter) else self._parser.filter(query)

    @property
    def where(self) -> Where | None:
        """Which records the operation is on, in the normal form; None of one that is created.

        In ``access``, ``before save`` and ``before delete`` it may be set, to a dict, an expression
        or the normal form. An operation on one record stays on that record or finds none.
        """
        return None if self._query is None else self._query.where

    @where.setter
    def where(self, where: Where | Mapping[str, Any] | WhereExpression) -> None:
        self._query = replace(self._decidable(), where=self._parsed(where))

    def narrow(self, where: Where | Mapping[str, Any] | WhereExpression) -> None:
        """Take away the records that do not match: to the operation they are not there.

        :param where: a dict, an expression or the normal form.
        :raises TypeError: where a record is created, or its event is too late for it.

        ::

            @Order.observe("access")
            def only_own(ctx):
                if ctx.user is not None:
                    ctx.narrow({"tenant_id": ctx.user.tenant_id})
        """
        query = self._decidable()
        self._query = replace(query, where=both(query.where, self._parsed(where)))

    def _decidable(self) -> Filter:
        if self._query is None:
            raise TypeError("a record that is created has no where; look at ctx.is_new first")
        if self.event not in DECIDING:
            raise TypeError(
                f"which records are meant is decided before {self.event!r}: "
                f"say it in {', '.join(map(repr, DECIDING))}"
            )
        return self._query

    def _parsed(self, where: Any) -> Where:
        if isinstance(where, Mapping | WhereExpression):
            return self._parser.where(where)
        if isinstance(where, And | Or | Not | Compare):
            return where
        raise TypeError(f"a where is a dict or an expression, not {where!r}; {{}} is all records")

    # What is written, or was read

    @property
    def current(self) -> Any:
        """The record as it was before a save, as an instance; None of a new one."""
        if isinstance(self._current, dict):
            self._current = self.model.from_record(detached(self._current))
        return self._current

    @property
    def instance(self) -> Any:
        """The whole record, as an instance: as it will be stored, is stored, or was read.

        None where the operation is on whatever matches a where, and in ``access``.
        """
        if self._instance is None and self._make_draft is not None:
            draft = self._drafted()
            self._instance = None if draft.is_bulk else draft.instance
        return self._instance

    @property
    def data(self) -> Any:
        """What is written, by Python names: a mapping that takes wire names too.

        Setting it puts other data in its place. None where nothing is written.
        """
        return None if self._make_draft is None else Data(self._drafted())

    @data.setter
    def data(self, data: Mapping[str, Any]) -> None:
        if self._make_draft is None:
            raise TypeError(f"there is no data in {self.event!r}")
        given = dict(data)
        view = Data(self._drafted())
        view.clear()
        view.update(given)

    # What the plan tells

    def tell_query(self, query: Filter) -> None:
        self._query = query

    @property
    def decided(self) -> Filter:
        """The query, of an operation that has one."""
        assert self._query is not None  # noqa: S101
        return self._query

    def tell_current(self, record: Record) -> None:
        self._current = record

    def tell_deleted(self, record: Record | None) -> None:
        """Show the record that is deleted, where it is one."""
        if record is not None:
            self._instance = self.model.from_record(detached(record))

    def tell_draft(self, make: Callable[[Any], Draft]) -> None:
        """Show what is written; an instance that was shown before holds it from now on.

        :param make: makes the draft, when somebody looks, of that instance or None.
        """
        self._draft = None
        self._make_draft = lambda: make(self._instance)
        if self._instance is not None:
            self._drafted()

    def _drafted(self) -> Draft:
        if self._draft is None:
            assert self._make_draft is not None  # noqa: S101
            self._draft = self._make_draft()
        return self._draft

    @property
    def draft(self) -> Draft | None:
        """What observers may have changed, or None where none looked."""
        return self._draft


class Draft:
    """An instance, and what observers changed of it.

    :param instance: the instance.
    :param written: the names that are written though nobody changes them; None for all it holds.
    :param fallback: the value of a name that is taken out again; :data:`MISSING` for none.
    :param is_bulk: whether the instance only holds changes to many records.
    """

    def __init__(
        self,
        instance: Any,
        *,
        written: set[str] | None = None,
        fallback: Callable[[str], Any] = lambda name: None,
        is_bulk: bool = False,
    ) -> None:
        self.instance, self.is_bulk = instance, is_bulk
        self.definition: ModelDefinition = type(instance).definition
        self._written, self._fallback = written, fallback
        self._removed: set[str] = set()
        self._before: Record = detached(instance.to_record())

    def outcome(self) -> tuple[Record, set[str]]:
        """What observers set, by Python names, and what they took out, which is not written."""
        before, now = self._before, self.instance.to_record()
        changes = {
            name: detached(value)
            for name, value in now.items()
            if name not in before or not same(value, before[name])
        }
        return changes, self._removed | (before.keys() - now.keys())

    def names(self) -> list[str]:
        """What is written."""
        now = self.instance.to_record()
        return [name for name in now if self._is_written(name, now)]

    def holds(self, name: str) -> bool:
        """Whether a name is written."""
        is_there = name in self.definition.properties and name in self.instance.__dict__
        if is_there and (self._written is None or name in self._written):
            return name not in self._removed
        return self._is_written(name, self.instance.to_record())

    def _is_written(self, name: str, now: Record) -> bool:
        if name not in now or name in self._removed:
            return False
        if self._written is None or name in self._written:
            return True
        return name not in self._before or not same(now[name], self._before[name])

    def read(self, name: str) -> Any:
        state = self.instance.__dict__
        return state[name] if name in state else state["_undeclared"][name]

    def set(self, name: str, value: Any) -> None:
        state = self.instance.__dict__
        if name in self.definition.properties:
            state[name] = self._held(name, value)
        elif "_undeclared" in state:
            state.pop(name, None)
            state["_undeclared"][name] = value
        else:
            known = [*self.definition.properties, *self.definition.by_wire]
            raise TypeError(
                f"{self.definition.name} has no property {name!r}{nearest(name, known)}"
            )
        self._removed.discard(name)
        if self._written is not None:
            self._written.add(name)

    def remove(self, name: str) -> None:
        state = self.instance.__dict__
        value: Any = MISSING
        if name in self.definition.properties:
            value = self._fallback(name)
        if value is not MISSING:
            state[name] = self._held(name, value)
        else:
            state.pop(name, None)
            (state.get("_undeclared") or {}).pop(name, None)
        if self._written is not None:
            self._written.discard(name)
            self._removed.add(name)
        elif value is MISSING or value is None:
            self._removed.add(name)

    def _held(self, name: str, value: Any) -> Any:
        """A value as instances hold it; one that is not of the type stays for validation."""
        if value is None:
            return None
        try:
            loaded = self.definition.properties[name].type.load(value)
        except TypeMismatch:
            return value
        return type(self.instance).from_record({name: loaded}).__dict__[name]


class Data(MutableMapping[str, Any]):
    """What is written, as a mapping by Python names; it takes wire names too."""

    __slots__ = ("_draft",)

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._draft.names())

    def __len__(self) -> int:
        return len(self._draft.names())

    def __getitem__(self, key: str) -> Any:
        name = self._name(key)
        if not self._draft.holds(name):
            raise KeyError(key)
        return self._draft.read(name)

    def __setitem__(self, key: str, value: Any) -> None:
        self._draft.set(self._name(key), value)

    def __delitem__(self, key: str) -> None:
        name = self._name(key)
        if not self._draft.holds(name):
            raise KeyError(key)
        self._draft.remove(name)

    def clear(self) -> None:
        for name in self._draft.names():
            self._draft.remove(name)

    def _name(self, key: str) -> str:
        found = self._draft.definition.find(key)
        return key if found is None else found.name


def same(first: Any, second: Any) -> bool:
    """Whether two values are stored alike: 1, 1.0 and true are not."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first is second or bool(first == second)
