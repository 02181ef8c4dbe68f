"""Roles: who has which, for which records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from ..definition import nearest
from ..definition.entries import ROLE, USER, AccessEntry
from ..errors import DefinitionError, FilterError
from ..hooks import inherited, own_of, synchronous
from ..methods import Generation
from ..operations import outbox
from ..query import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Filter,
    Inside,
    Not,
    Or,
    Related,
    Where,
    WhereExpression,
)
from ..remoting import Caller, id_text
from ..state import State
from .cache import Cache
from .context import AccessContext
from .owners import OfUser, owned_by, related_to
from .scoring import AUTHENTICATED, DYNAMIC_ROLES, EVERYONE, OWNER, RELATED, UNAUTHENTICATED

Resolver = Callable[[AccessContext], Any]

_RESOLVERS = "__loop_role_resolvers__"
_NODES = (And, Or, Not, Compare, Related, Inside)


def register_resolver(roles: Any, name: str, function: Resolver) -> None:
    """Let a function say who has a role, for a model of roles and those that derive from it."""
    if not isinstance(name, str) or not name.strip():
        raise DefinitionError(f"a role has a name, not {name!r}")
    if name in DYNAMIC_ROLES:
        raise DefinitionError(f"who has the role {name!r} is said already")
    if not callable(function):
        raise TypeError(
            f"{roles.__name__}.resolver is called with a role's name: @{roles.__name__}.resolver(\""
            'colleague")'
        )
    own: dict[str, Resolver] = own_of(roles, _RESOLVERS, dict)
    if name in own:
        raise DefinitionError(f"the role {name!r} has a function already")
    own[name] = synchronous(function)
    Generation.advance()


class Roles:
    """The roles of callers in one app.

    :param state: the app's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._names: Cache[frozenset[str]] = Cache(state.settings.session_cache, state.shared)
        self._owners: dict[tuple[Any, Any, bool], tuple[int, OfUser]] = {}
        self._models = _Models(-1)

    @property
    def models(self) -> _Models:
        """The app's models of roles and of users, as they are registered now."""
        known, generation = self._models, Generation.number
        if known.generation != generation:
            known = self._models = _Models.of(self._state, generation)
        return known

    def check(self, entry: AccessEntry) -> None:
        """Check that an entry means somebody.

        :raises DefinitionError: where it names a built-in role that there is not.
        """
        if not self.is_known(entry):
            names = (*DYNAMIC_ROLES, *self.models.resolvers)
            hint = nearest(entry.principal_id, names)
            raise DefinitionError(f"{entry.place}: there is no role {entry.principal_id!r}{hint}")

    def is_known(self, entry: AccessEntry) -> bool:
        """Whether an entry does not name a built-in role that there is not."""
        name = entry.principal_id
        if entry.principal_type != ROLE or not name.startswith("$"):
            return True
        return name in DYNAMIC_ROLES or name in self.models.resolvers

    def may_be_given(self, name: str) -> bool:
        """Whether somebody may have a role that is none of the built-in."""
        return name in self.models.resolvers or self.models.mappings is not None

    def where(self, name: str, context: AccessContext) -> Where:
        """The records of a model for which a caller has a role.

        :raises TypeError: where the role's function gives what is no answer.
        """
        caller = context.caller
        if name == EVERYONE:
            return EVERYTHING
        if name in (AUTHENTICATED, UNAUTHENTICATED):
            return _all_or_none(caller.is_authenticated == (name == AUTHENTICATED))
        if name in (OWNER, RELATED):
            return self._of_user(name, context)
        resolver = self.models.resolvers.get(name)
        if resolver is not None:
            return _answer(name, resolver, context)
        return _all_or_none(name in caller.roles or name in self.names(caller))

    def is_caller(self, entry: AccessEntry, caller: Caller) -> bool:
        """Whether an entry is about a caller by name.

        ``USER`` means a user of the app's only model of users. Where there are several, an entry
        that allows has to name the one it means, and one that denies is about each.
        """
        if not caller.is_authenticated or not self._is_id(entry.principal_id, caller):
            return False
        if entry.principal_type != USER:
            return entry.principal_type == _name_of(caller.model)
        users = self.models.users
        return caller.model in users and (len(users) == 1 or not entry.allows)

    def names(self, caller: Caller) -> frozenset[str]:
        """The names of the roles that a caller was given, by others too."""
        mappings = self.models.mappings
        if mappings is None or not caller.is_authenticated:
            return caller.roles
        key = caller.model, caller.id, caller.roles
        keep = not outbox.is_in_transaction(mappings.data_source.connector)
        return self._names.get(key, lambda: self._find_names(caller), keep=keep)

    def forget(self, *_: Any, **__: Any) -> None:
        """Look all up again that was looked up."""
        self._names.clear()

    def _of_user(self, name: str, context: AccessContext) -> Where:
        caller, model = context.caller, context.model
        if not caller.is_authenticated:
            return NOTHING
        is_owner = name == OWNER
        key, version = (model, caller.model, is_owner), model.definition.version
        known = self._owners.get(key)
        if known is None or known[0] != version:
            find = owned_by(model, caller.model, self.models.users) if is_owner else None
            known = version, find or related_to(model, caller.model)
            self._owners[key] = known
        return known[1](caller.id)

    def _is_id(self, text: str, caller: Caller) -> bool:
        return text == caller_id(caller)

    def _find_names(self, caller: Caller) -> frozenset[str]:
        roles, mappings = self.models.roles, self.models.mappings
        types = [_name_of(caller.model)]
        if self.models.users == [caller.model]:
            types.append(USER)
        mine = {"principal_type": {"inq": types}, "principal_id": caller_id(caller)}
        found = {each["role_id"] for each in records(mappings, mine)}
        if caller.roles:
            named = records(roles, {"name": {"inq": sorted(caller.roles)}})
            found |= {roles.definition.id_of(each) for each in named}
        waiting = found
        while waiting:
            texts = sorted({id_text(roles, each) for each in waiting})
            given = {"principal_type": ROLE, "principal_id": {"inq": texts}}
            waiting = {each["role_id"] for each in records(mappings, given)} - found
            found |= waiting
        if not found:
            return caller.roles
        (key,) = roles.definition.ids
        there = records(roles, {key.name: {"inq": list(found)}})
        return caller.roles | {each["name"] for each in there}


