"""The contract suite on CouchDB."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_loop import DataSource
from flask_loop.testing import ConnectorContract
from tests.servers import Couchdb


class TestCouchdb(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Callable[..., DataSource], couchdb: Couchdb) -> DataSource:
        return connect("couchdb", url=couchdb.fresh())
