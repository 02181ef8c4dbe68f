"""The REST connector: records and functions of other servers."""

from .connector import RestConnector

__all__ = ["RestConnector"]
