"""The bodies of requests: JSON, urlencoded, and multipart with files, each bounded."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import BadRequestKeyError, RequestEntityTooLarge

from ..definition import MISSING, ModelDefinition
from ..errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from ..query import parse_pairs, parse_query
from ..types import Array

if TYPE_CHECKING:
    from flask import Request

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_LONG_INTEGER = re.compile(rb"\d{19}")


class Form(dict[str, Any]):
    """The fields of a urlencoded or multipart body, whose values are text.

    :ivar files: the files of a multipart body.
    """

    def __init__(
        self, fields: dict[str, Any], files: MultiDict[str, FileStorage] | None = None
    ) -> None:
        super().__init__(fields)
        self.files: MultiDict[str, FileStorage] = MultiDict() if files is None else files


def read_body(request: Request, max_body: int, max_upload: int | None = None) -> Any:
    """The body of a request: JSON values, a :class:`Form`, or ``MISSING`` where there is none.

    :param request: Flask's request.
    :param max_body: the most bytes of JSON, or of a urlencoded form.
    :param max_upload: the most bytes of a multipart form; None where none is taken.
    :raises PayloadTooLarge: where it is larger; the message has the bound.
    :raises UnsupportedMediaType: where it is of another type.
    :raises BadRequest: where it is not what it says it is.
    """
    if max_upload is not None and request.mimetype == MULTIPART:
        return _read_multipart(request, _limit(request, max_upload))
    limit = _limit(request, max_body)
    # Werkzeug ends a body of unknown length at the bound; one byte more tells that there is more.
    request.max_content_length = limit + 1
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    if len(data) > limit:
        raise _too_large(limit)
    if not data:
        return _parsed_form(request)
    mimetype = request.mimetype
    if mimetype == "application/json" or mimetype.endswith("+json"):
        return parse_json(data)
    if mimetype == URLENCODED:
        return Form(parse_query(data))
    taken = f"application/json{'' if max_upload is None else f', {MULTIPART}'} or {URLENCODED}"
    raise UnsupportedMediaType(
        f"The content type {mimetype or 'none'!s} is not supported; send {taken}."
    )


def parse_json(data: bytes) -> Any:
    """Parse JSON; integers of any length stay exact, so that they can be refused.

    :raises BadRequest: where it is not JSON.
    """
    try:
        parsed = orjson.loads(data)
        return json.loads(data) if _LONG_INTEGER.search(data) else parsed
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}.", error_code="INVALID_JSON") from None


def typed_form(body: Any, definition: ModelDefinition) -> Any:
    """A form in which the only item of a list is a list again, as forms cannot tell the two."""
    if not isinstance(body, Form):
        return body
    lists = {wire for wire, each in definition.by_wire.items() if isinstance(each.type, Array)}
    return {
        key: [value] if key in lists and isinstance(value, str) else value
        for key, value in body.items()
    }


def _limit(request: Request, own: int) -> int:
    """The smaller one of our bound and the app's."""
    of_app = request.max_content_length
    return own if of_app is None else min(of_app, own)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.")


def _parsed_form(request: Request) -> Any:
    """The fields of a body that somebody has read before, as protections against CSRF do."""
    is_read = "form" in request.__dict__ and request.form
    return Form(parse_pairs(request.form.items(multi=True))) if is_read else MISSING


# Multipart


def _read_multipart(request: Request, limit: int) -> Any:
    length = request.content_length
    if not length and "Transfer-Encoding" not in request.headers:
        return MISSING
    if length is not None and length > limit:
        raise _too_large(limit)
    if "form" not in request.__dict__:  # where it is, somebody has read it before
        _parse_multipart(request, limit)
    if None in request.form or None in request.files:
        raise _not_multipart("a part has no name")
    return Form(parse_pairs(request.form.items(multi=True)), request.files)


def _parse_multipart(request: Request, limit: int) -> None:
    """Parse a body as werkzeug does for ``request.form``, which forgives what is broken.

    Flask closes ``request.files`` after the request.
    """
    # As in read_body; the parser reads on until nothing comes, so that werkzeug refuses the rest.
    request.max_content_length = limit + 1
    parser = request.make_form_data_parser()
    parser.silent = False
    opened: list[BinaryIO] = []
    open_file = parser.stream_factory

    def open_and_keep(*arguments: Any, **named: Any) -> Any:
        opened.append(open_file(*arguments, **named))  # type: ignore[arg-type]
        return opened[-1]

    parser.stream_factory = open_and_keep
    stream = request._get_stream_for_parsing()
    try:
        parsed = parser.parse(
            stream, request.mimetype, request.content_length, request.mimetype_params
        )
    except BaseException as error:
        for file in opened:
            with suppress(OSError):
                file.close()
        if isinstance(error, RequestEntityTooLarge):
            raise _too_large(limit) if stream.tell() > limit else _too_many(request) from None
        if isinstance(error, BadRequestKeyError):
            raise _not_multipart("a part has no Content-Disposition") from None
        if isinstance(error, ValueError):
            raise _not_multipart(str(error)) from None
        raise
    vars(request).update(zip(("stream", "form", "files"), parsed, strict=True))


def _too_many(request: Request) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The request body has more than {request.max_form_parts} parts, or a field of more than "
        f"{request.max_form_memory_size} bytes."
    )


def _not_multipart(problem: str) -> BadRequest:
    return BadRequest(f"The body is not {MULTIPART}: {problem}.", error_code="INVALID_FORM")
