"""Write the lowest versions that setup.cfg allows, as constraints for pip.

::

    python scripts/lower_bounds.py FILE
"""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[\w-]+)(?:\[\w+\])? >= (?P<version>[\w.]+)")


def lower_bounds(setup: ConfigParser) -> list[str]:
    groups = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    return [pinned(line) for group in groups for line in group.strip().splitlines()]


def pinned(requirement: str) -> str:
    match = REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise ValueError(f"{requirement!r} in setup.cfg is not written as 'name >= version'.")
    return f"{match['name']}=={match['version']}"


def main(target: Path) -> None:
    setup = ConfigParser()
    setup.read("setup.cfg")
    target.write_text("\n".join(lower_bounds(setup)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
