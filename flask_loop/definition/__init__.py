"""What a model is: definitions, properties, settings, names, and the three ways to write them."""

from .class_body import ClassBody
from .embedding import Embedded
from .model import (
    PLAIN_BASES,
    Index,
    ModelDefinition,
    definition_from_dict,
    definition_from_json,
    type_resolver,
)
from .naming import RESERVED, lower_camel, plural, wire_name
from .property import MISSING, Missing, Property, Spec, prop
from .registry import Registry, nearest, registry
from .relation import (
    KINDS,
    Dependent,
    ForeignKey,
    Link,
    RelationDefinition,
    RelationOptions,
)
from .settings import Settings, shared_methods

__all__ = [
    "KINDS",
    "MISSING",
    "PLAIN_BASES",
    "RESERVED",
    "ClassBody",
    "Dependent",
    "Embedded",
    "ForeignKey",
    "Index",
    "Link",
    "Missing",
    "ModelDefinition",
    "Property",
    "Registry",
    "RelationDefinition",
    "RelationOptions",
    "Settings",
    "Spec",
    "definition_from_dict",
    "definition_from_json",
    "lower_camel",
    "nearest",
    "plural",
    "prop",
    "registry",
    "shared_methods",
    "type_resolver",
    "wire_name",
]
