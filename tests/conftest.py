from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import settings

from flask_loop import DataSource, Loop, Model, create_data_source
from tests.links import wait_for_shops
from tests.servers import (
    Couchdb,
    Firebird,
    Missing,
    Mongodb,
    Mysql,
    Oracle,
    Postgresql,
    Redis,
    Server,
    Servers,
)

pytest_plugins = ["flask_loop.testing"]

_servers = pytest.StashKey[Servers]()

# The same examples in each run, however long one takes. --hypothesis-profile=default tries others.
settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """Keep the tests themselves, a million objects, out of each garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Take the place of pytest-flask's.

    It keeps a request context pushed, which Flask 3.1 lets every request of a test client share.
    """


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """Let no app of a test send anything while another test runs."""
    yield
    wait_for_shops()


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """A function that makes an app whose Loop exposes models; settings go to ``app.config``."""

    def make(
        *models: type[Model], url_prefix: str = "/api", testing: bool = True, **settings: Any
    ) -> Flask:
        app = Flask("shop")
        app.config.update(TESTING=testing, **settings)
        loop = Loop(app, url_prefix=url_prefix)
        for model in models:
            loop.model(model)
        return app

    return make


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    """An empty data source of each connector that needs no server."""
    settings = {"memory": {}, "sqlite": {"url": "sqlite://"}}
    made = create_data_source(connector=request.param, **settings[request.param])
    yield made
    made.close()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Servers]:
    """The database servers of this process, each started when a test first asks for it."""
    servers = Servers("main" if worker_id == "master" else worker_id)
    request.config.stash[_servers] = servers
    yield servers
    servers.remove()


@pytest.fixture(scope="session")
def get_server(servers: Servers) -> Callable[[str], Server]:
    """A function that gives the server of a connector, or skips the test where there is none."""

    def get_server(connector: str) -> Server:
        try:
            return servers.get(connector)
        except Missing as missing:
            # Oracle is nowhere that tests could start it.
            if os.environ.get("CI") == "true" and connector != "oracle":
                pytest.fail(str(missing))
            pytest.skip(str(missing))

    return get_server


@pytest.fixture(scope="session")
def postgresql(get_server: Callable[[str], Postgresql]) -> Postgresql:
    return get_server("postgresql")


@pytest.fixture(scope="session")
def mysql(get_server: Callable[[str], Mysql]) -> Mysql:
    """A MariaDB."""
    return get_server("mysql")


@pytest.fixture(scope="session")
def firebird(get_server: Callable[[str], Firebird]) -> Firebird:
    return get_server("firebird")


@pytest.fixture(scope="session")
def oracle(get_server: Callable[[str], Oracle]) -> Oracle:
    return get_server("oracle")


@pytest.fixture(scope="session")
def mongodb(get_server: Callable[[str], Mongodb]) -> Mongodb:
    return get_server("mongodb")


@pytest.fixture(scope="session")
def redis(get_server: Callable[[str], Redis]) -> Redis:
    return get_server("redis")


@pytest.fixture(scope="session")
def couchdb(get_server: Callable[[str], Couchdb]) -> Couchdb:
    return get_server("couchdb")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers wrote during a test that fails."""
    report = yield
    servers = item.config.stash.get(_servers, None)
    if servers is not None:
        logs = list(servers.logs())
        if report.failed:
            report.sections += [(f"Log of the server for {name}", text) for name, text in logs]
    return report
