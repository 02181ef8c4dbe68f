"""Nested writes: a record that is written together with the related ones that its data has in it.

The data of a record has those of a relation under the relation's name. An item with the id of a
record that is related already changes it, any other one is a new record; none is deleted. All of
them are checked before the first is stored.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ..connectors.base import Connector, Record
from ..definition import BELONGS_TO, HAS_ONE, REFERENCES_MANY, ModelDefinition, RelationDefinition
from ..errors import Failure, ModelNotFound, ValidationError
from ..query import NOTHING, Filter, Where, both, keys_where
from ..remoting import ClientData
from ..schema import Serializer
from ..types import MAX_DEPTH, Array, Object, PropertyType
from ..validation import Batch, Validator
from .assignment import keys_to
from .deleting import chunks
from .narrowing import key_in, where_related

Data = Mapping[str, Any]
Path = tuple[str | int, ...]

#: The code of what is wrong with how records are related.
CODE = "relation"


class NestedWrite(Protocol):
    """What nesting needs of a write.

    :ivar path: where its data is in what was given.
    :ivar pending: the properties whose values are known when the record that it is in is stored.
    :ivar branches: the related records that are written with it.
    """

    path: Path
    pending: tuple[str, ...]
    branches: Sequence[Branch]
    values: Record
    record: Record

    @property
    def is_new(self) -> bool: ...


class NestingPlan(Protocol):
    """What nesting needs of a model's plan."""

    definition: ModelDefinition
    model: Any
    serializer: Serializer
    validator: Validator

    @property
    def connector(self) -> Connector: ...

    @property
    def forces_id(self) -> bool: ...

    def load_id(self, id: Any) -> Any: ...

    def accepted(
        self, data: Data, *, creating: bool, current: Record | None = None
    ) -> tuple[dict[str, Any], list[Failure]]: ...

    def check_new(self, data: Data, *, partial: bool = False) -> list[Failure]: ...

    def new_write(self, data: Any, path: Path, forced: Data, pending: Sequence[str]) -> Any: ...

    def changing_write(self, id: Any, data: Any, path: Path, kept: Container[str]) -> Any: ...

    def problems(self, write: Any, validate: bool) -> list[Failure]: ...

    def create_many(self, datas: Sequence[Data]) -> list[Record]: ...

    def insert(self, writes: Sequence[Any]) -> None: ...

    def store(self, write: Any) -> None: ...


class Branch:
    """The related records that are written with a record, of one relation.

    :ivar failures: what is wrong before any of them is looked at; paths begin with the relation.
    """

    __slots__ = ("_target", "failures", "relation", "writes")

    def __init__(self, relation: RelationDefinition, target: NestingPlan | None) -> None:
        self.relation, self._target = relation, target
        self.writes: list[NestedWrite] = []
        self.failures: list[Failure] = []

    @property
    def target(self) -> NestingPlan:
        """The plan of their model; a branch that has none has failed."""
        assert self._target is not None  # noqa: S101
        return self._target


