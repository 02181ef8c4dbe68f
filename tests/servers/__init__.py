"""Database servers for the tests, each with a folder and a port of its own.

:class:`Postgresql`, :class:`Mysql` (a MariaDB), :class:`Firebird` and :class:`Redis` start a server
on loopback, as root or as another user, and end it; so do :class:`Mongodb` and :class:`Couchdb`,
which are compatible servers where the real ones are not here: their ``lacks`` says what these do
otherwise. An environment variable with a URL takes the place of each, such as
``LOOP_TEST_POSTGRESQL_URL``. :class:`Oracle` runs only where ``LOOP_TEST_ORACLE_URL`` names one.
"""

from collections.abc import Iterator

from .base import LocalServer, Missing, Server
from .couchdb import Couchdb
from .firebird import Firebird
from .mongodb import Mongodb
from .mysql import Mysql
from .oracle import Oracle
from .postgresql import Postgresql
from .redis import Redis

SQL_SERVERS: dict[str, type[Server]] = {
    each.connector: each for each in (Postgresql, Mysql, Firebird, Oracle)
}
SERVERS: dict[str, type[Server]] = {
    **SQL_SERVERS,
    **{each.connector: each for each in (Mongodb, Redis, Couchdb)},
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
    "SQL_SERVERS",
    "Couchdb",
    "Firebird",
    "LocalServer",
    "Missing",
    "Mongodb",
    "Mysql",
    "Oracle",
    "Postgresql",
    "Redis",
    "Server",
    "Servers",
]
