"""Counters: integer ids, of which none is given twice."""

from __future__ import annotations

from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure

from ...errors import Conflict
from ...types import MAX_INTEGER
from .client import Client

#: The collection with the greatest id of each other collection.
COUNTERS = "loop_counters"


class Counters:
    """The counters of one database. They stay what they are where a transaction is undone.

    :param client: its connections.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        #: Ids up to these were given already, as far as this process knows.
        self._known: dict[str, int] = {}

    def take(self, collection: str, many: int) -> range:
        """Ids that were never given before.

        :raises Conflict: where there are none left.
        """
        counters = self._client.collection(COUNTERS)
        step = {"$inc": {"n": many}}
        while True:
            try:
                found = self._client.run(
                    counters.find_one_and_update,
                    {"_id": collection},
                    step,
                    return_document=ReturnDocument.AFTER,
                )
            except OperationFailure as error:  # past the greatest integer
                raise _used_up(collection) from error
            if found is not None:
                break
            self._raise_to(collection, self._greatest(collection))
        last = int(found["n"])
        if last > MAX_INTEGER:
            raise _used_up(collection)
        self._known[collection] = max(last, self._known.get(collection, 0))
        return range(last - many + 1, last + 1)

    def given(self, collection: str, id: Any) -> None:
        """Take note of an id that a caller gave: smaller ones are not made any more."""
        is_counted = isinstance(id, int) and not isinstance(id, bool) and id > 0
        if not is_counted or id <= self._known.get(collection, 0):
            return
        self._raise_to(collection, max(id, self._greatest_unless_counted(collection)))
        self._known[collection] = id

    def reset(self, collection: str) -> None:
        """Count from 1 again."""
        self._known.pop(collection, None)
        self._client.run(self._client.collection(COUNTERS).delete_one, {"_id": collection})

    def forget(self) -> None:
        """Know nothing of what was given."""
        self._known.clear()

    def _raise_to(self, collection: str, least: int) -> None:
        counters = self._client.collection(COUNTERS)
        arguments = ({"_id": collection}, {"$max": {"n": least}})
        try:
            self._client.run(counters.update_one, *arguments, upsert=True)
        except DuplicateKeyError:  # another caller made it at this moment
            self._client.run(counters.update_one, *arguments)

    def _greatest_unless_counted(self, collection: str) -> int:
        counters = self._client.collection(COUNTERS)
        known = self._client.run(counters.find_one, {"_id": collection})
        return self._greatest(collection) if known is None else 0

    def _greatest(self, collection: str) -> int:
        """The greatest id that is there, from before anything was counted."""
        numbers = {"_id": {"$gt": 0, "$lte": MAX_INTEGER}}
        found = self._client.run(
            self._client.collection(collection).find_one,
            numbers,
            projection={"_id": 1},
            sort=[("_id", -1)],
        )
        return 0 if found is None else int(found["_id"])


def _used_up(collection: str) -> Conflict:
    return Conflict(f"{collection} has no more ids.", error_code="OUT_OF_IDS")
