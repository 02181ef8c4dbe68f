"""Mending: what others have stored, without the values that nobody can read.

A connector whose backend lets other programs store anything gives its layouts a function that is
called where reading them raised; see :class:`~flask_loop.connectors.base.Layout`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from ..definition import Embedded, ModelDefinition
from ..errors import DefinitionError
from ..types import Array, FieldValue, Object, PropertyType, TypeMismatch

#: How many of the values of one model are told of.
MOST_TOLD = 100
Faults = tuple[type[Exception], ...]
#: What is raised where a value is none of its type.
UNREADABLE: Faults = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
#: The same of a Marshmallow field of the user's own; all else that it raises is a mistake in it.
UNREADABLE_FIELD: Faults = (TypeMismatch, orjson.JSONDecodeError)

#: A value that nobody can read, and the place of it, as the log names it.
Odd = tuple[str, Any]
_log = logging.getLogger(__name__)


def faults_of(kind: PropertyType) -> Faults:
    """What is raised where a value is none of a type."""
    return UNREADABLE_FIELD if isinstance(kind, FieldValue) else UNREADABLE


class Kind(Protocol):
    """How the values of one type are read."""

    @property
    def faults(self) -> Faults:
        """What is raised where a value is none of the type."""

    @property
    def item(self) -> Kind | None:
        """How the items of a list, or the values of an object, are read."""

    @property
    def inner(self) -> Callable[[], Fields] | None:
        """Gives the fields of a record inside another one."""

    def read(self, raw: Any) -> Any:
        """The Python value of a raw value, which is not None."""

    def shown(self, raw: Any) -> Any:
        """The JSON value of it."""


class Fields(Protocol):
    """The fields of records inside others."""

    @property
    def names(self) -> Mapping[str, str]:
        """The name of each property's field."""

    @property
    def codecs(self) -> Mapping[str, Kind]:
        """How each property is read."""


class JsonKind:
    """How the values of one type are read from JSON."""

    def __init__(self, kind: PropertyType) -> None:
        self._kind = kind
        self.faults = faults_of(kind)

    @property
    def item(self) -> JsonKind | None:
        if isinstance(self._kind, Array):
            return JsonKind(self._kind.item)
        return JsonKind(self._kind.values) if isinstance(self._kind, Object) else None

    @property
    def inner(self) -> Callable[[], JsonFields] | None:
        kind = self._kind
        return (lambda: JsonFields(kind.definition)) if isinstance(kind, Embedded) else None

    def read(self, raw: Any) -> Any:
        return self._kind.from_json(raw)

    def shown(self, raw: Any) -> Any:
        return self._kind.dump(self.read(raw))


class JsonFields:
    """The fields of records inside others, as JSON has them."""

    def __init__(self, definition: ModelDefinition) -> None:
        properties = definition.properties.values()
        self.names = {each.name: each.wire for each in properties}
        self.codecs = {each.name: JsonKind(each.type) for each in properties}


class Told:
    """The values that nobody can read of one model, of which the log tells once.

    :param model: the name of the model.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._told: set[tuple[str, str | None]] = set()

    def tell(self, record: str | None, odd: Iterable[Odd]) -> None:
        """Log values, but for those that were told of before.

        :param record: which record has them; None where it was read without its id.
        """
        for place, value in odd:
            told = (place, record)
            if told in self._told or len(self._told) > MOST_TOLD:
                continue
            self._told.add(told)
            if len(self._told) > MOST_TOLD:
                _log.warning("%s: there are more such values, which are read as null", self._model)
                return
            _log.warning(
                "%s %s: the value of %r, a %s, is none that its type has; it is read as null",
                self._model,
                "that was read without its id" if record is None else record,
                place,
                type(value).__name__,
            )


class Mending(ABC):
    """What is done where the documents of one model cannot be read.

    The values that are in the way become null, and the log says which.

    :param model: the name of the model.
    """

    def __init__(self, model: str) -> None:
        self.told = Told(model)

    def mend(self, documents: Sequence[Any]) -> list[dict[str, Any]]:
        """Documents that can all be read."""
        return [self.mended(each) for each in documents]

    @abstractmethod
    def mended(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document that can be read: the same values as far as they can be."""


def readable(
    kind: Kind, raw: Any, place: str, key_of: Callable[[str], str] = str
) -> tuple[Any, list[Odd]]:
    """A raw value without what nobody can read of it, and what that is.

    Of a record inside another one the other values stay; a list or an object is whole, or null.

    :param raw: what is not None.
    :param place: where it is, as the log names it.
    :param key_of: gives the key of an object that a field has the value of.
    """
    if _is_readable(kind, raw):
        return raw, []
    found: list[Odd] = []

    def part(inner: Kind, value: Any, key: Any) -> Any:
        if value is None:
            return None
        left, missing = readable(inner, value, f"{place}.{key}", key_of)
        found.extend(missing)
        return left

    left: Any = None
    if kind.inner is not None and isinstance(raw, Mapping):
        fields = kind.inner()
        parts = {
            field: part(fields.codecs[name], raw.get(field), name)
            for name, field in fields.names.items()
        }
        left = {**raw, **parts}
    elif kind.item is not None and isinstance(raw, list):
        left = [part(kind.item, each, index) for index, each in enumerate(raw)]
        left = None if _count_nulls(left) > _count_nulls(raw) else left
    elif kind.item is not None and isinstance(raw, Mapping):
        left = {name: part(kind.item, each, key_of(name)) for name, each in raw.items()}
        left = None if _count_nulls(left.values()) > _count_nulls(raw.values()) else left
    if left is None or not _is_readable(kind, left):
        return None, found or [(place, raw)]
    return left, found


def _count_nulls(values: Iterable[Any]) -> int:
    return sum(1 for each in values if each is None)


def _is_readable(kind: Kind, raw: Any) -> bool:
    try:
        kind.read(raw)
        kind.shown(raw)
    except DefinitionError:  # it is no value that is in the way
        raise
    except kind.faults:
        return False
    return True