@dataclass(frozen=True, slots=True)
class _Models:
    """What an app has for access control, at one generation.

    :ivar roles: its model of roles, or None.
    :ivar mappings: its model of who has them, where it is attached and there are roles; or None.
    :ivar users: its models of users.
    :ivar resolvers: the functions that say who has a role, by its name.
    """

    generation: int
    roles: Any = None
    mappings: Any = None
    users: Sequence[Any] = ()
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State, generation: int) -> _Models:
        roles = only_model(state, "__loop_role__", "roles")
        mappings = only_model(state, "__loop_role_mapping__", "role mappings")
        has_both = roles is not None and mappings is not None and mappings.data_source is not None
        return cls(
            generation,
            roles,
            mappings if has_both else None,
            state.users,
            {
                name: function
                for some in ([] if roles is None else inherited(roles, _RESOLVERS))
                for name, function in some.items()
            },
        )


def link_roles(state: State) -> None:
    """Let an app's model of roles have those of who has them, as soon as it has both.

    When a role is deleted so are they: another role may get its id.
    """
    known = _Models.of(state, Generation.number)
    if known.mappings is None:
        return
    relations = known.roles.definition.relations.values()
    if all(each.target is not known.mappings.definition for each in relations):
        known.roles.has_many(
            "principals", model=known.mappings, foreign_key="role_id", on_delete="cascade"
        )


def take_from_deleted(user_model: Any, state: State) -> None:
    """Let what names a user go with the user: another one may get the id.

    :param user_model: a model of users of an app.
    :param state: the app's.
    """
    find_state = ref(state)

    @user_model.observe("before delete")  # type: ignore[untyped-decorator]
    def take(observation: Any) -> None:
        state = find_state()
        if state is None:
            return
        naming = [
            *state.models_marked("__loop_role_mapping__"),
            *state.models_marked("__loop_acl__"),
        ]
        attached = [each for each in naming if each.data_source is not None]
        if not attached:
            return
        ids = ids_of(observation)
        types = [_name_of(user_model), *([USER] if state.users == [user_model] else [])]
        for each in attached:
            each.destroy_all({"principal_type": {"inq": types}, "principal_id": {"inq": ids}})


def ids_of(observation: Any) -> list[str]:
    """The ids of the records that an operation is on, as text."""
    model = observation.model
    return [id_text(model, each) for each in model.__loop_plan__().ids(observation.where)]


def only_model(state: State, marker: str, what: str) -> Any:
    """The app's model with a marker, or None.

    :raises DefinitionError: where it has several.
    """
    found = state.models_marked(marker)
    if len(found) > 1:
        names = " and ".join(sorted(each.model_name for each in found))
        raise DefinitionError(f"an app has one model of {what}, not several: {names}")
    return found[0] if found else None


def records(model: Any, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The records of a model of access control that match.

    Its observers and its default scope are passed over: no entry must be missed.
    """
    plan = model.__loop_plan__()
    with _primary(model):
        query = Filter(where=plan.parser.where(where), order=plan.parser.all.order)
        found: list[Mapping[str, Any]] = plan.connector.select(plan.definition, query).records()
    return found


def _primary(model: Any) -> AbstractContextManager[None]:
    """A block that reads what was just written, where replicas may not have it yet."""
    source = model.data_source
    has_replicas = source.connector.capabilities.replicas
    block: AbstractContextManager[None] = source.primary() if has_replicas else nullcontext()
    return block


def caller_id(caller: Caller) -> str:
    """A caller's id as entries and mappings have it."""
    if hasattr(caller.model, "__loop_model__"):
        return id_text(caller.model, caller.id)
    return str(caller.id)


def _name_of(user_model: Any) -> str:
    is_ours = hasattr(user_model, "__loop_model__")
    return str(user_model.definition.name if is_ours else user_model.__name__)


def _all_or_none(is_so: bool) -> Where:
    return EVERYTHING if is_so else NOTHING


def _answer(name: str, resolver: Resolver, context: AccessContext) -> Where:
    """What the function of a role says, as a where."""
    given = resolver(context)
    if given is None or isinstance(given, bool):
        return _all_or_none(bool(given))
    if isinstance(given, _NODES):
        return given
    if isinstance(given, Mapping | WhereExpression):
        try:
            where: Where = context.model.__loop_plan__().parser.where(given)
        except FilterError as error:
            # Not the client's mistake, to whom a FilterError would be shown.
            raise DefinitionError(f"the function of the role {name!r}: {error}") from error
        return where
    raise TypeError(
        f"the function of the role {name!r} gives True, False or a where, not {given!r}"
    )
