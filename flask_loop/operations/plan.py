"""A model's plan: what its operations run on, for Python and remote callers alike.

The plan works on records. Instances are made by the methods of
:mod:`~flask_loop.operations.reading` and its neighbours, for callers that want them; a remote call
that nobody looks at never makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..connectors.base import Record, id_where
from ..connectors.repeating import once, repeated
from ..connectors.scanning import scanned
from ..definition import MISSING, Embedded
from ..errors import (
    BadRequest,
    DefinitionError,
    Failure,
    FilterError,
    LoopError,
)
from ..methods import RemoteMethod
from ..query import And, Bounds, Compare, Filter, Not, Where, both, conjuncts, equality
from ..relations import branches
from ..relations.assignment import given_in, with_keys
from ..relations.nesting import Nesting
from ..schema import Serializer
from ..validation import Batch, Presence, Validator
from .acceptance import Acceptance
from .arguments import unsaved
from .at_once import AtOnce
from .base import OPERATION_OF, OPERATIONS
from .plan_storing import StoringPlan
from .write import Write, failed_names

if TYPE_CHECKING:
    from .base import Attached

FindOverride = Callable[["Plan", RemoteMethod], Callable[..., Any] | None]


class Plan(StoringPlan):
    """What the operations of one model run on, at one version of its definition.

    :param model: the model.
    :param serializer: loads and dumps its records.
    :param validator: its rules.
    :param find_override: finds the model's own version of an operation.

    :ivar generation: the registrations of hooks and observers after which the plan was chosen.
    """

    def __init__(
        self,
        model: type[Attached],
        serializer: Serializer,
        validator: Validator,
        find_override: FindOverride,
    ) -> None:
        super().__init__(model, validator)
        self.generation = -1
        self.find_override = find_override
        self._overrides: dict[str, Callable[..., Any] | None] = {}
        self.serializer = serializer
        self._acceptance = Acceptance(
            self.definition,
            takes_unknown=not serializer.generated,
            forces_id=self.definition.settings.force_id,
        )
        self.nesting = Nesting(self.definition) if self.definition.relations else None
        self._looks_first = bool(validator.uniqueness) or validator.needs_records or self._nests

    @property
    def is_watched(self) -> bool:
        """Whether functions of the user's run in operations, and may ask for the running call."""
        return bool(self.validator.needs_records)

    # Writing

    @repeated
    def create(
        self, data: Mapping[str, Any], *, validate: bool = True, unless: Where | None = None
    ) -> Record:
        """Store one new record.

        :param data: by Python names.
        :param unless: it is stored unless there is a record that matches this, where the data
            source can tell that in one step.
        :raises ValidationError: where it breaks a rule.
        :raises FoundInstead: where there is such a record.
        """
        with self._own_transaction():
            write = self._new(data)
            write.unless = unless
            self._raise(self._problems(write, validate))
            self._insert([write])
        return write.record

    @repeated
    def create_many(self, datas: Sequence[Mapping[str, Any]]) -> list[Record]:
        """Store several new records, all or none.

        :raises ValidationError: with the failures of every record, each path led by its index.
        """
        writes: list[Write] = []
        failures: list[Failure] = []
        batch = Batch(self.validator)
        with self._own_transaction():
            for index, data in enumerate(datas):
                write = self._new(data, (index,))
                found = self._problems(write) + batch.add(
                    write.record, partial(self.model.from_record, write.record, is_new=True)
                )
                failures.extend(
                    Failure((index, *each.path), each.code, each.message) for each in found
                )
                writes.append(write)
            if self._nests:
                inside = [branch for write in writes for branch in write.branches]
                failures += branches.collisions(inside)
            self._raise(failures)
            self._insert(writes)
        return [write.record for write in writes]

    @repeated
    def patch(
        self,
        id: Any,
        data: Mapping[str, Any],
        *,
        validate: bool = True,
        bounds: Bounds | None = None,
    ) -> Record:
        """Change some properties of a record; the whole must be valid afterwards.

        :param id: the id, or what :meth:`the_one` gave.
        :param bounds: a remote caller's, whose data is by wire names.
        :raises ModelNotFound: where there is none with the id.
        """
        changed = self._patch_at_once(id, data, validate, bounds)
        if changed is not None:
            return changed
        with self.transaction():
            write = self._existing(id, data, partial=True)
            if bounds is not None:
                write.data = self.accept(data, bounds, creating=False, current=write.current)
            self._open(write)
            self._raise(self._problems(write, validate))
            self._store(write)
        return write.record

    def _patch_at_once(
        self, id: Any, data: Mapping[str, Any], validate: bool, bounds: Bounds | None
    ) -> Record | None:
        """Like :meth:`patch`, in one statement.

        :returns: None where something has to see the record before, and where there is something
            to say against the changes: then nothing is changed.
        """
        if not (
            self._changes_at_once
            and self.connector.capabilities.returns_changes
            and self.scope is None
            and self._acceptance.holding.isdisjoint(data)
        ):
            return None
        try:
            if bounds is not None:
                data = self.accept(data, bounds, creating=False)
            values, failures = self.serializer.load(self._own_data(data), partial=True)
            self._refuse_new_id(id, values)
        except LoopError:
            return None
        valid = self._at_once.where(values, validate=validate)
        if failures or not values or valid is None:
            return None
        if validate and self.validator.check_values(values, only=values):
            return None
        with self._refusals_as_failures([Write(data)]):
            rows = self.connector.update_returning(self.definition, id, valid, values)
        return {**rows.records()[0], **values} if rows else None

    @property
    def _changes_at_once(self) -> bool:
        """Whether a change of a record needs nothing but what is changed and wheres."""
        return not (self._looks_first or self._made or self.definition.foreign_keys)

    @cached_property
    def _at_once(self) -> AtOnce:
        return AtOnce(self.definition, self.validator)

    @repeated
    def replace(self, id: Any, data: Mapping[str, Any], *, bounds: Bounds | None = None) -> Record:
        """Put a record in the place of another with the same id; what is not given is unset.

        :param id: the id.
        :param bounds: a remote caller's, whose data is by wire names.
        :raises ModelNotFound: where there is none with the id.
        """
        with self.transaction():
            write = self._existing(id, data)
            if bounds is not None:
                write.data = self._accept_whole(data, write.current or {}, bounds)
            self._open(write)
            self._raise(self._problems(write))
            self._store(write)
        return write.record

    @repeated
    def update_all(self, where: Where, data: Mapping[str, Any]) -> int:
        """Change some properties of all matching records; each must be valid afterwards."""
        with self._own_transaction():
            write = self._matching(where, data)
            failed = failed_names(write.failures)
            self._raise(
                write.failures
                + self.validator.check_values(write.values, only=write.values, skip=failed)
            )
            if write.values:
                self._raise(self._broken_by_all(write))
            return self._store_all(write)

    def _broken_by_all(self, write: Write) -> list[Failure]:
        """What rules that look at more than one value say of changes to all matching records."""
        where, changes = write.where, write.values

        def is_taken(wanted: Where) -> bool:
            return self.connector.count(self.definition, both(wanted, Not(where))) > 0

        rules = self.validator
        makes_alike = any(changes.get(rule.property) is not None for rule in rules.uniqueness)
        if not (rules.needs_records or makes_alike):
            return []
        batch = Batch(rules)
        for stored in scanned(self.connector, self.definition, Filter(where=where)).records():
            record = {**stored, **changes}
            subject = partial(self.model.from_record, record)
            failures = rules.check_rest(record, subject=subject, is_taken=is_taken)
            failures += batch.add(record, subject)
            if failures:
                return failures
        return []

    def where_of(self, data: Mapping[str, Any]) -> Where:
        """The where that records with these values match.

        :param data: by Python names.
        :raises ValidationError: where a value is not of its property's type.
        :raises TypeError: where there is nothing to look for.
        """
        values, failures = self.serializer.load(self._own_data(data), partial=True)
        self._raise(failures)
        properties = self.definition.properties
        if undeclared := [name for name in values if name not in properties]:
            raise FilterError(f"where.{undeclared[0]}", "is not a property")
        if not values:
            raise TypeError(f"give a filter, or data of which {self.definition.name} has something")
        return And(tuple(equality(properties[name], value) for name, value in values.items()))

    @repeated
    def delete(self, where: Where) -> int:
        return self._erase(where)

    @repeated
    def delete_by_id(self, id: Any) -> int:
        return self._erase(id_where(self.definition, id))

    def check(
        self, record: Mapping[str, Any], *, is_new: bool, inside: Mapping[str, Any] | None = None
    ) -> list[Failure]:
        """What is wrong with a record, by types and rules; nothing is stored.

        :param inside: related records that are stored with it, by the relations' names.
        """
        loaded, failures = self.serializer.load(record, partial=not is_new)
        id = None if is_new else self.definition.id_of(record)
        only = None if is_new else record
        whole = {**record, **loaded}
        failures = failures + self._broken_rules(whole, failures, id, only)
        if self.nesting is not None and inside:
            failures = failures + self.nesting.check_whole(self, whole, inside)
        return failures

    def check_new(
        self, data: Mapping[str, Any], *, partial: bool = False, pending: Container[str] = ()
    ) -> list[Failure]:
        """What is wrong with the data of a new record, or of changes where ``partial``.

        :param pending: the properties whose values are known when another record is stored.
        """
        own, inside = (data, {}) if self.nesting is None else self.nesting.split(data)
        loaded, failures = self.serializer.load(own, partial=partial)
        if not partial:
            failures = failures + self._broken_rules(loaded, failures, None, None, pending)
        if self.nesting is not None and inside:
            failures = failures + self.nesting.check(self, loaded, inside)
        return failures

    # Remote callers

    def operate(self, name: str, bounds: Bounds, **arguments: Any) -> Any:
        """What a remote call of an operation gives, without the hooks around it.

        :param name: the Python name of the operation.
        :param bounds: how much a filter may ask for.
        :param arguments: by wire name, in their normal form.
        """
        method = OPERATIONS[OPERATION_OF[name]]
        override = self.override(method)
        if override is not None:
            once()
            return override(bounds, **arguments)
        assert method.function is not None  # noqa: S101 - every remote operation has one
        return method.function(self, bounds, **arguments)

    def override(self, method: RemoteMethod) -> Callable[..., Any] | None:
        """What runs where the model has a version of an operation of its own, or None."""
        if method.name not in self._overrides:
            self._overrides[method.name] = self.find_override(self, method)
        return self._overrides[method.name]

    def accept(
        self,
        data: Mapping[str, Any],
        bounds: Bounds,
        *,
        creating: bool,
        current: Record | None = None,
    ) -> dict[str, Any]:
        """The part of a remote caller's data that it may write, by Python names.

        :param bounds: the caller's, which say what it may reach.
        :param creating: whether a new record is made of it.
        :param current: the record that is changed, where it is known.
        :raises ValidationError: where a generated id is given, or where ``strict = "validate"``
            refuses a key.
        """
        accepted, failures = self.accepted(data, bounds, creating=creating, current=current)
        if failures:
            self._raise(failures + self.check_new(accepted, partial=not creating))
        return accepted

    def accepted(
        self,
        data: Mapping[str, Any],
        bounds: Bounds,
        *,
        creating: bool,
        current: Record | None = None,
    ) -> tuple[dict[str, Any], list[Failure]]:
        """Like :meth:`accept`; what is refused comes with it and is not raised."""
        accepted, failures = self._acceptance.accept(data, creating=creating, current=current)
        if self.nesting is not None and not self.nesting.wires.isdisjoint(data):
            inside, refused = self.nesting.accept(self, data, accepted, bounds, current=current)
            accepted.update(inside)
            failures += refused
        return accepted, failures

    def accept_changes(self, id: Any, data: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
        """Like :meth:`accept`, for some properties of the record with an id."""
        holds_records = not self._acceptance.holding.isdisjoint(data)
        current = self._existing(id, data).current if holds_records else None
        return self.accept(data, bounds, creating=False, current=current)

    def accept_replacement(
        self, id: Any, data: Mapping[str, Any], bounds: Bounds
    ) -> dict[str, Any]:
        """Like :meth:`accept`, with the values that a client cannot see or write kept."""
        needs_current = self._acceptance.kept or self._acceptance.holding
        current = self._existing(id, data).current if needs_current else None
        return self._accept_whole(data, current or {}, bounds)

    def _accept_whole(
        self, data: Mapping[str, Any], current: Record, bounds: Bounds
    ) -> dict[str, Any]:
        accepted = self.accept(data, bounds, creating=False, current=current)
        kept = self._acceptance.kept
        accepted.update((name, current.get(name)) for name in kept if name not in accepted)
        return accepted

    def unsaved(self, kind: Embedded, data: Mapping[str, Any], *, text: bool) -> Any:
        """A record that a remote caller gave as an argument; only what it may write is in it.

        :param kind: the type of the argument; its model may be any.
        :param data: by wire names.
        :param text: whether the exact text of a number, boolean, … is taken.
        :returns: an unsaved instance, or a dict where the type has no model.
        :raises TypeMismatch: where a value is not of its property's type.
        """
        return unsaved(kind, data, text=text)

    @property
    def forces_id(self) -> bool:
        """Whether remote callers cannot choose the id of a new record."""
        settings = self.definition.settings
        return settings.force_id and any(each.generated for each in self.definition.ids)

    # The steps of a write

    def _new(self, data: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Write:
        """A write of a new record, loaded."""
        write = Write(data, path=path)
        self._open(write)
        return write

    def _existing(self, id: Any, data: Mapping[str, Any], *, partial: bool = False) -> Write:
        """A write to the record with an id, not loaded.

        :raises ModelNotFound: where there is none.
        """
        where = id_where(self.definition, id)
        return Write(data, partial=partial, where=where, id=id, current=self.record(id))

    def _matching(self, where: Where, data: Mapping[str, Any]) -> Write:
        """A write to all records that match a where, loaded."""
        write = Write(self._bulk_data(data), partial=True, where=self._scoped(where))
        self._load(write)
        return write

    def _own_data(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Data without what it has of related records."""
        return data if self.nesting is None else self.nesting.split(data)[0]

    def _bulk_data(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Data for many records, which nothing is related to: as any key that is no property."""
        refuses = self.definition.settings.strict == "validate"
        return data if refuses else self._own_data(data)

    def _open(self, write: Write) -> None:
        """Load a write, and what its data has of related records."""
        if self.nesting is None:
            self._load(write)
            return
        write.data, inside = self.nesting.split(write.data)
        self._load(write)
        if inside:
            write.branches = self.nesting.grow(self, write, inside)

    def _load(self, write: Write) -> None:
        """Give what was given its types, and find what is wrong with it by itself."""
        id, data = write.id, write.data
        if write.current is not None and not write.partial:
            data = self._with_id(id, data)
        values, write.failures = self.serializer.load(data, partial=write.partial)
        write.values = write.record = values
        if self._made and (write.partial or write.current is not None):
            self._keep_made(write)
        if write.current is None:
            if write.partial:
                self._refuse_ids(values)
            return
        self._refuse_new_id(id, values)
        if write.partial:
            write.record = {**write.current, **values}
        else:
            values.update(self.definition.id_values(id))

    def _keep_made(self, write: Write) -> None:
        """Leave what the data source has made as it is where a change would set it to null."""
        for name in self._made:
            is_null = name in write.values and write.values[name] is None
            if not is_null or self.definition.properties[name].nullable:
                continue
            if write.current is not None and not write.partial:
                write.values[name] = write.current[name]
            else:
                write.failures.append(Failure((name,), Presence.code, Presence.messages[""]))

    def _problems(self, write: Write, validate: bool = True) -> list[Failure]:
        """What is wrong with a record that is loaded."""
        failures = write.failures
        if validate:
            pending = write.pending
            failures = failures + self._broken_rules(
                write.record, failures, write.id, None, pending
            )
        if write.pending:
            failures = [each for each in failures if each.path[0] not in write.pending]
        if write.branches:
            failures = failures + branches.problems_of(write.branches, write.path, validate)
            if not write.path:
                failures += branches.collisions(write.branches)
        return failures

    def _broken_rules(
        self,
        record: Record,
        failures: list[Failure],
        id: Any,
        only: Container[str] | None = None,
        pending: Container[str] = (),
    ) -> list[Failure]:
        def is_taken(wanted: Where) -> bool:
            if pending and _names_one_of(wanted, pending):
                return False  # no record has a key to one that is not stored yet
            is_other = [] if id is None else [Not(id_where(self.definition, id))]
            return self.connector.count(self.definition, And((wanted, *is_other))) > 0

        found = self.validator.check(
            record,
            subject=lambda: self.model.from_record(record, is_new=id is None),
            is_taken=is_taken,
            only=only,
            skip=failed_names(failures),
        )
        return [failure for failure in found if failure not in failures]

    def _refuse_new_id(self, id: Any, changes: Record) -> None:
        for name, old in self.definition.id_values(id).items():
            new = changes.pop(name, MISSING)
            if new is not MISSING and new is not None and new != old:
                wire = self.definition.properties[name].wire
                raise BadRequest(
                    f"{self.definition.name} id property ({wire}) cannot be updated "
                    f"from {old} to {new}."
                )

    def _refuse_ids(self, changes: Record) -> None:
        if moved := [each.wire for each in self.definition.ids if each.name in changes]:
            raise BadRequest(f"The id property {moved[0]} cannot be updated for many records.")

    def _with_id(self, id: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in data.items() if value is not None}
        missing = {k: v for k, v in self.definition.id_values(id).items() if k not in given}
        return {**data, **missing}

    def _own_transaction(self) -> AbstractContextManager[None]:
        """A transaction where a write needs more than its one statement."""
        if self._looks_first or (
            self.definition.foreign_keys and not self.connector.capabilities.foreign_keys
        ):
            return self.transaction()
        return nullcontext()

    # Records inside others

    def new_write(
        self,
        data: Any,
        path: tuple[str | int, ...],
        forced: Mapping[str, Any],
        pending: Sequence[str],
    ) -> Write:
        """A write of a new record that is inside another one, loaded.

        :param data: by Python or wire names, or an instance.
        :param path: where it is.
        :param forced: values that it gets whatever is given.
        :param pending: the properties that get theirs when the other one is stored.
        """
        given = {**python_names(self, data), **forced}
        write = Write({k: v for k, v in given.items() if k not in pending}, path=path)
        write.pending = tuple(pending)
        self._open(write)
        return write

    def changing_write(
        self, id: Any, data: Any, path: tuple[str | int, ...], kept: Container[str]
    ) -> Write:
        """A write to a record that is inside another one, loaded.

        :param kept: the properties that do not change whatever is given.
        :raises ModelNotFound: where there is none with the id.
        """
        given = {k: v for k, v in python_names(self, data).items() if k not in kept}
        write = self._existing(id, given, partial=True)
        write.path = path
        self._open(write)
        return write

    def check_inside(self, data: Any, *, partial: bool, pending: Container[str]) -> list[Failure]:
        """What is wrong with the data of a record that is inside another one.

        :param data: by Python or wire names, or an instance.
        """
        return self.check_new(python_names(self, data), partial=partial, pending=pending)

    def problems(self, write: Write, validate: bool) -> list[Failure]:
        """What is wrong with a record that is inside another one, and with those inside it."""
        return self._problems(write, validate)


def _names_one_of(where: Where, names: Container[str]) -> bool:
    """Whether one of the comparisons that must all hold is on one of some properties."""
    return any(
        isinstance(part, Compare) and part.path.property.name in names for part in conjuncts(where)
    )


def python_names(plan: Plan, data: Any) -> dict[str, Any]:
    """A Python caller's data by Python names.

    :param data: a mapping, or an instance.
    :raises TypeError: where it is neither, or a property is given in both spellings.
    """
    if isinstance(data, Mapping):
        if plan.nesting is not None:
            data = with_keys(plan.definition, data)
        try:
            return plan.definition.rename_keys(data)
        except DefinitionError as error:
            raise TypeError(str(error)) from None
    if not hasattr(data, "to_record"):
        raise TypeError(f"the data of a record is a mapping, not a {type(data).__name__}")
    return given_in(data)
