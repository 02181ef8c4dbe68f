"""Start-up and memory, each in fresh processes.

How to read it: ``s`` is wall time in seconds, the median of the processes, from just before a
process is started until it reaches the point; the end of the process is not in it. ``more`` is that
less the time of ``import flask``, so what Flask-Loop adds. ``first answer`` shows what the app put
off until its first request. ``MB`` is the resident memory of the process at that point.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field

from benchmarks.databases import Database

PROCESS = (sys.executable, "-m", "benchmarks.process")
BASE = "import flask"


@dataclass
class Point:
    """A point of a process's start, one value a process."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def measure(database: Database, processes: int = 5) -> dict[str, Point]:
    """Reach each point in `processes` fresh processes, taking turns."""
    starts: dict[tuple[str, ...], tuple[str, ...]] = {
        ("interpreter",): ("import",),
        (BASE,): ("import", "flask"),
        ("import flask_loop",): ("import", "flask", "flask_loop"),
    }
    for count in (1, 100):
        models = f"{count} model{'s' * (count > 1)}"
        url = database.fresh(f"models_{count}")
        start(("make", url, str(count)))
        starts[f"app with {models}", f"first answer, {models}"] = ("app", url, str(count))
    points = {name: Point() for names in starts for name in names}
    for _ in range(processes):
        for names, arguments in starts.items():
            for name, (seconds, megabytes) in zip(names, start(arguments), strict=True):
                points[name].seconds.append(seconds)
                points[name].megabytes.append(megabytes)
    return points


def start(arguments: tuple[str, ...]) -> list[tuple[float, float]]:
    """The seconds and megabytes that the process reported, at each of its points."""
    begun = time.perf_counter()
    process = subprocess.run([*PROCESS, *arguments], check=True, capture_output=True, text=True)
    reports = [line.split() for line in process.stdout.splitlines()]
    return [(float(moment) - begun, float(megabytes)) for moment, megabytes in reports]
