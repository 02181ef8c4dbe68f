"""Records as arguments of remote methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..definition import Embedded, ModelDefinition
from ..types import MAX_DEPTH, TypeMismatch, is_deeper, json_value, too_deep
from .acceptance import Acceptance


def unsaved(kind: Embedded, data: Mapping[str, Any], *, text: bool) -> Any:
    """Make a record of a remote caller's data; only what the caller may write is in it.

    :param kind: the type of the record.
    :param data: by wire names.
    :param text: whether the exact text of a number, boolean, … is taken.
    :returns: an unsaved instance, or a dict by Python names where the type has no model.
    :raises TypeMismatch: where a value is not of its property's type.
    """
    if is_deeper(data, MAX_DEPTH):
        raise too_deep()
    definition = kind.definition
    accepted, failures = Acceptance(definition).accept(data, creating=True)
    if failures:
        first = failures[0]
        raise TypeMismatch(first.code, first.message, first.path)
    if definition.model is None:
        return kind.load(accepted, text=text)
    forced = _forced_ids(definition)
    return definition.model(
        {
            key: _value(definition, key, value, text)
            for key, value in accepted.items()
            if key not in forced
        }
    )


def _forced_ids(definition: ModelDefinition) -> set[str]:
    """The names of the properties of an id that clients cannot choose."""
    if not definition.settings.force_id:
        return set()
    return {each.name for each in definition.ids if each.generated}


def _value(definition: ModelDefinition, key: str, value: Any, text: bool) -> Any:
    declared = definition.properties.get(key)
    try:
        if declared is None:
            return json_value(value)
        return None if value is None else declared.type.load(value, text=text)
    except TypeMismatch as error:
        raise TypeMismatch(error.code, str(error), (key, *error.path)) from None
