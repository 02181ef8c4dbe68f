"""The roles of a user, as a command gives and takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ..access.roles import Roles, only_model, records
from ..definition import nearest
from ..remoting import Caller
from ..state import State
from .found import Found


@dataclass(frozen=True, slots=True)
class HeldRoles:
    """The roles of a user.

    :ivar state: the app's.
    :ivar found: the user.
    :ivar roles: the app's model of roles.
    :ivar mappings: that of who has them.
    """

    state: State
    found: Found
    roles: Any
    mappings: Any

    @classmethod
    def of(cls, state: State, found: Found) -> HeldRoles:
        """What there is in an app.

        :raises ClickException: where it has no roles.
        """
        models = (
            only_model(state, "__loop_role__", "roles"),
            only_model(state, "__loop_role_mapping__", "role mappings"),
        )
        for model, name in zip(models, ("Role", "RoleMapping"), strict=True):
            if model is None or model.data_source is None:
                raise click.ClickException(
                    f"The app has no roles: extend {name}, attach it to a data source, and give it "
                    "to loop.model(…, public=False)."
                )
        return cls(state, found, *models)

    def ids(self, names: Sequence[str], way_out: str = "") -> dict[str, Any]:
        """The ids of roles, by name.

        :param way_out: what is said of one that there is not.
        :raises ClickException: naming one that there is not.
        """
        found = self._stored(names)
        for name in names:
            if name not in found:
                known = [each.name for each in self.roles.find()]
                raise click.ClickException(
                    f"There is no role {name!r}{way_out}{nearest(name, known)}"
                )
        return found

    def made(self, names: Sequence[str]) -> dict[str, Any]:
        """The ids of roles by name, those that were not there made."""
        found = self._stored(names)
        for name in dict.fromkeys(names):
            if name not in found:
                found[name] = self._id_of(self.roles.create(name=name))
        return found

    def give(self, ids: Iterable[Any]) -> None:
        """Give the user roles."""
        held = self._held_ids()
        for id in dict.fromkeys(ids):
            if id not in held:
                self.mappings.create(
                    principal_type=self._types[0], principal_id=self.found.id, role_id=id
                )

    def take(self, ids: Iterable[Any]) -> None:
        """Take roles from the user."""
        taken = list(dict.fromkeys(ids))
        if taken:
            self.mappings.destroy_all({**self._mine, "role_id": {"inq": taken}})

    def direct(self) -> set[str]:
        """The names of the roles that the user was given."""
        (key,) = self.roles.definition.ids
        there = records(self.roles, {key.name: {"inq": list(self._held_ids())}})
        return {each["name"] for each in there}

    def all(self) -> frozenset[str]:
        """The names of these, and of the roles that those with them have."""
        model, user = self.found.model, self.found.user
        caller = Caller(model=model, id=model.definition.id_of(user.to_record()))
        return Roles(self.state).names(caller)

    @property
    def _types(self) -> list[str]:
        """What mappings call the model of the user, what they are written with first."""
        name = self.found.model.definition.name
        return ["USER", name] if len(self.state.users) == 1 else [name]

    @property
    def _mine(self) -> Mapping[str, Any]:
        return {"principal_type": {"inq": self._types}, "principal_id": self.found.id}

    def _held_ids(self) -> set[Any]:
        return {each["role_id"] for each in records(self.mappings, self._mine)}

    def _stored(self, names: Sequence[str]) -> dict[str, Any]:
        self._refuse_computed(names)
        if not names:
            return {}
        found = self.roles.find({"where": {"name": {"inq": list(names)}}})
        return {each.name: self._id_of(each) for each in found}

    def _refuse_computed(self, names: Iterable[str]) -> None:
        for name in names:
            if name.startswith("$") or name in Roles(self.state).models.resolvers:
                raise click.ClickException(
                    f"Nobody is given the role {name!r}: who has it is found out at each call."
                )

    def _id_of(self, role: Any) -> Any:
        return self.roles.definition.id_of(role.to_record())
