"""From a document class to the definition of its model: a property for each field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import inflection
import mongoengine as me
from mongoengine.base import BaseField, ObjectIdField

from ..connectors.mongodb.codecs import OBJECT_IDS
from ..definition import RESERVED, ModelDefinition, definition_from_dict, nearest
from ..errors import DefinitionError
from ..model import Model
from .defaults import default_of
from .fields import REFERENCES, Written, check_of, property_of
from .misleading import CLASS

#: What :meth:`Model.from_mongoengine` takes beside the settings of a model.
_OWN = ("name", "properties", "exclude")

#: Gives the model of an embedded document.
Embed = Callable[[type[Any]], Any]


def define(
    base: type[Any], target: Any, options: Mapping[str, Any], embed: Embed
) -> ModelDefinition:
    """The definition of a document class, or of an embedded one.

    :param base: the model that it extends.
    :param target: the class.
    :param options: as :meth:`Model.from_mongoengine` takes them.
    :param embed: gives the models of embedded documents.
    :raises DefinitionError: naming the field whose values no property has, or an option.
    """
    name = options.get("name") or target.__name__
    fields = chosen(name, target, options)
    overrides = options.get("properties", {})
    _refuse_clashes(name, fields)
    properties = {
        property_name(each): _property(name, target, each, overrides.get(key), embed)
        for key, each in fields.items()
    }
    settings = {key: value for key, value in options.items() if key not in _OWN}
    if target._dynamic:
        settings.setdefault("strict", False)
    if issubclass(target, me.EmbeddedDocument):
        settings["id_injection"] = False
    else:
        place = {"collection": target._get_collection_name(), "document": target}
        settings["options"] = {**settings.get("options", {}), "mongodb": place}
        settings["indexes"] = {**_indexes(target, fields), **settings.get("indexes", {})}
        scope = _scope(target, fields, settings.get("scope", {}))
        if scope:
            settings["scope"] = scope
    definition = definition_from_dict(
        name, properties, settings, base=None if base is Model else base.definition
    )
    definition.class_body = True  # the name is a class's
    return definition


def add_checks(model: Any, target: Any, options: Mapping[str, Any]) -> None:
    """Let a model refuse what the fields of its class refuse, where properties do not say it."""
    overrides = options.get("properties", {})
    for key, each in chosen(model.model_name, target, options).items():
        name = unreserved(property_name(each))
        check = check_of(each, name, has_own_type="type" not in _as_dict(overrides.get(key)))
        if check is not None:
            model.validate(name, check, code="format")


def chosen(name: str, target: Any, options: Mapping[str, Any]) -> dict[str, BaseField]:
    """The fields that are properties, by the names of attributes."""
    excluded, overrides = options.get("exclude", ()), options.get("properties", {})
    fields = {key: target._fields[key] for key in target._fields_ordered}
    if isinstance(excluded, str) or not isinstance(excluded, Iterable):
        raise DefinitionError(f"model {name!r}: exclude is a list of names, not {excluded!r}")
    if not isinstance(overrides, Mapping):
        raise DefinitionError(f"model {name!r}: properties is a dict, not {overrides!r}")
    for option, given in (("exclude", excluded), ("properties", overrides)):
        for each in given:
            if each not in fields:
                raise DefinitionError(
                    f"model {name!r}: {option} names {each!r}, which is no field"
                    f"{nearest(each, fields)}"
                )
    id_field = target._meta.get("id_field")
    if id_field in excluded:
        raise DefinitionError(f"model {name!r}: its id {id_field!r} cannot be left out")
    return {key: each for key, each in fields.items() if key not in excluded}


def _refuse_clashes(name: str, fields: Mapping[str, BaseField]) -> None:
    """Refuse two fields that would be one property."""
    owners: dict[str, str] = {}
    for each in fields.values():
        wanted = property_name(each)
        owner = owners.setdefault(wanted, each.name)
        if owner != each.name:
            raise DefinitionError(
                f"model {name!r}: the fields {owner!r} and {each.name!r} would both be the "
                f"property {wanted!r}; leave one of them out by exclude=[{each.name!r}]"
            )


# One field


def property_name(field: BaseField) -> str:
    """The name of the property that a field is; of the key, where it refers to documents."""
    name: str = field.name
    if isinstance(field, REFERENCES):
        return f"{name}_id"
    if is_list_of_references(field):
        return f"{inflection.singularize(name)}_ids"
    return name


def unreserved(name: str) -> str:
    """The name in Python of what is called as something that every model has."""
    return f"{name}_" if name in RESERVED else name


def is_list_of_references(field: BaseField) -> bool:
    return isinstance(field, me.ListField) and isinstance(field.field, REFERENCES)


def _property(model: str, target: Any, field: BaseField, override: Any, embed: Embed) -> Written:
    """The property that a field is, as definitions in dicts have it.

    :param override: what the app says of it itself.
    """
    said = _as_dict(override)
    is_id = field.name == target._meta.get("id_field")
    written: Written = {"nullable": not field.required and not is_id}
    if "type" not in said:
        written |= _described(model, field, embed)
    place = written.setdefault("mongodb", {})
    place["field"] = field.db_field
    if place.get("codec") is OBJECT_IDS:
        place["dataType"] = "ObjectID"
    if is_id:
        written["id"] = True
        if isinstance(field, ObjectIdField) and field.default is None:
            written["generated"] = True
            written.pop("pattern", None)
    if field.default is not None and "default" not in said:
        written["default"] = default_of(model, field, {**written, **said})
    written["unique"] = bool(field.unique and not field.unique_with)
    described_by = getattr(field, "help_text", None) or getattr(field, "verbose_name", None)
    if described_by:
        written["description"] = str(described_by)
    if field.name.startswith("_"):
        written["hidden"] = True
    if field.name == CLASS:
        written |= {"default": target._class_name, "read_only": True}
    return {**written, **said}


def _described(model: str, field: BaseField, embed: Embed) -> Written:
    try:
        described = property_of(field, embed)
    except me.errors.NotRegistered as error:
        raise DefinitionError(f"model {model!r}: the field {field.name!r}: {error}") from None
    if described is None:
        raise DefinitionError(
            f"model {model!r}: there is no property type for the {type(field).__name__} "
            f"{field.name!r}; say one by properties={{{field.name!r}: ...}}, or leave it out "
            f"by exclude=[{field.name!r}]"
        )
    return described


def _as_dict(override: Any) -> Written:
    if override is None:
        return {}
    return dict(override) if isinstance(override, Mapping) else {"type": override}


# The collection


def _indexes(target: Any, fields: Mapping[str, BaseField]) -> Written:
    """The indexes over properties, those of ``unique_with`` among them."""
    names = {each.db_field: property_name(each) for each in fields.values()}
    found: Written = {}
    for position, index in enumerate(target._meta.get("index_specs") or ()):
        paths = [path for path, _ in index["fields"] if path != CLASS]
        keys = [names.get(path) for path in paths]
        is_single = len(keys) == 1 and index.get("unique")
        if keys and None not in keys and not is_single:
            found[f"mongoengine_{position}"] = {"keys": keys, "unique": bool(index.get("unique"))}
    return found


def _scope(target: Any, fields: Mapping[str, BaseField], given: Mapping[str, Any]) -> Written:
    """The default scope: of a class that shares its collection, its documents alone; the order."""
    scope = dict(given)
    order = list(_ordering(target, fields))
    if order:
        scope.setdefault("order", order)
    if CLASS in target._fields:
        own: Written = {CLASS: {"inq": list(target._subclasses)}}
        where = given.get("where")
        scope["where"] = {"and": [own, where]} if where else own
    return scope


def _ordering(target: Any, fields: Mapping[str, BaseField]) -> Iterator[str]:
    for each in target._meta.get("ordering") or ():
        name = each.lstrip("+-")
        if name == "pk":
            name = target._meta["id_field"]
        if name not in fields:
            return
        direction = "DESC" if each.startswith("-") else "ASC"
        yield f"{unreserved(property_name(fields[name]))} {direction}"
