"""Logging in and out: the methods of models of users that make and end sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..errors import BadRequest, FilterError, Unauthorized
from ..methods import remote_method
from ..query import And, Filter, Where, equality
from ..remoting import Context, id_text
from ..types import text_problem
from .addresses import normal_address
from .limiting import REFUSAL, forgive, limit
from .passwords import HeldHash, current_hasher
from .records import EMAIL, PASSWORD, REALM, USERNAME, has_realms
from .sessions import ETERNAL, end_sessions, key_of, newest
from .tokens import digest_of
from .wire import Credentials, LoggedIn

if TYPE_CHECKING:
    from ..connectors.base import Record
    from ..model import Model as Base
else:
    Base = object

#: The verbs that a page of somebody else's can make a browser use.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
#: The most characters of what may name a user.
_MOST = 1024
_CREDENTIALS = (EMAIL, USERNAME, PASSWORD, REALM)


class LoggingIn(Base):
    """What models of users have to log in."""

    session: ClassVar[Any]
    if TYPE_CHECKING:
        email_verified: Any
        is_active: Any

    @remote_method(
        accepts=[
            {
                "arg": "credentials",
                "type": Credentials(),
                "required": True,
                "http": {"source": "body"},
                "description": "email or username, password, realm, ttl in seconds",
            },
            {
                "arg": "include",
                "type": "any",
                "http": {"source": "query"},
                "description": "user: the answer has the user in it",
            },
        ],
        returns={"arg": "accessToken", "type": LoggedIn(), "root": True},
        http={"verb": "post", "path": "/login"},
        access_type="EXECUTE",
        errors={401: "Nobody has these credentials, or the address is not verified.", **REFUSAL},
    )
    @classmethod
    def login(
        cls,
        credentials: Mapping[str, Any] | None = None,
        /,
        *,
        email: Any = None,
        username: Any = None,
        password: Any = None,
        realm: Any = None,
        ttl: int | None = None,
        include: Any = None,
    ) -> Any:
        """Log in, by email or username.

        It takes as long, and answers alike, whether there is such a user or not.

        :param credentials: the other parameters as a dict.
        :param email: the user's email address; it counts where a username is given too.
        :param username: or the user's name.
        :param password: the password.
        :param realm: the user's realm, where the model has such.
        :param ttl: how long the session lasts, in seconds; at most the model's ``max_ttl``, and
            for ever with -1, where the model allows it.
        :param include: ``"user"`` where the answer shall have the user in it.
        :returns: the session; its ``id`` is the token.
        :raises BadRequest: where neither email nor username is given, or something is no text.
        :raises Unauthorized: where no user has them, or the address has to be verified first.
        :raises TooManyRequests: where there were too many tries.
        """
        given = {
            EMAIL: email,
            USERNAME: username,
            PASSWORD: password,
            REALM: realm,
            "ttl": ttl,
            **_mapping(credentials),
        }
        shows_user = _shows_user(include)
        login = _Login.of(cls, given)
        ttl = ttl_of(cls, given["ttl"])
        limit(cls, "login", *login.account)
        record = login.find(cls)
        stored = None if record is None else record[PASSWORD]
        is_right = current_hasher().verify(stored, given[PASSWORD])
        if record is None or not is_right:
            raise _failed()
        user = cls.from_record(record)
        if not user.is_active:
            raise _failed()
        settings: Any = cls.definition.settings
        if settings.require_email_verification and not user.email_verified:
            raise Unauthorized(
                "login failed as the email has not been verified",
                error_code="LOGIN_FAILED_EMAIL_NOT_VERIFIED",
                details={"userId": id_as_json(user)},
            )
        hash = _hash_now(str(stored), given[PASSWORD])
        with cls.__loop_plan__().transaction():
            if not user._still_has(hash):
                raise _failed()
            session = user.create_session(ttl)
        if not user._kept_others_waiting() and not user._still_has(hash):
            # It may have been made after the user's sessions were ended.
            cls.session.__loop_plan__().delete_by_id(digest_of(session.id))
            raise _failed()
        forgive(cls, "login", *login.account)
        if shows_user:
            session.__dict__["_user"] = user
        return session

    def create_session(self, ttl: int | None = None, scopes: list[str] | None = None) -> Any:
        """Make a session of this user, without any password.

        :param ttl: how long it lasts, in seconds, or -1; the model's ``ttl`` where not given.
        :param scopes: what its token is for; for everything that asks for no scope where not given.
        :returns: the session; its ``id`` is the token.
        :raises BadRequest: where the model does not allow the ttl.
        """
        model = type(self)
        data = {
            "user_id": key_of(model, model.definition.id_of(self.to_record())),
            "ttl": ttl_of(model, ttl),
            "scopes": scopes,
        }
        return model.session.create(data)

    def _kept_others_waiting(self) -> bool:
        """Whether nobody changes a user while a transaction goes on that has changed the record."""
        return bool(self.__loop_plan__().connector.capabilities.transactions)

    def _still_has(self, hash: str) -> bool:
        """Whether the password, which was verified, is the user's until the transaction ends.

        Who changes it meanwhile waits, and ends the session that is made. Where there are no
        transactions nobody waits, and it has to be asked again afterwards.

        :param hash: what is stored of the password from now on.
        """
        old = str(self.__dict__[PASSWORD])
        plan = self.__loop_plan__()
        definition = plan.definition
        known = {**definition.id_values(definition.id_of(self.to_record())), PASSWORD: old}
        where = And(tuple(equality(definition.properties[name], known[name]) for name in known))
        self.__dict__[PASSWORD] = HeldHash(hash)
        return plan.connector.update(definition, where, {PASSWORD: hash}) > 0


def log_out(cls: Any, sid: Any = None, *, ctx: Context | None = None) -> None:
    """End the session of a token: of the one given, or of the caller's own.

    :param sid: the token.
    :raises BadRequest: where it is no text.
    :raises Unauthorized: where there is no such session.
    """
    if sid is not None:
        if not isinstance(sid, str):
            raise BadRequest("sid is the token of a session, a text", error_code="INVALID_TOKEN")
        _end(cls, digest_of(sid))
    elif ctx is not None and ctx.caller.token is not None:
        _end(cls, ctx.caller.token)
    elif ctx is not None and ctx.caller.is_authenticated and ctx.req.method not in _SAFE:
        from flask_login import logout_user

        logout_user()  # it is the app's own cookie by which they call
    else:
        raise Unauthorized("A token is required to log out.")


def _end(model: Any, digest: str) -> None:
    session_model = model.session
    is_there = session_model.data_source is not None
    if not (is_there and session_model.__loop_plan__().delete_by_id(digest)):
        raise Unauthorized("There is no such session.", error_code="INVALID_TOKEN")


def log_out_everywhere(user: Any) -> int:
    """End all sessions of the user.

    :returns: how many they were.
    """
    model = type(user)
    return end_sessions(model, [model.definition.id_of(user.to_record())])


# What is given to log in


@dataclass(frozen=True, slots=True)
class _Login:
    """Who wants to log in.

    :ivar name: the property that names the user: the email or the username.
    :ivar value: its value, in its normal form.
    :ivar realm: the realm, or None where none was said.
    """

    name: str
    value: str
    realm: str | None

    @classmethod
    def of(cls, model: Any, given: Mapping[str, Any]) -> Self:
        """Read who is meant.

        :raises BadRequest: where nobody is named, or something is no text.
        """
        settings = model.definition.settings
        email, username = _text(given, EMAIL), _text(given, USERNAME)
        realm = _text(given, REALM)
        _text(given, PASSWORD)
        name, value = (EMAIL, email) if email else (USERNAME, username)
        if not value:
            raise BadRequest("username or email is required", error_code="USERNAME_EMAIL_REQUIRED")
        if settings.realm_delimiter and settings.realm_delimiter in value:
            realm, _, value = value.partition(settings.realm_delimiter)
        if settings.realm_required and not realm:
            raise BadRequest("realm is required", error_code="REALM_REQUIRED")
        return cls(name, normal_address(value) if name == EMAIL else value, realm or None)

    @property
    def account(self) -> tuple[str | None, ...]:
        """What tries are counted for, whether there is such a user or not."""
        return self.realm, self.name, self.value

    def find(self, model: Any) -> Record | None:
        """The record of the user who is meant, or None."""
        plan = model.__loop_plan__()
        wanted = {self.name: self.value}
        if self.realm is not None or has_realms(plan.definition):
            wanted[REALM] = self.realm  # type: ignore[assignment]
        if any(_is_nobodys(each) for each in wanted.values()):
            return None
        properties = plan.definition.properties
        where: Where = And(
            tuple(equality(properties[name], value) for name, value in wanted.items())
        )
        with newest(model):
            found: list[Record] = plan.find(Filter(where=where, limit=1)).records()
        return found[0] if found else None


def _is_nobodys(value: str | None) -> bool:
    """Whether no record can have a text, so that no data source is asked for it."""
    return value is not None and (len(value) > _MOST or text_problem(value) is not None)


def _mapping(credentials: Any) -> Mapping[str, Any]:
    if credentials is None:
        return {}
    if not isinstance(credentials, Mapping):
        raise BadRequest("credentials are an object", error_code="USERNAME_EMAIL_REQUIRED")
    return {key: credentials[key] for key in (*_CREDENTIALS, "ttl") if key in credentials}


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given[name]
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(f"{name} is a text", error_code=f"INVALID_{name.upper()}")


def _shows_user(include: Any) -> bool:
    """Whether the answer has the user in it.

    :raises FilterError: where it shall have something else.
    """
    wanted = include if isinstance(include, list | tuple) else [include]
    for each in filter(None, wanted):
        if each != "user":
            raise FilterError("include", f"is user or nothing, not {each!r}")
    return any(wanted)


def _hash_now(stored: str, password: str) -> str:
    """The hash of a password, made anew where hashes are made in another way now."""
    hasher = current_hasher()
    return str(hasher.hash(password)) if hasher.needs_rehash(stored) else stored


def _failed() -> Unauthorized:
    return Unauthorized("login failed", error_code="LOGIN_FAILED")


def ttl_of(model: Any, ttl: Any) -> int:
    """How long a session lasts, in seconds; -1 for ever.

    :param model: the model of the user.
    :param ttl: what is asked for, or None.
    :raises BadRequest: where it is no number of seconds, or the model does not let one be eternal.
    """
    settings = model.definition.settings
    wanted: Any = settings.ttl if ttl is None else ttl
    is_number = isinstance(wanted, int) and not isinstance(wanted, bool)
    if wanted == ETERNAL and is_number and settings.allow_eternal_tokens:
        return ETERNAL
    if not is_number or wanted <= 0:
        raise BadRequest("ttl is a positive whole number of seconds", error_code="INVALID_TTL")
    return int(min(wanted, settings.max_ttl))


def id_as_json(user: Any) -> Any:
    """The id of a user as JSON has it; of several properties, its text."""
    ids = type(user).definition.ids
    return ids[0].type.dump(getattr(user, ids[0].name)) if len(ids) == 1 else id_text(user)
