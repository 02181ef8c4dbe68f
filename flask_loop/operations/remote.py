"""Which methods a model has for remote callers, and what its own versions of operations answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..methods import RemoteMethod, Route, declared_methods
from ..query import Bounds, Filter, Where
from ..relations.including import for_caller
from ..relations.remote import relation_methods
from ..remoting import Page
from .base import OPERATIONS, Attached, is_overridden
from .bulk import Bulk
from .plan import Plan
from .reading import nothing_found, only_of_one
from .results import FoundOne, show_inside
from .writing import accept_new, existing_id


def methods_of(model: type[Attached]) -> list[RemoteMethod]:
    """The methods of a model that have a route, whether remote callers may use them now or not.

    Operations come first, then what relations and named scopes have, then the user's own, which
    take the place of others with their names. Where ``Meta.replace_on_put`` is false, PUT merges as
    PATCH does, as in LoopBack 2.
    """
    own = {method.wire: method for method in declared_methods(model)}
    built_in = [each for each in OPERATIONS.values() if each.routes and each.wire not in own]
    if not model.definition.settings.replace_on_put:
        built_in = [replace(method, routes=_put_merges(method)) for method in built_in]
    related = [each for each in relation_methods(model) if each.wire not in own]
    return [*built_in, *related, *own.values()]


def _put_merges(method: RemoteMethod) -> tuple[Route, ...]:
    routes = tuple(route for route in method.routes if route.verb != "PUT")
    patches = [route for route in routes if route.verb == "PATCH"]
    return routes + tuple(Route("PUT", route.path) for route in patches)


def override_of(plan: Plan, method: RemoteMethod) -> Callable[..., Any] | None:
    """What calls a model's own version of an operation for remote callers, or None.

    The model's version gets what Python callers give: filters and ids in their normal form, and
    data by Python names, of which only what remote callers may write is left.
    """
    model = plan.model
    names = [method.name, *_ALIASES.get(method.name, ())]
    name = next((name for name in names if is_overridden(model, name, _home(name))), None)
    if name is None:
        return None
    answer = _ANSWERS.get(method.name, _answer)
    if plan.nesting is not None and any(each.type == "model" for each in method.accepts):
        answer = partial(_shown_to_caller, answer)

    def call(*arguments: Any) -> Any:
        return getattr(model, name)(*(each for each in arguments if each is not None))

    def call_on_instance(id: Any, *arguments: Any) -> Any:
        return getattr(_instance(plan, id), name)(*arguments)

    return partial(answer, call_on_instance if method.on_instance else call, plan)


_ALIASES = {
    "patch_attributes": ("update_attributes",),
    "destroy_by_id": ("delete_by_id",),
    "upsert": ("update_or_create",),
    "destroy_all": ("delete_all",),
}


def _home(name: str) -> type:
    return next(cls for cls in Bulk.__mro__ if name in cls.__dict__)


def _instance(plan: Plan, id: Any) -> Any:
    rows = plan.get(id)
    if not rows:
        raise plan.not_found(id)
    return FoundOne(plan, rows).python()


# What remote callers get of a model's own version of an operation: the same rules hold for it.

Call = Callable[..., Any]
Data = Mapping[str, Any]


def _shown_to_caller(
    answer: Callable[..., Any], call: Call, plan: Plan, bounds: Bounds, **arguments: Any
) -> Any:
    """What a version of the model's own that writes answers, as it is for this caller.

    Beside the related records that came in the data there may be others, which are not for all.
    """
    written = answer(call, plan, bounds, **arguments)
    several = written if isinstance(written, list) else [written]
    if all(isinstance(each, plan.model) for each in several):
        show_inside(plan, several, arguments["data"], bounds)
    return written


def _answer(call: Call, plan: Plan, bounds: Bounds, **arguments: Any) -> Any:
    return call(*arguments.values())


def _find(call: Call, plan: Plan, bounds: Bounds, filter: Filter) -> Page:
    filter = for_caller(plan, filter, bounds)
    if filter.limit is not None or bounds.limit is None:
        return Page(list(call(filter)), None)
    found = list(call(replace(filter, limit=bounds.limit + 1)))
    is_cut = len(found) > bounds.limit
    next_skip = filter.skip + bounds.limit if is_cut else None
    return Page(found[: bounds.limit], next_skip)


def _find_one(call: Call, plan: Plan, bounds: Bounds, filter: Filter) -> Any:
    found = call(for_caller(plan, filter, bounds))
    if found is None:
        raise nothing_found(plan)
    return found


def _find_by_id(
    call: Call, plan: Plan, bounds: Bounds, id: Any, filter: Filter | None = None
) -> Any:
    only_of_one(filter)
    kept = for_caller(plan, plan.parser.all if filter is None else filter, bounds)
    found = call(id, kept if kept.include else filter)
    if found is None:
        raise plan.not_found(id)
    return found


def _create(call: Call, plan: Plan, bounds: Bounds, data: Data | Sequence[Data]) -> Any:
    return call(accept_new(plan, data, bounds))


def _upsert(call: Call, plan: Plan, bounds: Bounds, data: Data) -> Any:
    with plan.transaction():
        id = existing_id(plan, data)
        if id is None:
            return call(plan.accept(data, bounds, creating=True))
        return call(plan.accept_changes(id, data, bounds))


def _replace_or_create(call: Call, plan: Plan, bounds: Bounds, data: Data) -> Any:
    with plan.transaction():
        id = existing_id(plan, data)
        if id is None:
            return call(plan.accept(data, bounds, creating=True))
        return call(plan.accept_replacement(id, data, bounds))


def _upsert_with_where(call: Call, plan: Plan, bounds: Bounds, where: Where, data: Data) -> Any:
    with plan.transaction():
        id = plan.the_one(where)
        if id is None:
            return call(where, plan.accept(data, bounds, creating=True))
        return call(where, plan.accept_changes(id, data, bounds))


def _replace_by_id(call: Call, plan: Plan, bounds: Bounds, id: Any, data: Data) -> Any:
    with plan.transaction():
        return call(id, plan.accept_replacement(id, data, bounds))


def _update_all(call: Call, plan: Plan, bounds: Bounds, where: Any, data: Data) -> Any:
    return call(where, plan.accept(data, bounds, creating=False))


def _patch_attributes(call: Call, plan: Plan, bounds: Bounds, id: Any, data: Data) -> Any:
    return call(id, plan.accept_changes(id, data, bounds))


def _destroy_by_id(call: Call, plan: Plan, bounds: Bounds, id: Any) -> Any:
    deleted = call(id)
    if not deleted and plan.definition.settings.strict_delete:
        raise plan.not_found(id)
    return deleted


_ANSWERS: dict[str, Callable[..., Any]] = {
    "find": _find,
    "find_one": _find_one,
    "find_by_id": _find_by_id,
    "create": _create,
    "upsert": _upsert,
    "replace_or_create": _replace_or_create,
    "upsert_with_where": _upsert_with_where,
    "replace_by_id": _replace_by_id,
    "patch_attributes": _patch_attributes,
    "update_all": _update_all,
    "destroy_by_id": _destroy_by_id,
}
