"""Database servers for the tests: real ones, each with a folder and a port of its own.

:class:`Postgresql`, :class:`Mysql` (a MariaDB) and :class:`Firebird` start a server on loopback, as
root or as another user, and end it. An environment variable with a URL takes its place:
``LOOP_TEST_POSTGRESQL_URL``, ``LOOP_TEST_MYSQL_URL``, ``LOOP_TEST_FIREBIRD_URL``. :class:`Oracle`
runs only where ``LOOP_TEST_ORACLE_URL`` names one.
"""

from collections.abc import Iterator

from .base import LocalServer, Missing, Server
from .firebird import Firebird
from .mysql import Mysql
from .oracle import Oracle
from .postgresql import Postgresql

SERVERS: dict[str, type[Server]] = {
    each.connector: each for each in (Postgresql, Mysql, Firebird, Oracle)
}


class Servers:
    """The servers of one process that tests, each started when it is first asked for.

    :param worker: the name of the process.
    """

    def __init__(self, worker: str = "main") -> None:
        self._worker = worker
        self._started: dict[str, Server] = {}

    def get(self, name: str) -> Server:
        """A server that runs.

        :param name: the name of its connector.
        :raises Missing: where there is none.
        """
        server = self._started.get(name)
        if server is None:
            server = SERVERS[name](self._worker)
            server.start()
            self._started[name] = server
        return server

    def logs(self) -> Iterator[tuple[str, str]]:
        """What each server wrote since it was asked last, under its name."""
        for name, server in self._started.items():
            if text := server.log:
                yield name, text

    def remove(self) -> None:
        """End those that were started here."""
        for server in self._started.values():
            server.remove()
        self._started.clear()


__all__ = [
    "SERVERS",
    "Firebird",
    "LocalServer",
    "Missing",
    "Mysql",
    "Oracle",
    "Postgresql",
    "Server",
    "Servers",
]
