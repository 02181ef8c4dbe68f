"""``belongs_to``: one record, whose key the owner holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ...connectors.repeating import repeated
from ...query import Where, both, keys_where, relation_filter
from ..assignment import keys_to
from ..keys import is_current
from ..narrowing import key_in, scoped
from .base import FilterLike, RelatedOne, transaction
from .keyed import leads_nowhere, parsed_filter, values_of

T = TypeVar("T")


class Belonging(RelatedOne[T]):
    """The record whose key the owner holds."""

    @property
    def _target(self) -> Any:
        if self._relation.discriminator is None:
            return super()._target
        raise TypeError(
            f"{self._place} leads to records of several models: create one by its own model, and "
            "assign it"
        )

    def _find(self, filter: FilterLike, parts: Mapping[str, Any]) -> T | None:
        model = self._model
        if model is None:
            return None
        plan, scope = model.__loop_plan__(), self._relation.options.scope
        query = parsed_filter(plan, filter, parts)
        if scope:
            query = scoped(plan, query, relation_filter(self._relation, model.definition))
        query = replace(query, where=both(self._where_named(model), query.where))
        found: T | None = None if leads_nowhere(query.where) else model.find_one(query)
        return found

    @property
    def _model(self) -> Any:
        """The class of the record that the key names, or None where there is no key."""
        relation = self._relation
        if relation.discriminator is None:
            return relation.target_model
        return relation.find_target(getattr(self._owner, relation.discriminator))

    def _where_named(self, model: Any) -> Where:
        """The where that the record matches whose key the owner holds."""
        names = self._relation.foreign_key
        key = key_in(values_of(self._owner, names), names)
        return keys_where(model.definition, self._primary_key(model), [key])

    def _primary_key(self, model: Any) -> tuple[str, ...]:
        return self._relation.primary_key or tuple(each.name for each in model.definition.ids)

    def _included(self) -> Any:
        """What was read together with the owner, unless its key is another one by now."""
        if not is_current(self._owner, self._relation):
            raise KeyError(self._relation.name)
        return super()._included()

    def build(self, data: Any = None, /, **values: Any) -> T:
        """Make a record that is not stored yet; once it is, assign it to the relation."""
        built: T = self._target(self._filled(data, values))
        return built

    @repeated
    def create(self, data: Any = None, /, **values: Any) -> T:
        """Store a new record, and its key with the owner.

        Where the owner is not saved yet, it only gets the key.
        """
        self._forget()
        owner, given = self._owner, self._filled(data, values)
        with transaction(self._target, *([] if owner.is_new_record() else [type(owner)])):
            created: T = self._target.create(given)
            self._assign(created)
        return created

    def _assign(self, record: Any) -> None:
        keys = keys_to(self._relation, record)
        if self._owner.is_new_record():
            self._owner.__dict__.update(keys)
        else:
            self._owner.patch_attributes(keys)

    @repeated
    def update(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> T:
        self._forget()
        with transaction(self._model or type(self._owner)):
            record = self._existing()
            changes = self._given(data, values, type(record).definition)
            self._refuse_moves(record, changes, self._primary_key(type(record)))
            record.patch_attributes(changes)
        updated: T = record
        return updated

    def destroy(self) -> None:
        """Delete the related record.

        The owner has no key then, unless ``on_delete`` says what becomes of it.

        :raises ModelNotFound: where there is none.
        :raises ValidationError: where the owner must have a key.
        """
        self._forget()
        owner, model = self._owner, self._model
        with transaction(*filter(None, (model, type(owner)))):
            record = self._existing()
            on_delete = self._on_delete(model)
            if on_delete is None and not owner.is_new_record():
                self._assign(None)
            record.destroy()
        owner.__dict__.update(keys_to(self._relation, None))
        if on_delete == "cascade":
            owner._forget()

    def _on_delete(self, model: Any) -> str | None:
        """What becomes of the owner when the record that it names is deleted, if anything."""
        definition, keys = type(self._owner).definition, self._relation.foreign_key
        return next(
            (
                each.on_delete
                for each in model.definition.dependents
                if each.definition is definition and each.foreign_key == keys
            ),
            None,
        )
