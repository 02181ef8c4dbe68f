"""Run the benchmarks: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import core_floor, driver_floor, loop_app, startup, workload
from benchmarks.databases import DATABASES, Database
from benchmarks.products import products
from tests.servers import Missing

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CONTESTANTS = {
    "driver": driver_floor.create_app,
    "core": core_floor.create_app,
    "loop": loop_app.create_app,
}
TITLES = {
    "driver": "{driver} + orjson",
    "core": "Core + Marshmallow + jsonify",
    "loop": "Flask-Loop",
}
PACKAGES = ("flask", "werkzeug", "sqlalchemy", "marshmallow", "orjson")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--db", choices=DATABASES, default="sqlite", help="the database (default: sqlite)"
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds counted (default: 15)")
    parser.add_argument("--batch", type=int, default=200, help="requests a batch (default: 200)")
    parser.add_argument("--products", type=int, help="of each contestant (default: 10000)")
    parser.add_argument(
        "--processes", type=int, default=5, help="fresh starts, or 0 for none (default: 5)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value to FILE")
    options = parser.parse_args()
    console = Console()

    try:
        with DATABASES[options.db].running() as database:
            database.rows = options.products or database.rows
            results = requests(console, database, options.rounds, options.batch)
            console.print(requests_table(results, database))
            points = startup.measure(database, options.processes) if options.processes else {}
            if points:
                console.print(startup_table(points))
    except Missing as missing:
        parser.exit(1, f"{missing}\n")
    if options.json:
        options.json.write_bytes(document(database, results, points))


def requests(console: Console, database: Database, rounds: int, batch: int) -> workload.Results:
    """Make the contestants' databases, compare their answers before and after, and measure."""
    with Progress(console=console) as progress:
        task = progress.add_task("Requests", total=rounds + 1)
        count, related = database.rows, database.related
        rows = list(products(count))
        apps: dict[str, WSGIApplication] = {
            name: CONTESTANTS[name](database.fresh(name), rows, related=related)
            for name in database.contestants
        }
        compared = workload.check_answers(apps, seed=1, rows=count, related=related)
        results = workload.measure(
            apps,
            rounds=rounds,
            batch=batch,
            products=count,
            related=related,
            progress=lambda: progress.advance(task),
        )
        compared += workload.check_answers(apps, seed=2, rows=count, related=related)
    console.print(f"{compared} answers compared: all contestants agree.")
    return results


def requests_table(results: workload.Results, database: Database) -> Table:
    table = Table(
        title=f"CPU time per request, in process, {database.title}: µs (lowest-highest round)"
    )
    table.add_column("")
    for name in database.contestants:
        table.add_column(TITLES[name].format(driver=database.driver), justify="right")
        if name != workload.FLOOR:
            table.add_column("×", justify="right")
    for row, measured in results.items():
        cells = [row]
        for name, its in measured.items():
            cells.append(f"{its.median:.0f} ({min(its.rounds):.0f}-{max(its.rounds):.0f})")
            if name != workload.FLOOR:
                cells.append(f"{its.ratio(measured[workload.FLOOR]):.2f}")
        table.add_row(*cells)
    return table


def startup_table(points: dict[str, startup.Point]) -> Table:
    table = Table(title="Start of a fresh process")
    table.add_column("")
    for heading in ("s", "more", "MB"):
        table.add_column(heading, justify="right")
    base = median(points[startup.BASE].seconds)
    for name, point in points.items():
        taken = median(point.seconds)
        more = f"{taken - base:.3f}" if taken > base else ""
        table.add_row(name, f"{taken:.3f}", more, f"{median(point.megabytes):.0f}")
    return table


def document(
    database: Database, results: workload.Results, points: dict[str, startup.Point]
) -> bytes:
    """Every value that was measured, in µs, seconds and MB, and what it was measured with."""
    data: dict[str, Any] = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in (*PACKAGES, *database.packages)},
        "database": database.title,
        "requests": {
            row: {
                name: {
                    "median": its.median,
                    "ratio": its.ratio(measured[workload.FLOOR]),
                    "rounds": its.rounds,
                }
                for name, its in measured.items()
            }
            for row, measured in results.items()
        },
        "startup": {
            name: {"seconds": point.seconds, "megabytes": point.megabytes}
            for name, point in points.items()
        },
    }
    return orjson.dumps(data, option=orjson.OPT_INDENT_2)


if __name__ == "__main__":
    main()
