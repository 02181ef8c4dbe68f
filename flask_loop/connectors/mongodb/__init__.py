"""The MongoDB connector: the connector protocol on MongoEngine's connections."""

from .connector import MongodbConnector

__all__ = ["MongodbConnector"]
