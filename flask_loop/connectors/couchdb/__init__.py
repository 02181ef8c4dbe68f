"""The CouchDB connector."""

from .connector import CouchdbConnector

__all__ = ["CouchdbConnector"]
