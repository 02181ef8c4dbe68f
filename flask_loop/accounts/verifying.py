"""Verifying: users prove that they read the mail at their address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..connectors.mail.addresses import NoAddress, read_addresses
from ..errors import BadRequest, LoopError
from ..mailing import defer
from ..methods import remote_method
from ..remoting import Context, id_text
from .either import OnEither
from .letters import Letter
from .limiting import REFUSAL, limit
from .links import (
    VERIFICATION,
    allowed_redirects,
    base_url,
    change_once,
    link_to,
    link_to_page,
    make_token,
    user_of,
)
from .pages import message, send_to, wants_page
from .redirects import check_redirect
from .sessions import newest

if TYPE_CHECKING:
    from ..model import Model as Base
else:
    Base = object

_DEFAULTS = {
    "subject": "Thanks for Registering",
    "text": "Please verify your email address by opening this link:\n\n{href}",
    "template": "verify.html",
    "redirect": "/",
}


def verify(user: Any, options: Mapping[str, Any] | None = None, /, **more: Any) -> dict[str, Any]:
    """Mail a user a link that verifies their address.

    It is good once, for ``Meta.verification_ttl`` seconds, and while neither the address nor the
    password changes. It leads to ``GET /users/confirm``.

    :param options: what is other than in ``Meta.verification``: ``from_``, ``subject``, ``text``,
        in which ``{href}`` is the link, ``template``, its ``context``, ``redirect``, which is where
        a browser goes then (``"/"``), ``href``, a page of your own that calls ``confirm``, and
        ``to``, ``reply_to``, ``attachments`` and ``headers`` as :meth:`Email.send
        <flask_loop.Email.send>` takes them.
    :param more: further options.
    :returns: ``{"email", "uid", "token"}``: the address, the user's id and the link's token.
    :raises ValueError: where the user is not stored, has no address or has verified it, where
        ``to`` is another one, and where ``redirect`` is no place that ``LOOP_ALLOWED_REDIRECTS``
        has.
    :raises RuntimeError: where it is not known where clients reach the app, or who the mail is
        from.

    ::

        @Member.after_remote("create")
        def send_link(ctx, created):
            for member in created if isinstance(created, list) else [created]:
                member.verify(subject="Welcome to the shop")
    """
    letter = _letter(type(user), options, more)
    return _send(user, letter, None if letter.href else base_url())


def resend(cls: Any, id: Any) -> None:
    """Mail a user the link again, where they have not verified their address.

    What there is to be sent is found out in the background, so that neither the answer nor its time
    tells who has an account.

    :param id: the user's id.
    :raises TooManyRequests: where it was asked for too often.
    """
    letter = _letter(cls)
    base = None if letter.href else base_url()
    limit(cls, "verify", str(id))
    defer(_resend, cls, str(id), letter, base)


class Verifying(Base):
    """What users have for the verification of their addresses."""

    verify: ClassVar[OnEither[Callable[[Any], None], Callable[..., dict[str, Any]]]] = OnEither(
        remote_method(
            resend,
            accepts={"arg": "id", "type": "string", "required": True, "http": {"source": "path"}},
            returns=None,
            http={"verb": "post", "path": "/:id/verify"},
            description="Send the mail again by which a user verifies their address.",
            access_type="EXECUTE",
            errors=REFUSAL,
        ),
        verify,
    )

    @remote_method(
        accepts=[
            {"arg": "uid", "type": "string", "required": True, "http": {"source": "query"}},
            {"arg": "token", "type": "string", "required": True, "http": {"source": "query"}},
            {"arg": "redirect", "type": "string", "http": {"source": "query"}},
            {"arg": "ctx", "http": {"source": "context"}},
        ],
        returns=None,
        http={"verb": "get", "path": "/confirm"},
        description="Verify a user's address with the token of the mail that they were sent.",
    )
    @classmethod
    def confirm(
        cls, uid: Any, token: str, redirect: str | None = None, ctx: Context | None = None
    ) -> Any:
        """Verify a user's address.

        :param uid: the user's id, as it is in the link.
        :param token: the token of the link, which is good once.
        :param redirect: where a browser goes then.
        :returns: the user; to remote callers, nothing.
        :raises BadRequest: where the token is not good any more, or the redirect is not allowed.
        """
        if redirect:
            check_redirect(redirect, allowed_redirects())
        try:
            user = _verify(cls, str(uid), token, spends=ctx is None or ctx.req.method != "HEAD")
        except BadRequest as error:
            if ctx is not None and wants_page():
                error.response = message("This link is not valid", _NOT_VALID, 400)
            raise
        if ctx is None:
            return user
        if redirect:
            return send_to(redirect)
        if wants_page():
            return message("Your address is verified", "Thank you. You can log in now.")
        return None


_NOT_VALID = (
    "It was used already, or it is too old. If your address is not verified yet, ask for another "
    "mail."
)


def _letter(model: Any, *given: Mapping[str, Any] | None) -> Letter:
    letter = Letter.of(_DEFAULTS, model.settings.verification, *given)
    letter.refuse_elsewhere(allowed_redirects())
    return letter


def _send(user: Any, letter: Letter, base: str | None) -> dict[str, Any]:
    """Send the mail.

    :param base: where clients reach the app, where the link leads there.
    """
    if user.is_new_record():
        raise ValueError("verify() is for stored users; save this one first")
    if not user.email:
        raise ValueError("the user has no address that could be verified")
    if user.email_verified:
        raise ValueError("the user has verified their address already")
    _refuse_others(letter.options.get("to"), user.email)
    uid, token = id_text(user), make_token(user, VERIFICATION)
    query = {"uid": uid, "token": token}
    if letter.redirect:
        query["redirect"] = letter.redirect
    if base is None:
        link = link_to_page(str(letter.href), query)
    else:
        link = link_to(type(user), "confirm", base, query)
    letter.send(user, link)
    return {"email": user.email, "uid": uid, "token": token}


def _refuse_others(to: Any, email: str) -> None:
    """Refuse receivers who could verify an address that is not theirs."""
    if to is None:
        return
    for _, each in read_addresses(to):
        if isinstance(each, NoAddress) or each.address.lower() != email.lower():
            raise ValueError("the link proves who reads the user's mail: `to` is their address")


def _resend(model: Any, id: str, letter: Letter, base: str | None) -> None:
    try:
        with newest(model):
            user = model.__loop_plan__().instance(id)
    except LoopError:
        return
    if user.email and not user.email_verified:
        _send(user, letter, base)


def _verify(model: Any, uid: str, token: str, *, spends: bool) -> Any:
    """Verify the address of the user whose token it is.

    :param spends: whether it is used; programs that look where a link leads do not.
    """
    user = user_of(model, VERIFICATION, token)
    if user is None or id_text(user) != uid or user.email_verified:
        raise _invalid()
    if spends:
        if not change_once(user, VERIFICATION, {"email_verified": True}):
            raise _invalid()  # another request was faster
        user.email_verified = True
    return user


def _invalid() -> BadRequest:
    return BadRequest(
        "The token is not valid: it was used, or is too old.", error_code="INVALID_TOKEN"
    )
