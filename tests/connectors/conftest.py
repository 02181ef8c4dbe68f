from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flask_loop import DataSource, create_data_source
from tests.servers import SQL_SERVERS, Server


@pytest.fixture
def connect() -> Iterator[Callable[..., DataSource]]:
    """A function that makes a data source, which is closed when the test ends."""
    with ExitStack() as afterwards:

        def connect(connector: str, **settings: Any) -> DataSource:
            source = create_data_source(connector=connector, **settings)
            afterwards.callback(source.close)
            return source

        yield connect


@pytest.fixture(scope="module", params=["sqlite", *SQL_SERVERS])
def database(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server]
) -> Iterator[DataSource]:
    """A data source of each SQL database, empty when the tests of a module begin."""
    if request.param == "sqlite":
        source = create_data_source(connector="sqlite", url="sqlite://")
    else:
        url = get_server(request.param).fresh("module")
        source = create_data_source(connector=request.param, url=url)
    yield source
    source.close()
