"""What a relation is on an instance: the way to read and to write the records it leads to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from ...connectors.repeating import once
from ...definition import ModelDefinition, RelationDefinition
from ...errors import BadRequest, DefinitionError, ModelNotFound, NotAttachedError
from ...query import Filter, Where, WhereExpression
from ...query.parser import FILTER_KEYS
from ...types import TypeMismatch
from ..assignment import given_in, with_keys

T = TypeVar("T")
#: A filter as a mapping or in its normal form.
FilterLike = Filter | Mapping[str, Any] | None
WhereLike = Where | Mapping[str, Any] | WhereExpression | None


class Accessor(ABC, Generic[T]):
    """A relation of one record.

    :param owner: the instance that has the relation.
    :param relation: the relation.
    """

    def __init__(self, owner: Any, relation: RelationDefinition) -> None:
        self._owner, self._relation = owner, relation

    def __repr__(self) -> str:
        return f"<{self._relation.name} of {self._owner!r}>"

    def __bool__(self) -> NoReturn:
        name = self._relation.name
        raise TypeError(f"a relation has no truth value: write {name}() for what it leads to")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Say how to get at the records, whose attributes are not the relation's."""
            raise AttributeError(
                f"{self._place} has no {name!r}; {self._relation.name}() is what it leads to"
            )

    @property
    def _place(self) -> str:
        return f"{self._relation.owner.name}.{self._relation.name}"

    @property
    def _target(self) -> Any:
        """The class of the related records."""
        return self._relation.target_model

    @property
    def _whole(self) -> Mapping[str, Any] | None:
        """A filter that asks for whole records, whatever the relation's scope says."""
        target = self._relation.target
        has_fields = "fields" in (self._relation.options.scope or {})
        return {"fields": list(target.properties)} if target and has_fields else None

    def _included(self) -> Any:
        """What was read together with the owner.

        :raises KeyError: where nothing was.
        """
        return self._owner.__dict__.get("_related", {})[self._relation.name]

    def _forget(self) -> None:
        """Let what was read together with the owner not be given any more."""
        self._owner.__dict__.get("_related", {}).pop(self._relation.name, None)

    def _require_saved(self) -> None:
        if self._owner.is_new_record():
            raise TypeError(
                f"save the {type(self._owner).__name__} first: {self._place} needs the key of a "
                "stored record"
            )

    def _given(
        self, data: Any, values: Mapping[str, Any], definition: ModelDefinition | None = None
    ) -> dict[str, Any]:
        """What a Python caller gives of a related record, by Python names.

        :param definition: that of the record's model, where it differs from record to record.
        """
        definition = definition or self._target.definition
        given, named = python_data(definition, data), python_data(definition, values)
        if twice := given.keys() & named.keys():
            raise TypeError(f"{min(twice)!r} is given twice")
        return {**given, **named}

    def _filled(self, data: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """A new record's data, with what the relation says that its records have."""
        properties = self._target.definition.rename_keys(self._relation.options.properties)
        return {**self._given(data, values), **properties}

    def _refuse_moves(self, record: Any, changes: Mapping[str, Any], names: Sequence[str]) -> None:
        """Refuse changes that would make a record another one's.

        :raises BadRequest: naming the key.
        """
        for name in names:
            if name not in changes:
                continue
            property_ = type(record).definition.properties[name]
            old, new = getattr(record, name), changes[name]
            try:
                new = None if new is None else property_.type.load(new)
            except TypeMismatch:
                continue  # it is not valid, which the write says
            if new != old:
                raise BadRequest(
                    f"{self._place}: the key {property_.wire!r} cannot be changed through the "
                    "relation."
                )


class RelatedMany(Accessor[T]):
    """The records that a relation leads to, of which there may be any number.

    ::

        book.chapters(where=Chapter.pages > 100, order="number")
        book.chapters.create(title="One")
    """

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
        refresh: bool = False,
    ) -> list[T]:
        """Find related records.

        :param filter: a whole filter, as :meth:`Model.find` takes it, or its parts by keyword.
        :param refresh: whether they are read again where they came with the owner, which a call
            without a filter otherwise gives.
        :raises FilterError: naming what in the filter means nothing.
        """
        parts: dict[str, Any] = {"where": where, "order": order, "limit": limit, "skip": skip}
        parts |= {"fields": fields, "include": include}
        given = {key: value for key, value in parts.items() if value is not None}
        if filter is None and not given:
            if refresh:
                self._forget()
            else:
                try:
                    return list(self._included())
                except KeyError:
                    pass
        return self._find(filter, given)

    def __iter__(self) -> Iterator[T]:
        return iter(self())

    def __contains__(self, record: Any) -> bool:
        return self.exists(record)

    def find_one(self, filter: FilterLike | WhereExpression = None, **parts: Any) -> T | None:
        """Find the first of a filter, or None.

        :param filter: a filter if all its keys are a filter's, else a where.
        """
        if isinstance(filter, WhereExpression) or (
            isinstance(filter, Mapping) and not set(filter) <= set(FILTER_KEYS)
        ):
            filter = {"where": filter}
        if isinstance(filter, Filter):
            found = self._find(replace(filter, limit=1), parts)
        else:
            found = self._find({**(filter or {}), "limit": 1}, parts)
        return found[0] if found else None

    @abstractmethod
    def find_by_id(self, id: Any, filter: FilterLike = None) -> T | None:
        """Find the related record with an id, or None.

        :param filter: ``fields`` and ``include``.
        """

    @abstractmethod
    def exists(self, record: Any) -> bool:
        """Whether a record is a related one.

        :param record: the record, or its id.
        """

    @abstractmethod
    def count(self, where: WhereLike = None) -> int:
        """Count the related records that match a where."""

    @abstractmethod
    def build(self, data: Mapping[str, Any] | Any = None, /, **values: Any) -> T:
        """Make a related record that is not stored yet."""

    @overload
    def create(self, data: Sequence[Mapping[str, Any]], /) -> list[T]: ...

    @overload
    def create(self, data: Mapping[str, Any] | T | None = None, /, **values: Any) -> T: ...

    def create(self, data: Any = None, /, **values: Any) -> Any:
        """Store a new related record, or several: all or none.

        :param data: a dict by Python or wire names, or a list of them. What makes the record a
            related one is set, whatever it says.
        :param values: properties by keyword.
        :raises ValidationError: where a record breaks a rule.
        :raises TypeError: where the owner is not saved yet.
        """
        self._require_saved()
        if isinstance(data, list | tuple):
            if values:
                raise TypeError("several records are given as one list, nothing by keyword")
            created = self._create([self._filled(each, {}) for each in data])
        else:
            created = self._create(self._filled(data, values))
        self._forget()
        return created

    @abstractmethod
    def update(self, id: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        """Change some properties of a related record.

        :param id: its id.
        :raises ModelNotFound: where no related record has it.
        :raises BadRequest: where it would be another one's afterwards.
        """

    @abstractmethod
    def destroy(self, id: Any) -> None:
        """Delete a related record.

        :param id: its id, or the record.
        :raises ModelNotFound: where no related record has it.
        """

    @abstractmethod
    def destroy_all(self, where: WhereLike = None) -> int:
        """Delete the related records that match a where, or all.

        Where others link both, only that they are related is deleted.

        :returns: how many.
        """

    @abstractmethod
    def add(self, record: Any, data: Mapping[str, Any] | None = None, /, **values: Any) -> Any:
        """Make a record that is stored a related one.

        :param record: the record, or its id.
        :param data: of a relation through a model, properties of the row that links both.
        :returns: the record; of a relation through a model, the row that links both, which is left
            as it is where there is one already.
        :raises ModelNotFound: where there is no such record.
        """

    @abstractmethod
    def remove(self, record: Any) -> int:
        """Make a record no related one any more; it is not deleted.

        :param record: the record, or its id.
        :returns: 1, or 0 where it was none.
        """

    @abstractmethod
    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> list[T]:
        """The related records of a filter."""

    @abstractmethod
    def _create(self, data: Any) -> Any:
        """Store one new related record, or a list of them."""


class RelatedOne(Accessor[T]):
    """The record that a relation leads to, if there is one.

    ::

        chapter.book()
        author.profile.create(text="…")
    """

    def __call__(
        self,
        filter: FilterLike = None,
        *,
        fields: Any = None,
        include: Any = None,
        refresh: bool = False,
    ) -> T | None:
        """Find the related record, or None.

        :param filter: ``fields`` and ``include``, or these by keyword.
        :param refresh: whether it is read again where it came with the owner, which a call without
            a filter otherwise gives.
        """
        parts = {"fields": fields, "include": include}
        given = {key: value for key, value in parts.items() if value is not None}
        if filter is None and not given:
            if refresh:
                self._forget()
            else:
                try:
                    return self._included()  # type: ignore[no-any-return]
                except KeyError:
                    pass
        return self._find(filter, given)

    @abstractmethod
    def build(self, data: Mapping[str, Any] | Any = None, /, **values: Any) -> T:
        """Make a related record that is not stored yet."""

    @abstractmethod
    def create(self, data: Mapping[str, Any] | T | None = None, /, **values: Any) -> T:
        """Store a new related record.

        :param data: a dict by Python or wire names. What makes the record the related one is set,
            whatever it says.
        :param values: properties by keyword.
        :raises ValidationError: where it breaks a rule.
        :raises Conflict: where another record is the related one, and holds its key.
        """

    @abstractmethod
    def update(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        """Change some properties of the related record.

        :raises ModelNotFound: where there is none.
        :raises BadRequest: where it would not be the related one afterwards.
        """

    @abstractmethod
    def destroy(self) -> None:
        """Delete the related record.

        :raises ModelNotFound: where there is none.
        """

    @abstractmethod
    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> T | None:
        """The related record, with what the filter says of it."""

    def _existing(self) -> Any:
        """The related record as it is stored.

        :raises ModelNotFound: where there is none.
        """
        record = self._find(self._whole, {})
        if record is None:
            raise self._leads_to_none()
        return record

    def _leads_to_none(self) -> ModelNotFound:
        owner = self._relation.owner.name
        return ModelNotFound(owner, message=f"{self._place} leads to no record.")


def python_data(definition: ModelDefinition, data: Any) -> dict[str, Any]:
    """A Python caller's data by Python names, with keys for the records that it has in it.

    :param data: a mapping, an instance, or None.
    :raises TypeError: where it is neither, or a property is given in both spellings.
    """
    if data is None:
        return {}
    if isinstance(data, Mapping):
        try:
            return definition.rename_keys(with_keys(definition, data))
        except DefinitionError as error:
            raise TypeError(str(error)) from None
    if not hasattr(data, "to_record"):
        raise TypeError(f"the data of a record is a mapping, not a {type(data).__name__}")
    return given_in(data)


@contextmanager
def transaction(*models: Any) -> Iterator[None]:
    """A block whose writes to models all happen, or none where it raises.

    It is not run again where a model has operations of its own, or where there are several data
    sources, one of which may keep what another does not.

    :raises NotAttachedError: where a model has no data source.
    """
    with ExitStack() as stack:
        if any(model.__loop_overrides__ for model in models):
            once()
        if len({id(model.data_source) for model in models}) > 1:
            once()
        for model in models:
            if model.data_source is None:
                raise NotAttachedError(
                    f"{model.__name__} is not attached to a data source: "
                    f"{model.__name__}.attach_to(source)"
                )
            stack.enter_context(model.__loop_plan__().transaction())
        yield
