"""The operations that write one record, or several new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast, overload

from ..connectors.base import Record
from ..connectors.repeating import racing, repeated
from ..errors import Failure, ModelNotFound, ValidationError
from ..methods import Argument, RemoteMethod, Returns, Route
from ..query import Bounds, Filter, Where, WhereExpression
from ..relations.assignment import given_in
from .base import Attached, declare, instance_operation
from .plan import Plan, python_names
from .reading import (
    ID,
    WHERE,
    FilterLike,
    Reading,
    WhereLike,
    _filter,
    _where,
    filter_or_where,
    own_id,
)
from .results import FoundOne, Stored, StoredMany, inside, instance_of, stored, stored_many
from .write import FoundInstead

if TYPE_CHECKING:
    from builtins import classmethod as operation
else:
    from .base import operation

DATA = Argument("data", "model", "body", description="Model instance data")
CREATE_DATA = Argument("data", "model", "body", many=True, description="One record, or a list")
CHANGES = Argument("data", "model", "body", description="The properties to change")


class Writing(Reading):
    """The operations that write one record, or several new ones."""

    if TYPE_CHECKING:

        @overload
        @classmethod
        def create(cls, data: Sequence[Mapping[str, Any] | Attached], /) -> list[Self]: ...

        @overload
        @classmethod
        def create(
            cls, data: Mapping[str, Any] | Attached | None = None, /, **values: Any
        ) -> Self: ...

    @operation
    def create(cls, data: Any = None, /, **values: Any) -> Any:
        """Store a new record, or several: all or none.

        :param data: a dict by Python or wire names, or a list of them.
        :param values: properties by keyword.
        :returns: the instance, or a list of them, with their ids.
        :raises ValidationError: where a record breaks a rule; of several, paths begin with the
            record's index.
        :raises DuplicateId: where a record with the id exists.
        """
        plan = cls.__loop_plan__()
        if isinstance(data, list | tuple):
            if values:
                raise TypeError("several records are given as one list, nothing by keyword")
            listed = [python_names(plan, each) for each in data]
            return stored_many(plan, plan.create_many(listed), listed).python()
        given = _given(plan, data, values)
        return instance_of(plan, plan.create(given), given)

    @operation
    @repeated
    def find_or_create(
        cls, filter: FilterLike | WhereExpression, data: Mapping[str, Any] | None = None
    ) -> tuple[Self, bool]:
        """Find the first record of a filter, or create one, in one step that nobody gets between.

        :param filter: a filter or a plain where, as :meth:`find_one` takes it, or None to look for
            a record that has the values in ``data``.
        :param data: the record to create.
        :returns: the instance, and whether it was created.
        :raises TypeError: where there is neither a filter nor data.
        """
        plan = cls.__loop_plan__()
        given = python_names(plan, data or {})
        if filter is None:
            wanted = Filter(where=plan.where_of(given), order=plan.parser.filter(None).order)
        else:
            wanted = _filter(plan, filter_or_where(filter), {})
        with plan.transaction():
            found = plan.find(_first(wanted))
            if found:
                return FoundOne.by(plan, found, wanted).python(), False
            with racing(plan.definition.name):
                try:
                    record = plan.create(given, unless=plan.in_one_step(wanted.where))
                except FoundInstead as instead:
                    # As observers show it, and as the filter asks for it.
                    found = plan.find(_first(wanted)) or instead.rows
                    return FoundOne.by(plan, found, wanted).python(), False
                return instance_of(plan, record, given), True

    @operation
    def upsert(cls, data: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """Change the record with the id in ``data``, or create it where there is none.

        It validates like other writes; ``Meta.validate_upsert = False`` leaves that out.
        """
        plan = cls.__loop_plan__()
        given = _given(plan, data, values)
        return cast("Self", instance_of(plan, _upsert_record(plan, given), given))

    @operation
    def update_or_create(cls, data: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """The same as :meth:`upsert`."""
        return cls.upsert(data, **values)

    @operation
    @repeated
    def upsert_with_where(cls, where: WhereLike, data: Mapping[str, Any]) -> Self:
        """Change the one record that matches a where, or create it where none does.

        :raises BadRequest: where more than one matches.
        """
        plan = cls.__loop_plan__()
        given = python_names(plan, data)
        with plan.transaction():
            found = plan.the_one(_where(plan, where))
            record = _create_missing(plan, given) if found is None else plan.patch(found, given)
        return cast("Self", instance_of(plan, record, given))

    @operation
    @repeated
    def replace_or_create(cls, data: Mapping[str, Any]) -> Self:
        """Replace the record with the id in ``data``, or create it where there is none."""
        plan = cls.__loop_plan__()
        given = python_names(plan, data)
        with plan.transaction():
            id = _given_id(plan, given)
            is_there = id is not None and plan.is_stored(id)
            record = plan.replace(id, given) if is_there else _create_missing(plan, given)
        return cast("Self", instance_of(plan, record, given))

    @operation
    def replace_by_id(cls, id: Any, data: Mapping[str, Any]) -> Self:
        """Replace the record with an id; properties that are not given are unset.

        :raises ModelNotFound: where there is none.
        """
        plan = cls.__loop_plan__()
        given = python_names(plan, data)
        record = plan.replace(plan.load_id(id), given)
        return cast("Self", instance_of(plan, record, given))

    @operation
    def destroy_by_id(cls, id: Any) -> int:
        """Delete the record with an id.

        :returns: how many were deleted: 1 or 0.
        """
        plan = cls.__loop_plan__()
        try:
            return plan.delete_by_id(plan.load_id(id))
        except ModelNotFound:
            return 0

    @operation
    def delete_by_id(cls, id: Any) -> int:
        """The same as :meth:`destroy_by_id`."""
        return cls.destroy_by_id(id)

    @instance_operation
    def save(self, *, validate: bool = True) -> Self:
        """Store the record: a new one is created, another one changed.

        :param validate: whether rules are checked.
        :raises ValidationError: where a rule is broken; ``errors`` then says which.
        :raises ModelNotFound: where the record is gone.
        """
        plan = self.__loop_plan__()
        given = given_in(self)
        with _errors_kept(self):
            if self.is_new_record():
                record = plan.create(given, validate=validate)
            else:
                known = plan.without_scope()
                record = known.patch(own_id(plan, self), given, validate=validate)
        self.__dict__.pop("_unstored", None)
        _take_stored(self, plan, record, given)
        return self

    @instance_operation
    def patch_attributes(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """Change some properties and store them; the whole record must be valid.

        :raises ValidationError: where a rule is broken; nothing is changed then.
        """
        plan = self.__loop_plan__()
        given = _given(plan, data, values)
        with _errors_kept(self):
            record = plan.without_scope().patch(own_id(plan, self), given)
        _take_stored(self, plan, record, given)
        return self

    @instance_operation
    def update_attributes(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """The same as :meth:`patch_attributes`."""
        return self.patch_attributes(data, **values)

    @instance_operation
    def update_attribute(self, name: str, value: Any) -> Self:
        """Change one property and store it.

        :param name: its Python or wire name.
        :raises TypeError: where the model has no such property, and keeps no others.
        """
        definition = self.__loop_plan__().definition
        if definition.find(name) is None and not definition.settings.keeps_unknown:
            raise TypeError(f"{definition.name} has no property {name!r}")
        return self.patch_attributes({name: value})

    @instance_operation
    def replace_attributes(self, data: Mapping[str, Any]) -> Self:
        """Replace all properties but the id; those that are not given are unset."""
        plan = self.__loop_plan__()
        given = python_names(plan, data)
        with _errors_kept(self):
            record = plan.without_scope().replace(own_id(plan, self), given)
        _take_stored(self, plan, record, given)
        return self

    @instance_operation
    def destroy(self) -> int:
        """Delete the record; the instance is then a new record again.

        :returns: how many were deleted: 1, or 0 where it was gone already.
        """
        plan = self.__loop_plan__()
        deleted = plan.without_scope().delete_by_id(own_id(plan, self))
        self._forget()
        return deleted

    @instance_operation
    def delete(self) -> int:
        """The same as :meth:`destroy`."""
        return self.destroy()

    if TYPE_CHECKING:

        def is_new_record(self) -> bool: ...

        def _keep_errors(self, failures: Iterable[Any]) -> None: ...

        def _forget(self) -> None: ...


@contextmanager
def _errors_kept(instance: Writing) -> Iterator[None]:
    """Let the instance say afterwards what a write that failed found wrong with it."""
    try:
        yield
    except ValidationError as error:
        instance._keep_errors(error.failures)
        raise


def _given(plan: Plan, data: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """A record's data by Python names, from a mapping or an instance and from keywords."""
    given = {} if data is None else python_names(plan, data)
    renamed = python_names(plan, values)
    if twice := given.keys() & renamed.keys():
        raise TypeError(f"{sorted(twice)[0]!r} is given twice")
    return {**given, **renamed}


