"""Links: the signed tokens that mails carry, and where the links with them lead.

A token says whose it is and what for, and it holds a digest of what it is to change. So it is good
for one model and one purpose, until it is used or the user's password or address is another, and
nothing of it is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from random import random
from time import sleep
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from flask import current_app, has_request_context, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.sansio.utils import host_is_trusted

from ..connectors.repeating import ATTEMPTS, PAUSE
from ..errors import BadRequest, ModelNotFound, TransactionConflict
from ..operations import outbox
from ..remoting import Caller, id_text
from ..state import State
from .apps import current_state
from .sessions import newest

#: What a token of a mail is for.
VERIFICATION = "verification"
RESET = "reset"
#: What the token of a reset mail is for where it is given in the place of a session's.
RESET_SCOPES = ("reset-password",)

#: The properties of a user on which a token depends: it is good while they are what they were.
_STATE = {
    VERIFICATION: ("password", "email", "email_verified"),
    RESET: ("password", "email"),
}
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says.

    :ivar id: the text of the user's id.
    :ivar state: the digest of the user's state when it was made.
    """

    id: str
    state: str


def make_token(user: Any, purpose: str) -> str:
    """Make the token of a link.

    :param user: a stored user.
    :param purpose: :data:`VERIFICATION` or :data:`RESET`.
    :raises RuntimeError: where the app has no ``SECRET_KEY``.
    """
    return str(_serializer(type(user), purpose).dumps([id_text(user), state_of(user, purpose)]))


def read_token(model: Any, purpose: str, token: Any, max_age: int) -> Claim | None:
    """What a token says, where it was made by this app, for this model and purpose.

    :param max_age: how old it may be, in seconds.
    """
    if not isinstance(token, str) or len(token) > _MOST:
        return None
    try:
        id, state = _serializer(model, purpose).loads(token, max_age=max_age)
    except (BadData, ValueError):
        return None
    return Claim(id, state)


def user_of(model: Any, purpose: str, token: Any) -> Any | None:
    """The user whose token it is, where it is still good.

    :param model: the model of the user.
    """
    settings = model.settings
    max_age = settings.reset_ttl if purpose == RESET else settings.verification_ttl
    claim = read_token(model, purpose, token, max_age)
    if claim is None:
        return None
    try:
        with newest(model):
            user = model.__loop_plan__().instance(claim.id)
    except (ModelNotFound, BadRequest):
        return None
    return user if hmac.compare_digest(state_of(user, purpose), claim.state) else None


def caller_of_reset(model: Any, token: Any) -> Caller | None:
    """The caller whom a token of a reset mail makes, as LoopBack's does; it sets a password alone.

    :param model: the model of the user.
    """
    user = user_of(model, RESET, token)
    if user is None:
        return None
    id = model.definition.id_of(user.to_record())
    return Caller(
        model, id, scopes=RESET_SCOPES, token=state_of(user, RESET), load_user=lambda: user
    )


def state_of(user: Any, purpose: str) -> str:
    """The digest of what the tokens of a user depend on."""
    values = [purpose, *_state(user, purpose).values()]
    digest = hashlib.sha256(json.dumps(values, default=str).encode()).digest()
    return urlsafe_b64encode(digest[:18]).decode()


def change_once(user: Any, purpose: str, changes: Mapping[str, Any]) -> bool:
    """Change a user who is still as it was read: of several requests at once, one succeeds.

    :param purpose: says of which of its properties that is asked.
    :returns: whether it was so.
    """
    plan = user.__loop_plan__()
    ids = {each.name: getattr(user, each.name) for each in plan.definition.ids}
    where = plan.parser.where({**ids, **_state(user, purpose)})
    for attempt in range(1, ATTEMPTS):
        try:
            return bool(plan.update_all(where, changes))
        except TransactionConflict:
            if outbox.is_open():
                raise  # it is a part of the caller's, who alone can begin again
            sleep(random() * PAUSE * 2**attempt)  # noqa: S311 - so that two are not in step again
    return bool(plan.update_all(where, changes))


def _state(user: Any, purpose: str) -> dict[str, Any]:
    record: Mapping[str, Any] = user.to_record()
    return {name: record.get(name) for name in _STATE[purpose]}


def _serializer(model: Any, purpose: str) -> URLSafeTimedSerializer:
    _loop()
    if not current_app.secret_key:
        raise RuntimeError(
            f"the app {current_app.name!r} has no SECRET_KEY, by which links in mails are signed"
        )
    # The newest is last, and signs.
    keys = [*(current_app.config.get("SECRET_KEY_FALLBACKS") or ()), current_app.secret_key]
    return URLSafeTimedSerializer(
        keys,
        salt=f"flask-loop {purpose} {model.model_name}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


# Where links lead


def base_url() -> str:
    """Where clients reach the app.

    The host of a request is whatever its sender says, so that it is taken only where that does no
    harm, or where the app says which hosts are its own.

    :raises RuntimeError: where it is not known.
    """
    external: str | None = _loop().settings.external_url
    if external:
        return external.rstrip("/")
    if has_request_context():
        trusted = current_app.config.get("TRUSTED_HOSTS")
        is_trusted = bool(trusted) and host_is_trusted(request.host, trusted)
        if is_trusted or (not trusted and (current_app.debug or current_app.testing)):
            return request.url_root.rstrip("/")
    raise RuntimeError(
        "a mail needs to know where clients reach the app: set LOOP_EXTERNAL_URL, such as "
        "'https://api.example.com', or TRUSTED_HOSTS, of which the request's host is taken"
    )


def link_to(model: Any, method: str, base: str, query: Mapping[str, str]) -> str:
    """A link to a method of a model.

    :param method: the wire name of one without arguments in its path.
    :param base: what :func:`base_url` gave.
    :param query: what the link has in its query.
    :raises RuntimeError: where remote callers do not have it in this app.
    """
    state = _loop()
    exposure = state.exposures.get(model)
    if exposure is None or not exposure.shows(method):
        raise RuntimeError(
            f"the link in the mail leads to the method {method!r} of {model.model_name}, which "
            f"remote callers do not have: call loop.model({model.__name__}), or give a page of "
            "your own as href"
        )
    route = exposure.find(method).routes[0]
    path = f"{state.url_prefix}{model.definition.http_path}{route.path}"
    return f"{base}{quote(path)}?{_query(query)}"


def link_to_page(href: str, query: Mapping[str, str]) -> str:
    """A link to a page of the app's own, with what it needs added to its query."""
    parts = urlsplit(href)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, _query(query)]))))


def allowed_redirects() -> list[str]:
    """What the URLs that browsers may be sent to begin with, beside the app's own paths."""
    settings = _loop().settings
    return [*settings.allowed_redirects, *filter(None, [settings.external_url])]


def _query(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote, safe="")


def _loop() -> State:
    state = current_state()
    if state is None:
        raise RuntimeError(
            "there is no app of Flask-Loop's here: do this in a request, or inside "
            "`with app.app_context():`"
        )
    return state
