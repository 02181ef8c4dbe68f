"""A model with one remote method, served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from flask_loop import Loop, Model, memory

#: Where clients find the method.
URL = "/api/things/do"


def serve(
    function: Callable[..., Any],
    *,
    accepts: Any = (),
    returns: Any = (),
    verb: str = "post",
    path: str = "/do",
    status: int | None = None,
    error_status: int | None = None,
    max_body: int | None = None,
    app: Flask | None = None,
    testing: bool = False,
    **settings: Any,
) -> FlaskClient:
    """Serve a model whose static method is a function; what is not named goes to ``app.config``."""

    class Thing(Model):
        class Meta:
            data_source = memory()

    http = {"verb": verb, "path": path, "status": status, "error_status": error_status}
    options = {"accepts": accepts, "returns": returns, "http": http, "max_body": max_body}
    Thing.remote_method("do", staticmethod(function), **options)
    app = app or Flask("shop")
    app.config.update(settings, TESTING=testing)
    Loop(app, url_prefix="/api").model(Thing)
    return app.test_client()
