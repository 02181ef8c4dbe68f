"""What is special of the records of users: how they are loaded, checked and observed."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any
from weakref import ref

from ..connectors.base import Record
from ..definition import ModelDefinition
from ..errors import Failure
from ..hooks import Observers
from ..operations import Observation
from ..query import Where
from ..remoting import current_context
from ..schema import Serializer
from ..types import text_problem
from ..validation import Rule, Uniqueness, Validator
from .addresses import is_address, normal_address
from .passwords import (
    GivenPassword,
    HeldHash,
    PasswordBounds,
    PasswordHash,
    hash_ahead,
    hash_of,
    is_too_long,
)
from .sessions import end_sessions, forget_all, gone, ids_of

EMAIL, USERNAME, PASSWORD, REALM, VERIFIED = (
    "email",
    "username",
    "password",
    "realm",
    "email_verified",
)


class UserSerializer(Serializer):
    """Loads the records of users, whatever types or schema of their own the app gave them."""

    def load(
        self, data: Mapping[str, Any], *, partial: bool = False
    ) -> tuple[Record, list[Failure]]:
        record, failures = super().load(data, partial=partial)
        password = record.get(PASSWORD)
        if isinstance(password, str) and not isinstance(password, GivenPassword | PasswordHash):
            given = data.get(PASSWORD)
            is_hash = isinstance(given, PasswordHash) and given == password
            record[PASSWORD] = given if is_hash else GivenPassword(password)
        if partial and isinstance(record.get(PASSWORD), HeldHash):
            del record[PASSWORD]  # another one may have been stored since it was read
        email = record.get(EMAIL)
        if isinstance(email, str):
            record[EMAIL] = normal_address(email)
        return record, failures

    def ahead(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        given = data.get(PASSWORD)
        if not isinstance(given, str) or isinstance(given, PasswordHash):
            return data
        if not given.strip() or is_too_long(given) or text_problem(given) is not None:
            return data
        return {**data, PASSWORD: hash_ahead(given)}


class Address(Rule):
    """The text is an email address; blank passes."""

    code = "custom.email"
    messages = {"": "is not an email address"}  # noqa: RUF012 - as in every rule

    def broken(self, value: Any) -> str | None:
        return None if isinstance(value, str) and is_address(value) else ""


class UniqueInRealm(Uniqueness):
    """No other user has the same value: none of the same realm, where the model has realms.

    :param definition: the model.
    """

    def __init__(self, property: str, definition: ModelDefinition, **options: Any) -> None:
        self._definition = ref(definition)
        super().__init__(property, **options)

    @property
    def scoped_to(self) -> tuple[str, ...]:
        definition = self._definition()
        if definition is None or REALM not in definition.properties:
            return ()
        return (REALM,) if has_realms(definition) else ()

    @scoped_to.setter
    def scoped_to(self, value: Any) -> None:
        """Leave it to the model's settings."""


def has_realms(definition: ModelDefinition) -> bool:
    """Whether users of a model are told apart by realms too."""
    settings: Any = definition.settings
    return bool(settings.realm_required or settings.realm_delimiter)


def make_unique(definition: ModelDefinition) -> None:
    """Give a model of users the rules by which email and username are nobody else's."""
    others = [rule for rule in definition.rules if not isinstance(rule, UniqueInRealm)]
    messages = {EMAIL: "already exists", USERNAME: "already exists"}
    own = [
        UniqueInRealm(name, definition, message=message)
        for name, message in messages.items()
        if name in definition.properties
    ]
    definition.rules = [*own, *others]


def keep_flags(definition: ModelDefinition) -> None:
    """Let what a model says anew of its properties leave them as safe as those of all users.

    Whoever writes a type or a rule seldom thinks of what else was said before.
    """
    for name, flags in _FLAGS.items():
        own = definition.properties.get(name)
        if own is not None and not any(getattr(own, flag) for flag in flags):
            flag: dict[str, Any] = {flags[0]: True}
            definition.add_property(replace(own, **flag))


#: What one of holds for a property; the first where nothing is said.
_FLAGS = {
    PASSWORD: ("write_only", "hidden"),
    VERIFIED: ("read_only",),
    REALM: ("create_only", "read_only"),
}


