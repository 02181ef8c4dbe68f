"""What remote calls run of relations whose records are linked: by rows of a model, or in a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ...connectors.base import id_where
from ...connectors.repeating import repeated
from ...connectors.scanning import refuse_more
from ...definition import RelationDefinition
from ...query import EVERYTHING, Bounds, Filter, Where, both, keys_where
from ..accessors.base import transaction
from ..keys import items_of
from ..narrowing import key_in
from .calls import Data, Owned, filled, trusted


class Links(Protocol):
    """How a relation's records are linked.

    :ivar plan: the plan of the model whose records say it.
    """

    plan: Any

    def add(self, owned: Owned, key: Any, bounds: Bounds, data: Data) -> Any:
        """Link a record.

        :param key: its id.
        :param data: a client's, of the link itself.
        :returns: what a client gets for it.
        """

    def remove(self, owned: Owned, keys: Iterable[Any] | None, bounds: Bounds) -> None:
        """Let records be linked no more, as far as the caller may undo it.

        :param keys: their ids; None for all.
        """


class Through:
    """Links that are rows of a third model."""

    def __init__(self, relation: RelationDefinition) -> None:
        self.to_owner, self.to_target = relation.links
        self.plan: Any = self.to_owner.definition.model.__loop_plan__()

    def add(self, owned: Owned, key: Any, bounds: Bounds, data: Data) -> Any:
        definition, own = self.plan.definition, self.to_target.own
        order = self.plan.parser.filter(None).order
        known = Filter(where=self._where(owned, (key,)), order=order, limit=1)
        if self.plan.find(known):
            return self._known(known, bounds)
        values = key if len(own) > 1 else (key,)
        keys = {**owned.keys, **dict(zip(own, values, strict=True))}
        return self.plan.operate("create", bounds, data=trusted(definition, data, keys))

    def _known(self, known: Filter, bounds: Bounds) -> Any:
        """A link that is there, of which a caller who may not find it learns what it said itself.

        :param known: a filter that finds it.
        """
        mine = replace(known, where=both(bounds.rows(self.plan.model, "findById"), known.where))
        if not self.plan.find(mine):
            held = (*self.to_owner.theirs, *self.to_target.own)
            fields = tuple(name for name in self.plan.definition.properties if name in held)
            mine = replace(known, fields=fields)
        return self.plan.operate("find_one", bounds, filter=mine)

    def remove(self, owned: Owned, keys: Iterable[Any] | None, bounds: Bounds) -> None:
        rows = bounds.rows(self.plan.model, "deleteById")
        self.plan.delete(both(self._where(owned, keys), rows))

    def _where(self, owned: Owned, keys: Iterable[Any] | None) -> Where:
        definition = self.plan.definition
        owner_key = key_in(owned.record, self.to_owner.own)
        where = keys_where(definition, self.to_owner.theirs, (owner_key,))
        if keys is None:
            return where
        return both(where, keys_where(definition, self.to_target.own, keys))


class Listed:
    """Links that are ids in a list of the record itself."""

    def __init__(self, relation: RelationDefinition, plan: Any) -> None:
        self.property = str(relation.property)
        self.plan = plan

    def add(self, owned: Owned, key: Any, bounds: Bounds, data: Data) -> Any:
        listed = self._listed(owned)
        if key not in listed:
            self._store(owned, [*listed, key])
        return owned.target.operate("find_by_id", bounds, id=key, filter=None)

    def remove(self, owned: Owned, keys: Iterable[Any] | None, bounds: Bounds) -> None:
        listed = self._listed(owned)
        removed = listed if keys is None else list(keys)
        kept = [each for each in listed if each not in removed]
        if len(kept) < len(listed):
            self._store(owned, kept)

    def _listed(self, owned: Owned) -> list[Any]:
        return list(items_of(owned.record[self.property]))

    def _store(self, owned: Owned, listed: list[Any]) -> None:
        self.plan.patch(owned.id, {self.property: listed})
        owned.record[self.property] = listed


def links_of(relation: RelationDefinition, plan: Any) -> Links:
    """How the records of a relation are linked.

    :param plan: the plan of the model that has it.
    """
    return Through(relation) if relation.is_through else Listed(relation, plan)


@repeated
def create(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Any) -> Any:
    """Create records and link them."""
    links = links_of(relation, plan)
    with transaction(plan.model, relation.target_model, links.plan.model):
        owned = Owned(relation, plan, id, bounds)
        created = owned.target.operate("create", bounds, data=filled(owned, data, {}))
        for key in _ids_of(created, owned):
            links.add(owned, key, bounds, {})
    return created


def _ids_of(created: Any, owned: Owned) -> list[Any]:
    """The ids of the records that an operation has created."""
    made = created.python() if hasattr(created, "python") else created
    names = [each.name for each in owned.target.definition.ids]
    return [key_in(each.__dict__, names) for each in (made if isinstance(made, list) else [made])]


@repeated
def destroy_by_id(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any
) -> None:
    """Delete a related record and its link."""
    links = links_of(relation, plan)
    with transaction(plan.model, relation.target_model, links.plan.model):
        owned = Owned(relation, plan, id, bounds, "deleteById", between="deleteById")
        owned.require(fk)
        links.remove(owned, (fk,), bounds)
        owned.target.operate("destroy_by_id", bounds, id=fk)


@repeated
def destroy_all(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, where: Where
) -> None:
    """Let the related records that match a where, or all, be linked no more.

    They are not deleted, as others may link them.
    """
    links = links_of(relation, plan)
    with transaction(plan.model, relation.target_model, links.plan.model):
        owned = Owned(relation, plan, id, bounds, "deleteById", between="deleteById")
        is_of_all = both(owned.rows, where) == EVERYTHING and not relation.options.scope
        links.remove(owned, None if is_of_all else _ids_matching(owned, where), bounds)


def _ids_matching(owned: Owned, where: Where) -> list[Any]:
    """The ids of the related records that match a where."""
    definition, most = owned.target.definition, owned.target.connector.max_scan
    names = tuple(each.name for each in definition.ids)
    wanted = Filter(where=both(owned.where, where), fields=names, limit=most + 1)
    found = owned.target.find(wanted)
    refuse_more(definition, found, most)
    return [definition.id_of(record) for record in found.records()]


@repeated
def link(
    relation: RelationDefinition,
    plan: Any,
    bounds: Bounds,
    *,
    id: Any,
    fk: Any,
    data: Mapping[str, Any] | None = None,
) -> Any:
    """Link a record that is there; one that is linked already stays as it is.

    :raises ModelNotFound: where there is none with the id.
    """
    links = links_of(relation, plan)
    with transaction(plan.model, links.plan.model):
        owned = Owned(relation, plan, id, bounds, "findById", between=None)
        target = owned.target
        if not target.count(both(owned.rows, id_where(target.definition, fk))):
            raise target.not_found(fk)
        return links.add(owned, fk, bounds, {} if data is None else data)


@repeated
def unlink(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any) -> None:
    links = links_of(relation, plan)
    with transaction(plan.model, links.plan.model):
        owned = Owned(relation, plan, id, bounds, "findById", between="deleteById")
        if owned.rows != EVERYTHING:
            owned.require(fk)
        links.remove(owned, (fk,), bounds)


def exists(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any) -> None:
    """Raise where a record is no related one."""
    Owned(relation, plan, id, bounds, "exists").require(fk)
