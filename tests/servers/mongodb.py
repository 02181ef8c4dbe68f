"""MongoDB: mongod where it is on the path, or else mongoeco, which speaks its protocol."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, PATIENCE, LocalServer, shown
from .environments import MONGODB, PROGRAMS

#: What mongoeco does otherwise than MongoDB, beside what its program adds to it.
LACKS = frozenset(
    {
        "restarts",  # records are in memory: nothing outlives the server
        "kinds",  # ranges hold for values of other kinds than the bound, too
        "parts",  # of two transactions one is over whatever else was written, be it elsewhere
        "speed",  # each of many values is looked for in every record
    }
)


class Mongodb(LocalServer):
    """A replica set of one mongod; a server of mongoeco where there is no mongod.

    :ivar lacks: what the server does otherwise than MongoDB. No test of the connector asks for the
        server's name: those that need what is named here skip.
    """

    connector = "mongodb"
    variable = "LOOP_TEST_MONGODB_URL"
    packages = "python3 (3.13 or newer), then run scripts/servers"

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._mongod = shutil.which("mongod", path=FOLDERS)
        is_real = self.given is not None or self._mongod is not None
        self.lacks: frozenset[str] = frozenset() if is_real else LACKS
        self._client: Any = None

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            return self.given
        query = {"replicaSet": "loop"} if self._mongod else {}
        return sa.URL.create("mongodb", host=LOOPBACK, port=self.port, query=query)

    def fresh(self, name: str = "test") -> str:
        database = self._beside(name)
        if self._client is None:
            self._client = self._connect()
        self._client.drop_database(database)
        return shown(self.url.set(database=database))

    def _connect(self, **options: Any) -> Any:
        import pymongo

        milliseconds = PATIENCE * 1000
        return pymongo.MongoClient(
            shown(self.url), serverSelectionTimeoutMS=milliseconds, **options
        )

    def _ask(self) -> None:
        from pymongo.errors import OperationFailure

        # The driver would wait long where nobody listens yet.
        socket.create_connection((LOOPBACK, self.port), timeout=PATIENCE).close()
        with self._connect(directConnection=True) as client:
            client.admin.command("ping")
            if self._mongod and self.given is None:
                member = {"_id": 0, "host": f"{LOOPBACK}:{self.port}"}
                with suppress(OperationFailure):  # it is one already
                    client.admin.command("replSetInitiate", {"_id": "loop", "members": [member]})
        with self._connect() as client:
            client.admin.command("hello")

    def _forget(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _find(self) -> bool:
        return self._mongod is not None or (MONGODB / "ready").exists()

    def _prepare(self) -> None:
        (self.folder / "data").mkdir()

    def _command(self) -> Sequence[str | Path]:
        if self._mongod is None:
            return [MONGODB / "bin/python", PROGRAMS / "mongodb_server.py", str(self.port)]
        return [
            self._mongod,
            *("--dbpath", self.folder / "data", "--port", str(self.port)),
            *("--bind_ip", LOOPBACK, "--replSet", "loop", "--wiredTigerCacheSizeGB", "0.25"),
        ]
