"""Options: what models and properties say to one backend alone, under its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..definition import ModelDefinition, Property, nearest
from ..definition.embedding import embedded_in
from ..errors import DefinitionError

CheckProperty = Callable[[str, Property], None]

#: The keys by which a property names its field or column; the first that is there counts.
FIELD_NAMES = ("field", "fieldName", "columnName", "column")
#: What LoopBack's files say, which is no mistake where a backend has no use for it.
_LOOPBACK_MODEL = (
    *("table", "tableName", "schema", "collection"),
    *("engine", "allowExtendedOperators", "defaultIdSort"),
)
_LOOPBACK_PROPERTY = (
    *FIELD_NAMES,
    *("dataType", "dataLength", "dataPrecision", "dataScale", "nullable"),
    *("precision", "scale", "default", "dbDefault", "defaultFn", "extension"),
    *("generated", "autoIncrement"),
)


def check_options(
    definition: ModelDefinition,
    backend: str,
    *,
    model: Collection[str] = (),
    properties: Collection[str] = (),
    check: CheckProperty | None = None,
) -> None:
    """Refuse what a model and its properties say to a backend that has no such option.

    The properties of models that are embedded in it are looked at, too; where such a model is
    defined later, when somebody first needs it. What LoopBack's files say of tables and columns is
    let be. To be called when a connector learns of a definition, and not for each query.

    :param definition: the model.
    :param backend: the name that its options are under: the connector's.
    :param model: the keys that mean something among the options of a model.
    :param properties: those among the options of a property.
    :param check: is called with what messages call a property, and with the property, for each that
        has options, to refuse more.
    :raises DefinitionError: naming the model or the property, the key, and the nearest that is one.
    """
    given = definition.settings.options.get(backend, {})
    _refuse_unknown(f"model {definition.name!r}: options.{backend}", given, model, _LOOPBACK_MODEL)
    _Properties(backend, properties, check).look_through(definition, definition.name, set())


def named_field(property_: Property, backend: str) -> str | None:
    """What a property's options call its field or column; None where they do not.

    :param property_: of a definition that was checked.
    :param backend: the name that its options are under.
    """
    given = property_.options.get(backend, {})
    return next((given[key] for key in FIELD_NAMES if given.get(key) is not None), None)


def names_by_field(definition: ModelDefinition, fields: Mapping[str, str]) -> dict[str, str]:
    """The names of a model's properties by the fields that they are stored in.

    :param fields: the fields by the names of the properties.
    :raises DefinitionError: naming two properties that would be one field.
    """
    names: dict[str, str] = {}
    for name, field in fields.items():
        other = names.setdefault(field, name)
        if other != name:
            raise DefinitionError(
                f"model {definition.name!r}: {other!r} and {name!r} would both be the field "
                f"{field!r}"
            )
    return names


@dataclass(frozen=True, slots=True)
class _Properties:
    """What the properties of a model say, and those of models that are inside of it."""

    backend: str
    known: Collection[str]
    check: CheckProperty | None

    def look_through(
        self, definition: ModelDefinition, place: str, seen: set[ModelDefinition]
    ) -> None:
        if definition in seen:
            return
        seen.add(definition)
        try:
            for each in definition.properties.values():
                self._look_at(each, f"{place}.{each.name}", seen)
        except DefinitionError:
            seen.discard(definition)  # who looks again is refused as well
            raise

    def _look_at(self, property_: Property, place: str, seen: set[ModelDefinition]) -> None:
        if self.backend in property_.options:
            self._check_one(property_, place)
        embedded = embedded_in(property_.type)
        if embedded is not None:
            key = (self.backend, place)
            embedded.check(key, lambda inner: self.look_through(inner, place, seen))

    def _check_one(self, property_: Property, place: str) -> None:
        options, said = property_.options[self.backend], f"{place}: options.{self.backend}"
        _refuse_unknown(said, options, self.known, _LOOPBACK_PROPERTY)
        if not set(FIELD_NAMES).isdisjoint(self.known):
            _check_names(said, options)
        if self.check is not None:
            self.check(place, property_)


def _check_names(place: str, given: Mapping[str, Any]) -> None:
    named = {key: given[key] for key in FIELD_NAMES if given.get(key) is not None}
    for key, name in named.items():
        if not isinstance(name, str):
            raise DefinitionError(f"{place}.{key} is text, not {name!r}")
    if len(set(named.values())) > 1:
        listed = " and ".join(map(repr, named))
        raise DefinitionError(f"{place} has different names by {listed}, which are one option")


def _refuse_unknown(
    place: str, given: Any, known: Collection[str], loopback: Collection[str]
) -> None:
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{place} is a dict, not {given!r}")
    for key in given:
        if key not in known and key not in loopback:
            names = ", ".join(map(repr, known)) or "none"
            hint = nearest(str(key), known) or f"; it has {names}"
            raise DefinitionError(f"{place} has no {key!r}{hint}")
