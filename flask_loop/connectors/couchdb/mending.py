"""Mending of documents with values of others that nobody can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...definition import ModelDefinition
from ..mending import JsonKind, Mending, readable
from .database import Document


class DocumentMending(Mending):
    """What is done where documents of one model cannot be read.

    :param definition: the model's.
    :param fields: the fields of the properties, by Python name.
    """

    def __init__(self, definition: ModelDefinition, fields: Mapping[str, str]) -> None:
        super().__init__(definition.name)
        self._fields = fields
        self._ids = [fields[each.name] for each in definition.ids]
        self._kinds = {each.name: JsonKind(each.type) for each in definition.properties.values()}

    def mended(self, document: Mapping[str, Any]) -> Document:
        mended = dict(document)
        for name, field in self._fields.items():
            raw = document.get(field)
            if raw is not None:
                mended[field], odd = readable(self._kinds[name], raw, name)
                self.told.tell(self._shown(document), odd)
        return mended

    def _shown(self, document: Mapping[str, Any]) -> str:
        """Which record a document is, as clients know it."""
        ids = [document.get(each) for each in self._ids] or [document["_id"]]
        return ", ".join(map(repr, ids))
