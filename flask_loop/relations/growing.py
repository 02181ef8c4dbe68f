"""Growing: what the data of a record has in it of one relation, as writes of its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..connectors.base import Record
from ..definition import BELONGS_TO, HAS_ONE, MISSING, RelationDefinition
from ..errors import BadRequest, Failure, ModelNotFound
from ..query import EVERYTHING, NOTHING, Bounds, Filter, Where, both, keys_where
from ..types import MAX_DEPTH, Array, Object, PropertyType
from .branches import CODE, NAMED, Branch, NestingPlan, Path
from .deleting import chunks
from .narrowing import key_in, where_linked, where_related
from .reaching import settled


@dataclass(slots=True)
class _Item:
    """One related record in a record's data.

    :ivar path: where it is; it begins with the relation's name.
    :ivar id: its id as records hold it; None where it has none.
    :ivar record: the record with the id, where it is one of the relation's.
    :ivar problem: why it cannot be written.
    """

    path: Path
    data: Any
    id: Any = None
    record: Record | None = None
    problem: str | None = None


class Growing:
    """Makes the writes of one relation's records out of a record's data.

    :param plan: the plan of the record's model.
    :param relation: the relation.
    :param parent: the record, as far as it is known.
    :param is_new: whether it is not stored yet.
    """

    def __init__(
        self, plan: NestingPlan, relation: RelationDefinition, parent: Record, *, is_new: bool
    ) -> None:
        self.relation, self.parent, self.is_new = relation, parent, is_new
        self.plan = plan
        self._target = self._find_target()

    def _find_target(self) -> NestingPlan | None:
        relation = self.relation
        if relation.is_polymorphic_owner:
            model = relation.find_target(self.parent.get(str(relation.discriminator)))
        else:
            model = relation.target_model
        if model is None:
            return None
        plan: NestingPlan = model.__loop_plan__()
        return plan

    @property
    def target(self) -> NestingPlan:
        """The plan of the related records' model."""
        assert self._target is not None  # noqa: S101
        return self._target

    # What they become

    def branch(self, value: Any, place: Path) -> Branch:
        """The writes of what is given.

        :param place: where the record's own data is.
        """
        relation = self.relation
        branch = Branch(relation, self._target)
        items = self._items(value, branch.failures)
        if sum(isinstance(key, str) for key in place) >= MAX_DEPTH:
            branch.failures = [self._failure((), TOO_DEEP)]
        if branch.failures or not items:
            return branch
        self._resolve(items)
        if problem := self._unready():
            branch.failures.append(self._failure((), problem))
            return branch
        for item in items:
            if item.problem is None:
                self._add(branch, item, place)
            else:
                ids = tuple(each.name for each in self.target.definition.ids)
                branch.failures.append(Failure((*item.path, ids[0]), CODE, item.problem))
        return branch

    def _add(self, branch: Branch, item: _Item, place: Path) -> None:
        path = (*place, *item.path)
        if (inverse := self._inverse(item.data)) is not None:
            problem = "is the record that this one is inside of"
            branch.failures.append(Failure((*item.path, inverse), CODE, problem))
            return
        keys = self._forced_names()
        if item.record is None:
            forced, pending = self._forced(keys)
            branch.writes.append(self.target.new_write(item.data, path, forced, pending))
            return
        try:
            write = self.target.changing_write(item.id, item.data, path, kept=keys)
        except ModelNotFound:
            name = self.target.definition.ids[0].name
            branch.failures.append(Failure((*item.path, name), CODE, _NOT_RELATED))
            return
        branch.writes.append(write)

    def _forced_names(self) -> tuple[str, ...]:
        """The properties of the related records that the relation decides."""
        if self._is_direct_has:
            return (*self.relation.foreign_key, *self.relation.fixed)
        return ()

    def _forced(self, keys: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What a new record gets of the relation, and what it gets when the parent is stored."""
        relation = self.relation
        forced = {**relation.options.properties, **relation.fixed}
        if not keys:
            return forced, ()
        known = dict(zip(relation.foreign_key, self._own_key(relation.primary_key), strict=True))
        pending = tuple(name for name, value in known.items() if value is None)
        forced.update((name, value) for name, value in known.items() if value is not None)
        return forced, pending

    def _own_key(self, names: Sequence[str]) -> tuple[Any, ...]:
        return tuple(self.parent.get(name) for name in names)

    @property
    def _is_direct_has(self) -> bool:
        return len(self.relation.links) == 1 and self.relation.kind not in NAMED

    def _unready(self) -> str | None:
        """Why nothing can be related to the record, where that is so."""
        relation = self.relation
        if relation.kind in NAMED:
            return None
        properties = self.plan.definition.properties
        for name in relation.primary_key:
            is_made = self.is_new and properties[name].generated
            if self.parent.get(name) is None and not is_made:
                return f"needs a value of {name!r}"
        return None

    def _inverse(self, data: Any) -> str | None:
        """The relation in the data that leads back to the record that it is in."""
        if not self._is_direct_has or not isinstance(data, Mapping):
            return None
        for each in self.target.definition.relations.values():
            leads_back = each.kind == BELONGS_TO and each.foreign_key == self.relation.foreign_key
            if (
                leads_back
                and each.options.nested
                and not data.keys().isdisjoint((each.name, each.wire))
            ):
                return each.name
        return None

    # Which there are

    def _items(self, value: Any, failures: list[Failure]) -> list[_Item]:
        """The items of what is given, where all of it has the right form."""
        if self._target is None:
            failures.append(self._failure((), f"needs a model in {self.relation.discriminator!r}"))
            return []
        if not self.relation.is_many:
            if not _is_data(value):
                failures.append(self._misfit((), Object()))
                return []
            return [_Item((self.relation.name,), value)]
        if not isinstance(value, list | tuple):
            failures.append(self._misfit((), Array()))
            return []
        failures += [
            self._misfit((index,), Object())
            for index, each in enumerate(value)
            if not _is_data(each)
        ]
        return [_Item((self.relation.name, index), each) for index, each in enumerate(value)]

    def _failure(self, path: Path, problem: str) -> Failure:
        return Failure((self.relation.name, *path), CODE, problem)

    def _misfit(self, path: Path, kind: PropertyType) -> Failure:
        error = kind.mismatch()
        return Failure((self.relation.name, *path), error.code, str(error))

    def _resolve(self, items: list[_Item]) -> None:
        """Find out which of the items are records that are related already."""
        for item in items:
            self._read_id(item)
        if self.relation.kind == HAS_ONE and not self.is_new and items[0].id is None:
            self._take_the_one(items[0])
            return
        wanted = list(dict.fromkeys(item.id for item in items if item.id is not None))
        related = self._related(wanted)
        unknown = self._unknown([id for id in wanted if id not in related])
        seen: set[Any] = set()
        for item in items:
            if item.id is None:
                continue
            if item.id in seen:
                item.problem = "is given twice"
            elif item.id in related:
                item.record = related[item.id]
            elif item.id not in unknown:
                item.problem = _NOT_RELATED
            seen.add(item.id)

    def _read_id(self, item: _Item) -> None:
        """Find the id in an item; one that is no id of any record is for its validation."""
        definition = self.target.definition
        state = item.data if isinstance(item.data, Mapping) else item.data.to_record()
        values = [state.get(each.name, state.get(each.wire)) for each in definition.ids]
        if not values or None in values:
            return
        try:
            item.id = self.target.load_id(values[0] if len(values) == 1 else tuple(values))
        except ModelNotFound:
            if self.target.forces_id:
                item.problem = _NOT_RELATED

    def _take_the_one(self, item: _Item) -> None:
        """Let an item without an id be the record that there is."""
        found = self._select(self._where_related())
        if found:
            item.id, item.record = self.target.definition.id_of(found[0]), found[0]

    def _related(self, ids: list[Any]) -> dict[Any, Record]:
        """Those records with some of the ids that are the relation's, by id."""
        if self.is_new and self.relation.kind not in NAMED:
            return {}
        where = self._where_related() if ids else NOTHING
        return {
            self.target.definition.id_of(record): record
            for some in chunks(ids)
            for record in self._select(both(self._with_ids(some), where))
        }

    def _unknown(self, ids: list[Any]) -> set[Any]:
        """Those of some ids that a new record may have."""
        if self.target.forces_id:
            return set()
        definition = self.target.definition
        found = (record for some in chunks(ids) for record in self._select(self._with_ids(some)))
        return set(ids) - {definition.id_of(record) for record in found}

    def _with_ids(self, ids: Sequence[Any]) -> Where:
        definition = self.target.definition
        return keys_where(definition, [each.name for each in definition.ids], ids)

    def _where_related(self) -> Where:
        """What the relation's records match."""
        relation, definition = self.relation, self.target.definition
        if relation.links:
            return where_related(relation, self.parent)
        names = relation.primary_key_of(definition)
        return keys_where(definition, names, [key_in(self.parent, relation.foreign_key)])

    def _select(self, where: Where) -> list[Record]:
        target = self.target
        query = Filter(where=settled(where, target.definition, target.connector))
        return target.connector.select(target.definition, query).records()

    # Remote callers

    def accepted(self, value: Any, bounds: Bounds, failures: list[Failure]) -> Any:
        """What a remote caller may write of the related records, by Python names.

        What has not the right form stays as it is, to be refused.

        :param bounds: the caller's, which say what it may reach.
        :returns: ``MISSING`` where it may write none of them.
        """
        wrong: list[Failure] = []
        items = self._items(value, wrong)
        if wrong or not items:
            return value
        most = self.target.model.__loop_most_new__
        if most is not None and len(items) > most:
            raise BadRequest(f"{self.relation.wire!r} has more than {most} records.")
        self._resolve(items)
        if refused := [item for item in items if not self._may_write(item, bounds)]:
            failures += [self._refused(item, bounds) for item in refused]
            return MISSING
        accepted = [self._accepted_item(item, bounds, failures) for item in items]
        return accepted if self.relation.is_many else accepted[0]

    def _accepted_item(
        self, item: _Item, bounds: Bounds, failures: list[Failure]
    ) -> dict[str, Any]:
        definition = self.target.definition
        ids = {each.wire: each.name for each in definition.ids}
        given = {key: value for key, value in item.data.items() if key not in ids}
        accepted, refused = self.target.accepted(
            given, bounds, creating=item.record is None, current=item.record
        )
        failures += [Failure((*item.path, *f.path), f.code, f.message) for f in refused]
        accepted.update((name, item.data[wire]) for wire, name in ids.items() if wire in item.data)
        return accepted

    def _may_write(self, item: _Item, bounds: Bounds) -> bool:
        """Whether a caller may write a record, which the relation says of the record's own ones.

        Of those that are anybody's, which it names by their ids, their model says so.
        """
        reach = bounds.reach
        if reach is None:
            return True
        model = self.target.model
        method = "create" if item.record is None else "prototype.patchAttributes"
        if not (self._is_direct_has or reach.offers(model, method)):
            return False
        through = self.relation.through
        if item.record is None:
            links = through is None or reach.makes(through.model, "create")
            return links and reach.makes(model, method)
        rows, between = reach.rows(model, method), bounds.between(self.relation)
        if between != EVERYTHING:
            rows = both(rows, where_linked(self.relation, self.parent, between))
        return rows == EVERYTHING or bool(self._select(both(self._with_ids([item.id]), rows)))

    def _refused(self, item: _Item, bounds: Bounds) -> Failure:
        """Why a caller may not write a record. One that is not for it is as if it were none."""
        ids = self.target.definition.ids
        is_there = item.record is not None or item.problem is not None
        is_named = is_there and all(each.wire in item.data for each in ids)
        method = "prototype.patchAttributes"
        if is_named and bounds.reach is not None and bounds.reach.offers(self.target.model, method):
            return Failure((*item.path, ids[0].name), CODE, item.problem or _NOT_RELATED)
        return Failure(item.path, CODE, _NOT_REMOTE)

    def check(self, value: Any) -> Iterator[Failure]:
        """What is wrong with new records, or changes, each by itself."""
        failures: list[Failure] = []
        items = self._items(value, failures)
        yield from failures
        if failures:
            return
        keys = self._forced_names()
        for item in items:
            self._read_id(item)
            partial = item.id is not None
            for each in self.target.check_inside(item.data, partial=partial, pending=keys):
                if each.path[0] not in keys:
                    yield Failure((*item.path, *each.path), each.code, each.message)


TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
_NOT_RELATED = "is not the id of one of its records"
_NOT_REMOTE = "cannot be written here"


def _is_data(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "to_record")
