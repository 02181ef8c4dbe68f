"""What remote calls of relations run.

Each takes the relation, the plan of the model that has it, the bounds of filters, and the arguments
of the method. Ids, filters and wheres are in their normal form already; data is as it came. What is
read goes from rows to the answer without an instance being made, unless somebody looks.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...connectors.base import Record, id_where
from ...connectors.repeating import repeated
from ...definition import ModelDefinition, RelationDefinition
from ...errors import BadRequest, Conflict, ModelNotFound
from ...query import (
    EVERYTHING,
    Bounds,
    Filter,
    Where,
    both,
    keys_where,
    names_needed,
    relation_filter,
)
from ...remoting import ClientData, shown_id
from ...types import TypeMismatch
from ..accessors.base import transaction
from ..branches import NAMED
from ..narrowing import key_in, narrowed, where_linked, where_related

Data = Mapping[str, Any]


class Owned:
    """The records that a relation leads to from one record, as far as they are for the caller.

    :param relation: the relation, which has links.
    :param plan: the plan of the model that has it.
    :param id: the record's id.
    :param bounds: the caller's.
    :param methods: the wire names of the methods of the records' model that the caller needs.
    :param between: that of the model whose rows link the records, where there is one and the caller
        needs it.
    :raises ModelNotFound: where there is no record with the id.
    """

    def __init__(
        self,
        relation: RelationDefinition,
        plan: Any,
        id: Any,
        bounds: Bounds,
        *methods: str,
        between: str | None = "find",
    ) -> None:
        self.relation, self.plan, self.id = relation, plan, id
        self.record = record_of(plan, id, names_needed(relation))
        self.target: Any = plan_of(relation)
        #: What the records match which are for the caller.
        self.rows: Where = EVERYTHING
        for method in methods:
            self.rows = both(self.rows, bounds.rows(self.target.model, method))
        if methods and between is not None:
            self.rows = both(self.rows, self._linked(bounds, between))
        self.where = both(where_related(relation, self.record), self.rows)

    def _linked(self, bounds: Bounds, method: str) -> Where:
        """What the records match which rows link that are for the caller."""
        through = self.relation.through
        rows = EVERYTHING if through is None else bounds.rows(through.model, method)
        return EVERYTHING if rows == EVERYTHING else where_linked(self.relation, self.record, rows)

    @property
    def keys(self) -> dict[str, Any]:
        """The values by which records of another model name this one.

        :raises Conflict: where one is null, so that no record can.
        """
        link = self.relation.links[0]
        for own in link.own:
            if self.record[own] is None:
                owner = self.relation.owner
                raise Conflict(
                    f'The "{owner.name}" with the id "{shown_id(owner, self.id)}" has no '
                    f'"{owner.properties[own].wire}", which its "{self.relation.wire}" would hold.'
                )
        return {theirs: self.record[own] for own, theirs in zip(link.own, link.theirs, strict=True)}

    def find_id(self, where: Where | None = None) -> Any:
        """The id of the first related record that matches a where, or None."""
        definition = self.target.definition
        scope = self.relation.options.scope
        first = relation_filter(self.relation) if scope else self.target.parser.filter(None)
        wanted = Filter(
            where=self.where if where is None else both(self.where, where),
            order=first.order,
            near=first.near,
            limit=1,
            fields=tuple(each.name for each in definition.ids),
        )
        found = self.target.find(wanted)
        return definition.id_of(found.records()[0]) if found else None

    def require(self, fk: Any) -> None:
        """Refuse an id that no related record has.

        :raises ModelNotFound: naming it.
        """
        if self.find_id(id_where(self.target.definition, fk)) is None:
            raise self.target.not_found(fk)

    def the_id(self) -> Any:
        """The id of the only related record.

        :raises ModelNotFound: where there is none.
        """
        id = self.find_id()
        if id is None:
            raise no_related(self.relation, self.id)
        return id


def plan_of(relation: RelationDefinition) -> Any:
    """The plan of the model that a relation leads to."""
    return relation.target_model.__loop_plan__()


def record_of(plan: Any, id: Any, names: Sequence[str]) -> Record:
    """Some properties of the record with an id.

    :raises ModelNotFound: where there is none.
    """
    rows = plan.get(id, tuple(dict.fromkeys(names)))
    if not rows:
        raise plan.not_found(id)
    record: Record = rows.records()[0]
    return record


def no_related(relation: RelationDefinition, id: Any) -> ModelNotFound:
    owner, shown = relation.owner.name, shown_id(relation.owner, id)
    return ModelNotFound(
        owner, message=f'The "{owner}" with the id "{shown}" has no "{relation.wire}".'
    )


# Records of another model, of which there may be any number


def get_many(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, filter: Filter
) -> Any:
    owned = Owned(relation, plan, id, bounds, "find")
    query = narrowed(owned.target, filter, relation, owned.record)
    query = replace(query, where=both(owned.rows, query.where))
    return owned.target.operate("find", bounds, filter=query)


def count(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, where: Where) -> Any:
    owned = Owned(relation, plan, id, bounds, "count")
    return owned.target.operate("count", bounds, where=both(owned.where, where))


def find_by_id(
    relation: RelationDefinition,
    plan: Any,
    bounds: Bounds,
    *,
    id: Any,
    fk: Any,
    filter: Filter | None = None,
) -> Any:
    owned = Owned(relation, plan, id, bounds, "findById")
    owned.require(fk)
    return owned.target.operate("find_by_id", bounds, id=fk, filter=filter)


@repeated
def create(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Any) -> Any:
    """Create related records whose key is this record's, whatever the client says."""
    with transaction(plan.model, relation.target_model):
        owned = Owned(relation, plan, id, bounds)
        return owned.target.operate("create", bounds, data=filled(owned, data, owned.keys))


