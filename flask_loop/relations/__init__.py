"""Relations: how they are declared, what they give, how queries reach through them."""

from .annotations import (
    BelongsTo,
    EmbedsMany,
    EmbedsOne,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    ReferencesMany,
)
from .declaring import RelationMethods
from .scopes import NamedScope, scope

#: What a class has under a relation's name, by the kind of the relation.
DESCRIPTORS = {
    each.__loop_relation__: each
    for each in (
        BelongsTo,
        EmbedsMany,
        EmbedsOne,
        HasAndBelongsToMany,
        HasMany,
        HasOne,
        ReferencesMany,
    )
}

__all__ = [
    "DESCRIPTORS",
    "BelongsTo",
    "EmbedsMany",
    "EmbedsOne",
    "HasAndBelongsToMany",
    "HasMany",
    "HasOne",
    "NamedScope",
    "ReferencesMany",
    "RelationMethods",
    "scope",
]
