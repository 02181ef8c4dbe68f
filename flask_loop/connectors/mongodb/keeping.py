"""Keeping: what is kept of each write, so that it can be undone.

What somebody else has changed since stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pymongo.errors import DuplicateKeyError

from ...errors import BadRequest
from .reading import Document, Reading
from .seen import unchanged
from .store import Known


class Keeping(Reading):
    """The ways back: each is said before its write, and knows after it what there is to undo."""

    def _keep_new(self, known: Known, new: Sequence[Document]) -> None:
        def undo() -> None:
            for document in new:
                self._call(known.raw.delete_one, {"_id": {"$eq": document["_id"]}})

        self._wrote(undo)

    def _keep_unsure(self, known: Known, sent: Sequence[Document]) -> None:
        """The same of documents of which nobody knows whether they are there."""

        def undo() -> None:
            for document in sent:
                whole = {name: {"$eq": value} for name, value in document.items()}
                with suppress(BadRequest):  # it was not sent either
                    self._call(known.raw.delete_one, whole)

        self._wrote(undo)

    def _keep_changed(
        self, known: Known, before: Sequence[Document], operators: Mapping[str, Any]
    ) -> None:
        wanted = operators.get("$set", {})
        names = [*wanted, *operators.get("$unset", {})]
        now = {name: {"$eq": wanted.get(name)} for name in names}

        def undo() -> None:
            for document in before:
                held = {name: document[name] for name in names if name in document}
                lacked = {name: "" for name in names if name not in document}
                back = {"$set": held, "$unset": lacked}
                # What somebody else has changed since stays as it is.
                self._call(
                    known.raw.update_one,
                    {"_id": document["_id"], **now},
                    {operator: given for operator, given in back.items() if given},
                )

        self._wrote(undo)

    def _keep_replaced(self, known: Known, before: Sequence[Document], after: Document) -> None:
        def undo() -> None:
            for document in before:
                # What somebody else has changed since stays as it is.
                names = dict.fromkeys([*after, *document])
                query = unchanged({**after, "_id": document["_id"]}, names)
                self._call(known.raw.replace_one, query, document)

        self._wrote(undo)

    def _keep_deleted(self, known: Known, before: Sequence[Document]) -> None:
        def undo() -> None:
            for document in before:
                # Somebody else may have stored one with its id, or a unique value of it, by now.
                with suppress(DuplicateKeyError):
                    self._call(known.raw.insert_one, document)

        self._wrote(undo)
