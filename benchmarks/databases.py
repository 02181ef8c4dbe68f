"""The databases that the benchmarks run on: of each contestant an empty one, by its URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

from benchmarks import products
from tests import servers


class Database(ABC):
    """One kind of database.

    :ivar title: how people call it.
    :ivar rows: how many products each contestant has in one.
    """

    title: str

    #: The driver that it is reached by.
    driver: ClassVar[str]
    #: The packages that it takes, where they are not Python's own.
    packages: ClassVar[tuple[str, ...]] = ()
    #: Whether the records around the products are measured there, and so hooks and tokens.
    related: ClassVar[bool] = False
    #: Whose answers are compared, and who is measured.
    contestants: ClassVar[tuple[str, ...]] = ("driver", "loop")
    rows: int = products.ROWS

    @classmethod
    @abstractmethod
    def running(cls) -> AbstractContextManager[Self]:
        """The databases, which are gone after the block; so is a server that began with it."""

    @abstractmethod
    def fresh(self, name: str) -> str:
        """The URL of an empty database.

        :param name: tells databases apart that are used at the same time.
        """


class SqlDatabase(Database):
    """One that SQLAlchemy knows."""

    related = True
    contestants = ("driver", "core", "loop")


class Sqlite(SqlDatabase):
    """Files in a folder.

    :param folder: the folder.
    """

    title = "SQLite"
    driver = "sqlite3"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        with TemporaryDirectory() as folder:
            yield cls(Path(folder))

    def fresh(self, name: str) -> str:
        path = self._folder / f"{name}.sqlite"
        path.unlink(missing_ok=True)
        return f"sqlite:///{path}"


class OnServer(Database):
    """Databases of a server: of one of its own on loopback, or of the one that a variable names.

    :param server: the server, which runs.
    """

    Server: ClassVar[type[servers.Server]]

    def __init__(self, server: Any) -> None:
        self._server = server

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        server = cls.Server("bench")
        try:
            server.start()
            yield cls(server)
        finally:
            server.remove()

    def fresh(self, name: str) -> str:
        return str(self._server.fresh(name))


class Postgresql(OnServer, SqlDatabase):
    """Databases of a PostgreSQL server."""

    title = "PostgreSQL"
    driver = "psycopg"
    packages = ("psycopg",)

    class Server(servers.Postgresql):
        """One that the tests need not have."""

        variable = "LOOP_BENCH_POSTGRESQL_URL"

    def fresh(self, name: str) -> str:
        return super().fresh(name).replace("+psycopg", "", 1)


class Mongodb(OnServer):
    """Databases of a MongoDB server, or of the compatible one of the tests."""

    title = "MongoDB"
    driver = "pymongo"
    packages = ("pymongo", "mongoengine")

    class Server(servers.Mongodb):
        """One that the tests need not have."""

        variable = "LOOP_BENCH_MONGODB_URL"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        if server.lacks:
            self.title = "a server compatible with MongoDB"
            self.rows = 500  # ten thousand would take it minutes


class Redis(OnServer):
    """Databases of a Redis server, which have numbers: those from the one that a variable names."""

    title = "Redis"
    driver = "redis-py"
    packages = ("redis",)

    class Server(servers.Redis):
        """One that the tests need not have."""

        variable = "LOOP_BENCH_REDIS_URL"

        def fresh(self, name: str = "test") -> str:
            if self.given is None:
                return super().fresh(name)
            number = self._numbers.setdefault(name, len(self._numbers))
            database = int(self.given.database or 0) + number
            url = self.given.set(database=str(database)).render_as_string(hide_password=False)
            with self._connect(url) as client:
                client.flushdb()
            return url


DATABASES: dict[str, type[Sqlite | Postgresql | Mongodb | Redis]] = {
    "sqlite": Sqlite,
    "postgresql": Postgresql,
    "mongodb": Mongodb,
    "redis": Redis,
}
