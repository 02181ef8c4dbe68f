"""The type checker, with what it has found out about the package before."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CACHE = ROOT / ".mypy_cache"


def type_errors(*arguments: str | Path, folder: Path) -> list[str]:
    """What ``mypy --strict`` says of files or packages: lines with the path, the line and the text.

    :param arguments: what it is given.
    :param folder: an empty one, for what it remembers.
    """
    _copy_cache(folder)
    options = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", folder, "--strict")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--no-error-summary", *arguments],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


def _copy_cache(folder: Path) -> None:
    """Another process may be writing the one of the project."""
    for file in _CACHE.rglob("*.db"):
        copy = folder / file.relative_to(_CACHE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
