"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from example_app.home import home
from example_app.loading import load as load_geonames
from example_app.models import db, loop


def create_app(config: Mapping[str, Any] | None = None, *, load: bool = True) -> Flask:
    """Make the guide, with its database: made and loaded if it is new.

    Settings come from `config`, else from environment variables with the prefix ``CITY_GUIDE_``:

    - ``DATABASE``: the SQLite file (default: ``city-guide.sqlite`` in the instance folder)
    - ``CITIES``: 15000, 5000, 1000 or 500, the population from which on a city is in; default: the
      cities that are loaded, or 15000
    - ``KEY``: what clients have to send as ``X-Key`` to add and change places; default: nothing

    :param config: settings that win over the environment's.
    :param load: False leaves a new database empty.
    """
    app = Flask("example_app")
    app.config.from_mapping(
        DATABASE=Path(app.instance_path, "city-guide.sqlite"), CITIES=None, KEY=None
    )
    app.config.from_prefixed_env("CITY_GUIDE")
    app.config.update(config or {})

    database = Path(app.config["DATABASE"]).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    app.config["LOOP_DATA_SOURCES"] = {
        # A second process that starts waits until the first has loaded the largest set.
        "db": {"connector": "sqlite", "url": f"sqlite:///{database}", "timeout": 60}
    }
    loop.init_app(app)
    app.register_blueprint(home)

    with app.app_context():
        db.auto_update()
        if load:
            load_geonames(app.config["CITIES"])
    return app
