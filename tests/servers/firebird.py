"""Firebird."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from .base import FOLDERS, LOOPBACK, LocalServer, shown, version_of


class Firebird(LocalServer):
    """Firebird, with a configuration and users of its own."""

    connector = "firebird"
    variable = "LOOP_TEST_FIREBIRD_URL"
    packages = "firebird3.0-server firebird3.0-utils libfbclient2"

    def __init__(self, worker: str = "main") -> None:
        super().__init__(worker)
        self._files: dict[str, Path] = {}
        self._made = 0

    @property
    def url(self) -> sa.URL:
        if self.given is not None:
            return self.given.set(drivername="firebird+firebird")
        return sa.URL.create(
            "firebird+firebird",
            "SYSDBA",
            self.password,
            host=LOOPBACK,
            port=self.port,
            query={"charset": "UTF8"},
        )

    def fresh(self, name: str = "test") -> str:
        if not self.is_own:
            database = self._beside(name)
            self._create(database, overwrite=True)
            return shown(self.url.set(database=database))
        # A file that is copied is there sooner than one that Firebird makes, and a new name needs
        # no wait for connections to the old one.
        self._made += 1
        file = self.folder / "databases" / f"{name}-{self._made}.fdb"
        shutil.copyfile(self._template, file)
        if name in self._files:
            self._files[name].unlink()
        self._files[name] = file
        return shown(self.url.set(database=str(file)))

    def _create(self, database: str, *, overwrite: bool = False) -> None:
        from firebird.driver import create_database

        create_database(
            f"{self.url.host}/{self.url.port or 3050}:{database}",
            user=self.url.username,
            password=self.url.password,
            charset="UTF8",
            overwrite=overwrite,
        ).close()

    @property
    def _template(self) -> Path:
        return self.folder / "databases" / "template.fdb"

    def _ask(self) -> None:
        from firebird.driver import DbWriteMode, connect, connect_server

        server = f"{LOOPBACK}/{self.port}"
        login = {"user": self.url.username, "password": self.url.password}
        if self._template.exists():
            # Not a connection to the services: where the server does not listen yet, the client
            # answers that one itself.
            connect(f"{server}:{self._template}", **login).close()
            return
        self._create(str(self._template))
        with connect_server(server, **login) as services:
            services.database.set_write_mode(database=self._template, mode=DbWriteMode.ASYNC)

    def _find(self) -> bool:
        homes = [*Path("/usr/lib").glob("*/firebird/*"), Path("/opt/firebird")]
        homes = sorted((each for each in homes if (each / "plugins").exists()), key=version_of)
        self._home = homes[-1] if homes else Path()
        folders = os.pathsep.join([FOLDERS, str(self._home / "bin")])
        self._server = shutil.which("firebird", path=folders)
        self._isql = shutil.which("isql-fb", path=folders) or shutil.which(
            "isql", path=self._home / "bin"
        )
        return bool(homes and self._server and self._isql)

    def _prepare(self) -> None:
        for name in ("home", "lock", "databases"):
            (self.folder / name).mkdir()
        _have_client_folder()
        own = ("firebird.conf", "databases.conf", "databases", "lock", "bin")
        for path in self._home.iterdir():
            if path.name not in own:
                (self._root / path.name).symlink_to(path)
        (self._root / "databases.conf").touch()
        self._configure()
        users = self.folder / "security.fdb"
        self._isql_runs(f"CREATE DATABASE '{users}' USER SYSDBA;")
        self._isql_runs(
            f"CREATE USER SYSDBA PASSWORD '{self.password}' USING PLUGIN Srp; COMMIT;", users
        )

    def _command(self) -> Sequence[str | Path]:
        self._configure()
        # With -p it would listen on every address.
        return [str(self._server), "-e", self._root, "-el", self.folder / "lock"]

    def _configure(self) -> None:
        settings = {
            "RemoteBindAddress": LOOPBACK,
            "RemoteServicePort": self.port or 3050,
            "SecurityDatabase": self.folder / "security.fdb",
            "DatabaseAccess": f"Restrict {self.folder / 'databases'}",
            "UdfAccess": "None",
            "AuthServer": "Srp",
            "UserManager": "Srp",
            "WireCrypt": "Enabled",
        }
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (self._root / "firebird.conf").write_text("".join(lines))

    @property
    def _root(self) -> Path:
        return self.folder / "home"

    def _environment(self) -> dict[str, str]:
        folders = {"FIREBIRD": str(self._root), "FIREBIRD_LOCK": str(self.folder / "lock")}
        return {**os.environ, **folders}

    def _isql_runs(self, text: str, *arguments: Path) -> None:
        self._run(str(self._isql), "-q", "-b", "-user", "SYSDBA", *arguments, input=f"{text}\n")


def _have_client_folder() -> None:
    """Give the client in this process a folder: its default one may be another user's."""
    if "FIREBIRD_LOCK" not in os.environ:
        folder = tempfile.mkdtemp(prefix="loop-firebird-client-")
        os.environ["FIREBIRD_LOCK"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
