"""Seen: records that a block has read, so that it does not write over what others wrote since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .collection import UNDECLARED, Collection

#: What is known beside the fields of a record whose undeclared ones are known too.
_ALL = ""


class Seen:
    """The records of one collection that a block knows, as it knows them.

    :param known: the fields of those of all collections, each with its text.
    :param collection: where the records are.
    """

    def __init__(
        self, known: dict[tuple[str, str], dict[str, str | None]], collection: Collection
    ) -> None:
        self._known = known
        self._collection = collection

    def note(self, id: str, row: Any) -> None:
        """Keep a record in mind that was read; what was known of it before counts."""
        fields: list[Any] = self._collection.expected(row, self._collection.fields)
        known = dict(zip(fields[::2], fields[1::2], strict=True))
        if self._collection.is_open:
            known[_ALL] = None
            texts = row.texts.items()
            known.update((name, text) for name, text in texts if name.startswith(UNDECLARED))
        self._known.setdefault(self._key(id), known)

    def expect(self, told: Mapping[str, Any]) -> None:
        """Have a script look whether records are still as they are known where it changes them."""
        touched = {*told["fields_set"][::2], *told["gone"]}
        for record in told["records"]:
            known = self._known.get(self._key(record["id"]))
            if known is not None:
                looked_at = touched.union(_rest(known)) if told.get("rest_goes") else touched
                held: list[str | None] = []
                for name in looked_at:
                    if name in known or (name.startswith(UNDECLARED) and _ALL in known):
                        held += (name, known.get(name))
                record["expected"] = [*(record.get("expected") or ()), *held]

    def changed(self, told: Mapping[str, Any]) -> None:
        """Take note of what the block itself has changed."""
        texts = told["fields_set"]
        values = {**dict(zip(texts[::2], texts[1::2], strict=True)), **dict.fromkeys(told["gone"])}
        for record in told["records"]:
            known = self._known.get(self._key(record["id"]))
            if known is not None:
                if told.get("rest_goes"):
                    known.update(dict.fromkeys(_rest(known)))
                known.update(values)

    def forget(self, told: Mapping[str, Any]) -> None:
        """Know nothing any more of records that are gone."""
        for record in told["records"]:
            self._known.pop(self._key(record["id"]), None)

    def _key(self, id: str) -> tuple[str, str]:
        return self._collection.tag, id


def _rest(known: Mapping[str, Any]) -> list[str]:
    """The undeclared fields that are known of a record."""
    return [name for name in known if name.startswith(UNDECLARED)]
