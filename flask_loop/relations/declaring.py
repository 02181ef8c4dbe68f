"""The class methods by which relations are declared on a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..definition import (
    BELONGS_TO,
    EMBEDS_MANY,
    EMBEDS_ONE,
    HAS_AND_BELONGS_TO_MANY,
    HAS_MANY,
    HAS_ONE,
    REFERENCES_MANY,
    Relating,
    declaration,
    registry,
)


class RelationMethods:
    """The class methods that declare relations.

    Each takes the other model, whose name then names the relation, or the relation's name::

        Book.has_many(Chapter)
        Book.has_many("chapters", model=Chapter, on_delete="cascade")
        Book.has_many("chapters")  # of the model Chapter, which may be defined later
    """

    @classmethod
    def belongs_to(
        cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any
    ) -> None:
        """Let records name one of another model by its id.

        :param other: the other model, or the name of the relation.
        :param options: what :func:`flask_loop.relation` takes, in either spelling; ``model``: the
            other model or its name; ``as_``: the name of the relation.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.

        ::

            Chapter.belongs_to(Book)              # chapter.book(), by chapter.book_id
            Picture.belongs_to("imageable", polymorphic=True)
        """
        _declare(cls, BELONGS_TO, other, options, more)

    @classmethod
    def has_many(cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Let any number of another model's records name one of this model's.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`belongs_to`; with ``through`` rows of a third model link both.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.

        ::

            Book.has_many(Chapter)                # book.chapters(), by chapter.book_id
            Doctor.has_many("patients", model=Patient, through=Appointment)
        """
        _declare(cls, HAS_MANY, other, options, more)

    @classmethod
    def has_one(cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Let one of another model's records name one of this model's.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`belongs_to`.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.
        """
        _declare(cls, HAS_ONE, other, options, more)

    @classmethod
    def has_and_belongs_to_many(
        cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any
    ) -> None:
        """Link any number of records of both models, by rows of a model that is made for it.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`belongs_to`.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.
        """
        _declare(cls, HAS_AND_BELONGS_TO_MANY, other, options, more)

    @classmethod
    def embeds_one(
        cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any
    ) -> None:
        """Keep one of another model's records inside each of this model's.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`belongs_to`; ``property``: where it is kept.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.
        """
        _declare(cls, EMBEDS_ONE, other, options, more)

    @classmethod
    def embeds_many(
        cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any
    ) -> None:
        """Keep a list of another model's records inside each of this model's.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`embeds_one`.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.
        """
        _declare(cls, EMBEDS_MANY, other, options, more)

    @classmethod
    def references_many(
        cls, other: Any, options: Mapping[str, Any] | None = None, /, **more: Any
    ) -> None:
        """Keep a list of the ids of another model's records in each of this model's.

        :param other: as in :meth:`belongs_to`.
        :param options: as in :meth:`belongs_to`; ``property``: where the list is kept.
        :param more: the same by keyword.
        :raises DefinitionError: naming the relation and what means nothing.
        """
        _declare(cls, REFERENCES_MANY, other, options, more)


def _declare(
    model: Any, kind: str, other: Any, options: Mapping[str, Any] | None, more: Mapping[str, Any]
) -> None:
    if "__loop_model__" in model.__dict__:
        raise TypeError("Model itself is every app's; declare relations on a model of your own")
    written = {**(options or {}), **more}
    name = written.pop("as_", None) or written.pop("as", None)
    if isinstance(other, str):
        name = name or other
    else:
        if "model" in written:
            raise TypeError("the other model is given twice")
        written["model"] = other
    made = declaration(model.__name__, kind, name, written, models=registry)
    for each in [written.get("model"), written.get("through")]:
        if hasattr(each, "__loop_model__"):
            model._hold(each)
    for each in _with_derived(model):
        each.definition.declare(made)
        each._name_relation(made.name, kind)
    Relating.settle()


def _with_derived(model: Any) -> Iterator[Any]:
    """A model and those that derive from it and have got its relations already."""
    yield model
    for derived in type.__subclasses__(model):
        if derived.__dict__.get("_definition") is not None:
            yield from _with_derived(derived)
