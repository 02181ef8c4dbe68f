"""Embedded: the type of a property whose values are another model's records."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from .. import types as property_types
from ..errors import DefinitionError
from ..types import PropertyType, TypeMismatch
from .property import Property

if t.TYPE_CHECKING:
    from .model import ModelDefinition

Check = Callable[["ModelDefinition"], None]


class Embedded(PropertyType):
    """Another model's record inside this one. Records hold it as a dict by Python names.

    :param find: gives the embedded model's definition, when it is first needed.
    """

    name, python, message = "Object", dict, "is not an object"

    def __init__(self, find: Callable[[], ModelDefinition]) -> None:
        self._find = find
        self._definition: ModelDefinition | None = None
        self._model: t.Any = None
        self._checks: dict[t.Hashable, Check] = {}

    @property
    def definition(self) -> ModelDefinition:
        if self._definition is None:
            found = self._find()
            for check in self._checks.values():
                check(found)
            self._definition, self._model = found, found.model
            self._checks.clear()
        return self._definition

    def check(self, key: t.Hashable, check: Check) -> None:
        """Have a look at the embedded definition: now, or before anybody else does.

        :param key: another check of the same key takes its place.
        :param check: is called with the definition, and raises where it means nothing; then it does
            so for each who asks for it.
        """
        try:
            found = self._definition or self._find()
        except DefinitionError:
            self._checks[key] = check  # it is missing until somebody needs it, who says so then
        else:
            check(found)

    def hand_over(self) -> t.Any:
        """Give the embedded model's class, if it has one, to be held by the class that embeds it.

        Until then this type holds it. Afterwards no definition does, so that a connector, which
        knows models by their definitions, keeps no class.
        """
        model = self.definition.model
        self._find, self._model = (lambda: self.definition), None
        return model

    def load(self, value: t.Any, *, text: bool = True) -> dict[str, t.Any]:
        definition = self.definition
        if hasattr(value, "to_record"):
            if definition.model is not None and not isinstance(value, definition.model):
                raise self.mismatch(f"is not an instance of {definition.name}")
            value = value.to_record()
        if not isinstance(value, Mapping):
            raise self.mismatch()
        if property_types.is_deeper(value, property_types.MAX_DEPTH):
            raise property_types.too_deep()
        try:
            given = definition.rename_keys(value)
        except TypeError as error:
            raise self.mismatch(f"is ambiguous: {error}") from None
        record = {name: self._load_one(name, given, text) for name in definition.properties}
        if len(given) > len(record) or not given.keys() <= record.keys():
            record.update(self._load_undeclared(given))
        return record

    def _load_one(self, name: str, given: Mapping[str, t.Any], text: bool) -> t.Any:
        property_ = self.definition.properties[name]
        value = given[name] if name in given else property_.make_default()
        if value is None:
            may_be_null = property_.nullable or property_.generated
            if property_.must_be_given or (name in given and not may_be_null):
                raise TypeMismatch("presence", "can't be blank", (name,))
            return None
        try:
            return property_.type.load(value, text=text)
        except TypeMismatch as error:
            raise TypeMismatch(error.code, str(error), (name, *error.path)) from None

    def _load_undeclared(self, given: Mapping[str, t.Any]) -> dict[str, t.Any]:
        undeclared = self._undeclared(given)
        settings = self.definition.settings
        if settings.strict == "validate":
            key = next(iter(undeclared))
            raise TypeMismatch("unknown-property", "is not defined in the model", (str(key),))
        if not settings.keeps_unknown:
            return {}
        return property_types.Object().load(undeclared)

    def _undeclared(self, value: Mapping[str, t.Any]) -> dict[str, t.Any]:
        declared = self.definition.properties
        return {key: item for key, item in value.items() if key not in declared}

    def dump(self, value: t.Any) -> dict[str, t.Any]:
        return self._by_wire_name(
            value, lambda kind: kind.dump, lambda each: each.readable and not each.protected
        )

    def to_json(self, value: t.Any) -> dict[str, t.Any]:
        return self._by_wire_name(value, lambda kind: kind.to_json, lambda each: True)

    def _by_wire_name(
        self,
        value: t.Any,
        write: Callable[[PropertyType], Callable[[t.Any], t.Any]],
        wanted: Callable[[Property], bool],
    ) -> dict[str, t.Any]:
        if hasattr(value, "to_record"):
            value = value.to_record()
        written = {
            each.wire: None if (item := value.get(each.name)) is None else write(each.type)(item)
            for each in self.definition.properties.values()
            if wanted(each)
        }
        if self.definition.settings.keeps_unknown:
            written.update(self._undeclared(value))
        return written

    def from_json(self, value: t.Any) -> dict[str, t.Any]:
        by_wire = self.definition.by_wire
        record = {
            each.name: None if (item := value.get(each.wire)) is None else each.type.from_json(item)
            for each in by_wire.values()
        }
        if self.definition.settings.keeps_unknown:
            record.update((key, item) for key, item in value.items() if key not in by_wire)
        return record

    def json_schema(self) -> dict[str, t.Any]:
        properties = {
            each.wire: each.type.json_schema() for each in self.definition.properties.values()
        }
        return {"type": "object", "properties": properties}


def embedded_in(kind: PropertyType) -> Embedded | None:
    """The embedded type that a type is, or that its items or values are."""
    while isinstance(kind, property_types.Array | property_types.Object):
        kind = kind.item if isinstance(kind, property_types.Array) else kind.values
    return kind if isinstance(kind, Embedded) else None
