"""What ``model-config.json`` says of a model beside its data source, and of what kind it all is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..definition import ModelDefinition, nearest, shared_methods
from ..errors import DefinitionError

_KEYS = ("dataSource", "public", "options", "relations", "methods", "acls")
#: The keys of a definition that are looked into here, before it is read.
_PARTS = ("properties", "options", "relations", "methods", "acls")
#: What tells one rule from another; of two that are alike the configuration's holds. The bundled
#: models have them in Python's spelling.
_WHO_AND_WHAT = (
    ("principalType", "principal_type"),
    ("principalId", "principal_id"),
    ("accessType", "access_type"),
    ("property", "properties"),
)


def checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A definition of a file, without a base where it says that it has none.

    :raises DefinitionError: naming a key whose value is of another kind.
    """
    # LoopBack takes such a base for PersistedModel, as where none is given.
    kept = {k: v for k, v in document.items() if k != "base" or v not in (None, "")}
    for key in ("name", "base"):
        if not isinstance(kept.get(key), str | None):
            raise DefinitionError(f"{key!r} of a model is text, not {kept[key]!r}")
    for key in _PARTS:
        _demand_kind(key, kept.get(key) or None, "a definition")
    for key, value in (kept.get("options") or {}).items():
        if key in _PARTS:
            _demand_kind(key, value or None, "a definition's options")
    return kept


def configured(document: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A definition with what the configuration adds to it.

    :param document: the definition.
    :param config: the model's entry. Its ``options.remoting`` is no part of the definition.
    """
    more = {key: value for key, value in config.items() if key in _KEYS[2:] and value}
    if not more:
        return document
    given = document.get("options") or {}
    own = {key: value for key, value in more.get("options", {}).items() if key != "remoting"}
    parts: dict[str, Any] = {}
    for key in ("relations", "methods", "acls"):
        if key in more:
            said = given.get(key, document.get(key))
            parts[key] = _together(key, said, more[key])
    kept = {key: value for key, value in {**given, **own}.items() if key not in parts}
    rest = {key: value for key, value in document.items() if key != "options"}
    # They come last, as they hold against what the definition says.
    return {**rest, **parts, "options": kept}


def _together(key: str, said: Any, more: Any) -> Any:
    if key == "acls":
        return [*_without(said or (), more), *more]
    return {**(said or {}), **more}


def replace_rules(
    definition: ModelDefinition, base: ModelDefinition, config: Mapping[str, Any]
) -> None:
    """Take from a definition the rules of its base that the configuration has others for.

    :param definition: what :func:`configured` became.
    :param base: the definition that it extends.
    :param config: the model's entry.
    """
    inherited, acls = base.settings.acls, definition.settings.acls
    own = acls[len(inherited) :]
    kept = _without(inherited, config.get("acls") or ())
    definition.settings = replace(definition.settings, acls=(*kept, *own))


def check_entry(name: str, entry: Any) -> None:
    """Refuse an entry that is none.

    :raises DefinitionError: naming the model, and the key that means nothing.
    """
    if not isinstance(entry, Mapping):
        raise DefinitionError(f"the entry {name!r} is not an object")
    for key, value in entry.items():
        if key not in _KEYS:
            raise DefinitionError(f"the entry {name!r} has no {key!r}{nearest(key, _KEYS)}")
        if key in _KEYS[2:]:
            _demand_kind(key, value, f"the entry {name!r}")
    remoting = (entry.get("options") or {}).get("remoting") or {}
    _demand_kind("remoting", remoting, f"the entry {name!r}")
    shared_methods(remoting)
    source = entry.get("dataSource")
    if source not in (None, False) and not isinstance(source, str):
        raise DefinitionError(f"'dataSource' of the entry {name!r} is text, null or false")


def _demand_kind(key: str, value: Any, place: str) -> None:
    kind, phrase = (list, "a list") if key == "acls" else (Mapping, "an object")
    if value is not None and not isinstance(value, kind):
        raise DefinitionError(f"{key!r} of {place} is {phrase}")


def _without(rules: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """The rules that are not about the same callers and methods as one of the others."""
    said = [_told_apart(each) for each in others]
    return [each for each in rules if _told_apart(each) not in said]


def _told_apart(entry: Any) -> tuple[Any, ...]:
    given = entry if isinstance(entry, Mapping) else {}
    return tuple(given.get(key, given.get(python)) for key, python in _WHO_AND_WHAT)
