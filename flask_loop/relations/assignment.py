"""Assigning a record to a relation: which of the own properties hold its key, and what they get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..definition import BELONGS_TO, ModelDefinition, RelationDefinition


def keys_to(relation: RelationDefinition, record: Any) -> dict[str, Any]:
    """The values of own properties that make a record the one that a ``belongs_to`` leads to.

    :param record: an instance, or None for none.
    :raises TypeError: where it is of another model, or not saved yet.
    """
    names = list(relation.foreign_key)
    if relation.discriminator is not None:
        names.append(relation.discriminator)
    if record is None:
        return dict.fromkeys(names)
    model = type(record)
    place = f"{relation.owner.name}.{relation.name}"
    if not _leads_to(relation, model):
        raise TypeError(f"{place} is {_wanted(relation)}, not {record!r}")
    if record.is_new_record():
        raise TypeError(f"save the {model.__name__} first: {place} has the key of a stored record")
    primary_key = relation.primary_key_of(model.definition)
    values = [getattr(record, name) for name in primary_key]
    if relation.discriminator is not None:
        values.append(model.definition.name)
    return dict(zip(names, values, strict=True))


def _leads_to(relation: RelationDefinition, model: Any) -> bool:
    if not hasattr(model, "__loop_model__"):
        return False
    if relation.target is None:
        found = relation.find_target(model.definition.name)
        return found is not None and issubclass(model, found)
    return issubclass(model, relation.target_model)


def _wanted(relation: RelationDefinition) -> str:
    if relation.target is None:
        return "a record of one of the models that it leads to"
    return f"a record of {relation.target.name}"


def with_keys(definition: ModelDefinition, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Python caller's data, with the keys in the place of the records that it has as relations.

    What it has of relations in other forms stays as it is.

    :raises TypeError: where a record cannot be assigned, or its key is given as well, and where
        what is given can be no record.
    """
    changed: dict[str, Any] = {}
    for relation in definition.relations.values():
        if relation.kind != BELONGS_TO:
            continue
        for spelling in {relation.name, relation.wire} & data.keys():
            record = data[spelling]
            if _is_written(relation, record):
                continue
            changed = changed or dict(data)
            del changed[spelling]
            for name, value in keys_to(relation, record).items():
                _give(definition, changed, name, value, spelling)
    return changed or data


def _is_written(relation: RelationDefinition, value: Any) -> bool:
    """Whether a value is a record's data, which is written with the other one or not at all.

    What is wrong with the data of records that are written is found where all of it is checked.
    """
    if value is None or hasattr(value, "to_record"):
        return False
    return relation.options.nested or isinstance(value, Mapping | list | tuple)


def take_nested(definition: ModelDefinition, data: dict[str, Any]) -> dict[str, Any]:
    """Take out of data the related records that are written with it, by the relations' names.

    :param data: what :func:`with_keys` gave.
    :raises TypeError: where a relation is given in both spellings.
    """
    nested: dict[str, Any] = {}
    for relation in definition.relations.values():
        if not relation.options.nested or relation.is_embedded:
            continue
        for spelling in {relation.name, relation.wire} & data.keys():
            if relation.name in nested:
                raise TypeError(f"both spellings of {relation.name!r} are given")
            nested[relation.name] = data.pop(spelling)
    return nested


def given_in(instance: Any) -> dict[str, Any]:
    """What an instance holds, with the related records that are stored when it is.

    :param instance: the instance.
    """
    return {**instance.to_record(), **instance.__dict__.get("_unstored", {})}


def _give(
    definition: ModelDefinition, data: dict[str, Any], name: str, value: Any, spelling: str
) -> None:
    for key in (name, definition.properties[name].wire):
        if key in data and data[key] != value:
            raise TypeError(f"both {spelling!r} and its key {key!r} are given, and differ")
        data.pop(key, None)
    data[name] = value
