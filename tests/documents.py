"""An app's own MongoEngine connection, and its documents as a Loop exposes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mongoengine as me
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import Loop, Model


@contextmanager
def connected_to(url: str, alias: str) -> Iterator[None]:
    """A block in which there is a connection, as an app makes it for its own use."""
    me.connect(host=url, alias=alias, uuidRepresentation="standard")
    yield
    me.disconnect(alias)


def expose(*models: type[Model]) -> FlaskClient:
    """A client of an app that exposes models."""
    app = Flask("harbour")
    app.config["TESTING"] = True
    loop = Loop(app, url_prefix="/api")
    for model in models:
        loop.model(model)
    return app.test_client()
