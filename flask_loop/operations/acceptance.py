"""What remote callers may write of a record, and what they cannot see and so must not lose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..definition import Embedded, ModelDefinition, Property
from ..errors import Failure
from ..remoting import ClientData
from ..schema import READ_ONLY, UNKNOWN
from ..types import Array, Object, PropertyType
from ..validation import Absence

Data = Mapping[str, Any]


class Acceptance:
    """The flags of one model's properties, as they bind remote callers.

    :param definition: the model.
    :param takes_unknown: whether keys that are no property go on to a schema of the user's own.
    :param forces_id: whether a generated id cannot be given.

    :ivar kept: the properties whose values a client cannot write, or cannot see to give back.
    :ivar embedding: the wire names of the properties whose values are records of other models.
    :ivar holding: the keys of data that have other records, inside the record or related to it.
    """

    def __init__(
        self, definition: ModelDefinition, *, takes_unknown: bool = False, forces_id: bool = False
    ) -> None:
        self.definition = definition
        self._takes_unknown = takes_unknown or definition.settings.keeps_unknown
        self._refuses_unknown = definition.settings.strict == "validate"
        self._forces_id = forces_id
        properties = definition.properties.values()
        self.kept = [
            each.name
            for each in properties
            if each.read_only or each.create_only or not each.readable
        ]
        self.embedding = frozenset(definition.properties[name].wire for name in definition.embedded)
        relations = definition.relations.values()
        nested = [each for each in relations if each.options.nested]
        self._aliases = {
            each.wire: definition.properties[str(each.property)]
            for each in relations
            if each.is_embedded
        }
        self._by_key = {**definition.by_wire, **self._aliases}
        self._nested = frozenset(each.wire for each in nested if not each.is_embedded)
        spellings = {name for each in relations for name in (each.name, each.wire)}
        self._relations = spellings if definition.settings.keeps_unknown else frozenset()
        self.holding = self.embedding | self._aliases.keys() | self._nested
        self._inner: dict[ModelDefinition, Acceptance] = {}

    def accept(
        self, data: Data, *, creating: bool, current: Data | None = None
    ) -> tuple[dict[str, Any], list[Failure]]:
        """The part of a client's data that it may write, by Python names.

        :param data: by wire names.
        :param creating: whether a new record is made of it.
        :param current: the record that is changed, where records inside it may have to be kept.
        :returns: the data, and what is refused of it.
        """
        accepted: dict[str, Any] = {}
        failures: list[Failure] = []
        trusted = data.trusted if isinstance(data, ClientData) else ()
        for key, value in data.items():
            if key in trusted or key in self._nested or self._is_given_twice(key, data):
                continue
            property_ = self._by_key.get(key)
            if property_ is None:
                if not self._takes_unknown:
                    failures += self._refused(key, UNKNOWN)
                elif self._is_undeclared(key):
                    accepted[key] = value
            elif property_.read_only or (property_.create_only and not creating):
                failures += self._refused(property_.name, READ_ONLY)
            elif creating and value is not None and self._is_forced(property_):
                failures.append(Failure((property_.name,), Absence.code, Absence.messages[""]))
            elif property_.wire in self.embedding:
                old = None if current is None else current.get(property_.name)
                accepted[property_.name] = self._inside(property_, value, old, failures)
            else:
                accepted[property_.name] = value
        accepted.update(self.definition.rename_keys({key: data[key] for key in trusted}))
        return accepted, failures

    def _is_given_twice(self, key: str, data: Data) -> bool:
        """Whether it is a relation whose records are in the data as its property too."""
        return key in self._aliases and self._aliases[key].wire in data

    def _is_undeclared(self, key: str) -> bool:
        return key not in self.definition.properties and key not in self._relations

    def _refused(self, name: str, message: Any) -> list[Failure]:
        return [Failure((name,), message.code, message)] if self._refuses_unknown else []

    def _is_forced(self, property_: Property) -> bool:
        return bool(self._forces_id and property_.id and property_.generated)

    def _inside(
        self, property_: Property, value: Any, current: Any, failures: list[Failure]
    ) -> Any:
        refused: list[Failure] = []
        accepted = self._value(property_.type, value, current, (), refused)
        failures += [Failure((property_.name, *f.path), f.code, f.message) for f in refused]
        return accepted

    def _value(
        self,
        kind: PropertyType,
        value: Any,
        current: Any,
        path: tuple[str | int, ...],
        failures: list[Failure],
    ) -> Any:
        """A value whose parts may be records; what is of another type goes on to be refused."""
        if isinstance(kind, Array) and isinstance(value, list):
            stored = current if isinstance(current, list) else []
            return [
                self._value(
                    kind.item, item, _same_item(kind.item, item, stored), (*path, index), failures
                )
                for index, item in enumerate(value)
            ]
        if isinstance(value, Mapping) and isinstance(kind, Object) and kind.values is not None:
            stored_values = current if isinstance(current, Mapping) else {}
            return {
                key: self._value(kind.values, item, stored_values.get(key), (*path, key), failures)
                for key, item in value.items()
            }
        if isinstance(value, Mapping) and isinstance(kind, Embedded):
            return self._record(kind.definition, value, current, path, failures)
        return value

    def _record(
        self,
        definition: ModelDefinition,
        value: Data,
        current: Any,
        path: tuple[str | int, ...],
        failures: list[Failure],
    ) -> dict[str, Any]:
        inner = self._inner.get(definition)
        if inner is None:
            inner = self._inner[definition] = Acceptance(definition)
        is_stored = isinstance(current, Mapping)
        accepted, refused = inner.accept(
            value, creating=not is_stored, current=current if is_stored else None
        )
        failures += [Failure((*path, *f.path), f.code, f.message) for f in refused]
        if is_stored:
            hidden = [*inner.kept, *inner.protected]
            accepted.update((name, current[name]) for name in hidden if name not in accepted)
        return accepted

    @property
    def protected(self) -> Iterable[str]:
        """The properties that are not shown where the record is inside another one."""
        return (each.name for each in self.definition.properties.values() if each.protected)


def _same_item(kind: PropertyType, item: Any, stored: list[Any]) -> Any:
    """The stored record that a client means by a list's item: of the same id, or shown alike."""
    if not (isinstance(kind, Embedded) and isinstance(item, Mapping)):
        return None
    ids = kind.definition.ids
    if ids and all(item.get(each.wire) is not None for each in ids):
        wanted = [item[each.wire] for each in ids]
        shown = ((kind.dump(record), record) for record in stored)
        return next((r for json, r in shown if [json.get(i.wire) for i in ids] == wanted), None)
    return next((record for record in stored if kind.dump(record) == item), None)
