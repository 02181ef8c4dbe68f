"""The keys by which records belong to an owner."""

from __future__ import annotations

from typing import Any

from ...definition import RelationDefinition


def keys_of_owner(owner: Any, relation: RelationDefinition) -> dict[str, Any]:
    """What the records of a ``has_many`` or ``has_one`` have of the owner, by their names."""
    (link,) = relation.links
    values = (getattr(owner, name) for name in link.own)
    return {**dict(zip(link.theirs, values, strict=True)), **relation.fixed}


def names_of_keys(relation: RelationDefinition) -> tuple[str, ...]:
    """The properties of those records that say to whom they belong."""
    return (*relation.links[-1].theirs, *relation.fixed)
