"""The Redis connector: records as hashes, indexes as sorted sets, on redis-py."""

from .connector import RedisConnector

__all__ = ["RedisConnector"]
