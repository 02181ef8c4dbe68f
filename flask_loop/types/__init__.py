"""Property types: what each accepts, and what it looks like on the wire.

A type's :meth:`~PropertyType.load` takes a value from JSON, from text or from Python and gives the
Python value that records hold, or raises :class:`TypeMismatch`. Nothing is guessed: ``"abc"`` is no
number and ``"yes"`` no boolean. Its :meth:`~PropertyType.dump` gives the JSON value of the wire.

The domains are the same on every data source: integers are signed 64-bit, floats finite, text has
neither NUL nor lone surrogates, objects are at most :data:`MAX_DEPTH` deep.
"""

from .base import PropertyType, TypeMismatch
from .copies import detached
from .numbers import MAX_INTEGER, MIN_INTEGER, DecimalNumber, Integer, Number
from .scalars import Boolean, Buffer, Enumeration, Geo, Null, String, Uuid, text_problem
from .structures import (
    MAX_DEPTH,
    AnyValue,
    Array,
    FieldValue,
    Object,
    is_deeper,
    json_value,
    too_deep,
)
from .times import Date, DateTime

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MIN_INTEGER",
    "AnyValue",
    "Array",
    "Boolean",
    "Buffer",
    "Date",
    "DateTime",
    "DecimalNumber",
    "Enumeration",
    "FieldValue",
    "Geo",
    "Integer",
    "Null",
    "Number",
    "Object",
    "PropertyType",
    "String",
    "TypeMismatch",
    "Uuid",
    "detached",
    "is_deeper",
    "json_value",
    "text_problem",
    "too_deep",
]
