"""Redis keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_loop import DataSource, create_data_source
from flask_loop.testing import ConnectorContract

from ..servers import Redis


class TestRedis(ConnectorContract):
    @pytest.fixture
    def source(self, redis: Redis) -> Iterator[DataSource]:
        source = create_data_source(connector="redis", url=redis.fresh("contract"))
        yield source
        source.close()