def _take_stored(instance: Any, plan: Plan, record: Record, given: Mapping[str, Any]) -> None:
    """Let an instance hold what was stored of it, and of the related records given with it."""
    instance._take(record)
    for each in inside(plan, [record], given):
        each.into_instances([instance])


def _first(filter: Filter) -> Filter:
    return replace(filter, limit=1)


def _given_id(plan: Plan, data: Mapping[str, Any]) -> Any:
    """The id in a record's data, loaded, or None where it is not whole or cannot be one."""
    given = _written_id(plan, data)
    if given is None:
        return None
    try:
        return plan.load_id(given)
    except ModelNotFound:
        return None  # the data is not valid, which creating a record of it says


def _written_id(plan: Plan, data: Mapping[str, Any]) -> Any:
    values = [data.get(each.name) for each in plan.definition.ids]
    if not values or any(value is None for value in values):
        return None
    return values[0] if len(values) == 1 else tuple(values)


def _create_missing(plan: Plan, data: Mapping[str, Any], *, validate: bool = True) -> Record:
    """Create a record that was looked for, and is not there."""
    with racing(plan.definition.name):
        return plan.create(data, validate=validate)


@repeated
def _upsert_record(plan: Plan, data: Mapping[str, Any]) -> dict[str, Any]:
    validate = plan.definition.settings.validate_upsert
    with plan.transaction():
        id = _given_id(plan, data)
        if id is not None and plan.is_stored(id):
            return plan.patch(id, data, validate=validate)
        return _create_missing(plan, data, validate=validate)


