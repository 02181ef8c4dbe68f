"""Guards: one caller at a time stores what others look for at the same moment.

MongoDB's own ``upsert`` stores two documents where two callers look at once and no unique index is
in the way. So they meet at a document that stands for what they look for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from random import random
from time import monotonic, sleep
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, OperationFailure

from ...errors import TransactionConflict, Unavailable
from ...query import And, Inside, Not, Or, Related, Where
from .client import Client

#: The collection of the documents at which callers meet.
GUARDS = "loop_guards"
#: The seconds after which a guard is taken from a caller who has died.
LEASE = 10.0
#: The seconds after which the server deletes a guard of a caller who has died.
KEPT = 3600
#: The mean of the seconds between two looks at a guard that somebody else has.
PAUSE = 0.004


def guard_key(collection: str, where: Where) -> str:
    """The name of the guard of all who look for the same records, in any process."""
    return f"{collection}:{sha256(repr(_shape(where)).encode()).hexdigest()}"


def _shape(where: Where) -> tuple[Any, ...]:
    """What is asked for, in what every process writes alike."""
    if isinstance(where, And | Or):
        return (type(where).__name__, *map(_shape, where.items))
    if isinstance(where, Not):
        return ("Not", _shape(where.item))
    if isinstance(where, Related):
        return ("Related", where.link.definition.name, where.link.own, _shape(where.where))
    place = (where.path.property.name, *where.path.keys)
    if isinstance(where, Inside):
        return ("Inside", place, _shape(where.where))
    return (where.operator, place, where.operand, where.member)


class Guards:
    """The guards of one database.

    :param client: its connections.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._generation = -1

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """A block that one caller at a time is in.

        :raises Unavailable: where another one stays too long.
        """
        owner = self._take(key)
        try:
            yield
        finally:
            guards = self._client.collection(GUARDS)
            self._client.run(guards.delete_one, {"_id": key, "owner": owner})

    def _take(self, key: str) -> ObjectId:
        guards = self._client.collection(GUARDS)
        self._let_expire(guards)
        owner = ObjectId()
        deadline = monotonic() + 2 * LEASE
        while True:
            now = dt.datetime.now(dt.UTC)
            until = now + dt.timedelta(seconds=LEASE)
            try:
                self._client.run(guards.insert_one, {"_id": key, "owner": owner, "until": until})
            except DuplicateKeyError:
                if monotonic() > deadline:
                    raise Unavailable("The data source is busy.", retry_after=1) from None
                self._client.run(guards.delete_one, {"_id": key, "until": {"$lt": now}})
                sleep(random() * 2 * PAUSE)  # noqa: S311 - so that two are not in step
            else:
                return owner

    def _let_expire(self, guards: Any) -> None:
        """Have the server delete what nobody takes away, which is asked for once."""
        if self._generation == self._client.generation:
            return
        with suppress(OperationFailure):  # they are in nobody's way
            self._client.run(
                guards.create_index, "until", name="loop_until_ttl", expireAfterSeconds=KEPT
            )
        self._generation = self._client.generation


def note_in_transaction(guards: Any, key: str, call: Any) -> None:
    """Make a guard inside a transaction: of two who do, the server lets one go on.

    It is gone with the transaction, so that there are not as many as there were wheres.

    :raises TransactionConflict: for the other one.
    """
    try:
        call(guards.update_one, {"_id": key}, {"$inc": {"n": 1}}, upsert=True)
    except DuplicateKeyError as error:
        raise TransactionConflict from error
    call(guards.delete_one, {"_id": key})
