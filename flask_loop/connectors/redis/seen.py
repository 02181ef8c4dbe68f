"""Seen: records that a block has read, so that it does not write over what others wrote since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .collection import Collection


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
        self._known.setdefault(self._key(id), dict(zip(fields[::2], fields[1::2], strict=True)))

    def expect(self, told: Mapping[str, Any]) -> None:
        """Have a script look whether records are still as they are known where it changes them."""
        touched = (*told["fields_set"][::2], *told["gone"])
        for record in told["records"]:
            known = self._known.get(self._key(record["id"]))
            if known is not None:
                pairs = ((name, known[name]) for name in touched if name in known)
                held = [item for pair in pairs for item in pair]
                record["expected"] = [*(record.get("expected") or ()), *held]

    def changed(self, told: Mapping[str, Any]) -> None:
        """Take note of what the block itself has changed."""
        texts = told["fields_set"]
        values = {**dict(zip(texts[::2], texts[1::2], strict=True)), **dict.fromkeys(told["gone"])}
        for record in told["records"]:
            known = self._known.get(self._key(record["id"]))
            if known is not None:
                known.update(values)

    def forget(self, told: Mapping[str, Any]) -> None:
        """Know nothing any more of records that are gone."""
        for record in told["records"]:
            self._known.pop(self._key(record["id"]), None)

    def _key(self, id: str) -> tuple[str, str]:
        return self._collection.tag, id
