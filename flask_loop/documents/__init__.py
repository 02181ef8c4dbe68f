"""Models of an app's own MongoEngine documents: their fields, references and connections."""

from .source import DocumentSource

__all__ = ["DocumentSource"]
