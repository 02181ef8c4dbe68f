"""The remote connector: another Flask-Loop app, or a LoopBack server, as a data source."""

from .connector import RemoteConnector

__all__ = ["RemoteConnector"]
