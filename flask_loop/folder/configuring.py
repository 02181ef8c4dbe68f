"""What ``model-config.json`` says of a model beside its data source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..definition import nearest
from ..errors import DefinitionError

_KEYS = ("dataSource", "public", "options", "relations", "methods", "acls")
#: What tells one rule from another; of two that are alike the configuration's holds.
_WHO_AND_WHAT = ("principalType", "principalId", "accessType", "property")


def configured(document: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A definition with what the configuration adds to it.

    :param document: the definition.
    :param config: the model's entry. Its ``options.remoting`` is no part of the definition.
    """
    more = {key: value for key, value in config.items() if key in _KEYS[2:] and value}
    if not more:
        return document
    added = {key: value for key, value in document.items() if key != "options"}
    for key in ("relations", "methods"):
        if key in more:
            added[key] = {**(document.get(key) or {}), **more[key]}
    if "acls" in more:
        said = [_told_apart(each) for each in more["acls"]]
        kept = [each for each in document.get("acls") or () if _told_apart(each) not in said]
        added["acls"] = [*kept, *more["acls"]]
    own = {key: value for key, value in more.get("options", {}).items() if key != "remoting"}
    # They come last, as they hold against what the definition says.
    return {**added, "options": {**(document.get("options") or {}), **own}}


def check_entry(name: str, entry: Any) -> None:
    """Refuse an entry that is none.

    :raises DefinitionError: naming the model, and the key that means nothing.
    """
    if not isinstance(entry, Mapping):
        raise DefinitionError(f"the entry {name!r} is not an object")
    for key, value in entry.items():
        if key not in _KEYS:
            raise DefinitionError(f"the entry {name!r} has no {key!r}{nearest(key, _KEYS)}")
        kind = list if key == "acls" else Mapping
        if key in _KEYS[2:] and value is not None and not isinstance(value, kind):
            phrase = "a list" if kind is list else "an object"
            raise DefinitionError(f"{key!r} of the entry {name!r} is {phrase}")


def _told_apart(entry: Any) -> tuple[Any, ...]:
    given = entry if isinstance(entry, Mapping) else {}
    return tuple(given.get(key) for key in _WHO_AND_WHAT)
