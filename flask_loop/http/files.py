"""Answers that are files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from io import TextIOBase
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from flask import Request, Response, send_file
from werkzeug.datastructures import FileStorage
from werkzeug.wsgi import FileWrapper

from .streams import gathered, keep_uploads, streamed

OCTETS = "application/octet-stream"

# With those that turn the direction of text, by which one extension looks like another.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BLOCK = 64 * 1024


def file_response(value: Any, request: Request, status: int) -> Response:
    """Answer with a file.

    :param value: bytes or text; a path, whose name and type are told and of which a client may ask
        for a range; a :class:`~werkzeug.datastructures.FileStorage`, whose name and type are told;
        a file open for reading bytes; an iterable of bytes; None for no content.
    :param request: Flask's request.
    :param status: the answer's; a path may have 206, 304 and the like.
    :raises TypeError: where it is nothing of that.
    """
    response = _answer(value, request, status)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _answer(value: Any, request: Request, status: int) -> Response:
    if value is None:
        return Response(status=204)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return Response(bytes(value), status=status, content_type=OCTETS)
    if isinstance(value, os.PathLike):
        return _of_path(Path(value), status)
    if isinstance(value, FileStorage):
        return _of_upload(value, request, status)
    if isinstance(value, TextIOBase):
        raise TypeError("a file is opened for reading bytes: open(path, 'rb')")
    if hasattr(value, "read"):
        return _of_file(value, request, status)
    if isinstance(value, Iterable):
        return streamed(gathered(value, _bytes), request, OCTETS, status)
    raise TypeError(f"a {type(value).__name__} is no file")


def _of_path(path: Path, status: int) -> Response:
    name = _clean(path.name) or "file"
    response = send_file(path.absolute(), as_attachment=True, download_name=name)
    response.headers["Content-Disposition"] = attachment(name)
    if response.status_code == 200:
        response.status_code = status
    return response


def _of_upload(value: FileStorage, request: Request, status: int) -> Response:
    response = _of_file(value.stream, request, status)
    response.headers["Content-Type"] = value.content_type or OCTETS
    # Without a name too: the type is the uploader's word, and may be that of a page.
    disposition = attachment(value.filename) if value.filename else "attachment"
    response.headers["Content-Disposition"] = disposition
    return response


def _of_file(file: Any, request: Request, status: int) -> Response:
    response = Response(FileWrapper(file, _BLOCK), status=status, content_type=OCTETS)
    size = _size_of_rest(file)
    if size is not None:
        response.content_length = size
    keep_uploads(request, response)
    return response


def _size_of_rest(file: BinaryIO) -> int | None:
    """How many bytes come from where a file stands, as far as it can tell."""
    try:
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
    except (AttributeError, OSError, TypeError):
        return None
    return size


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"a file is made of bytes, not of a {type(piece).__name__}")


def attachment(name: str) -> str:
    """The Content-Disposition of a file that is saved under a name, after RFC 6266."""
    name = _clean(name) or "file"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain.startswith(".") and not name.startswith("."):
        plain = f"file{plain}"
    quoted = re.sub(r'(["\\])', r"\\\1", plain or "file")
    value = f'attachment; filename="{quoted}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe='!#$&+-.^_`|~')}"
    return value


def _clean(name: str) -> str:
    """The last part of a file's name, without what could end a header."""
    return _CONTROLS.sub("", re.split(r"[/\\]", name)[-1]).strip()
