"""The operations that read: find, find_one, find_by_id, find_by_ids, count, exists, reload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ..connectors.base import Layout, Rows, layout_of_records
from ..definition import BELONGS_TO
from ..errors import FilterError, ModelNotFound
from ..methods import Argument, RemoteMethod, Returns, Route
from ..query import Bounds, Filter, Where, WhereExpression, both, keys_where, names_needed
from ..query.parser import FILTER_KEYS
from ..relations.including import load
from .base import Attached, declare, instance_operation
from .plan import Plan
from .results import FoundMany, FoundOne

if TYPE_CHECKING:
    from builtins import classmethod as operation
else:
    from .base import operation

#: A filter as a mapping or in its normal form.
FilterLike = Filter | Mapping[str, Any] | None
WhereLike = Where | Mapping[str, Any] | WhereExpression | None

ID = Argument("id", "any", "path", required=True, description="Model id")
FILTER = Argument(
    "filter",
    "filter",
    description="where, order, limit, skip, fields and include, as JSON or as "
    "filter[where][name]=value",
)
FIELDS = Argument(
    "filter", "filter", description="fields and include, as JSON or as filter[fields]=name"
)
WHERE = Argument("where", "where", description="Criteria to match records")


class Reading(Attached):
    """The operations that read."""

    @operation
    def find(
        cls,
        filter: FilterLike = None,
        *,
        where: WhereLike = None,
        order: str | list[str] | None = None,
        limit: int | None = None,
        skip: int | None = None,
        fields: Any = None,
        include: Any = None,
    ) -> list[Self]:
        """Find records.

        :param filter: a whole filter as one dict, or its parts by keyword:
        :param where: which records; a dict or an expression.
        :param order: ``"unit_price DESC, name"`` or a list of such texts.
        :param limit: at most so many.
        :param skip: leave out so many first.
        :param fields: only these properties: a name, a list, or ``{"secret": False}``.
        :param include: relations whose records come with them: a name, a list, or with scopes.
        :returns: the records, ordered and with ties broken by id.
        :raises FilterError: naming what in the filter means nothing.

        ::

            Product.find(where={"unit_price": {"gt": 20}}, order="unit_price DESC", limit=10)
        """
        parts = {"where": where, "order": order, "limit": limit, "skip": skip, "fields": fields}
        plan = cls.__loop_plan__()
        parsed = _filter(plan, filter, {**parts, "include": include})
        return FoundMany.by(plan, plan.find(parsed), parsed).python()

    @operation
    def all(cls, filter: FilterLike = None, **parts: Any) -> list[Self]:
        """The same as :meth:`find`."""
        return cls.find(filter, **parts)

    @operation
    def find_one(cls, filter: FilterLike | WhereExpression = None, **parts: Any) -> Self | None:
        """Find the first record of a filter, or of a plain where.

        :param filter: a filter if all its keys are a filter's, else a where.
        :returns: the record, or None.
        """
        plan = cls.__loop_plan__()
        parsed = replace(_filter(plan, filter_or_where(filter), parts), limit=1)
        found = plan.find(parsed)
        return FoundOne.by(plan, found, parsed).python() if found else None

    @operation
    def find_by_id(cls, id: Any, filter: FilterLike = None) -> Self | None:
        """Find the record with an id.

        :param id: the id; a tuple where it is several properties.
        :param filter: ``fields`` and ``include`` alone.
        :returns: the record, or None.
        """
        plan = cls.__loop_plan__()
        parsed = _filter(plan, filter, {})
        only_of_one(parsed)
        parsed = plan.within(parsed)
        try:
            found = plan.get(plan.load_id(id), parsed.fields)
        except ModelNotFound:
            return None
        return FoundOne.by(plan, found, parsed).python() if found else None

    @operation
    def find_by_ids(cls, ids: Iterable[Any], filter: FilterLike = None) -> list[Self]:
        """Find the records with these ids.

        :param ids: the ids; tuples where an id is several properties.
        :param filter: ``where``, ``fields`` and ``include``.
        :returns: the records in the order of the ids; ids that no record has are left out.
        """
        plan = cls.__loop_plan__()
        parsed = _filter(plan, filter, {})
        wanted = list(_loadable(plan, ids))
        names = [each.name for each in plan.definition.ids]
        fields = parsed.fields and tuple(dict.fromkeys((*parsed.fields, *names)))
        where = both(parsed.where, _one_of(plan, wanted))
        # A default scope may have a limit, which is for lists.
        limit = len(wanted) if parsed.limit is None else parsed.limit
        rows = plan.find(replace(parsed, where=where, fields=fields, limit=limit))
        places = {
            key: place for place, key in enumerate(map(plan.definition.id_of, rows.records()))
        }
        found = Rows([rows.raw[places[id]] for id in wanted if id in places], rows.layout)
        shown = parsed.fields and set(parsed.fields) - set(parsed.extra)
        extra = () if shown is None else tuple(name for name in fields or () if name not in shown)
        return FoundMany.by(plan, found, replace(parsed, extra=extra)).python()

    @operation
    def count(cls, where: WhereLike = None) -> int:
        """Count the records that match a where."""
        plan = cls.__loop_plan__()
        return plan.count(_where(plan, where))

    @operation
    def exists(cls, id: Any) -> bool:
        """Whether there is a record with an id."""
        plan = cls.__loop_plan__()
        try:
            return plan.exists(plan.load_id(id))
        except ModelNotFound:
            return False

    @operation
    def include(cls, records: Iterable[Self], include: Any) -> list[Self]:
        """Load related records into records that were found before.

        :param records: instances of this model.
        :param include: what :meth:`find` takes.
        :returns: the same instances; each relation cost one query on each level.
        :raises FilterError: naming what in it means nothing.
        :raises AttributeError: where a key was not loaded with a record.

        ::

            cities = City.find(limit=20)
            City.include(cities, ["country", {"places": "photos"}])
        """
        plan = cls.__loop_plan__()
        parsed = plan.parser.filter({"include": include})
        found = list(records)
        names = {name for each in parsed.include for name in names_needed(each.relation)}
        layout = layout_of_records(plan.definition, names)
        held = [_held(record, names) for record in found]
        rows = Rows(held, Layout(layout.columns))
        for each in load(rows, parsed.include):
            each.into_instances(found)
        return found

    @operation
    def relation_name_for(cls, foreign_key: str) -> str | None:
        """The name of the ``belongs_to`` relation that has a key.

        :param foreign_key: the name of the key, in either spelling.
        :returns: the name, or None where no relation has it.
        """
        definition = cls.__loop_plan__().definition
        key = definition.find(foreign_key)
        for each in definition.relations.values():
            if each.kind == BELONGS_TO and key is not None and each.foreign_key == (key.name,):
                return each.name
        return None

    @instance_operation
    def reload(self) -> Self:
        """Read the record again, into this instance.

        :raises ModelNotFound: where it is gone.
        """
        plan = self.__loop_plan__()
        self._take(plan.without_scope().record(own_id(plan, self)))
        self.__dict__.pop("_related", None)
        return self


def own_id(plan: Plan, instance: Attached) -> Any:
    """The id of the record that an instance is.

    :raises AttributeError: where the id was not loaded.
    """
    held = instance.__dict__
    values = tuple(
        held[each.name] if each.name in held else getattr(instance, each.name)
        for each in plan.definition.ids
    )
    return values[0] if len(values) == 1 else values


def _held(instance: Attached, names: Iterable[str]) -> dict[str, Any]:
    """Some properties of the record that an instance is, as rows have them.

    :raises AttributeError: where one was not loaded.
    """
    record = instance.to_record()
    return {name: record[name] if name in record else getattr(instance, name) for name in names}


def filter_or_where(given: FilterLike | WhereExpression) -> FilterLike:
    """A filter as it is, and a where as a filter that has no other part."""
    is_where = isinstance(given, Mapping) and not set(given) <= set(FILTER_KEYS)
    if is_where or isinstance(given, WhereExpression):
        return {"where": given}
    return given


def _filter(plan: Plan, filter: FilterLike, parts: Mapping[str, Any]) -> Filter:
    given = {key: value for key, value in parts.items() if value is not None}
    if isinstance(filter, Filter):
        if given:
            raise TypeError("give a filter, or its parts by keyword, not both")
        return filter
    if filter is not None and given:
        if overlap := given.keys() & filter.keys():
            raise TypeError(f"{sorted(overlap)[0]!r} is given twice")
        given = {**filter, **given}
    return plan.parser.filter(given or filter)


def _where(plan: Plan, where: WhereLike) -> Where:
    if where is None or isinstance(where, Mapping | WhereExpression | str):
        return plan.parser.where(where)
    return where


def _loadable(plan: Plan, ids: Iterable[Any]) -> Iterator[Any]:
    """The ids as records hold them, without those that no record can have."""
    for id in ids:
        with suppress(ModelNotFound):
            yield plan.load_id(id)


def _one_of(plan: Plan, ids: list[Any]) -> Where:
    definition = plan.definition
    if len(definition.ids) == 1:
        return plan.parser.where({definition.id.name: {"inq": ids}})
    return keys_where(definition, plan.id_names, ids)


# What remote calls run. Ids, filters and wheres are in their normal form already.


def _find(plan: Plan, bounds: Bounds, filter: Filter) -> FoundMany:
    rows, is_cut = plan.page(filter, bounds.limit)
    return FoundMany.by(plan, rows, filter, bounds, filter.skip + len(rows) if is_cut else None)


def _find_one(plan: Plan, bounds: Bounds, filter: Filter) -> FoundOne:
    rows = plan.find(replace(filter, limit=1))
    if not rows:
        raise nothing_found(plan)
    return FoundOne.by(plan, rows, filter, bounds)


def nothing_found(plan: Plan) -> ModelNotFound:
    name = plan.definition.name
    return ModelNotFound(name, message=f'No "{name}" matches the filter.')


def _find_by_id(plan: Plan, bounds: Bounds, id: Any, filter: Filter | None = None) -> FoundOne:
    only_of_one(filter)
    wanted = None if filter is None and plan.scope is None else plan.within(filter or Filter())
    rows = plan.get(id, None if wanted is None else wanted.fields)
    if not rows:
        raise plan.not_found(id)
    return FoundOne(plan, rows) if wanted is None else FoundOne.by(plan, rows, wanted, bounds)


def only_of_one(filter: Filter | None) -> None:
    """Refuse a filter for one record that has more than ``fields`` and ``include``."""
    if filter is None:
        return
    if filter.where != Filter().where or filter.limit is not None or filter.skip:
        raise FilterError("filter", "has more than fields and include, which one record takes")


def _count(plan: Plan, bounds: Bounds, where: Where) -> int:
    return plan.count(where)


def _exists(plan: Plan, bounds: Bounds, id: Any) -> bool:
    return plan.exists(id)


_FOUND = (Returns("data", "model", root=True),)

declare(
    RemoteMethod(
        name="find",
        wire="find",
        accepts=(FILTER,),
        returns=(Returns("data", "[model]", root=True),),
        routes=(Route("GET", "/"),),
        aliases=("all",),
        description="Find all records that match a filter.",
        function=_find,
    ),
    "find",
)
declare(RemoteMethod(name="all", wire="all", accepts=(FILTER,), remote=False))
declare(
    RemoteMethod(
        name="find_one",
        wire="findOne",
        accepts=(FILTER,),
        returns=_FOUND,
        routes=(Route("GET", "/findOne"),),
        description="Find the first record that matches a filter.",
        errors={404: "No record matches."},
        function=_find_one,
    )
)
declare(
    RemoteMethod(
        name="find_by_id",
        wire="findById",
        accepts=(ID, FIELDS),
        returns=_FOUND,
        routes=(Route("GET", "/:id"),),
        description="Find the record with an id.",
        function=_find_by_id,
    )
)
declare(RemoteMethod(name="find_by_ids", wire="findByIds", remote=False))
declare(
    RemoteMethod(
        name="exists",
        wire="exists",
        accepts=(ID,),
        returns=(Returns("exists", "boolean"),),
        routes=(Route("GET", "/:id/exists"), Route("HEAD", "/:id")),
        description="Whether there is a record with an id.",
        function=_exists,
    )
)
declare(
    RemoteMethod(
        name="count",
        wire="count",
        accepts=(WHERE,),
        returns=(Returns("count", "number"),),
        routes=(Route("GET", "/count"),),
        description="Count the records that match a where.",
        function=_count,
    )
)
declare(RemoteMethod(name="include", wire="include", remote=False))
declare(RemoteMethod(name="relation_name_for", wire="relationNameFor", remote=False))
declare(RemoteMethod(name="reload", wire="prototype.reload", remote=False))
