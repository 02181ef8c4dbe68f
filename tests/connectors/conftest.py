from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flask_loop import DataSource, create_data_source


@pytest.fixture
def connect() -> Iterator[Callable[..., DataSource]]:
    """A function that makes a data source, which is closed when the test ends."""
    with ExitStack() as afterwards:

        def connect(connector: str, **settings: Any) -> DataSource:
            source = create_data_source(connector=connector, **settings)
            afterwards.callback(source.close)
            return source

        yield connect