# What remote calls run. Ids and wheres are in their normal form; data is as it came.

Data = Mapping[str, Any]


def _create(plan: Plan, bounds: Bounds, data: Data | Sequence[Data]) -> Stored | StoredMany:
    accepted = accept_new(plan, data, bounds)
    if isinstance(accepted, list):
        return stored_many(plan, plan.create_many(accepted), accepted, bounds)
    return stored(plan, plan.create(accepted), accepted, bounds)


def accept_new(
    plan: Plan, data: Data | Sequence[Data], bounds: Bounds
) -> dict[str, Any] | list[dict[str, Any]]:
    """What remote callers may write of one new record, or of several.

    :raises ValidationError: where they give what they must not.
    """
    if isinstance(data, Mapping):
        return plan.accept(data, bounds, creating=True)
    return _accept_many(plan, data, bounds)


def _accept_many(plan: Plan, datas: Sequence[Data], bounds: Bounds) -> list[dict[str, Any]]:
    accepted: dict[int, dict[str, Any]] = {}
    refused: dict[int, list[Failure]] = {}
    for index, data in enumerate(datas):
        try:
            accepted[index] = plan.accept(data, bounds, creating=True)
        except ValidationError as error:
            refused[index] = error.failures
    if refused:
        refused |= {index: plan.check_new(data) for index, data in accepted.items()}
        raise ValidationError(
            plan.definition.name,
            [
                Failure((index, *each.path), each.code, each.message)
                for index in sorted(refused)
                for each in refused[index]
            ],
        )
    return list(accepted.values())


def existing_id(plan: Plan, data: Data) -> Any:
    """The id in a remote caller's data, or None where the data is for a new record.

    :raises ModelNotFound: where no record has the id, and remote callers cannot choose ids.
    """
    named = {each.name: data.get(each.wire) for each in plan.definition.ids}
    id, written = _given_id(plan, named), _written_id(plan, named)
    if id is not None and plan.is_stored(id):
        return id
    if written is not None and plan.forces_id:
        raise plan.not_found(written)
    return None


@repeated
def _upsert(plan: Plan, bounds: Bounds, data: Data) -> Stored:
    validate = plan.definition.settings.validate_upsert
    with plan.transaction():
        id = existing_id(plan, data)
        if id is None:
            accepted = plan.accept(data, bounds, creating=True)
            record = _create_missing(plan, accepted, validate=validate)
            return stored(plan, record, accepted, bounds)
        record = plan.patch(id, data, validate=validate, bounds=bounds)
        return stored(plan, record, data, bounds, wire_only=True)


@repeated
def _replace_or_create(plan: Plan, bounds: Bounds, data: Data) -> Stored:
    with plan.transaction():
        id = existing_id(plan, data)
        if id is None:
            accepted = plan.accept(data, bounds, creating=True)
            return stored(plan, _create_missing(plan, accepted), accepted, bounds)
        return _replace_by_id(plan, bounds, id, data)


