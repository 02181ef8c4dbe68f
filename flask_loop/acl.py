"""Role, RoleMapping and ACL: the records of access control.

An app extends those that it needs, attaches them to a data source and registers them, mostly
without routes::

    class AppRole(Role):
        class Meta:
            data_source = db

    class Membership(RoleMapping):
        class Meta:
            data_source = db

    loop.model(AppRole, public=False)
    loop.model(Membership, public=False)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from .access.context import AccessContext
from .access.roles import ids_of, register_resolver
from .access.scoring import AUTHENTICATED, EVERYONE, OWNER, RELATED, UNAUTHENTICATED
from .definition import prop
from .definition.entries import ACCESS_TYPES, ALL, PERMISSIONS, ROLE, USER
from .hooks import Observers
from .model import Model, Prop
from .types import PropertyType, String

F = TypeVar("F", bound=Callable[[AccessContext], Any])

#: What nobody may do over REST until an app's own entries say who may.
CLOSED = ({"principal_type": ROLE, "principal_id": EVERYONE, "permission": "DENY"},)


class IdText(String):
    """The id of any record as text; one that is no text is taken as its text."""

    @property
    def stored_as(self) -> type[PropertyType]:
        return String

    def load(self, value: Any, *, text: bool = True) -> str:
        is_id = isinstance(value, int | UUID) and not isinstance(value, bool)
        return super().load(str(value) if is_id else value, text=text)


class Role(Model):
    """A name for what callers may do, which :class:`RoleMapping` gives to users and other roles.

    A role may also be what a function says: see :meth:`resolver`.
    """

    __loop_bundled__: ClassVar[bool] = True
    __loop_role__: ClassVar[bool] = True

    EVERYONE: ClassVar[str] = EVERYONE
    AUTHENTICATED: ClassVar[str] = AUTHENTICATED
    UNAUTHENTICATED: ClassVar[str] = UNAUTHENTICATED
    OWNER: ClassVar[str] = OWNER
    RELATED: ClassVar[str] = RELATED

    name: Prop[str] = prop(required=True, max_length=255, unique=True)
    description: Prop[str | None] = prop(max_length=1000)
    created: Prop[dt.datetime] = prop(read_only=True, default_fn="now")

    __loop_observers__: ClassVar[Observers] = Observers()

    class Meta:
        acls = CLOSED

    @classmethod
    def register_resolver(cls, name: str, function: Callable[[AccessContext], Any]) -> None:
        """Let a function say who has a role.

        :param name: the role's name.
        :param function: takes an :class:`AccessContext` and gives True, False, or a where: the
            records of the model for which the caller has the role.
        :raises TypeError: on :class:`Role` itself, which is every app's.
        :raises DefinitionError: where the role has such a function, or is one of the built-in.
        """
        register_resolver(cls, name, function)

    @classmethod
    def resolver(cls, name: str) -> Callable[[F], F]:
        """A decorator that does the same as :meth:`register_resolver`.

        ::

            @AppRole.resolver("colleague")
            def is_colleague(access):
                return {"team_id": access.user.team_id} if access.is_authenticated else False
        """

        def register(function: F) -> F:
            register_resolver(cls, name, function)
            return function

        return register


def _take_from_roles(observation: Any) -> None:
    """Take from roles that are deleted the roles that they have: another may get their ids."""
    definition = observation.model.definition
    mappings = [
        each.target.model
        for each in definition.relations.values()
        if each.target is not None and hasattr(each.target.model, "__loop_role_mapping__")
    ]
    if not mappings:
        return
    where = {"principal_type": ROLE, "principal_id": {"inq": ids_of(observation)}}
    mappings[0].destroy_all(where)


Role.__loop_observers__.add("before delete", _take_from_roles)


class RoleMapping(Model):
    """Who has a role: a user, or all who have another role."""

    __loop_bundled__: ClassVar[bool] = True
    __loop_role_mapping__: ClassVar[bool] = True

    USER: ClassVar[str] = USER
    ROLE: ClassVar[str] = ROLE

    #: ``USER``, ``ROLE`` or, where an app has several models of users, the name of one.
    principal_type: Prop[str] = prop(required=True, max_length=255)
    #: The id of the user, or of the role, as text.
    principal_id: Prop[str] = prop(type=IdText(), required=True, max_length=255)
    role_id: Prop[int] = prop(index=True)

    class Meta:
        acls = CLOSED
        indexes: ClassVar[dict[str, Any]] = {
            "mapping": {"keys": ["principal_type", "principal_id", "role_id"], "unique": True}
        }


class ACL(Model):
    """An entry of access control that is a record, for what is decided while the app runs."""

    __loop_bundled__: ClassVar[bool] = True
    __loop_acl__: ClassVar[bool] = True

    #: The name of the model that it is about, or ``*``.
    model: Prop[str] = prop(required=True, max_length=255, index=True)
    #: The name of the method, or ``*``.
    property: Prop[str] = prop(default=ALL, max_length=255)
    access_type: Prop[str] = prop(default=ALL, enum=[*ACCESS_TYPES, ALL])
    permission: Prop[str] = prop(enum=list(PERMISSIONS))
    principal_type: Prop[str] = prop(required=True, max_length=255)
    principal_id: Prop[str] = prop(type=IdText(), required=True, max_length=255)

    class Meta:
        acls = CLOSED
