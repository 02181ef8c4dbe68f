"""The annotations of relations: ``chapters: HasMany[Chapter]``.

On the class a relation is an expression, ``Book.chapters.some(Chapter.pages > 100)``; on an
instance it gives the related records, ``book.chapters()``, and is the way to write them.
"""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from .accessors import RelatedMany, RelatedOne, accessor
from .assignment import keys_to
from .expressions import ManyExpression, OneExpression, find_relation

T = TypeVar("T")


class _Relation(Generic[T]):
    """A relation, as an attribute of the class of a model.

    :param name: its Python name.
    """

    __loop_relation__: ClassVar[str]

    if not TYPE_CHECKING:
        # Generic's own keeps what it is given, models too, in a cache of the process.
        __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, name: str) -> None:
        self._name = name

    if not TYPE_CHECKING:
        # Without it, an assignment would hide the relation.
        def __set__(self, instance: Any, value: Any) -> None:
            place = f"{type(instance).__name__}.{self._name}"
            raise TypeError(f"nothing is assigned to {place}: use its create() and the like")


class _ToMany(_Relation[T]):
    @overload
    def __get__(self, instance: None, owner: type) -> ManyExpression[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> RelatedMany[T]: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return ManyExpression(owner, self._name, owner.__name__)
        return accessor(instance, find_relation(owner, self._name))


class _ToOne(_Relation[T]):
    @overload
    def __get__(self, instance: None, owner: type) -> type[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> RelatedOne[T]: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return OneExpression(owner, self._name, owner.__name__)
        return accessor(instance, find_relation(owner, self._name))


class HasMany(_ToMany[T]):
    """Any number of records, each of which holds the key of this one, or which others link."""

    __loop_relation__ = "has_many"


class HasAndBelongsToMany(_ToMany[T]):
    """Any number of records, each of which belongs to any number of these."""

    __loop_relation__ = "has_and_belongs_to_many"


class EmbedsMany(_ToMany[T]):
    """Any number of records inside this one."""

    __loop_relation__ = "embeds_many"


class ReferencesMany(_ToMany[T]):
    """Any number of records, whose keys this one holds in a list."""

    __loop_relation__ = "references_many"


class HasOne(_ToOne[T]):
    """One record, which holds the key of this one."""

    __loop_relation__ = "has_one"


class EmbedsOne(_ToOne[T]):
    """One record inside this one."""

    __loop_relation__ = "embeds_one"


class BelongsTo(_ToOne[T]):
    """One record, whose key this one holds: ``chapter.book = book`` sets it."""

    __loop_relation__ = "belongs_to"

    def __set__(self, instance: Any, value: T | None) -> None:
        relation = find_relation(type(instance), self._name)
        for name, key in keys_to(relation, value).items():
            setattr(instance, name, key)
        instance.__dict__.get("_related", {}).pop(self._name, None)
