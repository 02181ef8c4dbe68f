"""What relations are on instances: ``book.chapters`` and ``chapter.book``."""

from __future__ import annotations

from typing import Any

from ...definition import (
    BELONGS_TO,
    EMBEDS_MANY,
    EMBEDS_ONE,
    HAS_MANY,
    HAS_ONE,
    REFERENCES_MANY,
    RelationDefinition,
)
from .base import Accessor, RelatedMany, RelatedOne
from .belongs import Belonging
from .embedded import EmbeddedMany, EmbeddedOne
from .many import OwnedMany
from .one import OwnedOne
from .references import ReferencedMany
from .through import LinkedMany

_BY_KIND: dict[str, type[Accessor[Any]]] = {
    BELONGS_TO: Belonging,
    EMBEDS_MANY: EmbeddedMany,
    EMBEDS_ONE: EmbeddedOne,
    HAS_MANY: OwnedMany,
    HAS_ONE: OwnedOne,
    REFERENCES_MANY: ReferencedMany,
}


def accessor(instance: Any, relation: RelationDefinition) -> Any:
    """What a relation is on an instance.

    :param instance: the record that has the relation.
    :param relation: the relation.
    """
    kind = LinkedMany if relation.is_through else _BY_KIND[relation.kind]
    return kind(instance, relation)


__all__ = ["RelatedMany", "RelatedOne", "accessor"]
