"""Mending of documents with values of others that nobody can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..mending import UNREADABLE, Mending, Odd, readable
from .instants import read_instant
from .names import key_of
from .plain import read_json

if TYPE_CHECKING:
    from .collection import Field

Document = dict[str, Any]


class DocumentMending(Mending):
    """What is done where documents of one model cannot be read.

    :param model: the name of the model.
    :param fields: where the properties are, by Python name.
    """

    def __init__(self, model: str, fields: Mapping[str, Field]) -> None:
        super().__init__(model)
        self._fields = fields

    def mended(self, document: Mapping[str, Any]) -> Document:
        mended = dict(document)
        for name, field in self._fields.items():
            outer, _, inner = field.path.partition(".")
            held = mended.get(outer)
            if inner:
                held = held if isinstance(held, Mapping) else {}
                mended[outer] = {**held, inner: self._value(name, field, document, held.get(inner))}
            elif held is not None:
                mended[outer] = self._value(name, field, document, held)
        return mended

    def _value(self, name: str, field: Field, document: Mapping[str, Any], raw: Any) -> Any:
        if raw is None:
            return None
        if field.rest is not None:
            odd: list[Odd] = []
            try:
                read_instant(raw, document.get(field.rest))
            except UNREADABLE:
                raw, odd = None, [(name, raw)]
        else:
            raw, odd = readable(field.codec, raw, name, key_of)
        if odd:
            id = document.get("_id")
            self.told.tell(None if id is None else repr(read_json(id)), odd)
        return raw
