"""Resetting: users choose another password, by a mail or with the one that they have."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flask import request

from ..definition import ModelDefinition, UserSettings
from ..errors import (
    BadRequest,
    FilterError,
    Forbidden,
    Unauthorized,
    ValidationError,
)
from ..mailing import defer
from ..methods import remote_method
from ..remoting import Context, id_text
from .addresses import normal_address
from .either import OnEither
from .identities import forget_strangers
from .letters import Letter
from .limiting import REFUSAL, forgive, limit
from .links import (
    RESET,
    RESET_SCOPES,
    allowed_redirects,
    base_url,
    change_once,
    link_to,
    link_to_page,
    make_token,
    state_of,
    user_of,
)
from .pages import message, page, send_to
from .passwords import current_hasher
from .records import has_realms
from .sessions import newest

if TYPE_CHECKING:
    from ..model import Model as Base
else:
    Base = object

_DEFAULTS = {
    "subject": "Choose a new password",
    "text": "Somebody, hopefully you, asked for a new password for your account. "
    "Choose it by opening this link:\n\n{href}",
    "template": "reset_mail.html",
}
_PASSWORD = {"type": "string", "required": True, "http": {"source": "form"}}
_TOKEN = {"arg": "token", "type": "string", "http": {"source": "form"}}
_BROKEN = "The new password breaks a rule."
_CONTEXT = {"arg": "ctx", "http": {"source": "context"}}


def _calling_user(ctx: Context) -> Any:
    """The id of the user who calls.

    :raises Unauthorized: where that is none of the model's.
    """
    caller = ctx.caller
    if not (caller.is_authenticated and caller.model is ctx.model):
        raise Unauthorized
    return caller.id


def change_password_of(cls: Any, user_id: Any, old_password: str, new_password: str) -> None:
    """Change a user's password, which ends their sessions but the one that calls.

    :param user_id: the user's id.
    :param old_password: the password that they have.
    :param new_password: the new one.
    :raises BadRequest: where the old one is wrong.
    :raises ValidationError: where the new one breaks a rule.
    :raises TooManyRequests: where wrong ones were given too often.
    """
    text = id_text(cls, user_id)
    limit(cls, "login", "change-password", text)
    user = cls.__loop_plan__().instance(text)
    is_right = current_hasher().verify(user.password, old_password)
    if is_right:
        forgive(cls, "login", "change-password", text)
    if not (is_right and change_once(user, RESET, {"password": new_password})):
        raise BadRequest("The old password is wrong.", error_code="INVALID_PASSWORD")


def change_password(user: Any, old_password: str, new_password: str) -> None:
    """Change the user's password, which ends their sessions but the one that calls.

    ``User.change_password(user_id, old_password, new_password)`` is the same.

    :param old_password: the password that they have.
    :param new_password: the new one.
    :raises BadRequest: where the old one is wrong.
    :raises ValidationError: where the new one breaks a rule.
    :raises TooManyRequests: where wrong ones were given too often.
    """
    model, text = type(user), id_text(user)
    id = model.definition.id_of(user.to_record())
    change_password_of(model, id, old_password, new_password)
    user.password = model.__loop_plan__().instance(text).password


class Resetting(Base):
    """What users have for the change of their passwords."""

    if TYPE_CHECKING:
        settings: ClassVar[UserSettings]

    @remote_method(
        accepts=[
            {"arg": "email", "type": "any", "http": {"source": "form"}},
            {"arg": "realm", "type": "string", "http": {"source": "form"}},
        ],
        returns=None,
        http={"verb": "post", "path": "/reset"},
        description="Send the user with an address a mail to choose another password.",
        errors=REFUSAL,
    )
    @classmethod
    def reset(cls, email: str, realm: str | None = None) -> None:
        """Mail the user with an address a link to a page on which to choose another password.

        It is good once, for ``Meta.reset_ttl`` seconds, and while neither the address nor the
        password changes. Whether there is such a user is found out in the background, so that
        neither the answer nor its time tells it.

        :param email: the address.
        :param realm: the user's realm.
        :raises BadRequest: where the address is no text.
        :raises TooManyRequests: where it was asked for too often.
        :raises RuntimeError: where it is not known where clients reach the app.
        """
        if email is None or email == "":
            raise BadRequest("An email address is required.", error_code="EMAIL_REQUIRED")
        if not isinstance(email, str):
            raise BadRequest("The email address is not text.", error_code="INVALID_EMAIL")
        settings = cls.settings
        if settings.realm_delimiter and settings.realm_delimiter in email:
            realm, _, email = email.partition(settings.realm_delimiter)
        if settings.realm_required and not realm:
            raise BadRequest("A realm is required.", error_code="REALM_REQUIRED")
        email, realm = normal_address(email), realm or None
        letter = _letter(cls)
        base = None if letter.href else base_url()
        limit(cls, "reset", realm, email)
        defer(_send, cls, email, realm, letter, base)

    @classmethod
    def confirm_reset(cls, token: str, password: str) -> Self:
        """Give the user of a reset mail another password, which ends all of their sessions.

        As the link came to their address, that is verified with it.

        :param token: the token of the link, which is good once.
        :param password: the new password.
        :returns: the user.
        :raises BadRequest: where the token is not good any more.
        :raises ValidationError: where the password breaks a rule; the token is then still good.
        """
        user = user_of(cls, RESET, token)
        if user is None:
            raise _invalid()
        changed: Self = _change(user, password)
        return changed

    @remote_method(
        accepts=[{"arg": "new_password", **_PASSWORD}, _TOKEN, _CONTEXT],
        returns=None,
        http={"verb": "post", "path": "/reset-password"},
        description="Choose another password with the token of a reset mail, which is given here "
        "or in the place of a session's token.",
        access_scopes=[*RESET_SCOPES, "DEFAULT"],
        errors={401: "There is no token.", 422: _BROKEN},
    )
    @classmethod
    def set_password(
        cls, new_password: str, token: str | None = None, ctx: Context | None = None
    ) -> None:
        """Give the user of a reset mail another password; see :meth:`confirm_reset`.

        :param new_password: the new password.
        :param token: the token of the link; where not given, the caller's own, as LoopBack has it.
        """
        if token is not None or ctx is None:
            cls.confirm_reset(token or "", new_password)
            return
        caller = ctx.caller
        if not caller.is_authenticated:
            raise Unauthorized
        if caller.scopes != RESET_SCOPES or caller.model is not cls:
            raise Forbidden("This needs the token of a reset mail.")
        user = cls.__loop_plan__().instance(caller.id)
        if not hmac.compare_digest(state_of(user, RESET), caller.token or ""):
            raise _invalid()
        _change(user, new_password)

    @remote_method(
        accepts={"arg": "token", "type": "string", "http": {"source": "query"}},
        http={"verb": "get", "path": "/reset-page"},
        documented=False,
    )
    @classmethod
    def reset_page(cls, token: str | None = None) -> Any:
        """The page of a reset mail, on which to choose another password."""
        user = user_of(cls, RESET, token)
        return _not_valid() if user is None else _form(user, str(token))

    @remote_method(
        accepts=[
            _TOKEN,
            {"arg": "password", "type": "string", "http": {"source": "form"}},
            {"arg": "password_confirmation", "type": "string", "http": {"source": "form"}},
        ],
        http={"verb": "post", "path": "/reset-page"},
        documented=False,
    )
    @classmethod
    def submit_reset_page(
        cls,
        token: str | None = None,
        password: str | None = None,
        password_confirmation: str | None = None,
    ) -> Any:
        """What the form of the page is sent to."""
        user = user_of(cls, RESET, token)
        if user is None:
            return _not_valid()
        if not password:
            return _form(user, str(token), ("password", "Enter a new password."))
        if password != password_confirmation:
            problem = "This is not the same as the new password."
            return _form(user, str(token), ("passwordConfirmation", problem))
        try:
            _change(user, password)
        except ValidationError as error:
            problems = [("password", _sentence(str(each.message))) for each in error.failures]
            return _form(user, str(token), *problems)
        except BadRequest:
            return _not_valid()
        redirect = _letter(cls).redirect
        if redirect:
            return send_to(redirect, 303)
        return message("Your password was changed", "You can log in with it now.")

    change_password: ClassVar[
        OnEither[Callable[[Any, str, str], None], Callable[[str, str], None]]
    ] = OnEither(
        remote_method(
            change_password_of,
            accepts=[
                {"arg": "user_id", "type": "any", "http": _calling_user},
                {"arg": "old_password", **_PASSWORD},
                {"arg": "new_password", **_PASSWORD},
            ],
            returns=None,
            http={"verb": "post", "path": "/change-password"},
            description="Change one's password, which ends one's other sessions.",
            access_type="EXECUTE",
            errors={422: _BROKEN, **REFUSAL},
        ),
        change_password,
    )


def _send(model: Any, email: str, realm: str | None, letter: Letter, base: str | None) -> None:
    """Send the mail to the user with an address, if there is one."""
    where: dict[str, Any] = {"email": email}
    if realm is not None or has_realms(model.definition):
        where["realm"] = realm
    plan = model.__loop_plan__()
    try:
        with newest(model):
            found = plan.find(plan.parser.filter({"where": where, "limit": 1})).records()
    except FilterError:  # no record can have such a text
        return
    if not found:
        return
    user = model.from_record(found[0])
    query = {"token": make_token(user, RESET)}
    if base is None:
        link = link_to_page(str(letter.href), query)
    else:
        link = link_to(model, "resetPage", base, query)
    letter.send(user, link)


def _change(user: Any, password: str) -> Any:
    """Give a user another password, unless another request was faster."""
    if not change_once(user, RESET, {"password": password, "email_verified": True}):
        raise _invalid()
    forget_strangers(user)
    return type(user).__loop_plan__().instance(id_text(user))


def _form(user: Any, token: str, *errors: tuple[str, str]) -> Any:
    """The page with the fields of a new password.

    :param errors: what is wrong, with the name of the field.
    """
    model = type(user)
    return page(
        model.settings.reset_template or "reset.html",
        422 if errors else 200,
        redirects=_letter(model).redirect or "",
        action=request.script_root + request.path,
        token=token,
        errors=errors,
        rules=_rules(model.definition),
        user=user,
    )


def _rules(definition: ModelDefinition) -> str:
    """What the page says of the length of passwords."""
    lengths = [rule for rule in definition.rules if rule.property == "password"]
    constraints = definition.properties["password"].constraints
    least = [constraints.get("min_length"), *(getattr(rule, "min", None) for rule in lengths)]
    most = max((each for each in least if isinstance(each, int)), default=0)
    return f"At least {most} characters." if most > 1 else "A longer password is a safer one."


def _sentence(problem: str) -> str:
    """What is wrong with a password, for people: some messages of LoopBack's have no verb."""
    verb = "is " if problem.startswith("too ") else ""
    return f"The password {verb}{problem}."


def _not_valid() -> Any:
    text = "It was used already, or it is too old. Ask for another mail to get a new one."
    return message("This link is not valid", text, 400)


def _letter(model: Any) -> Letter:
    letter = Letter.of(_DEFAULTS, model.settings.reset)
    letter.refuse_elsewhere(allowed_redirects())
    return letter


def _invalid() -> BadRequest:
    return BadRequest(
        "The token is not valid: it was used, or is too old.", error_code="INVALID_TOKEN"
    )