@repeated
def _upsert_with_where(plan: Plan, bounds: Bounds, where: Where, data: Data) -> Stored:
    with plan.transaction():
        id = plan.the_one(where)
        if id is None:
            accepted = plan.accept(data, bounds, creating=True)
            return stored(plan, _create_missing(plan, accepted), accepted, bounds)
        record = plan.patch(id, data, bounds=bounds)
        return stored(plan, record, data, bounds, wire_only=True)


def _replace_by_id(plan: Plan, bounds: Bounds, id: Any, data: Data) -> Stored:
    return stored(plan, plan.replace(id, data, bounds=bounds), data, bounds, wire_only=True)


def _patch_attributes(plan: Plan, bounds: Bounds, id: Any, data: Data) -> Stored:
    return stored(plan, plan.patch(id, data, bounds=bounds), data, bounds, wire_only=True)


def _destroy_by_id(plan: Plan, bounds: Bounds, id: Any) -> int:
    deleted = plan.delete_by_id(id)
    if not deleted and plan.definition.settings.strict_delete:
        raise plan.not_found(id)
    return deleted


_RECORD = (Returns("data", "model", root=True),)

declare(
    RemoteMethod(
        name="create",
        wire="create",
        accepts=(CREATE_DATA,),
        returns=_RECORD,
        routes=(Route("POST", "/"),),
        description="Create a record, or several: all or none.",
        errors={409: "A record with the id exists."},
        saves=True,
        function=_create,
    )
)
declare(
    RemoteMethod(
        name="upsert",
        wire="upsert",
        accepts=(DATA,),
        returns=_RECORD,
        routes=(Route("PATCH", "/"),),
        aliases=("patchOrCreate", "updateOrCreate"),
        description="Change the record with the id in the data, or create one without an id.",
        errors={404: "No record has the id.", 409: "A record with the id exists."},
        saves=True,
        function=_upsert,
    )
)
declare(RemoteMethod(name="update_or_create", wire="updateOrCreate", accepts=(DATA,), remote=False))
declare(
    RemoteMethod(
        name="replace_or_create",
        wire="replaceOrCreate",
        accepts=(DATA,),
        returns=_RECORD,
        routes=(Route("PUT", "/"), Route("POST", "/replaceOrCreate")),
        description="Replace the record with the id in the data, or create one without an id.",
        errors={404: "No record has the id.", 409: "A record with the id exists."},
        saves=True,
        function=_replace_or_create,
    )
)
declare(
    RemoteMethod(
        name="upsert_with_where",
        wire="upsertWithWhere",
        accepts=(Argument("where", "where", required=True, description=WHERE.description), DATA),
        returns=_RECORD,
        routes=(Route("POST", "/upsertWithWhere"),),
        aliases=("patchOrCreateWithWhere",),
        description="Change the one record that matches a where, or create it.",
        errors={409: "A record with the id exists."},
        saves=True,
        function=_upsert_with_where,
    )
)
declare(RemoteMethod(name="find_or_create", wire="findOrCreate", accepts=(DATA,), remote=False))
declare(
    RemoteMethod(
        name="replace_by_id",
        wire="replaceById",
        accepts=(ID, DATA),
        returns=_RECORD,
        routes=(Route("PUT", "/:id"), Route("POST", "/:id/replace")),
        description="Replace the record with an id.",
        saves=True,
        function=_replace_by_id,
    )
)
declare(
    RemoteMethod(
        name="patch_attributes",
        wire="prototype.patchAttributes",
        accepts=(ID, CHANGES),
        returns=_RECORD,
        routes=(Route("PATCH", "/:id"),),
        aliases=("prototype.updateAttributes",),
        description="Change some properties of the record with an id.",
        saves=True,
        function=_patch_attributes,
    ),
    "patch_attributes",
)
declare(RemoteMethod(name="update_attributes", wire="prototype.updateAttributes", remote=False))
declare(RemoteMethod(name="update_attribute", wire="prototype.updateAttribute", remote=False))
declare(RemoteMethod(name="replace_attributes", wire="prototype.replaceAttributes", remote=False))
declare(
    RemoteMethod(
        name="destroy_by_id",
        wire="deleteById",
        accepts=(ID,),
        returns=(Returns("count", "number"),),
        routes=(Route("DELETE", "/:id"),),
        aliases=("destroyById", "removeById"),
        description="Delete the record with an id.",
        function=_destroy_by_id,
    ),
    "destroy_by_id",
    "delete_by_id",
)
declare(RemoteMethod(name="save", wire="prototype.save", remote=False))
declare(RemoteMethod(name="destroy", wire="prototype.destroy", remote=False))
declare(RemoteMethod(name="delete", wire="prototype.delete", remote=False))
