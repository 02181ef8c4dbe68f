"""Checks: what can be known to be wrong with an app's users before any of them comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import current_app

from ..errors import DefinitionError
from ..state import Settings, State
from . import limiting, passwords, redirects
from .letters import NO_SENDER, Letter
from .shared import NO_KEY


def check_settings(settings: Settings) -> None:
    """Refuse settings that mean nothing, as far as that takes neither time nor a server.

    :raises DefinitionError: naming the setting.
    """
    redirects.check_settings(settings)
    limiting.check_settings(settings)
    passwords.check_settings(settings.password_hashing)


def check_model(model: Any, settings: Settings) -> None:
    """Refuse a model of users whose mails cannot be made.

    :param settings: those of the app that it is registered in.
    :raises DefinitionError: naming the model's setting.
    """
    allowed = [*settings.allowed_redirects, *filter(None, [settings.external_url])]
    for name in ("verification", "reset"):
        try:
            Letter.of(getattr(model.settings, name)).refuse_elsewhere(allowed)
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"model {model.model_name!r}: {name}: {error}") from None


def missing_for_sessions(state: State) -> Iterator[str]:
    """Say what an app lacks without which every request with a token fails.

    :param state: that of the app in whose context the caller is.
    """
    if state.shared is not None and not current_app.secret_key:
        yield f"{NO_KEY}; until then every request with a token fails"


def missing_for_mails(state: State) -> Iterator[str]:
    """Say what an app lacks whose users log in only when they have followed the link of a mail.

    :param state: that of the app in whose context the caller is.
    """
    models = [each for each in state.users if each.require_email_verification]
    if not models:
        return
    names = ", ".join(each.model_name for each in models)
    if not current_app.secret_key:
        yield f"the links in the mails to {names} need a SECRET_KEY"
    knows_host = state.settings.external_url or current_app.config.get("TRUSTED_HOSTS")
    letters = {each.model_name: Letter.of(each.settings.verification) for each in models}
    leads_here = not all(each.href for each in letters.values())
    if leads_here and not (knows_host or current_app.debug or current_app.testing):
        yield f"the links in the mails to {names} need LOOP_EXTERNAL_URL"
    for name, letter in letters.items():
        if not letter.has_sender:
            yield f"{name}: {NO_SENDER}"
