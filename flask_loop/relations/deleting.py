"""Deleting records, and what becomes of other models' records that name them.

What a database does by itself is left to it, unless somebody observes it. Everything else is done
here: first it is found out which records go and whether one that stays holds on to them, then they
are deleted, those that name others before those that they name. So they are all known at once, and
no more of them than may be read of their data source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

from ..connectors.base import Connector, Record
from ..connectors.repeating import once
from ..connectors.scanning import refuse_more, scanned
from ..definition import Dependent, ModelDefinition
from ..errors import Conflict
from ..query import Filter, Where, both, equality, keys_where
from .keys import as_key

#: How many records' keys one query has.
CHUNK = 500

Transaction = Callable[[Connector], AbstractContextManager[Any]]


class DeletingPlan(Protocol):
    """What deleting needs of a model's plan.

    :ivar observes_deletes: whether somebody is told when records are deleted.
    :ivar observes_updates: whether somebody is told when records are changed.
    """

    definition: ModelDefinition

    @property
    def connector(self) -> Connector: ...

    @property
    def observes_deletes(self) -> bool: ...

    @property
    def observes_updates(self) -> bool: ...

    def delete_dependents(self, where: Where) -> int: ...

    def clear_dependents(self, where: Where, names: Sequence[str]) -> int: ...


def delete(plan: DeletingPlan, where: Where, transaction: Transaction) -> int:
    """Delete records, and do with those that name them what their relations say.

    :param plan: the plan of their model; it has told of the deletion already.
    :param where: which records.
    :param transaction: opens a transaction of a connector.
    :returns: how many matched.
    :raises Conflict: where a record that stays holds on to one of them.
    :raises TooMuchToRead: where more records have to be known for that than may be read.
    """
    try:
        return _Deletion(plan, transaction).run(where)
    except Conflict as error:
        if error.error_code == "RESTRICTED" and error.details is None:
            _explain(plan, where)
        raise


@contextmanager
def transactions(plan: DeletingPlan, transaction: Transaction) -> Iterator[None]:
    """Transactions of all data sources that have to do with deleting records of a model.

    :param transaction: opens one of a connector.
    """
    with ExitStack() as stack:
        _Deletion(plan, transaction).open(stack)
        yield


class _Deletion:
    """One deletion, and all that follows from it."""

    def __init__(self, plan: DeletingPlan, transaction: Transaction) -> None:
        self._root, self._transaction = plan, transaction
        self._plans: dict[ModelDefinition, DeletingPlan] = {}
        self._acting: dict[ModelDefinition, list[tuple[Dependent, DeletingPlan]]] = {}
        self._learn(plan)
        self._looked_at = {
            child.definition
            for acting in self._acting.values()
            for dependent, child in acting
            if dependent.on_delete == "restrict"
        }
        # Of models whose records nobody needs to know, the wheres of those that go.
        self._wheres: dict[ModelDefinition, list[Where]] = {}
        # Of the others, the records that go, by id, and in the order in which they were found.
        self._found: dict[ModelDefinition, dict[Any, Record]] = {}

    def run(self, where: Where) -> int:
        if not self._acting[self._root.definition]:
            return self._delete_by_database(where)
        with ExitStack() as stack:
            self.open(stack)
            records = self._find(self._root, where)
            if not records:
                return 0
            self._follow(records)
            self._refuse()
            return self._delete(records, where)

    def _delete_by_database(self, where: Where) -> int:
        """Delete records with all that follows, which the database does by itself."""
        root, connector = self._root.definition, self._root.connector
        with self._transaction(connector):
            if not _leads_to_itself(root):
                return connector.delete(root, where)
            # It does not count those that it deletes because of others that match.
            count = connector.count(root, where)
            connector.delete(root, where)
            return count

    def _learn(self, plan: DeletingPlan) -> None:
        """Find out what has to be done when records of a model go."""
        definition = plan.definition
        self._plans.setdefault(definition, plan)
        acting = self._acting[definition] = []
        for dependent in definition.dependents:
            child = _plan_of(dependent)
            if child is None or _is_left_to_database(plan, dependent, child):
                continue
            acting.append((dependent, child))
            self._plans.setdefault(child.definition, child)
            if dependent.on_delete == "cascade" and child.definition not in self._acting:
                self._learn(child)

    def open(self, stack: ExitStack) -> None:
        """Open the transactions of all connectors; that of the root is the last to end."""
        found = {id(each): each for each in (plan.connector for plan in self._plans.values())}
        if len(found) > 1:
            once()  # one of them may keep what another does not
        for connector in found.values():
            stack.enter_context(self._transaction(connector))

    # What goes

    def _follow(self, records: list[Record]) -> None:
        """Find, level by level, what goes with records of the root."""
        level = {self._root.definition: records}
        while level:
            further: dict[ModelDefinition, list[Record]] = {}
            for definition, parents in level.items():
                for dependent, child in self._acting[definition]:
                    if dependent.on_delete == "cascade":
                        found = self._take(dependent, child, parents)
                        further.setdefault(child.definition, []).extend(found)
            level = {definition: found for definition, found in further.items() if found}

    def _take(
        self, dependent: Dependent, child: DeletingPlan, parents: list[Record]
    ) -> list[Record]:
        """Let the records that name some others go with them; those that are new are given."""
        definition = child.definition
        wheres = list(_wheres(dependent, parents))
        is_known = bool(self._acting[definition]) or definition in self._looked_at
        if not (is_known and definition.ids):
            self._wheres.setdefault(definition, []).extend(wheres)
        if is_known:
            return [record for where in wheres for record in self._find(child, where)]
        return []

    def _find(self, plan: DeletingPlan, where: Where) -> list[Record]:
        """The records that match and are not known to go yet.

        :raises TooMuchToRead: where more of the model's records than may be read would be known.
        """
        definition, connector = plan.definition, plan.connector
        ids = [each.name for each in definition.ids]
        keys = [name for each in definition.dependents for name in each.primary_key]
        fields = tuple(dict.fromkeys([*ids, *keys])) if ids else None
        known = self._found.setdefault(definition, {})
        new = []
        for record in scanned(connector, definition, Filter(where=where, fields=fields)).records():
            id = definition.id_of(record) if ids else repr(record)
            if id not in known:
                known[id] = record
                new.append(record)
        refuse_more(definition, known, connector.max_scan)
        return new

    # What stays

    def _refuse(self) -> None:
        """Raise where a record that stays holds on to one that goes."""
        for definition, records in self._found.items():
            for dependent, child in self._acting[definition]:
                if dependent.on_delete == "restrict":
                    count = self._staying(dependent, child, list(records.values()))
                    if count:
                        raise restricted(dependent, definition, count)

    def _staying(self, dependent: Dependent, child: DeletingPlan, parents: list[Record]) -> int:
        definition = child.definition
        going = self._found.get(definition)
        if not going or not definition.ids:
            return _count(dependent, child, parents)
        fields = tuple(each.name for each in definition.ids)
        return sum(
            definition.id_of(record) not in going
            for where in _wheres(dependent, parents)
            for record in scanned(
                child.connector, definition, Filter(where=where, fields=fields)
            ).records()
        )

    # The writes

    def _delete(self, roots: list[Record], where: Where) -> int:
        """Delete all that goes; those that name others before those that they name.

        :param where: what the roots matched. It may have been by what is deleted before them, so
            they are deleted by their ids where they have such.
        """
        root = self._root.definition
        own = {root.id_of(record): record for record in roots} if root.ids else {}
        for definition in self._in_order(root, set()):
            plan, found = self._plans[definition], self._found.get(definition, {})
            self._clear(definition, list(found.values()))
            for each in self._wheres.get(definition, ()):
                plan.delete_dependents(each)
            ids = [id for id in found if definition is not root or id not in own]
            for each in _id_wheres(definition, ids) if definition.ids else ():
                plan.delete_dependents(each)
        connector = self._root.connector
        if not root.ids:
            return connector.delete(root, where)
        for each in _id_wheres(root, list(own)):
            connector.delete(root, each)
        # Not what these counted: the database may have deleted some with those before them.
        return len(own)

    def _clear(self, definition: ModelDefinition, parents: list[Record]) -> None:
        """Take the keys out of the records that stay and name records of a model."""
        for dependent, child in self._acting[definition]:
            if dependent.on_delete == "set_null":
                properties = child.definition.properties
                types = [name for name, _ in dependent.fixed if properties[name].nullable]
                for where in _wheres(dependent, parents):
                    child.clear_dependents(where, [*dependent.foreign_key, *types])

    def _in_order(
        self, definition: ModelDefinition, seen: set[ModelDefinition]
    ) -> Iterator[ModelDefinition]:
        """The models of what goes, those that name others first as far as there is no circle."""
        seen.add(definition)
        for dependent in definition.dependents:
            child = dependent.definition
            if child in self._acting and child not in seen:
                yield from self._in_order(child, seen)
        yield definition


def _plan_of(dependent: Dependent) -> DeletingPlan | None:
    """The plan of the model whose records hold a key; None where it has none or is kept nowhere."""
    model = dependent.definition.model
    if model is None or model.data_source is None:
        return None
    plan: DeletingPlan = model.__loop_plan__()
    return plan


def _is_left_to_database(
    plan: DeletingPlan,
    dependent: Dependent,
    child: DeletingPlan,
    above: tuple[ModelDefinition, ...] = (),
) -> bool:
    """Whether the database does what has to be done, and nobody is told of it."""
    connector = plan.connector
    is_kept = dependent.constraint and connector.capabilities.foreign_keys
    if not is_kept or child.connector is not connector:
        return False
    if dependent.on_delete == "set_null":
        return not child.observes_updates
    if dependent.on_delete == "restrict" or child.definition in above:
        return True
    if child.observes_deletes:
        return False
    above = (*above, child.definition)
    return all(
        (further := _plan_of(each)) is None or _is_left_to_database(child, each, further, above)
        for each in child.definition.dependents
    )


def _leads_to_itself(definition: ModelDefinition) -> bool:
    """Whether records of a model may go because others of the same model do."""
    seen: set[ModelDefinition] = set()
    further = [definition]
    while further:
        for each in further.pop().dependents:
            if each.on_delete == "cascade" and each.definition not in seen:
                seen.add(each.definition)
                further.append(each.definition)
    return definition in seen


def _wheres(dependent: Dependent, parents: Sequence[Record]) -> Iterator[Where]:
    """The wheres, for so many records at a time, of those that name them."""
    definition = dependent.definition
    fixed = [equality(definition.properties[name], value) for name, value in dependent.fixed]
    for keys in chunks(keys_of(parents, dependent.primary_key)):
        where = keys_where(definition, dependent.foreign_key, keys)
        for each in fixed:
            where = both(where, each)
        yield where


def _count(dependent: Dependent, child: DeletingPlan, parents: Sequence[Record]) -> int:
    wheres = _wheres(dependent, parents)
    return sum(child.connector.count(child.definition, where) for where in wheres)


def _id_wheres(definition: ModelDefinition, ids: list[Any]) -> Iterator[Where]:
    """The wheres of records by id; what was found last, which names the others, comes first."""
    names = [each.name for each in definition.ids]
    return (keys_where(definition, names, some) for some in chunks(ids[::-1]))


def keys_of(records: Iterable[Record], names: Sequence[str]) -> list[Any]:
    """The values of some properties, each once: tuples where they are several. None has a null."""
    if len(names) == 1:
        name = names[0]
        values = (as_key(record.get(name)) for record in records)
        return list(dict.fromkeys(value for value in values if value is not None))
    keys = (tuple(as_key(record.get(name)) for name in names) for record in records)
    return list(dict.fromkeys(key for key in keys if None not in key))


def chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Keys, so many at a time as one query has."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def restricted(dependent: Dependent, definition: ModelDefinition, count: int) -> Conflict:
    """The error of records that cannot be deleted."""
    relation = dependent.relation
    place = f"{relation.owner.name}.{relation.wire}"
    return Conflict(
        f'"{definition.name}" cannot be deleted: {count} of "{dependent.definition.name}" '
        f"{'holds' if count == 1 else 'hold'} on to it by the relation {place}.",
        error_code="RESTRICTED",
        details={"relation": place, "count": count},
    )


def _explain(plan: DeletingPlan, where: Where) -> None:
    """Say, where a database refused to delete, which records hold on to those that match."""
    definition = plan.definition
    restricting = [each for each in definition.dependents if each.on_delete == "restrict"]
    names = tuple(dict.fromkeys(name for each in restricting for name in each.primary_key))
    if not names:
        return
    most = plan.connector.max_scan
    wanted = Filter(where=where, fields=names, limit=most + 1)
    parents = plan.connector.select(definition, wanted).records()
    if len(parents) > most:
        return
    for dependent in restricting:
        child = _plan_of(dependent)
        count = 0 if child is None else _count(dependent, child, parents)
        if count:
            raise restricted(dependent, definition, count) from None
