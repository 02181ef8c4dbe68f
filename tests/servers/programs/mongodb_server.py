"""A server of MongoDB's protocol, in memory: ``python mongodb_server.py PORT [USER PASSWORD]``.

It runs in an environment of its own, as mongoeco needs another Python than the tests. What it lacks
of MongoDB is added here where that is short, so that what asks for it can be tested: circles on the
globe, dates outside of Python's years, and the codes of some errors. An integer is looked for among
the ids as it is, where mongoeco would read every document for each that is stored.
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from typing import Any

from bson import BSON
from bson.codec_options import CodecOptions, DatetimeConversion
from mongoeco.core import codec, query_plan
from mongoeco.engines import memory
from mongoeco.wire import AsyncMongoEcoProxyServer, executor, protocol
from mongoeco.wire.auth import WireAuthUser


class Circle:
    """``{"$centerSphere": [[lng, lat], radians]}``, in the place of a box."""

    def __init__(self, centre: Any, radius: float) -> None:
        self.lng, self.lat = map(math.radians, centre)
        self.radius = radius

    def covers(self, point: Any) -> bool:
        lng, lat = math.radians(point.x), math.radians(point.y)
        height, width = math.sin((lat - self.lat) / 2), math.sin((lng - self.lng) / 2)
        chord = height**2 + math.cos(lat) * math.cos(self.lat) * width**2
        return 2 * math.asin(math.sqrt(min(1.0, chord))) <= self.radius


def add_circles() -> None:
    compile_condition, parse_box = query_plan._compile_field_condition, query_plan.parse_geo_box

    def with_circles(field: str, condition: Any, *arguments: Any, **named: Any) -> Any:
        within = condition.get("$geoWithin") if isinstance(condition, dict) else None
        if isinstance(within, dict) and "$centerSphere" in within:
            circle = Circle(*within["$centerSphere"])
            condition = {**condition, "$geoWithin": {"$box": circle}}
        return compile_condition(field, condition, *arguments, **named)

    def box_or_circle(value: Any, **named: Any) -> Any:
        return value if isinstance(value, Circle) else parse_box(value, **named)

    query_plan._compile_field_condition = with_circles
    query_plan.parse_geo_box = box_or_circle


class AnyYear(BSON):
    """BSON whose dates may be of any year."""

    OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )

    def decode(self, *arguments: Any, **named: Any) -> Any:
        return super().decode(self.OPTIONS)


#: What errors are told by, and what else MongoDB says of them.
ERRORS: dict[str, dict[str, Any]] = {
    "Authentication failed": {"code": 18, "codeName": "AuthenticationFailed"},
    "Authentication required": {"code": 13, "codeName": "Unauthorized"},
    "Write conflict": {
        "code": 112,
        "codeName": "WriteConflict",
        "errorLabels": ["TransientTransactionError"],
    },
}


def add_codes() -> None:
    build = executor.build_error_document

    def with_codes(error: Exception) -> dict[str, Any]:
        document = build(error)
        for start, more in ERRORS.items():
            if document["errmsg"].startswith(start):
                return {**more, **document}
        return document

    executor.build_error_document = with_codes


def hasten_ids() -> None:
    may_have_other_forms = memory.id_contains_numeric_value
    ensure = memory.MemoryEngine._ensure_unique_indexes

    def is_other_than_integer(value: Any) -> bool:
        return type(value) is not int and bool(may_have_other_forms(value))

    def without_scan(self: Any, *arguments: Any, **named: Any) -> None:
        if type(arguments[2].get("_id")) is int:
            named["scan_payload_id"] = False
        ensure(self, *arguments, **named)

    memory.id_contains_numeric_value = is_other_than_integer
    memory.MemoryEngine._ensure_unique_indexes = without_scan


async def main(port: str, *credentials: str) -> None:
    users = (WireAuthUser(*credentials),) if credentials else ()
    server = AsyncMongoEcoProxyServer(host="127.0.0.1", port=int(port), auth_users=users)
    await server.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    await ended.wait()
    await server.close()


add_circles()
add_codes()
protocol.BSON = AnyYear
codec._InternalBsonBinary = codec.Binary  # it finds no bytes where they are of a class of its own
hasten_ids()
asyncio.run(main(*sys.argv[1:]))
