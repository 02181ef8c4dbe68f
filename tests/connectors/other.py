"""The other app of the tests of the remote connector, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

from tests.connectors.other_app import LOOPBACK
from tests.servers.base import free_port

ROOT = Path(__file__).parents[2]


class OtherApp:
    """A process that serves it.

    :param folder: where its records are kept, if they are to outlive the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = [] if folder is None else [str(folder)]
        self._process: subprocess.Popen[str] | None = None
        # No connection to it may be given its port while it is away.
        self.port = free_port()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/api"

    def start(self) -> None:
        """Start it, on the port that it had."""
        command = [sys.executable, "-m", "tests.connectors.other_app", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{self.port}\n"

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def reset(self) -> None:
        """Let it have no records but its user."""
        self._ask("POST", "/reset")

    def log(self) -> list[dict[str, Any]]:
        """What it was asked since this was last read."""
        log: list[dict[str, Any]] = self._ask("GET", "/log")
        return log

    def asked(self) -> list[str]:
        """The verbs and paths of what it was asked, likewise."""
        return [f"{each['method']} {each['path']}" for each in self.log()]

    def filters(self) -> list[Any]:
        """The filters and wheres of that."""
        found = [each["query"].get("filter") or each["query"].get("where") for each in self.log()]
        return [None if text is None else json.loads(text) for text in found]

    def _ask(self, verb: str, path: str) -> Any:
        request = Request(f"http://{LOOPBACK}:{self.port}{path}", method=verb)
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