class Nesting:
    """The relations of a model, as keys in the data of its records.

    :param definition: the model.

    :ivar wires: the keys of remote callers' data that have related records.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        relations = definition.relations.values()
        self._by_name = {each.name: each for each in relations}
        self._by_any = {each.wire: each for each in relations} | self._by_name
        nested = [each for each in relations if each.options.nested and not each.is_embedded]
        self._nested = {each.wire: each for each in nested}
        self.wires = frozenset(self._nested)
        self._drops = definition.settings.keeps_unknown

    def split(self, data: Data) -> tuple[Data, dict[str, Any]]:
        """A record's own data, and what it has of related records, by the relations' names.

        :param data: by Python names; a relation may have its name on the wire.
        :raises TypeError: where a relation is given in both spellings.
        """
        if self._by_any.keys().isdisjoint(data):
            return data, {}
        own: dict[str, Any] = {}
        given: dict[str, Any] = {}
        for key, value in data.items():
            relation = self._by_any.get(key)
            if relation is None:
                own[key] = value
            elif not relation.options.nested:
                if not self._drops:
                    own[key] = value  # as any key that is no property
            elif relation.is_embedded:
                own[_only_one(relation, str(relation.property), data)] = value
            elif relation.name in given:
                raise TypeError(f"both spellings of {relation.name!r} are given")
            elif value is None and relation.kind == BELONGS_TO:
                own.update(keys_to(relation, None))
            else:
                given[relation.name] = value
        return own, given

    def grow(self, plan: NestingPlan, write: NestedWrite, given: Data) -> list[Branch]:
        """Make the writes of related records.

        :param plan: the plan of this model.
        :param write: the record that they are in, loaded.
        :param given: what it has of them, by the relations' names.
        """
        return [
            _Growing(plan, self._by_name[name], write.record, is_new=write.is_new).branch(
                value, write.path
            )
            for name, value in given.items()
        ]

    def accept(
        self, plan: NestingPlan, data: Data, own: Data, *, current: Record | None
    ) -> tuple[dict[str, Any], list[Failure]]:
        """The part of what a remote caller gives of related records that it may write.

        :param data: by wire names.
        :param own: what is accepted of the record itself, by Python names.
        :param current: the record that is changed, where one is.
        """
        trusted = data.trusted if isinstance(data, ClientData) else ()
        accepted: dict[str, Any] = {}
        failures: list[Failure] = []
        for wire in self.wires.intersection(data):
            if wire not in trusted:
                relation = self._nested[wire]
                loaded, _ = plan.serializer.load(own, partial=True)
                unknown = dict.fromkeys(self.definition.properties)
                parent = {**unknown, **(current or {}), **loaded}
                growing = _Growing(plan, relation, parent, is_new=current is None)
                accepted[relation.name] = growing.accepted(data[wire], failures)
        return accepted, failures

    def check(self, plan: NestingPlan, own: Record, given: Data) -> list[Failure]:
        """What is wrong with new records or changes, each by itself.

        :param own: the record that they are in.
        """
        return [
            failure
            for name, value in given.items()
            for failure in _Growing(plan, self._by_name[name], own, is_new=True).check(value)
        ]

    def spec(self, data: Any, *, wire_only: bool = False) -> list[dict[str, Any]]:
        """What to include so that an answer shows the related records that data has in it.

        :param data: one record's data, or a list of such.
        :param wire_only: whether it is a remote caller's.
        """
        found: dict[str, list[Any]] = {}
        for each in data if isinstance(data, list | tuple) else [data]:
            if isinstance(each, Mapping):
                for key in self._by_any.keys() & each.keys():
                    relation = self._by_any[key]
                    if relation.wire in self.wires and (not wire_only or key in self.wires):
                        value = each[key]
                        items = value if isinstance(value, list | tuple) else [value]
                        found.setdefault(relation.name, []).extend(items)
        return [
            {"relation": name, "scope": {"include": inner} if inner else {}}
            for name, items in found.items()
            if not self._by_name[name].options.disable_include
            for inner in [_inner_spec(self._by_name[name], items, wire_only=wire_only)]
        ]


def _inner_spec(
    relation: RelationDefinition, items: list[Any], *, wire_only: bool
) -> list[dict[str, Any]]:
    definition = relation.target
    if definition is None or not definition.relations:
        return []
    return Nesting(definition).spec(items, wire_only=wire_only)


def _only_one(relation: RelationDefinition, name: str, data: Data) -> str:
    """The property of embedded records, unless the data has it too."""
    if name in data:
        raise TypeError(f"both {relation.name!r} and its property {name!r} are given")
    return name


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


class _Growing:
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
            branch.failures = [self._failure((), f"is nested more than {MAX_DEPTH} levels deep")]
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
        return len(self.relation.links) == 1 and self.relation.kind not in _NAMED

    def _unready(self) -> str | None:
        """Why nothing can be related to the record, where that is so."""
        relation = self.relation
        if relation.kind in _NAMED:
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
        if self.is_new and self.relation.kind not in _NAMED:
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
        names = relation.primary_key or tuple(each.name for each in definition.ids)
        return keys_where(definition, names, [key_in(self.parent, relation.foreign_key)])

    def _select(self, where: Where) -> list[Record]:
        target = self.target
        query = Filter(where=where)
        return target.connector.select(target.definition, query).records()

    # Remote callers

    def accepted(self, value: Any, failures: list[Failure]) -> Any:
        """What a remote caller may write of the related records, by Python names.

        What has not the right form stays as it is, to be refused.
        """
        wrong: list[Failure] = []
        items = self._items(value, wrong)
        if wrong or not items:
            return value
        self._resolve(items)
        accepted = [self._accepted_item(item, failures) for item in items]
        return accepted if self.relation.is_many else accepted[0]

    def _accepted_item(self, item: _Item, failures: list[Failure]) -> dict[str, Any]:
        definition = self.target.definition
        ids = {each.wire: each.name for each in definition.ids}
        given = {key: value for key, value in item.data.items() if key not in ids}
        accepted, refused = self.target.accepted(
            given, creating=item.record is None, current=item.record
        )
        failures += [Failure((*item.path, *f.path), f.code, f.message) for f in refused]
        accepted.update((name, item.data[wire]) for wire, name in ids.items() if wire in item.data)
        return accepted

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
            for each in self.target.check_new(item.data, partial=item.id is not None):
                if each.path[0] not in keys:
                    yield Failure((*item.path, *each.path), each.code, each.message)


_NOT_RELATED = "is not the id of one of its records"
#: The kinds whose records are stored first, because the record holds their keys.
_NAMED = frozenset({BELONGS_TO, REFERENCES_MANY})


def _is_data(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "to_record")


# What is wrong


def problems_of(branches: Iterable[Branch], start: Path, validate: bool) -> list[Failure]:
    """What is wrong with related records, by paths from the record that they are in.

    :param start: where that record's own data is.
    """
    failures: list[Failure] = []
    for branch in branches:
        failures += branch.failures
        for write in branch.writes:
            place = write.path[len(start) :]
            failures += [
                Failure((*place, *each.path), each.code, each.message)
                for each in branch.target.problems(write, validate)
            ]
    return failures


def collisions(branches: Iterable[Branch]) -> list[Failure]:
    """What records inside others have in common and must not, by paths from the whole."""
    batches: dict[ModelDefinition, Batch] = {}
    failures: list[Failure] = []
    for plan, write in _all_inside(branches):
        if not plan.validator.uniqueness:
            continue
        batch = batches.setdefault(plan.definition, Batch(plan.validator))
        # The key to a record that is not stored yet is another one for each such record.
        record = {**write.record, **dict.fromkeys(write.pending, _parent_of(write.path))}
        found = batch.add(record, partial(plan.model.from_record, write.record, is_new=True))
        failures += [Failure((*write.path, *each.path), each.code, each.message) for each in found]
    return failures


def _all_inside(branches: Iterable[Branch]) -> Iterator[tuple[NestingPlan, NestedWrite]]:
    for branch in branches:
        for write in branch.writes:
            yield branch.target, write
            yield from _all_inside(write.branches)


def _parent_of(path: Path) -> Path:
    """Where the record is that has the one at a path inside it."""
    is_listed = isinstance(path[-1], int)
    return path[: -2 if is_listed else -1]


# Storing

Pair = tuple[NestedWrite, Branch]


def store_named(context: str, parents: Iterable[NestedWrite]) -> None:
    """Store the related records whose keys some records hold, and let them hold them.

    :param context: the name of the records' model.
    :param parents: records of one model that are not stored yet, or not changed.
    """
    with _failures_in(context):
        for relation, pairs in _by_relation(parents, named=True):
            _store_all(pairs)
            for parent, branch in pairs:
                keys = _keys_held(relation, parent, branch)
                parent.values.update(keys)
                parent.record.update(keys)


def _keys_held(relation: RelationDefinition, parent: NestedWrite, branch: Branch) -> dict[str, Any]:
    if relation.kind == REFERENCES_MANY:
        link = relation.links[0]
        keys = [key_in(write.record, link.theirs) for write in branch.writes]
        return {link.own[0]: list(dict.fromkeys([*(parent.record.get(link.own[0]) or ()), *keys]))}
    definition, record = branch.target.definition, branch.writes[0].record
    primary_key = relation.primary_key or tuple(each.name for each in definition.ids)
    held = {name: record[key] for name, key in zip(relation.foreign_key, primary_key, strict=True)}
    if relation.discriminator is not None:
        held[relation.discriminator] = definition.name
    return held


def store_naming(context: str, parents: Iterable[NestedWrite]) -> None:
    """Store the related records that hold the keys of some records, or are linked to them.

    :param context: the name of the records' model.
    :param parents: records of one model that are stored.
    """
    with _failures_in(context):
        for relation, pairs in _by_relation(parents, named=False):
            if relation.through is None:
                for parent, branch in pairs:
                    for write in branch.writes:
                        _hold_key(relation, parent, write)
            _store_all(pairs)
            if relation.through is not None:
                _link(relation, pairs)


def _hold_key(relation: RelationDefinition, parent: NestedWrite, write: NestedWrite) -> None:
    """Let a new record hold the key of the record that it is in, whatever observers set."""
    if write.is_new:
        keys = zip(relation.foreign_key, relation.primary_key, strict=True)
        write.values.update((name, parent.record[key]) for name, key in keys)
        write.values.update(relation.fixed)


def _link(relation: RelationDefinition, pairs: Sequence[Pair]) -> None:
    """Store the rows that link new records to those that they are in."""
    to_through, to_target = relation.links
    rows = [
        {
            **dict(zip(to_through.theirs, _values(parent.record, to_through.own), strict=True)),
            **dict(zip(to_target.own, _values(write.record, to_target.theirs), strict=True)),
        }
        for parent, branch in pairs
        for write in branch.writes
        if write.is_new
    ]
    if rows:
        to_through.definition.model.__loop_plan__().create_many(rows)


def _values(record: Record, names: Iterable[str]) -> list[Any]:
    return [record[name] for name in names]


def _by_relation(
    parents: Iterable[NestedWrite], *, named: bool
) -> list[tuple[RelationDefinition, list[Pair]]]:
    """The branches of several records by relation and by model, so that they are stored at once."""
    grouped: dict[Any, tuple[RelationDefinition, list[Pair]]] = {}
    for parent in parents:
        for branch in parent.branches:
            if branch.writes and (branch.relation.kind in _NAMED) is named:
                key = (branch.relation.name, branch.target.definition)
                grouped.setdefault(key, (branch.relation, []))[1].append((parent, branch))
    return list(grouped.values())


def _store_all(pairs: Sequence[Pair]) -> None:
    plan = pairs[0][1].target
    writes = [write for _, branch in pairs for write in branch.writes]
    if new := [write for write in writes if write.is_new]:
        plan.insert(new)
    for write in writes:
        if not write.is_new:
            plan.store(write)


@contextmanager
def _failures_in(context: str) -> Iterator[None]:
    """Let what is found wrong with a record inside another be said of the other one."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError(context, error.failures) from None
