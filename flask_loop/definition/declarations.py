"""Declarations of relations: what was written of one, to a model that may not exist yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import ref

import inflection

from ..errors import DefinitionError
from .naming import RESERVED, lower_camel, unfit_property_name
from .registry import Registry
from .relation import RelationOptions
from .relation_options import kind_of, read_options


class Annotation(Protocol):
    """An annotation that declares a relation."""

    def understand(self) -> tuple[Any, ...]:
        """The models that it names, or their names where they are not known yet."""

    def fix(self, models: Iterable[Any]) -> None:
        """Mean these models from now on."""


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """That a model has a relation, to a model that may not exist yet.

    :ivar name: its Python name.
    :ivar kind: one of :data:`~flask_loop.definition.KINDS`.
    :ivar options: what was written of it.
    :ivar declared_by: the name of the model that said so, which names the keys of others.
    :ivar models: where models that are named are found.
    :ivar annotation: gives what it means, where it was declared by one.
    """

    name: str
    kind: str
    options: RelationOptions
    declared_by: str
    models: Registry
    annotation: Annotation | None = None

    def is_like(self, other: Declaration) -> bool:
        """Whether another one says the same."""
        said = (self.name, self.kind, self.options, self.declared_by)
        return said == (other.name, other.kind, other.options, other.declared_by)


def declaration(
    model: str,
    kind: str,
    name: str | None,
    written: Mapping[str, Any],
    *,
    models: Registry,
    annotation: Annotation | None = None,
) -> Declaration:
    """Read what was written of a relation.

    :param model: the name of the model that declares it.
    :param kind: its kind.
    :param name: its name; that of the other model where None.
    :param written: its options in either spelling.
    :param models: where models that are named are found.
    :param annotation: gives what it means, where it was declared by one.
    :raises DefinitionError: naming the relation and the key that means nothing.
    """
    shown = name or "a relation"
    try:
        options = read_options(kind, written)
        if name is None:
            name = _name_after(kind, options.model)
        if problem := unfit_property_name(name):
            raise DefinitionError(f"the name {problem}")
        if name in RESERVED:
            raise DefinitionError("is what every model has; give the relation another name")
    except DefinitionError as error:
        raise DefinitionError(f"{model}.{shown}: {error}") from None
    options = replace(options, model=_weakly(options.model), through=_weakly(options.through))
    return Declaration(name, kind, options, model, models, annotation)


def _weakly(written: Any) -> Any:
    """What stands for models, with references to classes that let them go."""
    if isinstance(written, list | tuple | set):
        return tuple(map(_weakly, written))
    return ref(written) if hasattr(written, "__loop_model__") else written


def declarations_of(
    model: str, written: Mapping[str, Mapping[str, Any]], models: Registry
) -> list[Declaration]:
    """The relations that a definition in a dict or in JSON has.

    :raises DefinitionError: naming one that means nothing.
    """
    made = []
    for name, options in written.items():
        if not isinstance(options, Mapping):
            raise DefinitionError(f"{model}.{name}: a relation is a dict, not {options!r}")
        try:
            kind = kind_of(options)
        except DefinitionError as error:
            raise DefinitionError(f"{model}.{name}: {error}") from None
        made.append(declaration(model, kind, name, options, models=models))
    return made


def _name_after(kind: str, model: Any) -> str:
    """The name of a relation that is called after the other model."""
    other = model if isinstance(model, str) else getattr(model, "__name__", None)
    if not isinstance(other, str):
        raise DefinitionError("names no model")
    name = snake(other)
    return str(inflection.pluralize(name)) if "many" in kind else name


def snake(name: str) -> str:
    """``CoffeeShop`` and ``coffee-shop`` as ``coffee_shop``."""
    return str(inflection.underscore(lower_camel(name)))
