"""The connector that the documentation shows keeps the contract."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from flask_loop import Connector, DataSource, create_data_source
from flask_loop.testing import ConnectorContract

PAGE = Path(__file__).parents[2] / "docs" / "connectors.rst"


@pytest.fixture(scope="module")
def documented() -> type[Connector]:
    block = r"^    :caption: folder_connector\.py\n((?:\n|    .*\n)+)"
    found = re.search(block, PAGE.read_text("utf-8"), re.MULTILINE)
    assert found
    names: dict[str, Any] = {"__name__": "folder_connector"}
    exec(compile(dedent(found[1]), str(PAGE), "exec", dont_inherit=True), names)  # noqa: S102
    connector: type[Connector] = names["FolderConnector"]
    return connector


class TestDocumentedConnector(ConnectorContract):
    @pytest.fixture
    def source(self, documented: type[Connector], tmp_path: Path) -> DataSource:
        return create_data_source(connector=documented, path=tmp_path)
