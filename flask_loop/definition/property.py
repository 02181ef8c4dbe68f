"""Property: one named, typed attribute of a model, and how a class body writes one."""

from __future__ import annotations

import enum
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..types import PropertyType, TypeMismatch


class Missing(enum.Enum):
    """The type of :data:`MISSING`, which says that nothing was given, not even None."""

    MISSING = "MISSING"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: t.Final = Missing.MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """One property of a model, normalised.

    :ivar name: the Python name.
    :ivar wire: the name in JSON, in remote filters and in the documentation.
    :ivar nullable: whether null is a value of the property.
    :ivar required: whether blank values are refused (LoopBack's presence rule).
    :ivar default: the value of a new record where none is given, or :data:`MISSING`.
    :ivar default_fn: called for that value instead.
    :ivar id: the position in the model's id, from 1, or None.
    :ivar generated: whether the data source makes the value.
    :ivar constraints: ``min``, ``max``, ``min_length``, ``max_length``, ``pattern``, ``enum``.
    :ivar options: by backend, such as ``{"postgresql": {"columnName": "PRICE"}}``.
    :ivar written: the keys beside ``type`` as they were written.
    :ivar injected: whether the model had no id, so that it was given this one.
    :ivar made: whether a relation made it.
    """

    name: str
    wire: str
    type: PropertyType
    nullable: bool = True
    required: bool = False
    default: t.Any = MISSING
    default_fn: Callable[[], t.Any] | None = None
    id: int | None = None
    generated: bool = False
    hidden: bool = False
    protected: bool = False
    read_only: bool = False
    create_only: bool = False
    write_only: bool = False
    index: bool = False
    unique: bool = False
    constraints: Mapping[str, t.Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, t.Any]] = field(default_factory=dict)
    description: str | None = None
    written: Mapping[str, t.Any] = field(default_factory=dict)
    injected: bool = False
    made: bool = False

    @property
    def has_default(self) -> bool:
        return self.default is not MISSING or self.default_fn is not None

    @property
    def readable(self) -> bool:
        """Whether remote callers may see the value, and so filter and order by it."""
        return not (self.hidden or self.write_only)

    @property
    def must_be_given(self) -> bool:
        """Whether a new record is incomplete without a value."""
        return not (self.nullable or self.has_default or self.generated)

    def make_default(self) -> t.Any:
        """The value for a new record that has none.

        :raises TypeError: where the function gave a value that is not of the type.
        """
        value = self.default if self.default_fn is None else self.default_fn()
        if value is MISSING or value is None:
            return None
        try:
            return self.type.load(value)
        except TypeMismatch as error:
            raise TypeError(f"the default of {self.name!r}, {value!r}, {error}") from None


class Spec(dict[str, t.Any]):
    """What :func:`prop` was given, until the model is defined."""


def prop(
    *,
    type: t.Any = MISSING,
    default: t.Any = MISSING,
    default_fn: str | Callable[[], t.Any] | None = None,
    id: bool | int = False,
    generated: bool | None = None,
    required: bool = False,
    min: float | None = None,
    max: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    enum: Sequence[t.Any] | None = None,
    unique: bool = False,
    index: bool = False,
    hidden: bool = False,
    protected: bool = False,
    read_only: bool = False,
    create_only: bool = False,
    write_only: bool = False,
    data_key: str | None = None,
    precision: int | None = None,
    scale: int | None = None,
    description: str | None = None,
    options: Mapping[str, Mapping[str, t.Any]] | None = None,
) -> t.Any:
    """Describe a property in a class body.

    :param type: a type that no annotation can say, such as a Marshmallow field; the annotation is
        for type checkers alone then.
    :param default: the value of a new record where none is given; a callable is called for it.
    :param default_fn: a function without arguments, or the name of one: ``uuid``, ``guid``,
        ``nanoid``, ``now``.
    :param id: whether the property is the id, or its position (from 1) in an id of several.
    :param generated: whether the data source makes the value.
    :param required: refuse blank values: null, ``""``, ``[]``.
    :param min: the least number, or the least length in characters of a text.
    :param max: the greatest number, or the greatest length in characters of a text.
    :param min_length: the least length, of texts and lists.
    :param max_length: the greatest length.
    :param pattern: a regular expression (RE2) that must be found in the text.
    :param enum: the allowed values.
    :param unique: no two records have the same value; a unique index where the backend has one.
    :param index: an index makes filters and order on the property fast.
    :param hidden: never sent to clients, nor used in their filters.
    :param protected: not sent where the record is inside another one.
    :param read_only: what clients send is dropped.
    :param create_only: clients may set it in a new record only.
    :param write_only: clients may set it, never read or filter by it.
    :param data_key: the name on the wire, where the camelCase of the Python name is not right.
    :param precision: digits in all, of a ``Decimal``.
    :param scale: digits after the point, of a ``Decimal``.
    :param description: a sentence for the documentation.
    :param options: by backend: ``{"postgresql": {"columnName": "PRICE"}}``.
    :returns: the description, as a value that type checkers let stand for the property's.

    ::

        class Product(Model):
            name: Prop[str] = prop(required=True, max_length=80)
    """
    given = {
        key: value
        for key, value in locals().items()
        if value is not MISSING and value is not None and value is not False
    }
    if default is None or default is False:
        given["default"] = default
    if generated is False:
        given["generated"] = False
    return Spec(given)
