"""The connector gives the answers that every connector gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_loop import DataSource, create_data_source
from flask_loop.testing import ConnectorContract


class TestCabinet(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[DataSource]:
        source = create_data_source(connector="cabinet", path=tmp_path / "cabinet")
        yield source
        source.close()
