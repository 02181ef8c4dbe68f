"""Which user a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from ..errors import LoopError
from ..remoting import id_text
from ..terminal import app_state

#: What names a user, beside the id.
NAMES = ("email", "username")


def user_models() -> list[Any]:
    models = [model for model in app_state().users if model.data_source is not None]
    if not models:
        raise click.ClickException(
            "The app has no users: extend User, attach it to a data source, and give it to "
            "loop.model()."
        )
    return models


def user_model(name: str | None) -> Any:
    by_name = {model.model_name: model for model in user_models()}
    if name is None:
        if len(by_name) > 1:
            raise click.ClickException(f"Which users? Give --model: {', '.join(by_name)}.")
        (name,) = by_name
    if name not in by_name:
        raise click.ClickException(
            f"The app has no model of users {name!r}, but {', '.join(by_name)}."
        )
    return by_name[name]


@dataclass(frozen=True, slots=True)
class Found:
    """The user who is meant.

    :ivar model: the model.
    :ivar user: the user's record.
    :ivar id: its id, as text.
    """

    model: Any
    user: Any
    id: str

    @classmethod
    def of(cls, text: str, model_name: str | None, realm: str | None, by: str | None) -> Found:
        """Find a user by email, username or id.

        :raises ClickException: where there is none, or it may be several.
        """
        model = user_model(model_name)
        found = {id_text(user): user for user in _users_called(model, text, realm, by)}
        if not found:
            what = "user" if by is None else f"user with the {by}"
            of = "" if realm is None else f" in the realm {realm!r}"
            raise click.ClickException(f"{model.model_name} has no {what} {text!r}{of}.")
        if len(found) > 1:
            each = "; ".join(f"id {id}: {_told(user)}" for id, user in sorted(found.items()))
            raise click.ClickException(
                f"{text!r} may be several users ({each}). Say which with --by or --realm."
            )
        ((id, user),) = found.items()
        return cls(model, user, id)


def _users_called(model: Any, text: str, realm: str | None, by: str | None) -> list[Any]:
    found: list[Any] = []
    for name in NAMES:
        if by in (None, name) and name in model.definition.properties:
            found += model.find({"where": {name: text}})
    if by in (None, "id"):
        found += _user_with_id(model, text)
    return [each for each in found if realm is None or each.realm == realm]


def _user_with_id(model: Any, text: str) -> list[Any]:
    try:
        user = model.find_by_id(model.__loop_plan__().read_id(text))
    except LoopError:
        return []
    return [] if user is None else [user]


def _told(user: Any) -> str:
    realm = getattr(user, "realm", None)
    return shown(user) + (f" in the realm {realm!r}" if realm else "")


def shown(user: Any) -> str:
    known = (getattr(user, name, None) for name in NAMES)
    return ", ".join(each for each in known if each)
