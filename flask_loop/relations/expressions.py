"""Relations in typed expressions: ``Chapter.book.title == "x"`` is a where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ..definition import BELONGS_TO, ModelDefinition, RelationDefinition
from ..query import RELATION_QUANTIFIERS, PropertyExpression, WhereExpression
from .assignment import keys_to

T = TypeVar("T")


class ManyExpression(Generic[T]):
    """A relation to any number of records, in an expression.

    ::

        Book.find(where=Book.chapters.some(Chapter.pages > 100))
    """

    __slots__ = ("_owner", "_path", "_root")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, owner: Any, path: str, root: str) -> None:
        self._owner, self._path, self._root = owner, path, root

    def __repr__(self) -> str:
        return f"<relation {self._path}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            target = _target(self._owner, self._path.rpartition(".")[2])
            _require(target, name)
            raise AttributeError(self._hint(f"{target.name}.{name} == ..."))

    def __eq__(self, other: object) -> NoReturn:
        target = _target(self._owner, self._path.rpartition(".")[2])
        key = target.ids[0].name if target.ids else "..."
        raise TypeError(self._hint(f"{target.name}.{key} == ..."))

    __ne__ = __eq__

    def _hint(self, where: str) -> str:
        place = f"{self._root}.{self._path}"
        return f"{place} leads to any number of records: write {place}.some({where})"

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
    :param root: the name of that model.
    """

    # Any other name may be a property's.
    __slots__ = ("__loop_owner__", "__loop_path__", "__loop_root__")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, owner: Any, path: str, root: str) -> None:
        self.__loop_owner__, self.__loop_path__, self.__loop_root__ = owner, path, root

    def __repr__(self) -> str:
        return f"<relation {self.__loop_path__}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        target = _target(self.__loop_owner__, self.__loop_path__.rpartition(".")[2])
        path = f"{self.__loop_path__}.{name}"
        relation = target.relations.get(name)
        if relation is not None:
            kind = ManyExpression if relation.is_many else OneExpression
            return kind(target, path, self.__loop_root__)
        if name in RELATION_QUANTIFIERS and name not in target.properties:
            quantified: Any = ManyExpression(target, self.__loop_path__, self.__loop_root__)
            return getattr(quantified, name)
        _require(target, name)
        return PropertyExpression(path)

    def __eq__(self, other: object) -> WhereExpression:  # type: ignore[override]
        path = self.__loop_path__
        relation = find_relation(self.__loop_owner__, path.rpartition(".")[2])
        place = f"{self.__loop_root__}.{path}"
        return WhereExpression(_where_is(relation, path.removesuffix(relation.name), place, other))

    def __ne__(self, other: object) -> WhereExpression:  # type: ignore[override]
        return ~(self == other)


def _where_is(relation: RelationDefinition, prefix: str, place: str, record: Any) -> dict[str, Any]:
    """The where that a relation leads to a record, or to none.

    :param prefix: the way to the model that has the relation, with a dot at its end.
    :param place: the relation as it was written.
    :raises TypeError: where its key is not here, or the record is none.
    """
    start = place.removesuffix(relation.name)
    if relation.kind != BELONGS_TO:
        names = list(relation.target.properties) if relation.target is not None else []
        name = "id" if "id" in names or not names else names[0]
        raise TypeError(
            f"only the key of belongs_to can be compared: write {place}.{name} == ..., or "
            f"{place}.none() where there is no record"
        )
    keys = relation.foreign_key
    if record is None:
        nulls = [{prefix + name: {"eq": None}} for name in keys]
        return nulls[0] if len(nulls) == 1 else {"or": nulls}
    if not hasattr(record, "to_record"):
        written = f"{start}{keys[0]} == {record!r}"
        raise TypeError(f"{place} is a record or None, not {record!r}: write {written}")
    wanted = keys_to(relation, record)
    if None in wanted.values():
        return {prefix + keys[0]: {"inq": []}}  # null is the key of no record
    parts = [{prefix + name: {"eq": value}} for name, value in wanted.items()]
    return parts[0] if len(parts) == 1 else {"and": parts}


def _require(target: ModelDefinition, name: str) -> None:
    if name not in target.properties and name not in target.relations:
        raise AttributeError(f"{target.name} has neither a property nor a relation {name!r}")


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
