"""The process that :mod:`benchmarks.startup` starts: it reports when it is there, and how big.

It imports nothing that would hide what is measured.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from flask_loop import DataSource


def main(what: str, *arguments: str) -> None:
    if what == "import":
        for module in arguments:
            __import__(module)
        report()
        return
    url, count = arguments
    app, db = create_app(url, int(count))
    if what == "make":
        with app.app_context():
            db.auto_update()
        return
    report()
    from benchmarks.wsgi import Request, call

    status, _, body = call(app, Request("GET", "/api/items0").environ())
    assert (status, body) == ("200 OK", b"[]"), (status, body)
    report()


def create_app(url: str, count: int) -> tuple[Flask, DataSource]:
    """An app with `count` models of nine properties, and its data source."""
    from flask import Flask

    from flask_loop import Loop

    app = Flask(__name__)
    app.config["LOOP_DATA_SOURCES"] = {"db": {"url": url}}
    loop = Loop(app, url_prefix="/api")
    db = loop.data_source("db")
    for number in range(count):
        properties: dict[str, Any] = {
            "name": {"type": str, "required": True, "max_length": 80},
            "description": {"type": str, "max_length": 500},
            "sku": {"type": str, "required": True, "max_length": 20},
            "unit_price": {"type": float, "min": 0},
            "stock": {"type": int, "min": 0},
            "active": bool,
            "created": "Date",
            "category_id": int,
        }
        loop.model(db.create_model(f"item{number}", properties, plural=f"items{number}"))
    return app, db


def report() -> None:
    """Print the time of the system-wide clock and the resident memory in MB."""
    now = time.perf_counter()
    print(now, resident_megabytes(), flush=True)


def resident_megabytes() -> float:
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
    except FileNotFoundError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
