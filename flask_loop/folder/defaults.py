"""What LoopBack's connectors do where its files say nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..definition import BACKENDS, PLAIN_BASES

#: By connectors: how records are written, or where, that LoopBack has been using.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "couchdb": {"plain_ids": True},
    "remote": {"dialect": "loopback3"},
    "rest": {"update": "PUT"},
}
#: The settings that the files of LoopBack's generators have with an empty text.
_LEFT_BLANK = frozenset(
    {"url", "host", "hostname", "port", "user", "username", "password", "file", "localStorage"}
)
_GENERATED = {"type": "string", "id": True, "generated": True}


def connector_of(settings: Mapping[str, Any]) -> str:
    """The connector of a data source by its own name, whatever name of it the settings have."""
    given = settings.get("connector") or re.split("[+:]", str(settings.get("url")))[0]
    name = str(getattr(given, "name", given)).removeprefix("loopback-connector-")
    return BACKENDS.get(name, name)


def with_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a data source in a file, with what LoopBack takes for granted in them."""
    said = {key: value for key, value in settings.items() if not _says_nothing(key, value)}
    return {**_DEFAULTS.get(connector_of(said), {}), **said}


def _says_nothing(key: str, value: Any) -> bool:
    is_blank = value == "" and key in _LEFT_BLANK
    return is_blank or (key == "url" and value is False)


def stored_as_documents(
    document: Mapping[str, Any],
    settings: Mapping[str, Any],
    has_own_id: Callable[[str], bool],
    inherits_collection: Callable[[], bool],
) -> Mapping[str, Any]:
    """A model's definition with the id and the collection that LoopBack gives it.

    :param document: the definition.
    :param settings: of the data source that the model is on.
    :param has_own_id: says of a base whether it has an id that is not injected.
    :param inherits_collection: says whether the model is in the collection of its base.
    """
    connector = connector_of(settings)
    if connector not in ("mongodb", "couchdb"):
        return document
    added = dict(document)
    if _lacks_id(document, has_own_id):
        added["properties"] = {**_mapping(document.get("properties")), "id": _GENERATED}
    name = document.get("name")
    if connector == "mongodb" and isinstance(name, str) and not inherits_collection():
        own = {"collection": name}
        options = _mapping(document.get("options"))
        said = {**own, **_mapping(options.get(connector)), **_mapping(document.get(connector))}
        added["options"] = {**options, connector: said}
    return added


def says_collection(document: Mapping[str, Any]) -> bool:
    """Whether a definition says itself which collection of MongoDB its records are in."""
    places = _mapping(document.get("options")), document
    return any("collection" in _mapping(each.get("mongodb")) for each in places)


def _lacks_id(document: Mapping[str, Any], has_own_id: Callable[[str], bool]) -> bool:
    """Whether a model would get an id that nobody has declared."""
    properties = document.get("properties") or {}
    settings = {**_mapping(document.get("options")), **document}
    if settings.get("idInjection") is False or not isinstance(properties, Mapping):
        return False
    if any(key == "id" or _mapping(each).get("id") for key, each in properties.items()):
        return False
    base = document.get("base", "PersistedModel")
    return base in PLAIN_BASES or not has_own_id(base)


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
