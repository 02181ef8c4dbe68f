"""What users' own methods answer: values, files, streams, and what is in the head of an answer."""

from __future__ import annotations

from typing import Any

from ..definition import Embedded
from ..http import default_status
from ..methods import RemoteMethod, Returns
from ..types import Array, PropertyType, String
from .arguments import BINARY, JSON
from .schemas import Schemas, Variant
from .types import JsonSchema, nullable

NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"
#: The type of what the method gives in a form of its own.
ANY_TYPE = "*/*"

_FILE, _STREAM = "file", "stream"


class Answers:
    """The answers of users' own methods that succeed, in one document.

    :param schemas: the document's schemas.
    """

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def of(self, method: RemoteMethod, verb: str) -> dict[str, Any]:
        """The answers of a method to a verb, by status."""
        status = str(default_status(method, 200))
        answer: dict[str, Any] = {"description": _description(method)}
        if (content := self._content(method)) and verb != "HEAD":
            answer["content"] = content
        if headers := self._headers(method):
            answer["headers"] = headers
        answers = {status: answer}
        if any(each.target == "status" for each in method.returns):
            answers["2XX"] = {**answer, "description": "With the status that the method gives."}
        if _may_be_nothing(method):
            answers.setdefault("204", {"description": "Nothing."})
        return answers

    def _content(self, method: RemoteMethod) -> dict[str, Any]:
        values = [each for each in method.returns if each.target == "body"]
        root = next((each for each in values if each.root), None)
        if root is None:
            return {JSON: {"schema": self._object(values)}} if values else {}
        if root.type == _FILE:
            return {OCTETS: {"schema": BINARY}, ANY_TYPE: {"schema": BINARY}}
        if root.type == _STREAM:
            item = self._value(root)
            return {
                NDJSON: {"schema": item},
                JSON: {"schema": {"type": "array", "items": item}},
            }
        if root.kind is None and not root.or_nothing:
            return {JSON: {"schema": {}}, ANY_TYPE: {"schema": {}}}  # an answer of Flask's
        return {JSON: {"schema": self._value(root)}}

    def _object(self, values: list[Returns]) -> JsonSchema:
        """Values by name."""
        return {
            "type": "object",
            "properties": {each.name: self._described(each) for each in values},
            "required": [each.name for each in values],
        }

    def _described(self, value: Returns) -> JsonSchema:
        described = {"description": value.description} if value.description else {}
        return {**self._value(value), **described}

    def _value(self, value: Returns) -> JsonSchema:
        if value.kind is None:
            return {}
        schema = self.schemas.type(value.kind, Variant.RECORD)
        return nullable(schema) if value.nullable else schema

    def _headers(self, method: RemoteMethod) -> dict[str, Any]:
        return {
            each.header: self._header(each)
            for each in method.returns
            if each.header is not None and each.header.lower() != "content-type"
        }

    def _header(self, value: Returns) -> dict[str, Any]:
        kind = value.kind
        schema = self.schemas.type(kind if kind is not None and kind.ordered else String())
        return {"description": value.description or "Of the answer.", "schema": schema}


def _description(method: RemoteMethod) -> str:
    values = [each for each in method.returns if each.target == "body"]
    if not values:
        return "Done."
    shown = next((each for each in values if each.root), None)
    if shown is None:
        return "The answer."
    if shown.description:
        return shown.description
    return {_FILE: "The file.", _STREAM: "The items, one after the other."}.get(
        shown.type, _what_it_is(shown.kind)
    )


def _what_it_is(kind: PropertyType | None) -> str:
    if isinstance(kind, Embedded):
        return "The record."
    if isinstance(kind, Array) and isinstance(kind.item, Embedded):
        return "The records."
    return "The answer."


def _may_be_nothing(method: RemoteMethod) -> bool:
    """Whether a method may have no content to give, though it gives some at other times."""
    if method.status is not None:
        return False
    return any(
        each.or_nothing or (each.root and each.nullable and each.type in (_FILE, _STREAM))
        for each in method.returns
    )
