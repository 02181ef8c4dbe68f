"""AccessControl: what decides who may call what in one app."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from logging import getLogger
from typing import Any

from ..definition.entries import ALL, ROLE, AccessEntry, names_in_entries, read_entries
from ..errors import DefinitionError, Forbidden, ModelNotFound, Unauthorized
from ..hooks import names_of
from ..methods import Generation, RemoteMethod
from ..operations import outbox
from ..query import EVERYTHING, NOTHING, Where
from ..remoting import Caller, Decision
from ..signals import RECORD_SIGNALS
from ..state import State
from .cache import Cache
from .context import AccessContext
from .owners import check_owner_relations, has_owners
from .roles import Roles, caller_id, link_roles, only_model, records, take_from_deleted
from .scoring import (
    AUTHENTICATED,
    EVERYONE,
    OWNER,
    UNAUTHENTICATED,
    Call,
    Held,
    held_by,
    ranked,
    resolve,
)

_log = getLogger("flask_loop.access")

_DENIED = Decision(NOTHING, on_none=False)
_NOTED = ("ALARM", "AUDIT")
_SIMPLE_ROLES = (EVERYONE, AUTHENTICATED, UNAUTHENTICATED)
_MARKERS = ("__loop_role__", "__loop_role_mapping__", "__loop_acl__")


@dataclass(frozen=True)
class Rules:
    """The entries that are about one method of a model, in the order in which they decide.

    :ivar default: whether the method is allowed where none of them holds.
    :ivar is_guarded: whether anybody may ever be refused, or has to be noted.
    """

    entries: tuple[AccessEntry, ...]
    default: bool
    _simple: dict[bool, Decision] = field(default_factory=dict, compare=False)

    @cached_property
    def is_simple(self) -> bool:
        """Whether nothing counts but whether somebody is logged in, and nobody is noted."""
        return all(
            entry.principal_type == ROLE
            and entry.principal_id in _SIMPLE_ROLES
            and entry.permission not in _NOTED
            for entry in self.entries
        )

    def decide_simply(self, is_authenticated: bool) -> Decision:
        """What is decided where the rules are simple, found out once."""
        found = self._simple.get(is_authenticated)
        if found is None:
            held = held_by(self.entries, partial(_holds_simply, is_authenticated))
            found = self._simple[is_authenticated] = resolve(list(held), self.default)
        return found

    @property
    def is_guarded(self) -> bool:
        for entry in self.entries:
            if not entry.allows or entry.permission in _NOTED:
                return True
            if entry.principal == EVERYONE:
                return False
        return not self.default


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a caller may call a method, or may not.

    :ivar decision: what it may do.
    :ivar held: the entries that had a say in it, the first one first, each with the records for
        which it is about the caller.
    :ivar default: whether the method is allowed where none of them holds.
    """

    decision: Decision
    held: Sequence[Held]
    default: bool


