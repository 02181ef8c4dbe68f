"""Nested routes: the relations of the records that a relation leads to, one level below it.

A relation with ``nest_remoting`` gives ``/books/:id/chapters/:nk/pages`` and what is below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ...definition import RelationDefinition
from ...methods import Argument, Reach, RemoteMethod, Route
from ...query import Bounds
from .calls import Owned
from .methods import ID, methods_of_relation


def nested_methods(relation: RelationDefinition) -> Iterator[RemoteMethod]:
    """The remote methods that the relations of a relation's records have below it.

    :param relation: a relation; one without ``nest_remoting`` has none.
    """
    target = relation.target
    if not relation.options.nest_remoting or target is None or not target.ids:
        return
    if relation.is_embedded:
        return
    for inner in target.relations.values():
        for method in methods_of_relation(inner):
            yield _nested(relation, method)


def _nested(relation: RelationDefinition, method: RemoteMethod) -> RemoteMethod:
    """A method of a related record, called by way of the record that has the relation."""
    assert relation.target is not None  # noqa: S101 - relations without a target are not nested
    _, verb, inner = method.name.split("__", 2)
    name = f"__{verb}__{relation.wire}__{inner}"
    below = f"/:id{relation.http_path}{'/:nk' if relation.is_many else ''}"
    more = (_key_of(relation),) if relation.is_many else ()
    through = relation.through
    links = () if through is None else (Reach(through, "find", of_link=True),)
    return replace(
        method,
        name=name,
        wire=f"prototype.{name}",
        accepts=(ID, *more, *method.accepts[1:]),
        routes=tuple(Route(each.verb, below + each.path[len("/:id") :]) for each in method.routes),
        description=f"{method.description.rstrip('.')}, one of the {relation.wire} of another.",
        function=partial(_call, relation, method),
        reaches=(
            Reach(relation.target, "findById"),
            Reach(relation.target, method.wire),
            *links,
        ),
    )


def _key_of(relation: RelationDefinition) -> Argument:
    description = f"The id of one of the {relation.wire}"
    return Argument("nk", "any", "path", required=True, description=description, of=relation.target)


def _call(
    relation: RelationDefinition, method: RemoteMethod, plan: Any, bounds: Bounds, **arguments: Any
) -> Any:
    id, nk = arguments.pop("id"), arguments.pop("nk", None)
    of_holder = (each.method for each in method.reaches if each.of_holder)
    owned = Owned(relation, plan, id, bounds, "findById", method.wire, *of_holder)
    if relation.is_many:
        owned.require(nk)
    related_id = nk if relation.is_many else owned.the_id()
    assert method.function is not None  # noqa: S101 - relations' methods have one
    return method.function(owned.target, bounds, id=related_id, **arguments)