class UserValidator(Validator):
    """The rules of users. Those of passwords are for what was given, and not for its hash."""

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        own: list[Rule] = []
        if EMAIL in definition.properties:
            own.append(Address(EMAIL))
        if PASSWORD in definition.properties:
            own.append(PasswordBounds(PASSWORD))
        self.rules += own
        self._plain += own

    def check_values(
        self,
        record: Mapping[str, Any],
        *,
        only: Container[str] | None = None,
        skip: Container[str] = (),
    ) -> list[Failure]:
        return super().check_values(record, only=only, skip=self._with_hash(record, skip))

    def check_rest(
        self,
        record: Mapping[str, Any],
        *,
        subject: Callable[[], Any],
        is_taken: Callable[[Where], bool],
        only: Container[str] | None = None,
        skip: Container[str] = (),
    ) -> list[Failure]:
        skip = self._with_hash(record, skip)
        return super().check_rest(record, subject=subject, is_taken=is_taken, only=only, skip=skip)

    def _with_hash(self, record: Mapping[str, Any], skip: Container[str]) -> Container[str]:
        password = record.get(PASSWORD)
        if password is None or isinstance(password, GivenPassword):
            return skip
        return {*(name for name in self.definition.properties if name in skip), PASSWORD}


# What is done when users are written


def observers() -> Observers:
    """What observes every model of users."""
    made = Observers()
    made.add("before save", know_hash)
    made.add("persist", hash_password)
    made.add("persist", note_changes)
    made.add("after save", refuse_plain)
    made.add("after save", end_changed)
    made.add("after save", forget_inactive)
    made.add("before delete", note_deleted)
    made.add("after delete", end_deleted)
    return made


def know_hash(ctx: Observation) -> None:
    """Let the hash that a record has be known as such where it is given back."""
    data, current = ctx.data, ctx.current
    if current is None or not isinstance(data.get(PASSWORD), GivenPassword):
        return
    if data[PASSWORD] == current.password:
        data[PASSWORD] = HeldHash(data[PASSWORD])


def hash_password(ctx: Observation) -> None:
    """Store the hash of a password, and never the password."""
    data = ctx.data
    given = data.get(PASSWORD)
    if isinstance(given, HeldHash):
        if ctx.current is not None and given != ctx.current.password:
            data[PASSWORD] = ctx.current.password
    elif given is not None and not isinstance(given, PasswordHash):
        ctx.hook_state[_NEW_PASSWORD] = True
        data[PASSWORD] = hash_of(given)


def note_changes(ctx: Observation) -> None:
    """Note whose sessions end by a change, and that a new address is not verified yet."""
    data = ctx.data
    if ctx.is_new:
        return
    is_moved = EMAIL in data and (ctx.current is None or data[EMAIL] != ctx.current.email)
    if is_moved:
        was_verified = ctx.current is not None and ctx.current.email_verified
        if VERIFIED not in data or was_verified:
            data[VERIFIED] = False
    if is_moved or ctx.hook_state.get(_NEW_PASSWORD):
        ctx.hook_state[_ENDING] = _ids(ctx)


def end_changed(ctx: Observation) -> None:
    """End the sessions of users whose password or address has changed, but the caller's own."""
    if ctx.hook_state.get(_ENDING):
        end_sessions(ctx.model, ctx.hook_state[_ENDING], keep=_token_of_caller(ctx))


def refuse_plain(ctx: Observation) -> None:
    """Undo a write to which an observer of ``persist`` gave a password, as that is not hashed."""
    if isinstance((ctx.data or {}).get(PASSWORD), GivenPassword):
        raise TypeError(
            f"an observer of 'persist' set the password of a {ctx.model.definition.name}, which "
            "would be stored as it is: set it in 'before save'"
        )


def forget_inactive(ctx: Observation) -> None:
    """Remember no session of who may not be active any more."""
    if not ctx.is_new and (ctx.instance is None or not ctx.instance.is_active):
        forget_all(ctx.model)


def note_deleted(ctx: Observation) -> None:
    """Note whose sessions end because the users go."""
    ctx.hook_state[_ENDING] = _ids(ctx)


def end_deleted(ctx: Observation) -> None:
    """End the sessions of users who are gone."""
    noted = ctx.hook_state.get(_ENDING) or ()
    end_sessions(ctx.model, noted if ctx.count == len(noted) else gone(ctx.model, noted))


_NEW_PASSWORD = "flask_loop.new_password"  # noqa: S105 - the name of a note
_ENDING = "flask_loop.ending"


def _ids(ctx: Observation) -> list[Any]:
    """The ids of the users that an operation is on."""
    known = ctx.current if ctx.event == "persist" else ctx.instance
    if known is None:
        return ids_of(ctx.model, ctx.where)
    return [ctx.model.definition.id_of(known.to_record())]


def _token_of_caller(ctx: Observation) -> str | None:
    """The digest of the token by which somebody changes a user."""
    context = current_context()
    return None if context is None else context.caller.token
