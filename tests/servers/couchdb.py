"""CouchDB: a server that speaks its protocol, express-pouchdb, or one that the variable names."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, PATIENCE, LocalServer, shown
from .environments import COUCHDB, PROGRAMS

#: Of CouchDB, where a URL has none.
PORT = 5984


class Couchdb(LocalServer):
    """express-pouchdb, whose databases are in memory; CouchDB itself where the variable names one.

    :ivar lacks: what it does otherwise than CouchDB. No test of a connector asks for the server's
        name: those that need what is named here skip.
    """

    connector = "couchdb"
    variable = "LOOP_TEST_COUCHDB_URL"
    packages = "nodejs npm, then run scripts/servers"

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self.lacks: frozenset[str] = frozenset() if self.given is not None else LACKS

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            return self.given
        return sa.URL.create("http", "admin", self.password, host=LOOPBACK, port=self.port)

    def fresh(self, name: str = "test") -> str:
        url = self.url.set(database=self._beside(name))
        for method, path in (("DELETE", url.database), ("PUT", url.database)):
            status = self._send(method, f"/{path}")
            if status >= 400 and method == "PUT":
                raise RuntimeError(f"couchdb answers {method} /{path} with {status}")
        return shown(url)

    def _ask(self) -> None:
        status = self._send("GET", "/")
        if status != 200:
            raise RuntimeError(f"couchdb answers with {status}")

    def _send(self, method: str, path: str) -> int:
        """Ask the server, and give the status of the answer."""
        url = self.url
        is_tls = url.drivername.endswith("https")
        kind = HTTPSConnection if is_tls else HTTPConnection
        pair = b64encode(f"{url.username or ''}:{url.password or ''}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Length": "0"}
        with closing(kind(str(url.host), url.port or PORT, timeout=PATIENCE)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def _find(self) -> bool:
        self._node = shutil.which("node", path=FOLDERS)
        return self._node is not None and (COUCHDB / "ready").exists()

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str | Path]:
        program = PROGRAMS / "couchdb_server.js"
        # Without this, JavaScript takes a key of that name for something else.
        options = ["--disable-proto=delete"]
        arguments = [str(self.port), "admin", self.password, self.folder]
        return [str(self._node), *options, program, *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "NODE_PATH": str(COUCHDB / "node_modules")}


#: What express-pouchdb does otherwise than CouchDB 3.
LACKS = frozenset(
    {
        "bookmarks",  # answers of _find have none
        "restarts",  # databases are in memory: nothing outlives the server
        "exact integers",  # JavaScript's numbers: exact up to 2**53
    }
)
