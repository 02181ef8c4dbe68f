"""The memory connector: records in this process, and in a JSON file where one is named."""

from .connector import MemoryConnector

__all__ = ["MemoryConnector"]
