"""What a model is: definitions, properties, settings, names, and the three ways to write them."""

from .class_body import ClassBody
from .declarations import Declaration, declaration
from .embedding import Embedded
from .entries import AccessEntry, read_entries
from .loopback import BACKENDS
from .making import (
    PLAIN_BASES,
    definition_from_dict,
    definition_from_json,
    type_resolver,
)
from .model import Index, ModelDefinition
from .naming import RESERVED, lower_camel, plural, wire_name
from .property import MISSING, Missing, Property, Spec, prop
from .registry import Registry, nearest, registry
from .relating import Relating
from .relation import (
    BELONGS_TO,
    EMBEDS_MANY,
    EMBEDS_ONE,
    HAS_AND_BELONGS_TO_MANY,
    HAS_MANY,
    HAS_ONE,
    KINDS,
    REFERENCES_MANY,
    Dependent,
    ForeignKey,
    Link,
    RelationDefinition,
    RelationOptions,
)
from .relation_options import RelationSpec, relation
from .settings import Settings, shared_methods
from .transactions import ISOLATIONS, PLAIN, TransactionOptions
from .user_settings import UserSettings

__all__ = [
    "BACKENDS",
    "BELONGS_TO",
    "EMBEDS_MANY",
    "EMBEDS_ONE",
    "HAS_AND_BELONGS_TO_MANY",
    "HAS_MANY",
    "HAS_ONE",
    "ISOLATIONS",
    "KINDS",
    "MISSING",
    "PLAIN",
    "PLAIN_BASES",
    "REFERENCES_MANY",
    "RESERVED",
    "AccessEntry",
    "ClassBody",
    "Declaration",
    "Dependent",
    "Embedded",
    "ForeignKey",
    "Index",
    "Link",
    "Missing",
    "ModelDefinition",
    "Property",
    "Registry",
    "Relating",
    "RelationDefinition",
    "RelationOptions",
    "RelationSpec",
    "Settings",
    "Spec",
    "TransactionOptions",
    "UserSettings",
    "declaration",
    "definition_from_dict",
    "definition_from_json",
    "lower_camel",
    "nearest",
    "plural",
    "prop",
    "read_entries",
    "registry",
    "relation",
    "shared_methods",
    "type_resolver",
    "wire_name",
]
