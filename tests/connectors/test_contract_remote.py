"""The contract suite on the remote connector, whose other app answers by HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_loop import DataSource, create_data_source
from flask_loop.testing import ConnectorContract
from tests.connectors.mirror import Mirror, MirroredConnector


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    """Another app, which has what its settings are where nobody sets any."""
    mirror = Mirror()
    yield mirror
    mirror.close()


class TestRemote(ConnectorContract):
    @pytest.fixture
    def source(self, mirror: Mirror) -> Iterator[DataSource]:
        source = create_data_source(connector=MirroredConnector, url=mirror.url, mirror=mirror)
        yield source
        source.close()
        mirror.reset()
