"""The contract suite on the REST connector, against a plain server of collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_loop import DataSource
from flask_loop.testing import ConnectorContract
from tests.collection import CollectionServer


@pytest.fixture(scope="module")
def server() -> Iterator[CollectionServer]:
    server = CollectionServer()
    yield server
    server.kill()


class TestRest(ConnectorContract):
    @pytest.fixture(autouse=True)
    def _skip_what_is_the_same(self, request: pytest.FixtureRequest) -> None:
        # Each of thousands of records is a request.
        if request.node.name == "test_many_at_once_are_followed[constraint]":
            pytest.skip("the server has no constraints: it is what 'plain' looks at")

    @pytest.fixture
    def source(self, connect: Callable[..., DataSource], server: CollectionServer) -> DataSource:
        server.clear()
        return connect("rest", base_url=server.url, id_field="id")
