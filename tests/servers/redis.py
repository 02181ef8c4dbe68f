"""Redis."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, LocalServer, shown

#: How many databases a server of ours has.
DATABASES = 64


class Redis(LocalServer):
    """Redis; of one that the variable names, the database that it names is emptied."""

    connector = "redis"
    variable = "LOOP_TEST_REDIS_URL"
    packages = "redis-server"

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._numbers: dict[str, int] = {}
        self._client: Any = None

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            return self.given
        return sa.URL.create("redis", "default", self.password, host=LOOPBACK, port=self.port)

    def fresh(self, name: str = "test") -> str:
        number = self._numbers.setdefault(name, len(self._numbers))
        url = shown(self.url if self.given is not None else self.url.set(database=str(number)))
        with self._connect(url) as client:
            client.flushdb()
        return url

    def _connect(self, url: str) -> Any:
        import redis

        return redis.Redis.from_url(url, socket_timeout=20)

    def _ask(self) -> None:
        with self._connect(shown(self.url)) as client:
            client.ping()

    def _find(self) -> bool:
        self._program = shutil.which("redis-server", path=FOLDERS)
        return self._program is not None

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str | Path]:
        # Each write is in the file before it is answered: it outlives being killed.
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": str(self.folder),
            "databases": str(DATABASES),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",
            "requirepass": self.password,
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(self._program), *options]
