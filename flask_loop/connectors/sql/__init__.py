"""The SQL connector, on SQLAlchemy Core, and its dialects."""

from .connector import SqlConnector
from .sqlite import SqliteConnector

__all__ = ["SqlConnector", "SqliteConnector"]
