"""PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, PATIENCE, LocalServer, Missing, shown, version_of


class Postgresql(LocalServer):
    """PostgreSQL, with PostGIS for those who ask for it."""

    connector = "postgresql"
    variable = "LOOP_TEST_POSTGRESQL_URL"
    packages = "postgresql-postgis"
    stop_signal = signal.SIGINT

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._connections: dict[str, Any] = {}

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            database = self.given.database or "postgres"
            return self.given.set(drivername="postgresql+psycopg", database=database)
        return sa.URL.create(
            "postgresql+psycopg",
            "postgres",
            self.password,
            host=LOOPBACK,
            port=self.port,
            database="postgres",
        )

    def fresh(self, name: str = "test") -> str:
        database = self._beside(name)
        if database not in self._connections:
            self._make_database(database)
        self._connection(database).execute(_EMPTY_POSTGRESQL)
        return shown(self.url.set(database=database))

    def fresh_with_postgis(self, name: str = "postgis") -> str:
        """The URL of an empty database that has the extension PostGIS.

        :raises Missing: where PostgreSQL does not have it.
        """
        url = self.fresh(name)
        connection = self._connection(self._beside(name))
        known = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
        if connection.execute(known).fetchone() is None:
            raise Missing(
                f"PostgreSQL has no PostGIS; on Debian and Ubuntu: apt-get install {self.packages}"
            )
        connection.execute("CREATE EXTENSION postgis")
        return url

    def _make_database(self, database: str) -> None:
        root = self._connection(str(self.url.database))
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        if root.execute(known, [database]).fetchone() is None:
            root.execute(f'CREATE DATABASE "{database}" TEMPLATE template0')

    def _connection(self, database: str) -> Any:
        if database not in self._connections:
            self._connections[database] = self._connect(database)
        return self._connections[database]

    def _connect(self, database: str) -> Any:
        import psycopg

        url = self.url.set(drivername="postgresql", database=database)
        return psycopg.connect(shown(url), autocommit=True, connect_timeout=PATIENCE)

    def _ask(self) -> None:
        self._connect(str(self.url.database)).close()

    def _forget(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _find(self) -> bool:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version_of, reverse=True)
        found = shutil.which("postgres", path=os.pathsep.join([*map(str, folders), FOLDERS]))
        self._programs = Path(found or "").parent
        return found is not None

    def _prepare(self) -> None:
        password = self.folder / "password"
        password.write_text(f"{self.password}\n")
        self._run(
            self._programs / "initdb",
            *("--pgdata", self.folder / "data"),
            *("--username", "postgres", "--pwfile", password, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )

    def _command(self) -> Sequence[str | Path]:
        # Without fsync it outlives being killed, though not a power cut.
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "autovacuum": "off",
            "max_connections": "200",
        }
        options = [word for item in settings.items() for word in ("-c", "=".join(item))]
        data = self.folder / "data"
        return [self._programs / "postgres", "-D", data, "-p", str(self.port), *options]

    def _identity(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        # PostgreSQL refuses to run as root.
        user = pwd.getpwnam("postgres")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


_EMPTY_POSTGRESQL = r"""
DO $$
DECLARE each name;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR each IN SELECT nspname FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', each);
    END LOOP;
    CREATE SCHEMA public;
END $$
"""
