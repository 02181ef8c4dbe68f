"""What all servers have: their life, their folder and their log."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ClassVar

import sqlalchemy as sa

#: Below those that the kernel gives to outgoing connections.
PORTS = range(20000, 30000)
LOOPBACK = "127.0.0.1"

#: The most seconds that a server may take to start, and to end before it is killed.
PATIENCE = 40

FOLDERS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class Missing(Exception):
    """There is no such server here; the text says how to get one."""


class Server(ABC):
    """A database server.

    :param worker: the name of the process that tests, so that several share a server that is named.
    """

    #: The connector that speaks to it.
    connector: ClassVar[str]
    #: The variable with the URL of one that runs already.
    variable: ClassVar[str]

    def __init__(self, worker: str = "main") -> None:
        given = os.environ.get(self.variable)
        self.given = sa.make_url(given) if given else None
        self.worker = worker

    @abstractmethod
    def fresh(self, name: str = "test") -> str:
        """The URL of an empty database: a new one, or one of that name without what was in it.

        Connections that somebody still has to it are no obstacle: they may be ended.

        :param name: tells databases apart that are used at the same time.
        """

    @abstractmethod
    def start(self) -> None:
        """Have the server run.

        :raises Missing: where there is none.
        """

    def remove(self) -> None:
        """End the server where it was started here, and delete what it had."""

    @property
    def log(self) -> str:
        """What the server wrote since it was asked last."""
        return ""


class LocalServer(Server):
    """A server that is started here, unless the variable names one."""

    #: The packages of Debian and Ubuntu that have it.
    packages: ClassVar[str]
    #: Ends it in good order.
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._logged = 0
        self.port = 0
        # Whoever took the port in between does not know it.
        self.password = secrets.token_hex(8)

    # What each has of its own

    @abstractmethod
    def _find(self) -> bool:
        """Find the programs, and say whether they are here."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs in its folder."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def _ask(self) -> None:
        """Connect, or raise an error of the driver."""

    def _forget(self) -> None:
        """Close the connections to a server that ends."""

    def _identity(self) -> dict[str, Any]:
        """Who runs the server, where that is not the user who tests."""
        return {}

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    # Its life

    @property
    def is_own(self) -> bool:
        """Whether it is started here, and so may be stopped, killed and started again."""
        return self.given is None

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError(f"{self.connector} was not started")
        return self._folder

    def start(self) -> None:
        """Start the server, unless it runs; again with the same port and data.

        :raises Missing: where its programs are not here.
        :raises RuntimeError: with its log, where it ends or does not answer in time.
        """
        if not self.is_own or self.is_running:
            return
        if self._folder is None:
            self._make()
        else:
            self._launch()

    def stop(self) -> None:
        """End the server in good order; kill it where it takes too long."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server and all its processes at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again, with the same port and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End the server, and delete what it had."""
        self._forget()
        if self._folder is not None:
            self.stop()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote since it was asked last."""
        if self._folder is None or not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(self._logged)
            text = file.read()
            self._logged = file.tell()
        return text.decode(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _make(self) -> None:
        if not self._find():
            raise Missing(
                f"{self.connector} has no server here; on Debian and Ubuntu: apt-get install "
                f"{self.packages}, or set {self.variable} to the URL of one"
            )
        self._folder = Path(tempfile.mkdtemp(prefix=f"loop-{self.connector}-"))
        try:
            self._give_folder_away()
            self._prepare()
            self._launch_on_free_port()
        except BaseException:
            self.remove()
            raise

    def _give_folder_away(self) -> None:
        identity = self._identity()
        if identity:
            os.chown(self.folder, identity["user"], identity["group"])

    def _launch_on_free_port(self) -> None:
        for attempts_left in (2, 1, 0):
            self.port = free_port()
            try:
                self._launch()
            except RuntimeError:
                # Somebody else may have taken the port meanwhile.
                if not attempts_left:
                    raise
            else:
                return

    def _launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(each) for each in self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
                **self._identity(),
            )
        self._keeper = keeper_of(self._process.pid, self.folder)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        deadline = monotonic() + PATIENCE
        while True:
            try:
                self._ask()
            except Exception as error:
                if not self.is_running or monotonic() > deadline:
                    raise RuntimeError(
                        f"{self.connector} did not start: {error}\n{self.log}"
                    ) from error
                sleep(0.02)
            else:
                return

    def _end(self, with_signal: int) -> None:
        if not self.is_own:
            raise RuntimeError(f"{self.variable} names a server that is not ours to end")
        self._forget()
        process, keeper = self._process, self._keeper
        self._process = self._keeper = None
        if process is None:
            return
        if with_signal == signal.SIGKILL:
            process.send_signal(signal.SIGSTOP)  # it starts no more of them
            children = children_of(process.pid)
            process.kill()
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            # The server does not start again while one of them has its memory.
            wait_until_gone(children)
        else:
            process.send_signal(with_signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if keeper is not None:
            keeper.communicate(b"done\n")

    def _run(self, *command: str | Path, **options: Any) -> None:
        """Run a program that prepares the server."""
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
            cwd=self.folder,
            env=self._environment(),
            **options,
            **self._identity(),
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}")

    def _beside(self, name: str) -> str:
        """The name of a database: beside the one that a URL names, or on a server of our own."""
        if self.given is None:
            return f"loop_{name}"
        return f"{self.given.database or 'loop'}_{name}_{self.worker}"


def shown(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def version_of(folder: Path) -> list[int]:
    """The version in a path such as ``/usr/lib/postgresql/15/bin``."""
    numbers = [part.split(".") for part in folder.parts if part.replace(".", "").isdigit()]
    return [int(each) for each in numbers[-1]] if numbers else []


def free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def children_of(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may have spaces.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(pids: Sequence[int]) -> None:
    deadline = monotonic() + PATIENCE
    while any(map(is_alive, pids)) and monotonic() < deadline:
        sleep(0.01)


def keeper_of(pid: int, folder: Path) -> subprocess.Popen[bytes]:
    """A process that ends a server and deletes its folder when we are gone without having done so.

    It waits for a line; where there is none, the other end of its pipe was closed.
    """
    script = """
        read -r line && exit
        kill -KILL "$1"
        for attempt in 1 2 3 4 5; do
            sleep 1
            rm -rf -- "$2" && exit
        done
    """
    return subprocess.Popen(
        ["sh", "-c", script, "keeper", str(pid), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
