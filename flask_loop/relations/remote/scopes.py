"""The remote methods of named scopes: ``GET /customers/vip`` and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ...definition import ModelDefinition
from ...methods import Argument, Reach, RemoteMethod, Returns, Route
from ...query import Bounds, Filter, Where, both
from ..narrowing import scoped
from ..scopes import NamedScope, values_of
from .calls import trusted


def methods_of_scope(definition: ModelDefinition, scope: NamedScope) -> Iterator[RemoteMethod]:
    """The remote methods of one named scope of a model.

    Only what is nothing but a ``where`` can be deleted: an order or a limit chooses no records, and
    what clients would take for some of them would be all.
    """
    wire = scope.wire(definition)
    path = f"/{wire}"

    def method(verb: str, operation: str, **more: Any) -> RemoteMethod:
        name = f"__{verb}__{wire}"
        reaches = (Reach(definition, operation),)
        return RemoteMethod(name=name, wire=name, related=True, reaches=reaches, **more)

    yield method(
        "get",
        "find",
        accepts=(_FILTER,),
        returns=(Returns("data", "[model]", root=True),),
        routes=(Route("GET", path),),
        description=f"Find the records of the scope {wire} that match a filter.",
        function=partial(_find, scope),
    )
    yield method(
        "create",
        "create",
        accepts=(_DATA,),
        returns=(Returns("data", "model", root=True),),
        routes=(Route("POST", path),),
        description=f"Create a record of the scope {wire}, or several: all or none.",
        errors={409: "A record with the id exists."},
        saves=True,
        function=partial(_create, scope),
    )
    if scope.is_where_alone:
        yield method(
            "delete",
            "deleteById",
            accepts=(_WHERE,),
            routes=(Route("DELETE", path),),
            description=f"Delete the records of the scope {wire} that match a where, or all.",
            function=partial(_destroy_all, scope),
        )
    yield method(
        "count",
        "count",
        accepts=(_WHERE,),
        returns=(Returns("count", "number"),),
        routes=(Route("GET", f"{path}/count"),),
        description=f"Count the records of the scope {wire} that match a where.",
        function=partial(_count, scope),
    )


_FILTER = Argument(
    "filter",
    "filter",
    description="where, order, limit, skip, fields and include, as JSON or as "
    "filter[where][name]=value",
)
_WHERE = Argument("where", "where", description="Criteria to match records")
_DATA = Argument("data", "model", "body", many=True, description="One record, or a list")


def _find(scope: NamedScope, plan: Any, bounds: Bounds, filter: Filter) -> Any:
    query = scoped(plan, filter, scope.filter_for(plan.parser))
    query = replace(query, where=both(bounds.rows(plan.model, "find"), query.where))
    return plan.operate("find", bounds, filter=query)


def _create(scope: NamedScope, plan: Any, bounds: Bounds, data: Any) -> Any:
    values = values_of(scope.filter_for(plan.parser))
    if isinstance(data, list):
        filled: Any = [trusted(plan.definition, each, values) for each in data]
    else:
        filled = trusted(plan.definition, data, values)
    return plan.operate("create", bounds, data=filled)


def _destroy_all(scope: NamedScope, plan: Any, bounds: Bounds, where: Where) -> None:
    own = both(scope.filter_for(plan.parser).where, bounds.rows(plan.model, "deleteById"))
    plan.operate("destroy_all", bounds, where=both(own, where))


def _count(scope: NamedScope, plan: Any, bounds: Bounds, where: Where) -> Any:
    own = both(scope.filter_for(plan.parser).where, bounds.rows(plan.model, "count"))
    return plan.operate("count", bounds, where=both(own, where))
