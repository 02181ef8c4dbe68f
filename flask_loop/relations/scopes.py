"""Named scopes: filters of a model that have a name, such as ``Customer.vip``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, overload

from ..definition import ModelDefinition, wire_name
from ..errors import DefinitionError, FilterError
from ..query import Compare, Filter, FilterParser, Where, WhereExpression, both, conjuncts
from .accessors.base import FilterLike, WhereLike, python_data
from .accessors.keyed import parsed_filter, parsed_where
from .narrowing import scoped

M = TypeVar("M")


def scope(
    filter: Mapping[str, Any] | None = None,
    *,
    where: Mapping[str, Any] | WhereExpression | None = None,
    order: str | list[str] | None = None,
    limit: int | None = None,
    skip: int | None = None,
    fields: Any = None,
    include: Any = None,
) -> NamedScope:
    """Describe a named scope in the body of a model.

    :param filter: a whole filter as one dict, or its parts by keyword.
    :returns: what gives the scope as an attribute of the class.

    Remote callers can delete the records of a scope only where it is nothing but a ``where``:
    ``DELETE /customers/vip`` is not there where it has an order or a limit.

    ::

        class Customer(Model):
            vip = scope(where={"level": "gold"}, order="name")

        Customer.vip(limit=10)
    """
    parts = {"where": where, "order": order, "limit": limit, "skip": skip}
    parts |= {"fields": fields, "include": include}
    given = {key: value for key, value in parts.items() if value is not None}
    return NamedScope({**(filter or {}), **given})


class NamedScope:
    """A filter that has a name, as an attribute of the class of a model.

    :param filter: the filter as written.
    :param name: its Python name.
    """

    def __init__(self, filter: Mapping[str, Any], name: str = "") -> None:
        self.written, self.name = filter, name

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<scope {self.name}>"

    def __get__(self, instance: Any, owner: type[M]) -> Scoped[M]:
        return Scoped(owner, self)

    def wire(self, definition: ModelDefinition) -> str:
        """Its name on the wire, and in the path."""
        return self.name if definition.settings.wire_case is None else wire_name(self.name)

    @property
    def is_where_alone(self) -> bool:
        """Whether it says which records there are, and nothing else."""
        said = {key: value for key, value in self.written.items() if value is not None}
        where = said.pop("where", None)
        return not said and where is not None and where != {}

    def filter_for(self, parser: FilterParser) -> Filter:
        """The filter in its normal form.

        :param parser: the parser for filters of the model.
        :raises DefinitionError: naming what in it means nothing.
        """
        try:
            return parser.filter(self.written)
        except FilterError as error:
            place = f"{parser.definition.name}.{self.name}"
            raise DefinitionError(f"the scope {place}: {error.message}") from None

    def check_name(self, model: Any) -> None:
        """Refuse a name that something else of the model has.

        :raises DefinitionError: naming it.
        """
        definition: ModelDefinition = model.definition
        place = f"{definition.name}.{self.name}"
        if definition.find(self.name) or definition.find_relation(self.name):
            raise DefinitionError(f"the scope {place}: a property or a relation is called so too")


def scopes_of(model: Any) -> list[NamedScope]:
    """The named scopes of a model, and of those that it derives from."""
    found: dict[str, NamedScope] = {}
    for cls in reversed(model.__mro__):
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, NamedScope):
                found[name] = value
            else:
                found.pop(name, None)
    return list(found.values())


def values_of(filter: Filter) -> dict[str, Any]:
    """The values that a where says properties have: those of a record that is created by it."""
    return {
        each.path.property.name: each.operand
        for each in conjuncts(filter.where)
        if isinstance(each, Compare)
        and (each.operator, each.path.keys, each.member) == ("eq", (), False)
    }


class Scoped(Generic[M]):
    """The records of a model that a named scope has.

    ::

        Customer.vip(where={"city": "Lima"})
        Customer.vip.count()
    """

    def __init__(self, model: type[M], scope: NamedScope) -> None:
        self._model: Any = model
        self._scope = scope

    def __repr__(self) -> str:
        return f"<scope {self._model.__name__}.{self._scope.name}>"

    def __call__(
        self,
        filter: FilterLike = None,
        *,
        where: WhereLike = None,
        order: str | list[str] | None = None,
        limit: int | None = None,
        skip: int | None = None,
        fields: Any = None,
        include: Any = None,
    ) -> list[M]:
        """Find records of the scope.

        :param filter: a whole filter, as :meth:`Model.find` takes it, or its parts by keyword. What
            it does not say is as the scope says.
        :raises FilterError: naming what in the filter means nothing.
        """
        parts = {"where": where, "order": order, "limit": limit, "skip": skip}
        parts |= {"fields": fields, "include": include}
        found: list[M] = self._model.find(self._filter(filter, parts))
        return found

    def find_one(self, filter: FilterLike = None, **parts: Any) -> M | None:
        """Find the first record of a filter, or None."""
        found: M | None = self._model.find_one(replace(self._filter(filter, parts), limit=1))
        return found

    def count(self, where: WhereLike = None) -> int:
        """Count the records that match a where; the scope's ``limit`` does not count."""
        counted: int = self._model.count(self._where(where))
        return counted

    @overload
    def create(self, data: Sequence[Mapping[str, Any]], /) -> list[M]: ...

    @overload
    def create(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> M: ...

    def create(self, data: Any = None, /, **values: Any) -> Any:
        """Store a new record, or several, with the values that the scope's where says.

        :param data: a dict by Python or wire names, or a list of them.
        :param values: properties by keyword.
        """
        definition = self._model.definition
        fixed = values_of(self._own())
        if isinstance(data, list | tuple):
            if values:
                raise TypeError("several records are given as one list, nothing by keyword")
            return self._model.create([{**python_data(definition, each), **fixed} for each in data])
        given, named = python_data(definition, data), python_data(definition, values)
        if twice := given.keys() & named.keys():
            raise TypeError(f"{min(twice)!r} is given twice")
        return self._model.create({**given, **named, **fixed})

    def destroy_all(self, where: WhereLike = None) -> int:
        """Delete the records of the scope that match a where, or all.

        :returns: how many were deleted.
        :raises TypeError: where the scope has a ``limit`` or a ``skip``, by which no records are
            deleted: more would be than it has.
        """
        own = self._own()
        if own.limit is not None or own.skip:
            raise TypeError(
                f"{self._model.__name__}.{self._scope.name} has a limit or a skip, and what is "
                "deleted is chosen by a where alone: find the records, and delete them by their ids"
            )
        deleted: int = self._model.destroy_all(self._where(where))
        return deleted

    def _own(self) -> Filter:
        return self._scope.filter_for(self._model.__loop_plan__().parser)

    def _where(self, where: WhereLike) -> Where:
        return both(self._own().where, parsed_where(self._model.__loop_plan__(), where))

    def _filter(self, filter: FilterLike, parts: Mapping[str, Any]) -> Filter:
        plan = self._model.__loop_plan__()
        given = {key: value for key, value in parts.items() if value is not None}
        return scoped(plan, parsed_filter(plan, filter, given), self._own())
