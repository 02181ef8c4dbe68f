"""Branches: the related records that are written with a record, checked and stored.

All of them are checked before the first is stored. Those whose keys the record holds are stored
before it, those that hold its key after it, each relation's at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

from ..connectors.base import Connector, Record
from ..connectors.repeating import once
from ..definition import BELONGS_TO, REFERENCES_MANY, ModelDefinition, RelationDefinition
from ..errors import Failure, ValidationError
from ..query import Bounds
from ..schema import Serializer
from ..validation import Batch, Validator
from .deleting import Transaction
from .narrowing import key_in

Data = Mapping[str, Any]
Path = tuple[str | int, ...]

#: The code of what is wrong with how records are related.
CODE = "relation"


#: The kinds whose records are stored first, because the record holds their keys.
NAMED = frozenset({BELONGS_TO, REFERENCES_MANY})


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
        self, data: Data, bounds: Bounds, *, creating: bool, current: Record | None = None
    ) -> tuple[dict[str, Any], list[Failure]]: ...

    def check_inside(
        self, data: Any, *, partial: bool, pending: Container[str]
    ) -> list[Failure]: ...

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


@contextmanager
def transactions(
    connector: Connector, writes: Iterable[NestedWrite], transaction: Transaction
) -> Iterator[None]:
    """Transactions of the other connectors that have to do with what is inside some records.

    :param connector: the records' own, whose transaction is open.
    :param transaction: opens one.
    """
    branches = [branch for write in writes for branch in write.branches]
    found = {id(each): each for each in _connectors(branches) if each is not connector}
    if found:
        once()  # one of them may keep what another does not
    with ExitStack() as others:
        for each in found.values():
            others.enter_context(transaction(each))
        yield


def _connectors(branches: Iterable[Branch]) -> Iterator[Connector]:
    for branch in branches:
        if branch.writes:
            yield branch.target.connector
            if branch.relation.through is not None:
                yield branch.relation.through.model.__loop_plan__().connector
            yield from _connectors(inner for write in branch.writes for inner in write.branches)


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
    primary_key = relation.primary_key_of(definition)
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
            if branch.writes and (branch.relation.kind in NAMED) is named:
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
