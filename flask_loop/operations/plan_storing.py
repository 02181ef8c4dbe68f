"""What the writing operations of a model store and delete through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from ..connectors.base import Record
from ..errors import Failure, ForeignKeyViolation, UniqueViolation, ValidationError
from ..query import Where
from ..relations import branches, constraints, deleting
from ..validation import Uniqueness, Validator
from . import outbox
from .plan_reading import ReadingPlan
from .write import FoundInstead, Write

if TYPE_CHECKING:
    from .base import Attached


class StoringPlan(ReadingPlan):
    """The last steps of the writes to one model, when what they write is known to be valid.

    :param model: the model.
    :param validator: its rules.
    """

    def __init__(self, model: type[Attached], validator: Validator) -> None:
        super().__init__(model)
        self.validator = validator
        relations = self.definition.relations.values()
        self._nests = any(each.options.nested and not each.is_embedded for each in relations)
        properties = self.definition.properties.values()
        self._made = [each.name for each in properties if each.generated and not each.id]

    @property
    def observes_deletes(self) -> bool:
        """Whether somebody is told when records are deleted."""
        return False

    @property
    def observes_updates(self) -> bool:
        """Whether somebody is told when records are changed."""
        return False

    def transaction(self) -> AbstractContextManager[None]:
        if self._nests:  # signals of the records inside wait for the end of all
            return outbox.transaction(self.connector)
        return super().transaction()

    def _raise(self, failures: list[Failure]) -> None:
        if failures:
            raise ValidationError(self.definition.name, list(dict.fromkeys(failures)))

    def _insert(self, writes: Sequence[Write]) -> None:
        """Store new records with what is inside them, and give them their ids."""
        if not self._nests:
            self._insert_rows(writes)
            return
        with branches.transactions(self.connector, writes, outbox.transaction):
            branches.store_named(self.definition.name, writes)
            self._insert_rows(writes)
            branches.store_naming(self.definition.name, writes)

    def _insert_rows(self, writes: Sequence[Write]) -> None:
        records = [write.record for write in writes]
        if self.definition.foreign_keys:
            self._check_keys(records, writes)
        with self._refusals_as_failures(writes):
            ids = self._insert_records(writes, records)
        for record, id in zip(records, ids, strict=True):
            record.update(self.definition.id_values(id))
        if self._made and self.definition.ids:
            self._read_made(records)

    def _insert_records(self, writes: Sequence[Write], records: Sequence[Record]) -> Sequence[Any]:
        """Store new records, or the only one unless there is one that matches a where.

        :raises FoundInstead: where there is.
        """
        if len(writes) == 1 and (unless := writes[0].unless) is not None:
            done = self.connector.insert_unless(self.definition, unless, records[0])
            if done is not None:
                rows, is_new = done
                if not is_new:
                    raise FoundInstead(rows)
                return [self.definition.id_of(each) for each in rows.records()]
        return self.connector.insert(self.definition, records)

    def _store(self, write: Write) -> None:
        """Store a record that was changed or replaced, with what is inside it.

        :raises ModelNotFound: where it is gone.
        """
        if not write.branches:
            self._store_row(write)
            return
        with branches.transactions(self.connector, [write], outbox.transaction):
            branches.store_named(self.definition.name, [write])
            self._store_row(write)
            branches.store_naming(self.definition.name, [write])

    def _store_row(self, write: Write) -> None:
        count = 1
        if self.definition.foreign_keys:
            self._check_keys([{**(write.current or {}), **write.values}], [write])
        with self._refusals_as_failures([write]):
            if not write.partial:
                count = self.connector.replace(self.definition, write.id, write.values)
            elif write.values:
                where = self._settled(write.where)
                count = self.connector.update(self.definition, where, write.values)
        if not count:
            raise self.not_found(write.id)
        if self._made:
            self._read_made([write.record])

    def _read_made(self, records: Sequence[Record]) -> None:
        """Put into records what the data source has made of properties beside the id."""
        by_id = {self.definition.id_of(record): record for record in records}
        for stored in self.connector.get_many(self.definition, list(by_id)).records():
            record = by_id[self.definition.id_of(stored)]
            record.update((name, stored[name]) for name in self._made)

    def _store_all(self, write: Write) -> int:
        """Store changes to all matching records, and give how many matched."""
        if not write.values:
            return self.connector.count(self.definition, write.where)
        if self.definition.foreign_keys:
            self._check_keys([write.values], [write])
        with self._refusals_as_failures([write]):
            return self.connector.update(self.definition, write.where, write.values)

    def _check_keys(self, records: Sequence[Record], writes: Sequence[Write]) -> None:
        """Refuse keys that name no record, where the data source does not do it.

        :raises ValidationError: with the failures of every record.
        """
        failures = []
        for key, target in constraints.unkept(self):
            given = [
                record if _gives(write, key.names) else {}
                for record, write in zip(records, writes, strict=True)
            ]
            together = records if key.target is self.definition else ()
            for position in constraints.dangling(key, target, given, together):
                failures += _unnamed(key.names, writes[position].path)
        self._raise(failures)

    @contextmanager
    def _refusals_as_failures(self, writes: Sequence[Write]) -> Iterator[None]:
        """Say of a data source's refusal which values are not valid."""
        try:
            yield
        except UniqueViolation as error:
            path = writes[error.index or 0].path
            self._raise(
                [
                    Failure((*path, *each.path), each.code, each.message)
                    for each in self._collisions(error.properties)
                ]
            )
        except ForeignKeyViolation as error:
            self._raise(_unnamed(error.properties, writes[error.index or 0].path))

    def _collisions(self, properties: Sequence[str]) -> list[Failure]:
        """What is said where a unique index over these properties refuses a record."""
        for rule in self.validator.uniqueness:
            if set(rule.unique_key) == set(properties):
                return [Failure((rule.property,), rule.code, rule.make_message(""))]
        message = Uniqueness.messages[""]
        return [Failure((name,), Uniqueness.code, message) for name in properties]

    # Deleting

    def _erase(self, where: Where) -> int:
        """Delete records, and do with those that name them what their relations say."""
        where = self._scoped(where)
        if self.definition.dependents:
            return deleting.delete(self, where, outbox.transaction)
        return self.connector.delete(self.definition, where)

    def delete_dependents(self, where: Where) -> int:
        """Delete records because those that they name are; what names these is seen to already."""
        return self.connector.delete(self.definition, where)

    def clear_dependents(self, where: Where, names: Iterable[str]) -> int:
        """Set keys to null because the records that they name are deleted."""
        return self.connector.update(self.definition, where, dict.fromkeys(names))

    # Records inside others

    def insert(self, writes: Sequence[Write]) -> None:
        """Store new records that are inside others."""
        self._insert(writes)

    def store(self, write: Write) -> None:
        """Store changes to a record that is inside another one."""
        self._store(write)


def _gives(write: Write, names: Sequence[str]) -> bool:
    """Whether a write gives another key than the record has."""
    current = write.current or {}
    return any(name in write.values and write.values[name] != current.get(name) for name in names)


def _unnamed(names: Sequence[str], path: tuple[str | int, ...]) -> list[Failure]:
    """What is said of a key that names no record."""
    return [Failure((*path, name), branches.CODE, "names no record") for name in names]
