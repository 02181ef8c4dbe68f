"""Owners: which records of a model are a user's own, and which have to do with a user.

What is found out here are conditions, never answers about one record: they narrow lists as well as
they decide about the record of a path. A user is a model and an id: the owner of ``Order`` 7 is no
``Member`` 1 because an ``Admin`` 1 is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..definition import BELONGS_TO, Link, ModelDefinition, Property, RelationDefinition, nearest
from ..errors import DefinitionError
from ..query import EVERYTHING, NOTHING, And, Compare, Path, Where, both, equality, reached
from ..types import String, TypeMismatch
from .scoring import either

#: The properties that name an owner where nothing else is said, the first that has a value.
OWNING_PROPERTIES = ("user_id", "userId", "owner")

#: Gives a condition on records, of a user's id.
OfUser = Callable[[Any], Where]


def owned_by(model: Any, user_model: Any, users: Sequence[Any]) -> OfUser:
    """What gives the records of a model that a user owns, of the user's id.

    :param model: the model of the records.
    :param user_model: the model of the user.
    :param users: the app's models of users.
    :raises DefinitionError: where the setting ``owner_relations`` names no such relation.
    """
    definition = model.definition
    if model is user_model:
        return lambda id: _is(definition, [each.name for each in definition.ids], id)
    said = definition.settings.owner_relations
    if said:
        relations = [each for each in _relations_to_owners(definition) if said is True]
        relations += [] if said is True else [_named(definition, name) for name in said]
        return _any_of([_through(each, user_model) for each in relations])
    return _by_custom(definition, user_model, users)


def related_to(model: Any, user_model: Any) -> OfUser:
    """What gives the records of a model of which a relation leads to a user, of the user's id."""
    definition = model.definition
    relations = [each for each in definition.relations.values() if not each.is_embedded]
    return _any_of([_through(each, user_model) for each in relations])


def _any_of(parts: Iterable[OfUser | None]) -> OfUser:
    known = [each for each in parts if each is not None]

    def where(id: Any) -> Where:
        found: Where = NOTHING
        for each in known:
            found = either(found, each(id))
        return found

    return where


def _by_custom(definition: ModelDefinition, user_model: Any, users: Sequence[Any]) -> OfUser:
    """The owner as LoopBack finds it: a property with a known name, else a relation."""
    steps: list[tuple[Property | None, OfUser | None]] = []
    for property_ in _owning_properties(definition):
        is_of_user = _is_key_of(definition, property_, user_model, users)
        steps.append((property_, _of_value(property_) if is_of_user else None))
    relation = next(
        (each for each in _relations_to_owners(definition) if each.target is user_model_of(each, user_model)),
        None,
    )
    if relation is not None:
        steps.append((None, _through(relation, user_model)))

    def where(id: Any) -> Where:
        found, unsaid = NOTHING, EVERYTHING
        for property_, step in steps:
            if step is not None:
                found = either(found, both(unsaid, step(id)))
            if property_ is not None:
                unsaid = both(unsaid, equality(property_, None))
        return found

    return where
