"""Begins a package with a connector of one's own: a copy of the example under another name.

``python scripts/new_connector.py shelf ../flask-loop-shelf`` makes the package ``flask_loop_shelf``
with the connector ``shelf``.
"""

from __future__ import annotations

import argparse
import re
import shutil
from importlib.metadata import entry_points
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "example_connector"
#: What is in the folder of somebody who built the example there.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("name", help="the connector's name, such as shelf")
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    given = parser.parse_args()
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", given.name):
        parser.error(f"{given.name!r} is no name in snake case, such as shelf or old_shelf")
    if given.name in entry_points(group="flask_loop.connectors").names:
        parser.error(f"there is a connector called {given.name!r}")
    if given.folder.exists():
        parser.error(f"{given.folder} is there already")
    copy(given.name, given.folder)


def copy(name: str, folder: Path) -> None:
    """Copy the example, and put another name in the place of its own in files and their names."""
    shutil.copytree(EXAMPLE, folder, ignore=LEFT_OUT)
    class_name = "".join(part.capitalize() for part in name.split("_"))

    def renamed(text: str) -> str:
        return text.replace("cabinet", name).replace("Cabinet", class_name)

    # What is deepest comes first, so that a folder still has its name while its files are renamed.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            path.write_text(renamed(path.read_text("utf-8")), "utf-8")
        path.rename(path.with_name(renamed(path.name)))
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (folder / "ci.yml").rename(workflows / "tests.yml")


if __name__ == "__main__":
    main()
