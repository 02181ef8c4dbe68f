"""Another app with models, for a process of its own: ``python -m tests.connectors.other_app``.

It writes its port when it answers, and takes down what it is asked; ``GET /log`` gives that and
begins anew, ``POST /reset`` empties it.
"""

from __future__ import annotations

import sys
from datetime import datetime
from threading import Lock
from typing import Any

from flask import Flask, request
from waitress.server import create_server

from flask_loop import (
    BelongsTo,
    EmbedsMany,
    GeoPoint,
    HasMany,
    Loop,
    Model,
    Prop,
    create_data_source,
    memory,
    prop,
    relation,
    remote_method,
)
from flask_loop.auth import User

LOOPBACK = "127.0.0.1"
USER = {"email": "app@example.com", "username": "app", "password": "tr0ub4dor-and-3"}
#: What the other app takes at once.
BOUNDS = {
    "LOOP_MAX_LIMIT": 20,
    "LOOP_MAX_VALUES": 15,
    "LOOP_MAX_FILTER_CONDITIONS": 40,
    "LOOP_MAX_BODY": 20_000,
}
FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
MANY = {"account": "1000 per minute", "address": "1000 per minute"}


def create_app(folder: str | None = None) -> Flask:
    """The other app.

    :param folder: where its records outlive the process, if they do.
    """
    app = Flask("other")
    app.config.update(
        BOUNDS,
        LOOP_DOCS=False,
        LOOP_SESSION_CACHE=0,
        LOOP_PASSWORD_HASHING=FAST,
        LOOP_LOGIN_LIMITS=MANY,
        SECRET_KEY="k",
    )
    source = memory()
    if folder is not None:
        source = create_data_source(connector="sqlite", url=f"sqlite:///{folder}/other.sqlite")
    loop = Loop(app, url_prefix="/api")
    models = _models(source)
    for each in models:
        loop.model(each)
    source.auto_update()
    log: list[dict[str, Any]] = []
    lock = Lock()

    @app.before_request
    def note() -> None:
        if request.path.startswith("/api"):
            with lock:
                log.append(
                    {
                        "method": request.method,
                        "path": request.path.removeprefix("/api"),
                        "query": request.args.to_dict(),
                        "body": request.get_json(silent=True),
                        "token": request.headers.get("Authorization"),
                    }
                )

    @app.get("/log")
    def read_log() -> Any:
        with lock:
            said = log[:]
            log.clear()
        return said

    @app.post("/reset")
    def reset() -> Any:
        with app.app_context():
            source.auto_migrate(drop=True)
            models[0].create(USER)
        with lock:
            log.clear()
        return {}

    with app.app_context():
        if not models[0].count():
            models[0].create(USER)
    return app


def _models(source: Any) -> list[type[Model]]:
    class OtherAccount(User):
        class Meta:
            plural = "users"

    class OtherAddress(Model):
        street: Prop[str | None] = prop(default=None)
        floor: Prop[int | None] = prop(default=None)

        class Meta:
            id_injection = False

    class OtherShop(Model):
        name: Prop[str] = prop(required=True, unique=True, max_length=200)
        city: Prop[str | None] = prop(default=None, index=True)
        rating: Prop[float | None] = prop(default=None, max=5)
        opened_at: Prop[datetime | None] = prop(default=None)
        place: Prop[GeoPoint | None] = prop(default=None)
        tags: Prop[list[str] | None] = prop(default=None)
        secret: Prop[str | None] = prop(default=None, hidden=True)
        made_by: Prop[str | None] = prop(default="other", read_only=True)
        offers: HasMany[OtherOffer] = relation(foreign_key="shop_id")
        addresses: EmbedsMany[OtherAddress]

        class Meta:
            plural = "shops"

        @remote_method(
            http={"verb": "get", "path": "/stats"}, returns={"arg": "count", "type": "number"}
        )
        @classmethod
        def stats(cls, min_rating: float = 0) -> int:
            return cls.count({"rating": {"gte": min_rating}})

    class OtherOffer(Model):
        title: Prop[str] = prop(max_length=200)
        price: Prop[float | None] = prop(default=None)
        shop: BelongsTo[OtherShop] = relation(foreign_key="shop_id")

        class Meta:
            plural = "offers"
            force_id = False

    class OtherNote(Model):
        code: Prop[str] = prop(id=True, max_length=200)
        text: Prop[str | None] = prop(default=None)

        class Meta:
            plural = "notes"

        @remote_method(returns={"arg": "said", "type": "string"})
        @classmethod
        def shout(cls) -> str:
            return "!"

    class OtherSecret(Model):
        text: Prop[str]

        class Meta:
            plural = "secrets"
            acls = [
                {
                    "principalType": "ROLE",
                    "principalId": "$authenticated",
                    "permission": "ALLOW",
                    "accessType": "*",
                }
            ]

    models: list[type[Model]] = [OtherAccount, OtherShop, OtherOffer, OtherNote, OtherSecret]
    for each in models:
        each.attach_to(source)
        assert each.definition  # whose relations hold the models that they lead to
    return models


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    server = create_server(create_app(folder), host=LOOPBACK, port=port, threads=8)
    sys.stdout.write(f"{server.effective_port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
