"""Nesting: relations as keys in the data of records, for related records written with them.

An item with the id of a record that is related already changes it, any other one is a new record;
none is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..connectors.base import Record
from ..definition import BELONGS_TO, MISSING, ModelDefinition, RelationDefinition
from ..errors import Failure
from ..query import UNBOUNDED, Bounds
from ..remoting import ClientData
from ..types import MAX_DEPTH, is_deeper
from .assignment import keys_to
from .branches import CODE, Branch, Data, NestedWrite, NestingPlan
from .growing import TOO_DEEP, Growing


class Nesting:
    """The relations of a model, as keys in the data of its records.

    :param definition: the model.

    :ivar wires: the keys of remote callers' data that have related records.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        relations = definition.relations.values()
        self._by_name = {each.name: each for each in relations}
        self._by_any = {each.wire: each for each in relations} | self._by_name
        nested = [each for each in relations if each.options.nested and not each.is_embedded]
        self._nested = {each.wire: each for each in nested}
        self.wires = frozenset(self._nested)
        self._drops = definition.settings.keeps_unknown

    def split(self, data: Data) -> tuple[Data, dict[str, Any]]:
        """A record's own data, and what it has of related records, by the relations' names.

        :param data: by Python names; a relation may have its name on the wire.
        :raises TypeError: where a relation is given in both spellings.
        """
        if self._by_any.keys().isdisjoint(data):
            return data, {}
        own: dict[str, Any] = {}
        given: dict[str, Any] = {}
        for key, value in data.items():
            relation = self._by_any.get(key)
            if relation is None:
                own[key] = value
            elif relation.is_embedded:
                if relation.property not in data:
                    own[str(relation.property)] = value
            elif not relation.options.nested:
                if not self._drops:
                    own[key] = value  # as any key that is no property
            elif relation.name in given:
                raise TypeError(f"both spellings of {relation.name!r} are given")
            elif value is None and relation.kind == BELONGS_TO:
                own.update(keys_to(relation, None))
            else:
                given[relation.name] = value
        return own, given

    def grow(self, plan: NestingPlan, write: NestedWrite, given: Data) -> list[Branch]:
        """Make the writes of related records.

        :param plan: the plan of this model.
        :param write: the record that they are in, loaded.
        :param given: what it has of them, by the relations' names.
        """
        return [
            Growing(plan, self._by_name[name], write.record, is_new=write.is_new).branch(
                value, write.path
            )
            for name, value in given.items()
        ]

    def accept(
        self,
        plan: NestingPlan,
        data: Data,
        own: Data,
        bounds: Bounds,
        *,
        current: Record | None,
    ) -> tuple[dict[str, Any], list[Failure]]:
        """The part of what a remote caller gives of related records that it may write.

        :param data: by wire names.
        :param own: what is accepted of the record itself, by Python names.
        :param bounds: the caller's, which say what it may reach.
        :param current: the record that is changed, where one is.
        """
        trusted = data.trusted if isinstance(data, ClientData) else ()
        accepted: dict[str, Any] = {}
        failures: list[Failure] = []
        for wire in self.wires.intersection(data):
            if wire not in trusted:
                relation = self._nested[wire]
                loaded, _ = plan.serializer.load(own, partial=True)
                unknown = dict.fromkeys(self.definition.properties)
                parent = {**unknown, **(current or {}), **loaded}
                growing = Growing(plan, relation, parent, is_new=current is None)
                inside = growing.accepted(data[wire], bounds, failures)
                if inside is not MISSING:
                    accepted[relation.name] = inside
        return accepted, failures

    def check(self, plan: NestingPlan, own: Record, given: Data) -> list[Failure]:
        """What is wrong with new records or changes, each by itself.

        :param own: the record that they are in.
        """
        return [
            failure
            for name, value in given.items()
            for failure in Growing(plan, self._by_name[name], own, is_new=True).check(value)
        ]

    def check_whole(self, plan: NestingPlan, own: Record, given: Data) -> list[Failure]:
        """Like :meth:`check`, of what may lead back to itself."""
        # A record is in a list, and may have objects in it.
        levels = 3 * MAX_DEPTH
        if deep := [name for name, value in given.items() if is_deeper(value, levels)]:
            return [Failure((name,), CODE, TOO_DEEP) for name in deep]
        return self.check(plan, own, given)

    def spec(
        self,
        data: Any,
        *,
        wire_only: bool = False,
        limit: int | None = None,
        depth: int = UNBOUNDED.include_depth,
    ) -> list[dict[str, Any]]:
        """What to include so that an answer shows the related records that data has in it.

        :param data: one record's data, or a list of such.
        :param wire_only: whether it is as a remote caller gave it.
        :param limit: how many records of each relation are shown, or None for all.
        :param depth: how many levels are shown.
        """
        found: dict[str, list[Any]] = {}
        for each in data if isinstance(data, list | tuple) else [data]:
            if isinstance(each, Mapping):
                for key in self._by_any.keys() & each.keys():
                    relation = self._by_any[key]
                    if relation.wire in self.wires and (not wire_only or key in self.wires):
                        value = each[key]
                        items = value if isinstance(value, list | tuple) else [value]
                        found.setdefault(relation.name, []).extend(items)
        return [
            self._spec_of(self._by_name[name], items, wire_only, limit, depth)
            for name, items in found.items()
            if not self._by_name[name].options.disable_include
        ]

    def _spec_of(
        self,
        relation: RelationDefinition,
        items: list[Any],
        wire_only: bool,
        limit: int | None,
        depth: int,
    ) -> dict[str, Any]:
        scope: dict[str, Any] = {}
        if limit is not None and relation.is_many:
            scope["limit"] = limit
        target = relation.target
        if target is not None and target.relations and depth > 1:
            nesting = Nesting(target)
            inner = nesting.spec(items, wire_only=wire_only, limit=limit, depth=depth - 1)
            if inner:
                scope["include"] = inner
        return {"relation": relation.name, "scope": scope}
