"""Models of an app's own SQLAlchemy classes: their columns, relationships and sessions."""

from .source import MappedSource

__all__ = ["MappedSource"]
