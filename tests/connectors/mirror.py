"""An app that has for each model of a test one of its own, with the same properties and indexes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from flask import Flask

from flask_loop import DataSource, Loop, memory
from flask_loop.connectors.remote import RemoteConnector
from flask_loop.definition import MISSING, ModelDefinition, Property, Settings
from flask_loop.model import make_model
from tests.collection import served

#: Threads of the server: as many as a test has at once, and some more.
THREADS = 12


class Mirror:
    """The other app of the tests of one connector, served on a port of this machine.

    :param settings: of the app.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.reset()
        self._running = ExitStack()
        self.url = f"{self._running.enter_context(served(self._answer, threads=THREADS))}/api"

    def reset(self) -> None:
        """Forget all models and records."""
        with self._lock:
            self.source: DataSource = memory()
            self.source.enable_remote("destroyAll")
            self._models: dict[str, type[Any]] = {}
            self._known: dict[str, tuple[Any, ...]] = {}
            self._properties: dict[str, dict[str, Property]] = {}
            self._app = self._make()

    def learn(self, definitions: Iterable[ModelDefinition]) -> None:
        """Have models like these."""
        with self._lock:
            is_new = False
            for each in definitions:
                known = (each, each.version, each.shape)
                if self._known.get(each.name) != known:
                    self._known[each.name] = known
                    self._models[each.name] = self._mirrored(each)
                    self._models[each.name].attach_to(self.source)
                    is_new = True
            if is_new:
                self._app = self._make()

    def close(self) -> None:
        self._running.close()

    def _mirrored(self, definition: ModelDefinition) -> type[Any]:
        """A model that stores what another one does, without its rules, and without its secrets.

        It keeps the properties of the models of its name that there were before.
        """
        known = self._properties.setdefault(definition.name, {})
        known.update((each.name, _plain(each)) for each in definition.properties.values())
        indexes = {
            f"index{place}": {"keys": list(each.keys), "unique": each.unique}
            for place, each in enumerate(definition.indexes())
        }
        settings = Settings(
            plural=definition.plural,
            http_path=definition.settings.http_path,
            strict=definition.settings.strict,
            indexes=indexes,
            force_id=False,
            id_injection=False,
            options={"memory": {"collection": definition.name}},
        )
        name = f"{definition.name}_mirror"
        return make_model(ModelDefinition(name, known.values(), settings))

    def _make(self) -> Flask:
        app = Flask("mirror")
        app.config.update(LOOP_DOCS=False, **self._settings)
        loop = Loop(app, url_prefix="/api")
        for model in self._models.values():
            loop.model(model)
        return app

    def _answer(self, environ: Any, start_response: Any) -> Any:
        return self._app(environ, start_response)


def _plain(property_: Property) -> Property:
    return replace(
        property_,
        nullable=property_.id is None,
        required=False,
        default=MISSING,
        default_fn=None,
        hidden=False,
        protected=False,
        read_only=False,
        create_only=False,
        write_only=False,
        constraints={},
    )


class MirroredConnector(RemoteConnector):
    """A remote connector that makes the models that it is asked to make, at the other app.

    :param settings: those of the remote connector, and ``mirror``.
    """

    def __init__(self, settings: Any) -> None:
        self._mirror: Mirror = settings["mirror"]
        super().__init__({key: value for key, value in settings.items() if key != "mirror"})

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        self._mirror.learn(definitions)

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        listed = list(definitions)
        self._mirror.learn(listed)
        super().auto_migrate(listed)
