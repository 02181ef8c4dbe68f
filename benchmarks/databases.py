"""The databases that the benchmarks run on: of each contestant an empty one, by its URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from tests import servers


class Database(ABC):
    """One kind of database."""

    #: How people call it.
    title: ClassVar[str]
    #: The driver that it is reached by.
    driver: ClassVar[str]
    #: The package that has it, where it is not Python's own.
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fresh(self, name: str) -> str:
        """The URL of an empty database.

        :param name: tells databases apart that are used at the same time.
        """


class Sqlite(Database):
    """Files in a folder.

    :param folder: the folder.
    """

    title = "SQLite"
    driver = "sqlite3"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Sqlite]:
        """The databases, which are gone after the block."""
        with TemporaryDirectory() as folder:
            yield cls(Path(folder))

    def fresh(self, name: str) -> str:
        path = self._folder / f"{name}.sqlite"
        path.unlink(missing_ok=True)
        return f"sqlite:///{path}"


class Postgresql(Database):
    """Databases of a server.

    :param server: the server, which runs.
    """

    title = "PostgreSQL"
    driver = "psycopg"
    packages = ("psycopg",)

    class Server(servers.Postgresql):
        """A server of its own on loopback, or the one that a variable names."""

        variable = "LOOP_BENCH_POSTGRESQL_URL"

    def __init__(self, server: servers.Postgresql) -> None:
        self._server = server

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Postgresql]:
        """The databases; the server ends with the block, where it began with it."""
        server = cls.Server("bench")
        try:
            server.start()
            yield cls(server)
        finally:
            server.remove()

    def fresh(self, name: str) -> str:
        return self._server.fresh(name).replace("+psycopg", "", 1)


DATABASES: dict[str, type[Sqlite | Postgresql]] = {"sqlite": Sqlite, "postgresql": Postgresql}
