"""From dicts and LoopBack's JSON to definitions, and what definitions have from their bases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import DefinitionError
from ..types import PropertyType
from .building import make_property
from .declarations import Declaration, declarations_of
from .model import ModelDefinition
from .naming import RESERVED
from .property import Property
from .registry import Registry, registry
from .resolution import resolve_type
from .settings import Settings

#: Keys of a LoopBack JSON definition that are no settings.
_JSON_KEYS = frozenset({"name", "base", "properties", "public", "$schema"})
PLAIN_BASES = frozenset({"Model", "PersistedModel"})


def definition_from_dict(
    name: str,
    properties: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None = None,
    *,
    base: ModelDefinition | None = None,
    models: Registry = registry,
) -> ModelDefinition:
    """Define a model from dicts, as LoopBack's ``createModel`` does.

    :param name: the model's name.
    :param properties: name → type, or name → mapping with the key ``type``.
    :param options: the model's settings, and backends' options.
    :param base: the definition that this one extends.
    :param models: where models that are named as types are found.
    :raises DefinitionError: naming what means nothing.
    """
    for part, given in (("properties", properties), ("options", options)):
        if given is not None and not isinstance(given, Mapping):
            raise DefinitionError(f"the {part} of model {name!r} are a dict, not {given!r}")
    try:
        settings = (base.settings.inherit() if base else Settings()).updated(options or {})
        resolve = type_resolver(name, models)
        made = [
            make_property(key, written, wire_case=settings.wire_case, resolve=resolve)
            for key, written in (properties or {}).items()
        ]
    except DefinitionError as error:
        raise DefinitionError(f"model {name!r}: {error}") from None
    if base is not None:
        made = [_named_as_in(base, each) for each in made]
    if twice := [name for name, times in Counter(each.name for each in made).items() if times > 1]:
        raise DefinitionError(f"model {name!r}: two properties would be called {twice[0]!r}")
    bases = [base] if base else []
    inherited = [each.properties.values() for each in bases]
    definition = ModelDefinition(name, merge_properties(inherited, made), settings)
    definition.rules = merge_rules(bases)
    declare_all(definition, bases, declarations_of(name, settings.relations, models))
    return definition


def _named_as_in(base: ModelDefinition, own: Property) -> Property:
    """A property by the name that the base has for it, where it says the wire name of that."""
    known = base.by_wire.get(own.wire)
    return own if known is None or known.injected else replace(own, name=known.name)


def definition_from_json(
    document: Mapping[str, Any],
    *,
    find_base: Callable[[str], ModelDefinition],
    models: Registry = registry,
) -> ModelDefinition:
    """Define a model from a LoopBack 2 or 3 JSON definition.

    :param document: the parsed JSON, with at least ``name``.
    :param find_base: gives the definition of the model that ``base`` names.
    :param models: where models that are named as types are found.
    :raises DefinitionError: naming a key that means nothing, or is not supported yet.
    """
    name = document.get("name")
    if name is None:
        raise DefinitionError("a model definition needs a name")
    options = {key: value for key, value in document.items() if key not in _JSON_KEYS}
    base_name = document.get("base", "PersistedModel")
    base = None if base_name in PLAIN_BASES else find_base(base_name)
    if options.get("acls") and not options.keys() & {"defaultPermission", "default_permission"}:
        options["default_permission"] = "ALLOW"  # which is LoopBack's
    return definition_from_dict(name, document.get("properties"), options, base=base, models=models)


def type_resolver(name: str, models: Registry) -> Callable[[Any], PropertyType]:
    """A function that gives the property type of what was written as one in this model."""

    def named(model_name: str) -> ModelDefinition:
        return models.get(model_name).definition  # type: ignore[attr-defined,no-any-return]

    def anonymous(properties: Mapping[str, Any]) -> ModelDefinition:
        return definition_from_dict(name, properties, {"id_injection": False}, models=models)

    def resolve(written: Any) -> PropertyType:
        return resolve_type(written, named=named, anonymous=anonymous)

    return resolve


def merge_properties(
    bases: Iterable[Iterable[Property]], own: Iterable[Property]
) -> list[Property]:
    """The properties of bases, then a derived model's own; one of the same name takes its place.

    :param bases: the properties of each base, the last one counting most. An id that was injected
        is left out: the derived model gets its own.
    :param own: the derived model's properties.
    """
    merged = {each.name: each for base in bases for each in base if not each.injected}
    merged.update((each.name, each) for each in own)
    return list(merged.values())


def merge_rules(bases: Iterable[ModelDefinition]) -> list[Any]:
    """The validation rules of bases, each once."""
    return list({id(rule): rule for base in bases for rule in base.rules}.values())


def declare_all(
    definition: ModelDefinition, bases: Iterable[ModelDefinition], own: Iterable[Declaration]
) -> None:
    """Declare the relations of bases, and a model's own; one of the same name takes its place."""
    by_name = {each.name: each for base in bases for each in base.declarations}
    by_name.update((each.name, each) for each in own)
    for each in by_name.values():
        definition.declare(each)


def refuse_reserved(model: str, names: Iterable[str]) -> None:
    """Refuse names that a class body cannot have as properties or relations.

    :raises DefinitionError: saying which name to write instead.
    """
    for name in names:
        if name in RESERVED:
            raise DefinitionError(
                f"model {model!r}: {name!r} is an attribute of every model; write {name + '_'!r}, "
                f"which stays {name!r} on the wire"
            )
