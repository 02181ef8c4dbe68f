"""Versioned migrations: reviewable Alembic scripts, made from model definitions.

Alembic is an extra: it is imported when migrations are first used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..datasource import DataSource
from ..errors import DefinitionError

if TYPE_CHECKING:
    from .revisions import Migrations


def migrations_of(source: DataSource, directory: str | Path | None = None) -> Migrations:
    """The migrations of a data source.

    :param source: the data source, of an SQL database.
    :param directory: the folder of its revisions; ``migrations/<name of the source>`` where not
        given.
    :raises DefinitionError: where Alembic is not installed, or the source is no SQL database.

    ::

        migrations = migrations_of(db)
        migrations.upgrade()
    """
    try:
        from .revisions import Migrations
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("alembic", "mako"):
            raise
        raise DefinitionError(
            "migrations need Alembic: pip install 'flask-loop[migrations]'"
        ) from None
    return Migrations(source, directory)


__all__ = ["migrations_of"]
