"""What it means for a model that a server refuses something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from ...errors import BadRequest, Conflict, DuplicateId, Failure, PayloadTooLarge, ValidationError
from ..web import Answer, WebClient
from .resource import Resource

#: What servers call the field that an entry of a list of errors is about.
_FIELD_KEYS = ("field", "property", "path", "loc", "param", "name", "source", "pointer")
_MOST_FAILURES = 20


def refused(
    client: WebClient,
    resource: Resource,
    answer: Answer,
    *,
    id: Any = None,
    place: tuple[int, ...] = (),
    is_read: bool = False,
) -> Exception:
    """The error of an answer that is no success.

    Nothing that the server says is shown, as it may say more than its clients should know; only
    which of the model's properties it is about.

    :param id: of a record that is new, where it was given.
    :param place: its position, where it is one of several.
    :param is_read: whether nothing was to be written, so that the server was asked wrongly.
    """
    status, definition = answer.status, resource.definition
    if not is_read and status in (409, 412):
        if id is not None:
            return DuplicateId(definition.name, id)
        return Conflict("The data source refused the change: it conflicts.", error_code="REFUSED")
    if not is_read and status == 413:
        return PayloadTooLarge("The data source refused the record: it is too large.")
    if not is_read and status in (400, 422):
        found = list(_named(answer, resource.names))
        if found:
            failures = [Failure((*place, each), "refused", "is refused") for each in found]
            return ValidationError(definition.name, definition.to_wire(failures))
        return BadRequest("The data source refused the record.", error_code="REFUSED")
    return client.refusal(answer, f"{resource.path} of {definition.name}")


def _named(answer: Answer, names: Mapping[str, str]) -> Iterator[str]:
    """The properties that an error is about, as far as it says so in a form that is usual."""
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return
    found = dict.fromkeys(each for each in _fields(said, 4) if each in names)
    for field in list(found)[:_MOST_FAILURES]:
        yield names[field]


def _fields(said: Any, depth: int) -> Iterator[str]:
    if depth and isinstance(said, Mapping):
        for key, value in said.items():
            yield str(key)
            if key in _FIELD_KEYS:
                yield from _ends(value)
            yield from _fields(value, depth - 1)
    elif depth and isinstance(said, list):
        for each in said:
            yield from _fields(each, depth - 1)


def _ends(value: Any) -> Iterable[str]:
    """The last part of a path such as ``/data/name`` or ``["body", "name"]``."""
    if isinstance(value, str):
        yield value.replace("/", ".").rpartition(".")[2]
    elif isinstance(value, list) and value:
        yield str(value[-1])
