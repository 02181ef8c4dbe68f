"""What a model is: definitions, properties, settings, names, and the three ways to write them."""

from .model import (
    PLAIN_BASES,
    Index,
    ModelDefinition,
    definition_from_dict,
    definition_from_json,
    merge_properties,
    merge_rules,
    refuse_reserved,
    type_resolver,
)
from .naming import RESERVED, lower_camel, plural, wire_name
from .property import MISSING, Embedded, Missing, Property, Spec, make_property, prop
from .registry import Registry, nearest, registry
from .settings import Settings

__all__ = [
    "MISSING",
    "PLAIN_BASES",
    "RESERVED",
    "Embedded",
    "Index",
    "Missing",
    "ModelDefinition",
    "Property",
    "Registry",
    "Settings",
    "Spec",
    "definition_from_dict",
    "definition_from_json",
    "lower_camel",
    "make_property",
    "merge_properties",
    "merge_rules",
    "nearest",
    "plural",
    "prop",
    "refuse_reserved",
    "registry",
    "type_resolver",
    "wire_name",
]
