"""Owners: which records of a model are a user's own, and which have to do with a user.

What is found out here are conditions, never answers about one record: they narrow lists as well as
they decide about the record of a path. A user is a model and an id: that an ``Admin`` 1 owns a
record is nothing to the ``Member`` 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..definition import BELONGS_TO, Link, ModelDefinition, Property, RelationDefinition, nearest
from ..errors import DefinitionError
from ..query import EVERYTHING, NOTHING, Related, Where, both, equality, reached
from ..types import String, TypeMismatch
from .scoring import also, either

#: The properties that name an owner where nothing else is said.
_OWNING = ("userId", "owner")

#: Gives a condition on records, of a user's id.
OfUser = Callable[[Any], Where]


def owned_by(model: Any, user_model: Any, users: Sequence[Any]) -> OfUser:
    """What gives the records of a model that a user owns, of the user's id.

    They are the user's own record, where the model is that of the user; else those that the
    relations of the setting ``owner_relations`` say; else those whose ``user_id`` or ``owner`` is
    the user's id; else those that a ``belongs_to`` says.

    :param user_model: the model of the user.
    :param users: the app's models of users.
    :raises DefinitionError: where ``owner_relations`` names no such relation.
    """
    user = _definition_of(user_model)
    definition: ModelDefinition = model.definition
    if user is None:
        return _nothing
    if model is user_model:
        return lambda id: _is_user(user, id)
    said = definition.settings.owner_relations
    if said:
        owning = _belonging(definition) if isinstance(said, bool) else _named(definition, said)
        return _any_of(_leading_to(user, owning))
    is_only = list(users) == [user_model]
    named = [each for each in _owning(definition) if _is_key_of(definition, each, user, is_only)]
    leading = _leading_to(user, _belonging(definition))
    return _first_said(named, leading[0] if leading else _nothing)


def has_owners(model: Any, users: Sequence[Any]) -> bool:
    """Whether anything says which of an app's users own the records of a model.

    :param users: the app's models of users.
    :raises DefinitionError: as :func:`owned_by`.
    """
    return any(owned_by(model, each, users) is not _nothing for each in users)


def check_owner_relations(definition: ModelDefinition) -> None:
    """Check that a model's setting ``owner_relations`` names relations that may say an owner.

    :raises DefinitionError: naming one that there is not.
    """
    said = definition.settings.owner_relations
    if said and not isinstance(said, bool):
        _named(definition, said)


def related_to(model: Any, user_model: Any) -> OfUser:
    """What gives the records of a model of which a relation leads to a user, of the user's id."""
    user = _definition_of(user_model)
    relations = [each for each in model.definition.relations.values() if not each.is_embedded]
    return _nothing if user is None else _any_of(_leading_to(user, relations))


def _definition_of(user_model: Any) -> ModelDefinition | None:
    """The definition of a user's model; None of a class of the host's own, which owns nothing."""
    return user_model.definition if hasattr(user_model, "__loop_model__") else None


def _nothing(id: Any) -> Where:
    return NOTHING


def _any_of(parts: Iterable[OfUser]) -> OfUser:
    known = list(parts)
    if not known:
        return _nothing

    def where(id: Any) -> Where:
        found: Where = NOTHING
        for each in known:
            found = either(found, each(id))
        return found

    return where


def _first_said(properties: Sequence[Property], otherwise: OfUser) -> OfUser:
    """The owner is whom the first property that has a value names."""
    if not properties:
        return otherwise

    def where(id: Any) -> Where:
        found: Where = NOTHING
        unsaid: Where = EVERYTHING
        for each in properties:
            found = either(found, also(unsaid, _equals(each, id)))
            unsaid = both(unsaid, equality(each, None))
        return either(found, also(unsaid, otherwise(id)))

    return where


# Properties


def _owning(definition: ModelDefinition) -> Iterator[Property]:
    for name in _OWNING:
        found = definition.find(name)
        if found is not None:
            yield found


def _is_key_of(
    definition: ModelDefinition, property_: Property, user: ModelDefinition, is_only: bool
) -> bool:
    """Whether a property holds ids of a model of users.

    :param is_only: whether the app has no other model of users.
    """
    held_by = [each for each in _belonging(definition) if property_.name in each.foreign_key]
    if not held_by:
        return is_only
    return any(each.target is user and _is_by_id(each, user) for each in held_by)


def _equals(property_: Property, value: Any) -> Where:
    """The where that a property has a value, which may be of another type."""
    try:
        if isinstance(property_.type, String) and not isinstance(value, str):
            value = str(value)
        return equality(property_, property_.type.load(value))
    except TypeMismatch:
        return NOTHING


# Relations


def _belonging(definition: ModelDefinition) -> list[RelationDefinition]:
    return [each for each in definition.relations.values() if each.kind == BELONGS_TO]


def _named(definition: ModelDefinition, names: Iterable[str]) -> list[RelationDefinition]:
    found = []
    known = {each.name: each for each in _belonging(definition)}
    for name in names:
        relation = definition.find_relation(name)
        if relation is None or relation.name not in known:
            raise DefinitionError(
                f"model {definition.name!r}: owner_relations names {name!r}, which is no relation "
                f"of the kind belongs_to{nearest(name, known)}"
            )
        found.append(relation)
    return found


def _leading_to(user: ModelDefinition, relations: Iterable[RelationDefinition]) -> list[OfUser]:
    """For each relation that leads to a model of users, what gives the records of a user."""
    found = []
    for each in relations:
        if each.is_polymorphic_owner:
            if each.find_target(user.name) is user.model:
                found.append(_by_polymorphic(each, user))
        elif each.target is user:
            found.append(_by_key(each) if _is_by_id(each, user) else _by_record(each, user))
    return found


def _is_by_id(relation: RelationDefinition, user: ModelDefinition) -> bool:
    """Whether the own key of a relation is the id of the record that it leads to."""
    ids = tuple(each.name for each in user.ids)
    is_all = not (relation.options.scope or relation.fixed)
    return relation.kind == BELONGS_TO and relation.primary_key == ids and is_all


def _by_key(relation: RelationDefinition) -> OfUser:
    keys = [relation.owner.properties[name] for name in relation.foreign_key]
    return lambda id: _have(keys, id)


def _by_record(relation: RelationDefinition, user: ModelDefinition) -> OfUser:
    return lambda id: reached(relation, _is_user(user, id))


def _by_polymorphic(relation: RelationDefinition, user: ModelDefinition) -> OfUser:
    properties = relation.owner.properties
    is_of_model = equality(properties[str(relation.discriminator)], user.name)
    names = relation.primary_key_of(user)
    if names == tuple(each.name for each in user.ids):
        keys = [properties[name] for name in relation.foreign_key]
        return lambda id: also(is_of_model, _have(keys, id))
    link = Link(user, relation.foreign_key, names)
    return lambda id: also(is_of_model, Related(link, _is_user(user, id)))


def _is_user(user: ModelDefinition, id: Any) -> Where:
    return _have(user.ids, id)


def _have(properties: Sequence[Property], id: Any) -> Where:
    """The where that properties have the values of an id, which is a tuple where it is several."""
    values = id if isinstance(id, list | tuple) else (id,)
    if len(values) != len(properties) or None in values:
        return NOTHING
    where: Where = EVERYTHING
    for each, value in zip(properties, values, strict=True):
        where = also(where, _equals(each, value))
    return where
