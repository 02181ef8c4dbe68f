"""Seen: queries for documents that were read, as long as nobody has changed what was looked at.

A server without transactions lets others write between a look and a write. So a block remembers the
documents that it has asked for by their ids: it does not write over what others have written since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson import decode, encode

from ...errors import TransactionConflict
from ...query import And, Compare, Inside, Not, Or, Where
from .collection import Field

#: How often documents that others change meanwhile are looked at again.
ATTEMPTS = 20


def unchanged(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The query for a document as long as some of its fields are as they were read."""
    held = {name: {"$eq": document.get(name)} for name in names}
    return {**held, "_id": document["_id"]}


class Seen:
    """The documents of one collection that a block knows, as it knows them.

    :param known: those of all collections; None outside of a block.
    :param collection: the name of the collection.
    """

    def __init__(self, known: dict[Any, Any] | None, collection: str) -> None:
        self._known = known
        self._collection = collection

    def note(self, document: Mapping[str, Any]) -> None:
        """Take note of a document that was read; what was known of it before counts."""
        if self._known is not None:
            self._known.setdefault(self._key(document), document)

    def changed(
        self, document: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], options: Any
    ) -> None:
        """Take note of what the block itself has changed.

        :param changes: the operators of the update.
        :param options: how documents are read.
        """
        before = None if self._known is None else self._known.get(self._key(document))
        if self._known is not None and before is not None:
            kept = {key: before[key] for key in before if key not in changes.get("$unset", ())}
            written = decode(encode(changes.get("$set", {}), codec_options=options), options)
            self._known[self._key(document)] = {**kept, **written}

    def forget(self, document: Mapping[str, Any]) -> None:
        """Know nothing of a document any more."""
        if self._known is not None:
            self._known.pop(self._key(document), None)

    def unchanged(self, document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """The query for a document, as long as these fields are what the block knows of them.

        :param document: the document as it was read last.
        :raises TransactionConflict: where somebody has changed one before that.
        """
        before = None if self._known is None else self._known.get(self._key(document))
        if before is None:
            return {}
        written = list(names)
        if any(_differs(before.get(name), document.get(name)) for name in written):
            raise TransactionConflict
        return unchanged(document, written)

    def _key(self, document: Mapping[str, Any]) -> tuple[str, str]:
        return self._collection, repr(document["_id"])


def _differs(before: Any, now: Any) -> bool:
    # What is no number is not the same as itself, but for the server.
    return bool(before != now) and encode({"": before}) != encode({"": now})


def fields_of(where: Where | None, fields: Mapping[str, Field]) -> list[str]:
    """The fields of documents that a where looks at."""
    found: dict[str, None] = {}
    for name in () if where is None else _names_in(where):
        field = fields[name]
        found[field.path.partition(".")[0]] = None
        if field.rest is not None:
            found[field.rest] = None
    return list(found)


def _names_in(where: Where) -> Iterator[str]:
    if isinstance(where, And | Or):
        for each in where.items:
            yield from _names_in(each)
    elif isinstance(where, Not):
        yield from _names_in(where.item)
    elif isinstance(where, Compare | Inside):
        yield where.path.property.name
