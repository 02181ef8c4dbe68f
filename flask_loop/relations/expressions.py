"""Relations in typed expressions: ``Chapter.book.title == "x"`` is a where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ..definition import ModelDefinition, RelationDefinition
from ..query import PropertyExpression, WhereExpression

T = TypeVar("T")


class ManyExpression(Generic[T]):
    """A relation to any number of records, in an expression.

    ::

        Book.find(where=Book.chapters.some(Chapter.pages > 100))
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<relation {self._path}>"

    def some(self, where: WhereExpression | Mapping[str, Any] | None = None, /) -> WhereExpression:
        """Whether one of the records matches; without a where, whether there is one."""
        return self._where("some", where)

    def none(self, where: WhereExpression | Mapping[str, Any] | None = None, /) -> WhereExpression:
        """Whether none of the records matches; without a where, whether there is none."""
        return self._where("none", where)

    def every(self, where: WhereExpression | Mapping[str, Any], /) -> WhereExpression:
        """Whether all records match, as they do where there are none."""
        return self._where("every", where)

    def _where(
        self, quantifier: str, where: WhereExpression | Mapping[str, Any] | None
    ) -> WhereExpression:
        if where is not None and not isinstance(where, WhereExpression | Mapping):
            raise TypeError(f"{self._path}.{quantifier}() takes a where, not {where!r}")
        tree = where.tree if isinstance(where, WhereExpression) else where or {}
        return WhereExpression({self._path: {quantifier: tree}})


class OneExpression:
    """A relation to one record, in an expression: its attributes are those of the other model.

    Type checkers see the other model's class in its place.

    :param owner: the class, or the definition, of the model that has the relation.
    :param path: the way from the model that is looked for, which ends with the relation's name.
    """

    # Any other name may be a property's.
    __slots__ = ("__loop_owner__", "__loop_path__")

    def __init__(self, owner: Any, path: str) -> None:
        self.__loop_owner__, self.__loop_path__ = owner, path

    def __repr__(self) -> str:
        return f"<relation {self.__loop_path__}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        target = _target(self.__loop_owner__, self.__loop_path__.rpartition(".")[2])
        path = f"{self.__loop_path__}.{name}"
        relation = target.relations.get(name)
        if relation is not None:
            return ManyExpression(path) if relation.is_many else OneExpression(target, path)
        if name not in target.properties:
            raise AttributeError(f"{target.name} has neither a property nor a relation {name!r}")
        return PropertyExpression(path)


def _target(owner: Any, name: str) -> ModelDefinition:
    """The model that a relation leads to."""
    target = find_relation(owner, name).target
    if target is None:
        raise AttributeError(
            f"no path leads through {name!r}, which leads to records of more than one model"
        )
    return target


def find_relation(owner: Any, name: str) -> RelationDefinition:
    """A relation of a model.

    :param owner: the class, or the definition, of the model.
    :param name: the relation's Python name.
    :raises DefinitionError: where the model that it leads to does not exist.
    """
    definition: ModelDefinition = getattr(owner, "definition", owner)
    relation = definition.relations.get(name)
    if relation is None:
        definition.resolve()
        relation = definition.relations[name]
    return relation
