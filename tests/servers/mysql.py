"""MariaDB."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, PATIENCE, LocalServer, shown

_CONNECTIONS = "SELECT id FROM information_schema.processlist WHERE db = %s"


class Mysql(LocalServer):
    """MariaDB; a MySQL where the variable names one."""

    connector = "mysql"
    variable = "LOOP_TEST_MYSQL_URL"
    packages = "mariadb-server"

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._connection: Any = None

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            return self.given.set(drivername="mysql+pymysql")
        return sa.URL.create("mysql+pymysql", "loop", self.password, host=LOOPBACK, port=self.port)

    def fresh(self, name: str = "test") -> str:
        database = self._beside(name)
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.cursor() as cursor:
            cursor.execute(_CONNECTIONS, [database])
            for (connection,) in cursor.fetchall():
                # It may have ended by itself.
                with suppress(self._errors):
                    cursor.execute(f"KILL {connection}")
            # Without a warning of what is not there.
            cursor.execute("SHOW DATABASES LIKE %s", [database.replace("_", r"\_")])
            if cursor.fetchone():
                cursor.execute(f"DROP DATABASE `{database}`")
            cursor.execute(f"CREATE DATABASE `{database}`")
        return shown(self.url.set(database=database))

    def _connect(self) -> Any:
        import pymysql

        url = self.url
        return pymysql.connect(
            host=url.host,
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            database=url.database,
            autocommit=True,
            connect_timeout=PATIENCE,
            read_timeout=PATIENCE,
        )

    @property
    def _errors(self) -> Any:
        import pymysql

        return pymysql.MySQLError

    def _ask(self) -> None:
        self._connect().close()

    def _forget(self) -> None:
        if self._connection is not None:
            with suppress(self._errors):
                self._connection.close()
            self._connection = None

    def _find(self) -> bool:
        names = ("mariadbd", "mariadb-install-db")
        self._server, self._installer = (shutil.which(name, path=FOLDERS) for name in names)
        return None not in (self._server, self._installer)

    def _prepare(self) -> None:
        # A server that starts clears its folder for temporary files of those of others.
        (self.folder / "temporary").mkdir()
        self._run(
            str(self._installer),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}/temporary",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._as_user,
        )
        (self.folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS 'loop'@'{LOOPBACK}' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO 'loop'@'{LOOPBACK}' WITH GRANT OPTION;\n"
        )

    def _command(self) -> Sequence[str | Path]:
        # What is committed goes to the kernel at once: it outlives being killed, though not a
        # power cut.
        return [
            str(self._server),
            "--no-defaults",
            *self._as_user,
            f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}/temporary",
            f"--bind-address={LOOPBACK}",
            f"--port={self.port}",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            f"--init-file={self.folder}/init.sql",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=64M",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            "--max-connections=200",
        ]

    @property
    def _as_user(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []
