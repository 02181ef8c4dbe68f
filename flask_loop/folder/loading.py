"""Folder: the models of a folder of LoopBack's JSON files."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from ..acl import ACL, Role, RoleMapping
from ..auth import Session, User
from ..datasource import DataSource
from ..definition import (
    PLAIN_BASES,
    ModelDefinition,
    Registry,
    definition_from_json,
    registry,
    shared_methods,
)
from ..email import Email
from ..errors import DefinitionError
from ..hooks import own_of
from ..key_value import KeyValueModel
from ..model import Model, make_model
from ..remoting import Switches
from .configuring import check_entry, checked, configured, replace_rules
from .defaults import says_collection, stored_as_documents
from .files import MODEL_CONFIG, Files


class Target(Protocol):
    """What gets the models of a folder: a :class:`~flask_loop.Loop`."""

    def data_source(self, name: str) -> DataSource: ...

    def model(self, model: Any, *, public: bool = True) -> Any: ...

    def add_sources(
        self, settings: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Mapping[str, Any]]: ...


#: The models that come with Flask-Loop, by the names that LoopBack's files have for them.
_BUNDLED: Mapping[str, type[Model]] = {
    "User": User,
    "AccessToken": Session,
    "Session": Session,
    "Role": Role,
    "RoleMapping": RoleMapping,
    "ACL": ACL,
    "Email": Email,
    "KeyValueModel": KeyValueModel,
}


#: Those of LoopBack that Flask-Loop has not.
_UNBUILT = frozenset({"Application", "Change", "Checkpoint", "Scope"})
_ROLE_ID = {"type": "string", "index": True}


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
    :param environment: whose files say what differs; None for those of no one.
    :param replaced: the names of the data sources that the app has settings of its own for.
    """

    def __init__(
        self,
        loop: Target,
        folder: Path,
        environment: str | None = None,
        replaced: Container[str] = (),
    ) -> None:
        self.loop = loop
        self.models = FolderModels()
        self.files = Files(folder, environment)
        self.config, self.folders = self.files.config()
        self.data_sources = loop.add_sources(self.files.data_sources(replaced))
        #: The models whose collection is called as they are, which is not that of those based on
        #: them.
        self._apart: set[type[Any]] = set()

    def load(self) -> list[type[Any]]:
        loaded: dict[str, type[Any]] = {}
        documents: dict[str, dict[str, Any]] = {}
        for file, document in self.files.definitions(self.folders).items():
            with self._named(file):
                documents[file] = checked(document)
        self._check(documents)
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
        file = self.files.path(MODEL_CONFIG)
        return {f"{file}#{name}": {"name": name, "base": name} for name in names}

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

        config = self._config_of(document)
        said = configured(document, config)
        definition = definition_from_json(
            self._as_stored(said), find_base=find_base, models=self.models
        )
        (base,) = bases
        if base is not Model:
            replace_rules(definition, base.definition, config)
        model = make_model(definition, base)
        if not says_collection(said) and not self._shares_collection(base):
            self._apart.add(model)
        return model

    def _as_stored(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """A definition with what LoopBack adds to it where its records are documents."""
        source = self._config_of(document).get("dataSource")
        settings = self.data_sources.get(source, {}) if isinstance(source, str) else {}
        stored = stored_as_documents(
            document,
            settings,
            self._has_own_id,
            lambda: self._shares_collection(self._base_of(document)),
        )
        if stored is not document and issubclass(self._base_of(document), RoleMapping):
            # Its roles are documents as well, and named by such an id.
            properties = {"roleId": _ROLE_ID, **(stored.get("properties") or {})}
            return {**stored, "properties": properties}
        return stored

    def _config_of(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the configuration says of a model."""
        name = document.get("name")
        found: Mapping[str, Any] = self.config.get(name, {}) if isinstance(name, str) else {}
        return found

    def _base_of(self, document: Mapping[str, Any]) -> type[Any]:
        base = document.get("base", "PersistedModel")
        return Model if base in PLAIN_BASES else self.models.base(base)

    def _has_own_id(self, base: str) -> bool:
        """Whether a model that others extend says what their id is."""
        ids = self.models.base(base).definition.ids
        return any(not each.injected for each in ids)

    def _shares_collection(self, base: type[Any]) -> bool:
        """Whether a model says a collection, which models based on it are in as well."""
        if base is Model or base in self._apart:
            return False
        return "collection" in base.definition.settings.options.get("mongodb", {})

    @contextmanager
    def _named(self, file: str) -> Iterator[None]:
        try:
            yield
        except DefinitionError as error:
            raise DefinitionError(f"{file}: {error}") from None

    def _check(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse models of two files, and models that are configured and have none."""
        defined: dict[Any, str] = {}
        for path, document in documents.items():
            name = document.get("name")
            if name is not None and defined.setdefault(name, path) != path:
                raise DefinitionError(f"{path}: {defined[name]} defines the model {name!r} as well")
        file, folders = self.files.path(MODEL_CONFIG), ", ".join(map(str, self.folders))
        if not documents and not self.config:
            raise DefinitionError(f"{folders} has no definition of a model in JSON")
        for name, config in self.config.items():
            if name not in defined and name in _UNBUILT:
                raise DefinitionError(
                    f"{file}: LoopBack's model {name!r} is not there yet; leave it out"
                )
            if name not in defined and name not in _BUNDLED:
                raise DefinitionError(
                    f"{file}: no file defines the model {name!r}; they are looked for in "
                    f'{folders}, as "_meta" of this file says'
                )
            with self._named(str(file)):
                check_entry(name, config)

    def _configure(self, model: type[Any], document: Mapping[str, Any]) -> None:
        own = self._config_of(document)
        remoting = shared_methods((own.get("options") or {}).get("remoting") or {})
        own_of(model, "__loop_switches__", lambda: Switches.of(remoting))
        source = own.get("dataSource")
        if source not in (None, False):
            model.attach_to(self.loop.data_source(source))
            if {**document, **own}.get("public", True):
                self.loop.model(model)
            else:
                self.loop.model(model, public=False)


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