@repeated
def update_by_id(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any, data: Data
) -> Any:
    with plan_of(relation).transaction():
        owned = Owned(relation, plan, id, bounds, "prototype.patchAttributes")
        owned.require(fk)
        return _patch(owned, bounds, fk, data)


@repeated
def destroy_by_id(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, fk: Any
) -> None:
    with plan_of(relation).transaction():
        owned = Owned(relation, plan, id, bounds, "deleteById")
        owned.require(fk)
        owned.target.operate("destroy_by_id", bounds, id=fk)


def destroy_all(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, where: Where
) -> None:
    owned = Owned(relation, plan, id, bounds, "deleteById")
    owned.target.operate("destroy_all", bounds, where=both(owned.where, where))


def filled(owned: Owned, data: Any, keys: Mapping[str, Any]) -> Any:
    """A client's new records, with what makes them related ones."""
    if isinstance(data, list):
        return [filled(owned, each, keys) for each in data]
    definition, relation = owned.target.definition, owned.relation
    said = definition.rename_keys(relation.options.properties)
    return trusted(definition, data, {**said, **relation.fixed, **keys})


def trusted(definition: ModelDefinition, data: Data, values: Mapping[str, Any]) -> ClientData:
    """A client's data with values that the server sets, in the place of what it says of them.

    :param values: by Python names.
    """
    given = data.copy() if isinstance(data, ClientData) else ClientData(data)
    _refuse_other_keys(definition, given, values)
    for name, value in values.items():
        property_ = definition.properties.get(name)
        given[name if property_ is None else property_.wire] = value
    return given


def _patch(owned: Owned, bounds: Bounds, fk: Any, data: Data) -> Any:
    """Change a related record, which stays one.

    :raises BadRequest: where the data would make it another one's.
    """
    target, relation = owned.target, owned.relation
    keys = {} if relation.is_through or relation.links[0].listed else owned.keys
    changes = data.copy() if isinstance(data, ClientData) else ClientData(data)
    fixed = {**keys, **relation.fixed}
    _refuse_other_keys(target.definition, changes, fixed)
    for name, value in fixed.items():
        property_ = target.definition.properties[name]
        if property_.wire not in changes:
            continue
        if not _is_same(property_, changes.pop(property_.wire), value):
            raise BadRequest(
                f"{relation.owner.name}.{relation.wire}: the key {property_.wire!r} cannot be "
                "changed through the relation."
            )
    return target.operate("patch_attributes", bounds, id=fk, data=changes)


def _refuse_other_keys(
    definition: ModelDefinition, data: ClientData, fixed: Container[str]
) -> None:
    """Refuse nested records whose keys would take the place of those that the server sets.

    :raises BadRequest: naming the relation.
    """
    for relation in definition.relations.values():
        if relation.wire not in data or relation.wire in data.trusted:
            continue
        held = names_needed(relation) if relation.kind in NAMED else ()
        if relation.options.nested and any(name in fixed for name in held):
            raise BadRequest(
                f"{definition.name}.{relation.wire} cannot be written here: its key is given."
            )


def _is_same(property_: Any, given: Any, value: Any) -> bool:
    try:
        return given is not None and bool(property_.type.load(given) == value)
    except TypeMismatch:
        return False


# One record of another model


def get_one(
    relation: RelationDefinition,
    plan: Any,
    bounds: Bounds,
    *,
    id: Any,
    filter: Filter | None = None,
) -> Any:
    owned = Owned(relation, plan, id, bounds, "findById")
    related_id = owned.the_id()
    return owned.target.operate("find_by_id", bounds, id=related_id, filter=filter)


def get_polymorphic(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any) -> Any:
    """Give the record that a relation leads to whose model is said by a property.

    :raises ModelNotFound: where there is none, or none of a model that remote callers may read.
    """
    record = record_of(plan, id, names_needed(relation))
    model = relation.find_target(record[str(relation.discriminator)])
    if model is None or not bounds.reads(model, "findById"):
        raise no_related(relation, id)
    target = model.__loop_plan__()
    definition = target.definition
    names = relation.primary_key_of(definition)
    where = keys_where(definition, names, (key_in(record, relation.foreign_key),))
    where = both(where, bounds.rows(model, "findById"))
    found = target.find(Filter(where=where, order=target.parser.filter(None).order, limit=1))
    if not found:
        raise no_related(relation, id)
    related_id = definition.id_of(found.records()[0])
    return target.operate("find_by_id", bounds, id=related_id, filter=None)


@repeated
def create_one(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Data
) -> Any:
    """Create the only related record.

    :raises Conflict: where there is one already.
    """
    with transaction(plan.model, relation.target_model):
        owned = Owned(relation, plan, id, bounds)
        if owned.find_id() is not None:
            owner, shown = relation.owner.name, shown_id(relation.owner, id)
            raise Conflict(f'The "{owner}" with the id "{shown}" has a "{relation.wire}" already.')
        return owned.target.operate("create", bounds, data=filled(owned, data, owned.keys))


@repeated
def update_one(
    relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any, data: Data
) -> Any:
    with plan_of(relation).transaction():
        owned = Owned(relation, plan, id, bounds, "prototype.patchAttributes")
        return _patch(owned, bounds, owned.the_id(), data)


@repeated
def destroy_one(relation: RelationDefinition, plan: Any, bounds: Bounds, *, id: Any) -> None:
    with plan_of(relation).transaction():
        owned = Owned(relation, plan, id, bounds, "deleteById")
        owned.target.operate("destroy_by_id", bounds, id=owned.the_id())
