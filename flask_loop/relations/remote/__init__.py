"""What remote callers may do by way of relations and of named scopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ...definition import ModelDefinition
from ...errors import DefinitionError
from ...methods import Generation, RemoteMethod
from ...query import Filter, FilterParser, relation_filter
from ..scopes import NamedScope, scopes_of
from .methods import methods_of_relation
from .nested import nested_methods
from .scopes import methods_of_scope

_CACHE = "__loop_relation_methods__"


def relation_methods(model: Any) -> list[RemoteMethod]:
    """The remote methods of a model's relations, of those nested in them, and of named scopes.

    :param model: the class. It keeps what is made for it until something is registered.
    """
    definition: ModelDefinition = model.definition
    number = (Generation.number, definition.version)
    kept = model.__dict__.get(_CACHE)
    if kept is None or kept[0] != number:
        kept = (number, list(_make_all(model)))
        type.__setattr__(model, _CACHE, kept)
    methods: list[RemoteMethod] = kept[1]
    return methods


def _make_all(model: Any) -> Iterator[RemoteMethod]:
    for scope in scopes_of(model):
        yield from methods_of_scope(model.definition, scope)
    relations = list(model.definition.relations.values())
    for relation in relations:
        yield from methods_of_relation(relation)
    for relation in relations:
        yield from nested_methods(relation)


def faults_of(model: Any) -> Iterator[DefinitionError]:
    """What is wrong with the relations and the named scopes of a model.

    :param model: the class.
    """
    definition: ModelDefinition = model.definition
    checks: list[Callable[[], Any]] = [definition.resolve]
    checks += [
        partial(relation_filter, each)
        for each in definition.relations.values()
        if each.target is not None
    ]
    for scope in scopes_of(model):
        checks.append(partial(scope.check_name, model))
        checks.append(partial(_filter_of, model, scope))
    for check in checks:
        try:
            check()
        except DefinitionError as error:
            yield error


def _filter_of(model: Any, scope: NamedScope) -> Filter:
    return scope.filter_for(FilterParser(model.definition))


__all__ = ["faults_of", "relation_methods"]
