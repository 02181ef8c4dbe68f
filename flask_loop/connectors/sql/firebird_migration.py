"""How Firebird's tables are changed: each statement is kept by itself, as the next one needs it."""

from __future__ import annotations

from .migration import Migration


class FirebirdMigration(Migration):
    """One table of a Firebird database, beside what its model asks for.

    There is no turn, as there is no lock that outlives a transaction.
    """

    is_whole = False
