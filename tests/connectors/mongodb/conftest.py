from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest

from flask_loop import DataSource
from tests.servers import Mongodb


@pytest.fixture
def url(mongodb: Mongodb) -> str:
    """The URL of an empty database."""
    return mongodb.fresh()


@pytest.fixture
def source(connect: Callable[..., DataSource], url: str) -> DataSource:
    return connect("mongodb", url=url)


@pytest.fixture
def lone(connect: Callable[..., DataSource], url: str) -> DataSource:
    """A source on a server without transactions."""
    return connect("mongodb", url=url, transactions=False)


@pytest.fixture
def raw(url: str) -> Iterator[Any]:
    """The database as others see it."""
    client: pymongo.MongoClient[Any]
    with pymongo.MongoClient(url, uuidRepresentation="standard") as client:
        yield client.get_default_database()
