from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Loop, Model, create_data_source

pytest_plugins = ["flask_loop.testing"]


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Take the place of pytest-flask's.

    It keeps a request context pushed, which Flask 3.1 lets every request of a test client share.
    """


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
