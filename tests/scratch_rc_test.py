from __future__ import annotations
import pytest
from flask_loop import create_data_source
from flask_loop.testing.relations import RelationContract
class TestM(RelationContract):
    @pytest.fixture
    def source(self):
        return create_data_source(connector="memory")
class TestS(RelationContract):
    @pytest.fixture
    def source(self):
        s = create_data_source(connector="sqlite", url="sqlite://"); yield s; s.close()
