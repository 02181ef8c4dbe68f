"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from example_app.home import home
from example_app.loading import load as load_geonames
from example_app.models import db, loop
from example_app.secret_key import secret_key

SENDER = "City guide <guide@example.com>"


def create_app(config: Mapping[str, Any] | None = None, *, load: bool = True) -> Flask:
    """Make the guide, with its database: made and loaded if it is new.

    Settings come from `config`, else from environment variables with the prefix ``CITY_GUIDE_``.
    Beside those of Flask and Flask-Loop there are:

    - ``DATABASE``: the SQLite file (default: ``city-guide.sqlite`` in the instance folder)
    - ``CITIES``: 15000, 5000, 1000 or 500, the population from which on a city is in; default: the
      cities that are loaded, or 15000
    - ``MAIL``: what sends mails, as settings of the ``mail`` connector in JSON; default: they are
      written to the terminal
    - ``SECRET_KEY``: what signs links and sessions; default: one that is made once and kept in a
      file beside the database
    - ``TRUSTED_HOSTS``: a list in JSON of the names under which clients reach the guide; default:
      this machine's. Links in mails lead to the one that the request names

    :param config: settings that win over the environment's.
    :param load: False leaves a new database empty.
    """
    app = Flask("example_app")
    app.config.from_mapping(
        DATABASE=Path(app.instance_path, "city-guide.sqlite"),
        CITIES=None,
        MAIL={"transport": "console"},
        TRUSTED_HOSTS=["127.0.0.1", "localhost"],
        LOOP_ACL_ERROR_STATUS=403,
    )
    app.config.from_prefixed_env("CITY_GUIDE")
    app.config.update(config or {})

    database = Path(app.config["DATABASE"]).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    app.secret_key = str(app.secret_key or secret_key(database.with_suffix(".key")))
    app.config["LOOP_DATA_SOURCES"] = {
        # A second process that starts waits until the first has loaded the largest set.
        "db": {"connector": "sqlite", "url": f"sqlite:///{database}", "timeout": 60},
        "mail": {"connector": "mail", "default_sender": SENDER, **app.config["MAIL"]},
    }
    loop.init_app(app)
    app.register_blueprint(home)

    with app.app_context():
        db.auto_update()
        if load:
            load_geonames(app.config["CITIES"])
    return app
