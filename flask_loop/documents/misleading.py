"""Misleading: values that MongoEngine would take for something else when the app reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mongoengine as me

from ..definition import Embedded, ModelDefinition
from ..errors import BadRequest
from ..types import AnyValue, Array, Object, PropertyType

#: The field with the name of a document's class.
CLASS = "_cls"
#: The keys by which MongoEngine makes an instance of the class that is named.
_OF_CLASSES = frozenset({CLASS, "_ref"})


def refuse_misleading(
    definition: ModelDefinition, document: Any, values: Mapping[str, Any]
) -> None:
    """Refuse what would keep the app from reading, or from saving, its own documents.

    :param document: the app's class.
    :param values: what is stored, by the names of properties, and of undeclared keys.
    :raises BadRequest: naming the property and the key.
    """
    for name, value in values.items():
        declared = definition.properties.get(name)
        if declared is None:
            key = name if _is_own(document, name) else _key_in(AnyValue(), value)
        else:
            key = _key_in(declared.type, value)
        if key is not None:
            place = name if declared is None else declared.wire
            raise BadRequest(
                f"{definition.name}.{place} must not have the key {key!r}, which the app's "
                "documents have for themselves"
            )


def _key_in(kind: PropertyType, value: Any) -> str | None:
    """The first key in a value that misleads."""
    if isinstance(value, list | tuple):
        item = kind.item if isinstance(kind, Array) else AnyValue()
        return _first(_key_in(item, each) for each in value)
    if not isinstance(value, Mapping):
        return None
    if isinstance(kind, Embedded):
        return _first(_key_of(kind.definition, name, each) for name, each in value.items())
    values = kind.values if isinstance(kind, Object) else AnyValue()
    return _first(
        name if name in _OF_CLASSES else _key_in(values, each) for name, each in value.items()
    )


def _key_of(definition: ModelDefinition, name: str, value: Any) -> str | None:
    declared = definition.properties.get(name)
    if declared is not None:
        return _key_in(declared.type, value)
    return name if _is_own(me.DynamicEmbeddedDocument, name) else _key_in(AnyValue(), value)


def _is_own(document: Any, name: str) -> bool:
    """Whether an undeclared key is what documents of a class have, or are made with.

    One that is called as a field that is left out is stored under another name.
    """
    if name in document._fields:
        return False
    return name == "self" or name.startswith("_") or hasattr(document, name)


def _first(keys: Any) -> str | None:
    return next((key for key in keys if key is not None), None)
