"""ObservedPlan: the plan of a model that observers, or receivers of a record's signals, look at.

It takes the same steps as :class:`~flask_loop.operations.Plan`, and tells of each. Reads that only
serve the plan, such as those of uniqueness rules, are told to nobody, and nobody narrows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..connectors.base import Record, RelatedRows, Rows, id_where, layout_of_records
from ..connectors.repeating import once, repeated
from ..definition import Link
from ..errors import Failure
from ..hooks import EVENTS, Observers, inherited, synchronous
from ..methods import Generation
from ..query import EVERYTHING, And, Filter, Where, both, conjuncts
from ..relations import deleting
from ..schema import BLANK, UNKNOWN, Serializer, load_undeclared
from ..signals import RECORD_SIGNALS, record_saved, records_deleted, records_updated
from ..types import TypeMismatch, detached
from ..validation import Validator
from . import outbox
from .drafts import Drafts
from .observation import Observation, same
from .plan import FindOverride, Plan
from .write import Write, failed_names

if TYPE_CHECKING:
    from blinker import Signal

#: How many selections of fields are known at once for one model.
_MAX_LAYOUTS = 64

for _signal in RECORD_SIGNALS:
    _signal.receiver_connected.connect(Generation.advance, weak=False)
    _signal.receiver_disconnected.connect(Generation.advance, weak=False)


def as_observed(plan: Plan) -> Plan:
    """The plan for a model as it is observed now: one that tells of its steps, or a plain one.

    :param plan: a plan of the model, of either kind.
    """
    generation = Generation.number  # what is registered meanwhile advances it again
    model: Any = plan.model
    observers = observers_of(model)
    if observers or any(outbox.is_heard(signal, model) for signal in RECORD_SIGNALS):
        parts = (model, plan.serializer, plan.validator, plan.find_override)
        plan = ObservedPlan(*parts, observers)
    elif isinstance(plan, ObservedPlan):
        plan = Plan(model, plan.serializer, plan.validator, plan.find_override)
    plan.generation = generation
    return plan


def observers_of(model: Any) -> dict[str, list[Callable[[Observation], Any]]]:
    """The observers of a model by event: its data source's, then its bases', then its own."""
    of_source = getattr(model.data_source, "__loop_observers__", None)
    registered: list[Observers] = [of_source] if of_source else []
    registered += inherited(model, "__loop_observers__")
    by_event = {event: [each for some in registered for each in some.of(event)] for event in EVENTS}
    return {event: functions for event, functions in by_event.items() if functions}


class Place:
    """The record that an operation was decided to be on.

    :param id: its id.
    :param observation: the operation.
    """

    __slots__ = ("id", "observation")

    def __init__(self, id: Any, observation: Observation) -> None:
        self.id, self.observation = id, observation


class ObservedPlan(Plan):
    """A plan that tells observers and receivers of signals what it does.

    :param observers: the observers by event.
    """

    def __init__(
        self,
        model: Any,
        serializer: Serializer,
        validator: Validator,
        find_override: FindOverride,
        observers: Mapping[str, Sequence[Callable[[Observation], Any]]],
    ) -> None:
        super().__init__(model, serializer, validator, find_override)
        self._observers = observers
        self._drafts = Drafts(model, serializer)
        self._layout = lru_cache(maxsize=_MAX_LAYOUTS)(partial(layout_of_records, self.definition))

    @property
    def is_watched(self) -> bool:
        return True

    def transaction(self) -> AbstractContextManager[Any]:
        return outbox.transaction(self.connector)

    def _own_transaction(self) -> AbstractContextManager[Any]:
        return self.transaction()

    @property
    def _changes_at_once(self) -> bool:
        return False

    def _tell(self, event: str, observation: Observation) -> None:
        observation.event = event
        for observer in self._observers.get(event, ()):
            once()
            observer(observation)

    def _send(self, signal: Signal, give: Callable[[], dict[str, Any]]) -> None:
        """Send a signal when the transaction has ended, where anybody listens.

        :param give: gives what is sent, as it is now.
        """
        model = self.model
        if outbox.is_heard(signal, model):
            send = partial(signal.send, model, _async_wrapper=synchronous, **give())
            outbox.current(self.connector).add(send)

    # Which records

    def _access(self, query: Filter) -> Observation:
        observation = Observation(self.model, self.parser)
        observation.tell_query(query)
        self._tell("access", observation)
        return observation

    def _place(self, id: Any, fields: tuple[str, ...] | None = None) -> Place:
        observation = self._access(Filter(where=id_where(self.definition, id), fields=fields))
        self._keep_on(id, observation)
        return Place(id, observation)

    def _keep_on(self, id: Any, observation: Observation) -> None:
        """Keep an operation on one record, whatever observers said which records are meant."""
        query = observation.decided
        said = conjuncts(query.where)
        lost = [part for part in conjuncts(id_where(self.definition, id)) if part not in said]
        if lost:
            observation.tell_query(replace(query, where=both(And(tuple(lost)), query.where)))

    def _rows_at(self, place: Place, *, whole: bool = False) -> Rows:
        """The record of a place as one row, or none."""
        query = place.observation.decided
        fields = None if whole else query.fields
        is_undecided = query.where == id_where(self.definition, place.id)
        if fields is None and is_undecided and self.scope is None:
            return self.connector.get(self.definition, place.id)
        where = self._scoped(query.where)
        return self.connector.select(self.definition, Filter(where=where, fields=fields, limit=1))

    # Reading

    def find(self, filter: Filter) -> Rows:
        observation = self._access(filter)
        return self._shown(super().find(observation.decided), observation)

    def page(self, filter: Filter, most: int | None) -> tuple[Rows, bool]:
        observation = self._access(filter)
        rows, is_cut = super().page(observation.decided, most)
        return self._shown(rows, observation), is_cut

    def get(self, id: Any, fields: tuple[str, ...] | None = None) -> Rows:
        place = self._place(id, fields)
        return self._shown(self._rows_at(place), place.observation)

    def exists(self, id: Any) -> bool:
        return bool(self._rows_at(self._place(id)))

    def the_one(self, where: Where) -> Any:
        observation = self._access(Filter(where=where))
        id = super().the_one(observation.decided.where)
        if id is None:
            return None
        self._keep_on(id, observation)
        return Place(id, observation)

    def count(self, where: Where) -> int:
        return super().count(self._access(Filter(where=where)).decided.where)

    def in_one_step(self, where: Where) -> Where | None:
        if "access" in self._observers and self.connector.capabilities.inserts_unless:
            where = self._access(Filter(where=where)).decided.where
        return super().in_one_step(where)

    def find_related(
        self,
        filter: Filter,
        links: Sequence[Link],
        keys: Sequence[Any],
        most: int | None = None,
        between: Where = EVERYTHING,
    ) -> RelatedRows:
        observation = self._access(filter)
        found = super().find_related(observation.decided, links, keys, most, between)
        return RelatedRows(self._shown(found.rows, observation), found.keys)

    def reachable(self, where: Where) -> Where:
        return super().reachable(self._access(Filter(where=where)).decided.where)

    @property
    def shows_all(self) -> bool:
        return not ({"access", "loaded"} & self._observers.keys()) and super().shows_all

    @property
    def keeps_some_back(self) -> bool:
        return "access" in self._observers or super().keeps_some_back

    def _shown(self, rows: Rows, observation: Observation) -> Rows:
        """Rows as ``loaded`` observers leave them; the rows themselves where there are none."""
        if "loaded" not in self._observers:
            return rows
        records = [self._loaded(record, observation) for record in rows.records()]
        return Rows(records, self._layout(observation.decided.fields))

    def _loaded(self, record: Record, within: Observation) -> Record:
        """A record as ``loaded`` observers leave it."""
        if "loaded" not in self._observers:
            return record
        observation = Observation(self.model, self.parser, is_new=within.is_new, within=within)
        observation.tell_draft(partial(self._drafts.of_record, record))
        self._tell("loaded", observation)
        draft = observation.draft
        if draft is None:
            return record
        changes, removed = draft.outcome()
        if not (changes or removed):
            return record
        shown = {**record, **changes, **dict.fromkeys(removed)}
        properties = self.definition.properties
        return {
            name: value
            for name, value in shown.items()
            if (name in record if name in properties else name not in removed)
        }

    # Writing

    def create(self, data: Mapping[str, Any], **options: Any) -> Record:
        return super().create(self.serializer.ahead(data), **options)

    def create_many(self, datas: Sequence[Mapping[str, Any]]) -> list[Record]:
        return super().create_many(list(map(self.serializer.ahead, datas)))

    def patch(self, id: Any, data: Mapping[str, Any], **options: Any) -> Record:
        return super().patch(id, self.serializer.ahead(data), **options)

    def replace(self, id: Any, data: Mapping[str, Any], **options: Any) -> Record:
        return super().replace(id, self.serializer.ahead(data), **options)

    def update_all(self, where: Where, data: Mapping[str, Any]) -> int:
        return super().update_all(where, self.serializer.ahead(data))

    def _existing(self, id: Any, data: Mapping[str, Any], *, partial: bool = False) -> Write:
        place = id if isinstance(id, Place) else self._place(id)
        rows = self._rows_at(place, whole=True)
        if not rows:
            raise self.not_found(place.id)
        observation = place.observation
        where = observation.decided.where
        write = Write(data, partial=partial, where=where, id=place.id)
        write.observation, write.stored = observation, rows.records()[0]
        write.current = self._loaded(write.stored, observation)
        return write

    def _matching(self, where: Where, data: Mapping[str, Any]) -> Write:
        observation = self._access(Filter(where=where))
        where = self._scoped(observation.decided.where)
        write = Write(self._bulk_data(data), partial=True, where=where)
        write.observation = observation
        self._load(write)
        return write

    def _load(self, write: Write) -> None:
        super()._load(write)
        if write.observation is None:
            write.observation = Observation(self.model, self.parser, is_new=True)
        observation: Observation = write.observation
        if write.current is not None:
            observation.tell_current(write.current)
        if "before save" not in self._observers or _misfits(write.failures):
            return
        where = observation.where
        observation.tell_draft(partial(self._drafts.of_given, write))
        self._tell("before save", observation)
        if observation.where is not where:
            self._decide_again(write)
        if (draft := observation.draft) is not None:
            changes, removed = draft.outcome()
            if changes or removed:
                self._load_again(write, changes, removed)

    def _decide_again(self, write: Write) -> None:
        """Take what ``before save`` observers said which records are meant."""
        observation: Observation = write.observation
        if write.id is not None:
            self._keep_on(write.id, observation)
            if not self.connector.count(self.definition, self._scoped(observation.decided.where)):
                raise self.not_found(write.id)
        write.where = self._scoped(observation.decided.where)

    def _load_again(self, write: Write, changes: Record, removed: Iterable[str]) -> None:
        """Load a write once more, as if what observers set had been given."""
        first = write.values
        data = {**self._as_given(write), **changes}
        for name in removed:
            data.pop(name, None)
        loadable = self._loadable
        write.data = {name: value for name, value in data.items() if loadable(name)}
        super()._load(write)
        for name, value in changes.items():
            if not loadable(name):
                self._set_by_type(write, name, value)
        if not write.partial:
            kept = first.keys() - data.keys() - failed_names(write.failures) - set(removed)
            write.values.update((name, first[name]) for name in kept)

    def _as_given(self, write: Write) -> dict[str, Any]:
        """What was given and what became of it by defaults, for loading it again.

        A schema of the user's own gets what was given as it came: it may change what it loads.
        """
        first, given, failed = write.values, write.data, failed_names(write.failures)
        defaults = {
            name: value
            for name, value in ({} if write.partial else first).items()
            if value is not None and name not in {*given, *failed} and self._loadable(name)
        }
        if not self.serializer.generated:
            return {**defaults, **given}
        loaded = {name: first[name] for name in given if name in first}
        return {**defaults, **loaded, **{name: given[name] for name in failed if name in given}}

    def _loadable(self, name: str) -> bool:
        """Whether the schema takes a value for a name; observers may set any property."""
        if self.serializer.generated or name not in self.definition.properties:
            return True
        return name in self.serializer.schema.load_fields

    def _set_by_type(self, write: Write, name: str, value: Any) -> None:
        try:
            loaded = self._typed(name, value)
        except TypeMismatch as error:
            write.failures.append(Failure((name, *error.path), error.code, str(error)))
        else:
            write.values[name] = write.record[name] = loaded

    def _typed(self, name: str, value: Any) -> Any:
        """A value as records hold it.

        :raises TypeMismatch: where it is not of its property's type.
        """
        property_ = self.definition.properties[name]
        if value is None:
            if not (property_.nullable or property_.generated):
                raise TypeMismatch(BLANK.code, BLANK)
            return None
        return property_.type.load(value)

    def _persist(self, write: Write) -> None:
        """Tell what goes to the data source; what observers change of it goes there as it is."""
        if "persist" not in self._observers or not write.values:
            return
        observation: Observation = write.observation
        observation.tell_draft(partial(self._drafts.of_valid, write))
        self._tell("persist", observation)
        if (draft := observation.draft) is None:
            return
        changes, removed = draft.outcome()
        for name in removed:
            if write.partial or name not in self.definition.properties:
                write.values.pop(name, None)
            else:
                changes[name] = None
        if write.id is not None:
            self._refuse_new_id(write.id, changes)
        elif write.partial:
            self._refuse_ids(changes)
        write.values.update((name, self._fit(name, value)) for name, value in changes.items())

    def _fit(self, name: str, value: Any) -> Any:
        """A value that ``persist`` observers set, as records hold it.

        :raises TypeError: where readers of the record could not read it.
        """
        definition = self.definition
        try:
            if name in definition.properties:
                return self._typed(name, value)
            if not definition.settings.keeps_unknown:
                raise TypeMismatch(UNKNOWN.code, UNKNOWN)
            return load_undeclared(name, value)
        except TypeMismatch as error:
            place = f"{definition.name}.{name}"
            raise TypeError(f"an observer of 'persist' set {place} to {value!r}: {error}") from None

    def _insert(self, writes: Sequence[Write]) -> None:
        super()._insert(writes)
        for write in writes:
            self._saved(write)

    def _insert_rows(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._persist(write)
        super()._insert_rows(writes)

    def _store(self, write: Write) -> None:
        super()._store(write)
        self._saved(write)

    def _store_row(self, write: Write) -> None:
        self._persist(write)
        if not write.partial:
            self._keep_unseen(write)
        super()._store_row(write)

    def _keep_unseen(self, write: Write) -> None:
        """Replace nothing that clients cannot give back by what ``loaded`` observers showed."""
        shown = write.current or {}
        for name in self._acceptance.kept:
            if same(write.values[name], shown.get(name)):
                write.values[name] = write.stored[name]

    def _saved(self, write: Write) -> None:
        observation: Observation = write.observation
        stored = {**write.stored, **write.values} if write.partial else write.values
        write.record = self._loaded(stored, observation)
        observation.tell_draft(partial(self._drafts.of_stored, write))
        self._tell("after save", observation)
        self._send(
            record_saved,
            lambda: {"instance": self._instance(write.record), "created": write.is_new},
        )

    def _store_all(self, write: Write) -> int:
        self._persist(write)
        count = super()._store_all(write)
        observation: Observation = write.observation
        observation.count = count
        observation.tell_draft(partial(self._drafts.of_stored, write))
        self._tell("after save", observation)
        if count:
            self._send(
                records_updated,
                lambda: {"where": write.where, "data": detached(write.values), "count": count},
            )
        return count

    # Deleting

    @repeated
    def delete(self, where: Where) -> int:
        with self._deleting():
            return self._delete(self._access(Filter(where=where)))

    @repeated
    def delete_by_id(self, id: Any) -> int:
        with self._deleting():
            place = self._place(id)
            observation = place.observation
            if not self._shows_deletes:
                return self._erase(observation.decided.where)
            rows = self._rows_at(place, whole=True)
            if not rows:
                return 0
            return self._delete(observation, id, rows.records()[0])

    @contextmanager
    def _deleting(self) -> Iterator[None]:
        """A block that deletes and tells of it, on all data sources that have to do with it."""
        with self.transaction():
            if not self.definition.dependents:
                yield
                return
            with deleting.transactions(self, outbox.transaction):
                yield

    @property
    def _shows_deletes(self) -> bool:
        observed = "before delete" in self._observers or "after delete" in self._observers
        return observed or outbox.is_heard(records_deleted, self.model)

    def _delete(
        self, observation: Observation, id: Any = None, record: Record | None = None
    ) -> int:
        """Delete what an operation is on: whatever matches, or one record with its id."""
        observation.tell_deleted(record)
        self._tell("before delete", observation)
        if id is not None:
            self._keep_on(id, observation)
        count = self._erase(observation.decided.where)
        if count or id is None:
            self._deleted(observation, count, record)
        return count

    def _deleted(self, observation: Observation, count: int, record: Record | None = None) -> None:
        observation.count = count
        self._tell("after delete", observation)
        if count:
            where = observation.decided.where
            self._send(
                records_deleted,
                lambda: {"where": where, "count": count, "instance": self._instance(record)},
            )

    # Keeping what hangs on the deleted records of other models

    @property
    def observes_deletes(self) -> bool:
        return self._shows_deletes

    @property
    def observes_updates(self) -> bool:
        observed = any(
            event in self._observers for event in ("before save", "persist", "after save")
        )
        return observed or outbox.is_heard(records_updated, self.model)

    def delete_dependents(self, where: Where) -> int:
        query = Filter(where=where)
        observation = Observation(self.model, self.parser)
        observation.tell_query(query)
        self._tell("before delete", observation)
        observation.tell_query(query)  # one that is left out would name a record that is gone
        count = super().delete_dependents(where)
        self._deleted(observation, count)
        return count

    def clear_dependents(self, where: Where, names: Iterable[str]) -> int:
        nulls = dict.fromkeys(names)
        if not self.observes_updates:
            return super().clear_dependents(where, nulls)
        query = Filter(where=where)
        write = Write(nulls, partial=True, where=where)
        write.observation = Observation(self.model, self.parser)
        write.observation.tell_query(query)
        self._load(write)
        self._raise(write.failures)
        write.where = where
        write.observation.tell_query(query)
        write.values.update(nulls)
        return self._store_all(write)

    def _instance(self, record: Record | None) -> Any:
        """An instance that shares nothing with the record that it holds."""
        return None if record is None else self.model.from_record(detached(record))


def _misfits(failures: Iterable[Failure]) -> bool:
    """Whether something is not of its type, so that the write is refused whatever observers do.

    What is missing or null they may still give.
    """
    return any(each.code != BLANK.code or len(each.path) > 1 for each in failures)
