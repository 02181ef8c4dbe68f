"""The contract suite on MongoDB."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_loop import DataSource
from flask_loop.testing import ConnectorContract, TransactionContract
from tests.servers import Mongodb

#: Tests of more than a thousand keys at once.
OF_MANY = {"test_many_at_once_are_followed"}


class TestMongodb(ConnectorContract):
    @pytest.fixture(autouse=True)
    def _skip_what_the_server_lacks(self, request: pytest.FixtureRequest, mongodb: Mongodb) -> None:
        if "speed" in mongodb.lacks and request.node.originalname in OF_MANY:
            pytest.skip("the server is too slow")

    @pytest.fixture
    def source(self, connect: Callable[..., DataSource], mongodb: Mongodb) -> DataSource:
        # A server that stores thousands does not say meanwhile that it is there.
        return connect("mongodb", url=mongodb.fresh(), connect_timeout=60)


class TestMongodbTransactions(TransactionContract):
    """What a server of a replica set does, which says by itself that it has transactions."""

    @pytest.fixture
    def source(self, connect: Callable[..., DataSource], mongodb: Mongodb) -> DataSource:
        return connect("mongodb", url=mongodb.fresh(), transactions=True)