class AccessControl:
    """Who may call what in one app: the :class:`~flask_loop.remoting.Guard` that it has.

    :param state: the app's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.roles = Roles(state)
        self._stored: Cache[tuple[AccessEntry, ...]] = Cache(
            state.settings.session_cache, state.shared
        )
        self._rules: dict[tuple[Any, str], tuple[Any, Rules]] = {}
        self._generation = -1
        self._acls: Any = None

    def model_added(self, model: Any) -> None:
        """Learn that the app has one model more.

        What was looked up in one of access control is forgotten as soon as anybody in this process
        changes it.
        """
        if getattr(model, "__loop_user__", False):
            take_from_deleted(model, self._state)
        if not any(getattr(model, marker, False) for marker in _MARKERS):
            return
        link_roles(self._state)
        for signal in RECORD_SIGNALS:
            signal.connect(self._forget, sender=model)

    def guards(self, model: Any, method: RemoteMethod) -> bool:
        """Whether it may ever refuse a method, or narrow it.

        :raises DefinitionError: naming an entry that means nothing.
        """
        self._renew()
        if self._acls is not None or tuple(method.access_scopes) != ("DEFAULT",):
            return True
        return self.rules(model, method).is_guarded

    def decide(self, caller: Caller, model: Any, method: RemoteMethod) -> Decision:
        """What a caller may do by a method of a model."""
        if not _has_scope(caller, method):
            return _DENIED
        rules = self.rules(model, method)
        if rules.is_simple:
            return rules.decide_simply(caller.is_authenticated)
        held = self._held(rules, caller, model, method)
        for entry, where in held:
            if entry.permission in _NOTED:
                _note(entry, where, caller, model, method)
        return resolve(held, rules.default)

    def refusal(self, caller: Caller, model: Any, method: RemoteMethod) -> Exception:
        """What a caller gets who may not call a method."""
        if not caller.is_authenticated:
            return Unauthorized()
        if not _has_scope(caller, method):
            return Forbidden("Access Denied")
        definition = model.definition
        status = definition.settings.acl_error_status or self._state.settings.acl_error_status
        if status == 403:
            return Forbidden("Access Denied")
        if status == 404:
            return ModelNotFound(definition.name, message=f'Unknown "{definition.name}".')
        return Unauthorized()

    def explain(self, caller: Caller, model: Any, method: RemoteMethod) -> Explanation:
        """Say why a caller may call a method of a model, or may not."""
        rules = self.rules(model, method)
        held = self._held(rules, caller, model, method)
        return Explanation(self.decide(caller, model, method), held, rules.default)

    def rules(self, model: Any, method: RemoteMethod) -> Rules:
        """The entries that are about a method of a model.

        :raises DefinitionError: naming one that means nothing.
        """
        self._renew()
        stored = self._stored_of(model)
        key = model, method.wire
        known = self._rules.get(key)
        stamp = self._generation, model.definition.version, method, stored
        if known is None or any(
            old is not new and old != new for old, new in zip(known[0], stamp, strict=True)
        ):
            known = self._rules[key] = stamp, self._make_rules(model, method, stored)
        return known[1]

    def chain(self, model: Any, method: RemoteMethod) -> Iterator[tuple[Any, RemoteMethod]]:
        """A method of a model, and those that it stands for, each with the model that has it.

        A caller has to be allowed all of them.
        """
        yield model, method
        for reach in method.reaches:
            target = reach.definition.model
            reached = self._state.reachable[model].method_of(target, reach.method)
            if reached is None:
                continue
            if target in self._state.reachable:
                yield from self.chain(target, reached)
            else:
                yield target, reached

    def idle_entries(self, *, stored: bool = True) -> Iterator[str]:
        """Say which entries can be about no call, as there is no such method, role or owner.

        :param stored: whether those that are records are looked at too.
        """
        for model, exposure in self._state.reachable.items():
            known = frozenset(name for each in exposure.methods for name in _names_of(each))
            entries = read_entries(model.definition.settings.acls, "acls")
            if stored:
                self._renew()
                entries += self._stored_of(model)
            for entry in entries:
                where = f"{model.definition.name}: {entry.place}"
                for name in set(entry.properties) - known:
                    if not entry.is_everywhere:
                        yield f"{where} is about {name!r}, and the model has no such method"
                if (why := self._why_idle(entry, model)) is not None:
                    yield f"{where} is about {entry.principal_id!r}, and {why}"

    def problems(self) -> Iterator[DefinitionError]:
        """What is wrong with the entries of models and methods, and with ``owner_relations``.

        It is known when all is registered, as a role's function may be registered after a model.
        """
        for model, exposure in self._state.reachable.items():
            settings, name = model.definition.settings, model.definition.name
            try:
                entries = read_entries(settings.acls, f"model {name!r}: acls")
                for method in exposure.methods:
                    entries += read_entries(method.acls, f"{name}.{method.wire}: acls")
                for entry in entries:
                    self.roles.check(entry)
                check_owner_relations(model.definition)
            except DefinitionError as error:
                yield error

    def _why_idle(self, entry: AccessEntry, model: Any) -> str | None:
        """Why nobody can have the role that an entry is about; None where somebody may."""
        name = entry.principal_id
        if entry.principal_type != ROLE or self._state.authenticator.has_principals:
            return None
        if name == OWNER and not entry.is_everywhere:
            with suppress(DefinitionError):  # which is a problem, and not idle
                if not has_owners(model, self._state.users):
                    return "nothing in the model says which user owns a record"
        if not name.startswith("$") and not self.roles.may_be_given(name):
            return "the app has neither models of roles and role mappings nor a function for it"
        return None

    # Entries

    def _make_rules(
        self, model: Any, method: RemoteMethod, stored: tuple[AccessEntry, ...]
    ) -> Rules:
        settings, name = model.definition.settings, model.definition.name
        of_model = read_entries(settings.acls, f"model {name!r}: acls")
        of_method = read_entries(method.acls, f"{name}.{method.wire}: acls")
        call = Call(_names_of(method), method.access_type)
        for entry in (*of_model, *of_method):
            self.roles.check(entry)
        known = filter(None, map(self._known, stored))
        entries = ranked((*of_model, *map(call.of_method, of_method), *known), call)
        default = settings.default_permission
        if default is None:
            default = "DENY" if of_model or of_method else "ALLOW"
        return Rules(entries, default == "ALLOW")

    def _known(self, entry: AccessEntry) -> AccessEntry | None:
        """An entry that is a record, whose mistakes open nothing.

        One that names no role that there is allows nobody, or is about everybody.
        """
        if self.roles.is_known(entry):
            return entry
        _log.warning("%s: there is no role %r", entry.place, entry.principal_id)
        return None if entry.allows else replace(entry, principal_id=EVERYONE)

    def _stored_of(self, model: Any) -> tuple[AccessEntry, ...]:
        """The entries about a model that are records."""
        acls = self._acls
        if acls is None:
            return ()
        keep = not outbox.is_in_transaction(acls.data_source.connector)
        return self._stored.get(model, lambda: self._find_stored(acls, model), keep=keep)

    def _find_stored(self, acls: Any, model: Any) -> tuple[AccessEntry, ...]:
        found = records(acls, {"model": {"inq": [model.definition.name, ALL]}})
        return tuple(_entry_of(acls, record) for record in found)

    def _renew(self) -> None:
        """Learn what was registered since the last call."""
        generation = Generation.number
        if self._generation != generation:
            acls = only_model(self._state, "__loop_acl__", "entries of access control")
            self._acls = None if acls is None or acls.data_source is None else acls
            self._generation = generation

    def _forget(self, *_: Any, **__: Any) -> None:
        self.roles.forget()
        self._stored.clear()
        if self._state.shared is not None:
            self._state.shared.forget_access()

    # Callers

    def _held(self, rules: Rules, caller: Caller, model: Any, method: RemoteMethod) -> list[Held]:
        context = AccessContext(caller, model, method)
        known: dict[str, Where] = {}

        def holds(entry: AccessEntry) -> Where:
            if entry.principal_type != "ROLE":
                return EVERYTHING if self.roles.is_caller(entry, caller) else NOTHING
            name = entry.principal_id
            if name not in known:
                known[name] = self.roles.where(name, context)
            return known[name]

        return list(held_by(rules.entries, holds))


def _holds_simply(is_authenticated: bool, entry: AccessEntry) -> Where:
    """The records for which an entry is about a caller, where the role of it is a simple one."""
    is_held = entry.principal_id == EVERYONE or is_authenticated == (
        entry.principal_id == AUTHENTICATED
    )
    return EVERYTHING if is_held else NOTHING


def _names_of(method: RemoteMethod) -> frozenset[str]:
    return names_in_entries(names_of(method))


def _has_scope(caller: Caller, method: RemoteMethod) -> bool:
    """Whether a caller's token is for what the method is."""
    return not set(caller.scopes).isdisjoint(method.access_scopes)


def _entry_of(acls: Any, record: Any) -> AccessEntry:
    """The entry that is a record.

    :raises DefinitionError: naming the record that means nothing, as what it keeps others from
        would be open without it.
    """
    place = f"{acls.definition.name} {acls.definition.id_of(record)!r}"
    names = ("principal_type", "principal_id", "permission", "access_type", "property")
    given = {name: record[name] for name in names}
    return AccessEntry.read(given, place, is_everywhere=record["model"] == ALL)


def _note(
    entry: AccessEntry, where: Where, caller: Caller, model: Any, method: RemoteMethod
) -> None:
    """Write to the log that an entry allowed a call which it wants to be known."""
    who = "nobody" if caller.model is None else f"{caller.model.__name__} {caller_id(caller)}"
    what = f"{model.definition.name}.{method.wire}"
    which = "" if where == EVERYTHING else ", for some records"
    write = _log.warning if entry.permission == "ALARM" else _log.info
    write("%s: %s called %s%s (%s)", entry.permission, who, what, which, entry.place)
