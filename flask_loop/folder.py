"""Loading models from a folder of LoopBack's JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from .acl import ACL, Role, RoleMapping
from .auth import Session, User
from .datasource import DataSource
from .definition import (
    ModelDefinition,
    Registry,
    definition_from_json,
    registry,
    shared_methods,
)
from .email import Email
from .errors import DefinitionError
from .hooks import own_of
from .model import Model, make_model
from .remoting import Switches


class Target(Protocol):
    """What gets the models of a folder: a :class:`~flask_loop.Loop`."""

    def data_source(self, name: str) -> DataSource: ...

    def model(self, model: Any, *, public: bool = True) -> Any: ...

    def add_sources(self, settings: Mapping[str, Mapping[str, Any]]) -> None: ...


#: The models that come with Flask-Loop, by the names that LoopBack's files have for them.
_BUNDLED: Mapping[str, type[Model]] = {
    "User": User,
    "AccessToken": Session,
    "Session": Session,
    "Role": Role,
    "RoleMapping": RoleMapping,
    "ACL": ACL,
    "Email": Email,
}


class FolderModels(Registry):
    """The models of one folder by name, before those of other places.

    An app factory may load a folder again and again; what its files name is in the same load.
    """

    def __init__(self) -> None:
        super().__init__()
        self._own: dict[str, type] = {}
        self._expected: set[str] = set()

    def expect(self, names: Iterable[str]) -> None:
        """Know the names of models to come, which stand for no others meanwhile."""
        self._expected.update(names)

    def add(self, name: str, model: type) -> None:
        self._own[name] = model

    def named(self, name: str) -> list[type]:
        if name in self._own:
            return [self._own[name]]
        if name in self._expected:
            return []
        found = registry.named(name)
        return found or [_BUNDLED[name]] if name in _BUNDLED else found

    def base(self, name: str) -> type[Any]:
        """The model that another one extends: one of the folder, then Flask-Loop's own.

        :raises DefinitionError: where no model, or more than one, has the name.
        """
        if name not in self._own and name in _BUNDLED:
            return _BUNDLED[name]
        return self.get(name)

    def known(self) -> list[str]:
        return [*self._own, *registry.known()]


class Folder:
    """A folder of LoopBack's JSON files.

    :param loop: gets the models and the data sources of the folder.
    :param folder: the folder.
    """

    def __init__(self, loop: Target, folder: Path) -> None:
        self.loop, self.folder = loop, folder
        self.models = FolderModels()
        if not folder.is_dir():
            raise DefinitionError(f"{folder} is not a folder")
        self.config = self._read("model-config.json")
        self.config.pop("_meta", None)
        loop.add_sources(self._read("datasources.json"))

    def load(self) -> list[type[Any]]:
        loaded: dict[str, type[Any]] = {}
        documents = {
            path.name: self._parse(path)
            for path in sorted(self.folder.glob("*.json"))
            if path.name not in ("model-config.json", "datasources.json")
        }
        self._check_config(documents.values())
        names = (each.get("name") for each in documents.values())
        self.models.expect(name for name in names if isinstance(name, str))
        for file, document in _bases_first({**documents, **self._bundled(documents.values())}):
            with self._named(file):
                model = self._define(document)
            self.models.add(model.model_name, model)
            loaded[file] = model
            documents[file] = document
        self._share_tokens(loaded.values())
        for file, model in loaded.items():
            with self._named(file):
                model.definition.resolve()
            self._configure(model, documents[file])
        return list(loaded.values())

    def _bundled(self, documents: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Definitions of the models that the configuration names and Flask-Loop has."""
        defined = {document.get("name") for document in documents}
        names = [name for name in self.config if name in _BUNDLED and name not in defined]
        self.models.expect(names)
        return {"model-config.json#" + name: {"name": name, "base": name} for name in names}

    def _share_tokens(self, loaded: Iterable[type[Any]]) -> None:
        """Let users of the folder have its model of tokens, where there is one.

        Of several models of users it is that of the one with a relation to it; the others have
        models of tokens of their own.
        """
        models = list(loaded)
        users = [each for each in models if issubclass(each, User)]
        tokens = [each for each in models if issubclass(each, Session)]
        if len(tokens) != 1:
            return
        (token,) = tokens
        related = [
            each
            for each in users
            for relation in each.definition.settings.relations.values()
            if relation.get("model") == token.model_name
        ]
        for user in (related or users)[:1]:
            user.session = token

    def _define(self, document: Mapping[str, Any]) -> type[Any]:
        bases: list[type[Any]] = [Model]

        def find_base(name: str) -> ModelDefinition:
            bases[0] = self.models.base(name)
            return cast("type[Model]", bases[0]).definition

        definition = definition_from_json(document, find_base=find_base, models=self.models)
        return make_model(definition, bases[0])

    @contextmanager
    def _named(self, file: str) -> Iterator[None]:
        try:
            yield
        except DefinitionError as error:
            raise DefinitionError(f"{self.folder / file}: {error}") from None

    def _check_config(self, documents: Iterable[Mapping[str, Any]]) -> None:
        defined = {document.get("name") for document in documents}
        file = self.folder / "model-config.json"
        for name, config in self.config.items():
            if name not in defined and name not in _BUNDLED:
                raise DefinitionError(f"{file}: no file defines the model {name!r}")
            if not isinstance(config, Mapping):
                raise DefinitionError(f"{file}: the entry {name!r} is not an object")

    def _configure(self, model: type[Any], document: Mapping[str, Any]) -> None:
        configured = self.config.get(model.model_name, {})
        config = {**document, **configured}
        remoting = shared_methods(configured.get("options", {}).get("remoting", {}))
        own_of(model, "__loop_switches__", lambda: Switches.of(remoting))
        source = config.get("dataSource")
        if source is not None:
            model.attach_to(self.loop.data_source(source))
            if config.get("public", True):
                self.loop.model(model)
            else:
                self.loop.model(model, public=False)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return self._parse(path) if path.exists() else {}

    def _parse(self, path: Path) -> dict[str, Any]:
        try:
            document = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DefinitionError(f"{path} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise DefinitionError(f"{path} is not a JSON object")
        return document


def _bases_first(documents: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The documents in an order in which each comes after the one it is based on."""
    by_model = {document.get("name"): file for file, document in documents.items()}
    ordered: dict[str, dict[str, Any]] = {}

    def visit(file: str, seen: tuple[str, ...]) -> None:
        if file in seen:
            raise DefinitionError(
                f"{file}: the models {' and '.join(seen)} are based on each other"
            )
        base = documents[file].get("base")
        is_bundled = base in _BUNDLED and base == documents[file].get("name")
        if base is not None and base in by_model and not is_bundled:
            visit(by_model[base], (*seen, file))
        ordered.setdefault(file, documents[file])

    for file in documents:
        visit(file, ())
    return list(ordered.items())
