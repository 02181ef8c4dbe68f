"""Oracle, which is not started here."""

from __future__ import annotations

from contextlib import closing

import sqlalchemy as sa

from .base import Missing, Server, shown


class Oracle(Server):
    """An Oracle that the variable names; the tables of its user go before each test."""

    connector = "oracle"
    variable = "LOOP_TEST_ORACLE_URL"

    @property
    def url(self) -> sa.URL:
        if self.given is None:
            raise Missing(f"no Oracle is started here; set {self.variable} to the URL of one")
        return self.given.set(drivername="oracle+oracledb")

    def start(self) -> None:
        """Check that the user is one for tests, and that nobody else tests with it.

        :raises Missing: where the variable is not set.
        :raises RuntimeError: where tests must not empty what it names.
        """
        if "test" not in str(self.url.username).lower():
            raise RuntimeError(
                f"the user that {self.variable} names has all its tables dropped, and so must have "
                "'test' in its name"
            )
        if self.worker not in ("main", "gw0"):
            raise Missing("Oracle's tests share one user: run them with -n 0")

    def fresh(self, name: str = "test") -> str:
        if name != "test":
            raise Missing("Oracle has one database for the tests")
        engine = sa.create_engine(self.url)
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            for kind, options in _KINDS.items():
                cursor.execute(_OBJECTS, [kind])
                for (found,) in cursor.fetchall():
                    cursor.execute(f'DROP {kind} "{found}"{options}')
        engine.dispose()
        return shown(self.url)


_OBJECTS = "SELECT object_name FROM user_objects WHERE object_type = :1 AND generated = 'N'"
_KINDS = {"VIEW": "", "TABLE": " CASCADE CONSTRAINTS PURGE", "SEQUENCE": ""}
