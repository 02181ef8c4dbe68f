"""Unpacking: the body of an answer that may be packed, a bounded part of it at a time.

A few packed bytes can be gigabytes unpacked, so that nothing unpacks more at once than is looked
at before the next.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

__all__ = ["PACKING", "NotPacked", "unpacked"]

#: The one way in which answers may be packed.
PACKING = "gzip"
#: The most bytes that are unpacked at once.
_AT_ONCE = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class NotPacked(Exception):
    """A body is not packed in the way that was asked for, or not to its end."""


def unpacked(body: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The parts of a body, as they were before they were packed.

    :param body: its parts as they come; for each of them there is at least one that is given.
    :param encoding: what the answer says of how it is packed.
    :raises NotPacked: where that is not so.
    """
    if encoding.strip().lower() in ("", "identity"):
        yield from body
        return
    if encoding.strip().lower() not in (PACKING, f"x-{PACKING}"):
        raise NotPacked(encoding)
    unpacker = None
    for part in body:
        left = part
        while left:
            if unpacker is None or unpacker.eof:  # one may follow another
                unpacker = zlib.decompressobj(_GZIP)
            try:
                yield unpacker.decompress(left, _AT_ONCE)
            except zlib.error as error:
                raise NotPacked(str(error)) from None
            left = unpacker.unconsumed_tail or unpacker.unused_data
    if unpacker is not None and not unpacker.eof:
        yield unpacker.flush()
        if not unpacker.eof:
            raise NotPacked("it is cut off")
