"""Writing: how records are stored by the other app, and undone in blocks that raise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from ...errors import BadRequest, PayloadTooLarge, Unavailable
from ...query import EVERYTHING, Compare, Filter, Path, Where, both, keys_where
from ..base import Record, Rows, id_where
from ..undoing import Undoing
from ..web import Answer, BadAnswer
from .filters import JsonWhere
from .finding import Row, count_in, row_in, rows_in
from .gateway import Gateway
from .limits import Limits
from .questions import Question, encoded
from .reading import Reader
from .refusals import is_unknown_record, refusal
from .resource import Resource

#: Answers that say that the other app has no such method, or not for us.
_NOT_THERE = frozenset({401, 403, 404, 405})
_NO_RECORD = Answer(404, {}, b"")


class Writer:
    """Writes the records of all models of one data source.

    :param gateway: leads to the other app.
    :param reader: finds what is written.
    :param undoing: the blocks that callers are in.
    :param one_by_one: whether the other app stores some of several records where it refuses one.
    """

    def __init__(
        self, gateway: Gateway, reader: Reader, undoing: Undoing, *, one_by_one: bool
    ) -> None:
        self._gateway, self._reader, self._undoing = gateway, reader, undoing
        self._one_by_one = one_by_one
        #: The paths of models whose records the other app does not delete by a where.
        self._undeletable: set[str] = set()

    # Creating

    def insert(self, resource: Resource, records: Sequence[Record]) -> list[Any]:
        """Store new records, all or none, and give their ids."""
        self._undoing.will_write()
        bodies = [resource.json(each, creating=True) for each in records]
        if len(bodies) == 1:
            return [
                self._created(resource, row) for row in [self._create_one(resource, bodies[0], 0)]
            ]
        with self._undoing.transaction():
            return [self._created(resource, row) for row in self._create_many(resource, bodies)]

    def _create_many(self, resource: Resource, bodies: Sequence[Row]) -> Iterator[Row]:
        start = 0
        while start < len(bodies):
            known = replace(self._gateway.limits)
            some = self._next_batch(bodies, start)
            try:
                if self._one_by_one or len(some) == 1:
                    rows = [self._create_one(resource, some[0], start)]
                else:
                    rows = self._create_batch(resource, some, start)
            except (BadRequest, PayloadTooLarge) as error:
                if not self._may_send_less(error, some, known):
                    raise
                continue
            yield from rows
            start += len(rows)

    def _next_batch(self, bodies: Sequence[Row], start: int) -> list[Row]:
        """The next bodies that the other app takes at once, one at least."""
        size = 2
        batch: list[Row] = []
        for body in bodies[start : start + self._gateway.limits.values]:
            size += len(orjson.dumps(body)) + 1
            if batch and size > self._gateway.limits.body:
                break
            batch.append(body)
        return batch

    def _may_send_less(
        self, error: BadRequest | PayloadTooLarge, batch: Sequence[Row], known: Limits
    ) -> bool:
        limits = self._gateway.limits
        if isinstance(error, BadRequest):
            return limits.learn(error, known)
        if len(batch) == 1:
            return False
        limits.body = min(limits.body, len(orjson.dumps(batch))) // 2
        return True

    def _create_one(self, resource: Resource, body: Row, place: int) -> Row:
        answer = self._write(resource, "POST", resource.path, json=body, first=place)
        return row_in(answer.json())

    def _create_batch(self, resource: Resource, bodies: Sequence[Row], start: int) -> list[Row]:
        answer = self._write(resource, "POST", resource.path, json=bodies, first=start)
        rows = rows_in(answer.json())
        if len(rows) != len(bodies):
            raise BadAnswer("The data source answered with other records than it was given.")
        return rows

    def _created(self, resource: Resource, row: Row) -> Any:
        """Take note of a record that was created, and give its id."""
        id = resource.id_in(row) if resource.id_names else ()
        if resource.id_names:
            self._undoing.wrote(lambda: self._uncreate(resource, id, row))
        return id

    def _uncreate(self, resource: Resource, id: Any, row: Row) -> None:
        if _is_same(self._now(resource, id), row):
            self._erase_one(resource, id, is_there=True)

    # Changing

    def update(self, resource: Resource, where: Where, changes: Record) -> int:
        """Set some properties of all matching records, and give how many matched."""
        self._undoing.will_write()
        return self._gateway.learning(lambda: self._update(resource, where, changes))

    def _update(self, resource: Resource, where: Where, changes: Record) -> int:
        body = resource.json(changes)
        question = resource.questions.ask(where)
        if question.is_nothing:
            return 0
        if question.is_one and not self._undoing.is_open:
            id = self._only_id(resource, where)
            if id is not None:
                return self._update_one(resource, id, body)
            return self._update_where(resource, question.wheres[0], body)
        before = self._found(resource, where)
        still = where if question.is_one else EVERYTHING
        with self._undoing.transaction():
            return sum(
                self._update_some(resource, some, body, still)
                for some in self._chunks(resource, before)
            )

    def _update_some(
        self, resource: Resource, before: Sequence[Row], body: Row, still: Where
    ) -> int:
        """Change some records, of which is known what they were.

        :param still: what they must match when they are changed.
        """
        question, is_by_id = self._by_ids(resource, before, still)
        self._undoing.wrote(lambda: self._unchange(resource, before, body))
        if question.rest is not None or (is_by_id and len(before) == 1):
            ids = [resource.id_in(row) for row in before]
            return sum(self._update_one(resource, id, body) for id in ids)
        return sum(
            self._update_where(resource, each, body, is_safe=is_by_id) for each in question.wheres
        )

    def _by_ids(
        self, resource: Resource, rows: Sequence[Row], still: Where
    ) -> tuple[Question, bool]:
        """What leads to records that match still, and whether it is by their ids alone.

        Where it leaves something for Python, it leads to other records too.
        """
        ids = [resource.id_in(row) for row in rows]
        by_ids = keys_where(resource.definition, resource.id_names, ids)
        question = resource.questions.ask(both(by_ids, still))
        if still == EVERYTHING or question.rest is not None:
            return resource.questions.ask(by_ids), True
        return question, self._only_id(resource, still) is not None

    def _update_one(self, resource: Resource, id: Any, body: Row) -> int:
        """Change the record with an id, where it is there."""
        answer = self._at(resource, "PATCH", id, body)
        if answer is None:
            return self._update_where(resource, self._id_where(resource, id), body, is_safe=True)
        return int(answer.is_success)

    def _update_where(
        self, resource: Resource, where: Any, body: Row, *, is_safe: bool = False
    ) -> int:
        """Change what matches at once.

        :param is_safe: whether it matches still when it is changed.
        """
        path = f"{resource.path}/update"
        query = f"where={encoded({} if where is None else where)}"
        answer = self._write(resource, "POST", path, query=query, json=body, is_safe=is_safe)
        return count_in(answer.json())

    def _unchange(self, resource: Resource, before: Sequence[Row], body: Row) -> None:
        for old in before:
            id = resource.id_in(old)
            now = self._now(resource, id)
            # What the other app keeps to itself is what it was.
            if now is None or any(
                now[key] not in (value, old.get(key)) for key, value in body.items() if key in now
            ):
                continue
            self._put_back(resource, id, {**now, **{key: old.get(key) for key in body}}, old, body)

    def _put_back(self, resource: Resource, id: Any, whole: Row, old: Row, body: Row) -> None:
        """Give a record the values again that it had."""
        is_new = [key for key in body if key not in old]
        if resource.is_open and is_new:
            whole = {key: value for key, value in whole.items() if key not in is_new}
            self._put(resource, id, whole)
            return
        self._update_one(resource, id, {key: old.get(key) for key in body})

    def update_returning(
        self, resource: Resource, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        """Change the record with an id in one request, where the other app can."""
        if where != EVERYTHING or self._undoing.is_open:
            return None
        answer = self._at(resource, "PATCH", id, resource.json(changes))
        if answer is None:
            return None
        if not answer.is_success:
            return resource.rows([], None)
        row = row_in(answer.json())
        resource.id_in(row)
        return resource.rows([row], None)

    def replace(self, resource: Resource, id: Any, record: Record) -> int:
        """Put a record in the place of another."""
        self._undoing.will_write()
        ids = resource.definition.id_values(id)
        body = resource.json({**record, **ids})
        old = self._now(resource, id) if self._undoing.is_open else None
        written = self._put(resource, id, body)
        if written is None:
            return 0
        if old is not None:
            self._undoing.wrote(lambda: self._unreplace(resource, id, written, old))
        return 1

    def _put(self, resource: Resource, id: Any, body: Row) -> Row | None:
        """Replace a record, where it is there; without a path to it by the id in the body."""
        # LoopBack has 1 in the path of the text "1", and takes the one in a body for another id.
        ids = resource.wires(resource.id_names)
        others = {key: value for key, value in body.items() if key not in ids}
        answer = self._at(resource, "PUT", id, others)
        if answer is None:
            if self._now(resource, id) is None:
                return None
            answer = self._write(resource, "PUT", resource.path, json=body)
        return row_in(answer.json()) if answer.is_success else None

    def _unreplace(self, resource: Resource, id: Any, written: Row, old: Row) -> None:
        if _is_same(self._now(resource, id), written):
            self._put(resource, id, old)

    # Deleting

    def delete(self, resource: Resource, where: Where) -> int:
        """Delete all matching records, and give how many they were."""
        self._undoing.will_write()
        id = self._only_id(resource, where)
        if id is not None and not self._undoing.is_open:
            return self._erase_one(resource, id)
        return self._gateway.learning(lambda: self._delete(resource, where))

    def _delete(self, resource: Resource, where: Where) -> int:
        question = resource.questions.ask(where)
        if question.is_nothing:
            return 0
        if question.is_one and not self._undoing.is_open:
            count = self._delete_where(resource, question.wheres[0])
            if count is not None:
                return count
        before = self._found(resource, where)
        still = where if question.is_one else EVERYTHING
        with self._undoing.transaction():
            return sum(
                self._delete_some(resource, some, still) for some in self._chunks(resource, before)
            )

    def _delete_some(self, resource: Resource, rows: Sequence[Row], still: Where) -> int:
        """Delete records that were found.

        :param still: what they must match when they are deleted.
        """
        for row in rows:
            self._undoing.wrote(lambda row=row: self._undelete(resource, row))  # type: ignore[misc]
        question, _ = self._by_ids(resource, rows, still)
        wheres = question.wheres if question.rest is None else ()
        counts = [self._delete_where(resource, each) for each in wheres]
        if None in counts or not wheres:
            ids = [resource.id_in(row) for row in rows]
            is_by_path = resource.path in self._undeletable
            if is_by_path and any(resource.path_to(id) is None for id in ids):
                raise _unreachable(resource)  # before any of them is deleted
            return sum(self._erase_one(resource, id, is_there=True) for id in ids)
        return sum(each for each in counts if each is not None)

    def _erase_one(self, resource: Resource, id: Any, *, is_there: bool = False) -> int:
        """Delete the record with an id.

        :param is_there: whether it is known that it was there just now.
        :raises Unavailable: where it is gone, and may have been before.
        """
        answer = self._at(resource, "DELETE", id)
        if answer is not None:
            count = count_in(answer.json()) if answer.is_success else 0
            if answer.is_second and not (count or is_there):
                raise Unavailable("It is not known whether the data source deleted the record.")
            return 1 if answer.is_second else count
        deleted = self._delete_where(resource, self._id_where(resource, id))
        if deleted is None:
            raise _unreachable(resource)
        return deleted

    def _delete_where(self, resource: Resource, where: Any) -> int | None:
        """Delete what matches at once, where the other app lets us; None where it does not."""
        if resource.path in self._undeletable:
            return None
        query = f"where={encoded({} if where is None else where)}"
        # A second time it would say how many were left by the first.
        answer = self._gateway.send(
            "DELETE", resource.path, query=query, is_safe=False, may_be_forbidden=True
        )
        if answer.status in _NOT_THERE:
            self._undeletable.add(resource.path)
            return None
        self._refuse(resource, answer, "DELETE", resource.path)
        return count_in(answer.json())

    def _undelete(self, resource: Resource, row: Row) -> None:
        if not resource.id_names or self._now(resource, resource.id_in(row)) is None:
            self._write(resource, "POST", resource.path, json=row)

    # One request

    def _at(self, resource: Resource, method: str, id: Any, json: Any = None) -> Answer | None:
        """Send something that writes to the path of a record.

        :returns: None where no path leads there; the answer, where there is no record, too.
        """
        path = resource.path_to(id)
        if path is None:
            return None
        if resource.may_be_method(id) and self._now(resource, id) is None:
            return _NO_RECORD
        answer = self._gateway.send(method, path, json=json, is_safe=True)
        if answer.status == 405:  # the path is that of a method
            return None
        if not is_unknown_record(answer):
            self._refuse(resource, answer, method, path)
        return answer

    def _write(
        self,
        resource: Resource,
        method: str,
        path: str,
        *,
        query: str = "",
        json: Any = None,
        first: int = 0,
        is_safe: bool | None = None,
    ) -> Answer:
        """Send something that writes.

        :param first: the position of the first record in it.
        :param is_safe: whether it may be sent twice; the method says so where this does not.
        """
        answer = self._gateway.send(method, path, query=query, json=json, is_safe=is_safe)
        self._refuse(resource, answer, method, path, first)
        return answer

    def _refuse(
        self, resource: Resource, answer: Answer, method: str, path: str, first: int = 0
    ) -> None:
        """Raise what an answer says against a write.

        :raises LoopError: where it says something.
        """
        if answer.is_success:
            return
        error = refusal(
            resource.definition.name,
            resource.names,
            answer,
            first=first,
            is_over=not self._undoing.is_open,
        )
        raise error or self._gateway.unexpected(answer, method, path)

    def _found(self, resource: Resource, where: Where) -> list[Row]:
        """The records that match a where, which are written one by one.

        :raises BadRequest: where nothing tells one from another.
        :raises TooMuchToRead: where there are more than may be read.
        """
        if not resource.id_names:
            raise BadRequest(
                f"Records of {resource.definition.name} have no id, by which this could be done."
            )
        return self._reader.matching(resource, where)

    def _now(self, resource: Resource, id: Any) -> Row | None:
        """The record with an id as the other app has it now."""
        where = keys_where(resource.definition, resource.id_names, [id])
        rows = self._reader.raw(resource, Filter(where=where, limit=1))
        return rows[0] if rows else None

    @staticmethod
    def _id_where(resource: Resource, id: Any) -> JsonWhere:
        """What leads to the record with an id and to no other, where no path does.

        :raises BadRequest: where the other app cannot be asked so.
        """
        where = resource.questions.whole(id_where(resource.definition, id))
        if where is None:
            raise _unreachable(resource)
        return where

    def _chunks(self, resource: Resource, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        size = self._gateway.limits.values
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    @staticmethod
    def _only_id(resource: Resource, where: Where) -> Any:
        """The id that a where is about alone, or None."""
        is_equality = isinstance(where, Compare) and where.operator == "eq"
        if not is_equality or len(resource.id_names) != 1:
            return None
        path: Path = where.path  # type: ignore[union-attr]
        is_id = path.property.name == resource.id_names[0] and not path.keys
        return where.operand if is_id else None  # type: ignore[union-attr]


def _unreachable(resource: Resource) -> BadRequest:
    return BadRequest(f"No path leads to the {resource.definition.name} with this id.")


def _is_same(now: Row | None, written: Row) -> bool:
    """Whether a record is as it was written; LoopBack answers without the nulls that it stores."""
    return now is not None and _given(now) == _given(written)


def _given(row: Row) -> Row:
    return {key: value for key, value in row.items() if value is not None}
