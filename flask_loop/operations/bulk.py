"""The operations that write whatever matches: update_all, destroy_all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..methods import Argument, RemoteMethod, Returns, Route
from ..query import Bounds, Where
from .base import declare
from .plan import Plan, python_names
from .reading import WHERE, WhereLike, _where
from .writing import CHANGES, Writing

if TYPE_CHECKING:
    from builtins import classmethod as operation
else:
    from .base import operation


class Bulk(Writing):
    """The operations that write whatever matches."""

    @operation
    def update_all(cls, where: WhereLike, data: Mapping[str, Any]) -> int:
        """Change some properties of all records that match a where.

        :param where: which records; ``{}`` for all.
        :param data: the properties to change; their types and rules hold as in other writes.
        :returns: how many matched.
        """
        plan = cls.__loop_plan__()
        return plan.update_all(_where(plan, where), python_names(plan, data))

    @operation
    def destroy_all(cls, where: WhereLike = None) -> int:
        """Delete all records that match a where, or all there are.

        :returns: how many were deleted.
        """
        plan = cls.__loop_plan__()
        return plan.delete(_where(plan, where))

    @operation
    def delete_all(cls, where: WhereLike = None) -> int:
        """The same as :meth:`destroy_all`."""
        return cls.destroy_all(where)


def _update_all(plan: Plan, bounds: Bounds, where: Where, data: Mapping[str, Any]) -> int:
    return plan.update_all(where, plan.accept(data, bounds, creating=False))


def _destroy_all(plan: Plan, bounds: Bounds, where: Where) -> int:
    return plan.delete(where)


_REQUIRED_WHERE = Argument("where", "where", required=True, description=WHERE.description)

declare(
    RemoteMethod(
        name="update_all",
        wire="updateAll",
        accepts=(_REQUIRED_WHERE, CHANGES),
        returns=(Returns("count", "number"),),
        routes=(Route("POST", "/update"),),
        aliases=("update",),
        description="Change all records that match a where.",
        function=_update_all,
    )
)
declare(
    RemoteMethod(
        name="destroy_all",
        wire="destroyAll",
        accepts=(_REQUIRED_WHERE,),
        returns=(Returns("count", "number"),),
        routes=(Route("DELETE", "/"),),
        aliases=("deleteAll",),
        remote=False,
        description="Delete all records that match a where.",
        function=_destroy_all,
    ),
    "destroy_all",
)
declare(RemoteMethod(name="delete_all", wire="deleteAll", remote=False))
