"""Keys of relations: what they are called, where they are found, how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError
from ..types import AnyValue, Array, Integer, Number, PropertyType
from .declarations import snake
from .naming import wire_name
from .property import Property

if TYPE_CHECKING:
    from .model import ModelDefinition


def default_keys(base: str, primary: tuple[str, ...]) -> tuple[str, ...]:
    """``book_id``; of several properties, ``book_`` and the name of each."""
    if len(primary) == 1:
        return (f"{base}_id",)
    return tuple(f"{base}_{snake(name)}" for name in primary)


def refuse_other_type(
    holder: ModelDefinition, key: Property, kind: PropertyType, named: PropertyType
) -> None:
    """Refuse a key that was declared with a type whose values never equal what it names."""
    if isinstance(kind, AnyValue) or isinstance(named, AnyValue):
        return
    are_numbers = isinstance(kind, Integer | Number) and isinstance(named, Integer | Number)
    if not are_numbers and kind.python is not named.python:
        raise DefinitionError(
            f"the key {holder.name}.{key.name} is a {kind.name} and never equals a {named.name}, "
            "by which it names a record"
        )


def find_property(definition: ModelDefinition, name: str) -> Property | None:
    """A property under its Python name or, in either case, its name on the wire."""
    found = definition.properties.get(name) or definition.by_wire.get(name)
    return found or definition.by_wire.get(wire_name(name))


def length_of(*named: Property) -> dict[str, int]:
    """What bounds a key: the length of the longest that it may equal, or nothing."""
    lengths: list[int] = [
        each.constraints["max_length"] for each in named if "max_length" in each.constraints
    ]
    return {"max_length": max(lengths)} if lengths and len(lengths) == len(named) else {}


def made_property(
    holder: ModelDefinition,
    name: str,
    kind: PropertyType,
    *,
    nullable: bool = True,
    required: bool = False,
    index: bool = True,
    **more: Any,
) -> Property:
    """A property that a relation makes."""
    return Property(
        name=name,
        wire=wire_of(holder, name),
        type=kind,
        nullable=nullable,
        required=required,
        index=index and not isinstance(kind, Array),
        made=True,
        **more,
    )


def wire_of(definition: ModelDefinition, name: str) -> str:
    """The name on the wire of what a relation adds to a model."""
    return name if definition.settings.wire_case is None else wire_name(name)
