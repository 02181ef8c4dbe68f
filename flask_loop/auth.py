"""The bundled models of users and their sessions. Extend them: what is here is every app's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .accounts.addresses import AddressText
from .accounts.classes import (
    VERIFICATION_SPELLINGS,
    SessionOf,
    SessionType,
    SettingsOf,
    UserType,
    VerificationSetting,
    follow,
)
from .accounts.either import OnEither
from .accounts.login import LoggingIn, log_out, log_out_everywhere, ttl_of
from .accounts.passwords import MOST_NEW, GivenPassword, HeldHash, PasswordText, stamp_of
from .accounts.records import UserSerializer, UserValidator
from .accounts.records import observers as observers_of_users
from .accounts.resetting import Resetting
from .accounts.sessions import observers as observers_of_sessions
from .accounts.tokens import TokenText, new_token
from .accounts.verifying import Verifying
from .definition import UserSettings, prop
from .methods import remote_method
from .model import Model, Prop
from .operations import Source
from .remoting import id_text

_EVERYONE = {"principalType": "ROLE", "principalId": "$everyone"}
_OWNER = {"principalType": "ROLE", "principalId": "$owner"}
_AUTHENTICATED = {"principalType": "ROLE", "principalId": "$authenticated"}


class Session(Model, metaclass=SessionType):
    """What a client has logged in to: its token, whose digest alone is stored.

    Each model of users has a model of sessions of its own, :attr:`User.session`. A session's ``id``
    is the token on the instance that :meth:`User.login` or :meth:`create` gave, and its digest on
    others; methods that take an id take the token.

    ::

        class Visit(Session):
            device: Prop[str | None] = prop(default=None)

        Member.session = Visit
    """

    __loop_bundled__: ClassVar[bool] = True
    __loop_session__: ClassVar[bool] = True
    __loop_observers__ = observers_of_sessions()

    id: Prop[str] = prop(type=TokenText(), id=True, generated=False, read_only=True, max_length=80)
    ttl: Prop[int | None] = prop(default=None, min=-1)
    created: Prop[datetime | None] = prop(default_fn=lambda: datetime.now(UTC))
    user_id: Prop[Any] = prop(index=False)
    scopes: Prop[list[str] | None] = prop(default=None)

    class Meta:
        acls = ({**_EVERYONE, "permission": "DENY"},)

    @classmethod
    def create(cls, data: Any = None, /, **values: Any) -> Any:
        """Store a new session, or several, each with a token that nobody can guess.

        :param data: a dict by Python or wire names, or a list of them, with ``user_id`` at least.
        :param values: properties by keyword.
        :returns: the session, whose ``id`` is the token; or a list of them.
        :raises ValidationError: where one breaks a rule.
        """
        if not isinstance(data, list | tuple):
            given = cls._complete({**_as_dict(data), **values})
            return super().create(given)._with_token(given["id"])
        listed = [cls._complete(_as_dict(each)) for each in data]
        made = super().create(listed, **values)
        return [
            session._with_token(given["id"]) for session, given in zip(made, listed, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The session as JSON; of one with its token, by the names of all LoopBacks."""
        shown = super().to_dict()
        state = self.__dict__
        if "_token" in state:
            shown["id"] = shown["sid"] = state["_token"]
            shown["uid"] = shown.get("userId")
            if shown.get("scopes") is None:
                shown.pop("scopes", None)
        if "_user" in state:
            shown["user"] = state["_user"].to_dict()
        return shown

    @classmethod
    def _complete(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The data of a new session, with all without which it would be over or nobody's."""
        users = cls.user_model
        if data.get("created") is None:
            data["created"] = datetime.now(UTC)
        if data.get("ttl") is None and users is not None:
            data["ttl"] = ttl_of(users, None)
        return data if data.get("id") is not None else {**data, "id": new_token()}

    def _with_token(self, token: str) -> Self:
        self.__dict__["_token"] = token
        return self


def _as_dict(data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    return dict(data.to_record() if isinstance(data, Model) else data)


class User(LoggingIn, Verifying, Resetting, Model, metaclass=UserType):
    """Somebody who logs in.

    ::

        class Member(User):
            name: Prop[str] = prop(required=True)

            class Meta:
                data_source = db

        loop.model(Member)  # POST /members, POST /members/login, POST /members/logout, …

    Neither a username nor a password is required: who has no password does not log in by one.
    Passwords are hashed whichever way they are written, and never shown.
    """

    __loop_bundled__: ClassVar[bool] = True
    __loop_user__: ClassVar[bool] = True
    __loop_settings__ = UserSettings
    __loop_serializer__ = UserSerializer
    __loop_validator__ = UserValidator
    __loop_observers__ = observers_of_users()
    __loop_most_new__ = MOST_NEW

    #: The model of the sessions of these users; another one may be set.
    session: ClassVar[Any] = SessionOf(Session)
    #: The model's settings, to be read and set: ``Member.settings.ttl = 3600``.
    settings: ClassVar[Any] = SettingsOf()
    #: Whether users log in only after they have verified their address.
    require_email_verification: ClassVar[bool]

    realm: Prop[str | None] = prop(default=None, create_only=True, max_length=128)
    username: Prop[str | None] = prop(default=None, max_length=254)
    email: Prop[str] = prop(type=AddressText(), required=True, max_length=254)
    password: Prop[str | None] = prop(type=PasswordText(), default=None, write_only=True)
    email_verified: Prop[bool | None] = prop(default=False, read_only=True)

    class Meta:
        acls = (
            {**_EVERYONE, "permission": "DENY"},
            *(
                {**principal, "permission": "ALLOW", "property": names}
                for principal, names in (
                    (
                        _EVERYONE,
                        [
                            "create",
                            "login",
                            "logout",
                            "confirm",
                            "verify",
                            "reset",
                            "resetPage",
                            "submitResetPage",
                            "setPassword",
                        ],
                    ),
                    (_OWNER, ["findById", "patchAttributes", "replaceById", "deleteById"]),
                    (_AUTHENTICATED, ["changePassword"]),
                )
            ),
        )

    if TYPE_CHECKING:

        def logout(self, sid: str | None = None) -> int | None: ...
    else:
        logout = OnEither(
            remote_method(
                log_out,
                accepts=[
                    {"arg": "sid", "type": "string", "description": "the token of a session"},
                    {"arg": "ctx", "type": "object", "http": {"source": "context"}},
                ],
                returns=[],
                http={"verb": "all", "path": "/logout"},
                access_type="EXECUTE",
            ),
            log_out_everywhere,
        )

    @classmethod
    def attach_to(cls, source: Source) -> None:
        super().attach_to(source)
        follow(cls)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, is_new: bool = False) -> Self:
        instance = super().from_record(record, is_new=is_new)
        password = instance.__dict__.get("password")
        if isinstance(password, str) and not isinstance(password, GivenPassword | HeldHash):
            instance.__dict__["password"] = HeldHash(password)
        return instance

    # What Flask-Login asks

    @property
    def is_authenticated(self) -> bool:
        """Whether it is somebody: always."""
        return True

    @property
    def is_active(self) -> bool:
        """Whether the user may log in; a property of a model's own may take its place."""
        return True

    @property
    def is_anonymous(self) -> bool:
        """Whether it is nobody: never."""
        return False

    def get_id(self) -> str:
        """What Flask-Login's cookie holds: it ends when the password changes.

        :raises RuntimeError: outside an app context, and where the app has no SECRET_KEY.
        """
        definition, id = type(self).definition, id_text(self)
        return f"loop:{definition.name}:{id}:{stamp_of(definition, id, self.password)}"


for _spelling in VERIFICATION_SPELLINGS:
    type.__setattr__(User, _spelling, VerificationSetting())
