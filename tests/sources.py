"""Data sources on every connector that keeps records, for tests that run on several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flask_loop import DataSource, create_data_source
from tests.collection import Collections, served
from tests.connectors.mirror import Mirror, MirroredConnector
from tests.servers import Server

#: Connectors whose backends have no SQL and no memory in common with the tests.
DOCUMENTS = ["mongodb", "redis", "couchdb", "rest", "remote"]


@contextmanager
def opened(
    connector: str, get_server: Callable[[str], Server], name: str = "test", **settings: Any
) -> Iterator[DataSource]:
    """A block with an empty data source.

    :param connector: the name of the connector.
    :param get_server: the fixture.
    :param name: of the database, among others that are open at once.
    :param settings: of the data source.
    """
    with ExitStack() as afterwards:
        made: Any = connector
        if connector == "sqlite":
            settings.setdefault("url", "sqlite://")
        elif connector == "rest":
            settings["base_url"] = afterwards.enter_context(served(Collections()))
        elif connector == "remote":
            mirror = Mirror()
            afterwards.callback(mirror.close)
            made, settings = MirroredConnector, {**settings, "url": mirror.url, "mirror": mirror}
        elif connector != "memory":
            settings["url"] = get_server(connector).fresh(name)
        source = create_data_source(connector=made, **settings)
        afterwards.callback(source.close)
        yield source
