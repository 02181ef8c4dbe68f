"""Which operations of a model remote callers have, and where: what each transport reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..methods import RemoteMethod, Route
from .base import OPERATIONS, Attached, is_overridden
from .bulk import Bulk
from .plan import Plan
from .results import FoundOne


def routed_methods(model: type[Attached]) -> list[RemoteMethod]:
    """The operations that have a route, whether remote callers may use them now or not.

    Where ``Meta.replace_on_put`` is false, PUT merges as PATCH does, as in LoopBack 2.
    """
    methods = [method for method in OPERATIONS.values() if method.routes]
    if model.definition.settings.replace_on_put:
        return methods
    return [replace(method, routes=_put_merges(method)) for method in methods]


def _put_merges(method: RemoteMethod) -> tuple[Route, ...]:
    routes = tuple(route for route in method.routes if route.verb != "PUT")
    patches = [route for route in routes if route.verb == "PATCH"]
    return routes + tuple(Route("PUT", route.path) for route in patches)


def is_remote(model: type[Attached], method: RemoteMethod) -> bool:
    """Whether remote callers may use a method now."""
    source: Any = model.data_source
    return source is not None and bool(source.is_remote(method.operation))


def remote_methods(model: type[Attached]) -> list[RemoteMethod]:
    """The operations that remote callers may use now, with their routes."""
    return [method for method in routed_methods(model) if is_remote(model, method)]


def override_of(plan: Plan, method: RemoteMethod) -> Callable[..., Any] | None:
    """What calls a model's own version of an operation for remote callers, or None."""
    model = plan.model
    names = [method.name, *_ALIASES.get(method.name, ())]
    name = next((name for name in names if is_overridden(model, name, _home(name))), None)
    if name is None:
        return None
    if method.on_instance:
        return lambda id, data: getattr(_instance(plan, id), name)(
            plan.accept(data, creating=False)
        )
    return lambda **arguments: getattr(model, name)(
        **{key: _for_python(plan, method, value) for key, value in arguments.items()}
    )


_ALIASES = {
    "patch_attributes": ("update_attributes",),
    "destroy_by_id": ("delete_by_id",),
    "upsert": ("update_or_create",),
    "destroy_all": ("delete_all",),
}
_CREATING = frozenset({"create"})


def _home(name: str) -> type:
    return next(cls for cls in Bulk.__mro__ if name in cls.__dict__)


def _instance(plan: Plan, id: Any) -> Any:
    rows = plan.get(id)
    if not rows:
        raise plan.not_found(id)
    return FoundOne(plan, rows).python()


def _for_python(plan: Plan, method: RemoteMethod, value: Any) -> Any:
    creating = method.name in _CREATING
    if isinstance(value, dict):
        return plan.accept(value, creating=creating)
    if isinstance(value, list):
        return [plan.accept(each, creating=creating) for each in value]
    return value
