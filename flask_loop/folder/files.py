"""LoopBack's files: where they lie in a project, and what they say for one environment."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DefinitionError
from .defaults import with_defaults

MODEL_CONFIG, DATA_SOURCES = "model-config", "datasources"
#: What lies in the folder itself and is no definition of a model.
_OTHERS = re.compile(
    rf"({MODEL_CONFIG}|{DATA_SOURCES}|config|component-config|middleware)(\.[\w-]+)?\.json"
    r"|package(-lock)?\.json"
)
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
#: The settings in whose place LoopBack takes a URL.
_SERVER = frozenset({"host", "hostname", "port", "protocol", "root"})
_USER = frozenset({"user", "username", "password"})
_DATABASE = frozenset({"database", "db"})
_log = logging.getLogger(__name__)


class Files:
    """The files of a project.

    :param folder: the project, its folder ``server``, or a folder that has all the files.
    :param environment: whose files say what differs, such as ``production``.
    :raises DefinitionError: where there is no such folder.
    """

    def __init__(self, folder: Path, environment: str | None) -> None:
        if not folder.is_dir():
            raise DefinitionError(f"{folder} is not a folder")
        server = folder / "server"
        is_project = (server / f"{MODEL_CONFIG}.json").exists()
        self.folder = server if is_project and not _has_config(folder) else folder
        self._variants = ["local"] if environment is None else ["local", environment]

    def path(self, name: str) -> Path:
        """One of the files that lie in the folder itself, by its name without ``.json``."""
        return self.folder / f"{name}.json"

    def config(self) -> tuple[dict[str, Any], list[Path]]:
        """What is said of the models, and the folders that their definitions are in."""
        config = self._read(MODEL_CONFIG)
        meta = config.pop("_meta", None) or {}
        given = meta.get("sources") if isinstance(meta, Mapping) else None
        if given is None:
            given = ["./models"]
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise DefinitionError(f"{self.path(MODEL_CONFIG)}: _meta.sources is a list of folders")
        named = [each for each in given if each.startswith(".") or (self.folder / each).is_dir()]
        # The others are in packages of Node: LoopBack's own models.
        folders = [self.folder, *(self.folder / each for each in named)]
        return config, list(dict.fromkeys(Path(os.path.normpath(each)) for each in folders))

    def definitions(self, folders: list[Path]) -> dict[str, dict[str, Any]]:
        """The definitions of models by the paths of their files."""
        paths = [path for folder in folders for path in sorted(folder.glob("*.json"))]
        return {str(path): parsed(path) for path in paths if not self._is_other(path)}

    def _is_other(self, path: Path) -> bool:
        """Whether a file is no definition of a model."""
        is_beside = path.parent.samefile(self.folder)
        return path.name.startswith(".") or (is_beside and bool(_OTHERS.fullmatch(path.name)))

    def data_sources(self, replaced: Container[str] = ()) -> dict[str, dict[str, Any]]:
        """The settings of data sources by name, with what the environment has in placeholders.

        :param replaced: the names of those that others take the place of; of these there are none
            that the environment lacks something for.
        :raises DefinitionError: naming the setting with a placeholder that the environment lacks.
        """
        file = self.path(DATA_SOURCES)
        sources = {}
        for name, given in self._read(DATA_SOURCES).items():
            if not isinstance(given, dict):
                raise DefinitionError(f"{file}: the entry {name!r} is not an object")
            try:
                settings = _filled(given, f"{file}: {name}")
            except DefinitionError:
                if name not in replaced:
                    raise
            else:
                sources[name] = with_defaults(_with_url_first(settings))
        return sources

    def _read(self, name: str) -> dict[str, Any]:
        """A file, with those of the environment over it."""
        path = self.path(name)
        said = parsed(path) if path.exists() else {}
        for variant in self._variants:
            path = self.path(f"{name}.{variant}")
            if path.exists():
                said = _merged(said, parsed(path))
            elif path.with_suffix(".js").exists():
                _log.warning(
                    "%s is JavaScript, which is not run: LOOP_DATA_SOURCES, or a file in JSON, has "
                    "to say what it says",
                    path.with_suffix(".js"),
                )
        return said


def parsed(path: Path) -> dict[str, Any]:
    """A file's JSON object.

    :raises DefinitionError: where it has none.
    """
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise DefinitionError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DefinitionError(f"{path} is not a JSON object")
    return document


def _has_config(folder: Path) -> bool:
    return (folder / f"{MODEL_CONFIG}.json").exists()


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in more.items():
        old = merged.get(key)
        are_objects = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if are_objects else value  # type: ignore[arg-type]
    return merged


def _filled(given: Any, place: str) -> Any:
    """A value with what the environment has in the place of ``${NAME}``."""
    if isinstance(given, dict):
        return {key: _filled(value, f"{place}.{key}") for key, value in given.items()}
    if isinstance(given, list):
        return [_filled(each, f"{place}[{position}]") for position, each in enumerate(given)]
    if not isinstance(given, str):
        return given

    def said(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise DefinitionError(f"{place}: the environment has no {found[1]!r}")
        return value

    return _PLACEHOLDER.sub(said, given)


def _with_url_first(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without those that LoopBack does not look at where there is a URL."""
    url = settings.get("url")
    if not url or not isinstance(url, str):
        return settings
    try:
        parts = urlsplit(url)
    except ValueError:
        return settings  # it is none, which the connector says
    unused = set(_SERVER)
    if "@" in parts.netloc:
        unused |= _USER
    if parts.path.strip("/"):
        unused |= _DATABASE
    return {key: value for key, value in settings.items() if key not in unused}
