"""Answers that are sent while they are made, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic
from typing import Any

import orjson
from flask import Request, Response, stream_with_context

from .errors import report
from .values import JSON, to_json

NDJSON = "application/x-ndjson"
#: Small items are gathered into blocks of some size in bytes, which are as fast as a large body.
BLOCK = 32 * 1024
#: After this many seconds what was gathered is sent with the next item, for streams that are slow.
PATIENCE = 0.05

_line = partial(to_json, option=orjson.OPT_APPEND_NEWLINE)


def stream_of_values(
    items: Iterable[Any], request: Request, *, is_array: bool, status: int
) -> Response:
    """Stream values: one JSON line each, or a JSON array where the client rather has JSON.

    :param items: the values.
    :param request: Flask's request.
    :param is_array: whether a client that takes both gets an array.
    :param status: the answer's.
    :raises Exception: what making the first item raised; nothing is sent then.
    """
    offered = ["application/json", NDJSON] if is_array else [NDJSON, "application/json"]
    chosen = request.accept_mimetypes.best_match(offered, offered[0])
    if chosen == NDJSON:
        response = streamed(gathered(items, _line), request, NDJSON, status)
    else:
        blocks = gathered(items, to_json, b"[", b",", b"]")
        response = streamed(blocks, request, JSON, status)
    response.vary.add("Accept")
    return response


def gathered(
    items: Iterable[Any],
    encode: Callable[[Any], bytes],
    start: bytes = b"",
    between: bytes = b"",
    end: bytes = b"",
) -> Iterator[bytes]:
    """Gather items into blocks, none of which is empty; the first has the first item only.

    :param items: closed with the generator, where they can be closed.
    :param encode: gives the bytes of an item.
    :param start: what comes before all items.
    :param between: what comes between two.
    :param end: what comes after all.
    """
    block = bytearray(start)
    sent = float("-inf")
    separator = b""
    try:
        for item in items:
            block += separator
            block += encode(item)
            separator = between
            if len(block) >= BLOCK or (block and monotonic() - sent > PATIENCE):
                yield bytes(block)
                block.clear()
                sent = monotonic()
        block += end
        if block:
            yield bytes(block)
    finally:
        _close(items)


def streamed(blocks: Iterator[bytes], request: Request, content_type: str, status: int) -> Response:
    """Answer with blocks of bytes, made in the request's contexts while they are sent.

    The first is made at once, so that an exception until then is answered as one. A later one is
    reported and ends the connection without the end of the body, by which the client knows.

    :param blocks: a generator, which is closed when the client goes away.
    :param request: Flask's request.
    :param content_type: the answer's.
    :param status: the answer's.
    """
    first = next(blocks, b"")
    if request.method == "HEAD":
        _close(blocks)
        return Response(status=status, content_type=content_type)
    body = stream_with_context(_to_the_end(first, blocks))
    response = Response(body, status=status, content_type=content_type)
    response.call_on_close(lambda: _close(blocks))  # where the body was never asked for
    keep_uploads(request, response)
    return response


def keep_uploads(request: Request, response: Response) -> None:
    """Let the files of a request be closed with the answer that is made of them, not before."""
    if request.__dict__.get("files"):
        response.call_on_close(request.close)
        vars(request)["close"] = lambda: None


def _to_the_end(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        if first:
            yield first
        yield from blocks
    except Exception as error:
        report(error)
        raise
    finally:
        _close(blocks)


def _close(blocks: Any) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
