"""From what stands for a type in a definition to its :class:`~flask_loop.types.PropertyType`."""

from __future__ import annotations

import datetime as dt
import enum
import types
import typing as t
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal

from marshmallow.fields import Field

from .. import types as property_types
from ..errors import DefinitionError
from ..geo import GeoPoint
from ..types import PropertyType
from .embedding import Embedded
from .loopback import OBJECT_ID
from .registry import nearest

if t.TYPE_CHECKING:
    from .model import ModelDefinition

_BY_NAME: dict[str, Callable[[], PropertyType]] = {
    "null": property_types.Null,
    "boolean": property_types.Boolean,
    "number": property_types.Number,
    "integer": property_types.Integer,
    "decimal": property_types.DecimalNumber,
    "string": property_types.String,
    "text": property_types.String,
    "object": property_types.Object,
    "json": property_types.AnyValue,
    "array": property_types.Array,
    "date": property_types.DateTime,
    "datetime": property_types.DateTime,
    "dateonly": property_types.Date,
    "buffer": property_types.Buffer,
    "binary": property_types.Buffer,
    "geopoint": property_types.Geo,
    "uuid": property_types.Uuid,
    "any": property_types.AnyValue,
}
#: LoopBack's names of the types, for messages.
TYPE_NAMES = tuple(dict.fromkeys(make().name for make in _BY_NAME.values()))
_BY_CLASS: dict[t.Any, Callable[[], PropertyType]] = {
    None: property_types.Null,
    type(None): property_types.Null,
    bool: property_types.Boolean,
    int: property_types.Integer,
    float: property_types.Number,
    Decimal: property_types.DecimalNumber,
    str: property_types.String,
    dict: property_types.Object,
    list: property_types.Array,
    dt.datetime: property_types.DateTime,
    dt.date: property_types.Date,
    bytes: property_types.Buffer,
    GeoPoint: property_types.Geo,
    uuid.UUID: property_types.Uuid,
    t.Any: property_types.AnyValue,
    object: property_types.AnyValue,
}


def resolve_type(
    written: t.Any,
    *,
    named: Callable[[str], ModelDefinition],
    anonymous: Callable[[Mapping[str, t.Any]], ModelDefinition],
) -> PropertyType:
    """Give the property type of what stands for it in a definition.

    :param written: a Python type, a type's name, ``[T]`` or ``list[T]``, a model, a dict of
        properties, an Enum, a Marshmallow field, or a property type.
    :param named: finds the definition of a model that is only named.
    :param anonymous: defines a model from a dict of properties.
    :raises DefinitionError: where it is none of these.
    """

    def resolve(part: t.Any) -> PropertyType:
        return resolve_type(part, named=named, anonymous=anonymous)

    if isinstance(written, PropertyType):
        return written
    if isinstance(written, str):
        return _resolve_name(written, named)
    if isinstance(written, list | tuple):
        if len(written) > 1:
            raise DefinitionError(f"a list type has one item type, not {len(written)}")
        return property_types.Array(resolve(written[0]) if written else None)
    if isinstance(written, Field):
        return property_types.FieldValue(written)
    if isinstance(written, Mapping) and "type" in written:
        return resolve(_type_alone(written))
    if isinstance(written, Mapping):
        definition = anonymous(written)
        return Embedded(lambda: definition)
    return _resolve_class(written, resolve)


def _type_alone(written: Mapping[str, t.Any]) -> t.Any:
    if len(written) > 1:
        raise DefinitionError(f"what is inside a list has a type alone, not {written!r}")
    return written["type"]


def _resolve_name(name: str, named: Callable[[str], ModelDefinition]) -> PropertyType:
    if name.startswith("[") and name.endswith("]"):
        return property_types.Array(_resolve_name(name[1:-1], named))
    if make := _BY_NAME.get(name.lower()):
        return make()
    if name.lower() == "objectid":
        raise DefinitionError(f"no type is called {name!r}: {OBJECT_ID}")

    def find() -> ModelDefinition:
        try:
            return named(name)
        except DefinitionError as error:
            if near := nearest(name, TYPE_NAMES):
                problem = str(error).partition(";")[0]
                raise DefinitionError(f"{problem}{near}") from None
            raise

    return Embedded(find)


def _resolve_class(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    if t.get_origin(written) is not None:
        return _resolve_generic(written, resolve)
    if isinstance(written, t.ForwardRef):
        return resolve(written.__forward_arg__)
    if isinstance(written, Hashable) and (make := _BY_CLASS.get(written)):
        return make()
    if isinstance(written, type) and issubclass(written, enum.Enum):
        return property_types.Enumeration(written)
    if hasattr(written, "__loop_model__"):
        return Embedded(lambda: written.definition)
    if isinstance(written, type) and issubclass(written, Field):
        raise DefinitionError(f"a Marshmallow field is given as an instance: {written.__name__}()")
    raise DefinitionError(f"{written!r} is no property type")


def _resolve_generic(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    """The type of ``list[T]``, ``dict[str, T]`` or ``T | None``."""
    origin, arguments = t.get_origin(written), t.get_args(written)
    if origin in (list, Sequence):
        return property_types.Array(_resolve_part(arguments[0], resolve))
    if origin in (dict, Mapping):
        return property_types.Object(_resolve_part(arguments[1], resolve))
    if origin in (types.UnionType, t.Union):
        kept = [argument for argument in arguments if argument is not type(None)]
        if len(kept) == 1:
            return resolve(kept[0])
        if set(kept) == {int, float}:
            return property_types.Number()
        raise DefinitionError(f"{written} is more than one type; write Any and a validation")
    raise DefinitionError(f"{written} is no property type")


def _resolve_part(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    """The type of the items of a list, or of the values of a dict."""
    if type(None) in t.get_args(written):
        raise DefinitionError(f"what is inside a list or dict is not null: {written}; write Any")
    return resolve(written)
